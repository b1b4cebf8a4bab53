//! The ledger's Merkle tree and its signed checkpoints, kept in the side store
//! as tiles and notes. Everything here can be made again from the ledger but
//! the signatures.
//!
//! Reading, hashing and signing happen on a reader's moment; what is written
//! afterwards is small, and only if nobody has written it meanwhile. So acts
//! never wait for the tree, and several centers on one database may all do this
//! work: they compute the same tiles and the same signatures, and the second
//! one finds that it is done.
//!
//! This must not know when a checkpoint is due, nor where keys are kept.

pub mod audit;
pub mod checkpoints;
pub mod grow;

use crate::error::StoreError;
use crate::side::Space;
use crate::store::{Reader, Store, Transaction, change, look};
use iryonet_ledger::Hash;
use iryonet_ledger::checkpoint::CheckpointError;
use iryonet_ledger::merkle::proof::ProofError;
use iryonet_ledger::merkle::tile::{TileError, TileId, TileNodes};

const SIZE_KEY: &[u8] = b"tree";

/// Why the tree, or a checkpoint of it, could not be made or asked.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tile is missing or too short.
    #[error(transparent)]
    Tiles(TileError<StoreError>),
    /// The ledger does not follow from itself.
    #[error("the ledger is damaged: {0}")]
    Ledger(#[from] iryonet_ledger::Fault),
    /// The ledger has become shorter than the tree.
    #[error(
        "the ledger has {ledger} entries and its tree {tree}: entries were taken back, as by restoring an old copy of the database"
    )]
    Rollback {
        /// Entries of the ledger.
        ledger: u64,
        /// Leaves of the tree.
        tree: u64,
    },
    /// The ledger says something else than the tree.
    #[error(
        "entry {sequence} is not the one that the tree was built over: the ledger or the tree was rewritten"
    )]
    Rewritten {
        /// The first entry that is known to differ.
        sequence: u64,
    },
    /// A tile does not hold what the ledger gives.
    #[error(
        "tile {level}/{index} of the tree does not hold what the ledger's entries give: the ledger or the tree was rewritten"
    )]
    Tile {
        /// Its level.
        level: u8,
        /// Its number.
        index: u64,
    },
    /// A checkpoint says something else than the tree.
    #[error(
        "the checkpoint over {size} entries was signed with the root {signed}, and the tree gives {computed}: the ledger was rewritten after it was signed"
    )]
    Signed {
        /// Entries of the checkpoint.
        size: u64,
        /// Its root.
        signed: Hash,
        /// The root now.
        computed: Hash,
    },
    /// A kept checkpoint is none, or was signed by somebody else.
    #[error(
        "the kept checkpoint cannot be believed; centers on one database sign with one and the same key, and one that was replaced is named in `checkpoint_keys_before`"
    )]
    Checkpoint(#[source] CheckpointError),
    /// A checkpoint that is handed in.
    #[error(transparent)]
    HandedIn(CheckpointError),
    /// A checkpoint that nobody who counts has cosigned.
    #[error("the checkpoint bears no cosignature of a witness whom this center knows: {known}")]
    NoWitness {
        /// The names of those it knows.
        known: String,
    },
    /// There is no checkpoint yet.
    #[error("no checkpoint is signed yet")]
    NoCheckpoint,
    /// Not covered by the last checkpoint.
    #[error("the last checkpoint covers {size} entries; {asked} is beyond it: wait for the next")]
    Beyond {
        /// What was asked for.
        asked: u64,
        /// What there is.
        size: u64,
    },
    /// A question that no tree can answer.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TreeError {
    /// Do ledger, tree and checkpoints contradict each other? Then nothing may
    /// be signed until a person has looked. All else passes or is a question
    /// that was wrong.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        matches!(
            self,
            Self::Ledger(_)
                | Self::Rollback { .. }
                | Self::Rewritten { .. }
                | Self::Tile { .. }
                | Self::Signed { .. }
                | Self::Checkpoint(_)
                | Self::Tiles(TileError::Short { .. })
        )
    }
}

impl From<TileError<StoreError>> for TreeError {
    fn from(error: TileError<StoreError>) -> Self {
        match error {
            TileError::Source(error) => Self::Store(error),
            short @ TileError::Short { .. } => Self::Tiles(short),
        }
    }
}

/// Asks about the tree.
///
/// # Errors
/// When the store fails, or the question has no answer.
pub fn ask<S: Store + ?Sized, T>(
    store: &S,
    mut question: impl FnMut(&dyn Reader) -> Result<T, TreeError>,
) -> Result<T, TreeError> {
    look(store, |reader| passing(question(reader)))?
}

/// Changes something of it, in a transaction of its own.
///
/// # Errors
/// When the store fails or `act` does; then nothing has been written.
pub fn act<S: Store + ?Sized, T>(
    store: &S,
    mut act: impl FnMut(&mut dyn Transaction) -> Result<T, TreeError>,
) -> Result<T, TreeError> {
    change(store, |transaction| passing(act(transaction)))?
}

/// What the store said goes back to the store, which may try again.
///
/// # Errors
/// When it is the store's.
pub fn passing<T>(answer: Result<T, TreeError>) -> Result<Result<T, TreeError>, StoreError> {
    match answer {
        Err(TreeError::Store(error)) => Err(error),
        other => Ok(other),
    }
}

/// One step of growth, `limit` entries or so. Tells how many came in; fewer
/// than there were to take is no fault, where another center was quicker.
///
/// # Errors
/// When ledger and tree contradict each other, or the store fails.
pub fn grow<S: Store + ?Sized>(store: &S, limit: u64) -> Result<u64, TreeError> {
    let Some(growth) = ask(store, |reader| grow::plan(reader, limit))? else {
        return Ok(0);
    };
    change(store, |transaction| grow::commit(transaction, &growth))?;
    Ok(growth.entries())
}

/// How many entries the kept tree stands for.
///
/// # Errors
/// When the store fails, or what it holds is no number.
pub fn size(reader: &dyn Reader) -> Result<u64, StoreError> {
    let Some(kept) = reader.side_get(Space::Checkpoint, SIZE_KEY)? else {
        return Ok(0);
    };
    let bytes = kept.value.try_into().map_err(|_| StoreError::Damaged {
        home: "the side store".to_owned(),
        what: "the size of the ledger's tree is not eight bytes".to_owned(),
    })?;
    Ok(u64::from_be_bytes(bytes))
}

/// The kept tile, as long as it is by now.
///
/// # Errors
/// When the store fails.
pub fn tile(reader: &dyn Reader, tile: TileId) -> Result<Option<Vec<u8>>, StoreError> {
    let kept = reader.side_get(Space::Tile, &tile_key(tile))?;
    Ok(kept.map(|kept| kept.value))
}

/// The hashes of the kept tree.
pub fn nodes(
    reader: &dyn Reader,
) -> TileNodes<impl FnMut(TileId) -> Result<Option<Vec<u8>>, StoreError>> {
    TileNodes::new(move |id| tile(reader, id))
}

fn tile_key(tile: TileId) -> Vec<u8> {
    let mut key = vec![tile.level];
    key.extend(tile.index.to_be_bytes());
    key
}
