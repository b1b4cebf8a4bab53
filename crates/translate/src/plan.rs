//! What a translated packet is made of.
//!
//! ```text
//! old   | IP header, options, ICMP header, quoted headers | ........ rest ........ |
//!       0                                                cut      gap_at          end
//! new   | ip | fragment | icmp | quoted | quoted_fragment | rest | gap zeros | rest |
//! ```
//!
//! The new front takes the place of the first `cut` bytes; the rest stays where it
//! is, but for one small patch (the transport header of a quoted packet) and the
//! checksum. Header words are kept as they stand on the wire, so that the kernel
//! can store them from where they are.

use crate::V6;
use crate::answer::Answer;
use crate::checksum::Sum;
use crate::ipv4::Ipv4;
use crate::ipv6::Chain;

/// From what to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Shape {
    /// IPv4 to IPv6.
    FourToSix = 0,
    /// IPv6 to IPv4.
    SixToFour = 1,
    /// IPv6 to IPv6: a hairpin or a prefix translation. The front is the IPv6
    /// header alone; [`Plan::quoted`] stands at [`Plan::quote_at`].
    SixToSix = 2,
}

/// What happens to the checksum at [`Plan::checksum_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Checksum {
    /// Nothing.
    Keep = 0,
    /// It is updated.
    Update = 1,
    /// It is updated, and a result of 0 is written 0xffff (UDP).
    UpdateNotZero = 2,
    /// [`Plan::content`] is written there.
    Set = 3,
}

/// What is known of a packet while it is planned for.
///
/// Beside the plan, not on the stack: the kernel's is small, and its verifier
/// forgets what is written to a map, so that ways that meet again are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Work {
    /// The IPv6 source: the new one towards IPv6, the old one from there.
    pub(crate) source: V6,
    /// The IPv6 destination, likewise.
    pub(crate) destination: V6,
    /// The IPv6 source of the quoted packet, likewise.
    pub(crate) quoted_source: V6,
    /// The IPv6 destination of the quoted packet, likewise.
    pub(crate) quoted_destination: V6,
    /// The host that a packet is turned round to.
    pub(crate) turned: V6,
    /// What the sum of an ICMP message changes by.
    pub(crate) content: Sum,
    /// Sum of the quoted IPv6 header; then what the quoted transport's
    /// pseudo-header changes by.
    pub(crate) quoted_sum: Sum,
    /// The quoted IPv4 header.
    pub(crate) quoted_v4: Ipv4,
    /// What lies behind the IPv6 header.
    pub(crate) chain: Chain,
    /// What lies behind the quoted IPv6 header.
    pub(crate) quoted_chain: Chain,
    /// The IPv4 source.
    pub(crate) source_v4: u32,
    /// Where the quoted packet starts.
    pub(crate) quote_at: u32,
    /// Where it ends.
    pub(crate) quote_end: u32,
    /// Where its transport header starts.
    pub(crate) quoted_transport: u32,
    /// Length of what follows the quoted IPv6 header, as that says.
    pub(crate) quoted_payload: u32,
    /// The first word of the quoted IPv6 header.
    pub(crate) quoted_first: u32,
    /// The protocol that is quoted.
    pub(crate) quoted_protocol: u8,
    /// The hop limit of the quoted IPv6 packet.
    pub(crate) quoted_hop_limit: u8,
    /// Whether the quoted packet has a transport header: is no later fragment.
    pub(crate) quoted_first_part: bool,
    /// Whether the packet is an ICMP error.
    pub(crate) error: bool,
}

impl Work {
    const EMPTY: Self = Self {
        source: V6::new(0, 0),
        destination: V6::new(0, 0),
        quoted_source: V6::new(0, 0),
        quoted_destination: V6::new(0, 0),
        turned: V6::new(0, 0),
        content: Sum::ZERO,
        quoted_sum: Sum::ZERO,
        quoted_v4: Ipv4::EMPTY,
        chain: Chain::new(0, 0, 0),
        quoted_chain: Chain::new(0, 0, 0),
        source_v4: 0,
        quote_at: 0,
        quote_end: 0,
        quoted_transport: 0,
        quoted_payload: 0,
        quoted_first: 0,
        quoted_protocol: 0,
        quoted_hop_limit: 0,
        quoted_first_part: false,
        error: false,
    };
}

