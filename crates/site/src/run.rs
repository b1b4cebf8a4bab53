//! The agent: attaches, stays attached, comes back by itself.
//!
//! A lost connection is retried at once, then ever more slowly, up to half a
//! minute; a refusal that somebody has to lift, more slowly still, and at once
//! when this device gets a new certificate. Until the lease is over, a lost
//! connection leaves the way to the network open, as the gateway does.
//!
//! The certificate renews itself ([`crate::renew`]). With the new one the agent
//! attaches again at once, within the lease that the old one still holds, and
//! goes back to the old one when the new one is not taken yet.

use crate::attach::{End, Holder, Terms, converse};
use crate::config::Config;
use crate::enrol::{self, Credentials, EnrolError, LineError, credentials, known_network};
use crate::network::{Bound, SiteNetwork};
use crate::renew;
use crate::status::{self, Running, State, Status, StatusError};
use iryonet_agent::backoff::Backoff;
use iryonet_agent::chain;
use iryonet_agent::clock;
use iryonet_agent::files;
use iryonet_agent::netlink::{Netlink, NetlinkError};
use iryonet_agent::pair::Schedule;
use iryonet_domain::UnixMillis;
use iryonet_tls::{
    Clock, ConfigError as TlsError, Expect, HandshakeError, HandshakeLimits, Profile, Reason,
    client_config,
};
use iryonet_wire::attach::Refusal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a waiting agent looks whether it got a new certificate.
const LOOK: Duration = Duration::from_millis(500);
/// How often the certificate's life is looked at, and how often a renewed one
/// that was not taken yet is tried again.
const RENEWAL_LOOK: Duration = Duration::from_secs(600);
const TRY_RENEWED: Duration = Duration::from_secs(600);
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// At most, while the last lease still runs.
const WITHIN_LEASE: Duration = Duration::from_millis(500);
/// For what somebody has to lift.
const SLOW_FIRST: Duration = Duration::from_secs(2);
const SLOW_LONGEST: Duration = Duration::from_secs(60);
const HANDSHAKE: HandshakeLimits = HandshakeLimits {
    timeout: Duration::from_secs(10),
    octets: 32 << 10,
};

/// Why an agent cannot run, or what came of the one attempt.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its certificate and what belongs to it.
    #[error(transparent)]
    Credentials(#[from] EnrolError),
    /// Another one is running.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The state directory.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The one attempt was refused.
    #[error("attachment refused ({}): {} {}", .0.as_str(), .0.explain_ja(), .0.explain_en())]
    Refused(Refusal),
    /// The one attempt failed.
    #[error("the attachment failed ({word}): {en} {ja} ({detail})")]
    Failed {
        /// A stable word.
        word: String,
        /// Japanese.
        ja: String,
        /// English.
        en: String,
        /// What exactly.
        detail: String,
    },
}

/// Runs the agent until `shutdown` completes; with `once`, makes one attempt
/// that changes nothing here, and tells what came of it. Needs root
/// (`CAP_NET_ADMIN`).
///
/// # Errors
/// When it cannot begin; with `once`, when the attempt was refused or failed.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
    once: bool,
) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    let netlink = Netlink::open()?;
    if once {
        let present = credentials(&config);
        let attempt = attempt(&config, &netlink, &Nothing, &stop, present, true);
        return tokio::select! {
            () = shutdown => Ok(()),
            trouble = attempt => match trouble {
                Outcome::Ended(End::Stopped) => Ok(()),
                other => Err(other.into_error()),
            },
        };
    }
    files::private_directory(&config.state_dir)?;
    let _running = Running::claim(&config)?;
    renew::pairs(&config).finish_switch()?;
    // Said at the start, where a person is looking.
    let own = credentials(&config)?;
    if own.not_after <= clock::wall() {
        tracing::error!(
            "this device's certificate has run out: ask the center for a new enrolment code, then run \
             `iryonet site enrol --force` / 証明書の有効期限が切れています。再登録が必要です。"
        );
    }
    let network = SiteNetwork::start(config.clone(), netlink.clone(), known_network(&config));
    let agent = Agent {
        site: Site {
            network,
            status: Mutex::new(Status::new(State::Connecting, clock::wall())),
            lease_end: Mutex::new(None),
            with_renewed: AtomicBool::new(false),
            config: config.clone(),
        },
        config,
        netlink,
        stop: stop.clone(),
        renewed: Notify::new(),
    };
    agent
        .site
        .tell(|status, _| status.certificate_not_after = Some(own.not_after));
    let work = async { tokio::join!(agent.follow(), agent.renew()).0 };
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => {}
        () = shutdown => {
            stop.cancel();
            work.await;
        }
    }
    agent.site.close().await;
    agent
        .site
        .tell(|status, now| status.become_state(State::NotRunning, now));
    Ok(())
}

