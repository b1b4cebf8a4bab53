//! One case in full: what was asked, item by item what was found, what the
//! center itself can tell, who did what, and what the asker may do next.

use super::shapes::{ApplicationShape, CaseShown, OfficerShape};
use crate::http::actor::{Asking, CaseSight};
use crate::http::input::Key;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{Actor, CaseId, UnixMillis};
use iryonet_registry::case::{self, Item, Recommendation, Verdict, next_steps};
use iryonet_registry::{Act, Case, DecideError, Topic};
use iryonet_rules::rule::Text;
use iryonet_rules::{EvidenceKind, Finding};
use iryonet_store::{HistoryItem, Reader, StoreError};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most steps of its history that are shown; a case has far fewer.
const HISTORY_MAX: usize = 500;

/// The same in both languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BothLanguages {
    ja: String,
    en: String,
}

impl From<Text> for BothLanguages {
    fn from(text: Text) -> Self {
        Self {
            ja: text.ja,
            en: text.en,
        }
    }
}

/// A case in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseInFull {
    #[serde(flatten)]
    case: CaseShown,
    /// What is asked for.
    application: ApplicationShape,
    /// 担当者 named in it.
    officer: Option<OfficerShape>,
    documents: Vec<DocumentShown>,
    /// What was missing when it was returned, or why it was sent back.
    missing: Vec<String>,
    /// The version of the rules by which it is judged.
    rules: Option<u32>,
    /// Items of its examination; before it, as they would be today.
    items: Vec<ItemShown>,
    /// Items of its opening test, where it has one.
    opening_items: Vec<ItemShown>,
    /// What the registry can tell by itself now. For the staff.
    findings: Vec<FindingShown>,
    /// What the center found out and recorded. For the staff.
    evidence: Vec<EvidenceShown>,
    /// How the examination ended. For the staff.
    examined: Option<ExaminedShown>,
    /// What the second person decided.
    decided: Option<DecidedShown>,
    /// Who did what, oldest first.
    history: Vec<StepShown>,
    /// What the asker may do with it now.
    next: Vec<NextStep>,
}

/// A document of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentShown {
    sha256: String,
    name: String,
    media_type: String,
    bytes: u64,
}

/// An item of an examination or of an opening test.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemShown {
    /// The rule's name.
    rule: String,
    /// site, provider, examination, opening or audit.
    part: &'static str,
    text: BothLanguages,
    source: BothLanguages,
    /// Must it be met?
    mandatory: bool,
    /// Kinds of evidence that show it.
    evidence_accepted: Vec<&'static str>,
    /// met, not-met or not-applicable; nothing yet.
    verdict: Option<&'static str>,
    /// By what it was shown.
    evidence: Option<&'static str>,
    note: Option<String>,
    /// Documents that show it.
    documents: Vec<String>,
    /// What the center itself found, where that is the evidence.
    found: Option<BothLanguages>,
    /// Who judged.
    by: Option<String>,
}

/// What the registry can tell by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingShown {
    /// Kind of evidence.
    evidence: &'static str,
    evidence_ja: &'static str,
    /// Does it show that a rule is met?
    passed: bool,
    text: BothLanguages,
}

/// What the center found out and recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceShown {
    /// Kind of evidence.
    evidence: &'static str,
    evidence_ja: &'static str,
    /// About what: a server, or a name.
    about: String,
    passed: bool,
    text: BothLanguages,
    /// Milliseconds since 1970.
    at: u64,
}

/// The end of an examination.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExaminedShown {
    by: String,
    /// Milliseconds since 1970.
    at: u64,
    /// approve or reject.
    recommendation: &'static str,
    note: Option<String>,
}

/// What the second person decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedShown {
    by: String,
    /// Milliseconds since 1970.
    at: u64,
    approved: bool,
    reason: Option<String>,
}

/// A step of its history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepShown {
    /// Ledger entry in which it stands.
    sequence: u64,
    /// Milliseconds since 1970.
    at: u64,
    by: String,
    /// What happened, as case-received.
    event: String,
}

/// Something that the asker may do now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextStep {
    /// The act, as approve-case.
    act: &'static str,
    /// Where it is asked for.
    path: String,
}

/// What is read of one moment's state.
struct Look {
    case: Case,
    items: Vec<Item>,
    opening_items: Vec<Item>,
    findings: Vec<Finding>,
    history: Vec<HistoryItem>,
    next: Vec<Act>,
}

/// Shows one case.
#[utoipa::path(get, path = "/v1/cases/{case}", tag = "cases",
    params(
        ("case" = u64, Path, description = "Case number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who asks, as examiner:kato, for what it may do next; on the socket only"),
    ),
    responses(
        (status = 200, body = CaseInFull),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    sight: CaseSight,
    Asking(actor): Asking,
    Key(number): Key<u64>,
) -> Result<Json<CaseInFull>, Problem> {
    let asked = sight.clone();
    let now = crate::clock::now();
    let found = center
        .read(move |reader| look(reader, number, &asked, actor.as_ref(), now))
        .await?
        .ok_or_else(|| super::unknown(number))?;
    Ok(Json(shown(found, &sight)))
}