/// What a translated packet is made of. Kept flat and `repr(C)`: the kernel has it
/// in a map, since its stack is small.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C)]
pub struct Plan {
    /// The new IP header as it stands on the wire: ten words of IPv6, or the first
    /// five of IPv4.
    pub ip: [u32; 10],
    /// The fragment header behind it, when [`Self::has_fragment`].
    pub fragment: [u32; 2],
    /// The ICMP header, when [`Self::has_icmp`], with the old checksum still in it.
    pub icmp: [u32; 2],
    /// The IP header of the quoted packet, when [`Self::has_quoted`], as `ip`.
    pub quoted: [u32; 10],
    /// The fragment header of the quoted packet, when [`Self::has_quoted_fragment`].
    pub quoted_fragment: [u32; 2],
    /// Bytes of the old packet that the new front takes the place of.
    pub cut: u32,
    /// Where the old packet ends: what lies behind is left out.
    pub end: u32,
    /// Where zeros are put between two bytes of the rest: offset in the old packet.
    pub gap_at: u32,
    /// How many; a multiple of 4.
    pub gap_bytes: u32,
    /// Length of the new packet, before it is cut into fragments.
    pub bytes: u32,
    /// Offset of the checksum in the new packet.
    pub checksum_at: u32,
    /// What the pseudo-header's sum changes by, folded.
    pub pseudo: u16,
    /// What the sum of everything else changes by, folded; or the checksum itself.
    pub content: u16,
    /// Offset in the old packet, behind `cut`, of bytes to be overwritten.
    pub patch_at: u32,
    /// Those bytes as they stand on the wire, the first in memory first.
    pub patch: u32,
    /// How many of them: 0, 2 or 4.
    pub patch_bytes: u32,
    /// When not 0, the packet is sent in fragments: bytes of upper-layer data in
    /// each but the last, a multiple of 8.
    pub piece_bytes: u32,
    /// For [`Shape::SixToSix`]: where the quoted packet's header stands, or 0.
    pub quote_at: u32,
    /// When the packet is refused: what its sender is to be told.
    pub answer: Answer,
    /// From what to what.
    pub shape: Shape,
    /// What happens to the checksum.
    pub checksum: Checksum,
    /// Whether there is a fragment header.
    pub has_fragment: bool,
    /// Whether there is an ICMP header.
    pub has_icmp: bool,
    /// Whether there is a quoted packet.
    pub has_quoted: bool,
    /// Whether the quoted packet has a fragment header.
    pub has_quoted_fragment: bool,
    /// Always 0.
    pub zero: [u8; 2],
    pub(crate) work: Work,
}

impl Plan {
    /// A plan for nothing, to be filled.
    pub const EMPTY: Self = Self {
        ip: [0; 10],
        fragment: [0; 2],
        icmp: [0; 2],
        quoted: [0; 10],
        quoted_fragment: [0; 2],
        cut: 0,
        end: 0,
        gap_at: 0,
        gap_bytes: 0,
        bytes: 0,
        checksum_at: 0,
        pseudo: 0,
        content: 0,
        patch_at: 0,
        patch: 0,
        patch_bytes: 0,
        piece_bytes: 0,
        quote_at: 0,
        answer: Answer::SILENT,
        shape: Shape::FourToSix,
        checksum: Checksum::Keep,
        has_fragment: false,
        has_icmp: false,
        has_quoted: false,
        has_quoted_fragment: false,
        zero: [0; 2],
        work: Work::EMPTY,
    };

