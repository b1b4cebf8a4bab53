//! 自動検査: what the center finds out by itself for the cases under way, and
//! records as the machine's evidence: does a service meet the TLS profile, does
//! its name lead to its addresses and do they lead back?
//!
//! Looked at is what a case's rules take such evidence for and what was not
//! looked at yet, and whatever a person asks for again. What cannot be found out
//! now is tried again, at growing intervals; a server that lets nobody look at
//! it has failed after three attempts, or at once where a person asked. A
//! resolver that does not answer proves nothing about anybody, and nothing is
//! recorded.
//!
//! A round costs what it touches: the cases that went on, were asked for, or are
//! to be tried again. All cases under way are gone through only now and then, for
//! what another center left undone.
//!
//! What is to be looked at, the registry says (`registry::case::probes`), and
//! what the facts prove, the rules do.

mod dns;
mod probing;

use crate::clock;
use crate::config::Config;
use crate::error::CenterError;
use crate::http::problem::chain;
use crate::state::{Center, lock};
use iryonet_domain::{CaseId, UnixMillis};
use iryonet_registry::case::command::RecordCaseEvidence;
use iryonet_registry::case::{CaseState, Probe, probes};
use iryonet_registry::{Case, Command, DecideError};
use iryonet_rules::Facts;
use iryonet_store::{CaseQuery, Outcome, Reader, StoreError};
use iryonet_tlscheck::{Profile, Roots};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use probing::LookError;

/// Between two looks for something to try again.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Between two times that all cases under way are gone through.
const ALL_EVERY_MS: u64 = 10 * 60_000;
/// Looks at once.
const LOOKS_AT_ONCE: usize = 4;
/// Looks of one round; what is more waits for the next.
const LOOKS_PER_ROUND: usize = 64;
/// Cases that are read at once.
const CASES_AT_ONCE: usize = 500;
/// Cases that people may ask for at the same time.
const ASKED_MAX: usize = 256;
/// Cases that went on and wait for their turn; with more, all are gone through.
const WENT_ON_MAX: usize = 10_000;
/// Attempts after which a server that lets nobody look has failed.
const ATTEMPTS: u32 = 3;
/// The first pause before another attempt, in milliseconds; each is four times
/// the one before.
const PAUSE_MS: u64 = 15_000;
/// The longest one.
const PAUSE_MAX_MS: u64 = 60 * 60_000;
/// So many failed attempts are remembered.
const TRIED_MAX: usize = 10_000;

/// How it is looked, from the settings.
pub(crate) struct Settings {
    resolver: Option<SocketAddr>,
    profile: Profile,
    roots: Option<Roots>,
    /// The center's own addresses.
    own: Vec<IpAddr>,
}

/// What is shared with whoever asks for a check.
pub(crate) struct Checks {
    settings: Option<Settings>,
    asked: Mutex<BTreeSet<CaseId>>,
    went_on: Mutex<BTreeSet<CaseId>>,
    wake: Notify,
    places: Semaphore,
}

/// A probe of a case.
type Aim = (CaseId, Probe);

/// What was tried in vain.
#[derive(Debug, Clone, Copy)]
struct Tried {
    attempts: u32,
    next_at: UnixMillis,
}

impl Checks {
    pub(crate) fn load(config: &Config) -> Result<Self, CenterError> {
        let settings = match &config.checks {
            None => None,
            Some(checks) => Some(Settings {
                resolver: checks.resolver,
                profile: checks.profile,
                roots: match &checks.trust {
                    None => None,
                    Some(path) => {
                        let pem = std::fs::read(path).map_err(|source| CenterError::Root {
                            path: path.clone(),
                            source,
                        })?;
                        Some(Roots::from_pem(&pem).map_err(CenterError::CheckRoots)?)
                    }
                },
                own: [
                    Some(config.public_listen),
                    Some(config.device_listen),
                    config.staff_listen,
                    config.status_listen,
                ]
                .into_iter()
                .flatten()
                .map(|address| address.ip())
                .collect(),
            }),
        };
        Ok(Self {
            settings,
            asked: Mutex::new(BTreeSet::new()),
            went_on: Mutex::new(BTreeSet::new()),
            wake: Notify::new(),
            places: Semaphore::new(LOOKS_AT_ONCE),
        })
    }

    /// Does the center look at anything by itself?
    pub(crate) fn are_on(&self) -> bool {
        self.settings.is_some()
    }

    /// Everything of this case is to be looked at now, whatever was found before;
    /// `false` when too many are waiting.
    pub(crate) fn ask(&self, case: CaseId) -> bool {
        let mut asked = lock(&self.asked);
        if asked.len() >= ASKED_MAX && !asked.contains(&case) {
            return false;
        }
        asked.insert(case);
        drop(asked);
        self.wake.notify_one();
        true
    }

