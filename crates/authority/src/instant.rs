//! Points in time between the network's milliseconds and X.509's seconds.

use iryonet_domain::UnixMillis;
use time::OffsetDateTime;

/// Milliseconds of one day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// How much earlier than the clock a certificate or revocation list begins:
/// five minutes. Boxes in small institutions run slow, and a certificate that
/// is "not yet valid" at the box that just received it stops an opening. No
/// harm comes of it: the key did not exist before.
pub const BACKDATE_MS: u64 = 5 * 60 * 1_000;

/// The last second that X.509 can write (9999-12-31T23:59:59Z, RFC 5280
/// section 4.1.2.5).
const LAST_SECOND: i64 = 253_402_300_799;

/// The time is beyond what X.509 can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} ms since 1970 lies beyond the year 9999, the last that a certificate can name")]
pub struct InstantError(pub u64);

/// The whole second of `at`, as X.509 writers take it.
///
/// # Errors
/// When `at` lies beyond the year 9999.
pub fn to_x509(at: UnixMillis) -> Result<OffsetDateTime, InstantError> {
    let error = InstantError(at.0);
    let seconds = i64::try_from(at.as_secs()).map_err(|_| error)?;
    if seconds > LAST_SECOND {
        return Err(error);
    }
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| error)
}

/// What a certificate says, in milliseconds; times before 1970 become 1970.
#[must_use]
pub fn from_x509(seconds: i64) -> UnixMillis {
    UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}

/// `at` without its milliseconds, as a certificate can carry it.
#[must_use]
pub fn whole_second(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.as_secs().saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_x509_cannot_write_is_refused() {
        assert!(to_x509(UnixMillis(u64::MAX)).is_err());
        assert!(to_x509(UnixMillis(253_402_300_800_000)).is_err());
        assert!(to_x509(UnixMillis(253_402_300_799_999)).is_ok());
    }
}
