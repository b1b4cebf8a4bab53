//! The index of what is searched: for each token, which records have it.
//!
//! A list of records is kept in chunks, so that one admission writes little,
//! and a page of answers reads little. Changes are collected while a
//! transaction runs and written when it ends, or before it searches: a thousand
//! admissions touch most lists many times.

use super::records::{Record, Written, blob, text, whole};
use super::session::Session;
use crate::error::StoreError;
use crate::search::{self, Found, Place};
use crate::sql::{Kind, Misfit, Row, Table, Value, values};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Changes that are collected at most before they are written.
const PENDING_MAX: usize = 400_000;

/// One list of records, one chunk of it.
#[derive(Debug)]
pub(crate) struct Posting {
    found: u32,
    token: String,
    chunk: u32,
    docs: Vec<u8>,
}

impl Record for Posting {
    const TABLE: Table = Table {
        name: "posting",
        columns: &[
            ("found", Kind::Integer),
            ("token", Kind::Text),
            ("chunk", Kind::Integer),
            ("docs", Kind::Blob),
        ],
        key: 3,
        read: 4,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            found: whole(row, 0)?,
            token: text(row, 1)?,
            chunk: whole(row, 2)?,
            docs: blob(row, 3)?,
        })
    }
}

impl Written for Posting {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![self.found, &self.token, self.chunk, self.docs.as_slice()].into())
    }
}

/// Places within a chunk, and whether each comes or goes, in the order in which
/// it happened.
type Changed = Vec<(u32, bool)>;
/// Which list: of what, of which token, in which chunk.
type List = (u32, String, u32);

/// Changes that are not written yet: for each list and chunk of it the places,
/// and whether they come or go, in the order in which it happened.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    changes: HashMap<(u32, u32), HashMap<String, Changed>>,
    count: usize,
}

impl Session<'_> {
    /// The record had these tokens and now has those.
    pub(super) fn index(
        &self,
        found: Found,
        place: Place,
        before: &BTreeSet<String>,
        after: BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let full = {
            let mut pending = self.pending.borrow_mut();
            let mut count = 0;
            let chunk = (found.number(), place.chunk);
            let of_chunk = pending.changes.entry(chunk).or_default();
            for token in before.difference(&after) {
                let places = of_chunk.entry(token.clone()).or_default();
                places.push((place.within, false));
                count += 1;
            }
            for token in after {
                if !before.contains(&token) {
                    let places = of_chunk.entry(token).or_default();
                    places.push((place.within, true));
                    count += 1;
                }
            }
            pending.count += count;
            pending.count > PENDING_MAX
        };
        if full { self.write_postings() } else { Ok(()) }
    }

    /// Writes the changes that were collected.
    pub(super) fn write_postings(&self) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        if pending.changes.is_empty() {
            return Ok(());
        }
        let mut lists: Vec<(List, Changed)> = pending
            .changes
            .into_iter()
            .flat_map(|((found, chunk), of_chunk)| {
                of_chunk
                    .into_iter()
                    .map(move |(token, places)| ((found, token, chunk), places))
            })
            .collect();
        // In the order of the table: neighbours stand on one page.
        lists.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let keys: Vec<Vec<Value<'_>>> = lists
            .iter()
            .map(|((found, token, chunk), _)| values![*found, token, *chunk].into())
            .collect();
        let mut present: HashMap<(u32, String, u32), Vec<u32>> = HashMap::new();
        self.get_many::<Posting>(&keys, &mut |row| {
            present.insert((row.found, row.token, row.chunk), search::unpack(&row.docs));
            Ok(())
        })?;
        drop(keys);
        let mut changed = Vec::with_capacity(lists.len());
        for (key, places) in lists {
            let before = present.remove(&key).unwrap_or_default();
            let (found, token, chunk) = key;
            changed.push(Posting {
                found,
                token,
                chunk,
                docs: search::pack(&merged(before, places)),
            });
        }
        let (empty, full): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|it| it.docs.is_empty());
        self.put_many(&full)?;
        for it in empty {
            self.run(
                "DELETE FROM posting WHERE found = ?1 AND token = ?2 AND chunk = ?3",
                &values![it.found, &it.token, it.chunk],
            )?;
        }
        Ok(())
    }

    /// Records of these chunks that have all tokens of any one of the
    /// alternatives, ascending. Whether they are what is searched for, their
    /// rows say.
    pub(super) fn candidates(
        &self,
        found: Found,
        alternatives: &[Vec<String>],
        chunks: Range<u32>,
    ) -> Result<Vec<Place>, StoreError> {
        self.write_postings()?;
        let tokens: BTreeSet<&String> = alternatives.iter().flatten().collect();
        let mut values = Vec::from(values![found.number(), chunks.start, chunks.end]);
        let places: Vec<String> = tokens
            .iter()
            .map(|token| {
                values.push(token.as_str().into());
                format!("?{}", values.len())
            })
            .collect();
        let mut lists: BTreeMap<u32, HashMap<String, Vec<u32>>> = BTreeMap::new();
        self.visit::<Posting>(
            &format!(
                "WHERE found = ?1 AND token IN ({}) AND chunk >= ?2 AND chunk < ?3",
                places.join(", ")
            ),
            &values,
            &mut |row| {
                let docs = search::unpack(&row.docs);
                lists.entry(row.chunk).or_default().insert(row.token, docs);
                Ok(())
            },
        )?;
        let mut out = Vec::new();
        for (chunk, lists) in lists {
            let mut within = BTreeSet::new();
            for tokens in alternatives {
                within.extend(with_all(&lists, tokens));
            }
            out.extend(within.into_iter().map(|within| Place { chunk, within }));
        }
        Ok(out)
    }
}

/// What stands in the lists of all these tokens; the shortest is begun with.
fn with_all(lists: &HashMap<String, Vec<u32>>, tokens: &[String]) -> Vec<u32> {
    let mut of: Vec<&Vec<u32>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Some(list) = lists.get(token) else {
            return Vec::new();
        };
        of.push(list);
    }
    of.sort_by_key(|list| list.len());
    let mut lists = of.into_iter();
    let first = lists.next().cloned().unwrap_or_default();
    lists.fold(first, |have, list| search::common(&have, list))
}

/// The places after these changes, of which the last about a place counts.
fn merged(before: Vec<u32>, changes: Vec<(u32, bool)>) -> Vec<u32> {
    // Mostly what comes stands behind what is there, in its order.
    let mut last = before.last().copied();
    let behind = changes.iter().all(|(place, comes)| {
        let is_next = *comes && last.is_none_or(|last| last < *place);
        last = Some(*place);
        is_next
    });
    if behind {
        let mut after = before;
        after.extend(changes.into_iter().map(|(place, _)| place));
        return after;
    }
    let mut after: BTreeSet<u32> = before.into_iter().collect();
    for (place, comes) in changes {
        if comes {
            after.insert(place);
        } else {
            after.remove(&place);
        }
    }
    after.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn a_list_is_as_its_last_changes_say() {
        assert_eq!(merged(vec![1, 5], vec![(7, true), (9, true)]), [1, 5, 7, 9]);
        assert_eq!(merged(vec![1, 5], vec![(5, true), (3, true)]), [1, 3, 5]);
        assert_eq!(
            merged(
                vec![1, 5],
                vec![(9, true), (5, false), (9, false), (1, true)]
            ),
            [1]
        );
        assert!(merged(vec![4], vec![(4, false)]).is_empty());
    }
}
