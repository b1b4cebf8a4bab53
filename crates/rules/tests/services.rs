//! Tomorrow's service is an entry of a file.

#![allow(
    clippy::unwrap_used,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{Acceptance, InstitutionKind, ParticipantKind, Protocol, ServiceStage};
use iryonet_rules::shipped::SERVICES;
use iryonet_rules::{Catalogue, RuleProblem};

#[test]
fn the_six_of_the_pilot_are_offered_and_the_four_of_tomorrow_are_planned() {
    let catalogue = Catalogue::read(SERVICES.0, SERVICES.1).unwrap();
    let of = |stage| {
        let services = catalogue.services.iter().filter(move |s| s.stage == stage);
        services.map(|s| s.name.ja.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        of(ServiceStage::Open),
        [
            "地域医療連携",
            "医療介護連携",
            "HPKI",
            "高精細映像伝送",
            "インターネット接続",
            "オンライン請求"
        ]
    );
    assert_eq!(
        of(ServiceStage::Planned),
        [
            "被保険者資格確認",
            "電子紹介状",
            "電子処方箋",
            "治療・検査DB"
        ]
    );
}

#[test]
fn a_service_that_nobody_thought_of_is_described_without_a_program() {
    let catalogue = Catalogue::read(
        "tomorrow.toml",
        r#"
[[service]]
id = "vaccination-records"
name_ja = "予防接種記録"
name_en = "Vaccination records"
purposes = ["clinical-database"]
class = "interactive"
ports = [{ protocol = "tcp", port = 8443 }, { protocol = "echo" }]
kinds = ["clinic"]
areas = [13, 14]
acceptance = { automatic = ["clinic"] }
stage = "pilot"
bandwidth_kbps = 300
"#,
    )
    .unwrap();
    let service = catalogue.service("vaccination-records").unwrap();
    let clinic = ParticipantKind::Institution(InstitutionKind::Clinic);
    assert_eq!(service.acceptance, Acceptance::Automatic(vec![clinic]));
    assert_eq!(service.areas.len(), 2);
    let endpoints = service.endpoints(&["2001:db8:100::1".parse().unwrap()]);
    assert_eq!(endpoints.len(), 2);
    assert!(
        endpoints
            .iter()
            .any(|e| e.protocol == Protocol::Echo && e.port == 0)
    );
}

#[test]
fn a_port_area_or_bandwidth_that_cannot_be_is_refused_with_its_line() {
    for (from, to) in [
        ("port = 3128", "port = 0"),
        ("bandwidth_kbps = 2000", "bandwidth_kbps = 0"),
        ("bandwidth_kbps = 2000", "areas = [48]"),
        ("id = \"hpki\"", "id = \"video\""),
        ("stage = \"open\"", "stage = \"opened\""),
    ] {
        let text = SERVICES.1.replacen(from, to, 1);
        let error = Catalogue::read("services.toml", &text).unwrap_err();
        let line = text.lines().position(|line| line.contains(to)).unwrap() + 1;
        // The second of two that have one name is the one refused.
        if !matches!(error.problem, RuleProblem::Twice { .. }) {
            assert_eq!(error.line, line, "{error}");
        }
    }
}
