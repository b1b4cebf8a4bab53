//! The decision: what is asked of a packet, in which order.
//!
//! Three entrances, one for each hook, and behind two of them the same
//! evaluation of conversations and grants. Nothing passes that is not named
//! here: every path that ends ends in a refusal unless it says `Ok`.
//!
//! A TCP packet that is not a SYN may open a conversation when a grant allows
//! it: after a failover the site's other gateway meets connections in their
//! middle, and the grant, not the SYN, is what gives access.

use crate::address::{
    in_network, is_link_local, is_link_multicast, is_unspecified, participant_of,
};
use crate::packet::{Ipv6, Packet, TRANSPORT_OFFSET, protocol};
use crate::transport::{self, Quoted, Role, Transport};
use crate::walk::{Piece, Walk};
use crate::world::{
    Binding, Denial, EndpointKey, FLOW_TOUCH_NS, FRAGMENT_LIFETIME_NS, FlowKey, FlowValue,
    FragmentKey, FragmentValue, Hook, ParticipantSlot, ParticipantState, Table, World,
    flow_idle_max_ns,
};
use crate::{DenyReason, flows, slot};

/// Whether a packet may pass, and if not, why.
pub type Verdict = Result<(), DenyReason>;

/// Decides about a packet and counts it.
#[inline(always)]
pub fn run<W: World, P: Packet + ?Sized>(world: &mut W, hook: Hook, packet: &P) -> Verdict {
    let verdict = decide(world, hook, packet);
    match verdict {
        Ok(()) => world.count_pass(hook, packet.bytes()),
        Err(reason) => {
            let denial = Denial::describe(world, hook, reason, packet);
            world.count_deny(hook, denial);
        }
    }
    verdict
}

/// Decides about a packet.
///
/// # Errors
/// The reason for which it may not pass.
#[inline(always)]
pub fn decide<W: World, P: Packet + ?Sized>(world: &mut W, hook: Hook, packet: &P) -> Verdict {
    let ip = Ipv6::read(packet)?;
    match hook {
        Hook::LineIn => line_in(world, packet, &ip),
        Hook::LineOut => line_out(world, packet, &ip),
        Hook::BackboneIn => backbone_in(world, packet, &ip),
    }
}

/// From the site: is it who it says, and may it reach where it wants?
#[inline(always)]
fn line_in<W: World, P: Packet + ?Sized>(world: &mut W, packet: &P, ip: &Ipv6) -> Verdict {
    if ip.is_link_scope() {
        return link_scope(world, Hook::LineIn, packet, ip);
    }
    let binding = bound(world)?;
    if ip.source_high != binding.prefix {
        return Err(DenyReason::SpoofedSource);
    }
    let source = live_source(world, binding.participant)?;
    if !in_network(world.network(), ip.destination_high) {
        return Err(DenyReason::OutsideNetwork);
    }
    if participant_of(ip.destination_high) == 0 {
        return to_infrastructure(world, packet, ip, source.generation());
    }
    between(world, packet, ip, source)
}

/// To the site: is it the right line, and may the sender reach this site?
#[inline(always)]
fn line_out<W: World, P: Packet + ?Sized>(world: &mut W, packet: &P, ip: &Ipv6) -> Verdict {
    if ip.is_link_scope() {
        return link_scope(world, Hook::LineOut, packet, ip);
    }
    let binding = bound(world)?;
    if ip.destination_high != binding.prefix {
        return Err(DenyReason::NotOwner);
    }
    if !in_network(world.network(), ip.source_high) {
        return Err(DenyReason::SourceOutsideNetwork);
    }
    let sender = participant_of(ip.source_high);
    if sender == 0 {
        return from_infrastructure(world, packet, ip, binding.participant);
    }
    let source = live_source(world, sender)?;
    between(world, packet, ip, source)
}

