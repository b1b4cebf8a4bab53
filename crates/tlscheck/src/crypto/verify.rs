//! Whether a handshake was signed with the key of a certificate.

use super::Failed;
use crate::scheme::Scheme;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Checks `signed` over `message` with the key of the certificate in DER.
/// `Ok(None)` when scheme or key are none that can be checked here.
pub(crate) fn verify(
    certificate: &[u8],
    scheme: Scheme,
    message: &[u8],
    signed: &[u8],
) -> Result<Option<()>, Failed> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| Failed)?;
    let info = certificate.public_key();
    let curve = info
        .algorithm
        .parameters
        .as_ref()
        .filter(|parameters| parameters.tag() == Tag::Oid)
        .and_then(|parameters| parameters.as_oid().ok());
    let on = |wanted: &oid::Oid<'_>| curve.as_ref() == Some(wanted);
    let algorithm: &'static dyn VerificationAlgorithm = match scheme.0 {
        0x0401 => &signature::RSA_PKCS1_2048_8192_SHA256,
        0x0501 => &signature::RSA_PKCS1_2048_8192_SHA384,
        0x0601 => &signature::RSA_PKCS1_2048_8192_SHA512,
        0x0804 | 0x0809 => &signature::RSA_PSS_2048_8192_SHA256,
        0x0805 | 0x080A => &signature::RSA_PSS_2048_8192_SHA384,
        0x0806 | 0x080B => &signature::RSA_PSS_2048_8192_SHA512,
        // In TLS 1.2 the number names the hash alone, so both curves occur.
        0x0403 if on(&oid::OID_EC_P256) => &signature::ECDSA_P256_SHA256_ASN1,
        0x0403 if on(&oid::OID_NIST_EC_P384) => &signature::ECDSA_P384_SHA256_ASN1,
        0x0503 if on(&oid::OID_EC_P256) => &signature::ECDSA_P256_SHA384_ASN1,
        0x0503 if on(&oid::OID_NIST_EC_P384) => &signature::ECDSA_P384_SHA384_ASN1,
        0x0603 if on(&oid::OID_NIST_EC_P521) => &signature::ECDSA_P521_SHA512_ASN1,
        0x0807 => &signature::ED25519,
        _ => return Ok(None),
    };
    if matches!(scheme.0 >> 8, 8) || matches!(scheme.0 & 0xFF, 1) {
        // aws-lc takes no RSA key below 2048 bits; that is no proof against it.
        if let Ok(x509_parser::public_key::PublicKey::RSA(rsa)) = info.parsed()
            && crate::wire::key_exchange::bits(rsa.modulus) < 2048
        {
            return Ok(None);
        }
    }
    UnparsedPublicKey::new(algorithm, &info.subject_public_key.data)
        .verify(message, signed)
        .map_err(|_| Failed)?;
    Ok(Some(()))
}
