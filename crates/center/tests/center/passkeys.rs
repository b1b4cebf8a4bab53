//! Passkeys, judged by a real browser: Chromium, steered by its own driver, with
//! the authenticator that the driver lends it (W3C Web Authentication, section
//! 11.3), on the center's own page, under the center's own certificate.

use crate::people::{PASSWORD, Person};
use crate::support::{TestClock, World};
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

const ORIGIN: &str = "https://center.example:8445";
/// Much longer than a browser takes for anything here.
const DEADLINE: Duration = Duration::from_secs(120);

/// A browser, and its driver.
struct Browser {
    _driver: Child,
    session: String,
    home: tempfile::TempDir,
}

impl Drop for Browser {
    /// The driver takes its browser with it only when it is asked to.
    fn drop(&mut self) {
        let _ = std::process::Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--max-time", "20"])
            .args([
                "--request",
                "DELETE",
                "--output",
                "/dev/null",
                &self.session,
            ])
            .status();
    }
}

impl Browser {
    /// One that trusts this root, and finds the center at this address.
    async fn start(root: &Path, center: SocketAddr) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join(".pki/nssdb");
        std::fs::create_dir_all(&store).unwrap();
        let store = format!("sql:{}", store.display());
        for arguments in [
            vec!["-d", &store, "-N", "--empty-password"],
            vec![
                "-d",
                &store,
                "-A",
                "-t",
                "C,,",
                "-n",
                "root",
                "-i",
                root.to_str().unwrap(),
            ],
        ] {
            let done = Command::new("certutil").args(arguments).status().await;
            assert!(done.expect("certutil (libnss3-tools)").success());
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is not there; scripts/setup.sh installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
            let line = line.unwrap().unwrap().expect("chromedriver ended");
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // What it says from now on is read by nobody, and must not stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut browser = Self {
            _driver: driver,
            session: format!("http://127.0.0.1:{port}/session"),
            home,
        };
        let profile = browser.home.path().join("profile");
        let begun = browser
            .tell(
                "",
                json!({"capabilities": {"alwaysMatch": {"browserName": "chrome",
                    "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox",
                        "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                        format!("--user-data-dir={}", profile.display()),
                        format!("--host-resolver-rules=MAP center.example:8445 {center}")]}}}}),
            )
            .await;
        let id = begun["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// A command to the driver (W3C WebDriver); its value.
    async fn tell(&self, path: &str, body: Value) -> Value {
        let mut curl = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--max-time",
                "120",
            ])
            .args([
                "--header",
                "content-type: application/json",
                "--data-binary",
                "@-",
            ])
            .arg(format!("{}{path}", self.session))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = curl.stdin.take().unwrap();
        stdin.write_all(body.to_string().as_bytes()).await.unwrap();
        drop(stdin);
        let output = curl.wait_with_output().await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer:#}");
        answer["value"].clone()
    }

    async fn run(&self, script: &str, arguments: Value) -> Value {
        self.tell(
            "/execute/sync",
            json!({"script": script, "args": arguments}),
        )
        .await
    }

    async fn open(&self) {
        self.tell("/url", json!({"url": format!("{ORIGIN}/v1/page")}))
            .await;
    }

    /// An authenticator; it finds its user there, or not.
    async fn authenticator(&self, verified: bool) -> String {
        let made = self
            .tell(
                "/webauthn/authenticator",
                json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
                    "hasUserVerification": true, "isUserVerified": verified}),
            )
            .await;
        made.as_str().unwrap().to_owned()
    }

    async fn fill(&self, fields: Value) {
        let script = "for (const [id, text] of Object.entries(arguments[0])) \
             document.getElementById(id).value = text;";
        self.run(script, json!([fields])).await;
    }

    /// Presses a button; what the page says then.
    async fn press(&self, button: &str) -> String {
        let script = "document.getElementById('said').textContent = ''; \
             document.getElementById(arguments[0]).click();";
        self.run(script, json!([button])).await;
        let begun = Instant::now();
        loop {
            let said = self
                .run(
                    "return document.getElementById('said').textContent;",
                    json!([]),
                )
                .await;
            match said.as_str() {
                Some(said) if !said.is_empty() => return said.to_owned(),
                _ => {
                    assert!(
                        begun.elapsed() < DEADLINE,
                        "{button}: the page says nothing"
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_up_a_passkey_in_a_browser_and_comes_in_by_it_alone() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let mori = Person::new(&world, &clock, "mori", &["approver"], None).await;
    let center = world.running.staff_address().unwrap();
    let root = world.ground.config.root_certificate.clone();
    let browser = Browser::start(&root, center).await;
    let authenticator = browser.authenticator(true).await;

    browser.open().await;
    let digits = sato.totp();
    browser
        .fill(json!({"account": "sato", "password": PASSWORD, "totp": digits}))
        .await;
    let said = browser.press("by-password").await;
    assert!(said.contains("(examiner, password-and-totp)"), "{said}");
    // The password is wanted once more, so that an unattended screen is no account.
    browser
        .fill(json!({"name": "わたしの電話", "once-more": "not my password"}))
        .await;
    let said = browser.press("register").await;
    assert!(said.contains("login-refused"), "{said}");
    browser.fill(json!({"once-more": PASSWORD})).await;
    let said = browser.press("register").await;
    assert!(said.contains("sato"), "{said}");
    let line = "return document.querySelector('#passkeys li').textContent;";
    let shown = browser.run(line, json!([])).await;
    assert!(shown.as_str().unwrap().contains("わたしの電話"), "{shown}");
    // The same authenticator is not set up twice.
    let said = browser.press("register").await;
    assert!(said.contains('×'), "{said}");

    // Out, and in again: no password, no digits.
    browser.press("leave").await;
    browser.fill(json!({"password": "", "totp": ""})).await;
    let said = browser.press("by-passkey").await;
    assert!(said.contains("(examiner, passkey)"), "{said}");
    // It is sato's, and opens no other account, and no role that sato has not.
    for (account, role) in [("mori", ""), ("sato", "security-officer"), ("nobody", "")] {
        browser.press("leave").await;
        browser
            .fill(json!({"account": account, "role": role}))
            .await;
        let said = browser.press("by-passkey").await;
        assert!(said.contains('×'), "{account}: {said}");
        browser.open().await;
    }
    let ledger = world.get("/v1/ledger?limit=1000").await.to_string();
    assert!(
        ledger.contains("credential-set") && ledger.contains("passkey"),
        "{ledger}"
    );

    // Every earlier session ended when it was set up; sato comes in by it, and
    // reads what the authenticator said of itself.
    browser.fill(json!({"account": "sato", "role": ""})).await;
    browser.press("by-passkey").await;
    let keys = browser
        .run(
            "return fetch('/v1/me/passkeys').then((answer) => answer.json());",
            json!([]),
        )
        .await;
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0]["sign_count"].as_u64().unwrap() > 1, "{keys:?}");
    assert!(keys[0]["used_at"].is_u64(), "{keys:?}");
    assert_eq!(keys[0]["backup_eligible"], false);

    // An authenticator that does not find its user says so, and nobody comes in.
    let path = format!("/webauthn/authenticator/{authenticator}/uv");
    browser.tell(&path, json!({"isUserVerified": false})).await;
    browser.press("leave").await;
    let said = browser.press("by-passkey").await;
    assert!(said.contains('×'), "{said}");
    browser.tell(&path, json!({"isUserVerified": true})).await;
    let said = browser.press("by-passkey").await;
    assert!(said.contains("(examiner, passkey)"), "{said}");

    // Taken away by its holder; from then on it opens nothing.
    browser.fill(json!({"once-more": PASSWORD})).await;
    let script = "document.getElementById('said').textContent = ''; \
         document.querySelector('#passkeys button').click();";
    browser.run(script, json!([])).await;
    let begun = Instant::now();
    loop {
        let left = browser
            .run(
                "return document.querySelectorAll('#passkeys li').length;",
                json!([]),
            )
            .await;
        if left == 0 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "the passkey is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser.press("leave").await;
    let said = browser.press("by-passkey").await;
    assert!(said.contains("login-refused"), "{said}");
    let me = mori.ask(Method::GET, "/v1/me", Value::Null).await;
    assert_eq!(me.status, hyper::StatusCode::OK, "{me:?}");
}
