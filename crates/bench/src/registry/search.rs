//! Searches as people make them: over the center's API, the first page of what
//! answers, of participants and of institutions of the public lists by turns.

use super::generated::{Draws, Institution};
use crate::revoke::region::Operator;
use crate::revoke::{Distribution, RevokeError, milliseconds};
use iryonet_center::client::percent_encode;
use serde_json::Value;
use std::time::Instant;

/// Rows of a page.
const PAGE: u32 = 50;
/// Some first, to have the connections made and the statements known.
const BEFORE: u32 = 20;

/// Conditions of one search, by their names in the API.
type Wish = Vec<(&'static str, String)>;

fn path(resource: &str, wish: &Wish) -> String {
    let mut path = format!("/v1/{resource}?limit={PAGE}");
    for (name, value) in wish {
        path.push('&');
        path.push_str(name);
        path.push('=');
        path.push_str(&percent_encode(value));
    }
    path
}

fn measure(
    staff: &Operator,
    searches: u32,
    mut wish: impl FnMut() -> Option<Wish>,
) -> Result<Distribution, RevokeError> {
    let mut took_ms = Vec::new();
    let mut rows = 0;
    for n in 0..searches + BEFORE {
        let Some(wish) = wish() else { continue };
        let resource = if n % 2 == 0 {
            "participants"
        } else {
            "applicants"
        };
        let path = path(resource, &wish);
        let begun = Instant::now();
        let answer = staff.ask("GET", &path, None)?;
        let took = begun.elapsed();
        let found = answer
            .get(resource)
            .and_then(Value::as_array)
            .ok_or_else(|| RevokeError::Region(format!("no {resource} in {answer}")))?;
        if n >= BEFORE {
            took_ms.push(milliseconds(took));
            rows += found.len();
        }
    }
    if rows == 0 {
        return Err(RevokeError::Region("no search found anything".to_owned()));
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
    staff: &Operator,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(2);
    measure(staff, searches, || {
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
        Some(vec![("code", code.get(..digits)?.to_owned())])
    })
}

/// Two to five characters of a name that is there; each tenth of one that is not.
pub(super) fn by_name(
    staff: &Operator,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(3);
    measure(staff, searches, || {
        let few = 2 + draws.below(4);
        let one = some(&mut draws, country)?;
        let mut name = part(&mut draws, &one.name, few);
        if draws.below(10) == 0 {
            name.push('鶯');
        }
        Some(vec![("name", name)])
    })
}

/// A prefecture by its number or its name, or three to seven characters of an
/// address, or both.
pub(super) fn by_area(
    staff: &Operator,
    country: &[Institution],
    searches: u32,
) -> Result<Distribution, RevokeError> {
    let mut draws = Draws::new(4);
    measure(staff, searches, || {
        let one = some(&mut draws, country)?;
        let how = draws.below(4);
        let few = 3 + draws.below(5);
        let address = part(&mut draws, &one.address, few);
        let prefecture = one.prefecture.number().to_string();
        Some(match how {
            0 => vec![("prefecture", prefecture)],
            1 => vec![("area", one.prefecture.name().to_owned())],
            2 => vec![("area", address)],
            _ => vec![("prefecture", prefecture), ("area", address)],
        })
    })
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn conditions_stand_in_the_path_as_a_browser_writes_them() {
        let wish = vec![("name", "薬 a".to_owned()), ("code", "13".to_owned())];
        assert_eq!(
            path("applicants", &wish),
            "/v1/applicants?limit=50&name=%E8%96%AC%20a&code=13"
        );
    }
}
