//! The TLS profiles: who may speak which TLS to whom on this network. The only
//! crate that imports rustls; nothing of rustls stands in its public types.
//!
//! - [`Acceptor`] ends TLS as a server, [`Connector`] begins it as a client;
//!   both follow one [`Profile`].
//! - Whom a peer proved to be comes as a [`PeerProof`], taken from the leaf
//!   certificate whose key the handshake proved, and from nothing else.
//! - A handshake that failed says why in a [`HandshakeError`], whose
//!   [`Reason`] is a stable word for counters.
//!
//! There is no resumption of any kind, as server or as client: a resumed
//! session skips the check of the certificate, and would let a revoked device
//! come back.
//!
//! It must not know the registry. **Revocation is not checked here**: the
//! caller holds the pushed state of the registry and asks it, with the proof,
//! at each set-up, and cuts what it has revoked. It must not know either what
//! is spoken inside.

pub mod client;
pub mod clock;

pub mod error;
pub mod identity;
pub mod named;
pub mod profile;
pub mod proof;
pub mod server;
mod shown;
pub mod stream;
mod strength;
mod verifier;

pub use client::{Connector, Expect, client_config, enrolment_client_config};
pub use clock::Clock;
pub use error::{ConfigError, HandshakeError, Reason, Refusal};
pub use identity::{LocalIdentity, TrustRoots};
pub use named::NamedConnector;
pub use profile::Profile;
pub use proof::PeerProof;
pub use server::{
    Acceptor, ClientPolicy, ClientTrust, EnrolmentAcceptor, OpenAcceptor, enrolment_server_config,
    open_server_config, server_config,
};
pub use stream::{HandshakeLimits, TlsStream};
