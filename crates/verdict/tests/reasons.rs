//! The promise: every reason is given for what it says, and nothing else is let
//! through. One small gateway, one frame for each reason, and the same frames
//! as files (`fuzz/corpus/packet`, which the fuzzer starts from), so that what
//! a file once meant it goes on meaning. `IRYONET_BLESS=1` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise, and tells what it did"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use iryonet_verdict::address::site_prefix;
use iryonet_verdict::native::{NativeWorld, Setting};
use iryonet_verdict::{DenyReason, Hook, ParticipantState, Verdict};
use proptest::prelude::*;

const LINE: u32 = 10;
const UNBOUND: u32 = 11;
const EXPIRED: u32 = 12;
const QUARANTINED: u32 = 13;
const CLOSED: u32 = 14;
const BACKBONE: u32 = 20;

fn address(participant: u32, host: u128) -> u128 {
    u128::from(site_prefix(0x2001_0db8, participant, 0)) << 64 | host
}

/// Participant 1 at the line; 2 serves 443 to it and 53 to nobody; 4 is
/// quarantined, 5 closed. A conversation and a first fragment have passed.
fn world() -> NativeWorld {
    let mut world = NativeWorld::new(Setting::default());
    world.set_now_ns(1_000_000_000_000);
    for number in [1, 2, 3, 4, 5] {
        let state = match number {
            4 => ParticipantState::Quarantined,
            5 => ParticipantState::NotLive,
            _ => ParticipantState::Live,
        };
        world.set_participant(number, state, 1).unwrap();
    }
    for (participant, port, service) in [(2, 443, 7), (2, 53, 8), (5, 443, 9)] {
        world.set_endpoint(address(participant, 1), 6, port, service);
    }
    world.set_grant(1, 7).unwrap();
    world.set_grant(1, 9).unwrap();
    world.set_base_service(address(0, 53), 17, 53);
    for (line, participant, lease_ns) in [
        (LINE, 1, u64::MAX),
        (EXPIRED, 3, 1_000_000_000_000),
        (QUARANTINED, 4, u64::MAX),
        (CLOSED, 5, u64::MAX),
    ] {
        world.bind(line, participant, 0, lease_ns);
    }
    let open = tcp(address(1, 1), address(2, 1), 5000, 443, 0x02);
    assert_eq!(world.run(Hook::LineIn, LINE, &open), Ok(()));
    let first = fragment(1, 0, true, &segment(5000, 443, 0x10, 12));
    assert_eq!(world.run(Hook::LineIn, LINE, &first), Ok(()));
    world
}

fn frame(source: u128, destination: u128, next: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0,
    ];
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next, hop_limit]);
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend(payload);
    frame
}

fn segment(source: u16, destination: u16, flags: u8, data: usize) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
    segment.resize(20 + data, 0);
    segment
}

fn tcp(source: u128, destination: u128, from: u16, to: u16, flags: u8) -> Vec<u8> {
    frame(source, destination, 6, 64, &segment(from, to, flags, 0))
}

/// A granted packet behind these extension headers, each told its next header.
fn behind(headers: &[(u8, &[u8])]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (i, (_, body)) in headers.iter().enumerate() {
        payload.push(headers.get(i + 1).map_or(6, |(next, _)| *next));
        payload.extend(*body);
    }
    payload.extend(segment(5000, 443, 0x10, 0));
    frame(address(1, 1), address(2, 1), headers[0].0, 64, &payload)
}

fn fragment(id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let mut payload = vec![6, 0];
    payload.extend((offset | u16::from(more)).to_be_bytes());
    payload.extend(id.to_be_bytes());
    payload.extend(data);
    frame(address(1, 1), address(2, 1), 44, 64, &payload)
}

fn icmp(source: u128, destination: u128, hop_limit: u8, kind: u8, data: &[u8]) -> Vec<u8> {
    frame(
        source,
        destination,
        58,
        hop_limit,
        &[&[kind, 0, 0, 0, 0, 9, 0, 1], data].concat(),
    )
}

