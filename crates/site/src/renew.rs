//! 更新: the device's next certificate, before the present one ends.
//!
//! The new key and certificate wait in a folder of their own, `renewal`, until
//! a gateway has bound the line to them; only then do they take the place of
//! the present pair. So a renewal that leads nowhere cuts nobody off, and there
//! is a pair that works at each moment, also after a power cut in between.

use crate::config::Config;
use crate::enrol::{self, Credentials, EnrolError, LineError};
use iryonet_agent::backoff::Backoff;
use iryonet_agent::clock;
use iryonet_agent::files::{self, FileError};
use iryonet_agent::key::{self, KeyError};
use iryonet_agent::netlink::Netlink;
use iryonet_agent::renew::{self, RenewError};
use iryonet_domain::UnixMillis;
use iryonet_tls::{
    Clock, ConfigError as TlsError, Expect, HandshakeError, HandshakeLimits, Profile, client_config,
};
use std::path::PathBuf;
use std::time::Duration;

const FOLDER: &str = "renewal";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
/// It is there from the decision to switch until the switch is done.
const SWITCHING: &str = "switching";
const FILE_MAX: u64 = 256 << 10;
const MODE: u32 = 0o600;
/// The first wait after a failure, and the longest.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3_600);

/// Why there is no new certificate yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewalError {
    /// The present pair, or the new one.
    #[error(transparent)]
    Credentials(#[from] EnrolError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The new key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// TLS with the present certificate.
    #[error("the present certificate cannot be shown to the center")]
    Tls(#[from] TlsError),
    /// The line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not the center, or it does not take the certificate.
    #[error("the handshake with the center failed")]
    Handshake(#[from] HandshakeError),
    /// The center said no, or nothing that can be read.
    #[error(transparent)]
    Exchange(#[from] RenewError),
    /// Another's certificate.
    #[error("the new certificate is another participant's; it is not used")]
    Another,
}

/// When to renew and when to try again. It draws one random number, so that the
/// moment stays where it is while the present certificate is in use.
#[derive(Debug)]
pub(crate) struct Schedule {
    random: u64,
    wait: Backoff,
    not_before: Option<UnixMillis>,
}

impl Schedule {
    pub(crate) fn new(random: u64) -> Self {
        Self {
            random,
            wait: Backoff::new(FIRST, LONGEST),
            not_before: None,
        }
    }

    /// When the certificate with this life is to be renewed.
    pub(crate) fn due(&self, (not_before, not_after): (UnixMillis, UnixMillis)) -> UnixMillis {
        let due = renew::due(not_before, not_after, self.random);
        self.not_before.map_or(due, |again| again.max(due))
    }

    /// It failed: not again before a while, ever longer, spread at random.
    pub(crate) fn failed(&mut self, now: UnixMillis, random: u64) -> UnixMillis {
        let wait = self.wait.failed(random).max(FIRST / 2);
        let again = now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self.not_before = Some(again);
        again
    }

    pub(crate) fn succeeded(&mut self) {
        self.wait.succeeded();
        self.not_before = None;
    }
}

fn path(config: &Config, name: &str) -> PathBuf {
    config.state(FOLDER).join(name)
}

/// The pair that waits to be tried, when there is one that can be.
pub(crate) fn waiting(config: &Config) -> Option<Credentials> {
    let (key, certificate) = (path(config, KEY), path(config, CERTIFICATE));
    if !certificate.exists() {
        return None;
    }
    match enrol::credentials_at(config, &key, &certificate) {
        Ok(found) if found.not_after > clock::wall() => Some(found),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(
                error = iryonet_agent::chain(&error),
                "a renewed certificate cannot be used"
            );
            None
        }
    }
}

/// Gets the next certificate, with a new key. An attempt that broke off goes on
/// with the key that it made.
pub(crate) async fn renew(config: &Config, netlink: &Netlink) -> Result<UnixMillis, RenewalError> {
    let present = enrol::credentials(config)?;
    files::private_directory(&config.state(FOLDER))?;
    let request = key::certificate_request(&path(config, KEY))?;
    let connector = client_config(
        Profile::Guideline43,
        &present.identity,
        present.roots,
        Expect::Center(Some(config.center_name.clone())),
        Clock::system(),
    )?;
    let stream = enrol::connect(config, netlink, config.enrol_port).await?;
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await?;
    let chain = renew::exchange(stream, &request).await?;
    keep(config, present.participant, &chain)
}

/// Keeps a pair to be tried at the next attachment.
fn keep(
    config: &Config,
    own: iryonet_domain::ParticipantNumber,
    chain: &str,
) -> Result<UnixMillis, RenewalError> {
    let certificate = path(config, CERTIFICATE);
    files::write_atomic(&certificate, chain.as_bytes(), MODE)?;
    let renewed = enrol::credentials_at(config, &path(config, KEY), &certificate)?;
    if renewed.participant != own {
        discard(config)?;
        return Err(RenewalError::Another);
    }
    Ok(renewed.not_after)
}

/// The pair that waited is in use now: it takes the place of the present one.
pub(crate) fn switch(config: &Config) -> Result<(), FileError> {
    files::write_atomic(&path(config, SWITCHING), b"", MODE)?;
    finish_switch(config)
}

/// Goes on with a switch that a power cut broke off. Does nothing when there is
/// none.
pub(crate) fn finish_switch(config: &Config) -> Result<(), FileError> {
    if !path(config, SWITCHING).exists() {
        return Ok(());
    }
    for (from, to) in [(KEY, enrol::KEY), (CERTIFICATE, enrol::CERTIFICATE)] {
        // Gone already when only the last step was missing.
        if let Some(bytes) = files::read_limited(&path(config, from), FILE_MAX)? {
            files::write_atomic(&config.state(to), &bytes, MODE)?;
        }
    }
    files::remove(&path(config, CERTIFICATE))?;
    files::remove(&path(config, KEY))?;
    files::remove(&path(config, SWITCHING))
}

/// Takes away a pair that is of no use.
pub(crate) fn discard(config: &Config) -> Result<(), FileError> {
    files::remove(&path(config, CERTIFICATE))?;
    files::remove(&path(config, KEY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &std::path::Path) -> Config {
        let text = format!(
            "state_dir = {directory:?}\nline_interface = \"l\"\nlan_interface = \"i\"\nroot_certificate = \"r\"\ncenter_name = \"c\"\n"
        );
        Config::parse(std::path::Path::new("site.toml"), &text).unwrap()
    }

    fn write(config: &Config, name: &str, text: &str) {
        let path = config.state(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(config: &Config, name: &str) -> Option<String> {
        std::fs::read_to_string(config.state(name)).ok()
    }

    #[test]
    fn a_switch_that_a_power_cut_broke_off_is_finished_wherever_it_stood() {
        // The steps, and what is on the disk after each of them.
        for cut in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let config = config(dir.path());
            let done = |step: usize| cut >= step;
            write(&config, "renewal/switching", "");
            write(
                &config,
                "key.pem",
                if done(1) { "new key" } else { "old key" },
            );
            write(
                &config,
                "certificate.pem",
                if done(2) { "new" } else { "old" },
            );
            if !done(3) {
                write(&config, "renewal/certificate.pem", "new");
            }
            if !done(4) {
                write(&config, "renewal/key.pem", "new key");
            }
            finish_switch(&config).unwrap();
            assert_eq!(
                read(&config, "key.pem").unwrap(),
                "new key",
                "cut after {cut}"
            );
            assert_eq!(read(&config, "certificate.pem").unwrap(), "new");
            for gone in ["switching", "key.pem", "certificate.pem"] {
                assert_eq!(read(&config, &format!("renewal/{gone}")), None, "{cut}");
            }
        }
    }

    #[test]
    fn without_a_decision_to_switch_the_present_pair_stays() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        write(&config, "key.pem", "old key");
        write(&config, "renewal/key.pem", "new key");
        write(&config, "renewal/certificate.pem", "new");
        finish_switch(&config).unwrap();
        assert_eq!(read(&config, "key.pem").unwrap(), "old key");
        assert_eq!(read(&config, "renewal/key.pem").unwrap(), "new key");
        switch(&config).unwrap();
        assert_eq!(read(&config, "key.pem").unwrap(), "new key");
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
