//! `gateway.toml`. Unknown keys are refused, with their line.

use iryonet_domain::GatewayId;
use iryonet_domain::line::check_interface_name;
use serde::Deserialize;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a gateway is set up with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This gateway's name; the enrolment code has to be for it.
    pub name: GatewayId,
    /// Directory of key, certificate and kept policy; only its owner enters it.
    pub state_dir: PathBuf,
    /// Directory on a bpffs for the datapath's pins, this gateway's alone.
    pub pin_dir: PathBuf,
    /// Unix socket for `iryonet gateway status` and `drops`.
    pub control_socket: PathBuf,
    /// The center's listener for gateways.
    pub center_device: SocketAddr,
    /// The center's public listener: enrolment, ours and (relayed) the sites'.
    pub center_public: SocketAddr,
    /// Whom the center's certificate has to name.
    pub center_name: GatewayId,
    /// The network's root certificate, PEM.
    pub root_certificate: PathBuf,
    /// Interface towards the other gateways and the center.
    pub backbone_interface: String,
    /// Our address on every line.
    #[serde(default = "link_local")]
    pub link_local: Ipv6Addr,
    /// TCP port of attach on that address.
    #[serde(default = "attach_port")]
    pub attach_port: u16,
    /// TCP port of the enrolment relay on that address.
    #[serde(default = "enrol_port")]
    pub enrol_port: u16,
    /// A line's binding dies this long after its last renewal, milliseconds (1000 to 600000).
    #[serde(default = "lease_ms")]
    pub lease_ms: u32,
    /// Devices renew this often, milliseconds; at most half of the lease.
    #[serde(default = "renew_ms")]
    pub renew_ms: u32,
    /// Conversations that the datapath remembers.
    #[serde(default = "flows_max")]
    pub flows_max: u32,
    /// Participants that the datapath holds.
    #[serde(default = "participants_max")]
    pub participants_max: u32,
    /// Grants that the datapath holds.
    #[serde(default = "grants_max")]
    pub grants_max: u32,
    /// Service endpoints that the datapath holds.
    #[serde(default = "endpoints_max")]
    pub endpoints_max: u32,
    /// Lines that the datapath holds.
    #[serde(default = "lines_max")]
    pub lines_max: u32,
    /// Attached lines at one time; more are told that the gateway is full.
    #[serde(default = "attach_connections_max")]
    pub attach_connections_max: u32,
}

fn link_local() -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)
}
fn attach_port() -> u16 {
    iryonet_wire::attach::ATTACH_PORT
}
fn enrol_port() -> u16 {
    iryonet_wire::attach::ENROL_PORT
}
fn lease_ms() -> u32 {
    10_000
}
fn renew_ms() -> u32 {
    3_000
}
fn flows_max() -> u32 {
    1 << 20
}
fn participants_max() -> u32 {
    1 << 20
}
fn grants_max() -> u32 {
    4 << 20
}
fn endpoints_max() -> u32 {
    crate::datapath::ENDPOINTS_MAX
}
fn lines_max() -> u32 {
    16_384
}
fn attach_connections_max() -> u32 {
    16_384
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the gateway's configuration {path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not as it should be; the source names line and key.
    #[error("{path} is no configuration of a gateway: {source}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and in which line.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value that cannot be.
    #[error("{path}: {key} is {found}; {wanted}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, has an unknown or missing key, or a value that cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a configuration; `path` is for the messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Malformed {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        // Relative paths are relative to the file's folder, not to wherever the
        // program was started.
        if let Some(folder) = path.parent() {
            for place in [
                &mut config.state_dir,
                &mut config.pin_dir,
                &mut config.control_socket,
                &mut config.root_certificate,
            ] {
                *place = folder.join(&*place);
            }
        }
        let bad = |key, found: String, wanted| ConfigError::Value {
            path: path.to_path_buf(),
            key,
            found,
            wanted,
        };
        if check_interface_name(&config.backbone_interface).is_err() {
            return Err(bad(
                "backbone_interface",
                format!("{:?}", config.backbone_interface),
                "an interface name has 1 to 15 characters, of letters, digits, '-', '_' and '.'",
            ));
        }
        if !config.link_local.is_unicast_link_local() {
            return Err(bad(
                "link_local",
                config.link_local.to_string(),
                "an address in fe80::/64 is wanted, as fe80::1",
            ));
        }
        if config.attach_port == config.enrol_port {
            return Err(bad(
                "enrol_port",
                config.enrol_port.to_string(),
                "it has to differ from attach_port",
            ));
        }
        if !(1_000..=600_000).contains(&config.lease_ms) {
            return Err(bad(
                "lease_ms",
                config.lease_ms.to_string(),
                "1000 to 600000 milliseconds are possible",
            ));
        }
        if config.renew_ms < 100 || config.renew_ms > config.lease_ms / 2 {
            return Err(bad(
                "renew_ms",
                config.renew_ms.to_string(),
                "it is at least 100 and at most half of lease_ms, so that one lost renewal does not end a line",
            ));
        }
        Ok(config)
    }

    /// A file in the state directory.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.state_dir.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "gw-a"
state_dir = "/var/lib/iryonet/gw-a"
pin_dir = "/sys/fs/bpf/gw-a"
control_socket = "/run/iryonet/gw-a.sock"
center_device = "[2001:db8:0:1::1]:4443"
center_public = "[2001:db8:0:1::1]:4444"
center_name = "center-1"
root_certificate = "/etc/iryonet/root.pem"
backbone_interface = "bb0"
"#;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("gateway.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_smallest_configuration_has_the_designs_defaults() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.link_local.to_string(), "fe80::1");
        assert_eq!((config.attach_port, config.enrol_port), (4433, 4434));
        assert_eq!((config.lease_ms, config.renew_ms), (10_000, 3_000));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place_and_what_would_be_right() {
        let error = parse(&format!("{GOOD}leese_ms = 5\n")).unwrap_err();
        assert!(
            error.contains("leese_ms") && error.contains("line 11"),
            "{error}"
        );
        for (line, key) in [
            ("lease_ms = 10", "lease_ms"),
            ("renew_ms = 9000", "renew_ms"),
            ("link_local = \"2001:db8::1\"", "link_local"),
            ("enrol_port = 4433", "enrol_port"),
        ] {
            let error = parse(&format!("{GOOD}{line}\n")).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
        assert!(parse("name = \"GW\"").is_err());
    }
}
