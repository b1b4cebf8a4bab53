//! 更新: the device's next certificate, before the present one ends.
//!
//! It waits as a pair of its own ([`iryonet_agent::pair`]) until a gateway has
//! bound the line to it; only then does it take the place of the present one.

use crate::config::Config;
use crate::enrol::{self, Credentials, EnrolError, LineError};
use iryonet_agent::clock;
use iryonet_agent::files::FileError;
use iryonet_agent::key::{self, KeyError};
use iryonet_agent::netlink::Netlink;
use iryonet_agent::pair::Pairs;
use iryonet_agent::renew::{self, RenewError};
use iryonet_domain::UnixMillis;
use iryonet_tls::{
    Clock, ConfigError as TlsError, Expect, HandshakeError, HandshakeLimits, Profile, client_config,
};

/// Why there is no new certificate yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewalError {
    /// The present pair, or the new one.
    #[error(transparent)]
    Credentials(#[from] EnrolError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The new key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// TLS with the present certificate.
    #[error("the present certificate cannot be shown to the center")]
    Tls(#[from] TlsError),
    /// The line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not the center, or it does not take the certificate.
    #[error("the handshake with the center failed")]
    Handshake(#[from] HandshakeError),
    /// The center said no, or nothing that can be read.
    #[error(transparent)]
    Exchange(#[from] RenewError),
    /// Another's certificate.
    #[error("the new certificate is another participant's; it is not used")]
    Another,
}

/// Key and certificate of this site, and those that are to follow them.
pub(crate) fn pairs(config: &Config) -> Pairs {
    Pairs::new(config.state_dir.clone())
}

/// The pair that waits to be tried, when there is one that can be.
pub(crate) fn waiting(config: &Config) -> Option<Credentials> {
    let pairs = pairs(config);
    let certificate = pairs.next_certificate();
    if !certificate.exists() {
        return None;
    }
    match enrol::credentials_at(config, &pairs.next_key(), &certificate) {
        Ok(found) if found.not_after > clock::wall() => Some(found),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(
                error = iryonet_agent::chain(&error),
                "a renewed certificate cannot be used"
            );
            None
        }
    }
}

/// Gets the next certificate, with a new key. An attempt that broke off goes on
/// with the key that it made.
pub(crate) async fn renew(config: &Config, netlink: &Netlink) -> Result<UnixMillis, RenewalError> {
    let present = enrol::credentials(config)?;
    let pairs = pairs(config);
    pairs.prepare()?;
    let request = key::certificate_request(&pairs.next_key())?;
    let connector = client_config(
        Profile::Guideline43,
        &present.identity,
        present.roots,
        Expect::Center(Some(config.center_name.clone())),
        Clock::system(),
    )?;
    let stream = enrol::connect(config, netlink, config.enrol_port).await?;
    let (stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await?;
    let chain = renew::exchange(stream, &request).await?;
    pairs.keep_next(&chain)?;
    let renewed = enrol::credentials_at(config, &pairs.next_key(), &pairs.next_certificate())?;
    if renewed.participant != present.participant {
        pairs.discard_next()?;
        return Err(RenewalError::Another);
    }
    Ok(renewed.not_after)
}
