//! 台帳: reading the record of every act.

use super::Page;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_ledger::{Entry, Outcome};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// Ledger entries by sequence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryList {
    entries: Vec<EntryShown>,
}

/// One act, as it is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryShown {
    sequence: u64,
    /// Milliseconds since 1970.
    at: u64,
    /// role:name
    actor: String,
    /// What was asked.
    #[schema(value_type = Object)]
    command: Value,
    /// Was it done?
    accepted: bool,
    /// What it brought about.
    #[schema(value_type = Vec<Object>)]
    events: Value,
    /// Why not: the stable word.
    refusal: Option<String>,
    /// Why not: what was wrong and what would have been right.
    refusal_text: Option<String>,
    /// Hash of the entry before, hexadecimal.
    previous: String,
    /// Hash of this entry, hexadecimal.
    hash: String,
}

/// Lists ledger entries by sequence.
#[utoipa::path(get, path = "/v1/ledger", tag = "ledger", params(Page), responses(
    (status = 200, body = EntryList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn entries(
    State(center): State<Arc<Center>>,
    Query(page): Query<Page>,
) -> Result<Json<EntryList>, Problem> {
    let Some(from) = page.after.checked_add(1) else {
        return Ok(Json(EntryList {
            entries: Vec::new(),
        }));
    };
    let entries = center
        .read(move |reader| reader.entries(from, page.rows()))
        .await?
        .into_iter()
        .map(shown)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(EntryList { entries }))
}

fn shown(entry: Entry) -> Result<EntryShown, serde_json::Error> {
    let (accepted, events, refusal, refusal_text) = match entry.outcome {
        Outcome::Accepted { events } => (true, serde_json::from_str(&events)?, None, None),
        Outcome::Refused { code, text } => {
            (false, Value::Array(Vec::new()), Some(code), Some(text))
        }
    };
    Ok(EntryShown {
        sequence: entry.sequence,
        at: entry.at.0,
        actor: entry.actor.to_string(),
        command: serde_json::from_str(&entry.command)?,
        accepted,
        events,
        refusal,
        refusal_text,
        previous: entry.previous.to_string(),
        hash: entry.hash.to_string(),
    })
}
