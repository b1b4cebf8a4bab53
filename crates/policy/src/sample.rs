//! A made-up network of any size, for benchmarks and tests: the same one for
//! the same numbers, in milliseconds per thousand institutions.
//!
//! Rows are computed from their place, one after another, and nothing is kept:
//! they can fill a model, a store, or both. Codes are well formed and belong to
//! nobody.

use crate::load::LoadError;
use crate::model::Model;
use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, InstitutionCode,
    InstitutionKind, LineId, LineKind, NetworkPrefix, ParticipantKind, ParticipantNumber,
    Prefecture, Protocol, Purpose, ServiceId, TrafficClass, UnixMillis, Validity,
};
use iryonet_registry as registry;
use iryonet_registry::{AgreementState, Serial, Standing};
use std::net::Ipv6Addr;

/// How large, and of what shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The address plan.
    pub network: NetworkPrefix,
    /// Institutions: one site, one line and one device each.
    pub institutions: u32,
    /// Accepted agreements, spread evenly over the institutions.
    pub grants: u32,
    /// Gateways; institutions and providers are at home at each in turn.
    pub gateways: u8,
    /// Providers: one line and one device each.
    pub providers: u32,
    /// Services of each provider, one TCP endpoint each.
    pub services_per_provider: u16,
    /// Which agreements there are and what the fingerprints look like.
    pub seed: u64,
    /// Of every agreement; certificates end with it.
    pub validity: Validity,
}

/// A network of this shape cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// No gateway, or more participants than their blocks have numbers.
    #[error(
        "{participants} participants do not fit into the blocks of {gateways} gateways; 255 blocks have 65536 numbers each, and codes reach for 47 million institutions"
    )]
    Participants {
        /// Institutions and providers.
        participants: u64,
        /// Gateways.
        gateways: u8,
    },
    /// More agreements than an institution may have, or than there are services.
    #[error(
        "{each} agreements for each institution are too many: there are {services} services, and an institution has at most {limit} open agreements", limit = registry::limits::OPEN_AGREEMENTS_PER_PARTICIPANT
    )]
    Grants {
        /// Agreements of one institution.
        each: u64,
        /// Services.
        services: u64,
    },
    /// More services than a provider may have, or than there are numbers.
    #[error(
        "{providers} providers with {each} services each are too many; a provider has at most {limit}, and numbers end at 16777215", limit = registry::limits::SERVICES_PER_PROVIDER
    )]
    Services {
        /// Providers.
        providers: u32,
        /// Services of one provider.
        each: u16,
    },
}

impl Sample {
    /// A network with two gateways, and 60 providers with five services each.
    #[must_use]
    pub fn new(network: NetworkPrefix, institutions: u32, grants: u32, seed: u64) -> Self {
        Self {
            network,
            institutions,
            grants,
            gateways: 2,
            providers: 60,
            services_per_provider: 5,
            seed,
            validity: Validity {
                from: UnixMillis(0),
                until: UnixMillis(4_102_444_800_000), // 2100-01-01
            },
        }
    }

    /// # Errors
    /// When a network of this shape cannot be.
    pub fn check(&self) -> Result<(), SampleError> {
        let participants = u64::from(self.institutions) + u64::from(self.providers);
        let rounds = 255u64.checked_div(self.gateways.into()).unwrap_or(0);
        // Each gateway in turn gets one; the fullest has one more than the others.
        let fullest = participants.div_ceil(u64::from(self.gateways).max(1));
        if fullest > rounds << 16 || self.institutions > 47_000_000 {
            return Err(SampleError::Participants {
                participants,
                gateways: self.gateways,
            });
        }
        let services = u64::from(self.services());
        let each = usize::from(self.services_per_provider);
        if services > 0x00ff_ffff || each > registry::limits::SERVICES_PER_PROVIDER {
            return Err(SampleError::Services {
                providers: self.providers,
                each: self.services_per_provider,
            });
        }
        let each = u64::from(self.grants).div_ceil(u64::from(self.institutions).max(1));
        if each > services.min(registry::limits::OPEN_AGREEMENTS_PER_PARTICIPANT as u64) {
            return Err(SampleError::Grants { each, services });
        }
        Ok(())
    }

