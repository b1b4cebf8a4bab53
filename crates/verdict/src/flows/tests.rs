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
        Some((place, _)) => Some(place),
        None => room(&table, &located, &lookup, value.last_seen_ns),
    };
    assert!(write(&table, &located, place.unwrap(), value));
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
fn conversations_spread_evenly_over_the_buckets() {
    // What one site opens to one service: hosts and ports that count up.
    let (keys, buckets) = (Keys::of(SEED), 512);
    let mut counts = vec![[0u32; 3]; buckets as usize];
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
        }
    }
    // 32 on average, with a deviation of 5.7 when by chance.
    for which in 0..3 {
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
