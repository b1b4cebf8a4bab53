//! Namespaces, cables and daemons of the measurement: a center and two gateways
//! on a backbone, all lines' far ends in one namespace.

use super::RevokeError;
use crate::lab::{Bpffs, Lab};
use iryonet_domain::{GatewayId, NetworkPrefix, UnixMillis};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The provider's line at gateway g2, and its far end.
pub(crate) const PROVIDER_LINE: &str = "lp";
pub(crate) const PROVIDER_PORT: &str = "sp";
/// The gateways' address on every line.
pub(crate) const GATEWAY_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const CENTER_HOST: u64 = 0xc;
const START_MAX: Duration = Duration::from_secs(300);

pub(crate) fn clinic_line(index: u32) -> String {
    format!("l{index}")
}

pub(crate) fn site_port(index: u32) -> String {
    format!("s{index}")
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) fn network() -> Result<NetworkPrefix, RevokeError> {
    NetworkPrefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)
        .map_err(|error| RevokeError::Region(error.to_string()))
}

fn backbone(host: u64) -> Ipv6Addr {
    Ipv6Addr::from((0x2001_0db8_u128 << 96) | (1 << 64) | u128::from(host))
}

/// Name, backbone address, blocks: room for half a country each.
pub(crate) fn gateways() -> Vec<(GatewayId, Ipv6Addr, Vec<u8>)> {
    [("g1", 1, 1..=8), ("g2", 2, 9..=16)]
        .into_iter()
        .filter_map(|(name, host, blocks)| {
            Some((name.parse().ok()?, backbone(host), blocks.collect()))
        })
        .collect()
}

