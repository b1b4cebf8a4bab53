//! The ledger signed: what a center hands out proves itself without the center,
//! and what contradicts itself is not signed.

use crate::support::{DEADLINE, Ground, World};
use hyper::StatusCode;
use iryonet_ledger::checkpoint::Cosigned;
use iryonet_ledger::merkle::root;
use iryonet_ledger::merkle::tile::{TileError, TileNodes, TilePath};
use iryonet_ledger::proof_file::EntryProof;
use iryonet_ledger::witness::{Request, Seen, cosign};
use iryonet_ledger::{KeyName, KeyUse, Signed, SigningKey, VerifierKey};
use iryonet_store::{SqliteStore, Store, tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) fn witness_key() -> SigningKey {
    let name = KeyName::new("witness.example/w1").unwrap();
    SigningKey::from_seed(name, KeyUse::Witness, [2; 32].into()).unwrap()
}

pub(crate) fn quick(config: &mut iryonet_center::Config) {
    config.checkpoint_every_s = 1;
    config.witnesses = vec![witness_key().verifier().clone()];
}

pub(crate) fn log_key(ground: &Ground) -> VerifierKey {
    let made = iryonet_center::init(&ground.config).unwrap();
    assert!(!made.checkpoint_key_made);
    made.checkpoint_key.parse().unwrap()
}

