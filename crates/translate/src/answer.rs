//! What the sender of a refused packet is told, as data, and the ICMP error that
//! tells it.
//!
//! RFC 7915 sections 4.4 and 5.4, within what RFC 1812 section 4.3.2.7 and RFC 4443
//! section 2.4 (e) allow. Whether an answer is sent at all, and how many a second,
//! is the caller's business.

use crate::address::V6;
use crate::checksum::Sum;
use crate::ipv6::protocol;
use crate::plan::{ipv4_header, ipv6_header};
use crate::reason::Reason;

/// What the sender of a refused packet is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Answer {
    /// The second word of the ICMP header: pointer, MTU, or 0.
    pub rest: u32,
    /// 4 for ICMPv4, 6 for ICMPv6, 0 when nothing is said.
    pub family: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Always 0.
    pub zero: u8,
}

impl Answer {
    /// Nothing is said.
    pub const SILENT: Self = Self::new(0, 0, 0, 0);

    /// An answer.
    #[inline(always)]
    pub const fn new(family: u8, kind: u8, code: u8, rest: u32) -> Self {
        Self {
            rest,
            family,
            kind,
            code,
            zero: 0,
        }
    }

    /// Whether nothing is said.
    #[inline(always)]
    pub const fn is_silent(self) -> bool {
        self.family == 0
    }
}

/// What is known of the packet that decides whether it is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// 4 or 6.
    pub(crate) family: u8,
    /// Not the first fragment.
    pub(crate) later: bool,
    /// ICMP of its own family.
    pub(crate) icmp: bool,
    /// An ICMP error.
    pub(crate) error: bool,
}

/// The answer to a refusal. `rest` is the MTU or the pointer where there is one.
#[inline(always)]
pub(crate) fn answer(reason: Reason, asked: Asked, rest: u32) -> Answer {
    let four = asked.family == 4;
    let answer = match reason {
        Reason::HopLimit if four => Answer::new(4, 11, 0, 0),
        Reason::HopLimit => Answer::new(6, 3, 0, 0),
        Reason::TooBig if four => Answer::new(4, 3, 4, rest),
        Reason::TooBig => Answer::new(6, 2, 0, rest),
        Reason::SourceRoute => Answer::new(4, 3, 5, 0),
        Reason::RoutingHeader | Reason::InterfaceAllOnes => Answer::new(6, 4, 0, rest),
        // RFC 6296 section 3.2: destination unreachable; there is no route.
        Reason::SubnetNotMapped => Answer::new(6, 1, 0, 0),
        // "Unless otherwise specified": administratively prohibited.
        Reason::NoSourceMapping
        | Reason::NoDestinationMapping
        | Reason::NotGlobal
        | Reason::ExtensionChainTooLong
        | Reason::ExtensionAfterFragment
        | Reason::FragmentedIcmp
        | Reason::UdpChecksumZero
        | Reason::UdpChecksumZeroFragment
        | Reason::SumUnavailable
        | Reason::HairpinNotMapped => {
            if four {
                Answer::new(4, 3, 13, 0)
            } else if asked.icmp {
                // RFC 7915 section 5.4.
                return Answer::SILENT;
            } else {
                Answer::new(6, 1, 1, 0)
            }
        }
        _ => return Answer::SILENT,
    };
    if asked.later || asked.error {
        return Answer::SILENT;
    }
    answer
}

/// Most bytes that an answer can have: an ICMPv6 error fills the smallest MTU.
pub const ANSWER_BYTES_MAX: usize = 1280;
/// RFC 1812 section 4.3.2.3.
const ICMPV4_BYTES_MAX: usize = 576;
/// Hop limit of a packet made here.
const HOPS: u8 = 64;
/// Internetwork control (RFC 1812 section 4.3.2.5).
const TOS: u8 = 0xc0;

/// Writes the ICMP error that answers `packet`, from the translator's own address
/// of the packet's family, and gives its length.
///
/// `None` when the answer is silent, the packet is not of the answer's family, or
/// `out` is too small: [`ANSWER_BYTES_MAX`] is enough.
pub fn write_answer(
    answer: Answer,
    packet: &[u8],
    own_v4: u32,
    own_v6: V6,
    id: u16,
    out: &mut [u8],
) -> Option<usize> {
    let mut header = [0; 10];
    let mut sum = Sum::ZERO
        .add(u32::from(answer.kind) << 8 | u32::from(answer.code))
        .add(answer.rest);
    let (header_bytes, quote) = match answer.family {
        4 => {
            let bytes = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
            let quote = packet.get(..bytes.min(packet.len()).min(ICMPV4_BYTES_MAX - 28))?;
            let to = u32::from_be_bytes(*packet.get(12..)?.first_chunk()?);
            let length = u32::try_from(28 + quote.len()).ok()?;
            ipv4_header(
                &mut header,
                TOS,
                length,
                id,
                0,
                HOPS,
                protocol::ICMP,
                own_v4,
                to,
            );
            (20, quote)
        }
        6 => {
            let bytes = 40 + usize::from(u16::from_be_bytes(*packet.get(4..)?.first_chunk()?));
            let quote = packet.get(..bytes.min(packet.len()).min(ANSWER_BYTES_MAX - 48))?;
            let high = u64::from_be_bytes(*packet.get(8..)?.first_chunk()?);
            let low = u64::from_be_bytes(*packet.get(16..)?.first_chunk()?);
            let length = u32::try_from(8 + quote.len()).ok()?;
            let to = V6::new(high, low);
            ipv6_header(&mut header, 0, length, protocol::ICMPV6, HOPS, own_v6, to);
            sum = sum
                .add64(own_v6.high)
                .add64(own_v6.low)
                .add64(high)
                .add64(low)
                .add(length)
                .add(u32::from(protocol::ICMPV6));
            (40, quote)
        }
        _ => return None,
    };
    let quoted = crate::View::sum(quote, 0, u32::try_from(quote.len()).ok()?)?;
    let checksum = sum.add(u32::from(quoted)).checksum();

    let out = out.get_mut(..header_bytes + 8 + quote.len())?;
    let bytes = out.len();
    for (word, to) in header
        .iter()
        .zip(out.get_mut(..header_bytes)?.as_chunks_mut::<4>().0)
    {
        *to = word.to_ne_bytes();
    }
    let icmp = out.get_mut(header_bytes..)?;
    icmp.get_mut(..2)?
        .copy_from_slice(&[answer.kind, answer.code]);
    icmp.get_mut(2..4)?.copy_from_slice(&checksum.to_be_bytes());
    icmp.get_mut(4..8)?
        .copy_from_slice(&answer.rest.to_be_bytes());
    icmp.get_mut(8..)?.copy_from_slice(quote);
    Some(bytes)
}
