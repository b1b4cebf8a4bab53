//! Any bytes as what comes over a wire: a frame of the attach conversation, an
//! envelope of the feed, and what is in one (`cargo +nightly fuzz run wire
//! corpus/attach`, or `corpus/envelope`).
#![no_main]

use iryonet_wire::attach::{FromDevice, FromGateway, body_length, decode, encode};
use iryonet_wire::feed::{Delta, Snapshot};
use iryonet_wire::signed::{Kind, PolicyKeys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((header, body)) = bytes.split_first_chunk::<4>()
        && body_length(*header).is_ok()
    {
        if let Ok(message) = decode::<FromDevice>(body) {
            assert_eq!(
                decode::<FromDevice>(&encode(&message).unwrap()[4..]).unwrap(),
                message
            );
        }
        if let Ok(message) = decode::<FromGateway>(body) {
            assert_eq!(
                decode::<FromGateway>(&encode(&message).unwrap()[4..]).unwrap(),
                message
            );
        }
    }
    // Nobody here has a key.
    let keys = PolicyKeys::default();
    assert!(keys.open(Kind::Snapshot, bytes).is_err());
    assert!(keys.open(Kind::Delta, bytes).is_err());
    // As if somebody had signed it.
    if let Ok(snapshot) = Snapshot::decode(bytes) {
        assert_eq!(
            Snapshot::decode(&snapshot.encode().unwrap()).unwrap(),
            snapshot
        );
    }
    if let Ok(delta) = Delta::decode(bytes) {
        assert_eq!(Delta::decode(&delta.encode().unwrap()).unwrap(), delta);
    }
});
