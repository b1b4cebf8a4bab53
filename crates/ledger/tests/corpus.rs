//! Foreign bytes: for each reader, files that it takes and files that it does
//! not, kept as the fuzzer's corpora. Each file's name says what becomes of it:
//! `good` is taken and verified, `form` is no such file, `lie` is one and is not
//! believed. `IRYONET_BLESS=1` writes the files anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod common;

use common::*;
use iryonet_ledger::export::{Claims, ExportError, verify_signed};
use iryonet_ledger::merkle::proof::{consistency, inclusion, range};
use iryonet_ledger::proof_file::EntryProof;
use iryonet_ledger::range::Range;
use iryonet_ledger::witness::{CosignError, Request, Seen, cosign};
use iryonet_ledger::{Entry, Signed, VerifierKey};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn corpus(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(of)
}

/// What a file is: taken and believed, taken and not believed, or not taken.
type Judge = fn(&[u8]) -> &'static str;

fn holds(of: &str, judge: Judge, cases: Vec<(&str, Vec<u8>)>) {
    let folder = corpus(of);
    if std::env::var_os("IRYONET_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &cases {
            std::fs::write(folder.join(format!("{}.{name}", judge(bytes))), bytes).unwrap();
        }
    }
    let files: BTreeMap<String, PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("the corpus {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    for (name, _) in &cases {
        assert!(
            files
                .keys()
                .any(|file| file.split_once('.').unwrap().1 == *name),
            "{of}: no file for the case {name}; IRYONET_BLESS=1 writes it"
        );
    }
    for (file, path) in files {
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(
            judge(&bytes),
            file.split_once('.').unwrap().0,
            "{of}/{file}"
        );
    }
}

/// A text, and changes of it by hand.
fn changed(text: &str, from: &str, to: &str) -> Vec<u8> {
    assert!(text.contains(from), "{from:?} is not in the text");
    text.replacen(from, to, 1).into_bytes()
}

fn entries() -> Vec<Entry> {
    ledger(12)
}

fn cosigned(entries: &[Entry]) -> Signed {
    let mut signed = signed(entries);
    let line = signed.cosignature(&witness_key(), 1_800_000_000).unwrap();
    signed.add(line).unwrap();
    signed
}

#[test]
fn checkpoints() {
    let text = cosigned(&entries()).to_string();
    let unsigned = signed(&entries()).note().text().to_owned();
    holds(
        "checkpoint",
        |bytes| match Signed::parse(bytes) {
            Err(_) => "form",
            Ok(signed) => match (
                signed.verify(log_key().verifier()),
                signed.cosigned(witness_key().verifier()),
            ) {
                (Ok(()), Ok(_)) => "good",
                _ => "lie",
            },
        },
        vec![
            ("plain", text.clone().into_bytes()),
            ("more-lines", {
                let mut note =
                    iryonet_ledger::note::Note::unsigned(format!("{unsigned}more\n")).unwrap();
                note.sign(&log_key()).unwrap();
                let mut signed = Signed::parse(note.to_string().as_bytes()).unwrap();
                signed
                    .add(signed.cosignature(&witness_key(), 1).unwrap())
                    .unwrap();
                signed.to_string().into_bytes()
            }),
            (
                "without-witness",
                signed(&entries()).to_string().into_bytes(),
            ),
            ("other-size", changed(&text, "\n12\n", "\n13\n")),
            (
                "other-origin",
                changed(&text, "example.jp/ledger\n", "example.jp/ledgers\n"),
            ),
            (
                "other-name",
                changed(&text, "\u{2014} example.jp", "\u{2014} example.com"),
            ),
            ("unsigned", unsigned.into_bytes()),
            ("empty", Vec::new()),
            ("leading-zero", changed(&text, "\n12\n", "\n012\n")),
            ("negative", changed(&text, "\n12\n", "\n-1\n")),
            ("huge", changed(&text, "\n12\n", "\n18446744073709551616\n")),
            ("carriage-return", text.replace('\n', "\r\n").into_bytes()),
            ("no-last-line-feed", text.trim_end().as_bytes().to_vec()),
            ("hyphen", changed(&text, "\u{2014} ", "- ")),
            (
                "not-base64",
                changed(
                    &text,
                    "\u{2014} example.jp/ledger ",
                    "\u{2014} example.jp/ledger !",
                ),
            ),
            (
                "not-utf8",
                b"a\n1\n\xff\n\n\xe2\x80\x94 a AAAAAAAA\n".to_vec(),
            ),
            (
                "only-signatures",
                text.split_once("\n\n").unwrap().1.as_bytes().to_vec(),
            ),
            ("nul", changed(&text, "\n12\n", "\n12\0\n")),
        ],
    );
}

