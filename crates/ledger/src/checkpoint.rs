//! Checkpoints (C2SP tlog-checkpoint): "my tree has so many entries and this
//! root", signed by the ledger's key, and cosigned by witnesses.

use crate::entry::Hash;
use crate::key::{KeyError, KeyName, KeyUse, SigningKey, VerifierKey};
use crate::note::{Note, NoteError, Signature, bad, missing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Latest time that a cosignature may name, in seconds since 1970.
const TIME_MAX_S: u64 = i64::MAX as u64;
/// Octets of the time in front of a cosignature.
const TIME_BYTES: usize = 8;

/// Why a checkpoint is not taken or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The text.
    #[error(
        "a checkpoint is an origin, a number of entries and a root hash (base64), each on a line of its own; line {line} is not what it should be"
    )]
    Form {
        /// From 1.
        line: usize,
    },
    /// Of another ledger.
    #[error("this is a checkpoint of {found}, not of {wanted}")]
    Origin {
        /// What it says.
        found: KeyName,
        /// Whose was wanted.
        wanted: KeyName,
    },
    /// A time that no cosignature can name.
    #[error("a cosignature cannot name the time {0} (seconds since 1970)")]
    Time(u64),
}

/// A tree at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose: the name of the key that signs it.
    pub origin: KeyName,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl std::fmt::Display for Checkpoint {
    /// The text that is signed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let root = STANDARD.encode(self.root.0);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

impl std::str::FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Lines below the third are passed over, as the format wants it: they are
    /// signed, and say nothing about the tree.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let form = |line| CheckpointError::Form { line };
        let body = text.strip_suffix('\n').ok_or(form(1))?;
        let mut lines = body.split('\n');
        let origin = KeyName::new(lines.next().unwrap_or_default()).map_err(|_| form(1))?;
        let size = lines.next().and_then(decimal).ok_or(form(2))?;
        let root = lines.next().and_then(base64_hash).ok_or(form(3))?;
        if let Some(place) = lines.position(str::is_empty) {
            return Err(form(place + 4));
        }
        Ok(Self { origin, size, root })
    }
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    checkpoint: Checkpoint,
    note: Note,
}

/// What a witness said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned {
    /// When, in seconds since 1970, by the witness's clock.
    pub at_s: u64,
}

impl Signed {
    /// Signs a tree.
    ///
    /// # Errors
    /// When the key is no log key.
    pub fn new(key: &SigningKey, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let verifier = key.verifier().clone().of_use(KeyUse::Log)?;
        let checkpoint = Checkpoint {
            origin: verifier.name().clone(),
            size,
            root,
        };
        let mut note = Note::unsigned(checkpoint.to_string())?;
        note.sign(key)?;
        Ok(Self { checkpoint, note })
    }

