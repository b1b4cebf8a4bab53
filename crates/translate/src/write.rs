//! A plan carried out on bytes in memory.

use crate::plan::{Plan, Shape, wire};
use crate::reason::Reason;
use crate::world::World;

/// Translates a packet into `out`, and gives the length: that of the new packet or,
/// when it is cut, of its fragments one behind the other, each of which states its
/// own length.
///
/// # Errors
/// The numbered reason and what the sender is to be told. [`Reason::TooBig`]
/// without an answer when `out` is too small.
pub fn translate_into<W: World>(
    world: &W,
    packet: &[u8],
    out: &mut [u8],
) -> Result<usize, (Reason, crate::Answer)> {
    let mut plan = Plan::EMPTY;
    crate::plan(world, packet, &mut plan).map_err(|reason| (reason, plan.answer))?;
    let mut length = 0;
    for piece in 0..plan.pieces() {
        let written = out
            .get_mut(length..)
            .and_then(|rest| plan.write(packet, piece, rest));
        let Some(bytes) = written else {
            return Err((Reason::TooBig, crate::Answer::SILENT));
        };
        length += bytes;
    }
    Ok(length)
}

impl Plan {
    /// Writes the new packet, or of one that is cut the fragment with this number
    /// (see [`Self::pieces`]), and gives its length. `packet` is the one that was
    /// planned for.
    ///
    /// `None` when `out` is too small or `packet` is another one.
    pub fn write(&self, packet: &[u8], piece: u32, out: &mut [u8]) -> Option<usize> {
        let body = packet.get(self.cut as usize..self.end as usize)?;
        if self.piece_bytes != 0 {
            return self.write_piece(body, piece, out);
        }
        if piece != 0 {
            return None;
        }
        let out = out.get_mut(..self.bytes as usize)?;
        let mut to = Writer { out, at: 0 };
        let ip_words = self.ip_bytes() as usize / 4;
        to.words(self.ip.get(..ip_words)?)?;
        if self.has_fragment {
            to.words(&self.fragment)?;
        }
        if self.has_icmp {
            to.words(&self.icmp)?;
        }
        if self.has_quoted && !matches!(self.shape, Shape::SixToSix) {
            to.words(self.quoted.get(..ip_words)?)?;
        }
        if self.has_quoted_fragment {
            to.words(&self.quoted_fragment)?;
        }
        let front = to.at;
        if self.gap_bytes == 0 {
            to.bytes(body)?;
        } else {
            let (before, behind) = body.split_at_checked((self.gap_at - self.cut) as usize)?;
            to.bytes(before)?;
            to.zeros(self.gap_bytes as usize)?;
            to.bytes(behind)?;
        }
        let out = to.out;
        if self.has_quoted && matches!(self.shape, Shape::SixToSix) {
            let at = self.quote_at as usize + 8;
            let mut to = Writer { out, at };
            to.words(self.quoted.get(2..)?)?;
        }
        if self.patch_bytes != 0 {
            let at = front + (self.patch_at - self.cut) as usize;
            let bytes = self.patch.to_ne_bytes();
            let bytes = bytes.get(..self.patch_bytes as usize)?;
            out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        }
        self.write_checksum(out)?;
        Some(out.len())
    }

    /// Writes one of several fragments; those have no quoted packet.
    fn write_piece(&self, body: &[u8], piece: u32, out: &mut [u8]) -> Option<usize> {
        let ip_bytes = self.ip_bytes();
        let head = ip_bytes + if self.has_fragment { 8 } else { 0 };
        let upper = self.bytes - head;
        let from = piece.checked_mul(self.piece_bytes)?;
        if from >= upper {
            return None;
        }
        let to = (from + self.piece_bytes).min(upper);
        let last = to == upper;
        let bytes = head + (to - from);

        let mut ip = self.ip;
        let mut fragment = self.fragment;
        if matches!(self.shape, Shape::SixToFour) {
            let more = if last { 0 } else { 0x2000 };
            let field = (u32::from_be(ip[1]) + from / 8) | more;
            ip[0] = wire(u32::from_be(ip[0]) & 0xffff_0000 | bytes);
            ip[1] = wire(field);
            let sum = ip
                .iter()
                .take(5)
                .enumerate()
                .fold(crate::Sum::ZERO, |sum, (i, word)| {
                    let word = u32::from_be(*word);
                    sum.add(if i == 2 { word & 0xffff_0000 } else { word })
                });
            ip[2] = wire(u32::from_be(ip[2]) & 0xffff_0000 | u32::from(sum.checksum()));
        } else {
            let more = u32::from(!last);
            fragment[0] = wire((u32::from_be(fragment[0]) + from) | more);
            ip[1] = wire(u32::from_be(ip[1]) & 0xffff | (bytes - ip_bytes) << 16);
        }

        let out = out.get_mut(..bytes as usize)?;
        let mut writer = Writer { out, at: 0 };
        writer.words(ip.get(..ip_bytes as usize / 4)?)?;
        if self.has_fragment {
            writer.words(&fragment)?;
        }
        let (mut from, mut to) = (from as usize, to as usize);
        if self.has_icmp {
            // A piece is never shorter than this header.
            if from == 0 {
                writer.words(&self.icmp)?;
                from = 8;
            }
            (from, to) = (from - 8, to - 8);
        }
        writer.bytes(body.get(from..to)?)?;
        let out = writer.out;
        if piece == 0 {
            self.write_checksum(out)?;
        }
        Some(out.len())
    }

    fn write_checksum(&self, out: &mut [u8]) -> Option<()> {
        if matches!(self.checksum, crate::Checksum::Keep) {
            return Some(());
        }
        let at = self.checksum_at as usize;
        let place = out.get_mut(at..at + 2)?;
        let old = u16::from_be_bytes(*place.first_chunk()?);
        place.copy_from_slice(&self.checksum_from(old, false).to_be_bytes());
        Some(())
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    fn words(&mut self, words: &[u32]) -> Option<()> {
        for word in words {
            self.bytes(&word.to_ne_bytes())?;
        }
        Some(())
    }

    fn zeros(&mut self, bytes: usize) -> Option<()> {
        let end = self.at.checked_add(bytes)?;
        self.out.get_mut(self.at..end)?.fill(0);
        self.at = end;
        Some(())
    }
}
