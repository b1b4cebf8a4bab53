//! What every listener shares, and nothing of what any of them does: problems,
//! checked input, connection serving, rates. It must not know a resource.

pub(crate) mod actor;
pub(crate) mod fetch;
pub(crate) mod idempotency;
pub(crate) mod input;
pub(crate) mod leftover;
pub(crate) mod problem;
pub(crate) mod rate;
pub(crate) mod serve;
