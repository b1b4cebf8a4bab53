//! Does a session outlive its connection, and does a connection see a second
//! handshake?

use super::asker::Asker;
use super::clients::{Found, Standing, spoken_hello};
use super::{Line, Stop};
use crate::crypto::agree::Share;
use crate::crypto::schedule::{binder, ticket_key};
use crate::report::{Gap, ResumptionSeen, Told, VersionSeen};
use crate::talk::Refusal;
use crate::talk::carried::{After, Carried, Then};
use crate::talk::flight::Answer;
use crate::version::Version;
use crate::wire::client_hello::{ClientHello, Psk};

/// Resumption of every kind, and whether a client can start a second handshake.
pub(super) async fn examine<L: Line>(
    asker: &mut Asker<'_, L>,
    versions: &[VersionSeen],
    found: &Found,
) -> Result<(ResumptionSeen, Option<Told>), Stop> {
    let offered = |version| {
        versions
            .iter()
            .find(|seen| seen.version == version && seen.offered == Told::Yes)
    };
    let mut seen = ResumptionSeen {
        session_id: None,
        ticket: None,
        ticket13: None,
        ticket_lifetime_s: None,
    };
    for standing in &found.standing {
        let tickets = standing.carried.iter().flat_map(|carried| &carried.tickets);
        let longest = tickets.map(|ticket| ticket.lifetime_s).max();
        seen.ticket_lifetime_s = seen.ticket_lifetime_s.max(longest);
    }
    let mut second = None;
    if let Some(version) = offered(Version::Tls12) {
        let standing = found.standing(Version::Tls12);
        seen.session_id = Some(by_number(asker, version, standing).await?);
        seen.ticket = Some(by_ticket(asker, version, standing).await?);
        second = Some(second_handshake(asker, version, standing).await?);
    } else if [Version::Tls11, Version::Tls10, Version::Ssl3]
        .into_iter()
        .any(|version| offered(version).is_some())
    {
        second = Some(Told::Unknown(Gap::NoCommonHandshake));
    }
    if let Some(version) = offered(Version::Tls13) {
        let standing = found.standing(Version::Tls13);
        seen.ticket13 = Some(by_ticket13(asker, version, standing).await?);
    }
    Ok((seen, second))
}

/// How a handshake comes to stand, or why it cannot be told.
fn certified(standing: Option<&Standing>) -> Result<bool, Gap> {
    standing.map_or(Err(Gap::NoCommonHandshake), |standing| standing.how.clone())
}

/// By the session's number (RFC 5246 section 7.3).
async fn by_number<L: Line>(
    asker: &mut Asker<'_, L>,
    version: &VersionSeen,
    standing: Option<&Standing>,
) -> Result<Told, Stop> {
    let mut hello = asker.hello(version.version);
    // Servers with tickets give no number to clients that take tickets.
    hello.ticket = None;
    match asker.ask_surely(&hello).await? {
        // An empty number: it will not be resumed.
        Answer::Flight(flight) if flight.hello.session_id.is_empty() => return Ok(Told::No),
        Answer::Flight(_) => {}
        Answer::Refused(refusal) => return Ok(Told::Unknown(Gap::Unreadable(refusal))),
    }
    let certified = match certified(standing) {
        Ok(certified) => certified,
        Err(gap) => return Ok(Told::Unknown(gap)),
    };
    let Some(mut hello) = spoken_hello(asker, version) else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    hello.ticket = None;
    let carried = asker.carry12(hello.clone(), certified, Then::Leave).await?;
    let (Some(flight), true) = (&carried.flight, carried.stands()) else {
        return Ok(Told::Unknown(not_established(&carried)));
    };
    hello.session_id.clone_from(&flight.hello.session_id);
    hello.suites = vec![flight.hello.suite];
    if hello.session_id.is_empty() {
        return Ok(Told::No);
    }
    resumed(asker, &mut hello).await
}

