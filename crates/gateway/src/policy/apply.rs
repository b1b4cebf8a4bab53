//! Snapshots and deltas become operations.
//!
//! A delta is applied to the entries as a whole; then, for what it touched,
//! the tables' content before and after are compared. So a delta that gives and
//! takes the same thing costs nothing, and the order of the operations is ours:
//! bindings end, paths close, generations rise, and only then something opens.

use super::entries::Entries;
use super::{ApplyError, Op, Policy};
use iryonet_domain::NetworkPrefix;
use iryonet_domain::{Endpoint, GatewayId, LineId, ParticipantNumber, ServiceId, UnixMillis};
use iryonet_wire::attach::Refusal;
use iryonet_wire::feed::{Change, Condition, Delta, Revision, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// What the tables held, before the delta, of all that it touched.
#[derive(Default)]
struct Touched {
    participants: BTreeMap<ParticipantNumber, Option<(Condition, u32)>>,
    grants: BTreeMap<(ParticipantNumber, ServiceId), bool>,
    endpoints: BTreeMap<Endpoint, Option<ServiceId>>,
    /// Whose bindings have to be looked at again.
    holders: BTreeSet<ParticipantNumber>,
}

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    gateway: GatewayId,
    network: NetworkPrefix,
    revision: Revision,
    issued_at: UnixMillis,
    valid_until: UnixMillis,
}

impl Head {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            gateway: snapshot.gateway.clone(),
            network: snapshot.network,
            revision: snapshot.revision,
            issued_at: snapshot.issued_at,
            valid_until: snapshot.valid_until,
        }
    }
}

/// A snapshot with its indexes, ready to become the policy. To make it and to
/// drop what it replaces is most of the work with a large one, and needs no
/// [`Policy`]: nobody has to wait for it.
#[derive(Debug)]
pub struct Prepared {
    head: Head,
    entries: Entries,
}

impl Prepared {
    /// Makes the indexes; `now` is the time by which policy is judged.
    #[must_use]
    pub fn new(snapshot: Snapshot, now: UnixMillis) -> Self {
        Self {
            head: Head::of(&snapshot),
            entries: Entries::of(snapshot, now),
        }
    }
}

/// What a snapshot has replaced. It is good for nothing but being dropped.
#[derive(Debug)]
pub struct Replaced {
    _entries: Entries,
}

impl Policy {
    /// Would this snapshot be taken?
    ///
    /// # Errors
    /// When it is not for this gateway and network, or older than the one in force.
    pub fn check_snapshot(&self, snapshot: &Snapshot) -> Result<(), ApplyError> {
        self.check_head(&Head::of(snapshot))
    }

    fn check_head(&self, head: &Head) -> Result<(), ApplyError> {
        self.check_gateway(&head.gateway)?;
        if head.network != self.network {
            return Err(ApplyError::OtherNetwork {
                found: head.network,
                own: self.network,
            });
        }
        self.check_age(head)
    }

    /// Replaces the whole policy. `salt` is any random number (see [`Policy`]).
    ///
    /// # Errors
    /// As [`Policy::check_snapshot`]; the state is then as it was.
    pub fn replace(
        &mut self,
        prepared: Prepared,
        now: UnixMillis,
        salt: u32,
    ) -> Result<(Vec<Op>, Replaced), ApplyError> {
        let Prepared { head, entries } = prepared;
        self.check_head(&head)?;
        self.at = self.at.max(now);
        self.revision = head.revision;
        self.issued_at = head.issued_at;
        self.valid_until = head.valid_until;
        self.lapsed = self.at >= self.valid_until;
        self.salt = salt;
        self.raised.clear();
        let before = std::mem::replace(&mut self.entries, entries);
        // Both ascend: one walk through each.
        let mut kept = self.entries.devices.keys().peekable();
        let gone: Vec<_> = before
            .devices
            .keys()
            .filter(|fingerprint| {
                while kept.next_if(|other| other < fingerprint).is_some() {}
                kept.peek() != Some(fingerprint)
            })
            .copied()
            .collect();
        self.remember_gone(gone);
        let lines: Vec<LineId> = self.bindings.keys().copied().collect();
        let mut ops = self.unbind_objected(lines);
        ops.push(Op::Reconcile);
        Ok((ops, Replaced { _entries: before }))
    }

