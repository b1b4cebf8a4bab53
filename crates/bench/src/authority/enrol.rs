//! Enrolments over EST against a real center in a process of its own: each over
//! a new TLS connection, each with a one-time code of its own participant, each
//! durable in the ledger before its certificate leaves.
//!
//! Made beforehand: participants, codes, and the sites' keys and requests,
//! since each institution makes its own on its own machine.

use super::signing::{authority, question, request};
use super::{AuthorityError, Options, made, now, per_second};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use iryonet_authority::EnrolmentCode;
use iryonet_domain::{Actor, InstitutionKind, ParticipantKind, ParticipantNumber};
use iryonet_registry::command::Home;
use iryonet_registry::enrolment::Subject;
use iryonet_registry::{CodeHash, Command, Event};
use iryonet_store::{SqliteStore, Transaction};
use iryonet_tls::{Clock, Connector, Expect, HandshakeLimits, Profile, TrustRoots};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Acts in one transaction while the country is laid.
const BATCH: usize = 1_000;
const START_MAX: Duration = Duration::from_secs(60);
/// How long OCSP is asked for.
const OCSP_FOR: Duration = Duration::from_secs(3);
/// Connections that ask.
const ASKERS: usize = 4;

pub(crate) struct Enrolled {
    pub(crate) per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) recorded: u64,
    pub(crate) ocsp_per_s: f64,
}

/// The center's process; ended with the measurement.
struct Center(Child);