/// A listener message behind a router alert, as Linux sends it.
fn listener(source: u128, destination: u128, hop_limit: u8, kind: u8) -> Vec<u8> {
    let mut payload = vec![58, 0, 5, 2, 0, 0, 1, 0, kind, 0, 0, 0, 0, 0, 0, 1];
    payload.extend([4, 0, 0, 0]);
    payload.extend((0xff02 << 112 | 0x1_ff00_0009_u128).to_be_bytes());
    frame(source, destination, 0, hop_limit, &payload)
}

const PAD: &[u8] = &[0, 1, 4, 0, 0, 0, 0];

/// Frames and what is decided about them.
fn cases() -> Vec<(Hook, u32, Vec<u8>, Verdict)> {
    use DenyReason as No;
    use Hook::{BackboneIn, LineIn, LineOut};
    let (site, service) = (address(1, 1), address(2, 1));
    let link = |host: u128| 0xfe80 << 112 | host;
    let outside = 0x2001_0db9 << 96 | 1;
    let sent = tcp(site, service, 5000, 443, 0x10);
    let mut long = sent.clone();
    long[19] += 1;
    let mut arp = sent.clone();
    arp[12..14].copy_from_slice(&[8, 6]);
    let mut whole: Vec<_> = vec![
        // What has to pass.
        (LineIn, LINE, sent.clone(), Ok(())),
        (LineOut, LINE, tcp(service, site, 443, 5000, 0x12), Ok(())),
        (LineIn, LINE, behind(&[(0, PAD), (60, PAD)]), Ok(())),
        (
            LineIn,
            LINE,
            behind(&[(43, &[0, 4, 0, 0, 0, 0, 0])]),
            Ok(()),
        ),
        (
            LineIn,
            LINE,
            behind(&[(44, &[0, 0, 0, 0, 0, 0, 3])]),
            Ok(()),
        ),
        (LineIn, LINE, fragment(1, 32, false, &[0; 9]), Ok(())),
        (
            LineIn,
            UNBOUND,
            icmp(link(9), link(1), 255, 135, &[0; 16]),
            Ok(()),
        ),
        (
            LineIn,
            UNBOUND,
            tcp(link(9), link(1), 4000, 4430, 0x02),
            Ok(()),
        ),
        (
            LineIn,
            UNBOUND,
            tcp(link(9), link(1), 4000, 4431, 0x02),
            Ok(()),
        ),
        (
            LineOut,
            UNBOUND,
            tcp(link(1), link(9), 4430, 4000, 0x12),
            Ok(()),
        ),
        (
            LineOut,
            LINE,
            icmp(service, site, 64, 1, &sent[14..]),
            Ok(()),
        ),
        (
            LineOut,
            LINE,
            icmp(address(0, 9), site, 64, 2, &sent[14..]),
            Ok(()),
        ),
        (
            BackboneIn,
            BACKBONE,
            tcp(service, address(3, 1), 1, 2, 0x02),
            Ok(()),
        ),
        (
            BackboneIn,
            BACKBONE,
            tcp(address(0, 1), address(0, 2), 1, 2, 0x02),
            Ok(()),
        ),
    ];
    let refused = vec![
        (LineIn, LINE, arp, No::NotIpv6),
        (LineIn, LINE, long, No::Malformed),
        (LineIn, LINE, sent[..60].to_vec(), No::Malformed),
        (LineIn, LINE, sent[..20].to_vec(), No::Malformed),
        (
            LineIn,
            LINE,
            behind(&[(60, PAD); 9]),
            No::ExtensionChainTooLong,
        ),
        (
            LineIn,
            LINE,
            behind(&[(60, PAD), (0, PAD)]),
            No::HopByHopMisplaced,
        ),
        (
            LineIn,
            LINE,
            behind(&[(43, &[0, 0, 0, 0, 0, 0, 0])]),
            No::RoutingHeader,
        ),
        (
            LineIn,
            LINE,
            behind(&[(43, &[0, 4, 1, 0, 0, 0, 0])]),
            No::RoutingHeader,
        ),
        (
            LineIn,
            LINE,
            behind(&[(0, &[0, 0xc2, 4, 0, 1, 0, 0])]),
            No::JumboPayload,
        ),
        (
            LineIn,
            LINE,
            frame(site, service, 50, 64, &[0; 40]),
            No::UnsupportedProtocol,
        ),
        (
            LineIn,
            LINE,
            frame(site, service, 59, 64, &[0; 40]),
            No::UnsupportedProtocol,
        ),
        (
            LineIn,
            LINE,
            fragment(2, 0, true, &segment(5000, 443, 0x10, 0)[..16]),
            No::FirstFragmentIncomplete,
        ),
        (
            LineIn,
            LINE,
            fragment(9, 32, false, &[0; 8]),
            No::FragmentWithoutFirst,
        ),
        (
            LineIn,
            LINE,
            fragment(1, 16, false, &[0; 8]),
            No::FragmentOverlap,
        ),
        (
            LineIn,
            LINE,
            behind(&[(44, &[0, 0, 0, 0, 0, 0, 3]), (44, &[0, 0, 0, 0, 0, 0, 3])]),
            No::FragmentNotAllowed,
        ),
        (
            LineIn,
            UNBOUND,
            tcp(link(9), link(1), 4000, 22, 0x02),
            No::NotBaseTraffic,
        ),
        (
            LineIn,
            UNBOUND,
            icmp(link(9), link(1), 255, 137, &[0; 32]),
            No::NotBaseTraffic,
        ),
        (
            LineIn,
            UNBOUND,
            icmp(link(9), link(1), 64, 135, &[0; 16]),
            No::NotBaseTraffic,
        ),
        (
            LineOut,
            UNBOUND,
            tcp(link(1), link(9), 4430, 4000, 0x02),
            No::NotBaseTraffic,
        ),
        (LineIn, UNBOUND, sent.clone(), No::NotAttached),
        (
            LineIn,
            EXPIRED,
            tcp(address(3, 1), service, 1, 443, 0x02),
            No::LeaseExpired,
        ),
        (
            LineIn,
            LINE,
            tcp(address(2, 9), service, 1, 443, 0x02),
            No::SpoofedSource,
        ),
        (BackboneIn, BACKBONE, sent.clone(), No::SpoofedFromBackbone),
        (
            LineIn,
            LINE,
            tcp(site, outside, 1, 443, 0x02),
            No::OutsideNetwork,
        ),
        (
            LineOut,
            LINE,
            tcp(outside, site, 1, 443, 0x02),
            No::SourceOutsideNetwork,
        ),
        (
            LineOut,
            LINE,
            tcp(service, address(3, 1), 443, 1, 0x12),
            No::NotOwner,
        ),
        (
            LineIn,
            CLOSED,
            tcp(address(5, 1), service, 1, 443, 0x02),
            No::NotLive,
        ),
        (
            LineOut,
            LINE,
            tcp(address(77, 1), site, 1, 443, 0x02),
            No::NotLive,
        ),
        (
            LineIn,
            QUARANTINED,
            tcp(address(4, 1), service, 1, 443, 0x02),
            No::Quarantined,
        ),
        (
            LineIn,
            LINE,
            tcp(site, address(5, 1), 1, 443, 0x02),
            No::PeerNotLive,
        ),
        (
            LineIn,
            LINE,
            tcp(site, address(0, 53), 1, 22, 0x02),
            No::NotABaseService,
        ),
        (
            LineOut,
            LINE,
            tcp(address(0, 53), site, 22, 1, 0x12),
            No::NotABaseService,
        ),
        (
            LineIn,
            LINE,
            tcp(site, address(3, 1), 1, 443, 0x02),
            No::NoSuchService,
        ),
        (
            LineOut,
            LINE,
            tcp(service, site, 443, 5000, 0x02),
            No::NoSuchService,
        ),
        (
            LineOut,
            LINE,
            tcp(service, site, 443, 5001, 0x12),
            No::NoSuchService,
        ),
        (
            LineIn,
            LINE,
            tcp(site, service, 1, 80, 0x02),
            No::PortNotInService,
        ),
        (
            LineIn,
            LINE,
            tcp(site, service, 1, 53, 0x02),
            No::NoAgreement,
        ),
        (
            LineOut,
            LINE,
            icmp(service, site, 64, 129, &[]),
            No::ReplyWithoutFlow,
        ),
        (
            LineIn,
            LINE,
            icmp(site, service, 64, 135, &[0; 16]),
            No::IcmpTypeNotAllowed,
        ),
        (
            LineOut,
            LINE,
            icmp(address(3, 1), site, 64, 1, &sent[14..]),
            No::IcmpErrorWithoutFlow,
        ),
        (
            LineIn,
            LINE,
            icmp(site, service, 64, 1, &sent[14..]),
            No::IcmpErrorWithoutFlow,
        ),
    ];
    whole.extend(
        refused
            .into_iter()
            .map(|(hook, line, frame, no)| (hook, line, frame, Err(no))),
    );
    whole.extend(neighbours());
    whole
}

