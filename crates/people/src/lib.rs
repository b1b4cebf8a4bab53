//! How people prove who they are: passwords, one-time passwords, passkeys,
//! recovery codes, organisations' issuers, the sessions that follow, and what
//! holds off those who guess.
//!
//! Free of I/O: it reads no clock and opens no file or socket; time and
//! randomness are parameters (the exception is named: the AEAD and the hashes
//! are aws-lc's). What it wants kept, it hands over as octets that are already
//! sealed ([`vault`]).
//!
//! It must not know HTTP, nor what a role may do (`registry::permission`), nor
//! where anything is kept (`store`, the side store's spaces `Credential` and
//! `Session`; never the ledger).

pub mod code;
pub mod credentials;
pub mod guard;
pub mod issuer;
pub mod passkey;
pub mod password;
pub mod session;
pub mod token;
pub mod totp;
pub mod vault;

pub use code::OneTimeCode;
pub use credentials::Credentials;
pub use guard::{Guard, Place};
pub use password::StoredPassword;
pub use session::{Ended, Session, SessionLimits};
pub use token::SessionToken;
pub use vault::Vault;
