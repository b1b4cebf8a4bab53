//! A rule: what it says, where it comes from, to whom it applies, and what
//! shows that it is met.

use crate::evidence::EvidenceKind;
use iryonet_domain::{CaseKind, LineKind, ParticipantKind};
use serde::{Deserialize, Serialize};

/// The name of a rule, for ever: 3 to 64 characters of `a-z`, `0-9`, `.` and
/// `-`, beginning with a letter. A rule whose meaning becomes another gets
/// another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleId(String);

/// The text is not the name of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the name of a rule; it has 3 to 64 characters of a-z, 0-9, '.' and '-', and begins with a letter"
)]
pub struct RuleIdError(pub String);

impl RuleId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RuleId {
    type Error = RuleIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (3..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        if fits {
            Ok(Self(text))
        } else {
            Err(RuleIdError(text.chars().take(80).collect()))
        }
    }
}

impl std::str::FromStr for RuleId {
    type Err = RuleIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<RuleId> for String {
    fn from(id: RuleId) -> Self {
        id.0
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version of a rule set, 1 and upwards. All its files have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleVersion(pub u32);

impl std::fmt::Display for RuleVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which file a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// 接続要件（拠点）.
    Site,
    /// 接続要件（事業者）.
    Provider,
    /// 審査項目.
    Examination,
    /// 開通試験項目.
    Opening,
    /// 監査項目.
    Audit,
}

impl Part {
    /// Every part; a rule set has each once.
    pub const ALL: [Self; 5] = [
        Self::Site,
        Self::Provider,
        Self::Examination,
        Self::Opening,
        Self::Audit,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Provider => "provider",
            Self::Examination => "examination",
            Self::Opening => "opening",
            Self::Audit => "audit",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The same in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Name.
    pub id: RuleId,
    /// Which file it stands in.
    pub part: Part,
    /// What it says.
    pub text: Text,
    /// Where it comes from.
    pub source: Text,
    /// To which kinds it applies, ascending; empty means every kind.
    pub kinds: Vec<ParticipantKind>,
    /// To whom it applies by the lines in use or wanted, ascending; empty means
    /// whatever the lines are.
    pub lines: Vec<LineKind>,
    /// In which cases it is looked at, ascending; one at least.
    pub cases: Vec<CaseKind>,
    /// Must it be met?
    pub mandatory: bool,
    /// The version in which it last became stricter or another. Who was
    /// examined under an earlier one has not been examined for it.
    pub since: RuleVersion,
    /// What shows that it is met, ascending; one at least.
    pub evidence: Vec<EvidenceKind>,
}

/// What decides whether a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile<'a> {
    /// Of what kind the participant is, or wants to be.
    pub kind: ParticipantKind,
    /// Kinds of its lines, in use or wanted.
    pub lines: &'a [LineKind],
    /// What the case is about.
    pub case: CaseKind,
}

impl Rule {
    /// Is it to be looked at?
    #[must_use]
    pub fn applies(&self, profile: Profile<'_>) -> bool {
        self.cases.contains(&profile.case)
            && (self.kinds.is_empty() || self.kinds.contains(&profile.kind))
            && (self.lines.is_empty() || self.lines.iter().any(|l| profile.lines.contains(l)))
    }
}
