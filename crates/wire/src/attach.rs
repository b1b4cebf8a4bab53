//! The attach conversation between a site's device and its gateway, inside
//! mutual TLS: the device says hello, the gateway binds the line to the proven
//! participant for a lease, the device renews it, either side ends it.
//!
//! Frames: length (u32, big endian), then JSON. The identity is never in here:
//! it is the one that the handshake proved.

use iryonet_domain::{GatewayId, NetworkPrefix, ParticipantNumber, SiteIndex};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// Version of this conversation.
pub const VERSION: u16 = 1;

/// Largest frame in bytes, either way.
pub const FRAME_MAX_BYTES: usize = 16 << 10;

/// TCP port of the attach listener on the gateway's link-local address.
pub const ATTACH_PORT: u16 = 4433;

/// TCP port, on the same address, that relays to the center's public listener:
/// how a site without a certificate enrols.
pub const ENROL_PORT: u16 = 4434;

/// From the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromDevice {
    /// First message.
    Hello {
        /// [`VERSION`].
        version: u16,
        /// Name and release of the agent, for the operator's eyes; at most 64 characters.
        agent: String,
    },
    /// Renews the lease.
    Renew {
        /// Counts up from 1.
        sequence: u64,
    },
    /// Ends the attachment in good order.
    Bye,
}

/// From the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromGateway {
    /// The line is bound.
    Bound {
        /// To whom, as proved.
        participant: ParticipantNumber,
        /// Which site this line is of.
        site: SiteIndex,
        /// The site's /64, host bits zero.
        prefix: Ipv6Addr,
        /// The whole network: what to route this way.
        network: NetworkPrefix,
        /// Which gateway.
        gateway: GatewayId,
        /// The binding dies this long after the last renewal.
        lease_ms: u32,
        /// Renew this often.
        renew_ms: u32,
    },
    /// The lease goes on.
    Renewed {
        /// The sequence of the renewal.
        sequence: u64,
    },
    /// The line is not bound, or no longer. The connection ends after it.
    Refused {
        /// Why.
        reason: Refusal,
        /// Try again after this; `None`: not before somebody acts.
        retry_after_ms: Option<u32>,
    },
}

