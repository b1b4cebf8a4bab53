//! What came of a handshake that was carried to its end, or as far as it went.

use super::Refusal;
use super::flight::Flight;
use crate::crypto::Cipher;
use crate::wire::Alert;

/// What we do once the handshake stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// Go away at once.
    Leave,
    /// Say nothing, and hear whether the other side closes.
    Wait,
    /// Send this, and hear what comes back.
    Ask(Vec<u8>),
    /// Ask for a second handshake on the same connection (TLS 1.2).
    Renegotiate,
}

/// What was heard after the handshake stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing within the time: the connection stands.
    Silence,
    /// Data of the application; how it begins.
    Data(Vec<u8>),
    /// An alert.
    Alert(Alert),
    /// It was closed without one.
    Closed,
    /// A second handshake began.
    Renegotiates,
}

/// What was handed out to resume with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) lifetime_s: u32,
    pub(crate) age_add: u32,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ticket: Vec<u8>,
}

/// A handshake as far as it went.
#[derive(Debug)]
pub(crate) struct Carried {
    /// `None` when not even a hello came.
    pub(crate) flight: Option<Flight>,
    /// Why it did not come to stand; `None` when it did.
    pub(crate) refused: Option<Refusal>,
    /// We had answered the server's flight when it was refused.
    pub(crate) answered: bool,
    /// Whether the server signed with its certificate's key; `None` when it
    /// was not seen or cannot be checked here.
    pub(crate) key_proved: Option<bool>,
    /// What TLS 1.3's tickets are made good with.
    pub(crate) resumption: Option<(Cipher, Vec<u8>)>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) after: After,
}

impl Carried {
    pub(crate) fn new() -> Self {
        Self {
            flight: None,
            refused: None,
            answered: false,
            key_proved: None,
            resumption: None,
            tickets: Vec::new(),
            after: After::Silence,
        }
    }

    /// Whether the handshake came to stand.
    pub(crate) fn stands(&self) -> bool {
        self.refused.is_none()
    }
}
