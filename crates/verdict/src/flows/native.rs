//! The table in memory of this process, or mapped into it.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{BUCKET_WORDS, ENTRY_WORDS, Keys, Memory, buckets_for, entries_for};
use crate::slot::{Seed, Slots};

/// A table of conversations.
#[derive(Debug)]
pub struct FlowTable<S> {
    directory: S,
    entries: S,
    keys: Keys,
}

impl FlowTable<Box<[AtomicU64]>> {
    /// An empty table.
    pub fn new(flows: u32, seed: Seed) -> Self {
        let zeros = |words: usize| (0..words).map(|_| AtomicU64::new(0)).collect();
        let buckets = buckets_for(flows);
        let entries = entries_for(buckets) as usize;
        Self::over(
            zeros(buckets as usize * BUCKET_WORDS),
            zeros(entries * ENTRY_WORDS),
            seed,
        )
    }
}

impl<S: Slots> FlowTable<S> {
    /// Takes a table over: its directory, and the entries of all its places.
    pub fn over(directory: S, entries: S, seed: Seed) -> Self {
        Self {
            directory,
            entries,
            keys: Keys::of(seed),
        }
    }

    /// Conversations in the table, those long silent included.
    pub fn len(&self) -> usize {
        let lanes = self.directory.slots().iter().flat_map(|word| {
            let lanes = word.load(Ordering::Relaxed);
            (0..4).map(move |lane| lanes >> (16 * lane) & 0xffff)
        });
        lanes
            .filter(|&lane| super::directory::is_taken(lane))
            .count()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all conversations. Not to be done while others write.
    pub fn clear(&self) {
        for word in self.directory.slots().iter().chain(self.entries.slots()) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Reads the first words of entries at random, each chosen by what was
    /// read before, and returns something made of all of them: to measure how
    /// long memory takes.
    pub fn read_at_random(&self, reads: u32) -> u64 {
        let entries = (self.entries.slots().len() / ENTRY_WORDS) as u64;
        let mut state = 1;
        for _ in 0..reads {
            let entry = ((state >> 32) * entries) >> 32;
            let word = self.entries.slots().get(entry as usize * ENTRY_WORDS);
            let read = word.map_or(0, |word| word.load(Ordering::Relaxed));
            state = (state ^ read)
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
        }
        state
    }
}

fn part<const WORDS: usize>(words: &[AtomicU64], index: u32) -> Option<&[AtomicU64; WORDS]> {
    words.get(index as usize * WORDS..)?.first_chunk()
}

impl<'a, S: Slots> Memory for &'a FlowTable<S> {
    type Bucket = &'a [AtomicU64; BUCKET_WORDS];
    type Entry = &'a [AtomicU64; ENTRY_WORDS];

    fn shape(&self) -> (Keys, u32) {
        let buckets = self.directory.slots().len() / BUCKET_WORDS;
        (self.keys, u32::try_from(buckets).unwrap_or(u32::MAX))
    }

    fn bucket(&self, index: u32) -> Option<Self::Bucket> {
        part(self.directory.slots(), index)
    }

    fn load(&self, bucket: Self::Bucket, word: usize) -> u64 {
        let word = bucket.get(word);
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn set_lane(&self, bucket: Self::Bucket, lane: usize, value: u16) {
        let Some(word) = bucket.get(lane / 4) else {
            return;
        };
        let shift = 16 * (lane % 4);
        let set = |word: u64| Some(word & !(0xffff << shift) | u64::from(value) << shift);
        let _ = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, set);
    }

    fn entry(&self, index: u32) -> Option<Self::Entry> {
        part(self.entries.slots(), index)
    }

    fn read(&self, entry: Self::Entry, word: usize) -> u64 {
        let word = entry.get(word);
        word.map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn write(&self, entry: Self::Entry, word: usize, value: u64) {
        if let Some(word) = entry.get(word) {
            word.store(value, Ordering::Release);
        }
    }
}
