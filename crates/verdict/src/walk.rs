//! The bounded walk over IPv6 extension headers (RFC 8200 section 4).
//!
//! What is walked past is only what cannot change where the packet goes or what
//! it is: everything else is refused with a reason of its own. The walk never
//! looks beyond the payload that the fixed header states.

use crate::DenyReason;
use crate::packet::{Packet, protocol};
use crate::transport::{Role, Transport};

/// Most extension headers that are looked through before the packet is refused.
pub const EXTENSION_HEADERS_MAX: u32 = 8;
/// Most options that are looked through in a hop-by-hop header.
const HOP_OPTIONS_MAX: u32 = 8;

const OPTION_PAD1: u8 = 0;
const OPTION_JUMBO: u8 = 0xc2;

/// Which part of a packet this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece(pub(crate) u8);

impl Piece {
    /// A whole packet, or an atomic fragment (RFC 6946).
    pub(crate) const WHOLE: Self = Self(0);
    /// The first fragment of several.
    pub(crate) const FIRST: Self = Self(1);
    /// A later fragment: its bytes are not headers.
    pub(crate) const LATER: Self = Self(2);

    #[inline(always)]
    pub(crate) fn is(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// Where the walk stands and what it has found.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Walk {
    /// Offset in the frame of the next unread byte; at the end, of the
    /// transport header (or of a later fragment's data).
    pub(crate) offset: u32,
    /// Offset in the frame of the end of the payload.
    pub(crate) end: u32,
    /// Identification of the fragmented packet.
    pub(crate) fragment_id: u32,
    /// Offset of this fragment's data in the packet, bytes.
    pub(crate) fragment_offset: u32,
    /// Bytes of fragment data in this frame.
    pub(crate) fragment_bytes: u32,
    /// Protocol that the walk ended at.
    pub(crate) next: u8,
    /// The next header named by the fragment header.
    pub(crate) fragment_next: u8,
    pub(crate) piece: Piece,
    /// A fragment header was walked past; a second one is refused.
    pub(crate) fragmented: bool,
    /// What the transport header says, once it is read.
    pub(crate) protocol: u8,
    pub(crate) role: Role,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

impl Walk {
    #[inline(always)]
    pub(crate) fn new(next: u8, offset: u32, end: u32) -> Self {
        Self {
            offset,
            end,
            fragment_id: 0,
            fragment_offset: 0,
            fragment_bytes: 0,
            next,
            fragment_next: 0,
            piece: Piece::WHOLE,
            fragmented: false,
            protocol: 0,
            role: Role::EITHER,
            source_port: 0,
            destination_port: 0,
        }
    }

    /// Keeps a transport header; [`Self::transport`] gives it back.
    #[inline(always)]
    pub(crate) fn keep(&mut self, transport: Transport) {
        self.protocol = transport.protocol;
        self.role = transport.role;
        self.source_port = transport.source_port;
        self.destination_port = transport.destination_port;
    }

    /// The transport header that was kept.
    #[inline(always)]
    pub(crate) fn transport(&self) -> Transport {
        Transport {
            protocol: self.protocol,
            role: self.role,
            source_port: self.source_port,
            destination_port: self.destination_port,
        }
    }

    /// The reason for headers that end too early.
    #[inline(always)]
    pub(crate) fn too_short(&self) -> DenyReason {
        if self.piece.is(Piece::FIRST) {
            DenyReason::FirstFragmentIncomplete
        } else {
            DenyReason::Malformed
        }
    }
}

/// Whether the protocol needs no walk at all.
#[inline(always)]
pub(crate) fn is_transport(next: u8) -> bool {
    next == protocol::TCP || next == protocol::UDP || next == protocol::ICMPV6
}

/// Walks to the transport header, or to the data of a later fragment.
///
/// Its own function, never inlined: the eBPF verifier then meets one body with
/// one state, and the packet without extension headers pays nothing for it.
#[inline(never)]
pub(crate) fn walk<P: Packet + ?Sized>(packet: &P, at: &mut Walk) -> Result<(), DenyReason> {
    let mut count = 0;
    while count < EXTENSION_HEADERS_MAX {
        let next = at.next;
        if is_transport(next) {
            return Ok(());
        }
        let known = next == protocol::HOP_BY_HOP
            || next == protocol::ROUTING
            || next == protocol::FRAGMENT
            || next == protocol::AUTHENTICATION
            || next == protocol::DESTINATION_OPTIONS;
        if !known {
            return Err(DenyReason::UnsupportedProtocol);
        }
        // No extension header is shorter than eight bytes.
        if at.offset + 8 > at.end {
            return Err(at.too_short());
        }
        let Some([word]) = packet.far::<1>(at.offset) else {
            return Err(DenyReason::Malformed);
        };
        let units = ((word >> 48) & 0xff) as u32;
        at.next = (word >> 56) as u8;

        if next == protocol::FRAGMENT {
            fragment(at, word)?;
            if at.piece.is(Piece::LATER) {
                return Ok(());
            }
        } else {
            let bytes = if next == protocol::AUTHENTICATION {
                // RFC 4302 section 2.2: in 4-byte units, minus 2.
                (units + 2) * 4
            } else {
                (units + 1) * 8
            };
            if bytes < 8 || at.offset + bytes > at.end {
                return Err(at.too_short());
            }
            if next == protocol::HOP_BY_HOP {
                if count != 0 {
                    return Err(DenyReason::HopByHopMisplaced);
                }
                hop_options(packet, at.offset + 2, at.offset + bytes)?;
            }
            if next == protocol::ROUTING {
                let kind = (word >> 40) & 0xff;
                let segments_left = (word >> 32) & 0xff;
                if kind == 0 || segments_left != 0 {
                    return Err(DenyReason::RoutingHeader);
                }
            }
            at.offset += bytes;
        }
        count += 1;
    }
    if is_transport(at.next) {
        Ok(())
    } else {
        Err(DenyReason::ExtensionChainTooLong)
    }
}

#[inline(always)]
fn fragment(at: &mut Walk, word: u64) -> Result<(), DenyReason> {
    if at.fragmented {
        return Err(DenyReason::FragmentNotAllowed);
    }
    let offset = ((word >> 32) & 0xfff8) as u32;
    let more = (word >> 32) & 1 == 1;
    let data = at.offset + 8;
    let bytes = at.end - data;
    if more && (bytes == 0 || !bytes.is_multiple_of(8)) {
        // RFC 8200 section 4.5: all but the last are multiples of eight.
        return Err(DenyReason::Malformed);
    }
    if offset + bytes > 0xffff {
        // Reassembly would exceed the longest packet (RFC 8200 section 4.5).
        return Err(DenyReason::Malformed);
    }
    at.fragmented = true;
    at.offset = data;
    at.fragment_id = word as u32;
    at.fragment_offset = offset;
    at.fragment_bytes = bytes;
    at.fragment_next = at.next;
    at.piece = if offset != 0 {
        Piece::LATER
    } else if more {
        Piece::FIRST
    } else {
        Piece::WHOLE
    };
    Ok(())
}

/// Looks through hop-by-hop options for a jumbo payload (RFC 2675 section 2).
#[inline(always)]
fn hop_options<P: Packet + ?Sized>(packet: &P, from: u32, end: u32) -> Result<(), DenyReason> {
    let mut offset = from;
    let mut count = 0;
    while count < HOP_OPTIONS_MAX {
        if offset == end {
            return Ok(());
        }
        // A last single byte may only be Pad1; the frame has a byte after it,
        // or the header would not have fitted with a transport header.
        let Some(pair) = packet.pair(offset) else {
            return Err(DenyReason::Malformed);
        };
        let kind = (pair >> 8) as u8;
        if kind == OPTION_JUMBO {
            return Err(DenyReason::JumboPayload);
        }
        if kind == OPTION_PAD1 {
            offset += 1;
        } else {
            offset += 2 + u32::from(pair & 0xff);
            if offset > end {
                return Err(DenyReason::Malformed);
            }
        }
        count += 1;
    }
    if offset == end {
        Ok(())
    } else {
        Err(DenyReason::ExtensionChainTooLong)
    }
}
