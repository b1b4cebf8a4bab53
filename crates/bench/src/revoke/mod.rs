//! How long after the center has answered to a revocation do both gateways
//! refuse the participant's packets?
//!
//! A center with a whole country in its registry, two gateways with their
//! policy, and real attach sessions over real lines, each daemon a process of
//! this very program in a namespace of its own. Every measured clinic has an
//! open path to a service at the other gateway. Per revocation: both programs
//! in force (`line_ingress` of the clinic's line, `line_egress` of the
//! provider's) are seen to pass the clinic's packet; the certificate is revoked
//! over the operators' API; from its answer on, both programs are asked with
//! the same packet every 100 µs until they refuse it. What is asked is the
//! program at the interface, with its live tables (BPF_PROG_TEST_RUN).

pub(crate) mod country;
pub(crate) mod region;
pub(crate) mod sessions;
pub(crate) mod watch;

use self::watch::Until;
use crate::lab::LabError;
use iryonet_gateway::datapath::DatapathError;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What to measure with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Institutions in the registry, each with a device and an agreement.
    pub institutions: u32,
    /// Revocations measured, one clinic each.
    pub revocations: u32,
}

/// Milliseconds over all revocations.
#[derive(Debug, Clone, Serialize)]
pub struct Distribution {
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile (nearest rank).
    pub p99_ms: f64,
    /// Longest.
    pub max_ms: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Institutions in the registry.
    pub institutions: u32,
    /// Ledger entries before the measurement.
    pub ledger_entries: u64,
    /// Recording them all, in seconds.
    pub record_s: f64,
    /// From the center's start until it answers, in seconds.
    pub center_start_s: f64,
    /// Revocations measured.
    pub revocations: u32,
    /// The API's own answer to a revocation.
    pub answer: Distribution,
    /// From the answer until the clinic's own gateway refuses.
    pub home: Distribution,
    /// From the answer until the service's gateway refuses.
    pub far: Distribution,
    /// From the answer until both refuse.
    pub both: Distribution,
    /// The promise: p99 of both at most 100 ms.
    pub ok: bool,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The laboratory failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The registry could not be filled.
    #[error("the registry could not be filled: {0}")]
    Country(String),
    /// A daemon did not do its part.
    #[error("{0}")]
    Region(String),
    /// A gateway's programs could not be asked.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// A file of the laboratory.
    #[error("could not {what}")]
    File {
        /// What was tried.
        what: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Measures. Must run as root.
///
/// # Errors
/// When a daemon fails, or a packet that should pass does not.
pub fn run(options: &Options) -> Result<Report, RevokeError> {
    if options.revocations == 0 || options.institutions < options.revocations {
        return Err(RevokeError::Region(
            "at least 1 revocation, and as many institutions as revocations, are wanted".to_owned(),
        ));
    }
    if options.revocations > 1_000 {
        return Err(RevokeError::Region(
            "at most 1000 lines are laid for one measurement".to_owned(),
        ));
    }
    let mut region = region::Region::lay(options.revocations)?;
    let begun = Instant::now();
    let country = country::fill(&region, options)?;
    let record_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    region.start_center()?;
    let center_start_s = begun.elapsed().as_secs_f64();
    region.start_gateways()?;
    let sessions = sessions::Sessions::attach(&region, &country.clinics, &country.provider)?;
    region.wait_bound(options.revocations)?;

    let home = watch::Watcher::start(&region, "g1")?;
    let far = watch::Watcher::start(&region, "g2")?;
    let provider_line = region.ifindex("g2", region::PROVIDER_LINE)?;
    let (mut answer_ms, mut home_ms, mut far_ms, mut both_ms) = (vec![], vec![], vec![], vec![]);
    for clinic in &country.clinics {
        let line = region.ifindex("g1", &region::clinic_line(clinic.index))?;
        let packet = watch::opening_packet(clinic.host, country.service, country.port);
        home.watch(iryonet_verdict::Hook::LineIn, line, &packet, Until::Refused)?;
        far.watch(
            iryonet_verdict::Hook::LineOut,
            provider_line,
            &packet,
            Until::Refused,
        )?;
        let asked = Instant::now();
        region.revoke(&clinic.fingerprint.to_string())?;
        let answered = Instant::now();
        answer_ms.push(milliseconds(answered.duration_since(asked)));
        let at_home = home.turned()?.saturating_duration_since(answered);
        let at_far = far.turned()?.saturating_duration_since(answered);
        home_ms.push(milliseconds(at_home));
        far_ms.push(milliseconds(at_far));
        both_ms.push(milliseconds(at_home.max(at_far)));
    }
    drop(sessions);
    let both = Distribution::of(both_ms);
    Ok(Report {
        institutions: options.institutions,
        ledger_entries: country.ledger_entries,
        record_s,
        center_start_s,
        revocations: options.revocations,
        answer: Distribution::of(answer_ms),
        home: Distribution::of(home_ms),
        far: Distribution::of(far_ms),
        ok: both.p99_ms <= 100.0,
        both,
    })
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl Distribution {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
            values.get(place).copied().unwrap_or_default()
        };
        Self {
            p50_ms: rank(50),
            p99_ms: rank(99),
            max_ms: rank(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let of_200 = Distribution::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(
            (of_200.p50_ms, of_200.p99_ms, of_200.max_ms),
            (100.0, 198.0, 200.0)
        );
    }
}
