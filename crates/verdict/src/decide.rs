//! The decision: what is asked of a packet, in which order.
//!
//! Three entrances, one for each hook, and behind two of them the same
//! evaluation of conversations and grants. Nothing passes that is not named
//! here: every path that ends ends in a refusal unless it says `Ok`.
//!
//! A TCP packet that is not a SYN may open a conversation when a grant allows
//! it: after a failover the site's other gateway meets connections in their
//! middle, and the grant, not the SYN, is what gives access.

use core::mem::MaybeUninit;

use crate::address::{
    in_network, is_link_local, is_link_multicast, is_unspecified, participant_of,
};
use crate::flows::{self, Located, Place};
use crate::packet::{Ipv6, Packet, TRANSPORT_OFFSET, protocol};
use crate::transport::{self, Quoted, Role, Transport};
use crate::walk::{Piece, Walk};
use crate::world::{
    Binding, EndpointKey, FLOW_TOUCH_NS, FRAGMENT_LIFETIME_NS, FlowKey, FlowValue, FragmentKey,
    FragmentValue, Hook, ParticipantSlot, ParticipantState, Table, World, flow_idle_max_ns,
};
use crate::{DenyReason, slot};

/// Whether a packet may pass, and if not, why.
pub type Verdict = Result<(), DenyReason>;

/// Decides about a packet and counts it.
pub fn run<W: World, P: Packet + ?Sized>(world: &mut W, hook: Hook, packet: &P) -> Verdict {
    let verdict = match decide_common(world, hook, packet) {
        Some(verdict) => verdict,
        None => decide(world, hook, packet),
    };
    match verdict {
        Ok(()) => pass(world, hook, packet),
        Err(reason) => refuse(world, hook, packet, reason),
    }
    verdict
}

/// Counts a packet that passes.
#[inline(always)]
pub fn pass<W: World, P: Packet + ?Sized>(world: &mut W, hook: Hook, packet: &P) {
    world.count_pass(hook, packet.bytes());
}

/// Counts a packet that is refused.
#[inline(always)]
pub fn refuse<W: World, P: Packet + ?Sized>(
    world: &mut W,
    hook: Hook,
    packet: &P,
    reason: DenyReason,
) {
    let mut own = MaybeUninit::uninit();
    if let Some(denial) = world.denial(&mut own) {
        denial.describe(world, hook, reason, packet);
        world.count_deny(hook, denial);
    }
}

/// Decides about the packets that nearly all are: TCP and UDP between two
/// participants, without extension headers, of a conversation that is in force
/// or a new one. `None` for every other packet.
///
/// It says nothing that [`decide`] would not say, and says it sooner. What it
/// leaves out keeps it short, and lets the compiler find room in registers for
/// what it has to remember; and since it looks for the conversation before it
/// asks for anything else, memory is not waited for idly.
#[inline(always)]
pub fn decide_common<W: World, P: Packet + ?Sized>(
    world: &mut W,
    hook: Hook,
    packet: &P,
) -> Option<Verdict> {
    match common(world, hook, packet) {
        Ok(true) => Some(Ok(())),
        Ok(false) => None,
        Err(reason) => Some(Err(reason)),
    }
}

