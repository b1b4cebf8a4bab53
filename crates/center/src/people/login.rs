//! ログイン: a password and a second factor, or the login code with which an
//! account begins, turn into a session.
//!
//! Order and limits, and why:
//! 1. the rate of the peer's place, before anything is read;
//! 2. a turn to hash: two at a time in all, so that guesses cost us no more
//!    memory than that, whoever sends how many;
//! 3. what holds off guesses (`iryonet_people::guard`), asked with the turn in
//!    hand, so that a thousand at once are not a thousand guesses;
//! 4. the hash, made for a name that does not exist too, so that time tells
//!    nothing; one answer for every wrong thing, so that words tell nothing;
//! 5. one store transaction: the second factor used up, the login recorded, the
//!    session written. The registry refuses it there for whoever was locked.

use super::answer::SessionShown;
use super::gate::StaffPeer;
use super::sessions;
use super::state::CredentialsOf as _;
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::state::{Center, lock, refusal_problem};
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use iryonet_domain::{AccountName, Actor, Role, UnixMillis};
use iryonet_people::credentials::SecondFactor;
use iryonet_people::guard::{LockOut, Wait};
use iryonet_people::session::Carrier;
use iryonet_people::{
    Credentials, OneTimeCode, Place, Session, SessionToken, StoredPassword, password,
};
use iryonet_registry::{Account, Command, Credential, LoginMethod, Refusal};
use iryonet_store::{Outcome, Recorded, StoreError, Transaction};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A password and a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The account's name.
    account: String,
    password: String,
    /// The six digits of the authenticator. This or a recovery code.
    #[serde(default)]
    totp: Option<String>,
    /// One of the recovery codes, used up by it.
    #[serde(default)]
    recovery_code: Option<String>,
    /// In which role, where the account has several.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "examiner")]
    role: Option<Role>,
    /// How the token comes back and is shown from then on: cookie or bearer.
    #[serde(default = "cookie")]
    #[schema(value_type = String, example = "cookie")]
    carrier: Carrier,
}

/// A login code, and the password to be set with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeLogin {
    /// The account's name.
    account: String,
    /// As it was handed out; case, dashes, blanks and width do not matter.
    code: String,
    /// The new password, 12 characters or more.
    password: String,
    /// In which role, where the account has several.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// How the token comes back and is shown from then on: cookie or bearer.
    #[serde(default = "cookie")]
    #[schema(value_type = String, example = "cookie")]
    carrier: Carrier,
}

pub(super) fn cookie() -> Carrier {
    Carrier::Cookie
}

/// A request to come in that is within its place's rate.
pub(crate) struct Knock(pub(super) SocketAddr);

impl FromRequestParts<Arc<Center>> for Knock {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, center: &Arc<Center>) -> Result<Self, Problem> {
        let Some(StaffPeer(peer)) = parts.extensions.get::<StaffPeer>().copied() else {
            return Err(Problem::no_such_path());
        };
        let now = center.people.clock();
        lock(&center.people.logins)
            .take(peer.ip(), now.0)
            .map_err(too_many)?;
        Ok(Self(peer))
    }
}

/// What became of it inside the transaction.
pub(super) enum Tried {
    /// A session.
    Begun(Box<Begun>),
    /// Not the right thing.
    Wrong,
    /// Right, but in which role?
    RoleUnclear(Vec<Role>),
    /// Right, and the registry says no.
    Refused(Box<Refusal>, u64),
}

/// A session that was begun.
#[derive(Clone)]
pub(super) struct Begun {
    pub(super) session: Session,
    pub(super) account: Account,
    pub(super) token: SessionToken,
    pub(super) recorded: Recorded,
}

