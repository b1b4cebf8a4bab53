//! The institution's agent (拠点): enrols, attaches, stays attached, and says in
//! plain words how it is.
//!
//! It must not know the policy: what may pass is decided at the gateway. It
//! only brings the site's LAN to the gateway, and fails closed like it.

pub mod attach;
pub mod config;
pub mod enrol;
pub mod network;
mod renew;
pub mod run;
pub mod status;

pub use config::{Config, ConfigError};
pub use enrol::{EnrolError, enrol};
pub use run::{RunError, run};
pub use status::{Status, StatusError, status};
