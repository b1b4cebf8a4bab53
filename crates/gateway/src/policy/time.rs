//! What time alone changes: grants begin and end, certificates run out, leases
//! die, and in the end the policy itself.

use super::entries::next_edge;
use super::{Op, Policy};
use iryonet_domain::{LineId, UnixMillis};
use iryonet_wire::attach::Refusal;

impl Policy {
    /// Everything that has come due, by the wall clock (which never goes back,
    /// see `agent::clock`) and by the monotonic clock of the leases.
    pub fn due(&mut self, now: UnixMillis, monotonic_ns: u64) -> Vec<Op> {
        let mut ops = self.due_leases(monotonic_ns);
        ops.extend(self.due_wall(now));
        ops
    }

    fn due_leases(&mut self, monotonic_ns: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        while let Some((end, line)) = self.lease_ends.first().copied() {
            if end > monotonic_ns {
                break;
            }
            self.lease_ends.remove(&(end, line));
            ops.extend(self.unbind(line, None));
        }
        ops
    }

    pub(super) fn due_wall(&mut self, now: UnixMillis) -> Vec<Op> {
        self.at = self.at.max(now);
        let mut ops = Vec::new();
        ops.extend(self.due_devices());
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        while let Some((time, participant, service)) = self.entries.edges.first().copied() {
            if time > self.at {
                break;
            }
            self.entries.edges.remove(&(time, participant, service));
            let Some(grant) = self.entries.grants.get(&(participant, service)) else {
                continue;
            };
            if time == grant.until {
                ended.push((participant, service));
            } else if let Some(next) = next_edge(grant, self.at) {
                begun.push((participant, service));
                self.entries.edges.insert((next, participant, service));
            }
        }
        if !self.lapsed && self.at >= self.valid_until {
            self.lapsed = true;
            let lines: Vec<LineId> = self.bindings.keys().copied().collect();
            ops.extend(
                lines
                    .into_iter()
                    .filter_map(|line| self.unbind(line, Some(Refusal::NoPolicy))),
            );
            ops.push(Op::Reconcile);
            return ops;
        }
        if self.lapsed {
            return ops;
        }
        for (participant, service) in &ended {
            ops.push(Op::RemoveGrant {
                participant: *participant,
                service: *service,
            });
        }
        // Flows of an ended path are believed until a generation rises.
        for (participant, _) in ended {
            let raised = self.raised.entry(participant).or_default();
            *raised = raised.wrapping_add(1);
            if let Some(entry) = self.entries.participants.get(&participant) {
                ops.push(Op::SetParticipant {
                    number: participant,
                    condition: entry.condition,
                    generation: self.generation(participant, entry.generation),
                });
            }
        }
        for (participant, service) in begun {
            ops.push(Op::SetGrant {
                participant,
                service,
            });
        }
        ops
    }

    /// Certificates of bound devices that have run out. The entry stays, so
    /// that the device is told "expired".
    fn due_devices(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        while let Some((end, fingerprint)) = self.entries.device_ends.first().copied() {
            if end > self.at {
                break;
            }
            self.entries.device_ends.remove(&(end, fingerprint));
            let lines: Vec<LineId> = self
                .entries
                .devices
                .get(&fingerprint)
                .and_then(|device| self.bound_of.get(&device.participant))
                .into_iter()
                .flatten()
                .copied()
                .filter(|line| {
                    self.bindings
                        .get(line)
                        .is_some_and(|b| b.authorised.fingerprint == fingerprint)
                })
                .collect();
            ops.extend(
                lines
                    .into_iter()
                    .filter_map(|line| self.unbind(line, Some(Refusal::Expired))),
            );
        }
        ops
    }

    /// The next moment at which [`Policy::due`] has something to do by the wall clock.
    #[must_use]
    pub fn next_wall(&self) -> Option<UnixMillis> {
        let edge = self.entries.edges.first().map(|(time, _, _)| *time);
        let device = self.entries.device_ends.first().map(|(time, _)| *time);
        let end = (!self.lapsed).then_some(self.valid_until);
        [edge, device, end].into_iter().flatten().min()
    }

    /// The next moment at which a lease dies, on the monotonic clock.
    #[must_use]
    pub fn next_lease_ns(&self) -> Option<u64> {
        self.lease_ends.first().map(|(end, _)| *end)
    }
}
