//! The certificate of the center's own listeners: made by its own issuing CA,
//! and anew when less than a third of its life is left.

use crate::config::Config;
use iryonet_authority::files::{self, FileError};
use iryonet_authority::issue::IssueError;
use iryonet_authority::profile::ServerNames;
use iryonet_authority::{Csr, IssuingCa, Profile};
use iryonet_domain::{Identity, UnixMillis};
use iryonet_tls::{Clock, LocalIdentity};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The TLS profile of both TLS listeners.
pub(crate) const PROFILE: iryonet_tls::Profile = iryonet_tls::Profile::Guideline43;

/// Why the center has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file could not be moved into place.
    #[error("{} could not be moved into place", path.display())]
    Move {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The key or its request could not be made.
    #[error("the key of the center's listeners could not be made")]
    Key(#[from] rcgen::Error),
    /// The request was not taken by our own authority.
    #[error("the request for the center's certificate was not taken")]
    Request(#[from] iryonet_authority::csr::CsrError),
    /// The certificate was not made.
    #[error("the center's certificate was not made")]
    Issue(#[from] IssueError),
    /// What was just made cannot be used.
    #[error("the center's new certificate cannot be used")]
    Unusable(#[from] iryonet_tls::error::ConfigError),
}

/// The identity of the listeners; made, or made anew, where it is needed.
pub(crate) fn ensure(
    config: &Config,
    issuing: &IssuingCa,
    now: UnixMillis,
) -> Result<LocalIdentity, CertificateError> {
    if let Some(present) = present(config, now) {
        return Ok(present);
    }
    // The request exists only because the authority takes keys in this form.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?;
    let csr = Csr::parse(request.der())?;
    let issued = iryonet_authority::issue(
        issuing,
        &Profile::Center {
            id: config.name.clone(),
            names: names(config),
        },
        &csr,
        Some(u64::from(config.certificate_days) * 86_400_000),
        now,
        &mut rand::rng(),
    )?;
    // Two files cannot be replaced at once. If it ends between them they do not
    // fit, `present` finds so, and the next start makes a new pair.
    replace(&config.center_key(), key.serialize_pem().as_bytes(), 0o600)?;
    replace(
        &config.center_certificate(),
        issued.chain_pem.as_bytes(),
        0o644,
    )?;
    tracing::info!(fingerprint = %issued.fingerprint, not_after = issued.not_after.0, "the listeners have a new certificate");
    Ok(LocalIdentity::from_pem(
        issued.chain_pem.as_bytes(),
        key.serialize_pem().as_bytes(),
    )?)
}

/// The pair on disk, if it fits together, is ours, and has a third of its life
/// or more before it.
fn present(config: &Config, now: UnixMillis) -> Option<LocalIdentity> {
    let chain = std::fs::read(config.center_certificate()).ok()?;
    let key = std::fs::read(config.center_key()).ok()?;
    // Refuses a key that others can read; a new one is then made.
    if let Err(error) = files::read_key(&config.center_key()) {
        tracing::warn!(%error, "the key of the listeners is not used any more");
        return None;
    }
    let identity = LocalIdentity::from_pem(&chain, &key).ok()?;
    let proof = identity.proof().ok()?;
    if proof.identity != Identity::Center(config.name.clone()) {
        return None;
    }
    // Browsers look for the host that they were led to.
    if let Some(host) = people_host(config)
        && !identity.names(host)
    {
        tracing::info!(
            host,
            "the listeners' certificate does not name the people's host; another one is made"
        );
        return None;
    }
    if due(config, &identity)? <= now {
        return None;
    }
    iryonet_tls::enrolment_server_config(PROFILE, &identity, Clock::system())
        .is_ok()
        .then_some(identity)
}

/// Under which names and addresses the listeners are found: its own, and the one
/// that stands in people's browsers.
fn names(config: &Config) -> ServerNames {
    let mut dns = vec![config.name.as_str().to_owned()];
    let mut addresses = addresses(
        [config.public_listen, config.device_listen]
            .into_iter()
            .chain(config.staff_listen),
    );
    match people_host(config).map(|host| (host, host.parse())) {
        Some((_, Ok(address))) if !addresses.contains(&address) => addresses.push(address),
        Some((host, Err(_))) if dns.iter().all(|known| known != host) => {
            dns.push(host.to_owned());
        }
        _ => {}
    }
    ServerNames { dns, addresses }
}

fn people_host(config: &Config) -> Option<&str> {
    config.staff_listen?;
    crate::config::host_of(config.people.origin.as_deref()?)
}

/// When the listeners' certificate is made anew: when a third of its life is left.
pub(crate) fn due(config: &Config, identity: &LocalIdentity) -> Option<UnixMillis> {
    let life_ms = u64::from(config.certificate_days) * 86_400_000;
    let not_after = identity.proof().ok()?.not_after;
    Some(UnixMillis(not_after.0.saturating_sub(life_ms / 3)))
}

fn addresses(listeners: impl Iterator<Item = SocketAddr>) -> Vec<std::net::IpAddr> {
    let mut addresses: Vec<_> = listeners
        .map(|listener| listener.ip())
        .filter(|address| !address.is_unspecified())
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    match std::fs::remove_file(&next) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(CertificateError::Move { path: next, source }),
    }
    files::write_new(&next, bytes, mode)?;
    std::fs::rename(&next, path).map_err(|source| CertificateError::Move {
        path: path.to_owned(),
        source,
    })
}
