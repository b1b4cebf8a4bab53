//! The transport header: which conversation a packet belongs to, and which
//! part of it this packet may play.

use core::mem::MaybeUninit;

use crate::DenyReason;
use crate::packet::{Ipv6, Packet, TRANSPORT_OFFSET, protocol};
use crate::walk::{Piece, Walk, is_transport, walk};

/// What a packet is to its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role(pub(crate) u8);

impl Role {
    /// Either side may send it.
    pub(crate) const EITHER: Self = Self(0);
    /// Only an initiator sends it: a TCP SYN without ACK, an echo request.
    pub(crate) const OPENING: Self = Self(1);
    /// Only a responder sends it: an echo reply.
    pub(crate) const ANSWER: Self = Self(2);
    /// An ICMPv6 error about another packet.
    pub(crate) const ERROR: Self = Self(3);
    /// A later fragment: no transport header at all.
    pub(crate) const LATER: Self = Self(4);

    #[inline(always)]
    pub(crate) fn is(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// A packet's transport header. Ports of an echo are its identifier on the
/// asking side and 0 on the answering one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transport {
    pub(crate) protocol: u8,
    pub(crate) role: Role,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

const TCP_BYTES: u32 = 20;
const UDP_BYTES: u32 = 8;
const ICMP_BYTES: u32 = 8;
const TCP_SYN: u64 = 0x02;
const TCP_ACK: u64 = 0x10;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Reads the transport header of a packet without extension headers, of a
/// protocol for which [`is_transport`]. It lies at a fixed place, which the
/// kernel reads without a call.
#[inline(always)]
pub(crate) fn read_plain<P: Packet + ?Sized>(
    packet: &P,
    ip: &Ipv6,
) -> Result<Transport, DenyReason> {
    let Some([first]) = packet.near::<{ TRANSPORT_OFFSET as usize }, 1>() else {
        return Err(DenyReason::Malformed);
    };
    let mut second = 0;
    if ip.next == protocol::TCP {
        let Some([word]) = packet.near::<{ TRANSPORT_OFFSET as usize + 8 }, 1>() else {
            return Err(DenyReason::Malformed);
        };
        second = word;
    }
    headers(first, second, &Walk::new(ip.next, TRANSPORT_OFFSET, ip.end))
}

/// Reads the transport header of a packet, walking past extension headers.
///
/// `at` holds the walk's end state for the caller: offset of the transport
/// header and what the fragment header said.
#[inline(always)]
pub(crate) fn read<P: Packet + ?Sized>(
    packet: &P,
    ip: &Ipv6,
    at: &mut Walk,
) -> Result<Transport, DenyReason> {
    if is_transport(ip.next) {
        return read_plain(packet, ip);
    }
    walk(packet, at)?;
    if at.piece.is(Piece::LATER) {
        return Ok(Transport {
            protocol: at.fragment_next,
            role: Role::LATER,
            source_port: 0,
            destination_port: 0,
        });
    }
    if at.offset + 8 > at.end {
        return Err(at.too_short());
    }
    let Some([first]) = packet.far::<1>(at.offset) else {
        return Err(DenyReason::Malformed);
    };
    let mut second = 0;
    if at.next == protocol::TCP {
        if at.offset + TCP_BYTES > at.end {
            return Err(at.too_short());
        }
        let Some([word]) = packet.far::<1>(at.offset + 8) else {
            return Err(DenyReason::Malformed);
        };
        second = word;
    }
    headers(first, second, at)
}

/// Checks a transport header given its first two words (the second one only
/// for TCP).
#[inline(always)]
fn headers(first: u64, second: u64, at: &Walk) -> Result<Transport, DenyReason> {
    let available = at.end - at.offset;
    let mut transport = Transport {
        protocol: at.next,
        role: Role::EITHER,
        source_port: (first >> 48) as u16,
        destination_port: (first >> 32) as u16,
    };
    match at.next {
        protocol::TCP => {
            let header = ((second >> 28) & 0xf) as u32 * 4;
            if available < TCP_BYTES || header > available {
                return Err(at.too_short());
            }
            if header < TCP_BYTES {
                return Err(DenyReason::Malformed);
            }
            let flags = second >> 16;
            if flags & (TCP_SYN | TCP_ACK) == TCP_SYN {
                transport.role = Role::OPENING;
            }
        }
        protocol::UDP => {
            let length = ((first >> 16) & 0xffff) as u32;
            if available < UDP_BYTES {
                return Err(at.too_short());
            }
            // The datagram of a first fragment goes on in the later ones.
            let whole = at.piece.is(Piece::WHOLE);
            if length < UDP_BYTES || (whole && length > available) {
                return Err(DenyReason::Malformed);
            }
        }
        _ => {
            if available < ICMP_BYTES {
                return Err(at.too_short());
            }
            return icmp(first, at);
        }
    }
    Ok(transport)
}

#[inline(always)]
fn icmp(first: u64, at: &Walk) -> Result<Transport, DenyReason> {
    let kind = (first >> 56) as u8;
    let identifier = (first >> 16) as u16;
    let (role, source_port, destination_port) = match kind {
        ECHO_REQUEST => (Role::OPENING, identifier, 0),
        ECHO_REPLY => (Role::ANSWER, 0, identifier),
        // RFC 4443 section 2.1: unreachable, too big, time exceeded, parameter problem.
        1..=4 => {
            if !at.piece.is(Piece::WHOLE) {
                // RFC 4443 section 2.4 (c): never longer than the smallest MTU.
                return Err(DenyReason::FragmentNotAllowed);
            }
            (Role::ERROR, 0, 0)
        }
        _ => return Err(DenyReason::IcmpTypeNotAllowed),
    };
    Ok(Transport {
        protocol: protocol::ICMPV6,
        role,
        source_port,
        destination_port,
    })
}

/// The packet that an ICMPv6 error quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted {
    pub(crate) ip: Ipv6,
    pub(crate) transport: Transport,
}

/// Reads the packet quoted by the ICMPv6 error whose header `at` stands on.
///
/// The quotation may be cut short after its transport ports, so its lengths
/// are not compared; every other thing that cannot be read means that the
/// error is about no flow.
#[inline(always)]
pub(crate) fn quoted<P: Packet + ?Sized>(packet: &P, at: &Walk) -> Result<Quoted, DenyReason> {
    let start = at.offset + ICMP_BYTES;
    if start + 40 > at.end {
        return Err(DenyReason::Malformed);
    }
    let Some(words) = packet.far::<5>(start) else {
        return Err(DenyReason::Malformed);
    };
    let ip = Ipv6::from_words(words, start + 40)?;
    let mut own = MaybeUninit::uninit();
    let inner = Walk::new(ip.next, start + 40, at.end);
    let Some(inner) = packet.scratch(1, &mut own, inner) else {
        return Err(DenyReason::TableUnavailable);
    };
    if walk(packet, inner).is_err() || inner.piece.is(Piece::LATER) {
        return Err(DenyReason::IcmpErrorWithoutFlow);
    }
    if inner.offset + 8 > inner.end {
        return Err(DenyReason::IcmpErrorWithoutFlow);
    }
    let Some([first]) = packet.far::<1>(inner.offset) else {
        return Err(DenyReason::Malformed);
    };
    let mut transport = Transport {
        protocol: inner.next,
        role: Role::EITHER,
        source_port: (first >> 48) as u16,
        destination_port: (first >> 32) as u16,
    };
    if inner.next == protocol::ICMPV6 {
        transport = match icmp(first, inner) {
            // RFC 4443 section 2.4 (e): no error about an error.
            Ok(message) if !message.role.is(Role::ERROR) => message,
            _ => return Err(DenyReason::IcmpErrorWithoutFlow),
        };
    }
    Ok(Quoted { ip, transport })
}
