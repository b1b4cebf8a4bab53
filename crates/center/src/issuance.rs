//! From a right to have a certificate to a recorded one. One way, whoever asks
//! and over which protocol:
//!
//! 1. the registry is asked whether it may be (a code, or a certificate that
//!    was proved);
//! 2. the certificate is made and linted, outside of any transaction: a token
//!    may take its time, and holds up nobody else's act;
//! 3. one transaction: asked again, and recorded; only then does the
//!    certificate leave. Where the answer is another one by then (two codes of
//!    one participant at once, say), the certificate is dropped, unseen and
//!    unrecorded, and made anew.
//!
//! A refused code is recorded in the ledger, but within a rate of its own:
//! guesses cannot fill the disk. What is beyond that rate is in the log only.

use crate::clock;
use crate::http::problem::{Problem, chain};
use crate::state::{Center, blocking, lock};
use axum::http::StatusCode;
use iryonet_authority::issue::IssueError;
use iryonet_authority::profile::ServerNames;
use iryonet_authority::{Csr, Issued, Profile};
use iryonet_domain::{
    Actor, DeviceId, Fingerprint, GatewayId, ParticipantNumber, Role, UnixMillis,
};
use iryonet_registry::{
    CertificateFacts, CodeHash, Command, DecideError, EnrolmentGrant, Refusal, Serial, View,
    enrolment, renewal,
};
use iryonet_store::{Outcome, Recorded, StoreError, Transaction};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Refused codes of one peer that are recorded at once, and per second after.
pub(crate) const GUESSES_OF_PEER: (u32, u32) = (20, 1);
/// The same for all peers together: at most some 86,400 entries a day, of less
/// than 1 KiB each, whatever anybody does.
pub(crate) const GUESSES_OF_ALL: (u32, u32) = (600, 1);
/// How often a certificate is made anew because its right changed meanwhile.
const TRIES_MAX: u32 = 4;

/// By what right.
#[derive(Debug, Clone)]
pub(crate) enum Right {
    /// A one-time enrolment code.
    Code(CodeHash),
    /// The present certificate of a device, proved in this connection.
    Device {
        participant: ParticipantNumber,
        device: DeviceId,
        fingerprint: Fingerprint,
    },
    /// The present certificate of a gateway, likewise.
    Gateway {
        gateway: GatewayId,
        fingerprint: Fingerprint,
    },
}

/// A certificate that is recorded.
pub(crate) struct Taken {
    pub(crate) issued: Box<Issued>,
    pub(crate) grant: EnrolmentGrant,
}

/// Why there is none.
pub(crate) enum Denied {
    /// The registry said no.
    Refused {
        refusal: Refusal,
        recorded: Option<u64>,
    },
    /// It could not be tried, or the request is not one.
    Problem(Problem),
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

enum Tried {
    Recorded(Recorded),
    Changed,
}

/// Makes and records a certificate for the key in `csr`.
pub(crate) async fn take(
    center: &Arc<Center>,
    right: Right,
    csr: Csr,
    peer: IpAddr,
) -> Result<Taken, Denied> {
    let csr = Arc::new(csr);
    for _ in 0..TRIES_MAX {
        let grant = match ask(center, &right).await? {
            Ok(grant) => grant,
            Err(refusal) => {
                let recorded = record_guess(center, &right, peer).await?;
                return Err(Denied::Refused { refusal, recorded });
            }
        };
        let issued = make(center, &grant, &csr).await?;
        let facts = CertificateFacts {
            fingerprint: issued.fingerprint,
            serial: Serial::from_octets(issued.serial.as_bytes())
                .map_err(|error| Problem::internal(&error))?,
            not_before: issued.not_before,
            not_after: issued.not_after,
        };
        let command = command(&right, &grant, facts);
        let actor = acting_for(center)?;
        let (wanted, asked) = (grant.clone(), right.clone());
        let tried = center
            .transact(move |transaction| {
                let now = clock::now();
                // What the certificate says must still be so.
                if let Ok(found) = decided(check(&*transaction, &asked, now))?
                    && found != wanted
                {
                    return Ok(Tried::Changed);
                }
                let recorded = transaction.record(&actor, &command, now)?;
                Ok(Tried::Recorded(recorded))
            })
            .await?;
        let Tried::Recorded(recorded) = tried else {
            continue;
        };
        if let Outcome::Refused(refusal) = &recorded.outcome {
            // The certificate is dropped here; nobody has seen it.
            return Err(Denied::Refused {
                refusal: refusal.clone(),
                recorded: Some(recorded.sequence),
            });
        }
        center.outcome(recorded).await?;
        return Ok(Taken { issued, grant });
    }
    Err(Problem::busy().into())
}

async fn ask(
    center: &Arc<Center>,
    right: &Right,
) -> Result<Result<EnrolmentGrant, Refusal>, Problem> {
    let right = right.clone();
    center
        .read(move |reader| decided(check(reader, &right, clock::now())))
        .await
}

/// Splits the registry's no from a store that could not answer.
fn decided<T>(result: Result<T, DecideError>) -> Result<Result<T, Refusal>, StoreError> {
    match result {
        Ok(granted) => Ok(Ok(granted)),
        Err(DecideError::Refused(refusal)) => Ok(Err(refusal)),
        Err(DecideError::View(error)) => Err(error.into()),
    }
}

fn check(view: &dyn View, right: &Right, now: UnixMillis) -> Result<EnrolmentGrant, DecideError> {
    match right {
        Right::Code(code_hash) => enrolment::check(view, code_hash, now),
        Right::Device {
            participant,
            device,
            fingerprint,
        } => renewal::check_device(view, *participant, *device, *fingerprint, now),
        Right::Gateway {
            gateway,
            fingerprint,
        } => renewal::check_gateway(view, gateway, *fingerprint, now),
    }
}

async fn make(
    center: &Arc<Center>,
    grant: &EnrolmentGrant,
    csr: &Arc<Csr>,
) -> Result<Box<Issued>, Problem> {
    let life_ms = u64::from(center.config.certificate_days) * 86_400_000;
    let (center, profile, csr) = (Arc::clone(center), profile(grant), Arc::clone(csr));
    blocking(move || {
        iryonet_authority::issue(
            center.authorities.current(),
            &profile,
            &csr,
            Some(life_ms),
            clock::now(),
            &mut rand::rng(),
        )
    })
    .await?
    .map(Box::new)
    .map_err(|error| issue_problem(&error))
}

/// What a certificate that was not made is in HTTP. Nothing was recorded.
fn issue_problem(error: &IssueError) -> Problem {
    match error {
        IssueError::Key { .. } => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key-not-taken",
            error.to_string(),
            format!("この網では使えない種類の鍵です: {error}"),
        ),
        IssueError::Sign(_) => {
            tracing::error!(error = %chain(error), "the issuing CA's key does not sign; nothing was issued");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "authority-key-away",
                "the issuing CA's key is not to be had at the moment: nothing was issued and nothing recorded. Repeat it later",
                "発行局の鍵が現在利用できません。証明書は発行されず、何も記録されていません。しばらくしてから再度実行してください。",
            )
            .retry_after(10)
        }
        error => Problem::internal(error),
    }
}

