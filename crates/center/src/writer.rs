//! The one writer: acts that wait at the same moment share a transaction, and
//! thereby one wait for the disk. Each is acknowledged only after the commit
//! that holds it, so sharing weakens nothing; it only costs less.
//!
//! It must not know what an act is about.

use crate::http::problem::Problem;
use crate::state::store_problem;
use iryonet_store::{Store, StoreError, Transaction};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Acts under way or waiting. More are refused at once.
const ACTS_MAX: usize = 512;
/// Acts in one transaction: with more, the first would wait too long for the last.
const GROUP_MAX: usize = 64;
/// How long an act waits for its turn.
const ACT_WAIT: Duration = Duration::from_secs(20);

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

type Act = dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError> + Send;
type Done = Result<(), Arc<StoreError>>;

struct Job {
    turn: Arc<AtomicU8>,
    act: Box<Act>,
    done: oneshot::Sender<Done>,
}

/// Hands acts to the one thread that writes.
pub(crate) struct Writer {
    queue: SyncSender<Job>,
}

impl Writer {
    /// Starts the thread. It ends when the writer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(store: Arc<dyn Store>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(ACTS_MAX);
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || work(&*store, &jobs))?;
        Ok(Self { queue })
    }

    /// One act in a write transaction. It goes on to its end even when the
    /// caller hangs up.
    pub(crate) async fn write<T, F>(&self, mut act: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Transaction) -> Result<T, StoreError> + Send + 'static,
    {
        let answer = Arc::new(Mutex::new(None));
        let turn = Arc::new(AtomicU8::new(WAITING));
        let (done, waiting) = oneshot::channel();
        let slot = Arc::clone(&answer);
        let job = Job {
            turn: Arc::clone(&turn),
            act: Box::new(move |transaction| {
                let result = act(transaction)?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                Ok(())
            }),
            done,
        };
        self.queue.try_send(job).map_err(|_| {
            tracing::warn!(limit = ACTS_MAX, "an act was refused: too many under way");
            Problem::busy()
        })?;
        tokio::pin!(waiting);
        let done = match tokio::time::timeout(ACT_WAIT, waiting.as_mut()).await {
            Ok(done) => done,
            // Whoever is told "busy" was not written: either we take it back,
            // or it is being written now and we wait for its end.
            Err(_) => match exchange(&turn, GIVEN_UP) {
                true => return Err(Problem::busy()),
                false => waiting.await,
            },
        };
        match done {
            Ok(Ok(())) => answer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .ok_or_else(|| Problem::internal(&Lost)),
            Ok(Err(error)) => Err(store_problem(&error)),
            Err(_) => Err(Problem::internal(&Lost)),
        }
    }
}

fn exchange(turn: &AtomicU8, to: u8) -> bool {
    turn.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

#[derive(Debug, thiserror::Error)]
#[error("the writer ended in the middle of an act")]
struct Lost;

fn work(store: &dyn Store, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            group.push(next);
        }
        group.retain(|job| exchange(&job.turn, TAKEN));
        if group.is_empty() {
            continue;
        }
        // A defect in one act must not end all writing: its callers hear of it.
        let run = AssertUnwindSafe(|| write_group(store, group));
        if std::panic::catch_unwind(run).is_err() {
            tracing::error!("an act broke off in a defect of the code; nothing of it was written");
        }
    }
}

fn write_group(store: &dyn Store, mut group: Vec<Job>) {
    let mut an_act_failed = false;
    let written = store.write(&mut |transaction| {
        an_act_failed = false;
        for job in &mut group {
            if let Err(error) = (job.act)(transaction) {
                an_act_failed = true;
                return Err(error);
            }
        }
        Ok(())
    });
    match written {
        Ok(()) => answer_all(group, &Ok(())),
        // One of them cannot be done. The others must not suffer for it.
        Err(error) if an_act_failed && group.len() > 1 && !error.is_temporary() => {
            for mut job in group {
                let written = store.write(&mut |transaction| (job.act)(transaction));
                // Whoever hung up needs no answer.
                let _ = job.done.send(written.map_err(Arc::new));
            }
        }
        // The home, not an act: it would hit each of them alone as well. Or
        // nobody knows whether it was written; then least of all again.
        Err(error) => answer_all(group, &Err(Arc::new(error))),
    }
}

