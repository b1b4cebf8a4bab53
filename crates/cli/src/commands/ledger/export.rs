//! `iryonet ledger export`.

use super::{files, source};
use crate::commands::operator::Center;
use crate::output;
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use iryonet_ledger::export::{Claims, verify_signed};
use iryonet_ledger::merkle::proof;
use iryonet_ledger::range::Range;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ledger export`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: source::Where,
    /// Where to: FILE for the entries, FILE.checkpoint for what was signed, and
    /// FILE.range for a part. None of them may be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// First entry; 1 if not said.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Last entry; if not said, the last that the checkpoint covers.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Up to the last checkpoint that a witness has cosigned.
    #[arg(long)]
    cosigned: bool,
}

pub(super) fn run(arguments: &Arguments, center: &Center) -> anyhow::Result<ExitCode> {
    let source = arguments.source.open(center)?;
    let signed = source.checkpoint(arguments.cosigned)?;
    let size = signed.checkpoint().size;
    let (first, last) = (arguments.from.unwrap_or(1), arguments.to.unwrap_or(size));
    if first == 0 || first > last || last > size {
        bail!(
            "entries {first} to {last} cannot be exported: the checkpoint covers 1 to {size}; what was recorded since comes with the next one"
        );
    }
    let range = if (first, last) == (1, size) {
        None
    } else {
        let proof = proof::range(&mut source.nodes(size), first - 1, last, size)??;
        Some(Range { first, last, proof })
    };

    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&arguments.out)
        .with_context(|| {
            format!(
                "{} cannot be made; an export is never written over",
                arguments.out.display()
            )
        })?;
    let mut out = BufWriter::new(file);
    let bar = ProgressBar::with_draw_target(Some(last - first + 1), ProgressDrawTarget::stderr());
    source.write_entries(first, last, &mut out, &mut |at| {
        bar.set_position((at + 1).saturating_sub(first));
    })?;
    bar.finish_and_clear();
    out.flush()?;
    out.into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    files::write_new(
        &files::beside(&arguments.out, ".checkpoint"),
        signed.to_string().as_bytes(),
    )?;
    if let Some(range) = &range {
        files::write_new(
            &files::beside(&arguments.out, ".range"),
            range.to_string().as_bytes(),
        )?;
    }

    // Read again: what is handed over is what was signed. Who signed it, the
    // receiver finds out.
    let mut written = BufReader::new(std::fs::File::open(&arguments.out)?);
    let claims = Claims {
        checkpoint: signed.checkpoint(),
        range: range.as_ref(),
        older: None,
    };
    let audited = verify_signed(&mut written, &claims)
        .context("what was exported is not what the checkpoint was signed over")?;
    output::show(
        &json!({
            "file": arguments.out.display().to_string(),
            "checkpoint": files::beside(&arguments.out, ".checkpoint").display().to_string(),
            "range": range.map(|_| files::beside(&arguments.out, ".range").display().to_string()),
            "origin": signed.checkpoint().origin.to_string(),
            "first": audited.first,
            "last": audited.summary.tip.sequence,
            "size": size,
        }),
        center.json(),
    );
    Ok(ExitCode::SUCCESS)
}
