//! Servers that say nothing, close, talk nonsense, dribble, flood, or lock us
//! out: each is answered clearly, and within its time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::nginx::{GOOD, Nginx};
use common::pki::{Leaf, Pki};
use common::{NAME, now};
use iryonet_tlscheck::{
    Alert, Application, Limits, ProbeError, Refusal, Report, Settings, Target, check_server,
};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that does `each` with every connection.
async fn serve<F, D>(each: F) -> SocketAddr
where
    F: Fn(TcpStream) -> D + Send + Sync + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    address
}

fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        answer: Duration::from_millis(400),
        settle: Duration::from_millis(100),
        pause: Duration::ZERO,
        total: Duration::from_secs(20),
        ..Limits::default()
    }
}

async fn check(address: SocketAddr, limits: Limits) -> Result<Report, ProbeError> {
    let target = Target {
        address,
        server_name: Some(NAME.to_owned()),
        application: Application::Http,
    };
    let settings = Settings {
        limits,
        now: now(),
        seed: [1; 32],
        roots: None,
        client: None,
    };
    let start = Instant::now();
    let checked = check_server(&target, &settings).await;
    assert!(
        start.elapsed() < limits.total + Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
    checked
}

#[track_caller]
fn not_tls(checked: Result<Report, ProbeError>) -> Refusal {
    match checked {
        Err(ProbeError::NotTls { refusal, .. }) => refusal,
        other => panic!("expected \"does not speak TLS\", got {other:?}"),
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = check(address, limits()).await.unwrap_err();
    assert!(matches!(error, ProbeError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let address = serve(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let start = Instant::now();
    assert_eq!(not_tls(check(address, limits()).await), Refusal::Silent);
    // Two hellos of 0.4 s, not forty.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_closes_at_once() {
    let address = serve(|mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
    })
    .await;
    assert_eq!(not_tls(check(address, limits()).await), Refusal::Closed);
}

#[tokio::test]
async fn servers_of_other_protocols() {
    let greetings: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220 mail.example ESMTP\x1b[2J\r\n",
        b"\x00\x00\x00\x00\xff\xff\xff\xff",
    ];
    for greeting in greetings {
        let address = serve(move |mut stream| async move {
            let _ = stream.write_all(greeting).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        })
        .await;
        let Refusal::NotTls(beginning) = not_tls(check(address, limits()).await) else {
            panic!("it is not TLS");
        };
        assert!(
            beginning.is_ascii() && !beginning.contains('\x1b'),
            "{beginning}"
        );
    }
}

#[tokio::test]
async fn a_server_that_dribbles() {
    let address = serve(|mut stream| async move {
        // A record that will never be whole, an octet at a time.
        let octets = [22, 3, 3, 0x20, 0].into_iter().chain(std::iter::repeat(0));
        for octet in octets {
            if stream.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let start = Instant::now();
    assert_eq!(not_tls(check(address, limits()).await), Refusal::Silent);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_floods() {
    let address = serve(|mut stream| async move {
        // Warnings without end: a whole conversation that leads nowhere.
        let warning = [21, 3, 3, 0, 2, 1, 90].repeat(1000);
        while stream.write_all(&warning).await.is_ok() {}
    })
    .await;
    let refusal = not_tls(check(address, limits()).await);
    assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_a_report_that_fails() {
    let address = serve(|mut stream| async move {
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, 40]).await;
    })
    .await;
    let report = check(address, limits()).await.unwrap();
    let evidence = common::g43(&report);
    assert!(!evidence.passed());
    assert!(
        evidence
            .rules(iryonet_tlscheck::Outcome::Fail)
            .contains(&"version-tls12")
    );
    let refusal = report.versions[3].refusal.clone();
    assert_eq!(refusal, Some(Refusal::Alert(Alert::HANDSHAKE_FAILURE)));
}

/// Passes the first `admitted` connections on to a real server, and closes the
/// others: what a rate limit looks like.
async fn admitting(admitted: u32, server: SocketAddr) -> SocketAddr {
    let count = Arc::new(AtomicU32::new(0));
    serve(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            if count.fetch_add(1, Ordering::SeqCst) >= admitted {
                return;
            }
            let mut onward = TcpStream::connect(server).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_locks_us_out_half_way_does_not_pass_for_one_that_refuses() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let patient = Limits {
        answer: Duration::from_secs(20),
        settle: Duration::from_secs(1),
        total: Duration::from_secs(120),
        ..limits()
    };
    let whole = check(nginx.address, patient).await.unwrap();
    let all = whole.effort.connections;
    // Locked out at any point: never a report.
    for admitted in [1, 2, 4, 7, all / 2, all - 2, all - 1] {
        let address = admitting(admitted, nginx.address).await;
        let checked = check(address, patient).await;
        assert!(
            matches!(checked, Err(ProbeError::WentQuiet { .. })),
            "after {admitted} of {all} connections: {checked:?}"
        );
    }
}

#[tokio::test]
async fn the_limits_of_a_check_end_it() {
    let pki = Pki::new(&Leaf::server());
    let nginx = Nginx::start(&pki, GOOD);
    let few = Limits {
        connections: 3,
        answer: Duration::from_secs(20),
        ..limits()
    };
    let error = check(nginx.address, few).await.unwrap_err();
    assert!(
        matches!(error, ProbeError::Limit { connections: 3, .. }),
        "{error}"
    );
    let small = Limits {
        octets_total: 500,
        answer: Duration::from_secs(20),
        ..limits()
    };
    let error = check(nginx.address, small).await.unwrap_err();
    assert!(matches!(error, ProbeError::Limit { .. }), "{error}");
    let short = Limits {
        total: Duration::from_millis(300),
        answer: Duration::from_secs(5),
        ..limits()
    };
    let silent = serve(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let start = Instant::now();
    let error = check(silent, short).await.unwrap_err();
    assert!(matches!(error, ProbeError::Limit { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

/// A center's task may be moved between threads while it waits.
#[test]
fn a_check_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let target = Target {
        address: "127.0.0.1:1".parse().unwrap(),
        server_name: None,
        application: Application::Silent,
    };
    let settings = Settings {
        limits: limits(),
        now: now(),
        seed: [0; 32],
        roots: None,
        client: None,
    };
    is_send(&check_server(&target, &settings));
}
