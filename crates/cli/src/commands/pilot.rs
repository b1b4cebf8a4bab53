//! `iryonet pilot`: a whole region on this machine.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_pilot::{Pilot, Region};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `pilot`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The region's file; the built-in region if not given.
    #[arg(long, global = true, value_name = "FILE")]
    region: Option<PathBuf>,
    /// Where the region's state lives; /run/iryonet/<region> if not given.
    #[arg(long, global = true, value_name = "DIR")]
    run_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Raise it; an earlier one of the same name goes down first.
    Up,
    /// Prove it, with real clients from the LAN hosts.
    Check {
        /// One JSON object per row.
        #[arg(long)]
        json: bool,
    },
    /// Take it down without a trace, also after a crash.
    Down,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let region = match Region::read(arguments.region.as_deref()) {
        Ok(region) => region,
        Err(error) => {
            // Shown with the line that is wrong, as the file stands.
            output::report(miette::Report::new(error));
            return Ok(ExitCode::from(1));
        }
    };
    let binary = std::env::current_exe().context("this program's own path is not known")?;
    let pilot = Pilot::new(region, arguments.run_dir, binary);
    let mut screen = std::io::stderr();
    match arguments.command {
        Command::Up => pilot.up(commands::now(), &mut screen)?,
        Command::Check { json } => {
            let proved = pilot.check(json, &mut std::io::stdout(), &mut screen)?;
            if !proved {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Down => {
            pilot.down(&mut screen)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
