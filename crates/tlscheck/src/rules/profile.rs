//! The profiles, named by the rule that each follows.

use serde::{Deserialize, Serialize};

/// A rule that a server or client is held against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name")]
pub enum Profile {
    /// 医療情報システムの安全管理に関するガイドライン 第4.3版 with
    /// CRYPTREC's 高セキュリティ型: TLS 1.2 only.
    #[default]
    #[serde(rename = "guideline-4.3")]
    Guideline43,
    /// 同 第6.0版: TLS 1.3; TLS 1.2 where TLS 1.3 is hard.
    #[serde(rename = "guideline-6.0")]
    Guideline60 {
        /// A recorded exception lets this participant speak TLS 1.2.
        tls12_exception: bool,
    },
}

/// A word that names no profile.
#[derive(Debug, thiserror::Error)]
#[error("there is no profile {0:?}; guideline-4.3 and guideline-6.0 are the ones that there are")]
pub struct UnknownProfile(String);

impl Profile {
    /// The word used in files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guideline43 => "guideline-4.3",
            Self::Guideline60 { .. } => "guideline-6.0",
        }
    }

    /// The same profile with or without TLS 1.2 by exception; means nothing to
    /// `guideline-4.3`.
    #[must_use]
    pub fn with_tls12_exception(self, tls12_exception: bool) -> Self {
        match self {
            Self::Guideline43 => self,
            Self::Guideline60 { .. } => Self::Guideline60 { tls12_exception },
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "guideline-4.3" => Ok(Self::Guideline43),
            "guideline-6.0" => Ok(Self::Guideline60 {
                tls12_exception: false,
            }),
            _ => Err(UnknownProfile(crate::text::shown(word))),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
