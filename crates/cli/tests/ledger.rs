//! The ledger from the command line: exported, proved, witnessed and verified,
//! as auditors do it, also with the tools of others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers outside of #[test] functions are tests too; a broken fixture may stop them at once"
)]

use iryonet_domain::{Actor, UnixMillis};
use iryonet_ledger::{KeyName, KeyUse, SigningKey};
use iryonet_registry::{Command as Wish, Home};
use iryonet_store::tree::checkpoints::{self, Keys};
use iryonet_store::{SqliteStore, change, tree};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LOG: &str = "example.jp/ledger";

fn iryonet(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("IRYONET_CENTER")
        .env_remove("IRYONET_AS")
        .output()
        .unwrap()
}

/// Does it, and answers what it says as JSON.
fn done(folder: &Path, arguments: &[&str]) -> Value {
    let output = iryonet(folder, &[arguments, &["--json"]].concat());
    assert!(
        output.status.success(),
        "{arguments:?}: {} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Insists that it is found bad, and answers why.
fn bad(folder: &Path, arguments: &[&str]) -> Value {
    let output = iryonet(folder, &[arguments, &["--json"]].concat());
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "{arguments:?}: no answer: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    assert_eq!(answer["ok"], false, "{answer}");
    answer
}

/// Insists that it cannot be done, and answers what is said.
fn failed(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = iryonet(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

struct World {
    folder: tempfile::TempDir,
    store: SqliteStore,
    key: SigningKey,
}

fn key_of(secret: &Path) -> SigningKey {
    SigningKey::parse(&std::fs::read_to_string(secret).unwrap()).unwrap()
}

impl World {
    /// A ledger of some acts, done and refused, with names as people write them.
    fn new() -> Self {
        Self::with_gateway("gw-1")
    }

    /// The same with one thing that was otherwise: another history.
    fn with_gateway(gateway: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        done(
            folder.path(),
            &["ledger", "key", "make", "--name", LOG, "--out", "log.key"],
        );
        done(
            folder.path(),
            &[
                "ledger",
                "key",
                "make",
                "--name",
                "witness.example/w1",
                "--for",
                "witness",
                "--out",
                "witness.key",
            ],
        );
        let store = SqliteStore::open(&folder.path().join("registry.sqlite")).unwrap();
        let key = key_of(&folder.path().join("log.key"));
        let world = Self { folder, store, key };
        let found = Wish::FoundNetwork {
            network: "2001:db8::/32".parse().unwrap(),
        };
        assert!(world.act("system:suite", &found));
        let register = Wish::RegisterGateway {
            gateway: gateway.parse().unwrap(),
            backbone: "2001:db8::1".parse().unwrap(),
            blocks: vec![1],
        };
        assert!(world.act("operator:suite", &register));
        world.acts(11);
        world
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Has it recorded, and answers whether it was done.
    fn act(&self, actor: &str, wish: &Wish) -> bool {
        let actor: Actor = actor.parse().unwrap();
        let recorded = change(&self.store, |transaction| {
            transaction.record(&actor, wish, UnixMillis(1_790_000_000_000))
        });
        recorded.unwrap().events().is_ok()
    }

    fn acts(&self, count: u32) {
        for n in 0..count {
            if n % 3 == 2 {
                // Not the machine's duty: refused, and recorded.
                let remove = Wish::RemoveLine {
                    line: iryonet_domain::LineId(9),
                };
                assert!(!self.act("system:suite", &remove));
            } else {
                let admit = Wish::AdmitParticipant {
                    kind: "clinic".parse().unwrap(),
                    name: format!("さくら診療所 {n} \"本院\" \\ é"),
                    code: None,
                    home: Home::Block(1),
                };
                assert!(self.act("system:suite", &admit));
            }
        }
    }

    fn sign(&self) {
        self.sign_with(&self.key, &[]);
    }

    fn sign_with(&self, key: &SigningKey, before: &[&SigningKey]) {
        while tree::grow(&self.store, 1_000).unwrap() > 0 {}
        let keys = Keys {
            log: key.verifier().clone(),
            before: before.iter().map(|key| key.verifier().clone()).collect(),
            witnesses: Vec::new(),
        };
        let signed = tree::ask(&self.store, |reader| checkpoints::plan(reader, key, &keys))
            .unwrap()
            .expect("something new");
        tree::act(&self.store, |transaction| {
            checkpoints::commit(transaction, &signed, &keys, UnixMillis(1_790_000_000_000))
        })
        .unwrap();
    }

    fn vkey(&self) -> String {
        self.key.verifier().to_string()
    }

    fn witness(&self) -> String {
        key_of(&self.file("witness.key")).verifier().to_string()
    }

    fn attach(&self, cosigned: &str) {
        let keys = Keys {
            log: self.key.verifier().clone(),
            before: Vec::new(),
            witnesses: vec![self.witness().parse().unwrap()],
        };
        let signed =
            iryonet_ledger::Signed::parse(&std::fs::read(self.file(cosigned)).unwrap()).unwrap();
        tree::act(&self.store, |transaction| {
            checkpoints::attach(transaction, &signed, &keys)
        })
        .unwrap();
    }

    fn export(&self, name: &str) {
        done(
            self.path(),
            &[
                "ledger",
                "export",
                "--store",
                "registry.sqlite",
                "--out",
                name,
            ],
        );
    }

    fn edit(&self, from: &str, to: &str, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.file(from)).unwrap();
        let changed = change(text.clone());
        assert_ne!(changed, text, "the forger did nothing");
        std::fs::write(self.file(to), changed).unwrap();
        let _ = std::fs::copy(
            self.file(&format!("{from}.checkpoint")),
            self.file(&format!("{to}.checkpoint")),
        );
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

#[test]
fn an_export_is_verified_with_nothing_but_itself_and_the_public_key() {
    let world = World::new();
    world.sign();
    world.export("ledger.jsonl");
    for file in ["ledger.jsonl", "ledger.jsonl.checkpoint", "log.key"] {
        let mode = std::fs::metadata(world.file(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // Elsewhere, without store, center and secret.
    let elsewhere = tempfile::tempdir().unwrap();
    for file in ["ledger.jsonl", "ledger.jsonl.checkpoint"] {
        std::fs::copy(world.file(file), elsewhere.path().join(file)).unwrap();
    }
    let vkey = world.vkey();
    let verified = done(
        elsewhere.path(),
        &["ledger", "verify", "ledger.jsonl", "--key", &vkey],
    );
    assert_eq!(verified["ok"], true);
    assert_eq!(
        (&verified["first"], &verified["last"]),
        (&1.into(), &13.into())
    );
    assert_eq!(
        (&verified["accepted"], &verified["refused"]),
        (&10.into(), &3.into())
    );
    // The key from a file does as well.
    std::fs::write(elsewhere.path().join("vkey"), format!("{vkey}\n")).unwrap();
    done(
        elsewhere.path(),
        &["ledger", "verify", "ledger.jsonl", "--key", "vkey"],
    );
    // The chain of the store itself, as ever.
    let store = done(
        world.path(),
        &["ledger", "verify", "--store", "registry.sqlite"],
    );
    assert_eq!(store["entries"], 13);
}

#[test]
fn whatever_was_done_to_an_export_is_found_and_the_entry_named() {
    let world = World::new();
    world.sign();
    world.export("good");
    let vkey = world.vkey();
    let verify = |file: &str| bad(world.path(), &["ledger", "verify", file, "--key", &vkey]);

    world.edit("good", "changed", |text| {
        text.replacen("診療所 4", "診療所 5", 1)
    });
    assert_eq!(verify("changed")["first_bad_entry"], 7);
    world.edit("good", "dropped", |text| {
        let mut lines = lines(&text);
        lines.remove(4);
        lines.concat()
    });
    assert_eq!(verify("dropped")["first_bad_entry"], 5);
    world.edit("good", "reordered", |text| {
        let mut lines = lines(&text);
        lines.swap(8, 9);
        lines.concat()
    });
    assert_eq!(verify("reordered")["first_bad_entry"], 9);
    world.edit("good", "truncated", |text| lines(&text)[..10].concat());
    assert_eq!(verify("truncated")["first_bad_entry"], 11);
    world.edit("good", "inserted", |text| {
        let mut lines = lines(&text);
        lines.insert(6, lines[6].clone());
        lines.concat()
    });
    assert_eq!(verify("inserted")["first_bad_entry"], 8);
    world.edit("good", "cut", |text| text[..text.len() - 30].to_owned());
    assert!(verify("cut")["fault"].as_str().unwrap().contains("line 13"));

    // The checkpoint of an earlier moment, of another ledger, forged, unsigned.
    world.acts(3);
    world.sign();
    world.export("later");
    std::fs::copy(
        world.file("good.checkpoint"),
        world.file("later.checkpoint"),
    )
    .unwrap();
    assert_eq!(verify("later")["first_bad_entry"], 14);
    let other = World::new();
    other.sign();
    other.export("good");
    std::fs::copy(other.file("good.checkpoint"), world.file("other")).unwrap();
    let foreign = bad(
        world.path(),
        &[
            "ledger",
            "verify",
            "good",
            "--key",
            &vkey,
            "--checkpoint",
            "other",
        ],
    );
    assert!(
        foreign["fault"].as_str().unwrap().contains("not signed by"),
        "{foreign}"
    );
    world.edit("good.checkpoint", "forged", |text| {
        text.replacen("\n13\n", "\n12\n", 1)
    });
    let forged = bad(
        world.path(),
        &[
            "ledger",
            "verify",
            "good",
            "--key",
            &vkey,
            "--checkpoint",
            "forged",
        ],
    );
    assert!(
        forged["fault"].as_str().unwrap().contains("does not fit"),
        "{forged}"
    );

    // A forger with the database in his hands, who makes the chain fit.
    world.edit("good", "rechained", |text| {
        let mut entries: Vec<iryonet_ledger::Entry> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        entries[3].actor = "operator:nobody".parse().unwrap();
        for at in 3..entries.len() {
            entries[at].previous = entries[at - 1].hash;
            entries[at].hash = entries[at].computed_hash();
        }
        entries
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
            .collect()
    });
    let rechained = verify("rechained");
    assert!(
        rechained["fault"]
            .as_str()
            .unwrap()
            .contains("was rewritten"),
        "{rechained}"
    );
    // And the untouched one still is what it was.
    done(world.path(), &["ledger", "verify", "good", "--key", &vkey]);
}

#[test]
fn a_part_is_verified_by_itself_and_an_older_checkpoint_shows_a_rewriting() {
    let world = World::new();
    world.sign();
    world.export("early");
    world.acts(20);
    world.sign();
    world.export("whole");
    let vkey = world.vkey();
    let exported = done(
        world.path(),
        &[
            "ledger",
            "export",
            "--store",
            "registry.sqlite",
            "--out",
            "part",
            "--from",
            "9",
            "--to",
            "20",
        ],
    );
    assert_eq!(exported["size"], 33);
    let verified = done(world.path(), &["ledger", "verify", "part", "--key", &vkey]);
    assert_eq!(
        (&verified["first"], &verified["last"]),
        (&9.into(), &20.into())
    );
    let grown = done(
        world.path(),
        &[
            "ledger",
            "verify",
            "whole",
            "--key",
            &vkey,
            "--older",
            "early.checkpoint",
        ],
    );
    assert_eq!(grown["adds_to"], 13);
    done(
        world.path(),
        &[
            "ledger",
            "verify",
            "part",
            "--key",
            &vkey,
            "--older",
            "early.checkpoint",
        ],
    );
    let back = bad(
        world.path(),
        &[
            "ledger",
            "verify",
            "early",
            "--key",
            &vkey,
            "--older",
            "whole.checkpoint",
        ],
    );
    assert!(
        back["fault"].as_str().unwrap().contains("taken back"),
        "{back}"
    );
    // Another history, signed with the true key.
    let forger = World::with_gateway("gw-2");
    std::fs::copy(world.file("log.key"), forger.file("log.key")).unwrap();
    let forger = World {
        key: key_of(&forger.file("log.key")),
        ..forger
    };
    forger.acts(21);
    forger.sign();
    forger.export("rewritten");
    std::fs::copy(world.file("early.checkpoint"), forger.file("kept")).unwrap();
    done(
        forger.path(),
        &["ledger", "verify", "rewritten", "--key", &vkey],
    );
    let shown = bad(
        forger.path(),
        &[
            "ledger",
            "verify",
            "rewritten",
            "--key",
            &vkey,
            "--older",
            "kept",
        ],
    );
    assert!(
        shown["fault"]
            .as_str()
            .unwrap()
            .contains("older checkpoint"),
        "{shown}"
    );
}

#[test]
fn one_entry_is_proved_by_one_file() {
    let world = World::new();
    world.sign();
    let vkey = world.vkey();
    for entry in 1..=13 {
        let (number, file) = (entry.to_string(), format!("{entry}.tlog-proof"));
        done(
            world.path(),
            &[
                "ledger",
                "prove",
                "--store",
                "registry.sqlite",
                "--entry",
                &number,
                "--out",
                &file,
            ],
        );
        let proved = done(
            world.path(),
            &["ledger", "verify-proof", &file, "--key", &vkey],
        );
        assert_eq!(proved["entry"], entry);
        let actor = if entry == 2 {
            "operator:suite"
        } else {
            "system:suite"
        };
        assert_eq!(proved["actor"], actor);
        if entry == 5 {
            assert_eq!(proved["accepted"], false);
            assert!(proved["refusal"]["code"].is_string());
        }
    }
    let said = failed(
        world.path(),
        &[
            "ledger",
            "prove",
            "--store",
            "registry.sqlite",
            "--entry",
            "14",
            "--out",
            "14",
        ],
        1,
    );
    assert!(said.contains("covers entries 1 to 13"), "{said}");
    // Another entry in it, or another key.
    world.edit("3.tlog-proof", "swapped", |text| {
        let other = std::fs::read_to_string(world.file("4.tlog-proof")).unwrap();
        let extra = |text: &str| text.lines().nth(1).unwrap().to_owned();
        text.replacen(&extra(&text), &extra(&other), 1)
    });
    bad(
        world.path(),
        &["ledger", "verify-proof", "swapped", "--key", &vkey],
    );
    let stranger = SigningKey::generate(KeyName::new(LOG).unwrap(), KeyUse::Log).unwrap();
    let stranger = stranger.verifier().to_string();
    bad(
        world.path(),
        &["ledger", "verify-proof", "3.tlog-proof", "--key", &stranger],
    );
    let witness = world.witness();
    let alone = bad(
        world.path(),
        &[
            "ledger",
            "verify-proof",
            "3.tlog-proof",
            "--key",
            &vkey,
            "--witness",
            &witness,
        ],
    );
    assert!(
        alone["fault"]
            .as_str()
            .unwrap()
            .contains("not signed by witness.example"),
        "{alone}"
    );
}

#[test]
fn a_witness_cosigns_what_grows_and_refuses_a_rollback_and_a_fork() {
    let world = World::new();
    world.sign();
    let (vkey, witness) = (world.vkey(), world.witness());
    let request = |out: &str, more: &[&str]| {
        let arguments = [
            "ledger",
            "witness",
            "request",
            "--store",
            "registry.sqlite",
            "--out",
            out,
        ];
        done(world.path(), &[&arguments, more].concat())
    };
    let cosign = |request: &str, out: &'static str, more: &[&'static str]| {
        let request = request.to_owned();
        let mut all = vec!["ledger", "witness", "cosign"];
        let arguments = [
            "--key",
            "witness.key",
            "--log",
            &vkey,
            "--state",
            "memory",
            "--out",
            out,
        ];
        all.push(&request);
        all.extend(arguments);
        all.extend(more);
        iryonet(world.path(), &all)
    };
    request("req-1", &[]);
    let output = cosign("req-1", "cosigned-1", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--first"));
    assert!(cosign("req-1", "cosigned-1", &["--first"]).status.success());
    world.attach("cosigned-1");
    // An export with the cosignature, asked for.
    done(
        world.path(),
        &[
            "ledger",
            "export",
            "--store",
            "registry.sqlite",
            "--out",
            "cosigned",
            "--cosigned",
        ],
    );
    let verified = done(
        world.path(),
        &[
            "ledger",
            "verify",
            "cosigned",
            "--key",
            &vkey,
            "--witness",
            &witness,
        ],
    );
    assert_eq!(verified["cosigned"][0]["witness"], "witness.example/w1");

    world.acts(4);
    world.sign();
    assert_eq!(request("req-2", &[])["old"], 13);
    assert!(cosign("req-2", "cosigned-2", &[]).status.success());
    world.attach("cosigned-2");
    // What it signed first, once more: entries would be taken back.
    let output = cosign("req-1", "again", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("ROLLBACK"));
    assert!(!world.file("again").exists());
    // A proof from elsewhere says from where one is wanted.
    world.acts(1);
    world.sign();
    request("req-3", &["--old", "13"]);
    let output = cosign("req-3", "no", &[]);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("--old 17"),
        "{output:?}"
    );
    // Another history under the same key.
    let forger = World::with_gateway("gw-2");
    std::fs::copy(world.file("log.key"), forger.file("log.key")).unwrap();
    let forger = World {
        key: key_of(&forger.file("log.key")),
        ..forger
    };
    forger.acts(9);
    forger.sign();
    done(
        forger.path(),
        &[
            "ledger",
            "witness",
            "request",
            "--store",
            "registry.sqlite",
            "--out",
            "req",
            "--old",
            "17",
        ],
    );
    std::fs::copy(forger.file("req"), world.file("req-forged")).unwrap();
    let output = cosign("req-forged", "no", &[]);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("FORK"),
        "{output:?}"
    );
    // Its memory is not to be made up, and is as it was.
    std::fs::copy(world.file("memory"), world.file("kept")).unwrap();
    world.edit("memory", "memory", |text| {
        text.replacen("\n17\n", "\n12\n", 1)
    });
    let output = cosign("req-3", "no", &[]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("memory"),
        "{output:?}"
    );
    std::fs::copy(world.file("kept"), world.file("memory")).unwrap();
    request("req-4", &["--old", "17"]);
    assert!(cosign("req-4", "cosigned-4", &[]).status.success());
}

#[test]
fn a_changed_key_is_believed_together_with_the_former_one() {
    let world = World::new();
    world.sign();
    world.export("early");
    let next = SigningKey::generate(KeyName::new(LOG).unwrap(), KeyUse::Log).unwrap();
    world.acts(2);
    world.sign_with(&next, &[&world.key]);
    world.export("late");
    let (old, new) = (world.vkey(), next.verifier().to_string());
    bad(world.path(), &["ledger", "verify", "late", "--key", &old]);
    done(world.path(), &["ledger", "verify", "late", "--key", &new]);
    bad(
        world.path(),
        &[
            "ledger",
            "verify",
            "late",
            "--key",
            &new,
            "--older",
            "early.checkpoint",
        ],
    );
    done(
        world.path(),
        &[
            "ledger",
            "verify",
            "late",
            "--key",
            &new,
            "--key",
            &old,
            "--older",
            "early.checkpoint",
        ],
    );
}

#[test]
fn what_is_asked_for_wrongly_is_said_so() {
    let world = World::new();
    let said = failed(
        world.path(),
        &[
            "ledger",
            "export",
            "--store",
            "registry.sqlite",
            "--out",
            "x",
        ],
        1,
    );
    assert!(said.contains("no checkpoint is signed"), "{said}");
    world.sign();
    world.export("x");
    let vkey = world.vkey();
    let said = failed(
        world.path(),
        &[
            "ledger",
            "export",
            "--store",
            "registry.sqlite",
            "--out",
            "x",
        ],
        1,
    );
    assert!(said.contains("never written over"), "{said}");
    let said = failed(
        world.path(),
        &[
            "ledger",
            "export",
            "--store",
            "registry.sqlite",
            "--out",
            "y",
            "--to",
            "99",
        ],
        1,
    );
    assert!(said.contains("covers 1 to 13"), "{said}");
    let said = failed(world.path(), &["ledger", "verify", "x"], 2);
    assert!(said.contains("--key"), "{said}");
    let said = failed(world.path(), &["ledger", "verify"], 2);
    assert!(said.contains("EXPORT"), "{said}");
    let said = failed(
        world.path(),
        &["ledger", "verify", "x", "--key", "nonsense"],
        1,
    );
    assert!(said.contains("verifier key"), "{said}");
    let witness = world.witness();
    let said = failed(
        world.path(),
        &["ledger", "verify", "x", "--key", &witness],
        1,
    );
    assert!(said.contains("another use"), "{said}");
    let said = failed(
        world.path(),
        &["ledger", "verify", "nowhere", "--key", &vkey],
        1,
    );
    assert!(said.contains("nowhere.checkpoint"), "{said}");
    let said = failed(
        world.path(),
        &["ledger", "key", "make", "--name", LOG, "--out", "log.key"],
        1,
    );
    assert!(said.contains("never written over"), "{said}");
    let said = failed(
        world.path(),
        &["ledger", "key", "make", "--name", "a b", "--out", "k"],
        1,
    );
    assert!(said.contains("spaces"), "{said}");
    // The secret is not shown, whatever is asked.
    let shown = iryonet(
        world.path(),
        &["--log", "trace", "ledger", "key", "show", "log.key"],
    );
    let secret = std::fs::read_to_string(world.file("log.key")).unwrap();
    let secret = secret.trim().rsplit('+').next().unwrap().to_owned();
    for stream in [shown.stdout, shown.stderr] {
        assert!(!String::from_utf8_lossy(&stream).contains(&secret));
    }
}

/// The steps of docs/ledger.md for those who trust no program of this project:
/// the very text of the page, run by bash with openssl, coreutils and jq.
#[test]
fn the_foreign_steps_of_the_documentation_verify_what_is_true_and_nothing_else() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ledger.md"))
            .unwrap();
    let mut script = String::from("set -euo pipefail\n");
    let mut blocks = 0;
    for block in page.split("```sh\n").skip(1) {
        script.push_str(block.split("```").next().unwrap());
        blocks += 1;
    }
    assert_eq!(blocks, 5, "the five steps are there");
    script.push_str("\necho all steps done\n");

    let world = World::new();
    world.sign();
    done(
        world.path(),
        &[
            "ledger",
            "witness",
            "request",
            "--store",
            "registry.sqlite",
            "--out",
            "req",
        ],
    );
    let (vkey, witness) = (world.vkey(), world.witness());
    done(
        world.path(),
        &[
            "ledger",
            "witness",
            "cosign",
            "req",
            "--key",
            "witness.key",
            "--log",
            &vkey,
            "--state",
            "memory",
            "--first",
            "--out",
            "cosigned-1",
        ],
    );
    world.attach("cosigned-1");
    world.export("ledger.jsonl");
    done(
        world.path(),
        &[
            "ledger",
            "prove",
            "--store",
            "registry.sqlite",
            "--entry",
            "6",
            "--out",
            "one.tlog-proof",
        ],
    );
    let run = |folder: &Path| {
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder)
            .env("KEY", &vkey)
            .env("WITNESS", &witness)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.success() && said.contains("all steps done"),
            format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
        )
    };
    let (good, said) = run(world.path());
    assert!(good, "{said}");

    // Each step says no when it should.
    let lie = |file: &str, change: &dyn Fn(String) -> String| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ledger.jsonl", "ledger.jsonl.checkpoint", "one.tlog-proof"] {
            let mut text = std::fs::read_to_string(world.file(name)).unwrap();
            if name == file {
                let changed = change(text.clone());
                assert_ne!(changed, text, "the forger did nothing");
                text = changed;
            }
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (good, said) = run(folder.path());
        assert!(!good, "a changed {file} passed: {said}");
    };
    let swap_sizes = |text: String| text.replacen("\n13\n", "\n14\n", 1);
    lie("ledger.jsonl.checkpoint", &swap_sizes);
    lie("ledger.jsonl", &|text| {
        text.replacen("診療所 4", "診療所 5", 1)
    });
    lie("ledger.jsonl", &|text| lines(&text)[..12].concat());
    lie("one.tlog-proof", &|text| {
        text.replacen("index 5", "index 4", 1)
    });
    lie("one.tlog-proof", &|text| {
        let path = text.lines().nth(3).unwrap().to_owned();
        let last = text.lines().nth(4).unwrap().to_owned();
        text.replacen(&path, &last, 1)
    });
}
