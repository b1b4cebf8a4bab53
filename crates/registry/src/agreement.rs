//! 利用合意: proposed by one side, accepted by the other, ended by either.

use crate::decide::Decision;
use crate::limits::{
    AGREEMENT_LIFE_MAX_MS, AGREEMENT_NOTICE_MAX_MS, OPEN_AGREEMENTS_PER_PARTICIPANT,
};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{
    Actor, AgreementId, ParticipantNumber, Purpose, ServiceId, UnixMillis, Validity,
};
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
    /// Who proposed it, for that side.
    pub proposing_officer: Option<Actor>,
    /// Who accepted it, for the other; nobody where the service's own rule did.
    pub accepting_officer: Option<Actor>,
    /// Was it accepted by the service's rule, in the act that proposed it?
    pub automatic: bool,
    /// When both sides were told that it will run out.
    pub noticed_at: Option<UnixMillis>,
}

impl Agreement {
    pub(crate) fn ended(&self, by: Option<ParticipantNumber>) -> Event {
        Event::AgreementEnded {
            agreement: self.agreement,
            participant: self.participant,
            service: self.service,
            by,
            ran_out: false,
        }
    }

    /// Over by time: for the record, as it opens nothing any more.
    pub(crate) fn ran_out(&self) -> Event {
        Event::AgreementEnded {
            agreement: self.agreement,
            participant: self.participant,
            service: self.service,
            by: None,
            ran_out: true,
        }
    }
}

/// What one side proposes.
pub(crate) struct Proposal {
    pub(crate) participant: ParticipantNumber,
    pub(crate) service: ServiceId,
    pub(crate) purpose: Purpose,
    pub(crate) validity: Validity,
    pub(crate) by: ParticipantNumber,
}

pub(crate) fn propose(
    view: &dyn View,
    actor: &Actor,
    proposal: &Proposal,
    now: UnixMillis,
) -> Decision {
    let Proposal {
        participant,
        service,
        purpose,
        validity,
        by,
    } = *proposal;
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
    crate::offer::check_asking(&service, &asking)?;
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
        events.push(present.ran_out());
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
        officer: Some(actor.clone()),
    });
    // The provider said yes beforehand, to all of this kind; it still says it
    // here, so that both signatures stand in the history.
    if by == participant && service.offer.acceptance.covers(asking.kind) {
        events.push(Event::AgreementAccepted {
            agreement,
            participant,
            service: service.service,
            validity,
            by: service.provider,
            officer: None,
            automatic: true,
        });
    }
    Ok(events)
}

pub(crate) fn accept(
    view: &dyn View,
    actor: &Actor,
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
        officer: Some(actor.clone()),
        automatic: false,
    }])
}

/// At once, or at a date before its own end. An end that is set is not taken
/// back: the other side relies on it, and proposes anew if it wants more.
pub(crate) fn end(
    view: &dyn View,
    actor: &Actor,
    agreement: AgreementId,
    by: Option<ParticipantNumber>,
    at: Option<UnixMillis>,
    now: UnixMillis,
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
    let Some(at) = at else {
        return Ok(vec![found.ended(by)]);
    };
    if found.state != AgreementState::Accepted {
        return Err(Refusal::EndDateOfProposal(agreement).into());
    }
    if at <= now || at <= found.validity.from || at >= found.validity.until {
        return Err(Refusal::EndDate {
            agreement,
            at,
            validity: found.validity,
        }
        .into());
    }
    Ok(vec![Event::AgreementEndSet {
        agreement,
        participant: found.participant,
        service: found.service,
        validity: Validity {
            until: at,
            ..found.validity
        },
        by,
        officer: actor.clone(),
    }])
}

/// Records that it is over by time. It opens nothing since then, whoever
/// records it and when.
pub(crate) fn expire(view: &dyn View, agreement: AgreementId, now: UnixMillis) -> Decision {
    let found = open(view, agreement)?;
    if now < found.validity.until {
        return Err(Refusal::NotRunOut {
            agreement,
            until: found.validity.until,
        }
        .into());
    }
    Ok(vec![found.ran_out()])
}

/// Tells both sides, once, that it will run out.
pub(crate) fn notice(view: &dyn View, agreement: AgreementId, now: UnixMillis) -> Decision {
    let found = open(view, agreement)?;
    if found.state != AgreementState::Accepted
        || found.noticed_at.is_some()
        || found.validity.until <= now
        || found.validity.until.since_ms(now) > AGREEMENT_NOTICE_MAX_MS
    {
        return Err(Refusal::NoNotice(agreement).into());
    }
    Ok(vec![Event::AgreementNoticed {
        agreement,
        participant: found.participant,
        service: found.service,
        until: found.validity.until,
    }])
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
