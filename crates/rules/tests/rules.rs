//! What the files of rules promise: the shipped set can be read and is whole,
//! and a slip of the pen in a later one is refused with its line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{CaseKind, InstitutionKind, LineKind, ParticipantKind};
use iryonet_rules::shipped::VERSION_1;
use iryonet_rules::{EvidenceKind, Part, Profile, RuleProblem, RuleSet, RuleVersion, SetError};
use proptest::prelude::*;

const CLINIC: ParticipantKind = ParticipantKind::Institution(InstitutionKind::Clinic);

fn shipped() -> RuleSet {
    RuleSet::read(VERSION_1).unwrap()
}

/// The shipped set as a later version, with one file made another.
fn edited(part: &str, version: u32, edit: impl Fn(&str) -> String) -> Result<RuleSet, SetError> {
    let files: Vec<(String, String)> = VERSION_1
        .iter()
        .map(|(name, text)| {
            let text = text.replacen("version = 1", &format!("version = {version}"), 1);
            let text = if *name == part { edit(&text) } else { text };
            ((*name).to_owned(), text)
        })
        .collect();
    RuleSet::read(files.iter().map(|(n, t)| (n.as_str(), t.as_str())))
}

fn items(set: &RuleSet, kind: ParticipantKind, lines: &[LineKind], case: CaseKind) -> Vec<String> {
    set.items(Profile { kind, lines, case })
        .map(|rule| rule.id.to_string())
        .collect()
}

#[test]
fn the_shipped_set_is_version_1_and_every_rule_says_where_it_comes_from() {
    let set = shipped();
    assert_eq!(set.version(), RuleVersion(1));
    for part in Part::ALL {
        assert!(set.rules().any(|rule| rule.part == part), "{part}");
        assert!(!set.title(part).unwrap().ja.is_empty());
    }
    // Of the guideline's editions, only what the seed cites: no clause numbers.
    let known = ["基本コンセプト", "要求要件", "Q-29", "第6.0版"];
    for rule in set.rules() {
        assert!(
            known.iter().any(|word| rule.source.ja.contains(word)),
            "{}",
            rule.id
        );
        assert!(!rule.source.en.is_empty() && !rule.text.en.is_empty());
    }
}

#[test]
fn every_case_of_every_kind_has_something_to_examine() {
    let set = shipped();
    let kinds = InstitutionKind::ALL
        .map(ParticipantKind::Institution)
        .into_iter()
        .chain([ParticipantKind::Provider]);
    for kind in kinds {
        for case in CaseKind::ALL {
            assert!(
                !items(&set, kind, &[LineKind::Ethernet], case).is_empty(),
                "{kind} {case}"
            );
        }
    }
}

#[test]
fn the_rule_of_q29_is_asked_of_who_comes_in_over_tls_and_of_every_provider() {
    let set = shipped();
    let tls = items(&set, CLINIC, &[LineKind::Tls], CaseKind::Admission);
    let ethernet = items(&set, CLINIC, &[LineKind::Ethernet], CaseKind::Admission);
    for id in [
        "site.tls-1.2-only",
        "site.tls-client-certificate",
        "site.tls-high-security",
    ] {
        assert!(tls.contains(&id.to_owned()), "{id}");
        assert!(!ethernet.contains(&id.to_owned()), "{id}");
    }
    // An SSL-VPN client is out of place on any line.
    assert!(ethernet.contains(&"site.no-ssl-vpn".to_owned()));
    let provider = items(
        &set,
        ParticipantKind::Provider,
        &[LineKind::Ethernet],
        CaseKind::Admission,
    );
    assert!(provider.contains(&"provider.tls-1.2-only".to_owned()));
    assert!(!ethernet.contains(&"provider.tls-1.2-only".to_owned()));
}

#[test]
fn a_code_is_shown_right_by_the_center_and_by_nobody_else() {
    let set = shipped();
    let rule = set.rule(&"site.institution-code".parse().unwrap()).unwrap();
    assert_eq!(rule.evidence, [EvidenceKind::CodeCheckDigit]);
    assert!(rule.evidence.iter().all(|kind| kind.is_automatic()));
    let care = ParticipantKind::Institution(InstitutionKind::CareOffice);
    assert!(
        !items(&set, care, &[], CaseKind::Admission).contains(&"site.institution-code".to_owned())
    );
}

#[test]
fn who_was_examined_under_the_present_version_is_not_examined_anew() {
    let set = shipped();
    assert!(
        set.reexamination(Some(RuleVersion(1)), CLINIC, &[LineKind::Ethernet])
            .is_none()
    );
    let never = set
        .reexamination(None, CLINIC, &[LineKind::Ethernet])
        .unwrap();
    assert_eq!(never.within_days, 180);
}

#[test]
fn a_rule_that_became_stricter_is_examined_anew_with_those_whom_it_concerns() {
    let stricter = edited("site.toml", 2, |text| {
        text.replace(
            "id = \"site.access-ip-vpn\"",
            "id = \"site.access-ip-vpn\"\nsince = 2",
        )
    })
    .unwrap();
    let examined = Some(RuleVersion(1));
    let found = stricter
        .reexamination(examined, CLINIC, &[LineKind::IpVpn])
        .unwrap();
    assert_eq!(found.rules.len(), 1);
    assert_eq!(found.rules[0].id.as_str(), "site.access-ip-vpn");
    assert!(
        stricter
            .reexamination(examined, CLINIC, &[LineKind::Ethernet])
            .is_none()
    );
    // A word put right makes nobody come again.
    let editorial = edited("site.toml", 2, |text| {
        text.replace("共用しないこと", "共有しないこと")
    })
    .unwrap();
    assert!(
        editorial
            .reexamination(examined, CLINIC, &[LineKind::Ethernet])
            .is_none()
    );
}