/// Whether the packet passes; `false` when that is not decided here.
#[inline(always)]
fn common<W: World, P: Packet + ?Sized>(
    world: &mut W,
    hook: Hook,
    packet: &P,
) -> Result<bool, DenyReason> {
    let ip = Ipv6::read(packet)?;
    let is_plain = ip.next == protocol::TCP || ip.next == protocol::UDP;
    let with_infrastructure =
        participant_of(ip.source_high) == 0 || participant_of(ip.destination_high) == 0;
    if !is_plain || with_infrastructure || ip.is_link_scope() {
        return Ok(false);
    }
    let (ends, ahead) = match hook {
        Hook::LineIn => line_in(world, &ip, || look_ahead(world, packet, &ip))?,
        Hook::LineOut => line_out(world, &ip, || look_ahead(world, packet, &ip))?,
        Hook::BackboneIn => return Ok(false),
    };
    let transport = transport::read_plain(packet, &ip)?;
    let memory = world.flows();
    if let Some(place) = flows::place_of_new(&memory, &ahead.located) {
        authorised(world, &ip, &transport, &ends, true)?;
        enter(world, &ends, &ahead, place, true)?;
        return Ok(true);
    }
    let lookup = flows::find(&memory, &ahead.located);
    let place = match &lookup.found {
        Some((place, known)) => {
            if belongs(world, &transport, known, ahead.from_a) {
                if in_force(world, &ends, &ahead, *place, known) {
                    return Ok(true);
                }
                if known.opened_by_a != ahead.from_a {
                    // Whether the other side may still open it.
                    return Ok(false);
                }
            }
            *place
        }
        None => {
            let (opener, now_ns) = (ends.source.number, world.now_ns());
            flows::room(&memory, &ahead.located, &lookup, opener, now_ns)
        }
    };
    authorised(world, &ip, &transport, &ends, true)?;
    enter(world, &ends, &ahead, place, true)?;
    Ok(true)
}

/// Decides about a packet.
///
/// # Errors
/// The reason for which it may not pass.
#[inline(always)]
pub fn decide<W: World, P: Packet + ?Sized>(world: &mut W, hook: Hook, packet: &P) -> Verdict {
    let ip = Ipv6::read(packet)?;
    if ip.is_link_scope() {
        return link_scope(world, hook, packet, &ip);
    }
    let ends = match hook {
        Hook::LineIn => line_in(world, &ip, || ())?.0,
        Hook::LineOut => line_out(world, &ip, || ())?.0,
        Hook::BackboneIn => return backbone_in(world, packet, &ip),
    };
    exchange(world, packet, &ip, &ends)
}

/// One side of a packet that is on its way between two places of the network.
#[derive(Clone, Copy)]
struct End {
    number: u32,
    slot: ParticipantSlot,
}

impl End {
    /// The infrastructure (number 0) is always live and has generation 0.
    #[inline(always)]
    fn look_up<W: World>(world: &W, number: u32) -> Self {
        let slot = if number == 0 {
            ParticipantSlot::new(0, ParticipantState::Live, 0)
        } else {
            participant(world, number)
        };
        Self {
            number: world.launder(u64::from(number)) as u32,
            slot: ParticipantSlot(world.launder(slot.0)),
        }
    }

    #[inline(always)]
    fn live(&self) -> bool {
        self.slot.is_live()
    }

    #[inline(always)]
    fn generation(&self) -> u32 {
        self.slot.generation()
    }
}

/// Both sides.
#[derive(Clone, Copy)]
struct Ends {
    source: End,
    destination: End,
}

impl Ends {
    /// As they stand in a conversation.
    #[inline(always)]
    fn generations(&self, from_a: bool) -> u64 {
        let (source, destination) = (self.source.generation(), self.destination.generation());
        let (a, b) = if from_a {
            (source, destination)
        } else {
            (destination, source)
        };
        u64::from(a) << 32 | u64::from(b)
    }
}

/// From the site: is it who it says, and may it reach where it wants? Does
/// something in between, before the first table is asked.
#[inline(always)]
fn line_in<W: World, R>(
    world: &W,
    ip: &Ipv6,
    between: impl FnOnce() -> R,
) -> Result<(Ends, R), DenyReason> {
    let binding = bound(world)?;
    if ip.source_high != binding.prefix {
        return Err(DenyReason::SpoofedSource);
    }
    let result = between();
    let source = live_source(world, participant_of(ip.source_high))?;
    if !in_network(world.network(), ip.destination_high) {
        return Err(DenyReason::OutsideNetwork);
    }
    let destination = End::look_up(world, participant_of(ip.destination_high));
    let ends = Ends {
        source,
        destination,
    };
    Ok((ends, result))
}

