//! The last checkpoint that this center signed, in a file of its own. An old
//! copy of the database that was put in the place of the present one agrees
//! with itself in everything; it does not agree with this file.

use crate::config::Config;
use iryonet_authority::files;
use iryonet_ledger::Signed;
use std::path::Path;

/// Largest such file, in bytes.
const MEMORY_MAX_BYTES: u64 = 64 << 10;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error(transparent)]
    Write(#[from] files::FileError),
    #[error("{path} cannot be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not the last checkpoint that this center signed")]
    Form {
        path: String,
        #[source]
        source: Option<iryonet_ledger::checkpoint::CheckpointError>,
    },
}

/// The last one, if there is any.
pub(crate) fn load(config: &Config) -> Result<Option<Signed>, MemoryError> {
    let path = config.checkpoint_memory();
    let text = |path: &Path| path.display().to_string();
    let read = |source| MemoryError::Read {
        path: text(&path),
        source,
    };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
        Ok(found) if found.len() > MEMORY_MAX_BYTES => {
            return Err(MemoryError::Form {
                path: text(&path),
                source: None,
            });
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(&path).map_err(read)?;
    Signed::parse(&bytes)
        .map(Some)
        .map_err(|source| MemoryError::Form {
            path: text(&path),
            source: Some(source),
        })
}

/// Keeps it, before anybody else is shown it.
pub(crate) fn keep(config: &Config, signed: &Signed) -> Result<(), MemoryError> {
    files::replace(
        &config.checkpoint_memory(),
        signed.to_string().as_bytes(),
        0o600,
    )?;
    Ok(())
}