    /// Applies what became different.
    ///
    /// # Errors
    /// When it is not the step that follows for this gateway; the state is then
    /// as it was.
    pub fn apply_delta(&mut self, delta: Delta, now: UnixMillis) -> Result<Vec<Op>, ApplyError> {
        self.check_gateway(&delta.gateway)?;
        if delta.from_revision != self.revision {
            return Err(ApplyError::Gap {
                found: delta.from_revision,
                own: self.revision,
            });
        }
        if delta.to_revision < delta.from_revision {
            return Err(ApplyError::Backwards {
                from: delta.from_revision,
                to: delta.to_revision,
            });
        }
        // What time alone has changed comes first, and by the old validity.
        let mut ops = self.due_wall(now);
        let was_lapsed = self.lapsed;
        let mut touched = Touched::default();
        for change in delta.changes {
            self.change(change, &mut touched);
        }
        self.revision = delta.to_revision;
        // One that was signed before what is in force (an empty one sent again,
        // or a center whose clock was set back) says nothing new of validity.
        if delta.issued_at >= self.issued_at {
            self.issued_at = delta.issued_at;
            self.valid_until = delta.valid_until;
        }
        self.lapsed = self.at >= self.valid_until;
        if self.lapsed || was_lapsed {
            ops.extend(self.unbind_objected(self.bindings.keys().copied().collect()));
            ops.push(Op::Reconcile);
            return Ok(ops);
        }
        let lines = touched
            .holders
            .iter()
            .filter_map(|holder| self.bound_of.get(holder))
            .flatten()
            .copied()
            .collect();
        ops.extend(self.unbind_objected(lines));
        self.compare(touched, &mut ops);
        Ok(ops)
    }

    fn check_gateway(&self, found: &GatewayId) -> Result<(), ApplyError> {
        if *found == self.gateway {
            Ok(())
        } else {
            Err(ApplyError::OtherGateway {
                found: found.clone(),
                own: self.gateway.clone(),
            })
        }
    }

    /// An earlier state that was signed earlier is one sent again. A lower
    /// revision that was signed later is a center restored from a copy.
    fn check_age(&self, head: &Head) -> Result<(), ApplyError> {
        if head.revision < self.revision && head.issued_at < self.issued_at {
            Err(ApplyError::Older {
                found: head.issued_at.0,
                own: self.issued_at.0,
            })
        } else {
            Ok(())
        }
    }

    fn change(&mut self, change: Change, touched: &mut Touched) {
        let at = self.at;
        match change {
            Change::Gateway(entry) => {
                self.entries.gateways.insert(entry.gateway.clone(), entry);
            }
            Change::GatewayGone(gateway) => {
                self.entries.gateways.remove(&gateway);
            }
            Change::Participant(entry) => {
                self.touch_participant(entry.number, touched);
                self.entries.participants.insert(entry.number, entry);
            }
            Change::ParticipantGone(number) => {
                self.touch_participant(number, touched);
                self.entries.participants.remove(&number);
            }
            Change::Service(entry) => {
                self.touch_service(entry.service, touched);
                for endpoint in &entry.endpoints {
                    self.touch_endpoint(*endpoint, touched);
                }
                self.entries.put_service(entry);
            }
            Change::ServiceGone(service) => {
                self.touch_service(service, touched);
                self.entries.take_service(service);
            }
            Change::Grant(grant) => {
                self.touch_grant((grant.participant, grant.service), touched);
                self.entries.put_grant(grant, at);
            }
            Change::GrantGone {
                participant,
                service,
            } => {
                self.touch_grant((participant, service), touched);
                self.entries.take_grant(participant, service, at);
            }
            Change::Line(entry) => {
                // Also whoever held an interface that this line now claims.
                let rivals = self
                    .entries
                    .interfaces
                    .get(&entry.circuit.interface)
                    .into_iter()
                    .flatten();
                let holders: Vec<_> = rivals
                    .chain(std::iter::once(&entry.line))
                    .filter_map(|line| self.entries.lines.get(line))
                    .map(|line| line.participant)
                    .collect();
                touched.holders.extend(holders);
                self.entries.put_line(entry);
            }
            Change::LineGone(line) => {
                if let Some(old) = self.entries.take_line(line) {
                    touched.holders.insert(old.participant);
                }
            }
            Change::Device(entry) => {
                touched.holders.insert(entry.participant);
                self.gone_is_back(&entry.fingerprint);
                if let Some(old) = self.entries.take_device(&entry.fingerprint) {
                    touched.holders.insert(old.participant);
                }
                self.entries.put_device(entry);
            }
            Change::DeviceGone(fingerprint) => {
                if let Some(old) = self.entries.take_device(&fingerprint) {
                    touched.holders.insert(old.participant);
                }
                self.remember_gone([fingerprint]);
            }
        }
    }

