//! The one owner of policy and datapath: whatever changes what may pass goes
//! through here, in order, under one lock.
//!
//! The datapath is changed first, then the session is told: a line that was
//! cut is cut even if nobody listens. It must not know TLS, sockets or routes.
//!
//! What takes long is done without the lock, or in slices: a full comparison of
//! the tables with the policy lets whoever waits in between any two of its
//! slices, so that leases are renewed and lines are cut while it goes on.

#[cfg(test)]
mod tests;

use crate::kernel::Kernel;
use crate::policy::{ApplyError, Authorised, Comparison, Op, Policy, Prepared};
use iryonet_agent::clock::{self, ForwardClock};
use iryonet_domain::{Fingerprint, Identity, LineId, NetworkPrefix, SitePrefix, UnixMillis};
use iryonet_wire::attach::{FromGateway, Refusal};
use iryonet_wire::feed::{Acknowledgement, Delta, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Refusals and failed handshakes are counted per interface and reason, for at
/// most this many pairs; the rest goes under [`OTHERS`].
pub const COUNTERS_MAX: usize = 65_536;

/// The interface under which refusals are counted when the table is full.
pub const OTHERS: &str = "others";

/// After a failed datapath operation, everything is compared again this often.
const MEND: Duration = Duration::from_secs(1);

/// Entries of one slice of a full comparison: some milliseconds of work.
const SLICE: usize = 4096;

/// Both clocks, as the engine reads them.
pub trait Clocks: Send + Sync {
    /// Wall clock.
    fn wall(&self) -> UnixMillis;
    /// Monotonic clock, nanoseconds.
    fn monotonic_ns(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClocks;

impl Clocks for SystemClocks {
    fn wall(&self) -> UnixMillis {
        clock::wall()
    }
    fn monotonic_ns(&self) -> u64 {
        clock::monotonic_ns()
    }
}

/// What holds for every attachment.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// A binding dies this long after its last renewal.
    pub lease: Duration,
    /// Devices are asked to renew this often.
    pub renew: Duration,
    /// Bound lines at one time.
    pub attachments_max: u32,
}

/// An attachment that was allowed: the session's part of it.
#[derive(Debug)]
pub struct Attached {
    /// What the device is told.
    pub bound: FromGateway,
    /// The line.
    pub line: LineId,
    /// The session's number.
    pub session: u64,
    /// Fires when the line is cut, with the reason for the device. Ends without
    /// a word when the lease ran out.
    pub cut: oneshot::Receiver<Refusal>,
}

/// Where a bound site is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteRoute {
    /// The site's /64.
    pub prefix: SitePrefix,
    /// The box's link-local address.
    pub hop: Ipv6Addr,
    /// On this interface.
    pub ifindex: u32,
}

struct Session {
    cut: Option<oneshot::Sender<Refusal>>,
    route: SiteRoute,
}

struct Inner {
    policy: Policy,
    kernel: Box<dyn Kernel>,
    clock: ForwardClock,
    sessions: BTreeMap<u64, Session>,
    next_session: u64,
    /// An operation failed: the tables may differ from the policy.
    torn: bool,
    /// The full comparison that goes on.
    comparison: Option<Comparison>,
    /// Interfaces whose unbinding failed.
    unbind_again: BTreeSet<u32>,
    failures: u64,
    stopping: bool,
    refusals: BTreeMap<(String, &'static str), u64>,
}

/// See the module.
pub struct Engine {
    /// Held by whoever is next to have `inner`, until it has: who lets go of
    /// `inner` and wants it back at once cannot overtake it.
    turn: Mutex<()>,
    inner: Mutex<Inner>,
    clocks: Box<dyn Clocks>,
    terms: Terms,
    /// What is due may have become earlier.
    pub due_changed: Notify,
    /// Lines in the policy may have changed.
    pub lines_changed: Arc<Notify>,
    /// Where sites and gateways are reached may have changed.
    pub routes_changed: Notify,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with an empty policy. `floor` is the highest time an earlier
    /// run has seen.
    pub fn new(
        policy: Policy,
        kernel: Box<dyn Kernel>,
        clocks: Box<dyn Clocks>,
        floor: UnixMillis,
        terms: Terms,
    ) -> Self {
        let clock = ForwardClock::new(floor, clocks.wall(), clocks.monotonic_ns());
        Self {
            turn: Mutex::new(()),
            inner: Mutex::new(Inner {
                policy,
                kernel,
                clock,
                sessions: BTreeMap::new(),
                next_session: 1,
                torn: false,
                comparison: None,
                unbind_again: BTreeSet::new(),
                failures: 0,
                stopping: false,
                refusals: BTreeMap::new(),
            }),
            clocks,
            terms,
            due_changed: Notify::new(),
            lines_changed: Arc::new(Notify::new()),
            routes_changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic elsewhere must not make the gateway stop cutting lines.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self, inner: &mut Inner) -> UnixMillis {
        inner
            .clock
            .now(self.clocks.wall(), self.clocks.monotonic_ns())
    }

    /// The time by which policy is judged; never goes back.
    pub fn time(&self) -> UnixMillis {
        self.now(&mut self.lock())
    }

    /// How far the system's wall clock is behind that time, in milliseconds.
    pub fn clock_lag_ms(&self) -> u64 {
        let inner = self.lock();
        inner
            .clock
            .lag_ms(self.clocks.wall(), self.clocks.monotonic_ns())
    }

    /// Takes a whole policy into force. With three million grants this takes
    /// seconds, in which the others are let in: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// When it is not for this gateway, or older than the one in force.
    pub fn apply_snapshot(&self, snapshot: Snapshot, salt: u32) -> Result<(), ApplyError> {
        self.with_policy(|policy| policy.check_snapshot(&snapshot))?;
        let prepared = Prepared::new(snapshot, self.time());
        let mut inner = self.lock();
        let now = self.now(&mut inner);
        let (ops, replaced) = inner.policy.replace(prepared, now, salt)?;
        inner.perform(ops);
        if !inner.policy.in_force() {
            tracing::error!(
                valid_until = inner.policy.valid_until().0,
                "the policy's validity has ended: nothing passes until the center gives a new one"
            );
        }
        drop(inner);
        drop(replaced);
        self.everything_changed();
        self.finish();
        Ok(())
    }

    /// Goes on with a full comparison until it is over.
    fn finish(&self) {
        while self.lock().compare() {}
    }

    /// Takes a step of the policy into force.
    ///
    /// # Errors
    /// When it is not the next step for this gateway.
    pub fn apply_delta(&self, delta: Delta) -> Result<(), ApplyError> {
        let mut inner = self.lock();
        let now = self.now(&mut inner);
        let due = inner.policy.due(now, self.clocks.monotonic_ns());
        inner.perform(due);
        let ops = inner.policy.apply_delta(delta, now)?;
        inner.perform(ops);
        drop(inner);
        self.everything_changed();
        self.finish();
        Ok(())
    }

    fn everything_changed(&self) {
        self.due_changed.notify_one();
        self.lines_changed.notify_one();
        self.routes_changed.notify_one();
    }

    /// What may be told to the center as enforced; `None` while the tables may
    /// differ from the policy, or before the first one.
    pub fn enforced(&self) -> Option<Acknowledgement> {
        let inner = self.lock();
        (inner.fits() && inner.unbind_again.is_empty() && inner.policy.revision() > 0).then(|| {
            Acknowledgement {
                revision: inner.policy.revision(),
                bound_lines: inner.policy.bound_lines(),
            }
        })
    }

    /// Does what has come due, and tells how long nothing more will.
    pub fn due(&self) -> Duration {
        let mut inner = self.lock();
        let now = self.now(&mut inner);
        let was_in_force = inner.policy.in_force();
        let ops = inner.policy.due(now, self.clocks.monotonic_ns());
        let unbound = ops.iter().any(|op| matches!(op, Op::Unbind { .. }));
        inner.perform(ops);
        if was_in_force && !inner.policy.in_force() {
            tracing::error!(
                valid_until = inner.policy.valid_until().0,
                "the policy's validity has ended and the center gave no new one: every line is \
                 unbound and every path closed until it does"
            );
        }
        inner.mend();
        let mut wait = if inner.compare() {
            Duration::ZERO
        } else if inner.torn || !inner.unbind_again.is_empty() {
            MEND
        } else {
            Duration::from_secs(60)
        };
        if let Some(next) = inner.policy.next_wall() {
            wait = wait.min(Duration::from_millis(next.since_ms(now)));
        }
        if let Some(next) = inner.policy.next_lease_ns() {
            let left = next.saturating_sub(self.clocks.monotonic_ns());
            wait = wait.min(Duration::from_nanos(left));
        }
        drop(inner);
        if unbound {
            self.routes_changed.notify_one();
        }
        // Never spin, whatever the clocks say.
        wait.max(Duration::from_millis(1))
    }

    /// Binds the line of this interface to whom the handshake proved, if that
    /// may be.
    ///
    /// # Errors
    /// The refusal, for the device; it is counted.
    pub fn attach(
        &self,
        interface: &str,
        ifindex: u32,
        hop: Ipv6Addr,
        identity: &Identity,
        fingerprint: Fingerprint,
    ) -> Result<Attached, Refusal> {
        let mut inner = self.lock();
        let now = self.now(&mut inner);
        match self.attach_locked(
            &mut inner,
            now,
            (interface, ifindex),
            hop,
            identity,
            fingerprint,
        ) {
            Ok(attached) => {
                drop(inner);
                self.due_changed.notify_one();
                self.routes_changed.notify_one();
                Ok(attached)
            }
            Err(refusal) => {
                inner.count(interface, refusal.as_str());
                Err(refusal)
            }
        }
    }

    fn attach_locked(
        &self,
        inner: &mut Inner,
        now: UnixMillis,
        (interface, ifindex): (&str, u32),
        hop: Ipv6Addr,
        identity: &Identity,
        fingerprint: Fingerprint,
    ) -> Result<Attached, Refusal> {
        if inner.stopping {
            return Err(Refusal::Draining);
        }
        let allowed = inner
            .policy
            .authorise(interface, identity, fingerprint, now)?;
        if inner.policy.bound_lines() >= self.terms.attachments_max
            && inner.policy.binding(allowed.line).is_none()
        {
            return Err(Refusal::Full);
        }
        let lease_end_ns = self.lease_end_ns();
        let session = inner.next_session;
        inner.next_session += 1;
        let Authorised {
            line,
            participant,
            site,
            prefix,
            ..
        } = allowed;
        for lost in inner
            .policy
            .bind(allowed, session, ifindex, lease_end_ns, now)
        {
            if lost.ifindex != ifindex {
                inner.unbind(lost.ifindex);
            }
            inner.cut(lost.session, Some(Refusal::Superseded));
        }
        if let Err(error) = inner
            .kernel
            .bind(ifindex, participant, prefix, lease_end_ns)
        {
            tracing::error!(%line, %participant, %error, "the line could not be bound in the datapath");
            inner.failures += 1;
            inner.policy.leave(line, session);
            inner.unbind(ifindex);
            return Err(Refusal::Full);
        }
        inner.unbind_again.remove(&ifindex);
        let (sender, cut) = oneshot::channel();
        inner.sessions.insert(
            session,
            Session {
                cut: Some(sender),
                route: SiteRoute {
                    prefix,
                    hop,
                    ifindex,
                },
            },
        );
        Ok(Attached {
            bound: FromGateway::Bound {
                participant,
                site,
                prefix: prefix.address(),
                network: inner.policy.network(),
                gateway: inner.policy.gateway().clone(),
                lease_ms: millis(self.terms.lease),
                renew_ms: millis(self.terms.renew),
            },
            line,
            session,
            cut,
        })
    }

    fn lease_end_ns(&self) -> u64 {
        let lease = u64::try_from(self.terms.lease.as_nanos()).unwrap_or(u64::MAX);
        self.clocks.monotonic_ns().saturating_add(lease)
    }

    /// Prolongs the lease of a session's line. `false`: the line is no longer
    /// this session's.
    pub fn renew(&self, line: LineId, session: u64) -> bool {
        let mut inner = self.lock();
        let end = self.lease_end_ns();
        let Some(ifindex) = inner
            .policy
            .renew(line, session, end)
            .map(|binding| binding.ifindex)
        else {
            return false;
        };
        if let Err(error) = inner.kernel.renew(ifindex, end) {
            tracing::error!(%line, %error, "the lease could not be prolonged in the datapath");
            inner.failures += 1;
            inner.policy.leave(line, session);
            inner.unbind(ifindex);
            inner.cut(session, None);
            drop(inner);
            self.routes_changed.notify_one();
            return false;
        }
        drop(inner);
        self.due_changed.notify_one();
        true
    }

    /// Ends a session's binding, if it still holds it.
    pub fn leave(&self, line: LineId, session: u64) {
        let mut inner = self.lock();
        if inner.stopping {
            return;
        }
        if let Some(binding) = inner.policy.leave(line, session) {
            inner.unbind(binding.ifindex);
        }
        inner.sessions.remove(&session);
        drop(inner);
        self.routes_changed.notify_one();
    }

    /// Counts a refused handshake or connection.
    pub fn count_refusal(&self, interface: &str, reason: &'static str) {
        self.lock().count(interface, reason);
    }

    /// Refused handshakes and attachments, by interface and reason.
    pub fn refusals(&self) -> BTreeMap<(String, &'static str), u64> {
        self.lock().refusals.clone()
    }

    /// Enforces on a line's interface.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    pub fn attach_line(
        &self,
        ifindex: u32,
        name: &str,
    ) -> Result<(), crate::datapath::DatapathError> {
        self.lock().kernel.attach_line(ifindex, name)
    }

    /// An interface is gone: its bindings end, the datapath forgets it.
    pub fn interface_gone(&self, ifindex: u32) {
        let mut inner = self.lock();
        for lost in inner.policy.interface_gone(ifindex) {
            inner.cut(lost.session, None);
        }
        inner.unbind_again.remove(&ifindex);
        if let Err(error) = inner.kernel.detach_line(ifindex) {
            tracing::warn!(ifindex, %error, "the datapath could not forget an interface that is gone");
        }
        drop(inner);
        self.routes_changed.notify_one();
    }

    /// The process ends, and enforcement stays as it is: nobody attaches any
    /// more, and a session that ends leaves its binding to run out by itself,
    /// so that a gateway that is back within a lease loses no packet.
    pub fn stop(&self) {
        self.lock().stopping = true;
    }

    /// Where bound sites are reached, ascending.
    pub fn site_routes(&self) -> Vec<SiteRoute> {
        let inner = self.lock();
        let mut routes: Vec<SiteRoute> = inner
            .policy
            .bindings()
            .filter_map(|binding| inner.sessions.get(&binding.session))
            .map(|session| session.route)
            .collect();
        routes.sort_unstable();
        routes
    }

    /// Reads the policy under the lock; keep it short.
    pub fn with_policy<T>(&self, read: impl FnOnce(&Policy) -> T) -> T {
        read(&self.lock().policy)
    }

    /// Remembers certificates that were taken away in an earlier run.
    pub fn remember_gone(&self, fingerprints: Vec<Fingerprint>) {
        self.lock().policy.remember_gone(fingerprints);
    }

    /// Uses the datapath's counters under the lock.
    pub fn with_kernel<T>(&self, read: impl FnOnce(&mut dyn Kernel) -> T) -> T {
        read(self.lock().kernel.as_mut())
    }

    /// Datapath operations that failed since the start, and whether the tables
    /// may differ from the policy now.
    pub fn failures(&self) -> (u64, bool) {
        let inner = self.lock();
        (
            inner.failures,
            !inner.fits() || !inner.unbind_again.is_empty(),
        )
    }

    /// The network's prefix.
    pub fn network(&self) -> NetworkPrefix {
        self.with_policy(Policy::network)
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl Inner {
    fn perform(&mut self, ops: Vec<Op>) {
        for op in ops {
            match &op {
                Op::Unbind {
                    line,
                    ifindex,
                    session,
                    reason,
                } => {
                    self.unbind(*ifindex);
                    self.cut(*session, *reason);
                    tracing::warn!(
                        %line,
                        reason = reason.map_or("lease-expired", Refusal::as_str),
                        "line unbound"
                    );
                }
                Op::Reconcile => self.begin_comparison(),
                _ => {
                    if let Err(error) = self.kernel.apply(&op) {
                        self.tear(&op, &error);
                    }
                }
            }
        }
    }

    /// Begins a full comparison, anew if there is one already. It mends
    /// whatever was torn before.
    fn begin_comparison(&mut self) {
        self.comparison = Some(Comparison::new(self.kernel.held()));
    }

    /// Does one slice of it; tells whether there is more.
    fn compare(&mut self) -> bool {
        let Some(mut comparison) = self.comparison.take() else {
            return false;
        };
        for op in self.policy.compare_on(&mut comparison, SLICE) {
            if let Err(error) = self.kernel.apply(&op) {
                self.tear(&op, &error);
                return false;
            }
        }
        if !comparison.is_over() {
            self.comparison = Some(comparison);
            return true;
        }
        if self.torn {
            tracing::info!("the datapath's tables fit the policy again");
            self.torn = false;
        }
        false
    }

    /// Whether the tables are those of the policy.
    fn fits(&self) -> bool {
        !self.torn && self.comparison.is_none()
    }

    fn tear(&mut self, op: &Op, error: &crate::datapath::DatapathError) {
        tracing::error!(?op, %error, "a datapath operation failed; the tables are compared again until they fit");
        self.failures += 1;
        self.torn = true;
        // One that goes on may be past what is missing now.
        self.comparison = None;
    }

    fn unbind(&mut self, ifindex: u32) {
        match self.kernel.unbind(ifindex) {
            Ok(()) => {
                self.unbind_again.remove(&ifindex);
            }
            Err(error) => {
                tracing::error!(ifindex, %error, "a line could not be unbound in the datapath; trying again");
                self.failures += 1;
                self.unbind_again.insert(ifindex);
            }
        }
    }

    /// Tries again what failed.
    fn mend(&mut self) {
        for ifindex in std::mem::take(&mut self.unbind_again) {
            if !self.policy.bindings().any(|b| b.ifindex == ifindex) {
                self.unbind(ifindex);
            }
        }
        if self.torn && self.comparison.is_none() {
            self.begin_comparison();
        }
    }

    fn cut(&mut self, session: u64, reason: Option<Refusal>) {
        if let Some(mut ended) = self.sessions.remove(&session)
            && let (Some(sender), Some(reason)) = (ended.cut.take(), reason)
        {
            // Nobody listens any more when the connection has just ended.
            let _ = sender.send(reason);
        }
    }

    fn count(&mut self, interface: &str, reason: &'static str) {
        let known = (interface.to_owned(), reason);
        let key = if self.refusals.len() < COUNTERS_MAX || self.refusals.contains_key(&known) {
            known
        } else {
            (OTHERS.to_owned(), reason)
        };
        let counter = self.refusals.entry(key).or_default();
        *counter = counter.saturating_add(1);
    }
}
