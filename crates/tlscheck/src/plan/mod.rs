//! What is asked of a server, in which order, and what the answers add up to.
//!
//! One connection after the other. It must not know sockets: a [`Line`] carries
//! the conversations, so that the whole plan runs against a scripted server.
//!
//! A refusal by silence or by a bare close counts only if the server still
//! answers a hello that it answered before: else a server that shut us out
//! half-way would look as if it refused everything it should.

mod asker;
mod clients;
mod groups;
mod sessions;
mod suites;

use crate::certificate::{Chain, Roots, Usage, Wanted};
use crate::crypto::sign::OwnIdentity;
use crate::report::{
    ClientCertificateSeen, Effort, Gap, NameFate, RenegotiationSeen, Report, ServerNamesSeen, Told,
};
use crate::talk::flight::{Answer, Flight};
use crate::talk::{Conversation, Refusal};
use crate::version::Version;
use asker::{Asker, Notes};
use iryonet_domain::UnixMillis;

/// Carries one conversation over one connection.
pub(crate) trait Line {
    /// Connects, speaks, closes.
    async fn hold<C: Conversation + Send>(&mut self, talk: &mut C) -> Result<(), Stop>;
}

/// Why a check cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// The check's own limits.
    #[error("{limit}")]
    Limit {
        /// Which.
        limit: String,
    },
    /// Nothing that is TLS ever came.
    #[error("no TLS: {0}")]
    NoTls(Refusal),
    /// It answered at first, and then no more.
    #[error("stopped answering: {0}")]
    WentQuiet(Refusal),
}

/// What a plan is made for.
#[derive(Debug, Clone)]
pub(crate) struct Order<'a> {
    pub(crate) server_name: Option<&'a str>,
    pub(crate) wanted: Wanted<'a>,
    pub(crate) roots: Option<&'a Roots>,
    pub(crate) own: Option<&'a OwnIdentity>,
    /// What is asked once a handshake stands; `None` is to say nothing.
    pub(crate) request: Option<Vec<u8>>,
    pub(crate) now: UnixMillis,
    pub(crate) seed: [u8; 32],
}

/// Carries out the plan. The effort in the report is the carrier's to fill in.
pub(crate) async fn examine<L: Line>(
    line: &mut L,
    order: &Order<'_>,
    address: String,
) -> Result<Report, Stop> {
    let mut asker = Asker::new(line, order);
    suites::open(&mut asker).await?;
    let versions = suites::all_versions(&mut asker).await?;
    let (curves, groups13) = groups::enumerate(&mut asker, &versions).await?;
    let spoken: Vec<Version> = versions
        .iter()
        .filter(|seen| seen.offered == Told::Yes)
        .map(|seen| seen.version)
        .collect();
    let (compression, server_names) = oddities(&mut asker, &spoken).await?;
    let found = clients::examine(&mut asker, &versions).await?;
    let (resumption, client_initiated) = sessions::examine(&mut asker, &versions, &found).await?;
    let client_certificates = certificates(&asker.notes, &spoken, found.seen, order);

    let notes = asker.notes;
    let classic = spoken.iter().any(|version| *version <= Version::Tls12);
    let chains = notes
        .chains
        .iter()
        .map(|chain| Chain::read(chain, order.roots, &order.wanted, order.now, Usage::Server))
        .collect();
    let mut key_exchange = notes.key_exchange;
    key_exchange.curves = curves;
    key_exchange.groups13 = groups13;
    Ok(Report {
        address,
        server_name: order.server_name.map(str::to_owned),
        probed_at: order.now,
        effort: Effort::default(),
        versions,
        key_exchange,
        chains,
        key_proved: found
            .key_proved
            .map_or(Told::Unknown(Gap::NoCommonHandshake), Told::of),
        client_certificates,
        renegotiation: RenegotiationSeen {
            secure: classic.then(|| Told::of(!notes.without_rfc5746)),
            client_initiated,
        },
        resumption,
        compression,
        extended_master_secret: if classic {
            Told::of(!notes.without_extended_master_secret)
        } else if spoken.is_empty() {
            Told::Unknown(Gap::NoCommonHandshake)
        } else {
            Told::Yes
        },
        server_names,
    })
}

/// Compression, and other server names.
async fn oddities<L: Line>(
    asker: &mut Asker<'_, L>,
    spoken: &[Version],
) -> Result<(Told, ServerNamesSeen), Stop> {
    let classic = spoken
        .iter()
        .rev()
        .find(|version| **version <= Version::Tls12);
    // TLS 1.3 has none.
    let compression = match classic {
        None if spoken.is_empty() => Told::Unknown(Gap::NoCommonHandshake),
        None => Told::No,
        Some(version) => {
            let mut hello = asker.hello(*version);
            hello.compression = true;
            match asker.ask_surely(&hello).await? {
                Answer::Flight(flight) => Told::of(flight.hello.compression != 0),
                Answer::Refused(refusal @ (Refusal::Malformed(_) | Refusal::NotTls(_))) => {
                    Told::Unknown(Gap::Unreadable(refusal))
                }
                // It goes no further with a hello that offers it.
                Answer::Refused(_) => Told::No,
            }
        }
    };
    let mut names = ServerNamesSeen::default();
    if let (Some(version), Some(_)) = (spoken.last(), asker.order.server_name) {
        let version = classic.unwrap_or(version);
        let mut hello = asker.hello(*version);
        hello.server_name = None;
        names.none = Some(name_fate(asker, &hello).await?);
        hello.server_name = Some("no-such-name.invalid".to_owned());
        names.foreign = Some(name_fate(asker, &hello).await?);
    }
    Ok((compression, names))
}

async fn name_fate<L: Line>(
    asker: &mut Asker<'_, L>,
    hello: &crate::wire::client_hello::ClientHello,
) -> Result<NameFate, Stop> {
    // What is shown under another name is not the chain that is judged.
    Ok(match asker.ask_aside(hello).await? {
        Answer::Refused(refusal) => NameFate::Refused(refusal),
        Answer::Flight(flight) if flight.chain.is_empty() => NameFate::Accepted,
        Answer::Flight(flight) => {
            let leaf = flight.chain.first();
            let known = |chain: &Vec<Vec<u8>>| chain.first() == leaf;
            if asker.notes.chains.iter().any(known) {
                NameFate::SameCertificate
            } else {
                NameFate::OtherCertificate
            }
        }
    })
}

/// What was seen of client certificates: of each spoken version at least
/// whether one is asked for.
fn certificates(
    notes: &Notes,
    spoken: &[Version],
    mut seen: Vec<ClientCertificateSeen>,
    order: &Order<'_>,
) -> Vec<ClientCertificateSeen> {
    for version in spoken {
        if seen.iter().any(|row| row.version == *version) {
            continue;
        }
        let request = notes.requests.iter().find(|(which, _)| which == version);
        seen.push(clients::row(
            *version,
            request.map(|(_, request)| request.as_ref()),
            order.own.is_some(),
        ));
    }
    seen.sort_by_key(|row| row.version);
    seen
}

/// Shared by the parts: whether a flight goes on in the version asked for.
fn goes_on(flight: &Flight, version: Version) -> bool {
    flight.version() == Some(version)
}
