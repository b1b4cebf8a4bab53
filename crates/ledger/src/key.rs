//! Keys of signed notes (C2SP signed-note, tlog-cosignature): Ed25519, known by
//! a name and a 32-bit id that is derived from name, use and public key.
//!
//! In text:
//! - a *verifier key*, for everybody: `NAME+ID+BASE64(use || public key)`;
//! - a *signing key*, secret: `PRIVATE+KEY+NAME+ID+BASE64(use || seed)`.
//!
//! The use is a part of both, so a witness's key never passes as a log's. The
//! use of a key draws no random number (RFC 8032); only making one does.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Octets of an Ed25519 public key, and of a seed.
const KEY_BYTES: usize = 32;
/// Longest name, in octets. A name is an address without `https://`.
pub const NAME_MAX_BYTES: usize = 255;
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key's signatures say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// "This is my tree": a log's signature (type 0x01).
    Log,
    /// "At this time I had seen no larger tree that is not consistent with this
    /// one": a witness's cosignature with time (type 0x04).
    Witness,
}

impl KeyUse {
    /// The signature type identifier byte.
    fn octet(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

impl std::fmt::Display for KeyUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Witness => "witness",
        })
    }
}

/// Why a key cannot be taken. No text of a key is ever part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name.
    #[error(
        "a key's name has 1 to {NAME_MAX_BYTES} octets and neither spaces, control characters nor '+'; take an address without https://, as example.jp/ledger"
    )]
    Name,
    /// Not three parts.
    #[error("a verifier key is NAME+ID+BASE64, as `iryonet ledger key make` shows it")]
    VerifierForm,
    /// Not a signing key.
    #[error(
        "a signing key is one line, PRIVATE+KEY+NAME+ID+BASE64, as `iryonet ledger key make` writes it"
    )]
    SigningForm,
    /// Another kind of key, or of another length.
    #[error("the key is neither an Ed25519 log key (type 1) nor an Ed25519 witness key (type 4)")]
    Kind,
    /// The id does not follow from the rest.
    #[error("the key's id does not fit its name and public key: it was mistyped or changed")]
    Id,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers; no key can be made")]
    NoRandomness,
    /// A key for another use.
    #[error("this is a {found} key, and a {wanted} key was wanted")]
    Use {
        /// What it is for.
        found: KeyUse,
        /// What it should be for.
        wanted: KeyUse,
    },
}

/// Who signs, in one word: an address without `https://`, by custom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyName(String);

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

impl TryFrom<String> for KeyName {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(&text)
    }
}

impl KeyName {
    /// A name.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a space, a control character or `+`.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.chars().any(bad) {
            return Err(KeyError::Name);
        }
        Ok(Self(name.to_owned()))
    }

    /// In text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public half.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VerifierKey {
    name: KeyName,
    key_use: KeyUse,
    id: u32,
    public: [u8; KEY_BYTES],
}

impl std::fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl VerifierKey {
    /// From a public key as RFC 8032 writes it.
    #[must_use]
    pub fn new(name: KeyName, key_use: KeyUse, public: [u8; KEY_BYTES]) -> Self {
        let mut sha = Sha256::new();
        sha.update(name.as_str());
        sha.update([b'\n', key_use.octet()]);
        sha.update(public);
        let [a, b, c, d, ..] = <[u8; 32]>::from(sha.finalize());
        Self {
            name,
            key_use,
            id: u32::from_be_bytes([a, b, c, d]),
            public,
        }
    }

    /// The same key, if it is for this use.
    ///
    /// # Errors
    /// When it is for another.
    pub fn of_use(self, wanted: KeyUse) -> Result<Self, KeyError> {
        if self.key_use == wanted {
            Ok(self)
        } else {
            Err(KeyError::Use {
                found: self.key_use,
                wanted,
            })
        }
    }

    /// Whose.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What for.
    #[must_use]
    pub fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// The id, as it stands in a signature.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public key (RFC 8032).
    #[must_use]
    pub fn public(&self) -> &[u8; KEY_BYTES] {
        &self.public
    }

    /// Is this the key's Ed25519 signature of this message?
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(message, signature)
            .is_ok()
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![self.key_use.octet()];
        bytes.extend(self.public);
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            self.id,
            STANDARD.encode(bytes)
        )
    }
}

impl From<VerifierKey> for String {
    fn from(key: VerifierKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Neither name nor id has a plus; base64 may.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::VerifierForm);
        };
        let name = KeyName::new(name)?;
        let (key_use, public) = typed_key(key).ok_or(KeyError::Kind)?;
        let key = Self::new(name, key_use, *public);
        if id == format!("{:08x}", key.id) {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }
}

/// The secret half. Its seed is wiped from memory with it.
pub struct SigningKey {
    seed: Zeroizing<[u8; KEY_BYTES]>,
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl std::fmt::Debug for SigningKey {
    /// Never the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(of {})", self.verifier)
    }
}

