//! Enrolment: a one-time code turns into a certificate, exactly once.
//!
//! The code is made outside, from at least 100 bits of chance, shown once and
//! kept nowhere; the registry knows its SHA-256 only. A slow hash would add
//! nothing: what cannot be guessed in 2^100 trials needs no slower trial.
//!
//! In one transaction of the store the center calls [`check`], signs the
//! certificate, and records `Command::EnrolDevice` (or `CertifyGateway`). So
//! no certificate leaves that is not recorded, and of two that show the same
//! code at once one is refused.

use crate::certificate::{CertificateFacts, check_new};
use crate::decide::Decision;
use crate::limits::{
    CODE_LIFE_MAX_MS, VALID_CERTIFICATES_PER_GATEWAY, VALID_DEVICES_PER_PARTICIPANT,
    WAITING_CODES_PER_SUBJECT,
};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{
    Actor, DeviceId, GatewayId, InstitutionCode, ParticipantKind, ParticipantNumber, UnixMillis,
};
use serde::{Deserialize, Serialize};

/// For whom a code is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A device of this participant.
    Participant(ParticipantNumber),
    /// This gateway.
    Gateway(GatewayId),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Participant(number) => write!(f, "participant:{number}"),
            Self::Gateway(gateway) => write!(f, "gateway:{gateway}"),
        }
    }
}

/// The text names no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names neither participant nor gateway; write participant:65536 or gateway:gw-east-1"
)]
pub struct SubjectError(pub String);

