//! Our servers, judged by openssl's client and by sslscan.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::{DAY_MS, Net, Pair, center, device, gateway, limits, openssl, run, text, uri};
use iryonet_domain::{DeviceId, Fingerprint, Identity, ParticipantNumber, UnixMillis};
use iryonet_tls::{
    Acceptor, ClientPolicy, ClientTrust, Clock, HandshakeError, HandshakeLimits, LocalIdentity,
    PeerProof, Profile, Reason, enrolment_server_config, open_server_config, server_config,
};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Outcome = Result<(PeerProof, Option<&'static str>), HandshakeError>;

/// A server on a port of its own that reports every handshake.
struct Door {
    address: String,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    async fn open(acceptor: Acceptor, limits: HandshakeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (report, outcomes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, report) = (acceptor.clone(), report.clone());
                tokio::spawn(async move {
                    match acceptor.accept(stream, &limits).await {
                        Ok((mut stream, proof)) => {
                            let _ = report.send(Ok((proof, stream.suite())));
                            let _ = stream.write_all(b"welcome\n").await;
                            let _ = stream.shutdown().await;
                            let _ = stream.read_to_end(&mut Vec::new()).await;
                        }
                        Err(error) => {
                            let _ = report.send(Err(error));
                        }
                    }
                });
            }
        });
        Self {
            address,
            outcomes,
            task,
        }
    }

    async fn next(&mut self) -> Outcome {
        tokio::time::timeout(Duration::from_secs(60), self.outcomes.recv())
            .await
            .expect("a handshake should have been reported")
            .unwrap()
    }

    /// openssl's client with these options; what it said and what we saw.
    async fn visit(&mut self, net: &Net, options: &[&str]) -> (String, Outcome) {
        let roots = net.roots_file();
        let mut arguments = vec!["s_client", "-connect", &self.address, "-CAfile", &roots];
        arguments.extend(options);
        let output = openssl(&arguments).await;
        (text(&output), self.next().await)
    }

    async fn visit_as(&mut self, net: &Net, who: &Pair, options: &[&str]) -> (String, Outcome) {
        let mut all = vec![
            "-cert",
            &who.chain,
            "-cert_chain",
            &who.chain,
            "-key",
            &who.key,
        ];
        all.extend(options);
        self.visit(net, &all).await
    }
}

fn acceptor_at(
    net: &Net,
    identity: &LocalIdentity,
    policy: ClientPolicy,
    clock: Clock,
) -> Acceptor {
    let trust = ClientTrust {
        roots: net.roots(),
        policy,
    };
    server_config(Profile::default(), identity, trust, clock).unwrap()
}

fn acceptor(net: &Net, identity: &LocalIdentity) -> Acceptor {
    acceptor_at(net, identity, ClientPolicy::PARTICIPANTS, Clock::system())
}

fn reason(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "let in",
        Err(error) => error.reason().as_str(),
    }
}

#[tokio::test]
async fn a_device_comes_in_by_each_of_the_four_suites_and_is_known_by_its_leaf() {
    let mut net = Net::new();
    let hospital = net.issue("hospital", &device());
    let servers = [
        ("ECDSA", net.issue("gw", &gateway())),
        ("RSA", net.issue_rsa("gw-rsa", &gateway())),
    ];
    for (kind, server) in &servers {
        let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
        for (cipher, hash) in [("AES128-GCM", "SHA256"), ("AES256-GCM", "SHA384")] {
            let cipher = format!("ECDHE-{kind}-{cipher}-{hash}");
            let (said, outcome) = door.visit_as(&net, &hospital, &["-cipher", &cipher]).await;
            let (proof, suite) =
                outcome.unwrap_or_else(|error| panic!("{cipher}: {}\n{said}", error.detail()));
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(
                said.contains(&format!("New, TLSv1.2, Cipher is {cipher}")),
                "{said}"
            );
            assert!(suite.unwrap().contains(kind), "{suite:?}");
            assert_eq!(
                proof.identity,
                Identity::Participant {
                    number: ParticipantNumber::new(70_001).unwrap(),
                    device: DeviceId(1),
                }
            );
            let print = openssl(&[
                "x509",
                "-in",
                &hospital.chain,
                "-noout",
                "-fingerprint",
                "-sha256",
            ])
            .await;
            let print = text(&print)
                .trim()
                .rsplit('=')
                .next()
                .unwrap()
                .replace(':', "")
                .to_lowercase();
            assert_eq!(proof.fingerprint, print.parse::<Fingerprint>().unwrap());
            let ends = UnixMillis(net.now.0 + 30 * DAY_MS);
            assert!(proof.not_after.since_ms(UnixMillis(ends.0 - 2_000)) < 4_000);
        }
    }
}

