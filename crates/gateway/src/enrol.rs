//! How a gateway gets its certificate: a key made here, a one-time code, the
//! center's public listener.

use crate::config::Config;
use iryonet_agent::enrol::{self, Enrolled};
use iryonet_agent::files::{self, FileError};
use iryonet_agent::key::{self, KeyError};
use iryonet_domain::{Identity, NetworkPrefix};
use iryonet_tls::{
    Clock, ConfigError as TlsError, Expect, HandshakeError, HandshakeLimits, LocalIdentity,
    Profile, TrustRoots, enrolment_client_config,
};
use iryonet_wire::signed::{PolicyKeys, SignedError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// File names in the state directory.
pub(crate) const KEY: &str = "key.pem";
pub(crate) const CERTIFICATE: &str = "certificate.pem";
const POLICY_KEYS: &str = "policy-keys";
const NETWORK: &str = "network";
/// Largest of these files.
const FILE_MAX: u64 = 256 << 10;
const MODE: u32 = 0o600;
const CONNECT: Duration = Duration::from_secs(10);

/// Why a gateway has no certificate, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one already.
    #[error(
        "{0} is there already: this gateway is enrolled; move the file away first if a new certificate is wanted"
    )]
    AlreadyEnrolled(PathBuf),
    /// Nothing there.
    #[error("{path} is missing: {what}")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// What to do.
        what: &'static str,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Root certificate, or our own.
    #[error("{path} cannot be used")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: TlsError,
    },
    /// No connection.
    #[error("the center's public listener {center} does not answer")]
    Connect {
        /// Where.
        center: std::net::SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Not the center, or not as it should be.
    #[error("the handshake with the center failed")]
    Handshake(#[from] HandshakeError),
    /// The center said no.
    #[error(transparent)]
    Refused(#[from] enrol::EnrolError),
    /// The code was somebody else's.
    #[error(
        "the certificate is for {found}, and this is gateway {own}: the code was made for another"
    )]
    Another {
        /// Whom the certificate proves.
        found: String,
        /// Who we are.
        own: iryonet_domain::GatewayId,
    },
    /// Policy keys that are none.
    #[error("the policy keys cannot be used")]
    PolicyKeys(#[from] SignedError),
    /// A file with other content than we wrote.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// What an enrolled gateway has on disk.
#[derive(Debug)]
pub struct Credentials {
    /// Certificate and key.
    pub identity: LocalIdentity,
    /// The network's root.
    pub roots: TrustRoots,
    /// Who may sign the policy.
    pub policy_keys: PolicyKeys,
    /// The network.
    pub network: NetworkPrefix,
}

/// Gets a certificate for this gateway. The private key is made here and stays.
///
/// # Errors
/// When there is one already, the center refuses, or the code was made for another.
pub async fn enrol(config: &Config, code: &str) -> Result<Enrolled, EnrolError> {
    files::private_directory(&config.state_dir)?;
    let certificate = config.state(CERTIFICATE);
    if certificate.exists() {
        return Err(EnrolError::AlreadyEnrolled(certificate));
    }
    let roots = roots(&config.root_certificate)?;
    let request = key::certificate_request(&config.state(KEY))?;
    let connector = enrolment_client_config(
        Profile::Guideline43,
        roots,
        Expect::Center(Some(config.center_name.clone())),
        Clock::system(),
    )
    .map_err(|source| EnrolError::Certificate {
        path: config.root_certificate.clone(),
        source,
    })?;
    let center = config.center_public;
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(center))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| EnrolError::Connect { center, source })?;
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await?;
    let enrolled = enrol::exchange(stream, code, &request).await?;
    let chain = enrolled.certificate_chain_pem.as_bytes();
    check_own(config, chain, &config.state(KEY), &certificate)?;
    parse_keys(&enrolled.policy_keys.join("\n"), &config.state(POLICY_KEYS))?;
    // The certificate last: with it the enrolment is complete.
    files::write_atomic(
        &config.state(POLICY_KEYS),
        (enrolled.policy_keys.join("\n") + "\n").as_bytes(),
        MODE,
    )?;
    files::write_atomic(
        &config.state(NETWORK),
        format!("{}\n", enrolled.network).as_bytes(),
        MODE,
    )?;
    files::write_atomic(&certificate, chain, MODE)?;
    tracing::info!(gateway = %config.name, network = %enrolled.network, "enrolled");
    Ok(enrolled)
}