fn look(
    reader: &dyn Reader,
    number: u64,
    sight: &CaseSight,
    actor: Option<&Actor>,
    now: UnixMillis,
) -> Result<Option<Look>, StoreError> {
    let Some(case) = reader.case(CaseId(number))? else {
        return Ok(None);
    };
    if !sight.sees(&case) {
        return Ok(None);
    }
    let items = |opening| match case::items(reader, &case, opening) {
        Ok(items) => Ok(items),
        // Rules by which it is judged are there for ever.
        Err(DecideError::Refused(refusal)) => Err(StoreError::given_up(refusal)),
        Err(DecideError::View(error)) => Err(error.into()),
    };
    Ok(Some(Look {
        items: items(false)?,
        opening_items: items(true)?,
        findings: case::findings(reader, &case, now)?,
        history: reader.history(&Topic::Case(case.case), None, HISTORY_MAX)?,
        next: match actor {
            Some(actor) => next_steps(reader, actor, &case, now)?,
            None => Vec::new(),
        },
        case,
    }))
}

fn shown(look: Look, sight: &CaseSight) -> CaseInFull {
    let Look {
        case,
        items,
        opening_items,
        findings,
        history,
        next,
    } = look;
    let who = |actor: &Actor| super::who(sight, actor);
    let to_staff = matches!(sight, CaseSight::Every);
    let number = case.case.0;
    CaseInFull {
        case: CaseShown::new(&case, &who),
        application: case.application.into(),
        officer: case.officer.map(Into::into),
        documents: case
            .documents
            .into_iter()
            .map(|document| DocumentShown {
                sha256: document.sha256.to_string(),
                name: document.name,
                media_type: document.media_type,
                bytes: document.bytes,
            })
            .collect(),
        missing: case.missing,
        rules: case.rules.map(|version| version.0),
        items: items.into_iter().map(|it| item(it, &who)).collect(),
        opening_items: opening_items.into_iter().map(|it| item(it, &who)).collect(),
        findings: findings
            .into_iter()
            .filter(|_| to_staff)
            .map(|finding| FindingShown {
                evidence: finding.kind.as_str(),
                evidence_ja: finding.kind.name_ja(),
                passed: finding.passed,
                text: finding.text.into(),
            })
            .collect(),
        evidence: case
            .evidence
            .into_iter()
            .filter(|_| to_staff)
            .map(|evidence| EvidenceShown {
                evidence: evidence.kind.as_str(),
                evidence_ja: evidence.kind.name_ja(),
                about: evidence.about,
                passed: evidence.passed,
                text: evidence.text.into(),
                at: evidence.at.0,
            })
            .collect(),
        examined: case
            .examined
            .filter(|_| to_staff)
            .map(|examined| ExaminedShown {
                by: who(&examined.by),
                at: examined.at.0,
                recommendation: Recommendation::as_str(examined.recommendation),
                note: examined.note,
            }),
        decided: case.decided.map(|decided| DecidedShown {
            by: who(&decided.by),
            at: decided.at.0,
            approved: decided.approved,
            reason: decided.reason,
        }),
        history: history
            .into_iter()
            .map(|step| StepShown {
                sequence: step.sequence,
                at: step.at.0,
                by: who(&step.actor),
                event: word(&step.event),
            })
            .collect(),
        next: next
            .into_iter()
            .map(|act| NextStep {
                act: act.into(),
                path: path(act, number),
            })
            .collect(),
    }
}

fn item(item: Item, who: &dyn Fn(&Actor) -> String) -> ItemShown {
    let judgement = item.judged.as_ref().map(|judged| &judged.judgement);
    ItemShown {
        verdict: judgement.map(|judgement| Verdict::as_str(judgement.verdict)),
        evidence: judgement.and_then(|it| it.evidence.map(EvidenceKind::as_str)),
        note: judgement.and_then(|judgement| judgement.note.clone()),
        documents: judgement
            .iter()
            .flat_map(|judgement| &judgement.documents)
            .map(ToString::to_string)
            .collect(),
        by: item.judged.as_ref().map(|judged| who(&judged.by)),
        found: item
            .judged
            .and_then(|judged| judged.found)
            .map(BothLanguages::from),
        rule: item.rule.id.to_string(),
        part: item.rule.part.as_str(),
        text: item.rule.text.into(),
        source: item.rule.source.into(),
        mandatory: item.rule.mandatory,
        evidence_accepted: item
            .rule
            .evidence
            .into_iter()
            .map(EvidenceKind::as_str)
            .collect(),
    }
}

/// The word of an event, as the ledger has it.
fn word(event: &iryonet_registry::Event) -> String {
    serde_json::to_value(event)
        .ok()
        .and_then(|event| event.get("type")?.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Where an act on a case is asked for.
fn path(act: Act, case: u64) -> String {
    let step = match act {
        Act::ResubmitApplication => "resubmit",
        Act::WithdrawApplication => "withdraw",
        Act::ReturnApplication => "return",
        Act::AcceptApplication => "accept",
        Act::BeginExamination => "begin",
        Act::JudgeItems => "judge",
        Act::ConcludeExamination => "conclude",
        Act::SendBackCase => "send-back",
        Act::ApproveCase => "approve",
        Act::RejectCase => "reject",
        Act::CarryOutCase => "carry-out",
        Act::RecordOpeningTest => "test",
        Act::OpenConnection => "open",
        Act::IssueEnrolmentCode => return "/v1/enrolment-codes".to_owned(),
        _ => return format!("/v1/cases/{case}"),
    };
    format!("/v1/cases/{case}/{step}")
}
