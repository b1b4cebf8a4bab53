//! A center to talk to, and clients of its three listeners.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{CaName, Custody, IssuingCa, RootCa, RootSpec};
use iryonet_center::client::{ClientError, OperatorClient};
use iryonet_center::{Config, Running};
use iryonet_domain::{Actor, UnixMillis};
use iryonet_tls::{
    Clock, Expect, HandshakeError, HandshakeLimits, LocalIdentity, Profile, TrustRoots,
};
use iryonet_wire::feed::{Delta, Snapshot};
use iryonet_wire::signed::{Kind, PolicyKeys};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Nothing here takes this long; what does is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}

pub(crate) fn operator() -> Actor {
    "operator:suzuki".parse().unwrap()
}

/// The network itself: it admits without a case, and says yes for both sides.
pub(crate) fn machine() -> Actor {
    "system:suite".parse().unwrap()
}

/// Somebody who may do what is posted there.
pub(crate) fn whose_duty(path: &str) -> Actor {
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.starts_with("/v1/cases/") {
        match last {
            "return" | "accept" | "begin" | "judge" | "conclude" => {
                "examiner:kato".parse().unwrap()
            }
            "send-back" | "approve" | "reject" => "approver:mori".parse().unwrap(),
            "lapse" | "evidence" => machine(),
            _ => operator(),
        }
    } else if path == "/v1/rules" || path.starts_with("/v1/recheck/") {
        "security-officer:console".parse().unwrap()
    } else if ["/v1/participants", "/v1/agreements"].contains(&path) || last == "accept" {
        machine()
    } else if path.starts_with("/v1/accounts") {
        "security-officer:console".parse().unwrap()
    } else {
        operator()
    }
}

/// A root, an issuing CA and the settings of a center that can be initialised.
pub(crate) struct Ground {
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_ca(&dir.path().join("root"), &dir.path().join("issuing"));
        let text = r#"
name = "center-1"
network = "2001:db8::/32"
data_dir = "data"
issuing_dir = "issuing"
root_certificate = "root/root.pem"
operator_socket = "operator.sock"
public_listen = "[::1]:0"
device_listen = "[::1]:0"
daily_recheck = false
staff_listen = "127.0.0.1:0"

[people]
origin = "https://center.example:8445"
"#;
        let config = Config::parse(text, &dir.path().join("center.toml")).unwrap();
        Self { dir, config }
    }
}

pub(crate) fn make_ca(root_dir: &Path, issuing_dir: &Path) -> IssuingCa {
    make_ca_at(root_dir, issuing_dir, now())
}

/// A CA that was made then.
pub(crate) fn make_ca_at(root_dir: &Path, issuing_dir: &Path, then: UnixMillis) -> IssuingCa {
    let name = |common_name: &str| CaName {
        organisation: "iryonet test".into(),
        common_name: common_name.into(),
    };
    let root_spec = RootSpec {
        name: name("root"),
        key: CaKey::P384,
        custody: Custody::PlainFile,
    };
    let root = RootCa::make(root_dir, &root_spec, then, &mut rand::rng()).unwrap();
    let spec = IssuingSpec {
        name: name("issuing"),
        key: CaKey::P256,
        life_days: 2_922,
        custody: Custody::PlainFile,
    };
    IssuingCa::make(&root, issuing_dir, &spec, then, &mut rand::rng()).unwrap()
}

/// A running center.
pub(crate) struct World {
    pub(crate) ground: Ground,
    pub(crate) running: Running,
    pub(crate) client: OperatorClient,
}

/// An answer of one of the TLS listeners.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers
            .get(header::CONTENT_TYPE)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// One connection of HTTP inside TLS.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Vec<u8>) -> Answer {
        self.send_with(method, path, [] as [(&str, &str); 0], body)
            .await
    }

    /// With these headers too; the body is JSON unless they say otherwise.
    pub(crate) async fn send_with<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        method: Method,
        path: &str,
        headers: impl AsRef<[(N, V)]>,
        body: Vec<u8>,
    ) -> Answer {
        let headers = headers.as_ref();
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "center");
        let says = |wanted: &str| headers.iter().any(|(name, _)| name.as_ref() == wanted);
        if !says("content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(name.as_ref(), value.as_ref());
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        self.0.ready().await.unwrap();
        let response = tokio::time::timeout(DEADLINE, self.0.send_request(request))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Vec::new()).await
    }
}

