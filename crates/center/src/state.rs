//! What all parts of a running center share, and the two doors to the store:
//! asking and acting. It must not know HTTP beyond its problems.

use crate::authorities::Authorities;
use crate::checks::Checks;
use crate::config::Config;
use crate::device::sessions::Sessions;
use crate::http::idempotency::{self, Once};
use crate::http::problem::Problem;
use crate::http::rate::Rates;
use crate::operator::Done;
use crate::people::People;
use crate::tasks;
use crate::tasks::checkpoint::CheckpointState;
use crate::tasks::checkpoint::key::Signing;
use crate::tasks::crl::Lists;
use crate::writer::Writer;
use axum::body::Bytes;
use axum::http::StatusCode;
use iryonet_authority::{Revoked, Serial};
use iryonet_domain::{Actor, UnixMillis};
use iryonet_policy::{FeedLog, Model};
use iryonet_registry::{Command, Event, Refusal};
use iryonet_store::{Outcome, Reader, Recorded, Store, StoreError, Transaction};
use iryonet_wire::signed::PolicySigner;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A revocation stands on a list after so long at the latest.
const LISTED_WITHIN_MS: u64 = 3_600_000;
/// Questions to the store at the same time; more wait.
const READS_MAX: usize = 32;
/// How long a question waits for its turn.
const READ_WAIT: Duration = Duration::from_secs(10);
/// Snapshots in the making at the same time: each may be large.
pub(crate) const SNAPSHOTS_MAX: usize = 2;
/// How long an act waits until it is on its way to the gateways.
const PUBLISH_WAIT: Duration = Duration::from_secs(10);

/// The policy, always at exactly one revision.
pub(crate) struct Policy {
    pub(crate) model: Model,
    pub(crate) log: FeedLog,
}

/// A running center.
pub(crate) struct Center {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) policy: RwLock<Policy>,
    /// The revision that is published; the long-polls wait on it.
    pub(crate) published: watch::Sender<u64>,
    /// Something was recorded: look at the ledger's end.
    pub(crate) recorded: Notify,
    pub(crate) signer: PolicySigner,
    pub(crate) authorities: Authorities,
    pub(crate) people: People,
    pub(crate) sessions: Sessions,
    pub(crate) checks: Checks,
    /// A certificate was revoked: make a new list.
    pub(crate) revoked: Notify,
    pub(crate) lists: watch::Sender<Arc<Lists>>,
    /// Certificates that were taken back, for the OCSP responders; each from the
    /// moment at which the ledger says so.
    pub(crate) taken_back: RwLock<BTreeMap<Serial, Revoked>>,
    pub(crate) writer: Writer,
    /// What signs the ledger's checkpoints, where there is a key.
    pub(crate) signing: Option<Signing>,
    pub(crate) checkpoint: watch::Sender<CheckpointState>,
    pub(crate) enrol_rates: Mutex<Rates>,
    pub(crate) guess_rates: Mutex<Rates>,
    pub(crate) guess_total: Mutex<Rates>,
    pub(crate) snapshots: Semaphore,
    pub(crate) openapi: Bytes,
    /// Stop accepting, wake whoever waits.
    pub(crate) stopping: CancellationToken,
    pub(crate) turns: Turns,
    /// Bytes of all documents: as they were counted last, and what came in here
    /// since. What another center took in is known at the next count.
    pub(crate) documents_held: AtomicU64,
}

/// How much of the store's time is given away at once.
pub(crate) struct Turns {
    reads: Semaphore,
    /// Documents that arrive, each held in memory.
    pub(crate) documents: Semaphore,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            reads: Semaphore::new(READS_MAX),
            documents: Semaphore::new(crate::operator::documents::ARRIVING_MAX),
        }
    }
}

