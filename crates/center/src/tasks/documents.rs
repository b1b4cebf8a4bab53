//! Lets go of documents whose time is over, and counts what all of them take.
//!
//! A document is kept while its case is open. After that it is kept for as long
//! as the settings say, counted from the end of the case or, where the case made
//! somebody a member, from the end of the membership: it is what the member was
//! examined by. The ledger keeps name and digest for ever.

use crate::clock;
use crate::http::problem::chain;
use crate::operator::documents::{cases_with_documents, let_go};
use crate::state::Center;
use iryonet_domain::{CaseId, ParticipantNumber, UnixMillis};
use iryonet_registry::{Case, Event, Standing, Topic};
use iryonet_store::{Reader, Space, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Documents looked at in one go: others get their turn between.
const ROWS: usize = 500;
/// Events of a history read at once.
const HISTORY_PAGE: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Runs until it is told to end.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    loop {
        if let Err(error) = round(&center, &end).await {
            tracing::warn!(error = %chain(&error), "documents whose time is over could not be looked for");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = end.cancelled() => return,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the round broke off")]
    Thread(#[from] tokio::task::JoinError),
}

async fn round(center: &Arc<Center>, end: &CancellationToken) -> Result<(), RoundError> {
    // First: how much there is decides whether more is taken.
    let store = Arc::clone(&center.store);
    let held = tokio::task::spawn_blocking(move || {
        iryonet_store::look(&*store, |reader| reader.side_bytes(Space::Document))
    })
    .await??;
    center.documents_held.store(held, Ordering::Relaxed);
    let keep_ms = u64::from(center.config.documents_keep_days) * DAY_MS;
    let (mut after, mut cases, mut freed) = (None, 0u64, 0u64);
    while !end.is_cancelled() {
        let store = Arc::clone(&center.store);
        let step = tokio::task::spawn_blocking(move || step(&*store, after, clock::now(), keep_ms));
        let step = step.await??;
        cases += step.cases;
        freed += step.freed;
        match step.last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    if cases > 0 {
        tracing::info!(
            cases,
            bytes = freed,
            "documents whose time is over were let go"
        );
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    /// The last case that was looked at; nothing when there is none left.
    last: Option<CaseId>,
    /// Cases whose documents were let go.
    cases: u64,
    /// Bytes that this gives back.
    freed: u64,
}

/// Looks at some cases.
fn step(
    store: &dyn iryonet_store::Store,
    after: Option<CaseId>,
    now: UnixMillis,
    keep_ms: u64,
) -> Result<Step, StoreError> {
    let (last, over) = iryonet_store::look(store, |reader| {
        let cases = cases_with_documents(reader, after, ROWS)?;
        let mut over = Vec::new();
        for case in &cases {
            if is_over(reader, *case, now, keep_ms)? {
                over.push(*case);
            }
        }
        Ok((cases.last().copied(), over))
    })?;
    let mut done = Step {
        last,
        ..Step::default()
    };
    for case in over {
        let freed = iryonet_store::change(store, |transaction| {
            // Somebody may have acted on it meanwhile.
            match is_over(transaction, case, now, keep_ms)? {
                true => let_go(transaction, case, now).map(Some),
                false => Ok(None),
            }
        })?;
        done.cases += u64::from(freed.is_some());
        done.freed += freed.unwrap_or_default();
    }
    Ok(done)
}

/// Is the time over for which the case's documents are kept?
fn is_over<R: Reader + ?Sized>(
    reader: &R,
    case: CaseId,
    now: UnixMillis,
    keep_ms: u64,
) -> Result<bool, StoreError> {
    let Some(case) = reader.case(case)? else {
        return Ok(false);
    };
    let end = end_of(reader, &case)?;
    Ok(end.is_some_and(|end| now.since_ms(end) >= keep_ms))
}

/// When the case, and what it brought about, was over.
fn end_of<R: Reader + ?Sized>(reader: &R, case: &Case) -> Result<Option<UnixMillis>, StoreError> {
    if case.state.is_open() {
        return Ok(None);
    }
    let member = case.participant.filter(|_| case.state.is_approved());
    let Some(member) = member else {
        return Ok(Some(case.touched_at));
    };
    match reader.participant(member)? {
        Some(known) if known.standing != Standing::Closed => Ok(None),
        _ => Ok(closed_at(reader, member)?.map(|closed| closed.max(case.touched_at))),
    }
}

fn closed_at<R: Reader + ?Sized>(
    reader: &R,
    member: ParticipantNumber,
) -> Result<Option<UnixMillis>, StoreError> {
    let (mut after, mut closed) = (None, None);
    loop {
        let page = reader.history(&Topic::Participant(member), after, HISTORY_PAGE)?;
        let Some(last) = page.last() else {
            return Ok(closed);
        };
        after = Some((last.sequence, last.place));
        let closing = page
            .iter()
            .rfind(|item| matches!(item.event, Event::ParticipantClosed { .. }));
        closed = closing.map(|item| item.at).or(closed);
    }
}
