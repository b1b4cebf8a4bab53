//! パスキー (W3C Web Authentication, level 3): a key that its authenticator uses
//! only after it has seen its holder (user verification), and for this center
//! only. It is two factors in one: the thing, and what opens it.
//!
//! No attestation is asked for and none is looked at: which make an authenticator
//! is, is not asked of officers of 600,000 institutions.
//!
//! It must not know HTTP, nor which account it is.

mod cbor;
pub mod ceremony;

pub use ceremony::{Ceremony, Purpose};

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cbor::Item;
use iryonet_domain::UnixMillis;
use serde::{Deserialize, Serialize};

/// Passkeys of one account.
pub const PER_ACCOUNT_MAX: usize = 8;
/// Longest name that an authenticator gives to a key, in octets (section 4).
const ID_MAX: usize = 1_023;
/// Longest of what a browser hands over, in octets.
const PART_MAX: usize = 16 << 10;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const KEY_INCLUDED: u8 = 1 << 6;

/// A key that may speak for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// As its authenticator calls it; base64url.
    pub id: String,
    /// As its holder calls it.
    pub name: String,
    key: PublicKey,
    /// How often it was used, as its authenticator counts; 0: it does not.
    pub sign_count: u32,
    /// May it be copied to other devices?
    pub backup_eligible: bool,
    /// Was it, when it was last used?
    pub backed_up: bool,
    /// When it was set up.
    pub created_at: UnixMillis,
    /// When it was last used.
    pub used_at: Option<UnixMillis>,
}

/// By what its signatures are verified (COSE, RFC 9053).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PublicKey {
    /// ES256: an uncompressed point.
    P256(Vec<u8>),
    /// EdDSA.
    Ed25519(Vec<u8>),
    /// RS256.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// Algorithms that are asked for, as COSE numbers them, best first.
pub const ALGORITHMS: [i32; 3] = [-7, -8, -257];

/// This center, as browsers know it.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// The host (the RP ID).
    pub id: &'a str,
    /// The listener, as a browser writes it.
    pub origin: &'a str,
}

/// Why what a browser handed over is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// Cut short, too long, not CBOR or JSON.
    #[error("the {0} is malformed")]
    Form(&'static str),
    /// Made for another act, another challenge, another page.
    #[error("the client data's {0} is not what is wanted")]
    ClientData(&'static str),
    /// For another center.
    #[error("it is for another party than {0:?}")]
    Party(String),
    /// The authenticator did not look who is there.
    #[error("the authenticator has not verified its user")]
    NotVerified,
    /// By no algorithm that is taken.
    #[error("the key is for an algorithm that was not asked for")]
    Algorithm,
    /// Not by this key.
    #[error("the signature is not the passkey's")]
    Signature,
    /// The authenticator counted back, so there are two of it.
    #[error("the authenticator's count went from {before} to {now}: there may be a copy of it")]
    Copied {
        /// As it was kept.
        before: u32,
        /// As it is shown.
        now: u32,
    },
    /// What can never change did.
    #[error("whether the passkey may be copied was said otherwise before")]
    BackupEligibility,
}

/// What a browser hands over for a new one (section 5.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `attestationObject`.
    pub attestation: &'a [u8],
}

/// What a browser hands over for one that is there (section 5.2.2).
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// `signature`.
    pub signature: &'a [u8],
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    act: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// What an authenticator says in each (section 6.1).
struct Said<'a> {
    flags: u8,
    count: u32,
    rest: &'a [u8],
}

