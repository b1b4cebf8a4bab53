//! 再審査: who must be examined anew under the rules that hold.

use crate::error::StoreError;
use crate::query::Reexamination;
use crate::store::Reader;
use iryonet_domain::{LineKind, ParticipantNumber};
use iryonet_registry::rules::PresentRules;

/// Participants that are looked at for one page at most.
const LOOKED_AT_MAX: usize = 10_000;
/// Participants read at once.
const PAGE: usize = 500;

/// A page of those who must be examined anew, ascending by number, and where
/// the next page begins; nothing when this was the last.
///
/// # Errors
/// When the store fails.
pub fn to_be_reexamined(
    reader: &dyn Reader,
    after: Option<ParticipantNumber>,
    limit: usize,
) -> Result<(Vec<Reexamination>, Option<ParticipantNumber>), StoreError> {
    let Some(rules) = PresentRules::of(reader)? else {
        return Ok((Vec::new(), None));
    };
    let mut found = Vec::new();
    let mut place = after;
    let mut looked_at = 0;
    while found.len() < limit && looked_at < LOOKED_AT_MAX {
        let page = reader.participants_examined_before(rules.version(), place, PAGE)?;
        if page.is_empty() {
            return Ok((found, None));
        }
        for participant in page {
            looked_at += 1;
            place = Some(participant.number);
            let lines: Vec<LineKind> = reader
                .lines_of(participant.number)?
                .into_iter()
                .map(|line| line.kind)
                .collect();
            if let Some(wanted) = rules.reexamination(&participant, &lines) {
                found.push(Reexamination {
                    participant,
                    wanted,
                });
                if found.len() >= limit {
                    break;
                }
            }
        }
    }
    Ok((found, place))
}
