//! The slot table: a compact hash table that one writer changes under readers
//! that never wait, in memory shared with the kernel.
//!
//! A table is an array of buckets of one cache line, eight 64-bit slots each.
//! A slot is one entry, key bits above value bits; 0 is empty. A key lives in
//! one of two buckets chosen by a keyed hash (the seed is drawn at random when
//! a table is made, so that nobody can choose colliding keys). Each change is
//! one atomic store of 8 bytes: a reader never sees half an entry, and an
//! update costs no system call.
//!
//! When both buckets are full the writer makes room by moving entries to their
//! other bucket, each written at its new place before its old place is given
//! away. A reader could still look into one bucket before an entry comes in and
//! into the other after it has gone; so the writer counts its relocations in a
//! word after the last bucket, and a reader that found nothing looks again
//! while that word moves. Readers that find what they look for never touch it.
//!
//! It must not know what keys and values mean.

#[cfg(feature = "std")]
use core::sync::atomic::{AtomicU64, Ordering};

/// Slots in a bucket: one cache line.
pub const BUCKET_SLOTS: usize = 8;

/// The key of a table's hash, drawn at random when the table is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Who knows the seed can choose colliding keys.
        f.write_str("Seed(..)")
    }
}

/// The two buckets of a key, in the order in which readers look.
#[inline(always)]
pub fn buckets_of(key: u64, seed: Seed, buckets: u32) -> (u32, u32) {
    let Seed([first, second]) = seed;
    let mut h = key ^ first;
    h ^= h >> 32;
    h = h.wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^= second;
    h ^= h >> 29;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 32;
    let n = buckets as u64;
    (
        (((h >> 32) * n) >> 32) as u32,
        (((h & 0xffff_ffff) * n) >> 32) as u32,
    )
}

/// Most times that a reader looks again because entries were being moved.
const READS_MAX: u32 = 4;

/// How a reader reaches a table's memory.
pub trait Read {
    /// The seed and the number of buckets.
    fn shape(&self) -> (Seed, u32);
    /// Looks through one bucket with [`search`]; 0 when nothing is found or
    /// the bucket does not exist.
    fn probe(&self, bucket: u32, key: u64) -> u64;
    /// The writer's relocation count: odd while entries are being moved.
    fn relocations(&self) -> u64;
}

/// Finds the entry of `key`; 0 when there is none.
#[inline(always)]
pub fn find<R: Read>(table: &R, key: u64) -> u64 {
    let (seed, buckets) = table.shape();
    let (first, second) = buckets_of(key, seed, buckets);
    let entry = table.probe(first, key);
    if entry != 0 {
        return entry;
    }
    let entry = table.probe(second, key);
    if entry != 0 {
        return entry;
    }
    // Absent, or moved from the second to the first while we looked.
    let mut reads = 0;
    while reads < READS_MAX {
        let before = table.relocations();
        let mut entry = table.probe(first, key);
        if entry == 0 {
            entry = table.probe(second, key);
        }
        if entry != 0 {
            return entry;
        }
        if before & 1 == 0 && table.relocations() == before {
            return 0;
        }
        reads += 1;
    }
    0
}

/// Finds the entry of `key` (the bits from `shift` up) in one bucket, whose
/// slots are read by `load`; 0 when there is none.
#[inline(always)]
pub fn search(key: u64, shift: u32, load: impl Fn(usize) -> u64) -> u64 {
    let mut index = 0;
    while index < BUCKET_SLOTS {
        let entry = load(index);
        if entry >> shift == key {
            return entry;
        }
        index += 1;
    }
    0
}

/// Buckets that hold `entries` at four fifths full. The memory of a table has
/// one more, for the relocation count: see [`memory_buckets`].
pub const fn buckets_for(entries: u32) -> u32 {
    let slots = entries as u64 + entries as u64 / 4;
    let buckets = slots.div_ceil(BUCKET_SLOTS as u64) as u32;
    if buckets < 2 { 2 } else { buckets }
}

/// Buckets of memory for a table of `entries`.
pub const fn memory_buckets(entries: u32) -> u32 {
    buckets_for(entries) + 1
}

/// Where a table's slots live.
#[cfg(feature = "std")]
pub trait Slots {
    /// All slots, those of the relocation count included; the length is a
    /// multiple of [`BUCKET_SLOTS`].
    fn slots(&self) -> &[AtomicU64];
}

#[cfg(feature = "std")]
impl Slots for Box<[AtomicU64]> {
    fn slots(&self) -> &[AtomicU64] {
        self
    }
}

/// The table cannot take another entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Entries that it holds.
    pub entries: u32,
    /// Entries that it is made for.
    pub entries_max: u32,
}

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "the table is full: it holds {} of {} entries",
            self.entries, self.entries_max
        )
    }
}