impl Center {
    /// Asks the store, on a thread where waiting is allowed.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, question: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnMut(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let _turn = tokio::time::timeout(READ_WAIT, self.turns.reads.acquire())
            .await
            .map_err(|_| Problem::busy())?
            .map_err(|_| Problem::stopping())?;
        let store = Arc::clone(&self.store);
        blocking(move || iryonet_store::look(&*store, question))
            .await?
            .map_err(|error| store_problem(&error))
    }

    /// Looks at the policy, on a thread where waiting is allowed: the lock is
    /// held while a snapshot is collected.
    pub(crate) async fn with_policy<T, F>(self: &Arc<Self>, look: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Policy) -> T + Send + 'static,
    {
        let center = Arc::clone(self);
        blocking(move || {
            let policy = center.policy.read().unwrap_or_else(PoisonError::into_inner);
            look(&policy)
        })
        .await
    }

    /// Does one act: decided, recorded and published, in this order. `Ok` means
    /// that the deltas are on their way to every gateway that is connected.
    ///
    /// A request with an idempotency key that was done before is not done
    /// again: what comes back is what was recorded then.
    pub(crate) async fn act(
        self: &Arc<Self>,
        actor: Actor,
        command: Command,
    ) -> Result<Act, Problem> {
        let (act, _) = self.act_with(actor, command, |_| Ok(())).await?;
        Ok(act)
    }

    /// An act with something to keep beside the ledger, in the same
    /// transaction: it is there exactly when the act is. `None` comes back for
    /// a request that was done before; nothing is kept again.
    pub(crate) async fn act_with<T, F>(
        self: &Arc<Self>,
        actor: Actor,
        command: Command,
        mut beside: F,
    ) -> Result<(Act, Option<T>), Problem>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Transaction) -> Result<T, StoreError> + Send + 'static,
    {
        let repeatable = idempotency::current();
        let (once, kept) = self
            .transact(move |transaction| {
                let now = crate::clock::now();
                let once =
                    idempotency::once(repeatable.as_ref(), transaction, &actor, &command, now)?;
                let done = matches!(
                    &once,
                    Once::Now(Recorded {
                        outcome: Outcome::Accepted(_),
                        ..
                    })
                );
                let kept = done.then(|| beside(transaction)).transpose()?;
                Ok((once, kept))
            })
            .await?;
        let act = match once {
            Once::Now(recorded) => self.outcome(recorded).await?,
            Once::Earlier(recorded) => Act {
                again: true,
                ..self.outcome(recorded).await?
            },
            Once::OtherRequest => return Err(idempotency::other_request()),
        };
        Ok((act, kept))
    }

    /// One act in a write transaction, perhaps beside others that wait at the
    /// same moment. It goes on to its end even when the caller hangs up.
    pub(crate) async fn transact<T, F>(self: &Arc<Self>, act: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Transaction) -> Result<T, StoreError> + Send + 'static,
    {
        let done = self.writer.write(act).await;
        self.recorded.notify_one();
        done
    }

    /// A certificate does not count any more.
    pub(crate) fn note_revoked(
        &self,
        serial: &iryonet_registry::Serial,
        reason: iryonet_registry::RevocationReason,
        at: UnixMillis,
    ) {
        match tasks::crl::serial_of(serial) {
            Ok(serial) => {
                let revoked = Revoked {
                    serial,
                    at,
                    reason: tasks::crl::reason(reason),
                };
                self.taken_back
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(serial, revoked);
            }
            Err(error) => {
                tracing::error!(error = %crate::http::problem::chain(&error), "a revocation is not known to the OCSP responders")
            }
        }
    }

    /// What stands on no list any more has run out; its status is nobody's
    /// question. What came a moment ago may stand on the next one.
    pub(crate) fn forget_what_ran_out(&self, lists: &Lists) {
        let listed: std::collections::BTreeSet<Serial> = lists
            .values()
            .flat_map(|list| list.entries.iter().map(|entry| entry.serial))
            .collect();
        let recent = UnixMillis(crate::clock::now().0.saturating_sub(LISTED_WITHIN_MS));
        self.taken_back
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|serial, revoked| listed.contains(serial) || revoked.at >= recent);
    }

    /// Waits until the entry is published, and splits done from refused.
    pub(crate) async fn outcome(self: &Arc<Self>, recorded: Recorded) -> Result<Act, Problem> {
        let sequence = recorded.sequence;
        let mut published = self.published.subscribe();
        let wait = published.wait_for(|revision| *revision >= sequence);
        match tokio::time::timeout(PUBLISH_WAIT, wait).await {
            Ok(Ok(_)) => {}
            // The act is recorded and will be published; only this answer's
            // promise cannot be given.
            Ok(Err(_)) | Err(_) => {
                tracing::error!(sequence, "an act is recorded but not yet published");
                return Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "recorded-not-published",
                    format!("the act is recorded as ledger entry {sequence}, but is not yet on its way to the gateways; do not repeat it, watch GET /v1/enforcement?revision={sequence}"),
                    format!("操作は台帳 {sequence} 番に記録されましたが、まだゲートウェイへ配布されていません。再実行せず、適用状況を確認してください。"),
                )
                .recorded(sequence));
            }
        }
        match recorded.outcome {
            Outcome::Accepted(events) => Ok(Act {
                sequence,
                events,
                again: false,
            }),
            Outcome::Refused(refusal) => Err(refusal_problem(&refusal).recorded(sequence)),
        }
    }
}

