//! 自動検査: the center itself looks at the services and names of a case, against
//! a real nginx and a real DNS server (Knot), in a network of their own where the
//! provider's address is a real one.

use crate::support::{Ground, World};
use iryonet_center::client::ClientError;
use iryonet_center::config::ChecksConfig;
use serde_json::{Value, json};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Much longer than a look takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a server that meets guideline 4.3 says in its configuration.
const GOOD: &str = "
    ssl_certificate server.pem; ssl_certificate_key server.key;
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;
    ssl_prefer_server_ciphers on;
    ssl_ecdh_curve prime256v1:secp384r1;
    ssl_client_certificate root.pem; ssl_verify_client on;
    ssl_session_cache off; ssl_session_tickets off;
";

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let master = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A program that somebody can connect to at this address once it runs.
fn start(program: &str, arguments: &[&str], folder: &Path, at: &str) -> Server {
    let log = std::fs::File::create(folder.join(format!("{program}.log"))).unwrap();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; scripts/setup.sh installs it"));
    let begun = Instant::now();
    while std::net::TcpStream::connect(at).is_err() {
        if child.try_wait().unwrap().is_some() || begun.elapsed() > DEADLINE {
            let log = std::fs::read_to_string(folder.join(format!("{program}.log")));
            let _ = child.kill();
            panic!("{program} does not start: {}", log.unwrap_or_default());
        }
        std::thread::yield_now();
    }
    Server(child)
}

fn nginx(folder: &Path, address: Ipv6Addr) -> Server {
    let configuration = format!(
        "daemon off; worker_processes 1; pid nginx.pid; events {{}}
         http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2;
           fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
           server {{ listen [{address}]:443 ssl; {GOOD} location / {{ return 200 'claims'; }} }} }}"
    );
    std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
    let at = folder.to_str().unwrap();
    let arguments = ["-p", at, "-c", "nginx.conf", "-e", "stderr"];
    start("nginx", &arguments, folder, &format!("[{address}]:443"))
}

/// The name leads to `address` and to `more`, and the address to `back`.
fn knot(folder: &Path, address: Ipv6Addr, more: &str, back: &str) -> Server {
    let at = folder.to_str().unwrap();
    let head = "@ 60 IN SOA ns.example. admin.example. 1 60 60 60 60\n@ 60 IN NS ns.example.\n";
    let reverse: String = address
        .octets()
        .iter()
        .rev()
        .flat_map(|octet| [octet & 15, octet >> 4])
        .map(|half| format!("{half:x}."))
        .collect();
    for (zone, records) in [
        (
            "claims.example",
            format!("@ 60 IN AAAA {address}\n{more}\n"),
        ),
        (
            "8.b.d.0.1.0.0.2.ip6.arpa",
            format!("{reverse}ip6.arpa. 60 IN PTR {back}\n"),
        ),
    ] {
        let text = format!("$ORIGIN {zone}.\n{head}{records}");
        std::fs::write(folder.join(format!("{zone}.zone")), text).unwrap();
    }
    let configuration = format!(
        "server:\n  rundir: \"{at}\"\n  listen: \"::1@53\"\n  user: root\n\
         database:\n  storage: \"{at}/db\"\n\
         template:\n  - id: default\n    storage: \"{at}\"\n    file: \"%s.zone\"\n\
         zone:\n  - domain: claims.example\n  - domain: 8.b.d.0.1.0.0.2.ip6.arpa\n"
    );
    std::fs::write(folder.join("knot.conf"), configuration).unwrap();
    start("knotd", &["-c", "knot.conf"], folder, "[::1]:53")
}

