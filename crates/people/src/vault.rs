//! Sealing what is kept beside the ledger: AES-256-GCM under a key of the
//! center's data directory, bound to where it stands, so that neither a copy of
//! the database nor one moved record gives anybody's credentials away.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// Octets of the key.
pub const KEY_OCTETS: usize = 32;
/// The only form so far; another one gets another first octet.
const FORM: u8 = 1;

/// The key, ready for use.
pub struct Vault(LessSafeKey);

/// What stands there cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key is none.
    #[error("the key for credentials has {have} octets; {KEY_OCTETS} are wanted")]
    Key {
        /// Octets found.
        have: usize,
    },
    /// Another form, another key, another place, or damaged.
    #[error(
        "a sealed record cannot be opened: it was sealed with another key or for another place, or is damaged"
    )]
    Sealed,
    /// Nothing could be sealed.
    #[error("a record could not be sealed")]
    Failed,
}

impl Vault {
    /// With this key.
    ///
    /// # Errors
    /// When it is not [`KEY_OCTETS`] long.
    pub fn new(key: &[u8]) -> Result<Self, VaultError> {
        if key.len() != KEY_OCTETS {
            return Err(VaultError::Key { have: key.len() });
        }
        UnboundKey::new(&AES_256_GCM, key)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| VaultError::Key { have: key.len() })
    }

    /// A new key.
    pub fn draw_key<R: RngCore + CryptoRng>(rng: &mut R) -> Zeroizing<[u8; KEY_OCTETS]> {
        let mut key = Zeroizing::new([0; KEY_OCTETS]);
        rng.fill_bytes(key.as_mut());
        key
    }

    /// Seals octets for the place where they will stand.
    ///
    /// # Errors
    /// When the cipher fails, which it does for no length that is kept here.
    pub fn seal<R: RngCore + CryptoRng>(
        &self,
        place: &[u8],
        octets: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, VaultError> {
        // Random nonces: some hundred million records are far from the bound of
        // 2^32 (NIST SP 800-38D, section 8.3).
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = octets.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut sealed,
            )
            .map_err(|_| VaultError::Failed)?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(FORM);
        out.extend_from_slice(&nonce);
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was not.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let rest = match sealed {
            [FORM, rest @ ..] => rest,
            _ => return Err(VaultError::Sealed),
        };
        let (nonce, text) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(VaultError::Sealed)?;
        let mut octets = Zeroizing::new(text.to_vec());
        let open = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place),
                octets.as_mut(),
            )
            .map_err(|_| VaultError::Sealed)?
            .len();
        octets.truncate(open);
        Ok(octets)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(key not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_in_its_place_with_its_key_and_nowhere_else() {
        let mut rng = rand::rng();
        let vault = Vault::new(Vault::draw_key(&mut rng).as_ref()).unwrap();
        let sealed = vault.seal(b"suzuki", b"secret", &mut rng).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(**vault.open(b"suzuki", &sealed).unwrap(), *b"secret");
        assert_eq!(
            vault.open(b"sato", &sealed).unwrap_err(),
            VaultError::Sealed
        );
        let other = Vault::new(Vault::draw_key(&mut rng).as_ref()).unwrap();
        assert!(other.open(b"suzuki", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert!(vault.open(b"suzuki", &damaged).is_err(), "octet {place}");
            assert!(vault.open(b"suzuki", &sealed[..place]).is_err());
        }
        assert_ne!(vault.seal(b"suzuki", b"secret", &mut rng).unwrap(), sealed);
        assert!(Vault::new(b"short").is_err());
    }
}
