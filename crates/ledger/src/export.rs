//! A ledger as a file: one entry in each line, JSON. What a person outside can
//! read and verify with nothing else at hand but a checkpoint and the public
//! key that signed it.

use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Hash, Tip};
use crate::merkle::proof::ProofError;
use crate::merkle::{Frontier, leaf_of_entry};
use crate::range::Range;
use crate::verify::{Fault, Summary, Verifier};
use iryonet_domain::UnixMillis;
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
    /// It ends too early.
    #[error(
        "entry {} is missing: the export ends with entry {found}, and the checkpoint speaks of {size}", .found.saturating_add(1)
    )]
    CutOff {
        /// The last one there is.
        found: u64,
        /// How many there should be.
        size: u64,
    },
    /// It goes on too long.
    #[error(
        "entry {sequence} is not covered by the checkpoint, which speaks of {size} entries: it was added, or belongs to a later checkpoint"
    )]
    Beyond {
        /// The first one too many.
        sequence: u64,
        /// How many there should be.
        size: u64,
    },
    /// A part that begins or ends elsewhere than it says.
    #[error(
        "the part's own file says entries {first} to {last}, and the export has {found_first} to {found_last}"
    )]
    OtherPart {
        /// First entry, as said.
        first: u64,
        /// Last entry, as said.
        last: u64,
        /// First entry found.
        found_first: u64,
        /// Last entry found.
        found_last: u64,
    },
    /// The hashes beside a part do not fit.
    #[error("the hashes beside this part of the ledger do not fit")]
    Part(#[source] ProofError),
    /// The entries are not those that were signed.
    #[error(
        "the entries follow from each other, and are not those that the checkpoint was signed over: their root is {computed}, the checkpoint's is {signed}. The ledger was rewritten, or export and checkpoint are of different ledgers"
    )]
    Root {
        /// The root over the entries.
        computed: Hash,
        /// The one that was signed.
        signed: Hash,
    },
    /// An older checkpoint says something else.
    #[error(
        "the first {size} entries are not those of the older checkpoint: their root is {computed}, that one's is {signed}. The ledger was rewritten after it was signed"
    )]
    Older {
        /// Entries of the older checkpoint.
        size: u64,
        /// The root over them here.
        computed: Hash,
        /// The one that was signed then.
        signed: Hash,
    },
    /// The older checkpoint has more entries.
    #[error(
        "the older checkpoint speaks of {older} entries and this one of {size}: entries were taken back"
    )]
    Rollback {
        /// Entries of the older checkpoint.
        older: u64,
        /// Entries of this one.
        size: u64,
    },
    /// Nothing can be said about the older checkpoint from this part.
    #[error(
        "an older checkpoint over {older} entries cannot be compared with a part that has entries {first} to {last}; take an export of all entries"
    )]
    OlderElsewhere {
        /// Entries of the older checkpoint.
        older: u64,
        /// First entry of the part.
        first: u64,
        /// Last entry of the part.
        last: u64,
    },
}

impl ExportError {
    /// The first bad entry, where one can be named.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        match self {
            Self::Fault { fault, .. } => Some(fault.sequence()),
            Self::CutOff { found, .. } => Some(found.saturating_add(1)),
            Self::Beyond { sequence, .. } => Some(*sequence),
            _ => None,
        }
    }
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

/// Verifies that an export follows from itself, line by line, holding one entry
/// at a time. Whether it is the true one, only a checkpoint tells
/// ([`verify_signed`]).
///
/// # Errors
/// The first line that cannot be read or does not follow.
pub fn verify_lines(input: &mut dyn BufRead) -> Result<Summary, ExportError> {
    let mut verifier = Verifier::new();
    each_entry(input, |line, entry| {
        verifier
            .take(entry)
            .map_err(|fault| ExportError::Fault { line, fault })
    })?;
    Ok(verifier.summary().clone())
}

/// What an export is held against. Whether the checkpoints are signed has been
/// looked at before.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// What was signed.
    pub checkpoint: &'a Checkpoint,
    /// For an export of a part: which, and what stands beside it.
    pub range: Option<&'a Range>,
    /// A checkpoint kept from earlier.
    pub older: Option<&'a Checkpoint>,
}

/// What was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The first entry.
    pub first: u64,
    /// The last one, and what was counted.
    pub summary: Summary,
}

/// Verifies an export against a signed checkpoint, holding one entry at a time:
/// every entry's own hash, its place in the chain, and that together they are
/// what was signed.
///
/// # Errors
/// The first thing that does not fit, with the first bad entry where one can be
/// named.
pub fn verify_signed(input: &mut dyn BufRead, claims: &Claims<'_>) -> Result<Audited, ExportError> {
    let size = claims.checkpoint.size;
    let (first, last) = claims
        .range
        .map_or((1, size), |range| (range.first, range.last));
    if let Some(older) = claims.older {
        if older.size > size {
            return Err(ExportError::Rollback {
                older: older.size,
                size,
            });
        }
        if older.size < first.saturating_sub(1) || older.size > last {
            return Err(ExportError::OlderElsewhere {
                older: older.size,
                first,
                last,
            });
        }
    }
    let mut frontier = match claims.range {
        None => Frontier::new(),
        Some(range) => range
            .proof
            .begin(first.saturating_sub(1))
            .map_err(ExportError::Part)?,
    };
    let mut verifier = Verifier::new();
    compare_older(claims.older, &frontier)?;
    each_entry(input, |line, entry| {
        if line == 1 && claims.range.is_some() {
            if entry.sequence != first {
                return Err(ExportError::OtherPart {
                    first,
                    last,
                    found_first: entry.sequence,
                    found_last: entry.sequence,
                });
            }
            // What the first entry names as the one before is proved by the
            // tree, as everything else in it is.
            verifier = Verifier::after(Tip {
                sequence: first.saturating_sub(1),
                at: UnixMillis(0),
                hash: entry.previous,
            });
        }
        verifier
            .take(entry)
            .map_err(|fault| ExportError::Fault { line, fault })?;
        if entry.sequence > last {
            return Err(ExportError::Beyond {
                sequence: entry.sequence,
                size: last,
            });
        }
        frontier.push(leaf_of_entry(entry.hash));
        compare_older(claims.older, &frontier)
    })?;
    if frontier.size() < last {
        return Err(ExportError::CutOff {
            found: frontier.size(),
            size: last,
        });
    }
    let computed = match claims.range {
        None => frontier.root(),
        Some(range) => range
            .proof
            .finish(&frontier, size)
            .map_err(ExportError::Part)?,
    };
    if computed != claims.checkpoint.root {
        return Err(ExportError::Root {
            computed,
            signed: claims.checkpoint.root,
        });
    }
    Ok(Audited {
        first,
        summary: verifier.summary().clone(),
    })
}

fn compare_older(older: Option<&Checkpoint>, frontier: &Frontier) -> Result<(), ExportError> {
    match older {
        Some(older) if older.size == frontier.size() && older.root != frontier.root() => {
            Err(ExportError::Older {
                size: older.size,
                computed: frontier.root(),
                signed: older.root,
            })
        }
        _ => Ok(()),
    }
}

/// Reads one line as an entry.
///
/// # Errors
/// When it is none.
pub fn parse_line(line: &[u8]) -> Result<Entry, serde_json::Error> {
    serde_json::from_slice(line)
}

fn each_entry(
    input: &mut dyn BufRead,
    mut visit: impl FnMut(u64, &Entry) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
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
        let entry = parse_line(&buffer).map_err(|source| ExportError::Syntax { line, source })?;
        visit(line, &entry)?;
    }
    Ok(())
}
