//! EST, OCSP and revocation lists as foreign clients use them: curl and openssl.

use crate::router::{EST, Router, device_of_age, judge, old_ground, openssl};
use crate::support::{DEADLINE, World, key_and_csr, make_ca, now};
use hyper::{Method, StatusCode};
use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{CaName, Csr, Custody, IssuingCa, Profile, RootCa, issue};
use iryonet_domain::{DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber};
use iryonet_tls::LocalIdentity;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn issuing_pem(world: &World) -> String {
    let path = world.ground.config.issuing_dir.join("issuing.pem");
    path.display().to_string()
}

/// What openssl says of a client's certificate under root and issuing CA.
async fn verified(root: &str, issuing: &str, leaf: &str) -> String {
    openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        root,
        "-untrusted",
        issuing,
        leaf,
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_enrols_over_est_with_nothing_but_curl_and_openssl() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let other = world.participant("clinic", "gw-a", "line1").await;
    let code = world.code(json!({"participant": number})).await;
    for algorithm in ["ec -pkeyopt ec_paramgen_curve:P-256", "rsa:2048"] {
        let code = world.code(json!({"participant": number})).await;
        let router = Router::new(algorithm).await;
        let (status, kind) = router.curl(&world, "cacerts", &[]).await;
        assert_eq!((status, kind.trim()), (200, "application/pkcs7-mime"));
        assert_eq!(router.certificates().await.matches("BEGIN").count(), 2);

        let (status, kind) = router.enrol(&world, &number.to_string(), &code).await;
        assert_eq!(status, 200, "{kind} {}", router.answer());
        assert_eq!(kind.trim(), "application/pkcs7-mime; smime-type=certs-only");
        let leaf = router.certificates().await;
        assert_eq!(leaf.matches("BEGIN").count(), 1);
        let (root, issuing, file) = (
            world.ground.config.root_certificate.display().to_string(),
            issuing_pem(&world),
            router.at("leaf.pem"),
        );
        let said = verified(&root, &issuing, &file).await;
        assert!(said.contains("OK"), "{said}");
        let said = openssl(&["x509", "-in", &file, "-noout", "-text"]).await;
        let name = format!("URI:iryonet:participant:{number}:device:");
        assert!(said.contains(&name) && !said.contains("Router A"), "{said}");
        // It is spent; the client is told how to authenticate.
        let (status, rest) = router.enrol(&world, &number.to_string(), &code).await;
        assert_eq!(status, 401);
        assert!(rest.contains("Basic realm="), "{rest}");
        assert_eq!(router.answer()["code"], "enrolment-code-spent");
    }

    let router = Router::new("ec -pkeyopt ec_paramgen_curve:P-384").await;
    // Another's number, a gateway's name, no credentials at all: the code stays good.
    for (user, wanted) in [
        (other.to_string(), "code-of-another"),
        ("gw-a".to_owned(), "code-of-another"),
        (String::new(), "credentials-wanted"),
        ("number one".to_owned(), "credentials-wanted"),
    ] {
        let (status, rest) = router.enrol(&world, &user, &code).await;
        assert_eq!((status, &router.answer()["code"]), (401, &json!(wanted)));
        assert!(rest.contains("Basic realm="), "{rest}");
    }
    let (status, _) = router.enrol(&world, &number.to_string(), "7QK2M").await;
    assert_eq!(status, 401);
    assert_eq!(router.answer()["code"], "enrolment-code-malformed");
    let (status, _) = router.enrol(&world, &number.to_string(), &code).await;
    assert_eq!(status, 200, "it was not spent by the slips before");

    let gateway = world.code(json!({"gateway": "gw-a"})).await;
    let (status, _) = router.enrol(&world, "gw-a", &gateway).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_the_trade_enrols_however_its_base64_is_broken_into_lines() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let (root, issuing) = (
        world.ground.config.root_certificate.display().to_string(),
        issuing_pem(&world),
    );
    for (place, algorithm) in [
        "ec -pkeyopt ec_paramgen_curve:P-256",
        "ec -pkeyopt ec_paramgen_curve:P-384",
        "rsa:2048",
        "rsa:3072",
    ]
    .into_iter()
    .enumerate()
    {
        let number = world
            .participant("clinic", "gw-a", &format!("line{place}"))
            .await;
        let router = Router::new(algorithm).await;
        let lines = std::fs::read_to_string(router.at("csr.b64")).unwrap();
        assert!(lines.lines().count() > 3, "openssl breaks it into lines");
        let own = openssl(&["pkey", "-in", &router.at("key.pem"), "-pubout"]).await;
        for (form, body) in [
            ("LF", lines.clone()),
            ("CRLF", lines.replace('\n', "\r\n")),
            ("one line", lines.replace('\n', "")),
        ] {
            std::fs::write(router.at("csr.b64"), body).unwrap();
            let code = world.code(json!({"participant": number})).await;
            let (status, kind) = router.enrol(&world, &number.to_string(), &code).await;
            assert_eq!(status, 200, "{algorithm}, {form}: {kind}");
            router.certificates().await;
            let leaf = router.at("leaf.pem");
            let said = verified(&root, &issuing, &leaf).await;
            assert!(said.contains("OK"), "{algorithm}, {form}: {said}");
            let certified = openssl(&["x509", "-in", &leaf, "-noout", "-pubkey"]).await;
            assert_eq!(certified, own, "{algorithm}, {form}: another key");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_are_refused_and_spend_no_code() {
    let world = World::new().await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": number})).await;
    let (_, pem) = key_and_csr();
    let good = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect::<Vec<_>>()
        .join("\n");
    let mut broken_signature = base64(&good);
    *broken_signature.last_mut().unwrap() ^= 1;
    let weak = Router::new("rsa:1024").await;
    let foreign = Router::new("ed25519").await;
    let read = |router: &Router| std::fs::read(router.at("csr.b64")).unwrap();
    let cases: [(&str, Vec<u8>, u16); 9] = [
        ("nothing", Vec::new(), 422),
        ("not base64", b"%%%%".to_vec(), 400),
        ("base64 of nothing", b"aGVsbG8=".to_vec(), 422),
        (
            "half of a request",
            good.replace('\n', "").as_bytes()[..100].to_vec(),
            422,
        ),
        ("another's signature", encode(&broken_signature), 422),
        ("RSA 1024", read(&weak), 422),
        ("Ed25519", read(&foreign), 422),
        ("24 KiB and one", vec![b'A'; (24 << 10) + 1], 413),
        (
            "16 KiB and one of base64",
            encode(&vec![0x30; (16 << 10) + 1]),
            422,
        ),
    ];
    let mut connection = world.public().await;
    let basic = format!("Basic {}", encoded(format!("{number}:{code}").as_bytes()));
    let headers = |kind: &'static str| {
        vec![
            ("content-type", kind.to_owned()),
            ("authorization", basic.clone()),
        ]
    };
    for (what, body, status) in cases {
        let path = format!("{EST}/simpleenroll");
        let answer = connection
            .send_with(Method::POST, &path, headers("application/pkcs10"), body)
            .await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
        assert_eq!(answer.content_type(), "application/problem+json", "{what}");
        if status == 413 {
            connection = world.public().await;
        }
    }
    let path = format!("{EST}/simpleenroll");
    let answer = connection
        .send_with(
            Method::POST,
            &path,
            headers("application/json"),
            good.clone().into_bytes(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // The code is as good as it was.
    let answer = connection
        .send_with(
            Method::POST,
            &path,
            headers("application/pkcs10"),
            good.into_bytes(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// A center whose CA is old enough for certificates past half of their life.
async fn old_world() -> World {
    World::on(old_ground()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_past_half_of_its_life_is_renewed_by_its_holder_alone() {
    let world = old_world().await;
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "line0").await;
    let other = world.participant("clinic", "gw-a", "line1").await;
    let (old, holder) = device_of_age(&world, clinic, 40, 60).await;
    let (_, stranger) = device_of_age(&world, other, 40, 60).await;
    let (young, too_young) = device_of_age(&world, other, 20, 60).await;

    let next = Router::new("rsa:3072").await;
    let (status, _) = next.renew(&world, &holder).await;
    assert_eq!(status, 200, "{}", next.answer());
    next.certificates().await;
    let said = openssl(&["x509", "-in", &next.at("leaf.pem"), "-noout", "-text"]).await;
    let name = format!("URI:iryonet:participant:{clinic}:device:2");
    assert!(said.contains(&name), "{said}");
    let devices = world
        .get(&format!("/v1/devices?participant={clinic}"))
        .await;
    // Both count during the change.
    for place in [0, 1] {
        assert_eq!(devices["devices"][place]["state"], "valid");
    }

    // Another device's certificate renews that device, whatever the request says.
    let mine = Router::new("ec -pkeyopt ec_paramgen_curve:P-256").await;
    let (status, _) = mine.renew(&world, &stranger).await;
    assert_eq!(status, 200);
    mine.certificates().await;
    let said = openssl(&["x509", "-in", &mine.at("leaf.pem"), "-noout", "-text"]).await;
    assert!(said.contains(&format!("participant:{other}:")), "{said}");

    let (status, _) = mine.renew(&world, &too_young).await;
    assert_eq!(
        (status, &mine.answer()["code"]),
        (403, &json!("renewal-too-early"))
    );
    drop(young);

    let fingerprint = old.fingerprint();
    world
        .act(
            &format!("/v1/devices/{fingerprint}/revoke"),
            json!({"reason": "key-compromise"}),
        )
        .await;
    let (status, _) = mine.renew(&world, &holder).await;
    assert_eq!(
        (status, &mine.answer()["code"]),
        (403, &json!("certificate-revoked"))
    );

    // Without one; and one of another network's CA does not even come in.
    let body = format!("@{}", mine.at("csr.b64"));
    let more = [
        "--header",
        "content-type: application/pkcs10",
        "--data-binary",
        &*body,
    ];
    let (status, _) = mine.curl(&world, "simplereenroll", &more).await;
    assert_eq!(
        (status, &mine.answer()["code"]),
        (403, &json!("certificate-wanted"))
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = make_ca(&elsewhere.path().join("r"), &elsewhere.path().join("i"));
    let csr = Csr::parse(&std::fs::read(mine.at("csr.der")).unwrap()).unwrap();
    let profile = Profile::Institution {
        number: ParticipantNumber::new(u32::try_from(clinic).unwrap()).unwrap(),
        device: DeviceId(2),
        name: "青葉".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code: None,
    };
    let forged = issue(&foreign, &profile, &csr, None, now(), &mut rand::rng()).unwrap();
    let key = std::fs::read(mine.at("key.pem")).unwrap();
    let identity = LocalIdentity::from_pem(forged.chain_pem.as_bytes(), &key).unwrap();
    assert!(world.public_as(&identity).await.is_err());
}

/// What openssl says of a certificate's status, asked over plain HTTP.
async fn status(world: &World, issuer: &Path, leaf: &str, more: &[&str]) -> String {
    let url = format!("http://{}/v1/ocsp", world.running.status_address().unwrap());
    let root = world.ground.config.root_certificate.display().to_string();
    let issuer = issuer.display().to_string();
    let mut arguments = vec![
        "ocsp",
        "-issuer",
        &issuer,
        "-url",
        &url,
        "-CAfile",
        &root,
        "-verify_other",
        &issuer,
    ];
    arguments.extend(more);
    if leaf.ends_with(".pem") {
        arguments.extend(["-cert", leaf]);
    } else {
        arguments.extend(["-serial", leaf]);
    }
    openssl(&arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_hears_of_a_revocation_within_a_second() {
    let world = World::with(|config| {
        config.status_listen = Some("127.0.0.1:0".parse().unwrap());
        config.ocsp_uri = Some("http://status.example/v1/ocsp".to_owned());
    })
    .await;
    world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let code = world.code(json!({"participant": number})).await;
    let router = Router::new("ec -pkeyopt ec_paramgen_curve:P-256").await;
    router.enrol(&world, &number.to_string(), &code).await;
    router.certificates().await;
    let leaf = router.at("leaf.pem");
    let shown = openssl(&["x509", "-in", &leaf, "-noout", "-ocsp_uri"]).await;
    assert_eq!(shown.trim(), "http://status.example/v1/ocsp");

    let issuer = PathBuf::from(issuing_pem(&world));
    let said = status(&world, &issuer, &leaf, &[]).await;
    assert!(
        said.contains("Response verify OK") && said.contains("leaf.pem: good"),
        "{said}"
    );
    // openssl sent a nonce; it warns when the answer holds none, or another.
    assert!(!said.contains("WARNING"), "{said}");
    let said = status(&world, &issuer, &leaf, &["-sha256"]).await;
    assert!(said.contains("leaf.pem: good"), "{said}");
    let said = status(&world, &issuer, &leaf, &["-no_nonce"]).await;
    assert!(
        said.contains("Response verify OK") && said.contains("leaf.pem: good"),
        "{said}"
    );
    // Never issued: not good.
    let said = status(&world, &issuer, "4711", &[]).await;
    assert!(said.contains("4711: unknown"), "{said}");

    let devices = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    let fingerprint = devices["devices"][0]["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    let begun = Instant::now();
    world
        .act(
            &format!("/v1/devices/{fingerprint}/revoke"),
            json!({"reason": "key-compromise"}),
        )
        .await;
    // The very first answer after the act is done already says so.
    let said = status(&world, &issuer, &leaf, &[]).await;
    assert!(
        said.contains("leaf.pem: revoked") && said.contains("keyCompromise"),
        "{said}"
    );
    assert!(said.contains("Response verify OK"), "{said}");
    assert!(begun.elapsed().as_millis() < 1_000, "{:?}", begun.elapsed());

    // By GET, and what is no question.
    let mut connection = world.public().await;
    let ask = router.at("ask.der");
    let issuing = issuing_pem(&world);
    openssl(&["ocsp", "-issuer", &issuing, "-cert", &leaf, "-reqout", &ask]).await;
    let asked = encoded(&std::fs::read(&ask).unwrap())
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let answer = connection.get(&format!("/v1/ocsp/{asked}")).await;
    assert_eq!(answer.content_type(), "application/ocsp-response");
    let answered = router.at("answered.der");
    std::fs::write(&answered, &answer.body).unwrap();
    let root = world.ground.config.root_certificate.display().to_string();
    let said = openssl(&[
        "ocsp",
        "-issuer",
        &issuing,
        "-cert",
        &leaf,
        "-no_nonce",
        "-reqin",
        &ask,
        "-respin",
        &answered,
        "-CAfile",
        &root,
        "-verify_other",
        &issuing,
    ])
    .await;
    assert!(said.contains("leaf.pem: revoked"), "{said}");
    for (method, path, body) in [
        (Method::GET, "/v1/ocsp/rubbish".to_owned(), Vec::new()),
        (Method::POST, "/v1/ocsp".to_owned(), vec![0x30, 0x80]),
    ] {
        let answer = connection.send(method, &path, body).await;
        // malformedRequest (1).
        assert_eq!(&answer.body[..], [0x30, 3, 0x0a, 1, 1]);
    }
    let answer = connection
        .send(Method::POST, "/v1/ocsp", vec![0x30; 5_000])
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuing_ca_is_rolled_over_and_nobody_is_cut() {
    let world = World::with(|config| {
        config.status_listen = Some("127.0.0.1:0".parse().unwrap());
        config.crl_uri = Some("http://status.example/{issuer}/{shard}.crl".to_owned());
        config.crl_shards = 4;
    })
    .await;
    let gateway = world.gateway("gw-a", 1).await;
    let number = world.participant("clinic", "gw-a", "line0").await;
    let old = world.enrol(json!({"participant": number})).await;
    let (ground, old_issuing) = world.stop().await;

    // The next one, below the same root; the old one stays to answer.
    let root = RootCa::load(&ground.dir.path().join("root")).unwrap();
    let next = ground.dir.path().join("issuing-2");
    let spec = IssuingSpec {
        name: CaName {
            organisation: "iryonet test".to_owned(),
            common_name: "issuing 2".to_owned(),
        },
        key: CaKey::P384,
        life_days: 2_922,
        custody: Custody::PlainFile,
    };
    IssuingCa::make(&root, &next, &spec, now(), &mut rand::rng()).unwrap();
    let mut ground = ground;
    ground.config.older_issuing_dirs = vec![old_issuing.clone()];
    ground.config.issuing_dir = next.clone();
    let world = World::on(ground).await;

    // The gateway with its old certificate gets its policy, in which the device
    // with its old certificate still counts; the next device is of the next CA.
    let (_feed, snapshot) = crate::support::Feed::open(&world, &gateway).await;
    assert!(snapshot.revision > 0);
    let new = world.enrol(json!({"participant": number})).await;
    let devices = world
        .get(&format!("/v1/devices?participant={number}"))
        .await;
    for place in [0, 1] {
        assert_eq!(devices["devices"][place]["state"], "valid");
    }
    assert!(world.public_as(&old.identity).await.is_ok());
    assert!(world.public_as(&new.identity).await.is_ok());

    // Each CA lists and answers for its own, and for no other's.
    for (enrolled, own, other) in [(&old, &old_issuing, &next), (&new, &next, &old_issuing)] {
        let fingerprint = enrolled.fingerprint();
        world
            .act(
                &format!("/v1/devices/{fingerprint}/revoke"),
                json!({"reason": "superseded"}),
            )
            .await;
        let proof = enrolled.identity.proof().unwrap();
        let leaf = world.ground.dir.path().join("leaf.pem");
        let pem = iryonet_authority::files::pem("CERTIFICATE", &proof.leaf_der);
        std::fs::write(&leaf, pem).unwrap();
        let leaf = leaf.display().to_string();
        let said = status(&world, &own.join("issuing.pem"), &leaf, &[]).await;
        assert!(said.contains("leaf.pem: revoked"), "{said}");
        assert!(said.contains("Response verify OK"), "{said}");
        // Named as it is, by its own issuer's name and the other's key: nobody's.
        let said = status(&world, &other.join("issuing.pem"), &leaf, &[]).await;
        assert!(said.contains("unauthorized"), "{said}");

        // On exactly one of its issuer's lists, the one that it names.
        let uri = openssl(&[
            "x509",
            "-in",
            &leaf,
            "-noout",
            "-ext",
            "crlDistributionPoints",
        ])
        .await;
        let serial = openssl(&["x509", "-in", &leaf, "-noout", "-serial"]).await;
        let serial = serial.trim().trim_start_matches("serial=").to_owned();
        let number = format!("0x{serial}");
        let said = status(&world, &other.join("issuing.pem"), &number, &[]).await;
        assert!(said.contains(": unknown"), "{said}");
        let ca = IssuingCa::load(own).unwrap();
        let begun = Instant::now();
        loop {
            let mut found = Vec::new();
            for shard in 0..4 {
                let path = format!("/v1/crl/{}/{shard}.crl", hex::encode(ca.key_id()));
                let answer = world.public().await.get(&path).await;
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                let file = world.ground.dir.path().join("list.der");
                std::fs::write(&file, &answer.body).unwrap();
                let file = file.display().to_string();
                let issuer = own.join("issuing.pem").display().to_string();
                let (_, said) = judge(
                    "openssl",
                    &[
                        "crl", "-inform", "DER", "-in", &file, "-CAfile", &issuer, "-noout",
                        "-text",
                    ],
                )
                .await;
                assert!(said.contains("verify OK"), "{said}");
                let named = format!("{}/{shard}.crl", hex::encode(ca.key_id()));
                assert!(said.contains(&named), "{said}");
                if said.contains(&serial) {
                    found.push(named);
                }
            }
            if let [one] = found.as_slice() {
                assert!(uri.contains(one.as_str()), "{uri} {one}");
                // With that list in hand openssl refuses the certificate.
                let path = format!("/v1/crl/{one}");
                let answer = world.public().await.get(&path).await;
                let list = iryonet_authority::files::pem("X509 CRL", &answer.body);
                let (list_file, root, issuer) = (
                    world.ground.dir.path().join("list.pem"),
                    world.ground.config.root_certificate.display().to_string(),
                    own.join("issuing.pem").display().to_string(),
                );
                std::fs::write(&list_file, list).unwrap();
                let list_file = list_file.display().to_string();
                let mut words = vec!["verify", "-CAfile", &root, "-untrusted", &issuer];
                let said = openssl(&[words.as_slice(), &[leaf.as_str()]].concat()).await;
                assert!(said.contains("leaf.pem: OK"), "{said}");
                words.extend(["-crl_check", "-CRLfile", &list_file, &leaf]);
                let said = openssl(&words).await;
                assert!(said.contains("certificate revoked"), "{said}");
                break;
            }
            assert!(found.is_empty(), "{found:?}");
            assert!(begun.elapsed() < DEADLINE, "never listed");
        }
    }
    let answer = world.public().await.get("/v1/crl/00ff/0").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD
        .decode(packed)
        .unwrap()
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .encode(bytes)
        .into_bytes()
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    text(&encode(bytes))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
