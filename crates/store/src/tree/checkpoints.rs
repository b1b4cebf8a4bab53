//! Signed checkpoints of the tree: the last one, those that a witness has
//! cosigned, and what can be proved with them.

use super::{TreeError, nodes, size};
use crate::error::StoreError;
use crate::side::Space;
use crate::store::{Reader, Transaction};
use iryonet_domain::UnixMillis;
use iryonet_ledger::merkle::proof;
use iryonet_ledger::merkle::root;
use iryonet_ledger::proof_file::EntryProof;
use iryonet_ledger::range::Range;
use iryonet_ledger::witness::Request;
use iryonet_ledger::{Checkpoint, Signed, SigningKey, VerifierKey};

const LATEST_KEY: &[u8] = b"latest";
const LATEST_AT_KEY: &[u8] = b"latest-at";
const COSIGNED_PREFIX: &[u8] = b"cosigned/";
/// Cosigned checkpoints that are kept. One an hour is reached after a year;
/// the oldest go first, and whoever wants them for ever keeps them himself.
pub const COSIGNED_MAX: usize = 10_000;

/// Whose signatures a center believes.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The key that signs now.
    pub log: VerifierKey,
    /// Keys that signed before it, under the same name.
    pub before: Vec<VerifierKey>,
    /// Witnesses.
    pub witnesses: Vec<VerifierKey>,
}

impl Keys {
    fn verify(&self, signed: &Signed) -> Result<(), iryonet_ledger::checkpoint::CheckpointError> {
        let by_former = self.before.iter().any(|key| signed.verify(key).is_ok());
        if by_former {
            return Ok(());
        }
        signed.verify(&self.log)
    }
}

/// The last signed checkpoint, and when it was signed.
///
/// # Errors
/// When the store fails, or holds something else.
pub fn latest(reader: &dyn Reader) -> Result<Option<(Signed, UnixMillis)>, StoreError> {
    let Some(kept) = reader.side_get(Space::Checkpoint, LATEST_KEY)? else {
        return Ok(None);
    };
    let at = reader
        .side_get(Space::Checkpoint, LATEST_AT_KEY)?
        .and_then(|kept| kept.value.try_into().ok())
        .map_or(0, u64::from_be_bytes);
    Ok(Some((read(&kept.value)?, UnixMillis(at))))
}

/// The last signed checkpoint, when one of these keys signed it.
///
/// # Errors
/// When it was another's, or the store fails.
pub fn believed(reader: &dyn Reader, keys: &Keys) -> Result<Option<Signed>, TreeError> {
    let last = latest(reader)?.map(|(signed, _)| signed);
    if let Some(last) = &last {
        keys.verify(last).map_err(TreeError::Checkpoint)?;
    }
    Ok(last)
}

/// The last checkpoint that a witness has cosigned.
///
/// # Errors
/// When the store fails, or holds something else.
pub fn latest_cosigned(reader: &dyn Reader) -> Result<Option<Signed>, StoreError> {
    let mut last = None;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = reader.side_list(
            Space::Checkpoint,
            COSIGNED_PREFIX,
            after.as_deref(),
            COSIGNED_MAX,
        )?;
        let Some((key, kept)) = page.into_iter().last() else {
            return last.as_deref().map(read).transpose();
        };
        after = Some(key);
        last = Some(kept.value);
    }
}

/// What all kept checkpoints say.
pub(super) fn every(reader: &dyn Reader) -> Result<Vec<Checkpoint>, StoreError> {
    let mut all: Vec<Checkpoint> = latest(reader)?
        .into_iter()
        .map(|(signed, _)| signed.checkpoint().clone())
        .collect();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = reader.side_list(
            Space::Checkpoint,
            COSIGNED_PREFIX,
            after.as_deref(),
            COSIGNED_MAX,
        )?;
        let Some((last, _)) = page.last() else {
            return Ok(all);
        };
        after = Some(last.clone());
        for (_, kept) in &page {
            all.push(read(&kept.value)?.checkpoint().clone());
        }
    }
}