    /// Takes a checkpoint apart. Nothing is verified.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        Ok(Self {
            checkpoint: note.text().parse()?,
            note,
        })
    }

    /// A checkpoint of the ledger that signs with this key.
    ///
    /// # Errors
    /// When it is none, another ledger's, or not signed with the key.
    pub fn open(bytes: &[u8], log: &VerifierKey) -> Result<Self, CheckpointError> {
        let signed = Self::parse(bytes)?;
        signed.verify(log)?;
        Ok(signed)
    }

    /// Is it a checkpoint of the ledger that signs with this key?
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(&self, log: &VerifierKey) -> Result<(), CheckpointError> {
        if log.key_use() != KeyUse::Log {
            return Err(KeyError::Use {
                found: log.key_use(),
                wanted: KeyUse::Log,
            }
            .into());
        }
        if self.checkpoint.origin != *log.name() {
            return Err(CheckpointError::Origin {
                found: self.checkpoint.origin.clone(),
                wanted: log.name().clone(),
            });
        }
        Ok(self.note.verify(log)?)
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note around it.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// A witness's signature of this checkpoint at this time.
    ///
    /// # Errors
    /// When the key is no witness key, or the time cannot be named.
    pub fn cosignature(&self, key: &SigningKey, at_s: u64) -> Result<Signature, CheckpointError> {
        let verifier = key.verifier().clone().of_use(KeyUse::Witness)?;
        if at_s > TIME_MAX_S {
            return Err(CheckpointError::Time(at_s));
        }
        let mut bytes = at_s.to_be_bytes().to_vec();
        bytes.extend(key.sign(&cosigned_message(self.note.text(), at_s)));
        Ok(Signature {
            name: verifier.name().clone(),
            id: verifier.id(),
            bytes,
        })
    }

    /// The same checkpoint with the signatures of this key alone.
    #[must_use]
    pub fn only(self, key: &VerifierKey) -> Self {
        Self {
            note: self.note.only(key),
            ..self
        }
    }

    /// The same checkpoint with those signatures alone that are chosen by key
    /// name and key id.
    #[must_use]
    pub fn only_of(self, choose: impl Fn(&KeyName, u32) -> bool) -> Self {
        Self {
            note: self.note.only_of(choose),
            ..self
        }
    }

    /// The lines of this witness that name this time.
    #[must_use]
    pub fn cosignatures_of(&self, witness: &VerifierKey, at_s: u64) -> Vec<Signature> {
        self.note
            .by(witness)
            .filter(|line| line.bytes.starts_with(&at_s.to_be_bytes()))
            .cloned()
            .collect()
    }

    /// Adds a signature line. Nothing is verified.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn add(&mut self, signature: Signature) -> Result<(), CheckpointError> {
        Ok(self.note.add(signature)?)
    }

    /// Has this witness cosigned it, and when last? All that say to be its
    /// cosignatures have to fit.
    ///
    /// # Errors
    /// When there is none, or one that does not fit.
    pub fn cosigned(&self, witness: &VerifierKey) -> Result<Cosigned, CheckpointError> {
        let mut latest = None;
        for signature in self.note.by(witness) {
            let at_s =
                verified_time(self.note.text(), witness, signature).ok_or_else(|| bad(witness))?;
            latest = latest.max(Some(at_s));
        }
        match latest {
            Some(at_s) => Ok(Cosigned { at_s }),
            None => Err(missing(witness).into()),
        }
    }
}

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note.fmt(f)
    }
}

fn verified_time(text: &str, witness: &VerifierKey, signature: &Signature) -> Option<u64> {
    let (time, bytes) = signature.bytes.split_first_chunk::<TIME_BYTES>()?;
    let at_s = u64::from_be_bytes(*time);
    let fits = witness.key_use() == KeyUse::Witness
        && at_s <= TIME_MAX_S
        && witness.verify(&cosigned_message(text, at_s), bytes);
    fits.then_some(at_s)
}

fn cosigned_message(text: &str, at_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {at_s}\n{text}").into_bytes()
}

/// A decimal number in its one form: no sign, no leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