impl SigningKey {
    /// A new key; its randomness comes from aws-lc's own generator.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(name: KeyName, key_use: KeyUse) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(&mut *seed).map_err(|_| KeyError::NoRandomness)?;
        Self::from_seed(name, key_use, seed)
    }

    /// From 32 octets of randomness.
    ///
    /// # Errors
    /// When the library does not take the seed.
    pub fn from_seed(
        name: KeyName,
        key_use: KeyUse,
        seed: Zeroizing<[u8; KEY_BYTES]>,
    ) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Kind)?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Kind)?;
        Ok(Self {
            seed,
            pair,
            verifier: VerifierKey::new(name, key_use, public),
        })
    }

    /// Reads the secret text.
    ///
    /// # Errors
    /// When it is none, or its id does not fit.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text
            .trim()
            .strip_prefix(PRIVATE)
            .ok_or(KeyError::SigningForm)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::SigningForm);
        };
        let (key_use, seed) = typed_key(key).ok_or(KeyError::Kind)?;
        let key = Self::from_seed(KeyName::new(name)?, key_use, seed)?;
        if id == format!("{:08x}", key.verifier.id) {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret text, with a line feed. For a file that only its owner reads.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
        let (first, rest) = bytes.split_at_mut(1);
        first.fill(self.verifier.key_use.octet());
        rest.copy_from_slice(&*self.seed);
        let secret = Zeroizing::new(STANDARD.encode(*bytes));
        Zeroizing::new(format!(
            "{PRIVATE}{}+{:08x}+{}\n",
            self.verifier.name, self.verifier.id, *secret
        ))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The Ed25519 signature of a message (RFC 8032), 64 octets.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

fn typed_key(text: &str) -> Option<(KeyUse, Zeroizing<[u8; KEY_BYTES]>)> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let (first, key) = bytes.split_first()?;
    let key_use = match first {
        1 => KeyUse::Log,
        4 => KeyUse::Witness,
        _ => return None,
    };
    Some((key_use, Zeroizing::new(key.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(key_use: KeyUse) -> SigningKey {
        let name = KeyName::new("example.jp/ledger").unwrap();
        SigningKey::from_seed(name, key_use, Zeroizing::new([7; 32])).unwrap()
    }

    #[test]
    fn keys_of_the_go_implementation_are_read_and_written_the_same() {
        // The pair of the documentation of golang.org/x/mod/sumdb/note.
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let secret =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n";
        let key = SigningKey::parse(secret).unwrap();
        assert_eq!(key.verifier().to_string(), public);
        assert_eq!(&public.parse::<VerifierKey>().unwrap(), key.verifier());
        assert_eq!(*key.to_secret_text(), secret);
    }

    #[test]
    fn a_witness_key_is_no_log_key_even_with_the_same_secret() {
        let (log, witness) = (key(KeyUse::Log), key(KeyUse::Witness));
        assert_eq!(log.verifier().public(), witness.verifier().public());
        assert_ne!(log.verifier().id(), witness.verifier().id());
        let error = witness.verifier().clone().of_use(KeyUse::Log).unwrap_err();
        assert!(error.to_string().contains("a witness key"), "{error}");
        assert!(log.verifier().clone().of_use(KeyUse::Log).is_ok());
    }

    #[test]
    fn a_secret_is_not_in_what_is_logged() {
        let key = key(KeyUse::Log);
        let shown = format!("{key:?}");
        let text = key.to_secret_text();
        let secret = text.trim().rsplit('+').next().unwrap();
        assert!(
            !shown.contains(secret) && !shown.contains("PRIVATE"),
            "{shown}"
        );
        assert!(shown.contains("example.jp/ledger"), "{shown}");
    }

    #[test]
    fn a_key_that_was_mistyped_or_has_another_form_is_refused() {
        let good = key(KeyUse::Log);
        let text = good.verifier().to_string();
        assert_eq!(text.parse::<VerifierKey>().as_ref(), Ok(good.verifier()));
        assert_eq!(
            text.replacen("ledger", "ledgar", 1).parse::<VerifierKey>(),
            Err(KeyError::Id)
        );
        assert_eq!("a+b".parse::<VerifierKey>(), Err(KeyError::VerifierForm));
        assert_eq!(
            "a+00000000+AAAA".parse::<VerifierKey>(),
            Err(KeyError::Kind)
        );
        assert_eq!(SigningKey::parse(&text).unwrap_err(), KeyError::SigningForm);
        for bad in ["", "a b", "a+b", "a\u{3000}b", "a\nb", &"x".repeat(256)] {
            assert_eq!(KeyName::new(bad), Err(KeyError::Name), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_is_read_as_it_was_written_and_no_changed_one_is(seed: [u8; 32], name in "[a-z./]{1,20}", witness: bool, at: prop::sample::Index) {
            let key_use = if witness { KeyUse::Witness } else { KeyUse::Log };
            let key = SigningKey::from_seed(KeyName::new(&name).unwrap(), key_use, Zeroizing::new(seed)).unwrap();
            let again = SigningKey::parse(&key.to_secret_text()).unwrap();
            prop_assert_eq!(again.verifier(), key.verifier());
            let text = key.verifier().to_string();
            prop_assert_eq!(&text.parse::<VerifierKey>().unwrap(), key.verifier());
            let mut bytes = text.clone().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(changed.parse::<VerifierKey>().is_err(), "{} was taken", changed);
            prop_assert!(key.verifier().verify(b"x", &again.sign(b"x")));
            prop_assert!(!key.verifier().verify(b"y", &again.sign(b"x")));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,100}") {
            let _ = text.parse::<VerifierKey>();
            let _ = SigningKey::parse(&text);
            let _ = SigningKey::parse(&format!("{PRIVATE}{text}"));
        }
    }
}
