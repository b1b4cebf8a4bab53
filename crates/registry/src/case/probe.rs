//! 自動検査の対象: what has to be looked at outside of the registry for a case,
//! and where. Only what the participant itself has registered as its services,
//! inside its own part of the network: no application makes the center knock at
//! another's door, at its own, or outside of the network.

use super::{Case, CaseState, items};
use crate::DecideError;
use crate::view::View;
use iryonet_domain::{DnsName, Protocol};
use iryonet_rules::EvidenceKind;
use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddrV6};

/// Most probes of one case; what comes after them is for a person.
const PROBES_MAX: usize = 32;

/// Something to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// TLS検査 of a service at one port, at all its addresses.
    Tls {
        /// The name that its certificate must bear; none: each address.
        name: Option<DnsName>,
        /// Where it is; one at least.
        endpoints: Vec<SocketAddrV6>,
    },
    /// 逆引き of a service's addresses.
    Reverse {
        /// To which they should lead.
        name: DnsName,
        /// Ascending; one at least.
        addresses: Vec<Ipv6Addr>,
    },
    /// 正引き of a service's name.
    Forward {
        /// The name.
        name: DnsName,
        /// To which it should lead, ascending; one at least.
        stated: Vec<Ipv6Addr>,
    },
}

impl Probe {
    /// For which kind of evidence.
    #[must_use]
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::Tls { .. } => EvidenceKind::TlsCheckOfService,
            Self::Reverse { .. } => EvidenceKind::AddressReverseCheck,
            Self::Forward { .. } => EvidenceKind::DomainReverseCheck,
        }
    }

    /// About what, as the evidence is recorded. The same after an address moved,
    /// so that what is found then takes the place of what was found before.
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Tls { name, endpoints } => match (name, endpoints.first()) {
                (Some(name), Some(endpoint)) => format!("{name}:{}", endpoint.port()),
                (None, Some(endpoint)) => endpoint.to_string(),
                (_, None) => String::new(),
            },
            Self::Reverse { name, .. } | Self::Forward { name, .. } => name.to_string(),
        }
    }
}

/// What is to be looked at for a case as it stands; nothing where its rules take
/// no such evidence, or nobody examines or tests it now.
///
/// # Errors
/// When the store cannot answer.
pub fn probes(view: &dyn View, case: &Case) -> Result<Vec<Probe>, DecideError> {
    let opening = match case.state {
        CaseState::InExamination => false,
        CaseState::Approved | CaseState::CodeHandedOut | CaseState::Certified => true,
        _ => return Ok(Vec::new()),
    };
    let (Some(provider), Some(network)) = (case.participant, view.network()?) else {
        return Ok(Vec::new());
    };
    // Most cases are of institutions, which run no service: they cost no more.
    let services = view.services_of(provider)?;
    if services.iter().all(|service| service.retired) {
        return Ok(Vec::new());
    }
    let wanted: BTreeSet<EvidenceKind> = items(view, case, opening)?
        .into_iter()
        .flat_map(|item| item.rule.evidence)
        .collect();
    let mut probes = BTreeSet::new();
    for service in services {
        let own: Vec<_> = service
            .endpoints
            .iter()
            .filter(|endpoint| network.owner(endpoint.address) == Some(Some(provider)))
            .collect();
        if service.retired || own.is_empty() {
            continue;
        }
        let name = service.offer.dns;
        let ports: BTreeSet<u16> = own
            .iter()
            .filter(|endpoint| endpoint.protocol == Protocol::Tcp)
            .map(|endpoint| endpoint.port)
            .collect();
        for port in ports {
            let at: BTreeSet<SocketAddrV6> = own
                .iter()
                .filter(|endpoint| endpoint.protocol == Protocol::Tcp && endpoint.port == port)
                .map(|endpoint| SocketAddrV6::new(endpoint.address, port, 0, 0))
                .collect();
            match &name {
                Some(_) => {
                    probes.insert(Probe::Tls {
                        name: name.clone(),
                        endpoints: at.into_iter().collect(),
                    });
                }
                None => probes.extend(at.into_iter().map(|endpoint| Probe::Tls {
                    name: None,
                    endpoints: vec![endpoint],
                })),
            }
        }
        if let Some(name) = name {
            let addresses: BTreeSet<Ipv6Addr> =
                own.iter().map(|endpoint| endpoint.address).collect();
            let addresses: Vec<Ipv6Addr> = addresses.into_iter().collect();
            probes.insert(Probe::Reverse {
                name: name.clone(),
                addresses: addresses.clone(),
            });
            probes.insert(Probe::Forward {
                name,
                stated: addresses,
            });
        }
    }
    Ok(probes
        .into_iter()
        .filter(|probe| wanted.contains(&probe.kind()))
        .take(PROBES_MAX)
        .collect())
}
