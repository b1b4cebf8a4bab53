//! The attach conversation as a device meets it: over memory, with real TLS and
//! certificates of a real CA, against an engine with a datapath that remembers.

use super::not_taken;
use super::session::{End, Place, serve};
use crate::engine::{Engine, Terms};
use crate::policy::Policy;
use crate::routes::RouteKeeper;
use crate::testing::{DAY_MS, Fake, Hands, IFINDEX, certify, device_profile, new_ca, number};
use iryonet_agent::frames;
use iryonet_agent::netlink::Interface;
use iryonet_authority::{IssuingCa, Profile as For, ServerNames};
use iryonet_domain::{Circuit, DeviceId, LineId, LineKind, UnixMillis};
use iryonet_tls::{
    ClientPolicy, ClientTrust, Clock, Connector, Expect, HandshakeLimits, LocalIdentity, PeerProof,
    Profile, TlsStream, TrustRoots, client_config, enrolment_client_config, server_config,
};
use iryonet_wire::attach::{FromDevice, FromGateway, Refusal, VERSION};
use iryonet_wire::feed::{
    Change, Condition, Delta, DeviceEntry, FORMAT, LineEntry, ParticipantEntry, Snapshot,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

/// A CA, a gateway with one line, and its clock.
struct Lab {
    _dir: tempfile::TempDir,
    ca: IssuingCa,
    rng: StdRng,
    now: UnixMillis,
    hands: Hands,
    kernel: Fake,
    engine: Arc<Engine>,
    acceptor: iryonet_tls::Acceptor,
    revision: u64,
}

impl Lab {
    fn new() -> Self {
        Self::with_room_for(100)
    }

    fn with_room_for(attachments_max: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let mut rng = StdRng::from_os_rng();
        let ca = new_ca(&dir.path().join("ca"), now, &mut rng);
        let own = certify(
            &ca,
            &For::Gateway {
                id: "gw-a".parse().unwrap(),
                names: ServerNames::default(),
            },
            now,
            &mut rng,
        );
        let hands = Hands::at(now);
        let kernel = Fake::default();
        let policy = Policy::new("gw-a".parse().unwrap(), "2001:db8::/32".parse().unwrap());
        let engine = Engine::new(
            policy,
            Box::new(kernel.clone()),
            Box::new(hands.clone()),
            UnixMillis(0),
            Terms {
                lease: Duration::from_secs(10),
                renew: Duration::from_secs(3),
                attachments_max,
            },
        );
        let trust = ClientTrust {
            roots: TrustRoots::from_pem(ca.root_pem().as_bytes()).unwrap(),
            policy: ClientPolicy::PARTICIPANTS,
        };
        let acceptor = server_config(Profile::Guideline43, &own, trust, Clock::system()).unwrap();
        Self {
            _dir: dir,
            ca,
            rng,
            now,
            hands,
            kernel,
            engine: Arc::new(engine),
            acceptor,
            revision: 0,
        }
    }

    fn device(&mut self, n: u32, device: u32) -> (LocalIdentity, PeerProof) {
        let identity = certify(
            &self.ca,
            &device_profile(n, device),
            self.now,
            &mut self.rng,
        );
        let proof = identity.proof().unwrap();
        (identity, proof)
    }

    /// Participant 7 has line 1 on `c1`; these devices are listed.
    fn policy(&mut self, devices: &[(u32, &PeerProof)]) {
        self.revision = 1;
        let snapshot = Snapshot {
            format: FORMAT,
            network: "2001:db8::/32".parse().unwrap(),
            gateway: "gw-a".parse().unwrap(),
            revision: 1,
            issued_at: self.now,
            valid_until: self.now.plus_ms(DAY_MS),
            gateways: vec![],
            participants: [7, 8]
                .map(|n| ParticipantEntry {
                    number: number(n),
                    condition: Condition::Live,
                    generation: 1,
                })
                .to_vec(),
            services: vec![],
            grants: vec![],
            lines: vec![LineEntry {
                line: LineId(1),
                kind: LineKind::Ethernet,
                circuit: Circuit {
                    gateway: "gw-a".parse().unwrap(),
                    interface: "c1".to_owned(),
                },
                participant: number(7),
                site: 0,
            }],
            devices: devices
                .iter()
                .map(|(n, proof)| DeviceEntry {
                    participant: number(*n),
                    device: DeviceId(1),
                    fingerprint: proof.fingerprint,
                    not_after: proof.not_after,
                })
                .collect(),
        };
        self.engine.apply_snapshot(snapshot, 0).unwrap();
    }

    fn change(&mut self, changes: Vec<Change>) {
        let delta = Delta {
            format: FORMAT,
            gateway: "gw-a".parse().unwrap(),
            from_revision: self.revision,
            to_revision: self.revision + 1,
            issued_at: self.now,
            valid_until: self.now.plus_ms(DAY_MS),
            changes,
        };
        self.engine.apply_delta(delta).unwrap();
        self.revision += 1;
    }

    fn connector(&self, identity: &LocalIdentity) -> Connector {
        client_config(
            Profile::Guideline43,
            identity,
            TrustRoots::from_pem(self.ca.root_pem().as_bytes()).unwrap(),
            Expect::Gateway(None),
            Clock::system(),
        )
        .unwrap()
    }

    /// A connection to the attach door of this interface.
    fn door(&self, interface: &str) -> (DuplexStream, JoinHandle<End>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (engine, acceptor) = (Arc::clone(&self.engine), self.acceptor.clone());
        let place = Place {
            interface: Arc::from(interface),
            ifindex: IFINDEX,
            hop: "fe80::2".parse().unwrap(),
        };
        let session = tokio::spawn(async move {
            let limits = HandshakeLimits {
                timeout: Duration::from_secs(5),
                octets: 32 << 10,
            };
            let routes = RouteKeeper::none();
            serve(&engine, &acceptor, &routes, &limits, &place, ours).await
        });
        (theirs, session)
    }

    /// Through the handshake and the hello.
    async fn attach(&self, interface: &str, identity: &LocalIdentity) -> Device {
        let (stream, session) = self.door(interface);
        let connector = self.connector(identity);
        let (mut stream, _) = connector
            .connect(stream, &HandshakeLimits::default())
            .await
            .unwrap();
        frames::write(
            &mut stream,
            &FromDevice::Hello {
                version: VERSION,
                agent: "test".to_owned(),
            },
        )
        .await
        .unwrap();
        Device { stream, session }
    }

    fn counted(&self, interface: &str, reason: &'static str) -> u64 {
        self.engine
            .refusals()
            .get(&(interface.to_owned(), reason))
            .copied()
            .unwrap_or(0)
    }
}

struct Device {
    stream: TlsStream<DuplexStream>,
    session: JoinHandle<End>,
}

impl Device {
    async fn hear(&mut self) -> FromGateway {
        frames::read(&mut self.stream).await.unwrap()
    }

    async fn say(&mut self, message: &FromDevice) {
        frames::write(&mut self.stream, message).await.unwrap();
    }

    async fn refused_with(mut self) -> Refusal {
        match self.hear().await {
            FromGateway::Refused { reason, .. } => {
                drop(self.stream);
                self.session.await.unwrap();
                reason
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_listed_device_is_bound_renews_and_leaves() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    let FromGateway::Bound {
        participant,
        prefix,
        lease_ms,
        renew_ms,
        ..
    } = device.hear().await
    else {
        panic!("not bound")
    };
    assert_eq!(participant, number(7));
    assert_eq!(prefix.to_string(), "2001:db8:0:700::");
    assert_eq!((lease_ms, renew_ms), (10_000, 3_000));
    assert_eq!(lab.kernel.bound(), Some(number(7)));
    let routes = lab.engine.site_routes();
    assert_eq!(
        routes
            .iter()
            .map(|r| (r.prefix.to_string(), r.hop.to_string(), r.ifindex))
            .collect::<Vec<_>>(),
        [(
            "2001:db8:0:700::/64".to_owned(),
            "fe80::2".to_owned(),
            IFINDEX
        )]
    );
    let before = lab.kernel.lease_end_ns();
    lab.hands.pass_ms(2_000);
    device.say(&FromDevice::Renew { sequence: 1 }).await;
    assert_eq!(device.hear().await, FromGateway::Renewed { sequence: 1 });
    assert_eq!(lab.kernel.lease_end_ns(), before + 2_000_000_000);
    device.say(&FromDevice::Bye).await;
    assert_eq!(device.session.await.unwrap(), End::Bye);
    assert_eq!(lab.kernel.bound(), None);
    assert!(lab.engine.site_routes().is_empty());
}

#[tokio::test]
async fn the_binding_dies_with_its_session() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    drop(device.stream);
    assert_eq!(device.session.await.unwrap(), End::Lost);
    assert_eq!(lab.kernel.bound(), None);
}

#[tokio::test]
async fn a_gateway_that_stops_leaves_the_binding_to_run_out_by_itself() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    lab.engine.stop();
    device.session.abort();
    let _ = device.session.await;
    assert_eq!(lab.kernel.bound(), Some(number(7)));
    let late = lab.attach("c1", &identity).await;
    assert_eq!(late.refused_with().await, Refusal::Draining);
}

#[tokio::test]
async fn whoever_may_not_is_told_why_and_counted() {
    let mut lab = Lab::new();
    let (mine, mine_proof) = lab.device(7, 1);
    let (other, other_proof) = lab.device(8, 1);
    let (unlisted, _) = lab.device(7, 2);
    assert_eq!(
        lab.attach("c1", &mine).await.refused_with().await,
        Refusal::NoPolicy
    );
    lab.policy(&[(7, &mine_proof), (8, &other_proof)]);
    for (interface, identity, reason) in [
        ("c9", &mine, Refusal::UnknownLine),
        ("c1", &other, Refusal::WrongLine),
        ("c1", &unlisted, Refusal::UnknownDevice),
    ] {
        assert_eq!(
            lab.attach(interface, identity).await.refused_with().await,
            reason
        );
        assert_eq!(lab.counted(interface, reason.as_str()), 1);
        assert_eq!(lab.kernel.bound(), None);
    }
    for (condition, reason) in [
        (Condition::Quarantined, Refusal::Quarantined),
        (Condition::Closed, Refusal::Closed),
    ] {
        lab.change(vec![Change::Participant(ParticipantEntry {
            number: number(7),
            condition,
            generation: 2,
        })]);
        assert_eq!(lab.attach("c1", &mine).await.refused_with().await, reason);
        assert_eq!(lab.counted("c1", reason.as_str()), 1);
    }
    lab.policy(&[(8, &other_proof)]);
    assert_eq!(
        lab.attach("c1", &mine).await.refused_with().await,
        Refusal::Revoked
    );
    assert_eq!(lab.counted("c1", "revoked"), 1);
}

#[tokio::test]
async fn a_certificate_that_runs_out_is_refused_by_the_registrys_word_too() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    lab.change(vec![Change::Device(DeviceEntry {
        participant: number(7),
        device: DeviceId(1),
        fingerprint: proof.fingerprint,
        not_after: lab.now.plus_ms(1_000),
    })]);
    let mut device = lab.attach("c1", &identity).await;
    assert!(matches!(device.hear().await, FromGateway::Bound { .. }));
    lab.hands.pass_ms(1_000);
    lab.engine.due();
    assert_eq!(device.refused_with().await, Refusal::Expired);
    assert_eq!(lab.kernel.bound(), None);
    assert_eq!(
        lab.attach("c1", &identity).await.refused_with().await,
        Refusal::Expired
    );
}

#[tokio::test]
async fn a_revocation_cuts_the_line_in_the_datapath_before_the_device_hears_of_it() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    lab.change(vec![Change::DeviceGone(proof.fingerprint)]);
    // Nothing has been awaited: the session has not run since.
    assert_eq!(lab.kernel.bound(), None);
    assert_eq!(device.refused_with().await, Refusal::Revoked);
}

