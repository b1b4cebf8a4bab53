//! One clinic's whole life, each step by the one whose duty it is, each wrong
//! role refused.

use crate::world::*;
use iryonet_domain::{LineKind, Role};
use iryonet_registry::case::command::{
    Judgements, ResubmitApplication, ReturnApplication, SeenCase,
};
use iryonet_registry::case::{Application, CaseState, Relocation, SiteWish};
use iryonet_registry::{Act, Command, Standing, View, permission};

/// Everybody but those whose duty it is; each by another name.
fn everybody_else(world: &mut World, command: &Command) {
    let act = Act::from(command);
    for role in Role::ALL {
        if permission::may(role, act).is_some() {
            continue;
        }
        let actor = format!("{}:nobody", role.as_str());
        let refused = world.refused(&actor, command);
        assert!(
            matches!(refused, "role-may-not" | "auditor-may-not-act"),
            "{actor} {act:?}: {refused}"
        );
    }
}

/// By the right one, after all the wrong ones.
fn step(world: &mut World, actor: &str, command: &Command) {
    everybody_else(world, command);
    world.must(actor, command);
}

#[test]
fn a_clinic_applies_is_examined_approved_enrols_opens_relocates_is_suspended_and_closes() {
    let mut world = World::with_rules();

    // 申請: without the copy of the notice of opening.
    let mut wish = application(1);
    wish.documents.clear();
    step(&mut world, SATO, &Command::ReceiveApplication(wish));
    let case = world.tables.last_case().unwrap().unwrap();
    assert_eq!(world.case(case).state, CaseState::Received);

    // 差戻し and 再提出.
    let SeenCase { version, .. } = world.seen(case);
    let give_back = Command::ReturnApplication(ReturnApplication {
        case,
        version,
        missing: vec!["開設届の写し".to_owned()],
    });
    step(&mut world, KATO, &give_back);
    assert_eq!(world.case(case).missing, ["開設届の写し"]);
    let again = application(1);
    let resubmit = Command::ResubmitApplication(ResubmitApplication {
        case,
        version: world.case(case).version,
        application: again.application,
        officer: again.officer,
        documents: again.documents,
    });
    step(&mut world, SATO, &resubmit);

    // 受理 and 審査.
    let seen = world.seen(case);
    step(&mut world, KATO, &Command::AcceptApplication(seen));
    let seen = world.seen(case);
    step(&mut world, KATO, &Command::BeginExamination(seen));
    let judgements = world.all_met(case, false);
    let version = world.case(case).version;
    let judge = Command::JudgeItems(Judgements {
        case,
        version,
        judgements,
    });
    step(&mut world, KATO, &judge);
    let conclusion = world.conclusion(case, iryonet_registry::case::Recommendation::Approve, None);
    step(&mut world, KATO, &conclusion);

    // 承認 by a second person: the participant is there, and not open yet.
    let approval = world.approval(case);
    step(&mut world, MORI, &approval);
    let clinic = world.case(case).participant.unwrap();
    let admitted = world.participant(clinic);
    assert_eq!(admitted.standing, Standing::Admitted);
    assert_eq!(admitted.membership.officer, Some(officer()));
    assert_eq!(world.tables.sites_of(clinic).unwrap().len(), 1);

    // 登録コード, 機関証明書, 開通試験, 開通.
    world.enrol(clinic);
    assert_eq!(world.case(case).state, CaseState::Certified);
    let version = world.case(case).version;
    let test = Command::RecordOpeningTest(Judgements {
        case,
        version,
        judgements: world.all_met(case, true),
    });
    step(&mut world, SUZUKI, &test);
    let seen = world.seen(case);
    step(&mut world, SUZUKI, &Command::OpenConnection(seen));
    assert_eq!(world.participant(clinic).standing, Standing::Open);
    assert_eq!(world.case(case).state, CaseState::Done);

    // 機器追加.
    let second = world.about(
        clinic,
        Application::SecondDevice {
            reason: "予備機".to_owned(),
        },
    );
    world.approve(second);
    world.enrol(clinic);
    assert_eq!(world.case(second).state, CaseState::Done);
    assert_eq!(
        world.tables.valid_devices(clinic, world.now).unwrap().len(),
        2
    );

    // 移転: a new code, the same participant, the old code in the history.
    world.pass(40 * DAY_MS);
    let moved_at = world.now;
    let relocation = world.about(
        clinic,
        Application::Relocation(Relocation {
            code: Some(code(2)),
            area: None,
            sites: vec![SiteWish {
                name: "新本院".to_owned(),
                lines: vec![LineKind::Ethernet],
            }],
        }),
    );
    world.approve(relocation);
    world.test_and_open(relocation);
    let moved = world.participant(clinic);
    assert_eq!((moved.number, moved.code), (clinic, Some(code(2))));
    assert_eq!(moved.membership.former_codes.len(), 1);
    let former = moved.membership.former_codes[0];
    assert_eq!(
        (former.code, former.from, former.until),
        (Some(code(1)), BEGIN, moved_at)
    );
    assert_eq!(world.tables.holder_of_code(code(1)).unwrap(), None);
    assert_eq!(world.tables.holder_of_code(code(2)).unwrap(), Some(clinic));

    // 休止 and 再開.
    let suspension = world.about(
        clinic,
        Application::Suspension {
            reason: "改装のため".to_owned(),
            from: None,
        },
    );
    world.approve(suspension);
    assert_eq!(world.participant(clinic).standing, Standing::Suspended);
    let resumption = world.about(
        clinic,
        Application::Resumption {
            reason: "改装の終了".to_owned(),
        },
    );
    world.approve(resumption);
    assert_eq!(world.participant(clinic).standing, Standing::Open);

    // 脱退.
    let withdrawal = world.about(
        clinic,
        Application::Withdrawal {
            reason: "廃止".to_owned(),
            from: None,
        },
    );
    world.approve(withdrawal);
    assert_eq!(world.participant(clinic).standing, Standing::Closed);
    assert!(
        world
            .tables
            .valid_devices(clinic, world.now)
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.case(withdrawal).state, CaseState::Done);
}

