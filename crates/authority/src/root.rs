//! The offline root: made once, used to make an issuing CA, otherwise kept away
//! from every network.

use crate::csr::{Csr, KeyKind, SubjectKey};
use crate::custody::{self, Custody, CustodyError, KeyName, Secret};
use crate::files::{self, FileError};
use crate::instant::{self, BACKDATE_MS, DAY_MS, InstantError};
use crate::issuing::{CaFacts, ISSUING_LIFE_DAYS_MAX};
use crate::serial::Serial;
use crate::signer::{CaKey, Failed, Pen, PublicPart, SignError, Signer, anything};
use iryonet_domain::UnixMillis;
use iryonet_domain::text::TextError;
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
    PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use std::path::Path;

/// The root's key in its directory.
pub const ROOT_KEY: &str = "root.key";
/// The root's certificate in its directory.
pub const ROOT_CERTIFICATE: &str = "root.pem";
/// The life of a root, in days: twenty years.
pub const ROOT_LIFE_DAYS: u64 = 7_305;

pub(crate) const KEY: KeyName = KeyName {
    file: ROOT_KEY,
    note: "root-key.toml",
    word: "root",
};

/// The passphrase of the root's key: from this file, or as a start finds it.
///
/// # Errors
/// When it is nowhere, open to others, or no line of text.
pub fn passphrase(file: Option<&Path>) -> Result<Secret, CustodyError> {
    custody::passphrase(KEY, file)
}

/// The PIN of the token that holds the root's key, likewise.
///
/// # Errors
/// As [`passphrase`].
pub fn pin(file: Option<&Path>) -> Result<Secret, CustodyError> {
    custody::pin(KEY, file)
}

