//! What holds off those who guess passwords, and does not let them keep the
//! account's own person out.
//!
//! Failures are counted three ways, each with a delay that doubles:
//! - per **place** (an address; a /64 of IPv6), whatever accounts it tries;
//! - per **account, from places where it never logged in**, together: who
//!   guesses from ten thousand places shares one count;
//! - per **account and place where it did log in**, each by itself: whoever
//!   guesses elsewhere does not touch it. So a stranger can make somebody wait
//!   on a new machine, and never on the one that they use.
//!
//! While a delay runs nothing is looked at and nothing is counted: it ends when
//! it was said to end, and never lasts longer than [`DELAY_MAX_MS`]. A passkey
//! cannot be guessed, and waits for none of this.
//!
//! Kept in memory, bounded, per center; what falls on an account is recorded
//! too (`Command::LockOutAccount`), and through the registry the other centers
//! of one network keep to it.

use iryonet_domain::{AccountName, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Wrong ones for which an account need not wait.
pub const FREE_OF_ACCOUNT: u32 = 4;
/// Wrong ones for which a place need not wait: many people may sit behind it.
pub const FREE_OF_PLACE: u32 = 19;
/// The first delay, in milliseconds.
pub const DELAY_FIRST_MS: u64 = 30_000;
/// The longest, in milliseconds: a quarter of an hour.
pub const DELAY_MAX_MS: u64 = 15 * 60_000;
/// After this long without a failure it is forgotten, in milliseconds.
pub const FORGET_MS: u64 = 60 * 60_000;
/// Entries of each table. The newcomers of a full one share one entry.
const ENTRIES_MAX: usize = 65_536;

/// Where somebody comes from: an IPv4 address, or the /64 of an IPv6 address;
/// whoever has one address of a /64 has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place(u64);

impl Place {
    /// The place of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            // Put where no global /64 is.
            IpAddr::V4(v4) => Self(0xffff_0000_0000_0000 | u64::from(u32::from(v4))),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => Self::of(IpAddr::V4(v4)),
                None => Self(u64::try_from(u128::from(v6) >> 64).unwrap_or_default()),
            },
        }
    }

    /// As a key of a table.
    #[must_use]
    pub fn key(self) -> u64 {
        self.0
    }
}

/// Nothing is looked at until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// First millisecond at which something is.
    pub until: UnixMillis,
}

/// An account's delay began, or began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOut {
    /// Wrong ones in a row.
    pub failures: u32,
    /// First millisecond at which a password is looked at again.
    pub until: UnixMillis,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
    until_ms: u64,
}

impl Failures {
    fn is_forgotten(&self, now_ms: u64) -> bool {
        now_ms >= self.last_ms.max(self.until_ms).saturating_add(FORGET_MS)
    }

    fn wait(&mut self, now_ms: u64) -> Result<(), Wait> {
        // A clock that was set back makes no delay longer than it was.
        self.until_ms = self.until_ms.min(now_ms.saturating_add(DELAY_MAX_MS));
        if now_ms < self.until_ms {
            return Err(Wait {
                until: UnixMillis(self.until_ms),
            });
        }
        Ok(())
    }

    fn add(&mut self, free: u32, now_ms: u64) -> Option<LockOut> {
        if self.is_forgotten(now_ms) {
            *self = Self::default();
        }
        self.count = self.count.saturating_add(1);
        self.last_ms = now_ms;
        let beyond = self.count.checked_sub(free + 1)?;
        // At sixteen doublings it is long past the longest.
        let delay_ms = (DELAY_FIRST_MS << beyond.min(16)).min(DELAY_MAX_MS);
        self.until_ms = now_ms.saturating_add(delay_ms);
        Some(LockOut {
            failures: self.count,
            until: UnixMillis(self.until_ms),
        })
    }
}

/// A bounded table of failures.
#[derive(Debug)]
struct Table<K: Ord> {
    entries: BTreeMap<K, Failures>,
    others: Failures,
    swept_at_ms: u64,
}

impl<K: Ord> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            others: Failures::default(),
            swept_at_ms: 0,
        }
    }
}

