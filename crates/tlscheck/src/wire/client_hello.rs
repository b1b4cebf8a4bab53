//! The client's hello: ours written freely, a client's read.

use super::codec::{Malformed, Reader, put_vec, put16};
use super::message::{CLIENT_HELLO, RENEGOTIATION_SCSV, extension};
use super::record::Message;
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::version::Version;

/// A hello to be written. What is empty or `None` is left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientHello {
    /// Stands in the old place, and alone before TLS 1.3.
    pub(crate) legacy_version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suites: Vec<Suite>,
    /// Whether DEFLATE (RFC 3749) is offered before "none".
    pub(crate) compression: bool,
    /// In "supported_versions".
    pub(crate) versions: Vec<Version>,
    pub(crate) server_name: Option<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) schemes: Vec<Scheme>,
    pub(crate) extended_master_secret: bool,
    /// What is known of an earlier handshake on this connection; empty at the
    /// first (RFC 5746 section 3.4).
    pub(crate) renegotiation: Option<Vec<u8>>,
    /// Empty asks for one.
    pub(crate) ticket: Option<Vec<u8>>,
    /// "key_share"; `Some(empty)` asks for a retry with the server's choice.
    pub(crate) key_shares: Option<Vec<(Group, Vec<u8>)>>,
    pub(crate) cookie: Option<Vec<u8>>,
    /// Whether resumption with a fresh key exchange is understood.
    pub(crate) psk_modes: bool,
    /// Ticket, obfuscated age and a binder's place, for TLS 1.3's resumption.
    pub(crate) psk: Option<Psk>,
}

/// What is offered to resume in TLS 1.3 (RFC 8446 section 4.2.11).
#[derive(Debug, Clone)]
pub(crate) struct Psk {
    pub(crate) identity: Vec<u8>,
    pub(crate) obfuscated_age: u32,
    /// Its length is the hash's; its value is filled in over the rest.
    pub(crate) binder: Vec<u8>,
}

impl ClientHello {
    /// The handshake message.
    pub(crate) fn message(&self) -> Message {
        let mut body = Vec::with_capacity(1024);
        put16(&mut body, self.legacy_version);
        body.extend_from_slice(&self.random);
        put_vec(&mut body, 1, &self.session_id);
        let mut suites = Vec::new();
        for suite in &self.suites {
            put16(&mut suites, suite.0);
        }
        // SSL 3.0 has no extensions to ask in; the signalling suite asks there.
        if self.legacy_version == Version::Ssl3.code() {
            put16(&mut suites, RENEGOTIATION_SCSV);
        }
        put_vec(&mut body, 2, &suites);
        put_vec(&mut body, 1, if self.compression { &[1, 0] } else { &[0] });
        if self.legacy_version != Version::Ssl3.code() {
            put_vec(&mut body, 2, &self.extensions());
        }
        Message::build(CLIENT_HELLO, &body)
    }

    /// How many octets at the end of the message hold the binder: what it is
    /// computed over goes up to there.
    pub(crate) fn binders_length(&self) -> usize {
        self.psk.as_ref().map_or(0, |psk| psk.binder.len() + 3)
    }

    fn extensions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |kind: u16, body: &[u8]| {
            put16(&mut out, kind);
            put_vec(&mut out, 2, body);
        };
        if let Some(name) = &self.server_name {
            let mut entry = vec![0];
            put_vec(&mut entry, 2, name.as_bytes());
            put(extension::SERVER_NAME, &vec_of(2, &entry));
        }
        if !self.groups.is_empty() {
            let groups = numbers(self.groups.iter().map(|group| group.0));
            put(extension::SUPPORTED_GROUPS, &vec_of(2, &groups));
            put(extension::EC_POINT_FORMATS, &[1, 0]);
        }
        if !self.schemes.is_empty() {
            let schemes = numbers(self.schemes.iter().map(|scheme| scheme.0));
            put(extension::SIGNATURE_ALGORITHMS, &vec_of(2, &schemes));
        }
        if self.extended_master_secret {
            put(extension::EXTENDED_MASTER_SECRET, &[]);
        }
        if let Some(ticket) = &self.ticket {
            put(extension::SESSION_TICKET, ticket);
        }
        if let Some(before) = &self.renegotiation {
            put(extension::RENEGOTIATION_INFO, &vec_of(1, before));
        }
        if !self.versions.is_empty() {
            let versions = numbers(self.versions.iter().map(|version| version.code()));
            put(extension::SUPPORTED_VERSIONS, &vec_of(1, &versions));
        }
        if let Some(cookie) = &self.cookie {
            put(extension::COOKIE, &vec_of(2, cookie));
        }
        if let Some(shares) = &self.key_shares {
            let mut list = Vec::new();
            for (group, share) in shares {
                put16(&mut list, group.0);
                put_vec(&mut list, 2, share);
            }
            put(extension::KEY_SHARE, &vec_of(2, &list));
        }
        if self.psk_modes {
            put(extension::PSK_KEY_EXCHANGE_MODES, &[1, 1]);
        }
        // Always the last one (RFC 8446 section 4.2.11).
        if let Some(psk) = &self.psk {
            let mut identity = Vec::new();
            put_vec(&mut identity, 2, &psk.identity);
            identity.extend_from_slice(&psk.obfuscated_age.to_be_bytes());
            let mut body = vec_of(2, &identity);
            body.extend(vec_of(2, &vec_of(1, &psk.binder)));
            put(extension::PRE_SHARED_KEY, &body);
        }
        out
    }
}

