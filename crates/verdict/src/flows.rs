//! The table of conversations: set-associative, without locks, and the same
//! code in the kernel and natively, so that even what is forgotten when the
//! table is full is the same in both.
//!
//! Four conversations make a bucket: one cache line with what is needed to look
//! for them, then three with the rest. A conversation lives in the first of its
//! two buckets that had room when it was opened. Nothing is ever taken out, only
//! overwritten: while a first bucket has an empty place, nothing of it can be in
//! the second, and a look-up ends there, after one line. When both are full, the
//! one that was silent for longest gives way.
//!
//! An entry is read and written by several CPUs at once. Its head holds a
//! version that is odd while somebody writes; a writer claims an entry by
//! compare-and-exchange, and gives it free by a plain store, since a second
//! exchange would have to wait until memory has taken what was written before.
//! A reader believes no version: every entry bears a *seal*, the keyed hash of
//! its conversation together with its generations, in one word. What was read
//! half before and half after a change, in whatever order the machine shows
//! stores to other CPUs, does not bear its seal; the conversation then counts
//! as unknown, and the grant is asked again.

use crate::slot::Seed;
use crate::world::{FlowKey, FlowValue};

/// Conversations in a bucket.
pub const BUCKET_WAYS: usize = 4;
/// Words of a bucket: four cache lines.
pub const BUCKET_WORDS: usize = 32;

/// Heads of the four: tag 32 | version 32. A tag of 0 is an empty place.
const HEADS: usize = 0;
/// When each of the four was last seen.
const LAST_SEENS: usize = BUCKET_WAYS;
/// The rest of the four, one after the other.
const BODIES: usize = 2 * BUCKET_WAYS;
const BODY_WORDS: usize = 6;
const A_LOW: usize = 0;
const B_LOW: usize = 1;
const HIGHS: usize = 2;
/// Ports and protocol, and who opened it.
const PORTS: usize = 3;
const GENERATIONS: usize = 4;
const SEAL: usize = 5;

const OPENED_BY_A: u64 = 1 << 63;

/// Buckets for `flows` conversations: twice the places, so that hardly any two
/// that are alive get into each other's way.
pub const fn buckets_for(flows: u32) -> u32 {
    let buckets = flows.div_ceil(2);
    if buckets < 2 { 2 } else { buckets }
}

/// How the table's memory is reached.
pub trait Memory {
    /// A bucket.
    type Bucket: Copy;
    /// The seed and the number of buckets.
    fn shape(&self) -> (Seed, u32);
    /// A bucket, or `None` when there is no such one.
    fn bucket(&self, index: u32) -> Option<Self::Bucket>;
    /// Reads a word of a bucket.
    fn load(&self, bucket: Self::Bucket, word: usize) -> u64;
    /// Asks memory for all lines of a bucket at once, ahead of reading them.
    fn prefetch(&self, bucket: Self::Bucket) {
        let _ = bucket;
    }
    /// Writes a word of a bucket.
    fn store(&self, bucket: Self::Bucket, word: usize, value: u64);
    /// The same word, in a way that keeps the compiler from seeing through it.
    fn opaque(&self, word: u64) -> u64 {
        word
    }
    /// Replaces a word if it is as expected, in order with all other accesses.
    fn replace(&self, bucket: Self::Bucket, word: usize, expected: u64, value: u64) -> bool;
}

/// A place in a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<B> {
    bucket: B,
    way: usize,
}

impl<B> Place<B> {
    #[inline(always)]
    fn head(&self) -> usize {
        HEADS + self.way
    }

    #[inline(always)]
    fn last_seen(&self) -> usize {
        LAST_SEENS + self.way
    }

    #[inline(always)]
    fn body(&self, word: usize) -> usize {
        BODIES + self.way * BODY_WORDS + word
    }
}

/// Where a conversation was found, and what is known about it.
type Found<B> = Option<(Place<B>, FlowValue)>;

/// What looking for a conversation found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup<B> {
    hash: u64,
    pub(crate) found: Found<B>,
}

struct Packed {
    a_low: u64,
    b_low: u64,
    highs: u64,
    ports: u64,
}

#[inline(always)]
fn pack(key: &FlowKey) -> Packed {
    Packed {
        a_low: key.a_low,
        b_low: key.b_low,
        highs: (key.a_high as u64) << 32 | key.b_high as u64,
        ports: (key.a_port as u64) << 32 | (key.b_port as u64) << 16 | key.protocol as u64,
    }
}

