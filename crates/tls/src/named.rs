//! TLS to a server that is no member of the network (a database, an
//! organisation's issuer): its certificate names a host, and its roots stand in
//! a file of their own.

use crate::clock::Clock;
use crate::error::{ConfigError, HandshakeError};
use crate::identity::TrustRoots;
use crate::profile::Profile;
use crate::proof::parse;
use crate::stream::{HandshakeLimits, Limited, TlsStream, within};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sha2::Digest as _;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use x509_parser::oid_registry as oid;

/// The client's end of TLS towards such a server. No certificate of ours is
/// shown: who we are, a log-in of its own proves.
#[derive(Clone)]
pub struct NamedConnector(TlsConnector);

impl NamedConnector {
    /// Sets it up with the roots of the server's certificate.
    ///
    /// # Errors
    /// When the profile cannot be built.
    pub fn new(profile: Profile, roots: &TrustRoots, clock: Clock) -> Result<Self, ConfigError> {
        let unfit = |source| ConfigError::Profile {
            profile: profile.as_str(),
            source,
        };
        let store = RootCertStore {
            roots: roots.anchors.to_vec(),
        };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(store.into(), profile.provider())
                .build()
                .map_err(|source| unfit(source.into()))?;
        let mut config = ClientConfig::builder_with_details(profile.provider(), Arc::new(clock))
            .with_protocol_versions(profile.versions())
            .map_err(|source| unfit(source.into()))?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Begins TLS with the server of this name or address, which its
    /// certificate must name.
    ///
    /// # Errors
    /// When the name is none, or the handshake fails.
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| HandshakeError::from_io(std::io::Error::other(error)))?;
        let limits = HandshakeLimits::default();
        let stream = Limited::new(stream, limits.octets);
        let connect = self.0.connect(name, stream).into_fallible();
        Ok(TlsStream::established(within(&limits, connect).await?))
    }
}

impl std::fmt::Debug for NamedConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NamedConnector")
    }
}

impl<S> TlsStream<S> {
    /// What binds a log-in to this connection (RFC 5929, section 4,
    /// `tls-server-end-point`): the hash of the server's certificate, by the
    /// hash that it is signed with. Nothing where the RFC defines none.
    #[must_use]
    pub fn server_end_point(&self) -> Option<Vec<u8>> {
        let leaf = self.peer_leaf()?;
        let algorithm = parse(leaf).ok()?.signature_algorithm.algorithm.clone();
        let is = |known: &[&oid::Oid<'static>]| known.contains(&&algorithm);
        if is(&[
            &oid::OID_SIG_ECDSA_WITH_SHA256,
            &oid::OID_PKCS1_SHA256WITHRSA,
        ]) {
            Some(sha2::Sha256::digest(leaf).to_vec())
        } else if is(&[
            &oid::OID_SIG_ECDSA_WITH_SHA384,
            &oid::OID_PKCS1_SHA384WITHRSA,
        ]) {
            Some(sha2::Sha384::digest(leaf).to_vec())
        } else if is(&[
            &oid::OID_SIG_ECDSA_WITH_SHA512,
            &oid::OID_PKCS1_SHA512WITHRSA,
        ]) {
            Some(sha2::Sha512::digest(leaf).to_vec())
        } else {
            None
        }
    }
}
