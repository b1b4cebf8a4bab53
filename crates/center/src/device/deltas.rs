//! What became different since a revision, signed; or a wait until something
//! does.

use super::snapshot::SealError;
use super::{ProvedGateway, sealed};
use crate::clock;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use iryonet_domain::{GatewayId, UnixMillis};
use iryonet_policy::Since;
use iryonet_wire::feed::{Delta, FORMAT, FeedError};
use iryonet_wire::signed::Kind;
use serde::Deserialize;
use std::sync::{Arc, TryLockError};
use std::time::Duration;
use utoipa::IntoParams;

/// Longest wait, in milliseconds: below what middle boxes take for dead.
const WAIT_MAX_MS: u64 = 55_000;

/// Since when, and how long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The revision that the gateway holds.
    since: u64,
    /// How long to wait for something new, in milliseconds, at most 55000.
    #[serde(default)]
    wait_ms: u64,
}

/// What is to be answered at this moment.
enum Now {
    /// A delta with these changes, possibly none.
    Send {
        to: u64,
        changes: Vec<iryonet_wire::feed::Change>,
    },
    Nothing {
        published: u64,
    },
    TooOld,
}

/// The changes since a revision, as a sealed envelope (wire::signed, kind
/// delta). One request per gateway waits; a second one ends the first with 204.
#[utoipa::path(get, path = "/v1/feed/deltas", tag = "feed", params(Asked), responses(
    (status = 200, description = "A sealed delta; empty when it only moves the revision or extends the validity", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 204, description = "Nothing new within the wait"),
    (status = 410, description = "The changes since then are no longer held: take a snapshot", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn deltas(
    State(center): State<Arc<Center>>,
    gateway: ProvedGateway,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let id = gateway.gateway.clone();
    let alone = center.sessions.wait_alone(&id);
    let mut published = center.published.subscribe();
    let deadline =
        tokio::time::Instant::now() + Duration::from_millis(asked.wait_ms.min(WAIT_MAX_MS));

    // The first answer to a gateway since this center's start comes at once,
    // empty if need be: the gateway acknowledges it, and the center knows again
    // what is enforced.
    let first = center.sessions.sealed_at(&id).is_none();
    let mut waited = false;
    loop {
        // Seen before the log is read: what comes in between wakes us again.
        published.mark_unchanged();
        match look(&center, &id, asked.since).await? {
            Now::TooOld => return Err(too_old(asked.since)),
            Now::Send { to, changes } => {
                if waited {
                    gateway.check(&center).await?;
                }
                return send(&center, &id, asked.since, to, changes);
            }
            Now::Nothing { published } if first => {
                return send(&center, &id, asked.since, published, Vec::new());
            }
            Now::Nothing { .. } => {}
        }
        let over = tokio::select! {
            changed = published.changed() => changed.is_err(),
            () = tokio::time::sleep_until(deadline) => true,
            () = alone.cancelled() => return Ok(StatusCode::NO_CONTENT.into_response()),
            () = center.stopping.cancelled() => return Ok(StatusCode::NO_CONTENT.into_response()),
        };
        waited = true;
        if over {
            break;
        }
    }

    gateway.check(&center).await?;
    match look(&center, &id, asked.since).await? {
        Now::TooOld => Err(too_old(asked.since)),
        Now::Send { to, changes } => send(&center, &id, asked.since, to, changes),
        Now::Nothing { published }
            if published > asked.since || validity_is_old(&center, &id, clock::now()) =>
        {
            send(&center, &id, asked.since, published, Vec::new())
        }
        Now::Nothing { .. } => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Reads the log. It is almost always free; when a snapshot is collected at
/// this moment, the wait is for a thread that may wait.
async fn look(center: &Arc<Center>, gateway: &GatewayId, since: u64) -> Result<Now, Problem> {
    let ask = move |policy: &crate::state::Policy, gateway: &GatewayId| {
        let published = policy.log.head();
        match policy.log.since(gateway, since) {
            Since::UpToDate => Now::Nothing { published },
            Since::Changes { to, changes } => Now::Send { to, changes },
            Since::TooOld => Now::TooOld,
        }
    };
    match center.policy.try_read() {
        Ok(policy) => return Ok(ask(&policy, gateway)),
        Err(TryLockError::Poisoned(poisoned)) => {
            return Ok(ask(&poisoned.into_inner(), gateway));
        }
        Err(TryLockError::WouldBlock) => {}
    }
    let gateway = gateway.clone();
    center
        .with_policy(move |policy| ask(policy, &gateway))
        .await
}

/// A quarter of the validity is gone: extend it.
fn validity_is_old(center: &Center, gateway: &GatewayId, now: UnixMillis) -> bool {
    let quarter_ms = center.config.snapshot_validity_s * 1_000 / 4;
    center
        .sessions
        .sealed_at(gateway)
        .is_none_or(|at| now.since_ms(at) >= quarter_ms)
}

fn send(
    center: &Center,
    gateway: &GatewayId,
    since: u64,
    to: u64,
    changes: Vec<iryonet_wire::feed::Change>,
) -> Result<Response, Problem> {
    let now = clock::now();
    let delta = Delta {
        format: FORMAT,
        gateway: gateway.clone(),
        from_revision: since,
        to_revision: to,
        issued_at: now,
        valid_until: now.plus_ms(center.config.snapshot_validity_s * 1_000),
        changes,
    };
    let payload = match delta.encode() {
        Ok(payload) => payload,
        Err(FeedError::TooLarge { .. }) => return Err(too_old(since)),
        Err(error) => return Err(Problem::internal(&error)),
    };
    let envelope = center
        .signer
        .seal(Kind::Delta, &payload)
        .map_err(|error| Problem::internal(&SealError::from(error)))?;
    center.sessions.sealed(gateway, now);
    tracing::debug!(%gateway, from = since, to, changes = delta.changes.len(), "delta");
    Ok(sealed(envelope))
}

fn too_old(since: u64) -> Problem {
    Problem::new(
        StatusCode::GONE,
        "take-a-snapshot",
        format!("the changes since revision {since} are not held as deltas; take a snapshot"),
        format!(
            "リビジョン {since} 以降の差分は保持していません。スナップショットを取得してください。"
        ),
    )
}
