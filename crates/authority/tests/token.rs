//! CA keys in a PKCS#11 token (SoftHSM), and what happens when it goes away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::{clinic, issuing_spec, now, request, root_spec, text, verify};
use iryonet_authority::issue::IssueError;
use iryonet_authority::signer::{CaKey, SignError};
use iryonet_authority::token::{TokenKey, TokenSigner};
use iryonet_authority::{Custody, IssuingCa, RootCa, Secret, files, issue};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::process::Command;

const PIN: &str = "567890";

/// SoftHSM finds its tokens by an environment variable that must be there
/// before the process loads it: so the test runs once more, as a child.
fn in_child(test: &str, body: impl FnOnce(&Path)) {
    const PLACE: &str = "IRYONET_TEST_TOKEN_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        return body(Path::new(&place));
    }
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let settings = dir.path().join("softhsm2.conf");
    std::fs::write(
        &settings,
        format!("directories.tokendir = {}\n", tokens.display()),
    )
    .unwrap();
    let made = Command::new("softhsm2-util")
        .env("SOFTHSM2_CONF", &settings)
        .args(["--init-token", "--free", "--label", "iryonet"])
        .args(["--so-pin", "12345678", "--pin", PIN])
        .output()
        .expect("softhsm2-util; scripts/setup.sh installs it");
    assert!(made.status.success(), "{}", text(&made));
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(PLACE, dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", text(&child));
    assert!(text(&child).contains("1 passed"), "{}", text(&child));
}

fn module() -> PathBuf {
    [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
    .expect("SoftHSM's library; scripts/setup.sh installs it")
}

fn key(place: &Path, label: &str) -> Custody {
    let pin_file = place.join("pin");
    if !pin_file.exists() {
        files::write_new(&pin_file, PIN.as_bytes(), 0o600).unwrap();
    }
    Custody::Token {
        key: TokenKey {
            module: module(),
            token: "iryonet".to_owned(),
            key: label.to_owned(),
            pin: Secret::new(PIN.to_owned()),
        },
        pin_file: Some(pin_file),
    }
}

#[test]
fn a_token_signs_with_every_kind_of_key_and_openssl_believes_it() {
    in_child(
        "a_token_signs_with_every_kind_of_key_and_openssl_believes_it",
        |place| {
            let mut rng = StdRng::from_os_rng();
            let csr = request(place, "ec -pkeyopt ec_paramgen_curve:P-256");
            for kind in CaKey::ALL {
                let at = |what: &str| place.join(format!("{kind}-{what}"));
                let custody = key(place, &format!("root {kind}"));
                let spec = root_spec("root", kind, custody);
                let root = RootCa::make(&at("root"), &spec, now(), &mut rng).unwrap();
                let spec = issuing_spec("issuing", kind, key(place, &format!("issuing {kind}")));
                IssuingCa::make(&root, &at("issuing"), &spec, now(), &mut rng).unwrap();
                assert!(!at("issuing").join("issuing.key").exists());
                // Found again at the next start, from the directory alone.
                let ca = IssuingCa::load(&at("issuing")).unwrap();
                let made = issue(&ca, &clinic(), &csr, None, now(), &mut rng).unwrap();
                let verdict = verify(place, &made.pem, &[ca.pem()], &[&ca.root_pem()]);
                assert!(verdict.status.success(), "{kind}: {}", text(&verdict));
            }
        },
    );
}

#[test]
fn a_token_that_goes_away_fails_one_issuance_and_signs_again_when_it_is_back() {
    in_child(
        "a_token_that_goes_away_fails_one_issuance_and_signs_again_when_it_is_back",
        |place| {
            let mut rng = StdRng::from_os_rng();
            let spec = root_spec("root", CaKey::P256, Custody::PlainFile);
            let root = RootCa::make(&place.join("root"), &spec, now(), &mut rng).unwrap();
            let spec = issuing_spec("issuing", CaKey::P256, key(place, "issuing"));
            let ca =
                IssuingCa::make(&root, &place.join("issuing"), &spec, now(), &mut rng).unwrap();
            let csr = request(place, "ec -pkeyopt ec_paramgen_curve:P-256");
            let mut try_it = || issue(&ca, &clinic(), &csr, None, now(), &mut rng);
            try_it().unwrap();

            // Pulled out between two signatures: its files are what SoftHSM's
            // token is made of.
            let (here, away) = (place.join("tokens"), place.join("away"));
            std::fs::rename(&here, &away).unwrap();
            let gone = try_it().unwrap_err();
            assert!(
                matches!(gone, IssueError::Sign(SignError::Token(_))),
                "{gone}"
            );
            let words = format!("{gone}: {}", std::error::Error::source(&gone).unwrap());
            assert!(words.contains("token"), "{words}");
            // As often as it is asked while it is gone.
            assert!(try_it().is_err());
            std::fs::rename(&away, &here).unwrap();
            let made = try_it().unwrap();
            let verdict = verify(place, &made.pem, &[ca.pem()], &[&ca.root_pem()]);
            assert!(verdict.status.success(), "{}", text(&verdict));

            // The session is closed behind our back: every session of this
            // token in this process, as a token's driver does at a reset.
            close_all_sessions();
            assert!(matches!(
                try_it(),
                Err(IssueError::Sign(SignError::Token(_)))
            ));
            try_it().unwrap();
        },
    );
}

/// Logging out ends what the signer's session may do.
fn close_all_sessions() {
    use cryptoki::context::Pkcs11;
    let context = Pkcs11::new(module()).unwrap();
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    context.open_ro_session(slot).unwrap().logout().unwrap();
}

#[test]
fn a_wrong_pin_a_missing_token_and_a_second_key_are_named() {
    in_child(
        "a_wrong_pin_a_missing_token_and_a_second_key_are_named",
        |place| {
            let Custody::Token { key: good, .. } = key(place, "k") else {
                panic!("no token")
            };
            TokenSigner::generate(good.clone(), CaKey::P384).unwrap();
            let words = |key: TokenKey| {
                let error = TokenSigner::open(key).unwrap_err();
                let source = std::error::Error::source(&error).map(ToString::to_string);
                format!("{error} {}", source.unwrap_or_default())
            };
            let twice = TokenSigner::generate(good.clone(), CaKey::P384).unwrap_err();
            assert!(twice.to_string().contains("never replaced"), "{twice}");
            let none = words(TokenKey {
                token: "elsewhere".into(),
                ..good.clone()
            });
            assert!(none.contains("no token \"elsewhere\""), "{none}");
            let none = words(TokenKey {
                key: "another".into(),
                ..good.clone()
            });
            assert!(none.contains("0 private keys"), "{none}");
            let none = words(TokenKey {
                module: "/nowhere.so".into(),
                ..good.clone()
            });
            assert!(none.contains("/nowhere.so"), "{none}");
            let other = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["the_wrong_pin", "--exact", "--ignored", "--nocapture"])
                .output()
                .unwrap();
            assert!(text(&other).contains("PinIncorrect"), "{}", text(&other));
        },
    );
}

/// Run by the test above in a process of its own: a login is the process's.
#[test]
#[ignore = "a part of another test"]
fn the_wrong_pin() {
    let error = TokenSigner::open(TokenKey {
        module: module(),
        token: "iryonet".into(),
        key: "k".into(),
        pin: Secret::new("000000".into()),
    })
    .unwrap_err();
    println!("{error} {:?}", std::error::Error::source(&error));
}
