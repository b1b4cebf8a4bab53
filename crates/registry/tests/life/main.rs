//! The life of a connection, in words of the trade: from the application over
//! examination, approval, certificate and opening test to an open connection,
//! and all that becomes of it afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod agreements;
mod applicant;
mod bad_input;
mod changes;
mod four_eyes;
mod list;
mod probes;
mod properties;
mod recheck;
mod rules;
mod services;
mod story;
mod world;
