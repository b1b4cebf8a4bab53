//! What the model keeps of each noun, as small as it can be.
//!
//! It must not know how any of it changes: see [`crate::model`].

use crate::packed::{Keyed, Packed};
use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, LineId, LineKind,
    ParticipantNumber, Purpose, ServiceId, SiteIndex, TrafficClass, UnixMillis,
};
use iryonet_registry::Standing;
use iryonet_wire::feed::{
    Condition, DeviceEntry, GatewayEntry, Grant, LineEntry, ParticipantEntry, ServiceEntry,
};
use std::collections::{BTreeMap, BTreeSet};

/// A gateway by its place in the model's list: two bytes where a name would
/// take twenty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GatewayIndex(pub(crate) u16);

/// A gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) entry: GatewayEntry,
    /// Lines that end here.
    pub(crate) lines: BTreeSet<LineId>,
}

/// A participant and all that hangs on it.
#[derive(Debug, Default)]
pub(crate) struct Participant {
    pub(crate) generation: u32,
    pub(crate) closed: bool,
    pub(crate) quarantined: bool,
    /// Why it is not open, beside a quarantine.
    pub(crate) not_open: Option<NotOpen>,
    pub(crate) lines: Packed<LineAt>,
    /// Devices that were not revoked.
    pub(crate) devices: Packed<Device>,
    /// Open agreements in which it is the asking side, proposals too.
    pub(crate) agreements: Packed<Agreement>,
    /// Which gateways it concerns, and for how many reasons: each of its own
    /// lines there, each grant to a provider with a line there, each grant of
    /// a service of its own to somebody with a line there.
    pub(crate) concern: Packed<Concern>,
}

impl Participant {
    pub(crate) fn condition(&self) -> Condition {
        if self.closed {
            Condition::Closed
        } else if self.quarantined {
            Condition::Quarantined
        } else if self.devices.is_empty() {
            Condition::NoDevice
        } else if self.not_open.is_some() {
            Condition::NotOpen
        } else {
            Condition::Live
        }
    }

    pub(crate) fn entry(&self, number: ParticipantNumber) -> ParticipantEntry {
        ParticipantEntry {
            number,
            condition: self.condition(),
            generation: self.generation,
        }
    }

    /// Where its lines end, ascending, each once.
    pub(crate) fn present_at(&self) -> Vec<GatewayIndex> {
        let mut list: Vec<_> = self.lines.iter().map(|line| line.gateway).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// Which gateways it concerns, ascending.
    pub(crate) fn concerns(&self) -> Vec<GatewayIndex> {
        self.concern.iter().map(|concern| concern.gateway).collect()
    }

    /// One reason more or fewer for which it concerns a gateway.
    pub(crate) fn shift_concern(&mut self, gateway: GatewayIndex, shift: Shift) {
        match (self.concern.get_mut(&gateway), shift) {
            (Some(concern), Shift::More) => concern.reasons += 1,
            (None, Shift::More) => {
                self.concern.insert(Concern {
                    gateway,
                    reasons: 1,
                });
            }
            (Some(concern), Shift::Fewer) if concern.reasons > 1 => concern.reasons -= 1,
            (_, Shift::Fewer) => {
                self.concern.remove(&gateway);
            }
        }
    }
}

/// Why a participant is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOpen {
    /// 開通前.
    Admitted,
    /// 休止.
    Suspended,
    /// 保留.
    OnHold,
}

impl NotOpen {
    /// What a standing means here; nothing for one that is open, and for those
    /// that have a condition of their own.
    pub(crate) fn of(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Admitted => Some(Self::Admitted),
            Standing::Suspended => Some(Self::Suspended),
            Standing::OnHold => Some(Self::OnHold),
            Standing::Open | Standing::Quarantined | Standing::Closed => None,
        }
    }
}

/// One more, or one fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    More,
    Fewer,
}

/// For how many reasons a participant concerns a gateway; never zero.
#[derive(Debug)]
pub(crate) struct Concern {
    pub(crate) gateway: GatewayIndex,
    pub(crate) reasons: u32,
}

