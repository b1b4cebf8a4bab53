//! Where the database is and how it is reached. A connection that leaves this
//! machine is TLS, always.

use postgres::config::{Host, SslMode, TargetSessionAttrs};
use postgres::{Client, Config, NoTls};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to come up, where the settings do not say.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// A dead peer is noticed after about this long.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A database and how to reach it. Shown without the password.
#[derive(Clone)]
pub struct PostgresSettings {
    config: Config,
    tls: Option<iryonet_tls::NamedConnector>,
}

/// Why the settings cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not a connection string.
    #[error("the database's connection string cannot be read: {0}")]
    Text(String),
    /// No server named.
    #[error(
        "the database's connection string names no host; write host=/run/postgresql for a Unix socket, or the server's name"
    )]
    NoHost,
    /// No database named.
    #[error(
        "the database's connection string names no dbname; write the database that the registry is in"
    )]
    NoDatabase,
    /// A connection over a network in the clear.
    #[error(
        "{0} is not on this machine, and TLS has no roots: name the file with the roots of the database server's certificate (trust = \"…\" in [database]); a connection in the clear is made to a Unix socket or a loopback address only"
    )]
    Clear(String),
    /// The same, asked for.
    #[error("{0} is not on this machine: sslmode=disable is refused there; leave sslmode out")]
    ClearAsked(String),
    /// `hostaddr` without a name to check.
    #[error(
        "{0} has no name to check the server's certificate against: give host= beside hostaddr="
    )]
    NoName(String),
}

impl PostgresSettings {
    /// Reads a connection string of the form that libpq reads (`host=… dbname=…`
    /// or `postgresql://…`). `tls` is needed when any host is not on this machine.
    ///
    /// # Errors
    /// When it cannot be read, or would go over a network in the clear.
    pub fn parse(
        text: &str,
        tls: Option<iryonet_tls::NamedConnector>,
    ) -> Result<Self, SettingsError> {
        // The library's error may repeat what it could not read, a password too.
        let mut config = Config::from_str(text).map_err(|error| {
            SettingsError::Text(match std::error::Error::source(&error) {
                Some(cause) if !text.contains("password") && !text.contains('@') => {
                    cause.to_string()
                }
                _ => "it has the form host=/run/postgresql dbname=iryonet user=iryonet".to_owned(),
            })
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SettingsError::NoHost);
        }
        if config.get_dbname().is_none() {
            return Err(SettingsError::NoDatabase);
        }
        let remote = remote(&config);
        if let Some(host) = remote {
            if config.get_hosts().len() < config.get_hostaddrs().len() {
                return Err(SettingsError::NoName(host));
            }
            if config.get_ssl_mode() == SslMode::Disable {
                return Err(SettingsError::ClearAsked(host));
            }
            if tls.is_none() {
                return Err(SettingsError::Clear(host));
            }
            config.ssl_mode(SslMode::Require);
        } else if tls.is_none() {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_WAIT);
        }
        if config.get_application_name().is_none() {
            config.application_name("iryonet");
        }
        config
            .keepalives(true)
            .keepalives_idle(SILENCE_MAX / 2)
            .keepalives_interval(SILENCE_MAX / 6)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE_MAX)
            // Never a standby: what it answers may be old.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls })
    }

    /// Gives the password, kept in a file of its own.
    #[must_use]
    pub fn with_password(mut self, password: &[u8]) -> Self {
        self.config.password(password);
        self
    }

    /// The same server with another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        self.config.dbname(name);
        self
    }

    /// What it is called in messages: the server and the database, no more.
    #[must_use]
    pub fn home(&self) -> String {
        let hosts: Vec<String> = self.config.get_hosts().iter().map(show).collect();
        let hosts = if hosts.is_empty() {
            let addresses = self.config.get_hostaddrs().iter();
            addresses.map(IpAddr::to_string).collect()
        } else {
            hosts
        };
        format!(
            "PostgreSQL database {} at {}",
            self.config.get_dbname().unwrap_or_default(),
            hosts.join(",")
        )
    }

    pub(crate) fn connect(&self) -> Result<Client, postgres::Error> {
        match &self.tls {
            Some(tls) => self.config.connect(super::tls::MakeTls(tls.clone())),
            None => self.config.connect(NoTls),
        }
    }
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.home())
    }
}

fn show(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// The first host that is not on this machine. An address given beside a name
/// is where the connection goes; the name is only what is checked.
fn remote(config: &Config) -> Option<String> {
    if !config.get_hostaddrs().is_empty() {
        return config
            .get_hostaddrs()
            .iter()
            .find(|address| !address.is_loopback())
            .map(IpAddr::to_string);
    }
    config.get_hosts().iter().find_map(|host| match host {
        Host::Unix(_) => None,
        Host::Tcp(name) => {
            let local = name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback());
            (!local).then(|| name.clone())
        }
    })
}
