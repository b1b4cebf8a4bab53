//! 受付: how a case comes in, is given back and sent in again, is taken back by
//! its applicant, or lapses.

use super::command::{
    AnyCase, ReceiveApplication, ResubmitApplication, ReturnApplication, SeenCase,
};
use super::decide::{BEFORE_APPROVAL, in_state, known, seen};
use super::people::may_examine;
use super::refusal::CaseRefusal;
use super::{Application, CaseEvent, CaseState, Document};
use crate::decide::{Decision, reason_text};
use crate::limits::{
    CASE_DAY_AHEAD_MAX_MS, CASE_UNTOUCHED_MAX_MS, DOCUMENTS_MAX_BYTES, DOCUMENTS_PER_CASE,
    MISSING_MAX,
};
use crate::participant::{Participant, Standing};
use crate::view::View;
use crate::{DecideError, Event};
use iryonet_domain::{
    Actor, CaseId, CaseKind, InstitutionCode, Officer, ParticipantNumber, Role, UnixMillis,
};

pub(crate) fn receive(
    view: &dyn View,
    actor: &Actor,
    wish: &ReceiveApplication,
    now: UnixMillis,
) -> Decision {
    let ReceiveApplication {
        participant,
        application,
        officer,
        documents,
    } = wish;
    let participant = *participant;
    crate::network::founded(view)?;
    let kind = application.kind();
    match (kind, participant) {
        (CaseKind::Admission, Some(_)) => return Err(CaseRefusal::ParticipantOfAdmission.into()),
        (CaseKind::Admission, None) => {}
        (_, None) => return Err(CaseRefusal::ParticipantWanted(kind).into()),
        (_, Some(number)) => {
            let known = crate::participant::open(view, number)?;
            check_standing(&known, kind)?;
            if let Some(other) = view
                .open_cases_of(number)?
                .into_iter()
                .find(|other| other.kind() == kind)
            {
                return Err(CaseRefusal::OpenAlready {
                    participant: number,
                    kind,
                    case: other.case,
                }
                .into());
            }
        }
    }
    if kind == CaseKind::Admission
        && let Some(code) = application.code()
        && let Some(case) = view.open_admission_of(code)?
    {
        return Err(CaseRefusal::CodeApplied { code, case }.into());
    }
    let (application, officer, documents) = contents(
        view,
        participant,
        application,
        officer.as_ref(),
        documents,
        now,
    )?;
    let case = next_case(view)?;
    let mut events = vec![Event::Case(CaseEvent::CaseReceived {
        case,
        by: actor.clone(),
        participant,
        application,
        officer,
        documents,
    })];
    if kind == CaseKind::Admission && actor.role() == Role::Officer {
        events.extend(crate::account::applied(view, actor, case)?);
    }
    Ok(events)
}

fn next_case(view: &dyn View) -> Result<CaseId, DecideError> {
    Ok(match view.last_case()? {
        None => CaseId(1),
        Some(last) => CaseId(last.0.saturating_add(1)),
    })
}

/// The three parts of an application, as they are recorded.
fn contents(
    view: &dyn View,
    participant: Option<ParticipantNumber>,
    application: &Application,
    officer: Option<&Officer>,
    documents: &[Document],
    now: UnixMillis,
) -> Result<(Application, Option<Officer>, Vec<Document>), DecideError> {
    let kind = application.kind();
    let application = application.cleaned(view, participant)?;
    check_code(view, participant, &application)?;
    let officer = officer
        .map(Officer::cleaned)
        .transpose()
        .map_err(CaseRefusal::Officer)?;
    if officer.is_none() && matches!(kind, CaseKind::Admission | CaseKind::ChangeOfOwner) {
        return Err(CaseRefusal::OfficerWanted(kind).into());
    }
    if let Application::Change(change) = &application
        && *change == super::Change::default()
        && officer.is_none()
    {
        return Err(CaseRefusal::NothingAsked.into());
    }
    if let Application::Suspension { from, .. } | Application::Withdrawal { from, .. } =
        &application
        && let Some(from) = from
        && from.since_ms(now) > CASE_DAY_AHEAD_MAX_MS
    {
        return Err(CaseRefusal::DayTooFar(*from).into());
    }
    Ok((application, officer, check_documents(documents)?))
}

