//! A ledger as a file: one entry in each line, JSON. What a person outside can
//! read and verify with nothing else at hand.

use crate::entry::Entry;
use crate::verify::{Fault, Summary, Verifier};
use std::io::{BufRead, Write};

/// Longest line of an export, in bytes. An act of the largest allowed
/// consequences is smaller.
pub const LINE_MAX_BYTES: u64 = 64 << 20;

/// Why an export could not be written or verified.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file.
    #[error("line {line} could not be read or written")]
    Io {
        /// From 1.
        line: u64,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A line that is no entry.
    #[error("line {line} is not a ledger entry")]
    Syntax {
        /// From 1.
        line: u64,
        /// What the reader says.
        #[source]
        source: serde_json::Error,
    },
    /// A line without end.
    #[error("line {line} is longer than {LINE_MAX_BYTES} bytes; no entry is")]
    TooLong {
        /// From 1.
        line: u64,
    },
    /// An entry that does not follow.
    #[error("line {line}: {fault}")]
    Fault {
        /// From 1.
        line: u64,
        /// Which and how.
        #[source]
        fault: Fault,
    },
}

/// Writes one entry as one line.
///
/// # Errors
/// When the file cannot be written.
pub fn write_line(out: &mut dyn Write, entry: &Entry) -> Result<(), ExportError> {
    let io = |source| ExportError::Io {
        line: entry.sequence,
        source,
    };
    let mut line = serde_json::to_vec(entry).map_err(|source| ExportError::Syntax {
        line: entry.sequence,
        source,
    })?;
    line.push(b'\n');
    out.write_all(&line).map_err(io)
}

/// Verifies an export line by line, holding one entry at a time.
///
/// # Errors
/// The first line that cannot be read or does not follow.
pub fn verify_lines(input: &mut dyn BufRead) -> Result<Summary, ExportError> {
    let mut verifier = Verifier::new();
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let mut limited = std::io::Read::take(&mut *input, LINE_MAX_BYTES + 1);
        let have = limited
            .read_until(b'\n', &mut buffer)
            .map_err(|source| ExportError::Io { line, source })?;
        if have == 0 {
            break;
        }
        if have as u64 > LINE_MAX_BYTES {
            return Err(ExportError::TooLong { line });
        }
        let entry: Entry = serde_json::from_slice(&buffer)
            .map_err(|source| ExportError::Syntax { line, source })?;
        verifier
            .take(&entry)
            .map_err(|fault| ExportError::Fault { line, fault })?;
    }
    Ok(verifier.summary().clone())
}
