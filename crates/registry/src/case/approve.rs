//! 承認: the second person's yes or no, and what a yes brings about.

use super::command::{AnyCase, ApproveCase, CaseReason, SeenCase};
use super::decide::{in_state, known, seen};
use super::examine::check_items;
use super::people::may_decide;
use super::refusal::CaseRefusal;
use super::{Admission, Application, Case, CaseEvent, CaseState, Recommendation, SiteWish};
use crate::command::Home;
use crate::decide::{Decision, reason_text};
use crate::limits::SITES_PER_PARTICIPANT;
use crate::membership::MembershipEvent;
use crate::participant::Standing;
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{Actor, CaseId, CaseKind, ParticipantNumber, SiteIndex, UnixMillis};

pub(crate) fn send_back(view: &dyn View, actor: &Actor, wish: &CaseReason) -> Decision {
    let (case, reason) = (&examined(view, wish.case, wish.version)?, &wish.reason);
    may_decide(case, actor)?;
    Ok(vec![Event::Case(CaseEvent::CaseSentBack {
        case: case.case,
        by: actor.clone(),
        reason: reason_text(reason)?,
    })])
}

fn examined(view: &dyn View, case: CaseId, version: u32) -> Result<Case, DecideError> {
    seen(view, SeenCase { case, version }, &[CaseState::Examined])
}

pub(crate) fn reject(view: &dyn View, actor: &Actor, wish: &CaseReason) -> Decision {
    let (case, reason) = (&examined(view, wish.case, wish.version)?, &wish.reason);
    may_decide(case, actor)?;
    let mut events = vec![Event::Case(CaseEvent::CaseRejected {
        case: case.case,
        by: actor.clone(),
        reason: reason_text(reason)?,
    })];
    // The institution that the list lost is there: the daily re-check is told.
    if case.kind() == CaseKind::ClosingByList
        && let Some(participant) = case.participant
    {
        events.push(Event::Membership(MembershipEvent::PresenceConfirmed {
            participant,
            case: case.case,
        }));
    }
    Ok(events)
}

pub(crate) fn approve(
    view: &dyn View,
    actor: &Actor,
    wish: &ApproveCase,
    now: UnixMillis,
) -> Decision {
    let case = &examined(view, wish.case, wish.version)?;
    let home = wish.home.as_ref();
    may_decide(case, actor)?;
    let recommended = case
        .examined
        .as_ref()
        .is_some_and(|examined| examined.recommendation == Recommendation::Approve);
    if !recommended {
        return Err(CaseRefusal::NotRecommended(case.case).into());
    }
    check_items(view, case)?;
    let admission = match (&case.application, home) {
        (Application::Admission(wish), Some(home)) => Some(admit(view, case, wish, home)?),
        (Application::Admission(_), None) => return Err(CaseRefusal::HomeWanted.into()),
        (_, Some(_)) => return Err(CaseRefusal::HomeOfOther.into()),
        (_, None) => None,
    };
    let (participant, mut events) = match (admission, case.participant) {
        (Some(admitted), _) => admitted,
        (None, Some(participant)) => (participant, Vec::new()),
        (None, None) => return Err(CaseRefusal::ParticipantWanted(case.kind()).into()),
    };
    events.insert(
        0,
        Event::Case(CaseEvent::CaseApproved {
            case: case.case,
            by: actor.clone(),
            participant,
        }),
    );
    if case.due_at().is_none_or(|due| due <= now) {
        events.extend(effects(view, actor, case, participant, now)?);
    }
    Ok(events)
}

pub(crate) fn carry_out(
    view: &dyn View,
    actor: &Actor,
    case: AnyCase,
    now: UnixMillis,
) -> Decision {
    let case = &in_state(known(view, case.case)?, &[CaseState::Approved])?;
    let Some(due) = case.due_at() else {
        return Err(CaseRefusal::State {
            case: case.case,
            state: case.state,
            wanted: &[],
        }
        .into());
    };
    if now < due {
        return Err(CaseRefusal::NotItsDay {
            case: case.case,
            at: due,
        }
        .into());
    }
    let participant = case
        .participant
        .ok_or(CaseRefusal::ParticipantWanted(case.kind()))?;
    effects(view, actor, case, participant, now)
}

fn admit(
    view: &dyn View,
    case: &Case,
    wish: &Admission,
    home: &Home,
) -> Result<(ParticipantNumber, Vec<Event>), DecideError> {
    let mut events =
        crate::participant::admit(view, wish.participant_kind, &wish.name, wish.code, home)?;
    let Some(Event::ParticipantAdmitted { number, .. }) = events.first() else {
        return Err(Refusal::NoNumberLeft(home.clone()).into());
    };
    let number = *number;
    events.push(Event::Membership(MembershipEvent::MembershipBegun {
        participant: number,
        case: case.case,
        area: wish.area,
        officer: case.officer.clone(),
        examined: case.rules.ok_or(CaseRefusal::NoRules)?,
    }));
    events.extend(add_sites(view, number, &wish.sites)?);
    events.extend(crate::account::admitted(view, case.case, number)?);
    Ok((number, events))
}