/// By ticket, TLS 1.2 (RFC 5077).
async fn by_ticket<L: Line>(
    asker: &mut Asker<'_, L>,
    version: &VersionSeen,
    standing: Option<&Standing>,
) -> Result<Told, Stop> {
    if !asker.notes.promises_tickets {
        return Ok(Told::No);
    }
    if let Err(gap) = certified(standing) {
        return Ok(Told::Unknown(gap));
    }
    let carried = standing.and_then(|standing| standing.carried.as_ref());
    let Some((carried, flight)) =
        carried.and_then(|carried| carried.flight.as_ref().map(|flight| (carried, flight)))
    else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    let Some(ticket) = carried.tickets.first() else {
        return Ok(Told::No);
    };
    let Some(mut hello) = spoken_hello(asker, version) else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    hello.ticket = Some(ticket.ticket.clone());
    // With a number of ours, by whose echo old servers say that they resume.
    hello.session_id = asker.fresh_session_id();
    hello.suites = vec![flight.hello.suite];
    resumed(asker, &mut hello).await
}

async fn resumed<L: Line>(asker: &mut Asker<'_, L>, hello: &mut ClientHello) -> Result<Told, Stop> {
    match asker.ask_aside(hello).await? {
        Answer::Flight(flight) if flight.complete => Ok(Told::of(flight.resumed)),
        Answer::Flight(_) => Ok(Told::Unknown(Gap::Unreadable(Refusal::Closed))),
        Answer::Refused(refusal) => {
            if !refusal.is_certain() {
                asker.confirm().await?;
            }
            // It does not go on with it, whatever it thinks of it.
            Ok(Told::No)
        }
    }
}

/// By ticket, TLS 1.3 (RFC 8446 section 2.2).
async fn by_ticket13<L: Line>(
    asker: &mut Asker<'_, L>,
    version: &VersionSeen,
    standing: Option<&Standing>,
) -> Result<Told, Stop> {
    if let Err(gap) = certified(standing) {
        return Ok(Told::Unknown(gap));
    }
    let carried = standing.and_then(|standing| standing.carried.as_ref());
    let Some(carried) = carried else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    let Some(ticket) = carried.tickets.first() else {
        return Ok(Told::No);
    };
    let (Some((cipher, resumption)), Some(flight), Some(mut hello)) = (
        &carried.resumption,
        &carried.flight,
        spoken_hello(asker, version),
    ) else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    let group = flight.hello.key_share.as_ref().map(|(group, _)| *group);
    let Some(share) = group.and_then(Share::generate) else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    hello.suites = vec![flight.hello.suite];
    hello.key_shares = Some(vec![(share.group(), share.public().to_vec())]);
    hello.psk = Some(Psk {
        identity: ticket.ticket.clone(),
        // Used at once: a tenth of a second is near enough to any truth.
        obfuscated_age: ticket.age_add.wrapping_add(100),
        binder: vec![0; cipher.hash.octets()],
    });
    let mut message = hello.message();
    let cut = message.whole.len() - hello.binders_length();
    let proof = ticket_key(cipher.hash, resumption, &ticket.nonce)
        .and_then(|key| binder(*cipher, &key, message.whole.get(..cut).unwrap_or_default()));
    let Ok(proof) = proof else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    message.whole.truncate(message.whole.len() - proof.len());
    message.whole.extend(proof);
    match asker.ask_message(&message).await? {
        Answer::Flight(flight) => Ok(Told::of(flight.hello.resumed)),
        Answer::Refused(refusal) => {
            if !refusal.is_certain() {
                asker.confirm().await?;
            }
            Ok(Told::No)
        }
    }
}

async fn second_handshake<L: Line>(
    asker: &mut Asker<'_, L>,
    version: &VersionSeen,
    standing: Option<&Standing>,
) -> Result<Told, Stop> {
    let certified = match certified(standing) {
        Ok(certified) => certified,
        Err(gap) => return Ok(Told::Unknown(gap)),
    };
    let Some(hello) = spoken_hello(asker, version) else {
        return Ok(Told::Unknown(Gap::NoCommonHandshake));
    };
    let carried = asker.carry12(hello, certified, Then::Renegotiate).await?;
    if !carried.stands() {
        return Ok(Told::Unknown(not_established(&carried)));
    }
    Ok(Told::of(carried.after == After::Renegotiates))
}

fn not_established(carried: &Carried) -> Gap {
    Gap::NotEstablished(carried.refused.clone().unwrap_or(Refusal::Closed))
}
