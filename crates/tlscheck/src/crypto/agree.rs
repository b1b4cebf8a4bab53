//! Key agreement: curves by aws-lc, finite fields by plain arithmetic.

use super::Failed;
use crate::group::Group;
use crate::wire::key_exchange::bits;
use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, EphemeralPrivateKey, UnparsedPublicKey, X25519,
    agree_ephemeral,
};
use aws_lc_rs::rand::SystemRandom;
use num_bigint::BigUint;

/// The curves that are spoken here, in the order in which they are offered.
pub(crate) const CURVES: [Group; 4] = [Group::P256, Group::P384, Group::X25519, Group::P521];

/// Our half of an agreement on a curve. Its key comes from aws-lc's own
/// generator: see the invariants about randomness.
#[derive(Debug)]
pub(crate) struct Share {
    group: Group,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Share {
    /// `None` for groups that are not spoken here.
    pub(crate) fn generate(group: Group) -> Option<Self> {
        let algorithm = algorithm(group)?;
        let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().to_vec();
        Some(Self {
            group,
            private,
            public,
        })
    }

    pub(crate) fn group(&self) -> Group {
        self.group
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret with the peer's public share.
    pub(crate) fn agree(self, peer: &[u8]) -> Result<Vec<u8>, Failed> {
        let algorithm = algorithm(self.group).ok_or(Failed)?;
        agree_ephemeral(
            self.private,
            UnparsedPublicKey::new(algorithm, peer),
            Failed,
            |secret| Ok(secret.to_vec()),
        )
    }
}

fn algorithm(group: Group) -> Option<&'static Algorithm> {
    match group {
        Group::P256 => Some(&ECDH_P256),
        Group::P384 => Some(&ECDH_P384),
        Group::P521 => Some(&ECDH_P521),
        Group::X25519 => Some(&X25519),
        _ => None,
    }
}

/// Largest prime that is calculated with: beyond it a server could make us
/// work for nothing.
const PRIME_BITS_MAX: usize = 4096;
/// Smallest: below it there is nothing to agree on.
const PRIME_BITS_MIN: usize = 256;

/// Agrees in a finite field: our public number, and the shared secret with its
/// leading zeros removed (RFC 5246 section 8.1.2). `exponent` is our random
/// number, 32 octets of it being twice the strength of the ciphers spoken here.
pub(crate) fn agree_in_field(
    prime: &[u8],
    generator: &[u8],
    peer: &[u8],
    exponent: &[u8; 32],
) -> Result<(Vec<u8>, Vec<u8>), Failed> {
    if !(PRIME_BITS_MIN..=PRIME_BITS_MAX).contains(&bits(prime)) {
        return Err(Failed);
    }
    let p = BigUint::from_bytes_be(prime);
    let g = BigUint::from_bytes_be(generator);
    let y = BigUint::from_bytes_be(peer);
    let one = BigUint::from(1u8);
    let last = &p - &one;
    // An even "prime" or a share of 1 or p - 1 agrees on nothing.
    if !p.bit(0) || y <= one || y >= last || g <= one || g >= last {
        return Err(Failed);
    }
    let x = BigUint::from_bytes_be(exponent);
    Ok((
        g.modpow(&x, &p).to_bytes_be(),
        y.modpow(&x, &p).to_bytes_be(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_on_each_curve_and_in_a_field() {
        for group in CURVES {
            let (a, b) = (
                Share::generate(group).unwrap(),
                Share::generate(group).unwrap(),
            );
            let (public_a, public_b) = (a.public().to_vec(), b.public().to_vec());
            assert_eq!(a.agree(&public_b), b.agree(&public_a), "{group}");
        }
        // 2^521 - 1 is prime.
        let mut prime = vec![0xFF; 66];
        prime[0] = 0x01;
        let two = [2u8];
        let (xa, xb) = ([0x5A; 32], [0xA7; 32]);
        let (public_a, _) = agree_in_field(&prime, &two, &[3], &xa).unwrap();
        let (public_b, _) = agree_in_field(&prime, &two, &[3], &xb).unwrap();
        let (_, secret_a) = agree_in_field(&prime, &two, &public_b, &xa).unwrap();
        let (_, secret_b) = agree_in_field(&prime, &two, &public_a, &xb).unwrap();
        assert_eq!(secret_a, secret_b);
    }

    #[test]
    fn a_field_that_agrees_on_nothing_is_refused() {
        let mut prime = vec![0xFF; 66];
        prime[0] = 0x01;
        let last: Vec<u8> = {
            let mut last = prime.clone();
            last[65] = 0xFE;
            last
        };
        let x = [7; 32];
        assert_eq!(agree_in_field(&prime, &[2], &[1], &x), Err(Failed));
        assert_eq!(agree_in_field(&prime, &[2], &last, &x), Err(Failed));
        assert_eq!(agree_in_field(&[], &[2], &[3], &x), Err(Failed));
        assert_eq!(agree_in_field(&[0xFF; 4096], &[2], &[3], &x), Err(Failed));
        assert_eq!(agree_in_field(&prime, &[], &[3], &x), Err(Failed));
    }
}
