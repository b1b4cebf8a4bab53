//! Client certificates: are they asked for, and what becomes of a connection
//! without one, and with one?

use super::asker::Asker;
use super::{Line, Stop};
use crate::certificate::distinguished_name;
use crate::crypto::Cipher;
use crate::crypto::agree::CURVES;
use crate::report::{ClientCertificateSeen, Fate, Gap, Told, VersionSeen};
use crate::suite::Suite;
use crate::talk::Refusal;
use crate::talk::carried::{After, Carried, Then};
use crate::text::shown_octets;
use crate::version::Version;
use crate::wire::Alert;
use crate::wire::client_hello::ClientHello;
use crate::wire::server::CertificateRequest;

/// What was found, and what the questions after it need.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) seen: Vec<ClientCertificateSeen>,
    pub(super) key_proved: Option<bool>,
    /// How a handshake comes to stand, by version.
    pub(super) standing: Vec<Standing>,
}

/// A handshake that stood, or why none does.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) version: Version,
    /// `Ok(true)`: with our certificate; `Ok(false)`: without.
    pub(super) how: Result<bool, Gap>,
    /// The last handshake that stood that way.
    pub(super) carried: Option<Carried>,
}

impl Found {
    pub(super) fn standing(&self, version: Version) -> Option<&Standing> {
        self.standing.iter().find(|row| row.version == version)
    }
}

pub(super) async fn examine<L: Line>(
    asker: &mut Asker<'_, L>,
    versions: &[VersionSeen],
) -> Result<Found, Stop> {
    let mut found = Found::default();
    for version in [Version::Tls12, Version::Tls13] {
        let Some(seen) = versions.iter().find(|seen| seen.version == version) else {
            continue;
        };
        if seen.offered != Told::Yes {
            continue;
        }
        let Some(hello) = spoken_hello(asker, seen) else {
            found.standing.push(Standing {
                version,
                how: Err(Gap::NoCommonHandshake),
                carried: None,
            });
            continue;
        };
        one_version(asker, version, &hello, &mut found).await?;
    }
    Ok(found)
}

/// A hello with what the server takes and we can carry to the end.
pub(super) fn spoken_hello<L: Line>(
    asker: &mut Asker<'_, L>,
    seen: &VersionSeen,
) -> Option<ClientHello> {
    let mut hello = asker.hello(seen.version);
    let spoken = |suite: &Suite| {
        Cipher::of(*suite).is_some() && suite.is_tls13() == (seen.version == Version::Tls13)
    };
    hello.suites = seen.suites.iter().copied().filter(spoken).collect();
    hello.groups = CURVES.to_vec();
    (!hello.suites.is_empty()).then_some(hello)
}

async fn one_version<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
    hello: &ClientHello,
    found: &mut Found,
) -> Result<(), Stop> {
    let without = carry(asker, version, hello, false).await?;
    let request = requested(asker, version, &without.carried);
    let asked = request.clone().flatten();
    let mut row = row(version, request.as_ref().map(Option::as_ref), false);
    row.without = without.fate;
    let mut standing = Standing {
        version,
        how: Ok(false),
        carried: None,
    };
    found.key_proved = proved(found.key_proved, without.carried.key_proved);
    if without.carried.stands() {
        standing.carried = Some(without.carried);
    } else {
        let refusal = without.carried.refused.unwrap_or(Refusal::Silent);
        standing.how = Err(if asked.is_some() {
            Gap::NeedsClientCertificate
        } else {
            Gap::NotEstablished(refusal)
        });
    }
    if asker.order.own.is_some() && asked.is_some() {
        let with = carry(asker, version, hello, true).await?;
        found.key_proved = proved(found.key_proved, with.carried.key_proved);
        row.with = Some(with.fate);
        if with.carried.stands() && !refuses(&row.with) {
            standing.how = Ok(true);
            standing.carried = Some(with.carried);
        } else if standing.carried.is_none() {
            let refusal = with.carried.refused.unwrap_or(Refusal::Closed);
            standing.how = Err(Gap::NotEstablished(refusal));
        }
    }
    found.seen.push(row);
    found.standing.push(standing);
    Ok(())
}

fn refuses(fate: &Option<Fate>) -> bool {
    matches!(
        fate,
        Some(Fate::RefusedInHandshake(_) | Fate::RefusedAfter(_))
    )
}

fn proved(before: Option<bool>, now: Option<bool>) -> Option<bool> {
    match (before, now) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), _) | (_, Some(true)) => Some(true),
        _ => None,
    }
}

/// Whether a certificate was asked for: in TLS 1.2 by what the first flights
/// told, in TLS 1.3 by the protected one. `None`: not seen.
fn requested<L>(
    asker: &Asker<'_, L>,
    version: Version,
    carried: &Carried,
) -> Option<Option<CertificateRequest>> {
    let flight = carried.flight.as_ref().filter(|flight| flight.complete);
    let here = flight.map(|flight| flight.request.clone());
    let noted = asker
        .notes
        .requests
        .iter()
        .find(|(which, _)| *which == version);
    match (noted, here) {
        (Some((_, None)), _) | (_, Some(None)) => Some(None),
        (_, Some(request)) => Some(request),
        (Some((_, request)), None) => Some(request.clone()),
        (None, None) => None,
    }
}

