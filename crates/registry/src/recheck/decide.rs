//! One slot as one act: look at everybody of the slot, and either do what
//! follows, or stop because it would be too much.

use super::{
    ALERT_FEW, ConfirmRecheck, DismissRecheck, Outcome, RecheckCounts, RecheckEvent, RecheckLimits,
    RecheckRefusal, RecheckSlot, RecheckState, SLOTS_PER_DAY, Tick, Word, examine,
};
use crate::decide::{Decision, reason_text};
use crate::limits::CONSEQUENCES_MAX;
use crate::membership::{InvalidReason, MembershipEvent};
use crate::participant::Standing;
use crate::rules::PresentRules;
use crate::view::{View, ViewError};
use crate::{DecideError, Event};
use iryonet_domain::{Actor, UnixMillis};

pub(crate) fn slot(
    view: &dyn View,
    RecheckSlot { tick, limits }: RecheckSlot,
    now: UnixMillis,
) -> Decision {
    let state = view.recheck_state()?;
    check_limits(&limits)?;
    if let Some(halt) = &state.halted {
        return Err(RecheckRefusal::Halted(halt.tick).into());
    }
    let due = state.due(now);
    if due != Some(tick) {
        return Err(RecheckRefusal::NotDue { tick, due }.into());
    }
    let done = look(view, tick, &limits, now)?;
    match state.told_about(tick) {
        Some(Word::Dismissed) => Ok(vec![done.told_off(tick)]),
        Some(Word::Confirmed) => Ok(done.carried_out(tick)),
        None if too_many(&state, tick, &done.counts, &limits) => {
            Ok(vec![Event::Recheck(RecheckEvent::RecheckHalted {
                tick,
                counts: done.counts,
            })])
        }
        None => Ok(done.carried_out(tick)),
    }
}

pub(crate) fn confirm(
    view: &dyn View,
    actor: &Actor,
    wish: ConfirmRecheck,
    now: UnixMillis,
) -> Decision {
    let ConfirmRecheck {
        tick,
        limits,
        whole_day,
    } = wish;
    check_limits(&limits)?;
    check_halted(&view.recheck_state()?, tick)?;
    // Looked at again: meanwhile a list may have been put right.
    let done = look(view, tick, &limits, now)?;
    let mut events = vec![Event::Recheck(RecheckEvent::RecheckConfirmed {
        tick,
        by: actor.clone(),
        until: until(tick, whole_day, now),
    })];
    events.extend(done.carried_out(tick));
    Ok(events)
}

pub(crate) fn dismiss(
    view: &dyn View,
    actor: &Actor,
    wish: &DismissRecheck,
    now: UnixMillis,
) -> Decision {
    let tick = wish.tick;
    let counts = check_halted(&view.recheck_state()?, tick)?;
    Ok(vec![
        Event::Recheck(RecheckEvent::RecheckDismissed {
            tick,
            by: actor.clone(),
            reason: reason_text(&wish.reason)?,
            until: until(tick, wish.whole_day, now),
        }),
        Event::Recheck(RecheckEvent::SlotRechecked {
            tick,
            counts,
            dismissed: true,
        }),
    ])
}

fn check_limits(limits: &RecheckLimits) -> Result<(), RecheckRefusal> {
    if !(1..=30).contains(&limits.hold_days) {
        return Err(RecheckRefusal::HoldDays(limits.hold_days));
    }
    if !(1..=100).contains(&limits.alert_percent) {
        return Err(RecheckRefusal::AlertPercent(limits.alert_percent));
    }
    Ok(())
}

fn check_halted(state: &RecheckState, tick: Tick) -> Result<RecheckCounts, RecheckRefusal> {
    match &state.halted {
        Some(halt) if halt.tick == tick => Ok(halt.counts.clone()),
        _ => Err(RecheckRefusal::NotHalted(tick)),
    }
}

/// For how long a person's word holds: this slot, or a day from now on, with
/// all that waited meanwhile.
fn until(tick: Tick, whole_day: bool, now: UnixMillis) -> Tick {
    if whole_day {
        Tick(tick.max(Tick::at(now)).0.saturating_add(SLOTS_PER_DAY))
    } else {
        tick.next()
    }
}

