//! ICMPv4 and ICMPv6 messages in each other's words: types, codes, pointers and
//! MTUs (RFC 7915 sections 4.2 and 5.2).

use crate::reason::Reason;
use crate::view::View;
use crate::world::{IPV6_MTU_MIN, World, mtu_v4, mtu_v6};

/// A message in the words of the other family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The second word of the header, without the extension's length.
    pub(crate) rest: u32,
    /// An error, with a quoted packet.
    pub(crate) error: bool,
    /// The new message has room for an extension (RFC 4884 section 4).
    pub(crate) extensible: bool,
}

impl Message {
    /// The same message, of which the eBPF verifier does not know by which row of
    /// the tables it came about: it would follow the rest once for each.
    #[inline(always)]
    pub(crate) fn settled<V: View + ?Sized>(self, view: &V) -> Self {
        let word = u64::from(self.rest) << 32
            | u64::from(self.kind) << 24
            | u64::from(self.code) << 16
            | u64::from(self.error) << 8
            | u64::from(self.extensible);
        let word = view.launder(word);
        Self {
            kind: (word >> 24) as u8,
            code: (word >> 16) as u8,
            rest: (word >> 32) as u32,
            error: (word >> 8) & 1 != 0,
            extensible: word & 1 != 0,
        }
    }

    #[inline(always)]
    const fn query(kind: u8, code: u8, rest: u32) -> Result<Self, Reason> {
        Ok(Self {
            kind,
            code,
            rest,
            error: false,
            extensible: false,
        })
    }

    #[inline(always)]
    const fn error(kind: u8, code: u8, rest: u32) -> Result<Self, Reason> {
        Ok(Self {
            kind,
            code,
            rest,
            error: true,
            // Unreachable and time exceeded of either family. (ICMPv4's "too big"
            // is an unreachable too, but ICMPv6's has no extension to hand on.)
            extensible: rest == 0 && (kind == 1 || kind == 3 || kind == 11),
        })
    }
}

/// Whether an ICMPv4 message is an error.
#[inline(always)]
pub(crate) const fn is_error_v4(kind: u8) -> bool {
    // Unreachable, source quench, redirect, time exceeded, parameter problem.
    kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12
}

/// Whether an ICMPv6 message is an error (RFC 4443 section 2.1).
#[inline(always)]
pub(crate) const fn is_error_v6(kind: u8) -> bool {
    kind < 128
}

/// Whether the second byte (ICMPv6: the first) of the rest may be the length of
/// the quoted packet (RFC 4884 section 4).
#[inline(always)]
pub(crate) const fn has_length_v4(kind: u8) -> bool {
    kind == 3 || kind == 11 || kind == 12
}

/// As [`has_length_v4`].
#[inline(always)]
pub(crate) const fn has_length_v6(kind: u8) -> bool {
    kind == 1 || kind == 3
}

/// An ICMPv4 message in the words of ICMPv6 (RFC 7915 section 4.2). `quoted` is the
/// length that the quoted packet states.
#[inline(always)]
pub(crate) fn to_v6<W: World>(
    world: &W,
    kind: u8,
    code: u8,
    rest: u32,
    quoted: u32,
) -> Result<Message, Reason> {
    match kind {
        8 => Message::query(128, code, rest),
        0 => Message::query(129, code, rest),
        3 => match code {
            0 | 1 | 5..=8 | 11 | 12 => Message::error(1, 0, 0),
            // The next header field is what was not known.
            2 => Message::error(4, 1, 6),
            3 => Message::error(1, 4, 0),
            4 => Message::error(2, 0, mtu_to_v6(world, rest & 0xffff, quoted)),
            9 | 10 | 13 | 15 => Message::error(1, 1, 0),
            // 14, host precedence violation, among others.
            _ => Err(Reason::IcmpCode),
        },
        11 => Message::error(3, code, 0),
        12 => match code {
            0 | 2 => match pointer_to_v6((rest >> 24) as u8) {
                Some(pointer) => Message::error(4, 0, pointer),
                None => Err(Reason::IcmpPointer),
            },
            // 1, a required option is missing, among others.
            _ => Err(Reason::IcmpCode),
        },
        _ => Err(Reason::IcmpType),
    }
}

/// An ICMPv6 message in the words of ICMPv4 (RFC 7915 section 5.2).
#[inline(always)]
pub(crate) fn to_v4<W: World>(world: &W, kind: u8, code: u8, rest: u32) -> Result<Message, Reason> {
    match kind {
        128 => Message::query(8, code, rest),
        129 => Message::query(0, code, rest),
        1 => match code {
            0 | 2 | 3 => Message::error(3, 1, 0),
            1 => Message::error(3, 10, 0),
            4 => Message::error(3, 3, 0),
            _ => Err(Reason::IcmpCode),
        },
        2 => Message::error(3, 4, mtu_to_v4(world, rest)),
        3 => Message::error(11, code, 0),
        4 => match code {
            0 => match pointer_to_v4(rest) {
                Some(pointer) => Message::error(12, 0, pointer << 24),
                None => Err(Reason::IcmpPointer),
            },
            1 => Message::error(3, 2, 0),
            // 2, an option that was not known, among others.
            _ => Err(Reason::IcmpCode),
        },
        _ => Err(Reason::IcmpType),
    }
}

/// RFC 7915 figure 3.
#[inline(always)]
const fn pointer_to_v6(pointer: u8) -> Option<u32> {
    match pointer {
        0 => Some(0),        // version and header length
        1 => Some(1),        // type of service
        2 | 3 => Some(4),    // total length
        8 => Some(7),        // time to live
        9 => Some(6),        // protocol
        12..=15 => Some(8),  // source
        16..=19 => Some(24), // destination
        _ => None,
    }
}

/// RFC 7915 figure 6.
#[inline(always)]
const fn pointer_to_v4(pointer: u32) -> Option<u32> {
    match pointer {
        0 => Some(0),        // version and traffic class
        1 => Some(1),        // traffic class and flow label
        4 | 5 => Some(2),    // payload length
        6 => Some(9),        // next header
        7 => Some(8),        // hop limit
        8..=23 => Some(12),  // source
        24..=39 => Some(16), // destination
        _ => None,
    }
}

/// RFC 1191 section 7, those that can be used: a smaller one is below 1280.
const PLATEAUS: [u32; 7] = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492];

/// The MTU of a "fragmentation needed" for an IPv6 sender.
#[inline(always)]
fn mtu_to_v6<W: World>(world: &W, mtu: u32, quoted: u32) -> u32 {
    let mut mtu = mtu;
    if mtu == 0 {
        // A router that does not know RFC 1191: the greatest plateau that is less
        // than the packet was.
        let mut i = 0;
        while i < PLATEAUS.len() && mtu == 0 {
            if PLATEAUS[i] < quoted {
                mtu = PLATEAUS[i];
            }
            i += 1;
        }
    }
    (mtu + 20)
        .min(mtu_v6(world))
        .min(mtu_v4(world).saturating_add(20))
        .max(IPV6_MTU_MIN)
}

/// The MTU of a "packet too big" for an IPv4 sender.
#[inline(always)]
fn mtu_to_v4<W: World>(world: &W, mtu: u32) -> u32 {
    mtu.saturating_sub(20)
        .min(mtu_v4(world))
        .min(mtu_v6(world) - 20)
        .min(0xffff)
}