/// A checkpoint over all that the tree has, if there is anything new since the
/// last one. That one is compared with the tree before the new one is signed:
/// nothing is signed that does not add to what was signed before.
///
/// # Errors
/// When tree and last checkpoint contradict each other, it is not believed, or
/// the store fails.
pub fn plan(
    reader: &dyn Reader,
    key: &SigningKey,
    keys: &Keys,
) -> Result<Option<Signed>, TreeError> {
    let size = size(reader)?;
    let last = believed(reader, keys)?;
    if let Some(last) = &last {
        agrees(reader, last.checkpoint())?;
    }
    // An empty tree is nothing new.
    if size == last.map_or(0, |last| last.checkpoint().size) {
        return Ok(None);
    }
    let root = root(&mut nodes(reader), size)?;
    Signed::new(key, size, root)
        .map(Some)
        .map_err(TreeError::Checkpoint)
}

/// Is this checkpoint one of the tree's past?
///
/// # Errors
/// When it is not, or the store fails.
pub fn agrees(reader: &dyn Reader, checkpoint: &Checkpoint) -> Result<(), TreeError> {
    let tree = size(reader)?;
    if checkpoint.size > tree {
        return Err(TreeError::Rollback {
            ledger: tree,
            tree: checkpoint.size,
        });
    }
    let computed = root(&mut nodes(reader), checkpoint.size)?;
    if computed == checkpoint.root {
        Ok(())
    } else {
        Err(TreeError::Signed {
            size: checkpoint.size,
            signed: checkpoint.root,
            computed,
        })
    }
}

/// Keeps it as the last one, if no center has signed as large a one meanwhile:
/// of each size there is one and no other.
///
/// # Errors
/// When a center with another key has signed one meanwhile, or the store fails.
/// Then nothing is written.
pub fn commit(
    transaction: &mut dyn Transaction,
    signed: &Signed,
    keys: &Keys,
    now: UnixMillis,
) -> Result<bool, TreeError> {
    let newer = believed(&*transaction, keys)?
        .is_none_or(|last| last.checkpoint().size < signed.checkpoint().size);
    if newer {
        transaction.side_put(
            Space::Checkpoint,
            LATEST_KEY,
            signed.to_string().as_bytes(),
            None,
        )?;
        transaction.side_put(Space::Checkpoint, LATEST_AT_KEY, &now.0.to_be_bytes(), None)?;
    }
    Ok(newer)
}

/// Adds the cosignatures that a checkpoint bears to the kept one. Answers what
/// is kept now: the ledger's signature, and each known witness's last one.
///
/// # Errors
/// When it is not this ledger's, no known witness has signed it, it is not of
/// this tree's past, or the store fails.
pub fn attach(
    transaction: &mut dyn Transaction,
    handed_in: &Signed,
    keys: &Keys,
) -> Result<Signed, TreeError> {
    keys.verify(handed_in).map_err(TreeError::HandedIn)?;
    let tree = size(&*transaction)?;
    let checkpoint = handed_in.checkpoint();
    if checkpoint.size > tree {
        return Err(TreeError::Beyond {
            asked: checkpoint.size,
            size: tree,
        });
    }
    agrees(&*transaction, checkpoint)?;
    let key = cosigned_key(checkpoint.size);
    let kept = match transaction.side_get(Space::Checkpoint, &key)? {
        Some(kept) => Some(read(&kept.value)?),
        None => None,
    };
    let mut merged = handed_in.clone().only_of(|name, id| {
        std::iter::once(&keys.log)
            .chain(&keys.before)
            .any(|key| (key.name(), key.id()) == (name, id))
    });
    let mut known = false;
    for witness in &keys.witnesses {
        let mut best: Option<(u64, &Signed)> = None;
        for source in [Some(handed_in), kept.as_ref()].into_iter().flatten() {
            if source.note().by(witness).next().is_none() {
                continue;
            }
            let at_s = source.cosigned(witness).map_err(TreeError::HandedIn)?.at_s;
            if best.is_none_or(|(best, _)| at_s > best) {
                best = Some((at_s, source));
            }
        }
        if let Some((at_s, source)) = best {
            known = true;
            for line in source.cosignatures_of(witness, at_s) {
                merged.add(line).map_err(TreeError::HandedIn)?;
            }
        }
    }
    if !known {
        let names: Vec<&str> = keys
            .witnesses
            .iter()
            .map(|key| key.name().as_str())
            .collect();
        return Err(TreeError::NoWitness {
            known: if names.is_empty() {
                "none (`witnesses` in its settings is empty)".to_owned()
            } else {
                names.join(", ")
            },
        });
    }
    let text = merged.to_string();
    transaction.side_put(Space::Checkpoint, &key, text.as_bytes(), None)?;
    if let Some((last, _)) = latest(&*transaction)?
        && last.checkpoint() == checkpoint
    {
        transaction.side_put(Space::Checkpoint, LATEST_KEY, text.as_bytes(), None)?;
    }
    forget_oldest(transaction)?;
    Ok(merged)
}

