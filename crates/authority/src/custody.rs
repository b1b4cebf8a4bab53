//! How a CA's key is kept: in an encrypted file, in a token, or, by an explicit
//! word only, in a plain file. The word stands in `issuing-key.toml` (or
//! `root-key.toml`) beside the CA's certificate, so that whoever carries the
//! folder carries it too.
//!
//! Passphrases and PINs are no arguments of any command: every user of a
//! machine can read those.

use crate::files::{self, FileError};
use crate::signer::{CaKey, MemorySigner, Signer};
use crate::token::{TokenError, TokenKey, TokenSigner};
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding};
use rand::CryptoRng;
use rcgen::KeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Shortest passphrase that a key is encrypted with, in characters.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 12;

/// scrypt's costs: N = 2^14, r = 8, p = 5 (OWASP's choice for 16 MiB). More
/// memory would be better still, but openssl refuses to open such files, and a
/// CA's key has to be recoverable with common tools.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);

/// A passphrase or PIN; wiped from memory when dropped, shown by nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret from wherever it was read.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

/// How a key that is made now is to be kept.
#[derive(Debug, Clone)]
pub enum Custody {
    /// A file that only its owner can read, not encrypted: for tests, pilots,
    /// and disks that are encrypted as a whole.
    PlainFile,
    /// A file encrypted with a passphrase (PKCS#8, PBES2 with scrypt and
    /// AES-256-CBC: RFC 5958, RFC 8018, RFC 7914).
    EncryptedFile {
        /// The passphrase.
        passphrase: Secret,
        /// Where it is found at each start, if in a file.
        passphrase_file: Option<PathBuf>,
    },
    /// A PKCS#11 token.
    Token {
        /// Which key in which token.
        key: TokenKey,
        /// Where the PIN is found at each start, if in a file.
        pin_file: Option<PathBuf>,
    },
}

/// Why a key cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// `custody.toml` is not as it should be.
    #[error("{} cannot be taken", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A plain key without the word that allows it.
    #[error(
        "{} is not encrypted. Encrypt it (iryonet authority protect), or allow it: write keep = \"plain-file\" into {note} beside it",
        path.display()
    )]
    Plain {
        /// The key.
        path: PathBuf,
        /// The file that says how it is kept.
        note: &'static str,
    },
    /// An encrypted key where a plain one is said to be.
    #[error(
        "{} is encrypted already; where the file beside it says keep = \"plain-file\", write \"encrypted-file\"",
        .0.display()
    )]
    Encrypted(PathBuf),
    /// `keep = "token"` without saying which.
    #[error("{} says keep = \"token\" but has no [token] with module, token and key", .0.display())]
    NoToken(PathBuf),
    /// No secret anywhere.
    #[error(
        "the {what} is not to be had: name a file in {note} ({setting}), give the credential {credential} (systemd LoadCredential), or set {variable}"
    )]
    NoSecret {
        /// Which.
        what: &'static str,
        /// The file that may name its file.
        note: &'static str,
        /// The setting that names its file.
        setting: &'static str,
        /// Its name as a systemd credential.
        credential: String,
        /// Its environment variable.
        variable: String,
    },
    /// Nobody could read it back.
    #[error("the {0} is not UTF-8 text of one line")]
    SecretText(&'static str),
    /// Too short to protect anything.
    #[error(
        "the passphrase has {have} characters; at least {PASSPHRASE_CHARACTERS_MIN} are wanted, since whoever gets the file can try as many as they like"
    )]
    ShortPassphrase {
        /// Its characters.
        have: usize,
    },
    /// The passphrase does not open it.
    #[error("{} does not open with this passphrase, or is damaged", .0.display())]
    WrongPassphrase(PathBuf),
    /// Encrypting failed.
    #[error("the key could not be encrypted: {0}")]
    Encrypt(String),
    /// Not a key of a CA's kind.
    #[error("{} holds no key that a CA may have (ECDSA P-256, P-384, RSA 2048 or 3072)", .0.display())]
    Kind(PathBuf),
    /// The key could not be made.
    #[error("the key could not be made")]
    Make(#[source] rcgen::Error),
}

#[derive(Debug, Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Keep {
    PlainFile,
    EncryptedFile,
    Token,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CustodyFile {
    keep: Keep,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<TokenFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    module: PathBuf,
    token: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin_file: Option<PathBuf>,
}

/// Whose key: names the file and the secrets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyName {
    /// The key's file in its directory.
    pub(crate) file: &'static str,
    /// The file that says how it is kept.
    pub(crate) note: &'static str,
    /// `root` or `issuing`: the first word of its secrets' names.
    pub(crate) word: &'static str,
}

