//! The device listener: mutual TLS, gateways only, the policy feed and nothing
//! else. It must not know operators or applicants.

pub(crate) mod acknowledgements;
pub(crate) mod deltas;
pub(crate) mod sessions;
pub(crate) mod snapshot;

use crate::http::problem::Problem;
use crate::state::Center;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use iryonet_domain::{Fingerprint, GatewayId, Identity};
use iryonet_tls::PeerProof;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All paths of the device listener, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(snapshot::snapshot))
        .routes(routes!(deltas::deltas))
        .routes(routes!(acknowledgements::acknowledge))
}

/// A gateway whose certificate counts in the registry at this moment.
#[derive(Debug, Clone)]
pub(crate) struct ProvedGateway {
    pub(crate) gateway: GatewayId,
    fingerprint: Fingerprint,
}

impl FromRequestParts<Arc<Center>> for ProvedGateway {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, center: &Arc<Center>) -> Result<Self, Problem> {
        let proof = parts
            .extensions
            .get::<Arc<PeerProof>>()
            .ok_or_else(not_a_gateway)?;
        let Identity::Gateway(gateway) = &proof.identity else {
            return Err(not_a_gateway());
        };
        let proved = Self {
            gateway: gateway.clone(),
            fingerprint: proof.fingerprint,
        };
        proved.check(center).await?;
        center.sessions.seen(&proved.gateway, crate::clock::now());
        Ok(proved)
    }
}

impl ProvedGateway {
    /// Asked again after every wait: a revoked certificate gets nothing more.
    pub(crate) async fn check(&self, center: &Arc<Center>) -> Result<(), Problem> {
        let (gateway, fingerprint) = (self.gateway.clone(), self.fingerprint);
        let now = crate::clock::now();
        let counts = center
            .read(move |reader| {
                Ok(reader
                    .gateway_certificate(fingerprint)?
                    .is_some_and(|known| known.gateway == gateway && known.is_valid_at(now)))
            })
            .await?;
        if counts {
            Ok(())
        } else {
            tracing::warn!(gateway = %self.gateway, fingerprint = %self.fingerprint, "a gateway certificate that does not count was shown");
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "certificate-does-not-count",
                "this certificate is revoked, has run out, or is not registered; enrol the gateway anew",
                "この証明書は失効済み、期限切れ、または未登録です。ゲートウェイを再登録してください。",
            ))
        }
    }
}

fn not_a_gateway() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-a-gateway",
        "the policy feed is for gateways; this certificate proves none",
        "ポリシー配布はゲートウェイ専用です。この証明書はゲートウェイのものではありません。",
    )
}

/// Sealed bytes.
fn sealed(envelope: Vec<u8>) -> Response {
    (
        [(axum::http::header::CONTENT_TYPE, "application/octet-stream")],
        envelope,
    )
        .into_response()
}
