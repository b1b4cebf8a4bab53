use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::slot::Seed;

const SEED: Seed = Seed([11, 13]);
/// A little more than a step of the directory's clock, nanoseconds.
const STEP_NS: u64 = 140_000_000_000;

type Table = FlowTable<Box<[core::sync::atomic::AtomicU64]>>;

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
        generations: u64::from(generation) << 32 | 7,
        opened_by_a: generation.is_multiple_of(2),
    }
}

fn look_up(table: &Table, key: &FlowKey) -> Lookup {
    find(&table, &locate(&table, key))
}

fn found(table: &Table, number: u32) -> Option<FlowValue> {
    look_up(table, &key(number)).found.map(|(_, value)| value)
}

fn put(table: &Table, key: &FlowKey, value: &FlowValue) {
    let located = locate(&table, key);
    let lookup = find(&table, &located);
    let place = match lookup.found {
        Some((place, _)) => place,
        // Whoever has end a opens it.
        None => room(&table, &located, &lookup, key.a_high, value.last_seen_ns),
    };
    assert!(write(&table, &located, place, value));
}

fn open(table: &Table, number: u32, value: &FlowValue) {
    put(table, &key(number), value);
}

proptest! {
    #[test]
    fn what_is_found_is_what_was_last_written(
        steps in prop::collection::vec((0u32..500, 1u32..1000), 1..800),
    ) {
        let table = FlowTable::new(64, SEED);
        let mut model = BTreeMap::new();
        for (now, (number, generation)) in steps.into_iter().enumerate() {
            if let Some(found) = found(&table, number) {
                prop_assert_eq!(Some(&found), model.get(&number));
            }
            let value = value(generation, now as u64 * STEP_NS);
            open(&table, number, &value);
            model.insert(number, value);
            prop_assert_eq!(found(&table, number), Some(value));
        }
        prop_assert!(table.len() <= model.len(), "no conversation is there twice");
    }
}

#[test]
fn a_table_keeps_the_conversations_that_it_is_made_for() {
    for flows in [1_000, 10_000, 100_000] {
        let table = FlowTable::new(flows, SEED);
        for number in 0..flows {
            open(&table, number, &value(1, u64::from(number) * STEP_NS));
        }
        let kept = (0..flows).filter(|&n| found(&table, n).is_some()).count();
        assert!(kept > flows as usize * 999 / 1000, "kept {kept} of {flows}");
        assert_eq!(kept, table.len());
    }
}

#[test]
fn the_one_that_was_silent_for_longest_gives_way() {
    // Two buckets, and conversations that may be in both of them.
    let table = FlowTable::new(4, SEED);
    let (keys, buckets) = (Keys::of(SEED), buckets_for(4));
    let mut numbers = (1..).filter(|&number| {
        let hash = Packed::new(&key(number)).hash(&keys);
        first_bucket(hash, buckets) != second_bucket(hash, buckets)
    });
    let written: Vec<u32> = numbers.by_ref().take(2 * BUCKET_WAYS).collect();
    let mut now_ns = 0;
    for &number in &written {
        now_ns += STEP_NS;
        open(&table, number, &value(1, now_ns));
    }
    assert_eq!(table.len(), 2 * BUCKET_WAYS, "all of them have room");
    // The oldest two speak again; whoever comes next takes the place of others,
    // the oldest first.
    for &number in &written[..2] {
        let located = locate(&&table, &key(number));
        let (place, known) = find(&&table, &located).found.unwrap();
        now_ns += STEP_NS;
        touch(&&table, &located, place, known.last_seen_ns, now_ns);
    }
    for (gone, new) in (1..=20).zip(numbers) {
        now_ns += STEP_NS;
        open(&table, new, &value(1, now_ns));
        for (age, &number) in written.iter().enumerate() {
            let stays = age < 2 || age >= 2 + gone;
            let is_there = found(&table, number).is_some();
            assert_eq!(is_there, stays, "{age} of {} after {gone}", written.len());
        }
    }
}

