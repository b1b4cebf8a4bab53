//! The one full comparison, in slices: what the datapath's tables held when it
//! began, against the policy as it is when each slice is made.
//!
//! With millions of entries it takes seconds, in which leases have to be renewed
//! and lines to be cut. So it is not one step: whoever keeps policy and tables
//! under one lock lets others in between two slices, and they may change both.
//! That does no harm. A slice reads the policy anew, and asks for nothing that
//! the tables may not hold already; what came into the tables since the beginning
//! was brought there by an operation that the policy wanted.
//!
//! Closing comes first, all of it: nobody keeps what the policy does not give
//! while the rest is being written.

use super::{Op, Policy};
use iryonet_domain::{Endpoint, ParticipantNumber, ServiceId};
use std::ops::Bound;

/// What the datapath's tables hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Participants.
    pub participants: Vec<ParticipantNumber>,
    /// Open paths.
    pub grants: Vec<(ParticipantNumber, ServiceId)>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// How far a comparison is: what it looks at next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    CloseGrants,
    CloseEndpoints,
    TakeParticipants,
    Participants(Bound<ParticipantNumber>),
    Endpoints(Bound<Endpoint>),
    Grants(Bound<(ParticipantNumber, ServiceId)>),
    Nothing,
}

/// A full comparison that goes on.
#[derive(Debug, Clone)]
pub struct Comparison {
    held: Held,
    next: Next,
}

impl Comparison {
    /// Begins one with what the tables hold now.
    #[must_use]
    pub fn new(held: Held) -> Self {
        Self {
            held,
            next: Next::CloseGrants,
        }
    }

    /// Has everything been compared?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.next == Next::Nothing
    }
}

impl Policy {
    /// Goes on with a comparison: the operations for at most `entries` more of
    /// what the tables held and of what they must hold. To be done before
    /// anything else changes policy or tables.
    pub fn compare_on(&self, comparison: &mut Comparison, entries: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut left = entries.max(1);
        while left > 0 && !comparison.is_over() {
            let looked = self.compare_step(comparison, left, &mut ops);
            left -= looked.min(left);
        }
        ops
    }

    /// One kind of entries, as many as are left; tells how many were looked at.
    fn compare_step(&self, comparison: &mut Comparison, left: usize, ops: &mut Vec<Op>) -> usize {
        let Comparison { held, next } = comparison;
        let (looked, following) = match next {
            Next::CloseGrants => {
                let some = last(&mut held.grants, left);
                let looked = some.len();
                ops.extend(some.filter(|key| !self.wants_grant(*key)).map(
                    |(participant, service)| Op::RemoveGrant {
                        participant,
                        service,
                    },
                ));
                (
                    looked,
                    held.grants.is_empty().then_some(Next::CloseEndpoints),
                )
            }
            Next::CloseEndpoints => {
                let some = last(&mut held.endpoints, left);
                let looked = some.len();
                let gone = some.filter(|endpoint| self.wanted_endpoint(endpoint).is_none());
                ops.extend(gone.map(Op::RemoveEndpoint));
                let over = held.endpoints.is_empty();
                (looked, over.then_some(Next::TakeParticipants))
            }
            Next::TakeParticipants => {
                let some = last(&mut held.participants, left);
                let looked = some.len();
                let gone = some.filter(|number| {
                    self.lapsed || !self.entries.participants.contains_key(number)
                });
                ops.extend(gone.map(Op::RemoveParticipant));
                let over = held.participants.is_empty();
                // Without a policy in force there is nothing to be held.
                let following = if self.lapsed {
                    Next::Nothing
                } else {
                    Next::Participants(Bound::Unbounded)
                };
                (looked, over.then_some(following))
            }
            // It ended between two slices; that has asked for another comparison.
            Next::Participants(_) | Next::Endpoints(_) | Next::Grants(_) if self.lapsed => {
                (0, Some(Next::Nothing))
            }
            Next::Participants(from) => {
                let some = self.entries.participants.range((*from, Bound::Unbounded));
                let before = ops.len();
                ops.extend(some.take(left).map(|(number, entry)| Op::SetParticipant {
                    number: *number,
                    condition: entry.condition,
                    generation: self.generation(*number, entry.generation),
                }));
                let looked = ops.len() - before;
                if let (Some(Op::SetParticipant { number, .. }), 1..) = (ops.last(), looked) {
                    *from = Bound::Excluded(*number);
                }
                let over = looked < left;
                (looked, over.then_some(Next::Endpoints(Bound::Unbounded)))
            }
            Next::Endpoints(from) => {
                let mut looked = 0;
                let range = (*from, Bound::Unbounded);
                for endpoint in self.entries.endpoints.range(range).take(left) {
                    let (endpoint, claims) = endpoint;
                    *from = Bound::Excluded(*endpoint);
                    looked += 1;
                    let service = claims.first().copied();
                    ops.extend(service.map(|service| Op::SetEndpoint(*endpoint, service)));
                }
                let over = looked < left;
                (looked, over.then_some(Next::Grants(Bound::Unbounded)))
            }
            Next::Grants(from) => {
                let mut looked = 0;
                let range = (*from, Bound::Unbounded);
                for (key, grant) in self.entries.grants.range(range).take(left) {
                    *from = Bound::Excluded(*key);
                    looked += 1;
                    if super::entries::open(grant, self.at) {
                        let (participant, service) = *key;
                        ops.push(Op::SetGrant {
                            participant,
                            service,
                        });
                    }
                }
                (looked, (looked < left).then_some(Next::Nothing))
            }
            Next::Nothing => (left, None),
        };
        if let Some(following) = following {
            comparison.next = following;
        }
        looked
    }

    fn wants_grant(&self, key: (ParticipantNumber, ServiceId)) -> bool {
        !self.lapsed && self.entries.open(key, self.at)
    }

    fn wanted_endpoint(&self, endpoint: &Endpoint) -> Option<ServiceId> {
        (!self.lapsed)
            .then(|| self.entries.endpoint(endpoint))
            .flatten()
    }
}

/// Takes the last few out of a list.
fn last<T>(list: &mut Vec<T>, count: usize) -> std::vec::Drain<'_, T> {
    let from = list.len().saturating_sub(count);
    list.drain(from..)
}