#[tokio::test]
async fn old_routers_with_rsa_and_devices_with_p384_come_in_too() {
    let mut net = Net::new();
    // An ECDSA certificate of P-256 would not go with P-384 alone in openssl.
    let server = net.issue_rsa("gw", &gateway());
    let rsa = net.issue_rsa("rsa", &device());
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let now = net.now;
    let p384 = net.issue_with("p384", &device(), &key, now, DAY_MS);
    let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
    for who in [&rsa, &p384] {
        for group in ["P-256", "P-384"] {
            let (said, outcome) = door.visit_as(&net, who, &["-groups", group]).await;
            assert_eq!(reason(&outcome), "let in", "{said}");
            assert!(said.contains("Server Temp Key: ECDH"), "{said}");
        }
    }
}

#[tokio::test]
async fn another_version_or_suite_is_refused_with_its_own_reason() {
    let mut net = Net::new();
    let hospital = net.issue("hospital", &device());
    let servers = [
        net.issue("gw", &gateway()),
        net.issue_rsa("gw-rsa", &gateway()),
    ];
    for server in &servers {
        let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
        let visits: &[(&[&str], &str)] = &[
            (&["-tls1_3"], "protocol-version"),
            (
                &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                "protocol-version",
            ),
            (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "protocol-version"),
            // CBC
            (
                &[
                    "-tls1_2",
                    "-cipher",
                    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384",
                ],
                "no-common-suite",
            ),
            // CBC, SHA-1
            (
                &[
                    "-tls1_2",
                    "-cipher",
                    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA",
                ],
                "no-common-suite",
            ),
            // static RSA
            (
                &["-tls1_2", "-cipher", "AES256-GCM-SHA384"],
                "no-common-suite",
            ),
            // conforming to the guideline, but not served
            (
                &["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"],
                "no-common-suite",
            ),
            (
                &[
                    "-tls1_2",
                    "-cipher",
                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
                ],
                "no-common-suite",
            ),
            (&["-tls1_2", "-groups", "X25519"], "no-common-suite"),
            (&["-tls1_2", "-groups", "P-521"], "no-common-suite"),
            (
                &[
                    "-tls1_2",
                    "-sigalgs",
                    "ECDSA+SHA1:RSA+SHA1",
                    "-cipher",
                    "ALL:@SECLEVEL=0",
                ],
                "no-common-suite",
            ),
        ];
        for (options, wanted) in visits {
            let (said, outcome) = door.visit_as(&net, &hospital, options).await;
            assert_eq!(reason(&outcome), *wanted, "{options:?}\n{said}");
            assert!(
                !said.contains("Server certificate\n"),
                "{options:?}\n{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_open_is_refused_with_its_own_reason() {
    let mut net = Net::new();
    let mut foreign = Net::new();
    let server = net.issue("gw", &gateway());
    let (now, key) = (net.now, KeyPair::generate().unwrap());
    let yesterday = UnixMillis(now.0 - 2 * DAY_MS);
    let visitors = [
        // Another CA, under the very same names as ours.
        (foreign.issue("foreign", &device()), "unknown-authority"),
        (
            net.issue_with("expired", &device(), &key, yesterday, DAY_MS),
            "expired",
        ),
        (
            net.issue_with("early", &device(), &key, now.plus_ms(2 * DAY_MS), DAY_MS),
            "not-yet-valid",
        ),
        (
            net.forge("two", |p| {
                p.subject_alt_names
                    .push(uri("iryonet:participant:70002:device:1"))
            }),
            "bad-certificate",
        ),
        (
            net.forge("none", |p| p.subject_alt_names.clear()),
            "bad-certificate",
        ),
        (
            net.forge("alien", |p| {
                p.subject_alt_names = vec![uri("https://example.jp/")]
            }),
            "bad-certificate",
        ),
        (
            net.forge("spelled", |p| {
                p.subject_alt_names = vec![uri("iryonet:participant:070001:device:1")]
            }),
            "bad-certificate",
        ),
        (net.issue("center", &center()), "wrong-usage"),
        (
            net.forge("unstated", |p| p.extended_key_usages.clear()),
            "wrong-usage",
        ),
        (
            net.forge("any", |p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]
            }),
            "wrong-usage",
        ),
        (net.issue("gw-west", &gateway()), "wrong-identity"),
        (
            net.forge("center-client", |p| {
                p.subject_alt_names = vec![uri("iryonet:center:center-1")]
            }),
            "wrong-identity",
        ),
        (
            net.forge_with_openssl("rsa1024", "rsa -pkeyopt rsa_keygen_bits:1024", "-sha256")
                .await,
            "weak-key",
        ),
        (
            net.forge_with_openssl("sha1", "ec -pkeyopt ec_paramgen_curve:P-256", "-sha1")
                .await,
            "weak-key",
        ),
        (
            net.forge_with_openssl("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "-sha256")
                .await,
            "weak-key",
        ),
    ];
    let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
    for (who, wanted) in &visitors {
        let weak = ["-cipher", "DEFAULT:@SECLEVEL=0"];
        let (said, outcome) = door.visit_as(&net, who, &weak).await;
        assert_eq!(
            reason(&outcome),
            *wanted,
            "{}: {}\n{said}",
            who.chain,
            outcome.unwrap_err().detail()
        );
        assert!(!said.contains("welcome"), "{said}");
        assert!(said.contains("alert"), "the visitor is told: {said}");
    }
    let (said, outcome) = door.visit(&net, &[]).await;
    assert_eq!(reason(&outcome), "no-certificate", "{said}");
}

#[tokio::test]
async fn the_chain_must_reach_our_root_by_itself() {
    let mut net = Net::new();
    let server = net.issue("gw", &gateway());
    let mut alone = net.issue("alone", &device());
    // Without the issuing CA's certificate nothing links the leaf to the root.
    let leaf = openssl(&["x509", "-in", &alone.chain]).await;
    alone.chain = net.write("leaf-only.pem", &text(&leaf));
    let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
    let (said, outcome) = door
        .visit(&net, &["-cert", &alone.chain, "-key", &alone.key])
        .await;
    assert_eq!(reason(&outcome), "unknown-authority", "{said}");
}

#[tokio::test]
async fn a_feeds_door_lets_gateways_in_and_devices_not() {
    let mut net = Net::new();
    let (server, gw, hospital) = (
        net.issue("c", &center()),
        net.issue("gw", &gateway()),
        net.issue("h", &device()),
    );
    let acceptor = acceptor_at(
        &net,
        &server.local(),
        ClientPolicy::GATEWAYS,
        Clock::system(),
    );
    let mut door = Door::open(acceptor, limits()).await;
    let (said, outcome) = door.visit_as(&net, &gw, &[]).await;
    assert_eq!(
        outcome.expect(&said).0.identity,
        Identity::Gateway("gw-east-1".parse().unwrap())
    );
    let (said, outcome) = door.visit_as(&net, &hospital, &[]).await;
    assert_eq!(reason(&outcome), "wrong-identity", "{said}");
}

#[tokio::test]
async fn the_clock_that_is_handed_in_decides() {
    let mut net = Net::new();
    let (server, hospital) = (net.issue("gw", &gateway()), net.issue("h", &device()));
    let now = net.now;
    for (days, wanted) in [(-1_i64, "not-yet-valid"), (0, "let in"), (31, "expired")] {
        let at = UnixMillis(now.0.checked_add_signed(days * DAY_MS as i64).unwrap());
        let clock = Clock::new(move || at);
        let acceptor = acceptor_at(&net, &server.local(), ClientPolicy::PARTICIPANTS, clock);
        let mut door = Door::open(acceptor, limits()).await;
        let (said, outcome) = door.visit_as(&net, &hospital, &[]).await;
        assert_eq!(reason(&outcome), wanted, "{days}: {said}");
    }
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let mut net = Net::new();
    let (server, hospital) = (net.issue("gw", &gateway()), net.issue("h", &device()));
    let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
    for options in [&["-reconnect"][..], &["-reconnect", "-no_ticket"]] {
        // Six connections: the first, and five that try to resume it.
        let (said, first) = door.visit_as(&net, &hospital, options).await;
        assert_eq!(reason(&first), "let in", "{said}");
        assert_eq!(said.matches("New, TLSv1.2").count(), 6, "{said}");
        assert!(!said.contains("Reused"), "{said}");
        assert!(!said.contains("TLS session ticket"), "{said}");
        for _ in 0..5 {
            assert_eq!(reason(&door.next().await), "let in");
        }
    }
    // openssl keeps on disk what it could resume later: there is nothing.
    let kept = net.dir.path().join("session");
    let (said, _) = door
        .visit_as(&net, &hospital, &["-sess_out", kept.to_str().unwrap()])
        .await;
    assert!(said.contains("New, TLSv1.2"), "{said}");
    assert!(!kept.exists(), "a session was worth keeping: {said}");
}

#[tokio::test]
async fn sslscan_finds_tls_1_2_and_the_four_suites_and_nothing_else() {
    let mut net = Net::new();
    let cases = [
        ("ECDSA", net.issue("c", &center())),
        ("RSA", net.issue_rsa("c-rsa", &center())),
    ];
    for (kind, server) in &cases {
        // The public door: the same profile, and sslscan has no certificate.
        let acceptor =
            enrolment_server_config(Profile::default(), &server.local(), Clock::system()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream, &limits()).await {
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                });
            }
        });
        let said = text(&run("sslscan", &["--no-colour", "--show-certificate", &address]).await);
        task.abort();
        let versions: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("TLSv1") || line.starts_with("SSLv"))
            .filter(|line| line.ends_with("abled"))
            .collect();
        for line in &versions {
            let wanted = if line.starts_with("TLSv1.2") {
                "enabled"
            } else {
                "disabled"
            };
            assert!(line.ends_with(wanted), "{line}\n{said}");
        }
        assert_eq!(versions.len(), 6, "{said}");
        let mut suites: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"))
            .map(|line| line.split_whitespace().nth(4).unwrap())
            .collect();
        suites.sort_unstable();
        let wanted = [
            format!("ECDHE-{kind}-AES128-GCM-SHA256"),
            format!("ECDHE-{kind}-AES256-GCM-SHA384"),
        ];
        assert_eq!(suites, wanted, "{said}");
        assert!(
            said.contains("Session renegotiation not supported"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn who_says_nothing_or_too_much_or_no_tls_costs_little() {
    let mut net = Net::new();
    let (server, hospital) = (net.issue("gw", &gateway()), net.issue("h", &device()));
    let tight = HandshakeLimits {
        timeout: Duration::from_millis(300),
        octets: 32 * 1024,
    };
    let mut door = Door::open(acceptor(&net, &server.local()), tight).await;
    let silent = TcpStream::connect(&door.address).await.unwrap();
    assert_eq!(reason(&door.next().await), "timeout");
    drop(silent);

    let mut door = Door::open(acceptor(&net, &server.local()), limits()).await;
    let mut http = TcpStream::connect(&door.address).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(reason(&door.next().await), "other");
    let gone = TcpStream::connect(&door.address).await.unwrap();
    drop(gone);
    assert_eq!(reason(&door.next().await), "io");

    let small = HandshakeLimits {
        timeout: Duration::from_secs(60),
        octets: 700,
    };
    let mut door = Door::open(acceptor(&net, &server.local()), small).await;
    let (said, outcome) = door.visit_as(&net, &hospital, &[]).await;
    assert_eq!(reason(&outcome), "too-large", "{said}");
}

#[tokio::test]
async fn a_server_that_could_not_work_does_not_start() {
    let mut net = Net::new();
    let (gw, other, hospital) = (
        net.issue("gw", &gateway()),
        net.issue("gw2", &gateway()),
        net.issue("h", &device()),
    );
    let weak = net
        .forge_with_openssl("weak", "rsa -pkeyopt rsa_keygen_bits:1024", "-sha256")
        .await;
    let mixed = LocalIdentity::from_pem(gw.chain_pem.as_bytes(), other.key_pem.as_bytes()).unwrap();
    let refused = |identity: &LocalIdentity| {
        let trust = ClientTrust {
            roots: net.roots(),
            policy: ClientPolicy::PARTICIPANTS,
        };
        server_config(Profile::default(), identity, trust, Clock::system())
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused(&mixed).contains("made together"),
        "{}",
        refused(&mixed)
    );
    assert!(
        refused(&hospital.local()).contains("serverAuth"),
        "{}",
        refused(&hospital.local())
    );
    assert!(
        refused(&weak.local()).contains("serverAuth"),
        "{}",
        refused(&weak.local())
    );
    assert!(LocalIdentity::from_pem(b"", gw.key_pem.as_bytes()).is_err());
    assert!(LocalIdentity::from_pem(gw.chain_pem.as_bytes(), b"no key").is_err());
    assert!(
        iryonet_tls::TrustRoots::from_pem(gw.chain_pem.as_bytes()).is_err(),
        "a leaf is no root"
    );
}

#[test]
fn each_reason_has_a_word_of_its_own_for_the_counters() {
    let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    assert!(
        words
            .iter()
            .all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_lets_nobody_in_as_nobody_and_a_false_somebody_not_at_all() {
    let mut net = Net::new();
    let own = net.issue("center", &center());
    let holder = net.issue("device", &device());
    let gateway = net.issue("gateway", &gateway());
    let (key, then) = (
        KeyPair::generate().unwrap(),
        UnixMillis(net.now.0 - 9 * DAY_MS),
    );
    let run_out = net.issue_with("old", &device(), &key, then, DAY_MS);
    let foreign = Net::new().issue("foreign", &device());
    let trust = ClientTrust {
        roots: net.roots(),
        policy: ClientPolicy::HOLDERS,
    };
    let acceptor =
        open_server_config(Profile::default(), &own.local(), trust, Clock::system()).unwrap();
    let visit = async |who: Option<&Pair>| {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let connector = match who {
            None => iryonet_tls::enrolment_client_config(
                Profile::default(),
                net.roots(),
                iryonet_tls::Expect::Center(None),
                Clock::system(),
            ),
            Some(who) => iryonet_tls::client_config(
                Profile::default(),
                &who.local(),
                net.roots(),
                iryonet_tls::Expect::Center(None),
                Clock::system(),
            ),
        };
        let (client, server, connector) = (limits(), limits(), connector.unwrap());
        let (accepted, _) = tokio::join!(
            acceptor.accept(theirs, &server),
            connector.connect(ours, &client)
        );
        accepted.map(|(_, proof)| proof.map(|proof| proof.identity.to_string()))
    };
    assert_eq!(visit(None).await.unwrap(), None);
    let name = |text: &str| Some(text.to_owned());
    assert_eq!(
        visit(Some(&holder)).await.unwrap(),
        name("iryonet:participant:70001:device:1")
    );
    assert_eq!(
        visit(Some(&gateway)).await.unwrap(),
        name("iryonet:gateway:gw-east-1")
    );
    for false_one in [&run_out, &foreign] {
        assert!(visit(Some(false_one)).await.is_err());
    }
}
