//! A few connections, lent one by one, waited for with a limit.

use super::classify;
use crate::error::StoreError;
use rusqlite::Connection;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Opener = Box<dyn Fn() -> rusqlite::Result<Connection> + Send + Sync>;

pub(super) struct Pool {
    size: usize,
    wait_ms: u64,
    open: Opener,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Connection>,
    lent: usize,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(size: usize, wait_ms: u64, idle: Vec<Connection>, open: Opener) -> Self {
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
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lend(&self, home: &str) -> Result<Lent<'_>, StoreError> {
        let deadline = Instant::now() + Duration::from_millis(self.wait_ms);
        let mut state = self.state();
        loop {
            if let Some(connection) = state.idle.pop() {
                state.lent += 1;
                return Ok(Lent {
                    pool: self,
                    connection: Some(connection),
                });
            }
            if state.lent < self.size {
                // Counted before it is open, so that others do not open more.
                state.lent += 1;
                drop(state);
                return match (self.open)() {
                    Ok(connection) => Ok(Lent {
                        pool: self,
                        connection: Some(connection),
                    }),
                    Err(error) => {
                        self.give_back(None);
                        Err(classify(home, "open another connection", error))
                    }
                };
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

    fn give_back(&self, connection: Option<Connection>) {
        let mut state = self.state();
        state.lent -= 1;
        // One that a panic left within a transaction is closed, which undoes it.
        state
            .idle
            .extend(connection.filter(Connection::is_autocommit));
        drop(state);
        self.freed.notify_one();
    }
}

/// A connection until it is dropped.
pub(super) struct Lent<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Lent<'_> {
    #[allow(
        clippy::expect_used,
        reason = "the connection is there until drop or discard, which both take the guard away"
    )]
    pub(super) fn connection(&mut self) -> &Connection {
        self.connection
            .as_ref()
            .expect("lent and not yet given back")
    }

    /// Closes it instead of giving it back.
    pub(super) fn discard(&mut self) {
        self.connection = None;
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.give_back(self.connection.take());
    }
}
