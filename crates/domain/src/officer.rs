//! 担当者: the person whom a participant names for its connection, and how to
//! reach that person.

use crate::text::{TextError, clean, fold_width};
use serde::{Deserialize, Serialize};

/// Longest name, in characters.
pub const OFFICER_NAME_MAX_CHARS: usize = 64;
/// Longest mail address, in characters (RFC 5321, section 4.5.3.1.3, less the
/// two brackets).
pub const MAIL_MAX_CHARS: usize = 254;

/// An officer in charge. Cleaned and checked by [`Officer::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Officer {
    /// Name.
    pub name: String,
    /// 電話番号: digits with `+`, `-`, brackets and blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

/// Why an officer cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfficerError {
    /// The name.
    #[error("the officer's name cannot be taken: {0}")]
    Name(#[source] TextError),
    /// The telephone number.
    #[error(
        "{0:?} is not a telephone number; it has 8 to 20 characters of digits, +, -, brackets and blanks"
    )]
    Telephone(String),
    /// The mail address.
    #[error("{0:?} is not a mail address; write it as sato@clinic.example.jp")]
    Mail(String),
    /// Neither of the two.
    #[error("the officer cannot be reached; give a telephone number or a mail address")]
    NoContact,
}

impl Officer {
    /// An officer as recorded.
    ///
    /// # Errors
    /// When the name is unusable, when there is no contact, or when one is
    /// written as none can be.
    pub fn new(
        name: &str,
        telephone: Option<&str>,
        mail: Option<&str>,
    ) -> Result<Self, OfficerError> {
        if telephone.is_none() && mail.is_none() {
            return Err(OfficerError::NoContact);
        }
        Ok(Self {
            name: clean(name, OFFICER_NAME_MAX_CHARS).map_err(OfficerError::Name)?,
            telephone: telephone.map(telephone_number).transpose()?,
            mail: mail.map(mail_address).transpose()?,
        })
    }

    /// The same, cleaned: what a command brought, as it is recorded.
    ///
    /// # Errors
    /// As [`Officer::new`].
    pub fn cleaned(&self) -> Result<Self, OfficerError> {
        Self::new(&self.name, self.telephone.as_deref(), self.mail.as_deref())
    }
}

fn telephone_number(text: &str) -> Result<String, OfficerError> {
    let folded = fold_width(text).trim().to_owned();
    let digits = folded.bytes().filter(u8::is_ascii_digit).count();
    let fits = (8..=20).contains(&folded.len())
        && digits >= 8
        && folded
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'(' | b')' | b' '));
    if fits {
        Ok(folded)
    } else {
        Err(OfficerError::Telephone(text.chars().take(40).collect()))
    }
}

fn mail_address(text: &str) -> Result<String, OfficerError> {
    let bad = || OfficerError::Mail(text.chars().take(80).collect());
    let folded = fold_width(text).trim().to_owned();
    let (local, domain) = folded.rsplit_once('@').ok_or_else(bad)?;
    let local_fits = !local.is_empty()
        && local
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    if folded.len() > MAIL_MAX_CHARS || !local_fits || domain.parse::<crate::DnsName>().is_err() {
        return Err(bad());
    }
    Ok(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_officer_is_recorded_as_people_write_it_once_cleaned() {
        let officer = Officer::new(
            " 佐藤　花子 ",
            Some("０３（１２３４）５６７８"),
            Some("sato@clinic.example.jp"),
        )
        .unwrap();
        assert_eq!(officer.name, "佐藤 花子");
        assert_eq!(officer.telephone.as_deref(), Some("03(1234)5678"));
    }

    #[test]
    fn an_officer_whom_nobody_can_reach_is_refused() {
        assert_eq!(
            Officer::new("佐藤", None, None),
            Err(OfficerError::NoContact)
        );
        assert!(Officer::new("佐藤", Some("none"), None).is_err());
        assert!(Officer::new("佐藤", None, Some("sato@localhost")).is_err());
        assert!(Officer::new("佐藤", None, Some("sa to@example.jp")).is_err());
        assert!(Officer::new("佐\u{202e}藤", None, Some("sato@example.jp")).is_err());
    }
}
