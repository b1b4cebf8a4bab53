//! Any bytes as a certificate request: it answers, and takes no key of another
//! kind than those that are taken.
#![no_main]

use iryonet_authority::csr::{Csr, KeyKind, RSA_BITS_MAX, RSA_BITS_MIN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(csr) = Csr::parse(bytes)
        && let KeyKind::Rsa { bits } = csr.key_kind()
    {
        assert!((RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits));
    }
});
