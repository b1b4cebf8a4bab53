//! `iryonet ledger`: the record of every act, exported, proved, witnessed and
//! verified. What verifies needs nothing but files and public keys.

mod export;
mod files;
mod key;
mod prove;
mod source;
mod verify;
mod witness;

use super::operator::Center;
use crate::output;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// Arguments of `ledger`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the ledger into a file, one entry a line, with the checkpoint that
    /// was signed over it beside it.
    Export(export::Arguments),
    /// Verify an export offline: every entry, the chain, the signed root, and
    /// witnesses. Or, with --store, the chain of a center's database.
    Verify(verify::Arguments),
    /// Write a file that proves one entry by itself.
    Prove(prove::Arguments),
    /// Verify such a file offline.
    VerifyProof(prove::VerifyArguments),
    /// 鍵: make a key for the ledger's checkpoints or for a witness.
    Key(key::Arguments),
    /// 立会人: have the ledger's checkpoints cosigned from outside.
    Witness(witness::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let center = &arguments.center;
    let json = center.json();
    match &arguments.command {
        Command::Export(a) => export::run(a, center),
        Command::Verify(a) => verify::run(a, json),
        Command::Prove(a) => prove::run(a, center),
        Command::VerifyProof(a) => prove::verify(a, json),
        Command::Key(a) => key::run(a, json),
        Command::Witness(a) => witness::run(a, center),
    }
}

/// Says that something was verified, or how it was not. The exit status says
/// the same.
fn verdict(answer: &Value, json: bool) -> ExitCode {
    output::show(answer, json);
    if answer.get("ok") == Some(&Value::Bool(true)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// An error with its causes, for the answer.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
