//! What cannot be taken: names that deceive, documents too large, codes that do
//! not fit, evidence that nobody has.

use crate::world::*;
use iryonet_domain::{Digest, InstitutionKind, LineKind, Officer, ParticipantKind, Prefecture};
use iryonet_registry::case::command::{
    Judgements, ReceiveApplication, RecordCaseEvidence, SeenCase,
};
use iryonet_registry::case::{Admission, Application, Judgement, Verdict};
use iryonet_registry::limits::{CASE_UNTOUCHED_MAX_MS, DOCUMENT_MAX_BYTES, DOCUMENTS_PER_CASE};
use iryonet_registry::{Command, Standing};
use iryonet_rules::{EvidenceKind, Facts};

fn with(change: impl FnOnce(&mut Admission)) -> Command {
    let mut wish = application(1);
    if let Application::Admission(admission) = &mut wish.application {
        change(admission);
    }
    Command::ReceiveApplication(wish)
}

fn receive(change: impl FnOnce(&mut ReceiveApplication)) -> Command {
    let mut wish = application(1);
    change(&mut wish);
    Command::ReceiveApplication(wish)
}

#[test]
fn a_name_with_control_characters_or_direction_marks_is_refused_wherever_it_stands() {
    let mut world = World::with_rules();
    for mark in [
        '\u{202e}', '\u{200f}', '\u{2067}', '\u{7}', '\u{1b}', '\u{200b}',
    ] {
        let bad = format!("さくら{mark}診療所");
        let name = with(|wish| wish.name.clone_from(&bad));
        assert_eq!(world.refused(SATO, &name), "text-unusable");
        let site = with(|wish| wish.sites[0].name.clone_from(&bad));
        assert_eq!(world.refused(SATO, &site), "text-unusable");
        let officer = receive(|wish| {
            wish.officer = Some(Officer {
                name: bad.clone(),
                ..officer()
            });
        });
        assert_eq!(world.refused(SATO, &officer), "officer-unusable");
        let document = receive(|wish| wish.documents[0].name.clone_from(&bad));
        assert_eq!(world.refused(SATO, &document), "document-unusable");
    }
    assert_eq!(
        world.refused(SATO, &with(|wish| wish.name = " 　 ".into())),
        "text-unusable"
    );
}

#[test]
fn a_document_of_two_gigabytes_is_refused_and_so_are_many_large_ones() {
    let mut world = World::with_rules();
    let sized = |bytes| receive(|wish| wish.documents[0].bytes = bytes);
    assert_eq!(world.refused(SATO, &sized(2 << 30)), "document-unusable");
    assert_eq!(
        world.refused(SATO, &sized(DOCUMENT_MAX_BYTES + 1)),
        "document-unusable"
    );
    assert_eq!(world.refused(SATO, &sized(0)), "document-unusable");
    let many = receive(|wish| {
        wish.documents = (0..=DOCUMENTS_PER_CASE as u8).map(document).collect();
    });
    assert_eq!(world.refused(SATO, &many), "too-many-documents");
    let large = receive(|wish| {
        wish.documents = (0..6)
            .map(|n| iryonet_registry::case::Document {
                bytes: DOCUMENT_MAX_BYTES,
                ..document(n)
            })
            .collect();
    });
    assert_eq!(world.refused(SATO, &large), "documents-too-large");
    let twice = receive(|wish| wish.documents[1] = wish.documents[0].clone());
    assert_eq!(world.refused(SATO, &twice), "document-twice");
    let script = receive(|wish| wish.documents[0].media_type = "text/html".into());
    assert_eq!(world.refused(SATO, &script), "document-unusable");
    for path in ["../../etc/passwd", "a\\b.pdf", ".hidden"] {
        let path = receive(|wish| wish.documents[0].name = path.into());
        assert_eq!(world.refused(SATO, &path), "document-unusable");
    }
    world.must(SATO, &sized(DOCUMENT_MAX_BYTES));
}