/// A code that comes new must fit, and nobody else may hold it.
fn check_code(
    view: &dyn View,
    participant: Option<ParticipantNumber>,
    application: &Application,
) -> Result<(), DecideError> {
    if let Application::Relocation(_) | Application::ChangeOfOwner { .. } = application
        && let (Some(number), Some(code)) = (participant, application.code())
    {
        let known = crate::participant::open(view, number)?;
        if known.code != Some(code) {
            crate::participant::check_code(view, known.kind, code)?;
        }
        if let Application::Relocation(wish) = application
            && let Some(area) = wish.area
            && area != code.prefecture()
        {
            return Err(CaseRefusal::AreaOfOtherCode { area, code }.into());
        }
    }
    Ok(())
}

fn check_standing(participant: &Participant, kind: CaseKind) -> Result<(), CaseRefusal> {
    let standing = participant.standing_behind_quarantine();
    let fits = match kind {
        CaseKind::Resumption => standing == Standing::Suspended,
        CaseKind::Suspension | CaseKind::SecondDevice => standing == Standing::Open,
        CaseKind::Change | CaseKind::Relocation | CaseKind::ChangeOfOwner | CaseKind::Audit => {
            matches!(
                standing,
                Standing::Open | Standing::Suspended | Standing::OnHold
            )
        }
        CaseKind::Withdrawal | CaseKind::ClosingByList | CaseKind::Admission => true,
    };
    if fits {
        return Ok(());
    }
    Err(CaseRefusal::Standing {
        participant: participant.number,
        kind,
        standing: participant.standing.as_str(),
        wanted: match kind {
            CaseKind::Resumption => "suspended",
            CaseKind::Suspension | CaseKind::SecondDevice => "open",
            _ => "open, suspended or on hold",
        },
    })
}

