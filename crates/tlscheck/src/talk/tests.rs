//! Whatever a stranger sends: no conversation panics, each ends, and cutting
//! changes nothing.

use crate::fuzzing::server_says;
use crate::suite::Suite;
use crate::wire::codec::{put_vec, put16};
use crate::wire::record::{ContentType, Message, put_record};
use proptest::prelude::*;

/// A server's flight that begins well: then it may say anything.
fn hello_of(suite: u16, version: u16, extensions: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put16(&mut body, version);
    body.extend([9; 32]);
    put_vec(&mut body, 1, &[]);
    put16(&mut body, suite);
    body.push(0);
    put_vec(&mut body, 2, extensions);
    Message::build(crate::wire::message::SERVER_HELLO, &body).whole
}

fn record(content: ContentType, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_record(&mut out, content, 0x0303, body);
    out
}

fn any_content() -> impl Strategy<Value = ContentType> {
    prop_oneof![
        Just(ContentType::Handshake),
        Just(ContentType::Alert),
        Just(ContentType::ChangeCipherSpec),
        Just(ContentType::Application),
    ]
}

fn any_suite() -> impl Strategy<Value = u16> {
    let codes: Vec<u16> = Suite::classic()
        .into_iter()
        .chain(Suite::tls13())
        .map(|suite| suite.0)
        .collect();
    prop_oneof![prop::sample::select(codes), any::<u16>()]
}

proptest! {
    #[test]
    fn octets_of_any_kind(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        server_says(&octets);
    }

    /// Well-formed records with messages of every kind and any body.
    #[test]
    fn messages_of_any_kind_after_a_good_hello(
        suite in any_suite(),
        version in prop::sample::select(vec![0x0300u16, 0x0301, 0x0303, 0x0304, 0x7F1C]),
        extensions in prop::collection::vec(any::<u8>(), 0..60),
        rest in prop::collection::vec(
            (any_content(), prop::sample::select(vec![0u8, 2, 4, 8, 11, 12, 13, 14, 15, 20, 22, 24]),
             prop::collection::vec(any::<u8>(), 0..120)),
            0..8,
        ),
    ) {
        let mut octets = record(ContentType::Handshake, &hello_of(suite, version, &extensions));
        for (content, kind, body) in rest {
            let body = match content {
                ContentType::Handshake => Message::build(kind, &body).whole,
                _ => body,
            };
            octets.extend(record(content, &body));
        }
        server_says(&octets);
    }

    #[test]
    fn a_clients_hello_of_any_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::client_says(&octets);
    }
}
