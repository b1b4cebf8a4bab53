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
    Agreement, Gateway, GatewayIndex, Line, NotOpen, Participant, Purposes, Service, Stage,
};
use iryonet_domain::{Endpoint, GatewayId, LineId, NetworkPrefix, ParticipantNumber, ServiceId};
use iryonet_registry::{Event, RecheckEvent};
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
    pub(crate) purposes: Purposes,
    pub(crate) unfit_events: u64,
    pub(crate) compared: u64,
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
            purposes: Purposes::default(),
            unfit_events: 0,
            compared: 0,
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

    /// How many records (participants, grants, devices, lines, services, gateways)
    /// entries have touched so far: each was compared as it was before its entry
    /// and after it, for the gateways that hold it. What an entry costs, counted
    /// and not timed; loading counts nothing.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared
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
                ..
            } => {
                let proposed = Agreement {
                    agreement: *agreement,
                    from: validity.from,
                    until: validity.until,
                    service: *service,
                    purpose: self.purposes.number_of(*purpose),
                    stage: if by == participant {
                        Stage::ProposedByParticipant
                    } else {
                        Stage::ProposedByProvider
                    },
                };
                self.put_agreement(dirty, *participant, proposed)
            }
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
            Event::AgreementEndSet {
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
                let shorter = Agreement {
                    from: validity.from,
                    until: validity.until,
                    ..known
                };
                self.put_agreement(dirty, *participant, shorter)
            }
            Event::Membership(event) => {
                if let Some(standing) = event.standing() {
                    self.participant(dirty, event.participant())?.not_open = NotOpen::of(standing);
                }
                Ok(())
            }
            Event::Recheck(RecheckEvent::DeviceRanOut {
                participant,
                fingerprint,
                ..
            }) => {
                // Gone already where the next certificate came in its place.
                self.drop_devices(dirty, *participant, |known| {
                    known.fingerprint == *fingerprint
                });
                Ok(())
            }
            // Names, sites, codes, cases and gateways' certificates pass no packet.
            Event::SiteAdded { .. }
            | Event::EnrolmentCodeIssued { .. }
            | Event::EnrolmentCodeSpent { .. }
            | Event::GatewayCertified { .. }
            | Event::GatewayCertificateRevoked { .. }
            | Event::ApplicantListed { .. }
            | Event::ApplicantChanged { .. }
            | Event::ListImported { .. }
            | Event::DeviceRenewed { .. }
            | Event::ServiceOfferChanged { .. }
            | Event::AgreementNoticed { .. }
            | Event::RulesPublished { .. }
            | Event::Case(_)
            | Event::Recheck(_)
            | Event::GatewayCertificateRenewed { .. }
            | Event::AccountCreated { .. }
            | Event::AccountRoleGranted { .. }
            | Event::AccountRoleTaken { .. }
            | Event::AccountBound { .. }
            | Event::AccountLocked { .. }
            | Event::AccountUnlocked { .. }
            | Event::AccountRetired { .. }
            | Event::AccountLinked { .. }
            | Event::AccountUnlinked { .. }
            | Event::LoginCodeHandedOut { .. }
            | Event::LoggedIn { .. }
            | Event::LoggedOut { .. }
            | Event::CredentialSet { .. }
            | Event::CredentialRemoved { .. }
            | Event::AccountLockedOut { .. } => Ok(()),
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
    pub(crate) fn participant(
        &mut self,
        dirty: &mut Dirty,
        number: ParticipantNumber,
    ) -> Result<&mut Participant, Unfit> {
        dirty.participant(self, number);
        self.participants.get_mut(number).ok_or(Unfit)
    }
}
