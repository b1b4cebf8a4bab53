//! How one address becomes another: RFC 6052 embedding and RFC 7757 explicit
//! mappings. Where the mappings are kept, and how the longest prefix is found, is
//! the business of the [`World`](crate::World).

use crate::address::{V6, is_global_v4};
use crate::reason::Reason;
use crate::world::{Side, World};

/// The Well-Known Prefix (RFC 6052 section 2.1), upper half; the lower half's
/// first 32 bits are zero.
const WELL_KNOWN_HIGH: u64 = 0x0064_ff9b_0000_0000;

/// An explicit address mapping (RFC 7757 section 3.1): an IPv4 prefix and an IPv6
/// prefix, the bits after the one standing for the bits after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Eam {
    /// The IPv6 prefix, zeros after it.
    pub v6: V6,
    /// The IPv4 prefix, zeros after it.
    pub v4: u32,
    /// Length of the IPv4 prefix, 0..=32.
    pub v4_bits: u8,
    /// Length of the IPv6 prefix; no more than leaves room for the IPv4 suffix.
    pub v6_bits: u8,
    /// Always 0.
    pub zero: [u8; 2],
}

impl Eam {
    /// A mapping, or `None` when a length is out of range, the IPv6 suffix is
    /// shorter than the IPv4 one (RFC 7757 section 3.2), or bits after a prefix
    /// are set.
    pub const fn new(v4: u32, v4_bits: u8, v6: V6, v6_bits: u8) -> Option<Self> {
        if v4_bits > 32 || v6_bits > 128 || 32 - v4_bits > 128 - v6_bits {
            return None;
        }
        let masked = v6.masked(v6_bits);
        if v4 & suffix_mask(v4_bits) != 0 || masked.high != v6.high || masked.low != v6.low {
            return None;
        }
        Some(Self {
            v6,
            v4,
            v4_bits,
            v6_bits,
            zero: [0; 2],
        })
    }

    /// Whether the IPv4 address is in the mapping.
    #[inline(always)]
    pub const fn contains_v4(&self, address: u32) -> bool {
        (address ^ self.v4) & !suffix_mask(self.v4_bits) == 0
    }

    /// Whether the IPv6 address is in the mapping.
    #[inline(always)]
    pub const fn contains_v6(&self, address: V6) -> bool {
        address.shares(self.v6, self.v6_bits)
    }

    /// The IPv6 address of an IPv4 address that the mapping holds: the IPv4
    /// suffix follows the IPv6 prefix, and zeros follow it (RFC 7757 section 3.3.1).
    #[inline(always)]
    pub const fn to_v6(&self, address: u32) -> V6 {
        if self.v4_bits >= 32 {
            return self.v6;
        }
        let suffix = (address & suffix_mask(self.v4_bits)) as u64;
        let shift = self.shift();
        let mut to = self.v6;
        if shift >= 64 {
            to.high |= suffix << ((shift - 64) & 63);
        } else {
            to.low |= suffix << shift;
            if shift > 32 {
                to.high |= suffix >> (64 - shift);
            }
        }
        to
    }

    /// The IPv4 address of an IPv6 address that the mapping holds; bits behind the
    /// IPv4 suffix are not looked at (RFC 7757 section 3.3.2).
    #[inline(always)]
    pub const fn to_v4(&self, address: V6) -> u32 {
        if self.v4_bits >= 32 {
            return self.v4;
        }
        let shift = self.shift();
        let suffix = if shift >= 64 {
            address.high >> ((shift - 64) & 63)
        } else if shift > 32 {
            address.low >> shift | address.high << (64 - shift)
        } else {
            address.low >> shift
        };
        self.v4 | suffix as u32 & suffix_mask(self.v4_bits)
    }

    /// Bits behind the IPv4 suffix in the IPv6 address; below 128, since there is
    /// a suffix when this is asked.
    #[inline(always)]
    const fn shift(&self) -> u32 {
        96 + self.v4_bits as u32 - self.v6_bits as u32
    }
}

