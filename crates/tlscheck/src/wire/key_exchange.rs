//! The server's key exchange message of TLS 1.2 and older (RFC 5246 section
//! 7.4.3, RFC 8422 section 5.4).

use super::codec::{Malformed, Reader};
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::KeyExchange;
use crate::version::Version;

/// What the server proposes to agree on a key with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// A named curve and the server's point.
    Curve { group: Group, point: Vec<u8> },
    /// A curve described by its numbers, which nobody should take.
    ExplicitCurve,
    /// A finite field and the server's number, all big-endian.
    Field {
        prime: Vec<u8>,
        generator: Vec<u8>,
        public: Vec<u8>,
    },
}

/// The message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange {
    pub(crate) parameters: Parameters,
    /// What is signed, after the two randoms.
    pub(crate) signed: Vec<u8>,
    /// Stated since TLS 1.2 only.
    pub(crate) scheme: Option<Scheme>,
    /// Empty when the suite is anonymous.
    pub(crate) signature: Vec<u8>,
}

impl ServerKeyExchange {
    pub(crate) fn read(
        body: &[u8],
        how: KeyExchange,
        anonymous_curve: bool,
        version: Version,
    ) -> Result<Self, Malformed> {
        const WHAT: &str = "the server's key exchange";
        let mut reader = Reader::new(body, WHAT);
        let curve = match how {
            KeyExchange::Ecdhe => true,
            KeyExchange::Dhe => false,
            KeyExchange::Anonymous => anonymous_curve,
            _ => return Err(reader.malformed()),
        };
        let parameters = if curve {
            // 3: named; 1 and 2: described by numbers.
            match reader.u8()? {
                3 => Parameters::Curve {
                    group: Group(reader.u16()?),
                    point: reader.vec8()?.to_vec(),
                },
                1 | 2 => {
                    return Ok(Self {
                        parameters: Parameters::ExplicitCurve,
                        signed: Vec::new(),
                        scheme: None,
                        signature: Vec::new(),
                    });
                }
                _ => return Err(reader.malformed()),
            }
        } else {
            Parameters::Field {
                prime: reader.vec16()?.to_vec(),
                generator: reader.vec16()?.to_vec(),
                public: reader.vec16()?.to_vec(),
            }
        };
        let after = reader;
        let signed_length = body.len() - reader.rest().len();
        let signed = body.get(..signed_length).unwrap_or_default().to_vec();
        let mut reader = after;
        let (scheme, signature) = if how == KeyExchange::Anonymous {
            (None, Vec::new())
        } else {
            let scheme = if version >= Version::Tls12 {
                Some(Scheme(reader.u16()?))
            } else {
                None
            };
            (scheme, reader.vec16()?.to_vec())
        };
        Ok(Self {
            parameters,
            signed,
            scheme,
            signature,
        })
    }
}

/// Bits of a big-endian number.
pub(crate) fn bits(number: &[u8]) -> usize {
    let significant = number.iter().position(|octet| *octet != 0);
    significant.map_or(0, |start| {
        let octets = number.len() - start;
        let first = number.get(start).copied().unwrap_or_default();
        octets * 8 - first.leading_zeros() as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prime_is_measured_by_its_bits_not_its_octets() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[0, 0]), 0);
        assert_eq!(bits(&[0, 0x80]), 8);
        assert_eq!(bits(&[0x01, 0x00]), 9);
        let mut prime = vec![0xFF; 128];
        assert_eq!(bits(&prime), 1024);
        prime.insert(0, 0);
        assert_eq!(bits(&prime), 1024);
    }
}