impl core::error::Error for Full {}

/// The one writer of a slot table.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct Writer<S> {
    slots: S,
    seed: Seed,
    shift: u32,
    buckets: u32,
    entries: u32,
    entries_max: u32,
}

/// Moves that are considered before an insertion is refused.
#[cfg(feature = "std")]
const RELOCATION_NODES_MAX: usize = 512;

#[cfg(feature = "std")]
impl<S: Slots> Writer<S> {
    /// Takes over a table, empty or filled before with the same seed and shift.
    /// Keys are the bits from `shift` up.
    pub fn new(slots: S, seed: Seed, shift: u32, entries_max: u32) -> Self {
        let buckets = u32::try_from(slots.slots().len() / BUCKET_SLOTS).unwrap_or(u32::MAX);
        let buckets = buckets.saturating_sub(1);
        let mut writer = Self {
            slots,
            seed,
            shift,
            buckets,
            entries: 0,
            entries_max,
        };
        writer.entries = u32::try_from(writer.iter().count()).unwrap_or(u32::MAX);
        writer.repair();
        writer
    }

    /// Entries in the table.
    pub fn len(&self) -> u32 {
        self.entries
    }

    /// Whether the table holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entry of a key.
    pub fn get(&self, key: u64) -> Option<u64> {
        let place = self.place(key)?;
        self.load(place)
    }

    /// Sets the entry of its key, and tells the entry that was there before.
    ///
    /// # Errors
    /// [`Full`] when the table has no room; it is unchanged then.
    pub fn set(&mut self, entry: u64) -> Result<Option<u64>, Full> {
        let key = entry >> self.shift;
        if let Some(place) = self.place(key) {
            let before = self.load(place);
            if before != Some(entry) {
                self.store(place, entry);
            }
            return Ok(before);
        }
        let full = Full {
            entries: self.entries,
            entries_max: self.entries_max,
        };
        if key == 0 || self.entries >= self.entries_max {
            return Err(full);
        }
        let place = self.room(key).ok_or(full)?;
        self.store(place, entry);
        self.entries += 1;
        Ok(None)
    }

    /// Takes the entry of a key out, and tells what it was.
    pub fn remove(&mut self, key: u64) -> Option<u64> {
        let place = self.place(key)?;
        let before = self.load(place);
        self.store(place, 0);
        self.entries -= 1;
        before
    }