fn command(right: &Right, grant: &EnrolmentGrant, certificate: CertificateFacts) -> Command {
    match (right, grant) {
        (Right::Code(code_hash), EnrolmentGrant::Device { device, .. }) => Command::EnrolDevice {
            code_hash: code_hash.clone(),
            device: *device,
            certificate,
        },
        (Right::Code(code_hash), EnrolmentGrant::Gateway(_)) => Command::CertifyGateway {
            code_hash: code_hash.clone(),
            certificate,
        },
        (
            Right::Device {
                participant,
                device,
                fingerprint,
            },
            grant,
        ) => Command::RenewDevice {
            participant: *participant,
            device: *device,
            fingerprint: *fingerprint,
            successor: match grant {
                EnrolmentGrant::Device { device, .. } => *device,
                // The registry grants devices to devices; it would refuse this.
                EnrolmentGrant::Gateway(_) => *device,
            },
            certificate,
        },
        (
            Right::Gateway {
                gateway,
                fingerprint,
            },
            _,
        ) => Command::RenewGateway {
            gateway: gateway.clone(),
            fingerprint: *fingerprint,
            certificate,
        },
    }
}

/// Writes a refused code into the ledger, as far as its rate allows.
async fn record_guess(
    center: &Arc<Center>,
    right: &Right,
    peer: IpAddr,
) -> Result<Option<u64>, Problem> {
    let Right::Code(code_hash) = right else {
        return Ok(None);
    };
    let now = clock::now();
    let everybody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let may = lock(&center.guess_rates).take(peer, now.0).is_ok()
        && lock(&center.guess_total).take(everybody, now.0).is_ok();
    if !may {
        return Ok(None);
    }
    let actor = acting_for(center)?;
    let command = Command::PresentEnrolmentCode {
        code_hash: code_hash.clone(),
    };
    let record = move |transaction: &mut dyn Transaction| {
        let recorded = transaction.record(&actor, &command, clock::now())?;
        Ok(recorded.sequence)
    };
    center.transact(record).await.map(Some)
}

/// Whoever shows a code or a certificate acts through the center: code and
/// certificate say for whom.
fn acting_for(center: &Center) -> Result<Actor, Problem> {
    Actor::new(Role::System, center.config.name.as_str()).map_err(|error| Problem::internal(&error))
}

fn profile(grant: &EnrolmentGrant) -> Profile {
    match grant {
        EnrolmentGrant::Device {
            participant,
            device,
            kind,
            name,
            code,
        } => Profile::Institution {
            number: *participant,
            device: *device,
            name: name.clone(),
            kind: *kind,
            code: code.map(|code| code.to_string()),
        },
        EnrolmentGrant::Gateway(gateway) => Profile::Gateway {
            id: gateway.gateway.clone(),
            names: ServerNames {
                dns: Vec::new(),
                addresses: vec![IpAddr::V6(gateway.backbone)],
            },
        },
    }
}

/// A request, PEM or DER, as a problem when it is none.
pub(crate) async fn read_request(bytes: Vec<u8>) -> Result<Csr, Problem> {
    blocking(move || Csr::parse(&bytes))
        .await?
        .map_err(|error| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "request-unacceptable",
                format!("the certificate request cannot be taken: {error}"),
                format!("証明書要求を受け付けられません: {error}"),
            )
        })
}

/// Takes one from the rate of the peer's /64.
pub(crate) fn within_rate(center: &Center, peer: IpAddr) -> Result<(), Problem> {
    lock(&center.enrol_rates)
        .take(peer, clock::now().0)
        .map_err(|wait_s| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-enrolments",
                format!("too many enrolments come from this address; try again in {wait_s} s"),
                format!(
                    "このアドレスからの登録が多すぎます。{wait_s} 秒後に再度実行してください。"
                ),
            )
            .retry_after(wait_s)
        })
}
