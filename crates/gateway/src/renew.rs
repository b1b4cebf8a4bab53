//! 更新: the gateway's own next certificate, before the present one ends.
//!
//! The next pair waits ([`iryonet_agent::pair`]) until the center has answered
//! to it at its door for gateways. From then on the attach door and the policy
//! feed show it: lines that are attached and the feed's connection go on, and
//! the feed opens its next connection with it.
//!
//! It must not know what the policy says.

use crate::config::Config;
use crate::engine::Engine;
use crate::enrol::{self, EnrolError};
use hyper::StatusCode;
use iryonet_agent::chain;
use iryonet_agent::files::FileError;
use iryonet_agent::key::{self, KeyError};
use iryonet_agent::pair::{Pairs, Schedule};
use iryonet_agent::renew::{self, RenewError};
use iryonet_domain::{Fingerprint, UnixMillis};
use iryonet_tls::{
    Acceptor, Clock, ConfigError as TlsError, Connector, Expect, HandshakeError, HandshakeLimits,
    LocalIdentity, Profile, TrustRoots, client_config,
};
use iryonet_wire::feed::Acknowledgement;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// How often the certificate's life is looked at.
const LOOK: Duration = Duration::from_secs(600);
/// How soon a next certificate that the center does not take yet is shown to
/// it again: another center than the one that issued it may be a little behind.
const SHOW_AGAIN: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// For the center to answer to the next certificate.
const ANSWER: Duration = Duration::from_secs(30);

/// The gateway's certificate, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Which one is shown.
    pub fingerprint: Option<Fingerprint>,
    /// When it ends.
    pub not_after: Option<UnixMillis>,
    /// When it is renewed, or the renewal tried again.
    pub renewal_due: Option<UnixMillis>,
    /// Why the last renewal failed; none when it did not.
    pub renewal_trouble: Option<String>,
}

/// Shared with the control socket.
#[derive(Debug, Clone, Default)]
pub struct SharedCertificate(Arc<Mutex<CertificateStatus>>);

