//! The ledger's tree is kept up with the ledger, and its checkpoints are signed.
//!
//! At the start everything is looked at once: ledger, tree, checkpoints, and
//! this center's own memory. Where they contradict each other, nothing is
//! signed, the log says so again and again, and acts go on: a record that is
//! disputed is better than none.
//!
//! It must not know who asks for checkpoints.

pub(crate) mod key;
pub(crate) mod memory;

use crate::clock;
use crate::http::problem::chain;
use crate::state::Center;
use iryonet_domain::UnixMillis;
use iryonet_store::StoreError;
use iryonet_store::tree::audit::Audit;
use iryonet_store::tree::{self, TreeError, checkpoints};
use memory::MemoryError;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// Entries that the tree takes in with one write: its tiles are some hundred
/// kilobytes, which the store writes in some milliseconds.
const GROW_BY: u64 = 4_096;
/// Pages of an audit between two looks at whether the center stops.
const AUDIT_STEPS: usize = 64;
/// How often the ledger's end is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure that passes.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often a contradiction is looked at, and said, again.
const CONTRADICTION_AGAIN: Duration = Duration::from_secs(600);

/// What becomes of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum CheckpointState {
    /// There is no key: `iryonet center init` makes one.
    NoKey,
    /// Ledger, tree and checkpoints are compared; nothing is signed before.
    Auditing,
    /// They agree. The last checkpoint, as far as this center knows.
    Signing {
        /// Its entries; 0 before the first.
        size: u64,
    },
    /// They contradict each other. Nothing is signed.
    Refusing {
        /// How.
        reason: String,
    },
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("the work broke off")]
    Broken(#[from] tokio::task::JoinError),
    #[error(
        "this center signed a checkpoint over {size} entries, and the database has no such tree: it is an old copy, or another one. Put the right one back; if history was lost for good, begin a ledger with a new name (see docs/ledger.md)"
    )]
    Forgotten {
        size: u64,
        #[source]
        source: Box<TreeError>,
    },
}

impl From<StoreError> for RoundError {
    fn from(error: StoreError) -> Self {
        Self::Tree(error.into())
    }
}

impl RoundError {
    fn is_contradiction(&self) -> bool {
        match self {
            Self::Tree(error) => error.is_contradiction(),
            Self::Memory(MemoryError::Form { .. }) | Self::Forgotten { .. } => true,
            Self::Memory(_) | Self::Broken(_) => false,
        }
    }
}

/// Keeps tree and checkpoints until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    if center.signing.is_none() {
        center.checkpoint.send_replace(CheckpointState::NoKey);
        tracing::warn!(
            key = %center.config.checkpoint_key().display(),
            "there is no checkpoint key, so the ledger is not signed; `iryonet center init` makes one"
        );
    }
    let mut audited = false;
    loop {
        let pause = match round(&center, &end, &mut audited).await {
            Ok(pause) => pause,
            Err(error) if error.is_contradiction() => {
                audited = false;
                let reason = chain(&error);
                tracing::error!(
                    reason,
                    "THE LEDGER IS NOT SIGNED ANY MORE: ledger, tree and checkpoints contradict each other. Acts go on; a person has to look"
                );
                if center.signing.is_some() {
                    center
                        .checkpoint
                        .send_replace(CheckpointState::Refusing { reason });
                }
                CONTRADICTION_AGAIN
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "no checkpoint for now");
                AGAIN_AFTER
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
    }
}

/// Audits if that is still to be done, grows, signs. Tells how long there is
/// nothing to do.
async fn round(
    center: &Arc<Center>,
    end: &CancellationToken,
    audited: &mut bool,
) -> Result<Duration, RoundError> {
    if !*audited {
        audit(center, end).await?;
        if end.is_cancelled() {
            return Ok(Duration::ZERO);
        }
        *audited = true;
    }
    let worker = Arc::clone(center);
    blocking(move || grow(&worker)).await?;
    let worker = Arc::clone(center);
    blocking(move || sign(&worker)).await
}