/// A root of services, and a certificate of `claims.example` by it.
fn certify(folder: &Path) -> PathBuf {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let root = params.self_signed(&root_key).unwrap();
    let issuer = rcgen::Issuer::new(params, root_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["claims.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let leaf = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("root.pem"), root.pem()).unwrap();
    std::fs::write(folder.join("server.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    folder.join("root.pem")
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// The case's evidence, once this is so.
async fn evidence(world: &World, case: u64, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let shown = world.get(&format!("/v1/cases/{case}")).await;
        let evidence = shown["evidence"].as_array().unwrap();
        if is_so(evidence) {
            return evidence.clone();
        }
        assert!(begun.elapsed() < DEADLINE, "{evidence:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of<'a>(evidence: &'a [Value], kind: &str) -> &'a Value {
    let found = evidence.iter().find(|one| one["evidence"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {evidence:#?}"))
}

#[test]
fn what_a_provider_registered_is_looked_at_by_the_center_and_what_it_finds_is_evidence() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: a network of its own needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN)");
        return;
    }
    // Before there is a second thread: those of the center are born in here.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(looked_at());
}

async fn looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let trust = certify(folder.path());
    let mut ground = Ground::new();
    ground.config.checks = Some(ChecksConfig {
        resolver: Some("[::1]:53".parse().unwrap()),
        profile: iryonet_tlscheck::Profile::default(),
        trust: Some(trust),
    });
    iryonet_center::init(&ground.config).unwrap();
    let world = World::on(ground).await;
    world.gateway("gw-a", 1).await;
    let provider = world.participant("provider", "gw-a", "eth1").await;
    let shown = world.get(&format!("/v1/participants/{provider}")).await;
    let prefix = shown["sites"][0]["prefix"].as_str().unwrap();
    let address: Ipv6Addr = prefix.replace("::/64", "::10").parse().unwrap();
    ip(&format!("-6 addr add {address}/128 dev lo nodad"));
    let service = json!({"provider": provider, "name": "オンライン請求", "class": "interactive",
        "purposes": ["online-claims"], "offer": {"dns": "claims.example"},
        "endpoints": [{"protocol": "tcp", "address": address, "port": 443}], "eligible": []});
    world.act("/v1/services", service).await;

    let servers = (
        nginx(folder.path(), address),
        knot(folder.path(), address, "", "claims.example."),
    );
    let application = json!({"application": {"kind": "audit", "reason": "年次監査"},
        "participant": provider});
    let case = world.act("/v1/cases", application).await["case"]
        .as_u64()
        .unwrap();
    let step = async |word: &str, mut body: Value| {
        let shown = world.get(&format!("/v1/cases/{case}")).await;
        body["version"] = shown["version"].clone();
        world.act(&format!("/v1/cases/{case}/{word}"), body).await
    };
    let asked = async |actor: &str| {
        let path = format!("/v1/cases/{case}/checks");
        let actor = actor.parse().unwrap();
        let nothing = json!({});
        world
            .client
            .request("POST", &path, Some(&actor), Some(&nothing))
            .await
    };
    step("accept", json!({})).await;
    // Nobody examines it yet: there is nothing to look at.
    let error = asked("examiner:kato").await.unwrap_err();
    assert_eq!(error.code(), Some("nothing-to-check"), "{error}");

    // Nobody asked: the examination begins, and the center looks.
    step("begin", json!({})).await;
    let found = evidence(&world, case, |found| found.len() == 3).await;
    for kind in [
        "tls-check-of-service",
        "domain-reverse-check",
        "address-reverse-check",
    ] {
        let one = of(&found, kind);
        assert_eq!(one["passed"], true, "{one:#}");
        assert!(
            one["text"]["ja"].is_string() && one["text"]["en"].is_string(),
            "{one:#}"
        );
    }
    assert_eq!(
        of(&found, "tls-check-of-service")["about"],
        "claims.example:443"
    );
    step(
        "judge",
        json!({"judgements": [{"rule": "provider.tls-1.2-only", "verdict": "met",
            "evidence": "tls-check-of-service"}]}),
    )
    .await;
    let page = world.get("/v1/ledger?limit=1000").await;
    let entries = page["entries"].as_array().unwrap();
    let recorded = entries
        .iter()
        .filter(|entry| entry.to_string().contains("tls-check-of-service"))
        .find(|entry| entry.to_string().contains("system:center-1"));
    assert!(recorded.is_some(), "{entries:#?}");

    // The server is gone, its name leads to a stranger too, and its address away.
    drop(servers);
    let _knot = knot(
        folder.path(),
        address,
        "@ 60 IN AAAA 2001:db8:ffff::66",
        "elsewhere.example.",
    );
    let answer = asked("operator:suzuki").await.unwrap();
    assert_eq!(answer["checks"].as_array().unwrap().len(), 3, "{answer}");
    let found = evidence(&world, case, |found| {
        found.len() == 3 && found.iter().all(|one| one["passed"] == false)
    })
    .await;
    for (kind, says) in [
        ("tls-check-of-service", "not-reached"),
        ("domain-reverse-check", "2001:db8:ffff::66"),
        ("address-reverse-check", "does not lead back"),
    ] {
        let one = of(&found, kind);
        assert!(
            one["text"]["en"].as_str().unwrap().contains(says),
            "{one:#}"
        );
    }
    // By what is found now, it can be judged no more.
    let shown = world.get(&format!("/v1/cases/{case}")).await;
    let body = json!({"version": shown["version"], "judgements": [{"rule":
        "provider.tls-high-security", "verdict": "met", "evidence": "tls-check-of-service"}]});
    let error = world
        .refused(&format!("/v1/cases/{case}/judge"), body)
        .await;
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");

    for nobody in ["auditor:x", "officer:tanaka", "approver:mori"] {
        let error = asked(nobody).await.unwrap_err();
        assert_eq!(error.code(), Some("role-may-not"), "{nobody}: {error}");
    }
}
