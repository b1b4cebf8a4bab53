//! An ID token (OpenID Connect Core 1.0, sections 2 and 3.1.3.7): signed by the
//! issuer, for us, for this one login, a moment ago, by somebody who showed a
//! second factor. Whatever of that is not shown is refused by its name.

use super::keys::{Algorithm, Keys, Unverified};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::UnixMillis;
use iryonet_registry::Login;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// Longest token, in bytes.
pub const TOKEN_MAX_BYTES: usize = 16 << 10;
/// How far the issuer's clock may be from ours, in milliseconds.
pub const SKEW_MS: u64 = 60_000;
/// How old a token may be that is redeemed in the same moment, in milliseconds,
/// beside the clocks' difference.
const AGE_MAX_MS: u64 = 5 * 60_000;
/// Longest subject (OpenID Connect Core, section 2), in characters.
const SUBJECT_MAX_CHARS: usize = 255;

/// What a token must say to be believed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Who says it.
    pub issuer: &'a str,
    /// Whom it is said to: our name there.
    pub client_id: &'a str,
    /// What this login was begun with.
    pub nonce: &'a str,
    /// One of these classes of authentication; none: whichever.
    pub acr: &'a [String],
    /// At least one of these methods among those used (RFC 8176); none: whichever.
    pub amr: &'a [String],
    /// How long ago the person may have shown who they are, in seconds.
    pub max_age_s: u64,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url, not JSON, a field missing or twice.
    #[error("the token is malformed: {0}")]
    Form(String),
    /// `none`, a shared secret, or one that is not taken.
    #[error("the token is signed by {0:?}; RS256, PS256, ES256 and ES384 are taken")]
    Algorithm(String),
    /// A header that must be understood (RFC 7515, section 4.1.11).
    #[error("the token's header wants something to be understood that is not known here (crit)")]
    Critical,
    /// Not the issuer's.
    #[error("the token is not the issuer's: {0}")]
    Unverified(#[from] Unverified),
    /// Says something else than is wanted.
    #[error("the token's {claim} is not what is wanted: {why}")]
    Claim {
        /// Which claim.
        claim: &'static str,
        /// Why not.
        why: String,
    },
    /// No second factor was shown, as far as the issuer says.
    #[error("the issuer says by its {claim} that no second factor was shown that is taken here")]
    SecondFactor {
        /// `acr` or `amr`.
        claim: &'static str,
    },
    /// The person showed who they are too long ago.
    #[error("the person showed who they are {age_s} s ago; at most {max_age_s} s are taken")]
    TooLongAgo {
        /// How long ago, in seconds.
        age_s: u64,
        /// What is taken, in seconds.
        max_age_s: u64,
    },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    #[serde(deserialize_with = "time")]
    exp: UnixMillis,
    #[serde(deserialize_with = "time")]
    iat: UnixMillis,
    #[serde(default, deserialize_with = "perhaps_time")]
    nbf: Option<UnixMillis>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default, deserialize_with = "perhaps_time")]
    auth_time: Option<UnixMillis>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
fn time<'de, D: Deserializer<'de>>(reader: D) -> Result<UnixMillis, D::Error> {
    let seconds = f64::deserialize(reader)?;
    // Until the year 5138: what is beyond is no time, but an attempt.
    if !(0.0..1e11).contains(&seconds) {
        return Err(D::Error::custom(format!("{seconds} is no time")));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range just looked at"
    )]
    Ok(UnixMillis((seconds * 1_000.0) as u64))
}

fn perhaps_time<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<UnixMillis>, D::Error> {
    time(reader).map(Some)
}

