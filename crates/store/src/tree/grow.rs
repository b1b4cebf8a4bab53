//! The tree grows with the ledger.

use super::{SIZE_KEY, TreeError, nodes, size, tile_key};
use crate::error::StoreError;
use crate::side::Space;
use crate::store::{Reader, Transaction};
use iryonet_ledger::merkle::tile::{TileError, TileId, TileTree};
use iryonet_ledger::merkle::{Node, Nodes, leaf_of_entry};
use iryonet_ledger::{Fault, Tip, Verifier};

/// Entries read at once: one may have some megabytes.
pub(super) const ENTRIES_AT_ONCE: usize = 64;

/// What the tree gains by some more entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    from: u64,
    to: u64,
    tiles: Vec<(TileId, Vec<u8>)>,
}

impl Growth {
    /// Entries of the tree afterwards.
    #[must_use]
    pub fn to(&self) -> u64 {
        self.to
    }

    /// Entries that come in.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.to - self.from
    }
}

/// What the next entries, about `limit` at most, add to the tree; nothing when it has
/// them all. Each is verified before it is taken in: what is signed has been
/// looked at.
///
/// # Errors
/// When ledger and tree contradict each other, or the store fails.
pub fn plan(reader: &dyn Reader, limit: u64) -> Result<Option<Growth>, TreeError> {
    let from = size(reader)?;
    let ledger = reader.tip()?.sequence;
    if ledger < from {
        return Err(TreeError::Rollback { ledger, tree: from });
    }
    if ledger == from {
        return Ok(None);
    }
    let mut kept = nodes(reader);
    let mut tree = TileTree::resume(from, &mut kept)?;
    let mut verifier = match from.checked_sub(1) {
        None => Verifier::new(),
        Some(index) => Verifier::after(last_of_tree(reader, &mut kept, index)?),
    };
    let mut tiles = Vec::new();
    while tree.size() - from < limit && tree.size() < ledger {
        let page = reader.entries(tree.size() + 1, ENTRIES_AT_ONCE)?;
        if page.is_empty() {
            // Fewer rows than the last one's number says.
            return Err(Fault::Sequence {
                after: tree.size(),
                found: ledger,
            }
            .into());
        }
        for entry in page {
            verifier.take(&entry)?;
            tree.push(leaf_of_entry(entry.hash), &mut tiles);
        }
    }
    tiles.extend(tree.open_tiles());
    Ok(Some(Growth {
        from,
        to: tree.size(),
        tiles,
    }))
}

/// The last entry that the tree has: it ties the next ones to it.
fn last_of_tree<N: Nodes<Error = TileError<StoreError>>>(
    reader: &dyn Reader,
    kept: &mut N,
    index: u64,
) -> Result<Tip, TreeError> {
    let sequence = index + 1;
    let rewritten = TreeError::Rewritten { sequence };
    let Some(entry) = reader.entries(sequence, 1)?.pop() else {
        return Err(rewritten);
    };
    let hash = entry.computed_hash();
    let leaf = kept.node(Node { level: 0, index })?;
    if entry.sequence != sequence || leaf_of_entry(hash) != leaf {
        return Err(rewritten);
    }
    Ok(Tip {
        hash,
        ..Tip::from(&entry)
    })
}

/// Writes it, if the tree is still as it was. False when somebody else has
/// written meanwhile.
///
/// # Errors
/// When the store fails.
pub fn commit(transaction: &mut dyn Transaction, growth: &Growth) -> Result<bool, StoreError> {
    if size(&*transaction)? != growth.from {
        return Ok(false);
    }
    for (tile, hashes) in &growth.tiles {
        transaction.side_put(Space::Tile, &tile_key(*tile), hashes, None)?;
    }
    transaction.side_put(Space::Checkpoint, SIZE_KEY, &growth.to.to_be_bytes(), None)?;
    Ok(true)
}
