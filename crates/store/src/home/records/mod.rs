//! Records as rows: one codec for each table, the same for every home.
//!
//! A record names its table once ([`Record::TABLE`]); reading, inserting,
//! replacing and inserting in bulk follow from that. Text that is a word of the
//! registry (a kind, a standing) is kept as the word that its type is written
//! with; lists are JSON.

mod account;
mod agreement;
mod case;
mod certificate;
mod entry;
mod network;
mod participant;
mod rules;
mod service;

pub(crate) use account::{LoginOf, RoleOf};
pub(crate) use entry::{TopicPlace, tip};
pub(crate) use network::BlockOf;
pub(crate) use participant::Placed;
pub(crate) use service::EndpointOf;

use crate::error::StoreError;
use crate::sql::{Misfit, Row, Table, Value};
use iryonet_domain::{Fingerprint, UnixMillis};
use iryonet_registry::Revocation;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;
use std::fmt::Display;

/// What is kept in a table, row by row.
pub(crate) trait Record: Sized {
    /// Its table.
    const TABLE: Table;

    /// Out of the columns that are read, in their order.
    fn read(row: &dyn Row) -> Result<Self, Misfit>;
}

/// What is also written so: with everything that its table wants.
pub(crate) trait Written: Record {
    /// Into all columns, in their order.
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError>;
}

fn there<T>(found: Option<T>, column: usize) -> Result<T, Misfit> {
    found.ok_or_else(|| Misfit::new(column, "nothing stands there"))
}

/// A number of any type that is made from `i64` with a check.
pub(super) fn whole<T>(row: &dyn Row, column: usize) -> Result<T, Misfit>
where
    T: TryFrom<i64>,
    T::Error: Display,
{
    maybe_whole(row, column).and_then(|found| there(found, column))
}

fn maybe_whole<T>(row: &dyn Row, column: usize) -> Result<Option<T>, Misfit>
where
    T: TryFrom<i64>,
    T::Error: Display,
{
    row.integer(column)?
        .map(|found| {
            T::try_from(found)
                .map_err(|error| Misfit::new(column, format_args!("{found} stands there: {error}")))
        })
        .transpose()
}

/// A number that is made from a smaller one with a check of its own.
pub(super) fn made<N, T, E: Display>(
    row: &dyn Row,
    column: usize,
    make: impl FnOnce(N) -> Result<T, E>,
) -> Result<T, Misfit>
where
    N: TryFrom<i64>,
    N::Error: Display,
{
    make(whole(row, column)?).map_err(|error| Misfit::new(column, error))
}

pub(super) fn millis(row: &dyn Row, column: usize) -> Result<UnixMillis, Misfit> {
    whole(row, column).map(UnixMillis)
}

pub(super) fn maybe_millis(row: &dyn Row, column: usize) -> Result<Option<UnixMillis>, Misfit> {
    Ok(maybe_whole(row, column)?.map(UnixMillis))
}

pub(super) fn yes(row: &dyn Row, column: usize) -> Result<bool, Misfit> {
    whole::<i64>(row, column).map(|found| found != 0)
}

pub(super) fn text(row: &dyn Row, column: usize) -> Result<String, Misfit> {
    row.text(column)
        .and_then(|found| there(found, column))
        .map(str::to_owned)
}

pub(super) fn blob(row: &dyn Row, column: usize) -> Result<Vec<u8>, Misfit> {
    row.blob(column)
        .and_then(|found| there(found, column))
        .map(<[u8]>::to_vec)
}

/// Octets of which there is one number only.
pub(super) fn octets<const N: usize>(row: &dyn Row, column: usize) -> Result<[u8; N], Misfit> {
    let found = row.blob(column).and_then(|found| there(found, column))?;
    found.try_into().map_err(|_| {
        Misfit::new(
            column,
            format_args!("{} octets stand there, not {N}", found.len()),
        )
    })
}

/// A value that stands as a word, by the word its type is written with.
pub(super) fn word<T: DeserializeOwned>(row: &dyn Row, column: usize) -> Result<T, Misfit> {
    maybe_word(row, column).and_then(|found| there(found, column))
}

pub(super) fn maybe_word<T: DeserializeOwned>(
    row: &dyn Row,
    column: usize,
) -> Result<Option<T>, Misfit> {
    row.text(column)?
        .map(|text| {
            T::deserialize(StrDeserializer::<serde::de::value::Error>::new(text))
                .map_err(|error| Misfit::new(column, error))
        })
        .transpose()
}

/// A value that stands as JSON, and as `{}` where it is as most are.
pub(super) fn plain_or_json<T: DeserializeOwned + Default>(
    row: &dyn Row,
    column: usize,
) -> Result<T, Misfit> {
    match row.text(column).and_then(|found| there(found, column))? {
        "{}" => Ok(T::default()),
        text => serde_json::from_str(text).map_err(|error| Misfit::new(column, error)),
    }
}

/// The same, written.
fn plain_json<T: serde::Serialize + Default + PartialEq>(value: &T) -> Result<String, StoreError> {
    if *value == T::default() {
        return Ok("{}".to_owned());
    }
    super::session::json(value)
}

/// A list that stands as JSON.
fn list<T: DeserializeOwned>(row: &dyn Row, column: usize) -> Result<Vec<T>, Misfit> {
    let text = row.text(column).and_then(|found| there(found, column))?;
    serde_json::from_str(text).map_err(|error| Misfit::new(column, error))
}

fn fingerprint(row: &dyn Row, column: usize) -> Result<Fingerprint, Misfit> {
    octets(row, column).map(Fingerprint)
}

/// When and why, in two columns that stand beside each other.
fn revocation(row: &dyn Row, at: usize) -> Result<Option<Revocation>, Misfit> {
    maybe_millis(row, at)?
        .map(|when| {
            Ok(Revocation {
                at: when,
                reason: word(row, at + 1)?,
            })
        })
        .transpose()
}

pub(super) fn revoked(row: &dyn Row) -> Result<crate::query::RevokedCertificate, Misfit> {
    Ok(crate::query::RevokedCertificate {
        serial: word(row, 0)?,
        revocation: there(revocation(row, 1)?, 1)?,
        not_after: millis(row, 3)?,
    })
}
