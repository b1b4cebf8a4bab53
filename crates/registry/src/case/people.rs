//! 四眼: who may not decide about what.
//!
//! Names are compared, never roles: an account with two roles is one person.
//! Width of letters, their case and blanks make no other person.

use super::Case;
use super::refusal::CaseRefusal;
use iryonet_domain::Actor;
use iryonet_domain::text::fold_width;

/// The same person, as far as names tell.
#[must_use]
pub fn same_person(a: &str, b: &str) -> bool {
    let key = |name: &str| -> String {
        fold_width(name)
            .chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect()
    };
    key(a) == key(b)
}

/// Nobody examines their own application.
pub(super) fn may_examine(case: &Case, actor: &Actor) -> Result<(), CaseRefusal> {
    if is_applicant(case, actor) {
        return Err(CaseRefusal::OwnApplication {
            case: case.case,
            by: actor.name().to_owned(),
        });
    }
    Ok(())
}

/// The second person is neither applicant nor had a hand in the examination.
pub(super) fn may_decide(case: &Case, actor: &Actor) -> Result<(), CaseRefusal> {
    may_examine(case, actor)?;
    if let Some(examiner) = case
        .examiners
        .iter()
        .find(|examiner| same_person(examiner.name(), actor.name()))
    {
        return Err(CaseRefusal::SecondPersonWanted {
            case: case.case,
            examiner: examiner.name().to_owned(),
        });
    }
    Ok(())
}

/// Who sent it in, or is named in it as the officer.
fn is_applicant(case: &Case, actor: &Actor) -> bool {
    let officer = case.officer.iter().map(|officer| officer.name.as_str());
    let applicants = case.applicants.iter().map(Actor::name);
    applicants
        .chain(officer)
        .any(|name| same_person(name, actor.name()))
}
