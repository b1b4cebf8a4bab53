//! Making one certificate: request and profile in, certificate out, with the
//! lint between the encoder and the key.

use crate::csr::{Csr, KeyKind, LeafKeys};
use crate::files;
use crate::instant::{self, BACKDATE_MS, DAY_MS, InstantError};
use crate::issuing::IssuingCa;
use crate::lint::{self, LintError, Wanted};
use crate::profile::{LIFE_DAYS_MAX, Profile, ProfileError, Usage};
use crate::serial::Serial;
use crate::signer::{Failed, Pen, SignError};
use iryonet_domain::{Fingerprint, Identity, UnixMillis};
use rand::CryptoRng;
use rcgen::{
    CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The object identifier of a subject's serialNumber attribute (X.520).
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
/// id-pe-authorityInfoAccess.
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// id-ad-ocsp.
const OCSP_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1];

/// A certificate that was just made.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// The certificate, PEM.
    pub pem: String,
    /// The certificate and the issuing CA's, PEM: what the device sends.
    pub chain_pem: String,
    /// Its serial number.
    pub serial: Serial,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Whom it proves.
    pub identity: Identity,
    /// Its first second.
    pub not_before: UnixMillis,
    /// Its last second.
    pub not_after: UnixMillis,
}

/// Why no certificate was made. Whatever it is, the CA's key has signed nothing
/// that anybody will see.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The profile cannot become a certificate.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The life asked for is not allowed.
    #[error(
        "a life of {life_ms} ms was asked for; a certificate lives at least 1 s and at most {LIFE_DAYS_MAX} days"
    )]
    Life {
        /// Milliseconds asked for.
        life_ms: u64,
    },
    /// The issuing CA ends first, or has not begun.
    #[error(
        "the certificate would live from {begins_ms} to {ends_ms} (ms since 1970), outside of the issuing CA's validity from {ca_begins_ms} to {ca_ends_ms}; make a new issuing CA, or ask for less"
    )]
    OutsideIssuer {
        /// Its first millisecond.
        begins_ms: u64,
        /// Its last millisecond.
        ends_ms: u64,
        /// The CA's first.
        ca_begins_ms: u64,
        /// The CA's last.
        ca_ends_ms: u64,
    },
    /// Time that X.509 cannot write.
    #[error(transparent)]
    Instant(#[from] InstantError),
    /// A key that this network does not take.
    #[error("the key is {found}; this network takes {taken}")]
    Key {
        /// What it is.
        found: KeyKind,
        /// What is taken.
        taken: LeafKeys,
    },
    /// The CA's key did not sign: nothing was issued, and asking again may
    /// succeed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The lint found faults; the key was not used.
    #[error("the certificate was not signed: {0}")]
    Lint(#[from] LintError),
    /// Encoding or signing failed.
    #[error("cannot {act}")]
    Crypto {
        /// What was tried.
        act: &'static str,
        /// Why not.
        source: rcgen::Error,
    },
    /// The signature made by the CA's key does not verify.
    #[error(
        "the signed certificate does not verify under the issuing CA ({0}); the signer is broken, and nothing was handed out"
    )]
    DoesNotChain(String),
}

/// Makes a certificate for `profile` and the key in `csr`.
///
/// Valid from five minutes before `now` (see [`BACKDATE_MS`], never before the
/// CA) for `life_ms` after `now`, or the profile's default. Everything in it
/// comes from the profile; of the request only the key is used.
///
/// # Errors
/// See [`IssueError`]; nothing is signed with the CA's key unless the whole
/// certificate passed [`lint::lint`].
pub fn issue(
    ca: &IssuingCa,
    profile: &Profile,
    csr: &Csr,
    life_ms: Option<u64>,
    now: UnixMillis,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Issued, IssueError> {
    profile.check()?;
    let life_ms = life_ms.unwrap_or_else(|| profile.default_life_ms());
    if !(1_000..=LIFE_DAYS_MAX * DAY_MS).contains(&life_ms) {
        return Err(IssueError::Life { life_ms });
    }
    let taken = ca.rules().leaf_keys;
    if !taken.take(csr.key_kind()) {
        return Err(IssueError::Key {
            found: csr.key_kind(),
            taken,
        });
    }
    let (ca_begins, ca_ends) = ca.validity();
    let not_before =
        instant::whole_second(UnixMillis(now.0.saturating_sub(BACKDATE_MS))).max(ca_begins);
    let not_after = instant::whole_second(now.plus_ms(life_ms));
    if now < ca_begins || not_after > ca_ends {
        return Err(IssueError::OutsideIssuer {
            begins_ms: not_before.0,
            ends_ms: not_after.0,
            ca_begins_ms: ca_begins.0,
            ca_ends_ms: ca_ends.0,
        });
    }
    let serial = ca.draw_serial(rng);
    let params = params(ca, profile, serial, (not_before, not_after))?;
    let wanted = Wanted {
        profile,
        key: csr.key(),
        serial,
        now,
    };
    let der = sign_linted(ca, &wanted, &params)?;

    let pem = files::pem("CERTIFICATE", &der);
    Ok(Issued {
        chain_pem: format!("{pem}{}", ca.pem()),
        pem,
        serial,
        fingerprint: Fingerprint(Sha256::digest(&der).into()),
        identity: profile.identity(),
        not_before,
        not_after,
        der: der.to_vec(),
    })
}

/// Encodes, lints, signs, checks. The lint stands inside the pen: it reads the
/// octets that the key is about to sign, and no others can reach it.
pub(crate) fn sign_linted(
    ca: &IssuingCa,
    wanted: &Wanted<'_>,
    params: &CertificateParams,
) -> Result<CertificateDer<'static>, IssueError> {
    let look = |message: &[u8]| lint::lint(message, ca, wanted);
    let pen = Pen::new(ca.signer(), &look);
    let signed = params.signed_by(wanted.key, &Issuer::from_params(ca.issuer(), &pen));
    let der: CertificateDer<'static> = match (signed, pen.failed()) {
        (Ok(certificate), _) => certificate.into(),
        (Err(_), Some(Failed::Refused(error))) => return Err(error.into()),
        (Err(_), Some(Failed::Sign(error))) => return Err(error.into()),
        (Err(source), None) => return Err(crypto("encode the certificate")(source)),
    };
    if ca.verifies_this_one() {
        check_chain(ca, wanted.profile, &der, wanted.now)?;
    }
    Ok(der)
}