/// The laboratory with everything in it.
pub(crate) struct Region {
    // Dropped in this order: daemons, pins, namespaces, files.
    daemons: Vec<Child>,
    pins: Bpffs,
    lab: Lab,
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// Somebody at the operators' socket.
pub(crate) struct Operator {
    actor: iryonet_domain::Actor,
    client: iryonet_center::client::OperatorClient,
    runtime: tokio::runtime::Runtime,
}

impl Operator {
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RevokeError> {
        self.runtime
            .block_on(self.client.request(method, path, Some(&self.actor), body))
            .map_err(|error| RevokeError::Region(error.to_string()))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Region {
    /// Namespaces, cables, keys and settings; no daemon yet.
    pub(crate) fn lay(clinics: u32) -> Result<Self, RevokeError> {
        Self::lay_on(clinics, None)
    }

    /// The same, with the registry in this database of PostgreSQL's.
    pub(crate) fn lay_on(clinics: u32, database: Option<&str>) -> Result<Self, RevokeError> {
        let lab = Lab::new(&["bb", "c", "g1", "g2", "s"])?;
        let file = |what: &str| {
            let what = what.to_owned();
            move |source| RevokeError::File { what, source }
        };
        let folder = tempfile::tempdir().map_err(file("make a folder"))?;
        let pins = Bpffs::mount()?;
        let program = std::env::current_exe().map_err(file("find this program"))?;
        let region = Self {
            daemons: Vec::new(),
            pins,
            lab,
            folder,
            program,
        };
        region.cables(clinics)?;
        region.keys(database)?;
        Ok(region)
    }

    fn cables(&self, clinics: u32) -> Result<(), RevokeError> {
        let name = |namespace: &str| self.lab.name(namespace);
        self.lab.ip(
            Some("bb"),
            &[
                "link add br0 type bridge mcast_snooping 0".to_owned(),
                "link set br0 up".to_owned(),
            ],
        )?;
        for (namespace, host) in [("c", CENTER_HOST), ("g1", 1), ("g2", 2)] {
            self.lab.ip(
                None,
                &[format!(
                    "link add bb0 netns {} type veth peer name p-{namespace} netns {}",
                    name(namespace),
                    name("bb")
                )],
            )?;
            self.lab.ip(
                Some("bb"),
                &[format!("link set p-{namespace} master br0 up")],
            )?;
            self.lab.ip(
                Some(namespace),
                &[
                    "link set bb0 up".to_owned(),
                    format!("address add {}/64 dev bb0 nodad", backbone(host)),
                ],
            )?;
        }
        let mut lines: Vec<(String, String, &str)> = (0..clinics)
            .map(|i| (clinic_line(i), site_port(i), "g1"))
            .collect();
        lines.push((PROVIDER_LINE.to_owned(), PROVIDER_PORT.to_owned(), "g2"));
        let laid: Vec<String> = lines
            .iter()
            .map(|(line, port, gateway)| {
                format!(
                    "link add {port} netns {} type veth peer name {line} netns {}",
                    name("s"),
                    name(gateway)
                )
            })
            .collect();
        self.lab.ip(None, &laid)?;
        let up: Vec<String> = lines
            .iter()
            .map(|(_, port, _)| format!("link set {port} up"))
            .collect();
        self.lab.ip(Some("s"), &up)?;
        for gateway in ["g1", "g2"] {
            let up: Vec<String> = lines
                .iter()
                .filter(|(_, _, at)| *at == gateway)
                .map(|(line, _, _)| format!("link set {line} up"))
                .collect();
            self.lab.ip(Some(gateway), &up)?;
        }
        Ok(())
    }

    fn keys(&self, database: Option<&str>) -> Result<(), RevokeError> {
        let path = |name: &str| self.folder.path().join(name);
        let shown = |name: &str| path(name).display().to_string();
        self.iryonet(&[
            "authority",
            "init-root",
            "--plain-key",
            "--out",
            &shown("root"),
        ])?;
        self.iryonet(&[
            "authority",
            "init-issuing",
            "--plain-key",
            "--root",
            &shown("root"),
            "--out",
            &shown("issuing"),
        ])?;
        let center = backbone(CENTER_HOST);
        let database = database.map_or_else(String::new, |connection| {
            format!("[database]\npostgres = \"{connection}\"\n")
        });
        self.write(
            "center.toml",
            &format!(
                "name = \"center-1\"\nnetwork = \"2001:db8::/32\"\ndata_dir = \"center\"\n\
                 issuing_dir = \"issuing\"\nroot_certificate = \"root/root.pem\"\n\
                 operator_socket = \"operator.sock\"\npublic_listen = \"[{center}]:8443\"\n\
                 device_listen = \"[{center}]:8444\"\n{database}"
            ),
        )?;
        self.iryonet(&["center", "init", "--config", &shown("center.toml")])?;
        for gateway in ["g1", "g2"] {
            self.write(
                &format!("{gateway}.toml"),
                &format!(
                    "name = \"{gateway}\"\nstate_dir = \"{gateway}\"\n\
                     pin_dir = \"{pins}\"\ncontrol_socket = \"{gateway}.sock\"\n\
                     center_device = \"[{center}]:8444\"\ncenter_public = \"[{center}]:8443\"\n\
                     center_name = \"center-1\"\nroot_certificate = \"root/root.pem\"\n\
                     backbone_interface = \"bb0\"\n",
                    pins = self.pin_dir(gateway).display(),
                ),
            )?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RevokeError> {
        std::fs::write(self.folder.path().join(name), text).map_err(|source| RevokeError::File {
            what: format!("write {name}"),
            source,
        })
    }

    fn iryonet(&self, words: &[&str]) -> Result<(), RevokeError> {
        run(Command::new(&self.program).args(words)).map(drop)
    }

    fn start(&mut self, namespace: &str, words: &[&str]) -> Result<(), RevokeError> {
        let log = self.folder.path().join(format!("{namespace}.log"));
        let file = std::fs::File::create(&log).map_err(|source| RevokeError::File {
            what: "make a log".to_owned(),
            source,
        })?;
        let program = self.program.display().to_string();
        let child = self
            .lab
            .command(namespace, &program, words)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|source| RevokeError::File {
                what: format!("start {words:?}"),
                source,
            })?;
        self.daemons.push(child);
        Ok(())
    }

    /// Starts the center and waits until it answers.
    pub(crate) fn start_center(&mut self) -> Result<(), RevokeError> {
        let config = self.folder.path().join("center.toml").display().to_string();
        self.start("c", &["center", "--config", &config])?;
        self.wait("the center answers", |region| {
            region.ask("GET", "/v1/health", None).is_ok()
        })
    }

    /// Enrols and starts both gateways and waits until they hold their policy.
    pub(crate) fn start_gateways(&mut self) -> Result<(), RevokeError> {
        for gateway in ["g1", "g2"] {
            let answer = self.ask(
                "POST",
                "/v1/enrolment-codes",
                Some(&json!({"subject": {"gateway": gateway}, "valid_hours": 1})),
            )?;
            let code = answer
                .get("code")
                .and_then(Value::as_str)
                .ok_or_else(|| RevokeError::Region(format!("no code in {answer}")))?
                .to_owned();
            let config = self
                .folder
                .path()
                .join(format!("{gateway}.toml"))
                .display()
                .to_string();
            let program = self.program.display().to_string();
            self.lab.run(
                gateway,
                &program,
                &["gateway", "enrol", "--config", &config, "--code", &code],
            )?;
            self.start(gateway, &["gateway", "--config", &config])?;
        }
        Ok(())
    }

    /// Waits until the center knows that all lines are bound.
    pub(crate) fn wait_bound(&self, clinics: u32) -> Result<(), RevokeError> {
        self.wait("both gateways enforce with all lines bound", |region| {
            let Ok(answer) = region.ask("GET", "/v1/enforcement", None) else {
                return false;
            };
            let revision = answer.get("revision").and_then(Value::as_u64);
            let bound: u64 = answer
                .get("gateways")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter(|one| one.get("acknowledged_revision").and_then(Value::as_u64) == revision)
                .filter_map(|one| one.get("bound_lines").and_then(Value::as_u64))
                .sum();
            bound >= u64::from(clinics)
        })
    }

    /// Revokes a certificate in the name of an operator, who hands out codes too.
    pub(crate) fn revoke(&self, fingerprint: &str) -> Result<(), RevokeError> {
        self.ask(
            "POST",
            &format!("/v1/devices/{fingerprint}/revoke"),
            Some(&json!({"reason": "key-compromise"})),
        )
        .map(drop)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, RevokeError> {
        self.at_socket("operator:bench")?.ask(method, path, body)
    }

    /// Somebody at the operators' socket.
    pub(crate) fn at_socket(&self, actor: &str) -> Result<Operator, RevokeError> {
        let failed = |error: &dyn std::fmt::Display| RevokeError::Region(error.to_string());
        Ok(Operator {
            actor: actor.parse().map_err(|e| failed(&e))?,
            client: iryonet_center::client::OperatorClient::new(
                &self.folder.path().join("operator.sock"),
            ),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| failed(&e))?,
        })
    }

    /// Ends the center, which is the first daemon that was started.
    pub(crate) fn stop_center(&mut self) -> Result<(), RevokeError> {
        let Some(center) = self.daemons.first_mut() else {
            return Ok(());
        };
        let ended = center.kill().and_then(|()| center.wait());
        ended.map(drop).map_err(|source| RevokeError::File {
            what: "end the center".to_owned(),
            source,
        })
    }

    /// Most memory that the center's process had, in KiB (`VmHWM`).
    pub(crate) fn center_memory_kib(&self) -> Result<u64, RevokeError> {
        let center = self
            .daemons
            .first()
            .ok_or_else(|| RevokeError::Region("the center does not run".to_owned()))?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", center.id()));
        let status = status.map_err(|source| RevokeError::File {
            what: "read the center's memory".to_owned(),
            source,
        })?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok())
            .ok_or_else(|| RevokeError::Region("the system tells no VmHWM".to_owned()))
    }

    fn wait(&self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Result<(), RevokeError> {
        let deadline = Instant::now() + START_MAX;
        while !done(self) {
            if Instant::now() > deadline {
                return Err(RevokeError::Region(format!(
                    "waited {} s in vain until {what}\n{}",
                    START_MAX.as_secs(),
                    self.logs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The last lines of every daemon, for an error.
    fn logs(&self) -> String {
        let mut out = String::new();
        for name in ["c", "g1", "g2"] {
            let text = std::fs::read_to_string(self.folder.path().join(format!("{name}.log")))
                .unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines
                .get(lines.len().saturating_sub(8)..)
                .unwrap_or_default();
            // Writing into a String cannot fail.
            let _ = writeln!(out, "[{name}]\n{}", tail.join("\n"));
        }
        out
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("center").join("registry.sqlite")
    }

    pub(crate) fn issuing_dir(&self) -> PathBuf {
        self.folder.path().join("issuing")
    }

    pub(crate) fn root_pem(&self) -> Result<Vec<u8>, RevokeError> {
        std::fs::read(self.folder.path().join("root").join("root.pem")).map_err(|source| {
            RevokeError::File {
                what: "read the root".to_owned(),
                source,
            }
        })
    }

    pub(crate) fn pin_dir(&self, gateway: &str) -> PathBuf {
        self.pins.path().join(gateway)
    }

    pub(crate) fn namespace_file(&self, name: &str) -> PathBuf {
        self.lab.path(name)
    }

    /// The index of an interface in a namespace.
    pub(crate) fn ifindex(&self, namespace: &str, interface: &str) -> Result<u32, RevokeError> {
        let text = self
            .lab
            .run(namespace, "ip", &["-j", "link", "show", "dev", interface])?;
        serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|value| value.pointer("/0/ifindex").and_then(Value::as_u64))
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| RevokeError::Region(format!("{interface} is not in {namespace}")))
    }
}

fn run(command: &mut Command) -> Result<(), RevokeError> {
    let shown = format!("{command:?}");
    let done = command.output().map_err(|source| RevokeError::File {
        what: format!("start {shown}"),
        source,
    })?;
    if done.status.success() {
        Ok(())
    } else {
        Err(RevokeError::Region(format!(
            "{shown} failed: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        )))
    }
}