/// Why a gateway does not bind a line, or unbinds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The certificate was revoked.
    Revoked,
    /// The certificate is not one that the registry knows for this participant.
    UnknownDevice,
    /// The certificate has run out.
    Expired,
    /// The participant is quarantined.
    Quarantined,
    /// The participant left the network.
    Closed,
    /// The line belongs to somebody else.
    WrongLine,
    /// The center has registered no line here.
    UnknownLine,
    /// The gateway holds no valid policy.
    NoPolicy,
    /// The gateway is full; try the other one.
    Full,
    /// The gateway is being taken out of service; try the other one.
    Draining,
    /// The device broke the conversation's rules.
    Protocol,
    /// A newer attachment of the same line took over.
    Superseded,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 12] = [
        Self::Revoked,
        Self::UnknownDevice,
        Self::Expired,
        Self::Quarantined,
        Self::Closed,
        Self::WrongLine,
        Self::UnknownLine,
        Self::NoPolicy,
        Self::Full,
        Self::Draining,
        Self::Protocol,
        Self::Superseded,
    ];

    /// The word used in counters and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::UnknownDevice => "unknown-device",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
            Self::Closed => "closed",
            Self::WrongLine => "wrong-line",
            Self::UnknownLine => "unknown-line",
            Self::NoPolicy => "no-policy",
            Self::Full => "full",
            Self::Draining => "draining",
            Self::Protocol => "protocol",
            Self::Superseded => "superseded",
        }
    }

    /// For the institution's officer: what it means and what to do.
    #[must_use]
    pub fn explain_ja(self) -> &'static str {
        match self {
            Self::Revoked => {
                "この機器の証明書は失効しています。センターに連絡し、新しい登録コードを受け取ってください。"
            }
            Self::UnknownDevice => {
                "この証明書は登録されていません。センターに登録状況を確認してください。"
            }
            Self::Expired => "証明書の有効期限が切れています。更新または再登録が必要です。",
            Self::Quarantined => {
                "この機関は安全のため一時的に隔離されています。センターのセキュリティ担当に連絡してください。"
            }
            Self::Closed => {
                "この機関は閉鎖の手続きが済んでいます。再び利用するには申請が必要です。"
            }
            Self::WrongLine => {
                "この回線は別の機関のものとして登録されています。回線の接続先を確認してください。"
            }
            Self::UnknownLine => {
                "この回線は登録されていません。センターに回線の登録を依頼してください。"
            }
            Self::NoPolicy => {
                "ゲートウェイが有効な方針を受け取っていません。しばらくして自動的に再接続します。"
            }
            Self::Full => "このゲートウェイは満杯です。もう一方のゲートウェイに接続します。",
            Self::Draining => {
                "このゲートウェイは保守のため停止準備中です。もう一方のゲートウェイに接続します。"
            }
            Self::Protocol => "接続手順に誤りがありました。機器のソフトウェアを確認してください。",
            Self::Superseded => "同じ回線で新しい接続が始まったため、この接続を終えました。",
        }
    }

    /// The same in English.
    #[must_use]
    pub fn explain_en(self) -> &'static str {
        match self {
            Self::Revoked => {
                "This device's certificate was revoked. Ask the center for a new enrolment code."
            }
            Self::UnknownDevice => {
                "This certificate is not registered. Ask the center about the registration."
            }
            Self::Expired => "The certificate has run out. Renew it or enrol again.",
            Self::Quarantined => {
                "The institution is quarantined for security. Call the center's security officer."
            }
            Self::Closed => {
                "The institution has left the network. Using it again takes an application."
            }
            Self::WrongLine => {
                "This line is registered for another institution. Check where the line is plugged in."
            }
            Self::UnknownLine => "This line is not registered. Ask the center to register it.",
            Self::NoPolicy => "The gateway holds no valid policy. The agent tries again by itself.",
            Self::Full => "This gateway is full. The other gateway is tried.",
            Self::Draining => {
                "This gateway is being taken out of service. The other gateway is tried."
            }
            Self::Protocol => "The conversation's rules were broken. Check the device's software.",
            Self::Superseded => "A newer connection on the same line took over.",
        }
    }

    /// May trying again by itself help?
    #[must_use]
    pub fn passes_by_itself(self) -> bool {
        matches!(self, Self::NoPolicy | Self::Full | Self::Draining)
    }
}

/// Why bytes are not a frame of the conversation.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Larger than either side takes.
    #[error("a frame of {0} bytes was announced; at most {FRAME_MAX_BYTES} are taken")]
    TooLarge(usize),
    /// Not a message.
    #[error("the frame is no message of the attach conversation")]
    Malformed(#[from] serde_json::Error),
}

/// A message with its length before it.
///
/// # Errors
/// When it would be larger than [`FRAME_MAX_BYTES`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    check_length(length)?;
    let mut out = Vec::with_capacity(4 + body.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// The length that a frame's first four bytes announce, if it is allowed.
///
/// # Errors
/// When it is larger than [`FRAME_MAX_BYTES`].
pub fn body_length(header: [u8; 4]) -> Result<usize, FrameError> {
    check_length(u32::from_be_bytes(header))
}

fn check_length(length: u32) -> Result<usize, FrameError> {
    let length = length as usize;
    if length > FRAME_MAX_BYTES {
        Err(FrameError::TooLarge(length))
    } else {
        Ok(length)
    }
}

/// Reads a frame's body.
///
/// # Errors
/// When it is no message.
pub fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_arrives_as_it_was_sent() {
        let sent = FromDevice::Renew { sequence: 7 };
        let frame = encode(&sent).unwrap();
        let (header, body) = frame.split_at(4);
        assert_eq!(body_length(header.try_into().unwrap()).unwrap(), body.len());
        assert_eq!(decode::<FromDevice>(body).unwrap(), sent);
    }

    #[test]
    fn an_announced_giant_is_refused_before_it_is_read() {
        assert!(matches!(
            body_length([0xff; 4]),
            Err(FrameError::TooLarge(_))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = decode::<FromDevice>(&bytes);
            let _ = decode::<FromGateway>(&bytes);
        }
    }
}
