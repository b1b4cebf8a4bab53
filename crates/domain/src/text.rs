//! Text as people and bureaus write it: full-width digits and letters, blanks
//! of several sorts, and characters that have no business in a name.

/// Folds full-width ASCII (`！`..`～`) and the ideographic space to their
/// ordinary forms, and the several dashes that stand in digits to `-`.
#[must_use]
pub fn fold_width(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

fn fold_char(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(c) - u32::from('\u{ff01}') + u32::from('!')).unwrap_or(c)
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
}

/// Why a name or an address cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but blanks.
    #[error("it is empty; a text of at least one character is wanted")]
    Empty,
    /// Longer than the limit, in characters.
    #[error("it has {have} characters; at most {limit} are taken")]
    TooLong {
        /// Characters found.
        have: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A control character, or one that turns the direction of writing.
    #[error(
        "it holds the character U+{0:04X}, which controls the display and is not part of a name; leave it out"
    )]
    Forbidden(u32),
}

/// A name or address as recorded: trimmed, inner runs of blanks made one,
/// checked for characters that only deceive the reader. The width of letters is
/// kept, as the institution writes its own name.
///
/// # Errors
/// When nothing is left, when it is longer than `limit` characters, or when it
/// holds a control, bidirectional-formatting (UAX #9) or invisible character.
/// Variation selectors stay: kanji of names are told apart by them.
pub fn clean(text: &str, limit: usize) -> Result<String, TextError> {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.trim().chars() {
        if is_blank(c) {
            blank = true;
            continue;
        }
        if is_deceptive(c) {
            return Err(TextError::Forbidden(u32::from(c)));
        }
        if blank {
            out.push(' ');
            blank = false;
        }
        out.push(c);
    }
    if out.is_empty() {
        return Err(TextError::Empty);
    }
    let have = out.chars().count();
    if have > limit {
        return Err(TextError::TooLong { have, limit });
    }
    Ok(out)
}

fn is_blank(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\u{00a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Turns the direction of writing, or is not seen: two names that look the
/// same would be two.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{061c}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                // Soft hyphen, joiner, vowel separator.
                | '\u{00ad}' | '\u{034f}' | '\u{180e}'
                // Fillers, and Braille's empty cell.
                | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
                // Tags.
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_digits_and_letters_fold_to_ordinary_ones() {
        assert_eq!(
            fold_width("０１３１２３４５６７　ＡＢＣ－１"),
            "0131234567 ABC-1"
        );
    }

    #[test]
    fn a_name_keeps_its_letters_and_loses_its_surplus_blanks() {
        assert_eq!(
            clean("  医療法人　　さくら会 ", 80).unwrap(),
            "医療法人 さくら会"
        );
    }

    #[test]
    fn every_mark_that_turns_or_hides_is_refused_and_names_the_character() {
        // UAX #9, table 1 and section 2.7; the isolates too.
        for mark in [
            '\u{200e}',
            '\u{200f}',
            '\u{061c}',
            '\u{202a}',
            '\u{202b}',
            '\u{202c}',
            '\u{202d}',
            '\u{202e}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{0000}',
            '\u{001b}',
            '\u{0085}',
            '\u{00ad}',
            '\u{200b}',
            '\u{2060}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let name = format!("さくら{mark}医院");
            assert_eq!(clean(&name, 80), Err(TextError::Forbidden(u32::from(mark))));
        }
        // A variant of 葛 by its selector is a letter like any other.
        assert!(clean("葛\u{e0100}飾医院", 80).is_ok());
        assert_eq!(
            clean("さくら\u{00a0}\u{2003}医院", 80).unwrap(),
            "さくら 医院"
        );
    }

    #[test]
    fn a_name_that_turns_the_direction_of_writing_is_refused() {
        assert_eq!(
            clean("さくら\u{202e}院医", 80),
            Err(TextError::Forbidden(0x202e))
        );
        assert_eq!(clean("さくら\u{0007}", 80), Err(TextError::Forbidden(7)));
        assert_eq!(clean(" \u{3000} ", 80), Err(TextError::Empty));
        assert_eq!(
            clean("abcd", 3),
            Err(TextError::TooLong { have: 4, limit: 3 })
        );
    }
}
