//! The issuing CA: signs leaf certificates and revocation lists, and nothing
//! else. It needs the root's key only while it is made.

use crate::files;
use crate::instant::{self, BACKDATE_MS, DAY_MS};
use crate::root::{CaError, CaName, RootCa, ca_params, crypto, load_signer, write_pair};
use crate::signer::{CaKey, Signer};
use iryonet_domain::UnixMillis;
use rand::CryptoRng;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use std::path::Path;

/// The issuing CA's key in its directory.
pub const ISSUING_KEY: &str = "issuing.key";
/// The issuing CA's certificate in its directory.
pub const ISSUING_CERTIFICATE: &str = "issuing.pem";
/// The root's certificate, copied beside it: what participants are to trust.
pub const TRUST_ANCHOR: &str = "root.pem";
/// The longest life of an issuing CA, in days: ten years.
pub const ISSUING_LIFE_DAYS_MAX: u64 = 3_652;
/// Its usual life, in days: eight years.
pub const ISSUING_LIFE_DAYS: u64 = 2_922;

/// How an issuing CA is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuingSpec {
    /// Its name.
    pub name: CaName,
    /// Its kind of key.
    pub key: CaKey,
    /// Its life in days, 1 to [`ISSUING_LIFE_DAYS_MAX`].
    pub life_days: u64,
}

/// An issuing CA at work.
pub struct IssuingCa {
    signer: Box<dyn Signer>,
    certificate: CertificateDer<'static>,
    root: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    throwaway: KeyPair,
    key_id: Vec<u8>,
    validity: (UnixMillis, UnixMillis),
    crl_uri: Option<String>,
}

impl IssuingCa {
    /// Makes an issuing CA below `root` and writes `issuing.key` (mode 0600),
    /// `issuing.pem` and a copy of `root.pem` into `directory`.
    ///
    /// # Errors
    /// When a file exists, the life does not fit into the root's, or the system
    /// refuses.
    pub fn make(
        root: &RootCa,
        directory: &Path,
        spec: &IssuingSpec,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CaError> {
        if !(1..=ISSUING_LIFE_DAYS_MAX).contains(&spec.life_days) {
            return Err(CaError::Life {
                days: spec.life_days,
                max: ISSUING_LIFE_DAYS_MAX,
            });
        }
        let facts = CaFacts::read("the root", &root.certificate)?;
        let begins = UnixMillis(now.0.saturating_sub(BACKDATE_MS)).max(facts.validity.0);
        let ends = now.plus_ms(spec.life_days * DAY_MS);
        if ends > facts.validity.1 || begins >= ends {
            return Err(CaError::OutsideRoot {
                root_ends_ms: facts.validity.1.0,
            });
        }
        let params = ca_params(&spec.name, begins, ends, 0, rng)?;
        let key = spec
            .key
            .generate()
            .map_err(crypto("make the issuing CA's key"))?;
        let issuer = Issuer::from_ca_cert_der(&root.certificate, &*root.signer)
            .map_err(crypto("read the root's certificate"))?;
        let certificate = params
            .signed_by(&key, &issuer)
            .map_err(crypto("sign the issuing CA's certificate"))?;
        // Assembled before anything is written: what does not work leaves nothing.
        let ca = Self::assemble(
            Box::new(KeyPair::try_from(key.serialized_der()).map_err(crypto("copy the key"))?),
            certificate.der().clone(),
            root.certificate.clone(),
        )?;
        files::make_directory(directory)?;
        let anchor = files::pem("CERTIFICATE", &root.certificate);
        // Root and issuing CA may share a directory (the pilot's do).
        let anchor_path = directory.join(TRUST_ANCHOR);
        if files::read_certificate(&anchor_path).ok().as_ref() != Some(&root.certificate) {
            files::write_new(&anchor_path, anchor.as_bytes(), 0o644)?;
        }
        write_pair(
            directory,
            ISSUING_KEY,
            ISSUING_CERTIFICATE,
            &key,
            certificate.der(),
        )?;
        Ok(ca)
    }

    /// Reads an issuing CA from its directory and checks that root, certificate
    /// and key belong together.
    ///
    /// # Errors
    /// When a file is missing or open to others, or they do not fit.
    pub fn load(directory: &Path) -> Result<Self, CaError> {
        let certificate = files::read_certificate(&directory.join(ISSUING_CERTIFICATE))?;
        let root = files::read_certificate(&directory.join(TRUST_ANCHOR))?;
        let signer = load_signer(directory, ISSUING_KEY, &certificate)?;
        Self::assemble(signer, certificate, root)
    }

    /// An issuing CA from a signer (a token, say) and the two certificates.
    ///
    /// # Errors
    /// When the certificate is no CA's, was not signed by the root, or is of a
    /// kind of key that is not used.
    pub fn assemble(
        signer: Box<dyn Signer>,
        certificate: CertificateDer<'static>,
        root: CertificateDer<'static>,
    ) -> Result<Self, CaError> {
        let facts = CaFacts::read("the issuing CA's certificate", &certificate)?;
        CaFacts::read("the root", &root)?;
        signed_by(&certificate, &root)?;
        let anchor = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| CaError::Unusable {
                what: "the issuing CA's certificate",
                why: error.to_string(),
            })?
            .to_owned();
        let key = CaKey::of(signer.algorithm()).ok_or_else(|| CaError::Unusable {
            what: "the issuing CA's key",
            why: "it is neither ECDSA P-256 nor P-384".to_owned(),
        })?;
        let throwaway = key.generate().map_err(crypto("make the throw-away key"))?;
        Ok(Self {
            signer,
            certificate,
            root,
            anchor,
            throwaway,
            key_id: facts.key_id,
            validity: facts.validity,
            crl_uri: None,
        })
    }

