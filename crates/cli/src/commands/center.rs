//! `iryonet center`: the control plane's daemon, and its first set-up.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_center::Config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `center`. Without a subcommand the daemon runs until SIGTERM.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "/etc/iryonet/center.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make database, policy key and the center's own certificate.
    Init {
        /// The settings.
        #[arg(long, value_name = "FILE", default_value = "/etc/iryonet/center.toml")]
        config: PathBuf,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Some(Command::Init { config }) => {
            let config = Config::load(&config)?;
            iryonet_center::init(&config).context("the center could not be set up")?;
            output::note(&format!(
                "the center is set up in {}",
                config.data_dir.display()
            ));
        }
        None => {
            let config = Config::load(&arguments.config)?;
            commands::runtime()?
                .block_on(iryonet_center::run(config, commands::stop_signal()))
                .context("the center stopped")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
