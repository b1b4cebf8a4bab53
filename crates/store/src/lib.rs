//! Where the ledger and the tables are kept: one trait, one conformance suite,
//! and its homes. SQLite is the embedded one.
//!
//! A write is one transaction: commands are decided, recorded in the ledger and
//! applied to the tables together, or not at all. The store must not know who
//! asks over which wire, nor what a gateway makes of the state.

pub mod error;
pub mod find;
pub mod import;
pub mod query;
pub mod side;
pub mod sqlite;
pub mod store;
pub mod tree;

pub use error::StoreError;
pub use find::{find, show};
pub use query::{
    AgreementQuery, ApplicantQuery, ApplicantStory, HistoryItem, ParticipantQuery,
    RevokedCertificate,
};
pub use side::{SideError, SideValue, Space};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Outcome, Reader, Recorded, Store, Transaction, act, change, found, look};
