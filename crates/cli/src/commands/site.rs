//! `iryonet site`: the institution's agent.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_site::Config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `site`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Settings {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "/etc/iryonet/site.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// 登録: make the key here and fetch the certificate with the one-time code.
    Enrol {
        #[command(flatten)]
        settings: Settings,
        /// The code from the letter. Given by the environment it stays out of
        /// the process list.
        #[arg(long, env = "IRYONET_ENROLMENT_CODE", hide_env_values = true)]
        code: String,
        /// Replace a certificate that is there (after a revocation, say).
        #[arg(long)]
        force: bool,
    },
    /// 接続: attach and stay attached, until SIGTERM.
    Run {
        #[command(flatten)]
        settings: Settings,
        /// Try once and tell what came of it.
        #[arg(long)]
        once: bool,
    },
    /// 状態: what the agent says of itself.
    Status {
        #[command(flatten)]
        settings: Settings,
        /// The answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Enrol {
            settings,
            code,
            force,
        } => {
            let config = Config::load(&settings.config)?;
            commands::runtime()?
                .block_on(iryonet_site::enrol(&config, &code, force))
                .context("登録できませんでした。 The site could not be enrolled")?;
            output::note(&format!(
                "登録しました。 Enrolled; key and certificate are in {}",
                config.state_dir.display()
            ));
        }
        Command::Run { settings, once } => {
            let config = Config::load(&settings.config)?;
            commands::runtime()?
                .block_on(iryonet_site::run(config, commands::stop_signal(), once))
                .context("the agent stopped")?;
        }
        Command::Status { settings, json } => {
            let config = Config::load(&settings.config)?;
            let status = iryonet_site::status(&config)?;
            output::show(&serde_json::to_value(status)?, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
