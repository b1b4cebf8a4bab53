//! The network's own ends, judged by the network's own check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::pki::{Leaf, Pki};
use common::sslscan::Scan;
use common::{G43, NAME, assert_rules, g43, limits, now};
use iryonet_tls::{
    ClientPolicy, ClientTrust, Clock, Expect, HandshakeLimits, LocalIdentity, TrustRoots,
    client_config, server_config,
};
use iryonet_tlscheck::{
    Application, ListenSettings, Outcome, Profile, Roots, SPOKEN_HERE, Settings, Target, Version,
    check_client, check_server, client_evidence,
};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

fn gateway() -> Leaf {
    Leaf {
        names: "DNS:claims.example,URI:iryonet:gateway:gw-east-1",
        ..Leaf::server()
    }
}

fn local(pki: &Pki, name: &str) -> LocalIdentity {
    let read = |end: &str| std::fs::read(pki.file(&format!("{name}.{end}"))).unwrap();
    LocalIdentity::from_pem(&read("pem"), &read("key")).unwrap()
}

fn handshake() -> HandshakeLimits {
    HandshakeLimits {
        timeout: Duration::from_secs(20),
        octets: 32 * 1024,
    }
}

// Our door has to answer while sslscan is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_door_meets_the_profile_that_it_is_named_after() {
    // The two crates know the profile by the same word.
    assert_eq!(iryonet_tls::Profile::Guideline43.as_str(), G43.as_str());

    let pki = Pki::new(&gateway());
    let trust = ClientTrust {
        roots: TrustRoots::from_pem(&pki.root()).unwrap(),
        policy: ClientPolicy::PARTICIPANTS,
    };
    let acceptor = server_config(
        iryonet_tls::Profile::Guideline43,
        &local(&pki, "server"),
        trust,
        Clock::system(),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok((mut stream, _)) = acceptor.accept(stream, &handshake()).await {
                    // Held until the other side goes.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    let target = Target {
        address,
        server_name: Some(NAME.to_owned()),
        application: Application::Silent,
    };
    let settings = Settings {
        limits: limits(),
        now: now(),
        seed: [3; 32],
        roots: Some(Roots::from_pem(&pki.root()).unwrap()),
        client: Some(pki.client()),
    };
    let report = check_server(&target, &settings).await.unwrap();
    assert_rules(&g43(&report), &[], &[]);
    assert!(g43(&report).unmet().is_empty());
    let suites = &report.version(Version::Tls12).unwrap().suites;
    assert!(suites.iter().all(|suite| SPOKEN_HERE.contains(suite)));
    Scan::as_client(address, &pki.file("client.pem"), &pki.file("client.key")).agrees_with(&report);

    // What was found can be kept and judged again.
    let kept = serde_json::to_string(&report).unwrap();
    let again: iryonet_tlscheck::Report = serde_json::from_str(&kept).unwrap();
    assert_eq!(again, report);
    let evidence = g43(&again);
    let kept = serde_json::to_string(&evidence).unwrap();
    assert_eq!(
        serde_json::from_str::<iryonet_tlscheck::Evidence>(&kept).unwrap(),
        evidence
    );
}

#[tokio::test]
async fn our_own_client_meets_the_profile_that_it_is_named_after() {
    let pki = Pki::new(&gateway());
    let connector = client_config(
        iryonet_tls::Profile::Guideline43,
        &local(&pki, "client"),
        TrustRoots::from_pem(&pki.root()).unwrap(),
        Expect::Gateway(None),
        Clock::system(),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let stream = TcpStream::connect(address).await.unwrap();
        connector.connect(stream, &handshake()).await.map(|_| ())
    });
    let settings = ListenSettings {
        limits: limits(),
        wait: Duration::from_secs(30),
        now: now(),
        seed: [4; 32],
        own: Some(pki.identity("server")),
        roots: Some(Roots::from_pem(&pki.root()).unwrap()),
        preferred: Version::Tls12,
    };
    let report = check_client(&listener, &settings).await.unwrap();
    let evidence = client_evidence(&report, Profile::Guideline43);
    assert_rules(&evidence, &[], &[]);
    assert!(evidence.unmet().is_empty());
    assert_eq!(evidence.rules(Outcome::Pass).len(), evidence.findings.len());
    // Its side of the handshake came to stand: ours is real.
    client.await.unwrap().unwrap();
}
