//! What real servers said, and what they might have said: the fuzzer's corpus,
//! replayed whole, cut short, and with octets changed. Nothing panics, every
//! conversation ends, and it does not matter how the network cuts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

use iryonet_tlscheck::fuzzing::{first_flight_says, server_says};
use proptest::prelude::*;
use std::path::Path;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tls-server");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 30, "the corpus is not there");
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

#[test]
fn what_servers_said_is_heard_in_every_conversation() {
    for octets in corpus() {
        server_says(&octets);
    }
}

#[test]
fn an_answer_may_end_at_any_octet() {
    for octets in corpus() {
        for end in 0..octets.len().min(1500) {
            first_flight_says(&octets[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_octet_of_an_answer_may_be_another(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let corpus = corpus();
        let mut octets = file.get(&corpus).clone();
        for (place, octet) in changes {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        first_flight_says(&octets);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn also_where_a_handshake_would_go_on(
        file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let corpus = corpus();
        let mut octets = file.get(&corpus).clone();
        let place = place.index(octets.len());
        octets[place] = octet;
        server_says(&octets);
    }
}
