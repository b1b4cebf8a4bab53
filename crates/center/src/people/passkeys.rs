//! パスキー: setting one up, coming in by one, taking one away. A passkey is both
//! factors in one: its authenticator is asked to verify its user each time.
//!
//! What makes one good, `iryonet_people::passkey` says. A login begins without a
//! name, and the account is said with what the authenticator made: so nobody
//! learns here which accounts there are.

use super::answer::SessionShown;
use super::gate::StaffPeer;
use super::login::{self, Knock, Tried, Wish};
use super::me::{self, NotTaken, OnceMore};
use super::sessions::Holder;
use super::state::CredentialsOf as _;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::{AccountName, Role};
use iryonet_people::passkey::ceremony::{Ceremony, LIFE_MS, Purpose};
use iryonet_people::passkey::{
    ALGORITHMS, Assertion, PER_ACCOUNT_MAX, Party, Passkey, PasskeyError, Registration,
};
use iryonet_people::session::Carrier;
use iryonet_registry::{Command, Credential, LoginMethod};
use iryonet_store::Space;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Longest name that somebody gives to a passkey, in characters.
const NAME_MAX_CHARS: usize = 60;

/// What a page hands to `navigator.credentials`, and what it shows again after.
#[derive(Serialize, ToSchema)]
pub(crate) struct CeremonyBegun {
    /// `PublicKeyCredentialCreationOptionsJSON` or
    /// `PublicKeyCredentialRequestOptionsJSON` (W3C Web Authentication, level 3).
    #[schema(value_type = Object)]
    options: serde_json::Value,
    /// To be shown again with what the authenticator made.
    ceremony: String,
}

/// A new passkey, as the browser hands it over; all in base64url.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// With what it began.
    ceremony: String,
    /// As its holder calls it.
    name: String,
    client_data_json: String,
    attestation_object: String,
}

/// A passkey that is shown; all in base64url.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyLogin {
    /// The account's name.
    account: String,
    /// With what it began.
    ceremony: String,
    /// The passkey's name, as its authenticator calls it.
    id: String,
    /// Whose it is, as this center named them, where the authenticator says it.
    #[serde(default)]
    user_handle: Option<String>,
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    /// In which role, where the account has several.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// How the token comes back and is shown from then on: cookie or bearer.
    #[serde(default = "login::cookie")]
    #[schema(value_type = String, example = "cookie")]
    carrier: Carrier,
}

/// A passkey, as its holder is told.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyShown {
    /// As its authenticator calls it; base64url.
    id: String,
    /// As its holder calls it.
    name: String,
    /// May it be copied to other devices?
    backup_eligible: bool,
    /// Was it, when it was last used?
    backed_up: bool,
    /// How often it was used, as its authenticator counts; 0: it does not.
    sign_count: u32,
    /// Milliseconds since 1970.
    created_at: u64,
    /// Milliseconds since 1970.
    used_at: Option<u64>,
}

/// Nothing has to be said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anybody {}

/// The own passkeys.
#[utoipa::path(get, path = "/v1/me/passkeys", tag = "people", responses(
    (status = 200, body = Vec<PasskeyShown>),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
) -> Result<Json<Vec<PasskeyShown>>, Problem> {
    let (asker, name) = (Arc::clone(&center), holder.account.account.clone());
    let credentials = center
        .read(move |reader| reader.credentials(&asker.people, &name))
        .await?;
    let shown = credentials.passkeys().iter().map(|passkey| PasskeyShown {
        id: passkey.id.clone(),
        name: passkey.name.clone(),
        backup_eligible: passkey.backup_eligible,
        backed_up: passkey.backed_up,
        sign_count: passkey.sign_count,
        created_at: passkey.created_at.0,
        used_at: passkey.used_at.map(|at| at.0),
    });
    Ok(Json(shown.collect()))
}

