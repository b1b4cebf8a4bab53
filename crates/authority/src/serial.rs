//! Serial numbers of certificates.
//!
//! A serial number says which issuing CA gave it and on which shard of that
//! CA's revocation lists it would stand. So both are fixed at issuance and
//! stand wherever the certificate does: in the ledger, in the registry, in a
//! question to the OCSP responder, without a look at any table.

use rand::CryptoRng;

/// A certificate's serial number: 20 octets, positive (RFC 5280 section
/// 4.1.2.2 allows no more).
///
/// ```text
/// octet 0       0x20: the form described here
/// octets 1..4   the issuing CA: the first octets of its key identifier
/// octets 4..6   the shard of its revocation lists
/// octets 6..20  112 random bits
/// ```
///
/// Serial numbers given before there were shards begin with 0x40 to 0x7f and
/// are random beyond that; they belong to the network's first issuing CA, and
/// to its shard 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; Serial::OCTETS]);

/// The text or the octets are not a serial number of this authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a serial number of this authority has 40 hexadecimal digits (20 octets) and begins with 20, or with 4 to 7"
)]
pub struct SerialError;

/// Which issuing CA gave a serial number.
pub type IssuerTag = [u8; 3];

/// First octet of the form that names issuer and shard.
const NAMED: u8 = 0x20;

impl Serial {
    /// Octets of a serial number.
    pub const OCTETS: usize = 20;

    /// Draws a new serial number of this issuing CA and shard.
    #[must_use]
    pub fn draw(issuer: IssuerTag, shard: u16, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut octets = [0; Self::OCTETS];
        rng.fill_bytes(&mut octets);
        let [first, a, b, c, high, low, ..] = &mut octets;
        *first = NAMED;
        [*a, *b, *c] = issuer;
        [*high, *low] = shard.to_be_bytes();
        Self(octets)
    }

    /// Draws one that names no issuer: for CAs' own certificates.
    #[must_use]
    pub(crate) fn draw_for_ca(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut octets = [0; Self::OCTETS];
        rng.fill_bytes(&mut octets);
        octets[0] = octets[0] & 0x3f | 0x40;
        Self(octets)
    }

    /// Which issuing CA gave it; `None` for those from before they said.
    #[must_use]
    pub fn issuer(&self) -> Option<IssuerTag> {
        match self.0 {
            [NAMED, a, b, c, ..] => Some([a, b, c]),
            _ => None,
        }
    }

    /// The shard of its issuer's revocation lists.
    #[must_use]
    pub fn shard(&self) -> u16 {
        match self.0 {
            [NAMED, _, _, _, high, low, ..] => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    }

    /// The octets, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The serial with these octets, as a certificate carries them.
    ///
    /// # Errors
    /// When they are of neither form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let octets: [u8; Self::OCTETS] = bytes.try_into().map_err(|_| SerialError)?;
        if octets[0] == NAMED || octets[0] & 0xc0 == 0x40 {
            Ok(Self(octets))
        } else {
            Err(SerialError)
        }
    }
}

impl std::fmt::Display for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl std::str::FromStr for Serial {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&hex::decode(text).map_err(|_| SerialError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #[test]
        fn a_serial_is_positive_and_says_who_gave_it_and_where_it_would_be_listed(seed: u64, issuer: [u8; 3], shard: u16) {
            let serial = Serial::draw(issuer, shard, &mut rand::rngs::StdRng::seed_from_u64(seed));
            prop_assert!(serial.as_bytes()[0] < 0x80);
            let read: Serial = serial.to_string().parse().unwrap();
            prop_assert_eq!((read, read.issuer(), read.shard()), (serial, Some(issuer), shard));
        }
    }

    #[test]
    fn a_serial_from_before_there_were_shards_is_still_known() {
        let old: Serial = "7f".repeat(20).parse().unwrap();
        assert_eq!((old.issuer(), old.shard()), (None, 0));
        let ca = Serial::draw_for_ca(&mut rand::rngs::StdRng::seed_from_u64(1));
        assert_eq!(ca.issuer(), None);
    }

    #[test]
    fn a_serial_of_another_form_is_refused() {
        for text in [
            "",
            "40",
            &"ff".repeat(20),
            &"21".repeat(20),
            &"00".repeat(20),
            &"40".repeat(21),
            &"zz".repeat(20),
        ] {
            assert_eq!(text.parse::<Serial>(), Err(SerialError), "{text}");
        }
    }
}
