//! Rows about packets: who reaches what from a LAN host, with curl.

use super::{Attempt, Check};
use crate::command::Call;
use crate::error::PilotError;
use crate::files;
use crate::net;
use crate::plan::{self, LAN_PORT, PRIVATE_PORT};
use crate::region::{Service, Site};
use std::net::Ipv6Addr;

/// Seconds in which a connection that is let through is there many times over.
const CONNECT_S: &str = "1.5";

/// Fetches a page from a site's LAN host, optionally from another source
/// address, and looks for the mark that only the wanted page has.
pub(crate) fn fetch(
    check: &Check<'_, '_>,
    from: &str,
    source: Option<Ipv6Addr>,
    target: Ipv6Addr,
    port: u16,
    mark: &str,
) -> Result<Attempt, PilotError> {
    let mut call = Call::inside(&check.plan.lan_namespace(from), "curl").args([
        "-g",
        "-sS",
        "--noproxy",
        "*",
        "--connect-timeout",
        CONNECT_S,
        "--max-time",
        "4",
    ]);
    if let Some(source) = source {
        call = call.args(["--interface", &source.to_string()]);
    }
    let done = call.arg(format!("http://[{target}]:{port}/")).outcome()?;
    let through = done.ok() && done.stdout.contains(mark);
    let said = if through {
        "its page".to_owned()
    } else if done.ok() {
        "another page".to_owned()
    } else {
        match done.code() {
            Some(28) => "no answer".to_owned(),
            Some(7) => "not reachable".to_owned(),
            _ => done.stderr.trim().chars().take(80).collect(),
        }
    };
    Ok(Attempt {
        // Any answer at all has passed.
        through: through || done.ok(),
        as_wanted: through,
        said,
        took: done.took,
    })
}

/// A granted service passes.
pub(crate) fn granted(
    check: &mut Check<'_, '_>,
    from: &Site,
    service: &Service,
    circumstance: &str,
) -> Result<(), PilotError> {
    let provider = check.region_site(&service.provider)?;
    let target = check
        .state
        .site(check.plan, &service.provider)?
        .host(check.plan);
    let attempt = fetch(
        check,
        &from.key,
        None,
        target,
        service.port,
        &files::mark(&provider),
    )?;
    let explained = explained(check, from, service)?;
    let ok = attempt.as_wanted && explained.unwrap_or(true);
    let expected = with("passes", circumstance);
    let said = match explained {
        Some(false) => format!("{}, but explain says no", attempt.said),
        Some(true) => format!("{}, explain agrees", attempt.said),
        None => attempt.said.clone(),
    };
    check.row(
        &from.key,
        &service.key,
        Some(from),
        expected,
        said,
        None,
        ok,
        attempt.took,
    )
}

/// A service that nobody agreed on is refused, and `explain` says the same.
pub(crate) fn not_agreed(
    check: &mut Check<'_, '_>,
    from: &Site,
    service: &Service,
    circumstance: &str,
) -> Result<(), PilotError> {
    let provider = check.region_site(&service.provider)?;
    let target = check
        .state
        .site(check.plan, &service.provider)?
        .host(check.plan);
    let port = service.port;
    let mark = files::mark(&provider);
    let explained = explained(check, from, service)?;
    if explained == Some(true) {
        return check.row(
            &from.key,
            &service.key,
            Some(from),
            "refused".to_owned(),
            "explain says yes".to_owned(),
            None,
            false,
            std::time::Duration::ZERO,
        );
    }
    check.refused(
        from,
        &service.key,
        &with("refused: no agreement", circumstance),
        &["no-agreement"],
        |check| fetch(check, &from.key, None, target, port, &mark),
    )
}

/// What `explain` says about this path; `None` while the center is away.
fn explained(
    check: &Check<'_, '_>,
    from: &Site,
    service: &Service,
) -> Result<Option<bool>, PilotError> {
    if check.center_away {
        return Ok(None);
    }
    let number = check.state.site(check.plan, &from.key)?.number.to_string();
    let id = check.service_id(&service.key).to_string();
    let answer = check.operator.ask(
        "asking for an explanation",
        &["explain", "--from", &number, "--to", &id],
    )?;
    Ok(Some(answer.flag("/reachable")?))
}

