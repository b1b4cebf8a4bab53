//! 利用合意: proposed by one side, accepted by the other, ended by either.

use crate::decide::Decision;
use crate::limits::{AGREEMENT_LIFE_MAX_MS, OPEN_AGREEMENTS_PER_PARTICIPANT};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{AgreementId, ParticipantNumber, Purpose, ServiceId, UnixMillis, Validity};
use serde::{Deserialize, Serialize};

/// Where an agreement stands. Whether its validity holds is a question of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgreementState {
    /// One side has said yes.
    Proposed,
    /// Both have.
    Accepted,
    /// Over.
    Ended,
}

impl AgreementState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Accepted, Self::Ended];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Ended => "ended",
        }
    }
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Number, for ever.
    pub agreement: AgreementId,
    /// Who uses the service.
    pub participant: ParticipantNumber,
    /// Which service.
    pub service: ServiceId,
    /// What for.
    pub purpose: Purpose,
    /// From when until when.
    pub validity: Validity,
    /// Which side proposed it.
    pub proposed_by: ParticipantNumber,
    /// Where it stands.
    pub state: AgreementState,
}

impl Agreement {
    pub(crate) fn ended(&self, by: Option<ParticipantNumber>) -> Event {
        Event::AgreementEnded {
            agreement: self.agreement,
            participant: self.participant,
            service: self.service,
            by,
        }
    }
}

pub(crate) fn propose(
    view: &dyn View,
    participant: ParticipantNumber,
    service: ServiceId,
    purpose: Purpose,
    validity: Validity,
    by: ParticipantNumber,
    now: UnixMillis,
) -> Decision {
    let asking = crate::participant::open(view, participant)?;
    let service = crate::service::open(view, service)?;
    crate::participant::open(view, service.provider)?;
    if service.provider == participant {
        return Err(Refusal::OwnService(service.service).into());
    }
    if by != participant && by != service.provider {
        return Err(Refusal::NotASide {
            by,
            participant,
            provider: service.provider,
        }
        .into());
    }
    if !service.eligible.is_empty() && !service.eligible.contains(&asking.kind) {
        return Err(Refusal::NotEligible {
            participant,
            kind: asking.kind,
            service: service.service,
            eligible: service.eligible,
        }
        .into());
    }
    if !service.purposes.contains(&purpose) {
        return Err(Refusal::PurposeNotServed {
            purpose,
            service: service.service,
            purposes: service.purposes,
        }
        .into());
    }
    if validity.from >= validity.until {
        return Err(Refusal::ValidityEmpty.into());
    }
    check_not_over(&validity, now)?;
    if validity.until.since_ms(now) > AGREEMENT_LIFE_MAX_MS {
        return Err(Refusal::ValidityTooLong.into());
    }
    let mut events = Vec::new();
    if let Some(present) = view.open_agreement(participant, service.service)? {
        if now < present.validity.until {
            return Err(Refusal::AgreementExists {
                participant,
                service: service.service,
                present: present.agreement,
            }
            .into());
        }
        // Run out by time: say so in the history before another begins.
        events.push(present.ended(None));
    } else if view
        .open_agreements_of(participant, OPEN_AGREEMENTS_PER_PARTICIPANT)?
        .len()
        >= OPEN_AGREEMENTS_PER_PARTICIPANT
    {
        return Err(Refusal::TooManyAgreements(participant).into());
    }
    let agreement = match view.last_agreement()? {
        None => AgreementId(1),
        Some(last) => AgreementId(last.0.saturating_add(1)),
    };
    events.push(Event::AgreementProposed {
        agreement,
        participant,
        service: service.service,
        purpose,
        validity,
        by,
    });
    Ok(events)
}

pub(crate) fn accept(
    view: &dyn View,
    agreement: AgreementId,
    by: ParticipantNumber,
    now: UnixMillis,
) -> Decision {
    let found = open(view, agreement)?;
    if found.state != AgreementState::Proposed {
        return Err(Refusal::AgreementAccepted(agreement).into());
    }
    let provider = crate::service::open(view, found.service)?.provider;
    let other_side = if found.proposed_by == found.participant {
        provider
    } else {
        found.participant
    };
    if by != other_side {
        return Err(Refusal::NotTheOtherSide {
            agreement,
            by,
            other_side,
        }
        .into());
    }
    crate::participant::open(view, found.participant)?;
    crate::participant::open(view, provider)?;
    check_not_over(&found.validity, now)?;
    Ok(vec![Event::AgreementAccepted {
        agreement,
        participant: found.participant,
        service: found.service,
        validity: found.validity,
        by,
    }])
}

pub(crate) fn end(
    view: &dyn View,
    agreement: AgreementId,
    by: Option<ParticipantNumber>,
) -> Decision {
    let found = open(view, agreement)?;
    if let Some(by) = by {
        let provider = crate::service::open(view, found.service)?.provider;
        if by != found.participant && by != provider {
            return Err(Refusal::NotASide {
                by,
                participant: found.participant,
                provider,
            }
            .into());
        }
    }
    Ok(vec![found.ended(by)])
}

fn open(view: &dyn View, agreement: AgreementId) -> Result<Agreement, DecideError> {
    let found = view
        .agreement(agreement)?
        .ok_or(Refusal::AgreementUnknown(agreement))?;
    if found.state == AgreementState::Ended {
        return Err(Refusal::AgreementEnded(agreement).into());
    }
    Ok(found)
}

fn check_not_over(validity: &Validity, now: UnixMillis) -> Result<(), Refusal> {
    if validity.until <= now {
        return Err(Refusal::ValidityOver(validity.until));
    }
    Ok(())
}
