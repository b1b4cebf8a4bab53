//! The last look at a certificate before the CA's key signs it.
//!
//! What is read is the very string of octets that the key is about to sign
//! (TBSCertificate, RFC 5280 section 4.1.2), as a stranger would read it, and
//! compared with what the profile demands: nothing missing, nothing more. The
//! lint knows nothing of how the certificate was put together, so that a fault
//! there cannot hide here.

use crate::csr::SubjectKey;
use crate::instant::{self, BACKDATE_MS, DAY_MS};
use crate::issuing::IssuingCa;
use crate::profile::{LIFE_DAYS_MAX, Profile};
use crate::serial::Serial;
use iryonet_domain::UnixMillis;
use rcgen::PublicKeyData;
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_parser::certificate::TbsCertificate;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::{self as oid, Oid};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

/// One thing that is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule, as a stable word for logs and counters.
    pub rule: &'static str,
    /// What was found and what would be right.
    pub text: String,
}

/// The certificate breaks rules of its profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lint found {}: {}", count(.findings.len()), join(.findings))]
pub struct LintError {
    /// Everything that was found, in the order of the rules; never empty.
    pub findings: Vec<Finding>,
}

fn count(findings: usize) -> String {
    format!("{findings} fault{}", if findings == 1 { "" } else { "s" })
}

fn join(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| format!("[{}] {}", finding.rule, finding.text))
        .collect();
    texts.join("; ")
}

/// What the certificate has to say.
pub(crate) struct Wanted<'a> {
    pub(crate) profile: &'a Profile,
    /// The key of the request.
    pub(crate) key: &'a SubjectKey,
    /// The serial number that was drawn for it.
    pub(crate) serial: Serial,
    pub(crate) now: UnixMillis,
}

/// Checks what is to be signed against all rules.
pub(crate) fn lint(
    to_be_signed: &[u8],
    ca: &IssuingCa,
    wanted: &Wanted<'_>,
) -> Result<(), LintError> {
    look(to_be_signed, |lint| {
        lint.frame(ca, wanted.serial);
        lint.validity(ca, wanted.now);
        lint.subject(&subject_of(wanted.profile), wanted.key);
        lint.key_is_taken(ca, wanted.key);
        lint.extensions(ca, wanted.serial);
        lint.names(wanted.profile);
        lint.usages(wanted.profile.usages().iter().map(|usage| usage.oid()));
        lint.identifiers(ca);
    })
}

/// The same for the certificate of an OCSP responder (RFC 6960 section
/// 4.2.2.2): it names no identity, and is good for nothing else.
pub(crate) fn lint_responder(
    to_be_signed: &[u8],
    ca: &IssuingCa,
    key: &SubjectKey,
    serial: Serial,
    now: UnixMillis,
) -> Result<(), LintError> {
    look(to_be_signed, |lint| {
        lint.frame(ca, serial);
        lint.validity(ca, now);
        let subject = [
            (oid::OID_X509_COUNTRY_NAME, "JP".to_owned()),
            (
                oid::OID_X509_ORGANIZATION_NAME,
                crate::ocsp::RESPONDER_NAME.to_owned(),
            ),
        ];
        lint.subject(&subject, key);
        lint.exactly(&[
            (oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, false),
            (oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, false),
            (oid::OID_X509_EXT_KEY_USAGE, true),
            (oid::OID_X509_EXT_EXTENDED_KEY_USAGE, false),
            (oid::OID_X509_EXT_BASIC_CONSTRAINTS, true),
            (OCSP_NO_CHECK, false),
        ]);
        lint.usages([crate::ocsp::OCSP_SIGNING].into_iter());
        lint.identifiers(ca);
    })
}

/// id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).
const OCSP_NO_CHECK: Oid<'static> = Oid::new(std::borrow::Cow::Borrowed(&[
    0x2b, 6, 1, 5, 5, 7, 0x30, 1, 5,
]));

/// id-ce-extKeyUsage anyExtendedKeyUsage, and id-kp (RFC 5280 section 4.2.1.12).
const ANY_USAGE: Oid<'static> = Oid::new(std::borrow::Cow::Borrowed(&[0x55, 0x1d, 0x25, 0]));
const SERVER_AUTH: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
const CLIENT_AUTH: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 2]);
const CODE_SIGNING: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 3]);
const EMAIL_PROTECTION: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 4]);
const TIME_STAMPING: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 8]);
const OCSP_SIGNING: Oid<'static> = id_kp(&[0x2b, 6, 1, 5, 5, 7, 3, 9]);