    /// How many services there are.
    #[must_use]
    pub fn services(&self) -> u32 {
        self.providers
            .saturating_mul(self.services_per_provider.into())
    }

    /// The number of the i-th institution, from 0.
    #[must_use]
    pub fn institution(&self, index: u32) -> Option<ParticipantNumber> {
        (index < self.institutions)
            .then(|| self.number(self.providers.checked_add(index)?))
            .flatten()
    }

    /// The number of the i-th provider, from 0.
    #[must_use]
    pub fn provider(&self, index: u32) -> Option<ParticipantNumber> {
        (index < self.providers)
            .then(|| self.number(index))
            .flatten()
    }

    /// The services of the i-th institution's agreements, ascending by place.
    pub fn services_of(&self, institution: u32) -> impl Iterator<Item = ServiceId> + '_ {
        let services = self.services().max(1);
        let start = mix(self.seed ^ u64::from(institution)) % u64::from(services);
        (0..self.grants_of(institution)).filter_map(move |turn| {
            ServiceId::new(((start + u64::from(turn)) % u64::from(services)) as u32 + 1).ok()
        })
    }

    /// Gateways: `gw-1` and so on.
    pub fn gateway_rows(&self) -> impl Iterator<Item = registry::Gateway> + '_ {
        (0..self.gateways).filter_map(|index| {
            Some(registry::Gateway {
                gateway: gateway(index)?,
                backbone: self.network.infrastructure(1, u64::from(index) + 0x11),
                blocks: (index + 1..=255).step_by(self.gateways.into()).collect(),
            })
        })
    }

    /// Providers, then institutions.
    pub fn participant_rows(&self) -> impl Iterator<Item = registry::Participant> + '_ {
        self.places().filter_map(|(place, number)| {
            let (kind, code, name) = match place.checked_sub(self.providers) {
                None => (ParticipantKind::Provider, None, format!("事業者{place}")),
                Some(index) => {
                    let kind = InstitutionKind::ALL[index as usize % 2];
                    let prefecture = Prefecture::new((index / 1_000_000) as u8 + 1).ok()?;
                    let code = InstitutionCode::generate(
                        prefecture,
                        kind.score_table()?,
                        (index / 10_000 % 100) as u8,
                        (index % 10_000) as u16,
                    );
                    let kind = ParticipantKind::Institution(kind);
                    (kind, Some(code), format!("機関{index}"))
                }
            };
            Some(registry::Participant {
                number,
                kind,
                name,
                code,
                standing: Standing::Open,
                admitted_at: UnixMillis(0),
                membership: registry::Membership::default(),
            })
        })
    }

    /// One site for each participant, 0.
    pub fn site_rows(&self) -> impl Iterator<Item = registry::Site> + '_ {
        self.places().map(|(_, participant)| registry::Site {
            participant,
            site: 0,
            name: "本院".to_owned(),
        })
    }

    /// One line for each participant.
    pub fn line_rows(&self) -> impl Iterator<Item = registry::Line> + '_ {
        self.places().filter_map(|(place, participant)| {
            Some(registry::Line {
                line: LineId(place + 1),
                kind: LineKind::Ethernet,
                participant,
                site: 0,
                circuit: Circuit {
                    gateway: gateway((place % u32::from(self.gateways)) as u8)?,
                    interface: format!("ac{place}"),
                },
            })
        })
    }

    /// One device for each participant.
    pub fn device_rows(&self) -> impl Iterator<Item = registry::Device> + '_ {
        self.places().filter_map(|(place, participant)| {
            Some(registry::Device {
                participant,
                device: DeviceId(1),
                fingerprint: self.fingerprint(place),
                serial: Serial::from_octets(&(u64::from(place) + 1).to_be_bytes()).ok()?,
                not_before: self.validity.from,
                not_after: self.validity.until,
                revoked: None,
                ran_out_at: None,
            })
        })
    }

    /// All services.
    pub fn service_rows(&self) -> impl Iterator<Item = registry::Service> + '_ {
        let each = u32::from(self.services_per_provider).max(1);
        (0..self.services()).filter_map(move |index| {
            let provider = self.provider(index / each)?;
            Some(registry::Service {
                service: ServiceId::new(index + 1).ok()?,
                provider,
                name: format!("サービス{index}"),
                class: TrafficClass::Interactive,
                purposes: vec![Purpose::REGIONAL_COLLABORATION],
                endpoints: vec![Endpoint {
                    address: Ipv6Addr::from(u128::from(self.network.participant(provider)) | 0x10),
                    protocol: Protocol::Tcp,
                    port: 443 + (index % each) as u16,
                }],
                eligible: Vec::new(),
                offer: registry::Offer::default(),
                retired: false,
            })
        })
    }

    /// All agreements, accepted.
    pub fn agreement_rows(&self) -> impl Iterator<Item = registry::Agreement> + '_ {
        (0..self.institutions)
            .filter_map(|index| Some((index, self.institution(index)?)))
            .flat_map(|(index, participant)| {
                self.services_of(index).map(move |id| (participant, id))
            })
            .zip(1..)
            .map(|((participant, service), agreement)| registry::Agreement {
                agreement: AgreementId(agreement),
                participant,
                service,
                purpose: Purpose::REGIONAL_COLLABORATION,
                validity: self.validity,
                proposed_by: participant,
                state: AgreementState::Accepted,
                proposing_officer: None,
                accepting_officer: None,
                automatic: false,
                noticed_at: None,
            })
    }

    /// A model of this network, at `revision`.
    ///
    /// # Errors
    /// When the shape is one that [`Sample::check`] refuses.
    pub fn model(&self, revision: u64) -> Result<Model, LoadError> {
        let mut loader = Model::load(self.network, revision);
        for row in self.gateway_rows() {
            loader.gateway(&row)?;
        }
        for row in self.participant_rows() {
            loader.participant(&row)?;
        }
        for row in self.service_rows() {
            loader.service(&row)?;
        }
        for row in self.line_rows() {
            loader.line(&row)?;
        }
        for row in self.device_rows() {
            loader.device(&row)?;
        }
        for row in self.agreement_rows() {
            loader.agreement(&row)?;
        }
        Ok(loader.finish())
    }

    /// The fingerprint of the certificate of the participant at a place:
    /// providers first, then institutions.
    #[must_use]
    pub fn fingerprint(&self, place: u32) -> Fingerprint {
        let mut bytes = [0; 32];
        for (turn, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            let word = mix(mix(self.seed ^ u64::from(place)) ^ turn as u64);
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        Fingerprint(bytes)
    }

    fn places(&self) -> impl Iterator<Item = (u32, ParticipantNumber)> + '_ {
        (0..self.providers.saturating_add(self.institutions))
            .filter_map(|place| Some((place, self.number(place)?)))
    }

    /// Each gateway in turn takes the next number of its blocks.
    fn number(&self, place: u32) -> Option<ParticipantNumber> {
        let gateways = u32::from(self.gateways);
        let (turn, home) = (place.checked_div(gateways)?, place.checked_rem(gateways)?);
        let block = home + 1 + (turn >> 16) * gateways;
        ParticipantNumber::new(block << 16 | turn & 0xffff).ok()
    }

    fn grants_of(&self, institution: u32) -> u32 {
        let each = self.grants / self.institutions.max(1);
        let rest = self.grants % self.institutions.max(1);
        each + u32::from(institution < rest)
    }
}

fn gateway(index: u8) -> Option<GatewayId> {
    format!("gw-{}", u32::from(index) + 1).parse().ok()
}

/// splitmix64 (Steele, Lea, Flood 2014): enough to look random, nothing more.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
