//! Conversations with a server: what is said, and what its answers mean. Each
//! is a machine without I/O: octets in, octets out, and it says when it is over.
//!
//! It must not know what the answers are good for, nor read a clock: how long
//! to wait is the carrier's business, [`Wait`] tells which wait it is.

pub(crate) mod after;
pub(crate) mod carried;
pub(crate) mod flight;
pub(crate) mod full12;
pub(crate) mod full13;
pub(crate) mod serve;

#[cfg(test)]
mod tests;

use crate::wire::Alert;
use serde::{Deserialize, Serialize};

/// How a connection ended while something was still expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer closed it in an orderly way (TCP FIN).
    Closed,
    /// The peer broke it (TCP RST, or another fault of the network).
    Broken,
    /// Nothing more came within the time.
    Silent,
    /// More octets came than any handshake has.
    TooMuch,
}

/// How long the next octets may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// An answer is due.
    Answer,
    /// Nothing is due; only a refusal could still come.
    Settle,
}

/// One connection's conversation.
pub(crate) trait Conversation {
    /// What is sent first.
    fn start(&mut self) -> Vec<u8>;

    /// Takes what came, and gives what is to be sent.
    fn receive(&mut self, octets: &[u8]) -> Vec<u8>;

    /// The connection ended, or the wait did.
    fn end(&mut self, how: Ending);

    /// Whether there is nothing left to hear.
    fn is_over(&self) -> bool;

    /// Which wait it is.
    fn wait(&self) -> Wait {
        Wait::Answer
    }

    /// What is sent before we close.
    fn farewell(&mut self) -> Vec<u8>;
}

/// Why a server gave no answer that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It said no.
    Alert(Alert),
    /// It closed without a word.
    Closed,
    /// It broke the connection.
    Reset,
    /// It said nothing within the time.
    Silent,
    /// What it sent is not TLS; how that begins, printable.
    NotTls(String),
    /// What it sent is TLS, but contradicts itself.
    Malformed(String),
}

impl Refusal {
    pub(crate) fn of(ending: Ending) -> Self {
        match ending {
            Ending::Closed => Self::Closed,
            Ending::Broken => Self::Reset,
            Ending::Silent => Self::Silent,
            Ending::TooMuch => Self::Malformed("more octets than any handshake has".to_owned()),
        }
    }

    /// Whether it certainly answers what was asked, and is not merely a
    /// connection that fell.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, Self::Alert(_))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alert(alert) => write!(f, "alert {alert}"),
            Self::Closed => f.write_str("closed without a word"),
            Self::Reset => f.write_str("connection reset"),
            Self::Silent => f.write_str("no answer"),
            Self::NotTls(beginning) => write!(f, "not TLS: {beginning}"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

/// The alert that ends a conversation of ours, in plain.
pub(crate) fn plain_farewell() -> Vec<u8> {
    use crate::wire::record::{ContentType, put_record};
    let mut out = Vec::new();
    put_record(
        &mut out,
        ContentType::Alert,
        crate::version::Version::Tls12.code(),
        &[1, Alert::CLOSE_NOTIFY.0],
    );
    out
}
