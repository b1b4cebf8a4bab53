//! 回線: one access of a site.

use crate::gateway::GatewayId;
use serde::{Deserialize, Serialize};

/// A line's number, given by the center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub u32);

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// By what access a site comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// 広域イーサネット: one attachment circuit per site.
    Ethernet,
    /// IP-VPN: addresses assigned by the carrier.
    IpVpn,
    /// IPsec + IKE.
    Ipsec,
    /// TLS front per service; no tunnel.
    Tls,
}

impl LineKind {
    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::IpVpn => "ip-vpn",
            Self::Ipsec => "ipsec",
            Self::Tls => "tls",
        }
    }
}

/// Where an `ethernet` line ends: a gateway, and the network interface of the
/// attachment circuit there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Circuit {
    /// The gateway that ends the line.
    pub gateway: GatewayId,
    /// Its interface, 1 to 15 characters (Linux IFNAMSIZ less one).
    pub interface: String,
}

/// Why a text is not the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an interface name; it has 1 to 15 characters, of letters, digits, '-', '_' and '.'"
)]
pub struct InterfaceNameError(pub String);

/// Checks the name of a network interface.
///
/// # Errors
/// When Linux would not take it, or when it would be read as something else on
/// the way (`/`, blanks, `..`).
pub fn check_interface_name(name: &str) -> Result<(), InterfaceNameError> {
    let fits = (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits {
        Ok(())
    } else {
        Err(InterfaceNameError(name.chars().take(40).collect()))
    }
}
