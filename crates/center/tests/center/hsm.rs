//! A center whose issuing CA's key is in a PKCS#11 token (SoftHSM), and the
//! token goes away: between two acts, and in the middle of many.

use crate::enrolment::futures_join;
use crate::est::encoded;
use crate::router::EST;
use crate::support::{Answer, DEADLINE, Ground, World, key_and_csr, now};
use hyper::{Method, StatusCode};
use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::token::TokenKey;
use iryonet_authority::{CaName, Custody, IssuingCa, RootCa, Secret, files};
use serde_json::json;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const PIN: &str = "567890";

/// SoftHSM finds its tokens by an environment variable that must be there
/// before the process loads it: so the test runs once more, as a child.
fn in_child(test: &str, body: impl AsyncFnOnce(&Path)) {
    const PLACE: &str = "IRYONET_TEST_TOKEN_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(body(Path::new(&place)));
    }
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let settings = dir.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\n", tokens.display());
    std::fs::write(&settings, text).unwrap();
    let made = Command::new("softhsm2-util")
        .env("SOFTHSM2_CONF", &settings)
        .args(["--init-token", "--free", "--label", "iryonet"])
        .args(["--so-pin", "12345678", "--pin", PIN])
        .output()
        .expect("softhsm2-util; scripts/setup.sh installs it");
    assert!(made.status.success(), "{made:?}");
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(PLACE, dir.path())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn module() -> PathBuf {
    [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
    .expect("SoftHSM's library; scripts/setup.sh installs it")
}

/// A center that issues with a key in the token of this place.
async fn world(place: &Path) -> World {
    let mut ground = Ground::new();
    let root = RootCa::load(&ground.dir.path().join("root")).unwrap();
    let issuing = ground.dir.path().join("issuing-in-token");
    let pin_file = place.join("pin");
    files::write_new(&pin_file, PIN.as_bytes(), 0o600).unwrap();
    let spec = IssuingSpec {
        name: CaName {
            organisation: "iryonet test".to_owned(),
            common_name: "issuing in a token".to_owned(),
        },
        key: CaKey::P256,
        life_days: 2_922,
        custody: Custody::Token {
            key: TokenKey {
                module: module(),
                token: "iryonet".to_owned(),
                key: "issuing".to_owned(),
                pin: Secret::new(PIN.to_owned()),
            },
            pin_file: Some(pin_file),
        },
    };
    IssuingCa::make(&root, &issuing, &spec, now(), &mut rand::rng()).unwrap();
    ground.config.issuing_dir = issuing;
    iryonet_center::init(&ground.config).unwrap();
    World::on(ground).await
}

/// SoftHSM's token is its files: pulled out, and put in again.
struct Slot {
    here: PathBuf,
    away: PathBuf,
}

impl Slot {
    fn of(place: &Path) -> Self {
        Self {
            here: place.join("tokens"),
            away: place.join("away"),
        }
    }

    fn pull(&self) {
        std::fs::rename(&self.here, &self.away).unwrap();
    }

    fn put_back(&self) {
        std::fs::rename(&self.away, &self.here).unwrap();
    }
}

/// What an applicant is told while the key is away: later, and when.
fn told_to_wait(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.content_type(), "application/problem+json");
    assert_eq!(answer.code(), "authority-key-away");
    let wait: u32 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let problem = answer.json();
    assert!(!problem["detail_ja"].as_str().unwrap().is_empty());
    // Of the token's name, its place and its PIN nothing is told to the public.
    assert!(!problem.to_string().contains(PIN), "{problem}");
}

async fn over_est(world: &World, number: u64, code: &str, csr: &str) -> Answer {
    let basic = encoded(format!("{number}:{code}").as_bytes());
    let headers = [
        ("content-type", "application/pkcs10".to_owned()),
        ("authorization", format!("Basic {basic}")),
    ];
    let path = format!("{EST}/simpleenroll");
    let mut connection = world.public().await;
    connection
        .send_with(Method::POST, &path, headers, csr.as_bytes().to_vec())
        .await
}

async fn recorded(world: &World) -> u64 {
    world.get("/v1/health").await["recorded"].as_u64().unwrap()
}

async fn devices(world: &World, number: u64) -> Vec<serde_json::Value> {
    let listed = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    listed["devices"].as_array().unwrap().clone()
}