#[test]
fn two_conversations_of_one_bucket_and_one_tag_are_both_kept() {
    let (keys, buckets) = (Keys::of(SEED), buckets_for(1000));
    let mark = |number: u32| {
        let hash = Packed::new(&key(number)).hash(&keys);
        (first_bucket(hash, buckets), tag(hash))
    };
    let mut seen = BTreeMap::new();
    let (one, other) = (0..)
        .find_map(|number| seen.insert(mark(number), number).map(|one| (one, number)))
        .unwrap();
    let table = FlowTable::new(1000, SEED);
    for round in 1..5 {
        open(&table, one, &value(round, 1));
        open(&table, other, &value(round + 1, 1));
        assert_eq!(found(&table, one), Some(value(round, 1)));
        assert_eq!(found(&table, other), Some(value(round + 1, 1)));
    }
    assert_eq!(table.len(), 2);
}

#[test]
fn most_conversations_are_where_their_hash_alone_says() {
    let (flows, buckets) = (10_000, buckets_for(10_000));
    let table = FlowTable::new(flows, SEED);
    for number in 0..flows {
        open(&table, number, &value(1, 1));
    }
    let preferred = (0..flows).filter(|&number| {
        let lookup = look_up(&table, &key(number));
        let hash = Packed::new(&key(number)).hash(&Keys::of(SEED));
        lookup.found.is_some_and(|(place, _)| {
            place.bucket == first_bucket(hash, buckets) && place.way == preferred_way(hash)
        })
    });
    let preferred = preferred.count();
    // Two of three, when a place is as likely to be taken as the table is full.
    assert!(preferred > 6_200, "{preferred} of {flows}");
}

/// Conversations of one participant each, of which there are many.
fn others(count: u32) -> impl Iterator<Item = (u32, FlowKey)> {
    (0..count).map(|number| (number, key(100_000 + number)))
}

/// What one participant opens, ever new ones.
fn flood(number: u64) -> FlowKey {
    FlowKey {
        a_low: number,
        a_high: 7,
        a_port: number as u16,
        ..key(7)
    }
}

#[test]
fn one_participant_that_fills_the_table_drives_out_few_of_those_that_speak() {
    let flows = 4_000;
    let table = FlowTable::new(flows, SEED);
    for (number, key) in others(flows / 4) {
        put(&table, &key, &value(number, 1));
    }
    // Ten times the table for each step of its clock, in which the others speak
    // once, at its end.
    let (mut opened, mut now_ns) = (0, 1);
    let mut lost = 0;
    for _ in 0..8 {
        for _ in 0..10 * flows {
            opened += 1;
            now_ns += STEP_NS / u64::from(10 * flows);
            put(&table, &flood(opened), &value(9, now_ns));
        }
        for (number, key) in others(flows / 4) {
            let located = locate(&&table, &key);
            match find(&&table, &located).found {
                Some((place, known)) => {
                    touch(&&table, &located, place, known.last_seen_ns, now_ns);
                }
                None => {
                    lost += 1;
                    put(&table, &key, &value(number, now_ns));
                }
            }
        }
    }
    assert!(table.len() > flows as usize, "the table is full");
    // An eighth of what there is, and hardly any of what was opened anew: that
    // went to other places.
    assert!(lost > 0, "it does go on at somebody's expense");
    assert!(lost < flows / 4 / 6, "{lost} of {} were lost", flows / 4);
}

#[test]
fn whoever_meets_a_full_table_of_somebody_elses_finds_room_and_keeps_it() {
    let flows = 4_000;
    let table = FlowTable::new(flows, SEED);
    let places = u64::from(entries_for(buckets_for(flows)));
    let mut opened = 0;
    let mut more = |count: u64| {
        for _ in 0..count {
            opened += 1;
            put(&table, &flood(opened), &value(9, 1));
        }
    };
    more(4 * places);
    // So few of them that they hardly ever take each other's places.
    let (newcomers, mut kept) = (100, 0);
    for (number, key) in others(newcomers) {
        put(&table, &key, &value(number, 1));
        more(places / u64::from(newcomers));
    }
    for (number, key) in others(newcomers) {
        let found = look_up(&table, &key).found.map(|(_, value)| value);
        kept += u32::from(found == Some(value(number, 1)));
    }
    assert!(kept > 80, "{kept} of {newcomers}");
}