const fn id_kp(octets: &'static [u8]) -> Oid<'static> {
    Oid::new(std::borrow::Cow::Borrowed(octets))
}

fn texts(ids: &[Oid<'_>]) -> Vec<String> {
    ids.iter().map(Oid::to_id_string).collect()
}

fn look(to_be_signed: &[u8], rules: impl FnOnce(&mut Lint<'_>)) -> Result<(), LintError> {
    let (rest, certificate) = match TbsCertificate::from_der(to_be_signed) {
        Ok(parsed) => parsed,
        Err(error) => {
            return Err(LintError {
                findings: vec![Finding {
                    rule: "encoding",
                    text: format!("it cannot be read back: {error}"),
                }],
            });
        }
    };
    let mut lint = Lint {
        certificate: &certificate,
        findings: Vec::new(),
    };
    lint.want("encoding", rest.is_empty(), || {
        "octets follow the certificate".to_owned()
    });
    rules(&mut lint);
    if lint.findings.is_empty() {
        Ok(())
    } else {
        Err(LintError {
            findings: lint.findings,
        })
    }
}

fn subject_of(profile: &Profile) -> Vec<(Oid<'static>, String)> {
    let mut wanted = vec![
        (oid::OID_X509_COUNTRY_NAME, "JP".to_owned()),
        (oid::OID_X509_ORGANIZATION_NAME, profile.organisation()),
    ];
    if let Profile::Institution { kind, code, .. } = profile {
        wanted.push((oid::OID_X509_ORGANIZATIONAL_UNIT, kind.as_str().to_owned()));
        if let Some(code) = code {
            wanted.push((oid::OID_X509_SERIALNUMBER, code.clone()));
        }
    }
    wanted
}

struct Lint<'a> {
    certificate: &'a TbsCertificate<'a>,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn want(&mut self, rule: &'static str, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.findings.push(Finding { rule, text: text() });
        }
    }

    /// Version, serial number, signature algorithm, issuer.
    fn frame(&mut self, ca: &IssuingCa, drawn: Serial) {
        let certificate = self.certificate;
        self.want("version", certificate.version() == X509Version::V3, || {
            format!("version {}; version 3 is right", certificate.version())
        });
        let serial = certificate.raw_serial();
        let found = Serial::from_bytes(serial);
        self.want("serial", found == Ok(drawn), || {
            format!("serial {}; {drawn} was drawn", hex::encode(serial))
        });
        // Hash and key belong together; the parameters are NULL for RSA and
        // absent for ECDSA, or some verifiers refuse (RFC 5758 section 3.2).
        let right = ca.key().signature_algorithm_der();
        let found = &certificate.signature;
        let same_id = Oid::from_der(right.get(2..).unwrap_or_default())
            .is_ok_and(|(_, id)| id == found.algorithm);
        let wants_null = right.ends_with(&[5, 0]);
        let same_parameters = match &found.parameters {
            None => !wants_null,
            Some(parameters) => wants_null && parameters.tag() == Tag::Null,
        };
        self.want("signature-algorithm", same_id && same_parameters, || {
            format!(
                "to be signed with {}; an issuing CA with a key of the kind {} signs otherwise",
                found.algorithm,
                ca.key()
            )
        });
        self.want(
            "issuer",
            certificate.issuer().as_raw() == ca.subject(),
            || {
                format!(
                    "issuer {}; it is not the issuing CA's subject",
                    certificate.issuer()
                )
            },
        );
        self.want("serial-issuer", drawn.issuer() == Some(ca.tag()), || {
            format!("serial {drawn} is not one of this issuing CA")
        });
    }

    fn validity(&mut self, ca: &IssuingCa, now: UnixMillis) {
        let validity = self.certificate.validity();
        let begins = instant::from_x509(validity.not_before.timestamp());
        let ends = instant::from_x509(validity.not_after.timestamp());
        let (ca_begins, ca_ends) = ca.validity();
        self.want("validity", begins <= now && now < ends, || {
            format!("valid from {begins:?} to {ends:?}, which does not hold now ({now:?})")
        });
        self.want("validity-of-issuer", ca_begins <= begins && ends <= ca_ends, || {
            format!("valid from {begins:?} to {ends:?}, outside of the CA's {ca_begins:?} to {ca_ends:?}")
        });
        let longest = LIFE_DAYS_MAX * DAY_MS + BACKDATE_MS + 1_000;
        self.want("life", ends.since_ms(begins) <= longest, || {
            format!(
                "a life of {} ms; at most {LIFE_DAYS_MAX} days are right",
                ends.since_ms(begins)
            )
        });
    }

    /// The subject's name says what the profile says; its key is the request's.
    fn subject(&mut self, wanted: &[(Oid<'static>, String)], key: &SubjectKey) {
        let subject = self.certificate.subject();
        let found = subject
            .iter_attributes()
            .map(|attribute| (attribute.attr_type(), attribute.as_str().ok()));
        let demanded = wanted.iter().map(|(id, text)| (id, Some(text.as_str())));
        self.want("subject", found.eq(demanded), || {
            format!("subject {subject}; the profile demands {wanted:?}")
        });
        let info = self.certificate.public_key();
        match SubjectKey::read(info) {
            Ok(found) => {
                self.want(
                    "key",
                    found == *key && info.raw == key.subject_public_key_info(),
                    || "its key is not the one of the request".to_owned(),
                );
            }
            Err(error) => self.want("key", false, || error.to_string()),
        }
        let unique_ids = self.certificate;
        self.want(
            "unique-id",
            unique_ids.issuer_uid.is_none() && unique_ids.subject_uid.is_none(),
            || "it carries a unique identifier (RFC 5280 section 4.1.2.8 forbids it)".to_owned(),
        );
    }

    fn key_is_taken(&mut self, ca: &IssuingCa, key: &SubjectKey) {
        let taken = ca.rules().leaf_keys;
        self.want("key-kind", taken.take(key.kind()), || {
            format!("its key is {}; this network takes {taken}", key.kind())
        });
    }

    /// Exactly the extensions of the profile, each once, each as critical as it
    /// has to be.
    fn extensions(&mut self, ca: &IssuingCa, drawn: Serial) {
        let mut wanted = vec![
            (oid::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, false),
            (oid::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, false),
            (oid::OID_X509_EXT_SUBJECT_ALT_NAME, false),
            (oid::OID_X509_EXT_KEY_USAGE, true),
            (oid::OID_X509_EXT_EXTENDED_KEY_USAGE, false),
            (oid::OID_X509_EXT_BASIC_CONSTRAINTS, true),
        ];
        let crl_uri = ca.crl_uri(drawn.shard());
        let ocsp_uri = ca.rules().ocsp_uri.as_deref();
        if crl_uri.is_some() {
            wanted.push((oid::OID_X509_EXT_CRL_DISTRIBUTION_POINTS, false));
        }
        if ocsp_uri.is_some() {
            wanted.push((oid::OID_PKIX_AUTHORITY_INFO_ACCESS, false));
        }
        self.exactly(&wanted);
        self.locations(crl_uri, ocsp_uri);
    }

    fn exactly(&mut self, wanted: &[(Oid<'static>, bool)]) {
        let extensions = self.certificate.extensions();
        for (id, critical) in wanted {
            let found: Vec<&X509Extension<'_>> = extensions
                .iter()
                .filter(|extension| extension.oid == *id)
                .collect();
            let holds = matches!(found.as_slice(), [one] if one.critical == *critical);
            self.want("extension", holds, || {
                let critical = if *critical {
                    "critical"
                } else {
                    "not critical"
                };
                format!(
                    "extension {id} stands {} times; once and {critical} is right",
                    found.len()
                )
            });
        }
        for extension in extensions {
            let known = wanted.iter().any(|(id, _)| *id == extension.oid);
            self.want("extra-extension", known, || {
                format!("extension {} has no place in this profile", extension.oid)
            });
        }
    }

    fn locations(&mut self, crl_uri: Option<String>, ocsp_uri: Option<&str>) {
        if let Some(crl_uri) = crl_uri {
            let holds = self.find(|extension| match extension {
                ParsedExtension::CRLDistributionPoints(points) => match points.points.as_slice() {
                    [point] => match &point.distribution_point {
                        Some(DistributionPointName::FullName(names)) => Some(
                            matches!(names.as_slice(), [GeneralName::URI(uri)] if *uri == crl_uri),
                        ),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            });
            self.want("crl-uri", holds == Some(true), || {
                format!("its one revocation list is not at {crl_uri}")
            });
        }
        if let Some(ocsp_uri) = ocsp_uri {
            let holds = self.find(|extension| match extension {
                ParsedExtension::AuthorityInfoAccess(access) => {
                    Some(match access.accessdescs.as_slice() {
                        [one] => {
                            one.access_method == oid::OID_PKIX_ACCESS_DESCRIPTOR_OCSP
                                && matches!(one.access_location, GeneralName::URI(uri) if uri == ocsp_uri)
                        }
                        _ => false,
                    })
                }
                _ => None,
            });
            self.want("ocsp-uri", holds == Some(true), || {
                format!("its one OCSP responder is not at {ocsp_uri}")
            });
        }
    }

    /// One identity and exactly the server names asked for.
    fn names(&mut self, profile: &Profile) {
        let mut uris = Vec::new();
        let mut dns = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        let mut others = 0_usize;
        if let Ok(Some(names)) = self.certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::URI(uri) => uris.push(*uri),
                    GeneralName::DNSName(name) => {
                        dns.insert((*name).to_owned());
                    }
                    GeneralName::IPAddress(octets) => match address(octets) {
                        Some(address) => {
                            addresses.insert(address);
                        }
                        None => others += 1,
                    },
                    _ => others += 1,
                }
            }
        }
        let identity = profile.identity().to_string();
        self.want("identity", uris == [identity.as_str()], || {
            format!("URIs {uris:?}; exactly one, {identity}, is right")
        });
        let wanted = profile.server_names();
        let holds = others == 0
            && dns == wanted.dns.iter().cloned().collect()
            && addresses == wanted.addresses.iter().copied().collect();
        self.want("names", holds, || {
            format!("names {dns:?} {addresses:?} and {others} others; {wanted:?} is right")
        });
    }

    /// Good for what the profile says and for nothing else; never a CA.
    fn usages<'o>(&mut self, wanted: impl Iterator<Item = &'o [u64]>) {
        let constraints = self.certificate.basic_constraints().ok().flatten();
        let leaf =
            constraints.is_some_and(|c| !c.value.ca && c.value.path_len_constraint.is_none());
        self.want("ca", leaf, || "it does not say that it is no CA".to_owned());
        let flags = self
            .certificate
            .key_usage()
            .ok()
            .flatten()
            .map(|usage| usage.value.flags);
        // Bit 0 is digitalSignature (RFC 5280 section 4.2.1.3).
        self.want("key-usage", flags == Some(1), || {
            format!("key usage bits {flags:?}; digitalSignature alone is right")
        });
        let wanted: Vec<Oid<'_>> = wanted.filter_map(|id| Oid::from(id).ok()).collect();
        let found = self.find(|extension| match extension {
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let known = [
                    (usage.any, &ANY_USAGE),
                    (usage.server_auth, &SERVER_AUTH),
                    (usage.client_auth, &CLIENT_AUTH),
                    (usage.code_signing, &CODE_SIGNING),
                    (usage.email_protection, &EMAIL_PROTECTION),
                    (usage.time_stamping, &TIME_STAMPING),
                    (usage.ocsp_signing, &OCSP_SIGNING),
                ];
                let mut found: Vec<Oid<'_>> = known
                    .into_iter()
                    .filter(|(set, _)| *set)
                    .map(|(_, id)| id.clone())
                    .collect();
                found.extend(usage.other.iter().map(Oid::to_owned));
                let same =
                    found.len() == wanted.len() && found.iter().all(|id| wanted.contains(id));
                Some(if same { Ok(()) } else { Err(texts(&found)) })
            }
            _ => None,
        });
        self.want("extended-key-usage", found == Some(Ok(())), || {
            let found = found.clone().and_then(Result::err).unwrap_or_default();
            let wanted = texts(&wanted);
            format!("extended key usages {found:?}; {wanted:?} are right")
        });
    }

    fn identifiers(&mut self, ca: &IssuingCa) {
        let subject = self.find(|extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.len()),
            _ => None,
        });
        self.want("subject-key-identifier", subject == Some(20), || {
            format!("subject key identifier of {subject:?} octets; 20 are right")
        });
        let authority = self.find(|extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                let named = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                (id.authority_cert_issuer.is_none() && id.authority_cert_serial.is_none())
                    .then_some(named)
                    .flatten()
            }
            _ => None,
        });
        self.want(
            "authority-key-identifier",
            authority.as_deref() == Some(ca.key_id()),
            || "its authority key identifier is not the issuing CA's".to_owned(),
        );
    }

    fn find<T>(&self, pick: impl Fn(&ParsedExtension<'_>) -> Option<T>) -> Option<T> {
        self.certificate
            .extensions()
            .iter()
            .find_map(|extension| pick(extension.parsed_extension()))
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests;
