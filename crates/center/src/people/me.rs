//! The own account: who am I, going, and keeping the own credentials. Whoever
//! changes a credential shows the password once more, so that an unattended
//! screen is not an account; and gets a new session, since every earlier one
//! ends by it.

use super::answer::{SessionShown, cookie_gone};
use super::gate::StaffPeer;
use super::login::{self, Begun};
use super::sessions::{self, Holder};
use super::state::CredentialsOf as _;
use crate::http::actor::Acting;
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::operator::Done;
use crate::operator::participants::Nothing;
use crate::state::Center;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use iryonet_domain::AccountName;
use iryonet_people::passkey::Ceremony;
use iryonet_people::session::Carrier;
use iryonet_people::{Credentials, OneTimeCode, Session, SessionToken, StoredPassword, password};
use iryonet_registry::{Command, Credential};
use iryonet_store::{Outcome, Space, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Who am I, in which role, for how long?
#[utoipa::path(get, path = "/v1/me", tag = "people", responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn me(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
) -> Json<SessionShown> {
    Json(SessionShown::new(
        &center,
        &holder.session,
        &holder.account,
        &holder.token,
    ))
}

/// Ends this session. Its token is good for nothing from then on.
#[utoipa::path(post, path = "/v1/logout", tag = "people", request_body = Nothing, responses(
    (status = 200, body = Done),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn log_out(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Acting(actor): Acting,
    Body(Nothing {}): Body<Nothing>,
) -> Result<(HeaderMap, Json<Done>), Problem> {
    let (name, hash) = (holder.account.account.clone(), holder.token.hash());
    let now = center.people.now();
    let recorded = center
        .transact(move |transaction| {
            sessions::end(transaction, &name, &hash)?;
            let command = Command::LogOut {
                account: name.clone(),
            };
            transaction.record(&actor, &command, now)
        })
        .await?;
    let done = center.outcome(recorded).await?.done();
    let headers = match holder.session.carrier {
        Carrier::Cookie => cookie_gone()?,
        Carrier::Bearer => HeaderMap::new(),
    };
    Ok((headers, Json(done)))
}

/// The password, once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnceMore {
    /// The present password. Not wanted right after a login code, where it was
    /// set a moment ago.
    #[serde(default)]
    pub(super) password: Option<String>,
}

/// An authenticator's secret, shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpBegun {
    /// Base32, to be typed into an authenticator.
    secret: String,
    /// The same for a QR code (otpauth).
    uri: String,
}

/// Begins to set up an authenticator. What there is stays good until the new
/// one is confirmed.
#[utoipa::path(post, path = "/v1/me/totp", tag = "people", request_body = OnceMore, responses(
    (status = 200, body = TotpBegun),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin_totp(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Extension(peer): Extension<StaffPeer>,
    Body(wish): Body<OnceMore>,
) -> Result<Json<TotpBegun>, Problem> {
    if !holder.session.enrolling {
        once_more(&center, &holder, peer, wish.password).await?;
    }
    let name = holder.account.account.clone();
    let maker = Arc::clone(&center);
    let secret = center
        .transact(move |transaction| {
            let mut credentials = transaction.credentials(&maker.people, &name)?;
            let secret = credentials.begin_totp(&mut rand::rng());
            maker.people.keep(transaction, &name, &credentials)?;
            Ok(secret)
        })
        .await?;
    Ok(Json(TotpBegun {
        uri: secret.uri("iryonet", holder.account.account.as_str()),
        secret: secret.reveal(),
    }))
}

/// What a new authenticator shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpShown {
    /// Six digits.
    totp: String,
}

/// Confirms the new authenticator; hands out recovery codes and a new session.
#[utoipa::path(post, path = "/v1/me/totp/confirm", tag = "people", request_body = TotpShown, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn confirm_totp(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Body(wish): Body<TotpShown>,
) -> Result<Response, Problem> {
    let maker = Arc::clone(&center);
    let set = |account| set(account, Credential::Totp);
    change(&center, holder, set, None, move |credentials| {
        let now = maker.people.clock();
        let codes = credentials.confirm_totp(&wish.totp, now, &mut rand::rng());
        codes.ok_or(NotTaken).map(Some)
    })
    .await
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The present one.
    password: String,
    /// The new one, 12 characters or more.
    new_password: String,
}

