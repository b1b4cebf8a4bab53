//! Each rule is broken once on purpose, and has to be found.

use super::*;
use crate::csr::{Csr, LeafKeys};
use crate::custody::Custody;
use crate::issue::{IssueError, params, sign_linted};
use crate::issuing::{ISSUING_KEY, IssuingSpec, Rules};
use crate::profile::ServerNames;
use crate::root::{CaName, RootCa, RootSpec};
use crate::signer::{CaKey, MemorySigner, SignError, Signer};
use iryonet_domain::{DeviceId, ParticipantNumber};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const CRL: &str = "http://crl.iryonet.example/{shard}.crl";
const OCSP: &str = "http://ocsp.iryonet.example/";

struct House {
    _dir: tempfile::TempDir,
    ca: IssuingCa,
    signatures: Arc<AtomicUsize>,
}

/// The real key, counting how often it is used.
struct Counting(MemorySigner, Arc<AtomicUsize>);

impl Signer for Counting {
    fn kind(&self) -> CaKey {
        self.0.kind()
    }
    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sign(message)
    }
}

fn ca_name(common_name: &str) -> CaName {
    CaName {
        organisation: "医療等分野専用ネットワーク".to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let root_spec = RootSpec {
        name: ca_name("root"),
        key: CaKey::P384,
        custody: Custody::PlainFile,
    };
    let root = RootCa::make(&dir.path().join("root"), &root_spec, NOW, &mut rng).unwrap();
    let at = dir.path().join("issuing");
    let spec = IssuingSpec {
        name: ca_name("issuing"),
        key: CaKey::P256,
        life_days: 2_000,
        custody: Custody::PlainFile,
    };
    let ca = IssuingCa::make(&root, &at, &spec, NOW, &mut rng).unwrap();
    let signatures = Arc::new(AtomicUsize::new(0));
    let pem = std::fs::read_to_string(at.join(ISSUING_KEY)).unwrap();
    let signer = MemorySigner::new(KeyPair::from_pem(&pem).unwrap()).unwrap();
    let counting = Counting(signer, signatures.clone());
    let ca = IssuingCa::assemble(
        Box::new(counting),
        ca.certificate().clone(),
        root.certificate().clone(),
    )
    .unwrap()
    .with_rules(Rules {
        crl_uri: Some(CRL.to_owned()),
        ocsp_uri: Some(OCSP.to_owned()),
        ..Rules::default()
    })
    .unwrap();
    House {
        _dir: dir,
        ca,
        signatures,
    }
}

fn csr() -> Csr {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    Csr::parse(request.der()).unwrap()
}

fn hospital() -> Profile {
    Profile::Institution {
        number: ParticipantNumber::new(70_001).unwrap(),
        device: DeviceId(1),
        name: "青葉中央病院".to_owned(),
        kind: iryonet_domain::ParticipantKind::Institution(
            iryonet_domain::InstitutionKind::Hospital,
        ),
        code: Some("1312345670".to_owned()),
    }
}

fn gateway() -> Profile {
    Profile::Gateway {
        id: "gw-east-1".parse().unwrap(),
        names: ServerNames {
            dns: vec!["gw-east-1.iryonet.example".to_owned()],
            addresses: vec!["fe80::1".parse().unwrap(), "192.0.2.1".parse().unwrap()],
        },
    }
}

fn serial(house: &House) -> Serial {
    Serial::draw(house.ca.tag(), 0, &mut StdRng::seed_from_u64(2))
}

fn wanted<'a>(house: &House, profile: &'a Profile, csr: &'a Csr) -> Wanted<'a> {
    Wanted {
        profile,
        key: csr.key(),
        serial: serial(house),
        now: NOW,
    }
}

fn good(house: &House, profile: &Profile) -> CertificateParams {
    let serial = serial(house);
    let validity = (NOW, NOW.plus_ms(365 * DAY_MS));
    params(&house.ca, profile, serial, validity).unwrap()
}

fn findings(house: &House, profile: &Profile, params: &CertificateParams) -> Vec<&'static str> {
    match sign_linted(&house.ca, &wanted(house, profile, &csr()), params) {
        Ok(_) => Vec::new(),
        Err(IssueError::Lint(error)) => error.findings.iter().map(|f| f.rule).collect(),
        Err(other) => panic!("not a finding: {other}"),
    }
}