fn answer_all(group: Vec<Job>, done: &Done) {
    for job in group {
        // Whoever hung up needs no answer.
        let _ = job.done.send(done.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iryonet_domain::{Actor, UnixMillis};
    use iryonet_registry::Command;
    use iryonet_store::{Outcome, SqliteStore};

    fn home() -> (tempfile::TempDir, Arc<dyn Store>) {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("registry.sqlite")).unwrap();
        let actor: Actor = "system:center-1".parse().unwrap();
        let network = "2001:db8::/32".parse().unwrap();
        iryonet_store::found(&store, network, &actor, UnixMillis(1)).unwrap();
        (dir, Arc::new(store))
    }

    fn record(transaction: &mut dyn Transaction) -> Result<u64, StoreError> {
        let actor: Actor = "system:center-1".parse().map_err(StoreError::given_up)?;
        let network = "2001:db8::/32".parse().map_err(StoreError::given_up)?;
        // Refused, since it is founded: an entry all the same.
        let recorded =
            transaction.record(&actor, &Command::FoundNetwork { network }, UnixMillis(2))?;
        assert!(matches!(recorded.outcome, Outcome::Refused(_)));
        Ok(recorded.sequence)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn acts_that_wait_together_are_all_written_each_once_and_in_order() {
        let (_dir, store) = home();
        let writer = Arc::new(Writer::start(Arc::clone(&store)).unwrap());
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let writer = Arc::clone(&writer);
                tokio::spawn(async move { writer.write(record).await.unwrap() })
            })
            .collect();
        let mut sequences = Vec::new();
        for task in tasks {
            sequences.push(task.await.unwrap());
        }
        sequences.sort_unstable();
        let wanted: Vec<u64> = (2..202).collect();
        assert_eq!(sequences, wanted);
        assert_eq!(store.revision().unwrap(), 201);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_act_that_cannot_be_done_takes_no_other_with_it() {
        let (_dir, store) = home();
        let writer = Arc::new(Writer::start(Arc::clone(&store)).unwrap());
        // Holds the writer up, so that the others gather behind it.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move {
                writer
                    .write(move |transaction| {
                        let _ = wait.recv();
                        record(transaction)
                    })
                    .await
            })
        };
        let fails = |transaction: &mut dyn Transaction| -> Result<u64, StoreError> {
            record(transaction)?;
            Err(StoreError::GivenUp("it cannot be done".into(), None))
        };
        let others: Vec<_> = (0..10)
            .map(|place| {
                let writer = Arc::clone(&writer);
                tokio::spawn(async move {
                    if place == 5 {
                        writer.write(fails).await
                    } else {
                        writer.write(record).await
                    }
                })
            })
            .collect();
        // Dropped, not sent: an act that is tried again must not wait again.
        drop(go);
        slow.await.unwrap().unwrap();
        let mut failed = 0;
        for other in others {
            failed += usize::from(other.await.unwrap().is_err());
        }
        assert_eq!(failed, 1);
        // Ten done, and nothing of the one that failed.
        assert_eq!(store.revision().unwrap(), 1 + 10);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_defect_in_one_act_does_not_end_all_writing() {
        let (_dir, store) = home();
        let writer = Writer::start(Arc::clone(&store)).unwrap();
        let broken = writer
            .write(|_| -> Result<(), StoreError> { panic!("a defect") })
            .await;
        assert!(broken.is_err());
        assert_eq!(writer.write(record).await.unwrap(), 2);
    }
}
