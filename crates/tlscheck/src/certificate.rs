//! Certificates of a chain: what they say, and whether the chain leads to a
//! root. Reads what a stranger shows.

use crate::crypto::sign::{IdentityError, certificates};
use crate::report::{Gap, Told};
use crate::text::shown;
use crate::wire::key_exchange::bits;
use iryonet_domain::UnixMillis;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;

/// A chain as shown, leaf first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The certificates that could be read, in the order in which they came.
    pub certificates: Vec<Certificate>,
    /// Certificates that could not be read.
    pub unreadable: u32,
    /// Each one names the next as its issuer.
    pub in_order: bool,
    /// It leads to one of the given roots, by what was shown alone.
    pub trusted: Told,
    /// Why not, when it does not.
    pub trust_problem: Option<String>,
    /// The leaf is for the name or address that was asked for.
    pub names_target: Told,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Subject, printable.
    pub subject: String,
    /// Issuer, printable.
    pub issuer: String,
    /// Names and addresses it is for, printable.
    pub names: Vec<String>,
    /// Its key.
    pub key: Key,
    /// What its issuer signed it with.
    pub signature: Signature,
    /// Begin of its validity.
    pub not_before: UnixMillis,
    /// End of its validity.
    pub not_after: UnixMillis,
    /// It may sign others.
    pub is_ca: bool,
    /// It is signed by its own name: a root, whose signature nobody relies on.
    pub is_self_issued: bool,
    /// SHA-256 over it, in hexadecimal digits.
    pub sha256: String,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Which kind.
    pub kind: KeyKind,
    /// Size in bits; 0 when it cannot be told.
    pub bits: u32,
    /// The curve, or the algorithm's number where the kind is another.
    pub detail: Option<String>,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            KeyKind::Rsa => "RSA",
            KeyKind::Ecdsa => "ECDSA",
            KeyKind::EdDsa => "EdDSA",
            KeyKind::Dsa => "DSA",
            KeyKind::Other => "key",
        };
        write!(f, "{kind} {}", self.bits)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// ECDSA on a named curve.
    Ecdsa,
    /// Ed25519, Ed448.
    EdDsa,
    /// DSA.
    Dsa,
    /// Anything else.
    Other,
}

/// A signature's algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// As `sha256WithRSAEncryption`, or its number.
    pub name: String,
    /// Whether its hash is SHA-256 or better; `None` when it is not known.
    pub strong: Option<bool>,
}

/// The roots to judge by.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Arc<[TrustAnchor<'static>]>,
}

/// Most roots: the bundle of a whole system has some hundreds.
const ROOTS_MAX: usize = 1024;

impl Roots {
    /// From PEM, one or more certificates.
    ///
    /// # Errors
    /// When there is none, too many, or one that is no certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityError> {
        let roots = certificates("the file of roots", pem, ROOTS_MAX)?;
        let anchor = |(index, root): (usize, Vec<u8>)| {
            let root = CertificateDer::from(root);
            webpki::anchor_from_trusted_cert(&root)
                .map(|anchor| anchor.to_owned())
                .map_err(|error| IdentityError::Root {
                    place: index + 1,
                    why: error.to_string(),
                })
        };
        let anchors: Result<Vec<_>, _> = roots.into_iter().enumerate().map(anchor).collect();
        Ok(Self {
            anchors: anchors?.into(),
        })
    }
}

/// Whom a leaf should be for.
#[derive(Debug, Clone)]
pub(crate) enum Wanted<'a> {
    /// Nobody is asked for: a client's name is for others to judge.
    Nobody,
    Name(&'a str),
    Address(std::net::IpAddr),
}

/// What a leaf should be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Server,
    Client,
}

impl Chain {
    /// Reads a chain in DER and judges it.
    pub(crate) fn read(
        chain: &[Vec<u8>],
        roots: Option<&Roots>,
        wanted: &Wanted<'_>,
        now: UnixMillis,
        usage: Usage,
    ) -> Self {
        let parsed: Vec<X509Certificate<'_>> = chain
            .iter()
            .filter_map(|der| X509Certificate::from_der(der).ok())
            .filter(|(rest, _)| rest.is_empty())
            .map(|(_, certificate)| certificate)
            .collect();
        let in_order = parsed.len() == chain.len()
            && parsed
                .iter()
                .zip(parsed.iter().skip(1))
                .all(|(below, above)| below.issuer().as_raw() == above.subject().as_raw());
        let certificates: Vec<_> = parsed.iter().map(Certificate::read).collect();
        let (trusted, trust_problem) = trust(chain, certificates.first(), roots, now, usage);
        let unreadable = chain.len().saturating_sub(parsed.len());
        Self {
            certificates,
            unreadable: u32::try_from(unreadable).unwrap_or(u32::MAX),
            in_order,
            trusted,
            trust_problem,
            names_target: names(chain, wanted),
        }
    }

