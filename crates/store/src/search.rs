//! What is searched for, as tokens; and lists of records, as octets. Pure.
//!
//! A text is found by the pairs of neighbouring characters that it holds, and
//! by each single one: Japanese names are searched by two characters, which
//! indexes of words or of three characters cannot do. Pairs say where a text
//! may be; whether it is there, the row itself says.

use crate::query::search_key;
use iryonet_domain::{InstitutionCode, ParticipantNumber, Prefecture, ScoreTable};
use iryonet_registry::{Applicant, Participant, Standing};
use std::collections::BTreeSet;

/// Stands between two parts of one searched text; no pattern holds it.
const SEPARATOR: char = '\n';
/// Most tokens of one pattern that are looked up; the row is asked for the rest.
const TOKENS_MAX: usize = 8;
/// Lengths of the beginnings of codes that are looked up.
pub(crate) const CODE_BEGINNINGS: [usize; 2] = [2, 3];

/// What a token is about; its first character.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    Name,
    Area,
    Postal,
    /// 都道府県, as stated or as the code says it.
    Prefecture,
    /// The first two, and the first three digits of a code: few beginnings are
    /// shared by many.
    Code,
    /// Of those that are not open: they are few.
    Standing,
}

impl Field {
    pub(crate) fn token(self, text: &str) -> String {
        let first = match self {
            Self::Name => 'n',
            Self::Area => 'a',
            Self::Postal => 'z',
            Self::Prefecture => 'p',
            Self::Code => 'c',
            Self::Standing => 's',
        };
        let mut token = String::with_capacity(1 + text.len());
        token.push(first);
        token.push_str(text);
        token
    }
}

/// The tokens of a text (already as it is searched).
fn grams(field: Field, text: &str, out: &mut BTreeSet<String>) {
    let mut before: Option<char> = None;
    let mut room = [0; 8];
    for next in text.chars() {
        if next == SEPARATOR {
            before = None;
            continue;
        }
        out.insert(field.token(next.encode_utf8(&mut room)));
        if let Some(before) = before {
            out.insert(field.token(&String::from_iter([before, next])));
        }
        before = Some(next);
    }
}

/// The tokens that every text has of which this pattern is a part; none for an
/// empty pattern, which is a part of all.
pub(crate) fn pattern(field: Field, pattern: &str) -> Vec<String> {
    let chars: Vec<char> = pattern.chars().collect();
    match chars.as_slice() {
        [] => Vec::new(),
        [one] => vec![field.token(&one.to_string())],
        more => {
            let pairs: BTreeSet<String> = more
                .windows(2)
                .map(|pair| field.token(&String::from_iter(pair)))
                .collect();
            pairs.into_iter().take(TOKENS_MAX).collect()
        }
    }
}

/// Where a participant is, as it is searched: its prefecture, and the address
/// that a public list gives for it.
pub(crate) fn area_key(participant: &Participant, listed: Option<&Applicant>) -> String {
    let mut key = participant
        .prefecture()
        .map_or_else(String::new, |prefecture| search_key(prefecture.name()));
    if let Some(listed) = listed {
        key.push(SEPARATOR);
        key.push_str(&search_key(&listed.address));
    }
    key
}

/// All tokens of a participant.
pub(crate) fn participant(participant: &Participant, area: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    grams(Field::Name, &search_key(&participant.name), &mut out);
    grams(Field::Area, area, &mut out);
    if let Some(prefecture) = participant.prefecture() {
        out.insert(Field::Prefecture.token(&prefecture.to_string()));
    }
    if let Some(code) = participant.code {
        let digits = code.to_string();
        for length in CODE_BEGINNINGS {
            out.extend(digits.get(..length).map(|digits| Field::Code.token(digits)));
        }
    }
    if participant.standing != Standing::Open {
        out.insert(Field::Standing.token(participant.standing.as_str()));
    }
    out
}

/// All tokens of an applicant.
pub(crate) fn applicant(applicant: &Applicant) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    grams(Field::Name, &search_key(&applicant.name), &mut out);
    grams(Field::Area, &search_key(&applicant.address), &mut out);
    for length in 1..=applicant.postal.len() {
        let prefix = applicant.postal.get(..length);
        out.extend(prefix.map(|digits| Field::Postal.token(digits)));
    }
    out
}

