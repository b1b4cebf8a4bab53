//! A real center on a temporary directory, with real TLS: what it promises to
//! operators, applicants and gateways.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers outside of #[test] functions are tests too; a broken fixture may stop them at once"
)]

mod access;
mod acts;
mod admissions;
mod cases;
mod checkpoints;
mod checks;
mod clockwork;
mod described_life;
mod documents;
mod enrolment;
mod est;
mod feed;
mod feed_size;
mod guesses;
mod hsm;
mod idempotency;
mod issuer;
mod life;
mod openapi;
mod passkeys;
mod people;
mod person;
mod postgres;
mod recheck;
mod renewed;
mod router;
mod schemathesis;
mod steps;
mod support;
