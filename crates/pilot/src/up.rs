//! Raising a region, by the commands that operators and officers would type:
//! root and issuing CA, center, gateways, participants, lines, codes, boxes,
//! services, agreements.

use crate::Pilot;
use crate::command::Call;
use crate::error::PilotError;
use crate::files;
use crate::net;
use crate::operator::{Operator, answer};
use crate::plan::{self, Plan};
use crate::process::{self, ready, start, wait_for};
use crate::region::{Gateway, Site};
use crate::screen::Steps;
use crate::state::{SiteState, State};
use iryonet_domain::{InstitutionCode, ParticipantNumber, UnixMillis};
use serde_json::Value;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long a part may take to be ready. Far more than it takes: a laden
/// machine is slow, and a part that is stuck is stuck for ever.
pub(crate) const READY: Duration = Duration::from_secs(30);

/// Programs that are called, and their Debian packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
    ("sysctl", "procps"),
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("openssl", "openssl"),
];

/// Wants every program that the pilot calls.
///
/// # Errors
/// Names the first that is missing, and its package.
pub(crate) fn programs() -> Result<(), PilotError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in PROGRAMS {
        if !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()) {
            return Err(PilotError::Missing { program, package });
        }
    }
    Ok(())
}

/// Raises the region; an earlier one of the same name goes down first.
///
/// # Errors
/// When a step fails. What was raised so far stays, so that one can look at it.
pub(crate) fn up(
    pilot: &Pilot,
    now: UnixMillis,
    steps: &mut Steps<'_>,
) -> Result<State, PilotError> {
    let plan = &pilot.plan;
    let operator = &pilot.operator();
    programs()?;
    if plan.run_dir().exists() || !net::existing(&plan.namespace_prefix())?.is_empty() {
        steps.say("An earlier raising is taken down first:")?;
        crate::down::down(plan, steps)?;
    }
    for dir in ["logs", "pids"] {
        files::make_dir(&plan.path(dir))?;
    }
    private(plan)?;
    steps.step("laying namespaces, cables and the backbone", || {
        net::lay(plan)?;
        Ok(format!("{} namespaces", plan.namespaces().len()))
    })?;
    steps.step("making root CA, issuing CA and the center", || {
        authorities(plan, operator)
    })?;
    steps.step("starting the center", || {
        start_center(plan, operator)?;
        Ok(String::new())
    })?;
    for (index, gateway) in plan.region().gateways.iter().enumerate() {
        steps.step(
            &format!("registering, enrolling and starting gateway {}", gateway.id),
            || raise_gateway(plan, operator, index, gateway),
        )?;
    }
    let mut state = State::default();
    for (index, site) in plan.region().sites.iter().enumerate() {
        steps.step(
            &format!(
                "admitting {} {} ({})",
                site.kind.name_ja(),
                site.name,
                site.name_en
            ),
            || {
                let admitted = admit(plan, operator, index, site)?;
                state.sites.insert(site.key.clone(), admitted);
                Ok(format!("number {}", admitted.number))
            },
        )?;
    }
    state.save(plan)?;
    for site in &plan.region().sites {
        let raised = state.site(plan, &site.key)?;
        steps.step(&format!("the box of {}", site.key), || {
            raise_box(plan, operator, site, raised)
        })?;
    }
    steps.step("registering services, agreeing on their use", || {
        services(plan, operator, &mut state, now)
    })?;
    state.save(plan)?;
    steps.step("waiting until every gateway enforces all of it", || {
        let revision = enforced_everywhere(plan, operator)?;
        Ok(format!("revision {revision}"))
    })?;
    Ok(state)
}

/// Keys and the operators' socket are below: nobody else looks in.
fn private(plan: &Plan) -> Result<(), PilotError> {
    use std::os::unix::fs::PermissionsExt;
    let dir = plan.run_dir();
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(PilotError::io(
        "could not make the run directory private",
        dir,
    ))
}

