//! For each gateway, what became different lately: what a delta is cut from.
//!
//! It holds a bounded past. Who asks for more than it remembers is told to take
//! a snapshot; that is always right, and only costs more. Waiting for something
//! to become different is not its business.

use iryonet_domain::GatewayId;
use iryonet_wire::feed::{Change, Revision};
use std::collections::{BTreeMap, VecDeque};

/// How much past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedLimits {
    /// Changes of one gateway. About 80 bytes each on the wire at most: a delta
    /// of 65,536 changes stays below [`iryonet_wire::feed::DELTA_MAX_BYTES`]
    /// unless it is full of services.
    pub changes_per_gateway: usize,
    /// Bytes of memory for all gateways together.
    pub bytes_total: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            changes_per_gateway: 65_536,
            bytes_total: 64 << 20,
        }
    }
}

/// Answer to "what became different since?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Nothing that concerns the gateway: what it holds is the state at the
    /// log's head too.
    UpToDate,
    /// This, in the order to apply it.
    Changes {
        /// The revision after them: the log's head.
        to: Revision,
        /// What is different.
        changes: Vec<Change>,
    },
    /// The log does not reach back that far, or never went as far (the center
    /// was restored from an earlier copy): take a snapshot.
    TooOld,
}

/// What became different at each gateway, by revision.
#[derive(Debug)]
pub struct FeedLog {
    limits: FeedLimits,
    start: Revision,
    head: Revision,
    bytes: usize,
    gateways: BTreeMap<GatewayId, Past>,
}

#[derive(Debug)]
struct Past {
    /// Everything after this revision is remembered.
    floor: Revision,
    /// The last revision that brought something.
    last: Revision,
    changes: VecDeque<(Revision, Change)>,
    bytes: usize,
}

impl FeedLog {
    /// An empty log of a model that was just loaded at `revision`.
    #[must_use]
    pub fn new(revision: Revision, limits: FeedLimits) -> Self {
        Self {
            limits,
            start: revision,
            head: revision,
            bytes: 0,
            gateways: BTreeMap::new(),
        }
    }

    /// The last revision that was taken in.
    #[must_use]
    pub fn head(&self) -> Revision {
        self.head
    }

    /// Bytes of memory that the kept changes take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last revision that concerned the gateway, as far as this log knows:
    /// who acknowledged this one enforces all there is.
    #[must_use]
    pub fn last_of(&self, gateway: &GatewayId) -> Revision {
        self.gateways
            .get(gateway)
            .map_or(self.start, |past| past.last)
    }

    /// Takes in what [`crate::Model::apply`] answered for `revision`. An empty
    /// answer counts too: it moves the head. What is not above the head is in
    /// the log already and is left out.
    pub fn push(&mut self, revision: Revision, changes: Vec<(GatewayId, Change)>) {
        if revision <= self.head {
            return;
        }
        self.head = revision;
        for (gateway, change) in changes {
            let start = self.start;
            let past = self.gateways.entry(gateway).or_insert_with(|| Past {
                floor: start,
                last: start,
                changes: VecDeque::new(),
                bytes: 0,
            });
            past.last = revision;
            if past.floor >= revision {
                // Its past was cut off within this very revision.
                continue;
            }
            let bytes = weight(&change);
            past.changes.push_back((revision, change));
            past.bytes += bytes;
            self.bytes += bytes;
            if past.changes.len() > self.limits.changes_per_gateway {
                let keep = self.limits.changes_per_gateway / 2;
                self.bytes -= past.forget(keep);
            }
        }
        while self.bytes > self.limits.bytes_total {
            // Whoever takes most gives half; ties go by name, so that two
            // centers forget alike.
            let Some(past) = self.gateways.values_mut().max_by_key(|past| past.bytes) else {
                break;
            };
            let keep = past.changes.len() / 2;
            self.bytes -= past.forget(keep);
        }
    }

    /// What became different for the gateway after `revision`.
    #[must_use]
    pub fn since(&self, gateway: &GatewayId, revision: Revision) -> Since {
        let past = self.gateways.get(gateway);
        let floor = past.map_or(self.start, |past| past.floor);
        if revision < floor || revision > self.head {
            return Since::TooOld;
        }
        let Some(past) = past else {
            return Since::UpToDate;
        };
        let from = past.changes.partition_point(|(at, _)| *at <= revision);
        let changes: Vec<Change> = (past.changes.range(from..))
            .map(|(_, change)| change.clone())
            .collect();
        if changes.is_empty() {
            Since::UpToDate
        } else {
            Since::Changes {
                to: self.head,
                changes,
            }
        }
    }
}

impl Past {
    /// Forgets the oldest revisions until at most `keep` changes are left, and
    /// tells the bytes that became free. A revision is kept whole or not at all.
    fn forget(&mut self, keep: usize) -> usize {
        let mut freed = 0;
        while let Some((at, _)) = self.changes.front() {
            if self.changes.len() <= keep && *at > self.floor {
                break;
            }
            self.floor = *at;
            if let Some((_, change)) = self.changes.pop_front() {
                freed += weight(&change);
            }
        }
        self.bytes -= freed;
        freed
    }
}

