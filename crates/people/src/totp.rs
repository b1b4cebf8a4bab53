//! One-time passwords by time (RFC 6238, on RFC 4226): six digits, thirty
//! seconds, HMAC-SHA-1, which is what every authenticator speaks.
//!
//! A step is good once. One step of clock difference to either side is taken,
//! and none that is not later than the last one that was used.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use iryonet_domain::UnixMillis;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// Length of a step, in milliseconds.
pub const STEP_MS: u64 = 30_000;
/// Steps of difference between two clocks that are taken, to either side.
pub const SKEW_STEPS: u64 = 1;
/// Octets of a secret: as many as the hash has (RFC 4226, section 4, R6).
const SECRET_OCTETS: usize = 20;

/// The secret that a person's authenticator shares with the center.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpSecret(Vec<u8>);

impl TotpSecret {
    /// A new one.
    pub fn draw<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut octets = vec![0; SECRET_OCTETS];
        rng.fill_bytes(&mut octets);
        Self(octets)
    }

    /// As a person types it into an authenticator: base32 (RFC 4648, section 6).
    #[must_use]
    pub fn reveal(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0)
    }

    /// As it was typed; the width and case of letters do not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = iryonet_domain::text::fold_width(text)
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let octets = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).ok()?;
        (octets.len() >= 16).then_some(Self(octets))
    }

    /// As an authenticator reads it from a QR code.
    #[must_use]
    pub fn uri(&self, network: &str, account: &str) -> String {
        // Account names and the network's name hold nothing that needs encoding.
        format!(
            "otpauth://totp/{network}:{account}?secret={secret}&issuer={network}&algorithm=SHA1&digits=6&period=30",
            secret = self.reveal()
        )
    }

    /// The password of a step.
    #[must_use]
    pub fn at_step(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226, section 5.3: four octets at the place that the last one names.
        let place = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let word = tag
            .get(place..place + 4)
            .and_then(|octets| octets.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }

    /// The password of a moment: what an authenticator would show.
    #[must_use]
    pub fn at(&self, now: UnixMillis) -> String {
        self.at_step(now.0 / STEP_MS)
    }

    /// The step of which this is the password, if it may be used now: within
    /// the skew, and later than the last one used.
    #[must_use]
    pub fn step_of(&self, shown: &str, now: UnixMillis, last_step: Option<u64>) -> Option<u64> {
        let shown: String = iryonet_domain::text::fold_width(shown)
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect();
        let present = now.0 / STEP_MS;
        let mut found = None;
        // All of them each time: how long it takes says nothing about which.
        for step in present.saturating_sub(SKEW_STEPS)..=present.saturating_add(SKEW_STEPS) {
            let fits =
                verify_slices_are_equal(self.at_step(step).as_bytes(), shown.as_bytes()).is_ok();
            if fits && last_step.is_none_or(|last| step > last) {
                found = Some(step);
            }
        }
        found
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six digits of its eight.
    #[test]
    fn the_vectors_of_the_standard() {
        let secret = TotpSecret(b"12345678901234567890".to_vec());
        for (seconds, shown) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.at(UnixMillis(seconds * 1_000)), shown);
        }
        assert_eq!(secret.reveal(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            TotpSecret::parse("gezd gnbv gy3t qojq gezd gnbv gy3t qojq"),
            Some(secret)
        );
        assert_eq!(TotpSecret::parse("GEZD"), None);
    }

    #[test]
    fn a_step_is_good_once_and_one_step_of_clock_difference_is_taken() {
        let secret = TotpSecret::draw(&mut rand::rng());
        let now = UnixMillis(1_756_000_000_000);
        let step = now.0 / STEP_MS;
        let shown = secret.at(now);
        assert_eq!(secret.step_of(&shown, now, None), Some(step));
        assert_eq!(secret.step_of(&shown, now, Some(step)), None);
        assert_eq!(
            secret.step_of(&shown, now.plus_ms(STEP_MS), Some(step - 1)),
            Some(step)
        );
        assert_eq!(secret.step_of(&shown, now.plus_ms(2 * STEP_MS), None), None);
        // A clock that went back makes no used one good again.
        let earlier = UnixMillis(now.0 - STEP_MS);
        assert_eq!(secret.step_of(&shown, earlier, Some(step)), None);
        // Full-width digits and blanks are how people type.
        let wide: String = shown
            .chars()
            .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap())
            .collect();
        assert_eq!(secret.step_of(&format!(" {wide}"), now, None), Some(step));
        assert_eq!(secret.step_of("", now, None), None);
    }
}
