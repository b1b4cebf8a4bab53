//! 申請: cases, from the application to the open connection and whatever becomes
//! of it. What a case asks for is in [`shapes`], what is done with one in
//! [`acts`], the look at them in [`list`] and [`show`].
//!
//! Every act answers with the case's version after it: whoever goes on names
//! that one, and is told when somebody else was there in between.

pub(crate) mod acts;
pub(crate) mod checks;
pub(crate) mod list;
pub(crate) mod receive;
pub(crate) mod shapes;
pub(crate) mod show;

use crate::http::actor::CaseSight;
use crate::http::problem::Problem;
use crate::state::Center;
use iryonet_domain::{Actor, CaseId, Role};
use iryonet_registry::case::command::SeenCase;
use iryonet_registry::{Case, Command, Event, MemoryTables, Topic, View as _};
use iryonet_store::{Reader, StoreError, Transaction};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Steps of a case's history that are read at once.
const HISTORY_PAGE: usize = 500;

/// An act on a case is done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseActed {
    /// The ledger entry, and thereby the revision, of the act.
    sequence: u64,
    /// The case's number.
    case: u64,
    /// Its version after the act: the one to name next.
    version: u32,
    /// Where it stands now.
    #[schema(example = "received")]
    state: &'static str,
    /// The same in Japanese.
    state_ja: &'static str,
    /// The participant that it is about; of an admission, once it is approved.
    participant: Option<u32>,
}

impl CaseActed {
    fn new(sequence: u64, case: &Case) -> Self {
        Self {
            sequence,
            case: case.case.0,
            version: case.version,
            state: case.state.as_str(),
            state_ja: case.state.name_ja(),
            participant: case.participant.map(|number| number.get()),
        }
    }
}

/// One act on a case, with what is to be kept beside the ledger.
async fn act_with<F>(
    center: &Arc<Center>,
    actor: Actor,
    command: Command,
    mut beside: F,
) -> Result<CaseActed, Problem>
where
    F: FnMut(&mut dyn Transaction) -> Result<(), StoreError> + Send + 'static,
{
    let (act, _) = center
        .act_with(actor, command, move |transaction| beside(transaction))
        .await?;
    let number = act.find("an event of its case", |event| match event {
        Event::Case(event) => Some(event.case()),
        _ => None,
    })?;
    let sequence = act.sequence;
    let case = center
        .read(move |reader| as_of(reader, number, sequence))
        .await
        .map_err(|_| recorded_not_shown(sequence))?
        .ok_or_else(|| unknown(number.0))?;
    Ok(CaseActed::new(sequence, &case))
}

/// The act is done; only how its case stands now could not be read. Whoever is
/// told that the database is away would take it for not done.
fn recorded_not_shown(sequence: u64) -> Problem {
    Problem::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "recorded-not-shown",
        format!(
            "the act is recorded as ledger entry {sequence}, but its answer cannot be read now; ask again under the same Idempotency-Key, or look at the case"
        ),
        format!(
            "操作は台帳 {sequence} 番に記録されましたが、応答を作成できません。同じ Idempotency-Key で再度問い合わせるか、申請を確認してください。"
        ),
    )
    .recorded(sequence)
    .retry_after(5)
}

/// One act on a case.
async fn act(center: &Arc<Center>, actor: Actor, command: Command) -> Result<CaseActed, Problem> {
    act_with(center, actor, command, |_| Ok(())).await
}

/// A case as it was after this ledger entry, whatever others did since: who acts
/// again upon this answer is told of them, and an answer that is asked for once
/// more is the same.
fn as_of(reader: &dyn Reader, case: CaseId, sequence: u64) -> Result<Option<Case>, StoreError> {
    let mut then = MemoryTables::default();
    let mut after = None;
    loop {
        let page = reader.history(&Topic::Case(case), after, HISTORY_PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some((last.sequence, last.place));
        for item in page {
            if item.sequence <= sequence && matches!(item.event, Event::Case(_)) {
                iryonet_registry::apply(&mut then, &item.event, item.at)
                    .map_err(StoreError::given_up)?;
            }
        }
    }
    Ok(then.case(case)?)
}

fn seen(case: u64, version: u32) -> SeenCase {
    SeenCase {
        case: CaseId(case),
        version,
    }
}

fn unknown(case: u64) -> Problem {
    Problem::new(
        axum::http::StatusCode::NOT_FOUND,
        "case-unknown",
        format!("there is no case {case}"),
        format!("申請 {case} は存在しません。"),
    )
}

/// Who did something, as the asker may know it: to an officer the staff are
/// their duty, and not their names.
fn who(sight: &CaseSight, actor: &Actor) -> String {
    match sight {
        CaseSight::Every => actor.to_string(),
        CaseSight::Officer { .. } if actor.role() == Role::Officer => actor.to_string(),
        CaseSight::Officer { .. } => actor.role().as_str().to_owned(),
    }
}
