//! What a server says first: its hello, its chain, what it asks of clients.

use super::codec::{Malformed, Reader};
use super::message::extension;
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::Suite;
use crate::version::Version;

/// The random that marks a hello as a request to retry (RFC 8446 section 4.1.3).
pub(crate) const RETRY_RANDOM: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// A server's hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerHello {
    /// What was agreed on; `None` when it is no version that exists.
    pub(crate) version: Option<Version>,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suite: Suite,
    pub(crate) compression: u8,
    pub(crate) renegotiation: Option<Vec<u8>>,
    pub(crate) extended_master_secret: bool,
    /// It will hand out a ticket (RFC 5077 section 3.2).
    pub(crate) ticket: bool,
    /// Group and share; the share is empty in a request to retry.
    pub(crate) key_share: Option<(Group, Vec<u8>)>,
    pub(crate) cookie: Option<Vec<u8>>,
    /// It resumes with the offered ticket (TLS 1.3).
    pub(crate) resumed: bool,
}

impl ServerHello {
    pub(crate) fn is_retry(&self) -> bool {
        self.random == RETRY_RANDOM
    }

    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "the server's hello";
        let mut reader = Reader::new(body, WHAT);
        let mut version = reader.u16()?;
        let random: [u8; 32] = reader
            .take(32)?
            .try_into()
            .map_err(|_| reader.malformed())?;
        let retry = random == RETRY_RANDOM;
        let mut hello = Self {
            version: None,
            random,
            session_id: reader.vec8()?.to_vec(),
            suite: Suite(reader.u16()?),
            compression: reader.u8()?,
            renegotiation: None,
            extended_master_secret: false,
            ticket: false,
            key_share: None,
            cookie: None,
            resumed: false,
        };
        if !reader.is_empty() {
            let mut extensions = Reader::new(reader.vec16()?, WHAT);
            reader.end()?;
            while !extensions.is_empty() {
                let kind = extensions.u16()?;
                let mut body = Reader::new(extensions.vec16()?, WHAT);
                match kind {
                    extension::RENEGOTIATION_INFO => {
                        hello.renegotiation = Some(body.vec8()?.to_vec());
                    }
                    extension::EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
                    extension::SESSION_TICKET => hello.ticket = true,
                    extension::SUPPORTED_VERSIONS => version = body.u16()?,
                    extension::KEY_SHARE => {
                        let group = Group(body.u16()?);
                        let share = if retry { &[] } else { body.vec16()? };
                        hello.key_share = Some((group, share.to_vec()));
                    }
                    extension::COOKIE => hello.cookie = Some(body.vec16()?.to_vec()),
                    extension::PRE_SHARED_KEY => hello.resumed = true,
                    _ => {}
                }
            }
        }
        hello.version = Version::from_code(version);
        Ok(hello)
    }
}

/// Most certificates that are taken from a chain.
const CHAIN_MAX: usize = 16;

/// The certificates of TLS 1.2 and older, leaf first, in DER.
pub(crate) fn read_chain(body: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    const WHAT: &str = "the certificate message";
    let mut reader = Reader::new(body, WHAT);
    let mut list = Reader::new(reader.vec24()?, WHAT);
    reader.end()?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        let certificate = list.vec24()?;
        if chain.len() == CHAIN_MAX {
            return Err(list.malformed());
        }
        chain.push(certificate.to_vec());
    }
    Ok(chain)
}

/// The certificates of TLS 1.3, leaf first, in DER.
pub(crate) fn read_chain13(body: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    const WHAT: &str = "the certificate message";
    let mut reader = Reader::new(body, WHAT);
    reader.vec8()?;
    let mut list = Reader::new(reader.vec24()?, WHAT);
    reader.end()?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        let certificate = list.vec24()?;
        list.vec16()?;
        if chain.len() == CHAIN_MAX {
            return Err(list.malformed());
        }
        chain.push(certificate.to_vec());
    }
    Ok(chain)
}

/// A server's demand for a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CertificateRequest {
    /// To be given back in TLS 1.3.
    pub(crate) context: Vec<u8>,
    pub(crate) schemes: Vec<Scheme>,
    /// Distinguished names in DER.
    pub(crate) authorities: Vec<Vec<u8>>,
}

/// Most authorities that are taken from a request.
const AUTHORITIES_MAX: usize = 256;

impl CertificateRequest {
    /// As TLS 1.2 and older send it.
    pub(crate) fn read(body: &[u8], version: Version) -> Result<Self, Malformed> {
        const WHAT: &str = "the certificate request";
        let mut reader = Reader::new(body, WHAT);
        let mut request = Self::default();
        reader.vec8()?;
        if version >= Version::Tls12 {
            request.schemes = reader.numbers16()?.into_iter().map(Scheme).collect();
        }
        request.authorities = read_names(reader.vec16()?, WHAT)?;
        Ok(request)
    }

    /// As TLS 1.3 sends it.
    pub(crate) fn read13(body: &[u8]) -> Result<Self, Malformed> {
        const WHAT: &str = "the certificate request";
        let mut reader = Reader::new(body, WHAT);
        let mut request = Self {
            context: reader.vec8()?.to_vec(),
            ..Self::default()
        };
        let mut extensions = Reader::new(reader.vec16()?, WHAT);
        while !extensions.is_empty() {
            let kind = extensions.u16()?;
            let mut body = Reader::new(extensions.vec16()?, WHAT);
            match kind {
                extension::SIGNATURE_ALGORITHMS => {
                    request.schemes = body.numbers16()?.into_iter().map(Scheme).collect();
                }
                extension::CERTIFICATE_AUTHORITIES => {
                    request.authorities = read_names(body.vec16()?, WHAT)?;
                }
                _ => {}
            }
        }
        Ok(request)
    }
}

fn read_names(octets: &[u8], what: &'static str) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut list = Reader::new(octets, what);
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.vec16()?;
        if names.len() < AUTHORITIES_MAX {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
