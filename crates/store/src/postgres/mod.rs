//! PostgreSQL 15 or later: several centers on one database, which may be any
//! highly available form of it.
//!
//! Writers take one advisory lock first, so there is one at a time, as in the
//! trait; behind it they read what was committed last (READ COMMITTED: a
//! snapshot taken before the lock would be an old one). Readers have the state
//! of one moment (REPEATABLE READ READ ONLY).
//!
//! An act is begun again only while it is certain that nothing of it was
//! committed. Where the connection breaks during the commit itself, the
//! database is asked, behind the same lock, whether the act is there.
//!
//! A connection pooler that gives transactions to changing sessions must not
//! stand between: statements are prepared once for each session.

mod connection;
mod driver;
mod fault;
mod migrate;
mod settings;
mod tls;

pub use settings::{PostgresSettings, SettingsError};

use crate::error::StoreError;
use crate::home::Session;
use crate::pool::{Lent, Pool};
use crate::sql::{Failure, FailureKind};
use crate::store::{Act, Look, Store};
use connection::Connection;
use driver::PostgresDriver;
use fault::failure;
use iryonet_domain::UnixMillis;
use iryonet_ledger::Tip;
use std::time::{Duration, Instant};

/// The lock that writers take: "IRYO". Locks of this kind belong to one
/// database, so two registries on one server do not meet.
const WRITER_LOCK: i64 = 0x4952_594f;
/// How often an act is tried.
const ATTEMPTS: u32 = 3;

/// How to use the database.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// How long a transaction waits for its turn, in milliseconds.
    pub wait_ms: u64,
    /// How long one statement may take, in milliseconds.
    pub statement_ms: u64,
    /// How long it is asked whether a commit was done whose answer was lost,
    /// in milliseconds: as long as a server may take to come back.
    pub resolve_ms: u64,
    /// Readers at the same time, 1 at least.
    pub readers: usize,
    /// The clock by which values of the side store have expired. (The time of
    /// an act is handed over with the act.)
    pub clock: fn() -> UnixMillis,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            wait_ms: 10_000,
            statement_ms: 120_000,
            resolve_ms: 15_000,
            readers: 8,
            clock: crate::system_clock,
        }
    }
}

/// The PostgreSQL home.
#[derive(Debug)]
pub struct PostgresStore {
    home: String,
    read_only: bool,
    options: PostgresOptions,
    writer: Pool<Connection>,
    readers: Pool<Connection>,
}

impl PostgresStore {
    /// Connects, and brings the layout up to date.
    ///
    /// # Errors
    /// When the database cannot be reached, is something else, was made by a
    /// later release, or would lose what it has acknowledged.
    pub fn open(settings: &PostgresSettings) -> Result<Self, StoreError> {
        Self::open_with(settings, &PostgresOptions::default())
    }

    /// [`PostgresStore::open`] with options.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        settings: &PostgresSettings,
        options: &PostgresOptions,
    ) -> Result<Self, StoreError> {
        let (home, mut first) = Self::first(settings, options, false)?;
        connection::check_server(&mut first, &home)?;
        migrate::run(&mut first, &home)?;
        Ok(Self::with(settings, options, home, first, false))
    }

    /// Connects for reading only: no layout is brought up to date, and every
    /// act fails.
    ///
    /// # Errors
    /// When the database cannot be reached, is something else, or has another
    /// layout than this release's.
    pub fn open_read_only(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let options = PostgresOptions::default();
        let (home, mut first) = Self::first(settings, &options, true)?;
        migrate::check(&mut first, &home)?;
        Ok(Self::with(settings, &options, home, first, true))
    }

    fn first(
        settings: &PostgresSettings,
        options: &PostgresOptions,
        read_only: bool,
    ) -> Result<(String, Connection), StoreError> {
        let home = settings.home();
        let first = Connection::open(settings, options, read_only)
            .map_err(|failure| StoreError::from_failure(&home, "connect", failure))?;
        Ok((home, first))
    }

    fn with(
        settings: &PostgresSettings,
        options: &PostgresOptions,
        home: String,
        first: Connection,
        read_only: bool,
    ) -> Self {
        let opener = || {
            let (settings, options) = (settings.clone(), options.clone());
            Box::new(move || Connection::open(&settings, &options, read_only))
        };
        Self {
            home,
            read_only,
            options: options.clone(),
            writer: Pool::new(1, options.wait_ms, vec![first], opener()),
            readers: Pool::new(
                options.readers.max(1),
                options.wait_ms,
                Vec::new(),
                opener(),
            ),
        }
    }

    fn lend<'p>(&self, pool: &'p Pool<Connection>) -> Result<Lent<'p, Connection>, StoreError> {
        pool.lend(&self.home)?
            .map_err(|failure| self.error("connect", failure))
    }

    fn error(&self, doing: &str, failure: Failure) -> StoreError {
        StoreError::from_failure(&self.home, doing, failure)
    }
}

