//! What runs in the background: one file per task.

pub(crate) mod checkpoint;
pub(crate) mod crl;
pub(crate) mod publisher;
