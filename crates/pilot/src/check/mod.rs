//! Proving a raised region from outside, with real clients on the LAN hosts:
//! what must pass passes, all else is refused, and the gateway counted why.
//!
//! Leaves the region as it found it, so that it can be done again.

mod attach;
mod counters;
mod cut;
mod forged;
mod outage;
mod reach;
mod row;

pub use row::Row;
pub(crate) use row::table;

use crate::Pilot;
use crate::error::PilotError;
use crate::operator::Operator;
use crate::plan::Plan;
use crate::process::wait_for;
use crate::region::{Service, Site};
use crate::screen::Steps;
use crate::state::State;
use crate::up;
use counters::Counters;
use serde_json::Value;
use std::time::Duration;

/// How long a counter may take to be seen: it is there before the client has
/// given up.
const COUNTED_WITHIN: Duration = Duration::from_secs(3);

/// What came of trying something.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Did anything get through?
    through: bool,
    /// Was it what was wanted?
    as_wanted: bool,
    /// In words.
    said: String,
    /// How long it took.
    took: Duration,
}

/// One part of the check.
type Part = fn(&mut Check<'_, '_>) -> Result<(), PilotError>;

/// A running check.
pub(crate) struct Check<'a, 's> {
    plan: &'a Plan,
    operator: Operator,
    state: State,
    rows: Vec<Row>,
    each: &'a mut dyn FnMut(&Row),
    steps: &'a mut Steps<'s>,
    /// The center is away on purpose: it cannot be asked.
    center_away: bool,
}

/// Tries everything; `each` gets each row as it is known.
///
/// # Errors
/// When the region is not up or cannot be looked at. What a row says wrong is
/// no error here.
pub(crate) fn check<'a, 's>(
    pilot: &'a Pilot,
    steps: &'a mut Steps<'s>,
    each: &'a mut dyn FnMut(&Row),
) -> Result<Vec<Row>, PilotError> {
    up::programs()?;
    let mut check = Check {
        plan: &pilot.plan,
        operator: pilot.operator(),
        state: State::load(&pilot.plan)?,
        rows: Vec::new(),
        each,
        steps,
        center_away: false,
    };
    check
        .steps
        .say("Looking whether all of the region runs …")?;
    let mended = check.mend()?;
    check.steps.say(&format!("  {mended}"))?;
    let parts: [(&str, Part); 6] = [
        ("agreements", agreements),
        ("what nobody agreed on", reach::never),
        ("attach attempts", attach::refusals),
        ("revocation", cut::revoke),
        ("outages of center and gateway", outage::outage),
        ("quarantine", cut::quarantine),
    ];
    for (name, part) in parts {
        check.steps.say(&format!("Checking {name} …"))?;
        if let Err(error) = part(&mut check) {
            // One part that cannot be tried must not hide what the others show.
            check.row(
                "pilot",
                name,
                None,
                "can be tried".to_owned(),
                error.to_string(),
                None,
                false,
                Duration::ZERO,
            )?;
            check.mend()?;
        }
    }
    Ok(check.rows)
}

/// Every pair of an attached institution and a service: passes when there is an
/// agreement, refused for want of one when there is none.
fn agreements(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let services: Vec<Service> = check.plan.region().services.clone();
    let institutions = check.attached_institutions();
    for granted in [true, false] {
        for from in &institutions {
            for service in &services {
                let agreed = check.plan.region().granted(&from.key, &service.key);
                if agreed && granted {
                    reach::granted(check, from, service, "")?;
                } else if !agreed && !granted {
                    reach::not_agreed(check, from, service, "")?;
                }
            }
        }
    }
    Ok(())
}

