//! The token of a session: 256 bits of chance, of which the center keeps the
//! hash alone. Whoever reads the store cannot come in with what stands there.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

const OCTETS: usize = 32;
/// Makes a token that stands where it should not easy to find.
const PREFIX: &str = "iryonet-session-";

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Zeroizing<[u8; OCTETS]>);

impl SessionToken {
    /// A new one.
    pub fn draw<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut octets = Zeroizing::new([0; OCTETS]);
        rng.fill_bytes(octets.as_mut());
        Self(octets)
    }

    /// As its holder shows it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// As it was shown. None when it is no token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let octets = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Some(Self(Zeroizing::new(octets.try_into().ok()?)))
    }

    /// Under which it is kept: SHA-256.
    #[must_use]
    pub fn hash(&self) -> [u8; OCTETS] {
        let mut hash = [0; OCTETS];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_ref()).as_ref());
        hash
    }

    /// What a page sends beside the cookie that it cannot read: proof that the
    /// page is ours, and not another that makes the browser send the cookie.
    #[must_use]
    pub fn page_proof(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"iryonet page").as_ref())
    }

    /// Is it this token's?
    #[must_use]
    pub fn is_proved_by(&self, page_proof: &str) -> bool {
        verify_slices_are_equal(self.page_proof().as_bytes(), page_proof.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_read_and_kept_by_its_hash() {
        let token = SessionToken::draw(&mut rand::rng());
        let other = SessionToken::draw(&mut rand::rng());
        let shown = token.reveal();
        assert_eq!(SessionToken::parse(&shown), Some(token.clone()));
        assert_ne!(token.hash(), other.hash());
        assert!(token.is_proved_by(&token.page_proof()));
        assert!(!token.is_proved_by(&other.page_proof()));
        assert!(!token.is_proved_by(""));
        for bad in ["", PREFIX, &shown[1..], &shown[..shown.len() - 2]] {
            assert_eq!(SessionToken::parse(bad), None, "{bad:?}");
        }
        assert!(!format!("{token:?}").contains(&shown[20..]));
    }
}
