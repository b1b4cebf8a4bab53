//! `center.toml`: where the center keeps things and where it listens. It must
//! not know what is done with any of it.

use iryonet_domain::{GatewayId, NetworkPrefix};
use iryonet_ledger::key::KeyError;
use iryonet_ledger::{KeyName, KeyUse, VerifierKey};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Largest configuration file, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The center's settings. Relative paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The center's name, as it stands in its certificate.
    pub name: GatewayId,
    /// The network's prefix. Fixed at `init`; another one is refused later.
    pub network: NetworkPrefix,
    /// Holds `registry.sqlite`, `policy.key`, `checkpoint.key`, `checkpoint.last`,
    /// `center.key`, `center.pem`.
    pub data_dir: PathBuf,
    /// Holds `issuing.pem` and `issuing.key`.
    pub issuing_dir: PathBuf,
    /// The root certificate, PEM.
    pub root_certificate: PathBuf,
    /// Unix socket of the operators' listener, made with mode 0600.
    pub operator_socket: PathBuf,
    /// TLS without client certificate: enrolment, CA and CRL.
    pub public_listen: SocketAddr,
    /// Mutual TLS, gateways only: the policy feed.
    pub device_listen: SocketAddr,
    /// How long a gateway may go on without the center, in seconds.
    #[serde(default = "day_s")]
    pub snapshot_validity_s: u64,
    /// From a CRL's making until its nextUpdate, in seconds.
    #[serde(default = "day_s")]
    pub crl_validity_s: u64,
    /// Life of the certificates that are issued, in days.
    #[serde(default = "year_days")]
    pub certificate_days: u32,
    /// Enrolment requests per second from one peer (one /64), in the long run.
    /// A gateway relays all its sites, so this is not one institution's share.
    #[serde(default = "enrol_per_s")]
    pub enrol_per_s: u32,
    /// Enrolment requests at once from one peer.
    #[serde(default = "enrol_burst")]
    pub enrol_burst: u32,
    /// Shortest time between two signed checkpoints of the ledger, in seconds.
    /// One is signed only when something new was recorded.
    #[serde(default = "minute_s")]
    pub checkpoint_every_s: u64,
    /// The ledger's name on its checkpoints, as `example.jp/ledger`: `init`
    /// makes the checkpoint key with it, and a key of another name is refused.
    /// If not said: `iryonet/` and the network's prefix.
    #[serde(default)]
    pub checkpoint_origin: Option<KeyName>,
    /// Verifier keys that signed checkpoints of this ledger before the present
    /// one, under the same name.
    #[serde(default)]
    pub checkpoint_keys_before: Vec<VerifierKey>,
    /// Verifier keys of the witnesses whose cosignatures are kept, 16 at most.
    #[serde(default)]
    pub witnesses: Vec<VerifierKey>,
}

/// Witnesses whom one center knows.
const WITNESSES_MAX: usize = 16;

fn minute_s() -> u64 {
    60
}

fn day_s() -> u64 {
    86_400
}

fn year_days() -> u32 {
    365
}

fn enrol_per_s() -> u32 {
    50
}

fn enrol_burst() -> u32 {
    200
}