/// Comes in with a password and a second factor.
#[utoipa::path(post, path = "/v1/login", tag = "people", request_body = Login, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn password(
    State(center): State<Arc<Center>>,
    Knock(peer): Knock,
    Body(wish): Body<Login>,
) -> Result<Response, Problem> {
    let factor = match (&wish.totp, &wish.recovery_code) {
        (Some(shown), None) => Some(SecondFactor::Totp(shown.clone())),
        (None, Some(shown)) => OneTimeCode::parse(shown).map(SecondFactor::Recovery),
        _ => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "second-factor-unclear",
                "send exactly one of totp and recovery_code beside the password",
                "パスワードと一緒に、totp か recovery_code のどちらか一つを送ってください。",
            ));
        }
    };
    let visitor = Visitor::new(&center, &wish.account, peer).await?;
    let stored = visitor.check_password(&center, wish.password).await?;
    let Some(factor) = factor else {
        return Err(visitor.failed(&center).await);
    };

    let (name, place) = (visitor.name.clone(), visitor.place);
    let (maker, role, carrier) = (Arc::clone(&center), wish.role, wish.carrier);
    let tried = center
        .transact(move |transaction| {
            let mut credentials = transaction.credentials(&maker.people, &name)?;
            // Both may have changed since the hash was made.
            if credentials.password() != Some(&stored) {
                return Ok(Tried::Wrong);
            }
            let Some(method) = credentials.use_second_factor(&factor, maker.people.clock()) else {
                return Ok(Tried::Wrong);
            };
            let role = match role_of(transaction, &name, role)? {
                Ok(role) => role,
                Err(tried) => return Ok(tried),
            };
            credentials.remember(place);
            let wish = Wish {
                name: &name,
                role,
                method,
                carrier,
                from: peer,
                enrolling: false,
            };
            log_in(&maker, transaction, &wish, |transaction| {
                maker.people.keep(transaction, &name, &credentials)
            })
        })
        .await?;
    visitor.answer(&center, tried).await
}

/// Comes in with a login code: sets the password anew, and nothing else that
/// was set before is left. What follows is setting up a second factor.
#[utoipa::path(post, path = "/v1/login/code", tag = "people", request_body = CodeLogin, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn code(
    State(center): State<Arc<Center>>,
    Knock(peer): Knock,
    Body(wish): Body<CodeLogin>,
) -> Result<Response, Problem> {
    let visitor = Visitor::new(&center, &wish.account, peer).await?;
    password::check(&wish.password, &visitor.name).map_err(weak)?;
    let code = OneTimeCode::parse(&wish.code).filter(|code| {
        visitor
            .credentials
            .login_code_fits(code, center.people.now())
    });
    let Some(code) = code else {
        return Err(visitor.failed(&center).await);
    };
    let stored = hash(&center, false, wish.password).await?;

    let name = visitor.name.clone();
    let (maker, role, carrier) = (Arc::clone(&center), wish.role, wish.carrier);
    let tried = center
        .transact(move |transaction| {
            let mut credentials = transaction.credentials(&maker.people, &name)?;
            let now = maker.people.now();
            if !credentials.begin_anew(&code, stored.clone(), now) {
                return Ok(Tried::Wrong);
            }
            let role = match role_of(transaction, &name, role)? {
                Ok(role) => role,
                Err(tried) => return Ok(tried),
            };
            let wish = Wish {
                name: &name,
                role,
                method: LoginMethod::LoginCode,
                carrier,
                from: peer,
                enrolling: true,
            };
            log_in(&maker, transaction, &wish, |transaction| {
                let actor = actor(&name, role)?;
                let command = Command::SetCredential {
                    account: name.clone(),
                    credential: Credential::Password,
                };
                transaction.record(&actor, &command, now)?;
                maker.people.keep(transaction, &name, &credentials)
            })
        })
        .await?;
    visitor.answer(&center, tried).await
}

/// Who wants to come in, and what there is about them.
pub(super) struct Visitor {
    name: AccountName,
    peer: SocketAddr,
    place: Place,
    account: Option<Account>,
    credentials: Credentials,
}

impl Visitor {
    pub(super) async fn new(
        center: &Arc<Center>,
        name: &str,
        peer: SocketAddr,
    ) -> Result<Self, Problem> {
        // A name that none can have is as wrong as one that none has.
        let name: AccountName = name.parse().map_err(|_| wrong())?;
        let (asker, asked) = (Arc::clone(center), name.clone());
        let (account, credentials) = center
            .read(move |reader| {
                let account = reader.account(&asked)?;
                Ok((account, reader.credentials(&asker.people, &asked)?))
            })
            .await?;
        Ok(Self {
            name,
            peer,
            place: Place::of(peer.ip()),
            account,
            credentials,
        })
    }

    fn is_known_here(&self) -> bool {
        self.credentials.knows(self.place)
    }

