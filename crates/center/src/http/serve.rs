//! Connections: accepted within limits, served by a router, ended in good
//! order. One loop per listener; they share nothing but this code.

use super::leftover;
use super::problem::{Problem, chain};
use axum::Router;
use axum::response::IntoResponse as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

/// A request's head, and the pause between two requests of one connection.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// After a failed accept (no file descriptors left, most likely).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Who is at the other end of an operator's connection, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatorPeer {
    pub(crate) uid: Option<u32>,
    pub(crate) pid: Option<i32>,
}

/// Who is at the other end of a public connection: an address, and whom a
/// certificate proved, if one was shown. Only what renews it may look at that.
#[derive(Debug, Clone)]
pub(crate) struct PublicPeer {
    pub(crate) address: SocketAddr,
    pub(crate) proof: Option<Arc<iryonet_tls::PeerProof>>,
}

/// Seats taken, by place.
type Places = Arc<Mutex<BTreeMap<u64, usize>>>;

/// What one listener runs with.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) name: &'static str,
    pub(crate) router: Router,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
    seats: Arc<Semaphore>,
    seats_max: usize,
    /// Seats that each place (an address, or a /64) has now; nobody who has none
    /// stands in it.
    places: Places,
}

/// One place may have one in so many of all seats: whoever opens connections
/// and says nothing leaves the others to everybody else.
const PLACES_MIN: usize = 4;

/// A connection's right to be there; given back when it is dropped.
struct Seat {
    _of_all: OwnedSemaphorePermit,
    place: Option<(u64, Places)>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((place, places)) = self.place.take() else {
            return;
        };
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = places.get_mut(&place) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                places.remove(&place);
            }
        }
    }
}

impl Door {
    pub(crate) fn new(
        name: &'static str,
        router: Router,
        seats_max: usize,
        stopping: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let router = router
            .fallback(|| async { Problem::no_such_path().into_response() })
            .method_not_allowed_fallback(|| async { Problem::wrong_method().into_response() });
        Self {
            name,
            router,
            stopping,
            tasks,
            seats: Arc::new(Semaphore::new(seats_max)),
            seats_max,
            places: Arc::default(),
        }
    }

    fn seat(&self, peer: Option<IpAddr>) -> Option<Seat> {
        let Ok(of_all) = Arc::clone(&self.seats).try_acquire_owned() else {
            tracing::warn!(
                listener = self.name,
                limit = self.seats_max,
                "a connection was refused: as many as there may be are open"
            );
            return None;
        };
        let Some(peer) = peer else {
            return Some(Seat {
                _of_all: of_all,
                place: None,
            });
        };
        let limit = self.seats_max.div_ceil(PLACES_MIN);
        let place = iryonet_people::Place::of(peer).key();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let count = places.entry(place).or_default();
        if *count >= limit {
            tracing::debug!(listener = self.name, limit, %peer, "a connection was refused: as many as one peer may have are open");
            return None;
        }
        *count += 1;
        Some(Seat {
            _of_all: of_all,
            place: Some((place, Arc::clone(&self.places))),
        })
    }

    /// Accepts over TCP until the center stops. `admit` may turn a peer away
    /// before anything is read; `shake` makes the stream and says who is there.
    pub(crate) async fn serve_tcp<S, P, A, H, F>(self, listener: TcpListener, admit: A, shake: H)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
        A: Fn(SocketAddr) -> bool,
        H: Fn(TcpStream, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Option<(S, P)>> + Send,
    {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stopping.cancelled() => return,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.accept_failed(&error).await;
                    continue;
                }
            };
            if !admit(address) {
                continue;
            }
            let Some(seat) = self.seat(Some(address.ip())) else {
                continue;
            };
            // Deltas are small and urgent.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let door = self.clone();
            let shake = shake.clone();
            self.tasks.spawn(async move {
                let _seat = seat;
                if let Some((stream, peer)) = shake(stream, address).await {
                    door.connection(stream, peer).await;
                }
            });
        }
    }

    /// Accepts on a Unix socket until the center stops.
    pub(crate) async fn serve_unix(self, listener: UnixListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stopping.cancelled() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    self.accept_failed(&error).await;
                    continue;
                }
            };
            let Some(seat) = self.seat(None) else {
                continue;
            };
            let peer = match stream.peer_cred() {
                Ok(credentials) => OperatorPeer {
                    uid: Some(credentials.uid()),
                    pid: credentials.pid(),
                },
                Err(_) => OperatorPeer {
                    uid: None,
                    pid: None,
                },
            };
            let door = self.clone();
            self.tasks.spawn(async move {
                let _seat = seat;
                door.connection(stream, peer).await;
            });
        }
    }

    async fn accept_failed(&self, error: &std::io::Error) {
        tracing::warn!(listener = self.name, %error, "a connection could not be accepted");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }

    async fn connection<S, P>(&self, stream: S, peer: P)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
            request.extensions_mut().insert(peer.clone());
            let (request, leftover) = leftover::lend(request);
            // A router is always ready.
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await;
                leftover.forget().await;
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_buf_size(HEAD_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(listener = self.name, error = %chain(&error), "a connection broke");
        }
    }
}
