//! The machine's own key: made where it is used, never leaves.

use crate::files::{self, FileError};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::path::Path;

/// Why there is no key or no request for a certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a key.
    #[error("{path} holds no private key that can be used; move it away and enrol with a new code")]
    Unreadable {
        /// Which file.
        path: std::path::PathBuf,
        /// What the reader says.
        #[source]
        source: rcgen::Error,
    },
    /// The request could not be made.
    #[error("the certificate request could not be made")]
    Request(#[source] rcgen::Error),
}

/// The request that goes to the center: public key and proof of possession,
/// no names. Who it is for is told by the enrolment code alone.
///
/// Makes the key (ECDSA P-256, readable by its owner only) when there is none
/// at `path`; one that an interrupted enrolment left is used again.
///
/// # Errors
/// When the key can neither be read nor made.
pub fn certificate_request(path: &Path) -> Result<String, KeyError> {
    let key = match files::read_limited(path, 64 << 10)? {
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            KeyPair::from_pem(&text).map_err(|source| KeyError::Unreadable {
                path: path.to_path_buf(),
                source,
            })?
        }
        None => {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(KeyError::Request)?;
            files::create_secret(path, key.serialize_pem().as_bytes())?;
            key
        }
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .map_err(KeyError::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_enrolment_goes_on_with_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let first = certificate_request(&path).unwrap();
        assert!(first.contains("BEGIN CERTIFICATE REQUEST"));
        let key = std::fs::read(&path).unwrap();
        certificate_request(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), key);
    }

    #[test]
    fn a_damaged_key_is_named_and_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        std::fs::write(&path, b"rubbish").unwrap();
        let error = certificate_request(&path).unwrap_err();
        assert!(error.to_string().contains("key.pem"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"rubbish");
    }
}