pub(crate) fn params(
    ca: &IssuingCa,
    profile: &Profile,
    serial: Serial,
    (not_before, not_after): (UnixMillis, UnixMillis),
) -> Result<CertificateParams, IssueError> {
    let ia5 =
        |text: String| rcgen::string::Ia5String::try_from(text).map_err(crypto("write a name"));
    let mut params = CertificateParams::default();
    params.not_before = instant::to_x509(not_before)?;
    params.not_after = instant::to_x509(not_after)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial.as_bytes()));
    params.distinguished_name = subject(profile)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = profile
        .usages()
        .iter()
        .map(|usage| match usage {
            Usage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::IpsecIke => ExtendedKeyUsagePurpose::Other(usage.oid().to_vec()),
        })
        .collect();
    let names = profile.server_names();
    let mut alternatives = vec![SanType::URI(ia5(profile.identity().to_string())?)];
    for name in names.dns {
        alternatives.push(SanType::DnsName(ia5(name)?));
    }
    alternatives.extend(names.addresses.into_iter().map(SanType::IpAddress));
    params.subject_alt_names = alternatives;
    if let Some(uri) = ca.crl_uri(serial.shard()) {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![uri] }];
    }
    if let Some(uri) = &ca.rules().ocsp_uri {
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            AUTHORITY_INFO_ACCESS,
            ocsp_access(uri),
        )];
    }
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn subject(profile: &Profile) -> Result<DistinguishedName, IssueError> {
    let printable = |text: &str| {
        rcgen::string::PrintableString::try_from(text)
            .map(DnValue::PrintableString)
            .map_err(crypto("write the subject"))
    };
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, printable("JP")?);
    name.push(DnType::OrganizationName, profile.organisation());
    if let Profile::Institution { kind, code, .. } = profile {
        name.push(DnType::OrganizationalUnitName, printable(kind.as_str())?);
        if let Some(code) = code {
            name.push(
                DnType::CustomDnType(SERIAL_NUMBER.to_vec()),
                printable(code)?,
            );
        }
    }
    Ok(name)
}

/// AuthorityInfoAccessSyntax with one entry (RFC 5280 section 4.2.2.1): where
/// the OCSP responder is.
fn ocsp_access(uri: &str) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                let ocsp = yasna::models::ObjectIdentifier::from_slice(OCSP_ACCESS);
                writer.next().write_oid(&ocsp);
                // GeneralName, uniformResourceIdentifier [6] IA5String.
                writer
                    .next()
                    .write_tagged_implicit(yasna::Tag::context(6), |writer| {
                        writer.write_bytes(uri.as_bytes());
                    });
            });
        });
    })
}

/// What a relying party will do, done once before handing out.
fn check_chain(
    ca: &IssuingCa,
    profile: &Profile,
    der: &CertificateDer<'_>,
    now: UnixMillis,
) -> Result<(), IssueError> {
    let broken = |error: webpki::Error| IssueError::DoesNotChain(error.to_string());
    let leaf = webpki::EndEntityCert::try_from(der).map_err(broken)?;
    let usage = match profile {
        Profile::Institution { .. } | Profile::Gateway { .. } => webpki::KeyUsage::client_auth(),
        Profile::Center { .. } => webpki::KeyUsage::server_auth(),
    };
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        std::slice::from_ref(ca.anchor()),
        &[],
        UnixTime::since_unix_epoch(Duration::from_millis(now.0)),
        usage,
        None,
        None,
    )
    .map(|_| ())
    .map_err(broken)
}

fn crypto(act: &'static str) -> impl Fn(rcgen::Error) -> IssueError {
    move |source| IssueError::Crypto { act, source }
}
