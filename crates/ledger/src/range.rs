//! A part of a ledger, as a file beside its entries: which part it is, and the
//! hashes that stand to its left and right in the tree. With them, the entries
//! of the part give the root that was signed.
//!
//! ```text
//! iryonet-ledger-range/v1
//! first 101
//! last 200
//! left 3
//! BASE64 (three lines)
//! right 2
//! BASE64 (two lines)
//! ```

use crate::checkpoint::{base64_hash, decimal};
use crate::entry::Hash;
use crate::merkle::proof::RangeProof;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest such file, in octets.
pub const RANGE_MAX_BYTES: usize = 16 << 10;
/// Most hashes on one side: a tree's cover has no more.
const SIDE_MAX: u64 = 128;
const HEAD: &str = "iryonet-ledger-range/v1";

/// Why it is no such file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Larger than any.
    #[error("the file has {0} octets; at most {RANGE_MAX_BYTES} are taken")]
    TooLarge(usize),
    /// A line that is not what it should be.
    #[error("line {line} should be {wanted}")]
    Form {
        /// From 1.
        line: usize,
        /// What belongs there.
        wanted: &'static str,
    },
}

/// A part of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// First entry, from 1.
    pub first: u64,
    /// Last entry, not before the first.
    pub last: u64,
    /// What stands beside it.
    pub proof: RangeProof,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEAD}\nfirst {}\nlast {}", self.first, self.last)?;
        for (side, hashes) in [("left", &self.proof.left), ("right", &self.proof.right)] {
            writeln!(f, "{side} {}", hashes.len())?;
            for hash in hashes {
                writeln!(f, "{}", STANDARD.encode(hash.0))?;
            }
        }
        Ok(())
    }
}

struct Lines<'a> {
    lines: std::str::Split<'a, char>,
    line: usize,
}

impl<'a> Lines<'a> {
    fn next<T>(
        &mut self,
        wanted: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, RangeError> {
        self.line += 1;
        self.lines.next().and_then(read).ok_or(RangeError::Form {
            line: self.line,
            wanted,
        })
    }

    fn side(&mut self, wanted: &'static str, name: &str) -> Result<Vec<Hash>, RangeError> {
        let number = |text: &str| decimal(text.strip_prefix(name)?).filter(|n| *n <= SIDE_MAX);
        let count = self.next(wanted, number)?;
        (0..count)
            .map(|_| self.next("a hash in base64", base64_hash))
            .collect()
    }
}

impl Range {
    /// Takes the file apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RangeError> {
        if bytes.len() > RANGE_MAX_BYTES {
            return Err(RangeError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut lines = Lines {
            lines: text.split('\n'),
            line: 0,
        };
        lines.next("`iryonet-ledger-range/v1`", |text| {
            (text == HEAD).then_some(())
        })?;
        let first = lines.next("`first` and the first entry's number, from 1", |text| {
            decimal(text.strip_prefix("first ")?).filter(|n| *n > 0)
        })?;
        let last = lines.next(
            "`last` and the last entry's number, not below the first",
            |text| decimal(text.strip_prefix("last ")?).filter(|n| *n >= first),
        )?;
        let left = lines.side("`left` and how many hashes follow", "left ")?;
        let right = lines.side("`right` and how many hashes follow", "right ")?;
        lines.next("the end of the file", |text| text.is_empty().then_some(()))?;
        if lines.lines.next().is_some() {
            return Err(RangeError::Form {
                line: lines.line,
                wanted: "the end of the file",
            });
        }
        Ok(Self {
            first,
            last,
            proof: RangeProof { left, right },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_part_is_read_as_it_was_written(first in 1u64.., length in 0u64..1_000, left in proptest::collection::vec(any::<[u8; 32]>(), 0..64), right in proptest::collection::vec(any::<[u8; 32]>(), 0..64)) {
            let hashes = |bytes: Vec<[u8; 32]>| bytes.into_iter().map(Hash).collect();
            let range = Range { first, last: first.saturating_add(length), proof: RangeProof { left: hashes(left), right: hashes(right) } };
            let text = range.to_string();
            prop_assert_eq!(Range::parse(text.as_bytes()), Ok(range));
            prop_assert!(Range::parse(text.trim_end().as_bytes()).is_err());
            prop_assert!(Range::parse((text + "\n").as_bytes()).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), numbers: [u64; 4]) {
            let _ = Range::parse(&bytes);
            let [a, b, c, d] = numbers;
            let _ = Range::parse(format!("{HEAD}\nfirst {a}\nlast {b}\nleft {c}\nright {d}\n").as_bytes());
        }
    }

    #[test]
    fn what_is_no_part_is_refused_at_its_line() {
        for (text, line) in [
            ("", 1),
            ("iryonet-ledger-range/v2\n", 1),
            (
                "iryonet-ledger-range/v1\nfirst 0\nlast 1\nleft 0\nright 0\n",
                2,
            ),
            (
                "iryonet-ledger-range/v1\nfirst 2\nlast 1\nleft 0\nright 0\n",
                3,
            ),
            (
                "iryonet-ledger-range/v1\nfirst 1\nlast 1\nleft 129\nright 0\n",
                4,
            ),
            (
                "iryonet-ledger-range/v1\nfirst 1\nlast 1\nleft 1\nAAAA\nright 0\n",
                5,
            ),
            (
                "iryonet-ledger-range/v1\nfirst 1\nlast 1\nleft 0\nright 00\n",
                5,
            ),
        ] {
            assert!(
                matches!(Range::parse(text.as_bytes()), Err(RangeError::Form { line: found, .. }) if found == line),
                "{text:?}"
            );
        }
        assert!(Range::parse(&vec![b'x'; RANGE_MAX_BYTES + 1]).is_err());
    }
}