/// An act that was done.
pub(crate) struct Act {
    pub(crate) sequence: u64,
    pub(crate) events: Vec<Event>,
    /// It was done by an earlier request; this one changed nothing.
    pub(crate) again: bool,
}

impl Act {
    pub(crate) fn done(&self) -> Done {
        Done {
            sequence: self.sequence,
        }
    }

    /// What the registry gave, out of the event that says it.
    pub(crate) fn find<T>(
        &self,
        what: &'static str,
        pick: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Problem> {
        self.events.iter().find_map(pick).ok_or_else(|| {
            Problem::internal(&MissingEvent {
                what,
                sequence: self.sequence,
            })
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("ledger entry {sequence} was accepted without its event {what}")]
struct MissingEvent {
    what: &'static str,
    sequence: u64,
}

/// Runs what may wait on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&error))
}

/// A short-lived lock whose holder cannot have left it half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refusal of the registry is in HTTP.
pub(crate) fn refusal_problem(refusal: &Refusal) -> Problem {
    let code = refusal.code();
    let status = if refusal.is_about_the_actor() {
        StatusCode::FORBIDDEN
    } else if code.ends_with("-unknown") {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::CONFLICT
    };
    Problem::new(status, code, refusal.to_string(), refusal.ja())
}

/// What a failure of the store is in HTTP: 503 when the same act may succeed
/// later, 500 otherwise. Nothing is half done either way. An earlier request
/// with the same idempotency key may have been done, so each says what became of
/// this one only.
pub(crate) fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Full { .. } => {
            tracing::error!(error = %crate::http::problem::chain(error), "the disk is full");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "disk-full",
                "the center's disk is full: this request did nothing and nothing was recorded. Make room, then repeat it, under its Idempotency-Key if it had one",
                "センターのディスクに空きがありません。このリクエストでは操作は行われず、何も記録されていません。空きを作ってから（Idempotency-Keyがあれば同じものを付けて）再度実行してください。",
            )
            .retry_after(30)
        }
        StoreError::Busy { .. } => {
            tracing::warn!(error = %error, "the store is busy");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-busy",
                "the center's database is busy: this request did nothing. Repeat it, under its Idempotency-Key if it had one",
                "センターのデータベースが混み合っています。このリクエストでは操作は行われていません。（Idempotency-Keyがあれば同じものを付けて）再度実行してください。",
            )
            .retry_after(1)
        }
        StoreError::Unreachable { .. } => {
            tracing::error!(error = %crate::http::problem::chain(error), "the database cannot be reached");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unreachable",
                "the center's database cannot be reached: this request did nothing and nothing was recorded. Repeat it, under its Idempotency-Key if it had one",
                "センターのデータベースに接続できません。このリクエストでは操作は行われず、何も記録されていません。しばらくして（Idempotency-Keyがあれば同じものを付けて）再度実行してください。",
            )
            .retry_after(5)
        }
        StoreError::OutcomeUnknown { entry, .. } => {
            tracing::error!(error = %crate::http::problem::chain(error), "it is not known whether an act was done");
            let (look, look_ja) = match entry {
                Some(entry) => (
                    format!(
                        "look whether it is in the ledger, at entry {entry} or a little before"
                    ),
                    format!("台帳（{entry} 番以前の数件）にその操作があるか"),
                ),
                None => ("look whether it was done".to_owned(), "結果".to_owned()),
            };
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome-unknown",
                format!(
                    "the connection to the center's database broke while the act was made durable: it may be done or not. Repeat it under the same Idempotency-Key, which never does it twice; without one, {look} first"
                ),
                format!(
                    "操作の確定中にデータベースとの接続が切れました。操作が行われたかどうかは不明です。同じIdempotency-Keyを付けた再実行で二重に行われることはありません。付けない場合は、再実行の前に{look_ja}を確認してください。"
                ),
            )
            .retry_after(5)
        }
        error if error.is_temporary() => {
            tracing::error!(error = %crate::http::problem::chain(error), "the store failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-failed",
                "the center's database failed: this request did nothing. The cause is in the center's log",
                "センターのデータベースに障害があります。このリクエストでは操作は行われていません。原因はセンターの記録にあります。",
            )
            .retry_after(10)
        }
        error => Problem::internal(error),
    }
}
