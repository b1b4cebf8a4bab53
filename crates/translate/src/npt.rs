//! IPv6 prefix translation (RFC 6296): one prefix for another, and one 16-bit word
//! of the address adjusted so that no checksum changes.

use crate::address::V6;
use crate::checksum::Sum;
use crate::reason::Reason;

/// Which way a packet crosses a prefix translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Way {
    /// From the internal network: its source is translated.
    Outbound = 0,
    /// To the internal network: its destination is translated.
    Inbound = 1,
}

/// A pair of prefixes that stand for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Npt {
    /// The internal prefix, zeros after it.
    pub internal: V6,
    /// The external prefix, zeros after it.
    pub external: V6,
    /// What is added to a word on the way out: the sum of the internal prefix less
    /// that of the external one (RFC 6296 section 3.1).
    pub adjustment: u16,
    /// Length of both prefixes, 1..=64.
    pub bits: u8,
    /// Always 0.
    pub zero: [u8; 5],
}

impl Npt {
    /// A pair, or `None` when a length is not 1..=64 or bits after a prefix are
    /// set. The shorter prefix is taken to be as long as the longer one, with
    /// zeros (RFC 6296 section 3.1).
    pub const fn new(
        internal: V6,
        internal_bits: u8,
        external: V6,
        external_bits: u8,
    ) -> Option<Self> {
        if internal_bits == 0 || internal_bits > 64 || external_bits == 0 || external_bits > 64 {
            return None;
        }
        let inside = internal.masked(internal_bits);
        let outside = external.masked(external_bits);
        if inside.high != internal.high
            || outside.high != external.high
            || internal.low != 0
            || external.low != 0
        {
            return None;
        }
        let bits = if internal_bits > external_bits {
            internal_bits
        } else {
            external_bits
        };
        Some(Self {
            internal,
            external,
            adjustment: Sum::ZERO.add64(internal.high).sub64(external.high).folded(),
            bits,
            zero: [0; 5],
        })
    }

    /// Translates an internal address (RFC 6296 section 3.2).
    ///
    /// # Errors
    /// [`Reason::OutsidePrefix`] when it is not internal, [`Reason::SubnetNotMapped`]
    /// for subnet 0xffff behind a prefix of /48 or shorter, and
    /// [`Reason::InterfaceAllOnes`] behind a longer one.
    #[inline(always)]
    pub const fn outbound(&self, address: V6) -> Result<V6, Reason> {
        self.translate(address, self.internal, self.external, self.adjustment)
    }

    /// Translates an external address (RFC 6296 section 3.3).
    ///
    /// # Errors
    /// As [`Self::outbound`].
    #[inline(always)]
    pub const fn inbound(&self, address: V6) -> Result<V6, Reason> {
        self.translate(address, self.external, self.internal, !self.adjustment)
    }

    #[inline(always)]
    const fn translate(
        &self,
        address: V6,
        from: V6,
        to: V6,
        adjustment: u16,
    ) -> Result<V6, Reason> {
        if !address.shares(from, self.bits) {
            return Err(Reason::OutsidePrefix);
        }
        let prefix = u64::MAX << ((64 - self.bits as u32) & 63);
        let mut new = V6::new(to.high | address.high & !prefix, address.low);
        if self.bits <= 48 {
            // RFC 6296 section 3.4: the subnet.
            let word = new.high as u16;
            if word == 0xffff {
                return Err(Reason::SubnetNotMapped);
            }
            new.high = new.high & !0xffff | adjusted(word, adjustment) as u64;
            return Ok(new);
        }
        // RFC 6296 section 3.5: the first word of the interface identifier that
        // is not all ones. The result never is either, so that the same one is
        // found on the way back.
        let mut shift = 48;
        loop {
            let word = (new.low >> shift) as u16;
            if word != 0xffff {
                new.low =
                    new.low & !(0xffff << shift) | (adjusted(word, adjustment) as u64) << shift;
                return Ok(new);
            }
            if shift == 0 {
                return Err(Reason::InterfaceAllOnes);
            }
            shift -= 16;
        }
    }
}