impl Passkey {
    /// A new one (section 7.1).
    ///
    /// # Errors
    /// When anything of it is not what was asked for.
    pub fn register(
        shown: &Registration<'_>,
        party: &Party<'_>,
        challenge: &str,
        name: &str,
        now: UnixMillis,
    ) -> Result<Self, PasskeyError> {
        check_client_data(shown.client_data, "webauthn.create", party, challenge)?;
        if shown.attestation.len() > PART_MAX {
            return Err(PasskeyError::Form("attestation"));
        }
        let (object, []) =
            Item::first(shown.attestation).ok_or(PasskeyError::Form("attestation"))?
        else {
            return Err(PasskeyError::Form("attestation"));
        };
        let Some(Item::Octets(data)) = object.get(&Item::Text("authData")) else {
            return Err(PasskeyError::Form("attestation"));
        };
        let said = said(data, party)?;
        let malformed = PasskeyError::Form("authenticator data");
        if said.flags & KEY_INCLUDED == 0 {
            return Err(malformed);
        }
        // Model, length of the name, name, key (section 6.5.1).
        let (id, rest) = said
            .rest
            .split_at_checked(18)
            .and_then(|(head, rest)| {
                let length = u16::from_be_bytes(*head.last_chunk::<2>()?);
                rest.split_at_checked(usize::from(length))
            })
            .ok_or_else(|| malformed.clone())?;
        if id.is_empty() || id.len() > ID_MAX {
            return Err(malformed);
        }
        // Extensions may follow.
        let (key, _) = Item::first(rest).ok_or(malformed)?;
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(id),
            name: name.to_owned(),
            key: PublicKey::read(&key).ok_or(PasskeyError::Algorithm)?,
            sign_count: said.count,
            backup_eligible: said.flags & BACKUP_ELIGIBLE != 0,
            backed_up: said.flags & BACKED_UP != 0,
            created_at: now,
            used_at: None,
        })
    }

    /// Used (section 7.2): counts, when it is this one.
    ///
    /// # Errors
    /// When it is not, or there may be a copy of it; nothing is changed then.
    pub fn assert(
        &mut self,
        shown: &Assertion<'_>,
        party: &Party<'_>,
        challenge: &str,
        now: UnixMillis,
    ) -> Result<(), PasskeyError> {
        check_client_data(shown.client_data, "webauthn.get", party, challenge)?;
        let said = said(shown.authenticator_data, party)?;
        let hash = digest::digest(&digest::SHA256, shown.client_data);
        let message = [shown.authenticator_data, hash.as_ref()].concat();
        self.key
            .verify(&message, shown.signature)
            .ok_or(PasskeyError::Signature)?;
        if (said.flags & BACKUP_ELIGIBLE != 0) != self.backup_eligible {
            return Err(PasskeyError::BackupEligibility);
        }
        if (said.count != 0 || self.sign_count != 0) && said.count <= self.sign_count {
            return Err(PasskeyError::Copied {
                before: self.sign_count,
                now: said.count,
            });
        }
        self.sign_count = said.count;
        self.backed_up = said.flags & BACKED_UP != 0;
        self.used_at = Some(now);
        Ok(())
    }
}

fn check_client_data(
    octets: &[u8],
    act: &str,
    party: &Party<'_>,
    challenge: &str,
) -> Result<(), PasskeyError> {
    if octets.len() > PART_MAX {
        return Err(PasskeyError::Form("client data"));
    }
    let data: ClientData =
        serde_json::from_slice(octets).map_err(|_| PasskeyError::Form("client data"))?;
    if data.act != act {
        return Err(PasskeyError::ClientData("type"));
    }
    if data.challenge != challenge {
        return Err(PasskeyError::ClientData("challenge"));
    }
    if data.origin != party.origin || data.cross_origin {
        return Err(PasskeyError::ClientData("origin"));
    }
    Ok(())
}

fn said<'a>(octets: &'a [u8], party: &Party<'_>) -> Result<Said<'a>, PasskeyError> {
    let malformed = PasskeyError::Form("authenticator data");
    if octets.len() > PART_MAX {
        return Err(malformed);
    }
    let (head, rest) = octets
        .split_first_chunk::<37>()
        .ok_or_else(|| malformed.clone())?;
    let (hash, [flags, count @ ..]) = head.split_at(32) else {
        return Err(malformed);
    };
    if hash != digest::digest(&digest::SHA256, party.id.as_bytes()).as_ref() {
        return Err(PasskeyError::Party(party.id.to_owned()));
    }
    if flags & USER_PRESENT == 0 || flags & USER_VERIFIED == 0 {
        return Err(PasskeyError::NotVerified);
    }
    // Copied, and yet never to be copied (section 6.1.3).
    if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
        return Err(malformed);
    }
    Ok(Said {
        flags: *flags,
        count: count
            .iter()
            .fold(0, |count, octet| count << 8 | u32::from(*octet)),
        rest,
    })
}

impl PublicKey {
    fn read(key: &Item<'_>) -> Option<Self> {
        let (kind, algorithm) = (key.number_at(1)?, key.number_at(3)?);
        match (kind, algorithm) {
            (2, -7) if key.number_at(-1) == Some(1) => {
                let (x, y) = (key.octets_at(-2)?, key.octets_at(-3)?);
                (x.len() == 32 && y.len() == 32).then(|| Self::P256([&[4], x, y].concat()))
            }
            (1, -8) if key.number_at(-1) == Some(6) => {
                let x = key.octets_at(-2)?;
                (x.len() == 32).then(|| Self::Ed25519(x.to_vec()))
            }
            (3, -257) => Some(Self::Rsa {
                n: key.octets_at(-1)?.to_vec(),
                e: key.octets_at(-2)?.to_vec(),
            }),
            _ => None,
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let done = match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(message, signature),
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        done.ok()
    }
}
