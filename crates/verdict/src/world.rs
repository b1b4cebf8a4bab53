//! What the verdict reads and writes: the tables, seen through one trait, and
//! the layout of their entries, which the kernel and user space share.
//!
//! Every entry that lives in a map is `repr(C)` with its padding spelled out,
//! so that equal entries are equal bytes. Addresses are kept without the 32
//! bits that all of them share.

use core::mem::MaybeUninit;

use crate::address::participant_of;
use crate::packet::{Ipv6, Packet, TRANSPORT_OFFSET, protocol};
use crate::{DenyReason, flows, slot};

/// Where on the gateway a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hook {
    /// A packet that a site sent into its line.
    LineIn = 0,
    /// A packet that is about to be delivered to a site.
    LineOut = 1,
    /// A packet that another gateway or the center sent over the backbone.
    BackboneIn = 2,
}

impl Hook {
    /// Every hook.
    pub const ALL: [Hook; 3] = [Hook::LineIn, Hook::LineOut, Hook::BackboneIn];

    /// The name used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Hook::LineIn => "line-in",
            Hook::LineOut => "line-out",
            Hook::BackboneIn => "backbone-in",
        }
    }

    /// The hook with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Hook::LineIn),
            1 => Some(Hook::LineOut),
            2 => Some(Hook::BackboneIn),
            _ => None,
        }
    }
}

/// The two slot tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `number 24 | state 8 | generation 32`.
    Participants,
    /// `participant 24 | service 24 | spare 16`.
    Grants,
}

impl Table {
    /// Bits below the key.
    #[inline(always)]
    pub const fn shift(self) -> u32 {
        match self {
            Table::Participants => 40,
            Table::Grants => 16,
        }
    }
}

/// Where a participant stands, as far as packets are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ParticipantState {
    /// Open on the network.
    Live = 1,
    /// Cut off until somebody has looked into it.
    Quarantined = 2,
    /// Not open, or no longer.
    NotLive = 3,
}

impl ParticipantState {
    /// The state with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Live),
            2 => Some(Self::Quarantined),
            3 => Some(Self::NotLive),
            _ => None,
        }
    }
}

/// An entry of the participants' table; 0 stands for an unknown participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParticipantSlot(pub u64);

impl ParticipantSlot {
    /// Packs an entry; `number` is cut to 24 bits.
    pub const fn new(number: u32, state: ParticipantState, generation: u32) -> Self {
        Self(((number & 0xff_ffff) as u64) << 40 | (state as u64) << 32 | generation as u64)
    }

    /// The participant's number.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        (self.0 >> 40) as u32
    }

    /// The number of the state; 0 for an unknown participant.
    #[inline(always)]
    pub const fn state_number(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// The generation: flows checked under another one are checked again.
    #[inline(always)]
    pub const fn generation(self) -> u32 {
        self.0 as u32
    }

    /// Whether the participant is live.
    #[inline(always)]
    pub const fn is_live(self) -> bool {
        self.state_number() == ParticipantState::Live as u8
    }
}

/// Interfaces that a gateway can bind lines to: those with a smaller index. The
/// kernel counts indices up and never gives one twice, so this bounds how many
/// interfaces a machine makes between two starts, not how many it has.
pub const INTERFACES_MAX: u32 = 65_536;

/// Words of a binding in the table, by interface index: prefix (0 when the line
/// is not bound), end of the lease, slot of the counters.
pub const BINDING_WORDS: usize = 3;

/// Which participant's which site a line carries, while its lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Upper half of the site's /64.
    pub prefix: u64,
    /// End of the lease: nanoseconds of the monotonic clock.
    pub lease_expires_ns: u64,
    /// The participant's number, which stands in the prefix.
    pub participant: u32,
    /// Slot of the line's counters.
    pub counter: u32,
}

