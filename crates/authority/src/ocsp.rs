//! OCSP (RFC 6960): questions read, answers written and signed. What the status
//! is, is the registry's word; this module knows only who may say it.
//!
//! Answers are signed by a responder with a key and a short-lived certificate
//! of its own for each issuing CA: a token that holds the CA's key is asked
//! once in days, not at every question, and a responder whose key is lost with
//! its process cannot be stolen from a disk.

use crate::crl::{RevocationReason, Revoked};
use crate::csr::SubjectKey;
use crate::instant::{self, BACKDATE_MS};
use crate::issue::IssueError;
use crate::issuing::IssuingCa;
use crate::lint;
use crate::serial::Serial;
use crate::signer::{CaKey, Failed, MemorySigner, Pen, PublicPart, SignError, Signer};
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use der::asn1::ObjectIdentifier as Oid;
use der::{Decode, Encode};
use iryonet_domain::UnixMillis;
use rand::CryptoRng;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_ocsp::OcspRequest;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

/// Largest question, in octets.
pub const REQUEST_LIMIT: usize = 4_096;
/// Most certificates asked for at once.
pub const CERTIFICATES_LIMIT: usize = 16;
/// Longest nonce, in octets (RFC 9654 section 2.1).
pub const NONCE_LIMIT: usize = 128;
/// Organisation in a responder's subject.
pub const RESPONDER_NAME: &str = "OCSP responder";
/// id-kp-OCSPSigning.
pub(crate) const OCSP_SIGNING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 9];
/// id-pkix-ocsp-nocheck.
const NO_CHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
/// id-sha1.
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];
/// id-pkix-ocsp-basic.
const BASIC: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
/// id-pkix-ocsp-nonce.
const NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];
const NONCE_ID: Oid = Oid::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// Why a question is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Larger than any honest question.
    #[error("the OCSP request has {have} octets; at most {REQUEST_LIMIT} are read")]
    TooLarge {
        /// Octets.
        have: usize,
    },
    /// Not an OCSPRequest.
    #[error("this is no OCSP request (RFC 6960 section 4.1.1): {0}")]
    Unreadable(String),
    /// About nothing, or about too much.
    #[error(
        "the OCSP request asks for {have} certificates; 1 to {CERTIFICATES_LIMIT} are answered"
    )]
    Certificates {
        /// How many.
        have: usize,
    },
    /// A nonce of no length that there is.
    #[error("the OCSP request's nonce has {have} octets; 1 to {NONCE_LIMIT} are taken")]
    Nonce {
        /// Octets.
        have: usize,
    },
    /// An extension that has to be understood, and is not.
    #[error("the OCSP request has the critical extension {0}, which is not understood here")]
    Critical(String),
}

/// A question.
#[derive(Debug, Clone)]
pub struct Request {
    /// About these certificates, in this order.
    pub certificates: Vec<CertId>,
    nonce: Option<Vec<u8>>,
}

/// How a question names a certificate.
#[derive(Debug, Clone)]
pub struct CertId {
    hash: Oid,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
    raw: Vec<u8>,
}

impl Request {
    /// Reads a question, DER. Who asks does not matter: a signature on it is
    /// not looked at.
    ///
    /// # Errors
    /// Names what was found and what would be right.
    pub fn parse(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > REQUEST_LIMIT {
            return Err(RequestError::TooLarge { have: der.len() });
        }
        let unreadable = |error: der::Error| RequestError::Unreadable(error.to_string());
        let request = OcspRequest::from_der(der).map_err(unreadable)?.tbs_request;
        let have = request.request_list.len();
        if !(1..=CERTIFICATES_LIMIT).contains(&have) {
            return Err(RequestError::Certificates { have });
        }
        let mut nonce = None;
        for extension in request.request_extensions.iter().flatten() {
            if extension.extn_id == NONCE_ID {
                let octets = der::asn1::OctetString::from_der(extension.extn_value.as_bytes())
                    .map_err(unreadable)?
                    .into_bytes();
                if !(1..=NONCE_LIMIT).contains(&octets.len()) {
                    return Err(RequestError::Nonce { have: octets.len() });
                }
                nonce = Some(octets);
            } else if extension.critical {
                return Err(RequestError::Critical(extension.extn_id.to_string()));
            }
        }
        let mut certificates = Vec::with_capacity(have);
        for asked in request.request_list {
            let critical = asked.single_request_extensions.iter().flatten();
            if let Some(extension) = critical.into_iter().find(|extension| extension.critical) {
                return Err(RequestError::Critical(extension.extn_id.to_string()));
            }
            let id = asked.req_cert;
            certificates.push(CertId {
                hash: id.hash_algorithm.oid,
                issuer_name_hash: id.issuer_name_hash.as_bytes().to_vec(),
                issuer_key_hash: id.issuer_key_hash.as_bytes().to_vec(),
                serial: id.serial_number.as_bytes().to_vec(),
                raw: id.to_der().map_err(unreadable)?,
            });
        }
        Ok(Self {
            certificates,
            nonce,
        })
    }