/// Everything that is refused whatever was agreed: other LANs, other ports,
/// other sources, lines without a device, and the way back without a flow.
pub(crate) fn never(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    other_lans(check)?;
    other_ports(check)?;
    spoofed(check)?;
    never_attached(check)?;
    way_back(check)
}

fn other_lans(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let institutions = check.attached_institutions();
    for (index, from) in institutions.iter().enumerate() {
        let Some(to) = institutions.get((index + 1) % institutions.len()) else {
            continue;
        };
        if from.key == to.key {
            continue;
        }
        let target = check.state.site(check.plan, &to.key)?.host(check.plan);
        let mark = files::mark(to);
        check.refused(
            from,
            &format!("LAN of {}", to.key),
            "refused: no service there",
            &["no-such-service"],
            |check| fetch(check, &from.key, None, target, LAN_PORT, &mark),
        )?;
    }
    Ok(())
}

fn other_ports(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    for (from, service) in check.one_grant_per_gateway() {
        let provider = check.region_site(&service.provider)?;
        let target = check
            .state
            .site(check.plan, &service.provider)?
            .host(check.plan);
        let mark = files::mark(&provider);
        check.refused(
            &from,
            &format!("{} at port {PRIVATE_PORT}", service.key),
            "refused: port of no service",
            &["port-not-in-service"],
            |check| fetch(check, &from.key, None, target, PRIVATE_PORT, &mark),
        )?;
    }
    Ok(())
}

/// The LAN host takes an address of another institution that does have the
/// agreement, and its box routes it out.
fn spoofed(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    for (owner, service) in check.one_grant_per_gateway() {
        let Some(from) = check
            .attached_institutions()
            .into_iter()
            .find(|site| site.gateway == owner.gateway && site.key != owner.key)
        else {
            continue;
        };
        let provider = check.region_site(&service.provider)?;
        let target = check
            .state
            .site(check.plan, &service.provider)?
            .host(check.plan);
        let mark = files::mark(&provider);
        let foreign = check
            .state
            .site(check.plan, &owner.key)?
            .prefix(check.plan)
            .host(0x66);
        let namespace = check.plan.lan_namespace(&from.key);
        let address = format!("{foreign}/128 dev {}", plan::HOST_INTERFACE);
        net::batch(
            "taking a foreign address",
            Some(&namespace),
            [format!("address replace {address} nodad")],
        )?;
        let tried = check.refused(
            &from,
            &format!("{} as {}", service.key, owner.key),
            "refused: spoofed source",
            &["spoofed-source"],
            |check| fetch(check, &from.key, Some(foreign), target, service.port, &mark),
        );
        net::batch(
            "giving the foreign address back",
            Some(&namespace),
            [format!("address delete {address}")],
        )?;
        tried?;
    }
    Ok(())
}

fn never_attached(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let without: Vec<Site> = check
        .plan
        .region()
        .sites
        .iter()
        .filter(|site| !site.enrols)
        .cloned()
        .collect();
    for from in without {
        let services: Vec<Service> = check.plan.region().services.clone();
        for service in services {
            let provider = check.region_site(&service.provider)?;
            let target = check
                .state
                .site(check.plan, &service.provider)?
                .host(check.plan);
            let mark = files::mark(&provider);
            let agreed = check.plan.region().granted(&from.key, &service.key);
            if !agreed {
                continue;
            }
            check.refused(
                &from,
                &service.key,
                "refused: agreed, but never attached",
                &["not-attached"],
                |check| fetch(check, &from.key, None, target, service.port, &mark),
            )?;
        }
    }
    Ok(())
}

/// An agreement is one-way: the provider does not get into the LAN.
fn way_back(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    for (to, service) in check.one_grant_per_gateway() {
        let provider = check.region_site(&service.provider)?;
        let target = check.state.site(check.plan, &to.key)?.host(check.plan);
        let mark = files::mark(&to);
        check.refused(
            &provider,
            &format!("LAN of {}", to.key),
            "refused: an agreement is one-way",
            &["no-such-service"],
            |check| fetch(check, &provider.key, None, target, LAN_PORT, &mark),
        )?;
    }
    Ok(())
}

fn with(expected: &str, circumstance: &str) -> String {
    if circumstance.is_empty() {
        expected.to_owned()
    } else {
        format!("{expected}, {circumstance}")
    }
}
