//! センター: the control plane.
//!
//! Three listeners that share nothing by accident:
//! - the operators' (Unix socket): acts and questions, [`client`] speaks to it;
//! - the public one (TLS without client certificate): enrolment, CA, CRL;
//! - the gateways' (mutual TLS): the policy feed.
//!
//! Every act is one transaction of the store, in the name of an actor that is
//! never defaulted. From there is one path: the publisher reads the ledger's
//! end, applies it to the policy model, appends to the feed log and wakes the
//! waiting gateways; only then is the act answered. So "answered" implies "on
//! its way".
//!
//! It must not know what a gateway does with its policy, nor how anything is
//! kept on disk.

mod api;
mod certificate;
pub mod client;
mod clock;
pub mod config;
mod device;
pub mod error;
mod http;
mod init;
mod load;
mod operator;
mod public;
mod run;
mod state;
mod tasks;

pub use api::openapi_json;
pub use certificate::CertificateError;
pub use config::{Config, ConfigError};
pub use error::CenterError;
pub use init::{Initialised, init};
pub use run::{Running, run, start, start_on};
pub use tasks::checkpoint::key::CheckpointKeyError;
pub use tasks::crl::MakeCrlError;
