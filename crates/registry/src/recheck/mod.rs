//! 日次再確認: every participant and every device certificate once a day,
//! spread evenly over it.
//!
//! The day has 288 slots of five minutes; a participant's number says which one
//! is its own ([`slot_of`]), and its devices go with it. A slot is one act: the
//! ledger gets the exceptions and one entry of counts, never an entry for each
//! that is as it was. Which slot is next stands in the state that these acts
//! move on, so a center that was down catches up, and of several centers one
//! does a slot and the others find it done.
//!
//! Nobody is cut off in masses by mistake: when too many are found invalid
//! within an hour, nothing more is done until a person has looked.

mod apply;
mod decide;
mod plan;
mod refusal;

pub use plan::{Outcome, RecheckSubject, examine};
pub use refusal::RecheckRefusal;

pub(crate) use apply::apply;
pub(crate) use decide::{confirm, dismiss, slot};

use crate::event::Topic;
use crate::membership::InvalidReason;
use iryonet_domain::{Actor, DeviceId, Fingerprint, ParticipantNumber, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Length of a slot, in milliseconds: five minutes.
pub const SLOT_MS: u64 = 5 * 60 * 1_000;
/// Slots of a day.
pub const SLOTS_PER_DAY: u64 = 288;
/// Slots that are counted together when it is asked whether too many are
/// invalid: an hour.
pub const WINDOW_SLOTS: usize = 12;

/// So many newly invalid ones within an hour never stop it.
pub const ALERT_FEW: u64 = 3;

/// Which slot of every day is a participant's own, 0..288: a hash of its number
/// (multiplication by 2^32 over the golden ratio), so that numbers given one
/// after the other, and whole blocks of them, fall evenly over the day. The
/// stores have an index on the same expression.
#[must_use]
pub fn slot_of(number: ParticipantNumber) -> u16 {
    let hash = number.get().wrapping_mul(2_654_435_769);
    ((u64::from(hash) * SLOTS_PER_DAY) >> 32) as u16
}

/// A slot of a certain day: how many slots after 1970 it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Tick {
    /// The slot that runs at this time.
    #[must_use]
    pub fn at(now: UnixMillis) -> Self {
        Self(now.0 / SLOT_MS)
    }

    /// Its number within the day, 0..288.
    #[must_use]
    pub fn slot(self) -> u16 {
        (self.0 % SLOTS_PER_DAY) as u16
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Tick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How strict the re-check is. Recorded with each act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckLimits {
    /// How long a participant may be on hold before it is closed, in days: 1
    /// to 30.
    pub hold_days: u16,
    /// More newly invalid ones than this within an hour stop it.
    pub alert_count: u32,
    /// More than so many per cent of those checked within an hour stop it too,
    /// unless they are [`ALERT_FEW`] or fewer: 1 to 100.
    pub alert_percent: u8,
}

impl Default for RecheckLimits {
    fn default() -> Self {
        Self {
            hold_days: 2,
            alert_count: 50,
            alert_percent: 1,
        }
    }
}

/// What a slot came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecheckCounts {
    /// Participants looked at.
    pub participants: u32,
    /// Certificates looked at.
    pub certificates: u32,
    /// Participants found invalid now, or to be closed now, that were not so at
    /// the last look. What counts for the alert.
    pub newly_invalid: u32,
    /// Participants that were on hold and still are.
    pub still_on_hold: u32,
    /// Participants whose hold ended, as they are valid again.
    pub recovered: u32,
    /// Participants that were closed, as their hold was over.
    pub closed: u32,
    /// Certificates that ran out since the last look.
    pub ran_out: u32,
    /// Open participants without any certificate that counts.
    pub without_certificate: u32,
    /// How often which reason was found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<InvalidReason, u32>,
}

/// How far the re-check is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecheckState {
    /// The slot to be done next; none before the first one.
    pub next: Option<Tick>,
    /// The last slots, oldest first, at most [`WINDOW_SLOTS`].
    pub window: Vec<WindowSlot>,
    /// It stopped here, and waits for a person.
    pub halted: Option<Halt>,
    /// What a person said about the slots before this one.
    pub told: Option<Told>,
}

/// What is remembered of a slot for the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSlot {
    /// Which.
    pub tick: Tick,
    /// Participants looked at.
    pub participants: u32,
    /// Of them, newly invalid.
    pub newly_invalid: u32,
}

/// Where and with what it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Before this slot's outcome was carried out.
    pub tick: Tick,
    /// When.
    pub at: UnixMillis,
    /// What this slot would have come to.
    pub counts: RecheckCounts,
}

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Carry out, or leave be.
    pub word: Word,
    /// First slot for which it holds no more.
    pub until: Tick,
}

/// Carry out, or leave be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The findings are right.
    Confirmed,
    /// The findings are a mistake of ours, or of a list.
    Dismissed,
}

impl RecheckState {
    /// The slot that is due: the next one, once it has begun. What was missed
    /// for more than a day is left out: its participants have had, or have, a
    /// slot of today.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Option<Tick> {
        let present = Tick::at(now);
        let next = self.next.unwrap_or(present);
        if self.halted.is_some() || next > present {
            return None;
        }
        let oldest = Tick((present.0 + 1).saturating_sub(SLOTS_PER_DAY));
        Some(next.max(oldest))
    }

    /// What a person said that still holds for this slot.
    #[must_use]
    pub fn told_about(&self, tick: Tick) -> Option<Word> {
        let told = self.told.as_ref()?;
        (tick < told.until).then_some(told.word)
    }
}

/// Does one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckSlot {
    /// Which; the one that is due.
    pub tick: Tick,
    /// How strict.
    pub limits: RecheckLimits,
}

/// 確認: the findings at which it stopped are right; carries them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmRecheck {
    /// The slot at which it stopped.
    pub tick: Tick,
    /// How strict.
    pub limits: RecheckLimits,
    /// Also for a day from now on, without stopping again.
    pub whole_day: bool,
}

/// 棄却: the findings at which it stopped are a mistake; leaves all as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DismissRecheck {
    /// The slot at which it stopped.
    pub tick: Tick,
    /// Why.
    pub reason: String,
    /// Also for a day from now on: it looks, and does nothing.
    pub whole_day: bool,
}

/// What the re-check did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the line above each variant explains its fields"
)]
pub enum RecheckEvent {
    /// A slot is done; its exceptions stand in the events before this one.
    /// Where a person had dismissed the findings, there are none.
    SlotRechecked {
        tick: Tick,
        counts: RecheckCounts,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dismissed: bool,
    },
    /// 警報: too many would be cut off. Nothing was done; a person decides.
    RecheckHalted { tick: Tick, counts: RecheckCounts },
    /// A person confirmed; holds for slots before `until`.
    RecheckConfirmed { tick: Tick, by: Actor, until: Tick },
    /// A person dismissed; holds for slots before `until`.
    RecheckDismissed {
        tick: Tick,
        by: Actor,
        reason: String,
        until: Tick,
    },
    /// The life of a device's certificate is over.
    DeviceRanOut {
        participant: ParticipantNumber,
        device: DeviceId,
        fingerprint: Fingerprint,
    },
}

impl RecheckEvent {
    pub(crate) fn topics(&self) -> Vec<Topic> {
        match self {
            Self::DeviceRanOut { participant, .. } => vec![Topic::Participant(*participant)],
            _ => Vec::new(),
        }
    }
}
