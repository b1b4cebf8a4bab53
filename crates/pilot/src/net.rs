//! Namespaces, cables and the bpffs of each gateway: laid, and taken away.
//!
//! Knows no region: it does what the plan lists.

use crate::command::Call;
use crate::error::PilotError;
use crate::plan::{NETNS_DIR, Plan};
use iryonet_domain::NetworkPrefix;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// Set before any interface exists, so that each inherits it: no addresses by
/// surprise, none held back while duplicates are searched for on a cable that
/// has two ends only.
const SYSCTLS: &[&str] = &[
    "net.ipv6.conf.all.accept_ra=0",
    "net.ipv6.conf.default.accept_ra=0",
    "net.ipv6.conf.default.autoconf=0",
    "net.ipv6.conf.default.addr_gen_mode=0",
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.dad_transmits=0",
    "net.ipv6.conf.default.router_solicitations=0",
    "net.ipv6.conf.all.forwarding=0",
];

/// Makes every namespace of the plan and lays every cable.
///
/// # Errors
/// When `ip` or `sysctl` refuses.
pub(crate) fn lay(plan: &Plan) -> Result<(), PilotError> {
    let namespaces = plan.namespaces();
    batch(
        "making the network namespaces",
        None,
        namespaces.iter().map(|name| format!("netns add {name}")),
    )?;
    for namespace in &namespaces {
        Call::inside(namespace, "sysctl")
            .args(["-q", "-w"])
            .args(SYSCTLS.iter().copied())
            .run("setting the namespace's IPv6 defaults")?;
        batch(
            "bringing up the loopback",
            Some(namespace),
            ["link set lo up".to_owned()],
        )?;
    }
    batch("laying the cables", None, plan.cables())?;
    let backbone = plan.backbone_namespace();
    let mut middle = vec![
        "link add br0 type bridge mcast_snooping 0".to_owned(),
        "link set br0 up".to_owned(),
    ];
    for part in parts_on_backbone(plan) {
        let port = plan.backbone_port(&part);
        middle.push(format!("link set {port} master br0"));
        middle.push(format!("link set {port} up"));
    }
    batch("joining the backbone", Some(&backbone), middle)?;
    for (namespace, address) in plan.backbone_addresses() {
        batch(
            "addressing the backbone",
            Some(&namespace),
            [
                format!("link set {} up", crate::plan::BACKBONE_INTERFACE),
                format!(
                    "address add {address}/64 dev {} nodad",
                    crate::plan::BACKBONE_INTERFACE
                ),
            ],
        )?;
    }
    for site in &plan.region().sites {
        batch(
            "bringing up the box's interfaces",
            Some(&plan.box_namespace(&site.key)),
            [
                format!("link set {} up", crate::plan::LINE_INTERFACE),
                format!("link set {} up", crate::plan::LAN_INTERFACE),
            ],
        )?;
        batch(
            "bringing up the LAN host's interface",
            Some(&plan.lan_namespace(&site.key)),
            [format!("link set {} up", crate::plan::HOST_INTERFACE)],
        )?;
        batch(
            "bringing up the gateway's end of the line",
            Some(&plan.namespace(site.gateway.as_str())),
            [format!("link set {} up", plan.circuit(&site.key))],
        )?;
    }
    Ok(())
}

fn parts_on_backbone(plan: &Plan) -> Vec<String> {
    let mut parts = vec!["center".to_owned()];
    parts.extend(plan.region().gateways.iter().map(|one| one.id.to_string()));
    parts
}

/// Gives a LAN host its address and its way out: the box.
///
/// # Errors
/// When `ip` refuses.
pub(crate) fn address_host(
    namespace: &str,
    host: Ipv6Addr,
    through: Ipv6Addr,
) -> Result<(), PilotError> {
    let interface = crate::plan::HOST_INTERFACE;
    batch(
        "addressing the LAN host",
        Some(namespace),
        [
            format!("address replace {host}/64 dev {interface} nodad"),
            format!("route replace default via {through} dev {interface}"),
        ],
    )
}

/// A better metric than the agent's routes have, the unreachable one that it
/// leaves behind among them.
const BY_HAND: &str = "512";

/// Makes a box route without any agent: what a device does that never enrolled,
/// or that is in the wrong hands.
///
/// # Errors
/// When `ip` or `sysctl` refuses.
pub(crate) fn route_by_hand(
    namespace: &str,
    inside: Ipv6Addr,
    network: NetworkPrefix,
) -> Result<(), PilotError> {
    Call::inside(namespace, "sysctl")
        .args(["-q", "-w", "net.ipv6.conf.all.forwarding=1"])
        .run("making the box forward")?;
    batch(
        "routing the box by hand",
        Some(namespace),
        [
            format!(
                "address replace {inside}/64 dev {} nodad",
                crate::plan::LAN_INTERFACE
            ),
            format!("route replace {}", by_hand(network)),
        ],
    )
}

fn by_hand(network: NetworkPrefix) -> String {
    format!(
        "{network} via {} dev {} metric {BY_HAND}",
        crate::plan::GATEWAY_LINK_LOCAL,
        crate::plan::LINE_INTERFACE
    )
}