    /// The stored password, if this is it. Waits for a turn, and is refused
    /// while there is a delay.
    pub(super) async fn check_password(
        &self,
        center: &Arc<Center>,
        shown: String,
    ) -> Result<StoredPassword, Problem> {
        let turn = center.people.turn(self.is_known_here()).await?;
        self.ask(center)?;
        let stored = self.credentials.password().cloned();
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(StoredPassword::nobodys);
        let (stored, is) = crate::state::blocking(move || {
            let is = stored.is(&shown);
            (stored, is)
        })
        .await?;
        if is.map_err(|error| Problem::internal(&error))? && exists {
            return Ok(stored);
        }
        // Counted before the next one has its turn.
        let lock_out = self.count(center);
        drop(turn);
        self.record(center, lock_out).await;
        Err(wrong())
    }

    fn ask(&self, center: &Center) -> Result<(), Problem> {
        let now = center.people.clock();
        let known = self.is_known_here();
        lock(&center.people.guard)
            .ask(&self.name, self.place, known, now)
            .map_err(|wait| self.wait(wait, now))?;
        // What another center of this network counted.
        match self
            .account
            .as_ref()
            .and_then(|found| found.locked_out_until)
        {
            Some(until) if !known && now < until => Err(self.wait(Wait { until }, now)),
            _ => Ok(()),
        }
    }

