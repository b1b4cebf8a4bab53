//! Applicants known to exist: institutions of the public lists. Standing in a
//! list makes nobody a member; it is evidence for an examination.

use crate::case::Application;
use crate::decide::Decision;
use crate::limits::{ADDRESS_MAX_CHARS, NAME_MAX_CHARS, ROWS_PER_COMMAND, VANISHED_PER_COMMAND};
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::text::{TextError, clean};
use iryonet_domain::{Actor, Digest, InstitutionCode, UnixMillis};
use serde::{Deserialize, Serialize};

/// Which list, not which edition of it: `medical`, `dental`, `dispensing`,
/// `home-nursing`, or another name of 1 to 40 characters of `a-z`, `0-9`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListId(String);

/// The text is not the name of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a list; it has 1 to 40 characters of a-z, 0-9 and -")]
pub struct ListIdError(pub String);

impl ListId {
    /// The list of this score table.
    #[must_use]
    pub fn of(table: iryonet_domain::ScoreTable) -> Self {
        use iryonet_domain::ScoreTable;
        Self(
            match table {
                ScoreTable::Medical => "medical",
                ScoreTable::Dental => "dental",
                ScoreTable::Dispensing => "dispensing",
                ScoreTable::HomeNursing => "home-nursing",
            }
            .to_owned(),
        )
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ListId {
    type Error = ListIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (1..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text))
        } else {
            Err(ListIdError(text.chars().take(60).collect()))
        }
    }
}

impl std::str::FromStr for ListId {
    type Err = ListIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<ListId> for String {
    fn from(list: ListId) -> Self {
        list.0
    }
}

impl std::fmt::Display for ListId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One institution of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// 医療機関コード.
    pub code: InstitutionCode,
    /// Name, cleaned.
    pub name: String,
    /// Postal code, 7 digits.
    pub postal: String,
    /// Address, cleaned.
    pub address: String,
}

/// Why a row cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The name.
    #[error("the name cannot be taken: {0}")]
    Name(#[source] TextError),
    /// The address.
    #[error("the address cannot be taken: {0}")]
    Address(#[source] TextError),
    /// The postal code.
    #[error("{0:?} is not a postal code; it has 7 digits")]
    Postal(String),
}

impl ListRow {
    /// A row, cleaned and checked.
    ///
    /// # Errors
    /// When a field is empty, too long or holds what has no business there.
    pub fn new(
        code: InstitutionCode,
        name: &str,
        postal: &str,
        address: &str,
    ) -> Result<Self, RowError> {
        let folded = iryonet_domain::text::fold_width(postal);
        let postal_digits: String = folded.trim().chars().filter(|c| *c != '-').collect();
        if postal_digits.len() != 7 || !postal_digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RowError::Postal(postal.chars().take(20).collect()));
        }
        Ok(Self {
            code,
            name: clean(name, NAME_MAX_CHARS).map_err(RowError::Name)?,
            postal: postal_digits,
            address: clean(address, ADDRESS_MAX_CHARS).map_err(RowError::Address)?,
        })
    }
}

/// An institution as the latest list describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applicant {
    /// 医療機関コード.
    pub code: InstitutionCode,
    /// Name.
    pub name: String,
    /// Postal code, 7 digits.
    pub postal: String,
    /// Address.
    pub address: String,
    /// The list it stands in.
    pub list: ListId,
    /// Since when a newer edition of that list names it no more.
    pub vanished_at: Option<UnixMillis>,
}

/// What about an applicant became different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// Name.
    Name,
    /// Postal code.
    Postal,
    /// Address.
    Address,
    /// The list it stands in.
    List,
    /// Whether the list names it: [`LISTED`] or [`VANISHED`].
    Presence,
}

/// Named by its list.
pub const LISTED: &str = "listed";
/// Named by it no more.
pub const VANISHED: &str = "vanished";

/// One attribute, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange {
    /// Which.
    pub attribute: Attribute,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// What an import found. Nothing is lost: `read` is the sum of `institutions`,
