//! Rows about attach attempts: certificates and TLS settings that must not open
//! a line, each refused with its reason counted.

use super::forged::{self, Pair};
use super::{Attempt, Check};
use crate::command::Call;
use crate::error::PilotError;
use crate::files;
use crate::plan;
use crate::region::Site;

/// An attempt with something wrong about it.
struct Wrong<'a> {
    with: &'static str,
    expected: &'static str,
    pair: Option<&'a Pair>,
    options: &'static [&'static str],
    reason: &'static str,
}

/// Tries them all on the line of an attached institution, whose own session
/// goes on meanwhile.
pub(crate) fn refusals(check: &mut Check<'_, '_>) -> Result<(), PilotError> {
    let Some(site) = check.attached_institutions().into_iter().next() else {
        return Ok(());
    };
    let raised = check.state.site(check.plan, &site.key)?;
    let own = forged::own(check, &site.key);
    let another = forged::another_ca(check, raised)?;
    let expired = forged::expired(check, raised)?;
    control(check, &site, &own)?;
    let attempts = [
        Wrong {
            with: "a certificate of another CA",
            expected: "refused: unknown authority",
            pair: Some(&another),
            options: &["-tls1_2"],
            reason: "unknown-authority",
        },
        Wrong {
            with: "an expired certificate",
            expected: "refused: expired",
            pair: Some(&expired),
            options: &["-tls1_2"],
            reason: "expired",
        },
        Wrong {
            with: "no certificate",
            expected: "refused: no certificate",
            pair: None,
            options: &["-tls1_2"],
            reason: "no-certificate",
        },
        Wrong {
            with: "TLS 1.3 only",
            expected: "refused: protocol version",
            pair: Some(&own),
            options: &["-tls1_3"],
            reason: "protocol-version",
        },
        Wrong {
            with: "a CBC suite only",
            expected: "refused: no common suite",
            pair: Some(&own),
            options: &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256",
            ],
            reason: "no-common-suite",
        },
    ];
    for wrong in attempts {
        check.refused_attach(
            &site,
            &format!("attach with {}", wrong.with),
            wrong.expected,
            &[wrong.reason],
            |check| handshake(check, &site, wrong.pair, wrong.options),
        )?;
    }
    stolen(check, &site)
}

/// The same tool and the same call, with the right certificate: goes through.
/// Without it, the refusals below could be the tool's own mistakes.
fn control(check: &mut Check<'_, '_>, site: &Site, own: &Pair) -> Result<(), PilotError> {
    let attempt = handshake(check, site, Some(own), &["-tls1_2"])?;
    check.row(
        &site.key,
        "handshake with its own certificate (openssl)",
        Some(site),
        "accepted".to_owned(),
        attempt.said,
        None,
        attempt.through,
        attempt.took,
    )
}

/// A handshake by openssl from the site's box.
fn handshake(
    check: &Check<'_, '_>,
    site: &Site,
    pair: Option<&Pair>,
    options: &[&str],
) -> Result<Attempt, PilotError> {
    let mut call = Call::inside(&check.plan.box_namespace(&site.key), "openssl")
        .args(["s_client", "-brief", "-connect"])
        .arg(format!(
            "[{}%{}]:{}",
            plan::GATEWAY_LINK_LOCAL,
            plan::LINE_INTERFACE,
            plan::ATTACH_PORT
        ))
        .arg("-CAfile")
        .path(&check.plan.root_certificate())
        .args(options.iter().copied());
    if let Some(pair) = pair {
        call = call
            .arg("-cert")
            .path(&pair.certificate)
            .arg("-key")
            .path(&pair.key)
            .arg("-cert_chain")
            .path(&pair.chain);
    }
    let done = call.within(std::time::Duration::from_secs(10)).outcome()?;
    let alert = done
        .stderr
        .lines()
        .find_map(|line| line.split("alert ").nth(1))
        .map(|alert| alert.split(':').next().unwrap_or(alert).trim().to_owned());
    let through = done.ok();
    let said = match (through, alert) {
        (true, _) => "handshake done".to_owned(),
        (false, Some(alert)) => format!("alert: {alert}"),
        (false, None) => done
            .stderr
            .lines()
            .next_back()
            .unwrap_or("ended")
            .chars()
            .take(60)
            .collect(),
    };
    Ok(Attempt {
        through,
        as_wanted: through,
        said,
        took: done.took,
    })
}

/// Another institution's whole device, key and all, on a line that is not its.
fn stolen(check: &mut Check<'_, '_>, owner: &Site) -> Result<(), PilotError> {
    let Some(thief) = check
        .plan
        .region()
        .sites
        .iter()
        .find(|site| !site.enrols && site.gateway == owner.gateway)
        .cloned()
    else {
        return Ok(());
    };
    let dir = check.plan.path("check").join("stolen");
    let state = dir.join("state");
    let config = dir.join("site.toml");
    files::site(check.plan, &config, &state)?;
    let from = files::site_state(check.plan, &owner.key);
    for file in ["key.pem", "certificate.pem"] {
        std::fs::copy(from.join(file), state.join(file)).map_err(PilotError::io(
            "could not copy the device",
            state.join(file),
        ))?;
    }
    check.refused_attach(
        &thief,
        &format!("attach as {} from another line", owner.key),
        "refused: wrong line",
        &["wrong-line"],
        |check| agent_once(check, &thief.key, &config),
    )
}

/// One attempt of the site's agent.
pub(crate) fn agent_once(
    check: &Check<'_, '_>,
    key: &str,
    config: &std::path::Path,
) -> Result<Attempt, PilotError> {
    let call = check
        .operator
        .program_in(&check.plan.box_namespace(key))
        .args(["site", "run", "--once", "--config"])
        .path(config);
    let done = call.within(std::time::Duration::from_secs(15)).outcome()?;
    // `attachment refused (wrong-line): …`: the word is enough for a table.
    let word = done
        .stderr
        .split_once("refused (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(word, _)| format!("told: {word}"));
    let said = word.unwrap_or_else(|| {
        let last = done
            .stderr
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty());
        last.unwrap_or("ended").trim().chars().take(80).collect()
    });
    Ok(Attempt {
        through: done.ok(),
        as_wanted: done.ok(),
        said: if done.ok() {
            "attached".to_owned()
        } else {
            said
        },
        took: done.took,
    })
}
