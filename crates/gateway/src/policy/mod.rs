//! What this gateway enforces: the policy as the center signed it, who is bound
//! to which line, and what the datapath's tables must hold for it now.
//!
//! I/O-free. Time, randomness and interface numbers are handed in; what has to
//! be done comes out as a list of [`Op`], in the order to do it. It must not
//! know how the tables are kept, nor what a session is made of.

mod apply;
mod attach;
mod comparison;
mod entries;
#[cfg(test)]
mod tests;
mod time;

pub use apply::{Prepared, Replaced};
pub use attach::{Authorised, Binding};
pub use comparison::{Comparison, Held};
pub use entries::{Tables, Unserved};

use entries::Entries;
use iryonet_domain::{
    Endpoint, Fingerprint, GatewayId, LineId, NetworkPrefix, ParticipantNumber, ServiceId,
    UnixMillis,
};
use iryonet_wire::attach::Refusal;
use iryonet_wire::feed::{Condition, GatewayEntry, LineEntry, Revision};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Certificates that were taken away are remembered, so that their holder is
/// told "revoked" and not only "unknown". The oldest are forgotten first.
pub const GONE_MAX: usize = 65_536;

/// One thing to do, in the datapath or to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// End a binding: first in the datapath, then towards the session.
    Unbind {
        /// Which line.
        line: LineId,
        /// The interface it was bound on.
        ifindex: u32,
        /// The session that held it.
        session: u64,
        /// What the session is told; `None`: the lease ran out, nobody listens.
        reason: Option<Refusal>,
    },
    /// A path is closed.
    RemoveGrant {
        /// Who may no longer.
        participant: ParticipantNumber,
        /// Use what.
        service: ServiceId,
    },
    /// An address and port are no longer a service.
    RemoveEndpoint(Endpoint),
    /// A participant concerns this gateway no more.
    RemoveParticipant(ParticipantNumber),
    /// A participant's condition or generation.
    SetParticipant {
        /// Who.
        number: ParticipantNumber,
        /// Condition.
        condition: Condition,
        /// Generation for the datapath (see [`Policy`]).
        generation: u32,
    },
    /// An address and port are this service.
    SetEndpoint(Endpoint, ServiceId),
    /// A path is open.
    SetGrant {
        /// Who may.
        participant: ParticipantNumber,
        /// Use what.
        service: ServiceId,
    },
    /// Make the tables equal to [`Policy::tables`], by a [`Comparison`].
    Reconcile,
}

/// Why a snapshot or a delta is kept out. The old state stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Made for another gateway.
    #[error("it was made for gateway {found}, and this is {own}")]
    OtherGateway {
        /// For whom it was made.
        found: GatewayId,
        /// Who we are.
        own: GatewayId,
    },
    /// Of another network.
    #[error(
        "it is for network {found}, and this gateway was set up for {own}; enrol the gateway anew to change networks"
    )]
    OtherNetwork {
        /// Its network.
        found: NetworkPrefix,
        /// Ours.
        own: NetworkPrefix,
    },
    /// Older than what is enforced: replayed.
    #[error(
        "it was signed at {found} (Unix milliseconds), before the one in force ({own}): an old one was sent again"
    )]
    Older {
        /// When it was signed.
        found: u64,
        /// When the one in force was.
        own: u64,
    },
    /// Not the step that follows.
    #[error("it leads from revision {found}, and revision {own} is in force: a snapshot is needed")]
    Gap {
        /// Where it begins.
        found: Revision,
        /// What is in force.
        own: Revision,
    },
    /// Leads back.
    #[error("it leads from revision {from} back to {to}")]
    Backwards {
        /// Where it begins.
        from: Revision,
        /// Where it ends.
        to: Revision,
    },
}

