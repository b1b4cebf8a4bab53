//! Checked input: bodies with a size and a time limit, JSON errors with their
//! position, queries and path segments; every rejection is a problem.

use super::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Largest request body of any listener, in bytes.
pub(crate) const BODY_MAX_BYTES: usize = 64 << 10;

/// Largest body of the few requests that need more, in bytes: a version of the
/// rules has five files of 256 KiB, and JSON may write a character in six.
pub(crate) const LARGE_BODY_MAX_BYTES: usize = 8 << 20;

/// Largest JSON body that a path takes; nothing for one that takes documents,
/// which are known by what is in them, however often they come.
pub(crate) fn json_max_bytes(path: &str) -> Option<usize> {
    match path {
        "/v1/documents" => None,
        "/v1/rules" => Some(LARGE_BODY_MAX_BYTES),
        _ => Some(BODY_MAX_BYTES),
    }
}

/// How long a body may take to arrive.
const BODY_MAX: Duration = Duration::from_secs(10);

/// A JSON body of at most [`BODY_MAX_BYTES`].
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(&request)?;
        let bytes = read_body(request, BODY_MAX_BYTES).await?;
        parse_json(&bytes).map(Self)
    }
}

/// A JSON body of at most [`LARGE_BODY_MAX_BYTES`], where a request may need so
/// much.
#[derive(Debug)]
pub(crate) struct LargeBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LargeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(&request)?;
        let bytes = read_body(request, LARGE_BODY_MAX_BYTES).await?;
        parse_json(&bytes).map(Self)
    }
}

/// Reads a body that is not allowed to be larger than `limit`.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    read_slow_body(request, limit, BODY_MAX).await
}

/// The same for a body that may take so long to arrive. What announces itself
/// as too large is not read at all, and of what does not, no more than `limit`.
pub(crate) async fn read_slow_body(
    request: Request,
    limit: usize,
    within: Duration,
) -> Result<Bytes, Problem> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(too_large(limit));
    }
    let body = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(within, body).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(too_large(limit))
        }
        Ok(Err(_)) => Err(Problem::bad_request(
            "body-broken",
            "the request's body ended before it was complete",
            "リクエストの本文が途中で終わっています。",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-slow",
            format!(
                "the request's body did not arrive within {} s",
                within.as_secs()
            ),
            "リクエストの本文が時間内に届きませんでした。",
        )),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        format!("the request's body is larger than {limit} bytes, and no request needs so much"),
        format!("リクエストの本文が上限 {limit} バイトを超えています。"),
    )
}

fn check_content_type(request: &Request) -> Result<(), Problem> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let is_json = value.to_str().is_ok_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    });
    if is_json {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "the body must be application/json",
            "本文は application/json でなければなりません。",
        ))
    }
}

/// Reads JSON; an error names line and column.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let (status, code) = match error.classify() {
            serde_json::error::Category::Data => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unacceptable-json")
            }
            _ => (StatusCode::BAD_REQUEST, "malformed-json"),
        };
        // serde_json's text ends with the position already.
        Problem::new(
            status,
            code,
            format!("the JSON body cannot be taken: {error}"),
            format!("JSON 本文の {line} 行 {column} 文字目が正しくありません: {error}"),
        )
    })
}

/// The query, every key known.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let text = rejection.body_text();
                Problem::bad_request(
                    "bad-query",
                    format!("the query cannot be taken: {text}"),
                    format!("クエリーが正しくありません: {text}"),
                )
            })
    }
}

/// One key in the path, in any form that can be read from text.
#[derive(Debug)]
pub(crate) struct Key<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Key<T>
where
    S: Send + Sync,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(text) =
            axum::extract::Path::<String>::from_request_parts(parts, state)
                .await
                .map_err(|rejection| bad_key(&rejection.body_text()))?;
        key(&text).map(Self)
    }
}

/// Two keys in the path.
#[derive(Debug)]
pub(crate) struct Keys<A, B>(pub(crate) A, pub(crate) B);

impl<S, A, B> FromRequestParts<S> for Keys<A, B>
where
    S: Send + Sync,
    A: std::str::FromStr,
    A::Err: std::fmt::Display,
    B: std::str::FromStr,
    B::Err: std::fmt::Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path((first, second)) =
            axum::extract::Path::<(String, String)>::from_request_parts(parts, state)
                .await
                .map_err(|rejection| bad_key(&rejection.body_text()))?;
        Ok(Self(key(&first)?, key(&second)?))
    }
}

fn key<T>(text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| {
        bad_key(&format!(
            "{:?}: {error}",
            text.chars().take(80).collect::<String>()
        ))
    })
}

fn bad_key(why: &str) -> Problem {
    Problem::bad_request(
        "bad-key",
        format!("the path names nothing that can be: {why}"),
        format!("パスの指定が正しくありません: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read by the deserializer")]
    struct Wish {
        number: u32,
    }

    #[test]
    fn broken_json_is_told_apart_from_json_that_says_the_wrong_thing() {
        let broken = parse_json::<Wish>(b"{\n  \"number\": }").unwrap_err();
        assert_eq!((broken.status(), broken.code()), (400, "malformed-json"));
        assert!(
            broken.detail().contains("line 2 column 13"),
            "{}",
            broken.detail()
        );

        let wrong = parse_json::<Wish>(b"{\"number\": \"x\"}").unwrap_err();
        assert_eq!((wrong.status(), wrong.code()), (422, "unacceptable-json"));
        let extra = parse_json::<Wish>(b"{\"number\": 1, \"more\": 2}").unwrap_err();
        assert!(extra.detail().contains("more"), "{}", extra.detail());
    }
}
