//! Addresses, and which of them may stand in a packet that crosses a router.
//!
//! IPv6 addresses are handled as two 64-bit halves in host order; nothing here may
//! use 128-bit arithmetic, which the eBPF target does not have.

/// An IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct V6 {
    /// Bits 0..64.
    pub high: u64,
    /// Bits 64..128.
    pub low: u64,
}

impl V6 {
    /// An address from its halves.
    #[inline(always)]
    pub const fn new(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The address with all bits after the first `bits` cleared; `bits` above 128
    /// counts as 128.
    #[inline(always)]
    pub const fn masked(self, bits: u8) -> Self {
        let (high, low) = mask(bits);
        Self {
            high: self.high & high,
            low: self.low & low,
        }
    }

    /// Whether the first `bits` of both are the same.
    #[inline(always)]
    pub const fn shares(self, other: Self, bits: u8) -> bool {
        let (high, low) = mask(bits);
        (self.high ^ other.high) & high == 0 && (self.low ^ other.low) & low == 0
    }
}

#[cfg(feature = "std")]
impl From<std::net::Ipv6Addr> for V6 {
    fn from(address: std::net::Ipv6Addr) -> Self {
        let bits = u128::from(address);
        Self::new((bits >> 64) as u64, bits as u64)
    }
}

#[cfg(feature = "std")]
impl From<V6> for std::net::Ipv6Addr {
    fn from(address: V6) -> Self {
        Self::from(u128::from(address.high) << 64 | u128::from(address.low))
    }
}

/// The halves of a mask of the first `bits`.
#[inline(always)]
const fn mask(bits: u8) -> (u64, u64) {
    if bits == 0 {
        (0, 0)
    } else if bits <= 64 {
        (u64::MAX << (64 - bits as u32), 0)
    } else if bits < 128 {
        (u64::MAX, u64::MAX << (128 - bits as u32))
    } else {
        (u64::MAX, u64::MAX)
    }
}

/// Whether a router may forward a packet from or to the address (RFC 1812 section
/// 5.3.7): not "this network", loopback, multicast, class E or broadcast.
#[inline(always)]
pub const fn is_usable_v4(address: u32) -> bool {
    let first = address >> 24;
    first != 0 && first != 127 && first < 224
}

/// Whether a router may forward a packet from or to the address (RFC 4291): not
/// unspecified, loopback, IPv4-compatible, IPv4-mapped, link-local or multicast.
#[inline(always)]
pub const fn is_usable_v6(address: V6) -> bool {
    let family = address.low >> 32;
    !(address.high == 0 && (family == 0 || family == 0xffff)
        || address.high >> 54 == 0xfe80 >> 6
        || address.high >> 56 == 0xff)
}

/// Whether the IPv4 address is global: in none of the blocks that RFC 6890 (which
/// took the place of RFC 5735) lists as not globally reachable.
pub const fn is_global_v4(address: u32) -> bool {
    // Address and length of each block.
    const BLOCKS: [(u32, u32); 14] = [
        (0x0000_0000, 8),  // this network
        (0x0a00_0000, 8),  // private, RFC 1918
        (0x6440_0000, 10), // shared, RFC 6598
        (0x7f00_0000, 8),  // loopback
        (0xa9fe_0000, 16), // link-local
        (0xac10_0000, 12), // private, RFC 1918
        (0xc000_0000, 24), // IETF protocol assignments
        (0xc000_0200, 24), // TEST-NET-1
        (0xc0a8_0000, 16), // private, RFC 1918
        (0xc612_0000, 15), // benchmarking
        (0xc633_6400, 24), // TEST-NET-2
        (0xcb00_7100, 24), // TEST-NET-3
        (0xe000_0000, 4),  // multicast
        (0xf000_0000, 4),  // class E and broadcast
    ];
    let mut i = 0;
    while i < BLOCKS.len() {
        let (block, bits) = BLOCKS[i];
        if (address ^ block) >> (32 - bits) == 0 {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn v6(text: &str) -> V6 {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    #[test]
    fn a_mask_keeps_the_first_bits_and_nothing_else() {
        let all = V6::new(u64::MAX, u64::MAX);
        for bits in 0..=128u8 {
            let masked = u128::from(Ipv6Addr::from(all.masked(bits)));
            assert_eq!(masked.count_ones(), u32::from(bits));
            assert_eq!(masked.leading_ones(), u32::from(bits));
            assert!(all.shares(all.masked(bits), bits));
            assert_eq!(bits == 128, all.shares(all.masked(bits), 128));
        }
    }

    #[test]
    fn what_no_router_forwards_is_told_apart() {
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.1",
            "239.255.255.255",
        ] {
            assert!(
                !is_usable_v4(bad.parse::<Ipv4Addr>().unwrap().into()),
                "{bad}"
            );
        }
        for bad in ["240.0.0.1", "255.255.255.255"] {
            assert!(
                !is_usable_v4(bad.parse::<Ipv4Addr>().unwrap().into()),
                "{bad}"
            );
        }
        for good in [
            "1.0.0.0",
            "10.0.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "223.255.255.255",
        ] {
            assert!(
                is_usable_v4(good.parse::<Ipv4Addr>().unwrap().into()),
                "{good}"
            );
        }
        for bad in [
            "::",
            "::1",
            "::192.0.2.1",
            "::ffff:192.0.2.1",
            "fe80::1",
            "febf::1",
            "ff02::1",
        ] {
            assert!(!is_usable_v6(v6(bad)), "{bad}");
        }
        for good in [
            "::1:0:0:0",
            "64:ff9b::1",
            "2001:db8::1",
            "fc00::1",
            "fec0::1",
            "fe00::1",
        ] {
            assert!(is_usable_v6(v6(good)), "{good}");
        }
    }

    #[test]
    fn private_and_documentation_addresses_are_not_global() {
        for (text, global) in [
            ("8.8.8.8", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.1.0", true),
            ("192.0.2.1", false),
            ("192.168.0.1", false),
            ("198.17.255.255", true),
            ("198.19.0.1", false),
            ("203.0.113.9", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
        ] {
            let address = text.parse::<Ipv4Addr>().unwrap().into();
            assert_eq!(is_global_v4(address), global, "{text}");
        }
    }
}
