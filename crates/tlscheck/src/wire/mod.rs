//! The octets of TLS: records, hellos and the messages of a first flight. Reads
//! whatever a stranger sends, and writes what no well-bred library would.
//!
//! It must not know what is asked of a server, nor what carries the octets.

pub(crate) mod alert;
pub(crate) mod client_hello;
pub(crate) mod codec;
pub(crate) mod key_exchange;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod server;

pub use alert::Alert;
pub(crate) use codec::Malformed;
