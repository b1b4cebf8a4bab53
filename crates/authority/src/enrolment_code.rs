//! Enrolment codes: what an institution's officer types once, so that a key
//! made on site becomes a certificate.
//!
//! `XXXXX-XXXXX-XXXXX-XXXXX-X`: twenty characters of Crockford's base32 (no I,
//! L, O, U), 100 random bits, and a check character that catches every single
//! wrong character and every exchange of two. Made to be read over the
//! telephone. Time limit and single use are the registry's; it keeps the hash.

use iryonet_domain::text::fold_width;
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters that carry the secret; the check character follows them.
const SECRET_LEN: usize = 20;
/// Longest text that is looked at, in characters.
const TYPED_LIMIT: usize = 128;

/// A code in its one true form, known to be well written.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode([u8; SECRET_LEN]);

impl Drop for EnrolmentCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why what was typed is no enrolment code. The text itself is never repeated:
/// it may be a good code with one slip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too few or too many characters.
    #[error(
        "an enrolment code has 21 letters and digits (XXXXX-XXXXX-XXXXX-XXXXX-X); {have} were typed"
    )]
    Length {
        /// Letters and digits typed.
        have: usize,
    },
    /// A character that no code has.
    #[error(
        "character {place} of the enrolment code is not one that codes use; they use 0-9 and A-Z without I, L, O and U"
    )]
    Character {
        /// Which, counted from 1, dashes and blanks left out.
        place: usize,
    },
    /// The check character does not fit.
    #[error("the enrolment code has a slip of the pen: its last character does not fit the rest")]
    Check,
}

impl EnrolmentCode {
    /// Draws a new code.
    #[must_use]
    pub fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; SECRET_LEN];
        rng.fill_bytes(&mut bytes);
        // 32 divides 256: no value is likelier than another.
        for byte in &mut bytes {
            *byte &= 31;
        }
        Self(bytes)
    }

    /// Reads what a person typed: either case, full-width forms, blanks and
    /// dashes anywhere (the Japanese long-vowel mark too), O for 0, I and L for 1.
    ///
    /// # Errors
    /// When it is no code, naming the place.
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        let characters: Vec<char> = fold_width(typed)
            .chars()
            .take(TYPED_LIMIT)
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | 'ー' | 'ｰ' | '_' | '\u{200b}'))
            .collect();
        if characters.len() != SECRET_LEN + 1 {
            return Err(CodeError::Length {
                have: characters.len(),
            });
        }
        let mut values = [0; SECRET_LEN + 1];
        for (index, (value, c)) in values.iter_mut().zip(&characters).enumerate() {
            *value = value_of(*c).ok_or(CodeError::Character { place: index + 1 })?;
        }
        let [secret @ .., check] = values;
        if check_of(&secret) != check {
            return Err(CodeError::Check);
        }
        Ok(Self(secret))
    }

    /// The code as it is shown to its owner, once. Never log it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut out = String::with_capacity(25);
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 && index % 5 == 0 {
                out.push('-');
            }
            out.push(character(*value));
        }
        out.push('-');
        out.push(character(check_of(&self.0)));
        out
    }

    /// What is kept of it: SHA-256 over a domain prefix and the code, as 64
    /// hexadecimal digits.
    ///
    /// A slow, salted hash is for passwords, which people choose. This code has
    /// 100 random bits: whoever holds the hash would have to try 2^99 of them.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"iryonet enrolment code v1\0");
        hash.update(self.0.map(|value| character(value) as u8));
        hex::encode(hash.finalize())
    }
}

impl std::fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolmentCode(not shown)")
    }
}

fn character(value: u8) -> char {
    ALPHABET
        .get(usize::from(value & 31))
        .map_or('0', |byte| char::from(*byte))
}

fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET
        .iter()
        .position(|known| char::from(*known) == c)
        .and_then(|index| u8::try_from(index).ok())
}

/// The sum over GF(32) of each value times its own power of a generator. The
/// weights differ, so one wrong character or two exchanged ones always change
/// the sum.
fn check_of(secret: &[u8; SECRET_LEN]) -> u8 {
    // Horner's rule, with x as generator of GF(32) = GF(2)[x] / (x^5 + x^2 + 1).
    let times_x = |value: u8| {
        let shifted = value << 1;
        if shifted & 0x20 == 0 {
            shifted
        } else {
            shifted ^ 0x25
        }
    };
    secret.iter().fold(0, |sum, value| times_x(sum ^ value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn code(seed: u64) -> EnrolmentCode {
        EnrolmentCode::draw(&mut rand::rngs::StdRng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn a_code_reads_as_it_was_shown(seed: u64) {
            let code = code(seed);
            prop_assert_eq!(EnrolmentCode::parse(&code.reveal()).unwrap(), code);
        }

        #[test]
        fn one_wrong_character_is_always_noticed(seed: u64, place in 0usize..21, other in 0u8..32) {
            let shown: Vec<char> = code(seed).reveal().chars().filter(|c| *c != '-').collect();
            let mut typed = shown.clone();
            typed[place] = character(other);
            prop_assume!(typed != shown);
            prop_assert_eq!(EnrolmentCode::parse(&typed.iter().collect::<String>()), Err(CodeError::Check));
        }

        #[test]
        fn two_exchanged_characters_are_always_noticed(seed: u64, a in 0usize..21, b in 0usize..21) {
            let shown: Vec<char> = code(seed).reveal().chars().filter(|c| *c != '-').collect();
            let mut typed = shown.clone();
            typed.swap(a, b);
            prop_assume!(typed != shown);
            prop_assert_eq!(EnrolmentCode::parse(&typed.iter().collect::<String>()), Err(CodeError::Check));
        }

        #[test]
        fn nothing_that_is_typed_brings_it_down(typed in ".*") {
            let _ = EnrolmentCode::parse(&typed);
        }
    }

    #[test]
    fn what_a_person_types_is_understood() {
        let code = EnrolmentCode([
            0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 31,
        ]);
        let shown = code.reveal();
        assert_eq!(shown.len(), 25, "{shown}");
        let typed = [
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " ー "),
            shown.replace('0', "o").replace('1', "l"),
            shown.replace('0', "O").replace('1', "I"),
            // Full-width, as a Japanese keyboard gives.
            shown
                .chars()
                .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap())
                .collect(),
            format!("  {shown}\n"),
        ];
        for typed in typed {
            assert_eq!(EnrolmentCode::parse(&typed).as_ref(), Ok(&code), "{typed}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_never_repeats_the_code() {
        let shown = code(1).reveal();
        assert_eq!(
            EnrolmentCode::parse(&shown[..24]),
            Err(CodeError::Length { have: 20 })
        );
        assert_eq!(
            EnrolmentCode::parse(&format!("{}U", &shown[..24])),
            Err(CodeError::Character { place: 21 })
        );
        assert!(!format!("{:?}", code(1)).contains(&shown[..5]));
    }

    #[test]
    fn the_kept_hash_stays_the_same_from_one_release_to_the_next() {
        let code = EnrolmentCode([0; 20]);
        // printf 'iryonet enrolment code v1\0%s' 00000000000000000000 | sha256sum
        assert_eq!(
            code.hash(),
            "5853f157b582443dbaa9b15f92abce5bec0cd53c224ca52de5f0869da38baa6e"
        );
    }
}