/// Changes the password; every other session of the account ends.
#[utoipa::path(post, path = "/v1/me/password", tag = "people", request_body = NewPassword, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn change_password(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Extension(peer): Extension<StaffPeer>,
    Body(wish): Body<NewPassword>,
) -> Result<Response, Problem> {
    password::check(&wish.new_password, &holder.account.account).map_err(login::weak)?;
    let present = once_more(&center, &holder, peer, Some(wish.password)).await?;
    let stored = login::hash(&center, true, wish.new_password).await?;
    let set = |account| set(account, Credential::Password);
    change(&center, holder, set, None, move |credentials| {
        if credentials.password() != Some(&present) {
            return Err(NotTaken);
        }
        credentials.set_password(stored.clone());
        Ok(None)
    })
    .await
}

/// Draws new recovery codes; earlier ones are good for nothing.
#[utoipa::path(post, path = "/v1/me/recovery-codes", tag = "people", request_body = OnceMore, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn draw_recovery_codes(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Extension(peer): Extension<StaffPeer>,
    Body(wish): Body<OnceMore>,
) -> Result<Response, Problem> {
    once_more(&center, &holder, peer, wish.password).await?;
    let set = |account| set(account, Credential::RecoveryCodes);
    change(&center, holder, set, None, move |credentials| {
        Ok(Some(credentials.draw_recovery(&mut rand::rng())))
    })
    .await
}

fn set(account: AccountName, credential: Credential) -> Command {
    Command::SetCredential {
        account,
        credential,
    }
}

/// What was shown changes nothing.
pub(super) struct NotTaken;

/// Changes the own credentials and begins the session anew: recorded, kept and
/// begun in one transaction. A ceremony that led to it is used up by it.
pub(super) async fn change(
    center: &Arc<Center>,
    holder: Holder,
    command: fn(AccountName) -> Command,
    ceremony: Option<Ceremony>,
    mut with: impl FnMut(&mut Credentials) -> Result<Option<Vec<OneTimeCode>>, NotTaken>
    + Send
    + 'static,
) -> Result<Response, Problem> {
    let maker = Arc::clone(center);
    let changed = center
        .transact(move |transaction| {
            let name = &holder.account.account;
            let mut credentials = transaction.credentials(&maker.people, name)?;
            let Ok(codes) = with(&mut credentials) else {
                return Ok(None);
            };
            if let Some(ceremony) = &ceremony {
                let (key, ends_at) = (ceremony.key(), Some(ceremony.ends_at()));
                if transaction.side_get(Space::Session, &key)?.is_some() {
                    return Ok(None);
                }
                transaction.side_put(Space::Session, &key, b"", ends_at)?;
            }
            let command = command(name.clone());
            let actor = login::actor(name, holder.session.role)?;
            let recorded = transaction.record(&actor, &command, maker.people.now())?;
            if matches!(recorded.outcome, Outcome::Accepted(_)) {
                maker.people.keep(transaction, name, &credentials)?;
            }
            let begun = again(&maker, transaction, &holder, recorded)?;
            Ok(Some((begun, codes)))
        })
        .await?;
    let Some((begun, codes)) = changed else {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "credential-not-taken",
            "what was shown does not fit: the authenticator's digits are others, or nothing was begun, or it was used already",
            "入力が一致しないか、使用済みです。認証アプリの6桁を確かめるか、もう一度始めてください。",
        ));
    };
    let codes = codes.map(|codes| codes.iter().map(OneTimeCode::reveal).collect());
    begun.hand_out(center, codes).await
}

/// The holder's session under a new token and the account's new generation; the
/// old one ends. A refused act leaves nothing of it: `hand_out` says so.
fn again(
    center: &Center,
    transaction: &mut dyn Transaction,
    holder: &Holder,
    recorded: iryonet_store::Recorded,
) -> Result<Begun, StoreError> {
    let account = login::account_of(transaction, &holder.account.account)?;
    let session = Session {
        generation: account.generation,
        enrolling: false,
        seen_at: center.people.now(),
        ..holder.session.clone()
    };
    let token = SessionToken::draw(&mut rand::rng());
    if matches!(recorded.outcome, Outcome::Accepted(_)) {
        sessions::end(transaction, &account.account, &holder.token.hash())?;
        sessions::begin(transaction, center, &session, &token)?;
    }
    Ok(Begun {
        session,
        account,
        token,
        recorded,
    })
}

/// The present password, shown once more; guesses at it count as those at the
/// door do.
pub(super) async fn once_more(
    center: &Arc<Center>,
    holder: &Holder,
    StaffPeer(peer): StaffPeer,
    shown: Option<String>,
) -> Result<StoredPassword, Problem> {
    let visitor = login::Visitor::new(center, holder.account.account.as_str(), peer).await?;
    visitor
        .check_password(center, shown.unwrap_or_default())
        .await
}
