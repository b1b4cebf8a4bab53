//! Do ledger, tree and checkpoints say the same? Everything is read once, a
//! page at a time, each on a moment of its own, so that nobody waits for it.

use super::grow::ENTRIES_AT_ONCE;
use super::{TreeError, checkpoints, nodes, size, tile};
use crate::store::Reader;
use iryonet_ledger::merkle::leaf_of_entry;
use iryonet_ledger::merkle::tile::{TileId, TileTree};
use iryonet_ledger::{Checkpoint, Verifier};

/// An audit under way.
#[derive(Debug, Clone)]
pub struct Audit {
    verifier: Verifier,
    tree: TileTree,
    size: u64,
    /// Kept checkpoints that are still to come, the smallest last.
    signed: Vec<Checkpoint>,
}

impl Audit {
    /// Of what is kept now. What comes in later is looked at when it is taken
    /// into the tree.
    ///
    /// # Errors
    /// When the ledger is shorter than its tree, a checkpoint covers more than
    /// the tree has, or the store fails.
    pub fn begin(reader: &dyn Reader) -> Result<Self, TreeError> {
        let size = size(reader)?;
        let ledger = reader.tip()?.sequence;
        if ledger < size {
            return Err(TreeError::Rollback { ledger, tree: size });
        }
        let mut signed = checkpoints::every(reader)?;
        signed.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.size));
        if let Some(largest) = signed.first().filter(|largest| largest.size > size) {
            return Err(TreeError::Rollback {
                ledger: size,
                tree: largest.size,
            });
        }
        let mut audit = Self {
            verifier: Verifier::new(),
            tree: TileTree::new(),
            size,
            signed,
        };
        audit.compare_signed()?;
        Ok(audit)
    }

    /// Looks at the next page. True when all has been looked at.
    ///
    /// # Errors
    /// The first contradiction, or the store's failure.
    pub fn step(&mut self, reader: &dyn Reader) -> Result<bool, TreeError> {
        let at = self.tree.size();
        if at >= self.size {
            self.compare_open(reader)?;
            return Ok(true);
        }
        let page = reader.entries(at + 1, ENTRIES_AT_ONCE)?;
        if page.is_empty() {
            return Err(TreeError::Rollback {
                ledger: at,
                tree: self.size,
            });
        }
        for entry in page {
            if self.tree.size() == self.size {
                break;
            }
            self.verifier.take(&entry)?;
            let mut full = Vec::new();
            self.tree.push(leaf_of_entry(entry.hash), &mut full);
            for (id, hashes) in full {
                compare(reader, id, &hashes)?;
            }
            self.compare_signed()?;
        }
        Ok(false)
    }

    /// Entries looked at so far.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.tree.size()
    }

    fn compare_signed(&mut self) -> Result<(), TreeError> {
        while let Some(next) = self.signed.last()
            && next.size == self.tree.size()
        {
            let computed = self.tree.root();
            if next.root != computed {
                return Err(TreeError::Signed {
                    size: next.size,
                    signed: next.root,
                    computed,
                });
            }
            self.signed.pop();
        }
        Ok(())
    }

    /// The tiles that are not full. They may have grown since.
    fn compare_open(&self, reader: &dyn Reader) -> Result<(), TreeError> {
        let kept = TileTree::resume(self.size, &mut nodes(reader))?;
        for ((id, ours), (_, theirs)) in self.tree.open_tiles().into_iter().zip(kept.open_tiles()) {
            if ours != theirs {
                return Err(differs(id, &ours, &theirs));
            }
        }
        Ok(())
    }
}

fn compare(reader: &dyn Reader, id: TileId, ours: &[u8]) -> Result<(), TreeError> {
    let theirs = tile(reader, id)?.unwrap_or_default();
    if theirs == ours {
        Ok(())
    } else {
        Err(differs(id, ours, &theirs))
    }
}

/// At the level of the leaves, the entry can be named.
fn differs(id: TileId, ours: &[u8], theirs: &[u8]) -> TreeError {
    let place = ours
        .chunks(32)
        .zip(theirs.chunks(32))
        .position(|(ours, theirs)| ours != theirs);
    match place {
        Some(place) if id.level == 0 => TreeError::Rewritten {
            sequence: id.index * 256 + place as u64 + 1,
        },
        _ => TreeError::Tile {
            level: id.level,
            index: id.index,
        },
    }
}
