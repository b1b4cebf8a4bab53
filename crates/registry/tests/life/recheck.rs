//! 日次再確認: everybody once a day, what is invalid is cut, and never a crowd by
//! mistake.

use crate::rules::stricter;
use crate::world::*;
use iryonet_domain::{Digest, LineKind, ParticipantNumber};
use iryonet_registry::membership::InvalidReason;
use iryonet_registry::recheck::{
    ConfirmRecheck, DismissRecheck, Outcome, RecheckLimits, RecheckSlot, SLOT_MS, SLOTS_PER_DAY,
    Tick, slot_of,
};
use iryonet_registry::{Command, Event, ListRow, RecheckEvent, Standing, View};
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: RecheckLimits = RecheckLimits {
    hold_days: 2,
    alert_count: 3,
    alert_percent: 1,
};

impl World {
    /// Does every slot that is due, as a center does; says what was done.
    fn recheck(&mut self, limits: RecheckLimits) -> Vec<RecheckEvent> {
        let mut done = Vec::new();
        while let Some(tick) = self.tables.recheck_state().unwrap().due(self.now) {
            let slot = Command::RecheckSlot(RecheckSlot { tick, limits });
            for event in self.must(CENTER, &slot) {
                if let Event::Recheck(event) = event {
                    done.push(event);
                }
            }
        }
        done
    }

    /// A whole day, slot by slot.
    fn day(&mut self) -> Vec<RecheckEvent> {
        let mut done = Vec::new();
        for _ in 0..SLOTS_PER_DAY {
            self.pass(SLOT_MS);
            done.extend(self.recheck(LIMITS));
        }
        done
    }

    fn vanish(&mut self, number: ParticipantNumber) {
        let code = self.participant(number).code.unwrap();
        let row = ListRow::new(code, "さくら診療所", "1000001", "東京都千代田区").unwrap();
        let list: iryonet_registry::ListId = "medical".parse().unwrap();
        self.must(
            SUZUKI,
            &Command::ListApplicants {
                list: list.clone(),
                file_sha256: "ab".repeat(32),
                rows: vec![row],
            },
        );
        self.must(
            SUZUKI,
            &Command::ListVanished {
                list,
                file_sha256: Digest([7; 32]),
                codes: vec![code],
            },
        );
    }
}

