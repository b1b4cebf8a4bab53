//! The import of a public list: rows become applicants known to exist.
//!
//! Only what differs is written, a thousand rows to an act, each act in a
//! transaction of its own so that others get their turn; the last one carries
//! the entry about the run itself. An import that was interrupted is run again
//! and goes on; one that finds nothing new writes nothing at all.

use crate::error::StoreError;
use crate::store::{Outcome, Reader, Store, change, look};
use iryonet_domain::{Actor, InstitutionCode, ScoreTable, UnixMillis};
use iryonet_registry::applicant::{ImportCounts, compare};
use iryonet_registry::limits::ROWS_PER_COMMAND;
use iryonet_registry::list::{self, Encoding, FileError, Untaken};
use iryonet_registry::{Applicant, Command, Event, ListId, ListRow, Refusal};
use std::collections::HashMap;

/// What the list does not say itself.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The score table that its codes belong to.
    pub table: ScoreTable,
    /// Under which name it is recorded; every edition of a list has the same.
    pub list: ListId,
}

impl Default for ImportOptions {
    /// 医科.
    fn default() -> Self {
        Self::of(ScoreTable::Medical)
    }
}

impl ImportOptions {
    /// The list of this score table.
    #[must_use]
    pub fn of(table: ScoreTable) -> Self {
        Self {
            table,
            list: ListId::of(table),
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The file was read and has this many rows that can be taken.
    Read {
        /// Rows.
        rows: u64,
    },
    /// Rows compared with what is known.
    Compared {
        /// So far.
        done: u64,
        /// Of these.
        total: u64,
    },
    /// Rows that differ, written.
    Written {
        /// So far.
        done: u64,
        /// Of these.
        total: u64,
    },
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// How many of what.
    pub counts: ImportCounts,
    /// Every line that could not be taken, in the order of the file.
    pub untaken: Vec<Untaken>,
    /// Lines taken with a code of another score table than the list's (see
    /// [`iryonet_registry::list::PublicList`]); worth a look.
    pub other_table: Vec<(u64, InstitutionCode)>,
    /// How the text was written.
    pub encoding: Encoding,
    /// SHA-256 of the file, hexadecimal.
    pub file_sha256: String,
    /// First and last ledger entry, when something was written.
    pub entries: Option<(u64, u64)>,
}

/// Why an import came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store.
    #[error(
        "the import stopped after {written} of {total} changed rows; run it again and it goes on there"
    )]
    Store {
        /// Rows written.
        written: u64,
        /// Rows to be written.
        total: u64,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// The registry refused, as for an actor that may not.
    #[error("the registry refused the rows: {0}")]
    Refused(#[source] Refusal),
}

/// Imports a public list: the bytes of the zip or of the text itself.
///
/// # Errors
/// When the file as a whole cannot be read, when the actor may not, or when
/// the store fails. Lines that cannot be taken are in the report.
pub fn run(
    store: &dyn Store,
    bytes: &[u8],
    options: &ImportOptions,
    actor: &Actor,
    now: UnixMillis,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    let file = list::read(bytes, options.table)?;
    let total_rows = file.rows.len() as u64;
    progress(Progress::Read { rows: total_rows });
    let rows: Vec<ListRow> = file.rows.into_iter().map(|(_, row)| row).collect();
    let repeats = file
        .untaken
        .iter()
        .filter(|untaken| untaken.reason.is_repeat())
        .count() as u64;
    let mut counts = ImportCounts {
        read: file.read,
        institutions: total_rows,
        other_table: file.other_table.len() as u64,
        repeats,
        refused: file.untaken.len() as u64 - repeats,
        ..ImportCounts::default()
    };
    let mut report = ImportReport {
        counts,
        untaken: file.untaken,
        other_table: file.other_table,
        encoding: file.encoding,
        file_sha256: file.file_sha256,
        entries: None,
    };

    let stopped = |written: u64, total: u64| {
        move |source| ImportError::Store {
            written,
            total,
            source,
        }
    };
    let mut left = differing_rows(store, &rows, options, progress).map_err(stopped(0, 0))?;
    let total = left.len() as u64;
    let mut written = 0;
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(ROWS_PER_COMMAND));
        let last = rest.is_empty();
        let chunk = std::mem::replace(&mut left, rest);
        let outcome = change(store, |transaction| {
            // Again, now that nobody else can write.
            let rows = differing(&*transaction, &chunk, &options.list)?;
            let mut sequences = Vec::new();
            let mut found = ImportCounts::default();
            if !rows.is_empty() {
                let recorded = transaction.record(
                    actor,
                    &Command::ListApplicants {
                        list: options.list.clone(),
                        file_sha256: report.file_sha256.clone(),
                        rows,
                    },
                    now,
                )?;
                sequences.push(recorded.sequence);
                match recorded.outcome {
                    Outcome::Refused(refusal) => return Ok(Err(refusal)),
                    Outcome::Accepted(events) => count(&events, &mut found),
                }
            }
            let changed = counts.changed + found.changed;
            let new = counts.new + found.new;
            if last && changed + new > 0 {
                let recorded = transaction.record(
                    actor,
                    &Command::RecordImport {
                        list: options.list.clone(),
                        file_sha256: report.file_sha256.clone(),
                        counts: ImportCounts {
                            new,
                            changed,
                            same: total_rows - new - changed,
                            ..counts
                        },
                    },
                    now,
                )?;
                sequences.push(recorded.sequence);
                if let Outcome::Refused(refusal) = recorded.outcome {
                    return Ok(Err(refusal));
                }
            }
            Ok(Ok((sequences, found)))
        })
        .map_err(stopped(written, total))?;
        let (sequences, found) = outcome.map_err(ImportError::Refused)?;
        counts.new += found.new;
        counts.changed += found.changed;
        for sequence in sequences {
            report.entries = Some(match report.entries {
                None => (sequence, sequence),
                Some((first, _)) => (first, sequence),
            });
        }
        written += chunk.len() as u64;
        progress(Progress::Written {
            done: written,
            total,
        });
    }
    counts.same = total_rows - counts.new - counts.changed;
    report.counts = counts;
    Ok(report)
}

/// Those of the rows that say something new.
fn differing<R: Reader + ?Sized>(
    reader: &R,
    rows: &[ListRow],
    list: &ListId,
) -> Result<Vec<ListRow>, StoreError> {
    let codes: Vec<InstitutionCode> = rows.iter().map(|row| row.code).collect();
    let known: HashMap<InstitutionCode, Applicant> = reader
        .applicants_with(&codes)?
        .into_iter()
        .map(|applicant| (applicant.code, applicant))
        .collect();
    Ok(rows
        .iter()
        .filter(|row| compare(known.get(&row.code), row, list).is_some())
        .cloned()
        .collect())
}

fn differing_rows(
    store: &dyn Store,
    rows: &[ListRow],
    options: &ImportOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<ListRow>, StoreError> {
    let total = rows.len() as u64;
    look(store, |reader| {
        let mut found = Vec::new();
        for (place, chunk) in rows.chunks(ROWS_PER_COMMAND).enumerate() {
            found.extend(differing(reader, chunk, &options.list)?);
            progress(Progress::Compared {
                done: (place * ROWS_PER_COMMAND + chunk.len()) as u64,
                total,
            });
        }
        Ok(found)
    })
}

fn count(events: &[Event], counts: &mut ImportCounts) {
    for event in events {
        match event {
            Event::ApplicantListed { .. } => counts.new += 1,
            Event::ApplicantChanged { .. } => counts.changed += 1,
            _ => {}
        }
    }
}
