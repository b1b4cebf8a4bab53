//! What a handshake needs to be carried to its end: key agreement, key
//! schedules, record protection, signatures. aws-lc does the work; this says in
//! which order TLS wants it.
//!
//! Only what the rules ask to be spoken is here: AES-GCM and ChaCha20 in TLS
//! 1.2 and 1.3. Everything older is asked about in its first flight and never
//! spoken.

pub(crate) mod agree;
pub(crate) mod protect;
pub(crate) mod schedule;
pub(crate) mod sign;
pub(crate) mod tls12;
pub(crate) mod verify;

use crate::suite::Suite;
use aws_lc_rs::{aead, digest, hkdf, hmac, tls_prf};

/// A step failed: a key that is none, a tag that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cryptographic step failed")]
pub(crate) struct Failed;

impl From<aws_lc_rs::error::Unspecified> for Failed {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

/// The hash of a suite's key schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
}

impl Hash {
    pub(crate) fn octets(self) -> usize {
        self.digest().output_len()
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }

    pub(crate) fn of(self, octets: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), octets).as_ref().to_vec()
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
        }
    }

    fn prf(self) -> &'static tls_prf::Algorithm {
        match self {
            Self::Sha256 => &tls_prf::P_SHA256,
            Self::Sha384 => &tls_prf::P_SHA384,
        }
    }
}

/// How a suite that is spoken here hashes and encrypts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cipher {
    pub(crate) hash: Hash,
    pub(crate) aead: &'static aead::Algorithm,
    /// Octets of the nonce that each record of TLS 1.2 carries (RFC 5288; none
    /// with ChaCha20, RFC 7905).
    pub(crate) explicit_nonce: usize,
}

impl Cipher {
    /// `None` for suites that are not spoken here.
    pub(crate) fn of(suite: Suite) -> Option<Self> {
        let (hash, aead, explicit_nonce) = match suite.0 {
            0xC02B | 0xC02F | 0x009E => (Hash::Sha256, &aead::AES_128_GCM, 8),
            0xC02C | 0xC030 | 0x009F => (Hash::Sha384, &aead::AES_256_GCM, 8),
            0xCCA8..=0xCCAA => (Hash::Sha256, &aead::CHACHA20_POLY1305, 0),
            0x1301 => (Hash::Sha256, &aead::AES_128_GCM, 0),
            0x1302 => (Hash::Sha384, &aead::AES_256_GCM, 0),
            0x1303 => (Hash::Sha256, &aead::CHACHA20_POLY1305, 0),
            _ => return None,
        };
        Some(Self {
            hash,
            aead,
            explicit_nonce,
        })
    }
}
