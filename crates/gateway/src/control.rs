//! The control socket: what `iryonet gateway status` and `drops` show. One
//! command in a line, one JSON document back, on a Unix socket that only the
//! owner opens. Reads only; it changes nothing.

use crate::datapath::{DenialRecord, DenyReason, DropCount, ReasonTotal};
use crate::engine::Engine;
use crate::feed::{FeedStatus, SharedStatus};
use crate::lines::{LineState, LineStates};
use crate::renew::{CertificateStatus, SharedCertificate};
use iryonet_domain::{
    DeviceId, Fingerprint, GatewayId, LineId, NetworkPrefix, ParticipantNumber, SiteIndex,
    UnixMillis,
};
use iryonet_wire::attach::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Questions at one time.
const AT_ONCE: usize = 16;
/// For one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer that a client reads.
const ANSWER_MAX: u64 = 256 << 20;
/// Recent denials that are told.
const RECENT: usize = 200;

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which gateway.
    pub gateway: GatewayId,
    /// Release of the daemon.
    pub release: String,
    /// The network.
    pub network: NetworkPrefix,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// The way to the center.
    pub feed: FeedStatus,
    /// The gateway's own certificate.
    #[serde(default)]
    pub certificate: CertificateStatus,
    /// How far the system's wall clock is behind the highest time seen; more
    /// than a second means that it was set back.
    pub clock_lag_ms: u64,
    /// Lines, ascending.
    pub lines: Vec<LineStatus>,
    /// Refused handshakes and attachments by reason, over all lines.
    pub refusals: BTreeMap<String, u64>,
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// `none` (never had one), `in-force`, or `ended` (its validity is over).
    pub state: String,
    /// Ledger revision.
    pub revision: u64,
    /// Is it in the datapath's tables?
    pub enforced: bool,
    /// Datapath operations that failed since the start.
    pub failures: u64,
    /// When it was signed.
    pub issued_at: UnixMillis,
    /// Until when it may be used.
    pub valid_until: UnixMillis,
    /// Milliseconds until then.
    pub valid_for_ms: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatus {
    /// Number.
    pub line: LineId,
    /// Interface.
    pub interface: String,
    /// Whose.
    pub participant: ParticipantNumber,
    /// Which site.
    pub site: SiteIndex,
    /// The site's /64.
    pub prefix: String,
    /// `no-interface`, `trouble`, `waiting` (a site may attach), `attached`, or
    /// `not-served`.
    pub state: String,
    /// What the trouble is.
    pub detail: Option<String>,
    /// Who is attached.
    pub attached: Option<AttachedStatus>,
    /// Packets and bytes since the participant was first bound to the line.
    pub counters: Option<Counters>,
    /// Refused handshakes and attachments by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedStatus {
    /// By which device.
    pub device: DeviceId,
    /// With which certificate.
    pub fingerprint: Fingerprint,
    /// Since when.
    pub since: UnixMillis,
}

/// Counters of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets from the site that passed.
    pub in_packets: u64,
    /// Their bytes.
    pub in_bytes: u64,
    /// Packets from the site that were refused.
    pub in_denied: u64,
    /// Packets to the site that passed.
    pub out_packets: u64,
    /// Their bytes.
    pub out_bytes: u64,
    /// Packets to the site that were refused.
    pub out_denied: u64,
}

/// The answer to `drops`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Refused packets by reason.
    pub totals: Vec<ReasonDrops>,
    /// Refused packets by line, participant and reason.
    pub lines: Vec<LineDrops>,
    /// Refused handshakes and attachments by line and reason.
    pub attach: Vec<AttachDrops>,
    /// The last refused packets, newest first.
    pub recent: Vec<Recent>,
}

/// Refused packets of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonDrops {
    /// The reason's word.
    pub reason: String,
    /// How many.
    pub packets: u64,
    /// What it means, in Japanese.
    pub ja: String,
    /// What it means, in English.
    pub en: String,
}