/// The error of a file, and the line in which the words stand that are wrong.
fn refused(edit: impl Fn(&str) -> String, wrong: &str) -> RuleProblem {
    let text = edit(VERSION_1[4].1);
    let line = text.lines().position(|l| l.contains(wrong)).unwrap() + 1;
    match edited("audit.toml", 1, edit) {
        Err(SetError::File(error)) => {
            assert_eq!(
                (error.file.as_str(), error.line),
                ("audit.toml", line),
                "{error}"
            );
            error.problem
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let problem = refused(
        |text| text.replacen("mandatory = true", "mandatry = true", 1),
        "mandatry",
    );
    assert!(problem.to_string().contains("mandatry"), "{problem}");
}

#[test]
fn a_rule_without_its_translation_is_refused_where_it_stands() {
    let english = "en = \"The institution still stands in the public list.\"\n";
    let problem = refused(|text| text.replacen(english, "", 1), "[[rule]]");
    assert!(problem.to_string().contains("`en`"), "{problem}");
    let empty = refused(
        |text| text.replacen(english, "en = \" \" # empty\n", 1),
        "# empty",
    );
    assert!(matches!(empty, RuleProblem::Text { .. }), "{empty}");
}

#[test]
fn a_name_that_stands_twice_is_refused_with_both_lines() {
    let problem = refused(
        |text| text.replace("id = \"audit.officer\"", "id = \"audit.devices\" # again"),
        "# again",
    );
    assert!(
        matches!(&problem, RuleProblem::Twice { id, first } if id == "audit.devices" && *first > 1)
    );
    let other_file = edited("audit.toml", 1, |text| {
        text.replace("audit.officer", "site.officer")
    });
    assert!(
        matches!(other_file, Err(SetError::RuleTwice { .. })),
        "{other_file:?}"
    );
}

#[test]
fn a_source_evidence_kind_or_case_that_does_not_exist_is_refused() {
    let source = refused(
        |text| text.replacen("source = \"concept\"", "source = \"guideline-9\"", 1),
        "guideline-9",
    );
    assert_eq!(source, RuleProblem::UnknownSource("guideline-9".into()));
    for (from, to) in [
        ("\"self-declaration\"", "\"hearsay\""),
        ("[\"audit\"]", "[\"audits\"]"),
        ("\"hospital\"", "\"hospitals\""),
    ] {
        let problem = refused(
            |text| text.replacen(from, to, 1),
            to.trim_matches(['[', ']']),
        );
        assert!(matches!(problem, RuleProblem::Syntax(_)), "{problem}");
    }
    let empty = refused(
        |text| text.replacen("cases = [\"audit\"]", "cases = []", 1),
        "cases = []",
    );
    assert_eq!(empty, RuleProblem::Empty("cases"));
}

#[test]
fn a_rule_cannot_be_younger_than_its_file() {
    let problem = refused(
        |text| text.replacen("mandatory = true", "mandatory = true\nsince = 2", 1),
        "since = 2",
    );
    assert_eq!(
        problem,
        RuleProblem::Since {
            since: 2,
            version: 1
        }
    );
}

#[test]
fn a_set_has_each_part_once_and_one_version() {
    let without = RuleSet::read(VERSION_1.into_iter().skip(1));
    assert_eq!(without, Err(SetError::PartMissing(Part::Site)));
    let twice = RuleSet::read(VERSION_1.into_iter().chain([VERSION_1[0]]));
    assert!(
        matches!(
            twice,
            Err(SetError::PartTwice {
                part: Part::Site,
                ..
            })
        ),
        "{twice:?}"
    );
    let mixed = edited("audit.toml", 2, |text| {
        text.replacen("version = 2", "version = 3", 1)
    });
    assert!(matches!(mixed, Err(SetError::Versions { .. })), "{mixed:?}");
}

#[test]
fn a_direction_mark_in_a_rule_is_refused() {
    let problem = refused(
        |text| text.replacen("名簿に掲載", "名簿に\\u202E掲載", 1),
        "202E",
    );
    assert!(matches!(problem, RuleProblem::Text { .. }), "{problem}");
}

proptest! {
    /// Whatever a person or a fault makes of a file, it is read or refused.
    #[test]
    fn no_file_stops_the_reader(at in 0usize..6_000, bytes in proptest::collection::vec(any::<char>(), 0..6), cut in 0usize..40) {
        let text = VERSION_1[0].1;
        let mut start = at.min(text.len());
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + cut).min(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        let end = end.max(start);
        let broken = format!("{}{}{}", &text[..start], bytes.iter().collect::<String>(), &text[end..]);
        if let Err(error) = iryonet_rules::file::read("site.toml", &broken) {
            prop_assert!(error.line >= 1 && error.line <= broken.matches('\n').count() + 1);
        }
    }
}
