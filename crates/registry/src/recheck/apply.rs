//! What the re-check's events make of its state.

use super::{Halt, RecheckEvent, Told, WINDOW_SLOTS, WindowSlot, Word};
use crate::apply::{ApplyError, missing};
use crate::view::Tables;
use iryonet_domain::UnixMillis;

pub(crate) fn apply(
    tables: &mut dyn Tables,
    event: &RecheckEvent,
    at: UnixMillis,
) -> Result<(), ApplyError> {
    if let RecheckEvent::DeviceRanOut {
        participant,
        device,
        ..
    } = event
    {
        let mut found = tables
            .device(*participant, *device)?
            .ok_or_else(|| missing("device", device))?;
        found.ran_out_at = Some(at);
        tables.put_device(&found)?;
        return Ok(());
    }
    let mut state = tables.recheck_state()?;
    match event {
        RecheckEvent::SlotRechecked { tick, counts, .. } => {
            state.next = Some(tick.next());
            state.halted = None;
            state.window.push(WindowSlot {
                tick: *tick,
                participants: counts.participants,
                newly_invalid: counts.newly_invalid,
            });
            let surplus = state.window.len().saturating_sub(WINDOW_SLOTS);
            state.window.drain(..surplus);
        }
        RecheckEvent::RecheckHalted { tick, counts } => {
            state.halted = Some(Halt {
                tick: *tick,
                at,
                counts: counts.clone(),
            });
        }
        RecheckEvent::RecheckConfirmed { until, .. } => {
            // What was confirmed is not held against the slots to come.
            state.window.clear();
            state.told = Some(Told {
                word: Word::Confirmed,
                until: *until,
            });
        }
        RecheckEvent::RecheckDismissed { until, .. } => {
            state.window.clear();
            state.told = Some(Told {
                word: Word::Dismissed,
                until: *until,
            });
        }
        // Handled above.
        RecheckEvent::DeviceRanOut { .. } => {}
    }
    tables.put_recheck_state(&state)?;
    Ok(())
}
