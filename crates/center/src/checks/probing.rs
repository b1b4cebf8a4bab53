//! One look at one thing outside of the registry, and the facts that it brought.
//! Each has its time, asks only where it was told to, and follows nothing: an
//! address that DNS names is written down and never contacted.

use super::Settings;
use super::dns::{Answer, NoAnswer, Question};
use iryonet_domain::UnixMillis;
use iryonet_registry::case::Probe;
use iryonet_rules::Facts;
use iryonet_rules::facts::ReverseAnswer;
use iryonet_tlscheck::{Application, Limits, ProbeError, Target, check_server, evidence};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long one question to the resolver may take in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why a look brought no facts.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// Loopback, link-local or the like, or one of the center's own.
    #[error("{0} is not looked at: it is no service's of a participant")]
    Forbidden(IpAddr),
    /// Names are not looked up here.
    #[error("no resolver is set ([checks] resolver)")]
    NoResolver,
    /// The resolver cannot be asked.
    #[error("the resolver {0} cannot be asked")]
    Resolver(SocketAddr, #[source] std::io::Error),
    /// It took too long.
    #[error("the resolver {0} did not answer in time")]
    Silent(SocketAddr),
    /// It answered, and that is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// A server that could not be looked at.
    #[error(transparent)]
    Server(#[from] ProbeError),
}

impl LookError {
    /// The word by which it stands among the rules of a TLS profile that are not
    /// met, where a server let nobody look at it; none where that was not the
    /// server's doing.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Server(ProbeError::Unreachable { .. }) => Some("not-reached"),
            Self::Server(ProbeError::NotTls { .. }) => Some("no-tls"),
            Self::Server(ProbeError::WentQuiet { .. } | ProbeError::Limit { .. }) => {
                Some("broken-off")
            }
            _ => None,
        }
    }
}

/// May the center knock there? The registry has seen to it that it is the
/// provider's own; this is for a network whose prefix was chosen badly.
pub(super) fn may_be_asked(address: Ipv6Addr, own: &[IpAddr]) -> bool {
    !(address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some()
        || own.contains(&IpAddr::V6(address)))
}

/// Looks.
pub(super) async fn look(
    settings: &Settings,
    probe: &Probe,
    now: UnixMillis,
) -> Result<Facts, LookError> {
    match probe {
        Probe::Tls { name, endpoints } => {
            let mut failed = BTreeSet::new();
            for endpoint in endpoints {
                if !may_be_asked(*endpoint.ip(), &settings.own) {
                    return Err(LookError::Forbidden(IpAddr::V6(*endpoint.ip())));
                }
                let target = Target {
                    address: SocketAddr::V6(*endpoint),
                    server_name: name.as_ref().map(|name| name.as_str().to_owned()),
                    // Many servers let a handshake without a certificate stand,
                    // and refuse by a status.
                    application: Application::Http,
                };
                failed.extend(failed_rules(settings, &target, now).await?);
            }
            Ok(tls_facts(settings, probe, failed))
        }
        Probe::Reverse { name, addresses } => {
            let mut found = Vec::new();
            for address in addresses {
                if let Answer::Names(names) = ask(settings, &Question::Names(*address)).await? {
                    found.push(ReverseAnswer {
                        address: *address,
                        names,
                    });
                }
            }
            Ok(Facts::AddressReverseCheck {
                name: name.clone(),
                found,
            })
        }
        Probe::Forward { name, stated } => {
            let found = match ask(settings, &Question::Addresses(name.clone())).await? {
                Answer::Addresses(found) => found,
                Answer::Names(_) => Vec::new(),
            };
            Ok(Facts::DomainReverseCheck {
                name: name.clone(),
                stated: stated.clone(),
                found,
            })
        }
    }
}

/// The facts of a TLS check in which these rules were not met.
pub(super) fn tls_facts(settings: &Settings, probe: &Probe, failed: BTreeSet<String>) -> Facts {
    Facts::TlsCheckOfService {
        target: probe.about(),
        profile: settings.profile.as_str().to_owned(),
        failed: failed
            .into_iter()
            .take(iryonet_rules::facts::ANSWERS_MAX)
            .collect(),
    }
}

async fn failed_rules(
    settings: &Settings,
    target: &Target,
    now: UnixMillis,
) -> Result<Vec<String>, ProbeError> {
    let how = iryonet_tlscheck::Settings {
        limits: Limits::default(),
        now,
        seed: rand::random(),
        roots: settings.roots.clone(),
        client: None,
    };
    let report = check_server(target, &how).await?;
    Ok(evidence(&report, settings.profile).failed_rules())
}

/// One question, over TCP (RFC 7766): nobody beside the way answers in the
/// resolver's place, and no answer is cut short.
async fn ask(settings: &Settings, question: &Question) -> Result<Answer, LookError> {
    let resolver = settings.resolver.ok_or(LookError::NoResolver)?;
    let id: u16 = rand::random();
    let exchange = async {
        let mut stream = TcpStream::connect(resolver).await?;
        let asked = question.to_octets(id);
        let length = u16::try_from(asked.len()).unwrap_or_default();
        stream
            .write_all(&[&length.to_be_bytes(), asked.as_slice()].concat())
            .await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, exchange)
        .await
        .map_err(|_| LookError::Silent(resolver))?
        .map_err(|error| LookError::Resolver(resolver, error))?;
    Ok(question.read(id, &answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_center_knocks_neither_at_itself_nor_at_its_neighbours() {
        let own = ["2001:db8:0:1::5".parse().unwrap()];
        let may = |text: &str| may_be_asked(text.parse().unwrap(), &own);
        assert!(may("2001:db8:100::1"));
        for other in [
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:192.0.2.1",
            "2001:db8:0:1::5",
        ] {
            assert!(!may(other), "{other}");
        }
    }
}
