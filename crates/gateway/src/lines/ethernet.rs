//! An `ethernet` line: listeners for attach and for the enrolment relay on our
//! link-local address of the line's interface, with their limits.

use crate::engine::Engine;
use crate::lines::relay::{Relayed, relay};
use crate::lines::session::{Place, serve};
use crate::routes::RouteKeeper;
use iryonet_tls::{Acceptor, HandshakeLimits};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections that one line may have at each door: the attachment, and its
/// successor that is about to take over.
pub const CONNECTIONS_PER_LINE: usize = 2;
/// Relayed enrolments at one time over all lines.
pub const RELAYS_MAX: usize = 64;
/// After an error of accept (file descriptors used up, say).
const BREATH: Duration = Duration::from_millis(100);

/// What all lines share.
#[derive(Debug)]
pub struct Doors {
    /// Who decides.
    pub engine: Arc<Engine>,
    /// TLS of the attach door.
    pub acceptor: Acceptor,
    /// Routes to attached sites.
    pub routes: RouteKeeper,
    /// How much of us a peer may use before it has proved anything.
    pub limits: HandshakeLimits,
    /// Our address on every line.
    pub link_local: Ipv6Addr,
    /// Attach.
    pub attach_port: u16,
    /// Enrolment relay.
    pub enrol_port: u16,
    /// Where the relay leads.
    pub center_public: SocketAddr,
    /// Connections over all lines.
    pub connections: Arc<Semaphore>,
    /// Relays over all lines.
    pub relays: Arc<Semaphore>,
}

/// The tasks of one line. Dropping ends them.
#[derive(Debug)]
pub struct LineTasks {
    over: CancellationToken,
    doors: Vec<JoinHandle<()>>,
}

impl LineTasks {
    /// Listens on the interface.
    ///
    /// # Errors
    /// When a listener cannot be bound there.
    pub async fn start(
        doors: Arc<Doors>,
        interface: &str,
        ifindex: u32,
        shutdown: &CancellationToken,
    ) -> Result<Self, std::io::Error> {
        let bind = |port| TcpListener::bind(SocketAddrV6::new(doors.link_local, port, 0, ifindex));
        let attach = bind(doors.attach_port).await?;
        let enrol = bind(doors.enrol_port).await?;
        let over = shutdown.child_token();
        let interface: Arc<str> = Arc::from(interface);
        Ok(Self {
            doors: vec![
                tokio::spawn(attach_door(
                    Arc::clone(&doors),
                    Arc::clone(&interface),
                    ifindex,
                    attach,
                    over.clone(),
                )),
                tokio::spawn(enrol_door(doors, interface, enrol, over.clone())),
            ],
            over,
        })
    }

    /// Are both doors open?
    #[must_use]
    pub fn alive(&self) -> bool {
        self.doors.iter().all(|door| !door.is_finished())
    }

    /// Closes the doors. Sessions are ended by whoever unbinds their line.
    pub fn end(&self) {
        self.over.cancel();
    }
}

impl Drop for LineTasks {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(listener: &TcpListener, over: &CancellationToken) -> Option<(TcpStream, Ipv6Addr)> {
    loop {
        tokio::select! {
            () = over.cancelled() => return None,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match peer.ip() {
                    // Only a neighbour on this very line has such an address.
                    IpAddr::V6(hop) if hop.is_unicast_link_local() => return Some((stream, hop)),
                    other => tracing::warn!(peer = %other, "connection from an address that is not link-local"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            },
        }
    }
}

async fn attach_door(
    doors: Arc<Doors>,
    interface: Arc<str>,
    ifindex: u32,
    listener: TcpListener,
    over: CancellationToken,
) {
    let here = Arc::new(Semaphore::new(CONNECTIONS_PER_LINE));
    while let Some((stream, hop)) = accept(&listener, &over).await {
        let (Ok(of_line), Ok(of_all)) = (
            Arc::clone(&here).try_acquire_owned(),
            Arc::clone(&doors.connections).try_acquire_owned(),
        ) else {
            doors
                .engine
                .count_refusal(&interface, "too-many-connections");
            continue;
        };
        // Renewals are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let doors = Arc::clone(&doors);
        let place = Place {
            interface: Arc::clone(&interface),
            ifindex,
            hop,
        };
        tokio::spawn(async move {
            serve(
                &doors.engine,
                &doors.acceptor,
                &doors.routes,
                &doors.limits,
                &place,
                stream,
            )
            .await;
            drop((of_line, of_all));
        });
    }
}

async fn enrol_door(
    doors: Arc<Doors>,
    interface: Arc<str>,
    listener: TcpListener,
    over: CancellationToken,
) {
    let here = Arc::new(Semaphore::new(CONNECTIONS_PER_LINE));
    while let Some((stream, _)) = accept(&listener, &over).await {
        let (Ok(of_line), Ok(of_all)) = (
            Arc::clone(&here).try_acquire_owned(),
            Arc::clone(&doors.relays).try_acquire_owned(),
        ) else {
            doors
                .engine
                .count_refusal(&interface, "too-many-connections");
            continue;
        };
        let doors = Arc::clone(&doors);
        let interface = Arc::clone(&interface);
        tokio::spawn(async move {
            let end = relay(stream, doors.center_public).await;
            if end != Relayed::Done {
                doors.engine.count_refusal(&interface, end.as_str());
            }
            tracing::info!(%interface, ?end, "enrolment relayed");
            drop((of_line, of_all));
        });
    }
}
