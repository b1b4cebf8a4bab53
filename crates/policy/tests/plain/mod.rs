//! The same state kept in the plainest way: maps, and full scans by the
//! definition. What the model does by counting is compared with this. And a
//! gateway that applies what it is told, one change after another.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

pub(crate) mod history;

use iryonet_domain::*;
use iryonet_registry::{self as registry, Event, RevocationReason, Serial};
use iryonet_wire::feed::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

pub(crate) fn network() -> NetworkPrefix {
    "2001:db8::/32".parse().unwrap()
}

pub(crate) fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(n).unwrap()
}

pub(crate) fn serial() -> Serial {
    Serial::from_octets(&[7]).unwrap()
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Plain {
    pub(crate) gateways: BTreeMap<GatewayId, GatewayEntry>,
    pub(crate) participants: BTreeMap<ParticipantNumber, registry::Standing>,
    /// What the quarantined ones are behind it.
    pub(crate) behind: BTreeMap<ParticipantNumber, registry::Standing>,
    pub(crate) lines: BTreeMap<LineId, LineEntry>,
    pub(crate) devices: BTreeMap<Fingerprint, DeviceEntry>,
    pub(crate) services: BTreeMap<ServiceId, registry::Service>,
    pub(crate) agreements: BTreeMap<(ParticipantNumber, ServiceId), registry::Agreement>,
    /// Numbers given so far, so that none is given again.
    pub(crate) given: u32,
}

/// What a gateway must hold, without generations.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) gateways: Vec<GatewayEntry>,
    pub(crate) participants: BTreeMap<ParticipantNumber, Condition>,
    pub(crate) services: Vec<ServiceEntry>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) lines: Vec<LineEntry>,
    pub(crate) devices: BTreeMap<Fingerprint, DeviceEntry>,
}

impl Plain {
    pub(crate) fn next(&mut self) -> u32 {
        self.given += 1;
        self.given
    }

