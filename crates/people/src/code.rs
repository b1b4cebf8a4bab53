//! Codes that are good once: the login code with which an account's life
//! begins, and recovery codes in place of a lost second factor.
//!
//! Drawn from enough chance that a fast hash is enough to keep them by.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// Crockford's base 32: nothing that looks like something else.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a code: 100 bits.
const LENGTH: usize = 20;
/// Symbols between two dashes.
const GROUP: usize = 5;

/// A code, as it was drawn or as somebody typed it.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

/// SHA-256 of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeCodeHash(Vec<u8>);

impl OneTimeCode {
    /// A new one.
    pub fn draw<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut octets = [0_u8; LENGTH];
        rng.fill_bytes(&mut octets);
        Self(
            octets
                .iter()
                .map(|octet| char::from(SYMBOLS[usize::from(octet & 31)]))
                .collect(),
        )
    }

    /// As it is handed out: XXXXX-XXXXX-XXXXX-XXXXX.
    #[must_use]
    pub fn reveal(&self) -> String {
        let symbols: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = symbols
            .chunks(GROUP)
            .map(|group| group.iter().collect())
            .collect();
        groups.join("-")
    }

    /// As somebody typed it; case, dashes, blanks and width do not matter, and
    /// O, I and L are read as what they look like. None when it is no code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 200 {
            return None;
        }
        let mut symbols = String::with_capacity(LENGTH);
        for c in iryonet_domain::text::fold_width(text).chars() {
            let c = match c.to_ascii_uppercase() {
                '-' | ' ' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            if !u8::try_from(c).is_ok_and(|octet| SYMBOLS.contains(&octet)) {
                return None;
            }
            symbols.push(c);
        }
        (symbols.len() == LENGTH).then_some(Self(symbols))
    }

    /// As it is kept.
    #[must_use]
    pub fn hash(&self) -> OneTimeCodeHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"iryonet one-time code\0");
        context.update(self.0.as_bytes());
        OneTimeCodeHash(context.finish().as_ref().to_vec())
    }
}

impl OneTimeCodeHash {
    /// Is it this code's?
    #[must_use]
    pub fn is_of(&self, code: &OneTimeCode) -> bool {
        verify_slices_are_equal(&self.0, &code.hash().0).is_ok()
    }
}

impl std::fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneTimeCode(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_the_way_people_write_it() {
        let code = OneTimeCode::draw(&mut rand::rng());
        let shown = code.reveal();
        assert_eq!(shown.len(), LENGTH + 3);
        assert_eq!(OneTimeCode::parse(&shown), Some(code.clone()));
        assert_eq!(
            OneTimeCode::parse(&shown.to_lowercase().replace('-', "　")),
            Some(code.clone())
        );
        assert!(code.hash().is_of(&code));
        assert!(!code.hash().is_of(&OneTimeCode::draw(&mut rand::rng())));
        assert_eq!(OneTimeCode::parse(shown.get(1..).unwrap()), None);
        assert_eq!(OneTimeCode::parse(&format!("{shown}U")), None);
        assert_eq!(OneTimeCode::parse(&"0".repeat(10_000)), None);
    }
}
