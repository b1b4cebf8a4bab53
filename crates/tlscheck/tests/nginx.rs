//! Differently configured nginx servers: each fails exactly the rules that it
//! should, and sslscan finds the same facts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::nginx::{GOOD, Nginx, changed};
use common::pki::{Leaf, Pki};
use common::sslscan::Scan;
use common::{assert_rules, g43, g60, look, look_as};
use iryonet_tlscheck::{Group, NameFate, Outcome, Preference, Suite, Told, Verdict, Version};

#[tokio::test]
async fn a_server_set_up_by_the_guideline_passes_every_rule() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    assert_rules(&evidence, &[], &[]);
    assert_eq!(evidence.rules(Outcome::NotAsked), Vec::<&str>::new());
    assert_eq!(evidence.verdict, Verdict::Pass);
    let tls12 = report.version(Version::Tls12).unwrap();
    assert_eq!(tls12.suites, [Suite(0xC02C), Suite(0xC02B)]);
    assert_eq!(tls12.preference, Some(Preference::Server));
    // The certificate needs P-256 offered, and the server prefers it: P-384
    // can never be chosen.
    assert_eq!(report.key_exchange.curves, [Group::P256]);
    assert_eq!(report.key_proved, Told::Yes);
    assert_eq!(report.client_certificates[0].authorities, ["CN=Test root"]);
    Scan::of(nginx.address).agrees_with(&report);
    assert!(report.effort.connections < 60, "{:?}", report.effort);

    // TLS 1.2 without TLS 1.3 is what guideline 6.0 allows by exception only.
    assert_rules(&g60(&report, true), &[], &[]);
    assert_rules(
        &g60(&report, false),
        &["version-tls12", "version-tls13"],
        &[],
    );
}

#[tokio::test]
async fn a_curve_behind_the_certificates_own_is_found() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_prefer_server_ciphers off",
            "ssl_ecdh_curve prime256v1:secp224r1",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    // A hello without P-256 is refused, as the certificate is of P-256; sslscan
    // stops there. A client that prefers the weak curve gets it.
    assert_eq!(report.key_exchange.curves, [Group::P256, Group(0x15)]);
    assert_rules(&g43(&report), &["curve-size"], &[]);
    let tls12 = report.version(Version::Tls12).unwrap();
    assert_eq!(tls12.preference, Some(Preference::Client));
}

#[tokio::test]
async fn without_a_client_certificate_at_hand_its_acceptance_is_not_asked() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let report = look_as(nginx.address, &pki, None).await;
    let evidence = g43(&report);
    assert_rules(&evidence, &[], &[]);
    assert_eq!(
        evidence.rules(Outcome::NotAsked),
        ["client-certificate-accepted"]
    );
    // Who wants it shown has to give one.
    assert_eq!(evidence.unmet(), ["client-certificate-accepted"]);
}

