//! IPv6 to IPv4 (RFC 7915 section 5).

use crate::address::{is_usable_v4, is_usable_v6};
use crate::answer::{Asked, answer};
use crate::checksum::Sum;
use crate::icmp;
use crate::ipv4::{DONT_FRAGMENT, IPV4_BYTES, MORE_FRAGMENTS};
use crate::ipv6::{Chain, IPV6_BYTES, Ipv6, protocol, walk};
use crate::mapping::{self, Found};
use crate::plan::{Checksum, Plan, Shape, ipv4_header, wire};
use crate::quote;
use crate::reason::Reason;
use crate::six_to_six;
use crate::transport;
use crate::view::View;
use crate::world::{Hairpin, IPV6_MTU_MIN, Side, World, mtu_v4};

/// Translated packets up to this length may be fragmented on their way: what an
/// IPv6 packet of the smallest MTU becomes (RFC 7915 section 5).
const MAY_FRAGMENT_MAX: u32 = 1260;

/// Translates an IPv6 packet; says in the plan what a refused one's sender is told.
#[inline(always)]
pub(crate) fn translate<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    let ip = Ipv6::read(view)?;
    if !is_usable_v6(ip.source) {
        return Err(Reason::IllegalSource);
    }
    if !is_usable_v6(ip.destination) {
        return Err(Reason::IllegalDestination);
    }
    plan.work.source = ip.source;
    plan.work.destination = ip.destination;
    plan.work.chain = Chain::new(ip.next, IPV6_BYTES, IPV6_BYTES + ip.payload);
    let walked = walk(view, &mut plan.work.chain);
    let chain = plan.work.chain;
    let mut asked = Asked {
        family: 6,
        later: chain.offset() != 0,
        icmp: chain.next == protocol::ICMPV6,
        error: false,
    };
    plan.answer.rest = chain.pointer;
    let mut attempted = walked;
    if walked.is_ok() {
        if asked.icmp && !asked.later {
            let Some(pair) = view.pair(chain.at) else {
                return Err(Reason::Malformed);
            };
            asked.error = icmp::is_error_v6((pair >> 8) as u8);
        }
        plan.work.error = asked.error;
        attempted = attempt(world, view, plan, &ip);
    }
    match attempted {
        Ok(()) => Ok(()),
        Err(reason) => {
            plan.answer = answer(reason, asked, plan.answer.rest);
            Err(reason)
        }
    }
}

#[inline(always)]
fn attempt<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
    ip: &Ipv6,
) -> Result<(), Reason> {
    let mut ttl = ip.hop_limit;
    if world.decrements() {
        if ttl <= 1 {
            return Err(Reason::HopLimit);
        }
        ttl -= 1;
    }
    let chain = plan.work.chain;
    let Some(protocol) = protocol_of(chain.next) else {
        return Err(Reason::ProtocolNotCarried);
    };
    if protocol == protocol::ICMP && chain.is_fragment() {
        return Err(Reason::FragmentedIcmp);
    }
    let source = source(world, plan)?;
    let destination = match mapping::to_v4(world, Side::Near, &plan.work.destination) {
        Ok(destination) => destination,
        Err(unmapped) => return Err(unmapped.or(Reason::NoDestinationMapping)),
    };
    if !is_usable_v4(source) {
        return Err(Reason::IllegalSource);
    }
    if !is_usable_v4(destination.address) {
        return Err(Reason::IllegalDestination);
    }
    if world.hairpin() as u8 == Hairpin::Intrinsic as u8 && destination.embedded {
        // RFC 7757 section 4.2.2: the host behind the embedded address is one of
        // those that are mapped explicitly.
        if let Some(eam) = world.eam_of_v4(Side::Far, destination.address) {
            plan.work.turned = eam.to_v6(destination.address);
            plan.work.source_v4 = source;
            six_to_six::keep_header(plan, ip, chain.end, ttl);
            return six_to_six::hairpin(world, view, plan);
        }
    }

    plan.shape = Shape::SixToFour;
    plan.cut = chain.at;
    plan.end = chain.end;
    if protocol == protocol::ICMP {
        icmp_message(world, view, plan)?;
    } else if chain.offset() == 0 {
        transport_header(view, plan, source, destination)?;
    }
    plan.bytes = plan.front_bytes() + (plan.end - plan.cut) + plan.gap_bytes;
    let field = size(world, view, plan)?;
    let id = if chain.fragmented {
        chain.id as u16
    } else {
        world.identification()
    };
    ipv4_header(
        &mut plan.ip,
        world.tos().unwrap_or(ip.traffic_class()),
        plan.bytes,
        id,
        field,
        ttl,
        protocol,
        source,
        destination.address,
    );
    Ok(())
}

/// Whether the packet fits, is cut, or is refused (RFC 7915 section 5.1); gives the
/// flags and the offset of the IPv4 header.
#[inline(always)]
fn size<W: World, V: View + ?Sized>(world: &W, view: &V, plan: &mut Plan) -> Result<u16, Reason> {
    let chain = &plan.work.chain;
    let segment = view.wire_bytes();
    let before = segment.unwrap_or(chain.end);
    let bytes = match segment {
        Some(segment) => segment.saturating_sub(chain.at) + IPV4_BYTES,
        None => plan.bytes,
    };
    let mtu = mtu_v4(world);
    let field = fragment_field(chain, bytes);
    // Lengths of IPv4 have 16 bits also where no link sets a limit.
    if bytes <= mtu && plan.bytes <= 0xffff {
        return Ok(field);
    }
    if before > IPV6_MTU_MIN || !world.fragments() || segment.is_some() {
        plan.answer.rest = (mtu.min(0xffff) + 20).max(IPV6_MTU_MIN);
        return Err(Reason::TooBig);
    }
    plan.piece_bytes = (mtu - IPV4_BYTES) & !7;
    Ok(field & !DONT_FRAGMENT)
}

