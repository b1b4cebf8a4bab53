//! 医療機関コード: the ten-digit code of an insurance institution, and its
//! check digit.
//!
//! Ten digits: prefecture 2, score table 1, 郡市区 2, number 4, check digit 1.
//! Public lists print nine (prefecture and the last seven) or seven digits.
//! The 郡市区 digits have no national table, so nothing is derived from them.
//! A code is an attribute of a participant, with history; it never is its
//! identity (see [`crate::number`]).

use crate::kind::ScoreTable;
use crate::prefecture::Prefecture;
use crate::text::fold_width;
use serde::{Deserialize, Serialize};

/// A valid ten-digit institution code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InstitutionCode([u8; 10]);

/// Why a text is not an institution code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A character that is no digit, counted from 1.
    #[error("character {position} of the code is {found:?}; a code has digits only")]
    NotADigit {
        /// Position from 1.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// Not as many digits as this way of writing has.
    #[error("the code has {found} digits; {wanted} are wanted here")]
    Length {
        /// Digits found.
        found: usize,
        /// What would be right.
        wanted: &'static str,
    },
    /// The first two digits are no prefecture.
    #[error(transparent)]
    Prefecture(#[from] crate::prefecture::UnknownPrefecture),
    /// The third digit is no score table.
    #[error(
        "the third digit is {0}; it names the score table: 1 (医科), 3 (歯科), 4 (調剤) or 6 (訪問看護)"
    )]
    ScoreTable(u8),
    /// The check digit does not fit.
    #[error("the check digit is {found}; for the other digits of this code it would be {wanted}")]
    CheckDigit {
        /// The last digit as written.
        found: u8,
        /// The digit that would fit.
        wanted: u8,
    },
}

/// Which digits of a code its check digit covers. Measured on the public list
/// of 97,024 rows: four prefectures leave prefecture and score table out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckReading {
    /// All ten digits.
    WholeCode,
    /// The last seven digits: Saitama 11, Chiba 12, Tokyo 13, Kanagawa 14.
    LastSeven,
}

impl CheckReading {
    /// The reading that this prefecture's bureau uses.
    #[must_use]
    pub fn of(prefecture: Prefecture) -> Self {
        match prefecture.number() {
            11..=14 => Self::LastSeven,
            _ => Self::WholeCode,
        }
    }
}

impl InstitutionCode {
    /// Reads all ten digits; full-width digits are folded.
    ///
    /// # Errors
    /// When it is not a valid code; the error says which part and why.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        Self::from_digits(digits::<10>(text, "10")?)
    }

    /// Reads the nine digits (prefecture and the last seven) of a public list.
    ///
    /// # Errors
    /// When they are not those of a valid code of this score table.
    pub fn parse_nine(text: &str, table: ScoreTable) -> Result<Self, CodeError> {
        let nine = digits::<9>(text, "9 (prefecture and the last seven)")?;
        let mut ten = [0; 10];
        ten[..2].copy_from_slice(&nine[..2]);
        ten[2] = table.digit();
        ten[3..].copy_from_slice(&nine[2..]);
        Self::from_digits(ten)
    }

    /// Reads the last seven digits, prefecture and table being known from
    /// elsewhere (as on claims, where they are fields of their own).
    ///
    /// # Errors
    /// When they are not those of a valid code there.
    pub fn parse_seven(
        text: &str,
        prefecture: Prefecture,
        table: ScoreTable,
    ) -> Result<Self, CodeError> {
        let seven = digits::<7>(text, "7")?;
        let mut ten = [0; 10];
        ten[0] = prefecture.number() / 10;
        ten[1] = prefecture.number() % 10;
        ten[2] = table.digit();
        ten[3..].copy_from_slice(&seven);
        Self::from_digits(ten)
    }

    /// The code with these nine leading digits (prefecture 2, table 1,
    /// 郡市区 2, number 4), its check digit computed. What the pilot and the
    /// benchmarks generate institutions with.
    ///
    /// # Panics
    /// Never: `area` and `serial` are taken modulo 100 and 10,000.
    #[must_use]
    pub fn generate(prefecture: Prefecture, table: ScoreTable, area: u8, serial: u16) -> Self {
        let (area, serial) = (area % 100, serial % 10_000);
        let mut ten = [0; 10];
        ten[0] = prefecture.number() / 10;
        ten[1] = prefecture.number() % 10;
        ten[2] = table.digit();
        ten[3] = area / 10;
        ten[4] = area % 10;
        let mut rest = serial;
        for place in (5..9).rev() {
            ten[place] = (rest % 10) as u8;
            rest /= 10;
        }
        ten[9] = check_digit(&ten, CheckReading::of(prefecture));
        Self(ten)
    }

    fn from_digits(ten: [u8; 10]) -> Result<Self, CodeError> {
        let prefecture = Prefecture::new(ten[0] * 10 + ten[1])?;
        if ScoreTable::from_digit(ten[2]).is_none() {
            return Err(CodeError::ScoreTable(ten[2]));
        }
        let wanted = check_digit(&ten, CheckReading::of(prefecture));
        if ten[9] != wanted {
            return Err(CodeError::CheckDigit {
                found: ten[9],
                wanted,
            });
        }
        Ok(Self(ten))
    }

    /// 都道府県.
    #[must_use]
    pub fn prefecture(self) -> Prefecture {
        // Checked when the code was made.
        Prefecture::from_checked(self.0[0] * 10 + self.0[1])
    }

    /// 点数表.
    #[must_use]
    pub fn score_table(self) -> ScoreTable {
        ScoreTable::from_digit(self.0[2]).unwrap_or(ScoreTable::Medical)
    }

    /// The last seven digits, as printed on claims.
    #[must_use]
    pub fn last_seven(self) -> String {
        self.0[3..].iter().map(|d| char::from(b'0' + d)).collect()
    }
}

