//! A server's rules.

mod certificates;
mod clients;
mod protocol;

use super::{Finding, Profile};
use crate::report::Report;

pub(super) fn judge(report: &Report, profile: Profile) -> Vec<Finding> {
    let mut findings = protocol::judge(report, profile);
    findings.extend(certificates::judge(report));
    findings.extend(clients::judge(report, profile));
    findings
}
