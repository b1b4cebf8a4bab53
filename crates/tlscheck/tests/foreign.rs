//! Servers of other makers, and our own: what nginx cannot be made to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::foreign::{gnutls, openssl, renegotiates};
use common::pki::{Leaf, Pki};
use common::sslscan::Scan;
use common::{NAME, assert_rules, g43, g60, limits, look, now};
use iryonet_tlscheck::{
    Application, Fate, Refusal, Roots, Settings, Suite, Target, Told, Version, check_server,
};

/// openssl's server by the guideline.
const GOOD: [&str; 12] = [
    "-tls1_2",
    "-cipher",
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
    "-curves",
    "P-256:P-384",
    "-no_ticket",
    "-no_cache",
    "-CAfile",
    "root.pem",
    "-Verify",
    "3",
    "-verify_return_error",
];

#[tokio::test]
async fn a_refusal_within_the_handshake_is_seen_as_one() {
    let pki = Pki::new(&Leaf::server());
    let server = openssl(&pki, &GOOD);
    let report = look(server.address, &pki).await;
    assert_rules(&g43(&report), &[], &[]);
    let row = &report.client_certificates[0];
    assert!(
        matches!(row.without, Fate::RefusedInHandshake(Refusal::Alert(_))),
        "{row:?}"
    );
    assert_eq!(row.with, Some(Fate::HttpStatus(200)));
}

#[tokio::test]
async fn in_tls_1_3_the_refusal_comes_after_the_handshake() {
    let pki = Pki::new(&Leaf::server());
    let mut options = GOOD.to_vec();
    options[0] = "-tls1_3";
    options.extend(["-num_tickets", "0"]);
    let server = openssl(&pki, &options);
    let report = look(server.address, &pki).await;
    assert_rules(&g60(&report, false), &[], &[]);
    let row = &report.client_certificates[0];
    assert!(
        matches!(row.without, Fate::RefusedAfter(Refusal::Alert(_))),
        "{row:?}"
    );
}

#[tokio::test]
async fn a_second_handshake_that_a_client_starts_is_found() {
    let pki = Pki::new(&Leaf::server());
    let mut options = GOOD.to_vec();
    options.push("-client_renegotiation");
    let server = openssl(&pki, &options);
    let report = look(server.address, &pki).await;
    assert_rules(&g43(&report), &["renegotiation-client"], &[]);
}

#[tokio::test]
async fn resumption_behind_a_client_certificate_is_found_with_one_and_untold_without() {
    let pki = Pki::new(&Leaf::server());
    let options: Vec<&str> = GOOD
        .into_iter()
        .filter(|option| !matches!(*option, "-no_ticket" | "-no_cache"))
        .collect();
    let server = openssl(&pki, &options);
    let report = look(server.address, &pki).await;
    assert_rules(&g43(&report), &["resumption"], &[]);
    assert_eq!(report.resumption.session_id, Some(Told::Yes));
    assert_eq!(report.resumption.ticket, Some(Told::Yes));
    let report = common::look_as(server.address, &pki, None).await;
    assert_rules(&g43(&report), &[], &["renegotiation-client", "resumption"]);
}

#[tokio::test]
async fn a_service_that_speaks_no_http_is_watched_in_silence() {
    let pki = Pki::new(&Leaf::server());
    let target = |address| Target {
        address,
        server_name: Some(NAME.to_owned()),
        application: Application::Silent,
    };
    let settings = Settings {
        limits: limits(),
        now: now(),
        seed: [5; 32],
        roots: Some(Roots::from_pem(&pki.root()).unwrap()),
        client: Some(pki.client()),
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let mut options = GOOD.to_vec();
        options[0] = version;
        options.extend(["-num_tickets", "0"]);
        let strict = openssl(&pki, &options);
        let report = check_server(&target(strict.address), &settings)
            .await
            .unwrap();
        assert_rules(&g60(&report, true), &[], &[]);
        assert_eq!(report.client_certificates[0].with, Some(Fate::Stands));
        // Asks, and lets those without in.
        options.retain(|option| *option != "-verify_return_error");
        for option in &mut options {
            if *option == "-Verify" {
                *option = "-verify";
            }
        }
        let lax = openssl(&pki, &options);
        let report = check_server(&target(lax.address), &settings).await.unwrap();
        assert_rules(&g60(&report, true), &["client-certificate-required"], &[]);
        assert_eq!(report.client_certificates[0].without, Fate::Stands);
    }
}

