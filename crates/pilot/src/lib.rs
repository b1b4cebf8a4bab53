//! A whole region of the network on one Linux machine: network namespaces, real
//! daemons, real clients. Raised (`up`), proved from outside (`check`), taken
//! down without a trace (`down`).
//!
//! Drives the `iryonet` program as a person would; it must know no other crate
//! than the nouns and the numbers of the wire.

mod command;
mod down;
mod error;
mod files;
mod net;
mod operator;
pub mod plan;
mod process;
pub mod region;
mod screen;
mod state;
mod up;

pub use down::Taken;
pub use error::PilotError;
pub use plan::Plan;
pub use region::{ReadError, Region, RegionError};

use iryonet_domain::UnixMillis;
use std::io::Write;
use std::path::PathBuf;

/// A region, and the program that drives it.
#[derive(Debug, Clone)]
pub struct Pilot {
    plan: Plan,
    binary: PathBuf,
}

impl Pilot {
    /// A pilot of this region. `run_dir`: where its state lives, by default
    /// `/run/iryonet/<region>`. `binary`: the `iryonet` program.
    #[must_use]
    pub fn new(region: Region, run_dir: Option<PathBuf>, binary: PathBuf) -> Self {
        Self {
            plan: Plan::new(region, run_dir),
            binary,
        }
    }

    /// The plan that it follows.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn operator(&self) -> operator::Operator {
        operator::Operator::new(&self.binary, &self.plan)
    }

    fn root(&self, verb: &str) -> Result<(), PilotError> {
        if nix::unistd::geteuid().is_root() {
            Ok(())
        } else {
            Err(PilotError::NotRoot(format!(
                "{} pilot {verb}",
                self.binary.display()
            )))
        }
    }

    /// Raises the region, telling each step on `screen`; an earlier one of the
    /// same name goes down first. Agreements begin at `now`.
    ///
    /// # Errors
    /// Without root, or when a step fails: the error names the command, what it
    /// said and the log.
    pub fn up(&self, now: UnixMillis, screen: &mut dyn Write) -> Result<(), PilotError> {
        self.root("up")?;
        let mut steps = screen::Steps::on(screen);
        steps.say(&format!(
            "Raising region {} in {}",
            self.plan.region().name,
            self.plan.run_dir().display()
        ))?;
        let state = up::up(self, now, &mut steps)?;
        up::tour(self, &state, &mut steps)
    }

    /// Takes the region down, also a half-raised or crashed one, and makes sure
    /// that nothing is left.
    ///
    /// # Errors
    /// Without root, or when something is left; the error names it.
    pub fn down(&self, screen: &mut dyn Write) -> Result<Taken, PilotError> {
        self.root("down")?;
        let mut steps = screen::Steps::on(screen);
        steps.say(&format!("Taking down region {}", self.plan.region().name))?;
        down::down(&self.plan, &mut steps)
    }
}
