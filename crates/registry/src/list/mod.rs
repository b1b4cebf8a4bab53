//! Public lists of institutions: from the bytes of a file to rows, with a word
//! about every line that cannot be one.
//!
//! Pure: bytes in, rows out. It must not know what is known already; see
//! [`crate::applicant::compare`].
//!
//! A line stands for itself: whatever is wrong with it, the next one is read as
//! if nothing had been. That is why lines are split before quotes are looked
//! at, and why this is no general CSV reader: there, one stray quote swallows
//! the rest of the file. (A quoted field with a line break, which no list of
//! this sort has, is reported and not taken.)

mod encoding;
mod file;
mod line;

pub use encoding::Encoding;
pub use file::FileError;
pub use line::LineError;

use crate::applicant::ListRow;
use iryonet_domain::{InstitutionCode, ScoreTable};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Largest file, in bytes, zip or not. The list of 2025-08 has 10.8 million.
pub const FILE_MAX_BYTES: usize = 256 << 20;
/// Most lines of a file. The network is for 600,000 institutions.
pub const LINES_MAX: u64 = 2_000_000;
/// Longest line, in bytes; a longer one is reported and not taken.
pub const LINE_MAX_BYTES: usize = 16 << 10;

/// A line that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untaken {
    /// Line of the file, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
}

impl std::fmt::Display for Untaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Why a line could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The same institution stood before, in the same words.
    #[error("{code} stands in line {first} already, in the same words")]
    Repeat {
        /// 医療機関コード.
        code: InstitutionCode,
        /// Line where it stood first; that one was taken.
        first: u64,
    },
    /// The same institution stood before, in other words.
    #[error(
        "{code} stands in line {first} already with another {what}; that line was taken, correct the list if this one is right"
    )]
    Contradiction {
        /// 医療機関コード.
        code: InstitutionCode,
        /// Line where it stood first; that one was taken.
        first: u64,
        /// What is different.
        what: &'static str,
    },
    /// Not a row.
    #[error(transparent)]
    Line(#[from] LineError),
}

impl Reason {
    /// Is it a repeat, in the same or in other words?
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        matches!(self, Self::Repeat { .. } | Self::Contradiction { .. })
    }
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicList {
    /// SHA-256 of the file as given, hexadecimal.
    pub file_sha256: String,
    /// How its text was written.
    pub encoding: Encoding,
    /// Lines that hold something: `rows.len() + untaken.len()`.
    pub read: u64,
    /// Institutions, each once, in the order of the file, with their line.
    pub rows: Vec<(u64, ListRow)>,
    /// Lines of rows that were taken with a code of another score table than
    /// the list's, because only that one fits the check digit: houses of both
    /// sorts. Worth a look, as a mistyped code could fit by chance.
    pub other_table: Vec<(u64, InstitutionCode)>,
    /// Everything else, in the order of the file.
    pub untaken: Vec<Untaken>,
    /// Institutions that lines which could not be taken name nevertheless:
    /// whatever is wrong with their rows, the list has not lost them.
    pub named: std::collections::BTreeSet<InstitutionCode>,
}

/// Reads a public list: the zip in which it is published, or the text itself.
/// Columns: nine digits of the code, its last seven, name, postal code, address.
/// `table` is the score table that the list is of, which it does not say itself.
///
/// # Errors
/// When the file as a whole cannot be read. A line that cannot is in `untaken`.
pub fn read(bytes: &[u8], table: ScoreTable) -> Result<PublicList, FileError> {
    let content = file::content(bytes)?;
    let (text, encoding) = encoding::decode(&content)?;
    let mut list = PublicList {
        file_sha256: hex::encode(Sha256::digest(bytes)),
        encoding,
        read: 0,
        rows: Vec::new(),
        other_table: Vec::new(),
        untaken: Vec::new(),
        named: std::collections::BTreeSet::new(),
    };
    // Where each code stood first, as a place in `rows`. Only looked up.
    let mut places: HashMap<InstitutionCode, usize> = HashMap::new();
    for (index, line) in text.split('\n').enumerate() {
        let number = index as u64 + 1;
        if number > LINES_MAX {
            return Err(FileError::TooManyLines);
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Old tools end a file with U+001A.
        if line
            .trim_matches(['\u{1a}', ' ', '\u{3000}', '\t'])
            .is_empty()
        {
            continue;
        }
        list.read += 1;
        match line::parse(line, table) {
            Err(error) => {
                list.named.extend(line::named(line, table));
                list.untaken.push(Untaken {
                    line: number,
                    reason: Reason::Line(error),
                });
            }
            Ok(row) => {
                let present = places
                    .get(&row.code)
                    .and_then(|place| list.rows.get(*place));
                if let Some((first, before)) = present {
                    let reason = repeat(*first, before, &row);
                    list.untaken.push(Untaken {
                        line: number,
                        reason,
                    });
                } else {
                    if row.code.score_table() != table {
                        list.other_table.push((number, row.code));
                    }
                    places.insert(row.code, list.rows.len());
                    list.rows.push((number, row));
                }
            }
        }
    }
    Ok(list)
}

fn repeat(first: u64, before: &ListRow, row: &ListRow) -> Reason {
    let what = match (
        before.name == row.name,
        (&before.postal, &before.address) == (&row.postal, &row.address),
    ) {
        (true, true) => {
            return Reason::Repeat {
                code: row.code,
                first,
            };
        }
        (false, true) => "name",
        (true, false) => "address",
        (false, false) => "name and address",
    };
    Reason::Contradiction {
        code: row.code,
        first,
        what,
    }
}
