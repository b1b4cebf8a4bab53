//! Where the ledger and the tables are kept: one trait, one conformance suite,
//! two homes: SQLite, which is the embedded one, and PostgreSQL, which several
//! centers share.
//!
//! A write is one transaction: commands are decided, recorded in the ledger and
//! applied to the tables together, or not at all. The store must not know who
//! asks over which wire, nor what a gateway makes of the state.
//!
//! # How it is built
//!
//! Everything about the tables is written once, in `home`, over a small SQL
//! layer, `sql`. A home brings a driver of that layer, its layouts, and how a
//! transaction begins and ends (`sqlite`, [`mod@postgres`]).
//!
//! # A new table
//!
//! 1. Its layout: the next `layout-N.sql` beside each home's others, with the
//!    same number in both, named in the `STEPS` of both `migrate.rs`. A layout
//!    that has been released is never changed. On PostgreSQL integers are
//!    `BIGINT`, octets `BYTEA`, and text is `TEXT COLLATE "C"`.
//! 2. Its record: an `impl Record` in `home/records`, which names table and
//!    columns once (the key's first) and turns a row into the registry's type
//!    and back. `Session::find`, `list`, `visit`, `put` and `put_many` follow.
//! 3. The questions of `View` in `home/view.rs` and `put_…` of `Tables` in
//!    `home/tables.rs`, mostly one line each; listings in `store::Reader` and
//!    `home/reader.rs`.
//! 4. In `tests/support`: random steps that reach it, and its comparison with
//!    `MemoryTables` in `assert_same`. Both homes are then tested with it.
//!
//! SQL that only one of the two understands is asked for by
//! `Driver::dialect`, and is rare: what both have is mostly enough.

#[cfg(feature = "private-cluster")]
pub mod cluster;
pub mod error;
pub mod find;
mod home;
pub mod import;
pub mod place;
mod pool;
pub mod postgres;
pub mod query;
pub mod reexamine;
mod search;
pub mod side;
mod sql;
pub mod sqlite;
pub mod store;
pub mod tree;

pub use error::StoreError;
pub use find::{find, show};
pub use place::{Place, PlaceError};
pub use postgres::{PostgresOptions, PostgresSettings, PostgresStore};
pub use query::{
    AccountQuery, AgreementQuery, ApplicantQuery, ApplicantStory, CaseQuery, HistoryItem,
    ParticipantQuery, Reexamination, RevokedCertificate,
};
pub use reexamine::to_be_reexamined;
pub use side::{SideError, SideValue, Space};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Outcome, Reader, Recorded, Store, Transaction, act, change, found, look};

/// What the system's clock says.
pub(crate) fn system_clock() -> iryonet_domain::UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    iryonet_domain::UnixMillis(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}
