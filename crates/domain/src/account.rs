//! アカウント: the name of a person's account.

use serde::{Deserialize, Serialize};

/// An account's name, as `suzuki.ichiro`: 2 to 48 characters of `a-z`, `0-9`,
/// `.`, `-`, `_`, beginning and ending with a letter or digit. It is the name
/// of an [`crate::Actor`] in the record for ever, so two that look alike to a
/// reader cannot both be; the person's own name (氏名) stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// The text is not an account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an account name; it has 2 to 48 characters of a-z, 0-9, '.', '-' and '_', with a letter or digit at both ends"
)]
pub struct AccountNameError(pub String);

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for AccountName {
    type Err = AccountNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (2..=48).contains(&text.len())
            && text
                .bytes()
                .all(|b| plain(b) || matches!(b, b'.' | b'-' | b'_'))
            && text.bytes().next().is_some_and(plain)
            && text.bytes().next_back().is_some_and(plain);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccountNameError(text.chars().take(60).collect()))
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = AccountNameError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl std::fmt::Display for AccountName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_mistaken_for_another_is_none() {
        for good in ["suzuki", "suzuki.ichiro", "a1", "x-y_z.9"] {
            assert_eq!(good.parse::<AccountName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(49);
        for bad in [
            "",
            "a",
            "Suzuki",
            "ｓｕｚｕｋｉ",
            "鈴木",
            ".suzuki",
            "suzuki-",
            "suzuki sato",
            "suzuki:x",
            "suzu\u{200b}ki",
            long.as_str(),
        ] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }
}
