//! Who a certificate proves its holder to be: one URI in the subject
//! alternative name, and nothing else.
//!
//! `iryonet:participant:<number>:device:<id>`, `iryonet:gateway:<name>`,
//! `iryonet:center:<name>`. A certificate with none or with two of them proves
//! nobody (see `authority` and `tls`).

use crate::gateway::{GatewayId, GatewayIdError};
use crate::number::{NumberError, ParticipantNumber};
use serde::{Deserialize, Serialize};

/// A device's number within its participant, given by the center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub u32);

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// SHA-256 of a certificate's DER: how registry, feed and gateway name one
/// certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a certificate fingerprint is 64 hexadecimal digits (SHA-256)")]
pub struct FingerprintError;

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = FingerprintError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(FingerprintError);
        }
        let mut out = [0; 32];
        for (place, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let digit = |b: u8| (b as char).to_digit(16).ok_or(FingerprintError);
            match pair {
                [high, low] => *place = (digit(*high)? << 4 | digit(*low)?) as u8,
                _ => return Err(FingerprintError),
            }
        }
        Ok(Self(out))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Whom a certificate proves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A device of a participant.
    Participant {
        /// 参加者.
        number: ParticipantNumber,
        /// 接続機器.
        device: DeviceId,
    },
    /// A gateway of the network.
    Gateway(GatewayId),
    /// A center; several may serve one network, each with its name.
    Center(GatewayId),
}

/// Why a URI proves nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of this network's scheme.
    #[error(
        "{0:?} is not an identity of this network (iryonet:participant:…, iryonet:gateway:…, iryonet:center:…)"
    )]
    Foreign(String),
    /// The number is none.
    #[error("the identity names no participant: {0}")]
    Number(#[from] NumberError),
    /// The device is none.
    #[error("the identity names no device: {0:?} is not a device number")]
    Device(String),
    /// The name is none.
    #[error("the identity names no gateway or center: {0}")]
    Name(#[from] GatewayIdError),
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Participant { number, device } => {
                write!(f, "iryonet:participant:{number}:device:{device}")
            }
            Self::Gateway(id) => write!(f, "iryonet:gateway:{id}"),
            Self::Center(id) => write!(f, "iryonet:center:{id}"),
        }
    }
}

impl std::str::FromStr for Identity {
    type Err = IdentityError;
    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let foreign = || IdentityError::Foreign(uri.chars().take(80).collect());
        let parts: Vec<&str> = uri.split(':').collect();
        match parts.as_slice() {
            ["iryonet", "participant", number, "device", device] => {
                // One spelling only: "007" or "+7" would be a second name for 7.
                let canonical = |text: &str| {
                    text == "0"
                        || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()))
                };
                if !canonical(number) || !canonical(device) {
                    return Err(foreign());
                }
                Ok(Self::Participant {
                    number: number.parse()?,
                    device: DeviceId(
                        device
                            .parse()
                            .map_err(|_| IdentityError::Device((*device).to_owned()))?,
                    ),
                })
            }
            ["iryonet", "gateway", name] => Ok(Self::Gateway(name.parse()?)),
            ["iryonet", "center", name] => Ok(Self::Center(name.parse()?)),
            _ => Err(foreign()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_spelling_of_a_number_proves_nobody() {
        for uri in [
            "iryonet:participant:007:device:1",
            "iryonet:participant:+7:device:1",
            "iryonet:participant:0:device:1",
            "iryonet:participant:16777216:device:1",
            "iryonet:participant:7:device:",
            "iryonet:participant:7",
            "iryonet:gateway:GW",
            "urn:iryonet:gateway:gw",
            "",
        ] {
            assert!(uri.parse::<Identity>().is_err(), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn an_identity_reads_as_it_was_written(n in 1u32..=ParticipantNumber::MAX, d: u32) {
            let identity = Identity::Participant { number: ParticipantNumber::new(n).unwrap(), device: DeviceId(d) };
            prop_assert_eq!(identity.to_string().parse::<Identity>(), Ok(identity));
        }

        #[test]
        fn a_fingerprint_reads_as_it_was_written(bytes: [u8; 32]) {
            let print = Fingerprint(bytes);
            prop_assert_eq!(print.to_string().parse::<Fingerprint>(), Ok(print));
            let json = serde_json::to_string(&print).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), print);
        }
    }
}
