//! 次の手続: what somebody may do with a case now, by its state, their role and
//! their name. For a page or a terminal to offer; what is decided, is decided
//! when it is asked for.

use super::command::{
    AnyCase, ApproveCase, CaseReason, ConcludeExamination, Judgements, ResubmitApplication,
    ReturnApplication, SeenCase,
};
use super::people::{may_decide, may_examine};
use super::{Case, CaseState, Recommendation};
use crate::command::Command;
use crate::enrolment::Subject;
use crate::view::{View, ViewError};
use crate::{Act, DecideError};
use iryonet_domain::{Actor, UnixMillis};

/// What is done in this state by somebody, whoever it is.
fn steps(case: &Case, now: UnixMillis) -> &'static [Act] {
    match case.state {
        CaseState::Received => &[
            Act::AcceptApplication,
            Act::ReturnApplication,
            Act::WithdrawApplication,
        ],
        CaseState::Returned => &[Act::ResubmitApplication, Act::WithdrawApplication],
        CaseState::Accepted => &[
            Act::BeginExamination,
            Act::ReturnApplication,
            Act::WithdrawApplication,
        ],
        CaseState::InExamination => &[
            Act::JudgeItems,
            Act::ConcludeExamination,
            Act::ReturnApplication,
            Act::WithdrawApplication,
        ],
        CaseState::Examined => match recommendation(case) {
            Some(Recommendation::Approve) => &[
                Act::ApproveCase,
                Act::RejectCase,
                Act::SendBackCase,
                Act::WithdrawApplication,
            ],
            _ => &[Act::RejectCase, Act::SendBackCase, Act::WithdrawApplication],
        },
        CaseState::Approved if case.due_at().is_some_and(|due| due <= now) => &[Act::CarryOutCase],
        CaseState::Approved if case.due_at().is_some() => &[],
        CaseState::Approved if case.wants_certificate() => &[Act::IssueEnrolmentCode],
        CaseState::Approved => &[Act::RecordOpeningTest],
        CaseState::CodeHandedOut => &[Act::IssueEnrolmentCode],
        CaseState::Certified => &[Act::RecordOpeningTest],
        CaseState::Tested => &[Act::RecordOpeningTest, Act::OpenConnection],
        CaseState::Done | CaseState::Rejected | CaseState::Withdrawn | CaseState::Lapsed => &[],
    }
}

fn recommendation(case: &Case) -> Option<Recommendation> {
    case.examined
        .as_ref()
        .map(|examined| examined.recommendation)
}

/// What this actor may do with the case now. Whether what it says then can be
/// taken is another question.
///
/// # Errors
/// When the store cannot answer.
pub fn next_steps(
    view: &dyn View,
    actor: &Actor,
    case: &Case,
    now: UnixMillis,
) -> Result<Vec<Act>, ViewError> {
    let mut may = Vec::new();
    for act in steps(case, now) {
        let Some(command) = example(*act, case) else {
            continue;
        };
        let second_person = match act {
            Act::ApproveCase | Act::RejectCase | Act::SendBackCase => may_decide(case, actor),
            Act::AcceptApplication
            | Act::ReturnApplication
            | Act::BeginExamination
            | Act::JudgeItems
            | Act::ConcludeExamination => may_examine(case, actor),
            _ => Ok(()),
        };
        if second_person.is_err() {
            continue;
        }
        match crate::permission::check(view, actor, &command) {
            Ok(()) => may.push(*act),
            Err(DecideError::Refused(_)) => {}
            Err(DecideError::View(error)) => return Err(error),
        }
    }
    Ok(may)
}

/// A command of the sort, to be asked whether the actor may.
fn example(act: Act, case: &Case) -> Option<Command> {
    let (version, case_file) = (case.version, case);
    let case = case_file.case;
    let seen = SeenCase { case, version };
    let reason = || CaseReason {
        case,
        version,
        reason: String::new(),
    };
    let judgements = || Judgements {
        case,
        version,
        judgements: Vec::new(),
    };
    Some(match act {
        Act::AcceptApplication => Command::AcceptApplication(seen),
        Act::ReturnApplication => Command::ReturnApplication(ReturnApplication {
            case,
            version,
            missing: Vec::new(),
        }),
        Act::ResubmitApplication => Command::ResubmitApplication(ResubmitApplication {
            case,
            version,
            application: case_file.application.clone(),
            officer: case_file.officer.clone(),
            documents: Vec::new(),
        }),
        Act::WithdrawApplication => Command::WithdrawApplication(seen),
        Act::BeginExamination => Command::BeginExamination(seen),
        Act::JudgeItems => Command::JudgeItems(judgements()),
        Act::ConcludeExamination => Command::ConcludeExamination(ConcludeExamination {
            case,
            version,
            recommendation: Recommendation::Approve,
            note: None,
        }),
        Act::SendBackCase => Command::SendBackCase(reason()),
        Act::ApproveCase => Command::ApproveCase(ApproveCase {
            case,
            version,
            home: None,
        }),
        Act::RejectCase => Command::RejectCase(reason()),
        Act::CarryOutCase => Command::CarryOutCase(AnyCase { case }),
        Act::IssueEnrolmentCode => Command::IssueEnrolmentCode {
            subject: Subject::Participant(case_file.participant?),
            code_hash: "0".repeat(64).parse().ok()?,
            expires_at: UnixMillis(0),
        },
        Act::RecordOpeningTest => Command::RecordOpeningTest(judgements()),
        Act::OpenConnection => Command::OpenConnection(seen),
        _ => return None,
    })
}
