//! 接続機器 and their certificates. A fingerprint names one certificate, of a
//! participant's device or of a gateway; both are revoked here.

use super::Done;
use crate::http::actor::{Acting, Reach};
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{Fingerprint, ParticipantNumber, UnixMillis};
use iryonet_registry::{Command, Device, RevocationReason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Whose devices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// Participant number.
    #[param(value_type = u32)]
    participant: ParticipantNumber,
}

/// A device with its certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceShown {
    /// Number within the participant.
    device: u32,
    /// SHA-256 of the certificate, hexadecimal.
    fingerprint: String,
    /// Serial number, hexadecimal.
    serial: String,
    /// valid, not-yet-valid, expired or revoked.
    state: &'static str,
    /// Milliseconds since 1970.
    not_before: u64,
    /// Milliseconds since 1970.
    not_after: u64,
    /// When it was revoked, milliseconds since 1970.
    revoked_at: Option<u64>,
    /// Why it was revoked.
    revocation_reason: Option<&'static str>,
}

/// Devices of one participant, valid or not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceList {
    devices: Vec<DeviceShown>,
}

pub(crate) fn shown(device: Device, now: UnixMillis) -> DeviceShown {
    let state = match &device.revoked {
        Some(_) => "revoked",
        None if now < device.not_before => "not-yet-valid",
        None if device.not_after <= now => "expired",
        None => "valid",
    };
    DeviceShown {
        device: device.device.0,
        fingerprint: device.fingerprint.to_string(),
        serial: device.serial.to_string(),
        state,
        not_before: device.not_before.0,
        not_after: device.not_after.0,
        revoked_at: device.revoked.map(|revocation| revocation.at.0),
        revocation_reason: device.revoked.map(|revocation| revocation.reason.as_str()),
    }
}

/// Lists a participant's devices.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", params(Whose), responses(
    (status = 200, body = DeviceList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Query(whose): Query<Whose>,
) -> Result<Json<DeviceList>, Problem> {
    let now = crate::clock::now();
    let number = whose.participant;
    let devices = center
        .read(move |reader| {
            if !reach.sees(number) || reader.participant(number)?.is_none() {
                return Ok(None);
            }
            reader
                .devices(number, None, super::PAGE_MAX as usize)
                .map(Some)
        })
        .await?
        .ok_or_else(|| Problem::unknown("participant", "参加者", number))?
        .into_iter()
        .map(|device| shown(device, now))
        .collect();
    Ok(Json(DeviceList { devices }))
}

/// Why a certificate is revoked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    /// unspecified, key-compromise, affiliation-changed, superseded or
    /// cessation-of-operation (RFC 5280, section 5.3.1).
    #[schema(value_type = String, example = "key-compromise")]
    reason: RevocationReason,
}

/// 失効: revokes a certificate; its connections are cut at once.
#[utoipa::path(post, path = "/v1/devices/{fingerprint}/revoke", tag = "devices",
    request_body = Revocation,
    params(
        ("fingerprint" = String, Path, description = "SHA-256 of the certificate, 64 hexadecimal digits"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn revoke(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(fingerprint): Key<Fingerprint>,
    Body(wish): Body<Revocation>,
) -> Result<Json<Done>, Problem> {
    // Which act it is depends on whose certificate it is; that never changes,
    // so it may be looked up before the transaction.
    let command = center
        .read(move |reader| {
            if let Some(device) = reader.device_by_fingerprint(fingerprint)? {
                return Ok(Some(Command::RevokeDevice {
                    participant: device.participant,
                    device: device.device,
                    reason: wish.reason,
                }));
            }
            Ok(reader.gateway_certificate(fingerprint)?.map(|certificate| {
                Command::RevokeGatewayCertificate {
                    gateway: certificate.gateway,
                    fingerprint,
                    reason: wish.reason,
                }
            }))
        })
        .await?
        .ok_or_else(|| Problem::unknown("certificate", "証明書", fingerprint))?;
    center
        .act(actor, command)
        .await
        .map(|recorded| Json(recorded.done()))
}