    fn wait(&self, wait: Wait, now: UnixMillis) -> Problem {
        let seconds = wait.until.since_ms(now).div_ceil(1_000).max(1);
        tracing::info!(account = %self.name, peer = %self.peer, seconds, "a login was not looked at");
        too_many(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Counts a failure.
    fn count(&self, center: &Center) -> Option<LockOut> {
        let now = center.people.clock();
        tracing::warn!(account = %self.name, peer = %self.peer, "a login was refused");
        lock(&center.people.guard).failed(&self.name, self.place, self.is_known_here(), now)
    }

    /// Records what fell on the account by it, for those who watch and for the
    /// other centers.
    async fn record(&self, center: &Arc<Center>, lock_out: Option<LockOut>) {
        let Some(lock_out) = lock_out else { return };
        if self.account.is_none() || !center.people.may_record_lock_out() {
            return;
        }
        let command = Command::LockOutAccount {
            account: self.name.clone(),
            failures: lock_out.failures,
            from: self.peer.ip().to_string(),
            until: lock_out.until,
        };
        let recorded = match crate::init::system_actor(&center.config) {
            Ok(actor) => center.act(actor, command).await.map(drop),
            Err(error) => Err(Problem::internal(&error)),
        };
        if recorded.is_err() {
            // It holds here all the same; the cause is in the log already.
            tracing::warn!(account = %self.name, "a lock-out could not be recorded");
        }
    }

    async fn failed(&self, center: &Arc<Center>) -> Problem {
        let lock_out = self.count(center);
        self.record(center, lock_out).await;
        wrong()
    }

    async fn answer(&self, center: &Arc<Center>, tried: Tried) -> Result<Response, Problem> {
        if matches!(tried, Tried::Wrong) {
            return Err(self.failed(center).await);
        }
        let begun = tried.begun()?;
        lock(&center.people.guard).succeeded(&self.name, self.place);
        tracing::info!(account = %self.name, peer = %self.peer, role = begun.session.role.as_str(), "logged in");
        begun.hand_out(center, None).await
    }
}

impl Tried {
    /// The session, or why there is none.
    pub(super) fn begun(self) -> Result<Begun, Problem> {
        match self {
            Self::Begun(begun) => Ok(*begun),
            Self::Wrong => Err(wrong()),
            Self::RoleUnclear(roles) => {
                let words: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                Err(Problem::new(
                    StatusCode::CONFLICT,
                    "role-unclear",
                    format!(
                        "a session acts in one role; say which: {}",
                        words.join(", ")
                    ),
                    format!("セッションの役割を一つ選んでください: {}", words.join(", ")),
                ))
            }
            Self::Refused(refusal, sequence) => Err(refusal_problem(&refusal).recorded(sequence)),
        }
    }
}

impl Begun {
    /// The answer with the new session's token, once its act is published.
    pub(super) async fn hand_out(
        self,
        center: &Arc<Center>,
        recovery_codes: Option<Vec<String>>,
    ) -> Result<Response, Problem> {
        let sequence = self.recorded.sequence;
        center.outcome(self.recorded).await?;
        let mut shown =
            SessionShown::new(center, &self.session, &self.account, &self.token).recorded(sequence);
        if let Some(codes) = recovery_codes {
            shown = shown.with_recovery_codes(codes);
        }
        shown.hand_out(center, &self.session, &self.token)
    }
}

/// A login that is right, as far as what was shown goes.
pub(super) struct Wish<'a> {
    pub(super) name: &'a AccountName,
    pub(super) role: Role,
    pub(super) method: LoginMethod,
    pub(super) carrier: Carrier,
    pub(super) from: SocketAddr,
    pub(super) enrolling: bool,
}

/// Records the login and writes its session, unless the registry says no.
pub(super) fn log_in(
    center: &Center,
    transaction: &mut dyn Transaction,
    wish: &Wish<'_>,
    keep: impl FnOnce(&mut dyn Transaction) -> Result<(), StoreError>,
) -> Result<Tried, StoreError> {
    let now = center.people.now();
    let command = Command::LogIn {
        account: wish.name.clone(),
        method: wish.method,
    };
    let recorded = transaction.record(&actor(wish.name, wish.role)?, &command, now)?;
    if let Outcome::Refused(refusal) = &recorded.outcome {
        return Ok(Tried::Refused(Box::new(refusal.clone()), recorded.sequence));
    }
    keep(transaction)?;
    // After all that changes the account's generation.
    let account = account_of(transaction, wish.name)?;
    let session = Session {
        account: wish.name.clone(),
        role: wish.role,
        method: wish.method,
        carrier: wish.carrier,
        generation: account.generation,
        began_at: now,
        seen_at: now,
        from: wish.from.ip().to_string(),
        enrolling: wish.enrolling,
    };
    let token = SessionToken::draw(&mut rand::rng());
    sessions::begin(transaction, center, &session, &token)?;
    Ok(Tried::Begun(Box::new(Begun {
        session,
        account,
        token,
        recorded,
    })))
}

pub(super) fn account_of(
    transaction: &dyn Transaction,
    name: &AccountName,
) -> Result<Account, StoreError> {
    transaction
        .account(name)?
        .ok_or_else(|| StoreError::given_up(Refusal::AccountUnknown(name.clone())))
}

pub(super) fn actor(name: &AccountName, role: Role) -> Result<Actor, StoreError> {
    Actor::new(role, name.as_str()).map_err(StoreError::given_up)
}

/// The role that was asked for, or the only one. Whether it is held, the
/// registry says.
pub(super) fn role_of(
    transaction: &dyn Transaction,
    name: &AccountName,
    wished: Option<Role>,
) -> Result<Result<Role, Tried>, StoreError> {
    let Some(account) = transaction.account(name)? else {
        return Ok(Err(Tried::Wrong));
    };
    Ok(match (wished, account.roles.as_slice()) {
        (Some(role), _) => Ok(role),
        (None, [only]) => Ok(*only),
        (None, _) => Err(Tried::RoleUnclear(account.roles)),
    })
}

/// Hashes a new password, in its turn.
pub(super) async fn hash(
    center: &Arc<Center>,
    known: bool,
    password: String,
) -> Result<StoredPassword, Problem> {
    let _turn = center.people.turn(known).await?;
    crate::state::blocking(move || StoredPassword::make(&password, &mut rand::rng()))
        .await?
        .map_err(|error| Problem::internal(&error))
}

pub(super) fn weak(weak: password::WeakPassword) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "password-weak",
        weak.to_string(),
        weak.ja(),
    )
}

/// One answer for every wrong thing.
pub(super) fn wrong() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "login-refused",
        "this account, password and second factor do not belong together, or the code is used up; after some wrong ones there is a pause",
        "アカウント、パスワード、二要素目の組合せが正しくないか、コードが使用済みです。続けて誤ると一定時間受け付けません。",
    )
}

fn too_many(wait_s: u32) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "login-wait",
        format!("too many logins were tried; this one was not looked at. Try again in {wait_s} s"),
        format!("ログインの試行が多すぎるため、受け付けていません。{wait_s} 秒後に再度実行してください。"),
    )
    .retry_after(wait_s)
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(secrets not shown)")
    }
}

impl std::fmt::Debug for CodeLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeLogin(secrets not shown)")
    }
}
