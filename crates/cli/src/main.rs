//! `iryonet`: one binary for the center, the gateway, the site, the pilot and
//! their operators.
//!
//! Each subcommand is a thin call into the crate that does the work; nothing is
//! decided here. Exit status: 0 done, 1 refused or failed, 2 wrong usage.

mod commands;
mod output;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// 医療等分野専用ネットワーク: the open software for a nationwide, closed network
/// of the medical sector.
#[derive(Parser)]
#[command(name = "iryonet", version, about, long_about = None, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log lines as JSON, for collectors.
    #[arg(long, global = true)]
    log_json: bool,
    /// What to log, as `info` or `iryonet_gateway=debug`.
    #[arg(
        long,
        global = true,
        env = "IRYONET_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// 認証局: make the offline root and the issuing CA.
    Authority(commands::authority::Arguments),
    /// センター: the control plane.
    Center(commands::center::Arguments),
    /// ゲートウェイ: the network's edge.
    Gateway(commands::gateway::Arguments),
    /// 拠点: the institution's agent.
    Site(commands::site::Arguments),
    /// 台帳: verify the record of every act.
    Ledger(commands::ledger::Arguments),
    /// 公開名簿: the public list of institutions, as applicants known to exist.
    Registry(commands::registry::Arguments),
    /// 運用: ゲートウェイの登録 (gateways of the network).
    Gateways(commands::operator::GatewaysArguments),
    /// 運用: 参加者 (participants, their sites and lines).
    Participant(commands::operator::ParticipantArguments),
    /// 公開名簿: find an institution that is known to exist.
    Applicant(commands::operator::ApplicantArguments),
    /// 運用: 登録コード (one-time enrolment codes).
    EnrolmentCode(commands::operator::EnrolmentCodeArguments),
    /// 運用: 接続機器 (devices and their certificates).
    Device(commands::operator::DeviceArguments),
    /// 申請: cases, from the application to the open connection.
    Case(commands::case::CaseArguments),
    /// 書類: documents of applications.
    Document(commands::document::DocumentArguments),
    /// 要件・審査項目: versions of the rules, and who must be examined anew.
    Rules(commands::rules::RulesArguments),
    /// 日次再確認: how far it is, and what a person says after it has stopped.
    Recheck(commands::recheck::RecheckArguments),
    /// 運用: サービス (services of the providers).
    Service(commands::operator::ServiceArguments),
    /// 運用: 利用合意 (agreements).
    Agreement(commands::operator::AgreementArguments),
    /// アカウント: who acts, in which roles (accounts, and the own one).
    Account(commands::account::AccountArguments),
    /// ログイン: begin a session at a center's people's listener.
    Login(commands::session::LoginArguments),
    /// ログアウト: end it.
    Logout(commands::session::LogoutArguments),
    /// Why can A (not) reach B? 理由を一つの答えで.
    Explain(commands::operator::ExplainArguments),
    /// Which revision does each gateway enforce?
    Enforcement(commands::operator::EnforcementArguments),
    /// 検査: does a TLS server or client meet a profile?
    Check(commands::check::Arguments),
    /// A whole region on this machine, in network namespaces.
    Pilot(commands::pilot::Arguments),
    /// Measure: figures that anybody can reproduce.
    Bench(commands::bench::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments.log, arguments.log_json);
    let done = match arguments.command {
        Command::Authority(a) => commands::authority::run(a),
        Command::Center(a) => commands::center::run(a),
        Command::Gateway(a) => commands::gateway::run(a),
        Command::Site(a) => commands::site::run(a),
        Command::Ledger(a) => commands::ledger::run(&a),
        Command::Registry(a) => commands::registry::run(a),
        Command::Gateways(a) => commands::operator::gateways(a),
        Command::Participant(a) => commands::operator::participant(a),
        Command::Applicant(a) => commands::operator::applicant(a),
        Command::EnrolmentCode(a) => commands::operator::enrolment_code(a),
        Command::Device(a) => commands::operator::device(a),
        Command::Case(a) => commands::case::case(a),
        Command::Document(a) => commands::document::document(a),
        Command::Rules(a) => commands::rules::rules(a),
        Command::Recheck(a) => commands::recheck::recheck(a),
        Command::Service(a) => commands::operator::service(a),
        Command::Agreement(a) => commands::operator::agreement(a),
        Command::Account(a) => commands::account::account(a),
        Command::Login(a) => commands::session::login(a),
        Command::Logout(a) => commands::session::logout(a),
        Command::Explain(a) => commands::operator::explain(a),
        Command::Enforcement(a) => commands::operator::enforcement(a),
        Command::Check(a) => commands::check::run(a),
        Command::Pilot(a) => commands::pilot::run(a),
        Command::Bench(a) => commands::bench::run(a),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}

/// Logs go to standard error, so that `--json` on standard output stays clean.
fn start_logging(filter: &str, json: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_command_can_be_typed() {
        // Names that clash are found here, and not by whoever types them first.
        super::Arguments::command().debug_assert();
    }
}
