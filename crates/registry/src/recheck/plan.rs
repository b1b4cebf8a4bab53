//! What a look at one participant comes to. Pure: facts in, outcome out.

use crate::membership::{Hold, InvalidReason};
use crate::participant::{Participant, Standing};
use crate::rules::PresentRules;
use iryonet_domain::{DeviceId, Fingerprint, LineKind, ParticipantKind, UnixMillis};

/// What is known about a participant that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecheckSubject {
    /// The participant.
    pub participant: Participant,
    /// Since when the newest public list names its code no more.
    pub vanished_at: Option<UnixMillis>,
    /// Devices that are neither revoked nor recorded as run out: number,
    /// certificate, first millisecond after its life.
    pub devices: Vec<(DeviceId, Fingerprint, UnixMillis)>,
}

/// What is to be done about a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it is valid, or nothing is to be decided about it here.
    AsBefore,
    /// It is invalid, newly or for other reasons than before.
    Hold(Hold),
    /// It is on hold and stays so.
    StillOnHold,
    /// It is valid again.
    Recovered,
    /// Its hold is over, and it is still invalid.
    Close(Vec<InvalidReason>),
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Looks at one participant. `lines` are asked for only where they matter.
///
/// # Errors
/// What `lines` returns.
pub fn examine<E>(
    subject: &RecheckSubject,
    rules: Option<&PresentRules>,
    lines: impl FnOnce() -> Result<Vec<LineKind>, E>,
    hold_days: u16,
    now: UnixMillis,
) -> Result<Outcome, E> {
    let participant = &subject.participant;
    // Who is cut off already, or not open yet, is for people to deal with.
    if !matches!(participant.standing, Standing::Open | Standing::OnHold) {
        return Ok(Outcome::AsBefore);
    }
    let reasons = reasons(subject, rules, lines, now)?;
    let held = participant
        .membership
        .hold
        .as_ref()
        .filter(|_| participant.standing == Standing::OnHold);
    Ok(match held {
        None if reasons.is_empty() => Outcome::AsBefore,
        Some(_) if reasons.is_empty() => Outcome::Recovered,
        None => Outcome::Hold(hold(now, now, hold_days, reasons)),
        Some(held) if held.close_at.is_some_and(|at| at <= now) && closes(&reasons) => {
            Outcome::Close(reasons)
        }
        Some(held) if held.reasons == reasons => Outcome::StillOnHold,
        // Another reason does not set the clock back, nor does a list that lost
        // it start one.
        Some(held) => {
            let from = if held.close_at.is_some() {
                held.since
            } else {
                now
            };
            Outcome::Hold(hold(held.since, from, hold_days, reasons))
        }
    })
}

fn hold(
    since: UnixMillis,
    counted_from: UnixMillis,
    hold_days: u16,
    reasons: Vec<InvalidReason>,
) -> Hold {
    Hold {
        since,
        close_at: closes(&reasons).then(|| counted_from.plus_ms(u64::from(hold_days) * DAY_MS)),
        reasons,
    }
}

/// Do these reasons close a participant when its hold is over? That a list lost
/// it never does: a person decides about that, in a case.
fn closes(reasons: &[InvalidReason]) -> bool {
    reasons
        .iter()
        .any(|reason| *reason != InvalidReason::CodeVanished)
}

fn reasons<E>(
    subject: &RecheckSubject,
    rules: Option<&PresentRules>,
    lines: impl FnOnce() -> Result<Vec<LineKind>, E>,
    now: UnixMillis,
) -> Result<Vec<InvalidReason>, E> {
    let participant = &subject.participant;
    let mut reasons = Vec::new();
    let confirmed = participant.membership.presence_confirmed_at;
    if let Some(vanished) = subject.vanished_at
        && confirmed.is_none_or(|confirmed| confirmed < vanished)
    {
        reasons.push(InvalidReason::CodeVanished);
    }
    let table = match participant.kind {
        ParticipantKind::Institution(kind) => kind.score_table(),
        ParticipantKind::Provider => None,
    };
    if let Some(code) = participant.code
        && table != Some(code.score_table())
    {
        reasons.push(InvalidReason::CodeOfOtherKind);
    }
    if let Some(rules) = rules
        && participant.membership.examined != Some(rules.version())
        && rules
            .reexamination(participant, &lines()?)
            .is_some_and(|wanted| wanted.until <= now)
    {
        reasons.push(InvalidReason::RulesOutOfDate);
    }
    Ok(reasons)
}
