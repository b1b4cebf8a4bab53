//! What runs in the background: one file per task.

pub(crate) mod certificate;
pub(crate) mod checkpoint;
pub(crate) mod crl;
pub(crate) mod documents;
pub(crate) mod due;
pub(crate) mod publisher;
pub(crate) mod purge;
pub(crate) mod recheck;
pub(crate) mod responders;
