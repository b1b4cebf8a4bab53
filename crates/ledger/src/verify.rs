//! Offline verification: does every entry follow from the one before?

use crate::entry::{Entry, Hash, Tip};
use iryonet_domain::UnixMillis;

/// The first entry that does not follow, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another number than the one after the entry before: one is missing,
    /// inserted, or out of its place.
    #[error(
        "after entry {after} stands entry {found}; entry {} belongs there: one is missing, inserted or out of its place",
        .after + 1
    )]
    Sequence {
        /// The last good entry.
        after: u64,
        /// What follows it.
        found: u64,
    },
    /// It does not name the entry before.
    #[error("entry {sequence} names {names} as the entry before, but that one is {wanted}")]
    Previous {
        /// The bad entry.
        sequence: u64,
        /// What it names.
        names: Hash,
        /// What stands there.
        wanted: Hash,
    },
    /// A field was changed after it was written.
    #[error("entry {sequence} was changed: it says its hash is {says}, its fields give {computed}")]
    Changed {
        /// The bad entry.
        sequence: u64,
        /// What it says.
        says: Hash,
        /// What its fields give.
        computed: Hash,
    },
    /// Its time is before that of the entry before.
    #[error("entry {sequence} is of an earlier time than the entry before it")]
    Time {
        /// The bad entry.
        sequence: u64,
    },
    /// The ledger ends elsewhere than it should.
    #[error(
        "the ledger ends with entry {found} ({found_hash}); it should end with entry {wanted} ({wanted_hash})"
    )]
    End {
        /// The last entry.
        found: u64,
        /// Its hash.
        found_hash: Hash,
        /// What was expected.
        wanted: u64,
        /// Its hash.
        wanted_hash: Hash,
    },
}

impl Fault {
    /// The first bad sequence.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Sequence { after, .. } => after.saturating_add(1),
            Self::Previous { sequence, .. }
            | Self::Changed { sequence, .. }
            | Self::Time { sequence } => *sequence,
            Self::End { found, wanted, .. } => (*found).min(*wanted).saturating_add(1),
        }
    }
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The last entry: how many there are, and the one hash that stands for all.
    pub tip: Tip,
    /// Entries whose command was accepted.
    pub accepted: u64,
    /// Entries whose command was refused.
    pub refused: u64,
    /// Time of the first entry.
    pub first_at: Option<UnixMillis>,
}

/// Takes entries one by one, in order.
#[derive(Debug, Clone)]
pub struct Verifier {
    summary: Summary,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// Before the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            summary: Summary {
                tip: Tip::EMPTY,
                accepted: 0,
                refused: 0,
                first_at: None,
            },
        }
    }

    /// Behind an entry that is known from elsewhere.
    #[must_use]
    pub fn after(tip: Tip) -> Self {
        let mut verifier = Self::new();
        verifier.summary.tip = tip;
        verifier
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When it does not follow; the verifier stays where it was.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Fault> {
        let tip = self.summary.tip;
        let sequence = entry.sequence;
        if Some(sequence) != tip.sequence.checked_add(1) {
            return Err(Fault::Sequence {
                after: tip.sequence,
                found: sequence,
            });
        }
        // Its own fields first: a forged pointer to the entry before is a
        // change of this entry, not of that one.
        let computed = entry.computed_hash();
        if computed != entry.hash {
            return Err(Fault::Changed {
                sequence,
                says: entry.hash,
                computed,
            });
        }
        if entry.previous != tip.hash {
            return Err(Fault::Previous {
                sequence,
                names: entry.previous,
                wanted: tip.hash,
            });
        }
        if entry.at < tip.at {
            return Err(Fault::Time { sequence });
        }
        match entry.outcome {
            crate::Outcome::Accepted { .. } => self.summary.accepted += 1,
            crate::Outcome::Refused { .. } => self.summary.refused += 1,
        }
        self.summary.first_at.get_or_insert(entry.at);
        self.summary.tip = Tip::from(entry);
        Ok(())
    }

    /// So far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The end: is it the one that was expected? A chain alone cannot tell
    /// that its last entries are missing; a tip kept elsewhere can.
    ///
    /// # Errors
    /// When it is another.
    pub fn finish(self, expected: Option<Tip>) -> Result<Summary, Fault> {
        let tip = self.summary.tip;
        if let Some(wanted) = expected
            && (wanted.sequence, wanted.hash) != (tip.sequence, tip.hash)
        {
            return Err(Fault::End {
                found: tip.sequence,
                found_hash: tip.hash,
                wanted: wanted.sequence,
                wanted_hash: wanted.hash,
            });
        }
        Ok(self.summary)
    }
}

/// Verifies a whole ledger from entry 1.
///
/// # Errors
/// The first entry that does not follow.
pub fn verify<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Summary, Fault> {
    let mut verifier = Verifier::new();
    for entry in entries {
        verifier.take(entry)?;
    }
    verifier.finish(None)
}
