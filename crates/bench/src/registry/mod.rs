//! The registry at its full size, on each home: bulk admission, search, an
//! agreement from the proposal until its gateway enforces it, and the memory of
//! the center.
//!
//! The country is generated; the center and its two gateways are processes of
//! this very program in namespaces of their own, the database is the one that a
//! center has. PostgreSQL is a server of the measurement's own. Admission and
//! search are measured at the store, as the center uses it; the agreement at
//! the operators' socket.

mod fill;
mod generated;
mod search;

use crate::revoke::country::Measured;
use crate::revoke::region::Region;
use crate::revoke::{Distribution, RevokeError, milliseconds};
use iryonet_store::cluster::Cluster;
use iryonet_store::{Place, Store};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Agreements measured.
const AGREEMENTS: u32 = 100;
/// Searches measured of each kind.
const SEARCHES: u32 = 300;

/// What to measure with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Institutions admitted.
    pub institutions: u32,
}

/// What was measured on one home.
#[derive(Debug, Clone, Serialize)]
pub struct HomeReport {
    /// `sqlite` or `postgres`.
    pub home: &'static str,
    /// Institutions of public lists, recorded before the admission.
    pub listed: u32,
    /// Recording them, in seconds.
    pub list_s: f64,
    /// Admitting all institutions, a thousand to an act, in seconds.
    pub admit_s: f64,
    /// From the center's start until it answers, in seconds.
    pub center_start_s: f64,
    /// By code, and by the beginning of one.
    pub by_code: Distribution,
    /// By a part of the name, two to five characters.
    pub by_name: Distribution,
    /// By prefecture, and by a part of the address.
    pub by_area: Distribution,
    /// Proposed, accepted, and acknowledged as enforced by its gateway.
    pub agreement: Distribution,
    /// The re-check of all, in seconds of processor time; nothing until it
    /// exists.
    pub recheck_cpu_s: Option<f64>,
    /// Most memory that the center had, in MiB.
    pub center_memory_mib: u64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Institutions admitted.
    pub institutions: u32,
    /// Each home.
    pub homes: Vec<HomeReport>,
    /// What is promised of the network's full size, and whether it was kept.
    pub promises: std::collections::BTreeMap<String, bool>,
    /// All of them.
    pub ok: bool,
}

/// Measures. Must run as root.
///
/// # Errors
/// When a daemon or a database fails.
pub fn run(options: &Options) -> Result<Report, RevokeError> {
    if options.institutions < 1_000 {
        return Err(RevokeError::Region(
            "at least 1000 institutions are wanted".to_owned(),
        ));
    }
    let homes = vec![sqlite(options)?, postgres(options)?];
    let mut promises = std::collections::BTreeMap::new();
    for home in &homes {
        let mut promise = |what: &str, kept: bool| {
            promises.insert(format!("{}_{what}", home.home), kept);
        };
        promise("admission_at_most_90_s", home.admit_s <= 90.0);
        promise(
            "search_by_code_p99_at_most_20_ms",
            home.by_code.p99_ms <= 20.0,
        );
        promise(
            "search_by_name_p99_at_most_20_ms",
            home.by_name.p99_ms <= 20.0,
        );
        promise(
            "search_by_area_p99_at_most_20_ms",
            home.by_area.p99_ms <= 20.0,
        );
        promise(
            "agreement_p99_at_most_200_ms",
            home.agreement.p99_ms <= 200.0,
        );
        promise(
            "center_memory_at_most_1_gib",
            home.center_memory_mib <= 1_024,
        );
        if let Some(seconds) = home.recheck_cpu_s {
            promise("recheck_at_most_60_s_of_cpu", seconds <= 60.0);
        }
    }
    Ok(Report {
        institutions: options.institutions,
        homes,
        ok: promises.values().all(|kept| *kept),
        promises,
    })
}

fn sqlite(options: &Options) -> Result<HomeReport, RevokeError> {
    let region = Region::lay(AGREEMENTS)?;
    let place = Place::Sqlite(region.database());
    measure("sqlite", region, &place, options)
}

