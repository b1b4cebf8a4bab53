//! `center.toml`: where the center keeps things and where it listens. It must
//! not know what is done with any of it.

use crate::database::Database;
use iryonet_domain::{GatewayId, NetworkPrefix};
use iryonet_ledger::key::KeyError;
use iryonet_ledger::{KeyName, KeyUse, VerifierKey};
use iryonet_registry::recheck::RecheckLimits;
use iryonet_store::{Place, PlaceError};
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
    /// Which home the registry is kept in.
    #[serde(default)]
    pub database: Database,
    /// Holds `registry.sqlite`, `policy.key`, `checkpoint.key`, `checkpoint.last`,
    /// `people.key`, `center.key`, `center.pem`.
    pub data_dir: PathBuf,
    /// The issuing CA: `issuing.pem`, `issuing-key.toml` and, unless a token
    /// holds it, `issuing.key`.
    pub issuing_dir: PathBuf,
    /// Older issuing CAs, newest first, whose certificates are still in use:
    /// they list and answer for what they issued. At most 7.
    #[serde(default)]
    pub older_issuing_dirs: Vec<PathBuf>,
    /// The root certificate, PEM; several while a root is rolled over.
    pub root_certificate: PathBuf,
    /// Unix socket of the operators' listener, made with mode 0600.
    pub operator_socket: PathBuf,
    /// TLS without client certificate: enrolment, CA and CRL.
    pub public_listen: SocketAddr,
    /// Mutual TLS, gateways only: the policy feed.
    pub device_listen: SocketAddr,
    /// HTTP without TLS, for what is signed itself: CA certificates, revocation
    /// lists, OCSP. Not open unless it is set.
    pub status_listen: Option<SocketAddr>,
    /// Where certificates say that their revocation list is: an `http://` URI;
    /// `{issuer}` and `{shard}` are filled in, as in
    /// `http://status.example.jp/v1/crl/{issuer}/{shard}`.
    pub crl_uri: Option<String>,
    /// Where certificates say that the OCSP responder is, as
    /// `http://status.example.jp/v1/ocsp`.
    pub ocsp_uri: Option<String>,
    /// Among how many revocation lists an issuing CA's certificates are divided.
    /// A certificate stays in its shard for life: it may grow, and must not
    /// shrink while certificates of the higher shards are in use.
    #[serde(default = "one")]
    pub crl_shards: u16,
    /// From an OCSP answer until its nextUpdate, in seconds.
    #[serde(default = "ocsp_validity_s")]
    pub ocsp_validity_s: u64,
    /// Which keys devices and gateways may have.
    #[serde(default)]
    pub leaf_keys: LeafKeySettings,
    /// TLS, officers and staff: acts and questions in a session. Without it,
    /// people act at the socket only.
    #[serde(default)]
    pub staff_listen: Option<SocketAddr>,
    /// How people's sessions live.
    #[serde(default)]
    pub people: PeopleConfig,
    /// What the center looks at by itself for the cases under way; without it,
    /// nothing.
    #[serde(default)]
    pub checks: Option<ChecksConfig>,
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
    /// Is everybody looked at once a day (日次再確認)?
    #[serde(default = "yes")]
    pub daily_recheck: bool,
    /// How long a participant that the re-check found invalid is on hold before
    /// it is closed, in days.
    #[serde(default = "hold_days")]
    pub recheck_hold_days: u16,
    /// More newly invalid participants than this within an hour stop the
    /// re-check until a person has looked.
    #[serde(default = "alert_count")]
    pub recheck_alert_count: u32,
    /// More than so many per cent of those looked at within an hour stop it too,
    /// unless they are three or fewer.
    #[serde(default = "alert_percent")]
    pub recheck_alert_percent: u8,
    /// How many days before its end the sides of an agreement are told of it.
    #[serde(default = "notice_days")]
    pub notice_days: u16,
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
    /// Documents of all cases together, in MiB. At this, no more are taken.
    #[serde(default = "documents_max_mib")]
    pub documents_max_mib: u32,
    /// For how many days a document is kept after the end of its case and, where
    /// the case made somebody a member, of that membership.
    #[serde(default = "documents_keep_days")]
    pub documents_keep_days: u32,
}

