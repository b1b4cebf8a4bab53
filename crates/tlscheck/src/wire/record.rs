//! The record layer: frames, and the handshake messages within them.

use super::codec::{Malformed, Reader, put_vec, put16};

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    Application,
}

impl ContentType {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::Application => 23,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::Application),
            _ => None,
        }
    }
}

/// One record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) content: ContentType,
    pub(crate) body: Vec<u8>,
}

/// Largest body that a record may have, protection included (RFC 5246 section
/// 6.2.3; TLS 1.3 allows less).
const BODY_MAX: usize = (1 << 14) + 2048;

/// Why octets cannot be read as records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// They do not begin as a record of TLS does.
    #[error("the octets are not TLS")]
    NotTls {
        /// How they begin.
        beginning: Vec<u8>,
    },
    /// A record longer than the protocol allows.
    #[error("a record of {have} octets; at most {limit} are allowed")]
    TooLong {
        /// Its stated length.
        have: usize,
        /// The most allowed.
        limit: usize,
    },
}

/// Takes octets as they come and gives whole records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    buffer: Vec<u8>,
}

impl Records {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole record; `None` while it is still coming.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let not_tls = || RecordError::NotTls {
            beginning: self.buffer.iter().take(64).copied().collect(),
        };
        // One wrong octet is enough: a greeting of another protocol may be
        // shorter than a header and then wait for us.
        let content = match self.buffer.first() {
            None => return Ok(None),
            Some(code) => ContentType::from_code(*code).ok_or_else(not_tls)?,
        };
        if self.buffer.get(1).is_some_and(|major| *major != 3) {
            return Err(not_tls());
        }
        let Some(header) = self.buffer.get(..5) else {
            return Ok(None);
        };
        let mut header = Reader::new(header, "a record header");
        let length = header
            .take(3)
            .and_then(|_| header.u16())
            .map_or(0, usize::from);
        if length > BODY_MAX {
            return Err(RecordError::TooLong {
                have: length,
                limit: BODY_MAX,
            });
        }
        let Some(body) = self.buffer.get(5..5 + length) else {
            return Ok(None);
        };
        let record = Record {
            content,
            body: body.to_vec(),
        };
        self.buffer.drain(..5 + length);
        Ok(Some(record))
    }
}

/// Writes one record; `version` stands in its header.
pub(crate) fn put_record(out: &mut Vec<u8>, content: ContentType, version: u16, body: &[u8]) {
    out.push(content.code());
    put16(out, version);
    put_vec(out, 2, body);
}

/// Longest handshake message that is taken: room for a long chain.
const MESSAGE_MAX: usize = 128 * 1024;

/// A handshake message, with the octets that count for the transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    /// Header and body.
    pub(crate) whole: Vec<u8>,
}

impl Message {
    pub(crate) fn body(&self) -> &[u8] {
        self.whole.get(4..).unwrap_or_default()
    }

    /// Builds one of ours.
    pub(crate) fn build(kind: u8, body: &[u8]) -> Self {
        let mut whole = vec![kind];
        put_vec(&mut whole, 3, body);
        Self { kind, whole }
    }
}

/// Joins handshake messages that lie across records.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    buffer: Vec<u8>,
}

impl Messages {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Message>, Malformed> {
        const WHAT: &str = "a handshake message";
        let mut reader = Reader::new(&self.buffer, WHAT);
        let (Ok(kind), Ok(length)) = (reader.u8(), reader.u24()) else {
            return Ok(None);
        };
        if length > MESSAGE_MAX {
            return Err(Malformed { what: WHAT });
        }
        let Some(whole) = self.buffer.get(..4 + length) else {
            return Ok(None);
        };
        let message = Message {
            kind,
            whole: whole.to_vec(),
        };
        self.buffer.drain(..4 + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn another_protocol_is_known_by_its_first_octet() {
        for greeting in [
            &b"SSH-2.0-OpenSSH"[..],
            b"220 mail",
            b"HTTP/1.1 400",
            b"\x16\x02",
        ] {
            let mut records = Records::default();
            records.push(greeting);
            assert!(
                matches!(records.next(), Err(RecordError::NotTls { beginning }) if beginning == greeting)
            );
        }
    }

    proptest! {
        /// However the network cuts what was sent, the same records come out.
        #[test]
        fn records_survive_any_cutting(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
            cuts in prop::collection::vec(1usize..50, 1..40),
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                put_record(&mut stream, ContentType::Handshake, 0x0303, body);
            }
            let mut records = Records::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                records.push(&rest[..cut]);
                rest = &rest[cut..];
                while let Some(record) = records.next().unwrap() {
                    got.push(record.body);
                }
            }
            prop_assert_eq!(got, bodies);
            prop_assert!(records.buffer.is_empty());
        }
    }
}
