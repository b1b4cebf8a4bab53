//! Keys of every kind, kept in every way, from the offline root to a device's
//! certificate, with openssl as the judge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::{
    clinic, encrypted, issuing_spec, name, now, openssl, request, root_spec, text, verify,
};
use iryonet_authority::custody::{self, CustodyError};
use iryonet_authority::instant::DAY_MS;
use iryonet_authority::issue::IssueError;
use iryonet_authority::root::CaError;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{
    Csr, Custody, IssuingCa, LeafKeys, RevocationReason, Revoked, RootCa, Rules, Secret, crl,
    files, issue,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::os::unix::fs::PermissionsExt;

const PASSPHRASE: &str = "correct horse 電池 staple";

#[test]
fn every_kind_of_ca_key_signs_every_kind_of_leaf_key_and_openssl_believes_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let leaves = [
        ("ec -pkeyopt ec_paramgen_curve:P-256", "id-ecPublicKey"),
        ("ec -pkeyopt ec_paramgen_curve:P-384", "id-ecPublicKey"),
        ("rsa:2048", "(2048 bit)"),
        ("rsa:4096", "(4096 bit)"),
    ]
    .map(|(algorithm, shown)| (request(dir.path(), algorithm), shown));
    let cas = [
        (CaKey::P256, "ecdsa-with-SHA256"),
        (CaKey::P384, "ecdsa-with-SHA384"),
        (CaKey::Rsa2048, "sha256WithRSAEncryption"),
        (CaKey::Rsa3072, "sha256WithRSAEncryption"),
    ];
    for (kind, signature) in cas {
        let at = |what: &str| dir.path().join(format!("{kind}-{what}"));
        let root_spec = root_spec("root", kind, Custody::PlainFile);
        let root = RootCa::make(&at("root"), &root_spec, now(), &mut rng).unwrap();
        let spec = issuing_spec("issuing", kind, Custody::PlainFile);
        let ca = IssuingCa::make(&root, &at("issuing"), &spec, now(), &mut rng).unwrap();
        assert_eq!(ca.key(), kind);
        for (csr, shown) in &leaves {
            let made = issue(&ca, &clinic(), csr, None, now(), &mut rng).unwrap();
            let verdict = verify(dir.path(), &made.pem, &[ca.pem()], &[&ca.root_pem()]);
            assert!(verdict.status.success(), "{kind}: {}", text(&verdict));
            let leaf = dir.path().join("v-leaf.pem").display().to_string();
            let read = text(&openssl(&["x509", "-in", &leaf, "-noout", "-text"]));
            for wanted in [shown, signature] {
                assert!(read.contains(wanted), "{kind}: {wanted} not in {read}");
            }
        }
        let list = crl::sign(&ca, 0, &[], 1, now(), now().plus_ms(DAY_MS)).unwrap();
        let (file, issuing) = (at("list.pem"), at("issuing").join("issuing.pem"));
        std::fs::write(&file, &list.pem).unwrap();
        let judged = text(&openssl(&[
            "crl",
            "-in",
            file.to_str().unwrap(),
            "-CAfile",
            issuing.to_str().unwrap(),
            "-noout",
        ]));
        assert!(judged.contains("verify OK"), "{kind}: {judged}");
    }
}

