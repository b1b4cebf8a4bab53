//! Certificate requests (PKCS#10, RFC 2986): read, checked, and reduced to the
//! one thing that is taken from them, the public key.
//!
//! Subject, names, usages and extensions in a request are never even looked at:
//! whom a certificate is for comes from the enrolment. rcgen's own reader is
//! not used, because it takes the key's curve from the signature's algorithm
//! and fails on extensions that old routers ask for.

use rcgen::{PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::oid_registry::{self as oid, Oid};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The largest request, in octets, PEM or DER.
pub const CSR_LIMIT: usize = 16 * 1024;
/// The smallest RSA key, in bits.
pub const RSA_BITS_MIN: usize = 2048;
/// The largest RSA key, in bits: larger ones only cost time at each handshake.
pub const RSA_BITS_MAX: usize = 4096;

/// Keys that institutions may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 (the default on site).
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of so many bits, for old routers.
    Rsa {
        /// Bits of the modulus, 2048 to 4096.
        bits: usize,
    },
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
        }
    }
}

/// Which keys a network takes in the certificates of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafKeys {
    /// ECDSA on P-256.
    pub p256: bool,
    /// ECDSA on P-384.
    pub p384: bool,
    /// RSA of 2048 bits up to so many, if at all.
    pub rsa_bits_max: Option<usize>,
}

impl Default for LeafKeys {
    /// Every kind: a network has routers of all ages.
    fn default() -> Self {
        Self {
            p256: true,
            p384: true,
            rsa_bits_max: Some(RSA_BITS_MAX),
        }
    }
}

impl LeafKeys {
    /// Is this kind among them?
    #[must_use]
    pub fn take(&self, key: KeyKind) -> bool {
        match key {
            KeyKind::P256 => self.p256,
            KeyKind::P384 => self.p384,
            KeyKind::Rsa { bits } => self.rsa_bits_max.is_some_and(|most| bits <= most),
        }
    }
}

impl std::fmt::Display for LeafKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut kinds = Vec::new();
        if self.p256 {
            kinds.push(KeyKind::P256.to_string());
        }
        if self.p384 {
            kinds.push(KeyKind::P384.to_string());
        }
        if let Some(most) = self.rsa_bits_max {
            kinds.push(format!("RSA of {RSA_BITS_MIN} to {most} bits"));
        }
        if kinds.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&kinds.join(", "))
        }
    }
}

/// Why a key is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a kind of key that the network uses.
    #[error("the key is {found}; ECDSA P-256, ECDSA P-384 and RSA of 2048 to 4096 bits are taken")]
    Kind {
        /// What it is.
        found: String,
    },
    /// RSA of another size.
    #[error("the RSA key has {bits} bits; 2048 to 4096 are taken")]
    RsaSize {
        /// Bits of its modulus.
        bits: usize,
    },
    /// RSA with a dangerous exponent.
    #[error("the RSA key's public exponent is even, below 65537 or above 32 bits; 65537 is right")]
    RsaExponent,
    /// Not a point in the form that certificates carry.
    #[error(
        "the key is not an uncompressed point of {curve}; write it uncompressed (first octet 04)"
    )]
    Point {
        /// The curve it names.
        curve: &'static str,
    },
    /// Not a key at all.
    #[error("the key cannot be read: {0}")]
    Unreadable(String),
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Larger than any honest request.
    #[error("the request has {have} octets; at most {CSR_LIMIT} are read")]
    TooLarge {
        /// Octets.
        have: usize,
    },
    /// PEM without a request in it.
    #[error(
        "the text holds no certificate request; a PEM block that begins with -----BEGIN CERTIFICATE REQUEST----- is wanted"
    )]
    NotPem,
    /// Not PKCS#10.
    #[error("the request is not PKCS#10 (RFC 2986): {0}")]
    NotPkcs10(String),
    /// Something follows the request.
    #[error("{have} octets follow the request; exactly one request is wanted")]
    Trailing {
        /// Octets after its end.
        have: usize,
    },
    /// The key is not taken.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Signed with something weak or unknown.
    #[error(
        "the request is signed with {found}; ECDSA or RSA with SHA-256 or SHA-384 (RSA also SHA-512) is wanted"
    )]
    SignatureAlgorithm {
        /// What it is signed with.
        found: String,
    },
    /// Whoever sent it does not hold the key.
    #[error(
        "the request's own signature does not fit its key: whoever made it does not hold the key, or it was changed on the way"
    )]
    Signature,
}