/// The IPv4 protocol for a next header, or `None` when it is not carried: IPv4's
/// own ICMP and IGMP, which RFC 7915 section 5.1 would copy, can only be forged.
#[inline(always)]
pub(crate) fn protocol_of(next: u8) -> Option<u8> {
    match next {
        protocol::ICMPV6 => Some(protocol::ICMP),
        protocol::ICMP | protocol::IGMP => None,
        other => Some(other),
    }
}

/// Flags and offset of the IPv4 header (RFC 7915 sections 5.1 and 5.1.1).
#[inline(always)]
pub(crate) fn fragment_field(chain: &Chain, bytes: u32) -> u16 {
    if chain.fragmented {
        let more = if chain.more() { MORE_FRAGMENTS } else { 0 };
        more | chain.field >> 3
    } else if bytes > MAY_FRAGMENT_MAX {
        DONT_FRAGMENT
    } else {
        0
    }
}

/// The source in IPv4. An error from a router without a mapping is given one of
/// the addresses that are kept for that (RFC 6791).
#[inline(always)]
fn source<W: World>(world: &W, plan: &Plan) -> Result<u32, Reason> {
    match mapping::to_v4(world, Side::Far, &plan.work.source) {
        Ok(found) => Ok(found.address),
        Err(unmapped) => {
            if plan.work.error
                && let Some(address) = world.hop_source(plan.work.source)
            {
                return Ok(address);
            }
            Err(unmapped.or(Reason::NoSourceMapping))
        }
    }
}

/// Plans the checksum of a whole packet or a first fragment.
#[inline(always)]
fn transport_header<V: View + ?Sized>(
    view: &V,
    plan: &mut Plan,
    source: u32,
    destination: Found,
) -> Result<(), Reason> {
    check_transport(view, plan)?;
    if plan.checksum as u8 != Checksum::Keep as u8 {
        plan.pseudo = Sum::ZERO
            .add(source)
            .add(destination.address)
            .minus(transport::sum_v6(plan.work.source, plan.work.destination))
            .folded();
        plan.checksum_at += IPV4_BYTES;
    }
    Ok(())
}

/// Checks the transport header, and plans that its checksum is updated, with its
/// place relative to the header.
#[inline(always)]
pub(crate) fn check_transport<V: View + ?Sized>(view: &V, plan: &mut Plan) -> Result<(), Reason> {
    let chain = plan.work.chain;
    let (place, header) = transport::checksum_place(chain.next);
    if place == 0 {
        return Ok(());
    }
    let payload = chain.end - chain.at;
    if payload < header {
        return Err(if chain.is_fragment() {
            Reason::FirstFragmentIncomplete
        } else {
            Reason::Malformed
        });
    }
    plan.checksum_at = place;
    plan.checksum = Checksum::Update;
    if chain.next == protocol::UDP {
        plan.checksum = Checksum::UpdateNotZero;
        let Some([word]) = view.far::<1>(chain.at) else {
            return Err(Reason::Malformed);
        };
        let length = ((word >> 16) & 0xffff) as u32;
        if length < header || !chain.is_fragment() && length > payload {
            return Err(Reason::Malformed);
        }
        if word & 0xffff == 0 {
            return Err(Reason::UdpChecksumMissing);
        }
    }
    Ok(())
}

/// Plans an ICMPv6 message (RFC 7915 sections 5.2 and 5.3), which starts at
/// [`Plan::cut`].
#[inline(never)]
fn icmp_message<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    let at = plan.cut;
    if at + 8 > plan.end {
        return Err(Reason::Malformed);
    }
    let Some([word]) = view.far::<1>(at) else {
        return Err(Reason::Malformed);
    };
    let (kind, code, rest) = ((word >> 56) as u8, (word >> 48) as u8, word as u32);
    let message = icmp::to_v4(world, kind, code, rest)?.settled(view);
    // ICMPv4 has no pseudo-header.
    plan.pseudo = Sum::ZERO
        .minus(transport::sum_v6(plan.work.source, plan.work.destination))
        .sub(plan.end - at)
        .sub(u32::from(protocol::ICMPV6))
        .folded();
    plan.work.content = Sum::ZERO
        .sub(u32::from(kind) << 8 | u32::from(code))
        .sub(rest)
        .add(u32::from(message.kind) << 8 | u32::from(message.code));
    plan.has_icmp = true;
    plan.cut = at + 8;
    plan.icmp[0] = wire(
        u32::from(message.kind) << 24
            | u32::from(message.code) << 16
            | (word >> 32) as u32 & 0xffff,
    );
    let mut new_rest = message.rest;
    if message.error {
        let stated = if icmp::has_length_v6(kind) {
            (rest >> 24) * 8
        } else {
            0
        };
        plan.work.quote_at = at + 8;
        plan.work.quote_end = quote::quote_end(at + 8, stated, IPV6_BYTES, plan.end);
        quote::read_v6(view, plan)?;
        quote::to_v4(world, view, plan)?;
        quote::patch(view, plan)?;
        let max = mtu_v4(world).min(0xffff);
        new_rest |= quote::fit(view, plan, message.extensible, 4, max)? << 16;
    }
    plan.icmp[1] = wire(new_rest);
    plan.checksum_at = IPV4_BYTES + 2;
    plan.checksum = Checksum::Update;
    plan.content = plan.work.content.add(new_rest).folded();
    Ok(())
}
