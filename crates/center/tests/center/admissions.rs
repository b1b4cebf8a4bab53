//! 500 institutions of a public list, admitted through the center's own
//! listener: each applies by an officer of its own, is examined by one person
//! and approved by a second. On the real list where it is at hand
//! (`IRYONET_PUBLIC_LIST`, or `scripts/admit-from-list.sh FILE`), otherwise on one
//! of the same form that is made here.

use crate::people::Person;
use crate::steps::{PDF, officer};
use crate::support::{Connection, Ground, TestClock, World};
use hyper::{Method, StatusCode};
use iryonet_domain::{InstitutionCode, Prefecture, ScoreTable};
use iryonet_registry::Applicant;
use iryonet_store::import::{ImportOptions, run};
use iryonet_store::{ApplicantQuery, SqliteStore, Store};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// So many are admitted.
const WANTED: usize = 500;
/// So many are on their way at the same time.
const LANES: usize = 4;

/// The real list, and whether it is that.
fn list() -> (Vec<u8>, bool) {
    match std::env::var_os("IRYONET_PUBLIC_LIST") {
        Some(path) => (std::fs::read(path).unwrap(), true),
        None => (made_list(), false),
    }
}

/// A list as it is published, of 3,000 clinics and hospitals all over the country.
fn made_list() -> Vec<u8> {
    let mut out = String::new();
    for serial in 0..3_000u16 {
        let prefecture = Prefecture::new(u8::try_from(serial % 47).unwrap() + 1).unwrap();
        let code = InstitutionCode::generate(prefecture, ScoreTable::Medical, 1, serial);
        let ten = code.to_string();
        let kind = if serial % 12 == 0 {
            "病院"
        } else {
            "診療所"
        };
        writeln!(
            out,
            "{}{},{},第{serial}さくら{kind},100-0001,{}中央１丁目{serial}番",
            &ten[..2],
            &ten[3..],
            code.last_seven(),
            prefecture.name(),
        )
        .unwrap();
    }
    out.into_bytes()
}

/// Every so manieth institution of the list, from its whole length.
fn chosen(store: &SqliteStore) -> Vec<Applicant> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|one: &Applicant| one.code);
        let page = iryonet_store::look(store, |reader| {
            reader.applicants(&ApplicantQuery::default(), after, 10_000)
        })
        .unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let stride = all.len() / WANTED;
    all.into_iter().step_by(stride).take(WANTED).collect()
}

/// As the list tells it: by the score table of its code, and by its name.
fn kind(one: &Applicant) -> &'static str {
    match one.code.score_table() {
        ScoreTable::Medical if one.name.contains("病院") => "hospital",
        ScoreTable::Medical => "clinic",
        ScoreTable::Dental => "dental-clinic",
        ScoreTable::Dispensing => "pharmacy",
        ScoreTable::HomeNursing => "home-nursing",
    }
}

/// What the examiner says: what the list and the code show, the center finds; the
/// rest stands in the document or was tried.
fn judged(shown: &Value) -> Value {
    let document = shown["documents"][0]["sha256"].as_str().unwrap();
    let judgements: Vec<Value> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let accepted = item["evidence_accepted"].as_array().unwrap();
            let evidence = ["public-list-presence", "code-check-digit", "document", "test"]
                .into_iter()
                .find(|kind| accepted.contains(&json!(kind)))
                .unwrap_or("self-declaration");
            let documents: Vec<&str> = match evidence {
                "document" => vec![document],
                _ => Vec::new(),
            };
            json!({"rule": item["rule"], "verdict": "met", "evidence": evidence, "documents": documents})
        })
        .collect();
    json!({"version": shown["version"], "judgements": judgements})
}

/// A person at one connection that stays open.
struct Desk {
    connection: Connection,
    bearer: String,
    took: Vec<Duration>,
}

