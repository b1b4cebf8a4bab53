//! "Why can A (not) reach B?"

use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::ParticipantNumber;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Who, and what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Who would send.
    #[param(value_type = u32)]
    from: ParticipantNumber,
    /// A service number, or an endpoint as tcp:[2001:db8::1]:443.
    to: String,
}

/// Tells whether one may reach the other, by which agreement or for want of
/// what; decided by the verdict that the gateways use.
#[utoipa::path(get, path = "/v1/explain", tag = "center", params(Asked), responses(
    (status = 200, body = Object),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn explain(
    State(_center): State<Arc<Center>>,
    Query(_asked): Query<Asked>,
) -> Result<Json<serde_json::Value>, Problem> {
    Err(Problem::no_such_path())
}
