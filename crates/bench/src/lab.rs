//! Network namespaces for one measurement, taken away when it ends.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why the laboratory could not be set up, or a program in it failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces are root's.
    #[error(
        "this measurement makes network namespaces and loads eBPF programs: run it as root (sudo)"
    )]
    NotRoot,
    /// A program could not be started.
    #[error("{program} could not be started; `make setup` installs it")]
    Start {
        /// Which.
        program: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// As typed.
        command: String,
        /// Its standard error.
        said: String,
    },
    /// The system refused.
    #[error("could not {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Some namespaces with one prefix, gone when this is dropped.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    names: Vec<String>,
}

impl Lab {
    /// Makes the namespaces `iryb<pid>-<name>`.
    ///
    /// # Errors
    /// When not root, or `ip` refuses.
    pub fn new(names: &[&str]) -> Result<Self, LabError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        let mut lab = Self {
            prefix: format!("iryb{}-", std::process::id()),
            names: Vec::new(),
        };
        for name in names {
            let full = lab.name(name);
            lab.ip(None, &[format!("netns add {full}")])?;
            // From here on dropping it takes the namespace away.
            lab.names.push(full.clone());
            lab.run(
                name,
                "sysctl",
                &[
                    "-q",
                    "-w",
                    "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.all.accept_dad=0",
                    "net.ipv6.conf.default.accept_ra=0",
                    "net.ipv6.conf.default.router_solicitations=0",
                ],
            )?;
            lab.ip(Some(name), &["link set lo up".to_owned()])?;
        }
        Ok(lab)
    }

    /// The full name of a namespace.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The file that stands for it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new("/run/netns").join(self.name(name))
    }

    /// Moves the calling thread into a namespace. Programs that it starts, and
    /// sockets that it opens, are in there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self, name: &str) -> Result<(), LabError> {
        enter_file(&self.path(name))
    }

    /// Runs `ip` commands, in a namespace or outside of all.
    ///
    /// # Errors
    /// When one fails.
    pub fn ip(&self, inside: Option<&str>, lines: &[String]) -> Result<(), LabError> {
        let mut command = Command::new("ip");
        if let Some(name) = inside {
            command.args(["-n", &self.name(name)]);
        }
        command.args(["-batch", "-"]);
        finish(command, Some(&lines.join("\n"))).map(drop)
    }

    /// Runs a program inside a namespace to its end and returns what it wrote.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(&self, inside: &str, program: &str, words: &[&str]) -> Result<String, LabError> {
        finish(self.command(inside, program, words), None)
    }

    /// A program inside a namespace, not started yet.
    #[must_use]
    pub fn command(&self, inside: &str, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path(inside).display()))
            .arg("--")
            .arg(program);
        command.args(words).stdin(Stdio::null());
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            // Nothing to be done about a failure here but to go on.
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// A bpffs of one measurement, unmounted (and with it everything pinned on it)
/// when this is dropped.
#[derive(Debug)]
pub struct Bpffs {
    folder: tempfile::TempDir,
}

impl Bpffs {
    /// Mounts one.
    ///
    /// # Errors
    /// When the folder cannot be made or `mount` refuses.
    pub fn mount() -> Result<Self, LabError> {
        let folder = tempfile::tempdir().map_err(|source| LabError::System {
            what: "make a folder for the pins".to_owned(),
            source,
        })?;
        let mut command = Command::new("mount");
        command.args(["-t", "bpf", "bpf"]).arg(folder.path());
        finish(command, None)?;
        Ok(Self { folder })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // Nothing to be done about a failure here but to go on.
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

/// Moves the calling thread into the namespace that a file stands for.
///
/// # Errors
/// When the kernel refuses.
pub fn enter_file(path: &Path) -> Result<(), LabError> {
    let system = |source| LabError::System {
        what: format!("enter {}", path.display()),
        source,
    };
    let file = File::open(path).map_err(system)?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| system(errno.into()))
}

fn finish(mut command: Command, input: Option<&str>) -> Result<String, LabError> {
    let shown = format!("{command:?}");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command.spawn().map_err(|source| LabError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
        pipe.write_all(text.as_bytes())
            .map_err(|source| LabError::System {
                what: format!("write to {shown}"),
                source,
            })?;
    }
    let done = child
        .wait_with_output()
        .map_err(|source| LabError::System {
            what: format!("wait for {shown}"),
            source,
        })?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(LabError::Failed {
            command: shown,
            said: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        })
    }
}