/// `repeats` and `refused`; `institutions` that of `new`, `changed` and `same`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Rows of the file.
    pub read: u64,
    /// Rows taken, each another institution.
    pub institutions: u64,
    /// Not known before.
    pub new: u64,
    /// Known with another name or address.
    pub changed: u64,
    /// Known exactly so.
    pub same: u64,
    /// Rows taken with a code of another score table than the list's.
    #[serde(default)]
    pub other_table: u64,
    /// Rows whose code stood in the file before.
    pub repeats: u64,
    /// Rows not taken for any other reason.
    pub refused: u64,
    /// Known from an earlier edition, and not in this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vanished: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn presence(applicant: &Applicant) -> &'static str {
    match applicant.vanished_at {
        None => LISTED,
        Some(_) => VANISHED,
    }
}

/// The events of one row against what is known: none when it is the same.
#[must_use]
pub fn compare(present: Option<&Applicant>, row: &ListRow, list: &ListId) -> Option<Event> {
    let Some(present) = present else {
        return Some(Event::ApplicantListed {
            code: row.code,
            name: row.name.clone(),
            postal: row.postal.clone(),
            address: row.address.clone(),
            list: list.clone(),
        });
    };
    let presence = presence(present).to_owned();
    let listed = LISTED.to_owned();
    let changes: Vec<AttributeChange> = [
        (Attribute::Name, &present.name, &row.name),
        (Attribute::Postal, &present.postal, &row.postal),
        (Attribute::Address, &present.address, &row.address),
        (Attribute::List, &present.list.0, &list.0),
        (Attribute::Presence, &presence, &listed),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(attribute, before, after)| AttributeChange {
        attribute,
        before: before.clone(),
        after: after.clone(),
    })
    .collect();
    if changes.is_empty() {
        return None;
    }
    Some(Event::ApplicantChanged {
        code: row.code,
        changes,
        list: list.clone(),
    })
}

pub(crate) fn list(
    view: &dyn View,
    list: &ListId,
    file_sha256: &str,
    rows: &[ListRow],
) -> Decision {
    check_sha256(file_sha256)?;
    if rows.is_empty() || rows.len() > ROWS_PER_COMMAND {
        return Err(Refusal::RowCount(rows.len()).into());
    }
    let mut events = Vec::with_capacity(rows.len());
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let cleaned =
            ListRow::new(row.code, &row.name, &row.postal, &row.address).map_err(|source| {
                Refusal::Row {
                    code: row.code,
                    source,
                }
            })?;
        if cleaned != *row {
            return Err(Refusal::RowNotClean(row.code).into());
        }
        if !seen.insert(row.code) {
            return Err(Refusal::RowTwice(row.code).into());
        }
        events.extend(compare(view.applicant(row.code)?.as_ref(), row, list));
    }
    if events.is_empty() {
        return Err(Refusal::RowsUnchanged.into());
    }
    Ok(events)
}

pub(crate) fn record_import(list: &ListId, file_sha256: &str, counts: ImportCounts) -> Decision {
    check_sha256(file_sha256)?;
    Ok(vec![Event::ListImported {
        list: list.clone(),
        file_sha256: file_sha256.to_owned(),
        counts,
    }])
}

/// Whom a newer edition names no more. A member among them gets a case that
/// proposes its closing; a person decides.
pub(crate) fn vanished(
    view: &dyn View,
    actor: &Actor,
    list: &ListId,
    file_sha256: Digest,
    codes: &[InstitutionCode],
) -> Decision {
    if codes.is_empty() || codes.len() > VANISHED_PER_COMMAND {
        return Err(Refusal::RowCount(codes.len()).into());
    }
    let mut events = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut proposed = 0;
    for code in codes {
        if !seen.insert(*code) {
            return Err(Refusal::RowTwice(*code).into());
        }
        let present = view
            .applicant(*code)?
            .filter(|present| present.list == *list)
            .ok_or_else(|| Refusal::NotInList {
                code: *code,
                list: list.clone(),
            })?;
        if present.vanished_at.is_some() {
            continue;
        }
        events.push(Event::ApplicantChanged {
            code: *code,
            changes: vec![AttributeChange {
                attribute: Attribute::Presence,
                before: LISTED.to_owned(),
                after: VANISHED.to_owned(),
            }],
            list: list.clone(),
        });
        let application = Application::ClosingByList {
            code: *code,
            list: list.clone(),
            file_sha256,
        };
        if let Some(event) =
            crate::case::propose_closing(view, actor, *code, application, proposed)?
        {
            proposed += 1;
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(Refusal::RowsUnchanged.into());
    }
    Ok(events)
}

fn check_sha256(text: &str) -> Result<(), Refusal> {
    let fits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { Ok(()) } else { Err(Refusal::FileHash) }
}
