//! The name under which a service is found.

use serde::{Deserialize, Serialize};

/// A fully qualified host name: two labels at least, each of 1 to 63
/// characters of `a-z`, `0-9` and inner `-` (RFC 1123, section 2.1), 253
/// characters at most in all (RFC 1035, section 3.1). Kept in small letters and
/// without the final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

/// The text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host name; it has at least two labels of a-z, 0-9 and inner hyphens, as referral.example.jp"
)]
pub struct DnsNameError(pub String);

impl DnsName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DnsName {
    type Err = DnsNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // A last label of digits only would be read as an IPv4 address.
        let fits = name.len() <= 253
            && name.contains('.')
            && name.split('.').all(label_fits)
            && name
                .rsplit('.')
                .next()
                .is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        if fits {
            Ok(Self(name))
        } else {
            Err(DnsNameError(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for DnsName {
    type Error = DnsNameError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0
    }
}

impl std::fmt::Display for DnsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_in_small_letters_without_its_final_dot() {
        let name: DnsName = "Referral.Example.JP.".parse().unwrap();
        assert_eq!(name.as_str(), "referral.example.jp");
    }

    #[test]
    fn what_no_resolver_would_take_is_refused() {
        let long = format!("{}.jp", "a".repeat(64));
        let many = format!("{}jp", "a.".repeat(126));
        for bad in [
            "",
            "localhost",
            "-a.jp",
            "a-.jp",
            "a..jp",
            "a_b.jp",
            "紹介.jp",
            "192.0.2.1",
            &long,
            &many,
            "a.jp..",
        ] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
    }
}
