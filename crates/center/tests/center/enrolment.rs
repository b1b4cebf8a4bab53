//! The public listener.

use crate::support::{World, key_and_csr, key_and_csr_of};
use hyper::{Method, StatusCode};
use iryonet_domain::Identity;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_and_a_request_turn_into_a_certificate_exactly_once() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": number})).await;

    let (key, csr) = key_and_csr();
    // As a person types it.
    let typed = code.to_lowercase().replace('-', " ");
    let answer = world.try_enrol(&typed, &csr).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["participant"], number);
    assert_eq!(answer["device"], 1);
    assert_eq!(answer["network"], "2001:db8::/32");
    let identity = iryonet_tls::LocalIdentity::from_pem(
        answer["certificate_chain_pem"].as_str().unwrap().as_bytes(),
        key.serialize_pem().as_bytes(),
    )
    .unwrap();
    let proof = identity.proof().unwrap();
    assert_eq!(
        proof.identity,
        format!("iryonet:participant:{number}:device:1")
            .parse::<Identity>()
            .unwrap()
    );
    let devices = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    assert_eq!(devices["devices"][0]["state"], "valid");
    assert_eq!(
        devices["devices"][0]["fingerprint"],
        proof.fingerprint.to_string()
    );

    let (_, csr) = key_and_csr();
    let again = world.try_enrol(&code, &csr).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert_eq!(again.code(), "enrolment-code-spent");
    assert!(!again.json()["detail_ja"].as_str().unwrap().is_empty());
    // The late comer stands in the ledger.
    let sequence = again.json()["sequence"].as_u64().unwrap();
    let entries = world
        .get(&format!("/v1/ledger?after={}&limit=1", sequence - 1))
        .await;
    assert_eq!(entries["entries"][0]["refusal"], "enrolment-code-spent");
    assert_eq!(entries["entries"][0]["actor"], "system:center-1");
    assert!(
        !entries.to_string().contains(&code),
        "a code stands in the ledger"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_show_the_same_code_at_once_one_gets_a_certificate() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": number})).await;
    let attempts = (0..8).map(|_| async {
        let (_, csr) = key_and_csr();
        world.try_enrol(&code, &csr).await.status
    });
    let mut statuses = futures_join(attempts).await;
    statuses.sort();
    assert_eq!(statuses.first(), Some(&StatusCode::OK));
    assert!(
        statuses.iter().skip(1).all(|s| *s == StatusCode::FORBIDDEN),
        "{statuses:?}"
    );
    let devices = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1);
}

/// Polls all at the same time.
pub(crate) async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |cx| {
        let mut all = true;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all {
            let done = waiting.iter_mut().filter_map(|(_, output)| output.take());
            std::task::Poll::Ready(done.collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_spends_no_code_and_says_what_would_be_right() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("pharmacy", "gw-a", "line0").await;
    let code = world.code(json!({"participant": number})).await;

    let (_, foreign) = key_and_csr_of(&rcgen::PKCS_ED25519);
    let answer = world.try_enrol(&code, &foreign).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "request-unacceptable");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("ECDSA P-256"),
        "says what is taken: {detail}"
    );

    let (_, csr) = key_and_csr();
    let answer = world.try_enrol("7QK2M-9XBVT", &csr).await;
    assert_eq!(answer.code(), "enrolment-code-malformed");
    // Well formed, and nobody's.
    let mut rng = rand::rng();
    let stranger = iryonet_authority::EnrolmentCode::draw(&mut rng).reveal();
    let answer = world.try_enrol(&stranger, &csr).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.code(), "enrolment-code-unknown");

    // The code is still good.
    let answer = world.try_enrol(&code, &csr).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_recorded_but_cannot_fill_the_ledger() {
    let world = World::new().await;
    let (_, csr) = key_and_csr();
    let recorded = || async { world.get("/v1/health").await["recorded"].as_u64().unwrap() };
    let before = recorded().await;
    let began = std::time::Instant::now();
    for _ in 0..60 {
        let code = iryonet_authority::EnrolmentCode::draw(&mut rand::rng()).reveal();
        assert_eq!(
            world.try_enrol(&code, &csr).await.status,
            StatusCode::FORBIDDEN
        );
    }
    let grown = recorded().await - before;
    assert!(grown >= 20, "the first guesses are recorded: {grown}");
    // 20 at once and one more each second.
    assert!(
        grown <= 21 + began.elapsed().as_secs(),
        "the rest is not: {grown}"
    );
    assert!(grown < 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_cannot_take_all_of_the_listener() {
    let world = World::with(|config| {
        config.enrol_burst = 3;
        config.enrol_per_s = 1;
    })
    .await;
    let mut connection = world.public().await;
    let mut statuses = Vec::new();
    let mut last = None;
    for _ in 0..6 {
        let answer = connection
            .send(Method::POST, "/v1/enrol", b"{}".to_vec())
            .await;
        statuses.push(answer.status.as_u16());
        last = Some(answer);
    }
    assert_eq!(
        statuses.get(..3),
        Some(&[422, 422, 422][..]),
        "{statuses:?}"
    );
    let last = last.unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(last.code(), "too-many-enrolments");
    assert!(last.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giant_request_is_refused_before_it_is_read() {
    let world = World::new().await;
    let body = json!({"code": "x", "csr": "A".repeat(33 << 10)}).to_string();
    let answer = world
        .public()
        .await
        .send(Method::POST, "/v1/enrol", body.into_bytes())
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "body-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_serves_neither_acts_nor_the_feed() {
    let world = World::new().await;
    let mut connection = world.public().await;
    for path in ["/v1/participants", "/v1/feed/snapshot", "/v1/ledger"] {
        let answer = connection.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), "unknown-path");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_stands_on_the_list_that_openssl_reads() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let device = world.enrol(json!({"participant": number})).await;
    let listed = |der: &[u8]| {
        let mut child = std::process::Command::new("openssl")
            .args(["crl", "-inform", "DER", "-noout", "-text"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("openssl is one of the tools that the tests need");
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), der).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let devices = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    let serial = devices["devices"][0]["serial"]
        .as_str()
        .unwrap()
        .to_uppercase();
    let mut connection = world.public().await;
    let before = connection.get("/v1/crl").await;
    assert_eq!(before.content_type(), "application/pkix-crl");
    assert!(!listed(&before.body).contains(&serial));

    world
        .act(
            &format!("/v1/devices/{}/revoke", device.fingerprint()),
            json!({"reason": "key-compromise"}),
        )
        .await;
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    loop {
        let text = listed(&connection.get("/v1/crl").await.body);
        if text.contains(&serial) {
            assert!(text.contains("Key Compromise"), "{text}");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
