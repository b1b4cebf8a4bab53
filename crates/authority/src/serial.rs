//! Serial numbers of certificates.

use rand::CryptoRng;

/// A certificate's serial number: 20 octets, positive, 158 of its bits random.
///
/// RFC 5280 section 4.1.2.2 allows at most 20 octets and wants a positive
/// number. The top two bits are fixed to 01, so that every serial is positive
/// and has the same length in DER; nothing can be guessed from the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; Serial::OCTETS]);

/// The text or the octets are not a serial number of this authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a serial number of this authority has 40 hexadecimal digits (20 octets) and begins with 4 to 7"
)]
pub struct SerialError;

impl Serial {
    /// Octets of a serial number.
    pub const OCTETS: usize = 20;

    /// Draws a new serial number.
    #[must_use]
    pub fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut octets = [0; Self::OCTETS];
        rng.fill_bytes(&mut octets);
        octets[0] = octets[0] & 0x3f | 0x40;
        Self(octets)
    }

    /// The octets, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The serial with these octets, as a certificate carries them.
    ///
    /// # Errors
    /// When they are not of the form that [`Serial::draw`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let octets: [u8; Self::OCTETS] = bytes.try_into().map_err(|_| SerialError)?;
        if octets[0] & 0xc0 == 0x40 {
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
        fn a_serial_is_positive_and_reads_as_it_was_written(seed: u64) {
            let serial = Serial::draw(&mut rand::rngs::StdRng::seed_from_u64(seed));
            prop_assert!((0x40..0x80).contains(&serial.as_bytes()[0]));
            prop_assert_eq!(serial.to_string().parse::<Serial>(), Ok(serial));
        }
    }

    #[test]
    fn a_serial_of_another_form_is_refused() {
        for text in [
            "",
            "40",
            &"ff".repeat(20),
            &"40".repeat(21),
            &"zz".repeat(20),
        ] {
            assert_eq!(text.parse::<Serial>(), Err(SerialError), "{text}");
        }
    }
}