/// Neighbour discovery of who stands on a line with an address of the network,
/// and what hosts tell about groups.
fn neighbours() -> Vec<(Hook, u32, Vec<u8>, Verdict)> {
    use Hook::{BackboneIn, LineIn, LineOut};
    let site = address(1, 1);
    let link = |host: u128| 0xfe80 << 112 | host;
    let group = |group: u128| 0xff02 << 112 | group;
    // Where who has fe80::1 is looked for, and where listeners are reported.
    let (nodes, all, reports) = (group(0x1_ff00_0001), group(1), group(0x16));
    let mut unalerted = listener(link(9), reports, 1, 143);
    unalerted[56] = 1;
    let mut cases = vec![
        (LineIn, LINE, icmp(site, nodes, 255, 135, &[0; 16]), Ok(())),
        (
            LineIn,
            LINE,
            icmp(site, link(1), 255, 135, &[0; 16]),
            Ok(()),
        ),
        (
            LineOut,
            LINE,
            icmp(link(1), site, 255, 136, &[0; 16]),
            Ok(()),
        ),
        (LineIn, UNBOUND, listener(link(9), reports, 1, 143), Ok(())),
        (LineIn, UNBOUND, listener(0, reports, 1, 143), Ok(())),
        (LineIn, UNBOUND, listener(link(9), nodes, 1, 131), Ok(())),
        (LineIn, UNBOUND, listener(link(9), all, 1, 130), Ok(())),
        (LineOut, UNBOUND, listener(link(1), reports, 1, 143), Ok(())),
        (
            BackboneIn,
            BACKBONE,
            listener(link(9), reports, 1, 143),
            Ok(()),
        ),
    ];
    let refused = [
        // Asking a neighbour from an address of the network: of another site, on
        // a line that is not bound, and on one whose lease has ended.
        (LineIn, LINE, icmp(address(2, 9), nodes, 255, 135, &[0; 16])),
        (LineIn, UNBOUND, icmp(site, nodes, 255, 135, &[0; 16])),
        (
            LineIn,
            EXPIRED,
            icmp(address(3, 1), nodes, 255, 135, &[0; 16]),
        ),
        (LineIn, LINE, icmp(site, nodes, 64, 135, &[0; 16])),
        (LineIn, LINE, icmp(site, link(1), 255, 133, &[0; 16])),
        (
            LineOut,
            LINE,
            icmp(link(1), address(3, 1), 255, 136, &[0; 16]),
        ),
        // Listener messages that come from further away, go further, ask where
        // nobody asks, or are something else behind the same header.
        (LineIn, UNBOUND, listener(site, reports, 1, 143)),
        (LineIn, UNBOUND, listener(link(9), reports, 64, 143)),
        (LineIn, UNBOUND, listener(link(9), link(1), 1, 143)),
        (LineOut, LINE, listener(link(1), reports, 1, 130)),
        (LineIn, UNBOUND, listener(0, reports, 1, 130)),
        (LineIn, UNBOUND, listener(link(9), reports, 1, 135)),
        (LineIn, UNBOUND, unalerted),
    ];
    let no = Err(DenyReason::NotBaseTraffic);
    cases.extend(refused.map(|(hook, line, frame)| (hook, line, frame, no)));
    cases
}

