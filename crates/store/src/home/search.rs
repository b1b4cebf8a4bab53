//! Search by code, name and area; and what keeps its index true.

use super::many::{Digits, any_of};
use super::records::Placed;
use super::session::{Session, limit_of};
use crate::error::StoreError;
use crate::query::{ApplicantQuery, ParticipantQuery, code_range, search_key};
use crate::search::{self, Field, Found, Place};
use crate::sql::{Dialect, Value, values};
use iryonet_domain::{InstitutionCode, ParticipantNumber, Prefecture};
use iryonet_registry::{Applicant, Participant, Standing, View as _};
use std::collections::BTreeSet;
use std::ops::Range;

/// Candidates whose rows are asked at once, at first and at most.
const ROWS_AT_ONCE: Range<usize> = 128..2_048;
/// The index is looked through in this many steps at most, each larger than the
/// one before: mostly a page is full after the first.
const STEPS: u32 = 4;
/// From so many digits on, few codes begin so.
const FEW_DIGITS: usize = 5;
/// Rows that are indexed at once when the index is made.
const REBUILD_ROWS: usize = 4_096;

/// Conditions of a search, collected with their values.
pub(super) struct Conditions {
    dialect: Dialect,
    sql: String,
    values: Vec<Value<'static>>,
}

/// Those of some candidates that are what is searched for.
type Rows<'a, T> = dyn FnMut(&[Place]) -> Result<Vec<T>, StoreError> + 'a;

impl Conditions {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            sql: String::new(),
            values: Vec::new(),
        }
    }

    /// The next place for a value.
    pub(super) fn place(&mut self, value: impl Into<Value<'static>>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    pub(super) fn and(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() {
            "WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(condition);
    }

    /// `column` stands to the value as `relation` says.
    pub(super) fn holds(&mut self, column: &str, relation: &str, value: impl Into<Value<'static>>) {
        let place = self.place(value);
        self.and(&format!("{column} {relation} {place}"));
    }

    fn code(&mut self, code: Option<&str>, prefecture: Option<Prefecture>) {
        for prefix in [
            code.map(str::to_owned),
            prefecture.map(|prefecture| prefecture.to_string()),
        ]
        .into_iter()
        .flatten()
        {
            let (first, end) = code_range(&prefix);
            self.holds("code", ">=", first);
            self.holds("code", "<", end);
        }
    }

    /// Is the value a part of the column?
    pub(super) fn part(&mut self, column: &str, value: String) -> String {
        let place = self.place(value);
        match self.dialect {
            Dialect::Sqlite => format!("instr({column}, {place}) > 0"),
            Dialect::Postgres => format!("strpos({column}, {place}) > 0"),
        }
    }

    fn has(&mut self, column: &str, part: Option<&str>) {
        if let Some(part) = part.map(search_key).filter(|key| !key.is_empty()) {
            let part = self.part(column, part);
            self.and(&part);
        }
    }

    /// The rest of the statement: ascending, at most `limit`.
    pub(super) fn page(mut self, order: &str, limit: usize) -> (String, Vec<Value<'static>>) {
        let place = self.place(limit_of(limit));
        (
            format!("{} ORDER BY {order} LIMIT {place}", self.sql),
            self.values,
        )
    }
}

/// Where candidates may stand, and what they have.
struct Wanted {
    found: Found,
    alternatives: Vec<Vec<String>>,
    chunks: Range<u32>,
    after: Option<Place>,
}