    /// A case went on to where there may be something to look at.
    pub(crate) fn went_on(&self, case: CaseId) {
        if self.are_on() {
            self.put_back([case]);
            self.wake.notify_one();
        }
    }

    /// Cases whose turn is still to come.
    fn put_back(&self, cases: impl IntoIterator<Item = CaseId>) {
        let mut went_on = lock(&self.went_on);
        for case in cases {
            // One more than fits says that there were too many.
            if went_on.len() <= WENT_ON_MAX {
                went_on.insert(case);
            }
        }
    }
}

/// Looks until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    if !center.checks.are_on() {
        return;
    }
    let mut tried: BTreeMap<Aim, Tried> = BTreeMap::new();
    // At the start: what was left undone when the center stopped.
    let mut all_at = UnixMillis(0);
    loop {
        let more = tokio::select! {
            more = round(&center, &mut tried, &mut all_at) => more,
            () = end.cancelled() => return,
        };
        let pause = if more { Duration::ZERO } else { LOOK_EVERY };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = center.checks.wake.notified() => {}
            () = end.cancelled() => return,
        }
    }
}

/// One round; says whether there is more to do at once.
async fn round(
    center: &Arc<Center>,
    tried: &mut BTreeMap<Aim, Tried>,
    all_at: &mut UnixMillis,
) -> bool {
    let now = clock::now();
    let asked = std::mem::take(&mut *lock(&center.checks.asked));
    let went_on = std::mem::take(&mut *lock(&center.checks.went_on));
    // A clock that was set back must not keep it from being gone through.
    let due = now >= *all_at || all_at.since_ms(now) > ALL_EVERY_MS;
    let everything = due || went_on.len() > WENT_ON_MAX;
    let some: BTreeSet<CaseId> = if everything {
        BTreeSet::new()
    } else {
        let again = tried.iter().filter(|(_, tried)| tried.next_at <= now);
        let again = again.map(|(aim, _)| aim.0);
        asked.iter().chain(&went_on).copied().chain(again).collect()
    };
    if !everything && some.is_empty() {
        return false;
    }
    let (again, looked) = (asked.clone(), some.clone());
    let wanted = center
        .read(move |reader| {
            if everything {
                wanted(reader, &asked)
            } else {
                wanted_of(reader, &some, &asked)
            }
        })
        .await;
    let Ok(all) = wanted else {
        // The cause was logged where it arose; what was to be looked at still is.
        lock(&center.checks.asked).extend(again);
        center.checks.put_back(went_on);
        return false;
    };
    if everything {
        *all_at = now.plus_ms(ALL_EVERY_MS);
    }
    // What nobody wants any more is forgotten, and what a person wants is new.
    tried.retain(|aim, _| {
        let seen = everything || looked.contains(&aim.0);
        (!seen || all.contains(aim)) && !again.contains(&aim.0)
    });
    let mut aims: Vec<Aim> = all
        .into_iter()
        .filter(|aim| tried.get(aim).is_none_or(|tried| tried.next_at <= now))
        .collect();
    let more = aims.len() > LOOKS_PER_ROUND;
    // The turn of these comes with the next round.
    let left = aims.split_off(aims.len().min(LOOKS_PER_ROUND));
    let (pressing, rest): (Vec<_>, Vec<_>) = left
        .into_iter()
        .map(|(case, _)| case)
        .partition(|case| again.contains(case));
    lock(&center.checks.asked).extend(pressing);
    center.checks.put_back(rest);
    let mut looks = JoinSet::new();
    for aim in aims {
        let center = Arc::clone(center);
        looks.spawn(async move {
            let began_at = clock::now();
            let found = look(&center, &aim).await;
            (aim, began_at, found)
        });
    }
    while let Some(done) = looks.join_next().await {
        // One that broke off is looked at again.
        let Ok((aim, began_at, found)) = done else {
            continue;
        };
        let pressing = again.contains(&aim.0);
        finish(center, tried, aim, pressing, began_at, found).await;
    }
    more
}

async fn look(center: &Center, aim: &Aim) -> Result<Facts, LookError> {
    let Some(settings) = &center.checks.settings else {
        return Err(LookError::NoResolver);
    };
    let _place = center.checks.places.acquire().await;
    probing::look(settings, &aim.1, clock::now()).await
}

/// Records what was found, or when it is to be tried again.
async fn finish(
    center: &Arc<Center>,
    tried: &mut BTreeMap<Aim, Tried>,
    aim: Aim,
    pressing: bool,
    began_at: UnixMillis,
    found: Result<Facts, LookError>,
) {
    let attempts = tried.get(&aim).map_or(0, |tried| tried.attempts) + 1;
    let facts = match (found, &center.checks.settings) {
        (Ok(facts), _) => facts,
        (Err(error), settings) => {
            tracing::warn!(case = aim.0.0, about = aim.1.about(), kind = aim.1.kind().as_str(), attempts, error = %chain(&error), "an automatic check brought nothing");
            match (error.word(), settings) {
                (Some(word), Some(settings)) if pressing || attempts >= ATTEMPTS => {
                    probing::tls_facts(settings, &aim.1, BTreeSet::from([word.to_owned()]))
                }
                _ => return again(tried, aim, attempts),
            }
        }
    };
    match record(center, &aim, began_at, facts).await {
        Ok(()) => {
            tried.remove(&aim);
        }
        Err(()) => again(tried, aim, attempts),
    }
}

