//! A passkey lets its holder in when its authenticator says all that is wanted,
//! and nobody in when it says anything else. (Real browsers are asked in the
//! center's tests.)

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of #[test] functions are tests too"
)]

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use iryonet_domain::UnixMillis;
use iryonet_people::passkey::{Assertion, Party, Passkey, PasskeyError, Registration};
use serde_json::{Value, json};

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);
const CHALLENGE: &str = "dGhlIGNoYWxsZW5nZSBvZiB0aGlzIGxvZ2lu";
const PARTY: Party<'static> = Party {
    id: "center.example",
    origin: "https://center.example:8445",
};
/// Present and verified.
const HERE: u8 = 0b0000_0101;

/// An authenticator, as far as octets go.
struct Authenticator {
    pen: EcdsaKeyPair,
    id: Vec<u8>,
}

impl Authenticator {
    fn new() -> Self {
        Self {
            pen: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: b"credential-1".to_vec(),
        }
    }

    fn data(party: &str, flags: u8, count: u32) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, party.as_bytes());
        [hash.as_ref(), &[flags], &count.to_be_bytes()].concat()
    }

    fn key(&self, algorithm: u8) -> Vec<u8> {
        let (x, y) = self.pen.public_key().as_ref()[1..].split_at(32);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        [
            &[0xa5, 1, 2, 3, algorithm, 0x20, 1, 0x21, 0x58, 32][..],
            x,
            &[0x22, 0x58, 32],
            y,
        ]
        .concat()
    }

    fn attestation(&self, party: &str, flags: u8) -> Vec<u8> {
        let data = [
            Self::data(party, flags | 0x40, 0).as_slice(),
            &[0; 16],
            &(self.id.len() as u16).to_be_bytes(),
            &self.id,
            &self.key(0x26),
        ]
        .concat();
        // {"fmt": "none", "attStmt": {}, "authData": data}
        [
            &b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..],
            &[u8::try_from(data.len()).unwrap()][..],
            &data,
        ]
        .concat()
    }

    fn sign(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, client_data);
        let message = [data, hash.as_ref()].concat();
        let signed = self.pen.sign(&SystemRandom::new(), &message).unwrap();
        signed.as_ref().to_vec()
    }

    fn register(&self) -> Passkey {
        let client_data = client_data("webauthn.create").to_string();
        let attestation = self.attestation(PARTY.id, HERE);
        register(client_data.as_bytes(), &attestation).unwrap()
    }
}

fn register(client_data: &[u8], attestation: &[u8]) -> Result<Passkey, PasskeyError> {
    let shown = Registration {
        client_data,
        attestation,
    };
    Passkey::register(&shown, &PARTY, CHALLENGE, "電話", NOW)
}

fn client_data(act: &str) -> Value {
    json!({"type": act, "challenge": CHALLENGE, "origin": PARTY.origin, "crossOrigin": false,
        "other_keys_can_be_added_here": "do not compare clientDataJSON against a template"})
}

fn assert(
    passkey: &mut Passkey,
    authenticator: &Authenticator,
    data: &[u8],
    said: &Value,
) -> Result<(), PasskeyError> {
    let said = said.to_string();
    let shown = Assertion {
        client_data: said.as_bytes(),
        authenticator_data: data,
        signature: &authenticator.sign(data, said.as_bytes()),
    };
    passkey.assert(&shown, &PARTY, CHALLENGE, NOW)
}

#[test]
fn a_passkey_that_was_set_up_is_good_and_counts() {
    let authenticator = Authenticator::new();
    let mut passkey = authenticator.register();
    assert!(!passkey.backup_eligible && !passkey.backed_up);
    let get = client_data("webauthn.get");
    for count in [1, 2, 7] {
        let data = Authenticator::data(PARTY.id, HERE, count);
        assert(&mut passkey, &authenticator, &data, &get).unwrap();
        assert_eq!(passkey.sign_count, count);
    }
    // Once more with a count that was seen: there are two of it.
    for count in [7, 3, 0] {
        let data = Authenticator::data(PARTY.id, HERE, count);
        let error = assert(&mut passkey, &authenticator, &data, &get).unwrap_err();
        assert_eq!(
            error,
            PasskeyError::Copied {
                before: 7,
                now: count
            }
        );
    }
    // One that does not count stays at nothing.
    let mut passkey = authenticator.register();
    for _ in 0..2 {
        let data = Authenticator::data(PARTY.id, HERE, 0);
        assert(&mut passkey, &authenticator, &data, &get).unwrap();
    }
}

