//! The region's processes: started in their namespaces so that they outlive
//! this program, watched until they are ready, ended.

use crate::command::Call;
use crate::error::PilotError;
use crate::plan::{NETNS_DIR, Plan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One running process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The process with this number, if there is one that still runs.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc_pid_stat(5): the name in parentheses may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        if matches!(fields.next(), Some("Z" | "X") | None) {
            return None;
        }
        let started = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Does this very process still run?
    pub(crate) fn alive(self) -> bool {
        if self.reap() {
            return false;
        }
        Self::of(self.pid) == Some(self)
    }

    /// Takes the exit status of a child of ours, so that no zombie stays.
    fn reap(self) -> bool {
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        matches!(
            waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
        )
    }

    /// Sends a signal, if it still is this very process.
    pub(crate) fn signal(self, signal: Signal) {
        if self.alive() {
            // Gone between look and signal: just what was wanted.
            let _gone = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Ends it: asks first, kills after `patience`.
    pub(crate) fn end(self, patience: Duration) {
        self.signal(Signal::SIGTERM);
        if !self.gone_within(patience) {
            self.signal(Signal::SIGKILL);
            self.gone_within(Duration::from_secs(5));
        }
    }

    /// Waits until it is gone.
    pub(crate) fn gone_within(self, patience: Duration) -> bool {
        wait_for(patience, || {
            Ok::<_, PilotError>((!self.alive()).then_some(()))
        })
        .is_ok_and(|gone| gone.is_some())
    }
}

/// Starts `call` as a process of its own session, its output in its log.
///
/// # Errors
/// When it cannot be started, or its log and pid file not be written.
pub(crate) fn start(plan: &Plan, name: &str, call: &Call) -> Result<Process, PilotError> {
    let log_path = plan.log(name);
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(PilotError::io("could not open the log", &log_path))?;
    let copy = |file: &File| {
        file.try_clone()
            .map_err(PilotError::io("could not open the log", &log_path))
    };
    drop(std::io::Write::write_all(
        &mut log,
        format!("--- {}\n", call.shown()).as_bytes(),
    ));
    let child = Command::new("setsid")
        .args(call.words())
        .stdin(Stdio::null())
        .stdout(copy(&log)?)
        .stderr(copy(&log)?)
        .spawn()
        .map_err(PilotError::io(
            format!("could not start `setsid {}`", call.shown()),
            "setsid",
        ))?;
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    let died = || PilotError::Died {
        process: name.to_owned(),
        log: log_path.clone(),
        tail: tail(&log_path, 12),
    };
    let process = Process::of(pid).ok_or_else(died)?;
    let file = plan.pid_file(name);
    std::fs::write(&file, format!("{} {}\n", process.pid, process.started))
        .map_err(PilotError::io("could not write the pid file", file))?;
    Ok(process)
}

/// The process of a pid file, if it still runs.
pub(crate) fn recorded(plan: &Plan, name: &str) -> Option<Process> {
    read_pid_file(&plan.pid_file(name))
}

fn read_pid_file(path: &Path) -> Option<Process> {
    let text = std::fs::read_to_string(path).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let process = Process {
        pid: pid.parse().ok()?,
        started: started.parse().ok()?,
    };
    process.alive().then_some(process)
}

/// Every process that is in one of these namespaces or in a pid file under the
/// run directory.
pub(crate) fn all_of(plan: &Plan, namespaces: &[String]) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let inodes: Vec<(u64, u64)> = namespaces
        .iter()
        .filter_map(|name| std::fs::metadata(Path::new(NETNS_DIR).join(name)).ok())
        .map(|meta| (meta.dev(), meta.ino()))
        .collect();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let inside = std::fs::metadata(entry.path().join("ns/net"))
            .is_ok_and(|meta| inodes.contains(&(meta.dev(), meta.ino())));
        if inside {
            found.extend(Process::of(pid));
        }
    }
    for entry in std::fs::read_dir(plan.path("pids"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if let Some(process) = read_pid_file(&entry.path())
            && !found.contains(&process)
        {
            found.push(process);
        }
    }
    found
}

/// Waits until `look` finds something, at most `within`; `None` after that.
///
/// # Errors
/// Those of `look`.
pub(crate) fn wait_for<T, E>(
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if begun.elapsed() >= within {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Waits until `look` says so while the process lives; an error names its log.
///
/// # Errors
/// When it dies, or is not ready in time.
pub(crate) fn ready<T>(
    plan: &Plan,
    name: &str,
    process: Process,
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, PilotError> {
    let log = plan.log(name);
    wait_for(within, || {
        if let Some(found) = look() {
            return Ok(Some(found));
        }
        if process.alive() {
            Ok(None)
        } else {
            Err(PilotError::Died {
                process: name.to_owned(),
                log: log.clone(),
                tail: tail(&log, 12),
            })
        }
    })?
    .ok_or_else(|| PilotError::Timeout {
        what: what.to_owned(),
        within,
        detail: format!("\n{}", tail(&log, 12)),
        log: log.clone(),
    })
}

/// The last lines of a file, indented.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_is_told_apart_from_one_that_runs() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(process.alive());
        let later = Process {
            started: process.started + 1,
            ..process
        };
        assert!(
            !later.alive(),
            "another process with the same number is not this one"
        );
        process.end(Duration::from_secs(5));
        assert!(!process.alive());
        drop(child.wait());
    }
}