#[test]
fn proofs() {
    let entries = entries();
    let proof = EntryProof {
        entry: entries[4].clone(),
        path: inclusion(&mut tree(&entries), 4, 12).unwrap().unwrap(),
        checkpoint: cosigned(&entries),
    };
    let text = proof.to_text().unwrap();
    let mut other = proof.clone();
    other.entry = entries[5].clone();
    let mut resealed = proof.clone();
    resealed.entry.command.push(' ');
    resealed.entry.hash = resealed.entry.computed_hash();
    let mut short = proof.clone();
    short.path.pop();
    holds(
        "proof",
        |bytes| match EntryProof::parse(bytes) {
            Err(_) => "form",
            Ok(proof) => match proof.verify(log_key().verifier()) {
                Ok(()) => "good",
                Err(_) => "lie",
            },
        },
        vec![
            ("plain", text.clone().into_bytes()),
            ("other-entry", other.to_text().unwrap().into_bytes()),
            (
                "changed-and-resealed",
                resealed.to_text().unwrap().into_bytes(),
            ),
            ("short-path", short.to_text().unwrap().into_bytes()),
            ("without-extra", changed(&text, "\nextra ", "\nmore ")),
            ("other-index", changed(&text, "\nindex 4\n", "\nindex 5\n")),
            (
                "huge-index",
                changed(&text, "\nindex 4\n", "\nindex 18446744073709551615\n"),
            ),
            ("other-head", changed(&text, "@v1", "@v2")),
            ("extra-no-base64", changed(&text, "\nextra e", "\nextra !")),
            (
                "extra-no-json",
                b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n".to_vec(),
            ),
            (
                "no-checkpoint",
                text.split_once("\n\n").unwrap().0.as_bytes().to_vec(),
            ),
            (
                "no-end",
                format!("c2sp.org/tlog-proof@v1\nextra {}", "A".repeat(500)).into_bytes(),
            ),
            ("empty", Vec::new()),
        ],
    );
}