fn vec_of(octets: usize, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + octets);
    put_vec(&mut out, octets, body);
    out
}

fn numbers(numbers: impl Iterator<Item = u16>) -> Vec<u8> {
    numbers.flat_map(u16::to_be_bytes).collect()
}

/// What a client's hello says, as far as it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HelloRead {
    pub(crate) legacy_version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) compression: Vec<u8>,
    pub(crate) versions: Option<Vec<u16>>,
    pub(crate) server_name: Option<Vec<u8>>,
    pub(crate) groups: Vec<u16>,
    pub(crate) schemes: Vec<u16>,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation: bool,
    pub(crate) ticket: Option<Vec<u8>>,
    pub(crate) key_shares: Vec<(u16, Vec<u8>)>,
    pub(crate) psk: bool,
}

impl HelloRead {
    /// The versions that are certainly offered, newest first: the list, or the
    /// one of the old place where there is no list. Numbers that are no version
    /// (RFC 8701) are left out.
    pub(crate) fn offered_versions(&self) -> Vec<Version> {
        let mut versions: Vec<Version> = match &self.versions {
            Some(list) => list
                .iter()
                .copied()
                .filter_map(Version::from_code)
                .collect(),
            None => Version::from_code(self.legacy_version.min(Version::Tls12.code()))
                .into_iter()
                .collect(),
        };
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.dedup();
        versions
    }

    /// Reads the body of a client's hello.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "the client's hello";
        let mut reader = Reader::new(body, WHAT);
        let mut hello = Self {
            legacy_version: reader.u16()?,
            random: reader
                .take(32)?
                .try_into()
                .map_err(|_| reader.malformed())?,
            session_id: reader.vec8()?.to_vec(),
            suites: reader.numbers16()?,
            compression: reader.vec8()?.to_vec(),
            versions: None,
            server_name: None,
            groups: Vec::new(),
            schemes: Vec::new(),
            extended_master_secret: false,
            renegotiation: false,
            ticket: None,
            key_shares: Vec::new(),
            psk: false,
        };
        hello.renegotiation = hello.suites.contains(&RENEGOTIATION_SCSV);
        hello.suites.retain(|suite| *suite != RENEGOTIATION_SCSV);
        if reader.is_empty() {
            return Ok(hello);
        }
        let mut extensions = Reader::new(reader.vec16()?, WHAT);
        reader.end()?;
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let mut body = Reader::new(extensions.vec16()?, WHAT);
            match kind {
                extension::SERVER_NAME => {
                    let mut list = Reader::new(body.vec16()?, WHAT);
                    if list.u8()? == 0 {
                        hello.server_name = Some(list.vec16()?.to_vec());
                    }
                }
                extension::SUPPORTED_GROUPS => hello.groups = body.numbers16()?,
                extension::SIGNATURE_ALGORITHMS => hello.schemes = body.numbers16()?,
                extension::EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
                extension::RENEGOTIATION_INFO => hello.renegotiation = true,
                extension::SESSION_TICKET => hello.ticket = Some(body.rest().to_vec()),
                extension::SUPPORTED_VERSIONS => {
                    let list = body.vec8()?;
                    let pairs = list.chunks_exact(2);
                    hello.versions = Some(
                        pairs
                            .filter_map(|pair| pair.try_into().ok())
                            .map(u16::from_be_bytes)
                            .collect(),
                    );
                }
                extension::KEY_SHARE => {
                    let mut list = Reader::new(body.vec16()?, WHAT);
                    while !list.is_empty() {
                        let group = list.u16()?;
                        hello.key_shares.push((group, list.vec16()?.to_vec()));
                    }
                }
                extension::PRE_SHARED_KEY => hello.psk = true,
                _ => {}
            }
        }
        Ok(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_server_reads() {
        let hello = ClientHello {
            legacy_version: 0x0303,
            random: [7; 32],
            session_id: vec![1; 32],
            suites: vec![Suite(0x1302), Suite(0xC02C)],
            versions: vec![Version::Tls13, Version::Tls12],
            server_name: Some("claims.example".to_owned()),
            groups: vec![Group::P256, Group::X25519],
            schemes: vec![Scheme(0x0403)],
            extended_master_secret: true,
            renegotiation: Some(Vec::new()),
            ticket: Some(vec![9; 5]),
            key_shares: Some(vec![(Group::P256, vec![4; 65])]),
            psk_modes: true,
            psk: Some(Psk {
                identity: vec![3; 40],
                obfuscated_age: 77,
                binder: vec![0; 32],
            }),
            ..ClientHello::default()
        };
        let message = hello.message();
        let read = HelloRead::read(message.body()).unwrap();
        assert_eq!(read.suites, [0x1302, 0xC02C]);
        assert_eq!(read.versions, Some(vec![0x0304, 0x0303]));
        assert_eq!(read.server_name.as_deref(), Some(&b"claims.example"[..]));
        assert_eq!(read.groups, [0x17, 0x1D]);
        assert_eq!(read.schemes, [0x0403]);
        assert_eq!(read.key_shares, [(0x17, vec![4; 65])]);
        assert_eq!(read.ticket, Some(vec![9; 5]));
        assert!(read.extended_master_secret && read.renegotiation && read.psk);
        // The binder is what the message ends with.
        assert_eq!(hello.binders_length(), 32 + 1 + 2);
        let cut = message.whole.len() - hello.binders_length();
        assert_eq!(message.whole[cut..][..3], [0, 33, 32]);
    }
}
