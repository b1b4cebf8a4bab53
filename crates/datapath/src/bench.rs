//! Programs for measuring: never attached to an interface.
//!
//! A test run gives the same packet to a program again and again. To measure
//! over many conversations, `bench_turn` writes the next one's addresses and
//! ports into the packet and then calls the program under test, or the empty
//! one, by tail call: the two differ by nothing else.

use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::{Array, ProgramArray};
use aya_ebpf::programs::TcContext;

use crate::NEXT;

/// Addresses and ports to write into the packet, as they stand on the wire:
/// source, destination, ports.
#[map]
static BENCH_PACKETS: Array<[u64; 5]> = Array::with_max_entries(1, 0);
/// Which packet is next, and how many there are.
#[map]
static BENCH_TURN: Array<[u64; 2]> = Array::with_max_entries(1, 0);
/// The program that `bench_turn` goes on to.
#[map]
static BENCH_NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// What every tc program costs.
#[classifier]
pub fn bench_empty(_context: TcContext) -> i32 {
    NEXT
}

/// Turns the packet into the next one, and goes on.
#[classifier]
pub fn bench_turn(context: TcContext) -> i32 {
    if let Some(turn) = BENCH_TURN.get_ptr_mut(0) {
        // SAFETY: one test run at a time has this map.
        let [next, count] = unsafe { *turn };
        let index = if next >= count { 0 } else { next };
        // SAFETY: as above.
        unsafe { (*turn)[0] = index + 1 };
        if let Some(words) = BENCH_PACKETS.get_ptr(index as u32) {
            let start = context.data();
            if start + 62 <= context.data_end() {
                // Whole words, as the program under test reads them: halves that
                // were only just written would have to reach the cache before
                // it could read them as one, which no packet off a wire does.
                // SAFETY: within the packet, as compared with its end.
                unsafe {
                    let words = words.cast::<u64>();
                    let mut i = 0;
                    while i < 5 {
                        put_word(start + 22 + i * 8, words.add(i).read());
                        i += 1;
                    }
                }
            }
        }
    }
    // SAFETY: fails when no program is set, and then the packet passes.
    let _ = unsafe { BENCH_NEXT.tail_call(&context, 0) };
    NEXT
}

/// One store of eight bytes wherever they lie; the compiler, left to itself,
/// would write them one by one.
#[inline(always)]
unsafe fn put_word(address: usize, word: u64) {
    // SAFETY: the caller has compared with the end of the packet.
    unsafe {
        core::arch::asm!(
            "*(u64 *)({address} + 0) = {word}",
            address = in(reg) address,
            word = in(reg) word,
            options(nostack, preserves_flags),
        );
    }
}
