//! 判定: what somebody found about one rule, and by what it is shown.

use iryonet_domain::{Actor, Digest, UnixMillis};
use iryonet_rules::rule::Text;
use iryonet_rules::{EvidenceKind, RuleId};
use serde::{Deserialize, Serialize};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// 適合.
    Met,
    /// 不適合.
    NotMet,
    /// 該当なし: the rule does not touch this participant, and the note says why.
    NotApplicable,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Met, Self::NotMet, Self::NotApplicable];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not-met",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// A judgement as somebody wants it recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// About which rule.
    pub rule: RuleId,
    /// What was found.
    pub verdict: Verdict,
    /// Shown by what; one of the kinds that the rule accepts. Left out where
    /// the rule is not met or not applicable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceKind>,
    /// In the examiner's words; wanted where the rule is not met or not
    /// applicable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Documents of the case that show it; wanted where the evidence is a
    /// document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Digest>,
}

/// A judgement as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The judgement.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// What the center itself found, where that is the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Text>,
    /// Who judged.
    pub by: Actor,
}

/// What the center found out by itself and recorded, for one thing that it
/// looked at. A later finding about the same thing takes the place of an
/// earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvidence {
    /// Which kind.
    pub kind: EvidenceKind,
    /// About what: a server, or a name.
    pub about: String,
    /// Does it show that the rule is met?
    pub passed: bool,
    /// In a sentence.
    pub text: Text,
    /// When.
    pub at: UnixMillis,
}
