//! 自動検査の再実行: a person asks the center to look again. Asking is no act:
//! what is found is one, the machine's.

use crate::checks;
use crate::http::actor::Acting;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::operator::participants::Nothing;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iryonet_domain::{Actor, CaseId};
use iryonet_registry::{Act, permission};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Whose duty the evidence is for.
pub(crate) const FOR: &[Act] = &[Act::JudgeItems, Act::RecordOpeningTest];

/// What the center looks at.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChecksAsked {
    /// Case number.
    case: u64,
    /// What is looked at; it stands among the case's evidence once it was.
    checks: Vec<CheckAsked>,
}

/// One thing to be looked at.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckAsked {
    /// Kind of evidence.
    evidence: &'static str,
    evidence_ja: &'static str,
    /// Name or address, with the port where it is a server.
    about: String,
}

/// 自動検査: has the center look again at all that it can find out for this case
/// by itself.
#[utoipa::path(post, path = "/v1/cases/{case}/checks", tag = "cases", request_body = Nothing,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who asks, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 202, body = ChecksAsked),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn ask(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(number): Key<u64>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<(StatusCode, Json<ChecksAsked>), Problem> {
    may_ask(&actor)?;
    let found = center
        .read(move |reader| {
            let Some(case) = reader.case(CaseId(number))? else {
                return Ok(None);
            };
            checks::of(reader, &case).map(Some)
        })
        .await?
        .ok_or_else(|| super::unknown(number))?;
    if !center.checks.are_on() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "checks-off",
            "this center looks at nothing by itself; set [checks], or use `iryonet case check-tls`",
            "このセンターでは自動検査が設定されていません（[checks]）。",
        ));
    }
    if found.is_empty() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "nothing-to-check",
            "there is nothing to look at: the case is neither examined nor tested now, its rules take no such evidence, or its participant has no service",
            "検査の対象がありません（審査・開通試験の段階でないか、規則が自動検査を求めていないか、サービスの登録がありません）。",
        ));
    }
    if !center.checks.ask(CaseId(number)) {
        return Err(Problem::busy());
    }
    let checks = found.iter().map(|probe| CheckAsked {
        evidence: probe.kind().as_str(),
        evidence_ja: probe.kind().name_ja(),
        about: probe.about(),
    });
    Ok((
        StatusCode::ACCEPTED,
        Json(ChecksAsked {
            case: number,
            checks: checks.collect(),
        }),
    ))
}

/// Is it this role's duty to judge by what is found? No act yet, and none of the
/// ledger, so the registry is not asked to refuse it.
fn may_ask(actor: &Actor) -> Result<(), Problem> {
    if FOR
        .iter()
        .any(|act| permission::may(actor.role(), *act).is_some())
    {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "role-may-not",
        format!(
            "{} asks for no checks; who examines or tests does",
            actor.role().as_str()
        ),
        format!(
            "{}は自動検査を依頼できません。審査または開通試験の担当者が依頼します。",
            actor.role().name_ja()
        ),
    ))
}
