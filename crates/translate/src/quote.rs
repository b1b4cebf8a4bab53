//! The packet that an ICMP error quotes: translated like any other, but only once,
//! with its hop limit left alone (RFC 7915 sections 4.3 and 5.3), and the
//! extension that may follow it (RFC 4884).

use crate::address::V6;
use crate::checksum::Sum;
use crate::ipv4::{IPV4_BYTES, Ipv4};
use crate::ipv6::{Chain, IPV6_BYTES, Ipv6, protocol, walk};
use crate::plan::{Plan, Shape, fragment_header, ipv4_header, ipv6_header, wire};
use crate::reason::Reason;
use crate::transport;
use crate::view::{View, launder};
use crate::world::{Side, World};
use crate::{four_to_six, icmp, mapping, six_to_four};

/// Fewest bytes of a quoted packet that has an extension behind it (RFC 4884
/// section 4).
const QUOTED_MIN: u32 = 128;

/// Where the quotation ends that starts at `at` and is `stated` bytes long by the
/// ICMP header; `end` when that says nothing that could be true.
#[inline(always)]
pub(crate) fn quote_end(at: u32, stated: u32, header: u32, end: u32) -> u32 {
    if stated >= header && at + stated < end {
        at + stated
    } else {
        end
    }
}

/// Reads a quoted IPv4 header, which is where [`Plan::work`] says.
///
/// Reading, translating and patching are functions of their own, called one after
/// the other: the stack of the eBPF target is small.
#[inline(never)]
pub(crate) fn read_v4<V: View + ?Sized>(view: &V, plan: &mut Plan) -> Result<(), Reason> {
    let at = plan.work.quote_at;
    let ip = Ipv4::read_quoted(view, at, plan.work.quote_end)?;
    if ip.protocol == protocol::ICMP && ip.is_fragment() {
        return Err(Reason::QuoteNotTranslatable);
    }
    plan.work.quoted_v4 = ip;
    plan.work.quoted_protocol = ip.protocol;
    plan.work.quoted_first_part = ip.offset() == 0;
    plan.work.quoted_transport = at + ip.bytes;
    Ok(())
}

/// Translates a quoted IPv4 packet that [`read_v4`] has read.
#[inline(never)]
pub(crate) fn to_v6<W: World>(world: &W, plan: &mut Plan) -> Result<(), Reason> {
    let not_here = Reason::QuoteNotTranslatable;
    let Some(next) = four_to_six::next_header(plan.work.quoted_protocol) else {
        return Err(not_here);
    };
    // The quoted packet went the other way.
    let address = plan.work.quoted_v4.source;
    if mapping::to_v6(world, Side::Far, address, &mut plan.work.quoted_source).is_err() {
        return Err(not_here);
    }
    let address = plan.work.quoted_v4.destination;
    four_to_six::quoted_destination(world, address, &mut plan.work.quoted_destination)?;
    let ip = &plan.work.quoted_v4;
    let payload = ip.total - ip.bytes;
    let mut content = plan.work.content.minus(ip.sum);
    let mut stated = payload;
    let mut header_next = next;
    if ip.is_fragment() {
        header_next = protocol::FRAGMENT;
        stated += 8;
        if stated > 0xffff {
            return Err(Reason::QuoteIncomplete);
        }
        let (field, id) = (ip.fragment_field(), u32::from(ip.id));
        plan.has_quoted_fragment = true;
        fragment_header(&mut plan.quoted_fragment, next, field, id);
        content = content
            .add(u32::from(next) << 24 | u32::from(field))
            .add(id);
    }
    plan.has_quoted = true;
    let traffic_class = world.traffic_class().unwrap_or(ip.tos);
    ipv6_header(
        &mut plan.quoted,
        traffic_class,
        stated,
        header_next,
        ip.ttl,
        plan.work.quoted_source,
        plan.work.quoted_destination,
    );
    let addresses = transport::sum_v6(plan.work.quoted_source, plan.work.quoted_destination);
    plan.work.content = content
        .plus(addresses)
        .add(6 << 28 | u32::from(traffic_class) << 20)
        .add(stated << 16 | u32::from(header_next) << 8 | u32::from(ip.ttl));
    plan.work.quoted_sum = if ip.protocol == protocol::ICMP {
        addresses.add(payload).add(u32::from(protocol::ICMPV6))
    } else {
        addresses.sub(ip.source).sub(ip.destination)
    };
    plan.cut = plan.work.quoted_transport;
    Ok(())
}

