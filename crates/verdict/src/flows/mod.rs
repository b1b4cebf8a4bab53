//! The table of conversations: set-associative, without locks, and the same
//! code in the kernel and natively, so that even what is forgotten when the
//! table is full is the same in both.
//!
//! There are two parts. The *entries*, one cache line each, are far more than
//! any cache holds: to read one is to wait for memory, longer than all the rest
//! of a decision takes. In front of them is a *directory* of two bytes for each
//! entry, which the cache does hold: sixteen places make a bucket, with their
//! tags and when they were last seen. A conversation whose tag is in neither of
//! its buckets is new, without any entry having been read; its entry is
//! written, and nobody waits for a write. One that is there costs its own entry
//! and hardly ever another one.
//!
//! A conversation lives in one of two buckets: in the first one, unless that
//! was full when it was opened, or held another one of the same tag. Nothing is
//! ever taken out, only overwritten. So a look-up that meets an empty place and
//! not its tag in the first bucket has seen all that there is to see.
//!
//! Within its first bucket it has a *preferred* place, told by its hash alone,
//! which it gets unless another one was there before: two of three in a full
//! table do. The directory then only says whether to go there, not where; the CPU
//! guesses the former from what it has seen lately, and fetches the entry while
//! the directory is still on its way. So the two waits for memory are one.
//!
//! When both buckets are full, somebody gives way: the one that was silent for
//! longest, if that was for two steps of the directory's clock (two to five
//! minutes). Where all have spoken since, a newcomer may take its place only
//! from those in its opener's *own* ways, an eighth of each bucket, told by
//! bucket and participant. Whoever opens conversations without end soon meets
//! none but its own there, and seven eighths of the others' stay what they were.
//! Only one that finds its tag in both buckets (two of ten thousand do, in a full
//! table) takes the place of that in the second, whosever it is, since nowhere
//! else would it be found.
//!
//! Several CPUs read and write at once, and nobody waits for anybody. What keeps
//! this right is that a reader believes nothing but the entry itself: all of its
//! key, and a *seal*, the keyed hash of that key together with the generations,
//! in one word. An entry that two wrote at once, or that was read half before
//! and half after a change, in whatever order the machine shows stores to other
//! CPUs, does not bear its seal; the conversation then counts as unknown, and
//! the grant is asked again. Two CPUs that give the same place away at the same
//! moment lose one of the two conversations, as if its packet had been lost: it
//! is opened again by the next packet of whoever may open it.

mod directory;
mod hash;
#[cfg(feature = "std")]
mod native;
#[cfg(test)]
mod tests;

pub use directory::{BUCKET_WAYS, BUCKET_WORDS};
pub use hash::Keys;
#[cfg(feature = "std")]
pub use native::FlowTable;

use crate::world::{FlowKey, FlowValue};
use directory::{Quietest, Ways};
use hash::{Packed, first_bucket, own_ways, preferred_way, second_bucket, tag};

/// Words of an entry: one cache line, of which the last word is not used.
pub const ENTRY_WORDS: usize = 8;

const A_LOW: usize = 0;
const B_LOW: usize = 1;
const HIGHS: usize = 2;
/// Ports and protocol, and who opened it.
const PORTS: usize = 3;
const GENERATIONS: usize = 4;
const LAST_SEEN: usize = 5;
const SEAL: usize = 6;

const OPENED_BY_A: u64 = 1 << 63;

/// Buckets for `flows` conversations: half as many places again, so that those that
/// are alive hardly ever get into each other's way.
pub const fn buckets_for(flows: u32) -> u32 {
    let places = flows as u64 + flows as u64 / 2;
    let buckets = places.div_ceil(BUCKET_WAYS as u64) as u32;
    if buckets < 2 { 2 } else { buckets }
}

/// Entries of a table of so many buckets.
pub const fn entries_for(buckets: u32) -> u32 {
    buckets.saturating_mul(BUCKET_WAYS as u32)
}

/// How the table's memory is reached.
pub trait Memory {
    /// A bucket of the directory: [`BUCKET_WORDS`] words.
    type Bucket: Copy;
    /// An entry: [`ENTRY_WORDS`] words.
    type Entry: Copy;
    /// The keys of the hash, and the number of buckets.
    fn shape(&self) -> (Keys, u32);
    /// A bucket, or `None` when there is no such one.
    fn bucket(&self, index: u32) -> Option<Self::Bucket>;
    /// Reads a word of a bucket.
    fn load(&self, bucket: Self::Bucket, word: usize) -> u64;
    /// Writes 16 bits of a bucket, and none of those beside them: lane 0 is the
    /// lowest one of word 0, lane 4 that of word 1.
    fn set_lane(&self, bucket: Self::Bucket, lane: usize, value: u16);
    /// An entry, or `None` when there is no such one.
    fn entry(&self, index: u32) -> Option<Self::Entry>;
    /// Asks memory for an entry ahead of reading it.
    fn ask(&self, entry: Self::Entry) {
        let _ = entry;
    }
    /// Reads a word of an entry.
    fn read(&self, entry: Self::Entry, word: usize) -> u64;
    /// Writes a word of an entry.
    fn write(&self, entry: Self::Entry, word: usize, value: u64);
    /// The same word, in a way that keeps the compiler from seeing through it.
    fn opaque(&self, word: u64) -> u64 {
        word
    }
}