/// What became of one try.
enum Try {
    /// The act came to its end, this one or that.
    Ended(Result<(), StoreError>),
    /// Nothing was committed, for a reason that may be gone at the next try.
    Again(StoreError),
}

impl Store for PostgresStore {
    fn write(&self, act: &mut Act<'_>) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::Unfit {
                home: self.home.clone(),
                what: "it was opened for reading only".to_owned(),
            });
        }
        let mut tried = 0;
        loop {
            tried += 1;
            match self.try_to_write(act) {
                Try::Ended(ended) => return ended.map_err(StoreError::flatten),
                Try::Again(error) if tried >= ATTEMPTS => return Err(error.flatten()),
                Try::Again(_) => {}
            }
        }
    }

    fn read(&self, look: &mut Look<'_>) -> Result<(), StoreError> {
        let mut again = true;
        loop {
            let mut lent = self.lend(&self.readers)?;
            let began = lent
                .get_mut()
                .batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            if let Err(error) = began {
                lent.discard();
                self.readers.forget_idle();
                if std::mem::take(&mut again) && error.kind == FailureKind::Lost {
                    continue;
                }
                return Err(self.error("begin to read", error));
            }
            let done = {
                let driver = PostgresDriver::new(lent.get_mut());
                let session = Session::new(&driver, &self.home, (self.options.clock)());
                // The first look fixes the moment that all others see.
                crate::store::Reader::tip(&session).and_then(|_| look(&session))
            };
            if lent.get_mut().batch("ROLLBACK").is_err() {
                lent.discard();
            }
            return done.map_err(StoreError::flatten);
        }
    }
}

impl PostgresStore {
    fn try_to_write(&self, act: &mut Act<'_>) -> Try {
        let mut lent = match self.lend(&self.writer) {
            Ok(lent) => lent,
            Err(error) => return Try::Ended(Err(error)),
        };
        let transaction = match lent.get_mut().begin_to_write() {
            Ok(transaction) => transaction,
            Err(error) => {
                // Nothing has been said yet but BEGIN.
                let kind = error.kind;
                lent.discard();
                self.writer.forget_idle();
                let error = self.error("begin an act", error);
                return match kind {
                    FailureKind::Lost | FailureKind::Again => Try::Again(error),
                    _ => Try::Ended(Err(error)),
                };
            }
        };
        let (done, failed, recorded) = {
            let driver = PostgresDriver::new(lent.get_mut());
            let mut session = Session::new(&driver, &self.home, (self.options.clock)());
            let done = act(&mut session).and_then(|()| session.finish());
            (done, session.failure(), session.recorded())
        };
        if let Err(error) = done {
            // COMMIT was never said: whatever becomes of the connection,
            // nothing of this is committed.
            if lent.get_mut().batch("ROLLBACK").is_err() {
                lent.discard();
                self.writer.forget_idle();
            }
            return match failed {
                Some(FailureKind::Lost | FailureKind::Again) => Try::Again(error),
                _ => Try::Ended(Err(error)),
            };
        }
        let Err(error) = lent.get_mut().batch("COMMIT") else {
            return Try::Ended(Ok(()));
        };
        lent.discard();
        self.writer.forget_idle();
        match error.kind {
            // The server has said that it did not.
            FailureKind::Again => Try::Again(self.error("make an act durable", error)),
            FailureKind::Lost => self.resolve(recorded, &transaction, error),
            _ => Try::Ended(Err(self.error("make an act durable", error))),
        }
    }

    /// The answer to a commit was lost: was it done? Asked behind the writers'
    /// lock, which the transaction in doubt holds until it has ended.
    fn resolve(&self, recorded: Option<Tip>, transaction: &str, lost: Failure) -> Try {
        let deadline = Instant::now() + Duration::from_millis(self.options.resolve_ms);
        let mut pause = Duration::from_millis(50);
        loop {
            let asked = match self.writer.lend(&self.home) {
                Ok(Ok(mut lent)) => {
                    let asked = lent.get_mut().was_committed(recorded, transaction);
                    if asked.is_err() {
                        lent.discard();
                        self.writer.forget_idle();
                    }
                    asked
                }
                Ok(Err(failure)) => Err(failure),
                Err(error) => return Try::Ended(Err(error)),
            };
            match asked {
                Ok(Some(true)) => return Try::Ended(Ok(())),
                Ok(Some(false)) => {
                    return Try::Again(self.error("make an act durable", lost));
                }
                Ok(None) | Err(_) if Instant::now() + pause < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Ok(None) | Err(_) => {
                    return Try::Ended(Err(StoreError::OutcomeUnknown {
                        home: self.home.clone(),
                        entry: recorded.map(|tip| tip.sequence),
                        source: lost.source,
                    }));
                }
            }
        }
    }
}

/// What PostgreSQL says, in the words of the trait.
fn classify(home: &str, doing: &str, error: postgres::Error) -> StoreError {
    StoreError::from_failure(home, doing, failure(error))
}