    pub(crate) fn condition(&self, n: ParticipantNumber) -> Condition {
        match self.participants[&n] {
            registry::Standing::Closed => Condition::Closed,
            registry::Standing::Quarantined => Condition::Quarantined,
            _ if self.devices.values().all(|d| d.participant != n) => Condition::NoDevice,
            registry::Standing::Open => Condition::Live,
            registry::Standing::Admitted
            | registry::Standing::Suspended
            | registry::Standing::OnHold => Condition::NotOpen,
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event.clone() {
            Event::GatewayRegistered {
                gateway,
                backbone,
                blocks,
            } => {
                let entry = GatewayEntry {
                    gateway: gateway.clone(),
                    backbone,
                    blocks,
                };
                self.gateways.insert(gateway, entry);
            }
            Event::ParticipantAdmitted { number, .. } => {
                self.participants.insert(number, registry::Standing::Open);
            }
            Event::LineAdded {
                line,
                kind,
                participant,
                site,
                circuit,
            } => {
                let entry = LineEntry {
                    line,
                    kind,
                    circuit,
                    participant,
                    site,
                };
                self.lines.insert(line, entry);
            }
            Event::LineRemoved { line, .. } => drop(self.lines.remove(&line)),
            Event::DeviceEnrolled {
                participant,
                device,
                fingerprint,
                not_after,
                ..
            } => {
                let entry = DeviceEntry {
                    participant,
                    device,
                    fingerprint,
                    not_after,
                };
                self.devices.insert(fingerprint, entry);
            }
            Event::DeviceRevoked { fingerprint, .. } => drop(self.devices.remove(&fingerprint)),
            Event::ParticipantQuarantined { participant, .. } => {
                let before = self
                    .participants
                    .insert(participant, registry::Standing::Quarantined);
                self.behind.insert(participant, before.unwrap());
            }
            Event::ParticipantReleased { participant } => {
                let back = self.behind.remove(&participant).unwrap();
                self.participants.insert(participant, back);
            }
            Event::Membership(event) => {
                let standing = event.standing().unwrap();
                let number = event.participant();
                if self.participants[&number] == registry::Standing::Quarantined {
                    self.behind.insert(number, standing);
                } else {
                    self.participants.insert(number, standing);
                }
            }
            Event::Recheck(registry::RecheckEvent::DeviceRanOut { fingerprint, .. }) => {
                let _ = self.devices.remove(&fingerprint);
            }
            Event::ParticipantClosed { participant, .. } => {
                self.participants
                    .insert(participant, registry::Standing::Closed);
            }
            Event::ServiceRegistered {
                service,
                provider,
                name,
                class,
                purposes,
                endpoints,
                eligible,
            } => {
                let row = registry::Service {
                    service,
                    provider,
                    name,
                    class,
                    purposes,
                    endpoints,
                    eligible,
                    offer: registry::Offer::default(),
                    retired: false,
                };
                self.services.insert(service, row);
            }
            Event::ServiceEndpointsChanged {
                service, endpoints, ..
            } => self.services.get_mut(&service).unwrap().endpoints = endpoints,
            Event::ServiceRetired { service, .. } => drop(self.services.remove(&service)),
            Event::AgreementProposed {
                agreement,
                participant,
                service,
                purpose,
                validity,
                by,
                officer,
            } => {
                let row = registry::Agreement {
                    agreement,
                    participant,
                    service,
                    purpose,
                    validity,
                    proposed_by: by,
                    state: registry::AgreementState::Proposed,
                    proposing_officer: officer,
                    accepting_officer: None,
                    automatic: false,
                    noticed_at: None,
                };
                self.agreements.insert((participant, service), row);
            }
            Event::AgreementAccepted {
                participant,
                service,
                ..
            } => {
                let row = self.agreements.get_mut(&(participant, service)).unwrap();
                row.state = registry::AgreementState::Accepted;
            }
            Event::AgreementEndSet {
                participant,
                service,
                validity,
                ..
            } => {
                let row = self.agreements.get_mut(&(participant, service)).unwrap();
                row.validity = validity;
            }
            Event::AgreementEnded {
                participant,
                service,
                ..
            } => drop(self.agreements.remove(&(participant, service))),
            _ => {}
        }
    }

    pub(crate) fn has_line(&self, n: ParticipantNumber, gateway: &GatewayId) -> bool {
        (self.lines.values()).any(|l| l.participant == n && l.circuit.gateway == *gateway)
    }

    /// May the participant open a conversation with this endpoint?
    pub(crate) fn allows(&self, participant: ParticipantNumber, endpoint: &Endpoint) -> bool {
        let service = (self.services.values()).find(|s| s.endpoints.contains(endpoint));
        service.is_some_and(|service| {
            let agreement = self.agreements.get(&(participant, service.service));
            agreement.is_some_and(|a| a.state == registry::AgreementState::Accepted)
                && self.condition(participant) == Condition::Live
                && self.condition(service.provider) == Condition::Live
        })
    }

    /// By the definition, and by nothing else.
    pub(crate) fn wanted(&self, gateway: &GatewayId) -> Wanted {
        let grants: Vec<Grant> = (self.agreements.values())
            .filter(|a| a.state == registry::AgreementState::Accepted)
            .filter(|a| {
                self.has_line(a.participant, gateway)
                    || self.has_line(self.services[&a.service].provider, gateway)
            })
            .map(|a| Grant {
                participant: a.participant,
                service: a.service,
                agreement: a.agreement,
                from: a.validity.from,
                until: a.validity.until,
            })
            .collect();
        let concerned = |n: ParticipantNumber| {
            self.has_line(n, gateway)
                || (grants.iter())
                    .any(|g| g.participant == n || self.services[&g.service].provider == n)
        };
        Wanted {
            gateways: self.gateways.values().cloned().collect(),
            participants: (self.participants.keys())
                .filter(|n| concerned(**n))
                .map(|n| (*n, self.condition(*n)))
                .collect(),
            services: (self.services.values())
                .map(|s| ServiceEntry {
                    service: s.service,
                    provider: s.provider,
                    class: s.class,
                    endpoints: s.endpoints.clone(),
                })
                .collect(),
            lines: (self.lines.values())
                .filter(|l| l.circuit.gateway == *gateway)
                .cloned()
                .collect(),
            devices: (self.devices.iter())
                .filter(|(_, d)| self.has_line(d.participant, gateway))
                .map(|(f, d)| (*f, d.clone()))
                .collect(),
            grants,
        }
    }

    /// Loads a model from rows, as a center does when it starts.
    pub(crate) fn load(&self, revision: u64) -> iryonet_policy::Model {
        let mut loader = iryonet_policy::Model::load(network(), revision);
        for entry in self.gateways.values() {
            let row = registry::Gateway {
                gateway: entry.gateway.clone(),
                backbone: entry.backbone,
                blocks: entry.blocks.clone(),
            };
            loader.gateway(&row).unwrap();
        }
        for (n, standing) in &self.participants {
            let row = registry::Participant {
                number: *n,
                kind: ParticipantKind::Provider,
                name: "名".into(),
                code: None,
                standing: *standing,
                admitted_at: UnixMillis(0),
                membership: registry::Membership {
                    returns_to: self.behind.get(n).copied().unwrap_or_default(),
                    ..registry::Membership::default()
                },
            };
            loader.participant(&row).unwrap();
        }
        for row in self.services.values() {
            loader.service(row).unwrap();
        }
        for entry in self.lines.values() {
            let row = registry::Line {
                line: entry.line,
                kind: entry.kind,
                participant: entry.participant,
                site: entry.site,
                circuit: entry.circuit.clone(),
            };
            loader.line(&row).unwrap();
        }
        for entry in self.devices.values() {
            let row = registry::Device {
                participant: entry.participant,
                device: entry.device,
                fingerprint: entry.fingerprint,
                serial: serial(),
                not_before: UnixMillis(0),
                not_after: entry.not_after,
                revoked: None,
                ran_out_at: None,
            };
            loader.device(&row).unwrap();
        }
        for row in self.agreements.values() {
            loader.agreement(row).unwrap();
        }
        loader.finish()
    }
}

/// A gateway that holds what it was told.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) revision: u64,
    pub(crate) gateways: BTreeMap<GatewayId, GatewayEntry>,
    pub(crate) participants: BTreeMap<ParticipantNumber, ParticipantEntry>,
    pub(crate) services: BTreeMap<ServiceId, ServiceEntry>,
    pub(crate) grants: BTreeMap<(ParticipantNumber, ServiceId), Grant>,
    pub(crate) lines: BTreeMap<LineId, LineEntry>,
    pub(crate) devices: BTreeMap<Fingerprint, DeviceEntry>,
    /// Flows that ever passed, with the generations under which they did.
    flows: BTreeMap<(ParticipantNumber, Endpoint), BTreeSet<(u32, u32)>>,
}