    /// From now on every certificate says where its revocation list is found.
    ///
    /// # Errors
    /// When it is not an `http://` URI of at most 512 printable ASCII
    /// characters. Not `https`: fetching the list must not need a certificate
    /// that the list itself judges (RFC 5280 section 8).
    pub fn with_crl_uri(mut self, uri: Option<String>) -> Result<Self, CaError> {
        let fits = |uri: &str| {
            uri.len() <= 512
                && uri.len() > "http://".len()
                && uri.starts_with("http://")
                && uri.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if let Some(uri) = uri.as_deref().filter(|uri| !fits(uri)) {
            return Err(CaError::CrlUri {
                uri: uri.chars().take(80).collect(),
            });
        }
        self.crl_uri = uri;
        Ok(self)
    }

    /// The issuing CA's certificate, DER: the intermediate that every device
    /// sends with its own.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The root's certificate, DER: what everybody trusts.
    #[must_use]
    pub fn root_certificate(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The root's certificate, PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        files::pem("CERTIFICATE", &self.root)
    }

    /// From when until when it is valid.
    #[must_use]
    pub fn validity(&self) -> (UnixMillis, UnixMillis) {
        self.validity
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    /// A key of the same kind as the real one, in nobody's trust, gone with the
    /// process: what the lint looks at is signed with it.
    pub(crate) fn throwaway(&self) -> &KeyPair {
        &self.throwaway
    }

    pub(crate) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    pub(crate) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }

    pub(crate) fn crl_uri(&self) -> Option<&str> {
        self.crl_uri.as_deref()
    }
}

impl std::fmt::Debug for IssuingCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuingCa")
            .field("key_id", &hex::encode(&self.key_id))
            .field("crl_uri", &self.crl_uri)
            .finish_non_exhaustive()
    }
}

struct CaFacts {
    key_id: Vec<u8>,
    validity: (UnixMillis, UnixMillis),
}

impl CaFacts {
    fn read(what: &'static str, certificate: &CertificateDer<'_>) -> Result<Self, CaError> {
        let unusable = |why: &str| CaError::Unusable {
            what,
            why: why.to_owned(),
        };
        let (rest, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|error| unusable(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(unusable("octets follow the certificate"));
        }
        if !parsed.is_ca() {
            return Err(unusable("it is not a CA's certificate"));
        }
        let usage = parsed.key_usage().ok().flatten();
        if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(unusable(
                "its key may not sign certificates (keyUsage keyCertSign)",
            ));
        }
        let key_id = parsed
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => {
                    Some(id.0.to_vec())
                }
                _ => None,
            })
            .ok_or_else(|| unusable("it has no subject key identifier"))?;
        Ok(Self {
            key_id,
            validity: (
                instant::from_x509(parsed.validity().not_before.timestamp()),
                instant::from_x509(parsed.validity().not_after.timestamp()),
            ),
        })
    }
}

fn signed_by(certificate: &CertificateDer<'_>, root: &CertificateDer<'_>) -> Result<(), CaError> {
    let unusable = |why: String| CaError::Unusable {
        what: "the issuing CA's certificate",
        why,
    };
    let (_, child) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| unusable(error.to_string()))?;
    let (_, parent) =
        x509_parser::parse_x509_certificate(root).map_err(|error| unusable(error.to_string()))?;
    if child.issuer().as_raw() != parent.subject().as_raw() {
        return Err(unusable("its issuer is not the root beside it".to_owned()));
    }
    child
        .verify_signature(Some(parent.public_key()))
        .map_err(|_| unusable("the root beside it did not sign it".to_owned()))
}
