//! What the authority can do: certificates against the bare signing rate of the
//! same library, revocation lists, OCSP answers, and enrolments over EST from a
//! new TLS connection to a durable ledger entry.

mod enrol;
mod signing;

use serde::Serialize;
use std::time::Duration;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Enrolments over EST.
    pub enrolments: u32,
    /// Connections at once.
    pub connections: u32,
    /// Entries on the revocation list.
    pub revoked: u32,
    /// Where the center keeps its database: the disk that is waited for.
    pub directory: std::path::PathBuf,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Keys, certificates, lists.
    #[error("{act}: {why}")]
    Made {
        /// What was tried.
        act: &'static str,
        /// Why not.
        why: String,
    },
    /// The center could not be set up or started.
    #[error("the center: {0}")]
    Center(String),
    /// An enrolment was not answered as it should be.
    #[error("an enrolment: {0}")]
    Enrolment(String),
}

pub(crate) fn made<E: std::fmt::Display>(act: &'static str) -> impl Fn(E) -> AuthorityError {
    move |error| AuthorityError::Made {
        act,
        why: error.to_string(),
    }
}

/// The figures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// ECDSA P-256 signatures a second of one thread, aws-lc, over as many
    /// octets as a certificate has.
    pub raw_signatures_per_s: f64,
    /// Certificates a second of one thread, lint included, nothing stored.
    pub certificates_per_s: f64,
    /// The second against the first: medians of rounds that took turns.
    pub ratio: f64,
    /// Requests (PKCS#10, P-256) read and their own signature verified, a second.
    pub requests_per_s: f64,
    /// Entries on the list.
    pub crl_entries: u32,
    /// Octets of the list.
    pub crl_bytes: u64,
    /// Making the list, milliseconds.
    pub crl_ms: f64,
    /// OCSP questions read and answers signed a second, one thread.
    pub ocsp_answers_per_s: f64,
    /// The same asked of the center over HTTP, connections kept open.
    pub ocsp_over_http_per_s: f64,
    /// Enrolments.
    pub enrolments: u32,
    /// Connections at once; each enrolment has a TLS connection of its own.
    pub connections_at_once: u32,
    /// Enrolments a second, from the first connection to the last answer.
    pub enrolments_per_s: f64,
    /// From the connection to the certificate, milliseconds.
    pub enrolment_p50_ms: f64,
    /// The same, of the slowest hundredth.
    pub enrolment_p99_ms: f64,
    /// Certificates that the registry knows afterwards, the center killed.
    pub recorded: u64,
    /// Each promise, kept or not.
    pub promises: std::collections::BTreeMap<&'static str, bool>,
    /// All of them.
    pub ok: bool,
}

/// Measures.
///
/// # Errors
/// When something cannot be set up, or an answer is not as it should be.
pub fn run(options: &Options) -> Result<Report, AuthorityError> {
    let signing = signing::measure(options.revoked)?;
    let center = enrol::measure(options)?;
    let promises: std::collections::BTreeMap<&'static str, bool> = [
        ("at_least_300_enrolments_per_s", center.per_s >= 300.0),
        ("at_least_half_the_raw_signing_rate", signing.ratio >= 0.5),
        ("crl_of_30000_within_1_s", signing.crl_ms <= 1_000.0),
        (
            "every_answered_enrolment_recorded",
            center.recorded == u64::from(options.enrolments),
        ),
    ]
    .into();
    Ok(Report {
        raw_signatures_per_s: signing.raw_per_s,
        certificates_per_s: signing.certificates_per_s,
        ratio: signing.ratio,
        requests_per_s: signing.requests_per_s,
        crl_entries: options.revoked,
        crl_bytes: signing.crl_bytes,
        crl_ms: signing.crl_ms,
        ocsp_answers_per_s: signing.ocsp_per_s,
        ocsp_over_http_per_s: center.ocsp_per_s,
        enrolments: options.enrolments,
        connections_at_once: options.connections,
        enrolments_per_s: center.per_s,
        enrolment_p50_ms: center.p50_ms,
        enrolment_p99_ms: center.p99_ms,
        recorded: center.recorded,
        ok: promises.values().all(|kept| *kept),
        promises,
    })
}

pub(crate) fn per_second(count: u32, took: Duration) -> f64 {
    f64::from(count) / took.as_secs_f64().max(1e-9)
}

pub(crate) fn now() -> iryonet_domain::UnixMillis {
    iryonet_agent::clock::wall()
}
