//! 日次再確認 and what time and newer lists bring, as people meet them: a re-check
//! that has stopped and waits for their word, a case that nobody touched, and a
//! member that the public list names no more.

use crate::people::Person;
use crate::support::{DEADLINE, Ground, TestClock, World, now};
use hyper::{Method, StatusCode};
use iryonet_domain::{
    InstitutionCode, InstitutionKind, ParticipantKind, Prefecture, ScoreTable, UnixMillis,
};
use iryonet_registry::case::command::ReceiveApplication;
use iryonet_registry::case::{Admission, Application, SiteWish};
use iryonet_registry::rules::RuleText;
use iryonet_registry::{Command, Home};
use iryonet_store::import::{ImportOptions, run};
use iryonet_store::{SqliteStore, Store};
use serde_json::{Value, json};
use std::time::Instant;

const DAY_MS: u64 = 86_400_000;

fn must(store: &dyn Store, actor: &str, commands: &[Command], at: UnixMillis) {
    let actor = actor.parse().unwrap();
    iryonet_store::change(store, |transaction| {
        for command in commands {
            let recorded = transaction.record(&actor, command, at)?;
            recorded
                .events()
                .unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        }
        Ok(())
    })
    .unwrap();
}

fn rules() -> Command {
    Command::PublishRules {
        files: iryonet_rules::shipped::VERSION_1
            .iter()
            .map(|(name, text)| RuleText::new(name, text))
            .collect(),
    }
}

/// A network of two years ago whose members were never examined under the rules
/// that were published then.
fn old_network(ground: &Ground, members: u32) {
    std::fs::create_dir_all(&ground.config.data_dir).unwrap();
    let store = SqliteStore::open(&ground.config.database()).unwrap();
    let then = UnixMillis(now().0 - 730 * DAY_MS);
    let system = "system:center-1".parse().unwrap();
    iryonet_store::found(&store, ground.config.network, &system, then).unwrap();
    let gateway = Command::RegisterGateway {
        gateway: "gw-a".parse().unwrap(),
        backbone: "2001:db8:0:1::1".parse().unwrap(),
        blocks: vec![1],
    };
    must(&store, "operator:suzuki", &[gateway], then);
    must(&store, "security-officer:ito", &[rules()], then);
    let members: Vec<Command> = (0..members)
        .map(|n| Command::AdmitParticipant {
            kind: ParticipantKind::Institution(InstitutionKind::Clinic),
            name: format!("若葉診療所{n}"),
            code: None,
            home: Home::Block(1),
        })
        .collect();
    must(&store, "system:center-1", &members, then);
    iryonet_center::init(&ground.config).unwrap();
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        tokio::task::yield_now().await;
    }
}

/// A center whose re-check has stopped, and the slot at which it did.
async fn stopped(clock: &TestClock) -> (World, u64) {
    let mut ground = Ground::new();
    ground.config.daily_recheck = true;
    // Seven or so for each slot of the day: more than are ever cut unasked.
    old_network(&ground, 2_016);
    let world = World::at_on(ground, clock).await;
    until("the re-check stops", async || {
        world.get("/v1/recheck").await["halted"].is_object()
    })
    .await;
    let halted = world.get("/v1/recheck").await["halted"].clone();
    assert!(
        halted["counts"]["newly_invalid"].as_u64().unwrap() > 3,
        "{halted}"
    );
    assert!(
        halted["counts"]["reasons"]["rules-out-of-date"].is_u64(),
        "{halted}"
    );
    let tick = halted["tick"].as_u64().unwrap();
    (world, tick)
}

