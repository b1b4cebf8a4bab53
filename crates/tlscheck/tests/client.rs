//! The mirror: real clients come to the listener.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::pki::{Leaf, Pki};
use common::{G43, NAME, assert_rules, limits, now};
use iryonet_tlscheck::{
    ClientReport, ListenError, ListenSettings, Outcome, OwnIdentity, Profile, Roots, Told, Version,
    check_client, client_evidence,
};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const G60: Profile = Profile::Guideline60 {
    tls12_exception: false,
};

fn settings(pki: &Pki, own: Option<OwnIdentity>) -> ListenSettings {
    ListenSettings {
        limits: limits(),
        wait: Duration::from_secs(60),
        now: now(),
        seed: [8; 32],
        own,
        roots: Some(Roots::from_pem(&pki.root()).unwrap()),
        preferred: Version::Tls12,
    }
}

fn start(pki: &Pki, program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .current_dir(pki.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed as a client: {error}"))
}

/// Lets a client come, and tells what it was heard to be and what it printed.
async fn hear(
    pki: &Pki,
    settings: &ListenSettings,
    program: &str,
    arguments: &[&str],
) -> (ClientReport, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (port, address) = (address.port().to_string(), address.to_string());
    let arguments: Vec<String> = arguments
        .iter()
        .map(|part| part.replace("ADDRESS", &address).replace("PORT", &port))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = start(pki, program, &arguments);
    let report = check_client(&listener, settings).await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(60), client.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{program} does not end"))
        .unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (report, said)
}

const GOOD: [&str; 12] = [
    "s_client",
    "-connect",
    "ADDRESS",
    "-tls1_2",
    "-cipher",
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
    "-curves",
    "P-256:P-384",
    "-cert",
    "client.pem",
    "-key",
    "client.key",
];

#[tokio::test]
async fn a_client_set_up_by_the_guideline_passes_every_rule() {
    for server in [Leaf::server(), Leaf::rsa(2048)] {
        let pki = Pki::new(&server);
        let settings = settings(&pki, Some(pki.identity("server")));
        let (report, said) = hear(&pki, &settings, "openssl", &GOOD).await;
        let evidence = client_evidence(&report, G43);
        assert_rules(&evidence, &[], &[]);
        assert!(evidence.unmet().is_empty());
        assert_eq!(report.key_proved, Told::Yes);
        // openssl found our side of the handshake right, too.
        assert!(said.contains("Cipher is ECDHE-"), "{said}");
        let under_60 = client_evidence(&report, G60);
        assert_eq!(under_60.rules(Outcome::Fail), ["client-version"]);
    }
}

#[tokio::test]
async fn a_client_of_tls_1_3_alone_is_right_for_6_0() {
    for server in [Leaf::server(), Leaf::rsa(2048)] {
        let pki = Pki::new(&server);
        let settings = settings(&pki, Some(pki.identity("server")));
        let mut arguments = GOOD.to_vec();
        arguments[3] = "-tls1_3";
        arguments.drain(4..6);
        let (report, said) = hear(&pki, &settings, "openssl", &arguments).await;
        assert_rules(&client_evidence(&report, G60), &[], &[]);
        assert_eq!(report.agreed, Some(Version::Tls13));
        assert!(said.contains("TLSv1.3"), "{said}");
        let under_43 = client_evidence(&report, G43);
        assert_eq!(under_43.rules(Outcome::Fail), ["client-version"]);
    }
}

#[tokio::test]
async fn an_ordinary_client_offers_too_much_and_shows_no_certificate() {
    let pki = Pki::new(&Leaf::server());
    let settings = settings(&pki, Some(pki.identity("server")));
    let (report, _) = hear(
        &pki,
        &settings,
        "openssl",
        &["s_client", "-connect", "ADDRESS", "-servername", NAME],
    )
    .await;
    let evidence = client_evidence(&report, G43);
    assert_rules(
        &evidence,
        &[
            "client-version",
            "client-version-old",
            "client-suite-listed",
            "client-curve-size",
            "client-certificate-shown",
        ],
        &[
            "client-certificate-key",
            "client-certificate-signature",
            "client-certificate-validity",
            "client-chain-order",
            "client-chain-trusted",
            "client-certificate-proved",
        ],
    );
    assert_eq!(report.server_name.as_deref(), Some(NAME));
    assert_eq!(report.certificate_shown, Told::No);
}

#[tokio::test]
async fn an_old_client_is_heard_to_be_one() {
    let pki = Pki::new(&Leaf::server());
    let settings = settings(&pki, Some(pki.identity("server")));
    let (report, said) = hear(
        &pki,
        &settings,
        "openssl",
        &[
            "s_client",
            "-connect",
            "ADDRESS",
            "-tls1_1",
            "-cipher",
            "ALL:@SECLEVEL=0",
        ],
    )
    .await;
    assert_eq!(report.versions, [Version::Tls11]);
    let evidence = client_evidence(&report, G43);
    for rule in [
        "client-version",
        "client-version-old",
        "client-suite-listed",
    ] {
        assert!(
            evidence.rules(Outcome::Fail).contains(&rule),
            "{evidence:?}"
        );
    }
    assert!(said.contains("protocol version"), "{said}");
}

#[tokio::test]
async fn curl_as_an_institutions_application() {
    let pki = Pki::new(&Leaf::server());
    let settings = settings(&pki, Some(pki.identity("server")));
    let url = format!("https://{NAME}:PORT/");
    let resolve = format!("{NAME}:PORT:127.0.0.1");
    let with = [
        "-sS",
        "--cacert",
        "root.pem",
        "--cert",
        "client.pem",
        "--key",
        "client.key",
        "--resolve",
        &resolve,
        "--tlsv1.2",
        "--tls-max",
        "1.2",
        &url,
    ];
    let (report, _) = hear(&pki, &settings, "curl", &with).await;
    let evidence = client_evidence(&report, G43);
    // Debian's curl offers CBC and X25519 unless it is told not to.
    assert_rules(
        &evidence,
        &["client-suite-listed", "client-curve-size"],
        &["client-version-old"],
    );

    // A client that does not trust the listener shows nothing: that tells
    // nothing of its certificate.
    let distrusting: Vec<&str> = with
        .into_iter()
        .filter(|part| !matches!(*part, "--cacert" | "root.pem"))
        .collect();
    let (report, said) = hear(&pki, &settings, "curl", &distrusting).await;
    let evidence = client_evidence(&report, G43);
    let shown = evidence.finding("client-certificate-shown").unwrap();
    assert_eq!(shown.outcome, Outcome::CouldNotTell, "{said}");
    assert!(shown.seen.en.contains("unknown_ca"), "{}", shown.seen.en);
}

#[tokio::test]
async fn gnutls_as_a_client_without_the_extended_master_secret() {
    let pki = Pki::new(&Leaf::server());
    let settings = settings(&pki, Some(pki.identity("server")));
    let (report, said) = hear(
        &pki,
        &settings,
        "gnutls-cli",
        &[
            "--port", "PORT", "127.0.0.1", "--insecure", "--x509certfile", "client.pem",
            "--x509keyfile", "client.key", "--priority",
            "NONE:+VERS-TLS1.2:+ECDHE-ECDSA:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-SECP256R1:+COMP-NULL:%NO_SESSION_HASH",
        ],
    )
    .await;
    assert_rules(&client_evidence(&report, G43), &[], &[]);
    assert!(!report.extended_master_secret);
    assert!(said.contains("Handshake was completed"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_another_root_and_one_without_a_listeners_certificate() {
    let pki = Pki::new(&Leaf::server());
    let stranger = Pki::new(&Leaf::server());
    let own = Some(pki.identity("server"));
    let (report, _) = hear(&stranger, &settings(&pki, own), "openssl", &GOOD).await;
    assert_rules(
        &client_evidence(&report, G43),
        &["client-chain-trusted"],
        &[],
    );

    let (report, _) = hear(&pki, &settings(&pki, None), "openssl", &GOOD).await;
    let evidence = client_evidence(&report, G43);
    assert_rules(&evidence, &[], &[]);
    assert!(
        evidence
            .rules(Outcome::NotAsked)
            .contains(&"client-certificate-shown")
    );
    assert!(!evidence.unmet().is_empty());
}

#[tokio::test]
async fn who_is_no_client_is_passed_over_and_nobody_is_said_in_time() {
    let pki = Pki::new(&Leaf::server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _ = other.read_to_end(&mut Vec::new()).await;
        drop(TcpStream::connect(address).await.unwrap());
        let done = Command::new("openssl")
            .args(["s_client", "-connect", &address.to_string()])
            .stdin(Stdio::null())
            .output();
        done.await.unwrap()
    });
    let report = check_client(&listener, &settings(&pki, None))
        .await
        .unwrap();
    assert!(report.versions.contains(&Version::Tls13));
    client.await.unwrap();

    let short = ListenSettings {
        wait: Duration::from_millis(300),
        ..settings(&pki, None)
    };
    let _other = TcpStream::connect(address).await.unwrap();
    let error = check_client(&listener, &short).await.unwrap_err();
    assert!(
        matches!(error, ListenError::Nobody { others: 1, .. }),
        "{error}"
    );
}
