//! What holds for all packets: nothing panics, what is announced comes out,
//! checksums are right when counted from nothing, and the way back leads home.

use std::net::{Ipv4Addr, Ipv6Addr};

use iryonet_translate::native::{NativeWorld, carry_out, translate};
use iryonet_translate::{
    Answer, Checksum, Eam, Embedding, Npt, Plan, Reason, Shape, UdpZero, V6, View, Way, plan,
    plan_prefix, write_answer,
};
use proptest::prelude::*;

use crate::encode::{self, Ends, Four, Parts, Six, bytes_of, part};
use crate::file::{self, read_bytes};
use crate::judge::{judge, reassemble};

/// A world that maps everything, by a prefix of any length, with some explicit
/// mappings before it.
fn worlds() -> impl Strategy<Value = NativeWorld> {
    let embedding = (
        any::<u64>(),
        prop::sample::select(vec![32u8, 40, 48, 56, 64, 96]),
    )
        .prop_map(|(high, bits)| {
            let prefix = V6::new(0x2400_0000_0000_0000 | high >> 8, 0).masked(bits);
            Embedding::new(prefix, bits).unwrap()
        });
    let eams = prop::collection::vec((0u32..8, 24u8..=32, any::<u64>()), 0..4);
    (embedding, eams).prop_map(|(embedding, eams)| {
        let mut world = NativeWorld {
            identification: 0x1d1d,
            ..NativeWorld::default()
        };
        world.near.embedding = Some(embedding);
        for (subnet, bits, high) in eams {
            let v4 = (0x0a00_0000 | subnet << 8) & (u32::MAX << (32 - bits));
            let v6 = V6::new(0x2a00_0000_0000_0000 | high >> 8, high << 32).masked(96 + bits);
            let eam = Eam::new(v4, bits, v6, 96 + bits).unwrap();
            let _ = world.near.add(eam);
        }
        world.far = world.near.clone();
        world
    })
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        (0u32..0x1000).prop_map(|low| Ipv4Addr::from(0x0a00_0000 | low)),
        any::<u32>()
            .prop_filter("usable", |address| iryonet_translate::is_usable_v4(
                *address
            ))
            .prop_map(Ipv4Addr::from),
    ]
}

/// What is in a packet, for both families.
#[derive(Debug, Clone)]
enum Body {
    Udp(Vec<u8>),
    Tcp(Vec<u8>),
    Echo(bool, Vec<u8>),
    /// Kind of the error, how much is quoted, what is quoted.
    Error(usize, usize, Box<Body>),
    Other(u8, Vec<u8>),
}

fn bodies() -> impl Strategy<Value = Body> {
    let data = prop::collection::vec(any::<u8>(), 0..900);
    let plain = prop_oneof![
        data.clone().prop_map(Body::Udp),
        data.clone().prop_map(Body::Tcp),
        (any::<bool>(), data.clone()).prop_map(|(reply, data)| Body::Echo(reply, data)),
        (prop::sample::select(vec![47u8, 50, 132, 253]), data)
            .prop_map(|(protocol, data)| Body::Other(protocol, data)),
    ];
    prop_oneof![
        4 => plain.clone(),
        2 => (0usize..4, 8usize..700, plain).prop_map(|(kind, quoted, body)| Body::Error(kind, quoted, Box::new(body))),
    ]
}

impl Body {
    fn protocol_v4(&self) -> u8 {
        match self {
            Self::Udp(_) => 17,
            Self::Tcp(_) => 6,
            Self::Echo(..) | Self::Error(..) => 1,
            Self::Other(protocol, _) => *protocol,
        }
    }

    fn protocol_v6(&self) -> u8 {
        match self.protocol_v4() {
            1 => 58,
            other => other,
        }
    }

