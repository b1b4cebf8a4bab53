//! 受付: an application comes in, or comes in again, with the documents that
//! were handed in before it.

use super::CaseActed;
use super::shapes::{ApplicationShape, OfficerShape};
use crate::http::actor::Acting;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::operator::documents;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iryonet_domain::{Actor, CaseId, Digest, ParticipantNumber};
use iryonet_registry::Command;
use iryonet_registry::case::command::{ReceiveApplication, ResubmitApplication};
use iryonet_registry::case::{Application, Document};
use iryonet_registry::limits::DOCUMENTS_PER_CASE;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// 申請.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApplication {
    /// Whom it is about; nobody for an admission.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// What is asked for.
    application: ApplicationShape,
    /// 担当者; wanted for an admission and a change of owner.
    #[serde(default)]
    officer: Option<OfficerShape>,
    /// SHA-256 of each document, at most 20, handed in before at
    /// POST /v1/documents by the same person.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    documents: Vec<Digest>,
}

/// 再提出: all of it, old and new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resubmission {
    /// The version that was looked at.
    version: u32,
    /// What is asked for; of the same kind.
    application: ApplicationShape,
    /// 担当者.
    #[serde(default)]
    officer: Option<OfficerShape>,
    /// SHA-256 of each document: of those that the case has, and of those handed
    /// in since.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    documents: Vec<Digest>,
}

/// 申請: hands in an application; its number is given.
#[utoipa::path(post, path = "/v1/cases", tag = "cases", request_body = NewApplication,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as officer:sato; on the socket only, where it must be said")),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn receive(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewApplication>,
) -> Result<Json<CaseActed>, Problem> {
    let application = application(wish.application)?;
    let officer = wish.officer.map(Into::into);
    let participant = wish.participant;
    send_in(center, actor, None, wish.documents, move |documents| {
        Command::ReceiveApplication(ReceiveApplication {
            participant,
            application,
            officer,
            documents,
        })
    })
    .await
}

/// 再提出: sends an application in again that was returned.
#[utoipa::path(post, path = "/v1/cases/{case}/resubmit", tag = "cases", request_body = Resubmission,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as officer:sato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn resubmit(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Resubmission>,
) -> Result<Json<CaseActed>, Problem> {
    let application = application(wish.application)?;
    let officer = wish.officer.map(Into::into);
    let version = wish.version;
    let case = CaseId(case);
    send_in(
        center,
        actor,
        Some(case),
        wish.documents,
        move |documents| {
            Command::ResubmitApplication(ResubmitApplication {
                case,
                version,
                application,
                officer,
                documents,
            })
        },
    )
    .await
}

fn application(shape: ApplicationShape) -> Result<Application, Problem> {
    shape.try_into().map_err(|_| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "closing-is-proposed-by-a-list",
            "a closing-by-list is proposed by the import of a newer public list; apply for a withdrawal instead",
            "名簿からの消滅による閉鎖は新しい名簿の取込みが提案するものです。脱退を申請してください。",
        )
    })
}

/// Records the command together with the documents that it names: either both
/// are there afterwards, or nothing is.
async fn send_in(
    center: Arc<Center>,
    actor: Actor,
    case: Option<CaseId>,
    named: Vec<Digest>,
    command: impl FnOnce(Vec<Document>) -> Command,
) -> Result<Json<CaseActed>, Problem> {
    if named.len() > DOCUMENTS_PER_CASE {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too-many-documents",
            format!(
                "{} documents were named; a case has at most {DOCUMENTS_PER_CASE}",
                named.len()
            ),
            format!(
                "書類が {} 件あります。上限は {DOCUMENTS_PER_CASE} 件です。",
                named.len()
            ),
        ));
    }
    let asked = (actor.clone(), named.clone());
    let found = center
        .read(move |reader| {
            let (actor, named) = &asked;
            let known = match case {
                Some(case) => reader.case(case)?.map(|found| found.documents),
                None => None,
            }
            .unwrap_or_default();
            let mut documents = Vec::with_capacity(named.len());
            for sha256 in named {
                // What the case has is not asked for again. Whether this actor
                // may speak of that case at all, the decision says.
                let found = match known.iter().find(|known| known.sha256 == *sha256) {
                    Some(known) => Some(known.clone()),
                    None => documents::handed_in(reader, actor, *sha256)?,
                };
                match found {
                    Some(document) => documents.push(document),
                    None => return Ok(Err(*sha256)),
                }
            }
            Ok(Ok(documents))
        })
        .await?;
    let found = match found {
        Ok(found) => found,
        // Whoever may not apply at all is refused for that, and on record.
        Err(_) if documents::may_hand_in(&actor).is_err() => Vec::new(),
        Err(sha256) => return Err(documents::not_handed_in(sha256)),
    };
    let keeper = actor.clone();
    super::act_with(&center, actor, command(found), move |transaction| {
        // The one that was just given, where the application is new.
        let case = match case {
            Some(case) => Some(case),
            None => transaction.last_case()?,
        };
        let keep = |case| {
            named
                .iter()
                .try_for_each(|sha256| documents::keep(transaction, &keeper, case, *sha256))
        };
        case.map_or(Ok(()), keep)
    })
    .await
    .map(Json)
}
