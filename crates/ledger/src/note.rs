//! Signed notes (C2SP signed-note): a text, an empty line, and one line for
//! each signature. Nothing in a note is true before a key that is believed has
//! verified it; this module only takes it apart.

use crate::key::{KeyName, KeyUse, SigningKey, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest note, in octets: sixteen signatures of the largest kind fit in.
pub const NOTE_MAX_BYTES: usize = 256 << 10;
/// Most signatures of one note.
pub const SIGNATURES_MAX: usize = 64;
/// An em dash and a space: so begins a signature line.
const MARK: &str = "\u{2014} ";

/// Why it is no note, or not one that is believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Larger than any note.
    #[error("the note has {0} octets; at most {NOTE_MAX_BYTES} are taken")]
    TooLarge(usize),
    /// Not text.
    #[error("a note is UTF-8 without control characters other than line feeds; this is not")]
    NotText,
    /// No signatures.
    #[error("a note has a text, an empty line and at least one signature line; this has not")]
    Form,
    /// Too many.
    #[error("the note has {0} signatures; at most {SIGNATURES_MAX} are taken")]
    TooMany(usize),
    /// One of the lines below the text.
    #[error("signature line {line} is not `\u{2014} NAME BASE64`")]
    SignatureForm {
        /// From 1, below the empty line.
        line: usize,
    },
    /// Nobody who is believed has signed.
    #[error("the note is not signed by {name} (key {id:08x})")]
    NotSigned {
        /// Whose signature was wanted.
        name: KeyName,
        /// By which key.
        id: u32,
    },
    /// A signature that is none.
    #[error(
        "the signature by {name} (key {id:08x}) does not fit: the text was changed, or it was not made with that key"
    )]
    BadSignature {
        /// In whose name.
        name: KeyName,
        /// Of which key.
        id: u32,
    },
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// In whose name.
    pub name: KeyName,
    /// Of which key.
    pub id: u32,
    /// What the key's use says it is.
    pub bytes: Vec<u8>,
}

impl std::fmt::Display for Signature {
    /// With its line feed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend(&self.bytes);
        writeln!(f, "{MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl std::str::FromStr for Signature {
    type Err = ();

    /// Without the line feed.
    fn from_str(line: &str) -> Result<Self, ()> {
        let (name, signature) = line
            .strip_prefix(MARK)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(())?;
        let bytes = STANDARD.decode(signature).map_err(|_| ())?;
        let (id, bytes) = bytes.split_first_chunk().ok_or(())?;
        if bytes.is_empty() {
            return Err(());
        }
        Ok(Self {
            name: KeyName::new(name).map_err(|_| ())?,
            id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }
}

/// A text and who says to have signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A text that nobody has signed yet.
    ///
    /// # Errors
    /// When it does not end with a line feed, or no note can hold it.
    pub fn unsigned(text: String) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Form);
        }
        checked(text.as_bytes())?;
        Ok(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// Takes a note apart. Nothing is verified.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let whole = checked(bytes)?;
        let end = whole.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, below) = whole.split_at(end + 1);
        let lines = below
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Form)?;
        Ok(Self {
            text: text.to_owned(),
            signatures: signature_lines(lines)?,
        })
    }

    /// What was signed, with its last line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As they stand.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature; one that is there already is not doubled.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooMany(self.signatures.len() + 1));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Signs the text with a log's key.
    ///
    /// # Errors
    /// When there are as many signatures as there may be.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), NoteError> {
        self.add(Signature {
            name: key.verifier().name().clone(),
            id: key.verifier().id(),
            bytes: key.sign(self.text.as_bytes()),
        })
    }

    /// The signatures that say to be this key's.
    pub fn by<'a>(&'a self, key: &'a VerifierKey) -> impl Iterator<Item = &'a Signature> {
        self.signatures
            .iter()
            .filter(|signature| (&signature.name, signature.id) == (key.name(), key.id()))
    }

    /// The same text with the signatures of this key alone.
    #[must_use]
    pub fn only(self, key: &VerifierKey) -> Self {
        self.only_of(|name, id| (name, id) == (key.name(), key.id()))
    }

    /// The same text with those signatures alone that are chosen by key name
    /// and key id.
    #[must_use]
    pub fn only_of(mut self, choose: impl Fn(&KeyName, u32) -> bool) -> Self {
        self.signatures
            .retain(|signature| choose(&signature.name, signature.id));
        self
    }

    /// Has this log key signed the text? All that say to be its signature have
    /// to fit.
    ///
    /// # Errors
    /// When there is none, or one that does not fit.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut signed = false;
        for signature in self.by(key) {
            let fits =
                key.key_use() == KeyUse::Log && key.verify(self.text.as_bytes(), &signature.bytes);
            if !fits {
                return Err(bad(key));
            }
            signed = true;
        }
        if signed { Ok(()) } else { Err(missing(key)) }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            write!(f, "{signature}")?;
        }
        Ok(())
    }
}

/// Signature lines without their note, as a witness answers with.
///
/// # Errors
/// When one is none, or there are none or too many.
pub fn parse_signatures(bytes: &[u8]) -> Result<Vec<Signature>, NoteError> {
    let text = checked(bytes)?;
    signature_lines(text.strip_suffix('\n').unwrap_or(text))
}

pub(crate) fn bad(key: &VerifierKey) -> NoteError {
    NoteError::BadSignature {
        name: key.name().clone(),
        id: key.id(),
    }
}

pub(crate) fn missing(key: &VerifierKey) -> NoteError {
    NoteError::NotSigned {
        name: key.name().clone(),
        id: key.id(),
    }
}

