//! Many admissions in one act: for filling a registry from what is known
//! elsewhere, as a network that is taken over. Whole or not at all, the row named
//! that is in the way. Each of the admitted is an event of the act's entry, as if
//! it had been admitted alone, and is found in its own history.
//!
//! It stands beside the examination, so nobody but the network itself may
//! (`permission`).

use crate::command::Home;
use crate::decide::{Decision, text};
use crate::limits::{NAME_MAX_CHARS, ROWS_PER_COMMAND};
use crate::participant::{Numbers, check_new};
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{InstitutionCode, ParticipantKind, Prefecture};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A participant to be admitted, with its first site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionRow {
    /// Kind.
    pub kind: ParticipantKind,
    /// Name as the institution writes it.
    pub name: String,
    /// 医療機関コード, if it has one; no other open participant holds it, and no
    /// other row names it.
    pub code: Option<InstitutionCode>,
    /// 都道府県, where there is no code that says it, or it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Prefecture>,
    /// Where its number comes from.
    pub home: Home,
    /// Name of its site 0, as 本院.
    pub site: String,
}

pub(crate) fn admit_many(view: &dyn View, rows: &[AdmissionRow]) -> Decision {
    crate::network::founded(view)?;
    if rows.is_empty() || rows.len() > ROWS_PER_COMMAND {
        return Err(Refusal::RowCount(rows.len()).into());
    }
    let mut events = Vec::with_capacity(2 * rows.len());
    let mut numbers = Numbers::default();
    let mut codes = BTreeSet::new();
    for (place, row) in rows.iter().enumerate() {
        one(view, row, &mut numbers, &mut codes, &mut events).map_err(|error| match error {
            DecideError::Refused(because) => Refusal::AdmissionRow {
                row: place + 1,
                because: Box::new(because),
            }
            .into(),
            other => other,
        })?;
    }
    Ok(events)
}

fn one(
    view: &dyn View,
    row: &AdmissionRow,
    numbers: &mut Numbers,
    codes: &mut BTreeSet<InstitutionCode>,
    events: &mut Vec<Event>,
) -> Result<(), DecideError> {
    let name = check_new(view, row.kind, &row.name, row.code)?;
    let site = text("name of the site", &row.site, NAME_MAX_CHARS)?;
    if let Some(code) = row.code
        && !codes.insert(code)
    {
        return Err(Refusal::RowTwice(code).into());
    }
    let number = numbers.next(view, &row.home)?;
    events.push(Event::ParticipantAdmitted {
        number,
        kind: row.kind,
        name,
        code: row.code,
        area: row.area,
    });
    events.push(Event::SiteAdded {
        participant: number,
        site: 0,
        name: site,
    });
    Ok(())
}
