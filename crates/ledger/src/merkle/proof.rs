//! Proofs: that an entry stands in a tree, that a tree only adds to an earlier
//! one, that a run of entries stands in a tree (RFC 9162, sections 2.1.3 and
//! 2.1.4; the last is the same idea over a run of leaves).
//!
//! Whoever verifies holds roots that he believes; nothing in a proof is.

use super::{Frontier, Node, Nodes, cover, node_hash, range_root};
use crate::entry::Hash;

/// Most hashes of one inclusion or consistency proof: no tree of fewer than
/// 2^63 leaves needs more.
pub const PROOF_HASHES_MAX: usize = 64;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A leaf beyond the end.
    #[error("there is no entry {} in a tree of {size} entries", .index.saturating_add(1))]
    NoSuchLeaf {
        /// From 0.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {new} entries cannot add to one of {old}: it is shorter")]
    Shorter {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// Too many hashes, or too few.
    #[error("the proof has {found} hashes, and another number is needed for trees of these sizes")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// The hashes lead elsewhere.
    #[error("the proof leads to the root {computed}, not to {wanted}")]
    Root {
        /// Where it leads.
        computed: Hash,
        /// Where it should.
        wanted: Hash,
    },
}

/// The way from leaf `index` to the root of a tree of `size` leaves, nearest
/// sibling first (RFC 9162, 2.1.3.1).
///
/// # Errors
/// The leaf is not in the tree (inner), or a hash cannot be had (outer).
pub fn inclusion<N: Nodes + ?Sized>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<Result<Vec<Hash>, ProofError>, N::Error> {
    if index >= size {
        return Ok(Err(ProofError::NoSuchLeaf { index, size }));
    }
    let mut path = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + split(to - from);
        let sibling = if index < middle {
            let sibling = range_root(nodes, middle, to)?;
            to = middle;
            sibling
        } else {
            let sibling = range_root(nodes, from, middle)?;
            from = middle;
            sibling
        };
        path.push(sibling);
    }
    path.reverse();
    Ok(Ok(path))
}

/// Does this leaf stand at `index` of the tree with this root (RFC 9162,
/// 2.1.3.2)?
///
/// # Errors
/// When it does not, or the proof is none.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    root: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let length = ProofError::Length { found: path.len() };
    let (mut at, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(*sibling, hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, *sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    equal(hash, root)
}

/// That the tree of `new` leaves begins with that of `old` leaves (RFC 9162,
/// 2.1.4.1). Empty when the sizes are equal, and for the tree without leaves,
/// with which every tree begins.
///
/// # Errors
/// The older tree is larger (inner), or a hash cannot be had (outer).
pub fn consistency<N: Nodes + ?Sized>(
    nodes: &mut N,
    old: u64,
    new: u64,
) -> Result<Result<Vec<Hash>, ProofError>, N::Error> {
    if old > new {
        return Ok(Err(ProofError::Shorter { old, new }));
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(Ok(proof));
    }
    let (mut from, mut to) = (0, new);
    // The subtree `0..old` is known to the verifier, and not sent.
    let mut known = true;
    while old < to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range_root(nodes, from, middle)?);
            from = middle;
            known = false;
        }
    }
    if !known {
        proof.push(range_root(nodes, from, to)?);
    }
    proof.reverse();
    Ok(Ok(proof))
}