pub(crate) fn base64_hash(text: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(Hash(bytes.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    pub(crate) fn key(name: &str, key_use: KeyUse, seed: u8) -> SigningKey {
        let seed = Zeroizing::new([seed; 32]);
        SigningKey::from_seed(KeyName::new(name).unwrap(), key_use, seed).unwrap()
    }

    fn log() -> SigningKey {
        key("example.jp/ledger", KeyUse::Log, 1)
    }

    fn witness() -> SigningKey {
        key("witness.example/w1", KeyUse::Witness, 2)
    }

    #[test]
    fn a_checkpoint_is_believed_by_who_knows_the_key_and_by_nobody_else() {
        let signed = Signed::new(&log(), 7, Hash([9; 32])).unwrap();
        let text = signed.to_string();
        assert!(text.starts_with("example.jp/ledger\n7\nCQkJ"), "{text}");
        let opened = Signed::open(text.as_bytes(), log().verifier()).unwrap();
        assert_eq!(opened, signed);
        let same_name = key("example.jp/ledger", KeyUse::Log, 3);
        assert!(matches!(
            Signed::open(text.as_bytes(), same_name.verifier()),
            Err(CheckpointError::Note(NoteError::NotSigned { .. }))
        ));
        let other_name = key("example.jp/other", KeyUse::Log, 1);
        assert!(matches!(
            Signed::open(text.as_bytes(), other_name.verifier()),
            Err(CheckpointError::Origin { .. })
        ));
        assert!(Signed::new(&witness(), 7, Hash([9; 32])).is_err());
        assert!(matches!(
            Signed::open(text.as_bytes(), witness().verifier()),
            Err(CheckpointError::Key(KeyError::Use { .. }))
        ));
    }

    #[test]
    fn a_cosignature_names_its_time_and_holds_for_one_checkpoint_only() {
        let mut signed = Signed::new(&log(), 7, Hash([9; 32])).unwrap();
        assert!(matches!(
            signed.cosigned(witness().verifier()),
            Err(CheckpointError::Note(NoteError::NotSigned { .. }))
        ));
        for at_s in [1_679_315_147, 1_679_315_000] {
            let cosignature = signed.cosignature(&witness(), at_s).unwrap();
            assert_eq!(cosignature.bytes.len(), 72);
            signed.add(cosignature).unwrap();
        }
        let read = Signed::open(signed.to_string().as_bytes(), log().verifier()).unwrap();
        assert_eq!(
            read.cosigned(witness().verifier()),
            Ok(Cosigned {
                at_s: 1_679_315_147
            })
        );
        // Carried over to another tree, or with another time, it does not fit.
        let mut other = Signed::new(&log(), 8, Hash([9; 32])).unwrap();
        other.add(read.note().signatures()[1].clone()).unwrap();
        assert!(matches!(
            other.cosigned(witness().verifier()),
            Err(CheckpointError::Note(NoteError::BadSignature { .. }))
        ));
        let mut moved = Signed::new(&log(), 7, Hash([9; 32])).unwrap();
        let mut line = read.note().signatures()[1].clone();
        line.bytes[7] ^= 1;
        moved.add(line).unwrap();
        assert!(moved.cosigned(witness().verifier()).is_err());
        assert!(signed.cosignature(&log(), 1).is_err());
        assert_eq!(
            signed.cosignature(&witness(), u64::MAX),
            Err(CheckpointError::Time(u64::MAX))
        );
    }

    #[test]
    fn what_is_no_checkpoint_is_refused_at_its_line() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let good = format!("example.com/sofa\n20852163\n{root}\n");
        let read: Checkpoint = good.parse().unwrap();
        assert_eq!((read.size, read.to_string()), (20_852_163, good.clone()));
        assert_eq!(format!("{good}more\nlines\n").parse(), Ok(read));
        for (text, line) in [
            (String::new(), 1),
            (format!("\n1\n{root}\n"), 1),
            (format!("a b\n1\n{root}\n"), 1),
            (format!("a\n01\n{root}\n"), 2),
            (format!("a\n+1\n{root}\n"), 2),
            (format!("a\n-1\n{root}\n"), 2),
            (format!("a\n18446744073709551616\n{root}\n"), 2),
            ("a\n1\n".into(), 3),
            ("a\n1\nAAAA\n".into(), 3),
            (format!("a\n1\n{}\n", root.trim_end_matches('=')), 3),
            (format!("a\n1\n{root}\n\n"), 4),
            (format!("a\n1\n{root}"), 1),
        ] {
            assert_eq!(
                text.parse::<Checkpoint>(),
                Err(CheckpointError::Form { line }),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_checkpoint_is_read_as_it_was_written(size: u64, root: [u8; 32]) {
            let signed = Signed::new(&log(), size, Hash(root)).unwrap();
            prop_assert_eq!(Signed::open(signed.to_string().as_bytes(), log().verifier()), Ok(signed));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(.|\n){0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = text.parse::<Checkpoint>();
            let mut signed = Signed::new(&log(), 1, Hash(*b"0123456789abcdef0123456789abcdef")).unwrap();
            signed.add(Signature { name: witness().verifier().name().clone(), id: witness().verifier().id(), bytes }).unwrap();
            prop_assert!(signed.cosigned(witness().verifier()).is_err());
        }
    }
}
