//! The offline root: made once, used to make an issuing CA, otherwise kept away
//! from every network.

use crate::files::{self, FileError};
use crate::instant::{self, BACKDATE_MS, DAY_MS, InstantError};
use crate::serial::Serial;
use crate::signer::{CaKey, Signer};
use iryonet_domain::UnixMillis;
use iryonet_domain::text::TextError;
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use std::path::Path;

/// The root's key in its directory.
pub const ROOT_KEY: &str = "root.key";
/// The root's certificate in its directory.
pub const ROOT_CERTIFICATE: &str = "root.pem";
/// The life of a root, in days: twenty years.
pub const ROOT_LIFE_DAYS: u64 = 7_305;

/// How a CA is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaName {
    /// Who runs it (O), at most 64 characters.
    pub organisation: String,
    /// The CA itself (CN), at most 64 characters; another one for each CA.
    pub common_name: String,
}

impl CaName {
    pub(crate) fn to_x509(&self) -> Result<DistinguishedName, CaError> {
        let clean = |part, text: &str| {
            iryonet_domain::text::clean(text, 64).map_err(|source| CaError::Name { part, source })
        };
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, printable("JP")?);
        name.push(
            DnType::OrganizationName,
            clean("organisation", &self.organisation)?,
        );
        name.push(DnType::CommonName, clean("common name", &self.common_name)?);
        Ok(name)
    }
}

/// Why a CA could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A part of the name is no text for a certificate.
    #[error("the CA's {part} cannot stand in a certificate: {source}")]
    Name {
        /// Which part.
        part: &'static str,
        /// Why not.
        source: TextError,
    },
    /// The life asked for is not allowed.
    #[error(
        "a life of {days} days was asked for; an issuing CA lives 1 to {max} days, within the root's"
    )]
    Life {
        /// Days asked for.
        days: u64,
        /// Most days allowed.
        max: u64,
    },
    /// It would outlive its issuer, or begin before it.
    #[error(
        "the issuing CA would live outside of its root's validity (root ends at {root_ends_ms} ms); make a new root first"
    )]
    OutsideRoot {
        /// The root's end, in milliseconds since 1970.
        root_ends_ms: u64,
    },
    /// Time that X.509 cannot write.
    #[error(transparent)]
    Instant(#[from] InstantError),
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Key and certificate are not a pair.
    #[error(
        "the key and the certificate in {directory} do not belong together; restore the pair that was made together"
    )]
    NotAPair {
        /// Where they lie.
        directory: String,
    },
    /// A certificate is not what it is used as.
    #[error("{what} is not usable: {why}")]
    Unusable {
        /// Which certificate.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Not where a revocation list can be found.
    #[error(
        "{uri:?} is not where a revocation list can be found; an http:// URI of at most 512 ASCII characters is wanted"
    )]
    CrlUri {
        /// What was given.
        uri: String,
    },
    /// Encoding or signing failed.
    #[error("cannot {act}")]
    Crypto {
        /// What was tried.
        act: &'static str,
        /// Why not.
        source: rcgen::Error,
    },
}

/// A root with its key at hand.
pub struct RootCa {
    pub(crate) signer: Box<dyn Signer>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl RootCa {
    /// Makes a root (ECDSA P-384, self-signed, at most one CA below it, twenty
    /// years) and writes `root.key` (mode 0600) and `root.pem` into `directory`.
    ///
    /// # Errors
    /// When either file exists, or the system refuses.
    pub fn make(
        directory: &Path,
        name: &CaName,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CaError> {
        let begins = UnixMillis(now.0.saturating_sub(BACKDATE_MS));
        let mut params = ca_params(name, begins, now.plus_ms(ROOT_LIFE_DAYS * DAY_MS), 1, rng)?;
        // RFC 5280 section 4.2.1.1 lets a self-signed certificate omit it.
        params.use_authority_key_identifier_extension = false;
        let key = CaKey::P384
            .generate()
            .map_err(crypto("make the root's key"))?;
        let certificate = params
            .self_signed(&key)
            .map_err(crypto("sign the root's certificate"))?;
        files::make_directory(directory)?;
        write_pair(
            directory,
            ROOT_KEY,
            ROOT_CERTIFICATE,
            &key,
            certificate.der(),
        )?;
        Ok(Self {
            signer: Box::new(key),
            certificate: certificate.into(),
        })
    }

    /// Reads a root from its directory.
    ///
    /// # Errors
    /// When a file is missing, open to others, or the two are not a pair.
    pub fn load(directory: &Path) -> Result<Self, CaError> {
        let certificate = files::read_certificate(&directory.join(ROOT_CERTIFICATE))?;
        let signer = load_signer(directory, ROOT_KEY, &certificate)?;
        Ok(Self {
            signer,
            certificate,
        })
    }

    /// The root's certificate, DER: what every participant is given to trust.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

impl std::fmt::Debug for RootCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootCa(key not shown)")
    }
}

/// What root and issuing CA have in common.
pub(crate) fn ca_params(
    name: &CaName,
    begins: UnixMillis,
    ends: UnixMillis,
    path_len: u8,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.not_before = instant::to_x509(begins)?;
    params.not_after = instant::to_x509(ends)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(
        Serial::draw(rng).as_bytes(),
    ));
    params.distinguished_name = name.to_x509()?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

pub(crate) fn write_pair(
    directory: &Path,
    key_name: &str,
    certificate_name: &str,
    key: &KeyPair,
    certificate: &[u8],
) -> Result<(), CaError> {
    // The key first: a certificate without its key would be the worse half.
    let key_pem = zeroize::Zeroizing::new(key.serialize_pem());
    let key_path = directory.join(key_name);
    files::write_new(&key_path, key_pem.as_bytes(), 0o600)?;
    let certificate_path = directory.join(certificate_name);
    let pem = files::pem("CERTIFICATE", certificate);
    if let Err(error) = files::write_new(&certificate_path, pem.as_bytes(), 0o644) {
        // Ours, made a moment ago, and worth nothing without its certificate.
        let _ = std::fs::remove_file(&key_path);
        return Err(error.into());
    }
    Ok(())
}

pub(crate) fn load_signer(
    directory: &Path,
    key_name: &str,
    certificate: &CertificateDer<'_>,
) -> Result<Box<dyn Signer>, CaError> {
    let path = directory.join(key_name);
    let key = KeyPair::try_from(&files::read_key(&path)?).map_err(crypto("read the CA's key"))?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|error| CaError::Unusable {
            what: "the CA's certificate",
            why: error.to_string(),
        })?;
    if parsed.public_key().raw != rcgen::PublicKeyData::subject_public_key_info(&key) {
        return Err(CaError::NotAPair {
            directory: directory.display().to_string(),
        });
    }
    Ok(Box::new(key))
}

pub(crate) fn crypto(act: &'static str) -> impl FnOnce(rcgen::Error) -> CaError {
    move |source| CaError::Crypto { act, source }
}

pub(crate) fn printable(text: &str) -> Result<rcgen::DnValue, CaError> {
    text.try_into()
        .map(rcgen::DnValue::PrintableString)
        .map_err(crypto("write a name"))
}