fn check_documents(documents: &[Document]) -> Result<Vec<Document>, CaseRefusal> {
    if documents.len() > DOCUMENTS_PER_CASE {
        return Err(CaseRefusal::TooManyDocuments(documents.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut total = 0u64;
    let mut cleaned = Vec::with_capacity(documents.len());
    for document in documents {
        let sha256 = document.sha256;
        if !seen.insert(sha256) {
            return Err(CaseRefusal::DocumentTwice(sha256));
        }
        cleaned.push(
            document
                .cleaned()
                .map_err(|source| CaseRefusal::Document { sha256, source })?,
        );
        total = total.saturating_add(document.bytes);
    }
    if total > DOCUMENTS_MAX_BYTES {
        return Err(CaseRefusal::DocumentsTooLarge(total));
    }
    Ok(cleaned)
}

pub(crate) fn resubmit(
    view: &dyn View,
    actor: &Actor,
    wish: &ResubmitApplication,
    now: UnixMillis,
) -> Decision {
    let ResubmitApplication {
        case,
        version,
        application,
        officer,
        documents,
    } = wish;
    let seen_case = SeenCase {
        case: *case,
        version: *version,
    };
    let case = &seen(view, seen_case, &[CaseState::Returned])?;
    if application.kind() != case.kind() {
        return Err(CaseRefusal::OtherKind {
            case: case.case,
            found: application.kind(),
            wanted: case.kind(),
        }
        .into());
    }
    if case.kind() == CaseKind::Admission
        && let Some(code) = application.code()
        && let Some(other) = view.open_admission_of(code)?
        && other != case.case
    {
        return Err(CaseRefusal::CodeApplied { code, case: other }.into());
    }
    let (application, officer, documents) = contents(
        view,
        case.participant,
        application,
        officer.as_ref(),
        documents,
        now,
    )?;
    Ok(vec![Event::Case(CaseEvent::CaseResubmitted {
        case: case.case,
        by: actor.clone(),
        application,
        officer,
        documents,
    })])
}

pub(crate) fn withdraw(view: &dyn View, actor: &Actor, case: SeenCase) -> Decision {
    let case = &seen(view, case, BEFORE_APPROVAL)?;
    Ok(vec![Event::Case(CaseEvent::CaseWithdrawn {
        case: case.case,
        by: actor.clone(),
    })])
}

pub(crate) fn give_back(view: &dyn View, actor: &Actor, wish: &ReturnApplication) -> Decision {
    let ReturnApplication {
        case,
        version,
        missing,
    } = wish;
    let seen_case = SeenCase {
        case: *case,
        version: *version,
    };
    let wanted = &[
        CaseState::Received,
        CaseState::Accepted,
        CaseState::InExamination,
    ];
    let case = &seen(view, seen_case, wanted)?;
    may_examine(case, actor)?;
    if missing.is_empty() || missing.len() > MISSING_MAX {
        return Err(CaseRefusal::MissingCount(missing.len()).into());
    }
    let missing = missing
        .iter()
        .map(|words| reason_text(words))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![Event::Case(CaseEvent::CaseReturned {
        case: case.case,
        by: actor.clone(),
        missing,
    })])
}

pub(crate) fn accept(view: &dyn View, actor: &Actor, case: SeenCase) -> Decision {
    let case = &seen(view, case, &[CaseState::Received])?;
    may_examine(case, actor)?;
    Ok(vec![Event::Case(CaseEvent::CaseAccepted {
        case: case.case,
        by: actor.clone(),
    })])
}

/// A case that nobody touched for too long. A participant that was admitted and
/// never opened leaves with it.
pub(crate) fn lapse(view: &dyn View, actor: &Actor, case: AnyCase, now: UnixMillis) -> Decision {
    let case = in_state(
        known(view, case.case)?,
        &[
            CaseState::Received,
            CaseState::Returned,
            CaseState::Accepted,
            CaseState::InExamination,
            CaseState::Examined,
            CaseState::Approved,
            CaseState::CodeHandedOut,
            CaseState::Certified,
            CaseState::Tested,
        ],
    )?;
    if now.since_ms(case.touched_at) < CASE_UNTOUCHED_MAX_MS || case.waits_for_its_day() {
        return Err(CaseRefusal::NotLapsed {
            case: case.case,
            at: case.touched_at,
        }
        .into());
    }
    let mut events = Vec::new();
    if case.kind() == CaseKind::Admission
        && let Some(number) = case.participant
        && let Some(participant) = view.participant(number)?
        && participant.standing_behind_quarantine() == Standing::Admitted
    {
        events.extend(crate::participant::close(
            view,
            number,
            "開通に至らず申請が失効 (the application lapsed before the opening)",
            now,
        )?);
    }
    events.push(Event::Case(CaseEvent::CaseLapsed {
        case: case.case,
        by: actor.clone(),
    }));
    Ok(events)
}

/// The case that a newer list gives rise to when it names a member no more;
/// nothing when one is open already. It closes nobody.
pub(crate) fn propose_closing(
    view: &dyn View,
    actor: &Actor,
    code: InstitutionCode,
    application: Application,
    already_given: u64,
) -> Result<Option<Event>, DecideError> {
    let Some(number) = view.holder_of_code(code)? else {
        return Ok(None);
    };
    let open = view
        .open_cases_of(number)?
        .iter()
        .any(|case| case.kind() == CaseKind::ClosingByList);
    if open {
        return Ok(None);
    }
    let next = next_case(view)?.0.saturating_add(already_given);
    Ok(Some(Event::Case(CaseEvent::CaseReceived {
        case: CaseId(next),
        by: actor.clone(),
        participant: Some(number),
        application,
        officer: None,
        documents: Vec::new(),
    })))
}
