//! The daemon: puts the parts together, in the order that leaves no gap.
//!
//! Datapath first, with what is on disk; then the backbone and the lines that
//! are there; then forwarding; then the feed. **Fail static**: at the end, by
//! SIGTERM or by SIGKILL, nothing is detached; programs and tables stay in the
//! kernel and enforce. Bindings end with their leases unless a gateway is back
//! before. To take a gateway out of service for good, stop it, let the leases
//! end, and remove its pins (`datapath::remove_pins`).
//!
//! **Closed until taken**: an interface that appears has no IPv6 before it has
//! its programs, so that one that comes up by itself passes nothing on. The
//! kernel sees to that, also while no gateway runs. Interfaces that were there
//! before and are no line are closed when they are down; one that is up may be
//! what the machine is managed by, and is only named.

use crate::config::{Config, ConfigError};
use crate::control::{Control, ControlError};
use crate::datapath::{self, Datapath, DatapathError, Opened};
use crate::engine::{Engine, SystemClocks, Terms};
use crate::enrol::{Credentials, EnrolError, credentials};
use crate::feed::{Feed, SharedStatus};
use crate::keep::{self, Keep};
use crate::lines::ethernet::Doors;
use crate::lines::{LineStates, Manager};
use crate::policy::{ApplyError, Policy};
use crate::renew::{self, Renewal, SharedCertificate};
use crate::routes;
use iryonet_agent::chain;
use iryonet_agent::files::FileError;
use iryonet_agent::netlink::{Netlink, NetlinkError, watch_interfaces};
use iryonet_agent::sysctl::{self, SysctlError};
use iryonet_domain::UnixMillis;
use iryonet_tls::{
    ClientPolicy, ClientTrust, Clock, ConfigError as TlsError, Expect, HandshakeLimits, Profile,
    client_config, server_config,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections beyond those that are bound: handshakes under way.
const HANDSHAKES: usize = 256;
/// For a handshake of attach.
const HANDSHAKE: HandshakeLimits = HandshakeLimits {
    timeout: Duration::from_secs(5),
    octets: 32 << 10,
};
/// The highest time seen is kept this often.
const CLOCK: Duration = Duration::from_secs(30);
/// For the backbone's interface to appear.
const BACKBONE: Duration = Duration::from_secs(30);

/// Why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its certificate and what belongs to it.
    #[error(transparent)]
    Credentials(#[from] EnrolError),
    /// TLS.
    #[error("the gateway's certificate cannot be used")]
    Tls(#[from] TlsError),
    /// The datapath.
    #[error("the datapath cannot be used")]
    Datapath(#[from] DatapathError),
    /// The kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A kernel switch.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No backbone.
    #[error("the backbone's interface {0} has not appeared; nothing can be carried without it")]
    NoBackbone(String),
}

/// Runs a gateway until `shutdown` completes. Needs root (`CAP_BPF`, `CAP_NET_ADMIN`).
///
/// # Errors
/// When something that it cannot do without is missing at the start.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    renew::pairs(&config).finish_switch()?;
    let Credentials {
        identity,
        roots,
        policy_keys,
        network,
    } = credentials(&config)?;
    let (datapath, opened) = Datapath::open(&datapath_config(&config, network))?;
    report(&opened);
    let mut keep = Keep::new(config.state_dir.clone(), policy_keys.clone());
    let engine = Arc::new(Engine::new(
        Policy::new(config.name.clone(), network),
        Box::new(datapath),
        Box::new(SystemClocks),
        keep.clock_floor(),
        Terms {
            lease: Duration::from_millis(config.lease_ms.into()),
            renew: Duration::from_millis(config.renew_ms.into()),
            attachments_max: config.attach_connections_max,
        },
    ));
    take_kept(&engine, &mut keep)?;

    let netlink = Netlink::open()?;
    let backbone = backbone(&netlink, &config.backbone_interface).await?;
    engine.with_kernel(|kernel| kernel.attach_backbone(backbone, &config.backbone_interface))?;
    // It may have come while everything new was closed by an earlier process.
    sysctl::open_interface(&config.backbone_interface)?;
    forget_dead_lines(&engine, &netlink, &opened).await?;

    let stop = CancellationToken::new();
    // Whoever leaves this function by an error ends the tasks too.
    let _stop_all = stop.clone().drop_guard();
    let routes = routes::start(
        Arc::clone(&engine),
        netlink.clone(),
        backbone,
        Duration::from_millis(config.lease_ms.into()),
        stop.clone(),
    )
    .await?;
    let by_engine = |engine: &Arc<Engine>| {
        let engine = Arc::clone(engine);
        Clock::new(move || engine.time())
    };
    let trust = ClientTrust {
        roots: roots.clone(),
        policy: ClientPolicy::PARTICIPANTS,
    };
    let acceptor = server_config(Profile::Guideline43, &identity, trust, by_engine(&engine))?;
    let doors = Arc::new(Doors {
        acceptor: acceptor.clone(),
        engine: Arc::clone(&engine),
        routes: routes.clone(),
        limits: HANDSHAKE,
        link_local: config.link_local,
        attach_port: config.attach_port,
        enrol_port: config.enrol_port,
        center_public: config.center_public,
        connections: Arc::new(Semaphore::new(
            config.attach_connections_max as usize + HANDSHAKES,
        )),
        relays: Arc::new(Semaphore::new(crate::lines::ethernet::RELAYS_MAX)),
    });
    let states = LineStates::default();
    watch_interfaces(Arc::clone(&engine.lines_changed))?;
    let mut manager = Manager::new(
        Arc::clone(&engine),
        netlink,
        routes,
        doors,
        states.clone(),
        stop.clone(),
    );
    sysctl::close_new_interfaces()?;
    manager.compare().await;
    manager.close_what_is_no_line(backbone).await;
    sysctl::forward_ipv6()?;

    let status = SharedStatus::default();
    let certificate = SharedCertificate::default();
    let control = Control {
        engine: Arc::clone(&engine),
        feed: status.clone(),
        certificate: certificate.clone(),
        lines: states,
        backbone,
    };
    let socket = Control::bind(&config.control_socket)?;
    let connector = client_config(
        Profile::Guideline43,
        &identity,
        roots.clone(),
        Expect::Center(Some(config.center_name.clone())),
        by_engine(&engine),
    )?;
    let renewed = Arc::new(AtomicBool::new(false));
    let renewal = Renewal {
        config: config.clone(),
        engine: Arc::clone(&engine),
        roots,
        acceptor,
        connector: connector.clone(),
        renewed: Arc::clone(&renewed),
        status: certificate,
    };
    let feed = Feed {
        engine: Arc::clone(&engine),
        connector,
        center: config.center_device,
        keys: policy_keys,
        keep,
        status,
        renewed,
    };
    tokio::spawn(renewal.run(stop.clone()));
    tokio::spawn(manager.run());
    tokio::spawn(control.run(socket, stop.clone()));
    tokio::spawn(watch_due(Arc::clone(&engine), stop.clone()));
    tokio::spawn(keep_clock(
        Arc::clone(&engine),
        config.state_dir.clone(),
        stop.clone(),
    ));
    let feed = tokio::spawn(feed.run(stop.clone()));
    tracing::info!(gateway = %config.name, %network, "gateway running");
    shutdown.await;

    // Sessions that end from now on leave their bindings to run out.
    engine.stop();
    stop.cancel();
    // A policy that is being kept is kept whole.
    if tokio::time::timeout(Duration::from_secs(10), feed)
        .await
        .is_err()
    {
        tracing::warn!("the feed did not end in time");
    }
    save_clock(&engine, &config.state_dir);
    // Whoever asks now is told at once that nobody is there.
    let _ = std::fs::remove_file(&config.control_socket);
    tracing::info!("gateway stopped; its enforcement stays in the kernel");
    Ok(())
}

fn datapath_config(config: &Config, network: iryonet_domain::NetworkPrefix) -> datapath::Config {
    datapath::Config {
        pin_dir: config.pin_dir.clone(),
        network: u128::from(network.address()),
        network_len: network.prefix_len(),
        gateway_link_local: config.link_local,
        attach_port: config.attach_port,
        enrol_port: config.enrol_port,
        flows_max: config.flows_max,
        participants_max: config.participants_max,
        grants_max: config.grants_max,
        endpoints_max: config.endpoints_max,
        lines_max: config.lines_max,
    }
}

fn report(opened: &Opened) {
    match opened {
        Opened::Fresh => tracing::info!("datapath loaded with empty tables"),
        Opened::Adopted {
            participants,
            grants,
            bindings,
            lines,
            ..
        } => tracing::info!(
            participants,
            grants,
            bindings = bindings.len(),
            lines = lines.len(),
            "datapath taken over from an earlier process, as it enforced"
        ),
        Opened::Replaced { why, lines, .. } => tracing::warn!(
            why,
            lines = lines.len(),
            "the earlier datapath did not fit and was replaced: lines have to attach again"
        ),
    }
}

/// Takes into force what an earlier run has kept.
fn take_kept(engine: &Engine, keep: &mut Keep) -> Result<(), FileError> {
    let Some(kept) = keep.load()? else {
        tracing::warn!("no policy on disk: nothing passes until the center gives one");
        return Ok(());
    };
    let unfit = |error: ApplyError| {
        tracing::error!(%error, "a kept policy does not fit and is not used");
    };
    if let Err(error) = engine.apply_snapshot(kept.snapshot, rand::random()) {
        unfit(error);
        return Ok(());
    }
    engine.remember_gone(kept.gone);
    for delta in kept.deltas {
        let own = engine.with_policy(Policy::revision);
        if delta.from_revision < own {
            // Of before the snapshot: the process ended between keeping the
            // snapshot and removing them.
            continue;
        }
        if let Err(error) = engine.apply_delta(delta) {
            unfit(error);
            break;
        }
    }
    let (revision, in_force) = engine.with_policy(|p| (p.revision(), p.in_force()));
    tracing::info!(revision, in_force, "kept policy taken up");
    Ok(())
}

async fn backbone(netlink: &Netlink, name: &str) -> Result<u32, RunError> {
    let deadline = tokio::time::Instant::now() + BACKBONE;
    loop {
        if let Some(interface) = netlink.interface(name).await? {
            return Ok(interface.index);
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(RunError::NoBackbone(name.to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Interfaces that went while no gateway was running.
async fn forget_dead_lines(
    engine: &Engine,
    netlink: &Netlink,
    opened: &Opened,
) -> Result<(), NetlinkError> {
    let (Opened::Adopted { lines, .. } | Opened::Replaced { lines, .. }) = opened else {
        return Ok(());
    };
    let there: Vec<u32> = netlink
        .interfaces()
        .await?
        .into_iter()
        .map(|(_, interface)| interface.index)
        .collect();
    for ifindex in lines.iter().filter(|line| !there.contains(line)) {
        tracing::info!(ifindex, "a line's interface is gone; forgotten");
        engine.interface_gone(*ifindex);
    }
    Ok(())
}

async fn watch_due(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        let wait = engine.due();
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.due_changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn keep_clock(engine: Arc<Engine>, directory: std::path::PathBuf, stop: CancellationToken) {
    loop {
        save_clock(&engine, &directory);
        let lag_ms = engine.clock_lag_ms();
        if lag_ms > 60_000 {
            tracing::error!(
                lag_ms,
                "the system's clock is behind a time seen before; policy and certificates are judged by the later one"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CLOCK) => {}
        }
    }
}

fn save_clock(engine: &Engine, directory: &std::path::Path) {
    let now: UnixMillis = engine.time();
    if let Err(error) = keep::save_clock(directory, now) {
        tracing::error!(
            error = chain(&error),
            "the highest time seen could not be kept"
        );
    }
}
