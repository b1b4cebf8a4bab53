//! サービス: what a provider runs on the network.

use crate::decide::{Decision, text};
use crate::limits::{
    CONSEQUENCES_MAX, ENDPOINTS_PER_SERVICE, NAME_MAX_CHARS, SERVICES_PER_PROVIDER,
};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{
    Endpoint, ParticipantKind, ParticipantNumber, Purpose, ServiceId, TrafficClass,
};
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
    /// Has it ended?
    pub retired: bool,
}

pub(crate) fn register(
    view: &dyn View,
    provider: ParticipantNumber,
    name: &str,
    class: TrafficClass,
    purposes: &[Purpose],
    endpoints: &[Endpoint],
    eligible: &[ParticipantKind],
) -> Decision {
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
    let next = match view.last_service()? {
        None => 1,
        Some(last) => last.get() + 1,
    };
    let service = ServiceId::new(next).map_err(|_| Refusal::NoServiceNumberLeft)?;
    Ok(vec![Event::ServiceRegistered {
        service,
        provider,
        name,
        class,
        purposes: ascending(purposes),
        endpoints,
        eligible: ascending(eligible),
    }])
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
fn ascending<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list.dedup();
    list
}
