//! 更新 with real processes, in a raised region: the issuing CA is rolled over,
//! then the certificates of a gateway and of a clinic run out, and one
//! connection from the clinic to its service lives through all of it.
//!
//! Wants root (network namespaces, BPF) and nginx, openssl.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers stop the test at once, as its body does"
)]

use iryonet_authority::{IssuingCa, Serial, instant};
use iryonet_domain::{DeviceId, Fingerprint, ParticipantNumber, UnixMillis};
use iryonet_registry::{CertificateFacts, CodeHash, Command as Act, Serial as Recorded};
use iryonet_store::SqliteStore;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose as Use, Issuer, KeyPair, SanType};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

const REGION: &str = r#"
[region]
name = "NAME"
network = "2001:db8::/32"

[[gateway]]
name = "gw-a"
blocks = [1]

[[gateway]]
name = "gw-b"
blocks = [2]

[[institution]]
key = "clinic"
name = "さくら内科クリニック"
name_en = "Sakura Internal Medicine Clinic"
kind = "clinic"
prefecture = 13
gateway = "gw-a"

[[provider]]
key = "regional"
name = "みなと地域医療連携ネットワーク"
name_en = "Minato Regional Medical Collaboration"
gateway = "gw-b"

[[service]]
key = "records"
provider = "regional"
name = "診療情報共有"
name_en = "Shared patient records"
class = "interactive"
purposes = ["regional-collaboration"]
port = 80

[[agreement]]
participant = "clinic"
service = "records"
purpose = "regional-collaboration"
"#;

/// How long the certificates live that run out while we look.
const LIFE: Duration = Duration::from_secs(45);
/// Nothing here takes this long; what does is broken.
const DEADLINE: Duration = Duration::from_secs(90);

struct Region {
    _dir: tempfile::TempDir,
    name: String,
    file: PathBuf,
    run: PathBuf,
    started: Vec<Child>,
}

impl Drop for Region {
    fn drop(&mut self) {
        // Also after a failed assertion: nothing stays on the machine.
        drop(self.pilot("down"));
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Region {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("r{}", std::process::id() % 1_000_000);
        let file = dir.path().join("region.toml");
        std::fs::write(&file, REGION.replace("NAME", &name)).unwrap();
        let run = dir.path().join("run");
        Self {
            _dir: dir,
            name,
            file,
            run,
            started: Vec::new(),
        }
    }

    fn pilot(&self, word: &str) -> Output {
        iryonet()
            .args(["pilot", word, "--region"])
            .arg(&self.file)
            .arg("--run-dir")
            .arg(&self.run)
            .output()
            .unwrap()
    }

    fn netns(&self, part: &str) -> PathBuf {
        Path::new("/run/netns").join(format!("iry-{}-{part}", self.name))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.run.join(path)
    }

    /// An operator's command.
    fn ask(&self, words: &[&str]) -> Value {
        let (noun, rest) = words.split_first().unwrap();
        let mut call = iryonet();
        call.arg(noun)
            .arg("--center")
            .arg(self.at("center/operator.sock"))
            .args(["--as", "operator:suzuki", "--json"])
            .args(rest);
        json(&mut call)
    }

    fn site(&self, key: &str) -> Value {
        let config = self.at(&format!("{key}/site.toml"));
        json(
            iryonet()
                .args(["site", "status", "--json", "--config"])
                .arg(config),
        )
    }

    fn gateway(&self, name: &str, what: &str) -> Value {
        let config = self.at(&format!("{name}/gateway.toml"));
        json(
            iryonet()
                .args(["gateway", what, "--json", "--config"])
                .arg(config),
        )
    }

    /// Packets that were refused because their line was bound to nobody.
    fn cut_off(&self) -> u64 {
        ["gw-a", "gw-b"]
            .iter()
            .flat_map(|name| {
                let drops = self.gateway(name, "drops");
                drops["totals"].as_array().unwrap().clone()
            })
            .filter(|total| total["reason"] == "not-attached")
            .map(|total| total["packets"].as_u64().unwrap())
            .sum()
    }

    /// Ends a process of the region.
    fn end(&self, process: &str, signal: &str) {
        let pid = std::fs::read_to_string(self.at(&format!("pids/{process}"))).unwrap();
        let pid = pid.split_whitespace().next().unwrap().to_owned();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        until(&format!("the end of {process}"), || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            (state.is_empty() || state.starts_with('Z')).then_some(())
        });
    }