fn authorities(plan: &Plan, operator: &Operator) -> Result<String, PilotError> {
    let name = &plan.region().name;
    let root = plan.path("root");
    operator
        .program()
        .args(["authority", "init-root", "--out"])
        .path(&root)
        // A pilot's keys lie in its run directory and end with it.
        .arg("--plain-key")
        .args(["--name", &format!("iryonet pilot root ({name})")])
        .run("making the root CA")?;
    operator
        .program()
        .args(["authority", "init-issuing", "--root"])
        .path(&root)
        .arg("--out")
        .path(&plan.path("issuing"))
        .arg("--plain-key")
        .args(["--name", &format!("iryonet pilot institutions ({name})")])
        .run("making the issuing CA")?;
    let config = files::center(plan)?;
    operator
        .program()
        .args(["center", "init", "--config"])
        .path(&config)
        .run("preparing the center")?;
    Ok(String::new())
}

/// Starts the center and waits until an operator gets an answer.
///
/// # Errors
/// When it does not come up.
pub(crate) fn start_center(plan: &Plan, operator: &Operator) -> Result<(), PilotError> {
    let call = operator
        .program_in(&plan.center_namespace())
        .args(["center", "--config"])
        .path(&files::center_config(plan));
    let process = start(plan, "center", &call)?;
    let public = SocketAddrV6::new(plan.center_address(), plan::CENTER_PUBLIC_PORT, 0, 0);
    ready(
        plan,
        "center",
        process,
        "the center's answer to an operator",
        READY,
        || {
            let answers = operator.ask("asking the center", &["enforcement"]).is_ok();
            (answers && reachable(&plan.center_namespace(), public, None)).then_some(())
        },
    )
}

fn raise_gateway(
    plan: &Plan,
    operator: &Operator,
    index: usize,
    gateway: &Gateway,
) -> Result<String, PilotError> {
    let name = gateway.id.as_str();
    let backbone = plan.gateway_address(index).to_string();
    let blocks: Vec<String> = gateway.blocks.iter().map(u8::to_string).collect();
    let mut words = vec!["gateways", "register", name, "--backbone", &backbone];
    for block in &blocks {
        words.extend(["--block", block]);
    }
    operator.ask("registering the gateway", &words)?;
    let config = files::gateway(plan, gateway)?;
    net::mount_bpffs(&plan.pin_dir(name))?;
    let code = operator.ask(
        "asking for the gateway's enrolment code",
        &["enrolment-code", "--gateway", name],
    )?;
    operator
        .program_in(&plan.namespace(name))
        .args(["gateway", "enrol", "--config"])
        .path(&config)
        .args(["--code", code.text("/code")?])
        .run("enrolling the gateway")?;
    start_gateway(plan, operator, name)?;
    Ok(format!("backbone {backbone}"))
}

/// Starts a gateway and waits until it holds a policy, its center's or its own
/// last one.
///
/// # Errors
/// When it does not come up.
pub(crate) fn start_gateway(
    plan: &Plan,
    operator: &Operator,
    name: &str,
) -> Result<(), PilotError> {
    let call = operator
        .program_in(&plan.namespace(name))
        .args(["gateway", "--config"])
        .path(&files::gateway_config(plan, name));
    let process = start(plan, name, &call)?;
    ready(
        plan,
        name,
        process,
        &format!("{name}'s first policy"),
        READY,
        || {
            let status = gateway_status(plan, operator, name).ok()?;
            let in_force =
                status.pointer("/policy/state").and_then(Value::as_str) == Some("in-force");
            let enforced = status.pointer("/policy/enforced") == Some(&Value::Bool(true));
            (in_force && enforced).then_some(())
        },
    )
}

/// What a gateway says of itself.
///
/// # Errors
/// When it does not answer.
pub(crate) fn gateway_status(
    plan: &Plan,
    operator: &Operator,
    name: &str,
) -> Result<Value, PilotError> {
    let call = operator
        .program()
        .args(["gateway", "status", "--json", "--config"])
        .path(&files::gateway_config(plan, name));
    Ok(answer("asking the gateway", &call)?.value)
}

