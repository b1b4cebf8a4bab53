//! How strong the keys and signatures in a chain must be: FACTS of CRYPTREC's
//! 高セキュリティ型: RSA of 2048 bits or more, ECDSA of 256 bits or more,
//! SHA-256 or better.

use crate::error::Refusal;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;

/// The smallest RSA key, in bits.
const RSA_BITS_MIN: usize = 2048;

/// Checks a certificate's key and the algorithm that it is signed with.
pub(crate) fn check(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let signed_with = &certificate.signature_algorithm.algorithm;
    let strong = [
        oid::OID_SIG_ECDSA_WITH_SHA256,
        oid::OID_SIG_ECDSA_WITH_SHA384,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_PKCS1_SHA384WITHRSA,
        oid::OID_PKCS1_SHA512WITHRSA,
        // Its hash is judged when the signature is verified.
        oid::OID_PKCS1_RSASSAPSS,
    ];
    if !strong.contains(signed_with) {
        return Err(Refusal::Weak {
            found: format!("a signature with the algorithm {signed_with}"),
        });
    }
    let info = certificate.public_key();
    let algorithm = &info.algorithm.algorithm;
    let weak = |found: String| Err(Refusal::Weak { found });
    if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info
            .algorithm
            .parameters
            .as_ref()
            // `as_oid` would read the octets of anything; explicit curves are none.
            .filter(|parameters| parameters.tag() == Tag::Oid)
            .and_then(|parameters| parameters.as_oid().ok());
        match curve {
            Some(curve) if curve == oid::OID_EC_P256 || curve == oid::OID_NIST_EC_P384 => Ok(()),
            Some(curve) => weak(format!("an ECDSA key on the curve {curve}")),
            None => weak("an ECDSA key without a named curve".to_owned()),
        }
    } else if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
        match info.parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                let significant = rsa.modulus.iter().skip_while(|octet| **octet == 0);
                let bits = significant
                    .clone()
                    .count()
                    .saturating_mul(8)
                    .saturating_sub(
                        significant
                            .clone()
                            .next()
                            .map_or(0, |octet| octet.leading_zeros() as usize),
                    );
                if bits < RSA_BITS_MIN {
                    return weak(format!("an RSA key of {bits} bits"));
                }
                Ok(())
            }
            _ => Err(Refusal::Unreadable("its RSA key is damaged".to_owned())),
        }
    } else {
        weak(format!("a key of the kind {algorithm}"))
    }
}
