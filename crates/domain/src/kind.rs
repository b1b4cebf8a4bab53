//! What a participant is: the kinds of institutions, and providers.

use serde::{Deserialize, Serialize};

/// 点数表: the score table under which an institution claims; third digit of
/// its ten-digit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreTable {
    /// 医科, digit 1.
    Medical,
    /// 歯科, digit 3.
    Dental,
    /// 調剤, digit 4.
    Dispensing,
    /// 訪問看護, digit 6.
    HomeNursing,
}

impl ScoreTable {
    /// The digit in the code.
    #[must_use]
    pub fn digit(self) -> u8 {
        match self {
            Self::Medical => 1,
            Self::Dental => 3,
            Self::Dispensing => 4,
            Self::HomeNursing => 6,
        }
    }

    /// The table with this digit, if there is one.
    #[must_use]
    pub fn from_digit(digit: u8) -> Option<Self> {
        match digit {
            1 => Some(Self::Medical),
            3 => Some(Self::Dental),
            4 => Some(Self::Dispensing),
            6 => Some(Self::HomeNursing),
            _ => None,
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Medical => "医科",
            Self::Dental => "歯科",
            Self::Dispensing => "調剤",
            Self::HomeNursing => "訪問看護",
        }
    }
}

/// 医療機関等の種別.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstitutionKind {
    /// 病院: twenty beds or more.
    Hospital,
    /// 診療所.
    Clinic,
    /// 歯科診療所.
    DentalClinic,
    /// 薬局.
    Pharmacy,
    /// 介護事業所.
    CareOffice,
    /// 訪問看護ステーション.
    HomeNursing,
}

impl InstitutionKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Hospital,
        Self::Clinic,
        Self::DentalClinic,
        Self::Pharmacy,
        Self::CareOffice,
        Self::HomeNursing,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Clinic => "clinic",
            Self::DentalClinic => "dental-clinic",
            Self::Pharmacy => "pharmacy",
            Self::CareOffice => "care-office",
            Self::HomeNursing => "home-nursing",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Hospital => "病院",
            Self::Clinic => "診療所",
            Self::DentalClinic => "歯科診療所",
            Self::Pharmacy => "薬局",
            Self::CareOffice => "介護事業所",
            Self::HomeNursing => "訪問看護ステーション",
        }
    }

    /// The score table its code carries. Care offices have no ten-digit
    /// institution code but a 介護保険事業所番号, so they have none.
    #[must_use]
    pub fn score_table(self) -> Option<ScoreTable> {
        match self {
            Self::Hospital | Self::Clinic => Some(ScoreTable::Medical),
            Self::DentalClinic => Some(ScoreTable::Dental),
            Self::Pharmacy => Some(ScoreTable::Dispensing),
            Self::HomeNursing => Some(ScoreTable::HomeNursing),
            Self::CareOffice => None,
        }
    }
}

/// 参加者の種別: an institution of some kind, or a provider of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ParticipantKind {
    /// 医療機関等.
    Institution(InstitutionKind),
    /// サービス提供事業者.
    Provider,
}

/// The word names no kind of participant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a kind of participant; known are hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing and provider"
)]
pub struct UnknownKind(pub String);

impl ParticipantKind {
    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Institution(kind) => kind.as_str(),
            Self::Provider => "provider",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Institution(kind) => kind.name_ja(),
            Self::Provider => "サービス提供事業者",
        }
    }
}

impl std::str::FromStr for ParticipantKind {
    type Err = UnknownKind;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word == "provider" {
            return Ok(Self::Provider);
        }
        InstitutionKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .map(Self::Institution)
            .ok_or_else(|| UnknownKind(word.chars().take(40).collect()))
    }
}

impl TryFrom<String> for ParticipantKind {
    type Error = UnknownKind;
    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

impl From<ParticipantKind> for String {
    fn from(kind: ParticipantKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl std::fmt::Display for ParticipantKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