    /// Forgets what an earlier packet left; header words that are not asked for
    /// stay as they are.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.gap_at = 0;
        self.gap_bytes = 0;
        self.checksum_at = 0;
        self.pseudo = 0;
        self.content = 0;
        self.patch_at = 0;
        self.patch = 0;
        self.patch_bytes = 0;
        self.piece_bytes = 0;
        self.quote_at = 0;
        self.answer = Answer::SILENT;
        self.checksum = Checksum::Keep;
        self.has_fragment = false;
        self.has_icmp = false;
        self.has_quoted = false;
        self.has_quoted_fragment = false;
    }

    /// Bytes of the new IP header.
    #[inline(always)]
    pub const fn ip_bytes(&self) -> u32 {
        match self.shape {
            Shape::SixToFour => 20,
            Shape::FourToSix | Shape::SixToSix => 40,
        }
    }

    /// Bytes of the new front, which takes the place of the first `cut` bytes.
    #[inline(always)]
    pub const fn front_bytes(&self) -> u32 {
        let mut bytes = self.ip_bytes();
        if self.has_fragment {
            bytes += 8;
        }
        if self.has_icmp {
            bytes += 8;
        }
        if self.has_quoted && !matches!(self.shape, Shape::SixToSix) {
            bytes += self.ip_bytes();
        }
        if self.has_quoted_fragment {
            bytes += 8;
        }
        bytes
    }

    /// The checksum at [`Self::checksum_at`] from what stands there.
    ///
    /// With `partial`, what stands there is not a checksum but the sum of the
    /// pseudo-header alone, which the network card or the kernel will complete
    /// (`CHECKSUM_PARTIAL`): then only the pseudo-header's change counts. This is
    /// what `bpf_l4_csum_replace` with `BPF_F_PSEUDO_HDR` does.
    #[inline(always)]
    pub const fn checksum_from(&self, old: u16, partial: bool) -> u16 {
        let pseudo = Sum::ZERO.add(self.pseudo as u32);
        match self.checksum {
            Checksum::Keep => old,
            Checksum::Set => self.content,
            Checksum::Update | Checksum::UpdateNotZero if partial => {
                pseudo.add(old as u32).folded()
            }
            Checksum::Update | Checksum::UpdateNotZero => {
                let new = pseudo.add(self.content as u32).update(old);
                if new == 0 && matches!(self.checksum, Checksum::UpdateNotZero) {
                    0xffff
                } else {
                    new
                }
            }
        }
    }

    /// Into how many packets this one is cut.
    pub const fn pieces(&self) -> u32 {
        if self.piece_bytes == 0 {
            return 1;
        }
        let front = self.ip_bytes() + if self.has_fragment { 8 } else { 0 };
        (self.bytes - front).div_ceil(self.piece_bytes)
    }
}

/// A word as it stands on the wire, from its bytes' value.
#[inline(always)]
pub(crate) const fn wire(word: u32) -> u32 {
    word.to_be()
}

/// An IPv6 header in wire order (RFC 8200 section 3).
#[inline(always)]
pub(crate) fn ipv6_header(
    to: &mut [u32; 10],
    traffic_class: u8,
    payload: u32,
    next: u8,
    hop_limit: u8,
    source: V6,
    destination: V6,
) {
    to[0] = wire(6 << 28 | (traffic_class as u32) << 20);
    to[1] = wire(payload << 16 | (next as u32) << 8 | hop_limit as u32);
    addresses(to, source, destination);
}

/// The addresses of an IPv6 header in wire order.
#[inline(always)]
pub(crate) fn addresses(to: &mut [u32; 10], source: V6, destination: V6) {
    to[2] = wire((source.high >> 32) as u32);
    to[3] = wire(source.high as u32);
    to[4] = wire((source.low >> 32) as u32);
    to[5] = wire(source.low as u32);
    to[6] = wire((destination.high >> 32) as u32);
    to[7] = wire(destination.high as u32);
    to[8] = wire((destination.low >> 32) as u32);
    to[9] = wire(destination.low as u32);
}

/// A fragment header in wire order (RFC 8200 section 4.5); `field` is the offset in
/// bytes and the M flag.
#[inline(always)]
pub(crate) fn fragment_header(to: &mut [u32; 2], next: u8, field: u16, id: u32) {
    to[0] = wire((next as u32) << 24 | field as u32);
    to[1] = wire(id);
}

/// An IPv4 header without options in wire order (RFC 791 section 3.1), its checksum
/// included; `field` is the flags and the offset.
#[inline(always)]
#[allow(
    clippy::too_many_arguments,
    reason = "the fields of a header, always inlined"
)]
pub(crate) fn ipv4_header(
    to: &mut [u32; 10],
    tos: u8,
    bytes: u32,
    id: u16,
    field: u16,
    ttl: u8,
    protocol: u8,
    source: u32,
    destination: u32,
) {
    let first = 0x4500_0000 | (tos as u32) << 16 | bytes & 0xffff;
    let second = (id as u32) << 16 | field as u32;
    let third = (ttl as u32) << 24 | (protocol as u32) << 16;
    let checksum = Sum::ZERO
        .add(first)
        .add(second)
        .add(third)
        .add(source)
        .add(destination)
        .checksum();
    to[0] = wire(first);
    to[1] = wire(second);
    to[2] = wire(third | checksum as u32);
    to[3] = wire(source);
    to[4] = wire(destination);
}
