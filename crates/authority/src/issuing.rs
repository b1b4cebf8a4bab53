//! The issuing CA: signs leaf certificates and revocation lists, and nothing
//! else. It needs the root's key only while it is made.

use crate::csr::LeafKeys;
use crate::custody::{self, Custody, CustodyError, KeyName, Secret};
use crate::files;
use crate::instant;
use crate::root::{CaError, CaName, RootCa, crypto, load_signer};
use crate::serial::{IssuerTag, Serial};
use crate::signer::{CaKey, Failed, Pen, PublicPart, Signer, anything};
use iryonet_domain::UnixMillis;
use rand::CryptoRng;
use rcgen::{CertificateParams, DistinguishedName, KeyIdMethod, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The issuing CA's key in its directory.
pub const ISSUING_KEY: &str = "issuing.key";
/// The issuing CA's certificate in its directory.
pub const ISSUING_CERTIFICATE: &str = "issuing.pem";
/// The root's certificate, copied beside it: what participants are to trust.
pub const TRUST_ANCHOR: &str = "root.pem";
/// The request that goes to the offline root.
pub const ISSUING_REQUEST: &str = "issuing.csr";
/// The longest life of an issuing CA, in days: ten years.
pub const ISSUING_LIFE_DAYS_MAX: u64 = 3_652;
/// Its usual life, in days: eight years.
pub const ISSUING_LIFE_DAYS: u64 = 2_922;

/// Most shards of one issuing CA's revocation lists.
pub const SHARDS_MAX: u16 = 4_096;
/// Longest URI in a certificate, in characters.
const URI_MAX: usize = 512;

pub(crate) const KEY: KeyName = KeyName {
    file: ISSUING_KEY,
    note: "issuing-key.toml",
    word: "issuing",
};

/// The passphrase of the issuing CA's key: from this file, or as a start finds it.
///
/// # Errors
/// When it is nowhere, open to others, or no line of text.
pub fn passphrase(file: Option<&Path>) -> Result<Secret, CustodyError> {
    custody::passphrase(KEY, file)
}

/// The PIN of the token that holds the issuing CA's key, likewise.
///
/// # Errors
/// As [`passphrase`].
pub fn pin(file: Option<&Path>) -> Result<Secret, CustodyError> {
    custody::pin(KEY, file)
}

/// How an issuing CA is to be made.
#[derive(Debug, Clone)]
pub struct IssuingSpec {
    /// Its name.
    pub name: CaName,
    /// Its kind of key.
    pub key: CaKey,
    /// Its life in days, 1 to [`ISSUING_LIFE_DAYS_MAX`].
    pub life_days: u64,
    /// How the key is kept.
    pub custody: Custody,
}

/// What the certificates of an issuing CA say of where their status is found,
/// and which keys they are for. Fixed in each certificate when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Where the revocation list is found, if said. `{issuer}` stands for the
    /// CA's key identifier in hexadecimal, `{shard}` for the shard's number.
    pub crl_uri: Option<String>,
    /// Where the OCSP responder is found, if said.
    pub ocsp_uri: Option<String>,
    /// Among how many lists revoked certificates are divided, 1 to
    /// [`SHARDS_MAX`].
    pub shards: u16,
    /// Which keys are taken.
    pub leaf_keys: LeafKeys,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            crl_uri: None,
            ocsp_uri: None,
            shards: 1,
            leaf_keys: LeafKeys::default(),
        }
    }
}

/// An issuing CA at work.
pub struct IssuingCa {
    signer: Box<dyn Signer>,
    certificate: CertificateDer<'static>,
    root: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    facts: CaFacts,
    pem: String,
    rules: Rules,
    /// Where its revocation lists are found: the rule's URI with the CA's own
    /// key identifier in it.
    lists: Option<String>,
    signed: AtomicU64,
}