#[inline(always)]
fn hash(key: &Packed, Seed([first, second]): Seed) -> u64 {
    let mut h = first;
    // The words that one sender can choose are not next to each other.
    h = (h ^ key.a_low).wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^= h >> 32;
    h = (h ^ key.highs).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 29;
    h = (h ^ key.b_low).wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^= h >> 32;
    h = (h ^ key.ports ^ second).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 29;
    h.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ h >> 32
}

#[inline(always)]
fn first_bucket(hash: u64, buckets: u32) -> u32 {
    (((hash >> 32) * buckets as u64) >> 32) as u32
}

#[inline(always)]
fn second_bucket(hash: u64, buckets: u32) -> u32 {
    (((hash & 0xffff_ffff) * buckets as u64) >> 32) as u32
}

#[inline(always)]
fn tag(hash: u64) -> u64 {
    (hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 32) | 1
}

/// Asks for the bucket of a conversation ahead of looking for it.
#[inline(always)]
pub(crate) fn ask_ahead<M: Memory>(memory: &M, key: &FlowKey) {
    let packed = pack(key);
    let (seed, buckets) = memory.shape();
    let hash = hash(&packed, seed);
    if let Some(bucket) = memory.bucket(first_bucket(hash, buckets)) {
        memory.prefetch(bucket);
    }
}

/// Binds the generations and the opener of a conversation to its keyed hash.
#[inline(always)]
fn seal(hash: u64, generations: u64, ports: u64) -> u64 {
    hash ^ generations.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (ports & OPENED_BY_A)
}

/// Finds a conversation.
#[inline(always)]
pub(crate) fn find<M: Memory>(memory: &M, key: &FlowKey) -> Lookup<M::Bucket> {
    let packed = pack(key);
    let (seed, buckets) = memory.shape();
    let hash = hash(&packed, seed);
    let mut found = None;
    let mut index = first_bucket(hash, buckets);
    let mut tries = 0;
    while tries < 2 {
        let Some(bucket) = memory.bucket(index) else {
            break;
        };
        let (entry, full) = scan(memory, bucket, &packed, hash);
        found = entry;
        if found.is_some() || !full {
            break;
        }
        index = second_bucket(hash, buckets);
        tries += 1;
    }
    Lookup { hash, found }
}

/// 1 when the word, which is less than 2^63, is 0; else 0. Without a branch:
/// the eBPF verifier follows both sides of each branch, and would look at all
/// that comes after once for every place of a bucket.
#[inline(always)]
fn is_zero<M: Memory>(memory: &M, word: u64) -> u64 {
    memory.opaque(word).wrapping_sub(1) >> 63
}

/// Looks through a bucket, and tells whether it is full.
#[inline(always)]
fn scan<M: Memory>(
    memory: &M,
    bucket: M::Bucket,
    key: &Packed,
    hash: u64,
) -> (Found<M::Bucket>, bool) {
    let tag = tag(hash);
    let mut matching = 0;
    let mut matches = 0;
    let mut empty = 0;
    let mut way = 0;
    while way < BUCKET_WAYS {
        let head = memory.load(bucket, HEADS + way);
        let here = is_zero(memory, (head >> 32) ^ tag | (head & 1) << 32);
        matching |= here * way as u64;
        matches |= here;
        empty |= is_zero(memory, head >> 32);
        way += 1;
    }
    if memory.opaque(matches) != 0 {
        // Were two tags alike, this would look at a third place, find nothing,
        // and the grant would be asked again.
        let way = memory.opaque(matching) as usize & (BUCKET_WAYS - 1);
        let place = Place { bucket, way };
        let ports = memory.load(bucket, place.body(PORTS));
        let generations = memory.load(bucket, place.body(GENERATIONS));
        let last_seen_ns = memory.load(bucket, place.last_seen());
        let differs = (ports & !OPENED_BY_A) ^ key.ports
            | memory.load(bucket, place.body(A_LOW)) ^ key.a_low
            | memory.load(bucket, place.body(B_LOW)) ^ key.b_low
            | memory.load(bucket, place.body(HIGHS)) ^ key.highs
            | memory.load(bucket, place.body(SEAL)) ^ seal(hash, generations, ports);
        if differs == 0 {
            let value = FlowValue {
                last_seen_ns,
                a_generation: (generations >> 32) as u32,
                b_generation: generations as u32,
                opened_by_a: ports & OPENED_BY_A != 0,
            };
            return (Some((place, value)), true);
        }
    }
    (None, memory.opaque(empty) == 0)
}

