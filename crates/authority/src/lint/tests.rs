//! Each rule is broken once on purpose, and has to be found.

use super::*;
use crate::csr::Csr;
use crate::issue::{IssueError, params, sign_linted};
use crate::issuing::{ISSUING_KEY, IssuingSpec};
use crate::profile::ServerNames;
use crate::root::{CaName, RootCa};
use crate::signer::{CaKey, Signer};
use iryonet_domain::{DeviceId, ParticipantNumber};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    SignatureAlgorithm, SigningKey,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
const CRL: &str = "http://crl.iryonet.example/0.crl";

struct House {
    _dir: tempfile::TempDir,
    ca: IssuingCa,
    signatures: Arc<AtomicUsize>,
}

/// The real key, counting how often it is used.
struct Counting(KeyPair, Arc<AtomicUsize>);

impl PublicKeyData for Counting {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.0)
    }
}

impl SigningKey for Counting {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sign(message)
    }
}

impl Signer for Counting {}

fn ca_name(common_name: &str) -> CaName {
    CaName {
        organisation: "医療等分野専用ネットワーク".to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let root = RootCa::make(&dir.path().join("root"), &ca_name("root"), NOW, &mut rng).unwrap();
    let at = dir.path().join("issuing");
    let spec = IssuingSpec {
        name: ca_name("issuing"),
        key: CaKey::P256,
        life_days: 2_000,
    };
    let ca = IssuingCa::make(&root, &at, &spec, NOW, &mut rng).unwrap();
    let signatures = Arc::new(AtomicUsize::new(0));
    let pem = std::fs::read_to_string(at.join(ISSUING_KEY)).unwrap();
    let counting = Counting(KeyPair::from_pem(&pem).unwrap(), signatures.clone());
    let ca = IssuingCa::assemble(
        Box::new(counting),
        ca.certificate().clone(),
        root.certificate().clone(),
    )
    .unwrap()
    .with_crl_uri(Some(CRL.to_owned()))
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

fn serial() -> Serial {
    Serial::draw(&mut StdRng::seed_from_u64(2))
}

fn wanted<'a>(profile: &'a Profile, csr: &'a Csr) -> Wanted<'a> {
    Wanted {
        profile,
        key: csr.key(),
        serial: serial(),
        now: NOW,
    }
}

fn good(house: &House, profile: &Profile) -> CertificateParams {
    let serial = serial();
    let validity = (NOW, NOW.plus_ms(365 * DAY_MS));
    params(&house.ca, profile, serial, validity).unwrap()
}

fn findings(house: &House, profile: &Profile, params: &CertificateParams) -> Vec<&'static str> {
    match sign_linted(&house.ca, &wanted(profile, &csr()), params) {
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
        match lint(draft, &house.ca, &wanted(&hospital(), key)) {
            Ok(_) => Vec::new(),
            Err(error) => error.findings.iter().map(|f| f.rule).collect(),
        }
    };
    let issuer = Issuer::from_ca_cert_der(house.ca.certificate(), house.ca.throwaway()).unwrap();
    let draft = params.signed_by(ours.key(), &issuer).unwrap();
    assert_eq!(rules(draft.der(), &ours), Vec::<&str>::new());
    assert_eq!(rules(draft.der(), &theirs), ["key"]);

    let stranger = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
    let draft = params.signed_by(ours.key(), &stranger).unwrap();
    assert_eq!(
        rules(draft.der(), &ours),
        ["issuer", "authority-key-identifier"]
    );

    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let issuer = Issuer::from_ca_cert_der(house.ca.certificate(), ed25519).unwrap();
    let draft = params.signed_by(ours.key(), &issuer).unwrap();
    assert_eq!(rules(draft.der(), &ours), ["signature-algorithm"]);

    assert_eq!(rules(b"\x30\x03\x01\x01\x00", &ours), ["encoding"]);
}

#[test]
fn a_broken_signer_hands_out_nothing() {
    struct Broken(KeyPair);
    impl PublicKeyData for Broken {
        fn der_bytes(&self) -> &[u8] {
            self.0.der_bytes()
        }
        fn algorithm(&self) -> &'static SignatureAlgorithm {
            PublicKeyData::algorithm(&self.0)
        }
    }
    impl SigningKey for Broken {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            self.0.sign(b"something else")
        }
    }
    impl Signer for Broken {}
    let house = house();
    let key = KeyPair::generate().unwrap();
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
