//! Guessed enrolment codes and connections that say nothing, at the real public
//! listener: neither keeps an honest applicant out, nor fills disk or memory.

use crate::est::encoded;
use crate::router::EST;
use crate::support::{Connection, World, key_and_csr};
use hyper::{Method, StatusCode};
use iryonet_authority::EnrolmentCode;
use serde_json::json;
use std::time::Instant;

/// A listener that is reached from several addresses of this machine.
async fn world(burst: u32, per_s: u32) -> World {
    World::with(|config| {
        config.public_listen = "127.0.0.1:0".parse().unwrap();
        config.enrol_burst = burst;
        config.enrol_per_s = per_s;
    })
    .await
}

/// Memory of this process, the center's too, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn guess(connection: &mut Connection, user: &str, code: &str, csr: &str) -> StatusCode {
    let basic = format!("Basic {}", encoded(format!("{user}:{code}").as_bytes()));
    let headers = [
        ("content-type", "application/pkcs10".to_owned()),
        ("authorization", basic),
    ];
    let path = format!("{EST}/simpleenroll");
    let answer = connection
        .send_with(Method::POST, &path, headers, csr.as_bytes().to_vec())
        .await;
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        assert!(answer.headers.contains_key("retry-after"));
    }
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_fill_no_disk_and_keep_no_honest_applicant_out() {
    let world = world(50, 10).await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(world.code(json!({"participant": clinic})).await);
    }
    let recorded = async || world.get("/v1/health").await["recorded"].as_u64().unwrap();
    let before = recorded().await;
    let (_, csr) = key_and_csr();
    let mut rng = rand::rng();
    let begun = Instant::now();
    let (mut tried, mut turned_away, mut honest) = (0_u32, 0_u32, 0_u64);
    let mut guesser = world.public_from("127.0.0.66").await.unwrap();
    // The first thousand have made what is made once.
    let mut memory = 0;
    for n in 0..10_000 {
        let code = EnrolmentCode::draw(&mut rng).reveal();
        match guess(&mut guesser, &clinic.to_string(), &code, &csr).await {
            StatusCode::UNAUTHORIZED => tried += 1,
            StatusCode::TOO_MANY_REQUESTS => turned_away += 1,
            other => panic!("{other}"),
        }
        if n == 1_000 {
            memory = resident_kib();
        }
        // In the middle of it somebody with a true code, from elsewhere.
        if n % 2_500 == 1_250 {
            let code = codes.pop().unwrap();
            let from = format!("127.0.1.{}", codes.len() + 1);
            let mut applicant = world.public_from(&from).await.unwrap();
            let status = guess(&mut applicant, &clinic.to_string(), &code, &csr).await;
            assert_eq!(status, StatusCode::OK, "after {n} guesses of another");
            honest += 1;
        }
    }
    let seconds = u32::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!(tried <= 50 + 10 * seconds, "{tried} in {seconds} s");
    assert_eq!(tried + turned_away, 10_000);
    assert!(turned_away > 5_000, "{turned_away}");
    let grown = recorded().await - before;
    assert!(grown <= 20 + u64::from(seconds) + honest, "{grown}");
    let memory_grown = resident_kib().saturating_sub(memory);
    assert!(
        memory_grown < 32 << 10,
        "{memory_grown} KiB for 9,000 guesses"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_many_addresses_are_refused_one_by_one_and_keep_nobody_out() {
    let world = world(5, 1).await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": clinic})).await;
    let recorded = async || world.get("/v1/health").await["recorded"].as_u64().unwrap();
    let before = recorded().await;
    let (_, csr) = key_and_csr();
    let mut rng = rand::rng();
    let begun = Instant::now();
    for n in 0..700_u32 {
        let from = format!("127.1.{}.{}", n / 250, n % 250 + 1);
        let mut guesser = world.public_from(&from).await.unwrap();
        let guessed = EnrolmentCode::draw(&mut rng).reveal();
        let status = guess(&mut guesser, &clinic.to_string(), &guessed, &csr).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "from {from}");
    }
    // All peers together are written down at most so often.
    let grown = recorded().await - before;
    assert!(grown >= 600, "{grown}");
    assert!(grown <= 601 + begun.elapsed().as_secs(), "{grown}");
    let mut applicant = world.public_from("127.2.0.1").await.unwrap();
    let status = guess(&mut applicant, &clinic.to_string(), &code, &csr).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_connections_and_says_nothing_leaves_seats_for_others() {
    let world = world(1_000, 1_000).await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": clinic})).await;
    // More than the listener has seats, all from one address.
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(world.public_stream("127.0.0.66").await);
    }
    let (_, csr) = key_and_csr();
    let mut applicant = world.public_from("127.0.0.2").await.unwrap();
    let status = guess(&mut applicant, &clinic.to_string(), &code, &csr).await;
    assert_eq!(status, StatusCode::OK);
    // Whoever has too many is told by the end of the connection.
    assert!(world.public_from("127.0.0.66").await.is_err());
}
