//! `iryonet gateway`: the edge's daemon, its enrolment, and what it refused.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_gateway::Config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `gateway`. Without a subcommand the daemon runs until SIGTERM;
/// what is enforced stays enforced after it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "/etc/iryonet/gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Settings {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "/etc/iryonet/gateway.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct Question {
    #[command(flatten)]
    settings: Settings,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make the gateway's key here and fetch its certificate with a one-time code.
    Enrol {
        #[command(flatten)]
        settings: Settings,
        /// The code. Given by the environment it stays out of the process list.
        #[arg(long, env = "IRYONET_ENROLMENT_CODE", hide_env_values = true)]
        code: String,
    },
    /// What it holds and whose lines are bound.
    Status(Question),
    /// What it refused, and why.
    Drops(Question),
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = commands::runtime()?;
    match arguments.command {
        None => {
            let config = Config::load(&arguments.config)?;
            runtime
                .block_on(iryonet_gateway::run(config, commands::stop_signal()))
                .context("the gateway stopped")?;
        }
        Some(Command::Enrol { settings, code }) => {
            let config = Config::load(&settings.config)?;
            runtime
                .block_on(iryonet_gateway::enrol(&config, &code))
                .context("the gateway could not be enrolled")?;
            output::note(&format!(
                "enrolled; key and certificate are in {}",
                config.state_dir.display()
            ));
        }
        Some(Command::Status(question)) => {
            let config = Config::load(&question.settings.config)?;
            let status =
                runtime.block_on(iryonet_gateway::control::status(&config.control_socket))?;
            output::show(&serde_json::to_value(status)?, question.json);
        }
        Some(Command::Drops(question)) => {
            let config = Config::load(&question.settings.config)?;
            let drops =
                runtime.block_on(iryonet_gateway::control::drops(&config.control_socket))?;
            output::show(&serde_json::to_value(drops)?, question.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