/// What came of an attempt.
enum Outcome {
    Ended(End),
    Line(LineError),
    Handshake(HandshakeError),
    Credentials(EnrolError),
    Tls(TlsError),
}

struct Agent {
    site: Site,
    config: Config,
    netlink: Netlink,
    stop: CancellationToken,
    /// A renewed certificate waits: attach with it.
    renewed: Notify,
}

/// The site's network and its status: what a binding changes here.
struct Site {
    network: SiteNetwork,
    status: Mutex<Status>,
    /// Until when the way to the network stays open without a renewal.
    lease_end: Mutex<Option<Instant>>,
    /// The attempt under way is made with the renewed certificate.
    with_renewed: AtomicBool,
    config: Config,
}

/// For the one attempt: nothing is changed here.
struct Nothing;

impl Holder for Nothing {
    async fn bound(&self, _: &Terms, _: Instant) -> Result<(), String> {
        Ok(())
    }
    async fn prolonged(&self, _: Instant) {}
}

impl Site {
    fn tell(&self, change: impl FnOnce(&mut Status, UnixMillis)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status, clock::wall());
        status::write(&self.config, &status);
    }

    /// Is this another trouble than the status shows?
    fn is_news(&self, word: &str) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.reason.as_deref() != Some(word)
    }

    fn tries_renewed(&self, renewed: bool) {
        self.with_renewed.store(renewed, Ordering::Relaxed);
    }

    /// Attached: what was renewed has proved itself, and is the present one now.
    fn switch_if_renewed(&self) {
        if !self.with_renewed.swap(false, Ordering::Relaxed) {
            return;
        }
        match renew::pairs(&self.config).switch() {
            Ok(()) => {
                let own = credentials(&self.config).ok();
                self.tell(|status, _| {
                    status.renewed_waits = false;
                    if let Some(own) = own {
                        status.certificate_not_after = Some(own.not_after);
                    }
                });
            }
            Err(error) => tracing::error!(
                error = chain(&error),
                "the renewed certificate could not take its place; it is tried again at the next attachment"
            ),
        }
    }

    fn holds_until(&self, until: Option<Instant>) {
        *self
            .lease_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Is the way still open, although nobody answers?
    fn lease_runs(&self) -> bool {
        let end = *self
            .lease_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| Instant::now() < end)
    }

    async fn close(&self) {
        self.holds_until(None);
        self.network.release().await;
    }

    fn is_bound(&self) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.state == State::Attached
    }
}

impl Holder for Site {
    async fn bound(&self, terms: &Terms, until: Instant) -> Result<(), String> {
        let prefix = terms.network.site(terms.participant, terms.site);
        self.network
            .bind(Bound {
                prefix,
                network: terms.network,
                until,
            })
            .await
            .map_err(|error| chain(&error))?;
        self.holds_until(Some(until));
        self.switch_if_renewed();
        tracing::info!(
            participant = %terms.participant, gateway = %terms.gateway, %prefix,
            "attached / ゲートウェイに接続しました"
        );
        self.tell(|status, now| {
            status.become_state(State::Attached, now);
            status.participant = Some(terms.participant);
            status.site = Some(terms.site);
            status.prefix = Some(prefix.to_string());
            status.network = Some(terms.network);
            status.gateway = Some(terms.gateway.clone());
        });
        Ok(())
    }

