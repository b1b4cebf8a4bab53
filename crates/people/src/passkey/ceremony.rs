//! A passkey being set up or shown: the challenge, and for what. As a login at an
//! issuer ([`crate::issuer::flow`]) it is carried sealed by whoever began it, and
//! good once, for a few minutes.

use crate::vault::{Vault, VaultError};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::{AccountName, UnixMillis};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// How long somebody may look for their authenticator, in milliseconds.
pub const LIFE_MS: u64 = 5 * 60_000;
/// Longest sealed one that is looked at, in characters.
const SEALED_MAX: usize = 2_048;

/// For what it is sealed.
const CEREMONY: &[u8] = b"passkey ceremony";

/// For what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A new one for this account.
    Register(AccountName),
    /// Coming in, whoever it is.
    LogIn,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceremony {
    /// For what.
    pub purpose: Purpose,
    /// base64url, as browsers hand it back.
    pub challenge: String,
    /// When it began.
    pub began_at: UnixMillis,
}

impl Ceremony {
    /// A new one.
    pub fn begin<R: RngCore + CryptoRng>(purpose: Purpose, now: UnixMillis, rng: &mut R) -> Self {
        let mut octets = [0; 32];
        rng.fill_bytes(&mut octets);
        Self {
            purpose,
            challenge: URL_SAFE_NO_PAD.encode(octets),
            began_at: now,
        }
    }

    /// Sealed, for whoever began to carry.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal<R: RngCore + CryptoRng>(
        &self,
        vault: &Vault,
        rng: &mut R,
    ) -> Result<String, VaultError> {
        let octets = serde_json::to_vec(self).unwrap_or_default();
        Ok(URL_SAFE_NO_PAD.encode(vault.seal(CEREMONY, &octets, rng)?))
    }

    /// Opens what was carried; nothing where it is not ours, too old, or for
    /// something else.
    #[must_use]
    pub fn open(vault: &Vault, carried: &str, purpose: &Purpose, now: UnixMillis) -> Option<Self> {
        if carried.len() > SEALED_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(carried).ok()?;
        let octets = vault.open(CEREMONY, &sealed).ok()?;
        let ceremony: Self = serde_json::from_slice(&octets).ok()?;
        let holds = now < ceremony.began_at.plus_ms(LIFE_MS) && ceremony.purpose == *purpose;
        holds.then_some(ceremony)
    }

    /// Where it is noted that this one is used up.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, self.challenge.as_bytes());
        [b"p/", hash.as_ref()].concat()
    }

    /// Until when that has to be known.
    #[must_use]
    pub fn ends_at(&self) -> UnixMillis {
        self.began_at.plus_ms(LIFE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceremony_opens_for_its_purpose_for_five_minutes_and_with_our_key_only() {
        let now = UnixMillis(1_756_000_000_000);
        let vault = Vault::new(&[7; 32]).unwrap();
        let sato = Purpose::Register("sato".parse().unwrap());
        let ceremony = Ceremony::begin(sato.clone(), now, &mut rand::rng());
        let carried = ceremony.seal(&vault, &mut rand::rng()).unwrap();
        let open = |vault: &Vault, purpose: &Purpose, ms| {
            Ceremony::open(vault, &carried, purpose, now.plus_ms(ms))
        };
        assert_eq!(open(&vault, &sato, LIFE_MS - 1), Some(ceremony.clone()));
        assert_eq!(open(&vault, &sato, LIFE_MS), None);
        assert_eq!(open(&vault, &Purpose::LogIn, 0), None);
        let mori = Purpose::Register("mori".parse().unwrap());
        assert_eq!(open(&vault, &mori, 0), None);
        assert_eq!(open(&Vault::new(&[8; 32]).unwrap(), &sato, 0), None);
    }
}
