//! Revocation lists: one for each issuing CA and shard, each complete for its
//! shard; made anew when a certificate on it is revoked, and well before the
//! present list ends. The registry's tables are the source, never the list
//! before.

use crate::authorities::Authorities;
use crate::clock;
use crate::http::problem::chain;
use crate::state::Center;
use axum::body::Bytes;
use iryonet_authority::Serial;
use iryonet_authority::crl::{CrlError, Revoked};
use iryonet_authority::serial::SerialError;
use iryonet_domain::UnixMillis;
use iryonet_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Several revocations within this time make one list.
const GATHER: Duration = Duration::from_millis(100);

/// Which list: the place of its issuing CA, and the shard.
pub(crate) type ListId = (usize, u16);

/// A list, as it is served.
#[derive(Debug, Clone)]
pub(crate) struct MadeCrl {
    /// DER.
    pub(crate) der: Bytes,
    pub(crate) made_at: UnixMillis,
    pub(crate) entries: Arc<[Revoked]>,
}

/// All lists.
pub(crate) type Lists = BTreeMap<ListId, MadeCrl>;

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

/// Makes the lists whose entries are others than in `present`, or that are past
/// half of their life; the rest stay as they are. A list's number is the time
/// in milliseconds: it grows across restarts and across centers without being
/// kept anywhere.
pub(crate) fn make(
    store: &dyn Store,
    authorities: &Authorities,
    validity_s: u64,
    present: &Lists,
) -> Result<Lists, MakeCrlError> {
    let now = clock::now();
    let mut wanted: BTreeMap<ListId, Vec<Revoked>> = BTreeMap::new();
    for (place, ca) in authorities.all().iter().enumerate() {
        if ca.validity().1 > now {
            for shard in 0..ca.rules().shards {
                wanted.insert((place, shard), Vec::new());
            }
        }
    }
    for revoked in read(store, now, validity_s)? {
        // Of an issuing CA that is gone: its key cannot list anything any more.
        let Some(place) = authorities.issuer_of(&revoked.serial) else {
            continue;
        };
        // A shard from when there were more of them is served on.
        let list = wanted.entry((place, revoked.serial.shard())).or_default();
        list.push(revoked);
    }
    let mut made = Lists::new();
    for (id, entries) in wanted {
        let Some(ca) = authorities.all().get(id.0) else {
            continue;
        };
        let before = present.get(&id);
        let half_ms = validity_s * 500;
        if let Some(before) = before
            && *before.entries == *entries
            && now.since_ms(before.made_at) < half_ms
        {
            made.insert(id, before.clone());
            continue;
        }
        let not_below = before.map_or(0, |before| before.made_at.0.saturating_add(1));
        let list = iryonet_authority::crl::sign(
            ca,
            id.1,
            &entries,
            now.0.max(not_below),
            now,
            now.plus_ms(validity_s * 1_000),
        )?;
        let list = MadeCrl {
            der: list.der.into(),
            made_at: now,
            entries: entries.into(),
        };
        made.insert(id, list);
    }
    Ok(made)
}

/// Every certificate that still has to stand on a list.
pub(crate) fn read(
    store: &dyn Store,
    now: UnixMillis,
    validity_s: u64,
) -> Result<Vec<Revoked>, MakeCrlError> {
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
    raw.into_iter()
        .map(|(serial, revocation)| {
            Ok(Revoked {
                serial: serial_of(&serial)?,
                at: revocation.at,
                reason: reason(revocation.reason),
            })
        })
        .collect()
}

/// The authority's form of a recorded serial number.
pub(crate) fn serial_of(serial: &iryonet_registry::Serial) -> Result<Serial, MakeCrlError> {
    Serial::from_bytes(&serial.octets()).map_err(|source| MakeCrlError::Serial {
        serial: serial.to_string(),
        source,
    })
}

/// The authority's word for a recorded reason.
pub(crate) fn reason(
    reason: iryonet_registry::RevocationReason,
) -> iryonet_authority::RevocationReason {
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

/// Keeps the lists fresh until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    let validity_s = center.config.crl_validity_s;
    // Looked at often: each list becomes due at half of its own life, so that
    // a center that is down for the other half leaves nobody without one.
    let usual = Duration::from_secs((validity_s / 8).max(1));
    let mut pause = usual;
    loop {
        tokio::select! {
            () = center.revoked.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
        let present = Arc::clone(&center.lists.borrow());
        let maker = Arc::clone(&center);
        let made = tokio::task::spawn_blocking(move || {
            make(&*maker.store, &maker.authorities, validity_s, &present)
        })
        .await;
        pause = match made {
            Ok(Ok(lists)) => {
                tracing::debug!(lists = lists.len(), "the revocation lists are fresh");
                center.forget_what_ran_out(&lists);
                center.lists.send_replace(Arc::new(lists));
                usual
            }
            Ok(Err(error)) => {
                tracing::error!(error = %chain(&error), "no new revocation lists could be made; the present ones stay");
                AGAIN_AFTER
            }
            Err(error) => {
                tracing::error!(%error, "making the revocation lists broke off; the present ones stay");
                AGAIN_AFTER
            }
        };
    }
}
