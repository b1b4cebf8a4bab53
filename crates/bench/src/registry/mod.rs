//! The registry at its full size, on each home: bulk admission, search, an
//! agreement from the proposal until both gateways let its packets pass, the
//! re-check of everybody, and the memory of the center.
//!
//! The country is generated; the center and its two gateways are processes of
//! this very program in namespaces of their own, and real attach sessions hold
//! the lines. The database is the one that a center has, on a disk; PostgreSQL
//! is a server of the measurement's own. Admission and re-check are measured at
//! the store, as the center uses it; searches and agreements at the center's
//! API. That an agreement is enforced is not believed but asked of the programs
//! at the lines, as `revoke` does.

mod fill;
mod generated;
mod recheck;
mod search;

pub use recheck::Recheck;

use crate::revoke::country::Measured;
use crate::revoke::region::{self, Region};
use crate::revoke::sessions::Sessions;
use crate::revoke::watch::{Until, Watcher, opening_packet};
use crate::revoke::{Distribution, RevokeError, milliseconds};
use iryonet_store::cluster::Cluster;
use iryonet_store::{Place, Store};
use iryonet_verdict::Hook;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Agreements measured.
const AGREEMENTS: u32 = 200;
/// Searches measured of each kind.
const SEARCHES: u32 = 1_000;
/// The port of the measured service.
const PORT: u16 = 443;

/// Where the registry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In one file.
    Sqlite,
    /// In a server of PostgreSQL's.
    Postgresql,
}

/// What to measure with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Institutions admitted.
    pub institutions: u32,
    /// How many of them have a device, whose certificate is re-checked.
    pub devices: u32,
    /// On which homes.
    pub homes: Vec<Home>,
}

