//! Registry state to what each gateway must hold, and why.
//!
//! [`Model`] is the whole policy state in memory. It is loaded from the
//! registry's projections and follows the registry's events; each event makes
//! it say what becomes different at which gateway ([`Model::apply`]), and at
//! any time it tells all that one gateway must hold ([`Model::snapshot`]).
//! [`FeedLog`] remembers the differences, to answer "what since revision r?".
//! [`Model::explain`] answers "why can A (not) reach B?" by asking the verdict
//! that the gateways ask.
//!
//! No I/O, no clock, no signatures. It must not know how the feed is signed or
//! carried (`center`), nor how a gateway fills its tables (`gateway`).

mod access;
mod change;
pub mod explain;
mod feed_log;
mod load;
mod model;
mod packed;
mod paths;
mod records;
pub mod sample;
mod snapshot;

pub use explain::{Explanation, Finding, Target, TargetError};
pub use feed_log::{FeedLimits, FeedLog, Since};
pub use load::{LoadError, Loader};
pub use model::{Counts, Model};
pub use snapshot::Collecting;
