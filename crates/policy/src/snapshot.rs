//! All that one gateway must hold, collected from its lines outwards: the cost
//! follows what the gateway holds.
//!
//! It does not use the counts of [`crate::model`] of whom a participant
//! concerns: the tests compare the two ways.

use crate::model::Model;
use crate::records::Stage;
use iryonet_domain::{GatewayId, ParticipantNumber, ServiceId, UnixMillis};
use iryonet_wire::feed::{FORMAT, Snapshot};

impl Model {
    /// What the gateway must hold at the model's revision, or `None` for a
    /// gateway that was never registered. `issued_at` and `valid_until` are
    /// written into it as they are.
    #[must_use]
    pub fn snapshot(
        &self,
        gateway: &GatewayId,
        issued_at: UnixMillis,
        valid_until: UnixMillis,
    ) -> Option<Snapshot> {
        let at = *self.gateway_names.get(gateway)?;
        let here = self.gateways.get(usize::from(at.0))?;
        let mut present: Vec<ParticipantNumber> = Vec::with_capacity(here.lines.len());
        let mut lines = Vec::with_capacity(here.lines.len());
        for &line in &here.lines {
            if let Some(known) = self.lines.get(&line) {
                present.push(known.participant);
                lines.push(known.entry(line, gateway));
            }
        }
        present.sort_unstable();
        present.dedup();

        let mut paths: Vec<(ParticipantNumber, ServiceId)> = Vec::new();
        let mut concerned = present.clone();
        let mut devices = Vec::new();
        for &number in &present {
            let Some(known) = self.participants.get(number) else {
                continue;
            };
            devices.extend(known.devices.iter().map(|device| device.entry(number)));
            for agreement in known.agreements.iter() {
                if agreement.stage == Stage::Accepted
                    && let Some(service) = self.services.get(&agreement.service)
                {
                    paths.push((number, agreement.service));
                    concerned.push(service.provider);
                }
            }
            for id in self.services_of(number) {
                if let Some(service) = self.services.get(&id) {
                    paths.extend(service.grantees.iter().map(|&grantee| (grantee, id)));
                    concerned.extend(service.grantees.iter());
                }
            }
        }
        paths.sort_unstable();
        paths.dedup();
        concerned.sort_unstable();
        concerned.dedup();

        Some(Snapshot {
            format: FORMAT,
            network: self.network,
            gateway: gateway.clone(),
            revision: self.revision,
            issued_at,
            valid_until,
            gateways: (self.gateway_names.values())
                .filter_map(|at| Some(self.gateways.get(usize::from(at.0))?.entry.clone()))
                .collect(),
            participants: (concerned.iter())
                .filter_map(|&number| Some(self.participants.get(number)?.entry(number)))
                .collect(),
            services: (self.services.iter())
                .map(|(&id, service)| service.entry(id))
                .collect(),
            grants: (paths.iter())
                .filter_map(|&(number, id)| Some(self.agreement(number, id)?.grant(number)))
                .collect(),
            lines,
            devices,
        })
    }
}
