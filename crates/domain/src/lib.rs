//! The nouns of the network, and the rules that need nothing but themselves:
//! institution codes, participant numbers, prefixes, lines, services,
//! agreements, traffic classes, identities, actors.
//!
//! Pure: this crate does no I/O, reads no clock and draws no random number. It
//! must not know how anything is stored, sent or enforced.

pub mod account;
pub mod actor;
pub mod agreement;
pub mod case;
pub mod class;
pub mod code;
pub mod digest;
pub mod dns;
pub mod gateway;
pub mod identity;
pub mod kind;
pub mod line;
pub mod number;
pub mod offer;
pub mod officer;
pub mod prefecture;
pub mod prefix;
pub mod service;
pub mod text;
pub mod time;

pub use account::AccountName;
pub use actor::{Actor, Role};
pub use agreement::{AgreementId, Purpose, Validity};
pub use case::{CaseId, CaseKind};
pub use class::TrafficClass;
pub use code::{CodeError, InstitutionCode};
pub use digest::Digest;
pub use dns::DnsName;
pub use gateway::GatewayId;
pub use identity::{DeviceId, Fingerprint, Identity};
pub use kind::{InstitutionKind, ParticipantKind, ScoreTable};
pub use line::{Circuit, LineId, LineKind};
pub use number::{NumberError, ParticipantNumber};
pub use offer::{Acceptance, BandwidthKbps, ServiceStage};
pub use officer::Officer;
pub use prefecture::Prefecture;
pub use prefix::{NetworkPrefix, SiteIndex, SitePrefix};
pub use service::{Endpoint, Protocol, ServiceId};
pub use time::UnixMillis;
