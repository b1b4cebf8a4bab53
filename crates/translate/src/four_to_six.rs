//! IPv4 to IPv6 (RFC 7915 section 4).

use crate::address::{V6, is_usable_v4};
use crate::answer::{Asked, answer};
use crate::checksum::Sum;
use crate::icmp;
use crate::ipv4::{IPV4_BYTES, Ipv4, check_options};
use crate::ipv6::{IPV6_BYTES, protocol};
use crate::mapping;
use crate::plan::{Checksum, Plan, Shape, fragment_header, ipv6_header, wire};
use crate::quote;
use crate::reason::Reason;
use crate::transport;
use crate::view::{View, launder};
use crate::world::{Hairpin, IPV6_MTU_MIN, Side, UdpZero, World, mtu_v6};

const FRAGMENT_BYTES: u32 = 8;

/// Translates an IPv4 packet; says in the plan what a refused one's sender is told.
#[inline(always)]
pub(crate) fn translate<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    let ip = Ipv4::read(view)?;
    let mut asked = Asked {
        family: 4,
        later: ip.offset() != 0,
        icmp: ip.protocol == protocol::ICMP,
        error: false,
    };
    if asked.icmp && !asked.later {
        let Some(pair) = view.pair(ip.bytes) else {
            return Err(Reason::Malformed);
        };
        asked.error = icmp::is_error_v4((pair >> 8) as u8);
    }
    plan.shape = Shape::FourToSix;
    match attempt(world, view, plan, ip, asked.error) {
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
    mut ip: Ipv4,
    error: bool,
) -> Result<(), Reason> {
    if ip.bytes > IPV4_BYTES {
        ip.add_options(view, 0)?;
    }
    if ip.sum.folded() != 0xffff {
        return Err(Reason::HeaderChecksum);
    }
    let let_pass = error && world.illegal_error_sources();
    if !is_usable_v4(ip.source) && !let_pass {
        return Err(Reason::IllegalSource);
    }
    if !is_usable_v4(ip.destination) {
        return Err(Reason::IllegalDestination);
    }
    if ip.bytes > IPV4_BYTES {
        check_options(view, ip.bytes)?;
    }
    ip.bytes = launder(view, ip.bytes);
    let mut hop_limit = ip.ttl;
    if world.decrements() {
        if hop_limit <= 1 {
            return Err(Reason::HopLimit);
        }
        hop_limit -= 1;
    }
    let Some(next) = next_header(ip.protocol) else {
        return Err(Reason::ProtocolNotCarried);
    };
    if next == protocol::ICMPV6 && ip.is_fragment() {
        return Err(Reason::FragmentedIcmp);
    }
    let side = Side::Far;
    source(world, view, &ip, error, &mut plan.work.source)?;
    if let Err(reason) = mapping::to_v6(world, side, ip.destination, &mut plan.work.destination) {
        return Err(reason.or(Reason::NoDestinationMapping));
    }

    plan.cut = ip.bytes;
    plan.end = ip.total;
    plan.has_fragment = ip.is_fragment();
    if next == protocol::ICMPV6 {
        icmp_message(world, view, plan)?;
    } else if ip.offset() == 0 {
        transport_header(world, view, plan, &ip)?;
    }
    if !error {
        size(world, view, plan, &ip)?;
    }

    plan.bytes = plan.front_bytes() + (plan.end - plan.cut) + plan.gap_bytes;
    if plan.checksum as u8 != Checksum::Keep as u8 {
        // Known only now: whether there is a fragment header.
        let extra = if plan.has_fragment { FRAGMENT_BYTES } else { 0 };
        plan.checksum_at += IPV6_BYTES + extra;
    }
    let mut header_next = next;
    if plan.has_fragment {
        header_next = protocol::FRAGMENT;
        fragment_header(
            &mut plan.fragment,
            next,
            ip.fragment_field(),
            u32::from(ip.id),
        );
    }
    ipv6_header(
        &mut plan.ip,
        world.traffic_class().unwrap_or(ip.tos),
        plan.bytes - IPV6_BYTES,
        header_next,
        hop_limit,
        plan.work.source,
        plan.work.destination,
    );
    Ok(())
}

/// The next header for an IPv4 protocol, or `None` when it is not carried.
///
/// RFC 7915 section 4.1 copies all but ICMP. Those that IPv6 would read as headers
/// of its own, or as its own ICMP, are not copied: an IPv4 host could write
/// fragments, routes and errors into the core with them. IGMP never leaves its link
/// (section 4.2).
#[inline(always)]
pub(crate) fn next_header(protocol: u8) -> Option<u8> {
    match protocol {
        protocol::ICMP => Some(protocol::ICMPV6),
        protocol::HOP_BY_HOP
        | protocol::IGMP
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::ICMPV6
        | protocol::DESTINATION_OPTIONS
        | protocol::MOBILITY
        | protocol::HIP
        | protocol::SHIM6 => None,
        other => Some(other),
    }
}

