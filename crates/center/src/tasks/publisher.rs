//! The one path from the ledger to the gateways: *tail -> model -> feed log ->
//! wake*. Entries of this process and of any other (an import, a second
//! center) take it alike, strictly in ledger order.

use crate::http::problem::chain;
use crate::state::{Center, Policy};
use iryonet_domain::UnixMillis;
use iryonet_ledger::Outcome;
use iryonet_registry::{Event, RevocationReason, Serial};
use iryonet_store::StoreError;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the ledger's end is looked at unasked, for entries that another
/// process wrote.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Entries read at once.
const ENTRIES_AT_ONCE: usize = 256;
/// After a failure of the store.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why the ledger could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    #[error("the ledger could not be read")]
    Store(#[from] StoreError),
    #[error("ledger entry {sequence} holds events that this release cannot read")]
    Events {
        sequence: u64,
        #[source]
        source: serde_json::Error,
    },
    #[error("ledger entry {found} follows {applied}: one is missing between them")]
    Gap { applied: u64, found: u64 },
}

/// Follows the ledger until it is told to end.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    loop {
        let pause = {
            let center = Arc::clone(&center);
            match tokio::task::spawn_blocking(move || catch_up(&center)).await {
                Ok(Ok(())) => LOOK_EVERY,
                Ok(Err(error)) => {
                    tracing::error!(error = %chain(&error), "the policy does not follow the ledger");
                    AGAIN_AFTER
                }
                Err(error) => {
                    tracing::error!(%error, "following the ledger broke off");
                    AGAIN_AFTER
                }
            }
        };
        tokio::select! {
            () = center.recorded.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
    }
}

/// Applies all entries that are not applied yet.
fn catch_up(center: &Center) -> Result<(), TailError> {
    loop {
        let applied = *center.published.borrow();
        let entries = iryonet_store::look(&*center.store, |reader| {
            reader.entries(applied + 1, ENTRIES_AT_ONCE)
        })?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        let complete = last.sequence;
        let read_all = entries.len() < ENTRIES_AT_ONCE;
        for (entry, wanted) in entries.into_iter().zip(applied + 1..) {
            if entry.sequence != wanted {
                return Err(TailError::Gap {
                    applied: wanted - 1,
                    found: entry.sequence,
                });
            }
            let events: Vec<Event> = match &entry.outcome {
                Outcome::Accepted { events } => {
                    serde_json::from_str(events).map_err(|source| TailError::Events {
                        sequence: entry.sequence,
                        source,
                    })?
                }
                Outcome::Refused { .. } => Vec::new(),
            };
            apply(center, entry.sequence, entry.at, &events);
            // One by one: who waits for this revision need not wait for others.
            center.published.send_replace(entry.sequence);
        }
        tracing::debug!(revision = complete, "published");
        if read_all {
            return Ok(());
        }
    }
}

fn apply(center: &Center, revision: u64, at: UnixMillis, events: &[Event]) {
    let unfit = {
        let mut policy = center
            .policy
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Policy { model, log } = &mut *policy;
        let unfit_before = model.unfit_events();
        let changes = model.apply(revision, events);
        log.push(revision, changes);
        model.unfit_events() - unfit_before
    };
    if unfit > 0 {
        tracing::error!(
            revision,
            unfit,
            "the ledger says what the policy cannot follow; restart the center to load it anew"
        );
    }
    let mut any = false;
    for (serial, reason) in events.iter().filter_map(taken_back) {
        any = true;
        center.note_revoked(serial, reason, at);
    }
    if any {
        center.revoked.notify_one();
    }
}

fn taken_back(event: &Event) -> Option<(&Serial, RevocationReason)> {
    match event {
        Event::DeviceRevoked { serial, reason, .. }
        | Event::GatewayCertificateRevoked { serial, reason, .. } => Some((serial, *reason)),
        _ => None,
    }
}
