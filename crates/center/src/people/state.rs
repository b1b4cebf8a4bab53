//! What the people's side of a running center shares: the vault, what holds off
//! guesses, how long sessions live, and a clock that does not go back.

use super::issuers::Issuers;
use crate::config::Config;
use crate::http::problem::Problem;
use crate::http::rate::Rates;
use crate::state::lock;
use iryonet_domain::{AccountName, UnixMillis};
use iryonet_people::passkey::Party;
use iryonet_people::{Credentials, Guard, SessionLimits, Vault, credentials};
use iryonet_store::{Reader, Space, StoreError, Transaction};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests of one place to log in: at once, and per second after.
const LOGINS_OF_PLACE: (u32, u32) = (30, 1);
/// Lock-outs that are recorded: at once, and per second after. Whoever guesses
/// at all accounts at once cannot fill the ledger.
const LOCK_OUTS_RECORDED: (u32, u32) = (100, 1);
/// How long somebody waits until a password is looked at.
const HASH_WAIT: Duration = Duration::from_secs(10);

/// Where the people's side takes the time from.
#[derive(Clone)]
pub(crate) struct PeopleClock(pub(crate) Arc<dyn Fn() -> UnixMillis + Send + Sync>);

/// Shared by all requests.
pub(crate) struct People {
    pub(crate) vault: Vault,
    pub(crate) limits: SessionLimits,
    /// As a browser writes where the listener is; `None`: not said.
    pub(crate) origin: Option<String>,
    pub(crate) guard: Mutex<Guard>,
    pub(crate) logins: Mutex<Rates>,
    pub(crate) lock_outs: Mutex<Rates>,
    pub(crate) issuers: Issuers,
    clock: PeopleClock,
    latest_ms: AtomicU64,
    /// Hashing takes memory and time: one for those who come from where they
    /// came before, one for everybody else, so that a crowd of strangers does
    /// not stand in the way.
    familiars: Semaphore,
    strangers: Semaphore,
}

impl People {
    pub(crate) fn new(config: &Config, vault: Vault, issuers: Issuers, clock: PeopleClock) -> Self {
        Self {
            vault,
            limits: SessionLimits {
                idle_ms: config.people.idle_s * 1_000,
                absolute_ms: config.people.absolute_s * 1_000,
            },
            origin: config.people.origin.clone(),
            guard: Mutex::new(Guard::default()),
            logins: Mutex::new(Rates::new(LOGINS_OF_PLACE.0, LOGINS_OF_PLACE.1)),
            lock_outs: Mutex::new(Rates::new(LOCK_OUTS_RECORDED.0, LOCK_OUTS_RECORDED.1)),
            issuers,
            clock,
            latest_ms: AtomicU64::new(0),
            familiars: Semaphore::new(1),
            strangers: Semaphore::new(1),
        }
    }

    /// The clock, as it stands: for one-time passwords and delays, which bear
    /// a clock that goes back.
    pub(crate) fn clock(&self) -> UnixMillis {
        (self.clock.0)()
    }

    /// The latest time that this center has seen: for sessions, which must not
    /// come to life again when the clock goes back.
    pub(crate) fn now(&self) -> UnixMillis {
        let now = self.clock().0;
        UnixMillis(self.latest_ms.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// This center as browsers know it; nothing where the settings name no host.
    pub(crate) fn party(&self) -> Option<Party<'_>> {
        let origin = self.origin.as_deref()?;
        let id = crate::config::host_of(origin)?;
        // A bare address can be no party (W3C Web Authentication, section 5.1.2).
        let is_name = id.parse::<std::net::IpAddr>().is_err();
        is_name.then_some(Party { id, origin })
    }

    /// A turn to hash a password.
    pub(crate) async fn turn(&self, known: bool) -> Result<SemaphorePermit<'_>, Problem> {
        let turns = if known {
            &self.familiars
        } else {
            &self.strangers
        };
        tokio::time::timeout(HASH_WAIT, turns.acquire())
            .await
            .map_err(|_| Problem::busy())?
            .map_err(|_| Problem::stopping())
    }

    /// Once more too many wrong passwords: is there room to record it?
    pub(crate) fn may_record_lock_out(&self) -> bool {
        let everybody = std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        lock(&self.lock_outs)
            .take(everybody, self.clock().0)
            .is_ok()
    }
}

/// An account's credentials in the side store.
pub(crate) trait CredentialsOf {
    fn credentials(
        &self,
        people: &People,
        account: &AccountName,
    ) -> Result<Credentials, StoreError>;
}

impl<R: Reader + ?Sized> CredentialsOf for R {
    fn credentials(
        &self,
        people: &People,
        account: &AccountName,
    ) -> Result<Credentials, StoreError> {
        match self.side_get(Space::Credential, &credentials::key(account))? {
            None => Ok(Credentials::default()),
            Some(kept) => {
                Credentials::open(&people.vault, account, &kept.value).map_err(StoreError::given_up)
            }
        }
    }
}

impl People {
    pub(crate) fn keep(
        &self,
        transaction: &mut dyn Transaction,
        account: &AccountName,
        credentials: &Credentials,
    ) -> Result<(), StoreError> {
        let sealed = credentials
            .seal(&self.vault, account, &mut rand::rng())
            .map_err(StoreError::given_up)?;
        transaction.side_put(Space::Credential, &credentials::key(account), &sealed, None)
    }
}
