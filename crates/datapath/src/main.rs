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
use iryonet_verdict::{DenyReason, Hook, decide, decide_common, pass, refuse};

use crate::skb::Frame;
use crate::world::KernelWorld;

/// Let the next program, or the stack, have the packet (TCX_NEXT).
const NEXT: i32 = -1;
/// Drop the packet (TCX_DROP).
const DROP: i32 = 2;

/// Packets that a site sent into its line.
#[classifier]
pub fn line_ingress(context: TcContext) -> i32 {
    verdict::<LINE_IN>(context.skb.skb)
}

/// Packets that are about to be delivered to a site.
#[classifier]
pub fn line_egress(context: TcContext) -> i32 {
    verdict::<LINE_OUT>(context.skb.skb)
}

/// Packets from other gateways and the center.
#[classifier]
pub fn backbone_ingress(context: TcContext) -> i32 {
    verdict::<BACKBONE_IN>(context.skb.skb)
}

/// Numbers of hooks, for functions made once for each.
const LINE_IN: u8 = Hook::LineIn as u8;
const LINE_OUT: u8 = Hook::LineOut as u8;
const BACKBONE_IN: u8 = Hook::BackboneIn as u8;

/// A packet passes; other words are the numbers of reasons.
const PASS: u32 = 0;
/// A packet has to go the long way.
const UNDECIDED: u32 = u32::MAX;

/// The verdict's way, in three functions one after the other: what one keeps on
/// the kernel's small stack is not there any more for the next.
#[inline(always)]
fn verdict<const HOOK: u8>(skb: *mut __sk_buff) -> i32 {
    let mut word = UNDECIDED;
    if HOOK != BACKBONE_IN {
        word = common::<HOOK>(skb);
    }
    if word == UNDECIDED {
        word = whole::<HOOK>(skb);
    }
    if word == PASS {
        return NEXT;
    }
    refused::<HOOK>(skb, word);
    DROP
}

const fn hook<const HOOK: u8>() -> Hook {
    match Hook::from_number(HOOK) {
        Some(hook) => hook,
        None => panic!("no such hook"),
    }
}

#[inline(never)]
fn common<const HOOK: u8>(skb: *mut __sk_buff) -> u32 {
    let hook = const { hook::<HOOK>() };
    let (mut world, frame) = (KernelWorld::new(skb, hook), Frame::new(skb));
    match decide_common(&mut world, hook, &frame) {
        Some(Ok(())) => {
            pass(&mut world, hook, &frame);
            PASS
        }
        Some(Err(reason)) => reason as u32,
        None => UNDECIDED,
    }
}

#[inline(never)]
fn whole<const HOOK: u8>(skb: *mut __sk_buff) -> u32 {
    let hook = const { hook::<HOOK>() };
    let (mut world, frame) = (KernelWorld::new(skb, hook), Frame::new(skb));
    match decide(&mut world, hook, &frame) {
        Ok(()) => {
            pass(&mut world, hook, &frame);
            PASS
        }
        Err(reason) => reason as u32,
    }
}

#[inline(never)]
fn refused<const HOOK: u8>(skb: *mut __sk_buff, word: u32) {
    let hook = const { hook::<HOOK>() };
    let (mut world, frame) = (KernelWorld::new(skb, hook), Frame::new(skb));
    if let Some(reason) = DenyReason::from_number(word as u8) {
        refuse(&mut world, hook, &frame, reason);
    }
    // Seen by nobody but a test run: the packet goes no further.
    frame.note(word);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
