//! `site.toml`. Unknown keys are refused, with their line.

use iryonet_domain::GatewayId;
use iryonet_domain::line::check_interface_name;
use serde::Deserialize;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// What a site's agent is set up with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Directory of key, certificate and status; only its owner enters it.
    pub state_dir: PathBuf,
    /// Interface of the line to the gateway.
    pub line_interface: String,
    /// Interface of the institution's LAN.
    pub lan_interface: String,
    /// The gateway's address on the line.
    #[serde(default = "link_local")]
    pub gateway_link_local: Ipv6Addr,
    /// TCP port of attach there.
    #[serde(default = "attach_port")]
    pub attach_port: u16,
    /// TCP port of the enrolment relay there.
    #[serde(default = "enrol_port")]
    pub enrol_port: u16,
    /// The network's root certificate, PEM.
    pub root_certificate: PathBuf,
    /// Whom the center's certificate has to name.
    pub center_name: GatewayId,
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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the site's configuration {path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not as it should be; the source names line and key.
    #[error("{path} is no configuration of a site: {source}")]
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
            for place in [&mut config.state_dir, &mut config.root_certificate] {
                *place = folder.join(&*place);
            }
        }
        let bad = |key, found: String, wanted| ConfigError::Value {
            path: path.to_path_buf(),
            key,
            found,
            wanted,
        };
        for (key, name) in [
            ("line_interface", &config.line_interface),
            ("lan_interface", &config.lan_interface),
        ] {
            if check_interface_name(name).is_err() {
                return Err(bad(
                    key,
                    format!("{name:?}"),
                    "an interface name has 1 to 15 characters, of letters, digits, '-', '_' and '.'",
                ));
            }
        }
        if config.line_interface == config.lan_interface {
            return Err(bad(
                "lan_interface",
                format!("{:?}", config.lan_interface),
                "it has to be another interface than line_interface",
            ));
        }
        if !config.gateway_link_local.is_unicast_link_local() {
            return Err(bad(
                "gateway_link_local",
                config.gateway_link_local.to_string(),
                "an address in fe80::/64 is wanted, as fe80::1",
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
state_dir = "/var/lib/iryonet/site"
line_interface = "line0"
lan_interface = "lan0"
root_certificate = "/etc/iryonet/root.pem"
center_name = "center-1"
"#;

    #[test]
    fn what_cannot_be_is_refused_with_its_place_and_what_would_be_right() {
        let parse = |text: &str| Config::parse(Path::new("site.toml"), text);
        assert_eq!(parse(GOOD).unwrap().attach_port, 4433);
        let error = parse(&format!("{GOOD}lan = \"x\"\n"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("lan") && error.contains("line 7"), "{error}");
        for (from, to, key) in [
            ("lan0", "line0", "lan_interface"),
            ("lan0", "a-name-that-is-too-long", "lan_interface"),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