/// Does the tree with the root `new_root` begin with the one with `old_root`
/// (RFC 9162, 2.1.4.2)?
///
/// # Errors
/// When it does not, or the proof is none.
pub fn verify_consistency(
    old: u64,
    old_root: Hash,
    new: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let length = ProofError::Length { found: proof.len() };
    if old > new {
        return Err(ProofError::Shorter { old, new });
    }
    if old == new || old == 0 {
        if !proof.is_empty() {
            return Err(length);
        }
        let wanted = if old == 0 {
            super::EMPTY_ROOT
        } else {
            new_root
        };
        return equal(old_root, wanted);
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    // Where `old` is a power of two, its root is itself the first hash.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(length)?;
        (*first, rest)
    };
    let (mut of_old, mut of_new) = (first, first);
    for hash in rest {
        if last == 0 {
            return Err(length);
        }
        if at & 1 == 1 || at == last {
            of_old = node_hash(*hash, of_old);
            of_new = node_hash(*hash, of_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node_hash(of_new, *hash);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    equal(of_old, old_root)?;
    equal(of_new, new_root)
}

/// What stands to the left and to the right of a run of entries: with them, and
/// the run, comes the root. The hashes are those of the subtrees that
/// [`cover`] lists for `0..from` and for `to..size`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeProof {
    /// Subtrees before the run.
    pub left: Vec<Hash>,
    /// Subtrees behind it.
    pub right: Vec<Hash>,
}

/// What proves that the leaves `from..to` stand in the tree of `size` leaves.
///
/// # Errors
/// The run does not lie in the tree (inner), or a hash cannot be had (outer).
pub fn range<N: Nodes + ?Sized>(
    nodes: &mut N,
    from: u64,
    to: u64,
    size: u64,
) -> Result<Result<RangeProof, ProofError>, N::Error> {
    if from > to || to > size {
        return Ok(Err(ProofError::NoSuchLeaf {
            index: to.max(1) - 1,
            size,
        }));
    }
    let mut hashes = |from, to| {
        cover(from, to)
            .into_iter()
            .map(|node| nodes.node(node))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(Ok(RangeProof {
        left: hashes(0, from)?,
        right: hashes(to, size)?,
    }))
}

impl RangeProof {
    /// The right edge before the first leaf of the run, `from`.
    ///
    /// # Errors
    /// When there are more or fewer hashes than such a tree has subtrees.
    pub fn begin(&self, from: u64) -> Result<Frontier, ProofError> {
        Frontier::from_edge(from, self.left.clone()).ok_or(ProofError::Length {
            found: self.left.len(),
        })
    }

    /// The root of the tree of `size` leaves whose first ones are in `frontier`.
    ///
    /// # Errors
    /// When there are more or fewer hashes than are missing.
    pub fn finish(&self, frontier: &Frontier, size: u64) -> Result<Hash, ProofError> {
        let nodes = cover(frontier.size(), size);
        if nodes.len() != self.right.len() || frontier.size() > size {
            return Err(ProofError::Length {
                found: self.right.len(),
            });
        }
        let mut whole = frontier.clone();
        for (Node { level, .. }, hash) in nodes.iter().zip(&self.right) {
            // Each subtree of a cover can stand where the one before ends.
            whole.push_subtree(*level, *hash);
        }
        Ok(whole.root())
    }
}

/// The largest power of two below `width`, which is 2 at least.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

fn equal(computed: Hash, wanted: Hash) -> Result<(), ProofError> {
    // Roots are public: nothing is learnt from the time of a comparison.
    if computed == wanted {
        Ok(())
    } else {
        Err(ProofError::Root { computed, wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::super::naive::{self, Leaves, leaves, mth};
    use super::*;
    use proptest::prelude::*;

    fn flip(hash: &mut Hash, bit: usize) {
        hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
    }

    #[test]
    fn every_entry_of_every_tree_up_to_300_is_proved_as_the_rfc_defines_it() {
        let all = leaves(300);
        // Hashes of whole subtrees, kept: the definition itself is too slow here.
        let mut kept = super::super::tile::tests::kept(&all);
        let mut before = super::super::EMPTY_ROOT;
        for size in 1..=300u64 {
            let root = mth(&all[..size as usize]);
            for index in 0..size {
                let path = inclusion(&mut kept, index, size).unwrap().unwrap();
                let leaf = all[index as usize];
                verify_inclusion(leaf, index, size, root, &path).unwrap();
                if size % 23 == 0 {
                    assert_eq!(path, naive::path(index as usize, &all[..size as usize]));
                }
                // It proves no other place, and no other tree.
                assert!(verify_inclusion(leaf, index ^ 1, size, root, &path).is_err());
                assert!(verify_inclusion(leaf, index, size, before, &path).is_err());
            }
            before = root;
        }
    }

    #[test]
    fn every_tree_up_to_130_is_proved_to_begin_with_every_earlier_one() {
        let all = leaves(130);
        for new in 1..=130usize {
            let new_root = mth(&all[..new]);
            for old in 1..=new {
                let old_root = mth(&all[..old]);
                let proof = consistency(&mut Leaves(&all), old as u64, new as u64)
                    .unwrap()
                    .unwrap();
                assert_eq!(proof, naive::proof(old, &all[..new]));
                verify_consistency(old as u64, old_root, new as u64, new_root, &proof).unwrap();
            }
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_and_do_not_panic() {
        let hash = super::super::EMPTY_ROOT;
        for size in [0, 1, u64::MAX] {
            assert!(verify_inclusion(hash, size, size, hash, &[]).is_err());
        }
        assert!(verify_inclusion(hash, u64::MAX - 1, u64::MAX, hash, &[hash; 64]).is_err());
        assert!(verify_consistency(2, hash, 1, hash, &[]).is_err());
        assert!(verify_consistency(1 << 63, hash, u64::MAX, hash, &[hash; 64]).is_err());
        // Every tree begins with the empty one, and only with the true empty one.
        verify_consistency(0, hash, 7, hash, &[]).unwrap();
        assert!(verify_consistency(0, Hash::ZERO, 7, hash, &[]).is_err());
        assert!(verify_consistency(7, hash, 7, Hash::ZERO, &[]).is_err());
        let proof = RangeProof::default();
        assert!(proof.begin(1).is_err());
        assert!(proof.finish(&Frontier::new(), u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn a_proof_of_inclusion_with_one_change_proves_nothing(size in 1usize..80, at: prop::sample::Index, place: prop::sample::Index, bit in 0usize..256, how in 0u8..5) {
            let all = leaves(size);
            let index = at.index(size) as u64;
            let mut path = inclusion(&mut Leaves(&all), index, size as u64).unwrap().unwrap();
            let (mut leaf, mut root) = (all[index as usize], mth(&all));
            match how {
                0 if !path.is_empty() => { let n = place.index(path.len()); flip(&mut path[n], bit); }
                1 if !path.is_empty() => { path.remove(place.index(path.len())); }
                2 => path.insert(place.index(path.len() + 1), Hash([bit as u8; 32])),
                3 => flip(&mut root, bit),
                _ => flip(&mut leaf, bit),
            }
            prop_assert!(verify_inclusion(leaf, index, size as u64, root, &path).is_err());
        }

        #[test]
        fn a_proof_of_consistency_with_one_change_proves_nothing(new in 2usize..80, old: prop::sample::Index, place: prop::sample::Index, bit in 0usize..256, how in 0u8..5) {
            let all = leaves(new);
            let old = old.index(new - 1) + 1;
            let mut proof = consistency(&mut Leaves(&all), old as u64, new as u64).unwrap().unwrap();
            let (mut old_root, mut new_root) = (mth(&all[..old]), mth(&all));
            match how {
                0 if !proof.is_empty() => { let n = place.index(proof.len()); flip(&mut proof[n], bit); }
                1 if !proof.is_empty() => { proof.remove(place.index(proof.len())); }
                2 => proof.insert(place.index(proof.len() + 1), Hash([bit as u8; 32])),
                3 => flip(&mut old_root, bit),
                _ => flip(&mut new_root, bit),
            }
            prop_assert!(verify_consistency(old as u64, old_root, new as u64, new_root, &proof).is_err());
        }

        #[test]
        fn a_run_of_entries_proves_itself_and_no_changed_run_does(size in 1usize..150, ends: [prop::sample::Index; 2], changed: prop::sample::Index) {
            let all = leaves(size);
            let (a, b) = (ends[0].index(size + 1), ends[1].index(size + 1));
            let (from, to) = (a.min(b), a.max(b));
            let proof = range(&mut Leaves(&all), from as u64, to as u64, size as u64).unwrap().unwrap();
            let root_with = |run: &[Hash]| {
                let mut frontier = proof.begin(from as u64).unwrap();
                for leaf in run {
                    frontier.push(*leaf);
                }
                proof.finish(&frontier, size as u64)
            };
            prop_assert_eq!(root_with(&all[from..to]).unwrap(), mth(&all));
            if from < to {
                let mut run = all[from..to].to_vec();
                let at = changed.index(run.len());
                flip(&mut run[at], 3);
                prop_assert_ne!(root_with(&run).unwrap(), mth(&all));
                // One more or one fewer: another root, or hashes that do not fit.
                prop_assert_ne!(root_with(&all[from..to - 1]), Ok(mth(&all)));
            }
        }
    }
}
