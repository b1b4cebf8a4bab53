//! A machine's key and certificate on disk, and the pair that is to follow them.
//!
//! The next pair waits in a folder of its own, `renewal`, until it has proved
//! itself; only then does it take the place of the present one. So a renewal
//! that leads nowhere cuts nobody off, and at each moment there is a pair that
//! works, also after a power cut in between.
//!
//! It must not know what is proved to whom.

use crate::backoff::Backoff;
use crate::files::{self, FileError};
use crate::renew;
use iryonet_domain::UnixMillis;
use std::path::PathBuf;
use std::time::Duration;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
const FOLDER: &str = "renewal";
/// It is there from the decision to switch until the switch is done.
const SWITCHING: &str = "switching";
const FILE_MAX: u64 = 256 << 10;
const MODE: u32 = 0o600;
/// The first wait after a failed renewal, and the longest.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3_600);

/// The files of both pairs in a state directory.
#[derive(Debug, Clone)]
pub struct Pairs {
    directory: PathBuf,
}

impl Pairs {
    /// Those in this directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The present key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.directory.join(KEY)
    }

    /// The present certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join(CERTIFICATE)
    }

    /// The key of the pair that waits.
    #[must_use]
    pub fn next_key(&self) -> PathBuf {
        self.directory.join(FOLDER).join(KEY)
    }

    /// The certificate of the pair that waits.
    #[must_use]
    pub fn next_certificate(&self) -> PathBuf {
        self.directory.join(FOLDER).join(CERTIFICATE)
    }

    fn switching(&self) -> PathBuf {
        self.directory.join(FOLDER).join(SWITCHING)
    }

    /// Makes the folder in which the next pair waits.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn prepare(&self) -> Result<(), FileError> {
        files::private_directory(&self.directory.join(FOLDER))
    }

    /// Keeps the certificate of the next key until the pair is tried.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keep_next(&self, chain_pem: &str) -> Result<(), FileError> {
        files::write_atomic(&self.next_certificate(), chain_pem.as_bytes(), MODE)
    }

    /// The pair that waited is in use now: it takes the place of the present one.
    ///
    /// # Errors
    /// When the system refuses; [`Pairs::finish_switch`] goes on with it.
    pub fn switch(&self) -> Result<(), FileError> {
        files::write_atomic(&self.switching(), b"", MODE)?;
        self.finish_switch()
    }

    /// Goes on with a switch that a power cut broke off. Does nothing when
    /// there is none.
    ///
    /// # Errors
    /// When the system refuses; it can be called again.
    pub fn finish_switch(&self) -> Result<(), FileError> {
        if !self.switching().exists() {
            return Ok(());
        }
        for (from, to) in [
            (self.next_key(), self.key()),
            (self.next_certificate(), self.certificate()),
        ] {
            // Gone already when only the last step was missing.
            if let Some(bytes) = files::read_limited(&from, FILE_MAX)? {
                files::write_atomic(&to, &bytes, MODE)?;
            }
        }
        self.discard_next()?;
        files::remove(&self.switching())
    }

    /// Takes away a next pair that is of no use.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn discard_next(&self) -> Result<(), FileError> {
        files::remove(&self.next_certificate())?;
        files::remove(&self.next_key())
    }
}

/// When to renew and when to try again. It draws one random number, so that the
/// moment stays where it is while the present certificate is in use.
#[derive(Debug)]
pub struct Schedule {
    random: u64,
    wait: Backoff,
    not_before: Option<UnixMillis>,
}

impl Schedule {
    /// A schedule with any number drawn for it.
    #[must_use]
    pub fn new(random: u64) -> Self {
        Self {
            random,
            wait: Backoff::new(FIRST, LONGEST),
            not_before: None,
        }
    }

    /// When the certificate with this life is to be renewed.
    #[must_use]
    pub fn due(&self, (not_before, not_after): (UnixMillis, UnixMillis)) -> UnixMillis {
        let due = renew::due(not_before, not_after, self.random);
        self.not_before.map_or(due, |again| again.max(due))
    }

    /// It failed: not again before a while, ever longer, spread at random.
    pub fn failed(&mut self, now: UnixMillis, random: u64) -> UnixMillis {
        let wait = self.wait.failed(random).max(FIRST / 2);
        let again = now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self.not_before = Some(again);
        again
    }

    /// There is a new certificate.
    pub fn succeeded(&mut self) {
        self.wait.succeeded();
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pairs: &Pairs, name: &str, text: &str) {
        pairs.prepare().unwrap();
        std::fs::write(pairs.directory.join(name), text).unwrap();
    }

    fn read(pairs: &Pairs, name: &str) -> Option<String> {
        std::fs::read_to_string(pairs.directory.join(name)).ok()
    }

    #[test]
    fn a_switch_that_a_power_cut_broke_off_is_finished_wherever_it_stood() {
        // The steps, and what is on the disk after each of them.
        for cut in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let pairs = Pairs::new(dir.path().to_owned());
            let done = |step: usize| cut >= step;
            write(&pairs, "renewal/switching", "");
            write(
                &pairs,
                "key.pem",
                if done(1) { "new key" } else { "old key" },
            );
            write(
                &pairs,
                "certificate.pem",
                if done(2) { "new" } else { "old" },
            );
            if !done(3) {
                write(&pairs, "renewal/certificate.pem", "new");
            }
            if !done(4) {
                write(&pairs, "renewal/key.pem", "new key");
            }
            pairs.finish_switch().unwrap();
            assert_eq!(
                read(&pairs, "key.pem").unwrap(),
                "new key",
                "cut after {cut}"
            );
            assert_eq!(read(&pairs, "certificate.pem").unwrap(), "new");
            for gone in ["switching", "key.pem", "certificate.pem"] {
                assert_eq!(read(&pairs, &format!("renewal/{gone}")), None, "{cut}");
            }
        }
    }

    #[test]
    fn without_a_decision_to_switch_the_present_pair_stays() {
        let dir = tempfile::tempdir().unwrap();
        let pairs = Pairs::new(dir.path().to_owned());
        write(&pairs, "key.pem", "old key");
        write(&pairs, "renewal/key.pem", "new key");
        write(&pairs, "renewal/certificate.pem", "new");
        pairs.finish_switch().unwrap();
        assert_eq!(read(&pairs, "key.pem").unwrap(), "old key");
        assert_eq!(read(&pairs, "renewal/key.pem").unwrap(), "new key");
        pairs.switch().unwrap();
        assert_eq!(read(&pairs, "key.pem").unwrap(), "new key");
    }

    #[test]
    fn a_center_that_is_away_is_asked_again_ever_more_slowly() {
        let mut schedule = Schedule::new(7);
        let life = (UnixMillis(0), UnixMillis(365 * 86_400_000));
        let due = schedule.due(life);
        let mut now = due;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let again = schedule.failed(now, 0);
            assert_eq!(schedule.due(life), again);
            waits.push(again.since_ms(now));
            now = again;
        }
        assert!(
            waits.iter().all(|wait| (30_000..=3_600_000).contains(wait)),
            "{waits:?}"
        );
        assert_eq!(waits.last(), Some(&3_600_000));
        schedule.succeeded();
        assert_eq!(schedule.due(life), due);
    }
}
