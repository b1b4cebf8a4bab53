//! Problems (RFC 9457) in both languages: every refusal of every listener
//! leaves through here.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// A refusal or failure on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Fields>);

/// What was wrong, where, and what would be right (application/problem+json).
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Fields {
    /// `urn:iryonet:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// English, for this one case.
    detail: String,
    /// 日本語.
    detail_ja: String,
    /// Stable word for programs.
    code: String,
    /// Ledger entry in which the refusal is recorded, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sequence: Option<u64>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Fields::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        detail: impl Into<String>,
        detail_ja: impl Into<String>,
    ) -> Self {
        Self(Box::new(Fields {
            kind: format!("urn:iryonet:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            detail_ja: detail_ja.into(),
            code: code.to_owned(),
            sequence: None,
            retry_after_s: None,
        }))
    }

    /// The refusal stands in the ledger.
    pub(crate) fn recorded(mut self, sequence: u64) -> Self {
        self.0.sequence = Some(sequence);
        self
    }

    /// The same request may succeed after so many seconds.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The same under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status.as_u16();
        status
            .canonical_reason()
            .unwrap_or("Problem")
            .clone_into(&mut self.0.title);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn bad_request(
        code: &str,
        detail: impl Into<String>,
        detail_ja: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, detail_ja)
    }

    /// Something with this key is not there.
    pub(crate) fn unknown(what: &str, what_ja: &str, key: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            &format!("unknown-{what}"),
            format!("there is no {what} {key}"),
            format!("{what_ja} {key} はありません。"),
        )
    }

    /// The center itself failed; the cause is in its log, not in the answer.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed inside the center");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the center could not do this; the cause is in its log. Nothing was half done",
            "センターの内部で失敗しました。原因はセンターの記録にあります。中途半端な変更は残っていません。",
        )
    }

    /// For now it cannot be done; later it can.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the center has as many acts under way as it takes; try again",
            "センターが混み合っています。しばらくしてから再度実行してください。",
        )
        .retry_after(1)
    }

    /// The center is being stopped.
    pub(crate) fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the center is being stopped; try again after its restart",
            "センターは停止処理中です。再起動後に再度実行してください。",
        )
        .retry_after(5)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-path",
            "there is nothing at this path; GET /v1/openapi.json on the operators' socket lists what there is",
            "このパスには何もありません。",
        )
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong-method",
            "this path exists, but not with this method",
            "このパスでは、そのメソッドは使えません。",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error with all its causes, for the log.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors already show their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
