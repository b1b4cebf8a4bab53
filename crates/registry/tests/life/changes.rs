//! What becomes of a participant that is there: change, new owner, suspension,
//! leaving; each as a case, each once at a time.

use crate::world::*;
use iryonet_domain::{LineKind, Officer};
use iryonet_registry::case::command::{AnyCase, SeenCase};
use iryonet_registry::case::{Application, CaseState, Change, LinesWish, SiteWish};
use iryonet_registry::{Command, RevocationReason, Standing, View};

#[test]
fn a_change_of_name_and_officer_is_done_with_its_approval() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let case = world.receive(
        SUZUKI,
        iryonet_registry::case::command::ReceiveApplication {
            participant: Some(clinic),
            application: Application::Change(Change {
                name: Some("さくら内科".into()),
                ..Change::default()
            }),
            officer: Some(
                Officer::new("田中 次郎", None, Some("tanaka@clinic.example.jp")).unwrap(),
            ),
            documents: vec![document(3)],
        },
    );
    world.approve(case);
    let changed = world.participant(clinic);
    assert_eq!(changed.name, "さくら内科");
    assert_eq!(changed.membership.officer.unwrap().name, "田中 次郎");
    assert_eq!(changed.code, Some(code(1)));
    assert_eq!(world.case(case).state, CaseState::Done);
}

#[test]
fn a_further_site_is_tested_before_its_case_is_done() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let case = world.about(
        clinic,
        Application::Change(Change {
            sites: vec![SiteWish {
                name: "分院".into(),
                lines: vec![LineKind::Ethernet],
            }],
            lines: vec![LinesWish {
                site: 0,
                lines: vec![LineKind::Ethernet],
            }],
            ..Change::default()
        }),
    );
    world.approve(case);
    assert_eq!(world.case(case).state, CaseState::Approved);
    let sites = world.tables.sites_of(clinic).unwrap();
    assert_eq!(sites.iter().map(|s| s.site).collect::<Vec<_>>(), [0, 1]);
    world.test_and_open(case);
    assert_eq!(world.case(case).state, CaseState::Done);
    assert_eq!(world.participant(clinic).standing, Standing::Open);
}

#[test]
fn a_change_of_nothing_and_of_a_site_that_is_not_there_are_refused() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let wish = |change| {
        Command::ReceiveApplication(iryonet_registry::case::command::ReceiveApplication {
            participant: Some(clinic),
            application: Application::Change(change),
            officer: None,
            documents: vec![],
        })
    };
    assert_eq!(
        world.refused(SUZUKI, &wish(Change::default())),
        "nothing-asked"
    );
    let elsewhere = Change {
        lines: vec![LinesWish {
            site: 9,
            lines: vec![LineKind::Tls],
        }],
        ..Change::default()
    };
    assert_eq!(world.refused(SUZUKI, &wish(elsewhere)), "site-unknown");
}

#[test]
fn a_new_owner_keeps_the_number_and_not_the_old_owners_keys() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let case = world.about(
        clinic,
        Application::ChangeOfOwner {
            code: Some(code(7)),
            name: Some("医療法人 うめ診療所".into()),
        },
    );
    world.approve(case);
    let owned = world.participant(clinic);
    assert_eq!(
        (owned.number, owned.code, owned.name.as_str()),
        (clinic, Some(code(7)), "医療法人 うめ診療所")
    );
    // Nobody is cut off while the new owner's device is not there yet.
    assert_eq!(owned.standing, Standing::Open);
    assert_eq!(
        world.tables.valid_devices(clinic, world.now).unwrap().len(),
        1
    );
    let device = world.enrol(clinic);
    world.test_and_open(case);
    let valid = world.tables.valid_devices(clinic, world.now).unwrap();
    assert_eq!(valid.iter().map(|d| d.device).collect::<Vec<_>>(), [device]);
    let old = world
        .tables
        .device(clinic, iryonet_domain::DeviceId(1))
        .unwrap()
        .unwrap();
    assert_eq!(
        old.revoked.unwrap().reason,
        RevocationReason::AffiliationChanged
    );
}