    /// All entries, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let slots = self
            .slots
            .slots()
            .get(..self.buckets as usize * BUCKET_SLOTS);
        slots
            .unwrap_or_default()
            .iter()
            .map(|s| s.load(Ordering::Relaxed))
            .filter(|&s| s != 0)
    }

    /// A writer that died in the middle of a relocation left one entry in both
    /// of its buckets and the count odd: put both right.
    fn repair(&mut self) {
        if self.count_word() & 1 == 0 {
            return;
        }
        let all: Vec<u64> = self.iter().collect();
        for entry in all {
            let key = entry >> self.shift;
            let (a, b) = buckets_of(key, self.seed, self.buckets);
            let places: Vec<usize> = if a == b {
                self.range(a).collect()
            } else {
                self.range(a).chain(self.range(b)).collect()
            };
            let doubles: Vec<usize> = places
                .into_iter()
                .filter(|&p| self.load(p).is_some_and(|e| e >> self.shift == key))
                .skip(1)
                .collect();
            for double in doubles {
                self.store(double, 0);
                self.entries -= 1;
            }
        }
        self.count_up();
    }

    /// One of the words beside the relocation count, 1 to 7, that live as long
    /// as the table and are the caller's.
    pub fn spare(&self, index: usize) -> u64 {
        self.load(self.spare_place(index)).unwrap_or(0)
    }

    /// Sets one of the caller's words.
    pub fn set_spare(&mut self, index: usize, word: u64) {
        self.store(self.spare_place(index), word);
    }

    fn spare_place(&self, index: usize) -> usize {
        self.buckets as usize * BUCKET_SLOTS + index.clamp(1, BUCKET_SLOTS - 1)
    }

    fn count_word(&self) -> u64 {
        self.load(self.buckets as usize * BUCKET_SLOTS).unwrap_or(0)
    }

    fn count_up(&self) {
        self.store(
            self.buckets as usize * BUCKET_SLOTS,
            self.count_word().wrapping_add(1),
        );
    }

    /// Number of buckets.
    pub fn buckets(&self) -> u32 {
        self.buckets
    }

    /// The hash seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Bits below the key.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    fn load(&self, place: usize) -> Option<u64> {
        let entry = self.slots.slots().get(place)?.load(Ordering::Relaxed);
        (entry != 0).then_some(entry)
    }

    fn store(&self, place: usize, entry: u64) {
        if let Some(slot) = self.slots.slots().get(place) {
            slot.store(entry, Ordering::Release);
        }
    }

    fn range(&self, bucket: u32) -> core::ops::Range<usize> {
        let start = bucket as usize * BUCKET_SLOTS;
        start..start + BUCKET_SLOTS
    }

    fn place(&self, key: u64) -> Option<usize> {
        if key == 0 {
            return None;
        }
        let (a, b) = buckets_of(key, self.seed, self.buckets);
        self.range(a).chain(self.range(b)).find(|&place| {
            self.load(place)
                .is_some_and(|entry| entry >> self.shift == key)
        })
    }

    fn vacancy(&self, bucket: u32) -> Option<usize> {
        self.range(bucket).find(|&place| self.load(place).is_none())
    }

    /// An empty place for `key`, made by relocation when both buckets are full.
    fn room(&self, key: u64) -> Option<usize> {
        let (a, b) = buckets_of(key, self.seed, self.buckets);
        // The first one as long as it has room: readers look there first, and
        // for most keys one cache line is all that they need.
        if let Some(place) = self.vacancy(a).or_else(|| self.vacancy(b)) {
            return Some(place);
        }
        // Breadth first: each node is a place and the node that would move into it.
        let mut nodes: Vec<(usize, usize)> = self
            .range(a)
            .chain(self.range(b))
            .map(|place| (place, usize::MAX))
            .collect();
        let mut next = 0;
        while next < nodes.len() && nodes.len() < RELOCATION_NODES_MAX {
            let &(place, _) = nodes.get(next)?;
            let entry = self.load(place)?;
            let (x, y) = buckets_of(entry >> self.shift, self.seed, self.buckets);
            let here = u32::try_from(place / BUCKET_SLOTS).ok()?;
            let other = if here == x { y } else { x };
            if let Some(empty) = self.vacancy(other) {
                self.count_up();
                let freed = self.relocate(&nodes, next, empty);
                self.count_up();
                return freed;
            }
            // A place may be reached once only, or a path could cross itself.
            for place in self.range(other) {
                if !nodes.iter().any(|&(seen, _)| seen == place) {
                    nodes.push((place, next));
                }
            }
            next += 1;
        }
        None
    }

    /// Moves the entries on the path one place on, the last one first, and
    /// tells the place that became free.
    fn relocate(&self, nodes: &[(usize, usize)], last: usize, empty: usize) -> Option<usize> {
        let mut target = empty;
        let mut node = last;
        loop {
            let &(place, parent) = nodes.get(node)?;
            self.store(target, self.load(place)?);
            target = place;
            if parent == usize::MAX {
                // The copy at its new place is in force before this one goes.
                self.store(target, 0);
                return Some(target);
            }
            node = parent;
        }
    }
}

#[cfg(feature = "std")]
impl<S: Slots> Read for Writer<S> {
    fn shape(&self) -> (Seed, u32) {
        (self.seed, self.buckets)
    }

    fn probe(&self, bucket: u32, key: u64) -> u64 {
        let start = bucket as usize * BUCKET_SLOTS;
        let slots = self
            .slots
            .slots()
            .get(start..)
            .and_then(|s| s.first_chunk::<BUCKET_SLOTS>());
        slots.map_or(0, |slots| {
            search(key, self.shift, |i| {
                slots.get(i).map_or(0, |s| s.load(Ordering::Acquire))
            })
        })
    }

    fn relocations(&self) -> u64 {
        let last = self.buckets as usize * BUCKET_SLOTS;
        self.slots
            .slots()
            .get(last)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }
}

#[cfg(feature = "std")]
impl<S: Slots> Read for &Writer<S> {
    fn shape(&self) -> (Seed, u32) {
        (**self).shape()
    }

    fn probe(&self, bucket: u32, key: u64) -> u64 {
        (**self).probe(bucket, key)
    }

    fn relocations(&self) -> u64 {
        (**self).relocations()
    }
}