impl Drop for Center {
    fn drop(&mut self) {
        // It may have ended by itself; nothing can be done about it here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Wish {
    authorization: String,
    body: Bytes,
}

pub(crate) fn measure(options: &Options) -> Result<Enrolled, AuthorityError> {
    let folder = tempfile::tempdir_in(&options.directory).map_err(made("make a folder"))?;
    let at = |name: &str| folder.path().join(name);
    let ca = authority(&at("root"), &at("issuing"))?;
    let [public, device, status] = free_ports()?;
    let settings = format!(
        "name = \"center-1\"\nnetwork = \"2001:db8::/32\"\ndata_dir = \"data\"\nissuing_dir = \"issuing\"\n\
         root_certificate = \"root/root.pem\"\noperator_socket = \"operator.sock\"\n\
         public_listen = \"{public}\"\ndevice_listen = \"{device}\"\nstatus_listen = \"{status}\"\n\
         enrol_per_s = 10000\nenrol_burst = 100000\n"
    );
    std::fs::write(at("center.toml"), settings).map_err(made("write the settings"))?;
    let program = std::env::current_exe().map_err(made("find this program"))?;
    let config = at("center.toml").display().to_string();
    let init = Program::new(&program)
        .args(["center", "init", "--config", &config])
        .output()
        .map_err(made("run center init"))?;
    if !init.status.success() {
        let said = String::from_utf8_lossy(&init.stderr).into_owned();
        return Err(AuthorityError::Center(said));
    }
    let database = at("data").join("registry.sqlite");
    let codes = lay(&database, options.enrolments)?;
    let wishes = codes
        .into_iter()
        .map(|(number, code)| {
            let basic = STANDARD.encode(format!("{number}:{code}"));
            Ok(Wish {
                authorization: format!("Basic {basic}"),
                body: STANDARD.encode(request()?).into(),
            })
        })
        .collect::<Result<Vec<Wish>, AuthorityError>>()?;

    let log = std::fs::File::create(at("center.log")).map_err(made("write the log"))?;
    let child = Program::new(&program)
        .args(["center", "--config", &config])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(made("start the center"))?;
    let center = Center(child);
    let roots = std::fs::read(at("root").join("root.pem")).map_err(made("read the root"))?;
    let connector = iryonet_tls::enrolment_client_config(
        Profile::Guideline43,
        TrustRoots::from_pem(&roots).map_err(made("read the root"))?,
        Expect::Center(None),
        Clock::system(),
    )
    .map_err(made("set up TLS"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(made("start the clients"))?;
    let (took, mut waits) = runtime.block_on(async {
        up(public).await?;
        let begun = Instant::now();
        let waits = enrol_all(connector, public, wishes, options.connections).await?;
        Ok::<_, AuthorityError>((begun.elapsed(), waits))
    })?;
    // A certificate of the center's own CA that it never issued: the answer is
    // looked up and signed all the same.
    let serial = iryonet_authority::Serial::draw(ca.tag(), 0, &mut rand::rng());
    let ocsp_per_s = runtime.block_on(ask_all(status, question(&ca, &serial)))?;
    // Killed, not stopped: what was answered must be on the disk by itself.
    drop(center);
    waits.sort_unstable();
    let place = |percent: usize| {
        let index = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
        waits
            .get(index)
            .map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
    };
    Ok(Enrolled {
        per_s: per_second(options.enrolments, took),
        p50_ms: place(50),
        p99_ms: place(99),
        recorded: recorded(&database)?,
        ocsp_per_s,
    })
}

/// Three ports that are free now.
fn free_ports() -> Result<[SocketAddr; 3], AuthorityError> {
    let act = made("find a free port");
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..3 {
        let listener = std::net::TcpListener::bind("[::1]:0").map_err(&act)?;
        ports.push(listener.local_addr().map_err(&act)?);
        held.push(listener);
    }
    ports
        .try_into()
        .map_err(|_| AuthorityError::Center("no ports".to_owned()))
}

/// A gateway, participants, and a code for each.
fn lay(database: &Path, count: u32) -> Result<Vec<(ParticipantNumber, String)>, AuthorityError> {
    let act = made("lay the participants");
    let store = SqliteStore::open(database).map_err(made("open the registry"))?;
    let operator: Actor = "operator:bench".parse().map_err(made("name the actor"))?;
    let system: Actor = "system:bench".parse().map_err(made("name the actor"))?;
    let done = |transaction: &mut dyn Transaction, actor: &Actor, command: Command| {
        let recorded = transaction.record(actor, &command, now())?;
        recorded
            .events()
            .map_err(iryonet_store::StoreError::given_up)
    };
    let gateway: iryonet_domain::GatewayId = "g1".parse().map_err(made("name a gateway"))?;
    let backbone = "2001:db8:0:1::1"
        .parse()
        .map_err(made("number a gateway"))?;
    iryonet_store::change(&store, |transaction| {
        let command = Command::RegisterGateway {
            gateway: gateway.clone(),
            backbone,
            blocks: vec![1],
        };
        done(transaction, &operator, command)
    })
    .map_err(&act)?;
    let mut codes = Vec::new();
    let all: Vec<u32> = (0..count).collect();
    for batch in all.chunks(BATCH) {
        let some = iryonet_store::change(&store, |transaction| {
            let mut some = Vec::new();
            for index in batch {
                let admitted = done(
                    transaction,
                    &system,
                    Command::AdmitParticipant {
                        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
                        name: format!("青葉クリニック {index}"),
                        code: None,
                        home: Home::Block(1),
                    },
                )?;
                let Some(number) = admitted.iter().find_map(|event| match event {
                    Event::ParticipantAdmitted { number, .. } => Some(*number),
                    _ => None,
                }) else {
                    continue;
                };
                let code = EnrolmentCode::draw(&mut rand::rng());
                let code_hash =
                    CodeHash::try_from(code.hash()).map_err(iryonet_store::StoreError::given_up)?;
                done(
                    transaction,
                    &operator,
                    Command::IssueEnrolmentCode {
                        subject: Subject::Participant(number),
                        code_hash,
                        expires_at: now().plus_ms(86_400_000),
                    },
                )?;
                some.push((number, code.reveal()));
            }
            Ok(some)
        })
        .map_err(&act)?;
        codes.extend(some);
    }
    Ok(codes)
}

/// Certificates that count for a participant's device.
fn recorded(database: &Path) -> Result<u64, AuthorityError> {
    let store = SqliteStore::open(database).map_err(made("open the registry again"))?;
    iryonet_store::look(&store, |reader| {
        let mut count = 0;
        reader.each_unrevoked_device(&mut |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    })
    .map_err(made("count the certificates"))
}

async fn up(address: SocketAddr) -> Result<(), AuthorityError> {
    let begun = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if begun.elapsed() > START_MAX {
            let why = "it did not open its listener in time";
            return Err(AuthorityError::Center(why.to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn enrol_all(
    connector: Connector,
    address: SocketAddr,
    wishes: Vec<Wish>,
    connections: u32,
) -> Result<Vec<Duration>, AuthorityError> {
    let wishes = Arc::new(wishes);
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..connections.max(1))
        .map(|_| {
            let (connector, wishes) = (connector.clone(), Arc::clone(&wishes));
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while let Some(wish) = wishes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    enrol(&connector, address, wish).await?;
                    waits.push(begun.elapsed());
                }
                Ok::<_, AuthorityError>(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for client in clients {
        waits.extend(client.await.map_err(made("wait for a client"))??);
    }
    Ok(waits)
}

async fn enrol(
    connector: &Connector,
    address: SocketAddr,
    wish: &Wish,
) -> Result<(), AuthorityError> {
    let failed = |error: &dyn std::fmt::Display| AuthorityError::Enrolment(error.to_string());
    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    stream.set_nodelay(true).map_err(|e| failed(&e))?;
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await
        .map_err(|e| failed(&e))?;
    let mut sender = speak(stream).await?;
    let request = Request::post("/.well-known/est/simpleenroll")
        .header(header::HOST, "center")
        .header(header::AUTHORIZATION, &wish.authorization)
        .header(header::CONTENT_TYPE, "application/pkcs10")
        .header(header::CONNECTION, "close")
        .body(Full::new(wish.body.clone()))
        .map_err(|e| failed(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|e| failed(&e))?;
    if status == StatusCode::OK {
        return Ok(());
    }
    let body = body.to_bytes();
    Err(AuthorityError::Enrolment(format!(
        "{status}: {}",
        String::from_utf8_lossy(&body)
    )))
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, AuthorityError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| AuthorityError::Enrolment(error.to_string()))?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Answers a second from some connections that stay open.
async fn ask_all(address: SocketAddr, question: Vec<u8>) -> Result<f64, AuthorityError> {
    let question = Bytes::from(question);
    let begun = Instant::now();
    let askers: Vec<_> = (0..ASKERS)
        .map(|_| {
            let question = question.clone();
            tokio::spawn(async move {
                let failed = |error: &dyn std::fmt::Display| {
                    AuthorityError::Center(format!("OCSP: {error}"))
                };
                let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
                stream.set_nodelay(true).map_err(|e| failed(&e))?;
                let mut sender = speak(stream).await?;
                let mut answers = 0_u32;
                while begun.elapsed() < OCSP_FOR {
                    let request = Request::post("/v1/ocsp")
                        .header(header::HOST, "center")
                        .header(header::CONTENT_TYPE, "application/ocsp-request")
                        .body(Full::new(question.clone()))
                        .map_err(|e| failed(&e))?;
                    sender.ready().await.map_err(|e| failed(&e))?;
                    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
                    let status = answer.status();
                    let body = answer.into_body().collect().await.map_err(|e| failed(&e))?;
                    // OCSPResponseStatus successful (0).
                    let good = body.to_bytes().windows(3).any(|part| part == [0x0a, 1, 0]);
                    if status != StatusCode::OK || !good {
                        return Err(failed(&"an answer that is none"));
                    }
                    answers += 1;
                }
                Ok::<_, AuthorityError>(answers)
            })
        })
        .collect();
    let mut answers = 0;
    for asker in askers {
        answers += asker.await.map_err(made("wait for an asker"))??;
    }
    Ok(per_second(answers, begun.elapsed()))
}
