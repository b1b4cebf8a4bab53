//! The whole policy state in memory: what the registry's events add up to, as
//! far as packets are concerned, indexed by whom each thing concerns.
//!
//! A gateway is concerned by
//! - lines that end there, and the devices of the participants they belong to;
//! - grants of which either side has a line there;
//! - participants that have a line there, or are a side of such a grant;
//! - every service that is not retired: a packet to any address of the network
//!   may be sent by a participant of any gateway, and only who knows the
//!   catalogue can tell "no agreement about this service" from "no such
//!   service". It also spares a delta from carrying a service before each grant.
//!   Services are some thousands and seldom change;
//! - every gateway, to route to.
//!
//! For each participant the model counts the reasons for which it concerns a
//! gateway, so that a change costs what it touches, whatever the network's size.
//!
//! It does no I/O and reads no clock: whether an agreement holds *now* is for
//! the gateway and for [`crate::explain`] to ask.

use crate::change::Dirty;
use crate::packed::Numbered;
use crate::records::{
    Agreement, Device, Gateway, GatewayIndex, InterfaceName, Line, LineAt, Participant, Service,
    Shift, Stage,
};
use iryonet_domain::{
    Endpoint, Fingerprint, GatewayId, LineId, NetworkPrefix, ParticipantNumber, ServiceId,
};
use iryonet_registry::Event;
use iryonet_wire::feed::{Change, Condition, DeviceEntry, GatewayEntry, LineEntry, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// The policy state of the whole network at one revision.
///
/// # Generations
/// Flow state in the kernel is kept under the generations of both participants
/// and checked anew when one of them is another. So a participant's generation
/// becomes the low 32 bits of the revision whenever something that was allowed
/// to it, or to its services, may be so no longer: an agreement of its own
/// ended, it ceased to be live, an endpoint or a whole service of its own went.
/// What only allows more leaves the generation as it is.
#[derive(Debug)]
pub struct Model {
    pub(crate) network: NetworkPrefix,
    pub(crate) revision: Revision,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) gateway_names: BTreeMap<GatewayId, GatewayIndex>,
    pub(crate) participants: Numbered<Participant>,
    pub(crate) lines: BTreeMap<LineId, Line>,
    pub(crate) services: BTreeMap<ServiceId, Service>,
    pub(crate) services_of: BTreeMap<ParticipantNumber, BTreeSet<ServiceId>>,
    pub(crate) endpoints: BTreeMap<Endpoint, ServiceId>,
    pub(crate) unfit_events: u64,
}

/// How much a model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Gateways.
    pub gateways: usize,
    /// Participants, closed ones too.
    pub participants: usize,
    /// Lines.
    pub lines: usize,
    /// Services that are not retired.
    pub services: usize,
    /// Agreements that both sides have accepted.
    pub grants: usize,
}

/// What an event said does not fit what the model holds.
pub(crate) struct Unfit;

impl Model {
    /// A network with nothing in it, before its first revision.
    #[must_use]
    pub fn new(network: NetworkPrefix) -> Self {
        Self {
            network,
            revision: 0,
            gateways: Vec::new(),
            gateway_names: BTreeMap::new(),
            participants: Numbered::default(),
            lines: BTreeMap::new(),
            services: BTreeMap::new(),
            services_of: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            unfit_events: 0,
        }
    }

    /// The network's prefix.
    #[must_use]
    pub fn network(&self) -> NetworkPrefix {
        self.network
    }