#[tokio::test]
async fn the_camellia_suites_conform_though_they_are_not_spoken_here() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let server = gnutls(
        &pki,
        "NONE:+VERS-TLS1.2:+ECDHE-RSA:+DHE-RSA:+CAMELLIA-256-GCM:+CAMELLIA-128-GCM:+AEAD:+SIGN-ALL:+GROUP-SECP256R1:+GROUP-FFDHE2048:+COMP-NULL",
        &[
            "--require-client-cert",
            "--x509cafile",
            "root.pem",
            "--noticket",
        ],
    );
    let report = look(server.address, &pki).await;
    // What needs a handshake carried to its end cannot be told; nothing fails.
    assert_rules(
        &g43(&report),
        &[],
        &[
            "renegotiation-client",
            "resumption",
            "certificate-proved",
            "client-certificate-required",
            "client-certificate-accepted",
        ],
    );
    let mut suites = report.version(Version::Tls12).unwrap().suites.clone();
    suites.sort_unstable();
    // The two of DHE are found though GnuTLS stumbles over them without a
    // named field.
    assert_eq!(
        suites,
        [Suite(0xC07C), Suite(0xC07D), Suite(0xC08A), Suite(0xC08B)]
    );
    assert_eq!(report.key_exchange.dhe_bits, [2048]);
}

#[tokio::test]
async fn rc4_triple_des_and_a_server_without_rfc_5746_are_found() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let server = gnutls(
        &pki,
        "NONE:+VERS-TLS1.2:+ECDHE-RSA:+RSA:+AES-256-GCM:+ARCFOUR-128:+3DES-CBC:+AEAD:+SHA1:+SIGN-ALL:+GROUP-SECP256R1:+COMP-NULL:%DISABLE_SAFE_RENEGOTIATION:%NO_SESSION_HASH",
        &[
            "--require-client-cert",
            "--verify-client-cert",
            "--x509cafile",
            "root.pem",
            "--noticket",
        ],
    );
    let report = look(server.address, &pki).await;
    let evidence = g43(&report);
    // Releases of GnuTLS 3.7.9 differ in it: its own client says what is so.
    let mut failing = vec!["suite-listed", "renegotiation-secure"];
    if renegotiates(&pki, server.address) {
        failing.push("renegotiation-client");
    }
    assert_rules(&evidence, &failing, &[]);
    let seen = &evidence.finding("suite-listed").unwrap().seen.en;
    for part in ["0005: static key exchange, RC4", "C012: 64-bit blocks, CBC"] {
        assert!(seen.contains(part), "{seen}");
    }
    // The handshake was carried to its end without the extended master secret.
    assert_eq!(report.extended_master_secret, Told::No);
    assert_eq!(report.key_proved, Told::Yes);
}

#[tokio::test]
async fn every_name_that_openssl_knows_is_ours() {
    let listed = std::process::Command::new("openssl")
        .args([
            "ciphers",
            "-V",
            "-stdname",
            "ALL:COMPLEMENTOFALL@SECLEVEL=0",
        ])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut count = 0;
    for line in listed.lines() {
        // 0xC0,0x2C - TLS_ECDHE_... - ECDHE-...
        let mut words = line.split_whitespace();
        let code = words.next().unwrap().replace("0x", "").replace(',', "");
        let name = words.nth(1).unwrap();
        let suite = Suite(u16::from_str_radix(&code, 16).unwrap());
        assert_eq!(suite.name(), name);
        count += 1;
    }
    assert!(count > 100, "{listed}");
}

#[tokio::test]
async fn sslscan_and_openssls_server_agree_with_us_on_every_group() {
    let pki = Pki::new(&Leaf::rsa(2048));
    let server = openssl(
        &pki,
        &[
            "-curves",
            "P-256:P-384:P-521:X25519:X448:brainpoolP256r1",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ],
    );
    let report = look(server.address, &pki).await;
    Scan::of(server.address).agrees_with(&report);
    let names: Vec<String> = report
        .key_exchange
        .curves
        .iter()
        .map(|g| g.name())
        .collect();
    for name in [
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "x25519",
        "x448",
        "brainpoolP256r1",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "{name} in {names:?}"
        );
    }
}
