//! サービス.

use super::participants::Nothing;
use super::{Done, Page};
use crate::http::actor::{Acting, Reach};
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{
    Acceptance, BandwidthKbps, DnsName, Endpoint, ParticipantKind, ParticipantNumber, Prefecture,
    Protocol, Purpose, ServiceId, ServiceStage, TrafficClass,
};
use iryonet_registry::{AgreementState, Command, Event, Offer, Participant, Service};
use iryonet_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::sync::Arc;
use utoipa::ToSchema;

/// One way to reach a service.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointShape {
    /// tcp, udp or echo.
    #[schema(value_type = String, example = "tcp")]
    protocol: Protocol,
    /// Inside the provider's own /56.
    #[schema(value_type = String)]
    address: Ipv6Addr,
    /// 1 to 65535; 0 or left out for echo.
    #[serde(default)]
    #[schema(value_type = u32, maximum = 65535)]
    port: u16,
}

impl From<EndpointShape> for Endpoint {
    fn from(shape: EndpointShape) -> Self {
        Self {
            address: shape.address,
            protocol: shape.protocol,
            port: shape.port,
        }
    }
}

impl From<Endpoint> for EndpointShape {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            protocol: endpoint.protocol,
            address: endpoint.address,
            port: endpoint.port,
        }
    }
}

/// A service to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewService {
    /// Participant number of the provider.
    #[schema(value_type = u32)]
    provider: ParticipantNumber,
    /// Name, unique among the provider's own, at most 120 characters.
    name: String,
    /// real-time, video, control, interactive, bulk or best-effort.
    #[schema(value_type = String, example = "interactive")]
    class: TrafficClass,
    /// What agreements about it may be for; at least one.
    #[schema(value_type = Vec<String>, example = json!(["regional-collaboration"]))]
    purposes: Vec<Purpose>,
    /// 1 to 64 ways to reach it.
    endpoints: Vec<EndpointShape>,
    /// Kinds of participants that may ask for it; none: every kind.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    eligible: Vec<ParticipantKind>,
    /// How it is offered; left out: open to every eligible kind everywhere, each
    /// proposal accepted by hand.
    #[serde(default)]
    offer: OfferShape,
}

/// How a service is offered.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfferShape {
    /// The name under which it is found; no other service has it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "claims.example.jp")]
    dns: Option<DnsName>,
    /// What it asks for at each user's line, in kbit/s.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000_000)]
    bandwidth_kbps: Option<BandwidthKbps>,
    /// 都道府県, 1 to 47, in which it may be asked for; none: everywhere.
    #[serde(default)]
    #[schema(value_type = Vec<u32>)]
    areas: Vec<Prefecture>,
    /// Kinds whose proposals are accepted in the same act; none: each by hand.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    accepts: Vec<ParticipantKind>,
    /// How far its roll-out is: planned, pilot or open. It only goes on.
    #[serde(default)]
    #[schema(value_type = String, example = "open")]
    stage: ServiceStage,
    /// Participants that may ask for it while it is on trial.
    #[serde(default)]
    #[schema(value_type = Vec<u32>)]
    pilot: Vec<ParticipantNumber>,
}

impl From<OfferShape> for Offer {
    fn from(shape: OfferShape) -> Self {
        Self {
            dns: shape.dns,
            bandwidth_kbps: shape.bandwidth_kbps,
            areas: shape.areas,
            acceptance: match shape.accepts {
                kinds if kinds.is_empty() => Acceptance::ByHand,
                kinds => Acceptance::Automatic(kinds),
            },
            stage: shape.stage,
            pilot: shape.pilot,
        }
    }
}

impl From<Offer> for OfferShape {
    fn from(offer: Offer) -> Self {
        Self {
            dns: offer.dns,
            bandwidth_kbps: offer.bandwidth_kbps,
            areas: offer.areas,
            accepts: match offer.acceptance {
                Acceptance::ByHand => Vec::new(),
                Acceptance::Automatic(kinds) => kinds,
            },
            stage: offer.stage,
            pilot: offer.pilot,
        }
    }
}

/// Registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceRegistered {
    sequence: u64,
    /// The service's number.
    #[schema(value_type = u32)]
    service: ServiceId,
}

/// A service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceShown {
    #[schema(value_type = u32)]
    service: ServiceId,
    #[schema(value_type = u32)]
    provider: ParticipantNumber,
    name: String,
    class: &'static str,
    purposes: Vec<String>,
    endpoints: Vec<EndpointShape>,
    /// None: every kind.
    eligible: Vec<String>,
    offer: OfferShape,
    /// The stage of its roll-out in Japanese.
    stage_ja: &'static str,
    retired: bool,
}

/// Services by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceList {
    services: Vec<ServiceShown>,
}

/// New ways to reach a service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpoints {
    /// All of them, from now on.
    endpoints: Vec<EndpointShape>,
}

/// Lists services by number.
#[utoipa::path(get, path = "/v1/services", tag = "services", params(Page), responses(
    (status = 200, body = ServiceList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Query(page): Query<Page>,
) -> Result<Json<ServiceList>, Problem> {
    let after = u32::try_from(page.after)
        .ok()
        .and_then(|number| ServiceId::new(number).ok());
    if after.is_none() && page.after != 0 {
        return Ok(Json(ServiceList {
            services: Vec::new(),
        }));
    }
    let services = center
        .read(move |reader| match reach {
            Reach::Every => reader.services(after, page.rows()),
            Reach::Own(own) => catalogue(reader, Some(own), after, page.rows()),
            Reach::Applicant => catalogue(reader, None, after, page.rows()),
        })
        .await?
        .into_iter()
        .map(shown)
        .collect();
    Ok(Json(ServiceList { services }))
}

