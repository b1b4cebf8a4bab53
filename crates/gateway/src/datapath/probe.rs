//! Asking the programs that are in force, from outside the daemon: would this
//! packet pass now? The packet goes nowhere (BPF_PROG_TEST_RUN); the tables are
//! the live ones, so a packet that passes may leave a conversation in them, and
//! one that is refused is counted, as any other.

use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{SchedClassifier, loaded_programs};
use iryonet_verdict::Hook;

use super::error::DatapathError;
use super::object::program_name;
use super::pins;
use super::run::{self, TestRun};

/// The program in force at one interface of a gateway on this machine.
#[derive(Debug)]
pub struct Probe {
    program: SchedClassifier,
    name: &'static str,
    ifindex: u32,
}

impl Probe {
    /// Finds the program behind the pinned link. It is the one in force now; a
    /// gateway that starts again puts another in its place.
    ///
    /// # Errors
    /// When there is no such pin, or the kernel refuses.
    pub fn open(pin_dir: &Path, hook: Hook, ifindex: u32) -> Result<Self, DatapathError> {
        let path: PathBuf = pins::link_path(pin_dir, hook, ifindex);
        let failed = |action: &'static str, source: Box<dyn std::error::Error + Send + Sync>| {
            DatapathError::Link {
                link: path.display().to_string(),
                action,
                source,
            }
        };
        let link = PinnedLink::from_pin(&path).map_err(|e| failed("opening", e.into()))?;
        let id = FdLink::from(link)
            .info()
            .map_err(|e| failed("asking about", e.into()))?
            .program_id();
        let info = loaded_programs()
            .filter_map(Result::ok)
            .find(|info| info.id() == id)
            .ok_or_else(|| failed("finding the program behind", "it is gone".into()))?;
        let name = program_name(hook);
        let program = SchedClassifier::from_program_info(info, name.into())
            .map_err(|e| failed("opening the program behind", e.into()))?;
        Ok(Self {
            program,
            name,
            ifindex,
        })
    }

    /// Gives it a packet as if it were on its interface. The calling thread
    /// must be in the network namespace of that interface.
    ///
    /// # Errors
    /// When the kernel refuses: no such interface here, or less than 14 bytes.
    pub fn ask(&self, packet: &[u8]) -> Result<TestRun, DatapathError> {
        run::ask(&self.program, self.name, self.ifindex, packet, 1)
    }
}
