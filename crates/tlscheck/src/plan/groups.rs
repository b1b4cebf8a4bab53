//! Which groups the key is agreed on with.

use super::asker::Asker;
use super::{Line, Stop, goes_on};
use crate::group::Group;
use crate::report::VersionSeen;
use crate::suite::{KeyExchange, Suite};
use crate::talk::flight::Answer;
use crate::version::Version;
use crate::wire::key_exchange::Parameters;

/// Curves of TLS 1.2 and older, and groups of TLS 1.3, as they are chosen.
pub(super) async fn enumerate<L: Line>(
    asker: &mut Asker<'_, L>,
    versions: &[VersionSeen],
) -> Result<(Vec<Group>, Vec<Group>), Stop> {
    let mut curves = Vec::new();
    let ecdhe = |suite: &Suite| suite.key_exchange() == KeyExchange::Ecdhe;
    let classic = versions
        .iter()
        .rev()
        .find(|seen| seen.version <= Version::Tls12 && seen.suites.iter().any(ecdhe));
    if let Some(seen) = classic {
        let suites: Vec<Suite> = seen.suites.iter().copied().filter(ecdhe).collect();
        let mut rest: Vec<Group> = Group::curves().collect();
        while let Some(group) = curve(asker, seen.version, &suites, &rest).await? {
            curves.push(group);
            if !rest.contains(&group) {
                break;
            }
            rest.retain(|other| *other != group);
        }
        if suites.iter().any(|suite| suite.name().contains("_ECDSA_")) {
            hidden_curves(asker, seen.version, &suites, &mut curves, &mut rest).await?;
        }
    }

    let mut groups13 = Vec::new();
    if versions
        .iter()
        .any(|seen| seen.version == Version::Tls13 && !seen.suites.is_empty())
    {
        let mut rest: Vec<Group> = Group::all().collect();
        while !rest.is_empty() {
            let mut hello = asker.hello(Version::Tls13);
            hello.groups.clone_from(&rest);
            let Answer::Flight(flight) = asker.ask_surely(&hello).await? else {
                break;
            };
            let Some((group, _)) = flight.hello.key_share else {
                break;
            };
            groups13.push(group);
            if !goes_on(&flight, Version::Tls13) || !rest.contains(&group) {
                break;
            }
            rest.retain(|other| *other != group);
        }
    }
    Ok((curves, groups13))
}

/// An ECDSA certificate needs its own curve among the offered ones (RFC 8422
/// section 5.1.1): once that was struck off, nothing else is ever chosen. So
/// each chosen curve is offered again, behind those that were not chosen yet.
async fn hidden_curves<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
    suites: &[Suite],
    curves: &mut Vec<Group>,
    rest: &mut Vec<Group>,
) -> Result<(), Stop> {
    for needed in curves.clone() {
        loop {
            let offered: Vec<Group> = rest.iter().copied().chain([needed]).collect();
            match curve(asker, version, suites, &offered).await? {
                Some(group) if rest.contains(&group) => {
                    curves.push(group);
                    rest.retain(|other| *other != group);
                }
                _ => break,
            }
        }
    }
    Ok(())
}

/// The curve that is chosen among those.
async fn curve<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
    suites: &[Suite],
    groups: &[Group],
) -> Result<Option<Group>, Stop> {
    if groups.is_empty() {
        return Ok(None);
    }
    let mut hello = asker.hello(version);
    hello.suites = suites.to_vec();
    hello.groups = groups.to_vec();
    Ok(match asker.ask_surely(&hello).await? {
        Answer::Flight(flight) => match flight.key_exchange.map(|exchange| exchange.parameters) {
            Some(Parameters::Curve { group, .. }) => Some(group),
            _ => None,
        },
        Answer::Refused(_) => None,
    })
}
