//! openssl as a foreign judge of what this authority makes and takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

use iryonet_authority::crl::{self, CrlError};
use iryonet_authority::csr::{CsrError, KeyError, KeyKind};
use iryonet_authority::custody::CustodyError;
use iryonet_authority::instant::DAY_MS;
use iryonet_authority::issue::IssueError;
use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::root::CaError;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{
    CaName, Csr, Custody, Issued, IssuingCa, Profile, RevocationReason, Revoked, RootCa, RootSpec,
    Rules, Serial, ServerNames, issue,
};
use iryonet_domain::{
    DeviceId, Identity, InstitutionKind, ParticipantKind, ParticipantNumber, UnixMillis,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

struct House {
    dir: tempfile::TempDir,
    root: RootCa,
    ca: IssuingCa,
    now: UnixMillis,
    rng: StdRng,
}

fn name(common_name: &str) -> CaName {
    CaName {
        organisation: "医療等分野専用ネットワーク".to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn root_spec(key: CaKey) -> RootSpec {
    RootSpec {
        name: name("iryonet root CA"),
        key,
        custody: Custody::PlainFile,
    }
}

fn spec(key: CaKey, life_days: u64) -> IssuingSpec {
    IssuingSpec {
        name: name("iryonet issuing CA 1"),
        key,
        life_days,
        custody: Custody::PlainFile,
    }
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let now = UnixMillis(u64::try_from(since.as_millis()).unwrap());
    let mut rng = StdRng::from_os_rng();
    let root = RootCa::make(
        &dir.path().join("root"),
        &root_spec(CaKey::P384),
        now,
        &mut rng,
    )
    .unwrap();
    let ca = IssuingCa::make(
        &root,
        &dir.path().join("issuing"),
        &spec(CaKey::P256, 2_922),
        now,
        &mut rng,
    )
    .unwrap()
    .with_rules(Rules {
        crl_uri: Some("http://crl.iryonet.example/0.crl".to_owned()),
        ..Rules::default()
    })
    .unwrap();
    House {
        dir,
        root,
        ca,
        now,
        rng,
    }
}

impl House {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn issue(&mut self, profile: &Profile) -> Issued {
        let csr = Csr::parse(&request(
            self.dir.path(),
            "ec -pkeyopt ec_paramgen_curve:P-256",
            &[],
        ))
        .unwrap();
        issue(&self.ca, profile, &csr, None, self.now, &mut self.rng).unwrap()
    }

    /// `openssl verify`, with revocation lists when given.
    fn verify(&self, leaf: &Issued, purpose: &str, crl: Option<&str>) -> Output {
        let leaf = self.write("leaf.pem", &leaf.pem);
        let root = self.path("root/root.pem").display().to_string();
        let issuing = self.path("issuing/issuing.pem").display().to_string();
        let mut arguments = vec![
            "verify",
            "-x509_strict",
            "-CAfile",
            &root,
            "-untrusted",
            &issuing,
        ];
        arguments.extend(["-purpose", purpose]);
        let crl_file = crl.map(|pem| self.write("list.pem", pem));
        if let Some(file) = &crl_file {
            arguments.extend(["-crl_check", "-CRLfile", file]);
        }
        arguments.push(&leaf);
        openssl(&arguments)
    }
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl is needed as a foreign judge: apt-get install openssl")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A key of the algorithm (with `openssl genpkey` options) and its request.
fn request(dir: &Path, algorithm: &str, options: &[&str]) -> Vec<u8> {
    let key = dir.join("device.key").display().to_string();
    let mut arguments = vec!["genpkey", "-out", &key, "-algorithm"];
    arguments.extend(algorithm.split(' '));
    let made = openssl(&arguments);
    assert!(made.status.success(), "{}", text(&made));
    let mut arguments = vec!["req", "-new", "-key", &key, "-subj", "/CN=somebody else"];
    arguments.extend(options);
    let made = openssl(&arguments);
    assert!(made.status.success(), "{}", text(&made));
    made.stdout
}

fn clinic() -> Profile {
    Profile::Institution {
        number: ParticipantNumber::new(70_001).unwrap(),
        device: DeviceId(3),
        name: "桜通り内科クリニック".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code: Some("1312345670".to_owned()),
    }
}

fn gateway() -> Profile {
    Profile::Gateway {
        id: "gw-east-1".parse().unwrap(),
        names: ServerNames {
            dns: vec!["gw-east-1.iryonet.example".to_owned()],
            addresses: vec!["fe80::1".parse().unwrap()],
        },
    }
}

fn center() -> Profile {
    Profile::Center {
        id: "center-1".parse().unwrap(),
        names: ServerNames {
            dns: vec!["center.iryonet.example".to_owned()],
            addresses: vec!["192.0.2.10".parse().unwrap()],
        },
    }
}

#[test]
fn openssl_believes_each_profile_for_its_use_and_no_other() {
    let mut house = house();
    for (profile, client, server) in [
        (clinic(), true, false),
        (gateway(), true, true),
        (center(), false, true),
    ] {
        let leaf = house.issue(&profile);
        for (purpose, good) in [("sslclient", client), ("sslserver", server)] {
            let verdict = house.verify(&leaf, purpose, None);
            assert_eq!(
                verdict.status.success(),
                good,
                "{profile:?} {purpose}: {}",
                text(&verdict)
            );
        }
    }
}

#[test]
fn an_institutions_certificate_says_who_it_is_and_nothing_that_the_request_asked() {
    let mut house = house();
    let csr = request(
        house.dir.path(),
        "ec -pkeyopt ec_paramgen_curve:P-256",
        &[
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "subjectAltName=URI:iryonet:gateway:gw-east-1,DNS:evil.example",
            "-addext",
            "certificatePolicies=1.2.3.4",
            "-addext",
            "extendedKeyUsage=serverAuth,anyExtendedKeyUsage",
        ],
    );
    let csr = Csr::parse(&csr).unwrap();
    let leaf = issue(&house.ca, &clinic(), &csr, None, house.now, &mut house.rng).unwrap();
    assert_eq!(
        leaf.identity,
        Identity::Participant {
            number: ParticipantNumber::new(70_001).unwrap(),
            device: DeviceId(3)
        }
    );
    assert_eq!(leaf.not_after.since_ms(leaf.not_before) / DAY_MS, 365);
    let file = house.write("leaf.pem", &leaf.pem);
    let shown = text(&openssl(&[
        "x509",
        "-in",
        &file,
        "-noout",
        "-text",
        "-nameopt",
        "utf8,sep_comma_plus",
    ]));
    for wanted in [
        "Version: 3",
        "Subject: C=JP,O=桜通り内科クリニック,OU=clinic,serialNumber=1312345670",
        "Issuer: C=JP,O=医療等分野専用ネットワーク,CN=iryonet issuing CA 1",
        "Public-Key: (256 bit)",
        "URI:iryonet:participant:70001:device:3\n",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Client Authentication, ipsec Internet Key Exchange\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
        "URI:http://crl.iryonet.example/0.crl",
        "ecdsa-with-SHA256",
    ] {
        assert!(shown.contains(wanted), "{wanted:?} is not in\n{shown}");
    }
    for unwanted in [
        "somebody else",
        "evil.example",
        "gw-east-1",
        "CA:TRUE",
        "1.2.3.4",
        "Server",
    ] {
        assert!(!shown.contains(unwanted), "{unwanted:?} is in\n{shown}");
    }
    let serial = text(&openssl(&["x509", "-in", &file, "-noout", "-serial"]));
    assert_eq!(
        serial.trim(),
        format!("serial={}", leaf.serial.to_string().to_uppercase())
    );
    let print = text(&openssl(&[
        "x509",
        "-in",
        &file,
        "-noout",
        "-fingerprint",
        "-sha256",
    ]));
    let print = print
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    assert_eq!(print, leaf.fingerprint.to_string());
}

#[test]
fn the_root_may_have_one_ca_below_it_and_that_one_none() {
    let house = house();
    for (file, wanted) in [
        (
            "root/root.pem",
            [
                "CA:TRUE, pathlen:1",
                "ecdsa-with-SHA384",
                "Certificate Sign, CRL Sign\n",
            ],
        ),
        (
            "issuing/issuing.pem",
            [
                "CA:TRUE, pathlen:0",
                "ecdsa-with-SHA384",
                "Certificate Sign, CRL Sign\n",
            ],
        ),
    ] {
        let path = house.path(file).display().to_string();
        let shown = text(&openssl(&["x509", "-in", &path, "-noout", "-text"]));
        for wanted in wanted {
            assert!(
                shown.contains(wanted),
                "{wanted:?} is not in {file}\n{shown}"
            );
        }
    }
    // The issuing CA runs without the root's key.
    std::fs::remove_file(house.path("root/root.key")).unwrap();
    assert!(IssuingCa::load(&house.path("issuing")).is_ok());
}

#[test]
fn a_revoked_certificate_is_refused_by_openssl_and_another_is_not() {
    let mut house = house();
    let (revoked, other) = (house.issue(&clinic()), house.issue(&clinic()));
    let entry = Revoked {
        serial: revoked.serial,
        at: house.now,
        reason: RevocationReason::KeyCompromise,
    };
    let next = house.now.plus_ms(DAY_MS);
    let list = crl::sign(&house.ca, 0, &[entry], 4_711, house.now, next).unwrap();
    let verdict = house.verify(&revoked, "sslclient", Some(&list.pem));
    assert!(
        !verdict.status.success() && text(&verdict).contains("certificate revoked"),
        "{}",
        text(&verdict)
    );
    let verdict = house.verify(&other, "sslclient", Some(&list.pem));
    assert!(verdict.status.success(), "{}", text(&verdict));
    let file = house.write("list.pem", &list.pem);
    let shown = text(&openssl(&["crl", "-in", &file, "-noout", "-text"]));
    let serial = revoked.serial.to_string().to_uppercase();
    for wanted in [
        &*serial,
        "Key Compromise",
        "CRL Number: \n                4711",
        "Next Update",
    ] {
        assert!(shown.contains(wanted), "{wanted:?} is not in\n{shown}");
    }
    // An empty list is a list too.
    let empty = crl::sign(&house.ca, 0, &[], 4_712, house.now, next).unwrap();
    let verdict = house.verify(&revoked, "sslclient", Some(&empty.pem));
    assert!(verdict.status.success(), "{}", text(&verdict));
}

#[test]
fn a_list_that_would_deceive_is_not_signed() {
    let house = house();
    let entry = Revoked {
        serial: Serial::draw(house.ca.tag(), 0, &mut StdRng::seed_from_u64(1)),
        at: house.now,
        reason: RevocationReason::Superseded,
    };
    let next = house.now.plus_ms(DAY_MS);
    assert!(matches!(
        crl::sign(&house.ca, 0, &[entry, entry], 1, house.now, next),
        Err(CrlError::Twice(serial)) if serial == entry.serial
    ));
    assert!(matches!(
        crl::sign(&house.ca, 0, &[], 1, house.now, house.now),
        Err(CrlError::NextUpdate { .. })
    ));
}

#[test]
fn keys_of_the_trade_are_taken_and_all_others_named() {
    let mut house = house();
    let taken = [
        (
            "ec -pkeyopt ec_paramgen_curve:P-256",
            "-sha256",
            KeyKind::P256,
        ),
        // The key's curve counts, not the hash of the request's signature.
        (
            "ec -pkeyopt ec_paramgen_curve:P-256",
            "-sha384",
            KeyKind::P256,
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-384",
            "-sha256",
            KeyKind::P384,
        ),
        (
            "rsa -pkeyopt rsa_keygen_bits:2048",
            "-sha512",
            KeyKind::Rsa { bits: 2048 },
        ),
        (
            "rsa -pkeyopt rsa_keygen_bits:3072",
            "-sha256",
            KeyKind::Rsa { bits: 3072 },
        ),
    ];
    for (algorithm, digest, kind) in taken {
        let csr = Csr::parse(&request(house.dir.path(), algorithm, &[digest])).unwrap();
        assert_eq!(csr.key_kind(), kind);
        let leaf = issue(&house.ca, &clinic(), &csr, None, house.now, &mut house.rng).unwrap();
        let verdict = house.verify(&leaf, "sslclient", None);
        assert!(verdict.status.success(), "{algorithm}: {}", text(&verdict));
        // The certificate carries the very key that the device holds.
        let (key, pem) = (
            house.path("device.key").display().to_string(),
            house.write("l.pem", &leaf.pem),
        );
        assert_eq!(
            openssl(&["pkey", "-in", &key, "-pubout"]).stdout,
            openssl(&["x509", "-in", &pem, "-noout", "-pubkey"]).stdout,
            "{algorithm}"
        );
    }
    let refused = [
        ("ed25519", "Ed25519"),
        ("ed448", "Ed448"),
        ("ec -pkeyopt ec_paramgen_curve:P-521", "P-521"),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", "secp256k1"),
        (
            "ec -pkeyopt ec_paramgen_curve:brainpoolP256r1",
            "brainpoolP256r1",
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "without a named curve",
        ),
        ("rsa -pkeyopt rsa_keygen_bits:1024", "1024 bits"),
        ("rsa -pkeyopt rsa_keygen_bits:2047", "2047 bits"),
        ("rsa -pkeyopt rsa_keygen_bits:4104", "4104 bits"),
        (
            "rsa -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3",
            "65537",
        ),
        ("rsa-pss -pkeyopt rsa_keygen_bits:2048", "RSASSA-PSS"),
    ];
    for (algorithm, wanted) in refused {
        let error = Csr::parse(&request(house.dir.path(), algorithm, &[])).unwrap_err();
        assert!(matches!(error, CsrError::Key(_)), "{algorithm}: {error}");
        let said = error.to_string();
        assert!(said.contains(wanted), "{algorithm}: {said}");
    }
    let sha1 = request(
        house.dir.path(),
        "rsa -pkeyopt rsa_keygen_bits:2048",
        &["-sha1"],
    );
    let error = Csr::parse(&sha1).unwrap_err();
    assert!(
        matches!(&error, CsrError::SignatureAlgorithm { found } if found.contains("SHA-1")),
        "{error}"
    );
}

#[test]
fn a_compressed_point_is_refused_and_the_right_form_named() {
    let house = house();
    request(house.dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256", &[]);
    let (plain, key) = (house.path("device.key"), house.path("compressed.key"));
    let (plain, key) = (plain.display().to_string(), key.display().to_string());
    let made = openssl(&[
        "ec",
        "-in",
        &plain,
        "-conv_form",
        "compressed",
        "-out",
        &key,
    ]);
    assert!(made.status.success(), "{}", text(&made));
    let made = openssl(&["req", "-new", "-key", &key, "-subj", "/CN=x"]);
    let error = Csr::parse(&made.stdout).unwrap_err();
    assert!(
        matches!(error, CsrError::Key(KeyError::Point { curve: "P-256" })),
        "{error}"
    );
}

#[test]
fn the_label_and_form_that_devices_write_do_not_matter() {
    let house = house();
    let pem = request(house.dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256", &[]);
    let old = String::from_utf8(pem.clone())
        .unwrap()
        .replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    let with_text = request(
        house.dir.path(),
        "ec -pkeyopt ec_paramgen_curve:P-256",
        &["-text"],
    );
    let der = request(
        house.dir.path(),
        "ec -pkeyopt ec_paramgen_curve:P-256",
        &["-outform", "DER"],
    );
    for form in [pem, old.into_bytes(), with_text, der] {
        assert_eq!(Csr::parse(&form).unwrap().key_kind(), KeyKind::P256);
    }
}

#[test]
fn nothing_outlives_its_issuer() {
    let mut house = house();
    let csr = Csr::parse(&request(
        house.dir.path(),
        "ec -pkeyopt ec_paramgen_curve:P-256",
        &[],
    ))
    .unwrap();
    let at = house.path("short");
    let short = IssuingCa::make(
        &house.root,
        &at,
        &spec(CaKey::P384, 100),
        house.now,
        &mut house.rng,
    )
    .unwrap();
    let made = issue(&short, &clinic(), &csr, None, house.now, &mut house.rng);
    assert!(
        matches!(made, Err(IssueError::OutsideIssuer { .. })),
        "{made:?}"
    );
    let made = issue(
        &short,
        &clinic(),
        &csr,
        Some(99 * DAY_MS),
        house.now,
        &mut house.rng,
    );
    assert!(made.is_ok(), "{made:?}");
    let before = UnixMillis(house.now.0 - DAY_MS);
    let made = issue(
        &short,
        &clinic(),
        &csr,
        Some(DAY_MS),
        before,
        &mut house.rng,
    );
    assert!(
        matches!(made, Err(IssueError::OutsideIssuer { .. })),
        "{made:?}"
    );
    for life_ms in [0, 999, 731 * DAY_MS] {
        let made = issue(
            &short,
            &clinic(),
            &csr,
            Some(life_ms),
            house.now,
            &mut house.rng,
        );
        assert!(matches!(made, Err(IssueError::Life { .. })), "{life_ms}");
    }
    let late = house.now.plus_ms(15 * 365 * DAY_MS);
    let made = IssuingCa::make(
        &house.root,
        &house.path("late"),
        &spec(CaKey::P256, 3_652),
        late,
        &mut house.rng,
    );
    assert!(matches!(made, Err(CaError::OutsideRoot { .. })));
    assert!(
        !house.path("late").exists(),
        "a refused CA leaves nothing behind"
    );
}

#[test]
fn a_ca_of_mixed_up_files_is_not_loaded() {
    let mut house = house();
    let other = house.path("other");
    IssuingCa::make(
        &house.root,
        &other,
        &spec(CaKey::P256, 100),
        house.now,
        &mut house.rng,
    )
    .unwrap();
    assert!(IssuingCa::load(&other).is_ok());
    // Nothing is ever written over.
    let again = IssuingCa::make(
        &house.root,
        &other,
        &spec(CaKey::P256, 100),
        house.now,
        &mut house.rng,
    );
    assert!(matches!(
        again,
        Err(CaError::Custody(CustodyError::File(_)))
    ));
    std::fs::copy(house.path("issuing/issuing.key"), other.join("issuing.key")).unwrap();
    assert!(matches!(
        IssuingCa::load(&other),
        Err(CaError::NotAPair { .. })
    ));
    // Another root with the same name did not sign it.
    let root = RootCa::make(
        &house.path("root2"),
        &root_spec(CaKey::P384),
        house.now,
        &mut house.rng,
    )
    .unwrap();
    assert_ne!(root.certificate(), house.root.certificate());
    std::fs::copy(house.path("root2/root.pem"), house.path("issuing/root.pem")).unwrap();
    assert!(matches!(
        IssuingCa::load(&house.path("issuing")),
        Err(CaError::Unusable { .. })
    ));
}
