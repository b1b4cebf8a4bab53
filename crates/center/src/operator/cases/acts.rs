//! What is done with a case, step by step, each by the one whose duty it is. Who
//! that is, and whether it may be, the registry says.

use super::{CaseActed, act, seen};
use crate::http::actor::Acting;
use crate::http::input::{Body, Key};
use crate::http::problem::Problem;
use crate::operator::participants::Nothing;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iryonet_domain::{CaseId, Digest, DnsName, GatewayId};
use iryonet_registry::Command;
use iryonet_registry::case::command::{
    AnyCase, ApproveCase, CaseReason, ConcludeExamination, Judgements, RecordCaseEvidence,
    ReturnApplication,
};
use iryonet_registry::case::{Judgement, Recommendation, Verdict};
use iryonet_registry::command::Home;
use iryonet_rules::facts::ReverseAnswer;
use iryonet_rules::{EvidenceKind, Facts, RuleId};
use serde::Deserialize;
use std::net::Ipv6Addr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A case as it was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// The version that was looked at.
    version: u32,
}

/// What is missing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    /// The version that was looked at.
    version: u32,
    /// 1 to 32 things, in words for the applicant.
    #[schema(min_items = 1, max_items = 32)]
    missing: Vec<String>,
}

/// A no, or a step back, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    /// The version that was looked at.
    version: u32,
    /// At most 400 characters.
    reason: String,
}

/// What was found about one item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JudgementShape {
    /// The rule's name.
    #[schema(value_type = String, example = "examination.exists")]
    rule: RuleId,
    /// met, not-met or not-applicable.
    #[schema(value_type = String, example = "met")]
    verdict: Verdict,
    /// By what it is shown; wanted where it is met.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "public-list-presence")]
    evidence: Option<EvidenceKind>,
    /// In the examiner's words; wanted where it is not met or not applicable.
    #[serde(default)]
    note: Option<String>,
    /// Documents of the case that show it.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    documents: Vec<Digest>,
}

impl From<JudgementShape> for Judgement {
    fn from(shape: JudgementShape) -> Self {
        Self {
            rule: shape.rule,
            verdict: shape.verdict,
            evidence: shape.evidence,
            note: shape.note,
            documents: shape.documents,
        }
    }
}

/// What was found about items.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JudgementList {
    /// The version that was looked at.
    version: u32,
    /// 1 to 200, each rule once.
    #[schema(min_items = 1, max_items = 200)]
    judgements: Vec<JudgementShape>,
}

/// The end of an examination.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conclusion {
    /// The version that was looked at.
    version: u32,
    /// approve or reject.
    #[schema(value_type = String, example = "approve")]
    recommendation: Recommendation,
    /// Why; wanted where it is to reject.
    #[serde(default)]
    note: Option<String>,
}

/// A yes. Of an admission with the home of the new number, and of nothing else:
/// either a gateway or a block.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    /// The version that was looked at.
    version: u32,
    /// Any block of this gateway that has a number left.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gateway: Option<GatewayId>,
    /// Exactly this block.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 255)]
    block: Option<u8>,
}

/// What a part of the network found out about a service or a name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FactsShape {
    /// TLS検査.
    TlsCheckOfService {
        /// Name or address, and port.
        target: String,
        /// By which profile it was checked.
        profile: String,
        /// Names of the rules of the profile that it does not meet.
        failed: Vec<String>,
    },
    /// 逆引き.
    AddressReverseCheck {
        /// The name that the addresses should lead to.
        #[schema(value_type = String)]
        name: DnsName,
        /// Address by address, the names found.
        found: Vec<ReverseShape>,
    },
    /// 正引き.
    DomainReverseCheck {
        /// The name.
        #[schema(value_type = String)]
        name: DnsName,
        /// The addresses that were stated.
        #[schema(value_type = Vec<String>)]
        stated: Vec<Ipv6Addr>,
        /// The addresses found.
        #[schema(value_type = Vec<String>)]
        found: Vec<Ipv6Addr>,
    },
}

/// The names that an address leads back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseShape {
    #[schema(value_type = String)]
    address: Ipv6Addr,
    names: Vec<String>,
}

impl From<FactsShape> for Facts {
    fn from(shape: FactsShape) -> Self {
        match shape {
            FactsShape::TlsCheckOfService {
                target,
                profile,
                failed,
            } => Self::TlsCheckOfService {
                target,
                profile,
                failed,
            },
            FactsShape::AddressReverseCheck { name, found } => Self::AddressReverseCheck {
                name,
                found: found
                    .into_iter()
                    .map(|one| ReverseAnswer {
                        address: one.address,
                        names: one.names,
                    })
                    .collect(),
            },
            FactsShape::DomainReverseCheck {
                name,
                stated,
                found,
            } => Self::DomainReverseCheck {
                name,
                stated,
                found,
            },
        }
    }
}

/// 取下げ: the applicant takes it back, at any time before the approval.
#[utoipa::path(post, path = "/v1/cases/{case}/withdraw", tag = "cases", request_body = Seen,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as officer:sato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn withdraw(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Seen>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::WithdrawApplication(seen(case, wish.version));
    act(&center, actor, command).await.map(Json)
}

/// 差戻し: something is missing; the applicant may send it in again.
#[utoipa::path(post, path = "/v1/cases/{case}/return", tag = "cases", request_body = Missing,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn give_back(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Missing>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::ReturnApplication(ReturnApplication {
        case: CaseId(case),
        version: wish.version,
        missing: wish.missing,
    });
    act(&center, actor, command).await.map(Json)
}

