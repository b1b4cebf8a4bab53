//! The SQL layer on SQLite.

use crate::sql::{Dialect, Driver, Failure, FailureKind, Misfit, Row, Table, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};
use std::ops::ControlFlow;

pub(super) struct SqliteDriver<'c>(pub(super) &'c Connection);

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
        match self.get_ref(column).map_err(|e| Misfit::new(column, e))? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            other => Err(unlike(column, "an integer", other)),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Misfit> {
        match self.get_ref(column).map_err(|e| Misfit::new(column, e))? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map(Some)
                .map_err(|error| Misfit::new(column, error)),
            other => Err(unlike(column, "text", other)),
        }
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, Misfit> {
        match self.get_ref(column).map_err(|e| Misfit::new(column, e))? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(octets) => Ok(Some(octets)),
            other => Err(unlike(column, "octets", other)),
        }
    }
}

fn unlike(column: usize, wanted: &str, found: ValueRef<'_>) -> Misfit {
    Misfit::new(
        column,
        format_args!("{} stands there, not {wanted}", found.data_type()),
    )
}

impl Driver for SqliteDriver<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(failure)?;
        while let Some(row) = rows.next().map_err(failure)? {
            if visit(row).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Failure> {
        self.0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)))
            .map(|changed| changed as u64)
            .map_err(failure)
    }

    /// There are no round trips to save here, nor below.
    fn get_many(
        &self,
        table: &Table,
        keys: &[Vec<Value<'_>>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut statement = self.0.prepare_cached(&table.get()).map_err(failure)?;
        for key in keys {
            let mut rows = statement.query(params_from_iter(key)).map_err(failure)?;
            if let Some(row) = rows.next().map_err(failure)?
                && visit(row).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn put_many(&self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<(), Failure> {
        let mut statement = self.0.prepare_cached(&table.put()).map_err(failure)?;
        for row in rows {
            statement.execute(params_from_iter(row)).map_err(failure)?;
        }
        Ok(())
    }
}

/// What SQLite says, in the words of the layer.
pub(super) fn failure(error: rusqlite::Error) -> Failure {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FailureKind::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FailureKind::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FailureKind::Damaged,
        _ => FailureKind::Other,
    };
    Failure {
        kind,
        source: Box::new(error),
    }
}
