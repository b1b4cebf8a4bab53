//! The device listener: the policy feed.

use crate::support::{Enrolled, Feed, Ground, World, key_and_csr, make_ca, now};
use hyper::StatusCode;
use iryonet_authority::profile::ServerNames;
use iryonet_authority::{Csr, Profile};
use iryonet_registry::Command;
use iryonet_store::store::{Act, Look};
use iryonet_store::{SqliteStore, Store, StoreError};
use iryonet_tls::LocalIdentity;
use iryonet_wire::feed::{Change, Condition};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_its_snapshot_and_then_each_change_at_once() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let provider = world.participant("provider", "gw-a", "line1").await;
    let service = world.service(provider).await;
    world.enrol(json!({"participant": clinic})).await;
    world.enrol(json!({"participant": provider})).await;

    let (mut feed, snapshot) = Feed::open(&world, &gateway).await;
    assert_eq!(snapshot.gateway.as_str(), "gw-a");
    assert_eq!(snapshot.lines.len(), 2);
    assert_eq!(snapshot.devices.len(), 2);
    assert_eq!(snapshot.services.len(), 1);
    assert!(snapshot.grants.is_empty(), "connection gives no access");
    assert!(snapshot.valid_until > snapshot.issued_at);

    let answering = feed.ask(20_000);
    let agreeing = async {
        // Lets the request reach the center and wait there.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let agreement = world.agreement(clinic, service, provider).await;
        (agreement, Instant::now())
    };
    let arrived = async { (answering.await, Instant::now()) };
    let ((answer, arrived_at), (agreement, answered_at)) = tokio::join!(arrived, agreeing);
    let delta = feed.take(&answer);
    assert!(
        delta.changes.iter().any(|change| matches!(change,
            Change::Grant(grant) if grant.agreement.0 == agreement
                && u64::from(grant.participant.get()) == clinic)),
        "{delta:?}"
    );
    let after = arrived_at.saturating_duration_since(answered_at);
    println!("delta after the answer: {after:?}");
    assert!(after < Duration::from_secs(1), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_act_is_with_the_gateway_within_milliseconds() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    world.enrol(json!({"participant": clinic})).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    let mut behind = Vec::new();
    for round in 0..40 {
        let act = if round % 2 == 0 {
            "quarantine"
        } else {
            "release"
        };
        let body = if round % 2 == 0 {
            json!({"reason": "drill"})
        } else {
            json!({})
        };
        let arriving = async {
            let answer = feed.ask(20_000).await;
            (answer, Instant::now())
        };
        let acting = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            world
                .act(&format!("/v1/participants/{clinic}/{act}"), body)
                .await;
            Instant::now()
        };
        let ((answer, arrived), answered) = tokio::join!(arriving, acting);
        let delta = feed.take(&answer);
        let wanted = if round % 2 == 0 {
            Condition::Quarantined
        } else {
            Condition::Live
        };
        assert!(
            delta.changes.iter().any(|change| matches!(change,
                Change::Participant(entry) if entry.condition == wanted)),
            "{delta:?}"
        );
        behind.push(arrived.saturating_duration_since(answered));
    }
    behind.sort();
    let p99 = behind.get(behind.len() * 99 / 100).unwrap();
    println!(
        "delta after the API's answer: median {:?}, worst {:?}",
        behind.get(behind.len() / 2).unwrap(),
        behind.last().unwrap()
    );
    assert!(*p99 < Duration::from_millis(500), "{behind:?}");
}

/// A store whose first read after each write is slow: the publisher's.
struct SlowToFollow {
    store: SqliteStore,
    slow: AtomicBool,
}

impl Store for SlowToFollow {
    fn write(&self, act: &mut Act<'_>) -> Result<(), StoreError> {
        let done = self.store.write(act);
        self.slow.store(true, Ordering::SeqCst);
        done
    }

