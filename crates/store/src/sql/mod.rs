//! A small SQL layer, so that everything above it is written once: values,
//! rows, tables, and what a driver must do on one connection within one
//! transaction. It must not know what the tables are about.
//!
//! SQL is the part that SQLite and PostgreSQL have in common; values stand in
//! it as `?1`, `?2` …. Integers have 64 bits and text is compared by its bytes
//! in both homes.

mod table;
mod value;

pub(crate) use table::{Kind, Table};
pub(crate) use value::{Value, integer, millis, values};

use std::ops::ControlFlow;

/// Where the two homes speak differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A column does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("column {column}: {what}")]
pub(crate) struct Misfit {
    /// From 0.
    pub(crate) column: usize,
    /// What was found or wanted.
    pub(crate) what: String,
}

impl Misfit {
    pub(crate) fn new(column: usize, what: impl std::fmt::Display) -> Self {
        Self {
            column,
            what: what.to_string(),
        }
    }
}

/// One row of an answer. Columns are counted from 0.
pub(crate) trait Row {
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit>;
    fn text(&self, column: usize) -> Result<Option<&str>, Misfit>;
    fn blob(&self, column: usize) -> Result<Option<&[u8]>, Misfit>;
}

/// What kind of failure it is; the rest is in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No room.
    Full,
    /// Others hold what is needed for longer than the wait.
    Busy,
    /// What is kept is not what it should be.
    Damaged,
    /// The connection is gone, or cannot be made.
    Lost,
    /// The database asks that the transaction be begun again.
    Again,
    /// Anything else.
    Other,
}

/// A driver could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

/// One connection within one transaction.
pub(crate) trait Driver {
    fn dialect(&self) -> Dialect;

    /// Hands over the rows of an answer one by one, until told to stop.
    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure>;

    /// Changes something; tells how many rows.
    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Failure>;

    /// Hands over the rows with these keys, in any order.
    fn get_many(
        &self,
        table: &Table,
        keys: &[Vec<Value<'_>>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure>;

    /// Inserts rows, or replaces those that are there by their key, at the cost
    /// of few round trips. No key stands twice among them.
    fn put_many(&self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<(), Failure>;
}