    /// A question about one certificate, DER: SHA-1 in its CertID, as nearly
    /// every client asks (RFC 5019 section 2.1.1), and no nonce.
    #[must_use]
    pub fn about(ca: &IssuingCa, serial: &Serial) -> Vec<u8> {
        let name = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, ca.subject());
        let key = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, ca.signer().public_key());
        yasna::construct_der(|writer| {
            // OCSPRequest, TBSRequest, requestList, Request, CertID.
            writer.write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_sequence(|writer| {
                            writer.next().write_sequence(|writer| {
                                writer.next().write_sequence(|writer| {
                                    let sha1 = ObjectIdentifier::from_slice(SHA1);
                                    writer.next().write_oid(&sha1);
                                    writer.next().write_null();
                                });
                                writer.next().write_bytes(name.as_ref());
                                writer.next().write_bytes(key.as_ref());
                                writer.next().write_bigint_bytes(serial.as_bytes(), true);
                            });
                        });
                    });
                });
            });
        })
    }

    /// Does the asker want an answer that nobody kept?
    #[must_use]
    pub fn has_nonce(&self) -> bool {
        self.nonce.is_some()
    }
}

impl CertId {
    /// Is it a certificate of this issuing CA?
    #[must_use]
    pub fn is_of(&self, ca: &IssuingCa) -> bool {
        let algorithm = match self.hash.to_string().as_str() {
            "1.3.14.3.2.26" => &SHA1_FOR_LEGACY_USE_ONLY,
            "2.16.840.1.101.3.4.2.1" => &SHA256,
            "2.16.840.1.101.3.4.2.2" => &SHA384,
            "2.16.840.1.101.3.4.2.3" => &SHA512,
            _ => return false,
        };
        digest::digest(algorithm, ca.subject()).as_ref() == self.issuer_name_hash
            && digest::digest(algorithm, ca.signer().public_key()).as_ref() == self.issuer_key_hash
    }

    /// Its serial number, when it is one that this authority gives.
    #[must_use]
    pub fn serial(&self) -> Option<Serial> {
        Serial::from_bytes(&self.serial).ok()
    }
}

/// What there is to say of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was issued and counts.
    Good,
    /// It was taken back.
    Revoked(Revoked),
    /// It was not issued here.
    Unknown,
}

/// An answer that says nothing of any certificate (RFC 6960 section 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The question cannot be read.
    MalformedRequest,
    /// Something broke here.
    InternalError,
    /// Later it will work.
    TryLater,
    /// About certificates of an issuer that is not ours (RFC 5019 section 2.2.3).
    Unauthorized,
}

impl Failure {
    /// The answer, DER.
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        let status = match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::Unauthorized => 6,
        };
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| writer.next().write_enum(status));
        })
    }
}

/// Who answers for one issuing CA.
pub struct Responder {
    signer: MemorySigner,
    certificate: CertificateDer<'static>,
    key_hash: Vec<u8>,
    not_after: UnixMillis,
}

