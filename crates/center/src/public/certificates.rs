//! The CA's certificates and the revocation list.

use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// The issuing CA's certificate and the root's, PEM. Trust neither because it
/// came from here.
#[utoipa::path(get, path = "/v1/ca", tag = "public", responses(
    (status = 200, description = "Issuing CA first, then the root", body = String, content_type = "application/pem-certificate-chain"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn ca(State(center): State<Arc<Center>>) -> Response {
    let chain = format!(
        "{}{}",
        iryonet_authority::files::pem("CERTIFICATE", center.issuing.certificate()),
        center.issuing.root_pem()
    );
    (
        [(header::CONTENT_TYPE, "application/pem-certificate-chain")],
        chain,
    )
        .into_response()
}

/// The revocation list, DER (RFC 5280, section 5).
#[utoipa::path(get, path = "/v1/crl", tag = "public", responses(
    (status = 200, description = "The revocation list, DER", body = Vec<u8>, content_type = "application/pkix-crl"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn crl(State(center): State<Arc<Center>>) -> Response {
    let der = center.crl.borrow().der.clone();
    ([(header::CONTENT_TYPE, "application/pkix-crl")], der).into_response()
}
