//! 申請者: who has no number yet and applies with an account of its own. The
//! account speaks for that one application, and for what comes of it.

use crate::world::*;
use iryonet_domain::{CaseId, Role};
use iryonet_registry::case::command::ResubmitApplication;
use iryonet_registry::{Command, Event, SpeaksFor, View};

const TAKEDA: &str = "officer:takeda";

fn account(name: &str, speaks_for: Option<SpeaksFor>) -> Command {
    Command::CreateAccount {
        account: name.parse().unwrap(),
        person: "武田 直子".to_owned(),
        roles: vec![Role::Officer],
        speaks_for,
    }
}

fn speaks_for(world: &World, name: &str) -> (Option<SpeaksFor>, u64) {
    let found = world.tables.account(&name.parse().unwrap()).unwrap();
    let found = found.unwrap();
    (found.speaks_for, found.generation)
}

#[test]
fn an_applicant_speaks_for_its_application_and_then_for_whom_it_brought() {
    let mut world = World::with_rules();
    world.must(SUZUKI, &account("takeda", Some(SpeaksFor::Applicant)));
    let (_, sessions) = speaks_for(&world, "takeda");
    let apply = |n| Command::ReceiveApplication(application(n));
    let events = world.must(TAKEDA, &apply(1));
    assert!(matches!(events[1], Event::AccountBound { .. }));
    let case = world.tables.last_case().unwrap().unwrap();
    // It goes on in the session in which it applied.
    let now_for = SpeaksFor::Application(case);
    assert_eq!(speaks_for(&world, "takeda"), (Some(now_for), sessions));
    assert_eq!(world.refused(TAKEDA, &apply(2)), "applied-already");
    // Not for the participants that are there.
    let clinic = world.open_clinic(5);
    let mut about = application(3);
    about.participant = Some(clinic);
    let about = Command::ReceiveApplication(about);
    assert_eq!(world.refused(TAKEDA, &about), "speaks-for-nobody");

    world.approve(case);
    let number = world.case(case).participant.unwrap();
    let now_for = SpeaksFor::Participant(number);
    assert_eq!(speaks_for(&world, "takeda"), (Some(now_for), sessions));
    world.enrol(number);
    world.test_and_open(case);
}

#[test]
fn after_a_no_an_applicant_may_apply_again() {
    let mut world = World::with_rules();
    world.must(SUZUKI, &account("takeda", Some(SpeaksFor::Applicant)));
    let apply = Command::ReceiveApplication(application(1));
    world.must(TAKEDA, &apply);
    let first = world.tables.last_case().unwrap().unwrap();
    world.approve_up_to_decision(first);
    let no = world.rejection(first, "開設の事実を確認できない");
    world.must(MORI, &no);
    world.must(TAKEDA, &apply);
    let second = world.tables.last_case().unwrap().unwrap();
    assert_ne!(first, second);
    let (now_for, _) = speaks_for(&world, "takeda");
    assert_eq!(now_for, Some(SpeaksFor::Application(second)));
}

#[test]
fn who_applied_on_paper_may_be_given_an_account_for_the_application_and_a_stranger_none() {
    let mut world = World::with_rules();
    let case = world.receive(SUZUKI, application(1));
    let of = |case| Some(SpeaksFor::Application(case));
    assert_eq!(
        world.refused(SUZUKI, &account("takeda", of(CaseId(99)))),
        "case-unknown"
    );
    world.must(SUZUKI, &account("takeda", of(case)));
    world.must(SUZUKI, &account("other", Some(SpeaksFor::Applicant)));
    world.examine(case);
    let seen = world.seen(case);
    let give_back =
        Command::ReturnApplication(iryonet_registry::case::command::ReturnApplication {
            case,
            version: seen.version,
            missing: vec!["開設届の写し".to_owned()],
        });
    world.must(KATO, &give_back);
    let again = application(1);
    let resubmit = Command::ResubmitApplication(ResubmitApplication {
        case,
        version: world.case(case).version,
        application: again.application,
        officer: again.officer,
        documents: again.documents,
    });
    // As if it were not there.
    assert_eq!(world.refused("officer:other", &resubmit), "case-unknown");
    world.must(TAKEDA, &resubmit);
    world.approve(case);
    // Whoever is to speak for a member is bound to that, not to its application.
    assert_eq!(
        world.refused(SUZUKI, &account("third", of(case))),
        "no-admission-under-way"
    );
    let number = world.case(case).participant.unwrap();
    let (now_for, _) = speaks_for(&world, "takeda");
    assert_eq!(now_for, Some(SpeaksFor::Participant(number)));
    let suspension = world.about(
        world.case(case).participant.unwrap(),
        iryonet_registry::case::Application::Withdrawal {
            reason: "開設中止".to_owned(),
            from: None,
        },
    );
    assert_eq!(world.case(suspension).participant, Some(number));
}

#[test]
fn the_machine_publishes_the_shipped_rules_once_and_later_ones_are_peoples() {
    let mut world = World::new();
    let shipped = publish(&iryonet_rules::shipped::VERSION_1);
    world.must(CENTER, &shipped);
    let later = crate::rules::stricter(2);
    assert_eq!(world.refused(CENTER, &later), "role-may-not");
    world.must(ITO, &later);
}