/// One's complement addition in which 0xffff, the other zero, is written 0.
#[inline(always)]
const fn adjusted(word: u16, adjustment: u16) -> u16 {
    let sum = Sum::ZERO.add(word as u32).add(adjustment as u32).folded();
    if sum == 0xffff { 0 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    fn v6(text: &str) -> V6 {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    #[test]
    fn the_example_of_rfc_6296_section_3_6() {
        let npt = Npt::new(v6("fd01:203:405::"), 48, v6("2001:db8:1::"), 48).unwrap();
        assert_eq!(npt.adjustment, 0xd54f);
        let inside = v6("fd01:203:405:1::1234");
        let outside = v6("2001:db8:1:d550::1234");
        assert_eq!(npt.outbound(inside), Ok(outside));
        assert_eq!(npt.inbound(outside), Ok(inside));
    }

    #[test]
    fn what_cannot_be_translated_says_why() {
        let short = Npt::new(v6("fd01:203:405::"), 48, v6("2001:db8:1::"), 48).unwrap();
        assert_eq!(
            short.outbound(v6("fd01:203:405:ffff::1")),
            Err(Reason::SubnetNotMapped)
        );
        assert_eq!(
            short.outbound(v6("fd01:203:406::1")),
            Err(Reason::OutsidePrefix)
        );
        let long = Npt::new(v6("fd01:203:405:1::"), 64, v6("2001:db8:1:2::"), 64).unwrap();
        assert_eq!(
            long.inbound(v6("2001:db8:1:2:ffff:ffff:ffff:ffff")),
            Err(Reason::InterfaceAllOnes)
        );
        assert_eq!(Npt::new(v6("fd00::"), 65, v6("2001:db8::"), 64), None);
        assert_eq!(Npt::new(v6("fd00::"), 0, v6("2001:db8::"), 64), None);
        assert_eq!(Npt::new(v6("fd00:1::"), 16, v6("2001:db8::"), 64), None);
        assert_eq!(Npt::new(v6("fd00::1"), 64, v6("2001:db8::"), 64), None);
    }

    #[test]
    fn the_shorter_prefix_is_filled_with_zeros() {
        let npt = Npt::new(v6("fd01:203:405::"), 48, v6("2001:db8:1:ff00::"), 56).unwrap();
        assert_eq!(npt.bits, 56);
        assert!(npt.outbound(v6("fd01:203:405:2::1")).is_ok());
        assert_eq!(
            npt.outbound(v6("fd01:203:405:100::1")),
            Err(Reason::OutsidePrefix)
        );
    }

    proptest! {
        #[test]
        fn no_checksum_changes_and_the_way_back_leads_home(
            internal in any::<u64>(),
            external in any::<u64>(),
            bits in 1u8..=64,
            rest in any::<u64>(),
            low in prop_oneof![
                any::<u64>(),
                any::<u64>().prop_map(|low| low | 0xffff << 48),
                any::<u64>().prop_map(|low| low | 0xffff_ffff_ffff << 16),
            ],
        ) {
            let internal = V6::new(internal, 0).masked(bits);
            let external = V6::new(external, 0).masked(bits);
            let npt = Npt::new(internal, bits, external, bits).unwrap();
            let free = V6::new(u64::MAX, 0).masked(bits);
            let inside = V6::new(internal.high | rest & !free.high, low);
            if let Ok(outside) = npt.outbound(inside) {
                let before = Sum::ZERO.add64(inside.high).add64(inside.low);
                let after = Sum::ZERO.add64(outside.high).add64(outside.low);
                // 0 and 0xffff are both zero.
                prop_assert_eq!(before.folded() % 0xffff, after.folded() % 0xffff);
                prop_assert!(outside.shares(external, bits));
                prop_assert_eq!(npt.inbound(outside), Ok(inside));
            }
        }
    }
}
