//! Carries the plan over real connections: one after the other, each within its
//! time and its octets, all of them within the whole check's.

use crate::certificate::{Roots, Wanted};
use crate::crypto::sign::OwnIdentity;
use crate::plan::{Line, Order, Stop, examine};
use crate::report::Report;
use crate::talk::{Conversation, Ending, Refusal, Wait};
use iryonet_domain::UnixMillis;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What a check may take from itself and from the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection is made.
    pub connect: Duration,
    /// Until a connection has said all that it has to say.
    pub answer: Duration,
    /// How long a connection that stands is watched for being ended.
    pub settle: Duration,
    /// Between two connections.
    pub pause: Duration,
    /// The whole check.
    pub total: Duration,
    /// Connections of a check.
    pub connections: u32,
    /// Octets received on one connection.
    pub octets: usize,
    /// Octets received in the whole check.
    pub octets_total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            settle: Duration::from_millis(1500),
            pause: Duration::from_millis(10),
            total: Duration::from_secs(120),
            connections: 400,
            octets: 256 * 1024,
            octets_total: 16 * 1024 * 1024,
        }
    }
}

/// What is asked of the application once a handshake stands, so that it shows
/// whether a connection without a certificate is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Application {
    /// `GET /` in HTTP/1.1: servers such as nginx let the handshake stand and
    /// refuse by a status.
    #[default]
    Http,
    /// Nothing is said: for services that speak another protocol.
    Silent,
}

/// Which server, and as whom it is looked at.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is. The caller resolves names, and decides which addresses may
    /// be reached.
    pub address: SocketAddr,
    /// The name that is asked for (SNI) and that the certificate must bear;
    /// `None` looks for the address in the certificate.
    pub server_name: Option<String>,
    /// What it serves.
    pub application: Application,
}

/// How a check is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time-outs and sizes.
    pub limits: Limits,
    /// The caller's clock, by which certificates are valid or not.
    pub now: UnixMillis,
    /// Fresh random octets, for the hellos' randoms; keys come from aws-lc.
    pub seed: [u8; 32],
    /// The roots that the server's chain must lead to.
    pub roots: Option<Roots>,
    /// A client's certificate, to see whether it is accepted.
    pub client: Option<OwnIdentity>,
}

/// Why a server could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection.
    #[error(
        "{address} cannot be reached (connection {connection}); is the server up, and open to this machine?"
    )]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Which connection of the check, counted from 1.
        connection: u32,
        /// What the system said.
        source: std::io::Error,
    },
    /// What answers is not TLS.
    #[error("{address} does not speak TLS: {refusal}")]
    NotTls {
        /// Where.
        address: SocketAddr,
        /// What came instead.
        refusal: Refusal,
    },
    /// It answered at first, and then no more: it may count connections.
    #[error(
        "{address} stopped answering after {connections} connections ({refusal}); it may limit them: allow this checker, or raise the pause"
    )]
    WentQuiet {
        /// Where.
        address: SocketAddr,
        /// Connections until then.
        connections: u32,
        /// How it refuses now.
        refusal: Refusal,
    },
    /// The check's own limits ended it.
    #[error("the check of {address} was ended after {connections} connections: {limit}")]
    Limit {
        /// Where.
        address: SocketAddr,
        /// Connections until then.
        connections: u32,
        /// Which limit.
        limit: String,
    },
}

/// Longest name of a host (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;

