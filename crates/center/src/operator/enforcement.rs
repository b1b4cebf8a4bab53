//! "Enforced everywhere?" is a query.

use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::GatewayId;
use iryonet_policy::Since;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Of which revision.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Of {
    /// The `sequence` that an act was answered with; the latest if not said.
    #[serde(default, deserialize_with = "super::maybe_number")]
    revision: Option<u64>,
}

/// What each gateway enforces.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enforcement {
    /// The revision that was asked about.
    revision: u64,
    /// The latest revision on its way to the gateways.
    published: u64,
    /// Does every gateway that holds a valid certificate enforce `revision`?
    /// (A gateway without one carries no traffic.)
    enforced_everywhere: bool,
    /// By name.
    gateways: Vec<GatewayEnforcement>,
}

/// What one gateway enforces.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayEnforcement {
    #[schema(value_type = String)]
    gateway: GatewayId,
    /// Has it a certificate that is valid now?
    certified: bool,
    /// The revision that it acknowledged last, since this center's start.
    acknowledged_revision: Option<u64>,
    /// The revision that it thereby enforces: revisions that do not concern it
    /// are never sent, and need no acknowledgement.
    enforced_revision: Option<u64>,
    /// Does it enforce the revision that was asked about?
    enforced: bool,
    /// Milliseconds since its last acknowledgement.
    age_ms: Option<u64>,
    /// Lines bound when it acknowledged.
    bound_lines: Option<u32>,
    /// Milliseconds since it last asked for anything.
    seen_ms_ago: Option<u64>,
}

/// Tells which revision each gateway enforces.
#[utoipa::path(get, path = "/v1/enforcement", tag = "center", params(Of), responses(
    (status = 200, body = Enforcement),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn enforcement(
    State(center): State<Arc<Center>>,
    Query(of): Query<Of>,
) -> Result<Json<Enforcement>, Problem> {
    let now = crate::clock::now();
    let certified: Vec<(GatewayId, bool)> = center
        .read(move |reader| {
            reader
                .gateways()?
                .into_iter()
                .map(|gateway| {
                    let valid = reader.valid_gateway_certificates(&gateway.gateway, now)?;
                    Ok((gateway.gateway, !valid.is_empty()))
                })
                .collect()
        })
        .await?;
    let sessions = center.sessions.all();
    let answer = center
        .with_policy(move |policy| {
            let published = policy.model.revision();
            let revision = of.revision.unwrap_or(published);
            let gateways: Vec<GatewayEnforcement> = certified
                .into_iter()
                .map(|(gateway, certified)| {
                    let session = sessions.get(&gateway);
                    let acknowledged = session.and_then(|session| session.acknowledged);
                    let enforced_revision = acknowledged.map(|known| {
                        match policy.log.since(&gateway, known.revision) {
                            Since::UpToDate => published,
                            Since::Changes { .. } | Since::TooOld => known.revision,
                        }
                    });
                    GatewayEnforcement {
                        certified,
                        acknowledged_revision: acknowledged.map(|known| known.revision),
                        enforced_revision,
                        enforced: enforced_revision.is_some_and(|known| known >= revision),
                        age_ms: acknowledged.map(|known| now.since_ms(known.at)),
                        bound_lines: acknowledged.map(|known| known.bound_lines),
                        seen_ms_ago: session.map(|session| now.since_ms(session.seen_at)),
                        gateway,
                    }
                })
                .collect();
            Enforcement {
                revision,
                published,
                enforced_everywhere: gateways
                    .iter()
                    .all(|gateway| gateway.enforced || !gateway.certified),
                gateways,
            }
        })
        .await?;
    Ok(Json(answer))
}
