//! Two sites and a gateway in network namespaces of their own, over veth, with
//! the real datapath, real TLS and no center: the gateway starts with the
//! signed policy that it has on disk.
//!
//! Needs root; without, it says so and does nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken fixture may stop a test at once; a skipped one says so"
)]

use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{
    CaName, Csr, Custody, IssuingCa, Profile as For, RootCa, RootSpec, ServerNames, issue,
};
use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, InstitutionKind, LineId, LineKind, NetworkPrefix,
    ParticipantKind, ParticipantNumber, Protocol, ServiceId, TrafficClass, UnixMillis,
};
use iryonet_site::status::State;
use iryonet_tls::LocalIdentity;
use iryonet_wire::feed::{
    Condition, DeviceEntry, FORMAT, GatewayEntry, Grant, LineEntry, ParticipantEntry, ServiceEntry,
    Snapshot,
};
use iryonet_wire::signed::{Kind, PolicySigner};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const DAY_MS: u64 = 86_400_000;
const PORT: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(20);

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(
        done.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Namespaces and mounts, gone at the end whatever happens.
struct Ground {
    dir: tempfile::TempDir,
    names: Vec<String>,
    bpf: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bpf = dir.path().join("bpf");
        std::fs::create_dir(&bpf).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "bpf", "bpf"])
            .arg(&bpf)
            .status()
            .unwrap();
        assert!(mounted.success());
        let mut ground = Self {
            dir,
            names: Vec::new(),
            bpf,
        };
        for part in ["gw", "a", "p"] {
            let name = format!("irytest-{}-{part}", std::process::id());
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
            ground.names.push(name);
        }
        let [gw, a, p] = ["gw", "a", "p"].map(|part| ground.name(part));
        for (site, circuit) in [(&a, "c1"), (&p, "c2")] {
            ip(&format!(
                "-n {gw} link add {circuit} type veth peer name line0 netns {site}"
            ));
            ip(&format!("-n {site} link add lan0 type veth peer name lan1"));
            ip(&format!("-n {site} link set lan1 up"));
        }
        ip(&format!("-n {gw} link add bb0 type veth peer name bb1"));
        ip(&format!("-n {gw} link set bb0 up"));
        ground
    }

    fn name(&self, part: &str) -> String {
        format!("irytest-{}-{part}", std::process::id())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs this in a thread that lives in a namespace.
    fn inside<T: Send + 'static>(
        &self,
        part: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let path = format!("/run/netns/{}", self.name(part));
        std::thread::spawn(move || {
            let namespace = std::fs::File::open(path).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        let _ = Command::new("umount").arg(&self.bpf).status();
    }
}

/// A daemon in a namespace, stopped when asked.
struct Daemon {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Daemon {
    fn start<F>(
        ground: &Ground,
        part: &str,
        work: impl FnOnce(tokio::sync::oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>>,
    {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = ground.inside(part, move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let result = runtime.block_on(work(stopped));
            runtime.shutdown_timeout(Duration::from_secs(2));
            result
        });
        Self { stop, thread }
    }

    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap().unwrap();
    }
}

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(n).unwrap()
}

fn network() -> NetworkPrefix {
    "2001:db8::/32".parse().unwrap()
}

struct Authority {
    ca: IssuingCa,
    rng: StdRng,
    now: UnixMillis,
}

impl Authority {
    fn new(dir: &Path) -> Self {
        let now = iryonet_agent::clock::wall();
        let mut rng = StdRng::from_os_rng();
        let name = |common_name: &str| CaName {
            organisation: "iryonet".to_owned(),
            common_name: common_name.to_owned(),
        };
        let long_ago = UnixMillis(now.0 - 40 * DAY_MS);
        let root_spec = RootSpec {
            name: name("root"),
            key: CaKey::P384,
            custody: Custody::PlainFile,
        };
        let root = RootCa::make(dir, &root_spec, long_ago, &mut rng).unwrap();
        let spec = IssuingSpec {
            name: name("issuing"),
            key: CaKey::P256,
            life_days: 2_000,
            custody: Custody::PlainFile,
        };
        let ca = IssuingCa::make(&root, dir, &spec, long_ago, &mut rng).unwrap();
        Self { ca, rng, now }
    }

    /// Writes key.pem and certificate.pem into the directory.
    fn certify(&mut self, profile: &For, directory: &Path) -> LocalIdentity {
        std::fs::create_dir_all(directory).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let csr = Csr::parse(request.der()).unwrap();
        let made = issue(
            &self.ca,
            profile,
            &csr,
            Some(30 * DAY_MS),
            self.now,
            &mut self.rng,
        )
        .unwrap();
        let key = key.serialize_pem();
        std::fs::write(directory.join("key.pem"), &key).unwrap();
        std::fs::write(directory.join("certificate.pem"), &made.chain_pem).unwrap();
        LocalIdentity::from_pem(made.chain_pem.as_bytes(), key.as_bytes()).unwrap()
    }

    fn device(&mut self, n: u32, line: u32, interface: &str, directory: &Path) -> Listed {
        let profile = For::Institution {
            number: number(n),
            device: DeviceId(1),
            name: "青葉医院".to_owned(),
            kind: ParticipantKind::Institution(InstitutionKind::Clinic),
            code: None,
        };
        let proof = self.certify(&profile, directory).proof().unwrap();
        Listed {
            line: LineEntry {
                line: LineId(line),
                kind: LineKind::Ethernet,
                circuit: Circuit {
                    gateway: "gw-a".parse().unwrap(),
                    interface: interface.to_owned(),
                },
                participant: number(n),
                site: 0,
            },
            device: DeviceEntry {
                participant: number(n),
                device: DeviceId(1),
                fingerprint: proof.fingerprint,
                not_after: proof.not_after,
            },
        }
    }
}

struct Listed {
    line: LineEntry,
    device: DeviceEntry,
}

/// 7 may use service 3 of 9, and nothing else may anything.
fn snapshot(now: UnixMillis, listed: Vec<Listed>) -> Snapshot {
    let participant = |n| ParticipantEntry {
        number: number(n),
        condition: Condition::Live,
        generation: 1,
    };
    let (lines, devices) = listed.into_iter().map(|l| (l.line, l.device)).unzip();
    Snapshot {
        format: FORMAT,
        network: network(),
        gateway: "gw-a".parse().unwrap(),
        revision: 5,
        issued_at: now,
        valid_until: now.plus_ms(DAY_MS),
        gateways: vec![GatewayEntry {
            gateway: "gw-a".parse().unwrap(),
            backbone: network().infrastructure(1, 10),
            blocks: vec![0],
        }],
        participants: vec![participant(7), participant(9)],
        services: vec![ServiceEntry {
            service: ServiceId::new(3).unwrap(),
            provider: number(9),
            class: TrafficClass::Interactive,
            endpoints: vec![Endpoint {
                address: provider(),
                protocol: Protocol::Tcp,
                port: PORT,
            }],
        }],
        grants: vec![Grant {
            participant: number(7),
            service: ServiceId::new(3).unwrap(),
            agreement: AgreementId(1),
            from: UnixMillis(0),
            until: now.plus_ms(DAY_MS),
        }],
        lines,
        devices,
    }
}

fn provider() -> Ipv6Addr {
    network().site(number(9), 0).host(1)
}

/// Waits for it, looking often.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn site_config(ground: &Ground, part: &str) -> iryonet_site::Config {
    let text = format!(
        "state_dir = {:?}\nline_interface = \"line0\"\nlan_interface = \"lan0\"\nroot_certificate = {:?}\ncenter_name = \"center-1\"\n",
        ground.path(part),
        ground.path("ca").join("root.pem"),
    );
    iryonet_site::Config::parse(Path::new("site.toml"), &text).unwrap()
}

