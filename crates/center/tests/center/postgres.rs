//! Centers on PostgreSQL: one that loses its server, and two that share one.

use crate::support::{DEADLINE, Ground, World, machine};
use iryonet_center::database::{Database, Postgres};
use iryonet_ledger::Signed;
use iryonet_ledger::merkle::proof::verify_consistency;
use iryonet_ledger::witness::Request;
use iryonet_store::cluster::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Connecting to PostgreSQL waits; a test's thread says so to its runtime.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// A server with one database.
fn server() -> Cluster {
    waiting(|| {
        let cluster = Cluster::start(&[]).unwrap();
        cluster.make_database("registry").unwrap();
        cluster
    })
}

fn on(cluster: &Cluster, database: &str, like: Option<&Ground>) -> Ground {
    let mut ground = Ground::new();
    if let Some(like) = like {
        // Another center of the same network: its CA, its policy key, what seals
        // people's secrets and what signs the ledger.
        ground.config.issuing_dir = like.config.issuing_dir.clone();
        ground.config.root_certificate = like.config.root_certificate.clone();
        std::fs::create_dir(&ground.config.data_dir).unwrap();
        for (from, to) in [
            (like.config.policy_key(), ground.config.policy_key()),
            (like.config.people_key(), ground.config.people_key()),
            (like.config.checkpoint_key(), ground.config.checkpoint_key()),
        ] {
            std::fs::copy(from, to).unwrap();
        }
        ground.config.name = "center-2".parse().unwrap();
    }
    crate::checkpoints::quick(&mut ground.config);
    ground.config.database = Database::Postgres(Postgres {
        postgres: cluster.connection_string(database),
        trust: None,
        password_file: None,
    });
    waiting(|| iryonet_center::init(&ground.config).unwrap());
    ground
}

