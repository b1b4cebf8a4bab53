//! Coming in by an organisation's issuer, against a provider that is certified
//! by the OpenID Foundation (`oidc-provider`, `scripts/setup.sh`), with curl as
//! the browser there: who is let in, and all that keeps others out.

use crate::people::Person;
use crate::support::{Answer, Ground, TestClock, World};
use hyper::{Method, StatusCode, header};
use iryonet_center::config::IssuerConfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const RETURN: &str = "https://center.example:8445/v1/login/issuer/return";
/// Much longer than a start of the provider takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where `scripts/setup.sh` put the provider.
fn folder() -> PathBuf {
    let pins = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../scripts/oidc-provider/package.json"
    );
    let pins: Value = serde_json::from_str(&std::fs::read_to_string(pins).unwrap()).unwrap();
    let version = pins["dependencies"]["oidc-provider"].as_str().unwrap();
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = match (home("XDG_DATA_HOME"), home("HOME")) {
        (Some(data), _) => PathBuf::from(data),
        (None, Some(home)) => PathBuf::from(home).join(".local/share"),
        (None, None) => panic!("neither XDG_DATA_HOME nor HOME is set"),
    };
    let folder = data.join(format!("iryonet-tools/oidc-provider-{version}"));
    assert!(
        folder.join("node_modules").exists(),
        "{} is not there; scripts/setup.sh installs it",
        folder.display()
    );
    folder
}

/// A provider that runs, and what a browser at it does.
struct Provider {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    issuer: String,
    dir: tempfile::TempDir,
}

