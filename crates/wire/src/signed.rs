//! The envelope of the feed: payload, what it is, and an ECDSA P-256 signature
//! (FIPS 186-5, SHA-256) by the center's policy key.
//!
//! The kind is part of what is signed, so a delta can never pass as a snapshot.
//! Layout: magic `IRYF`, version 1, kind, key id (8 bytes: the first of the
//! SHA-256 of the public key), payload length (u32, big endian), payload,
//! signature (64 bytes, r and s).

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};

const MAGIC: &[u8; 4] = b"IRYF";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 4 + 1 + 1 + 8 + 4;
const SIGNATURE_BYTES: usize = 64;
const CONTEXT: &[u8] = b"iryonet policy feed v1\0";

/// What the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`crate::feed::Snapshot`].
    Snapshot = 1,
    /// [`crate::feed::Delta`].
    Delta = 2,
}

/// First eight bytes of the SHA-256 of the uncompressed public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    fn of(public_key: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, public_key);
        let mut id = [0; 8];
        for (place, byte) in id.iter_mut().zip(hash.as_ref()) {
            *place = *byte;
        }
        Self(id)
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Why an envelope is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Not an envelope, or cut short.
    #[error("these bytes are no signed policy (damaged or cut short)")]
    Damaged,
    /// Signed for another use.
    #[error("this is a signed {found:?}, and a {wanted:?} was wanted")]
    Kind {
        /// What it is.
        found: Kind,
        /// What it should be.
        wanted: Kind,
    },
    /// By a key that this gateway does not know.
    #[error(
        "signed with the unknown key {found}; the gateway believes only the policy keys it was set up with"
    )]
    UnknownKey {
        /// The key's id.
        found: KeyId,
    },
    /// The signature does not fit.
    #[error(
        "the signature by key {key} does not fit: altered on the way, or not made by the center"
    )]
    BadSignature {
        /// The key's id.
        key: KeyId,
    },
    /// The private key cannot be used.
    #[error("the policy key is no ECDSA P-256 private key in PKCS#8 form")]
    BadPrivateKey,
    /// The public key cannot be used.
    #[error("a policy key is an uncompressed P-256 point (65 bytes beginning with 04)")]
    BadPublicKey,
    /// The payload is larger than its length field can tell.
    #[error("the payload has {0} bytes, more than an envelope carries")]
    TooLarge(usize),
    /// The signing operation itself failed.
    #[error("the signature could not be made")]
    SigningFailed,
}

/// The center's policy key.
pub struct PolicySigner {
    key: EcdsaKeyPair,
    id: KeyId,
    random: SystemRandom,
}

impl std::fmt::Debug for PolicySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySigner")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl PolicySigner {
    /// Makes a new key; the bytes are its PKCS#8 form, to be kept secret.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate_pkcs8() -> Result<Vec<u8>, SignedError> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| SignedError::SigningFailed)
    }

    /// Reads the key from PKCS#8 DER.
    ///
    /// # Errors
    /// When it is not an ECDSA P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignedError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| SignedError::BadPrivateKey)?;
        let id = KeyId::of(key.public_key().as_ref());
        Ok(Self {
            key,
            id,
            random: SystemRandom::new(),
        })
    }

    /// The uncompressed public point, 65 bytes: what gateways are set up with.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Signs and seals a payload.
    ///
    /// # Errors
    /// When the payload is 4 GiB or more, or the system gives no randomness.
    pub fn seal(&self, kind: Kind, payload: &[u8]) -> Result<Vec<u8>, SignedError> {
        let length =
            u32::try_from(payload.len()).map_err(|_| SignedError::TooLarge(payload.len()))?;
        let mut out = Vec::with_capacity(HEADER_BYTES + payload.len() + SIGNATURE_BYTES);
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.push(kind as u8);
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
        let signature = self
            .key
            .sign(&self.random, &to_be_signed(&out))
            .map_err(|_| SignedError::SigningFailed)?;
        out.extend_from_slice(signature.as_ref());
        Ok(out)
    }
}