#[inline(always)]
const fn suffix_mask(v4_bits: u8) -> u32 {
    if v4_bits >= 32 {
        0
    } else {
        u32::MAX >> v4_bits
    }
}

/// A prefix that IPv4 addresses are embedded behind (RFC 6052 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Embedding {
    /// The prefix, zeros after it.
    pub prefix: V6,
    /// Its length: 32, 40, 48, 56, 64 or 96.
    pub bits: u8,
    /// Always 0.
    pub zero: [u8; 7],
}

impl Embedding {
    /// An embedding, or `None` when the length is none of the six, bits after the
    /// prefix are set, or a /96 has bits 64..72 set (RFC 6052 section 2.2).
    pub const fn new(prefix: V6, bits: u8) -> Option<Self> {
        if !matches!(bits, 32 | 40 | 48 | 56 | 64 | 96) {
            return None;
        }
        let masked = prefix.masked(bits);
        if masked.high != prefix.high || masked.low != prefix.low || prefix.low >> 56 != 0 {
            return None;
        }
        Some(Self {
            prefix,
            bits,
            zero: [0; 7],
        })
    }

    /// Whether the address starts with the prefix.
    #[inline(always)]
    pub const fn contains(&self, address: V6) -> bool {
        address.shares(self.prefix, self.bits)
    }

    /// The address that stands for an IPv4 address (RFC 6052 section 2.3).
    #[inline(always)]
    pub const fn embed(&self, v4: u32) -> V6 {
        let v4 = v4 as u64;
        let mut to = self.prefix;
        match self.bits {
            32 => to.high |= v4,
            40 => {
                to.high |= v4 >> 8;
                to.low |= (v4 & 0xff) << 48;
            }
            48 => {
                to.high |= v4 >> 16;
                to.low |= (v4 & 0xffff) << 40;
            }
            56 => {
                to.high |= v4 >> 24;
                to.low |= (v4 & 0x00ff_ffff) << 32;
            }
            64 => to.low |= v4 << 24,
            _ => to.low |= v4,
        }
        to
    }

    /// The IPv4 address in an address that starts with the prefix, or `None` when
    /// bits 64..72, which must be zero, are not. The suffix is ignored, as RFC 6052
    /// section 2.2 asks.
    #[inline(always)]
    pub const fn extract(&self, address: V6) -> Option<u32> {
        let V6 { high, low } = address;
        if low >> 56 != 0 {
            return None;
        }
        Some(match self.bits {
            32 => high as u32,
            40 => (high << 8) as u32 | (low >> 48) as u32 & 0xff,
            48 => (high << 16) as u32 | (low >> 40) as u32 & 0xffff,
            56 => (high << 24) as u32 | (low >> 32) as u32 & 0x00ff_ffff,
            64 => (low >> 24) as u32,
            _ => low as u32,
        })
    }

    /// Whether the pair may be used: with the Well-Known Prefix only global IPv4
    /// addresses (RFC 6052 section 3.1).
    #[inline(always)]
    const fn may_hold(&self, v4: u32) -> bool {
        let well_known =
            self.bits == 96 && self.prefix.high == WELL_KNOWN_HIGH && self.prefix.low == 0;
        !well_known || is_global_v4(v4)
    }
}

/// Why there is no address in the other family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmapped {
    /// Nothing maps it.
    Missing,
    /// The Well-Known Prefix would have to hold an address that is not global.
    NotGlobal,
}

impl Unmapped {
    /// The reason, when `missing` is the one for what nothing maps.
    #[inline(always)]
    pub(crate) fn or(self, missing: Reason) -> Reason {
        match self {
            Self::Missing => missing,
            Self::NotGlobal => Reason::NotGlobal,
        }
    }
}

/// The IPv6 address of an IPv4 one: the explicit mappings first, then the
/// embedding (RFC 7757 section 3.3).
///
/// Its own function, like its likes: the eBPF stack is small.
#[inline(never)]
pub(crate) fn to_v6<W: World>(
    world: &W,
    side: Side,
    address: u32,
    to: &mut V6,
) -> Result<(), Unmapped> {
    if let Some(eam) = world.eam_of_v4(side, address) {
        *to = eam.to_v6(address);
        return Ok(());
    }
    embed(world, side, address, to)
}

