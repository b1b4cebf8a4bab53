//! Is the center well? For watchers and for those who wait for its start.

use crate::http::problem::Problem;
use crate::state::Center;
use crate::tasks::checkpoint::CheckpointState;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The center answers, and so does its database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// The center's name.
    center: String,
    /// Release.
    version: &'static str,
    /// The network's prefix.
    network: String,
    /// Last ledger entry, whoever wrote it.
    recorded: u64,
    /// Last ledger entry that is on its way to the gateways.
    published: u64,
    /// Participants in the policy, closed ones too.
    participants: u64,
    /// Accepted agreements in the policy.
    grants: u64,
    /// Ledger events that did not fit the policy; 0 in a healthy center.
    unfit_events: u64,
    /// When the present revocation list was made, milliseconds since 1970.
    crl_made_at: u64,
    /// What becomes of the ledger's checkpoints.
    checkpoint: CheckpointState,
}

/// Tells how the center is.
#[utoipa::path(get, path = "/v1/health", tag = "center", responses(
    (status = 200, body = Health),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn health(State(center): State<Arc<Center>>) -> Result<Json<Health>, Problem> {
    let recorded = center.read(|reader| Ok(reader.tip()?.sequence)).await?;
    let (published, counts, unfit_events) = center
        .with_policy(|policy| {
            (
                policy.model.revision(),
                policy.model.counts(),
                policy.model.unfit_events(),
            )
        })
        .await?;
    Ok(Json(Health {
        center: center.config.name.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        network: center.config.network.to_string(),
        recorded,
        published,
        participants: counts.participants as u64,
        grants: counts.grants as u64,
        unfit_events,
        crl_made_at: center
            .lists
            .borrow()
            .values()
            .map(|list| list.made_at.0)
            .min()
            .unwrap_or(0),
        checkpoint: center.checkpoint.borrow().clone(),
    }))
}
