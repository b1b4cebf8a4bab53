//! センター: the control plane.
//!
//! Ways in that share nothing by accident:
//! - the public one (TLS; a client certificate is not demanded, and good for
//!   its own renewal alone): enrolment, EST, CA, revocation lists, OCSP;
//! - the people's (TLS, and a session): officers and staff, acts and questions;
//! - the gateways' (mutual TLS): the policy feed;
//! - where it is set, one without TLS for what is signed itself: CA,
//!   revocation lists, OCSP;
//! - break-glass (Unix socket, 0600): the same acts and questions as the
//!   people's, in the name that the person at the machine says. [`client`]
//!   speaks to both.
//!
//! Every act is one transaction of the store, in the name of an actor that is
//! never defaulted. From there is one path: the publisher reads the ledger's
//! end, applies it to the policy model, appends to the feed log and wakes the
//! waiting gateways; only then is the act answered. So "answered" implies "on
//! its way".
//!
//! It must not know what a gateway does with its policy, nor how anything is
//! kept on disk.

pub mod access;
mod api;
mod authorities;
mod certificate;
mod checks;
pub mod client;
mod clock;
pub mod config;
pub mod database;
mod device;
pub mod error;
mod http;
mod init;
mod issuance;
mod load;
mod operator;
mod people;
mod public;
mod run;
pub mod staff_client;
mod state;
mod tasks;
mod writer;

pub use api::openapi_json;
pub use certificate::CertificateError;
pub use config::{Config, ConfigError};
pub use error::CenterError;
pub use init::{Initialised, init};
pub use run::{Running, run, start, start_at, start_on};
pub use tasks::checkpoint::key::CheckpointKeyError;
pub use tasks::crl::MakeCrlError;
