//! `iryonet ledger verify`: an export against a signed checkpoint, offline; or
//! the chain of a database.

use super::{files, told, verdict};
use crate::commands::SomeRegistry;
use anyhow::Context;
use clap::Args;
use iryonet_ledger::checkpoint::CheckpointError;
use iryonet_ledger::export::{Claims, verify_signed};
use iryonet_ledger::range::{RANGE_MAX_BYTES, Range};
use iryonet_ledger::{KeyUse, Signed, Verifier, VerifierKey};
use iryonet_store::{Store, look};
use serde_json::{Value, json};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Entries read at once.
const PAGE: usize = 64;

/// Arguments of `ledger verify`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The export. FILE.checkpoint is beside it, and FILE.range for a part.
    #[arg(
        value_name = "EXPORT",
        required_unless_present = "store",
        conflicts_with = "store",
        requires = "key"
    )]
    export: Option<PathBuf>,
    /// The ledger's verifier key, or a file that holds it. Several, where the
    /// key was changed.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// A witness's verifier key, or a file that holds it: has this one cosigned
    /// the checkpoint? Each that is given has to.
    #[arg(long, value_name = "VKEY", requires = "export")]
    witness: Vec<String>,
    /// The checkpoint, if it is not EXPORT.checkpoint.
    #[arg(long, value_name = "FILE", requires = "export")]
    checkpoint: Option<PathBuf>,
    /// The part's file, if it is not EXPORT.range.
    #[arg(long, value_name = "FILE", requires = "export")]
    range: Option<PathBuf>,
    /// A checkpoint kept from earlier: does this ledger only add to it?
    #[arg(long, value_name = "FILE", requires = "export")]
    older: Option<PathBuf>,
    #[command(flatten)]
    registry: SomeRegistry,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> anyhow::Result<ExitCode> {
    if let Some(export) = &arguments.export {
        return of_export(arguments, export, json);
    }
    match arguments.registry.open_read_only()? {
        Some(store) => of_store(&*store, json),
        None => anyhow::bail!("what is to be verified? An EXPORT, or --store FILE"),
    }
}

fn of_export(arguments: &Arguments, export: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let keys = files::keys(&arguments.key, KeyUse::Log)?;
    let witnesses = files::keys(&arguments.witness, KeyUse::Witness)?;
    let checkpoint_file = arguments
        .checkpoint
        .clone()
        .unwrap_or_else(|| files::beside(export, ".checkpoint"));
    let signed = files::read_checkpoint(&checkpoint_file)?;
    let older = match &arguments.older {
        Some(path) => Some(files::read_checkpoint(path)?),
        None => None,
    };
    let range = read_range(arguments, export)?;
    let input = std::fs::File::open(export)
        .with_context(|| format!("{} cannot be opened", export.display()))?;

    // Keys first: what nobody has signed need not be read.
    if let Err(error) = believed(&signed, &keys) {
        return Ok(bad("the checkpoint is not believed", &error, None, json));
    }
    if let Some(older) = &older
        && let Err(error) = believed(older, &keys)
    {
        return Ok(bad(
            "the older checkpoint is not believed",
            &error,
            None,
            json,
        ));
    }
    let cosigned = match cosignatures(&signed, &witnesses) {
        Ok(cosigned) => cosigned,
        Err(error) => {
            return Ok(bad(
                "the checkpoint is not cosigned as wanted",
                &error,
                None,
                json,
            ));
        }
    };
    let claims = Claims {
        checkpoint: signed.checkpoint(),
        range: range.as_ref(),
        older: older.as_ref().map(Signed::checkpoint),
    };
    match verify_signed(&mut BufReader::new(input), &claims) {
        Err(error) => Ok(bad(
            "the export is not what was signed",
            &error,
            error.sequence(),
            json,
        )),
        Ok(audited) => {
            let summary = audited.summary;
            Ok(verdict(
                &json!({
                    "ok": true,
                    "origin": signed.checkpoint().origin.to_string(),
                    "size": signed.checkpoint().size,
                    "root": signed.checkpoint().root.to_string(),
                    "first": audited.first,
                    "last": summary.tip.sequence,
                    "accepted": summary.accepted,
                    "refused": summary.refused,
                    "last_hash": summary.tip.hash.to_string(),
                    "last_at": summary.tip.at.0,
                    "cosigned": cosigned,
                    "adds_to": older.map(|older| older.checkpoint().size),
                }),
                json,
            ))
        }
    }
}

fn read_range(arguments: &Arguments, export: &Path) -> anyhow::Result<Option<Range>> {
    let beside = files::beside(export, ".range");
    let path = match &arguments.range {
        Some(path) => path,
        None if beside.exists() => &beside,
        None => return Ok(None),
    };
    let bytes = files::read(path, RANGE_MAX_BYTES as u64)?;
    Range::parse(&bytes)
        .map(Some)
        .with_context(|| format!("{} does not say which part it is", path.display()))
}

/// Has one of these keys signed it?
pub(super) fn believed(signed: &Signed, keys: &[VerifierKey]) -> Result<(), CheckpointError> {
    let mut last = Ok(());
    for key in keys {
        last = signed.verify(key);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// When each of these witnesses cosigned it.
pub(super) fn cosignatures(
    signed: &Signed,
    witnesses: &[VerifierKey],
) -> Result<Vec<Value>, CheckpointError> {
    witnesses
        .iter()
        .map(|witness| {
            let cosigned = signed.cosigned(witness)?;
            Ok(json!({"witness": witness.name().to_string(), "at_s": cosigned.at_s}))
        })
        .collect()
}

fn bad(
    what: &str,
    error: &(dyn std::error::Error + 'static),
    first_bad_entry: Option<u64>,
    json: bool,
) -> ExitCode {
    verdict(
        &json!({"ok": false, "what": what, "first_bad_entry": first_bad_entry, "fault": told(error)}),
        json,
    )
}

/// The chain of a database: every entry's hash and its place. Who owns the
/// database can make a chain anew; only a signed export shows that.
fn of_store(store: &dyn Store, json: bool) -> anyhow::Result<ExitCode> {
    // One moment's state: what is being written meanwhile is not torn.
    let verified = look(store, |reader| {
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
    Ok(match verified {
        Ok(summary) => verdict(
            &json!({
                "ok": true,
                "entries": summary.tip.sequence,
                "accepted": summary.accepted,
                "refused": summary.refused,
                "last_hash": summary.tip.hash.to_string(),
            }),
            json,
        ),
        Err(fault) => verdict(
            &json!({"ok": false, "first_bad_entry": fault.sequence(), "fault": fault.to_string()}),
            json,
        ),
    })
}
