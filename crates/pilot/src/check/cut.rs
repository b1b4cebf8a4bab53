//! Rows about taking away: a revoked certificate cuts a running download, and
//! opens nothing any more; a quarantined institution is cut off and comes back.

use super::{Check, attach, reach};
use crate::command::Call;
use crate::error::PilotError;
use crate::files;
use crate::net;
use crate::plan;
use crate::process::wait_for;
use crate::region::{Service, Site};
use crate::up;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The network promises less than a second.
const CUT_WITHIN: Duration = Duration::from_millis(1_000);

/// Nothing arriving for so long means that the download has stopped.
const QUIET: Duration = Duration::from_millis(1_500);

/// Arrived bytes that count as data; neighbour discovery and error messages are
/// smaller.
const DATA_BYTES: u64 = 500;

/// Bytes that have to arrive before the certificate is revoked.
const FLOWING_BYTES: u64 = 8 << 20;

/// Data arrived so shortly ago: the download runs.
const FLOWING: Duration = Duration::from_millis(20);

/// Revokes the certificate of an institution in the middle of a download,
/// shows how long data still arrived, that the certificate opens nothing any
/// more, and that the site is back with a new one.
pub(crate) fn revoke(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let Some((site, service)) = check.far_grant() else {
        return Ok(());
    };
    let raised = check.state.site(check.plan, &site.key)?;
    let fingerprint = valid_device(check, raised.number.get())?;
    let target = check
        .state
        .site(check.plan, &service.provider)?
        .host(check.plan);
    let url = format!("http://[{target}]:{}/{}", service.port, files::LARGE_FILE);
    let download = Download::begin(check, &site, &url)?;
    let arrivals = Arrivals::default();
    let namespace = check.plan.lan_namespace(&site.key);
    let cut = std::thread::scope(|scope| {
        scope.spawn(|| arrivals.watch(&namespace));
        let outcome = measured(check, &arrivals, &fingerprint);
        arrivals.stop.store(true, Ordering::Relaxed);
        outcome
    });
    let whole = download.end();
    let cut = cut?;
    let ok = !whole && cut.stopped && cut.after_answer <= CUT_WITHIN;
    let observed = if whole {
        "the download went on to its end".to_owned()
    } else if cut.stopped {
        format!(
            "last byte {} ms after the answer ({} ms after the command), {:.0} MB",
            cut.after_answer.as_millis(),
            cut.after_command.as_millis(),
            cut.bytes as f64 / 1e6
        )
    } else {
        "data still arrives".to_owned()
    };
    check.row(
        &site.key,
        &format!("{}, running download", service.key),
        Some(&site),
        format!("stops within {} ms of revoke", CUT_WITHIN.as_millis()),
        observed,
        None,
        ok,
        cut.after_answer,
    )?;
    after_revocation(check, &site, &service)
}

fn after_revocation(
    check: &mut Check<'_, '_>,
    site: &Site,
    service: &Service,
) -> Result<(), PilotError> {
    let provider = check.region_site(&service.provider)?;
    let target = check
        .state
        .site(check.plan, &service.provider)?
        .host(check.plan);
    check.end(&up::agent(&site.key));
    // The agent took its routes away when it heard of the revocation. A device
    // in the wrong hands would not.
    let raised = check.state.site(check.plan, &site.key)?;
    let inside = plan::box_host(raised.prefix(check.plan));
    net::route_by_hand(
        &check.plan.box_namespace(&site.key),
        inside,
        check.plan.region().network,
    )?;
    let mark = files::mark(&provider);
    let port = service.port;
    check.refused(
        site,
        &service.key,
        "refused: certificate revoked, line unbound",
        &["not-attached"],
        |check| reach::fetch(check, &site.key, None, target, port, &mark),
    )?;
    let config = files::site_config(check.plan, &site.key);
    check.refused_attach(
        site,
        "attach with the revoked certificate",
        "refused: revoked",
        &["revoked"],
        |check| attach::agent_once(check, &site.key, &config),
    )?;
    net::forget_route(
        &check.plan.box_namespace(&site.key),
        check.plan.region().network,
    )?;
    up::enrol(check.plan, &check.operator, site, raised, true)?;
    up::start_agent(check.plan, &check.operator, &site.key)?;
    reach::granted(check, site, service, "enrolled anew")
}

/// Quarantine cuts an institution off; release gives everything back.
pub(crate) fn quarantine(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let Some((site, service)) = check.far_grant() else {
        return Ok(());
    };
    let number = check.state.site(check.plan, &site.key)?.number.to_string();
    let raised = check.state.site(check.plan, &site.key)?;
    check.operator.ask(
        "quarantining the institution",
        &[
            "participant",
            "quarantine",
            &number,
            "--reason",
            "pilot check",
        ],
    )?;
    let tried = quarantined(check, &site, &service, raised);
    check.operator.ask(
        "releasing the institution",
        &["participant", "release", &number],
    )?;
    tried?;
    net::forget_route(
        &check.plan.box_namespace(&site.key),
        check.plan.region().network,
    )?;
    up::start_agent(check.plan, &check.operator, &site.key)?;
    reach::granted(check, &site, &service, "released from quarantine")
}

