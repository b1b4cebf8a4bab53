//! The writer's side of the two policy tables: participants and grants, kept
//! such that no order of changes can leave a conversation open that lost its
//! ground.
//!
//! A conversation in force carries the generations under which both ends were
//! checked. The generations in the table are not the center's: each is drawn
//! from one counter that never goes back and lives as long as the table. Every
//! act that takes something away (a grant, an endpoint, a state) first changes
//! the table and then gives the participant a new generation, whatever the
//! center says about generations and in whatever order deltas are applied.
//! A participant that is removed and comes back cannot meet its old generation.
//!
//! It must not know where the tables live, or what a packet is.

use std::collections::{BTreeSet, HashMap};

use crate::address::PARTICIPANT_MAX;
use crate::slot::{Full, Slots, Writer};
use crate::world::{ParticipantSlot, ParticipantState, Table};

/// The word of the participants' table that holds the last generation given.
const GENERATION_WORD: usize = 1;

/// A participant or service number out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyError {
    /// Participants are numbered 1 to 16,777,215 (0 is the infrastructure).
    Participant(u32),
    /// Services are numbered 0 to 16,777,215.
    Service(u32),
    /// The participants' table is full.
    Participants(Full),
    /// The grants' table is full.
    Grants(Full),
}

impl core::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Participant(number) => {
                write!(
                    f,
                    "participant number {number} is not in 1..={PARTICIPANT_MAX}"
                )
            }
            Self::Service(number) => {
                write!(f, "service number {number} is not in 0..={PARTICIPANT_MAX}")
            }
            Self::Participants(full) => write!(f, "participants: {full}"),
            Self::Grants(full) => write!(f, "grants: {full}"),
        }
    }
}

impl core::error::Error for PolicyError {}

/// What a [`Policy::reconcile`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyChanges {
    /// Participants added or changed.
    pub participants_set: u32,
    /// Participants taken out.
    pub participants_removed: u32,
    /// Grants added.
    pub grants_set: u32,
    /// Grants taken out.
    pub grants_removed: u32,
}

/// The two policy tables and what is known about their entries.
#[derive(Debug)]
pub struct Policy<S> {
    participants: Writer<S>,
    grants: Writer<S>,
    /// The center's generation of each participant, as last told.
    told: HashMap<u32, u32>,
}

impl<S: Slots> Policy<S> {
    /// Takes over two tables, empty or filled before.
    pub fn new(participants: Writer<S>, grants: Writer<S>) -> Self {
        Self {
            participants,
            grants,
            told: HashMap::new(),
        }
    }

    /// Sets where a participant stands; tells whether that changed anything.
    ///
    /// `generation` is the center's: when it differs from the one told before,
    /// all conversations of the participant are checked again. After taking
    /// over a filled table the first one told is believed to be the old one.
    ///
    /// # Errors
    /// A number out of range or a full table.
    pub fn set_participant(
        &mut self,
        number: u32,
        state: ParticipantState,
        generation: u32,
    ) -> Result<bool, PolicyError> {
        check_participant(number)?;
        let before = self
            .participants
            .get(u64::from(number))
            .map(ParticipantSlot);
        let told = self.told.insert(number, generation);
        if before.is_some_and(|slot| slot.state_number() == state as u8)
            && told.is_none_or(|told| told == generation)
        {
            return Ok(false);
        }
        let slot = ParticipantSlot::new(number, state, self.next_generation());
        self.participants
            .set(slot.0)
            .map_err(PolicyError::Participants)?;
        Ok(true)
    }

    /// Takes a participant out; tells whether it was there.
    pub fn remove_participant(&mut self, number: u32) -> bool {
        self.told.remove(&number);
        self.participants.remove(u64::from(number)).is_some()
    }

    /// Grants a participant a service; tells whether that is new.
    ///
    /// # Errors
    /// A number out of range or a full table.
    pub fn set_grant(&mut self, participant: u32, service: u32) -> Result<bool, PolicyError> {
        let key = grant_key(participant, service)?;
        let shift = Table::Grants.shift();
        let before = self.grants.set(key << shift).map_err(PolicyError::Grants)?;
        Ok(before.is_none())
    }

