//! `iryonet ledger witness`: an outside witness without a network, and the
//! center's way to and from one.

use super::{files, source, told, verdict};
use crate::commands::operator::Center;
use crate::{commands, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iryonet_authority::files as key_files;
use iryonet_ledger::merkle::proof;
use iryonet_ledger::note::{NOTE_MAX_BYTES, parse_signatures};
use iryonet_ledger::witness::{REQUEST_MAX_BYTES, Request, Seen, cosign};
use iryonet_ledger::{KeyUse, Signed};
use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `ledger witness`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// At the center: write the last checkpoint and the proof that it adds to
    /// what the witness cosigned last. Any witness of the C2SP kind takes it.
    Request {
        #[command(flatten)]
        source: source::Where,
        /// Entries of the checkpoint that the witness cosigned last; 0 for the
        /// first time. If not said: of the last one that any witness cosigned.
        #[arg(long, value_name = "N")]
        old: Option<u64>,
        /// The request; must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// At the witness, offline: cosign a checkpoint, if it adds to what this
    /// witness saw before. A rollback or a fork is refused.
    Cosign {
        /// The request.
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
        /// This witness's secret key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The ledger's verifier key, or a file that holds it.
        #[arg(long, value_name = "VKEY")]
        log: String,
        /// This witness's memory of that ledger, one file. Whoever loses it
        /// begins again, and sees no rollback.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        /// There is no memory yet: this is the first checkpoint.
        #[arg(long)]
        first: bool,
        /// The cosigned checkpoint; must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// At the center: keep a cosignature with its checkpoint.
    Add {
        /// The cosigned checkpoint, as `cosign` wrote it; or the request, with
        /// --signatures.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The signature lines that a witness answered with.
        #[arg(long, value_name = "FILE")]
        signatures: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments, center: &Center) -> anyhow::Result<ExitCode> {
    let json = center.json();
    match &arguments.command {
        Command::Request { source, old, out } => request(source, center, *old, out),
        Command::Cosign {
            request,
            key,
            log,
            state,
            first,
            out,
        } => {
            let files = CosignFiles {
                request,
                key,
                state,
                out,
            };
            cosign_one(&files, log, *first, json)
        }
        Command::Add { file, signatures } => add(file, signatures.as_deref(), center),
    }
}

fn request(
    source: &source::Where,
    center: &Center,
    old: Option<u64>,
    out: &Path,
) -> anyhow::Result<ExitCode> {
    let source = source.open(center)?;
    let old = match old {
        Some(old) => old,
        // None yet is no trouble: it is the first time.
        None => source
            .checkpoint(true)
            .map_or(0, |signed| signed.checkpoint().size),
    };
    let checkpoint = source.checkpoint(false)?;
    let size = checkpoint.checkpoint().size;
    let request = Request {
        old,
        proof: proof::consistency(&mut source.nodes(size), old, size)??,
        checkpoint,
    };
    files::write_new(out, request.to_string().as_bytes())?;
    output::show(
        &json!({"file": out.display().to_string(), "old": old, "size": size}),
        center.json(),
    );
    Ok(ExitCode::SUCCESS)
}

struct CosignFiles<'a> {
    request: &'a Path,
    key: &'a Path,
    state: &'a Path,
    out: &'a Path,
}

fn cosign_one(
    paths: &CosignFiles<'_>,
    log: &str,
    first: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let key = files::signing_key(paths.key)?;
    key.verifier().clone().of_use(KeyUse::Witness)?;
    let log = files::verifier_key(log, KeyUse::Log)?;
    if paths.out.exists() {
        bail!("{} is there already", paths.out.display());
    }
    // Two at once could each cosign a tree that the other does not know.
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(files::beside(paths.state, ".lock"))
        .context("the lock beside the witness's memory cannot be made")?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| error)
        .context("another run of this witness is under way")?;
    let seen = match (paths.state.exists(), first) {
        (true, false) => {
            let bytes = files::read(paths.state, NOTE_MAX_BYTES as u64)?;
            let seen = Seen::open(&bytes, &log, key.verifier()).with_context(|| {
                format!(
                    "{} is not this witness's memory of that ledger",
                    paths.state.display()
                )
            })?;
            Some(seen)
        }
        (false, true) => None,
        (true, true) => bail!(
            "{} is there: this is not the first checkpoint, leave --first away",
            paths.state.display()
        ),
        (false, false) => bail!(
            "{} is not there: a witness without memory sees no rollback. If this is really the first checkpoint, say --first",
            paths.state.display()
        ),
    };
    let bytes = files::read(paths.request, REQUEST_MAX_BYTES as u64)?;
    let request = Request::parse(&bytes)
        .with_context(|| format!("{} is no request", paths.request.display()))?;
    let answer = match cosign(
        &key,
        &log,
        seen.as_ref(),
        &request,
        commands::now().0 / 1_000,
    ) {
        Ok(answer) => answer,
        Err(error) => {
            return Ok(verdict(&json!({"ok": false, "fault": told(&error)}), json));
        }
    };
    // Remembered before anybody sees it.
    let text = answer.to_string();
    key_files::replace(paths.state, text.as_bytes(), 0o600)?;
    files::write_new(paths.out, text.as_bytes())?;
    Ok(verdict(
        &json!({
            "ok": true,
            "file": paths.out.display().to_string(),
            "witness": key.verifier().to_string(),
            "origin": answer.checkpoint().origin.to_string(),
            "size": answer.checkpoint().size,
            "adds_to": seen.map_or(0, |seen| seen.checkpoint.size),
        }),
        json,
    ))
}

fn add(file: &Path, signatures: Option<&Path>, center: &Center) -> anyhow::Result<ExitCode> {
    center.somebody_acts()?;
    let bytes = files::read(file, REQUEST_MAX_BYTES as u64)?;
    let mut signed = match Request::parse(&bytes) {
        Ok(request) => request.checkpoint,
        Err(_) => {
            Signed::parse(&bytes).with_context(|| format!("{} is no checkpoint", file.display()))?
        }
    };
    if let Some(path) = signatures {
        let lines = files::read(path, NOTE_MAX_BYTES as u64)?;
        let lines = parse_signatures(&lines)
            .with_context(|| format!("{} holds no signature lines", path.display()))?;
        for line in lines {
            signed.add(line)?;
        }
    }
    let body = json!({"checkpoint": signed.to_string()});
    center.act("/v1/ledger/cosignatures", body)
}
