//! A socket buffer as the verdict looks at it.
//!
//! The first bytes are read directly from the linear part; what lies further
//! back, or outside of it, by `bpf_skb_load_bytes`. The buffer is never pulled
//! or linearised, so that large segments stay whole.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::bpf_skb_load_bytes;
use iryonet_verdict::{Packet, Walk};

pub(crate) struct Frame {
    skb: *mut __sk_buff,
}

impl Frame {
    #[inline(always)]
    pub(crate) fn new(skb: *mut __sk_buff) -> Self {
        Self { skb }
    }

    /// Leaves a word in the control buffer for a test run to read.
    #[inline(always)]
    pub(crate) fn note(&self, word: u32) {
        // SAFETY: the context is valid for the length of the program, and
        // classifiers may write cb.
        unsafe { (*self.skb).cb[0] = word }
    }

    #[inline(always)]
    fn load<T: Copy>(&self, offset: u32, zero: T) -> Option<T> {
        let mut value = zero;
        // SAFETY: the helper writes exactly the bytes of `value`, or fails.
        let failed = unsafe {
            bpf_skb_load_bytes(
                self.skb.cast(),
                offset,
                (&raw mut value).cast(),
                size_of::<T>() as u32,
            )
        };
        if failed == 0 { Some(value) } else { None }
    }
}

impl Packet for Frame {
    #[inline(always)]
    fn scratch<'a>(
        &self,
        place: u32,
        _own: &'a mut MaybeUninit<Walk>,
        walk: Walk,
    ) -> Option<&'a mut Walk> {
        let memory = crate::maps::WALKS.get_ptr_mut(place)?;
        // SAFETY: this CPU's own memory, which no other program at tc uses
        // while this one runs; each place is asked for once in a run.
        unsafe {
            memory.write(walk);
            Some(&mut *memory)
        }
    }

    #[inline(always)]
    fn settled<'a>(&self, walk: &'a mut Walk) -> &'a mut Walk {
        let mut memory: *mut Walk = walk;
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

    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        word | crate::maps::zero()
    }

    #[inline(always)]
    fn bytes(&self) -> u32 {
        // SAFETY: the context is valid for the length of the program.
        unsafe { (*self.skb).len }
    }

    #[inline(always)]
    fn tagged(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.skb).vlan_present != 0 }
    }

    #[inline(always)]
    fn ethertype(&self) -> Option<u16> {
        // SAFETY: as above; the read is guarded by the comparison with the end.
        unsafe {
            let start = (*self.skb).data as usize;
            if start + 14 <= (*self.skb).data_end as usize {
                return Some(u16::from_be(*((start + 12) as *const u16)));
            }
        }
        self.pair(12)
    }

    #[inline(always)]
    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]> {
        let mut words = [0; W];
        // SAFETY: as above.
        unsafe {
            let start = (*self.skb).data as usize;
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