/// The policy keys that a gateway believes.
#[derive(Debug, Clone, Default)]
pub struct PolicyKeys(Vec<(KeyId, Vec<u8>)>);

impl PolicyKeys {
    /// Keys from uncompressed public points.
    ///
    /// # Errors
    /// When one is not a point of the right form.
    pub fn new<I: IntoIterator<Item = Vec<u8>>>(keys: I) -> Result<Self, SignedError> {
        keys.into_iter()
            .map(|key| {
                if key.len() == 65 && key.first() == Some(&4) {
                    Ok((KeyId::of(&key), key))
                } else {
                    Err(SignedError::BadPublicKey)
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The payload, if a known key signed it as this kind.
    ///
    /// # Errors
    /// When it is damaged, of another kind, or not signed by a known key.
    pub fn open<'a>(&self, wanted: Kind, envelope: &'a [u8]) -> Result<&'a [u8], SignedError> {
        let (header, rest) = envelope
            .split_at_checked(HEADER_BYTES)
            .ok_or(SignedError::Damaged)?;
        let [m0, m1, m2, m3, version, kind, id @ .., l0, l1, l2, l3] = header else {
            return Err(SignedError::Damaged);
        };
        if [*m0, *m1, *m2, *m3] != *MAGIC || *version != VERSION {
            return Err(SignedError::Damaged);
        }
        let found = match kind {
            1 => Kind::Snapshot,
            2 => Kind::Delta,
            _ => return Err(SignedError::Damaged),
        };
        if found != wanted {
            return Err(SignedError::Kind { found, wanted });
        }
        let id = KeyId(id.try_into().map_err(|_| SignedError::Damaged)?);
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        let (payload, signature) = rest.split_at_checked(length).ok_or(SignedError::Damaged)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(SignedError::Damaged);
        }
        let (_, public_key) = self
            .0
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(SignedError::UnknownKey { found: id })?;
        let signed_part = envelope
            .get(..HEADER_BYTES + length)
            .ok_or(SignedError::Damaged)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
            .verify(&to_be_signed(signed_part), signature)
            .map_err(|_| SignedError::BadSignature { key: id })?;
        Ok(payload)
    }
}

/// Domain separation: this key signs nothing else, and nothing else signs this.
fn to_be_signed(envelope_without_signature: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA256, envelope_without_signature);
    let mut out = Vec::with_capacity(CONTEXT.len() + 32);
    out.extend_from_slice(CONTEXT);
    out.extend_from_slice(hash.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer() -> PolicySigner {
        PolicySigner::from_pkcs8(&PolicySigner::generate_pkcs8().unwrap()).unwrap()
    }

    #[test]
    fn what_the_center_sealed_is_believed_by_gateways_that_know_its_key() {
        let signer = signer();
        let keys = PolicyKeys::new([signer.public_key()]).unwrap();
        let sealed = signer.seal(Kind::Snapshot, b"policy").unwrap();
        assert_eq!(keys.open(Kind::Snapshot, &sealed), Ok(&b"policy"[..]));
    }

    #[test]
    fn another_key_and_another_kind_are_not_believed() {
        let (one, other) = (signer(), signer());
        let keys = PolicyKeys::new([one.public_key()]).unwrap();
        assert_eq!(
            keys.open(Kind::Snapshot, &other.seal(Kind::Snapshot, b"x").unwrap()),
            Err(SignedError::UnknownKey { found: other.id() })
        );
        assert_eq!(
            keys.open(Kind::Snapshot, &one.seal(Kind::Delta, b"x").unwrap()),
            Err(SignedError::Kind {
                found: Kind::Delta,
                wanted: Kind::Snapshot
            })
        );
    }

    proptest! {
        #[test]
        fn one_altered_bit_anywhere_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, bit in 0u8..8) {
            let signer = signer();
            let keys = PolicyKeys::new([signer.public_key()]).unwrap();
            let mut sealed = signer.seal(Kind::Delta, &payload).unwrap();
            let place = at.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(keys.open(Kind::Delta, &sealed).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            prop_assert!(PolicyKeys::default().open(Kind::Delta, &bytes).is_err());
        }
    }
}
