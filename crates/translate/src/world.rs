//! What a translation reads besides the packet: mappings and settings, seen
//! through one trait. What the methods answer by default is what RFC 7915 says.

use crate::address::V6;
use crate::mapping::{Eam, Embedding};

/// The smallest MTU of an IPv6 link (RFC 8200 section 5), bytes.
pub const IPV6_MTU_MIN: u32 = 1280;

/// The smallest MTU of an IPv4 link (RFC 791 section 3.2), bytes.
const IPV4_MTU_MIN: u32 = 68;

/// The next IPv6 link's MTU, whatever a world says.
#[inline(always)]
pub(crate) fn mtu_v6<W: World>(world: &W) -> u32 {
    world.mtu_v6().max(IPV6_MTU_MIN)
}

/// The next IPv4 link's MTU, whatever a world says.
#[inline(always)]
pub(crate) fn mtu_v4<W: World>(world: &W) -> u32 {
    world.mtu_v4().max(IPV4_MTU_MIN)
}

/// Whose address is looked up.
///
/// Where the same mappings hold for all addresses, as at the border of a data
/// center, both sides answer alike. On a line they do not: a site's own hosts are
/// mapped into its prefix, those that it speaks with have aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// A host of the IPv4 network at hand: the source of a packet that comes from
    /// there, the destination of one that goes there.
    Near = 0,
    /// The host at the other end.
    Far = 1,
}

impl Side {
    /// The other one.
    #[inline(always)]
    pub const fn other(self) -> Self {
        match self {
            Side::Near => Side::Far,
            Side::Far => Side::Near,
        }
    }
}

/// What becomes of an unfragmented IPv4 UDP datagram without a checksum (RFC 7915
/// section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum UdpZero {
    /// It is refused.
    Drop = 0,
    /// Its checksum is computed, which means looking at all of its data.
    Compute = 1,
}

/// Whether two hosts that are both mapped explicitly reach one another through
/// their embedded addresses (RFC 7757 section 4). Only for a world whose two sides
/// answer alike: elsewhere a far host would speak as a near one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hairpin {
    /// They do not.
    Off = 0,
    /// A packet that comes back from the IPv4 network keeps its source embedded
    /// (RFC 7757 section 4.2.1).
    Simple = 1,
    /// The packet is turned round at once, from IPv6 to IPv6 (RFC 7757 section 4.2.2).
    Intrinsic = 2,
}

/// The mappings and settings that hold for one packet.
pub trait World {
    /// The explicit mapping with the longest IPv4 prefix that holds the address.
    fn eam_of_v4(&self, side: Side, address: u32) -> Option<Eam>;

    /// The explicit mapping with the longest IPv6 prefix that holds the address.
    fn eam_of_v6(&self, side: Side, address: V6) -> Option<Eam>;

    /// The prefix that other addresses are embedded behind.
    fn embedding(&self, side: Side) -> Option<Embedding>;

    /// MTU of the next IPv6 link, bytes, 1280 or more; `u32::MAX` where routing
    /// comes after translation and says "too big" itself.
    fn mtu_v6(&self) -> u32;

    /// MTU of the next IPv4 link, bytes, 68 or more; `u32::MAX` likewise.
    fn mtu_v4(&self) -> u32;

    /// The identification of an IPv4 packet that had none: not predictable.
    fn identification(&self) -> u16;

    /// An IPv4 source for an ICMP error from an IPv6 router that has no mapping
    /// (RFC 6791).
    fn hop_source(&self, router: V6) -> Option<u32> {
        let _ = router;
        None
    }

    /// Size to which an IPv4 packet that may be fragmented is cut, bytes of IPv6:
    /// `lowest-ipv6-mtu` of RFC 7915 section 4.1. 1280, or what all links of the
    /// network are known to carry.
    fn lowest_ipv6_mtu(&self) -> u32 {
        IPV6_MTU_MIN
    }

    /// Whether the translation counts as a router of its own. Not so where the
    /// kernel forwards the packet in the same pass and takes one off itself.
    fn decrements(&self) -> bool {
        true
    }

    /// Whether this home can send several packets for one. One that cannot
    /// refuses with "too big" where RFC 7915 would fragment.
    fn fragments(&self) -> bool {
        true
    }

    /// The traffic class to set instead of the packet's TOS.
    fn traffic_class(&self) -> Option<u8> {
        None
    }

    /// The TOS to set instead of the packet's traffic class.
    fn tos(&self) -> Option<u8> {
        None
    }

    /// What becomes of UDP without a checksum.
    fn udp_zero(&self) -> UdpZero {
        UdpZero::Drop
    }

    /// Whether ICMPv4 errors from addresses that no router forwards are
    /// translated all the same, "for the purpose of troubleshooting" (RFC 7915
    /// section 4.1). Off, against the RFC: a source here is an identity.
    fn illegal_error_sources(&self) -> bool {
        false
    }

    /// What becomes of packets between two explicitly mapped hosts.
    fn hairpin(&self) -> Hairpin {
        Hairpin::Off
    }

    /// As [`View::launder`](crate::View::launder).
    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        word
    }
}
