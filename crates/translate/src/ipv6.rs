//! Reading an IPv6 header (RFC 8200) and the bounded walk over what follows it.
//!
//! What RFC 7915 section 5.1 skips is skipped: hop-by-hop options, destination
//! options, and routing headers with no segments left. Everything else is the
//! protocol that is carried.

use crate::address::V6;
use crate::checksum::Sum;
use crate::reason::Reason;
use crate::view::{View, launder};

/// Length of the fixed header.
pub(crate) const IPV6_BYTES: u32 = 40;
/// Most extension headers that are looked through.
const EXTENSION_HEADERS_MAX: u32 = 8;

/// IANA protocol numbers that a translation knows.
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const DCCP: u8 = 33;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const UDP_LITE: u8 = 136;
    pub(crate) const HIP: u8 = 139;
    pub(crate) const SHIM6: u8 = 140;
}

/// The fixed IPv6 header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ipv6 {
    pub(crate) source: V6,
    pub(crate) destination: V6,
    /// Length of what follows the header.
    pub(crate) payload: u32,
    /// Sum of the header.
    pub(crate) sum: Sum,
    /// The first word as it is: version, traffic class, flow label.
    pub(crate) first: u32,
    pub(crate) next: u8,
    pub(crate) hop_limit: u8,
}

impl Ipv6 {
    #[inline(always)]
    fn from_words(words: [u64; 5]) -> Result<Self, Reason> {
        let [first, a, b, c, d] = words;
        if first >> 60 != 6 {
            return Err(Reason::Malformed);
        }
        Ok(Self {
            source: V6::new(a, b),
            destination: V6::new(c, d),
            payload: ((first >> 16) & 0xffff) as u32,
            sum: Sum::ZERO.add64(first).add64(a).add64(b).add64(c).add64(d),
            first: (first >> 32) as u32,
            next: (first >> 8) as u8,
            hop_limit: first as u8,
        })
    }

    /// Reads the header of a packet.
    #[inline(always)]
    pub(crate) fn read<V: View + ?Sized>(view: &V) -> Result<Self, Reason> {
        let Some(words) = view.near::<0, 5>() else {
            return Err(Reason::Malformed);
        };
        let ip = Self::from_words(words)?;
        if IPV6_BYTES + ip.payload > view.bytes() {
            return Err(Reason::Malformed);
        }
        Ok(ip)
    }

    /// Reads the header of a quoted packet, of which `end` is the end of what is
    /// quoted. The length that it states is that of the whole packet.
    #[inline(always)]
    pub(crate) fn read_quoted<V: View + ?Sized>(
        view: &V,
        at: u32,
        end: u32,
    ) -> Result<Self, Reason> {
        if at + IPV6_BYTES > end {
            return Err(Reason::QuoteIncomplete);
        }
        let Some(words) = view.far::<5>(at) else {
            return Err(Reason::QuoteIncomplete);
        };
        Self::from_words(words).map_err(|_| Reason::QuoteIncomplete)
    }

    #[inline(always)]
    pub(crate) fn traffic_class(&self) -> u8 {
        (self.first >> 20) as u8
    }
}

/// What was found behind the fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Chain {
    /// Offset of the first byte that is not walked past.
    pub(crate) at: u32,
    /// Where the packet, or what is quoted of it, ends.
    pub(crate) end: u32,
    /// Identification, when [`Self::fragmented`].
    pub(crate) id: u32,
    /// Offset of a routing header's segments left, when it is not 0.
    pub(crate) pointer: u32,
    /// Offset and M flag of the fragment header.
    pub(crate) field: u16,
    /// What stands at `at`.
    pub(crate) next: u8,
    /// There is a fragment header.
    pub(crate) fragmented: bool,
}

impl Chain {
    #[inline(always)]
    pub(crate) const fn new(next: u8, at: u32, end: u32) -> Self {
        Self {
            at,
            end,
            id: 0,
            pointer: 0,
            field: 0,
            next,
            fragmented: false,
        }
    }

    /// Offset of this fragment's data, bytes.
    #[inline(always)]
    pub(crate) fn offset(&self) -> u32 {
        u32::from(self.field & 0xfff8)
    }

    #[inline(always)]
    pub(crate) fn more(&self) -> bool {
        self.field & 1 != 0
    }

    /// Whether this is a part of a packet; an atomic fragment (RFC 6946) is not.
    #[inline(always)]
    pub(crate) fn is_fragment(&self) -> bool {
        self.field & 0xfff9 != 0
    }
}

#[inline(always)]
fn is_skipped(next: u8) -> bool {
    next == protocol::HOP_BY_HOP
        || next == protocol::ROUTING
        || next == protocol::DESTINATION_OPTIONS
}

/// Whether RFC 7915 section 5.1.1 counts it as an extension header where it
/// follows a fragment header: all but ESP.
#[inline(always)]
fn is_extension(next: u8) -> bool {
    is_skipped(next)
        || next == protocol::FRAGMENT
        || next == protocol::AUTHENTICATION
        || next == protocol::MOBILITY
        || next == protocol::HIP
        || next == protocol::SHIM6
}

/// Walks to the protocol that is carried, or to the data of a later fragment.
///
/// Its own function, never inlined: the eBPF verifier then meets one body, and the
/// packet without extension headers pays nothing for it.
#[inline(never)]
pub(crate) fn walk<V: View + ?Sized>(view: &V, chain: &mut Chain) -> Result<(), Reason> {
    let mut count = 0;
    while count < EXTENSION_HEADERS_MAX {
        chain.at = launder(view, chain.at);
        let next = launder(view, u32::from(chain.next)) as u8;
        let fragment = next == protocol::FRAGMENT;
        if !fragment && !is_skipped(next) {
            return Ok(());
        }
        // No extension header is shorter than eight bytes.
        if chain.at + 8 > chain.end {
            return Err(Reason::Malformed);
        }
        let Some([word]) = view.far::<1>(chain.at) else {
            return Err(Reason::Malformed);
        };
        chain.next = (word >> 56) as u8;
        if fragment {
            chain.fragmented = true;
            chain.field = (word >> 32) as u16;
            chain.id = word as u32;
            chain.at += 8;
            if is_extension(chain.next) {
                return Err(Reason::ExtensionAfterFragment);
            }
            return Ok(());
        }
        let bytes = (((word >> 48) & 0xff) as u32 + 1) * 8;
        if chain.at + bytes > chain.end {
            return Err(Reason::Malformed);
        }
        if next == protocol::ROUTING && (word >> 32) & 0xff != 0 {
            chain.pointer = chain.at + 3;
            return Err(Reason::RoutingHeader);
        }
        chain.at += bytes;
        count += 1;
    }
    if chain.next == protocol::FRAGMENT || is_skipped(chain.next) {
        Err(Reason::ExtensionChainTooLong)
    } else {
        Ok(())
    }
}
