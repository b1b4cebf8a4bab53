//! The Merkle tree over the ledger (RFC 9162, section 2.1; the hashing of
//! RFC 6962): leaf *i* stands for entry *i + 1*, and its data is the 32 octets
//! of that entry's hash. Whoever has an entry as it is exported recomputes the
//! entry's hash from its fields, and the leaf from that.
//!
//! The chain proves that a ledger follows from itself; the tree proves it to
//! somebody who holds one root and asks about one entry, or who holds an old
//! root and asks whether the new one only adds to it.
//!
//! This must not know where hashes are kept, nor what signs a root.

pub mod proof;
pub mod tile;

use crate::entry::Hash;
use sha2::{Digest, Sha256};

/// SHA-256 of nothing: the root of a tree without leaves (RFC 9162, 2.1.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The hash of a leaf with this data: SHA-256(0x00 || data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0]);
    sha.update(data);
    Hash(sha.finalize().into())
}

/// The leaf that stands for an entry with this hash.
#[must_use]
pub fn leaf_of_entry(entry: Hash) -> Hash {
    leaf_hash(&entry.0)
}

/// The hash over two subtrees: SHA-256(0x01 || left || right).
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([1]);
    sha.update(left.0);
    sha.update(right.0);
    Hash(sha.finalize().into())
}

/// A complete subtree: 2^`level` leaves, beginning with leaf
/// `index` * 2^`level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// 0 for a leaf; below 64.
    pub level: u8,
    /// Which one of its level, from the left.
    pub index: u64,
}

/// Hands out hashes of complete subtrees of one tree.
pub trait Nodes {
    /// Why one could not be had.
    type Error;

    /// The hash of a complete subtree.
    ///
    /// # Errors
    /// When it cannot be had.
    fn node(&mut self, node: Node) -> Result<Hash, Self::Error>;
}

/// The fewest complete subtrees that hold the leaves `from..to`, left to right.
#[must_use]
pub fn cover(from: u64, to: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = from;
    while at < to {
        // As large as its place allows, and as the end allows.
        let by_place = if at == 0 { 63 } else { at.trailing_zeros() };
        let level = by_place.min((to - at).ilog2());
        nodes.push(Node {
            level: u8::try_from(level).unwrap_or(u8::MAX),
            index: at >> level,
        });
        at += 1 << level;
    }
    nodes
}

/// The root over subtrees as [`cover`] lists them for `0..size`: the right ones
/// are joined first (RFC 9162, 2.1.1).
#[must_use]
pub fn fold(subtrees: &[Hash]) -> Hash {
    subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(left, right))
        .unwrap_or(EMPTY_ROOT)
}

/// The root of the tree's first `size` leaves.
///
/// # Errors
/// When a hash cannot be had.
pub fn root<N: Nodes + ?Sized>(nodes: &mut N, size: u64) -> Result<Hash, N::Error> {
    range_root(nodes, 0, size)
}

/// The root of the subtree over the leaves `from..to`, as it stands inside a
/// larger tree.
pub(crate) fn range_root<N: Nodes + ?Sized>(
    nodes: &mut N,
    from: u64,
    to: u64,
) -> Result<Hash, N::Error> {
    let hashes = cover(from, to)
        .into_iter()
        .map(|node| nodes.node(node))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(fold(&hashes))
}

/// The right edge of a growing tree: all that is needed to add leaves and to
/// tell the root. At most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One hash for each bit of `size` that is set, the highest first.
    edge: Vec<Hash>,
}

impl Frontier {
    /// Of a tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a tree with `size` leaves whose subtrees, as [`cover`] lists them for
    /// `0..size`, have these hashes; nothing when their number does not fit.
    #[must_use]
    pub fn from_edge(size: u64, edge: Vec<Hash>) -> Option<Self> {
        (edge.len() == size.count_ones() as usize).then_some(Self { size, edge })
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of its complete subtrees, left to right.
    #[must_use]
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// Adds a leaf; its data has been hashed ([`leaf_hash`]).
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Adds the next 2^`level` leaves as one subtree. False, and nothing is
    /// added, where no complete subtree of that level can stand.
    pub fn push_subtree(&mut self, level: u8, hash: Hash) -> bool {
        let Some(width) = 1u64.checked_shl(u32::from(level)) else {
            return false;
        };
        let Some(size) = self.size.checked_add(width) else {
            return false;
        };
        if !self.size.is_multiple_of(width) {
            return false;
        }
        let mut hash = hash;
        let mut bit = width;
        while self.size & bit != 0 {
            if let Some(left) = self.edge.pop() {
                hash = node_hash(left, hash);
            }
            bit <<= 1;
        }
        self.edge.push(hash);
        self.size = size;
        true
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.edge)
    }
}