impl IssuingCa {
    /// Makes an issuing CA below `root` and writes `issuing.key` (unless a
    /// token keeps the key), `issuing-key.toml`, `issuing.pem` and a copy of
    /// `root.pem` into `directory`. For where root and center are one machine:
    /// tests and pilots. A network's ceremony goes by [`IssuingCa::request`],
    /// [`RootCa::sign_issuing`] and [`IssuingCa::install`].
    ///
    /// # Errors
    /// When a file exists, the life does not fit into the root's, or the system
    /// or the token refuses.
    pub fn make(
        root: &RootCa,
        directory: &Path,
        spec: &IssuingSpec,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CaError> {
        // What is refused leaves nothing behind.
        root.issuing_times(spec.life_days, now)?;
        files::make_directory(directory)?;
        let signer = custody::make(directory, KEY, spec.key, &spec.custody, rng)?;
        let made = root
            .sign_issuing_key(&PublicPart(&*signer), &spec.name, spec.life_days, now, rng)
            .and_then(|certificate| {
                write_certificates(directory, &certificate, &root.certificate)?;
                Ok(certificate)
            });
        match made {
            Ok(certificate) => Self::assemble(signer, certificate, root.certificate.clone()),
            Err(error) => {
                custody::unmake(directory, KEY);
                Err(error)
            }
        }
    }

    /// Makes the key where it will be used, and the request (`issuing.csr`)
    /// that is carried to the offline root.
    ///
    /// # Errors
    /// When a file exists, or the system or the token refuses.
    pub fn request(
        directory: &Path,
        key: CaKey,
        custody: &Custody,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), CaError> {
        files::make_directory(directory)?;
        let signer = custody::make(directory, KEY, key, custody, rng)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let pen = Pen::new(&*signer, &anything);
        let request = params.serialize_request(&pen);
        let written = match (request, pen.failed()) {
            (Ok(request), _) => {
                let pem = files::pem("CERTIFICATE REQUEST", request.der());
                files::write_new(&directory.join(ISSUING_REQUEST), pem.as_bytes(), 0o644)
                    .map_err(CaError::from)
            }
            (Err(_), Some(Failed::Sign(error))) => Err(error.into()),
            (Err(source), _) => Err(crypto("make the request")(source)),
        };
        if written.is_err() {
            custody::unmake(directory, KEY);
        }
        written
    }

    /// Puts the certificate that the root signed, and the root's own, beside
    /// the key that was made by [`IssuingCa::request`].
    ///
    /// # Errors
    /// When they do not belong together, or there are such files already.
    pub fn install(
        directory: &Path,
        certificate: &CertificateDer<'static>,
        root: &CertificateDer<'static>,
    ) -> Result<Self, CaError> {
        let signer = load_signer(directory, KEY, certificate)?;
        let ca = Self::assemble(signer, certificate.clone(), root.clone())?;
        write_certificates(directory, certificate, root)?;
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
        let signer = load_signer(directory, KEY, &certificate)?;
        Self::assemble(signer, certificate, root)
    }

    /// An issuing CA from a signer (a token, say) and the two certificates.
    ///
    /// # Errors
    /// When the certificate is no CA's, or was not signed by the root.
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
        Ok(Self {
            pem: files::pem("CERTIFICATE", &certificate),
            signer,
            certificate,
            root,
            anchor,
            facts,
            rules: Rules::default(),
            lists: None,
            signed: AtomicU64::new(0),
        })
    }

    /// From now on certificates are made by these rules.
    ///
    /// # Errors
    /// When a URI is not `http://` with at most 512 printable ASCII characters,
    /// or shards are asked for that the URI does not tell apart. Not `https`:
    /// asking for the status must not need a certificate whose status is asked
    /// for (RFC 5280 section 8).
    pub fn with_rules(mut self, rules: Rules) -> Result<Self, CaError> {
        if !(1..=SHARDS_MAX).contains(&rules.shards) {
            return Err(CaError::Shards {
                have: rules.shards,
                max: SHARDS_MAX,
            });
        }
        for (what, uri) in [
            ("revocation list", &rules.crl_uri),
            ("OCSP responder", &rules.ocsp_uri),
        ] {
            if let Some(uri) = uri.as_deref().filter(|uri| !is_http(uri)) {
                return Err(CaError::Uri {
                    what,
                    uri: uri.chars().take(80).collect(),
                    wanted: "an http:// URI of at most 512 ASCII characters",
                });
            }
        }
        if let Some(uri) = rules.crl_uri.as_deref()
            && rules.shards > 1
            && !uri.contains("{shard}")
        {
            return Err(CaError::Uri {
                what: "revocation list",
                uri: uri.chars().take(80).collect(),
                wanted: "with more than one shard, a URI with {shard} in it",
            });
        }
        let own = hex::encode(&self.facts.key_id);
        self.lists = rules
            .crl_uri
            .as_ref()
            .map(|uri| uri.replace("{issuer}", &own));
        self.rules = rules;
        Ok(self)
    }