/// To the site: is it the right line, and may the sender reach this site?
/// Otherwise as [`line_in`].
#[inline(always)]
fn line_out<W: World, R>(
    world: &W,
    ip: &Ipv6,
    between: impl FnOnce() -> R,
) -> Result<(Ends, R), DenyReason> {
    let binding = bound(world)?;
    if ip.destination_high != binding.prefix {
        return Err(DenyReason::NotOwner);
    }
    if !in_network(world.network(), ip.source_high) {
        return Err(DenyReason::SourceOutsideNetwork);
    }
    let result = between();
    let source = live_source(world, participant_of(ip.source_high))?;
    let destination = End::look_up(world, participant_of(ip.destination_high));
    let ends = Ends {
        source,
        destination,
    };
    Ok((ends, result))
}

/// Where the directory says that a conversation is.
struct Ahead {
    /// Whether the packet's sender is the conversation's end a.
    from_a: bool,
    located: Located,
}

/// Looks a plain packet's conversation up in the directory, before anything
/// else is asked. Its entry lies in a table too large for any cache, and to wait
/// for it is most of what a packet costs: the rest is decided meanwhile.
#[inline(always)]
fn look_ahead<W: World, P: Packet + ?Sized>(world: &W, packet: &P, ip: &Ipv6) -> Ahead {
    // Should there be no ports, the packet is refused before this is used.
    let first = packet.near::<{ TRANSPORT_OFFSET as usize }, 1>();
    let [first] = first.unwrap_or_default();
    let (key, from_a) = FlowKey::of(
        (ip.source_high, ip.source_low),
        (ip.destination_high, ip.destination_low),
        ip.next,
        (first >> 48) as u16,
        (first >> 32) as u16,
    );
    Ahead {
        from_a,
        located: flows::locate(&world.flows(), &key),
    }
}

/// From the backbone: nothing that claims to be one of our own sites, nothing
/// that only passes through. Conversations are left to the line that delivers.
#[inline(always)]
fn backbone_in<W: World, P: Packet + ?Sized>(world: &mut W, packet: &P, ip: &Ipv6) -> Verdict {
    if !in_network(world.network(), ip.source_high) {
        return Err(DenyReason::SourceOutsideNetwork);
    }
    if world.is_own_prefix(ip.source_high) {
        return Err(DenyReason::SpoofedFromBackbone);
    }
    if !in_network(world.network(), ip.destination_high) {
        return Err(DenyReason::OutsideNetwork);
    }
    let from = participant_of(ip.source_high) == 0;
    let to = participant_of(ip.destination_high) == 0;
    if from == to {
        // Within the infrastructure, or between participants.
        return Ok(());
    }
    let mut at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    let transport = transport::read(packet, ip, &mut at)?;
    if to {
        // The sender's gateway has checked its generation; this one may not
        // even know it, and counts both ends as infrastructure.
        return match transport.role {
            Role::LATER => later_fragment(world, ip, &at, 0, 0),
            Role::ERROR => error_message(world, packet, ip, &at),
            _ => {
                base_question(world, ip, &transport)?;
                first_fragment(world, ip, &at, 0, 0)
            }
        };
    }
    match transport.role {
        // The line that delivers holds the first fragment and the flows.
        Role::LATER | Role::ERROR => Ok(()),
        _ => base_answer(world, ip, &transport),
    }
}

/// Both ends are known and belong here: may this packet go between them?
#[inline(always)]
fn exchange<W: World, P: Packet + ?Sized>(
    world: &mut W,
    packet: &P,
    ip: &Ipv6,
    ends: &Ends,
) -> Verdict {
    let Ends {
        source,
        destination,
    } = *ends;
    let mut own = MaybeUninit::uninit();
    let at = Walk::new(ip.next, TRANSPORT_OFFSET, ip.end);
    let Some(at) = packet.scratch(0, &mut own, at) else {
        return Err(DenyReason::TableUnavailable);
    };
    let transport = transport::read(packet, ip, at)?;
    at.keep(transport);
    let at = packet.settled(at);
    let transport = at.transport();
    match transport.role {
        Role::LATER => {
            if !destination.live() {
                return Err(DenyReason::PeerNotLive);
            }
            return later_fragment(world, ip, at, source.generation(), destination.generation());
        }
        Role::ERROR => return error_message(world, packet, ip, at),
        _ => {}
    }
    if destination.number == 0 {
        base_question(world, ip, &transport)?;
    } else if source.number == 0 {
        if !destination.live() {
            return Err(DenyReason::PeerNotLive);
        }
        base_answer(world, ip, &transport)?;
    } else {
        conversation(world, ip, &transport, ends)?;
    }
    first_fragment(world, ip, at, source.generation(), destination.generation())
}

