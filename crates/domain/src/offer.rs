//! How a service is offered: how far its roll-out is, whose proposals it takes
//! by itself, and how much bandwidth it asks for.

use crate::kind::ParticipantKind;
use serde::{Deserialize, Serialize};

/// 提供段階. A retired service has none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceStage {
    /// 計画中: can be seen, not yet asked for.
    Planned,
    /// 試行: may be asked for by the participants that are listed for it.
    Pilot,
    /// 提供中: may be asked for by everybody who is eligible.
    #[default]
    Open,
}

impl ServiceStage {
    /// Every stage, in the order of a roll-out.
    pub const ALL: [Self; 3] = [Self::Planned, Self::Pilot, Self::Open];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Pilot => "pilot",
            Self::Open => "open",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Planned => "計画中",
            Self::Pilot => "試行",
            Self::Open => "提供中",
        }
    }
}

/// The word names no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stage of a service; known are planned, pilot and open")]
pub struct UnknownStage(pub String);

impl std::str::FromStr for ServiceStage {
    type Err = UnknownStage;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str() == word)
            .ok_or_else(|| UnknownStage(word.chars().take(40).collect()))
    }
}

impl std::fmt::Display for ServiceStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// 承諾規則: whether a provider looks at each proposal, or has said yes
/// beforehand to all of some kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptance {
    /// The provider's officer accepts each proposal.
    #[default]
    ByHand,
    /// A proposal by a participant of one of these kinds is accepted in the
    /// same act. Ascending, one at least.
    Automatic(Vec<ParticipantKind>),
}

impl Acceptance {
    /// Has the provider said yes to this kind beforehand?
    #[must_use]
    pub fn covers(&self, kind: ParticipantKind) -> bool {
        match self {
            Self::ByHand => false,
            Self::Automatic(kinds) => kinds.contains(&kind),
        }
    }
}

/// Bandwidth that a service asks for at each of its users' lines, in kbit/s:
/// 1 to 100,000,000 (100 Gbit/s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct BandwidthKbps(u32);

/// No service asks for that much, or for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} kbit/s is not a bandwidth; it is 1 to 100000000 kbit/s")]
pub struct BandwidthError(pub u32);

impl BandwidthKbps {
    /// A bandwidth.
    ///
    /// # Errors
    /// Outside 1..=100,000,000.
    pub fn new(kbps: u32) -> Result<Self, BandwidthError> {
        if (1..=100_000_000).contains(&kbps) {
            Ok(Self(kbps))
        } else {
            Err(BandwidthError(kbps))
        }
    }

    /// In kbit/s.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for BandwidthKbps {
    type Error = BandwidthError;
    fn try_from(kbps: u32) -> Result<Self, Self::Error> {
        Self::new(kbps)
    }
}

impl From<BandwidthKbps> for u32 {
    fn from(bandwidth: BandwidthKbps) -> Self {
        bandwidth.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::InstitutionKind;

    #[test]
    fn a_provider_that_said_yes_to_clinics_said_nothing_about_pharmacies() {
        let clinic = ParticipantKind::Institution(InstitutionKind::Clinic);
        let pharmacy = ParticipantKind::Institution(InstitutionKind::Pharmacy);
        let rule = Acceptance::Automatic(vec![clinic]);
        assert!(rule.covers(clinic) && !rule.covers(pharmacy));
        assert!(!Acceptance::ByHand.covers(clinic));
    }

    #[test]
    fn nothing_and_more_than_any_line_carries_are_no_bandwidth() {
        assert!(BandwidthKbps::new(0).is_err() && BandwidthKbps::new(100_000_001).is_err());
        assert_eq!(
            BandwidthKbps::new(30_000).map(BandwidthKbps::get),
            Ok(30_000)
        );
    }
}