#[test]
fn every_reason_is_given_for_what_it_says() {
    let mut given = BTreeSet::new();
    for (hook, ifindex, frame, expected) in cases() {
        let verdict = world().run(hook, ifindex, &frame);
        assert_eq!(verdict, expected, "{hook:?} on {ifindex}: {frame:02x?}");
        given.extend(verdict.err());
    }
    let missing: Vec<_> = DenyReason::ALL
        .iter()
        .filter(|reason| !given.contains(reason))
        .collect();
    assert_eq!(
        missing,
        [&DenyReason::TableUnavailable],
        "only a broken table cannot be shown"
    );
}

#[test]
fn a_conversation_idle_for_too_long_takes_no_more_answers() {
    let mut world = world();
    let answer = tcp(address(2, 1), address(1, 1), 443, 5000, 0x10);
    world.set_now_ns(1_000_000_000_000 + 7_440_000_000_000);
    assert_eq!(world.run(Hook::LineOut, LINE, &answer), Ok(()));
    world.set_now_ns(1_000_000_000_000 + 3 * 7_440_000_000_000);
    assert_eq!(
        world.run(Hook::LineOut, LINE, &answer),
        Err(DenyReason::NoSuchService)
    );
    let again = tcp(address(1, 1), address(2, 1), 5000, 443, 0x10);
    assert_eq!(
        world.run(Hook::LineIn, LINE, &again),
        Ok(()),
        "the one who has the grant may"
    );
    assert_eq!(world.run(Hook::LineOut, LINE, &answer), Ok(()));
}