/// Refused packets of one line, participant and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineDrops {
    /// The line, where the interface is one's.
    pub line: Option<LineId>,
    /// The interface: a line's, or `backbone`, or its number.
    pub interface: String,
    /// The participant; `None` where there is none.
    pub participant: Option<ParticipantNumber>,
    /// The reason's word.
    pub reason: String,
    /// How many.
    pub packets: u64,
    /// What it means, in Japanese.
    pub ja: String,
    /// What it means, in English.
    pub en: String,
}

/// Refused handshakes and attachments of one line and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachDrops {
    /// The line, where the interface is one's.
    pub line: Option<LineId>,
    /// The interface.
    pub interface: String,
    /// The reason's word.
    pub reason: String,
    /// How many.
    pub attempts: u64,
    /// What it means, in Japanese.
    pub ja: String,
    /// What it means, in English.
    pub en: String,
}

/// One refused packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// Which refused packet this is, counted since the tables were made.
    pub sequence: u64,
    /// How long ago, milliseconds.
    pub ago_ms: u64,
    /// The interface: a line's, or `backbone`, or its number.
    pub interface: String,
    /// Where it was looked at.
    pub hook: String,
    /// The participant; `None` where there is none.
    pub participant: Option<ParticipantNumber>,
    /// The reason's word.
    pub reason: String,
    /// Source address.
    pub source: std::net::Ipv6Addr,
    /// Destination address.
    pub destination: std::net::Ipv6Addr,
    /// Protocol number.
    pub protocol: u8,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No daemon, or no right.
    #[error(
        "the gateway does not answer at {path}; is `iryonet gateway` running, and are you its owner?"
    )]
    Away {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Not an answer.
    #[error("the gateway's answer cannot be read; it may be of another release")]
    Unreadable(#[from] serde_json::Error),
    /// The daemon said why not.
    #[error("the gateway could not answer: {0}")]
    Failed(String),
    /// The socket cannot be made.
    #[error("the control socket {path} cannot be made")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer<T> {
    Ok(T),
    Error(String),
}

/// Asks a running gateway how it is.
///
/// # Errors
/// When no gateway answers within some seconds.
pub async fn status(socket: &Path) -> Result<Status, ControlError> {
    question(socket, "status").await
}

/// Asks a running gateway what it refused.
///
/// # Errors
/// When no gateway answers within some seconds.
pub async fn drops(socket: &Path) -> Result<Drops, ControlError> {
    question(socket, "drops").await
}

async fn question<T: serde::de::DeserializeOwned>(
    socket: &Path,
    word: &str,
) -> Result<T, ControlError> {
    let asked = tokio::time::timeout(PATIENCE, async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{word}\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(answer)
    });
    let answer = asked
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| ControlError::Away {
            path: socket.to_path_buf(),
            source,
        })?;
    match serde_json::from_slice(&answer)? {
        Answer::Ok(told) => Ok(told),
        Answer::Error(text) => Err(ControlError::Failed(text)),
    }
}

/// Answers until `shutdown`.
#[derive(Debug)]
pub struct Control {
    /// Policy and datapath.
    pub engine: Arc<Engine>,
    /// The feed.
    pub feed: SharedStatus,
    /// The gateway's own certificate.
    pub certificate: SharedCertificate,
    /// The lines.
    pub lines: LineStates,
    /// Number of the backbone's interface.
    pub backbone: u32,
}

