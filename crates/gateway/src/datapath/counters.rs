//! What the programs counted, in words for the outside.

use std::net::Ipv6Addr;

use iryonet_verdict::{Denial, DenyReason, Hook};
use serde::{Serialize, Serializer};

/// Refused packets of one interface, participant and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DropCount {
    /// Interface index.
    pub ifindex: u32,
    /// On a line its bound participant, on the backbone the source's; 0 when
    /// there is none.
    pub participant: u32,
    /// Why.
    #[serde(serialize_with = "reason_name")]
    pub reason: DenyReason,
    /// How many.
    pub packets: u64,
}

/// Refused packets of one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReasonTotal {
    /// Why.
    #[serde(serialize_with = "reason_name")]
    pub reason: DenyReason,
    /// How many.
    pub packets: u64,
}

/// One refused packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DenialRecord {
    /// Which refused packet this is, counted since the tables were made.
    pub sequence: u64,
    /// When: monotonic nanoseconds.
    pub time_ns: u64,
    /// Interface index.
    pub ifindex: u32,
    /// As in [`DropCount`].
    pub participant: u32,
    /// Where it was looked at.
    #[serde(serialize_with = "hook_name")]
    pub hook: Hook,
    /// Why it was refused.
    #[serde(serialize_with = "reason_name")]
    pub reason: DenyReason,
    /// Source address; `::` when the frame was not IPv6.
    pub source: Ipv6Addr,
    /// Destination address; `::` when the frame was not IPv6.
    pub destination: Ipv6Addr,
    /// First next header.
    pub protocol: u8,
    /// Source port, 0 when it does not stand directly after the IPv6 header.
    pub source_port: u16,
    /// Destination port, likewise.
    pub destination_port: u16,
}

impl DenialRecord {
    pub(super) fn new(denial: &Denial) -> Option<Self> {
        let address =
            |[high, low]: [u64; 2]| Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
        Some(Self {
            sequence: denial.sequence,
            time_ns: denial.time_ns,
            ifindex: denial.ifindex,
            participant: denial.participant,
            hook: Hook::from_number(denial.hook)?,
            reason: DenyReason::from_number(denial.reason)?,
            source: address(denial.source),
            destination: address(denial.destination),
            protocol: denial.protocol,
            source_port: denial.source_port,
            destination_port: denial.destination_port,
        })
    }
}

fn reason_name<S: Serializer>(reason: &DenyReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

fn hook_name<S: Serializer>(hook: &Hook, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(hook.as_str())
}