fn admit(
    plan: &Plan,
    operator: &Operator,
    index: usize,
    site: &Site,
) -> Result<SiteState, PilotError> {
    let mut words = vec![
        "participant",
        "admit",
        "--kind",
        site.kind.as_str(),
        "--name",
        &site.name,
        "--gateway",
        site.gateway.as_str(),
    ];
    let code = code_of(site, index).map(|code| code.to_string());
    if let Some(code) = &code {
        words.extend(["--code", code]);
    }
    let admitted = operator.found("admitting the participant", &words)?;
    let number = u32::try_from(admitted.number("/number")?)
        .ok()
        .and_then(|number| ParticipantNumber::new(number).ok())
        .ok_or_else(|| PilotError::Answer {
            what: "admitting the participant".to_owned(),
            command: "participant admit".to_owned(),
            missing: "participant number".to_owned(),
            answer: admitted.value.to_string(),
        })?;
    let shown = number.to_string();
    let added = operator.ask(
        "adding the site",
        &["participant", "add-site", &shown, "--name", "本院"],
    )?;
    let index = u8::try_from(added.number("/site")?).unwrap_or(0);
    operator.ask(
        "adding the line",
        &[
            "participant",
            "add-line",
            &shown,
            "--site",
            &index.to_string(),
            "--gateway",
            site.gateway.as_str(),
            "--interface",
            &plan.circuit(&site.key),
        ],
    )?;
    Ok(SiteState {
        number,
        site: index,
    })
}

/// A code with a valid check digit; care offices and providers have none.
fn code_of(site: &Site, index: usize) -> Option<InstitutionCode> {
    let iryonet_domain::ParticipantKind::Institution(kind) = site.kind else {
        return None;
    };
    let serial = u16::try_from(index).unwrap_or(0) + 1;
    Some(InstitutionCode::generate(
        site.prefecture?,
        kind.score_table()?,
        1,
        serial,
    ))
}

fn raise_box(
    plan: &Plan,
    operator: &Operator,
    site: &Site,
    raised: SiteState,
) -> Result<String, PilotError> {
    let key = &site.key;
    let prefix = raised.prefix(plan);
    let (host, inside) = (raised.host(plan), plan::box_host(prefix));
    let config = files::site_config(plan, key);
    files::site(plan, &config, &files::site_state(plan, key))?;
    let said = if site.enrols {
        enrol(plan, operator, site, raised, false)?;
        start_agent(plan, operator, key)?;
        "enrolled, attached"
    } else {
        net::route_by_hand(&plan.box_namespace(key), inside, plan.region().network)?;
        "never enrols; forwards all the same"
    };
    let lan = plan.lan_namespace(key);
    net::address_host(&lan, host, inside)?;
    let web = files::web(plan, site, host)?;
    let name = format!("{key}-web");
    let call = Call::inside(&lan, "nginx")
        .arg("-p")
        .path(&plan.home(key).join("web"))
        .arg("-c")
        .path(&web);
    let process = start(plan, &name, &call)?;
    for port in plan.served_ports(site) {
        ready(
            plan,
            &name,
            process,
            &format!("the page on port {port}"),
            READY,
            || reachable(&lan, SocketAddrV6::new(host, port, 0, 0), None).then_some(()),
        )?;
    }
    Ok(format!("{said}, {prefix}"))
}