impl Desk {
    async fn new(world: &World, person: &Person<'_>) -> Self {
        Self {
            connection: world.staff().await,
            bearer: person.bearer(),
            took: Vec::new(),
        }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> Value {
        let bytes = match &body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let headers = [("authorization", self.bearer.as_str())];
        let begun = Instant::now();
        let answer = self
            .connection
            .send_with(method.clone(), path, headers, bytes)
            .await;
        if method == Method::POST {
            self.took.push(begun.elapsed());
        }
        assert_eq!(answer.status, StatusCode::OK, "{path} {body}: {answer:?}");
        answer.json()
    }
}

/// One institution on its whole way to its admission.
async fn admit(
    world: &World,
    clock: &TestClock,
    kato: &mut Desk,
    mori: &mut Desk,
    (place, one): (usize, &Applicant),
) -> u64 {
    // Who logs in from one address waits between two; by its clock, it has.
    clock.forward(1_500);
    let account = json!({"account": format!("officer{place}"), "person": "担当 花子",
        "roles": ["officer"], "applicant": true});
    let person = Person::of(world, clock, account).await;
    let document = person.hand_in("notice.pdf", "application/pdf", PDF).await;
    let mut desk = Desk::new(world, &person).await;
    let application = json!({
        "kind": "admission",
        "participant_kind": kind(one),
        "name": one.name,
        "code": one.code,
        "sites": [{"name": "本院", "lines": ["ethernet"]}],
    });
    let wish = json!({"application": application, "officer": officer("担当 花子"),
        "documents": [document.json()["sha256"]]});
    let received = desk.ask(Method::POST, "/v1/cases", wish).await;
    let path = format!("/v1/cases/{}", received["case"]);
    let mut last = received;
    for step in ["accept", "begin"] {
        let body = json!({"version": last["version"]});
        last = kato
            .ask(Method::POST, &format!("{path}/{step}"), body)
            .await;
    }
    let shown = kato.ask(Method::GET, &path, Value::Null).await;
    last = kato
        .ask(Method::POST, &format!("{path}/judge"), judged(&shown))
        .await;
    let body = json!({"version": last["version"], "recommendation": "approve"});
    last = kato
        .ask(Method::POST, &format!("{path}/conclude"), body)
        .await;
    let body = json!({"version": last["version"], "gateway": "gw-east-1"});
    let approved = mori
        .ask(Method::POST, &format!("{path}/approve"), body)
        .await;
    kato.took.append(&mut desk.took);
    approved["participant"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_institutions_of_a_public_list_are_admitted_through_the_api() {
    let (bytes, real) = list();
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let begun = Instant::now();
    let counts = {
        let store = SqliteStore::open(&ground.config.database()).unwrap();
        let importer = "operator:suzuki".parse().unwrap();
        let options = ImportOptions::of(ScoreTable::Medical);
        run(
            &store,
            &bytes,
            &options,
            &importer,
            crate::support::now(),
            &mut |_| {},
        )
        .unwrap()
        .counts
    };
    let imported = begun.elapsed();
    let store = SqliteStore::open_read_only(&ground.config.database()).unwrap();
    let chosen = chosen(&store);
    assert_eq!(chosen.len(), WANTED);
    let revision = store.revision().unwrap();
    drop(store);

    let clock = TestClock::new();
    let world = World::at_on(ground, &clock).await;
    world.gateway("gw-east-1", 1).await;
    let kato = Person::new(&world, &clock, "kato", &["examiner"], None).await;
    let mori = Person::new(&world, &clock, "mori", &["approver"], None).await;
    let begun = Instant::now();
    let numbered: Vec<(usize, &Applicant)> = chosen.iter().enumerate().collect();
    let mut lanes = Vec::new();
    for lane in numbered.chunks(WANTED.div_ceil(LANES)) {
        let (world, clock, kato, mori) = (&world, &clock, &kato, &mori);
        lanes.push(async move {
            let mut kato = Desk::new(world, kato).await;
            let mut mori = Desk::new(world, mori).await;
            let mut numbers = Vec::new();
            for one in lane {
                numbers.push(admit(world, clock, &mut kato, &mut mori, *one).await);
            }
            kato.took.append(&mut mori.took);
            (numbers, kato.took)
        });
    }
    let mut lanes = lanes.into_iter();
    let mut next = || lanes.next().unwrap();
    let (a, b, c, d) = tokio::join!(next(), next(), next(), next());
    let took = begun.elapsed();

    let (mut numbers, mut acts) = (Vec::new(), Vec::new());
    for (of_lane, took) in [a, b, c, d] {
        numbers.extend(of_lane);
        acts.extend(took);
    }
    // Everybody under its own number and code, admitted and not open yet.
    for (number, one) in numbers.iter().zip(&chosen) {
        let shown = world.get(&format!("/v1/participants/{number}")).await;
        assert_eq!(shown["code"], one.code.to_string(), "{shown}");
        assert_eq!(shown["standing"], "admitted");
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), WANTED);
    let done = world.get("/v1/cases?state=approved&limit=1000").await;
    assert_eq!(done["cases"].as_array().unwrap().len(), WANTED);
    let found = world
        .get(&format!("/v1/applicants?code={}", chosen[0].code))
        .await;
    assert_eq!(found["applicants"][0]["name"], chosen[0].name);
    assert!(found["applicants"][0]["participant"].is_u64(), "{found}");
    // The list alone shows that they exist, and the ledger that two people said so.
    let case = world.get("/v1/cases/1").await;
    let exists = case["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["rule"] == "examination.exists")
        .unwrap();
    assert_eq!(exists["evidence"], "public-list-presence");
    assert_eq!(case["examined"]["by"], "examiner:kato");
    assert_eq!(case["decided"]["by"], "approver:mori");

    acts.sort_unstable();
    let ms = |part: f64| {
        let place = ((acts.len() - 1) as f64 * part) as usize;
        acts[place].as_secs_f64() * 1_000.0
    };
    let entries = world.get("/v1/health").await["recorded"].as_u64().unwrap() - revision;
    println!(
        "{}: {} rows read in {:.1} s, {} institutions; {WANTED} of them admitted in {:.1} s by {} people, {:.1} a second; {entries} ledger entries; an act takes {:.1} ms (p50), {:.1} ms (p99)",
        if real { "real list" } else { "made list" },
        counts.read,
        imported.as_secs_f64(),
        counts.institutions,
        took.as_secs_f64(),
        WANTED + 2,
        WANTED as f64 / took.as_secs_f64(),
        ms(0.5),
        ms(0.99),
    );
}