impl std::str::FromStr for Subject {
    type Err = SubjectError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SubjectError(text.chars().take(60).collect());
        match text.split_once(':') {
            Some(("participant", number)) => {
                number.parse().map(Self::Participant).map_err(|_| bad())
            }
            Some(("gateway", name)) => name.parse().map(Self::Gateway).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

/// SHA-256 of an enrolment code, 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeHash(String);

/// The text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of an enrolment code is 64 lower-case hexadecimal digits (SHA-256)")]
pub struct CodeHashError;

impl CodeHash {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CodeHash {
    type Error = CodeHashError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = text.len() == 64
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits {
            Ok(Self(text))
        } else {
            Err(CodeHashError)
        }
    }
}

impl std::str::FromStr for CodeHash {
    type Err = CodeHashError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<CodeHash> for String {
    fn from(hash: CodeHash) -> Self {
        hash.0
    }
}

/// A code as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentCode {
    /// Its hash.
    pub code_hash: CodeHash,
    /// For whom.
    pub subject: Subject,
    /// When it was handed out.
    pub issued_at: UnixMillis,
    /// First millisecond at which it is no longer taken.
    pub expires_at: UnixMillis,
    /// When it was used.
    pub spent_at: Option<UnixMillis>,
}

/// What a good code entitles to: everything that the certificate will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolmentGrant {
    /// A device of a participant.
    Device {
        /// Whose.
        participant: ParticipantNumber,
        /// The number the device gets.
        device: DeviceId,
        /// Kind, for the certificate.
        kind: ParticipantKind,
        /// Name, for the certificate.
        name: String,
        /// 医療機関コード, for the certificate.
        code: Option<InstitutionCode>,
    },
    /// A gateway.
    Gateway(crate::gateway::Gateway),
}

/// Is this code good for a certificate now? Changes nothing.
///
/// # Errors
/// When it is unknown, used or expired, or when its subject may not have one
/// more certificate; or when the store cannot answer.
pub fn check(
    view: &dyn View,
    code_hash: &CodeHash,
    now: UnixMillis,
) -> Result<EnrolmentGrant, DecideError> {
    let code = view
        .enrolment_code(code_hash)?
        .ok_or(Refusal::CodeUnknown)?;
    if let Some(at) = code.spent_at {
        return Err(Refusal::CodeSpent { at }.into());
    }
    if code.expires_at <= now {
        return Err(Refusal::CodeExpired {
            at: code.expires_at,
        }
        .into());
    }
    match code.subject {
        Subject::Participant(number) => {
            let participant = crate::participant::open(view, number)?;
            if view.valid_devices(number, now)?.len() >= VALID_DEVICES_PER_PARTICIPANT {
                return Err(Refusal::TooManyDevices(number).into());
            }
            let device = match view.last_device(number)? {
                None => DeviceId(1),
                Some(last) => DeviceId(
                    last.0
                        .checked_add(1)
                        .ok_or(Refusal::TooManyDevices(number))?,
                ),
            };
            Ok(EnrolmentGrant::Device {
                participant: number,
                device,
                kind: participant.kind,
                name: participant.name,
                code: participant.code,
            })
        }
        Subject::Gateway(id) => {
            let gateway = crate::gateway::known(view, &id)?;
            if view.valid_gateway_certificates(&id, now)?.len() >= VALID_CERTIFICATES_PER_GATEWAY {
                return Err(Refusal::TooManyGatewayCertificates(id).into());
            }
            Ok(EnrolmentGrant::Gateway(gateway))
        }
    }
}

pub(crate) fn issue_code(
    view: &dyn View,
    actor: &Actor,
    subject: &Subject,
    code_hash: &CodeHash,
    expires_at: UnixMillis,
    now: UnixMillis,
) -> Decision {
    match subject {
        Subject::Participant(number) => {
            crate::participant::open(view, *number)?;
        }
        Subject::Gateway(gateway) => {
            crate::gateway::known(view, gateway)?;
        }
    }
    if expires_at <= now || expires_at.since_ms(now) > CODE_LIFE_MAX_MS {
        return Err(Refusal::CodeLife { expires_at }.into());
    }
    if view.enrolment_code(code_hash)?.is_some() {
        return Err(Refusal::CodeNotNew.into());
    }
    if view.waiting_codes(subject, now)? >= WAITING_CODES_PER_SUBJECT {
        return Err(Refusal::TooManyCodes(subject.clone()).into());
    }
    let mut events = vec![Event::EnrolmentCodeIssued {
        subject: subject.clone(),
        code_hash: code_hash.clone(),
        expires_at,
    }];
    if let Subject::Participant(number) = subject {
        events.extend(crate::case::handed_out(view, actor, *number)?);
    }
    Ok(events)
}

pub(crate) fn enrol_device(
    view: &dyn View,
    actor: &Actor,
    code_hash: &CodeHash,
    wanted: DeviceId,
    certificate: &CertificateFacts,
    now: UnixMillis,
) -> Decision {
    let EnrolmentGrant::Device {
        participant,
        device,
        ..
    } = check(view, code_hash, now)?
    else {
        return Err(Refusal::CodeOfOtherSubject.into());
    };
    if wanted != device {
        return Err(Refusal::OtherDevice { wanted, device }.into());
    }
    check_new(view, certificate, now)?;
    let mut events = vec![
        Event::EnrolmentCodeSpent {
            subject: Subject::Participant(participant),
            code_hash: code_hash.clone(),
            device: Some(device),
        },
        Event::DeviceEnrolled {
            participant,
            device,
            fingerprint: certificate.fingerprint,
            serial: certificate.serial.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        },
    ];
    events.extend(crate::case::certified(view, actor, participant, device)?);
    Ok(events)
}

pub(crate) fn certify_gateway(
    view: &dyn View,
    code_hash: &CodeHash,
    certificate: &CertificateFacts,
    now: UnixMillis,
) -> Decision {
    let EnrolmentGrant::Gateway(gateway) = check(view, code_hash, now)? else {
        return Err(Refusal::CodeOfOtherSubject.into());
    };
    check_new(view, certificate, now)?;
    Ok(vec![
        Event::EnrolmentCodeSpent {
            subject: Subject::Gateway(gateway.gateway.clone()),
            code_hash: code_hash.clone(),
            device: None,
        },
        Event::GatewayCertified {
            gateway: gateway.gateway,
            fingerprint: certificate.fingerprint,
            serial: certificate.serial.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        },
    ])
}
