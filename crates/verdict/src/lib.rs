//! May this packet pass?
//!
//! One function, [`decide`], compiled four times: into the eBPF programs at tc,
//! into the simulator, into `explain`, and into the tests that compare them.
//! It sees a packet through [`Packet`] and the tables through [`World`]; it
//! does no I/O, allocates nothing, and never panics.
//!
//! It must not know: the kernel, map types, the center, certificates, names of
//! participants. It knows numbers, addresses and generations only.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod address;
mod decide;
pub mod flows;
#[cfg(feature = "std")]
pub mod native;
mod packet;
#[cfg(feature = "std")]
pub mod policy;
mod reason;
pub mod slot;
mod transport;
mod walk;
mod world;

pub use decide::{Verdict, decide, decide_common, pass, refuse, run};
pub use packet::{ETHERNET_BYTES, Ipv6, Packet, protocol};
pub use reason::DenyReason;
pub use walk::{EXTENSION_HEADERS_MAX, Walk};
pub use world::{
    BINDING_WORDS, Binding, Denial, DropKey, EndpointKey, FRAGMENT_LIFETIME_NS, FlowKey, FlowValue,
    FragmentKey, FragmentValue, Hook, INTERFACES_MAX, LineCounters, ParticipantSlot,
    ParticipantState, Table, World, flow_idle_max_ns,
};