fn postgres(options: &Options) -> Result<HomeReport, RevokeError> {
    let failed = |error: &dyn std::fmt::Display| RevokeError::Region(error.to_string());
    // On a disk, as in service; with the memory that a small server is given.
    let cluster = Cluster::start_in(
        &std::env::temp_dir(),
        &[
            "shared_buffers=1GB",
            "max_wal_size=4GB",
            "checkpoint_timeout=15min",
        ],
    )
    .map_err(|e| failed(&e))?;
    let settings = cluster.make_database("registry").map_err(|e| failed(&e))?;
    let region = Region::lay_on(AGREEMENTS, Some(&cluster.connection_string("registry")))?;
    let measured = measure("postgres", region, &Place::Postgres(settings), options);
    drop(cluster);
    measured
}

fn measure(
    home: &'static str,
    mut region: Region,
    place: &Place,
    options: &Options,
) -> Result<HomeReport, RevokeError> {
    let store: Arc<dyn Store> = place
        .open()
        .map_err(|error| RevokeError::Country(error.to_string()))?;
    let country = generated::country(options.institutions);
    fill::gateways(&*store)?;
    let begun = Instant::now();
    let listed = fill::list(&*store, &country)?;
    let list_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    fill::admit(&*store, &country)?;
    let admit_s = begun.elapsed().as_secs_f64();

    let by_code = search::by_code(&*store, &country, SEARCHES)?;
    let by_name = search::by_name(&*store, &country, SEARCHES)?;
    let by_area = search::by_area(&*store, &country, SEARCHES)?;

    let measured = Measured::record(&region, &*store, AGREEMENTS)?;
    drop(store);
    let begun = Instant::now();
    region.start_center()?;
    let center_start_s = begun.elapsed().as_secs_f64();
    region.start_gateways()?;
    let agreement = agreements(&region, &measured)?;
    Ok(HomeReport {
        home,
        listed,
        list_s,
        admit_s,
        center_start_s,
        by_code,
        by_name,
        by_area,
        agreement,
        recheck_cpu_s: recheck(),
        center_memory_mib: region.center_memory_kib()? >> 10,
    })
}

/// The daily re-check of everybody: measured here once it exists.
fn recheck() -> Option<f64> {
    None
}

/// From the proposal until the clinic's own gateway has said that it enforces
/// the agreement.
fn agreements(region: &Region, measured: &Measured) -> Result<Distribution, RevokeError> {
    let operator = region.operator("system:bench")?;
    let mut took_ms = Vec::new();
    for clinic in &measured.clinics {
        let begun = Instant::now();
        let proposed = operator.ask(
            "POST",
            "/v1/agreements",
            Some(&json!({
                "participant": clinic.get(),
                "service": measured.service.get(),
                "purpose": "regional-collaboration",
                "until": measured.validity.until.0,
                "by": clinic.get(),
            })),
        )?;
        let agreement = number(&proposed, "agreement")?;
        let accepted = operator.ask(
            "POST",
            &format!("/v1/agreements/{agreement}/accept"),
            Some(&json!({"by": measured.provider.get()})),
        )?;
        let revision = number(&accepted, "sequence")?;
        loop {
            let told =
                operator.ask("GET", &format!("/v1/enforcement?revision={revision}"), None)?;
            let enforced = told
                .get("gateways")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|one| {
                    one.get("gateway").and_then(Value::as_str) == Some("g1")
                        && one.get("enforced").and_then(Value::as_bool) == Some(true)
                });
            if enforced {
                break;
            }
            if begun.elapsed().as_secs() > 30 {
                return Err(RevokeError::Region(format!(
                    "gateway g1 did not enforce agreement {agreement} within 30 s"
                )));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        took_ms.push(milliseconds(begun.elapsed()));
    }
    Ok(Distribution::of(took_ms))
}

fn number(answer: &Value, field: &str) -> Result<u64, RevokeError> {
    answer
        .get(field)
        .and_then(Value::as_u64)
        .ok_or_else(|| RevokeError::Region(format!("no {field} in {answer}")))
}