/// A request whose sender has proved to hold its key.
#[derive(Debug, Clone)]
pub struct Csr {
    key: SubjectKey,
}

impl Csr {
    /// Reads a request, PEM or DER, checks the kind of its key and then its
    /// signature.
    ///
    /// # Errors
    /// Names what was found and what would be right.
    pub fn parse(bytes: &[u8]) -> Result<Self, CsrError> {
        if bytes.len() > CSR_LIMIT {
            return Err(CsrError::TooLarge { have: bytes.len() });
        }
        // DER begins with a SEQUENCE; everything else is treated as text.
        if bytes.first() == Some(&0x30) {
            Self::from_der(bytes)
        } else {
            let text = std::str::from_utf8(bytes).map_err(|_| CsrError::NotPem)?;
            // Some routers and Windows still write the label of 1993.
            let text = text.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
            let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
                .map_err(|_| CsrError::NotPem)?;
            Self::from_der(&der)
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        let (rest, request) = X509CertificationRequest::from_der(der)
            .map_err(|error| CsrError::NotPkcs10(error.to_string()))?;
        if !rest.is_empty() {
            return Err(CsrError::Trailing { have: rest.len() });
        }
        let key = SubjectKey::read(&request.certification_request_info.subject_pki)?;
        let signed_with = &request.signature_algorithm.algorithm;
        let strong = [
            oid::OID_SIG_ECDSA_WITH_SHA256,
            oid::OID_SIG_ECDSA_WITH_SHA384,
            oid::OID_PKCS1_SHA256WITHRSA,
            oid::OID_PKCS1_SHA384WITHRSA,
            oid::OID_PKCS1_SHA512WITHRSA,
            oid::OID_PKCS1_RSASSAPSS,
        ];
        if !strong.contains(signed_with) {
            return Err(CsrError::SignatureAlgorithm {
                found: name_of(signed_with),
            });
        }
        request
            .verify_signature()
            .map_err(|_| CsrError::Signature)?;
        Ok(Self { key })
    }

    /// What kind of key it carries.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        self.key.kind
    }

    pub(crate) fn key(&self) -> &SubjectKey {
        &self.key
    }
}

/// A public key of a kind that is taken, ready to stand in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubjectKey {
    kind: KeyKind,
    raw: Vec<u8>,
}

