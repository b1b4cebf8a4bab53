//! A router as institutions have them, which enrols with nothing but curl and
//! openssl, and certificates of an age.

use crate::support::{DEADLINE, Enrolled, Ground, World, now};
use iryonet_authority::{Csr, EnrolmentCode, IssuingCa, Profile, issue};
use iryonet_domain::{DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber, UnixMillis};
use iryonet_registry::{CertificateFacts, CodeHash, Command, Serial};
use iryonet_store::SqliteStore;
use iryonet_tls::LocalIdentity;
use serde_json::json;

pub(crate) const EST: &str = "/.well-known/est";
pub(crate) const DAY_MS: u64 = 86_400_000;

/// Runs a program of another's making, and gives what it said.
pub(crate) async fn judge(program: &'static str, arguments: &[&str]) -> (bool, String) {
    let output = tokio::time::timeout(
        DEADLINE,
        tokio::process::Command::new(program)
            .args(arguments)
            .output(),
    )
    .await
    .unwrap()
    .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), text)
}

pub(crate) async fn openssl(arguments: &[&str]) -> String {
    judge("openssl", arguments).await.1
}

/// A router: a key and a request made by openssl, the request in base64.
pub(crate) struct Router {
    pub(crate) dir: tempfile::TempDir,
}

impl Router {
    pub(crate) async fn new(algorithm: &str) -> Self {
        let router = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let (key, csr) = (router.at("key.pem"), router.at("csr.der"));
        let mut arguments = vec!["req", "-new", "-nodes", "-newkey"];
        arguments.extend(algorithm.split(' '));
        arguments.extend(["-keyout", &key, "-outform", "DER", "-out", &csr]);
        // What it calls itself does not matter.
        arguments.extend(["-subj", "/CN=Router A-4711"]);
        let (made, said) = judge("openssl", &arguments).await;
        assert!(made, "{said}");
        let (made, said) = judge(
            "openssl",
            &["base64", "-in", &csr, "-out", &router.at("csr.b64")],
        )
        .await;
        assert!(made, "{said}");
        router
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// curl's status, content type and the header in which a challenge would be.
    pub(crate) async fn curl(&self, world: &World, path: &str, more: &[&str]) -> (u16, String) {
        let root = world.ground.config.root_certificate.display().to_string();
        let url = format!("https://{}{EST}/{path}", world.running.public_address());
        let out = self.at("answer");
        let mut arguments = vec![
            "--silent",
            "--show-error",
            "--tlsv1.2",
            "--tls-max",
            "1.2",
            "--globoff",
            "--cacert",
            &root,
            "--output",
            &out,
            "--write-out",
            "%{http_code} %{content_type} %header{www-authenticate}",
        ];
        arguments.extend(more);
        arguments.push(&url);
        let (done, said) = judge("curl", &arguments).await;
        assert!(done, "{said}");
        let (status, rest) = said.split_once(' ').unwrap();
        (status.parse().unwrap(), rest.to_owned())
    }

    pub(crate) async fn enrol(&self, world: &World, user: &str, code: &str) -> (u16, String) {
        let (credentials, body) = (format!("{user}:{code}"), format!("@{}", self.at("csr.b64")));
        let more = [
            "--user",
            &*credentials,
            "--header",
            "content-type: application/pkcs10",
            "--data-binary",
            &*body,
        ];
        self.curl(world, "simpleenroll", &more).await
    }

    pub(crate) async fn renew(&self, world: &World, holder: &Router) -> (u16, String) {
        let body = format!("@{}", self.at("csr.b64"));
        let (cert, key) = (holder.at("chain.pem"), holder.at("key.pem"));
        let more = [
            "--cert",
            &*cert,
            "--key",
            &*key,
            "--header",
            "content-type: application/pkcs10",
            "--data-binary",
            &*body,
        ];
        self.curl(world, "simplereenroll", &more).await
    }

    /// The certificates of the last answer, as openssl reads them.
    pub(crate) async fn certificates(&self) -> String {
        let (der, pem) = (self.at("answer.der"), self.at("leaf.pem"));
        let (read, said) = judge(
            "openssl",
            &["base64", "-d", "-in", &self.at("answer"), "-out", &der],
        )
        .await;
        assert!(read, "{said}");
        let arguments = [
            "pkcs7",
            "-inform",
            "DER",
            "-in",
            &der,
            "-print_certs",
            "-out",
            &pem,
        ];
        let (read, said) = judge("openssl", &arguments).await;
        assert!(read, "{said}");
        std::fs::read_to_string(pem).unwrap()
    }

    pub(crate) fn answer(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.at("answer")).unwrap()).unwrap()
    }
}

/// A network whose CA is old enough for certificates past half of their life.
pub(crate) fn old_ground() -> Ground {
    let mut ground = Ground::new();
    let dir = ground.dir.path().to_owned();
    let long_ago = UnixMillis(now().0 - 400 * DAY_MS);
    crate::support::make_ca_at(&dir.join("old-root"), &dir.join("old-issuing"), long_ago);
    ground.config.issuing_dir = dir.join("old-issuing");
    ground.config.root_certificate = dir.join("old-root/root.pem");
    iryonet_center::init(&ground.config).unwrap();
    ground
}

/// A device whose certificate was made `age` days ago for `life` days, recorded
/// as the center records one.
pub(crate) async fn device_of_age(
    world: &World,
    number: u64,
    age: u64,
    life: u64,
) -> (Enrolled, Router) {
    let router = Router::new("ec -pkeyopt ec_paramgen_curve:P-256").await;
    let code = world.code(json!({"participant": number})).await;
    let ca = IssuingCa::load(&world.ground.config.issuing_dir).unwrap();
    let number = ParticipantNumber::new(u32::try_from(number).unwrap()).unwrap();
    let store = SqliteStore::open(&world.ground.config.database()).unwrap();
    let device = iryonet_store::look(&store, |reader| {
        let last = reader.last_device(number)?;
        Ok(DeviceId(last.map_or(1, |last| last.0 + 1)))
    })
    .unwrap();
    let profile = Profile::Institution {
        number,
        device,
        name: "青葉クリニック".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code: None,
    };
    let csr = Csr::parse(&std::fs::read(router.at("csr.der")).unwrap()).unwrap();
    let made = issue(
        &ca,
        &profile,
        &csr,
        Some(life * DAY_MS),
        UnixMillis(now().0 - age * DAY_MS),
        &mut rand::rng(),
    )
    .unwrap();
    let command = Command::EnrolDevice {
        code_hash: CodeHash::try_from(EnrolmentCode::parse(&code).unwrap().hash()).unwrap(),
        device,
        certificate: CertificateFacts {
            fingerprint: made.fingerprint,
            serial: Serial::from_octets(made.serial.as_bytes()).unwrap(),
            not_before: made.not_before,
            not_after: made.not_after,
        },
    };
    let actor = "system:center-1".parse().unwrap();
    let recorded = iryonet_store::act(&store, &actor, &command, now()).unwrap();
    recorded.events().unwrap();
    std::fs::write(router.at("chain.pem"), &made.chain_pem).unwrap();
    let key = std::fs::read(router.at("key.pem")).unwrap();
    let enrolled = Enrolled {
        identity: LocalIdentity::from_pem(made.chain_pem.as_bytes(), &key).unwrap(),
        answer: json!({}),
    };
    (enrolled, router)
}
