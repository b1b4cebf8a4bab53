//! `iryonet check`: does a server or client meet a profile?

use crate::{commands, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iryonet_tlscheck::{
    Application, Certificate, Evidence, Limits, ListenSettings, Outcome, OwnIdentity, Profile,
    Report, Roots, Settings, Target, Verdict, Version, check_client, check_server, client_evidence,
    evidence,
};
use serde::Serialize;
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
    /// TLS クライアントの検査: does a TLS client meet a profile? Waits for one to connect.
    ///
    /// Exit status: 0 every rule passes, 1 some rule fails, 2 no client came or
    /// one of the rules could not be told.
    TlsClient(TlsClientArguments),
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

#[derive(Args)]
struct TlsClientArguments {
    /// Where the client will connect to, as [::1]:4433; port 0 takes any free
    /// one, which is said.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "[::]:4433")]
    listen: SocketAddr,
    /// The certificate that is shown to the client, with its chain in PEM. The
    /// client has to trust it, or it will not show its own.
    #[arg(long, value_name = "FILE")]
    own: Option<PathBuf>,
    /// Its key in PEM; not given, it is looked for in the certificate's file.
    #[arg(long, value_name = "FILE", requires = "own")]
    own_key: Option<PathBuf>,
    /// Roots that the client's chain must lead to, in PEM.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// The profile: guideline-4.3 or guideline-6.0.
    #[arg(long, default_value = "guideline-4.3")]
    profile: Profile,
    /// A recorded exception lets this participant speak TLS 1.2 (guideline-6.0).
    #[arg(long)]
    tls12_exception: bool,
    /// How long a client is waited for, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_s: u64,
    /// The answer as JSON, with everything that was observed.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Tls(arguments) => tls(&arguments),
        Command::TlsClient(arguments) => tls_client(&arguments),
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
    let asked = ("server", arguments.server.as_str());
    concluded(checked, asked, profile, arguments.json, |report| {
        let evidence = evidence(report, profile);
        if !arguments.json {
            show_findings(&evidence);
            show_observed(report);
            show_verdict(
                report.server_name.as_deref().unwrap_or(&report.address),
                &evidence,
                &format!(
                    "{} connections, {} ms",
                    report.effort.connections, report.effort.duration_ms
                ),
            );
        }
        evidence
    })
}

/// How a server fares, in the words of a case's evidence: the rules of the
/// profile that it does not meet, those that could not be told among them.
///
/// # Errors
/// When it could not be probed at all.
pub(crate) fn failed_rules(server: &str, profile: Profile) -> anyhow::Result<Vec<String>> {
    let arguments = TlsArguments {
        server: server.to_owned(),
        name: None,
        roots: None,
        client: None,
        client_key: None,
        profile,
        tls12_exception: false,
        no_http: true,
        total_s: 120,
        answer_s: 5,
        pause_ms: 10,
        json: false,
    };
    let settings = settings(&arguments)?;
    let report = commands::runtime()?.block_on(async {
        let target = target(&arguments).await?;
        anyhow::Ok(check_server(&target, &settings).await?)
    })?;
    Ok(evidence(&report, profile).failed_rules())
}

fn tls_client(arguments: &TlsClientArguments) -> anyhow::Result<ExitCode> {
    let roots = match &arguments.roots {
        Some(file) => Some(Roots::from_pem(&read(file)?)?),
        None => None,
    };
    let own = match &arguments.own {
        Some(file) => {
            let key = arguments.own_key.as_ref().unwrap_or(file);
            Some(OwnIdentity::from_pem(&read(file)?, &read(key)?)?)
        }
        None => None,
    };
    let profile = arguments
        .profile
        .with_tls12_exception(arguments.tls12_exception);
    let settings = ListenSettings {
        limits: Limits::default(),
        wait: Duration::from_secs(arguments.wait_s.max(1)),
        now: commands::now(),
        seed: rand::random(),
        own,
        roots,
        preferred: match profile {
            Profile::Guideline43 => Version::Tls12,
            _ => Version::Tls13,
        },
    };
    let heard = commands::runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("{} cannot be listened on", arguments.listen))?;
        output::note(&format!(
            "waiting {} s for one TLS client on {}",
            settings.wait.as_secs(),
            listener.local_addr()?
        ));
        Ok(check_client(&listener, &settings).await?)
    });
    let listen = arguments.listen.to_string();
    concluded(
        heard,
        ("listen", &listen),
        profile,
        arguments.json,
        |report| {
            let evidence = client_evidence(report, profile);
            if !arguments.json {
                show_findings(&evidence);
                show_certificates(report.chain.iter().flat_map(|chain| &chain.certificates));
                show_verdict(&report.address, &evidence, "one connection");
            }
            evidence
        },
    )
}

/// The exit status of a check, and its JSON: a check that came to nothing has
/// one too.
fn concluded<R: Serialize>(
    checked: anyhow::Result<R>,
    asked: (&str, &str),
    profile: Profile,
    json: bool,
    judge: impl FnOnce(&R) -> Evidence,
) -> anyhow::Result<ExitCode> {
    match checked {
        Ok(report) => {
            let evidence = judge(&report);
            if json {
                let mut value = serde_json::to_value(&evidence)?;
                if let Value::Object(fields) = &mut value {
                    fields.insert("observed".to_owned(), serde_json::to_value(&report)?);
                }
                output::show(&value, true);
            }
            Ok(match evidence.verdict {
                Verdict::Pass => ExitCode::SUCCESS,
                Verdict::Fail => ExitCode::from(1),
                Verdict::Incomplete => ExitCode::from(UNTOLD),
            })
        }
        Err(error) => {
            if json {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                output::show(
                    &json!({
                        asked.0: asked.1,
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

fn show_findings(evidence: &Evidence) {
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
}

fn show_verdict(whom: &str, evidence: &Evidence, effort: &str) {
    let word = match evidence.verdict {
        Verdict::Pass => "pass 適合",
        Verdict::Fail => "FAIL 不適合",
        Verdict::Incomplete => "incomplete 判定不能: not a pass",
    };
    output::show(
        &Value::String(format!(
            "{whom} under {}: {word} ({effort})",
            evidence.profile
        )),
        false,
    );
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
    show_certificates(report.chains.iter().flat_map(|chain| &chain.certificates));
}

fn show_certificates<'a>(certificates: impl Iterator<Item = &'a Certificate>) {
    let certificates: Vec<Value> = certificates
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
