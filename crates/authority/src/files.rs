//! Keys and certificates in a directory, and PEM.

use base64::Engine;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The largest key or certificate file that is read, in octets.
pub const FILE_LIMIT: u64 = 64 * 1024;

/// Why a key or certificate file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is there already. A key is never written over.
    #[error(
        "{} exists already and is never written over; choose an empty directory or move it away",
        path.display()
    )]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others could read a private key.
    #[error(
        "the key {} can be read by others (mode {mode:04o}); it must have mode 0600 or 0400: chmod 600 it, and ask who has read it",
        path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Larger than any key or certificate.
    #[error("{} is larger than {FILE_LIMIT} octets; a key or certificate is not", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// No such thing in it.
    #[error("{} holds no {wanted} in PEM", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
}

/// Writes `bytes` to a file that must not exist yet, down to the disk. The file
/// is there with all of them or not at all, also when the process is killed: an
/// empty key file would never be written over again.
///
/// # Errors
/// When the file exists or the system refuses; nothing half-written is left.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let io = |act| {
        let path = path.to_owned();
        move |source: io::Error| FileError::Io { act, path, source }
    };
    let exists = |act| {
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists {
                path: path.to_owned(),
            },
            _ => io(act)(source),
        }
    };
    let beside = beside(path);
    // What a process of the same number left when it was killed.
    if let Err(source) = fs::remove_file(&beside)
        && source.kind() != io::ErrorKind::NotFound
    {
        return Err(io("make room beside")(source));
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .map_err(io("create"))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io("write"))
        // Unlike a rename it does not take the place of what is there.
        .and_then(|()| fs::hard_link(&beside, path).map_err(exists("put in place")));
    // Best effort: the error that matters is the one reported.
    let _ = fs::remove_file(&beside);
    written?;
    sync_directory(path).map_err(io("record the directory of"))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Where a file is written before it is put in its place: nobody else writes there.
fn beside(path: &Path) -> PathBuf {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{number}.new", std::process::id()));
    path.with_file_name(name)
}

/// Makes a directory for keys (mode 0700) unless it is there.
///
/// # Errors
/// When the system refuses.
pub fn make_directory(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| FileError::Io {
        act: "make the directory",
        path: path.to_owned(),
        source,
    })
}

/// Reads a private key (PKCS#8 PEM), refusing one that others could read.
///
/// # Errors
/// When it cannot be read, is open to others, or holds no key.
pub fn read_key(path: &Path) -> Result<PrivatePkcs8KeyDer<'static>, FileError> {
    key_of_pem(path, &read_secret(path)?)
}

pub(crate) fn key_of_pem(
    path: &Path,
    pem: &[u8],
) -> Result<PrivatePkcs8KeyDer<'static>, FileError> {
    PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| FileError::NotPem {
        path: path.to_owned(),
        wanted: "private key (PKCS#8)",
    })
}

/// Reads a file that only its owner may read.
///
/// # Errors
/// When it cannot be read, or is open to others.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mode = fs::metadata(path)
        .map_err(|source| FileError::Io {
            act: "read",
            path: path.to_owned(),
            source,
        })?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    read_limited(path).map(Zeroizing::new)
}

/// Puts a file in the place of another, whole or not at all.
///
/// # Errors
/// When the system refuses; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    // A remnant of a crash has no owner any more.
    match fs::remove_file(&next) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::Io {
                act: "remove the remnant",
                path: next,
                source,
            });
        }
        _ => {}
    }
    write_new(&next, bytes, mode)?;
    fs::rename(&next, path)
        .and_then(|()| sync_directory(path))
        .map_err(|source| FileError::Io {
            act: "put in its place",
            path: path.to_owned(),
            source,
        })
}

/// Reads the first certificate of a PEM file.
///
/// # Errors
/// When it cannot be read or holds no certificate.
pub fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, FileError> {
    CertificateDer::from_pem_slice(&read_limited(path)?).map_err(|_| FileError::NotPem {
        path: path.to_owned(),
        wanted: "certificate",
    })
}

/// Reads every certificate of a PEM file, at least one.
///
/// # Errors
/// When it cannot be read or holds something else.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    CertificateDer::pem_slice_iter(&read_limited(path)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| FileError::NotPem {
            path: path.to_owned(),
            wanted: "certificate",
        })
}

pub(crate) fn read_limited(path: &Path) -> Result<Vec<u8>, FileError> {
    let io = |source| FileError::Io {
        act: "read",
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(io)?
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_LIMIT {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// One PEM block (RFC 7468): 64 characters a line.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = body.len().div_ceil(64);
    // What stands around the label, twice, has 34 octets with its line ends.
    let mut text = String::with_capacity(body.len() + lines + 2 * label.len() + 34);
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_never_written_over_and_never_open_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        let key = rcgen::KeyPair::generate().unwrap();
        write_new(&path, key.serialize_pem().as_bytes(), 0o600).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(read_key(&path).is_ok());
        assert!(matches!(
            write_new(&path, b"x", 0o600),
            Err(FileError::Exists { .. })
        ));
        // Nor does anything lie beside it afterwards.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_key(&path),
            Err(FileError::Open { mode: 0o640, .. })
        ));
    }

    #[test]
    fn a_file_that_is_no_key_or_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        write_new(&path, b"hello", 0o600).unwrap();
        assert!(matches!(read_key(&path), Err(FileError::NotPem { .. })));
        assert!(matches!(
            read_certificate(&path),
            Err(FileError::NotPem { .. })
        ));
        let path = dir.path().join("large");
        write_new(&path, &vec![b'a'; 70_000], 0o600).unwrap();
        assert!(matches!(
            read_certificate(&path),
            Err(FileError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn pem_reads_as_it_was_written(der in proptest::collection::vec(any::<u8>(), 1..400)) {
            let text = pem("CERTIFICATE", &der);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
            prop_assert_eq!(read.as_ref(), der.as_slice());
        }
    }
}
