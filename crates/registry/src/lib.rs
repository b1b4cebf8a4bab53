//! The registry: participants, sites, lines, services, agreements, devices,
//! gateways, accounts, the applicants of the public lists, cases, rules and the
//! daily re-check.
//!
//! Commands in, events out: [`decide`] judges a [`Command`] against a [`View`]
//! and answers with [`Event`]s or a [`Refusal`]; [`apply`] writes events into
//! [`Tables`]. A command may fail, an event may not.
//!
//! Pure: no I/O, no clock, no chance. It must not know how anything is stored
//! (`store`), how anybody proved to be who they are (`center`), or what a
//! gateway makes of it (`policy`).

pub mod account;
pub mod admission;
pub mod agreement;
pub mod applicant;
pub mod apply;
pub mod case;
pub mod certificate;
pub mod command;
pub mod decide;
pub mod device;
pub mod enrolment;
pub mod event;
pub mod gateway;
pub mod limits;
pub mod line;
pub mod list;
pub mod membership;
pub mod memory;
mod network;
pub mod offer;
pub mod participant;
pub mod permission;
pub mod recheck;
pub mod refusal;
pub mod renewal;
pub mod rules;
pub mod service;
pub mod site;
pub mod view;

pub use account::{Account, AccountStanding, Credential, Login, LoginMethod, SpeaksFor};
pub use admission::AdmissionRow;
pub use agreement::{Agreement, AgreementState};
pub use applicant::{Applicant, ListId, ListRow};
pub use apply::{ApplyError, apply};
pub use case::{Case, CaseEvent, CaseRefusal, CaseState};
pub use certificate::{CertificateFacts, GatewayCertificate, Revocation, RevocationReason, Serial};
pub use command::{Act, Command, Home};
pub use decide::{DecideError, decide};
pub use device::Device;
pub use enrolment::{CodeHash, EnrolmentCode, EnrolmentGrant, Subject};
pub use event::{Event, Topic};
pub use gateway::Gateway;
pub use line::Line;
pub use membership::{Membership, MembershipEvent};
pub use memory::MemoryTables;
pub use offer::Offer;
pub use participant::{Participant, Standing};
pub use recheck::{RecheckEvent, RecheckState};
pub use refusal::Refusal;
pub use rules::PublishedRules;
pub use service::Service;
pub use site::Site;
pub use view::{Tables, View, ViewError};
