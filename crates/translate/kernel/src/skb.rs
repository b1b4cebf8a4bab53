//! A socket buffer as the translation looks at it, and a plan carried out on it.
//!
//! The packet is never pulled or linearised, so that large segments stay whole.
//! In what order the helpers are called, and with which flags, is what makes
//! offloaded checksums come out right; docs/translation.md says why.

use aya_ebpf::bindings::bpf_adj_room_mode::BPF_ADJ_ROOM_NET;
use aya_ebpf::bindings::{
    __sk_buff, BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR,
    BPF_F_RECOMPUTE_CSUM,
};
use aya_ebpf::helpers::generated::{
    bpf_csum_diff, bpf_l4_csum_replace, bpf_skb_adjust_room, bpf_skb_change_proto,
    bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_store_bytes,
};
use iryonet_translate::{Checksum, Plan, Shape, Sum, View, fold};

use crate::maps::{CHUNK, SCRATCH, ZERO};

const ETHERNET_BYTES: u32 = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Most bytes of padding: a quotation is padded to 128 bytes and has a header.
const ZEROS_MAX: usize = 128;
/// Most chunks that are summed or moved: 2 KiB.
const CHUNKS_MAX: u32 = 4;

pub(crate) struct Skb {
    skb: *mut __sk_buff,
    /// Always 0, read from a map: nothing that the verifier could know.
    zero: u64,
}

impl Skb {
    #[inline(always)]
    pub(crate) fn new(skb: *mut __sk_buff) -> Self {
        let zero = ZERO.get(0).copied().unwrap_or(0);
        Self { skb, zero }
    }

    /// Leaves a word in the control buffer for a test run to read.
    #[inline(always)]
    pub(crate) fn note<const INDEX: usize>(&self, word: u32) {
        // SAFETY: the context is valid for the length of the program, and
        // classifiers may write cb, which starts at 48. (The compiler, left to
        // itself, would count from a pointer to cb, which the verifier forbids.)
        unsafe {
            core::arch::asm!(
                "*(u32 *)({skb} + {at}) = {word}",
                skb = in(reg) self.skb,
                at = const 48 + 4 * INDEX,
                word = in(reg) u64::from(word),
                options(nostack, preserves_flags),
            );
        }
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is valid for the length of the program.
        unsafe { (*self.skb).len }
    }

    #[inline(always)]
    fn load<T: Copy>(&self, offset: u32, zero: T) -> Option<T> {
        let mut value = zero;
        // SAFETY: the helper writes exactly the bytes of `value`, or fails.
        let failed = unsafe {
            bpf_skb_load_bytes(
                self.skb.cast(),
                ETHERNET_BYTES + offset,
                (&raw mut value).cast(),
                size_of::<T>() as u32,
            )
        };
        if failed == 0 { Some(value) } else { None }
    }

    /// Stores `bytes` from `from` on at an offset from the IP header; a checksum
    /// over the whole packet (`CHECKSUM_COMPLETE`) follows.
    #[inline(always)]
    fn store<T>(&self, offset: u32, from: &T, bytes: u32) -> Option<()> {
        // SAFETY: callers pass no more bytes than `from` has.
        let failed = unsafe {
            bpf_skb_store_bytes(
                self.skb,
                ETHERNET_BYTES + offset,
                (from as *const T).cast(),
                bytes,
                u64::from(BPF_F_RECOMPUTE_CSUM),
            )
        };
        if failed == 0 { Some(()) } else { None }
    }

