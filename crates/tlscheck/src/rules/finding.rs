//! What one rule says of one report.

use super::Profile;
use crate::text::Text;
use serde::{Deserialize, Serialize};

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Q-29 of the Q&A to guideline 4.3.
    Q29,
    /// CRYPTREC's 高セキュリティ型, to which Q-29 refers.
    HighSecurity,
    /// Guideline 6.0.
    Guideline60,
    /// The TLS guide v3.0.1.
    TlsGuide,
    /// This network's own rule.
    Network,
}

impl Source {
    /// In words.
    #[must_use]
    pub fn text(self) -> Text {
        let (ja, en) = match self {
            Self::Q29 => (
                "「医療情報システムの安全管理に関するガイドライン 第4.3版」Q&A Q-29",
                "Q-29 of the Q&A to MHLW's guideline 4.3",
            ),
            Self::HighSecurity => (
                "CRYPTREC「SSL/TLS暗号設定ガイドライン」高セキュリティ型（Q-29 が準拠を求める）",
                "CRYPTREC's SSL/TLS guide, \"high security\" type, to which Q-29 refers",
            ),
            Self::Guideline60 => (
                "「医療情報システムの安全管理に関するガイドライン 第6.0版」",
                "MHLW's guideline 6.0",
            ),
            Self::TlsGuide => (
                "「TLS暗号設定ガイドライン」v3.0.1",
                "CRYPTREC's TLS guide v3.0.1",
            ),
            Self::Network => ("本ネットワークの規則", "this network's own rule"),
        };
        Text::new(ja, en)
    }
}

/// What came of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// 適合.
    Pass,
    /// 不適合.
    Fail,
    /// 判定不能: it was asked and could not be told.
    CouldNotTell,
    /// 未検査: what it needs was not given.
    NotAsked,
}

impl Outcome {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::CouldNotTell => "could-not-tell",
            Self::NotAsked => "not-asked",
        }
    }
}

/// One rule's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id, which never changes.
    pub rule: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What it asks.
    pub title: Text,
    /// What was seen.
    pub seen: Text,
    /// What would be right.
    pub right: Text,
    /// Where it comes from.
    pub source: Source,
    /// The same in words.
    pub clause: Text,
}

/// What all rules together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing fails, and nothing was left untold.
    Pass,
    /// At least one rule fails.
    Fail,
    /// Nothing fails, but something could not be told: not a pass.
    Incomplete,
}

/// What a report is worth under a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The profile.
    pub profile: Profile,
    /// All rules together.
    pub verdict: Verdict,
    /// Each rule.
    pub findings: Vec<Finding>,
}

impl Evidence {
    pub(super) fn new(profile: Profile, findings: Vec<Finding>) -> Self {
        let any = |outcome| findings.iter().any(|finding| finding.outcome == outcome);
        let verdict = if any(Outcome::Fail) {
            Verdict::Fail
        } else if any(Outcome::CouldNotTell) || findings.is_empty() {
            Verdict::Incomplete
        } else {
            Verdict::Pass
        };
        Self {
            profile,
            verdict,
            findings,
        }
    }

    /// Whether it passes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// The rules that were not shown to be met, by name; none where it passes.
    #[must_use]
    pub fn failed_rules(&self) -> Vec<String> {
        let mut failed: Vec<String> = self
            .findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::CouldNotTell))
            .map(|finding| finding.rule.to_string())
            .collect();
        // Nothing was found wrong, and nothing right either.
        if failed.is_empty() && !self.passed() {
            failed.push("nothing-told".to_owned());
        }
        failed
    }

    /// What one rule said.
    #[must_use]
    pub fn finding(&self, rule: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.rule == rule)
    }

    /// The ids of the rules that were not shown to be met: whatever did not
    /// pass, for whatever reason. Empty is what an opening check wants.
    #[must_use]
    pub fn unmet(&self) -> Vec<&str> {
        self.findings
            .iter()
            .filter(|finding| finding.outcome != Outcome::Pass)
            .map(|finding| finding.rule.as_str())
            .collect()
    }

    /// The ids of the rules with that outcome.
    #[must_use]
    pub fn rules(&self, outcome: Outcome) -> Vec<&str> {
        self.findings
            .iter()
            .filter(|finding| finding.outcome == outcome)
            .map(|finding| finding.rule.as_str())
            .collect()
    }
}

/// A rule's words.
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) title: (&'static str, &'static str),
    pub(crate) right: (&'static str, &'static str),
    pub(crate) source: Source,
}

/// What a rule made of a report.
pub(crate) struct Ruling {
    pub(crate) outcome: Outcome,
    pub(crate) seen: Text,
}

impl Ruling {
    pub(crate) fn new(outcome: Outcome, ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            outcome,
            seen: Text::new(ja, en),
        }
    }

    /// Passes or fails with the same words in both languages.
    pub(crate) fn plain(passes: bool, seen: impl Into<String>) -> Self {
        Self {
            outcome: if passes { Outcome::Pass } else { Outcome::Fail },
            seen: Text::same(seen),
        }
    }

    pub(crate) fn untold(seen: Text) -> Self {
        Self {
            outcome: Outcome::CouldNotTell,
            seen,
        }
    }
}

impl Rule {
    pub(crate) fn find(&self, ruling: Ruling) -> Finding {
        Finding {
            rule: self.id.to_owned(),
            outcome: ruling.outcome,
            title: Text::new(self.title.0, self.title.1),
            seen: ruling.seen,
            right: Text::new(self.right.0, self.right.1),
            source: self.source,
            clause: self.source.text(),
        }
    }
}
