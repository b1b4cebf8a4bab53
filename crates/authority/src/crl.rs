//! Revocation lists (RFC 5280 section 5). Which certificates are on them is
//! the registry's word; this module only writes it down and signs it.

use crate::files;
use crate::instant::{self, BACKDATE_MS, InstantError};
use crate::issuing::IssuingCa;
use crate::serial::Serial;
use crate::signer::{Failed, Pen, SignError, anything};
use iryonet_domain::UnixMillis;
use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    Issuer, KeyIdMethod, RevokedCertParams, SerialNumber,
};

/// Most entries on one list; past this, shard it.
pub const ENTRIES_LIMIT: usize = 1_000_000;

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationReason {
    /// No reason given; the list then carries none.
    Unspecified,
    /// The key may be in other hands.
    KeyCompromise,
    /// The institution changed its name or house.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The device or the institution ceased to operate.
    CessationOfOperation,
    /// On hold; may come back.
    CertificateHold,
    /// The right to connect was withdrawn.
    PrivilegeWithdrawn,
}

/// The word names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a reason for revocation; known are unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, certificate-hold and privilege-withdrawn"
)]
pub struct UnknownReason(pub String);

impl RevocationReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
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
            Self::CertificateHold => "certificate-hold",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// The number in lists and answers (CRLReason).
    #[must_use]
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    fn to_x509(self) -> Option<rcgen::RevocationReason> {
        match self {
            // "the reason code CRL entry extension SHOULD be absent instead of
            // using the unspecified (0) reasonCode value" (section 5.3.1)
            Self::Unspecified => None,
            Self::KeyCompromise => Some(rcgen::RevocationReason::KeyCompromise),
            Self::AffiliationChanged => Some(rcgen::RevocationReason::AffiliationChanged),
            Self::Superseded => Some(rcgen::RevocationReason::Superseded),
            Self::CessationOfOperation => Some(rcgen::RevocationReason::CessationOfOperation),
            Self::CertificateHold => Some(rcgen::RevocationReason::CertificateHold),
            Self::PrivilegeWithdrawn => Some(rcgen::RevocationReason::PrivilegeWithdrawn),
        }
    }
}

impl std::str::FromStr for RevocationReason {
    type Err = UnknownReason;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .ok_or_else(|| UnknownReason(word.chars().take(40).collect()))
    }
}

impl std::fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One revoked certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevocationReason,
}

/// A signed revocation list.
#[derive(Debug, Clone)]
pub struct Crl {
    /// The list, DER.
    pub der: Vec<u8>,
    /// The list, PEM.
    pub pem: String,
}

/// Why no list was made.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// More entries than one list holds.
    #[error(
        "{have} certificates are to stand on one revocation list; at most {ENTRIES_LIMIT} may, so divide them among shards"
    )]
    TooMany {
        /// Entries asked for.
        have: usize,
    },
    /// A certificate of another shard.
    #[error(
        "the certificate with serial {serial} belongs to shard {shard} of its issuer, not to this list"
    )]
    OtherShard {
        /// Its serial number.
        serial: Serial,
        /// The shard that it names.
        shard: u16,
    },
    /// The CA's key did not sign.
    #[error("the revocation list could not be signed")]
    Sign(#[from] SignError),
    /// One certificate stands twice.
    #[error(
        "the certificate with serial {0} stands on the list twice; each stands once, with its last reason"
    )]
    Twice(Serial),
    /// It would be stale at once.
    #[error(
        "the next list is due at {next_ms} ms, which is not after {now_ms} ms; it must be later"
    )]
    NextUpdate {
        /// When the next list is due.
        next_ms: u64,
        /// Now.
        now_ms: u64,
    },
    /// Time that X.509 cannot write.
    #[error(transparent)]
    Instant(#[from] InstantError),
    /// Encoding or signing failed.
    #[error("cannot sign the revocation list")]
    Crypto(#[from] rcgen::Error),
}

/// Writes and signs the complete list of one shard of `ca`.
///
/// Where the CA's certificates say on which list they would stand, the list
/// says which one it is (issuing distribution point, RFC 5280 section 5.2.5);
/// a relying party takes it for no other.
///
/// `number` grows with every list (RFC 5280 section 5.2.3; a ledger sequence
/// serves well); `next_update` is when the next one is due at the latest, and
/// a relying party refuses the list after it. The list begins five minutes
/// before `now` (see [`BACKDATE_MS`]), so that slow clocks take it.
///
/// # Errors
/// When there are too many entries, one stands twice, or `next_update` is not
/// after `now`.
pub fn sign(
    ca: &IssuingCa,
    shard: u16,
    revoked: &[Revoked],
    number: u64,
    now: UnixMillis,
    next_update: UnixMillis,
) -> Result<Crl, CrlError> {
    if revoked.len() > ENTRIES_LIMIT {
        return Err(CrlError::TooMany {
            have: revoked.len(),
        });
    }
    if next_update.as_secs() <= now.as_secs() {
        return Err(CrlError::NextUpdate {
            next_ms: next_update.0,
            now_ms: now.0,
        });
    }
    let mut sorted: Vec<&Revoked> = revoked.iter().collect();
    sorted.sort_by_key(|entry| entry.serial);
    for (entry, next) in sorted.iter().zip(sorted.iter().skip(1)) {
        if entry.serial == next.serial {
            return Err(CrlError::Twice(entry.serial));
        }
    }
    if let Some(stray) = sorted.iter().find(|entry| entry.serial.shard() != shard) {
        return Err(CrlError::OtherShard {
            serial: stray.serial,
            shard: stray.serial.shard(),
        });
    }
    let revoked_certs = sorted
        .into_iter()
        .map(|entry| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(entry.serial.as_bytes()),
                revocation_time: instant::to_x509(entry.at)?,
                reason_code: entry.reason.to_x509(),
                invalidity_date: None,
            })
        })
        .collect::<Result<_, InstantError>>()?;
    let list = CertificateRevocationListParams {
        this_update: instant::to_x509(UnixMillis(now.0.saturating_sub(BACKDATE_MS)))?,
        next_update: instant::to_x509(next_update)?,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: ca.crl_uri(shard).map(|uri| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![uri] },
            // CAs' own certificates are the root's to revoke.
            scope: Some(CrlScope::UserCertsOnly),
        }),
        revoked_certs,
        key_identifier_method: KeyIdMethod::PreSpecified(ca.key_id().to_vec()),
    };
    let pen = Pen::new(ca.signer(), &anything);
    let signed = list.signed_by(&Issuer::from_params(ca.issuer(), &pen));
    let der = match (signed, pen.failed()) {
        (Ok(list), _) => list.der().to_vec(),
        (Err(_), Some(Failed::Sign(error))) => return Err(error.into()),
        (Err(error), _) => return Err(error.into()),
    };
    Ok(Crl {
        pem: files::pem("X509 CRL", &der),
        der,
    })
}