fn forget_oldest(transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    loop {
        let after = keys.last().cloned();
        let page = transaction.side_list(
            Space::Checkpoint,
            COSIGNED_PREFIX,
            after.as_deref(),
            COSIGNED_MAX + 1,
        )?;
        if page.is_empty() {
            break;
        }
        keys.extend(page.into_iter().map(|(key, _)| key));
    }
    let surplus = keys.len().saturating_sub(COSIGNED_MAX);
    for key in keys.iter().take(surplus) {
        transaction.side_delete(Space::Checkpoint, key)?;
    }
    Ok(())
}

/// One entry, proved by the last checkpoint, or by the last cosigned one.
///
/// # Errors
/// When it is not covered, there is no checkpoint, or the store fails.
pub fn prove(reader: &dyn Reader, sequence: u64, cosigned: bool) -> Result<EntryProof, TreeError> {
    let checkpoint = signed(reader, cosigned)?;
    let size = checkpoint.checkpoint().size;
    let beyond = TreeError::Beyond {
        asked: sequence,
        size,
    };
    let Some(index) = sequence.checked_sub(1).filter(|index| *index < size) else {
        return Err(beyond);
    };
    let entry = reader
        .entries(sequence, 1)?
        .pop()
        .filter(|entry| entry.sequence == sequence)
        .ok_or(TreeError::Rewritten { sequence })?;
    let path = proof::inclusion(&mut nodes(reader), index, size)??;
    Ok(EntryProof {
        entry,
        path,
        checkpoint,
    })
}

/// The last checkpoint, as a witness who has cosigned `old` entries is asked to
/// cosign it.
///
/// # Errors
/// When it is shorter than that, there is no checkpoint, or the store fails.
pub fn request(reader: &dyn Reader, old: u64) -> Result<Request, TreeError> {
    let checkpoint = signed(reader, false)?;
    let size = checkpoint.checkpoint().size;
    Ok(Request {
        old,
        proof: proof::consistency(&mut nodes(reader), old, size)??,
        checkpoint,
    })
}

/// What stands beside a part of the ledger, up to the last checkpoint.
///
/// # Errors
/// When the part is none, not covered, there is no checkpoint, or the store
/// fails.
pub fn range(
    reader: &dyn Reader,
    first: u64,
    last: u64,
    cosigned: bool,
) -> Result<(Range, Signed), TreeError> {
    let checkpoint = signed(reader, cosigned)?;
    let size = checkpoint.checkpoint().size;
    let from = first
        .checked_sub(1)
        .ok_or(TreeError::Beyond { asked: first, size })?;
    if last > size || from >= last {
        return Err(TreeError::Beyond { asked: last, size });
    }
    let range = Range {
        first,
        last,
        proof: proof::range(&mut nodes(reader), from, last, size)??,
    };
    Ok((range, checkpoint))
}

/// The last checkpoint, or the last cosigned one.
///
/// # Errors
/// When there is none, or the store fails.
pub fn signed(reader: &dyn Reader, cosigned: bool) -> Result<Signed, TreeError> {
    let found = if cosigned {
        latest_cosigned(reader)?
    } else {
        latest(reader)?.map(|(signed, _)| signed)
    };
    found.ok_or(TreeError::NoCheckpoint)
}

fn cosigned_key(size: u64) -> Vec<u8> {
    let mut key = COSIGNED_PREFIX.to_vec();
    key.extend(size.to_be_bytes());
    key
}

fn read(bytes: &[u8]) -> Result<Signed, StoreError> {
    Signed::parse(bytes).map_err(|error| StoreError::Damaged {
        home: "the side store".to_owned(),
        what: format!("a kept checkpoint is none: {error}"),
    })
}