impl<K: Ord> Table<K> {
    fn wait(&mut self, key: &K, now_ms: u64) -> Result<(), Wait> {
        let full = self.entries.len() >= ENTRIES_MAX;
        match self.entries.get_mut(key) {
            Some(found) => found.wait(now_ms),
            None if full => self.others.wait(now_ms),
            None => Ok(()),
        }
    }

    fn add(&mut self, key: K, free: u32, now_ms: u64) -> Option<LockOut> {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&key) {
            // A sweep looks at the whole table: at most once a second.
            if now_ms.saturating_sub(self.swept_at_ms) >= 1_000 || self.swept_at_ms > now_ms {
                self.swept_at_ms = now_ms;
                self.entries.retain(|_, found| !found.is_forgotten(now_ms));
            }
            if self.entries.len() >= ENTRIES_MAX {
                return self.others.add(free, now_ms);
            }
        }
        self.entries.entry(key).or_default().add(free, now_ms)
    }
}

/// All counts of one center.
#[derive(Debug, Default)]
pub struct Guard {
    places: Table<Place>,
    strangers: Table<AccountName>,
    familiars: Table<(AccountName, Place)>,
}

impl Guard {
    /// May a password for this account, from this place, be looked at? `known`:
    /// has the account ever logged in from there?
    ///
    /// # Errors
    /// Until when not.
    pub fn ask(
        &mut self,
        account: &AccountName,
        place: Place,
        known: bool,
        now: UnixMillis,
    ) -> Result<(), Wait> {
        self.places.wait(&place, now.0)?;
        if known {
            self.familiars.wait(&(account.clone(), place), now.0)
        } else {
            self.strangers.wait(account, now.0)
        }
    }

    /// It was wrong. Tells when strangers to this account have to wait by it.
    pub fn failed(
        &mut self,
        account: &AccountName,
        place: Place,
        known: bool,
        now: UnixMillis,
    ) -> Option<LockOut> {
        self.places.add(place, FREE_OF_PLACE, now.0);
        if known {
            let key = (account.clone(), place);
            self.familiars.add(key, FREE_OF_ACCOUNT, now.0);
            None
        } else {
            self.strangers.add(account.clone(), FREE_OF_ACCOUNT, now.0)
        }
    }

    /// It was right: the account's own counts begin anew. The place's does not,
    /// or one account of one's own would clear it between guesses at others.
    pub fn succeeded(&mut self, account: &AccountName, place: Place) {
        self.strangers.entries.remove(account);
        self.familiars.entries.remove(&(account.clone(), place));
    }

