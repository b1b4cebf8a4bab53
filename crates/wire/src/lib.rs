//! What travels between center, gateway and site: the policy feed and the
//! attach conversation, with their limits and their signature.
//!
//! I/O-free. It must not know how policy is computed (`policy`), nor what a
//! gateway does with it (`gateway`), nor which connection carries the bytes.

pub mod attach;
pub mod feed;
pub mod signed;