#[tokio::test]
async fn a_device_that_falls_silent_loses_the_line_when_its_lease_ends() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    lab.hands.pass_ms(9_999);
    lab.engine.due();
    assert_eq!(lab.kernel.bound(), Some(number(7)));
    lab.hands.pass_ms(1);
    lab.engine.due();
    assert_eq!(lab.kernel.bound(), None);
    assert_eq!(device.session.await.unwrap(), End::Lost);
}

#[tokio::test]
async fn the_newer_attachment_takes_over_and_the_older_is_told() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut first = lab.attach("c1", &identity).await;
    first.hear().await;
    let mut second = lab.attach("c1", &identity).await;
    assert!(matches!(second.hear().await, FromGateway::Bound { .. }));
    assert_eq!(first.refused_with().await, Refusal::Superseded);
    // The older one's end has not touched the newer one's binding.
    assert_eq!(lab.kernel.bound(), Some(number(7)));
    second.say(&FromDevice::Renew { sequence: 1 }).await;
    assert_eq!(second.hear().await, FromGateway::Renewed { sequence: 1 });
}

#[tokio::test]
async fn a_full_gateway_says_so() {
    let mut lab = Lab::with_room_for(0);
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    assert_eq!(
        lab.attach("c1", &identity).await.refused_with().await,
        Refusal::Full
    );
}

