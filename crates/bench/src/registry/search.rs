//! Searches as people make them: the first page of what answers, of
//! participants and of applicants by turns.

use super::generated::{Draws, Institution};
use crate::revoke::{Distribution, RevokeError, milliseconds};
use iryonet_store::{ApplicantQuery, ParticipantQuery, Store, StoreError, look};
use std::time::Instant;

/// Rows of a page.
const PAGE: usize = 50;

struct Wish {
    participants: ParticipantQuery,
    applicants: ApplicantQuery,
}

fn measure(
    store: &dyn Store,
    searches: u32,
    mut wish: impl FnMut(u32) -> Option<Wish>,
) -> Result<Distribution, RevokeError> {
    let failed = |error: StoreError| RevokeError::Country(error.to_string());
    let mut took_ms = Vec::new();
    let mut rows = 0;
    // Some first, to have the connections made and the statements known.
    for n in 0..searches + 20 {
        let Some(wish) = wish(n) else { continue };
        let begun = Instant::now();
        let found = look(store, |reader| {
            Ok(if n % 2 == 0 {
                reader.participants(&wish.participants, None, PAGE)?.len()
            } else {
                reader.applicants(&wish.applicants, None, PAGE)?.len()
            })
        })
        .map_err(failed)?;
        if n >= 20 {
            took_ms.push(milliseconds(begun.elapsed()));
            rows += found;
        }
    }
    if rows == 0 {
        return Err(RevokeError::Country("no search found anything".to_owned()));
    }
    Ok(Distribution::of(took_ms))
}

fn some<'a>(draws: &mut Draws, country: &'a [Institution]) -> Option<&'a Institution> {
    country.get(draws.below(country.len() as u32) as usize)
}

/// A part of a text, of `few` characters.
fn part(draws: &mut Draws, text: &str, few: u32) -> String {
    let long = text.chars().count() as u32;
    let at = draws.below(long.saturating_sub(few) + 1);
    text.chars().skip(at as usize).take(few as usize).collect()
}

/// Ten digits, or the first three to nine of them.
pub(super) fn by_code(
    store: &dyn Store,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(2);
    measure(store, searches, |_| {
        let code = loop {
            if let Some(code) = some(&mut draws, country)?.code {
                break code.to_string();
            }
        };
        let digits = if draws.below(2) == 0 {
            10
        } else {
            3 + draws.below(7) as usize
        };
        let code = code.get(..digits).map(str::to_owned);
        Some(Wish {
            participants: ParticipantQuery {
                code: code.clone(),
                ..ParticipantQuery::default()
            },
            applicants: ApplicantQuery {
                code,
                ..ApplicantQuery::default()
            },
        })
    })
}

/// Two to five characters of a name that is there; each tenth of one that is not.
pub(super) fn by_name(
    store: &dyn Store,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(3);
    measure(store, searches, |_| {
        let few = 2 + draws.below(4);
        let one = some(&mut draws, country)?;
        let mut name = part(&mut draws, &one.name, few);
        if draws.below(10) == 0 {
            name.push('鶯');
        }
        Some(Wish {
            participants: ParticipantQuery {
                name: Some(name.clone()),
                ..ParticipantQuery::default()
            },
            applicants: ApplicantQuery {
                name: Some(name),
                ..ApplicantQuery::default()
            },
        })
    })
}

/// A prefecture, or three to seven characters of an address, or both.
pub(super) fn by_area(
    store: &dyn Store,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(4);
    measure(store, searches, |_| {
        let one = some(&mut draws, country)?;
        let how = draws.below(4);
        let prefecture = (how == 0 || how == 3).then_some(one.prefecture);
        let few = 3 + draws.below(5);
        let area = match how {
            0 => None,
            1 => Some(one.prefecture.name().to_owned()),
            _ => Some(part(&mut draws, &one.address, few)),
        };
        Some(Wish {
            participants: ParticipantQuery {
                prefecture,
                area: area.clone(),
                ..ParticipantQuery::default()
            },
            applicants: ApplicantQuery {
                prefecture,
                area,
                ..ApplicantQuery::default()
            },
        })
    })
}
