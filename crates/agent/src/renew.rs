//! 更新: when a machine renews its certificate, and the exchange with the
//! center (EST, RFC 7030): the present certificate, proved by the TLS that the
//! caller opened, turns into the next one.
//!
//! Pure but for the stream: clock and random numbers are handed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::pem::LineEnding;
use der::{Decode, EncodePem};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use iryonet_domain::UnixMillis;
use serde::Deserialize;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 10;
/// How long the center may take for all of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// When to renew: at two thirds of the certificate's life, and from there
/// spread over a twelfth of it, so that what was enrolled on one day does not
/// come back in one hour. `random` is any number; drawn once, it keeps the
/// moment where it is.
#[must_use]
pub fn due(not_before: UnixMillis, not_after: UnixMillis, random: u64) -> UnixMillis {
    let life_ms = not_after.since_ms(not_before);
    let spread_ms = random % (life_ms / 12 + 1);
    not_before.plus_ms(life_ms / 3 * 2 + spread_ms)
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The center said no, and why.
    #[error("the center refused the renewal ({code}): {text} {text_ja}")]
    Refused {
        /// Stable word.
        code: String,
        /// English.
        text: String,
        /// Japanese.
        text_ja: String,
    },
    /// The center answered without saying why.
    #[error("the center answered the renewal with status {0} and no explanation")]
    Status(u16),
    /// What came is not what EST says.
    #[error("the center's answer to the renewal cannot be read: {0}")]
    Unreadable(String),
    /// The certificate's issuer is not among the CAs that the center told.
    #[error("the center did not tell the CA that signed the new certificate")]
    NoIssuer,
    /// The connection.
    #[error("the connection to the center broke during the renewal")]
    Connection(#[from] hyper::Error),
    /// The request itself.
    #[error("the renewal could not be asked for")]
    Request(#[from] hyper::http::Error),
    /// Too slow.
    #[error("the center did not answer within {} seconds", PATIENCE.as_secs())]
    TooSlow,
}

#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
    #[serde(default)]
    detail_ja: String,
    #[serde(default)]
    code: String,
}

/// Sends the request (PKCS#10, PEM) over a connection in which the present
/// certificate was proved; gives the new one with its issuing CA's, PEM.
///
/// # Errors
/// When the center refuses, or does not answer as it should. Asking again does
/// no harm: both certificates count.
pub async fn exchange<S>(stream: S, request_pem: &str) -> Result<String, RenewError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::time::timeout(PATIENCE, exchange_in_time(stream, request_pem))
        .await
        .unwrap_or(Err(RenewError::TooSlow))
}

async fn exchange_in_time<S>(stream: S, request_pem: &str) -> Result<String, RenewError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let worker = tokio::spawn(connection);
    let ask = Request::get("/.well-known/est/cacerts").header(header::HOST, "center");
    let authorities = certificates(&mut sender, ask.body(Full::default())?).await?;
    let body: String = request_pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .map(|line| format!("{}\r\n", line.trim()))
        .collect();
    let ask = Request::post("/.well-known/est/simplereenroll")
        .header(header::HOST, "center")
        .header(header::CONTENT_TYPE, "application/pkcs10")
        .header("content-transfer-encoding", "base64")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))?;
    let issued = certificates(&mut sender, ask).await?;
    worker.abort();
    let [leaf] = issued.as_slice() else {
        return Err(RenewError::Unreadable(format!(
            "{} certificates came; one is right",
            issued.len()
        )));
    };
    let issuer = authorities
        .iter()
        .find(|ca| is_issuer(ca, leaf))
        .ok_or(RenewError::NoIssuer)?;
    let pem = |certificate: &Certificate| {
        certificate
            .to_pem(LineEnding::LF)
            .map_err(|error| RenewError::Unreadable(error.to_string()))
    };
    Ok(format!("{}{}", pem(leaf)?, pem(issuer)?))
}

/// Did this CA issue it? By name and key identifier (RFC 5280 section 4.2.1.1):
/// while issuing CAs are rolled over, two of them may bear the same name.
fn is_issuer(ca: &Certificate, leaf: &Certificate) -> bool {
    let (ca, leaf) = (&ca.tbs_certificate, &leaf.tbs_certificate);
    let own: Option<SubjectKeyIdentifier> = ca.get().ok().flatten().map(|(_, found)| found);
    let wanted: Option<AuthorityKeyIdentifier> = leaf.get().ok().flatten().map(|(_, found)| found);
    let wanted = wanted.and_then(|found| found.key_identifier);
    ca.subject == leaf.issuer && wanted.is_none_or(|key| own.is_some_and(|own| own.0 == key))
}

async fn certificates(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Vec<Certificate>, RenewError> {
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES)
        .collect()
        .await
        .map_err(|error| RenewError::Unreadable(error.to_string()))?
        .to_bytes();
    if status == StatusCode::OK {
        return read(&body);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if !problem.detail.is_empty() => Err(RenewError::Refused {
            code: problem.code,
            text: problem.detail,
            text_ja: problem.detail_ja,
        }),
        _ => Err(RenewError::Status(status.as_u16())),
    }
}

/// Certificates out of a certs-only PKCS#7 in base64.
fn read(body: &[u8]) -> Result<Vec<Certificate>, RenewError> {
    let unreadable = |error: &dyn std::fmt::Display| RenewError::Unreadable(error.to_string());
    let packed: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = STANDARD.decode(packed).map_err(|e| unreadable(&e))?;
    let data: SignedData = ContentInfo::from_der(&der)
        .and_then(|info| info.content.decode_as())
        .map_err(|e| unreadable(&e))?;
    let set = data.certificates.map(|set| set.0.into_vec());
    set.unwrap_or_default()
        .into_iter()
        .map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Ok(certificate),
            CertificateChoices::Other(_) => Err(unreadable(&"it holds what is no certificate")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn renewals_are_spread_over_the_time_after_two_thirds_of_the_life(
            begins in 0u64..2_000_000_000_000, life in 60_000u64..63_072_000_000, random: u64,
        ) {
            let (begins, ends) = (UnixMillis(begins), UnixMillis(begins + life));
            let due = due(begins, ends, random);
            prop_assert!(due.since_ms(begins) >= life / 3 * 2);
            // A sixth of the life is left at the least: for failures, holidays, and people.
            prop_assert!(ends.since_ms(due) >= life / 6);
        }

        #[test]
        fn no_answer_brings_it_down(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&body);
        }
    }

    #[test]
    fn a_nation_does_not_renew_at_once() {
        let (begins, ends) = (UnixMillis(0), UnixMillis(365 * 86_400_000));
        let mut days = std::collections::BTreeMap::new();
        for place in 0..600_000_u64 {
            // As good as chance here: a full-period step through the numbers.
            let random = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let day = due(begins, ends, random).0 / 86_400_000;
            *days.entry(day).or_insert(0_u32) += 1;
        }
        // Thirty days and some, none with more than its share and a tenth.
        assert!(days.len() >= 30, "{}", days.len());
        assert!(days.values().all(|count| *count < 600_000 / 30 * 11 / 10));
    }
}