    /// Takes a grant back, and makes the participant's conversations be checked
    /// again; tells whether it was there.
    ///
    /// # Errors
    /// A number out of range.
    pub fn remove_grant(&mut self, participant: u32, service: u32) -> Result<bool, PolicyError> {
        let key = grant_key(participant, service)?;
        let removed = self.grants.remove(key).is_some();
        if removed {
            self.renew_generation(participant);
        }
        Ok(removed)
    }

    /// Makes all conversations of a participant be checked again. To be called
    /// after something about it that is kept elsewhere was taken away.
    pub fn renew_generation(&mut self, number: u32) {
        let Some(slot) = self
            .participants
            .get(u64::from(number))
            .map(ParticipantSlot)
        else {
            return;
        };
        let generation = u64::from(self.next_generation());
        let entry = slot.0 & !0xffff_ffff | generation;
        // The entry is there, so the table cannot be full.
        let _ = self.participants.set(entry);
    }

    /// Makes the tables equal to a snapshot, touching only what differs.
    ///
    /// # Errors
    /// A number out of range or a full table; what was done before stays done.
    pub fn reconcile(
        &mut self,
        participants: impl Iterator<Item = (u32, ParticipantState, u32)>,
        grants: impl Iterator<Item = (u32, u32)>,
    ) -> Result<PolicyChanges, PolicyError> {
        let mut changes = PolicyChanges::default();
        let mut wanted = Vec::new();
        for (participant, service) in grants {
            wanted.push(grant_key(participant, service)?);
        }
        wanted.sort_unstable();
        // Taking away comes first: there is room for what is new, and nobody
        // keeps what the snapshot does not hold while the rest is written.
        let shift = Table::Grants.shift();
        let gone: Vec<u64> = self
            .grants
            .iter()
            .map(|entry| entry >> shift)
            .filter(|key| wanted.binary_search(key).is_err())
            .collect();
        let mut touched = BTreeSet::new();
        for key in gone {
            self.grants.remove(key);
            touched.insert((key >> 24) as u32);
            changes.grants_removed += 1;
        }
        for participant in touched {
            self.renew_generation(participant);
        }
        let participants: Vec<_> = participants.collect();
        let mut numbers: Vec<u32> = participants.iter().map(|&(number, ..)| number).collect();
        numbers.sort_unstable();
        let gone: Vec<u32> = self
            .participants
            .iter()
            .map(|entry| ParticipantSlot(entry).number())
            .filter(|number| numbers.binary_search(number).is_err())
            .collect();
        for number in gone {
            self.remove_participant(number);
            changes.participants_removed += 1;
        }
        for (number, state, generation) in participants {
            if self.set_participant(number, state, generation)? {
                changes.participants_set += 1;
            }
        }
        for key in wanted {
            if self
                .grants
                .set(key << shift)
                .map_err(PolicyError::Grants)?
                .is_none()
            {
                changes.grants_set += 1;
            }
        }
        Ok(changes)
    }

    /// A participant's entry.
    pub fn participant(&self, number: u32) -> Option<ParticipantSlot> {
        self.participants
            .get(u64::from(number))
            .map(ParticipantSlot)
    }

    /// Whether a participant has a service.
    pub fn has_grant(&self, participant: u32, service: u32) -> bool {
        grant_key(participant, service).is_ok_and(|key| self.grants.get(key).is_some())
    }

    /// All grants, as participant and service, in no order.
    pub fn granted(&self) -> impl Iterator<Item = (u32, u32)> {
        let keys = self
            .grants
            .iter()
            .map(|entry| entry >> Table::Grants.shift());
        keys.map(|key| ((key >> 24) as u32, key as u32 & PARTICIPANT_MAX))
    }

    /// The participants' table.
    pub fn participants(&self) -> &Writer<S> {
        &self.participants
    }