#[tokio::test]
async fn whoever_breaks_the_rules_of_the_conversation_is_refused() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let hello = |version| FromDevice::Hello {
        version,
        agent: String::new(),
    };
    for (place, first) in [hello(VERSION + 1), FromDevice::Renew { sequence: 1 }]
        .into_iter()
        .enumerate()
    {
        let (stream, session) = lab.door("c1");
        let (mut stream, _) = lab
            .connector(&identity)
            .connect(stream, &HandshakeLimits::default())
            .await
            .unwrap();
        frames::write(&mut stream, &first).await.unwrap();
        let device = Device { stream, session };
        assert_eq!(device.refused_with().await, Refusal::Protocol, "{place}");
    }
    // Rubbish after being bound: cut, and the line is free.
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    device.stream.write_all(&[0xff; 8]).await.unwrap();
    assert_eq!(device.refused_with().await, Refusal::Protocol);
    assert_eq!(lab.kernel.bound(), None);
    assert_eq!(lab.counted("c1", "protocol"), 3);
}

#[tokio::test]
async fn a_handshake_that_fails_is_counted_by_its_reason() {
    let mut lab = Lab::new();
    let (_, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let roots = || TrustRoots::from_pem(lab.ca.root_pem().as_bytes()).unwrap();
    let bare = enrolment_client_config(
        Profile::Guideline43,
        roots(),
        Expect::Gateway(None),
        Clock::system(),
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let foreign_ca = new_ca(&dir.path().join("ca"), lab.now, &mut rng);
    let foreign = certify(&foreign_ca, &device_profile(7, 1), lab.now, &mut rng);
    for (connector, reason) in [
        (bare, "no-certificate"),
        (lab.connector(&foreign), "unknown-authority"),
    ] {
        let (stream, session) = lab.door("c1");
        let _ = connector.connect(stream, &HandshakeLimits::default()).await;
        assert_eq!(session.await.unwrap(), End::Handshake(reason));
        assert_eq!(lab.counted("c1", reason), 1);
    }
    let (mut stream, session) = lab.door("c1");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(session.await.unwrap(), End::Handshake("other"));
}

#[tokio::test]
async fn while_the_kernel_refuses_nothing_is_told_as_enforced_and_it_is_tried_until_it_does() {
    let mut lab = Lab::new();
    let (identity, proof) = lab.device(7, 1);
    lab.policy(&[(7, &proof)]);
    let mut device = lab.attach("c1", &identity).await;
    device.hear().await;
    assert_eq!(lab.engine.enforced().map(|a| a.revision), Some(1));
    lab.kernel.refuses.store(true, Ordering::SeqCst);
    lab.change(vec![
        Change::DeviceGone(proof.fingerprint),
        Change::ParticipantGone(number(8)),
    ]);
    // The line hangs in the datapath: that is not hidden from the center.
    assert_eq!(lab.kernel.bound(), Some(number(7)));
    assert_eq!(lab.engine.enforced(), None);
    assert!(lab.engine.due() <= Duration::from_secs(1));
    assert_eq!(lab.engine.enforced(), None);
    lab.kernel.refuses.store(false, Ordering::SeqCst);
    let reconciled = lab.kernel.reconciled.load(Ordering::SeqCst);
    lab.engine.due();
    assert_eq!(lab.kernel.bound(), None);
    assert_eq!(lab.kernel.reconciled.load(Ordering::SeqCst), reconciled + 1);
    assert_eq!(lab.engine.enforced().map(|a| a.revision), Some(2));
}

#[test]
fn what_is_no_line_is_closed_unless_it_may_be_in_use() {
    let interface = |name: &str, index, up| (name.to_owned(), Interface { index, up });
    let interfaces = [
        interface("lo", 1, true),
        interface("backbone", 2, true),
        interface("c1", 3, true),
        interface("c2", 4, false),
        interface("c3", 5, false),
        interface("management", 6, true),
    ];
    // c2 is a line that has just gone down.
    let (down, up) = not_taken(&interfaces, &[2, 3, 4].into());
    assert_eq!(down, ["c3"]);
    assert_eq!(up, ["management"]);
}
