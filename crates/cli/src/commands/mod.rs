//! The subcommands, one file per room of the house.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod center;
pub(crate) mod check;
pub(crate) mod gateway;
pub(crate) mod ledger;
pub(crate) mod operator;
pub(crate) mod pilot;
pub(crate) mod registry;
pub(crate) mod session;
pub(crate) mod site;

use anyhow::Context;
use iryonet_domain::UnixMillis;
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
