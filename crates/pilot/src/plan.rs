//! The plan of a raised region: which namespace, interface, address and file
//! each part has. Follows from the region alone, so that whatever was raised is
//! found again after a crash.
//!
//! Pure: touches neither kernel nor disk.

use crate::region::{Region, Site};
use iryonet_domain::SitePrefix;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// TCP port of the page that every LAN host also serves and that no service
/// names: what is refused is refused by the network, not for want of a listener.
pub const PRIVATE_PORT: u16 = 8080;

/// Port of the page on an institution's LAN host.
pub const LAN_PORT: u16 = 80;

/// Link-local address of the gateway on every line.
pub const GATEWAY_LINK_LOCAL: &str = "fe80::1";

/// TCP port of the attach listener there.
pub const ATTACH_PORT: u16 = iryonet_wire::attach::ATTACH_PORT;

/// TCP port of the enrolment relay there.
pub const ENROL_PORT: u16 = iryonet_wire::attach::ENROL_PORT;

/// The center's public listener on the backbone.
pub const CENTER_PUBLIC_PORT: u16 = 8443;

/// The center's device listener on the backbone.
pub const CENTER_DEVICE_PORT: u16 = 8444;

/// Name of the center in its certificate.
pub const CENTER_NAME: &str = "center";

/// Interface on the backbone, in the center's and the gateways' namespaces.
pub const BACKBONE_INTERFACE: &str = "bb0";

/// A box's interface towards the network.
pub const LINE_INTERFACE: &str = "line0";

/// A box's interface towards its LAN.
pub const LAN_INTERFACE: &str = "lan0";

/// A LAN host's only interface.
pub const HOST_INTERFACE: &str = "eth0";

/// Host part of a box's address on its LAN.
pub const BOX_HOST: u64 = 0x1;

/// Host part of the LAN host's address.
pub const LAN_HOST: u64 = 0x10;

/// Where `ip netns` keeps namespaces by name.
pub const NETNS_DIR: &str = "/run/netns";

/// The plan of one region under one run directory.
#[derive(Debug, Clone)]
pub struct Plan {
    region: Region,
    run_dir: PathBuf,
}

impl Plan {
    /// The plan of this region. `run_dir`: where its state lives, by default
    /// `/run/iryonet/<region>`.
    #[must_use]
    pub fn new(region: Region, run_dir: Option<PathBuf>) -> Self {
        let run_dir = run_dir.unwrap_or_else(|| Path::new("/run/iryonet").join(&region.name));
        Self { region, run_dir }
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Where everything of the region is kept.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// What every namespace of the region begins with, and none of another.
    #[must_use]
    pub fn namespace_prefix(&self) -> String {
        format!("iry-{}-", self.region.name)
    }

    /// The namespace of a part.
    #[must_use]
    pub fn namespace(&self, part: &str) -> String {
        format!("{}{part}", self.namespace_prefix())
    }

    /// The namespace of the network's middle: the switch that joins center and gateways.
    #[must_use]
    pub fn backbone_namespace(&self) -> String {
        self.namespace("backbone")
    }

    /// The center's namespace.
    #[must_use]
    pub fn center_namespace(&self) -> String {
        self.namespace("center")
    }

    /// The namespace of a site's box.
    #[must_use]
    pub fn box_namespace(&self, key: &str) -> String {
        self.namespace(&format!("{key}-box"))
    }

    /// The namespace of a site's LAN host.
    #[must_use]
    pub fn lan_namespace(&self, key: &str) -> String {
        self.namespace(&format!("{key}-lan"))
    }

    /// Every namespace of the region.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let mut all = vec![self.backbone_namespace(), self.center_namespace()];
        all.extend(
            self.region
                .gateways
                .iter()
                .map(|gateway| self.namespace(gateway.id.as_str())),
        );
        for site in &self.region.sites {
            all.push(self.box_namespace(&site.key));
            all.push(self.lan_namespace(&site.key));
        }
        all
    }

    /// The gateway's interface of a site's line.
    #[must_use]
    pub fn circuit(&self, key: &str) -> String {
        format!("l-{key}")
    }

    /// The switch's port towards a part on the backbone.
    #[must_use]
    pub fn backbone_port(&self, part: &str) -> String {
        format!("p-{part}")
    }

    /// The center's address on the backbone.
    #[must_use]
    pub fn center_address(&self) -> Ipv6Addr {
        self.region.network.infrastructure(1, 1)
    }

    /// A gateway's address on the backbone, by its place in the region.
    #[must_use]
    pub fn gateway_address(&self, index: usize) -> Ipv6Addr {
        self.region.network.infrastructure(1, 0x10 + index as u64)
    }

    /// A file or directory under the run directory.
    #[must_use]
    pub fn path(&self, under: &str) -> PathBuf {
        self.run_dir.join(under)
    }

    /// The directory of a part: the center, a gateway, a site.
    #[must_use]
    pub fn home(&self, part: &str) -> PathBuf {
        self.run_dir.join(part)
    }

    /// Where a gateway's pins are: a bpffs of its own.
    #[must_use]
    pub fn pin_dir(&self, gateway: &str) -> PathBuf {
        self.home(gateway).join("bpf")
    }

