//! How a service is offered: under which name, with how much bandwidth, where,
//! by whose yes, and how far its roll-out is. What a service *is* stands in
//! [`crate::service`].

use crate::decide::Decision;
use crate::limits::PILOT_PARTICIPANTS_MAX;
use crate::participant::Participant;
use crate::service::{Service, ascending};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{
    Acceptance, BandwidthKbps, DnsName, ParticipantKind, ParticipantNumber, Prefecture, ServiceId,
    ServiceStage,
};
use serde::{Deserialize, Serialize};

/// An offer. The plain one is open to every eligible kind everywhere, and each
/// proposal is accepted by hand: what a service of the first releases was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offer {
    /// The name under which it is found; no other service has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsName>,
    /// What it asks for at each user's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_kbps: Option<BandwidthKbps>,
    /// In which prefectures it may be asked for, ascending; empty means
    /// everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<Prefecture>,
    /// Whose proposals are accepted in the same act.
    #[serde(default)]
    pub acceptance: Acceptance,
    /// How far its roll-out is.
    #[serde(default)]
    pub stage: ServiceStage,
    /// Who may ask for it while it is on trial, ascending; empty at any other
    /// stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pilot: Vec<ParticipantNumber>,
}

impl Offer {
    /// Says nothing beyond what every service has?
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The offer as it is recorded.
pub(crate) fn check(
    view: &dyn View,
    own: Option<ServiceId>,
    offer: &Offer,
    eligible: &[ParticipantKind],
) -> Result<Offer, DecideError> {
    if let Some(name) = &offer.dns
        && let Some(other) = view.service_by_dns(name)?
        && Some(other) != own
    {
        return Err(Refusal::ServiceDnsTaken {
            name: name.clone(),
            other,
        }
        .into());
    }
    let acceptance = match &offer.acceptance {
        Acceptance::ByHand => Acceptance::ByHand,
        Acceptance::Automatic(kinds) => {
            let kinds = ascending(kinds);
            if kinds.is_empty() {
                return Err(Refusal::AcceptanceEmpty.into());
            }
            if let Some(kind) = kinds
                .iter()
                .find(|kind| !eligible.is_empty() && !eligible.contains(kind))
            {
                return Err(Refusal::AcceptanceNotEligible(*kind).into());
            }
            Acceptance::Automatic(kinds)
        }
    };
    let pilot = ascending(&offer.pilot);
    if offer.stage != ServiceStage::Pilot && !pilot.is_empty() {
        return Err(Refusal::PilotListWithoutPilot(offer.stage).into());
    }
    if pilot.len() > PILOT_PARTICIPANTS_MAX {
        return Err(Refusal::TooManyInPilot(pilot.len()).into());
    }
    for number in &pilot {
        crate::participant::open(view, *number)?;
    }
    Ok(Offer {
        areas: ascending(&offer.areas),
        acceptance,
        pilot,
        ..offer.clone()
    })
}

/// Replaces the offer of a service. Agreements stay as they are: who was let in
/// is let out by ending them, never by the way.
pub(crate) fn change(view: &dyn View, service: ServiceId, offer: &Offer) -> Decision {
    let service = crate::service::open(view, service)?;
    if offer.stage < service.offer.stage {
        return Err(Refusal::StageBack {
            service: service.service,
            present: service.offer.stage,
            wanted: offer.stage,
        }
        .into());
    }
    let offer = check(view, Some(service.service), offer, &service.eligible)?;
    if offer == service.offer {
        return Err(Refusal::OfferUnchanged(service.service).into());
    }
    Ok(vec![Event::ServiceOfferChanged {
        service: service.service,
        provider: service.provider,
        offer,
    }])
}

/// May this participant have an agreement about the service, as far as kind,
/// place and stage say it?
pub(crate) fn check_asking(service: &Service, asking: &Participant) -> Result<(), Refusal> {
    let participant = asking.number;
    if !service.eligible.is_empty() && !service.eligible.contains(&asking.kind) {
        return Err(Refusal::NotEligible {
            participant,
            kind: asking.kind,
            service: service.service,
            eligible: service.eligible.clone(),
        });
    }
    let offer = &service.offer;
    match offer.stage {
        ServiceStage::Planned => return Err(Refusal::ServicePlanned(service.service)),
        ServiceStage::Pilot if offer.pilot.binary_search(&participant).is_err() => {
            return Err(Refusal::NotInPilot {
                participant,
                service: service.service,
            });
        }
        ServiceStage::Pilot | ServiceStage::Open => {}
    }
    let area = asking.prefecture();
    if !offer.areas.is_empty() && !area.is_some_and(|area| offer.areas.contains(&area)) {
        return Err(Refusal::NotInArea {
            participant,
            area,
            service: service.service,
            areas: offer.areas.clone(),
        });
    }
    Ok(())
}