/// A place in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    bucket: u32,
    way: u64,
}

impl Place {
    #[inline(always)]
    fn entry<M: Memory>(self, memory: &M) -> Option<M::Entry> {
        memory.entry(self.bucket * BUCKET_WAYS as u32 + self.way as u32)
    }
}

/// What a bucket says about a conversation: places with its tag, and
/// above each of their bits one that says whether the place is empty.
#[derive(Debug, Clone, Copy)]
struct Marks(u64);

impl Marks {
    const NONE: Self = Self(0);
    const EMPTY: u32 = 4;
    const PLACES: u64 = 0x000f_000f_000f_000f;

    #[inline(always)]
    fn read<M: Memory>(memory: &M, bucket: u32, hash: u64) -> Self {
        let Some(bucket) = memory.bucket(bucket) else {
            return Self::NONE;
        };
        let (Ways(tagged), Ways(empty)) = directory::search(memory, bucket, tag(hash));
        Self(memory.opaque(tagged | empty << Self::EMPTY))
    }

    #[inline(always)]
    fn tagged(self) -> Ways {
        Ways(self.0 & Self::PLACES)
    }

    #[inline(always)]
    fn empty(self) -> Ways {
        Ways(self.0 >> Self::EMPTY & Self::PLACES)
    }
}

/// A conversation, and what the directory says about it: what can be known, and
/// asked for, before its entry is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    key: Packed,
    hash: u64,
    /// What its first bucket says.
    marks: Marks,
    /// Where in its first bucket it is, if it is there.
    way: u64,
}

/// Looks for a conversation in its first bucket, and asks memory for its entry
/// if it seems to be there.
#[inline(always)]
pub(crate) fn locate<M: Memory>(memory: &M, key: &FlowKey) -> Located {
    let key = Packed::new(key);
    let (keys, buckets) = memory.shape();
    let hash = memory.opaque(key.hash(&keys));
    let bucket = first_bucket(hash, buckets);
    let marks = Marks::read(memory, bucket, hash);
    let way = preferred_of(memory, hash, marks.tagged());
    if marks.tagged().any()
        && let Some(entry) = (Place { bucket, way }).entry(memory)
    {
        memory.ask(entry);
    }
    Located {
        key,
        hash,
        marks,
        way,
    }
}

/// The preferred way of a hash if it is among some, else the first of them. The
/// branch is the point: what follows it does not wait for `ways` to be known
/// when the CPU guesses it, as it would for a number computed from them.
#[inline(always)]
fn preferred_of<M: Memory>(memory: &M, hash: u64, ways: Ways) -> u64 {
    let preferred = preferred_way(hash);
    if ways.has(preferred) {
        memory.opaque(preferred)
    } else {
        memory.opaque(ways.first())
    }
}

/// The place that a conversation is to have when its first bucket alone says
/// that it is not in the table. The commonest answer about a new one.
#[inline(always)]
pub(crate) fn place_of_new<M: Memory>(memory: &M, located: &Located) -> Option<Place> {
    let (_, buckets) = memory.shape();
    let is_new = located.marks.empty().any() && !located.marks.tagged().any();
    is_new.then(|| Place {
        bucket: first_bucket(located.hash, buckets),
        way: preferred_of(memory, located.hash, located.marks.empty()),
    })
}

/// What looking for a conversation found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    /// What its second bucket says, if it was looked at.
    second: Marks,
    /// Where it was found, and what is known about it.
    pub(crate) found: Option<(Place, FlowValue)>,
}

/// Finds a conversation that was located.
#[inline(always)]
pub(crate) fn find<M: Memory>(memory: &M, located: &Located) -> Lookup {
    let (_, buckets) = memory.shape();
    let mut lookup = Lookup {
        second: Marks::NONE,
        found: None,
    };
    let mut bucket = first_bucket(located.hash, buckets);
    let mut marks = located.marks;
    let mut way = located.way;
    let mut tries = 0;
    while tries < 2 {
        if marks.tagged().any() {
            lookup.found = read(memory, Place { bucket, way }, located);
        }
        let nowhere_else = marks.empty().any() && !marks.tagged().any();
        if tries == 1 || lookup.found.is_some() || nowhere_else {
            break;
        }
        bucket = second_bucket(located.hash, buckets);
        marks = Marks::read(memory, bucket, located.hash);
        lookup.second = marks;
        way = memory.opaque(marks.tagged().first());
        tries += 1;
    }
    lookup
}