fn gateway_config(ground: &Ground) -> iryonet_gateway::Config {
    let text = format!(
        "name = \"gw-a\"\nstate_dir = {:?}\npin_dir = {:?}\ncontrol_socket = {:?}\ncenter_device = \"[2001:db8:0:1::1]:4443\"\ncenter_public = \"[2001:db8:0:1::1]:4444\"\ncenter_name = \"center-1\"\nroot_certificate = {:?}\nbackbone_interface = \"bb0\"\nlease_ms = 3000\nrenew_ms = 500\nflows_max = 4096\nparticipants_max = 1024\ngrants_max = 1024\nendpoints_max = 256\nlines_max = 64\n",
        ground.path("gw"),
        ground.bpf.join("gw"),
        ground.path("gw.sock"),
        ground.path("ca").join("root.pem"),
    );
    iryonet_gateway::Config::parse(Path::new("gateway.toml"), &text).unwrap()
}

fn start_gateway(ground: &Ground) -> Daemon {
    let config = gateway_config(ground);
    Daemon::start(ground, "gw", |stopped| async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        iryonet_gateway::run(config, shutdown)
            .await
            .map_err(|error| iryonet_agent::chain(&error))
    })
}

fn start_site(ground: &Ground, part: &str) -> Daemon {
    let config = site_config(ground, part);
    Daemon::start(ground, part, |stopped| async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        iryonet_site::run(config, shutdown, false)
            .await
            .map_err(|error| iryonet_agent::chain(&error))
    })
}

