//! Alerts: how a peer says no.

use serde::{Deserialize, Serialize};

/// An alert by its number (RFC 8446 section 6, and older texts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alert(pub u8);

impl Alert {
    /// A regular end.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// No common parameters; also what old servers say to nearly everything.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// The version is not spoken.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// Something in common, but all of it too weak.
    pub const INSUFFICIENT_SECURITY: Self = Self(71);
    /// A warning: no second handshake on this connection.
    pub const NO_RENEGOTIATION: Self = Self(100);
    /// The server name is not known.
    pub const UNRECOGNIZED_NAME: Self = Self(112);

    /// The registered name, or the number.
    #[must_use]
    pub fn name(self) -> String {
        let name = match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => return format!("alert {}", self.0),
        };
        name.to_owned()
    }
}

impl std::fmt::Display for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}
