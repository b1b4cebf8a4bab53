//! What can go wrong in the datapath.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use iryonet_verdict::policy::PolicyError;
use thiserror::Error;

/// What can go wrong in the datapath.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// A configured value is out of range.
    #[error("datapath configuration: {what} has to be {wanted}")]
    Config {
        /// The value's name.
        what: &'static str,
        /// What would be right.
        wanted: String,
    },
    /// The folder for pins is not on a bpffs.
    #[error(
        "{path} is not on a bpffs, so nothing could be pinned there; mount one with \
         `mount -t bpf bpf {mount}`"
    )]
    NotBpffs {
        /// The folder.
        path: PathBuf,
        /// Where one would be mounted.
        mount: PathBuf,
    },
    /// A file of the pins could not be used.
    #[error("{action} {path}")]
    Pin {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The eBPF object could not be loaded.
    #[error("loading the eBPF object (this needs root, or CAP_BPF and CAP_NET_ADMIN)")]
    Load(#[source] Box<aya::EbpfError>),
    /// A program could not be loaded or attached.
    #[error("eBPF program {program}: {action}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A pinned link could not be used.
    #[error("eBPF link {link}: {action}")]
    Link {
        /// The link's name among the pins.
        link: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map could not be read or written.
    #[error("eBPF map {map}: {action}")]
    Map {
        /// The map's name.
        map: &'static str,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// A map's memory could not be mapped.
    #[error("eBPF map {map}: mapping its memory")]
    Mapping {
        /// The map's name.
        map: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The object lacks something that this loader expects.
    #[error("the eBPF object has no {what} `{name}`; rebuild it with `cargo xtask ebpf`")]
    ObjectLacks {
        /// Map or program.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// The interface is not the one that was meant.
    #[error("interface {name} has index {found:?}, not {ifindex}")]
    Interface {
        /// Name that was given.
        name: String,
        /// Index that was given.
        ifindex: u32,
        /// Index that the name has now.
        found: Option<u32>,
    },
    /// A participant or grant was refused.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A table is at its configured size.
    #[error("the table of {table} is full: it holds {max}")]
    Full {
        /// Which table.
        table: &'static str,
        /// Its size.
        max: u32,
    },
    /// An endpoint's address cannot be one.
    #[error(
        "{address} cannot be a service's endpoint: it has to lie in a participant's own prefix"
    )]
    EndpointAddress {
        /// The address.
        address: Ipv6Addr,
    },
    /// A base service's address cannot be one.
    #[error("{address} cannot be a base service: it has to lie in the prefix of number 0")]
    BaseAddress {
        /// The address.
        address: Ipv6Addr,
    },
    /// A protocol and port that are not carried.
    #[error(
        "protocol {protocol} port {port} cannot be served: TCP (6) and UDP (17) with ports from 1, \
         ICMPv6 echo (58) with port 0"
    )]
    EndpointPort {
        /// IANA protocol number.
        protocol: u8,
        /// Port.
        port: u16,
    },
    /// A /64 that is not the participant's.
    #[error("{prefix}/64 does not belong to participant {participant}")]
    PrefixNotOwned {
        /// The prefix.
        prefix: Ipv6Addr,
        /// The participant's number.
        participant: u32,
    },
    /// A /64 that another line carries.
    #[error("{prefix}/64 is bound to interface {ifindex} already; unbind it there first")]
    PrefixBound {
        /// The prefix.
        prefix: Ipv6Addr,
        /// The other line.
        ifindex: u32,
    },
    /// An interface whose index is beyond the table of bindings.
    #[error(
        "interface {ifindex} cannot be bound: indices up to {max} can; the kernel never gives an \
         index twice, so start this machine (or the namespace of the gateway) anew"
    )]
    InterfaceIndex {
        /// The interface.
        ifindex: u32,
        /// The greatest index that can be bound.
        max: u32,
    },
    /// A line that has no binding.
    #[error("interface {ifindex} has no binding that could be renewed")]
    NotBound {
        /// The line.
        ifindex: u32,
    },
    /// What the kernel reports about a map could not be read.
    #[error("reading what the kernel reports about map {map}")]
    Report {
        /// The map's name.
        map: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
