//! What somebody asks to be done with a case, as parts of [`crate::Command`].
//! Every command but the first, and those of the clock, names the version of
//! the case that its sender looked at.

use super::Recommendation;
use super::application::Application;
use super::document::Document;
use super::judgement::Judgement;
use crate::command::Home;
use iryonet_domain::{CaseId, Officer, ParticipantNumber};
use iryonet_rules::Facts;
use serde::{Deserialize, Serialize};

/// A case as somebody saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCase {
    /// Which.
    pub case: CaseId,
    /// In this version.
    pub version: u32,
}

/// A case, whatever its version: for the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnyCase {
    /// Which.
    pub case: CaseId,
}

/// 申請.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveApplication {
    /// Whom it is about; nobody yet for an admission.
    pub participant: Option<ParticipantNumber>,
    /// What is asked for.
    pub application: Application,
    /// 担当者; wanted for an admission and a change of owner.
    pub officer: Option<Officer>,
    /// Documents, whose bytes lie beside the ledger already.
    pub documents: Vec<Document>,
}

/// 再提出.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResubmitApplication {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// What is asked for, all of it; of the same kind.
    pub application: Application,
    /// 担当者.
    pub officer: Option<Officer>,
    /// All documents, old and new.
    pub documents: Vec<Document>,
}

/// 差戻し.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnApplication {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// What is missing, in words for the applicant; one thing at least.
    pub missing: Vec<String>,
}

/// 自動検査.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCaseEvidence {
    /// Which.
    pub case: CaseId,
    /// What was found out about a service or a name.
    pub facts: Facts,
}

/// 判定: of items of the examination, or of the opening test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgements {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// The judgements; each rule once.
    pub judgements: Vec<Judgement>,
}

/// 審査終了.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcludeExamination {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// With what.
    pub recommendation: Recommendation,
    /// Why; wanted where the recommendation is to reject.
    pub note: Option<String>,
}

/// 承認.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApproveCase {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// Where the number of a new participant comes from; for an admission only.
    pub home: Option<Home>,
}

/// A no, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReason {
    /// Which.
    pub case: CaseId,
    /// As seen.
    pub version: u32,
    /// Why.
    pub reason: String,
}