type Fault = (&'static str, fn(&mut CertificateParams));

fn at(ms: u64) -> time::OffsetDateTime {
    instant::to_x509(UnixMillis(ms)).unwrap()
}

const FAULTS: &[Fault] = &[
    ("identity", |p| {
        let uri = "iryonet:participant:70002:device:1".try_into().unwrap();
        p.subject_alt_names.push(SanType::URI(uri));
    }),
    ("identity", |p| {
        let uri = "iryonet:participant:70001:device:2".try_into().unwrap();
        p.subject_alt_names = vec![SanType::URI(uri)];
    }),
    ("extension", |p| p.subject_alt_names.clear()),
    ("names", |p| {
        p.subject_alt_names
            .push(SanType::DnsName("a.example".try_into().unwrap()));
    }),
    ("names", |p| {
        p.subject_alt_names
            .push(SanType::Rfc822Name("a@example.jp".try_into().unwrap()));
    }),
    ("names", |p| {
        p.subject_alt_names
            .push(SanType::IpAddress("10.0.0.1".parse().unwrap()));
    }),
    ("ca", |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    }),
    ("extension", |p| p.is_ca = IsCa::NoCa),
    ("key-usage", |p| {
        p.key_usages.push(KeyUsagePurpose::KeyCertSign)
    }),
    ("key-usage", |p| {
        p.key_usages.push(KeyUsagePurpose::DecipherOnly)
    }),
    ("extension", |p| p.key_usages.clear()),
    ("extended-key-usage", |p| {
        p.extended_key_usages.push(ExtendedKeyUsagePurpose::Any)
    }),
    ("extended-key-usage", |p| {
        p.extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth)
    }),
    ("extended-key-usage", |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }),
    ("extended-key-usage", |p| {
        p.extended_key_usages
            .push(ExtendedKeyUsagePurpose::Other(vec![1, 2, 3, 4]));
    }),
    ("validity-of-issuer", |p| {
        p.not_after = at(NOW.0 + 2_001 * DAY_MS)
    }),
    ("validity-of-issuer", |p| p.not_before = at(NOW.0 - DAY_MS)),
    ("life", |p| p.not_after = at(NOW.0 + 731 * DAY_MS)),
    ("validity", |p| p.not_before = at(NOW.0 + 60_000)),
    ("validity", |p| p.not_after = at(NOW.0)),
    ("serial", |p| {
        p.serial_number = Some(SerialNumber::from(7_u64))
    }),
    ("serial", |p| {
        p.serial_number = Some(SerialNumber::from_slice(&[0xff; 20]))
    }),
    ("serial", |p| p.serial_number = None),
    ("subject", |p| {
        p.distinguished_name.push(DnType::CommonName, "another")
    }),
    ("subject", |p| {
        p.distinguished_name
            .push(DnType::OrganizationName, "another")
    }),
    ("subject", |p| {
        p.distinguished_name.remove(DnType::OrganizationalUnitName);
    }),
    ("authority-key-identifier", |p| {
        p.use_authority_key_identifier_extension = false
    }),
    ("extra-extension", |p| {
        p.custom_extensions.push(CustomExtension::from_oid_content(
            &[2, 5, 29, 54],
            vec![2, 1, 0],
        ));
    }),
    ("extension", |p| {
        // A second key usage, which some readers would take instead of the first.
        let twice = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![3, 2, 2, 4]);
        p.custom_extensions.push(twice);
    }),
    ("crl-uri", |p| {
        let uris = vec!["http://elsewhere.example/0.crl".to_owned()];
        p.crl_distribution_points = vec![CrlDistributionPoint { uris }];
    }),
    ("crl-uri", |p| {
        let more = p.crl_distribution_points.clone();
        p.crl_distribution_points.extend(more);
    }),
    ("extension", |p| p.crl_distribution_points.clear()),
    ("ocsp-uri", |p| {
        let elsewhere = b"\x30\x12\x30\x10\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x04h://";
        p.custom_extensions = vec![CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 5, 5, 7, 1, 1],
            elsewhere.to_vec(),
        )];
    }),
    ("extension", |p| p.custom_extensions.clear()),
    ("subject-key-identifier", |p| {
        p.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1]);
    }),
];

#[test]
fn every_fault_is_found_and_the_real_key_stays_unused() {
    let house = house();
    for (place, (rule, break_it)) in FAULTS.iter().enumerate() {
        let mut params = good(&house, &hospital());
        break_it(&mut params);
        let found = findings(&house, &hospital(), &params);
        assert!(
            found.contains(rule),
            "fault {place}: wanted {rule}, found {found:?}"
        );
        assert_eq!(
            house.signatures.load(Ordering::SeqCst),
            0,
            "fault {place} was signed"
        );
    }
    // The same door is open for what is right, and costs one signature.
    assert_eq!(
        findings(&house, &hospital(), &good(&house, &hospital())),
        Vec::<&str>::new()
    );
    assert_eq!(house.signatures.load(Ordering::SeqCst), 1);
    assert_eq!(
        findings(&house, &gateway(), &good(&house, &gateway())),
        Vec::<&str>::new()
    );
}

