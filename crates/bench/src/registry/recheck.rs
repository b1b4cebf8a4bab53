//! The daily re-check of everybody, slot after slot, as the center does it; and
//! what it costs in time of processors.

use crate::revoke::RevokeError;
use iryonet_domain::{Actor, Role, UnixMillis};
use iryonet_registry::recheck::{RecheckLimits, RecheckSlot, SLOT_MS, SLOTS_PER_DAY};
use iryonet_registry::{Command, Event, RecheckEvent};
use iryonet_store::{Store, change};
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// What the re-check of a whole day came to.
#[derive(Debug, Clone, Serialize)]
pub struct Recheck {
    /// Participants looked at.
    pub participants: u64,
    /// Certificates looked at.
    pub certificates: u64,
    /// Of the program that does it, in seconds of processor time.
    pub cpu_s: f64,
    /// Of the database's server beside it; none where there is no server.
    pub server_cpu_s: Option<f64>,
    /// By the clock, in seconds.
    pub wall_s: f64,
}

impl Recheck {
    /// Of both.
    pub(super) fn all_cpu_s(&self) -> f64 {
        self.cpu_s + self.server_cpu_s.unwrap_or(0.0)
    }
}

/// Does all slots of a day from the one on that is due. `server` is the process
/// under which a database's server works.
pub(super) fn whole_day(store: &dyn Store, server: Option<u32>) -> Result<Recheck, RevokeError> {
    let failed = |error: &dyn std::fmt::Display| RevokeError::Region(error.to_string());
    let actor = Actor::new(Role::System, "bench").map_err(|e| failed(&e))?;
    let mut participants = 0;
    let mut certificates = 0;
    let cpu = own_cpu()?;
    let server_cpu = server.map(cpu_of_all_under).transpose()?;
    let begun = std::time::Instant::now();
    let mut now = crate::revoke::region::now();
    for _ in 0..SLOTS_PER_DAY {
        let events = change(store, |transaction| {
            let state = transaction.recheck_state()?;
            // The center may have done the present one already.
            let mut due = state.due(now);
            while due.is_none() && state.halted.is_none() {
                now = UnixMillis(now.0 + SLOT_MS);
                due = state.due(now);
            }
            let Some(tick) = due else {
                return Ok(None);
            };
            let slot = RecheckSlot {
                tick,
                limits: RecheckLimits::default(),
            };
            let done = transaction.record(&actor, &Command::RecheckSlot(slot), now)?;
            done.events()
                .map(Some)
                .map_err(iryonet_store::StoreError::given_up)
        })
        .map_err(|e| failed(&e))?;
        let counts = events.iter().flatten().find_map(|event| match event {
            Event::Recheck(RecheckEvent::SlotRechecked { counts, .. }) => Some(counts),
            _ => None,
        });
        let Some(counts) = counts else {
            return Err(RevokeError::Region(
                "the re-check stopped: it found too many invalid".to_owned(),
            ));
        };
        participants += u64::from(counts.participants);
        certificates += u64::from(counts.certificates);
    }
    let wall_s = begun.elapsed().as_secs_f64();
    let server_cpu_s = match (server, server_cpu) {
        (Some(server), Some(before)) => Some(cpu_of_all_under(server)? - before),
        _ => None,
    };
    Ok(Recheck {
        participants,
        certificates,
        cpu_s: (own_cpu()?.saturating_sub(cpu)).as_secs_f64(),
        server_cpu_s,
        wall_s,
    })
}

/// Processor time of this process so far.
fn own_cpu() -> Result<Duration, RevokeError> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|error| RevokeError::Region(format!("the processor time: {error}")))?;
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(time.tv_sec().unsigned_abs() * 1_000_000)
            + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(of(usage.user_time()) + of(usage.system_time()))
}

/// Processor time, in seconds, of a server and of everybody who works for it,
/// as the kernel counts it (`/proc`, in hundredths of a second).
fn cpu_of_all_under(server: u32) -> Result<f64, RevokeError> {
    let processes = std::fs::read_dir("/proc").map_err(|source| RevokeError::File {
        what: "list the processes".to_owned(),
        source,
    })?;
    let mut hundredths = 0;
    for process in processes.flatten() {
        // One that ended meanwhile is counted in its parent's own.
        let Ok(text) = std::fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        let is_server = process.path() == Path::new("/proc").join(server.to_string());
        hundredths += used(&text, server, is_server).unwrap_or(0);
    }
    Ok(hundredths as f64 / 100.0)
}

/// What a line of `/proc/<pid>/stat` says, of the server itself or of a child.
fn used(line: &str, server: u32, is_server: bool) -> Option<u64> {
    // The name, in brackets, may hold anything.
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    // proc(5): state, ppid, ... utime and stime are fields 14 and 15 of all,
    // and 16 and 17 those of children that were waited for.
    if is_server {
        return Some(number(11)? + number(12)? + number(13)? + number(14)?);
    }
    (number(1)? == u64::from(server)).then_some(number(11)? + number(12)?)
}

#[cfg(test)]
mod tests {
    use super::used;

    #[test]
    fn time_of_a_server_is_its_own_and_that_of_who_works_for_it() {
        let line = "77 (postgres: a) b) S 50 77 77 0 -1 4194560 1 2 3 4 10 20 300 400 20 0";
        assert_eq!(used(line, 50, false), Some(30));
        assert_eq!(used(line, 51, false), None);
        assert_eq!(used(line, 77, true), Some(730));
    }
}
