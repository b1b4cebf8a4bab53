//! How services and agreements change the model: what opens a path, and what
//! closes it.
//!
//! Each step says what it is about to touch ([`crate::change`]), then does it.
//! It must not know which event asked for it.

use crate::change::Dirty;
use crate::model::{Model, Unfit};
use crate::records::{Agreement, Participant, Service, Shift, Stage};
use iryonet_domain::{Endpoint, ParticipantNumber, ServiceId};

impl Model {
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

    pub(crate) fn change_endpoints(
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

    pub(crate) fn retire_service(&mut self, dirty: &mut Dirty, id: ServiceId) -> Result<(), Unfit> {
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

    pub(crate) fn end_agreement(
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