impl Control {
    /// Opens the socket, in place of one that a dead process left.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn bind(path: &Path) -> Result<UnixListener, ControlError> {
        let bad = |source| ControlError::Bind {
            path: path.to_path_buf(),
            source,
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(bad(error)),
            _ => {}
        }
        // Nobody else may connect in the moment before the mode is set.
        let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        nix::sys::stat::umask(before);
        let listener = listener.map_err(bad)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(bad)?;
        Ok(listener)
    }

    /// Answers questions until `shutdown`.
    pub async fn run(self, listener: UnixListener, shutdown: CancellationToken) {
        let this = Arc::new(self);
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                continue;
            };
            let this = Arc::clone(&this);
            tokio::spawn(async move {
                // A client that goes away in the middle is its own affair.
                let _ = tokio::time::timeout(PATIENCE, this.answer(stream)).await;
                drop(place);
            });
        }
    }

    async fn answer(&self, stream: UnixStream) -> std::io::Result<()> {
        let (from, mut to) = stream.into_split();
        let mut word = String::new();
        BufReader::new(from.take(64)).read_line(&mut word).await?;
        let answer = match word.trim() {
            "status" => serde_json::to_vec(&Answer::Ok(self.status())),
            "drops" => match self.drops() {
                Ok(drops) => serde_json::to_vec(&Answer::Ok(drops)),
                Err(error) => {
                    serde_json::to_vec(&Answer::<Drops>::Error(iryonet_agent::chain(&error)))
                }
            },
            other => serde_json::to_vec(&Answer::<Status>::Error(format!(
                "{other:?} is no question; known are status and drops"
            ))),
        };
        to.write_all(&answer.map_err(std::io::Error::other)?)
            .await?;
        to.shutdown().await
    }

    fn status(&self) -> Status {
        let now = self.engine.time();
        let states = self.lines.all();
        let mut by_line: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
        for ((interface, reason), count) in self.engine.refusals() {
            *by_line
                .entry(interface)
                .or_default()
                .entry(reason.to_owned())
                .or_default() += count;
            *refusals.entry(reason.to_owned()).or_default() += count;
        }
        let (failures, torn) = self.engine.failures();
        let (mut status, indices) = self.engine.with_policy(|policy| {
            let mut indices = Vec::new();
            let mut line = |entry: &iryonet_wire::feed::LineEntry, not_served: Option<&str>| {
                let binding = policy.binding(entry.line);
                let (state, detail) = match (states.get(&entry.line), not_served) {
                    (_, Some(why)) => ("not-served", Some(why.to_owned())),
                    (None | Some(LineState::NoInterface), _) => ("no-interface", None),
                    (Some(LineState::Trouble(what)), _) => ("trouble", Some(what.clone())),
                    (Some(LineState::Listening { .. }), _) if binding.is_some() => {
                        ("attached", None)
                    }
                    (Some(LineState::Listening { .. }), _) => ("waiting", None),
                };
                indices.push(match states.get(&entry.line) {
                    Some(LineState::Listening { ifindex }) => Some(*ifindex),
                    _ => None,
                });
                LineStatus {
                    line: entry.line,
                    interface: entry.circuit.interface.clone(),
                    participant: entry.participant,
                    site: entry.site,
                    prefix: policy
                        .network()
                        .site(entry.participant, entry.site)
                        .to_string(),
                    state: state.to_owned(),
                    detail,
                    attached: binding.map(|binding| AttachedStatus {
                        device: binding.authorised.device,
                        fingerprint: binding.authorised.fingerprint,
                        since: binding.since,
                    }),
                    counters: None,
                    refusals: by_line
                        .get(&entry.circuit.interface)
                        .cloned()
                        .unwrap_or_default(),
                }
            };
            let mut lines: Vec<LineStatus> =
                policy.lines().map(|entry| line(entry, None)).collect();
            lines.extend(
                policy
                    .unserved()
                    .map(|(entry, why)| line(entry, Some(why.as_str()))),
            );
            let state = match (policy.revision(), policy.in_force()) {
                (_, true) => "in-force",
                (0, false) => "none",
                (_, false) => "ended",
            };
            let status = Status {
                gateway: policy.gateway().clone(),
                release: env!("CARGO_PKG_VERSION").to_owned(),
                network: policy.network(),
                policy: PolicyStatus {
                    state: state.to_owned(),
                    revision: policy.revision(),
                    enforced: !torn,
                    failures,
                    issued_at: policy.issued_at(),
                    valid_until: policy.valid_until(),
                    valid_for_ms: policy.valid_until().since_ms(now),
                },
                feed: FeedStatus::default(),
                certificate: CertificateStatus::default(),
                clock_lag_ms: 0,
                lines,
                refusals,
            };
            (status, indices)
        });
        status.feed = self.feed.get();
        status.certificate = self.certificate.get();
        status.clock_lag_ms = self.engine.clock_lag_ms();
        self.engine.with_kernel(|kernel| {
            for (line, ifindex) in status.lines.iter_mut().zip(indices) {
                // A line without counters yet has none to show.
                line.counters = ifindex
                    .and_then(|ifindex| kernel.line_counters(ifindex).ok())
                    .map(|c| Counters {
                        in_packets: c.in_packets,
                        in_bytes: c.in_bytes,
                        in_denied: c.in_denied,
                        out_packets: c.out_packets,
                        out_bytes: c.out_bytes,
                        out_denied: c.out_denied,
                    });
            }
        });
        status.lines.sort_by_key(|line| line.line);
        status
    }

    /// Interface names by number, and lines by name.
    fn names(&self) -> (BTreeMap<u32, String>, BTreeMap<String, LineId>) {
        let states = self.lines.all();
        self.engine.with_policy(|policy| {
            let mut names = BTreeMap::from([(self.backbone, "backbone".to_owned())]);
            let mut lines = BTreeMap::new();
            for entry in policy.lines() {
                lines.insert(entry.circuit.interface.clone(), entry.line);
                if let Some(LineState::Listening { ifindex }) = states.get(&entry.line) {
                    names.insert(*ifindex, entry.circuit.interface.clone());
                }
            }
            (names, lines)
        })
    }

    fn drops(&self) -> Result<Drops, crate::datapath::DatapathError> {
        let (names, lines) = self.names();
        let (counts, totals, recent) = self.engine.with_kernel(|kernel| {
            Ok::<_, crate::datapath::DatapathError>((
                kernel.drops()?,
                kernel.totals()?,
                kernel.recent(RECENT)?,
            ))
        })?;
        let name = |ifindex: u32| {
            names
                .get(&ifindex)
                .cloned()
                .unwrap_or_else(|| ifindex.to_string())
        };
        let monotonic_ns = iryonet_agent::clock::monotonic_ns();
        Ok(Drops {
            totals: totals.iter().map(reason_drops).collect(),
            lines: counts
                .iter()
                .map(|count| line_drops(count, name(count.ifindex), &lines))
                .collect(),
            attach: self
                .engine
                .refusals()
                .into_iter()
                .map(|((interface, reason), attempts)| {
                    let (ja, en) = explain_attach(reason);
                    AttachDrops {
                        line: lines.get(&interface).copied(),
                        interface,
                        reason: reason.to_owned(),
                        attempts,
                        ja: ja.to_owned(),
                        en: en.to_owned(),
                    }
                })
                .collect(),
            recent: recent
                .iter()
                .map(|denial| recent_drop(denial, name(denial.ifindex), monotonic_ns))
                .collect(),
        })
    }
}

