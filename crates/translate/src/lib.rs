//! Header arithmetic between IPv4 and IPv6, and between two IPv6 prefixes.
//!
//! RFC 7915 both ways, addresses by RFC 7757 (explicit mappings) and RFC 6052
//! (embedding), the sources of errors by RFC 6791, and RFC 6296 between IPv6
//! prefixes. [`plan`] and [`plan_prefix`] look at a packet through [`View`] and
//! at the mappings through [`World`], and say in a [`Plan`] what the new packet
//! is made of: nothing is copied, so that the kernel can do it to a packet of any
//! size where it lies. [`Plan::write`] does it to bytes in memory.
//!
//! It does no I/O, allocates nothing, and never panics. It must not know:
//! kernels, map types, lines, participants, who may speak with whom.
//! `docs/translation.md` says clause by clause what is done, what is not, and why.
#![cfg_attr(not(feature = "std"), no_std)]

mod address;
mod answer;
mod checksum;
mod four_to_six;
mod icmp;
mod ipv4;
mod ipv6;
mod mapping;
#[cfg(feature = "std")]
pub mod native;
mod npt;
mod plan;
mod quote;
mod reason;
mod six_to_four;
mod six_to_six;
mod transport;
mod view;
mod world;
mod write;

pub use address::{V6, is_global_v4, is_usable_v4, is_usable_v6};
pub use answer::{ANSWER_BYTES_MAX, Answer, write_answer};
pub use checksum::{Sum, fold};
pub use mapping::{Eam, Embedding};
pub use npt::{Npt, Way};
pub use plan::{Checksum, Plan, Shape};
pub use reason::Reason;
pub use six_to_six::plan_prefix;
pub use view::View;
pub use world::{Hairpin, IPV6_MTU_MIN, Side, UdpZero, World};
pub use write::translate_into;

/// Plans the translation of one packet: IPv4 to IPv6 or IPv6 to IPv4, by what it
/// is (or, for a hairpin, IPv6 to IPv6).
///
/// # Errors
/// The numbered reason why the packet is not translated; what its sender is to be
/// told, if anything, is then in [`Plan::answer`].
#[inline(always)]
pub fn plan<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    plan.clear();
    let Some([first]) = view.near::<0, 1>() else {
        return Err(Reason::Malformed);
    };
    match first >> 60 {
        4 => four_to_six::translate(world, view, plan),
        6 => six_to_four::translate(world, view, plan),
        _ => Err(Reason::NotIp),
    }
}
