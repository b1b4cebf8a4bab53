//! What a gateway says that it enforces.

use super::ProvedGateway;
use super::sessions::Acknowledged;
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is in the gateway's kernel now (`wire::feed::Acknowledgement`; more
/// fields may come).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AcknowledgementShape {
    /// The revision that is in the kernel now.
    revision: u64,
    /// Lines bound at this moment.
    bound_lines: u32,
}

/// Takes an acknowledgement.
#[utoipa::path(post, path = "/v1/feed/acknowledgements", tag = "feed",
    request_body = AcknowledgementShape,
    responses(
        (status = 204, description = "Noted"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn acknowledge(
    State(center): State<Arc<Center>>,
    gateway: ProvedGateway,
    Body(acknowledgement): Body<AcknowledgementShape>,
) -> Result<StatusCode, Problem> {
    let published = *center.published.borrow();
    if acknowledgement.revision > published {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "revision-unknown",
            format!(
                "revision {} was acknowledged, and the latest is {published}; this center's database may have been restored from an earlier copy. Take a snapshot",
                acknowledgement.revision
            ),
            format!(
                "リビジョン {} は存在しません（最新は {published}）。スナップショットを取得してください。",
                acknowledgement.revision
            ),
        ));
    }
    center.sessions.acknowledge(
        &gateway.gateway,
        Acknowledged {
            revision: acknowledgement.revision,
            bound_lines: acknowledgement.bound_lines,
            at: crate::clock::now(),
        },
    );
    Ok(StatusCode::NO_CONTENT)
}
