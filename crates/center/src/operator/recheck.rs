//! 日次再確認: how far it is, and what a person says after it has stopped.

use super::Done;
use crate::http::actor::{Acting, Reach};
use crate::http::input::Body;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_registry::Command;
use iryonet_registry::recheck::{
    ConfirmRecheck, DismissRecheck, RecheckCounts, SLOT_MS, Tick, Word,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How far the daily re-check is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecheckShown {
    /// The slot to be done next, in slots of five minutes since 1970; none
    /// before the first one.
    next: Option<u64>,
    /// When that slot begins, milliseconds since 1970.
    next_at: Option<u64>,
    /// The last slots, oldest first.
    window: Vec<SlotShown>,
    /// It stopped here, and waits for a person.
    halted: Option<HaltShown>,
    /// What a person said, for the slots before `until`.
    told: Option<ToldShown>,
    /// How long a participant may be on hold before it is closed, in days.
    hold_days: u16,
    /// More newly invalid ones than this within an hour stop it.
    alert_count: u32,
    /// More than so many per cent within an hour stop it too.
    #[schema(value_type = u32)]
    alert_percent: u8,
}

/// A slot that was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlotShown {
    tick: u64,
    participants: u32,
    newly_invalid: u32,
}

/// Where and with what it stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HaltShown {
    /// The slot: name it when you confirm or dismiss.
    tick: u64,
    /// When, milliseconds since 1970.
    at: u64,
    /// What this slot would have come to.
    counts: CountsShown,
}

/// What a slot comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountsShown {
    participants: u32,
    certificates: u32,
    newly_invalid: u32,
    still_on_hold: u32,
    recovered: u32,
    closed: u32,
    ran_out: u32,
    without_certificate: u32,
    /// How often which reason was found.
    reasons: BTreeMap<&'static str, u32>,
}

impl From<RecheckCounts> for CountsShown {
    fn from(counts: RecheckCounts) -> Self {
        Self {
            participants: counts.participants,
            certificates: counts.certificates,
            newly_invalid: counts.newly_invalid,
            still_on_hold: counts.still_on_hold,
            recovered: counts.recovered,
            closed: counts.closed,
            ran_out: counts.ran_out,
            without_certificate: counts.without_certificate,
            reasons: counts
                .reasons
                .into_iter()
                .map(|(reason, count)| (reason.as_str(), count))
                .collect(),
        }
    }
}

/// A person's word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToldShown {
    /// confirmed or dismissed.
    word: &'static str,
    /// First slot for which it holds no more.
    until: u64,
}

/// 確認: the findings are right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    /// The slot at which it stopped.
    tick: u64,
    /// Also for a day from now on, without stopping again.
    #[serde(default)]
    whole_day: bool,
}

/// 棄却: the findings are a mistake.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dismissal {
    /// The slot at which it stopped.
    tick: u64,
    /// Why, at most 400 characters.
    reason: String,
    /// Also for a day from now on: it looks, and does nothing.
    #[serde(default)]
    whole_day: bool,
}

/// How far the daily re-check is, and whether it waits for a person.
#[utoipa::path(get, path = "/v1/recheck", tag = "recheck", responses(
    (status = 200, body = RecheckShown),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    _: Reach,
) -> Result<Json<RecheckShown>, Problem> {
    let limits = center.config.recheck_limits();
    let state = center.read(|reader| Ok(reader.recheck_state()?)).await?;
    Ok(Json(RecheckShown {
        next: state.next.map(|tick| tick.0),
        next_at: state.next.map(|tick| tick.0.saturating_mul(SLOT_MS)),
        window: state
            .window
            .into_iter()
            .map(|slot| SlotShown {
                tick: slot.tick.0,
                participants: slot.participants,
                newly_invalid: slot.newly_invalid,
            })
            .collect(),
        halted: state.halted.map(|halt| HaltShown {
            tick: halt.tick.0,
            at: halt.at.0,
            counts: halt.counts.into(),
        }),
        told: state.told.map(|told| ToldShown {
            word: match told.word {
                Word::Confirmed => "confirmed",
                Word::Dismissed => "dismissed",
            },
            until: told.until.0,
        }),
        hold_days: limits.hold_days,
        alert_count: limits.alert_count,
        alert_percent: limits.alert_percent,
    }))
}

/// 確認: the findings at which it stopped are right; carries them out.
#[utoipa::path(post, path = "/v1/recheck/confirm", tag = "recheck", request_body = Confirmation,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as security-officer:ito; on the socket only, where it must be said")),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn confirm(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<Confirmation>,
) -> Result<Json<Done>, Problem> {
    let limits = center.config.recheck_limits();
    center
        .act(
            actor,
            Command::ConfirmRecheck(ConfirmRecheck {
                tick: Tick(wish.tick),
                limits,
                whole_day: wish.whole_day,
            }),
        )
        .await
        .map(|recorded| Json(recorded.done()))
}

/// 棄却: the findings at which it stopped are a mistake; leaves all as it is.
#[utoipa::path(post, path = "/v1/recheck/dismiss", tag = "recheck", request_body = Dismissal,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as security-officer:ito; on the socket only, where it must be said")),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn dismiss(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<Dismissal>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::DismissRecheck(DismissRecheck {
                tick: Tick(wish.tick),
                reason: wish.reason,
                whole_day: wish.whole_day,
            }),
        )
        .await
        .map(|recorded| Json(recorded.done()))
}
