//! The rules of a profile, and what a report is worth under them. Pure: the
//! same report and profile give the same findings.
//!
//! Each rule names where it comes from. Only texts that say it are named; what
//! the network itself asks for is called its own.

mod client;
mod finding;
mod profile;
mod server;

pub use finding::{Evidence, Finding, Outcome, Source, Verdict};
pub(crate) use finding::{Rule, Ruling};
pub use profile::{Profile, UnknownProfile};

use crate::client::ClientReport;
use crate::report::Report;

/// What a report is worth under a profile: each rule with what was seen and
/// what would be right.
///
/// It passes only when nothing fails and nothing was left untold. A rule that
/// was not asked about (a client certificate's acceptance when none was given)
/// is named as such: a caller that wants it answered has to give one.
#[must_use]
pub fn evidence(report: &Report, profile: Profile) -> Evidence {
    Evidence::new(profile, server::judge(report, profile))
}

/// What a client's report is worth under a profile, as [`evidence`] for servers.
#[must_use]
pub fn client_evidence(report: &ClientReport, profile: Profile) -> Evidence {
    Evidence::new(profile, client::judge(report, profile))
}