    /// A person let it go on.
    pub fn unlocked(&mut self, account: &AccountName) {
        self.strangers.entries.remove(account);
        self.familiars
            .entries
            .retain(|(name, _), _| name != account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

    fn suzuki() -> AccountName {
        "suzuki".parse().unwrap()
    }

    fn place(n: u32) -> Place {
        Place::of(IpAddr::V4(Ipv4Addr::from(n)))
    }

    /// Guesses over a minute; tells how many were looked at.
    fn minute(guard: &mut Guard, guesses: u64, from: impl Fn(u64) -> Place) -> u64 {
        let mut looked_at = 0;
        for n in 0..guesses {
            let now = NOW.plus_ms(n * 60_000 / guesses);
            if guard.ask(&suzuki(), from(n), false, now).is_ok() {
                looked_at += 1;
                guard.failed(&suzuki(), from(n), false, now);
            }
        }
        looked_at
    }

    #[test]
    fn of_ten_thousand_guesses_a_minute_a_handful_is_looked_at() {
        let mut one_place = Guard::default();
        let looked_at = minute(&mut one_place, 10_000, |_| place(7));
        assert!((1..=7).contains(&looked_at), "{looked_at}");
        let mut many_places = Guard::default();
        let looked_at = minute(&mut many_places, 10_000, |n| place(n as u32));
        assert!((1..=7).contains(&looked_at), "{looked_at}");
    }

    #[test]
    fn the_person_comes_in_from_where_they_always_do_while_strangers_guess() {
        let mut guard = Guard::default();
        let desk = place(1);
        minute(&mut guard, 10_000, |n| place(100 + n as u32));
        let now = NOW.plus_ms(60_000);
        assert!(guard.ask(&suzuki(), place(2), false, now).is_err());
        assert_eq!(guard.ask(&suzuki(), desk, true, now), Ok(()));
        // And whoever is at that desk guesses no more often than anybody else.
        for _ in 0..=FREE_OF_ACCOUNT {
            guard.failed(&suzuki(), desk, true, now);
        }
        assert!(guard.ask(&suzuki(), desk, true, now).is_err());
    }

    #[test]
    fn the_delay_doubles_to_a_quarter_of_an_hour_and_ends_when_it_was_said_to() {
        let mut guard = Guard::default();
        let mut now = NOW;
        let mut delays = Vec::new();
        for n in 0..16 {
            // From another place each time: it is the account that waits.
            if let Err(wait) = guard.ask(&suzuki(), place(n), false, now) {
                delays.push(wait.until.since_ms(now));
                // Asking meanwhile makes it no longer.
                let later = UnixMillis(wait.until.0 - 1);
                assert_eq!(guard.ask(&suzuki(), place(n), false, later), Err(wait));
                now = wait.until;
                assert_eq!(guard.ask(&suzuki(), place(n), false, now), Ok(()));
            }
            guard.failed(&suzuki(), place(n), false, now);
        }
        assert_eq!(delays.first(), Some(&DELAY_FIRST_MS));
        assert!(delays.windows(2).all(|pair| pair[1] >= pair[0]));
        assert_eq!(delays.last(), Some(&DELAY_MAX_MS));
        // Success, an unlock, or an hour of quiet begins anew.
        guard.succeeded(&suzuki(), place(1));
        assert_eq!(guard.ask(&suzuki(), place(1), false, now), Ok(()));
    }

    #[test]
    fn one_place_that_tries_many_accounts_waits_too() {
        let mut guard = Guard::default();
        let mut looked_at = 0;
        for n in 0..1_000 {
            let account: AccountName = format!("user{n}").parse().unwrap();
            if guard.ask(&account, place(9), false, NOW).is_ok() {
                looked_at += 1;
                guard.failed(&account, place(9), false, NOW);
                // An own account in between clears nothing.
                guard.succeeded(&suzuki(), place(9));
            }
        }
        assert_eq!(looked_at, FREE_OF_PLACE + 1);
        let house = |host: u128| {
            Place::of(IpAddr::V6(Ipv6Addr::from(
                0x2001_0db8_0000_0007_u128 << 64 | host,
            )))
        };
        assert_eq!(house(1), house(0xffff_ffff));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out_for_longer() {
        let mut guard = Guard::default();
        for n in 0..20 {
            guard.failed(&suzuki(), place(n), false, NOW);
        }
        let back = UnixMillis(NOW.0 - 86_400_000);
        let wait = guard.ask(&suzuki(), place(50), false, back).unwrap_err();
        assert!(wait.until.since_ms(back) <= DELAY_MAX_MS);
        assert_eq!(
            guard.ask(&suzuki(), place(50), false, back.plus_ms(DELAY_MAX_MS)),
            Ok(())
        );
    }

    #[test]
    fn a_crowd_fills_no_memory() {
        let mut guard = Guard::default();
        for n in 0..(ENTRIES_MAX as u32 + 5_000) {
            let account: AccountName = format!("user{n}").parse().unwrap();
            guard.failed(&account, place(n), false, NOW);
        }
        assert!(guard.strangers.entries.len() <= ENTRIES_MAX);
        assert!(guard.places.entries.len() <= ENTRIES_MAX);
        // Whoever comes when the table is full is not let in free.
        assert!(guard.ask(&suzuki(), place(u32::MAX), false, NOW).is_err());
        // When it is forgotten there is room again.
        let later = NOW.plus_ms(FORGET_MS + DELAY_MAX_MS + 1);
        guard.failed(&suzuki(), place(3), false, later);
        assert!(guard.strangers.entries.len() <= 2);
    }
}
