//! The bindings in the memory that the programs read: three words for each
//! interface, found by its index alone, so that a packet pays one load for
//! them where a hash map would cost it a call.
//!
//! The prefix is what makes a binding: it is the first word to go and the last
//! one to come, and a program believes the others only while it stands. The
//! participant is not kept beside it, since the prefix says it.

use std::sync::atomic::Ordering;

use iryonet_verdict::slot::Slots;
use iryonet_verdict::{BINDING_WORDS, Binding, INTERFACES_MAX, address};

use super::error::DatapathError;

const PREFIX: usize = 0;
const LEASE: usize = 1;
const COUNTER: usize = 2;

pub(super) struct Bindings<S> {
    words: S,
}

impl<S: Slots> Bindings<S> {
    /// Words of memory for all interfaces.
    pub(super) const WORDS: usize = INTERFACES_MAX as usize * BINDING_WORDS;

    pub(super) fn over(words: S) -> Self {
        Self { words }
    }

    /// All bindings, as an earlier process may have left them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Binding)> + '_ {
        let entries = self.words.slots().chunks_exact(BINDING_WORDS);
        (0..).zip(entries).filter_map(|(ifindex, entry)| {
            let word = |index: usize| Some(entry.get(index)?.load(Ordering::Acquire));
            let prefix = word(PREFIX)?;
            let binding = Binding {
                prefix,
                lease_expires_ns: word(LEASE)?,
                participant: address::participant_of(prefix),
                counter: u32::try_from(word(COUNTER)?).ok()?,
            };
            (prefix != 0).then_some((ifindex, binding))
        })
    }

    /// Whether a line with this index can be bound at all.
    pub(super) fn check(ifindex: u32) -> Result<(), DatapathError> {
        if ifindex < INTERFACES_MAX {
            Ok(())
        } else {
            Err(DatapathError::InterfaceIndex {
                ifindex,
                max: INTERFACES_MAX - 1,
            })
        }
    }

    pub(super) fn set(&self, ifindex: u32, binding: &Binding) -> Result<(), DatapathError> {
        Self::check(ifindex)?;
        let before = self.load(ifindex, PREFIX);
        if before != binding.prefix || self.load(ifindex, COUNTER) != u64::from(binding.counter) {
            self.clear(ifindex);
        }
        self.store(ifindex, LEASE, binding.lease_expires_ns);
        self.store(ifindex, COUNTER, u64::from(binding.counter));
        self.store(ifindex, PREFIX, binding.prefix);
        Ok(())
    }

    pub(super) fn clear(&self, ifindex: u32) {
        self.store(ifindex, PREFIX, 0);
    }

    fn word(&self, ifindex: u32, word: usize) -> Option<&std::sync::atomic::AtomicU64> {
        let place = ifindex as usize * BINDING_WORDS + word;
        self.words.slots().get(place)
    }

    fn load(&self, ifindex: u32, word: usize) -> u64 {
        self.word(ifindex, word)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// In the order in which they are written, on every machine.
    fn store(&self, ifindex: u32, word: usize, value: u64) {
        if let Some(word) = self.word(ifindex, word) {
            word.store(value, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn bindings() -> Bindings<Box<[AtomicU64]>> {
        let words = (0..Bindings::<Box<[AtomicU64]>>::WORDS).map(|_| AtomicU64::new(0));
        Bindings::over(words.collect())
    }

    fn binding(participant: u32, lease_expires_ns: u64) -> Binding {
        Binding {
            prefix: address::site_prefix(0x2001_0db8, participant, 3),
            lease_expires_ns,
            participant,
            counter: 7,
        }
    }

    #[test]
    fn a_line_is_bound_to_whom_it_was_bound_last_until_it_is_unbound() {
        let table = bindings();
        table.set(5, &binding(0x01_0203, 100)).unwrap();
        table.set(9, &binding(0x01_0204, 100)).unwrap();
        table.set(5, &binding(0x01_0203, 200)).unwrap();
        table.set(9, &binding(0x01_0205, 300)).unwrap();
        let expected = [(5, binding(0x01_0203, 200)), (9, binding(0x01_0205, 300))];
        assert_eq!(table.iter().collect::<Vec<_>>(), expected);
        table.clear(5);
        assert_eq!(table.iter().collect::<Vec<_>>(), expected[1..]);
    }

    #[test]
    fn a_line_whose_index_is_beyond_the_table_is_refused_and_nothing_else_is_touched() {
        let table = bindings();
        table.set(INTERFACES_MAX - 1, &binding(1, 1)).unwrap();
        let refused = table.set(INTERFACES_MAX, &binding(2, 1)).unwrap_err();
        assert!(refused.to_string().contains("65535"), "{refused}");
        assert_eq!(table.iter().count(), 1);
    }
}