/// Begins to set up a passkey.
#[utoipa::path(post, path = "/v1/me/passkeys/begin", tag = "people", request_body = OnceMore, responses(
    (status = 200, body = CeremonyBegun),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Extension(peer): Extension<StaffPeer>,
    Body(wish): Body<OnceMore>,
) -> Result<Json<CeremonyBegun>, Problem> {
    let party = party(&center)?;
    if !holder.session.enrolling {
        me::once_more(&center, &holder, peer, wish.password).await?;
    }
    let (asker, name) = (Arc::clone(&center), holder.account.account.clone());
    let credentials = center
        .read(move |reader| reader.credentials(&asker.people, &name))
        .await?;
    if credentials.passkeys().len() >= PER_ACCOUNT_MAX {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "too-many-passkeys",
            format!("an account has at most {PER_ACCOUNT_MAX} passkeys; take one away first"),
            format!("パスキーは一人 {PER_ACCOUNT_MAX} 個までです。先に一つ削除してください。"),
        ));
    }
    let account = &holder.account;
    let (maker, name) = (Arc::clone(&center), account.account.clone());
    let handle = center
        .transact(move |transaction| {
            let mut credentials = transaction.credentials(&maker.people, &name)?;
            let handle = credentials.handle(&mut rand::rng()).to_vec();
            maker.people.keep(transaction, &name, &credentials)?;
            Ok(handle)
        })
        .await?;
    let purpose = Purpose::Register(account.account.clone());
    let known: Vec<_> = credentials
        .passkeys()
        .iter()
        .map(|passkey| serde_json::json!({"type": "public-key", "id": passkey.id}))
        .collect();
    let algorithms: Vec<_> = ALGORITHMS
        .iter()
        .map(|number| serde_json::json!({"type": "public-key", "alg": number}))
        .collect();
    begun(&center, purpose, |challenge| {
        serde_json::json!({
            "rp": {"id": party.id, "name": "iryonet"},
            "user": {
                "id": URL_SAFE_NO_PAD.encode(&handle),
                "name": account.account.as_str(),
                "displayName": account.person,
            },
            "challenge": challenge,
            "pubKeyCredParams": algorithms,
            "excludeCredentials": known,
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "attestation": "none",
            "timeout": LIFE_MS,
        })
    })
}

/// Sets up the passkey; hands out a new session.
#[utoipa::path(post, path = "/v1/me/passkeys", tag = "people", request_body = NewPasskey, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn register(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Body(wish): Body<NewPasskey>,
) -> Result<Response, Problem> {
    let name = wish.name.trim().to_owned();
    let length = name.chars().count();
    if length == 0 || length > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "passkey-name",
            format!("a passkey's name has 1 to {NAME_MAX_CHARS} characters and no control ones"),
            format!("パスキーの名前は1〜{NAME_MAX_CHARS}文字で付けてください。"),
        ));
    }
    let now = center.people.now();
    let purpose = Purpose::Register(holder.account.account.clone());
    let ceremony =
        Ceremony::open(&center.people.vault, &wish.ceremony, &purpose, now).ok_or_else(over)?;
    let passkey = Passkey::register(
        &Registration {
            client_data: &octets(&wish.client_data_json)?,
            attestation: &octets(&wish.attestation_object)?,
        },
        &party(&center)?,
        &ceremony.challenge,
        &name,
        now,
    )
    .map_err(|error| unusable(&error))?;
    let set = |account| Command::SetCredential {
        account,
        credential: Credential::Passkey,
    };
    me::change(
        &center,
        holder,
        set,
        Some(ceremony),
        move |credentials| match credentials.add_passkey(passkey.clone()) {
            true => Ok(None),
            false => Err(NotTaken),
        },
    )
    .await
}

/// Takes a passkey away; every other session of the account ends. The last second
/// factor stays.
#[utoipa::path(post, path = "/v1/me/passkeys/{id}/remove", tag = "people", request_body = OnceMore,
    params(("id" = String, Path, description = "As GET /v1/me/passkeys answers it")),
    responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(center): State<Arc<Center>>,
    Extension(holder): Extension<Holder>,
    Extension(peer): Extension<StaffPeer>,
    Key(id): Key<String>,
    Body(wish): Body<OnceMore>,
) -> Result<Response, Problem> {
    me::once_more(&center, &holder, peer, wish.password).await?;
    let (asker, name) = (Arc::clone(&center), holder.account.account.clone());
    let credentials = center
        .read(move |reader| reader.credentials(&asker.people, &name))
        .await?;
    if !credentials
        .passkeys()
        .iter()
        .any(|passkey| passkey.id == id)
    {
        let id: String = id.chars().take(60).collect();
        return Err(Problem::unknown("passkey", "パスキー", id));
    }
    if !credentials.has_totp() && credentials.passkeys().len() == 1 {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "last-second-factor",
            "this is the account's last second factor; set up another one first",
            "最後の二要素目は削除できません。先に別の二要素目を登録してください。",
        ));
    }
    let removed = |account| Command::RemoveCredential {
        account,
        credential: Credential::Passkey,
    };
    me::change(
        &center,
        holder,
        removed,
        None,
        move |credentials| match credentials.remove_passkey(&id) {
            true => Ok(None),
            false => Err(NotTaken),
        },
    )
    .await
}

/// Begins to come in by a passkey.
#[utoipa::path(post, path = "/v1/login/passkey/begin", tag = "people", request_body = Anybody, responses(
    (status = 200, body = CeremonyBegun),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin_login(
    State(center): State<Arc<Center>>,
    Knock(_): Knock,
    Body(Anybody {}): Body<Anybody>,
) -> Result<Json<CeremonyBegun>, Problem> {
    let party = party(&center)?;
    begun(&center, Purpose::LogIn, |challenge| {
        serde_json::json!({
            "challenge": challenge,
            "rpId": party.id,
            "allowCredentials": [],
            "userVerification": "required",
            "timeout": LIFE_MS,
        })
    })
}