/// Notes when a conversation was last seen. Should its place have been given to
/// another one meanwhile, that one merely counts as seen.
#[inline(always)]
pub(crate) fn touch<M: Memory>(memory: &M, place: Place<M::Bucket>, now_ns: u64) {
    memory.store(place.bucket, place.last_seen(), now_ns);
}

/// Writes a conversation, where it was found or in the place of the one that
/// was silent for longest; `false` when other CPUs took every place tried.
#[inline(always)]
pub(crate) fn write<M: Memory>(
    memory: &M,
    lookup: &Lookup<M::Bucket>,
    key: &FlowKey,
    value: &FlowValue,
) -> bool {
    let packed = pack(key);
    let (_, buckets) = memory.shape();
    let mut place = match lookup.found {
        Some((place, _)) => Some(place),
        None => victim(memory, lookup.hash, buckets),
    };
    let mut tries = 0;
    while tries < 2 {
        let Some(chosen) = place else {
            return false;
        };
        if put(memory, chosen, lookup.hash, &packed, value) {
            return true;
        }
        place = victim(memory, lookup.hash, buckets);
        tries += 1;
    }
    false
}

/// The first empty place, else the one that was silent for longest.
#[inline(always)]
fn victim<M: Memory>(memory: &M, hash: u64, buckets: u32) -> Option<Place<M::Bucket>> {
    let mut bucket = memory.bucket(first_bucket(hash, buckets))?;
    let mut quiet = quietest(memory, bucket);
    if quiet >= BUCKET_WAYS as u64 {
        let second = memory.bucket(second_bucket(hash, buckets))?;
        let other = quietest(memory, second);
        if other < quiet {
            quiet = other;
            bucket = second;
        }
    }
    Some(Place {
        bucket,
        way: memory.opaque(quiet) as usize & (BUCKET_WAYS - 1),
    })
}

/// When the quietest conversation of a bucket was last seen, times the number
/// of ways, plus its way. An empty place was last seen at 0, and was never
/// anything but empty.
#[inline(always)]
fn quietest<M: Memory>(memory: &M, bucket: M::Bucket) -> u64 {
    let mut quiet = u64::MAX;
    let mut way = 0;
    while way < BUCKET_WAYS {
        let seen_ns = memory.load(bucket, LAST_SEENS + way);
        let candidate = seen_ns.wrapping_mul(BUCKET_WAYS as u64) | way as u64;
        if candidate < quiet {
            quiet = candidate;
        }
        way += 1;
    }
    quiet
}

/// Claims an entry, fills it, and gives it free; `false` when another CPU has it.
#[inline(always)]
fn put<M: Memory>(
    memory: &M,
    place: Place<M::Bucket>,
    hash: u64,
    key: &Packed,
    value: &FlowValue,
) -> bool {
    let bucket = place.bucket;
    let tag = tag(hash);
    let head = memory.load(bucket, place.head());
    let version = head & 0xffff_ffff;
    if version & 1 != 0 {
        return false;
    }
    let claimed = tag << 32 | (version + 1);
    if !memory.replace(bucket, place.head(), head, claimed) {
        return false;
    }
    let ports = key.ports | if value.opened_by_a { OPENED_BY_A } else { 0 };
    let generations = (value.a_generation as u64) << 32 | value.b_generation as u64;
    memory.store(bucket, place.body(A_LOW), key.a_low);
    memory.store(bucket, place.body(B_LOW), key.b_low);
    memory.store(bucket, place.body(HIGHS), key.highs);
    memory.store(bucket, place.body(PORTS), ports);
    memory.store(bucket, place.body(GENERATIONS), generations);
    memory.store(bucket, place.body(SEAL), seal(hash, generations, ports));
    memory.store(bucket, place.last_seen(), value.last_seen_ns);
    let free = tag << 32 | ((version + 2) & 0xffff_ffff);
    memory.store(bucket, place.head(), free);
    true
}

#[cfg(feature = "std")]
mod native {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::{BUCKET_WAYS, BUCKET_WORDS, Memory, buckets_for};
    use crate::slot::{Seed, Slots};

