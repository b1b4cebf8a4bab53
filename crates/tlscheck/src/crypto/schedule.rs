//! The key schedule of TLS 1.3 (RFC 8446 section 7.1).

use super::protect::Protection;
use super::tls12::End;
use super::{Cipher, Failed, Hash};
use crate::version::Version;
use crate::wire::codec::{put_vec, put16};
use aws_lc_rs::hkdf::{KeyType, Prk, Salt};
use aws_lc_rs::{constant_time, hmac};

struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

/// "HKDF-Expand-Label".
fn expand(prk: &Prk, label: &str, context: &[u8], octets: usize) -> Result<Vec<u8>, Failed> {
    let mut info = Vec::new();
    put16(&mut info, u16::try_from(octets).map_err(|_| Failed)?);
    put_vec(&mut info, 1, format!("tls13 {label}").as_bytes());
    put_vec(&mut info, 1, context);
    let mut out = vec![0; octets];
    prk.expand(&[&info], Octets(octets))?.fill(&mut out)?;
    Ok(out)
}

/// A secret of one direction in one epoch.
#[derive(Clone)]
pub(crate) struct Traffic {
    cipher: Cipher,
    secret: Vec<u8>,
}

impl Traffic {
    fn prk(&self) -> Prk {
        Prk::new_less_safe(self.cipher.hash.hkdf(), &self.secret)
    }

    /// Protects records under this secret.
    pub(crate) fn protection(&self) -> Result<Protection, Failed> {
        let prk = self.prk();
        let key = expand(&prk, "key", &[], self.cipher.aead.key_len())?;
        let iv = expand(&prk, "iv", &[], 12)?;
        Protection::new(self.cipher, Version::Tls13, &key, &iv)
    }

    /// What stands in the "finished" message over that transcript.
    pub(crate) fn finished(&self, transcript: &[u8]) -> Result<Vec<u8>, Failed> {
        let hash = self.cipher.hash;
        let key = expand(&self.prk(), "finished", &[], hash.octets())?;
        let key = hmac::Key::new(hash.hmac(), &key);
        Ok(hmac::sign(&key, &hash.of(transcript)).as_ref().to_vec())
    }

    /// Whether a peer's "finished" is right.
    pub(crate) fn is_finished(&self, transcript: &[u8], said: &[u8]) -> bool {
        self.finished(transcript)
            .is_ok_and(|right| constant_time::verify_slices_are_equal(&right, said).is_ok())
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traffic(not shown)")
    }
}

/// The secret of an epoch, from which its traffic secrets come.
pub(crate) struct Epoch {
    cipher: Cipher,
    secret: Prk,
}

impl Epoch {
    /// The handshake's, from what was agreed.
    pub(crate) fn handshake(cipher: Cipher, agreed: &[u8]) -> Result<Self, Failed> {
        let zeros = vec![0; cipher.hash.octets()];
        let early = Self {
            cipher,
            secret: Salt::new(cipher.hash.hkdf(), &zeros).extract(&zeros),
        };
        early.next(agreed)
    }

    /// The application's.
    pub(crate) fn application(&self) -> Result<Self, Failed> {
        self.next(&vec![0; self.cipher.hash.octets()])
    }

    fn next(&self, input: &[u8]) -> Result<Self, Failed> {
        let derived = self.derive("derived", &[])?;
        Ok(Self {
            cipher: self.cipher,
            secret: Salt::new(self.cipher.hash.hkdf(), &derived).extract(input),
        })
    }

    /// "Derive-Secret" over a transcript.
    fn derive(&self, label: &str, transcript: &[u8]) -> Result<Vec<u8>, Failed> {
        let hash = self.cipher.hash;
        expand(&self.secret, label, &hash.of(transcript), hash.octets())
    }

    /// A direction's secret while handshaking.
    pub(crate) fn handshake_traffic(&self, end: End, transcript: &[u8]) -> Result<Traffic, Failed> {
        self.traffic(end, "c hs traffic", "s hs traffic", transcript)
    }

    /// A direction's secret afterwards.
    pub(crate) fn application_traffic(
        &self,
        end: End,
        transcript: &[u8],
    ) -> Result<Traffic, Failed> {
        self.traffic(end, "c ap traffic", "s ap traffic", transcript)
    }

    fn traffic(
        &self,
        end: End,
        client: &str,
        server: &str,
        transcript: &[u8],
    ) -> Result<Traffic, Failed> {
        let label = match end {
            End::Client => client,
            End::Server => server,
        };
        Ok(Traffic {
            cipher: self.cipher,
            secret: self.derive(label, transcript)?,
        })
    }

    /// What tickets are made good with, over the whole handshake.
    pub(crate) fn resumption(&self, transcript: &[u8]) -> Result<Vec<u8>, Failed> {
        self.derive("res master", transcript)
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Epoch(not shown)")
    }
}

/// The key that a ticket stands for (RFC 8446 section 4.6.1).
pub(crate) fn ticket_key(hash: Hash, resumption: &[u8], nonce: &[u8]) -> Result<Vec<u8>, Failed> {
    let prk = Prk::new_less_safe(hash.hkdf(), resumption);
    expand(&prk, "resumption", nonce, hash.octets())
}

/// The proof of owning a ticket's key, over a hello without its binders
/// (RFC 8446 section 4.2.11.2).
pub(crate) fn binder(cipher: Cipher, ticket_key: &[u8], hello: &[u8]) -> Result<Vec<u8>, Failed> {
    let zeros = vec![0; cipher.hash.octets()];
    let early = Epoch {
        cipher,
        secret: Salt::new(cipher.hash.hkdf(), &zeros).extract(ticket_key),
    };
    let traffic = Traffic {
        cipher,
        secret: early.derive("res binder", &[])?,
    };
    traffic.finished(hello)
}
