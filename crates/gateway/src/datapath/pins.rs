//! Pins: what keeps enforcing while no gateway process runs.
//!
//! `<pin_dir>/maps/<NAME>` are the tables, `<pin_dir>/links/<hook>-<ifindex>`
//! the links that hold a program at an interface.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, LinkError, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{ProgramError, TcAttachType};
use iryonet_verdict::Hook;
use nix::sys::statfs::{FsType, statfs};

use super::error::DatapathError;
use super::object::{Loaded, program_name};

/// The magic number of a bpffs (linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

#[derive(Debug)]
pub(super) struct Pins {
    maps: PathBuf,
    links: PathBuf,
}

impl Pins {
    pub(super) fn open(folder: &Path) -> Result<Self, DatapathError> {
        let existing = folder
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        if !is_bpffs(existing) {
            let mount = folder.parent().unwrap_or(folder).to_owned();
            return Err(DatapathError::NotBpffs {
                path: folder.to_owned(),
                mount,
            });
        }
        let pins = Self {
            maps: folder.join("maps"),
            links: folder.join("links"),
        };
        for path in [&pins.maps, &pins.links] {
            std::fs::create_dir_all(path).map_err(|source| DatapathError::Pin {
                action: "creating",
                path: path.clone(),
                source,
            })?;
        }
        Ok(pins)
    }

    pub(super) fn map_path(&self, name: &str) -> PathBuf {
        self.maps.join(name)
    }

    fn link_path(&self, hook: Hook, ifindex: u32) -> PathBuf {
        self.links.join(link_name(hook, ifindex))
    }

    pub(super) fn remove_maps(&self) -> Result<(), DatapathError> {
        for path in files(&self.maps)? {
            remove_file(&path)?;
        }
        Ok(())
    }

    /// Puts the loaded programs behind all pinned links, and tells the lines
    /// and backbone interfaces that have one. Links of interfaces that are gone
    /// are removed.
    pub(super) fn replace_programs(
        &self,
        loaded: &mut Loaded,
    ) -> Result<(Vec<u32>, Vec<u32>), DatapathError> {
        let mut lines = Vec::new();
        let mut backbones = Vec::new();
        for path in files(&self.links)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let parsed = Hook::ALL.into_iter().find_map(|hook| {
                let rest = name.strip_prefix(hook.as_str())?.strip_prefix('-')?;
                Some((hook, rest.parse::<u32>().ok()?))
            });
            let Some((hook, ifindex)) = parsed else {
                tracing::warn!(path = %path.display(), "not a pin of this gateway; left alone");
                continue;
            };
            if !replace_program(loaded, hook, &path, &name)? {
                tracing::info!(link = name, "the interface is gone; its link is removed");
                remove_file(&path)?;
                continue;
            }
            match hook {
                Hook::LineIn => lines.push(ifindex),
                Hook::BackboneIn => backbones.push(ifindex),
                Hook::LineOut => {}
            }
        }
        lines.sort_unstable();
        backbones.sort_unstable();
        Ok((lines, backbones))
    }
}

fn link_name(hook: Hook, ifindex: u32) -> String {
    format!("{}-{ifindex}", hook.as_str())
}

/// Where the link of a gateway is pinned.
pub(super) fn link_path(pin_dir: &Path, hook: Hook, ifindex: u32) -> PathBuf {
    pin_dir.join("links").join(link_name(hook, ifindex))
}

/// Tells `false` when the link's interface is gone.
fn replace_program(
    loaded: &mut Loaded,
    hook: Hook,
    path: &Path,
    name: &str,
) -> Result<bool, DatapathError> {
    let failed = |action: &'static str, source: Box<dyn std::error::Error + Send + Sync>| {
        DatapathError::Link {
            link: name.to_owned(),
            action,
            source,
        }
    };
    let pinned = PinnedLink::from_pin(path).map_err(|e| failed("opening", e.into()))?;
    let link = SchedClassifierLink::try_from(FdLink::from(pinned))
        .map_err(|e| failed("opening as a TCX link", e.into()))?;
    let program = loaded.program(program_name(hook))?;
    match program.attach_to_link(link) {
        Ok(id) => {
            // The pin holds the link; this process needs no hold of its own.
            let link = program
                .take_link(id)
                .map_err(|e| failed("taking", e.into()))?;
            let link = FdLink::try_from(link).map_err(|e| failed("taking", e.into()))?;
            drop(link);
            Ok(true)
        }
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOLINK) =>
        {
            Ok(false)
        }
        Err(error) => Err(failed("replacing the program behind it", error.into())),
    }
}

pub(super) fn attach(
    loaded: &mut Loaded,
    pins: Option<&Pins>,
    hook: Hook,
    ifindex: u32,
    name: &str,
) -> Result<(), DatapathError> {
    let found = nix::net::if_::if_nametoindex(name).ok();
    if found != Some(ifindex) {
        return Err(DatapathError::Interface {
            name: name.to_owned(),
            ifindex,
            found,
        });
    }
    let path = pins.map(|pins| pins.link_path(hook, ifindex));
    if path.as_ref().is_some_and(|path| path.exists()) {
        return Ok(());
    }
    let program_name = program_name(hook);
    let direction = match hook {
        Hook::LineIn | Hook::BackboneIn => TcAttachType::Ingress,
        Hook::LineOut => TcAttachType::Egress,
    };
    let failed = |action: &'static str, source: ProgramError| DatapathError::Program {
        program: program_name,
        action,
        source: Box::new(source),
    };
    let program = loaded.program(program_name)?;
    // First in line: nothing that others attach later sees what is refused here.
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program
        .attach_with_options(name, direction, options)
        .map_err(|e| failed("attaching", e))?;
    let Some(path) = path else {
        return Ok(());
    };
    let link_name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let link = program
        .take_link(id)
        .map_err(|e| failed("taking the link", e))?;
    let pin = |source: Box<dyn std::error::Error + Send + Sync>| DatapathError::Link {
        link: link_name.clone(),
        action: "pinning",
        source,
    };
    let link = FdLink::try_from(link).map_err(|e: LinkError| pin(e.into()))?;
    link.pin(&path).map_err(|e| pin(e.into()))?;
    Ok(())
}

pub(super) fn detach(
    loaded: &mut Loaded,
    pins: Option<&Pins>,
    hook: Hook,
    ifindex: u32,
) -> Result<(), DatapathError> {
    match pins {
        Some(pins) => remove_file(&pins.link_path(hook, ifindex)),
        // Without pins the links go with the programs, or with the interface.
        None => loaded.program(program_name(hook)).map(drop),
    }
}

pub(super) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type() == FsType(BPF_FS_MAGIC))
}

/// Removes all pins of a gateway, enforcement included: its interfaces are left
/// without any filter. Nothing to remove is no error.
///
/// # Errors
/// When a file cannot be removed.
pub fn remove_pins(pin_dir: &Path) -> Result<(), DatapathError> {
    for folder in [pin_dir.join("links"), pin_dir.join("maps")] {
        for path in files(&folder)? {
            remove_file(&path)?;
        }
        remove_folder(&folder)?;
    }
    remove_folder(pin_dir)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, DatapathError> {
    let failed = |source| DatapathError::Pin {
        action: "listing",
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn remove_file(path: &Path) -> Result<(), DatapathError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::Pin {
            action: "removing",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn remove_folder(path: &Path) -> Result<(), DatapathError> {
    match std::fs::remove_dir(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DatapathError::Pin {
            action: "removing",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
