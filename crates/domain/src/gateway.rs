//! The name of a gateway (POP).

use serde::{Deserialize, Serialize};

/// A gateway's name, as `gw-east-1`: 1 to 32 characters of `a-z`, `0-9`, `-`,
/// beginning and ending with a letter or digit. It stands in certificates,
/// commands and file names, so nothing else is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayId(String);

/// The text is not a gateway's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a gateway name; it has 1 to 32 characters of a-z, 0-9 and -, with a letter or digit at both ends"
)]
pub struct GatewayIdError(pub String);

impl GatewayId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for GatewayId {
    type Err = GatewayIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(GatewayIdError(text.chars().take(40).collect()))
        }
    }
}

impl TryFrom<String> for GatewayId {
    type Error = GatewayIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GatewayId> for String {
    fn from(id: GatewayId) -> Self {
        id.0
    }
}

impl std::fmt::Display for GatewayId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
