//! One bucket of the directory: sixteen places in 32 bytes.
//!
//! Each place has a lane of 16 bits: a tag of ten, 0 for an empty one, above six
//! that tell when it was last seen. All sixteen are compared at once, four to a
//! word, without a branch: the eBPF verifier follows both sides of each, and
//! would look at all that comes after once for every place.

use super::Memory;

/// Places in a bucket.
pub const BUCKET_WAYS: usize = 16;
/// Words of a bucket in the directory: half a cache line.
pub const BUCKET_WORDS: usize = 4;

/// Bits below the tag.
const SEEN_BITS: u32 = 6;
/// The directory's clock: steps of 2^37 ns (137 s). After 2.4 hours a silent
/// conversation looks young again; by then none is in force any more.
const SEEN_STEP: u32 = 37;

/// For so long, in steps of that clock, whoever gives way to anybody has been
/// silent; a power of two. The first step may have been as good as over.
const SILENT_STEPS: u64 = 2;

const LANES: u64 = 0x0001_0001_0001_0001;
const LANE_TOPS: u64 = LANES << 15;
const SEEN: u64 = (1 << SEEN_BITS) - 1;

/// Places of a bucket: bit 16 x lane + word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways(pub(super) u64);

impl Ways {
    #[inline(always)]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether a way is among them.
    #[inline(always)]
    pub(super) fn has(self, way: u64) -> bool {
        self.0 >> (16 * (way & 3) + (way >> 2)) & 1 != 0
    }

    /// The first of them, 4 x word + lane; 0 when there is none.
    #[inline(always)]
    pub(super) fn first(self) -> u64 {
        // A power of two times this has a different number in its top four bits
        // for each of the sixteen places; the table tells which.
        let lowest = self.0 & self.0.wrapping_neg();
        let number = lowest.wrapping_mul(0x0800_9a00_ae00_f000) >> 60;
        0x37db_a21f_e96c_5840_u64 >> (number * 4) & 0xf
    }
}

/// 1 at the foot of each lane whose tag is 0.
#[inline(always)]
fn without_tag(word: u64) -> u64 {
    let tags = word & !(LANES * SEEN);
    let low = tags & !LANE_TOPS;
    !(low.wrapping_add(!LANE_TOPS) | tags | !LANE_TOPS) >> 15
}

/// The places with a tag, and the empty ones.
#[inline(always)]
pub(super) fn search<M: Memory>(memory: &M, bucket: M::Bucket, tag: u64) -> (Ways, Ways) {
    let pattern = tag.wrapping_mul(LANES << SEEN_BITS);
    let mut tagged = 0;
    let mut empty = 0;
    let mut word = 0;
    while word < BUCKET_WORDS {
        let lanes = memory.load(bucket, word);
        tagged |= without_tag(lanes ^ pattern) << word;
        empty |= without_tag(lanes) << word;
        word += 1;
    }
    (Ways(tagged), Ways(empty))
}

/// Whether a lane is a conversation's.
#[cfg(feature = "std")]
pub(super) fn is_taken(lane: u64) -> bool {
    lane >> SEEN_BITS != 0
}

#[inline(always)]
fn seen(now_ns: u64) -> u64 {
    now_ns >> SEEN_STEP & SEEN
}

/// Whether the directory's clock tells the two moments apart.
#[inline(always)]
pub(super) fn is_later(then_ns: u64, now_ns: u64) -> bool {
    then_ns >> SEEN_STEP != now_ns >> SEEN_STEP
}

/// Gives a place to a tag, which is seen there now.
#[inline(always)]
pub(super) fn set<M: Memory>(memory: &M, bucket: M::Bucket, way: u64, tag: u64, now_ns: u64) {
    let lane = tag << SEEN_BITS | seen(now_ns);
    memory.set_lane(bucket, way as usize & (BUCKET_WAYS - 1), lane as u16);
}

/// The place of a full bucket that gives way, or one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quietest(u64);

impl Quietest {
    /// In a bucket that is not there.
    pub(super) const NOBODY: Self = Self(0);
    /// Where the number of its way is.
    const AT: u32 = 47;

    #[inline(always)]
    pub(super) fn way(self) -> u64 {
        self.0 >> Self::AT & 0xf
    }
}

