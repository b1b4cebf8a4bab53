//! Killed at any moment: the real `iryonet center`, and PostgreSQL's own
//! processes under it, by `kill -9` while clients act. What was acknowledged is
//! there once, nothing is there by half, and the tables are what the ledger
//! says. And a disk that is full: refused, nothing lost, and on it goes when
//! there is room.
//!
//! The points are drawn from a seed, which every test says. To go through the
//! same draws again: `IRYONET_CRASH_SEED=… cargo nextest run -p iryonet-cli -E
//! 'binary(crash)' --no-capture`. (What a process does in a given microsecond
//! is not drawn: the same seed is the same plan, not the same run.)
//!
//! A killed process loses nothing that it gave to the kernel. What only a
//! failing machine would lose, a missing fsync, these tests cannot see.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod clients;
mod disk;
mod house;
mod judge;
mod kills;

/// Numbers that look like chance, from a seed.
pub(crate) struct Draws(u64);

impl Draws {
    /// From `IRYONET_CRASH_SEED`, or from the clock; said aloud.
    pub(crate) fn new(test: &str) -> Self {
        let given = std::env::var("IRYONET_CRASH_SEED").ok();
        let seed = given.map_or_else(
            || {
                let since = std::time::UNIX_EPOCH.elapsed().unwrap();
                u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap()
            },
            |given| {
                given
                    .trim()
                    .parse()
                    .expect("IRYONET_CRASH_SEED is a number")
            },
        );
        println!("{test}: IRYONET_CRASH_SEED={seed}");
        // Neighbouring seeds begin far from each other, and none with 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to before `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// A pause up to this long; short ones are as likely as long ones.
    pub(crate) fn pause(&mut self, longest: std::time::Duration) {
        let longest = u64::try_from(longest.as_micros()).unwrap();
        let scale = self.below(5);
        let micros = self.below((longest >> (scale * 2)).max(1));
        std::thread::sleep(std::time::Duration::from_micros(micros));
    }
}
