//! The keys of an issuer (JSON Web Key Set, RFC 7517), and what they sign
//! (RFC 7515). Four algorithms, each with keys of one kind; `none` and shared
//! secrets are not among them, so that no token can choose to be believed.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Most keys of one issuer; what comes after them is not looked at.
const KEYS_MAX: usize = 64;

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256; the one that every issuer has (OpenID Connect
    /// Core, section 15.1).
    Rs256,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// ECDSA, P-384, SHA-384.
    Es384,
}

impl Algorithm {
    /// By its name in a token's header.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            _ => None,
        }
    }
}

enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    public: Public,
}

/// An issuer's keys that may sign.
pub struct Keys(Vec<Key>);

/// What was fetched is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not JSON, or without `keys`.
    #[error("the issuer's keys cannot be read")]
    Form(#[source] serde_json::Error),
    /// None of them can sign by an algorithm that is taken.
    #[error("the issuer has no key for RS256, PS256, ES256 or ES384")]
    None,
}

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// By a key that is not among these: perhaps they are old.
    #[error("it is signed by a key that is not among the issuer's")]
    UnknownKey,
    /// The key does not say so.
    #[error("its signature is not the issuer's")]
    Signature,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Raw {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl Raw {
    fn key(self) -> Option<Key> {
        if self.purpose.as_deref().is_some_and(|what| what != "sig") {
            return None;
        }
        let octets = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let point = |length: usize| {
            let (x, y) = (octets(&self.x)?, octets(&self.y)?);
            // RFC 7518, section 6.2.1.2: the full length, leading zeros too.
            (x.len() == length && y.len() == length)
                .then(|| [&[4][..], x.as_slice(), y.as_slice()].concat())
        };
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Public::Rsa {
                n: octets(&self.n)?,
                e: octets(&self.e)?,
            },
            ("EC", Some("P-256")) => Public::P256(point(32)?),
            ("EC", Some("P-384")) => Public::P384(point(48)?),
            _ => return None,
        };
        Some(Key {
            id: self.kid,
            algorithm: self.alg,
            public,
        })
    }
}

impl Keys {
    /// From what the issuer publishes. Keys of kinds that are not known, or for
    /// other purposes, are passed over (RFC 7517, section 5).
    ///
    /// # Errors
    /// When it is no set of keys, or none of them could sign.
    pub fn read(octets: &[u8]) -> Result<Self, KeysError> {
        let raw: RawSet = serde_json::from_slice(octets).map_err(KeysError::Form)?;
        let keys: Vec<Key> = raw
            .keys
            .into_iter()
            .take(KEYS_MAX)
            .filter_map(|key| serde_json::from_value::<Raw>(key).ok()?.key())
            .collect();
        if keys.is_empty() {
            return Err(KeysError::None);
        }
        Ok(Self(keys))
    }

    /// Is `signature` one of `message` by the key of this name, or, where none
    /// is named, by the only one for this algorithm?
    ///
    /// # Errors
    /// When it is not; the error tells whether newer keys could help.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Unverified> {
        let mut fitting = self.0.iter().filter(|key| {
            id.is_none_or(|id| key.id.as_deref() == Some(id))
                && key
                    .algorithm
                    .as_deref()
                    .is_none_or(|named| Algorithm::named(named) == Some(algorithm))
                && key.public.is_for(algorithm)
        });
        let (Some(key), None) = (fitting.next(), fitting.next()) else {
            return Err(Unverified::UnknownKey);
        };
        key.public
            .verify(algorithm, message, signature)
            .ok_or(Unverified::Signature)
    }
}

impl Public {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
        }
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<()> {
        let done = match (self, algorithm) {
            (Self::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            (Self::Rsa { n, e }, Algorithm::Ps256) => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PSS_2048_8192_SHA256,
                message,
                signature,
            ),
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            _ => return None,
        };
        done.ok()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|key| key.id.as_deref().unwrap_or("-"));
        f.debug_list().entries(names).finish()
    }
}
