//! How a packet is looked at, and the fixed IPv6 header (RFC 8200 section 3).
//!
//! A packet is read as big-endian 64-bit words at offsets from the start of its
//! Ethernet header. The kernel reads its first bytes directly and the rest by
//! `bpf_skb_load_bytes`, so a large segment is never linearised.

use core::mem::MaybeUninit;

use crate::DenyReason;
use crate::address;
use crate::walk::Walk;

/// Length of the Ethernet header in front of the IPv6 header, bytes.
pub const ETHERNET_BYTES: u32 = 14;
/// Length of the fixed IPv6 header, bytes.
pub(crate) const IPV6_BYTES: u32 = 40;
/// Where the byte after the fixed IPv6 header lies in the frame.
pub(crate) const TRANSPORT_OFFSET: u32 = ETHERNET_BYTES + IPV6_BYTES;

const ETHERTYPE_IPV6: u16 = 0x86dd;

/// IANA protocol numbers that the verdict knows.
pub mod protocol {
    /// Hop-by-hop options (RFC 8200 section 4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// Routing header (RFC 8200 section 4.4).
    pub const ROUTING: u8 = 43;
    /// Fragment header (RFC 8200 section 4.5).
    pub const FRAGMENT: u8 = 44;
    /// Authentication header (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// Internet Control Message Protocol for IPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// Destination options (RFC 8200 section 4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// A view of one Ethernet frame.
pub trait Packet {
    /// Length of the whole frame in bytes, Ethernet header included.
    fn bytes(&self) -> u32;

    /// Whether a VLAN tag was taken off the frame and is held beside it.
    fn tagged(&self) -> bool;

    /// The EtherType, or `None` for a frame of less than 14 bytes.
    fn ethertype(&self) -> Option<u16>;

    /// `W` big-endian words at an offset known when compiling, or `None` when
    /// the frame ends before them.
    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]>;

    /// `W` big-endian words at any offset, or `None` when the frame ends
    /// before them.
    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]>;

    /// Two bytes, big-endian, at any offset.
    fn pair(&self, offset: u32) -> Option<u16>;

    /// Memory for a walk's state, filled with `walk`; `own` is some to use. The
    /// kernel has it in a map: its stack is small, and its verifier forgets what
    /// is written to a map, so that all ways through the headers meet again
    /// behind the walk.
    fn scratch<'a>(
        &self,
        place: u32,
        own: &'a mut MaybeUninit<Walk>,
        walk: Walk,
    ) -> Option<&'a mut Walk> {
        let _ = place;
        Some(own.write(walk))
    }

    /// The same memory, of which the compiler is to think that anything may be
    /// in it now: it would otherwise remember what it has just written.
    fn settled<'a>(&self, walk: &'a mut Walk) -> &'a mut Walk {
        walk
    }

    /// The same word, of which the eBPF verifier knows nothing any more. Where
    /// ways through the code come together again, it would otherwise follow
    /// all that comes after once for each way that led there.
    fn launder(&self, word: u64) -> u64 {
        word
    }
}

impl Packet for [u8] {
    fn bytes(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn tagged(&self) -> bool {
        false
    }

    fn ethertype(&self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.get(12..)?.first_chunk()?))
    }

    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]> {
        words(self, OFFSET)
    }

    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]> {
        words(self, offset as usize)
    }

    fn pair(&self, offset: u32) -> Option<u16> {
        Some(u16::from_be_bytes(
            *self.get(offset as usize..)?.first_chunk()?,
        ))
    }
}

#[inline(always)]
fn words<const W: usize>(bytes: &[u8], offset: usize) -> Option<[u64; W]> {
    let mut rest = bytes.get(offset..)?;
    let mut out = [0; W];
    for word in &mut out {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        *word = u64::from_be_bytes(*head);
        rest = tail;
    }
    Some(out)
}

/// The fixed IPv6 header, checked against the frame that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6 {
    /// Upper half of the source address.
    pub source_high: u64,
    /// Lower half of the source address.
    pub source_low: u64,
    /// Upper half of the destination address.
    pub destination_high: u64,
    /// Lower half of the destination address.
    pub destination_low: u64,
    /// Offset in the frame of the first byte after the payload.
    pub end: u32,
    /// Next header.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
}

impl Ipv6 {
    /// Reads the header of a frame.
    ///
    /// # Errors
    /// [`DenyReason::NotIpv6`] for every other EtherType and for VLAN tags,
    /// [`DenyReason::Malformed`] when the version or the payload length lies.
    #[inline(always)]
    pub fn read<P: Packet + ?Sized>(packet: &P) -> Result<Self, DenyReason> {
        if packet.tagged() || packet.ethertype() != Some(ETHERTYPE_IPV6) {
            return Err(DenyReason::NotIpv6);
        }
        let Some(words) = packet.near::<{ ETHERNET_BYTES as usize }, 5>() else {
            return Err(DenyReason::Malformed);
        };
        let header = Self::from_words(words, TRANSPORT_OFFSET)?;
        // Bytes after the payload are Ethernet padding and never looked at.
        if header.end > packet.bytes() {
            return Err(DenyReason::Malformed);
        }
        Ok(header)
    }

    /// Takes the header out of its five words; `payload_offset` is where its
    /// payload starts in the frame. Does not compare with the frame's length.
    #[inline(always)]
    pub(crate) fn from_words(words: [u64; 5], payload_offset: u32) -> Result<Self, DenyReason> {
        let [
            first,
            source_high,
            source_low,
            destination_high,
            destination_low,
        ] = words;
        if first >> 60 != 6 {
            return Err(DenyReason::Malformed);
        }
        Ok(Self {
            source_high,
            source_low,
            destination_high,
            destination_low,
            end: payload_offset + ((first >> 16) & 0xffff) as u32,
            next: ((first >> 8) & 0xff) as u8,
            hop_limit: (first & 0xff) as u8,
        })
    }

    /// Whether either end is of link scope: such a packet concerns only the
    /// gateway and the box at the other end of the line.
    #[inline(always)]
    pub(crate) fn is_link_scope(&self) -> bool {
        address::is_link_local(self.source_high)
            || address::is_link_local(self.destination_high)
            || address::is_link_multicast(self.destination_high)
            || address::is_unspecified(self.source_high, self.source_low)
    }
}
