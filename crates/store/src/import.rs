//! The import of a public list: rows become applicants known to exist.
//!
//! Only what differs is written, a thousand rows to an act, each act in a
//! transaction of its own so that others get their turn; the last one carries
//! the entry about the run itself. An import that was interrupted is run again
//! and goes on; one that finds nothing new writes nothing at all.
//!
//! Whom a newer edition names no more is recorded as vanished, and where it is
//! a member, its closing is proposed as a case: nobody is closed. A file that
//! lacks too many is taken for a part of the list and refused.

use crate::error::StoreError;
use crate::store::{Outcome, Reader, Store, Transaction, change, look};
use iryonet_domain::{Actor, InstitutionCode, ScoreTable, UnixMillis};
use iryonet_registry::applicant::{Attribute, ImportCounts, VANISHED, compare};
use iryonet_registry::limits::{ROWS_PER_COMMAND, VANISHED_PER_COMMAND};
use iryonet_registry::list::{self, Encoding, FileError, Untaken};
use iryonet_registry::{Applicant, Command, Event, ListId, ListRow, Refusal};
use std::collections::{BTreeSet, HashMap};

/// So many of a list may vanish from its next edition without a question.
pub const VANISHED_FEW: usize = 100;
/// More than so many per cent of a list do not vanish from one edition to the
/// next: the file is a part of the list, or another one.
pub const VANISHED_PERCENT: usize = 5;

/// What the list does not say itself.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The score table that its codes belong to.
    pub table: ScoreTable,
    /// Under which name it is recorded; every edition of a list has the same.
    pub list: ListId,
    /// Take it even when more have vanished than do from one edition to the
    /// next: somebody has looked.
    pub many_vanished: bool,
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
            many_vanished: false,
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
    /// More have vanished than do from one edition to the next.
    #[error(
        "{vanished} of the {known} institutions of the list are not in this file; is it the whole list? nothing was written: take the whole one, or say that so many are gone"
    )]
    ManyVanished {
        /// Not in the file.
        vanished: usize,
        /// In the list as it is known.
        known: usize,
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
    let mut present = file.named;
    present.extend(rows.iter().map(|row| row.code));
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
    let gone = vanished_codes(store, &present, options).map_err(stopped(0, 0))?;
    if gone.vanished.len() > VANISHED_FEW
        && gone.vanished.len() * 100 > gone.known * VANISHED_PERCENT
        && !options.many_vanished
    {
        return Err(ImportError::ManyVanished {
            vanished: gone.vanished.len(),
            known: gone.known,
        });
    }
    let changed = differing_rows(store, &rows, options, progress).map_err(stopped(0, 0))?;
    let total = (changed.len() + gone.vanished.len()) as u64;
    let pieces: Vec<Piece> = changed
        .chunks(ROWS_PER_COMMAND)
        .map(|rows| Piece::Rows(rows.to_vec()))
        .chain(
            gone.vanished
                .chunks(VANISHED_PER_COMMAND)
                .map(|codes| Piece::Vanished(codes.to_vec())),
        )
        .collect();
    let mut written = 0;
    let mut left = pieces.len();
    for piece in pieces {
        left -= 1;
        let outcome = change(store, |transaction| {
            let mut sequences = Vec::new();
            let mut found = ImportCounts::default();
            if let Some(command) = piece.command(transaction, options, &report.file_sha256)? {
                let recorded = transaction.record(actor, &command, now)?;
                sequences.push(recorded.sequence);
                match recorded.outcome {
                    Outcome::Refused(refusal) => return Ok(Err(refusal)),
                    Outcome::Accepted(events) => count(&events, &mut found),
                }
            }
            let (new, changed) = (counts.new + found.new, counts.changed + found.changed);
            let vanished = counts.vanished + found.vanished;
            if left == 0 && changed + new + vanished > 0 {
                let recorded = transaction.record(
                    actor,
                    &Command::RecordImport {
                        list: options.list.clone(),
                        file_sha256: report.file_sha256.clone(),
                        counts: ImportCounts {
                            new,
                            changed,
                            vanished,
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
        counts.vanished += found.vanished;
        for sequence in sequences {
            report.entries = Some(match report.entries {
                None => (sequence, sequence),
                Some((first, _)) => (first, sequence),
            });
        }
        written += piece.len() as u64;
        progress(Progress::Written {
            done: written,
            total,
        });
    }
    counts.same = total_rows - counts.new - counts.changed;
    report.counts = counts;
    Ok(report)
}

/// What goes into one transaction.
enum Piece {
    Rows(Vec<ListRow>),
    Vanished(Vec<InstitutionCode>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Vanished(codes) => codes.len(),
        }
    }

    /// The command, of what still differs now that nobody else can write.
    fn command(
        &self,
        transaction: &dyn Transaction,
        options: &ImportOptions,
        file_sha256: &str,
    ) -> Result<Option<Command>, StoreError> {
        match self {
            Self::Rows(rows) => {
                let left = differing(transaction, rows, &options.list)?;
                Ok((!left.is_empty()).then(|| Command::ListApplicants {
                    list: options.list.clone(),
                    file_sha256: file_sha256.to_owned(),
                    rows: left,
                }))
            }
            Self::Vanished(codes) => {
                let left: Vec<InstitutionCode> = transaction
                    .applicants_with(codes)?
                    .into_iter()
                    .filter(|it| it.list == options.list && it.vanished_at.is_none())
                    .map(|it| it.code)
                    .collect();
                let file_sha256 = file_sha256.parse().map_err(StoreError::given_up)?;
                Ok((!left.is_empty()).then(|| Command::ListVanished {
                    list: options.list.clone(),
                    file_sha256,
                    codes: left,
                }))
            }
        }
    }
}

/// Whom the list named, and this file does not.
struct Gone {
    vanished: Vec<InstitutionCode>,
    known: usize,
}

fn vanished_codes(
    store: &dyn Store,
    present: &BTreeSet<InstitutionCode>,
    options: &ImportOptions,
) -> Result<Gone, StoreError> {
    look(store, |reader| {
        let mut gone = Gone {
            vanished: Vec::new(),
            known: 0,
        };
        let mut after = None;
        loop {
            let page = reader.codes_in_list(&options.list, after, ROWS_PER_COMMAND)?;
            let Some(last) = page.last() else {
                return Ok(gone);
            };
            after = Some(*last);
            gone.known += page.len();
            gone.vanished
                .extend(page.into_iter().filter(|code| !present.contains(code)));
        }
    })
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
            Event::ApplicantChanged { changes, .. } => {
                let vanished = changes.iter().any(|change| {
                    change.attribute == Attribute::Presence && change.after == VANISHED
                });
                if vanished {
                    counts.vanished += 1;
                } else {
                    counts.changed += 1;
                }
            }
            _ => {}
        }
    }
}
