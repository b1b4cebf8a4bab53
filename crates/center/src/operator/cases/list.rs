//! The list of cases, as a worklist is asked for.

use super::shapes::CaseShown;
use crate::http::actor::CaseSight;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{CaseId, CaseKind, ParticipantNumber, UnixMillis};
use iryonet_registry::CaseState;
use iryonet_store::CaseQuery;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Cases by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseList {
    cases: Vec<CaseShown>,
}

/// Which cases; all conditions together.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only of this kind, as admission.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    kind: Option<CaseKind>,
    /// Only in this state, as examined.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    state: Option<CaseState>,
    /// Only those with something left to do.
    #[serde(default)]
    open: bool,
    /// Only those about this participant.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// Only those that the account of this name sent in.
    #[serde(default)]
    applicant: Option<String>,
    /// Only those that nobody touched since then, milliseconds since 1970.
    #[serde(default, deserialize_with = "crate::operator::maybe_number")]
    untouched_since: Option<u64>,
    /// Begin after this number; 0 for the beginning.
    #[serde(default, deserialize_with = "crate::operator::number")]
    after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(
        default = "crate::operator::page",
        deserialize_with = "crate::operator::limit"
    )]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// Lists cases by number. An officer sees its own.
#[utoipa::path(get, path = "/v1/cases", tag = "cases", params(Which), responses(
    (status = 200, body = CaseList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    sight: CaseSight,
    Query(which): Query<Which>,
) -> Result<Json<CaseList>, Problem> {
    let query = CaseQuery {
        kind: which.kind,
        state: which.state,
        open: which.open,
        participant: which.participant,
        applicant: which.applicant,
        untouched_since: which.untouched_since.map(UnixMillis),
        visible_to: match &sight {
            CaseSight::Every => None,
            CaseSight::Officer {
                officer,
                speaks_for,
            } => Some((*speaks_for, officer.name().to_owned())),
        },
    };
    let after = (which.after > 0).then_some(CaseId(which.after));
    let rows = which.limit as usize;
    let cases = center
        .read(move |reader| reader.cases(&query, after, rows))
        .await?;
    let who = |actor: &iryonet_domain::Actor| super::who(&sight, actor);
    Ok(Json(CaseList {
        cases: cases
            .iter()
            .map(|case| CaseShown::new(case, &who))
            .collect(),
    }))
}