    /// Starts a process of the region anew.
    fn start(&mut self, part: &str, words: &[&str], config: &str) {
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.at(&format!("logs/{part}-again.log")))
            .unwrap();
        let child = Command::new("nsenter")
            .arg(format!("--net={}", self.netns(part).display()))
            .arg(env!("CARGO_BIN_EXE_iryonet"))
            .args(words)
            .arg("--config")
            .arg(self.at(config))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.started.push(child);
    }

    fn number(&self, key: &str) -> ParticipantNumber {
        let state = std::fs::read(self.at("state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        let number = state["sites"][key]["number"].as_u64().unwrap();
        ParticipantNumber::new(u32::try_from(number).unwrap()).unwrap()
    }

    /// What openssl says of the certificate in a file, given the root and what
    /// stands behind it in the same file.
    fn openssl(&self, chain: &Path, purpose: &str) -> String {
        let root = self.at("root/root.pem").display().to_string();
        let chain = chain.display().to_string();
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", purpose])
            .args(["-CAfile", &root, "-untrusted", &chain, &chain])
            .output()
            .unwrap();
        text(&output)
    }
}

fn iryonet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iryonet"))
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn done(call: &mut Command) -> Output {
    let output = call.output().unwrap();
    assert!(output.status.success(), "{call:?}: {}", text(&output));
    output
}

fn json(call: &mut Command) -> Value {
    serde_json::from_slice(&done(call).stdout).unwrap()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}

fn issuer_of(chain: &Path) -> String {
    let output = done(
        Command::new("openssl")
            .args(["x509", "-noout", "-issuer", "-in"])
            .arg(chain),
    );
    text(&output)
}

/// A certificate that lives from now on for [`LIFE`], signed with the CA's key
/// but not by the authority, which gives none that runs out so soon after its
/// five minutes of the past.
struct Short {
    key_pem: String,
    chain_pem: String,
    facts: CertificateFacts,
}

fn short(issuing: &Path, identity: &str, uses: &[Use]) -> Short {
    let ca = IssuingCa::load(issuing).unwrap();
    let begins = UnixMillis(now().as_secs() * 1_000);
    let ends = begins.plus_ms(u64::try_from(LIFE.as_millis()).unwrap());
    let serial = Serial::draw(ca.tag(), 0, &mut rand::rng());
    let mut params = CertificateParams::default();
    params.not_before = instant::to_x509(begins).unwrap();
    params.not_after = instant::to_x509(ends).unwrap();
    params.serial_number = Some(serial.as_bytes().to_vec().into());
    params.use_authority_key_identifier_extension = true;
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = uses.to_vec();
    params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
    let pem = std::fs::read_to_string(issuing.join("issuing.key")).unwrap();
    let ca_key = KeyPair::from_pem(&pem).unwrap();
    let issuer = Issuer::from_ca_cert_der(ca.certificate(), ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    Short {
        key_pem: key.serialize_pem(),
        chain_pem: format!("{}{}", leaf.pem(), ca.pem()),
        facts: CertificateFacts {
            fingerprint: Fingerprint(Sha256::digest(leaf.der()).into()),
            serial: Recorded::from_octets(serial.as_bytes()).unwrap(),
            not_before: begins,
            not_after: ends,
        },
    }
}

impl Short {
    /// In the place of the present pair.
    fn put(&self, state: &Path) {
        let key = state.join("key.pem");
        std::fs::write(&key, &self.key_pem).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(state.join("certificate.pem"), &self.chain_pem).unwrap();
    }
}

/// Records a certificate as the center does that is given this code for it.
fn record(region: &Region, subject: [&str; 2], command: impl FnOnce(CodeHash) -> Act) {
    let mut words = vec!["enrolment-code"];
    words.extend(subject);
    let code = region.ask(&words)["code"].as_str().unwrap().to_owned();
    let code = iryonet_authority::EnrolmentCode::parse(&code).unwrap();
    let hash = CodeHash::try_from(code.hash()).unwrap();
    let store = SqliteStore::open(&region.at("center/data/registry.sqlite")).unwrap();
    let actor = "system:center".parse().unwrap();
    let recorded = iryonet_store::act(&store, &actor, &command(hash), now()).unwrap();
    recorded.events().unwrap();
}

/// One connection from the clinic's LAN to its service, asked again and again.
struct Connection {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Connection {
    fn open(namespace: PathBuf, to: Ipv6Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            let namespace = std::fs::File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            ask_on(to, &stopped, &counted)
        });
        Self {
            stop,
            answers,
            thread,
        }
    }

    /// So many more answers on it.
    fn goes_on(&self, what: &str) {
        let wanted = self.answers.load(Ordering::Relaxed) + 5;
        until(&format!("answers on the connection, {what}"), || {
            assert!(!self.thread.is_finished(), "the connection ended: {what}");
            (self.answers.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

fn ask_on(to: Ipv6Addr, stop: &AtomicBool, answers: &AtomicU64) -> Result<(), String> {
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let address = SocketAddr::from((to, 80));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))
        .map_err(|error| failed("connect", error))?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while !stop.load(Ordering::Relaxed) {
        write!(stream, "GET / HTTP/1.1\r\nHost: records\r\n\r\n")
            .map_err(|error| failed("ask", error))?;
        let mut length = 0;
        for place in 0.. {
            let mut line = String::new();
            let read = reader
                .read_line(&mut line)
                .map_err(|error| failed("answer", error))?;
            if read == 0 {
                return Err("the service ended the connection".to_owned());
            }
            let line = line.trim_end().to_ascii_lowercase();
            assert!(place > 0 || line.contains(" 200 "), "{line}");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader
            .read_exact(&mut body)
            .map_err(|error| failed("page", error))?;
        answers.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(150));
    }
    Ok(())
}

fn missing(programs: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs
        .iter()
        .find(|program| !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        .map(|program| (*program).to_owned())
}

#[test]
fn certificates_and_their_ca_are_renewed_under_a_connection_that_never_ends() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED: raising a region wants root");
        return;
    }
    if let Some(program) = missing(&["ip", "nsenter", "nginx", "openssl"]) {
        eprintln!("SKIPPED: {program} is not installed (make setup)");
        return;
    }
    let mut region = Region::new();
    let up = region.pilot("up");
    assert!(up.status.success(), "{}", text(&up));
    let (clinic, provider) = (region.number("clinic"), region.number("regional"));
    let network: iryonet_domain::NetworkPrefix = "2001:db8::/32".parse().unwrap();
    let service = network.site(provider, 0).host(0x10);
    let connection = Connection::open(region.netns("clinic-lan"), service);
    connection.goes_on("before anything");

    // The CA is rolled over: the next one issues, the old one still answers.
    let old = region.at("issuing");
    let next = region.at("issuing-2");
    done(
        iryonet()
            .args(["authority", "init-issuing", "--plain-key", "--root"])
            .arg(region.at("root"))
            .arg("--out")
            .arg(&next)
            .args(["--key", "p384", "--name", "iryonet pilot institutions 2"]),
    );
    let config = region.at("center/center.toml");
    let settings = std::fs::read_to_string(&config).unwrap();
    let rolled = settings.replace(
        &format!("issuing_dir = \"{}\"", old.display()),
        &format!(
            "issuing_dir = \"{}\"\nolder_issuing_dirs = [\"{}\"]",
            next.display(),
            old.display()
        ),
    );
    assert_ne!(rolled, settings);
    std::fs::write(&config, rolled).unwrap();
    region.end("center", "-TERM");
    region.start("center", &["center"], "center/center.toml");
    until("the center's answer", || {
        let asked = iryonet()
            .args(["enforcement", "--json", "--center"])
            .arg(region.at("center/operator.sock"))
            .output();
        asked.unwrap().status.success().then_some(())
    });
    connection.goes_on("under the next CA");

    // Certificates of the old CA that run out in a moment: of the gateway, and
    // of a second device of the clinic.
    let first_device = std::fs::read(region.at("clinic/state/certificate.pem")).unwrap();
    let first_key = std::fs::read(region.at("clinic/state/key.pem")).unwrap();
    let gateway = short(
        &old,
        "iryonet:gateway:gw-a",
        &[Use::ServerAuth, Use::ClientAuth],
    );
    let certificate = gateway.facts.clone();
    record(&region, ["--gateway", "gw-a"], |code_hash| {
        Act::CertifyGateway {
            code_hash,
            certificate,
        }
    });
    let device = short(
        &old,
        &format!("iryonet:participant:{clinic}:device:2"),
        &[Use::ClientAuth],
    );
    let certificate = device.facts.clone();
    let number = clinic.to_string();
    record(&region, ["--participant", &number], |code_hash| {
        Act::EnrolDevice {
            code_hash,
            device: DeviceId(2),
            certificate,
        }
    });
    let ends = device.facts.not_after.max(gateway.facts.not_after);
    // Killed, both: a gateway's kernel enforces on, a line is held for its lease.
    region.end("gw-a", "-KILL");
    gateway.put(&region.at("gw-a/state"));
    region.start("gw-a", &["gateway"], "gw-a/gateway.toml");
    until("the gateway with the certificate that runs out", || {
        let config = region.at("gw-a/gateway.toml");
        let status = iryonet()
            .args(["gateway", "status", "--json", "--config"])
            .arg(config)
            .output()
            .unwrap();
        let status: Value = serde_json::from_slice(&status.stdout).ok()?;
        let connected = status["feed"]["connected"] == true;
        (connected && status["certificate"]["fingerprint"].is_string()).then_some(())
    });
    region.end("clinic-box", "-KILL");
    device.put(&region.at("clinic/state"));
    region.start("clinic-box", &["site", "run"], "clinic/site.toml");
    let attached_as = |region: &Region| {
        let status = region.gateway("gw-a", "status");
        let line = status["lines"]
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["participant"] == clinic.get())
            .cloned()
            .unwrap_or_default();
        line["attached"]["device"].as_u64()
    };
    until("the clinic with the certificate that runs out", || {
        (attached_as(&region) >= Some(2)).then_some(())
    });
    connection.goes_on("with certificates that run out");
    let cut_off = region.cut_off();

    // Both renew by themselves, each with a new key and of the next CA.
    until("the clinic's renewal", || {
        (attached_as(&region) == Some(3)).then_some(())
    });
    let renewed_gateway = until("the gateway's renewal", || {
        let status = region.gateway("gw-a", "status");
        let shown = status["certificate"]["fingerprint"].as_str()?.to_owned();
        (shown != gateway.facts.fingerprint.to_string()).then_some(status)
    });
    assert!(
        renewed_gateway["certificate"]["renewal_trouble"].is_null(),
        "{renewed_gateway}"
    );
    if now() < ends {
        // During the change all of them count.
        let devices = region.ask(&["device", "list", "--participant", &number]);
        let valid = devices["devices"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|device| device["state"] == "valid")
            .count();
        assert_eq!(valid, 3, "{devices}");
    }
    for (state, old_key, purpose) in [
        ("clinic/state", &device.key_pem, "sslclient"),
        ("gw-a/state", &gateway.key_pem, "sslserver"),
    ] {
        let chain = region.at(state).join("certificate.pem");
        let key = std::fs::read_to_string(region.at(state).join("key.pem")).unwrap();
        assert_ne!(&key, old_key, "{state}: the key is the old one");
        assert!(issuer_of(&chain).contains("institutions 2"), "{state}");
        let said = region.openssl(&chain, purpose);
        assert!(said.contains(": OK"), "{state}: {said}");
    }
    // The others stay with the old CA, and speak with the renewed ones.
    for (state, purpose) in [("regional/state", "sslclient"), ("gw-b/state", "sslserver")] {
        let chain = region.at(state).join("certificate.pem");
        assert!(!issuer_of(&chain).contains("institutions 2"), "{state}");
        let said = region.openssl(&chain, purpose);
        assert!(said.contains(": OK"), "{state}: {said}");
    }
    connection.goes_on("between certificates of two CAs");

    // The old certificates run out, and nobody notices.
    while now() <= ends.plus_ms(1_500) {
        std::thread::sleep(Duration::from_millis(100));
    }
    connection.goes_on("after the old certificates' end");
    assert_eq!(region.site("clinic")["state"], "attached");
    until("the feed with the renewed certificate", || {
        let status = region.gateway("gw-a", "status");
        (status["feed"]["connected"] == true).then_some(())
    });
    assert_eq!(
        region.cut_off(),
        cut_off,
        "packets of a line bound to nobody"
    );

    // The clinic's first device, of the old CA, is as good as it was: it takes
    // the line over, and goes on when the other one is revoked.
    let third = until("the third device", || {
        let devices = region.ask(&["device", "list", "--participant", &number]);
        let devices = devices["devices"].as_array().unwrap().clone();
        let third = devices.iter().find(|device| device["device"] == 3)?;
        Some(third["fingerprint"].as_str().unwrap().to_owned())
    });
    let mut agent = region.started.pop().unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    for (name, bytes) in [("key.pem", &first_key), ("certificate.pem", &first_device)] {
        std::fs::write(region.at("clinic/state").join(name), bytes).unwrap();
    }
    region.start("clinic-box", &["site", "run"], "clinic/site.toml");
    until("the clinic's first device", || {
        (attached_as(&region) == Some(1)).then_some(())
    });
    region.ask(&["device", "revoke", &third, "--reason", "superseded"]);
    connection.goes_on("with the first device again");
    assert_eq!(attached_as(&region), Some(1));
    connection.end();
}
