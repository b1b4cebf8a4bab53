//! `iryonet check`, as a person types it, with openssl on the other side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

fn openssl(folder: &Path, words: &str) {
    let made = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl {words}: {made:?}");
}

/// A root, a server and a client of it.
fn certificates(folder: &Path) {
    openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=root -days 30 -keyout root.key -out root.pem",
    );
    for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
        let extensions = format!(
            "subjectAltName=DNS:localhost\nextendedKeyUsage={usage}\nkeyUsage=digitalSignature\n"
        );
        std::fs::write(folder.join(format!("{name}.ext")), extensions).unwrap();
        openssl(
            folder,
            &format!(
                "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile {name}.ext -out {name}.pem"
            ),
        );
    }
}

/// What the mirror says of an openssl client with these options; exit status
/// and JSON.
fn mirrored(folder: &Path, options: &str) -> (i32, Value) {
    let mut mirror = Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args(
            "check tls-client --listen 127.0.0.1:0 --own server.pem --own-key server.key --roots root.pem --wait-s 30 --json"
                .split_whitespace(),
        )
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(mirror.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    let client = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-CAfile", "root.pem"])
        .args(options.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut text = String::new();
    mirror
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let status = mirror.wait().unwrap().code().unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text:?}; the client: {client:?}");
    });
    (status, value)
}

fn outcome<'a>(evidence: &'a Value, rule: &str) -> &'a str {
    evidence["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["rule"] == rule)
        .unwrap_or_else(|| panic!("nothing of {rule}: {evidence}"))["outcome"]
        .as_str()
        .unwrap()
}

#[test]
fn a_client_that_keeps_to_the_guideline_passes_and_others_fail_by_their_rule() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let good = "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384 -curves P-256 -cert client.pem -key client.key";
    let (status, evidence) = mirrored(folder.path(), good);
    assert_eq!(
        (status, evidence["verdict"].as_str()),
        (0, Some("pass")),
        "{evidence:#}"
    );
    assert_eq!(evidence["observed"]["key_proved"], "yes");

    let (status, evidence) = mirrored(folder.path(), &good.replace("-tls1_2", ""));
    assert_eq!(status, 1, "TLS 1.3 is offered: {evidence:#}");
    assert_eq!(outcome(&evidence, "client-version"), "fail");

    let cbc = good.replace("-cipher ", "-cipher ECDHE-ECDSA-AES128-SHA:");
    let (status, evidence) = mirrored(folder.path(), &cbc);
    assert_eq!(status, 1, "a CBC suite is offered: {evidence:#}");
    assert_eq!(outcome(&evidence, "client-suite-listed"), "fail");

    let bare = good.replace("-cert client.pem -key client.key", "");
    let (status, evidence) = mirrored(folder.path(), &bare);
    assert_eq!(status, 1, "no certificate is shown: {evidence:#}");
    assert_eq!(outcome(&evidence, "client-certificate-shown"), "fail");
}

#[test]
fn a_check_that_came_to_nothing_is_neither_a_pass_nor_a_failure() {
    let nobody = Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args("check tls-client --listen 127.0.0.1:0 --wait-s 1 --json".split_whitespace())
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    let value: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    assert_eq!(value["verdict"], "not-probed");
    assert!(value["error"].as_str().unwrap().contains("within 1 s"));

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_iryonet"))
        .args(["check", "tls", &closed.to_string(), "--json"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let value: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(value["verdict"], "not-probed");
}