/// Comes in by a passkey.
#[utoipa::path(post, path = "/v1/login/passkey", tag = "people", request_body = PasskeyLogin, responses(
    (status = 200, body = SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn log_in(
    State(center): State<Arc<Center>>,
    Knock(peer): Knock,
    Body(wish): Body<PasskeyLogin>,
) -> Result<Response, Problem> {
    let now = center.people.now();
    let ceremony = Ceremony::open(&center.people.vault, &wish.ceremony, &Purpose::LogIn, now)
        .ok_or_else(over)?;
    // A name that none can have is as wrong as one that none has.
    let name: AccountName = wish.account.parse().map_err(|_| login::wrong())?;
    let handle = wish.user_handle.as_deref().map(octets).transpose()?;
    let (client_data, signature) = (octets(&wish.client_data_json)?, octets(&wish.signature)?);
    let authenticator_data = octets(&wish.authenticator_data)?;
    party(&center)?;

    let maker = Arc::clone(&center);
    let (id, role, carrier) = (wish.id, wish.role, wish.carrier);
    let who = name.clone();
    let tried = center
        .transact(move |transaction| {
            let now = maker.people.now();
            if transaction
                .side_get(Space::Session, &ceremony.key())?
                .is_some()
            {
                return Ok((Tried::Wrong, None));
            }
            let used = Some(ceremony.ends_at());
            transaction.side_put(Space::Session, &ceremony.key(), b"", used)?;
            let mut credentials = transaction.credentials(&maker.people, &name)?;
            if handle
                .as_deref()
                .is_some_and(|shown| !credentials.is_handle(shown))
            {
                return Ok((Tried::Wrong, None));
            }
            let Some(passkey) = credentials.passkey_mut(&id) else {
                return Ok((Tried::Wrong, None));
            };
            let Some(party) = maker.people.party() else {
                return Ok((Tried::Wrong, None));
            };
            let shown = Assertion {
                client_data: &client_data,
                authenticator_data: &authenticator_data,
                signature: &signature,
            };
            if let Err(error) = passkey.assert(&shown, &party, &ceremony.challenge, now) {
                return Ok((Tried::Wrong, Some(error)));
            }
            let role = match login::role_of(transaction, &name, role)? {
                Ok(role) => role,
                Err(tried) => return Ok((tried, None)),
            };
            let wish = Wish {
                name: &name,
                role,
                method: LoginMethod::Passkey,
                carrier,
                from: peer,
                enrolling: false,
            };
            let tried = login::log_in(&maker, transaction, &wish, |transaction| {
                maker.people.keep(transaction, &name, &credentials)
            })?;
            Ok((tried, None))
        })
        .await?;
    match tried {
        (Tried::Wrong, error) => {
            let error = error.map(|error| error.to_string());
            tracing::warn!(account = %who, %peer, error, "a login by passkey was refused");
            Err(login::wrong())
        }
        (tried, _) => {
            let begun = tried.begun()?;
            tracing::info!(account = %who, %peer, role = begun.session.role.as_str(), "logged in");
            begun.hand_out(&center, None).await
        }
    }
}

/// This center, as browsers know it.
fn party(center: &Center) -> Result<Party<'_>, Problem> {
    center.people.party().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "passkeys-off",
            "passkeys want people.origin to be https with a host's name; this center's settings name none",
            "このセンターではパスキーを使えません（people.origin にホスト名がありません）。",
        )
    })
}

fn begun(
    center: &Center,
    purpose: Purpose,
    options: impl FnOnce(&str) -> serde_json::Value,
) -> Result<Json<CeremonyBegun>, Problem> {
    let ceremony = Ceremony::begin(purpose, center.people.now(), &mut rand::rng());
    let carried = ceremony
        .seal(&center.people.vault, &mut rand::rng())
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(CeremonyBegun {
        options: options(&ceremony.challenge),
        ceremony: carried,
    }))
}

fn octets(text: &str) -> Result<Vec<u8>, Problem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-base64url",
            format!("what the authenticator made is not base64url without padding: {error}"),
            "認証器の応答を読み取れません（base64url）。",
        )
    })
}

fn over() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "ceremony-over",
        "this was begun more than five minutes ago, or for something else; begin it again",
        "開始から5分を過ぎたか、別の操作で開始されたものです。もう一度始めてください。",
    )
}

fn unusable(error: &PasskeyError) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "passkey-unusable",
        format!("this passkey cannot be taken: {error}"),
        format!("このパスキーは登録できません: {error}"),
    )
}
