//! How gateways, participants, lines and devices change the model.
//!
//! Each step says what it is about to touch ([`crate::change`]), then does it.
//! It must not know which event asked for it.

use crate::change::Dirty;
use crate::model::{Model, Unfit};
use crate::records::{
    Device, Gateway, GatewayIndex, InterfaceName, Line, LineAt, Participant, Shift, Stage,
};
use iryonet_domain::{Fingerprint, LineId, ParticipantNumber, ServiceId};
use iryonet_wire::feed::{DeviceEntry, GatewayEntry, LineEntry};
use std::collections::BTreeSet;

impl Model {
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

    pub(crate) fn remove_line(&mut self, dirty: &mut Dirty, line: LineId) -> Result<(), Unfit> {
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

    pub(crate) fn remove_device(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
        fingerprint: Fingerprint,
    ) -> Result<(), Unfit> {
        dirty.device(self, number, fingerprint);
        let owner = self.participant(dirty, number)?;
        owner.devices.remove(&fingerprint).map(drop).ok_or(Unfit)
    }

    pub(crate) fn drop_devices(
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
}