/// The interfaces of a gateway's lines that are bound.
fn bound_lines(check: &Check<'_, '_>, gateway: &str) -> Vec<String> {
    up::gateway_status(check.plan, &check.operator, gateway)
        .ok()
        .and_then(|status| status.pointer("/lines").and_then(Value::as_array).cloned())
        .unwrap_or_default()
        .iter()
        .filter(|line| line.get("state").and_then(Value::as_str) == Some("attached"))
        .filter_map(|line| line.get("interface").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

impl Check<'_, '_> {
    /// Starts whatever does not run, as after a check that was broken off.
    fn mend(&mut self) -> Result<String, PilotError> {
        let mut started = Vec::new();
        self.center_away = false;
        if up::running(self.plan, "center").is_none() {
            up::start_center(self.plan, &self.operator)?;
            started.push("center".to_owned());
        }
        for gateway in &self.plan.region().gateways {
            let name = gateway.id.as_str();
            if up::running(self.plan, name).is_none() {
                up::start_gateway(self.plan, &self.operator, name)?;
                started.push(name.to_owned());
            }
        }
        for site in self.plan.region().sites.iter().filter(|site| site.enrols) {
            let raised = self.state.site(self.plan, &site.key)?;
            let number = raised.number.to_string();
            let shown = self.operator.ask(
                "asking for the participant",
                &["participant", "show", &number],
            )?;
            if shown.text("/standing")? == "quarantined" {
                self.operator.ask(
                    "releasing the institution",
                    &["participant", "release", &number],
                )?;
                started.push(format!("{} released", site.key));
            }
            let agent = up::agent(&site.key);
            if up::attached(self.plan, &self.operator, &site.key)
                && up::running(self.plan, &agent).is_some()
            {
                continue;
            }
            self.end(&agent);
            crate::net::forget_route(
                &self.plan.box_namespace(&site.key),
                self.plan.region().network,
            )?;
            if up::start_agent(self.plan, &self.operator, &site.key).is_err() {
                // Its certificate may be revoked.
                self.end(&agent);
                up::enrol(self.plan, &self.operator, site, raised, true)?;
                up::start_agent(self.plan, &self.operator, &site.key)?;
            }
            started.push(agent);
        }
        up::enforced_everywhere(self.plan, &self.operator)?;
        Ok(if started.is_empty() {
            "all of it".to_owned()
        } else {
            format!("now it does; mended: {}", started.join(", "))
        })
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "they are the columns of the row, in their order"
    )]
    fn row(
        &mut self,
        from: &str,
        to: &str,
        line: Option<&Site>,
        expected: String,
        observed: String,
        reason: Option<String>,
        ok: bool,
        took: Duration,
    ) -> Result<(), PilotError> {
        let row = Row {
            from: from.to_owned(),
            to: to.to_owned(),
            line: line
                .map(|site| format!("{}/{}", site.gateway, self.plan.circuit(&site.key)))
                .unwrap_or_default(),
            expected,
            observed,
            reason,
            ok,
            time_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        self.steps.say(&row.line())?;
        (self.each)(&row);
        self.rows.push(row);
        Ok(())
    }

    /// A row about packets that must be refused, and counted for one of these
    /// reasons at the line's gateway.
    fn refused(
        &mut self,
        from: &Site,
        to: &str,
        expected: &str,
        reasons: &[&str],
        act: impl FnOnce(&Self) -> Result<Attempt, PilotError>,
    ) -> Result<(), PilotError> {
        self.counted(from, to, expected, reasons, Counters::packets, act)
    }

    /// The same about an attempt to attach.
    fn refused_attach(
        &mut self,
        from: &Site,
        to: &str,
        expected: &str,
        reasons: &[&str],
        act: impl FnOnce(&Self) -> Result<Attempt, PilotError>,
    ) -> Result<(), PilotError> {
        self.counted(from, to, expected, reasons, Counters::attaches, act)
    }

    fn counted(
        &mut self,
        from: &Site,
        to: &str,
        expected: &str,
        reasons: &[&str],
        read: fn(&Check<'_, '_>, &str) -> Result<Counters, PilotError>,
        act: impl FnOnce(&Self) -> Result<Attempt, PilotError>,
    ) -> Result<(), PilotError> {
        let gateway = from.gateway.as_str();
        let interface = self.plan.circuit(&from.key);
        let before = read(self, gateway)?;
        let attempt = act(self)?;
        let mut others = Vec::new();
        let risen = wait_for(COUNTED_WITHIN, || {
            let now = read(self, gateway)?;
            others = now.all_risen(&before, &interface);
            Ok::<_, PilotError>(now.risen(&before, &interface, reasons))
        })?;
        let ok = !attempt.through && risen.is_some();
        let mut said = attempt.said;
        if risen.is_none() {
            said = format!(
                "{said}; not counted as {} (counted: {})",
                reasons.join(" or "),
                if others.is_empty() {
                    "nothing".to_owned()
                } else {
                    others.join(", ")
                }
            );
        }
        self.row(
            &from.key,
            to,
            Some(from),
            expected.to_owned(),
            said,
            risen,
            ok,
            attempt.took,
        )
    }

    fn region_site(&self, key: &str) -> Result<Site, PilotError> {
        self.plan
            .region()
            .site(key)
            .cloned()
            .ok_or_else(|| PilotError::NotUp(format!("{} (site {key})", self.plan.region().name)))
    }

    fn service_id(&self, key: &str) -> u32 {
        self.state.services.get(key).copied().unwrap_or(0)
    }

    /// Institutions whose boxes are attached.
    fn attached_institutions(&self) -> Vec<Site> {
        self.plan
            .region()
            .sites
            .iter()
            .filter(|site| site.enrols && !site.is_provider())
            .cloned()
            .collect()
    }

    /// The granted pairs of attached institutions, in the order of the file.
    fn grants(&self) -> Vec<(Site, Service)> {
        self.plan
            .region()
            .agreements
            .iter()
            .filter_map(|agreement| {
                let site = self.plan.region().site(&agreement.participant)?;
                let service = self.plan.region().service(&agreement.service)?;
                (site.enrols && !site.is_provider()).then(|| (site.clone(), service.clone()))
            })
            .collect()
    }

    /// One granted pair for each gateway that has one.
    fn one_grant_per_gateway(&self) -> Vec<(Site, Service)> {
        let mut seen = Vec::new();
        self.grants()
            .into_iter()
            .filter(|(site, _)| {
                let first = !seen.contains(&site.gateway);
                if first {
                    seen.push(site.gateway.clone());
                }
                first
            })
            .collect()
    }

    /// A granted pair whose path crosses both gateways, and whose institution
    /// also lacks an agreement, as far as the region has such.
    fn far_grant(&self) -> Option<(Site, Service)> {
        let grants = self.grants();
        let score = |(site, service): &(Site, Service)| {
            let far = self
                .plan
                .region()
                .site(&service.provider)
                .is_some_and(|provider| provider.gateway != site.gateway);
            u8::from(far) * 2 + u8::from(self.refusable(site).is_some())
        };
        let best = grants.iter().map(score).max()?;
        grants.into_iter().find(|pair| score(pair) == best)
    }

    /// A service that this institution has no agreement about.
    fn refusable(&self, site: &Site) -> Option<Service> {
        self.plan
            .region()
            .services
            .iter()
            .find(|service| !self.plan.region().granted(&site.key, &service.key))
            .cloned()
    }
}