#[test]
fn while_the_hsm_is_away_applicants_are_told_to_wait_and_nothing_is_half_issued() {
    in_child(
        "hsm::while_the_hsm_is_away_applicants_are_told_to_wait_and_nothing_is_half_issued",
        async |place| {
            let world = world(place).await;
            let slot = Slot::of(place);
            world.gateway("gw-a", 1).await;
            let number = world.participant("clinic", "gw-a", "line0").await;
            let first = world.enrol(json!({"participant": number})).await;
            let code = world.code(json!({"participant": number})).await;
            let (key, csr) = key_and_csr();

            slot.pull();
            let before = recorded(&world).await;
            told_to_wait(&world.try_enrol(&code, &csr).await);
            told_to_wait(&over_est(&world, number, &code, &csr).await);
            assert_eq!(recorded(&world).await, before, "something was recorded");
            assert_eq!(devices(&world, number).await.len(), 1);
            // What needs no CA key goes on: a revocation, and who asks for it.
            let path = format!("/v1/devices/{}/revoke", first.fingerprint());
            world.act(&path, json!({"reason": "key-compromise"})).await;
            let health = world.get("/v1/health").await;
            assert_eq!(health["recorded"].as_u64().unwrap(), before + 1);
            let list = world.public().await.get("/v1/crl").await;
            assert_eq!(list.status, StatusCode::OK, "the present list is served on");

            slot.put_back();
            // The same code, which the failures did not spend.
            let answer = world.try_enrol(&code, &csr).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let chain = answer.json()["certificate_chain_pem"].clone();
            let identity = iryonet_tls::LocalIdentity::from_pem(
                chain.as_str().unwrap().as_bytes(),
                key.serialize_pem().as_bytes(),
            )
            .unwrap();
            assert!(
                world.public_as(&identity).await.is_ok(),
                "it proves its holder"
            );
            let all = devices(&world, number).await;
            let numbers: Vec<u64> = all.iter().map(|d| d["device"].as_u64().unwrap()).collect();
            assert_eq!(numbers, [1, 2], "no number was lost on the way");
            // And the list with the revoked one is signed as soon as the key is there.
            let serial = hex::decode(all[0]["serial"].as_str().unwrap()).unwrap();
            let begun = Instant::now();
            loop {
                let list = world.public().await.get("/v1/crl").await;
                if list.body.windows(serial.len()).any(|part| part == serial) {
                    break;
                }
                assert!(begun.elapsed() < DEADLINE, "it was never listed");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        },
    );
}

#[test]
fn an_hsm_pulled_out_in_the_middle_of_many_enrolments_loses_none_and_doubles_none() {
    in_child(
        "hsm::an_hsm_pulled_out_in_the_middle_of_many_enrolments_loses_none_and_doubles_none",
        async |place| {
            let world = world(place).await;
            let slot = Slot::of(place);
            world.gateway("gw-a", 1).await;
            let mut wishes = Vec::new();
            for line in 0..4 {
                let number = world
                    .participant("clinic", "gw-a", &format!("line{line}"))
                    .await;
                for _ in 0..8 {
                    let code = world.code(json!({"participant": number})).await;
                    wishes.push((number, code, key_and_csr().1));
                }
            }
            // The first that has its certificate pulls the token out, while the
            // others are anywhere between their code and their signature.
            let pulled = Cell::new(false);
            let (asked, pull, slot_of) = (&world, &pulled, &slot);
            let answers = futures_join(wishes.iter().map(|(_, code, csr)| async move {
                let answer = asked.try_enrol(code, csr).await;
                if answer.status != StatusCode::OK {
                    told_to_wait(&answer);
                } else if !pull.replace(true) {
                    slot_of.pull();
                }
                answer.status
            }))
            .await;
            let waiting = answers
                .iter()
                .filter(|status| **status != StatusCode::OK)
                .count();
            assert!(waiting > 0, "nobody was in the middle of it");
            let mut listed = 0;
            let mut numbers: Vec<u64> = wishes.iter().map(|wish| wish.0).collect();
            numbers.dedup();
            for number in &numbers {
                listed += devices(&world, *number).await.len();
            }
            assert_eq!(listed, wishes.len() - waiting, "as many as were answered");

            slot.put_back();
            for ((number, code, csr), before) in wishes.iter().zip(&answers) {
                let answer = over_est(&world, *number, code, csr).await;
                if *before == StatusCode::OK {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "spent: {answer:?}");
                } else {
                    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
                }
            }
            for number in &numbers {
                assert_eq!(devices(&world, *number).await.len(), 8);
            }
        },
    );
}