/// Witnesses whom one center knows.
const WITNESSES_MAX: usize = 16;

fn minute_s() -> u64 {
    60
}

fn yes() -> bool {
    true
}

fn hold_days() -> u16 {
    RecheckLimits::default().hold_days
}

fn alert_count() -> u32 {
    RecheckLimits::default().alert_count
}

fn alert_percent() -> u8 {
    RecheckLimits::default().alert_percent
}

fn notice_days() -> u16 {
    30
}

/// 64 GiB: 600,000 applications of some 100 KiB.
fn documents_max_mib() -> u32 {
    65_536
}

/// Five years. The network's own rules may want another time; no law that the
/// project knows of names one for these documents.
fn documents_keep_days() -> u32 {
    1_826
}

/// Which keys devices and gateways may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeafKeySettings {
    /// ECDSA P-256.
    pub p256: bool,
    /// ECDSA P-384.
    pub p384: bool,
    /// RSA from 2048 bits up to so many, at most 4096; 0 for none at all.
    pub rsa_bits_max: u16,
}

impl Default for LeafKeySettings {
    fn default() -> Self {
        Self {
            p256: true,
            p384: true,
            rsa_bits_max: 4_096,
        }
    }
}

impl From<LeafKeySettings> for iryonet_authority::LeafKeys {
    fn from(settings: LeafKeySettings) -> Self {
        Self {
            p256: settings.p256,
            p384: settings.p384,
            rsa_bits_max: (settings.rsa_bits_max > 0).then_some(usize::from(settings.rsa_bits_max)),
        }
    }
}

fn one() -> u16 {
    1
}

fn ocsp_validity_s() -> u64 {
    300
}

/// `[checks]`: how the center looks at services and names for the cases under way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChecksConfig {
    /// The network's resolver, which is asked over TCP; without it, names are
    /// looked up by nobody.
    #[serde(default)]
    pub resolver: Option<SocketAddr>,
    /// The profile that services are held against: guideline-4.3 or guideline-6.0.
    #[serde(default, deserialize_with = "tls_profile")]
    pub profile: iryonet_tlscheck::Profile,
    /// Roots (PEM) to which the services' certificates must lead; without it, that
    /// is not looked at.
    #[serde(default)]
    pub trust: Option<PathBuf>,
}

fn tls_profile<'de, D: serde::Deserializer<'de>>(
    reader: D,
) -> Result<iryonet_tlscheck::Profile, D::Error> {
    String::deserialize(reader)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// `[people]`: how people's sessions live.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleConfig {
    /// As a browser writes where `staff_listen` is, as
    /// `https://center.example:8445`. Acts from pages of another origin are
    /// refused.
    #[serde(default)]
    pub origin: Option<String>,
    /// After so many seconds without a request a session ends.
    #[serde(default = "quarter_hour_s")]
    pub idle_s: u64,
    /// After so many seconds a session ends, used or not.
    #[serde(default = "working_day_s")]
    pub absolute_s: u64,
    /// Organisations by which people come in too (OpenID Connect).
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
}

/// `[[people.issuers]]`: an organisation's issuer (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// A short word: `a` to `z`, `0` to `9`, `-`.
    pub name: String,
    /// As people know it.
    pub title: String,
    /// The issuer, exactly as it names itself; accounts are linked with this.
    pub issuer: String,
    /// The center's name there.
    pub client_id: String,
    /// The file with the center's secret there; none: only PKCE holds.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Roots (PEM) to one of which the issuer's certificates lead.
    pub trust: PathBuf,
    /// Classes of authentication that are asked for, one of which must have been
    /// kept to. This or `amr` is how a second factor is known to have been shown.
    #[serde(default)]
    pub acr: Vec<String>,
    /// Methods (RFC 8176) one of which must have been used, as `otp`, `hwk`, `mfa`.
    #[serde(default)]
    pub amr: Vec<String>,
    /// How long ago the person may have shown there who they are, in seconds.
    #[serde(default = "hour_s")]
    pub max_age_s: u64,
}

