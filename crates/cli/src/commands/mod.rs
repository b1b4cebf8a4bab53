//! The subcommands, one file per room of the house.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod case;
pub(crate) mod center;
pub(crate) mod check;
pub(crate) mod document;
pub(crate) mod gateway;
pub(crate) mod ledger;
pub(crate) mod operator;
pub(crate) mod pilot;
pub(crate) mod recheck;
pub(crate) mod registry;
pub(crate) mod rules;
pub(crate) mod service_catalogue;
pub(crate) mod session;
pub(crate) mod site;

use anyhow::Context;
use clap::Args;
use iryonet_domain::UnixMillis;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, read here and handed in.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A runtime for the daemons and clients.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")
}

/// Completes when the process is asked to stop (SIGTERM, SIGINT).
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("signals cannot be watched; stop this process with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop (SIGTERM)"),
        _ = interrupt.recv() => tracing::info!("asked to stop (SIGINT)"),
    }
}

/// A registry that a command opens by itself.
#[derive(Args)]
pub(crate) struct Registry {
    /// The registry: a file (registry.sqlite), or a database of PostgreSQL's as
    /// "host=/run/postgresql dbname=iryonet"; PGPASSFILE and the like are not read.
    #[arg(
        long,
        global = true,
        value_name = "FILE|CONNECTION",
        env = "IRYONET_STORE",
        default_value = "registry.sqlite",
        hide_env_values = true
    )]
    store: String,
    /// Roots (PEM) of the database server's certificate, when it is elsewhere.
    #[arg(long, global = true, value_name = "FILE", env = "IRYONET_STORE_TRUST")]
    store_trust: Option<std::path::PathBuf>,
    /// A file with the database's password.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "IRYONET_STORE_PASSWORD_FILE"
    )]
    store_password_file: Option<std::path::PathBuf>,
}

impl Registry {
    pub(crate) fn place(&self) -> anyhow::Result<iryonet_store::Place> {
        place(
            &self.store,
            self.store_trust.as_deref(),
            self.store_password_file.as_deref(),
        )
    }
}

/// A registry that a command opens by itself where it is named, in place of
/// asking a center.
#[derive(Args)]
pub(crate) struct SomeRegistry {
    /// Read this registry instead, also while a center runs on it: a file
    /// (registry.sqlite), or a database of PostgreSQL's as
    /// "host=/run/postgresql dbname=iryonet"; PGPASSFILE and the like are not read.
    #[arg(long, value_name = "FILE|CONNECTION")]
    store: Option<String>,
    /// Roots (PEM) of the database server's certificate, when it is elsewhere.
    #[arg(long, value_name = "FILE", env = "IRYONET_STORE_TRUST")]
    store_trust: Option<std::path::PathBuf>,
    /// A file with the database's password.
    #[arg(long, value_name = "FILE", env = "IRYONET_STORE_PASSWORD_FILE")]
    store_password_file: Option<std::path::PathBuf>,
}

impl SomeRegistry {
    /// Opens it; nothing where none is named.
    pub(crate) fn open_read_only(&self) -> anyhow::Result<Option<Arc<dyn iryonet_store::Store>>> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let place = place(
            store,
            self.store_trust.as_deref(),
            self.store_password_file.as_deref(),
        )?;
        let opened = place
            .open_read_only()
            .with_context(|| format!("the store {place} cannot be opened"))?;
        Ok(Some(opened))
    }
}

fn place(
    store: &str,
    trust: Option<&Path>,
    password_file: Option<&Path>,
) -> anyhow::Result<iryonet_store::Place> {
    let named = iryonet_store::Place::named(store, trust)?;
    Ok(match (named, password_file) {
        (iryonet_store::Place::Postgres(_), Some(file)) => {
            iryonet_store::Place::postgres(store, trust, Some(file))?
        }
        (place, _) => place,
    })
}
