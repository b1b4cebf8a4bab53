//! Address is identity: the arithmetic between an address and the participant
//! that owns it.
//!
//! The network has a prefix of /32 or shorter, padded with zeros to 32 bits;
//! participant `n` owns the /56 whose bits 32..56 are `n`; a site takes a /64
//! of it. Number 0 is the infrastructure: centers, gateways, base services.
//!
//! Addresses are handled as two 64-bit halves in host order; nothing here may
//! use 128-bit arithmetic, which the eBPF target does not have.

/// Largest participant number (24 bits).
pub const PARTICIPANT_MAX: u32 = 0x00ff_ffff;

/// The participant number in the upper half of an address (bits 32..56).
#[inline(always)]
pub const fn participant_of(high: u64) -> u32 {
    ((high >> 8) & 0x00ff_ffff) as u32
}

/// The site index in the upper half of an address (bits 56..64).
#[inline(always)]
pub const fn site_of(high: u64) -> u8 {
    (high & 0xff) as u8
}

/// The upper half of a site's /64.
///
/// `network` is the network prefix padded to 32 bits; `participant` is cut to
/// 24 bits.
#[inline(always)]
pub const fn site_prefix(network: u32, participant: u32, site: u8) -> u64 {
    ((network as u64) << 32) | (((participant & PARTICIPANT_MAX) as u64) << 8) | site as u64
}

/// Whether the upper half lies in the part of the network that is numbered:
/// bits 0..32 equal the padded network prefix. With a network shorter than
/// /32 the rest of it belongs to nobody and counts as outside.
#[inline(always)]
pub const fn in_network(network: u32, high: u64) -> bool {
    (high >> 32) as u32 == network
}

/// fe80::/64 (RFC 4291 section 2.5.6: the 54 bits after the /10 are zero).
#[inline(always)]
pub const fn is_link_local(high: u64) -> bool {
    high == 0xfe80_0000_0000_0000
}

/// ::, the unspecified address.
#[inline(always)]
pub const fn is_unspecified(high: u64, low: u64) -> bool {
    high == 0 && low == 0
}

/// ff02::/16, multicast of link-local scope with permanent groups.
#[inline(always)]
pub const fn is_link_multicast(high: u64) -> bool {
    (high >> 48) == 0xff02
}

/// The two halves of a 128-bit address in network order.
#[cfg(feature = "std")]
pub const fn halves(address: u128) -> (u64, u64) {
    ((address >> 64) as u64, address as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_prefix_holds_its_participant_and_site() {
        let high = site_prefix(0x2001_0db8, 0x00ab_cdef, 7);
        assert_eq!(high, 0x2001_0db8_abcd_ef07);
        assert_eq!(participant_of(high), 0x00ab_cdef);
        assert_eq!(site_of(high), 7);
        assert!(in_network(0x2001_0db8, high));
        assert!(!in_network(0x2001_0db9, high));
    }
}