/// From the backbone: nothing that claims to be one of our own sites, nothing
/// that only passes through. Conversations are left to the line that delivers.
#[inline(always)]
fn backbone_in<W: World, P: Packet + ?Sized>(world: &mut W, packet: &P, ip: &Ipv6) -> Verdict {
    if ip.is_link_scope() {
        return link_scope(world, Hook::BackboneIn, packet, ip);
    }
    if !in_network(world.network(), ip.source_high) {
        return Err(DenyReason::SourceOutsideNetwork);
    }
    if world.is_own_prefix(ip.source_high) {
        return Err(DenyReason::SpoofedFromBackbone);
    }
    if !in_network(world.network(), ip.destination_high) {
        return Err(DenyReason::OutsideNetwork);
    }
    match (
        participant_of(ip.source_high),
        participant_of(ip.destination_high),
    ) {
        (0, 0) => Ok(()),
        // Its sender's gateway has checked generations; here both ends count
        // as infrastructure, since this gateway may know neither.
        (_, 0) => to_infrastructure(world, packet, ip, 0),
        (0, _) => {
            let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
            let transport = transport::read(packet, ip, &mut at)?;
            match transport.role {
                // The line that delivers holds the first fragment and the flows.
                Role::Later | Role::Error => Ok(()),
                _ => base_answer(world, ip, &transport),
            }
        }
        _ => Ok(()),
    }
}

/// What a line serves before anything else is known about it: neighbour
/// discovery (RFC 4861), attach and enrolment.
#[inline(always)]
fn link_scope<W: World, P: Packet + ?Sized>(
    world: &W,
    hook: Hook,
    packet: &P,
    ip: &Ipv6,
) -> Verdict {
    let refused = Err(DenyReason::NotBaseTraffic);
    // No extension header has business here: RFC 6980 for discovery.
    let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    if ip.next == protocol::ICMPV6 {
        if at.offset + 8 > at.end {
            return Err(DenyReason::Malformed);
        }
        let Some([word]) = packet.near::<{ TRANSPORT_OFFSET as usize }, 1>() else {
            return Err(DenyReason::Malformed);
        };
        // 133 router solicitation, 134 advertisement, 135 neighbour
        // solicitation, 136 advertisement; 137 redirect is not among them.
        let kind = (word >> 56) as u8;
        // A gateway answers for its address on the backbone from that very
        // address (RFC 4861, section 7.2.4); on a line it has none but the
        // link-local one. The hop limit says that it came over no router.
        let gateway = hook as u8 == Hook::BackboneIn as u8
            && in_network(world.network(), ip.source_high)
            && participant_of(ip.source_high) == 0;
        let from = gateway
            || is_link_local(ip.source_high)
            || (is_unspecified(ip.source_high, ip.source_low) && (kind == 133 || kind == 135));
        let to = is_link_local(ip.destination_high) || is_link_multicast(ip.destination_high);
        let discovery = (133..=136).contains(&kind) && (word >> 48) & 0xff == 0;
        return if discovery && ip.hop_limit == 255 && from && to {
            Ok(())
        } else {
            refused
        };
    }
    if ip.next != protocol::TCP
        || hook as u8 == Hook::BackboneIn as u8
        || !is_link_local(ip.source_high)
        || !is_link_local(ip.destination_high)
    {
        return refused;
    }
    let transport = transport::read(packet, ip, &mut at)?;
    let gateway = world.gateway_link_local();
    let (address, port) = if hook as u8 == Hook::LineIn as u8 {
        (
            (ip.destination_high, ip.destination_low),
            transport.destination_port,
        )
    } else {
        ((ip.source_high, ip.source_low), transport.source_port)
    };
    // The gateway never opens a connection to a site's box: only answers leave.
    let answers = hook as u8 == Hook::LineIn as u8 || transport.role as u8 != Role::Opening as u8;
    let served = port == world.attach_port() || port == world.enrol_port();
    if address == gateway && served && answers {
        Ok(())
    } else {
        refused
    }
}