/// What a line serves before anything else is known about it: neighbour
/// discovery (RFC 4861) and what keeps it working, attach and enrolment.
#[inline(always)]
fn link_scope<W: World, P: Packet + ?Sized>(
    world: &W,
    hook: Hook,
    packet: &P,
    ip: &Ipv6,
) -> Verdict {
    let refused = Err(DenyReason::NotBaseTraffic);
    if ip.next == protocol::HOP_BY_HOP {
        return if is_listener_message(hook, packet, ip) {
            Ok(())
        } else {
            refused
        };
    }
    // No other extension header has business here: RFC 6980 for discovery.
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
        // Who stands on a line with an address of the network asks for the
        // gateway's from that very address (section 7.2.2), and is answered
        // there: the site that the line is bound to, and nobody else.
        let site = if kind == 135 || kind == 136 {
            bound(world).map_or(0, |binding| binding.prefix)
        } else {
            0
        };
        let from_site = hook as u8 == Hook::LineIn as u8 && site != 0 && ip.source_high == site;
        let to_site = hook as u8 == Hook::LineOut as u8 && site != 0 && ip.destination_high == site;
        let from = gateway
            || from_site
            || is_link_local(ip.source_high)
            || (is_unspecified(ip.source_high, ip.source_low) && (kind == 133 || kind == 135));
        let to =
            to_site || is_link_local(ip.destination_high) || is_link_multicast(ip.destination_high);
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
    let answers = hook as u8 == Hook::LineIn as u8 || !transport.role.is(Role::OPENING);
    let served = port == world.attach_port() || port == world.enrol_port();
    if address == gateway && served && answers {
        Ok(())
    } else {
        refused
    }
}

