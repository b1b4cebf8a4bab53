//! Two compact homes for many small things: a sorted array without slack, and
//! a table by participant number.
//!
//! Most participants have one line, one or two devices and a handful of
//! agreements. General containers spend more on slack and nodes than on such
//! contents; 600,000 times over, that is what decides the model's size. Both
//! keep ascending order, so that everything made from them is in one order.
//!
//! It must not know what it keeps.

use iryonet_domain::ParticipantNumber;
use std::collections::BTreeMap;

/// What has a key of its own.
pub(crate) trait Keyed {
    /// The key.
    type Key: Ord;
    /// The key of this one.
    fn key(&self) -> Self::Key;
}

/// A sorted array of exactly as many places as it has entries. A change copies
/// the array: it is meant for a few entries, or few changes.
#[derive(Debug)]
pub(crate) struct Packed<T>(Box<[T]>);

impl<T> Default for Packed<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: Keyed> Packed<T> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        self.0.get(self.find(key).ok()?)
    }

    pub(crate) fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at)
    }

    /// Inserts, or replaces what has the same key, and gives that back.
    pub(crate) fn insert(&mut self, value: T) -> Option<T> {
        match self.find(&value.key()) {
            Ok(at) => self
                .0
                .get_mut(at)
                .map(|place| std::mem::replace(place, value)),
            Err(at) => {
                let mut list = std::mem::take(&mut self.0).into_vec();
                list.reserve_exact(1);
                list.insert(at, value);
                self.0 = list.into_boxed_slice();
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &T::Key) -> Option<T> {
        let at = self.find(key).ok()?;
        let mut list = std::mem::take(&mut self.0).into_vec();
        let value = list.remove(at);
        self.0 = list.into_boxed_slice();
        Some(value)
    }

    fn find(&self, key: &T::Key) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.key().cmp(key))
    }
}

/// Numbers that share a page: they are given in ascending order within a
/// block, so pages are full but for the last one of each block.
const PAGE: usize = 256;

/// A table by participant number, in pages.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    pages: BTreeMap<u16, Box<[Option<T>]>>,
    len: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<T> Numbered<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, number: ParticipantNumber) -> Option<&T> {
        let (page, place) = place(number);
        self.pages.get(&page)?.get(place)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: ParticipantNumber) -> Option<&mut T> {
        let (page, place) = place(number);
        self.pages.get_mut(&page)?.get_mut(place)?.as_mut()
    }

    /// Inserts, or replaces what has the same number, and gives that back.
    pub(crate) fn insert(&mut self, number: ParticipantNumber, value: T) -> Option<T> {
        let (page, place) = place(number);
        let page = self
            .pages
            .entry(page)
            .or_insert_with(|| (0..PAGE).map(|_| None).collect());
        let before = page.get_mut(place)?.replace(value);
        if before.is_none() {
            self.len += 1;
        }
        before
    }
}

fn place(number: ParticipantNumber) -> (u16, usize) {
    ((number.get() >> 8) as u16, number.get() as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Keyed for (u8, u32) {
        type Key = u8;
        fn key(&self) -> u8 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn a_packed_array_keeps_what_a_map_keeps_in_the_same_order(
            steps in prop::collection::vec((0u8..20, any::<u32>(), any::<bool>()), 0..100),
        ) {
            let mut packed = Packed::default();
            let mut map = BTreeMap::new();
            for (key, value, keep) in steps {
                if keep {
                    prop_assert_eq!(packed.insert((key, value)), map.insert(key, value).map(|v| (key, v)));
                } else {
                    prop_assert_eq!(packed.remove(&key), map.remove(&key).map(|v| (key, v)));
                }
                prop_assert_eq!(packed.get(&key).map(|e| e.1), map.get(&key).copied());
                prop_assert_eq!(packed.is_empty(), map.is_empty());
            }
            let listed: Vec<_> = packed.iter().copied().collect();
            prop_assert_eq!(listed, map.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_numbered_table_keeps_what_a_map_keeps(
            steps in prop::collection::vec((1u32..=ParticipantNumber::MAX, any::<u32>()), 0..60),
        ) {
            let mut table = Numbered::default();
            let mut map = BTreeMap::new();
            for (number, value) in steps {
                // Neighbours too: the first and last place of a page.
                for number in [number, number ^ 0xff, number | 1] {
                    if let Ok(n) = ParticipantNumber::new(number) {
                        prop_assert_eq!(table.insert(n, value), map.insert(n, value));
                    }
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for (number, value) in map {
                prop_assert_eq!(table.get(number), Some(&value));
            }
        }
    }
}