#[inline(always)]
fn bound<W: World>(world: &W) -> Result<Binding, DenyReason> {
    let Some(binding) = world.binding() else {
        return Err(DenyReason::NotAttached);
    };
    if world.now_ns() >= binding.lease_expires_ns {
        return Err(DenyReason::LeaseExpired);
    }
    Ok(binding)
}

#[inline(always)]
fn participant<W: World>(world: &W, number: u32) -> ParticipantSlot {
    ParticipantSlot(slot::find(
        &world.table(Table::Participants),
        u64::from(number),
    ))
}

#[inline(always)]
fn live_source<W: World>(world: &W, number: u32) -> Result<ParticipantSlot, DenyReason> {
    let source = participant(world, number);
    if source.is_live() {
        Ok(source)
    } else if source.state_number() == ParticipantState::Quarantined as u8 {
        Err(DenyReason::Quarantined)
    } else {
        Err(DenyReason::NotLive)
    }
}

/// A participant asks the infrastructure: base services only.
#[inline(always)]
fn to_infrastructure<W: World, P: Packet + ?Sized>(
    world: &mut W,
    packet: &P,
    ip: &Ipv6,
    source_generation: u32,
) -> Verdict {
    let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    let transport = transport::read(packet, ip, &mut at)?;
    match transport.role {
        Role::Later => later_fragment(world, ip, &at, source_generation, 0),
        Role::Error => {
            let quoted = transport::quoted(packet, &at)?;
            // About an answer of a base service to this very site.
            let asked = EndpointKey::new(
                quoted.ip.source_high,
                quoted.ip.source_low,
                quoted.transport.protocol,
                quoted.transport.source_port,
            );
            if quotes_sender(ip, &quoted)
                && quoted.ip.destination_high == ip.source_high
                && world.is_base_service(&asked)
            {
                Ok(())
            } else {
                Err(DenyReason::IcmpErrorWithoutFlow)
            }
        }
        Role::Answer => Err(DenyReason::NotABaseService),
        Role::Either | Role::Opening => {
            let asked = EndpointKey::new(
                ip.destination_high,
                ip.destination_low,
                transport.protocol,
                transport.destination_port,
            );
            if !world.is_base_service(&asked) {
                return Err(DenyReason::NotABaseService);
            }
            first_fragment(world, ip, &at, source_generation, 0)
        }
    }
}

/// The infrastructure sends to a participant: answers of base services and
/// errors about what the participant sent.
#[inline(always)]
fn from_infrastructure<W: World, P: Packet + ?Sized>(
    world: &mut W,
    packet: &P,
    ip: &Ipv6,
    receiver: u32,
) -> Verdict {
    let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    let transport = transport::read(packet, ip, &mut at)?;
    let destination = participant(world, receiver);
    if !destination.is_live() {
        return Err(DenyReason::PeerNotLive);
    }
    match transport.role {
        Role::Later => later_fragment(world, ip, &at, 0, destination.generation()),
        Role::Error => {
            let quoted = transport::quoted(packet, &at)?;
            if !quotes_sender(ip, &quoted)
                || !in_network(world.network(), quoted.ip.destination_high)
            {
                return Err(DenyReason::IcmpErrorWithoutFlow);
            }
            let other = participant_of(quoted.ip.destination_high);
            if other == 0 {
                let asked = EndpointKey::new(
                    quoted.ip.destination_high,
                    quoted.ip.destination_low,
                    quoted.transport.protocol,
                    quoted.transport.destination_port,
                );
                return if world.is_base_service(&asked) {
                    Ok(())
                } else {
                    Err(DenyReason::IcmpErrorWithoutFlow)
                };
            }
            let peer = participant(world, other);
            error_about_flow(world, &quoted, destination, peer)
        }
        _ => {
            base_answer(world, ip, &transport)?;
            first_fragment(world, ip, &at, 0, destination.generation())
        }
    }
}