/// An address, protocol and port in the network.
///
/// Two whole words: were it put together of smaller pieces, whoever reads it
/// again as words would have to wait until the CPU has written the pieces, and
/// all that it was to write before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct EndpointKey {
    /// Lower half of the address.
    low: u64,
    /// Bits 32..64 of the address, port, protocol: `32 | 16 | 8`, above 8 that
    /// are 0.
    rest: u64,
}

impl EndpointKey {
    /// The key of an endpoint. The port is 0 for ICMPv6 echo.
    #[inline(always)]
    pub const fn new(high: u64, low: u64, protocol: u8, port: u16) -> Self {
        Self {
            low,
            rest: high << 32 | (port as u64) << 16 | (protocol as u64) << 8,
        }
    }

    /// The key that says: this address offers something.
    #[inline(always)]
    pub const fn marker(high: u64, low: u64) -> Self {
        Self::new(high, low, 0, 0)
    }

    /// Whether the key is a marker.
    pub const fn is_marker(&self) -> bool {
        self.rest as u32 == 0
    }

    /// The marker of the endpoint's address.
    pub const fn marker_of(&self) -> Self {
        Self::marker(self.rest >> 32, self.low)
    }

    /// The address: 128 bits, in the network with this prefix (padded to 32).
    pub const fn address(&self, network: u32) -> u128 {
        let high = (network as u64) << 32 | self.rest >> 32;
        (high as u128) << 64 | self.low as u128
    }

    /// The protocol number; 0 for a marker.
    pub const fn protocol(&self) -> u8 {
        (self.rest >> 8) as u8
    }

    /// The port; 0 for ICMPv6 echo.
    pub const fn port(&self) -> u16 {
        (self.rest >> 16) as u16
    }

    /// The participant whose endpoint it is.
    pub const fn participant(&self) -> u32 {
        participant_of(self.rest >> 32)
    }
}

/// A conversation: both ends in one order, whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FlowKey {
    /// Lower half of the smaller end's address.
    pub a_low: u64,
    /// Lower half of the greater end's address.
    pub b_low: u64,
    /// Bits 32..64 of the smaller end's address.
    pub a_high: u32,
    /// Bits 32..64 of the greater end's address.
    pub b_high: u32,
    /// Port of the smaller end.
    pub a_port: u16,
    /// Port of the greater end.
    pub b_port: u16,
    /// Protocol number.
    pub protocol: u8,
    /// Always 0.
    pub zero: [u8; 3],
}

impl FlowKey {
    /// The key of a packet, and whether its sender is end a.
    #[inline(always)]
    pub fn of(
        source: (u64, u64),
        destination: (u64, u64),
        protocol: u8,
        source_port: u16,
        destination_port: u16,
    ) -> (Self, bool) {
        let from = (source.0 as u32, source.1, source_port);
        let to = (destination.0 as u32, destination.1, destination_port);
        let sender_is_a = if source.1 != destination.1 {
            source.1 < destination.1
        } else if from.0 != to.0 {
            from.0 < to.0
        } else {
            from.2 <= to.2
        };
        let (a, b) = if sender_is_a { (from, to) } else { (to, from) };
        let key = Self {
            a_low: a.1,
            b_low: b.1,
            a_high: a.0,
            b_high: b.0,
            a_port: a.2,
            b_port: b.2,
            protocol,
            zero: [0; 3],
        };
        (key, sender_is_a)
    }
}

/// What is known about a conversation that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowValue {
    /// When a packet of it last passed, to the second: monotonic nanoseconds.
    pub last_seen_ns: u64,
    /// Generations of both ends' participants when it was checked: end a's
    /// above end b's, 32 bits each.
    pub generations: u64,
    /// Whether end a opened it.
    pub opened_by_a: bool,
}

/// How long a conversation may be silent before its replies need a new opening.
///
/// TCP 2 h 4 min (RFC 5382 REQ-5), UDP 5 min (RFC 4787 REQ-5), echo 60 s
/// (RFC 5508 REQ-1).
#[inline(always)]
pub const fn flow_idle_max_ns(number: u8) -> u64 {
    match number {
        protocol::TCP => 7_440_000_000_000,
        protocol::UDP => 300_000_000_000,
        _ => 60_000_000_000,
    }
}

