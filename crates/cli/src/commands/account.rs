//! `iryonet account`: accounts of people, and the own one.

use super::operator::Center;
use super::session;
use crate::output;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `account`.
#[derive(Args)]
pub(crate) struct AccountArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Account,
}

#[derive(Subcommand)]
enum Account {
    /// Give a person an account. It can do nothing until its person has used a
    /// login code.
    Create {
        /// Its name, as suzuki.ichiro.
        name: String,
        /// 氏名.
        #[arg(long)]
        person: String,
        /// officer, examiner, approver, operator, security-officer or auditor.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// For an officer: the participant that it speaks for.
        #[arg(long)]
        participant: Option<u32>,
        /// For an officer of who is no participant yet: the admission (加入申請)
        /// that it speaks for.
        #[arg(long, conflicts_with = "participant")]
        application: Option<u64>,
        /// 申請予定者: for an officer who is going to apply for an admission.
        #[arg(long, conflicts_with_all = ["participant", "application"])]
        applicant: bool,
    },
    /// List accounts.
    List {
        /// Only those in this role.
        #[arg(long)]
        role: Option<String>,
        /// Only those that speak for this participant.
        #[arg(long)]
        participant: Option<u32>,
    },
    /// Show one account.
    Show {
        /// Its name.
        name: String,
    },
    /// Give an account one role more.
    Grant {
        /// Its name.
        name: String,
        /// The role.
        role: String,
    },
    /// Take a role away; the account's sessions end at once.
    Take {
        /// Its name.
        name: String,
        /// The role.
        role: String,
    },
    /// Say for which participant, or admission, an officer speaks from now on.
    Bind {
        /// Its name.
        name: String,
        /// Participant number.
        #[arg(long, required_unless_present = "application")]
        participant: Option<u32>,
        /// Number of an admission (加入申請) that is under way.
        #[arg(long, conflicts_with = "participant")]
        application: Option<u64>,
    },
    /// 停止: nobody acts under this name until it is unlocked.
    Lock {
        /// Its name.
        name: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
    /// End a lock, or the pause after wrong passwords.
    Unlock {
        /// Its name.
        name: String,
    },
    /// 廃止: for ever.
    Retire {
        /// Its name.
        name: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
    /// Let somebody log in through an organisation's issuer.
    Link {
        /// Its name.
        name: String,
        /// The issuer, as the center's settings name it.
        #[arg(long)]
        issuer: String,
        /// The person's subject there.
        #[arg(long)]
        subject: String,
    },
    /// End that.
    Unlink {
        /// Its name.
        name: String,
        /// The issuer, as the center's settings name it.
        #[arg(long)]
        issuer: String,
        /// The person's subject there.
        #[arg(long)]
        subject: String,
    },
    /// Hand out the code with which a person sets password and second factor.
    /// Shown once.
    LoginCode {
        /// Its name.
        name: String,
        /// How long it may be used, in hours.
        #[arg(long, default_value_t = 72)]
        valid_hours: u32,
    },
    /// Who am I in this session?
    Me,
    /// Change the own password.
    Password,
    /// Set up a new authenticator for the own account.
    Totp,
    /// Draw new recovery codes for the own account.
    RecoveryCodes,
}

pub(crate) fn account(arguments: AccountArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    let of = |name: &str, act: &str| format!("/v1/accounts/{name}/{act}");
    match arguments.command {
        Account::Create {
            name,
            person,
            roles,
            participant,
            application,
            applicant,
        } => center.act(
            "/v1/accounts",
            json!({"account": name, "person": person, "roles": roles, "participant": participant,
                "application": application, "applicant": applicant}),
        ),
        Account::List { role, participant } => {
            let mut path = "/v1/accounts?limit=1000".to_owned();
            if let Some(role) = role {
                path.push_str(&format!("&role={role}"));
            }
            if let Some(number) = participant {
                path.push_str(&format!("&participant={number}"));
            }
            center.get(&path)
        }
        Account::Show { name } => center.get(&format!("/v1/accounts/{name}")),
        Account::Grant { name, role } => center.act(&of(&name, "grant"), json!({"role": role})),
        Account::Take { name, role } => center.act(&of(&name, "take"), json!({"role": role})),
        Account::Bind {
            name,
            participant,
            application,
        } => center.act(
            &of(&name, "bind"),
            json!({"participant": participant, "application": application}),
        ),
        Account::Lock { name, reason } => center.act(&of(&name, "lock"), json!({"reason": reason})),
        Account::Unlock { name } => center.act(&of(&name, "unlock"), json!({})),
        Account::Retire { name, reason } => {
            center.act(&of(&name, "retire"), json!({"reason": reason}))
        }
        Account::Link {
            name,
            issuer,
            subject,
        } => center.act(
            &of(&name, "link"),
            json!({"issuer": issuer, "subject": subject}),
        ),
        Account::Unlink {
            name,
            issuer,
            subject,
        } => center.act(
            &of(&name, "unlink"),
            json!({"issuer": issuer, "subject": subject}),
        ),
        Account::LoginCode { name, valid_hours } => center.act(
            &of(&name, "login-code"),
            json!({"valid_hours": valid_hours}),
        ),
        Account::Me => center.get("/v1/me"),
        Account::Password => {
            let mut asker = session::Asker::new();
            let body = json!({
                "password": asker.secret("present password (現在のパスワード): ")?,
                "new_password": asker.new_password()?,
            });
            renew(&center, "/v1/me/password", body)
        }
        Account::Totp => {
            let mut asker = session::Asker::new();
            let body = json!({"password": asker.secret("password (パスワード): ")?});
            let begun = center.ask("POST", "/v1/me/totp", Some(body))?;
            session::show_totp(&begun);
            let shown = asker.plain("digits that it shows now (表示された6桁): ")?;
            renew(&center, "/v1/me/totp/confirm", json!({"totp": shown}))
        }
        Account::RecoveryCodes => {
            let mut asker = session::Asker::new();
            let body = json!({"password": asker.secret("password (パスワード): ")?});
            renew(&center, "/v1/me/recovery-codes", body)
        }
    }
}

/// An act on the own credentials, after which the session goes on under another
/// token.
fn renew(center: &Center, path: &str, body: Value) -> anyhow::Result<ExitCode> {
    let mut answer = center.ask("POST", path, Some(body))?;
    if let Some(url) = center.url() {
        session::Session::load(url)?.renewed(&mut answer)?;
    }
    output::show(&answer, center.json());
    Ok(ExitCode::SUCCESS)
}
