//! Network namespaces for one measurement, taken away when it ends.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every name of this laboratory begins with; the process's number follows.
const PREFIX: &str = "iryb";

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
        sweep();
        let mut lab = Self {
            prefix: format!("{PREFIX}{}-", std::process::id()),
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

/// Takes away what measurements left that were killed: a killed process runs no
/// destructor, and its namespaces, with whatever still runs in them, would stay.
fn sweep() {
    let left = |folder: &Path| -> Vec<PathBuf> {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        names
            .map(|entry| entry.path())
            .filter(|path| owner(path).is_some_and(|pid| !Path::new("/proc").join(pid).exists()))
            .collect()
    };
    for namespace in left(Path::new("/run/netns")) {
        let name = namespace.file_name().unwrap_or_default();
        let pids = Command::new("ip")
            .args(["netns", "pids"])
            .arg(name)
            .output();
        let pids = pids.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
        for pid in pids.unwrap_or_default().split_whitespace() {
            if let Ok(pid) = pid.parse() {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        }
        let _ = Command::new("ip")
            .args(["netns", "delete"])
            .arg(name)
            .status();
    }
    for mount in left(&std::env::temp_dir()) {
        let _ = Command::new("umount")
            .arg(&mount)
            .stderr(Stdio::null())
            .status();
        let _ = std::fs::remove_dir(&mount);
    }
}

/// The process that made a namespace or folder of this sort.
fn owner(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (pid, _) = name.split_once('-')?;
    pid.parse::<u32>().ok().map(|pid| pid.to_string())
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
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir()
            .map_err(|source| LabError::System {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_laboratory_made_has_an_owner() {
        assert_eq!(
            owner(Path::new("/run/netns/iryb4711-g")),
            Some("4711".to_owned())
        );
        for other in [
            "iry-demo-gw-a",
            "iryb-g",
            "iryb4711",
            "irybx-g",
            "other4711-g",
        ] {
            assert_eq!(owner(&Path::new("/run/netns").join(other)), None, "{other}");
        }
    }
}