/// How often a flow's last-seen time is written, at most. Writing it for each
/// packet would make every CPU fight over the flow's cache line.
pub(crate) const FLOW_TOUCH_NS: u64 = 1_000_000_000;

/// How long later fragments may follow their first one.
///
/// The fragments of one packet are sent back to back and arrive within the
/// spread of the path's delay. RFC 8200 lets a receiver wait 60 s; waiting as
/// long here would only leave more time to reuse an identification.
pub const FRAGMENT_LIFETIME_NS: u64 = 10_000_000_000;

/// A fragmented packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FragmentKey {
    /// Lower half of the source address.
    pub source_low: u64,
    /// Lower half of the destination address.
    pub destination_low: u64,
    /// Bits 32..64 of the source address.
    pub source_high: u32,
    /// Bits 32..64 of the destination address.
    pub destination_high: u32,
    /// Identification.
    pub id: u32,
    /// Next header of the fragment header.
    pub next: u8,
    /// Always 0.
    pub zero: [u8; 3],
}

/// What the first fragment of a packet was allowed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FragmentValue {
    /// Later fragments pass until then: monotonic nanoseconds.
    pub expires_ns: u64,
    /// Generation of the source's participant (0 for infrastructure).
    pub source_generation: u32,
    /// Generation of the destination's participant (0 for infrastructure).
    pub destination_generation: u32,
    /// Later fragments may not start before this offset, bytes.
    pub offset_min: u32,
    /// Always 0.
    pub zero: u32,
}

/// Counters of one line, or of all unbound lines and the backbone (slot 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct LineCounters {
    /// Packets from the site that passed (a large segment counts once).
    pub in_packets: u64,
    /// Bytes from the site that passed, Ethernet headers included.
    pub in_bytes: u64,
    /// Packets from the site that were refused.
    pub in_denied: u64,
    /// Packets to the site that passed.
    pub out_packets: u64,
    /// Bytes to the site that passed, Ethernet headers included.
    pub out_bytes: u64,
    /// Packets to the site that were refused.
    pub out_denied: u64,
}

impl LineCounters {
    /// Counts a packet that passed.
    #[inline(always)]
    pub fn pass(&mut self, hook: Hook, bytes: u32) {
        if hook as u8 == Hook::LineOut as u8 {
            self.out_packets += 1;
            self.out_bytes += u64::from(bytes);
        } else {
            self.in_packets += 1;
            self.in_bytes += u64::from(bytes);
        }
    }

    /// Counts a packet that was refused.
    #[inline(always)]
    pub fn deny(&mut self, hook: Hook) {
        if hook as u8 == Hook::LineOut as u8 {
            self.out_denied += 1;
        } else {
            self.in_denied += 1;
        }
    }
}

/// What refused packets are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct DropKey {
    /// Interface index.
    pub ifindex: u32,
    /// On a line its bound participant, on the backbone the source's; 0 when
    /// there is none.
    pub participant: u32,
    /// Number of the [`DenyReason`].
    pub reason: u32,
}

/// One refused packet, as kept for `gateway drops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Denial {
    /// Which denial this is since the table was made, from 1; written last.
    pub sequence: u64,
    /// Monotonic nanoseconds.
    pub time_ns: u64,
    /// Source address, both halves; 0 when the frame is not IPv6.
    pub source: [u64; 2],
    /// Destination address, both halves; 0 when the frame is not IPv6.
    pub destination: [u64; 2],
    /// Interface index.
    pub ifindex: u32,
    /// As in [`DropKey`].
    pub participant: u32,
    /// Source port, 0 when it does not stand directly after the IPv6 header.
    pub source_port: u16,
    /// Destination port, likewise.
    pub destination_port: u16,
    /// First next header.
    pub protocol: u8,
    /// Number of the [`Hook`].
    pub hook: u8,
    /// Number of the [`DenyReason`].
    pub reason: u8,
    /// Always 0.
    pub zero: u8,
}

