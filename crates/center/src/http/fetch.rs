//! Asking a server that is no member of the network, over HTTPS: one request,
//! one connection, no redirect followed, and nothing of it unbounded.
//!
//! It must not know what is asked for.

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use iryonet_tls::NamedConnector;
use std::time::Duration;

/// How long one may take in all: name, connection, handshake and answer.
pub(crate) const FETCH_MAX: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 10;

/// What is sent along.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// Nothing: it is only asked for.
    Nothing,
    /// A form (application/x-www-form-urlencoded), with this in `Authorization`.
    Form {
        body: &'a str,
        authorization: Option<&'a str>,
    },
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0:?} is no address under https")]
    Address(String),
    #[error("{host} cannot be reached")]
    Connect {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{host} is not trusted, or speaks no TLS that is taken here")]
    Tls {
        host: String,
        #[source]
        source: iryonet_tls::HandshakeError,
    },
    #[error("the connection to {host} broke before it had answered, or the answer is too large")]
    Broken {
        host: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{address} did not answer within {} s", FETCH_MAX.as_secs())]
    Silent { address: String },
}

/// One request, and its answer.
pub(crate) async fn fetch(
    connector: &NamedConnector,
    address: &str,
    sent: Sent<'_>,
) -> Result<(StatusCode, Bytes), FetchError> {
    tokio::time::timeout(FETCH_MAX, one(connector, address, sent))
        .await
        .map_err(|_| FetchError::Silent {
            address: address.to_owned(),
        })?
}

async fn one(
    connector: &NamedConnector,
    address: &str,
    sent: Sent<'_>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let no_address = || FetchError::Address(address.chars().take(200).collect());
    let uri: Uri = address.parse().map_err(|_| no_address())?;
    let authority = uri
        .authority()
        .filter(|_| uri.scheme_str() == Some("https"))
        .ok_or_else(no_address)?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| FetchError::Broken {
        host: host.clone(),
        source,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = hyper::Request::builder()
        .uri(path)
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close");
    let body = match sent {
        Sent::Nothing => Bytes::new(),
        Sent::Form {
            body,
            authorization,
        } => {
            request = request
                .method("POST")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            Bytes::from(body.to_owned())
        }
    };
    let request = request
        .body(Full::new(body))
        .map_err(|error| broken(error.into()))?;
    let stream = tokio::net::TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|source| FetchError::Connect {
            host: host.clone(),
            source,
        })?;
    let stream = connector
        .connect(&host, stream)
        .await
        .map_err(|source| FetchError::Tls {
            host: host.clone(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.into()))?;
    let driver = AbortOnDrop(tokio::spawn(async move {
        // What ends it is told to whoever waits for the answer.
        let _ = connection.await;
    }));
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| broken(error.into()))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES)
        .collect()
        .await
        .map_err(broken)?
        .to_bytes();
    drop(driver);
    Ok((status, body))
}

/// Ends the connection's task with whoever waits for it, also when time is up.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
