//! What one account can show: password, authenticator, recovery codes, the
//! login code that waits, and the places where it was right before. One record,
//! sealed ([`crate::vault`]) before it leaves this crate's hands.

use crate::code::{OneTimeCode, OneTimeCodeHash};
use crate::guard::Place;
use crate::passkey::{PER_ACCOUNT_MAX, Passkey};
use crate::password::StoredPassword;
use crate::totp::TotpSecret;
use crate::vault::{Vault, VaultError};
use iryonet_domain::{AccountName, UnixMillis};
use iryonet_registry::LoginMethod;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

/// Recovery codes handed out at once.
pub const RECOVERY_CODES: usize = 10;
/// Places that are remembered.
const PLACES_MAX: usize = 8;

/// An account's credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    password: Option<StoredPassword>,
    totp: Option<Totp>,
    /// Drawn, and not yet confirmed with a first password from it.
    waiting_totp: Option<TotpSecret>,
    recovery: Vec<OneTimeCodeHash>,
    login_code: Option<LoginCode>,
    /// Latest last.
    places: Vec<Place>,
    #[serde(default)]
    passkeys: Vec<Passkey>,
    /// By what authenticators know the account; drawn with the first passkey.
    #[serde(default)]
    handle: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Totp {
    secret: TotpSecret,
    last_step: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LoginCode {
    hash: OneTimeCodeHash,
    expires_at: UnixMillis,
}

/// Why a record cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Sealed with another key, or damaged.
    #[error("the credentials of {account} cannot be read")]
    Sealed {
        /// Whose.
        account: AccountName,
        /// Why.
        #[source]
        source: VaultError,
    },
    /// Of another release.
    #[error("the credentials of {account} are in a form that this release does not know")]
    Form {
        /// Whose.
        account: AccountName,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Shown beside a password.
#[derive(Clone, PartialEq, Eq)]
pub enum SecondFactor {
    /// What the authenticator shows.
    Totp(String),
    /// One of the recovery codes.
    Recovery(OneTimeCode),
}

impl Credentials {
    /// Opens what was kept.
    ///
    /// # Errors
    /// When it was sealed for another account or with another key, or is of
    /// another release.
    pub fn open(vault: &Vault, account: &AccountName, kept: &[u8]) -> Result<Self, RecordError> {
        let octets =
            vault
                .open(&place_of(account), kept)
                .map_err(|source| RecordError::Sealed {
                    account: account.clone(),
                    source,
                })?;
        serde_json::from_slice(&octets).map_err(|source| RecordError::Form {
            account: account.clone(),
            source,
        })
    }

    /// Seals it to be kept.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal<R: RngCore + CryptoRng>(
        &self,
        vault: &Vault,
        account: &AccountName,
        rng: &mut R,
    ) -> Result<Vec<u8>, RecordError> {
        let octets = zeroize::Zeroizing::new(serde_json::to_vec(self).map_err(|source| {
            RecordError::Form {
                account: account.clone(),
                source,
            }
        })?);
        vault
            .seal(&place_of(account), &octets, rng)
            .map_err(|source| RecordError::Sealed {
                account: account.clone(),
                source,
            })
    }

    /// The password, if there is one.
    #[must_use]
    pub fn password(&self) -> Option<&StoredPassword> {
        self.password.as_ref()
    }

    /// Sets the password.
    pub fn set_password(&mut self, password: StoredPassword) {
        self.password = Some(password);
    }

    /// Is there an authenticator?
    #[must_use]
    pub fn has_totp(&self) -> bool {
        self.totp.is_some()
    }

    /// Recovery codes that are left.
    #[must_use]
    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }

    /// A code with which the person sets everything anew. It replaces one that
    /// waits; what the person has now stays good until it is used.
    pub fn hand_out_code<R: RngCore + CryptoRng>(
        &mut self,
        expires_at: UnixMillis,
        rng: &mut R,
    ) -> OneTimeCode {
        let code = OneTimeCode::draw(rng);
        self.login_code = Some(LoginCode {
            hash: code.hash(),
            expires_at,
        });
        code
    }

    /// Is this the code that waits? Uses nothing up.
    #[must_use]
    pub fn login_code_fits(&self, code: &OneTimeCode, now: UnixMillis) -> bool {
        self.login_code
            .as_ref()
            .is_some_and(|waiting| waiting.hash.is_of(code) && now < waiting.expires_at)
    }

    /// Uses the code up: all that there was before is gone, and the password is
    /// this one. False, and nothing is changed, when it is not the code.
    pub fn begin_anew(
        &mut self,
        code: &OneTimeCode,
        password: StoredPassword,
        now: UnixMillis,
    ) -> bool {
        if !self.login_code_fits(code, now) {
            return false;
        }
        *self = Self {
            password: Some(password),
            ..Self::default()
        };
        true
    }

    /// Draws the secret of a new authenticator. The present one stays good
    /// until the new one is confirmed.
    pub fn begin_totp<R: RngCore + CryptoRng>(&mut self, rng: &mut R) -> TotpSecret {
        let secret = TotpSecret::draw(rng);
        self.waiting_totp = Some(secret.clone());
        secret
    }

    /// Confirms the new authenticator with what it shows, and hands out
    /// recovery codes; earlier ones are no longer good.
    pub fn confirm_totp<R: RngCore + CryptoRng>(
        &mut self,
        shown: &str,
        now: UnixMillis,
        rng: &mut R,
    ) -> Option<Vec<OneTimeCode>> {
        let secret = self.waiting_totp.clone()?;
        let step = secret.step_of(shown, now, None)?;
        self.waiting_totp = None;
        self.totp = Some(Totp {
            secret,
            last_step: Some(step),
        });
        Some(self.draw_recovery(rng))
    }

    /// Hands out new recovery codes; earlier ones are no longer good.
    pub fn draw_recovery<R: RngCore + CryptoRng>(&mut self, rng: &mut R) -> Vec<OneTimeCode> {
        let codes: Vec<OneTimeCode> = (0..RECOVERY_CODES)
            .map(|_| OneTimeCode::draw(rng))
            .collect();
        self.recovery = codes.iter().map(OneTimeCode::hash).collect();
        codes
    }

    /// Is the second factor right? It is used up by it.
    pub fn use_second_factor(
        &mut self,
        shown: &SecondFactor,
        now: UnixMillis,
    ) -> Option<LoginMethod> {
        match shown {
            SecondFactor::Totp(shown) => {
                let totp = self.totp.as_mut()?;
                let step = totp.secret.step_of(shown, now, totp.last_step)?;
                totp.last_step = Some(step);
                Some(LoginMethod::PasswordAndTotp)
            }
            SecondFactor::Recovery(code) => {
                let place = self.recovery.iter().position(|hash| hash.is_of(code))?;
                self.recovery.remove(place);
                Some(LoginMethod::PasswordAndRecoveryCode)
            }
        }
    }

    /// Its passkeys, oldest first.
    #[must_use]
    pub fn passkeys(&self) -> &[Passkey] {
        &self.passkeys
    }

    /// The passkey that its authenticator calls so.
    pub fn passkey_mut(&mut self, id: &str) -> Option<&mut Passkey> {
        self.passkeys.iter_mut().find(|passkey| passkey.id == id)
    }

    /// One more; false, and nothing is changed, where there is no room or it is
    /// there already.
    pub fn add_passkey(&mut self, passkey: Passkey) -> bool {
        let room = self.passkeys.len() < PER_ACCOUNT_MAX;
        let fits = room && self.passkeys.iter().all(|known| known.id != passkey.id);
        if fits {
            self.passkeys.push(passkey);
        }
        fits
    }

    /// Takes one away; false, and nothing is changed, where it is not there or is
    /// the last second factor.
    pub fn remove_passkey(&mut self, id: &str) -> bool {
        let Some(place) = self.passkeys.iter().position(|known| known.id == id) else {
            return false;
        };
        if self.totp.is_none() && self.passkeys.len() == 1 {
            return false;
        }
        self.passkeys.remove(place);
        true
    }

    /// By what authenticators know the account; drawn where there is none. It is
    /// no person's name (W3C Web Authentication, section 14.6.1).
    pub fn handle<R: RngCore + CryptoRng>(&mut self, rng: &mut R) -> &[u8] {
        if self.handle.is_empty() {
            self.handle = vec![0; 32];
            rng.fill_bytes(&mut self.handle);
        }
        &self.handle
    }

    /// Is it this account's?
    #[must_use]
    pub fn is_handle(&self, shown: &[u8]) -> bool {
        !self.handle.is_empty() && self.handle == shown
    }

    /// Was it ever right from there?
    #[must_use]
    pub fn knows(&self, place: Place) -> bool {
        self.places.contains(&place)
    }

    /// It was right from there.
    pub fn remember(&mut self, place: Place) {
        self.places.retain(|known| *known != place);
        self.places.push(place);
        if self.places.len() > PLACES_MAX {
            self.places.remove(0);
        }
    }
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecondFactor(not shown)")
    }
}

