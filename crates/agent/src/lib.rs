//! What the two machines at the network's edge, `gateway` and `site`, have in
//! common: a key that is made where it is used, enrolment and renewal, files
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
pub mod pair;
pub mod renew;
pub mod sysctl;

/// An error with all that it stands on, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
