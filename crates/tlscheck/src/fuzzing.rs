//! What the fuzzer and the replay of its corpus call: a stranger's octets, to
//! every machine that reads them. Nothing may panic, everything has to end, and
//! it must not matter how the network cuts what was sent.

use crate::certificate::{Chain, Usage, Wanted};
use crate::crypto::agree::{CURVES, Share};
use crate::group::Group;
use crate::scheme::Scheme;
use crate::suite::{HIGH_SECURITY, TLS13};
use crate::talk::carried::Then;
use crate::talk::flight::{Answer, FirstFlight};
use crate::talk::full12::Full12;
use crate::talk::full13::Full13;
use crate::talk::{Conversation, Ending, Refusal};
use crate::version::Version;
use crate::wire::client_hello::{ClientHello, HelloRead};
use iryonet_domain::UnixMillis;

/// Hears `octets` as a server's first flight, and reads the chain in it.
///
/// # Panics
/// When the conversation does not end, or tells different things of the same
/// octets cut differently: both are faults of this crate.
pub fn first_flight_says(octets: &[u8]) {
    let first = |cut| {
        let mut talk = FirstFlight::new(&hello(Version::Tls12));
        hear(&mut talk, octets, cut);
        match talk.answer() {
            Answer::Refused(refusal) => Answer::Refused(told(refusal)),
            flight => flight,
        }
    };
    let whole = first(octets.len());
    assert_eq!(whole, first(1), "cut into single octets");
    assert_eq!(whole, first(7), "cut into sevens");
    if let Answer::Flight(flight) = &whole {
        let wanted = Wanted::Name("claims.example");
        let _ = Chain::read(&flight.chain, None, &wanted, UnixMillis(0), Usage::Server);
    }
}

/// Hears `octets` as a server's, in every conversation.
///
/// # Panics
/// As [`first_flight_says`].
pub fn server_says(octets: &[u8]) {
    first_flight_says(octets);
    let second = |cut, then| {
        let mut talk = Full12::new(hello(Version::Tls12), None, then, [7; 32]);
        hear(&mut talk, octets, cut);
        let carried = talk.carried();
        (carried.refused.map(told), carried.answered)
    };
    let whole = second(octets.len(), Then::Wait);
    assert_eq!(whole, second(5, Then::Renegotiate), "cut into fives");
    let third = |cut| {
        let shares = CURVES.into_iter().filter_map(Share::generate).collect();
        let mut talk = Full13::new(hello(Version::Tls13), shares, None, Then::Wait);
        hear(&mut talk, octets, cut);
        let carried = talk.carried();
        (carried.refused.map(told), carried.answered)
    };
    assert_eq!(third(octets.len()), third(3), "cut into threes");
}

/// Reads `octets` as the body of a client's hello.
pub fn client_says(octets: &[u8]) {
    let _ = HelloRead::read(octets);
}

/// How a stranger's octets begin depends on how many are there already.
fn told(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NotTls(_) => Refusal::NotTls(String::new()),
        other => other,
    }
}

fn hello(version: Version) -> ClientHello {
    let modern = version == Version::Tls13;
    ClientHello {
        legacy_version: Version::Tls12.code(),
        random: [3; 32],
        suites: if modern {
            TLS13.to_vec()
        } else {
            HIGH_SECURITY.to_vec()
        },
        versions: if modern { vec![version] } else { Vec::new() },
        groups: Group::all().collect(),
        schemes: Scheme::all().collect(),
        ..ClientHello::default()
    }
}

fn hear(talk: &mut impl Conversation, octets: &[u8], cut: usize) {
    let _ = talk.start();
    for part in octets.chunks(cut.max(1)) {
        if talk.is_over() {
            break;
        }
        let _ = talk.receive(part);
    }
    if !talk.is_over() {
        talk.end(Ending::Closed);
    }
    assert!(talk.is_over(), "a conversation that does not end");
    let _ = talk.farewell();
}