#[tokio::test]
async fn tls_1_3_alone_is_right_for_6_0_and_wrong_for_4_3() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, &changed(&["ssl_protocols TLSv1.3"]));
    let report = look(nginx.address, &pki).await;
    assert_rules(&g43(&report), &["version-tls12", "version-tls13"], &[]);
    assert_rules(&g60(&report, false), &[], &[]);
    assert_eq!(report.client_certificates[0].authorities, ["CN=Test root"]);
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn tls_1_3_beside_1_2_with_the_usual_groups() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_protocols TLSv1.2 TLSv1.3", "ssl_ecdh_curve auto"]),
    );
    let report = look(nginx.address, &pki).await;
    // By the letter of 4.3 X25519 falls short of 256 bits.
    assert_rules(&g43(&report), &["version-tls13", "curve-size"], &[]);
    assert_rules(&g60(&report, false), &["version-tls12"], &[]);
    assert_rules(&g60(&report, true), &[], &[]);
    assert!(report.key_exchange.curves.contains(&Group::X25519));
    assert!(report.key_exchange.groups13.contains(&Group::X25519));
    let versions: Vec<Version> = report
        .client_certificates
        .iter()
        .map(|row| row.version)
        .collect();
    assert_eq!(versions, [Version::Tls12, Version::Tls13]);
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn old_versions_are_found() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_protocols TLSv1 TLSv1.1 TLSv1.2",
            "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA:@SECLEVEL=0",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    // What happens without a certificate in the old versions is not carried out.
    assert_rules(
        &g43(&report),
        &["version-old", "suite-listed"],
        &["client-certificate-required", "client-certificate-accepted"],
    );
    assert!(report.speaks(Version::Tls10) && report.speaks(Version::Tls11));
    let demanded = report.client_certificates.iter();
    assert!(demanded.into_iter().all(|row| row.demanded == Told::Yes));
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn cbc_suites_are_found_and_named() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:ECDHE-RSA-CAMELLIA128-SHA256",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    assert_rules(&evidence, &["suite-listed"], &[]);
    let seen = &evidence.finding("suite-listed").unwrap().seen.en;
    for suite in ["C028: CBC", "C013: CBC", "C076: CBC"] {
        assert!(seen.contains(suite), "{seen}");
    }
    assert!(!seen.contains("GCM"), "{seen}");
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn static_rsa_is_found_and_nothing_else_can_be_told_of_it() {
    let pki = Pki::new(&Leaf::rsa(3072));
    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_ciphers AES256-GCM-SHA384:AES128-SHA"]),
    );
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    assert_rules(
        &evidence,
        &["suite-listed"],
        &[
            "renegotiation-client",
            "certificate-proved",
            "client-certificate-required",
            "client-certificate-accepted",
        ],
    );
    let seen = &evidence.finding("suite-listed").unwrap().seen.en;
    assert!(seen.contains("009D: static key exchange"), "{seen}");
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn everything_that_openssl_still_has_is_listed_as_sslscan_lists_it() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
            "ssl_ciphers ALL:eNULL:aNULL:@SECLEVEL=0",
            "ssl_prefer_server_ciphers off",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    let seen = &evidence.finding("suite-listed").unwrap().seen.en;
    for fault in [
        "anonymous",
        "no encryption",
        "CCM",
        "ChaCha20",
        "static key exchange",
    ] {
        assert!(seen.contains(fault), "{fault} in {seen}");
    }
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn dhe_of_2048_bits_conforms_and_is_carried_to_the_end() {
    let pki = Pki::new(&Leaf::rsa(2048));
    pki.openssl(&[
        "genpkey",
        "-genparam",
        "-algorithm",
        "DH",
        "-pkeyopt",
        "group:ffdhe2048",
        "-out",
        "dh.pem",
    ]);
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_ciphers DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256",
            "ssl_dhparam dh.pem",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    assert_rules(&g43(&report), &[], &[]);
    assert_eq!(report.key_exchange.dhe_bits, [2048]);
    assert_eq!(report.key_proved, Told::Yes);
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn dhe_of_1024_bits_is_too_small() {
    let pki = Pki::new(&Leaf::rsa(2048));
    // RFC 5114's group of 1024 bits: made in no time.
    pki.openssl(&[
        "genpkey",
        "-genparam",
        "-algorithm",
        "DHX",
        "-pkeyopt",
        "dh_rfc5114:1",
        "-out",
        "dh.pem",
    ]);
    let nginx = Nginx::start(
        &pki,
        &changed(&[
            "ssl_ciphers DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0",
            "ssl_dhparam dh.pem",
        ]),
    );
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    assert_rules(&evidence, &["dhe-size"], &[]);
    assert_eq!(evidence.finding("dhe-size").unwrap().seen.en, "1024 bit");
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn an_rsa_key_of_1024_bits_and_a_sha_1_signature_are_too_weak() {
    let pki = Pki::new(&Leaf {
        digest: "-sha1",
        ..Leaf::rsa(1024)
    });
    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0"]),
    );
    let report = look(nginx.address, &pki).await;
    assert_rules(
        &g43(&report),
        &["certificate-key", "certificate-signature"],
        // aws-lc verifies with neither.
        &["chain-trusted", "certificate-proved"],
    );
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn a_server_that_asks_for_no_client_certificate_fails() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_client_certificate", "ssl_verify_client"]),
    );
    let report = look(nginx.address, &pki).await;
    assert_rules(
        &g43(&report),
        &["client-certificate-demanded", "client-certificate-required"],
        &["client-certificate-accepted"],
    );
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn a_server_that_asks_but_serves_without_fails() {
    let pki = Pki::new(&Leaf::server());
    for protocols in ["ssl_protocols TLSv1.2", "ssl_protocols TLSv1.3"] {
        let nginx = Nginx::start(&pki, &changed(&["ssl_verify_client optional", protocols]));
        let report = look(nginx.address, &pki).await;
        let evidence = g60(&report, true);
        assert_rules(&evidence, &["client-certificate-required"], &[]);
        let seen = &evidence
            .finding("client-certificate-required")
            .unwrap()
            .seen
            .en;
        assert!(seen.contains("HTTP 200"), "{seen}");
        Scan::of(nginx.address).agrees_with(&report);
        drop(nginx);
    }
}

#[tokio::test]
async fn a_client_certificate_of_another_root_is_not_accepted() {
    let pki = Pki::new(&Leaf::server());
    let stranger = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let report = look_as(nginx.address, &pki, Some(stranger.client())).await;
    assert_rules(
        &g43(&report),
        &["client-certificate-accepted"],
        // With and without are answered alike, so neither tells anything.
        &["client-certificate-required"],
    );
}

#[tokio::test]
async fn sessions_that_outlive_their_connection_are_found() {
    let pki = Pki::new(&Leaf::server());
    let cache = "ssl_session_cache shared:sessions:1m";
    let cases: [(&[&str], _); 3] = [
        (&[cache], (Told::Yes, Told::No)),
        (&["ssl_session_tickets on"], (Told::No, Told::Yes)),
        (&[cache, "ssl_session_tickets on"], (Told::Yes, Told::Yes)),
    ];
    for (changes, (id, ticket)) in cases {
        let nginx = Nginx::start(&pki, &changed(changes));
        let report = look(nginx.address, &pki).await;
        assert_rules(&g43(&report), &["resumption"], &[]);
        assert_eq!(report.resumption.session_id, Some(id), "{changes:?}");
        assert_eq!(report.resumption.ticket, Some(ticket), "{changes:?}");
        drop(nginx);
    }
    // nginx's "none" gives numbers that it never takes back.
    let nginx = Nginx::start(&pki, &changed(&["ssl_session_cache none"]));
    let report = look(nginx.address, &pki).await;
    assert_rules(&g43(&report), &[], &[]);
    drop(nginx);

    let nginx = Nginx::start(
        &pki,
        &changed(&["ssl_protocols TLSv1.3", "ssl_session_tickets on"]),
    );
    let report = look(nginx.address, &pki).await;
    assert_rules(&g60(&report, false), &["resumption"], &[]);
    assert_eq!(report.resumption.ticket13, Some(Told::Yes));
}

#[tokio::test]
async fn an_expired_certificate_is_told_apart_from_an_untrusted_one() {
    let pki = Pki::new(&Leaf::server());
    pki.sign_again("server", "20260101000000Z", "20260201000000Z");
    let nginx = Nginx::start(&pki, GOOD);
    let report = look(nginx.address, &pki).await;
    assert_rules(&g43(&report), &["certificate-validity"], &[]);
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn a_certificate_for_another_name_fails_by_its_name_alone() {
    let pki = Pki::new(&Leaf {
        names: "DNS:other.example,DNS:*.claims.example",
        ..Leaf::server()
    });
    let nginx = Nginx::start(&pki, GOOD);
    let report = look(nginx.address, &pki).await;
    let evidence = g43(&report);
    assert_rules(&evidence, &["certificate-name"], &[]);
    let seen = &evidence.finding("certificate-name").unwrap().seen.en;
    assert!(seen.contains("other.example"), "{seen}");
    Scan::of(nginx.address).agrees_with(&report);
}

#[tokio::test]
async fn a_chain_without_its_intermediate_is_incomplete() {
    let pki = Pki::new(&Leaf {
        below_intermediate: true,
        ..Leaf::server()
    });
    pki.concatenate(&["server.pem", "intermediate.pem"], "whole.pem");
    pki.concatenate(&["server.pem", "root.pem", "intermediate.pem"], "mixed.pem");
    let cases: [(&str, &[&str]); 3] = [
        ("ssl_certificate server.pem", &["chain-trusted"]),
        ("ssl_certificate whole.pem", &[]),
        ("ssl_certificate mixed.pem", &["chain-order"]),
    ];
    for (line, fail) in cases {
        let nginx = Nginx::start(&pki, &changed(&[line]));
        let report = look(nginx.address, &pki).await;
        assert_rules(&g43(&report), fail, &[]);
        Scan::of(nginx.address).agrees_with(&report);
        drop(nginx);
    }
}

#[tokio::test]
async fn rsa_and_ecdsa_certificates_on_one_server_are_both_judged() {
    let pki = Pki::new(&Leaf::server());
    pki.leaf(&Leaf {
        name: "second",
        names: "DNS:other.example",
        ..Leaf::rsa(2048)
    });
    let both = changed(&[]) + "ssl_certificate second.pem; ssl_certificate_key second.key;";
    let nginx = Nginx::start(&pki, &both);
    let report = look(nginx.address, &pki).await;
    assert_eq!(report.chains.len(), 2);
    // The second one is for another name: that does not hide behind the first.
    assert_rules(&g43(&report), &["certificate-name"], &[]);
}

#[tokio::test]
async fn what_another_server_name_gets_is_told() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let report = look(nginx.address, &pki).await;
    assert_eq!(report.server_names.foreign, Some(NameFate::SameCertificate));
    drop(nginx);
    // The default server's curves count for all names.
    let refusing = "server { LISTEN default_server; ssl_reject_handshake on;
        ssl_ecdh_curve prime256v1:secp384r1; }";
    let nginx = Nginx::start_with(&pki, GOOD, refusing);
    let report = look(nginx.address, &pki).await;
    assert!(matches!(
        report.server_names.foreign,
        Some(NameFate::Refused(_))
    ));
    assert!(matches!(
        report.server_names.none,
        Some(NameFate::Refused(_))
    ));
    assert_rules(&g43(&report), &[], &[]);
}
