//! Rows about outages: the center is killed, a gateway is killed and started
//! again meanwhile. What was granted goes on, what was not stays refused.

use super::counters::Counters;
use super::{Check, reach};
use crate::error::PilotError;
use crate::files;
use crate::process::wait_for;
use crate::region::{Service, Site};
use crate::up;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Kills the center, then a gateway; starts the gateway, then the center.
pub(crate) fn outage(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let Some((site, service)) = check.far_grant() else {
        return Ok(());
    };
    let other = check.refusable(&site);
    check.kill("center");
    check.center_away = true;
    let without_center = center_away(check, &site, &service, other.as_ref());
    let back = center_back(check);
    without_center.and(back)
}

fn center_away(
    check: &mut Check<'_, '_>,
    site: &Site,
    service: &Service,
    other: Option<&Service>,
) -> Result<(), PilotError> {
    for (from, granted) in check.one_grant_per_gateway() {
        reach::granted(check, &from, &granted, "center killed")?;
    }
    let gateway = site.gateway.to_string();
    let before = Counters::packets(check, &gateway)?;
    check.kill(&gateway);
    let killed = Instant::now();
    reach::granted(check, site, service, "center and gateway process killed")?;
    let tried = match other {
        None => None,
        Some(other) => {
            let provider = check.region_site(&other.provider)?;
            let target = check
                .state
                .site(check.plan, &other.provider)?
                .host(check.plan);
            let mark = files::mark(&provider);
            Some((
                other,
                reach::fetch(check, &site.key, None, target, other.port, &mark)?,
            ))
        }
    };
    up::start_gateway(check.plan, &check.operator, &gateway)?;
    let status = up::gateway_status(check.plan, &check.operator, &gateway)?;
    let revision = status.pointer("/policy/revision").and_then(Value::as_u64);
    check.row(
        &gateway,
        "its last signed snapshot",
        None,
        "resumes from it, center killed".to_owned(),
        revision.map_or("no policy".to_owned(), |at| {
            format!("policy of revision {at}")
        }),
        None,
        revision.is_some(),
        killed.elapsed(),
    )?;
    // The tables outlive the process: what it counted while nobody could ask
    // is read now.
    if let Some((other, attempt)) = tried {
        let risen = Counters::packets(check, &gateway)?.risen(
            &before,
            &check.plan.circuit(&site.key),
            &["no-agreement"],
        );
        let ok = !attempt.through && risen.is_some();
        check.row(
            &site.key,
            &other.key,
            Some(site),
            "refused: no agreement, gateway process killed".to_owned(),
            attempt.said,
            risen,
            ok,
            attempt.took,
        )?;
    }
    attached_again(check, &gateway)?;
    reach::granted(check, site, service, "gateway restarted, center killed")?;
    if let Some(other) = other {
        reach::not_agreed(check, site, other, "gateway restarted, center killed")?;
    }
    Ok(())
}

/// Every device of the gateway attaches again by itself.
fn attached_again(check: &mut Check<'_, '_>, gateway: &str) -> Result<(), PilotError> {
    let begun = Instant::now();
    let mut waiting: Vec<String> = check
        .plan
        .region()
        .sites
        .iter()
        .filter(|site| site.enrols && site.gateway.as_str() == gateway)
        .map(|site| site.key.clone())
        .collect();
    let all = waiting.len();
    wait_for(Duration::from_secs(40), || {
        let bound = super::bound_lines(check, gateway);
        waiting.retain(|key| !bound.contains(&check.plan.circuit(key)));
        Ok::<_, PilotError>(waiting.is_empty().then_some(()))
    })?;
    check.row(
        gateway,
        "its sites",
        None,
        "attach again, center killed".to_owned(),
        if waiting.is_empty() {
            format!("all {all} attached")
        } else {
            format!("not: {}", waiting.join(", "))
        },
        None,
        waiting.is_empty(),
        begun.elapsed(),
    )
}

fn center_back(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let begun = Instant::now();
    up::start_center(check.plan, &check.operator)?;
    check.center_away = false;
    let revision = up::enforced_everywhere(check.plan, &check.operator)?;
    check.row(
        "center",
        "every gateway",
        None,
        "back: everything enforced".to_owned(),
        format!("revision {revision} acknowledged everywhere"),
        None,
        true,
        begun.elapsed(),
    )
}

impl Check<'_, '_> {
    /// Kills a process of the region without warning.
    pub(crate) fn kill(&self, name: &str) {
        if let Some(process) = up::running(self.plan, name) {
            process.signal(Signal::SIGKILL);
            process.gone_within(Duration::from_secs(5));
        }
    }

    /// Ends a process of the region as an operator would.
    pub(crate) fn end(&self, name: &str) {
        if let Some(process) = up::running(self.plan, name) {
            process.end(Duration::from_secs(3));
        }
    }
}
