//! Who holds a CA's key, and the pen that a certificate is signed with.
//!
//! A signer is asked for signatures and never for its key, so that a file and
//! a PKCS#11 token ([`crate::token`]) are the same to everybody else.

use crate::csr::{KeyKind, SubjectKey};
use crate::token::TokenError;
use rcgen::{KeyPair, PublicKeyData, RsaKeySize, SignatureAlgorithm, SigningKey};
use std::cell::RefCell;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Kinds of keys that a CA may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaKey {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// RSA of 2048 bits, PKCS#1 v1.5 with SHA-256.
    Rsa2048,
    /// RSA of 3072 bits, PKCS#1 v1.5 with SHA-256: the hash is as strong as
    /// the key (128 bits, NIST SP 800-57 part 1, table 2).
    Rsa3072,
}

/// The word names no kind of CA key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of CA key; known are p256, p384, rsa2048 and rsa3072")]
pub struct UnknownCaKey(pub String);

impl CaKey {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::Rsa2048, Self::Rsa3072];

    /// The word used in commands and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
        }
    }

    /// Makes a new key in memory.
    pub(crate) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::P256 | Self::P384 => KeyPair::generate_for(self.algorithm()),
            Self::Rsa2048 => KeyPair::generate_rsa_for(self.algorithm(), RsaKeySize::_2048),
            Self::Rsa3072 => KeyPair::generate_rsa_for(self.algorithm(), RsaKeySize::_3072),
        }
    }

    /// What it signs with.
    pub(crate) fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Rsa2048 | Self::Rsa3072 => &rcgen::PKCS_RSA_SHA256,
        }
    }

    /// The AlgorithmIdentifier of its signatures, DER (RFC 5758 section 3.2,
    /// RFC 4055 section 5).
    pub(crate) fn signature_algorithm_der(self) -> &'static [u8] {
        match self {
            // ecdsa-with-SHA256, no parameters
            Self::P256 => &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
            // ecdsa-with-SHA384, no parameters
            Self::P384 => &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
            // sha256WithRSAEncryption, NULL
            Self::Rsa2048 | Self::Rsa3072 => &[
                0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0,
            ],
        }
    }

    /// The kind of this public key, if a CA may have it.
    pub(crate) fn of(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        match SubjectKey::read(info).ok()?.kind() {
            KeyKind::P256 => Some(Self::P256),
            KeyKind::P384 => Some(Self::P384),
            KeyKind::Rsa { bits: 2048 } => Some(Self::Rsa2048),
            KeyKind::Rsa { bits: 3072 } => Some(Self::Rsa3072),
            KeyKind::Rsa { .. } => None,
        }
    }
}

impl std::str::FromStr for CaKey {
    type Err = UnknownCaKey;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|key| key.as_str() == word)
            .ok_or_else(|| UnknownCaKey(word.chars().take(40).collect()))
    }
}

impl std::fmt::Display for CaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key in memory did not sign.
    #[error("the CA's key did not sign")]
    Key(#[source] rcgen::Error),
    /// The token did not.
    #[error("the token that holds the CA's key did not sign")]
    Token(#[from] TokenError),
}

/// Something that signs with a CA's key.
pub trait Signer: Send + Sync {
    /// What kind of key it is.
    fn kind(&self) -> CaKey;

    /// The public key as it stands in a certificate's subjectPublicKey: the
    /// uncompressed point, or the RSAPublicKey in DER.
    fn public_key(&self) -> &[u8];

    /// Hashes and signs `message`; ECDSA signatures in DER (RFC 3279 section
    /// 2.2.3). May wait for a token: call it where waiting is allowed.
    ///
    /// # Errors
    /// When the key is not to be had; the next call tries anew.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Of how many signatures one is verified before it is handed out. Every
    /// one, unless signer and verifier are the same library in the same memory.
    fn verified_one_in(&self) -> u64 {
        1
    }
}

/// A key in this process's memory, read from a file or made here.
pub struct MemorySigner {
    pair: KeyPair,
    kind: CaKey,
}

impl MemorySigner {
    /// Takes a key pair of a kind that a CA may have.
    #[must_use]
    pub fn new(pair: KeyPair) -> Option<Self> {
        let info = pair.subject_public_key_info();
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&info).ok()?;
        let kind = CaKey::of(&parsed)?;
        Some(Self { pair, kind })
    }
}

