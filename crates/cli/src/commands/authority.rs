//! `iryonet authority`: the ceremony of the root, and the issuing CA below it.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_authority::issuing::{ISSUING_LIFE_DAYS, IssuingSpec};
use iryonet_authority::signer::CaKey;
use iryonet_authority::{CaName, IssuingCa, RootCa};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `authority`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the root: on a machine without a network, once. Its key signs
    /// issuing CAs and nothing else; keep it offline.
    InitRoot {
        /// Folder for root.key and root.pem; must not hold them yet.
        #[arg(long)]
        out: PathBuf,
        /// Who runs the network.
        #[arg(long, default_value = "iryonet")]
        organisation: String,
        /// The root's own name.
        #[arg(long, default_value = "iryonet root CA")]
        name: String,
    },
    /// Make an issuing CA below the root. Take its folder to the center, never the root's.
    InitIssuing {
        /// Folder that holds root.key and root.pem.
        #[arg(long)]
        root: PathBuf,
        /// Folder for issuing.key, issuing.pem and a copy of root.pem.
        #[arg(long)]
        out: PathBuf,
        /// Who runs the network.
        #[arg(long, default_value = "iryonet")]
        organisation: String,
        /// The issuing CA's own name; another one for each.
        #[arg(long, default_value = "iryonet issuing CA 1")]
        name: String,
        /// Its life in days.
        #[arg(long, default_value_t = ISSUING_LIFE_DAYS)]
        life_days: u64,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut random = rand::rng();
    match arguments.command {
        Command::InitRoot {
            out,
            organisation,
            name,
        } => {
            let name = CaName {
                organisation,
                common_name: name,
            };
            RootCa::make(&out, &name, commands::now(), &mut random)
                .context("the root could not be made")?;
            output::note(&format!(
                "made {0}/root.key (keep it offline) and {0}/root.pem (give it to everybody)",
                out.display()
            ));
        }
        Command::InitIssuing {
            root,
            out,
            organisation,
            name,
            life_days,
        } => {
            let root = RootCa::load(&root).context("the root could not be read")?;
            let spec = IssuingSpec {
                name: CaName {
                    organisation,
                    common_name: name,
                },
                key: CaKey::P256,
                life_days,
            };
            IssuingCa::make(&root, &out, &spec, commands::now(), &mut random)
                .context("the issuing CA could not be made")?;
            output::note(&format!(
                "made {0}/issuing.key and {0}/issuing.pem; the center's issuing_dir is {0}",
                out.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
