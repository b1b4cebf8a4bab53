//! The SQL layer on PostgreSQL.

use super::connection::Connection;
use super::fault::failure;
use crate::sql::{Dialect, Driver, Failure, FailureKind, Kind, Misfit, Row, Table, Value};
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::ops::ControlFlow;

pub(super) struct PostgresDriver<'c>(RefCell<&'c mut Connection>);

impl<'c> PostgresDriver<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self(RefCell::new(connection))
    }

    fn connection(&self) -> Result<RefMut<'_, &'c mut Connection>, Failure> {
        self.0.try_borrow_mut().map_err(|_| Failure {
            kind: FailureKind::Other,
            source: "a listing is under way on this connection; ask when it has ended".into(),
        })
    }
}

/// A value that this database cannot take.
#[derive(Debug, thiserror::Error)]
enum Unsendable {
    #[error("a text holds the character 0, which PostgreSQL does not keep")]
    Nul,
    #[error("{0} does not fit the column")]
    Range(i64),
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => match *kind {
                Type::INT4 => i32::try_from(*number)
                    .map_err(|_| Unsendable::Range(*number))?
                    .to_sql(kind, out),
                _ => number.to_sql(kind, out),
            },
            Self::Text(text) if text.contains('\0') => Err(Unsendable::Nul.into()),
            Self::Text(text) => text.as_ref().to_sql(kind, out),
            Self::Blob(octets) => octets.as_ref().to_sql(kind, out),
        }
    }

    /// Which variant meets which column is checked by the server.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Row for postgres::Row {
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
        let misfit = |error| Misfit::new(column, error);
        match self.columns().get(column).map(|column| column.type_()) {
            Some(&Type::INT4) => Ok(self
                .try_get::<_, Option<i32>>(column)
                .map_err(misfit)?
                .map(i64::from)),
            _ => self.try_get(column).map_err(misfit),
        }
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Misfit> {
        self.try_get(column)
            .map_err(|error| Misfit::new(column, error))
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, Misfit> {
        self.try_get(column)
            .map_err(|error| Misfit::new(column, error))
    }
}

impl Driver for PostgresDriver<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut connection = self.connection()?;
        let statement = connection.prepared(sql)?;
        let mut rows = connection
            .client()?
            .query_raw(&statement, values)
            .map_err(failure)?;
        while let Some(row) = rows.next().map_err(failure)? {
            if visit(&row).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Failure> {
        let mut connection = self.connection()?;
        let statement = connection.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        connection
            .client()?
            .execute(&statement, &values)
            .map_err(failure)
    }

    fn get_many(
        &self,
        table: &Table,
        keys: &[Vec<Value<'_>>],
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let keys: Vec<&[Value<'_>]> = keys.iter().map(Vec::as_slice).collect();
        let lists = table
            .columns
            .iter()
            .take(table.key)
            .enumerate()
            .map(|(place, (_, kind))| list(&keys, place, *kind))
            .collect::<Result<Vec<_>, _>>()?;
        let lists = lists.iter().map(|list| &**list as &(dyn ToSql + Sync));
        let mut connection = self.connection()?;
        let statement = connection.prepared(&table.get_lists())?;
        let mut rows = connection
            .client()?
            .query_raw(&statement, lists.collect::<Vec<_>>())
            .map_err(failure)?;
        while let Some(row) = rows.next().map_err(failure)? {
            if visit(&row).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn put_many(&self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<(), Failure> {
        if let [row] = rows {
            return self.run(&table.put(), row).map(drop);
        }
        let rows = last_of_each_key(table, rows);
        let lists = table
            .columns
            .iter()
            .enumerate()
            .map(|(place, (_, kind))| list(&rows, place, *kind))
            .collect::<Result<Vec<_>, _>>()?;
        let lists: Vec<&(dyn ToSql + Sync)> = lists.iter().map(|list| &**list as _).collect();
        let mut connection = self.connection()?;
        let statement = connection.prepared(&table.put_lists())?;
        connection
            .client()?
            .execute(&statement, &lists)
            .map_err(failure)
            .map(drop)
    }
}

/// One statement may not touch a row twice: of several with one key the last
/// one counts, as when they come one after the other.
fn last_of_each_key<'r, 'v>(table: &Table, rows: &'r [Vec<Value<'v>>]) -> Vec<&'r [Value<'v>]> {
    let mut places: HashMap<&[Value<'_>], usize> = HashMap::with_capacity(rows.len());
    let mut out: Vec<&[Value<'_>]> = Vec::with_capacity(rows.len());
    for row in rows {
        let key = row.get(..table.key).unwrap_or(row);
        match places.get(key).and_then(|place| out.get_mut(*place)) {
            Some(earlier) => *earlier = row,
            None => {
                places.insert(key, out.len());
                out.push(row);
            }
        }
    }
    out
}

/// The values of one column, as one list.
fn list<'r>(
    rows: &[&'r [Value<'_>]],
    place: usize,
    kind: Kind,
) -> Result<Box<dyn ToSql + Sync + 'r>, Failure> {
    let unlike = || Failure {
        kind: FailureKind::Other,
        source: "a row's value is not of its column's kind".into(),
    };
    let column = || {
        rows.iter()
            .map(|row| row.get(place).unwrap_or(&Value::Null))
    };
    Ok(match kind {
        Kind::Integer => Box::new(
            column()
                .map(|value| match value {
                    Value::Null => Ok(None),
                    Value::Integer(number) => Ok(Some(*number)),
                    _ => Err(unlike()),
                })
                .collect::<Result<Vec<Option<i64>>, _>>()?,
        ),
        Kind::Text => Box::new(
            column()
                .map(|value| match value {
                    Value::Null => Ok(None),
                    Value::Text(text) => Ok(Some(text.as_ref())),
                    _ => Err(unlike()),
                })
                .collect::<Result<Vec<Option<&'r str>>, _>>()?,
        ),
        Kind::Blob => Box::new(
            column()
                .map(|value| match value {
                    Value::Null => Ok(None),
                    Value::Blob(octets) => Ok(Some(octets.as_ref())),
                    _ => Err(unlike()),
                })
                .collect::<Result<Vec<Option<&'r [u8]>>, _>>()?,
        ),
    })
}
