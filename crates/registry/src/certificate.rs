//! What the registry knows of a certificate: enough to find it, to judge it
//! and to put it on a revocation list. The certificate itself is made and
//! checked elsewhere.

use crate::limits::CERTIFICATE_LIFE_MAX_MS;
use crate::{DecideError, Event, Refusal, view::View};
use iryonet_domain::{Fingerprint, GatewayId, UnixMillis};
use serde::{Deserialize, Serialize};

/// A certificate's serial number: 2 to 40 lower-case hexadecimal digits, an
/// even number of them (whole octets; at most 20, RFC 5280 section 4.1.2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(String);

/// The text is not a serial number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a certificate's serial number; it has 2 to 40 lower-case hexadecimal digits, two for each octet"
)]
pub struct SerialError(pub String);

impl Serial {
    /// The serial number with these octets, as they stand in the certificate.
    ///
    /// # Errors
    /// For none and for more than 20 octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, SerialError> {
        Self::try_from(hex::encode(octets))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        // Checked when it was made.
        hex::decode(&self.0).unwrap_or_default()
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fits = (2..=40).contains(&text.len())
            && text.len().is_multiple_of(2)
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits {
            Ok(Self(text))
        } else {
            Err(SerialError(text.chars().take(60).collect()))
        }
    }
}

impl std::str::FromStr for Serial {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.0
    }
}

impl std::fmt::Display for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the center tells the registry about a certificate that it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Serial number, never used before.
    pub serial: Serial,
    /// First millisecond of its life.
    pub not_before: UnixMillis,
    /// First millisecond after its life.
    pub not_after: UnixMillis,
}

/// Why a certificate is taken back (RFC 5280, section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// The key may be in other hands.
    KeyCompromise,
    /// The holder's name or relation to the network is another.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The holder left, or the device is out of use.
    CessationOfOperation,
}

impl RevocationReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }

    /// The number in a revocation list (CRLReason).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

/// The word names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason for revocation; known are {list}", list = RevocationReason::ALL.map(RevocationReason::as_str).join(", "))]
pub struct UnknownReason(pub String);

impl std::str::FromStr for RevocationReason {
    type Err = UnknownReason;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .ok_or_else(|| UnknownReason(word.chars().take(40).collect()))
    }
}

/// When and why a certificate was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevocationReason,
}

/// A certificate of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayCertificate {
    /// Whose.
    pub gateway: GatewayId,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// Serial number.
    pub serial: Serial,
    /// First millisecond of its life.
    pub not_before: UnixMillis,
    /// First millisecond after its life.
    pub not_after: UnixMillis,
    /// Taken back?
    pub revoked: Option<Revocation>,
}

impl GatewayCertificate {
    /// Does it count at this time?
    #[must_use]
    pub fn is_valid_at(&self, now: UnixMillis) -> bool {
        self.revoked.is_none() && self.not_before <= now && now < self.not_after
    }
}

pub(crate) fn revoke_of_gateway(
    view: &dyn View,
    gateway: &GatewayId,
    fingerprint: Fingerprint,
    reason: RevocationReason,
) -> crate::decide::Decision {
    let certificate = view
        .gateway_certificate(fingerprint)?
        .filter(|certificate| certificate.gateway == *gateway)
        .ok_or_else(|| Refusal::GatewayCertificateUnknown {
            gateway: gateway.clone(),
            fingerprint,
        })?;
    if certificate.revoked.is_some() {
        return Err(Refusal::CertificateRevoked(fingerprint).into());
    }
    Ok(vec![Event::GatewayCertificateRevoked {
        gateway: certificate.gateway,
        fingerprint,
        serial: certificate.serial,
        reason,
    }])
}

/// New, and of a life that can be lived.
pub(crate) fn check_new(
    view: &dyn View,
    certificate: &CertificateFacts,
    now: UnixMillis,
) -> Result<(), DecideError> {
    if certificate.not_after <= certificate.not_before
        || certificate.not_after <= now
        || certificate.not_after.since_ms(now) > CERTIFICATE_LIFE_MAX_MS
    {
        return Err(Refusal::CertificateLife {
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
        .into());
    }
    if view.serial_is_used(&certificate.serial)? {
        return Err(Refusal::SerialUsed(certificate.serial.clone()).into());
    }
    if view
        .device_by_fingerprint(certificate.fingerprint)?
        .is_some()
        || view.gateway_certificate(certificate.fingerprint)?.is_some()
    {
        return Err(Refusal::CertificateKnown(certificate.fingerprint).into());
    }
    Ok(())
}
