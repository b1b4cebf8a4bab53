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

/// The place that was silent for longest, or one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quietest(u64);

impl Quietest {
    const AT: u32 = 47;

    #[inline(always)]
    pub(super) fn way(self) -> u64 {
        self.0 >> Self::AT & 0xf
    }
}

/// Finds the place of a full bucket that was silent for longest. Only asked for
/// when there is no empty one.
#[inline(never)]
pub(super) fn quietest<M: Memory>(memory: &M, bucket: M::Bucket, now_ns: u64) -> Quietest {
    // In each lane the clock, and above it a bit to borrow from.
    let now = (seen(now_ns) | (SEEN + 1)).wrapping_mul(LANES);
    let mut quietest = 0_u64;
    let mut word = 0;
    while word < BUCKET_WORDS {
        // Each lane by itself: how long ago, and below that which place it is.
        let then = memory.load(bucket, word) & (LANES * SEEN);
        let ages = now.wrapping_sub(then) & (LANES * SEEN);
        let ages = ages << 4 | 0x0003_0002_0001_0000 | LANES * (4 * word as u64);
        let mut lane = 0;
        while lane < 4 {
            // The lane to the top, but for the sign; what is below it decides
            // nothing, since no two lanes are alike.
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
    use super::*;

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
}
