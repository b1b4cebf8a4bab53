//! Foreign judges: what this crate makes is accepted by programs that know
//! nothing of it. `tlog_tiles` is the Rust port of the code that runs Go's
//! checksum database; openssl verifies the Ed25519 signatures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod common;

use common::*;
use iryonet_ledger::merkle::proof::{consistency, inclusion};
use iryonet_ledger::merkle::tile::{TileId, TilePath};
use iryonet_ledger::merkle::{leaf_of_entry, root};
use iryonet_ledger::{Hash, Signed};
use std::process::Command;
use tlog_tiles::tlog::{Hash as TheirHash, check_record, check_tree, record_hash};

fn theirs(hash: Hash) -> TheirHash {
    TheirHash(hash.0)
}

#[test]
fn leaves_and_proofs_are_accepted_by_the_checksum_databases_code() {
    let entries = ledger(150);
    let mut nodes = tree(&entries);
    for size in 1..=150u64 {
        let size_root = theirs(root(&mut nodes, size).unwrap());
        for index in (0..size).step_by(7).chain([size - 1]) {
            let entry = &entries[index as usize];
            let leaf = record_hash(&entry.hash.0);
            assert_eq!(leaf.0, leaf_of_entry(entry.hash).0);
            let path = inclusion(&mut nodes, index, size).unwrap().unwrap();
            let path = path.into_iter().map(theirs).collect();
            check_record(&path, size, size_root, index, leaf).unwrap();
        }
        for old in (1..=size).step_by(5) {
            let proof = consistency(&mut nodes, old, size).unwrap().unwrap();
            let proof = proof.into_iter().map(theirs).collect();
            let old_root = theirs(root(&mut nodes, old).unwrap());
            check_tree(&proof, size, size_root, old, old_root).unwrap();
        }
    }
}

#[test]
fn tiles_have_the_names_that_the_checksum_database_gives_them() {
    for (level, index, width) in [
        (0, 0, 256),
        (1, 999, 3),
        (2, 1_000, 256),
        (0, 1_234_067, 255),
    ] {
        let ours = TilePath {
            tile: TileId { level, index },
            width,
        };
        let width = u32::try_from(width).unwrap();
        let their = tlog_tiles::Tile::new(8, level, index, width, false).path();
        assert_eq!(format!("tile/8/{ours}"), their);
    }
}

#[test]
fn a_checkpoint_is_read_by_the_checksum_databases_code() {
    let signed = signed(&ledger(9));
    let their = tlog_tiles::Checkpoint::from_bytes(signed.note().text().as_bytes()).unwrap();
    assert_eq!(their.origin(), "example.jp/ledger");
    assert_eq!(their.size(), 9);
    assert_eq!(their.hash().0, signed.checkpoint().root.0);
}

#[test]
fn openssl_verifies_the_ledgers_signature_and_the_witnesss() {
    let mut signed = signed(&ledger(9));
    let cosignature = signed.cosignature(&witness_key(), 1_800_000_000).unwrap();
    signed.add(cosignature).unwrap();
    let [ours, theirs] = signed.note().signatures() else {
        panic!("two signatures were expected");
    };
    let text = signed.note().text().to_owned();
    assert!(openssl(
        log_key().verifier().public(),
        text.as_bytes(),
        &ours.bytes
    ));
    let message = format!("cosignature/v1\ntime 1800000000\n{text}");
    assert!(openssl(
        witness_key().verifier().public(),
        message.as_bytes(),
        &theirs.bytes[8..]
    ));
    // And it would say no.
    let other = Signed::new(&log_key(), 10, signed.checkpoint().root).unwrap();
    assert!(!openssl(
        log_key().verifier().public(),
        other.note().text().as_bytes(),
        &ours.bytes
    ));
}

fn openssl(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 4).
    let mut der = hex::decode("302a300506032b6570032100").unwrap();
    der.extend(public);
    let output = Command::new("openssl")
        .args([
            "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey",
        ])
        .arg(file("key.der", &der))
        .arg("-in")
        .arg(file("message", message))
        .arg("-sigfile")
        .arg(file("signature", signature))
        .output()
        .unwrap();
    output.status.success()
}