    /// The ledger entry after which the model stands.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How much it holds.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            gateways: self.gateways.len(),
            participants: self.participants.len(),
            lines: self.lines.len(),
            services: self.services.len(),
            grants: self.services.values().map(|s| s.grantees.len()).sum(),
        }
    }

    /// Names of all gateways, in the order in which they were registered.
    pub fn gateways(&self) -> impl Iterator<Item = &GatewayId> {
        self.gateways.iter().map(|gateway| &gateway.entry.gateway)
    }

    /// Where a participant stands; `None` when it was never admitted.
    #[must_use]
    pub fn condition(&self, number: ParticipantNumber) -> Option<Condition> {
        Some(self.participants.get(number)?.condition())
    }

    /// Gateways that a participant concerns, in the order of their registration.
    #[must_use]
    pub fn concerned(&self, number: ParticipantNumber) -> Vec<&GatewayId> {
        let concerns = self.participants.get(number).map(Participant::concerns);
        concerns
            .unwrap_or_default()
            .into_iter()
            .filter_map(|at| self.gateway_name(at))
            .collect()
    }

    /// Events that did not fit what the model held and were left out, as an
    /// accepted agreement that was never proposed. They cannot come out of the
    /// registry: anything but 0 says that the model was fed wrongly and is to
    /// be loaded again. What was left out opens nothing.
    #[must_use]
    pub fn unfit_events(&self) -> u64 {
        self.unfit_events
    }

    /// Takes in one ledger entry with *all* its events, and tells each gateway
    /// that is concerned what became different, gateway by gateway, in the
    /// order to apply it: whatever takes away stands before the generation that
    /// makes it bite, and what gives stands last.
    ///
    /// The events of an entry go together because they share one generation: a
    /// packet between two of them could refresh a flow under the new
    /// generation that the second is about to forbid.
    ///
    /// An entry that the model already holds (`revision` not above its own)
    /// changes nothing. An entry without events only moves the revision.
    pub fn apply(&mut self, revision: Revision, events: &[Event]) -> Vec<(GatewayId, Change)> {
        if revision <= self.revision {
            return Vec::new();
        }
        self.revision = revision;
        let mut dirty = Dirty::default();
        for event in events {
            if self.apply_one(&mut dirty, event).is_err() {
                self.unfit_events += 1;
            }
        }
        dirty.conclude(self)
    }

    fn apply_one(&mut self, dirty: &mut Dirty, event: &Event) -> Result<(), Unfit> {
        match event {
            Event::NetworkFounded { network } if *network == self.network => Ok(()),
            Event::NetworkFounded { .. } => Err(Unfit),
            Event::GatewayRegistered {
                gateway,
                backbone,
                blocks,
            } => self.put_gateway(
                dirty,
                GatewayEntry {
                    gateway: gateway.clone(),
                    backbone: *backbone,
                    blocks: blocks.clone(),
                },
            ),
            Event::ParticipantAdmitted { number, .. } => self.add_participant(*number),
            Event::LineAdded {
                line,
                kind,
                participant,
                site,
                circuit,
            } => self.add_line(
                dirty,
                &LineEntry {
                    line: *line,
                    kind: *kind,
                    circuit: circuit.clone(),
                    participant: *participant,
                    site: *site,
                },
            ),
            Event::LineRemoved { line, .. } => self.remove_line(dirty, *line),
            Event::DeviceEnrolled {
                participant,
                device,
                fingerprint,
                not_before,
                not_after,
                ..
            } => {
                // What ran out before the new certificate began counts no more,
                // and nobody revokes it: without this, renewals would pile up.
                self.drop_devices(dirty, *participant, |known| known.not_after <= *not_before);
                self.add_device(
                    dirty,
                    &DeviceEntry {
                        participant: *participant,
                        device: *device,
                        fingerprint: *fingerprint,
                        not_after: *not_after,
                    },
                )
            }
            Event::DeviceRevoked {
                participant,
                fingerprint,
                ..
            } => self.remove_device(dirty, *participant, *fingerprint),
            Event::ParticipantQuarantined { participant, .. } => {
                self.participant(dirty, *participant)?.quarantined = true;
                Ok(())
            }
            Event::ParticipantReleased { participant } => {
                self.participant(dirty, *participant)?.quarantined = false;
                Ok(())
            }
            Event::ParticipantClosed { participant, .. } => {
                // Only valid devices are revoked; those that ran out go here.
                self.drop_devices(dirty, *participant, |_| true);
                self.participant(dirty, *participant)?.closed = true;
                Ok(())
            }
            Event::ServiceRegistered {
                service,
                provider,
                name,
                class,
                endpoints,
                ..
            } => self.add_service(
                dirty,
                *service,
                Service {
                    provider: *provider,
                    class: *class,
                    name: name.as_str().into(),
                    endpoints: endpoints.clone(),
                    grantees: BTreeSet::new(),
                },
            ),
            Event::ServiceEndpointsChanged {
                service, endpoints, ..
            } => self.change_endpoints(dirty, *service, endpoints),
            Event::ServiceRetired { service, .. } => self.retire_service(dirty, *service),
            Event::AgreementProposed {
                agreement,
                participant,
                service,
                purpose,
                validity,
                by,
            } => self.put_agreement(
                dirty,
                *participant,
                Agreement {
                    agreement: *agreement,
                    from: validity.from,
                    until: validity.until,
                    service: *service,
                    purpose: *purpose,
                    stage: if by == participant {
                        Stage::ProposedByParticipant
                    } else {
                        Stage::ProposedByProvider
                    },
                },
            ),
            Event::AgreementAccepted {
                agreement,
                participant,
                service,
                validity,
                ..
            } => {
                let known = self
                    .agreement(*participant, *service)
                    .filter(|known| known.agreement == *agreement)
                    .copied()
                    .ok_or(Unfit)?;
                let accepted = Agreement {
                    from: validity.from,
                    until: validity.until,
                    stage: Stage::Accepted,
                    ..known
                };
                self.put_agreement(dirty, *participant, accepted)
            }
            Event::AgreementEnded {
                agreement,
                participant,
                service,
                ..
            } => {
                self.agreement(*participant, *service)
                    .filter(|known| known.agreement == *agreement)
                    .ok_or(Unfit)?;
                self.end_agreement(dirty, *participant, *service)
            }
            // Names, sites, codes and gateways' certificates pass no packet.
            Event::SiteAdded { .. }
            | Event::EnrolmentCodeIssued { .. }
            | Event::EnrolmentCodeSpent { .. }
            | Event::GatewayCertified { .. }
            | Event::GatewayCertificateRevoked { .. }
            | Event::ApplicantListed { .. }
            | Event::ApplicantChanged { .. }
            | Event::ListImported { .. } => Ok(()),
        }
    }

    pub(crate) fn gateway_name(&self, at: GatewayIndex) -> Option<&GatewayId> {
        Some(&self.gateways.get(usize::from(at.0))?.entry.gateway)
    }

    pub(crate) fn agreement(
        &self,
        participant: ParticipantNumber,
        service: ServiceId,
    ) -> Option<&Agreement> {
        self.participants.get(participant)?.agreements.get(&service)
    }

    /// The participant, about to be changed.
    fn participant(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
    ) -> Result<&mut Participant, Unfit> {
        dirty.participant(self, number);
        self.participants.get_mut(number).ok_or(Unfit)
    }

    pub(crate) fn put_gateway(
        &mut self,
        dirty: &mut Dirty,
        entry: GatewayEntry,
    ) -> Result<(), Unfit> {
        match self.gateway_names.get(&entry.gateway) {
            Some(&at) => {
                dirty.gateway(self, at);
                let known = self.gateways.get_mut(usize::from(at.0)).ok_or(Unfit)?;
                known.entry = entry;
            }
            None => {
                let at = GatewayIndex(u16::try_from(self.gateways.len()).map_err(|_| Unfit)?);
                dirty.gateway(self, at);
                self.gateway_names.insert(entry.gateway.clone(), at);
                self.gateways.push(Gateway {
                    entry,
                    lines: BTreeSet::new(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn add_participant(&mut self, number: ParticipantNumber) -> Result<(), Unfit> {
        if self.participants.get(number).is_some() {
            return Err(Unfit);
        }
        let generation = self.revision as u32;
        self.participants.insert(
            number,
            Participant {
                generation,
                ..Participant::default()
            },
        );
        Ok(())
    }

    pub(crate) fn add_line(&mut self, dirty: &mut Dirty, entry: &LineEntry) -> Result<(), Unfit> {
        let number = entry.participant;
        let gateway = *self
            .gateway_names
            .get(&entry.circuit.gateway)
            .ok_or(Unfit)?;
        let interface = InterfaceName::new(&entry.circuit.interface).ok_or(Unfit)?;
        let owner = self.participants.get(number).ok_or(Unfit)?;
        if self.lines.contains_key(&entry.line) {
            return Err(Unfit);
        }
        dirty.line(self, entry.line);
        if !owner.lines.iter().any(|line| line.gateway == gateway) {
            self.shift_presence(dirty, number, gateway, Shift::More);
        }
        let owner = self.participant(dirty, number)?;
        owner.lines.insert(LineAt {
            line: entry.line,
            gateway,
        });
        owner.shift_concern(gateway, Shift::More);
        self.lines.insert(
            entry.line,
            Line {
                participant: number,
                interface,
                gateway,
                site: entry.site,
                kind: entry.kind,
            },
        );
        if let Some(gateway) = self.gateways.get_mut(usize::from(gateway.0)) {
            gateway.lines.insert(entry.line);
        }
        Ok(())
    }

    fn remove_line(&mut self, dirty: &mut Dirty, line: LineId) -> Result<(), Unfit> {
        let known = self.lines.get(&line).ok_or(Unfit)?;
        let (number, gateway) = (known.participant, known.gateway);
        let owner = self.participants.get(number).ok_or(Unfit)?;
        let last = !owner
            .lines
            .iter()
            .any(|other| other.line != line && other.gateway == gateway);
        dirty.line(self, line);
        if last {
            self.shift_presence(dirty, number, gateway, Shift::Fewer);
        }
        let owner = self.participant(dirty, number)?;
        owner.lines.remove(&line);
        owner.shift_concern(gateway, Shift::Fewer);
        self.lines.remove(&line);
        if let Some(gateway) = self.gateways.get_mut(usize::from(gateway.0)) {
            gateway.lines.remove(&line);
        }
        Ok(())
    }

    /// The first line of a participant at a gateway comes, or the last one
    /// goes: its devices and grants, and the other sides of those, begin or
    /// cease to concern that gateway. Called while its lines are as before.
    fn shift_presence(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
        gateway: GatewayIndex,
        shift: Shift,
    ) {
        dirty.devices(self, number);
        let mut others = Vec::new();
        if let Some(owner) = self.participants.get(number) {
            for agreement in owner.agreements.iter() {
                if agreement.stage == Stage::Accepted
                    && let Some(service) = self.services.get(&agreement.service)
                {
                    others.push((number, agreement.service, service.provider));
                }
            }
        }
        for id in self.services_of(number) {
            if let Some(service) = self.services.get(&id) {
                others.extend(
                    service
                        .grantees
                        .iter()
                        .map(|&grantee| (grantee, id, grantee)),
                );
            }
        }
        for (participant, service, other) in others {
            dirty.grant(self, participant, service);
            if let Ok(other) = self.participant(dirty, other) {
                other.shift_concern(gateway, shift);
            }
        }
    }

    /// Services of a provider, ascending.
    pub(crate) fn services_of(
        &self,
        provider: ParticipantNumber,
    ) -> impl Iterator<Item = ServiceId> + '_ {
        self.services_of
            .get(&provider)
            .into_iter()
            .flatten()
            .copied()
    }

    pub(crate) fn add_device(
        &mut self,
        dirty: &mut Dirty,
        entry: &DeviceEntry,
    ) -> Result<(), Unfit> {
        dirty.device(self, entry.participant, entry.fingerprint);
        let owner = self.participant(dirty, entry.participant)?;
        owner.devices.insert(Device {
            fingerprint: entry.fingerprint,
            device: entry.device,
            not_after: entry.not_after,
        });
        Ok(())
    }

    fn remove_device(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
        fingerprint: Fingerprint,
    ) -> Result<(), Unfit> {
        dirty.device(self, number, fingerprint);
        let owner = self.participant(dirty, number)?;
        owner.devices.remove(&fingerprint).map(drop).ok_or(Unfit)
    }

    fn drop_devices(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
        which: impl Fn(&Device) -> bool,
    ) {
        let known = self.participants.get(number).into_iter();
        let gone: Vec<Fingerprint> = known
            .flat_map(|owner| owner.devices.iter())
            .filter(|device| which(device))
            .map(|device| device.fingerprint)
            .collect();
        for fingerprint in gone {
            dirty.device(self, number, fingerprint);
            if let Ok(owner) = self.participant(dirty, number) {
                owner.devices.remove(&fingerprint);
            }
        }
    }

    pub(crate) fn add_service(
        &mut self,
        dirty: &mut Dirty,
        id: ServiceId,
        mut service: Service,
    ) -> Result<(), Unfit> {
        if self.services.contains_key(&id) || self.participants.get(service.provider).is_none() {
            return Err(Unfit);
        }
        dirty.service(self, id);
        service.endpoints.sort_unstable();
        service.endpoints.dedup();
        for endpoint in &service.endpoints {
            self.endpoints.insert(*endpoint, id);
        }
        self.services_of
            .entry(service.provider)
            .or_default()
            .insert(id);
        self.services.insert(id, service);
        Ok(())
    }

    fn change_endpoints(
        &mut self,
        dirty: &mut Dirty,
        id: ServiceId,
        endpoints: &[Endpoint],
    ) -> Result<(), Unfit> {
        dirty.service(self, id);
        let service = self.services.get_mut(&id).ok_or(Unfit)?;
        let mut endpoints = endpoints.to_vec();
        endpoints.sort_unstable();
        endpoints.dedup();
        let gone: Vec<Endpoint> = std::mem::replace(&mut service.endpoints, endpoints);
        let provider = service.provider;
        let narrower = gone
            .iter()
            .any(|endpoint| service.endpoints.binary_search(endpoint).is_err());
        for endpoint in &gone {
            // Another service may have it by now.
            if self.endpoints.get(endpoint) == Some(&id) {
                self.endpoints.remove(endpoint);
            }
        }
        for endpoint in &service.endpoints {
            self.endpoints.insert(*endpoint, id);
        }
        if narrower {
            dirty.narrow(self, provider);
        }
        Ok(())
    }

    fn retire_service(&mut self, dirty: &mut Dirty, id: ServiceId) -> Result<(), Unfit> {
        let service = self.services.get(&id).ok_or(Unfit)?;
        let provider = service.provider;
        // The registry ends the agreements first; were one left, it would open
        // nothing, and may not linger at the gateways.
        for participant in service.grantees.clone() {
            self.end_agreement(dirty, participant, id)?;
        }
        dirty.service(self, id);
        if let Some(service) = self.services.remove(&id) {
            for endpoint in &service.endpoints {
                if self.endpoints.get(endpoint) == Some(&id) {
                    self.endpoints.remove(endpoint);
                }
            }
        }
        if let Some(services) = self.services_of.get_mut(&provider) {
            services.remove(&id);
        }
        dirty.narrow(self, provider);
        Ok(())
    }

    /// Records an agreement; an accepted one opens its path.
    pub(crate) fn put_agreement(
        &mut self,
        dirty: &mut Dirty,
        participant: ParticipantNumber,
        agreement: Agreement,
    ) -> Result<(), Unfit> {
        if self.agreement(participant, agreement.service).is_some() {
            self.end_agreement(dirty, participant, agreement.service)?;
        }
        if agreement.stage == Stage::Accepted {
            let service = self.services.get(&agreement.service).ok_or(Unfit)?;
            let provider = service.provider;
            if self.participants.get(participant).is_none() {
                return Err(Unfit);
            }
            dirty.grant(self, participant, agreement.service);
            self.shift_grant(dirty, participant, provider, Shift::More);
            if let Some(service) = self.services.get_mut(&agreement.service) {
                service.grantees.insert(participant);
            }
        }
        // A proposal passes no packet: nobody needs to hear of it.
        let owner = self.participants.get_mut(participant).ok_or(Unfit)?;
        owner.agreements.insert(agreement);
        Ok(())
    }

    fn end_agreement(
        &mut self,
        dirty: &mut Dirty,
        participant: ParticipantNumber,
        id: ServiceId,
    ) -> Result<(), Unfit> {
        let known = *self.agreement(participant, id).ok_or(Unfit)?;
        if known.stage == Stage::Accepted {
            let provider = self.services.get(&id).ok_or(Unfit)?.provider;
            dirty.grant(self, participant, id);
            self.shift_grant(dirty, participant, provider, Shift::Fewer);
            if let Some(service) = self.services.get_mut(&id) {
                service.grantees.remove(&participant);
            }
            dirty.narrow(self, participant);
        }
        if let Some(owner) = self.participants.get_mut(participant) {
            owner.agreements.remove(&id);
        }
        Ok(())
    }

    /// One grant more or fewer between two: each side begins or ceases to
    /// concern the gateways of the other for this reason.
    fn shift_grant(
        &mut self,
        dirty: &mut Dirty,
        participant: ParticipantNumber,
        provider: ParticipantNumber,
        shift: Shift,
    ) {
        for (one, other) in [(participant, provider), (provider, participant)] {
            let present_at = self.participants.get(other).map(Participant::present_at);
            if let Ok(one) = self.participant(dirty, one) {
                for gateway in present_at.unwrap_or_default() {
                    one.shift_concern(gateway, shift);
                }
            }
        }
    }
}