    /// A table in memory of this process, or mapped into it.
    #[derive(Debug)]
    pub struct FlowTable<S> {
        words: S,
        seed: Seed,
    }

    impl FlowTable<Box<[AtomicU64]>> {
        /// An empty table.
        pub fn new(flows: u32, seed: Seed) -> Self {
            let words = buckets_for(flows) as usize * BUCKET_WORDS;
            Self::over((0..words).map(|_| AtomicU64::new(0)).collect(), seed)
        }
    }

    impl<S: Slots> FlowTable<S> {
        /// Takes a table over.
        pub fn over(words: S, seed: Seed) -> Self {
            Self { words, seed }
        }

        /// Conversations in the table, those long silent included.
        pub fn len(&self) -> usize {
            let buckets = self.words.slots().chunks_exact(BUCKET_WORDS);
            let heads = buckets.flat_map(|bucket| bucket.iter().take(BUCKET_WAYS));
            heads
                .filter(|head| head.load(Ordering::Relaxed) >> 32 != 0)
                .count()
        }

        /// Whether the table is empty.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// Forgets all conversations. Not to be done while others write.
        pub fn clear(&self) {
            for word in self.words.slots() {
                word.store(0, Ordering::Relaxed);
            }
        }

        /// Reads the first words of buckets at random, each chosen by what was
        /// read before, and returns the last choice: for measuring memory.
        pub fn read_at_random(&self, reads: u32) -> u64 {
            let buckets = (self.words.slots().len() / BUCKET_WORDS) as u64;
            let mut state = 1;
            for _ in 0..reads {
                let bucket = ((state >> 32) * buckets) >> 32;
                let word = self.word(bucket as usize * BUCKET_WORDS);
                let read = word.map_or(0, |word| word.load(Ordering::Relaxed));
                state = (state ^ read)
                    .wrapping_mul(0x5851_f42d_4c95_7f2d)
                    .wrapping_add(0x1405_7b7e_f767_814f);
            }
            state
        }

        fn word(&self, place: usize) -> Option<&AtomicU64> {
            self.words.slots().get(place)
        }
    }

    impl<S: Slots> Memory for &FlowTable<S> {
        type Bucket = usize;

        fn shape(&self) -> (Seed, u32) {
            let buckets = self.words.slots().len() / BUCKET_WORDS;
            (self.seed, u32::try_from(buckets).unwrap_or(u32::MAX))
        }

        fn bucket(&self, index: u32) -> Option<usize> {
            let place = index as usize * BUCKET_WORDS;
            (place < self.words.slots().len()).then_some(place)
        }

        fn load(&self, bucket: usize, word: usize) -> u64 {
            self.word(bucket + word)
                .map_or(0, |word| word.load(Ordering::Acquire))
        }

        fn store(&self, bucket: usize, word: usize, value: u64) {
            if let Some(word) = self.word(bucket + word) {
                word.store(value, Ordering::Relaxed);
            }
        }

        fn replace(&self, bucket: usize, word: usize, expected: u64, value: u64) -> bool {
            self.word(bucket + word).is_some_and(|word| {
                word.compare_exchange(expected, value, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
            })
        }
    }
}

#[cfg(feature = "std")]
pub use native::FlowTable;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SEED: Seed = Seed([11, 13]);

    fn key(number: u32) -> FlowKey {
        FlowKey {
            a_low: u64::from(number),
            b_low: 1,
            a_high: number,
            b_high: 2,
            a_port: number as u16,
            b_port: 443,
            protocol: 6,
            zero: [0; 3],
        }
    }