/// Looks at a server: some tens of connections, one after the other.
///
/// What it finds is facts; [`crate::evidence`] judges them.
///
/// # Errors
/// When the server cannot be reached, does not speak TLS, or does not answer
/// within the limits. A server that is merely bad is a report, not an error.
pub async fn check_server(target: &Target, settings: &Settings) -> Result<Report, ProbeError> {
    let start = Instant::now();
    let mut carrier = Carrier {
        address: target.address,
        limits: settings.limits,
        end: start + settings.limits.total,
        connections: 0,
        octets: 0,
    };
    let name = target
        .server_name
        .as_deref()
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| !name.is_empty() && name.len() <= NAME_MAX);
    let host = match name {
        Some(name) => name.to_owned(),
        None => target.address.to_string(),
    };
    let order = Order {
        server_name: name,
        wanted: name.map_or(Wanted::Address(target.address.ip()), Wanted::Name),
        roots: settings.roots.as_ref(),
        own: settings.client.as_ref(),
        request: match target.application {
            Application::Silent => None,
            Application::Http => Some(
                format!(
                    "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: iryonet-check\r\nConnection: close\r\n\r\n"
                )
                .into_bytes(),
            ),
        },
        now: settings.now,
        seed: settings.seed,
    };
    let examined = examine(&mut carrier, &order, target.address.to_string()).await;
    let address = target.address;
    let connections = carrier.connections;
    match examined {
        Ok(mut report) => {
            report.effort.connections = connections;
            report.effort.octets_received = carrier.octets;
            report.effort.duration_ms =
                u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(report)
        }
        Err(Stop::Connect(source)) => Err(ProbeError::Unreachable {
            address,
            connection: connections,
            source,
        }),
        Err(Stop::NoTls(refusal)) => Err(ProbeError::NotTls { address, refusal }),
        Err(Stop::WentQuiet(refusal)) => Err(ProbeError::WentQuiet {
            address,
            connections,
            refusal,
        }),
        Err(Stop::Limit { limit }) => Err(ProbeError::Limit {
            address,
            connections,
            limit,
        }),
    }
}

struct Carrier {
    address: SocketAddr,
    limits: Limits,
    end: Instant,
    connections: u32,
    octets: u64,
}

impl Carrier {
    fn over(&self) -> Option<Stop> {
        let limits = &self.limits;
        let limit = if Instant::now() >= self.end {
            format!("it took more than {} s in all", limits.total.as_secs())
        } else if self.connections >= limits.connections {
            format!(
                "more than {} connections would be needed",
                limits.connections
            )
        } else if self.octets >= limits.octets_total {
            format!("more than {} octets came in all", limits.octets_total)
        } else {
            return None;
        };
        Some(Stop::Limit { limit })
    }
}

impl Line for Carrier {
    async fn hold<C: Conversation + Send>(&mut self, talk: &mut C) -> Result<(), Stop> {
        if let Some(stop) = self.over() {
            return Err(stop);
        }
        if self.connections > 0 {
            sleep(self.limits.pause).await;
        }
        self.connections += 1;
        let connecting = TcpStream::connect(self.address);
        let mut stream = match timeout(self.limits.connect, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Stop::Connect(error)),
            Err(_) => return Err(Stop::Connect(std::io::ErrorKind::TimedOut.into())),
        };
        let received = converse(&mut stream, talk, &self.limits, self.end).await;
        self.octets = self
            .octets
            .saturating_add(u64::try_from(received).unwrap_or(u64::MAX));
        if Instant::now() >= self.end {
            return self.over().map_or(Ok(()), Err);
        }
        Ok(())
    }
}

/// Carries one conversation to its end, within a connection's limits and until
/// `end` at the latest. Tells how many octets came.
pub(crate) async fn converse<C: Conversation + Send>(
    stream: &mut TcpStream,
    talk: &mut C,
    limits: &Limits,
    end: Instant,
) -> usize {
    // Small messages both ways: waiting to fill packets only costs time.
    let _ = stream.set_nodelay(true);
    let answer_by = (Instant::now() + limits.answer).min(end);
    let mut settle_by = None;
    let mut send = talk.start();
    let mut buffer = vec![0; 16 * 1024];
    let mut received = 0;
    let mut broken = false;
    while !talk.is_over() {
        if !send.is_empty() && !broken {
            // A peer that has closed already may still have said why.
            let sent = timeout_at(answer_by, stream.write_all(&send)).await;
            broken = !matches!(sent, Ok(Ok(())));
        }
        send = Vec::new();
        let until = match talk.wait() {
            Wait::Answer => answer_by,
            Wait::Settle => {
                *settle_by.get_or_insert_with(|| (Instant::now() + limits.settle).min(end))
            }
        };
        match timeout_at(until, stream.read(&mut buffer)).await {
            Err(_) => talk.end(Ending::Silent),
            Ok(Ok(0)) => talk.end(Ending::Closed),
            Ok(Err(_)) => talk.end(Ending::Broken),
            Ok(Ok(count)) => {
                received += count;
                if received > limits.octets {
                    talk.end(Ending::TooMuch);
                } else {
                    send = talk.receive(buffer.get(..count).unwrap_or_default());
                }
            }
        }
    }
    send.extend(talk.farewell());
    // Courtesy only: what becomes of it changes nothing.
    let _ = timeout(limits.settle, stream.write_all(&send)).await;
    let _ = timeout(limits.settle, stream.shutdown()).await;
    received
}
