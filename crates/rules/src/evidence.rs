//! 証拠の種類: by what a rule may be shown to be met.

use serde::{Deserialize, Serialize};

/// A kind of evidence. What a person brings, and what the center finds out by
/// itself ([`EvidenceKind::is_automatic`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// 書類: a document of the case.
    Document,
    /// 自己申告: the applicant says so.
    SelfDeclaration,
    /// 試験・確認: somebody of the network tried it, or asked.
    Test,
    /// 検査数字: the code passes the reading of its prefecture.
    CodeCheckDigit,
    /// 名簿掲載: the code stands in a public list.
    PublicListPresence,
    /// TLS検査: the service meets the profile.
    TlsCheckOfService,
    /// 逆引き: the addresses lead back to the name.
    AddressReverseCheck,
    /// 正引き: the name leads to the addresses and to no others.
    DomainReverseCheck,
    /// 証明書: the institution certificate counts.
    CertificateValid,
}

impl EvidenceKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Document,
        Self::SelfDeclaration,
        Self::Test,
        Self::CodeCheckDigit,
        Self::PublicListPresence,
        Self::TlsCheckOfService,
        Self::AddressReverseCheck,
        Self::DomainReverseCheck,
        Self::CertificateValid,
    ];

    /// Is it found out by the center, never claimed by a person?
    #[must_use]
    pub fn is_automatic(self) -> bool {
        !matches!(self, Self::Document | Self::SelfDeclaration | Self::Test)
    }

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::SelfDeclaration => "self-declaration",
            Self::Test => "test",
            Self::CodeCheckDigit => "code-check-digit",
            Self::PublicListPresence => "public-list-presence",
            Self::TlsCheckOfService => "tls-check-of-service",
            Self::AddressReverseCheck => "address-reverse-check",
            Self::DomainReverseCheck => "domain-reverse-check",
            Self::CertificateValid => "certificate-valid",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Document => "書類",
            Self::SelfDeclaration => "自己申告",
            Self::Test => "試験・確認",
            Self::CodeCheckDigit => "コードの検査数字",
            Self::PublicListPresence => "公的名簿への掲載",
            Self::TlsCheckOfService => "サービスのTLS検査",
            Self::AddressReverseCheck => "アドレスの逆引き",
            Self::DomainReverseCheck => "ドメイン名の正引き",
            Self::CertificateValid => "機関証明書の有効性",
        }
    }
}

/// The word names no kind of evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of evidence; known are {list}", list = EvidenceKind::ALL.map(EvidenceKind::as_str).join(", "))]
pub struct UnknownEvidence(pub String);

impl std::str::FromStr for EvidenceKind {
    type Err = UnknownEvidence;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownEvidence(word.chars().take(40).collect()))
    }
}

impl std::fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
