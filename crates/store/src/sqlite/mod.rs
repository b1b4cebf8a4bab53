//! SQLite: one file, one process or several on one machine, no set-up.
//!
//! Write-ahead log, `synchronous = FULL`: what was acknowledged is on the disk.
//! One writer at a time, begun with `BEGIN IMMEDIATE` (a transaction that
//! begins as a reader and turns writer fails with "database is locked" instead
//! of waiting); a few readers beside it, each on the state of one moment.

mod driver;
mod migrate;

use crate::error::StoreError;
use crate::home::Session;
use crate::pool::Pool;
use crate::store::{Act, Look, Store};
use driver::{SqliteDriver, failure};
use iryonet_domain::UnixMillis;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// How to open the file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// How long a transaction waits for its turn, in milliseconds.
    pub wait_ms: u64,
    /// Readers at the same time, 1 at least.
    pub readers: usize,
    /// Most pages (4,096 bytes each) that the file may have; none is no limit.
    pub max_pages: Option<u32>,
    /// The clock by which values of the side store have expired. (The time of
    /// an act is handed over with the act.)
    pub clock: fn() -> UnixMillis,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            wait_ms: 10_000,
            readers: 4,
            max_pages: None,
            clock: crate::system_clock,
        }
    }
}

/// The SQLite home.
#[derive(Debug)]
pub struct SqliteStore {
    home: String,
    clock: fn() -> UnixMillis,
    writer: Pool<Connection>,
    readers: Pool<Connection>,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there (mode 0600), and brings
    /// its layout up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is something else, or was made by a
    /// later release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::default())
    }

    /// [`SqliteStore::open`] with options.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        let home = path.display().to_string();
        create_private(path).map_err(|source| StoreError::Home {
            home: home.clone(),
            doing: "make the file; its directory must be there and writable".to_owned(),
            source: Box::new(source),
        })?;
        let mut first = connect(path, options).map_err(|error| classify(&home, "open", error))?;
        migrate::run(&mut first, &home)?;
        let opener = |path: PathBuf, options: SqliteOptions| move || connect(&path, &options);
        Ok(Self {
            writer: Pool::new(
                1,
                options.wait_ms,
                vec![first],
                Box::new(opener(path.to_owned(), options.clone())),
            ),
            readers: Pool::new(
                options.readers.max(1),
                options.wait_ms,
                Vec::new(),
                Box::new(opener(path.to_owned(), options.clone())),
            ),
            home,
            clock: options.clock,
        })
    }
}

impl SqliteStore {
    /// Opens a file that is there, for reading only: nothing is made, no layout
    /// is brought up to date, and every act fails. What verification and
    /// searching beside a running center need.
    ///
    /// # Errors
    /// When the file is not there, is something else, or has another layout
    /// than this release's.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let home = path.display().to_string();
        let open = |path: &Path, wait_ms: u64| {
            let connection = Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(std::time::Duration::from_millis(wait_ms))?;
            connection.set_prepared_statement_cache_capacity(128);
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        };
        let options = SqliteOptions::default();
        let first = open(path, options.wait_ms).map_err(|error| classify(&home, "open", error))?;
        migrate::check(&first, &home)?;
        let opener = |path: PathBuf, wait_ms: u64| move || open(&path, wait_ms);
        Ok(Self {
            writer: Pool::new(
                1,
                options.wait_ms,
                Vec::new(),
                Box::new(opener(path.to_owned(), options.wait_ms)),
            ),
            readers: Pool::new(
                options.readers,
                options.wait_ms,
                vec![first],
                Box::new(opener(path.to_owned(), options.wait_ms)),
            ),
            home,
            clock: options.clock,
        })
    }
}

impl SqliteStore {
    fn lend<'p>(
        &self,
        pool: &'p Pool<Connection>,
    ) -> Result<crate::pool::Lent<'p, Connection>, StoreError> {
        pool.lend(&self.home)?
            .map_err(|error| classify(&self.home, "open another connection", error))
    }
}

impl Store for SqliteStore {
    fn write(&self, act: &mut Act<'_>) -> Result<(), StoreError> {
        let lent = self.lend(&self.writer)?;
        let connection = lent.get();
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(|error| classify(&self.home, "begin an act", error))?;
        let driver = SqliteDriver(connection);
        let mut session = Session::new(&driver, &self.home, (self.clock)());
        let done = act(&mut session).and_then(|()| {
            session.finish()?;
            connection
                .execute_batch("COMMIT")
                .map_err(|error| classify(&self.home, "make an act durable", error))
        });
        if done.is_err() && !undo(connection) {
            // A connection that cannot even undo is not used again; closing it
            // undoes what it had begun.
            lent.discard();
        }
        done.map_err(StoreError::flatten)
    }

    fn read(&self, look: &mut Look<'_>) -> Result<(), StoreError> {
        let lent = self.lend(&self.readers)?;
        let connection = lent.get();
        connection
            .execute_batch("BEGIN")
            .map_err(|error| classify(&self.home, "begin to read", error))?;
        let driver = SqliteDriver(connection);
        let session = Session::new(&driver, &self.home, (self.clock)());
        // The first look fixes the moment that all others see.
        let done = crate::store::Reader::tip(&session).and_then(|_| look(&session));
        if !undo(connection) {
            lent.discard();
        }
        done.map_err(StoreError::flatten)
    }
}

/// One that a panic left within a transaction is closed, which undoes it.
impl crate::pool::Pooled for Connection {
    type Error = rusqlite::Error;

    fn is_usable(&self) -> bool {
        self.is_autocommit()
    }
}

/// Ends the transaction without keeping anything. SQLite may have ended it by
/// itself after an error.
fn undo(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}

/// Makes the file with mode 0600 when it is not there; SQLite gives its
/// companions the mode of the file.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn connect(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(std::time::Duration::from_millis(options.wait_ms))?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(connection)
}

/// What SQLite says, in the words of the trait.
pub(crate) fn classify(home: &str, doing: &str, error: rusqlite::Error) -> StoreError {
    StoreError::from_failure(home, doing, failure(error))
}
