//! `iryonet recheck`: how far the daily re-check is, and what a person says
//! after it has stopped.

use super::operator::Center;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `recheck`.
#[derive(Args)]
pub(crate) struct RecheckArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Recheck,
}

#[derive(Subcommand)]
enum Recheck {
    /// How far it is, and whether it waits for a person.
    Show,
    /// 確認: its findings are right; they are carried out.
    Confirm {
        /// The slot at which it stopped, as `show` names it.
        tick: u64,
        /// Also for a day from now on, without stopping again.
        #[arg(long)]
        whole_day: bool,
    },
    /// 棄却: its findings are a mistake; all stays as it is.
    Dismiss {
        /// The slot at which it stopped, as `show` names it.
        tick: u64,
        /// Why; recorded.
        #[arg(long)]
        reason: String,
        /// Also for a day from now on: it looks, and does nothing.
        #[arg(long)]
        whole_day: bool,
    },
}

pub(crate) fn recheck(arguments: RecheckArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Recheck::Show => center.get("/v1/recheck"),
        Recheck::Confirm { tick, whole_day } => center.act(
            "/v1/recheck/confirm",
            json!({"tick": tick, "whole_day": whole_day}),
        ),
        Recheck::Dismiss {
            tick,
            reason,
            whole_day,
        } => center.act(
            "/v1/recheck/dismiss",
            json!({"tick": tick, "reason": reason, "whole_day": whole_day}),
        ),
    }
}
