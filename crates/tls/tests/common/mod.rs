//! A network's certificates, good and bad, for judging TLS from outside.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary takes the part it needs"
)]

use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{
    CaName, Csr, Custody, IssuingCa, Profile as For, RootCa, RootSpec, ServerNames, issue,
};
use iryonet_domain::{DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber, UnixMillis};
use iryonet_tls::{Clock, HandshakeLimits, LocalIdentity, TrustRoots};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// One CA with a directory for what openssl is to read.
pub struct Net {
    pub dir: tempfile::TempDir,
    pub ca: IssuingCa,
    pub now: UnixMillis,
    rng: StdRng,
}

/// A certificate chain with its key, as PEM and as files.
pub struct Pair {
    pub chain_pem: String,
    pub key_pem: String,
    pub chain: String,
    pub key: String,
}

impl Pair {
    pub fn local(&self) -> LocalIdentity {
        LocalIdentity::from_pem(self.chain_pem.as_bytes(), self.key_pem.as_bytes()).unwrap()
    }
}

/// What a certificate says that the authority would never let it say.
pub type Twist = fn(&mut CertificateParams);

impl Net {
    /// A network whose CA began long enough ago for certificates of yesterday.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let mut rng = StdRng::from_os_rng();
        let name = |common_name: &str| CaName {
            organisation: "iryonet".to_owned(),
            common_name: common_name.to_owned(),
        };
        let long_ago = UnixMillis(now.0 - 400 * DAY_MS);
        let root_spec = RootSpec {
            name: name("root"),
            key: CaKey::P384,
            custody: Custody::PlainFile,
        };
        let root = RootCa::make(&dir.path().join("ca"), &root_spec, long_ago, &mut rng).unwrap();
        let spec = IssuingSpec {
            name: name("issuing"),
            key: CaKey::P256,
            life_days: 2_000,
            custody: Custody::PlainFile,
        };
        let ca = IssuingCa::make(&root, &dir.path().join("ca"), &spec, long_ago, &mut rng).unwrap();
        Self { dir, ca, now, rng }
    }

    pub fn roots(&self) -> TrustRoots {
        TrustRoots::from_pem(self.ca.root_pem().as_bytes()).unwrap()
    }

    pub fn roots_file(&self) -> String {
        self.dir.path().join("ca/root.pem").display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn pair(&self, name: &str, chain_pem: String, key_pem: String) -> Pair {
        Pair {
            chain: self.write(&format!("{name}.pem"), &chain_pem),
            key: self.write(&format!("{name}.key"), &key_pem),
            chain_pem,
            key_pem,
        }
    }

    pub fn issue_with(
        &mut self,
        name: &str,
        profile: &For,
        key: &KeyPair,
        from: UnixMillis,
        life_ms: u64,
    ) -> Pair {
        let request = CertificateParams::default().serialize_request(key).unwrap();
        let csr = Csr::parse(request.der()).unwrap();
        let made = issue(&self.ca, profile, &csr, Some(life_ms), from, &mut self.rng).unwrap();
        self.pair(name, made.chain_pem, key.serialize_pem())
    }

    pub fn issue(&mut self, name: &str, profile: &For) -> Pair {
        let (key, now) = (KeyPair::generate().unwrap(), self.now);
        self.issue_with(name, profile, &key, now, 30 * DAY_MS)
    }

    pub fn issue_rsa(&mut self, name: &str, profile: &For) -> Pair {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let now = self.now;
        self.issue_with(name, profile, &key, now, 30 * DAY_MS)
    }

    /// Signed by the real CA key behind the authority's back.
    pub fn forge(&self, name: &str, twist: Twist) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let at = |ms: u64| iryonet_authority::instant::to_x509(UnixMillis(ms)).unwrap();
        params.not_before = at(self.now.0 - DAY_MS);
        params.not_after = at(self.now.0 + DAY_MS);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri("iryonet:participant:70001:device:1")];
        twist(&mut params);
        let issuer = Issuer::from_ca_cert_der(self.ca.certificate(), self.ca_key()).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let chain = format!("{}{}", leaf.pem(), self.issuing_pem());
        self.pair(name, chain, key.serialize_pem())
    }

    pub fn issuing_pem(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("ca/issuing.pem")).unwrap()
    }

    fn ca_key(&self) -> KeyPair {
        let pem = std::fs::read_to_string(self.dir.path().join("ca/issuing.key")).unwrap();
        KeyPair::from_pem(&pem).unwrap()
    }

    /// A leaf over a key that rcgen would not make (weak ones), by openssl.
    pub async fn forge_with_openssl(&self, name: &str, key_options: &str, digest: &str) -> Pair {
        let file = |suffix: &str| {
            self.dir
                .path()
                .join(format!("{name}.{suffix}"))
                .display()
                .to_string()
        };
        let (key, csr, leaf, extensions) = (file("key"), file("csr"), file("leaf"), file("ext"));
        std::fs::write(
            &extensions,
            "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\nsubjectAltName=URI:iryonet:participant:70001:device:1\n",
        )
        .unwrap();
        let ca = |name: &str| self.dir.path().join("ca").join(name).display().to_string();
        let mut generate = vec!["genpkey", "-out", &key, "-algorithm"];
        generate.extend(key_options.split(' '));
        done(&openssl(&generate).await);
        done(&openssl(&["req", "-new", "-key", &key, "-subj", "/CN=x", "-out", &csr]).await);
        done(
            &openssl(&[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &ca("issuing.pem"),
                "-CAkey",
                &ca("issuing.key"),
                "-days",
                "2",
                digest,
                "-extfile",
                &extensions,
                "-out",
                &leaf,
            ])
            .await,
        );
        let chain = std::fs::read_to_string(&leaf).unwrap() + &self.issuing_pem();
        let key_pem = std::fs::read_to_string(&key).unwrap();
        self.pair(name, chain, key_pem)
    }
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub fn device() -> For {
    For::Institution {
        number: ParticipantNumber::new(70_001).unwrap(),
        device: DeviceId(1),
        name: "青葉中央病院".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Hospital),
        code: None,
    }
}

pub fn gateway() -> For {
    For::Gateway {
        id: "gw-east-1".parse().unwrap(),
        names: ServerNames {
            dns: vec!["gw-east-1.iryonet.example".to_owned()],
            addresses: vec!["127.0.0.1".parse().unwrap()],
        },
    }
}

pub fn center() -> For {
    For::Center {
        id: "center-1".parse().unwrap(),
        names: ServerNames {
            dns: vec!["center.iryonet.example".to_owned()],
            addresses: vec!["127.0.0.1".parse().unwrap()],
        },
    }
}

/// Generous: the judge's processes share two cores with everything else.
pub fn limits() -> HandshakeLimits {
    HandshakeLimits {
        timeout: Duration::from_secs(60),
        octets: 32 * 1024,
    }
}

pub async fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_secs(120), output)
        .await
        .unwrap_or_else(|_| panic!("{program} {arguments:?} did not end"))
        .unwrap_or_else(|error| {
            panic!("{program} is needed as a foreign judge (apt-get install {program}): {error}")
        })
}

pub async fn openssl(arguments: &[&str]) -> Output {
    run("openssl", arguments).await
}

pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", text(output));
}
