//! 回線.

use super::Done;
use super::participants::Nothing;
use crate::http::actor::Acting;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{Circuit, GatewayId, LineId, LineKind, ParticipantNumber};
use iryonet_registry::{Command, Event};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A line to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// Index of the site that it serves.
    #[schema(value_type = u32)]
    site: u8,
    /// By what access: ethernet.
    #[serde(default = "ethernet")]
    #[schema(value_type = String, example = "ethernet")]
    kind: LineKind,
    /// The gateway that ends it.
    #[schema(value_type = String)]
    gateway: GatewayId,
    /// The attachment circuit's interface there, 1 to 15 characters.
    interface: String,
}

fn ethernet() -> LineKind {
    LineKind::Ethernet
}

/// Added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineAdded {
    sequence: u64,
    /// The line's number.
    line: u32,
}

/// Adds a line to a site.
#[utoipa::path(post, path = "/v1/participants/{number}/lines", tag = "participants",
    request_body = NewLine,
    params(
        ("number" = u32, Path, description = "Participant number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = LineAdded),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn add(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(participant): Key<ParticipantNumber>,
    Body(wish): Body<NewLine>,
) -> Result<Json<LineAdded>, Problem> {
    let recorded = center
        .act(
            actor,
            Command::AddLine {
                participant,
                site: wish.site,
                kind: wish.kind,
                circuit: Circuit {
                    gateway: wish.gateway,
                    interface: wish.interface,
                },
            },
        )
        .await?;
    let line = recorded.find("line-added", |event| match event {
        Event::LineAdded { line, .. } => Some(*line),
        _ => None,
    })?;
    Ok(Json(LineAdded {
        sequence: recorded.sequence,
        line: line.0,
    }))
}

/// Takes a line away; its circuit is free again.
#[utoipa::path(post, path = "/v1/lines/{line}/remove", tag = "participants",
    request_body = Nothing,
    params(
        ("line" = u32, Path, description = "Line number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn remove(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(line): Key<u32>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Done>, Problem> {
    center
        .act(actor, Command::RemoveLine { line: LineId(line) })
        .await
        .map(|recorded| Json(recorded.done()))
}
