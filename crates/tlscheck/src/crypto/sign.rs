//! Our own certificate and key, as a client or a server that is being looked at.

use super::Failed;
use crate::scheme::Scheme;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// Why a certificate or key of ours cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No certificate in the file.
    #[error("{what} holds no certificate in PEM; it must begin with -----BEGIN CERTIFICATE-----")]
    NoCertificate {
        /// Which input.
        what: &'static str,
    },
    /// No private key in the file.
    #[error("the key file holds no private key in PEM (PKCS#8, SEC1 or PKCS#1, not encrypted)")]
    NoKey,
    /// A kind of key that is not used here.
    #[error(
        "the key is of no kind that can be used; ECDSA P-256 or P-384, or RSA of 2048 bits or more, is right"
    )]
    Key,
    /// More than a chain has.
    #[error("{what} holds {have} certificates; at most {limit} are taken")]
    TooMany {
        /// Which input.
        what: &'static str,
        /// Found.
        have: usize,
        /// Allowed.
        limit: usize,
    },
    /// A root that is none.
    #[error("certificate {place} of the roots cannot be used: {why}")]
    Root {
        /// Which, counted from 1.
        place: usize,
        /// What is wrong.
        why: String,
    },
    /// The two do not belong together.
    #[error("the key is not the certificate's; give the pair that was made together")]
    NotAPair,
}

enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A certificate with its chain and key. The key never leaves it.
#[derive(Clone)]
pub struct OwnIdentity {
    chain: Arc<[Vec<u8>]>,
    key: Arc<Key>,
}

/// Most certificates in our own chain.
const CHAIN_MAX: usize = 8;

impl OwnIdentity {
    /// From PEM: the chain with the leaf first, and the key.
    ///
    /// # Errors
    /// When either is missing or of no use, or when they are not a pair.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, IdentityError> {
        let chain = certificates("the certificate file", chain_pem, CHAIN_MAX)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| IdentityError::NoKey)?;
        let key = Key::read(&key).ok_or(IdentityError::Key)?;
        let identity = Self {
            chain: chain.into(),
            key: Arc::new(key),
        };
        // A pair signs what its certificate verifies.
        let scheme = identity
            .schemes()
            .first()
            .copied()
            .ok_or(IdentityError::Key)?;
        let probe = b"these two belong together";
        let signed = identity
            .sign(scheme, probe)
            .map_err(|_| IdentityError::Key)?;
        match super::verify::verify(identity.leaf(), scheme, probe, &signed) {
            Ok(Some(())) => Ok(identity),
            _ => Err(IdentityError::NotAPair),
        }
    }

    /// The certificates in DER, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    /// What the key can sign with, best first.
    pub(crate) fn schemes(&self) -> &'static [Scheme] {
        match *self.key {
            Key::P256(_) => &[Scheme(0x0403)],
            Key::P384(_) => &[Scheme(0x0503)],
            // PSS before the older encoding: TLS 1.3 takes nothing else.
            Key::Rsa(_) => &[
                Scheme(0x0804),
                Scheme(0x0805),
                Scheme(0x0401),
                Scheme(0x0501),
            ],
        }
    }

    pub(crate) fn is_rsa(&self) -> bool {
        matches!(*self.key, Key::Rsa(_))
    }

    pub(crate) fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let random = SystemRandom::new();
        match (&*self.key, scheme.0) {
            (Key::P256(key), 0x0403) | (Key::P384(key), 0x0503) => {
                Ok(key.sign(&random, message)?.as_ref().to_vec())
            }
            (Key::Rsa(key), code) => {
                let padding: &'static dyn signature::RsaEncoding = match code {
                    0x0401 => &signature::RSA_PKCS1_SHA256,
                    0x0501 => &signature::RSA_PKCS1_SHA384,
                    0x0804 => &signature::RSA_PSS_SHA256,
                    0x0805 => &signature::RSA_PSS_SHA384,
                    _ => return Err(Failed),
                };
                let mut signed = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signed)?;
                Ok(signed)
            }
            _ => Err(Failed),
        }
    }
}

impl Key {
    fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let curves = [
            &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        ];
        for (place, algorithm) in curves.into_iter().enumerate() {
            let pair = match der {
                PrivateKeyDer::Pkcs8(key) => {
                    EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der())
                }
                PrivateKeyDer::Sec1(key) => {
                    EcdsaKeyPair::from_private_key_der(algorithm, key.secret_sec1_der())
                }
                _ => continue,
            };
            if let Ok(pair) = pair {
                return Some(if place == 0 {
                    Self::P256(pair)
                } else {
                    Self::P384(pair)
                });
            }
        }
        match der {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return None,
        }
        .ok()
        .map(Self::Rsa)
    }
}

impl std::fmt::Debug for OwnIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnIdentity(key not shown)")
    }
}

/// The certificates of a PEM file in DER.
pub(crate) fn certificates(
    what: &'static str,
    pem: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>, IdentityError> {
    let found: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| IdentityError::NoCertificate { what })?
        .into_iter()
        .map(|der| der.to_vec())
        .collect();
    match found.len() {
        0 => Err(IdentityError::NoCertificate { what }),
        have if have > limit => Err(IdentityError::TooMany { what, have, limit }),
        _ => Ok(found),
    }
}