    /// The leaf, when it could be read.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }
}

/// Whether the shown chain leads to a root. Asked for a moment within the
/// leaf's validity: whether it is over is a question of its own.
fn trust(
    chain: &[Vec<u8>],
    leaf: Option<&Certificate>,
    roots: Option<&Roots>,
    now: UnixMillis,
    usage: Usage,
) -> (Told, Option<String>) {
    let Some(roots) = roots else {
        return (Told::Unknown(Gap::NeedsRoots), None);
    };
    let (Some(first), Some(leaf)) = (chain.first(), leaf) else {
        return (Told::No, Some("no certificate that can be read".to_owned()));
    };
    let within = now
        .0
        .clamp(leaf.not_before.0, leaf.not_after.0.max(leaf.not_before.0));
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_millis(within));
    let first = CertificateDer::from(first.as_slice());
    let above: Vec<CertificateDer<'_>> = chain
        .iter()
        .skip(1)
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let verified = EndEntityCert::try_from(&first).and_then(|end_entity| {
        end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &roots.anchors,
                &above,
                moment,
                match usage {
                    Usage::Server => KeyUsage::server_auth(),
                    Usage::Client => KeyUsage::client_auth(),
                },
                None,
                None,
            )
            .map(|_| ())
    });
    match verified {
        Ok(()) => (Told::Yes, None),
        Err(error) => {
            use webpki::Error;
            let weak = matches!(
                error,
                Error::UnsupportedSignatureAlgorithmContext(_)
                    | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            );
            if weak {
                (Told::Unknown(Gap::TooWeakToVerify), Some(error.to_string()))
            } else {
                (Told::No, Some(explain(&error)))
            }
        }
    }
}

/// The usual faults in words; the others in webpki's.
fn explain(error: &webpki::Error) -> String {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => {
            "no path to a given root: an intermediate certificate is missing, or the root is another"
                .to_owned()
        }
        Error::RequiredEkuNotFoundContext(_) => {
            "the certificate is not for this use (extended key usage)".to_owned()
        }
        Error::UnsupportedCertVersion => {
            "a certificate of an old version; X.509 version 3 is right".to_owned()
        }
        Error::CaUsedAsEndEntity => "the certificate is a CA's".to_owned(),
        Error::CertExpired { .. } => "a certificate above the leaf has expired".to_owned(),
        other => other.to_string(),
    }
}

fn names(chain: &[Vec<u8>], wanted: &Wanted<'_>) -> Told {
    let Some(first) = chain.first() else {
        return Told::No;
    };
    let first = CertificateDer::from(first.as_slice());
    let name = match wanted {
        Wanted::Nobody => return Told::Yes,
        Wanted::Name(name) => ServerName::try_from(*name),
        Wanted::Address(address) => Ok(ServerName::from(*address)),
    };
    let (Ok(certificate), Ok(name)) = (EndEntityCert::try_from(&first), name) else {
        return Told::No;
    };
    Told::of(certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

impl Certificate {
    fn read(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        let moment = |time: &x509_parser::time::ASN1Time| {
            UnixMillis(
                u64::try_from(time.timestamp())
                    .unwrap_or(0)
                    .saturating_mul(1000),
            )
        };
        let digest = crate::crypto::Hash::Sha256.of(certificate.as_raw());
        Self {
            subject: shown(&certificate.subject().to_string()),
            issuer: shown(&certificate.issuer().to_string()),
            names: subject_names(certificate),
            key: Key::read(certificate),
            signature: Signature::read(certificate),
            not_before: moment(&validity.not_before),
            not_after: moment(&validity.not_after),
            is_ca: certificate.is_ca(),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            sha256: digest.iter().map(|octet| format!("{octet:02x}")).collect(),
        }
    }
}

/// Most names that are listed.
const NAMES_MAX: usize = 64;

fn subject_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::URI(uri) => Some(shown(uri)),
        GeneralName::IPAddress(octets) => address(octets),
        _ => None,
    };
    let names = names.value.general_names.iter();
    names.filter_map(name).take(NAMES_MAX).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(octets).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

impl Key {
    fn read(certificate: &X509Certificate<'_>) -> Self {
        let info = certificate.public_key();
        let algorithm = &info.algorithm.algorithm;
        let number = |bits: usize| u32::try_from(bits).unwrap_or(u32::MAX);
        if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info
                .algorithm
                .parameters
                .as_ref()
                // `as_oid` would read the octets of anything; explicit curves are none.
                .filter(|parameters| parameters.tag() == Tag::Oid)
                .and_then(|parameters| parameters.as_oid().ok());
            let named = curve.as_ref().map(|curve| curve.to_id_string());
            let (bits, name) = match named.as_deref() {
                Some("1.2.840.10045.3.1.7") => (256, "P-256"),
                Some("1.3.132.0.34") => (384, "P-384"),
                Some("1.3.132.0.35") => (521, "P-521"),
                Some("1.3.132.0.10") => (256, "secp256k1"),
                Some("1.3.132.0.33") => (224, "P-224"),
                Some("1.2.840.10045.3.1.1") => (192, "P-192"),
                Some("1.3.36.3.3.2.8.1.1.7") => (256, "brainpoolP256r1"),
                Some("1.3.36.3.3.2.8.1.1.11") => (384, "brainpoolP384r1"),
                Some("1.3.36.3.3.2.8.1.1.13") => (512, "brainpoolP512r1"),
                Some(other) => (0, other),
                None => (0, "explicit curve"),
            };
            return Self {
                kind: KeyKind::Ecdsa,
                bits,
                detail: Some(shown(name)),
            };
        }
        let (kind, bits) = match info.parsed() {
            Ok(PublicKey::RSA(rsa)) => (KeyKind::Rsa, bits(rsa.modulus)),
            Ok(PublicKey::DSA(_)) => (KeyKind::Dsa, 0),
            _ if *algorithm == oid::OID_SIG_ED25519 => (KeyKind::EdDsa, 256),
            _ if algorithm.to_id_string() == "1.3.101.113" => (KeyKind::EdDsa, 456),
            _ => (KeyKind::Other, 0),
        };
        Self {
            kind,
            bits: number(bits),
            detail: (kind == KeyKind::Other).then(|| shown(&algorithm.to_id_string())),
        }
    }
}

