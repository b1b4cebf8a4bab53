//! Whom a peer proved to be.

use crate::error::Refusal;
use iryonet_domain::{Fingerprint, Identity, UnixMillis};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// What the handshake proved: the peer holds the key of this leaf certificate,
/// a CA that we trust signed it, and it is in its time.
///
/// Whether it was revoked, and what its holder may do, is for the caller to ask
/// of the registry's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerProof {
    /// The one identity that it names.
    pub identity: Identity,
    /// SHA-256 of the leaf's DER.
    pub fingerprint: Fingerprint,
    /// Its last moment. A session that lives longer must be cut by the caller.
    pub not_after: UnixMillis,
    /// The leaf, DER.
    pub leaf_der: Vec<u8>,
}

/// The use for which a certificate is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

impl PeerProof {
    /// Reads what a leaf says. Proves nothing by itself: only for a leaf whose
    /// chain and key the handshake has verified, or for our own.
    pub(crate) fn read(leaf: &[u8], role: Role) -> Result<Self, Refusal> {
        let certificate = parse(leaf)?;
        if certificate.is_ca() {
            return Err(Refusal::Authority);
        }
        usable(&certificate, role)?;
        let identity = identity(&certificate)?;
        let seconds = certificate.validity().not_after.timestamp();
        Ok(Self {
            identity,
            fingerprint: Fingerprint(Sha256::digest(leaf).into()),
            // The whole of its last second belongs to it (RFC 5280 section 4.1.2.5).
            not_after: UnixMillis(
                u64::try_from(seconds)
                    .unwrap_or(0)
                    .saturating_mul(1_000)
                    .saturating_add(999),
            ),
            leaf_der: leaf.to_vec(),
        })
    }
}

pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Refusal> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    if rest.is_empty() {
        Ok(certificate)
    } else {
        Err(Refusal::Unreadable("octets follow it".to_owned()))
    }
}

/// The use must be stated: a certificate without extended key usage is good
/// for everything elsewhere, and for nothing here.
fn usable(certificate: &X509Certificate<'_>, role: Role) -> Result<(), Refusal> {
    let usage = certificate
        .extended_key_usage()
        .map_err(|error| Refusal::Unreadable(error.to_string()))?
        .map(|extension| extension.value);
    let (holds, wanted) = match role {
        Role::Client => (
            usage.is_some_and(|usage| usage.client_auth),
            "clients (clientAuth)",
        ),
        Role::Server => (
            usage.is_some_and(|usage| usage.server_auth),
            "servers (serverAuth)",
        ),
    };
    if holds {
        Ok(())
    } else {
        Err(Refusal::Usage { wanted })
    }
}

fn identity(certificate: &X509Certificate<'_>) -> Result<Identity, Refusal> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris.as_slice() {
        [uri] => Ok(uri.parse()?),
        _ => Err(Refusal::Identities { have: uris.len() }),
    }
}
