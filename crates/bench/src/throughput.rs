//! iperf3 through one gateway with the full policy loaded, against the same
//! path with no program attached, alternated in one run.
//!
//! Client and server stand in namespaces of their own, each behind an ethernet
//! line of the gateway between them, so that a packet meets `line_ingress` and
//! `line_egress`. Forwarding, cables, routes and offloads are the same in both
//! arms; only the programs differ. Rounds alternate and begin with the other
//! arm each time, so that a drift of the machine falls on both.

use crate::lab::{Bpffs, Lab, LabError};
use crate::median;
use iryonet_domain::{NetworkPrefix, ParticipantNumber, SitePrefix};
use iryonet_gateway::datapath::{Binding, Config, Datapath, DatapathError};
use iryonet_verdict::ParticipantState;
use serde::Serialize;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PORT: u16 = 5201;
const CLIENT: u32 = 0x01_0001;
const SERVER: u32 = 0x01_0002;
const SERVICE: u32 = 1;

/// What to measure with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Participants in the tables.
    pub institutions: u32,
    /// Grants in the tables.
    pub grants: u32,
    /// Rounds; each measures both arms once.
    pub rounds: u32,
    /// Seconds per measurement.
    pub seconds: u32,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Participants in the tables.
    pub institutions: u32,
    /// Grants in the tables.
    pub grants: u32,
    /// Bits per second with the programs attached, each round.
    pub attached_bps: Vec<f64>,
    /// Bits per second with no program attached, each round.
    pub bare_bps: Vec<f64>,
    /// Median with the programs.
    pub attached_median_bps: f64,
    /// Median without.
    pub bare_median_bps: f64,
    /// Median of the rounds' ratios.
    pub ratio: f64,
    /// The promise: at least 0.95.
    pub ok: bool,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ThroughputError {
    /// The laboratory failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The datapath failed.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// iperf3 answered something else than a measurement.
    #[error("iperf3 gave no measurement: {0}")]
    Answer(String),
    /// The policy does not fit the numbers asked for.
    #[error("{0}")]
    Options(&'static str),
}

/// Measures. Must run as root, on a thread that it may move into a namespace.
///
/// # Errors
/// When the laboratory, the datapath or iperf3 fails.
pub fn run(options: &Options) -> Result<Report, ThroughputError> {
    if options.institutions < 2 || options.rounds == 0 || options.seconds == 0 {
        return Err(ThroughputError::Options(
            "at least 2 institutions, 1 round and 1 second are wanted",
        ));
    }
    let network: NetworkPrefix =
        NetworkPrefix::new(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)
            .map_err(|_| ThroughputError::Options("the network's prefix does not fit"))?;
    let client = site(network, CLIENT)?;
    let server = site(network, SERVER)?;
    let lab = Lab::new(&["c", "g", "s"])?;
    cable(&lab, "c", "line-c", client)?;
    cable(&lab, "s", "line-s", server)?;
    lab.run(
        "g",
        "sysctl",
        &["-q", "-w", "net.ipv6.conf.all.forwarding=1"],
    )?;

    lab.enter("g")?;
    // Pinned, as in service: only a link that is not merely this process's can
    // be taken off an interface again.
    let pins = Bpffs::mount()?;
    let (mut datapath, _) = Datapath::open(&Config {
        pin_dir: pins.path().join("g"),
        grants_max: options.grants.max(16),
        participants_max: options.institutions.max(16),
        ..Config::default()
    })?;
    load(&mut datapath, options, server)?;
    let lines = [("line-c", CLIENT, client), ("line-s", SERVER, server)];

    let _server = Server::start(&lab)?;
    let mut attached_bps = Vec::new();
    let mut bare_bps = Vec::new();
    for round in 0..options.rounds {
        for arm in [round % 2 == 0, round % 2 == 1] {
            for (name, number, prefix) in lines {
                let ifindex =
                    nix::net::if_::if_nametoindex(name).map_err(|errno| LabError::System {
                        what: format!("find {name}"),
                        source: errno.into(),
                    })?;
                if arm {
                    datapath.attach_line(ifindex, name)?;
                    datapath.bind(
                        ifindex,
                        Binding {
                            participant: number,
                            prefix: prefix.upper(),
                            lease_expires_ns: u64::MAX,
                        },
                    )?;
                } else {
                    datapath.detach_line(ifindex)?;
                }
            }
            let bps = measure(&lab, server, options.seconds)?;
            if arm {
                attached_bps.push(bps)
            } else {
                bare_bps.push(bps)
            }
        }
    }
    let ratios: Vec<f64> = attached_bps
        .iter()
        .zip(&bare_bps)
        .map(|(attached, bare)| attached / bare)
        .collect();
    let ratio = median(&ratios).unwrap_or_default();
    Ok(Report {
        institutions: datapath.participant_count(),
        grants: datapath.grant_count(),
        attached_median_bps: median(&attached_bps).unwrap_or_default(),
        bare_median_bps: median(&bare_bps).unwrap_or_default(),
        attached_bps,
        bare_bps,
        ratio,
        ok: ratio >= 0.95,
    })
}

fn site(network: NetworkPrefix, number: u32) -> Result<SitePrefix, ThroughputError> {
    ParticipantNumber::new(number)
        .map(|number| network.site(number, 0))
        .map_err(|_| ThroughputError::Options("a number does not fit"))
}

/// One end in namespace `inside`, the other on the gateway, as an ethernet line.
fn cable(lab: &Lab, inside: &str, line: &str, prefix: SitePrefix) -> Result<(), LabError> {
    lab.ip(
        None,
        &[format!(
            "link add up0 netns {} type veth peer name {line} netns {}",
            lab.name(inside),
            lab.name("g")
        )],
    )?;
    lab.ip(
        Some(inside),
        &[
            "link set up0 up".to_owned(),
            // As behind a box: on the line itself stands no address of the site.
            format!("address add {}/128 dev lo nodad", prefix.host(0x10)),
            "address add fe80::2/64 dev up0 nodad".to_owned(),
            "route add default via fe80::1 dev up0".to_owned(),
        ],
    )?;
    lab.ip(
        Some("g"),
        &[
            format!("link set {line} up"),
            format!("address add fe80::1/64 dev {line} nodad"),
            format!("route add {prefix} via fe80::2 dev {line}"),
        ],
    )
}

/// Fills the tables: our two participants, their one grant, and everybody else.
fn load(
    datapath: &mut Datapath,
    options: &Options,
    server: SitePrefix,
) -> Result<(), ThroughputError> {
    for index in 0..options.institutions {
        datapath.set_participant(CLIENT + index, ParticipantState::Live, 1)?;
    }
    datapath.set_endpoint(server.host(0x10), 6, PORT, SERVICE)?;
    datapath.set_grant(CLIENT, SERVICE)?;
    let mut left = options.grants.saturating_sub(1);
    let mut service = SERVICE + 1;
    while left > 0 {
        for index in 0..options.institutions.min(left) {
            datapath.set_grant(CLIENT + index, service)?;
        }
        left -= options.institutions.min(left);
        service += 1;
    }
    Ok(())
}

fn measure(lab: &Lab, server: SitePrefix, seconds: u32) -> Result<f64, ThroughputError> {
    let address = server.host(0x10).to_string();
    let (port, seconds) = (PORT.to_string(), seconds.to_string());
    let text = lab.run(
        "c",
        "iperf3",
        &[
            "-6", "-J", "-O", "1", "-t", &seconds, "-p", &port, "-c", &address,
        ],
    )?;
    let answer: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| ThroughputError::Answer(error.to_string()))?;
    answer
        .pointer("/end/sum_received/bits_per_second")
        .and_then(serde_json::Value::as_f64)
        .filter(|bps| *bps > 0.0)
        .ok_or_else(|| ThroughputError::Answer(text.chars().take(400).collect()))
}

struct Server(Child);

impl Server {
    fn start(lab: &Lab) -> Result<Self, LabError> {
        let port = PORT.to_string();
        let child = lab
            .command("s", "iperf3", &["-s", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| LabError::Start {
                program: "iperf3".to_owned(),
                source,
            })?;
        let server = Self(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        let filter = format!("sport = :{port}");
        while lab.run("s", "ss", &["-Hltn", &filter])?.is_empty() {
            if Instant::now() > deadline {
                return Err(LabError::Failed {
                    command: "iperf3 -s".to_owned(),
                    said: "it does not listen after 10 s".to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
