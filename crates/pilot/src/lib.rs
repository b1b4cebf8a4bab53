//! A whole region of the network on one Linux machine: network namespaces, real
//! daemons, real clients. Raised (`up`), proved from outside (`check`), taken
//! down without a trace (`down`).
//!
//! Drives the `iryonet` program as a person would; it must know no other crate
//! than the nouns and the numbers of the wire.

mod check;
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

pub use check::Row;
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

    /// Proves the region that is up, with real clients. Progress goes to
    /// `screen`; the rows go to `out`: with `json` one object per row as soon
    /// as it is known, else a table at the end. True when every row is as
    /// expected.
    ///
    /// # Errors
    /// Without root, or when the region is not up.
    pub fn check(
        &self,
        json: bool,
        out: &mut dyn Write,
        screen: &mut dyn Write,
    ) -> Result<bool, PilotError> {
        self.root("check")?;
        let mut written = Ok(());
        let mut steps = screen::Steps::on(screen);
        let rows = check::check(self, &mut steps, &mut |row| {
            if json && written.is_ok() {
                written = serde_json::to_string(row)
                    .map_err(std::io::Error::other)
                    .and_then(|line| writeln!(out, "{line}"));
            }
        })?;
        if !json {
            written = writeln!(out, "{}", check::table(&rows));
        }
        written.map_err(PilotError::Screen)?;
        Ok(!rows.is_empty() && rows.iter().all(|row| row.ok))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> bool {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            eprintln!("SKIPPED: making network namespaces wants root");
        }
        root
    }

    /// A region of its own, so that it stands beside any that is up.
    fn pilot(name: &str, binary: &str) -> (tempfile::TempDir, Pilot) {
        let dir = tempfile::tempdir().unwrap();
        let region = Region::read(None).unwrap().renamed(name).unwrap();
        let run_dir = dir.path().join("run");
        (
            dir,
            Pilot::new(region, Some(run_dir), PathBuf::from(binary)),
        )
    }

    #[test]
    fn taking_down_what_is_not_there_is_no_error() {
        if !root() {
            return;
        }
        let (_dir, pilot) = pilot("tnothing", "true");
        assert_eq!(pilot.down(&mut std::io::sink()).unwrap(), Taken::default());
    }

    #[test]
    fn half_a_raising_says_what_failed_and_goes_down_without_a_trace() {
        if !root() {
            return;
        }
        let (_dir, pilot) = pilot("thalf", "false");
        let error = pilot
            .up(UnixMillis(0), &mut std::io::sink())
            .unwrap_err()
            .to_string();
        assert!(error.contains("making the root CA failed"), "{error}");
        assert!(error.contains("false authority init-root"), "{error}");
        let up = net::existing("iry-thalf-").unwrap();
        assert_eq!(up.len(), pilot.plan().namespaces().len());
        net::mount_bpffs(&pilot.plan().pin_dir("gw-a")).unwrap();
        let call = command::Call::inside(&up[0], "sleep").arg("600");
        let left = process::start(pilot.plan(), "left", &call).unwrap();
        let taken = pilot.down(&mut std::io::sink()).unwrap();
        assert_eq!(
            (taken.namespaces, taken.mounts, taken.processes),
            (up.len(), 1, 1)
        );
        assert!(!left.alive() && !pilot.plan().run_dir().exists());
        assert!(net::existing("iry-thalf-").unwrap().is_empty());
        assert!(
            net::mounts_under(pilot.plan().run_dir())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_check_of_a_region_that_is_not_up_says_so() {
        if !root() {
            return;
        }
        let (_dir, pilot) = pilot("tnotup", "true");
        let error = pilot
            .check(true, &mut std::io::sink(), &mut std::io::sink())
            .unwrap_err();
        assert!(matches!(error, PilotError::NotUp(_)), "{error}");
    }
}
