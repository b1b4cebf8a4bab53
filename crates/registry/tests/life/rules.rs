//! 公布: a new version of the rules is an act; who must be examined anew under it
//! is a question with an answer.

use crate::world::*;
use iryonet_registry::case::Application;
use iryonet_registry::rules::PresentRules;
use iryonet_registry::{Command, View};
use iryonet_rules::RuleVersion;
use iryonet_rules::shipped::VERSION_1;

/// The shipped rules as a later version, one rule of the sites made stricter.
pub(crate) fn stricter(version: u32) -> Command {
    let files: Vec<(&str, String)> = VERSION_1
        .iter()
        .map(|(name, text)| {
            let text = text.replacen("version = 1", &format!("version = {version}"), 1);
            let text = text.replace(
                "id = \"site.closed\"",
                &format!("id = \"site.closed\"\nsince = {version}"),
            );
            (*name, text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    publish(&files)
}

#[test]
fn a_version_is_published_once_and_only_a_later_one_follows() {
    let mut world = World::with_rules();
    assert_eq!(world.refused(ITO, &publish(&VERSION_1)), "rule-version-old");
    assert_eq!(world.refused(SUZUKI, &stricter(2)), "role-may-not");
    world.must(ITO, &stricter(7));
    assert_eq!(world.refused(ITO, &stricter(3)), "rule-version-old");
    assert_eq!(world.tables.latest_rules().unwrap(), Some(RuleVersion(7)));
    // The earlier ones stay readable: cases were judged by them.
    assert!(world.tables.rules(RuleVersion(1)).unwrap().is_some());
}

#[test]
fn a_file_that_is_not_what_its_digest_says_is_refused() {
    let mut world = World::new();
    let Command::PublishRules { mut files } = publish(&VERSION_1) else {
        panic!()
    };
    files[2].text.push_str("# a word more\n");
    assert_eq!(
        world.refused(ITO, &Command::PublishRules { files }),
        "rule-digest"
    );
    let Command::PublishRules { mut files } = publish(&VERSION_1) else {
        panic!()
    };
    files.pop();
    let few = Command::PublishRules { files };
    assert_eq!(world.refused(ITO, &few), "rule-file-count");
    let mut broken = VERSION_1;
    broken[0] = ("site.toml", "version = 1\n");
    let refusal = world.act(ITO, &publish(&broken)).unwrap_err();
    assert_eq!(refusal.code(), "rules-unusable");
    assert!(
        refusal.to_string().contains("site.toml, line 1"),
        "{refusal}"
    );
}

#[test]
fn a_case_is_judged_by_the_version_that_held_when_its_examination_began() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.examine(case);
    world.must(ITO, &stricter(2));
    assert_eq!(world.case(case).rules, Some(RuleVersion(1)));
    let judgements = world.all_met(case, false);
    world.judge(KATO, case, judgements);
    world.conclude(KATO, case);
    let approval = world.approval(case);
    world.must(MORI, &approval);
    let clinic = world.case(case).participant.unwrap();
    assert_eq!(
        world.participant(clinic).membership.examined,
        Some(RuleVersion(1))
    );
}

#[test]
fn who_was_examined_before_a_rule_became_stricter_is_examined_anew_by_an_audit() {
    let mut world = World::with_rules();
    let before = world.open_clinic(1);
    world.must(ITO, &stricter(2));
    let after = world.open_clinic(2);
    let lines = [iryonet_domain::LineKind::Ethernet];
    let wanted = |world: &World, number| {
        let present = PresentRules::of(&world.tables).unwrap().unwrap();
        present.reexamination(&world.participant(number), &lines)
    };
    let found = wanted(&world, before).unwrap();
    assert_eq!(found.rules.len(), 1);
    assert_eq!(found.rules[0].as_str(), "site.closed");
    assert_eq!(found.until, world.now.plus_ms(180 * DAY_MS));
    assert!(wanted(&world, after).is_none());

    let audit = world.about(
        before,
        Application::Audit {
            reason: "要件の改定".into(),
        },
    );
    world.approve(audit);
    assert_eq!(
        world.participant(before).membership.examined,
        Some(RuleVersion(2))
    );
    assert!(wanted(&world, before).is_none());
}
