//! A session: somebody proved who they are, and acts in one role for a while.
//!
//! What is kept of it is no secret; the token that leads to it is kept as its
//! hash alone ([`crate::token`]). It is looked at anew for every request, with
//! the account as the registry has it then: a lock, a role taken away or a
//! credential set anew ends it at once.

use iryonet_domain::{AccountName, Role, UnixMillis};
use iryonet_registry::{Account, LoginMethod};
use serde::{Deserialize, Serialize};

/// Sessions of one account at the same time; the oldest gives way.
pub const PER_ACCOUNT_MAX: usize = 8;

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a request, in milliseconds.
    pub idle_ms: u64,
    /// In all, in milliseconds.
    pub absolute_ms: u64,
}

/// How the token comes with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// A browser's cookie: sent without anybody wanting it, so acts need more.
    Cookie,
    /// `Authorization: Bearer`.
    Bearer,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub account: AccountName,
    /// In which one role.
    pub role: Role,
    /// What was shown.
    pub method: LoginMethod,
    /// How its token comes.
    pub carrier: Carrier,
    /// The account's generation when it began.
    pub generation: u64,
    /// When it began.
    pub began_at: UnixMillis,
    /// When it was last used, as far as that was written down.
    pub seen_at: UnixMillis,
    /// The address where it began.
    pub from: String,
    /// Begun with a login code, and no second factor yet: good for setting one
    /// and for nothing else.
    pub enrolling: bool,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Not used for too long.
    Idle,
    /// Used for long enough.
    Over,
    /// What it stood on is gone: account, role, or credentials.
    Withdrawn,
}

impl Session {
    /// Does it hold at this time, with the account as it is?
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        account: Option<&Account>,
        now: UnixMillis,
        limits: &SessionLimits,
    ) -> Result<(), Ended> {
        let fits = account.is_some_and(|account| {
            account.account == self.account
                && account.generation == self.generation
                && account.may_act_as(self.role)
        });
        if !fits {
            return Err(Ended::Withdrawn);
        }
        // A clock that was set back gives no time.
        let now = now.max(self.seen_at);
        if now >= self.began_at.plus_ms(limits.absolute_ms) {
            return Err(Ended::Over);
        }
        if now >= self.seen_at.plus_ms(limits.idle_ms) {
            return Err(Ended::Idle);
        }
        Ok(())
    }

    /// Is it time to write down that it is used? Not each time: that would be a
    /// write for every question.
    #[must_use]
    pub fn wants_touch(&self, now: UnixMillis, limits: &SessionLimits) -> bool {
        now.since_ms(self.seen_at) >= limits.idle_ms / 8
    }

    /// From when on nothing of it need be kept.
    #[must_use]
    pub fn expires_at(&self, limits: &SessionLimits) -> UnixMillis {
        self.began_at
            .plus_ms(limits.absolute_ms)
            .min(self.seen_at.plus_ms(limits.idle_ms))
    }

    /// Octets to be kept.
    ///
    /// # Errors
    /// Never, with the fields as they are.
    pub fn to_octets(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// From octets that were kept.
    ///
    /// # Errors
    /// When they are another release's.
    pub fn from_octets(octets: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(octets)
    }
}

/// Where a session stands in the side store, by its token's hash.
#[must_use]
pub fn key(token_hash: &[u8; 32]) -> Vec<u8> {
    [b"t/".as_slice(), token_hash].concat()
}

/// Where it stands among its account's.
#[must_use]
pub fn index_key(account: &AccountName, token_hash: &[u8; 32]) -> Vec<u8> {
    [&index_prefix(account), token_hash.as_slice()].concat()
}

/// Where all of an account's stand.
#[must_use]
pub fn index_prefix(account: &AccountName) -> Vec<u8> {
    // No account's name holds a slash.
    [b"a/", account.as_str().as_bytes(), b"/"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iryonet_registry::AccountStanding;

    const NOW: UnixMillis = UnixMillis(1_756_000_000_000);
    const LIMITS: SessionLimits = SessionLimits {
        idle_ms: 15 * 60_000,
        absolute_ms: 8 * 60 * 60_000,
    };

    fn account() -> Account {
        Account {
            account: "sato".parse().unwrap(),
            person: "佐藤 次郎".to_owned(),
            roles: vec![Role::Examiner, Role::Approver],
            speaks_for: None,
            standing: AccountStanding::Active,
            locked_out_until: None,
            logins: Vec::new(),
            generation: 3,
            created_at: NOW,
        }
    }

    fn session() -> Session {
        Session {
            account: "sato".parse().unwrap(),
            role: Role::Examiner,
            method: LoginMethod::PasswordAndTotp,
            carrier: Carrier::Cookie,
            generation: 3,
            began_at: NOW,
            seen_at: NOW,
            from: "2001:db8::1".to_owned(),
            enrolling: false,
        }
    }

    #[test]
    fn it_ends_when_it_is_not_used_and_when_it_was_used_for_long_enough() {
        let (mut session, account) = (session(), account());
        let at = |ms: u64| NOW.plus_ms(ms);
        let check = |session: &Session, now| session.check(Some(&account), now, &LIMITS);
        assert_eq!(check(&session, at(LIMITS.idle_ms - 1)), Ok(()));
        assert_eq!(check(&session, at(LIMITS.idle_ms)), Err(Ended::Idle));
        session.seen_at = at(LIMITS.absolute_ms - 1);
        assert_eq!(check(&session, at(LIMITS.absolute_ms - 1)), Ok(()));
        assert_eq!(check(&session, at(LIMITS.absolute_ms)), Err(Ended::Over));
        // A clock that was set back makes it no younger than it was seen.
        session.seen_at = at(LIMITS.absolute_ms);
        assert_eq!(check(&session, NOW), Err(Ended::Over));
    }

    #[test]
    fn it_ends_with_what_it_stood_on() {
        let session = session();
        let end = |change: fn(&mut Account)| {
            let mut account = account();
            change(&mut account);
            session.check(Some(&account), NOW, &LIMITS)
        };
        assert_eq!(end(|_| {}), Ok(()));
        assert_eq!(
            end(|a| a.roles = vec![Role::Approver]),
            Err(Ended::Withdrawn)
        );
        assert_eq!(
            end(|a| a.standing = AccountStanding::Locked),
            Err(Ended::Withdrawn)
        );
        assert_eq!(
            end(|a| a.standing = AccountStanding::Retired),
            Err(Ended::Withdrawn)
        );
        assert_eq!(end(|a| a.generation += 1), Err(Ended::Withdrawn));
        assert_eq!(session.check(None, NOW, &LIMITS), Err(Ended::Withdrawn));
    }
}
