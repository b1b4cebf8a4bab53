//! One transaction on one connection: what reads, decides, records and writes.

use super::classify;
use crate::error::StoreError;
use crate::side::Space;
use crate::store::{Outcome, Recorded, Transaction};
use iryonet_domain::{Actor, UnixMillis};
use iryonet_ledger::{Entry, Tip};
use iryonet_registry::{Command, DecideError, ViewError, apply, decide};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use std::cell::Cell;

/// Largest command in bytes of JSON: a thousand rows of a list with the
/// longest names and addresses are smaller.
pub(super) const COMMAND_MAX_BYTES: usize = 4 << 20;

pub(super) struct Session<'c> {
    pub(super) connection: &'c Connection,
    pub(super) home: &'c str,
    /// When it began, by which values of the side store have expired.
    pub(super) now: UnixMillis,
    /// The last entry, once it was asked for; nobody else writes meanwhile.
    pub(super) tip: Cell<Option<Tip>>,
    /// Something failed within this transaction: SQLite may have ended it, or
    /// an act may be half written. It is not committed, even by a caller who
    /// passes over the error.
    pub(super) broken: Cell<bool>,
}

impl<'c> Session<'c> {
    pub(super) fn new(connection: &'c Connection, home: &'c str, now: UnixMillis) -> Self {
        Self {
            connection,
            home,
            now,
            tip: Cell::new(None),
            broken: Cell::new(false),
        }
    }

    pub(super) fn failed(&self, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
        move |error| {
            self.broken.set(true);
            classify(self.home, doing, error)
        }
    }

    /// Nothing more is done in a transaction that will not be committed.
    pub(super) fn whole(&self) -> Result<(), StoreError> {
        if self.broken.get() {
            return Err(StoreError::GivenUp(
                "something had failed within it before".to_owned(),
                None,
            ));
        }
        Ok(())
    }

    /// One row or none.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.whole()?;
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, map).optional())
            .map_err(self.failed("look something up"))
    }

    /// Every row, one by one.
    pub(super) fn each<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        visit: &mut dyn FnMut(T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.whole()?;
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(self.failed("prepare a listing"))?;
        let mut rows = statement
            .query(params)
            .map_err(self.failed("begin a listing"))?;
        while let Some(row) = rows.next().map_err(self.failed("list something"))? {
            visit(map(row).map_err(self.failed("read a row"))?)?;
        }
        Ok(())
    }

    /// All rows; the statement has a limit.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        self.each(sql, params, map, &mut |record| {
            out.push(record);
            Ok(())
        })?;
        Ok(out)
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.whole()?;
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(self.failed("write"))
    }

    fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        let (events, code, text) = match &entry.outcome {
            iryonet_ledger::Outcome::Accepted { events } => (Some(events), None, None),
            iryonet_ledger::Outcome::Refused { code, text } => (None, Some(code), Some(text)),
        };
        self.run(
            "INSERT INTO entry (sequence, at, actor, command, events, refusal_code, refusal_text, previous, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            rusqlite::params![
                integer(entry.sequence)?,
                integer(entry.at.0)?,
                entry.actor.to_string(),
                entry.command,
                events,
                code,
                text,
                entry.previous.0,
                entry.hash.0,
            ],
        )?;
        self.tip.set(Some(Tip::from(entry)));
        Ok(())
    }
}

impl Transaction for Session<'_> {
    fn record(
        &mut self,
        actor: &Actor,
        command: &Command,
        now: UnixMillis,
    ) -> Result<Recorded, StoreError> {
        let recorded = self.decide_and_write(actor, command, now);
        if recorded.is_err() {
            self.broken.set(true);
        }
        recorded
    }

    fn side_put(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        self.put_side(space, key, value, expires_at)
    }

    fn side_delete(&mut self, space: Space, key: &[u8]) -> Result<bool, StoreError> {
        self.delete_side(space, key)
    }

    fn side_purge(&mut self, now: UnixMillis, limit: usize) -> Result<usize, StoreError> {
        self.purge_side(now, limit)
    }
}

impl Session<'_> {
    fn decide_and_write(
        &mut self,
        actor: &Actor,
        command: &Command,
        now: UnixMillis,
    ) -> Result<Recorded, StoreError> {
        let tip = crate::store::Reader::tip(self)?;
        let at = tip.time(now);
        let written = json(command)?;
        if written.len() > COMMAND_MAX_BYTES {
            return Err(StoreError::CommandTooLarge {
                have: written.len(),
                limit: COMMAND_MAX_BYTES,
            });
        }
        let decided = match decide(self, actor, command, at) {
            Ok(events) => Ok(events),
            Err(DecideError::Refused(refusal)) => Err(refusal),
            Err(DecideError::View(error)) => return Err(error.into()),
        };
        let in_ledger = match &decided {
            Ok(events) => iryonet_ledger::Outcome::Accepted {
                events: json(events)?,
            },
            Err(refusal) => iryonet_ledger::Outcome::Refused {
                code: refusal.code().to_owned(),
                text: refusal.to_string(),
            },
        };
        let entry = tip.next(now, actor.clone(), written, in_ledger);
        self.append(&entry)?;
        let outcome = match decided {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(events) => {
                for (place, event) in events.iter().enumerate() {
                    apply(self, event, at)?;
                    for topic in event.topics() {
                        self.run(
                            "INSERT OR IGNORE INTO topic (topic, sequence, place) VALUES (?1, ?2, ?3)",
                            rusqlite::params![
                                topic.to_string(),
                                integer(entry.sequence)?,
                                integer(place as u64)?
                            ],
                        )?;
                    }
                }
                Outcome::Accepted(events)
            }
        };
        Ok(Recorded {
            sequence: entry.sequence,
            at,
            outcome,
        })
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::given_up)
}

/// SQLite's integers have 63 bits for what is not negative; the registry takes
/// no time and gives no number beyond.
pub(super) fn integer(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(StoreError::given_up)
}

/// The store's error inside the registry's, to be unwrapped at the border.
pub(super) fn hide(error: StoreError) -> ViewError {
    ViewError(Box::new(error))
}