    fn in_v4(&self, ends: Ends) -> Parts {
        match self {
            Self::Udp(data) => encode::udp(ends, 4000, 53, data),
            Self::Tcp(data) => encode::tcp(ends, 4000, 443, 0x18, data),
            Self::Echo(reply, data) => encode::icmp4(
                if *reply { 0 } else { 8 },
                0,
                7,
                vec![part("data", data.clone())],
            ),
            Self::Error(kind, quoted, body) => {
                let Ends::Four(source, destination) = ends else {
                    unreachable!()
                };
                let inner = Four::new(
                    &destination.to_string(),
                    &source.to_string(),
                    body.protocol_v4(),
                );
                let inner = inner.with(body.in_v4(inner.ends()));
                let (kind, code, rest) = [(3, 1, 0), (3, 3, 0), (11, 0, 0), (3, 4, 1400)][*kind];
                encode::icmp4(kind, code, rest, encode::cut(&inner, 20 + quoted))
            }
            Self::Other(_, data) => vec![part("data", data.clone())],
        }
    }

    fn in_v6(&self, ends: Ends) -> Parts {
        match self {
            Self::Udp(data) => encode::udp(ends, 4000, 53, data),
            Self::Tcp(data) => encode::tcp(ends, 4000, 443, 0x18, data),
            Self::Echo(reply, data) => encode::icmp6(
                ends,
                if *reply { 129 } else { 128 },
                0,
                7,
                vec![part("data", data.clone())],
            ),
            Self::Error(kind, quoted, body) => {
                let Ends::Six(source, destination) = ends else {
                    unreachable!()
                };
                let inner = Six::new(
                    &destination.to_string(),
                    &source.to_string(),
                    body.protocol_v6(),
                );
                let inner = inner.with(body.in_v6(inner.ends()));
                let (kind, code, rest) = [(1, 0, 0), (1, 4, 0), (3, 0, 0), (2, 0, 1400)][*kind];
                encode::icmp6(ends, kind, code, rest, encode::cut(&inner, 40 + quoted))
            }
            Self::Other(_, data) => vec![part("data", data.clone())],
        }
    }
}

/// A packet of IPv4 that may be cut out of a longer one.
fn packets_v4() -> impl Strategy<Value = (Four, Vec<u8>, bool)> {
    (
        v4(),
        v4(),
        bodies(),
        any::<u8>(),
        3u8..=255,
        any::<u16>(),
        any::<bool>(),
        prop::option::of((0usize..64, 1usize..32)),
    )
        .prop_map(
            |(source, destination, body, tos, ttl, id, dont_fragment, fragment)| {
                let mut four = Four {
                    tos,
                    id,
                    ttl,
                    dont_fragment,
                    ..Four::new(
                        &source.to_string(),
                        &destination.to_string(),
                        body.protocol_v4(),
                    )
                };
                let mut payload = body.in_v4(four.ends());
                let mut cut = false;
                if let Some((from, count)) = fragment
                    && four.protocol != 1
                {
                    let all = encode::length_of(&payload);
                    let from = (from * 8).min(all / 8 * 8);
                    let to = (from + count * 8).min(all);
                    let long_enough = from != 0 || to >= 24;
                    if from < to && long_enough && (from, to) != (0, all) {
                        four.offset = from;
                        four.more = to != all;
                        payload = encode::slice(&payload, from, to);
                        cut = true;
                    }
                }
                let bytes = bytes_of(&four.with(payload));
                (four, bytes, cut)
            },
        )
}