/// Finds the place of a full bucket that gives way to a newcomer: of those that
/// were silent for [`SILENT_STEPS`] and of the newcomer's own pair of ways the
/// one that was silent for longest. Only asked for when there is no empty one.
#[inline(never)]
pub(super) fn quietest<M: Memory>(
    memory: &M,
    bucket: M::Bucket,
    pair: u64,
    now_ns: u64,
) -> Quietest {
    // In each lane the clock, and above it a bit to borrow from.
    let now = (seen(now_ns) | (SEEN + 1)).wrapping_mul(LANES);
    let mut quietest = 0_u64;
    let mut word = 0;
    while word < BUCKET_WORDS {
        // Each lane by itself: how long ago, and below that which place it is.
        let then = memory.load(bucket, word) & (LANES * SEEN);
        let ages = now.wrapping_sub(then) & (LANES * SEEN);
        // All of a lane, where it says that it may be taken.
        let steps = ages & (LANES * (SEEN & !(SILENT_STEPS - 1)));
        let silent = (steps + LANES * SEEN) >> SEEN_BITS & LANES;
        let is_own = (pair >> 1 ^ word as u64).wrapping_sub(1) >> 63;
        let own = is_own << (32 * (pair & 1));
        let takable = (silent | own | own << 16).wrapping_mul(0xffff);
        let ages = ((ages << 4) | 0x0003_0002_0001_0000 | (LANES * (4 * word as u64))) & takable;
        let mut lane = 0;
        while lane < 4 {
            // The lane to the top, but for the sign; what is below it decides
            // nothing, since no two lanes are alike that may be taken.
            let candidate = ages << (48 - 16 * lane) >> 1;
            let older = (quietest.wrapping_sub(candidate) as i64 >> 63) as u64;
            quietest ^= (quietest ^ candidate) & older;
            lane += 1;
        }
        word += 1;
    }
    Quietest(quietest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flows::FlowTable;
    use crate::slot::Seed;

    #[test]
    fn every_place_is_named_by_its_own_bit() {
        for word in 0..4 {
            for lane in 0..4 {
                let ways = Ways(1 << (16 * lane + word));
                assert_eq!(ways.first(), 4 * word + lane);
                // Whichever others there are, the lowest bit counts.
                let more = Ways(ways.0 | !(ways.0 - 1) & 0x000f_000f_000f_000f);
                assert_eq!(more.first(), 4 * word + lane);
            }
        }
    }

    #[test]
    fn only_lanes_without_a_tag_count_as_such_whenever_they_were_seen() {
        for tag in 1..1024 {
            for seen in [0, 1, SEEN] {
                let lane = tag << SEEN_BITS | seen;
                assert_eq!(without_tag(lane.wrapping_mul(LANES)), 0);
                for place in 0..4 {
                    let others = lane.wrapping_mul(LANES) & !(0xffff << (16 * place));
                    assert_eq!(
                        without_tag(others | seen << (16 * place)),
                        1 << (16 * place)
                    );
                }
            }
        }
        assert_eq!(without_tag(LANES * SEEN), LANES);
    }

    /// The same by the words of its promise.
    fn plain(lanes: &[u16; 16], pair: u64, now: u64) -> (u64, u64) {
        let age = |way: u64| now.wrapping_sub(u64::from(lanes[way as usize])) & SEEN;
        let takable = (0..16).filter(|&way| way / 2 == pair || age(way) >= SILENT_STEPS);
        takable.map(|way| (age(way), way)).max().unwrap()
    }

    proptest! {
        #[test]
        fn who_gives_way_is_silent_or_in_the_newcomers_own_ways(
            lanes in prop::array::uniform16(64u16..),
            young in prop::option::of(0u16..64),
            pair in 0u64..8,
            now in 0u64..64,
        ) {
            // A bucket of any ages, or one whose all have spoken lately.
            let lanes = lanes.map(|lane| match young {
                Some(at) => lane & !63 | (at + u16::from(lane.is_multiple_of(2))) & 63,
                None => lane,
            });
            let table = FlowTable::new(1, Seed([1, 2]));
            let memory = &table;
            let bucket = memory.bucket(0).unwrap();
            for (lane, &value) in lanes.iter().enumerate() {
                memory.set_lane(bucket, lane, value);
            }
            let found = quietest(&memory, bucket, pair, now << SEEN_STEP);
            let (age, way) = plain(&lanes, pair, now);
            prop_assert_eq!(found.way(), way);
            // Of two buckets the older one is the greater.
            for other in 0..8 {
                let (other_age, _) = plain(&lanes, other, now);
                let other = quietest(&memory, bucket, other, now << SEEN_STEP);
                prop_assert!(age.cmp(&other_age) == found.cmp(&other) || age == other_age);
            }
        }
    }
}
