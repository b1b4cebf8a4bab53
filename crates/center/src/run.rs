//! The daemon: what is loaded at its start, its three listeners, and its end.

use crate::api;
use crate::authorities::Authorities;
use crate::certificate::{self, PROFILE};
use crate::checks::Checks;
use crate::clock;
use crate::config::Config;
use crate::error::CenterError;
use crate::http::rate::Rates;
use crate::http::serve::{Door, PublicPeer};
use crate::init;
use crate::issuance::{GUESSES_OF_ALL, GUESSES_OF_PEER};
use crate::load;
use crate::people::gate::StaffPeer;
use crate::people::{Issuers, People, PeopleClock};
use crate::state::{Center, Policy, SNAPSHOTS_MAX, Turns, lock};
use crate::tasks;
use crate::tasks::checkpoint::CheckpointState;
use crate::writer::Writer;
use axum::body::Bytes;
use iryonet_authority::{Revoked, Serial};
use iryonet_domain::UnixMillis;
use iryonet_policy::{FeedLimits, FeedLog};
use iryonet_store::Store;
use iryonet_tls::{
    Acceptor, ClientPolicy, ClientTrust, Clock, HandshakeLimits, OpenAcceptor, TrustRoots,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// People's connections at once.
const PEOPLE_MAX: usize = 1_024;
/// Operators' connections at once.
const OPERATORS_MAX: usize = 64;
/// Public connections at once.
const APPLICANTS_MAX: usize = 512;
/// Gateways' connections at once: two each of 255 gateways, and room to
/// reconnect before the old ones are known to be dead.
const GATEWAYS_MAX: usize = 1_024;
/// Connections at once that ask for the status of certificates.
const ASKERS_MAX: usize = 512;
/// How long acts under way may take at the end.
const END_WAIT: Duration = Duration::from_secs(15);

/// A center whose listeners are open.
pub struct Running {
    center: Arc<Center>,
    public_address: SocketAddr,
    device_address: SocketAddr,
    status_address: Option<SocketAddr>,
    staff_address: Option<SocketAddr>,
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
    let place = config.place()?;
    let store = tokio::task::spawn_blocking(move || place.open()).await??;
    start_on(config, store).await
}

/// Starts a center on a store that is open already.
///
/// # Errors
/// When anything else that it needs is missing or does not fit.
pub async fn start_on(config: Config, store: Arc<dyn Store>) -> Result<Running, CenterError> {
    start_at(config, store, Arc::new(clock::now)).await
}

/// Starts a center whose people's side takes the time from `people_clock`:
/// sessions, delays and one-time passwords live by it. Everything else reads
/// the machine's clock.
///
/// # Errors
/// When anything that it needs is missing or does not fit.
pub async fn start_at(
    config: Config,
    store: Arc<dyn Store>,
    people_clock: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
) -> Result<Running, CenterError> {
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
    let public_tls = iryonet_tls::open_server_config(
        PROFILE,
        &identity,
        ClientTrust {
            roots: roots.clone(),
            policy: ClientPolicy::HOLDERS,
        },
        Clock::system(),
    )?;
    let device_tls = iryonet_tls::server_config(
        PROFILE,
        &identity,
        ClientTrust {
            roots,
            policy: ClientPolicy::GATEWAYS,
        },
        Clock::system(),
    )?;

    let staff_tls = iryonet_tls::enrolment_server_config(PROFILE, &identity, Clock::system())?;

    let operator = open_socket(&config.operator_socket).await?;
    let staff = match config.staff_listen {
        Some(address) => Some(listen("staff_listen", address).await?),
        None => None,
    };
    let public = listen("public_listen", config.public_listen).await?;
    let device = listen("device_listen", config.device_listen).await?;
    let status = match config.status_listen {
        Some(address) => Some(listen("status_listen", address).await?),
        None => None,
    };
    let local = |listener: &TcpListener, setting, address| {
        listener.local_addr().map_err(|source| CenterError::Listen {
            setting,
            address,
            source,
        })
    };
    let public_address = local(&public, "public_listen", config.public_listen)?;
    let device_address = local(&device, "device_listen", config.device_listen)?;
    let status_address = match (&status, config.status_listen) {
        (Some(listener), Some(address)) => Some(local(listener, "status_listen", address)?),
        _ => None,
    };

    let staff_address = match (&staff, config.staff_listen) {
        (Some(listener), Some(address)) => Some(local(listener, "staff_listen", address)?),
        _ => None,
    };

    let revision = prepared.policy.model.revision();
    let center = Arc::new(Center {
        published: watch::Sender::new(revision),
        recorded: Notify::new(),
        policy: RwLock::new(prepared.policy),
        signer: prepared.signer,
        authorities: prepared.authorities,
        people: People::new(
            &config,
            prepared.vault,
            prepared.issuers,
            PeopleClock(people_clock),
        ),
        sessions: crate::device::sessions::Sessions::default(),
        checks: prepared.checks,
        revoked: Notify::new(),
        lists: watch::Sender::new(Arc::new(prepared.lists)),
        taken_back: RwLock::new(prepared.taken_back),
        writer: Writer::start(Arc::clone(&store)).map_err(CenterError::Writer)?,
        signing: prepared.signing,
        checkpoint: watch::Sender::new(CheckpointState::Auditing),
        enrol_rates: Mutex::new(Rates::new(config.enrol_burst, config.enrol_per_s)),
        guess_rates: Mutex::new(Rates::new(GUESSES_OF_PEER.0, GUESSES_OF_PEER.1)),
        guess_total: Mutex::new(Rates::new(GUESSES_OF_ALL.0, GUESSES_OF_ALL.1)),
        snapshots: Semaphore::new(SNAPSHOTS_MAX),
        openapi: Bytes::from(description.to_pretty_json().unwrap_or_default()),
        stopping: CancellationToken::new(),
        turns: Turns::new(),
        documents_held: AtomicU64::new(0),
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
    background.spawn(tasks::due::run(Arc::clone(&center), end_background.clone()));
    background.spawn(crate::checks::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    if center.config.daily_recheck {
        background.spawn(tasks::recheck::run(
            Arc::clone(&center),
            end_background.clone(),
        ));
    }

    background.spawn(tasks::responders::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    background.spawn(tasks::documents::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    background.spawn(tasks::purge::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    background.spawn(tasks::checkpoint::run(
        Arc::clone(&center),
        end_background.clone(),
    ));
    let shown = tasks::certificate::Listeners {
        public: public_tls.clone(),
        device: device_tls.clone(),
        staff: staff_tls.clone(),
    };
    background.spawn(tasks::certificate::run(
        Arc::clone(&center),
        identity,
        shown,
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
    if let Some(staff) = staff {
        let router = routers.people_of(&center);
        listeners.spawn(door("people", router, PEOPLE_MAX).serve_tcp(
            staff,
            |_| true,
            move |stream, peer| shake_staff(staff_tls.clone(), stream, peer),
        ));
    }
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
    if let Some(status) = status {
        listeners.spawn(door("status", routers.status, ASKERS_MAX).serve_tcp(
            status,
            |_| true,
            move |stream, address| async move {
                let peer = PublicPeer {
                    address,
                    proof: None,
                };
                Some((stream, peer))
            },
        ));
    }
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
        status_address,
        staff_address,
        listeners,
        background,
        end_background,
    })
}

struct Prepared {
    policy: Policy,
    signer: iryonet_wire::signed::PolicySigner,
    authorities: Authorities,
    lists: tasks::crl::Lists,
    taken_back: BTreeMap<Serial, Revoked>,
    vault: iryonet_people::Vault,
    issuers: Issuers,
    checks: Checks,
    signing: Option<tasks::checkpoint::key::Signing>,
}

/// All of the start that may wait for a disk.
fn prepare(
    config: &Config,
    store: &dyn Store,
) -> Result<(Prepared, iryonet_tls::LocalIdentity), CenterError> {
    let authorities = Authorities::load(config)?;
    let signer = init::policy_signer(config)?;
    let vault = crate::people::ensure_key(config)?;
    let issuers = Issuers::load(config)?;
    let checks = Checks::load(config)?;
    let identity = certificate::ensure(config, authorities.current(), clock::now())?;
    let model = load::model(config, store)?;
    let log = FeedLog::new(model.revision(), FeedLimits::default());
    // After the model: what is revoked meanwhile comes by the ledger.
    let taken_back = tasks::crl::read(store, clock::now(), config.crl_validity_s)?;
    let lists = tasks::crl::make(
        store,
        &authorities,
        config.crl_validity_s,
        &tasks::crl::Lists::new(),
    )?;
    tasks::responders::refresh(&authorities);
    Ok((
        Prepared {
            policy: Policy { model, log },
            signer,
            authorities,
            lists,
            taken_back: taken_back
                .into_iter()
                .map(|revoked| (revoked.serial, revoked))
                .collect(),
            vault,
            issuers,
            checks,
            signing: tasks::checkpoint::key::load(config)?,
        },
        identity,
    ))
}

async fn shake_public(
    tls: OpenAcceptor,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
) -> Option<(iryonet_tls::TlsStream<tokio::net::TcpStream>, PublicPeer)> {
    match tls.accept(stream, &HandshakeLimits::default()).await {
        Ok((stream, proof)) => {
            let peer = PublicPeer {
                address: peer,
                proof: proof.map(Arc::new),
            };
            Some((stream, peer))
        }
        Err(error) => {
            tracing::debug!(%peer, reason = error.reason().as_str(), "a public handshake failed");
            None
        }
    }
}

async fn shake_staff(
    tls: iryonet_tls::server::EnrolmentAcceptor,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
) -> Option<(iryonet_tls::TlsStream<tokio::net::TcpStream>, StaffPeer)> {
    match tls.accept(stream, &HandshakeLimits::default()).await {
        Ok(stream) => Some((stream, StaffPeer(peer))),
        Err(error) => {
            tracing::debug!(%peer, reason = error.reason().as_str(), "a person's handshake failed");
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

    /// Where the listener for the status of certificates is, if there is one.
    #[must_use]
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status_address
    }

    /// Where the people's listener is, if there is one.
    #[must_use]
    pub fn staff_address(&self) -> Option<SocketAddr> {
        self.staff_address
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
