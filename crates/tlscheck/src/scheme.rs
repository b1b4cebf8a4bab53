//! Signature schemes of the handshake (署名方式).

use serde::{Deserialize, Serialize};

/// A scheme by its number in IANA's registry "TLS SignatureScheme"; in TLS 1.2
/// the same two octets are hash and signature (RFC 5246 section 7.4.1.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheme(pub u16);

const SCHEMES: &[(u16, &str)] = &[
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080A, "rsa_pss_pss_sha384"),
    (0x080B, "rsa_pss_pss_sha512"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0402, "dsa_sha256"),
    (0x0502, "dsa_sha384"),
    (0x0602, "dsa_sha512"),
    (0x0303, "ecdsa_sha224"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0203, "ecdsa_sha1"),
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0103, "ecdsa_md5"),
    (0x0101, "rsa_pkcs1_md5"),
];

impl Scheme {
    /// Every scheme, strong ones first: what a probe offers, so that a server
    /// with an old key still answers and can be judged.
    pub fn all() -> impl Iterator<Item = Self> {
        SCHEMES.iter().map(|(code, _)| Self(*code))
    }

    /// The registered name, or the number.
    #[must_use]
    pub fn name(self) -> String {
        SCHEMES
            .iter()
            .find(|(code, _)| *code == self.0)
            .map_or_else(
                || format!("scheme {:04x}", self.0),
                |(_, name)| (*name).to_owned(),
            )
    }

    /// Whether the hash is SHA-256 or better.
    #[must_use]
    pub fn is_strong(self) -> bool {
        matches!(self.0, 0x0807 | 0x0808) || matches!(self.0 >> 8, 4..=6 | 8)
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Scheme")]
struct Written {
    code: String,
    #[serde(default)]
    name: String,
}

impl Serialize for Scheme {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            code: format!("{:04X}", self.0),
            name: self.name(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        u16::from_str_radix(&written.code, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