/// Takes the route by hand away again, before the agent lays its own.
///
/// # Errors
/// When `ip` cannot be run. That there was no such route is no error.
pub(crate) fn forget_route(namespace: &str, network: NetworkPrefix) -> Result<(), PilotError> {
    let route = by_hand(network);
    Call::inside(namespace, "ip")
        .args(["route", "del"])
        .args(route.split(' '))
        .outcome()?;
    Ok(())
}

/// Runs `ip` commands in one process.
///
/// # Errors
/// When one of them fails; the error holds what `ip` said.
pub(crate) fn batch(
    what: &str,
    namespace: Option<&str>,
    lines: impl IntoIterator<Item = String>,
) -> Result<(), PilotError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    // Not `ip -n`: it mounts a /sys of its own, which a chroot may forbid.
    let call = match namespace {
        Some(namespace) => Call::inside(namespace, "ip"),
        None => Call::new("ip"),
    };
    call.args(["-batch", "-"]).stdin(text).run(what)?;
    Ok(())
}

/// The region's namespaces that exist, by their prefix: also those of an
/// earlier form of the region's file.
///
/// # Errors
/// When the directory of namespaces cannot be read.
pub(crate) fn existing(prefix: &str) -> Result<Vec<String>, PilotError> {
    let dir = Path::new(NETNS_DIR);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(PilotError::io("could not list the namespaces", dir)(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries.flatten() {
        if let Some(name) = entry.file_name().to_str()
            && name.starts_with(prefix)
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names.into_iter().collect())
}

/// Takes a namespace away, and with it every interface in it.
///
/// # Errors
/// When `ip` refuses.
pub(crate) fn remove(namespace: &str) -> Result<(), PilotError> {
    let done = Call::new("ip")
        .args(["netns", "delete", namespace])
        .outcome()?;
    if !done.ok() {
        // Half made (a crash between file and mount): the file alone is left.
        let file = Path::new(NETNS_DIR).join(namespace);
        std::fs::remove_file(&file)
            .map_err(PilotError::io("could not remove the namespace", file))?;
    }
    Ok(())
}

/// Mounts a bpffs of its own for a gateway's pins.
///
/// # Errors
/// When the directory cannot be made or the kernel refuses.
pub(crate) fn mount_bpffs(dir: &Path) -> Result<(), PilotError> {
    std::fs::create_dir_all(dir)
        .map_err(PilotError::io("could not make the pin directory", dir))?;
    Call::new("mount")
        .args(["-t", "bpf", "-o", "mode=0700", "bpf"])
        .path(dir)
        .run("mounting the gateway's bpffs")?;
    Ok(())
}

/// Everything that is mounted under a directory, deepest first.
///
/// # Errors
/// When the list of mounts cannot be read.
pub(crate) fn mounts_under(dir: &Path) -> Result<Vec<PathBuf>, PilotError> {
    let list = Path::new("/proc/self/mountinfo");
    let text = std::fs::read_to_string(list)
        .map_err(PilotError::io("could not read the list of mounts", list))?;
    Ok(mounts_in(&text, dir))
}

fn mounts_in(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(unescape(point)))
        .filter(|point| point.starts_with(dir))
        .collect();
    found.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    found
}

/// proc_pid_mountinfo(5): blank, tab, line break and backslash in octal.
fn unescape(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// Unmounts.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn unmount(point: &Path) -> Result<(), PilotError> {
    Call::new("umount").path(point).run("unmounting")?;
    Ok(())
}

/// Bytes that have arrived at an interface of this thread's namespace.
pub(crate) fn received_bytes(interface: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    text.lines().find_map(|line| {
        let (name, counters) = line.split_once(':')?;
        if name.trim() != interface {
            return None;
        }
        counters.split_whitespace().next()?.parse().ok()
    })
}

/// Moves the calling thread into a namespace, for the rest of its life.
///
/// # Errors
/// When there is no such namespace or the kernel refuses.
pub(crate) fn enter(namespace: &str) -> Result<(), PilotError> {
    let path = Path::new(NETNS_DIR).join(namespace);
    let file = std::fs::File::open(&path)
        .map_err(PilotError::io("could not open the namespace", &path))?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|error| PilotError::io("could not enter the namespace", &path)(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mounted_below_is_found_and_the_deepest_first() {
        let text = "36 35 0:5 / /run rw - tmpfs tmpfs rw\n\
                    37 36 0:6 / /run/iryonet/demo rw - tmpfs x rw\n\
                    38 37 0:7 / /run/iryonet/demo/gw\\040a/bpf rw - bpf bpf rw\n\
                    39 36 0:7 / /run/iryonet/demo2/gw/bpf rw - bpf bpf rw\n";
        assert_eq!(
            mounts_in(text, Path::new("/run/iryonet/demo")),
            [
                PathBuf::from("/run/iryonet/demo/gw a/bpf"),
                PathBuf::from("/run/iryonet/demo")
            ]
        );
    }
}
