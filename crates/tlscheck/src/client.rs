//! The mirror: waits for one client and says what it offers and shows.

use crate::certificate::{Chain, Roots, Usage, Wanted};
use crate::crypto::sign::OwnIdentity;
use crate::group::Group;
use crate::report::{Gap, Told};
use crate::run::{Limits, converse};
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::talk::Refusal;
use crate::talk::serve::{Heard, Serve};
use crate::text::shown;
use crate::version::Version;
use crate::wire::client_hello::HelloRead;
use iryonet_domain::UnixMillis;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

/// How a client is waited for.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// Time-outs and sizes of a connection.
    pub limits: Limits,
    /// How long a client is waited for.
    pub wait: Duration,
    /// The caller's clock.
    pub now: UnixMillis,
    /// Fresh random octets.
    pub seed: [u8; 32],
    /// The certificate that is shown to the client; without one only its hello
    /// is heard. The client has to trust it, or it will not show its own.
    pub own: Option<OwnIdentity>,
    /// The roots that the client's chain must lead to.
    pub roots: Option<Roots>,
    /// The version that is taken when both are offered.
    pub preferred: Version,
}

/// What was found out about a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientReport {
    /// Where it came from, `address:port`.
    pub address: String,
    /// When, by the caller's clock.
    pub heard_at: UnixMillis,
    /// The server name that it asked for, printable.
    pub server_name: Option<String>,
    /// The versions that it certainly offers, newest first.
    pub versions: Vec<Version>,
    /// It says so in a list, which says also what it does not offer; else older
    /// versions may follow from an older way of asking.
    pub versions_listed: bool,
    /// Suites, in its order, without placeholders (RFC 8701).
    pub suites: Vec<Suite>,
    /// Groups, in its order.
    pub groups: Vec<Group>,
    /// Signature schemes, in its order.
    pub schemes: Vec<Scheme>,
    /// It offers TLS compression.
    pub compression: bool,
    /// RFC 5746 is understood.
    pub secure_renegotiation: bool,
    /// RFC 7627 is understood.
    pub extended_master_secret: bool,
    /// It offers to take or use tickets.
    pub tickets: bool,
    /// The version in which the handshake went on.
    pub agreed: Option<Version>,
    /// Whether it showed a certificate.
    pub certificate_shown: Told,
    /// The chain that it showed.
    pub chain: Option<Chain>,
    /// Whether it signed with the leaf's key.
    pub key_proved: Told,
}

/// Why no client was heard.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Nobody came, or nobody who speaks TLS.
    #[error("no TLS client came within {wait_s} s ({others} other connections)")]
    Nobody {
        /// How long was waited.
        wait_s: u64,
        /// Connections that were no TLS.
        others: u32,
    },
    /// The listener failed.
    #[error("the listener failed")]
    Accept(#[source] std::io::Error),
}

/// Most connections that are no TLS until it is given up: port scans and
/// monitors happen, but not without end.
const OTHERS_MAX: u32 = 100;

/// Waits for one client that says a hello, and looks at it.
///
/// # Errors
/// When none comes in time.
pub async fn check_client(
    listener: &TcpListener,
    settings: &ListenSettings,
) -> Result<ClientReport, ListenError> {
    let until = Instant::now() + settings.wait;
    let mut rng = StdRng::from_seed(settings.seed);
    let mut others = 0;
    while others < OTHERS_MAX {
        let Ok(accepted) = timeout_at(until, listener.accept()).await else {
            break;
        };
        let (mut stream, peer) = accepted.map_err(ListenError::Accept)?;
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let mut talk = Serve::new(settings.own.clone(), settings.preferred, random);
        converse(&mut stream, &mut talk, &settings.limits, until).await;
        let heard = talk.heard();
        match &heard.hello {
            Some(hello) => return Ok(report(hello, &heard, peer.to_string(), settings)),
            None => others += 1,
        }
    }
    Err(ListenError::Nobody {
        wait_s: settings.wait.as_secs(),
        others,
    })
}

/// Placeholders that keep servers used to the unknown (RFC 8701): 0A0A, 1A1A ...
fn is_placeholder(code: u16) -> bool {
    code & 0x0F0F == 0x0A0A && code >> 8 == code & 0xFF
}

/// Suites that signal and are none: RFC 7507's fallback.
const FALLBACK_SCSV: u16 = 0x5600;

fn report(
    hello: &HelloRead,
    heard: &Heard,
    address: String,
    settings: &ListenSettings,
) -> ClientReport {
    let real = |codes: &[u16]| -> Vec<u16> {
        codes
            .iter()
            .copied()
            .filter(|code| !is_placeholder(*code) && *code != FALLBACK_SCSV)
            .collect()
    };
    let gap = || {
        Told::Unknown(match (&settings.own, &heard.refused) {
            (None, _) => Gap::NeedsServerCertificate,
            (_, Some(refusal)) => Gap::NotEstablished(refusal.clone()),
            _ => Gap::NoCommonHandshake,
        })
    };
    let shown_chain = heard.chain.as_ref().filter(|chain| !chain.is_empty());
    ClientReport {
        address,
        heard_at: settings.now,
        server_name: hello
            .server_name
            .as_ref()
            .map(|name| shown(&String::from_utf8_lossy(name))),
        versions: hello.offered_versions(),
        versions_listed: hello.versions.is_some(),
        suites: real(&hello.suites).into_iter().map(Suite).collect(),
        groups: real(&hello.groups).into_iter().map(Group).collect(),
        schemes: real(&hello.schemes).into_iter().map(Scheme).collect(),
        compression: hello.compression.iter().any(|method| *method != 0),
        secure_renegotiation: hello.renegotiation,
        extended_master_secret: hello.extended_master_secret,
        tickets: hello.ticket.is_some() || hello.psk,
        agreed: heard.version,
        certificate_shown: match (&heard.chain, heard.version) {
            (Some(chain), _) => Told::of(!chain.is_empty()),
            // It went on to the end without a word of it.
            (None, Some(_)) if heard.refused.is_none() => Told::No,
            (None, _) => gap(),
        },
        chain: shown_chain.map(|chain| {
            Chain::read(
                chain,
                settings.roots.as_ref(),
                &Wanted::Nobody,
                settings.now,
                Usage::Client,
            )
        }),
        key_proved: match heard.proved {
            Some(proved) => Told::of(proved),
            None => match &heard.refused {
                Some(refusal @ Refusal::Malformed(_)) if shown_chain.is_some() => {
                    Told::Unknown(Gap::Unreadable(refusal.clone()))
                }
                _ => gap(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_not_taken_for_suites() {
        for code in [0x0A0A, 0x1A1A, 0xFAFA] {
            assert!(is_placeholder(code));
        }
        for code in [0x0A1A, 0x1301, 0xC02C, 0x000A] {
            assert!(!is_placeholder(code));
        }
    }
}
