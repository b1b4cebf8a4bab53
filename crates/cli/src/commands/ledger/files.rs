//! Files that come from outside: read up to their limit, and keys.

use anyhow::{Context, bail};
use iryonet_authority::files;
use iryonet_ledger::note::NOTE_MAX_BYTES;
use iryonet_ledger::{KeyUse, Signed, SigningKey, VerifierKey};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A whole file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("{} cannot be read", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .with_context(failed)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    if bytes.len() as u64 > limit {
        bail!(
            "{} has more than {limit} bytes; it is another file",
            path.display()
        );
    }
    Ok(bytes)
}

/// A checkpoint; nothing is verified yet.
pub(super) fn read_checkpoint(path: &Path) -> anyhow::Result<Signed> {
    let bytes = read(path, NOTE_MAX_BYTES as u64)?;
    Signed::parse(&bytes).with_context(|| format!("{} is not a signed checkpoint", path.display()))
}

/// Verifier keys as they are given on the command line: each one itself, or the
/// file that holds it.
pub(super) fn keys(given: &[String], wanted: KeyUse) -> anyhow::Result<Vec<VerifierKey>> {
    given.iter().map(|key| verifier_key(key, wanted)).collect()
}

pub(super) fn verifier_key(given: &str, wanted: KeyUse) -> anyhow::Result<VerifierKey> {
    let key = match given.parse::<VerifierKey>() {
        Ok(key) => key,
        Err(error) => {
            let path = Path::new(given);
            if !path.is_file() {
                return Err(error).with_context(|| {
                    format!("{given:?} is neither a verifier key nor a file that holds one")
                });
            }
            let bytes = read(path, 1 << 10)?;
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            text.trim()
                .parse()
                .with_context(|| format!("{} holds no verifier key", path.display()))?
        }
    };
    key.of_use(wanted)
        .with_context(|| format!("the key {given} is for another use"))
}

/// A secret key, from a file that only its owner reads.
pub(super) fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let secret = files::read_secret(path)?;
    let text = std::str::from_utf8(&secret).unwrap_or_default();
    SigningKey::parse(text).with_context(|| format!("{} holds no signing key", path.display()))
}

/// The same path with something behind it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a file that is not there yet, for its owner alone: the ledger has
/// names in it.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    Ok(files::write_new(path, bytes, 0o600)?)
}
