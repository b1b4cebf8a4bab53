//! What whoever comes in is answered: the session, and its token by the way
//! that was asked for.

use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use iryonet_people::session::Carrier;
use iryonet_people::{Session, SessionToken};
use iryonet_registry::{Account, SpeaksFor};
use serde::Serialize;
use utoipa::ToSchema;

/// The cookie. The prefix makes browsers keep it to this host, HTTPS and `/`.
pub(crate) const COOKIE: &str = "__Host-iryonet";

/// A session, as its holder is told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionShown {
    /// Ledger entry of the act; none when nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sequence: Option<u64>,
    account: String,
    /// 氏名.
    person: String,
    /// The one role of this session.
    role: &'static str,
    /// All roles of the account; another one wants another login.
    roles: Vec<&'static str>,
    /// For an officer: for which participant.
    participant: Option<u32>,
    /// For an officer of who is no participant yet: for which admission.
    application: Option<u64>,
    /// By what it began: password-and-totp, password-and-recovery-code, passkey,
    /// issuer or login-code.
    method: &'static str,
    /// Begun with a login code: good for setting up a second factor only.
    enrolling: bool,
    /// When it ends at the latest, milliseconds since 1970.
    ends_at: u64,
    /// After how many seconds without a request it ends.
    idle_s: u64,
    /// To be sent as `Authorization: Bearer`; shown once, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
    /// To be sent as `Iryonet-Page` with every act, when a cookie was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    page_proof: Option<String>,
    /// Recovery codes, shown once, when they were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_codes: Option<Vec<String>>,
}

impl SessionShown {
    pub(crate) fn new(
        center: &Center,
        session: &Session,
        account: &Account,
        token: &SessionToken,
    ) -> Self {
        Self {
            sequence: None,
            account: account.account.to_string(),
            person: account.person.clone(),
            role: session.role.as_str(),
            roles: account.roles.iter().map(|role| role.as_str()).collect(),
            participant: account
                .speaks_for
                .and_then(SpeaksFor::participant)
                .map(|number| number.get()),
            application: account
                .speaks_for
                .and_then(SpeaksFor::application)
                .map(|case| case.0),
            method: session.method.as_str(),
            enrolling: session.enrolling,
            ends_at: session.began_at.0 + center.people.limits.absolute_ms,
            idle_s: center.people.limits.idle_ms / 1_000,
            token: None,
            page_proof: (session.carrier == Carrier::Cookie).then(|| token.page_proof()),
            recovery_codes: None,
        }
    }

    pub(crate) fn recorded(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    pub(crate) fn with_recovery_codes(mut self, codes: Vec<String>) -> Self {
        self.recovery_codes = Some(codes);
        self
    }

    /// The answer that hands out the token of a new session.
    pub(crate) fn hand_out(
        mut self,
        center: &Center,
        session: &Session,
        token: &SessionToken,
    ) -> Result<Response, Problem> {
        let mut headers = HeaderMap::new();
        match session.carrier {
            Carrier::Bearer => self.token = Some(token.reveal()),
            Carrier::Cookie => {
                let max_age_s = center.people.limits.absolute_ms / 1_000;
                let cookie = format!(
                    "{COOKIE}={token}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Strict",
                    token = token.reveal()
                );
                headers.insert(header::SET_COOKIE, cookie_header(&cookie)?);
            }
        }
        Ok((headers, Json(self)).into_response())
    }
}

/// Takes the cookie back.
pub(crate) fn cookie_gone() -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    headers.insert(header::SET_COOKIE, cookie_header(&cookie)?);
    Ok(headers)
}

fn cookie_header(cookie: &str) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::from_str(cookie).map_err(|error| Problem::internal(&error))?;
    value.set_sensitive(true);
    Ok(value)
}
