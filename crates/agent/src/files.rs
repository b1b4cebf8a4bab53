//! Files that are whole or not there, also after a power cut, and secrets that
//! nobody else can read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{path}: cannot {act}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        act: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A secret is there already, and is not overwritten.
    #[error(
        "{0} exists already; it is never overwritten: move it away first if a new one is wanted"
    )]
    Exists(PathBuf),
    /// Larger than this file may be.
    #[error("{path} has more than {limit} bytes; it cannot be what it should be")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Bytes.
        limit: u64,
    },
}

fn io(path: &Path, act: &'static str) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| FileError::Io { path, act, source }
}

/// Writes the file beside its place, makes it durable, and moves it there:
/// a reader sees the old or the new one, never half of it.
///
/// # Errors
/// When the system refuses; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let beside = path.with_file_name(format!(".{name}.new"));
    // A remnant of a crash has no owner any more.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(io(&beside, "remove the remnant")(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .map_err(io(&beside, "create it"))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io(&beside, "write it"));
    if let Err(error) = written {
        // The half-written file is of no use; that it stays would be a second
        // trouble, not the one to report.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::rename(&beside, path).map_err(io(path, "put the new file in place"))?;
    sync_directory(path)
}

/// Creates a file that only its owner reads, and that must not exist yet.
///
/// # Errors
/// When it exists, or the system refuses.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(FileError::Exists(path.to_path_buf()));
        }
        other => other.map_err(io(path, "create it"))?,
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io(path, "write it"))?;
    sync_directory(path)
}

/// Adds bytes to the end of a file and makes them durable.
///
/// # Errors
/// When the system refuses.
pub fn append_durable(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let new = !path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(io(path, "open it"))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_data())
        .map_err(io(path, "write it"))?;
    if new { sync_directory(path) } else { Ok(()) }
}

/// Reads a whole file of at most `limit` bytes; `None` when there is none.
///
/// # Errors
/// When it is larger, or the system refuses.
pub fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io(path, "open it"))?,
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io(path, "read it"))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path.to_path_buf(),
            limit,
        });
    }
    Ok(Some(bytes))
}

/// Removes a file; that it is not there is as good.
///
/// # Errors
/// When the system refuses.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path, "remove it")(error)),
        _ => Ok(()),
    }
}

/// Makes a directory (and those above it) that only its owner enters.
///
/// # Errors
/// When the system refuses.
pub fn private_directory(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io(path, "make the directory"))
}

fn sync_directory(path: &Path) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|d| d.sync_all())
        .map_err(io(directory, "make the directory durable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_remnant() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        std::fs::write(dir.path().join(".policy.new"), b"half").unwrap();
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_is_readable_by_its_owner_only_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        create_secret(&path, b"first").unwrap();
        assert!(matches!(
            create_secret(&path, b"second"),
            Err(FileError::Exists(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_oversized_file_is_refused_before_it_fills_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        std::fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(
            read_limited(&path, 10),
            Err(FileError::TooLarge { limit: 10, .. })
        ));
        assert_eq!(read_limited(&path, 11).unwrap().unwrap().len(), 11);
        assert!(read_limited(&dir.path().join("none"), 1).unwrap().is_none());
    }
}
