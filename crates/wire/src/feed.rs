//! The policy feed: a signed snapshot of what one gateway must hold, and signed
//! deltas by ledger revision. A stream is only the wake-up; these are the
//! contract.
//!
//! Encoding: postcard, inside the envelope of [`crate::signed`]. Everything is
//! listed in ascending order of its key, so that equal states are equal bytes.

use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, LineId, LineKind,
    NetworkPrefix, ParticipantNumber, ServiceId, SiteIndex, TrafficClass, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// The format that this code writes and reads. A gateway refuses any other.
pub const FORMAT: u16 = 1;

/// Largest encoded snapshot that a gateway takes, in bytes. 600,000
/// participants with 3,000,000 grants and their devices encode to less.
pub const SNAPSHOT_MAX_BYTES: usize = 256 << 20;

/// Largest encoded delta, in bytes; a larger change is sent as a snapshot.
pub const DELTA_MAX_BYTES: usize = 16 << 20;

/// A ledger sequence: the state after that entry.
pub type Revision = u64;

/// Why a participant may or may not use the network now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Open, with at least one valid device.
    Live,
    /// 隔離: cut off for security, everything else kept.
    Quarantined,
    /// No valid certificate: none issued yet, all revoked, or all run out.
    NoDevice,
    /// 閉鎖: left the network.
    Closed,
    /// 開通前・休止・保留: not open yet, suspended, or on hold. Its devices may
    /// bind its lines, as for the opening test; no path is open to it, nor to
    /// what it offers.
    NotOpen,
}

/// A participant, as the datapath must know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantEntry {
    /// Number.
    pub number: ParticipantNumber,
    /// Condition.
    pub condition: Condition,
    /// Changes whenever something that was allowed to this participant may no
    /// longer be; flow state of an older generation is checked anew.
    pub generation: u32,
}

/// A service, with all its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEntry {
    /// Number.
    pub service: ServiceId,
    /// Who runs it.
    pub provider: ParticipantNumber,
    /// Traffic class.
    pub class: TrafficClass,
    /// How it is reached, ascending.
    pub endpoints: Vec<Endpoint>,
}

/// A path that an agreement opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// Who may use it.
    pub participant: ParticipantNumber,
    /// What.
    pub service: ServiceId,
    /// By which agreement.
    pub agreement: AgreementId,
    /// From when; the gateway opens it then by itself.
    pub from: UnixMillis,
    /// Until when; the gateway closes it then by itself.
    pub until: UnixMillis,
}

/// A line that ends at the asking gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEntry {
    /// Number.
    pub line: LineId,
    /// Access method.
    pub kind: LineKind,
    /// Interface of the attachment circuit.
    pub circuit: Circuit,
    /// Whose line it is.
    pub participant: ParticipantNumber,
    /// Which of the participant's sites.
    pub site: SiteIndex,
}

/// A device that may attach at the asking gateway. What is not listed may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// Whose device.
    pub participant: ParticipantNumber,
    /// Which.
    pub device: DeviceId,
    /// Its one certificate.
    pub fingerprint: Fingerprint,
    /// When that certificate ends.
    pub not_after: UnixMillis,
}

/// A gateway of the network and what it is home to: where to route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayEntry {
    /// Name.
    pub gateway: GatewayId,
    /// Its address on the backbone.
    pub backbone: Ipv6Addr,
    /// Blocks of numbers that it is home to, ascending.
    pub blocks: Vec<u8>,
}

/// All that one gateway must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: u16,
    /// The network's prefix.
    pub network: NetworkPrefix,
    /// For whom it was made; another gateway refuses it.
    pub gateway: GatewayId,
    /// State after this ledger entry.
    pub revision: Revision,
    /// When it was signed.
    pub issued_at: UnixMillis,
    /// Until when a gateway may go on with it while the center is down.
    pub valid_until: UnixMillis,
    /// All gateways.
    pub gateways: Vec<GatewayEntry>,
    /// Participants that concern this gateway.
    pub participants: Vec<ParticipantEntry>,
    /// All services in use.
    pub services: Vec<ServiceEntry>,
    /// Grants of which either side has a line here.
    pub grants: Vec<Grant>,
    /// Lines that end here.
    pub lines: Vec<LineEntry>,
    /// Devices of the participants whose lines end here.
    pub devices: Vec<DeviceEntry>,
}

