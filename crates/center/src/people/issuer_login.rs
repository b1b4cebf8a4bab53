//! 組織のログイン: coming in by an organisation's issuer (OpenID Connect).
//!
//! A browser is sent to the issuer and comes back with a code, which is redeemed
//! for who it is. What began the login is carried sealed, in a cookie of this
//! listener: whoever comes back without it did not begin it, and is refused.
//! Somebody at a command line has no cookie: the page shows a text to be carried
//! over, and only who began the login can use it.
//!
//! The account is the one that a person linked with issuer and subject; no name,
//! address or role in a token is looked at.

use super::issuers::IssuerError;
use super::login::{self, Knock, Tried, Wish};
use crate::http::input::{Body, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::Role;
use iryonet_people::issuer::Flow;
use iryonet_people::issuer::flow::LIFE_MS;
use iryonet_people::session::Carrier;
use iryonet_registry::{Login, LoginMethod};
use iryonet_store::Space;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The cookie of a login under way. `Lax`, since the issuer's page is another's.
const FLOW_COOKIE: &str = "__Host-iryonet-login";
/// Longest code and state that are looked at, in characters.
const ANSWER_MAX: usize = 4_096;
/// Longest path to go on to, in characters.
const THEN_MAX: usize = 200;

/// An issuer by which people come in.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuerShown {
    /// To be said when a login begins.
    name: String,
    /// 名称: as people know it.
    title: String,
    /// The issuer itself, as accounts are linked with it.
    issuer: String,
}

/// By which issuers can people come in?
#[utoipa::path(get, path = "/v1/login/issuers", tag = "people", responses(
    (status = 200, body = Vec<IssuerShown>),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn issuers(State(center): State<Arc<Center>>) -> Json<Vec<IssuerShown>> {
    let shown = center.people.issuers.all().map(|issuer| IssuerShown {
        name: issuer.config.name.clone(),
        title: issuer.config.title.clone(),
        issuer: issuer.config.issuer.clone(),
    });
    Json(shown.collect())
}

/// A login to be begun at an issuer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerWish {
    /// The issuer's name, as `GET /v1/login/issuers` answers it.
    issuer: String,
    /// In which role, where the account has several.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Whether a browser begins it (cookie) or somebody at a command line (bearer).
    #[serde(default = "login::cookie")]
    #[schema(value_type = String, example = "cookie")]
    carrier: Carrier,
    /// For a browser: where it goes on to on this listener, as `/cases`.
    #[serde(default)]
    then: Option<String>,
}

/// A login that was begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuerBegun {
    /// Where the browser is to go.
    url: String,
    /// At a command line: to be shown again when it is confirmed. (A browser has
    /// it as a cookie.)
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    flow: Option<String>,
}

/// Begins a login at an issuer.
#[utoipa::path(post, path = "/v1/login/issuer", tag = "people", request_body = IssuerWish, responses(
    (status = 200, body = IssuerBegun),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin(
    State(center): State<Arc<Center>>,
    Knock(_): Knock,
    Body(wish): Body<IssuerWish>,
) -> Result<Response, Problem> {
    if !wish.then.as_deref().is_none_or(is_own_path) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "then-unclear",
            format!(
                "then must be a path of this listener, as /cases, of at most {THEN_MAX} characters"
            ),
            "then には、このサーバー内のパス（例 /cases）を指定してください。",
        ));
    }
    let issuer = center.people.issuers.named(&wish.issuer)?;
    let _place = center.people.issuers.place()?;
    let flow = Flow::begin(
        &wish.issuer,
        wish.role,
        wish.carrier,
        wish.then,
        center.people.now(),
        &mut rand::rng(),
    );
    let url = issuer
        .address(&flow)
        .await
        .map_err(|error| issuer.problem(&error))?;
    let carried = flow
        .seal(&center.people.vault, &mut rand::rng())
        .map_err(|error| Problem::internal(&error))?;
    Ok(match wish.carrier {
        Carrier::Bearer => Json(IssuerBegun {
            url,
            flow: Some(carried),
        })
        .into_response(),
        Carrier::Cookie => {
            let max_age_s = LIFE_MS / 1_000;
            let cookie = flow_cookie(&carried, max_age_s)?;
            let mut response = Json(IssuerBegun { url, flow: None }).into_response();
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
    })
}

/// With what the issuer sends a browser back (RFC 6749, section 4.1.2).
#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Returned {
    /// To be redeemed.
    #[serde(default)]
    code: Option<String>,
    /// As it was begun with.
    #[serde(default)]
    state: Option<String>,
    /// Which issuer says so (RFC 9207).
    #[serde(default)]
    iss: Option<String>,
    /// Why there is no code.
    #[serde(default)]
    error: Option<String>,
}

