//! 一診療所の一生: one clinic's whole life through a center's own listeners, and
//! at the end the ledger (台帳) that tells all of it, taken out and proved with
//! the commands that an auditor has.
//!
//! The center and its people are those of the center's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "helpers outside of #[test] functions are tests too; of the center's fixtures this takes what it needs"
)]

#[path = "../../../center/tests/center/person.rs"]
mod person;
#[path = "../../../center/tests/center/router.rs"]
mod router;
#[path = "../../../center/tests/center/steps.rs"]
mod steps;
#[path = "../../../center/tests/center/support.rs"]
mod support;

mod audit;
mod story;