    /// The issuing CA's certificate, DER: the intermediate that every device
    /// sends with its own.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The same, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
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
        self.facts.validity
    }

    /// What its key identifies itself by, in certificates that it signed.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        &self.facts.key_id
    }

    /// What its serial numbers begin with.
    #[must_use]
    pub fn tag(&self) -> IssuerTag {
        let mut tag = IssuerTag::default();
        for (to, from) in tag.iter_mut().zip(&self.facts.key_id) {
            *to = *from;
        }
        tag
    }

    /// Its subject, DER.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.facts.subject
    }

    /// The kind of its key.
    #[must_use]
    pub fn key(&self) -> CaKey {
        self.signer.kind()
    }

    /// How its certificates are made.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where the list of a shard is found.
    #[must_use]
    pub fn crl_uri(&self, shard: u16) -> Option<String> {
        let uri = self.lists.as_deref()?;
        Some(uri.replace("{shard}", &shard.to_string()))
    }

    /// Draws the next certificate's serial number, and with it its shard.
    pub(crate) fn draw_serial(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Serial {
        let shards = u32::from(self.rules.shards.max(1));
        let shard = u16::try_from(rng.next_u32() % shards).unwrap_or(0);
        Serial::draw(self.tag(), shard, rng)
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    pub(crate) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }

    /// As rcgen wants its issuers.
    pub(crate) fn issuer(&self) -> &CertificateParams {
        &self.facts.issuer
    }

    /// Is the signature that was just made one of those that are verified?
    pub(crate) fn verifies_this_one(&self) -> bool {
        let before = self.signed.fetch_add(1, Ordering::Relaxed);
        before.is_multiple_of(self.signer.verified_one_in().max(1))
    }
}

impl std::fmt::Debug for IssuingCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuingCa")
            .field("key_id", &hex::encode(&self.facts.key_id))
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

fn is_http(uri: &str) -> bool {
    uri.len() <= URI_MAX
        && uri.len() > "http://".len()
        && uri.starts_with("http://")
        && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

fn write_certificates(
    directory: &Path,
    certificate: &CertificateDer<'_>,
    root: &CertificateDer<'static>,
) -> Result<(), CaError> {
    // Root and issuing CA may share a directory (a pilot's do).
    let anchor = directory.join(TRUST_ANCHOR);
    if files::read_certificate(&anchor).ok().as_ref() != Some(root) {
        files::write_new(&anchor, files::pem("CERTIFICATE", root).as_bytes(), 0o644)?;
    }
    let pem = files::pem("CERTIFICATE", certificate);
    files::write_new(&directory.join(ISSUING_CERTIFICATE), pem.as_bytes(), 0o644)?;
    Ok(())
}

/// What a CA's certificate says, read once.
pub(crate) struct CaFacts {
    pub(crate) key_id: Vec<u8>,
    pub(crate) validity: (UnixMillis, UnixMillis),
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer: CertificateParams,
}

impl CaFacts {
    pub(crate) fn read(
        what: &'static str,
        certificate: &CertificateDer<'_>,
    ) -> Result<Self, CaError> {
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
        if CaKey::of(parsed.public_key()).is_none() {
            return Err(unusable(
                "its key is neither ECDSA P-256 or P-384 nor RSA of 2048 or 3072 bits",
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
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = crate::root::name_of(parsed.subject())
            .ok_or_else(|| unusable("its subject is written in a form that no CA here uses"))?;
        issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(key_id.clone());
        Ok(Self {
            key_id,
            validity: (
                instant::from_x509(parsed.validity().not_before.timestamp()),
                instant::from_x509(parsed.validity().not_after.timestamp()),
            ),
            subject: parsed.subject().as_raw().to_vec(),
            issuer,
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