fn state(ground: &Ground, part: &str) -> State {
    iryonet_site::status(&site_config(ground, part))
        .unwrap()
        .state
}

fn gateway<T>(
    ask: impl Future<Output = Result<T, iryonet_gateway::control::ControlError>>,
) -> Option<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(ask)
        .ok()
}

/// How many refused packets of this reason the gateway counted.
fn dropped(ground: &Ground, reason: &str) -> u64 {
    let socket = ground.path("gw.sock");
    gateway(iryonet_gateway::control::drops(&socket))
        .unwrap()
        .totals
        .iter()
        .filter(|total| total.reason == reason)
        .map(|total| total.packets)
        .sum()
}

/// Asks the provider's service from site a; `None` when nothing comes back.
fn call(ground: &Ground, port: u16) -> Option<String> {
    ground
        .inside("a", move || {
            let address = SocketAddr::from((provider(), port));
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
            stream
                .set_read_timeout(Some(Duration::from_secs(2)))
                .unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
        .join()
        .unwrap()
}

#[test]
fn sites_attach_use_what_is_granted_and_survive_a_gateways_restart_without_the_center() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: namespaces and the datapath need root; run this test as root");
        return;
    }
    if std::env::var_os("IRYONET_TEST_LOG").is_some() {
        let _ = tracing_subscriber::fmt()
            .with_env_filter("info")
            .with_test_writer()
            .try_init();
    }
    let ground = Ground::new();
    let mut authority = Authority::new(&ground.path("ca"));
    let gateway_profile = For::Gateway {
        id: "gw-a".parse().unwrap(),
        names: ServerNames::default(),
    };
    authority.certify(&gateway_profile, &ground.path("gw"));
    let listed = vec![
        authority.device(7, 1, "c1", &ground.path("a")),
        authority.device(9, 2, "c2", &ground.path("p")),
    ];
    let signer = PolicySigner::from_pkcs8(&PolicySigner::generate_pkcs8().unwrap()).unwrap();
    let sealed = signer
        .seal(
            Kind::Snapshot,
            &snapshot(authority.now, listed).encode().unwrap(),
        )
        .unwrap();
    let hex: String = signer
        .public_key()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    std::fs::write(ground.path("gw").join("policy-keys"), hex).unwrap();
    std::fs::write(ground.path("gw").join("network"), network().to_string()).unwrap();
    std::fs::write(ground.path("gw").join("snapshot"), sealed).unwrap();

    let first = start_gateway(&ground);
    let sites = [start_site(&ground, "a"), start_site(&ground, "p")];
    for part in ["a", "p"] {
        until("attached", || state(&ground, part) == State::Attached);
    }

    let listen = |port| {
        ground
            .inside("p", move || {
                TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap()
            })
            .join()
            .unwrap()
    };
    let (granted, other) = (listen(PORT), listen(PORT + 1));
    // The granted one answers three times; the other would answer anybody.
    std::thread::spawn(move || while other.accept().is_ok() {});
    let service = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = granted.accept().unwrap();
            stream.write_all("紹介状".as_bytes()).unwrap();
        }
    });
    assert_eq!(call(&ground, PORT).as_deref(), Some("紹介状"));
    let before = dropped(&ground, "port-not-in-service");
    assert_eq!(call(&ground, PORT + 1), None);
    assert!(dropped(&ground, "port-not-in-service") > before);

    // The gateway's process ends: what it enforces stays, both ways.
    first.stop();
    assert_eq!(call(&ground, PORT).as_deref(), Some("紹介状"));
    assert_eq!(call(&ground, PORT + 1), None);

    // Another one takes over, with the policy on disk; no center anywhere.
    let second = start_gateway(&ground);
    let socket = ground.path("gw.sock");
    until("attached again", || {
        gateway(iryonet_gateway::control::status(&socket)).is_some_and(|status| {
            status.policy.revision == 5
                && status.policy.enforced
                && status
                    .lines
                    .iter()
                    .filter(|l| l.state == "attached")
                    .count()
                    == 2
        })
    });
    assert_eq!(call(&ground, PORT).as_deref(), Some("紹介状"));
    service.join().unwrap();

    // A site that leaves is unbound at once, and its network closes there too.
    let [a, p] = sites;
    a.stop();
    assert_eq!(state(&ground, "a"), State::NotRunning);
    until("unbound", || {
        gateway(iryonet_gateway::control::status(&socket))
            .unwrap()
            .lines
            .iter()
            .any(|l| l.line == LineId(1) && l.state == "waiting")
    });
    assert_eq!(call(&ground, PORT), None);
    p.stop();
    second.stop();
}