/// Reads what [`enrol`] wrote, and checks that it fits together.
///
/// # Errors
/// When something is missing, damaged or of another gateway; says what to do.
pub fn credentials(config: &Config) -> Result<Credentials, EnrolError> {
    let identity = own_identity(config)?;
    let keys_path = config.state(POLICY_KEYS);
    let keys = read(
        &keys_path,
        "it is written by `iryonet gateway enrol`; enrol anew",
    )?;
    let network_path = config.state(NETWORK);
    let network = read(
        &network_path,
        "it is written by `iryonet gateway enrol`; enrol anew",
    )?;
    let network = String::from_utf8_lossy(&network)
        .trim()
        .parse()
        .map_err(|error| EnrolError::Damaged {
            path: network_path,
            what: format!("{error}"),
        })?;
    Ok(Credentials {
        identity,
        roots: roots(&config.root_certificate)?,
        policy_keys: parse_keys(&String::from_utf8_lossy(&keys), &keys_path)?,
        network,
    })
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, EnrolError> {
    files::read_limited(path, FILE_MAX)?.ok_or_else(|| EnrolError::Missing {
        path: path.to_path_buf(),
        what,
    })
}

fn roots(path: &Path) -> Result<TrustRoots, EnrolError> {
    let pem = read(path, "give the network's root certificate there (PEM)")?;
    TrustRoots::from_pem(&pem).map_err(|source| EnrolError::Certificate {
        path: path.to_path_buf(),
        source,
    })
}

/// The present pair.
pub(crate) fn own_identity(config: &Config) -> Result<LocalIdentity, EnrolError> {
    identity_at(config, &config.state(KEY), &config.state(CERTIFICATE))
}

/// A pair of this gateway, wherever it lies.
pub(crate) fn identity_at(
    config: &Config,
    key: &Path,
    certificate: &Path,
) -> Result<LocalIdentity, EnrolError> {
    let chain = read(
        certificate,
        "run `iryonet gateway enrol` with a code from the center",
    )?;
    check_own(config, &chain, key, certificate)
}

/// Does the chain prove this gateway, with the key that is here?
fn check_own(
    config: &Config,
    chain: &[u8],
    key: &Path,
    certificate: &Path,
) -> Result<LocalIdentity, EnrolError> {
    let key = read(
        key,
        "the private key belongs to the certificate; without it, enrol anew",
    )?;
    let bad = |source| EnrolError::Certificate {
        path: certificate.to_path_buf(),
        source,
    };
    let identity = LocalIdentity::from_pem(chain, &key).map_err(bad)?;
    let proof = identity.proof().map_err(bad)?;
    if proof.identity == Identity::Gateway(config.name.clone()) {
        Ok(identity)
    } else {
        Err(EnrolError::Another {
            found: proof.identity.to_string(),
            own: config.name.clone(),
        })
    }
}

fn parse_keys(text: &str, path: &Path) -> Result<PolicyKeys, EnrolError> {
    let keys = text
        .split_whitespace()
        .map(hex::decode)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| EnrolError::Damaged {
            path: path.to_path_buf(),
            what: error.to_string(),
        })?;
    if keys.is_empty() {
        return Err(EnrolError::Damaged {
            path: path.to_path_buf(),
            what: "it names no policy key".to_owned(),
        });
    }
    Ok(PolicyKeys::new(keys)?)
}