impl Provider {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        certify(&at("root.pem"), &at("key.pem"), &at("certificate.pem"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/provider.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder())
            .args([at("key.pem"), at("certificate.pem")])
            .arg(RETURN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("node is not there; scripts/setup.sh installs it");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut provider = Self {
            child,
            stdin,
            stdout,
            issuer: String::new(),
            dir,
        };
        provider.issuer = provider.line().await["issuer"].as_str().unwrap().to_owned();
        provider
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(DEADLINE, self.stdout.next_line()).await;
        let Some(line) = line.unwrap().unwrap() else {
            let log = std::fs::read_to_string(self.dir.path().join("log"));
            panic!("the provider ended: {}", log.unwrap_or_default());
        };
        serde_json::from_str(&line).unwrap()
    }

    async fn say(&mut self, what: Value) {
        let line = format!("{what}\n");
        self.stdin.write_all(line.as_bytes()).await.unwrap();
        assert_eq!(self.line().await["done"], true);
    }

    /// Who comes from now on, and what they show.
    async fn person(&mut self, subject: &str, amr: &[&str], acr: &str) {
        self.say(json!({"person": {"sub": subject, "amr": amr, "acr": acr}}))
            .await;
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// One of the center's settings for this provider.
    fn setting(&self, name: &str, client_id: &str, secret: Option<&str>) -> IssuerConfig {
        let client_secret_file = secret.map(|secret| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = self.dir.path().join(format!("{name}.secret"));
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        });
        IssuerConfig {
            name: name.to_owned(),
            title: "日本医師会".to_owned(),
            issuer: self.issuer.clone(),
            client_id: client_id.to_owned(),
            client_secret_file,
            trust: self.root(),
            acr: Vec::new(),
            amr: vec!["otp".to_owned(), "hwk".to_owned()],
            max_age_s: 3_600,
        }
    }

    /// A browser goes there; where it is sent back to, on the center.
    async fn visit(&self, url: &str) -> String {
        let jar = self.dir.path().join("jar");
        let _ = std::fs::remove_file(&jar);
        let mut at = url.to_owned();
        for _ in 0..6 {
            let output = Command::new("curl")
                .args([
                    "--silent",
                    "--show-error",
                    "--max-time",
                    "30",
                    "--noproxy",
                    "*",
                ])
                .args(["--output", "/dev/null", "--write-out", "%{redirect_url}"])
                .arg("--cacert")
                .arg(self.root())
                .arg("--cookie")
                .arg(&jar)
                .arg("--cookie-jar")
                .arg(&jar)
                .arg(&at)
                .output()
                .await
                .unwrap();
            assert!(output.status.success(), "{at}: {output:?}");
            at = String::from_utf8(output.stdout).unwrap();
            assert!(!at.is_empty(), "no way on from {url}");
            if let Some(rest) = at.strip_prefix("https://center.example:8445") {
                return rest.to_owned();
            }
        }
        panic!("the provider leads nowhere from {url}");
    }
}

/// A root, and a certificate of `localhost` by it.
fn certify(root_file: &Path, key_file: &Path, chain_file: &Path) {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "the organisation's root");
    let root = params.self_signed(&root_key).unwrap();
    std::fs::write(root_file, root.pem()).unwrap();
    let issuer = rcgen::Issuer::new(params, root_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(chain_file, leaf.pem()).unwrap();
    std::fs::write(key_file, key.serialize_pem()).unwrap();
}

async fn world(clock: &TestClock, issuers: Vec<IssuerConfig>) -> World {
    let mut ground = Ground::new();
    ground.config.people.issuers = issuers;
    iryonet_center::init(&ground.config).unwrap();
    World::at_on(ground, clock).await
}

async fn account(world: &World, name: &str, roles: &[&str]) {
    let account = json!({"account": name, "person": "佐藤 次郎", "roles": roles});
    world
        .act_as("security-officer:console", "/v1/accounts", account)
        .await;
}

async fn link(world: &World, what: &str, name: &str, provider: &Provider, subject: &str) {
    world
        .act_as(
            "security-officer:console",
            &format!("/v1/accounts/{name}/{what}"),
            json!({"issuer": provider.issuer, "subject": subject}),
        )
        .await;
}

async fn ask(world: &World, method: Method, path: &str, cookie: &str, body: Value) -> Answer {
    let headers = [("cookie", cookie)];
    let headers = match cookie {
        "" => &[][..],
        _ => &headers[..],
    };
    crate::people::send(&mut world.staff().await, method, path, headers, body).await
}

async fn begin(world: &World, wish: Value) -> Answer {
    ask(world, Method::POST, "/v1/login/issuer", "", wish).await
}

/// A browser's way: begun, gone to the provider, come back. Where it came back
/// to, and the cookie of the login.
async fn go(world: &World, provider: &Provider, wish: Value) -> (String, String) {
    let begun = begin(world, wish).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let cookie = cookie_of(&begun, "__Host-iryonet-login").unwrap();
    let back = provider.visit(begun.json()["url"].as_str().unwrap()).await;
    (back, cookie)
}

async fn come_in(world: &World, provider: &Provider, wish: Value) -> Answer {
    let (back, cookie) = go(world, provider, wish).await;
    ask(world, Method::GET, &back, &cookie, Value::Null).await
}

/// `name=value` of a cookie that is set, if it is.
fn cookie_of(answer: &Answer, name: &str) -> Option<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE);
    let found = cookies
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .find(|cookie| cookie.starts_with(&format!("{name}=")))?;
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite="] {
        assert!(found.contains(part), "{found}");
    }
    Some(found.split(';').next().unwrap().to_owned())
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (status, code),
        "{answer:?}"
    );
    assert!(!answer.json()["detail_ja"].as_str().unwrap().is_empty());
    assert_eq!(cookie_of(answer, "__Host-iryonet"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_linked_comes_in_by_their_organisation_and_nobody_else_does() {
    let mut provider = Provider::start().await;
    let secret = Some("a secret: of/the+center");
    let clock = TestClock::new();
    let world = world(&clock, vec![provider.setting("jma", "iryonet", secret)]).await;
    account(&world, "kuroda", &["examiner"]).await;
    provider.person("248289761001", &["pwd", "otp"], "").await;

    let offered = ask(&world, Method::GET, "/v1/login/issuers", "", Value::Null).await;
    assert_eq!(offered.json()[0]["title"], "日本医師会");

    // The provider calls this person kuroda@example.jp; that is nobody here.
    let wish = || json!({"issuer": "jma", "then": "/cases"});
    let nobody = come_in(&world, &provider, wish()).await;
    refused(&nobody, 403, "login-of-nobody");
    assert!(
        nobody.json()["detail"]
            .as_str()
            .unwrap()
            .contains("248289761001")
    );

    link(&world, "link", "kuroda", &provider, "248289761001").await;
    let (back, cookie) = go(&world, &provider, wish()).await;
    // Who did not begin it cannot end it: no cookie, another login's, a bent state.
    refused(
        &ask(&world, Method::GET, &back, "", Value::Null).await,
        401,
        "login-lost",
    );
    let (_, others) = go(&world, &provider, wish()).await;
    refused(
        &ask(&world, Method::GET, &back, &others, Value::Null).await,
        401,
        "login-lost",
    );
    let bent = back.replace("state=c.", "state=c.x");
    refused(
        &ask(&world, Method::GET, &bent, &cookie, Value::Null).await,
        401,
        "login-lost",
    );
    // In the name of another issuer, or of none where this one always says it.
    let (path, _) = back.split_once("&iss=").unwrap();
    for other in [
        path.to_owned(),
        format!("{path}&iss=https%3A%2F%2Felsewhere.example"),
    ] {
        refused(
            &ask(&world, Method::GET, &other, &cookie, Value::Null).await,
            401,
            "login-lost",
        );
    }

    let answer = ask(&world, Method::GET, &back, &cookie, Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        page.contains("ログインしました") && page.contains("href=\"/cases\""),
        "{page}"
    );
    assert!(answer.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    let session = cookie_of(&answer, "__Host-iryonet").unwrap();
    let me = ask(&world, Method::GET, "/v1/me", &session, Value::Null)
        .await
        .json();
    assert_eq!(
        (&me["account"], &me["role"], &me["method"]),
        (&json!("kuroda"), &json!("examiner"), &json!("issuer"))
    );

    // Once: the code is used up, and so is the login.
    let again = ask(&world, Method::GET, &back, &cookie, Value::Null).await;
    refused(&again, 401, "issuer-code-refused");

    let page = world.get("/v1/ledger?limit=1000").await;
    let text = page["entries"].to_string();
    assert!(
        text.contains("account-linked") && text.contains("\"issuer\""),
        "{text}"
    );
    let mut staff = world.staff().await;
    let me = staff
        .send_with(
            Method::GET,
            "/v1/me",
            [("cookie", session.as_str())],
            vec![],
        )
        .await;
    assert_eq!(me.status, StatusCode::OK);
    // Unlinked, the session that came in by it ends at once.
    link(&world, "unlink", "kuroda", &provider, "248289761001").await;
    let me = ask(&world, Method::GET, "/v1/me", &session, Value::Null).await;
    refused(&me, 401, "session-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_command_line_only_who_began_the_login_can_use_what_the_page_shows() {
    let mut provider = Provider::start().await;
    let clock = TestClock::new();
    let public = provider.setting("jma", "iryonet-public", None);
    let world = world(&clock, vec![public]).await;
    account(&world, "mori", &["examiner", "approver"]).await;
    link(&world, "link", "mori", &provider, "m-1").await;
    provider.person("m-1", &["hwk"], "").await;

    let wish = json!({"issuer": "jma", "carrier": "bearer", "role": "approver"});
    let begun = begin(&world, wish.clone()).await.json();
    let other = begin(&world, wish).await.json();
    let back = provider.visit(begun["url"].as_str().unwrap()).await;
    let page = ask(&world, Method::GET, &back, "", Value::Null).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert_eq!(cookie_of(&page, "__Host-iryonet"), None);
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let (_, text) = page.split_once("<code id=\"answer\">").unwrap();
    let (text, _) = text.split_once("</code>").unwrap();

    let confirm = async |flow: &Value| {
        let body = json!({"flow": flow, "answer": text});
        ask(&world, Method::POST, "/v1/login/issuer/confirm", "", body).await
    };
    refused(&confirm(&other["flow"]).await, 401, "login-lost");
    refused(&confirm(&json!("AAAA")).await, 401, "login-lost");
    let session = confirm(&begun["flow"]).await;
    assert_eq!(session.status, StatusCode::OK, "{session:?}");
    let session = session.json();
    assert_eq!(
        (&session["role"], &session["enrolling"]),
        (&json!("approver"), &json!(false))
    );
    refused(&confirm(&begun["flow"]).await, 401, "issuer-code-refused");

    let bearer = format!("Bearer {}", session["token"].as_str().unwrap());
    let with = async |method: Method, path: &str, body: Value| {
        let headers = [("authorization", bearer.as_str())];
        crate::people::send(&mut world.staff().await, method, path, &headers, body).await
    };
    assert_eq!(
        with(Method::GET, "/v1/me", Value::Null).await.status,
        StatusCode::OK
    );
    let out = with(Method::POST, "/v1/logout", json!({})).await;
    assert_eq!(out.status, StatusCode::OK, "{out:?}");
    refused(
        &with(Method::GET, "/v1/me", Value::Null).await,
        401,
        "session-over",
    );

    // After ten minutes there is nothing to come back to.
    let wish = json!({"issuer": "jma", "role": "approver"});
    let (back, cookie) = go(&world, &provider, wish).await;
    clock.forward(10 * 60_000);
    let late = ask(&world, Method::GET, &back, &cookie, Value::Null).await;
    refused(&late, 401, "login-lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_second_factor_no_role_or_no_consent_is_no_session() {
    let mut provider = Provider::start().await;
    let mut by_acr = provider.setting("by-acr", "iryonet-es", Some("another"));
    by_acr.amr.clear();
    by_acr.acr = vec!["urn:example:mfa".to_owned()];
    let secret = Some("a secret: of/the+center");
    let clock = TestClock::new();
    let world = world(
        &clock,
        vec![
            provider.setting("jma", "iryonet", secret),
            by_acr,
            provider.setting("misspelt", "iryonet", Some("not the secret")),
        ],
    )
    .await;
    account(&world, "mori", &["examiner", "approver"]).await;
    link(&world, "link", "mori", &provider, "m-1").await;
    let at = |issuer: &str| json!({"issuer": issuer, "role": "examiner"});

    provider
        .person("m-1", &["pwd"], "urn:example:password")
        .await;
    refused(
        &come_in(&world, &provider, at("jma")).await,
        403,
        "issuer-second-factor",
    );
    refused(
        &come_in(&world, &provider, at("by-acr")).await,
        403,
        "issuer-second-factor",
    );
    provider
        .person("m-1", &["pwd", "otp"], "urn:example:mfa")
        .await;
    for issuer in ["jma", "by-acr"] {
        let answer = come_in(&world, &provider, at(issuer)).await;
        assert_eq!(answer.status, StatusCode::OK, "{issuer}: {answer:?}");
    }
    // The center's own secret is wrong: that is ours to mend, and nobody's guess.
    refused(
        &come_in(&world, &provider, at("misspelt")).await,
        503,
        "issuer-unavailable",
    );

    refused(
        &come_in(&world, &provider, json!({"issuer": "jma"})).await,
        409,
        "role-unclear",
    );
    let other = json!({"issuer": "jma", "role": "security-officer"});
    let answer = come_in(&world, &provider, other).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert!(answer.json()["sequence"].is_u64(), "{answer:?}");
    refused(
        &begin(&world, json!({"issuer": "else"})).await,
        404,
        "unknown-issuer",
    );
    let elsewhere = json!({"issuer": "jma", "then": "//elsewhere.example/"});
    refused(&begin(&world, elsewhere).await, 422, "then-unclear");

    provider.say(json!({"refuse": true})).await;
    refused(
        &come_in(&world, &provider, at("jma")).await,
        401,
        "issuer-said-no",
    );
    provider.person("m-1", &["otp"], "").await;

    world
        .act_as(
            "security-officer:console",
            "/v1/accounts/mori/lock",
            json!({"reason": "on leave"}),
        )
        .await;
    let locked = come_in(&world, &provider, at("jma")).await;
    assert_eq!(locked.status, StatusCode::FORBIDDEN, "{locked:?}");
    assert!(locked.json()["sequence"].is_u64(), "{locked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_fetched_and_an_issuer_that_is_down_ends_no_session() {
    let mut provider = Provider::start().await;
    let clock = TestClock::new();
    let secret = Some("a secret: of/the+center");
    let mut untrusted = provider.setting("untrusted", "iryonet", secret);
    let elsewhere = tempfile::tempdir().unwrap();
    untrusted.trust = elsewhere.path().join("root.pem");
    certify(
        &untrusted.trust,
        &elsewhere.path().join("k"),
        &elsewhere.path().join("c"),
    );
    let unasked = provider.setting("unasked", "iryonet", secret);
    let settings = vec![
        provider.setting("jma", "iryonet", secret),
        untrusted,
        unasked,
    ];
    let world = world(&clock, settings).await;
    let local = Person::new(&world, &clock, "suzuki", &["operator"], None).await;
    account(&world, "sato", &["examiner"]).await;
    link(&world, "link", "sato", &provider, "s-1").await;
    provider.person("s-1", &["otp"], "").await;
    let wish = || json!({"issuer": "jma"});
    let first = come_in(&world, &provider, wish()).await;
    let session = cookie_of(&first, "__Host-iryonet").unwrap();

    provider.say(json!({"rotate": true})).await;
    let answer = come_in(&world, &provider, wish()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");

    let untrusted = begin(&world, json!({"issuer": "untrusted"})).await;
    refused(&untrusted, 503, "issuer-unavailable");

    let (back, cookie) = go(&world, &provider, wish()).await;
    provider.child.kill().await.unwrap();
    let down = ask(&world, Method::GET, &back, &cookie, Value::Null).await;
    refused(&down, 503, "issuer-unavailable");
    assert!(down.headers.contains_key(header::RETRY_AFTER), "{down:?}");
    refused(
        &begin(&world, json!({"issuer": "unasked"})).await,
        503,
        "issuer-unavailable",
    );
    // Who is in stays in, and who comes by another way comes in.
    let me = ask(&world, Method::GET, "/v1/me", &session, Value::Null).await;
    assert_eq!(me.status, StatusCode::OK, "{me:?}");
    let me = local.ask(Method::GET, "/v1/me", Value::Null).await;
    assert_eq!(me.status, StatusCode::OK, "{me:?}");
}
