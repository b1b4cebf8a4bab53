//! A page for people with a browser: coming in, and setting up a passkey. It has
//! no part from elsewhere, and runs one script that stands in it.

use crate::http::problem::Problem;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

const SCRIPT: &str = include_str!("page.js");
const BODY: &str = include_str!("page.html");

/// ログイン・パスキーの登録: the page.
#[utoipa::path(get, path = "/v1/page", tag = "people", responses(
    (status = 200, description = "A page for a person", body = String, content_type = "text/html"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn page() -> Result<Response, Problem> {
    let hash = STANDARD.encode(sha2::Sha256::digest(SCRIPT.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{hash}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let html = BODY.replace("<!-- script -->", &format!("<script>{SCRIPT}</script>"));
    let mut response = html.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let policy = HeaderValue::from_str(&policy).map_err(|error| Problem::internal(&error))?;
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}