fn signature_lines(lines: &str) -> Result<Vec<Signature>, NoteError> {
    let count = lines.split('\n').count();
    if count > SIGNATURES_MAX {
        return Err(NoteError::TooMany(count));
    }
    lines
        .split('\n')
        .enumerate()
        .map(|(place, line)| {
            line.parse()
                .map_err(|()| NoteError::SignatureForm { line: place + 1 })
        })
        .collect()
}

fn checked(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > NOTE_MAX_BYTES {
        return Err(NoteError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::NotText);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    /// The note of the documentation of golang.org/x/mod/sumdb/note.
    const GO: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    fn key(name: &str) -> SigningKey {
        let seed = Zeroizing::new([u8::try_from(name.len()).unwrap(); 32]);
        SigningKey::from_seed(KeyName::new(name).unwrap(), KeyUse::Log, seed).unwrap()
    }

    #[test]
    fn a_note_of_the_go_implementation_is_verified_and_made_the_same() {
        let note = Note::parse(GO.as_bytes()).unwrap();
        note.verify(&GO_KEY.parse().unwrap()).unwrap();
        assert_eq!(note.to_string(), GO);
        let mut own = Note::unsigned(note.text().to_owned()).unwrap();
        own.sign(&SigningKey::parse(GO_SECRET).unwrap()).unwrap();
        assert_eq!(own.to_string(), GO);
    }

    #[test]
    fn signatures_of_strangers_are_passed_over_and_a_bad_one_of_a_known_key_is_not() {
        let (ours, other) = (key("ours"), key("others"));
        let mut note = Note::unsigned("text\n".to_owned()).unwrap();
        note.sign(&other).unwrap();
        assert_eq!(
            note.verify(ours.verifier()),
            Err(NoteError::NotSigned {
                name: ours.verifier().name().clone(),
                id: ours.verifier().id()
            })
        );
        note.sign(&ours).unwrap();
        note.verify(ours.verifier()).unwrap();
        let mut forged = note.signatures()[0].clone();
        forged.name = ours.verifier().name().clone();
        forged.id = ours.verifier().id();
        note.add(forged).unwrap();
        assert!(matches!(
            note.verify(ours.verifier()),
            Err(NoteError::BadSignature { .. })
        ));
        // Twice the same is once.
        let count = note.signatures().len();
        note.sign(&ours).unwrap();
        assert_eq!(note.signatures().len(), count);
    }

    #[test]
    fn what_is_no_note_is_refused_with_a_reason() {
        let line = "\u{2014} a AAAAAAAA\n";
        for (text, wanted) in [
            (String::new(), NoteError::Form),
            ("text\n".into(), NoteError::Form),
            (format!("text\n{line}"), NoteError::Form),
            ("text\n\n".into(), NoteError::Form),
            (format!("text\n\n{}", line.trim_end()), NoteError::Form),
            (format!("te\txt\n\n{line}"), NoteError::NotText),
            (format!("text\r\n\r\n{line}"), NoteError::NotText),
            (
                format!("text\n\n{line}no\n"),
                NoteError::SignatureForm { line: 2 },
            ),
            (
                "text\n\n- a AAAAAAAA\n".into(),
                NoteError::SignatureForm { line: 1 },
            ),
            (
                "text\n\n\u{2014} a AAAAAA==\n".into(),
                NoteError::SignatureForm { line: 1 },
            ),
            (
                "text\n\n\u{2014} a AAAAAAA\n".into(),
                NoteError::SignatureForm { line: 1 },
            ),
            (
                "text\n\n\u{2014} a+b AAAAAAAA\n".into(),
                NoteError::SignatureForm { line: 1 },
            ),
            (
                "text\n\n\u{2014}  AAAAAAAA\n".into(),
                NoteError::SignatureForm { line: 1 },
            ),
            (
                format!("text\n\n{}", line.repeat(65)),
                NoteError::TooMany(65),
            ),
            (
                "x".repeat(NOTE_MAX_BYTES + 1),
                NoteError::TooLarge(NOTE_MAX_BYTES + 1),
            ),
        ] {
            assert_eq!(Note::parse(text.as_bytes()), Err(wanted), "{text:.60?}");
        }
        assert_eq!(Note::parse(b"\xff\n\nx"), Err(NoteError::NotText));
        assert!(Note::unsigned("no end".into()).is_err());
        // Only the last empty line parts text and signatures.
        let note = Note::parse(format!("a\n\nb\n\n{line}").as_bytes()).unwrap();
        assert_eq!(note.text(), "a\n\nb\n");
    }

    proptest! {
        #[test]
        fn one_changed_octet_anywhere_is_noticed(text in "[a-z]{1,10}(\n[a-z]{0,10}){0,3}", at: prop::sample::Index, bit in 0u8..8) {
            let ours = key("ours");
            let mut note = Note::unsigned(text + "\n").unwrap();
            note.sign(&ours).unwrap();
            let whole = note.to_string();
            prop_assert_eq!(&Note::parse(whole.as_bytes()).unwrap(), &note);
            let mut bytes = whole.into_bytes();
            let place = at.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let believed = Note::parse(&bytes).is_ok_and(|note| note.verify(ours.verifier()).is_ok());
            prop_assert!(!believed, "{:?}", String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(.|\n|\u{2014} ){0,60}") {
            let _ = Note::parse(&bytes);
            let _ = Note::parse(text.as_bytes());
            let _ = parse_signatures(&bytes);
        }
    }
}
