//! What makes a command about many cheap: what it asks about each is asked ahead,
//! in few statements, and what it writes is written together. What is asked in
//! between finds all that was written.

use super::records::{self, Record, Written};
use super::session::Session;
use crate::error::StoreError;
use crate::sql::{Dialect, Table, Value};
use iryonet_domain::{InstitutionCode, ParticipantNumber};
use iryonet_registry::{Applicant, Command};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Looked up ahead, many at once, for a command about many.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) holders: HashMap<InstitutionCode, Option<ParticipantNumber>>,
    pub(super) applicants: HashMap<InstitutionCode, Option<Applicant>>,
}

/// Rows of one table that are not written yet.
#[derive(Debug)]
pub(super) struct Waiting {
    table: Table,
    rows: Vec<Vec<Value<'static>>>,
    /// Which row has which key: what is written twice is written as it is last.
    by_key: HashMap<Vec<Value<'static>>, usize>,
}

impl Waiting {
    fn put(&mut self, row: Vec<Value<'static>>) {
        let key: Vec<Value<'static>> = row.iter().take(self.table.key).cloned().collect();
        let next = self.rows.len();
        let place = *self.by_key.entry(key).or_insert(next);
        match self.rows.get_mut(place) {
            Some(present) => *present = row,
            None => self.rows.push(row),
        }
    }
}

/// From so many events on, rows are written together. What waits is bounded by
/// the events of one act (`CONSEQUENCES_MAX`).
pub(super) const TOGETHER_FROM: usize = 16;

impl Session<'_> {
    /// Inserts the record, or replaces the one with its key.
    pub(super) fn put<R: Written>(&self, record: &R) -> Result<(), StoreError> {
        if self.waiting.borrow().is_none() {
            return self.run(&R::TABLE.put(), &record.write()?).map(drop);
        }
        let written = record.write()?.into_iter().map(Value::into_owned);
        let row: Vec<Value<'static>> = written.collect();
        let mut waiting = self.waiting.borrow_mut();
        let waiting = waiting.get_or_insert_default();
        let place = waiting
            .iter()
            .position(|it| it.table.name == R::TABLE.name)
            .unwrap_or(waiting.len());
        if place == waiting.len() {
            waiting.push(Waiting {
                table: R::TABLE,
                rows: Vec::new(),
                by_key: HashMap::new(),
            });
        }
        if let Some(of_table) = waiting.get_mut(place) {
            of_table.put(row);
        }
        Ok(())
    }

    /// Writes what waits to be written together: before anything is asked, so
    /// that answers include it, and in between, so that it does not grow.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        self.whole()?;
        let waiting = match self.waiting.borrow_mut().as_mut() {
            None => return Ok(()),
            Some(waiting) => std::mem::take(waiting),
        };
        for Waiting { table, rows, .. } in waiting {
            self.driver
                .put_many(&table, &rows)
                .map_err(self.failed("write"))?;
        }
        Ok(())
    }

    /// What `work` puts is written together, in few statements; all of it is
    /// written at the end.
    pub(super) fn together(
        &self,
        work: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.waiting.replace(Some(Vec::new()));
        let done = work().and_then(|()| self.settle());
        self.waiting.replace(None);
        done
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

    /// A command about many asks the same questions about each: they are
    /// answered ahead, in few statements.
    pub(super) fn look_ahead(&self, command: &Command) -> Result<(), StoreError> {
        let codes: Vec<InstitutionCode> = match command {
            Command::AdmitParticipants { rows } => rows.iter().filter_map(|row| row.code).collect(),
            Command::ListApplicants { rows, .. } => rows.iter().map(|row| row.code).collect(),
            Command::ListVanished { codes, .. } => codes.clone(),
            _ => Vec::new(),
        };
        self.known.take();
        if codes.is_empty() {
            return Ok(());
        }
        let applicants = self.known_applicants(&codes)?;
        let holders = self.known_holders(&codes)?;
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

    /// Who holds these codes.
    pub(super) fn known_holders(
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