/// Bytes of memory that a kept change takes.
fn weight(change: &Change) -> usize {
    let behind = match change {
        Change::Gateway(entry) => entry.gateway.as_str().len() + entry.blocks.len(),
        Change::GatewayGone(gateway) => gateway.as_str().len(),
        Change::Service(entry) => entry.endpoints.len() * size_of::<iryonet_domain::Endpoint>(),
        Change::Line(entry) => entry.circuit.gateway.as_str().len() + entry.circuit.interface.len(),
        Change::Participant(_)
        | Change::ParticipantGone(_)
        | Change::ServiceGone(_)
        | Change::Grant(_)
        | Change::GrantGone { .. }
        | Change::LineGone(_)
        | Change::Device(_)
        | Change::DeviceGone(_) => 0,
    };
    size_of::<(Revision, Change)>() + behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use iryonet_domain::LineId;
    use proptest::prelude::*;

    fn gateway(name: &str) -> GatewayId {
        name.parse().unwrap()
    }

    fn gone(line: u32) -> Change {
        Change::LineGone(LineId(line))
    }

    #[test]
    fn a_gateway_gets_what_concerns_it_since_its_revision_and_nothing_else() {
        let (east, west) = (gateway("east"), gateway("west"));
        let mut log = FeedLog::new(10, FeedLimits::default());
        log.push(11, vec![(east.clone(), gone(1)), (west.clone(), gone(2))]);
        log.push(12, vec![]);
        log.push(13, vec![(east.clone(), gone(3))]);
        let changes = |changes: &[u32]| Since::Changes {
            to: 13,
            changes: changes.iter().map(|&line| gone(line)).collect(),
        };
        assert_eq!(log.since(&east, 10), changes(&[1, 3]));
        assert_eq!(log.since(&east, 11), changes(&[3]));
        assert_eq!(log.since(&east, 13), Since::UpToDate);
        assert_eq!(log.since(&west, 10), changes(&[2]));
        assert_eq!(log.since(&west, 11), Since::UpToDate);
        assert_eq!((log.last_of(&east), log.last_of(&west)), (13, 11));
        assert_eq!(log.since(&gateway("north"), 10), Since::UpToDate);
    }

    #[test]
    fn who_is_older_than_the_log_or_ahead_of_it_takes_a_snapshot() {
        let mut log = FeedLog::new(10, FeedLimits::default());
        log.push(11, vec![]);
        assert_eq!(log.since(&gateway("east"), 9), Since::TooOld);
        assert_eq!(log.since(&gateway("east"), 12), Since::TooOld);
    }

    #[test]
    fn a_revision_larger_than_the_log_sends_everyone_to_the_snapshot() {
        let limits = FeedLimits {
            changes_per_gateway: 4,
            ..FeedLimits::default()
        };
        let mut log = FeedLog::new(0, limits);
        let large = (0..9).map(|line| (gateway("east"), gone(line))).collect();
        log.push(1, large);
        assert_eq!(log.since(&gateway("east"), 0), Since::TooOld);
        assert_eq!(log.since(&gateway("east"), 1), Since::UpToDate);
        log.push(2, vec![(gateway("east"), gone(9))]);
        assert!(
            matches!(log.since(&gateway("east"), 1), Since::Changes { changes, .. } if changes.len() == 1)
        );
    }

    proptest! {
        /// Whatever was forgotten, an answer is complete or is no answer.
        #[test]
        fn an_answer_is_never_a_part_of_what_happened(
            pushes in prop::collection::vec(prop::collection::vec((0usize..3, any::<u32>()), 0..6), 1..60),
            per_gateway in 1usize..12,
            total in 1usize..30,
        ) {
            let names = [gateway("a"), gateway("b"), gateway("c")];
            let limits = FeedLimits {
                changes_per_gateway: per_gateway,
                bytes_total: total * size_of::<(Revision, Change)>(),
            };
            let mut log = FeedLog::new(0, limits);
            let mut all: Vec<(Revision, usize, Change)> = Vec::new();
            for (index, push) in pushes.iter().enumerate() {
                let revision = index as u64 + 1;
                log.push(revision, push.iter().map(|&(g, line)| (names[g].clone(), gone(line))).collect());
                all.extend(push.iter().map(|&(g, line)| (revision, g, gone(line))));
                prop_assert!(log.bytes() <= limits.bytes_total);
                for (g, name) in names.iter().enumerate() {
                    let kept = log.gateways.get(name).map_or(0, |past| past.changes.len());
                    prop_assert!(kept <= per_gateway);
                    for since in 0..=revision {
                        let wanted: Vec<Change> = all.iter()
                            .filter(|(at, to, _)| *at > since && *to == g)
                            .map(|(_, _, change)| change.clone())
                            .collect();
                        match log.since(name, since) {
                            Since::TooOld => prop_assert!(since < revision, "the head is never too old"),
                            Since::UpToDate => prop_assert!(wanted.is_empty()),
                            Since::Changes { to, changes } => {
                                prop_assert_eq!(to, revision);
                                prop_assert_eq!(changes, wanted);
                            }
                        }
                    }
                }
            }
        }
    }
}