    async fn prolonged(&self, until: Instant) {
        self.holds_until(Some(until));
        self.network.prolong(until).await;
    }
}

impl Agent {
    async fn follow(&self) {
        let mut quick = Backoff::new(FIRST, LONGEST);
        let mut slow = Backoff::new(SLOW_FIRST, SLOW_LONGEST);
        let mut renewed_first = true;
        loop {
            let seen = self.certificate_time();
            let waiting = renewed_first
                .then(|| renew::waiting(&self.config))
                .flatten();
            let renewed = waiting.is_some();
            let own = waiting.map_or_else(|| credentials(&self.config), Ok);
            self.site.tries_renewed(renewed);
            let outcome = tokio::select! {
                outcome = attempt(&self.config, &self.netlink, &self.site, &self.stop, own, false) => outcome,
                // Dropped without a goodbye: the binding stays for its lease,
                // and the next attachment takes it over.
                () = self.renewed.notified() => {
                    self.site.tell(|status, now| status.become_state(State::Reconnecting, now));
                    renewed_first = true;
                    continue;
                }
            };
            if self.stop.is_cancelled() {
                return;
            }
            if self.site.is_bound() {
                // It had been attached: whatever came now is the first of its kind.
                quick.succeeded();
                slow.succeeded();
            } else if renewed {
                // Not taken yet, or not at all: the present one still is. The
                // next certificate is tried again when the renewal looks again.
                tracing::warn!(
                    "the renewed certificate was not attached with; the present one is used on"
                );
                renewed_first = false;
                continue;
            }
            renewed_first = true;
            let wait = self.after(&outcome, &mut quick, &mut slow).await;
            if self.pause(wait, seen).await {
                return;
            }
        }
    }