#[test]
fn each_wrong_thing_of_a_login_keeps_out_and_changes_nothing() {
    let authenticator = Authenticator::new();
    let get = client_data("webauthn.get");
    let with = |name: &str, value: Value| {
        let mut said = get.clone();
        said[name] = value;
        said
    };
    let data = Authenticator::data(PARTY.id, HERE, 1);
    for (data, said, error) in [
        (
            &data,
            with("type", json!("webauthn.create")),
            PasskeyError::ClientData("type"),
        ),
        (
            &data,
            with("challenge", json!("AAAA")),
            PasskeyError::ClientData("challenge"),
        ),
        (
            &data,
            with("origin", json!("https://center.example")),
            PasskeyError::ClientData("origin"),
        ),
        (
            &data,
            with("crossOrigin", json!(true)),
            PasskeyError::ClientData("origin"),
        ),
        (
            &data,
            json!({"type": "webauthn.get"}),
            PasskeyError::Form("client data"),
        ),
        (
            &Authenticator::data("elsewhere.example", HERE, 1),
            get.clone(),
            PasskeyError::Party(PARTY.id.to_owned()),
        ),
        (
            &Authenticator::data(PARTY.id, 0b001, 1),
            get.clone(),
            PasskeyError::NotVerified,
        ),
        (
            &Authenticator::data(PARTY.id, 0b100, 1),
            get.clone(),
            PasskeyError::NotVerified,
        ),
        // May be copied now, and could not be before; is copied, and may not be.
        (
            &Authenticator::data(PARTY.id, HERE | 8, 1),
            get.clone(),
            PasskeyError::BackupEligibility,
        ),
        (
            &Authenticator::data(PARTY.id, HERE | 16, 1),
            get.clone(),
            PasskeyError::Form("authenticator data"),
        ),
        (
            &data[..36].to_vec(),
            get.clone(),
            PasskeyError::Form("authenticator data"),
        ),
    ] {
        let mut passkey = authenticator.register();
        let before = passkey.clone();
        assert_eq!(
            assert(&mut passkey, &authenticator, data, &said),
            Err(error)
        );
        assert_eq!(passkey, before);
    }
    // By another key, or over another text.
    let mut passkey = authenticator.register();
    let wrong = assert(&mut passkey, &Authenticator::new(), &data, &get);
    assert_eq!(wrong, Err(PasskeyError::Signature));
    let other = Authenticator::data(PARTY.id, HERE, 2);
    let said = get.to_string();
    let shown = Assertion {
        client_data: said.as_bytes(),
        authenticator_data: &other,
        signature: &authenticator.sign(&data, said.as_bytes()),
    };
    let wrong = passkey.assert(&shown, &PARTY, CHALLENGE, NOW);
    assert_eq!(wrong, Err(PasskeyError::Signature));
}

#[test]
fn none_is_set_up_that_did_not_look_who_is_there() {
    let authenticator = Authenticator::new();
    let create = client_data("webauthn.create").to_string();
    let good = authenticator.attestation(PARTY.id, HERE);
    let tried = |attestation: &[u8]| register(create.as_bytes(), attestation).map(drop);
    tried(&good).unwrap();
    let unverified = authenticator.attestation(PARTY.id, 1);
    assert_eq!(tried(&unverified), Err(PasskeyError::NotVerified));
    let elsewhere = authenticator.attestation("elsewhere.example", HERE);
    assert_eq!(
        tried(&elsewhere),
        Err(PasskeyError::Party(PARTY.id.to_owned()))
    );
    let get = client_data("webauthn.get").to_string();
    let wrong = register(get.as_bytes(), &good).map(drop);
    assert_eq!(wrong, Err(PasskeyError::ClientData("type")));
    // An algorithm that was not asked for (ES384), and a key that is none.
    let place = good.windows(2).position(|two| two == [3, 0x26]).unwrap() + 1;
    let mut other = good.clone();
    other[place] = 0x27;
    assert_eq!(tried(&other), Err(PasskeyError::Algorithm));
    // Cut short anywhere, or with something left over.
    for cut in 0..good.len() {
        assert!(tried(&good[..cut]).is_err(), "{cut}");
    }
    assert!(tried(&[good.as_slice(), &[0]].concat()).is_err());
    // Copies are said, and may come later.
    let synced = authenticator.attestation(PARTY.id, HERE | 8 | 16);
    let passkey = register(create.as_bytes(), &synced).unwrap();
    assert!(passkey.backup_eligible && passkey.backed_up);
}