#[test]
fn two_participants_do_not_share_their_ways_everywhere() {
    let keys = Keys::of(SEED);
    for (one, other) in [(1, 2), (65_536, 65_537), (7, 7 << 16)] {
        let same = (0..8_000)
            .filter(|&bucket| own_ways(&keys, bucket, one) == own_ways(&keys, bucket, other));
        let same = same.count();
        assert!((800..1_200).contains(&same), "{same} of 8,000");
    }
    let mut each = [0; 8];
    for bucket in 0..8_000 {
        each[own_ways(&keys, bucket, 5) as usize] += 1;
    }
    assert!(
        each.iter().all(|count| (800..1_200).contains(count)),
        "{each:?}"
    );
}

#[test]
fn conversations_spread_evenly_over_the_buckets() {
    // What one site opens to one service: hosts and ports that count up.
    let (keys, buckets) = (Keys::of(SEED), 512);
    let mut counts = vec![[0u32; 4]; buckets as usize];
    for host in 0..64u64 {
        for port in 0..256u16 {
            let key = FlowKey {
                a_low: 0x0211_22ff_fe33_4400 + host,
                a_port: 49_152 + port,
                ..key(9)
            };
            let hash = Packed::new(&key).hash(&keys);
            counts[first_bucket(hash, buckets) as usize][0] += 1;
            counts[second_bucket(hash, buckets) as usize][1] += 1;
            counts[tag(hash) as usize % buckets as usize][2] += 1;
            let within = first_bucket(hash, buckets / 16) * 16 + preferred_way(hash) as u32;
            counts[within as usize][3] += 1;
        }
    }
    // 32 on average, with a deviation of 5.7 when by chance.
    for which in 0..4 {
        let counts = counts.iter().map(|count| count[which]);
        let deviation: f64 = counts.map(|n| (f64::from(n) - 32.0).powi(2)).sum();
        let deviation = (deviation / f64::from(buckets)).sqrt();
        assert!(deviation < 8.0, "deviation of {deviation} in {which}");
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
                    if let Some(found) = found(table, number) {
                        assert_eq!(
                            found.generations >> 32,
                            u64::from(number),
                            "another one's generation"
                        );
                    }
                    open(table, number, &value(number, u64::from(step) * STEP_NS));
                }
            });
        }
    });
}