fn again(tried: &mut BTreeMap<Aim, Tried>, aim: Aim, attempts: u32) {
    let pause_ms = PAUSE_MS
        .saturating_mul(4_u64.saturating_pow(attempts - 1))
        .min(PAUSE_MAX_MS);
    if tried.len() < TRIED_MAX {
        let next_at = clock::now().plus_ms(pause_ms);
        tried.insert(aim, Tried { attempts, next_at });
    }
}

/// Records it as the machine's, unless another center was faster.
async fn record(
    center: &Arc<Center>,
    (case, probe): &Aim,
    began_at: UnixMillis,
    facts: Facts,
) -> Result<(), ()> {
    let actor = crate::init::system_actor(&center.config).map_err(|error| {
        tracing::error!(%error, "an automatic check cannot be recorded");
    })?;
    let (case, kind, about) = (*case, probe.kind(), probe.about());
    let command = Command::RecordCaseEvidence(RecordCaseEvidence { case, facts });
    let recorded = center
        .transact(move |transaction| {
            let newer = transaction.case(case)?.is_some_and(|found| {
                found
                    .evidence
                    .iter()
                    .any(|known| known.kind == kind && known.about == about && known.at > began_at)
            });
            if newer {
                return Ok(None);
            }
            transaction.record(&actor, &command, clock::now()).map(Some)
        })
        .await
        // The cause was logged where it arose.
        .map_err(drop)?;
    if let Some(recorded) = recorded
        && let Outcome::Refused(refusal) = recorded.outcome
    {
        // The case went on meanwhile: it is nobody's to look at any more, or it
        // is looked at anew by what it is now.
        tracing::info!(case = case.0, %refusal, "an automatic check came too late");
    }
    Ok(())
}

/// Where a case may have something to look at.
const LOOKED_AT: [CaseState; 4] = [
    CaseState::InExamination,
    CaseState::Approved,
    CaseState::CodeHandedOut,
    CaseState::Certified,
];

/// What is to be looked at: what was not yet, and all of what was asked for.
fn wanted(reader: &dyn Reader, asked: &BTreeSet<CaseId>) -> Result<BTreeSet<Aim>, StoreError> {
    let mut aims = BTreeSet::new();
    for state in LOOKED_AT {
        let query = CaseQuery {
            state: Some(state),
            ..CaseQuery::default()
        };
        let mut after = None;
        loop {
            let page = reader.cases(&query, after, CASES_AT_ONCE)?;
            for case in &page {
                add(reader, case, asked, &mut aims)?;
            }
            after = page.last().map(|case| case.case);
            if page.len() < CASES_AT_ONCE {
                break;
            }
        }
    }
    Ok(aims)
}

/// The same, of some cases only.
fn wanted_of(
    reader: &dyn Reader,
    some: &BTreeSet<CaseId>,
    asked: &BTreeSet<CaseId>,
) -> Result<BTreeSet<Aim>, StoreError> {
    let mut aims = BTreeSet::new();
    for case in some {
        if let Some(case) = reader.case(*case)?
            && LOOKED_AT.contains(&case.state)
        {
            add(reader, &case, asked, &mut aims)?;
        }
    }
    Ok(aims)
}

fn add(
    reader: &dyn Reader,
    case: &Case,
    asked: &BTreeSet<CaseId>,
    aims: &mut BTreeSet<Aim>,
) -> Result<(), StoreError> {
    let again = asked.contains(&case.case);
    aims.extend(
        of(reader, case)?
            .into_iter()
            .filter(|probe| again || !is_known(case, probe))
            .map(|probe| (case.case, probe)),
    );
    Ok(())
}

fn is_known(case: &Case, probe: &Probe) -> bool {
    let (kind, about) = (probe.kind(), probe.about());
    let mut known = case.evidence.iter();
    known.any(|known| known.kind == kind && known.about == about)
}

/// What is to be looked at for one case.
pub(crate) fn of(reader: &dyn Reader, case: &Case) -> Result<Vec<Probe>, StoreError> {
    match probes(reader, case) {
        Ok(found) => Ok(found),
        // Rules by which it is judged are there for ever.
        Err(DecideError::Refused(refusal)) => Err(StoreError::given_up(refusal)),
        Err(DecideError::View(error)) => Err(error.into()),
    }
}