/// Why the settings cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Larger than any such file is.
    #[error("the settings {} have more than {FILE_MAX_BYTES} bytes; this is another file", .0.display())]
    TooLarge(PathBuf),
    /// Not TOML, a key missing, an unknown key, a value out of form. The
    /// source shows line and column.
    #[error("the settings {} cannot be taken: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A key that cannot be used there.
    #[error("the settings {}: {key}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// A value that no center can run with.
    #[error("the settings {}: {key} is {found}; it must be {wanted}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        found: u64,
        /// What would be right.
        wanted: &'static str,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read or taken; the error shows the line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_MAX_BYTES {
            return Err(ConfigError::TooLarge(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse(&text, path)
    }

    /// Reads and checks a text that stands, or would stand, in the file `path`.
    ///
    /// # Errors
    /// When it cannot be taken; the error shows the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check(path)?;
        if let Some(folder) = path.parent() {
            for place in [
                &mut config.data_dir,
                &mut config.issuing_dir,
                &mut config.root_certificate,
                &mut config.operator_socket,
            ] {
                *place = folder.join(&*place);
            }
        }
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let range = |key, found: u64, fits: bool, wanted| {
            if fits {
                Ok(())
            } else {
                Err(ConfigError::Range {
                    path: path.to_owned(),
                    key,
                    found,
                    wanted,
                })
            }
        };
        // Below a minute, gateways would fall silent between two waits of the
        // feed; above ninety days, "until its validity ends" means nothing.
        range(
            "snapshot_validity_s",
            self.snapshot_validity_s,
            (60..=90 * 86_400).contains(&self.snapshot_validity_s),
            "60 (a minute) to 7776000 (90 days)",
        )?;
        range(
            "crl_validity_s",
            self.crl_validity_s,
            (60..=30 * 86_400).contains(&self.crl_validity_s),
            "60 (a minute) to 2592000 (30 days)",
        )?;
        range(
            "certificate_days",
            u64::from(self.certificate_days),
            (1..=730).contains(&self.certificate_days),
            "1 to 730 (two years)",
        )?;
        range(
            "enrol_per_s",
            u64::from(self.enrol_per_s),
            (1..=10_000).contains(&self.enrol_per_s),
            "1 to 10000",
        )?;
        range(
            "enrol_burst",
            u64::from(self.enrol_burst),
            (1..=100_000).contains(&self.enrol_burst),
            "1 to 100000",
        )?;
        range(
            "checkpoint_every_s",
            self.checkpoint_every_s,
            (1..=86_400).contains(&self.checkpoint_every_s),
            "1 to 86400 (a day)",
        )?;
        range(
            "witnesses",
            self.witnesses.len() as u64,
            self.witnesses.len() <= WITNESSES_MAX,
            "16 keys at most",
        )?;
        for (key, keys, wanted) in [
            ("witnesses", &self.witnesses, KeyUse::Witness),
            (
                "checkpoint_keys_before",
                &self.checkpoint_keys_before,
                KeyUse::Log,
            ),
        ] {
            for one in keys {
                one.clone()
                    .of_use(wanted)
                    .map_err(|source| ConfigError::Key {
                        path: path.to_owned(),
                        key,
                        source,
                    })?;
            }
        }
        Ok(())
    }

    /// The key that signs the ledger's checkpoints (C2SP signing key). Centers
    /// on one database have the same.
    #[must_use]
    pub fn checkpoint_key(&self) -> PathBuf {
        self.data_dir.join("checkpoint.key")
    }

    /// The last checkpoint that this center signed, kept apart from the
    /// database: an old copy of the database that was put in its place does not
    /// agree with it.
    #[must_use]
    pub fn checkpoint_memory(&self) -> PathBuf {
        self.data_dir.join("checkpoint.last")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("registry.sqlite")
    }

    /// The key that signs the feed (PKCS#8, PEM).
    #[must_use]
    pub fn policy_key(&self) -> PathBuf {
        self.data_dir.join("policy.key")
    }

    /// The key of the center's own listeners.
    #[must_use]
    pub fn center_key(&self) -> PathBuf {
        self.data_dir.join("center.key")
    }

    /// The certificate of the center's own listeners, with its chain.
    #[must_use]
    pub fn center_certificate(&self) -> PathBuf {
        self.data_dir.join("center.pem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "center-1"
network = "2001:db8::/32"
data_dir = "data"
issuing_dir = "/ca/issuing"
root_certificate = "root.pem"
operator_socket = "operator.sock"
public_listen = "[::1]:8443"
device_listen = "[::1]:8444"
"#;

    #[test]
    fn a_relative_path_is_relative_to_the_settings() {
        let config = Config::parse(GOOD, Path::new("/etc/iryonet/center.toml")).unwrap();
        assert_eq!(config.data_dir, Path::new("/etc/iryonet/data"));
        assert_eq!(config.issuing_dir, Path::new("/ca/issuing"));
        assert_eq!(config.snapshot_validity_s, 86_400);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = format!("{GOOD}snapshot_validity = 5\n");
        let error = Config::parse(&text, Path::new("center.toml")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("snapshot_validity") && text.contains("line 10"),
            "{text}"
        );
    }

    #[test]
    fn a_log_key_is_no_witness_and_is_refused_as_one() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let parse =
            |line: &str| Config::parse(&format!("{GOOD}{line}\n"), Path::new("center.toml"));
        let error = parse(&format!("witnesses = [\"{key}\"]")).unwrap_err();
        assert!(
            error.to_string().contains("a log key, and a witness key"),
            "{error}"
        );
        let config = parse(&format!("checkpoint_keys_before = [\"{key}\"]")).unwrap();
        assert_eq!(config.checkpoint_keys_before.len(), 1);
        let error = parse(&format!("checkpoint_keys_before = [\"{key}A\"]")).unwrap_err();
        assert!(error.to_string().contains("line 10"), "{error}");
        assert!(parse("checkpoint_origin = \"a b\"").is_err());
    }

    #[test]
    fn a_validity_that_no_gateway_could_live_with_is_refused() {
        let text = format!("{GOOD}snapshot_validity_s = 5\n");
        let error = Config::parse(&text, Path::new("center.toml")).unwrap_err();
        assert!(error.to_string().contains("60"), "{error}");
    }
}