/// An IPv4 packet as it is after there and back.
fn home_again(packet: &[u8], cut: bool) -> Vec<u8> {
    let mut out = packet.to_vec();
    out[8] -= 2;
    if !cut {
        // A new identification, and DF by size.
        out[4..6].copy_from_slice(&0x1d1du16.to_be_bytes());
        let field = if packet.len() > 1260 { 0x4000u16 } else { 0 };
        out[6..8].copy_from_slice(&field.to_be_bytes());
    } else {
        out[6] &= 0x3f;
    }
    out[10..12].fill(0);
    let checksum = encode::internet_checksum(&out[..20]);
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
    if packet[9] == 1 && packet[20] == 3 && packet[21] == 4 {
        // The links' MTUs: 1400 becomes 1420, and that 1400.
        assert_eq!(packet[26..28], 1400u16.to_be_bytes());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn from_ipv4_and_back_a_packet_is_itself_again(
        world in worlds(),
        (_, packet, cut) in packets_v4(),
    ) {
        let world = NativeWorld { lowest_ipv6_mtu: 1500, ..world };
        let there = match translate(&world, &packet) {
            Ok(there) => there,
            // Two mappings may hold an address, and only one of them leads back:
            // that is not for here.
            Err((reason, _)) => {
                prop_assert_eq!(reason, Reason::QuoteNotTranslatable);
                return Ok(());
            }
        };
        prop_assert_eq!(there.len(), 1);
        if let Err(wrong) = judge(&there[0]) {
            return Err(TestCaseError::fail(wrong));
        }
        let back = translate(&world, &there[0]).unwrap();
        prop_assert_eq!(back.len(), 1);
        if let Err(wrong) = judge(&back[0]) {
            return Err(TestCaseError::fail(wrong));
        }
        let error = packet[9] == 1 && [3, 11].contains(&packet[20]);
        if error {
            // The quoted packet changes in the same ways; its length does not.
            prop_assert_eq!(back[0].len(), packet.len());
            prop_assert_eq!(&back[0][12..22], &packet[12..22]);
            prop_assert_eq!(&back[0][24..28], &packet[24..28]);
            prop_assert_eq!(&back[0][40..], &packet[40..]);
        } else {
            prop_assert_eq!(&back[0], &home_again(&packet, cut));
        }
    }

    #[test]
    fn from_ipv6_and_back_a_packet_is_itself_again(
        world in worlds(),
        source in v4(),
        destination in v4(),
        body in bodies(),
        traffic_class: u8,
        flow_label in 0u32..0x10_0000,
        hop_limit in 3u8..=255,
        options in prop::option::of(1usize..5),
    ) {
        // The IPv6 addresses that the world gives them.
        let probe = Four::new(&source.to_string(), &destination.to_string(), 253);
        let probe = translate(&world, &bytes_of(&probe.with(vec![part("data", vec![1])]))).unwrap().remove(0);
        let address = |at: usize| {
            let octets: [u8; 16] = probe[at..at + 16].try_into().unwrap();
            Ipv6Addr::from(octets).to_string()
        };
        let six = Six {
            traffic_class,
            flow_label,
            hop_limit,
            ..Six::new(&address(8), &address(24), body.protocol_v6())
        };
        let payload = body.in_v6(six.ends());
        let packet = match options {
            Some(units) => bytes_of(&Six { next: 60, ..six.clone() }.with(
                [vec![encode::padding_header("options", six.next, units)], payload.clone()].concat(),
            )),
            None => bytes_of(&six.with(payload.clone())),
        };
        let there = translate(&world, &packet).unwrap();
        prop_assert_eq!(there.len(), 1);
        if let Err(wrong) = judge(&there[0]) {
            return Err(TestCaseError::fail(wrong));
        }
        let back = translate(&NativeWorld { lowest_ipv6_mtu: 1500, ..world }, &there[0]).unwrap();
        if let Err(wrong) = judge(&back[0]) {
            return Err(TestCaseError::fail(wrong));
        }
        // Without the flow label and the options, both of which IPv4 has not.
        let expected = bytes_of(&Six { flow_label: 0, hop_limit: hop_limit - 2, ..six }.with(payload));
        prop_assert_eq!(&back[0], &expected);
    }

    #[test]
    fn what_is_cut_is_whole_when_it_is_put_together(
        world in worlds(),
        source in v4(),
        destination in v4(),
        data in prop::collection::vec(any::<u8>(), 1233..5000),
        which in 0usize..3,
        lowest in 1280u32..1600,
        mtu_v4 in 68u32..1300,
    ) {
        let body = [Body::Udp(data.clone()), Body::Tcp(data.clone()), Body::Echo(false, data)][which].clone();
        let four = Four::new(&source.to_string(), &destination.to_string(), body.protocol_v4());
        let packet = bytes_of(&four.with(body.in_v4(four.ends())));
        let world = NativeWorld { lowest_ipv6_mtu: lowest, mtu_v6: 9000, mtu_v4: 9000, ..world };
        let pieces = translate(&world, &packet).unwrap();
        for piece in &pieces {
            prop_assert!(piece.len() <= lowest as usize, "{} of {}", piece.len(), lowest);
        }
        let whole = if pieces.len() > 1 { reassemble(&pieces) } else { pieces[0].clone() };
        if let Err(wrong) = judge(&whole) {
            return Err(TestCaseError::fail(wrong));
        }
        // Back, an IPv6 packet of up to 1280 bytes is cut to any IPv4 link.
        let small = translate(&world, &packet[..packet.len().min(20)]).is_ok();
        prop_assert!(!small);
        if whole.len() <= 1280 {
            let back = translate(&NativeWorld { mtu_v4, ..world }, &whole).unwrap();
            for piece in &back {
                prop_assert!(piece.len() <= mtu_v4 as usize);
            }
            let back = if back.len() > 1 { reassemble(&back) } else { back[0].clone() };
            if let Err(wrong) = judge(&back) {
                return Err(TestCaseError::fail(wrong));
            }
        }
    }

    #[test]
    fn a_checksum_that_the_card_will_complete_stays_one(
        world in worlds(),
        source in v4(),
        destination in v4(),
        tcp: bool,
        data in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        let body = if tcp { Body::Tcp(data) } else { Body::Udp(data) };
        let four = Four::new(&source.to_string(), &destination.to_string(), body.protocol_v4());
        let packet = bytes_of(&four.with(body.in_v4(four.ends())));
        // What stands in the field then is the folded sum of the pseudo-header.
        let pseudo = |packet: &[u8], header: usize| {
            let upper = packet.len() - header;
            let mut bytes = packet[if header == 20 { 12..20 } else { 8..40 }].to_vec();
            bytes.extend((upper as u32).to_be_bytes());
            bytes.extend([0, four.protocol]);
            !encode::internet_checksum(&bytes)
        };
        let mut plan_for = Plan::EMPTY;
        prop_assert_eq!(plan(&world, packet.as_slice(), &mut plan_for), Ok(()));
        let out = carry_out(&plan_for, &packet).remove(0);
        prop_assert_eq!(plan_for.shape, Shape::FourToSix);
        let partial = plan_for.checksum_from(pseudo(&packet, 20), true);
        prop_assert_eq!(partial % 0xffff, pseudo(&out, 40) % 0xffff);
        // And back.
        prop_assert_eq!(plan(&world, out.as_slice(), &mut plan_for), Ok(()));
        let back = carry_out(&plan_for, &out).remove(0);
        let partial = plan_for.checksum_from(partial, true);
        prop_assert_eq!(partial % 0xffff, pseudo(&back, 20) % 0xffff);
    }

    #[test]
    fn a_large_segment_is_judged_by_what_it_becomes_on_the_wire(
        world in worlds(),
        source in v4(),
        destination in v4(),
        segment in 500u32..1460,
        dont_fragment: bool,
    ) {
        let four = Four {
            dont_fragment,
            ..Four::new(&source.to_string(), &destination.to_string(), 6)
        };
        let packet = bytes_of(&four.with(encode::tcp(four.ends(), 1, 2, 0x10, &encode::seq(0, 60_000))));
        let view = Segment { packet: &packet, wire: 40 + segment };
        let world = NativeWorld { lowest_ipv6_mtu: 1500, ..world };
        let mut plan_for = Plan::EMPTY;
        let planned = plan(&world, &view, &mut plan_for);
        if 60 + segment <= 1500 {
            prop_assert_eq!(planned, Ok(()));
            prop_assert_eq!(plan_for.pieces(), 1, "never cut");
            let out = carry_out(&plan_for, &packet).remove(0);
            if let Err(wrong) = judge(&out) {
                return Err(TestCaseError::fail(wrong));
            }
            let view = Segment { packet: &out, wire: 60 + segment };
            prop_assert_eq!(plan(&world, &view, &mut plan_for), Ok(()));
            let back = carry_out(&plan_for, &out).remove(0);
            let field = u16::from_be_bytes([back[6], back[7]]);
            prop_assert_eq!(field == 0x4000, 40 + segment > 1260, "DF by the segment");
        } else {
            prop_assert_eq!(planned, Err(Reason::TooBig));
            prop_assert_eq!(plan_for.answer, Answer::new(4, 3, 4, 1480));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        packet in prop::collection::vec(any::<u8>(), 0..200),
        version in prop::sample::select(vec![4u8, 6]),
    ) {
        let mut packet = packet;
        if let Some(first) = packet.first_mut() {
            *first = version << 4 | *first & 0x0f;
        }
        everything(&packet)?;
    }

    #[test]
    fn no_vector_that_is_spoilt_makes_it_panic(
        index: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
        mend: bool,
    ) {
        let all = vector_packets();
        let mut packet = all[index.index(all.len())].clone();
        for (at, value) in flips {
            let at = at.index(packet.len().min(120));
            packet[at] = value;
        }
        if mend && packet[0] >> 4 == 4 && packet.len() >= 20 {
            // So that more than the header checksum is tried.
            let header = (usize::from(packet[0] & 15) * 4).clamp(20, packet.len());
            packet[10..12].fill(0);
            let checksum = encode::internet_checksum(&packet[..header]);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        everything(&packet)?;
        packet.truncate(cut.index(packet.len()));
        everything(&packet)?;
    }

    #[test]
    fn one_prefix_for_another_changes_nothing_but_addresses(
        internal: u64,
        external: u64,
        bits in 1u8..=64,
        rest: u64,
        low: u64,
        body in bodies(),
        hop_limit in 3u8..=255,
    ) {
        let usable = |high: u64| V6::new(0x2000_0000_0000_0000 | high >> 4, 0).masked(bits);
        let (internal, external) = (usable(internal), usable(external));
        let npt = Npt::new(internal, bits, external, bits).unwrap();
        let free = !V6::new(u64::MAX, 0).masked(bits).high;
        let inside = V6::new(internal.high | rest & free, low);
        let six = Six {
            hop_limit,
            ..Six::new(&Ipv6Addr::from(inside).to_string(), "2001:db8::9", body.protocol_v6())
        };
        let packet = bytes_of(&six.with(body.in_v6(six.ends())));
        let mut out = Plan::EMPTY;
        match plan_prefix(&npt, Way::Outbound, true, packet.as_slice(), &mut out) {
            Ok(()) => {}
            Err(reason) => {
                prop_assert!([Reason::SubnetNotMapped, Reason::IllegalSource, Reason::InterfaceAllOnes].contains(&reason));
                return Ok(());
            }
        }
        let there = carry_out(&out, &packet).remove(0);
        prop_assert_eq!(there.len(), packet.len());
        prop_assert_eq!(there[7], hop_limit - 1);
        prop_assert_eq!(out.checksum, Checksum::Keep);
        if let Err(wrong) = judge(&there) {
            return Err(TestCaseError::fail(wrong));
        }
        let error = matches!(body, Body::Error(..));
        if !error {
            prop_assert_eq!(&there[24..], &packet[24..]);
        }
        // The answer: source and destination change places.
        let mut answer = there.clone();
        answer[8..24].copy_from_slice(&there[24..40]);
        answer[24..40].copy_from_slice(&there[8..24]);
        if !error {
            prop_assert_eq!(plan_prefix(&npt, Way::Inbound, true, answer.as_slice(), &mut out), Ok(()));
            let back = carry_out(&out, &answer).remove(0);
            prop_assert_eq!(&back[24..40], &packet[8..24]);
        }
    }
}

/// A packet that is a large segment.
struct Segment<'a> {
    packet: &'a [u8],
    wire: u32,
}

impl View for Segment<'_> {
    fn bytes(&self) -> u32 {
        self.packet.bytes()
    }
    fn wire_bytes(&self) -> Option<u32> {
        Some(self.wire)
    }
    fn near<const OFFSET: usize, const W: usize>(&self) -> Option<[u64; W]> {
        self.packet.near::<OFFSET, W>()
    }
    fn far<const W: usize>(&self, offset: u32) -> Option<[u64; W]> {
        self.packet.far(offset)
    }
    fn pair(&self, offset: u32) -> Option<u16> {
        self.packet.pair(offset)
    }
    fn sum(&self, offset: u32, bytes: u32) -> Option<u16> {
        self.packet.sum(offset, bytes)
    }
}

fn vector_packets() -> &'static [Vec<u8>] {
    static ALL: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        file::all()
            .iter()
            .map(|(_, vector)| read_bytes(&vector.input))
            .filter(|packet| !packet.is_empty())
            .collect()
    })
}