async fn connect(
    connector: iryonet_tls::Connector,
    address: SocketAddr,
) -> Result<Connection, HandshakeError> {
    connect_over(connector, TcpStream::connect(address).await.unwrap()).await
}

async fn connect_over(
    connector: iryonet_tls::Connector,
    stream: TcpStream,
) -> Result<Connection, HandshakeError> {
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    Ok(Connection(sender))
}

/// A key made "on site", and its request.
pub(crate) fn key_and_csr() -> (rcgen::KeyPair, String) {
    key_and_csr_of(&rcgen::PKCS_ECDSA_P256_SHA256)
}

pub(crate) fn key_and_csr_of(kind: &'static rcgen::SignatureAlgorithm) -> (rcgen::KeyPair, String) {
    let key = rcgen::KeyPair::generate_for(kind).unwrap();
    let csr = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .pem()
        .unwrap();
    (key, csr)
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut ground = Ground::new();
        change(&mut ground.config);
        iryonet_center::init(&ground.config).unwrap();
        Self::on(ground).await
    }

    /// A center whose people's side lives by this clock.
    pub(crate) async fn at(clock: &TestClock) -> Self {
        let ground = Ground::new();
        iryonet_center::init(&ground.config).unwrap();
        Self::at_on(ground, clock).await
    }

    pub(crate) async fn at_on(ground: Ground, clock: &TestClock) -> Self {
        let store = iryonet_store::SqliteStore::open(&ground.config.database()).unwrap();
        let clock = clock.clone();
        let running = iryonet_center::start_at(
            ground.config.clone(),
            std::sync::Arc::new(store),
            std::sync::Arc::new(move || clock.now()),
        )
        .await
        .unwrap();
        Self::around(ground, running)
    }

    pub(crate) async fn on(ground: Ground) -> Self {
        let running = iryonet_center::start(ground.config.clone()).await.unwrap();
        Self::around(ground, running)
    }

    pub(crate) fn around(ground: Ground, running: Running) -> Self {
        let client = OperatorClient::new(&ground.config.operator_socket);
        Self {
            ground,
            running,
            client,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.request("GET", path, None, None).await.unwrap()
    }

    pub(crate) async fn act(&self, path: &str, body: Value) -> Value {
        self.client
            .request("POST", path, Some(&whose_duty(path)), Some(&body))
            .await
            .unwrap()
    }

    pub(crate) async fn refused(&self, path: &str, body: Value) -> ClientError {
        self.client
            .request("POST", path, Some(&whose_duty(path)), Some(&body))
            .await
            .unwrap_err()
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        TrustRoots::from_pem(&std::fs::read(&self.ground.config.root_certificate).unwrap()).unwrap()
    }

    /// To the public listener.
    pub(crate) async fn public(&self) -> Connection {
        let connector = iryonet_tls::enrolment_client_config(
            Profile::Guideline43,
            self.roots(),
            Expect::Center(Some("center-1".parse().unwrap())),
            Clock::system(),
        )
        .unwrap();
        connect(connector, self.running.public_address())
            .await
            .unwrap()
    }

    /// To the public listener, from an address of this machine; it may be turned
    /// away.
    pub(crate) async fn public_from(&self, from: &str) -> Result<Connection, HandshakeError> {
        let connector = iryonet_tls::enrolment_client_config(
            Profile::Guideline43,
            self.roots(),
            Expect::Center(Some("center-1".parse().unwrap())),
            Clock::system(),
        )
        .unwrap();
        connect_over(connector, self.public_stream(from).await).await
    }

    /// A bare TCP connection to the public listener, from an address of this machine.
    pub(crate) async fn public_stream(&self, from: &str) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(self.running.public_address()).await.unwrap()
    }

    /// To the public listener, showing a certificate.
    pub(crate) async fn public_as(
        &self,
        identity: &LocalIdentity,
    ) -> Result<Connection, HandshakeError> {
        let connector = iryonet_tls::client_config(
            Profile::Guideline43,
            identity,
            self.roots(),
            Expect::Center(None),
            Clock::system(),
        )
        .unwrap();
        connect(connector, self.running.public_address()).await
    }

    /// Ends it; what it stood on, and its issuing CA.
    pub(crate) async fn stop(self) -> (Ground, std::path::PathBuf) {
        self.running.stop().await;
        let issuing = self.ground.config.issuing_dir.clone();
        (self.ground, issuing)
    }

    /// To the people's listener, from an address of this machine.
    pub(crate) async fn staff_from(&self, from: &str) -> Connection {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let address = self.running.staff_address().unwrap();
        let stream = socket.connect(address).await.unwrap();
        connect_over(self.staff_connector(), stream).await.unwrap()
    }

    fn staff_connector(&self) -> iryonet_tls::Connector {
        iryonet_tls::enrolment_client_config(
            Profile::Guideline43,
            self.roots(),
            Expect::Center(Some("center-1".parse().unwrap())),
            Clock::system(),
        )
        .unwrap()
    }

    /// A bare stream to the people's listener.
    pub(crate) async fn staff_stream(
        &self,
    ) -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + use<> {
        let address = self.running.staff_address().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (stream, _) = self
            .staff_connector()
            .connect(stream, &HandshakeLimits::default())
            .await
            .unwrap();
        stream
    }

    /// These octets to the people's listener, and all that it answers.
    pub(crate) async fn staff_raw(&self, octets: &[u8]) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = self.staff_stream().await;
        stream.write_all(octets).await.unwrap();
        let mut answer = Vec::new();
        // Whoever closes without a TLS goodbye has still answered.
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer));
        let _ = read.await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// To the people's listener.
    pub(crate) async fn staff(&self) -> Connection {
        self.staff_from("127.0.0.1").await
    }

    /// An act in this name, at the socket.
    pub(crate) async fn act_as(&self, actor: &str, path: &str, body: Value) -> Value {
        self.client
            .request("POST", path, Some(&actor.parse().unwrap()), Some(&body))
            .await
            .unwrap()
    }

    /// To the device listener, showing a certificate.
    pub(crate) async fn device(
        &self,
        identity: &LocalIdentity,
    ) -> Result<Connection, HandshakeError> {
        let connector = iryonet_tls::client_config(
            Profile::Guideline43,
            identity,
            self.roots(),
            Expect::Center(None),
            Clock::system(),
        )
        .unwrap();
        connect(connector, self.running.device_address()).await
    }

    /// To the device listener, showing none.
    pub(crate) async fn device_without_certificate(&self) -> Result<Connection, HandshakeError> {
        let connector = iryonet_tls::enrolment_client_config(
            Profile::Guideline43,
            self.roots(),
            Expect::Center(None),
            Clock::system(),
        )
        .unwrap();
        connect(connector, self.running.device_address()).await
    }

    pub(crate) async fn code(&self, subject: Value) -> String {
        let answer = self
            .act(
                "/v1/enrolment-codes",
                json!({"subject": subject, "valid_hours": 1}),
            )
            .await;
        answer["code"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn try_enrol(&self, code: &str, csr: &str) -> Answer {
        let body = json!({"code": code, "csr": csr}).to_string();
        self.public()
            .await
            .send(Method::POST, "/v1/enrol", body.into_bytes())
            .await
    }

    /// Enrols whoever the code is for.
    pub(crate) async fn enrol(&self, subject: Value) -> Enrolled {
        let code = self.code(subject).await;
        let (key, csr) = key_and_csr();
        let answer = self.try_enrol(&code, &csr).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let answer = answer.json();
        let chain = answer["certificate_chain_pem"].as_str().unwrap();
        Enrolled {
            identity: LocalIdentity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes())
                .unwrap(),
            answer,
        }
    }

    /// A gateway, registered and enrolled.
    pub(crate) async fn gateway(&self, name: &str, block: u8) -> Enrolled {
        self.act(
            "/v1/gateways",
            json!({"gateway": name, "backbone": format!("2001:db8:0:1::{block:x}"), "blocks": [block]}),
        )
        .await;
        self.enrol(json!({"gateway": name})).await
    }

    /// A participant with one site and one line at a gateway.
    pub(crate) async fn participant(&self, kind: &str, gateway: &str, interface: &str) -> u64 {
        let admitted = self
            .act(
                "/v1/participants",
                json!({"kind": kind, "name": format!("{kind} {interface}"), "gateway": gateway}),
            )
            .await;
        let number = admitted["number"].as_u64().unwrap();
        self.act(
            &format!("/v1/participants/{number}/sites"),
            json!({"name": "本院"}),
        )
        .await;
        self.act(
            &format!("/v1/participants/{number}/lines"),
            json!({"site": 0, "kind": "ethernet", "gateway": gateway, "interface": interface}),
        )
        .await;
        number
    }

    /// A service of a provider.
    pub(crate) async fn service(&self, provider: u64) -> u64 {
        let shown = self.get(&format!("/v1/participants/{provider}")).await;
        let prefix = shown["sites"][0]["prefix"].as_str().unwrap().to_owned();
        let address = prefix.replace("::/64", "::10");
        let answer = self
            .act(
                "/v1/services",
                json!({"provider": provider, "name": "地域連携", "class": "interactive",
                    "purposes": ["regional-collaboration"],
                    "endpoints": [{"protocol": "tcp", "address": address, "port": 443}],
                    "eligible": []}),
            )
            .await;
        answer["service"].as_u64().unwrap()
    }

    /// An agreement, proposed and accepted.
    pub(crate) async fn agreement(&self, participant: u64, service: u64, provider: u64) -> u64 {
        let answer = self
            .act(
                "/v1/agreements",
                json!({"participant": participant, "service": service,
                    "purpose": "regional-collaboration", "by": participant,
                    "until": now().plus_ms(86_400_000).0}),
            )
            .await;
        let agreement = answer["agreement"].as_u64().unwrap();
        self.act(
            &format!("/v1/agreements/{agreement}/accept"),
            json!({"by": provider}),
        )
        .await;
        agreement
    }
}