/// Modulus 10, weights 2 and 1 from the right, digits of the products summed.
fn check_digit(ten: &[u8; 10], reading: CheckReading) -> u8 {
    let covered = match reading {
        CheckReading::WholeCode => &ten[..9],
        CheckReading::LastSeven => &ten[3..9],
    };
    let sum: u32 = covered
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let product = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
            product / 10 + product % 10
        })
        .sum();
    ((10 - sum % 10) % 10) as u8
}

fn digits<const N: usize>(text: &str, wanted: &'static str) -> Result<[u8; N], CodeError> {
    let folded = fold_width(text);
    let folded = folded.trim();
    let mut out = [0; N];
    let mut count = 0;
    for (index, c) in folded.chars().enumerate() {
        let Some(digit) = c.to_digit(10) else {
            return Err(CodeError::NotADigit {
                position: index + 1,
                found: c,
            });
        };
        if let Some(place) = out.get_mut(index) {
            *place = digit as u8;
        }
        count = index + 1;
    }
    if count == N {
        Ok(out)
    } else {
        Err(CodeError::Length {
            found: count,
            wanted,
        })
    }
}

impl std::str::FromStr for InstitutionCode {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for InstitutionCode {
    type Error = CodeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<InstitutionCode> for String {
    fn from(code: InstitutionCode) -> Self {
        code.to_string()
    }
}

impl std::fmt::Display for InstitutionCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for digit in self.0 {
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for InstitutionCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InstitutionCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_prefecture() -> impl Strategy<Value = Prefecture> {
        (1u8..=47).prop_map(|n| Prefecture::new(n).unwrap())
    }

    fn any_table() -> impl Strategy<Value = ScoreTable> {
        prop_oneof![
            Just(ScoreTable::Medical),
            Just(ScoreTable::Dental),
            Just(ScoreTable::Dispensing),
            Just(ScoreTable::HomeNursing)
        ]
    }

    #[test]
    fn the_sample_number_of_fhir_guides_is_refused_and_told_what_would_fit() {
        assert!(matches!(
            InstitutionCode::parse("1311234567"),
            Err(CodeError::CheckDigit { found: 7, .. })
        ));
    }

    #[test]
    fn in_prefectures_whose_prefix_sums_to_ten_both_readings_coincide() {
        for number in [8, 16, 24, 32, 40] {
            let p = Prefecture::new(number).unwrap();
            let code = InstitutionCode::generate(p, ScoreTable::Medical, 12, 3456);
            assert_eq!(
                code.0[9],
                check_digit(&code.0, CheckReading::LastSeven),
                "{code}"
            );
        }
        let tokyo =
            InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 12, 3456);
        assert_ne!(tokyo.0[9], check_digit(&tokyo.0, CheckReading::WholeCode));
    }

    #[test]
    fn each_part_that_is_wrong_is_named() {
        assert_eq!(
            InstitutionCode::parse("01A"),
            Err(CodeError::NotADigit {
                position: 3,
                found: 'A'
            })
        );
        assert!(matches!(
            InstitutionCode::parse("0112345"),
            Err(CodeError::Length { found: 7, .. })
        ));
        assert!(matches!(
            InstitutionCode::parse("4811234567"),
            Err(CodeError::Prefecture(_))
        ));
        assert_eq!(
            InstitutionCode::parse("0121234567"),
            Err(CodeError::ScoreTable(2))
        );
        assert!(matches!(
            InstitutionCode::parse(""),
            Err(CodeError::Length { found: 0, .. })
        ));
    }

    proptest! {
        #[test]
        fn a_code_reads_the_same_from_ten_nine_and_seven_digits(
            p in any_prefecture(), t in any_table(), area in 0u8..100, serial in 0u16..10_000
        ) {
            let code = InstitutionCode::generate(p, t, area, serial);
            let ten = code.to_string();
            prop_assert_eq!(InstitutionCode::parse(&ten), Ok(code));
            let nine = format!("{}{}", &ten[..2], &ten[3..]);
            prop_assert_eq!(InstitutionCode::parse_nine(&nine, t), Ok(code));
            prop_assert_eq!(InstitutionCode::parse_seven(&code.last_seven(), p, t), Ok(code));
            let wide: String = ten.chars().map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap()).collect();
            prop_assert_eq!(InstitutionCode::parse(&wide), Ok(code));
            prop_assert_eq!(code.prefecture(), p);
            prop_assert_eq!(code.score_table(), t);
        }

        #[test]
        fn one_mistyped_digit_of_the_last_seven_never_passes(
            p in any_prefecture(), t in any_table(), area in 0u8..100, serial in 0u16..10_000,
            place in 3usize..10, by in 1u8..10
        ) {
            let mut digits = InstitutionCode::generate(p, t, area, serial).0;
            digits[place] = (digits[place] + by) % 10;
            let is_refused = matches!(InstitutionCode::from_digits(digits), Err(CodeError::CheckDigit { .. }));
            prop_assert!(is_refused);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = InstitutionCode::parse(&text);
            let _ = InstitutionCode::parse_nine(&text, ScoreTable::Medical);
        }
    }
}
