//! Passwords: argon2id (RFC 9106), with its costs kept beside each hash so that
//! they can be raised.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use iryonet_domain::AccountName;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Memory of one hash, in KiB: 64 MiB, the second recommended choice of RFC
/// 9106, section 4. The center makes two at a time, whoever asks.
pub const MEMORY_KIB: u32 = 64 << 10;
/// Passes over it.
pub const PASSES: u32 = 3;
/// Lanes.
pub const LANES: u32 = 4;
/// Octets of salt.
const SALT_OCTETS: usize = 16;
/// Octets of hash.
const HASH_OCTETS: usize = 32;

/// Shortest password, in characters: there is always a second factor.
pub const MIN_CHARS: usize = 12;
/// Longest password, in octets: a bound, not a wish.
pub const MAX_OCTETS: usize = 512;
/// Fewest different characters.
const MIN_DIFFERENT: usize = 5;

/// A password's hash, with what is needed to make it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPassword {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Why a new password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("a password has {MIN_CHARS} characters or more")]
    Short,
    /// Too long.
    #[error("a password has at most {MAX_OCTETS} octets")]
    Long,
    /// The account's name, or little else.
    #[error("a password does not contain the account's name")]
    Name,
    /// Few different characters.
    #[error("a password has {MIN_DIFFERENT} different characters or more")]
    Monotonous,
}

impl WeakPassword {
    /// 日本語.
    #[must_use]
    pub fn ja(self) -> String {
        match self {
            Self::Short => format!("パスワードは {MIN_CHARS} 文字以上にしてください。"),
            Self::Long => format!("パスワードは {MAX_OCTETS} バイト以下にしてください。"),
            Self::Name => "パスワードにアカウント名を含めないでください。".to_owned(),
            Self::Monotonous => {
                format!("パスワードには {MIN_DIFFERENT} 種類以上の文字を使ってください。")
            }
        }
    }
}

/// The hash could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(argon2::Error);

/// Is this a password that somebody may set?
///
/// # Errors
/// What is wrong with it.
pub fn check(password: &str, account: &AccountName) -> Result<(), WeakPassword> {
    if password.len() > MAX_OCTETS {
        return Err(WeakPassword::Long);
    }
    if password.chars().count() < MIN_CHARS {
        return Err(WeakPassword::Short);
    }
    if password.to_lowercase().contains(account.as_str()) {
        return Err(WeakPassword::Name);
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Err(WeakPassword::Monotonous);
    }
    Ok(())
}

impl StoredPassword {
    /// Hashes a password. Takes some tenths of a second, and [`MEMORY_KIB`].
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn make<R: RngCore + CryptoRng>(password: &str, rng: &mut R) -> Result<Self, HashError> {
        let mut salt = vec![0; SALT_OCTETS];
        rng.fill_bytes(&mut salt);
        let mut made = Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt,
            hash: Vec::new(),
        };
        made.hash = made.hash_of(password)?.to_vec();
        Ok(made)
    }

    /// A stored password that none is equal to, so that a name that does not
    /// exist takes as long as one that does.
    #[must_use]
    pub fn nobodys() -> Self {
        Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: vec![0; SALT_OCTETS],
            hash: Vec::new(),
        }
    }

    /// Is it this password? Takes as long as making it.
    ///
    /// # Errors
    /// When there is no memory for it, or what is stored is damaged.
    pub fn is(&self, password: &str) -> Result<bool, HashError> {
        // A longer one was never taken; hash a bounded one all the same.
        let bounded = password.get(..MAX_OCTETS).unwrap_or(password);
        let hash = self.hash_of(bounded)?;
        Ok(password.len() <= MAX_OCTETS
            && verify_slices_are_equal(hash.as_slice(), &self.hash).is_ok())
    }

    /// Was it made with lower costs than today's?
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        (self.memory_kib, self.passes, self.lanes) != (MEMORY_KIB, PASSES, LANES)
    }

    fn hash_of(&self, password: &str) -> Result<Zeroizing<[u8; HASH_OCTETS]>, HashError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_OCTETS))
            .map_err(HashError)?;
        let mut hash = Zeroizing::new([0; HASH_OCTETS]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &self.salt, hash.as_mut())
            .map_err(HashError)?;
        Ok(hash)
    }
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword(hash not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_itself_and_no_other_and_two_hashes_of_it_differ() {
        let one = StoredPassword::make("正しい馬電池ホチキス と staple", &mut rand::rng()).unwrap();
        let two = StoredPassword::make("正しい馬電池ホチキス と staple", &mut rand::rng()).unwrap();
        assert_ne!(one, two);
        assert!(one.is("正しい馬電池ホチキス と staple").unwrap());
        assert!(!one.is("正しい馬電池ホチキス と stapl").unwrap());
        assert!(!one.is("").unwrap());
        assert!(!StoredPassword::nobodys().is("").unwrap());
        assert!(!format!("{one:?}").contains("hash:"));
        let kept: StoredPassword =
            serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert!(kept.is("正しい馬電池ホチキス と staple").unwrap());
    }

    /// RFC 9106, section 5.3, without its secret and associated data has no
    /// vector of its own; this one is the reference implementation's
    /// (`argon2 somesalt -id -t 2 -m 16 -p 1 -l 32` on "password").
    #[test]
    fn the_hash_is_the_one_that_the_rest_of_the_world_makes() {
        let stored = StoredPassword {
            memory_kib: 1 << 16,
            passes: 2,
            lanes: 1,
            salt: b"somesalt".to_vec(),
            hash: data_encoding::HEXLOWER
                .decode(b"09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7")
                .unwrap(),
        };
        assert!(stored.is("password").unwrap());
        assert!(stored.is_outdated());
    }

    #[test]
    fn what_is_guessed_first_is_not_taken() {
        let suzuki: AccountName = "suzuki".parse().unwrap();
        let check = |password: &str| check(password, &suzuki);
        assert_eq!(check("short"), Err(WeakPassword::Short));
        assert_eq!(check("aaaaaaaaaaaaaaaa"), Err(WeakPassword::Monotonous));
        assert_eq!(check("my-SUZUKI-password"), Err(WeakPassword::Name));
        assert_eq!(check(&"長い".repeat(200)), Err(WeakPassword::Long));
        assert_eq!(check("雪の降る町を通り過ぎて行く"), Ok(()));
    }
}
