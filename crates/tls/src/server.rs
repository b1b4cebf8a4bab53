//! TLS as a server.

use crate::clock::Clock;
use crate::error::{ConfigError, HandshakeError};
use crate::identity::{LocalIdentity, TrustRoots};
use crate::profile::Profile;
use crate::proof::{PeerProof, Role};
use crate::shown::Shown;
use crate::stream::{HandshakeLimits, Limited, TlsStream, within};
use crate::verifier::{Verifier, Wanted};
use iryonet_domain::Identity;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// Which kinds of clients a door is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Devices of participants may come in.
    pub participants: bool,
    /// Gateways may come in.
    pub gateways: bool,
}

impl ClientPolicy {
    /// Devices of participants alone: a gateway's attach door.
    pub const PARTICIPANTS: Self = Self {
        participants: true,
        gateways: false,
    };
    /// Either: who may renew a certificate at the center's public door.
    pub const HOLDERS: Self = Self {
        participants: true,
        gateways: true,
    };
    /// Gateways alone: the center's policy feed.
    pub const GATEWAYS: Self = Self {
        participants: false,
        gateways: true,
    };

    pub(crate) fn admits(self, identity: &Identity) -> bool {
        match identity {
            Identity::Participant { .. } => self.participants,
            Identity::Gateway(_) => self.gateways,
            // A center is a server and nothing else.
            Identity::Center(_) => false,
        }
    }
}

impl std::fmt::Display for ClientPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.participants, self.gateways) {
            (true, true) => "a participant's device or a gateway",
            (true, false) => "a participant's device",
            (false, true) => "a gateway",
            (false, false) => "nobody",
        })
    }
}

/// Whose certificates a server believes, and whom it lets in.
#[derive(Debug, Clone)]
pub struct ClientTrust {
    /// The roots above clients' certificates.
    pub roots: TrustRoots,
    /// The kinds of clients.
    pub policy: ClientPolicy,
}

/// A server's end of TLS that demands a client certificate.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    shown: Arc<Shown>,
}

/// A server's end of TLS that asks for no client certificate; only for the
/// center's public door, where an applicant has none yet.
#[derive(Clone)]
pub struct EnrolmentAcceptor {
    tls: TlsAcceptor,
    shown: Arc<Shown>,
}

/// A server's end of TLS for a door where some have a certificate and others
/// do not have one yet: the center's public one. Whoever shows none comes in as
/// nobody; whoever shows one has proved it, or is turned away.
#[derive(Clone)]
pub struct OpenAcceptor {
    tls: TlsAcceptor,
    shown: Arc<Shown>,
}

/// Sets up a server that asks for a client certificate and does not insist.
///
/// # Errors
/// When our own certificate is unfit for a server or does not match its key.
pub fn open_server_config(
    profile: Profile,
    identity: &LocalIdentity,
    trust: ClientTrust,
    clock: Clock,
) -> Result<OpenAcceptor, ConfigError> {
    let verifier = Verifier::new(profile, trust.roots, Wanted::PerhapsClients(trust.policy));
    let (tls, shown) = build(profile, identity, Arc::new(verifier), clock)?;
    Ok(OpenAcceptor { tls, shown })
}

/// Sets up a server that demands client certificates.
///
/// # Errors
/// When our own certificate is unfit for a server or does not match its key.
pub fn server_config(
    profile: Profile,
    identity: &LocalIdentity,
    trust: ClientTrust,
    clock: Clock,
) -> Result<Acceptor, ConfigError> {
    let verifier = Verifier::new(profile, trust.roots, Wanted::Clients(trust.policy));
    let (tls, shown) = build(profile, identity, Arc::new(verifier), clock)?;
    Ok(Acceptor { tls, shown })
}

/// Sets up a server that demands none; the same profile in all else.
///
/// # Errors
/// When our own certificate is unfit for a server or does not match its key.
pub fn enrolment_server_config(
    profile: Profile,
    identity: &LocalIdentity,
    clock: Clock,
) -> Result<EnrolmentAcceptor, ConfigError> {
    let nobody = WebPkiClientVerifier::no_client_auth();
    let (tls, shown) = build(profile, identity, nobody, clock)?;
    Ok(EnrolmentAcceptor { tls, shown })
}