    /// The grants' table.
    pub fn grants(&self) -> &Writer<S> {
        &self.grants
    }

    fn next_generation(&mut self) -> u32 {
        let next = (self.participants.spare(GENERATION_WORD) as u32)
            .wrapping_add(1)
            .max(1);
        self.participants
            .set_spare(GENERATION_WORD, u64::from(next));
        next
    }
}

fn check_participant(number: u32) -> Result<(), PolicyError> {
    if (1..=PARTICIPANT_MAX).contains(&number) {
        Ok(())
    } else {
        Err(PolicyError::Participant(number))
    }
}

fn grant_key(participant: u32, service: u32) -> Result<u64, PolicyError> {
    check_participant(participant)?;
    if service > PARTICIPANT_MAX {
        return Err(PolicyError::Service(service));
    }
    Ok(u64::from(participant) << 24 | u64::from(service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::{self, Seed};

    fn policy() -> Policy<Box<[core::sync::atomic::AtomicU64]>> {
        let seed = Seed([3, 5]);
        Policy::new(
            slot::native(100, seed, Table::Participants.shift()),
            slot::native(100, seed, Table::Grants.shift()),
        )
    }

    #[test]
    fn a_generation_never_comes_back() {
        let mut policy = policy();
        policy
            .set_participant(7, ParticipantState::Live, 1)
            .unwrap();
        let first = policy.participant(7).unwrap().generation();
        assert!(
            !policy
                .set_participant(7, ParticipantState::Live, 1)
                .unwrap()
        );
        assert!(
            policy
                .set_participant(7, ParticipantState::Live, 2)
                .unwrap()
        );
        policy.remove_participant(7);
        policy
            .set_participant(7, ParticipantState::Live, 1)
            .unwrap();
        assert!(policy.participant(7).unwrap().generation() > first + 1);
    }

    #[test]
    fn taking_a_grant_back_renews_the_generation() {
        let mut policy = policy();
        policy
            .set_participant(7, ParticipantState::Live, 1)
            .unwrap();
        policy.set_grant(7, 0).unwrap();
        let before = policy.participant(7).unwrap().generation();
        assert!(policy.remove_grant(7, 0).unwrap());
        assert_ne!(policy.participant(7).unwrap().generation(), before);
        assert!(!policy.remove_grant(7, 0).unwrap());
    }

    #[test]
    fn reconciling_changes_only_what_differs() {
        let mut policy = policy();
        let live = ParticipantState::Live;
        let people = [(1, live, 1), (2, live, 1), (3, live, 1)];
        let changes = policy
            .reconcile(people.into_iter(), [(1, 9), (2, 9), (2, 8)].into_iter())
            .unwrap();
        assert_eq!((changes.participants_set, changes.grants_set), (3, 3));
        let same = policy.reconcile(people.into_iter(), [(1, 9), (2, 9), (2, 8)].into_iter());
        assert_eq!(same.unwrap(), PolicyChanges::default());
        let kept = policy.participant(1).unwrap();
        let changes = policy
            .reconcile(
                [(1, live, 1), (2, ParticipantState::Quarantined, 1)].into_iter(),
                [(1, 9), (2, 8), (1, 8)].into_iter(),
            )
            .unwrap();
        let expected = PolicyChanges {
            participants_set: 1,
            participants_removed: 1,
            grants_set: 1,
            grants_removed: 1,
        };
        assert_eq!(changes, expected);
        assert_eq!(
            policy.participant(1),
            Some(kept),
            "an untouched one keeps its conversations"
        );
        assert!(policy.has_grant(1, 8) && !policy.has_grant(2, 9));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let mut policy = policy();
        assert_eq!(policy.set_grant(0, 1), Err(PolicyError::Participant(0)));
        assert_eq!(
            policy.set_grant(1, 1 << 24),
            Err(PolicyError::Service(1 << 24))
        );
        let state = ParticipantState::Live;
        assert_eq!(
            policy.set_participant(1 << 24, state, 1),
            Err(PolicyError::Participant(1 << 24))
        );
    }
}
