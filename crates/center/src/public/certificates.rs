//! The CAs' certificates, their revocation lists and their OCSP responders:
//! all of it signed, so that it matters little where it comes from.

use crate::http::input::read_body;
use crate::http::problem::Problem;
use crate::state::{Center, blocking};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iryonet_authority::ocsp::{self, Failure, Status};
use iryonet_authority::{Revoked, Serial};
use std::sync::{Arc, PoisonError};

/// The issuing CAs' certificates and the roots', PEM. Trust none of them
/// because it came from here.
#[utoipa::path(get, path = "/v1/ca", tag = "public", responses(
    (status = 200, description = "The issuing CA, older ones, then the roots", body = String, content_type = "application/pem-certificate-chain"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn ca(State(center): State<Arc<Center>>) -> Response {
    let mut chain: String = center.authorities.all().iter().map(|ca| ca.pem()).collect();
    for root in center.authorities.roots() {
        chain.push_str(&iryonet_authority::files::pem("CERTIFICATE", root));
    }
    (
        [(header::CONTENT_TYPE, "application/pem-certificate-chain")],
        chain,
    )
        .into_response()
}

/// The revocation list of the current issuing CA's first shard, DER (RFC 5280,
/// section 5): the only one, as long as there is one issuing CA and one shard.
#[utoipa::path(get, path = "/v1/crl", tag = "public", responses(
    (status = 200, description = "The revocation list, DER", body = Vec<u8>, content_type = "application/pkix-crl"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn crl(State(center): State<Arc<Center>>) -> Result<Response, Problem> {
    list(&center, (0, 0))
}

/// The revocation list of one shard of one issuing CA, DER.
#[utoipa::path(get, path = "/v1/crl/{issuer}/{shard}", tag = "public",
    params(
        ("issuer" = String, Path, description = "The issuing CA's key identifier, hexadecimal"),
        ("shard" = u16, Path, description = "The shard's number"),
    ),
    responses(
        (status = 200, description = "The revocation list, DER", body = Vec<u8>, content_type = "application/pkix-crl"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn crl_of(
    State(center): State<Arc<Center>>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Problem> {
    let Path((issuer, shard)) = path.map_err(|_| no_list())?;
    // Files are often named so where lists are kept.
    let shard = shard.strip_suffix(".crl").unwrap_or(&shard);
    let shard: u16 = shard.parse().map_err(|_| no_list())?;
    let place = center
        .authorities
        .all()
        .iter()
        .position(|ca| hex::encode(ca.key_id()) == issuer.to_ascii_lowercase())
        .ok_or_else(no_list)?;
    list(&center, (place, shard))
}

fn list(center: &Center, id: crate::tasks::crl::ListId) -> Result<Response, Problem> {
    let der = center
        .lists
        .borrow()
        .get(&id)
        .map(|list| list.der.clone())
        .ok_or_else(no_list)?;
    Ok(([(header::CONTENT_TYPE, "application/pkix-crl")], der).into_response())
}

fn no_list() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-list",
        "there is no revocation list of this issuing CA and shard",
        "指定された発行局・シャードの失効リストはありません。",
    )
}

/// OCSP (RFC 6960, appendix A): the status of certificates, signed.
#[utoipa::path(post, path = "/v1/ocsp", tag = "public",
    request_body(content = Vec<u8>, content_type = "application/ocsp-request"),
    responses(
        (status = 200, description = "An OCSP response, DER; a refusal is one too", body = Vec<u8>, content_type = "application/ocsp-response"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn ocsp(
    State(center): State<Arc<Center>>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_body(request, ocsp::REQUEST_LIMIT).await?;
    answer(&center, body.to_vec()).await
}

/// OCSP by GET: the question in base64, percent-encoded, in the path.
#[utoipa::path(get, path = "/v1/ocsp/{request}", tag = "public",
    params(("request" = String, Path, description = "The OCSP request, DER in base64")),
    responses(
        (status = 200, description = "An OCSP response, DER; a refusal is one too", body = Vec<u8>, content_type = "application/ocsp-response"),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn ocsp_in_path(
    State(center): State<Arc<Center>>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Problem> {
    let decoded = path.ok().and_then(|Path(text)| STANDARD.decode(text).ok());
    match decoded {
        Some(der) => answer(&center, der).await,
        None => Ok(response(Failure::MalformedRequest.to_der())),
    }
}

async fn answer(center: &Arc<Center>, der: Vec<u8>) -> Result<Response, Problem> {
    let request = match ocsp::Request::parse(&der) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%error, "an OCSP request was not read");
            return Ok(response(Failure::MalformedRequest.to_der()));
        }
    };
    // One answer is one issuing CA's word.
    let places: Vec<Option<usize>> = request
        .certificates
        .iter()
        .map(|id| center.authorities.asked_of(id))
        .collect();
    let Some(place) = places.iter().find_map(|place| *place) else {
        return Ok(response(Failure::Unauthorized.to_der()));
    };
    let Some(responder) = center.authorities.responder(place) else {
        return Ok(response(Failure::TryLater.to_der()));
    };
    let serials: Vec<Option<Serial>> = request
        .certificates
        .iter()
        .zip(&places)
        .map(|(id, found)| {
            let serial = id.serial().filter(|_| *found == Some(place))?;
            // A serial number names its issuer: under another one it is unknown.
            (center.authorities.issuer_of(&serial) == Some(place)).then_some(serial)
        })
        .collect();
    let statuses = match statuses(center, serials).await {
        Ok(statuses) => statuses,
        Err(_) => return Ok(response(Failure::TryLater.to_der())),
    };
    let validity_ms = center.config.ocsp_validity_s * 1_000;
    let signed = blocking(move || {
        let now = crate::clock::now();
        responder.answer(&request, &statuses, now, now.plus_ms(validity_ms))
    })
    .await?;
    Ok(response(signed.unwrap_or_else(|error| {
        tracing::error!(error = %crate::http::problem::chain(&error), "an OCSP answer was not signed");
        Failure::InternalError.to_der()
    })))
}

/// Known to be revoked as soon as the ledger says so; issued when the registry
/// knows the serial number; unknown otherwise.
async fn statuses(
    center: &Arc<Center>,
    serials: Vec<Option<Serial>>,
) -> Result<Vec<Status>, Problem> {
    let revoked: Vec<Option<Revoked>> = {
        let taken_back = center
            .taken_back
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        serials
            .iter()
            .map(|serial| serial.and_then(|serial| taken_back.get(&serial).copied()))
            .collect()
    };
    center
        .read(move |reader| {
            let mut statuses = Vec::with_capacity(serials.len());
            for (serial, revoked) in serials.iter().zip(&revoked) {
                statuses.push(match (serial, revoked) {
                    (_, Some(revoked)) => Status::Revoked(*revoked),
                    (Some(serial), None) => {
                        let recorded = iryonet_registry::Serial::from_octets(serial.as_bytes())
                            .map_err(iryonet_store::StoreError::given_up)?;
                        if reader.serial_is_used(&recorded)? {
                            Status::Good
                        } else {
                            Status::Unknown
                        }
                    }
                    (None, None) => Status::Unknown,
                });
            }
            Ok(statuses)
        })
        .await
}

fn response(der: Vec<u8>) -> Response {
    (
        [
            (header::CONTENT_TYPE, "application/ocsp-response"),
            // Fresh or not at all: a cache between would outlive a revocation.
            (header::CACHE_CONTROL, "no-store"),
        ],
        der,
    )
        .into_response()
}
