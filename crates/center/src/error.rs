//! Why a center could not be made or started.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a center could not be made or started. What fails while it runs fails
/// one request, and is a problem there.
#[derive(Debug, thiserror::Error)]
pub enum CenterError {
    /// A key or certificate file.
    #[error(transparent)]
    File(#[from] iryonet_authority::files::FileError),
    /// The issuing CA.
    #[error("the issuing CA cannot be used")]
    Authority(#[from] iryonet_authority::root::CaError),
    /// The issuing CA is another root's.
    #[error(
        "the issuing CA in {} was made by another root than {}; correct issuing_dir or root_certificate", issuing_dir.display(), root_certificate.display()
    )]
    OtherRoot {
        /// Setting.
        issuing_dir: PathBuf,
        /// Setting.
        root_certificate: PathBuf,
    },
    /// Two issuing CAs that cannot be told apart by their serial numbers.
    #[error(
        "the issuing CA in {} begins its serial numbers as another one does (the same key, or a rare coincidence); take it out of the settings, or make another", issuing_dir.display()
    )]
    SameIssuer {
        /// Setting.
        issuing_dir: PathBuf,
    },
    /// The writer's thread.
    #[error("the system gives no thread for writing")]
    Writer(#[source] std::io::Error),
    /// The policy key.
    #[error("the policy key cannot be used")]
    PolicyKey(#[from] iryonet_wire::signed::SignedError),
    /// The key for credentials.
    #[error("{} is no key for credentials: {source}; restore it, or every password has to be set anew", path.display())]
    PeopleKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: iryonet_people::vault::VaultError,
    },
    /// The checkpoint key.
    #[error(transparent)]
    CheckpointKey(#[from] crate::tasks::checkpoint::key::CheckpointKeyError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] iryonet_store::StoreError),
    /// The settings of the database.
    #[error("the database cannot be used")]
    Place(#[from] iryonet_store::PlaceError),
    /// The database was never founded.
    #[error("the database holds no network yet; run `iryonet center init` first")]
    NotInitialised,
    /// The center's own certificate.
    #[error("the center has no certificate")]
    Certificate(#[from] crate::certificate::CertificateError),
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[from] iryonet_tls::error::ConfigError),
    /// The center's name is no actor's.
    #[error(transparent)]
    Actor(#[from] iryonet_domain::actor::ActorError),
    /// The root certificate could not be read.
    #[error("the certificate {} could not be read", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The roots of services that are checked.
    #[error("the roots of [checks] trust cannot be used")]
    CheckRoots(#[source] iryonet_tlscheck::IdentityError),
    /// A listener.
    #[error("{setting} = {address} cannot be listened on")]
    Listen {
        /// Setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The operators' socket.
    #[error("the operators' socket {} cannot be made", path.display())]
    Socket {
        /// Setting.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Somebody answers there.
    #[error("a center is running already: somebody answers at {}", .0.display())]
    Running(PathBuf),
    /// The first revocation list.
    #[error("the revocation list could not be made")]
    Crl(#[from] crate::tasks::crl::MakeCrlError),
    /// A thread of the start broke off.
    #[error("the start broke off")]
    Broken(#[from] tokio::task::JoinError),
}
