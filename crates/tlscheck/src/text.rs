//! Sentences for people, in both languages, and bytes of a stranger made safe
//! to show.

use serde::{Deserialize, Serialize};

/// One statement in Japanese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// 日本語.
    pub ja: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Both languages.
    pub fn new(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            ja: ja.into(),
            en: en.into(),
        }
    }

    /// The same in both: names and numbers.
    pub fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            ja: text.clone(),
            en: text,
        }
    }
}

/// Most characters of a stranger's text that are shown.
const SHOWN_MAX: usize = 200;

/// A stranger's text for a terminal or page: control and direction-turning
/// characters escaped, length bounded.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            out.push('…');
            break;
        }
        let deceptive = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if deceptive {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A stranger's bytes for a person: printable ASCII as it is, the rest escaped.
pub(crate) fn shown_octets(octets: &[u8]) -> String {
    let short = octets.get(..64).unwrap_or(octets);
    short
        .iter()
        .flat_map(|octet| std::ascii::escape_default(*octet))
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_steer_the_terminal() {
        let text = shown("evil\u{1b}[2J\u{202e}name\r\n");
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'));
        assert!(text.contains("evil") && text.contains("name"));
        assert_eq!(shown(&"長".repeat(500)).chars().count(), SHOWN_MAX + 1);
        assert_eq!(shown_octets(b"SSH-2.0\r\n\xff"), "SSH-2.0\\r\\n\\xff");
    }
}
