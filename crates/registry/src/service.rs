//! サービス: what a provider runs on the network.

use crate::decide::{Decision, text};
use crate::limits::{
    CONSEQUENCES_MAX, ENDPOINTS_PER_SERVICE, NAME_MAX_CHARS, SERVICES_PER_PROVIDER,
};
use crate::offer::Offer;
use crate::view::View;
use crate::{Command, DecideError, Event, Refusal};
use iryonet_domain::{
    DnsName, Endpoint, ParticipantKind, ParticipantNumber, Purpose, ServiceId, TrafficClass,
};
use iryonet_rules::ServiceDescription;
use serde::{Deserialize, Serialize};

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Number, for ever.
    pub service: ServiceId,
    /// Who runs it.
    pub provider: ParticipantNumber,
    /// Name.
    pub name: String,
    /// Traffic class.
    pub class: TrafficClass,
    /// What agreements about it may be for, ascending.
    pub purposes: Vec<Purpose>,
    /// How it is reached, ascending.
    pub endpoints: Vec<Endpoint>,
    /// Which kinds may ask for it, ascending; empty means every kind.
    pub eligible: Vec<ParticipantKind>,
    /// How it is offered: name, bandwidth, area, acceptance, stage.
    pub offer: Offer,
    /// Has it ended?
    pub retired: bool,
}

/// The command that registers a service as a description has it: tomorrow's
/// service is an entry of a file.
#[must_use]
pub fn from_description(
    description: &ServiceDescription,
    provider: ParticipantNumber,
    addresses: &[std::net::Ipv6Addr],
    dns: Option<DnsName>,
) -> Command {
    Command::RegisterService {
        provider,
        name: description.name.ja.clone(),
        class: description.class,
        purposes: description.purposes.clone(),
        endpoints: description.endpoints(addresses),
        eligible: description.kinds.clone(),
        offer: Offer {
            dns,
            bandwidth_kbps: description.bandwidth,
            areas: description.areas.clone(),
            acceptance: description.acceptance.clone(),
            stage: description.stage,
            pilot: Vec::new(),
        },
    }
}

/// A service as its provider wants it.
pub(crate) struct Wish<'a> {
    pub(crate) provider: ParticipantNumber,
    pub(crate) name: &'a str,
    pub(crate) class: TrafficClass,
    pub(crate) purposes: &'a [Purpose],
    pub(crate) endpoints: &'a [Endpoint],
    pub(crate) eligible: &'a [ParticipantKind],
    pub(crate) offer: &'a Offer,
}

pub(crate) fn register(view: &dyn View, wish: &Wish<'_>) -> Decision {
    let Wish {
        provider,
        name,
        class,
        purposes,
        endpoints,
        eligible,
        offer,
    } = *wish;
    let kind = crate::participant::open(view, provider)?.kind;
    if kind != ParticipantKind::Provider {
        return Err(Refusal::NotAProvider {
            participant: provider,
            kind,
        }
        .into());
    }
    let name = text("name of the service", name, NAME_MAX_CHARS)?;
    let present = view.services_of(provider)?;
    if present.len() >= SERVICES_PER_PROVIDER {
        return Err(Refusal::TooManyServices(provider).into());
    }
    if let Some(other) = present.iter().find(|other| other.name == name) {
        return Err(Refusal::ServiceNameTaken {
            name,
            other: other.service,
        }
        .into());
    }
    if purposes.is_empty() {
        return Err(Refusal::NoPurpose.into());
    }
    let endpoints = check_endpoints(view, provider, None, endpoints)?;
    let eligible = ascending(eligible);
    let offer = crate::offer::check(view, None, offer, &eligible)?;
    let next = match view.last_service()? {
        None => 1,
        Some(last) => last.get() + 1,
    };
    let service = ServiceId::new(next).map_err(|_| Refusal::NoServiceNumberLeft)?;
    let mut events = vec![Event::ServiceRegistered {
        service,
        provider,
        name,
        class,
        purposes: ascending(purposes),
        endpoints,
        eligible,
    }];
    if !offer.is_plain() {
        events.push(Event::ServiceOfferChanged {
            service,
            provider,
            offer,
        });
    }
    Ok(events)
}

pub(crate) fn change_endpoints(
    view: &dyn View,
    service: ServiceId,
    endpoints: &[Endpoint],
) -> Decision {
    let service = open(view, service)?;
    let endpoints = check_endpoints(view, service.provider, Some(service.service), endpoints)?;
    if endpoints == service.endpoints {
        return Err(Refusal::EndpointsUnchanged(service.service).into());
    }
    Ok(vec![Event::ServiceEndpointsChanged {
        service: service.service,
        provider: service.provider,
        endpoints,
    }])
}

pub(crate) fn retire(view: &dyn View, service: ServiceId) -> Decision {
    let service = open(view, service)?;
    let agreements = view.open_agreements_about(service.service, CONSEQUENCES_MAX)?;
    if agreements.len() >= CONSEQUENCES_MAX {
        return Err(Refusal::TooManyConsequences.into());
    }
    let mut events: Vec<Event> = agreements
        .iter()
        .map(|agreement| agreement.ended(None))
        .collect();
    events.push(Event::ServiceRetired {
        service: service.service,
        provider: service.provider,
    });
    Ok(events)
}

/// The service, unless it is retired.
pub(crate) fn open(view: &dyn View, service: ServiceId) -> Result<Service, DecideError> {
    let found = view
        .service(service)?
        .ok_or(Refusal::ServiceUnknown(service))?;
    if found.retired {
        return Err(Refusal::ServiceRetired(service).into());
    }
    Ok(found)
}

/// Every endpoint stands in the provider's own /56 (address is identity: an
/// endpoint elsewhere would open somebody else's house), and leads to one
/// service only.
fn check_endpoints(
    view: &dyn View,
    provider: ParticipantNumber,
    own: Option<ServiceId>,
    endpoints: &[Endpoint],
) -> Result<Vec<Endpoint>, DecideError> {
    let network = crate::network::founded(view)?;
    if endpoints.is_empty() || endpoints.len() > ENDPOINTS_PER_SERVICE {
        return Err(Refusal::EndpointCount(endpoints.len()).into());
    }
    for endpoint in endpoints {
        endpoint.check().map_err(|source| Refusal::Endpoint {
            endpoint: *endpoint,
            source,
        })?;
        if network.owner(endpoint.address) != Some(Some(provider)) {
            return Err(Refusal::EndpointElsewhere {
                endpoint: *endpoint,
                own: network.participant(provider),
            }
            .into());
        }
        if let Some(other) = view.service_at(endpoint)?
            && Some(other) != own
        {
            return Err(Refusal::EndpointTaken {
                endpoint: *endpoint,
                other,
            }
            .into());
        }
    }
    let sorted = ascending(endpoints);
    if sorted.len() != endpoints.len() {
        return Err(Refusal::EndpointTwice.into());
    }
    Ok(sorted)
}

/// Sorted, each once.
pub(crate) fn ascending<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list.dedup();
    list
}
