//! The policy's entries, indexed for the changes that come; and the tables of
//! the datapath as a function of them.

use super::Policy;
use iryonet_domain::line::check_interface_name;
use iryonet_domain::{
    Endpoint, Fingerprint, GatewayId, LineId, LineKind, ParticipantNumber, ServiceId, UnixMillis,
};
use iryonet_wire::feed::{
    Condition, DeviceEntry, GatewayEntry, Grant, LineEntry, ParticipantEntry, ServiceEntry,
    Snapshot,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why a line in the policy is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// Not an access method of this release.
    Kind,
    /// It ends at another gateway.
    Elsewhere,
    /// Its interface cannot be one.
    Interface,
    /// Another line has the interface.
    Taken,
}

impl Unserved {
    /// For the operator.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "this release serves ethernet lines only",
            Self::Elsewhere => "the line ends at another gateway",
            Self::Interface => "its interface name is not one that Linux takes",
            Self::Taken => "another line has the same interface",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) gateways: BTreeMap<GatewayId, GatewayEntry>,
    pub(super) participants: BTreeMap<ParticipantNumber, ParticipantEntry>,
    pub(super) services: BTreeMap<ServiceId, ServiceEntry>,
    /// Who claims an endpoint; the lowest number has it.
    pub(super) endpoints: BTreeMap<Endpoint, BTreeSet<ServiceId>>,
    pub(super) grants: BTreeMap<(ParticipantNumber, ServiceId), Grant>,
    /// The next time at which each grant begins or ends.
    pub(super) edges: BTreeSet<(UnixMillis, ParticipantNumber, ServiceId)>,
    pub(super) lines: BTreeMap<LineId, LineEntry>,
    /// Which lines name an interface; the lowest number has it.
    pub(super) interfaces: BTreeMap<String, BTreeSet<LineId>>,
    pub(super) devices: BTreeMap<Fingerprint, DeviceEntry>,
    /// When each device's certificate ends.
    pub(super) device_ends: BTreeSet<(UnixMillis, Fingerprint)>,
}

impl Entries {
    pub(super) fn of(snapshot: Snapshot, at: UnixMillis) -> Self {
        let mut entries = Self {
            gateways: snapshot
                .gateways
                .into_iter()
                .map(|e| (e.gateway.clone(), e))
                .collect(),
            participants: snapshot
                .participants
                .into_iter()
                .map(|e| (e.number, e))
                .collect(),
            edges: snapshot
                .grants
                .iter()
                .filter_map(|g| next_edge(g, at).map(|time| (time, g.participant, g.service)))
                .collect(),
            grants: snapshot
                .grants
                .into_iter()
                .map(|g| ((g.participant, g.service), g))
                .collect(),
            ..Self::default()
        };
        for service in snapshot.services {
            entries.put_service(service);
        }
        for line in snapshot.lines {
            entries.put_line(line);
        }
        for device in snapshot.devices {
            entries.put_device(device);
        }
        entries
    }

    pub(super) fn put_service(&mut self, entry: ServiceEntry) {
        self.take_service(entry.service);
        for endpoint in &entry.endpoints {
            self.endpoints
                .entry(*endpoint)
                .or_default()
                .insert(entry.service);
        }
        self.services.insert(entry.service, entry);
    }

    pub(super) fn take_service(&mut self, service: ServiceId) {
        let Some(old) = self.services.remove(&service) else {
            return;
        };
        for endpoint in old.endpoints {
            if let Some(claims) = self.endpoints.get_mut(&endpoint) {
                claims.remove(&service);
                if claims.is_empty() {
                    self.endpoints.remove(&endpoint);
                }
            }
        }
    }

    pub(super) fn put_grant(&mut self, grant: Grant, at: UnixMillis) {
        self.take_grant(grant.participant, grant.service, at);
        if let Some(time) = next_edge(&grant, at) {
            self.edges.insert((time, grant.participant, grant.service));
        }
        self.grants
            .insert((grant.participant, grant.service), grant);
    }

    pub(super) fn take_grant(
        &mut self,
        participant: ParticipantNumber,
        service: ServiceId,
        at: UnixMillis,
    ) {
        if let Some(old) = self.grants.remove(&(participant, service))
            && let Some(time) = next_edge(&old, at)
        {
            self.edges.remove(&(time, participant, service));
        }
    }

    pub(super) fn put_line(&mut self, entry: LineEntry) {
        self.take_line(entry.line);
        self.interfaces
            .entry(entry.circuit.interface.clone())
            .or_default()
            .insert(entry.line);
        self.lines.insert(entry.line, entry);
    }