/// The bytes of an answer that is no refusal.
pub(crate) async fn fetch(world: &World, path: &str) -> Vec<u8> {
    let (status, _, body) = crate::acts::raw(world, "GET", path, &[], Vec::new()).await;
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    body.to_vec()
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The last checkpoint, once it covers this entry.
pub(crate) async fn signed(world: &World, sequence: u64) -> Signed {
    until("a checkpoint", async || {
        let (status, _, body) =
            crate::acts::raw(world, "GET", "/v1/ledger/checkpoint", &[], Vec::new()).await;
        let signed = (status == 200).then(|| Signed::parse(&body).unwrap())?;
        (signed.checkpoint().size >= sequence).then_some(signed)
    })
    .await
}

async fn state(world: &World) -> Value {
    world.get("/v1/health").await["checkpoint"].clone()
}

pub(crate) async fn refusing(world: &World) -> String {
    until("the center's refusal to sign", async || {
        let state = state(world).await;
        (state["state"] == "refusing").then(|| state["reason"].as_str().unwrap().to_owned())
    })
    .await
}

async fn register(world: &World, n: u8) -> u64 {
    let body = json!({"gateway": format!("gw-{n}"), "backbone": format!("2001:db8:0:1::{n:x}"), "blocks": [n]});
    world.act("/v1/gateways", body).await["sequence"]
        .as_u64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_signed_and_proved_and_a_witness_sees_it_grow() {
    let world = World::with(quick).await;
    let key = log_key(&world.ground);
    assert_eq!(key.name().as_str(), "iryonet/2001:db8::/32");
    let mut seen: Option<Seen> = None;
    for n in 1..=3 {
        let sequence = register(&world, n).await;
        let checkpoint = signed(&world, sequence).await;
        checkpoint.verify(&key).unwrap();
        for entry in 1..=sequence {
            let file = fetch(&world, &format!("/v1/ledger/proof?entry={entry}")).await;
            let proof = EntryProof::parse(&file).unwrap();
            proof.verify(&key).unwrap();
            assert_eq!(proof.entry.sequence, entry);
        }
        let old = seen.as_ref().map_or(0, |seen| seen.checkpoint.size);
        let request = fetch(&world, &format!("/v1/ledger/cosign-request?old={old}")).await;
        let request = Request::parse(&request).unwrap();
        let at_s = 1_800_000_000 + u64::from(n);
        let cosigned = cosign(&witness_key(), &key, seen.as_ref(), &request, at_s).unwrap();
        let kept = world
            .act(
                "/v1/ledger/cosignatures",
                json!({"checkpoint": cosigned.to_string()}),
            )
            .await;
        assert_eq!(kept["size"], cosigned.checkpoint().size);
        let latest = fetch(&world, "/v1/ledger/checkpoint?cosigned=true").await;
        let latest = Signed::open(&latest, &key).unwrap();
        assert_eq!(
            latest.cosigned(witness_key().verifier()),
            Ok(Cosigned { at_s })
        );
        let memory = cosigned.to_string();
        seen = Some(Seen::open(memory.as_bytes(), &key, witness_key().verifier()).unwrap());
    }
    let last = seen.unwrap().checkpoint.size;
    let proof = fetch(
        &world,
        &format!("/v1/ledger/proof?entry={last}&cosigned=true"),
    )
    .await;
    let proof = EntryProof::parse(&proof).unwrap();
    proof.verify(&key).unwrap();
    proof.cosigned(witness_key().verifier()).unwrap();
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.ground.config.checkpoint_key()), 0o600);
    assert_eq!(mode(world.ground.config.checkpoint_memory()), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_checkpoint_and_tiles_and_nobody_outside_sees_an_entry() {
    let world = World::with(quick).await;
    let sequence = register(&world, 1).await;
    let signed = signed(&world, sequence).await;
    let mut public = world.public().await;
    let answer = public.get("/ledger/checkpoint").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type(), "text/plain; charset=utf-8");
    assert_eq!(answer.body, signed.to_string());

    // From the tiles alone comes the root that was signed.
    let size = signed.checkpoint().size;
    let mut tiles = BTreeMap::new();
    for (level, width) in [(0, size as usize % 256)] {
        let tile = iryonet_ledger::merkle::tile::TileId { level, index: 0 };
        let path = TilePath { tile, width };
        let answer = public.get(&format!("/ledger/tile/{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.content_type(), "application/octet-stream");
        assert_eq!(
            answer.body,
            fetch(&world, &format!("/v1/ledger/tile/{path}")).await
        );
        tiles.insert(tile, answer.body.to_vec());
    }
    let mut nodes =
        TileNodes::new(|tile| Ok::<_, std::convert::Infallible>(tiles.get(&tile).cloned()));
    assert_eq!(root(&mut nodes, size).unwrap(), signed.checkpoint().root);
    assert!(matches!(
        root(&mut nodes, size + 1),
        Err(TileError::Short { .. })
    ));

    for (path, status) in [
        ("/ledger/tile/0/000", StatusCode::NOT_FOUND),
        ("/ledger/tile/0/001.p/1", StatusCode::NOT_FOUND),
        ("/ledger/tile/9/000.p/1", StatusCode::BAD_REQUEST),
        ("/ledger/tile/0/..%2f..%2fetc", StatusCode::BAD_REQUEST),
        ("/ledger/checkpoint?cosigned=true", StatusCode::NOT_FOUND),
        ("/ledger/export", StatusCode::NOT_FOUND),
        ("/ledger/proof?entry=1", StatusCode::NOT_FOUND),
        ("/v1/ledger", StatusCode::NOT_FOUND),
        ("/v1/ledger/export", StatusCode::NOT_FOUND),
        ("/v1/ledger/proof?entry=1", StatusCode::NOT_FOUND),
        ("/v1/ledger/cosign-request", StatusCode::NOT_FOUND),
    ] {
        let answer = public.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.content_type(), "application/problem+json", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_by_pages_is_the_ledger_as_it_stands() {
    let world = World::with(quick).await;
    let sequence = register(&world, 1).await;
    let again = json!({"gateway": "gw-1", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    world.refused("/v1/gateways", again).await;
    let signed = signed(&world, sequence + 1).await;
    let mut file = Vec::new();
    let mut after = 0;
    loop {
        let page = fetch(&world, &format!("/v1/ledger/export?after={after}&limit=2")).await;
        let lines = page.iter().filter(|b| **b == b'\n').count() as u64;
        if lines == 0 {
            break;
        }
        assert!(lines <= 2);
        after += lines;
        file.extend(page);
    }
    let claims = iryonet_ledger::export::Claims {
        checkpoint: signed.checkpoint(),
        range: None,
        older: None,
    };
    let audited = iryonet_ledger::export::verify_signed(&mut file.as_slice(), &claims).unwrap();
    assert_eq!(audited.summary.refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_that_comes_back_goes_on_where_it_was() {
    let world = World::with(quick).await;
    let key = log_key(&world.ground);
    let sequence = register(&world, 1).await;
    let first = signed(&world, sequence).await;
    register(&world, 2).await;
    let World {
        ground, running, ..
    } = world;
    running.stop().await;
    // Killed behind the tiles and before the checkpoint.
    let store = SqliteStore::open(&ground.config.database()).unwrap();
    tree::grow(&store, 10).unwrap();
    drop(store);
    let world = World::on(ground).await;
    let sequence = register(&world, 3).await;
    let second = signed(&world, sequence).await;
    second.verify(&key).unwrap();
    let old = first.checkpoint().size;
    let request = fetch(&world, &format!("/v1/ledger/cosign-request?old={old}")).await;
    let request = Request::parse(&request).unwrap();
    iryonet_ledger::merkle::proof::verify_consistency(
        old,
        first.checkpoint().root,
        request.checkpoint.checkpoint().size,
        request.checkpoint.checkpoint().root,
        &request.proof,
    )
    .unwrap();
}

/// Changes a past entry in the database, with or without the rest of the chain.
fn rewrite(database: &Path, rechain: bool) {
    let store = SqliteStore::open(database).unwrap();
    let mut entries = iryonet_store::look(&store, |reader| reader.entries(1, 1_000)).unwrap();
    drop(store);
    entries[1].command.push(' ');
    if rechain {
        for at in 1..entries.len() {
            entries[at].previous = entries[at - 1].hash;
            entries[at].hash = entries[at].computed_hash();
        }
    }
    let connection = rusqlite::Connection::open(database).unwrap();
    connection
        .execute_batch("DROP TRIGGER entry_is_not_changed")
        .unwrap();
    for entry in entries {
        connection
            .execute(
                "UPDATE entry SET command = ?2, previous = ?3, hash = ?4 WHERE sequence = ?1",
                rusqlite::params![
                    i64::try_from(entry.sequence).unwrap(),
                    entry.command,
                    entry.previous.0,
                    entry.hash.0
                ],
            )
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_ledger_is_not_signed_and_acts_go_on() {
    for rechain in [false, true] {
        let world = World::with(quick).await;
        let sequence = register(&world, 1).await;
        let before = signed(&world, sequence).await;
        let World {
            ground, running, ..
        } = world;
        running.stop().await;
        rewrite(&ground.config.database(), rechain);
        let world = World::on(ground).await;
        let reason = refusing(&world).await;
        // With the chain made anew only the signature shows it.
        let told = if rechain { "rewritten" } else { "entry 2" };
        assert!(reason.contains(told), "{reason}");
        // Keep serving: acts are done, the last good checkpoint is handed out.
        register(&world, 2).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let after = Signed::parse(&fetch(&world, "/v1/ledger/checkpoint").await).unwrap();
        assert_eq!(after, before);
        assert_eq!(state(&world).await["state"], "refusing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_the_database_is_not_signed_as_if_nothing_had_been() {
    let world = World::with(quick).await;
    let sequence = register(&world, 1).await;
    signed(&world, sequence).await;
    let World {
        ground, running, ..
    } = world;
    running.stop().await;
    let database = ground.config.database();
    let copy = ground.dir.path().join("copy");
    std::fs::copy(&database, &copy).unwrap();
    let world = World::on(ground).await;
    let sequence = register(&world, 2).await;
    signed(&world, sequence).await;
    let World {
        ground, running, ..
    } = world;
    running.stop().await;
    std::fs::copy(&copy, &database).unwrap();
    for companion in ["-wal", "-shm"] {
        let mut name = database.clone().into_os_string();
        name.push(companion);
        let _ = std::fs::remove_file(name);
    }
    let world = World::on(ground).await;
    let reason = refusing(&world).await;
    assert!(reason.contains("old copy"), "{reason}");
    // Going on from the copy does not make it right.
    register(&world, 3).await;
    register(&world, 4).await;
    let World {
        ground, running, ..
    } = world;
    running.stop().await;
    let world = World::on(ground).await;
    refusing(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centers_on_one_database_sign_one_history() {
    let mut ground = Ground::new();
    quick(&mut ground.config);
    iryonet_center::init(&ground.config).unwrap();
    let mut second = Ground::new();
    quick(&mut second.config);
    iryonet_center::init(&second.config).unwrap();
    std::fs::copy(
        ground.config.checkpoint_key(),
        second.config.checkpoint_key(),
    )
    .unwrap();
    let key = log_key(&ground);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&ground.config.database()).unwrap());
    let mut worlds = Vec::new();
    for ground in [ground, second] {
        let running = iryonet_center::start_on(ground.config.clone(), Arc::clone(&store))
            .await
            .unwrap();
        worlds.push(World::around(ground, running));
    }
    let mut last: Option<Signed> = None;
    for n in 1..=6 {
        let sequence = register(&worlds[usize::from(n) % 2], n).await;
        for world in &worlds {
            let next = signed(world, sequence).await;
            next.verify(&key).unwrap();
            if let Some(last) = &last {
                let old = last.checkpoint().size;
                let path = format!("/v1/ledger/cosign-request?old={old}");
                let request = Request::parse(&fetch(world, &path).await).unwrap();
                let new = request.checkpoint.checkpoint();
                iryonet_ledger::merkle::proof::verify_consistency(
                    old,
                    last.checkpoint().root,
                    new.size,
                    new.root,
                    &request.proof,
                )
                .unwrap();
            }
            last = Some(next);
        }
    }
    for world in &worlds {
        assert_eq!(state(world).await["state"], "signing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_with_another_key_does_not_sign_until_the_former_one_is_named() {
    let world = World::with(quick).await;
    let former = log_key(&world.ground);
    signed(&world, 1).await;
    let World {
        mut ground,
        running,
        ..
    } = world;
    running.stop().await;
    std::fs::remove_file(ground.config.checkpoint_key()).unwrap();
    let made = iryonet_center::init(&ground.config).unwrap();
    assert!(made.checkpoint_key_made);
    let present: VerifierKey = made.checkpoint_key.parse().unwrap();
    let world = World::on(ground).await;
    register(&world, 1).await;
    let reason = refusing(&world).await;
    assert!(reason.contains("checkpoint_keys_before"), "{reason}");
    (ground, _) = {
        let World {
            ground, running, ..
        } = world;
        running.stop().await;
        (ground, ())
    };
    ground.config.checkpoint_keys_before = vec![former];
    let world = World::on(ground).await;
    let sequence = register(&world, 2).await;
    signed(&world, sequence).await.verify(&present).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_without_a_checkpoint_key_runs_and_says_so() {
    let mut ground = Ground::new();
    quick(&mut ground.config);
    iryonet_center::init(&ground.config).unwrap();
    std::fs::remove_file(ground.config.checkpoint_key()).unwrap();
    let world = World::on(ground).await;
    register(&world, 1).await;
    until("the state", async || {
        (state(&world).await["state"] == "no-key").then_some(())
    })
    .await;
    let (status, _, _) =
        crate::acts::raw(&world, "GET", "/v1/ledger/checkpoint", &[], Vec::new()).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_name_or_open_to_others_is_refused_at_the_start() {
    let mut ground = Ground::new();
    ground.config.checkpoint_origin = Some(KeyName::new("example.jp/ledger").unwrap());
    let made = iryonet_center::init(&ground.config).unwrap();
    assert!(made.checkpoint_key.starts_with("example.jp/ledger+"));
    ground.config.checkpoint_origin = Some(KeyName::new("example.jp/other").unwrap());
    let error = iryonet_center::start(ground.config.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("example.jp/other"), "{error}");
    ground.config.checkpoint_origin = None;
    let key = ground.config.checkpoint_key();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = iryonet_center::start(ground.config.clone())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("0600"), "{error}");
}
