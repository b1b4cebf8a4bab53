//! The feed against a center that says what the test tells it to, over real TLS
//! on a loopback port.

use super::{Feed, SharedStatus};
use crate::engine::{Engine, Terms};
use crate::keep::Keep;
use crate::policy::Policy;
use crate::testing::{DAY_MS, Fake, Hands, certify, new_ca, number};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use iryonet_authority::{Profile as For, ServerNames};
use iryonet_domain::UnixMillis;
use iryonet_tls::{
    ClientPolicy, ClientTrust, Clock, Expect, HandshakeLimits, Profile, TrustRoots, client_config,
    server_config,
};
use iryonet_wire::feed::{
    Acknowledgement, Change, Condition, Delta, FORMAT, ParticipantEntry, Snapshot,
};
use iryonet_wire::signed::{Kind, PolicyKeys, PolicySigner};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the center answers next; `None` closes the connection.
type Script = Arc<Mutex<VecDeque<(&'static str, Option<(u16, Vec<u8>)>)>>>;

struct Lab {
    _dir: tempfile::TempDir,
    state: std::path::PathBuf,
    now: UnixMillis,
    signer: PolicySigner,
    script: Script,
    asked: Arc<Mutex<Vec<String>>>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
    engine: Arc<Engine>,
    status: SharedStatus,
    stop: CancellationToken,
}

fn signer() -> PolicySigner {
    PolicySigner::from_pkcs8(&PolicySigner::generate_pkcs8().unwrap()).unwrap()
}

fn engine(now: UnixMillis) -> Arc<Engine> {
    Arc::new(Engine::new(
        Policy::new("gw-a".parse().unwrap(), "2001:db8::/32".parse().unwrap()),
        Box::new(Fake::default()),
        Box::new(Hands::at(now)),
        UnixMillis(0),
        Terms {
            lease: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            attachments_max: 10,
        },
    ))
}

impl Lab {
    async fn new(
        script: impl FnOnce(&Self) -> Vec<(&'static str, Option<(u16, Vec<u8>)>)>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let mut rng = StdRng::from_os_rng();
        let ca = new_ca(&dir.path().join("ca"), now, &mut rng);
        let roots = || TrustRoots::from_pem(ca.root_pem().as_bytes()).unwrap();
        let center = certify(
            &ca,
            &For::Center {
                id: "center-1".parse().unwrap(),
                names: ServerNames::default(),
            },
            now,
            &mut rng,
        );
        let own = certify(
            &ca,
            &For::Gateway {
                id: "gw-a".parse().unwrap(),
                names: ServerNames::default(),
            },
            now,
            &mut rng,
        );
        let trust = ClientTrust {
            roots: roots(),
            policy: ClientPolicy::GATEWAYS,
        };
        let acceptor =
            server_config(Profile::Guideline43, &center, trust, Clock::system()).unwrap();
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let lab = Self {
            state: state.clone(),
            _dir: dir,
            now,
            signer: signer(),
            script: Script::default(),
            asked: Arc::default(),
            acknowledged: Arc::default(),
            engine: engine(now),
            status: SharedStatus::default(),
            stop: CancellationToken::new(),
        };
        let lines = script(&lab);
        lab.script.lock().unwrap().extend(lines);
        tokio::spawn(center_runs(
            listener,
            acceptor,
            Arc::clone(&lab.script),
            Arc::clone(&lab.asked),
            Arc::clone(&lab.acknowledged),
        ));
        let keys = PolicyKeys::new([lab.signer.public_key()]).unwrap();
        let feed = Feed {
            engine: Arc::clone(&lab.engine),
            connector: client_config(
                Profile::Guideline43,
                &own,
                roots(),
                Expect::Center(Some("center-1".parse().unwrap())),
                Clock::system(),
            )
            .unwrap(),
            center: address,
            keys: keys.clone(),
            keep: Keep::new(state, keys),
            status: lab.status.clone(),
            renewed: Arc::default(),
        };
        tokio::spawn(feed.run(lab.stop.clone()));
        lab
    }

    fn snapshot(&self, signer: &PolicySigner, revision: u64) -> Vec<u8> {
        let snapshot = Snapshot {
            format: FORMAT,
            network: "2001:db8::/32".parse().unwrap(),
            gateway: "gw-a".parse().unwrap(),
            revision,
            issued_at: self.now,
            valid_until: self.now.plus_ms(DAY_MS),
            gateways: vec![],
            participants: vec![],
            services: vec![],
            grants: vec![],
            lines: vec![],
            devices: vec![],
        };
        signer
            .seal(Kind::Snapshot, &snapshot.encode().unwrap())
            .unwrap()
    }

    fn delta(&self, signer: &PolicySigner, from: u64, to: u64) -> Vec<u8> {
        let delta = Delta {
            format: FORMAT,
            gateway: "gw-a".parse().unwrap(),
            from_revision: from,
            to_revision: to,
            issued_at: self.now,
            valid_until: self.now.plus_ms(DAY_MS),
            changes: vec![Change::Participant(ParticipantEntry {
                number: number(u32::try_from(to).unwrap()),
                condition: Condition::Live,
                generation: 1,
            })],
        };
        signer.seal(Kind::Delta, &delta.encode().unwrap()).unwrap()
    }

    async fn until_acknowledged(&self, revision: u64) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !self.acknowledged.lock().unwrap().contains(&revision) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "revision {revision} was not acknowledged; asked {:?}, {:?}",
                self.asked.lock().unwrap(),
                self.status.get(),
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What a gateway that starts without the center would enforce.
    fn kept(&self) -> (u64, Vec<u64>) {
        let keys = PolicyKeys::new([self.signer.public_key()]).unwrap();
        let kept = Keep::new(self.state.clone(), keys).load().unwrap().unwrap();
        (
            kept.snapshot.revision,
            kept.deltas.iter().map(|d| d.to_revision).collect(),
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn center_runs(
    listener: TcpListener,
    acceptor: iryonet_tls::Acceptor,
    script: Script,
    asked: Arc<Mutex<Vec<String>>>,
    acknowledged: Arc<Mutex<Vec<u64>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok((stream, _)) = acceptor.accept(stream, &HandshakeLimits::default()).await else {
            continue;
        };
        let service = service_fn(|request: Request<Incoming>| {
            let (script, asked, acknowledged) = (&script, &asked, &acknowledged);
            async move {
                let path = request.uri().path().to_owned();
                let word = request.uri().to_string();
                if path == "/v1/feed/acknowledgements" {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let told: Acknowledgement = serde_json::from_slice(&body).unwrap();
                    acknowledged.lock().unwrap().push(told.revision);
                    return Ok::<_, std::io::Error>(answer(204, Vec::new()));
                }
                asked.lock().unwrap().push(word);
                let next = script.lock().unwrap().pop_front();
                match next {
                    Some((wanted, told)) => {
                        assert_eq!(wanted, path, "{:?}", asked.lock().unwrap());
                        told.map(|(status, body)| answer(status, body))
                            .ok_or_else(|| std::io::Error::other("the center ends it"))
                    }
                    // Nothing new, for a long time.
                    None => std::future::pending().await,
                }
            }
        });
        // A connection that the script ends is an error here, as it should be.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

fn answer(status: u16, body: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::<Bytes>::new(body.into()))
        .unwrap_or_else(|never: hyper::http::Error| panic!("{never}"))
}

const SNAPSHOT: &str = "/v1/feed/snapshot";
const DELTAS: &str = "/v1/feed/deltas";

#[tokio::test]
async fn snapshot_and_deltas_come_into_force_are_kept_and_then_acknowledged() {
    let lab = Lab::new(|lab| {
        vec![
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 5)))),
            (DELTAS, Some((200, lab.delta(&lab.signer, 5, 6)))),
            (DELTAS, Some((204, vec![]))),
            (DELTAS, Some((200, lab.delta(&lab.signer, 6, 9)))),
        ]
    })
    .await;
    lab.until_acknowledged(9).await;
    assert_eq!(lab.engine.with_policy(Policy::revision), 9);
    assert_eq!(lab.kept(), (5, vec![6, 9]));
    let asked = lab.asked.lock().unwrap().clone();
    assert!(
        asked[1].starts_with("/v1/feed/deltas?since=5&"),
        "{asked:?}"
    );
    assert!(
        asked[3].starts_with("/v1/feed/deltas?since=6&"),
        "{asked:?}"
    );
    let status = lab.status.get();
    assert_eq!(
        (status.snapshots, status.deltas, status.rejected),
        (1, 2, 0)
    );
    assert!(status.connected && status.kept);
}

#[tokio::test]
async fn what_the_center_did_not_sign_is_kept_out_and_the_old_policy_stays() {
    let forger = signer();
    let lab = Lab::new(|lab| {
        let mut bent = lab.delta(&lab.signer, 5, 6);
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        vec![
            (SNAPSHOT, Some((200, lab.snapshot(&forger, 4)))),
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 5)))),
            (DELTAS, Some((200, lab.delta(&forger, 5, 6)))),
            (DELTAS, Some((200, bent))),
            (DELTAS, Some((200, lab.snapshot(&lab.signer, 7)))),
            (DELTAS, Some((200, lab.delta(&lab.signer, 5, 8)))),
        ]
    })
    .await;
    lab.until_acknowledged(8).await;
    let status = lab.status.get();
    assert_eq!(status.rejected, 4, "{status:?}");
    assert_eq!(lab.kept(), (5, vec![8]));
    let acknowledged = lab.acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged
            .iter()
            .all(|revision| [5, 8].contains(revision)),
        "{acknowledged:?}"
    );
}

#[tokio::test]
async fn a_gap_or_a_forgotten_revision_brings_a_fresh_snapshot() {
    let lab = Lab::new(|lab| {
        vec![
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 5)))),
            (DELTAS, Some((200, lab.delta(&lab.signer, 7, 8)))),
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 8)))),
            (DELTAS, Some((410, vec![]))),
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 20)))),
        ]
    })
    .await;
    lab.until_acknowledged(20).await;
    assert_eq!(lab.status.get().rejected, 1);
    assert_eq!(lab.kept(), (20, vec![]));
}

#[tokio::test]
async fn a_center_that_goes_away_and_comes_back_is_followed_again_from_where_we_are() {
    let lab = Lab::new(|lab| {
        vec![
            (SNAPSHOT, Some((200, lab.snapshot(&lab.signer, 5)))),
            (DELTAS, None),
            (DELTAS, Some((503, br#"{"detail":"busy"}"#.to_vec()))),
            (DELTAS, Some((200, lab.delta(&lab.signer, 5, 6)))),
        ]
    })
    .await;
    lab.until_acknowledged(6).await;
    assert_eq!(lab.status.get().snapshots, 1);
    assert_eq!(lab.status.get().trouble, None);
}
