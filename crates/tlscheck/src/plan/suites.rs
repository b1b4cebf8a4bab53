//! Which versions are spoken, and which suites are taken in each.

use super::asker::{Asker, unreadable};
use super::{Line, Stop, goes_on};
use crate::group::Group;
use crate::report::{Gap, Preference, Told, VersionSeen};
use crate::suite::{KeyExchange, Suite};
use crate::talk::Refusal;
use crate::talk::flight::Answer;
use crate::version::Version;
use crate::wire::Alert;

/// Suites offered at once: old servers refuse hellos with more than 127.
const OFFERED_MAX: usize = 100;

/// The first hellos: is there TLS at all?
pub(super) async fn open<L: Line>(asker: &mut Asker<'_, L>) -> Result<(), Stop> {
    let mut last = Refusal::Silent;
    let mut alerted = false;
    // The newest kind first; a server that knows only old ones may choke on it.
    for version in [
        Version::Tls13,
        Version::Tls12,
        Version::Tls10,
        Version::Ssl3,
    ] {
        let mut hello = asker.hello(version.min(Version::Tls12));
        hello.suites = Suite::classic();
        hello.suites.truncate(OFFERED_MAX);
        if version == Version::Tls13 {
            let newest = asker.hello(Version::Tls13);
            hello.suites.splice(0..0, Suite::tls13());
            hello.versions = vec![Version::Tls13, Version::Tls12];
            hello.groups = Group::all().collect();
            hello.key_shares = newest.key_shares;
            hello.session_id = newest.session_id;
        } else {
            hello.legacy_version = version.code();
        }
        match asker.ask(&hello).await? {
            Answer::Flight(_) => return Ok(()),
            Answer::Refused(refusal @ Refusal::NotTls(_)) => return Err(Stop::NoTls(refusal)),
            Answer::Refused(Refusal::Alert(_)) => alerted = true,
            // Whoever says nothing to the two usual hellos says nothing.
            Answer::Refused(Refusal::Silent) if version == Version::Tls12 => {
                return Err(Stop::NoTls(Refusal::Silent));
            }
            Answer::Refused(refusal) => last = refusal,
        }
    }
    if alerted {
        // It speaks TLS, and none that we asked for yet.
        Ok(())
    } else {
        Err(Stop::NoTls(last))
    }
}

/// Every version, oldest first.
pub(super) async fn all_versions<L: Line>(
    asker: &mut Asker<'_, L>,
) -> Result<Vec<VersionSeen>, Stop> {
    let mut versions = Vec::new();
    for version in [
        Version::Tls12,
        Version::Tls13,
        Version::Tls11,
        Version::Tls10,
        Version::Ssl3,
    ] {
        versions.push(one_version(asker, version).await?);
    }
    versions.sort_by_key(|seen| seen.version);
    let mut taken: Vec<Suite> = Vec::new();
    for suite in versions.iter().flat_map(|seen| &seen.suites) {
        if !suite.is_tls13() && !taken.contains(suite) {
            taken.push(*suite);
        }
    }
    asker.suites = taken;
    Ok(versions)
}

