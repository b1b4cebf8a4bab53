//! The description of everything above, as the code has it.

use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::Arc;

/// Describes every path of the three listeners (OpenAPI 3.1).
#[utoipa::path(get, path = "/v1/openapi.json", tag = "center", responses(
    (status = 200, description = "This description", body = Object),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn description(State(center): State<Arc<Center>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        center.openapi.clone(),
    )
}
