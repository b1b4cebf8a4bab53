//! OCSP answers, judged by openssl.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture may stop a test at once"
)]

mod common;

use common::{clinic, issuing_spec, now, openssl, request, root_spec, text};
use iryonet_authority::instant::DAY_MS;
use iryonet_authority::ocsp::{Failure, Request, Responder, Status};
use iryonet_authority::signer::CaKey;
use iryonet_authority::{Custody, IssuingCa, RevocationReason, Revoked, RootCa, issue};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::path::Path;

struct House {
    dir: tempfile::TempDir,
    ca: IssuingCa,
    other: IssuingCa,
    rng: StdRng,
}

fn house(key: CaKey) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::from_os_rng();
    let spec = root_spec("root", CaKey::P384, Custody::PlainFile);
    let root = RootCa::make(&dir.path().join("root"), &spec, now(), &mut rng).unwrap();
    let mut make = |word: &str| {
        let spec = issuing_spec(word, key, Custody::PlainFile);
        IssuingCa::make(&root, &dir.path().join(word), &spec, now(), &mut rng).unwrap()
    };
    let (ca, other) = (make("issuing"), make("other"));
    House {
        dir,
        ca,
        other,
        rng,
    }
}

/// What openssl asks, and what it says to our answer.
fn judge(dir: &Path, leaf: &str, nonce: bool, answer: impl FnOnce(&Request) -> Vec<u8>) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    std::fs::write(at("leaf.pem"), leaf).unwrap();
    let (issuing, root) = (at("issuing/issuing.pem"), at("root/root.pem"));
    let (asked, answered, leaf) = (at("ask.der"), at("answer.der"), at("leaf.pem"));
    let nonce = if nonce { "-nonce" } else { "-no_nonce" };
    let made = openssl(&[
        "ocsp", "-issuer", &issuing, "-cert", &leaf, nonce, "-reqout", &asked,
    ]);
    assert!(made.status.success(), "{}", text(&made));
    let request = Request::parse(&std::fs::read(&asked).unwrap()).unwrap();
    std::fs::write(&answered, answer(&request)).unwrap();
    text(&openssl(&[
        "ocsp",
        "-issuer",
        &issuing,
        "-cert",
        &leaf,
        // The question as it is: openssl would put another nonce into it.
        "-no_nonce",
        "-reqin",
        &asked,
        "-respin",
        &answered,
        "-CAfile",
        &root,
        "-verify_other",
        &issuing,
    ]))
}

#[test]
fn openssl_believes_good_revoked_and_unknown_of_every_kind_of_ca_key() {
    for key in CaKey::ALL {
        let mut house = house(key);
        let csr = request(house.dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256");
        let made = issue(&house.ca, &clinic(), &csr, None, now(), &mut house.rng).unwrap();
        let responder = Responder::make(&house.ca, 7 * DAY_MS, now(), &mut house.rng).unwrap();
        let revoked = Status::Revoked(Revoked {
            serial: made.serial,
            at: now(),
            reason: RevocationReason::KeyCompromise,
        });
        for (status, words, nonce) in [
            (Status::Good, "leaf.pem: good", true),
            (Status::Good, "leaf.pem: good", false),
            (revoked, "leaf.pem: revoked", true),
            (Status::Unknown, "leaf.pem: unknown", true),
        ] {
            let said = judge(house.dir.path(), &made.pem, nonce, |asked| {
                assert_eq!(asked.has_nonce(), nonce);
                let [id] = asked.certificates.as_slice() else {
                    panic!("{asked:?}")
                };
                assert!(id.is_of(&house.ca) && !id.is_of(&house.other));
                assert_eq!(id.serial(), Some(made.serial));
                responder
                    .answer(asked, &[status], now(), now().plus_ms(300_000))
                    .unwrap()
            });
            assert!(said.contains("Response verify OK"), "{key}: {said}");
            assert!(said.contains(words), "{key}: {said}");
            assert!(!said.contains("WARNING"), "{key}: {said}");
            let compromised = said.contains("keyCompromise");
            assert_eq!(compromised, status == revoked, "{said}");
        }
    }
}

#[test]
fn an_answer_signed_for_another_ca_or_gone_stale_is_not_believed() {
    let mut house = house(CaKey::P256);
    let csr = request(house.dir.path(), "ec -pkeyopt ec_paramgen_curve:P-256");
    let made = issue(&house.ca, &clinic(), &csr, None, now(), &mut house.rng).unwrap();
    let stranger = Responder::make(&house.other, DAY_MS, now(), &mut house.rng).unwrap();
    let said = judge(house.dir.path(), &made.pem, true, |asked| {
        let until = now().plus_ms(300_000);
        stranger
            .answer(asked, &[Status::Good], now(), until)
            .unwrap()
    });
    assert!(said.contains("Response Verify Failure"), "{said}");

    let own = Responder::make(&house.ca, DAY_MS, now(), &mut house.rng).unwrap();
    let past = iryonet_domain::UnixMillis(now().0 - 2 * 3_600_000);
    let said = judge(house.dir.path(), &made.pem, true, |asked| {
        let until = past.plus_ms(300_000);
        own.answer(asked, &[Status::Good], past, until).unwrap()
    });
    assert!(
        said.contains("WARNING") && said.contains("expired"),
        "{said}"
    );
}

#[test]
fn openssl_reads_each_failure() {
    let house = house(CaKey::P256);
    for (failure, words) in [
        (Failure::MalformedRequest, "malformedrequest"),
        (Failure::InternalError, "internalerror"),
        (Failure::TryLater, "trylater"),
        (Failure::Unauthorized, "unauthorized"),
    ] {
        let file = house.dir.path().join("failure.der");
        std::fs::write(&file, failure.to_der()).unwrap();
        let said = text(&openssl(&["ocsp", "-respin", file.to_str().unwrap()]));
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_responders_certificate_proves_nobody_and_signs_nothing_else() {
    let mut house = house(CaKey::P256);
    let responder = Responder::make(&house.ca, DAY_MS, now(), &mut house.rng).unwrap();
    let file = house.dir.path().join("responder.der");
    std::fs::write(&file, responder.certificate()).unwrap();
    let file = file.to_str().unwrap();
    let shown = text(&openssl(&[
        "x509", "-inform", "DER", "-in", file, "-noout", "-text",
    ]));
    for wanted in ["OCSP Signing", "OCSP No Check", "CA:FALSE"] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(!shown.contains("Subject Alternative Name"), "{shown}");
    assert!(!shown.contains("Client Authentication"), "{shown}");
}