impl Holder {
    pub(crate) fn from(snapshot: Snapshot) -> Self {
        Self {
            revision: snapshot.revision,
            gateways: (snapshot.gateways.into_iter())
                .map(|e| (e.gateway.clone(), e))
                .collect(),
            participants: (snapshot.participants.into_iter())
                .map(|e| (e.number, e))
                .collect(),
            services: (snapshot.services.into_iter())
                .map(|e| (e.service, e))
                .collect(),
            grants: (snapshot.grants.into_iter())
                .map(|e| ((e.participant, e.service), e))
                .collect(),
            lines: snapshot.lines.into_iter().map(|e| (e.line, e)).collect(),
            devices: (snapshot.devices.into_iter())
                .map(|e| (e.fingerprint, e))
                .collect(),
            flows: BTreeMap::new(),
        }
    }

    /// Takes another snapshot; flows go on, as in the kernel.
    pub(crate) fn take(&mut self, snapshot: Snapshot) {
        let flows = std::mem::take(&mut self.flows);
        *self = Self {
            flows,
            ..Self::from(snapshot)
        };
    }

    pub(crate) fn same_as(&self, other: &Self) -> Result<(), String> {
        let mut mine = self.clone();
        mine.flows.clone_from(&other.flows);
        mine.revision = other.revision;
        let (mine, other) = (format!("{mine:#?}"), format!("{other:#?}"));
        if mine == other {
            return Ok(());
        }
        let differs = (mine.lines().zip(other.lines())).find(|(a, b)| a != b);
        Err(format!(
            "differs first at {differs:?}\nheld {mine}\nsnapshot {other}"
        ))
    }

    /// Every packet that may pass now does, and leaves its flow behind.
    pub(crate) fn traffic(&mut self) {
        let live = |n: &ParticipantNumber| {
            (self.participants.get(n))
                .filter(|p| p.condition == Condition::Live)
                .map(|p| p.generation)
        };
        for (participant, service) in self.grants.keys() {
            let Some(service) = self.services.get(service) else {
                continue;
            };
            let (Some(one), Some(other)) = (live(participant), live(&service.provider)) else {
                continue;
            };
            for endpoint in &service.endpoints {
                let flow = self.flows.entry((*participant, *endpoint)).or_default();
                flow.insert((one, other));
            }
        }
    }

