//! `iryonet case`, `document`, `rules` and `recheck`, as people type them: the
//! real binary against a real center.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_center::Config;
use iryonet_domain::{InstitutionCode, Prefecture, ScoreTable};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";

fn iryonet(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args(words)
        .current_dir(folder)
        .env_remove("IRYONET_AS")
        .env_remove("IRYONET_CENTER")
        .env("IRYONET_LOG", "off")
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A center in this folder, and its end.
struct Center {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    running: Option<iryonet_center::Running>,
}

impl Center {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for words in [
            &["authority", "init-root", "--out", "root", "--plain-key"][..],
            &[
                "authority",
                "init-issuing",
                "--root",
                "root",
                "--out",
                "issuing",
                "--plain-key",
            ],
        ] {
            let made = iryonet(folder.path(), words);
            assert!(made.status.success(), "{made:?}");
        }
        let settings = r#"
name = "center-1"
network = "2001:db8::/32"
data_dir = "data"
issuing_dir = "issuing"
root_certificate = "root/root.pem"
operator_socket = "operator.sock"
public_listen = "[::1]:0"
device_listen = "[::1]:0"
daily_recheck = false
"#;
        let config = Config::parse(settings, &folder.path().join("center.toml")).unwrap();
        iryonet_center::init(&config).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let running = runtime.block_on(iryonet_center::start(config)).unwrap();
        Self {
            folder,
            runtime,
            running: Some(running),
        }
    }

    fn run(&self, actor: &str, words: &[&str]) -> Output {
        let mut all = words.to_vec();
        all.extend(["--center", "operator.sock", "--as", actor]);
        iryonet(self.folder.path(), &all)
    }

    /// What it answers, as a program reads it.
    fn json(&self, actor: &str, words: &[&str]) -> Value {
        let mut all = words.to_vec();
        all.push("--json");
        let output = self.run(actor, &all);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, actor: &str, words: &[&str], code: &str) {
        let output = self.run(actor, words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(code), "{words:?}: {said}");
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

#[test]
fn an_application_goes_from_the_terminal_to_its_approval() {
    let center = Center::start();
    let folder = center.folder.path();
    std::fs::write(folder.join("開設届.pdf"), PDF).unwrap();
    center.json(
        "operator:suzuki",
        &[
            "gateways",
            "register",
            "gw-a",
            "--backbone",
            "2001:db8:0:1::1",
            "--block",
            "1",
        ],
    );
    // 申請予定者 with an account of its own.
    center.json(
        "operator:suzuki",
        &[
            "account",
            "create",
            "takeda",
            "--person",
            "武田 直子",
            "--role",
            "officer",
            "--applicant",
        ],
    );
    let code = InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 1, 1)
        .to_string();
    let apply = [
        "case",
        "apply",
        "--officer",
        "武田 直子",
        "--telephone",
        "03-1234-5678",
        "--document",
        "開設届.pdf",
        "admission",
        "--kind",
        "clinic",
        "--name",
        "さくら診療所",
        "--code",
        &code,
        "--site",
        "本院:ethernet,ipsec",
    ];
    center.refused("approver:mori", &apply, "role-may-not");
    let received = center.json("officer:takeda", &apply);
    assert_eq!(
        (received["case"].as_u64(), received["state"].as_str()),
        (Some(1), Some("received"))
    );
    let shown = center.json("officer:takeda", &["account", "show", "takeda"]);
    assert_eq!(shown["application"], 1);

    let shown = center.json("examiner:kato", &["case", "show", "1"]);
    let sha256 = shown["documents"][0]["sha256"].as_str().unwrap().to_owned();
    let got = center.json(
        "examiner:kato",
        &["document", "get", "1", &sha256, "--out", "got.pdf"],
    );
    assert_eq!(got["bytes"], PDF.len());
    assert_eq!(std::fs::read(folder.join("got.pdf")).unwrap(), PDF);
    // Not over what is there.
    let again = center.run(
        "examiner:kato",
        &["document", "get", "1", &sha256, "--out", "got.pdf"],
    );
    assert!(!again.status.success());
    center.refused(
        "operator:suzuki",
        &["document", "put", "nothing.pdf"],
        "there is no file",
    );
    std::fs::write(folder.join("a.exe"), b"MZ").unwrap();
    center.refused(
        "operator:suzuki",
        &["document", "put", "a.exe"],
        "ends in none of",
    );

    // Whoever acts says what they looked at.
    let output = center.run("examiner:kato", &["case", "accept", "1"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let accepted = center.json("examiner:kato", &["case", "accept", "1", "--seen", "1"]);
    center.refused(
        "examiner:ono",
        &["case", "accept", "1", "--seen", "1"],
        "case-changed",
    );
    let seen = accepted["version"].to_string();
    let begun = center.json("examiner:kato", &["case", "examine", "1", "--seen", &seen]);
    let shown = center.json("examiner:kato", &["case", "show", "1"]);
    let judgements: Vec<Value> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let accepted: Vec<&str> = item["evidence_accepted"]
                .as_array()
                .unwrap()
                .iter()
                .map(|kind| kind.as_str().unwrap())
                .collect();
            let evidence = ["document", "test", "self-declaration", "code-check-digit"]
                .into_iter()
                .find(|kind| accepted.contains(kind))
                .unwrap();
            let documents = if evidence == "document" { vec![sha256.clone()] } else { Vec::new() };
            json!({"rule": item["rule"], "verdict": "met", "evidence": evidence, "documents": documents})
        })
        .collect();
    std::fs::write(
        folder.join("judgements.json"),
        json!(judgements).to_string(),
    )
    .unwrap();
    let seen = begun["version"].to_string();
    let judged = center.json(
        "examiner:kato",
        &[
            "case",
            "judge",
            "1",
            "--seen",
            &seen,
            "--file",
            "judgements.json",
        ],
    );
    let seen = judged["version"].to_string();
    let concluded = center.json(
        "examiner:kato",
        &["case", "conclude", "1", "approve", "--seen", &seen],
    );
    let seen = concluded["version"].to_string();
    center.refused(
        "approver:kato",
        &["case", "approve", "1", "--seen", &seen, "--gateway", "gw-a"],
        "second-person-wanted",
    );
    let approved = center.json(
        "approver:mori",
        &["case", "approve", "1", "--seen", &seen, "--gateway", "gw-a"],
    );
    assert!(approved["participant"].is_u64(), "{approved}");
    let listed = center.json("auditor:kondo", &["case", "list", "--state", "approved"]);
    assert_eq!(listed["cases"][0]["case"], 1);
    assert_eq!(
        center.json("auditor:kondo", &["case", "closings"])["cases"],
        json!([])
    );
    let found = center.json(
        "auditor:kondo",
        &["participant", "list", "--name", "さくら"],
    );
    assert_eq!(found["participants"][0]["standing"], "admitted");
    let number = found["participants"][0]["number"].to_string();
    let told = center.json("auditor:kondo", &["participant", "history", &number]);
    assert_eq!(told["history"][0]["event"], "case-approved");
    let listed = center.json("auditor:kondo", &["applicant", "find", "さくら"]);
    assert_eq!(listed["applicants"], json!([]));
    // What the machine finds out at a server, no person claims.
    let server = center
        .running
        .as_ref()
        .unwrap()
        .public_address()
        .to_string();
    let check = ["case", "check-tls", "1", &server];
    center.refused("examiner:kato", &check, "role-may-not");
    center.json("system:center-1", &check);
    let shown = center.json("examiner:kato", &["case", "show", "1"]);
    assert_eq!(shown["evidence"][0]["about"], server.as_str());
    assert_eq!(shown["evidence"][0]["evidence"], "tls-check-of-service");
    // For a person: tables, in the person's language.
    let shown = center.run("operator:suzuki", &["case", "show", "1"]);
    let shown = text(&shown.stdout);
    for wanted in [
        "さくら診療所",
        "審査項目",
        "次にできること",
        "issue-enrolment-code",
        "case-approved",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
}

#[test]
fn rules_are_checked_published_and_read_and_the_recheck_is_looked_at() {
    let center = Center::start();
    let listed = center.json("auditor:kondo", &["rules", "list"]);
    assert_eq!(listed["rules"][0]["version"], 1);
    let next = center.folder.path().join("rules-2");
    std::fs::create_dir(&next).unwrap();
    for (name, rules) in iryonet_rules::shipped::VERSION_1 {
        std::fs::write(
            next.join(name),
            rules.replacen("version = 1", "version = 2", 1),
        )
        .unwrap();
    }
    let checked = center.json("auditor:kondo", &["rules", "check", "rules-2"]);
    assert_eq!(checked["version"], 2);
    center.refused(
        "examiner:kato",
        &["rules", "publish", "rules-2"],
        "role-may-not",
    );
    center.json("security-officer:ito", &["rules", "publish", "rules-2"]);
    let shown = center.run("auditor:kondo", &["rules", "show", "2"]);
    assert!(
        text(&shown.stdout).contains("examination.exists"),
        "{shown:?}"
    );
    let anew = center.json("auditor:kondo", &["rules", "reexaminations"]);
    assert_eq!(anew["reexaminations"], json!([]));
    // A file that is no rule file is refused here, with its line.
    std::fs::write(next.join("site.toml"), "version = 3\n[[rule]]\nid = 7\n").unwrap();
    center.refused(
        "security-officer:ito",
        &["rules", "publish", "rules-2"],
        "site.toml",
    );
    let recheck = center.json("auditor:kondo", &["recheck", "show"]);
    assert_eq!(recheck["halted"], Value::Null);
    center.refused(
        "operator:suzuki",
        &["recheck", "confirm", "7"],
        "recheck-not-halted",
    );
}

#[test]
fn tomorrows_service_is_an_entry_of_a_file_and_no_program_changes_for_it() {
    let center = Center::start();
    center.json(
        "operator:suzuki",
        &[
            "gateways",
            "register",
            "gw-a",
            "--backbone",
            "2001:db8:0:1::1",
            "--block",
            "1",
        ],
    );
    let admitted = center.json(
        "system:center-1",
        &[
            "participant",
            "admit",
            "--kind",
            "provider",
            "--name",
            "処方センター",
            "--gateway",
            "gw-a",
        ],
    );
    let number = admitted["number"].to_string();
    let address = admitted["prefix"]
        .as_str()
        .unwrap()
        .replace("::/56", "::10");
    let shipped = center.json("auditor:kondo", &["service", "described"]);
    assert!(shipped.as_array().unwrap().len() >= 6, "{shipped}");
    std::fs::write(
        center.folder.path().join("tomorrow.toml"),
        r#"
[[service]]
id = "treatment-database"
name_ja = "治療・検査DB"
name_en = "Database of treatments and tests"
purposes = ["treatment-database"]
class = "bulk"
ports = [{ protocol = "tcp", port = 8443 }, { protocol = "udp", port = 8443 }]
kinds = ["hospital"]
areas = [13]
acceptance = { automatic = ["hospital"] }
stage = "pilot"
bandwidth_kbps = 5000
"#,
    )
    .unwrap();
    let register = [
        "service",
        "register-described",
        "treatment-database",
        "--file",
        "tomorrow.toml",
        "--provider",
        &number,
        "--address",
        &address,
        "--dns",
        "db.example.jp",
    ];
    let registered = center.json("operator:suzuki", &register);
    let service = registered["service"].to_string();
    let shown = center.json("auditor:kondo", &["service", "show", &service]);
    assert_eq!(shown["name"], "治療・検査DB");
    assert_eq!(shown["endpoints"].as_array().unwrap().len(), 2);
    assert_eq!(shown["purposes"], json!(["treatment-database"]));
    assert_eq!(
        shown["offer"],
        json!({"dns": "db.example.jp", "bandwidth_kbps": 5000, "areas": [13],
            "accepts": ["hospital"], "stage": "pilot", "pilot": []})
    );
    center.refused(
        "operator:suzuki",
        &[
            "service",
            "register-described",
            "none",
            "--provider",
            &number,
            "--address",
            &address,
        ],
        "none of the descriptions",
    );
    // Its stage goes on, and not back.
    let offer = [
        "service",
        "offer",
        &service,
        "--dns",
        "db.example.jp",
        "--stage",
    ];
    center.json("operator:suzuki", &[&offer[..], &["open"]].concat());
    center.refused(
        "operator:suzuki",
        &[&offer[..], &["planned"]].concat(),
        "stage-back",
    );
}

#[test]
fn every_command_of_the_life_explains_itself_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    for (noun, commands) in [
        (
            "case",
            &[
                "申請",
                "再提出",
                "一覧",
                "詳細",
                "取下げ",
                "差戻し",
                "受理",
                "審査開始",
                "判定",
                "審査終了",
                "再審査",
                "承認",
                "不承認",
                "開通試験",
                "開通",
                "失効",
                "名簿からの消滅",
            ][..],
        ),
        ("document", &["提出", "取得"]),
        ("rules", &["公布", "再審査の対象"]),
        ("recheck", &["確認", "棄却"]),
    ] {
        let help = iryonet(folder.path(), &[noun, "--help"]);
        let said = text(&help.stdout);
        for wanted in commands {
            assert!(said.contains(wanted), "{noun}: {wanted}: {said}");
        }
    }
}
