//! How a site gets its certificate: a key made here that never leaves, a
//! one-time code, and the relay of the gateway at the other end of the line.
//! Who answers has to prove to be the center; the relay is believed nothing.

use crate::config::Config;
use iryonet_agent::enrol::{self, Enrolled};
use iryonet_agent::files::{self, FileError};
use iryonet_agent::key::{self, KeyError};
use iryonet_agent::netlink::{Netlink, NetlinkError};
use iryonet_agent::sysctl::{self, SysctlError};
use iryonet_domain::{Identity, NetworkPrefix, ParticipantNumber, UnixMillis};
use iryonet_tls::{
    Clock, ConfigError as TlsError, Expect, HandshakeError, HandshakeLimits, LocalIdentity,
    Profile, TrustRoots, enrolment_client_config,
};
use std::net::SocketAddrV6;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// File names in the state directory.
pub(crate) const KEY: &str = "key.pem";
pub(crate) const CERTIFICATE: &str = "certificate.pem";
const NEXT_KEY: &str = "key.next.pem";
const NETWORK: &str = "network";
const FILE_MAX: u64 = 256 << 10;
const MODE: u32 = 0o600;
/// For a connection over the line.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// For the line's interface to be usable.
const LINE_READY: Duration = Duration::from_secs(5);

/// Why a site has no certificate, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one already.
    #[error(
        "{0} is there already: this device is enrolled. To replace it (after a revocation, or before it runs out), enrol with --force and a new code"
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
    /// A certificate that cannot be used.
    #[error(
        "{path} cannot be used; if it is this device's own, enrol again with --force and a new code"
    )]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: TlsError,
    },
    /// The line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not the center, or not as it should be.
    #[error(
        "the handshake with the center failed; is center_name right, and the root certificate the network's?"
    )]
    Handshake(#[from] HandshakeError),
    /// The center said no.
    #[error(transparent)]
    Refused(#[from] enrol::EnrolError),
    /// Not a device's certificate.
    #[error(
        "the certificate is for {0}, not for a participant's device: the code was made for another kind of machine"
    )]
    Another(String),
}

/// Why the gateway cannot be reached over the line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No interface.
    #[error("the line's interface {0} is not there; check line_interface and the cable")]
    NoInterface(String),
    /// No link-local address.
    #[error("the line's interface {0} has no usable IPv6 address; is the cable plugged in?")]
    NotReady(String),
    /// No answer.
    #[error(
        "the gateway does not answer at {gateway} on {interface}; is the line plugged into the right socket?"
    )]
    NoAnswer {
        /// Its address.
        gateway: SocketAddrV6,
        /// On which interface.
        interface: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A kernel switch.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
}

/// What an enrolled device has on disk.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) identity: LocalIdentity,
    pub(crate) roots: TrustRoots,
    pub(crate) participant: ParticipantNumber,
    pub(crate) not_after: UnixMillis,
}

/// Gets a certificate for this device. The private key is made here and stays.
/// With `force` a certificate that is there is replaced, by one with a new key.
///
/// # Errors
/// When there is one already, the line or the center do not answer, or the center refuses.
pub async fn enrol(config: &Config, code: &str, force: bool) -> Result<Enrolled, EnrolError> {
    files::private_directory(&config.state_dir)?;
    let certificate = config.state(CERTIFICATE);
    let replace = certificate.exists();
    if replace && !force {
        return Err(EnrolError::AlreadyEnrolled(certificate));
    }
    let roots = roots(&config.root_certificate)?;
    let key_path = config.state(if replace { NEXT_KEY } else { KEY });
    let request = key::certificate_request(&key_path)?;
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
    let netlink = Netlink::open().map_err(LineError::from)?;
    let stream = connect(config, &netlink, config.enrol_port).await?;
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await?;
    let enrolled = enrol::exchange(stream, code, &request).await?;
    let chain = enrolled.certificate_chain_pem.as_bytes();
    own(chain, &key_path, &certificate)?;
    files::write_atomic(
        &config.state(NETWORK),
        format!("{}\n", enrolled.network).as_bytes(),
        MODE,
    )?;
    if replace {
        // Key first: should the power fail in between, the pair does not fit,
        // which is told, and enrolling again mends it.
        let key = read(&key_path, "the key that was just made")?;
        files::write_atomic(&config.state(KEY), &key, MODE)?;
        files::write_atomic(&certificate, chain, MODE)?;
        files::remove(&key_path)?;
    } else {
        files::write_atomic(&certificate, chain, MODE)?;
    }
    tracing::info!(network = %enrolled.network, "enrolled");
    Ok(enrolled)
}

/// Opens a connection to the gateway over the line.
pub(crate) async fn connect(
    config: &Config,
    netlink: &Netlink,
    port: u16,
) -> Result<TcpStream, LineError> {
    let name = &config.line_interface;
    let interface = netlink
        .interface(name)
        .await?
        .ok_or_else(|| LineError::NoInterface(name.clone()))?;
    sysctl::quiet_interface(name)?;
    if !interface.up {
        netlink.set_up(interface.index).await?;
    }
    let deadline = Instant::now() + LINE_READY;
    while !netlink.has_link_local(interface.index).await? {
        if Instant::now() >= deadline {
            return Err(LineError::NotReady(name.clone()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let gateway = SocketAddrV6::new(config.gateway_link_local, port, 0, interface.index);
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(gateway))
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| LineError::NoAnswer {
            gateway,
            interface: name.clone(),
            source,
        })?;
    // Renewals are small and wanted at once; without it they only wait.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Reads what [`enrol`] wrote, and checks that it fits together.
pub(crate) fn credentials(config: &Config) -> Result<Credentials, EnrolError> {
    credentials_at(config, &config.state(KEY), &config.state(CERTIFICATE))
}

/// The same of another pair.
pub(crate) fn credentials_at(
    config: &Config,
    key: &Path,
    certificate: &Path,
) -> Result<Credentials, EnrolError> {
    let chain = read(
        certificate,
        "this device is not enrolled; run `iryonet site enrol` with the code from the center",
    )?;
    let (identity, participant, not_after) = own(&chain, key, certificate)?;
    Ok(Credentials {
        identity,
        roots: roots(&config.root_certificate)?,
        participant,
        not_after,
    })
}

/// The network, as the enrolment told it.
pub(crate) fn known_network(config: &Config) -> Option<NetworkPrefix> {
    let bytes = files::read_limited(&config.state(NETWORK), 256)
        .ok()
        .flatten()?;
    String::from_utf8_lossy(&bytes).trim().parse().ok()
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

fn own(
    chain: &[u8],
    key: &Path,
    certificate: &Path,
) -> Result<(LocalIdentity, ParticipantNumber, UnixMillis), EnrolError> {
    let key = read(
        key,
        "the private key belongs to the certificate; without it, enrol again with --force and a new code",
    )?;
    let bad = |source| EnrolError::Certificate {
        path: certificate.to_path_buf(),
        source,
    };
    let identity = LocalIdentity::from_pem(chain, &key).map_err(bad)?;
    let proof = identity.proof().map_err(bad)?;
    match proof.identity {
        Identity::Participant { number, .. } => Ok((identity, number, proof.not_after)),
        other => Err(EnrolError::Another(other.to_string())),
    }
}