/// Where an account's credentials stand in the side store.
#[must_use]
pub fn key(account: &AccountName) -> Vec<u8> {
    [b"account/", account.as_str().as_bytes()].concat()
}

fn place_of(account: &AccountName) -> Vec<u8> {
    [b"iryonet credentials\0", account.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

    fn a_password() -> StoredPassword {
        // Its own tests make real ones; here it only has to be there.
        StoredPassword::nobodys()
    }

    fn enrolled() -> (Credentials, TotpSecret, Vec<OneTimeCode>) {
        let mut rng = rand::rng();
        let mut credentials = Credentials::default();
        let code = credentials.hand_out_code(NOW.plus_ms(1_000), &mut rng);
        assert!(credentials.begin_anew(&code, a_password(), NOW));
        let secret = credentials.begin_totp(&mut rng);
        let codes = credentials
            .confirm_totp(&secret.at(NOW), NOW, &mut rng)
            .unwrap();
        (credentials, secret, codes)
    }

    #[test]
    fn a_login_code_is_good_once_and_in_time_and_ends_what_was_before() {
        let mut rng = rand::rng();
        let (mut credentials, ..) = enrolled();
        let code = credentials.hand_out_code(NOW.plus_ms(1_000), &mut rng);
        // Handed out, it takes nothing away yet.
        assert!(credentials.has_totp());
        let other = OneTimeCode::draw(&mut rng);
        let before = credentials.clone();
        assert!(!credentials.begin_anew(&other, a_password(), NOW));
        assert!(!credentials.begin_anew(&code, a_password(), NOW.plus_ms(1_000)));
        assert_eq!(credentials, before);
        assert!(credentials.begin_anew(&code, a_password(), NOW));
        assert!(!credentials.has_totp());
        assert_eq!(credentials.recovery_left(), 0);
        assert!(!credentials.begin_anew(&code, a_password(), NOW));
    }

    #[test]
    fn a_one_time_password_and_a_recovery_code_are_good_once() {
        let (mut credentials, secret, codes) = enrolled();
        // The one that confirmed it is used up.
        let shown = SecondFactor::Totp(secret.at(NOW));
        assert_eq!(credentials.use_second_factor(&shown, NOW), None);
        let later = NOW.plus_ms(30_000);
        let shown = SecondFactor::Totp(secret.at(later));
        assert_eq!(
            credentials.use_second_factor(&shown, later),
            Some(LoginMethod::PasswordAndTotp)
        );
        assert_eq!(credentials.use_second_factor(&shown, later), None);
        let code = SecondFactor::Recovery(codes[3].clone());
        assert_eq!(
            credentials.use_second_factor(&code, later),
            Some(LoginMethod::PasswordAndRecoveryCode)
        );
        assert_eq!(credentials.use_second_factor(&code, later), None);
        assert_eq!(credentials.recovery_left(), RECOVERY_CODES - 1);
        // A wrong first password from a new authenticator leaves the old one.
        credentials.begin_totp(&mut rand::rng());
        assert!(
            credentials
                .confirm_totp("000000x", later, &mut rand::rng())
                .is_none()
        );
        assert!(credentials.has_totp());
    }

    #[test]
    fn what_is_kept_is_sealed_for_its_account() {
        let mut rng = rand::rng();
        let (credentials, secret, _) = enrolled();
        let vault = Vault::new(Vault::draw_key(&mut rng).as_ref()).unwrap();
        let (suzuki, sato) = ("suzuki".parse().unwrap(), "sato".parse().unwrap());
        let kept = credentials.seal(&vault, &suzuki, &mut rng).unwrap();
        let shown = secret.reveal();
        assert!(!String::from_utf8_lossy(&kept).contains(&shown));
        assert_eq!(
            Credentials::open(&vault, &suzuki, &kept).unwrap(),
            credentials
        );
        assert!(Credentials::open(&vault, &sato, &kept).is_err());
        assert!(!format!("{credentials:?}").contains(&shown));
    }

    #[test]
    fn a_place_is_remembered_and_the_oldest_forgotten() {
        let mut credentials = Credentials::default();
        let place = |n: u8| Place::of(std::net::Ipv4Addr::new(192, 0, 2, n).into());
        for n in 0..=PLACES_MAX as u8 {
            credentials.remember(place(n));
            credentials.remember(place(n));
        }
        assert!(!credentials.knows(place(0)));
        assert!(credentials.knows(place(1)) && credentials.knows(place(8)));
    }
}
