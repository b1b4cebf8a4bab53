//! IPv6 to IPv6: prefix translation (RFC 6296) and hairpins (RFC 7757 section 4.2.2).
//!
//! Only addresses change, the hop limit, and what depends on them: everything else
//! stays as it is and where it is.

use crate::address::{V6, is_usable_v6};
use crate::answer::{Asked, answer};
use crate::checksum::Sum;
use crate::icmp;
use crate::ipv6::{Chain, IPV6_BYTES, Ipv6, protocol, walk};
use crate::mapping;
use crate::npt::{Npt, Way};
use crate::plan::{Checksum, Plan, Shape, addresses, wire};
use crate::quote;
use crate::reason::Reason;
use crate::six_to_four::check_transport;
use crate::transport;
use crate::view::View;
use crate::world::{Side, World, mtu_v6};

/// Turns a packet between two explicitly mapped hosts round; what is known of it is
/// in [`Plan::work`], and its header in the plan.
#[inline(never)]
pub(crate) fn hairpin<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    plan.work.content = Sum::ZERO;
    let source = plan.work.source_v4;
    let mut embedded = true;
    if plan.work.error {
        // From a router on the way, or from the host itself?
        plan.work.quote_at = plan.work.chain.at + 8;
        plan.work.quote_end = plan.work.chain.end;
        quote::read_v6(view, plan)?;
        embedded = readdress_hairpin(world, plan)? == source;
        quote::patch(view, plan)?;
    }
    let mut from = V6::new(0, 0);
    let mapped = if embedded {
        mapping::embed(world, Side::Near, source, &mut from)
    } else {
        mapping::to_v6(world, Side::Near, source, &mut from)
    };
    if let Err(unmapped) = mapped {
        return Err(unmapped.or(Reason::HairpinNotMapped));
    }
    let chain = plan.work.chain;
    let to = plan.work.turned;
    if chain.next == protocol::ICMPV6 {
        if chain.at + 8 > chain.end {
            return Err(Reason::Malformed);
        }
        plan.checksum_at = 2;
        plan.checksum = Checksum::Update;
    } else if chain.offset() == 0 {
        check_transport(view, plan)?;
    }
    if plan.checksum as u8 != Checksum::Keep as u8 {
        let old = transport::sum_v6(plan.work.source, plan.work.destination);
        plan.checksum_at += chain.at;
        plan.pseudo = transport::sum_v6(from, to).minus(old).folded();
        plan.content = plan.work.content.folded();
    }
    addresses(&mut plan.ip, from, to);
    let bytes = view.wire_bytes().unwrap_or(chain.end);
    let mtu = mtu_v6(world);
    if bytes > mtu {
        plan.answer.rest = mtu;
        return Err(Reason::TooBig);
    }
    Ok(())
}

/// Gives the packet that a hairpinned error quotes the addresses that its sender
/// knows: its own, and the other's embedded one. Tells the latter's IPv4 address.
#[inline(never)]
fn readdress_hairpin<W: World>(world: &W, plan: &mut Plan) -> Result<u32, Reason> {
    let not_here = Reason::QuoteNotTranslatable;
    let Ok(source) = mapping::to_v4(world, Side::Near, &plan.work.quoted_source) else {
        return Err(not_here);
    };
    let Ok(destination) = mapping::to_v4(world, Side::Far, &plan.work.quoted_destination) else {
        return Err(not_here);
    };
    let Some(eam) = world.eam_of_v4(Side::Far, source.address) else {
        return Err(not_here);
    };
    if !source.embedded {
        return Err(not_here);
    }
    let from = eam.to_v6(source.address);
    let mut to = V6::new(0, 0);
    if mapping::embed(world, Side::Near, destination.address, &mut to).is_err() {
        return Err(not_here);
    }
    let old = transport::sum_v6(plan.work.quoted_source, plan.work.quoted_destination);
    plan.work.quoted_sum = transport::sum_v6(from, to).minus(old);
    quote::readdress(plan, from, to);
    Ok(destination.address)
}