/// Whether a packet tells or asks which groups somebody on the link listens to
/// (RFC 2710, RFC 3810). Every host does so for the group in which its neighbours
/// look for it, unasked, and a switch that heard nothing delivers nothing there;
/// RFC 4890, section 4.4.1, has all four messages pass. They go no further than
/// the link: to a group of its scope, with a hop limit of 1.
#[inline(always)]
fn is_listener_message<P: Packet + ?Sized>(hook: Hook, packet: &P, ip: &Ipv6) -> bool {
    if TRANSPORT_OFFSET + 16 > ip.end {
        return false;
    }
    let Some([header, message]) = packet.near::<{ TRANSPORT_OFFSET as usize }, 2>() else {
        return false;
    };
    // Eight bytes of options: a router alert for such messages (RFC 2711), with
    // padding behind or before it. Nothing else is looked for, and nothing else
    // is sent.
    let alert = u64::from(protocol::ICMPV6) << 56;
    let alerted = header == alert | 0x0502_0000_0100 || header == alert | 0x0100_0502_0000;
    // 130 query, 131 report, 132 done, 143 report of version 2. A gateway asks
    // nobody; a switch in between may.
    let kind = (message >> 56) as u8;
    let report = kind == 131 || kind == 143;
    let told = report || kind == 132 || (kind == 130 && hook as u8 != Hook::LineOut as u8);
    // Who has no address yet reports from none (RFC 3590).
    let from =
        is_link_local(ip.source_high) || (report && is_unspecified(ip.source_high, ip.source_low));
    alerted && told && from && ip.hop_limit == 1 && is_link_multicast(ip.destination_high)
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
fn live_source<W: World>(world: &W, number: u32) -> Result<End, DenyReason> {
    let source = End::look_up(world, number);
    if source.live() {
        Ok(source)
    } else if source.slot.state_number() == ParticipantState::Quarantined as u8 {
        Err(DenyReason::Quarantined)
    } else {
        Err(DenyReason::NotLive)
    }
}

/// A participant asks the infrastructure: base services only.
#[inline(always)]
fn base_question<W: World>(world: &W, ip: &Ipv6, transport: &Transport) -> Verdict {
    let asked = EndpointKey::new(
        ip.destination_high,
        ip.destination_low,
        transport.protocol,
        transport.destination_port,
    );
    if !transport.role.is(Role::ANSWER) && world.is_base_service(&asked) {
        Ok(())
    } else {
        Err(DenyReason::NotABaseService)
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
    if !transport.role.is(Role::OPENING) && world.is_base_service(&from) {
        Ok(())
    } else {
        Err(DenyReason::NotABaseService)
    }
}

/// Between two participants: a conversation in force, or a grant that opens one.
#[inline(always)]
fn conversation<W: World>(world: &W, ip: &Ipv6, transport: &Transport, ends: &Ends) -> Verdict {
    let (key, from_a) = FlowKey::of(
        (ip.source_high, ip.source_low),
        (ip.destination_high, ip.destination_low),
        transport.protocol,
        transport.source_port,
        transport.destination_port,
    );
    let ahead = Ahead {
        from_a: world.launder(u64::from(from_a)) != 0,
        located: flows::locate(&world.flows(), &key),
    };
    // Whom the grant is asked for: whoever opened the conversation, or the
    // sender when there is none that this packet could belong to.
    let mut sender_opens = true;
    let lookup = flows::find(&world.flows(), &ahead.located);
    if let Some((place, known)) = &lookup.found
        && belongs(world, transport, known, ahead.from_a)
    {
        if in_force(world, ends, &ahead, *place, known) {
            return Ok(());
        }
        // Something about one of the two has changed since: ask again.
        sender_opens = known.opened_by_a == ahead.from_a;
    }
    let mut sender_opens = world.launder(u64::from(sender_opens)) != 0;
    if sender_opens && transport.role.is(Role::ANSWER) {
        return Err(DenyReason::ReplyWithoutFlow);
    }
    let mut verdict = authorised(world, ip, transport, ends, sender_opens);
    if verdict.is_err() && !sender_opens && !transport.role.is(Role::ANSWER) {
        // The conversation is cut, but its responder may have a grant of its
        // own for the same addresses and ports. When it has not, the reason
        // that is told is the one that the conversation was cut for.
        sender_opens = true;
        if authorised(world, ip, transport, ends, true).is_ok() {
            verdict = Ok(());
        }
    }
    verdict?;
    let place = match &lookup.found {
        Some((place, _)) => *place,
        None => {
            // Not known means that the sender opens it.
            let (opener, now_ns) = (ends.source.number, world.now_ns());
            flows::room(&world.flows(), &ahead.located, &lookup, opener, now_ns)
        }
    };
    enter(world, ends, &ahead, place, sender_opens)
}

/// Whether a packet can be one of a conversation: it comes from the side that
/// sends such, and the conversation was not silent for too long.
#[inline(always)]
fn belongs<W: World>(world: &W, transport: &Transport, known: &FlowValue, from_a: bool) -> bool {
    let sender_opened = known.opened_by_a == from_a;
    let fits = match transport.role {
        Role::OPENING => sender_opened,
        Role::ANSWER => !sender_opened,
        _ => true,
    };
    let idle_ns = world.now_ns().saturating_sub(known.last_seen_ns);
    fits && idle_ns <= flow_idle_max_ns(transport.protocol)
}

/// Whether nothing has changed since a conversation was allowed; if so, it is
/// noted as seen.
#[inline(always)]
fn in_force<W: World>(
    world: &W,
    ends: &Ends,
    ahead: &Ahead,
    place: Place,
    known: &FlowValue,
) -> bool {
    if !ends.destination.live() || known.generations != ends.generations(ahead.from_a) {
        return false;
    }
    let (then_ns, now_ns) = (known.last_seen_ns, world.now_ns());
    if now_ns.saturating_sub(then_ns) >= FLOW_TOUCH_NS {
        flows::touch(&world.flows(), &ahead.located, place, then_ns, now_ns);
    }
    true
}

/// Whether a grant lets one side open a conversation to the other's endpoint.
#[inline(always)]
fn authorised<W: World>(
    world: &W,
    ip: &Ipv6,
    transport: &Transport,
    ends: &Ends,
    sender_opens: bool,
) -> Verdict {
    let (initiator, (high, low), port) = if sender_opens {
        let to = (ip.destination_high, ip.destination_low);
        (ends.source.number, to, transport.destination_port)
    } else {
        let from = (ip.source_high, ip.source_low);
        (ends.destination.number, from, transport.source_port)
    };
    let key = EndpointKey::new(high, low, transport.protocol, port);
    let Some(service) = world.endpoint(&key) else {
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

/// Keeps a conversation that was allowed.
#[inline(always)]
fn enter<W: World>(
    world: &W,
    ends: &Ends,
    ahead: &Ahead,
    place: Place,
    sender_opens: bool,
) -> Verdict {
    if !ends.destination.live() {
        return Err(DenyReason::PeerNotLive);
    }
    let value = FlowValue {
        last_seen_ns: world.now_ns(),
        generations: ends.generations(ahead.from_a),
        opened_by_a: ahead.from_a == sender_opens,
    };
    written(flows::write(&world.flows(), &ahead.located, place, &value))
}

#[inline(always)]
fn written(done: bool) -> Verdict {
    if done {
        Ok(())
    } else {
        Err(DenyReason::TableUnavailable)
    }
}

/// An ICMPv6 error: passes only about a conversation in force, or about an
/// exchange with a base service. It never opens or refreshes a conversation.
///
/// It goes back to the sender of the packet that it quotes, and comes from an
/// end of that packet's way or from the infrastructure between them: nobody
/// else in the network can break a conversation.
#[inline(always)]
fn error_message<W: World, P: Packet + ?Sized>(
    world: &W,
    packet: &P,
    ip: &Ipv6,
    at: &Walk,
) -> Verdict {
    let refused = Err(DenyReason::IcmpErrorWithoutFlow);
    let Quoted {
        ip: quoted,
        transport,
    } = transport::quoted(packet, at)?;
    if quoted.source_high != ip.destination_high
        || quoted.source_low != ip.destination_low
        || !in_network(world.network(), quoted.destination_high)
    {
        return refused;
    }
    let sender = participant_of(ip.source_high);
    let quoter = participant_of(quoted.source_high);
    let other = participant_of(quoted.destination_high);
    if sender != 0 && sender != other {
        return refused;
    }
    if quoter == 0 || other == 0 {
        let (high, low, port) = if quoter == 0 {
            (quoted.source_high, quoted.source_low, transport.source_port)
        } else {
            (
                quoted.destination_high,
                quoted.destination_low,
                transport.destination_port,
            )
        };
        // An error to the infrastructure comes from the very site that it answered.
        let between = quoter != 0 || quoted.destination_high == ip.source_high;
        let service = EndpointKey::new(high, low, transport.protocol, port);
        return if between && world.is_base_service(&service) {
            Ok(())
        } else {
            refused
        };
    }
    let (key, quoter_is_a) = FlowKey::of(
        (quoted.source_high, quoted.source_low),
        (quoted.destination_high, quoted.destination_low),
        transport.protocol,
        transport.source_port,
        transport.destination_port,
    );
    let located = flows::locate(&world.flows(), &key);
    let Some((_, known)) = flows::find(&world.flows(), &located).found else {
        return refused;
    };
    let ends = Ends {
        source: End::look_up(world, quoter),
        destination: End::look_up(world, other),
    };
    let idle_ns = world.now_ns().saturating_sub(known.last_seen_ns);
    if ends.source.live()
        && ends.destination.live()
        && known.generations == ends.generations(quoter_is_a)
        && idle_ns <= flow_idle_max_ns(transport.protocol)
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
    if at.piece.is(Piece::WHOLE) {
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