impl Session<'_> {
    pub(super) fn search_participants(
        &self,
        query: &ParticipantQuery,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError> {
        let fill = |wanted: &mut Conditions| {
            wanted.code(query.code.as_deref(), None);
            if let Some(prefecture) = query.prefecture {
                wanted.holds("prefecture", "=", prefecture.number());
            }
            wanted.has("name_key", query.name.as_deref());
            wanted.has("area_key", query.area.as_deref());
            if let Some(standing) = query.standing {
                wanted.holds("standing", "=", standing.as_str());
            }
        };
        let code = query.code.as_deref().map(search_key).unwrap_or_default();
        let mut tokens = Vec::new();
        for (field, text) in [(Field::Name, &query.name), (Field::Area, &query.area)] {
            if let Some(text) = text {
                tokens.extend(search::pattern(field, &search_key(text)));
            }
        }
        let prefecture = query.prefecture.map(|prefecture| prefecture.to_string());
        tokens.extend(prefecture.map(|digits| Field::Prefecture.token(&digits)));
        for length in search::CODE_BEGINNINGS {
            tokens.extend(code.get(..length).map(|digits| Field::Code.token(digits)));
        }
        if let Some(standing) = query.standing.filter(|it| *it != Standing::Open) {
            tokens.push(Field::Standing.token(standing.as_str()));
        }
        if tokens.is_empty() || code.len() >= FEW_DIGITS {
            let mut wanted = Conditions::new(self.driver.dialect());
            fill(&mut wanted);
            if let Some(after) = after {
                wanted.holds("number", ">", after.get());
            }
            // With a long code, by the index of codes and not in the order of
            // the numbers.
            let order = if code.len() >= FEW_DIGITS {
                "number + 0"
            } else {
                "number"
            };
            let (tail, values) = wanted.page(order, limit);
            return self.list(&tail, &values);
        }
        let wanted = Wanted {
            found: Found::Participant,
            alternatives: vec![tokens],
            chunks: 0..Found::Participant.chunks(),
            after: after.map(Place::of_participant),
        };
        self.matching(&wanted, limit, &mut |places| {
            let (list_of, list) = any_of(
                self.driver.dialect(),
                "number",
                Digits::Integer,
                places.iter().map(|place| place.participant().to_string()),
            );
            let mut conditions = Conditions::new(self.driver.dialect());
            conditions.values.push(list);
            fill(&mut conditions);
            conditions.and(&list_of);
            let (tail, values) = conditions.page("number", limit);
            self.list(&tail, &values)
        })
    }

    pub(super) fn search_applicants(
        &self,
        query: &ApplicantQuery,
        after: Option<InstitutionCode>,
        limit: usize,
    ) -> Result<Vec<Applicant>, StoreError> {
        let area = query.area.as_deref().map(search_key).unwrap_or_default();
        let postal: String = area.chars().filter(|c| *c != '-').collect();
        let is_postal = !postal.is_empty() && postal.bytes().all(|b| b.is_ascii_digit());
        let fill = |wanted: &mut Conditions| {
            wanted.code(query.code.as_deref(), query.prefecture);
            wanted.has("name_key", query.name.as_deref());
            if is_postal {
                let (first, end) = code_range(&postal);
                let part = wanted.part("address_key", area.clone());
                let (first, end) = (wanted.place(first), wanted.place(end));
                wanted.and(&format!(
                    "({part} OR (postal >= {first} AND postal < {end}))"
                ));
            } else {
                wanted.has("address_key", Some(&area));
            }
        };
        let name = query.name.as_deref().map(search_key).unwrap_or_default();
        let name = search::pattern(Field::Name, &name);
        let in_area = search::pattern(Field::Area, &area);
        if name.is_empty() && in_area.is_empty() {
            let mut wanted = Conditions::new(self.driver.dialect());
            fill(&mut wanted);
            if let Some(after) = after {
                wanted.holds("code", ">", after.to_string());
            }
            let (tail, values) = wanted.page("code", limit);
            return self.list(&tail, &values);
        }
        let mut alternatives = vec![[name.as_slice(), in_area.as_slice()].concat()];
        if is_postal && postal.len() <= 7 {
            let postal = vec![Field::Postal.token(&postal)];
            alternatives.push([name.as_slice(), postal.as_slice()].concat());
        }
        let wanted = Wanted {
            found: Found::Applicant,
            alternatives,
            chunks: chunks_of(query),
            after: after.map(Place::of_code),
        };
        self.matching(&wanted, limit, &mut |places| {
            let codes = places.iter().filter_map(|place| place.code());
            let (list_of, list) = any_of(
                self.driver.dialect(),
                "code",
                Digits::Text,
                codes.map(|code| code.to_string()),
            );
            let mut conditions = Conditions::new(self.driver.dialect());
            conditions.values.push(list);
            fill(&mut conditions);
            conditions.and(&list_of);
            let (tail, values) = conditions.page("code", limit);
            self.list(&tail, &values)
        })
    }

    /// Goes through the candidates, ascending, until a page is full. `rows`
    /// gives those of some candidates that are what is searched for.
    fn matching<T>(
        &self,
        wanted: &Wanted,
        limit: usize,
        rows: &mut Rows<'_, T>,
    ) -> Result<Vec<T>, StoreError> {
        let first = wanted.after.map_or(0, |after| after.chunk);
        let mut from = wanted.chunks.start.max(first);
        let mut out = Vec::new();
        let mut at_once = ROWS_AT_ONCE.start;
        let mut step = 0;
        while from < wanted.chunks.end && out.len() < limit {
            let left = STEPS.saturating_sub(step + 1);
            let width = (wanted.found.chunks() >> (2 * left)).max(1);
            let to = from.saturating_add(width).min(wanted.chunks.end);
            let candidates = self.candidates(wanted.found, &wanted.alternatives, from..to)?;
            let candidates: Vec<Place> = candidates
                .into_iter()
                .filter(|place| wanted.after.is_none_or(|after| after < *place))
                .collect();
            let mut rest = candidates.as_slice();
            while !rest.is_empty() && out.len() < limit {
                let (now, later) = rest.split_at(rest.len().min(at_once));
                out.extend(rows(now)?);
                rest = later;
                at_once = (at_once * 4).min(ROWS_AT_ONCE.end);
            }
            from = to;
            step += 1;
        }
        out.truncate(limit);
        Ok(out)
    }

    /// Writes a participant, and what finds it.
    pub(super) fn write_participant(&self, participant: &Participant) -> Result<(), StoreError> {
        let listed = match participant.code {
            Some(code) => self.applicant(code)?,
            None => None,
        };
        self.write_placed(participant, listed.as_ref())
    }

    fn write_placed(
        &self,
        participant: &Participant,
        listed: Option<&Applicant>,
    ) -> Result<(), StoreError> {
        let before = if self.fresh.get() {
            BTreeSet::new()
        } else {
            let before: Option<Placed> =
                self.find("WHERE number = ?1", &values![participant.number.get()])?;
            before.map_or_else(BTreeSet::new, |before| {
                search::participant(&before.participant, &before.area_key)
            })
        };
        let placed = Placed {
            participant: participant.clone(),
            area_key: search::area_key(participant, listed),
        };
        let after = search::participant(participant, &placed.area_key);
        self.put(&placed)?;
        let place = Place::of_participant(participant.number);
        self.index(Found::Participant, place, &before, after)
    }

    /// Writes an applicant, what finds it, and where its participant is.
    pub(super) fn write_applicant(&self, applicant: &Applicant) -> Result<(), StoreError> {
        let fresh = self.fresh.get();
        let before = if fresh {
            BTreeSet::new()
        } else {
            self.find::<Applicant>("WHERE code = ?1", &values![applicant.code.to_string()])?
                .map_or_else(BTreeSet::new, |before| search::applicant(&before))
        };
        self.put(applicant)?;
        // What was looked up ahead is so no longer.
        let mut known = self.known.borrow_mut();
        if let Some(known) = known.applicants.get_mut(&applicant.code) {
            *known = Some(applicant.clone());
        }
        drop(known);
        let place = Place::of_code(applicant.code);
        let after = search::applicant(applicant);
        self.index(Found::Applicant, place, &before, after)?;
        let Some(holder) = self.holder_of_code(applicant.code)? else {
            return Ok(());
        };
        let Some(participant) = self.participant(holder)? else {
            return Ok(());
        };
        self.fresh.set(false);
        let written = self.write_placed(&participant, Some(applicant));
        self.fresh.set(fresh);
        written
    }

    /// Is the index still to be made? From now on it is not.
    pub(crate) fn take_unfilled(&self) -> Result<bool, StoreError> {
        let taken = self.run(
            "DELETE FROM meta WHERE key = 'unfilled' AND value = 'search'",
            &[],
        )?;
        Ok(taken > 0)
    }

    /// Makes the index of what is in the tables, where there was none.
    pub(crate) fn rebuild_search(&self) -> Result<(), StoreError> {
        let mut after = -1;
        loop {
            let page: Vec<Participant> = self.list(
                "WHERE number > ?1 ORDER BY number LIMIT ?2",
                &values![after, limit_of(REBUILD_ROWS)],
            )?;
            let Some(last) = page.last() else { break };
            after = i64::from(last.number.get());
            let codes: Vec<InstitutionCode> = page.iter().filter_map(|it| it.code).collect();
            let applicants = self.known_applicants(&codes)?;
            self.known.borrow_mut().applicants = applicants;
            self.fresh.set(true);
            self.together(|| {
                for participant in &page {
                    self.write_participant(participant)?;
                }
                Ok(())
            })?;
            self.known.take();
            self.write_postings()?;
        }
        let mut after = String::new();
        loop {
            let page: Vec<Applicant> = self.list(
                "WHERE code > ?1 ORDER BY code LIMIT ?2",
                &values![after, limit_of(REBUILD_ROWS)],
            )?;
            let Some(last) = page.last() else { break };
            after = last.code.to_string();
            for applicant in &page {
                self.index(
                    Found::Applicant,
                    Place::of_code(applicant.code),
                    &BTreeSet::new(),
                    search::applicant(applicant),
                )?;
            }
            self.write_postings()?;
        }
        self.fresh.set(false);
        Ok(())
    }
}

/// The chunks in which applicants with such a code stand.
fn chunks_of(query: &ApplicantQuery) -> Range<u32> {
    let code = query.code.as_deref().map(search_key).unwrap_or_default();
    let mut chunks = 0..Found::Applicant.chunks();
    let prefecture = query
        .prefecture
        .map(|it| it.to_string())
        .unwrap_or_default();
    for digits in [code, prefecture] {
        let digits = digits.get(..digits.len().min(3)).unwrap_or_default();
        let (Ok(number), missing @ 0..3) = (digits.parse::<u32>(), 3 - digits.len()) else {
            continue;
        };
        let width = 10_u32.pow(missing as u32);
        chunks.start = chunks.start.max(number * width);
        chunks.end = chunks.end.min((number + 1) * width);
    }
    chunks
}
