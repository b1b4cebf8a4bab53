//! The enrolment exchange with the center's public listener: a one-time code
//! and a certificate request go in, a certificate chain comes out.
//!
//! On a stream that the caller has opened, so that it holds inside TLS only:
//! who the center is was proved before a code is sent.

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use iryonet_domain::{DeviceId, GatewayId, NetworkPrefix, ParticipantNumber};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 10;

/// How long the center may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Ask<'a> {
    code: &'a str,
    csr: &'a str,
}

/// What the center gives to a machine that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Leaf first, then the issuing CA.
    pub certificate_chain_pem: String,
    /// For a site's device: of which participant.
    #[serde(default)]
    pub participant: Option<ParticipantNumber>,
    /// For a site's device: which one.
    #[serde(default)]
    pub device: Option<DeviceId>,
    /// For a gateway: its name.
    #[serde(default)]
    pub gateway: Option<GatewayId>,
    /// Public keys that sign the policy, uncompressed points, hexadecimal.
    #[serde(default)]
    pub policy_keys: Vec<String>,
    /// The network's prefix.
    pub network: NetworkPrefix,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
    #[serde(default)]
    detail_ja: String,
    #[serde(default)]
    code: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The center said no, and why.
    #[error("the center refused the enrolment ({code}): {text} {text_ja}")]
    Refused {
        /// Stable word.
        code: String,
        /// English.
        text: String,
        /// Japanese.
        text_ja: String,
    },
    /// The center answered without saying why.
    #[error("the center answered with status {0} and no explanation")]
    Status(u16),
    /// What came is no answer.
    #[error("the center's answer to the enrolment cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// Too large, or cut short.
    #[error("the center's answer did not come whole: {0}")]
    Body(String),
    /// The connection.
    #[error("the connection to the center broke during the enrolment")]
    Connection(#[from] hyper::Error),
    /// The request itself.
    #[error("the enrolment request could not be made")]
    Request(#[from] hyper::http::Error),
    /// Too slow.
    #[error("the center did not answer within {} seconds", PATIENCE.as_secs())]
    TooSlow,
}

/// Sends code and request, reads the answer.
///
/// # Errors
/// When the center refuses, or does not answer as it should. The code is spent
/// only when the center accepted.
pub async fn exchange<S>(stream: S, code: &str, csr_pem: &str) -> Result<Enrolled, EnrolError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::time::timeout(PATIENCE, exchange_in_time(stream, code, csr_pem))
        .await
        .unwrap_or(Err(EnrolError::TooSlow))
}

async fn exchange_in_time<S>(stream: S, code: &str, csr_pem: &str) -> Result<Enrolled, EnrolError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let worker = tokio::spawn(connection);
    let ask = serde_json::to_vec(&Ask { code, csr: csr_pem }).map_err(EnrolError::Unreadable)?;
    let request = Request::post("/v1/enrol")
        .header(hyper::header::HOST, "center")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .header(hyper::header::CONNECTION, "close")
        .body(Full::new(Bytes::from(ask)))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES)
        .collect()
        .await
        .map_err(|error| EnrolError::Body(error.to_string()))?
        .to_bytes();
    worker.abort();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(EnrolError::Unreadable);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if !problem.detail.is_empty() => Err(EnrolError::Refused {
            code: problem.code,
            text: problem.detail,
            text_ja: problem.detail_ja,
        }),
        _ => Err(EnrolError::Status(status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn center_that_answers(status: &str, body: &str) -> Result<Enrolled, EnrolError> {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let center = tokio::spawn(async move {
            let mut asked = Vec::new();
            while !String::from_utf8_lossy(&asked).contains("\"csr\"") {
                let mut some = [0; 1024];
                let n = theirs.read(&mut some).await.unwrap();
                asked.extend_from_slice(&some[..n]);
            }
            theirs.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let result = exchange(ours, "ABCDE-FGHJK", "csr").await;
        let asked = center.await.unwrap();
        assert!(asked.starts_with("POST /v1/enrol HTTP/1.1\r\n"));
        assert!(asked.contains("{\"code\":\"ABCDE-FGHJK\",\"csr\":\"csr\"}"));
        result
    }

    #[tokio::test]
    async fn an_accepted_machine_learns_who_it_is() {
        let enrolled = center_that_answers(
            "200 OK",
            r#"{"certificate_chain_pem":"PEM","participant":65537,"device":1,"policy_keys":[],"network":"2001:db8::/32","sequence":9}"#,
        )
        .await
        .unwrap();
        assert_eq!(enrolled.participant.unwrap().get(), 65537);
        assert_eq!(enrolled.gateway, None);
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_centers_words() {
        let error = center_that_answers(
            "403 Forbidden",
            r#"{"type":"about:blank","title":"x","status":403,"detail":"the code was used","detail_ja":"使用済みです","code":"code-spent"}"#,
        )
        .await
        .unwrap_err();
        assert!(
            matches!(&error, EnrolError::Refused { code, .. } if code == "code-spent"),
            "{error}"
        );
        assert!(error.to_string().contains("使用済みです"));
    }

    #[tokio::test]
    async fn rubbish_is_no_certificate() {
        assert!(matches!(
            center_that_answers("200 OK", "{}").await,
            Err(EnrolError::Unreadable(_))
        ));
        assert!(matches!(
            center_that_answers("502 Bad Gateway", "<html>").await,
            Err(EnrolError::Status(502))
        ));
    }
}
