//! EST (RFC 7030) for routers and agents that speak it: the CA's certificates,
//! enrolment with a one-time code, renewal with the present certificate.
//!
//! All of it is on the public listener, since a router is given one EST server
//! and not two, and since nothing more than the relay's one port has then to
//! pass a line that is not bound yet. That listener asks for a client
//! certificate and does not insist; this file alone looks at one, for
//! `simplereenroll`, and asks the registry about it each time. The feed's
//! listener stays the gateways' alone.
//!
//! Of a request only the key is used, here as everywhere: whom a certificate
//! is for comes from the code, or from the certificate that was proved.

use super::enrol::code_hash;
use crate::http::input::read_body;
use crate::http::problem::Problem;
use crate::http::serve::PublicPeer;
use crate::issuance::{self, Denied, Right};
use crate::state::{Center, refusal_problem};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iryonet_authority::{Csr, pkcs7};
use iryonet_domain::Identity;
use iryonet_registry::enrolment::Subject;
use std::sync::Arc;

/// Largest body, in bytes: a request of 16 KiB in base64 with line feeds.
const BODY_MAX_BYTES: usize = 24 << 10;
/// Most bytes of a Basic header.
const BASIC_MAX_BYTES: usize = 512;

/// The issuing CAs' and the roots' certificates (PKCS#7, base64). Trust none of
/// them because it came from here.
#[utoipa::path(get, path = "/.well-known/est/cacerts", tag = "public", responses(
    (status = 200, description = "RFC 7030 section 4.1: certs-only PKCS#7, base64", body = String, content_type = "application/pkcs7-mime"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn cacerts(State(center): State<Arc<Center>>) -> Response {
    let issuing = center.authorities.all().iter().map(|ca| ca.certificate());
    let certificates: Vec<&[u8]> = issuing
        .chain(center.authorities.roots())
        .map(AsRef::as_ref)
        .collect();
    certs_only("application/pkcs7-mime", &certificates)
}

/// 登録: a one-time code (HTTP Basic: the participant's number or the gateway's
/// name, and the code) and a request turn into a certificate.
#[utoipa::path(post, path = "/.well-known/est/simpleenroll", tag = "public",
    params(("authorization" = Option<String>, Header, description = "Basic (RFC 7617): number or gateway, and the enrolment code")),
    request_body(content = String, content_type = "application/pkcs10", description = "PKCS#10, base64"),
    responses(
        (status = 200, description = "RFC 7030 section 4.2.3: the certificate, certs-only PKCS#7, base64", body = String, content_type = "application/pkcs7-mime; smime-type=certs-only"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn simpleenroll(
    State(center): State<Arc<Center>>,
    Extension(PublicPeer { address: peer, .. }): Extension<PublicPeer>,
    request: Request,
) -> Result<Response, Response> {
    issuance::within_rate(&center, peer.ip()).map_err(refused)?;
    let (subject, password) = credentials(request.headers()).map_err(unauthorised)?;
    let code_hash = code_hash(&password).map_err(unauthorised)?;
    let csr = csr(request).await.map_err(refused)?;
    // A code that is another's is no code: it is not spent by a slip.
    let hash = code_hash.clone();
    let known = center
        .read(move |reader| Ok(reader.enrolment_code(&hash)?))
        .await
        .map_err(refused)?;
    if known.is_some_and(|known| known.subject != subject) {
        tracing::warn!(%peer, %subject, "an enrolment code was shown for another subject");
        return Err(unauthorised(another_subject()));
    }
    match issuance::take(&center, Right::Code(code_hash), csr, peer.ip()).await {
        Ok(taken) => {
            tracing::info!(identity = %taken.issued.identity, fingerprint = %taken.issued.fingerprint, %peer, "enrolled over EST");
            Ok(enrolled(&taken.issued.der))
        }
        Err(Denied::Problem(problem)) => Err(refused(problem)),
        Err(Denied::Refused { refusal, recorded }) => {
            tracing::warn!(code = refusal.code(), %peer, recorded = recorded.is_some(), "an enrolment was refused");
            let problem = refusal_problem(&refusal);
            Err(unauthorised(match recorded {
                Some(sequence) => problem.recorded(sequence),
                None => problem,
            }))
        }
    }
}

/// 更新: the holder of a certificate that counts gets the next one, from the
/// middle of its life on. The certificate is the client's in this very
/// connection.
#[utoipa::path(post, path = "/.well-known/est/simplereenroll", tag = "public",
    request_body(content = String, content_type = "application/pkcs10", description = "PKCS#10, base64"),
    responses(
        (status = 200, description = "RFC 7030 section 4.2.3: the certificate, certs-only PKCS#7, base64", body = String, content_type = "application/pkcs7-mime; smime-type=certs-only"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn simplereenroll(
    State(center): State<Arc<Center>>,
    Extension(peer): Extension<PublicPeer>,
    request: Request,
) -> Result<Response, Response> {
    let PublicPeer { address, proof } = peer;
    issuance::within_rate(&center, address.ip()).map_err(refused)?;
    let proof = proof.ok_or_else(|| refused(no_certificate()))?;
    let right = match &proof.identity {
        Identity::Participant { number, device } => Right::Device {
            participant: *number,
            device: *device,
            fingerprint: proof.fingerprint,
        },
        Identity::Gateway(gateway) => Right::Gateway {
            gateway: gateway.clone(),
            fingerprint: proof.fingerprint,
        },
        Identity::Center(_) => return Err(refused(no_certificate())),
    };
    let csr = csr(request).await.map_err(refused)?;
    match issuance::take(&center, right, csr, address.ip()).await {
        Ok(taken) => {
            tracing::info!(identity = %taken.issued.identity, fingerprint = %taken.issued.fingerprint, before = %proof.fingerprint, "renewed over EST");
            Ok(enrolled(&taken.issued.der))
        }
        Err(Denied::Problem(problem)) => Err(refused(problem)),
        Err(Denied::Refused { refusal, recorded }) => {
            tracing::warn!(code = refusal.code(), identity = %proof.identity, fingerprint = %proof.fingerprint, "a renewal was refused");
            let problem = refusal_problem(&refusal).with_status(StatusCode::FORBIDDEN);
            Err(refused(match recorded {
                Some(sequence) => problem.recorded(sequence),
                None => problem,
            }))
        }
    }
}

/// RFC 7030 section 4.2.3: only the certificate itself; who signed it is in
/// `cacerts`.
fn enrolled(der: &[u8]) -> Response {
    certs_only("application/pkcs7-mime; smime-type=certs-only", &[der])
}

fn certs_only(content_type: &'static str, certificates: &[&[u8]]) -> Response {
    let body = STANDARD.encode(pkcs7::certs_only(certificates));
    // Lines of 76 characters (RFC 2045 section 6.8): some clients read no longer ones.
    let mut lines = String::with_capacity(body.len() + body.len() / 76 + 1);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(76));
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = tail;
    }
    (
        [
            (header::CONTENT_TYPE, content_type),
            (
                header::HeaderName::from_static("content-transfer-encoding"),
                "base64",
            ),
        ],
        lines,
    )
        .into_response()
}

/// Who says to be asking, and the code.
fn credentials(headers: &HeaderMap) -> Result<(Subject, String), Problem> {
    let wanted = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "credentials-wanted",
            "HTTP Basic is wanted: the participant's number or the gateway's name as user, the enrolment code as password",
            "HTTP Basic 認証が必要です。ユーザー名に参加者番号（またはゲートウェイ名）、パスワードに登録コードを指定してください。",
        )
    };
    let value = headers
        .get(header::AUTHORIZATION)
        .filter(|value| value.len() <= BASIC_MAX_BYTES)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(wanted)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(wanted)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wanted());
    }
    let text = STANDARD
        .decode(token.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(wanted)?;
    let (user, password) = text.split_once(':').ok_or_else(wanted)?;
    // A gateway's name may be all digits no more than a number may be a name.
    let subject = match user.parse() {
        Ok(number) => Subject::Participant(number),
        Err(_) => Subject::Gateway(user.parse().map_err(|_| wanted())?),
    };
    Ok((subject, password.to_owned()))
}