    /// The center's Unix socket for operators.
    #[must_use]
    pub fn operator_socket(&self) -> PathBuf {
        self.run_dir.join("center/operator.sock")
    }

    /// The root certificate.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        self.run_dir.join("root/root.pem")
    }

    /// A process's log.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        self.run_dir.join("logs").join(format!("{process}.log"))
    }

    /// A process's pid file.
    #[must_use]
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.run_dir.join("pids").join(process)
    }

    /// What `ip -batch` has to do to lay every cable of the region. Namespaces
    /// exist already.
    #[must_use]
    pub fn cables(&self) -> Vec<String> {
        let mut mac = Macs(0);
        let backbone = self.backbone_namespace();
        let mut out = Vec::new();
        let mut on_backbone = vec!["center".to_owned()];
        on_backbone.extend(
            self.region
                .gateways
                .iter()
                .map(|gateway| gateway.id.to_string()),
        );
        for part in &on_backbone {
            out.push(mac.veth(
                (&backbone, &self.backbone_port(part)),
                (&self.namespace(part), BACKBONE_INTERFACE),
            ));
        }
        for site in &self.region.sites {
            let inside = self.box_namespace(&site.key);
            out.push(mac.veth(
                (
                    &self.namespace(site.gateway.as_str()),
                    &self.circuit(&site.key),
                ),
                (&inside, LINE_INTERFACE),
            ));
            out.push(mac.veth(
                (&inside, LAN_INTERFACE),
                (&self.lan_namespace(&site.key), HOST_INTERFACE),
            ));
        }
        out
    }

    /// The addresses that are known before anybody is admitted: the backbone's.
    #[must_use]
    pub fn backbone_addresses(&self) -> Vec<(String, Ipv6Addr)> {
        let mut out = vec![(self.center_namespace(), self.center_address())];
        for (index, gateway) in self.region.gateways.iter().enumerate() {
            out.push((
                self.namespace(gateway.id.as_str()),
                self.gateway_address(index),
            ));
        }
        out
    }

    /// TCP ports on which a site's LAN host serves pages.
    #[must_use]
    pub fn served_ports(&self, site: &Site) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .region
            .services
            .iter()
            .filter(|service| service.provider == site.key)
            .map(|service| service.port)
            .collect();
        if ports.is_empty() {
            ports.push(LAN_PORT);
        }
        ports.push(PRIVATE_PORT);
        ports
    }
}

/// The LAN host's address in a site's prefix.
#[must_use]
pub fn lan_host(prefix: SitePrefix) -> Ipv6Addr {
    prefix.host(LAN_HOST)
}

/// The box's address on its LAN.
#[must_use]
pub fn box_host(prefix: SitePrefix) -> Ipv6Addr {
    prefix.host(BOX_HOST)
}

/// Hardware addresses in the order of laying: link-local addresses, and with
/// them every log, are the same at each raising.
struct Macs(u32);

impl Macs {
    fn next(&mut self) -> String {
        self.0 += 1;
        let [a, b, c, d] = self.0.to_be_bytes();
        format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }

    fn veth(&mut self, one: (&str, &str), other: (&str, &str)) -> String {
        format!(
            "link add name {} address {} netns {} type veth peer name {} address {} netns {}",
            one.1,
            self.next(),
            one.0,
            other.1,
            self.next(),
            other.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::DEFAULT;
    use iryonet_domain::line::check_interface_name;
    use std::collections::BTreeSet;

    fn plan(text: &str) -> Plan {
        Plan::new(Region::parse("r", text).unwrap(), None)
    }

    #[test]
    fn every_interface_has_a_name_that_linux_takes_and_that_no_other_in_its_namespace_has() {
        let long = DEFAULT
            .replace("\"hospital\"", "\"hospital-123\"")
            .replace("kind = \"hospital-123\"", "kind = \"hospital\"")
            .replace("\"gw-a\"", "\"gateway-west\"");
        for text in [DEFAULT, &long] {
            let plan = plan(text);
            let known: BTreeSet<String> = plan.namespaces().into_iter().collect();
            let mut seen = BTreeSet::new();
            let mut macs = BTreeSet::new();
            for cable in plan.cables() {
                let words: Vec<&str> = cable.split(' ').collect();
                for (name, mac, namespace) in [
                    (words[3], words[5], words[7]),
                    (words[12], words[14], words[16]),
                ] {
                    check_interface_name(name).unwrap();
                    assert!(known.contains(namespace), "{namespace}");
                    assert!(
                        seen.insert((namespace.to_owned(), name.to_owned())),
                        "{cable}"
                    );
                    assert!(macs.insert(mac.to_owned()), "{cable}");
                }
            }
        }
    }

    #[test]
    fn every_part_has_a_namespace_of_its_own() {
        let plan = plan(DEFAULT);
        let all = plan.namespaces();
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|one| one.starts_with("iry-demo-")));
        assert_eq!(all.len(), 2 + 2 + 2 * plan.region().sites.len());
    }

    #[test]
    fn a_port_without_service_is_served_everywhere() {
        let plan = plan(DEFAULT);
        for site in &plan.region().sites {
            let ports = plan.served_ports(site);
            assert!(
                ports.contains(&PRIVATE_PORT) && ports.len() >= 2,
                "{}",
                site.key
            );
        }
    }
}