/// Reads an entry with the conversation's tag. Two of one tag are in one bucket
/// only when two CPUs wrote them at once; the other one is then not found.
#[inline(always)]
fn read<M: Memory>(memory: &M, place: Place, located: &Located) -> Option<(Place, FlowValue)> {
    let Located { key, hash, .. } = located;
    let entry = place.entry(memory)?;
    let ports = memory.read(entry, PORTS);
    let generations = memory.read(entry, GENERATIONS);
    let last_seen_ns = memory.read(entry, LAST_SEEN);
    let differs = (ports & !OPENED_BY_A) ^ key.ports
        | memory.read(entry, A_LOW) ^ key.a_low
        | memory.read(entry, B_LOW) ^ key.b_low
        | memory.read(entry, HIGHS) ^ key.highs
        | memory.read(entry, SEAL) ^ seal(*hash, generations, ports);
    if differs != 0 {
        return None;
    }
    let value = FlowValue {
        last_seen_ns,
        generations,
        opened_by_a: ports & OPENED_BY_A != 0,
    };
    Some((place, value))
}

/// Binds the generations and the opener of a conversation to its keyed hash.
#[inline(always)]
fn seal(hash: u64, generations: u64, ports: u64) -> u64 {
    hash ^ generations.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (ports & OPENED_BY_A)
}

/// Notes that a conversation, last seen at `then_ns`, was seen now. Should its
/// place have been given to another one meanwhile, that one merely counts as
/// seen, or is not found any more.
#[inline(always)]
pub(crate) fn touch<M: Memory>(
    memory: &M,
    located: &Located,
    place: Place,
    then_ns: u64,
    now_ns: u64,
) {
    if let Some(entry) = place.entry(memory) {
        memory.write(entry, LAST_SEEN, now_ns);
    }
    if directory::is_later(then_ns, now_ns)
        && let Some(bucket) = memory.bucket(place.bucket)
    {
        directory::set(memory, bucket, place.way, tag(located.hash), now_ns);
    }
}

/// Writes a conversation to its place; `false` when the table's memory is not
/// there.
#[inline(always)]
pub(crate) fn write<M: Memory>(
    memory: &M,
    located: &Located,
    place: Place,
    value: &FlowValue,
) -> bool {
    let place = Place {
        bucket: memory.opaque(u64::from(place.bucket)) as u32,
        way: memory.opaque(place.way),
    };
    let (Some(bucket), Some(entry)) = (memory.bucket(place.bucket), place.entry(memory)) else {
        return false;
    };
    let now_ns = value.last_seen_ns;
    directory::set(memory, bucket, place.way, tag(located.hash), now_ns);
    let key = &located.key;
    let ports = key.ports | if value.opened_by_a { OPENED_BY_A } else { 0 };
    let seal = seal(located.hash, value.generations, ports);
    memory.write(entry, A_LOW, key.a_low);
    memory.write(entry, B_LOW, key.b_low);
    memory.write(entry, HIGHS, key.highs);
    memory.write(entry, PORTS, ports);
    memory.write(entry, GENERATIONS, value.generations);
    memory.write(entry, LAST_SEEN, now_ns);
    memory.write(entry, SEAL, seal);
    true
}

/// The place of a conversation that was not found and that a participant opens:
/// an empty one, or that of one that gives way. Where the table's memory is not
/// there it is any place, and [`write()`] then says so: a place that may be none
/// has no value in that case, and the compiler may keep one all the same, out of
/// a register that the kernel's verifier does not let it read.
#[inline(always)]
pub(crate) fn room<M: Memory>(
    memory: &M,
    located: &Located,
    lookup: &Lookup,
    opener: u32,
    now_ns: u64,
) -> Place {
    let (_, buckets) = memory.shape();
    if let Some(place) = place_of_new(memory, located) {
        return place;
    }
    let first = Place {
        bucket: first_bucket(located.hash, buckets),
        way: 0,
    };
    let second = Place {
        bucket: second_bucket(located.hash, buckets),
        way: lookup.second.empty().first(),
    };
    // Beside another one of its tag it would not be found.
    let not_first = located.marks.tagged().any();
    let not_second = lookup.second.tagged().any();
    if not_first && not_second {
        let way = lookup.second.tagged().first();
        return Place { way, ..second };
    }
    if lookup.second.empty().any() && !not_second {
        return second;
    }
    let (keys, _) = memory.shape();
    let here = quietest(memory, first.bucket, &keys, opener, now_ns);
    let there = quietest(memory, second.bucket, &keys, opener, now_ns);
    if not_first || (there > here && !not_second) {
        let way = there.way();
        Place { way, ..second }
    } else {
        let way = here.way();
        Place { way, ..first }
    }
}

/// Who gives way in a bucket to a conversation that a participant opens.
#[inline(always)]
fn quietest<M: Memory>(memory: &M, bucket: u32, keys: &Keys, opener: u32, now_ns: u64) -> Quietest {
    let pair = own_ways(keys, bucket, opener);
    match memory.bucket(bucket) {
        Some(bucket) => directory::quietest(memory, bucket, pair, now_ns),
        None => Quietest::NOBODY,
    }
}