    fn value(generation: u32, seen_ns: u64) -> FlowValue {
        FlowValue {
            last_seen_ns: seen_ns,
            a_generation: generation,
            b_generation: 7,
            opened_by_a: generation.is_multiple_of(2),
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_last_written(
            steps in prop::collection::vec((0u32..500, 1u32..1000), 1..800),
        ) {
            let table = FlowTable::new(64, SEED);
            let mut model = BTreeMap::new();
            for (now, (number, generation)) in steps.into_iter().enumerate() {
                let lookup = find(&&table, &key(number));
                if let Some((_, found)) = lookup.found {
                    prop_assert_eq!(Some(&found), model.get(&number));
                }
                let value = value(generation, now as u64 + 1);
                prop_assert!(write(&&table, &lookup, &key(number), &value));
                model.insert(number, value);
                prop_assert_eq!(find(&&table, &key(number)).found.map(|f| f.1), Some(value));
            }
            prop_assert!(table.len() <= model.len(), "no conversation is there twice");
        }
    }

    #[test]
    fn a_table_keeps_nearly_all_of_the_conversations_that_it_is_made_for() {
        let table = FlowTable::new(10_000, SEED);
        for number in 0..10_000 {
            let lookup = find(&&table, &key(number));
            assert!(write(
                &&table,
                &lookup,
                &key(number),
                &value(1, u64::from(number) + 1)
            ));
        }
        let kept = (0..10_000)
            .filter(|&n| find(&&table, &key(n)).found.is_some())
            .count();
        assert!(kept > 9_600, "kept {kept} of 10,000");
        assert_eq!(kept, table.len());
    }

    #[test]
    fn the_one_that_was_silent_for_longest_gives_way() {
        let table = FlowTable::new(4, SEED);
        let mut written: Vec<u32> = Vec::new();
        let mut number = 0;
        while table.len() < 2 * BUCKET_WAYS {
            number += 1;
            let lookup = find(&&table, &key(number));
            write(
                &&table,
                &lookup,
                &key(number),
                &value(1, u64::from(number) * 10),
            );
            written.retain(|&n| find(&&table, &key(n)).found.is_some());
            written.push(number);
        }
        // The oldest speaks again; the next one in its bucket has to go instead.
        let oldest = written[0];
        let (entry, _) = find(&&table, &key(oldest)).found.unwrap();
        touch(&&table, entry, 1_000_000);
        for more in 1..=3 {
            let new = number + more;
            let lookup = find(&&table, &key(new));
            write(&&table, &lookup, &key(new), &value(1, 2_000_000));
            assert!(find(&&table, &key(oldest)).found.is_some());
        }
    }

    #[test]
    fn writers_and_readers_at_once_never_show_a_torn_conversation() {
        let table = FlowTable::new(8, SEED);
        std::thread::scope(|scope| {
            for thread in 0..3u32 {
                let table = &table;
                scope.spawn(move || {
                    for step in 0..60_000u32 {
                        let number = step.wrapping_mul(2_654_435_761) % 40 + thread;
                        let lookup = find(&table, &key(number));
                        if let Some((_, found)) = lookup.found {
                            assert_eq!(found.a_generation, number, "another one's generation");
                        }
                        write(
                            &table,
                            &lookup,
                            &key(number),
                            &value(number, u64::from(step)),
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn what_is_read_half_before_and_half_after_a_change_counts_as_unknown() {
        // The same two institutions: nothing but the seal tells the halves apart.
        let (old_key, new_key) = (key(1), FlowKey { a_low: 9, ..key(1) });
        for (new_key, new) in [(old_key, value(5, 200)), (new_key, value(5, 200))] {
            let old = value(4, 100);
            let words_of = |key: &FlowKey, value: &FlowValue| -> Vec<u64> {
                let table = FlowTable::new(2, SEED);
                assert!(write(&&table, &find(&&table, key), key, value));
                let bucket = (0..2).map(|b| (&&table).bucket(b).unwrap());
                let full = bucket.into_iter().find(|&b| (&&table).load(b, 0) != 0);
                (0..BUCKET_WORDS)
                    .map(|word| (&&table).load(full.unwrap(), word))
                    .collect()
            };
            let before = words_of(&old_key, &old);
            let after = words_of(&new_key, &new);
            let told = |value: FlowValue| {
                let generations = (value.a_generation, value.b_generation);
                (generations, value.opened_by_a)
            };
            for mixture in 0u32..1 << BODY_WORDS {
                for head in [&before, &after] {
                    let table = FlowTable::new(2, SEED);
                    for bucket in (0..2).map(|b| (&&table).bucket(b).unwrap()) {
                        (&&table).store(bucket, HEADS, head[HEADS]);
                        for word in 0..BODY_WORDS {
                            let from = if mixture >> word & 1 == 0 {
                                &before
                            } else {
                                &after
                            };
                            (&&table).store(bucket, BODIES + word, from[BODIES + word]);
                        }
                    }
                    for (key, value) in [(old_key, old), (new_key, new)] {
                        if let Some((_, found)) = find(&&table, &key).found {
                            let known = [(old_key, told(old)), (new_key, told(new))];
                            assert!(
                                known.contains(&(key, told(found))),
                                "{mixture:06b}: {value:?} was never written so: {found:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
