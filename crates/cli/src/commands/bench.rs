//! `iryonet bench`: figures that anybody can reproduce.

use crate::output;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// Arguments of `bench`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The figures as JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// Where a registry is kept.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Home {
    /// In one file.
    Sqlite,
    /// In a server of PostgreSQL's, the measurement's own.
    Postgresql,
}

#[derive(Subcommand)]
enum Command {
    /// The verdict: memory, load, cost per packet in the kernel, decisions per second.
    Verdict {
        /// Participants in the tables.
        #[arg(long, default_value_t = 600_000)]
        institutions: u32,
        /// Grants in the tables.
        #[arg(long, default_value_t = 3_000_000)]
        grants: u32,
        /// Size of the flow table.
        #[arg(long, default_value_t = 1_000_000)]
        flows: u32,
    },
    /// From the center's answer to a revocation until both gateways refuse.
    Revoke {
        /// Institutions in the center and in the gateways.
        #[arg(long, default_value_t = 600_000)]
        institutions: u32,
        /// Revocations measured.
        #[arg(long, default_value_t = 200)]
        revocations: u32,
    },
    /// The authority: certificates against the bare signing rate, revocation
    /// lists, OCSP, and enrolments over EST into a durable ledger.
    Authority {
        /// Enrolments, each over a TLS connection of its own.
        #[arg(long, default_value_t = 5_000)]
        enrolments: u32,
        /// Connections at once.
        #[arg(long, default_value_t = 32)]
        connections: u32,
        /// Entries on the revocation list.
        #[arg(long, default_value_t = 30_000)]
        revoked: u32,
        /// Where the center keeps its database; the system's place for
        /// temporary files if not said.
        #[arg(long)]
        directory: Option<std::path::PathBuf>,
    },
    /// The registry at its full size, on SQLite and on PostgreSQL: bulk
    /// admission, search, an agreement until both gateways enforce it, the
    /// re-check of everybody, memory of the center.
    Registry {
        /// Institutions admitted.
        #[arg(long, default_value_t = 600_000)]
        institutions: u32,
        /// How many of them have a device, whose certificate is re-checked; all
        /// if not said.
        #[arg(long)]
        devices: Option<u32>,
        /// Only on this home; on both if not said.
        #[arg(long, value_enum)]
        store: Option<Home>,
    },
    /// iperf3 through the loaded datapath against the bare path.
    Throughput {
        /// Participants in the tables.
        #[arg(long, default_value_t = 600_000)]
        institutions: u32,
        /// Grants in the tables.
        #[arg(long, default_value_t = 3_000_000)]
        grants: u32,
        /// Rounds; each measures both arms once.
        #[arg(long, default_value_t = 9)]
        rounds: u32,
        /// Seconds per measurement.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let report: Value = match arguments.command {
        Command::Verdict {
            institutions,
            grants,
            flows,
        } => {
            let options = iryonet_gateway::bench::verdict::Options {
                institutions,
                grants,
                flows,
            };
            let measured = iryonet_gateway::bench::verdict::run(&options)?;
            // What is promised of the network's full size, each said by itself.
            let promises = [
                (
                    "policy_maps_at_most_256_mib",
                    measured.policy_map_bytes <= 256 << 20,
                ),
                (
                    "flow_table_at_most_160_mib",
                    measured.flow_map_bytes <= 160 << 20,
                ),
                ("cold_load_at_most_5_s", measured.cold_load_ms <= 5_000),
                (
                    "established_at_most_100_ns",
                    measured.established_hot_ns <= 100.0,
                ),
                ("new_at_most_200_ns", measured.new_one_site_ns <= 200.0),
                (
                    "native_at_least_10_million_per_s",
                    measured.native_hot_per_s >= 10_000_000,
                ),
            ];
            let mut report = serde_json::to_value(&measured)?;
            if let Some(fields) = report.as_object_mut() {
                fields.insert(
                    "ok".to_owned(),
                    promises.iter().all(|(_, kept)| *kept).into(),
                );
                fields.insert(
                    "promises".to_owned(),
                    promises
                        .iter()
                        .map(|(name, kept)| (*name, Value::from(*kept)))
                        .collect(),
                );
            }
            report
        }
        Command::Revoke {
            institutions,
            revocations,
        } => {
            let options = iryonet_bench::revoke::Options {
                institutions,
                revocations,
            };
            serde_json::to_value(iryonet_bench::revoke::run(&options)?)?
        }
        Command::Authority {
            enrolments,
            connections,
            revoked,
            directory,
        } => {
            let options = iryonet_bench::authority::Options {
                enrolments,
                connections,
                revoked,
                directory: directory.unwrap_or_else(std::env::temp_dir),
            };
            serde_json::to_value(iryonet_bench::authority::run(&options)?)?
        }
        Command::Registry {
            institutions,
            devices,
            store,
        } => {
            use iryonet_bench::registry::Home as At;
            let options = iryonet_bench::registry::Options {
                institutions,
                devices: devices.unwrap_or(institutions),
                homes: match store {
                    None => vec![At::Sqlite, At::Postgresql],
                    Some(Home::Sqlite) => vec![At::Sqlite],
                    Some(Home::Postgresql) => vec![At::Postgresql],
                },
            };
            serde_json::to_value(iryonet_bench::registry::run(&options)?)?
        }
        Command::Throughput {
            institutions,
            grants,
            rounds,
            seconds,
        } => {
            let options = iryonet_bench::throughput::Options {
                institutions,
                grants,
                rounds,
                seconds,
            };
            serde_json::to_value(iryonet_bench::throughput::run(&options)?)?
        }
    };
    output::show(&report, arguments.json);
    // A promise that was not kept is a failure, also for a script.
    let kept = report.get("ok").and_then(Value::as_bool).unwrap_or(false);
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
