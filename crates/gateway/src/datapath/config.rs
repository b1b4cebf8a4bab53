//! What a datapath is set up with, and what opening it found.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::error::DatapathError;

/// Most endpoints that a gateway may be configured for.
pub const ENDPOINTS_MAX: u32 = 131_072;
/// The smallest size of any table.
pub const MINIMUM_MAX: u32 = 16;
/// Most entries of a slot table: its two indices come from 32-bit hashes.
const SLOTS_MAX: u32 = 1 << 28;

/// Sizes and addresses of a gateway's datapath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folder on a bpffs that is this gateway's alone; it is made when missing.
    pub pin_dir: PathBuf,
    /// The network's prefix, as the upper bits of a 128-bit address.
    pub network: u128,
    /// Its length, at most 32.
    pub network_len: u8,
    /// The gateway's address on every line.
    pub gateway_link_local: Ipv6Addr,
    /// TCP port of attach on that address.
    pub attach_port: u16,
    /// TCP port of the enrolment relay on that address.
    pub enrol_port: u16,
    /// Most conversations; the least recently used gives way.
    pub flows_max: u32,
    /// Most participants.
    pub participants_max: u32,
    /// Most grants.
    pub grants_max: u32,
    /// Most service endpoints, at most [`ENDPOINTS_MAX`].
    pub endpoints_max: u32,
    /// Most lines.
    pub lines_max: u32,
}

impl Default for Config {
    /// The sizes of one national gateway: 600,000 institutions, 3 million
    /// grants, a million conversations.
    fn default() -> Self {
        Self {
            pin_dir: PathBuf::from("/sys/fs/bpf/iryonet"),
            network: 0x2001_0db8 << 96,
            network_len: 32,
            gateway_link_local: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            attach_port: 4430,
            enrol_port: 4431,
            flows_max: 1 << 20,
            participants_max: 1 << 20,
            grants_max: 4 << 20,
            endpoints_max: ENDPOINTS_MAX,
            lines_max: 16_384,
        }
    }
}

impl Config {
    /// The prefix padded to 32 bits.
    pub(super) fn network32(&self) -> u32 {
        (self.network >> 96) as u32
    }

    pub(super) fn check(&self) -> Result<(), DatapathError> {
        let bad = |what: &'static str, wanted: String| DatapathError::Config { what, wanted };
        if self.network_len == 0 || self.network_len > 32 {
            return Err(bad("network_len", "a prefix of /1 to /32".into()));
        }
        if self.network << self.network_len != 0 {
            return Err(bad(
                "network",
                format!("no bits set after the first {}", self.network_len),
            ));
        }
        if self.gateway_link_local.segments().get(..4) != Some(&[0xfe80, 0, 0, 0][..]) {
            return Err(bad("gateway_link_local", "an address in fe80::/64".into()));
        }
        if self.attach_port == 0 || self.enrol_port == 0 {
            return Err(bad("attach_port and enrol_port", "ports from 1".into()));
        }
        for (what, value, max) in [
            ("flows_max", self.flows_max, 1 << 26),
            ("participants_max", self.participants_max, 1 << 24),
            ("grants_max", self.grants_max, SLOTS_MAX),
            ("endpoints_max", self.endpoints_max, ENDPOINTS_MAX),
            ("lines_max", self.lines_max, 1 << 20),
        ] {
            if !(MINIMUM_MAX..=max).contains(&value) {
                return Err(bad(what, format!("{MINIMUM_MAX} to {max}, not {value}")));
            }
        }
        Ok(())
    }
}

/// Which site's /64 a line carries, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The participant's number.
    pub participant: u32,
    /// Upper 64 bits of the site's prefix.
    pub prefix: u64,
    /// End of the lease: monotonic nanoseconds.
    pub lease_expires_ns: u64,
}

/// What [`super::Datapath::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// No pins: the tables are new and empty.
    Fresh,
    /// The tables of an earlier process are in use, as it left them.
    Adopted {
        /// Participants in the table.
        participants: u32,
        /// Grants in the table.
        grants: u32,
        /// Endpoints in the table.
        endpoints: u32,
        /// Bindings by interface index; their leases may have ended.
        bindings: BTreeMap<u32, Binding>,
        /// Lines that are enforced on.
        lines: Vec<u32>,
        /// Backbone interfaces that are enforced on.
        backbones: Vec<u32>,
    },
    /// Pinned tables did not fit; new, empty ones took their place, and nothing
    /// passes until they are filled and lines attach again.
    Replaced {
        /// What did not fit.
        why: String,
        /// Lines that are enforced on.
        lines: Vec<u32>,
        /// Backbone interfaces that are enforced on.
        backbones: Vec<u32>,
    },
}