/// A packet through every world, both prefix translations, and the answers: what
/// comes out is as long as it says, and what is asked twice is answered alike.
pub(crate) fn everything(packet: &[u8]) -> Result<(), TestCaseError> {
    static WORLDS: std::sync::OnceLock<Vec<(NativeWorld, Option<Npt>)>> =
        std::sync::OnceLock::new();
    let worlds = WORLDS.get_or_init(|| {
        let mut out = Vec::new();
        for (name, settings) in file::worlds() {
            let vector = file::vector_in(&name);
            let world = file::world_of(&vector, &file::worlds());
            let npt = name.starts_with("npt").then(|| settings.npt());
            for hairpin in [
                iryonet_translate::Hairpin::Off,
                iryonet_translate::Hairpin::Simple,
                iryonet_translate::Hairpin::Intrinsic,
            ] {
                out.push((
                    NativeWorld {
                        hairpin,
                        udp_zero: UdpZero::Compute,
                        illegal_error_sources: true,
                        mtu_v4: 576,
                        ..world.clone()
                    },
                    npt,
                ));
            }
        }
        out
    });
    for (world, npt) in worlds {
        let mut first = Plan::EMPTY;
        let planned = plan(world, packet, &mut first);
        check(&first, planned, packet)?;
        // A plan that was used before plans the same.
        let mut again = first.clone();
        prop_assert_eq!(plan(world, packet, &mut again), planned);
        if planned.is_ok() {
            prop_assert_eq!(carry_out(&again, packet), carry_out(&first, packet));
        }
        if let Some(npt) = npt {
            for way in [Way::Outbound, Way::Inbound] {
                let planned = plan_prefix(npt, way, true, packet, &mut again);
                check(&again, planned, packet)?;
            }
        }
    }
    Ok(())
}

fn check(plan: &Plan, planned: Result<(), Reason>, packet: &[u8]) -> Result<(), TestCaseError> {
    match planned {
        Ok(()) => {
            let out = carry_out(plan, packet);
            prop_assert_eq!(out.len() as u32, plan.pieces());
            for piece in &out {
                let stated = if piece[0] >> 4 == 4 {
                    u16::from_be_bytes([piece[2], piece[3]]).into()
                } else {
                    40 + usize::from(u16::from_be_bytes([piece[4], piece[5]]))
                };
                prop_assert_eq!(piece.len(), stated);
            }
            if let [one] = out.as_slice() {
                prop_assert_eq!(one.len() as u32, plan.bytes);
            }
        }
        Err(_) => {
            let mut out = [0; iryonet_translate::ANSWER_BYTES_MAX];
            let own = V6::new(0x2001_0db8_0000_0000, 1);
            if let Some(bytes) = write_answer(plan.answer, packet, 0x0a00_0001, own, 9, &mut out) {
                prop_assert!(!plan.answer.is_silent());
                if let Err(wrong) = judge(&out[..bytes]) {
                    return Err(TestCaseError::fail(format!("answer: {wrong}")));
                }
            }
        }
    }
    Ok(())
}
