//! One session with the server, and its prepared statements.

use super::settings::PostgresSettings;
use super::{PostgresOptions, WRITER_LOCK, classify, failure};
use crate::error::StoreError;
use crate::sql::{Failure, FailureKind};
use iryonet_ledger::Tip;
use postgres::{Client, SimpleQueryMessage, Statement};
use std::collections::HashMap;

/// Prepared statements of one session; when there are more, all are forgotten.
const STATEMENTS_MAX: usize = 512;
/// Oldest server that is used, as it numbers itself.
const SERVER_MIN: u32 = 150_000;

pub(super) struct Connection {
    /// There until it is dropped.
    client: Option<Client>,
    statements: HashMap<String, Statement>,
    /// A transaction is under way.
    began: bool,
}

impl crate::pool::Pooled for Connection {
    type Error = Failure;

    fn is_usable(&self) -> bool {
        !self.began
            && self
                .client
                .as_ref()
                .is_some_and(|client| !client.is_closed())
    }
}

/// The library waits for the server when a client is dropped, and its runtime
/// must not end on a thread that drives another one; where the last holder of a
/// store stands is not ours to say.
impl Drop for Connection {
    fn drop(&mut self) {
        self.statements.clear();
        if let Some(client) = self.client.take() {
            // A thread that cannot be had leaves the closing to this one.
            let _ = std::thread::Builder::new()
                .name("postgres-close".to_owned())
                .spawn(move || drop(client));
        }
    }
}

impl Connection {
    pub(super) fn open(
        settings: &PostgresSettings,
        options: &PostgresOptions,
        read_only: bool,
    ) -> Result<Self, Failure> {
        let client = settings.connect().map_err(failure)?;
        let mut connection = Self {
            client: Some(client),
            statements: HashMap::new(),
            began: false,
        };
        // An act that was acknowledged is on the disk, whatever the server's
        // default says. A center that hangs must not hold the others up.
        connection.batch(&format!(
            "SET lock_timeout = {wait}; SET statement_timeout = {statement};
             SET idle_in_transaction_session_timeout = {statement};
             SET client_min_messages = warning; SET standard_conforming_strings = on;
             SET default_transaction_read_only = {read_only};
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'",
            wait = options.wait_ms,
            statement = options.statement_ms,
            read_only = if read_only { "on" } else { "off" },
        ))?;
        Ok(connection)
    }

    pub(super) fn client(&mut self) -> Result<&mut Client, Failure> {
        self.client.as_mut().ok_or_else(|| Failure {
            kind: FailureKind::Lost,
            source: "the connection is closed".into(),
        })
    }

    /// The prepared statement, with `?1` as `$1`.
    pub(super) fn prepared(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self
            .client()?
            .prepare(&sql.replace('?', "$"))
            .map_err(failure)?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Statements without values. The first word tells whether a transaction
    /// begins or ends.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        if sql.starts_with("BEGIN") {
            self.began = true;
        }
        self.client()?.batch_execute(sql).map_err(failure)?;
        if matches!(sql, "COMMIT" | "ROLLBACK") {
            self.began = false;
        }
        Ok(())
    }

    /// Begins a transaction, behind the writers' lock. Tells its number, by
    /// which the server can be asked what became of it.
    pub(super) fn begin_to_write(&mut self) -> Result<String, Failure> {
        self.began = true;
        let answers = self
            .client()?
            .simple_query(&format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED;
                 SELECT pg_advisory_xact_lock({WRITER_LOCK});
                 SELECT pg_current_xact_id()"
            ))
            .map_err(failure)?;
        let number = answers.iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0).filter(|text| !text.is_empty()),
            _ => None,
        });
        number.map(str::to_owned).ok_or_else(|| Failure {
            kind: FailureKind::Other,
            source: "the server gave no transaction number".into(),
        })
    }

    /// Was the transaction committed that ended with this ledger entry, or, if
    /// it recorded none, that had this number? Nothing where the server cannot
    /// tell.
    pub(super) fn was_committed(
        &mut self,
        recorded: Option<Tip>,
        transaction: &str,
    ) -> Result<Option<bool>, Failure> {
        self.begin_to_write()?;
        let answer = match recorded {
            Some(tip) => {
                let sequence = i64::try_from(tip.sequence).unwrap_or(i64::MAX);
                let found = self
                    .client()?
                    .query_opt("SELECT hash FROM entry WHERE sequence = $1", &[&sequence])
                    .map_err(failure)?;
                Some(match found {
                    Some(row) => row.try_get::<_, &[u8]>(0).map_err(failure)? == tip.hash.0,
                    None => false,
                })
            }
            None => {
                let found = self
                    .client()?
                    .query_one("SELECT pg_xact_status($1::text::xid8)", &[&transaction])
                    .map_err(failure)?;
                match found.try_get::<_, Option<&str>>(0).map_err(failure)? {
                    Some("committed") => Some(true),
                    Some("aborted") => Some(false),
                    _ => None,
                }
            }
        };
        self.batch("ROLLBACK")?;
        Ok(answer)
    }
}

/// Is this a server that keeps what it has acknowledged?
pub(super) fn check_server(connection: &mut Connection, home: &str) -> Result<(), StoreError> {
    let row = connection
        .client()
        .map_err(|failure| StoreError::from_failure(home, "look at the server", failure))?
        .query_one(
            "SELECT current_setting('server_version_num'), current_setting('server_encoding'),
                    current_setting('fsync'), current_setting('full_page_writes')",
            &[],
        )
        .map_err(|error| classify(home, "look at the server", error))?;
    let setting = |place: usize| -> Result<&str, StoreError> {
        row.try_get(place)
            .map_err(|error| classify(home, "look at the server", error))
    };
    let unfit = |what: String| {
        Err(StoreError::Unfit {
            home: home.to_owned(),
            what,
        })
    };
    let version = setting(0)?;
    if version.parse::<u32>().unwrap_or(0) < SERVER_MIN {
        return unfit(format!(
            "the server is version {version}; PostgreSQL 15 or later is wanted"
        ));
    }
    let encoding = setting(1)?;
    if encoding != "UTF8" {
        return unfit(format!(
            "the database is kept in {encoding}; make one with ENCODING 'UTF8'"
        ));
    }
    for (place, name) in [(2, "fsync"), (3, "full_page_writes")] {
        if setting(place)? != "on" {
            return unfit(format!(
                "{name} is off: what was acknowledged could be lost; turn it on in the server's settings"
            ));
        }
    }
    Ok(())
}