/// Plans the translation of one prefix into another (RFC 6296). No checksum
/// changes, so that packets of every protocol, and fragments, pass alike; the
/// packet that an ICMPv6 error quotes gets the address that its sender knows.
///
/// # Errors
/// The numbered reason why the packet is not translated; what its sender is to be
/// told, if anything, is then in [`Plan::answer`].
#[inline(always)]
pub fn plan_prefix<V: View + ?Sized>(
    npt: &Npt,
    way: Way,
    decrements: bool,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    plan.clear();
    let Some([first]) = view.near::<0, 1>() else {
        return Err(Reason::Malformed);
    };
    if first >> 60 != 6 {
        return Err(Reason::NotIp);
    }
    let ip = Ipv6::read(view)?;
    if !is_usable_v6(ip.source) {
        return Err(Reason::IllegalSource);
    }
    if !is_usable_v6(ip.destination) {
        return Err(Reason::IllegalDestination);
    }
    plan.work.chain = Chain::new(ip.next, IPV6_BYTES, IPV6_BYTES + ip.payload);
    // A packet whose headers cannot be followed is translated all the same: what
    // is behind them does not matter, unless it is an error.
    let walked = walk(view, &mut plan.work.chain);
    let chain = plan.work.chain;
    let mut error = false;
    if walked.is_ok()
        && chain.next == protocol::ICMPV6
        && !chain.is_fragment()
        && chain.at + 8 <= chain.end
    {
        let Some(pair) = view.pair(chain.at) else {
            return Err(Reason::Malformed);
        };
        error = icmp::is_error_v6((pair >> 8) as u8);
    }
    plan.work.error = error;
    match attempt(npt, way, decrements, view, plan, &ip) {
        Ok(()) => Ok(()),
        Err(reason) => {
            let asked = Asked {
                family: 6,
                later: chain.offset() != 0,
                icmp: chain.next == protocol::ICMPV6,
                error,
            };
            // RFC 6296 section 3.5 tells a sender which of its addresses is meant.
            let pointer = match way {
                Way::Outbound => 8,
                Way::Inbound => 24,
            };
            plan.answer = answer(reason, asked, pointer);
            Err(reason)
        }
    }
}

#[inline(always)]
fn attempt<V: View + ?Sized>(
    npt: &Npt,
    way: Way,
    decrements: bool,
    view: &V,
    plan: &mut Plan,
    ip: &Ipv6,
) -> Result<(), Reason> {
    let mut hop_limit = ip.hop_limit;
    if decrements {
        if hop_limit <= 1 {
            return Err(Reason::HopLimit);
        }
        hop_limit -= 1;
    }
    let (mut source, mut destination) = (ip.source, ip.destination);
    match way {
        Way::Outbound => source = npt.outbound(source)?,
        Way::Inbound => destination = npt.inbound(destination)?,
    }
    let chain = plan.work.chain;
    keep_header(plan, ip, chain.end, hop_limit);
    addresses(&mut plan.ip, source, destination);
    if plan.work.error {
        // What is too short to have both addresses has neither to be translated.
        plan.work.quote_at = chain.at + 8;
        if let Ok(quoted) = Ipv6::read_quoted(view, plan.work.quote_at, chain.end) {
            let (mut from, mut to) = (quoted.source, quoted.destination);
            plan.work.quoted_source = from;
            plan.work.quoted_destination = to;
            let changed = match way {
                Way::Outbound => npt.outbound(to).map(|address| to = address),
                Way::Inbound => npt.inbound(from).map(|address| from = address),
            };
            if changed.is_err() {
                return Err(Reason::QuoteNotTranslatable);
            }
            // Neutral too: the error's own checksum stays.
            quote::readdress(plan, from, to);
        }
    }
    Ok(())
}

/// Writes what stays of the header into the plan.
#[inline(always)]
pub(crate) fn keep_header(plan: &mut Plan, ip: &Ipv6, end: u32, hop_limit: u8) {
    plan.shape = Shape::SixToSix;
    plan.cut = IPV6_BYTES;
    plan.end = end;
    plan.bytes = end;
    plan.ip[0] = wire(ip.first);
    plan.ip[1] = wire(ip.payload << 16 | u32::from(ip.next) << 8 | u32::from(hop_limit));
}