/// The state. See the module.
///
/// **Generations.** The datapath believes a flow while both participants'
/// generations are those of its last check. The center raises a generation when
/// it takes something away; this gateway has to do the same when a grant ends by
/// its own time, and after a restart, when it cannot know what it had raised. So
/// the datapath's generation is the center's, plus a random salt taken at each
/// snapshot, plus what was raised here since.
#[derive(Debug)]
pub struct Policy {
    gateway: GatewayId,
    network: NetworkPrefix,
    revision: Revision,
    issued_at: UnixMillis,
    valid_until: UnixMillis,
    /// No snapshot yet, or its validity has ended: nothing is allowed.
    lapsed: bool,
    /// The tables show the state at this time.
    at: UnixMillis,
    entries: Entries,
    salt: u32,
    raised: BTreeMap<ParticipantNumber, u32>,
    gone: BTreeSet<Fingerprint>,
    gone_order: VecDeque<Fingerprint>,
    bindings: BTreeMap<LineId, Binding>,
    bound_of: BTreeMap<ParticipantNumber, BTreeSet<LineId>>,
    lease_ends: BTreeSet<(u64, LineId)>,
}

impl Policy {
    /// A gateway that holds no policy yet: it lets nothing pass.
    #[must_use]
    pub fn new(gateway: GatewayId, network: NetworkPrefix) -> Self {
        Self {
            gateway,
            network,
            revision: 0,
            issued_at: UnixMillis(0),
            valid_until: UnixMillis(0),
            lapsed: true,
            at: UnixMillis(0),
            entries: Entries::default(),
            salt: 0,
            raised: BTreeMap::new(),
            gone: BTreeSet::new(),
            gone_order: VecDeque::new(),
            bindings: BTreeMap::new(),
            bound_of: BTreeMap::new(),
            lease_ends: BTreeSet::new(),
        }
    }

    /// Which gateway this is.
    #[must_use]
    pub fn gateway(&self) -> &GatewayId {
        &self.gateway
    }

    /// The network's prefix.
    #[must_use]
    pub fn network(&self) -> NetworkPrefix {
        self.network
    }

    /// The revision that the tables show; 0 before the first snapshot.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// When the policy in force was signed.
    #[must_use]
    pub fn issued_at(&self) -> UnixMillis {
        self.issued_at
    }

    /// Until when it may be used.
    #[must_use]
    pub fn valid_until(&self) -> UnixMillis {
        self.valid_until
    }

    /// Is there a policy in force?
    #[must_use]
    pub fn in_force(&self) -> bool {
        !self.lapsed
    }

    /// What the datapath's tables must hold now.
    #[must_use]
    pub fn tables(&self) -> Tables<'_> {
        Tables { policy: self }
    }

    /// Lines that this gateway serves, ascending.
    pub fn lines(&self) -> impl Iterator<Item = &LineEntry> {
        self.entries.served_lines(&self.gateway)
    }

    /// Lines in the policy that it cannot serve, and why.
    pub fn unserved(&self) -> impl Iterator<Item = (&LineEntry, Unserved)> {
        self.entries.unserved_lines(&self.gateway)
    }

    /// All gateways, ascending.
    pub fn gateways(&self) -> impl Iterator<Item = &GatewayEntry> {
        self.entries.gateways.values()
    }

    /// Lines bound now, ascending.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values()
    }

    /// How many lines are bound.
    #[must_use]
    pub fn bound_lines(&self) -> u32 {
        u32::try_from(self.bindings.len()).unwrap_or(u32::MAX)
    }

    /// The binding of a line.
    #[must_use]
    pub fn binding(&self, line: LineId) -> Option<&Binding> {
        self.bindings.get(&line)
    }

    /// Certificates that were taken away, in the order it happened.
    pub fn gone(&self) -> impl Iterator<Item = &Fingerprint> {
        self.gone_order.iter()
    }

    /// Remembers certificates that were taken away in an earlier run.
    pub fn remember_gone<I: IntoIterator<Item = Fingerprint>>(&mut self, fingerprints: I) {
        for fingerprint in fingerprints {
            if !self.entries.devices.contains_key(&fingerprint) && self.gone.insert(fingerprint) {
                self.gone_order.push_back(fingerprint);
                if self.gone_order.len() > GONE_MAX
                    && let Some(oldest) = self.gone_order.pop_front()
                {
                    self.gone.remove(&oldest);
                }
            }
        }
    }

    fn generation(&self, number: ParticipantNumber, of_center: u32) -> u32 {
        of_center
            .wrapping_add(self.salt)
            .wrapping_add(self.raised.get(&number).copied().unwrap_or(0))
    }
}
