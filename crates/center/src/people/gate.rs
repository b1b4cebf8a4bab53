//! The one gate of the people's listener: before a handler sees a request, it
//! is known which path it is, who asks, in which role, and that the role may.
//!
//! What is not in the table of paths ([`crate::access`]) answers nobody. An
//! actor in a header is not taken here: who acts is what the session says.

use super::answer::COOKIE;
use super::sessions::{self, Holder};
use crate::access::{self, Access};
use crate::client::{ACTOR_HEADER, PAGE_HEADER};
use crate::http::actor::{CaseSight, Reach, Who};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use iryonet_domain::Actor;
use iryonet_people::SessionToken;
use iryonet_people::session::Carrier;
use iryonet_registry::SpeaksFor;
use iryonet_registry::permission::Scope;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who is at the other end of a people's connection: an address; who it is, is
/// for the session to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StaffPeer(pub(crate) SocketAddr);

/// Lets a request through, or answers it.
pub(crate) async fn gate(
    State(center): State<Arc<Center>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match pass(&center, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    // What somebody may see is nobody else's, also not from a cache.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    response
}

async fn pass(center: &Arc<Center>, mut request: Request) -> Result<Request, Problem> {
    if request.headers().contains_key(ACTOR_HEADER) {
        return Err(Problem::bad_request(
            "actor-not-taken",
            "the header Iryonet-Actor is for the socket at the center's machine; here the session says who acts",
            "ヘッダー Iryonet-Actor はセンター機上のソケット専用です。ここではセッションの本人として操作します。",
        ));
    }
    let method = request.method().clone();
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned())
        .unwrap_or_default();
    let asked = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let Some(access) = access::of(asked, &path) else {
        tracing::error!(
            %method,
            path,
            "a path without its line in the table of paths was asked for and refused"
        );
        return Err(Problem::no_such_path());
    };
    if access == Access::Anybody {
        return Ok(request);
    }
    let (token, carrier) = token_of(request.headers())?;
    let holder = sessions::find(center, token).await?.ok_or_else(over)?;
    if holder.session.carrier != carrier {
        tracing::warn!(account = %holder.session.account, "a token came by another way than its own");
        return Err(over());
    }
    if carrier == Carrier::Cookie && method != Method::GET && method != Method::HEAD {
        check_page(center, request.headers(), &holder)?;
    }
    if holder.session.enrolling && access != Access::Beginner {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "second-factor-wanted",
            "this session began with a login code and has no second factor yet; set one up (POST /v1/me/totp) before anything else",
            "このセッションには二要素目がまだありません。先に認証アプリを登録してください（POST /v1/me/totp）。",
        ));
    }
    let role = holder.session.role;
    let actor = Actor::new(role, holder.account.account.as_str())
        .map_err(|error| Problem::internal(&error))?;
    if let Access::Read(resource) = access {
        let reach = match access.of(role) {
            Some(Scope::Own) => match holder.account.speaks_for {
                Some(SpeaksFor::Participant(number)) => Reach::Own(number),
                Some(SpeaksFor::Application(_) | SpeaksFor::Applicant) => Reach::Applicant,
                None => return Err(speaks_for_nobody()),
            },
            Some(Scope::Every) => Reach::Every,
            Some(Scope::Officers | Scope::Oneself | Scope::Applicant) | None => {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "role-may-not-read",
                    format!(
                        "{role} may not read {resource}",
                        role = role.as_str(),
                        resource = resource.as_str()
                    ),
                    format!(
                        "{}は {} を閲覧できません。",
                        role.name_ja(),
                        resource.as_str()
                    ),
                ));
            }
        };
        request.extensions_mut().insert(match reach {
            Reach::Every => CaseSight::Every,
            Reach::Own(_) | Reach::Applicant => CaseSight::Officer {
                officer: actor.clone(),
                speaks_for: holder.account.speaks_for,
            },
        });
        request.extensions_mut().insert(reach);
    }
    request.extensions_mut().insert(Who(actor));
    request.extensions_mut().insert(holder);
    Ok(request)
}

/// The token, and by which way it came. Two are none: whoever sent the second
/// may not be whoever sent the first.
fn token_of(headers: &HeaderMap) -> Result<(SessionToken, Carrier), Problem> {
    let mut found = Vec::new();
    for value in headers.get_all(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let shown = match text.split_once(' ') {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => shown.trim(),
            _ => "",
        };
        found.push((shown.to_owned(), Carrier::Bearer));
    }
    for value in headers.get_all(header::COOKIE) {
        for pair in value.to_str().unwrap_or_default().split(';') {
            if let Some((name, shown)) = pair.trim().split_once('=')
                && name == COOKIE
            {
                found.push((shown.to_owned(), Carrier::Cookie));
            }
        }
    }
    match found.as_slice() {
        [] => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "session-missing",
            "this wants a session: log in first (POST /v1/login, or `iryonet login`)",
            "ログインが必要です。",
        )),
        [(shown, carrier)] => SessionToken::parse(shown)
            .map(|token| (token, *carrier))
            .ok_or_else(over),
        _ => Err(Problem::bad_request(
            "session-unclear",
            "the request shows two session tokens; show one",
            "セッショントークンが二つあります。一つだけにしてください。",
        )),
    }
}

/// A browser sends a cookie whoever made it send the request: an act wants the
/// proof that our own page did.
fn check_page(center: &Center, headers: &HeaderMap, holder: &Holder) -> Result<(), Problem> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values
            .next()
            .map(|value| value.to_str().unwrap_or_default());
        (first, values.next().is_some())
    };
    let strange = |name: &str, wanted: &dyn Fn(&str) -> bool| {
        let (value, twice) = one(name);
        twice || value.is_some_and(|value| !wanted(value))
    };
    let from_elsewhere = strange("sec-fetch-site", &|site| {
        site == "same-origin" || site == "none"
    }) || strange("origin", &|origin| {
        center
            .people
            .origin
            .as_deref()
            .is_none_or(|own| own == origin)
    });
    let proved = match one(PAGE_HEADER) {
        (Some(proof), false) => holder.token.is_proved_by(proof),
        _ => false,
    };
    if from_elsewhere || !proved {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "page-unproved",
            "an act with a cookie wants the header Iryonet-Page with the page_proof that GET /v1/me answers, from this listener's own page",
            "この操作には、この画面から送られたことの証明（ヘッダー Iryonet-Page）が必要です。画面を開き直してください。",
        ));
    }
    Ok(())
}

fn over() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "session-over",
        "this session is over, or never was; log in again",
        "セッションは終了しています。もう一度ログインしてください。",
    )
}

fn speaks_for_nobody() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "speaks-for-nobody",
        "this account speaks for no participant; let a security officer bind it to its own",
        "このアカウントはどの参加者の担当でもありません。セキュリティ責任者に割当を依頼してください。",
    )
}