/// A table in this process's own memory.
#[cfg(feature = "std")]
pub fn native(entries_max: u32, seed: Seed, shift: u32) -> Writer<Box<[AtomicU64]>> {
    let slots = memory_buckets(entries_max) as usize * BUCKET_SLOTS;
    Writer::new(
        (0..slots).map(|_| AtomicU64::new(0)).collect(),
        seed,
        shift,
        entries_max,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SEED: Seed = Seed([0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321]);

    proptest! {
        #[test]
        fn a_table_holds_exactly_what_was_set_and_not_removed(
            steps in prop::collection::vec((1u64..400, 0u64..0x1_0000, any::<bool>()), 1..600),
        ) {
            let mut table = native(300, SEED, 16);
            let mut model = BTreeMap::new();
            for (key, value, keep) in steps {
                if keep {
                    match table.set(key << 16 | value) {
                        Ok(before) => prop_assert_eq!(before, model.insert(key, key << 16 | value)),
                        Err(full) => {
                            prop_assert!(!model.contains_key(&key));
                            prop_assert_eq!(full.entries as usize, model.len());
                        }
                    }
                } else {
                    prop_assert_eq!(table.remove(key), model.remove(&key));
                }
                prop_assert_eq!(table.len() as usize, model.len());
            }
            let mut all: Vec<u64> = table.iter().collect();
            all.sort_unstable();
            prop_assert_eq!(all, model.values().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_table_takes_all_the_entries_it_is_made_for_and_refuses_the_next() {
        for entries in [1, 2, 50, 1000, 100_000] {
            let mut table = native(entries, SEED, 16);
            for key in 1..=u64::from(entries) {
                table.set(key << 16).unwrap();
            }
            assert_eq!(
                table.set(u64::from(entries + 1) << 16),
                Err(Full {
                    entries,
                    entries_max: entries
                })
            );
            for key in 1..=u64::from(entries) {
                assert_eq!(table.get(key), Some(key << 16));
            }
        }
    }

    #[test]
    fn entries_survive_relocation_in_a_table_filled_to_the_brim() {
        // Fewer buckets than the size asks for: nearly every insertion relocates.
        let slots: Box<[AtomicU64]> = (0..65 * BUCKET_SLOTS).map(|_| AtomicU64::new(0)).collect();
        let mut table = Writer::new(slots, SEED, 40, u32::MAX);
        let mut taken = 0;
        for key in 1..=512u64 {
            if table.set(key << 40 | 7).is_err() {
                break;
            }
            taken = key;
            for earlier in 1..=key {
                assert_eq!(
                    table.get(earlier),
                    Some(earlier << 40 | 7),
                    "after setting {key}"
                );
            }
        }
        assert!(
            taken > 512 * 95 / 100,
            "relocation reaches 95 % full, got {taken} of 512"
        );
    }

    #[test]
    fn a_writer_that_died_while_moving_an_entry_leaves_a_table_that_can_be_taken_over() {
        struct Shared<'a>(&'a [AtomicU64]);
        impl Slots for Shared<'_> {
            fn slots(&self) -> &[AtomicU64] {
                self.0
            }
        }
        let slots: Vec<AtomicU64> = (0..9 * BUCKET_SLOTS).map(|_| AtomicU64::new(0)).collect();
        let mut first = Writer::new(Shared(&slots), SEED, 16, u32::MAX);
        // A key with two different buckets, present in both of them.
        let key = (1..)
            .find(|&k| buckets_of(k, SEED, 8).0 != buckets_of(k, SEED, 8).1)
            .unwrap();
        first.set(key << 16 | 5).unwrap();
        let (a, b) = buckets_of(key, SEED, 8);
        for bucket in [a, b] {
            slots[bucket as usize * BUCKET_SLOTS + 3].store(key << 16 | 5, Ordering::Relaxed);
        }
        for (i, slot) in slots.iter().enumerate().take(64) {
            if i % BUCKET_SLOTS != 3 {
                slot.store(0, Ordering::Relaxed);
            }
        }
        slots[64].store(1, Ordering::Relaxed);
        let mut second = Writer::new(Shared(&slots), SEED, 16, u32::MAX);
        assert_eq!(second.len(), 1);
        assert_eq!(second.remove(key), Some(key << 16 | 5));
        assert_eq!(find(&second, key), 0, "no second copy stays behind");
        assert_eq!(slots[64].load(Ordering::Relaxed) & 1, 0);
    }

    #[test]
    fn a_reader_finds_every_entry_while_the_writer_relocates() {
        use std::sync::atomic::AtomicBool;
        let slots: std::sync::Arc<[AtomicU64]> =
            (0..65 * BUCKET_SLOTS).map(|_| AtomicU64::new(0)).collect();
        struct Shared(std::sync::Arc<[AtomicU64]>);
        impl Slots for Shared {
            fn slots(&self) -> &[AtomicU64] {
                &self.0
            }
        }
        let mut table = Writer::new(Shared(slots.clone()), SEED, 16, u32::MAX);
        for key in 1..=100u64 {
            table.set(key << 16).unwrap();
        }
        let stop = AtomicBool::new(false);
        let reader = Writer::new(Shared(slots.clone()), SEED, 16, u32::MAX);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200 {
                    let filled: Vec<u64> = (101..=495)
                        .take_while(|key| table.set(key << 16).is_ok())
                        .collect();
                    for key in filled {
                        table.remove(key);
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
            while !stop.load(Ordering::Relaxed) {
                for key in 1..=100u64 {
                    assert_eq!(find(&reader, key), key << 16);
                }
            }
        });
    }
}
