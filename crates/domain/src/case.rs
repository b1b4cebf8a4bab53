//! 申請: what a case is about, and its number. What becomes of it is for the
//! registry.

use serde::{Deserialize, Serialize};

/// A case's number, given by the center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseId(pub u64);

impl std::fmt::Display for CaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for CaseId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// 申請の種別.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseKind {
    /// 加入: a new participant.
    Admission,
    /// 変更: name, officer, sites, lines or services of a participant.
    Change,
    /// 機器追加: one more device of a participant.
    SecondDevice,
    /// 移転: a new place, and with it a new code.
    Relocation,
    /// 開設者変更: a new owner, and with it a new code; the same participant.
    ChangeOfOwner,
    /// 休止.
    Suspension,
    /// 再開.
    Resumption,
    /// 脱退.
    Withdrawal,
    /// 名簿からの消滅: proposed when a newer public list no longer names it.
    ClosingByList,
    /// 再監査: examined anew, under the rules of today.
    Audit,
}

impl CaseKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Admission,
        Self::Change,
        Self::SecondDevice,
        Self::Relocation,
        Self::ChangeOfOwner,
        Self::Suspension,
        Self::Resumption,
        Self::Withdrawal,
        Self::ClosingByList,
        Self::Audit,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Change => "change",
            Self::SecondDevice => "second-device",
            Self::Relocation => "relocation",
            Self::ChangeOfOwner => "change-of-owner",
            Self::Suspension => "suspension",
            Self::Resumption => "resumption",
            Self::Withdrawal => "withdrawal",
            Self::ClosingByList => "closing-by-list",
            Self::Audit => "audit",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Admission => "加入",
            Self::Change => "変更",
            Self::SecondDevice => "機器追加",
            Self::Relocation => "移転",
            Self::ChangeOfOwner => "開設者変更",
            Self::Suspension => "休止",
            Self::Resumption => "再開",
            Self::Withdrawal => "脱退",
            Self::ClosingByList => "名簿からの消滅による閉鎖",
            Self::Audit => "再監査",
        }
    }
}

/// The word names no kind of case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of case; known are {list}", list = CaseKind::ALL.map(CaseKind::as_str).join(", "))]
pub struct UnknownCaseKind(pub String);

impl std::str::FromStr for CaseKind {
    type Err = UnknownCaseKind;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownCaseKind(word.chars().take(40).collect()))
    }
}

impl std::fmt::Display for CaseKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
