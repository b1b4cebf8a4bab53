//! The network's edge (ゲートウェイ): ends lines, enforces, translates, shapes.
//!
//! [`run()`] is the daemon, [`enrol()`] gets it its certificate, [`renew`] the next
//! one, [`control`] is
//! what a running one tells. `policy` is the I/O-free core: what is enforced,
//! who is bound. [`datapath`] carries it out in the kernel.
//!
//! It must not know how policy is computed (`policy` the crate, at the center).

pub mod bench;
pub mod config;
pub mod control;
pub mod datapath;
pub mod engine;
pub mod enrol;
pub mod feed;
pub mod keep;
pub mod kernel;
pub mod lines;
pub mod policy;
pub mod renew;
pub mod routes;
pub mod run;
#[cfg(test)]
mod testing;

pub use config::{Config, ConfigError};
pub use enrol::{EnrolError, enrol};
pub use run::{RunError, run};
