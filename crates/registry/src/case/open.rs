//! 開通: from the enrolment code over the certificate and the opening test to
//! an open connection.

use super::command::{Judgements, SeenCase};
use super::decide::seen;
use super::examine::{Scope, judged, rules_of, verdict};
use super::refusal::CaseRefusal;
use super::{Application, Case, CaseEvent, CaseState, Judged, Verdict};
use crate::certificate::RevocationReason;
use crate::decide::Decision;
use crate::membership::MembershipEvent;
use crate::view::{View, ViewError};
use crate::{DecideError, Event};
use iryonet_domain::{Actor, CaseKind, DeviceId, ParticipantNumber, UnixMillis};
use iryonet_rules::{Rule, RuleId};

/// The case of a participant that waits for this step of its certificate.
fn waiting(
    view: &dyn View,
    participant: ParticipantNumber,
    states: &[CaseState],
) -> Result<Option<Case>, ViewError> {
    Ok(view
        .open_cases_of(participant)?
        .into_iter()
        .find(|case| case.wants_certificate() && states.contains(&case.state)))
}

/// A code was handed out to a participant: the case that waited for it goes on.
pub(crate) fn handed_out(
    view: &dyn View,
    actor: &Actor,
    participant: ParticipantNumber,
) -> Result<Option<Event>, DecideError> {
    Ok(
        waiting(view, participant, &[CaseState::Approved])?.map(|case| {
            Event::Case(CaseEvent::CaseCodeHandedOut {
                case: case.case,
                by: actor.clone(),
            })
        }),
    )
}

/// A device of a participant was enrolled with a code: the case that waited for
/// it goes on, or is done.
pub(crate) fn certified(
    view: &dyn View,
    actor: &Actor,
    participant: ParticipantNumber,
    device: DeviceId,
) -> Result<Vec<Event>, DecideError> {
    let states = [CaseState::Approved, CaseState::CodeHandedOut];
    let Some(case) = waiting(view, participant, &states)? else {
        return Ok(Vec::new());
    };
    let mut events = vec![Event::Case(CaseEvent::CaseCertified {
        case: case.case,
        by: actor.clone(),
        device,
    })];
    if !case.wants_test() {
        events.push(Event::Case(CaseEvent::CaseDone {
            case: case.case,
            by: actor.clone(),
        }));
    }
    Ok(events)
}

pub(crate) fn record_test(
    view: &dyn View,
    actor: &Actor,
    wish: &Judgements,
    now: UnixMillis,
) -> Decision {
    let Judgements {
        case,
        version,
        judgements: results,
    } = wish;
    let wanted = &[CaseState::Approved, CaseState::Certified, CaseState::Tested];
    let seen_case = SeenCase {
        case: *case,
        version: *version,
    };
    let case = &seen(view, seen_case, wanted)?;
    if !case.wants_test() {
        return Err(CaseRefusal::NoTest(case.case).into());
    }
    // A certificate is wanted first where the case brings one.
    if case.wants_certificate() && case.state == CaseState::Approved {
        return Err(CaseRefusal::State {
            case: case.case,
            state: case.state,
            wanted: &[CaseState::Certified, CaseState::Tested],
        }
        .into());
    }
    let rules = rules_of(view, case)?;
    let scope = Scope::of(view, case)?;
    let items: Vec<&Rule> = rules.opening_items(scope.profile()).collect();
    let results = judged(view, actor, case, &items, results, now)?;
    let passed = open_items(case, &items, &results).is_empty();
    Ok(vec![Event::Case(CaseEvent::OpeningTested {
        case: case.case,
        by: actor.clone(),
        results,
        passed,
    })])
}

/// What must pass and has not, with these results taking the place of earlier ones.
fn open_items(case: &Case, items: &[&Rule], results: &[Judged]) -> Vec<RuleId> {
    items
        .iter()
        .filter(|rule| {
            let verdict = results
                .iter()
                .find(|result| result.judgement.rule == rule.id)
                .map(|result| result.judgement.verdict)
                .or_else(|| verdict(case, &rule.id));
            match verdict {
                None => rule.mandatory,
                Some(Verdict::NotMet) => rule.mandatory,
                Some(Verdict::Met | Verdict::NotApplicable) => false,
            }
        })
        .map(|rule| rule.id.clone())
        .collect()
}

/// Opens what was tried. The certificate is asked for once more: it may have
/// been revoked since the test.
pub(crate) fn open(view: &dyn View, actor: &Actor, case: SeenCase, now: UnixMillis) -> Decision {
    let case = &seen(view, case, &[CaseState::Tested])?;
    let rules = rules_of(view, case)?;
    let scope = Scope::of(view, case)?;
    let items: Vec<&Rule> = rules.opening_items(scope.profile()).collect();
    let open = open_items(case, &items, &[]);
    if !open.is_empty() {
        return Err(CaseRefusal::TestNotPassed {
            case: case.case,
            open,
        }
        .into());
    }
    let participant = case
        .participant
        .ok_or(CaseRefusal::ParticipantWanted(case.kind()))?;
    crate::participant::open(view, participant)?;
    let devices = view.valid_devices(participant, now)?;
    if devices.is_empty() {
        return Err(crate::Refusal::NoValidDevice(participant).into());
    }
    let mut events = Vec::new();
    if case.kind() == CaseKind::Admission {
        events.push(Event::Membership(MembershipEvent::ParticipantOpened {
            participant,
            case: case.case,
        }));
    }
    if let Application::ChangeOfOwner { .. } = case.application {
        // The keys of before are in the old owner's hands.
        let newest = devices.iter().map(|device| device.device).max();
        events.extend(
            devices
                .iter()
                .filter(|device| Some(device.device) != newest)
                .map(|device| device.revoked(RevocationReason::AffiliationChanged)),
        );
    }
    events.push(Event::Case(CaseEvent::CaseDone {
        case: case.case,
        by: actor.clone(),
    }));
    Ok(events)
}
