//! Whatever anybody does with a case, in whatever order: nobody is open without
//! an approval by a second person and a passed test, and no case goes back to
//! life.

use crate::world::*;
use iryonet_domain::CaseId;
use iryonet_registry::case::command::{
    AnyCase, ApproveCase, CaseReason, ConcludeExamination, Judgements, ResubmitApplication,
    ReturnApplication, SeenCase,
};
use iryonet_registry::case::people::same_person;
use iryonet_registry::case::{CaseState, Recommendation, next_steps};
use iryonet_registry::{Act, Command, Home, Standing};
use proptest::prelude::*;

const PEOPLE: [&str; 8] = [
    "officer:sato",
    "examiner:kato",
    "examiner:mori",
    "approver:mori",
    "approver:kato",
    "approver:sato",
    "operator:suzuki",
    "system:center-1",
];

/// Something that somebody might do with a case.
fn some_act(world: &World, case: CaseId, what: u8, stale: bool) -> Command {
    let SeenCase { version, .. } = world.seen(case);
    let version = if stale {
        version.saturating_sub(1)
    } else {
        version
    };
    let seen = SeenCase { case, version };
    let judgements = |opening| {
        if world.case(case).rules.is_some() {
            world.all_met(case, opening)
        } else {
            Vec::new()
        }
    };
    let again = application(1);
    match what % 14 {
        0 => Command::AcceptApplication(seen),
        1 => Command::BeginExamination(seen),
        2 => Command::JudgeItems(Judgements {
            case,
            version,
            judgements: judgements(false),
        }),
        3 => Command::ConcludeExamination(ConcludeExamination {
            case,
            version,
            recommendation: Recommendation::Approve,
            note: None,
        }),
        4 => Command::ConcludeExamination(ConcludeExamination {
            case,
            version,
            recommendation: Recommendation::Reject,
            note: Some("否".into()),
        }),
        5 => Command::ApproveCase(ApproveCase {
            case,
            version,
            home: Some(Home::Block(1)),
        }),
        6 => Command::RejectCase(CaseReason {
            case,
            version,
            reason: "否".into(),
        }),
        7 => Command::SendBackCase(CaseReason {
            case,
            version,
            reason: "再審査".into(),
        }),
        8 => Command::ReturnApplication(ReturnApplication {
            case,
            version,
            missing: vec!["図面".into()],
        }),
        9 => Command::ResubmitApplication(ResubmitApplication {
            case,
            version,
            application: again.application,
            officer: again.officer,
            documents: again.documents,
        }),
        10 => Command::WithdrawApplication(seen),
        11 => Command::RecordOpeningTest(Judgements {
            case,
            version,
            judgements: judgements(true),
        }),
        12 => Command::OpenConnection(seen),
        _ => Command::LapseCase(AnyCase { case }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_let_in_by_one_person(acts in proptest::collection::vec((any::<u8>(), 0usize..8, prop::bool::weighted(0.1)), 1..60)) {
        let mut world = World::with_rules();
        let case = world.receive(SATO, application(1));
        let mut over = None;
        for (what, who, stale) in acts {
            let before = world.case(case);
            let command = some_act(&world, case, what, stale);
            let actor = PEOPLE[who].parse().unwrap();
            let offered = next_steps(&world.tables, &actor, &before, world.now).unwrap();
            let done = world.act(PEOPLE[who], &command);
            // What is offered is not refused for who asks or when; and nothing
            // is done that was not offered, but what only time does.
            let act = Act::from(&command);
            match &done {
                Ok(_) => prop_assert!(offered.contains(&act) || act == Act::LapseCase),
                Err(refusal) if offered.contains(&act) && !stale => prop_assert!(
                    !["case-state", "case-unknown", "role-may-not", "own-application", "second-person-wanted"]
                        .contains(&refusal.code()),
                    "{act:?} was offered to {actor} and refused: {refusal}"
                ),
                Err(_) => {}
            }
            let after = world.case(case);
            match &done {
                Ok(_) => prop_assert_eq!(after.version, before.version + 1),
                Err(_) => prop_assert_eq!(&after, &before),
            }
            if let Some(state) = over {
                prop_assert_eq!(after.state, state);
            }
            if !after.state.is_open() {
                over = Some(after.state);
            }
            if after.state.is_approved() {
                let decided = after.decided.as_ref().unwrap();
                let others = after.examiners.iter().chain(&after.applicants);
                for other in others {
                    prop_assert!(!same_person(decided.by.name(), other.name()));
                }
                prop_assert!(!after.examiners.is_empty());
                // The code comes as soon as it may, so that tests and openings are reached too.
                if after.state == CaseState::Approved {
                    world.enrol(after.participant.unwrap());
                }
            }
            if let Some(number) = after.participant {
                let open = world.participant(number).standing == Standing::Open;
                prop_assert_eq!(open, after.state == CaseState::Done);
            }
        }
    }
}
