//! Cases: who sees them, two people at once, and what nobody can hand in.

use crate::people::Person;
use crate::steps::{PDF, admission, all_met, code, officer};
use crate::support::{DEADLINE, TestClock, World};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn applicant<'a>(world: &'a World, clock: &'a TestClock, name: &str) -> Person<'a> {
    let account = json!({"account": name, "person": format!("{name} 様"),
        "roles": ["officer"], "applicant": true});
    Person::of(world, clock, account).await
}

async fn post(who: &Person<'_>, path: &str, body: Value) -> Value {
    let answer = who.ask(Method::POST, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    answer.json()
}

async fn get(who: &Person<'_>, path: &str) -> Value {
    let answer = who.ask(Method::GET, path, Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    answer.json()
}

async fn pdf(who: &Person<'_>) -> String {
    let answer = who.hand_in("a.pdf", "application/pdf", PDF).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["sha256"].as_str().unwrap().to_owned()
}

/// An admission that was received; its number.
async fn received(who: &Person<'_>, serial: u16) -> u64 {
    let documents = [pdf(who).await];
    let wish = json!({"application": admission("若葉診療所", &code(serial)),
        "officer": officer("若葉 太郎"), "documents": documents});
    post(who, "/v1/cases", wish).await["case"].as_u64().unwrap()
}

fn acts(shown: &Value) -> Vec<&str> {
    let next = shown["next"].as_array().unwrap();
    next.iter().map(|it| it["act"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applicant_sees_its_own_application_and_nothing_of_anybody_elses() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let wakaba = applicant(&world, &clock, "wakaba").await;
    let aoba = applicant(&world, &clock, "aoba").await;
    let kato = Person::new(&world, &clock, "kato", &["examiner"], None).await;
    let case = received(&wakaba, 1).await;
    let path = format!("/v1/cases/{case}");
    let shown = get(&wakaba, &path).await;
    let sha256 = shown["documents"][0]["sha256"].as_str().unwrap();
    let document = format!("{path}/documents/{sha256}");

    // Its own: the case, what may be done with it, and the document as it was.
    assert_eq!(acts(&shown), ["withdraw-application"]);
    assert_eq!(shown["findings"], json!([]), "the staff's");
    let answer = wakaba.ask(Method::GET, &document, Value::Null).await;
    assert_eq!(&answer.body[..], PDF);
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    assert!(header("content-disposition").starts_with("attachment;"));
    assert!(header("content-security-policy").contains("sandbox"));
    let me = get(&wakaba, "/v1/me").await;
    assert_eq!(me["application"], case);

    // The examiner sees it, what the registry can tell, and what is to be done.
    let seen = get(&kato, &path).await;
    assert_eq!(acts(&seen), ["accept-application", "return-application"]);
    let kinds: Vec<&str> = seen["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["evidence"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"code-check-digit"), "{kinds:?}");
    let open = get(&kato, "/v1/cases?open=true&kind=admission&state=received").await;
    assert_eq!(open["cases"][0]["case"], case);
    let old = get(&kato, "/v1/cases?untouched_since=1000").await;
    assert_eq!(old["cases"], json!([]));

    // Another applicant: as if it were not there, in the same words.
    assert_eq!(get(&aoba, "/v1/cases").await["cases"], json!([]));
    assert_eq!(get(&aoba, "/v1/agreements").await["agreements"], json!([]));
    for (theirs, nobodys) in [
        (path.clone(), "/v1/cases/999".to_owned()),
        (
            document.clone(),
            format!("/v1/cases/999/documents/{sha256}"),
        ),
    ] {
        let mut said = Vec::new();
        for path in [theirs, nobodys] {
            let answer = aoba.ask(Method::GET, &path, Value::Null).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            said.push(text.replace(&format!(" {case}"), " 999"));
        }
        assert_eq!(said[0], said[1]);
    }
    let withdraw = format!("{path}/withdraw");
    let body = json!({"version": 1});
    let answer = aoba.ask(Method::POST, &withdraw, body.clone()).await;
    assert_eq!(answer.code(), "case-unknown");
    // Who knows a digest has not thereby seen the document.
    let wish = json!({"application": admission("青葉医院", &code(2)),
        "officer": officer("青葉 次郎"), "documents": [sha256]});
    let answer = aoba.ask(Method::POST, "/v1/cases", wish).await;
    assert_eq!(answer.code(), "document-not-handed-in");

    // The applicant hears of the examiner by its duty, and not by its name.
    post(&kato, &format!("{path}/accept"), body).await;
    let shown = get(&wakaba, &path).await;
    assert_eq!(shown["touched_by"], "examiner");
    assert!(!shown.to_string().contains("kato"), "{shown}");
    let answer = wakaba
        .ask(Method::POST, &withdraw, json!({"version": 2}))
        .await;
    assert_eq!(answer.json()["state"], "withdrawn", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_examiners_who_decide_at_once_the_second_is_told_who_was_first() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let kato = Person::new(&world, &clock, "kato", &["examiner"], None).await;
    let ono = Person::new(&world, &clock, "ono", &["examiner"], None).await;
    for serial in 1..=8 {
        // An applicant has one open application: for each another one.
        let name = format!("applicant{serial}");
        let case = received(&applicant(&world, &clock, &name).await, serial).await;
        let path = format!("/v1/cases/{case}/accept");
        let body = json!({"version": 1});
        let (a, b) = tokio::join!(
            kato.ask(Method::POST, &path, body.clone()),
            ono.ask(Method::POST, &path, body.clone())
        );
        let (first, second, name) = if a.status == StatusCode::OK {
            (a, b, "kato")
        } else {
            (b, a, "ono")
        };
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        assert_eq!(second.status, StatusCode::CONFLICT);
        assert_eq!(second.code(), "case-changed");
        let said = second.json()["detail_ja"].as_str().unwrap().to_owned();
        assert!(said.contains(&format!("examiner:{name}")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_examined_a_case_does_not_approve_it_in_any_role() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    world.gateway("gw-a", 1).await;
    let wakaba = applicant(&world, &clock, "wakaba").await;
    let kato = Person::new(&world, &clock, "kato", &["examiner", "approver"], None).await;
    let mori = Person::new(&world, &clock, "mori", &["approver", "examiner"], None).await;
    let case = received(&wakaba, 1).await;
    let path = format!("/v1/cases/{case}");
    for step in ["accept", "begin"] {
        let version = get(&kato, &path).await["version"].clone();
        post(
            &kato,
            &format!("{path}/{step}"),
            json!({"version": version}),
        )
        .await;
    }
    let shown = get(&kato, &path).await;
    let judged = post(&kato, &format!("{path}/judge"), all_met(&shown, false)).await;
    let body = json!({"version": judged["version"], "recommendation": "approve"});
    let examined = post(&kato, &format!("{path}/conclude"), body).await;
    let body = json!({"version": examined["version"], "gateway": "gw-a"});
    let approve = format!("{path}/approve");
    let in_other_role = kato.in_role("approver").await;
    let answer = in_other_role
        .ask(Method::POST, &approve, body.clone())
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(answer.code(), "second-person-wanted");
    assert_eq!(acts(&get(&in_other_role, &path).await), [] as [&str; 0]);
    // The one who may is offered it, and does it once.
    assert!(acts(&get(&mori, &path).await).contains(&"approve-case"));
    let approved = post(&mori, &approve, body.clone()).await;
    assert_eq!(approved["state"], "approved");
    let again = mori.ask(Method::POST, &approve, body).await;
    assert_eq!(again.code(), "case-changed");
}

/// What the center's process has in memory at most, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_two_gigabytes_is_refused_and_never_held() {
    const TWO_GB: u64 = 2_000_000_000;
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let wakaba = applicant(&world, &clock, "wakaba").await;
    let head = |more: &str| {
        format!(
            "POST /v1/documents?name=x.pdf HTTP/1.1\r\nhost: center\r\nauthorization: {}\r\ncontent-type: application/pdf\r\n{more}\r\n\r\n",
            wakaba.bearer()
        )
    };
    let before = memory_peak();
    // One that says how large it is: not an octet of it is waited for.
    let mut stream = world.staff_stream().await;
    let announced = head(&format!("content-length: {TWO_GB}"));
    stream.write_all(announced.as_bytes()).await.unwrap();
    let answer = status_line(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // One that does not say: no more is taken than a document may have.
    let mut stream = world.staff_stream().await;
    let silent = head("transfer-encoding: chunked");
    stream.write_all(silent.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        let piece = vec![b'x'; 1 << 16];
        let mut sent = 0u64;
        while sent < TWO_GB {
            let size = format!("{:x}\r\n", piece.len());
            let wrote = async {
                writer.write_all(size.as_bytes()).await?;
                writer.write_all(&piece).await?;
                writer.write_all(b"\r\n").await
            };
            if wrote.await.is_err() {
                break;
            }
            sent += piece.len() as u64;
        }
        sent
    };
    let (sent, answer) = tokio::join!(sending, status_line(&mut reader));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // What the sockets between us hold comes on top of the 20 MiB.
    assert!(sent < 64 << 20, "{sent} octets were taken");
    let grown = memory_peak() - before;
    assert!(grown < 200 << 20, "{grown} octets more in memory");
    // Nothing of it waits for an application.
    assert_eq!(world.get("/v1/cases").await["cases"], json!([]));
}

/// The first line of an answer; empty when the connection ended without one.
async fn status_line(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    let read = async {
        let mut octet = [0];
        while !line.ends_with(b"\r\n") {
            match stream.read(&mut octet).await {
                Ok(1) => line.push(octet[0]),
                _ => break,
            }
        }
    };
    tokio::time::timeout(DEADLINE, read).await.unwrap();
    String::from_utf8(line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_deceive_codes_of_another_reading_and_false_documents_are_refused() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let wakaba = applicant(&world, &clock, "wakaba").await;
    let apply = async |application: Value| {
        let wish = json!({"application": application, "officer": officer("若葉 太郎")});
        wakaba.ask(Method::POST, "/v1/cases", wish).await
    };
    for name in [
        "さくら\u{7}診療所",
        "さくら\u{202e}所療診",
        "\u{200f}さくら",
        "",
        "　",
    ] {
        let answer = apply(admission(name, &code(1))).await;
        assert_eq!(answer.code(), "text-unusable", "{name:?}: {answer:?}");
        assert!(answer.json()["sequence"].is_u64(), "a refusal is recorded");
        let answer = wakaba.hand_in(&percent(name), "application/pdf", PDF).await;
        assert_eq!(answer.code(), "document-unusable", "{name:?}: {answer:?}");
    }
    // Tokyo's check digit covers seven digits, Hokkaido's all of them: a code of
    // Hokkaido's with the digit that Tokyo would give it is none.
    let tokyo = code(7);
    let hokkaido = iryonet_domain::InstitutionCode::generate(
        iryonet_domain::Prefecture::new(1).unwrap(),
        iryonet_domain::ScoreTable::Medical,
        1,
        7,
    )
    .to_string();
    let other_reading = format!("{}{}", &hokkaido[..9], &tokyo[9..]);
    assert_ne!(other_reading, hokkaido);
    let answer = apply(admission("さくら診療所", &other_reading)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "unacceptable-json");
    // What is no such thing, whatever it calls itself.
    for (media_type, bytes, wanted) in [
        (
            "application/pdf",
            &b"<script>alert(1)</script>"[..],
            "not-that-media-type",
        ),
        ("text/html", b"<html>", "document-unusable"),
        ("application/pdf", b"", "document-unusable"),
    ] {
        let answer = wakaba.hand_in("a.pdf", media_type, bytes).await;
        assert_eq!(answer.code(), wanted, "{answer:?}");
    }
    let answer = wakaba
        .hand_in("..%2F..%2Fetc%2Fpasswd", "application/pdf", PDF)
        .await;
    assert_eq!(answer.code(), "document-unusable", "{answer:?}");
    assert_eq!(world.get("/v1/cases").await["cases"], json!([]));
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_sent_again_is_one_application() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let wakaba = applicant(&world, &clock, "wakaba").await;
    let kato = Person::new(&world, &clock, "kato", &["examiner"], None).await;
    let wish = json!({"application": admission("若葉診療所", &code(1)),
        "officer": officer("若葉 太郎"), "documents": [pdf(&wakaba).await]});
    let bearer = wakaba.bearer();
    let headers = [
        ("authorization", &*bearer),
        ("idempotency-key", "9f1c-application"),
    ];
    let send = async || {
        let body = wish.to_string().into_bytes();
        let mut connection = world.staff().await;
        let answer = connection
            .send_with(Method::POST, "/v1/cases", headers, body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    };
    let first = send().await;
    // A document needs no key: it is known by what is in it.
    let large = [PDF, &vec![b' '; 200_000]].concat();
    let headers = [
        ("authorization", &*bearer),
        ("idempotency-key", "9f1c-document"),
        ("content-type", "application/pdf"),
    ];
    let mut digests = Vec::new();
    for _ in 0..2 {
        let mut connection = world.staff().await;
        let path = "/v1/documents?name=b.pdf";
        let answer = connection
            .send_with(Method::POST, path, headers, large.clone())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        digests.push(answer.json()["sha256"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    // Somebody was there in between: the answer tells the version of then, so
    // that who goes on with it is told.
    let path = format!("/v1/cases/{}", first["case"]);
    post(&kato, &format!("{path}/accept"), json!({"version": 1})).await;
    assert_eq!(send().await, first);
    assert_eq!(first["version"], 1);
    let listed = get(&wakaba, "/v1/cases").await;
    assert_eq!(listed["cases"].as_array().unwrap().len(), 1);
}