impl SharedCertificate {
    /// As it is now.
    #[must_use]
    pub fn get(&self) -> CertificateStatus {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, with: impl FnOnce(&mut CertificateStatus)) {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn shows(&self, identity: &LocalIdentity) {
        let proof = identity.proof().ok();
        self.change(|status| {
            status.fingerprint = proof.as_ref().map(|proof| proof.fingerprint);
            status.not_after = proof.as_ref().map(|proof| proof.not_after);
        });
    }
}

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
    /// A certificate that TLS does not take.
    #[error("the certificate cannot be shown")]
    Tls(#[from] TlsError),
    /// No connection.
    #[error("the center does not answer at {center}")]
    Connect {
        /// Where.
        center: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Not the center, or it does not take the certificate.
    #[error("the handshake with the center failed")]
    Handshake(#[from] HandshakeError),
    /// The center said no, or nothing that can be read.
    #[error(transparent)]
    Exchange(#[from] RenewError),
    /// The center could not be asked whether the new one counts.
    #[error("the center did not answer to the new certificate: {0}")]
    Answer(String),
    /// It was told that it does not.
    #[error("the center does not take the new certificate yet (status {0})")]
    NotTaken(u16),
}

/// The task that keeps the gateway's certificate young.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) config: Config,
    pub(crate) engine: Arc<Engine>,
    pub(crate) roots: TrustRoots,
    /// Shows the certificate to the sites.
    pub(crate) acceptor: Acceptor,
    /// Shows it to the center, for the feed.
    pub(crate) connector: Connector,
    /// Tells the feed that its next connection shows another certificate.
    pub(crate) renewed: Arc<AtomicBool>,
    pub(crate) status: SharedCertificate,
}

/// Key and certificate of this gateway, and those that are to follow them.
pub(crate) fn pairs(config: &Config) -> Pairs {
    Pairs::new(config.state_dir.clone())
}

impl Renewal {
    /// Runs until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut schedule = Schedule::new(rand::random());
        loop {
            let wait = tokio::select! {
                () = stop.cancelled() => return,
                wait = self.look(&mut schedule) => wait,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long until there is something to do again.
    async fn look(&self, schedule: &mut Schedule) -> Duration {
        let now = self.engine.time();
        if let Some(next) = self.waiting(now) {
            return self.take_up(&next).await;
        }
        let own = match enrol::own_identity(&self.config) {
            Ok(own) => own,
            Err(error) => return self.trouble(&error.into(), None),
        };
        self.status.shows(&own);
        let life = match own.validity() {
            Ok(life) => life,
            Err(error) => return self.trouble(&error.into(), None),
        };
        let due = schedule.due(life);
        self.status.change(|status| status.renewal_due = Some(due));
        if now < due {
            return Duration::from_millis(due.since_ms(now)).min(LOOK);
        }
        match self.renew(&own).await {
            Ok(next) => {
                schedule.succeeded();
                self.take_up(&next).await
            }
            Err(error) => {
                let again = schedule.failed(now, rand::random());
                if life.1 <= now {
                    tracing::error!(
                        "this gateway's certificate has run out: ask the center for a new enrolment code, move the \
                         certificate away and run `iryonet gateway enrol`; lines that are attached stay as they are"
                    );
                }
                self.trouble(&error, Some(again));
                Duration::from_millis(again.since_ms(now))
            }
        }
    }

    fn trouble(&self, error: &RenewalError, again: Option<UnixMillis>) -> Duration {
        tracing::warn!(
            error = chain(error),
            "the gateway's certificate could not be renewed yet"
        );
        self.status.change(|status| {
            status.renewal_trouble = Some(chain(error));
            if again.is_some() {
                status.renewal_due = again;
            }
        });
        LOOK
    }

    /// The pair that waits, when there is one that can be used.
    fn waiting(&self, now: UnixMillis) -> Option<LocalIdentity> {
        let pairs = pairs(&self.config);
        if !pairs.next_certificate().exists() {
            return None;
        }
        let next = enrol::identity_at(&self.config, &pairs.next_key(), &pairs.next_certificate());
        match next {
            Ok(next) if next.validity().is_ok_and(|(_, ends)| ends > now) => Some(next),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "a renewed certificate cannot be used"
                );
                None
            }
        }
    }

    /// Gets the next certificate, with a new key. An attempt that broke off
    /// goes on with the key that it made.
    async fn renew(&self, own: &LocalIdentity) -> Result<LocalIdentity, RenewalError> {
        let pairs = pairs(&self.config);
        pairs.prepare()?;
        let request = key::certificate_request(&pairs.next_key())?;
        let stream = self.meet(self.config.center_public, own).await?;
        let chain_pem = renew::exchange(stream, &request).await?;
        pairs.keep_next(&chain_pem)?;
        let next = enrol::identity_at(&self.config, &pairs.next_key(), &pairs.next_certificate());
        if next.is_err() {
            // Another's certificate, or none: of no use to anybody here.
            pairs.discard_next()?;
        }
        Ok(next?)
    }

    /// Shows the next certificate to the center; when that takes it, it is the
    /// present one.
    async fn take_up(&self, next: &LocalIdentity) -> Duration {
        let done = async {
            self.prove(next).await?;
            self.acceptor.show(next)?;
            self.connector.show(next)?;
            self.renewed.store(true, Ordering::Release);
            self.status.shows(next);
            // Last: what is on the disk is what the next start can show.
            pairs(&self.config).switch()?;
            Ok::<_, RenewalError>(())
        };
        match done.await {
            Ok(()) => {
                self.status.change(|status| {
                    status.renewal_trouble = None;
                    status.renewal_due = None;
                });
                let ends = next.validity().map_or(0, |(_, ends)| ends.0);
                tracing::info!(not_after = ends, "the gateway's certificate was renewed");
                // The new one's own time is looked at.
                Duration::from_secs(1)
            }
            Err(error) => {
                self.trouble(&error, None);
                SHOW_AGAIN
            }
        }
    }

    /// Whether the center takes this certificate: it is told again what is
    /// enforced, which changes nothing.
    async fn prove(&self, next: &LocalIdentity) -> Result<(), RenewalError> {
        let stream = self.meet(self.config.center_device, next).await?;
        let enforced = self.engine.enforced().unwrap_or(Acknowledgement {
            revision: 0,
            bound_lines: 0,
        });
        let answer = |error: &dyn std::fmt::Display| RenewalError::Answer(error.to_string());
        let body = serde_json::to_vec(&enforced).map_err(|error| answer(&error))?;
        let asked = crate::feed::tell(stream, body);
        let status = tokio::time::timeout(ANSWER, asked)
            .await
            .map_err(|_| answer(&"not in time"))?
            .map_err(|error| answer(&error))?;
        match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Err(RenewalError::NotTaken(status.as_u16()))
            }
            status if status.is_server_error() => Err(answer(&status)),
            // That it does not know our revision is an answer to us, too.
            _ => Ok(()),
        }
    }

    /// A connection to the center in which this certificate is shown.
    async fn meet(
        &self,
        center: SocketAddr,
        identity: &LocalIdentity,
    ) -> Result<iryonet_tls::TlsStream<TcpStream>, RenewalError> {
        let engine = Arc::clone(&self.engine);
        let connector = client_config(
            Profile::Guideline43,
            identity,
            self.roots.clone(),
            Expect::Center(Some(self.config.center_name.clone())),
            Clock::new(move || engine.time()),
        )?;
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(center))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|source| RenewalError::Connect { center, source })?;
        let (stream, _) = connector
            .connect(stream, &HandshakeLimits::default())
            .await?;
        Ok(stream)
    }
}