/// Where an issuer sends a browser back: a session, or the text to be carried
/// over to the command line that began the login.
#[utoipa::path(get, path = "/v1/login/issuer/return", tag = "people", params(Returned), responses(
    (status = 200, description = "A page for a person", body = String, content_type = "text/html"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn come_back(
    State(center): State<Arc<Center>>,
    Knock(peer): Knock,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Result<Response, Problem> {
    let state = returned.state.as_deref().unwrap_or_default();
    if Flow::is_for_bearer(state) {
        returned.code()?;
        let text = serde_json::to_vec(&returned).unwrap_or_default();
        return Ok(page(
            "コマンドラインでのログイン / Login at a command line",
            &format!(
                "<p>ログインを始めた画面に次の文字列を貼り付けてください。<strong>ご自身で始めたログインでなければ、誰にも渡さず、この画面を閉じてください。</strong></p>\
                 <p>Paste this where you began to log in. <strong>If you did not begin it yourself, give it to nobody and close this page.</strong></p>\
                 <p><code id=\"answer\">{}</code></p>",
                URL_SAFE_NO_PAD.encode(text)
            ),
            None,
        ));
    }
    let flow = flow_of(&headers)
        .and_then(|carried| Flow::open(&center.people.vault, carried, center.people.now()))
        .filter(|flow| flow.carrier == Carrier::Cookie && flow.state == state)
        .ok_or_else(lost)?;
    let then = flow.then.clone();
    let session = finish(&center, flow, returned, peer).await?;
    let mut response = page(
        "ログインしました / Logged in",
        &match &then {
            Some(path) => format!("<p><a href=\"{path}\">続ける / Go on</a></p>"),
            None => "<p>ログインしました。/ You are logged in.</p>".to_owned(),
        },
        then.as_deref(),
    );
    for cookie in session.headers().get_all(header::SET_COOKIE) {
        response
            .headers_mut()
            .append(header::SET_COOKIE, cookie.clone());
    }
    response
        .headers_mut()
        .append(header::SET_COOKIE, flow_cookie("", 0)?);
    Ok(response)
}

/// What was carried over from the page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerAnswer {
    /// With what the login began.
    flow: String,
    /// The text that the page shows.
    answer: String,
}

/// Comes in with what the page showed, where the login was begun at a command
/// line.
#[utoipa::path(post, path = "/v1/login/issuer/confirm", tag = "people", request_body = IssuerAnswer, responses(
    (status = 200, body = super::answer::SessionShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn confirm(
    State(center): State<Arc<Center>>,
    Knock(peer): Knock,
    Body(wish): Body<IssuerAnswer>,
) -> Result<Response, Problem> {
    let returned: Option<Returned> = URL_SAFE_NO_PAD
        .decode(wish.answer.trim())
        .ok()
        .and_then(|octets| serde_json::from_slice(&octets).ok());
    let flow = Flow::open(&center.people.vault, &wish.flow, center.people.now());
    let (Some(returned), Some(flow)) = (returned, flow) else {
        return Err(lost());
    };
    if flow.carrier != Carrier::Bearer || returned.state.as_deref() != Some(&flow.state) {
        return Err(lost());
    }
    finish(&center, flow, returned, peer).await
}

impl Returned {
    fn code(&self) -> Result<&str, Problem> {
        if let Some(word) = &self.error {
            let word: String = word.chars().take(60).collect();
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "issuer-said-no",
                format!("the issuer let nobody in: {word:?}"),
                format!("ログインが完了しませんでした: {word:?}"),
            ));
        }
        self.code
            .as_deref()
            .filter(|code| !code.is_empty() && code.len() <= ANSWER_MAX)
            .ok_or_else(lost)
    }
}

