//! UTF-8 or Shift_JIS, recognised by what is there; anything else is refused
//! with what was seen, because a wrong guess fills the registry with rubbish
//! names that nobody can search for.

use super::FileError;
use encoding_rs::{EUC_JP, SHIFT_JIS};
use std::borrow::Cow;

/// How a text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a mark at the beginning.
    Utf8,
    /// Shift_JIS, as Windows writes it (CP932).
    ShiftJis,
}

impl Encoding {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::ShiftJis => "Shift_JIS",
        }
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, Encoding), FileError> {
    let unknown = |seen: String| Err(FileError::Encoding { seen });
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return unknown(format!(
            "it begins with {}, the mark of UTF-16",
            hex::encode_upper(bytes.get(..2).unwrap_or_default())
        ));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes
        .windows(3)
        .take(1 << 16)
        .any(|w| w == b"\x1b$B" || w == b"\x1b$@")
    {
        return unknown("it holds the escape sequences of ISO-2022-JP".to_owned());
    }
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => {
            // UTF-16 without a mark is valid UTF-8 full of zero bytes.
            let zeros = bytes.iter().take(1 << 16).filter(|b| **b == 0).count();
            if zeros > 16 && zeros * 8 > bytes.len().min(1 << 16) {
                return unknown(format!("{zeros} of its first bytes are zero, as in UTF-16"));
            }
            return Ok((Cow::Borrowed(text), Encoding::Utf8));
        }
        Err(error) => error,
    };
    let at = error.valid_up_to();
    // Japanese text that is UTF-8 for long and then ends in mid-character was
    // cut off: no other encoding stays valid UTF-8 over so many characters.
    let valid = bytes.get(..at).unwrap_or_default();
    if error.error_len().is_none() && valid.iter().filter(|b| **b >= 0x80).count() >= 16 {
        return Err(FileError::CutOff { at: at + 1 });
    }
    let seen_at = format!(
        "byte {} is {}, which cannot be there in UTF-8",
        at + 1,
        bytes
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take(4)
            .map(|b| format!("{b:02X}"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    let is_euc = || {
        EUC_JP
            .decode_without_bom_handling_and_without_replacement(bytes)
            .is_some()
    };
    let Some(text) = SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes) else {
        return unknown(if is_euc() {
            format!("{seen_at}; it looks like EUC-JP")
        } else {
            format!("{seen_at}, nor is the whole Shift_JIS")
        });
    };
    // EUC-JP reads as Shift_JIS too: as a heap of half-width katakana.
    let (mut katakana, mut others) = (0usize, 0usize);
    for c in text.chars().take(1 << 16) {
        match c {
            '\u{ff61}'..='\u{ff9f}' => katakana += 1,
            '\u{80}'.. => others += 1,
            _ => {}
        }
    }
    if katakana > others && is_euc() {
        return unknown(format!("{seen_at}; it looks like EUC-JP"));
    }
    Ok((text, Encoding::ShiftJis))
}