#[test]
fn everybody_is_looked_at_once_a_day_and_what_is_valid_writes_one_entry_for_all() {
    let mut world = World::with_rules();
    world.recheck(LIMITS);
    for n in 1..=12 {
        world.open_clinic(n);
    }
    let done = world.day();
    assert_eq!(done.len(), SLOTS_PER_DAY as usize);
    let looked_at: u32 = done
        .iter()
        .map(|event| match event {
            RecheckEvent::SlotRechecked { counts, .. } => {
                assert_eq!(counts.newly_invalid, 0);
                counts.participants
            }
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(looked_at, 12);
}

#[test]
fn a_certificate_that_ran_out_is_cut_and_recorded_once() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    world.recheck(LIMITS);
    world.pass(365 * DAY_MS);
    let ran_out = |done: &[RecheckEvent]| {
        done.iter()
            .filter(|event| matches!(event, RecheckEvent::DeviceRanOut { participant, .. } if *participant == clinic))
            .count()
    };
    let first = world.day();
    assert_eq!(ran_out(&first), 1);
    assert_eq!(ran_out(&world.day()), 0);
    // The institution itself is as valid as before.
    assert_eq!(world.participant(clinic).standing, Standing::Open);
}

#[test]
fn who_was_not_examined_in_time_is_held_for_two_days_and_then_closed() {
    let mut world = World::with_rules();
    let late = world.open_clinic(1);
    let in_time = world.open_clinic(2);
    world.must(ITO, &stricter(2));
    world.recheck(LIMITS);
    world.pass(179 * DAY_MS);
    world.day();
    assert_eq!(world.participant(late).standing, Standing::Open);
    let audit = world.about(
        in_time,
        iryonet_registry::case::Application::Audit {
            reason: "要件の改定".into(),
        },
    );
    world.approve(audit);
    world.pass(SLOT_MS);
    world.day();
    let held = world.participant(late);
    assert_eq!(held.standing, Standing::OnHold);
    let hold = held.membership.hold.unwrap();
    assert_eq!(hold.reasons, [InvalidReason::RulesOutOfDate]);
    assert_eq!(hold.close_at, Some(hold.since.plus_ms(2 * DAY_MS)));
    assert_eq!(world.participant(in_time).standing, Standing::Open);
    world.day();
    assert_eq!(world.participant(late).standing, Standing::OnHold);
    world.day();
    world.day();
    assert_eq!(world.participant(late).standing, Standing::Closed);
    assert!(
        world
            .tables
            .valid_devices(late, world.now)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn who_makes_good_while_on_hold_is_open_again() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    world.must(ITO, &stricter(2));
    world.pass(181 * DAY_MS);
    world.recheck(LIMITS);
    world.day();
    assert_eq!(world.participant(clinic).standing, Standing::OnHold);
    let audit = world.about(
        clinic,
        iryonet_registry::case::Application::Audit {
            reason: "要件の改定".into(),
        },
    );
    world.approve(audit);
    world.day();
    let again = world.participant(clinic);
    assert_eq!(again.standing, Standing::Open);
    assert_eq!(again.membership.hold, None);
}

#[test]
fn a_list_that_lost_a_member_holds_it_and_only_a_person_closes_it() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    world.recheck(LIMITS);
    world.vanish(clinic);
    world.day();
    let held = world.participant(clinic);
    assert_eq!(held.standing, Standing::OnHold);
    assert_eq!(held.membership.hold.unwrap().close_at, None);
    for _ in 0..10 {
        world.day();
    }
    assert_eq!(world.participant(clinic).standing, Standing::OnHold);
    // A person finds that it is there: the next look lets it go on, and later ones too.
    let case = world.tables.open_cases_of(clinic).unwrap()[0].case;
    world.approve_up_to_decision_by_telephone(case);
    let rejection = world.rejection(case, "存続している");
    world.must(MORI, &rejection);
    world.day();
    world.day();
    assert_eq!(world.participant(clinic).standing, Standing::Open);
}

impl World {
    fn approve_up_to_decision_by_telephone(&mut self, case: iryonet_domain::CaseId) {
        self.examine(case);
        let mut judgements = self.all_met(case, false);
        for judgement in &mut judgements {
            judgement.evidence = Some(iryonet_rules::EvidenceKind::Test);
            judgement.documents.clear();
        }
        self.judge(KATO, case, judgements);
        self.conclude(KATO, case);
    }
}

/// Clinics that have one slot, found by their numbers.
fn crowd(world: &mut World, size: usize) -> (u16, Vec<ParticipantNumber>) {
    let mut of_slot: BTreeMap<u16, Vec<ParticipantNumber>> = BTreeMap::new();
    for n in 1..4_000 {
        let case = Command::AdmitParticipant {
            kind: CLINIC,
            name: format!("さくら診療所{n}"),
            code: Some(code(n)),
            home: iryonet_registry::Home::Block(1),
        };
        let events = world.must(CENTER, &case);
        let Event::ParticipantAdmitted { number, .. } = &events[0] else {
            panic!()
        };
        let slot = of_slot.entry(slot_of(*number)).or_default();
        slot.push(*number);
        if slot.len() == size {
            return (slot_of(*number), slot.clone());
        }
    }
    panic!("no slot has {size}")
}

/// To the time at which a slot has just begun.
fn until_slot(world: &mut World, slot: u16) -> Tick {
    while Tick::at(world.now).slot() != slot {
        world.pass(SLOT_MS);
        if Tick::at(world.now).slot() != slot {
            world.recheck(LIMITS);
        }
    }
    Tick::at(world.now)
}

#[test]
fn a_crowd_is_not_cut_off_until_a_person_has_looked() {
    let mut world = World::with_rules();
    world.recheck(LIMITS);
    let (slot, members) = crowd(&mut world, 8);
    for number in &members {
        world.vanish(*number);
    }
    let tick = until_slot(&mut world, slot);
    let done = world.recheck(LIMITS);
    assert!(
        matches!(done.last(), Some(RecheckEvent::RecheckHalted { tick: at, counts }) if *at == tick && counts.newly_invalid == 8),
        "{done:?}"
    );
    let standing = |world: &World, number| world.participant(number).standing;
    assert!(
        members
            .iter()
            .all(|n| standing(&world, *n) == Standing::Open)
    );
    // It waits, however long, and does not do another slot.
    world.pass(3 * DAY_MS);
    assert!(world.recheck(LIMITS).is_empty());
    let other = Command::RecheckSlot(RecheckSlot {
        tick: tick.next(),
        limits: LIMITS,
    });
    assert_eq!(world.refused(CENTER, &other), "recheck-halted");
    let confirm = Command::ConfirmRecheck(ConfirmRecheck {
        tick,
        limits: LIMITS,
        whole_day: false,
    });
    assert_eq!(world.refused(CENTER, &confirm), "role-may-not");

    let mut confirmed = world.clone();
    confirmed.must(ITO, &confirm);
    assert!(
        members
            .iter()
            .all(|n| standing(&confirmed, *n) == Standing::OnHold)
    );
    assert_eq!(confirmed.refused(ITO, &confirm), "recheck-not-halted");

    let dismiss = Command::DismissRecheck(DismissRecheck {
        tick,
        reason: "名簿のファイルの誤り".into(),
        whole_day: true,
    });
    world.must(ITO, &dismiss);
    assert!(
        members
            .iter()
            .all(|n| standing(&world, *n) == Standing::Open)
    );
    // For a day it looks and does nothing, with all that waited.
    let done = world.recheck(LIMITS);
    assert!(
        done.iter()
            .all(|event| matches!(event, RecheckEvent::SlotRechecked { .. }))
    );
}

/// A slot in which so many of a crowd of eight have vanished, just begun.
fn with_vanished(vanished: usize) -> World {
    let mut world = World::new();
    world.recheck(LIMITS);
    let (slot, members) = crowd(&mut world, 8);
    for number in &members[..vanished] {
        world.vanish(*number);
    }
    while Tick::at(world.now).slot() != slot {
        world.pass(SLOT_MS);
    }
    world
}

fn stops(world: &World, limits: RecheckLimits) -> bool {
    let done = world.clone().recheck(limits);
    matches!(done.last(), Some(RecheckEvent::RecheckHalted { .. }))
}

#[test]
fn a_number_stops_it_and_so_does_a_share_but_for_a_few() {
    let limits = |alert_count, alert_percent| RecheckLimits {
        alert_count,
        alert_percent,
        ..LIMITS
    };
    let seven = with_vanished(7);
    assert!(stops(&seven, limits(6, 100)));
    assert!(!stops(&seven, limits(7, 100)));
    // The share is that of all who were looked at within the hour.
    let mut looked_at = seven.clone();
    looked_at.recheck(limits(1_000, 100));
    let window = looked_at.tables.recheck_state().unwrap().window;
    let within_the_hour: u32 = window.iter().map(|slot| slot.participants).sum();
    let share = 7 * 100 / within_the_hour;
    assert!((2..50).contains(&share), "{share}");
    assert!(stops(&seven, limits(1_000, (share - 1) as u8)));
    assert!(!stops(&seven, limits(1_000, (share + 1) as u8)));
    // Three of a hundred, or of three, are a matter of course.
    assert!(!stops(&with_vanished(3), limits(1_000, 1)));
    assert!(stops(&with_vanished(4), limits(1_000, 1)));
}

#[test]
fn a_dismissal_holds_for_its_day_and_not_for_ever() {
    let mut world = World::with_rules();
    world.recheck(LIMITS);
    let (slot, members) = crowd(&mut world, 8);
    for number in &members {
        world.vanish(*number);
    }
    let tick = until_slot(&mut world, slot);
    world.recheck(LIMITS);
    let dismiss = Command::DismissRecheck(DismissRecheck {
        tick,
        reason: "名簿のファイルの誤り".into(),
        whole_day: true,
    });
    world.must(ITO, &dismiss);
    let mut day = Vec::new();
    for _ in 0..SLOTS_PER_DAY {
        world.pass(SLOT_MS);
        day.extend(world.recheck(LIMITS));
    }
    assert!(
        matches!(day.last(), Some(RecheckEvent::RecheckHalted { .. })),
        "{:?}",
        day.last()
    );
}

#[test]
fn of_two_centers_one_does_a_slot() {
    let mut world = World::with_rules();
    let tick = Tick::at(world.now);
    let slot = Command::RecheckSlot(RecheckSlot {
        tick,
        limits: LIMITS,
    });
    world.must("system:center-1", &slot);
    assert_eq!(world.refused("system:center-2", &slot), "recheck-not-due");
}

#[test]
fn a_center_that_was_down_catches_up_with_a_day_and_not_with_a_month() {
    let mut world = World::with_rules();
    world.recheck(LIMITS);
    world.pass(30 * DAY_MS);
    assert_eq!(world.recheck(LIMITS).len(), SLOTS_PER_DAY as usize);
    world.pass(10 * SLOT_MS);
    assert_eq!(world.recheck(LIMITS).len(), 10);
}

#[test]
fn limits_that_protect_nobody_are_refused() {
    let mut world = World::with_rules();
    let tick = Tick::at(world.now);
    for (limits, refused) in [
        (
            RecheckLimits {
                hold_days: 0,
                ..LIMITS
            },
            "recheck-hold-days",
        ),
        (
            RecheckLimits {
                hold_days: 31,
                ..LIMITS
            },
            "recheck-hold-days",
        ),
        (
            RecheckLimits {
                alert_percent: 0,
                ..LIMITS
            },
            "recheck-alert-percent",
        ),
        (
            RecheckLimits {
                alert_percent: 101,
                ..LIMITS
            },
            "recheck-alert-percent",
        ),
    ] {
        let slot = Command::RecheckSlot(RecheckSlot { tick, limits });
        assert_eq!(world.refused(CENTER, &slot), refused);
    }
}

#[test]
fn numbers_fall_evenly_over_the_day() {
    // 600,000 institutions, as numbers are given: block after block, in a row.
    let mut slots = vec![0u32; SLOTS_PER_DAY as usize];
    let numbers = (1..=10u32).flat_map(|block| (0..60_000).map(move |n| (block << 16) + n));
    for number in numbers {
        slots[usize::from(slot_of(ParticipantNumber::new(number).unwrap()))] += 1;
    }
    let mean = 600_000 / SLOTS_PER_DAY as u32;
    let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
    assert!(
        *least > mean * 9 / 10 && *most < mean * 11 / 10,
        "{least}..{most} around {mean}"
    );
}

proptest! {
    /// Every slot number is one of the day's.
    #[test]
    fn every_number_has_a_slot(n in 1u32..=ParticipantNumber::MAX) {
        prop_assert!(u64::from(slot_of(ParticipantNumber::new(n).unwrap())) < SLOTS_PER_DAY);
    }

    /// However a center is started and stopped, within any day of its running
    /// each slot is done exactly once.
    #[test]
    fn no_slot_is_done_twice_nor_left_out_within_a_day(pauses in proptest::collection::vec(1u64..40, 1..40)) {
        let mut world = World::new();
        let mut ticks = Vec::new();
        world.recheck(LIMITS);
        for pause in pauses {
            world.pass(pause * SLOT_MS / 3);
            for event in world.recheck(LIMITS) {
                if let RecheckEvent::SlotRechecked { tick, .. } = event {
                    ticks.push(tick.0);
                }
            }
        }
        prop_assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}

#[test]
fn what_is_found_about_one_participant_is_a_matter_of_facts() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let subject = |world: &World| {
        let subjects = world.tables.recheck_subjects(slot_of(clinic)).unwrap();
        subjects
            .into_iter()
            .find(|s| s.participant.number == clinic)
            .unwrap()
    };
    let look = |world: &World| {
        let lines = || Ok::<_, std::convert::Infallible>(vec![LineKind::Ethernet]);
        iryonet_registry::recheck::examine(&subject(world), None, lines, 2, world.now).unwrap()
    };
    assert_eq!(look(&world), Outcome::AsBefore);
    world.vanish(clinic);
    assert!(
        matches!(look(&world), Outcome::Hold(hold) if hold.reasons == [InvalidReason::CodeVanished])
    );
    // Whom people have cut off already is theirs.
    world.must(
        ITO,
        &Command::QuarantineParticipant {
            participant: clinic,
            reason: "調査中".into(),
        },
    );
    assert_eq!(look(&world), Outcome::AsBefore);
}