#[test]
fn exports() {
    let entries = entries();
    let text = String::from_utf8(export(&entries)).unwrap();
    let line = text.lines().next().unwrap().to_owned();
    let mut forged = entries.clone();
    forged[3].command.push(' ');
    let forged = rechained(forged, 3);
    holds(
        "export",
        |bytes| {
            let signed = signed(&self::entries());
            let claims = Claims {
                checkpoint: signed.checkpoint(),
                range: None,
                older: None,
            };
            match verify_signed(&mut &*bytes, &claims) {
                Ok(_) => "good",
                Err(ExportError::Syntax { .. } | ExportError::TooLong { .. }) => "form",
                Err(_) => "lie",
            }
        },
        vec![
            ("plain", text.clone().into_bytes()),
            ("no-last-line-feed", text.trim_end().as_bytes().to_vec()),
            ("rechained", export(&forged)),
            ("one-line", line.clone().into_bytes()),
            ("cut", text.as_bytes()[..text.len() - 20].to_vec()),
            (
                "more-fields",
                changed(&text, r#""sequence":2,"#, r#""sequence":2,"x":1,"#),
            ),
            (
                "twice",
                changed(&text, r#""sequence":2,"#, r#""sequence":2,"sequence":2,"#),
            ),
            (
                "refused-with-events",
                changed(
                    &text,
                    r#""type":"refused","#,
                    r#""type":"refused","events":"[]","#,
                ),
            ),
            (
                "short-hash",
                changed(&text, &entries[0].hash.to_string(), "00"),
            ),
            ("no-actor", changed(&text, "operator:suzuki", "suzuki")),
            (
                "control-in-actor",
                changed(&text, "operator:suzuki", r"operator:\u0007"),
            ),
            (
                "sequence-text",
                changed(&text, r#""sequence":1"#, r#""sequence":"1""#),
            ),
            (
                "sequence-fraction",
                changed(&text, r#""sequence":1,"#, r#""sequence":1.0,"#),
            ),
            (
                "sequence-negative",
                changed(&text, r#""sequence":1,"#, r#""sequence":-1,"#),
            ),
            (
                "sequence-largest",
                changed(
                    &text,
                    r#""sequence":1,"#,
                    r#""sequence":18446744073709551615,"#,
                ),
            ),
            ("empty", Vec::new()),
            ("empty-line", format!("\n{text}").into_bytes()),
            ("list", format!("[{line}]\n").into_bytes()),
            ("deep", "[".repeat(5_000).into_bytes()),
            (
                "lone-surrogate",
                changed(&text, "operator:suzuki", r"operator:\ud800"),
            ),
            ("not-utf8", [line.as_bytes(), b"\xff\n"].concat()),
        ],
    );
}

#[test]
fn requests() {
    let entries = entries();
    let request = Request {
        old: 5,
        proof: consistency(&mut tree(&entries), 5, 12).unwrap().unwrap(),
        checkpoint: signed(&entries),
    };
    let text = request.to_string();
    let mut forked = entries.clone();
    forked[1].command.push(' ');
    let forked = rechained(forked, 1);
    let other = Request {
        old: 5,
        proof: consistency(&mut tree(&forked), 5, 12).unwrap().unwrap(),
        checkpoint: signed(&forked),
    };
    let back = Request {
        old: 0,
        proof: Vec::new(),
        checkpoint: signed(&entries[..4]),
    };
    holds(
        "cosign-request",
        |bytes| match Request::parse(bytes) {
            Err(_) => "form",
            Ok(request) => {
                let key: &VerifierKey = &log_key().verifier().clone();
                let seen = cosigned(&self::entries()[..5]).to_string();
                let seen = Seen::open(seen.as_bytes(), key, witness_key().verifier()).unwrap();
                match cosign(&witness_key(), key, Some(&seen), &request, 1_900_000_000) {
                    Ok(_) => "good",
                    Err(CosignError::Clock { .. }) => panic!("the clock does not stand still"),
                    Err(_) => "lie",
                }
            }
        },
        vec![
            ("plain", text.clone().into_bytes()),
            ("fork", other.to_string().into_bytes()),
            ("rollback", back.to_string().into_bytes()),
            ("old-size", changed(&text, "old 5", "old 6")),
            (
                "old-huge",
                changed(&text, "old 5", "old 18446744073709551615"),
            ),
            ("old-zero-first", changed(&text, "old 5", "old 05")),
            ("one-hash-less", {
                let mut short = request.clone();
                short.proof.pop();
                short.to_string().into_bytes()
            }),
            ("no-checkpoint", b"old 5\n\n".to_vec()),
            ("no-empty-line", text.replacen("\n\n", "\n", 1).into_bytes()),
            (
                "64-hashes",
                format!(
                    "old 5\n{}\n",
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64)
                )
                .into_bytes(),
            ),
            ("empty", Vec::new()),
            ("not-utf8", b"old \xff\n\n".to_vec()),
        ],
    );
}

#[test]
fn parts() {
    let entries = entries();
    let part = Range {
        first: 4,
        last: 9,
        proof: range(&mut tree(&entries), 3, 9, 12).unwrap().unwrap(),
    };
    let text = part.to_string();
    holds(
        "range",
        |bytes| match Range::parse(bytes) {
            Err(_) => "form",
            Ok(range) => {
                let entries = self::entries();
                let signed = signed(&entries);
                let claims = Claims {
                    checkpoint: signed.checkpoint(),
                    range: Some(&range),
                    older: None,
                };
                match verify_signed(&mut export(&entries[3..9]).as_slice(), &claims) {
                    Ok(_) => "good",
                    Err(_) => "lie",
                }
            }
        },
        vec![
            ("plain", text.clone().into_bytes()),
            ("other-end", changed(&text, "last 9", "last 10")),
            (
                "beyond",
                changed(&text, "last 9", "last 18446744073709551615"),
            ),
            ("other-begin", changed(&text, "first 4", "first 3")),
            ("backwards", changed(&text, "last 9", "last 3")),
            ("zero", changed(&text, "first 4", "first 0")),
            ("count-too-large", changed(&text, "left 2", "left 3")),
            (
                "count-huge",
                changed(&text, "left 2", "left 18446744073709551615"),
            ),
            (
                "none-left",
                b"iryonet-ledger-range/v1\nfirst 4\nlast 9\nleft 0\nright 0\n".to_vec(),
            ),
            ("empty", Vec::new()),
        ],
    );
}
