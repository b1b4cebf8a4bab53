//! 利用合意.

use super::{Done, Page};
use crate::http::actor::{Acting, Reach};
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iryonet_domain::{AgreementId, ParticipantNumber, Purpose, ServiceId, UnixMillis, Validity};
use iryonet_registry::{Agreement, AgreementState, Command, Event};
use iryonet_store::AgreementQuery;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An agreement to be proposed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgreement {
    /// Who would use the service.
    #[schema(value_type = u32)]
    participant: ParticipantNumber,
    /// Which service.
    #[schema(value_type = u32)]
    service: ServiceId,
    /// What for; one of the service's purposes.
    #[schema(value_type = String, example = "online-claims")]
    purpose: Purpose,
    /// The proposing side; the participant if not said.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    by: Option<ParticipantNumber>,
    /// From when, milliseconds since 1970; at once if not said.
    #[serde(default)]
    from: Option<u64>,
    /// Until when, milliseconds since 1970, not included.
    until: u64,
}

/// Proposed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgreementProposed {
    sequence: u64,
    /// The agreement's number.
    agreement: u64,
}

/// Which side speaks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    /// Its participant number.
    #[schema(value_type = u32)]
    by: ParticipantNumber,
}

/// Which side ends it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndingSide {
    /// Its participant number; nobody when the network's operator ends it.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    by: Option<ParticipantNumber>,
    /// From when on it holds no more, milliseconds since 1970; at once if not
    /// said. An end that is set is not taken back.
    #[serde(default)]
    at: Option<u64>,
}

/// An agreement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgreementShown {
    agreement: u64,
    #[schema(value_type = u32)]
    participant: ParticipantNumber,
    #[schema(value_type = u32)]
    service: ServiceId,
    purpose: String,
    /// Milliseconds since 1970.
    from: u64,
    /// Milliseconds since 1970, not included.
    until: u64,
    #[schema(value_type = u32)]
    proposed_by: ParticipantNumber,
    /// proposed, accepted or ended.
    state: &'static str,
    /// Does it open a path now, as far as the agreement itself goes?
    in_force: bool,
    /// Who proposed it, for that side.
    proposing_officer: Option<String>,
    /// Who accepted it, for the other; nobody where the service's own rule did.
    accepting_officer: Option<String>,
    /// Was it accepted by the service's rule, in the act that proposed it?
    automatic: bool,
    /// When both sides were told that it will run out, milliseconds since 1970.
    noticed_at: Option<u64>,
}

/// Agreements by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgreementList {
    agreements: Vec<AgreementShown>,
}

/// Whose agreements.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those of this participant, as the asking side.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// Only those about this service.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    service: Option<ServiceId>,
    /// Only in this state: proposed, accepted or ended.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    state: Option<AgreementState>,
    /// Begin after this number; 0 for the beginning.
    #[serde(default, deserialize_with = "super::number")]
    after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// Lists agreements by number.
#[utoipa::path(get, path = "/v1/agreements", tag = "agreements", params(Which), responses(
    (status = 200, body = AgreementList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Query(which): Query<Which>,
) -> Result<Json<AgreementList>, Problem> {
    let now = crate::clock::now();
    let page = Page {
        after: which.after,
        limit: which.limit,
    };
    let after = (page.after > 0).then_some(AgreementId(page.after));
    let query = AgreementQuery {
        participant: which.participant,
        service: which.service,
        state: which.state,
        ..AgreementQuery::default()
    };
    let agreements = center
        .read(move |reader| match reach {
            Reach::Every => reader.agreements(&query, after, page.rows()),
            // The store knows of which agreements it is a side.
            Reach::Own(own) => {
                let own = AgreementQuery {
                    side: Some(own),
                    ..query.clone()
                };
                reader.agreements(&own, after, page.rows())
            }
            Reach::Applicant => Ok(Vec::new()),
        })
        .await?
        .into_iter()
        .map(|agreement| shown(&agreement, now))
        .collect();
    Ok(Json(AgreementList { agreements }))
}

/// Shows one agreement.
#[utoipa::path(get, path = "/v1/agreements/{agreement}", tag = "agreements",
    params(("agreement" = u64, Path, description = "Agreement number")),
    responses(
        (status = 200, body = AgreementShown),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Key(number): Key<u64>,
) -> Result<Json<AgreementShown>, Problem> {
    let now = crate::clock::now();
    center
        .read(move |reader| {
            let Some(agreement) = reader.agreement(AgreementId(number))? else {
                return Ok(None);
            };
            let provider = reader.service(agreement.service)?.map(|it| it.provider);
            let seen = reach.sees(agreement.participant)
                || provider.is_some_and(|provider| reach.sees(provider));
            Ok(seen.then_some(agreement))
        })
        .await?
        .map(|agreement| Json(shown(&agreement, now)))
        .ok_or_else(|| Problem::unknown("agreement", "利用合意", number))
}

fn shown(agreement: &Agreement, now: UnixMillis) -> AgreementShown {
    AgreementShown {
        agreement: agreement.agreement.0,
        participant: agreement.participant,
        service: agreement.service,
        purpose: agreement.purpose.to_string(),
        from: agreement.validity.from.0,
        until: agreement.validity.until.0,
        proposed_by: agreement.proposed_by,
        state: agreement.state.as_str(),
        in_force: agreement.state == AgreementState::Accepted && agreement.validity.holds_at(now),
        proposing_officer: agreement
            .proposing_officer
            .as_ref()
            .map(ToString::to_string),
        accepting_officer: agreement
            .accepting_officer
            .as_ref()
            .map(ToString::to_string),
        automatic: agreement.automatic,
        noticed_at: agreement.noticed_at.map(|at| at.0),
    }
}

/// One side proposes an agreement. Opens nothing yet.
#[utoipa::path(post, path = "/v1/agreements", tag = "agreements", request_body = NewAgreement,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = AgreementProposed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn propose(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewAgreement>,
) -> Result<Json<AgreementProposed>, Problem> {
    let from = wish.from.map_or_else(crate::clock::now, UnixMillis);
    let validity = Validity::new(from, UnixMillis(wish.until)).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validity-empty",
            error.to_string(),
            "有効期間の終わりは始まりより後でなければなりません。",
        )
    })?;
    let recorded = center
        .act(
            actor,
            Command::ProposeAgreement {
                participant: wish.participant,
                service: wish.service,
                purpose: wish.purpose,
                validity,
                by: wish.by.unwrap_or(wish.participant),
            },
        )
        .await?;
    let agreement = recorded.find("agreement-proposed", |event| match event {
        Event::AgreementProposed { agreement, .. } => Some(*agreement),
        _ => None,
    })?;
    Ok(Json(AgreementProposed {
        sequence: recorded.sequence,
        agreement: agreement.0,
    }))
}

/// The other side says yes: the path opens while the validity holds.
#[utoipa::path(post, path = "/v1/agreements/{agreement}/accept", tag = "agreements",
    request_body = Side,
    params(
        ("agreement" = u64, Path, description = "Agreement number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn accept(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(agreement): Key<u64>,
    Body(side): Body<Side>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::AcceptAgreement {
                agreement: AgreementId(agreement),
                by: side.by,
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}

/// Ends an agreement or a proposal, at once or at a date.
#[utoipa::path(post, path = "/v1/agreements/{agreement}/end", tag = "agreements",
    request_body = EndingSide,
    params(
        ("agreement" = u64, Path, description = "Agreement number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn end(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(agreement): Key<u64>,
    Body(side): Body<EndingSide>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::EndAgreement {
                agreement: AgreementId(agreement),
                by: side.by,
                at: side.at.map(UnixMillis),
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}
