//! Filling a model from the registry's projections, row by row, as a center
//! does when it starts. Nothing is collected: 600,000 participants stream in.
//!
//! It must not know where the rows come from.

use crate::change::Dirty;
use crate::model::Model;
use crate::records::{Agreement, NotOpen, Service, Stage};
use iryonet_domain::{
    AgreementId, Fingerprint, GatewayId, LineId, NetworkPrefix, ParticipantNumber, ServiceId,
};
use iryonet_registry as registry;
use iryonet_registry::{AgreementState, Standing};
use iryonet_wire::feed::{DeviceEntry, GatewayEntry, LineEntry, Revision};
use std::collections::BTreeSet;

/// A row that does not fit those before it. The store and the order of loading
/// make that impossible, so it means damage, and the center must not serve
/// from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Twice, or more gateways than 65,535.
    #[error("gateway {0} cannot be loaded: it is there twice, or there are too many gateways")]
    Gateway(GatewayId),
    /// Twice.
    #[error("participant {0} is there twice")]
    Participant(ParticipantNumber),
    /// Twice, or of an unknown provider.
    #[error("service {service} is there twice, or its provider {provider} is not there")]
    Service {
        /// Which.
        service: ServiceId,
        /// Who should run it.
        provider: ParticipantNumber,
    },
    /// Twice, or its participant or gateway is unknown, or its interface is none.
    #[error(
        "line {line} is there twice, or participant {participant} or gateway {gateway} is not there"
    )]
    Line {
        /// Which.
        line: LineId,
        /// Whose it should be.
        participant: ParticipantNumber,
        /// Where it should end.
        gateway: GatewayId,
    },
    /// Of an unknown participant.
    #[error(
        "the device with certificate {fingerprint} belongs to participant {participant}, who is not there"
    )]
    Device {
        /// Which.
        fingerprint: Fingerprint,
        /// Whose it should be.
        participant: ParticipantNumber,
    },
    /// A side or the service is unknown, or it is the second about the service.
    #[error(
        "agreement {agreement}: participant {participant} or service {service} is not there, or the two have another open agreement"
    )]
    Agreement {
        /// Which.
        agreement: AgreementId,
        /// The asking side.
        participant: ParticipantNumber,
        /// About what.
        service: ServiceId,
    },
}

/// A model that is being filled. Give it gateways, participants, services,
/// lines, devices and agreements, in this order; what is ended, retired or
/// revoked may be given and is left out.
#[derive(Debug)]
pub struct Loader {
    model: Model,
    dirty: Dirty,
}

impl Model {
    /// Begins to load the state after ledger entry `revision`. Read all rows in
    /// one transaction, with that revision.
    ///
    /// Every participant gets the revision as its generation: it is not known
    /// when something was last taken from whom, so every flow that a gateway
    /// knows from before is checked anew, once.
    #[must_use]
    pub fn load(network: NetworkPrefix, revision: Revision) -> Loader {
        let mut model = Self::new(network);
        model.revision = revision;
        Loader {
            model,
            dirty: Dirty::off(),
        }
    }
}

impl Loader {
    /// # Errors
    /// When it does not fit what is loaded already; so do all others.
    pub fn gateway(&mut self, row: &registry::Gateway) -> Result<(), LoadError> {
        let error = || LoadError::Gateway(row.gateway.clone());
        if self.model.gateway_names.contains_key(&row.gateway) {
            return Err(error());
        }
        let entry = GatewayEntry {
            gateway: row.gateway.clone(),
            backbone: row.backbone,
            blocks: row.blocks.clone(),
        };
        (self.model.put_gateway(&mut self.dirty, entry)).map_err(|_| error())
    }

    /// A participant, whatever its standing.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn participant(&mut self, row: &registry::Participant) -> Result<(), LoadError> {
        self.model
            .add_participant(row.number)
            .map_err(|_| LoadError::Participant(row.number))?;
        if let Some(known) = self.model.participants.get_mut(row.number) {
            known.quarantined = row.standing == Standing::Quarantined;
            known.closed = row.standing == Standing::Closed;
            known.not_open = NotOpen::of(row.standing_behind_quarantine());
        }
        Ok(())
    }

    /// # Errors
    /// See [`LoadError`].
    pub fn service(&mut self, row: &registry::Service) -> Result<(), LoadError> {
        if row.retired {
            return Ok(());
        }
        let service = Service {
            provider: row.provider,
            class: row.class,
            name: row.name.as_str().into(),
            endpoints: row.endpoints.clone(),
            grantees: BTreeSet::new(),
        };
        (self
            .model
            .add_service(&mut self.dirty, row.service, service))
        .map_err(|_| LoadError::Service {
            service: row.service,
            provider: row.provider,
        })
    }

    /// # Errors
    /// See [`LoadError`].
    pub fn line(&mut self, row: &registry::Line) -> Result<(), LoadError> {
        let entry = LineEntry {
            line: row.line,
            kind: row.kind,
            circuit: row.circuit.clone(),
            participant: row.participant,
            site: row.site,
        };
        (self.model.add_line(&mut self.dirty, &entry)).map_err(|_| LoadError::Line {
            line: row.line,
            participant: row.participant,
            gateway: row.circuit.gateway.clone(),
        })
    }

    /// # Errors
    /// See [`LoadError`].
    pub fn device(&mut self, row: &registry::Device) -> Result<(), LoadError> {
        if row.revoked.is_some() || row.ran_out_at.is_some() {
            return Ok(());
        }
        let entry = DeviceEntry {
            participant: row.participant,
            device: row.device,
            fingerprint: row.fingerprint,
            not_after: row.not_after,
        };
        (self.model.add_device(&mut self.dirty, &entry)).map_err(|_| LoadError::Device {
            fingerprint: row.fingerprint,
            participant: row.participant,
        })
    }

    /// # Errors
    /// See [`LoadError`].
    pub fn agreement(&mut self, row: &registry::Agreement) -> Result<(), LoadError> {
        let stage = match row.state {
            AgreementState::Ended => return Ok(()),
            AgreementState::Accepted => Stage::Accepted,
            AgreementState::Proposed if row.proposed_by == row.participant => {
                Stage::ProposedByParticipant
            }
            AgreementState::Proposed => Stage::ProposedByProvider,
        };
        let error = || LoadError::Agreement {
            agreement: row.agreement,
            participant: row.participant,
            service: row.service,
        };
        if self.model.agreement(row.participant, row.service).is_some() {
            return Err(error());
        }
        let agreement = Agreement {
            agreement: row.agreement,
            from: row.validity.from,
            until: row.validity.until,
            service: row.service,
            purpose: self.model.purposes.number_of(row.purpose),
            stage,
        };
        (self
            .model
            .put_agreement(&mut self.dirty, row.participant, agreement))
        .map_err(|_| error())
    }

    /// The model, ready to serve.
    #[must_use]
    pub fn finish(self) -> Model {
        self.model
    }
}
