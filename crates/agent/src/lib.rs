//! What the two machines at the network's edge, `gateway` and `site`, have in
//! common: a key that is made where it is used, the enrolment exchange, files
//! that survive a power cut, frames on a stream, kernel routes and addresses,
//! clocks that do not go back, waits that grow.
//!
//! It must not know what a gateway enforces, nor when a site attaches.

pub mod backoff;
pub mod clock;
pub mod enrol;
pub mod files;
pub mod frames;
pub mod key;
pub mod netlink;
pub mod sysctl;
