//! TLS as a client.

use crate::clock::Clock;
use crate::error::{ConfigError, HandshakeError};
use crate::identity::{LocalIdentity, TrustRoots};
use crate::profile::Profile;
use crate::proof::{PeerProof, Role};
use crate::shown::Shown;
use crate::stream::{HandshakeLimits, Limited, TlsStream, within};
use crate::verifier::{Verifier, Wanted};
use iryonet_domain::{GatewayId, Identity};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// Whom a client expects at the other end. A name or an address proves nothing
/// here (lines are link-local); the identity in the certificate does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// A gateway: this one, or any of the network's.
    Gateway(Option<GatewayId>),
    /// A center: this one, or any of the network's.
    Center(Option<GatewayId>),
}

impl Expect {
    pub(crate) fn is_met_by(&self, identity: &Identity) -> bool {
        let fits = |wanted: &Option<GatewayId>, found| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        match (self, identity) {
            (Self::Gateway(wanted), Identity::Gateway(found))
            | (Self::Center(wanted), Identity::Center(found)) => fits(wanted, found),
            _ => false,
        }
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gateway(None) => f.write_str("a gateway"),
            Self::Gateway(Some(id)) => write!(f, "{}", Identity::Gateway(id.clone())),
            Self::Center(None) => f.write_str("a center"),
            Self::Center(Some(id)) => write!(f, "{}", Identity::Center(id.clone())),
        }
    }
}

/// A client's end of TLS.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
    shown: Option<Arc<Shown>>,
}

/// Sets up a client that shows `identity`.
///
/// # Errors
/// When our own certificate is unfit for a client or does not match its key.
pub fn client_config(
    profile: Profile,
    identity: &LocalIdentity,
    roots: TrustRoots,
    expect: Expect,
    clock: Clock,
) -> Result<Connector, ConfigError> {
    let shown = Shown::new(profile, Role::Client, identity)?;
    build(profile, Some(Arc::new(shown)), roots, expect, clock)
}

/// Sets up a client that has no certificate yet: a site that enrols, and
/// operators' commands against the center's public door.
///
/// # Errors
/// When the profile cannot be built.
pub fn enrolment_client_config(
    profile: Profile,
    roots: TrustRoots,
    expect: Expect,
    clock: Clock,
) -> Result<Connector, ConfigError> {
    build(profile, None, roots, expect, clock)
}

fn build(
    profile: Profile,
    shown: Option<Arc<Shown>>,
    roots: TrustRoots,
    expect: Expect,
    clock: Clock,
) -> Result<Connector, ConfigError> {
    let verifier = Verifier::new(profile, roots, Wanted::Server(expect));
    let builder = ClientConfig::builder_with_details(profile.provider(), Arc::new(clock))
        .with_protocol_versions(profile.versions())
        .map_err(|source| ConfigError::Profile {
            profile: profile.as_str(),
            source: Box::new(source),
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &shown {
        Some(shown) => builder.with_client_cert_resolver(Arc::<Shown>::clone(shown)),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Connector {
        tls: TlsConnector::from(Arc::new(config)),
        shown,
    })
}

impl Connector {
    /// Shows this certificate from now on, in every handshake of this connector
    /// and its clones; connections that are established go on.
    ///
    /// # Errors
    /// When it is unfit for a client or does not match its key (the present one
    /// is then shown on), and when this connector shows none.
    pub fn show(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        match &self.shown {
            Some(shown) => shown.replace(identity),
            None => Err(ConfigError::ShowsNone),
        }
    }

    /// Begins TLS on `stream` and tells whom the server proved to be. When this
    /// returns, the server has accepted our certificate too (TLS 1.2).
    ///
    /// # Errors
    /// See [`crate::Reason`] and [`HandshakeError::refused_by_peer`].
    pub async fn connect<S>(
        &self,
        stream: S,
        limits: &HandshakeLimits,
    ) -> Result<(TlsStream<S>, PeerProof), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // rustls wants a name; ours is neither sent nor compared.
        let nowhere = ServerName::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let stream = Limited::new(stream, limits.octets);
        let connect = self.tls.connect(nowhere, stream).into_fallible();
        let stream = TlsStream::established(within(limits, connect).await?);
        let leaf = stream
            .peer_leaf()
            .ok_or_else(HandshakeError::no_certificate)?;
        let proof = PeerProof::read(leaf, Role::Server).map_err(HandshakeError::refused)?;
        Ok((stream, proof))
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}
