//! Reading an IPv4 header (RFC 791) and its options.

use crate::checksum::Sum;
use crate::reason::Reason;
use crate::view::{View, launder};

pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
const OFFSET_MASK: u16 = 0x1fff;

/// Length of a header without options.
pub(crate) const IPV4_BYTES: u32 = 20;
/// Most bytes of options.
const OPTIONS_MAX: u32 = 40;

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_LOOSE_ROUTE: u8 = 131;
const OPTION_STRICT_ROUTE: u8 = 137;

/// An IPv4 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Ipv4 {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    /// Length of the packet, this header included.
    pub(crate) total: u32,
    /// Length of this header, options included.
    pub(crate) bytes: u32,
    /// Sum of the whole header: folded, it is 0xffff when the checksum is right.
    pub(crate) sum: Sum,
    pub(crate) id: u16,
    /// Flags and offset.
    pub(crate) field: u16,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
}

impl Ipv4 {
    pub(crate) const EMPTY: Self = Self {
        source: 0,
        destination: 0,
        total: 0,
        bytes: 0,
        sum: Sum::ZERO,
        id: 0,
        field: 0,
        tos: 0,
        ttl: 0,
        protocol: 0,
    };

    /// Takes the header out of its words: those at 0 and 8, and that of the
    /// addresses at 12. Options are not in the sum yet.
    #[inline(always)]
    fn from_words(first: u64, second: u64, addresses: u64) -> Result<Self, Reason> {
        let bytes = ((first >> 56) & 0x0f) as u32 * 4;
        let total = ((first >> 32) & 0xffff) as u32;
        if first >> 60 != 4 || bytes < IPV4_BYTES || total < bytes {
            return Err(Reason::Malformed);
        }
        Ok(Self {
            source: (addresses >> 32) as u32,
            destination: addresses as u32,
            total,
            bytes,
            sum: Sum::ZERO
                .add64(first)
                .add((second >> 32) as u32)
                .add64(addresses),
            id: (first >> 16) as u16,
            field: first as u16,
            tos: (first >> 48) as u8,
            ttl: (second >> 56) as u8,
            protocol: (second >> 48) as u8,
        })
    }

    /// Reads the header of a packet.
    #[inline(always)]
    pub(crate) fn read<V: View + ?Sized>(view: &V) -> Result<Self, Reason> {
        let Some([first, second]) = view.near::<0, 2>() else {
            return Err(Reason::Malformed);
        };
        let Some([addresses]) = view.near::<12, 1>() else {
            return Err(Reason::Malformed);
        };
        let ip = Self::from_words(first, second, addresses)?;
        if ip.total > view.bytes() {
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
        if at + IPV4_BYTES > end {
            return Err(Reason::QuoteIncomplete);
        }
        let Some([first, second]) = view.far::<2>(at) else {
            return Err(Reason::QuoteIncomplete);
        };
        let Some([addresses]) = view.far::<1>(at + 12) else {
            return Err(Reason::QuoteIncomplete);
        };
        let Ok(mut ip) = Self::from_words(first, second, addresses) else {
            return Err(Reason::QuoteIncomplete);
        };
        if at + ip.bytes > end {
            return Err(Reason::QuoteIncomplete);
        }
        if ip.bytes > IPV4_BYTES {
            ip.add_options(view, at)?;
        }
        Ok(ip)
    }

    /// Adds the options to the sum.
    #[inline(always)]
    pub(crate) fn add_options<V: View + ?Sized>(
        &mut self,
        view: &V,
        at: u32,
    ) -> Result<(), Reason> {
        let Some(sum) = view.sum(at + IPV4_BYTES, self.bytes - IPV4_BYTES) else {
            return Err(Reason::SumUnavailable);
        };
        self.sum = self.sum.add(u32::from(sum));
        Ok(())
    }

    /// Whether there are more fragments behind this one.
    #[inline(always)]
    pub(crate) fn more(&self) -> bool {
        self.field & MORE_FRAGMENTS != 0
    }

    /// Offset of this fragment's data, bytes.
    #[inline(always)]
    pub(crate) fn offset(&self) -> u32 {
        u32::from(self.field & OFFSET_MASK) * 8
    }

    /// Whether this is a part of a packet.
    #[inline(always)]
    pub(crate) fn is_fragment(&self) -> bool {
        self.field & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Offset and M flag as they stand in an IPv6 fragment header.
    #[inline(always)]
    pub(crate) fn fragment_field(&self) -> u16 {
        (self.field & OFFSET_MASK) << 3 | u16::from(self.more())
    }

    #[inline(always)]
    pub(crate) fn may_fragment(&self) -> bool {
        self.field & DONT_FRAGMENT == 0
    }
}

/// Looks through the options of a packet for a source route that is not used up
/// (RFC 7915 section 4.1). All others are left out.
#[inline(never)]
pub(crate) fn check_options<V: View + ?Sized>(view: &V, end: u32) -> Result<(), Reason> {
    let mut at = IPV4_BYTES;
    let mut count = 0;
    while count < OPTIONS_MAX {
        at = launder(view, at);
        if at >= end {
            return Ok(());
        }
        // The last byte has none behind it within the header, but the buffer may
        // end there too: the pair that ends with it is read instead.
        let Some(pair) = view.pair(at - 1) else {
            return Err(Reason::Malformed);
        };
        let kind = pair as u8;
        if kind == OPTION_END {
            return Ok(());
        }
        if kind == OPTION_NOP {
            at += 1;
        } else {
            if at + 2 > end {
                return Err(Reason::OptionsMalformed);
            }
            let Some(pair) = view.pair(at) else {
                return Err(Reason::Malformed);
            };
            let bytes = u32::from(pair & 0xff);
            if bytes < 2 || at + bytes > end {
                return Err(Reason::OptionsMalformed);
            }
            if kind == OPTION_LOOSE_ROUTE || kind == OPTION_STRICT_ROUTE {
                if bytes < 3 {
                    return Err(Reason::OptionsMalformed);
                }
                let Some(pair) = view.pair(at + 1) else {
                    return Err(Reason::Malformed);
                };
                // RFC 791: used up when the pointer is greater than the length.
                if u32::from(pair & 0xff) <= bytes {
                    return Err(Reason::SourceRoute);
                }
            }
            at += bytes;
        }
        count += 1;
    }
    Ok(())
}
