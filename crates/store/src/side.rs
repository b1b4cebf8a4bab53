//! The side store: what is kept *beside* the ledger and never part of a
//! registry decision. Secrets (password hashes, sessions), bulk bytes
//! (documents) and what can be made again (tiles, answers to repeated
//! requests). It is written in the same transaction as acts, and is not in the
//! history: a value that was replaced or deleted is gone.
//!
//! A space is one use, with its own largest value. Keys are bytes; a listing
//! is by prefix and ascending by byte. A value may have an end in time, from
//! which on nobody is shown it; [`crate::Transaction::side_purge`] takes away
//! what has ended.

use iryonet_domain::UnixMillis;

/// Longest key, in bytes.
pub const KEY_MAX_BYTES: usize = 512;
/// Most bytes of values in one page of a listing, unless a single value has more.
pub const LIST_MAX_BYTES: usize = 32 << 20;

/// What a value is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Documents handed in with an application.
    Document,
    /// Answers given, for whoever asks the same again.
    Idempotency,
    /// Password hashes, one-time-password secrets, passkeys.
    Credential,
    /// Sessions of people.
    Session,
    /// Tiles of the ledger's Merkle tree.
    Tile,
    /// Signed checkpoints of the ledger.
    Checkpoint,
}

impl Space {
    /// Every space.
    pub const ALL: [Self; 6] = [
        Self::Document,
        Self::Idempotency,
        Self::Credential,
        Self::Session,
        Self::Tile,
        Self::Checkpoint,
    ];

    /// The word it is kept under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Idempotency => "idempotency",
            Self::Credential => "credential",
            Self::Session => "session",
            Self::Tile => "tile",
            Self::Checkpoint => "checkpoint",
        }
    }

    /// Largest value, in bytes.
    #[must_use]
    pub fn value_max_bytes(self) -> usize {
        match self {
            Self::Document => 20 << 20,
            Self::Tile => 1 << 20,
            Self::Idempotency | Self::Credential | Self::Session | Self::Checkpoint => 64 << 10,
        }
    }

    /// May this be put here?
    ///
    /// # Errors
    /// When the key is empty or too long, or the value too large.
    pub fn check(self, key: &[u8], value: &[u8]) -> Result<(), SideError> {
        if key.is_empty() || key.len() > KEY_MAX_BYTES {
            return Err(SideError::Key {
                space: self,
                have: key.len(),
            });
        }
        let limit = self.value_max_bytes();
        if value.len() > limit {
            return Err(SideError::Value {
                space: self,
                have: value.len(),
                limit,
            });
        }
        Ok(())
    }
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value and its end.
#[derive(Clone, PartialEq, Eq)]
pub struct SideValue {
    /// The bytes.
    pub value: Vec<u8>,
    /// First millisecond at which it is no longer there.
    pub expires_at: Option<UnixMillis>,
}

/// The size only: a value may be a secret.
impl std::fmt::Debug for SideValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SideValue")
            .field("bytes", &self.value.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What the side store does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SideError {
    /// The key.
    #[error("a key of {space} has {have} bytes; it must have 1 to {KEY_MAX_BYTES}")]
    Key {
        /// Where.
        space: Space,
        /// Bytes.
        have: usize,
    },
    /// The value.
    #[error("a value of {space} has {have} bytes; at most {limit} are kept there")]
    Value {
        /// Where.
        space: Space,
        /// Bytes.
        have: usize,
        /// Limit.
        limit: usize,
    },
}

/// The first key that does not begin with `prefix` any more; none when every
/// key after it does.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::end_of_prefix;

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_beyond_it() {
        assert_eq!(end_of_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of_prefix(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(end_of_prefix(&[0xff, 0xff]), None);
        assert_eq!(end_of_prefix(b""), None);
    }
}