    /// Carries a plan out; `None` when a helper refuses, and then the packet is
    /// spoilt.
    #[inline(always)]
    pub(crate) fn carry_out(&self, plan: &Plan) -> Option<()> {
        let front = plan.front_bytes();
        let ip_bytes = match plan.shape {
            Shape::FourToSix => {
                self.change_proto(
                    ETHERTYPE_IPV6,
                    front as i32 - 40,
                    plan.cut as i32 - 20,
                    plan,
                )?;
                40
            }
            Shape::SixToFour => {
                self.change_proto(
                    ETHERTYPE_IPV4,
                    front as i32 - 20,
                    plan.cut as i32 - 40,
                    plan,
                )?;
                20
            }
            Shape::SixToSix => 40,
        };
        let mut at = ip_bytes;
        if ip_bytes == 40 {
            self.store(0, &plan.ip, 40)?;
        } else {
            self.store(0, &plan.ip, 20)?;
        }
        if plan.has_fragment {
            self.store(at, &plan.fragment, 8)?;
            at += 8;
        }
        if plan.has_icmp {
            self.store(at, &plan.icmp, 8)?;
            at += 8;
        }
        if plan.has_quoted {
            match plan.shape {
                Shape::SixToSix => {
                    // The addresses only.
                    // SAFETY: ten words less two.
                    let addresses = unsafe { &*(&raw const plan.quoted).cast::<u32>().add(2) };
                    self.store(plan.quote_at + 8, addresses, 32)?;
                }
                Shape::FourToSix => {
                    self.store(at, &plan.quoted, 40)?;
                    at += 40;
                }
                Shape::SixToFour => {
                    self.store(at, &plan.quoted, 20)?;
                    at += 20;
                }
            }
        }
        if plan.has_quoted_fragment {
            self.store(at, &plan.quoted_fragment, 8)?;
        }
        if plan.patch_bytes == 2 {
            self.store(front + plan.patch_at - plan.cut, &plan.patch, 2)?;
        } else if plan.patch_bytes == 4 {
            self.store(front + plan.patch_at - plan.cut, &plan.patch, 4)?;
        }
        self.checksum(plan)?;
        // Also cuts Ethernet's padding off, which is not there in a large segment.
        if self.length() != ETHERNET_BYTES + plan.bytes {
            // SAFETY: as above.
            let failed = unsafe { bpf_skb_change_tail(self.skb, ETHERNET_BYTES + plan.bytes, 0) };
            if failed != 0 {
                return None;
            }
        }
        Some(())
    }

    /// Changes the family and makes room: `extra` bytes behind the new header for
    /// the rest of the new front, in place of `old` bytes behind the old header.
    #[inline(always)]
    fn change_proto(&self, ethertype: u16, extra: i32, old: i32, plan: &Plan) -> Option<()> {
        // SAFETY: as above.
        unsafe {
            if bpf_skb_change_proto(self.skb, ethertype.to_be(), 0) != 0 {
                return None;
            }
            let more = extra - old + plan.gap_bytes as i32;
            if more != 0
                && bpf_skb_adjust_room(
                    self.skb,
                    more,
                    BPF_ADJ_ROOM_NET,
                    u64::from(BPF_F_ADJ_ROOM_FIXED_GSO),
                ) != 0
            {
                return None;
            }
            let ethertype = ethertype.to_be();
            // Not in the checksum over the packet.
            if bpf_skb_store_bytes(self.skb, 12, (&raw const ethertype).cast(), 2, 0) != 0 {
                return None;
            }
        }
        if plan.gap_bytes != 0 {
            let front = plan.front_bytes();
            let quoted = plan.gap_at - plan.cut;
            self.move_down(front + plan.gap_bytes, plan.gap_bytes, quoted)?;
            self.zero_out(front + quoted, plan.gap_bytes)?;
        }
        Some(())
    }

