//! 拠点.

use crate::http::actor::Acting;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::ParticipantNumber;
use iryonet_registry::{Command, Event};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A site to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSite {
    /// Name, as 本院, at most 120 characters.
    name: String,
    /// Which of the participant's /64s; the lowest free one if not said.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    site: Option<u8>,
}

/// Added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteAdded {
    sequence: u64,
    #[schema(value_type = u32)]
    participant: ParticipantNumber,
    /// Index within the participant.
    #[schema(value_type = u32)]
    site: u8,
    /// Its /64.
    prefix: String,
}

/// Adds a site to a participant.
#[utoipa::path(post, path = "/v1/participants/{number}/sites", tag = "participants",
    request_body = NewSite,
    params(
        ("number" = u32, Path, description = "Participant number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = SiteAdded),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn add(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(participant): Key<ParticipantNumber>,
    Body(wish): Body<NewSite>,
) -> Result<Json<SiteAdded>, Problem> {
    let recorded = center
        .act(
            actor,
            Command::AddSite {
                participant,
                site: wish.site,
                name: wish.name,
            },
        )
        .await?;
    let site = recorded.find("site-added", |event| match event {
        Event::SiteAdded { site, .. } => Some(*site),
        _ => None,
    })?;
    Ok(Json(SiteAdded {
        sequence: recorded.sequence,
        participant,
        site,
        prefix: center.config.network.site(participant, site).to_string(),
    }))
}
