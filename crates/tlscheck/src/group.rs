//! Groups of the key exchange (鍵交換): curves and finite fields.

use serde::{Deserialize, Serialize};

/// A named group, by its number in IANA's registry "TLS Supported Groups".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub u16);

/// Number, name, and size of the field in bits.
const GROUPS: &[(u16, &str, u16)] = &[
    (0x0017, "secp256r1", 256),
    (0x0018, "secp384r1", 384),
    (0x0019, "secp521r1", 521),
    (0x001D, "x25519", 255),
    (0x001E, "x448", 448),
    (0x0016, "secp256k1", 256),
    (0x001A, "brainpoolP256r1", 256),
    (0x001B, "brainpoolP384r1", 384),
    (0x001C, "brainpoolP512r1", 512),
    (0x0001, "sect163k1", 163),
    (0x0002, "sect163r1", 163),
    (0x0003, "sect163r2", 163),
    (0x0004, "sect193r1", 193),
    (0x0005, "sect193r2", 193),
    (0x0006, "sect233k1", 233),
    (0x0007, "sect233r1", 233),
    (0x0008, "sect239k1", 239),
    (0x0009, "sect283k1", 283),
    (0x000A, "sect283r1", 283),
    (0x000B, "sect409k1", 409),
    (0x000C, "sect409r1", 409),
    (0x000D, "sect571k1", 571),
    (0x000E, "sect571r1", 571),
    (0x000F, "secp160k1", 160),
    (0x0010, "secp160r1", 160),
    (0x0011, "secp160r2", 160),
    (0x0012, "secp192k1", 192),
    (0x0013, "secp192r1", 192),
    (0x0014, "secp224k1", 224),
    (0x0015, "secp224r1", 224),
    // For TLS 1.3 alone.
    (0x001F, "brainpoolP256r1tls13", 256),
    (0x0020, "brainpoolP384r1tls13", 384),
    (0x0021, "brainpoolP512r1tls13", 512),
    (0x0029, "curveSM2", 256),
    (0x11EB, "SecP256r1MLKEM768", 256),
    (0x11EC, "X25519MLKEM768", 255),
    (0x11ED, "SecP384r1MLKEM1024", 384),
    (0x6399, "X25519Kyber768Draft00", 255),
    // Finite fields (RFC 7919).
    (0x0100, "ffdhe2048", 2048),
    (0x0101, "ffdhe3072", 3072),
    (0x0102, "ffdhe4096", 4096),
    (0x0103, "ffdhe6144", 6144),
    (0x0104, "ffdhe8192", 8192),
];

impl Group {
    /// NIST P-256.
    pub const P256: Self = Self(0x0017);
    /// NIST P-384.
    pub const P384: Self = Self(0x0018);
    /// NIST P-521.
    pub const P521: Self = Self(0x0019);
    /// RFC 7748's Curve25519.
    pub const X25519: Self = Self(0x001D);

    /// The curves that TLS 1.2 and older can agree on, the usual ones first.
    pub fn curves() -> impl Iterator<Item = Self> {
        GROUPS
            .iter()
            .map(|(code, ..)| Self(*code))
            .filter(|group| group.0 < 0x001F)
    }

    /// Everything that TLS 1.3 can agree on.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().map(|(code, ..)| Self(*code))
    }

    /// The registered name, or the number.
    #[must_use]
    pub fn name(self) -> String {
        self.row()
            .map_or_else(|| format!("group {:04x}", self.0), |row| row.1.to_owned())
    }

    /// Size of the field in bits: of the curve, or of the prime. A hybrid with
    /// ML-KEM counts by its curve. 0 for groups that are not known.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.row().map_or(0, |row| row.2)
    }

    /// Whether it is a finite field of RFC 7919.
    #[must_use]
    pub fn is_finite_field(self) -> bool {
        (0x0100..0x0200).contains(&self.0)
    }

    fn row(self) -> Option<&'static (u16, &'static str, u16)> {
        GROUPS.iter().find(|(code, ..)| *code == self.0)
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Group")]
struct Written {
    code: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    bits: u16,
}

impl Serialize for Group {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            code: format!("{:04X}", self.0),
            name: self.name(),
            bits: self.bits(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        u16::from_str_radix(&written.code, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
