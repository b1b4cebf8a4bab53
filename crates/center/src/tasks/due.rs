//! What the calendar brings: agreements that are over or soon will be, cases
//! whose day has come, and cases that nobody touched for too long. Each becomes
//! an entry of the ledger; what is over by time opens nothing whether it stands
//! there or not.
//!
//! What is due, the registry's tables say; whether it may be, its decisions.

use crate::clock;
use crate::state::Center;
use iryonet_domain::{Actor, AgreementId, CaseId, Role, UnixMillis};
use iryonet_registry::Command;
use iryonet_registry::case::command::AnyCase;
use iryonet_registry::limits::CASE_UNTOUCHED_MAX_MS;
use iryonet_store::{Outcome, Reader, StoreError, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Acts of one transaction, and of each kind.
const ACTS_AT_ONCE: usize = 200;
/// What was refused is not asked for again before this: every refusal is an
/// entry too.
const REFUSED_AGAIN_AFTER_MS: u64 = 24 * 60 * 60 * 1_000;
/// So many refusals are remembered; more are more than anything but a fault of
/// ours could bring.
const REFUSED_MAX: usize = 10_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Something that time brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expire(AgreementId),
    Notice(AgreementId),
    CarryOut(CaseId),
    Lapse(CaseId),
}

impl Due {
    fn command(self) -> Command {
        match self {
            Self::Expire(agreement) => Command::ExpireAgreement { agreement },
            Self::Notice(agreement) => Command::NoticeAgreement { agreement },
            Self::CarryOut(case) => Command::CarryOutCase(AnyCase { case }),
            Self::Lapse(case) => Command::LapseCase(AnyCase { case }),
        }
    }
}

/// Until when what was refused is left alone.
type Refusals = BTreeMap<Due, UnixMillis>;

/// Looks for what is due until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    let mut refusals = Refusals::new();
    loop {
        let more = look(&center, &mut refusals).await;
        let pause = if more { Duration::ZERO } else { LOOK_EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
    }
}

/// Does what is due; says whether there may be more.
async fn look(center: &Arc<Center>, refusals: &mut Refusals) -> bool {
    let now = clock::now();
    refusals.retain(|_, until| now < *until);
    let left_alone = refusals.clone();
    let name = center.config.name.clone();
    let notice_ms = u64::from(center.config.notice_days) * DAY_MS;
    let done = center
        .transact(move |transaction: &mut dyn Transaction| {
            let now = clock::now();
            let at = transaction.tip()?.time(now);
            let found = found(transaction, at, notice_ms, left_alone.len())?;
            let actor = Actor::new(Role::System, name.as_str()).map_err(StoreError::given_up)?;
            let (mut acts, mut refused) = (0, Vec::new());
            for due in found
                .into_iter()
                .filter(|due| !left_alone.contains_key(due))
            {
                acts += 1;
                let recorded = transaction.record(&actor, &due.command(), now)?;
                if let Outcome::Refused(refusal) = recorded.outcome {
                    refused.push((due, refusal));
                }
            }
            Ok((acts, refused))
        })
        .await;
    // The problem was logged where it arose.
    let Ok((acts, refused)) = done else {
        return false;
    };
    let some_done = acts > refused.len();
    for (due, refusal) in refused {
        tracing::warn!(?due, %refusal, "what time brought was refused; tried again in a day");
        if refusals.len() < REFUSED_MAX {
            refusals.insert(due, now.plus_ms(REFUSED_AGAIN_AFTER_MS));
        }
    }
    some_done && acts >= ACTS_AT_ONCE
}

/// What is due, kind by kind; so many more of each as are left alone.
fn found(
    reader: &dyn Reader,
    now: UnixMillis,
    notice_ms: u64,
    left_alone: usize,
) -> Result<Vec<Due>, StoreError> {
    let limit = ACTS_AT_ONCE + left_alone;
    let mut due: Vec<Due> = Vec::new();
    due.extend(
        reader
            .agreements_over(now, limit)?
            .into_iter()
            .map(Due::Expire),
    );
    due.extend(reader.cases_due(now, limit)?.into_iter().map(Due::CarryOut));
    let until = now.plus_ms(notice_ms);
    due.extend(
        reader
            .agreements_to_notice(now, until, limit)?
            .into_iter()
            .map(Due::Notice),
    );
    if let Some(before) = now.0.checked_sub(CASE_UNTOUCHED_MAX_MS) {
        due.extend(
            reader
                .cases_untouched_since(UnixMillis(before), limit)?
                .into_iter()
                .map(Due::Lapse),
        );
    }
    Ok(due)
}
