//! The policy feed: pulls snapshot and deltas from the center over mutual TLS,
//! believes only what the policy keys signed for this gateway, takes it into
//! force, keeps it on disk, and tells the center what is enforced.
//!
//! The center may be away for as long as the policy is valid; nothing here is
//! needed to enforce.

#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::keep::{ENVELOPE_BYTES, Keep, Unbelievable, open_delta, open_snapshot};
use crate::policy::ApplyError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use iryonet_agent::backoff::Backoff;
use iryonet_agent::chain;
use iryonet_agent::files::FileError;
use iryonet_domain::UnixMillis;
use iryonet_tls::{Connector, HandshakeLimits};
use iryonet_wire::feed::{DELTA_MAX_BYTES, SNAPSHOT_MAX_BYTES};
use iryonet_wire::signed::PolicyKeys;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{KeepAlive, TcpKeepCount, TcpKeepIdle, TcpKeepInterval};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const ACKNOWLEDGEMENTS: &str = "/v1/feed/acknowledgements";
/// How long the center may let a request for deltas wait.
const WAIT_MS: u64 = 25_000;
/// Beyond that, and for all other requests, the center may take this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// A snapshot of a whole nation takes a while to make and to send.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(120);
/// A fresh snapshot for the validity's sake is asked for at most this often.
const FRESHEN: Duration = Duration::from_secs(60);

/// After so many silent seconds the path to the center is probed, this often,
/// so many times: a broken one is noticed within five seconds.
const SILENT_S: u32 = 2;
const PROBE_S: u32 = 1;
const PROBES: u32 = 3;

/// How the feed is doing, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// Is the center answering?
    pub connected: bool,
    /// When it answered last, Unix milliseconds.
    pub last_answer: Option<UnixMillis>,
    /// What went wrong last, while it does.
    pub trouble: Option<String>,
    /// Snapshots taken since the start.
    pub snapshots: u64,
    /// Deltas taken since the start.
    pub deltas: u64,
    /// Kept out since the start: not signed, not for us, not the next step.
    pub rejected: u64,
    /// Why the last one was kept out.
    pub last_rejection: Option<String>,
    /// From the last delta's last byte to the datapath's tables, microseconds.
    pub last_apply_us: Option<u64>,
    /// Does the disk hold what is in force?
    pub kept: bool,
}

/// Shared with the control socket.
#[derive(Debug, Clone, Default)]
pub struct SharedStatus(Arc<Mutex<FeedStatus>>);