/// The IPv6 address of an IPv4 one by the embedding alone.
#[inline(never)]
pub(crate) fn embed<W: World>(
    world: &W,
    side: Side,
    address: u32,
    to: &mut V6,
) -> Result<(), Unmapped> {
    let Some(embedding) = world.embedding(side) else {
        return Err(Unmapped::Missing);
    };
    if !embedding.may_hold(address) {
        return Err(Unmapped::NotGlobal);
    }
    *to = embedding.embed(address);
    Ok(())
}

/// An IPv4 address, and by what it stands for an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: u32,
    /// By the embedding, not by an explicit mapping.
    pub(crate) embedded: bool,
}

/// The IPv4 address of an IPv6 one, as [`to_v6`].
#[inline(never)]
pub(crate) fn to_v4<W: World>(world: &W, side: Side, address: &V6) -> Result<Found, Unmapped> {
    if let Some(eam) = world.eam_of_v6(side, *address) {
        return Ok(Found {
            address: eam.to_v4(*address),
            embedded: false,
        });
    }
    let Some(embedding) = world.embedding(side) else {
        return Err(Unmapped::Missing);
    };
    if !embedding.contains(*address) {
        return Err(Unmapped::Missing);
    }
    let Some(v4) = embedding.extract(*address) else {
        return Err(Unmapped::Missing);
    };
    if !embedding.may_hold(v4) {
        return Err(Unmapped::NotGlobal);
    }
    Ok(Found {
        address: v4,
        embedded: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn v4(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().unwrap().into()
    }

    fn v6(text: &str) -> V6 {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    #[test]
    fn the_text_representations_of_rfc_6052_section_2_4() {
        for (prefix, bits, whole) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::", 96, "64:ff9b::192.0.2.33"),
        ] {
            let embedding = Embedding::new(v6(prefix), bits).unwrap();
            assert_eq!(embedding.embed(v4("192.0.2.33")), v6(whole), "{whole}");
            assert!(embedding.contains(v6(whole)));
            assert_eq!(embedding.extract(v6(whole)), Some(v4("192.0.2.33")));
        }
    }

    #[test]
    fn an_embedding_has_one_of_six_lengths_and_nothing_behind_it() {
        for bits in 0..=128 {
            let valid = [32, 40, 48, 56, 64, 96].contains(&bits);
            assert_eq!(Embedding::new(v6("2001:db8::"), bits).is_some(), valid);
        }
        assert_eq!(Embedding::new(v6("2001:db8::1"), 96), None);
        assert_eq!(
            Embedding::new(v6("2001:db8:0:0:100::"), 96),
            None,
            "u octet"
        );
        assert_eq!(Embedding::new(v6("2001:db8:1::"), 32), None);
    }

    #[test]
    fn bits_64_to_71_must_be_zero_and_the_suffix_is_ignored() {
        let embedding = Embedding::new(v6("2001:db8:122::"), 48).unwrap();
        let extract = |text| embedding.extract(v6(text));
        assert_eq!(extract("2001:db8:122:c000:102:2100::"), None);
        assert_eq!(
            extract("2001:db8:122:c000:2:2100::99"),
            Some(v4("192.0.2.33"))
        );
    }

    #[test]
    fn the_examples_of_rfc_7757_section_3_1() {
        for (p4, b4, p6, b6, a4, a6) in [
            (
                "192.0.2.1",
                32,
                "2001:db8:aaaa::",
                128,
                "192.0.2.1",
                "2001:db8:aaaa::",
            ),
            (
                "192.0.2.2",
                32,
                "2001:db8:bbbb::b",
                128,
                "192.0.2.2",
                "2001:db8:bbbb::b",
            ),
            (
                "192.0.2.16",
                28,
                "2001:db8:cccc::",
                124,
                "192.0.2.17",
                "2001:db8:cccc::1",
            ),
            (
                "192.0.2.128",
                26,
                "2001:db8:dddd::",
                64,
                "192.0.2.131",
                "2001:db8:dddd:0:c00::",
            ),
            (
                "192.0.2.192",
                29,
                "2001:db8:eeee:8::",
                62,
                "192.0.2.197",
                "2001:db8:eeee:a:8000::",
            ),
            (
                "192.0.2.224",
                31,
                "64:ff9b::",
                127,
                "192.0.2.225",
                "64:ff9b::1",
            ),
        ] {
            let eam = Eam::new(v4(p4), b4, v6(p6), b6).unwrap();
            assert!(eam.contains_v4(v4(a4)) && eam.contains_v6(v6(a6)));
            assert_eq!(eam.to_v6(v4(a4)), v6(a6), "{a4}");
            assert_eq!(eam.to_v4(v6(a6)), v4(a4), "{a6}");
        }
    }

    #[test]
    fn a_mapping_that_cannot_be_is_not_made() {
        let make = |b4, b6| Eam::new(v4("192.0.2.0"), b4, v6("2001:db8::"), b6);
        assert!(make(24, 120).is_some());
        assert!(make(24, 121).is_none(), "no room for the suffix");
        assert!(make(33, 120).is_none());
        assert!(make(24, 129).is_none());
        assert!(make(22, 64).is_none(), "bits behind the prefix");
        assert!(make(24, 28).is_none(), "bits behind the prefix");
    }

    #[test]
    fn the_well_known_prefix_holds_global_addresses_only() {
        let known = Embedding::new(v6("64:ff9b::"), 96).unwrap();
        assert!(known.may_hold(v4("8.8.8.8")));
        assert!(!known.may_hold(v4("10.0.0.1")));
        let own = Embedding::new(v6("64:ff9b:1::"), 96).unwrap();
        assert!(own.may_hold(v4("10.0.0.1")));
    }

    /// RFC 7757 section 3.3 with strings of bits.
    fn by_the_book(eam: &Eam, address: u32) -> V6 {
        let prefix = format!("{:064b}{:064b}", eam.v6.high, eam.v6.low);
        let suffix = format!("{address:032b}");
        let bits = format!(
            "{}{}",
            &prefix[..usize::from(eam.v6_bits)],
            &suffix[usize::from(eam.v4_bits)..]
        );
        let whole = format!("{bits:0<128}");
        let half = |text| u64::from_str_radix(text, 2).unwrap();
        V6::new(half(&whole[..64]), half(&whole[64..]))
    }

    proptest! {
        #[test]
        fn mappings_of_all_lengths_lead_there_and_back(
            address in any::<u32>(),
            high in any::<u64>(),
            low in any::<u64>(),
            v4_bits in 0u8..=32,
            spare in 0u8..=96,
        ) {
            let v6_bits = (96 + v4_bits).saturating_sub(spare);
            let prefix = V6::new(high, low).masked(v6_bits);
            let v4 = address & !suffix_mask(v4_bits);
            let eam = Eam::new(v4, v4_bits, prefix, v6_bits).unwrap();
            let to = eam.to_v6(address);
            prop_assert_eq!(to, by_the_book(&eam, address));
            prop_assert!(eam.contains_v4(address) && eam.contains_v6(to));
            prop_assert_eq!(eam.to_v4(to), address);
        }

        #[test]
        fn embedded_addresses_come_out_again(
            address in any::<u32>(),
            high in any::<u64>(),
            low in any::<u64>(),
            bits in prop::sample::select(vec![32u8, 40, 48, 56, 64, 96]),
        ) {
            let prefix = V6::new(high, low & 0x00ff_ffff_ffff_ffff).masked(bits);
            let embedding = Embedding::new(prefix, bits).unwrap();
            let whole = embedding.embed(address);
            prop_assert!(embedding.contains(whole));
            prop_assert_eq!(whole.low >> 56, 0);
            prop_assert_eq!(embedding.extract(whole), Some(address));
        }
    }
}
