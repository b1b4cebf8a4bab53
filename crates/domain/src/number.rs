//! 参加者番号: the opaque 24-bit number by which the network knows a participant.
//!
//! Given by the center, never derived from a code: codes change on relocation
//! and change of owner, and two codes can belong to one house. The high eight
//! bits are a *block*, given to a home gateway, so that routes aggregate.

use serde::{Deserialize, Serialize};

/// 1..=0x00FF_FFFF. Zero is the network's own infrastructure and belongs to
/// nobody, so it cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ParticipantNumber(u32);

/// The number is not that of a participant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Zero, or more than 24 bits.
    #[error(
        "{0} is not a participant number; numbers are 1 to 16777215 (24 bits, 0 is the network's own)"
    )]
    OutOfRange(u32),
    /// Not written as a number.
    #[error("{0:?} is not a participant number; write it in digits, as 65537")]
    NotANumber(String),
}

impl ParticipantNumber {
    /// The largest number.
    pub const MAX: u32 = 0x00ff_ffff;

    /// The participant with this number.
    ///
    /// # Errors
    /// For zero and for more than 24 bits.
    pub fn new(number: u32) -> Result<Self, NumberError> {
        if number == 0 || number > Self::MAX {
            Err(NumberError::OutOfRange(number))
        } else {
            Ok(Self(number))
        }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The high eight bits: which home gateway's block it stands in.
    #[must_use]
    pub fn block(self) -> u8 {
        (self.0 >> 16) as u8
    }
}

impl TryFrom<u32> for ParticipantNumber {
    type Error = NumberError;
    fn try_from(number: u32) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<ParticipantNumber> for u32 {
    fn from(number: ParticipantNumber) -> Self {
        number.0
    }
}

impl std::str::FromStr for ParticipantNumber {
    type Err = NumberError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .parse::<u32>()
            .map_err(|_| NumberError::NotANumber(text.chars().take(40).collect()))?;
        Self::new(number)
    }
}

impl std::fmt::Display for ParticipantNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
