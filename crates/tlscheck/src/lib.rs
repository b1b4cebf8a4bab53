//! Whether a TLS server or client meets a profile: the checker behind `iryonet
//! check tls`, and an automatic kind of evidence in a provider's opening test
//! (開通試験).
//!
//! - [`check_server`] looks at a server from outside, connection by connection,
//!   and makes a [`Report`]: facts, no judgement.
//! - [`evidence`] holds a report against a [`Profile`]: one [`Finding`] per
//!   rule, with what was seen, what would be right, and where the rule comes
//!   from. It is pure, and a report can be kept and judged again.
//! - [`check_client`] and [`client_evidence`] are the mirror: a client comes to a
//!   listener, and is told what it offers and shows.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use iryonet_tlscheck::{Application, Limits, OwnIdentity, Profile, Roots};
//! use iryonet_tlscheck::{Settings, Target, check_server, evidence};
//!
//! let target = Target {
//!     address: "[2001:db8::1]:443".parse()?,
//!     server_name: Some("claims.example".to_owned()),
//!     application: Application::Http,
//! };
//! let settings = Settings {
//!     limits: Limits::default(),
//!     now: iryonet_domain::UnixMillis(1_795_000_000_000),
//!     seed: [0; 32], // fresh random octets
//!     roots: Some(Roots::from_pem(&std::fs::read("roots.pem")?)?),
//!     client: Some(OwnIdentity::from_pem(
//!         &std::fs::read("client.pem")?,
//!         &std::fs::read("client.key")?,
//!     )?),
//! };
//! let report = check_server(&target, &settings).await?;
//! let evidence = evidence(&report, Profile::Guideline43);
//! println!("passed: {}", evidence.passed());
//! # Ok(())
//! # }
//! ```
//!
//! The checker speaks TLS itself: rustls could not ask for what it would never
//! agree to. Hellos are written and first flights read here for every version;
//! handshakes are carried to their end in TLS 1.2 and 1.3 with AES-GCM and
//! ChaCha20, which is what the profiles allow (but for Camellia, which is known
//! and not spoken). **Nothing of this protects a connection**: it sends nothing
//! that is worth protecting, and the network's own ends are in `iryonet-tls`.
//!
//! It must not know the registry, nor which participant's server it looks at.
//! It resolves no names: the caller decides what may be reached.

mod certificate;
mod client;
mod crypto;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod plan;
mod report;
mod rules;
mod run;
mod scheme;
mod suite;
mod talk;
mod text;
mod version;
mod wire;

pub use certificate::{Certificate, Chain, Key, KeyKind, Roots, Signature};
pub use client::{ClientReport, ListenError, ListenSettings, check_client};
pub use crypto::sign::{IdentityError, OwnIdentity};
pub use group::Group;
pub use report::{
    ClientCertificateSeen, Effort, Fate, Gap, KeyExchangeSeen, NameFate, Preference,
    RenegotiationSeen, Report, ResumptionSeen, ServerNamesSeen, Told, VersionSeen,
};
pub use rules::{Evidence, Finding, Outcome, Profile, Source, UnknownProfile, Verdict};
pub use rules::{client_evidence, evidence};
pub use run::{Application, Limits, ProbeError, Settings, Target, check_server};
pub use scheme::Scheme;
pub use suite::{Fault, HIGH_SECURITY, KeyExchange, SPOKEN_HERE, Suite, TLS13};
pub use talk::Refusal;
pub use text::Text;
pub use version::Version;
pub use wire::Alert;
