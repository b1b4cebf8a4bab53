//! アカウント: who acts, in which roles, and for whom. What an account shows to
//! come in is not here but for one thing: the login code with which its person
//! sets it, handed out once.

use super::Done;
use super::participants::{Nothing, WithReason};
use crate::http::actor::{Acting, Reach};
use crate::http::idempotency;
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::people::CredentialsOf as _;
use crate::state::{Center, lock};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iryonet_domain::{AccountName, Actor, CaseId, ParticipantNumber, Role};
use iryonet_registry::account::Login;
use iryonet_registry::{Account, Command, SpeaksFor};
use iryonet_store::AccountQuery;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Hours in which a login code may be used, if nothing else is said.
fn three_days() -> u32 {
    72
}

/// An account to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// Its name, as suzuki.ichiro.
    #[schema(value_type = String, example = "suzuki.ichiro")]
    account: AccountName,
    /// 氏名, at most 120 characters.
    #[schema(example = "鈴木 一郎")]
    person: String,
    /// officer, examiner, approver, operator, security-officer or auditor.
    #[schema(value_type = Vec<String>, example = json!(["examiner"]))]
    roles: Vec<Role>,
    /// For an officer: for which participant it speaks.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// For an officer of who is no participant yet: for which admission it speaks.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    application: Option<CaseId>,
    /// For an officer who is going to apply for an admission: it speaks for that
    /// once it has, and for the participant that comes of it.
    #[serde(default)]
    applicant: bool,
}

/// A role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneRole {
    /// officer, examiner, approver, operator, security-officer or auditor.
    #[schema(value_type = String, example = "approver")]
    role: Role,
}

/// For whom an officer speaks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binding {
    /// Participant number. Either this or `application`.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// Number of an admission that is under way.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    application: Option<CaseId>,
}

/// How an organisation's issuer knows somebody.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginShape {
    /// The issuer, as the center's settings name it.
    issuer: String,
    /// `sub` there.
    subject: String,
}

/// How long a login code may be used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLoginCode {
    /// In hours; 72 if not said, at most 336.
    #[serde(default = "three_days")]
    valid_hours: u32,
}

/// The code. This is the only time that it can be seen.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginCodeShown {
    sequence: u64,
    /// XXXXX-XXXXX-XXXXX-XXXXX
    code: String,
    /// First millisecond (since 1970) at which it is no longer taken.
    expires_at: u64,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountShown {
    account: String,
    /// 氏名.
    person: String,
    roles: Vec<&'static str>,
    /// For an officer: for which participant it speaks.
    participant: Option<u32>,
    /// For an officer of who is no participant yet: for which admission it speaks.
    application: Option<u64>,
    /// For an officer: is it going to apply for an admission, and has not yet?
    applicant: bool,
    /// active, locked or retired.
    standing: &'static str,
    /// Until when passwords from unknown places are refused, milliseconds since 1970.
    locked_out_until: Option<u64>,
    logins: Vec<LoginShape>,
    /// Milliseconds since 1970.
    created_at: u64,
}

/// Accounts by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountList {
    accounts: Vec<AccountShown>,
}

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those in this role.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// Only those that speak for this participant.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// Begin after this name.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    after: Option<AccountName>,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

fn shown(account: Account) -> AccountShown {
    AccountShown {
        account: account.account.to_string(),
        person: account.person,
        roles: account.roles.iter().map(|role| role.as_str()).collect(),
        participant: account
            .speaks_for
            .and_then(SpeaksFor::participant)
            .map(ParticipantNumber::get),
        application: account
            .speaks_for
            .and_then(SpeaksFor::application)
            .map(|case| case.0),
        applicant: account.speaks_for == Some(SpeaksFor::Applicant),
        standing: account.standing.as_str(),
        locked_out_until: account.locked_out_until.map(|until| until.0),
        logins: account
            .logins
            .into_iter()
            .map(|login| LoginShape {
                issuer: login.issuer,
                subject: login.subject,
            })
            .collect(),
        created_at: account.created_at.0,
    }
}

/// Lists accounts by name.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(Which), responses(
    (status = 200, body = AccountList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    _: Reach,
    Query(which): Query<Which>,
) -> Result<Json<AccountList>, Problem> {
    let query = AccountQuery {
        role: which.role,
        speaks_for: which.participant.map(SpeaksFor::Participant),
    };
    let rows = which.limit as usize;
    let accounts = center
        .read(move |reader| reader.accounts(&query, which.after.as_ref(), rows))
        .await?
        .into_iter()
        .map(shown)
        .collect();
    Ok(Json(AccountList { accounts }))
}

/// Shows one account.
#[utoipa::path(get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = String, Path, description = "Account name")),
    responses(
        (status = 200, body = AccountShown),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    _: Reach,
    Key(account): Key<AccountName>,
) -> Result<Json<AccountShown>, Problem> {
    let asked = account.clone();
    center
        .read(move |reader| Ok(reader.account(&asked)?))
        .await?
        .map(|found| Json(shown(found)))
        .ok_or_else(|| Problem::unknown("account", "アカウント", account))
}

/// Gives a person an account. It can do nothing until its person has set
/// credentials with a login code.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = NewAccount,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn create(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewAccount>,
) -> Result<Json<Done>, Problem> {
    done(
        &center,
        actor,
        Command::CreateAccount {
            account: wish.account,
            person: wish.person,
            roles: wish.roles,
            speaks_for: speaks_for(wish.participant, wish.application, wish.applicant)?,
        },
    )
    .await
}

