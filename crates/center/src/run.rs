//! The daemon: what is loaded at its start, its three listeners, and its end.

use crate::api;
use crate::certificate::{self, PROFILE};
use crate::clock;
use crate::config::Config;
use crate::error::CenterError;
use crate::http::rate::Rates;
use crate::http::serve::{Door, PublicPeer};
use crate::init;
use crate::load;
use crate::public::enrol::{GUESSES_OF_ALL, GUESSES_OF_PEER};
use crate::state::{Center, Policy, SNAPSHOTS_MAX, Turns, lock};
use crate::tasks;
use axum::body::Bytes;
use iryonet_policy::{FeedLimits, FeedLog};
use iryonet_store::{SqliteStore, Store};
use iryonet_tls::server::EnrolmentAcceptor;
use iryonet_tls::{Acceptor, ClientPolicy, ClientTrust, Clock, HandshakeLimits, TrustRoots};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Operators' connections at once.
const OPERATORS_MAX: usize = 64;
/// Public connections at once.
const APPLICANTS_MAX: usize = 512;
/// Gateways' connections at once: two each of 255 gateways, and room to
/// reconnect before the old ones are known to be dead.
const GATEWAYS_MAX: usize = 1_024;
/// How long acts under way may take at the end.
const END_WAIT: Duration = Duration::from_secs(15);

/// A center whose listeners are open.
pub struct Running {
    center: Arc<Center>,
    public_address: SocketAddr,
    device_address: SocketAddr,
    listeners: TaskTracker,
    background: TaskTracker,
    end_background: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("public_address", &self.public_address)
            .field("device_address", &self.device_address)
            .finish_non_exhaustive()
    }
}

/// Runs a center until `shutdown` completes.
///
/// # Errors
/// When it cannot be started. What fails later fails one request.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), CenterError> {
    let running = start(config).await?;
    shutdown.await;
    running.stop().await;
    Ok(())
}

/// Starts a center; when this returns, its listeners are open.
///
/// # Errors
/// When anything that it needs is missing or does not fit.
pub async fn start(config: Config) -> Result<Running, CenterError> {
    let store: Arc<dyn Store> = {
        let path = config.database();
        Arc::new(tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await??)
    };
    start_on(config, store).await
}

