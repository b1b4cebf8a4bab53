//! 利用合意: what opens a path. Provider and participant, a service, a purpose,
//! a validity, both signatures.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// An agreement's number, given by the center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgreementId(pub u64);

impl std::fmt::Display for AgreementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// 用途: what the path may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// 地域医療連携.
    RegionalCollaboration,
    /// 医療介護連携.
    CareCollaboration,
    /// HPKI.
    Hpki,
    /// 高精細映像伝送.
    Video,
    /// インターネット接続.
    Internet,
    /// オンライン請求.
    OnlineClaims,
    /// 被保険者資格確認.
    Eligibility,
    /// 電子紹介状.
    Referral,
    /// 電子処方箋.
    Prescription,
    /// 治療・検査DB.
    ClinicalDatabase,
    /// 保守: the provider's or vendor's upkeep.
    Maintenance,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 11] = [
        Self::RegionalCollaboration,
        Self::CareCollaboration,
        Self::Hpki,
        Self::Video,
        Self::Internet,
        Self::OnlineClaims,
        Self::Eligibility,
        Self::Referral,
        Self::Prescription,
        Self::ClinicalDatabase,
        Self::Maintenance,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegionalCollaboration => "regional-collaboration",
            Self::CareCollaboration => "care-collaboration",
            Self::Hpki => "hpki",
            Self::Video => "video",
            Self::Internet => "internet",
            Self::OnlineClaims => "online-claims",
            Self::Eligibility => "eligibility",
            Self::Referral => "referral",
            Self::Prescription => "prescription",
            Self::ClinicalDatabase => "clinical-database",
            Self::Maintenance => "maintenance",
        }
    }
}

/// The word names no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a purpose; known are {list}", list = Purpose::ALL.map(Purpose::as_str).join(", "))]
pub struct UnknownPurpose(pub String);

impl std::str::FromStr for Purpose {
    type Err = UnknownPurpose;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
            .ok_or_else(|| UnknownPurpose(word.chars().take(40).collect()))
    }
}

/// From when until when something holds: `from` included, `until` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Validity {
    /// First millisecond.
    pub from: UnixMillis,
    /// First millisecond after.
    pub until: UnixMillis,
}

/// The end is not after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a validity must end after it begins")]
pub struct EmptyValidity;

impl Validity {
    /// A validity.
    ///
    /// # Errors
    /// When it would hold at no time.
    pub fn new(from: UnixMillis, until: UnixMillis) -> Result<Self, EmptyValidity> {
        if from < until {
            Ok(Self { from, until })
        } else {
            Err(EmptyValidity)
        }
    }

    /// Does it hold at this time?
    #[must_use]
    pub fn holds_at(&self, now: UnixMillis) -> bool {
        self.from <= now && now < self.until
    }
}
