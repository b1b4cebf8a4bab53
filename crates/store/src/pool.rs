//! A few connections, lent one by one, waited for with a limit.

use crate::error::StoreError;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection of some database.
pub(crate) trait Pooled {
    /// Why none could be opened.
    type Error;

    /// May it be lent again?
    fn is_usable(&self) -> bool;
}

type Opener<C> = Box<dyn Fn() -> Result<C, <C as Pooled>::Error> + Send + Sync>;

pub(crate) struct Pool<C: Pooled> {
    size: usize,
    wait_ms: u64,
    open: Opener<C>,
    state: Mutex<State<C>>,
    freed: Condvar,
}

struct State<C> {
    idle: Vec<C>,
    lent: usize,
}

impl<C: Pooled> std::fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl<C: Pooled> Pool<C> {
    pub(crate) fn new(size: usize, wait_ms: u64, idle: Vec<C>, open: Opener<C>) -> Self {
        Self {
            size,
            wait_ms,
            open,
            state: Mutex::new(State { idle, lent: 0 }),
            freed: Condvar::new(),
        }
    }

    /// A panic elsewhere leaves the list of idle connections as it was: each
    /// step on it is whole.
    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a connection, or tells why another one could not be opened.
    ///
    /// # Errors
    /// When all are in use for longer than the wait.
    pub(crate) fn lend(&self, home: &str) -> Result<Result<Lent<'_, C>, C::Error>, StoreError> {
        let deadline = Instant::now() + Duration::from_millis(self.wait_ms);
        let mut state = self.state();
        loop {
            if let Some(connection) = state.idle.pop() {
                state.lent += 1;
                return Ok(Ok(Lent {
                    pool: self,
                    connection: Some(connection),
                }));
            }
            if state.lent < self.size {
                // Counted before it is open, so that others do not open more.
                state.lent += 1;
                drop(state);
                return Ok(match (self.open)() {
                    Ok(connection) => Ok(Lent {
                        pool: self,
                        connection: Some(connection),
                    }),
                    Err(error) => {
                        self.give_back(None);
                        Err(error)
                    }
                });
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Err(StoreError::Busy {
                    home: home.to_owned(),
                    doing: format!(
                        "lend a connection: {} were in use for {} ms",
                        self.size, self.wait_ms
                    ),
                });
            };
            state = self
                .freed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Closes all that are not lent: what broke one has broken them all.
    pub(crate) fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.state().idle);
        // Closed outside of the lock: it may take a while.
        drop(idle);
    }

    fn give_back(&self, connection: Option<C>) {
        let connection = connection.filter(C::is_usable);
        let mut state = self.state();
        state.lent -= 1;
        state.idle.extend(connection);
        drop(state);
        self.freed.notify_one();
    }
}

/// A connection until it is dropped.
pub(crate) struct Lent<'p, C: Pooled> {
    pool: &'p Pool<C>,
    connection: Option<C>,
}

#[allow(
    clippy::expect_used,
    reason = "the connection is there until drop or discard, which both take the guard away"
)]
impl<C: Pooled> Lent<'_, C> {
    pub(crate) fn get(&self) -> &C {
        self.connection
            .as_ref()
            .expect("lent and not yet given back")
    }

    pub(crate) fn get_mut(&mut self) -> &mut C {
        self.connection
            .as_mut()
            .expect("lent and not yet given back")
    }

    /// Closes it instead of giving it back.
    pub(crate) fn discard(mut self) {
        self.connection = None;
    }
}

impl<C: Pooled> Drop for Lent<'_, C> {
    fn drop(&mut self) {
        self.pool.give_back(self.connection.take());
    }
}
