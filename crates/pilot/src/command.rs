//! Running other programs: with a deadline, with everything they said kept for
//! the error, and written as a person would type it.

use crate::error::PilotError;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Most of a program's output that is kept, per stream, in bytes.
const KEPT_BYTES: u64 = 1 << 20;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit status; `None`: it was killed at the deadline.
    pub(crate) status: Option<ExitStatus>,
    /// What it wrote.
    pub(crate) stdout: String,
    /// What it complained.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Done {
    /// Did it succeed?
    pub(crate) fn ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// The exit code, if it ended by itself.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

/// A program and its arguments, to be run within a time.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    words: Vec<String>,
    within: Duration,
    stdin: Option<String>,
}

impl Call {
    /// A call of `program`.
    pub(crate) fn new(program: impl Into<String>) -> Self {
        Self {
            words: vec![program.into()],
            within: Duration::from_secs(30),
            stdin: None,
        }
    }

    /// A call inside a network namespace. `nsenter` rather than `ip netns exec`:
    /// that one mounts a /sys of its own and hides the gateways' bpffs.
    pub(crate) fn inside(namespace: &str, program: impl Into<String>) -> Self {
        let mut call = Self::new("nsenter");
        call.words
            .push(format!("--net={}/{namespace}", crate::plan::NETNS_DIR));
        call.words.push("--".to_owned());
        call.words.push(program.into());
        call
    }

    /// One more argument.
    pub(crate) fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// A path as argument.
    pub(crate) fn path(self, path: &Path) -> Self {
        let word = path.display().to_string();
        self.arg(word)
    }

    /// More arguments.
    pub(crate) fn args<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Another deadline than 30 s.
    pub(crate) fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// What it reads.
    pub(crate) fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// As a person would type it.
    pub(crate) fn shown(&self) -> String {
        self.words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The words.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Runs it to its end or its deadline, whatever the outcome.
    ///
    /// # Errors
    /// When it could not be started.
    pub(crate) fn outcome(&self) -> Result<Done, PilotError> {
        let begun = Instant::now();
        let (program, rest) = self
            .words
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut child = Command::new(program)
            .args(rest)
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(PilotError::io(
                format!("could not start `{}`", self.shown()),
                program,
            ))?;
        let writer = child.stdin.take().zip(self.stdin.clone());
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        std::thread::scope(|scope| {
            if let Some((mut pipe, text)) = writer {
                // A program that does not read to the end is free to do so.
                scope.spawn(move || drop(std::io::Write::write_all(&mut pipe, text.as_bytes())));
            }
            let stdout = scope.spawn(move || kept(stdout));
            let stderr = scope.spawn(move || kept(stderr));
            let mut status = None;
            let mut pause = Duration::from_micros(500);
            loop {
                match child.try_wait() {
                    Ok(Some(ended)) => {
                        status = Some(ended);
                        break;
                    }
                    Ok(None) if begun.elapsed() < self.within => {
                        std::thread::sleep(pause);
                        pause = (pause * 2).min(Duration::from_millis(5));
                    }
                    Ok(None) | Err(_) => {
                        // Its children hold the pipes as well: `nsenter` and our
                        // own programs replace themselves or have none.
                        drop(child.kill());
                        drop(child.wait());
                        break;
                    }
                }
            }
            let took = begun.elapsed();
            Ok(Done {
                status,
                stdout: stdout.join().unwrap_or_default(),
                stderr: stderr.join().unwrap_or_default(),
                took,
            })
        })
    }

    /// Runs it and wants it to succeed. `what` stands in the error.
    ///
    /// # Errors
    /// When it could not be started, failed, or did not end in time.
    pub(crate) fn run(&self, what: &str) -> Result<Done, PilotError> {
        let done = self.outcome()?;
        if done.ok() {
            Ok(done)
        } else {
            Err(self.failed(what, &done))
        }
    }

    /// The error for an outcome that is none wanted.
    pub(crate) fn failed(&self, what: &str, done: &Done) -> PilotError {
        let outcome = match done.status {
            None => format!("it was still running after {} s", self.within.as_secs()),
            Some(status) => status.to_string(),
        };
        let mut output = String::new();
        for line in done.stderr.lines().chain(done.stdout.lines()).take(40) {
            output.push_str("\n  | ");
            output.push_str(line);
        }
        PilotError::Command {
            what: what.to_owned(),
            command: self.shown(),
            outcome,
            output,
        }
    }
}

fn kept(pipe: Option<impl Read>) -> String {
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let read = pipe.by_ref().take(KEPT_BYTES).read_to_end(&mut bytes);
    if read.is_ok() {
        // The rest is read and dropped, so that the program does not block.
        drop(std::io::copy(&mut pipe, &mut std::io::sink()));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./:=%,@+[]".contains(&b))
        || !word.is_ascii() && !word.contains([' ', '\'', '"']);
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_command_and_complaint() {
        let error = Call::new("sh")
            .args(["-c", "echo oh no >&2; exit 3"])
            .run("testing")
            .unwrap_err()
            .to_string();
        for wanted in [
            "testing failed",
            "sh -c 'echo oh no >&2; exit 3'",
            "3",
            "| oh no",
        ] {
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_command_that_hangs_is_ended_at_its_deadline() {
        let done = Call::new("sleep")
            .arg("60")
            .within(Duration::from_millis(50))
            .outcome()
            .unwrap();
        assert!(done.status.is_none() && done.took < Duration::from_secs(20));
    }

    #[test]
    fn what_a_command_reads_and_writes_goes_through() {
        let done = Call::new("cat").stdin("みなと").run("cat").unwrap();
        assert_eq!(done.stdout, "みなと");
    }
}
