//! 台帳: the append-only, hash-chained record of every act, accepted or
//! refused. One mechanism for audit, change feed and history.
//!
//! I/O-free: where entries are kept is the store's business. It must not know
//! what the acts are about either: commands and events are bytes to it, so that
//! an old ledger is verified by code that no longer speaks its words.

pub mod checkpoint;
pub mod entry;
pub mod export;
pub mod key;
pub mod merkle;
pub mod note;
pub mod proof_file;
pub mod range;
pub mod verify;
pub mod witness;

pub use checkpoint::{Checkpoint, Signed};
pub use entry::{Entry, Hash, Outcome, Tip};
pub use key::{KeyName, KeyUse, SigningKey, VerifierKey};
pub use verify::{Fault, Summary, Verifier, verify};
