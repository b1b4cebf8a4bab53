//! `iryonet ledger prove` and `verify-proof`: one entry, without the ledger.

use super::verify::{believed, cosignatures};
use super::{files, source, told, verdict};
use crate::commands::operator::Center;
use crate::output;
use anyhow::{Context, bail};
use clap::Args;
use iryonet_ledger::merkle::proof;
use iryonet_ledger::proof_file::{EntryProof, PROOF_FILE_MAX_BYTES};
use iryonet_ledger::{KeyUse, Outcome};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ledger prove`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: source::Where,
    /// Which entry.
    #[arg(long, value_name = "N")]
    entry: u64,
    /// The proof file; must not be there yet. By custom it ends in .tlog-proof.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// By the last checkpoint that a witness has cosigned.
    #[arg(long)]
    cosigned: bool,
}

pub(super) fn run(arguments: &Arguments, center: &Center) -> anyhow::Result<ExitCode> {
    let source = arguments.source.open(center)?;
    let checkpoint = source.checkpoint(arguments.cosigned)?;
    let size = checkpoint.checkpoint().size;
    let sequence = arguments.entry;
    let Some(index) = sequence.checked_sub(1).filter(|index| *index < size) else {
        bail!(
            "entry {sequence} cannot be proved: the checkpoint covers entries 1 to {size}; a later one is proved by the next checkpoint"
        );
    };
    let proof = EntryProof {
        entry: source.entry(sequence)?,
        path: proof::inclusion(&mut source.nodes(size), index, size)??,
        checkpoint,
    };
    let text = proof.to_text()?;
    files::write_new(&arguments.out, text.as_bytes())?;
    output::show(
        &json!({
            "file": arguments.out.display().to_string(),
            "entry": sequence,
            "size": size,
            "origin": proof.checkpoint.checkpoint().origin.to_string(),
        }),
        center.json(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `ledger verify-proof`.
#[derive(Args)]
pub(super) struct VerifyArguments {
    /// The proof file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The ledger's verifier key, or a file that holds it. Several, where the
    /// key was changed.
    #[arg(long, value_name = "VKEY", required = true)]
    key: Vec<String>,
    /// A witness's verifier key, or a file that holds it. Each that is given
    /// has to have cosigned.
    #[arg(long, value_name = "VKEY")]
    witness: Vec<String>,
}

pub(super) fn verify(arguments: &VerifyArguments, json: bool) -> anyhow::Result<ExitCode> {
    let keys = files::keys(&arguments.key, KeyUse::Log)?;
    let witnesses = files::keys(&arguments.witness, KeyUse::Witness)?;
    let bytes = files::read(&arguments.file, PROOF_FILE_MAX_BYTES)?;
    let bad = |fault: String| verdict(&json!({"ok": false, "fault": fault}), json);
    let proof = match EntryProof::parse(&bytes) {
        Ok(proof) => proof,
        Err(error) => {
            return Ok(bad(format!(
                "{} is no proof file: {}",
                arguments.file.display(),
                told(&error)
            )));
        }
    };
    if let Err(error) = believed(&proof.checkpoint, &keys) {
        return Ok(bad(told(&error)));
    }
    let key = keys
        .iter()
        .find(|key| proof.checkpoint.verify(key).is_ok())
        .context("no key was given")?;
    if let Err(error) = proof.verify(key) {
        return Ok(bad(told(&error)));
    }
    let cosigned = match cosignatures(&proof.checkpoint, &witnesses) {
        Ok(cosigned) => cosigned,
        Err(error) => return Ok(bad(told(&error))),
    };
    let entry = &proof.entry;
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let (accepted, events, refusal) = match &entry.outcome {
        Outcome::Accepted { events } => (true, read(events), Value::Null),
        Outcome::Refused { code, text } => {
            (false, Value::Null, json!({"code": code, "text": text}))
        }
    };
    Ok(verdict(
        &json!({
            "ok": true,
            "entry": entry.sequence,
            "at": entry.at.0,
            "actor": entry.actor.to_string(),
            "command": read(&entry.command),
            "accepted": accepted,
            "events": events,
            "refusal": refusal,
            "hash": entry.hash.to_string(),
            "origin": proof.checkpoint.checkpoint().origin.to_string(),
            "size": proof.checkpoint.checkpoint().size,
            "cosigned": cosigned,
        }),
        json,
    ))
}