#[test]
fn a_fragment_that_comes_too_late_or_after_a_change_is_refused() {
    let later = fragment(1, 32, false, &[0; 9]);
    let mut late = world();
    late.set_now_ns(1_000_000_000_000 + iryonet_verdict::FRAGMENT_LIFETIME_NS);
    assert_eq!(
        late.run(Hook::LineIn, LINE, &later),
        Err(DenyReason::FragmentWithoutFirst)
    );
    let mut cut = world();
    cut.remove_grant(1, 7).unwrap();
    assert_eq!(
        cut.run(Hook::LineIn, LINE, &later),
        Err(DenyReason::FragmentWithoutFirst)
    );
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/packet")
}

fn name(verdict: &Verdict) -> &'static str {
    verdict.map_or_else(DenyReason::as_str, |()| "pass")
}

#[test]
fn the_corpus_means_what_it_meant() {
    if std::env::var_os("IRYONET_BLESS").is_some() {
        for (index, (hook, ifindex, frame, verdict)) in cases().into_iter().enumerate() {
            let file = format!("{index:03}.{}.{ifindex}.{}", hook.as_str(), name(&verdict));
            std::fs::write(corpus().join(file), frame).unwrap();
        }
    }
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    }
    assert!(files.len() >= 50, "the corpus is there");
    for (file, path) in files {
        let frame = std::fs::read(path).unwrap();
        let parts: Vec<&str> = file.split('.').collect();
        for hook in Hook::ALL {
            let verdict = world().run(hook, parts[2].parse().unwrap(), &frame);
            if hook.as_str() == parts[1] {
                assert_eq!(name(&verdict), parts[3], "{file}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_frame_makes_the_verdict_panic(
        frame in prop::collection::vec(any::<u8>(), 0..300),
        hook in 0u8..3,
    ) {
        let _ = world().run(Hook::from_number(hook).unwrap(), LINE, &frame);
    }

    #[test]
    fn what_is_cut_short_never_passes_as_more_than_it_is(
        case in 0usize..14,
        flip in 14usize..110,
        bit in 0u8..8,
        cut in 14usize..200,
    ) {
        let (hook, ifindex, mut frame, _) = cases().swap_remove(case);
        // A frame shorter than its own header says is refused, whatever else it says.
        if cut < frame.len() {
            let verdict = world().run(hook, ifindex, &frame[..cut]);
            prop_assert!(verdict.is_err(), "{:?}", verdict);
        }
        let at = flip.min(frame.len() - 1);
        frame[at] ^= 1 << bit;
        let _ = world().run(hook, ifindex, &frame);
    }
}
