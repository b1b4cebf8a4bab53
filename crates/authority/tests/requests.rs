//! Certificate requests as OpenSSL makes them, and what people and machines make
//! of them: the fuzzer's corpus, replayed. Each file's name begins with what
//! becomes of it: the kind of key that is taken, or why nothing is.
//!
//! The good ones and those with foreign keys are `openssl req -new` with keys of
//! `openssl genpkey`; the others are those, changed by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_authority::csr::{CSR_LIMIT, Csr, CsrError, KeyKind};
use std::collections::BTreeMap;
use std::path::Path;

fn becomes(bytes: &[u8]) -> &'static str {
    match Csr::parse(bytes) {
        Ok(csr) => match csr.key_kind() {
            KeyKind::P256 => "p256",
            KeyKind::P384 => "p384",
            KeyKind::Rsa { .. } => "rsa",
        },
        Err(CsrError::TooLarge { .. }) => "too-large",
        Err(CsrError::NotPem) => "not-pem",
        Err(CsrError::NotPkcs10(_)) => "not-pkcs10",
        Err(CsrError::Trailing { .. }) => "trailing",
        Err(CsrError::Key(_)) => "key",
        Err(CsrError::SignatureAlgorithm { .. }) => "weak",
        Err(CsrError::Signature) => "signature",
    }
}

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/csr");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn every_request_of_the_corpus_becomes_what_it_is_called() {
    let corpus = corpus();
    assert!(corpus.len() >= 37, "the corpus is there");
    for (name, bytes) in &corpus {
        assert_eq!(becomes(bytes), name.split('.').next().unwrap(), "{name}");
    }
    let mut large = corpus["p256.pem-text"].clone();
    large.resize(CSR_LIMIT + 1, b'\n');
    assert_eq!(becomes(&large), "too-large");
}

#[test]
fn a_request_that_was_cut_or_changed_anywhere_never_brings_another_key() {
    // Each octet of each good request in DER: away, or another one.
    for (name, good) in corpus() {
        let key = becomes(&good);
        if !matches!(key, "p256" | "p384" | "rsa") || good.first() != Some(&0x30) {
            continue;
        }
        for place in 0..good.len() {
            assert_ne!(becomes(&good[..place]), key, "{name} cut at {place}");
            let mut changed = good.clone();
            changed[place] ^= 0x20;
            // Readers are lax about some tags after what is signed; then it is
            // the same key as before, proved by its signature.
            let became = becomes(&changed);
            assert!(
                became == key || !matches!(became, "p256" | "p384" | "rsa"),
                "{name} changed at {place} became {became}"
            );
        }
    }
}