/// 受理: it is complete and may be examined.
#[utoipa::path(post, path = "/v1/cases/{case}/accept", tag = "cases", request_body = Seen,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn accept(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Seen>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::AcceptApplication(seen(case, wish.version));
    act(&center, actor, command).await.map(Json)
}

/// 審査開始: whoever acts becomes its examiner, and the newest rules its rules.
#[utoipa::path(post, path = "/v1/cases/{case}/begin", tag = "cases", request_body = Seen,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn begin(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Seen>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::BeginExamination(seen(case, wish.version));
    let acted = act(&center, actor, command).await?;
    center.checks.went_on(CaseId(case));
    Ok(Json(acted))
}

/// 判定: of items of the examination. An item may be judged anew until it is concluded.
#[utoipa::path(post, path = "/v1/cases/{case}/judge", tag = "cases", request_body = JudgementList,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn judge(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<JudgementList>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::JudgeItems(judgements(case, wish));
    act(&center, actor, command).await.map(Json)
}

/// 審査終了, with a recommendation.
#[utoipa::path(post, path = "/v1/cases/{case}/conclude", tag = "cases", request_body = Conclusion,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as examiner:kato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn conclude(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Conclusion>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::ConcludeExamination(ConcludeExamination {
        case: CaseId(case),
        version: wish.version,
        recommendation: wish.recommendation,
        note: wish.note,
    });
    act(&center, actor, command).await.map(Json)
}

/// 再審査: the second person sends it back to the examiner.
#[utoipa::path(post, path = "/v1/cases/{case}/send-back", tag = "cases", request_body = Why,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as approver:mori; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn send_back(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Why>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::SendBackCase(reason(case, wish));
    act(&center, actor, command).await.map(Json)
}

/// 承認, by a second person. What is asked for is carried out with it, or on its day.
#[utoipa::path(post, path = "/v1/cases/{case}/approve", tag = "cases", request_body = Approval,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as approver:mori; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn approve(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Approval>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::ApproveCase(ApproveCase {
        case: CaseId(case),
        version: wish.version,
        home: home(wish.gateway, wish.block)?,
    });
    let acted = act(&center, actor, command).await?;
    center.checks.went_on(CaseId(case));
    Ok(Json(acted))
}

/// 不承認, by a second person.
#[utoipa::path(post, path = "/v1/cases/{case}/reject", tag = "cases", request_body = Why,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as approver:mori; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn reject(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Why>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::RejectCase(reason(case, wish));
    act(&center, actor, command).await.map(Json)
}

/// 開通試験: results of items of the opening test.
#[utoipa::path(post, path = "/v1/cases/{case}/test", tag = "cases", request_body = JudgementList,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn test(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<JudgementList>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::RecordOpeningTest(judgements(case, wish));
    act(&center, actor, command).await.map(Json)
}

/// 開通: all items passed; the connection is opened and the case is done.
#[utoipa::path(post, path = "/v1/cases/{case}/open", tag = "cases", request_body = Seen,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn open(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<Seen>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::OpenConnection(seen(case, wish.version));
    act(&center, actor, command).await.map(Json)
}

/// The day of an approved case has come. The center does this by itself.
#[utoipa::path(post, path = "/v1/cases/{case}/carry-out", tag = "cases", request_body = Nothing,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn carry_out(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::CarryOutCase(AnyCase { case: CaseId(case) });
    act(&center, actor, command).await.map(Json)
}

/// 失効: nobody touched it for 90 days. The center does this by itself.
#[utoipa::path(post, path = "/v1/cases/{case}/lapse", tag = "cases", request_body = Nothing,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as system:center-1; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn lapse(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::LapseCase(AnyCase { case: CaseId(case) });
    act(&center, actor, command).await.map(Json)
}

/// 自動検査: records what a part of the network found out. Never a person's claim.
#[utoipa::path(post, path = "/v1/cases/{case}/evidence", tag = "cases", request_body = FactsShape,
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as system:center-1; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = CaseActed),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn evidence(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(case): Key<u64>,
    Body(wish): Body<FactsShape>,
) -> Result<Json<CaseActed>, Problem> {
    let command = Command::RecordCaseEvidence(RecordCaseEvidence {
        case: CaseId(case),
        facts: wish.into(),
    });
    act(&center, actor, command).await.map(Json)
}

fn judgements(case: u64, wish: JudgementList) -> Judgements {
    Judgements {
        case: CaseId(case),
        version: wish.version,
        judgements: wish.judgements.into_iter().map(Into::into).collect(),
    }
}

fn reason(case: u64, wish: Why) -> CaseReason {
    CaseReason {
        case: CaseId(case),
        version: wish.version,
        reason: wish.reason,
    }
}

fn home(gateway: Option<GatewayId>, block: Option<u8>) -> Result<Option<Home>, Problem> {
    match (gateway, block) {
        (Some(_), Some(_)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "home-unclear",
            "say either the home gateway or the block, not both",
            "番号の割当元はゲートウェイかブロックのどちらか一方を指定してください。",
        )),
        (Some(gateway), None) => Ok(Some(Home::Gateway(gateway))),
        (None, Some(block)) => Ok(Some(Home::Block(block))),
        (None, None) => Ok(None),
    }
}
