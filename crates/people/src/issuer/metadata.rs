//! What an issuer says of itself (OpenID Connect Discovery 1.0, section 3).

use serde::Deserialize;

/// Where an issuer is to be asked for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Where browsers are sent.
    pub authorization: String,
    /// Where a code is redeemed.
    pub token: String,
    /// Where its keys are.
    pub keys: String,
    /// Does it put its name into every answer (RFC 9207)? Then one without it is
    /// not its own.
    pub names_itself: bool,
}

/// Why it cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not JSON, or a field that must be there is not.
    #[error("the issuer's description cannot be read")]
    Form(#[source] serde_json::Error),
    /// Another issuer's. (Discovery, section 4.3: they must be exactly the same.)
    #[error("the description is that of {found:?}, and not of {wanted:?}")]
    OtherIssuer {
        /// As the settings say.
        wanted: String,
        /// As it says.
        found: String,
    },
    /// Not HTTPS, or not an address at all.
    #[error("{field} is {found:?}; it must begin with https:// and have no fragment")]
    Address {
        /// Which.
        field: &'static str,
        /// What stands there.
        found: String,
    },
    /// Something that is needed is not offered.
    #[error("the issuer does not offer {0}")]
    NotOffered(&'static str),
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    response_types_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// From what `issuer` publishes.
    ///
    /// # Errors
    /// When it is another's, or cannot be worked with.
    pub fn read(octets: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let raw: Raw = serde_json::from_slice(octets).map_err(MetadataError::Form)?;
        if raw.issuer != issuer {
            return Err(MetadataError::OtherIssuer {
                wanted: issuer.to_owned(),
                found: raw.issuer.chars().take(200).collect(),
            });
        }
        for (field, found) in [
            ("authorization_endpoint", &raw.authorization_endpoint),
            ("token_endpoint", &raw.token_endpoint),
            ("jwks_uri", &raw.jwks_uri),
        ] {
            if !is_secure(found) {
                return Err(MetadataError::Address {
                    field,
                    found: found.chars().take(200).collect(),
                });
            }
        }
        if !raw.response_types_supported.iter().any(|it| it == "code") {
            return Err(MetadataError::NotOffered("the response type code"));
        }
        // One that does not say may know it all the same, and must not mind.
        if let Some(methods) = &raw.code_challenge_methods_supported
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(MetadataError::NotOffered("PKCE with S256"));
        }
        Ok(Self {
            authorization: raw.authorization_endpoint,
            token: raw.token_endpoint,
            keys: raw.jwks_uri,
            names_itself: raw.authorization_response_iss_parameter_supported,
        })
    }

    /// Where it stands (Discovery, section 4).
    #[must_use]
    pub fn address_of(issuer: &str) -> String {
        format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        )
    }
}

/// Is it an address under HTTPS, of printable ASCII, without a fragment?
#[must_use]
pub fn is_secure(address: &str) -> bool {
    address
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && address.bytes().all(|byte| byte.is_ascii_graphic())
        && !address.contains(['#', '@', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://login.example.jp/realms/care";

    fn description() -> serde_json::Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.jp/auth",
            "token_endpoint": "https://login.example.jp/token?tenant=1",
            "jwks_uri": "https://keys.example.jp/jwks",
            "response_types_supported": ["code", "id_token"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "something_else": {"that": "is new"},
        })
    }

    fn read(with: impl FnOnce(&mut serde_json::Value)) -> Result<Metadata, MetadataError> {
        let mut said = description();
        with(&mut said);
        Metadata::read(said.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn a_description_is_taken_from_its_own_issuer_and_with_secure_addresses_only() {
        assert_eq!(read(|_| {}).unwrap().keys, "https://keys.example.jp/jwks");
        assert_eq!(
            Metadata::address_of("https://login.example.jp/"),
            "https://login.example.jp/.well-known/openid-configuration"
        );
        let other = read(|it| it["issuer"] = format!("{ISSUER}/").into()).unwrap_err();
        assert!(
            matches!(other, MetadataError::OtherIssuer { .. }),
            "{other}"
        );
        for (field, address) in [
            ("authorization_endpoint", "http://login.example.jp/auth"),
            ("token_endpoint", "https:///token"),
            ("token_endpoint", "https://login.example.jp@elsewhere/"),
            ("jwks_uri", "file:///etc/passwd"),
            ("jwks_uri", "https://a/\r\nb"),
        ] {
            let error = read(|it| it[field] = address.into()).unwrap_err();
            assert!(error.to_string().contains(field), "{address}: {error}");
        }
    }

    #[test]
    fn an_issuer_without_code_or_pkce_is_not_worked_with() {
        let error = read(|it| it["response_types_supported"] = json!(["id_token"])).unwrap_err();
        assert!(error.to_string().contains("code"), "{error}");
        let error = read(|it| it["code_challenge_methods_supported"] = json!(["plain"]));
        assert!(error.unwrap_err().to_string().contains("S256"));
        assert!(read(|it| it["jwks_uri"] = json!(null)).is_err());
        // One that does not speak of it is given the challenge all the same.
        read(|it| it["code_challenge_methods_supported"] = json!(null)).unwrap();
    }
}