impl Responder {
    /// Makes a key, which lives in memory only, and a certificate for it, at
    /// most `life_ms` long and never longer than the CA's own.
    ///
    /// # Errors
    /// When the CA's key does not sign, or the lint finds faults.
    pub fn make(
        ca: &IssuingCa,
        life_ms: u64,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, IssueError> {
        let crypto = |act| move |source| IssueError::Crypto { act, source };
        let pair = CaKey::P256
            .generate()
            .map_err(crypto("make the OCSP responder's key"))?;
        let signer = MemorySigner::new(pair).ok_or(IssueError::Crypto {
            act: "use the OCSP responder's key",
            source: rcgen::Error::UnsupportedSignatureAlgorithm,
        })?;
        let info = PublicPart(&signer).subject_public_key_info();
        let key = SubjectPublicKeyInfo::from_der(&info)
            .ok()
            .and_then(|(_, parsed)| SubjectKey::read(&parsed).ok())
            .ok_or(IssueError::Crypto {
                act: "read the OCSP responder's key back",
                source: rcgen::Error::CouldNotParseKeyPair,
            })?;
        let (ca_begins, ca_ends) = ca.validity();
        let not_before =
            instant::whole_second(UnixMillis(now.0.saturating_sub(BACKDATE_MS))).max(ca_begins);
        let not_after = instant::whole_second(now.plus_ms(life_ms)).min(ca_ends);
        let serial = ca.draw_serial(rng);

        let mut params = CertificateParams::default();
        params.not_before = instant::to_x509(not_before)?;
        params.not_after = instant::to_x509(not_after)?;
        params.serial_number = Some(rcgen::SerialNumber::from_slice(serial.as_bytes()));
        let mut name = DistinguishedName::new();
        let country = "JP".try_into().map_err(crypto("write a name"))?;
        name.push(DnType::CountryName, DnValue::PrintableString(country));
        name.push(DnType::OrganizationName, RESPONDER_NAME);
        params.distinguished_name = name;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        params.use_authority_key_identifier_extension = true;
        // Its value is NULL. Nobody could say whether a responder is revoked
        // but the responder itself: it is short-lived instead.
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            NO_CHECK,
            vec![0x05, 0x00],
        )];

        let look = |message: &[u8]| lint::lint_responder(message, ca, &key, serial, now);
        let pen = Pen::new(ca.signer(), &look);
        let signed = params.signed_by(&key, &Issuer::from_params(ca.issuer(), &pen));
        let certificate = match (signed, pen.failed()) {
            (Ok(certificate), _) => certificate.into(),
            (Err(_), Some(Failed::Refused(error))) => return Err(error.into()),
            (Err(_), Some(Failed::Sign(error))) => return Err(error.into()),
            (Err(source), None) => {
                return Err(crypto("encode the OCSP responder's certificate")(source));
            }
        };
        let key_hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, signer.public_key());
        Ok(Self {
            key_hash: key_hash.as_ref().to_vec(),
            signer,
            certificate,
            not_after,
        })
    }

    /// Its last moment.
    #[must_use]
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Writes and signs an answer to `request`: one status for each certificate
    /// asked for, in the same order. Whoever keeps it asks again at
    /// `next_update` at the latest.
    ///
    /// # Errors
    /// When the key does not sign, or a time cannot be written.
    pub fn answer(
        &self,
        request: &Request,
        statuses: &[Status],
        now: UnixMillis,
        next_update: UnixMillis,
    ) -> Result<Vec<u8>, SignError> {
        let (now, next_update) = (general_time(now), general_time(next_update));
        let to_be_signed = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                // responderID byKey [2]: its key names it for good.
                writer.next().write_tagged(Tag::context(2), |writer| {
                    writer.write_bytes(&self.key_hash);
                });
                write_time(writer.next(), &now);
                writer.next().write_sequence(|writer| {
                    for (id, status) in request.certificates.iter().zip(statuses) {
                        writer.next().write_sequence(|writer| {
                            writer.next().write_der(&id.raw);
                            write_status(writer.next(), status);
                            write_time(writer.next(), &now);
                            writer.next().write_tagged(Tag::context(0), |writer| {
                                write_time(writer, &next_update);
                            });
                        });
                    }
                });
                if let Some(nonce) = &request.nonce {
                    writer.next().write_tagged(Tag::context(1), |writer| {
                        writer.write_sequence(|writer| {
                            writer.next().write_sequence(|writer| {
                                writer
                                    .next()
                                    .write_oid(&ObjectIdentifier::from_slice(NONCE));
                                let value = yasna::construct_der(|w| w.write_bytes(nonce));
                                writer.next().write_bytes(&value);
                            });
                        });
                    });
                }
            });
        });
        let signature = self.signer.sign(&to_be_signed)?;
        let basic = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&to_be_signed);
                writer
                    .next()
                    .write_der(self.signer.kind().signature_algorithm_der());
                writer
                    .next()
                    .write_bitvec_bytes(&signature, signature.len() * 8);
                writer.next().write_tagged(Tag::context(0), |writer| {
                    writer.write_sequence(|writer| writer.next().write_der(&self.certificate));
                });
            });
        });
        Ok(yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_enum(0);
                writer.next().write_tagged(Tag::context(0), |writer| {
                    writer.write_sequence(|writer| {
                        writer
                            .next()
                            .write_oid(&ObjectIdentifier::from_slice(BASIC));
                        writer.next().write_bytes(&basic);
                    });
                });
            });
        }))
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn write_status(writer: DERWriter<'_>, status: &Status) {
    match status {
        Status::Good => writer.write_tagged_implicit(Tag::context(0), |writer| writer.write_null()),
        Status::Revoked(revoked) => {
            let at = general_time(revoked.at);
            writer.write_tagged_implicit(Tag::context(1), |writer| {
                writer.write_sequence(|writer| {
                    write_time(writer.next(), &at);
                    if revoked.reason != RevocationReason::Unspecified {
                        writer.next().write_tagged(Tag::context(0), |writer| {
                            writer.write_enum(revoked.reason.number());
                        });
                    }
                });
            });
        }
        Status::Unknown => {
            writer.write_tagged_implicit(Tag::context(2), |writer| writer.write_null());
        }
    }
}

