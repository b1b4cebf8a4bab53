//! One transaction on one connection: what reads, decides, records and writes.

use super::postings::Pending;
use super::records::{self, Record};
use crate::error::StoreError;
use crate::side::Space;
use crate::sql::{Dialect, Driver, Failure, FailureKind, Misfit, Row, Table, Value};
use crate::store::{Outcome, Recorded, Transaction};
use iryonet_domain::{Actor, InstitutionCode, ParticipantNumber, UnixMillis};
use iryonet_ledger::{Entry, Tip};
use iryonet_registry::{Applicant, Command, DecideError, Event, ViewError, apply, decide};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
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
    waiting: RefCell<Option<Vec<Waiting>>>,
}

/// Looked up ahead, many at once, for a command about many.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) holders: HashMap<InstitutionCode, Option<ParticipantNumber>>,
    pub(super) applicants: HashMap<InstitutionCode, Option<Applicant>>,
}

/// Rows of one table that are not written yet.
#[derive(Debug)]
struct Waiting {
    table: Table,
    rows: Vec<Vec<Value<'static>>>,
}

/// From so many events on, rows are written together.
const TOGETHER_FROM: usize = 16;
/// Rows of one table that wait at most.
const WAITING_MAX: usize = 4_096;

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

    fn failed(&self, doing: &'static str) -> impl FnOnce(Failure) -> StoreError {
        move |failure| {
            self.broken.set(true);
            if self.failure.get().is_none() {
                self.failure.set(Some(failure.kind));
            }
            StoreError::from_failure(self.home, doing, failure)
        }
    }

    fn misfit(&self, doing: &'static str) -> impl FnOnce(Misfit) -> StoreError {
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

    /// Inserts the record, or replaces the one with its key.
    pub(super) fn put<R: Record>(&self, record: &R) -> Result<(), StoreError> {
        if self.waiting.borrow().is_none() {
            return self.run(&R::TABLE.put(), &record.write()?).map(drop);
        }
        let row = record.write()?.into_iter().map(Value::into_owned).collect();
        let mut waiting = self.waiting.borrow_mut();
        let waiting = waiting.get_or_insert_default();
        match waiting.iter_mut().find(|it| it.table.name == R::TABLE.name) {
            Some(it) => it.rows.push(row),
            None => waiting.push(Waiting {
                table: R::TABLE,
                rows: vec![row],
            }),
        }
        Ok(())
    }

    /// Writes what waits to be written together: before anything is asked, so
    /// that answers include it, and in between, so that it does not grow.
    fn settle(&self) -> Result<(), StoreError> {
        self.whole()?;
        let waiting = match self.waiting.borrow_mut().as_mut() {
            None => return Ok(()),
            Some(waiting) => std::mem::take(waiting),
        };
        for Waiting { table, rows } in waiting {
            self.driver
                .put_many(&table, &rows)
                .map_err(self.failed("write"))?;
        }
        Ok(())
    }

    fn is_too_much_waiting(&self) -> bool {
        let waiting = self.waiting.borrow();
        waiting
            .as_ref()
            .is_some_and(|waiting| waiting.iter().any(|it| it.rows.len() >= WAITING_MAX))
    }

    /// Hands over the records with these keys, in any order.
    pub(super) fn get_many<R: Record>(
        &self,
        keys: &[Vec<Value<'_>>],
        visit: &mut dyn FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let doing = "look many up";
        self.settle()?;
        let mut stopped = Ok(());
        self.driver
            .get_many(&R::TABLE, keys, &mut |row| {
                stopped = R::read(row)
                    .map_err(self.misfit(doing))
                    .and_then(&mut *visit);
                if stopped.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
            .map_err(self.failed(doing))?;
        stopped
    }

    /// The same for many, with few round trips. No key stands twice among them.
    pub(super) fn put_many<'r, R: Record + 'r>(
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
                    if self.is_too_much_waiting() {
                        self.settle()?;
                    }
                    topics.extend(event.topics().into_iter().map(|topic| records::TopicPlace {
                        topic: topic.to_string(),
                        sequence: entry.sequence,
                        place: place as u64,
                    }));
                }
                self.settle()?;
                self.waiting.replace(None);
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

    /// A command about many asks the same questions about each: they are
    /// answered ahead, in few statements.
    fn look_ahead(&self, command: &Command) -> Result<(), StoreError> {
        let codes: Vec<InstitutionCode> = match command {
            Command::AdmitParticipants { rows } => rows.iter().filter_map(|row| row.code).collect(),
            Command::ListApplicants { rows, .. } => rows.iter().map(|row| row.code).collect(),
            _ => Vec::new(),
        };
        self.known.take();
        if codes.is_empty() {
            return Ok(());
        }
        let applicants = self.known_applicants(&codes)?;
        let holders = self.holders_of(&codes)?;
        self.known.replace(Known {
            applicants,
            holders,
        });
        Ok(())
    }

    /// The applicants with these codes.
    pub(super) fn known_applicants(
        &self,
        codes: &[InstitutionCode],
    ) -> Result<HashMap<InstitutionCode, Option<Applicant>>, StoreError> {
        let mut found: HashMap<InstitutionCode, Option<Applicant>> =
            codes.iter().map(|code| (*code, None)).collect();
        let keys: Vec<Vec<Value<'_>>> = found
            .keys()
            .map(|code| vec![Value::from(code.to_string())])
            .collect();
        self.get_many::<Applicant>(&keys, &mut |applicant| {
            found.insert(applicant.code, Some(applicant));
            Ok(())
        })?;
        Ok(found)
    }

    fn holders_of(
        &self,
        codes: &[InstitutionCode],
    ) -> Result<HashMap<InstitutionCode, Option<ParticipantNumber>>, StoreError> {
        let mut found: HashMap<InstitutionCode, Option<ParticipantNumber>> =
            codes.iter().map(|code| (*code, None)).collect();
        let (condition, list) = any_of(
            self.driver.dialect(),
            "code",
            Digits::Text,
            codes.iter().map(ToString::to_string),
        );
        self.each(
            &format!(
                "SELECT code, number FROM participant WHERE {condition} AND standing <> 'closed'"
            ),
            &[list],
            |row| {
                Ok((
                    records::word(row, 0)?,
                    records::made(row, 1, ParticipantNumber::new)?,
                ))
            },
            &mut |(code, number)| {
                found.insert(code, Some(number));
                Ok(())
            },
        )?;
        Ok(found)
    }
}

/// How keys of digits only are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Digits {
    Integer,
    Text,
}

/// `column` is one of these keys, which are of digits only; the condition has
/// the list as `?1`.
pub(super) fn any_of(
    dialect: Dialect,
    column: &str,
    kept: Digits,
    keys: impl Iterator<Item = String>,
) -> (String, Value<'static>) {
    let keys: Vec<String> = keys
        .map(|key| match (dialect, kept) {
            (Dialect::Sqlite, Digits::Text) => format!("\"{key}\""),
            _ => key,
        })
        .collect();
    let keys = keys.join(",");
    match dialect {
        Dialect::Sqlite => (
            format!("{column} IN (SELECT value FROM json_each(?1))"),
            format!("[{keys}]").into(),
        ),
        Dialect::Postgres => {
            let kind = match kept {
                Digits::Integer => "bigint[]",
                Digits::Text => "text[]",
            };
            (
                format!("{column} = ANY(CAST(CAST(?1 AS text) AS {kind}))"),
                format!("{{{keys}}}").into(),
            )
        }
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
