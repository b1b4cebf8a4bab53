//! One line: five fields, and what they must be.

use super::LINE_MAX_BYTES;
use crate::applicant::{ListRow, RowError};
use iryonet_domain::text::fold_width;
use iryonet_domain::{CodeError, InstitutionCode, ScoreTable};

/// The columns of a public list.
const COLUMNS: [&str; 5] = [
    "code of nine digits",
    "code of seven digits",
    "name",
    "postal code",
    "address",
];

/// Why a line is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than any row.
    #[error("it has {0} bytes; a row has at most {LINE_MAX_BYTES}")]
    TooLong(usize),
    /// A quote out of place.
    #[error(
        "a quotation mark opens in column {column} and does not close before the next comma or the end of the line"
    )]
    Quote {
        /// From 1.
        column: usize,
    },
    /// Not five fields.
    #[error(
        "it has {0} columns; a row has 5: nine digits, seven digits, name, postal code, address"
    )]
    Columns(usize),
    /// An empty field.
    #[error("column {column}, the {what}, is empty")]
    Missing {
        /// From 1.
        column: usize,
        /// What should stand there.
        what: &'static str,
    },
    /// The code.
    #[error("column 1, {text:?}, is no institution code: {source}")]
    Code {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        #[source]
        source: CodeError,
    },
    /// The two ways of writing the code.
    #[error("columns 1 and 2 disagree: {nine:?} ends with other digits than {seven:?}")]
    Disagree {
        /// Column 1.
        nine: String,
        /// Column 2.
        seven: String,
    },
    /// Name, postal code or address.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Tables whose codes a list of this table holds too. Measured on the public
/// list of 医科 of 2025-08: 27 of its 97,024 rows, houses of both sorts, stand
/// there with their 歯科 code; over ten digits only that table fits them.
fn guests(table: ScoreTable) -> &'static [ScoreTable] {
    match table {
        ScoreTable::Medical => &[ScoreTable::Dental],
        ScoreTable::Dental | ScoreTable::Dispensing | ScoreTable::HomeNursing => &[],
    }
}

/// The code under the list's own table, or under one of its guests' when only
/// the check digit speaks against the own one.
fn code_of(nine: &str, table: ScoreTable) -> Result<InstitutionCode, CodeError> {
    let own = InstitutionCode::parse_nine(nine, table);
    if matches!(own, Err(CodeError::CheckDigit { .. })) {
        for guest in guests(table) {
            if let Ok(code) = InstitutionCode::parse_nine(nine, *guest) {
                return Ok(code);
            }
        }
    }
    own
}

/// The institution that a line names which is no row.
pub(super) fn named(line: &str, table: ScoreTable) -> Option<InstitutionCode> {
    let first = line.split(',').next()?.trim_matches('"');
    code_of(first, table).ok()
}

pub(super) fn parse(line: &str, table: ScoreTable) -> Result<ListRow, LineError> {
    if line.len() > LINE_MAX_BYTES {
        return Err(LineError::TooLong(line.len()));
    }
    let fields = split(line)?;
    let [nine, seven, name, postal, address] = fields.as_slice() else {
        return Err(LineError::Columns(fields.len()));
    };
    for (place, (field, what)) in fields.iter().zip(COLUMNS).enumerate() {
        if field.trim().is_empty() {
            return Err(LineError::Missing {
                column: place + 1,
                what,
            });
        }
    }
    let short = |text: &str| text.chars().take(20).collect::<String>();
    let code = code_of(nine, table).map_err(|source| LineError::Code {
        text: short(nine),
        source,
    })?;
    if fold_width(seven).trim() != code.last_seven() {
        return Err(LineError::Disagree {
            nine: short(nine),
            seven: short(seven),
        });
    }
    Ok(ListRow::new(code, name, postal, address)?)
}

/// Fields of one line (RFC 4180, but for quoted line breaks): a field that
/// begins with a quotation mark ends with one, and two within it are one.
fn split(line: &str) -> Result<Vec<String>, LineError> {
    let mut fields = Vec::with_capacity(COLUMNS.len());
    let mut rest = line;
    loop {
        let column = fields.len() + 1;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut from = quoted;
            loop {
                let Some((before, after)) = from.split_once('"') else {
                    return Err(LineError::Quote { column });
                };
                field.push_str(before);
                if let Some(after) = after.strip_prefix('"') {
                    field.push('"');
                    from = after;
                    continue;
                }
                fields.push(field);
                if after.is_empty() {
                    return Ok(fields);
                }
                rest = after.strip_prefix(',').ok_or(LineError::Quote { column })?;
                break;
            }
        } else if let Some((field, after)) = rest.split_once(',') {
            fields.push(field.to_owned());
            rest = after;
        } else {
            fields.push(rest.to_owned());
            return Ok(fields);
        }
    }
}