fn build(
    profile: Profile,
    identity: &LocalIdentity,
    verifier: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    clock: Clock,
) -> Result<(TlsAcceptor, Arc<Shown>), ConfigError> {
    let shown = Arc::new(Shown::new(profile, Role::Server, identity)?);
    let mut config = ServerConfig::builder_with_details(profile.provider(), Arc::new(clock))
        .with_protocol_versions(profile.versions())
        .map_err(|source| ConfigError::Profile {
            profile: profile.as_str(),
            source: Box::new(source),
        })?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::<Shown>::clone(&shown));
    // No resumption: neither session ids nor tickets. rustls's default ticketer
    // issues none for TLS 1.2; the count is of TLS 1.3's.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    Ok((TlsAcceptor::from(Arc::new(config)), shown))
}

impl Acceptor {
    /// Shows this certificate from now on, in every handshake of this acceptor
    /// and its clones; connections that are established go on.
    ///
    /// # Errors
    /// When it is unfit for a server or does not match its key: the present one
    /// is then shown on.
    pub fn show(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        self.shown.replace(identity)
    }

    /// Ends TLS on `stream` and tells whom the client proved to be. Ask the
    /// registry's state about the proof before anything else.
    ///
    /// # Errors
    /// See [`crate::Reason`]; the client has been told by an alert, and `stream`
    /// is gone.
    pub async fn accept<S>(
        &self,
        stream: S,
        limits: &HandshakeLimits,
    ) -> Result<(TlsStream<S>, PeerProof), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = Limited::new(stream, limits.octets);
        let accept = self.tls.accept(stream).into_fallible();
        let stream = TlsStream::established(within(limits, accept).await?);
        let leaf = stream
            .peer_leaf()
            .ok_or_else(HandshakeError::no_certificate)?;
        let proof = PeerProof::read(leaf, Role::Client).map_err(HandshakeError::refused)?;
        Ok((stream, proof))
    }
}

impl EnrolmentAcceptor {
    /// Shows this certificate from now on, in every handshake of this acceptor
    /// and its clones; connections that are established go on.
    ///
    /// # Errors
    /// When it is unfit for a server or does not match its key: the present one
    /// is then shown on.
    pub fn show(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        self.shown.replace(identity)
    }

    /// Ends TLS on `stream`; nothing is known of the client.
    ///
    /// # Errors
    /// See [`crate::Reason`].
    pub async fn accept<S>(
        &self,
        stream: S,
        limits: &HandshakeLimits,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = Limited::new(stream, limits.octets);
        let accept = self.tls.accept(stream).into_fallible();
        Ok(TlsStream::established(within(limits, accept).await?))
    }
}

impl OpenAcceptor {
    /// Shows this certificate from now on, in every handshake of this acceptor
    /// and its clones; connections that are established go on.
    ///
    /// # Errors
    /// When it is unfit for a server or does not match its key: the present one
    /// is then shown on.
    pub fn show(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        self.shown.replace(identity)
    }

    /// Ends TLS on `stream` and tells whom the client proved to be, if it
    /// showed a certificate. Ask the registry's state about a proof before
    /// anything else.
    ///
    /// # Errors
    /// See [`crate::Reason`].
    pub async fn accept<S>(
        &self,
        stream: S,
        limits: &HandshakeLimits,
    ) -> Result<(TlsStream<S>, Option<PeerProof>), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = Limited::new(stream, limits.octets);
        let accept = self.tls.accept(stream).into_fallible();
        let stream = TlsStream::established(within(limits, accept).await?);
        let proof = match stream.peer_leaf() {
            Some(leaf) => {
                Some(PeerProof::read(leaf, Role::Client).map_err(HandshakeError::refused)?)
            }
            None => None,
        };
        Ok((stream, proof))
    }
}

impl std::fmt::Debug for OpenAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenAcceptor")
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl std::fmt::Debug for EnrolmentAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentAcceptor")
    }
}