#[test]
fn nobody_is_open_who_did_not_pass_the_opening_test() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.approve(case);
    let clinic = world.case(case).participant.unwrap();
    // Without a certificate there is nothing to test.
    let version = world.case(case).version;
    let all = |world: &World, version| {
        Command::RecordOpeningTest(Judgements {
            case,
            version,
            judgements: world.all_met(case, true),
        })
    };
    let test = all(&world, version);
    assert_eq!(world.refused(SUZUKI, &test), "case-state");
    let device = world.enrol(clinic);
    // One item that fails keeps it closed.
    let mut judgements = world.all_met(case, true);
    judgements[0].verdict = iryonet_registry::case::Verdict::NotMet;
    judgements[0].evidence = None;
    judgements[0].note = Some("証明書の確認に失敗".to_owned());
    let version = world.case(case).version;
    let failed = Command::RecordOpeningTest(Judgements {
        case,
        version,
        judgements,
    });
    world.must(SUZUKI, &failed);
    assert_eq!(world.case(case).state, CaseState::Certified);
    let seen = world.seen(case);
    assert_eq!(
        world.refused(SUZUKI, &Command::OpenConnection(seen)),
        "case-state"
    );
    // Tested anew, it passes; then the certificate is revoked before the opening.
    let test = all(&world, world.case(case).version);
    world.must(SUZUKI, &test);
    let mut revoked = world.clone();
    revoked.must(
        ITO,
        &Command::RevokeDevice {
            participant: clinic,
            device,
            reason: iryonet_registry::RevocationReason::KeyCompromise,
        },
    );
    let seen = revoked.seen(case);
    assert_eq!(
        revoked.refused(SUZUKI, &Command::OpenConnection(seen)),
        "no-valid-device"
    );
    let seen = world.seen(case);
    world.must(SUZUKI, &Command::OpenConnection(seen));
    assert_eq!(world.participant(clinic).standing, Standing::Open);
}
