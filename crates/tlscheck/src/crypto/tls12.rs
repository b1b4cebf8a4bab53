//! The key schedule of TLS 1.2 (RFC 5246 sections 6.3, 7.4.9 and 8.1; RFC 7627).

use super::protect::Protection;
use super::{Cipher, Failed, Hash};
use crate::version::Version;
use aws_lc_rs::tls_prf::Secret;

/// Which end speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

/// The secret of a session and what follows from it.
pub(crate) struct Master {
    hash: Hash,
    secret: Vec<u8>,
}

impl Master {
    /// From the agreed secret and the two randoms.
    pub(crate) fn derive(
        hash: Hash,
        agreed: &[u8],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Result<Self, Failed> {
        let seed = [&client_random[..], &server_random[..]].concat();
        Ok(Self {
            hash,
            secret: prf(hash, agreed, b"master secret", &seed, 48)?,
        })
    }

    /// Bound to everything said so far (RFC 7627).
    pub(crate) fn derive_extended(
        hash: Hash,
        agreed: &[u8],
        transcript: &[u8],
    ) -> Result<Self, Failed> {
        let seed = hash.of(transcript);
        Ok(Self {
            hash,
            secret: prf(hash, agreed, b"extended master secret", &seed, 48)?,
        })
    }

    /// What the client writes with, and what the server writes with.
    pub(crate) fn protections(
        &self,
        cipher: Cipher,
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Result<(Protection, Protection), Failed> {
        let key = cipher.aead.key_len();
        let fixed = 12 - cipher.explicit_nonce;
        let seed = [&server_random[..], &client_random[..]].concat();
        let block = prf(
            self.hash,
            &self.secret,
            b"key expansion",
            &seed,
            2 * (key + fixed),
        )?;
        let (client_key, rest) = block.split_at_checked(key).ok_or(Failed)?;
        let (server_key, rest) = rest.split_at_checked(key).ok_or(Failed)?;
        let (client_iv, server_iv) = rest.split_at_checked(fixed).ok_or(Failed)?;
        let build = |key, iv| Protection::new(cipher, Version::Tls12, key, iv);
        Ok((build(client_key, client_iv)?, build(server_key, server_iv)?))
    }

    /// What stands in the "finished" message of that end.
    pub(crate) fn finished(&self, end: End, transcript: &[u8]) -> Result<Vec<u8>, Failed> {
        let label: &[u8] = match end {
            End::Client => b"client finished",
            End::Server => b"server finished",
        };
        prf(
            self.hash,
            &self.secret,
            label,
            &self.hash.of(transcript),
            12,
        )
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Master(not shown)")
    }
}

fn prf(
    hash: Hash,
    secret: &[u8],
    label: &[u8],
    seed: &[u8],
    octets: usize,
) -> Result<Vec<u8>, Failed> {
    let derived = Secret::new(hash.prf(), secret)?.derive(label, seed, octets)?;
    Ok(derived.as_ref().to_vec())
}