impl Signer for MemorySigner {
    fn kind(&self) -> CaKey {
        self.kind
    }

    fn public_key(&self) -> &[u8] {
        self.pair.der_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        SigningKey::sign(&self.pair, message).map_err(SignError::Key)
    }

    /// Verifying costs three times what signing does, and what could go wrong
    /// in between is this machine's memory: a sample finds a machine that
    /// breaks, and the first signature after each start is in it.
    fn verified_one_in(&self) -> u64 {
        64
    }
}

impl std::fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemorySigner({}, key not shown)", self.kind)
    }
}

/// A signer's public key, as rcgen and SubjectPublicKeyInfo want it.
pub(crate) struct PublicPart<'a>(pub(crate) &'a dyn Signer);

impl PublicKeyData for PublicPart<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.kind().algorithm()
    }
}

/// What rcgen signs with. Everything that is to be signed is looked at first,
/// octet for octet as the key will see it; what `look` refuses reaches no key.
/// rcgen's errors cannot carry ours, so the true one is kept here.
pub(crate) struct Pen<'a, E> {
    signer: &'a dyn Signer,
    look: &'a dyn Fn(&[u8]) -> Result<(), E>,
    failed: RefCell<Option<Failed<E>>>,
}

pub(crate) enum Failed<E> {
    Refused(E),
    Sign(SignError),
}

/// For what has no lint.
pub(crate) fn anything(_: &[u8]) -> Result<(), std::convert::Infallible> {
    Ok(())
}

impl<'a, E> Pen<'a, E> {
    pub(crate) fn new(signer: &'a dyn Signer, look: &'a dyn Fn(&[u8]) -> Result<(), E>) -> Self {
        Self {
            signer,
            look,
            failed: RefCell::new(None),
        }
    }

    /// Why signing failed, when it was not rcgen itself.
    pub(crate) fn failed(self) -> Option<Failed<E>> {
        self.failed.into_inner()
    }
}

impl<E> PublicKeyData for Pen<'_, E> {
    fn der_bytes(&self) -> &[u8] {
        self.signer.public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.signer.kind().algorithm()
    }
}

impl<E> SigningKey for Pen<'_, E> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let failed = match (self.look)(message) {
            Err(error) => Failed::Refused(error),
            Ok(()) => match self.signer.sign(message) {
                Ok(signature) => return Ok(signature),
                Err(error) => Failed::Sign(error),
            },
        };
        *self.failed.borrow_mut() = Some(failed);
        Err(rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Counted(MemorySigner, AtomicU32);

    impl Signer for Counted {
        fn kind(&self) -> CaKey {
            self.0.kind()
        }
        fn public_key(&self) -> &[u8] {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Signer::sign(&self.0, message)
        }
    }

    #[test]
    fn the_real_key_signs_nothing_that_was_refused_before() {
        let pair = CaKey::P256.generate().unwrap();
        let signer = Counted(MemorySigner::new(pair).unwrap(), AtomicU32::new(0));
        let look = |message: &[u8]| {
            if message == b"good" {
                Ok(())
            } else {
                Err("not this")
            }
        };
        let pen = Pen::new(&signer, &look);
        assert!(SigningKey::sign(&pen, b"good").is_ok());
        assert!(SigningKey::sign(&pen, b"bad").is_err());
        assert_eq!(signer.1.load(Ordering::Relaxed), 1);
        assert!(matches!(pen.failed(), Some(Failed::Refused("not this"))));
    }

    #[test]
    fn each_kind_of_key_is_known_again_by_its_public_part() {
        for kind in CaKey::ALL {
            let signer = MemorySigner::new(kind.generate().unwrap()).unwrap();
            assert_eq!(signer.kind(), kind);
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("ed25519".parse::<CaKey>().is_err());
        let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert!(MemorySigner::new(other).is_none());
    }
}