/// The row of a version before anything was carried to its end.
pub(super) fn row(
    version: Version,
    request: Option<Option<&CertificateRequest>>,
    own_given: bool,
) -> ClientCertificateSeen {
    let authorities = request
        .flatten()
        .map(|request| request.authorities.as_slice())
        .unwrap_or_default();
    ClientCertificateSeen {
        version,
        demanded: match request {
            None => Told::Unknown(Gap::NoCommonHandshake),
            Some(asked) => Told::of(asked.is_some()),
        },
        authorities: authorities
            .iter()
            .take(AUTHORITIES_SHOWN_MAX)
            .map(|name| distinguished_name(name))
            .collect(),
        without: Fate::Unknown(Gap::NoCommonHandshake),
        with: own_given.then_some(Fate::Unknown(Gap::NoCommonHandshake)),
    }
}

/// Most names of authorities that are listed.
const AUTHORITIES_SHOWN_MAX: usize = 32;

struct Tried {
    carried: Carried,
    fate: Fate,
}

async fn carry<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
    hello: &ClientHello,
    certified: bool,
) -> Result<Tried, Stop> {
    let ask = asker.order.request.clone().map_or(Then::Wait, Then::Ask);
    let asked = ask != Then::Wait;
    let carried = once(asker, version, hello, certified, ask).await?;
    let fate = fate(&carried);
    if asked && matches!(fate, Fate::RefusedAfter(Refusal::Closed)) {
        // Did it close for want of a certificate, or because it speaks no HTTP?
        let silent = once(asker, version, hello, certified, Then::Wait).await?;
        let fate = self::fate(&silent);
        return Ok(Tried {
            carried: silent,
            fate,
        });
    }
    Ok(Tried { carried, fate })
}

async fn once<L: Line>(
    asker: &mut Asker<'_, L>,
    version: Version,
    hello: &ClientHello,
    certified: bool,
    then: Then,
) -> Result<Carried, Stop> {
    if version == Version::Tls13 {
        asker.carry13(hello.clone(), certified, then).await
    } else {
        asker.carry12(hello.clone(), certified, then).await
    }
}

/// What became of a connection.
fn fate(carried: &Carried) -> Fate {
    if let Some(refusal) = &carried.refused {
        return match refusal {
            Refusal::Alert(alert) if carried.answered && !blames_the_client_certificate(*alert) => {
                Fate::Unknown(Gap::NotEstablished(refusal.clone()))
            }
            Refusal::Alert(_) | Refusal::Closed | Refusal::Reset if carried.answered => {
                Fate::RefusedInHandshake(refusal.clone())
            }
            _ => Fate::Unknown(Gap::NotEstablished(refusal.clone())),
        };
    }
    match &carried.after {
        After::Silence | After::Renegotiates => Fate::Stands,
        After::Alert(alert) => Fate::RefusedAfter(Refusal::Alert(*alert)),
        After::Closed => Fate::RefusedAfter(Refusal::Closed),
        After::Data(data) => match http_status(data) {
            Some(status) => Fate::HttpStatus(status),
            None => Fate::Data(shown_octets(data)),
        },
    }
}

/// Alerts by which servers say that a certificate is missing or not good; the
/// others could be about anything else that we did.
fn blames_the_client_certificate(alert: Alert) -> bool {
    matches!(alert.0, 40..=46 | 48 | 49 | 71 | 113 | 116)
}

/// The status of an HTTP/1 answer.
fn http_status(data: &[u8]) -> Option<u16> {
    let line = data.split(|octet| *octet == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim_end();
    status
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_answer_is_known_by_its_status() {
        assert_eq!(http_status(b"HTTP/1.1 400 Bad Request\r\n"), Some(400));
        assert_eq!(http_status(b"HTTP/1.0 200\r\n"), Some(200));
        assert_eq!(http_status(b"HTTP/1.1 99999 x\r\n"), None);
        assert_eq!(http_status(b"220 ready\r\n"), None);
        assert_eq!(http_status(b""), None);
    }

    #[test]
    fn only_an_alert_about_the_certificate_counts_as_asking_for_one() {
        let refused = |alert| {
            let mut carried = Carried::new();
            carried.answered = true;
            carried.refused = Some(Refusal::Alert(Alert(alert)));
            fate(&carried)
        };
        assert!(matches!(refused(116), Fate::RefusedInHandshake(_)));
        assert!(matches!(refused(40), Fate::RefusedInHandshake(_)));
        // bad_record_mac: that could be our own fault.
        assert!(matches!(refused(20), Fate::Unknown(_)));
    }
}
