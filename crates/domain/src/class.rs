//! The six traffic classes and their share of a site's uplink.

use serde::{Deserialize, Serialize};

/// 通信クラス. Set by the service at ingress, never trusted from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficClass {
    /// Voice, remote-surgery control.
    RealTime,
    /// High-definition video, conference.
    Video,
    /// Names, time, certificate status, attach.
    Control,
    /// Regional and care collaboration, HPKI, eligibility, prescriptions.
    Interactive,
    /// Online claims, images, file transfer.
    Bulk,
    /// Internet connection.
    BestEffort,
}

/// How a class is served when the uplink is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Served first, in this order, and policed so that it cannot starve others.
    Priority {
        /// 0 is served before 1.
        rank: u8,
    },
    /// Guaranteed minimum in percent; what is unused is lent.
    Guaranteed {
        /// Percent of the shaped rate.
        percent: u8,
    },
}

impl TrafficClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::RealTime,
        Self::Video,
        Self::Control,
        Self::Interactive,
        Self::Bulk,
        Self::BestEffort,
    ];

    /// The differentiated-services code point (RFC 2474; EF RFC 3246, AF RFC 2597).
    #[must_use]
    pub fn dscp(self) -> u8 {
        match self {
            Self::RealTime => 46,
            Self::Video => 34,
            Self::Control => 26,
            Self::Interactive => 18,
            Self::Bulk => 10,
            Self::BestEffort => 0,
        }
    }

    /// How it is served.
    #[must_use]
    pub fn share(self) -> Share {
        match self {
            Self::RealTime => Share::Priority { rank: 0 },
            Self::Video => Share::Priority { rank: 1 },
            Self::Control => Share::Guaranteed { percent: 10 },
            Self::Interactive | Self::Bulk | Self::BestEffort => Share::Guaranteed { percent: 30 },
        }
    }

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::Video => "video",
            Self::Control => "control",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
            Self::BestEffort => "best-effort",
        }
    }
}

/// The word names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a traffic class; known are real-time, video, control, interactive, bulk and best-effort"
)]
pub struct UnknownClass(pub String);

impl std::str::FromStr for TrafficClass {
    type Err = UnknownClass;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == word)
            .ok_or_else(|| UnknownClass(word.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarantees_never_exceed_the_uplink() {
        let sum: u32 = TrafficClass::ALL
            .into_iter()
            .map(|class| match class.share() {
                Share::Guaranteed { percent } => u32::from(percent),
                Share::Priority { .. } => 0,
            })
            .sum();
        assert_eq!(sum, 100);
    }

    #[test]
    fn every_class_is_known_by_its_word() {
        for class in TrafficClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert!("gold".parse::<TrafficClass>().is_err());
    }
}