/// Starts a center on a store that is open already.
///
/// # Errors
/// When anything else that it needs is missing or does not fit.
pub async fn start_on(config: Config, store: Arc<dyn Store>) -> Result<Running, CenterError> {
    let (routers, description) = api::make();
    let (prepared, identity) = {
        let (config, store) = (config.clone(), Arc::clone(&store));
        tokio::task::spawn_blocking(move || prepare(&config, &*store)).await??
    };
    let roots =
        TrustRoots::from_pem(&std::fs::read(&config.root_certificate).map_err(|source| {
            CenterError::Root {
                path: config.root_certificate.clone(),
                source,
            }
        })?)?;
    let public_tls = iryonet_tls::enrolment_server_config(PROFILE, &identity, Clock::system())?;
    let device_tls = iryonet_tls::server_config(
        PROFILE,
        &identity,
        ClientTrust {
            roots,
            policy: ClientPolicy::GATEWAYS,
        },
        Clock::system(),
    )?;

    let operator = open_socket(&config.operator_socket).await?;
    let public = listen("public_listen", config.public_listen).await?;
    let device = listen("device_listen", config.device_listen).await?;
    let local = |listener: &TcpListener, setting, address| {
        listener.local_addr().map_err(|source| CenterError::Listen {
            setting,
            address,
            source,
        })
    };
    let public_address = local(&public, "public_listen", config.public_listen)?;
    let device_address = local(&device, "device_listen", config.device_listen)?;

    let revision = prepared.policy.model.revision();
    let center = Arc::new(Center {
        published: watch::Sender::new(revision),
        recorded: Notify::new(),
        policy: RwLock::new(prepared.policy),
        signer: prepared.signer,
        issuing: prepared.issuing,
        sessions: crate::device::sessions::Sessions::default(),
        revoked: Notify::new(),
        crl: watch::Sender::new(prepared.crl),
        enrol_rates: Mutex::new(Rates::new(config.enrol_burst, config.enrol_per_s)),
        guess_rates: Mutex::new(Rates::new(GUESSES_OF_PEER.0, GUESSES_OF_PEER.1)),
        guess_total: Mutex::new(Rates::new(GUESSES_OF_ALL.0, GUESSES_OF_ALL.1)),
        snapshots: Semaphore::new(SNAPSHOTS_MAX),
        openapi: Bytes::from(description.to_pretty_json().unwrap_or_default()),
        stopping: CancellationToken::new(),
        turns: Turns::new(),
        store,
        config,
    });

    let background = TaskTracker::new();
    let end_background = CancellationToken::new();
    background.spawn(tasks::publisher::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    background.spawn(tasks::crl::run(Arc::clone(&center), end_background.clone()));
    background.spawn(tasks::purge::run(
        Arc::clone(&center),
        end_background.clone(),
    ));

    let listeners = TaskTracker::new();
    let door = |name, router: axum::Router<Arc<Center>>, seats| {
        Door::new(
            name,
            router.with_state(Arc::clone(&center)),
            seats,
            center.stopping.clone(),
            listeners.clone(),
        )
    };
    listeners.spawn(door("operator", routers.operator, OPERATORS_MAX).serve_unix(operator));
    // Before TLS: a handshake costs more than what it protects here.
    let connections = Mutex::new(Rates::new(
        center.config.enrol_burst.saturating_mul(4),
        center.config.enrol_per_s.saturating_mul(4),
    ));
    let admit = move |peer: SocketAddr| {
        let admitted = lock(&connections).take(peer.ip(), clock::now().0).is_ok();
        if !admitted {
            tracing::debug!(%peer, "a public connection was turned away: too many from there");
        }
        admitted
    };
    listeners.spawn(door("public", routers.public, APPLICANTS_MAX).serve_tcp(
        public,
        admit,
        move |stream, peer| shake_public(public_tls.clone(), stream, peer),
    ));
    listeners.spawn(door("device", routers.device, GATEWAYS_MAX).serve_tcp(
        device,
        |_| true,
        move |stream, peer| shake_device(device_tls.clone(), stream, peer),
    ));
    tracing::info!(
        center = %center.config.name, network = %center.config.network, revision,
        %public_address, %device_address, operator_socket = %center.config.operator_socket.display(),
        "the center runs"
    );
    Ok(Running {
        center,
        public_address,
        device_address,
        listeners,
        background,
        end_background,
    })
}

struct Prepared {
    policy: Policy,
    signer: iryonet_wire::signed::PolicySigner,
    issuing: iryonet_authority::IssuingCa,
    crl: tasks::crl::MadeCrl,
}

/// All of the start that may wait for a disk.
fn prepare(
    config: &Config,
    store: &dyn Store,
) -> Result<(Prepared, iryonet_tls::LocalIdentity), CenterError> {
    let issuing = init::issuing(config)?;
    let signer = init::policy_signer(config)?;
    let identity = certificate::ensure(config, &issuing, clock::now())?;
    let model = load::model(config, store)?;
    let log = FeedLog::new(model.revision(), FeedLimits::default());
    let crl = tasks::crl::make(store, &issuing, config.crl_validity_s, 0)?;
    Ok((
        Prepared {
            policy: Policy { model, log },
            signer,
            issuing,
            crl,
        },
        identity,
    ))
}

async fn shake_public(
    tls: EnrolmentAcceptor,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
) -> Option<(iryonet_tls::TlsStream<tokio::net::TcpStream>, PublicPeer)> {
    match tls.accept(stream, &HandshakeLimits::default()).await {
        Ok(stream) => Some((stream, PublicPeer(peer))),
        Err(error) => {
            tracing::debug!(%peer, reason = error.reason().as_str(), "a public handshake failed");
            None
        }
    }
}

async fn shake_device(
    tls: Acceptor,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
) -> Option<(
    iryonet_tls::TlsStream<tokio::net::TcpStream>,
    Arc<iryonet_tls::PeerProof>,
)> {
    match tls.accept(stream, &HandshakeLimits::default()).await {
        Ok((stream, proof)) => Some((stream, Arc::new(proof))),
        Err(error) => {
            tracing::warn!(%peer, reason = error.reason().as_str(), "a gateway's handshake failed");
            None
        }
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, CenterError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| CenterError::Listen {
            setting,
            address,
            source,
        })
}

/// Opens the operators' socket, mode 0600 from its first moment under its name.
async fn open_socket(path: &Path) -> Result<UnixListener, CenterError> {
    let failed = |source| CenterError::Socket {
        path: path.to_owned(),
        source,
    };
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        return Err(CenterError::Running(path.to_owned()));
    }
    let mut next = path.as_os_str().to_owned();
    next.push(format!(".{}", std::process::id()));
    let next = PathBuf::from(next);
    let listener = UnixListener::bind(&next).map_err(failed)?;
    let named = std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&next, path));
    if let Err(source) = named {
        // Ours, made a moment ago.
        let _ = std::fs::remove_file(&next);
        return Err(failed(source));
    }
    Ok(listener)
}

impl Running {
    /// Where the public listener is.
    #[must_use]
    pub fn public_address(&self) -> SocketAddr {
        self.public_address
    }

    /// Where the device listener is.
    #[must_use]
    pub fn device_address(&self) -> SocketAddr {
        self.device_address
    }

    /// Ends it in good order: no new connections, waiting gateways are
    /// answered, acts under way are done, published and answered.
    pub async fn stop(self) {
        tracing::info!("the center stops");
        self.center.stopping.cancel();
        self.listeners.close();
        if tokio::time::timeout(END_WAIT, self.listeners.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                waited_s = END_WAIT.as_secs(),
                "connections were cut: they did not end by themselves"
            );
        }
        self.end_background.cancel();
        self.background.close();
        self.background.wait().await;
        let socket = &self.center.config.operator_socket;
        if let Err(error) = std::fs::remove_file(socket) {
            tracing::debug!(socket = %socket.display(), %error, "the socket was gone already");
        }
    }
}
