//! All that a gateway must hold, signed.

use super::{ProvedGateway, sealed};
use crate::clock;
use crate::http::problem::Problem;
use crate::state::{Center, blocking};
use axum::extract::State;
use axum::response::Response;
use iryonet_wire::feed::FeedError;
use iryonet_wire::signed::{Kind, SignedError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long a gateway waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("gateway {0} is in the registry and not in the policy")]
    UnknownGateway(iryonet_domain::GatewayId),
    #[error(transparent)]
    Encode(#[from] FeedError),
    #[error(transparent)]
    Sign(#[from] SignedError),
}

/// The asking gateway's whole policy, as a sealed envelope (wire::signed,
/// kind snapshot).
#[utoipa::path(get, path = "/v1/feed/snapshot", tag = "feed", responses(
    (status = 200, description = "A sealed snapshot", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn snapshot(
    State(center): State<Arc<Center>>,
    gateway: ProvedGateway,
) -> Result<Response, Problem> {
    let _turn = tokio::time::timeout(TURN_WAIT, center.snapshots.acquire())
        .await
        .map_err(|_| Problem::busy().retry_after(5))?
        .map_err(|_| Problem::stopping())?;
    let now = clock::now();
    let maker = Arc::clone(&center);
    let id = gateway.gateway.clone();
    // Collected under the lock; encoded and signed outside of it.
    let envelope = blocking(move || {
        let valid_until = now.plus_ms(maker.config.snapshot_validity_s * 1_000);
        let snapshot = {
            let policy = maker.policy.read().unwrap_or_else(PoisonError::into_inner);
            policy.model.snapshot(&id, now, valid_until)
        };
        let payload = snapshot.ok_or(SealError::UnknownGateway(id))?.encode()?;
        Ok::<_, SealError>(maker.signer.seal(Kind::Snapshot, &payload)?)
    })
    .await?
    .map_err(|error| Problem::internal(&error))?;
    center.sessions.sealed(&gateway.gateway, now);
    tracing::info!(gateway = %gateway.gateway, bytes = envelope.len(), took_ms = clock::now().since_ms(now), "snapshot");
    Ok(sealed(envelope))
}