    /// Moves `bytes` at `from` towards the front by `by`.
    #[inline(never)]
    fn move_down(&self, from: u32, by: u32, bytes: u32) -> Option<()> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        let mut done = 0;
        let mut count = 0;
        while count < CHUNKS_MAX {
            let left = bytes - done;
            if left == 0 {
                return Some(());
            }
            let size = self.chunk(left)?;
            // SAFETY: no more than the scratch has.
            unsafe {
                if bpf_skb_load_bytes(
                    self.skb.cast(),
                    ETHERNET_BYTES + from + done,
                    scratch.cast(),
                    size,
                ) != 0
                {
                    return None;
                }
                if bpf_skb_store_bytes(
                    self.skb,
                    ETHERNET_BYTES + from + done - by,
                    scratch.cast(),
                    size,
                    u64::from(BPF_F_RECOMPUTE_CSUM),
                ) != 0
                {
                    return None;
                }
            }
            done = self.launder(u64::from(done + size)) as u32;
            count += 1;
        }
        None
    }

    /// Overwrites some bytes, at most [`ZEROS_MAX`], with zeros.
    #[inline(never)]
    fn zero_out(&self, from: u32, bytes: u32) -> Option<()> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        let mut word = 0;
        while word < ZEROS_MAX / 8 {
            // SAFETY: this CPU's own memory. (A plain write would be a call that
            // writes byte by byte, which the verifier would follow each time.)
            unsafe { scratch.cast::<u64>().add(word).write_volatile(0) };
            word += 1;
        }
        let size = self.chunk(bytes)?;
        // SAFETY: no more than the scratch has.
        let failed = unsafe {
            bpf_skb_store_bytes(
                self.skb,
                ETHERNET_BYTES + from,
                scratch.cast(),
                size,
                u64::from(BPF_F_RECOMPUTE_CSUM),
            )
        };
        // Compared only now: before, the compiler would take the one for the other.
        if failed == 0 && size == bytes && bytes <= ZEROS_MAX as u32 {
            Some(())
        } else {
            None
        }
    }

    /// The next chunk of so many bytes, of which there is at least one:
    /// 1..=[`CHUNK`], in a way that the verifier can follow, and does only once.
    #[inline(always)]
    fn chunk(&self, left: u32) -> Option<u32> {
        let size = self.launder(u64::from(left.min(CHUNK as u32)));
        if size == 0 || size > CHUNK as u64 {
            return None;
        }
        Some(size as u32)
    }

    /// Brings the transport checksum up to date.
    ///
    /// With `BPF_F_PSEUDO_HDR` the helper does the right thing for each state of a
    /// buffer's checksum: a whole one is updated, one that the card or the kernel
    /// will complete (`CHECKSUM_PARTIAL`) holds the pseudo-header's sum and gets
    /// the new one's, and a sum over the packet (`CHECKSUM_COMPLETE`) follows the
    /// field. `BPF_F_IPV6` is not for here: it says that the header's bytes were
    /// changed without that sum being told, and they are stored with it being told.
    #[inline(always)]
    fn checksum(&self, plan: &Plan) -> Option<()> {
        let change = Sum::ZERO
            .add(u32::from(plan.pseudo))
            .add(u32::from(plan.content))
            .folded();
        let flags = match plan.checksum {
            Checksum::Keep => return Some(()),
            Checksum::Set => {
                let checksum = plan.content.to_be();
                return self.store(plan.checksum_at, &checksum, 2);
            }
            Checksum::Update => u64::from(BPF_F_PSEUDO_HDR),
            Checksum::UpdateNotZero => u64::from(BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0),
        };
        // SAFETY: as above.
        let failed = unsafe {
            bpf_l4_csum_replace(
                self.skb,
                ETHERNET_BYTES + plan.checksum_at,
                0,
                u64::from(change.to_be()),
                flags,
            )
        };
        if failed == 0 { Some(()) } else { None }
    }
}

impl View for Skb {
    #[inline(always)]
    fn bytes(&self) -> u32 {
        self.length().saturating_sub(ETHERNET_BYTES)
    }

    #[inline(always)]
    fn wire_bytes(&self) -> Option<u32> {
        // SAFETY: as above.
        let segment = unsafe { (*self.skb).gso_size };
        if segment == 0 {
            return None;
        }
        let [first] = self.near::<0, 1>()?;
        let (header, protocol) = if first >> 60 == 4 {
            let [second] = self.near::<8, 1>()?;
            (((first >> 56) & 0x0f) as u32 * 4, (second >> 48) as u8)
        } else {
            (40, (first >> 8) as u8)
        };
        let transport = if protocol == 6 {
            u32::from(self.pair(header + 12)? >> 12) * 4
        } else {
            8
        };
        Some(header + transport + segment)
    }