/// More than the number, or more than the share, within the hour. A few are
/// let pass whatever their share: in a small network one is a large one.
fn too_many(
    state: &RecheckState,
    tick: Tick,
    counts: &RecheckCounts,
    limits: &RecheckLimits,
) -> bool {
    if counts.newly_invalid == 0 {
        return false;
    }
    let oldest = tick.0.saturating_sub(super::WINDOW_SLOTS as u64 - 1);
    let (mut looked_at, mut invalid) = (
        u64::from(counts.participants),
        u64::from(counts.newly_invalid),
    );
    for slot in state.window.iter().filter(|slot| slot.tick.0 >= oldest) {
        looked_at += u64::from(slot.participants);
        invalid += u64::from(slot.newly_invalid);
    }
    invalid > u64::from(limits.alert_count)
        || (invalid > ALERT_FEW && invalid * 100 > looked_at * u64::from(limits.alert_percent))
}

/// What a look at a slot came to.
struct Looked {
    counts: RecheckCounts,
    events: Vec<Event>,
}

impl Looked {
    fn carried_out(self, tick: Tick) -> Vec<Event> {
        let mut events = self.events;
        events.push(Event::Recheck(RecheckEvent::SlotRechecked {
            tick,
            counts: self.counts,
            dismissed: false,
        }));
        events
    }

    fn told_off(self, tick: Tick) -> Event {
        Event::Recheck(RecheckEvent::SlotRechecked {
            tick,
            counts: self.counts,
            dismissed: true,
        })
    }
}

fn look(
    view: &dyn View,
    tick: Tick,
    limits: &RecheckLimits,
    now: UnixMillis,
) -> Result<Looked, DecideError> {
    let rules = PresentRules::of(view)?;
    let mut counts = RecheckCounts::default();
    let mut events = Vec::new();
    for subject in view.recheck_subjects(tick.slot())? {
        let number = subject.participant.number;
        counts.participants += 1;
        counts.certificates += subject.devices.len() as u32;
        let mut valid = 0u32;
        for (device, fingerprint, not_after) in &subject.devices {
            if *not_after <= now {
                counts.ran_out += 1;
                events.push(Event::Recheck(RecheckEvent::DeviceRanOut {
                    participant: number,
                    device: *device,
                    fingerprint: *fingerprint,
                }));
            } else {
                valid += 1;
            }
        }
        if valid == 0 && subject.participant.standing == Standing::Open {
            counts.without_certificate += 1;
        }
        let lines = || -> Result<_, ViewError> {
            Ok(view
                .lines_of(number)?
                .into_iter()
                .map(|line| line.kind)
                .collect())
        };
        match examine(&subject, rules.as_ref(), lines, limits.hold_days, now)? {
            Outcome::AsBefore => {}
            Outcome::StillOnHold => counts.still_on_hold += 1,
            Outcome::Recovered => {
                counts.recovered += 1;
                events.push(Event::Membership(MembershipEvent::ParticipantHoldEnded {
                    participant: number,
                }));
            }
            Outcome::Hold(hold) => {
                // Held for another reason than before, it is no more cut off
                // than it was.
                if subject.participant.standing == Standing::Open {
                    counts.newly_invalid += 1;
                } else {
                    counts.still_on_hold += 1;
                }
                for reason in &hold.reasons {
                    *counts.reasons.entry(*reason).or_default() += 1;
                }
                events.push(Event::Membership(MembershipEvent::ParticipantHeld {
                    participant: number,
                    hold,
                }));
            }
            Outcome::Close(reasons) => {
                counts.newly_invalid += 1;
                let text = closing_text(&reasons);
                let ends = crate::participant::close(view, number, &text, now)?;
                // A provider with a whole country of agreements is closed by
                // people, in steps; until then it stays on hold.
                if events.len() + ends.len() > CONSEQUENCES_MAX {
                    counts.still_on_hold += 1;
                } else {
                    counts.closed += 1;
                    for reason in reasons {
                        *counts.reasons.entry(reason).or_default() += 1;
                    }
                    // Its certificates end with it, those that ran out too.
                    events.extend(ends);
                }
            }
        }
    }
    Ok(Looked { counts, events })
}

fn closing_text(reasons: &[InvalidReason]) -> String {
    let ja: Vec<&str> = reasons.iter().map(|reason| reason.name_ja()).collect();
    let en: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    format!(
        "保留期間の満了: {} (hold over: {})",
        ja.join("、"),
        en.join(", ")
    )
}
