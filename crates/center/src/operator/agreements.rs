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
use iryonet_store::{AgreementQuery, Reader, StoreError};
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
    /// Begin after this number; 0 for the beginning.
    #[serde(default)]
    after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page")]
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
        ..AgreementQuery::default()
    };
    let agreements = center
        .read(move |reader| match reach {
            Reach::Every => reader.agreements(&query, after, page.rows()),
            Reach::Own(own) => of_both_sides(reader, own, &query, after, page.rows()),
        })
        .await?
        .into_iter()
        .map(|agreement| shown(&agreement, now))
        .collect();
    Ok(Json(AgreementList { agreements }))
}

/// The agreements of which the participant is a side: as the one that asks, and
/// about the services that it runs.
fn of_both_sides(
    reader: &dyn Reader,
    own: ParticipantNumber,
    query: &AgreementQuery,
    after: Option<AgreementId>,
    rows: usize,
) -> Result<Vec<Agreement>, StoreError> {
    let mut out = Vec::new();
    if query.participant.is_none_or(|asked| asked == own) {
        let asking = AgreementQuery {
            participant: Some(own),
            ..query.clone()
        };
        out.extend(reader.agreements(&asking, after, rows)?);
    }
    for service in reader.services_of(own)? {
        let about = AgreementQuery {
            service: Some(service.service),
            ..query.clone()
        };
        out.extend(reader.agreements(&about, after, rows)?);
    }
    out.sort_by_key(|agreement| agreement.agreement);
    out.truncate(rows);
    Ok(out)
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

/// Ends an agreement or a proposal at once.
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
                at: None,
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}
