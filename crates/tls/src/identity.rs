//! What we ourselves show and trust: our certificate with its key, and the
//! roots.

use crate::error::{ConfigError, Refusal};
use crate::profile::Profile;
use crate::proof::{PeerProof, Role, parse};
use crate::strength;
use iryonet_domain::UnixMillis;
use rustls::DistinguishedName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;

/// Most certificates in our own chain.
const CHAIN_LIMIT: usize = 4;
/// Most roots that are trusted at once (two, while a root is rolled over).
const ROOTS_LIMIT: usize = 8;

/// Our certificate, its chain, and its key.
pub struct LocalIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl LocalIdentity {
    /// From PEM: the chain with the leaf first, and the key (PKCS#8, SEC1 or
    /// PKCS#1).
    ///
    /// # Errors
    /// When either holds nothing of the kind.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, ConfigError> {
        let chain = certificates("our certificate", chain_pem, CHAIN_LIMIT)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| ConfigError::NotPem {
            what: "our key",
            wanted: "private key",
            label: "PRIVATE KEY",
        })?;
        Ok(Self { chain, key })
    }

    /// What our certificate says of us; whether others trust it is theirs.
    ///
    /// # Errors
    /// When it names no identity, or two, or has no stated use.
    pub fn proof(&self) -> Result<PeerProof, ConfigError> {
        let read = |role| PeerProof::read(self.leaf(), role);
        read(Role::Client)
            .or_else(|_| read(Role::Server))
            .map_err(ConfigError::OwnCertificate)
    }

    /// From when until when our certificate is valid.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn validity(&self) -> Result<(UnixMillis, UnixMillis), ConfigError> {
        let parsed = parse(self.leaf()).map_err(ConfigError::OwnCertificate)?;
        let ms =
            |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let validity = parsed.validity();
        Ok((
            ms(validity.not_before.timestamp()),
            ms(validity.not_after.timestamp()),
        ))
    }

    /// Does our certificate name this host or address?
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        let Ok(parsed) = parse(self.leaf()) else {
            return false;
        };
        let Ok(Some(names)) = parsed.subject_alternative_name() else {
            return false;
        };
        let address: Option<std::net::IpAddr> = host.parse().ok();
        let octets = address.map(|address| match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        });
        names.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => octets.is_none() && name.eq_ignore_ascii_case(host),
            GeneralName::IPAddress(found) => octets.as_deref() == Some(*found),
            _ => false,
        })
    }

    fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// The pair as rustls takes it, after checking that it fits the role, the
    /// profile's strengths and itself.
    pub(crate) fn certified(
        &self,
        profile: Profile,
        role: Role,
    ) -> Result<Arc<CertifiedKey>, ConfigError> {
        PeerProof::read(self.leaf(), role).map_err(ConfigError::OwnCertificate)?;
        for certificate in &self.chain {
            let strong = parse(certificate).and_then(|parsed| strength::check(&parsed));
            strong.map_err(ConfigError::OwnCertificate)?;
        }
        CertifiedKey::from_der(
            self.chain.clone(),
            self.key.clone_key(),
            &profile.provider(),
        )
        .map(Arc::new)
        .map_err(|error| ConfigError::Key(Box::new(error)))
    }
}

impl std::fmt::Debug for LocalIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalIdentity(key not shown)")
    }
}

/// The roots that we trust: the network's own, never the machine's.
#[derive(Debug, Clone)]
pub struct TrustRoots {
    pub(crate) anchors: Arc<[TrustAnchor<'static>]>,
    pub(crate) subjects: Arc<[DistinguishedName]>,
}

impl TrustRoots {
    /// From PEM, one or more root certificates.
    ///
    /// # Errors
    /// When there is none, too many, or one that is not a strong CA's.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        let roots = certificates("the file of roots", pem, ROOTS_LIMIT)?;
        let mut anchors = Vec::new();
        let mut subjects = Vec::new();
        for (index, root) in roots.iter().enumerate() {
            let unfit = |why: String| ConfigError::Root {
                place: index + 1,
                why,
            };
            let parsed = parse(root).map_err(|refusal| unfit(refusal.to_string()))?;
            if !parsed.is_ca() {
                return Err(unfit("it is not a CA's certificate".to_owned()));
            }
            strength::check(&parsed).map_err(|refusal: Refusal| unfit(refusal.to_string()))?;
            let anchor = webpki::anchor_from_trusted_cert(root)
                .map_err(|error| unfit(error.to_string()))?
                .to_owned();
            subjects.push(DistinguishedName::in_sequence(&anchor.subject));
            anchors.push(anchor);
        }
        Ok(Self {
            anchors: anchors.into(),
            subjects: subjects.into(),
        })
    }
}

fn certificates(
    what: &'static str,
    pem: &[u8],
    limit: usize,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let not_pem = ConfigError::NotPem {
        what,
        wanted: "certificate",
        label: "CERTIFICATE",
    };
    let Ok(found) = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() else {
        return Err(not_pem);
    };
    match found.len() {
        0 => Err(not_pem),
        have if have > limit => Err(ConfigError::TooMany { what, have, limit }),
        _ => Ok(found),
    }
}