async fn standing(world: &World, wanted: &str) -> usize {
    let mut count = 0;
    let mut after = 0;
    loop {
        let page = world
            .get(&format!("/v1/participants?limit=1000&after={after}"))
            .await;
        let page = page["participants"].as_array().unwrap().clone();
        let Some(last) = page.last() else {
            return count;
        };
        after = last["number"].as_u64().unwrap();
        count += page.iter().filter(|it| it["standing"] == wanted).count();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recheck_that_has_stopped_waits_for_a_person_who_says_that_it_was_right() {
    let clock = TestClock::new();
    let (world, tick) = stopped(&clock).await;
    let ito = Person::new(&world, &clock, "ito", &["security-officer"], None).await;
    let kondo = Person::new(&world, &clock, "kondo", &["auditor"], None).await;
    let anew = kondo
        .ask(Method::GET, "/v1/reexaminations?limit=1000", Value::Null)
        .await
        .json();
    assert_eq!(anew["reexaminations"].as_array().unwrap().len(), 1_000);
    assert!(anew["next_after"].is_u64());
    // Nobody was cut off.
    assert_eq!(standing(&world, "on-hold").await, 0);
    let confirm = "/v1/recheck/confirm";
    let answer = kondo
        .ask(Method::POST, confirm, json!({"tick": tick}))
        .await;
    assert_eq!(answer.code(), "auditor-may-not-act");
    let answer = ito
        .ask(Method::POST, confirm, json!({"tick": tick + 1}))
        .await;
    assert_eq!(answer.code(), "recheck-not-halted");
    let wish = json!({"tick": tick, "whole_day": true});
    let answer = ito.ask(Method::POST, confirm, wish).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let state = world.get("/v1/recheck").await;
    assert_eq!(state["halted"], Value::Null);
    assert_eq!(state["told"]["word"], "confirmed");
    let held = standing(&world, "on-hold").await;
    assert!((4..=20).contains(&held), "{held} of one slot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recheck_that_has_stopped_is_told_that_it_was_a_mistake() {
    let clock = TestClock::new();
    let (world, tick) = stopped(&clock).await;
    let suzuki = Person::new(&world, &clock, "suzuki", &["operator"], None).await;
    let wish = json!({"tick": tick, "reason": "要件の公布日の誤り", "whole_day": true});
    let answer = suzuki.ask(Method::POST, "/v1/recheck/dismiss", wish).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let state = world.get("/v1/recheck").await;
    assert_eq!(state["halted"], Value::Null);
    assert_eq!(state["told"]["word"], "dismissed");
    assert_eq!(standing(&world, "on-hold").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_nobody_touched_for_ninety_days_lapses_by_itself() {
    let ground = Ground::new();
    old_network(&ground, 0);
    let store = SqliteStore::open(&ground.config.database()).unwrap();
    let application = |name: &str| {
        Command::ReceiveApplication(ReceiveApplication {
            participant: None,
            application: Application::Admission(Admission {
                participant_kind: ParticipantKind::Provider,
                name: name.to_owned(),
                code: None,
                area: None,
                sites: vec![SiteWish {
                    name: "本社".to_owned(),
                    lines: vec![iryonet_domain::LineKind::Ethernet],
                }],
                services: Vec::new(),
            }),
            officer: Some(
                iryonet_domain::Officer::new("佐藤", Some("03-1234-5678"), None).unwrap(),
            ),
            documents: Vec::new(),
        })
    };
    // 90 days and a day ago, and a day less than 90 days ago.
    for (name, days) in [("昔の事業者", 91), ("最近の事業者", 89)] {
        let then = UnixMillis(now().0 - days * DAY_MS);
        must(&store, "operator:suzuki", &[application(name)], then);
    }
    let clock = TestClock::new();
    let world = World::at_on(ground, &clock).await;
    until("the old one lapses", async || {
        world.get("/v1/cases/1").await["state"] == "lapsed"
    })
    .await;
    let shown = world.get("/v1/cases/1").await;
    assert_eq!(shown["touched_by"], "system:center-1");
    assert_eq!(world.get("/v1/cases/2").await["state"], "received");
    let since = now().0 - 60 * DAY_MS;
    let open = world
        .get(&format!("/v1/cases?open=true&untouched_since={since}"))
        .await;
    assert_eq!(open["cases"][0]["case"], 2);
    assert_eq!(open["cases"].as_array().unwrap().len(), 1);
    let error = world.refused("/v1/cases/2/lapse", json!({})).await;
    assert_eq!(error.code(), Some("not-lapsed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_the_list_names_no_more_is_proposed_for_closing_and_two_people_decide() {
    let code = |serial: u16| {
        InstitutionCode::generate(Prefecture::new(1).unwrap(), ScoreTable::Medical, 1, serial)
    };
    let edition = |serials: std::ops::RangeInclusive<u16>| {
        let row = |serial: u16| {
            let ten = code(serial).to_string();
            format!(
                "{}{},{},第{serial}診療所,060-0001,札幌市中央区\n",
                &ten[..2],
                &ten[3..],
                code(serial).last_seven()
            )
        };
        serials.map(row).collect::<String>().into_bytes()
    };
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    world.gateway("gw-a", 1).await;
    let store = SqliteStore::open(&world.ground.config.database()).unwrap();
    let import = |bytes: &[u8]| {
        let suzuki = "operator:suzuki".parse().unwrap();
        let options = ImportOptions::default();
        run(&store, bytes, &options, &suzuki, now(), &mut |_| {}).unwrap()
    };
    import(&edition(1..=60));
    let mut members = Vec::new();
    for serial in [1, 2] {
        let wish = json!({"kind": "clinic", "name": format!("第{serial}診療所"),
            "code": code(serial), "gateway": "gw-a"});
        let admitted = world.act("/v1/participants", wish).await;
        members.push(admitted["number"].as_u64().unwrap());
    }
    // The next edition lacks three: two members, and one that is none.
    import(&edition(4..=60));
    let kato = Person::new(&world, &clock, "kato", &["examiner"], None).await;
    let mori = Person::new(&world, &clock, "mori", &["approver"], None).await;
    let listed = kato
        .ask(
            Method::GET,
            "/v1/cases?kind=closing-by-list&open=true",
            Value::Null,
        )
        .await
        .json();
    let cases = listed["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2, "{listed}");
    assert_eq!(standing(&world, "open").await, 2, "no list closes anybody");

    let decide = async |case: &Value, recommendation: &str, step: &str, mut body: Value| {
        let path = format!("/v1/cases/{}", case["case"]);
        let mut version = case["version"].clone();
        for step in ["accept", "begin"] {
            let answer = kato
                .ask(
                    Method::POST,
                    &format!("{path}/{step}"),
                    json!({"version": version}),
                )
                .await;
            version = answer.json()["version"].clone();
        }
        let shown = kato.ask(Method::GET, &path, Value::Null).await.json();
        let judgements: Vec<Value> = shown["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                json!({"rule": item["rule"], "verdict": "not-applicable", "note": "電話で確認"})
            })
            .collect();
        if !judgements.is_empty() {
            let body = json!({"version": version, "judgements": judgements});
            let answer = kato.ask(Method::POST, &format!("{path}/judge"), body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            version = answer.json()["version"].clone();
        }
        let body_of =
            json!({"version": version, "recommendation": recommendation, "note": "電話で確認"});
        let answer = kato
            .ask(Method::POST, &format!("{path}/conclude"), body_of)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        body["version"] = answer.json()["version"].clone();
        let answer = mori
            .ask(Method::POST, &format!("{path}/{step}"), body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    };
    // One is gone; the other is there, and the list is wrong about it.
    decide(&cases[0], "approve", "approve", json!({})).await;
    decide(
        &cases[1],
        "reject",
        "reject",
        json!({"reason": "開院を確認"}),
    )
    .await;
    let of = |case: &Value| case["participant"].as_u64().unwrap();
    for (case, wanted) in [(&cases[0], "closed"), (&cases[1], "open")] {
        let shown = world.get(&format!("/v1/participants/{}", of(case))).await;
        assert_eq!(shown["standing"], wanted);
    }
}
