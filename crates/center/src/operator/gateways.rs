//! ゲートウェイ.

use crate::http::actor::Acting;
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{GatewayId, UnixMillis};
use iryonet_registry::{Command, Gateway};
use iryonet_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A gateway to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGateway {
    /// Name, as gw-east-1.
    #[schema(value_type = String, example = "gw-east-1")]
    gateway: GatewayId,
    /// Its address on the backbone.
    #[schema(value_type = String, example = "2001:db8:0:1::11")]
    backbone: Ipv6Addr,
    /// Blocks of participant numbers that it is home to, 1 to 255.
    #[schema(value_type = Vec<u32>)]
    blocks: Vec<u8>,
}

/// A gateway is registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayRegistered {
    sequence: u64,
    #[schema(value_type = String)]
    gateway: GatewayId,
}

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayShown {
    #[schema(value_type = String)]
    gateway: GatewayId,
    /// Its address on the backbone.
    #[schema(value_type = String)]
    backbone: Ipv6Addr,
    /// Blocks that it is home to, ascending.
    #[schema(value_type = Vec<u32>)]
    blocks: Vec<u8>,
    /// Certificates that are valid now.
    certificates: Vec<GatewayCertificateShown>,
}

/// A valid certificate of a gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayCertificateShown {
    /// SHA-256 of the certificate, hexadecimal.
    fingerprint: String,
    /// When it ends, milliseconds since 1970.
    not_after: u64,
}

/// Gateways by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayList {
    gateways: Vec<GatewayShown>,
}

/// Lists all gateways.
#[utoipa::path(get, path = "/v1/gateways", tag = "gateways", responses(
    (status = 200, body = GatewayList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(State(center): State<Arc<Center>>) -> Result<Json<GatewayList>, Problem> {
    let now = crate::clock::now();
    let gateways = center
        .read(move |reader| {
            reader
                .gateways()?
                .into_iter()
                .map(|gateway| shown(reader, gateway, now))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(GatewayList { gateways }))
}

fn shown(
    reader: &dyn Reader,
    gateway: Gateway,
    now: UnixMillis,
) -> Result<GatewayShown, StoreError> {
    let certificates = reader
        .valid_gateway_certificates(&gateway.gateway, now)?
        .into_iter()
        .map(|certificate| GatewayCertificateShown {
            fingerprint: certificate.fingerprint.to_string(),
            not_after: certificate.not_after.0,
        })
        .collect();
    Ok(GatewayShown {
        gateway: gateway.gateway,
        backbone: gateway.backbone,
        blocks: gateway.blocks,
        certificates,
    })
}

/// Registers a gateway and gives it blocks of numbers.
#[utoipa::path(post, path = "/v1/gateways", tag = "gateways", request_body = NewGateway,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = GatewayRegistered),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn register(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewGateway>,
) -> Result<Json<GatewayRegistered>, Problem> {
    let gateway = wish.gateway.clone();
    let recorded = center
        .act(
            actor,
            Command::RegisterGateway {
                gateway: wish.gateway,
                backbone: wish.backbone,
                blocks: wish.blocks,
            },
        )
        .await?;
    Ok(Json(GatewayRegistered {
        sequence: recorded.sequence,
        gateway,
    }))
}