/// Shows one service.
#[utoipa::path(get, path = "/v1/services/{service}", tag = "services",
    params(("service" = u32, Path, description = "Service number")),
    responses(
        (status = 200, body = ServiceShown),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Key(ServiceKey(number)): Key<ServiceKey>,
) -> Result<Json<ServiceShown>, Problem> {
    center
        .read(move |reader| {
            let Some(service) = reader.service(number)? else {
                return Ok(None);
            };
            Ok(match reach {
                Reach::Every => Some(service),
                Reach::Own(own) => match reader.participant(own)? {
                    Some(own) => as_seen(reader, Some(&own), service)?,
                    None => None,
                },
                Reach::Applicant => as_seen(reader, None, service)?,
            })
        })
        .await?
        .map(|service| Json(shown(service)))
        .ok_or_else(|| Problem::unknown("service", "サービス", number))
}

/// What a participant sees of all services: the own ones, and those for which it
/// may ask or has asked. Who applies and is none yet sees what may be asked for.
fn catalogue(
    reader: &dyn Reader,
    own: Option<ParticipantNumber>,
    mut after: Option<ServiceId>,
    rows: usize,
) -> Result<Vec<Service>, StoreError> {
    let own = match own {
        None => None,
        Some(own) => match reader.participant(own)? {
            None => return Ok(Vec::new()),
            found => found,
        },
    };
    let mut out = Vec::new();
    loop {
        let page = reader.services(after, super::PAGE_MAX as usize)?;
        let Some(last) = page.last() else {
            return Ok(out);
        };
        after = Some(last.service);
        for service in page {
            out.extend(as_seen(reader, own.as_ref(), service)?);
            if out.len() == rows {
                return Ok(out);
            }
        }
    }
}

/// A service as a participant sees it, if it does: how others' are reached once
/// both sides have said yes, and never who else is on trial.
fn as_seen(
    reader: &dyn Reader,
    own: Option<&Participant>,
    mut service: Service,
) -> Result<Option<Service>, StoreError> {
    let mut offered = !service.retired;
    let mut agreement = None;
    if let Some(own) = own {
        if service.provider == own.number {
            return Ok(Some(service));
        }
        agreement = reader.open_agreement(own.number, service.service)?;
        offered &= service.eligible.is_empty() || service.eligible.contains(&own.kind);
    }
    if agreement.is_none() && !offered {
        return Ok(None);
    }
    if agreement.is_none_or(|found| found.state != AgreementState::Accepted) {
        service.endpoints.clear();
    }
    service
        .offer
        .pilot
        .retain(|number| own.is_some_and(|own| own.number == *number));
    Ok(Some(service))
}

fn shown(service: Service) -> ServiceShown {
    ServiceShown {
        service: service.service,
        provider: service.provider,
        name: service.name,
        class: service.class.as_str(),
        purposes: service
            .purposes
            .into_iter()
            .map(|purpose| purpose.to_string())
            .collect(),
        endpoints: service.endpoints.into_iter().map(Into::into).collect(),
        eligible: service
            .eligible
            .into_iter()
            .map(|kind| kind.as_str().to_owned())
            .collect(),
        stage_ja: service.offer.stage.name_ja(),
        offer: service.offer.into(),
        retired: service.retired,
    }
}

/// Registers a provider's service.
#[utoipa::path(post, path = "/v1/services", tag = "services", request_body = NewService,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = ServiceRegistered),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn register(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewService>,
) -> Result<Json<ServiceRegistered>, Problem> {
    let recorded = center
        .act(
            actor,
            Command::RegisterService {
                provider: wish.provider,
                name: wish.name,
                class: wish.class,
                purposes: wish.purposes,
                endpoints: wish.endpoints.into_iter().map(Into::into).collect(),
                eligible: wish.eligible,
                offer: wish.offer.into(),
            },
        )
        .await?;
    let service = recorded.find("service-registered", |event| match event {
        Event::ServiceRegistered { service, .. } => Some(*service),
        _ => None,
    })?;
    Ok(Json(ServiceRegistered {
        sequence: recorded.sequence,
        service,
    }))
}

/// Replaces the ways to reach a service.
#[utoipa::path(post, path = "/v1/services/{service}/endpoints", tag = "services",
    request_body = NewEndpoints,
    params(
        ("service" = u32, Path, description = "Service number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change_endpoints(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(ServiceKey(service)): Key<ServiceKey>,
    Body(wish): Body<NewEndpoints>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::ChangeServiceEndpoints {
                service,
                endpoints: wish.endpoints.into_iter().map(Into::into).collect(),
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}

/// Replaces how a service is offered. Agreements stay as they are.
#[utoipa::path(post, path = "/v1/services/{service}/offer", tag = "services",
    request_body = OfferShape,
    params(
        ("service" = u32, Path, description = "Service number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn change_offer(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(ServiceKey(service)): Key<ServiceKey>,
    Body(offer): Body<OfferShape>,
) -> Result<Json<Done>, Problem> {
    let offer = offer.into();
    center
        .act(actor, Command::ChangeServiceOffer { service, offer })
        .await
        .map(|recorded| Json(recorded.done()))
}

/// Ends a service and the agreements about it.
#[utoipa::path(post, path = "/v1/services/{service}/retire", tag = "services",
    request_body = Nothing,
    params(
        ("service" = u32, Path, description = "Service number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn retire(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(ServiceKey(service)): Key<ServiceKey>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Done>, Problem> {
    center
        .act(actor, Command::RetireService { service })
        .await
        .map(|recorded| Json(recorded.done()))
}

/// A service's number, from text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceKey(pub(crate) ServiceId);

impl std::str::FromStr for ServiceKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number: u32 = text
            .parse()
            .map_err(|_| "a service number is written in digits, as 12".to_owned())?;
        ServiceId::new(number)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}
