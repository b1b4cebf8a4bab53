//! The keyed hash of a conversation.
//!
//! NH, the inner hash of UMAC (RFC 4418, section 5.2.2): each 32-bit half of
//! what is hashed is added to a secret one, and the sums are multiplied in
//! pairs. Whoever does not know the keys finds no two conversations of which
//! more than one key in 2^32 makes the same hash. It is short besides, and none
//! of its products waits for another one.

use crate::slot::Seed;
use crate::world::FlowKey;

/// What NH adds: four words, and one that is mixed in afterwards. Drawn from
/// the tables' seed; nobody who sends packets may know them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys(pub [u64; 5]);

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Who knows the keys can choose conversations that collide.
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// The keys that belong to a seed.
    pub const fn of(Seed([first, second]): Seed) -> Self {
        let mut keys = [0; 5];
        let mut index = 0;
        while index < keys.len() {
            // SplitMix64 (Steele, Lea, Flood 2014), from two states.
            let step = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1);
            keys[index] = mix(first.wrapping_add(step)) ^ mix(second.wrapping_sub(step));
            index += 1;
        }
        Self(keys)
    }
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// A conversation's key as it stands in its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) a_low: u64,
    pub(super) b_low: u64,
    pub(super) highs: u64,
    /// Ports and protocol; the top bit is free.
    pub(super) ports: u64,
}

impl Packed {
    #[inline(always)]
    pub(super) fn new(key: &FlowKey) -> Self {
        Self {
            a_low: key.a_low,
            b_low: key.b_low,
            highs: (key.a_high as u64) << 32 | key.b_high as u64,
            ports: (key.protocol as u64) << 32 | (key.a_port as u64) << 16 | key.b_port as u64,
        }
    }

    #[inline(always)]
    pub(super) fn hash(&self, Keys(keys): &Keys) -> u64 {
        let sum = product(self.a_low, keys[0])
            .wrapping_add(product(self.b_low, keys[1]))
            .wrapping_add(product(self.highs, keys[2]))
            .wrapping_add(product(self.ports, keys[3]));
        // The sum is spread over all bits, one to one: buckets, tag and seal
        // are taken from different ones.
        let spread = sum ^ keys[4];
        let spread = (spread ^ spread >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        spread ^ spread >> 32
    }
}

#[inline(always)]
fn product(word: u64, key: u64) -> u64 {
    let low = (word as u32).wrapping_add(key as u32);
    let high = ((word >> 32) as u32).wrapping_add((key >> 32) as u32);
    (low as u64).wrapping_mul(high as u64)
}

#[inline(always)]
pub(super) fn first_bucket(hash: u64, buckets: u32) -> u32 {
    (((hash >> 32) * buckets as u64) >> 32) as u32
}

#[inline(always)]
pub(super) fn second_bucket(hash: u64, buckets: u32) -> u32 {
    (((hash & 0xffff_ffff) * buckets as u64) >> 32) as u32
}

/// What the directory keeps of a conversation: ten bits, never 0.
#[inline(always)]
pub(super) fn tag(hash: u64) -> u64 {
    // Neither bucket depends on the lower bits of its half alone.
    let tag = (hash ^ hash >> 32) & 0x3ff;
    // 1 instead of 0, without a branch.
    tag | (tag.wrapping_sub(1) >> 63)
}

/// The place of its first bucket that a conversation would have.
#[inline(always)]
pub(super) fn preferred_way(hash: u64) -> u64 {
    // Of bits that say nothing about that bucket, nor are the tag's.
    (hash >> 10 ^ hash >> 42) & 0xf
}

/// The two ways of a bucket that a participant may always take, as the number
/// of their pair, 0 to 7. Another pair in each bucket, so that no two
/// participants share them all.
#[inline(always)]
pub(super) fn own_ways(Keys(keys): &Keys, bucket: u32, participant: u32) -> u64 {
    let both = (participant as u64) << 32 | bucket as u64;
    let mixed = (both ^ keys[4]).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ mixed >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 61
}
