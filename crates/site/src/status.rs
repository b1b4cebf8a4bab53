//! How the agent is, in words that an officer of the institution understands,
//! in Japanese and English; written whole or not at all.

use crate::config::Config;
use iryonet_agent::clock;
use iryonet_agent::files::{self, FileError};
use iryonet_domain::{GatewayId, NetworkPrefix, ParticipantNumber, SiteIndex, UnixMillis};
use iryonet_wire::attach::Refusal;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;

const STATUS: &str = "status.json";
const LOCK: &str = "lock";
const STATUS_MAX: u64 = 64 << 10;

/// The agent's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No certificate yet.
    NotEnrolled,
    /// Enrolled, and no agent is running.
    NotRunning,
    /// The first attempt is under way.
    Connecting,
    /// Attached: the network can be used as agreed.
    Attached,
    /// The connection to the gateway was lost; it is being built again.
    Reconnecting,
    /// The gateway refused; `reason` tells why.
    Refused,
    /// The line, the LAN, key or certificate are not as they should be.
    Trouble,
}

/// What `iryonet site status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// State.
    pub state: State,
    /// Since when.
    pub since: UnixMillis,
    /// A stable word for why.
    pub reason: Option<String>,
    /// What it means and what to do, in Japanese.
    pub reason_ja: String,
    /// The same in English.
    pub reason_en: String,
    /// Which participant this is, as the gateway told.
    pub participant: Option<ParticipantNumber>,
    /// Which site.
    pub site: Option<SiteIndex>,
    /// The site's /64.
    pub prefix: Option<String>,
    /// The network.
    pub network: Option<NetworkPrefix>,
    /// Which gateway it is, or was last, attached to.
    pub gateway: Option<GatewayId>,
    /// When the certificate ends.
    pub certificate_not_after: Option<UnixMillis>,
    /// When the next attempt is made.
    pub next_attempt: Option<UnixMillis>,
    /// When the certificate is renewed, or the renewal tried again.
    #[serde(default)]
    pub renewal_due: Option<UnixMillis>,
    /// Why the last renewal failed; none when it did not.
    #[serde(default)]
    pub renewal_trouble: Option<String>,
    /// A renewed certificate waits for the next attachment.
    #[serde(default)]
    pub renewed_waits: bool,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a status.
    #[error("{path} cannot be read; it may be of another release")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Another agent is at work here.
    #[error("another agent is running with this state directory ({0}); there can be one only")]
    Running(PathBuf),
    /// The lock.
    #[error("the lock {path} cannot be taken")]
    Lock {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl Status {
    /// A state with its words, and nothing known beyond.
    #[must_use]
    pub fn new(state: State, now: UnixMillis) -> Self {
        let (ja, en) = state.words();
        Self {
            state,
            since: now,
            reason: None,
            reason_ja: ja.to_owned(),
            reason_en: en.to_owned(),
            participant: None,
            site: None,
            prefix: None,
            network: None,
            gateway: None,
            certificate_not_after: None,
            next_attempt: None,
            renewal_due: None,
            renewal_trouble: None,
            renewed_waits: false,
        }
    }

    /// The state is another one now; what is known of the attachment stays.
    pub fn become_state(&mut self, state: State, now: UnixMillis) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
        let (ja, en) = state.words();
        self.reason = None;
        ja.clone_into(&mut self.reason_ja);
        en.clone_into(&mut self.reason_en);
        self.next_attempt = None;
    }

    /// Why the gateway refused.
    pub fn refused(&mut self, refusal: Refusal, now: UnixMillis) {
        self.become_state(State::Refused, now);
        self.reason = Some(refusal.as_str().to_owned());
        refusal.explain_ja().clone_into(&mut self.reason_ja);
        refusal.explain_en().clone_into(&mut self.reason_en);
    }

    /// What is wrong here, or on the way.
    pub fn because(&mut self, word: &str, ja: &str, en: &str) {
        self.reason = Some(word.to_owned());
        ja.clone_into(&mut self.reason_ja);
        en.clone_into(&mut self.reason_en);
    }
}