/// Gives an account one role more.
#[utoipa::path(post, path = "/v1/accounts/{account}/grant", tag = "accounts", request_body = OneRole,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn grant(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<OneRole>,
) -> Result<Json<Done>, Problem> {
    let role = wish.role;
    done(&center, actor, Command::GrantRole { account, role }).await
}

/// Takes a role away; the account's sessions end at once.
#[utoipa::path(post, path = "/v1/accounts/{account}/take", tag = "accounts", request_body = OneRole,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn take(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<OneRole>,
) -> Result<Json<Done>, Problem> {
    let role = wish.role;
    done(&center, actor, Command::TakeRole { account, role }).await
}

/// Says for which participant an officer speaks from now on.
#[utoipa::path(post, path = "/v1/accounts/{account}/bind", tag = "accounts", request_body = Binding,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn bind(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<Binding>,
) -> Result<Json<Done>, Problem> {
    done(
        &center,
        actor,
        Command::BindAccount {
            account,
            speaks_for: speaks_for(wish.participant, wish.application, false)?
                .ok_or_else(whom_unclear)?,
        },
    )
    .await
}

/// For whom an officer is to speak: for one, or for nobody.
fn speaks_for(
    participant: Option<ParticipantNumber>,
    application: Option<CaseId>,
    applicant: bool,
) -> Result<Option<SpeaksFor>, Problem> {
    match (participant, application, applicant) {
        (Some(number), None, false) => Ok(Some(SpeaksFor::Participant(number))),
        (None, Some(case), false) => Ok(Some(SpeaksFor::Application(case))),
        (None, None, true) => Ok(Some(SpeaksFor::Applicant)),
        (None, None, false) => Ok(None),
        _ => Err(whom_unclear()),
    }
}

fn whom_unclear() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "speaks-for-unclear",
        "an officer speaks for one: say its participant, its application, or that it is an applicant",
        "担当は一つです。参加者、加入申請、申請予定者のいずれか一つを指定してください。",
    )
}

/// 停止: nobody acts under this name until it is unlocked.
#[utoipa::path(post, path = "/v1/accounts/{account}/lock", tag = "accounts", request_body = WithReason,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn lock_account(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<WithReason>,
) -> Result<Json<Done>, Problem> {
    let reason = wish.reason;
    done(&center, actor, Command::LockAccount { account, reason }).await
}

/// Ends a lock, or the pause after wrong passwords.
#[utoipa::path(post, path = "/v1/accounts/{account}/unlock", tag = "accounts", request_body = Nothing,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn unlock(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Done>, Problem> {
    let command = Command::UnlockAccount {
        account: account.clone(),
    };
    let done = done(&center, actor, command).await?;
    lock(&center.people.guard).unlocked(&account);
    Ok(done)
}

/// 廃止: for ever. What it could show to come in is destroyed.
#[utoipa::path(post, path = "/v1/accounts/{account}/retire", tag = "accounts", request_body = WithReason,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn retire(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<WithReason>,
) -> Result<Json<Done>, Problem> {
    let command = Command::RetireAccount {
        account: account.clone(),
        reason: wish.reason,
    };
    let (act, _) = center
        .act_with(actor, command, move |transaction| {
            crate::people::forget(transaction, &account)
        })
        .await?;
    Ok(Json(act.done()))
}

/// Lets somebody log in through an organisation's issuer.
#[utoipa::path(post, path = "/v1/accounts/{account}/link", tag = "accounts", request_body = LoginShape,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn link(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<LoginShape>,
) -> Result<Json<Done>, Problem> {
    let login = login_of(wish);
    done(&center, actor, Command::LinkLogin { account, login }).await
}

/// Ends that; the account's sessions end at once.
#[utoipa::path(post, path = "/v1/accounts/{account}/unlink", tag = "accounts", request_body = LoginShape,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn unlink(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<LoginShape>,
) -> Result<Json<Done>, Problem> {
    let login = login_of(wish);
    done(&center, actor, Command::UnlinkLogin { account, login }).await
}

/// Hands out the code with which a person sets its password and second factor,
/// once. What the person has now stays good until the code is used.
#[utoipa::path(post, path = "/v1/accounts/{account}/login-code", tag = "accounts", request_body = NewLoginCode,
    params(
        ("account" = String, Path, description = "Account name"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = LoginCodeShown),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn login_code(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(account): Key<AccountName>,
    Body(wish): Body<NewLoginCode>,
) -> Result<Json<LoginCodeShown>, Problem> {
    let expires_at = crate::clock::now().plus_ms(u64::from(wish.valid_hours) * 3_600_000);
    let maker = Arc::clone(&center);
    let command = Command::HandOutLoginCode {
        account: account.clone(),
        expires_at,
    };
    let (act, code) = center
        .act_with(actor, command, move |transaction| {
            let mut credentials = transaction.credentials(&maker.people, &account)?;
            let code = credentials.hand_out_code(expires_at, &mut rand::rng());
            maker.people.keep(transaction, &account, &credentials)?;
            Ok(code)
        })
        .await?;
    let Some(code) = code else {
        return Err(idempotency::shown_before(act.sequence));
    };
    Ok(Json(LoginCodeShown {
        sequence: act.sequence,
        code: code.reveal(),
        expires_at: expires_at.0,
    }))
}

fn login_of(shape: LoginShape) -> Login {
    Login {
        issuer: shape.issuer,
        subject: shape.subject,
    }
}

async fn done(center: &Arc<Center>, actor: Actor, command: Command) -> Result<Json<Done>, Problem> {
    center
        .act(actor, command)
        .await
        .map(|recorded| Json(recorded.done()))
}