#[test]
fn a_code_that_another_prefectures_reading_would_pass_is_no_code() {
    // Tokyo reads the last seven digits, Hokkaido all ten: a number that is
    // right in one way is wrong in the other, and is refused as it is read.
    let tokyo = code(1).to_string();
    let as_hokkaido = format!("01{}", &tokyo[2..]);
    let line = format!(
        r#"{{"type":"receive-application","participant":null,"application":{{"kind":"admission","participant_kind":"clinic","name":"さくら","code":"{as_hokkaido}","sites":[{{"name":"本院","lines":["ethernet"]}}]}},"officer":null,"documents":[]}}"#
    );
    let error = serde_json::from_str::<Command>(&line).unwrap_err();
    assert!(error.to_string().contains("check digit"), "{error}");
}

#[test]
fn a_code_of_another_kind_place_or_holder_is_refused() {
    let mut world = World::with_rules();
    let pharmacy = with(|wish| {
        wish.participant_kind = ParticipantKind::Institution(InstitutionKind::Pharmacy);
    });
    assert_eq!(world.refused(SATO, &pharmacy), "code-of-other-table");
    let provider = with(|wish| wish.participant_kind = ParticipantKind::Provider);
    assert_eq!(world.refused(SATO, &provider), "code-of-kind-without");
    let elsewhere = with(|wish| wish.area = Some(Prefecture::new(1).unwrap()));
    assert_eq!(world.refused(SATO, &elsewhere), "area-of-other-code");
    world.open_clinic(1);
    assert_eq!(world.refused(SATO, &with(|_| {})), "code-taken");
    let case = world.receive(SATO, application(2));
    let again = Command::ReceiveApplication(application(2));
    let refusal = world.act(SATO, &again).unwrap_err();
    assert_eq!(refusal.code(), "code-applied");
    assert!(refusal.to_string().contains(&format!("case {case}")));
}

#[test]
fn an_application_without_site_line_or_officer_is_refused() {
    let mut world = World::with_rules();
    assert_eq!(
        world.refused(SATO, &with(|wish| wish.sites.clear())),
        "no-site"
    );
    let lineless = with(|wish| wish.sites[0].lines.clear());
    assert_eq!(world.refused(SATO, &lineless), "site-without-line");
    assert_eq!(
        world.refused(SATO, &receive(|wish| wish.officer = None)),
        "officer-wanted"
    );
    let many = with(|wish| {
        let site = wish.sites[0].clone();
        wish.sites = vec![site; 65];
    });
    assert_eq!(world.refused(SATO, &many), "too-many-wishes");
    assert!(world.tables.cases().next().is_none());
}

#[test]
fn a_judgement_wants_evidence_that_its_rule_accepts_and_that_is_there() {
    let mut world = World::with_rules();
    // Tokyo's clinic stands in no list that was imported.
    let case = world.receive(SATO, application(1));
    world.examine(case);
    let judge = |world: &World, judgement: Judgement| {
        let SeenCase { version, .. } = world.seen(case);
        Command::JudgeItems(Judgements {
            case,
            version,
            judgements: vec![judgement],
        })
    };
    let met = |rule: &str, evidence| Judgement {
        rule: rule.parse().unwrap(),
        verdict: Verdict::Met,
        evidence,
        note: None,
        documents: vec![],
    };
    for (rule, evidence, refused) in [
        ("site.closed", None, "evidence-wanted"),
        (
            "site.closed",
            Some(EvidenceKind::Test),
            "evidence-not-accepted",
        ),
        (
            "site.closed",
            Some(EvidenceKind::Document),
            "document-wanted",
        ),
        (
            "examination.exists",
            Some(EvidenceKind::PublicListPresence),
            "evidence-does-not-show",
        ),
        (
            "site.institution-certificate",
            Some(EvidenceKind::CertificateValid),
            "evidence-does-not-show",
        ),
        ("site.tls-1.2-only", Some(EvidenceKind::Test), "not-an-item"),
        ("opening.attached", Some(EvidenceKind::Test), "not-an-item"),
        ("no.such-rule", Some(EvidenceKind::Test), "not-an-item"),
    ] {
        let command = judge(&world, met(rule, evidence));
        assert_eq!(world.refused(KATO, &command), refused, "{rule}");
    }
    let foreign = Judgement {
        documents: vec![Digest([9; 32])],
        ..met("site.closed", Some(EvidenceKind::Document))
    };
    let command = judge(&world, foreign);
    assert_eq!(world.refused(KATO, &command), "document-of-other-case");
    for verdict in [Verdict::NotMet, Verdict::NotApplicable] {
        let silent = Judgement {
            verdict,
            ..met("site.closed", None)
        };
        let command = judge(&world, silent);
        assert_eq!(world.refused(KATO, &command), "note-wanted");
    }
    // The code, the center sees for itself; what it found stands in the record.
    let command = judge(
        &world,
        met("site.institution-code", Some(EvidenceKind::CodeCheckDigit)),
    );
    world.must(KATO, &command);
    let judged = &world.case(case).judged[0];
    assert!(judged.found.as_ref().unwrap().ja.contains("東京都"));
}

