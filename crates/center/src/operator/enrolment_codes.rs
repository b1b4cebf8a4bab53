//! Enrolment codes: shown once, kept nowhere but as their hash.

use crate::http::actor::Acting;
use crate::http::idempotency;
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_authority::EnrolmentCode;
use iryonet_registry::enrolment::Subject;
use iryonet_registry::{CodeHash, Command};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A code to be handed out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCode {
    /// For whom.
    #[schema(value_type = CodeSubject)]
    subject: Subject,
    /// How long it may be used, in hours; 72 if not said, at most 720.
    #[serde(default = "three_days")]
    valid_hours: u32,
}

fn three_days() -> u32 {
    72
}

/// For whom a code is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[allow(dead_code, reason = "only describes the registry's type")]
pub(crate) enum CodeSubject {
    /// A device of this participant.
    Participant(u32),
    /// This gateway.
    Gateway(String),
}

/// The code. This is the only time that it can be seen.
#[derive(Serialize, ToSchema)]
pub(crate) struct CodeIssued {
    sequence: u64,
    /// XXXXX-XXXXX-XXXXX-XXXXX-X
    code: String,
    /// First millisecond (since 1970) at which it is no longer taken.
    expires_at: u64,
}

/// Hands out an enrolment code.
#[utoipa::path(post, path = "/v1/enrolment-codes", tag = "enrolment", request_body = NewCode,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = CodeIssued),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn issue(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewCode>,
) -> Result<Json<CodeIssued>, Problem> {
    let code = EnrolmentCode::draw(&mut rand::rng());
    let code_hash = CodeHash::try_from(code.hash()).map_err(|error| Problem::internal(&error))?;
    let expires_at = crate::clock::now().plus_ms(u64::from(wish.valid_hours) * 3_600_000);
    let recorded = center
        .act(
            actor,
            Command::IssueEnrolmentCode {
                subject: wish.subject,
                code_hash,
                expires_at,
            },
        )
        .await?;
    if recorded.again {
        return Err(idempotency::shown_before(recorded.sequence));
    }
    Ok(Json(CodeIssued {
        sequence: recorded.sequence,
        code: code.reveal(),
        expires_at: expires_at.0,
    }))
}