/// Reads a quoted IPv6 header, which is where [`Plan::work`] says, and walks over
/// what follows it.
#[inline(never)]
pub(crate) fn read_v6<V: View + ?Sized>(view: &V, plan: &mut Plan) -> Result<(), Reason> {
    let (at, end) = (plan.work.quote_at, plan.work.quote_end);
    let ip = Ipv6::read_quoted(view, at, end)?;
    plan.work.quoted_source = ip.source;
    plan.work.quoted_destination = ip.destination;
    plan.work.quoted_sum = ip.sum;
    plan.work.quoted_payload = ip.payload;
    plan.work.quoted_first = ip.first;
    plan.work.quoted_hop_limit = ip.hop_limit;
    plan.work.quoted_chain = Chain::new(ip.next, at + IPV6_BYTES, end);
    match walk(view, &mut plan.work.quoted_chain) {
        Ok(()) => {}
        Err(Reason::Malformed) => return Err(Reason::QuoteIncomplete),
        Err(_) => return Err(Reason::QuoteNotTranslatable),
    }
    let chain = &plan.work.quoted_chain;
    if chain.next == protocol::ICMPV6 && chain.is_fragment() {
        return Err(Reason::QuoteNotTranslatable);
    }
    plan.work.quoted_protocol = chain.next;
    plan.work.quoted_first_part = chain.offset() == 0;
    plan.work.quoted_transport = chain.at;
    Ok(())
}

/// Translates a quoted IPv6 packet that [`read_v6`] has read.
#[inline(never)]
pub(crate) fn to_v4<W: World, V: View + ?Sized>(
    world: &W,
    view: &V,
    plan: &mut Plan,
) -> Result<(), Reason> {
    let not_here = Reason::QuoteNotTranslatable;
    let Some(protocol) = six_to_four::protocol_of(plan.work.quoted_protocol) else {
        return Err(not_here);
    };
    let Ok(source) = mapping::to_v4(world, Side::Near, &plan.work.quoted_source) else {
        return Err(not_here);
    };
    let Ok(destination) = mapping::to_v4(world, Side::Far, &plan.work.quoted_destination) else {
        return Err(not_here);
    };
    let (source, destination) = (source.address, destination.address);
    let at = plan.work.quote_at;
    let extensions = plan.work.quoted_transport - at - IPV6_BYTES;
    let Some(payload) = plan.work.quoted_payload.checked_sub(extensions) else {
        return Err(Reason::QuoteIncomplete);
    };
    let total = payload + IPV4_BYTES;
    if total > 0xffff {
        return Err(Reason::QuoteIncomplete);
    }
    let chain = &plan.work.quoted_chain;
    // What identification the packet once had, only its sender knows.
    let id = if chain.fragmented { chain.id as u16 } else { 0 };
    let field = six_to_four::fragment_field(chain, total);
    plan.has_quoted = true;
    ipv4_header(
        &mut plan.quoted,
        world.tos().unwrap_or((plan.work.quoted_first >> 20) as u8),
        total,
        id,
        field,
        plan.work.quoted_hop_limit,
        protocol,
        source,
        destination,
    );
    // The new header's sum, its checksum included, is 0xffff: nothing.
    let mut content = plan.work.content.minus(plan.work.quoted_sum);
    if extensions != 0 {
        let Some(sum) = view.sum(at + IPV6_BYTES, extensions) else {
            return Err(Reason::SumUnavailable);
        };
        content = content.sub(u32::from(sum));
    }
    plan.work.content = content;
    plan.cut = plan.work.quoted_transport;
    let addresses = transport::sum_v6(plan.work.quoted_source, plan.work.quoted_destination);
    plan.work.quoted_sum = if protocol == protocol::ICMP {
        Sum::ZERO
            .minus(addresses)
            .sub(payload)
            .sub(u32::from(protocol::ICMPV6))
    } else {
        Sum::ZERO.add(source).add(destination).minus(addresses)
    };
    Ok(())
}

