//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! Sums are of big-endian 16-bit words, kept in 64 bits; a word of 32 or 64 bits
//! may be added as it is, since 2^16 is 1 modulo 2^16 - 1. Taking something out
//! is adding its complement (RFC 1624 equation 3).

/// A one's complement sum that has not been folded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Self = Self(0);

    /// Adds 32 bits, or a smaller word that stands at an even offset.
    #[inline(always)]
    pub const fn add(self, word: u32) -> Self {
        // At most some hundred terms of 32 bits are ever added to 64.
        Self(self.0 + word as u64)
    }

    /// Takes 32 bits out.
    #[inline(always)]
    pub const fn sub(self, word: u32) -> Self {
        Self(self.0 + !word as u64)
    }

    /// Adds four words of 16 bits.
    #[inline(always)]
    pub const fn add64(self, word: u64) -> Self {
        self.add((word >> 32) as u32).add(word as u32)
    }

    /// Takes four words of 16 bits out.
    #[inline(always)]
    pub const fn sub64(self, word: u64) -> Self {
        self.sub((word >> 32) as u32).sub(word as u32)
    }

    /// Adds another sum.
    #[inline(always)]
    pub const fn plus(self, other: Self) -> Self {
        self.add(other.folded() as u32)
    }

    /// Takes another sum out.
    #[inline(always)]
    pub const fn minus(self, other: Self) -> Self {
        self.add(!other.folded() as u32)
    }

    /// The sum in 16 bits.
    #[inline(always)]
    pub const fn folded(self) -> u16 {
        fold(self.0)
    }

    /// What stands in a checksum field for this sum.
    #[inline(always)]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }

    /// A checksum field brought up to date by this sum, which is what was added
    /// less what was taken out (RFC 1624 equation 3).
    #[inline(always)]
    pub const fn update(self, checksum: u16) -> u16 {
        self.add(!checksum as u32).checksum()
    }
}

/// Folds a one's complement sum into 16 bits.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 as it is written: word by word, carry by carry.
    fn by_the_book(words: &[u16]) -> u16 {
        let mut sum = 0u32;
        for word in words {
            sum += u32::from(*word);
            if sum > 0xffff {
                sum -= 0xffff;
            }
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let sum = Sum::ZERO.add(0x0001_f203).add(0xf4f5_f6f7);
        assert_eq!(sum.folded(), 0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624_section_4() {
        // The one that RFC 1141 gets wrong.
        let changed = Sum::ZERO.sub(0x5555).add(0x3285);
        assert_eq!(changed.update(0xdd2f), 0x0000);
    }

    proptest! {
        #[test]
        fn an_update_is_what_counting_anew_gives(
            mut words in prop::collection::vec(any::<u16>(), 1..40),
            at in any::<prop::sample::Index>(),
            new in any::<u16>(),
        ) {
            words.push(0x4500);
            let old = by_the_book(&words);
            let at = at.index(words.len() - 1);
            let change = Sum::ZERO.sub(u32::from(words[at])).add(u32::from(new));
            words[at] = new;
            prop_assert_eq!(change.update(old), by_the_book(&words));
        }

        #[test]
        fn wide_words_and_sums_of_sums_count_the_same(words in prop::collection::vec(any::<u64>(), 1..20)) {
            let narrow: Vec<u16> = words
                .iter()
                .flat_map(|word| [48, 32, 16, 0].map(|shift| (word >> shift) as u16))
                .collect();
            let wide = words.iter().fold(Sum::ZERO, |sum, word| sum.add64(*word));
            prop_assert_eq!(wide.checksum(), by_the_book(&narrow));
            let none = wide.minus(wide);
            prop_assert_eq!(none.folded(), 0xffff);
            if wide.folded() != 0 {
                prop_assert_eq!(wide.plus(none).folded(), wide.folded());
            }
            let taken = words.iter().fold(wide, |sum, word| sum.sub64(*word));
            prop_assert_eq!(taken.folded(), 0xffff);
        }
    }
}