fn add_sites(
    view: &dyn View,
    participant: ParticipantNumber,
    wishes: &[SiteWish],
) -> Result<Vec<Event>, DecideError> {
    let present = view.sites_of(participant)?;
    let mut free = (0..SITES_PER_PARTICIPANT)
        .filter_map(|index| SiteIndex::try_from(index).ok())
        .filter(|index| present.iter().all(|other| other.site != *index));
    wishes
        .iter()
        .map(|wish| {
            Ok(Event::SiteAdded {
                participant,
                site: free.next().ok_or(Refusal::NoSiteLeft(participant))?,
                name: wish.name.clone(),
            })
        })
        .collect()
}

/// What is carried out with the approval, or on its day. A case without
/// further steps is done with it.
fn effects(
    view: &dyn View,
    actor: &Actor,
    case: &Case,
    participant: ParticipantNumber,
    now: UnixMillis,
) -> Result<Vec<Event>, DecideError> {
    let number = case.case;
    let membership = |event| Event::Membership(event);
    let mut events = Vec::new();
    // Whoever left meanwhile needs nothing any more.
    let standing = view
        .participant(participant)?
        .map(|known| known.standing_behind_quarantine());
    match &case.application {
        Application::Admission(_) | Application::SecondDevice { .. } => {}
        Application::Change(change) => {
            crate::participant::open(view, participant)?;
            if change.name.is_some() || change.area.is_some() || case.officer.is_some() {
                events.push(membership(MembershipEvent::ParticipantChanged {
                    participant,
                    case: number,
                    name: change.name.clone(),
                    area: change.area,
                    officer: case.officer.clone(),
                }));
            }
            events.extend(add_sites(view, participant, &change.sites)?);
        }
        Application::Relocation(wish) => {
            let known = crate::participant::open(view, participant)?;
            events.extend(code_change(view, case, &known, wish.code)?);
            let area = wish.area.or_else(|| {
                let moved = wish.code.map(iryonet_domain::InstitutionCode::prefecture);
                known.membership.area.and(moved)
            });
            if area.is_some() || case.officer.is_some() {
                events.push(membership(MembershipEvent::ParticipantChanged {
                    participant,
                    case: number,
                    name: None,
                    area,
                    officer: case.officer.clone(),
                }));
            }
            events.extend(add_sites(view, participant, &wish.sites)?);
        }
        Application::ChangeOfOwner { code, name } => {
            let known = crate::participant::open(view, participant)?;
            events.extend(code_change(view, case, &known, *code)?);
            events.push(membership(MembershipEvent::ParticipantChanged {
                participant,
                case: number,
                name: name.clone(),
                area: None,
                officer: case.officer.clone(),
            }));
        }
        Application::Suspension { reason, .. } => {
            stands(case, participant, standing, Standing::Open)?;
            events.push(membership(MembershipEvent::ParticipantSuspended {
                participant,
                case: number,
                reason: reason.clone(),
            }));
        }
        Application::Resumption { .. } => {
            stands(case, participant, standing, Standing::Suspended)?;
            events.push(membership(MembershipEvent::ParticipantResumed {
                participant,
                case: number,
            }));
        }
        Application::Withdrawal { reason, .. } => {
            events.extend(crate::participant::close(view, participant, reason, now)?);
        }
        Application::ClosingByList { list, .. } => {
            let reason = format!("名簿 {list} から消滅 (vanished from the list {list})");
            events.extend(crate::participant::close(view, participant, &reason, now)?);
        }
        Application::Audit { .. } => {
            crate::participant::open(view, participant)?;
            events.push(membership(MembershipEvent::ParticipantExamined {
                participant,
                case: number,
                rules: case.rules.ok_or(CaseRefusal::NoRules)?,
            }));
        }
    }
    if !case.wants_certificate() && !case.wants_test() {
        events.push(Event::Case(CaseEvent::CaseDone {
            case: number,
            by: actor.clone(),
        }));
    }
    Ok(events)
}

fn stands(
    case: &Case,
    participant: ParticipantNumber,
    standing: Option<Standing>,
    wanted: Standing,
) -> Result<(), CaseRefusal> {
    if standing == Some(wanted) {
        return Ok(());
    }
    Err(CaseRefusal::Standing {
        participant,
        kind: case.kind(),
        standing: standing.map_or("unknown", Standing::as_str),
        wanted: wanted.as_str(),
    })
}

fn code_change(
    view: &dyn View,
    case: &Case,
    known: &crate::Participant,
    code: Option<iryonet_domain::InstitutionCode>,
) -> Result<Option<Event>, DecideError> {
    let Some(code) = code else {
        return Ok(None);
    };
    if known.code == Some(code) {
        return Ok(None);
    }
    crate::participant::check_code(view, known.kind, code)?;
    Ok(Some(Event::Membership(
        MembershipEvent::ParticipantCodeChanged {
            participant: known.number,
            case: case.case,
            before: known.code,
            after: Some(code),
        },
    )))
}