/// A base service answers; it never opens a connection to a participant.
#[inline(always)]
fn base_answer<W: World>(world: &W, ip: &Ipv6, transport: &Transport) -> Verdict {
    let from = EndpointKey::new(
        ip.source_high,
        ip.source_low,
        transport.protocol,
        transport.source_port,
    );
    if transport.role as u8 != Role::Opening as u8 && world.is_base_service(&from) {
        Ok(())
    } else {
        Err(DenyReason::NotABaseService)
    }
}

/// Between two participants: a conversation in force, or a grant that opens one.
#[inline(always)]
fn between<W: World, P: Packet + ?Sized>(
    world: &mut W,
    packet: &P,
    ip: &Ipv6,
    source: ParticipantSlot,
) -> Verdict {
    let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    let transport = transport::read(packet, ip, &mut at)?;
    let destination = participant(world, participant_of(ip.destination_high));
    match transport.role {
        Role::Later => {
            if !destination.is_live() {
                return Err(DenyReason::PeerNotLive);
            }
            later_fragment(
                world,
                ip,
                &at,
                source.generation(),
                destination.generation(),
            )
        }
        Role::Error => {
            let quoted = transport::quoted(packet, &at)?;
            // Only an end of a conversation speaks about it: nobody else in
            // the network can break it.
            if !quotes_sender(ip, &quoted)
                || participant_of(quoted.ip.destination_high) != source.number()
                || !in_network(world.network(), quoted.ip.destination_high)
            {
                return Err(DenyReason::IcmpErrorWithoutFlow);
            }
            error_about_flow(world, &quoted, destination, source)
        }
        _ => {
            conversation(world, ip, &transport, source, destination)?;
            if at.piece as u8 == Piece::Whole as u8 {
                return Ok(());
            }
            first_fragment(
                world,
                ip,
                &at,
                source.generation(),
                destination.generation(),
            )
        }
    }
}

#[inline(always)]
fn conversation<W: World>(
    world: &W,
    ip: &Ipv6,
    transport: &Transport,
    source: ParticipantSlot,
    destination: ParticipantSlot,
) -> Verdict {
    let from = (ip.source_high, ip.source_low);
    let to = (ip.destination_high, ip.destination_low);
    let (key, sender_is_a) = FlowKey::of(
        from,
        to,
        transport.protocol,
        transport.source_port,
        transport.destination_port,
    );
    let now_ns = world.now_ns();
    let (a, b) = if sender_is_a {
        (source, destination)
    } else {
        (destination, source)
    };
    let mut value = FlowValue {
        last_seen_ns: now_ns,
        a_generation: a.generation(),
        b_generation: b.generation(),
        opened_by_a: sender_is_a,
    };

    // The reason a known conversation was cut for; told instead of the one
    // that its responder would get for opening it the other way round.
    let mut cut = None;
    let lookup = flows::find(&world.flows(), &key);
    if let Some((flow, known)) = lookup.found {
        let sender_opened = known.opened_by_a == sender_is_a;
        let fits = match transport.role {
            Role::Opening => sender_opened,
            Role::Answer => !sender_opened,
            _ => true,
        };
        let idle_ns = now_ns.saturating_sub(known.last_seen_ns);
        if fits && idle_ns <= flow_idle_max_ns(transport.protocol) {
            if !destination.is_live() {
                return Err(DenyReason::PeerNotLive);
            }
            if known.a_generation == value.a_generation && known.b_generation == value.b_generation
            {
                if idle_ns >= FLOW_TOUCH_NS {
                    flows::touch(&world.flows(), flow, now_ns);
                }
                return Ok(());
            }
            // Something about one of the two has changed since: ask again, as
            // the one who opened it.
            let asked = if sender_opened {
                authorised(
                    world,
                    source.number(),
                    to,
                    transport.protocol,
                    transport.destination_port,
                )
            } else {
                authorised(
                    world,
                    destination.number(),
                    from,
                    transport.protocol,
                    transport.source_port,
                )
            };
            match asked {
                Ok(()) => {
                    value.opened_by_a = known.opened_by_a;
                    return written(flows::write(&world.flows(), &lookup, &key, &value));
                }
                Err(reason) if sender_opened => return Err(reason),
                Err(reason) => cut = Some(reason),
            }
        }
    }

    if transport.role as u8 == Role::Answer as u8 {
        return Err(match cut {
            Some(reason) => reason,
            None => DenyReason::ReplyWithoutFlow,
        });
    }
    if let Err(reason) = authorised(
        world,
        source.number(),
        to,
        transport.protocol,
        transport.destination_port,
    ) {
        return Err(match cut {
            Some(first) => first,
            None => reason,
        });
    }
    if !destination.is_live() {
        return Err(DenyReason::PeerNotLive);
    }
    written(flows::write(&world.flows(), &lookup, &key, &value))
}