fn clinic(n: u32) -> Value {
    json!({"kind": "clinic", "name": format!("診療所{n}"), "gateway": "gw-a"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_whose_server_goes_down_says_so_loses_nothing_and_goes_on_by_itself() {
    let mut cluster = server();
    let world = World::on(on(&cluster, "registry", None)).await;
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    world.act("/v1/gateways", gateway).await;
    world.act("/v1/participants", clinic(0)).await;
    let mut acknowledged = 1;
    for round in 0..3 {
        waiting(|| {
            if round == 1 {
                cluster.kill().unwrap();
            } else {
                cluster.stop().unwrap();
            }
        });
        let (status, headers, body) = crate::acts::raw(
            &world,
            "POST",
            "/v1/participants",
            &[("iryonet-actor", "system:suite")],
            clinic(100).to_string().into(),
        )
        .await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (status, problem["code"].as_str()),
            (503, Some("store-unreachable")),
            "{problem}"
        );
        assert!(headers.contains_key("retry-after"));
        // Questions that need the database are answered so too, and the door
        // that needs none stays open.
        let (status, headers, _) =
            crate::acts::raw(&world, "GET", "/v1/participants", &[], Default::default()).await;
        assert_eq!(status, 503);
        assert!(headers.contains_key("retry-after"));
        assert_eq!(world.public().await.get("/v1/crl").await.status, 200);

        waiting(|| cluster.resume().unwrap());
        // Nobody restarts the center: the next act that is tried is done.
        let began = Instant::now();
        loop {
            let done = world
                .client
                .request(
                    "POST",
                    "/v1/participants",
                    Some(&machine()),
                    Some(&clinic(round + 1)),
                )
                .await;
            match done {
                Ok(_) => break,
                Err(error) => {
                    assert_eq!(error.code(), Some("store-unreachable"), "{error}");
                    assert!(began.elapsed() < DEADLINE, "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        acknowledged += 1;
        let health = world.get("/v1/health").await;
        assert_eq!(health["participants"], acknowledged, "{health}");
    }
    let listed = world.get("/v1/participants").await;
    let names: Vec<&str> = listed["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["診療所0", "診療所1", "診療所2", "診療所3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centers_on_one_database_write_one_history_and_publish_each_others_acts() {
    let cluster = server();
    let one = World::on(on(&cluster, "registry", None)).await;
    let two = World::on(on(&cluster, "registry", Some(&one.ground))).await;
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    one.act("/v1/gateways", gateway).await;
    let acts = 15_u32;
    let many = |world: &World, base: u32| {
        let client = world.client.clone();
        tokio::spawn(async move {
            let mut numbers = Vec::new();
            for n in 0..acts {
                let done = client
                    .request(
                        "POST",
                        "/v1/participants",
                        Some(&machine()),
                        Some(&clinic(base + n)),
                    )
                    .await
                    .unwrap();
                numbers.push(done["number"].as_u64().unwrap());
            }
            numbers
        })
    };
    let (first, second) = (many(&one, 0), many(&two, 100));
    let mut numbers = first.await.unwrap();
    numbers.extend(second.await.unwrap());
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 2 * acts as usize, "a number was given twice");
    // What one of them did is on its way to the other's gateways, soon.
    let began = Instant::now();
    loop {
        let (a, b) = (one.get("/v1/health").await, two.get("/v1/health").await);
        if [&a, &b].iter().all(|health| {
            health["published"] == a["recorded"] && health["participants"] == 2 * acts
        }) {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{a} {b}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ledger = one.get("/v1/ledger?limit=100").await;
    assert_eq!(ledger, two.get("/v1/ledger?limit=100").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_came_in_at_one_center_is_examined_at_the_other_and_decided_once() {
    use crate::steps::{PDF, admission, code, officer};
    let cluster = server();
    let one = World::on(on(&cluster, "registry", None)).await;
    let two = World::on(on(&cluster, "registry", Some(&one.ground))).await;
    let headers = [
        ("iryonet-actor", "operator:suzuki"),
        ("content-type", "application/pdf"),
    ];
    let path = "/v1/documents?name=notice.pdf";
    let (status, _, answer) = crate::acts::raw(&one, "POST", path, &headers, PDF.into()).await;
    let document: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 200, "{document}");
    for serial in 1..=8 {
        let mut wish = json!({"application": admission("若葉診療所", &code(serial)),
            "officer": officer("若葉 太郎")});
        if serial == 1 {
            wish["documents"] = json!([document["sha256"]]);
        }
        let received = one.act("/v1/cases", wish).await;
        let case = received["case"].as_u64().unwrap();
        if serial == 1 {
            let path = format!(
                "/v1/cases/{case}/documents/{}",
                document["sha256"].as_str().unwrap()
            );
            let (status, _, bytes) =
                crate::acts::raw(&two, "GET", &path, &[], Default::default()).await;
            assert_eq!((status, &bytes[..]), (200, PDF));
        }
        // An examiner at each, at the same moment.
        let path = format!("/v1/cases/{case}/accept");
        let body = json!({"version": 1});
        let (kato, ono) = (
            "examiner:kato".parse().unwrap(),
            "examiner:ono".parse().unwrap(),
        );
        let (a, b) = tokio::join!(
            one.client.request("POST", &path, Some(&kato), Some(&body)),
            two.client.request("POST", &path, Some(&ono), Some(&body))
        );
        let refused = match (a, b) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{both:?}"),
        };
        assert_eq!(refused.code(), Some("case-changed"), "{refused}");
        for center in [&one, &two] {
            let shown = center.get(&format!("/v1/cases/{case}")).await;
            assert_eq!(
                (shown["state"].as_str(), shown["version"].as_u64()),
                (Some("accepted"), Some(2))
            );
        }
    }
    one.running.stop().await;
    two.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centers_on_one_database_sign_one_ledger_and_of_each_size_one_checkpoint() {
    use crate::checkpoints::{fetch, log_key, signed};
    let cluster = server();
    let one = World::on(on(&cluster, "registry", None)).await;
    let two = World::on(on(&cluster, "registry", Some(&one.ground))).await;
    let key = waiting(|| log_key(&one.ground));
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    one.act("/v1/gateways", gateway).await;
    // Acts at both all the while, and everybody looks at what is signed.
    let mut seen: BTreeMap<u64, Signed> = BTreeMap::new();
    let mut acts = 0;
    let began = Instant::now();
    while seen.len() < 4 {
        assert!(began.elapsed() < DEADLINE, "{} were signed", seen.len());
        let (a, b) = (clinic(2 * acts), clinic(2 * acts + 1));
        tokio::join!(
            one.act("/v1/participants", a),
            two.act("/v1/participants", b)
        );
        acts += 1;
        for world in [&one, &two] {
            let (status, _, body) =
                crate::acts::raw(world, "GET", "/v1/ledger/checkpoint", &[], Vec::new()).await;
            if status == 404 {
                continue;
            }
            let found = Signed::open(&body, &key).unwrap();
            let before = seen
                .entry(found.checkpoint().size)
                .or_insert_with(|| found.clone());
            assert_eq!(*before, found, "two different checkpoints of one size");
        }
    }
    let end = one.get("/v1/health").await["recorded"].as_u64().unwrap();
    let last = signed(&one, end).await;
    assert_eq!(signed(&two, end).await, last);
    seen.insert(last.checkpoint().size, last.clone());
    // What each center remembers to have signed is of the same history.
    for world in [&one, &two] {
        if let Ok(memory) = std::fs::read(world.ground.config.checkpoint_memory()) {
            let own = Signed::open(&memory, &key).unwrap();
            let size = own.checkpoint().size;
            assert_eq!(*seen.entry(size).or_insert_with(|| own.clone()), own);
        }
    }
    let new = last.checkpoint();
    for (world, older) in [&one, &two].into_iter().cycle().zip(seen.values()) {
        let old = older.checkpoint();
        let path = format!("/v1/ledger/cosign-request?old={}", old.size);
        let request = Request::parse(&fetch(world, &path).await).unwrap();
        assert_eq!(request.checkpoint, last);
        verify_consistency(old.size, old.root, new.size, new.root, &request.proof).unwrap();
    }
    for world in [&one, &two] {
        let health = world.get("/v1/health").await;
        assert_eq!(health["checkpoint"]["state"], "signing", "{health}");
    }
    // A third one, whose key nobody copied, signs nothing.
    let mut stranger = on(&cluster, "registry", Some(&one.ground));
    stranger.config.name = "center-3".parse().unwrap();
    std::fs::remove_file(stranger.config.checkpoint_key()).unwrap();
    waiting(|| iryonet_center::init(&stranger.config).unwrap());
    let third = World::on(stranger).await;
    let reason = crate::checkpoints::refusing(&third).await;
    assert!(reason.contains("checkpoint_keys_before"), "{reason}");
    assert!(!third.ground.config.checkpoint_memory().exists());
}
