//! 申請・審査・承認・開通: a case, from its application to its end.
//!
//! received -> accepted for examination (or returned, and sent in again) -> in
//! examination -> examined -> approved or rejected by a second person -> code
//! handed out -> certificate -> opening test -> done. Which of the last steps a
//! case has, its kind says ([`Case::wants_certificate`], [`Case::wants_test`]).
//!
//! A case has a version that grows with every act on it, and whoever acts names
//! the version that they looked at: of two who decide at once, the second is
//! told who was first. The second pair of eyes is a matter of *names*, never of
//! roles: see [`people`].

mod application;
mod apply;
pub(crate) mod approve;
mod automatic;
pub mod command;
mod decide;
mod document;
mod event;
pub(crate) mod examine;
mod judgement;
mod next;
pub(crate) mod open;
pub mod people;
mod probe;
pub(crate) mod receive;
mod refusal;

pub use application::{
    Admission, Application, Change, LinesWish, Relocation, ServiceWish, SiteWish,
};
pub use automatic::findings;
pub use document::{Document, DocumentError, MEDIA_TYPES};
pub use event::CaseEvent;
pub use examine::{Item, items};
pub use judgement::{Judged, Judgement, RecordedEvidence, Verdict};
pub use next::next_steps;
pub use probe::{Probe, probes};
pub use refusal::CaseRefusal;

pub(crate) use apply::apply;
pub(crate) use open::{certified, handed_out};
pub(crate) use receive::propose_closing;

use iryonet_domain::{Actor, CaseId, CaseKind, LineKind, Officer, ParticipantNumber, UnixMillis};
use iryonet_rules::RuleVersion;
use serde::{Deserialize, Serialize};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseState {
    /// 受付: came in, nobody has looked yet.
    Received,
    /// 差戻し: something is missing; the applicant may send it in again.
    Returned,
    /// 受理: complete; waits for its examiner.
    Accepted,
    /// 審査中.
    InExamination,
    /// 審査済: waits for the second person.
    Examined,
    /// 承認.
    Approved,
    /// 登録コード交付済.
    CodeHandedOut,
    /// 機関証明書発行済.
    Certified,
    /// 開通試験合格.
    Tested,
    /// 完了.
    Done,
    /// 不承認.
    Rejected,
    /// 取下げ.
    Withdrawn,
    /// 失効: untouched for too long.
    Lapsed,
}

impl CaseState {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Received,
        Self::Returned,
        Self::Accepted,
        Self::InExamination,
        Self::Examined,
        Self::Approved,
        Self::CodeHandedOut,
        Self::Certified,
        Self::Tested,
        Self::Done,
        Self::Rejected,
        Self::Withdrawn,
        Self::Lapsed,
    ];

    /// Is there still something to do?
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(
            self,
            Self::Done | Self::Rejected | Self::Withdrawn | Self::Lapsed
        )
    }

    /// Has the second person said yes?
    #[must_use]
    pub fn is_approved(self) -> bool {
        matches!(
            self,
            Self::Approved | Self::CodeHandedOut | Self::Certified | Self::Tested | Self::Done
        )
    }

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Returned => "returned",
            Self::Accepted => "accepted",
            Self::InExamination => "in-examination",
            Self::Examined => "examined",
            Self::Approved => "approved",
            Self::CodeHandedOut => "code-handed-out",
            Self::Certified => "certified",
            Self::Tested => "tested",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Received => "受付",
            Self::Returned => "差戻し",
            Self::Accepted => "受理",
            Self::InExamination => "審査中",
            Self::Examined => "審査済",
            Self::Approved => "承認",
            Self::CodeHandedOut => "登録コード交付済",
            Self::Certified => "機関証明書発行済",
            Self::Tested => "開通試験合格",
            Self::Done => "完了",
            Self::Rejected => "不承認",
            Self::Withdrawn => "取下げ",
            Self::Lapsed => "失効",
        }
    }
}

impl std::fmt::Display for CaseState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the examiner makes of all items together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recommendation {
    /// 承認相当.
    Approve,
    /// 不承認相当.
    Reject,
}

impl Recommendation {
    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// The end of an examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examined {
    /// Who concluded it.
    pub by: Actor,
    /// When.
    pub at: UnixMillis,
    /// With what.
    pub recommendation: Recommendation,
    /// Why, in the examiner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the second person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: UnixMillis,
    /// Yes or no.
    pub approved: bool,
    /// Why, where a reason was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Number, for ever.
    pub case: CaseId,
    /// Grows with every act on it; who acts names the one that they saw.
    pub version: u32,
    /// Where it stands.
    pub state: CaseState,
    /// Whom it is about; an admission's participant is there once approved.
    pub participant: Option<ParticipantNumber>,
    /// What is asked for.
    pub application: Application,
    /// 担当者 named in it.
    pub officer: Option<Officer>,
    /// Documents, in the order in which they came.
    pub documents: Vec<Document>,
    /// Everybody who sent it in, first time or again.
    pub applicants: Vec<Actor>,
    /// When it came in first.
    pub received_at: UnixMillis,
    /// Who acted on it last.
    pub touched_by: Actor,
    /// When.
    pub touched_at: UnixMillis,
    /// What was missing when it was returned.
    pub missing: Vec<String>,
    /// Who took it into examination.
    pub examiner: Option<Actor>,
    /// Everybody who ever had a hand in its examination, whatever became of
    /// their judgements: none of them decides about it.
    pub examiners: Vec<Actor>,
    /// The rules by which it is judged, once it is in examination.
    pub rules: Option<RuleVersion>,
    /// What was judged, item by item, ascending by rule; the opening test too.
    pub judged: Vec<Judged>,
    /// What the center found out by itself.
    pub evidence: Vec<RecordedEvidence>,
    /// How the examination ended.
    pub examined: Option<Examined>,
    /// What the second person decided.
    pub decided: Option<Decided>,
}

impl Case {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> CaseKind {
        self.application.kind()
    }

    /// Does a device get a certificate on the way?
    #[must_use]
    pub fn wants_certificate(&self) -> bool {
        matches!(
            self.kind(),
            CaseKind::Admission | CaseKind::SecondDevice | CaseKind::ChangeOfOwner
        )
    }

    /// Is the connection tried before the case is done?
    #[must_use]
    pub fn wants_test(&self) -> bool {
        match &self.application {
            Application::Admission(_)
            | Application::Relocation(_)
            | Application::ChangeOfOwner { .. } => true,
            Application::Change(change) => change.adds_access(),
            _ => false,
        }
    }

    /// From when on an approved case is carried out; none: with the approval.
    #[must_use]
    pub fn due_at(&self) -> Option<UnixMillis> {
        match &self.application {
            Application::Suspension { from, .. } | Application::Withdrawal { from, .. } => *from,
            _ => None,
        }
    }

    /// Is it approved and waits for its day?
    #[must_use]
    pub fn waits_for_its_day(&self) -> bool {
        self.state == CaseState::Approved && self.due_at().is_some()
    }

    /// Kinds of the lines that are wanted, ascending.
    #[must_use]
    pub fn lines_wanted(&self) -> Vec<LineKind> {
        self.application.lines_wanted()
    }
}
