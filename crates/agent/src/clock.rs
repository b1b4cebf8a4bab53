//! The two clocks: the wall clock, by which certificates and policy run out,
//! and the boot-time monotonic clock, by which the datapath's leases run out
//! (the same as `bpf_ktime_get_ns`).

use iryonet_domain::UnixMillis;
use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the system's wall clock says.
#[must_use]
pub fn wall() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    })
}

/// A wall clock that never goes back: set back by hand or by a lying time
/// server, it goes on from where it was, at the pace of the monotonic clock.
/// Otherwise a policy or a grant that has ended would live again.
#[derive(Debug, Clone)]
pub struct ForwardClock {
    highest: UnixMillis,
    at_monotonic_ns: u64,
}

impl ForwardClock {
    /// A clock that says at least `floor` (the highest time seen in an earlier run).
    #[must_use]
    pub fn new(floor: UnixMillis, wall: UnixMillis, monotonic_ns: u64) -> Self {
        Self {
            highest: floor.max(wall),
            at_monotonic_ns: monotonic_ns,
        }
    }

    /// The time now, given what both clocks say.
    pub fn now(&mut self, wall: UnixMillis, monotonic_ns: u64) -> UnixMillis {
        let passed_ms = monotonic_ns.saturating_sub(self.at_monotonic_ns) / 1_000_000;
        let carried = self.highest.plus_ms(passed_ms);
        if wall >= carried {
            self.highest = wall;
            self.at_monotonic_ns = monotonic_ns;
            wall
        } else {
            // The anchor stays: re-anchoring at each call would lose the part
            // of a millisecond that has passed, and the clock would stand.
            carried
        }
    }

    /// How far the wall clock is behind this one, in milliseconds.
    #[must_use]
    pub fn lag_ms(&self, wall: UnixMillis, monotonic_ns: u64) -> u64 {
        let passed_ms = monotonic_ns.saturating_sub(self.at_monotonic_ns) / 1_000_000;
        self.highest.plus_ms(passed_ms).since_ms(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_set_back_goes_on_from_where_it_was() {
        let mut clock = ForwardClock::new(UnixMillis(0), UnixMillis(10_000), 0);
        assert_eq!(
            clock.now(UnixMillis(11_000), 1_000_000_000),
            UnixMillis(11_000)
        );
        assert_eq!(
            clock.now(UnixMillis(500), 2_000_000_000),
            UnixMillis(12_000)
        );
        assert_eq!(clock.lag_ms(UnixMillis(500), 2_000_000_000), 11_500);
    }

    #[test]
    fn a_restart_with_the_clock_set_back_keeps_the_highest_time_seen() {
        let mut clock = ForwardClock::new(UnixMillis(90_000), UnixMillis(1_000), 5);
        assert_eq!(clock.now(UnixMillis(1_000), 5), UnixMillis(90_000));
    }

    proptest! {
        #[test]
        fn it_never_goes_back(steps in proptest::collection::vec((0u64..100_000, 0u64..2_000_000_000), 1..50)) {
            let mut monotonic = 0;
            let mut clock = ForwardClock::new(UnixMillis(0), UnixMillis(50_000), 0);
            let mut before = UnixMillis(50_000);
            for (wall, passed) in steps {
                monotonic += passed;
                let now = clock.now(UnixMillis(wall), monotonic);
                prop_assert!(now >= before);
                before = now;
            }
        }
    }
}
