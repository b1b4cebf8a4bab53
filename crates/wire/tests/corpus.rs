//! Bytes from outside, kept as the fuzzer's corpora and replayed: frames of the
//! attach conversation, and signed envelopes of the feed with what is in them.
//! Each file's name begins with what becomes of it. `IRYONET_BLESS=1` writes the
//! files anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Fingerprint, LineId, LineKind, ParticipantNumber, ServiceId,
    UnixMillis,
};
use iryonet_wire::attach::{
    FRAME_MAX_BYTES, FrameError, FromDevice, FromGateway, Refusal, VERSION, body_length, decode,
    encode,
};
use iryonet_wire::feed::{
    Change, Condition, Delta, DeviceEntry, FORMAT, FeedError, Grant, LineEntry, ParticipantEntry,
    Snapshot,
};
use iryonet_wire::signed::{Kind, PolicyKeys, PolicySigner, SignedError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is taken, in either corpus.
const TAKEN: [&str; 4] = ["device", "gateway", "snapshot", "delta"];

fn holds(of: &str, judge: fn(&[u8]) -> &'static str, cases: Vec<(&str, Vec<u8>)>) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(of);
    if std::env::var_os("IRYONET_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &cases {
            std::fs::write(folder.join(format!("{}.{name}", judge(bytes))), bytes).unwrap();
        }
    }
    let files: BTreeMap<String, Vec<u8>> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("the corpus {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    for (name, _) in &cases {
        let named = |file: &String| file.split_once('.').unwrap().1 == *name;
        assert!(
            files.keys().any(named),
            "{of}: no file for the case {name}; IRYONET_BLESS=1 writes it"
        );
    }
    for (file, bytes) in &files {
        let whole = judge(bytes);
        assert_eq!(whole, file.split_once('.').unwrap().0, "{of}/{file}");
        // Cut anywhere nothing breaks, and what was taken is taken no more. (One
        // with too much at its end may be whole when that is cut off.)
        for end in 0..bytes.len() {
            let cut = judge(&bytes[..end]);
            let taken = TAKEN.contains(&whole) && TAKEN.contains(&cut);
            assert!(!taken, "{of}/{file} cut to {end} is a {cut}");
        }
    }
}

/// What one frame, with its length, is.
fn frame(bytes: &[u8]) -> &'static str {
    let Some((header, body)) = bytes.split_first_chunk::<4>() else {
        return "short";
    };
    match body_length(*header) {
        Err(FrameError::TooLarge(_)) => return "too-large",
        Err(error) => panic!("{error}"),
        Ok(length) if length != body.len() => return "short",
        Ok(_) => {}
    }
    // Nothing is a message of both sides, and what was read is written and read
    // again as the same.
    match (decode::<FromDevice>(body), decode::<FromGateway>(body)) {
        (Ok(_), Ok(_)) => panic!("a message of both sides"),
        (Ok(message), _) => {
            let again = encode(&message).unwrap();
            assert_eq!(decode::<FromDevice>(&again[4..]).unwrap(), message);
            "device"
        }
        (_, Ok(message)) => {
            let again = encode(&message).unwrap();
            assert_eq!(decode::<FromGateway>(&again[4..]).unwrap(), message);
            "gateway"
        }
        (Err(_), Err(_)) => "malformed",
    }
}

fn framed(body: &str) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body.as_bytes()].concat()
}

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(n).unwrap()
}

/// A frame that binds whom and where it says.
fn binds(participant: &str, network: &str) -> Vec<u8> {
    framed(&format!(
        r#"{{"type":"bound","participant":{participant},"site":0,"prefix":"::","network":"{network}","gateway":"gw-a","lease_ms":1,"renew_ms":1}}"#
    ))
}

