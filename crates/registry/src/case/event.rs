//! What became of a case. Each event says by whom, so that the case itself can
//! tell who was first.

use super::Recommendation;
use super::application::Application;
use super::document::Document;
use super::judgement::{Judged, RecordedEvidence};
use crate::event::Topic;
use iryonet_domain::{Actor, CaseId, DeviceId, Officer, ParticipantNumber};
use iryonet_rules::RuleVersion;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields repeat those of the command of the same act, where they are explained"
)]
pub enum CaseEvent {
    /// It came in.
    CaseReceived {
        case: CaseId,
        by: Actor,
        participant: Option<ParticipantNumber>,
        application: Application,
        officer: Option<Officer>,
        documents: Vec<Document>,
    },
    /// It came in again; what it says now takes the place of what it said.
    CaseResubmitted {
        case: CaseId,
        by: Actor,
        application: Application,
        officer: Option<Officer>,
        documents: Vec<Document>,
    },
    /// The applicant took it back.
    CaseWithdrawn { case: CaseId, by: Actor },
    /// Something is missing.
    CaseReturned {
        case: CaseId,
        by: Actor,
        missing: Vec<String>,
    },
    /// It is complete.
    CaseAccepted { case: CaseId, by: Actor },
    /// It is in examination under these rules.
    ExaminationBegun {
        case: CaseId,
        by: Actor,
        rules: RuleVersion,
    },
    /// The center found something out.
    CaseEvidenceRecorded {
        case: CaseId,
        by: Actor,
        evidence: RecordedEvidence,
    },
    /// Items were judged.
    ItemsJudged {
        case: CaseId,
        by: Actor,
        judged: Vec<Judged>,
    },
    /// The examination ended.
    ExaminationConcluded {
        case: CaseId,
        by: Actor,
        recommendation: Recommendation,
        note: Option<String>,
    },
    /// The second person sent it back to the examiner.
    CaseSentBack {
        case: CaseId,
        by: Actor,
        reason: String,
    },
    /// The second person said yes; what follows from it stands in the events
    /// beside this one. `participant` is there for every kind.
    CaseApproved {
        case: CaseId,
        by: Actor,
        participant: ParticipantNumber,
    },
    /// The second person said no.
    CaseRejected {
        case: CaseId,
        by: Actor,
        reason: String,
    },
    /// The enrolment code of the case was handed out.
    CaseCodeHandedOut { case: CaseId, by: Actor },
    /// The device of the case has its certificate.
    CaseCertified {
        case: CaseId,
        by: Actor,
        device: DeviceId,
    },
    /// Items of the opening test were tried; `passed` once all that must pass have.
    OpeningTested {
        case: CaseId,
        by: Actor,
        results: Vec<Judged>,
        passed: bool,
    },
    /// It is done.
    CaseDone { case: CaseId, by: Actor },
    /// Nobody touched it for too long.
    CaseLapsed { case: CaseId, by: Actor },
}

impl CaseEvent {
    /// Which case.
    #[must_use]
    pub fn case(&self) -> CaseId {
        match self {
            Self::CaseReceived { case, .. }
            | Self::CaseResubmitted { case, .. }
            | Self::CaseWithdrawn { case, .. }
            | Self::CaseReturned { case, .. }
            | Self::CaseAccepted { case, .. }
            | Self::ExaminationBegun { case, .. }
            | Self::CaseEvidenceRecorded { case, .. }
            | Self::ItemsJudged { case, .. }
            | Self::ExaminationConcluded { case, .. }
            | Self::CaseSentBack { case, .. }
            | Self::CaseApproved { case, .. }
            | Self::CaseRejected { case, .. }
            | Self::CaseCodeHandedOut { case, .. }
            | Self::CaseCertified { case, .. }
            | Self::OpeningTested { case, .. }
            | Self::CaseDone { case, .. }
            | Self::CaseLapsed { case, .. } => *case,
        }
    }

    pub(crate) fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Case(self.case())];
        match self {
            Self::CaseReceived {
                participant,
                application,
                ..
            } => {
                topics.extend(participant.map(Topic::Participant));
                topics.extend(application.code().map(Topic::Applicant));
            }
            Self::CaseApproved { participant, .. } => {
                topics.push(Topic::Participant(*participant));
            }
            _ => {}
        }
        topics
    }
}
