//! The operator's side of the Unix socket: one request, one connection. Used
//! by the command line and the pilot; it must not know the daemon's insides.

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header;
use hyper_util::rt::TokioIo;
use iryonet_domain::Actor;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The header that says in whose name an act is done.
pub const ACTOR_HEADER: &str = "iryonet-actor";

/// The header that proves that an act with a cookie comes from our own page.
pub const PAGE_HEADER: &str = "iryonet-page";

/// Largest answer taken from the center, in bytes. A page of any list is less,
/// and so is a document; the largest is an export's page with one entry of the
/// largest size in it.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// How long one request may take. A long answer is a sick center.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(60);

/// How long a document may take on its way: 20 MiB over 1 Mbit/s.
pub(crate) const DOCUMENT_MAX: Duration = Duration::from_secs(200);

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing.
    None,
    /// JSON.
    Json(Value),
    /// A document.
    Document {
        /// Its media type, as application/pdf.
        media_type: String,
        /// Its octets.
        octets: Bytes,
    },
}

impl Content {
    pub(crate) fn of(body: Option<&Value>) -> Self {
        body.cloned().map_or(Self::None, Self::Json)
    }
}

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or the socket is not ours to open.
    #[error(
        "the center's operator socket {} cannot be opened; is the center running, and is this the user that it runs as?", socket.display()
    )]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The people's listener is not there, or is another's.
    #[error("the center at {center} cannot be reached: {why}")]
    Reach {
        /// Host and port.
        center: String,
        /// What went wrong.
        why: String,
    },
    /// Not where a people's listener can be.
    #[error("{0:?} is no people's listener; write it as https://center.example:8445")]
    Url(String),
    /// The request itself cannot be put into HTTP.
    #[error("{what:?} cannot stand in a request to the center")]
    Request {
        /// Method, path or actor.
        what: String,
        /// What the HTTP library says.
        #[source]
        source: hyper::http::Error,
    },
    /// The connection broke before the answer was complete.
    #[error(
        "the connection to the center broke before it had answered; the act may or may not be recorded (see the ledger)"
    )]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the center did not answer within {} s; the act may or may not be recorded (see the ledger)", .0.as_secs())]
    Silent(Duration),
    /// Something answered that is not JSON.
    #[error("the answer (HTTP {status}) is not JSON; does a center of this release listen there?")]
    NotJson {
        /// HTTP status.
        status: u16,
        /// What the reader says.
        #[source]
        source: serde_json::Error,
    },
    /// The center says no, and why.
    #[error("{detail}\n{detail_ja}\n({code}, HTTP {status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable word for programs.
        code: String,
        /// English.
        detail: String,
        /// 日本語.
        detail_ja: String,
        /// The whole problem (RFC 9457).
        problem: Box<Value>,
    },
}

impl ClientError {
    /// The problem's stable word, when the center refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// Speaks to one center.
#[derive(Debug, Clone)]
pub struct OperatorClient {
    socket: PathBuf,
}

impl OperatorClient {
    /// A client of the center behind this socket. Nothing is opened yet.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// One request; the answer's JSON when the center did it.
    ///
    /// # Errors
    /// When there is no center, no answer, or a refusal; a refusal's text is in
    /// both languages.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        actor: Option<&Actor>,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let asked = self.exchange(method, path, actor, Content::of(body));
        let octets = tokio::time::timeout(REQUEST_MAX, asked)
            .await
            .map_err(|_| ClientError::Silent(REQUEST_MAX))??;
        read_json(&octets)
    }

    /// One request that carries a document, or whose answer is one; the answer's
    /// octets.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn document(
        &self,
        method: &str,
        path: &str,
        actor: Option<&Actor>,
        content: Content,
    ) -> Result<Bytes, ClientError> {
        tokio::time::timeout(DOCUMENT_MAX, self.exchange(method, path, actor, content))
            .await
            .map_err(|_| ClientError::Silent(DOCUMENT_MAX))?
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        actor: Option<&Actor>,
        content: Content,
    ) -> Result<Bytes, ClientError> {
        // A name may be in any script; a header carries ASCII.
        let actor = actor.map(|actor| percent_encode(&actor.to_string()));
        let headers: Vec<(&str, &str)> = actor
            .iter()
            .map(|actor| (ACTOR_HEADER, actor.as_str()))
            .collect();
        let stream = tokio::net::UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Connect {
                socket: self.socket.clone(),
                source,
            })?;
        exchange(stream, method, path, &headers, content).await
    }
}

