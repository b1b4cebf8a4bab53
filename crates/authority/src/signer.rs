//! Who holds a CA's key. A file today; a PKCS#11 token fits the same trait,
//! because a signer is asked for signatures and never for its key.

use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};

/// Something that signs with a CA's key.
///
/// A token implements rcgen's `SigningKey` (hash and sign a message, tell the
/// public key) and this marker.
pub trait Signer: SigningKey + Send + Sync {}

impl Signer for KeyPair {}

/// Kinds of keys that a CA may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaKey {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
}

impl CaKey {
    /// Makes a new key in memory.
    ///
    /// # Errors
    /// When the generator fails.
    pub(crate) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::generate_for(match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        })
    }

    /// The kind that signs with this algorithm, if it is one of ours.
    pub(crate) fn of(algorithm: &SignatureAlgorithm) -> Option<Self> {
        [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Self::P256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Self::P384),
        ]
        .into_iter()
        .find(|(known, _)| *known == algorithm)
        .map(|(_, key)| key)
    }
}

/// Lets the real key sign one message only: the one that passed the lint.
///
/// The certificate is encoded twice, for the throw-away key and for the real
/// one. Should the second encoding differ in a single octet, nothing is signed.
pub(crate) struct OnlyThis<'a> {
    pub(crate) signer: &'a dyn Signer,
    pub(crate) message: &'a [u8],
}

impl PublicKeyData for OnlyThis<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.signer.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.signer.algorithm()
    }
}

impl SigningKey for OnlyThis<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        if message == self.message {
            self.signer.sign(message)
        } else {
            Err(rcgen::Error::RemoteKeyError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_key_signs_nothing_that_was_not_linted() {
        let key = CaKey::P256.generate().unwrap();
        let only = OnlyThis {
            signer: &key,
            message: b"linted",
        };
        assert!(only.sign(b"linted").is_ok());
        assert!(only.sign(b"another").is_err());
    }
}