/// Gets a code and enrols the site's box with it.
///
/// # Errors
/// When the line does not serve enrolment, or the center refuses.
pub(crate) fn enrol(
    plan: &Plan,
    operator: &Operator,
    site: &Site,
    raised: SiteState,
    again: bool,
) -> Result<(), PilotError> {
    let namespace = plan.box_namespace(&site.key);
    let relay: Ipv6Addr = plan::GATEWAY_LINK_LOCAL
        .parse()
        .unwrap_or(Ipv6Addr::LOCALHOST);
    let relay = SocketAddrV6::new(relay, plan::ENROL_PORT, 0, 0);
    wait_for(READY, || {
        Ok::<_, PilotError>(reachable(&namespace, relay, Some(plan::LINE_INTERFACE)).then_some(()))
    })?
    .ok_or_else(|| PilotError::Timeout {
        what: format!("enrolment on the line of {}", site.key),
        within: READY,
        detail: String::new(),
        log: plan.log(site.gateway.as_str()),
    })?;
    let code = operator.ask(
        "asking for the site's enrolment code",
        &[
            "enrolment-code",
            "--participant",
            &raised.number.to_string(),
        ],
    )?;
    let call = operator
        .program_in(&namespace)
        .args(["site", "enrol", "--config"])
        .path(&files::site_config(plan, &site.key))
        .args(["--code", code.text("/code")?]);
    let call = if again { call.arg("--force") } else { call };
    call.run("enrolling the site")?;
    Ok(())
}

/// Starts a box's agent and waits until its line is bound.
///
/// # Errors
/// When it does not attach.
pub(crate) fn start_agent(plan: &Plan, operator: &Operator, key: &str) -> Result<(), PilotError> {
    let call = operator
        .program_in(&plan.box_namespace(key))
        .args(["site", "run", "--config"])
        .path(&files::site_config(plan, key));
    let name = agent(key);
    let process = start(plan, &name, &call)?;
    ready(
        plan,
        &name,
        process,
        &format!("{key}'s attachment"),
        READY,
        || attached(plan, operator, key).then_some(()),
    )
}

/// The name of a box's agent among the processes.
pub(crate) fn agent(key: &str) -> String {
    format!("{key}-box")
}

/// Does the box's agent say that its line is bound?
pub(crate) fn attached(plan: &Plan, operator: &Operator, key: &str) -> bool {
    let call = operator
        .program()
        .args(["site", "status", "--json", "--config"])
        .path(&files::site_config(plan, key));
    answer("asking the site", &call).is_ok_and(|status| {
        status.value.pointer("/state").and_then(Value::as_str) == Some("attached")
    })
}

fn services(
    plan: &Plan,
    operator: &Operator,
    state: &mut State,
    now: UnixMillis,
) -> Result<String, PilotError> {
    for service in &plan.region().services {
        let provider = state.site(plan, &service.provider)?;
        let number = provider.number.to_string();
        let endpoint = format!("tcp:[{}]:{}", provider.host(plan), service.port);
        let mut words = vec![
            "service",
            "register",
            "--provider",
            &number,
            "--name",
            &service.name,
            "--class",
            service.class.as_str(),
            "--endpoint",
            &endpoint,
        ];
        for purpose in &service.purposes {
            words.extend(["--purpose", purpose.as_str()]);
        }
        let registered = operator.ask("registering the service", &words)?;
        let id = u32::try_from(registered.number("/service")?).unwrap_or(0);
        state.services.insert(service.key.clone(), id);
    }
    for agreement in &plan.region().agreements {
        let participant = state.site(plan, &agreement.participant)?.number.to_string();
        let Some(service) = plan.region().service(&agreement.service) else {
            continue;
        };
        let provider = state.site(plan, &service.provider)?.number.to_string();
        let id = state
            .services
            .get(&service.key)
            .copied()
            .unwrap_or(0)
            .to_string();
        let until = rfc3339(now.plus_ms(u64::from(agreement.days) * 86_400_000));
        let proposed = operator.found(
            "proposing the agreement",
            &[
                "agreement",
                "propose",
                "--participant",
                &participant,
                "--service",
                &id,
                "--purpose",
                agreement.purpose.as_str(),
                "--by",
                &participant,
                "--until",
                &until,
            ],
        )?;
        operator.found(
            "accepting the agreement",
            &[
                "agreement",
                "accept",
                &proposed.number("/agreement")?.to_string(),
                "--by",
                &provider,
            ],
        )?;
    }
    Ok(format!(
        "{} services, {} agreements",
        plan.region().services.len(),
        plan.region().agreements.len()
    ))
}