    fn gone_is_back(&mut self, fingerprint: &iryonet_domain::Fingerprint) {
        if self.gone.remove(fingerprint) {
            self.gone_order.retain(|other| other != fingerprint);
        }
    }

    fn touch_participant(&self, number: ParticipantNumber, touched: &mut Touched) {
        touched.holders.insert(number);
        touched
            .participants
            .entry(number)
            .or_insert_with(|| self.shown_participant(number));
    }

    fn touch_service(&self, service: ServiceId, touched: &mut Touched) {
        if let Some(entry) = self.entries.services.get(&service) {
            for endpoint in &entry.endpoints {
                self.touch_endpoint(*endpoint, touched);
            }
        }
    }

    fn touch_endpoint(&self, endpoint: Endpoint, touched: &mut Touched) {
        touched
            .endpoints
            .entry(endpoint)
            .or_insert_with(|| self.entries.endpoint(&endpoint));
    }

    fn touch_grant(&self, key: (ParticipantNumber, ServiceId), touched: &mut Touched) {
        touched
            .grants
            .entry(key)
            .or_insert_with(|| self.entries.open(key, self.at));
    }

    fn shown_participant(&self, number: ParticipantNumber) -> Option<(Condition, u32)> {
        self.entries
            .participants
            .get(&number)
            .map(|entry| (entry.condition, self.generation(number, entry.generation)))
    }

    /// Operations for whatever differs between before and now.
    fn compare(&self, touched: Touched, ops: &mut Vec<Op>) {
        for (key, was) in &touched.grants {
            if *was && !self.entries.open(*key, self.at) {
                ops.push(Op::RemoveGrant {
                    participant: key.0,
                    service: key.1,
                });
            }
        }
        for (endpoint, was) in &touched.endpoints {
            if was.is_some() && self.entries.endpoint(endpoint).is_none() {
                ops.push(Op::RemoveEndpoint(*endpoint));
            }
        }
        for (number, was) in &touched.participants {
            match self.shown_participant(*number) {
                None if was.is_some() => ops.push(Op::RemoveParticipant(*number)),
                Some((condition, generation)) if *was != Some((condition, generation)) => {
                    ops.push(Op::SetParticipant {
                        number: *number,
                        condition,
                        generation,
                    });
                }
                _ => {}
            }
        }
        for (endpoint, was) in &touched.endpoints {
            match self.entries.endpoint(endpoint) {
                Some(service) if *was != Some(service) => {
                    ops.push(Op::SetEndpoint(*endpoint, service));
                }
                _ => {}
            }
        }
        for (key, was) in &touched.grants {
            if !*was && self.entries.open(*key, self.at) {
                ops.push(Op::SetGrant {
                    participant: key.0,
                    service: key.1,
                });
            }
        }
    }

    /// Ends those of these bindings that may not go on.
    pub(super) fn unbind_objected(&mut self, lines: Vec<LineId>) -> Vec<Op> {
        let mut ops = Vec::new();
        for line in lines {
            let objection = self
                .bindings
                .get(&line)
                .and_then(|binding| self.objection(binding, self.at));
            if let Some(reason) = objection {
                ops.extend(self.unbind(line, Some(reason)));
            }
        }
        ops
    }

    pub(super) fn unbind(&mut self, line: LineId, reason: Option<Refusal>) -> Option<Op> {
        self.release(line).map(|binding| Op::Unbind {
            line,
            ifindex: binding.ifindex,
            session: binding.session,
            reason,
        })
    }
}