#[test]
fn a_network_may_take_fewer_kinds_of_leaf_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let spec = root_spec("root", CaKey::P256, Custody::PlainFile);
    let root = RootCa::make(&dir.path().join("root"), &spec, now(), &mut rng).unwrap();
    let spec = issuing_spec("issuing", CaKey::P256, Custody::PlainFile);
    let ca = IssuingCa::make(&root, &dir.path().join("issuing"), &spec, now(), &mut rng)
        .unwrap()
        .with_rules(Rules {
            leaf_keys: LeafKeys {
                p256: true,
                p384: false,
                rsa_bits_max: Some(3_072),
            },
            ..Rules::default()
        })
        .unwrap();
    for (algorithm, taken) in [
        ("ec -pkeyopt ec_paramgen_curve:P-256", true),
        ("ec -pkeyopt ec_paramgen_curve:P-384", false),
        ("rsa:3072", true),
        ("rsa:4096", false),
    ] {
        let csr = request(dir.path(), algorithm);
        match issue(&ca, &clinic(), &csr, None, now(), &mut rng) {
            Ok(_) => assert!(taken, "{algorithm}"),
            Err(IssueError::Key { taken: words, .. }) => {
                assert!(!taken, "{algorithm}");
                assert_eq!(words.to_string(), "ECDSA P-256, RSA of 2048 to 3072 bits");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn the_key_at_rest_is_of_no_use_without_its_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let spec = root_spec("root", CaKey::P256, Custody::PlainFile);
    let root = RootCa::make(&dir.path().join("root"), &spec, now(), &mut rng).unwrap();
    let at = dir.path().join("issuing");
    let passphrase_file = dir.path().join("passphrase");
    files::write_new(
        &passphrase_file,
        format!("{PASSPHRASE}\n").as_bytes(),
        0o600,
    )
    .unwrap();
    let custody = Custody::EncryptedFile {
        passphrase: custody::read_secret_file(&passphrase_file, "passphrase").unwrap(),
        passphrase_file: Some(passphrase_file.clone()),
    };
    let spec = issuing_spec("issuing", CaKey::P384, custody);
    IssuingCa::make(&root, &at, &spec, now(), &mut rng).unwrap();
    // openssl opens it with the passphrase, and with no other.
    let key = at.join("issuing.key").display().to_string();
    let open = |passphrase: &str| {
        openssl(&[
            "pkey",
            "-in",
            &key,
            "-passin",
            &format!("pass:{passphrase}"),
            "-noout",
        ])
    };
    assert!(
        open(PASSPHRASE).status.success(),
        "{}",
        text(&open(PASSPHRASE))
    );
    assert!(!open("another passphrase").status.success());
    let parsed = text(&openssl(&["asn1parse", "-in", &key]));
    for wanted in ["PBES2", "scrypt", "aes-256-cbc"] {
        assert!(parsed.contains(wanted), "{parsed}");
    }

    assert!(IssuingCa::load(&at).is_ok());
    std::fs::write(&passphrase_file, "another passphrase").unwrap();
    let wrong = IssuingCa::load(&at).unwrap_err();
    assert!(
        matches!(wrong, CaError::Custody(CustodyError::WrongPassphrase(_))),
        "{wrong}"
    );
    std::fs::set_permissions(&passphrase_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = IssuingCa::load(&at).unwrap_err();
    assert!(open.to_string().contains("can be read by others"), "{open}");
    std::fs::remove_file(at.join("issuing-key.toml")).unwrap();
    let nowhere = IssuingCa::load(&at).unwrap_err();
    for wanted in [
        "passphrase_file",
        "issuing-passphrase",
        "IRYONET_ISSUING_PASSPHRASE",
    ] {
        assert!(nowhere.to_string().contains(wanted), "{nowhere}");
    }
}

#[test]
fn a_plain_key_is_used_only_where_somebody_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let at = dir.path().join("root");
    let spec = root_spec("root", CaKey::P256, Custody::PlainFile);
    RootCa::make(&at, &spec, now(), &mut rng).unwrap();
    assert!(RootCa::load(&at).is_ok());
    let note = at.join("root-key.toml");
    let said = std::fs::read_to_string(&note).unwrap();
    std::fs::remove_file(&note).unwrap();
    let refused = RootCa::load(&at).unwrap_err();
    assert!(
        matches!(refused, CaError::Custody(CustodyError::Plain { .. })),
        "{refused}"
    );
    std::fs::write(&note, said).unwrap();

    let short = custody::protect(&at, &Secret::new("short".into()), None, &mut rng);
    assert!(matches!(
        short,
        Err(CustodyError::ShortPassphrase { have: 5 })
    ));
    assert!(RootCa::load(&at).is_ok(), "nothing was changed");
    let passphrase_file = dir.path().join("passphrase");
    files::write_new(&passphrase_file, PASSPHRASE.as_bytes(), 0o600).unwrap();
    let passphrase = Secret::new(PASSPHRASE.to_owned());
    custody::protect(&at, &passphrase, Some(passphrase_file), &mut rng).unwrap();
    let key = std::fs::read_to_string(at.join("root.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert!(RootCa::load(&at).is_ok());
    // An encrypted key does not pass where the word says plain.
    std::fs::write(&note, "keep = \"plain-file\"\n").unwrap();
    let refused = RootCa::load(&at).unwrap_err();
    assert!(
        matches!(refused, CaError::Custody(CustodyError::Encrypted(_))),
        "{refused}"
    );
    std::fs::write(&note, "keep = \"on a napkin\"\n").unwrap();
    assert!(matches!(
        RootCa::load(&at),
        Err(CaError::Custody(CustodyError::Syntax { .. }))
    ));
}

#[test]
fn the_root_signs_an_issuing_ca_whose_key_it_never_sees() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let offline = dir.path().join("offline");
    let center = dir.path().join("center");
    let spec = root_spec("root", CaKey::P384, Custody::PlainFile);
    let root = RootCa::make(&offline, &spec, now(), &mut rng).unwrap();
    IssuingCa::request(&center, CaKey::P256, &Custody::PlainFile, &mut rng).unwrap();
    let csr = Csr::parse(&std::fs::read(center.join("issuing.csr")).unwrap()).unwrap();
    let signed = root
        .sign_issuing(&csr, &name("issuing 1"), 2_000, now(), &mut rng)
        .unwrap();
    let ca = IssuingCa::install(&center, &signed, root.certificate()).unwrap();
    assert!(!offline.join("issuing.key").exists());
    assert!(!center.join("root.key").exists());
    drop(ca);
    let ca = IssuingCa::load(&center).unwrap();
    let csr = request(dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256");
    let made = issue(&ca, &clinic(), &csr, None, now(), &mut rng).unwrap();
    let verdict = verify(dir.path(), &made.pem, &[ca.pem()], &[&ca.root_pem()]);
    assert!(verdict.status.success(), "{}", text(&verdict));
    // Somebody else's certificate does not fit this key.
    let other = dir.path().join("other");
    IssuingCa::request(&other, CaKey::P256, &Custody::PlainFile, &mut rng).unwrap();
    assert!(matches!(
        IssuingCa::install(&other, &signed, root.certificate()),
        Err(CaError::NotAPair { .. })
    ));
    // Neither a small RSA key nor one that a root cannot judge becomes a CA.
    let small = request(dir.path(), "rsa:4096");
    assert!(
        root.sign_issuing(&small, &name("issuing 2"), 2_000, now(), &mut rng)
            .is_err()
    );
}

#[test]
fn an_issuing_ca_is_rolled_over_and_both_are_believed_and_list_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let spec = root_spec("root", CaKey::P384, Custody::PlainFile);
    let root = RootCa::make(&dir.path().join("root"), &spec, now(), &mut rng).unwrap();
    let csr = request(dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256");
    let rules = Rules {
        crl_uri: Some("http://status.example/{issuer}/{shard}.crl".to_owned()),
        shards: 1,
        ..Rules::default()
    };
    let cas: Vec<IssuingCa> = [("old", CaKey::P256), ("new", CaKey::Rsa3072)]
        .into_iter()
        .map(|(word, key)| {
            let spec = issuing_spec(word, key, Custody::PlainFile);
            IssuingCa::make(&root, &dir.path().join(word), &spec, now(), &mut rng)
                .unwrap()
                .with_rules(rules.clone())
                .unwrap()
        })
        .collect();
    let chains: Vec<&str> = cas.iter().map(IssuingCa::pem).collect();
    for ca in &cas {
        let made = issue(ca, &clinic(), &csr, None, now(), &mut rng).unwrap();
        assert_eq!(made.serial.issuer(), Some(ca.tag()));
        let verdict = verify(dir.path(), &made.pem, &chains, &[&ca.root_pem()]);
        assert!(verdict.status.success(), "{}", text(&verdict));
        let entry = Revoked {
            serial: made.serial,
            at: now(),
            reason: RevocationReason::Superseded,
        };
        let list = crl::sign(ca, 0, &[entry], 1, now(), now().plus_ms(DAY_MS)).unwrap();
        let file = dir.path().join("list.pem");
        std::fs::write(&file, list.pem).unwrap();
        let leaf = dir.path().join("v-leaf.pem");
        let chain = dir.path().join("v-chain.pem");
        let roots = dir.path().join("v-roots.pem");
        let judged = text(&openssl(&[
            "verify",
            "-crl_check",
            "-extended_crl",
            "-CAfile",
            roots.to_str().unwrap(),
            "-untrusted",
            chain.to_str().unwrap(),
            "-CRLfile",
            file.to_str().unwrap(),
            leaf.to_str().unwrap(),
        ]));
        assert!(judged.contains("certificate revoked"), "{judged}");
    }
}

#[test]
fn whoever_trusts_the_old_root_comes_to_trust_the_new_one_and_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let make = |word: &str, key: CaKey, rng: &mut StdRng| {
        let spec = root_spec(word, key, encrypted(PASSPHRASE));
        RootCa::make(&dir.path().join(word), &spec, now(), rng).unwrap()
    };
    let old = make("old root", CaKey::P384, &mut rng);
    let new = make("new root", CaKey::Rsa3072, &mut rng);
    let spec = issuing_spec("below the new", CaKey::P256, Custody::PlainFile);
    let ca = IssuingCa::make(&new, &dir.path().join("issuing"), &spec, now(), &mut rng).unwrap();
    let csr = request(dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256");
    let leaf = issue(&ca, &clinic(), &csr, None, now(), &mut rng).unwrap();
    let pem = |der: &[u8]| files::pem("CERTIFICATE", der);
    let (old_pem, new_pem) = (pem(old.certificate()), pem(new.certificate()));

    let believed = |chain: &[&str], root: &str| {
        verify(dir.path(), &leaf.pem, chain, &[root])
            .status
            .success()
    };
    assert!(believed(&[ca.pem()], &new_pem));
    assert!(!believed(&[ca.pem()], &old_pem));
    // The letter of introduction: signed by the old, with the new one's name and key.
    let letter = old.cross(new.certificate(), now(), &mut rng).unwrap();
    let (letter_file, old_file) = (dir.path().join("letter.pem"), dir.path().join("old.pem"));
    std::fs::write(&letter_file, pem(&letter)).unwrap();
    std::fs::write(&old_file, &old_pem).unwrap();
    let (letter_file, old_file) = (letter_file.to_str().unwrap(), old_file.to_str().unwrap());
    let judged = openssl(&["verify", "-x509_strict", "-CAfile", old_file, letter_file]);
    assert!(judged.status.success(), "{}", text(&judged));
    let new_file = dir.path().join("new root/root.pem");
    for what in ["-pubkey", "-subject"] {
        let of = |file: &str| text(&openssl(&["x509", "-in", file, "-noout", what]));
        assert_eq!(of(letter_file), of(new_file.to_str().unwrap()));
    }
    // During the change both are trusted, and each one's devices with them.
    let both = [&*old_pem, &*new_pem].concat();
    assert!(believed(&[ca.pem()], &both));
    // A leaf or an issuing CA is no root, whoever asks.
    assert!(old.cross(ca.certificate(), now(), &mut rng).is_err());
    assert!(
        old.cross(&leaf.der.clone().into(), now(), &mut rng)
            .is_err()
    );
}
