//! One transaction on one connection: what reads, decides, records and writes.

use super::many::{Known, TOGETHER_FROM, Waiting};
use super::postings::Pending;
use super::records::{self, Record, Written};
use crate::error::StoreError;
use crate::side::Space;
use crate::sql::{Driver, Failure, FailureKind, Misfit, Row, Value};
use crate::store::{Outcome, Recorded, Transaction};
use iryonet_domain::{Actor, UnixMillis};
use iryonet_ledger::{Entry, Tip};
use iryonet_registry::{Command, DecideError, Event, ViewError, apply, decide};
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

/// Largest command in bytes of JSON: a thousand rows of a list with the
/// longest names and addresses are smaller.
pub(crate) const COMMAND_MAX_BYTES: usize = 4 << 20;

pub(crate) struct Session<'c> {
    pub(super) driver: &'c dyn Driver,
    pub(super) home: &'c str,
    /// When it began, by which values of the side store have expired.
    pub(super) now: UnixMillis,
    /// The last entry, once it was asked for; nobody else writes meanwhile.
    pub(super) tip: Cell<Option<Tip>>,
    /// The last entry that was recorded here.
    recorded: Cell<Option<Tip>>,
    /// Something failed within this transaction: the database may have ended
    /// it, or an act may be half written. It is not committed, even by a caller
    /// who passes over the error.
    broken: Cell<bool>,
    /// What the driver's first failure was.
    failure: Cell<Option<FailureKind>>,
    /// Changes of the search index that are not written yet.
    pub(super) pending: RefCell<Pending>,
    /// What was looked up ahead for the command that is decided and applied.
    pub(super) known: RefCell<Known>,
    /// What the present event writes was not there before.
    pub(super) fresh: Cell<bool>,
    /// Rows that are written together; none while each is written at once.
    pub(super) waiting: RefCell<Option<Vec<Waiting>>>,
}

impl<'c> Session<'c> {
    pub(crate) fn new(driver: &'c dyn Driver, home: &'c str, now: UnixMillis) -> Self {
        Self {
            driver,
            home,
            now,
            tip: Cell::new(None),
            recorded: Cell::new(None),
            broken: Cell::new(false),
            failure: Cell::new(None),
            pending: RefCell::default(),
            known: RefCell::default(),
            fresh: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// The last entry that was recorded in this transaction.
    pub(crate) fn recorded(&self) -> Option<Tip> {
        self.recorded.get()
    }

    /// What the driver's first failure was.
    pub(crate) fn failure(&self) -> Option<FailureKind> {
        self.failure.get()
    }

    pub(super) fn failed(&self, doing: &'static str) -> impl FnOnce(Failure) -> StoreError {
        move |failure| {
            self.broken.set(true);
            if self.failure.get().is_none() {
                self.failure.set(Some(failure.kind));
            }
            StoreError::from_failure(self.home, doing, failure)
        }
    }

    pub(super) fn misfit(&self, doing: &'static str) -> impl FnOnce(Misfit) -> StoreError {
        move |misfit| {
            self.broken.set(true);
            StoreError::Damaged {
                home: self.home.to_owned(),
                what: format!("while it was to {doing}: {misfit}"),
            }
        }
    }

    /// Nothing more is done in a transaction that will not be committed.
    pub(crate) fn whole(&self) -> Result<(), StoreError> {
        if self.broken.get() {
            return Err(StoreError::GivenUp(
                "something had failed within it before".to_owned(),
                None,
            ));
        }
        Ok(())
    }

    /// Everything is written that is to be committed.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        self.whole()?;
        self.write_postings()?;
        self.whole()
    }

    /// One row or none.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        map: impl Fn(&dyn Row) -> Result<T, Misfit>,
    ) -> Result<Option<T>, StoreError> {
        let doing = "look something up";
        self.settle()?;
        let mut found = None;
        self.driver
            .each(sql, values, &mut |row| {
                found = Some(map(row));
                ControlFlow::Break(())
            })
            .map_err(self.failed(doing))?;
        found.transpose().map_err(self.misfit(doing))
    }

    /// Every row, one by one. The visitor must not ask this session: the
    /// connection is busy with the listing.
    pub(super) fn each<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        map: impl Fn(&dyn Row) -> Result<T, Misfit>,
        visit: &mut dyn FnMut(T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let doing = "list something";
        self.settle()?;
        let mut stopped = Ok(());
        self.driver
            .each(sql, values, &mut |row| {
                stopped = map(row).map_err(self.misfit(doing)).and_then(&mut *visit);
                if stopped.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .map_err(self.failed(doing))?;
        stopped
    }

    /// All rows; the statement has a limit.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        map: impl Fn(&dyn Row) -> Result<T, Misfit>,
    ) -> Result<Vec<T>, StoreError> {
        let mut out = Vec::new();
        self.each(sql, values, map, &mut |record| {
            out.push(record);
            Ok(())
        })?;
        Ok(out)
    }

    /// Changes something; tells how many rows.
    pub(super) fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.settle()?;
        self.driver.run(sql, values).map_err(self.failed("write"))
    }

    /// The record that answers, or none. `tail` begins with WHERE or ORDER BY.
    pub(super) fn find<R: Record>(
        &self,
        tail: &str,
        values: &[Value<'_>],
    ) -> Result<Option<R>, StoreError> {
        self.one(&select::<R>(tail), values, R::read)
    }

    /// Every record that answers; the statement has a limit.
    pub(super) fn list<R: Record>(
        &self,
        tail: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, StoreError> {
        self.all(&select::<R>(tail), values, R::read)
    }

    /// Every record that answers, one by one (see [`Session::each`]).
    pub(super) fn visit<R: Record>(
        &self,
        tail: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(&select::<R>(tail), values, R::read, visit)
    }

    /// The same for many, with few round trips. No key stands twice among them.
    pub(super) fn put_many<'r, R: Written + 'r>(
        &self,
        records: impl IntoIterator<Item = &'r R>,
    ) -> Result<(), StoreError> {
        let rows = records
            .into_iter()
            .map(R::write)
            .collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        self.settle()?;
        self.driver
            .put_many(&R::TABLE, &rows)
            .map_err(self.failed("write"))
    }

    fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        self.run(&Entry::TABLE.append(), &entry.write()?)?;
        let tip = Tip::from(entry);
        self.tip.set(Some(tip));
        self.recorded.set(Some(tip));
        Ok(())
    }
}

fn select<R: Record>(tail: &str) -> String {
    format!(
        "SELECT {} FROM {} {tail}",
        R::TABLE.read_columns(),
        R::TABLE.name
    )
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
        self.look_ahead(command)?;
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
                let mut topics = Vec::new();
                if events.len() >= TOGETHER_FROM {
                    self.waiting.replace(Some(Vec::new()));
                }
                for (place, event) in events.iter().enumerate() {
                    self.fresh.set(matches!(
                        event,
                        Event::ParticipantAdmitted { .. } | Event::ApplicantListed { .. }
                    ));
                    apply(self, event, at)?;
                    topics.extend(event.topics().into_iter().map(|topic| records::TopicPlace {
                        topic: topic.to_string(),
                        sequence: entry.sequence,
                        place: place as u64,
                    }));
                }
                self.settle()?;
                self.waiting.replace(None);
                self.fresh.set(false);
                self.put_many(&topics)?;
                Outcome::Accepted(events)
            }
        };
        self.known.take();
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

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The store's error inside the registry's, to be unwrapped at the border.
pub(super) fn hide(error: StoreError) -> ViewError {
    ViewError(Box::new(error))
}
