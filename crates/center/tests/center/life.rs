//! Start, trouble and end.

use crate::support::{Feed, Ground, World, now};
use hyper::StatusCode;
use iryonet_store::{SqliteOptions, SqliteStore};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_center_that_was_not_initialised_does_not_start() {
    let ground = Ground::new();
    std::fs::create_dir_all(&ground.config.data_dir).unwrap();
    let error = iryonet_center::start(ground.config.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("policy.key"), "{error}");
}

#[test]
fn init_run_twice_keeps_what_is_there() {
    let ground = Ground::new();
    let first = iryonet_center::init(&ground.config).unwrap();
    assert!(first.policy_key_made);
    let second = iryonet_center::init(&ground.config).unwrap();
    assert!(!second.policy_key_made);
    assert_eq!(first.policy_key, second.policy_key);
    assert_eq!(first.certificate, second.certificate);
    for secret in [ground.config.policy_key(), ground.config.center_key()] {
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", secret.display());
    }
}

#[test]
fn a_certificate_in_its_last_third_is_renewed() {
    let mut ground = Ground::new();
    ground.config.certificate_days = 30;
    let old = iryonet_center::init(&ground.config).unwrap();
    // 30 days are enough of 89, and less than a third of 91.
    ground.config.certificate_days = 89;
    let kept = iryonet_center::init(&ground.config).unwrap();
    assert_eq!(old.certificate, kept.certificate);
    ground.config.certificate_days = 91;
    let renewed = iryonet_center::init(&ground.config).unwrap();
    assert_ne!(old.certificate, renewed.certificate);
    assert!(renewed.certificate_not_after > now().plus_ms(90 * 86_400_000).0);
    // Half of a pair, as after a crash between two files, is made anew.
    std::fs::remove_file(ground.config.center_key()).unwrap();
    let healed = iryonet_center::init(&ground.config).unwrap();
    assert_ne!(renewed.certificate, healed.certificate);
}

#[test]
fn another_network_and_another_root_are_refused() {
    let mut ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let network = std::mem::replace(&mut ground.config.network, "2001:db0::/32".parse().unwrap());
    let error = iryonet_center::init(&ground.config).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("2001:db8::/32"), "{cause}");
    ground.config.network = network;

    let other = ground.dir.path().join("other");
    crate::support::make_ca(&other, &ground.dir.path().join("other-issuing"));
    ground.config.root_certificate = other.join("root.pem");
    let error = iryonet_center::init(&ground.config).unwrap_err();
    assert!(error.to_string().contains("another root"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_reaches_the_operators_socket_and_one_center_holds_it() {
    let world = World::new().await;
    let socket = &world.ground.config.operator_socket;
    let mode = std::fs::metadata(socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = iryonet_center::start(world.ground.config.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("running already"), "{error}");
    // The first one is unharmed.
    world.get("/v1/health").await;

    let World {
        ground, running, ..
    } = world;
    let socket = ground.config.operator_socket.clone();
    running.stop().await;
    assert!(!socket.exists());
    // What a crash leaves behind is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    World::on(ground).await.get("/v1/health").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_who_waits_and_ends_at_once() {
    let world = World::new().await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, _) = Feed::open(&world, &gateway).await;
    let mut connection = world.device(&gateway.identity).await.unwrap();
    let revision = feed.revision;
    drop(feed.snapshot().await);
    drop(feed);
    let waiting = tokio::spawn(async move {
        connection
            .get(&format!("/v1/feed/deltas?since={revision}&wait_ms=50000"))
            .await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    let World { running, .. } = world;
    running.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(waiting.await.unwrap().status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_act_and_nothing_else() {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let pages = std::fs::metadata(ground.config.database()).unwrap().len() / 4_096;
    let store = SqliteStore::open_with(
        &ground.config.database(),
        &SqliteOptions {
            max_pages: Some(u32::try_from(pages).unwrap() + 40),
            ..SqliteOptions::default()
        },
    )
    .unwrap();
    let running = iryonet_center::start_on(ground.config.clone(), Arc::new(store))
        .await
        .unwrap();
    let world = World::around(ground, running);
    world
        .act(
            "/v1/gateways",
            json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]}),
        )
        .await;
    let mut admitted = 0_u64;
    let error = loop {
        assert!(admitted < 10_000, "the disk never became full");
        let done = world
            .client
            .request(
                "POST",
                "/v1/participants",
                Some(&crate::support::machine()),
                Some(&json!({"kind": "clinic", "name": "診療所".repeat(40), "gateway": "gw-a"})),
            )
            .await;
        match done {
            Ok(_) => admitted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some("disk-full"), "{error}");
    let health = world.get("/v1/health").await;
    assert_eq!(health["participants"], admitted, "nothing is half done");
    assert_eq!(health["recorded"], health["published"]);
    // Questions are still answered, by both doors.
    assert_eq!(
        world.public().await.get("/v1/crl").await.status,
        StatusCode::OK
    );
    let (status, headers, _) = crate::acts::raw(
        &world,
        "POST",
        "/v1/participants",
        &[("iryonet-actor", "system:suite")],
        json!({"kind": "clinic", "name": "診療所".repeat(40), "gateway": "gw-a"})
            .to_string()
            .into(),
    )
    .await;
    assert_eq!(status, 503);
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_somebody_else_holds_fails_the_act_for_now() {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let impatient = SqliteOptions {
        wait_ms: 100,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open_with(&ground.config.database(), &impatient).unwrap();
    let running = iryonet_center::start_on(ground.config.clone(), Arc::new(store))
        .await
        .unwrap();
    let world = World::around(ground, running);

    let other = SqliteStore::open(&world.ground.config.database()).unwrap();
    let (held, holds) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        iryonet_store::change(&other, |_| {
            held.send(()).unwrap();
            // Ends when the test lets go, or is over.
            let _ = released.recv();
            Ok(())
        })
    });
    holds.recv().unwrap();
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    let (status, headers, body) = crate::acts::raw(
        &world,
        "POST",
        "/v1/gateways",
        &[("iryonet-actor", "operator:suzuki")],
        gateway.to_string().into(),
    )
    .await;
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, problem["code"].as_str()),
        (503, Some("store-busy")),
        "{problem}"
    );
    assert_eq!(headers.get("retry-after").unwrap(), "1");
    // Questions are answered meanwhile.
    let gateways = world.get("/v1/gateways").await;
    assert_eq!(gateways["gateways"], json!([]));
    release.send(()).unwrap();
    holder.join().unwrap().unwrap();
    world.act("/v1/gateways", gateway).await;
}