/// One request over a stream that is open, and the octets of its answer.
pub(crate) async fn exchange<S>(
    stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    content: Content,
) -> Result<Bytes, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "center")
        .header(header::CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (media_type, octets) = match content {
        Content::None => (None, Bytes::new()),
        Content::Json(body) => (
            Some("application/json".to_owned()),
            Bytes::from(body.to_string()),
        ),
        Content::Document { media_type, octets } => (Some(media_type), octets),
    };
    if let Some(media_type) = media_type {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    let request = request
        .body(Full::new(octets))
        .map_err(|source| ClientError::Request {
            what: format!("{method} {path}"),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Broken(error.into()))?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| ClientError::Broken(error.into()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES)
            .collect()
            .await
            .map_err(ClientError::Broken)?
            .to_bytes();
        read_answer(status, body)
    }
    .await;
    driver.abort();
    answer
}

/// The JSON of an answer that is one.
pub(crate) fn read_json(octets: &[u8]) -> Result<Value, ClientError> {
    if octets.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(octets).map_err(|source| ClientError::NotJson {
        status: hyper::StatusCode::OK.as_u16(),
        source,
    })
}

/// The octets of an answer, or what the center's problem says.
fn read_answer(status: hyper::StatusCode, body: Bytes) -> Result<Bytes, ClientError> {
    if status.is_success() {
        return Ok(body);
    }
    let value: Value = serde_json::from_slice(&body).map_err(|source| ClientError::NotJson {
        status: status.as_u16(),
        source,
    })?;
    let text = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("(no text)")
            .to_owned()
    };
    Err(ClientError::Refused {
        status: status.as_u16(),
        code: text("code"),
        detail: text("detail"),
        detail_ja: text("detail_ja"),
        problem: Box::new(value),
    })
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section
/// 2.3) and the colon between role and name.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Reverses [`percent_encode`]; text that is not encoded stays as it is.
pub(crate) fn percent_decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (pair, tail) = tail.split_at_checked(2)?;
            let digit = |b: &u8| char::from(*b).to_digit(16);
            let (high, low) = (digit(pair.first()?)?, digit(pair.last()?)?);
            out.push(u8::try_from(high << 4 | low).ok()?);
            rest = tail;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actors_name_in_any_script_survives_the_header() {
        for name in [
            "operator:suzuki",
            "security-officer:鈴木 一郎",
            "auditor:100%",
        ] {
            let encoded = percent_encode(name);
            assert!(encoded.is_ascii());
            assert_eq!(percent_decode(encoded.as_bytes()).unwrap(), name);
        }
        assert_eq!(percent_decode(b"operator:%e"), None);
        assert_eq!(percent_decode(b"operator:%ff"), None);
    }

    #[tokio::test]
    async fn no_center_says_which_socket_was_tried() {
        let dir = tempfile::tempdir().unwrap();
        let client = OperatorClient::new(&dir.path().join("operator.sock"));
        let error = client
            .request("GET", "/v1/health", None, None)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("operator.sock"), "{error}");
    }

    #[test]
    fn a_refusal_is_shown_in_both_languages() {
        let body = br#"{"type":"x","title":"t","status":409,"code":"code-spent","detail":"used","detail_ja":"\u4f7f\u7528\u6e08\u307f"}"#;
        let error = read_answer(hyper::StatusCode::CONFLICT, Bytes::from_static(body)).unwrap_err();
        assert_eq!(error.code(), Some("code-spent"));
        let text = error.to_string();
        assert!(text.contains("used") && text.contains("使用済み"), "{text}");
    }
}
