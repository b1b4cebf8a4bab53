//! `iryonet ledger`: is the record whole?

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_ledger::Verifier;
use iryonet_store::look;
use serde_json::json;
use std::process::ExitCode;

/// Entries read at once.
const PAGE: usize = 1_000;

/// Arguments of `ledger`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check every entry's hash and its place in the chain.
    Verify {
        #[command(flatten)]
        registry: commands::Registry,
        /// The answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Verify { registry, json } = &arguments.command;
    let place = registry.place()?;
    let home = place
        .open_read_only()
        .with_context(|| format!("the store {place} cannot be opened"))?;
    // One moment's state: what is being written meanwhile is not torn.
    let verified = look(&*home, |reader| {
        let mut verifier = Verifier::new();
        loop {
            let from = verifier.summary().tip.sequence + 1;
            let entries = reader.entries(from, PAGE)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                if let Err(fault) = verifier.take(entry) {
                    return Ok(Err(fault));
                }
            }
        }
        // The tip stands in a row of its own: an end cut off is noticed too.
        let tip = reader.tip()?;
        Ok(verifier.finish(Some(tip)))
    })?;
    match verified {
        Ok(summary) => {
            output::show(
                &json!({
                    "ok": true,
                    "entries": summary.tip.sequence,
                    "accepted": summary.accepted,
                    "refused": summary.refused,
                    "last_hash": summary.tip.hash.to_string(),
                }),
                *json,
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            output::show(
                &json!({"ok": false, "first_bad_entry": fault.sequence(), "fault": fault.to_string()}),
                *json,
            );
            Ok(ExitCode::from(1))
        }
    }
}