#[test]
fn what_only_the_center_can_find_out_is_claimed_by_nobody() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    let tls = |failed: &[&str]| {
        Command::RecordCaseEvidence(RecordCaseEvidence {
            case,
            facts: Facts::TlsCheckOfService {
                target: "clinic.example.jp:443".into(),
                profile: "guideline-4.3".into(),
                failed: failed.iter().map(|rule| (*rule).to_owned()).collect(),
            },
        })
    };
    assert_eq!(world.refused(KATO, &tls(&[])), "role-may-not");
    world.must(CENTER, &tls(&["tls-1.0-offered"]));
    assert!(!world.case(case).evidence[0].passed);
    // Looked at again, the later finding counts; and no examiner's act is lost by it.
    let version = world.case(case).version;
    world.must(CENTER, &tls(&[]));
    assert_eq!(world.case(case).evidence.len(), 1);
    assert!(world.case(case).evidence[0].passed);
    assert_eq!(world.case(case).version, version);
    let own = Command::RecordCaseEvidence(RecordCaseEvidence {
        case,
        facts: Facts::PublicListPresence {
            name: "さくら".into(),
            listed: Some("さくら".into()),
            vanished_at: None,
        },
    });
    assert_eq!(world.refused(CENTER, &own), "facts-of-registry");
    let deceptive = Command::RecordCaseEvidence(RecordCaseEvidence {
        case,
        facts: Facts::TlsCheckOfService {
            target: "clinic.example.jp\u{202e}:443".into(),
            profile: "guideline-4.3".into(),
            failed: vec![],
        },
    });
    assert_eq!(world.refused(CENTER, &deceptive), "text-unusable");
}

#[test]
fn a_case_that_nobody_touches_for_ninety_days_lapses_and_its_admission_with_it() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, application(1));
    world.approve(case);
    let clinic = world.case(case).participant.unwrap();
    let lapse = Command::LapseCase(iryonet_registry::case::command::AnyCase { case });
    world.pass(CASE_UNTOUCHED_MAX_MS - 1);
    assert_eq!(world.refused(CENTER, &lapse), "not-lapsed");
    world.pass(1);
    world.must(CENTER, &lapse);
    assert_eq!(world.participant(clinic).standing, Standing::Closed);
    assert_eq!(world.refused(CENTER, &lapse), "case-state");
    // The code is free for another application.
    world.receive(SATO, application(1));
}

#[test]
fn without_published_rules_nothing_is_examined() {
    let mut world = World::new();
    let case = world.receive(SATO, application(1));
    let seen = world.seen(case);
    world.must(KATO, &Command::AcceptApplication(seen));
    let seen = world.seen(case);
    assert_eq!(
        world.refused(KATO, &Command::BeginExamination(seen)),
        "no-rules"
    );
}

#[test]
fn lines_of_every_access_method_can_be_asked_for() {
    let mut world = World::with_rules();
    let case = world.receive(SATO, {
        let mut wish = application(1);
        if let Application::Admission(admission) = &mut wish.application {
            admission.sites[0].lines = vec![
                LineKind::Tls,
                LineKind::Ethernet,
                LineKind::Ipsec,
                LineKind::IpVpn,
                LineKind::Tls,
            ];
        }
        wish
    });
    assert_eq!(
        world.case(case).lines_wanted(),
        [
            LineKind::Ethernet,
            LineKind::IpVpn,
            LineKind::Ipsec,
            LineKind::Tls
        ]
    );
    world.examine(case);
    let items: Vec<String> = world
        .items(case, false)
        .iter()
        .map(|r| r.id.to_string())
        .collect();
    for wanted in [
        "site.access-ethernet",
        "site.access-ip-vpn",
        "site.access-ipsec",
        "site.tls-1.2-only",
    ] {
        assert!(items.contains(&wanted.to_owned()), "{wanted}");
    }
}
