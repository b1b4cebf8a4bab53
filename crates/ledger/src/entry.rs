//! One entry, and the hash that chains it to the one before.
//!
//! The hash is SHA-256 over, in this order:
//!
//! | field | bytes |
//! |---|---|
//! | tag | `iryonet-ledger-entry-v1` and one zero octet |
//! | sequence | 8, big-endian |
//! | at | 8, big-endian |
//! | actor | length (8, big-endian), then UTF-8 |
//! | command | length (8, big-endian), then UTF-8 |
//! | outcome | one octet: 0 accepted, 1 refused |
//! | accepted: events | length (8, big-endian), then UTF-8 |
//! | refused: code, text | each length (8, big-endian), then UTF-8 |
//! | previous | the 32 octets of the hash before; 32 zero octets for entry 1 |
//!
//! The tag keeps the hash apart from every other use of SHA-256; the lengths
//! keep two neighbours from lending each other octets. Commands and events are
//! JSON as they were written, and are hashed as they stand: no reader has to
//! write them again in the same way.

use iryonet_domain::{Actor, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const TAG: &[u8] = b"iryonet-ledger-entry-v1\0";

/// SHA-256 of an entry, in text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before entry 1.
    pub const ZERO: Self = Self([0; 32]);
}

/// The text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ledger hash is 64 hexadecimal digits (SHA-256)")]
pub struct HashError;

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = HashError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for Hash {
    type Err = HashError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
        Ok(Self(bytes))
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It was done.
    Accepted {
        /// The events, a JSON list.
        events: String,
    },
    /// It was refused; nothing changed.
    Refused {
        /// The refusal's stable name.
        code: String,
        /// What was wrong and what would have been right.
        text: String,
    },
}

/// One act.
///
/// Read from text, it may have no other fields: the hash would not cover them,
/// and a reader of the text would believe them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 1, without a gap. The *revision* of the state after this act.
    pub sequence: u64,
    /// When. Never earlier than the entry before: after a clock that went back
    /// the time of the entry before is repeated until the clock has passed it.
    pub at: UnixMillis,
    /// Who. Never defaulted.
    pub actor: Actor,
    /// What was asked, JSON.
    pub command: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Hash of the entry before; zeros for the first.
    pub previous: Hash,
    /// Hash of this entry.
    pub hash: Hash,
}

impl Entry {
    /// The hash of what stands in this entry.
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        let mut sha = Sha256::new();
        sha.update(TAG);
        sha.update(self.sequence.to_be_bytes());
        sha.update(self.at.0.to_be_bytes());
        let mut field = |text: &str| {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text.as_bytes());
        };
        field(&self.actor.to_string());
        field(&self.command);
        match &self.outcome {
            Outcome::Accepted { events } => {
                sha.update([0]);
                sha.update((events.len() as u64).to_be_bytes());
                sha.update(events.as_bytes());
            }
            Outcome::Refused { code, text } => {
                sha.update([1]);
                for text in [code, text] {
                    sha.update((text.len() as u64).to_be_bytes());
                    sha.update(text.as_bytes());
                }
            }
        }
        sha.update(self.previous.0);
        Hash(sha.finalize().into())
    }
}

/// The last entry of a ledger, as far as the next one needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its sequence; 0 for an empty ledger.
    pub sequence: u64,
    /// Its time.
    pub at: UnixMillis,
    /// Its hash.
    pub hash: Hash,
}

impl Tip {
    /// Before the first entry.
    pub const EMPTY: Self = Self {
        sequence: 0,
        at: UnixMillis(0),
        hash: Hash::ZERO,
    };

    /// The time that the next entry gets when the clock says `now`.
    #[must_use]
    pub fn time(&self, now: UnixMillis) -> UnixMillis {
        now.max(self.at)
    }

    /// The next entry.
    #[must_use]
    pub fn next(&self, now: UnixMillis, actor: Actor, command: String, outcome: Outcome) -> Entry {
        let mut entry = Entry {
            sequence: self.sequence.saturating_add(1),
            at: self.time(now),
            actor,
            command,
            outcome,
            previous: self.hash,
            hash: Hash::ZERO,
        };
        entry.hash = entry.computed_hash();
        entry
    }
}

impl From<&Entry> for Tip {
    fn from(entry: &Entry) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            hash: entry.hash,
        }
    }
}
