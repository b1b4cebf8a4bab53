//! A server's rules.

pub(super) mod certificates;
mod clients;
mod protocol;

use super::{Finding, Profile};
use crate::report::Report;

pub(super) use protocol::wrong_suites;

pub(super) fn judge(report: &Report, profile: Profile) -> Vec<Finding> {
    let mut findings = protocol::judge(report, profile);
    findings.extend(certificates::judge(report));
    findings.extend(clients::judge(report, profile));
    findings
}
