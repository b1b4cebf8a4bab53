//! 更新: a certificate that still counts turns into the next one, without a
//! code and without a person. The holder has proved the old key to the center;
//! the registry says whether that is enough.
//!
//! A renewed device gets the participant's next device number. The old one
//! counts until its own end or its revocation: both are good during the change,
//! and an answer that was lost on the way cuts nobody off.

use crate::certificate::{CertificateFacts, GatewayCertificate, check_new};
use crate::decide::Decision;
use crate::device::Device;
use crate::enrolment::EnrolmentGrant;
use crate::limits::{CERTIFICATES_IN_CHANGE_PER_GATEWAY, DEVICES_IN_CHANGE_PER_PARTICIPANT};
use crate::participant::Standing;
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{DeviceId, Fingerprint, GatewayId, ParticipantNumber, UnixMillis};

/// May this device have its next certificate now? Changes nothing.
///
/// # Errors
/// When the certificate shown is not the device's, does not count, is in the
/// first half of its life, its holder is quarantined, or the participant may have no more devices; or when
/// the store cannot answer.
pub fn check_device(
    view: &dyn View,
    participant: ParticipantNumber,
    device: DeviceId,
    shown: Fingerprint,
    now: UnixMillis,
) -> Result<EnrolmentGrant, DecideError> {
    let holder = crate::participant::open(view, participant)?;
    // Whoever holds a key that may be in the wrong hands gets no next one by it.
    if holder.standing == Standing::Quarantined {
        return Err(Refusal::ParticipantQuarantined(participant).into());
    }
    let unknown = Refusal::DeviceUnknown {
        participant,
        device,
    };
    let Device {
        fingerprint,
        not_before,
        not_after,
        revoked,
        ..
    } = view.device(participant, device)?.ok_or(unknown.clone())?;
    if fingerprint != shown {
        return Err(unknown.into());
    }
    check_old(shown, (not_before, not_after), revoked.is_some(), now)?;
    if view.valid_devices(participant, now)?.len() >= DEVICES_IN_CHANGE_PER_PARTICIPANT {
        return Err(Refusal::TooManyDevicesInChange(participant).into());
    }
    let next = view
        .last_device(participant)?
        .unwrap_or(device)
        .0
        .checked_add(1)
        .ok_or(Refusal::TooManyDevicesInChange(participant))?;
    Ok(EnrolmentGrant::Device {
        participant,
        device: DeviceId(next),
        kind: holder.kind,
        name: holder.name,
        code: holder.code,
    })
}

/// May this gateway have its next certificate now? Changes nothing.
///
/// # Errors
/// As [`check_device`].
pub fn check_gateway(
    view: &dyn View,
    gateway: &GatewayId,
    shown: Fingerprint,
    now: UnixMillis,
) -> Result<EnrolmentGrant, DecideError> {
    let known = crate::gateway::known(view, gateway)?;
    let GatewayCertificate {
        not_before,
        not_after,
        revoked,
        ..
    } = view
        .gateway_certificate(shown)?
        .filter(|certificate| certificate.gateway == *gateway)
        .ok_or_else(|| Refusal::GatewayCertificateUnknown {
            gateway: gateway.clone(),
            fingerprint: shown,
        })?;
    check_old(shown, (not_before, not_after), revoked.is_some(), now)?;
    if view.valid_gateway_certificates(gateway, now)?.len() >= CERTIFICATES_IN_CHANGE_PER_GATEWAY {
        return Err(Refusal::TooManyCertificatesInChange(gateway.clone()).into());
    }
    Ok(EnrolmentGrant::Gateway(known))
}

/// Not before the middle of its life: agents renew at two thirds, and whoever
/// asks all day long gets one certificate, not thousands.
fn check_old(
    shown: Fingerprint,
    (not_before, not_after): (UnixMillis, UnixMillis),
    revoked: bool,
    now: UnixMillis,
) -> Result<(), Refusal> {
    if revoked {
        return Err(Refusal::CertificateRevoked(shown));
    }
    if now >= not_after {
        return Err(Refusal::CertificateRanOut {
            fingerprint: shown,
            at: not_after,
        });
    }
    let from = not_before.plus_ms(not_after.since_ms(not_before) / 2);
    if now < from {
        return Err(Refusal::RenewalTooEarly {
            fingerprint: shown,
            from,
        });
    }
    Ok(())
}

pub(crate) fn renew_device(
    view: &dyn View,
    (participant, device, shown): (ParticipantNumber, DeviceId, Fingerprint),
    successor: DeviceId,
    certificate: &CertificateFacts,
    now: UnixMillis,
) -> Decision {
    let EnrolmentGrant::Device { device: next, .. } =
        check_device(view, participant, device, shown, now)?
    else {
        return Err(Refusal::CodeOfOtherSubject.into());
    };
    if successor != next {
        return Err(Refusal::OtherDevice {
            wanted: successor,
            device: next,
        }
        .into());
    }
    check_new(view, certificate, now)?;
    Ok(vec![
        Event::DeviceEnrolled {
            participant,
            device: successor,
            fingerprint: certificate.fingerprint,
            serial: certificate.serial.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        },
        Event::DeviceRenewed {
            participant,
            device,
            fingerprint: shown,
            successor,
        },
    ])
}

pub(crate) fn renew_gateway(
    view: &dyn View,
    gateway: &GatewayId,
    shown: Fingerprint,
    certificate: &CertificateFacts,
    now: UnixMillis,
) -> Decision {
    check_gateway(view, gateway, shown, now)?;
    check_new(view, certificate, now)?;
    Ok(vec![
        Event::GatewayCertified {
            gateway: gateway.clone(),
            fingerprint: certificate.fingerprint,
            serial: certificate.serial.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        },
        Event::GatewayCertificateRenewed {
            gateway: gateway.clone(),
            fingerprint: shown,
            successor: certificate.fingerprint,
        },
    ])
}
