//! 名簿からの消滅: a newer list that names a member no more proposes its closing;
//! a person decides, and a second one.

use crate::world::*;
use iryonet_domain::Digest;
use iryonet_registry::case::{Application, CaseState};
use iryonet_registry::{Command, ListId, ListRow, Standing, View};

fn medical() -> ListId {
    "medical".parse().unwrap()
}

fn listed(n: u16) -> Command {
    Command::ListApplicants {
        list: medical(),
        file_sha256: "ab".repeat(32),
        rows: vec![
            ListRow::new(
                code(n),
                &format!("さくら診療所{n}"),
                "1000001",
                "東京都千代田区",
            )
            .unwrap(),
        ],
    }
}

fn vanished(numbers: &[u16]) -> Command {
    Command::ListVanished {
        list: medical(),
        file_sha256: Digest([7; 32]),
        codes: numbers.iter().map(|n| code(*n)).collect(),
    }
}

/// Three of the list, of whom the first two are members.
fn world() -> (World, iryonet_domain::ParticipantNumber) {
    let mut world = World::with_rules();
    for n in 1..=3 {
        world.must(SUZUKI, &listed(n));
    }
    let clinic = world.open_clinic(1);
    world.open_clinic(2);
    (world, clinic)
}

#[test]
fn a_member_that_vanished_is_proposed_for_closing_and_stays_open() {
    let (mut world, clinic) = world();
    let before = world.tables.last_case().unwrap();
    world.must(SUZUKI, &vanished(&[1, 2, 3]));
    let proposed: Vec<_> = world
        .tables
        .cases()
        .filter(|case| Some(case.case) > before)
        .cloned()
        .collect();
    // Two members, two cases with numbers of their own; the third is no member.
    assert_eq!(proposed.len(), 2);
    assert!(proposed.iter().all(|case| matches!(
        case.application,
        Application::ClosingByList { .. }
    ) && case.state == CaseState::Received));
    assert_ne!(proposed[0].participant, proposed[1].participant);
    assert_eq!(world.participant(clinic).standing, Standing::Open);
    // Told again, it proposes nothing anew.
    assert_eq!(
        world.refused(SUZUKI, &vanished(&[1, 2, 3])),
        "rows-unchanged"
    );
}

#[test]
fn a_person_examines_and_a_second_one_closes_or_finds_it_there() {
    let (mut world, clinic) = world();
    world.must(SUZUKI, &vanished(&[1]));
    let case = world.tables.open_cases_of(clinic).unwrap()[0].case;
    world.examine(case);
    // Who confirmed it by telephone says so.
    let mut judgements = world.all_met(case, false);
    for judgement in &mut judgements {
        judgement.evidence = Some(iryonet_rules::EvidenceKind::Test);
        judgement.documents.clear();
    }
    world.judge(KATO, case, judgements);
    world.conclude(KATO, case);
    let mut closed = world.clone();
    let approval = closed.approval(case);
    assert_eq!(
        closed.refused("approver:kato", &approval),
        "second-person-wanted"
    );
    closed.must(MORI, &approval);
    assert_eq!(closed.participant(clinic).standing, Standing::Closed);

    let rejection = world.rejection(case, "移転の手続中で存続している");
    world.must(MORI, &rejection);
    let found = world.participant(clinic);
    assert_eq!(found.standing, Standing::Open);
    assert_eq!(found.membership.presence_confirmed_at, Some(world.now));
}

#[test]
fn who_stands_in_the_list_again_is_listed() {
    let (mut world, _) = world();
    world.must(SUZUKI, &vanished(&[3]));
    assert!(
        world
            .tables
            .applicant(code(3))
            .unwrap()
            .unwrap()
            .vanished_at
            .is_some()
    );
    world.must(SUZUKI, &listed(3));
    assert_eq!(
        world
            .tables
            .applicant(code(3))
            .unwrap()
            .unwrap()
            .vanished_at,
        None
    );
    assert_eq!(world.refused(SUZUKI, &listed(3)), "rows-unchanged");
}

#[test]
fn what_the_list_never_named_does_not_vanish_from_it() {
    let (mut world, _) = world();
    assert_eq!(world.refused(SUZUKI, &vanished(&[9])), "not-in-list");
    assert_eq!(world.refused(SUZUKI, &vanished(&[])), "row-count");
    assert_eq!(world.refused(SUZUKI, &vanished(&[1, 1])), "row-twice");
    assert_eq!(world.refused(KATO, &vanished(&[1])), "role-may-not");
}