fn words(reason: DenyReason) -> (String, String, String) {
    (
        reason.as_str().to_owned(),
        reason.japanese().to_owned(),
        reason.english().to_owned(),
    )
}

fn reason_drops(total: &ReasonTotal) -> ReasonDrops {
    let (reason, ja, en) = words(total.reason);
    ReasonDrops {
        reason,
        packets: total.packets,
        ja,
        en,
    }
}

fn line_drops(count: &DropCount, interface: String, lines: &BTreeMap<String, LineId>) -> LineDrops {
    let (reason, ja, en) = words(count.reason);
    LineDrops {
        line: lines.get(&interface).copied(),
        interface,
        participant: ParticipantNumber::new(count.participant).ok(),
        reason,
        packets: count.packets,
        ja,
        en,
    }
}

fn recent_drop(denial: &DenialRecord, interface: String, monotonic_ns: u64) -> Recent {
    Recent {
        sequence: denial.sequence,
        ago_ms: monotonic_ns.saturating_sub(denial.time_ns) / 1_000_000,
        interface,
        hook: denial.hook.as_str().to_owned(),
        participant: ParticipantNumber::new(denial.participant).ok(),
        reason: denial.reason.as_str().to_owned(),
        source: denial.source,
        destination: denial.destination,
        protocol: denial.protocol,
        source_port: denial.source_port,
        destination_port: denial.destination_port,
    }
}