    fn read(&self, look: &mut Look<'_>) -> Result<(), StoreError> {
        if self.slow.swap(false, Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(150));
        }
        self.store.read(look)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_answer_of_an_act_finds_it_in_the_feed_without_waiting() {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let store = SlowToFollow {
        store: SqliteStore::open(&ground.config.database()).unwrap(),
        slow: AtomicBool::new(false),
    };
    let running = iryonet_center::start_on(ground.config.clone(), Arc::new(store))
        .await
        .unwrap();
    let world = World::around(ground, running);
    let gateway = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    for round in 0..6 {
        let (act, body) = if round % 2 == 0 {
            ("quarantine", json!({"reason": "drill"}))
        } else {
            ("release", json!({}))
        };
        let answer = world
            .act(&format!("/v1/participants/{clinic}/{act}"), body)
            .await;
        let delta = feed.delta(0).await;
        assert_eq!(delta.to_revision, answer["sequence"]);
        assert!(!delta.changes.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_taken_from_the_gateway() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let device = world.enrol(json!({"participant": clinic})).await;
    let (mut feed, before) = Feed::open(&world, &gateway).await;
    let generation = before.participants.first().unwrap().generation;

    world
        .act(
            &format!("/v1/devices/{}/revoke", device.fingerprint()),
            json!({"reason": "key-compromise"}),
        )
        .await;
    let delta = feed.delta(10_000).await;
    let gone = delta.changes.iter().position(|change| {
        matches!(change, Change::DeviceGone(print) if print.to_string() == device.fingerprint())
    });
    let cut = delta.changes.iter().position(|change| {
        matches!(change, Change::Participant(entry)
            if entry.condition == Condition::NoDevice && entry.generation != generation)
    });
    assert!(gone.is_some() && gone < cut, "{delta:?}");

    // And a snapshot taken now says the same.
    let after = feed.snapshot().await;
    assert!(after.devices.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_enrolled_gateway_reads_the_feed() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let device = world.enrol(json!({"participant": clinic})).await;
    assert!(
        world.device_without_certificate().await.is_err(),
        "no certificate"
    );
    assert!(
        world.device(&device.identity).await.is_err(),
        "a participant's certificate"
    );

    // A gateway's certificate of another CA, and one of our CA that the
    // registry never saw.
    let forged = |ca: &iryonet_authority::IssuingCa| {
        let (key, csr) = key_and_csr();
        let issued = iryonet_authority::issue(
            ca,
            &Profile::Gateway {
                id: "gw-a".parse().unwrap(),
                names: ServerNames::default(),
            },
            &Csr::parse(csr.as_bytes()).unwrap(),
            None,
            now(),
            &mut rand::rng(),
        )
        .unwrap();
        LocalIdentity::from_pem(issued.chain_pem.as_bytes(), key.serialize_pem().as_bytes())
            .unwrap()
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let other = make_ca(&elsewhere.path().join("r"), &elsewhere.path().join("i"));
    assert!(
        world.device(&forged(&other)).await.is_err(),
        "another CA's certificate"
    );
    let ours = iryonet_authority::IssuingCa::load(&world.ground.config.issuing_dir).unwrap();
    let mut unrecorded = world.device(&forged(&ours)).await.unwrap();
    let answer = unrecorded.get("/v1/feed/snapshot").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.code(), "certificate-does-not-count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_gateway_gets_nothing_more_even_on_an_open_connection() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    let waiting = feed.ask(20_000);
    let revoking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world
            .act(
                &format!("/v1/devices/{}/revoke", gateway.fingerprint()),
                json!({"reason": "superseded"}),
            )
            .await;
        // Something that would concern it.
        world.participant("clinic", "gw-a", "line0").await;
    };
    let (answer, ()) = tokio::join!(waiting, revoking);
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    let answer = feed.connection.get("/v1/feed/snapshot").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_in_which_nothing_happens_ends_with_nothing() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, snapshot) = Feed::open(&world, &gateway).await;
    let began = Instant::now();
    let answer = feed.ask(300).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(began.elapsed() >= Duration::from_millis(300));

    // What concerns others only moves the revision, at the wait's end.
    world
        .act(
            "/v1/participants",
            json!({"kind": "clinic", "name": "without a line", "gateway": "gw-a"}),
        )
        .await;
    let delta = feed.delta(300).await;
    assert!(delta.changes.is_empty() && delta.to_revision > snapshot.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_wait_of_the_same_gateway_ends_the_first() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    let mut second = feed.again().await;
    let first = async { (feed.ask(20_000).await, Instant::now()) };
    let began = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        second.ask(400).await
    };
    let ((first, ended), later) = tokio::join!(first, later);
    assert_eq!(first.status, StatusCode::NO_CONTENT);
    assert!(ended - began < Duration::from_secs(10));
    assert_eq!(later.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_ahead_of_the_center_is_told_to_take_a_snapshot() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    feed.revision += 1_000;
    let answer = feed.ask(0).await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert_eq!(answer.code(), "take-a-snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn enforced_everywhere_is_a_query() {
    let world = World::new().await;
    let one = world.gateway("gw-a", 1).await;
    let two = world.gateway("gw-b", 2).await;
    // Registered, never enrolled: carries no traffic, and holds nobody up.
    world
        .act(
            "/v1/gateways",
            json!({"gateway": "gw-c", "backbone": "2001:db8:0:1::3", "blocks": [3]}),
        )
        .await;
    let (mut a, _) = Feed::open(&world, &one).await;
    let (mut b, _) = Feed::open(&world, &two).await;
    let everywhere = async |revision: u64| {
        world
            .get(&format!("/v1/enforcement?revision={revision}"))
            .await["enforced_everywhere"]
            == true
    };
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let act = world
        .act(
            &format!("/v1/participants/{clinic}/quarantine"),
            json!({"reason": "drill"}),
        )
        .await;
    let revision = act["sequence"].as_u64().unwrap();
    assert!(!everywhere(revision).await);
    a.delta(10_000).await;
    a.acknowledge().await;
    assert!(!everywhere(revision).await, "gw-b has not spoken yet");
    // It concerns only gw-a: what gw-b acknowledged before is enough.
    b.acknowledge().await;
    assert!(everywhere(revision).await);
    assert!(!everywhere(revision + 1).await, "what is not yet recorded");
    let all = world.get("/v1/enforcement").await;
    assert_eq!(all["gateways"][0]["bound_lines"], 1);
    assert_eq!(all["gateways"][2]["certified"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_writes_reaches_the_gateways_too() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    world.enrol(json!({"participant": clinic})).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    let other = SqliteStore::open(&world.ground.config.database()).unwrap();
    let recorded = iryonet_store::act(
        &other,
        &"security-officer:sato".parse().unwrap(),
        &Command::QuarantineParticipant {
            participant: u32::try_from(clinic).unwrap().try_into().unwrap(),
            reason: "from another process".into(),
        },
        now(),
    )
    .unwrap();
    let delta = feed.delta(20_000).await;
    assert_eq!(delta.to_revision, recorded.sequence);
    assert!(delta.changes.iter().any(|change| matches!(change,
        Change::Participant(entry) if entry.condition == Condition::Quarantined)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_from_before_a_restart_opens_its_path_when_it_is_accepted_after() {
    let world = World::new().await;
    let gateway: Enrolled = world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let provider = world.participant("provider", "gw-a", "line1").await;
    let service = world.service(provider).await;
    let answer = world
        .act(
            "/v1/agreements",
            json!({"participant": clinic, "service": service, "purpose": "regional-collaboration",
                "by": clinic, "until": now().plus_ms(60_000).0}),
        )
        .await;
    let agreement = answer["agreement"].as_u64().unwrap();
    let World {
        ground, running, ..
    } = world;
    running.stop().await;

    let world = World::on(ground).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    world
        .act(
            &format!("/v1/agreements/{agreement}/accept"),
            json!({"by": provider}),
        )
        .await;
    let delta = feed.delta(10_000).await;
    assert!(
        delta
            .changes
            .iter()
            .any(|change| matches!(change, Change::Grant(_))),
        "{delta:?}"
    );
    assert_eq!(world.get("/v1/health").await["unfit_events"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_center_hears_at_once_what_is_enforced() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (feed, _) = Feed::open(&world, &gateway).await;
    let revision = feed.revision;
    drop(feed);
    let World {
        ground, running, ..
    } = world;
    running.stop().await;

    let world = World::on(ground).await;
    let mut connection = world.device(&gateway.identity).await.unwrap();
    let began = Instant::now();
    // It holds everything and asks to wait; the first answer comes at once, so
    // that it acknowledges.
    let answer = connection
        .get(&format!("/v1/feed/deltas?since={revision}&wait_ms=20000"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(5));
}
