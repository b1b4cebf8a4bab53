//! The whole of it: a region of its own beside any that is up, raised, proved
//! with real clients, proved again, taken down without a trace.
//!
//! Wants root (network namespaces, BPF) and nginx, curl, openssl.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers stop the test at once, as its body does"
)]

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REGION: &str = include_str!("../../../pilot/region.toml");

/// What has to be in the table, by what stands in a row's `to` and `expected`.
const MUST_BE_SHOWN: &[(&str, &str)] = &[
    ("", "passes"),
    ("", "refused: no agreement"),
    ("LAN of ", "refused: no service there"),
    (" at port ", "refused: port of no service"),
    (" as ", "refused: spoofed source"),
    ("", "refused: agreed, but never attached"),
    ("LAN of ", "refused: an agreement is one-way"),
    ("a certificate of another CA", "refused: unknown authority"),
    ("an expired certificate", "refused: expired"),
    ("no certificate", "refused: no certificate"),
    ("TLS 1.3 only", "refused: protocol version"),
    ("a CBC suite only", "refused: no common suite"),
    ("from another line", "refused: wrong line"),
    ("running download", "stops within 1000 ms of revoke"),
    ("the revoked certificate", "refused: revoked"),
    ("", "passes, enrolled anew"),
    ("", "passes, center killed"),
    ("", "passes, center and gateway process killed"),
    ("", "refused: no agreement, gateway process killed"),
    ("snapshot", "resumes from it, center killed"),
    ("", "passes, gateway restarted, center killed"),
    (
        "",
        "refused: no agreement, gateway restarted, center killed",
    ),
    ("", "back: everything enforced"),
    ("attach while quarantined", "refused: quarantined"),
    ("", "passes, released from quarantine"),
];

struct Region {
    _dir: tempfile::TempDir,
    name: String,
    file: PathBuf,
    run_dir: PathBuf,
}

impl Region {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("t{}", std::process::id() % 1_000_000);
        let file = dir.path().join("region.toml");
        let text = REGION.replacen("name = \"demo\"", &format!("name = \"{name}\""), 1);
        assert_ne!(text, REGION, "the region's name was not replaced");
        std::fs::write(&file, text).unwrap();
        let run_dir = dir.path().join("run");
        Self {
            _dir: dir,
            name,
            file,
            run_dir,
        }
    }

    fn pilot(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_iryonet"))
            .arg("pilot")
            .args(words)
            .arg("--region")
            .arg(&self.file)
            .arg("--run-dir")
            .arg(&self.run_dir)
            .output()
            .unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.pilot(words);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "pilot {words:?}: {}\n{stdout}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        stdout
    }

    /// What is left of it, looked for without the pilot's own eyes.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let prefix = format!("iry-{}-", self.name);
        for entry in std::fs::read_dir("/run/netns")
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) {
                left.push(format!("namespace {name}"));
            }
        }
        let run = self.run_dir.display().to_string();
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&run))
                .map(str::to_owned),
        );
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            if words.contains(&run) {
                left.push(format!("process {words}"));
            }
        }
        if self.run_dir.exists() {
            left.push(run);
        }
        left
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Also after a failed assertion: nothing stays on the machine.
        drop(self.pilot(&["down"]));
    }
}

/// The kernel's ids of the maps pinned below a directory.
fn pinned_maps(dir: &Path) -> BTreeSet<u32> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            ids.extend(pinned_maps(&path));
        } else if let Ok(pin) = aya::maps::MapInfo::from_pin(&path) {
            // A pinned program answers here as well, with its own id.
            if aya::maps::MapInfo::from_id(pin.id()).is_ok_and(|map| map.name() == pin.name()) {
                ids.insert(pin.id());
            }
        }
    }
    ids
}

fn loaded_maps() -> BTreeSet<u32> {
    aya::maps::loaded_maps()
        .filter_map(Result::ok)
        .map(|map| map.id())
        .collect()
}

fn rows(stdout: &str) -> Vec<serde_json::Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(row: &'a serde_json::Value, name: &str) -> &'a str {
    row[name]
        .as_str()
        .unwrap_or_else(|| panic!("a row without {name}: {row}"))
}

fn missing(programs: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs
        .iter()
        .find(|program| !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        .map(|program| (*program).to_owned())
}

#[test]
fn a_region_is_raised_proved_twice_and_taken_down_without_a_trace() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED: raising a region wants root");
        return;
    }
    if let Some(program) = missing(&["ip", "nsenter", "nginx", "curl", "openssl"]) {
        eprintln!("SKIPPED: {program} is not installed (make setup)");
        return;
    }
    let region = Region::new();
    region.done(&["up"]);
    for time in ["first", "second"] {
        let rows = rows(&region.done(&["check", "--json"]));
        let wrong: Vec<_> = rows.iter().filter(|row| row["ok"] != true).collect();
        assert!(wrong.is_empty(), "{time} check: {wrong:#?}");
        for row in &rows {
            for name in ["from", "to", "line", "expected", "observed"] {
                text(row, name);
            }
            if text(row, "expected").starts_with("refused") {
                assert!(
                    row["reason"].is_string(),
                    "refused without a counted reason: {row}"
                );
            }
        }
        for (to, expected) in MUST_BE_SHOWN {
            assert!(
                rows.iter()
                    .any(|row| text(row, "to").contains(to) && text(row, "expected") == *expected),
                "{time} check: no row {to:?} {expected:?}"
            );
        }
    }
    let maps = pinned_maps(&region.run_dir);
    assert!(!maps.is_empty(), "a region that is up has maps");
    region.done(&["down"]);
    assert_eq!(region.left(), Vec::<String>::new());
    let left: Vec<_> = maps.intersection(&loaded_maps()).copied().collect();
    assert!(left.is_empty(), "BPF maps that are still there: {left:?}");
}

#[test]
fn a_region_that_cannot_be_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("region.toml");
    std::fs::write(
        &file,
        REGION.replacen("prefecture = 13", "prefecture = 48", 1),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args(["pilot", "up", "--region"])
        .arg(&file)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let line = REGION
        .lines()
        .position(|line| line == "prefecture = 13")
        .unwrap()
        + 1;
    assert!(stderr.contains(&format!("region.toml:{line}")), "{stderr}");
    // The message is wrapped to the width of a screen.
    let words: Vec<&str> = stderr
        .split([' ', '\n', '│'])
        .filter(|word| !word.is_empty())
        .collect();
    assert!(
        words.join(" ").contains("the 47 prefectures are 01 to 47"),
        "{stderr}"
    );
}
