//! What an event makes of its case.

use super::{Case, CaseEvent, CaseState, Decided, Examined, Judged};
use crate::apply::{ApplyError, missing};
use crate::view::Tables;
use iryonet_domain::{Actor, UnixMillis};

pub(crate) fn apply(
    tables: &mut dyn Tables,
    event: &CaseEvent,
    at: UnixMillis,
) -> Result<(), ApplyError> {
    if let CaseEvent::CaseReceived {
        case,
        by,
        participant,
        application,
        officer,
        documents,
    } = event
    {
        tables.put_case(&Case {
            case: *case,
            version: 1,
            state: CaseState::Received,
            participant: *participant,
            application: application.clone(),
            officer: officer.clone(),
            documents: documents.clone(),
            applicants: vec![by.clone()],
            received_at: at,
            touched_by: by.clone(),
            touched_at: at,
            missing: Vec::new(),
            examiner: None,
            examiners: Vec::new(),
            rules: None,
            judged: Vec::new(),
            evidence: Vec::new(),
            examined: None,
            decided: None,
        })?;
        return Ok(());
    }
    let mut case = tables
        .case(event.case())?
        .ok_or_else(|| missing("case", &event.case()))?;
    change(&mut case, event, at);
    tables.put_case(&case)?;
    Ok(())
}

fn change(case: &mut Case, event: &CaseEvent, at: UnixMillis) {
    let touch = |case: &mut Case, by: &Actor, state: CaseState| {
        case.version = case.version.saturating_add(1);
        case.state = state;
        case.touched_by = by.clone();
        case.touched_at = at;
    };
    match event {
        // Handled above.
        CaseEvent::CaseReceived { .. } => {}
        CaseEvent::CaseResubmitted {
            by,
            application,
            officer,
            documents,
            ..
        } => {
            touch(case, by, CaseState::Received);
            case.application = application.clone();
            case.officer.clone_from(officer);
            case.documents.clone_from(documents);
            case.missing.clear();
            // What was judged was judged of what it said before.
            case.judged.clear();
            case.examiner = None;
            case.rules = None;
            if !case.applicants.contains(by) {
                case.applicants.push(by.clone());
            }
        }
        CaseEvent::CaseWithdrawn { by, .. } => touch(case, by, CaseState::Withdrawn),
        CaseEvent::CaseReturned { by, missing, .. } => {
            touch(case, by, CaseState::Returned);
            case.missing.clone_from(missing);
        }
        CaseEvent::CaseAccepted { by, .. } => touch(case, by, CaseState::Accepted),
        CaseEvent::ExaminationBegun { by, rules, .. } => {
            touch(case, by, CaseState::InExamination);
            case.examiner = Some(by.clone());
            hand(case, by);
            case.rules = Some(*rules);
        }
        // No new version: what the center finds out changes nothing that an
        // examiner has in hand, and must not come between their acts.
        CaseEvent::CaseEvidenceRecorded { evidence, .. } => {
            case.evidence
                .retain(|known| known.kind != evidence.kind || known.about != evidence.about);
            case.evidence.push(evidence.clone());
        }
        CaseEvent::ItemsJudged { by, judged, .. } => {
            touch(case, by, case.state);
            hand(case, by);
            put_judged(case, judged);
        }
        CaseEvent::ExaminationConcluded {
            by,
            recommendation,
            note,
            ..
        } => {
            touch(case, by, CaseState::Examined);
            hand(case, by);
            case.examined = Some(Examined {
                by: by.clone(),
                at,
                recommendation: *recommendation,
                note: note.clone(),
            });
        }
        CaseEvent::CaseSentBack { by, reason, .. } => {
            touch(case, by, CaseState::InExamination);
            case.examined = None;
            case.missing = vec![reason.clone()];
        }
        CaseEvent::CaseApproved {
            by, participant, ..
        } => {
            touch(case, by, CaseState::Approved);
            case.participant = Some(*participant);
            case.missing.clear();
            case.decided = Some(Decided {
                by: by.clone(),
                at,
                approved: true,
                reason: None,
            });
        }
        CaseEvent::CaseRejected { by, reason, .. } => {
            touch(case, by, CaseState::Rejected);
            case.decided = Some(Decided {
                by: by.clone(),
                at,
                approved: false,
                reason: Some(reason.clone()),
            });
        }
        CaseEvent::CaseCodeHandedOut { by, .. } => touch(case, by, CaseState::CodeHandedOut),
        CaseEvent::CaseCertified { by, .. } => touch(case, by, CaseState::Certified),
        CaseEvent::OpeningTested {
            by,
            results,
            passed,
            ..
        } => {
            let state = match (*passed, case.wants_certificate()) {
                (true, _) => CaseState::Tested,
                (false, true) => CaseState::Certified,
                (false, false) => CaseState::Approved,
            };
            touch(case, by, state);
            put_judged(case, results);
        }
        CaseEvent::CaseDone { by, .. } => touch(case, by, CaseState::Done),
        CaseEvent::CaseLapsed { by, .. } => touch(case, by, CaseState::Lapsed),
    }
}

fn hand(case: &mut Case, by: &Actor) {
    if !case.examiners.contains(by) {
        case.examiners.push(by.clone());
    }
}

/// A later judgement about a rule takes the place of an earlier one.
fn put_judged(case: &mut Case, judged: &[Judged]) {
    case.judged.retain(|known| {
        judged
            .iter()
            .all(|new| new.judgement.rule != known.judgement.rule)
    });
    case.judged.extend(judged.iter().cloned());
    case.judged
        .sort_by(|a, b| a.judgement.rule.cmp(&b.judgement.rule));
}
