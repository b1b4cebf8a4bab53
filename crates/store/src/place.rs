//! Which home, as settings and commands name it.

use crate::error::StoreError;
use crate::postgres::{PostgresSettings, PostgresStore, SettingsError};
use crate::sqlite::SqliteStore;
use crate::store::Store;
use iryonet_tls::{Clock, NamedConnector, Profile, TrustRoots};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file of roots, or of a password, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Where a registry is kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of SQLite's.
    Sqlite(PathBuf),
    /// A database of PostgreSQL's.
    Postgres(Box<PostgresSettings>),
}

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The connection string.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file that is named beside it.
    #[error("{what} {} cannot be read", path.display())]
    File {
        /// Which.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The roots.
    #[error("the roots of the database server in {} cannot be taken", path.display())]
    Roots {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: iryonet_tls::ConfigError,
    },
}

impl Place {
    /// What a command was given: `host=… dbname=…` and `postgresql://…` name a
    /// database of PostgreSQL's, everything else a file. `trust` holds the roots
    /// of the server's certificate.
    ///
    /// # Errors
    /// When a connection string or the file of roots cannot be taken.
    pub fn named(text: &str, trust: Option<&Path>) -> Result<Self, PlaceError> {
        let is_database = ["postgresql://", "postgres://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
            || text.split_whitespace().any(|word| {
                ["host=", "hostaddr=", "dbname="]
                    .iter()
                    .any(|key| word.starts_with(key))
            });
        if is_database {
            Self::postgres(text, trust, None)
        } else {
            Ok(Self::Sqlite(text.into()))
        }
    }

    /// A database of PostgreSQL's, with the roots of its server's certificate
    /// and its password in files of their own.
    ///
    /// # Errors
    /// When one of the three cannot be taken.
    pub fn postgres(
        text: &str,
        trust: Option<&Path>,
        password_file: Option<&Path>,
    ) -> Result<Self, PlaceError> {
        let tls = trust.map(connector).transpose()?;
        let mut settings = PostgresSettings::parse(text, tls)?;
        if let Some(path) = password_file {
            let password = read("the database's password file", path)?;
            settings = settings.with_password(password.trim_ascii_end());
        }
        Ok(Self::Postgres(Box::new(settings)))
    }

    /// Opens it, makes it where it may be made, and brings its layout up to date.
    ///
    /// # Errors
    /// When it cannot be reached or is something else.
    pub fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path)?),
            Self::Postgres(settings) => Arc::new(PostgresStore::open(settings)?),
        })
    }

    /// Opens it for reading only; it must be there.
    ///
    /// # Errors
    /// When it is not, cannot be reached or is something else.
    pub fn open_read_only(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open_read_only(path)?),
            Self::Postgres(settings) => Arc::new(PostgresStore::open_read_only(settings)?),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(settings) => f.write_str(&settings.home()),
        }
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, PlaceError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|source| PlaceError::File {
            what,
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn connector(path: &Path) -> Result<NamedConnector, PlaceError> {
    let pem = read("the file of the database server's roots", path)?;
    TrustRoots::from_pem(&pem)
        .and_then(|roots| NamedConnector::new(Profile::default(), &roots, Clock::system()))
        .map_err(|source| PlaceError::Roots {
            path: path.to_owned(),
            source,
        })
}
