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
    /// The registry on SQLite and on PostgreSQL: bulk admission, search, an
    /// agreement until its gateway enforces it, memory of the center.
    Registry {
        /// Institutions admitted.
        #[arg(long, default_value_t = 600_000)]
        institutions: u32,
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
        Command::Registry { institutions } => {
            let options = iryonet_bench::registry::Options { institutions };
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
