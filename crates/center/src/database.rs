//! `database` in `center.toml`: which home the registry is kept in. It must not
//! know what is in it.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::path::PathBuf;

/// Which home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Database {
    /// `database = "sqlite"`, or nothing: `registry.sqlite` in `data_dir`.
    #[default]
    Sqlite,
    /// A `[database]` table with `postgres`.
    Postgres(Postgres),
}

/// A database that several centers may share.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The connection string, as libpq reads it: `host=/run/postgresql
    /// dbname=iryonet user=iryonet`, or `postgresql://…`.
    pub postgres: String,
    /// Roots (PEM) of the server's certificate; needed when it is not on this
    /// machine.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// A file with the password, where the server wants one.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// Without the connection string, which may hold a password.
impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("trust", &self.trust)
            .field("password_file", &self.password_file)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Database;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(r#"database = "sqlite", or a [database] table with postgres = "…""#)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Database, E> {
                if word == "sqlite" {
                    Ok(Database::Sqlite)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Database, A::Error> {
                Postgres::deserialize(MapAccessDeserializer::new(map)).map(Database::Postgres)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
