//! 接続機器: holds one key and one institution certificate; revocable alone.

use crate::certificate::{Revocation, RevocationReason, Serial};
use crate::decide::Decision;
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::{DeviceId, Fingerprint, ParticipantNumber, UnixMillis};
use serde::{Deserialize, Serialize};

/// A device with its one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whose.
    pub participant: ParticipantNumber,
    /// Number within the participant, for ever.
    pub device: DeviceId,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: Fingerprint,
    /// Serial number.
    pub serial: Serial,
    /// First millisecond of the certificate's life.
    pub not_before: UnixMillis,
    /// First millisecond after it.
    pub not_after: UnixMillis,
    /// Taken back?
    pub revoked: Option<Revocation>,
    /// When the daily re-check recorded that its life was over.
    pub ran_out_at: Option<UnixMillis>,
}

impl Device {
    /// Does its certificate count at this time?
    #[must_use]
    pub fn is_valid_at(&self, now: UnixMillis) -> bool {
        self.revoked.is_none() && self.not_before <= now && now < self.not_after
    }

    pub(crate) fn revoked(&self, reason: RevocationReason) -> Event {
        Event::DeviceRevoked {
            participant: self.participant,
            device: self.device,
            fingerprint: self.fingerprint,
            serial: self.serial.clone(),
            reason,
        }
    }
}

/// A device that has run out by time can still be revoked: its key may matter
/// to those who look at the past.
pub(crate) fn revoke(
    view: &dyn View,
    participant: ParticipantNumber,
    device: DeviceId,
    reason: RevocationReason,
) -> Decision {
    crate::participant::known(view, participant)?;
    let found = view
        .device(participant, device)?
        .ok_or(Refusal::DeviceUnknown {
            participant,
            device,
        })?;
    if found.revoked.is_some() {
        return Err(Refusal::CertificateRevoked(found.fingerprint).into());
    }
    Ok(vec![found.revoked(reason)])
}