impl SubjectKey {
    pub(crate) fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(crate) fn read(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        let raw = info.subject_public_key.data.to_vec();
        let algorithm = &info.algorithm.algorithm;
        let kind = if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info
                .algorithm
                .parameters
                .as_ref()
                // `as_oid` would read the octets of anything; explicit curves are none.
                .filter(|parameters| parameters.tag() == Tag::Oid)
                .and_then(|parameters| parameters.as_oid().ok())
                .ok_or_else(|| KeyError::Kind {
                    found: "ECDSA without a named curve".to_owned(),
                })?;
            let (kind, name, octets) = if curve == oid::OID_EC_P256 {
                (KeyKind::P256, "P-256", 65)
            } else if curve == oid::OID_NIST_EC_P384 {
                (KeyKind::P384, "P-384", 97)
            } else {
                return Err(KeyError::Kind {
                    found: format!("ECDSA on the curve {}", name_of(&curve)),
                });
            };
            if raw.len() != octets || raw.first() != Some(&4) {
                return Err(KeyError::Point { curve: name });
            }
            kind
        } else if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
            match info.parsed() {
                Ok(PublicKey::RSA(rsa)) => {
                    let bits = bits_of(rsa.modulus);
                    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                        return Err(KeyError::RsaSize { bits });
                    }
                    let exponent = rsa.try_exponent().map_err(|_| KeyError::RsaExponent)?;
                    if exponent < 65_537 || exponent % 2 == 0 || exponent > u64::from(u32::MAX) {
                        return Err(KeyError::RsaExponent);
                    }
                    KeyKind::Rsa { bits }
                }
                Ok(_) => return Err(KeyError::Unreadable("not an RSA key".to_owned())),
                Err(error) => return Err(KeyError::Unreadable(error.to_string())),
            }
        } else {
            return Err(KeyError::Kind {
                found: name_of(algorithm),
            });
        };
        Ok(Self { kind, raw })
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.raw
    }

    // Only the key's own identifier is written from this, never a hash.
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.kind {
            KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// Bits of a number written with the most significant octet first.
fn bits_of(number: &[u8]) -> usize {
    let first = number.iter().position(|octet| *octet != 0);
    first.map_or(0, |index| {
        let octets = number.len() - index;
        let leading = number.get(index).map_or(0, |octet| octet.leading_zeros());
        octets * 8 - leading as usize
    })
}

/// The trade's name of an algorithm, for messages.
pub(crate) fn name_of(id: &Oid<'_>) -> String {
    let dotted = id.to_id_string();
    let name = match dotted.as_str() {
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.3.101.110" => "X25519",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.4" => "MD5 with RSA",
        "1.2.840.113549.1.1.5" => "SHA-1 with RSA",
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA",
        "1.2.840.10045.4.3.4" => "SHA-512 with ECDSA",
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.33" => "P-224",
        "1.3.132.0.35" => "P-521",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.2.156.10197.1.301" => "SM2",
        _ => return dotted,
    };
    format!("{name} ({dotted})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default()
            .serialize_request(&key)
            .unwrap()
            .der()
            .to_vec()
    }

    #[test]
    fn a_request_that_was_changed_on_the_way_is_refused() {
        let good = request();
        assert_eq!(Csr::parse(&good).unwrap().key_kind(), KeyKind::P256);
        let mut changed = good.clone();
        // Within the subject's text: still PKCS#10, no longer what was signed.
        let place = changed
            .windows(5)
            .position(|window| window == b"rcgen")
            .unwrap();
        changed[place] = b'R';
        assert_eq!(Csr::parse(&changed).unwrap_err(), CsrError::Signature);
        let mut long = good;
        long.push(0);
        assert_eq!(
            Csr::parse(&long).unwrap_err(),
            CsrError::Trailing { have: 1 }
        );
    }

    #[test]
    fn what_is_no_request_is_refused_in_words() {
        assert_eq!(
            Csr::parse(&vec![0x30; CSR_LIMIT + 1]).unwrap_err(),
            CsrError::TooLarge {
                have: CSR_LIMIT + 1
            }
        );
        assert_eq!(Csr::parse(b"").unwrap_err(), CsrError::NotPem);
        assert_eq!(Csr::parse(b"hello").unwrap_err(), CsrError::NotPem);
        assert_eq!(Csr::parse(&[0xff, 0xfe]).unwrap_err(), CsrError::NotPem);
        assert!(matches!(
            Csr::parse(&[0x30, 3, 1, 1]),
            Err(CsrError::NotPkcs10(_))
        ));
    }

    #[test]
    fn the_bits_of_a_number_are_counted_from_its_first_one() {
        assert_eq!(bits_of(&[]), 0);
        assert_eq!(bits_of(&[0, 0x80, 0]), 16);
        assert_eq!(bits_of(&[0x01, 0]), 9);
    }

    proptest! {
        #[test]
        fn no_damaged_request_brings_it_down_or_smuggles_in_another_key(place: prop::sample::Index, value: u8) {
            let good = request();
            let (_, parsed) = X509CertificationRequest::from_der(&good).unwrap();
            let signed = parsed.certification_request_info.raw;
            let signed_end = good.windows(signed.len()).position(|part| part == signed).unwrap() + signed.len();
            let mut damaged = good.clone();
            let place = place.index(damaged.len());
            prop_assume!(damaged[place] != value);
            damaged[place] = value;
            // After what is signed, some readers are lax about tags: that may
            // pass, but only as the very same key, proved by its signature.
            if let Ok(csr) = Csr::parse(&damaged) {
                prop_assert!(place >= signed_end, "{place} of {signed_end} changed to {value:#04x}");
                let undamaged = Csr::parse(&good).unwrap();
                prop_assert_eq!(csr.key(), undamaged.key());
            }
        }
    }
}
