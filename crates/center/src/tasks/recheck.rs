//! 日次再確認: does the slot of the daily re-check that is due, as one act. Which
//! one is due stands in the registry, so a center that was down goes on where
//! it was, and of several centers on one database one does a slot.
//!
//! What is invalid, and when too many are, is decided in the registry. Here is
//! only the clock's hand.

use crate::clock;
use crate::state::Center;
use iryonet_domain::{Actor, Role};
use iryonet_registry::recheck::{RecheckCounts, RecheckSlot, SLOT_MS, Tick};
use iryonet_registry::{Command, Event, RecheckEvent};
use iryonet_store::{Outcome, Recorded, StoreError, Transaction};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After a failure, and between two looks while it has stopped.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What a look at the registry came to.
enum Step {
    /// A slot was done; another may be due.
    Done(Recorded),
    /// None is due yet.
    Early,
    /// It stopped at this slot, and waits for a person.
    Halted(Tick, RecheckCounts),
}

/// Does every slot that becomes due until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    let mut said = None;
    loop {
        let pause = match step(&center).await {
            Ok(Step::Done(recorded)) => {
                said = None;
                tell(&recorded);
                Duration::ZERO
            }
            Ok(Step::Early) => until_next_slot(),
            Ok(Step::Halted(tick, counts)) => {
                // Once for each time that it stops, whichever center stopped it.
                if said != Some(tick) {
                    said = Some(tick);
                    tracing::error!(
                        %tick,
                        newly_invalid = counts.newly_invalid,
                        participants = counts.participants,
                        reasons = ?counts.reasons,
                        "the daily re-check stopped: too many would be cut off; confirm or dismiss its findings"
                    );
                }
                AGAIN_AFTER
            }
            // The problem was logged where it arose.
            Err(()) => AGAIN_AFTER,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
    }
}

fn until_next_slot() -> Duration {
    Duration::from_millis(SLOT_MS - clock::now().0 % SLOT_MS)
}

async fn step(center: &Arc<Center>) -> Result<Step, ()> {
    let limits = center.config.recheck_limits();
    let name = center.config.name.clone();
    center
        .transact(move |transaction: &mut dyn Transaction| {
            let now = clock::now();
            let state = transaction.recheck_state()?;
            if let Some(halt) = state.halted {
                return Ok(Step::Halted(halt.tick, halt.counts));
            }
            // By the time that the entry will get: the ledger's does not go back.
            let Some(tick) = state.due(transaction.tip()?.time(now)) else {
                return Ok(Step::Early);
            };
            let actor = Actor::new(Role::System, name.as_str()).map_err(StoreError::given_up)?;
            let slot = Command::RecheckSlot(RecheckSlot { tick, limits });
            Ok(Step::Done(transaction.record(&actor, &slot, now)?))
        })
        .await
        .map_err(drop)
}

fn tell(recorded: &Recorded) {
    match &recorded.outcome {
        Outcome::Accepted(events) => {
            for event in events {
                if let Event::Recheck(RecheckEvent::SlotRechecked { tick, counts, .. }) = event {
                    tracing::debug!(
                        %tick,
                        participants = counts.participants,
                        newly_invalid = counts.newly_invalid,
                        closed = counts.closed,
                        ran_out = counts.ran_out,
                        "a slot of the daily re-check is done"
                    );
                }
            }
        }
        Outcome::Refused(refusal) => {
            tracing::error!(%refusal, "a slot of the daily re-check was refused");
        }
    }
}
