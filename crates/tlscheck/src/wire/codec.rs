//! Reading and writing numbers and vectors (RFC 8446 section 3).

/// Octets that are not what they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is cut short or contradicts itself")]
pub(crate) struct Malformed {
    /// Which part.
    pub(crate) what: &'static str,
}

/// Reads from the front; never past the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8], what: &'static str) -> Self {
        Self { rest: octets, what }
    }

    pub(crate) fn malformed(&self) -> Malformed {
        Malformed { what: self.what }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let octets = self.take(1)?;
        octets.first().copied().ok_or_else(|| self.malformed())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from(self.u8()?) << 8 | u16::from(self.u8()?))
    }

    pub(crate) fn u24(&mut self) -> Result<usize, Malformed> {
        Ok(usize::from(self.u8()?) << 16 | usize::from(self.u16()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A vector with a length of one octet before it.
    pub(crate) fn vec8(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A vector with a length of two octets before it.
    pub(crate) fn vec16(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A vector with a length of three octets before it.
    pub(crate) fn vec24(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u24()?;
        self.take(length)
    }

    /// A vector of numbers with a length of two octets before it.
    pub(crate) fn numbers16(&mut self) -> Result<Vec<u16>, Malformed> {
        let octets = self.vec16()?;
        if octets.len() % 2 != 0 {
            return Err(self.malformed());
        }
        let mut inner = Reader::new(octets, self.what);
        let mut numbers = Vec::with_capacity(octets.len() / 2);
        while !inner.is_empty() {
            numbers.push(inner.u16()?);
        }
        Ok(numbers)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

pub(crate) fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Writes a vector with its length in `octets` octets before it. What we write
/// is ours and short; a length that did not fit would be cut, and the peer
/// would refuse it.
pub(crate) fn put_vec(out: &mut Vec<u8>, octets: usize, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let skip = length.len().saturating_sub(octets);
    out.extend(length.iter().skip(skip));
    out.extend_from_slice(body);
}
