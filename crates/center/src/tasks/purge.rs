//! Takes away what is kept beside the ledger and has ended: sessions, answers
//! to repeated requests. What has ended is shown to nobody even before that;
//! this only gives the room back.

use crate::http::problem::chain;
use crate::state::Center;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// Values taken away in one transaction: others get their turn between.
const AT_ONCE: usize = 1_000;

/// Runs until it is told to end.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    loop {
        let mut purged = 0;
        while !end.is_cancelled() {
            let store = Arc::clone(&center.store);
            let round = tokio::task::spawn_blocking(move || {
                iryonet_store::change(&*store, |transaction| {
                    transaction.side_purge(crate::clock::now(), AT_ONCE)
                })
            })
            .await;
            match round {
                Ok(Ok(count)) => {
                    purged += count;
                    if count < AT_ONCE {
                        break;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "what has ended beside the ledger could not be taken away");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "taking away what has ended broke off");
                    break;
                }
            }
        }
        if purged > 0 {
            tracing::info!(purged, "values that had ended were taken away");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = end.cancelled() => return,
        }
    }
}
