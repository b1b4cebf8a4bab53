//! Cipher suites (暗号スイート): their names, what is wrong with them, and the
//! twelve that CRYPTREC's 高セキュリティ型 allows.

mod names;

use crate::text::Text;
use crate::version::Version;
use serde::{Deserialize, Serialize};

/// A suite by its code in IANA's registry "TLS Cipher Suites".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite(pub u16);

/// How the key is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExchange {
    /// Ephemeral, on a curve, signed.
    Ecdhe,
    /// Ephemeral, in a finite field, signed.
    Dhe,
    /// TLS 1.3: ephemeral, the group and the signature negotiated apart.
    Tls13,
    /// Encrypted to the certificate's RSA key: no forward secrecy.
    StaticRsa,
    /// With a certificate that holds a Diffie-Hellman key: no forward secrecy.
    StaticDh,
    /// Nobody proves who they are.
    Anonymous,
    /// A shared secret, a password or a ticket takes the certificate's place.
    Shared,
    /// Anything else.
    Other,
}

/// Why a suite is not among the allowed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server's key alone opens every recorded conversation.
    StaticKeyExchange,
    /// Nobody proves who they are.
    Anonymous,
    /// A shared secret instead of a certificate.
    SharedSecret,
    /// Key sizes of the export rules of the 1990s.
    Export,
    /// Nothing is encrypted.
    NoEncryption,
    /// RC4 (RFC 7465).
    Rc4,
    /// DES, triple DES, IDEA or RC2: blocks of 64 bits.
    SmallBlocks,
    /// Cipher block chaining.
    Cbc,
    /// MD5.
    Md5,
    /// DSS certificates.
    Dss,
    /// ChaCha20-Poly1305.
    ChaCha20,
    /// CCM.
    Ccm,
    /// A cipher that stands on no list of CRYPTREC.
    OtherCipher,
}

impl Fault {
    /// In words.
    #[must_use]
    pub fn text(self) -> Text {
        let (ja, en) = match self {
            Self::StaticKeyExchange => ("固定鍵交換（前方秘匿性なし）", "static key exchange"),
            Self::Anonymous => ("匿名（認証なし）", "anonymous"),
            Self::SharedSecret => (
                "共有秘密（証明書なし）",
                "shared secret instead of a certificate",
            ),
            Self::Export => ("輸出規制級", "export grade"),
            Self::NoEncryption => ("暗号化なし", "no encryption"),
            Self::Rc4 => ("RC4", "RC4"),
            Self::SmallBlocks => ("64ビットブロック暗号", "64-bit blocks"),
            Self::Cbc => ("CBC", "CBC"),
            Self::Md5 => ("MD5", "MD5"),
            Self::Dss => ("DSS", "DSS"),
            Self::ChaCha20 => ("ChaCha20", "ChaCha20"),
            Self::Ccm => ("CCM", "CCM"),
            Self::OtherCipher => ("対象外の暗号", "a cipher on no list"),
        };
        Text::new(ja, en)
    }
}

/// The twelve suites of CRYPTREC's 高セキュリティ型 (FACTS of the rule: ECDHE or
/// DHE with AES-GCM, and their Camellia twins), strongest first.
pub const HIGH_SECURITY: [Suite; 12] = [
    Suite(0xC02C),
    Suite(0xC030),
    Suite(0x009F),
    Suite(0xC087),
    Suite(0xC08B),
    Suite(0xC07D),
    Suite(0xC02B),
    Suite(0xC02F),
    Suite(0x009E),
    Suite(0xC086),
    Suite(0xC08A),
    Suite(0xC07C),
];

/// The five suites of TLS 1.3 in the order of the TLS guide v3.0.1.
pub const TLS13: [Suite; 5] = [
    Suite(0x1302),
    Suite(0x1303),
    Suite(0x1301),
    Suite(0x1304),
    Suite(0x1305),
];

/// Those of the twelve that this network's own ends speak (`crates/tls`).
pub const SPOKEN_HERE: [Suite; 4] = [Suite(0xC02C), Suite(0xC030), Suite(0xC02B), Suite(0xC02F)];

impl Suite {
    /// Every known suite of TLS 1.2 and older, the best and most usual first, so that the
    /// first hellos already find what a server really takes.
    #[must_use]
    pub fn classic() -> Vec<Self> {
        let mut suites: Vec<Self> = Self::known().filter(|suite| !suite.is_tls13()).collect();
        let rank = |suite: &Self| HIGH_SECURITY.iter().position(|allowed| allowed == suite);
        suites.sort_by_cached_key(|suite| {
            let rank = rank(suite).unwrap_or(HIGH_SECURITY.len());
            (suite.rarity(), rank, suite.0)
        });
        suites
    }

    /// Every known suite of TLS 1.3, the usual ones first.
    #[must_use]
    pub fn tls13() -> Vec<Self> {
        let rest = Self::known().filter(|suite| suite.is_tls13() && !TLS13.contains(suite));
        TLS13.into_iter().chain(rest).collect()
    }

    fn known() -> impl Iterator<Item = Self> {
        names::NAMES.iter().map(|(code, _)| Self(*code))
    }

