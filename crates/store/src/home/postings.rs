//! The index of what is searched: for each token, which records have it.
//!
//! A list of records is kept in chunks, so that one admission writes little,
//! and a page of answers reads little. Changes are collected while a
//! transaction runs and written when it ends, or before it searches: a thousand
//! admissions touch most lists many times.

use super::records::{Record, blob, text, whole};
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

    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![self.found, &self.token, self.chunk, self.docs.as_slice()].into())
    }
}

/// Changes that are not written yet: for each token and chunk the places, and
/// whether they come or go.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    changes: BTreeMap<(u32, u32, String), BTreeMap<u32, bool>>,
    count: usize,
}

impl Session<'_> {
    /// The record had these tokens and now has those.
    pub(super) fn index(
        &self,
        found: Found,
        place: Place,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let full = {
            let mut pending = self.pending.borrow_mut();
            let gone = before.difference(after).map(|token| (token, false));
            let come = after.difference(before).map(|token| (token, true));
            for (token, comes) in gone.chain(come) {
                let key = (found.number(), place.chunk, token.clone());
                pending
                    .changes
                    .entry(key)
                    .or_default()
                    .insert(place.within, comes);
                pending.count += 1;
            }
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
        let keys: Vec<Vec<Value<'_>>> = pending
            .changes
            .keys()
            .map(|(found, chunk, token)| values![*found, token, *chunk].into())
            .collect();
        let mut present: HashMap<(u32, u32, String), Vec<u32>> = HashMap::new();
        self.get_many::<Posting>(&keys, &mut |row| {
            present.insert((row.found, row.chunk, row.token), search::unpack(&row.docs));
            Ok(())
        })?;
        let mut changed = Vec::with_capacity(pending.changes.len());
        for (key, places) in pending.changes {
            let before = present.remove(&key).unwrap_or_default();
            let after = merged(before, places);
            let (found, chunk, token) = key;
            changed.push(Posting {
                found,
                token,
                chunk,
                docs: search::pack(&after),
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

fn merged(before: Vec<u32>, changes: BTreeMap<u32, bool>) -> Vec<u32> {
    // Mostly what comes stands behind what is there.
    let behind = changes
        .first_key_value()
        .is_none_or(|(first, _)| before.last().is_none_or(|last| last < first));
    if behind {
        let mut after = before;
        after.extend(
            changes
                .into_iter()
                .filter_map(|(place, comes)| comes.then_some(place)),
        );
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
