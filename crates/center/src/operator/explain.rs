//! "Why can A (not) reach B?"

use crate::clock;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::ParticipantNumber;
use iryonet_policy::{Explanation, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Who, and what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Who would send.
    #[param(value_type = u32)]
    from: ParticipantNumber,
    /// A service number, or an endpoint as tcp:[2001:db8::1]:443.
    to: String,
}

/// The whole answer (`policy::Explanation`).
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the policy crate's type")]
pub(crate) struct ExplanationShape {
    /// Who asks.
    from: u32,
    /// For what, as it was asked.
    to: String,
    /// May its packets reach all of it?
    reachable: bool,
    /// The service that is asked for or stands at the endpoint.
    service: Option<ServiceFactsShape>,
    /// The open agreement of the two about it, in force or not.
    agreement: Option<AgreementFactsShape>,
    /// What each lock said about the first packet.
    checks: Vec<CheckShape>,
    /// All that stands in the way, what decides first. Empty when reachable.
    findings: Vec<FindingShape>,
    /// The answer in a sentence.
    english: String,
    /// The answer in a sentence.
    japanese: String,
}

/// A service, as far as an explanation names it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the policy crate's type")]
pub(crate) struct ServiceFactsShape {
    service: u32,
    name: String,
    provider: u32,
}

/// An agreement, as far as an explanation names it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the policy crate's type")]
pub(crate) struct AgreementFactsShape {
    agreement: u64,
    purpose: String,
    /// Milliseconds since 1970.
    from: u64,
    /// Milliseconds since 1970, not included.
    until: u64,
    /// Have both sides said yes?
    accepted: bool,
}

/// What one lock said.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the policy crate's type")]
pub(crate) struct CheckShape {
    endpoint: String,
    /// Nobody's when the participant has no line.
    gateway: Option<String>,
    /// line-in at the asking side, line-out at the other.
    hook: String,
    /// pass, or the reason as the gateway counts it.
    verdict: String,
}

/// One thing that stands in the way.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "only describes the policy crate's type")]
pub(crate) struct FindingShape {
    /// Stable word.
    code: String,
    english: String,
    japanese: String,
    /// Whom or what it is about, by kind.
    #[serde(flatten)]
    about: BTreeMap<String, Value>,
}

/// Tells whether one may reach the other, by which agreement or for want of
/// what; decided by the verdict that the gateways use.
#[utoipa::path(get, path = "/v1/explain", tag = "center", params(Asked), responses(
    (status = 200, body = ExplanationShape),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn explain(
    State(center): State<Arc<Center>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Explanation>, Problem> {
    let target: Target = asked.to.parse().map_err(|error| {
        Problem::bad_request(
            "bad-target",
            format!("{error}"),
            "到達先はサービス番号、または tcp:[アドレス]:ポート の形で指定してください。",
        )
    })?;
    let now = clock::now();
    center
        .with_policy(move |policy| Json(policy.model.explain(asked.from, target, now)))
        .await
}