impl IssuerConfig {
    /// What of it cannot be worked with.
    fn fault(&self) -> Option<String> {
        let is_word = !self.name.is_empty()
            && self.name.len() <= 32
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_word {
            return Some("name must be 1 to 32 of a-z, 0-9 and -".to_owned());
        }
        if !iryonet_people::issuer::metadata::is_secure(&self.issuer) || self.issuer.contains('?') {
            return Some(format!(
                "issuer is {:?}; it must begin with https:// and have neither ? nor #",
                self.issuer
            ));
        }
        if self.acr.is_empty() && self.amr.is_empty() {
            return Some(
                "neither acr nor amr is set: nothing would say that a second factor was shown; name what this issuer says of one"
                    .to_owned(),
            );
        }
        if !(60..=86_400).contains(&self.max_age_s) {
            return Some(format!(
                "max_age_s is {}; it must be 60 to 86400 (a day)",
                self.max_age_s
            ));
        }
        None
    }
}

/// The host of an origin as browsers write it, as `center.example` of
/// `https://center.example:8445`; an IPv6 address without its brackets.
pub(crate) fn host_of(origin: &str) -> Option<&str> {
    let rest = origin.strip_prefix("https://")?;
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => rest.split([':', '/']).next(),
    };
    host.filter(|host| !host.is_empty())
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self {
            origin: None,
            idle_s: quarter_hour_s(),
            absolute_s: working_day_s(),
            issuers: Vec::new(),
        }
    }
}

fn quarter_hour_s() -> u64 {
    15 * 60
}

fn working_day_s() -> u64 {
    10 * 60 * 60
}

