//! The key that signs checkpoints, and whose signatures are believed.

use crate::config::Config;
use iryonet_authority::files::{self, FileError};
use iryonet_ledger::key::KeyError;
use iryonet_ledger::{KeyName, KeyUse, SigningKey, VerifierKey};
use iryonet_store::tree::checkpoints::Keys;
use std::path::PathBuf;

/// Why the checkpoint key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointKeyError {
    /// Its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// What stands in it.
    #[error("the checkpoint key {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// A name that cannot be given to a key.
    #[error("the ledger's name {origin:?} cannot be given to a key")]
    Origin {
        /// The setting, or what follows from the network.
        origin: String,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// A key of another name than the settings say.
    #[error(
        "the checkpoint key {} is of {found}, and checkpoint_origin says {wanted}; checkpoints under another name would begin another ledger", path.display()
    )]
    OtherOrigin {
        /// The file.
        path: PathBuf,
        /// Its name.
        found: KeyName,
        /// The setting.
        wanted: KeyName,
    },
}

/// What signs, and what is believed.
pub(crate) struct Signing {
    pub(crate) key: SigningKey,
    pub(crate) keys: Keys,
}

/// Makes the key, if there is none. True when it was made.
pub(crate) fn ensure(config: &Config) -> Result<(VerifierKey, bool), CheckpointKeyError> {
    if let Some(signing) = load(config)? {
        return Ok((signing.key.verifier().clone(), false));
    }
    let name = origin(config)?;
    let path = config.checkpoint_key();
    let key =
        SigningKey::generate(name, KeyUse::Log).map_err(|source| CheckpointKeyError::Key {
            path: path.clone(),
            source,
        })?;
    files::write_new(&path, key.to_secret_text().as_bytes(), 0o600)?;
    Ok((key.verifier().clone(), true))
}

/// The key, if there is one.
pub(crate) fn load(config: &Config) -> Result<Option<Signing>, CheckpointKeyError> {
    let path = config.checkpoint_key();
    if !path.exists() {
        return Ok(None);
    }
    let bad = |source| CheckpointKeyError::Key {
        path: path.clone(),
        source,
    };
    let secret = files::read_secret(&path)?;
    let text = std::str::from_utf8(&secret).map_err(|_| bad(KeyError::SigningForm))?;
    let key = SigningKey::parse(text).map_err(bad)?;
    let log = key.verifier().clone().of_use(KeyUse::Log).map_err(bad)?;
    if let Some(wanted) = &config.checkpoint_origin
        && wanted != log.name()
    {
        return Err(CheckpointKeyError::OtherOrigin {
            path,
            found: log.name().clone(),
            wanted: wanted.clone(),
        });
    }
    Ok(Some(Signing {
        keys: Keys {
            log,
            before: config.checkpoint_keys_before.clone(),
            witnesses: config.witnesses.clone(),
        },
        key,
    }))
}

fn origin(config: &Config) -> Result<KeyName, CheckpointKeyError> {
    if let Some(origin) = &config.checkpoint_origin {
        return Ok(origin.clone());
    }
    let origin = format!("iryonet/{}", config.network);
    KeyName::new(&origin).map_err(|source| CheckpointKeyError::Origin { origin, source })
}