async fn one_version<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
) -> Result<VersionSeen, Stop> {
    let all = if version == Version::Tls13 {
        Suite::tls13()
    } else {
        let mut suites = Suite::classic();
        suites.retain(|suite| suite.oldest_version() <= version);
        suites
    };
    let mut seen = VersionSeen {
        version,
        offered: Told::No,
        refusal: None,
        suites: Vec::new(),
        preference: None,
    };
    // What is still to be asked, next one last.
    let mut lists: Vec<Vec<Suite>> = all.chunks(OFFERED_MAX).rev().map(<[_]>::to_vec).collect();
    let mut splits = 0;
    let mut stumbled: Vec<Suite> = Vec::new();
    while let Some(mut offered) = lists.pop() {
        let mut hello = asker.hello(version);
        hello.suites.clone_from(&offered);
        match asker.ask_surely(&hello).await? {
            Answer::Flight(flight) if goes_on(&flight, version) => {
                let suite = flight.hello.suite;
                seen.offered = Told::Yes;
                seen.suites.push(suite);
                if !offered.contains(&suite) {
                    // It takes what was not offered: nothing is learnt by
                    // asking further, but it did take it.
                    break;
                }
                offered.retain(|other| *other != suite);
                if !offered.is_empty() {
                    lists.push(offered);
                }
            }
            // Another version than asked for: this one is not spoken.
            Answer::Flight(_) => break,
            Answer::Refused(refusal) => {
                let over = refusal == Refusal::Alert(Alert::PROTOCOL_VERSION);
                if stumbles(&refusal) && offered.len() > 1 && splits < SPLITS_MAX {
                    splits += 1;
                    let rest = offered.split_off(offered.len() / 2);
                    lists.extend([rest, offered]);
                } else if stumbles(&refusal) && offered.len() == 1 {
                    stumbled.extend(offered);
                }
                if unreadable(&refusal) && seen.offered == Told::No {
                    seen.offered = Told::Unknown(Gap::Unreadable(refusal.clone()));
                }
                if seen.refusal.is_none() || over {
                    seen.refusal = Some(refusal);
                }
                if over && seen.suites.is_empty() {
                    break;
                }
            }
        }
    }
    with_named_fields(asker, &mut seen, stumbled).await?;
    if seen.offered == Told::Yes {
        seen.refusal = None;
        seen.preference = preference(asker, &seen).await?;
    }
    Ok(seen)
}

/// How often a list is halved for one version: enough to find a few suites that
/// a server stumbles over, and an end for one that stumbles over everything.
const SPLITS_MAX: u32 = 40;

/// Whether a refusal is not about having nothing in common: the server chose
/// something and then could not go on with it, which hides what else it takes.
fn stumbles(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Alert(alert) => ![
            Alert::HANDSHAKE_FAILURE,
            Alert::PROTOCOL_VERSION,
            Alert::INSUFFICIENT_SECURITY,
            Alert::UNRECOGNIZED_NAME,
        ]
        .contains(alert),
        Refusal::Malformed(_) => true,
        Refusal::Closed | Refusal::Reset | Refusal::Silent | Refusal::NotTls(_) => false,
    }
}

/// DHE suites over which a server stumbled: it may have no field of its own and
/// only know the named ones (RFC 7919), which are not offered otherwise, since
/// they would hide a weak field of its own.
async fn with_named_fields<L: Line>(
    asker: &mut Asker<'_, L>,
    seen: &mut VersionSeen,
    stumbled: Vec<Suite>,
) -> Result<(), Stop> {
    for suite in stumbled {
        if suite.key_exchange() != KeyExchange::Dhe || seen.version < Version::Tls10 {
            continue;
        }
        let mut hello = asker.hello(seen.version);
        hello.suites = vec![suite];
        hello
            .groups
            .extend(Group::all().filter(|group| group.is_finite_field()));
        if let Answer::Flight(flight) = asker.ask_surely(&hello).await?
            && goes_on(&flight, seen.version)
            && flight.hello.suite == suite
        {
            seen.offered = Told::Yes;
            seen.suites.push(suite);
        }
    }
    Ok(())
}

/// Offers what is taken the other way round: who then has their way?
async fn preference<L: Line>(
    asker: &mut Asker<'_, L>,
    seen: &VersionSeen,
) -> Result<Option<Preference>, Stop> {
    let (Some(first), true) = (seen.suites.first(), seen.suites.len() > 1) else {
        return Ok(None);
    };
    let mut hello = asker.hello(seen.version);
    hello.suites = seen.suites.iter().rev().copied().collect();
    let last = hello.suites.first().copied();
    Ok(match asker.ask_surely(&hello).await? {
        Answer::Flight(flight) if flight.hello.suite == *first => Some(Preference::Server),
        Answer::Flight(flight) if Some(flight.hello.suite) == last => Some(Preference::Client),
        _ => None,
    })
}
