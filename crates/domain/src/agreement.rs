//! 利用合意: what opens a path. Provider and participant, a service, a purpose,
//! a validity, both signatures.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// An agreement's number, given by the center.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgreementId(pub u64);

impl std::fmt::Display for AgreementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Longest word of a purpose, in octets.
const PURPOSE_MAX: usize = 40;

/// 用途: what the path may be used for. A word, and no list of them: a service
/// of tomorrow brings its own, and its agreements are held to the words that
/// the service names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose {
    // Zeros after the word: comparing all of it is comparing the words.
    octets: [u8; PURPOSE_MAX],
}

impl Purpose {
    /// 地域医療連携.
    pub const REGIONAL_COLLABORATION: Self = Self::known("regional-collaboration");
    /// 医療介護連携.
    pub const CARE_COLLABORATION: Self = Self::known("care-collaboration");
    /// HPKI.
    pub const HPKI: Self = Self::known("hpki");
    /// 高精細映像伝送.
    pub const VIDEO: Self = Self::known("video");
    /// インターネット接続.
    pub const INTERNET: Self = Self::known("internet");
    /// オンライン請求.
    pub const ONLINE_CLAIMS: Self = Self::known("online-claims");
    /// 被保険者資格確認.
    pub const ELIGIBILITY: Self = Self::known("eligibility");
    /// 電子紹介状.
    pub const REFERRAL: Self = Self::known("referral");
    /// 電子処方箋.
    pub const PRESCRIPTION: Self = Self::known("prescription");
    /// 治療・検査DB.
    pub const CLINICAL_DATABASE: Self = Self::known("clinical-database");
    /// 保守: the provider's or vendor's upkeep.
    pub const MAINTENANCE: Self = Self::known("maintenance");

    const fn known(word: &str) -> Self {
        let word = word.as_bytes();
        let mut octets = [0; PURPOSE_MAX];
        let mut at = 0;
        while at < word.len() {
            octets[at] = word[at];
            at += 1;
        }
        Self { octets }
    }

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.octets.iter().position(|octet| *octet == 0);
        let word = &self.octets[..end.unwrap_or(PURPOSE_MAX)];
        // Only ASCII is ever put in.
        std::str::from_utf8(word).unwrap_or_default()
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Purpose({})", self.as_str())
    }
}

/// The word can be no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a purpose; one is 1 to {PURPOSE_MAX} small letters, digits and single hyphens and begins with a letter, as online-claims"
)]
pub struct BadPurpose(pub String);

impl std::str::FromStr for Purpose {
    type Err = BadPurpose;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let fits = (1..=PURPOSE_MAX).contains(&word.len())
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.ends_with('-')
            && !word.contains("--")
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self::known(word))
        } else {
            Err(BadPurpose(word.chars().take(PURPOSE_MAX).collect()))
        }
    }
}

impl Serialize for Purpose {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Purpose {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// From when until when something holds: `from` included, `until` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Validity {
    /// First millisecond.
    pub from: UnixMillis,
    /// First millisecond after.
    pub until: UnixMillis,
}

/// The end is not after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a validity must end after it begins")]
pub struct EmptyValidity;

impl Validity {
    /// A validity.
    ///
    /// # Errors
    /// When it would hold at no time.
    pub fn new(from: UnixMillis, until: UnixMillis) -> Result<Self, EmptyValidity> {
        if from < until {
            Ok(Self { from, until })
        } else {
            Err(EmptyValidity)
        }
    }

    /// Does it hold at this time?
    #[must_use]
    pub fn holds_at(&self, now: UnixMillis) -> bool {
        self.from <= now && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_of_tomorrow_is_a_word_like_todays() {
        let tomorrow: Purpose = "vaccination-record-2".parse().unwrap();
        assert_eq!(tomorrow.as_str(), "vaccination-record-2");
        assert_eq!("referral".parse(), Ok(Purpose::REFERRAL));
        let longest = "a".repeat(PURPOSE_MAX);
        assert_eq!(longest.parse::<Purpose>().unwrap().as_str(), longest);
        let json = serde_json::to_string(&Purpose::REFERRAL).unwrap();
        assert_eq!(json, "\"referral\"");
        assert_eq!(
            serde_json::from_str::<Purpose>(&json).unwrap(),
            Purpose::REFERRAL
        );
        assert!(Purpose::CARE_COLLABORATION < Purpose::REFERRAL);
    }

    #[test]
    fn what_is_no_word_is_no_purpose() {
        let long = "a".repeat(PURPOSE_MAX + 1);
        for word in [
            "", "-a", "a-", "a--b", "A", "1a", "a b", "紹介", "a\0", "a_b", &long,
        ] {
            assert!(word.parse::<Purpose>().is_err(), "{word:?}");
        }
    }
}
