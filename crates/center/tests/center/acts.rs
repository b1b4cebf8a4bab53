//! The operators' listener.

use crate::support::World;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// A request with exactly these headers and this body, past the client's care.
pub(crate) async fn raw(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (u16, hyper::HeaderMap, Bytes) {
    let stream = tokio::net::UnixStream::connect(&world.ground.config.operator_socket)
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "center");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(body))).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    (
        head.status.as_u16(),
        head.headers,
        body.collect().await.unwrap().to_bytes(),
    )
}

async fn refusal(
    world: &World,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let (status, headers, body) = raw(world, method, path, headers, body.into()).await;
    assert_eq!(
        headers.get("content-type").unwrap(),
        "application/problem+json"
    );
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(!problem["detail_ja"].as_str().unwrap().is_empty());
    (status, problem)
}

const ACTOR: (&str, &str) = ("iryonet-actor", "operator:suzuki");
const MACHINE: (&str, &str) = ("iryonet-actor", "system:suite");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn an_act_without_an_actor_is_no_act() {
    let world = World::new().await;
    let recorded = world.get("/v1/health").await["recorded"].clone();
    let body = r#"{"gateway":"gw-a","backbone":"2001:db8:0:1::1","blocks":[1]}"#;
    for (headers, wanted) in [
        (&[JSON][..], "actor-missing"),
        (&[JSON, ("iryonet-actor", "suzuki")][..], "actor-malformed"),
        (
            &[JSON, ("iryonet-actor", "king:suzuki")][..],
            "actor-malformed",
        ),
        (
            &[JSON, ACTOR, ("iryonet-actor", "operator:sato")][..],
            "actor-malformed",
        ),
    ] {
        let (status, problem) = refusal(&world, "POST", "/v1/gateways", headers, body).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some(wanted)));
    }
    assert_eq!(world.get("/v1/health").await["recorded"], recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_everything_and_changes_nothing_and_the_attempt_is_recorded() {
    let world = World::new().await;
    let auditor = "auditor:kato".parse().unwrap();
    let error = world
        .client
        .request(
            "POST",
            "/v1/gateways",
            Some(&auditor),
            Some(&json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]})),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("auditor-may-not-act"));
    let gateways = world
        .client
        .request("GET", "/v1/gateways", Some(&auditor), None)
        .await
        .unwrap();
    assert_eq!(gateways["gateways"], json!([]));
    let ledger = world.get("/v1/ledger?limit=1000").await;
    let last = ledger["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["actor"], "auditor:kato");
    assert_eq!(last["accepted"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_input_is_refused_with_its_position() {
    let world = World::new().await;
    let (status, problem) = refusal(
        &world,
        "POST",
        "/v1/participants",
        &[ACTOR, JSON],
        "{\n  \"kind\": \"clinic\",\n  \"name\": }",
    )
    .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("malformed-json"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 3 column 11"), "{detail}");

    let (status, problem) = refusal(
        &world,
        "POST",
        "/v1/participants",
        &[ACTOR, JSON],
        r#"{"kind":"castle","name":"x","gateway":"gw-a"}"#,
    )
    .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("unacceptable-json"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("home-nursing"));

    let (status, problem) = refusal(
        &world,
        "POST",
        "/v1/participants",
        &[ACTOR, JSON],
        r#"{"kind":"clinic","name":"x","gatway":"gw-a"}"#,
    )
    .await;
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().unwrap().contains("gatway"));

    let (status, problem) = refusal(
        &world,
        "POST",
        "/v1/participants",
        &[ACTOR, ("content-type", "text/plain")],
        "{}",
    )
    .await;
    assert_eq!((status, problem["code"].as_str()), (415, Some("not-json")));

    for (path, code) in [
        ("/v1/participants/0", "bad-key"),
        ("/v1/participants/x", "bad-key"),
        ("/v1/participants?limit=many", "bad-query"),
        ("/v1/participants?page=1", "bad-query"),
        ("/v1/devices", "bad-query"),
    ] {
        let (status, problem) = refusal(&world, "GET", path, &[], "").await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some(code)),
            "{path}"
        );
    }
    let (status, _) = refusal(&world, "GET", "/v1/nothing", &[], "").await;
    assert_eq!(status, 404);
    let (status, _) = refusal(&world, "DELETE", "/v1/gateways", &[ACTOR], "").await;
    assert_eq!(status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_in_the_middle_of_sending_hears_why() {
    let world = World::new().await;
    // Much more than fits into any buffer between the two.
    let much = vec![b' '; 6 << 20];
    for _ in 0..5 {
        // Nobody's session: refused before the body is looked at.
        let answer = world
            .staff()
            .await
            .send(hyper::Method::POST, "/v1/rules", much.clone())
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, "session-missing")
        );
        // At the socket it is read, and no more of it than is taken there.
        let (status, _, body) = raw(
            &world,
            "POST",
            "/v1/participants",
            &[ACTOR, JSON],
            much.clone(),
        )
        .await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &problem["code"]), (413, &"body-too-large".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_larger_than_64_kib() {
    let world = World::new().await;
    let with_name = |bytes: usize| {
        let frame = r#"{"kind":"clinic","gateway":"gw-a","name":""}"#.len();
        format!(
            r#"{{"kind":"clinic","gateway":"gw-a","name":"{}"}}"#,
            "x".repeat(bytes - frame)
        )
    };
    // One byte less is read, and refused for its name.
    let (status, headers, body) = raw(
        &world,
        "POST",
        "/v1/participants",
        &[MACHINE, JSON],
        with_name(64 << 10).into(),
    )
    .await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 409, "{headers:?} {problem}");
    let (status, problem) = refusal(
        &world,
        "POST",
        "/v1/participants",
        &[ACTOR, JSON],
        &with_name((64 << 10) + 1),
    )
    .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (413, Some("body-too-large"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_act_says_where_it_is_recorded() {
    let world = World::new().await;
    let error = world
        .refused(
            "/v1/participants",
            json!({"kind": "clinic", "name": "x", "gateway": "gw-none"}),
        )
        .await;
    assert_eq!(error.code(), Some("gateway-unknown"));
    let iryonet_center::client::ClientError::Refused { problem, .. } = error else {
        panic!("not a refusal");
    };
    let sequence = problem["sequence"].as_u64().unwrap();
    let ledger = world
        .get(&format!("/v1/ledger?after={}&limit=1", sequence - 1))
        .await;
    assert_eq!(ledger["entries"][0]["refusal"], "gateway-unknown");
    assert_eq!(
        ledger["entries"][0]["actor"],
        crate::support::machine().to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_participant_stays_what_it_was_but_for_its_standing() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let path = format!("/v1/participants/{clinic}");
    let mut before = world.get(&path).await;
    world
        .act(&format!("{path}/quarantine"), json!({"reason": "malware"}))
        .await;
    let after = world.get(&path).await;
    assert_eq!(after["standing"], "quarantined");
    before["standing"] = "quarantined".into();
    assert_eq!(after, before);
    let error = world
        .refused(&format!("{path}/quarantine"), json!({"reason": "again"}))
        .await;
    assert_eq!(error.code(), Some("already-quarantined"));
    world.act(&format!("{path}/release"), json!({})).await;
    assert_eq!(world.get(&path).await["standing"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let mut wanted = Vec::new();
    for line in 0..5 {
        wanted.push(
            world
                .participant("clinic", "gw-a", &format!("line{line}"))
                .await,
        );
    }
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = world
            .get(&format!("/v1/participants?after={after}&limit=2"))
            .await;
        let rows = page["participants"].as_array().unwrap().clone();
        assert!(rows.len() <= 2);
        let Some(last) = rows.last() else { break };
        after = last["number"].as_u64().unwrap();
        seen.extend(rows.iter().map(|row| row["number"].as_u64().unwrap()));
    }
    assert_eq!(seen, wanted);
}
