//! `iryonet check`: does a server or client meet a profile?

use crate::{commands, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iryonet_tlscheck::{
    Application, Evidence, Limits, Outcome, OwnIdentity, Profile, Report, Roots, Settings, Target,
    Verdict, check_server, evidence,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `check`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// TLS サーバの検査: does a TLS server meet a profile?
    ///
    /// Exit status: 0 every rule passes, 1 some rule fails, 2 the server or one
    /// of the rules could not be probed.
    Tls(TlsArguments),
}

#[derive(Args)]
struct TlsArguments {
    /// The server, as claims.example:443 or [2001:db8::1]:443.
    #[arg(value_name = "HOST:PORT")]
    server: String,
    /// The name to ask for (SNI) and to find in the certificate, when it is
    /// not the host.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Roots that the server's chain must lead to, in PEM.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// A client certificate with its chain in PEM, to see whether it is accepted.
    #[arg(long, value_name = "FILE")]
    client: Option<PathBuf>,
    /// The client certificate's key in PEM; not given, it is looked for in the
    /// certificate's file.
    #[arg(long, value_name = "FILE", requires = "client")]
    client_key: Option<PathBuf>,
    /// The profile: guideline-4.3 or guideline-6.0.
    #[arg(long, default_value = "guideline-4.3")]
    profile: Profile,
    /// A recorded exception lets this participant speak TLS 1.2 (guideline-6.0).
    #[arg(long)]
    tls12_exception: bool,
    /// The service does not speak HTTP: send nothing once a handshake stands.
    #[arg(long)]
    no_http: bool,
    /// Longest time of the whole check, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    total_s: u64,
    /// Longest time of one connection, in seconds.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    answer_s: u64,
    /// Pause between two connections, in milliseconds.
    #[arg(long, default_value_t = 10, value_name = "MILLISECONDS")]
    pause_ms: u64,
    /// The answer as JSON, with everything that was observed.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Tls(arguments) => tls(&arguments),
    }
}

/// Something could not be probed: neither a pass nor a failure.
const UNTOLD: u8 = 2;

fn tls(arguments: &TlsArguments) -> anyhow::Result<ExitCode> {
    let settings = settings(arguments)?;
    let profile = arguments
        .profile
        .with_tls12_exception(arguments.tls12_exception);
    let runtime = commands::runtime()?;
    let checked = runtime.block_on(async {
        let target = target(arguments).await?;
        let report = check_server(&target, &settings).await?;
        anyhow::Ok(report)
    });
    match checked {
        Ok(report) => {
            let evidence = evidence(&report, profile);
            show(&report, &evidence, arguments.json)?;
            Ok(match evidence.verdict {
                Verdict::Pass => ExitCode::SUCCESS,
                Verdict::Fail => ExitCode::from(1),
                Verdict::Incomplete => ExitCode::from(UNTOLD),
            })
        }
        Err(error) => {
            if arguments.json {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                output::show(
                    &json!({
                        "server": arguments.server,
                        "profile": profile.as_str(),
                        "verdict": "not-probed",
                        "error": causes.join(": "),
                    }),
                    true,
                );
            } else {
                output::failure(&error);
            }
            Ok(ExitCode::from(UNTOLD))
        }
    }
}

fn settings(arguments: &TlsArguments) -> anyhow::Result<Settings> {
    let roots = match &arguments.roots {
        Some(file) => Some(Roots::from_pem(&read(file)?)?),
        None => None,
    };
    let client = match &arguments.client {
        Some(file) => {
            let key = arguments.client_key.as_ref().unwrap_or(file);
            Some(OwnIdentity::from_pem(&read(file)?, &read(key)?)?)
        }
        None => None,
    };
    Ok(Settings {
        limits: Limits {
            answer: Duration::from_secs(arguments.answer_s.max(1)),
            total: Duration::from_secs(arguments.total_s.max(1)),
            pause: Duration::from_millis(arguments.pause_ms),
            ..Limits::default()
        },
        now: commands::now(),
        seed: rand::random(),
        roots,
        client,
    })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

async fn target(arguments: &TlsArguments) -> anyhow::Result<Target> {
    let server = arguments.server.as_str();
    let Some((host, port)) = server.rsplit_once(':') else {
        bail!("{server} has no port; HOST:PORT is right, as claims.example:443");
    };
    if port.parse::<u16>().is_err() {
        bail!("{port} in {server} is no port; HOST:PORT is right, as claims.example:443");
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    let address: SocketAddr = tokio::net::lookup_host(server)
        .await
        .with_context(|| format!("{host} has no address"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    Ok(Target {
        address,
        server_name: arguments
            .name
            .clone()
            .or_else(|| (!is_address).then(|| host.to_owned())),
        application: if arguments.no_http {
            Application::Silent
        } else {
            Application::Http
        },
    })
}

fn show(report: &Report, evidence: &Evidence, json: bool) -> anyhow::Result<()> {
    if json {
        let mut value = serde_json::to_value(evidence)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("observed".to_owned(), serde_json::to_value(report)?);
        }
        output::show(&value, true);
        return Ok(());
    }
    let rows: Vec<Value> = evidence
        .findings
        .iter()
        .map(|finding| {
            json!({
                "": mark(finding.outcome),
                "rule": finding.rule,
                "seen": finding.seen.en,
                // What would be right is news only where something is not.
                "right": if finding.outcome == Outcome::Pass { "" } else { &finding.right.en },
                "clause": finding.clause.en,
            })
        })
        .collect();
    output::show_columns(&["", "rule", "seen", "right", "clause"], &rows);
    show_observed(report);
    let word = match evidence.verdict {
        Verdict::Pass => "pass 適合",
        Verdict::Fail => "FAIL 不適合",
        Verdict::Incomplete => "incomplete 判定不能: not a pass",
    };
    output::show(
        &Value::String(format!(
            "{} under {}: {word} ({} connections, {} ms)",
            report.server_name.as_deref().unwrap_or(&report.address),
            evidence.profile,
            report.effort.connections,
            report.effort.duration_ms,
        )),
        false,
    );
    Ok(())
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass 適合",
        Outcome::Fail => "FAIL 不適合",
        Outcome::CouldNotTell => "? 判定不能",
        Outcome::NotAsked => "- 未検査",
    }
}

/// What a person wants to see of the facts, in few lines.
fn show_observed(report: &Report) {
    let versions: Vec<Value> = report
        .versions
        .iter()
        .filter(|seen| !seen.suites.is_empty())
        .map(|seen| {
            let names: Vec<String> = seen.suites.iter().map(ToString::to_string).collect();
            json!({
                "version": seen.version.as_str(),
                "suites, as chosen": names.join(" "),
                "whose order": seen.preference,
            })
        })
        .collect();
    output::show_columns(&["version", "suites, as chosen", "whose order"], &versions);
    let certificates: Vec<Value> = report
        .chains
        .iter()
        .flat_map(|chain| &chain.certificates)
        .map(|certificate| {
            json!({
                "certificate": certificate.subject,
                "names": certificate.names.join(" "),
                "key": certificate.key.to_string(),
                "signed with": certificate.signature.name,
            })
        })
        .collect();
    output::show_columns(
        &["certificate", "names", "key", "signed with"],
        &certificates,
    );
}