/// What a refused handshake or attachment means.
#[must_use]
pub fn explain_attach(reason: &str) -> (&'static str, &'static str) {
    if let Some(refusal) = Refusal::ALL.into_iter().find(|r| r.as_str() == reason) {
        return (refusal.explain_ja(), refusal.explain_en());
    }
    match reason {
        "no-certificate" => (
            "機器が証明書を提示しませんでした。",
            "The device showed no certificate.",
        ),
        "unknown-authority" => (
            "この網の認証局が発行した証明書ではありません。",
            "The certificate was not issued by this network's CA.",
        ),
        "not-yet-valid" => (
            "証明書の有効期間がまだ始まっていません。機器の時計を確認してください。",
            "The certificate is not valid yet; check the clocks.",
        ),
        "bad-certificate" => (
            "証明書が壊れているか、身元を一つに定められません。",
            "The certificate is damaged, or names nobody or two.",
        ),
        "wrong-usage" => (
            "この用途の証明書ではありません。",
            "The certificate is not for this use.",
        ),
        "wrong-identity" => (
            "参加者の機器の証明書ではありません。",
            "The certificate is not that of a participant's device.",
        ),
        "weak-key" => (
            "鍵または署名の強度が足りません。",
            "A key or signature in the chain is too weak.",
        ),
        "protocol-version" => (
            "機器がTLS 1.2に対応していません（この網の規則はTLS 1.2のみ）。",
            "The device does not speak TLS 1.2, which is the only version here.",
        ),
        "no-common-suite" => (
            "高セキュリティ型の暗号スイートに対応していません。",
            "The device offers none of the high-security cipher suites.",
        ),
        "timeout" => (
            "接続手順が時間内に終わりませんでした。",
            "The handshake took longer than allowed.",
        ),
        "too-large" => (
            "接続手順のデータが大きすぎます。",
            "The handshake was larger than allowed.",
        ),
        "io" => (
            "接続の途中で通信が切れました。",
            "The connection broke during the handshake.",
        ),
        "too-many-connections" => (
            "一つの回線からの同時接続数が上限を超えました。",
            "More connections at one time than a line may have.",
        ),
        "relay-center-away" => (
            "登録の中継先（センター）に接続できませんでした。",
            "An enrolment could not be relayed: the center did not answer.",
        ),
        "relay-too-much" | "relay-too-long" | "relay-broken" => (
            "登録の中継が上限を超えたか、途中で切れました。",
            "A relayed enrolment exceeded its limits or broke.",
        ),
        _ => (
            "TLSの接続手順として解釈できませんでした。",
            "What came was no TLS handshake that could be understood.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_that_can_be_counted_is_explained_in_both_languages() {
        let (other_ja, other_en) = explain_attach("other");
        let known = iryonet_tls::Reason::ALL
            .into_iter()
            .map(iryonet_tls::Reason::as_str)
            .filter(|word| *word != "other")
            .chain(Refusal::ALL.into_iter().map(Refusal::as_str))
            .chain([
                "too-many-connections",
                "relay-center-away",
                "relay-too-much",
            ]);
        for word in known {
            let (ja, en) = explain_attach(word);
            assert!(ja != other_ja && en != other_en, "{word}");
        }
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_running_is_told_as_that() {
        let dir = tempfile::tempdir().unwrap();
        let error = status(&dir.path().join("none.sock")).await.unwrap_err();
        assert!(error.to_string().contains("is `iryonet gateway` running"));
    }
}