/// Makes a key and keeps it; nothing is left behind when that fails, but in a
/// token, where a key that was made stays.
pub(crate) fn make(
    directory: &Path,
    name: KeyName,
    kind: CaKey,
    custody: &Custody,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Box<dyn Signer>, CustodyError> {
    let path = directory.join(name.file);
    let note = directory.join(name.note);
    // Refused before a token holds a key that nothing points to.
    for path in [&path, &note] {
        if path.exists() {
            return Err(FileError::Exists { path: path.clone() }.into());
        }
    }
    let (signer, file): (Box<dyn Signer>, _) = match custody {
        Custody::Token { key, pin_file } => {
            let signer = TokenSigner::generate(key.clone(), kind)?;
            let file = CustodyFile {
                keep: Keep::Token,
                passphrase_file: None,
                token: Some(TokenFile {
                    module: key.module.clone(),
                    token: key.token.clone(),
                    key: key.key.clone(),
                    pin_file: pin_file.clone(),
                }),
            };
            (Box::new(signer), file)
        }
        Custody::PlainFile => {
            let pair = kind.generate().map_err(CustodyError::Make)?;
            let pem = Zeroizing::new(pair.serialize_pem());
            files::write_new(&path, pem.as_bytes(), 0o600)?;
            (signer_of(pair, &path)?, note_of(Keep::PlainFile, None))
        }
        Custody::EncryptedFile {
            passphrase,
            passphrase_file,
        } => {
            let pair = kind.generate().map_err(CustodyError::Make)?;
            let pem = encrypt(pair.serialized_der(), passphrase, rng)?;
            files::write_new(&path, pem.as_bytes(), 0o600)?;
            let file = note_of(Keep::EncryptedFile, passphrase_file.clone());
            (signer_of(pair, &path)?, file)
        }
    };
    let written = write_note(&note, &file);
    if written.is_err() {
        // Ours, made a moment ago, and worth nothing without its note.
        let _ = std::fs::remove_file(&path);
    }
    written.map(|()| signer)
}

/// Takes away what [`make`] left in the directory: when what comes after fails.
pub(crate) fn unmake(directory: &Path, name: KeyName) {
    // Best effort: the error that matters is the one reported.
    let _ = std::fs::remove_file(directory.join(name.file));
    let _ = std::fs::remove_file(directory.join(name.note));
}

/// Finds the key of a directory, however it is kept.
pub(crate) fn load(directory: &Path, name: KeyName) -> Result<Box<dyn Signer>, CustodyError> {
    let path = directory.join(name.file);
    let note = directory.join(name.note);
    let file = read_note(&note)?;
    match file.keep {
        Keep::Token => {
            let token = file.token.ok_or(CustodyError::NoToken(note))?;
            let key = TokenKey {
                module: directory.join(token.module),
                token: token.token,
                key: token.key,
                pin: secret(directory, name, PIN, token.pin_file.as_deref())?,
            };
            Ok(Box::new(TokenSigner::open(key)?))
        }
        Keep::PlainFile => {
            let pem = files::read_secret(&path)?;
            if is_encrypted(&pem) {
                return Err(CustodyError::Encrypted(path));
            }
            let key = files::key_of_pem(&path, &pem)?;
            signer_of_der(&key, &path)
        }
        Keep::EncryptedFile => {
            let pem = files::read_secret(&path)?;
            if !is_encrypted(&pem) {
                return Err(CustodyError::Plain {
                    path,
                    note: name.note,
                });
            }
            let passphrase = secret(directory, name, PASSPHRASE, file.passphrase_file.as_deref())?;
            let key = decrypt(&path, &pem, &passphrase)?;
            signer_of_der(&key, &path)
        }
    }
}

/// Encrypts the plain key of a directory in place, the root's or else the
/// issuing CA's, and says which file it was.
///
/// # Errors
/// When there is none, it is encrypted already, or the passphrase is too short.
pub fn protect(
    directory: &Path,
    passphrase: &Secret,
    passphrase_file: Option<PathBuf>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<PathBuf, CustodyError> {
    let names = [crate::root::KEY, crate::issuing::KEY];
    let name = names
        .into_iter()
        .find(|name| directory.join(name.file).exists())
        .unwrap_or(crate::issuing::KEY);
    let path = directory.join(name.file);
    let pem = files::read_secret(&path)?;
    if is_encrypted(&pem) {
        return Err(CustodyError::Encrypted(path));
    }
    let key = files::key_of_pem(&path, &pem)?;
    let sealed = encrypt(key.secret_pkcs8_der(), passphrase, rng)?;
    // The note first: between the two a start is refused, and never does a
    // plain key pass for an encrypted one.
    let note = note_of(Keep::EncryptedFile, passphrase_file);
    files::replace(
        &directory.join(name.note),
        note_text(&note)?.as_bytes(),
        0o644,
    )?;
    files::replace(&path, sealed.as_bytes(), 0o600)?;
    Ok(path)
}

const PASSPHRASE: (&str, &str) = ("passphrase", "passphrase_file");
const PIN: (&str, &str) = ("pin", "token.pin_file");

/// The passphrase of a CA's key file: from this file, or from where a start
/// finds it when no file is named.
pub(crate) fn passphrase(name: KeyName, file: Option<&Path>) -> Result<Secret, CustodyError> {
    secret(Path::new(""), name, PASSPHRASE, file)
}

/// The PIN of a CA's token, likewise.
pub(crate) fn pin(name: KeyName, file: Option<&Path>) -> Result<Secret, CustodyError> {
    secret(Path::new(""), name, PIN, file)
}

/// Finds a secret: the file that the note names, systemd's credential, or the
/// environment, in this order.
fn secret(
    directory: &Path,
    name: KeyName,
    (what, setting): (&'static str, &'static str),
    file: Option<&Path>,
) -> Result<Secret, CustodyError> {
    let credential = format!("{}-{what}", name.word);
    let variable = format!("IRYONET_{}", credential.to_uppercase().replace('-', "_"));
    if let Some(file) = file {
        return read_secret_file(&directory.join(file), what);
    }
    if let Some(place) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let path = Path::new(&place).join(&credential);
        if path.exists() {
            return read_secret_file(&path, what);
        }
    }
    match std::env::var(&variable) {
        Ok(text) => one_line(text, what),
        Err(_) => Err(CustodyError::NoSecret {
            what,
            note: name.note,
            setting,
            credential,
            variable,
        }),
    }
}

/// Reads a passphrase or PIN from a file that only its owner can read. A line
/// feed at its end belongs to the file, not to the secret.
///
/// # Errors
/// When it cannot be read, is open to others, or is no line of text.
pub fn read_secret_file(path: &Path, what: &'static str) -> Result<Secret, CustodyError> {
    let bytes = files::read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CustodyError::SecretText(what))?;
    one_line(text.to_owned(), what)
}