/// Redeems what came back, and begins the session of the account that is linked.
async fn finish(
    center: &Arc<Center>,
    flow: Flow,
    returned: Returned,
    peer: SocketAddr,
) -> Result<Response, Problem> {
    let issuers = &center.people.issuers;
    let issuer = issuers.named(&flow.issuer)?;
    let code = returned.code()?;
    let _place = issuers.place()?;
    let problem = |error: IssuerError| issuer.problem(&error);
    if !issuer
        .may_say(returned.iss.as_deref())
        .await
        .map_err(problem)?
    {
        tracing::warn!(issuer = flow.issuer, %peer, "an answer came back in another issuer's name");
        return Err(lost());
    }
    let login = issuer
        .redeem(&flow, code, center.people.clock())
        .await
        .map_err(problem)?;

    let (maker, asked) = (Arc::clone(center), login.clone());
    let tried = center
        .transact(move |transaction| {
            // Whatever the issuer makes of a code that comes twice: no login does.
            if transaction.side_get(Space::Session, &flow.key())?.is_some() {
                return Ok(Some(Tried::Wrong));
            }
            let ends_at = Some(flow.ends_at());
            transaction.side_put(Space::Session, &flow.key(), b"", ends_at)?;
            let Some(name) = transaction.account_of_login(&asked)? else {
                return Ok(None);
            };
            let role = match login::role_of(transaction, &name, flow.role)? {
                Ok(role) => role,
                Err(tried) => return Ok(Some(tried)),
            };
            let wish = Wish {
                name: &name,
                role,
                method: LoginMethod::Issuer,
                carrier: flow.carrier,
                from: peer,
                enrolling: false,
            };
            login::log_in(&maker, transaction, &wish, |_| Ok(())).map(Some)
        })
        .await?;
    match tried {
        None => Err(nobodys(&issuer.config.name, &login)),
        Some(Tried::Wrong) => Err(lost()),
        Some(tried) => {
            let begun = tried.begun()?;
            tracing::info!(account = %begun.account.account, %peer, issuer = issuer.config.name, role = begun.session.role.as_str(), "logged in");
            begun.hand_out(center, None).await
        }
    }
}

/// Nothing is begun that this would end.
fn lost() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "login-lost",
        "this is not the end of a login that was begun here, by this browser or command, within the last ten minutes; begin it again",
        "このブラウザーまたはコマンドで10分以内に始めたログインではありません。もう一度始めてください。",
    )
}

fn nobodys(issuer: &str, login: &Login) -> Problem {
    let subject = &login.subject;
    tracing::warn!(
        issuer,
        subject,
        "somebody came whom no account is linked with"
    );
    Problem::new(
        StatusCode::FORBIDDEN,
        "login-of-nobody",
        format!(
            "{issuer} knows you as {subject:?}, and no account here is linked with that; let whoever administers your account link it"
        ),
        format!(
            "{issuer} での識別子 {subject:?} は、どのアカウントにも結び付けられていません。アカウントの管理者に依頼してください。"
        ),
    )
}

/// A path of our own, that can stand in an attribute as it is.
fn is_own_path(path: &str) -> bool {
    path.len() <= THEN_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'?' | b'=')
        })
}

fn flow_of(headers: &HeaderMap) -> Option<&str> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        for pair in value.to_str().unwrap_or_default().split(';') {
            if let Some((name, shown)) = pair.trim().split_once('=')
                && name == FLOW_COOKIE
                && found.replace(shown).is_some()
            {
                return None;
            }
        }
    }
    found
}

fn flow_cookie(carried: &str, max_age_s: u64) -> Result<HeaderValue, Problem> {
    let cookie = format!(
        "{FLOW_COOKIE}={carried}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Lax"
    );
    let mut value = HeaderValue::from_str(&cookie).map_err(|error| Problem::internal(&error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A page without script, style or anything from elsewhere. It goes on by a link
/// and not by a redirect: a browser sends the session's cookie (`SameSite=Strict`)
/// only where our own page leads.
fn page(title: &str, body: &str, then: Option<&str>) -> Response {
    let refresh = then
        .map(|path| format!("<meta http-equiv=\"refresh\" content=\"0;url={path}\">"))
        .unwrap_or_default();
    let html = format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\"><title>{title}</title>{refresh}</head><body><h1>{title}</h1>{body}</body></html>"
    );
    let mut response = html.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        // The code stands in this page's address.
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_our_own_paths_only() {
        for own in ["/", "/cases", "/cases?state=open", "/a/b-c_d.html"] {
            assert!(is_own_path(own), "{own}");
        }
        for other in [
            "",
            "cases",
            "//elsewhere.example/",
            "/\\elsewhere.example/",
            "https://elsewhere.example/",
            "/a\"><script>",
            "/a b",
            "/a\r\nSet-Cookie: x",
        ] {
            assert!(!is_own_path(other), "{other}");
        }
    }

    #[test]
    fn a_flow_shown_twice_is_none() {
        let shown = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, text.parse().unwrap());
            flow_of(&headers).map(str::to_owned)
        };
        assert_eq!(shown("a=b; __Host-iryonet-login=x").unwrap(), "x");
        assert_eq!(
            shown("__Host-iryonet-login=x; __Host-iryonet-login=y"),
            None
        );
        assert_eq!(shown("__Host-iryonet=x"), None);
    }
}
