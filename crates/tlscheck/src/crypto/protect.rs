//! Record protection with AEAD, one direction of it (RFC 5246 section 6.2.3.3,
//! RFC 8446 section 5.2).

use super::{Cipher, Failed};
use crate::version::Version;
use crate::wire::record::{ContentType, put_record};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};

const NONCE: usize = 12;

/// Protects one direction's records from the first on.
pub(crate) struct Protection {
    key: LessSafeKey,
    fixed: [u8; NONCE],
    explicit_nonce: usize,
    version: Version,
    sequence: u64,
}

impl Protection {
    /// `fixed` is the write IV: 4 octets with an explicit nonce, else 12.
    pub(crate) fn new(
        cipher: Cipher,
        version: Version,
        key: &[u8],
        fixed: &[u8],
    ) -> Result<Self, Failed> {
        let mut iv = [0; NONCE];
        iv.get_mut(..fixed.len())
            .ok_or(Failed)?
            .copy_from_slice(fixed);
        Ok(Self {
            key: LessSafeKey::new(UnboundKey::new(cipher.aead, key)?),
            fixed: iv,
            explicit_nonce: cipher.explicit_nonce,
            version,
            sequence: 0,
        })
    }

    /// Appends one protected record to `out`.
    pub(crate) fn seal(
        &mut self,
        content: ContentType,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        let sequence = self.advance()?;
        let mut sealed = body.to_vec();
        let shown = if self.version == Version::Tls13 {
            sealed.push(content.code());
            ContentType::Application
        } else {
            content
        };
        let tag = self.key.algorithm().tag_len();
        let aad = self.aad(content, sequence, sealed.len(), sealed.len() + tag);
        self.key
            .seal_in_place_append_tag(self.nonce(sequence), Aad::from(aad), &mut sealed)?;
        if self.explicit_nonce > 0 {
            sealed.splice(0..0, sequence.to_be_bytes());
        }
        put_record(out, shown, Version::Tls12.code(), &sealed);
        Ok(())
    }

    /// The plain content of one record, and what it really is.
    pub(crate) fn open(
        &mut self,
        content: ContentType,
        body: &[u8],
    ) -> Result<(ContentType, Vec<u8>), Failed> {
        let sequence = self.advance()?;
        let (explicit, sealed) = body.split_at_checked(self.explicit_nonce).ok_or(Failed)?;
        let plain_length = sealed
            .len()
            .checked_sub(self.key.algorithm().tag_len())
            .ok_or(Failed)?;
        // The sender chooses the explicit part; it need not be the sequence.
        let nonce = match <[u8; 8]>::try_from(explicit) {
            Ok(chosen) => self.nonce(u64::from_be_bytes(chosen)),
            Err(_) => self.nonce(sequence),
        };
        let aad = self.aad(content, sequence, plain_length, sealed.len());
        let mut opened = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(aad), &mut opened)?;
        if self.version != Version::Tls13 {
            return Ok((content, plain.to_vec()));
        }
        // Zeros pad; the last other octet tells the kind.
        let end = plain.iter().rposition(|octet| *octet != 0).ok_or(Failed)?;
        let kind = plain.get(end).copied().and_then(ContentType::from_code);
        Ok((
            kind.ok_or(Failed)?,
            plain.get(..end).unwrap_or_default().to_vec(),
        ))
    }

    fn advance(&mut self) -> Result<u64, Failed> {
        let sequence = self.sequence;
        self.sequence = sequence.checked_add(1).ok_or(Failed)?;
        Ok(sequence)
    }

    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.fixed;
        for (place, octet) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            // With an explicit nonce these places of the IV are zero.
            *place ^= octet;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn aad(&self, content: ContentType, sequence: u64, plain: usize, sealed: usize) -> Vec<u8> {
        let length = |octets: usize| u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes();
        let mut aad = Vec::with_capacity(13);
        if self.version == Version::Tls13 {
            aad.push(ContentType::Application.code());
            aad.extend(Version::Tls12.code().to_be_bytes());
            aad.extend(length(sealed));
        } else {
            aad.extend(sequence.to_be_bytes());
            aad.push(content.code());
            aad.extend(self.version.code().to_be_bytes());
            aad.extend(length(plain));
        }
        aad
    }
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Protection({}, record {})", self.version, self.sequence)
    }
}