/// Somebody with a certificate.
pub(crate) struct Enrolled {
    pub(crate) identity: LocalIdentity,
    pub(crate) answer: Value,
}

impl Enrolled {
    pub(crate) fn fingerprint(&self) -> String {
        self.identity.proof().unwrap().fingerprint.to_string()
    }

    /// The policy keys that it was given at enrolment.
    pub(crate) fn keys(&self) -> PolicyKeys {
        let keys = self.answer["policy_keys"].as_array().unwrap();
        PolicyKeys::new(
            keys.iter()
                .map(|key| hex::decode(key.as_str().unwrap()).unwrap()),
        )
        .unwrap()
    }
}

/// A gateway's feed, with everything checked that a gateway checks.
pub(crate) struct Feed<'a> {
    world: &'a World,
    gateway: &'a Enrolled,
    pub(crate) connection: Connection,
    pub(crate) revision: u64,
}

impl<'a> Feed<'a> {
    /// Connects and takes a snapshot.
    pub(crate) async fn open(world: &'a World, gateway: &'a Enrolled) -> (Feed<'a>, Snapshot) {
        let mut feed = Feed {
            world,
            gateway,
            connection: world.device(&gateway.identity).await.unwrap(),
            revision: 0,
        };
        let snapshot = feed.snapshot().await;
        (feed, snapshot)
    }