    /// 0 what servers run today, 1 what they ran once, 2 what nobody runs.
    fn rarity(self) -> u8 {
        if HIGH_SECURITY.contains(&self) {
            return 0;
        }
        let name = self.name();
        let usual = name.contains("AES_") || name.contains("CHACHA20") || name.contains("3DES");
        match self.key_exchange() {
            KeyExchange::Ecdhe | KeyExchange::Dhe | KeyExchange::StaticRsa
                if usual && !name.contains("DSS") =>
            {
                0
            }
            KeyExchange::Shared | KeyExchange::Other => 2,
            _ => 1,
        }
    }

    /// The registered name, or the code.
    #[must_use]
    pub fn name(self) -> String {
        self.registered()
            .map_or_else(|| format!("suite {:04x}", self.0), str::to_owned)
    }

    fn registered(self) -> Option<&'static str> {
        names::NAMES
            .binary_search_by_key(&self.0, |(code, _)| *code)
            .ok()
            .and_then(|place| names::NAMES.get(place))
            .map(|(_, name)| *name)
    }

    /// Whether it belongs to TLS 1.3.
    #[must_use]
    pub fn is_tls13(self) -> bool {
        // RFC 8446, RFC 8998 (SM4), RFC 9150 (integrity only), RFC 9367 (GOST).
        self.0 >> 8 == 0x13 || matches!(self.0, 0x00C6 | 0x00C7 | 0xC0B4 | 0xC0B5 | 0xC103..=0xC106)
    }

    /// How the key is agreed on.
    #[must_use]
    pub fn key_exchange(self) -> KeyExchange {
        if self.is_tls13() {
            return KeyExchange::Tls13;
        }
        let name = self.registered().unwrap_or_default();
        let how = name
            .strip_prefix("TLS_")
            .and_then(|rest| rest.split_once("_WITH_"))
            .map_or("", |(how, _)| how);
        if how.contains("PSK") || how.contains("SRP") || how.contains("KRB5") || how == "ECCPWD" {
            KeyExchange::Shared
        } else if how.contains("anon") {
            KeyExchange::Anonymous
        } else if how.starts_with("ECDHE_") {
            KeyExchange::Ecdhe
        } else if how.starts_with("DHE_") {
            KeyExchange::Dhe
        } else if how.starts_with("ECDH_") || how.starts_with("DH_") {
            KeyExchange::StaticDh
        } else if how.starts_with("RSA") {
            KeyExchange::StaticRsa
        } else {
            KeyExchange::Other
        }
    }

    /// The oldest version that can use it: AEAD and SHA-2 came with TLS 1.2.
    #[must_use]
    pub fn oldest_version(self) -> Version {
        if self.is_tls13() {
            return Version::Tls13;
        }
        let name = self.registered().unwrap_or_default();
        let psk = self.key_exchange() == KeyExchange::Shared;
        let modern = ["_GCM", "_CCM", "POLY1305"].iter().any(|part| name.contains(part))
            // RFC 5487 and 5489 let the PSK ones with SHA-2 be used before.
            || (!psk && (name.ends_with("SHA256") || name.ends_with("SHA384")));
        if modern {
            Version::Tls12
        } else {
            Version::Ssl3
        }
    }

    /// What stands against it under CRYPTREC's 高セキュリティ型; empty for the
    /// twelve.
    #[must_use]
    pub fn faults(self) -> Vec<Fault> {
        if HIGH_SECURITY.contains(&self) {
            return Vec::new();
        }
        let name = self.registered().unwrap_or_default();
        let cipher = name.split_once("_WITH_").map_or(name, |(_, cipher)| cipher);
        let mut faults = Vec::new();
        let mut add = |when: bool, fault: Fault| {
            if when {
                faults.push(fault);
            }
        };
        match self.key_exchange() {
            KeyExchange::StaticRsa | KeyExchange::StaticDh => add(true, Fault::StaticKeyExchange),
            KeyExchange::Anonymous => add(true, Fault::Anonymous),
            KeyExchange::Shared => add(true, Fault::SharedSecret),
            _ => {}
        }
        add(name.contains("EXPORT"), Fault::Export);
        add(
            cipher.starts_with("NULL") || matches!(self.0, 0xC0B4 | 0xC0B5),
            Fault::NoEncryption,
        );
        add(cipher.contains("RC4"), Fault::Rc4);
        add(
            ["DES", "IDEA", "RC2", "28147", "MAGMA"]
                .iter()
                .any(|part| cipher.contains(part)),
            Fault::SmallBlocks,
        );
        add(cipher.contains("_CBC"), Fault::Cbc);
        add(cipher.ends_with("MD5"), Fault::Md5);
        add(name.contains("_DSS"), Fault::Dss);
        add(cipher.contains("CHACHA20"), Fault::ChaCha20);
        add(cipher.contains("_CCM"), Fault::Ccm);
        add(
            ["ARIA", "SEED", "SM4", "KUZNYECHIK"]
                .iter()
                .any(|part| cipher.contains(part))
                || faults_unnamed(name),
            Fault::OtherCipher,
        );
        faults.sort_unstable();
        faults
    }
}

/// A suite that the table does not know has no cipher to speak of.
fn faults_unnamed(name: &str) -> bool {
    name.is_empty()
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Suite")]
struct Written {
    code: String,
    #[serde(default)]
    name: String,
}

impl Serialize for Suite {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            code: format!("{:04X}", self.0),
            name: self.name(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        u16::from_str_radix(&written.code, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