    /// A flow of the past that the kernel would still let pass, though nothing
    /// in the network allows it now, or though this gateway, which has a line
    /// of one of the two, knows of nothing that allows it.
    pub(crate) fn flow_that_outlived_its_right(
        &self,
        plain: &Plain,
    ) -> Option<(ParticipantNumber, Endpoint)> {
        let live = |n: &ParticipantNumber| {
            (self.participants.get(n))
                .filter(|p| p.condition == Condition::Live)
                .map(|p| p.generation)
        };
        let present = |n: ParticipantNumber| self.lines.values().any(|l| l.participant == n);
        for ((participant, endpoint), passed) in &self.flows {
            let provider = network().owner(endpoint.address).flatten().unwrap();
            let (Some(one), Some(other)) = (live(participant), live(&provider)) else {
                continue;
            };
            if !passed.contains(&(one, other)) {
                continue;
            }
            let held = (self.services.values())
                .filter(|s| s.endpoints.contains(endpoint))
                .any(|s| self.grants.contains_key(&(*participant, s.service)));
            if !held && (present(*participant) || present(provider))
                || !plain.allows(*participant, endpoint)
            {
                return Some((*participant, *endpoint));
            }
        }
        None
    }

    /// Applies one change; refuses what cannot be meant.
    pub(crate) fn apply(&mut self, change: Change) -> Result<(), String> {
        let unknown = |what: String| Err(format!("takes away what is not held: {what}"));
        match change {
            Change::Gateway(e) => drop(self.gateways.insert(e.gateway.clone(), e)),
            Change::GatewayGone(g) => {
                if self.gateways.remove(&g).is_none() {
                    return unknown(g.to_string());
                }
            }
            Change::Participant(e) => drop(self.participants.insert(e.number, e)),
            Change::ParticipantGone(n) => {
                if self.participants.remove(&n).is_none() {
                    return unknown(format!("participant {n}"));
                }
            }
            Change::Service(e) => drop(self.services.insert(e.service, e)),
            Change::ServiceGone(s) => {
                if self.services.remove(&s).is_none() {
                    return unknown(format!("service {s}"));
                }
            }
            Change::Grant(g) => {
                let provider = (self.services.get(&g.service))
                    .ok_or(format!("grants the unknown service {}", g.service))?
                    .provider;
                for side in [g.participant, provider] {
                    if !self.participants.contains_key(&side) {
                        return Err(format!("grants between unknown participants: {side}"));
                    }
                }
                self.grants.insert((g.participant, g.service), g);
            }
            Change::GrantGone {
                participant,
                service,
            } => {
                if self.grants.remove(&(participant, service)).is_none() {
                    return unknown(format!("grant {participant} {service}"));
                }
            }
            Change::Line(e) => {
                if !self.participants.contains_key(&e.participant) {
                    return Err(format!(
                        "a line of the unknown participant {}",
                        e.participant
                    ));
                }
                self.lines.insert(e.line, e);
            }
            Change::LineGone(l) => {
                if self.lines.remove(&l).is_none() {
                    return unknown(format!("line {l}"));
                }
            }
            Change::Device(e) => {
                if !self.participants.contains_key(&e.participant) {
                    return Err(format!(
                        "a device of the unknown participant {}",
                        e.participant
                    ));
                }
                self.devices.insert(e.fingerprint, e);
            }
            Change::DeviceGone(f) => {
                if self.devices.remove(&f).is_none() {
                    return unknown(format!("device {f}"));
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn endpoint(provider: ParticipantNumber, host: u64, port: u16) -> Endpoint {
    Endpoint {
        address: Ipv6Addr::from(u128::from(network().participant(provider)) | u128::from(host)),
        protocol: Protocol::Tcp,
        port,
    }
}

pub(crate) fn revoked(device: &DeviceEntry) -> Event {
    Event::DeviceRevoked {
        participant: device.participant,
        device: device.device,
        fingerprint: device.fingerprint,
        serial: serial(),
        reason: RevocationReason::KeyCompromise,
    }
}

pub(crate) fn ended(agreement: &registry::Agreement) -> Event {
    Event::AgreementEnded {
        agreement: agreement.agreement,
        participant: agreement.participant,
        service: agreement.service,
        by: None,
        ran_out: false,
    }
}

pub(crate) fn accepted(agreement: &registry::Agreement) -> Event {
    Event::AgreementAccepted {
        agreement: agreement.agreement,
        participant: agreement.participant,
        service: agreement.service,
        validity: agreement.validity,
        by: agreement.participant,
        officer: None,
        automatic: false,
    }
}

pub(crate) fn line_removed(line: &LineEntry) -> Event {
    Event::LineRemoved {
        line: line.line,
        participant: line.participant,
        site: line.site,
        circuit: line.circuit.clone(),
    }
}
