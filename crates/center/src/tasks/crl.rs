//! The revocation list: made anew when a certificate is revoked, and well
//! before the present list ends. The registry's tables are the source, never
//! the list before.

use crate::clock;
use crate::http::problem::chain;
use crate::state::Center;
use axum::body::Bytes;
use iryonet_authority::crl::{CrlError, Revoked};
use iryonet_authority::serial::SerialError;
use iryonet_authority::{IssuingCa, Serial};
use iryonet_domain::UnixMillis;
use iryonet_store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Several revocations within this time make one list.
const GATHER: Duration = Duration::from_millis(100);

/// A list, as it is served.
#[derive(Debug, Clone)]
pub(crate) struct MadeCrl {
    /// DER.
    pub(crate) der: Bytes,
    pub(crate) made_at: UnixMillis,
}

/// Why no list could be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeCrlError {
    /// The registry could not be asked.
    #[error("the revoked certificates could not be read")]
    Store(#[from] StoreError),
    /// A serial number that this authority never gave.
    #[error(
        "the registry holds the serial number {serial}, which cannot stand on the revocation list"
    )]
    Serial {
        /// As recorded.
        serial: String,
        /// What is wrong with it.
        #[source]
        source: SerialError,
    },
    /// Signing failed.
    #[error("the revocation list could not be signed")]
    Sign(#[from] CrlError),
}

/// Makes the complete list. Its number is the time in milliseconds: it grows
/// across restarts and across centers without being kept anywhere.
pub(crate) fn make(
    store: &dyn Store,
    issuing: &IssuingCa,
    validity_s: u64,
    not_below: u64,
) -> Result<MadeCrl, MakeCrlError> {
    let now = clock::now();
    let mut raw = Vec::new();
    store.read(&mut |reader| {
        raw.clear();
        reader.each_revoked(&mut |certificate| {
            // RFC 5280, section 3.3: it stays on one list beyond its end.
            if certificate.not_after.plus_ms(validity_s * 1_000) > now {
                raw.push((certificate.serial, certificate.revocation));
            }
            Ok(())
        })
    })?;
    let revoked = raw
        .into_iter()
        .map(|(serial, revocation)| {
            Ok(Revoked {
                serial: Serial::from_bytes(&serial.octets()).map_err(|source| {
                    MakeCrlError::Serial {
                        serial: serial.to_string(),
                        source,
                    }
                })?,
                at: revocation.at,
                reason: reason(revocation.reason),
            })
        })
        .collect::<Result<Vec<_>, MakeCrlError>>()?;
    let made = iryonet_authority::crl::sign(
        issuing,
        0,
        &revoked,
        now.0.max(not_below),
        now,
        now.plus_ms(validity_s * 1_000),
    )?;
    Ok(MadeCrl {
        der: made.der.into(),
        made_at: now,
    })
}

fn reason(reason: iryonet_registry::RevocationReason) -> iryonet_authority::RevocationReason {
    use iryonet_authority::RevocationReason as Listed;
    use iryonet_registry::RevocationReason as Recorded;
    match reason {
        Recorded::Unspecified => Listed::Unspecified,
        Recorded::KeyCompromise => Listed::KeyCompromise,
        Recorded::AffiliationChanged => Listed::AffiliationChanged,
        Recorded::Superseded => Listed::Superseded,
        Recorded::CessationOfOperation => Listed::CessationOfOperation,
    }
}

/// Keeps the list fresh until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    let validity_s = center.config.crl_validity_s;
    // At half of its life: a center that is down for as long as the other half
    // leaves no relying party without a list.
    let mut pause = Duration::from_secs(validity_s / 2);
    loop {
        tokio::select! {
            () = center.revoked.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
        let not_below = center.crl.borrow().made_at.0.saturating_add(1);
        let maker = Arc::clone(&center);
        let made = tokio::task::spawn_blocking(move || {
            make(&*maker.store, &maker.issuing, validity_s, not_below)
        })
        .await;
        pause = match made {
            Ok(Ok(crl)) => {
                tracing::info!(bytes = crl.der.len(), "a new revocation list is served");
                center.crl.send_replace(crl);
                Duration::from_secs(validity_s / 2)
            }
            Ok(Err(error)) => {
                tracing::error!(error = %chain(&error), "no new revocation list could be made; the present one stays");
                AGAIN_AFTER
            }
            Err(error) => {
                tracing::error!(%error, "making the revocation list broke off; the present one stays");
                AGAIN_AFTER
            }
        };
    }
}
