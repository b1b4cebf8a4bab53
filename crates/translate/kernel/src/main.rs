//! The translation at tc, for the tests: every vector goes through these programs
//! as it goes through the native home, and has to come out the same.
//!
//! [`skb`] is the glue: how the kernel lets a packet be looked at, and how a plan
//! is carried out with its helpers. It must hold no decision of its own.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod maps;
mod skb;
mod world;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use iryonet_translate::{Plan, Reason, Way, plan, plan_prefix};

use crate::skb::Skb;
use crate::world::KernelWorld;

/// Let the next program, or the stack, have the packet (TCX_NEXT).
const NEXT: i32 = -1;
/// Drop the packet (TCX_DROP).
const DROP: i32 = 2;
/// Noted when a plan was made but the kernel would not carry it out.
const NOT_CARRIED_OUT: u32 = 255;

/// What every tc program costs.
#[classifier]
pub fn empty(_context: TcContext) -> i32 {
    NEXT
}

/// IPv4 to IPv6, or IPv6 to IPv4.
#[classifier]
pub fn translate(context: TcContext) -> i32 {
    run(context.skb.skb, |skb, to| {
        let Some(world) = KernelWorld::new() else {
            return Err(Reason::SumUnavailable);
        };
        plan(&world, skb, to)
    })
}

/// The internal prefix to the external one.
#[classifier]
pub fn prefix_outbound(context: TcContext) -> i32 {
    prefix(context.skb.skb, Way::Outbound)
}

/// The external prefix to the internal one.
#[classifier]
pub fn prefix_inbound(context: TcContext) -> i32 {
    prefix(context.skb.skb, Way::Inbound)
}

#[inline(always)]
fn prefix(skb: *mut __sk_buff, way: Way) -> i32 {
    run(skb, |skb, to| {
        let (Some(npt), Some(settings)) = (maps::NPT.get(0), maps::SETTINGS.get(0)) else {
            return Err(Reason::SumUnavailable);
        };
        plan_prefix(npt, way, settings.decrements != 0, skb, to)
    })
}

#[inline(always)]
fn run(skb: *mut __sk_buff, planned: impl Fn(&Skb, &mut Plan) -> Result<(), Reason>) -> i32 {
    let Some(plan) = maps::PLAN.get_ptr_mut(0) else {
        return DROP;
    };
    // SAFETY: this CPU's own memory, which no other program at tc uses while this
    // one runs; asked for once in a run.
    let plan = unsafe { &mut *plan };
    let skb = Skb::new(skb);
    let planned = planned(&skb, plan);
    let plan = skb::settled(plan);
    match planned {
        Ok(()) => {
            if skb.carry_out(plan).is_some() {
                return NEXT;
            }
            skb.note::<0>(NOT_CARRIED_OUT);
        }
        Err(reason) => {
            let answer = plan.answer;
            let what = u32::from(answer.family) << 16
                | u32::from(answer.kind) << 8
                | u32::from(answer.code);
            skb.note::<0>(reason as u32);
            skb.note::<1>(what);
            skb.note::<2>(answer.rest);
        }
    }
    DROP
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