    pub(super) fn take_line(&mut self, line: LineId) -> Option<LineEntry> {
        let old = self.lines.remove(&line)?;
        if let Some(claims) = self.interfaces.get_mut(&old.circuit.interface) {
            claims.remove(&line);
            if claims.is_empty() {
                self.interfaces.remove(&old.circuit.interface);
            }
        }
        Some(old)
    }

    pub(super) fn put_device(&mut self, entry: DeviceEntry) {
        self.take_device(&entry.fingerprint);
        self.device_ends
            .insert((entry.not_after, entry.fingerprint));
        self.devices.insert(entry.fingerprint, entry);
    }

    pub(super) fn take_device(&mut self, fingerprint: &Fingerprint) -> Option<DeviceEntry> {
        let old = self.devices.remove(fingerprint)?;
        self.device_ends.remove(&(old.not_after, old.fingerprint));
        Some(old)
    }

    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Option<ServiceId> {
        self.endpoints
            .get(endpoint)
            .and_then(|claims| claims.first())
            .copied()
    }

    pub(super) fn open(&self, key: (ParticipantNumber, ServiceId), at: UnixMillis) -> bool {
        self.grants.get(&key).is_some_and(|grant| open(grant, at))
    }

    /// The line that has this interface.
    pub(super) fn line_at(&self, gateway: &GatewayId, interface: &str) -> Option<&LineEntry> {
        let line = self.interfaces.get(interface)?.first()?;
        self.lines
            .get(line)
            .filter(|entry| self.unserved(gateway, entry).is_none())
    }

    pub(super) fn unserved(&self, gateway: &GatewayId, entry: &LineEntry) -> Option<Unserved> {
        if entry.kind != LineKind::Ethernet {
            Some(Unserved::Kind)
        } else if entry.circuit.gateway != *gateway {
            Some(Unserved::Elsewhere)
        } else if check_interface_name(&entry.circuit.interface).is_err() {
            Some(Unserved::Interface)
        } else if self
            .interfaces
            .get(&entry.circuit.interface)
            .and_then(|claims| claims.first())
            != Some(&entry.line)
        {
            Some(Unserved::Taken)
        } else {
            None
        }
    }

    pub(super) fn served_lines<'a>(
        &'a self,
        gateway: &'a GatewayId,
    ) -> impl Iterator<Item = &'a LineEntry> {
        self.lines
            .values()
            .filter(|entry| self.unserved(gateway, entry).is_none())
    }

    pub(super) fn unserved_lines<'a>(
        &'a self,
        gateway: &'a GatewayId,
    ) -> impl Iterator<Item = (&'a LineEntry, Unserved)> {
        self.lines
            .values()
            .filter_map(|entry| self.unserved(gateway, entry).map(|why| (entry, why)))
    }
}

pub(super) fn open(grant: &Grant, at: UnixMillis) -> bool {
    grant.from <= at && at < grant.until
}

/// When the grant's being open changes next, after `at`.
pub(super) fn next_edge(grant: &Grant, at: UnixMillis) -> Option<UnixMillis> {
    if grant.from >= grant.until {
        None
    } else if grant.from > at {
        Some(grant.from)
    } else if grant.until > at {
        Some(grant.until)
    } else {
        None
    }
}

/// What the datapath's tables must hold: a view of the policy at its time.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    pub(super) policy: &'a Policy,
}

impl<'a> Tables<'a> {
    /// Participants with condition and the datapath's generation, ascending.
    pub fn participants(
        self,
    ) -> impl Iterator<Item = (ParticipantNumber, Condition, u32)> + use<'a> {
        let policy = self.policy;
        policy
            .entries
            .participants
            .values()
            .filter(|_| !policy.lapsed)
            .map(|entry| {
                (
                    entry.number,
                    entry.condition,
                    policy.generation(entry.number, entry.generation),
                )
            })
    }

    /// Open paths, ascending.
    pub fn grants(self) -> impl Iterator<Item = (ParticipantNumber, ServiceId)> + use<'a> {
        let policy = self.policy;
        policy
            .entries
            .grants
            .values()
            .filter(|grant| !policy.lapsed && open(grant, policy.at))
            .map(|grant| (grant.participant, grant.service))
    }

    /// Endpoints with their service, ascending.
    pub fn endpoints(self) -> impl Iterator<Item = (Endpoint, ServiceId)> + use<'a> {
        let policy = self.policy;
        policy
            .entries
            .endpoints
            .iter()
            .filter(|_| !policy.lapsed)
            .filter_map(|(endpoint, claims)| claims.first().map(|service| (*endpoint, *service)))
    }
}