#[cfg(test)]
pub(crate) mod naive {
    //! The tree as RFC 9162 defines it, word for word, with nothing kept.

    use super::*;
    use std::convert::Infallible;

    fn largest_power_below(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    /// MTH (2.1.1), over leaves that are hashed.
    pub(crate) fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(largest_power_below(leaves.len()));
                node_hash(mth(left), mth(right))
            }
        }
    }

    /// PATH (2.1.3.1).
    pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let k = largest_power_below(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut inner, other) = if m < k {
            (path(m, left), mth(right))
        } else {
            (path(m - k, right), mth(left))
        };
        inner.push(other);
        inner
    }

    /// PROOF (2.1.4.1).
    pub(crate) fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        subproof(m, leaves, true)
    }

    fn subproof(m: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if known { Vec::new() } else { vec![mth(leaves)] };
        }
        let k = largest_power_below(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut inner, other) = if m <= k {
            (subproof(m, left, known), mth(right))
        } else {
            (subproof(m - k, right, false), mth(left))
        };
        inner.push(other);
        inner
    }

    /// Hands out the hashes of a list of leaves.
    pub(crate) struct Leaves<'a>(pub(crate) &'a [Hash]);

    impl Nodes for Leaves<'_> {
        type Error = Infallible;
        fn node(&mut self, node: Node) -> Result<Hash, Infallible> {
            let from = (node.index << node.level) as usize;
            Ok(mth(&self.0[from..from + (1 << node.level)]))
        }
    }

    pub(crate) fn leaves(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|n| leaf_hash(&(n as u64).to_be_bytes()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::naive::{leaves, mth};
    use super::*;
    use proptest::prelude::*;

    /// The eight leaves of the test vectors of RFC 6962's own reference
    /// implementation, and the roots of the trees of 1 to 8 of them.
    const VECTORS: [(&str, &str); 8] = [
        (
            "",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            "00",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        ),
        (
            "10",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ),
        (
            "2021",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
        (
            "3031",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        ),
        (
            "40414243",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        ),
        (
            "5051525354555657",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        ),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    #[test]
    fn the_roots_are_those_of_the_reference_test_vectors() {
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), EMPTY_ROOT);
        assert_eq!(EMPTY_ROOT, Hash(Sha256::digest([]).into()));
        for (data, root) in VECTORS {
            frontier.push(leaf_hash(&hex::decode(data).unwrap()));
            assert_eq!(frontier.root().to_string(), root);
        }
    }

    #[test]
    fn an_impossible_subtree_is_not_added() {
        let mut frontier = Frontier::new();
        frontier.push(EMPTY_ROOT);
        let before = frontier.clone();
        assert!(!frontier.push_subtree(1, EMPTY_ROOT));
        assert!(!frontier.push_subtree(64, EMPTY_ROOT));
        assert_eq!(frontier, before);
        let full = Frontier::from_edge(u64::MAX, vec![EMPTY_ROOT; 64]).unwrap();
        assert!(!full.clone().push_subtree(0, EMPTY_ROOT));
        assert_eq!(Frontier::from_edge(3, vec![EMPTY_ROOT]), None);
    }

    #[test]
    fn a_cover_of_the_largest_tree_ends() {
        assert_eq!(cover(0, u64::MAX).len(), 64);
        assert_eq!(cover(5, 5), []);
        assert_eq!(cover(1, u64::MAX).len(), 63 + 63);
    }

    proptest! {
        #[test]
        fn growing_and_reading_give_the_root_of_the_definition(count in 0usize..200, cut in 0usize..200) {
            let leaves = leaves(count);
            let mut frontier = Frontier::new();
            for leaf in &leaves {
                frontier.push(*leaf);
            }
            prop_assert_eq!(frontier.root(), mth(&leaves));
            prop_assert_eq!(frontier.edge().len(), count.count_ones() as usize);
            let mut nodes = naive::Leaves(&leaves);
            prop_assert_eq!(root(&mut nodes, count as u64).unwrap(), mth(&leaves));
            // The same, when the second part comes as whole subtrees.
            let cut = cut.min(count);
            let mut joined = Frontier::new();
            for node in cover(0, cut as u64).into_iter().chain(cover(cut as u64, count as u64)) {
                prop_assert!(joined.push_subtree(node.level, nodes.node(node).unwrap()));
            }
            prop_assert_eq!(joined, frontier);
        }

        #[test]
        fn a_cover_is_gapless_and_complete(from in 0u64..5_000, length in 0u64..5_000) {
            let mut at = from;
            for node in cover(from, from + length) {
                prop_assert_eq!(node.index << node.level, at);
                at += 1 << node.level;
            }
            prop_assert_eq!(at, from + length);
        }
    }
}
