//! 経過: what became of a participant, as the ledger tells it. The staff read every
//! word; its officer reads what happened, and the staff by their duty.

use crate::http::actor::Reach;
use crate::http::input::{Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{Actor, ParticipantNumber, Role};
use iryonet_registry::Topic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A step of a history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryStep {
    /// Ledger entry in which it stands.
    sequence: u64,
    /// Place within that entry.
    place: u32,
    /// Milliseconds since 1970.
    at: u64,
    by: String,
    /// What happened, as participant-code-changed.
    event: String,
    /// All that is recorded of it. For the staff.
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// Steps, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    history: Vec<HistoryStep>,
    /// Where the next page begins; nothing when this was the last.
    next_after: Option<String>,
}

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Begin after this step, as `next_after` of the page before names it.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    after: Option<Step>,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// A step, as 120.3: the fourth event of entry 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Step(u64, u32);

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = text.split_once('.').and_then(|(sequence, place)| {
            let sequence: u64 = sequence.parse().ok()?;
            i64::try_from(sequence).ok()?;
            Some(Self(sequence, place.parse().ok()?))
        });
        found.ok_or_else(|| "a step is written as 120.3, entry and place".to_owned())
    }
}

/// What became of a participant, oldest first.
#[utoipa::path(get, path = "/v1/participants/{number}/history", tag = "participants",
    params(("number" = u32, Path, description = "Participant number"), Part),
    responses(
        (status = 200, body = History),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn of_participant(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Key(number): Key<ParticipantNumber>,
    Query(part): Query<Part>,
) -> Result<Json<History>, Problem> {
    let unknown = || Problem::unknown("participant", "参加者", number);
    if !reach.sees(number) {
        return Err(unknown());
    }
    let rows = part.limit as usize;
    let after = part.after.map(|Step(sequence, place)| (sequence, place));
    let found = center
        .read(move |reader| {
            if reader.participant(number)?.is_none() {
                return Ok(None);
            }
            reader
                .history(&Topic::Participant(number), after, rows)
                .map(Some)
        })
        .await?
        .ok_or_else(unknown)?;
    let to_staff = reach == Reach::Every;
    let next_after = found
        .last()
        .filter(|_| found.len() == rows)
        .map(|last| format!("{}.{}", last.sequence, last.place));
    let history = found
        .into_iter()
        .map(|item| {
            let mut details = serde_json::to_value(&item.event)?;
            let event = details
                .as_object_mut()
                .and_then(|fields| fields.remove("type"))
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default();
            Ok(HistoryStep {
                sequence: item.sequence,
                place: item.place,
                at: item.at.0,
                by: who(&item.actor, to_staff),
                event,
                details: to_staff.then_some(details),
            })
        })
        .collect::<Result<Vec<_>, serde_json::Error>>()
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(History {
        history,
        next_after,
    }))
}

fn who(actor: &Actor, to_staff: bool) -> String {
    if to_staff || actor.role() == Role::Officer {
        actor.to_string()
    } else {
        actor.role().as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_step_is_an_entry_and_a_place() {
        let read = |text: &str| Step::try_from(text.to_owned());
        assert_eq!(read("120.3"), Ok(Step(120, 3)));
        for bad in ["", "120", "120.", ".3", "-1.0", "9223372036854775808.0"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
