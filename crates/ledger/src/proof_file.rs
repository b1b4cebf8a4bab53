//! One entry, proved: the entry, its way to the root, and the checkpoint that
//! was signed over it, in one file (C2SP tlog-proof). Whoever has the ledger's
//! public key needs nothing else, neither the ledger nor the network.
//!
//! The entry travels in the format's `extra` line, as its export line in
//! base64. The format promises nothing about that line; here it is proved,
//! since the leaf is computed from it and from nothing else.

use crate::checkpoint::{CheckpointError, Cosigned, Signed, base64_hash, decimal};
use crate::entry::{Entry, Hash};
use crate::export::{LINE_MAX_BYTES, parse_line};
use crate::key::VerifierKey;
use crate::merkle::leaf_of_entry;
use crate::merkle::proof::{PROOF_HASHES_MAX, ProofError, verify_inclusion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest proof file, in octets: the longest entry in base64, and the rest.
pub const PROOF_FILE_MAX_BYTES: u64 = LINE_MAX_BYTES / 3 * 4 + (512 << 10);
const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// Larger than any.
    #[error("the file has {0} octets; at most {PROOF_FILE_MAX_BYTES} are taken")]
    TooLarge(usize),
    /// A line that is not what it should be.
    #[error("line {line} should be {wanted}")]
    Form {
        /// From 1.
        line: usize,
        /// What belongs there.
        wanted: &'static str,
    },
    /// The entry.
    #[error("line 2 holds no ledger entry")]
    Entry(#[source] serde_json::Error),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The place.
    #[error("the file says index {index}, and its entry is number {sequence}, which is index {}", .sequence.saturating_sub(1))]
    Index {
        /// As said, from 0.
        index: u64,
        /// The entry's own number, from 1.
        sequence: u64,
    },
    /// A field was changed.
    #[error("entry {sequence} was changed: it says its hash is {says}, its fields give {computed}")]
    Changed {
        /// Which.
        sequence: u64,
        /// What it says.
        says: Hash,
        /// What its fields give.
        computed: Hash,
    },
    /// It does not stand in the signed tree.
    #[error(
        "entry {sequence} does not stand in the ledger that was signed: it was changed, made up, or belongs to another ledger"
    )]
    NotIncluded {
        /// Which.
        sequence: u64,
        /// How it fails.
        #[source]
        source: ProofError,
    },
}

/// One entry with all that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// The entry.
    pub entry: Entry,
    /// From its leaf to the root.
    pub path: Vec<Hash>,
    /// What was signed.
    pub checkpoint: Signed,
}

impl EntryProof {
    /// The file.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        use std::fmt::Write as _;
        let mut text = format!(
            "{HEAD}\nextra {}\nindex {}\n",
            STANDARD.encode(serde_json::to_vec(&self.entry)?),
            self.entry.sequence.saturating_sub(1)
        );
        for hash in &self.path {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{}", STANDARD.encode(hash.0));
        }
        let _ = write!(text, "\n{}", self.checkpoint);
        Ok(text)
    }

    /// Takes the file apart. Nothing is verified but its form.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() as u64 > PROOF_FILE_MAX_BYTES {
            return Err(ProofFileError::TooLarge(bytes.len()));
        }
        let mut rest = bytes;
        let mut line = 0;
        let mut next = |wanted| -> Result<&str, ProofFileError> {
            line += 1;
            let form = || ProofFileError::Form { line, wanted };
            let end = rest.iter().position(|b| *b == b'\n').ok_or_else(form)?;
            let (text, below) = rest.split_at(end);
            rest = below.get(1..).unwrap_or_default();
            std::str::from_utf8(text).map_err(|_| form())
        };
        let form = |line, wanted| ProofFileError::Form { line, wanted };
        let wanted = "`c2sp.org/tlog-proof@v1`";
        if next(wanted)? != HEAD {
            return Err(form(1, wanted));
        }
        let wanted = "`extra` and the entry in base64";
        let entry = next(wanted)?
            .strip_prefix("extra ")
            .and_then(|extra| STANDARD.decode(extra).ok())
            .ok_or(form(2, wanted))?;
        let entry = parse_line(&entry).map_err(ProofFileError::Entry)?;
        let wanted = "`index` and the entry's place, from 0";
        let index = next(wanted)?
            .strip_prefix("index ")
            .and_then(decimal)
            .ok_or(form(3, wanted))?;
        if index.checked_add(1) != Some(entry.sequence) {
            return Err(ProofFileError::Index {
                index,
                sequence: entry.sequence,
            });
        }
        let mut path = Vec::new();
        let wanted = "a hash in base64, at most 64 of them, or an empty line";
        loop {
            let text = next(wanted)?;
            if text.is_empty() {
                break;
            }
            let form = form(path.len() + 4, wanted);
            if path.len() >= PROOF_HASHES_MAX {
                return Err(form);
            }
            path.push(base64_hash(text).ok_or(form)?);
        }
        Ok(Self {
            entry,
            path,
            checkpoint: Signed::parse(rest)?,
        })
    }

    /// Does the entry stand, as it is, in a ledger that this key has signed?
    ///
    /// # Errors
    /// When it does not.
    pub fn verify(&self, log: &VerifierKey) -> Result<(), ProofFileError> {
        self.checkpoint.verify(log)?;
        let sequence = self.entry.sequence;
        let computed = self.entry.computed_hash();
        if computed != self.entry.hash {
            return Err(ProofFileError::Changed {
                sequence,
                says: self.entry.hash,
                computed,
            });
        }
        let checkpoint = self.checkpoint.checkpoint();
        verify_inclusion(
            leaf_of_entry(computed),
            sequence.saturating_sub(1),
            checkpoint.size,
            checkpoint.root,
            &self.path,
        )
        .map_err(|source| ProofFileError::NotIncluded { sequence, source })
    }

    /// When did this witness cosign the checkpoint?
    ///
    /// # Errors
    /// When it did not.
    pub fn cosigned(&self, witness: &VerifierKey) -> Result<Cosigned, CheckpointError> {
        self.checkpoint.cosigned(witness)
    }
}
