//! Taking a region down: processes, mounts with the pins in them, namespaces
//! with the interfaces in them, files. Works on what it finds, so also after a
//! crash or half a raising; looks afterwards whether anything is left.

use crate::error::PilotError;
use crate::net;
use crate::plan::Plan;
use crate::process::{self, wait_for};
use crate::screen::Steps;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long processes may take to end when asked.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long the kernel may take to free programs and maps (it does so after a
/// grace period).
const FREEING: Duration = Duration::from_secs(10);

/// What was taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Processes ended.
    pub processes: usize,
    /// Namespaces removed.
    pub namespaces: usize,
    /// Mounts undone.
    pub mounts: usize,
    /// BPF maps that were pinned, and programs that used them.
    pub maps_and_programs: usize,
}

/// Takes the region down and makes sure that nothing is left.
///
/// # Errors
/// When something cannot be removed, or is still there afterwards.
pub(crate) fn down(plan: &Plan, steps: &mut Steps<'_>) -> Result<Taken, PilotError> {
    let mut taken = Taken::default();
    let prefix = plan.namespace_prefix();
    let bpf = Bpf::of(plan)?;
    taken.maps_and_programs = bpf.maps.len() + bpf.programs.len();
    steps.step("ending the processes", || {
        let namespaces = net::existing(&prefix)?;
        taken.processes = end_all(plan, &namespaces);
        Ok(count(taken.processes, "process", "processes"))
    })?;
    steps.step("undoing the mounts (BPF pins go with them)", || {
        for mount in net::mounts_under(plan.run_dir())? {
            net::unmount(&mount)?;
            taken.mounts += 1;
        }
        Ok(count(taken.mounts, "mount", "mounts"))
    })?;
    steps.step("removing namespaces and interfaces", || {
        for namespace in net::existing(&prefix)? {
            net::remove(&namespace)?;
            taken.namespaces += 1;
        }
        Ok(count(taken.namespaces, "namespace", "namespaces"))
    })?;
    steps.step("removing the files", || {
        let dir = plan.run_dir();
        match std::fs::remove_dir_all(dir) {
            Ok(()) => Ok(dir.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok("none there".to_owned())
            }
            Err(error) => Err(PilotError::io("could not remove the run directory", dir)(
                error,
            )),
        }
    })?;
    steps.step("looking whether anything is left", || {
        // The kernel frees namespaces, programs and maps a moment later.
        let mut left = Vec::new();
        let gone = wait_for(FREEING, || {
            left = remains(plan, &prefix, &bpf)?;
            Ok::<_, PilotError>(left.is_empty().then_some(()))
        })?;
        match gone {
            Some(()) => Ok(
                "nothing: no namespace, interface, process, mount, BPF program or map".to_owned(),
            ),
            None => Err(PilotError::Left {
                region: plan.region().name.clone(),
                left: left.join(", "),
            }),
        }
    })?;
    Ok(taken)
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Ends every process of the region; asks all before it waits for any.
fn end_all(plan: &Plan, namespaces: &[String]) -> usize {
    let processes = process::all_of(plan, namespaces);
    for one in &processes {
        one.signal(Signal::SIGTERM);
    }
    for one in &processes {
        one.gone_within(PATIENCE);
    }
    // Also those that were started meanwhile, as workers of a server.
    for one in process::all_of(plan, namespaces) {
        one.signal(Signal::SIGKILL);
        one.gone_within(PATIENCE);
    }
    processes.len()
}

fn remains(plan: &Plan, prefix: &str, bpf: &Bpf) -> Result<Vec<String>, PilotError> {
    let mut left = net::existing(prefix)?
        .into_iter()
        .map(|name| format!("namespace {name}"))
        .collect::<Vec<_>>();
    for process in process::all_of(plan, &[]) {
        left.push(format!("process {process:?}"));
    }
    for mount in net::mounts_under(plan.run_dir())? {
        left.push(format!("mount {}", mount.display()));
    }
    if plan.run_dir().exists() {
        left.push(format!("directory {}", plan.run_dir().display()));
    }
    left.extend(processes_naming(plan.run_dir()));
    left.extend(bpf.remains());
    Ok(left)
}

/// Processes whose command line names a file of the region.
fn processes_naming(run_dir: &Path) -> Vec<String> {
    let mine = std::process::id().to_string();
    let needle = format!("{}/", run_dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| name.parse::<i32>().is_ok()) else {
            continue;
        };
        if pid == mine {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let first = line.split('\0').next().unwrap_or_default();
        // Only the region's own programs; an editor or `tail -f` of a log is
        // the person's who looks around.
        let ours = first.ends_with("iryonet") || first.contains("nginx");
        if ours && line.contains(&needle) {
            found.push(format!(
                "process {pid} ({})",
                line.replace('\0', " ").trim()
            ));
        }
    }
    found
}

/// The region's BPF maps, and the programs that use them, by the kernel's ids:
/// so that "none is left" is about these and not about another region's.
#[derive(Debug, Default)]
struct Bpf {
    maps: BTreeSet<u32>,
    programs: BTreeSet<u32>,
}

impl Bpf {
    fn of(plan: &Plan) -> Result<Self, PilotError> {
        let mut found = Self::default();
        for mount in net::mounts_under(plan.run_dir())? {
            found.pinned(&mount, 4);
        }
        found.programs = aya::programs::loaded_programs()
            .filter_map(Result::ok)
            .filter(|program| {
                matches!(program.map_ids(), Ok(Some(ids)) if ids.iter().any(|id| found.maps.contains(id)))
            })
            .map(|program| program.id())
            .collect();
        Ok(found)
    }

    fn pinned(&mut self, dir: &Path, depth: u8) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if depth > 0 {
                    self.pinned(&path, depth - 1);
                }
                continue;
            }
            // A pinned program or link answers here too, with its own id: only
            // what the kernel lists as a map of that name is one.
            let Ok(pin) = aya::maps::MapInfo::from_pin(&path) else {
                continue;
            };
            if aya::maps::MapInfo::from_id(pin.id()).is_ok_and(|map| map.name() == pin.name()) {
                self.maps.insert(pin.id());
            }
        }
    }

    fn remains(&self) -> Vec<String> {
        let mut left = Vec::new();
        for map in aya::maps::loaded_maps().filter_map(Result::ok) {
            if self.maps.contains(&map.id()) {
                left.push(format!("BPF map {}", map.id()));
            }
        }
        for program in aya::programs::loaded_programs().filter_map(Result::ok) {
            if self.programs.contains(&program.id()) {
                left.push(format!("BPF program {}", program.id()));
            }
        }
        left
    }
}