impl State {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotEnrolled => (
                "まだ登録されていません。センターから受け取った登録コードで登録してください（iryonet site enrol）。",
                "Not enrolled yet. Enrol with the code from the center (iryonet site enrol).",
            ),
            Self::NotRunning => (
                "接続プログラムが動いていません（iryonet site run で起動します）。",
                "The agent is not running (start it with iryonet site run).",
            ),
            Self::Connecting => (
                "ゲートウェイに接続しています。",
                "Connecting to the gateway.",
            ),
            Self::Attached => (
                "接続されています。合意されたサービスを利用できます。",
                "Attached. The agreed services can be used.",
            ),
            Self::Reconnecting => (
                "ゲートウェイとの接続が切れました。自動的に再接続しています。",
                "The connection to the gateway was lost. Reconnecting by itself.",
            ),
            Self::Refused => (
                "ゲートウェイに接続を断られました。",
                "The gateway refused the attachment.",
            ),
            Self::Trouble => (
                "この機器または回線に問題があります。",
                "Something is wrong with this device or its line.",
            ),
        }
    }
}

/// Only one agent works with a state directory; while it does, it holds this.
#[derive(Debug)]
pub(crate) struct Running(#[allow(dead_code, reason = "held for its lock")] Flock<File>);

impl Running {
    pub(crate) fn claim(config: &Config) -> Result<Self, StatusError> {
        let path = config.state(LOCK);
        match lock(config)? {
            Some(lock) => Ok(Self(lock)),
            None => Err(StatusError::Running(path)),
        }
    }
}

/// The lock, unless an agent holds it.
fn lock(config: &Config) -> Result<Option<Flock<File>>, StatusError> {
    let path = config.state(LOCK);
    let bad = |source| StatusError::Lock {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(bad)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(bad(error.into())),
    }
}

/// Writes the status. That it cannot be written is logged and stops nothing.
pub(crate) fn write(config: &Config, status: &Status) {
    let written = serde_json::to_vec_pretty(status)
        .map_err(|error| error.to_string())
        .and_then(|json| {
            files::write_atomic(&config.state(STATUS), &json, 0o600)
                .map_err(|error| error.to_string())
        });
    if let Err(error) = written {
        tracing::warn!(error, "the status file could not be written");
    }
}

/// How the agent of this configuration is.
///
/// # Errors
/// When the status file is there and cannot be read.
pub fn status(config: &Config) -> Result<Status, StatusError> {
    let now = clock::wall();
    if !config.state(crate::enrol::CERTIFICATE).exists() {
        return Ok(Status::new(State::NotEnrolled, now));
    }
    let path = config.state(STATUS);
    let bytes = files::read_limited(&path, STATUS_MAX)?;
    let mut status = match bytes {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|source| StatusError::Unreadable { path, source })?,
        None => Status::new(State::NotRunning, now),
    };
    // The file tells what an agent said last; the lock, whether one lives.
    if status.state != State::NotRunning && lock(config)?.is_some() {
        status.become_state(State::NotRunning, now);
    }
    Ok(status)
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

    #[test]
    fn an_agent_that_died_is_not_shown_as_attached() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        assert_eq!(status(&config).unwrap().state, State::NotEnrolled);
        std::fs::write(dir.path().join("certificate.pem"), "x").unwrap();
        assert_eq!(status(&config).unwrap().state, State::NotRunning);
        let running = Running::claim(&config).unwrap();
        write(&config, &Status::new(State::Attached, UnixMillis(5)));
        assert_eq!(status(&config).unwrap().state, State::Attached);
        assert!(matches!(
            Running::claim(&config),
            Err(StatusError::Running(_))
        ));
        drop(running);
        assert_eq!(status(&config).unwrap().state, State::NotRunning);
    }

    #[test]
    fn the_reason_of_a_refusal_goes_with_the_refusal() {
        let mut status = Status::new(State::Connecting, UnixMillis(1));
        status.refused(Refusal::Quarantined, UnixMillis(2));
        assert_eq!(status.reason.as_deref(), Some("quarantined"));
        assert!(status.reason_ja.contains("隔離"));
        status.become_state(State::Attached, UnixMillis(3));
        assert_eq!((status.reason, status.since), (None, UnixMillis(3)));
    }
}