#[test]
fn every_attach_frame_of_the_corpus_is_what_it_is_called() {
    let hello = FromDevice::Hello {
        version: VERSION,
        agent: "iryonet-site 0.1".to_owned(),
    };
    let bound = FromGateway::Bound {
        participant: number(65_537),
        site: 0,
        prefix: "2001:db8:100:100::".parse().unwrap(),
        network: "2001:db8::/32".parse().unwrap(),
        gateway: "gw-a".parse().unwrap(),
        lease_ms: 10_000,
        renew_ms: 3_000,
    };
    let refused = FromGateway::Refused {
        reason: Refusal::Revoked,
        retry_after_ms: None,
    };
    let last = FromDevice::Renew { sequence: u64::MAX };
    let mut long = encode(&FromDevice::Bye).unwrap();
    long.push(b' ');
    let large = u32::try_from(FRAME_MAX_BYTES + 1).unwrap();
    let cases = vec![
        ("hello", encode(&hello).unwrap()),
        ("renew", encode(&last).unwrap()),
        ("bye", encode(&FromDevice::Bye).unwrap()),
        ("bound", encode(&bound).unwrap()),
        (
            "renewed",
            encode(&FromGateway::Renewed { sequence: 1 }).unwrap(),
        ),
        ("refused", encode(&refused).unwrap()),
        (
            "hello-of-another-version",
            framed(r#"{"type":"hello","version":65535,"agent":""}"#),
        ),
        ("more-than-announced", long),
        ("less-than-announced", vec![0, 0, 0, 9, b'{']),
        ("half-a-length", vec![0, 0]),
        ("nothing", vec![0, 0, 0, 0]),
        ("one-octet-too-long", large.to_be_bytes().to_vec()),
        ("four-gib", vec![0xff; 4]),
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("tls-hello", vec![0x16, 3, 1, 0, 0x2f, 1, 0, 0, 0x2b, 3, 3]),
        ("unknown-type", framed(r#"{"type":"bind","participant":1}"#)),
        ("no-type", framed(r#"{"sequence":1}"#)),
        ("type-twice", framed(r#"{"type":"bye","type":"renew"}"#)),
        (
            "version-too-large",
            framed(r#"{"type":"hello","version":65536,"agent":""}"#),
        ),
        (
            "negative-sequence",
            framed(r#"{"type":"renew","sequence":-1}"#),
        ),
        ("binds-participant-1", binds("1", "2001:db8::/32")),
        ("binds-participant-0", binds("0", "2001:db8::/32")),
        ("binds-in-a-network-of-33", binds("1", "2001:db8::/33")),
        (
            "unknown-refusal",
            framed(r#"{"type":"refused","reason":"tired","retry_after_ms":1}"#),
        ),
        (
            "not-utf-8",
            [&[0, 0, 0, 3][..], &[b'"', 0xff, b'"']].concat(),
        ),
        ("deep", framed(&"[".repeat(1_000))),
        ("two-messages", framed(r#"{"type":"bye"}{"type":"bye"}"#)),
    ];
    holds("attach", frame, cases);
}

/// A policy key that belongs to nobody: it signs what is in the corpus.
const POLICY_KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104205cb515c8e0884422\
    dcd008194f29fcfec153558657dc004cd9b071b47627b95ea144034200045d62cdcea05f78530130f3e2b81f\
    34b4c41dc5420c02b037a9a2f1816c16551ef489c8f5487f290a57a2404a0e85e509685aeb6c4a7f0e17f342\
    31177250311a";

fn signer() -> PolicySigner {
    let octets = POLICY_KEY.as_bytes().chunks(2);
    let octets: Vec<u8> = octets
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    PolicySigner::from_pkcs8(&octets).unwrap()
}

/// What an envelope is to a gateway that knows that key.
fn envelope(bytes: &[u8]) -> &'static str {
    let keys = PolicyKeys::new([signer().public_key()]).unwrap();
    let opened = match keys.open(Kind::Snapshot, bytes) {
        Ok(payload) => Snapshot::decode(payload).map(|snapshot| {
            assert_eq!(snapshot.encode().unwrap(), payload, "another encoding");
            "snapshot"
        }),
        Err(SignedError::Kind { .. }) => match keys.open(Kind::Delta, bytes) {
            Ok(payload) => Delta::decode(payload).map(|delta| {
                assert_eq!(delta.encode().unwrap(), payload, "another encoding");
                "delta"
            }),
            Err(error) => return refused(error),
        },
        Err(error) => return refused(error),
    };
    match opened {
        Ok(what) => what,
        Err(FeedError::Damaged { .. }) => "payload",
        Err(FeedError::Format { .. }) => "format",
        Err(error) => panic!("{error}"),
    }
}

fn refused(error: SignedError) -> &'static str {
    match error {
        SignedError::Damaged => "damaged",
        SignedError::UnknownKey { .. } => "unknown-key",
        SignedError::BadSignature { .. } => "bad-signature",
        other => panic!("{other}"),
    }
}

fn snapshot() -> Snapshot {
    let end = UnixMillis(1_900_000_000_000);
    Snapshot {
        format: FORMAT,
        network: "2001:db8::/32".parse().unwrap(),
        gateway: "gw-a".parse().unwrap(),
        revision: 7,
        issued_at: UnixMillis(1_800_000_000_000),
        valid_until: UnixMillis(1_800_086_400_000),
        gateways: vec![],
        participants: vec![ParticipantEntry {
            number: number(65_537),
            condition: Condition::Live,
            generation: 1,
        }],
        services: vec![],
        grants: vec![Grant {
            participant: number(65_537),
            service: ServiceId::new(3).unwrap(),
            agreement: AgreementId(1),
            from: UnixMillis(0),
            until: end,
        }],
        lines: vec![LineEntry {
            line: LineId(1),
            kind: LineKind::Ethernet,
            circuit: Circuit {
                gateway: "gw-a".parse().unwrap(),
                interface: "c1".to_owned(),
            },
            participant: number(65_537),
            site: 0,
        }],
        devices: vec![DeviceEntry {
            participant: number(65_537),
            device: DeviceId(1),
            fingerprint: Fingerprint([7; 32]),
            not_after: end,
        }],
    }
}

fn delta() -> Delta {
    Delta {
        format: FORMAT,
        gateway: "gw-a".parse().unwrap(),
        from_revision: 7,
        to_revision: 8,
        issued_at: UnixMillis(1_800_000_000_000),
        valid_until: UnixMillis(1_800_086_400_000),
        changes: vec![
            Change::ParticipantGone(number(65_537)),
            Change::DeviceGone(Fingerprint([7; 32])),
        ],
    }
}

#[test]
fn every_envelope_of_the_corpus_is_what_it_is_called() {
    let signer = signer();
    let seal = |kind, payload: &[u8]| signer.seal(kind, payload).unwrap();
    let (policy, step) = (snapshot().encode().unwrap(), delta().encode().unwrap());
    let whole = seal(Kind::Snapshot, &policy);
    let changed = |place: usize, with: u8| {
        let mut bytes = whole.clone();
        bytes[place] ^= with;
        bytes
    };
    let stranger = PolicySigner::from_pkcs8(&PolicySigner::generate_pkcs8().unwrap()).unwrap();
    let future = Snapshot {
        format: FORMAT + 1,
        ..snapshot()
    };
    // A length that no memory has.
    let endless = [&[0xff; 9][..], &[0x7f]].concat();
    let cases = vec![
        ("whole-policy", whole.clone()),
        ("step", seal(Kind::Delta, &step)),
        ("step-as-policy", seal(Kind::Snapshot, &step)),
        ("empty", vec![]),
        ("empty-payload", seal(Kind::Snapshot, &[])),
        (
            "followed-by-a-zero",
            seal(Kind::Snapshot, &[&policy[..], &[0]].concat()),
        ),
        ("endless", seal(Kind::Snapshot, &endless)),
        (
            "of-a-later-release",
            seal(Kind::Snapshot, &future.encode().unwrap()),
        ),
        (
            "of-a-stranger",
            stranger.seal(Kind::Snapshot, &policy).unwrap(),
        ),
        ("other-magic", changed(0, 1)),
        ("other-version", changed(4, 1)),
        ("kind-3", changed(5, 2)),
        ("kind-changed", changed(5, 3)),
        ("key-id-changed", changed(6, 1)),
        ("longer-than-it-is", changed(14, 0x80)),
        ("payload-changed", changed(30, 1)),
        ("signature-changed", changed(whole.len() - 1, 1)),
        ("one-octet-more", [&whole[..], &[0]].concat()),
    ];
    holds("envelope", envelope, cases);
}
