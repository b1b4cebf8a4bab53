//! 四眼: a second person decides, and of two who decide at once one is refused.

use crate::world::*;
use iryonet_registry::Command;
use iryonet_registry::case::command::{CaseReason, Judgements, ResubmitApplication, SeenCase};
use iryonet_registry::case::{CaseState, Recommendation, people::same_person};

/// Examined by Kato, and ready to be decided about.
fn examined() -> (World, iryonet_domain::CaseId) {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let judgements = world.all_met(case, false);
    world.judge(KATO, case, judgements);
    world.conclude(KATO, case);
    (world, case)
}

#[test]
fn the_examiner_does_not_approve_under_any_role_nor_spelling() {
    let (mut world, case) = examined();
    for same in [
        "approver:kato",
        "approver:Kato",
        "approver:ＫＡＴＯ",
        "approver:ka to",
    ] {
        let approval = world.approval(case);
        assert_eq!(
            world.refused(same, &approval),
            "second-person-wanted",
            "{same}"
        );
        let rejection = world.rejection(case, "否");
        assert_eq!(world.refused(same, &rejection), "second-person-wanted");
    }
    let approval = world.approval(case);
    world.must(MORI, &approval);
}

#[test]
fn whoever_judged_one_item_does_not_approve_even_when_another_judged_it_again() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let judgements = world.all_met(case, false);
    world.judge(ONO, case, vec![judgements[0].clone()]);
    // Kato judges all of them, Ono's item too: Ono's judgement is gone, Ono's hand is not.
    world.judge(KATO, case, judgements);
    world.conclude(KATO, case);
    let approval = world.approval(case);
    assert_eq!(
        world.refused("approver:ono", &approval),
        "second-person-wanted"
    );
    world.must(MORI, &approval);
}

#[test]
fn an_examiner_of_the_time_before_it_was_sent_in_again_does_not_approve() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    let seen = world.seen(case);
    world.must(ONO, &Command::AcceptApplication(seen));
    let seen = world.seen(case);
    world.must(ONO, &Command::BeginExamination(seen));
    let SeenCase { version, .. } = world.seen(case);
    world.must(
        ONO,
        &Command::ReturnApplication(iryonet_registry::case::command::ReturnApplication {
            case,
            version,
            missing: vec!["平面図".into()],
        }),
    );
    let again = application(1);
    let version = world.case(case).version;
    world.must(
        SATO,
        &Command::ResubmitApplication(ResubmitApplication {
            case,
            version,
            application: again.application,
            officer: again.officer,
            documents: again.documents,
        }),
    );
    world.approve_up_to_decision(case);
    let approval = world.approval(case);
    assert_eq!(
        world.refused("approver:ono", &approval),
        "second-person-wanted"
    );
    world.must(MORI, &approval);
}

#[test]
fn the_applicant_neither_examines_nor_approves() {
    let mut world = World::with_rules();
    let case = world.receive("officer:mori", application(1));
    let seen = world.seen(case);
    assert_eq!(
        world.refused("examiner:mori", &Command::AcceptApplication(seen)),
        "own-application"
    );
    world.approve_up_to_decision(case);
    let approval = world.approval(case);
    assert_eq!(world.refused(MORI, &approval), "own-application");
    // Nor the officer who is named in it.
    assert_eq!(
        world.refused("approver:佐藤花子", &approval),
        "own-application"
    );
    world.must("approver:ueda", &approval);
}

#[test]
fn of_two_examiners_who_decide_at_once_the_second_is_told_who_was_first() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let judgements = world.all_met(case, false);
    world.judge(KATO, case, judgements);
    // Both look at the same version.
    let kato = world.conclusion(case, Recommendation::Approve, None);
    let ono = world.conclusion(case, Recommendation::Reject, Some("回線が引けない"));
    world.must(KATO, &kato);
    let refusal = world.act(ONO, &ono).unwrap_err();
    assert_eq!(refusal.code(), "case-changed");
    assert!(refusal.to_string().contains("examiner:kato"), "{refusal}");
    assert!(refusal.ja().contains("examiner:kato"), "{}", refusal.ja());
    assert_eq!(
        world.case(case).examined.unwrap().recommendation,
        Recommendation::Approve
    );
}

#[test]
fn of_two_approvers_one_decides() {
    let (mut world, case) = examined();
    let (yes, no) = (
        world.approval(case),
        world.rejection(case, "要件を満たさない"),
    );
    world.must(MORI, &yes);
    assert_eq!(world.refused("approver:ueda", &no), "case-changed");
    assert!(world.case(case).state.is_approved());
}

#[test]
fn an_approver_who_doubts_sends_it_back_and_decides_later() {
    let (mut world, case) = examined();
    let SeenCase { version, .. } = world.seen(case);
    let back = Command::SendBackCase(CaseReason {
        case,
        version,
        reason: "平面図を確認してください".into(),
    });
    world.must(MORI, &back);
    assert_eq!(world.case(case).state, CaseState::InExamination);
    world.conclude(KATO, case);
    let approval = world.approval(case);
    world.must(MORI, &approval);
}

#[test]
fn what_the_examiner_recommends_to_reject_is_not_approved() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let judgements = world.all_met(case, false);
    world.judge(KATO, case, judgements);
    let without_reason = world.conclusion(case, Recommendation::Reject, None);
    assert_eq!(world.refused(KATO, &without_reason), "reason-wanted");
    let reject = world.conclusion(case, Recommendation::Reject, Some("回線が引けない"));
    world.must(KATO, &reject);
    let approval = world.approval(case);
    assert_eq!(world.refused(MORI, &approval), "not-recommended");
    let rejection = world.rejection(case, "回線が引けない");
    world.must(MORI, &rejection);
    assert_eq!(world.case(case).state, CaseState::Rejected);
    assert_eq!(world.case(case).participant, None);
}

#[test]
fn a_mandatory_item_that_is_not_met_is_not_approved() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let mut judgements = world.all_met(case, false);
    let last = judgements.pop().unwrap();
    world.judge(KATO, case, judgements);
    let conclusion = world.conclusion(case, Recommendation::Approve, None);
    let refusal = world.act(KATO, &conclusion).unwrap_err();
    assert_eq!(refusal.code(), "not-all-judged");
    assert!(
        refusal.to_string().contains(last.rule.as_str()),
        "{refusal}"
    );
    let SeenCase { version, .. } = world.seen(case);
    let mandatory = world
        .items(case, false)
        .into_iter()
        .find(|r| r.mandatory)
        .unwrap();
    let not_met = |rule| iryonet_registry::case::Judgement {
        rule,
        verdict: iryonet_registry::case::Verdict::NotMet,
        evidence: None,
        note: Some("確認できない".into()),
        documents: vec![],
    };
    let both = Command::JudgeItems(Judgements {
        case,
        version,
        judgements: vec![last, not_met(mandatory.id.clone())],
    });
    world.must(KATO, &both);
    let conclusion = world.conclusion(case, Recommendation::Approve, None);
    let refusal = world.act(KATO, &conclusion).unwrap_err();
    assert_eq!(refusal.code(), "mandatory-unmet");
    assert!(refusal.ja().contains(mandatory.id.as_str()));
}

#[test]
fn people_are_told_apart_by_their_names() {
    assert!(same_person("Suzuki", "ｓｕｚｕｋｉ "));
    assert!(!same_person("suzuki", "suzuki2"));
}