/// The source in IPv6. With simple hairpinning, a packet that comes out of the IPv4
/// network from an explicitly mapped host can only have been translated before:
/// its source stays embedded, and so does that of an error that the destination of
/// the packet in error has sent (RFC 7757 section 4.2.1).
#[inline(always)]
fn source<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    ip: &Ipv4,
    error: bool,
    to: &mut V6,
) -> Result<(), Reason> {
    let mut embedded = false;
    if world.hairpin() as u8 == Hairpin::Simple as u8 {
        embedded = true;
        if error {
            let Some([word]) = view.far::<1>(ip.bytes + 8 + 12) else {
                return Err(Reason::QuoteIncomplete);
            };
            embedded = word as u32 == ip.source;
        }
    }
    let mapped = if embedded {
        mapping::embed(world, Side::Near, ip.source, to)
    } else {
        mapping::to_v6(world, Side::Near, ip.source, to)
    };
    mapped.map_err(|missing| missing.or(Reason::NoSourceMapping))
}

/// The destination of a quoted packet in IPv6; see [`source`].
#[inline(always)]
pub(crate) fn quoted_destination<W: World>(
    world: &W,
    address: u32,
    to: &mut V6,
) -> Result<(), Reason> {
    let mapped = if world.hairpin() as u8 == Hairpin::Simple as u8 {
        mapping::embed(world, Side::Near, address, to)
    } else {
        mapping::to_v6(world, Side::Near, address, to)
    };
    mapped.map_err(|_| Reason::QuoteNotTranslatable)
}

/// Plans the checksum of a whole packet or a first fragment.
#[inline(always)]
fn transport_header<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
    ip: &Ipv4,
) -> Result<(), Reason> {
    let (place, header) = transport::checksum_place(ip.protocol);
    if place == 0 {
        return Ok(());
    }
    let at = ip.bytes;
    let payload = ip.total - at;
    if payload < header {
        return Err(if ip.is_fragment() {
            Reason::FirstFragmentIncomplete
        } else {
            Reason::Malformed
        });
    }
    let addresses = transport::sum_v6(plan.work.source, plan.work.destination);
    plan.checksum_at = place;
    plan.checksum = Checksum::Update;
    plan.pseudo = addresses.sub(ip.source).sub(ip.destination).folded();
    if ip.protocol == protocol::UDP {
        plan.checksum = Checksum::UpdateNotZero;
        let Some([word]) = view.far::<1>(at) else {
            return Err(Reason::Malformed);
        };
        let length = ((word >> 16) & 0xffff) as u32;
        if length < header || !ip.is_fragment() && length > payload {
            return Err(Reason::Malformed);
        }
        if word & 0xffff == 0 {
            if ip.is_fragment() {
                return Err(Reason::UdpChecksumZeroFragment);
            }
            if world.udp_zero() as u8 == UdpZero::Drop as u8 {
                return Err(Reason::UdpChecksumZero);
            }
            // The segments of a large one would each need their own.
            if view.wire_bytes().is_some() {
                return Err(Reason::SumUnavailable);
            }
            let Some(data) = view.sum(at, length) else {
                return Err(Reason::SumUnavailable);
            };
            let checksum = addresses
                .add(length)
                .add(u32::from(protocol::UDP))
                .add(u32::from(data))
                .checksum();
            plan.checksum = Checksum::Set;
            plan.content = if checksum == 0 { 0xffff } else { checksum };
        }
    }
    Ok(())
}

/// Plans an ICMP message (RFC 7915 sections 4.2 and 4.3), which starts at
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
    // Asked for only when a router left the MTU out; 0 says that it is not there.
    let quoted_total = view.pair(at + 10).unwrap_or(0);
    let message = icmp::to_v6(world, kind, code, rest, u32::from(quoted_total))?.settled(view);
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
        let stated = if icmp::has_length_v4(kind) {
            ((rest >> 16) & 0xff) * 4
        } else {
            0
        };
        plan.work.quote_at = at + 8;
        plan.work.quote_end = quote::quote_end(at + 8, stated, IPV4_BYTES, plan.end);
        quote::read_v4(view, plan)?;
        quote::to_v6(world, plan)?;
        quote::patch(view, plan)?;
        new_rest |= quote::fit(view, plan, message.extensible, 8, IPV6_MTU_MIN)? << 24;
    }
    plan.icmp[1] = wire(new_rest);
    let upper = plan.front_bytes() - IPV6_BYTES + (plan.end - plan.cut) + plan.gap_bytes;
    plan.checksum_at = 2;
    plan.checksum = Checksum::Update;
    plan.content = plan.work.content.add(new_rest).folded();
    plan.pseudo = transport::sum_v6(plan.work.source, plan.work.destination)
        .add(upper)
        .add(u32::from(protocol::ICMPV6))
        .folded();
    Ok(())
}

/// Whether the packet fits, may be cut, or is refused (RFC 7915 section 4.1).
#[inline(always)]
fn size<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
    ip: &Ipv4,
) -> Result<(), Reason> {
    let segment = view.wire_bytes();
    let extra = if plan.has_fragment { FRAGMENT_BYTES } else { 0 };
    let bytes = segment.unwrap_or(ip.total).saturating_sub(ip.bytes) + IPV6_BYTES + extra;
    let mtu = mtu_v6(world);
    let limit = if ip.may_fragment() {
        world.lowest_ipv6_mtu().max(IPV6_MTU_MIN).min(mtu)
    } else {
        mtu
    };
    if bytes <= limit {
        return Ok(());
    }
    if ip.may_fragment() && world.fragments() && segment.is_none() {
        plan.has_fragment = true;
        plan.piece_bytes = (limit - IPV6_BYTES - FRAGMENT_BYTES) & !7;
        return Ok(());
    }
    plan.answer.rest = limit - (IPV6_BYTES - IPV4_BYTES) - extra;
    Err(Reason::TooBig)
}