#[inline(always)]
fn written(done: bool) -> Verdict {
    if done {
        Ok(())
    } else {
        Err(DenyReason::TableUnavailable)
    }
}

/// Whether a grant lets `initiator` open a conversation to this endpoint.
#[inline(always)]
fn authorised<W: World>(
    world: &W,
    initiator: u32,
    (high, low): (u64, u64),
    protocol: u8,
    port: u16,
) -> Verdict {
    let Some(service) = world.endpoint(&EndpointKey::new(high, low, protocol, port)) else {
        return Err(match world.endpoint(&EndpointKey::marker(high, low)) {
            Some(_) => DenyReason::PortNotInService,
            None => DenyReason::NoSuchService,
        });
    };
    let key = u64::from(initiator) << 24 | u64::from(service & 0xff_ffff);
    if slot::find(&world.table(Table::Grants), key) != 0 {
        Ok(())
    } else {
        Err(DenyReason::NoAgreement)
    }
}

/// An error goes back to the sender of the packet that it quotes.
#[inline(always)]
fn quotes_sender(ip: &Ipv6, quoted: &Quoted) -> bool {
    quoted.ip.source_high == ip.destination_high && quoted.ip.source_low == ip.destination_low
}

/// An error about a conversation in force; it never opens or refreshes one.
///
/// `quoter` is the participant that sent the quoted packet, `other` the one
/// that it was sent to.
#[inline(always)]
fn error_about_flow<W: World>(
    world: &W,
    quoted: &Quoted,
    quoter: ParticipantSlot,
    other: ParticipantSlot,
) -> Verdict {
    let refused = Err(DenyReason::IcmpErrorWithoutFlow);
    let (key, quoter_is_a) = FlowKey::of(
        (quoted.ip.source_high, quoted.ip.source_low),
        (quoted.ip.destination_high, quoted.ip.destination_low),
        quoted.transport.protocol,
        quoted.transport.source_port,
        quoted.transport.destination_port,
    );
    let Some((_, known)) = flows::find(&world.flows(), &key).found else {
        return refused;
    };
    let (a, b) = if quoter_is_a {
        (quoter, other)
    } else {
        (other, quoter)
    };
    let idle_ns = world.now_ns().saturating_sub(known.last_seen_ns);
    if quoter.is_live()
        && other.is_live()
        && known.a_generation == a.generation()
        && known.b_generation == b.generation()
        && idle_ns <= flow_idle_max_ns(quoted.transport.protocol)
    {
        Ok(())
    } else {
        refused
    }
}

#[inline(always)]
fn fragment_key(ip: &Ipv6, at: &Walk) -> FragmentKey {
    FragmentKey {
        source_low: ip.source_low,
        destination_low: ip.destination_low,
        source_high: ip.source_high as u32,
        destination_high: ip.destination_high as u32,
        id: at.fragment_id,
        next: at.fragment_next,
        zero: [0; 3],
    }
}

