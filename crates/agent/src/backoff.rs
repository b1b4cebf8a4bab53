//! Waits that grow with each failure and are spread at random, so that ten
//! thousand machines that lost the same peer do not come back in one moment.
//!
//! Pure: the random number is handed in.

use std::time::Duration;

/// A wait that doubles from `first` to `longest`; the very first try waits not at all.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: u64,
    longest_ms: u64,
    failures: u32,
}

impl Backoff {
    /// A wait between these two lengths.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            first_ms: ms(first).max(1),
            longest_ms: ms(longest).max(1),
            failures: 0,
        }
    }

    /// It went well: the next failure is retried at once again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait now: nothing after the first failure, then between
    /// half of the step and the whole of it. `random` is any number.
    pub fn failed(&mut self, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            return Duration::ZERO;
        }
        let step = self
            .first_ms
            .saturating_mul(1u64.checked_shl(self.failures - 2).unwrap_or(u64::MAX))
            .min(self.longest_ms);
        Duration::from_millis(step - random % (step / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_retry_is_immediate_and_a_success_starts_anew() {
        let mut wait = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        assert_eq!(wait.failed(0), Duration::ZERO);
        assert_eq!(wait.failed(0), Duration::from_millis(200));
        assert_eq!(wait.failed(0), Duration::from_millis(400));
        wait.succeeded();
        assert_eq!(wait.failed(0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_the_longest_and_never_falls_below_half_a_step(failures in 2u32..200, random: u64) {
            let mut wait = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
            let mut last = Duration::ZERO;
            for _ in 0..failures {
                last = wait.failed(random);
            }
            prop_assert!(last <= Duration::from_secs(30));
            prop_assert!(last >= Duration::from_millis(100));
        }
    }
}