impl Signature {
    fn read(certificate: &X509Certificate<'_>) -> Self {
        let algorithm = &certificate.signature_algorithm;
        let number = algorithm.algorithm.to_id_string();
        let (name, strong) = match number.as_str() {
            "1.2.840.113549.1.1.2" => ("md2WithRSAEncryption", Some(false)),
            "1.2.840.113549.1.1.4" => ("md5WithRSAEncryption", Some(false)),
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => ("sha1WithRSAEncryption", Some(false)),
            "1.2.840.113549.1.1.14" => ("sha224WithRSAEncryption", Some(false)),
            "1.2.840.113549.1.1.11" => ("sha256WithRSAEncryption", Some(true)),
            "1.2.840.113549.1.1.12" => ("sha384WithRSAEncryption", Some(true)),
            "1.2.840.113549.1.1.13" => ("sha512WithRSAEncryption", Some(true)),
            "1.2.840.10045.4.1" => ("ecdsa-with-SHA1", Some(false)),
            "1.2.840.10045.4.3.1" => ("ecdsa-with-SHA224", Some(false)),
            "1.2.840.10045.4.3.2" => ("ecdsa-with-SHA256", Some(true)),
            "1.2.840.10045.4.3.3" => ("ecdsa-with-SHA384", Some(true)),
            "1.2.840.10045.4.3.4" => ("ecdsa-with-SHA512", Some(true)),
            "1.2.840.10040.4.3" => ("dsa-with-SHA1", Some(false)),
            "2.16.840.1.101.3.4.3.2" => ("dsa-with-SHA256", Some(true)),
            "1.3.101.112" => ("Ed25519", Some(true)),
            "1.3.101.113" => ("Ed448", Some(true)),
            "1.2.840.113549.1.1.10" => {
                let parameters = algorithm.parameters.as_ref();
                let hash = parameters
                    .and_then(|parameters| RsaSsaPssParams::try_from(parameters).ok())
                    .map(|parameters| parameters.hash_algorithm_oid().to_id_string());
                match hash.as_deref() {
                    Some("2.16.840.1.101.3.4.2.1") => ("RSASSA-PSS with SHA-256", Some(true)),
                    Some("2.16.840.1.101.3.4.2.2") => ("RSASSA-PSS with SHA-384", Some(true)),
                    Some("2.16.840.1.101.3.4.2.3") => ("RSASSA-PSS with SHA-512", Some(true)),
                    Some("1.3.14.3.2.26") => ("RSASSA-PSS with SHA-1", Some(false)),
                    _ => ("RSASSA-PSS", None),
                }
            }
            other => (other, None),
        };
        Self {
            name: shown(name),
            strong,
        }
    }
}

/// A distinguished name in DER, printable.
pub(crate) fn distinguished_name(der: &[u8]) -> String {
    match x509_parser::x509::X509Name::from_der(der) {
        Ok((_, name)) => shown(&name.to_string()),
        Err(_) => "a name that cannot be read".to_owned(),
    }
}