/// The body as a request: base64 of DER (RFC 8951 section 3.1: whatever the
/// Content-Transfer-Encoding says), or DER or PEM as some clients send.
async fn csr(request: Request) -> Result<Csr, Problem> {
    let is_pkcs10 = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            let essence = text.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/pkcs10")
        });
    if !is_pkcs10 {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-pkcs10",
            "the body must be application/pkcs10 (RFC 7030 section 4.2.1)",
            "本文は application/pkcs10 でなければなりません。",
        ));
    }
    let body = read_body(request, BODY_MAX_BYTES).await?;
    if matches!(body.first(), Some(0x30 | b'-')) {
        return issuance::read_request(body.to_vec()).await;
    }
    let packed: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = STANDARD.decode(packed).map_err(|error| {
        Problem::bad_request(
            "malformed-base64",
            format!("the body is not base64 of a PKCS#10 request: {error}"),
            format!("本文が PKCS#10 の base64 ではありません: {error}"),
        )
    })?;
    issuance::read_request(der).await
}

fn another_subject() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "code-of-another",
        "this enrolment code is not for the user that was named",
        "この登録コードは、指定された参加者（ゲートウェイ）のものではありません。",
    )
}

fn no_certificate() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "certificate-wanted",
        "a renewal is asked for with the present certificate: show it as the TLS client certificate",
        "更新には現在の証明書が必要です。TLS クライアント証明書として提示してください。",
    )
}

fn refused(problem: Problem) -> Response {
    problem.into_response()
}

/// RFC 7030 section 3.2.3: the client is told how to authenticate.
fn unauthorised(problem: Problem) -> Response {
    let mut response = problem
        .with_status(StatusCode::UNAUTHORIZED)
        .into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"iryonet EST\", charset=\"UTF-8\""),
    );
    response
}
