//! All that a gateway must hold, signed.

use super::{ProvedGateway, sealed};
use crate::clock;
use crate::http::problem::Problem;
use crate::state::{Center, Policy, blocking};
use axum::extract::State;
use axum::response::Response;
use iryonet_domain::{GatewayId, UnixMillis};
use iryonet_policy::Collecting;
use iryonet_wire::feed::{FeedError, Snapshot};
use iryonet_wire::signed::{Kind, SignedError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a gateway waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("gateway {0} is in the registry and not in the policy")]
    UnknownGateway(GatewayId),
    #[error(transparent)]
    Encode(#[from] FeedError),
    #[error(transparent)]
    Sign(#[from] SignedError),
}

/// Things read from the policy under one lock: about a millisecond's worth, so
/// that acts are published between them, however large the gateway.
const PIECES: usize = 4_096;

/// Collects piece by piece; encoding and signing come after, without the lock.
fn collect(
    policy: &RwLock<Policy>,
    gateway: &GatewayId,
    issued_at: UnixMillis,
    valid_until: UnixMillis,
) -> Option<Snapshot> {
    let read = || policy.read().unwrap_or_else(PoisonError::into_inner);
    let mut collecting = Collecting::begin(&read().model, gateway)?;
    loop {
        collecting.step(&read().model, PIECES);
        if !collecting.sort() {
            break;
        }
    }
    let concluded = {
        let policy = read();
        collecting.conclude(&policy.model, &policy.log)
    };
    if concluded {
        collecting.finish(issued_at, valid_until)
    } else {
        // More became different meanwhile than the log holds: in one go.
        read().model.snapshot(gateway, issued_at, valid_until)
    }
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
    let envelope = blocking(move || {
        let valid_until = now.plus_ms(maker.config.snapshot_validity_s * 1_000);
        let snapshot = collect(&maker.policy, &id, now, valid_until);
        let payload = snapshot.ok_or(SealError::UnknownGateway(id))?.encode()?;
        Ok::<_, SealError>(maker.signer.seal(Kind::Snapshot, &payload)?)
    })
    .await?
    .map_err(|error| Problem::internal(&error))?;
    center.sessions.sealed(&gateway.gateway, now);
    tracing::info!(gateway = %gateway.gateway, bytes = envelope.len(), took_ms = clock::now().since_ms(now), "snapshot");
    Ok(sealed(envelope))
}