fn quarantined(
    check: &mut Check<'_, '_>,
    site: &Site,
    service: &Service,
    raised: crate::state::SiteState,
) -> Result<(), PilotError> {
    let config = files::site_config(check.plan, &site.key);
    check.end(&up::agent(&site.key));
    check.refused_attach(
        site,
        "attach while quarantined",
        "refused: quarantined",
        &["quarantined"],
        |check| attach::agent_once(check, &site.key, &config),
    )?;
    let inside = plan::box_host(raised.prefix(check.plan));
    net::route_by_hand(
        &check.plan.box_namespace(&site.key),
        inside,
        check.plan.region().network,
    )?;
    let provider = check.region_site(&service.provider)?;
    let target = check
        .state
        .site(check.plan, &service.provider)?
        .host(check.plan);
    let (mark, port) = (files::mark(&provider), service.port);
    check.refused(
        site,
        &service.key,
        "refused: quarantined, line unbound",
        &["quarantined", "not-attached"],
        |check| reach::fetch(check, &site.key, None, target, port, &mark),
    )
}

/// The fingerprint of the participant's device that counts.
fn valid_device(check: &Check<'_, '_>, number: u32) -> Result<String, PilotError> {
    let answer = check.operator.ask(
        "listing the devices",
        &["device", "list", "--participant", &number.to_string()],
    )?;
    answer
        .list("/devices")?
        .iter()
        .rev()
        .find(|device| device.get("state").and_then(serde_json::Value::as_str) == Some("valid"))
        .and_then(|device| device.get("fingerprint"))
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| answer.missing("/devices/*/fingerprint of a valid device"))
}

/// A running curl.
struct Download {
    child: Child,
}

impl Download {
    fn begin(check: &Check<'_, '_>, site: &Site, url: &str) -> Result<Self, PilotError> {
        let call = Call::inside(&check.plan.lan_namespace(&site.key), "curl")
            // At full speed: a limited rate comes in bursts, and in the pause
            // after one the last byte would seem to be earlier than it is.
            .args(["-g", "-sS", "--noproxy", "*", "-o", "/dev/null"])
            .arg(url);
        let (program, rest) = call
            .words()
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let child = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(PilotError::io("could not start the download", program))?;
        Ok(Self { child })
    }

    /// Ends it; did it come to its end by itself, with everything?
    fn end(mut self) -> bool {
        let whole = matches!(self.child.try_wait(), Ok(Some(status)) if status.success());
        drop(self.child.kill());
        drop(self.child.wait());
        whole
    }
}

/// When data last arrived at the LAN host's interface, and how much in all.
#[derive(Default)]
struct Arrivals {
    last: Mutex<Option<(Instant, u64)>>,
    stop: AtomicBool,
}

impl Arrivals {
    /// Looks at the interface's counter about once a millisecond.
    fn watch(&self, namespace: &str) {
        if net::enter(namespace).is_err() {
            return;
        }
        let first = net::received_bytes(plan::HOST_INTERFACE).unwrap_or(0);
        let mut before = first;
        while !self.stop.load(Ordering::Relaxed) {
            let now = net::received_bytes(plan::HOST_INTERFACE).unwrap_or(before);
            if now - before >= DATA_BYTES {
                if let Ok(mut last) = self.last.lock() {
                    *last = Some((Instant::now(), now - first));
                }
                before = now;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn seen(&self) -> Option<(Instant, u64)> {
        self.last.lock().ok().and_then(|last| *last)
    }
}

struct Cut {
    after_answer: Duration,
    after_command: Duration,
    bytes: u64,
    stopped: bool,
}

fn measured(
    check: &Check<'_, '_>,
    arrivals: &Arrivals,
    fingerprint: &str,
) -> Result<Cut, PilotError> {
    wait_for(up::READY, || {
        // Not in one of curl's pauses: what stops must be seen to run.
        Ok::<_, PilotError>(
            arrivals
                .seen()
                .filter(|(last, bytes)| *bytes >= FLOWING_BYTES && last.elapsed() < FLOWING),
        )
    })?
    .ok_or_else(|| PilotError::Timeout {
        what: "the download's first megabytes".to_owned(),
        within: up::READY,
        detail: String::new(),
        log: check.plan.path("logs"),
    })?;
    let given = Instant::now();
    check.operator.ask(
        "revoking the certificate",
        &[
            "device",
            "revoke",
            fingerprint,
            "--reason",
            "key-compromise",
        ],
    )?;
    let answered = Instant::now();
    let quiet = wait_for(Duration::from_secs(10), || {
        let quiet = arrivals
            .seen()
            .is_some_and(|(last, _)| last.elapsed() >= QUIET && answered.elapsed() >= QUIET);
        Ok::<_, PilotError>(quiet.then_some(()))
    })?;
    let (last, bytes) = arrivals.seen().unwrap_or((answered, 0));
    Ok(Cut {
        after_answer: last.saturating_duration_since(answered),
        after_command: last.saturating_duration_since(given),
        bytes,
        stopped: quiet.is_some(),
    })
}
