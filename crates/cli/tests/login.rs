//! `iryonet login` and what follows, as a person types it: the real binary
//! against a real center.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_center::Config;
use iryonet_domain::UnixMillis;
use iryonet_people::totp::TotpSecret;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const PASSWORD: &str = "雪の降る町を通り過ぎて行く";

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}

fn config(folder: &Path) -> Config {
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
        let made = iryonet(folder, words).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    let text = r#"
name = "center-1"
network = "2001:db8::/32"
data_dir = "data"
issuing_dir = "issuing"
root_certificate = "root/root.pem"
operator_socket = "operator.sock"
public_listen = "[::1]:0"
device_listen = "[::1]:0"
staff_listen = "127.0.0.1:0"
"#;
    Config::parse(text, &folder.join("center.toml")).unwrap()
}

/// The program, with a session file of its own.
fn iryonet(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iryonet"));
    command
        .args(words)
        .env_remove("IRYONET_AS")
        .env_remove("IRYONET_CENTER")
        .env("IRYONET_SESSION", folder.join("session/session.json"));
    command
}

fn done(output: Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: Output, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(word), "{said}");
}

#[test]
fn a_person_logs_in_acts_under_their_name_and_goes() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let config = config(folder);
    iryonet_center::init(&config).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(iryonet_center::start(config)).unwrap();
    let url = format!("https://{}", running.staff_address().unwrap());
    let socket = folder.join("operator.sock");
    let socket = socket.to_str().unwrap();
    let console = |words: &[&str]| {
        let mut all = words.to_vec();
        all.extend([
            "--center",
            socket,
            "--as",
            "security-officer:console",
            "--json",
        ]);
        done(iryonet(folder, &all).output().unwrap())
    };
    console(&[
        "account",
        "create",
        "kuroda",
        "--person",
        "黒田 三郎",
        "--role",
        "security-officer",
    ]);
    let code = console(&["account", "login-code", "kuroda"]);

    // The first login: code and password in, an authenticator's secret out.
    let root = folder.join("root/root.pem");
    let root = root.to_str().unwrap();
    let mut login = iryonet(
        folder,
        &[
            "login", "kuroda", "--code", "--center", &url, "--root", root, "--json",
        ],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut stdin = login.stdin.take().unwrap();
    writeln!(stdin, "{}\n{PASSWORD}", code["code"].as_str().unwrap()).unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(login.stderr.take().unwrap());
    let secret = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "{said}");
        said.push_str(&line);
        if let Some(secret) = TotpSecret::parse(line.trim()) {
            break secret;
        }
    };
    let begun = now();
    writeln!(stdin, "{}", secret.at(begun)).unwrap();
    let mut shown = String::new();
    login
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut shown)
        .unwrap();
    assert!(login.wait().unwrap().success());
    let answer: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(answer["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(answer.get("token"), None, "the token is not shown");

    // The token is this user's alone.
    let file = folder.join("session/session.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);

    let here = |words: &[&str]| {
        let mut all = words.to_vec();
        all.extend(["--center", &url, "--json"]);
        iryonet(folder, &all).output().unwrap()
    };
    let me = done(here(&["account", "me"]));
    assert_eq!(
        (me["account"].as_str(), me["role"].as_str()),
        (Some("kuroda"), Some("security-officer"))
    );
    done(here(&[
        "account", "create", "sato", "--person", "佐藤", "--role", "examiner", "--role", "approver",
    ]));
    assert_eq!(
        done(here(&["account", "show", "sato"]))["roles"],
        serde_json::json!(["examiner", "approver"])
    );
    // Who acts is what the session says, and the role's limits hold.
    refused(
        here(&["account", "list", "--as", "operator:suzuki"]),
        "the session says who acts",
    );
    refused(
        here(&[
            "gateways",
            "register",
            "gw-a",
            "--backbone",
            "2001:db8::1",
            "--block",
            "1",
        ]),
        "role-may-not",
    );
    let ledger = runtime
        .block_on(
            iryonet_center::client::OperatorClient::new(Path::new(socket)).request(
                "GET",
                "/v1/ledger?limit=1000",
                None,
                None,
            ),
        )
        .unwrap();
    let last = ledger["entries"].as_array().unwrap().last().unwrap();
    assert_eq!(last["actor"], "security-officer:kuroda");
    assert_eq!(last["refusal"], "role-may-not");

    done(here(&["logout"]));
    assert!(!file.exists());
    refused(here(&["account", "me"]), "iryonet login");

    // And in again, with password and digits.
    let mut login = iryonet(
        folder,
        &[
            "login", "kuroda", "--center", &url, "--root", root, "--json",
        ],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let digits = secret.at(begun.plus_ms(30_000).max(now()));
    writeln!(login.stdin.take().unwrap(), "{PASSWORD}\n{digits}").unwrap();
    let answer = done(login.wait_with_output().unwrap());
    assert_eq!(answer["method"], "password-and-totp");
    done(here(&["account", "me"]));
    runtime.block_on(running.stop());
}