#[test]
fn a_code_that_somebody_took_meanwhile_is_refused_at_the_approval_too() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let case = world.about(
        clinic,
        Application::ChangeOfOwner {
            code: Some(code(2)),
            name: None,
        },
    );
    world.approve_up_to_decision(case);
    world.open_clinic(2);
    let approval = world.approval(case);
    assert_eq!(world.refused(MORI, &approval), "code-taken");
}

#[test]
fn one_case_of_a_kind_at_a_time() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let wish = Application::SecondDevice {
        reason: "予備機".into(),
    };
    let case = world.about(clinic, wish.clone());
    let again = Command::ReceiveApplication(iryonet_registry::case::command::ReceiveApplication {
        participant: Some(clinic),
        application: wish.clone(),
        officer: None,
        documents: vec![],
    });
    assert_eq!(world.refused(SUZUKI, &again), "case-open-already");
    let seen = world.seen(case);
    world.must(SUZUKI, &Command::WithdrawApplication(seen));
    assert_eq!(world.case(case).state, CaseState::Withdrawn);
    world.about(clinic, wish);
}

#[test]
fn a_suspension_at_a_date_is_carried_out_on_its_day() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let day = world.now.plus_ms(10 * DAY_MS);
    let case = world.about(
        clinic,
        Application::Suspension {
            reason: "年末の休診".into(),
            from: Some(day),
        },
    );
    world.approve(case);
    assert_eq!(world.participant(clinic).standing, Standing::Open);
    let carry_out = Command::CarryOutCase(AnyCase { case });
    assert_eq!(world.refused(CENTER, &carry_out), "not-its-day");
    world.pass(10 * DAY_MS);
    world.must(CENTER, &carry_out);
    assert_eq!(world.participant(clinic).standing, Standing::Suspended);
    assert_eq!(world.refused(CENTER, &carry_out), "case-state");
}

#[test]
fn who_is_suspended_is_resumed_and_not_suspended_again() {
    let mut world = World::with_rules();
    let clinic = world.open_clinic(1);
    let resume = Command::ReceiveApplication(iryonet_registry::case::command::ReceiveApplication {
        participant: Some(clinic),
        application: Application::Resumption {
            reason: "再開".into(),
        },
        officer: None,
        documents: vec![],
    });
    assert_eq!(world.refused(SUZUKI, &resume), "case-standing");
}

#[test]
fn a_quarantine_does_not_open_who_was_not_open_before_it() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.approve(case);
    let clinic = world.case(case).participant.unwrap();
    let quarantine = Command::QuarantineParticipant {
        participant: clinic,
        reason: "不審な通信".into(),
    };
    let release = Command::ReleaseParticipant {
        participant: clinic,
    };
    world.must(ITO, &quarantine);
    world.must(ITO, &release);
    assert_eq!(world.participant(clinic).standing, Standing::Admitted);
    // What happens behind a quarantine shows when it ends.
    world.must(ITO, &quarantine);
    world.enrol(clinic);
    world.test_and_open(case);
    assert_eq!(world.participant(clinic).standing, Standing::Quarantined);
    world.must(ITO, &release);
    assert_eq!(world.participant(clinic).standing, Standing::Open);
}

#[test]
fn what_was_approved_is_not_taken_back_by_the_applicant() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    // Another officer's case is as good as not there.
    let seen = world.seen(case);
    assert_eq!(
        world.refused("officer:tanaka", &Command::WithdrawApplication(seen)),
        "case-unknown"
    );
    world.approve(case);
    let SeenCase { case, version } = world.seen(case);
    assert_eq!(
        world.refused(
            SATO,
            &Command::WithdrawApplication(SeenCase { case, version })
        ),
        "case-state"
    );
}