    /// Renews the certificate when it is due, until the agent stops.
    async fn renew(&self) {
        let mut schedule = Schedule::new(rand::random());
        loop {
            let wait = self.renew_if_due(&mut schedule).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long until there is something to do again.
    async fn renew_if_due(&self, schedule: &mut Schedule) -> Duration {
        let now = clock::wall();
        if renew::waiting(&self.config).is_some() {
            self.renewed.notify_one();
            return TRY_RENEWED;
        }
        let life = credentials(&self.config)
            .ok()
            .and_then(|own| own.identity.validity().ok());
        let Some(life) = life else {
            // The attaching half says what is wrong with them.
            return RENEWAL_LOOK;
        };
        let due = schedule.due(life);
        if now < due {
            self.site.tell(|status, _| status.renewal_due = Some(due));
            return Duration::from_millis(due.since_ms(now)).min(RENEWAL_LOOK);
        }
        match renew::renew(&self.config, &self.netlink).await {
            Ok(not_after) => {
                tracing::info!(
                    not_after = not_after.0,
                    "the certificate was renewed / 証明書を更新しました"
                );
                schedule.succeeded();
                self.site.tell(|status, _| {
                    status.renewal_trouble = None;
                    status.renewal_due = None;
                    status.renewed_waits = true;
                });
                self.renewed.notify_one();
                TRY_RENEWED
            }
            Err(error) => {
                let again = schedule.failed(now, rand::random());
                tracing::warn!(
                    error = chain(&error),
                    again = again.0,
                    "the certificate could not be renewed yet / 証明書の更新ができませんでした"
                );
                self.site.tell(|status, _| {
                    status.renewal_trouble = Some(chain(&error));
                    status.renewal_due = Some(again);
                });
                Duration::from_millis(again.since_ms(now))
            }
        }
    }

    /// Tells what came of an attempt, and how long to wait.
    async fn after(&self, outcome: &Outcome, quick: &mut Backoff, slow: &mut Backoff) -> Duration {
        let random = rand::random();
        let wait = match outcome {
            Outcome::Ended(End::Refused {
                reason,
                retry_after,
            }) => {
                self.site.close().await;
                let grown = slow.failed(random).max(Duration::from_secs(1));
                match (slow.failures(), retry_after) {
                    (..=5, Some(hint)) => *hint,
                    (1, None) if !reason.passes_by_itself() => SLOW_FIRST,
                    _ => grown,
                }
            }
            Outcome::Ended(End::Broken(_) | End::Local(_)) => {
                self.site.close().await;
                quick.failed(random).max(FIRST)
            }
            Outcome::Handshake(error) if error.refused_by_peer() => {
                slow.failed(random).max(Duration::from_secs(1))
            }
            Outcome::Credentials(_) | Outcome::Tls(_) => {
                self.site.close().await;
                slow.failed(random).max(Duration::from_secs(1))
            }
            Outcome::Ended(_) | Outcome::Line(_) | Outcome::Handshake(_) => {
                // A gateway that is back before the lease is over has to find us
                // before anybody notices; only after that do waits grow.
                if quick.failures() > 0 && self.site.lease_runs() {
                    WITHIN_LEASE - Duration::from_millis(random % 250)
                } else {
                    quick.failed(random)
                }
            }
        };
        let (word, ja, en, detail) = outcome.words();
        // Once, until it is another trouble: the log is read by people.
        if self.site.is_news(&word) {
            tracing::warn!(reason = word, detail, "{en} / {ja}");
        } else {
            tracing::debug!(reason = word, detail, wait_ms = wait.as_millis(), "{en}");
        }
        self.site.tell(|status, now| {
            match outcome {
                Outcome::Ended(End::Refused { reason, .. }) => status.refused(*reason, now),
                Outcome::Ended(End::Lost(_)) if status.gateway.is_some() => {
                    status.become_state(State::Reconnecting, now);
                    status.because(&word, &ja, &en);
                }
                Outcome::Handshake(error) if error.refused_by_peer() => {
                    status.become_state(State::Refused, now);
                    status.because(&word, &ja, &en);
                }
                _ => {
                    status.become_state(State::Trouble, now);
                    status.because(&word, &ja, &en);
                }
            }
            status.certificate_not_after = credentials(&self.config).ok().map(|c| c.not_after);
            status.next_attempt =
                Some(now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        });
        wait
    }

    fn certificate_time(&self) -> Option<SystemTime> {
        std::fs::metadata(self.config.state(enrol::CERTIFICATE))
            .and_then(|meta| meta.modified())
            .ok()
    }

    /// Waits, less long when this device gets a new certificate. `true`: stop.
    async fn pause(&self, wait: Duration, seen: Option<SystemTime>) -> bool {
        let until = Instant::now() + wait;
        loop {
            let now = Instant::now();
            if now >= until || self.certificate_time() != seen {
                return self.stop.is_cancelled();
            }
            tokio::select! {
                () = self.stop.cancelled() => return true,
                () = tokio::time::sleep_until(until.min(now + LOOK)) => {}
            }
        }
    }
}

async fn attempt<H: Holder>(
    config: &Config,
    netlink: &Netlink,
    holder: &H,
    stop: &CancellationToken,
    own: Result<Credentials, EnrolError>,
    once: bool,
) -> Outcome {
    tokio::select! {
        () = stop.cancelled() => Outcome::Ended(End::Stopped),
        outcome = try_to_attach(config, netlink, holder, stop, own, once) => outcome,
    }
}

async fn try_to_attach<H: Holder>(
    config: &Config,
    netlink: &Netlink,
    holder: &H,
    stop: &CancellationToken,
    own: Result<Credentials, EnrolError>,
    once: bool,
) -> Outcome {
    let Credentials {
        identity,
        roots,
        participant,
        ..
    } = match own {
        Ok(credentials) => credentials,
        Err(error) => return Outcome::Credentials(error),
    };
    let connector = match client_config(
        Profile::Guideline43,
        &identity,
        roots,
        Expect::Gateway(None),
        Clock::system(),
    ) {
        Ok(connector) => connector,
        Err(error) => return Outcome::Tls(error),
    };
    let stream = match enrol::connect(config, netlink, config.attach_port).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::Line(error),
    };
    let (stream, _) = match connector.connect(stream, &HANDSHAKE).await {
        Ok(established) => established,
        Err(error) => return Outcome::Handshake(error),
    };
    Outcome::Ended(converse(stream, participant, holder, stop, once).await)
}

impl Outcome {
    /// A stable word, Japanese, English, and what exactly.
    fn words(&self) -> (String, String, String, String) {
        let words = |word: &str, ja: &str, en: &str, detail: String| {
            (word.to_owned(), ja.to_owned(), en.to_owned(), detail)
        };
        match self {
            Self::Ended(End::Refused { reason, .. }) => words(
                reason.as_str(),
                reason.explain_ja(),
                reason.explain_en(),
                String::new(),
            ),
            Self::Ended(End::Lost(detail)) => words(
                "connection-lost",
                "ゲートウェイとの接続が切れました。自動的に再接続します。",
                "The connection to the gateway was lost. It is built again by itself.",
                detail.clone(),
            ),
            Self::Ended(End::Broken(detail)) => words(
                "protocol",
                "ゲートウェイの応答が正しくありません。センターに連絡してください。",
                "The gateway's answer is not as it should be. Tell the center.",
                detail.clone(),
            ),
            Self::Ended(End::Local(detail)) => words(
                "local-network",
                "この機器のLAN側の設定ができません。LANの配線と設定を確認してください。",
                "The LAN side of this device cannot be set up. Check its interface and cable.",
                detail.clone(),
            ),
            Self::Ended(End::Stopped) => {
                words("stopped", "終了しました。", "Stopped.", String::new())
            }
            Self::Line(error) => words(
                "line",
                "回線の先のゲートウェイに届きません。回線の配線と機器を確認してください。",
                "The gateway cannot be reached over the line. Check cable and socket.",
                chain(error),
            ),
            Self::Credentials(error) => words(
                "credentials",
                "鍵または証明書が使えません。登録をやり直してください（iryonet site enrol --force）。",
                "Key or certificate cannot be used. Enrol again (iryonet site enrol --force).",
                chain(error),
            ),
            Self::Tls(error) => words(
                "credentials",
                "証明書が使えません（期限切れなど）。登録をやり直してください（iryonet site enrol --force）。",
                "The certificate cannot be used (it may have run out). Enrol again (iryonet site enrol --force).",
                chain(error),
            ),
            Self::Handshake(error) => {
                let (ja, en) = handshake_words(error);
                words(error.reason().as_str(), ja, en, chain(error))
            }
        }
    }

    fn into_error(self) -> RunError {
        if let Self::Ended(End::Refused { reason, .. }) = self {
            return RunError::Refused(reason);
        }
        let (word, ja, en, detail) = self.words();
        RunError::Failed {
            word,
            ja,
            en,
            detail,
        }
    }
}

fn handshake_words(error: &HandshakeError) -> (&'static str, &'static str) {
    if error.refused_by_peer() {
        return match error.reason() {
            Reason::Expired => (
                "証明書の有効期限が切れています。登録をやり直してください（iryonet site enrol --force）。",
                "The gateway says that this certificate has run out. Enrol again (iryonet site enrol --force).",
            ),
            _ => (
                "ゲートウェイがこの機器の証明書を受け付けません。センターに連絡し、登録をやり直してください。",
                "The gateway does not take this device's certificate. Ask the center, and enrol again.",
            ),
        };
    }
    match error.reason() {
        Reason::UnknownAuthority | Reason::WrongIdentity | Reason::WrongUsage => (
            "回線の先の機器は、この網のゲートウェイであることを証明できませんでした。回線の接続先を確認してください。",
            "What answers on the line could not prove to be a gateway of this network. Check where the line is plugged in.",
        ),
        Reason::Expired | Reason::NotYetValid => (
            "証明書の期限を確認できません。この機器の時計が正しいか確認してください。",
            "The gateway's certificate is not valid at this time. Check this device's clock.",
        ),
        _ => (
            "ゲートウェイとの安全な接続を確立できませんでした。自動的に再試行します。",
            "No secure connection to the gateway could be made. It is tried again by itself.",
        ),
    }
}
