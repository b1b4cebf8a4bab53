//! What changes while connections are open: the listeners' own certificate,
//! and the standing of whoever holds one.

use crate::router::{EST, device_of_age, old_ground};
use crate::support::{DEADLINE, Ground, World, key_and_csr, now};
use hyper::{Method, StatusCode};
use iryonet_authority::profile::ServerNames;
use iryonet_authority::{Csr, IssuingCa, Profile, issue};
use iryonet_domain::{Fingerprint, UnixMillis};
use iryonet_tls::{Clock, Connector, Expect, HandshakeLimits};
use serde_json::json;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// As the settings' `people.origin` has it.
const PEOPLES_HOST: &str = "center.example";

/// The pair that a center finds at its start, with this much time before it
/// is made anew.
fn nearly_due(ground: &Ground, left: Duration) {
    let ca = IssuingCa::load(&ground.config.issuing_dir).unwrap();
    let (key, request) = key_and_csr();
    let profile = Profile::Center {
        id: ground.config.name.clone(),
        // Else the start makes another one, for the host that people's browsers
        // look for.
        names: ServerNames {
            dns: vec![PEOPLES_HOST.to_owned()],
            addresses: Vec::new(),
        },
    };
    let third = u64::from(ground.config.certificate_days) * 86_400_000 / 3;
    // X.509 knows whole seconds.
    let life = third + u64::try_from(left.as_millis()).unwrap();
    let csr = Csr::parse(request.as_bytes()).unwrap();
    let made = issue(&ca, &profile, &csr, Some(life), now(), &mut rand::rng()).unwrap();
    let data = &ground.config.data_dir;
    let key_file = data.join("center.key");
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(data.join("center.pem"), made.chain_pem).unwrap();
}

fn as_nobody(world: &World) -> Connector {
    iryonet_tls::enrolment_client_config(
        iryonet_tls::Profile::Guideline43,
        world.roots(),
        Expect::Center(None),
        Clock::system(),
    )
    .unwrap()
}

async fn shown(connector: &Connector, address: SocketAddr) -> (Fingerprint, UnixMillis) {
    let stream = TcpStream::connect(address).await.unwrap();
    let met = connector.connect(stream, &HandshakeLimits::default()).await;
    let (_, proof) = met.unwrap();
    (proof.fingerprint, proof.not_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_center_that_runs_renews_its_own_certificate_and_cuts_no_connection() {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    nearly_due(&ground, Duration::from_secs(6));
    let world = World::on(ground).await;
    let gateway = world.gateway("gw-a", 1).await;
    let (mut feed, _) = crate::support::Feed::open(&world, &gateway).await;
    let mut public = world.public().await;
    let nobody = as_nobody(&world);
    let (public_address, staff_address) = (
        world.running.public_address(),
        world.running.staff_address().unwrap(),
    );
    let old = shown(&nobody, public_address).await;
    let begun = Instant::now();
    let new = loop {
        let found = shown(&nobody, public_address).await;
        if found.0 != old.0 {
            break found;
        }
        assert!(begun.elapsed() < DEADLINE, "it was never renewed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(new.1 > old.1);
    // Every door shows the same one.
    assert_eq!(shown(&nobody, staff_address).await, new);
    let as_gateway = iryonet_tls::client_config(
        iryonet_tls::Profile::Guideline43,
        &gateway.identity,
        world.roots(),
        Expect::Center(None),
        Clock::system(),
    )
    .unwrap();
    assert_eq!(
        shown(&as_gateway, world.running.device_address()).await,
        new
    );
    // Who was connected before is connected still.
    assert_eq!(public.get("/v1/ca").await.status, StatusCode::OK);
    world.participant("clinic", "gw-a", "line0").await;
    assert!(!feed.delta(10_000).await.changes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_or_revoked_certificate_renews_nothing_even_on_an_open_connection() {
    let world = World::on(old_ground()).await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let (device, _) = device_of_age(&world, clinic, 40, 60).await;
    let mut connection = world.public_as(&device.identity).await.unwrap();
    let mut renew = async || {
        let (_, csr) = key_and_csr();
        let path = format!("{EST}/simplereenroll");
        let headers = [("content-type", "application/pkcs10")];
        connection
            .send_with(Method::POST, &path, headers, csr.into_bytes())
            .await
    };
    assert_eq!(renew().await.status, StatusCode::OK);
    let path = format!("/v1/participants/{clinic}");
    let reason = json!({"reason": "鍵の漏えいの疑い"});
    world.act(&format!("{path}/quarantine"), reason).await;
    let answer = renew().await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.code(), "participant-quarantined");
    world.act(&format!("{path}/release"), json!({})).await;
    assert_eq!(renew().await.status, StatusCode::OK);
    world
        .act(
            &format!("/v1/devices/{}/revoke", device.fingerprint()),
            json!({"reason": "key-compromise"}),
        )
        .await;
    let answer = renew().await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.code(), "certificate-revoked");
}