    /// The same gateway on another connection.
    pub(crate) async fn again(&self) -> Feed<'a> {
        Feed {
            world: self.world,
            gateway: self.gateway,
            connection: self.world.device(&self.gateway.identity).await.unwrap(),
            revision: self.revision,
        }
    }

    pub(crate) async fn snapshot(&mut self) -> Snapshot {
        let answer = self.connection.get("/v1/feed/snapshot").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let keys = self.gateway.keys();
        let payload = keys.open(Kind::Snapshot, &answer.body).unwrap();
        let snapshot = Snapshot::decode(payload).unwrap();
        self.revision = snapshot.revision;
        snapshot
    }

    pub(crate) async fn ask(&mut self, wait_ms: u64) -> Answer {
        let path = format!("/v1/feed/deltas?since={}&wait_ms={wait_ms}", self.revision);
        self.connection.get(&path).await
    }

    /// The delta of an answer, verified; the revision moves on.
    pub(crate) fn take(&mut self, answer: &Answer) -> Delta {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let keys = self.gateway.keys();
        let payload = keys.open(Kind::Delta, &answer.body).unwrap();
        let delta = Delta::decode(payload).unwrap();
        assert_eq!(delta.from_revision, self.revision);
        assert!(delta.to_revision >= delta.from_revision);
        self.revision = delta.to_revision;
        delta
    }

    pub(crate) async fn delta(&mut self, wait_ms: u64) -> Delta {
        let answer = self.ask(wait_ms).await;
        self.take(&answer)
    }

    pub(crate) async fn acknowledge(&mut self) {
        let body = json!({"revision": self.revision, "bound_lines": 1}).to_string();
        let answer = self
            .connection
            .send(Method::POST, "/v1/feed/acknowledgements", body.into_bytes())
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    }
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct TestClock(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl TestClock {
    /// It begins now and stands still.
    pub(crate) fn new() -> Self {
        Self(std::sync::Arc::new(now().0.into()))
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }

    pub(crate) fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn back(&self, ms: u64) {
        self.0.fetch_sub(ms, std::sync::atomic::Ordering::SeqCst);
    }
}