/// YYYYMMDDHHMMSSZ (RFC 6960 section 4.2.2.1); the last second that can be
/// written for what lies beyond it.
fn general_time(at: UnixMillis) -> String {
    let at = instant::to_x509(at)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(253_402_300_799));
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn write_time(writer: DERWriter<'_>, text: &str) {
    writer.write_tagged_implicit(yasna::tags::TAG_GENERALIZEDTIME, |writer| {
        writer.write_bytes(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `openssl ocsp -issuer ca.pem -serial 1 -reqout` with a nonce.
    const GOOD: &[u8] = include_bytes!("../tests/corpus/ocsp/good.der");

    #[test]
    fn a_question_of_openssl_is_read() {
        let request = Request::parse(GOOD).unwrap();
        assert!(request.has_nonce());
        assert_eq!(request.certificates.len(), 1);
        // Not a serial number of this authority: known to be unknown.
        assert_eq!(request.certificates[0].serial(), None);
    }

    #[test]
    fn what_is_no_question_is_refused_in_words() {
        assert_eq!(
            Request::parse(&[0x30; REQUEST_LIMIT + 1]).unwrap_err(),
            RequestError::TooLarge {
                have: REQUEST_LIMIT + 1
            }
        );
        for rubbish in [&b""[..], b"hello", &[0x30, 0x80], &GOOD[..GOOD.len() - 1]] {
            assert!(matches!(
                Request::parse(rubbish),
                Err(RequestError::Unreadable(_))
            ));
        }
        // An empty list of certificates.
        assert_eq!(
            Request::parse(&[0x30, 4, 0x30, 2, 0x30, 0]).unwrap_err(),
            RequestError::Certificates { have: 0 }
        );
    }

    proptest! {
        #[test]
        fn no_question_however_damaged_brings_it_down(place: prop::sample::Index, value: u8, cut: prop::sample::Index) {
            let mut damaged = GOOD.to_vec();
            let place = place.index(damaged.len());
            damaged[place] = value;
            let _ = Request::parse(&damaged);
            let _ = Request::parse(&damaged[..cut.index(damaged.len())]);
        }

        #[test]
        fn no_octets_bring_it_down(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse(&octets);
        }
    }
}
