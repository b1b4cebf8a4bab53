//! `iryonet document`: documents of applications, handed in before the
//! application that names them.

use super::operator::{Center, percent};
use crate::output;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hyper::body::Bytes;
use iryonet_agent::files;
use iryonet_center::client::Content;
use iryonet_domain::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest document, in bytes.
const MAX_BYTES: u64 = iryonet_registry::limits::DOCUMENT_MAX_BYTES;

/// Arguments of `document`.
#[derive(Args)]
pub(crate) struct DocumentArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Document,
}

#[derive(Subcommand)]
enum Document {
    /// 提出: hand in a document; an application names it by the SHA-256 that is
    /// answered. What no application names within a week is gone.
    Put {
        /// PDF, JPEG, PNG or text, at most 20 MiB.
        file: PathBuf,
        /// What it is called, where not as the file.
        #[arg(long)]
        name: Option<String>,
    },
    /// 取得: a document of a case, as it was handed in.
    Get {
        /// Case number.
        case: u64,
        /// SHA-256 of its bytes, 64 hexadecimal digits.
        sha256: Digest,
        /// Where it is written; never over a file that is there.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(crate) fn document(arguments: DocumentArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Document::Put { file, name } => {
            let answer = put(&center, &file, name.as_deref())?;
            output::show(&answer, center.json());
        }
        Document::Get { case, sha256, out } => {
            let path = format!("/v1/cases/{case}/documents/{sha256}");
            let octets = center.document("GET", &path, Content::None)?;
            iryonet_authority::files::write_new(&out, &octets, 0o600)?;
            let answer = json!({"sha256": sha256, "bytes": octets.len(), "file": out});
            output::show(&answer, center.json());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands in one file; what the center answers.
pub(crate) fn put(center: &Center, file: &Path, name: Option<&str>) -> anyhow::Result<Value> {
    center.somebody_acts()?;
    let shown = file.display();
    let Some(octets) = files::read_limited(file, MAX_BYTES)? else {
        bail!("there is no file {shown}");
    };
    let name = match name {
        Some(name) => name.to_owned(),
        None => file
            .file_name()
            .and_then(|name| name.to_str())
            .with_context(|| format!("{shown} has no name; say --name"))?
            .to_owned(),
    };
    let content = Content::Document {
        media_type: media_type(file)?.to_owned(),
        octets: Bytes::from(octets),
    };
    let path = format!("/v1/documents?name={}", percent(&name));
    let answer = center.document("POST", &path, content)?;
    Ok(serde_json::from_slice(&answer)?)
}

fn media_type(file: &Path) -> anyhow::Result<&'static str> {
    let ending = file
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    Ok(match ending.as_str() {
        "pdf" => "application/pdf",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "txt" => "text/plain",
        _ => bail!(
            "{} ends in none of .pdf, .jpg, .jpeg, .png and .txt; documents are of these kinds",
            file.display()
        ),
    })
}