/// Where a record stands in the order of its listing: a chunk, and a place
/// within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) chunk: u32,
    pub(crate) within: u32,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Found {
    /// By number; 4,096 to a chunk.
    Participant,
    /// By code; a chunk for each score table of each prefecture.
    Applicant,
}

impl Found {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Participant => 1,
            Self::Applicant => 2,
        }
    }

    /// First chunk that is none any more.
    pub(crate) fn chunks(self) -> u32 {
        match self {
            Self::Participant => 1 << 12,
            Self::Applicant => 1_000,
        }
    }
}

impl Place {
    pub(crate) fn of_participant(number: ParticipantNumber) -> Self {
        Self {
            chunk: number.get() >> 12,
            within: number.get() & 0xfff,
        }
    }

    pub(crate) fn participant(self) -> u32 {
        self.chunk << 12 | self.within
    }

    /// The check digit follows from the others.
    pub(crate) fn of_code(code: InstitutionCode) -> Self {
        let nine = code
            .to_string()
            .bytes()
            .take(9)
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Self {
            chunk: nine / 1_000_000,
            within: nine % 1_000_000,
        }
    }

    pub(crate) fn code(self) -> Option<InstitutionCode> {
        let prefecture = Prefecture::new(u8::try_from(self.chunk / 10).ok()?).ok()?;
        let table = ScoreTable::from_digit((self.chunk % 10) as u8)?;
        let area = u8::try_from(self.within / 10_000).ok()?;
        let serial = u16::try_from(self.within % 10_000).ok()?;
        Some(InstitutionCode::generate(prefecture, table, area, serial))
    }
}

/// Ascending places of one chunk, as the differences between them, seven bits to
/// an octet, the lowest first.
pub(crate) fn pack(places: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() + places.len() / 2);
    let mut before = 0;
    for place in places {
        let mut rest = place.wrapping_sub(before);
        before = *place;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out
}

/// The opposite of [`pack`].
pub(crate) fn unpack(octets: &[u8]) -> Vec<u32> {
    let mut out = Vec::with_capacity(octets.len());
    let (mut place, mut rest, mut shift) = (0_u32, 0_u32, 0);
    for octet in octets {
        rest |= u32::from(octet & 0x7f).unbounded_shl(shift);
        shift += 7;
        if octet & 0x80 == 0 {
            place = place.wrapping_add(rest);
            out.push(place);
            (rest, shift) = (0, 0);
        }
    }
    out
}

/// What is in both; both ascend.
pub(crate) fn common(one: &[u32], other: &[u32]) -> Vec<u32> {
    let mut out = Vec::new();
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => {
                one.next();
            }
            std::cmp::Ordering::Greater => {
                other.next();
            }
            std::cmp::Ordering::Equal => {
                out.push(**a);
                one.next();
                other.next();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(places in prop::collection::btree_set(any::<u32>(), 0..400)) {
            let places: Vec<u32> = places.into_iter().collect();
            prop_assert_eq!(unpack(&pack(&places)), places);
        }

        #[test]
        fn a_part_of_a_text_has_only_tokens_of_the_text(text in "[あ-お京都\n]{0,12}", at in 0..12_usize, long in 0..6_usize) {
            let mut all = BTreeSet::new();
            grams(Field::Name, &text, &mut all);
            let part: String = text.chars().skip(at).take(long).collect();
            prop_assume!(!part.contains('\n'));
            for token in pattern(Field::Name, &part) {
                prop_assert!(all.contains(&token), "{:?} in {:?}", token, text);
            }
        }
    }

    #[test]
    fn a_place_gives_back_its_code() {
        for prefecture in Prefecture::all() {
            let code = InstitutionCode::generate(prefecture, ScoreTable::Dental, 98, 7_654);
            assert_eq!(Place::of_code(code).code(), Some(code));
        }
        let number = ParticipantNumber::new(0x12_3456).unwrap();
        assert_eq!(Place::of_participant(number).participant(), 0x12_3456);
    }
}
