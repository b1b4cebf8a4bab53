//! Our clients, judged by openssl's server, and both our ends together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::{DAY_MS, Net, Pair, center, device, gateway, limits, uri};
use iryonet_domain::{Identity, UnixMillis};
use iryonet_tls::{
    ClientPolicy, ClientTrust, Clock, Connector, Expect, HandshakeError, LocalIdentity, PeerProof,
    Profile, TlsStream, client_config, enrolment_client_config, enrolment_server_config,
    server_config,
};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// openssl's server on a port of its own.
struct Foreign {
    child: Child,
    address: String,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Foreign {
    async fn start(net: &Net, who: &Pair, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-CAfile",
                &net.roots_file(),
            ])
            .args([
                "-cert",
                &who.chain,
                "-cert_chain",
                &who.chain,
                "-key",
                &who.key,
            ])
            .args(["-Verify", "3", "-verify_return_error"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is needed as a foreign judge: apt-get install openssl");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = line(&mut lines).await;
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.to_owned();
            }
        };
        Self {
            child,
            address,
            lines,
        }
    }

    async fn meet(
        &self,
        connector: &Connector,
    ) -> Result<(TlsStream<TcpStream>, PeerProof), HandshakeError> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        connector.connect(stream, &limits()).await
    }

    /// What it says up to and including a line with this in it.
    async fn says(&mut self, wanted: &str) -> String {
        let mut said = String::new();
        while !said.contains(wanted) {
            said += &line(&mut self.lines).await;
            said.push('\n');
        }
        said
    }
}

async fn line(lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) -> String {
    tokio::time::timeout(Duration::from_secs(60), lines.next_line())
        .await
        .expect("openssl should have said something")
        .unwrap()
        .expect("openssl ended early")
}

fn connector(net: &Net, who: &Pair, expect: Expect) -> Connector {
    client_config(
        Profile::default(),
        &who.local(),
        net.roots(),
        expect,
        Clock::system(),
    )
    .unwrap()
}

fn any_gateway() -> Expect {
    Expect::Gateway(None)
}

