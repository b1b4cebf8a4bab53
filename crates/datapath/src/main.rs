//! The gateway's eBPF programs at tc (TCX): one per hook, each the verdict
//! with the kernel's maps behind it.
//!
//! It must hold no decision of its own: what may pass is said in the verdict
//! crate, which is also what the tests compare these programs with. It touches
//! UAPI contexts and packet bytes only, since Rust emits no CO-RE relocations.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod bench;
mod maps;
mod skb;
mod world;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use iryonet_verdict::{Hook, run};

use crate::skb::Frame;
use crate::world::KernelWorld;

/// Let the next program, or the stack, have the packet (TCX_NEXT).
const NEXT: i32 = -1;
/// Drop the packet (TCX_DROP).
const DROP: i32 = 2;

/// Packets that a site sent into its line.
#[classifier]
pub fn line_ingress(context: TcContext) -> i32 {
    verdict(context.skb.skb, Hook::LineIn)
}

/// Packets that are about to be delivered to a site.
#[classifier]
pub fn line_egress(context: TcContext) -> i32 {
    verdict(context.skb.skb, Hook::LineOut)
}

/// Packets from other gateways and the center.
#[classifier]
pub fn backbone_ingress(context: TcContext) -> i32 {
    verdict(context.skb.skb, Hook::BackboneIn)
}

#[inline(always)]
fn verdict(skb: *mut __sk_buff, hook: Hook) -> i32 {
    let frame = Frame::new(skb);
    let mut world = KernelWorld::new(skb, hook);
    match run(&mut world, hook, &frame) {
        Ok(()) => NEXT,
        Err(reason) => {
            // Seen by nobody but a test run: the packet goes no further.
            frame.note(reason as u32);
            DROP
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