#[test]
fn a_certificate_of_one_profile_does_not_pass_as_another() {
    let house = house();
    let found = findings(&house, &gateway(), &good(&house, &hospital()));
    for rule in ["identity", "names", "subject", "extended-key-usage"] {
        assert!(found.contains(&rule), "{rule} not in {found:?}");
    }
}

#[test]
fn another_key_another_issuer_or_another_algorithm_is_found() {
    let house = house();
    let params = good(&house, &hospital());
    let (ours, theirs) = (csr(), csr());
    let rules = |draft: &[u8], key: &Csr| -> Vec<&'static str> {
        match lint(draft, &house.ca, &wanted(&house, &hospital(), key)) {
            Ok(()) => Vec::new(),
            Err(error) => error.findings.iter().map(|f| f.rule).collect(),
        }
    };
    let drafted = |issuer: &Issuer<'_, KeyPair>| {
        let whole = params.signed_by(ours.key(), issuer).unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(whole.der()).unwrap();
        read.tbs_certificate.as_ref().to_vec()
    };
    let own = |key| Issuer::from_ca_cert_der(house.ca.certificate(), key).unwrap();
    let draft = drafted(&own(KeyPair::generate().unwrap()));
    assert_eq!(rules(&draft, &ours), Vec::<&str>::new());
    assert_eq!(rules(&draft, &theirs), ["key"]);

    let stranger = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
    assert_eq!(
        rules(&drafted(&stranger), &ours),
        ["issuer", "authority-key-identifier"]
    );

    // Another algorithm, and one whose hash does not fit the CA's key.
    for kind in [
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let draft = drafted(&own(KeyPair::generate_for(kind).unwrap()));
        assert_eq!(rules(&draft, &ours), ["signature-algorithm"]);
    }

    let mut longer = draft.clone();
    longer.push(0);
    assert_eq!(rules(&longer, &ours), ["encoding"]);
    assert_eq!(rules(b"\x30\x03\x01\x01\x00", &ours), ["encoding"]);
}

#[test]
fn a_serial_of_another_issuing_ca_is_found() {
    let house = house();
    let (profile, csr) = (hospital(), csr());
    let foreign = Serial::draw([9, 9, 9], 0, &mut StdRng::seed_from_u64(2));
    let params = params(&house.ca, &profile, foreign, (NOW, NOW.plus_ms(DAY_MS))).unwrap();
    let wanted = Wanted {
        serial: foreign,
        ..wanted(&house, &profile, &csr)
    };
    match sign_linted(&house.ca, &wanted, &params) {
        Err(IssueError::Lint(error)) => assert_eq!(error.findings[0].rule, "serial-issuer"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_that_the_network_does_not_take_is_found_even_where_nobody_asked() {
    let house = house();
    let only_p384 = Rules {
        leaf_keys: LeafKeys {
            p256: false,
            p384: true,
            rsa_bits_max: None,
        },
        ..house.ca.rules().clone()
    };
    let house = House {
        ca: house.ca.with_rules(only_p384).unwrap(),
        ..house
    };
    let found = findings(&house, &hospital(), &good(&house, &hospital()));
    assert_eq!(found, ["key-kind"]);
}

#[test]
fn a_broken_signer_hands_out_nothing() {
    struct Broken(MemorySigner);
    impl Signer for Broken {
        fn kind(&self) -> CaKey {
            self.0.kind()
        }
        fn public_key(&self) -> &[u8] {
            self.0.public_key()
        }
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
            self.0.sign(b"something else")
        }
    }
    let house = house();
    let key = MemorySigner::new(KeyPair::generate().unwrap()).unwrap();
    let ca = IssuingCa::assemble(
        Box::new(Broken(key)),
        house.ca.certificate().clone(),
        house.ca.root_certificate().clone(),
    )
    .unwrap();
    let made = crate::issue(
        &ca,
        &hospital(),
        &csr(),
        None,
        NOW,
        &mut StdRng::seed_from_u64(3),
    );
    assert!(matches!(made, Err(IssueError::DoesNotChain(_))), "{made:?}");
}
