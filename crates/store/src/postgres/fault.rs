//! What PostgreSQL says, in the words of the SQL layer.

use crate::sql::{Failure, FailureKind};
use postgres::error::SqlState;

/// An error of the client library, or of the server through it.
pub(super) fn failure(error: postgres::Error) -> Failure {
    let kind = match error.code() {
        // No word of the server: the connection, or the making of it.
        None => FailureKind::Lost,
        Some(code) => kind_of(code),
    };
    Failure {
        kind,
        source: Box::new(Said(error)),
    }
}

fn kind_of(code: &SqlState) -> FailureKind {
    match code.code() {
        // disk_full
        "53100" => FailureKind::Full,
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => FailureKind::Again,
        // lock_not_available; query_canceled, which is the time-out of a
        // statement; out_of_memory; too_many_connections
        "55P03" | "57014" | "53200" | "53300" => FailureKind::Busy,
        // admin_shutdown, crash_shutdown, cannot_connect_now,
        // idle_session_timeout, idle_in_transaction_session_timeout; a server
        // that has become a standby (read_only_sql_transaction)
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => FailureKind::Lost,
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => FailureKind::Damaged,
        // connection_exception
        other if other.starts_with("08") => FailureKind::Lost,
        _ => FailureKind::Other,
    }
}

/// The server's own words, which the library keeps back.
#[derive(Debug)]
struct Said(postgres::Error);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_db_error() {
            Some(said) => write!(f, "{} (SQLSTATE {})", said.message(), said.code().code()),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for Said {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
