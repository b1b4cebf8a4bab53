//! One thread, no store: what a certificate costs beside its one signature.

use super::{AuthorityError, made, now, per_second};
use crate::median;
use iryonet_authority::ocsp::{Request, Responder, Status};
use iryonet_authority::signer::{MemorySigner, Signer as _};
use iryonet_authority::{
    CaKey, CaName, Csr, Custody, IssuingCa, IssuingSpec, Profile, RevocationReason, Revoked,
    RootCa, RootSpec, Rules, Serial, crl, issue,
};
use iryonet_domain::{DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds; in each, everything is measured once.
const ROUNDS: usize = 7;
/// Certificates, and signatures, of one round.
const ROUND: u32 = 2_000;
/// Questions of one round.
const QUESTIONS: u32 = 1_000;
/// A certificate of a device has about so many octets to sign.
const SIGNED_OCTETS: usize = 620;
const DAY_MS: u64 = 86_400_000;

pub(crate) struct Signing {
    pub(crate) raw_per_s: f64,
    pub(crate) certificates_per_s: f64,
    pub(crate) ratio: f64,
    pub(crate) requests_per_s: f64,
    pub(crate) crl_bytes: u64,
    pub(crate) crl_ms: f64,
    pub(crate) ocsp_per_s: f64,
}

/// A root and an issuing CA in these folders, with all that certificates of a
/// network say.
pub(crate) fn authority(root: &Path, issuing: &Path) -> Result<IssuingCa, AuthorityError> {
    let name = |common_name: &str| CaName {
        organisation: "iryonet bench".to_owned(),
        common_name: common_name.to_owned(),
    };
    let mut rng = rand::rng();
    let root_spec = RootSpec {
        name: name("root"),
        key: CaKey::P384,
        custody: Custody::PlainFile,
    };
    let root = RootCa::make(root, &root_spec, now(), &mut rng).map_err(made("make the root"))?;
    let spec = IssuingSpec {
        name: name("issuing"),
        key: CaKey::P256,
        life_days: 2_000,
        custody: Custody::PlainFile,
    };
    IssuingCa::make(&root, issuing, &spec, now(), &mut rng)
        .and_then(|ca| {
            ca.with_rules(Rules {
                crl_uri: Some("http://status.example.jp/v1/crl/{issuer}/{shard}".to_owned()),
                ocsp_uri: Some("http://status.example.jp/v1/ocsp".to_owned()),
                ..Rules::default()
            })
        })
        .map_err(made("make the issuing CA"))
}

/// A key made on site, and its request in DER.
pub(crate) fn request() -> Result<Vec<u8>, AuthorityError> {
    let act = "make a request";
    let key = rcgen::KeyPair::generate().map_err(made(act))?;
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .map_err(made(act))?;
    Ok(request.der().to_vec())
}

fn clinic() -> Result<Profile, AuthorityError> {
    Ok(Profile::Institution {
        number: ParticipantNumber::new(70_001).map_err(made("number a clinic"))?,
        device: DeviceId(1),
        name: "医療法人社団青葉会　青葉中央クリニック".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code: Some("1312345670".to_owned()),
    })
}

pub(crate) fn measure(revoked: u32) -> Result<Signing, AuthorityError> {
    let folder = tempfile::tempdir().map_err(made("make a folder"))?;
    let ca = authority(&folder.path().join("root"), &folder.path().join("issuing"))?;
    let pair = rcgen::KeyPair::generate().map_err(made("make a key"))?;
    let bare = MemorySigner::new(pair).ok_or_else(|| made("use a key")("not a CA's"))?;
    let message = vec![0x5a; SIGNED_OCTETS];
    let der = request()?;
    let csr = Csr::parse(&der).map_err(made("read a request"))?;
    let profile = clinic()?;
    let responder = Responder::make(&ca, DAY_MS, now(), &mut rand::rng())
        .map_err(made("make an OCSP responder"))?;
    let certificate = issue(&ca, &profile, &csr, None, now(), &mut rand::rng())
        .map_err(made("issue a certificate"))?;
    let question = question(&ca, &certificate.serial);

    let mut raw = Vec::new();
    let mut issued = Vec::new();
    let mut ratios = Vec::new();
    let mut requests = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..ROUNDS {
        let signed = time(ROUND, || {
            bare.sign(&message)
                .map(drop)
                .map_err(made("sign a message"))
        })?;
        let made_ = time(ROUND, || {
            issue(&ca, &profile, &csr, None, now(), &mut rand::rng())
                .map(drop)
                .map_err(made("issue a certificate"))
        })?;
        let read = time(QUESTIONS, || {
            Csr::parse(&der).map(drop).map_err(made("read a request"))
        })?;
        let answered = time(QUESTIONS, || {
            let asked = Request::parse(&question).map_err(made("read a question"))?;
            let until = now().plus_ms(300_000);
            responder
                .answer(&asked, &[Status::Good], now(), until)
                .map(drop)
                .map_err(made("answer a question"))
        })?;
        raw.push(per_second(ROUND, signed));
        issued.push(per_second(ROUND, made_));
        ratios.push(signed.as_secs_f64() / made_.as_secs_f64().max(1e-9));
        requests.push(per_second(QUESTIONS, read));
        answers.push(per_second(QUESTIONS, answered));
    }

    let entries: Vec<Revoked> = (0..revoked)
        .map(|_| Revoked {
            serial: Serial::draw(ca.tag(), 0, &mut rand::rng()),
            at: now(),
            reason: RevocationReason::Superseded,
        })
        .collect();
    let mut lists = Vec::new();
    let mut crl_bytes = 0;
    for number in 0..3 {
        let begun = Instant::now();
        let list = crl::sign(&ca, 0, &entries, number, now(), now().plus_ms(DAY_MS))
            .map_err(made("sign a revocation list"))?;
        lists.push(begun.elapsed().as_secs_f64() * 1_000.0);
        crl_bytes = list.der.len() as u64;
    }
    let middle = |values: &[f64]| median(values).unwrap_or(0.0);
    Ok(Signing {
        raw_per_s: middle(&raw),
        certificates_per_s: middle(&issued),
        ratio: middle(&ratios),
        requests_per_s: middle(&requests),
        crl_bytes,
        crl_ms: middle(&lists),
        ocsp_per_s: middle(&answers),
    })
}

fn time(
    times: u32,
    mut act: impl FnMut() -> Result<(), AuthorityError>,
) -> Result<Duration, AuthorityError> {
    let begun = Instant::now();
    for _ in 0..times {
        act()?;
    }
    Ok(begun.elapsed())
}

/// A question about one certificate, as openssl asks it (SHA-1, no nonce).
pub(crate) fn question(ca: &IssuingCa, serial: &Serial) -> Vec<u8> {
    Request::about(ca, serial)
}