impl Denial {
    /// Describes a refused packet. Only looks at the fixed places: this runs
    /// for every packet of a flood.
    #[inline(always)]
    pub(crate) fn describe<W: World, P: Packet + ?Sized>(
        &mut self,
        world: &W,
        hook: Hook,
        reason: DenyReason,
        packet: &P,
    ) {
        *self = Self {
            time_ns: world.now_ns(),
            ifindex: world.ifindex(),
            hook: hook as u8,
            reason: reason as u8,
            ..Self::default()
        };
        if let Ok(ip) = Ipv6::read(packet) {
            self.source = [ip.source_high, ip.source_low];
            self.destination = [ip.destination_high, ip.destination_low];
            self.protocol = ip.next;
            if (ip.next == protocol::TCP || ip.next == protocol::UDP)
                && let Some([word]) = packet.near::<{ TRANSPORT_OFFSET as usize }, 1>()
            {
                self.source_port = (word >> 48) as u16;
                self.destination_port = (word >> 32) as u16;
            }
            if hook as u8 == Hook::BackboneIn as u8
                && crate::address::in_network(world.network(), ip.source_high)
            {
                self.participant = participant_of(ip.source_high);
            }
        }
        if let (Hook::LineIn | Hook::LineOut, Some(binding)) = (hook, world.binding()) {
            self.participant = binding.participant;
        }
    }
}

/// The tables and the clock, as seen from one packet on one interface.
pub trait World {
    /// The memory of the table of conversations.
    type Flows<'a>: flows::Memory
    where
        Self: 'a;
    /// A slot table's memory.
    type Slots<'a>: slot::Read
    where
        Self: 'a;

    /// As [`Packet::launder`].
    fn launder(&self, word: u64) -> u64 {
        word
    }
    /// The monotonic clock, nanoseconds.
    fn now_ns(&self) -> u64;
    /// The interface of this packet.
    fn ifindex(&self) -> u32;
    /// The network prefix, padded to 32 bits.
    fn network(&self) -> u32;
    /// The gateway's link-local address, both halves.
    fn gateway_link_local(&self) -> (u64, u64);
    /// TCP port of attach on that address.
    fn attach_port(&self) -> u16;
    /// TCP port of the enrolment relay on that address.
    fn enrol_port(&self) -> u16;
    /// The binding of this packet's line, expired or not.
    fn binding(&self) -> Option<Binding>;
    /// Whether a /64 is bound to one of this gateway's own lines.
    fn is_own_prefix(&self, prefix: u64) -> bool;
    /// A slot table.
    fn table(&self, table: Table) -> Self::Slots<'_>;
    /// The service at an endpoint.
    fn endpoint(&self, key: &EndpointKey) -> Option<u32>;
    /// Whether an endpoint is a base service.
    fn is_base_service(&self, key: &EndpointKey) -> bool;
    /// The table of conversations.
    fn flows(&self) -> Self::Flows<'_>;
    /// Finds a fragmented packet.
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentValue>;
    /// Adds or replaces a fragmented packet; `false` when the table refuses.
    fn fragment_write(&mut self, key: &FragmentKey, value: &FragmentValue) -> bool;
    /// Counts a packet that passed.
    fn count_pass(&mut self, hook: Hook, bytes: u32);
    /// Memory to describe a refused packet in; `own` is some to use.
    fn denial<'a>(&self, own: &'a mut MaybeUninit<Denial>) -> Option<&'a mut Denial> {
        Some(own.write(Denial::default()))
    }
    /// Counts a packet that was refused, and keeps what is told about it.
    fn count_deny(&mut self, hook: Hook, denial: &Denial);
}