impl SharedStatus {
    /// As it is now.
    #[must_use]
    pub fn get(&self) -> FeedStatus {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, with: impl FnOnce(&mut FeedStatus)) {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("no connection to the center at {center}")]
    Connect {
        center: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the handshake with the center failed")]
    Handshake(#[from] iryonet_tls::HandshakeError),
    #[error("the connection to the center broke")]
    Http(#[from] hyper::Error),
    #[error("the request could not be made")]
    Request(#[from] hyper::http::Error),
    #[error("the center did not answer in time")]
    TooSlow,
    #[error("the center's answer did not come whole: {0}")]
    Body(String),
    #[error("the center answered {status}: {text}")]
    Status { status: StatusCode, text: String },
    #[error("a policy was kept out")]
    Rejected(#[source] Rejection),
}

#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error(transparent)]
    Unbelievable(#[from] Unbelievable),
    #[error(transparent)]
    Unfit(#[from] ApplyError),
}

/// The feed's task.
#[derive(Debug)]
pub struct Feed {
    /// Who takes it into force.
    pub engine: Arc<Engine>,
    /// TLS with our gateway certificate, expecting the center.
    pub connector: Connector,
    /// The center's listener for gateways.
    pub center: SocketAddr,
    /// Who may sign.
    pub keys: PolicyKeys,
    /// Where it is kept.
    pub keep: Keep,
    /// How it goes.
    pub status: SharedStatus,
    /// The connector shows another certificate than when the present
    /// connection was opened: open the next one.
    pub renewed: Arc<AtomicBool>,
}

impl Feed {
    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        self.status.change(|s| s.kept = self.keep.whole());
        loop {
            let error = tokio::select! {
                () = shutdown.cancelled() => return,
                error = self.follow(&mut backoff) => error,
            };
            let text = chain(&error);
            let first = backoff.failures() == 0;
            let wait = backoff.failed(rand::random());
            if first {
                tracing::warn!(
                    error = text,
                    "the policy feed is interrupted; what is in force stays in force"
                );
            } else {
                tracing::debug!(
                    error = text,
                    wait_ms = wait.as_millis(),
                    "the center cannot be followed"
                );
            }
            self.status.change(|s| {
                s.connected = false;
                s.trouble = Some(text);
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Follows the center on one connection until something goes wrong.
    async fn follow(&mut self, backoff: &mut Backoff) -> FeedError {
        match self.follow_on(backoff).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn follow_on(
        &mut self,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, FeedError> {
        let mut center = self.connect().await?;
        let mut snapshot_wanted = false;
        let mut freshened: Option<Instant> = None;
        loop {
            // Between two steps, so that nothing is given up half way.
            if self.renewed.swap(false, Ordering::AcqRel) {
                center = self.connect().await?;
            }
            let revision = self.engine.with_policy(crate::policy::Policy::revision);
            let stale = self.half_over() && freshened.is_none_or(|at| at.elapsed() >= FRESHEN);
            if revision == 0 || snapshot_wanted || self.keep.wants_snapshot() || stale {
                freshened = Some(Instant::now());
                self.snapshot(&mut center).await?;
                snapshot_wanted = false;
            } else {
                match self.delta(&mut center, revision).await? {
                    Step::Taken | Step::Nothing => {}
                    Step::SnapshotNeeded => {
                        snapshot_wanted = true;
                        continue;
                    }
                }
            }
            // The center believes what we ask and say: all is well.
            if backoff.failures() > 0 || !self.status.get().connected {
                tracing::info!("following the center's policy feed");
            }
            backoff.succeeded();
            self.status.change(|s| {
                s.connected = true;
                s.trouble = None;
                s.last_answer = Some(self.engine.time());
                s.kept = self.keep.whole();
            });
            snapshot_wanted |= self.acknowledge(&mut center).await?;
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, FeedError> {
        let center = self.center;
        let stream = in_time(PATIENCE, async {
            TcpStream::connect(center)
                .await
                .map_err(|source| FeedError::Connect { center, source })
        })
        .await?;
        // A delta is small and urgent.
        let _ = stream.set_nodelay(true);
        notice_silence(&stream);
        let (stream, _) = self
            .connector
            .connect(stream, &HandshakeLimits::default())
            .await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender, or with the connection.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// More than half of the validity is over.
    fn half_over(&self) -> bool {
        let now = self.engine.time();
        self.engine.with_policy(|policy| {
            let whole = policy.valid_until().since_ms(policy.issued_at());
            now.since_ms(policy.issued_at()) > whole / 2
        })
    }

    async fn snapshot(&mut self, center: &mut SendRequest<Full<Bytes>>) -> Result<(), FeedError> {
        let limit = SNAPSHOT_MAX_BYTES + ENVELOPE_BYTES;
        let (status, sealed) = in_time(
            SNAPSHOT_PATIENCE,
            ask(center, Method::GET, "/v1/feed/snapshot", None, limit),
        )
        .await?;
        if status != StatusCode::OK {
            return Err(refused(status, &sealed));
        }
        let (engine, keys) = (Arc::clone(&self.engine), self.keys.clone());
        let bytes = sealed.clone();
        let taken = tokio::task::spawn_blocking(move || -> Result<u64, Rejection> {
            let snapshot = open_snapshot(&keys, &bytes)?;
            let revision = snapshot.revision;
            engine.apply_snapshot(snapshot, rand::random())?;
            Ok(revision)
        })
        .await
        .map_err(|error| FeedError::Body(error.to_string()))?;
        let revision = taken.map_err(|rejection| self.reject(rejection))?;
        tracing::info!(revision, bytes = sealed.len(), "policy snapshot in force");
        self.status.change(|s| s.snapshots += 1);
        let gone = self
            .engine
            .with_policy(|policy| policy.gone().copied().collect::<Vec<_>>());
        self.keep_it(move |keep| keep.save_snapshot(&sealed, &gone))
            .await;
        Ok(())
    }

    async fn delta(
        &mut self,
        center: &mut SendRequest<Full<Bytes>>,
        revision: u64,
    ) -> Result<Step, FeedError> {
        let path = format!("/v1/feed/deltas?since={revision}&wait_ms={WAIT_MS}");
        let (status, sealed) = in_time(
            Duration::from_millis(WAIT_MS) + PATIENCE,
            ask(
                center,
                Method::GET,
                &path,
                None,
                DELTA_MAX_BYTES + ENVELOPE_BYTES,
            ),
        )
        .await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT => return Ok(Step::Nothing),
            StatusCode::GONE => return Ok(Step::SnapshotNeeded),
            _ => return Err(refused(status, &sealed)),
        }
        let received = Instant::now();
        let delta = open_delta(&self.keys, &sealed)
            .map_err(|error| self.reject(Rejection::Unbelievable(error)))?;
        let (to, changes) = (delta.to_revision, delta.changes.len());
        match self.engine.apply_delta(delta) {
            Ok(()) => {}
            Err(gap @ ApplyError::Gap { .. }) => {
                self.reject(Rejection::Unfit(gap));
                return Ok(Step::SnapshotNeeded);
            }
            Err(unfit) => return Err(self.reject(Rejection::Unfit(unfit))),
        }
        let took = u64::try_from(received.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            revision = to,
            changes,
            took_us = took,
            "policy delta in force"
        );
        self.status.change(|s| {
            s.deltas += 1;
            s.last_apply_us = Some(took);
        });
        self.keep_it(move |keep| keep.append_delta(&sealed)).await;
        Ok(Step::Taken)
    }

    /// Counts and logs what is kept out; the old policy stays.
    fn reject(&self, rejection: Rejection) -> FeedError {
        let text = chain(&rejection);
        tracing::error!(why = text, "a policy was kept out; the one in force stays");
        self.status.change(|s| {
            s.rejected += 1;
            s.last_rejection = Some(text);
        });
        FeedError::Rejected(rejection)
    }

    /// Disk work, where blocking is allowed. A disk that refuses does not stop
    /// enforcement; it is told loudly.
    async fn keep_it(
        &mut self,
        work: impl FnOnce(&mut Keep) -> Result<(), FileError> + Send + 'static,
    ) {
        let empty = Keep::new(std::path::PathBuf::new(), PolicyKeys::default());
        let mut keep = std::mem::replace(&mut self.keep, empty);
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut keep);
            (keep, result)
        })
        .await;
        match done {
            Ok((keep, result)) => {
                self.keep = keep;
                if let Err(error) = result {
                    tracing::error!(
                        error = chain(&error),
                        "the policy in force could not be kept on disk: a restart without the \
                         center would fall back to an earlier one"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "the work of keeping the policy was ended"),
        }
        self.status.change(|s| s.kept = self.keep.whole());
    }

    /// Tells the center what is in the kernel. `true`: it does not know that
    /// revision, so take a snapshot.
    async fn acknowledge(&self, center: &mut SendRequest<Full<Bytes>>) -> Result<bool, FeedError> {
        let Some(acknowledgement) = self.engine.enforced() else {
            return Ok(false);
        };
        let body = serde_json::to_vec(&acknowledgement)
            .map_err(|error| FeedError::Body(error.to_string()))?;
        let (status, answer) = in_time(
            PATIENCE,
            ask(center, Method::POST, ACKNOWLEDGEMENTS, Some(body), 64 << 10),
        )
        .await?;
        if status == StatusCode::CONFLICT {
            tracing::warn!("the center does not know our revision; taking a snapshot");
            return Ok(true);
        }
        if status.is_success() {
            Ok(false)
        } else {
            Err(refused(status, &answer))
        }
    }
}

/// A center that waits has nothing to say for long, and so has a broken path:
/// the kernel probes it. That it cannot only makes us notice later.
fn notice_silence(stream: &TcpStream) {
    let set = setsockopt(stream, KeepAlive, &true)
        .and_then(|()| setsockopt(stream, TcpKeepIdle, &SILENT_S))
        .and_then(|()| setsockopt(stream, TcpKeepInterval, &PROBE_S))
        .and_then(|()| setsockopt(stream, TcpKeepCount, &PROBES));
    if let Err(error) = set {
        tracing::debug!(%error, "the center's connection is not probed");
    }
}

enum Step {
    Taken,
    Nothing,
    SnapshotNeeded,
}

fn refused(status: StatusCode, body: &Bytes) -> FeedError {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let text = serde_json::from_slice::<Problem>(body).map_or_else(
        |_| "no explanation".to_owned(),
        |problem| problem.detail.chars().take(400).collect(),
    );
    FeedError::Status { status, text }
}

/// Tells the center what is enforced, on a connection of its own.
pub(crate) async fn tell(
    stream: iryonet_tls::TlsStream<TcpStream>,
    acknowledgement: Vec<u8>,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let (mut center, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let worker = tokio::spawn(connection);
    let answer = ask(
        &mut center,
        Method::POST,
        ACKNOWLEDGEMENTS,
        Some(acknowledgement),
        64 << 10,
    )
    .await;
    worker.abort();
    Ok(answer?.0)
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, FeedError>>,
) -> Result<T, FeedError> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or(Err(FeedError::TooSlow))
}

async fn ask(
    center: &mut SendRequest<Full<Bytes>>,
    method: Method,
    path: &str,
    json: Option<Vec<u8>>,
    limit: usize,
) -> Result<(StatusCode, Bytes), FeedError> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "center");
    if json.is_some() {
        request = request.header(hyper::header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(Bytes::from(json.unwrap_or_default())))?;
    center.ready().await?;
    let answer = center.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), limit)
        .collect()
        .await
        .map_err(|error| FeedError::Body(error.to_string()))?
        .to_bytes();
    Ok((status, body))
}