/// Plans what changes in the quoted transport header, by what [`Plan::work`] says
/// of it: its checksum, when it is quoted at all, and the type of an echo message.
#[inline(never)]
pub(crate) fn patch<V: View + ?Sized>(view: &V, plan: &mut Plan) -> Result<(), Reason> {
    if !plan.work.quoted_first_part {
        return Ok(());
    }
    let (at, end) = (plan.work.quoted_transport, plan.work.quote_end);
    let protocol = plan.work.quoted_protocol;
    let pseudo = plan.work.quoted_sum;
    let icmp = match plan.shape {
        Shape::FourToSix => protocol::ICMP,
        Shape::SixToFour | Shape::SixToSix => protocol::ICMPV6,
    };
    if protocol == icmp {
        if at + 4 > end {
            return Err(Reason::QuoteIncomplete);
        }
        let Some(old) = view.pair(at) else {
            return Err(Reason::QuoteIncomplete);
        };
        let Some(checksum) = view.pair(at + 2) else {
            return Err(Reason::QuoteIncomplete);
        };
        let kind = quoted_kind(plan.shape, (old >> 8) as u8)?;
        let new = u32::from(kind) << 8 | u32::from(old & 0xff);
        let new_checksum = pseudo.sub(u32::from(old)).add(new).update(checksum);
        plan.patch_at = at;
        plan.patch = wire(new << 16 | u32::from(new_checksum));
        plan.patch_bytes = 4;
        plan.work.content = plan
            .work
            .content
            .sub(u32::from(old))
            .sub(u32::from(checksum))
            .add(new)
            .add(u32::from(new_checksum));
        return Ok(());
    }
    let (place, _) = transport::checksum_place(protocol);
    if place == 0 || at + place + 2 > end {
        return Ok(());
    }
    let Some(old) = view.pair(at + place) else {
        return Err(Reason::QuoteIncomplete);
    };
    let mut new = pseudo.update(old);
    if protocol == protocol::UDP {
        if old == 0 {
            // It had none; over a part of the data none can be computed.
            return Ok(());
        }
        if new == 0 {
            new = 0xffff;
        }
    }
    plan.patch_at = at + place;
    plan.patch = wire(u32::from(new) << 16);
    plan.patch_bytes = 2;
    plan.work.content = plan.work.content.sub(u32::from(old)).add(u32::from(new));
    Ok(())
}

/// The type that a quoted ICMP message has in the new packet. An error about an
/// error is refused; of the others only echo can have come through here.
#[inline(always)]
fn quoted_kind(shape: Shape, kind: u8) -> Result<u8, Reason> {
    let error = match shape {
        Shape::FourToSix => icmp::is_error_v4(kind),
        Shape::SixToFour | Shape::SixToSix => icmp::is_error_v6(kind),
    };
    if error {
        return Err(Reason::IcmpNested);
    }
    match (shape, kind) {
        (Shape::FourToSix, 8) => Ok(128),
        (Shape::FourToSix, 0) => Ok(129),
        (Shape::SixToFour, 128) => Ok(8),
        (Shape::SixToFour, 129) => Ok(0),
        (Shape::SixToSix, kind) => Ok(kind),
        _ => Err(Reason::QuoteNotTranslatable),
    }
}

/// Makes the quotation and what follows it fit into `max` bytes of the new packet,
/// pads it as RFC 4884 wants it, and gives the length for the ICMP header in units
/// of `unit` bytes (0 when there is no extension).
///
/// The extension is left out when it does not fit, or the message has no room for
/// its length; then the end of the quotation is.
#[inline(always)]
pub(crate) fn fit<V: View + ?Sized>(
    view: &V,
    plan: &mut Plan,
    extensible: bool,
    unit: u32,
    max: u32,
) -> Result<u32, Reason> {
    // An odd byte would be the low half of a word in the sum of what goes.
    let max = max & !1;
    let (end, quote_end) = (plan.end, plan.work.quote_end);
    let front = plan.front_bytes();
    let before = plan.ip_bytes() + 8;
    let (mut new_end, mut gap, mut length) = (end, 0, 0);
    if quote_end < end {
        let quoted = front - before + (quote_end - plan.cut);
        let padded = ((quoted + unit - 1) & !(unit - 1)).max(QUOTED_MIN);
        if extensible && padded <= 255 * unit && before + padded + (end - quote_end) <= max {
            length = padded / unit;
            gap = padded - quoted;
        } else {
            new_end = quote_end;
        }
    }
    let bytes = front + (new_end - plan.cut) + gap;
    if bytes > max {
        new_end -= bytes - max;
    }
    let new_end = launder(view, new_end);
    plan.gap_at = quote_end;
    plan.gap_bytes = gap;
    plan.end = new_end;
    if new_end < end {
        let Some(sum) = view.sum(new_end, end - new_end) else {
            return Err(Reason::SumUnavailable);
        };
        plan.work.content = plan.work.content.sub(u32::from(sum));
    }
    Ok(launder(view, length))
}

/// Rewrites the addresses of a quoted IPv6 packet where it stands.
#[inline(always)]
pub(crate) fn readdress(plan: &mut Plan, source: V6, destination: V6) {
    plan.has_quoted = true;
    plan.quote_at = plan.work.quote_at;
    crate::plan::addresses(&mut plan.quoted, source, destination);
    let old = transport::sum_v6(plan.work.quoted_source, plan.work.quoted_destination);
    plan.work.content = plan
        .work
        .content
        .plus(transport::sum_v6(source, destination))
        .minus(old);
}