    #[inline(always)]
    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]> {
        let mut words = [0; W];
        // SAFETY: the reads are guarded by the comparison with the end.
        unsafe {
            let start = (*self.skb).data as usize + ETHERNET_BYTES as usize;
            if start + OFFSET + W * 8 <= (*self.skb).data_end as usize {
                let mut i = 0;
                while i < W {
                    words[i] = u64::from_be(word_at(start + OFFSET + i * 8));
                    i += 1;
                }
                return Some(words);
            }
        }
        self.far::<W>(OFFSET as u32)
    }

    #[inline(always)]
    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]> {
        let mut words = self.load(offset, [0u64; W])?;
        let mut i = 0;
        while i < W {
            words[i] = u64::from_be(words[i]);
            i += 1;
        }
        Some(words)
    }

    #[inline(always)]
    fn pair(&self, offset: u32) -> Option<u16> {
        self.load(offset, 0u16).map(u16::from_be)
    }

    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        launder(word, self.zero)
    }

    #[inline(never)]
    fn sum(&self, offset: u32, bytes: u32) -> Option<u16> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        let mut done = 0;
        let mut sum = 0;
        let mut count = 0;
        while count < CHUNKS_MAX {
            let left = bytes - done;
            if left == 0 {
                // Summed as the words lie in memory.
                return Some(u16::from_be(fold(sum)));
            }
            let size = self.chunk(left)?;
            // SAFETY: no more than the scratch has.
            unsafe {
                // What is not loaded of the last word is zero.
                let last = (size as usize - 1) / 4 & (CHUNK / 4 - 1);
                scratch.cast::<u32>().add(last).write_volatile(0);
                if bpf_skb_load_bytes(
                    self.skb.cast(),
                    ETHERNET_BYTES + offset + done,
                    scratch.cast(),
                    size,
                ) != 0
                {
                    return None;
                }
                let chunk = bpf_csum_diff(
                    core::ptr::null_mut(),
                    0,
                    scratch.cast(),
                    (last as u32 + 1) * 4,
                    0,
                );
                sum = self.launder(sum + (chunk as u64 & 0xffff_ffff));
            }
            done = self.launder(u64::from(done + size)) as u32;
            count += 1;
        }
        None
    }
}

/// The same plan, of which the compiler is to think that anything may be in it: it
/// would otherwise carry what it knows of it from one half of the program to the
/// other, and the verifier would have to follow each way by itself.
#[inline(always)]
pub(crate) fn settled(plan: &mut Plan) -> &mut Plan {
    let mut memory: *mut Plan = plan;
    // SAFETY: moves a register onto itself, and says that memory was written.
    unsafe {
        core::arch::asm!(
            "{memory} = {memory}",
            memory = inout(reg) memory,
            options(nostack, preserves_flags),
        );
        &mut *memory
    }
}

/// A word and a zero that the verifier does not know to be one: a word of which it
/// knows nothing. Not to be seen through by the compiler either, which would
/// compare with what it was before.
#[inline(always)]
pub(crate) fn launder(word: u64, zero: u64) -> u64 {
    let mut word = word;
    // SAFETY: arithmetic on a register.
    unsafe {
        core::arch::asm!(
            "{word} ^= {zero}",
            word = inout(reg) word,
            zero = in(reg) zero,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    word
}

/// One load of eight bytes wherever they lie. The kernel allows it on every
/// machine that can do it (and fixes up the others); the compiler, left to
/// itself, would read them byte by byte.
#[inline(always)]
unsafe fn word_at(address: usize) -> u64 {
    let word: u64;
    // SAFETY: the caller has compared with the end of the linear part.
    unsafe {
        core::arch::asm!(
            "{word} = *(u64 *)({address} + 0)",
            address = in(reg) address,
            word = lateout(reg) word,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    word
}