async fn audit(center: &Arc<Center>, end: &CancellationToken) -> Result<(), RoundError> {
    let worker = Arc::clone(center);
    let begun = blocking(move || {
        let audit = tree::ask(&*worker.store, Audit::begin)?;
        remembers(&worker)?;
        if let Some(signing) = &worker.signing {
            tree::ask(&*worker.store, |reader| {
                checkpoints::believed(reader, &signing.keys)
            })?;
        }
        Ok(audit)
    });
    let mut audit = begun.await?;
    loop {
        if end.is_cancelled() {
            return Ok(());
        }
        let worker = Arc::clone(center);
        let (back, done) = blocking(move || {
            for _ in 0..AUDIT_STEPS {
                if tree::ask(&*worker.store, |reader| audit.step(reader))? {
                    return Ok((audit, true));
                }
            }
            Ok((audit, false))
        })
        .await?;
        audit = back;
        if done {
            tracing::info!(entries = audit.done(), "ledger, tree and checkpoints agree");
            return Ok(());
        }
    }
}

/// Does the database have what this center signed last?
fn remembers(center: &Center) -> Result<(), RoundError> {
    let Some(own) = memory::load(&center.config)? else {
        return Ok(());
    };
    tree::ask(&*center.store, |reader| {
        checkpoints::agrees(reader, own.checkpoint())
    })
    .map_err(|error| {
        if error.is_contradiction() {
            RoundError::Forgotten {
                size: own.checkpoint().size,
                source: Box::new(error),
            }
        } else {
            error.into()
        }
    })
}

fn grow(center: &Center) -> Result<(), RoundError> {
    while tree::grow(&*center.store, GROW_BY)? > 0 {
        if center.stopping.is_cancelled() {
            break;
        }
    }
    Ok(())
}

fn sign(center: &Center) -> Result<Duration, RoundError> {
    let every = Duration::from_secs(center.config.checkpoint_every_s);
    let Some(signing) = &center.signing else {
        return Ok(every.min(LOOK_EVERY));
    };
    let now = clock::now();
    let (size, last) = iryonet_store::look(&*center.store, |reader| {
        Ok((tree::size(reader)?, checkpoints::latest(reader)?))
    })?;
    let (signed_size, signed_at) =
        last.map_or((0, None), |(last, at)| (last.checkpoint().size, Some(at)));
    let report = |size| {
        let state = CheckpointState::Signing { size };
        center.checkpoint.send_if_modified(|present| {
            let changed = *present != state;
            *present = state;
            changed
        });
    };
    if let Some(wait) = signed_at.and_then(|at| not_due(at, now, every)) {
        report(signed_size);
        return Ok(wait.min(LOOK_EVERY));
    }
    if size == signed_size {
        report(signed_size);
        return Ok(every.min(LOOK_EVERY));
    }
    remembers(center)?;
    let planned = tree::ask(&*center.store, |reader| {
        checkpoints::plan(reader, &signing.key, &signing.keys)
    })?;
    let Some(signed) = planned else {
        return Ok(every.min(LOOK_EVERY));
    };
    memory::keep(&center.config, &signed)?;
    let kept = tree::act(&*center.store, |transaction| {
        checkpoints::commit(transaction, &signed, &signing.keys, now)
    })?;
    let checkpoint = signed.checkpoint();
    if kept {
        tracing::info!(size = checkpoint.size, root = %checkpoint.root, "the ledger is signed");
    }
    report(checkpoint.size);
    Ok(every)
}

/// How long the next checkpoint has time. A last one that is not over yet by
/// this clock was signed by a clock that went ahead, and holds nothing up.
fn not_due(last: UnixMillis, now: UnixMillis, every: Duration) -> Option<Duration> {
    let since = Duration::from_millis(now.0.checked_sub(last.0)?);
    every.checked_sub(since).filter(|wait| !wait.is_zero())
}

/// Runs what waits for a disk on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RoundError> + Send + 'static,
) -> Result<T, RoundError> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_after_its_time_and_when_the_clock_went_back() {
        let minute = Duration::from_secs(60);
        let due = |last, now| not_due(UnixMillis(last), UnixMillis(now), minute);
        assert_eq!(due(1_000, 1_000), Some(minute));
        assert_eq!(due(1_000, 41_000), Some(Duration::from_secs(20)));
        assert_eq!(due(1_000, 61_000), None);
        assert_eq!(due(1_000, 999), None);
        assert_eq!(due(0, u64::MAX), None);
    }
}