/// How a root is to be made.
#[derive(Debug, Clone)]
pub struct RootSpec {
    /// Its name.
    pub name: CaName,
    /// Its kind of key.
    pub key: CaKey,
    /// How the key is kept.
    pub custody: Custody,
}

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
    /// The key could not be kept or had.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
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
    /// Not where a revocation list can be found, or an OCSP responder.
    #[error("{uri:?} cannot stand in a certificate as its {what}: {wanted} is wanted")]
    Uri {
        /// For what.
        what: &'static str,
        /// What was given.
        uri: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// More shards than there may be, or none.
    #[error("{have} shards of the revocation lists were asked for; 1 to {max} are possible")]
    Shards {
        /// Asked for.
        have: u16,
        /// Most possible.
        max: u16,
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
    /// Makes a root (self-signed, at most one CA below it, twenty years) and
    /// writes `root.key` (unless a token keeps the key), `root-key.toml` and
    /// `root.pem` into `directory`.
    ///
    /// # Errors
    /// When one of the files exists, or the system or the token refuses.
    pub fn make(
        directory: &Path,
        spec: &RootSpec,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CaError> {
        let begins = UnixMillis(now.0.saturating_sub(BACKDATE_MS));
        let ends = now.plus_ms(ROOT_LIFE_DAYS * DAY_MS);
        let mut params = ca_params(spec.name.to_x509()?, begins, ends, 1, rng)?;
        // RFC 5280 section 4.2.1.1 lets a self-signed certificate omit it.
        params.use_authority_key_identifier_extension = false;
        files::make_directory(directory)?;
        let signer = custody::make(directory, KEY, spec.key, &spec.custody, rng)?;
        let made = sign_ca(&params, &PublicPart(&*signer), &params, &*signer).and_then(|der| {
            let pem = files::pem("CERTIFICATE", &der);
            files::write_new(&directory.join(ROOT_CERTIFICATE), pem.as_bytes(), 0o644)?;
            Ok(der)
        });
        match made {
            Ok(certificate) => Ok(Self {
                signer,
                certificate,
            }),
            Err(error) => {
                custody::unmake(directory, KEY);
                Err(error)
            }
        }
    }

    /// Reads a root from its directory.
    ///
    /// # Errors
    /// When a file is missing, open to others, does not open with its
    /// passphrase, or the two are not a pair.
    pub fn load(directory: &Path) -> Result<Self, CaError> {
        let certificate = files::read_certificate(&directory.join(ROOT_CERTIFICATE))?;
        let signer = load_signer(directory, KEY, &certificate)?;
        Ok(Self {
            signer,
            certificate,
        })
    }

    /// Signs an issuing CA's request: the one act for which the root is taken
    /// out of its safe. Of the request only the key is used.
    ///
    /// # Errors
    /// When the life does not fit into the root's, or the key is none that an
    /// issuing CA may have.
    pub fn sign_issuing(
        &self,
        request: &Csr,
        name: &CaName,
        life_days: u64,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<CertificateDer<'static>, CaError> {
        let kind = request.key_kind();
        let fits = match kind {
            KeyKind::P256 | KeyKind::P384 => true,
            KeyKind::Rsa { bits } => bits == 2_048 || bits == 3_072,
        };
        if !fits {
            return Err(CaError::Unusable {
                what: "the issuing CA's request",
                why: format!(
                    "its key is {kind}; ECDSA P-256, P-384 and RSA of 2048 or 3072 bits are a CA's"
                ),
            });
        }
        self.sign_issuing_key(request.key(), name, life_days, now, rng)
    }

    pub(crate) fn sign_issuing_key(
        &self,
        key: &impl PublicKeyData,
        name: &CaName,
        life_days: u64,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<CertificateDer<'static>, CaError> {
        let (facts, begins, ends) = self.issuing_times(life_days, now)?;
        let params = ca_params(name.to_x509()?, begins, ends, 0, rng)?;
        sign_ca(&params, key, &facts.issuer, &*self.signer)
    }

    /// When an issuing CA of so many days would begin and end, if it may.
    pub(crate) fn issuing_times(
        &self,
        life_days: u64,
        now: UnixMillis,
    ) -> Result<(CaFacts, UnixMillis, UnixMillis), CaError> {
        if !(1..=ISSUING_LIFE_DAYS_MAX).contains(&life_days) {
            return Err(CaError::Life {
                days: life_days,
                max: ISSUING_LIFE_DAYS_MAX,
            });
        }
        let facts = CaFacts::read("the root", &self.certificate)?;
        let begins = UnixMillis(now.0.saturating_sub(BACKDATE_MS)).max(facts.validity.0);
        let ends = now.plus_ms(life_days * DAY_MS);
        if ends > facts.validity.1 || begins >= ends {
            return Err(CaError::OutsideRoot {
                root_ends_ms: facts.validity.1.0,
            });
        }
        Ok((facts, begins, ends))
    }

    /// Certifies another root with this one (RFC 4210 section 4.4: "new with
    /// old" and "old with new"): a letter of introduction, by which whoever
    /// trusts this one comes to trust the other. It stands in no chain: this
    /// root has one CA below it, and an issuing CA would be the second. Valid
    /// until the earlier of both ends.
    ///
    /// # Errors
    /// When the other certificate is no root of a kind that is used.
    pub fn cross(
        &self,
        other: &CertificateDer<'_>,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<CertificateDer<'static>, CaError> {
        let own = CaFacts::read("this root", &self.certificate)?;
        let facts = CaFacts::read("the other root", other)?;
        let unusable = |why: String| CaError::Unusable {
            what: "the other root",
            why,
        };
        let (_, parsed) = x509_parser::parse_x509_certificate(other)
            .map_err(|error| unusable(error.to_string()))?;
        parsed
            .verify_signature(None)
            .map_err(|_| unusable("it did not sign itself".to_owned()))?;
        let key = SubjectKey::read(parsed.public_key()).map_err(|e| unusable(e.to_string()))?;
        let begins = UnixMillis(now.0.saturating_sub(BACKDATE_MS))
            .max(own.validity.0)
            .max(facts.validity.0);
        let ends = own.validity.1.min(facts.validity.1);
        if begins >= ends {
            return Err(unusable("the two roots' times do not overlap".to_owned()));
        }
        let mut params = ca_params(facts.issuer.distinguished_name, begins, ends, 0, rng)?;
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(facts.key_id);
        sign_ca(&params, &key, &own.issuer, &*self.signer)
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
    name: DistinguishedName,
    begins: UnixMillis,
    ends: UnixMillis,
    path_len: u8,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.not_before = instant::to_x509(begins)?;
    params.not_after = instant::to_x509(ends)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(
        Serial::draw_for_ca(rng).as_bytes(),
    ));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Signs a CA's certificate, its own or another's.
pub(crate) fn sign_ca(
    params: &CertificateParams,
    key: &impl PublicKeyData,
    issuer: &CertificateParams,
    signer: &dyn Signer,
) -> Result<CertificateDer<'static>, CaError> {
    let pen = Pen::new(signer, &anything);
    let signed = params.signed_by(key, &Issuer::from_params(issuer, &pen));
    match (signed, pen.failed()) {
        (Ok(certificate), _) => Ok(certificate.into()),
        (Err(_), Some(Failed::Sign(error))) => Err(error.into()),
        (Err(source), _) => Err(CaError::Crypto {
            act: "sign the CA's certificate",
            source,
        }),
    }
}

/// A name as rcgen writes it, in the very string types that it has.
pub(crate) fn name_of(name: &x509_parser::x509::X509Name<'_>) -> Option<DistinguishedName> {
    use rcgen::DnValue;
    use x509_parser::der_parser::asn1_rs::Tag;
    let mut out = DistinguishedName::new();
    for attribute in name.iter_attributes() {
        let id: Vec<u64> = attribute.attr_type().iter()?.collect();
        let text = attribute.as_str().ok()?;
        let value = match attribute.attr_value().tag() {
            Tag::PrintableString => DnValue::PrintableString(text.try_into().ok()?),
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::Ia5String => DnValue::Ia5String(text.try_into().ok()?),
            _ => return None,
        };
        out.push(DnType::from_oid(&id), value);
    }
    Some(out)
}

pub(crate) fn load_signer(
    directory: &Path,
    name: KeyName,
    certificate: &CertificateDer<'_>,
) -> Result<Box<dyn Signer>, CaError> {
    let signer = custody::load(directory, name)?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|error| CaError::Unusable {
            what: "the CA's certificate",
            why: error.to_string(),
        })?;
    if parsed.public_key().raw != PublicPart(&*signer).subject_public_key_info() {
        return Err(CaError::NotAPair {
            directory: directory.display().to_string(),
        });
    }
    Ok(signer)
}

pub(crate) fn crypto(act: &'static str) -> impl FnOnce(rcgen::Error) -> CaError {
    move |source| CaError::Crypto { act, source }
}

pub(crate) fn printable(text: &str) -> Result<rcgen::DnValue, CaError> {
    text.try_into()
        .map(rcgen::DnValue::PrintableString)
        .map_err(crypto("write a name"))
}
