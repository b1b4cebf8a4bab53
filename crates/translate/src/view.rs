//! How a packet is looked at: big-endian words at offsets from its IP header.
//!
//! The kernel reads the first bytes directly and the rest by
//! `bpf_skb_load_bytes`, so that a large segment is never linearised.

/// A view of one IP packet.
pub trait View {
    /// Bytes from the IP header to the end of the buffer; what lies behind the
    /// packet's own length is padding and never looked at.
    fn bytes(&self) -> u32;

    /// Largest IP packet, bytes, that this buffer becomes on the wire: less than
    /// [`Self::bytes`] for a large segment that is cut later (GSO), which is
    /// `gso_size` and all headers. The default is an ordinary packet.
    fn wire_bytes(&self) -> Option<u32> {
        None
    }

    /// `W` words at an offset known when compiling, or `None` when the buffer
    /// ends before them.
    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]>;

    /// `W` words at any offset, or `None` when the buffer ends before them.
    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]>;

    /// Two bytes at any offset.
    fn pair(&self, offset: u32) -> Option<u16>;

    /// The one's complement sum, folded, of `bytes` from `offset` on, the first of
    /// them being the high half of a word; `None` when the buffer ends before
    /// them, or when this home cannot count so many.
    fn sum(&self, offset: u32, bytes: u32) -> Option<u16>;

    /// The same word, of which the eBPF verifier knows nothing any more. Where
    /// ways through the code come together again, it would otherwise follow all
    /// that comes after once for each way that led there.
    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        word
    }
}

/// [`View::launder`] for 32 bits.
#[inline(always)]
pub(crate) fn launder<V: View + ?Sized>(view: &V, word: u32) -> u32 {
    view.launder(u64::from(word)) as u32
}

impl View for [u8] {
    fn bytes(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]> {
        words(self, OFFSET)
    }

    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]> {
        words(self, offset as usize)
    }

    fn pair(&self, offset: u32) -> Option<u16> {
        Some(u16::from_be_bytes(
            *self.get(offset as usize..)?.first_chunk()?,
        ))
    }

    fn sum(&self, offset: u32, bytes: u32) -> Option<u16> {
        let from = offset as usize;
        let range = self.get(from..from.checked_add(bytes as usize)?)?;
        let (pairs, last) = range.as_chunks::<2>();
        let mut sum = 0u64;
        for pair in pairs {
            sum += u64::from(u16::from_be_bytes(*pair));
        }
        if let [byte] = last {
            sum += u64::from(*byte) << 8;
        }
        Some(crate::checksum::fold(sum))
    }
}

#[inline(always)]
fn words<const W: usize>(bytes: &[u8], offset: usize) -> Option<[u64; W]> {
    let mut rest = bytes.get(offset..)?;
    let mut out = [0; W];
    for word in &mut out {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        *word = u64::from_be_bytes(*head);
        rest = tail;
    }
    Some(out)
}