fn one_line(text: String, what: &'static str) -> Result<Secret, CustodyError> {
    let whole = Secret::new(text);
    let line = whole.reveal().trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(CustodyError::SecretText(what));
    }
    Ok(Secret::new(line.to_owned()))
}

fn signer_of(pair: KeyPair, path: &Path) -> Result<Box<dyn Signer>, CustodyError> {
    match MemorySigner::new(pair) {
        Some(signer) => Ok(Box::new(signer)),
        None => Err(CustodyError::Kind(path.to_owned())),
    }
}

fn signer_of_der(
    key: &PrivatePkcs8KeyDer<'_>,
    path: &Path,
) -> Result<Box<dyn Signer>, CustodyError> {
    let pair = KeyPair::try_from(key).map_err(|_| CustodyError::Kind(path.to_owned()))?;
    signer_of(pair, path)
}

fn is_encrypted(pem: &[u8]) -> bool {
    const LABEL: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(LABEL.len()).any(|window| window == LABEL)
}

fn encrypt(
    pkcs8: &[u8],
    passphrase: &Secret,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Zeroizing<String>, CustodyError> {
    let have = passphrase.reveal().chars().count();
    if have < PASSPHRASE_CHARACTERS_MIN {
        return Err(CustodyError::ShortPassphrase { have });
    }
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut iv);
    let failed = |error: &dyn std::fmt::Display| CustodyError::Encrypt(error.to_string());
    let (log_n, r, p) = SCRYPT;
    let costs = pkcs8::pkcs5::scrypt::Params::new(log_n, r, p, 32).map_err(|e| failed(&e))?;
    let parameters =
        pbes2::Parameters::scrypt_aes256cbc(costs, &salt, &iv).map_err(|e| failed(&e))?;
    let sealed = pkcs8::PrivateKeyInfo::try_from(pkcs8)
        .and_then(|key| key.encrypt_with_params(parameters, passphrase.reveal()))
        .map_err(|e| failed(&e))?;
    sealed
        .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
        .map_err(|e| failed(&e))
}

fn decrypt(
    path: &Path,
    pem: &[u8],
    passphrase: &Secret,
) -> Result<PrivatePkcs8KeyDer<'static>, CustodyError> {
    let not_pem = || FileError::NotPem {
        path: path.to_owned(),
        wanted: "encrypted private key (PKCS#8)",
    };
    let text = std::str::from_utf8(pem).map_err(|_| not_pem())?;
    let (_, sealed) = pkcs8::SecretDocument::from_pem(text).map_err(|_| not_pem())?;
    let wrong = |_| CustodyError::WrongPassphrase(path.to_owned());
    let opened = EncryptedPrivateKeyInfo::try_from(sealed.as_bytes())
        .map_err(|_| not_pem())?
        .decrypt(passphrase.reveal())
        .map_err(wrong)?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()))
}

fn note_of(keep: Keep, passphrase_file: Option<PathBuf>) -> CustodyFile {
    CustodyFile {
        keep,
        passphrase_file,
        token: None,
    }
}

fn note_text(file: &CustodyFile) -> Result<String, CustodyError> {
    let body = toml::to_string(file).map_err(|error| CustodyError::Encrypt(error.to_string()))?;
    Ok(format!("# How the key of this folder is kept.\n{body}"))
}

fn write_note(path: &Path, file: &CustodyFile) -> Result<(), CustodyError> {
    Ok(files::write_new(path, note_text(file)?.as_bytes(), 0o644)?)
}

fn read_note(path: &Path) -> Result<CustodyFile, CustodyError> {
    if !path.exists() {
        // Nothing said: the safe one.
        return Ok(note_of(Keep::EncryptedFile, None));
    }
    let bytes = files::read_limited(path)?;
    let text = String::from_utf8_lossy(&bytes);
    toml::from_str(&text).map_err(|source| CustodyError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })
}
