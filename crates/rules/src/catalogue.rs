//! Descriptions of services, in a file: what is the same about a service
//! whoever runs it. Tomorrow's service is an entry here, never code.

use crate::error::{RuleError, RuleProblem, line_of, syntax};
use crate::file::{FILE_MAX_BYTES, RULES_PER_FILE, ascending, optional};
use crate::rule::Text;
use iryonet_domain::text::clean;
use iryonet_domain::{
    Acceptance, BandwidthKbps, Endpoint, ParticipantKind, Prefecture, Protocol, Purpose,
    ServiceStage, TrafficClass,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use toml::Spanned;

/// Longest name of a service, in characters.
const NAME_MAX_CHARS: usize = 120;

/// A service without its provider and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDescription {
    /// Name of the description, unique in its file.
    pub id: String,
    /// Name of the service.
    pub name: Text,
    /// What agreements about it may be for, ascending.
    pub purposes: Vec<Purpose>,
    /// Traffic class.
    pub class: TrafficClass,
    /// At which ports it is reached, at each of its addresses.
    pub ports: Vec<(Protocol, u16)>,
    /// Which kinds may ask for it, ascending; empty means every kind.
    pub kinds: Vec<ParticipantKind>,
    /// In which prefectures, ascending; empty means everywhere.
    pub areas: Vec<Prefecture>,
    /// Whose proposals are accepted by themselves.
    pub acceptance: Acceptance,
    /// How far its roll-out is.
    pub stage: ServiceStage,
    /// What it asks for at each user's line.
    pub bandwidth: Option<BandwidthKbps>,
}

impl ServiceDescription {
    /// How it is reached at these addresses, ascending.
    #[must_use]
    pub fn endpoints(&self, addresses: &[Ipv6Addr]) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = addresses
            .iter()
            .flat_map(|address| {
                self.ports.iter().map(|(protocol, port)| Endpoint {
                    address: *address,
                    protocol: *protocol,
                    port: *port,
                })
            })
            .collect();
        endpoints.sort();
        endpoints
    }
}

/// All descriptions of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The descriptions.
    pub services: Vec<ServiceDescription>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    service: Vec<RawService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    id: Spanned<String>,
    name_ja: Spanned<String>,
    name_en: Spanned<String>,
    purposes: Spanned<Vec<Purpose>>,
    class: TrafficClass,
    ports: Spanned<Vec<RawPort>>,
    kinds: Option<Spanned<Vec<ParticipantKind>>>,
    areas: Option<Spanned<Vec<Prefecture>>>,
    acceptance: RawAcceptance,
    stage: ServiceStage,
    bandwidth_kbps: Option<Spanned<u32>>,
}

#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct RawPort {
    protocol: Protocol,
    #[serde(default)]
    port: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawAcceptance {
    ByHand,
    Automatic(Spanned<Vec<ParticipantKind>>),
}

impl Catalogue {
    /// Reads a file. `name` is for errors only.
    ///
    /// # Errors
    /// With the line of the first thing that is wrong.
    pub fn read(name: &str, text: &str) -> Result<Self, RuleError> {
        let at = |span: std::ops::Range<usize>, problem: RuleProblem| RuleError {
            file: name.to_owned(),
            line: line_of(text, span.start),
            problem,
        };
        if text.len() > FILE_MAX_BYTES {
            let (have, limit) = (text.len(), FILE_MAX_BYTES);
            return Err(at(0..0, RuleProblem::TooLong { have, limit }));
        }
        let raw: RawFile = toml::from_str(text).map_err(|error| syntax(name, text, &error))?;
        if raw.service.len() > RULES_PER_FILE {
            let (have, limit) = (raw.service.len(), RULES_PER_FILE);
            return Err(at(0..0, RuleProblem::TooMany { have, limit }));
        }
        let words = |what, value: &Spanned<String>| {
            clean(value.get_ref(), NAME_MAX_CHARS)
                .map_err(|source| at(value.span(), RuleProblem::Text { what, source }))
        };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut services = Vec::with_capacity(raw.service.len());
        for service in &raw.service {
            let line = line_of(text, service.id.span().start);
            if let Some(first) = names.insert(service.id.get_ref(), line) {
                let id = service.id.get_ref().clone();
                return Err(at(service.id.span(), RuleProblem::Twice { id, first }));
            }
            // The form of a rule's name serves descriptions too.
            let id: crate::rule::RuleId = service
                .id
                .get_ref()
                .parse()
                .map_err(|error: crate::rule::RuleIdError| at(service.id.span(), error.into()))?;
            let ports = ascending("ports", &service.ports).map_err(|(s, p)| at(s, p))?;
            for port in &ports {
                let endpoint = Endpoint {
                    address: Ipv6Addr::UNSPECIFIED,
                    protocol: port.protocol,
                    port: port.port,
                };
                endpoint
                    .check()
                    .map_err(|error| at(service.ports.span(), RuleProblem::Port(error)))?;
            }
            services.push(ServiceDescription {
                id: id.into(),
                name: Text {
                    ja: words("the Japanese name", &service.name_ja)?,
                    en: words("the English name", &service.name_en)?,
                },
                purposes: ascending("purposes", &service.purposes).map_err(|(s, p)| at(s, p))?,
                class: service.class,
                ports: ports
                    .iter()
                    .map(|port| (port.protocol, port.port))
                    .collect(),
                kinds: optional("kinds", service.kinds.as_ref()).map_err(|(s, p)| at(s, p))?,
                areas: optional("areas", service.areas.as_ref()).map_err(|(s, p)| at(s, p))?,
                acceptance: match &service.acceptance {
                    RawAcceptance::ByHand => Acceptance::ByHand,
                    RawAcceptance::Automatic(kinds) => Acceptance::Automatic(
                        ascending("acceptance", kinds).map_err(|(s, p)| at(s, p))?,
                    ),
                },
                stage: service.stage,
                bandwidth: match &service.bandwidth_kbps {
                    None => None,
                    Some(kbps) => Some(
                        BandwidthKbps::new(*kbps.get_ref())
                            .map_err(|error| at(kbps.span(), RuleProblem::Bandwidth(error)))?,
                    ),
                },
            });
        }
        Ok(Self { services })
    }

    /// The description of this name.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<&ServiceDescription> {
        self.services.iter().find(|service| service.id == id)
    }
}
