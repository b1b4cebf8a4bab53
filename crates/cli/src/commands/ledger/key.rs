//! `iryonet ledger key`.

use super::files;
use crate::output;
use clap::{Args, Subcommand, ValueEnum};
use iryonet_authority::files as key_files;
use iryonet_ledger::{KeyName, KeyUse, SigningKey};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ledger key`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key. The file is the secret (mode 0600); what is printed is for
    /// everybody.
    Make {
        /// Whose: an address without https://, as example.jp/ledger. For the
        /// ledger it is the origin line of every checkpoint.
        #[arg(long)]
        name: String,
        /// For the ledger itself, or for a witness.
        #[arg(long = "for", value_enum, default_value_t = Use::Log)]
        key_use: Use,
        /// The secret key's file; must not be there yet. A center looks for
        /// checkpoint.key in its data_dir.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the public half of a secret key.
    Show {
        /// The secret key's file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Use {
    Log,
    Witness,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> anyhow::Result<ExitCode> {
    let key = match &arguments.command {
        Command::Make { name, key_use, out } => {
            let key_use = match key_use {
                Use::Log => KeyUse::Log,
                Use::Witness => KeyUse::Witness,
            };
            let key = SigningKey::generate(KeyName::new(name)?, key_use)?;
            key_files::write_new(out, key.to_secret_text().as_bytes(), 0o600)?;
            key
        }
        Command::Show { file } => files::signing_key(file)?,
    };
    let verifier = key.verifier();
    output::show(
        &json!({
            "key": verifier.to_string(),
            "name": verifier.name().to_string(),
            "use": verifier.key_use().to_string(),
        }),
        json,
    );
    Ok(ExitCode::SUCCESS)
}