/// A packet passes; when it is a first fragment, it opens the way for the
/// later ones.
#[inline(always)]
fn first_fragment<W: World>(
    world: &mut W,
    ip: &Ipv6,
    at: &Walk,
    source_generation: u32,
    destination_generation: u32,
) -> Verdict {
    if at.piece as u8 == Piece::Whole as u8 {
        return Ok(());
    }
    let key = fragment_key(ip, at);
    let now_ns = world.now_ns();
    let mut offset_min = at.fragment_bytes;
    // A second, shorter first fragment must not open what the longer one holds.
    if let Some(known) = world.fragment(&key)
        && known.expires_ns > now_ns
        && known.offset_min > offset_min
    {
        offset_min = known.offset_min;
    }
    let value = FragmentValue {
        expires_ns: now_ns + FRAGMENT_LIFETIME_NS,
        source_generation,
        destination_generation,
        offset_min,
        zero: 0,
    };
    if world.fragment_write(&key, &value) {
        Ok(())
    } else {
        Err(DenyReason::TableUnavailable)
    }
}

#[inline(always)]
fn later_fragment<W: World>(
    world: &W,
    ip: &Ipv6,
    at: &Walk,
    source_generation: u32,
    destination_generation: u32,
) -> Verdict {
    match world.fragment(&fragment_key(ip, at)) {
        Some(first)
            if first.expires_ns > world.now_ns()
                && first.source_generation == source_generation
                && first.destination_generation == destination_generation =>
        {
            if at.fragment_offset < first.offset_min {
                Err(DenyReason::FragmentOverlap)
            } else {
                Ok(())
            }
        }
        _ => Err(DenyReason::FragmentWithoutFirst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::{NativeWorld, Setting};

    /// A neighbour discovery message in an Ethernet frame.
    fn discovery(kind: u8, hop_limit: u8, source: u128, destination: u128) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([
            0x86,
            0xdd,
            0x60,
            0,
            0,
            0,
            0,
            24,
            protocol::ICMPV6,
            hop_limit,
        ]);
        frame.extend(source.to_be_bytes());
        frame.extend(destination.to_be_bytes());
        frame.extend([kind, 0, 0, 0, 0x60, 0, 0, 0]);
        frame.extend(source.to_be_bytes());
        frame
    }

    const GATEWAY: u128 = 0x2001_0db8_0000_0001_0000_0000_0000_0011;
    const PARTICIPANT: u128 = 0x2001_0db8_0100_0000_0000_0000_0000_0011;
    const LINK_LOCAL: u128 = 0xfe80_0000_0000_0000_0000_00ff_fe00_0004;

    #[test]
    fn gateways_find_each_other_on_the_backbone_by_their_own_addresses() {
        let mut world = NativeWorld::new(Setting::default());
        let mut run = |hook, kind, hop_limit, source, destination| {
            world.run(hook, 1, &discovery(kind, hop_limit, source, destination))
        };
        let refused = Err(DenyReason::NotBaseTraffic);
        for kind in [135, 136] {
            assert_eq!(
                run(Hook::BackboneIn, kind, 255, GATEWAY, LINK_LOCAL),
                Ok(())
            );
            assert_eq!(
                run(Hook::BackboneIn, kind, 255, LINK_LOCAL, LINK_LOCAL),
                Ok(())
            );
            assert_eq!(
                run(Hook::BackboneIn, kind, 64, GATEWAY, LINK_LOCAL),
                refused
            );
            assert_eq!(
                run(Hook::BackboneIn, kind, 255, PARTICIPANT, LINK_LOCAL),
                refused
            );
            assert_eq!(run(Hook::LineIn, kind, 255, GATEWAY, LINK_LOCAL), refused);
        }
        assert_eq!(
            run(Hook::BackboneIn, 137, 255, GATEWAY, LINK_LOCAL),
            refused
        );
    }
}
