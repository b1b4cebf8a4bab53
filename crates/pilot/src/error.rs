//! Why a region could not be raised, checked or taken down.

use std::path::PathBuf;
use std::time::Duration;

/// What went wrong, where to look, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PilotError {
    /// Namespaces, interfaces and BPF programs are the kernel's.
    #[error(
        "raising, checking and taking down a region changes the kernel's network and wants root; run `make pilot` (it builds as you and asks for sudo once), or `sudo {0}`"
    )]
    NotRoot(String),
    /// The region is not up.
    #[error("region {0} is not up; raise it first: `make pilot`, or `iryonet pilot up` as root")]
    NotUp(String),
    /// A program that the pilot calls is missing.
    #[error("{program} is not installed; run `make setup` (Debian package {package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// Where it comes from.
        package: &'static str,
    },
    /// A command failed.
    #[error("{what} failed\n  command: {command}\n  {outcome}{output}")]
    Command {
        /// What it was for.
        what: String,
        /// As a person would type it.
        command: String,
        /// Exit status, signal or time-out.
        outcome: String,
        /// What it said, each line indented; empty when it said nothing.
        output: String,
    },
    /// A command said something else than expected.
    #[error("{what}: the answer of `{command}` has no {missing}; it was: {answer}")]
    Answer {
        /// What it was for.
        what: String,
        /// The command.
        command: String,
        /// The missing part.
        missing: String,
        /// The beginning of what it said.
        answer: String,
    },
    /// Something did not become ready.
    #[error("{what} did not happen within {} s{detail}\n  log: {log}", .within.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// What was seen last; empty or beginning with a line break.
        detail: String,
        /// Where to look.
        log: PathBuf,
    },
    /// A process ended that should run.
    #[error("{process} ended by itself\n  log: {log}\n{tail}")]
    Died {
        /// Which.
        process: String,
        /// Where to look.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A file or system call.
    #[error("{what} ({path})")]
    Io {
        /// What was tried.
        what: String,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Taking down left something.
    #[error("region {region} is not wholly down; left: {left}")]
    Left {
        /// The region.
        region: String,
        /// What is left.
        left: String,
    },
    /// The screen could not be written to.
    #[error("the progress could not be written")]
    Screen(#[source] std::io::Error),
}

impl PilotError {
    /// An I/O error with what was tried on which path.
    pub(crate) fn io(
        what: impl Into<String>,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let (what, path) = (what.into(), path.into());
        move |source| Self::Io { what, path, source }
    }
}