fn hour_s() -> u64 {
    60 * 60
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
    /// An organisation's issuer that people could not come in by, or not safely.
    #[error("the settings {}: [[people.issuers]] {name:?}: {why}", path.display())]
    Issuer {
        /// The file.
        path: PathBuf,
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Most issuers of one center.
const ISSUERS_MAX: usize = 8;

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
            for place in &mut config.older_issuing_dirs {
                *place = folder.join(&*place);
            }
            if let Some(checks) = &mut config.checks {
                checks.trust = checks.trust.take().map(|place| folder.join(place));
            }
            for issuer in &mut config.people.issuers {
                issuer.trust = folder.join(&issuer.trust);
                let secret = &mut issuer.client_secret_file;
                *secret = secret.take().map(|place| folder.join(place));
            }
            if let Database::Postgres(postgres) = &mut config.database {
                for place in [&mut postgres.trust, &mut postgres.password_file] {
                    *place = place.take().map(|place| folder.join(place));
                }
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
            "older_issuing_dirs",
            self.older_issuing_dirs.len() as u64,
            self.older_issuing_dirs.len() <= crate::authorities::OLDER_MAX,
            "at most 7 folders",
        )?;
        range(
            "crl_shards",
            u64::from(self.crl_shards),
            (1..=iryonet_authority::issuing::SHARDS_MAX).contains(&self.crl_shards),
            "1 to 4096",
        )?;
        range(
            "ocsp_validity_s",
            self.ocsp_validity_s,
            (10..=7 * 86_400).contains(&self.ocsp_validity_s),
            "10 to 604800 (7 days)",
        )?;
        range(
            "leaf_keys.rsa_bits_max",
            u64::from(self.leaf_keys.rsa_bits_max),
            matches!(self.leaf_keys.rsa_bits_max, 0 | 2_048..=4_096),
            "0 (no RSA), or 2048 to 4096",
        )?;
        range(
            "certificate_days",
            u64::from(self.certificate_days),
            (1..=730).contains(&self.certificate_days),
            "1 to 730 (two years)",
        )?;
        range(
            "people.idle_s",
            self.people.idle_s,
            (60..=86_400).contains(&self.people.idle_s),
            "60 (a minute) to 86400 (a day)",
        )?;
        range(
            "people.absolute_s",
            self.people.absolute_s,
            (self.people.idle_s..=7 * 86_400).contains(&self.people.absolute_s),
            "people.idle_s to 604800 (a week)",
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
            "recheck_hold_days",
            u64::from(self.recheck_hold_days),
            (1..=30).contains(&self.recheck_hold_days),
            "1 to 30",
        )?;
        range(
            "recheck_alert_percent",
            u64::from(self.recheck_alert_percent),
            (1..=100).contains(&self.recheck_alert_percent),
            "1 to 100",
        )?;
        range(
            "notice_days",
            u64::from(self.notice_days),
            (1..=90).contains(&self.notice_days),
            "1 to 90",
        )?;
        range(
            "documents_max_mib",
            u64::from(self.documents_max_mib),
            (100..=16 << 20).contains(&self.documents_max_mib),
            "100 (one case's) to 16777216 (16 TiB)",
        )?;
        range(
            "documents_keep_days",
            u64::from(self.documents_keep_days),
            (1..=36_525).contains(&self.documents_keep_days),
            "1 to 36525 (a hundred years)",
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
        self.check_issuers(path)
    }

    fn check_issuers(&self, path: &Path) -> Result<(), ConfigError> {
        let issuers = &self.people.issuers;
        for (index, issuer) in issuers.iter().enumerate() {
            let earlier = issuers.get(..index).unwrap_or_default();
            let fault = if self.people.origin.is_none() {
                Some("people.origin is not set: nobody could be sent back".to_owned())
            } else if index >= ISSUERS_MAX {
                Some(format!("there are more than {ISSUERS_MAX} issuers"))
            } else if earlier.iter().any(|other| other.name == issuer.name) {
                Some("another one has this name".to_owned())
            } else {
                issuer.fault()
            };
            if let Some(why) = fault {
                return Err(ConfigError::Issuer {
                    path: path.to_owned(),
                    name: issuer.name.clone(),
                    why,
                });
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

    /// Documents of all cases together, in bytes.
    #[must_use]
    pub fn documents_max_bytes(&self) -> u64 {
        u64::from(self.documents_max_mib) << 20
    }

    /// How strict the daily re-check is.
    #[must_use]
    pub fn recheck_limits(&self) -> RecheckLimits {
        RecheckLimits {
            hold_days: self.recheck_hold_days,
            alert_count: self.recheck_alert_count,
            alert_percent: self.recheck_alert_percent,
        }
    }

    /// Where the registry is kept.
    ///
    /// # Errors
    /// When the connection string, the roots or the password cannot be taken.
    pub fn place(&self) -> Result<Place, PlaceError> {
        match &self.database {
            Database::Sqlite => Ok(Place::Sqlite(self.database())),
            Database::Postgres(it) => Place::postgres(
                &it.postgres,
                it.trust.as_deref(),
                it.password_file.as_deref(),
            ),
        }
    }

    /// The database's file, where it is SQLite's.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("registry.sqlite")
    }

    /// The key that signs the feed (PKCS#8, PEM).
    #[must_use]
    pub fn policy_key(&self) -> PathBuf {
        self.data_dir.join("policy.key")
    }

    /// The key under which people's credentials are sealed; the same for all
    /// centers on one database.
    #[must_use]
    pub fn people_key(&self) -> PathBuf {
        self.data_dir.join("people.key")
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
    fn the_database_is_sqlite_or_a_table_that_names_a_server() {
        let parse = |text: &str| {
            Config::parse(
                &format!("{GOOD}{text}"),
                Path::new("/etc/iryonet/center.toml"),
            )
        };
        let file = Path::new("/etc/iryonet/data/registry.sqlite");
        for text in ["", "database = \"sqlite\"\n"] {
            let place = parse(text).unwrap().place().unwrap();
            assert!(matches!(place, Place::Sqlite(path) if path == file));
        }
        let shared = parse(
            "[database]\npostgres = \"host=/run/postgresql dbname=iryonet password=geheim\"\n",
        )
        .unwrap();
        let place = shared.place().unwrap();
        assert!(matches!(&place, Place::Postgres(_)));
        // Neither settings nor place show what opens the database.
        let shown = format!("{shared:?} {place:?} {place}");
        assert!(
            shown.contains("/run/postgresql") && !shown.contains("geheim"),
            "{shown}"
        );
        let error = parse("database = \"oracle\"\n").unwrap_err().to_string();
        assert!(
            error.contains("oracle") && error.contains("sqlite"),
            "{error}"
        );
        let error = parse("[database]\npostgres = \"dbname=x\"\npassword = \"y\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("password"), "{error}");
    }

    #[test]
    fn a_database_elsewhere_is_reached_by_tls_or_not_at_all() {
        let place = |postgres: &str| {
            let text = format!("{GOOD}[database]\npostgres = \"{postgres}\"\n");
            Config::parse(&text, Path::new("/etc/iryonet/center.toml"))
                .unwrap()
                .place()
        };
        for remote in [
            "host=db.example.jp dbname=iryonet",
            "host=192.0.2.7 dbname=iryonet",
            "host=localhost hostaddr=192.0.2.7 dbname=iryonet",
            "host=db.example.jp dbname=iryonet sslmode=disable",
            "host=/run/postgresql,db.example.jp dbname=iryonet",
            "postgresql://iryonet@db.example.jp/iryonet",
        ] {
            let error = place(remote).unwrap_err().to_string();
            assert!(error.contains("not on this machine"), "{remote}: {error}");
        }
        for local in [
            "host=/run/postgresql dbname=iryonet",
            "host=127.0.0.1 dbname=iryonet",
            "host=localhost dbname=iryonet",
            "host=db.example.jp hostaddr=::1 dbname=iryonet",
        ] {
            place(local).unwrap();
        }
        for (text, says) in [
            ("dbname=iryonet", "host"),
            ("host=/run/postgresql", "dbname"),
            ("host=/run/postgresql dbname=x pasword=geheim", "`pasword`"),
        ] {
            let error = place(text).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn the_host_is_what_stands_between_scheme_and_port() {
        for (origin, host) in [
            ("https://center.example:8445", Some("center.example")),
            ("https://center.example", Some("center.example")),
            ("https://192.0.2.1:8445", Some("192.0.2.1")),
            ("https://[2001:db8::5]:8445", Some("2001:db8::5")),
            ("http://center.example:8445", None),
            ("https://:8445", None),
        ] {
            assert_eq!(host_of(origin), host, "{origin}");
        }
    }

    #[test]
    fn an_issuer_that_says_nothing_of_a_second_factor_is_not_taken() {
        let parse = |origin: &str, issuer: &str| {
            let text = format!("{GOOD}[people]\n{origin}\n[[people.issuers]]\n{issuer}\n");
            Config::parse(&text, Path::new("/etc/iryonet/center.toml"))
        };
        let origin = "origin = \"https://center.example:8445\"";
        let good = "name = \"jma\"\ntitle = \"日本医師会\"\nissuer = \"https://login.example.jp\"\nclient_id = \"iryonet\"\ntrust = \"issuer.pem\"\nclient_secret_file = \"issuer.secret\"\namr = [\"otp\"]";
        let config = parse(origin, good).unwrap();
        let [issuer] = config.people.issuers.as_slice() else {
            panic!("{:?}", config.people);
        };
        assert_eq!(issuer.trust, Path::new("/etc/iryonet/issuer.pem"));
        assert_eq!(
            issuer.client_secret_file.as_deref(),
            Some(Path::new("/etc/iryonet/issuer.secret"))
        );
        assert_eq!(issuer.max_age_s, 3_600);
        for (origin, issuer, says) in [
            ("", good.to_owned(), "origin"),
            (origin, good.replace("amr = [\"otp\"]", ""), "second factor"),
            (
                origin,
                good.replace("https://login", "http://login"),
                "https://",
            ),
            (origin, good.replace("\"jma\"", "\"J M A\""), "a-z"),
            (origin, format!("{good}\nmax_age_s = 5"), "86400"),
            (
                origin,
                format!("{good}\n[[people.issuers]]\n{good}"),
                "another",
            ),
        ] {
            let error = parse(origin, &issuer).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
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