/// What was measured on one home.
#[derive(Debug, Clone, Serialize)]
pub struct HomeReport {
    /// `sqlite` or `postgresql`.
    pub home: &'static str,
    /// Institutions of public lists, recorded before the admission.
    pub listed: u32,
    /// Recording them, in seconds.
    pub list_s: f64,
    /// Admitting all institutions, a thousand to an act, in seconds.
    pub admit_s: f64,
    /// Recording the devices, each with its enrolment code, in seconds.
    pub devices_s: f64,
    /// From the center's start until it answers, in seconds.
    pub center_start_s: f64,
    /// By code, and by the beginning of one.
    pub by_code: Distribution,
    /// By a part of the name, two to five characters.
    pub by_name: Distribution,
    /// By prefecture, and by a part of the address.
    pub by_area: Distribution,
    /// From the proposal until the acceptance was answered.
    pub agreement_answered: Distribution,
    /// From the proposal until both gateways let the packet pass.
    pub agreement_enforced: Distribution,
    /// The re-check of all.
    pub recheck: Recheck,
    /// Most memory that the center had, in MiB.
    pub center_memory_mib: u64,
    /// Entries in the ledger at the end.
    pub ledger_entries: u64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Institutions admitted.
    pub institutions: u32,
    /// Each home.
    pub homes: Vec<HomeReport>,
    /// What is promised of the network's full size, and whether it was kept.
    pub promises: BTreeMap<String, bool>,
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
    let homes = options
        .homes
        .iter()
        .map(|home| match home {
            Home::Sqlite => sqlite(options),
            Home::Postgresql => postgres(options),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let promises: BTreeMap<String, bool> = homes
        .iter()
        .flat_map(|home| kept(home, options.institutions))
        .collect();
    Ok(Report {
        institutions: options.institutions,
        homes,
        ok: promises.values().all(|kept| *kept),
        promises,
    })
}

/// What is promised for 600,000, and whether it was kept.
fn kept(home: &HomeReport, institutions: u32) -> Vec<(String, bool)> {
    let everybody = home.recheck.participants >= u64::from(institutions);
    [
        ("admission_at_most_90_s", home.admit_s <= 90.0),
        (
            "search_by_code_p99_at_most_20_ms",
            home.by_code.p99_ms <= 20.0,
        ),
        (
            "search_by_name_p99_at_most_20_ms",
            home.by_name.p99_ms <= 20.0,
        ),
        (
            "search_by_area_p99_at_most_20_ms",
            home.by_area.p99_ms <= 20.0,
        ),
        (
            "agreement_enforced_p99_at_most_200_ms",
            home.agreement_enforced.p99_ms <= 200.0,
        ),
        ("recheck_looks_at_everybody", everybody),
        (
            "recheck_at_most_60_s_of_cpu",
            home.recheck.all_cpu_s() <= 60.0,
        ),
        (
            "center_memory_at_most_1_gib",
            home.center_memory_mib <= 1_024,
        ),
    ]
    .map(|(what, kept)| (format!("{}_{what}", home.home), kept))
    .into()
}

fn sqlite(options: &Options) -> Result<HomeReport, RevokeError> {
    let region = Region::lay(AGREEMENTS)?;
    let place = Place::Sqlite(region.database());
    measure("sqlite", region, &place, None, options)
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
    let place = Place::Postgres(Box::new(settings));
    measure("postgresql", region, &place, cluster.process(), options)
}

fn measure(
    home: &'static str,
    mut region: Region,
    place: &Place,
    server: Option<u32>,
    options: &Options,
) -> Result<HomeReport, RevokeError> {
    let failed = |error: &dyn std::fmt::Display| RevokeError::Country(error.to_string());
    let store: Arc<dyn Store> = place.open().map_err(|e| failed(&e))?;
    let country = generated::country(options.institutions);
    fill::gateways(&*store)?;
    let begun = Instant::now();
    let listed = fill::list(&*store, &country)?;
    let list_s = begun.elapsed().as_secs_f64();
    tell(&format!("{home}: {listed} listed in {list_s:.1} s"));
    let begun = Instant::now();
    let numbers = fill::admit(&*store, &country)?;
    let admit_s = begun.elapsed().as_secs_f64();
    tell(&format!(
        "{home}: {} admitted in {admit_s:.1} s",
        numbers.len()
    ));
    let begun = Instant::now();
    let with_device = numbers.get(..options.devices as usize).unwrap_or(&numbers);
    let measured = Measured::record(&region, &*store, AGREEMENTS, with_device)?;
    let devices_s = begun.elapsed().as_secs_f64();
    tell(&format!(
        "{home}: {} devices in {devices_s:.1} s",
        with_device.len()
    ));

    let begun = Instant::now();
    region.start_center()?;
    let center_start_s = begun.elapsed().as_secs_f64();
    tell(&format!(
        "{home}: the center answers after {center_start_s:.1} s"
    ));
    region.start_gateways()?;
    let sessions = Sessions::attach(&region, &measured.clinics, &measured.provider)?;
    region.wait_bound(AGREEMENTS + 1)?;
    let staff = region.at_socket("operator:bench")?;
    let by_code = search::by_code(&staff, &country, SEARCHES)?;
    let by_name = search::by_name(&staff, &country, SEARCHES)?;
    let by_area = search::by_area(&staff, &country, SEARCHES)?;
    let (agreement_answered, agreement_enforced) = agreements(&region, &measured)?;
    drop(sessions);
    let center_memory_mib = region.center_memory_kib()? >> 10;
    region.stop_center()?;
    let recheck = recheck::whole_day(&*store, server)?;
    Ok(HomeReport {
        home,
        listed,
        list_s,
        admit_s,
        devices_s,
        center_start_s,
        by_code,
        by_name,
        by_area,
        agreement_answered,
        agreement_enforced,
        recheck,
        center_memory_mib,
        ledger_entries: store.revision().map_err(|e| failed(&e))?,
    })
}

/// How far it is: a measurement of many minutes that says nothing looks dead.
#[allow(
    clippy::print_stderr,
    reason = "the report goes to the output; this is for who waits for it"
)]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// From the proposal until it is accepted, and until the clinic's packet passes
/// at both gateways.
fn agreements(
    region: &Region,
    measured: &Measured,
) -> Result<(Distribution, Distribution), RevokeError> {
    let machine = region.at_socket("system:bench")?;
    let home = Watcher::start(region, "g1")?;
    let far = Watcher::start(region, "g2")?;
    let provider_line = region.ifindex("g2", region::PROVIDER_LINE)?;
    let (mut answered_ms, mut enforced_ms) = (vec![], vec![]);
    for clinic in &measured.clinics {
        let line = region.ifindex("g1", &region::clinic_line(clinic.index))?;
        let packet = opening_packet(clinic.host, measured.provider.host, PORT);
        home.watch(Hook::LineIn, line, &packet, Until::Passed)?;
        far.watch(Hook::LineOut, provider_line, &packet, Until::Passed)?;
        let begun = Instant::now();
        let proposed = machine.ask(
            "POST",
            "/v1/agreements",
            Some(&json!({
                "participant": clinic.number.get(),
                "service": measured.service.get(),
                "purpose": "regional-collaboration",
                "until": measured.until.0,
                "by": clinic.number.get(),
            })),
        )?;
        let agreement = proposed
            .get("agreement")
            .and_then(Value::as_u64)
            .ok_or_else(|| RevokeError::Region(format!("no agreement in {proposed}")))?;
        machine.ask(
            "POST",
            &format!("/v1/agreements/{agreement}/accept"),
            Some(&json!({"by": measured.provider.number.get()})),
        )?;
        answered_ms.push(milliseconds(begun.elapsed()));
        let enforced = home.turned()?.max(far.turned()?);
        enforced_ms.push(milliseconds(enforced.saturating_duration_since(begun)));
    }
    Ok((Distribution::of(answered_ms), Distribution::of(enforced_ms)))
}