impl Keyed for Concern {
    type Key = GatewayIndex;
    fn key(&self) -> GatewayIndex {
        self.gateway
    }
}

/// A participant's line, and where it ends.
#[derive(Debug)]
pub(crate) struct LineAt {
    pub(crate) line: LineId,
    pub(crate) gateway: GatewayIndex,
}

impl Keyed for LineAt {
    type Key = LineId;
    fn key(&self) -> LineId {
        self.line
    }
}

/// A certificate of a device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) device: DeviceId,
    pub(crate) not_after: UnixMillis,
}

impl Device {
    pub(crate) fn entry(&self, participant: ParticipantNumber) -> DeviceEntry {
        DeviceEntry {
            participant,
            device: self.device,
            fingerprint: self.fingerprint,
            not_after: self.not_after,
        }
    }
}

impl Keyed for Device {
    type Key = Fingerprint;
    fn key(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// How far an agreement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    ProposedByParticipant,
    ProposedByProvider,
    Accepted,
}

/// A purpose's place among those of all agreements: the word stands in memory
/// once, not in each of millions of agreements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PurposeNumber(u32);

/// Purposes that agreements were made for, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Purposes {
    words: Vec<Purpose>,
    numbers: BTreeMap<Purpose, PurposeNumber>,
}

impl Purposes {
    pub(crate) fn number_of(&mut self, purpose: Purpose) -> PurposeNumber {
        *self.numbers.entry(purpose).or_insert_with(|| {
            self.words.push(purpose);
            // Memory ends long before the numbers do.
            PurposeNumber(u32::try_from(self.words.len() - 1).unwrap_or(u32::MAX))
        })
    }

    /// The word of a number that was given here; none is ever taken back.
    pub(crate) fn word_of(&self, number: PurposeNumber) -> Purpose {
        self.words[number.0 as usize]
    }
}

/// An open agreement of a participant; there is at most one about a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreement {
    pub(crate) agreement: AgreementId,
    pub(crate) from: UnixMillis,
    pub(crate) until: UnixMillis,
    pub(crate) service: ServiceId,
    pub(crate) purpose: PurposeNumber,
    pub(crate) stage: Stage,
}

impl Agreement {
    pub(crate) fn grant(&self, participant: ParticipantNumber) -> Grant {
        Grant {
            participant,
            service: self.service,
            agreement: self.agreement,
            from: self.from,
            until: self.until,
        }
    }
}

impl Keyed for Agreement {
    type Key = ServiceId;
    fn key(&self) -> ServiceId {
        self.service
    }
}

/// The name of an interface, kept in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InterfaceName {
    bytes: [u8; 15],
    len: u8,
}

impl InterfaceName {
    /// `None` for a name that Linux would not take (more than 15 bytes).
    pub(crate) fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; 15];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            len: u8::try_from(name.len()).ok()?,
        })
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// A line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) participant: ParticipantNumber,
    pub(crate) interface: InterfaceName,
    pub(crate) gateway: GatewayIndex,
    pub(crate) site: SiteIndex,
    pub(crate) kind: LineKind,
}

impl Line {
    pub(crate) fn entry(&self, line: LineId, gateway: &GatewayId) -> LineEntry {
        LineEntry {
            line,
            kind: self.kind,
            circuit: Circuit {
                gateway: gateway.clone(),
                interface: self.interface.text(),
            },
            participant: self.participant,
            site: self.site,
        }
    }
}

/// A service that was not retired.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) provider: ParticipantNumber,
    pub(crate) class: TrafficClass,
    pub(crate) name: Box<str>,
    /// Ascending, each once.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Who has an accepted agreement about it.
    pub(crate) grantees: BTreeSet<ParticipantNumber>,
}

impl Service {
    pub(crate) fn entry(&self, service: ServiceId) -> ServiceEntry {
        ServiceEntry {
            service,
            provider: self.provider,
            class: self.class,
            endpoints: self.endpoints.clone(),
        }
    }
}
