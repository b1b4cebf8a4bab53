//! Foreign judges: what this crate makes is accepted by programs that know
//! nothing of it. `tlog_tiles` and `signed_note` are the Rust port of the code
//! that runs Go's checksum database; `sigsum` verifies what Sigsum's logs and
//! witnesses sign; openssl verifies the Ed25519 signatures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod common;

use common::*;
use iryonet_ledger::checkpoint::Cosigned;
use iryonet_ledger::merkle::proof::{consistency, inclusion};
use iryonet_ledger::merkle::tile::{TileId, TileNodes, TilePath, TileTree};
use iryonet_ledger::merkle::{leaf_hash, leaf_of_entry, root};
use iryonet_ledger::{Hash, KeyName, KeyUse, Signed, VerifierKey};
use sha2::{Digest as _, Sha256};
use signed_note::{Note, NoteError, Signer as _, StandardSigner, StandardVerifier, VerifierList};
use sigsum::{Policy, PolicyBuilder, SigsumSignature};
use std::collections::BTreeMap;
use std::convert::Infallible;
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

fn known(key: &VerifierKey) -> VerifierList {
    VerifierList::new(vec![Box::new(
        StandardVerifier::new(&key.to_string()).unwrap(),
    )])
}

#[test]
fn a_signed_note_and_its_keys_are_read_and_made_by_the_checksum_databases_code() {
    let mut ours = signed(&ledger(9));
    let unwitnessed = ours.to_string();
    let cosignature = ours.cosignature(&witness_key(), 1_800_000_000).unwrap();
    ours.add(cosignature).unwrap();
    let note = Note::from_bytes(ours.to_string().as_bytes()).unwrap();
    assert_eq!(note.text(), ours.note().text().as_bytes());
    let log = log_key();
    let (verified, passed_over) = note.verify(&known(log.verifier())).unwrap();
    assert_eq!((verified.len(), passed_over.len()), (1, 1));
    assert_eq!(verified[0].id(), log.verifier().id());
    assert_eq!(passed_over[0].name(), "witness.example/w1");

    // One entry more, and it is refused; the key of another ledger knows nobody.
    let altered = unwitnessed.replacen("\n9\n", "\n10\n", 1);
    let altered = Note::from_bytes(altered.as_bytes()).unwrap();
    assert!(matches!(
        altered.verify(&known(log.verifier())),
        Err(NoteError::InvalidSignature { .. })
    ));
    let stranger = key("example.jp/ledger", KeyUse::Log, 3);
    assert!(matches!(
        note.verify(&known(stranger.verifier())),
        Err(NoteError::UnverifiedNote)
    ));

    // Their signer takes our secret key, and makes the same note of it.
    let signer = StandardSigner::new(log.to_secret_text().trim()).unwrap();
    assert_eq!(signer.key_id(), log.verifier().id());
    let mut theirs = Note::new(ours.note().text().as_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    assert_eq!(theirs.to_bytes(), unwitnessed.as_bytes());
}

fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// The name that every Sigsum log with this key has.
fn sigsum_name(public: &[u8]) -> KeyName {
    KeyName::new(&format!(
        "sigsum.org/v1/tree/{}",
        hex::encode(sha256(public))
    ))
    .unwrap()
}

#[test]
fn a_checkpoint_its_cosignature_and_a_proof_are_accepted_by_sigsums_code() {
    let submitter = key("submitter", KeyUse::Log, 8);
    let nameless = key("log", KeyUse::Log, 7);
    let public = *nameless.verifier().public();
    let log = key(sigsum_name(&public).as_str(), KeyUse::Log, 7);
    let witness = witness_key();

    // A leaf as Sigsum has it: of what is signed, who signed it, and how.
    let message = sha256(b"\xe5\x8f\xb0\xe5\xb8\xb3");
    let checksum = sha256(&message);
    let said = submitter.sign(&[b"sigsum.org/v1/tree-leaf\0".as_slice(), &checksum].concat());
    let submitter_hash = sha256(submitter.verifier().public());
    let data = [&checksum[..], &said, &submitter_hash].concat();

    for (size, index) in [
        (1, 0),
        (2, 1),
        (7, 6),
        (70, 0),
        (70, 33),
        (70, 69),
        (600, 257),
    ] {
        let mut tree = TileTree::new();
        let mut tiles = Vec::new();
        for at in 0_u64..size {
            let leaf = if at == index {
                leaf_hash(&data)
            } else {
                leaf_hash(&at.to_be_bytes())
            };
            tree.push(leaf, &mut tiles);
        }
        tiles.extend(tree.open_tiles());
        let tiles: BTreeMap<_, _> = tiles.into_iter().collect();
        let mut nodes = TileNodes::new(|tile| Ok::<_, Infallible>(tiles.get(&tile).cloned()));
        let signed = Signed::new(&log, size, tree.root()).unwrap();
        let at_s = 1_800_000_000_u64;
        let cosignature = signed.cosignature(&witness, at_s).unwrap().bytes;
        let path = inclusion(&mut nodes, index, size).unwrap().unwrap();

        let file = |time: u64, cosigned: bool, path: &[Hash]| {
            let mut lines = vec![
                "version=2".to_owned(),
                format!("log={}", hex::encode(sha256(&public))),
                format!(
                    "leaf={} {}",
                    hex::encode(submitter_hash),
                    hex::encode(&said)
                ),
                String::new(),
                format!("size={size}"),
                format!("root_hash={}", hex::encode(tree.root().0)),
                format!(
                    "signature={}",
                    hex::encode(&signed.note().signatures()[0].bytes)
                ),
            ];
            if cosigned {
                let who = hex::encode(sha256(witness.verifier().public()));
                let what = hex::encode(&cosignature[8..]);
                lines.push(format!("cosignature={who} {time} {what}"));
            }
            lines.push(String::new());
            lines.push(format!("leaf_index={index}"));
            lines.extend(
                path.iter()
                    .map(|hash| format!("node_hash={}", hex::encode(hash.0))),
            );
            lines.push(String::new());
            lines.join("\n")
        };
        let mut policy = PolicyBuilder::new();
        policy.add_log(public.into(), None).unwrap();
        let witness_public = *witness.verifier().public();
        policy
            .add_witness("w1".into(), witness_public.into(), None)
            .unwrap();
        policy.set_quorum("w1".into()).unwrap();
        let policy = policy.build();
        let judge = |file: &str| {
            let file = SigsumSignature::from_ascii(file).map_err(|error| error.to_string())?;
            let signers = [(*submitter.verifier().public()).into()];
            sigsum::verify(&message.into(), &file, &signers, &policy)
                .map_err(|error| error.to_string())
        };
        assert_eq!(judge(&file(at_s, true, &path)), Ok(()), "{index} of {size}");
        // It would say no: another time, no witness, another path.
        let refused = |file: &str| judge(file).unwrap_err();
        assert!(refused(&file(at_s + 1, true, &path)).contains("cosignature"));
        assert!(refused(&file(at_s, false, &path)).contains("cosignatures"));
        if let [first, rest @ ..] = &path[..] {
            let bent = [&[node_of(*first)], rest].concat();
            assert!(refused(&file(at_s, true, &bent)).contains("inclusion"));
        }
    }
}

fn node_of(hash: Hash) -> Hash {
    Hash(sha256(&hash.0))
}

/// A tree head of a real log with real witnesses, as Sigsum's documentation shows
/// it: what others signed is verified by this crate.
#[test]
fn a_published_checkpoint_of_sigsums_log_and_its_witnesses_is_verified_here() {
    const LOG: &str = "1643169b32bef33a3f54f8a353b87c475d19b6223cbb106390d10a29978e1cba";
    const SIZE: u64 = 381_382;
    const ROOT: &str = "901fefc6f1d978d2c2bedb82d448755bcdc7e8626e67ac7ee80873771be9b667";
    const SIGNATURE: &str = "8a8bf1fca60d1344fb6e2106e8f8906af833d3d75a21fe8d3af72be459f7a11f2ae6606ec6344a13b851cd454b3d281a2b1ae47732f7a8d6afbcc0134d1a2d00";
    const AT_S: u64 = 1_770_193_051;
    const COSIGNED: [(&str, &str); 2] = [
        (
            "1c997261f16e6e81d13f420900a2542a4b6a049c2d996324ee5d82a90ca3360c",
            "a1ee1182b265204499cbef3ae59f3ea228b928b3cbda8817a4ed5a12776823e9ad8ef1ce986b9b98d9954f1798ec4315c1820704600a231c69038ccc9726d202",
        ),
        (
            "70b861a010f25030de6ff6a5267e0b951e70c04b20ba4a3ce41e7fba7b9b7dfc",
            "f5953f406f5fd97d9c9d1328b00b07bf434a5eb76d8da359aeda98c414de29ca1ced1872971ea0f137508a7bb05c7d322548409425677af96433706319bc0801",
        ),
    ];
    let policy = Policy::builtin("sigsum-test-2025-3").unwrap();
    let octets = |text: &str| hex::decode(text).unwrap();
    let array = |text: &str| <[u8; 32]>::try_from(octets(text)).unwrap();
    let public: [u8; 32] = policy
        .logs()
        .map(|log| log.pubkey.into())
        .find(|public: &[u8; 32]| sha256(public) == array(LOG))
        .unwrap();
    let log = VerifierKey::new(sigsum_name(&public), KeyUse::Log, public);
    let mut text = format!("{}\n{SIZE}\n", log.name());
    text += &format!("{}\n\n", encode(&octets(ROOT)));
    let line = |key: &VerifierKey, rest: &[u8]| {
        let octets = [&key.id().to_be_bytes(), rest].concat();
        format!("\u{2014} {} {}\n", key.name(), encode(&octets))
    };
    text += &line(&log, &octets(SIGNATURE));
    let mut witnesses = Vec::new();
    for (hash, signature) in COSIGNED {
        let found = policy.get_witness_by_keyhash(&array(hash).into()).unwrap();
        let name = KeyName::new(&format!("witness.example/{}", &hash[..8])).unwrap();
        let witness = VerifierKey::new(name, KeyUse::Witness, found.pubkey.into());
        text += &line(
            &witness,
            &[&AT_S.to_be_bytes()[..], &octets(signature)].concat(),
        );
        witnesses.push(witness);
    }
    let signed = Signed::open(text.as_bytes(), &log).unwrap();
    assert_eq!(
        (signed.checkpoint().size, signed.checkpoint().root.0),
        (SIZE, array(ROOT))
    );
    for witness in &witnesses {
        assert_eq!(signed.cosigned(witness), Ok(Cosigned { at_s: AT_S }));
    }
    // And what they did not sign is not.
    let altered = text.replacen(&SIZE.to_string(), &(SIZE + 1).to_string(), 1);
    assert!(Signed::open(altered.as_bytes(), &log).is_err());
}

fn encode(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
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
