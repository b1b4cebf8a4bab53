//! An act that is sent again, because its answer was lost on the way, is
//! answered again and not done again.

use crate::acts::raw;
use crate::support::{DEADLINE, Ground, World, now};
use iryonet_domain::UnixMillis;
use iryonet_store::{Space, SqliteStore};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const OFFICER: &str = "security-officer:console";

struct Reply {
    status: u16,
    body: Value,
}

impl Reply {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// One act under this key; as a new connection each, as after a lost answer.
async fn act(world: &World, actor: &str, key: &str, path: &str, body: &Value) -> Reply {
    let headers = [("iryonet-actor", actor), ("idempotency-key", key)];
    let (status, _, bytes) = raw(world, "POST", path, &headers, body.to_string().into()).await;
    Reply {
        status,
        body: serde_json::from_slice(&bytes).unwrap(),
    }
}

fn account(name: &str) -> Value {
    json!({"account": name, "person": "佐藤 花子", "roles": ["examiner"]})
}

async fn revision(world: &World) -> u64 {
    world.get("/v1/health").await["recorded"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_sent_again_under_its_key_is_answered_again_and_done_once() {
    let world = World::new().await;
    let wish = account("sato.hanako");
    let first = act(&world, OFFICER, "k-1", "/v1/accounts", &wish).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let done = revision(&world).await;
    let again = act(&world, OFFICER, "k-1", "/v1/accounts", &wish).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(revision(&world).await, done, "nothing was recorded again");
    // Without the key it is another act, and this one cannot be done twice.
    let other = act(&world, OFFICER, "k-2", "/v1/accounts", &wish).await;
    assert_eq!(other.code(), "account-exists", "{}", other.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outlives_the_center_that_took_it() {
    let world = World::new().await;
    let wish = account("sato.hanako");
    let first = act(&world, OFFICER, "k-1", "/v1/accounts", &wish).await;
    let (ground, _) = world.stop().await;
    let world = World::on(ground).await;
    let again = act(&world, OFFICER, "k-1", "/v1/accounts", &wish).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_person() {
    let world = World::new().await;
    let first = act(&world, OFFICER, "k-1", "/v1/accounts", &account("sato")).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let before = revision(&world).await;
    let other = act(&world, OFFICER, "k-1", "/v1/accounts", &account("ito")).await;
    assert_eq!(
        (other.status, other.code()),
        (422, "idempotency-key-reused")
    );
    let lock = json!({"reason": "退職"});
    let elsewhere = act(&world, OFFICER, "k-1", "/v1/accounts/sato/lock", &lock).await;
    assert_eq!(elsewhere.code(), "idempotency-key-reused");
    assert_eq!(
        revision(&world).await,
        before,
        "neither was done or recorded"
    );
    // Somebody else may have chosen the same key.
    let ito = account("ito");
    let else_ = act(
        &world,
        "security-officer:other",
        "k-1",
        "/v1/accounts",
        &ito,
    )
    .await;
    assert_eq!(else_.status, 200, "{}", else_.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_come_at_the_same_moment_one_is_done_and_all_are_told() {
    let world = Arc::new(World::new().await);
    let before = revision(&world).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let wish = account("sato.hanako");
                act(&world, OFFICER, "k-1", "/v1/accounts", &wish).await
            })
        })
        .collect();
    let mut replies = Vec::new();
    for task in tasks {
        replies.push(task.await.unwrap());
    }
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.body, replies[0].body);
    }
    assert_eq!(revision(&world).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_judged_anew() {
    let world = World::new().await;
    let lock = json!({"reason": "退職"});
    let path = "/v1/accounts/sato/lock";
    let early = act(&world, OFFICER, "k-1", path, &lock).await;
    assert_eq!(early.code(), "account-unknown", "{}", early.body);
    let made = act(&world, OFFICER, "k-2", "/v1/accounts", &account("sato")).await;
    assert_eq!(made.status, 200);
    let now = act(&world, OFFICER, "k-1", path, &lock).await;
    assert_eq!(now.status, 200, "{}", now.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_shown_once_is_not_shown_again() {
    let world = World::new().await;
    act(&world, OFFICER, "k-1", "/v1/accounts", &account("sato")).await;
    let path = "/v1/accounts/sato/login-code";
    let first = act(&world, OFFICER, "k-2", path, &json!({})).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let code = first.body["code"].as_str().unwrap();
    let again = act(&world, OFFICER, "k-2", path, &json!({})).await;
    assert_eq!((again.status, again.code()), (409, "code-shown-before"));
    assert_eq!(again.body["sequence"], first.body["sequence"]);
    assert!(!again.body.to_string().contains(code));

    world
        .act(
            "/v1/gateways",
            json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]}),
        )
        .await;
    let provider = world
        .act(
            "/v1/participants",
            json!({"kind": "provider", "name": "連携センター", "block": 1}),
        )
        .await;
    let subject = json!({"subject": {"participant": provider["number"]}});
    let first = act(
        &world,
        "operator:suzuki",
        "k-3",
        "/v1/enrolment-codes",
        &subject,
    )
    .await;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = act(
        &world,
        "operator:suzuki",
        "k-3",
        "/v1/enrolment-codes",
        &subject,
    )
    .await;
    assert_eq!((again.status, again.code()), (409, "code-shown-before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_refused_before_anything_is_done() {
    let world = World::new().await;
    let before = revision(&world).await;
    let wish = account("sato").to_string();
    let long = "k".repeat(129);
    for keys in [vec![""], vec!["a b"], vec![long.as_str()], vec!["a", "b"]] {
        let mut headers = vec![("iryonet-actor", OFFICER)];
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        let (status, _, body) = raw(
            &world,
            "POST",
            "/v1/accounts",
            &headers,
            wish.clone().into(),
        )
        .await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 400, "{keys:?}: {problem}");
        assert_eq!(problem["code"], "idempotency-key-malformed");
        assert!(!problem["detail_ja"].as_str().unwrap().is_empty());
    }
    assert_eq!(revision(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_beside_the_ledger_is_taken_away() {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let store = SqliteStore::open(&ground.config.database()).unwrap();
    let soon = now().plus_ms(3_600_000);
    iryonet_store::change(&store, |transaction| {
        for number in 0..2_500_u32 {
            let key = number.to_be_bytes();
            transaction.side_put(Space::Idempotency, &key, b"{}", Some(UnixMillis(1)))?;
        }
        transaction.side_put(Space::Idempotency, b"lives", b"{}", Some(soon))
    })
    .unwrap();
    let world = World::on(ground).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let left = iryonet_store::look(&store, |reader| {
            reader.side_list(Space::Idempotency, b"", None, 5_000)
        })
        .unwrap();
        if left.len() == 1 {
            assert_eq!(left[0].0, b"lives");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", left.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}