#[test]
fn what_is_read_half_before_and_half_after_a_change_counts_as_unknown() {
    const SEALED: [usize; 6] = [A_LOW, B_LOW, HIGHS, PORTS, GENERATIONS, SEAL];
    // The same two institutions: nothing but the seal tells the halves apart.
    let (old_key, new_key) = (key(1), FlowKey { a_low: 9, ..key(1) });
    for new_key in [old_key, new_key] {
        let (old, new) = (value(4, 100), value(5, 200));
        let entry_of = |key: &FlowKey, value: &FlowValue| -> Vec<u64> {
            let table = FlowTable::new(2, SEED);
            put(&table, key, value);
            let (place, _) = look_up(&table, key).found.unwrap();
            let entry = place.entry(&&table).unwrap();
            (0..ENTRY_WORDS)
                .map(|word| (&&table).read(entry, word))
                .collect()
        };
        let before = entry_of(&old_key, &old);
        let after = entry_of(&new_key, &new);
        let told = |value: FlowValue| (value.generations, value.opened_by_a);
        for mixture in 0u32..1 << SEALED.len() {
            for (key, value) in [(old_key, old), (new_key, new)] {
                // The directory names the place as this conversation's.
                let table = FlowTable::new(2, SEED);
                put(&table, &key, &value);
                let (place, _) = look_up(&table, &key).found.unwrap();
                let entry = place.entry(&&table).unwrap();
                for (index, word) in SEALED.into_iter().enumerate() {
                    let from = if mixture >> index & 1 == 0 {
                        &before
                    } else {
                        &after
                    };
                    (&&table).write(entry, word, from[word]);
                }
                if let Some((_, found)) = look_up(&table, &key).found {
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

/// A CPU that does not write itself, but says what it would have written.
struct Scribe<'a> {
    table: &'a Table,
    stores: RefCell<Vec<Store>>,
}

#[derive(Debug, Clone, Copy)]
enum Store {
    Lane(u32, usize, u16),
    Word(u32, usize, u64),
}

impl Store {
    fn apply(self, table: &Table) {
        match self {
            Self::Lane(bucket, lane, value) => {
                (&table).set_lane((&table).bucket(bucket).unwrap(), lane, value);
            }
            Self::Word(entry, word, value) => {
                (&table).write((&table).entry(entry).unwrap(), word, value);
            }
        }
    }
}

impl Memory for &Scribe<'_> {
    type Bucket = u32;
    type Entry = u32;
    fn shape(&self) -> (Keys, u32) {
        self.table.shape()
    }
    fn bucket(&self, index: u32) -> Option<u32> {
        self.table.bucket(index).map(|_| index)
    }
    fn load(&self, bucket: u32, word: usize) -> u64 {
        self.table.load(self.table.bucket(bucket).unwrap(), word)
    }
    fn set_lane(&self, bucket: u32, lane: usize, value: u16) {
        let store = Store::Lane(bucket, lane, value);
        self.stores.borrow_mut().push(store);
    }
    fn entry(&self, index: u32) -> Option<u32> {
        self.table.entry(index).map(|_| index)
    }
    fn read(&self, entry: u32, word: usize) -> u64 {
        self.table.read(self.table.entry(entry).unwrap(), word)
    }
    fn write(&self, entry: u32, word: usize, value: u64) {
        let store = Store::Word(entry, word, value);
        self.stores.borrow_mut().push(store);
    }
}

/// What a CPU writes that decides now and is then held up.
fn stores_of(table: &Table, key: &FlowKey, value: &FlowValue) -> Vec<Store> {
    let scribe = Scribe {
        table,
        stores: RefCell::default(),
    };
    let memory = &scribe;
    let located = locate(&memory, key);
    let lookup = find(&memory, &located);
    let place = match lookup.found {
        Some((place, _)) => place,
        None => room(&memory, &located, &lookup, key.a_high, value.last_seen_ns),
    };
    assert!(write(&memory, &located, place, value));
    scribe.stores.into_inner()
}

#[test]
fn two_cpus_that_give_one_place_away_in_any_order_never_show_anothers_conversation() {
    // Two conversations that want the same place, and one twice with two
    // generations; then everything that the two CPUs write, interleaved in each
    // of the ways that there are, looked at after each store.
    let (keys, buckets) = (Keys::of(SEED), buckets_for(4));
    let wants = |number: u32| {
        let hash = Packed::new(&key(number)).hash(&keys);
        (first_bucket(hash, buckets), preferred_way(hash))
    };
    let one = 1;
    let other = (2..).find(|&number| wants(number) == wants(one)).unwrap();
    for (other, generation) in [(other, 5), (one, 8)] {
        let pairs = [(one, value(4, 100)), (other, value(generation, 200))];
        let fresh = FlowTable::new(4, SEED);
        let [first, second] = pairs.map(|(number, value)| stores_of(&fresh, &key(number), &value));
        assert_eq!((first.len(), second.len()), (8, 8));
        let mut kept = [0u32; 3];
        for order in (0u32..1 << 16).filter(|order| order.count_ones() == 8) {
            fresh.clear();
            let (mut left, mut right) = (first.iter(), second.iter());
            for step in 0..16 {
                let next = if order >> step & 1 == 0 {
                    left.next()
                } else {
                    right.next()
                };
                next.unwrap().apply(&fresh);
                for number in [one, other] {
                    if let Some(known) = found(&fresh, number) {
                        let told = |value: FlowValue| (value.generations, value.opened_by_a);
                        let mut own = pairs.iter().filter(|pair| pair.0 == number);
                        assert!(
                            own.any(|pair| told(pair.1) == told(known)),
                            "{order:016b} after {step}: {number} has {known:?}"
                        );
                    }
                }
            }
            let left = [one, other].into_iter();
            let left = left.filter(|&number| found(&fresh, number).is_some());
            kept[left.count()] += 1;
            // Whatever is left, either can be opened again at once.
            for (number, value) in pairs {
                open(&fresh, number, &value);
                assert_eq!(found(&fresh, number), Some(value));
            }
        }
        assert!(kept[0] > 0 && kept[1] + kept[2] > 0, "{kept:?}");
    }
}