/// One thing that became different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// New or different.
    Gateway(GatewayEntry),
    /// No longer there.
    GatewayGone(GatewayId),
    /// New or different.
    Participant(ParticipantEntry),
    /// Concerns this gateway no more.
    ParticipantGone(ParticipantNumber),
    /// New or different; the endpoints replace the earlier ones.
    Service(ServiceEntry),
    /// Retired.
    ServiceGone(ServiceId),
    /// New or different.
    Grant(Grant),
    /// Ended.
    GrantGone {
        /// Who may no longer use it.
        participant: ParticipantNumber,
        /// What.
        service: ServiceId,
    },
    /// New or different.
    Line(LineEntry),
    /// Taken away.
    LineGone(LineId),
    /// New or different.
    Device(DeviceEntry),
    /// Revoked, replaced or run out.
    DeviceGone(Fingerprint),
}

/// What became different between two revisions, in the order to apply it:
/// whatever takes away stands before the generation that makes it bite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// [`FORMAT`].
    pub format: u16,
    /// For whom it was made.
    pub gateway: GatewayId,
    /// Applies to exactly this state.
    pub from_revision: Revision,
    /// The state after it.
    pub to_revision: Revision,
    /// When it was signed.
    pub issued_at: UnixMillis,
    /// Extends the snapshot's validity to this.
    pub valid_until: UnixMillis,
    /// Changes, in order. May be empty: then it only extends the validity.
    pub changes: Vec<Change>,
}

/// What a gateway tells the center it enforces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The revision that is in the kernel now.
    pub revision: Revision,
    /// Lines bound at this moment.
    pub bound_lines: u32,
}

/// Why bytes are not a snapshot or delta.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Larger than a gateway takes.
    #[error("the {what} has {have} bytes; at most {limit} are taken")]
    TooLarge {
        /// Snapshot or delta.
        what: &'static str,
        /// Bytes.
        have: usize,
        /// Limit.
        limit: usize,
    },
    /// Not in the encoding.
    #[error("the {what} is damaged")]
    Damaged {
        /// Snapshot or delta.
        what: &'static str,
        /// What the decoder says.
        #[source]
        source: postcard::Error,
    },
    /// Another format.
    #[error(
        "the {what} has format {found}; this gateway reads format {FORMAT}: bring both to the same release"
    )]
    Format {
        /// Snapshot or delta.
        what: &'static str,
        /// Format found.
        found: u16,
    },
}

impl Snapshot {
    /// Encodes it.
    ///
    /// # Errors
    /// When it is larger than [`SNAPSHOT_MAX_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, FeedError> {
        encode("snapshot", self, SNAPSHOT_MAX_BYTES)
    }

    /// Decodes what [`Snapshot::encode`] wrote. Verify the signature first.
    ///
    /// # Errors
    /// When it is too large, damaged, followed by other bytes, or of another format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FeedError> {
        let snapshot: Self = decode("snapshot", bytes, SNAPSHOT_MAX_BYTES)?;
        check_format("snapshot", snapshot.format)?;
        Ok(snapshot)
    }
}

impl Delta {
    /// Encodes it.
    ///
    /// # Errors
    /// When it is larger than [`DELTA_MAX_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, FeedError> {
        encode("delta", self, DELTA_MAX_BYTES)
    }

    /// Decodes what [`Delta::encode`] wrote. Verify the signature first.
    ///
    /// # Errors
    /// When it is too large, damaged, followed by other bytes, or of another format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FeedError> {
        let delta: Self = decode("delta", bytes, DELTA_MAX_BYTES)?;
        check_format("delta", delta.format)?;
        Ok(delta)
    }
}

fn encode<T: Serialize>(what: &'static str, value: &T, limit: usize) -> Result<Vec<u8>, FeedError> {
    let bytes = postcard::to_stdvec(value).map_err(|source| FeedError::Damaged { what, source })?;
    if bytes.len() > limit {
        return Err(FeedError::TooLarge {
            what,
            have: bytes.len(),
            limit,
        });
    }
    Ok(bytes)
}

fn decode<T: serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, FeedError> {
    if bytes.len() > limit {
        return Err(FeedError::TooLarge {
            what,
            have: bytes.len(),
            limit,
        });
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(FeedError::Damaged {
            what,
            source: postcard::Error::DeserializeBadEncoding,
        }),
        Err(source) => Err(FeedError::Damaged { what, source }),
    }
}

fn check_format(what: &'static str, found: u16) -> Result<(), FeedError> {
    if found == FORMAT {
        Ok(())
    } else {
        Err(FeedError::Format { what, found })
    }
}