fn rfc3339(at: UnixMillis) -> String {
    i64::try_from(at.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Waits until every gateway enforces the center's latest revision; returns it.
///
/// # Errors
/// When they do not in time; the error holds the center's last answer.
pub(crate) fn enforced_everywhere(plan: &Plan, operator: &Operator) -> Result<u64, PilotError> {
    let mut last = Value::Null;
    let found = wait_for(READY, || {
        let answer = operator.ask("asking what is enforced", &["enforcement"])?;
        let revision = answer.number("/revision")?;
        let gateways = answer.list("/gateways")?;
        // A gateway without a certificate carries nothing and so does not count
        // for the center. Here every one has to.
        let everywhere = answer.flag("/enforced_everywhere")?
            && gateways.len() == plan.region().gateways.len()
            && gateways
                .iter()
                .all(|gateway| gateway.get("certified") == Some(&Value::Bool(true)));
        last = answer.value;
        Ok::<_, PilotError>(everywhere.then_some(revision))
    })?;
    found.ok_or_else(|| PilotError::Timeout {
        what: "the policy's enforcement at every gateway".to_owned(),
        within: READY,
        detail: format!("\n  | {last}"),
        log: plan.log("center"),
    })
}

/// Does anybody listen at this address, seen from this namespace?
pub(crate) fn reachable(namespace: &str, address: SocketAddrV6, interface: Option<&str>) -> bool {
    std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            net::enter(namespace).ok()?;
            let scope_id = match interface {
                None => 0,
                Some(name) => nix::net::if_::if_nametoindex(name).ok()?,
            };
            let mut address = address;
            address.set_scope_id(scope_id);
            TcpStream::connect_timeout(&SocketAddr::V6(address), Duration::from_millis(500)).ok()
        });
        look.join().ok().flatten().is_some()
    })
}

/// How to look around in a region that is up.
pub(crate) fn tour(pilot: &Pilot, state: &State, steps: &mut Steps<'_>) -> Result<(), PilotError> {
    let plan = &pilot.plan;
    let binary = pilot.binary.display();
    let Some(agreement) = plan.region().agreements.first() else {
        return Ok(());
    };
    let (Some(service), Some(site)) = (
        plan.region().service(&agreement.service),
        plan.region().site(&agreement.participant),
    ) else {
        return Ok(());
    };
    let provider = state.site(plan, &service.provider)?;
    let from = state.site(plan, &site.key)?;
    let id = state.services.get(&service.key).copied().unwrap_or(0);
    let lan = plan.lan_namespace(&site.key);
    let gateway = files::gateway_config(plan, site.gateway.as_str());
    let text = format!(
        "\nThe region is up. To look around (as root):\n\
         \x20 ip netns list\n\
         \x20 nsenter --net={netns}/{lan} curl -g 'http://[{host}]:{port}/'      # {site} uses {service}\n\
         \x20 nsenter --net={netns}/{lan} bash                                   # be the LAN host of {site}\n\
         \x20 {binary} gateway status --config {gateway}\n\
         \x20 {binary} gateway drops  --config {gateway}\n\
         \x20 {binary} site status --config {box_config}\n\
         \x20 export IRYONET_CENTER={socket} IRYONET_AS=operator:me\n\
         \x20 {binary} participant list\n\
         \x20 {binary} explain --from {number} --to {id}\n\
         \x20 {binary} explain --from {number} --to 'tcp:[{host}]:{private}'\n\
         \x20 {binary} enforcement\n\
         \x20 ls {logs}\n\
         To prove it: make pilot-check.  To take it down: make pilot-down.",
        netns = plan::NETNS_DIR,
        host = provider.host(plan),
        port = service.port,
        private = plan::PRIVATE_PORT,
        site = site.key,
        service = service.key,
        gateway = gateway.display(),
        box_config = files::site_config(plan, &site.key).display(),
        socket = plan.operator_socket().display(),
        number = from.number,
        logs = plan.path("logs").display(),
    );
    steps.say(&text)
}

/// Is this very process of the region running?
pub(crate) fn running(plan: &Plan, name: &str) -> Option<process::Process> {
    process::recorded(plan, name)
}
