//! The translation as promised: by vectors, by properties, by another translator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop where a promise is broken"
)]

mod cases;
mod encode;
mod file;
mod judge;
mod kernel;
mod properties;
mod table;
mod vectors;