#[tokio::test]
async fn a_foreign_server_is_met_by_each_of_the_four_suites() {
    let mut net = Net::new();
    let hospital = net.issue("h", &device());
    let servers = [
        ("ECDSA", net.issue("gw", &gateway())),
        ("RSA", net.issue_rsa("gw-rsa", &gateway())),
    ];
    for (kind, server) in &servers {
        for (cipher, hash) in [("AES128-GCM", "SHA256"), ("AES256-GCM", "SHA384")] {
            let cipher = format!("ECDHE-{kind}-{cipher}-{hash}");
            let mut foreign = Foreign::start(&net, server, &["-tls1_2", "-cipher", &cipher]).await;
            let (mut stream, proof) = foreign
                .meet(&connector(&net, &hospital, any_gateway()))
                .await
                .unwrap();
            assert_eq!(
                proof.identity,
                Identity::Gateway("gw-east-1".parse().unwrap())
            );
            stream.write_all(b"hello\n").await.unwrap();
            let said = foreign.says("hello").await;
            assert!(said.contains(&format!("CIPHER is {cipher}")), "{said}");
            assert!(!said.contains("Reused"), "{said}");
            foreign.child.kill().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_of_another_version_or_suite_is_refused() {
    let mut net = Net::new();
    let (server, hospital) = (net.issue("gw", &gateway()), net.issue("h", &device()));
    for (options, wanted) in [
        (&["-tls1_3"][..], "protocol-version"),
        (
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            "protocol-version",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"],
            "no-common-suite",
        ),
        (&["-tls1_2", "-groups", "X25519"], "no-common-suite"),
    ] {
        let foreign = Foreign::start(&net, &server, options).await;
        let error = foreign
            .meet(&connector(&net, &hospital, any_gateway()))
            .await
            .unwrap_err();
        assert_eq!(
            error.reason().as_str(),
            wanted,
            "{options:?}: {}",
            error.detail()
        );
        assert!(error.refused_by_peer(), "{options:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_whom_we_expect_is_refused() {
    let mut net = Net::new();
    let mut other = Net::new();
    let hospital = net.issue("h", &device());
    let (now, key) = (net.now, KeyPair::generate().unwrap());
    let before = UnixMillis(now.0 - 2 * DAY_MS);
    let east = Expect::Gateway(Some("gw-east-1".parse().unwrap()));
    let west = Expect::Gateway(Some("gw-west-1".parse().unwrap()));
    let gw = |net: &mut Net, name| net.issue(name, &gateway());
    let cases = [
        (gw(&mut net, "gw"), east, "met"),
        (gw(&mut net, "gw"), west, "wrong-identity"),
        (gw(&mut net, "gw"), Expect::Center(None), "wrong-identity"),
        (
            net.issue("center", &center()),
            any_gateway(),
            "wrong-identity",
        ),
        (
            net.issue("center", &center()),
            Expect::Center(Some("center-1".parse().unwrap())),
            "met",
        ),
        // A device that poses as a gateway on the line.
        (net.issue("h2", &device()), any_gateway(), "wrong-usage"),
        (
            net.forge("posing", |p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
            }),
            any_gateway(),
            "wrong-identity",
        ),
        (
            net.forge("two", |p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                p.subject_alt_names = vec![
                    uri("iryonet:gateway:gw-east-1"),
                    uri("iryonet:gateway:gw-west-1"),
                ];
            }),
            any_gateway(),
            "bad-certificate",
        ),
        (gw(&mut other, "gw"), any_gateway(), "unknown-authority"),
        (
            net.issue_with("old", &gateway(), &key, before, DAY_MS),
            any_gateway(),
            "expired",
        ),
        (
            net.issue_with("new", &gateway(), &key, now.plus_ms(DAY_MS), DAY_MS),
            any_gateway(),
            "not-yet-valid",
        ),
    ];
    for (server, expect, wanted) in &cases {
        let foreign = Foreign::start(&net, server, &["-tls1_2"]).await;
        let met = foreign
            .meet(&connector(&net, &hospital, expect.clone()))
            .await;
        let (seen, detail) = match &met {
            Ok(_) => ("met", String::new()),
            Err(error) => (error.reason().as_str(), error.detail()),
        };
        assert_eq!(seen, *wanted, "{} {expect:?}: {detail}", server.chain);
    }
}

#[tokio::test]
async fn our_client_never_asks_to_resume() {
    let mut net = Net::new();
    let (server, hospital) = (net.issue("gw", &gateway()), net.issue("h", &device()));
    // Tickets and a session cache are on: the server would resume.
    let mut foreign = Foreign::start(&net, &server, &["-tls1_2"]).await;
    let connector = connector(&net, &hospital, any_gateway());
    for visit in 0..3 {
        let (mut stream, _) = foreign.meet(&connector).await.unwrap();
        let word = format!("visit {visit} ends");
        stream
            .write_all(format!("{word}\n").as_bytes())
            .await
            .unwrap();
        let said = foreign.says(&word).await;
        assert!(said.contains("CIPHER is"), "{said}");
        assert!(!said.contains("Reused"), "{said}");
        let _ = stream.shutdown().await;
    }
}

type Ended = (
    Result<(TlsStream<DuplexStream>, PeerProof), HandshakeError>,
    Result<(TlsStream<DuplexStream>, PeerProof), HandshakeError>,
);

async fn both(
    net: &Net,
    server: &LocalIdentity,
    client: &LocalIdentity,
    client_clock: Clock,
) -> Ended {
    let trust = ClientTrust {
        roots: net.roots(),
        policy: ClientPolicy::PARTICIPANTS,
    };
    let acceptor = server_config(Profile::default(), server, trust, Clock::system()).unwrap();
    let connector = client_config(
        Profile::default(),
        client,
        net.roots(),
        any_gateway(),
        client_clock,
    )
    .unwrap();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let limits = limits();
    tokio::join!(
        acceptor.accept(far, &limits),
        connector.connect(near, &limits)
    )
}

#[tokio::test]
async fn both_ends_prove_themselves_to_each_other() {
    let mut net = Net::new();
    let (server, hospital) = (
        net.issue("gw", &gateway()).local(),
        net.issue("h", &device()).local(),
    );
    let (accepted, connected) = both(&net, &server, &hospital, Clock::system()).await;
    let ((mut far, of_client), (mut near, of_server)) = (accepted.unwrap(), connected.unwrap());
    assert_eq!(of_client, hospital.proof().unwrap());
    assert_eq!(
        of_server.identity,
        Identity::Gateway("gw-east-1".parse().unwrap())
    );
    // The limit of the handshake no longer holds.
    let sent = vec![7; 200_000];
    let (_, read) = tokio::join!(
        async {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        },
        async {
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.unwrap();
            read
        }
    );
    assert_eq!(read, sent);
}

#[tokio::test]
async fn a_refused_client_learns_it_before_it_believes_to_be_in() {
    let mut net = Net::new();
    let mut other = Net::new();
    let server = net.issue("gw", &gateway()).local();
    let (now, key) = (net.now, KeyPair::generate().unwrap());
    let before = UnixMillis(now.0 - 2 * DAY_MS);
    for (client, wanted) in [
        (other.issue("h", &device()), "unknown-authority"),
        (
            net.issue_with("old", &device(), &key, before, DAY_MS),
            "expired",
        ),
    ] {
        let (accepted, connected) = both(&net, &server, &client.local(), Clock::system()).await;
        let (ours, theirs) = (accepted.unwrap_err(), connected.unwrap_err());
        assert_eq!(ours.reason().as_str(), wanted, "{}", ours.detail());
        assert!(!ours.refused_by_peer());
        assert_eq!(theirs.reason().as_str(), wanted, "{}", theirs.detail());
        assert!(theirs.refused_by_peer());
    }
}

#[tokio::test]
async fn a_site_whose_clock_is_years_off_says_so() {
    let mut net = Net::new();
    let (server, hospital) = (
        net.issue("gw", &gateway()).local(),
        net.issue("h", &device()).local(),
    );
    let past = Clock::new(|| UnixMillis(1_600_000_000_000));
    let (_, connected) = both(&net, &server, &hospital, past).await;
    let error = connected.unwrap_err();
    assert_eq!(
        error.reason().as_str(),
        "not-yet-valid",
        "{}",
        error.detail()
    );
    assert!(!error.refused_by_peer());
}

#[tokio::test]
async fn an_applicant_without_a_certificate_reaches_the_public_door_and_only_that() {
    let mut net = Net::new();
    let (center, gw) = (
        net.issue("c", &center()).local(),
        net.issue("gw", &gateway()).local(),
    );
    let expect = Expect::Center(None);
    let applicant =
        enrolment_client_config(Profile::default(), net.roots(), expect, Clock::system()).unwrap();
    let door = enrolment_server_config(Profile::default(), &center, Clock::system()).unwrap();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let limits = limits();
    let (accepted, connected) =
        tokio::join!(door.accept(far, &limits), applicant.connect(near, &limits));
    assert!(accepted.is_ok());
    assert_eq!(
        connected.unwrap().1.identity,
        Identity::Center("center-1".parse().unwrap())
    );

    let trust = ClientTrust {
        roots: net.roots(),
        policy: ClientPolicy::PARTICIPANTS,
    };
    let attach = server_config(Profile::default(), &gw, trust, Clock::system()).unwrap();
    let applicant = enrolment_client_config(
        Profile::default(),
        net.roots(),
        any_gateway(),
        Clock::system(),
    )
    .unwrap();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (accepted, connected) = tokio::join!(
        attach.accept(far, &limits),
        applicant.connect(near, &limits)
    );
    assert_eq!(accepted.unwrap_err().reason().as_str(), "no-certificate");
    assert_eq!(connected.unwrap_err().reason().as_str(), "no-certificate");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_then_on_and_cuts_no_connection() {
    let mut net = Net::new();
    let (server, next_server) = (
        net.issue("gw", &gateway()).local(),
        net.issue("gw2", &gateway()).local(),
    );
    let (hospital, next_hospital) = (
        net.issue("h", &device()).local(),
        net.issue("h2", &device()).local(),
    );
    let trust = ClientTrust {
        roots: net.roots(),
        policy: ClientPolicy::PARTICIPANTS,
    };
    let acceptor = server_config(Profile::default(), &server, trust, Clock::system()).unwrap();
    let connector = client_config(
        Profile::default(),
        &hospital,
        net.roots(),
        any_gateway(),
        Clock::system(),
    )
    .unwrap();
    // Clones are what the tasks of a daemon hold.
    let (door, way) = (acceptor.clone(), connector.clone());
    let meet = async || {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let limits = limits();
        let (accepted, connected) =
            tokio::join!(door.accept(far, &limits), way.connect(near, &limits));
        (accepted.unwrap(), connected.unwrap())
    };
    let fingerprint = |identity: &LocalIdentity| identity.proof().unwrap().fingerprint;
    let ((mut far, of_client), (mut near, of_server)) = meet().await;
    assert_eq!(of_client.fingerprint, fingerprint(&hospital));
    assert_eq!(of_server.fingerprint, fingerprint(&server));

    acceptor.show(&next_server).unwrap();
    connector.show(&next_hospital).unwrap();
    let ((_, of_client), (_, of_server)) = meet().await;
    assert_eq!(of_client.fingerprint, fingerprint(&next_hospital));
    assert_eq!(of_server.fingerprint, fingerprint(&next_server));
    near.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");

    // A client's certificate is no server's: nothing changes by it.
    assert!(acceptor.show(&hospital).is_err());
    let (_, (_, of_server)) = meet().await;
    assert_eq!(of_server.fingerprint, fingerprint(&next_server));
    let nobody = enrolment_client_config(
        Profile::default(),
        net.roots(),
        any_gateway(),
        Clock::system(),
    )
    .unwrap();
    assert!(nobody.show(&hospital).is_err());
}