/// Whom the token names, if it is believed at `now`.
///
/// # Errors
/// Why it is not. [`Unverified::UnknownKey`] may mean that the keys are old.
pub fn check(
    token: &str,
    keys: &Keys,
    wanted: &Wanted<'_>,
    now: UnixMillis,
) -> Result<Login, TokenError> {
    let malformed = |why: &str| TokenError::Form(why.to_owned());
    if token.len() > TOKEN_MAX_BYTES {
        return Err(malformed("it is longer than any"));
    }
    let (message, signature) = token
        .rsplit_once('.')
        .ok_or_else(|| malformed("it has not three parts"))?;
    let (header, claims) = message
        .split_once('.')
        .ok_or_else(|| malformed("it has not three parts"))?;
    let octets = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|error| TokenError::Form(error.to_string()))
    };
    let json = |error: serde_json::Error| TokenError::Form(error.to_string());
    let header: Header = serde_json::from_slice(&octets(header)?).map_err(json)?;
    let algorithm = Algorithm::named(&header.alg)
        .ok_or_else(|| TokenError::Algorithm(header.alg.chars().take(20).collect()))?;
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    keys.verify(
        algorithm,
        header.kid.as_deref(),
        message.as_bytes(),
        &octets(signature)?,
    )?;
    // Only what is signed is read on.
    let claims: Claims = serde_json::from_slice(&octets(claims)?).map_err(json)?;
    claims.check(wanted, now)
}

fn claim(claim: &'static str, why: impl Into<String>) -> TokenError {
    TokenError::Claim {
        claim,
        why: why.into(),
    }
}

impl Claims {
    fn check(self, wanted: &Wanted<'_>, now: UnixMillis) -> Result<Login, TokenError> {
        if self.iss != wanted.issuer {
            return Err(claim("iss", "it is another issuer's"));
        }
        // One audience and it is us: a token that others may show as well is no
        // proof that somebody came to us.
        let ours = match &self.aud {
            Audience::One(only) => only == wanted.client_id,
            Audience::Many(all) => matches!(all.as_slice(), [only] if only == wanted.client_id),
        };
        if !ours {
            return Err(claim("aud", "it is not for this center alone"));
        }
        if self.azp.is_some_and(|party| party != wanted.client_id) {
            return Err(claim("azp", "it was given to another"));
        }
        if self.nonce.as_deref() != Some(wanted.nonce) {
            return Err(claim("nonce", "it belongs to another login"));
        }
        if now >= self.exp.plus_ms(SKEW_MS) {
            return Err(claim("exp", "it is over"));
        }
        let latest = now.plus_ms(SKEW_MS);
        if self.iat > latest || self.nbf.is_some_and(|from| from > latest) {
            return Err(claim("iat", "it is from the future; compare the clocks"));
        }
        if now.since_ms(self.iat) > AGE_MAX_MS + SKEW_MS {
            return Err(claim("iat", "it is old; compare the clocks"));
        }
        let shown_at = self
            .auth_time
            .ok_or_else(|| claim("auth_time", "it is missing, though max_age was asked for"))?;
        if shown_at > latest {
            return Err(claim("auth_time", "it is from the future"));
        }
        let age_ms = now.since_ms(shown_at);
        if age_ms > wanted.max_age_s * 1_000 + SKEW_MS {
            return Err(TokenError::TooLongAgo {
                age_s: age_ms / 1_000,
                max_age_s: wanted.max_age_s,
            });
        }
        let acr_fits = self.acr.is_some_and(|acr| wanted.acr.contains(&acr));
        if !wanted.acr.is_empty() && !acr_fits {
            return Err(TokenError::SecondFactor { claim: "acr" });
        }
        let amr_fits = self.amr.iter().any(|method| wanted.amr.contains(method));
        if !wanted.amr.is_empty() && !amr_fits {
            return Err(TokenError::SecondFactor { claim: "amr" });
        }
        let subject_fits = !self.sub.is_empty()
            && self.sub.chars().count() <= SUBJECT_MAX_CHARS
            && !self.sub.chars().any(char::is_control)
            // Kept as it is: a name that is trimmed or folded is another's.
            && self.sub.trim() == self.sub;
        if !subject_fits {
            return Err(claim("sub", "it names nobody who could be linked"));
        }
        Ok(Login {
            issuer: self.iss,
            subject: self.sub,
        })
    }
}
