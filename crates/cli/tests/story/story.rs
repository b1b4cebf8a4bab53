//! 一診療所の一生: one clinic's whole life through the center's own listeners, each
//! step by the person whose duty it is and each wrong role refused, and at the
//! end the ledger (台帳) that tells all of it, proved without the center.

use crate::audit::{Desk, is_witnessed};
use crate::person::Person;
use crate::router::{Router, device_of_age, old_ground};
use crate::steps::{PDF, admission, all_met, code, officer};
use crate::support::{TestClock, World, now};
use hyper::{Method, StatusCode};
use iryonet_center::access;
use iryonet_domain::Role;
use iryonet_ledger::{Entry, Outcome};
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

/// 登場人物: everybody with an account of their own, in the role of their duty.
struct Cast<'a> {
    people: Vec<(Role, Person<'a>)>,
}

impl<'a> Cast<'a> {
    async fn new(world: &'a World, clock: &'a TestClock) -> Self {
        let mut people = Vec::new();
        // 申請者・審査・承認・運用・セキュリティ責任者・監査
        for (name, role) in [
            ("takeda", Role::Officer),
            ("yamada", Role::Officer),
            ("kato", Role::Examiner),
            ("mori", Role::Approver),
            ("suzuki", Role::Operator),
            ("ito", Role::SecurityOfficer),
            ("kondo", Role::Auditor),
        ] {
            let mut account =
                json!({"account": name, "person": format!("{name} 様"), "roles": [role.as_str()]});
            if role == Role::Officer {
                account["applicant"] = true.into();
            }
            people.push((role, Person::of(world, clock, account).await));
        }
        Self { people }
    }

    fn of(&self, name: &str) -> &Person<'a> {
        let found = self.people.iter().find(|(_, person)| person.name == name);
        &found.unwrap().1
    }

    async fn get(&self, name: &str, path: &str) -> Value {
        let answer = self.of(name).ask(Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        answer.json()
    }

    /// One step, by the right one after all the wrong roles have been refused.
    async fn step(&self, name: &str, path: &str, body: Value) -> Value {
        let access = access::of("POST", &template(path)).unwrap();
        for (role, person) in &self.people {
            if access.of(*role).is_some() {
                continue;
            }
            let answer = person.ask(Method::POST, path, body.clone()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
            let problem = answer.json();
            let wanted = match role {
                Role::Auditor => "urn:iryonet:problem:auditor-may-not-act",
                _ => "urn:iryonet:problem:role-may-not",
            };
            assert_eq!(problem["type"], wanted, "{path} as {}", person.name);
            assert!(problem["sequence"].is_u64(), "not recorded: {problem}");
        }
        self.act(name, path, body).await
    }

    /// The same without trying the wrong ones.
    async fn act(&self, name: &str, path: &str, body: Value) -> Value {
        let answer = self.of(name).ask(Method::POST, path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{name} {path}: {answer:?}");
        answer.json()
    }

    async fn hand_in(&self, name: &str) -> String {
        let name_of = "%E9%96%8B%E8%A8%AD%E5%B1%8A%E3%81%AE%E5%86%99%E3%81%97.pdf";
        let person = self.of(name);
        let answer = person.hand_in(name_of, "application/pdf", PDF).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["sha256"].as_str().unwrap().to_owned()
    }

    /// 申請 with one document; the number of the case.
    async fn apply(&self, name: &str, participant: Option<u64>, application: Value) -> u64 {
        let documents = [self.hand_in(name).await];
        let wish = json!({"participant": participant, "application": application,
            "officer": officer(&format!("{name} 様")), "documents": documents});
        let received = self.step(name, "/v1/cases", wish).await;
        received["case"].as_u64().unwrap()
    }

    /// 受理・審査・承認: by Kato and, as the second person, Mori.
    async fn approve(&self, case: u64) -> Value {
        let at = |step: &str| format!("/v1/cases/{case}/{step}");
        let shown = self.get("kato", &format!("/v1/cases/{case}")).await;
        let mut last = json!({"version": shown["version"]});
        for step in ["accept", "begin"] {
            let body = json!({"version": last["version"]});
            last = self.step("kato", &at(step), body).await;
        }
        let shown = self.get("kato", &format!("/v1/cases/{case}")).await;
        last = self
            .step("kato", &at("judge"), all_met(&shown, false))
            .await;
        let conclusion = json!({"version": last["version"], "recommendation": "approve"});
        last = self.step("kato", &at("conclude"), conclusion).await;
        let mut approval = json!({"version": last["version"]});
        if shown["kind"] == "admission" {
            approval["gateway"] = "gw-east-1".into();
        }
        self.step("mori", &at("approve"), approval).await
    }

    /// 開通試験・開通.
    async fn test_and_open(&self, case: u64) {
        let path = format!("/v1/cases/{case}");
        let shown = self.get("suzuki", &path).await;
        let tested = self
            .step("suzuki", &format!("{path}/test"), all_met(&shown, true))
            .await;
        assert_eq!(tested["state"], "tested", "{tested}");
        let body = json!({"version": tested["version"]});
        let opened = self.step("suzuki", &format!("{path}/open"), body).await;
        assert_eq!(opened["state"], "done", "{opened}");
    }

    async fn standing(&self, number: u64) -> String {
        let shown = self
            .get("suzuki", &format!("/v1/participants/{number}"))
            .await;
        shown["standing"].as_str().unwrap().to_owned()
    }

    /// Is the service reached by the participant, as a gateway would decide it?
    async fn assert_reach(&self, number: u64, service: u64, wanted: bool) {
        let path = format!("/v1/explain?from={number}&to={service}");
        let explained = self.get("suzuki", &path).await;
        assert_eq!(explained["reachable"], wanted, "{explained}");
    }
}

/// The path as the table of paths writes it.
fn template(path: &str) -> String {
    let mut out = Vec::new();
    let mut noun = "";
    for part in path.split('/') {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            out.push(match noun {
                "cases" => "{case}",
                "services" => "{service}",
                "agreements" => "{agreement}",
                _ => "{number}",
            });
        } else {
            noun = part;
            out.push(part);
        }
    }
    out.join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn sakura_clinic_applies_opens_is_renewed_moves_rests_and_leaves_and_the_ledger_proves_it() {
    let clock = TestClock::new();
    let mut ground = old_ground();
    is_witnessed(&mut ground.config);
    let key = iryonet_center::init(&ground.config).unwrap().checkpoint_key;
    let world = World::at_on(ground, &clock).await;
    world.gateway("gw-east-1", 1).await;
    let cast = Cast::new(&world, &clock).await;

    // サービス提供事業者: 地域医療連携センター goes the same way as everybody.
    let (provider, service) = provider(&world, &cast).await;

    // 申請 by さくら診療所, whose officer sees what may be asked for and no more.
    let catalogue = cast.get("takeda", "/v1/services").await;
    assert_eq!(catalogue["services"][0]["service"], service);
    assert_eq!(catalogue["services"][0]["endpoints"], json!([]));
    let mut wish = admission("さくら診療所", &code(1));
    wish["services"] = json!([{"service": service, "purpose": "regional-collaboration"}]);
    let case = cast.apply("takeda", None, wish.clone()).await;
    let path = format!("/v1/cases/{case}");
    // 差戻し・再提出.
    let missing = json!({"version": 1, "missing": ["平面図"]});
    let returned = cast.step("kato", &format!("{path}/return"), missing).await;
    let shown = cast.get("takeda", &path).await;
    assert_eq!(shown["missing"], json!(["平面図"]));
    assert_eq!(shown["touched_by"], "examiner");
    let plan = cast.hand_in("takeda").await;
    let again = json!({"version": returned["version"], "application": wish,
        "officer": officer("武田 直子"), "documents": [plan]});
    cast.step("takeda", &format!("{path}/resubmit"), again)
        .await;
    // 受理・審査・承認: admitted, and nothing is open yet.
    let approved = cast.approve(case).await;
    let clinic = approved["participant"].as_u64().unwrap();
    assert_eq!(cast.standing(clinic).await, "admitted");
    // Its officer speaks for it from now on, in the same session.
    let me = cast.get("takeda", "/v1/me").await;
    assert_eq!(me["participant"], clinic);

    // 回線・登録コード・機関証明書: half a year ago, so that it is to be renewed.
    let line =
        json!({"site": 0, "kind": "ethernet", "gateway": "gw-east-1", "interface": "sakura"});
    let lines = format!("/v1/participants/{clinic}/lines");
    cast.step("suzuki", &lines, line).await;
    let (_, device) = device_of_age(&world, clinic, 200, 365).await;
    assert_eq!(cast.get("suzuki", &path).await["state"], "certified");
    cast.test_and_open(case).await;
    assert_eq!(cast.standing(clinic).await, "open");
    // 接続は何も開かない: open, and nothing is reached without an agreement.
    cast.assert_reach(clinic, service, false).await;

    // 利用合意: one proposes, the other accepts.
    let proposal = json!({"participant": clinic, "service": service,
        "purpose": "regional-collaboration", "until": now().plus_ms(90 * DAY_MS).0});
    let proposed = cast.step("takeda", "/v1/agreements", proposal).await;
    let agreement = proposed["agreement"].as_u64().unwrap();
    let accept = format!("/v1/agreements/{agreement}/accept");
    let yes = json!({"by": provider});
    let own = cast.of("takeda");
    let refused = own.ask(Method::POST, &accept, yes.clone()).await;
    assert_eq!(refused.code(), "speaks-for-another");
    cast.assert_reach(clinic, service, false).await;
    cast.step("yamada", &accept, yes).await;
    cast.assert_reach(clinic, service, true).await;
    let shown = cast
        .get("takeda", &format!("/v1/agreements/{agreement}"))
        .await;
    assert_eq!(shown["proposing_officer"], "officer:takeda");
    assert_eq!(shown["accepting_officer"], "officer:yamada");

    // 証明書更新 by the device itself, over EST.
    let successor = Router::new("ec -pkeyopt ec_paramgen_curve:P-256").await;
    let (status, said) = successor.renew(&world, &device).await;
    assert_eq!(status, 200, "{said}");
    let devices = format!("/v1/devices?participant={clinic}");
    let devices = cast.get("takeda", &devices).await;
    assert_eq!(devices["devices"].as_array().unwrap().len(), 2);

    // 移転: a new code, the same participant, the history kept.
    let relocation = json!({"kind": "relocation", "code": code(2),
        "sites": [{"name": "新本院", "lines": ["ethernet"]}]});
    let case = cast.apply("takeda", Some(clinic), relocation).await;
    cast.approve(case).await;
    cast.test_and_open(case).await;
    let shown = cast
        .get("takeda", &format!("/v1/participants/{clinic}"))
        .await;
    assert_eq!(shown["code"], code(2));
    assert_eq!(shown["membership"]["former_codes"][0]["code"], code(1));
    assert_eq!(shown["sites"].as_array().unwrap().len(), 2);

    // 休止・再開.
    let suspension = json!({"kind": "suspension", "reason": "改装のため"});
    let case = cast.apply("takeda", Some(clinic), suspension).await;
    cast.approve(case).await;
    assert_eq!(cast.standing(clinic).await, "suspended");
    cast.assert_reach(clinic, service, false).await;
    let resumption = json!({"kind": "resumption", "reason": "改装の終了"});
    let case = cast.apply("takeda", Some(clinic), resumption).await;
    cast.approve(case).await;
    assert_eq!(cast.standing(clinic).await, "open");
    cast.assert_reach(clinic, service, true).await;

    // 脱退: for ever.
    let withdrawal = json!({"kind": "withdrawal", "reason": "廃止のため"});
    let last = cast.apply("takeda", Some(clinic), withdrawal).await;
    cast.approve(last).await;
    assert_eq!(cast.standing(clinic).await, "closed");
    cast.assert_reach(clinic, service, false).await;
    let (status, _) = successor.renew(&world, &device).await;
    assert_ne!(status, 200, "who has left renews nothing");
    // 経過: its officer reads what became of it, and the staff by their duty alone.
    let history = cast
        .get("takeda", &format!("/v1/participants/{clinic}/history"))
        .await;
    let told: Vec<&str> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["event"].as_str().unwrap())
        .collect();
    for wanted in [
        "participant-admitted",
        "participant-code-changed",
        "participant-closed",
    ] {
        assert!(told.contains(&wanted), "{wanted}: {told:?}");
    }
    assert!(!history.to_string().contains("mori"), "{history}");
    let closed = cast
        .get(
            "suzuki",
            "/v1/participants?standing=closed&name=%E3%81%95%E3%81%8F%E3%82%89",
        )
        .await;
    assert_eq!(closed["participants"][0]["number"], clinic);
    // 監査 reads all of it.
    let history = cast.get("kondo", &path).await["history"].clone();
    assert!(history.as_array().unwrap().len() > 10, "{history}");

    // 監査 takes it out in its own session, and has it witnessed.
    let auditor = cast.of("kondo");
    let desk = Desk::of(&world, auditor);
    desk.take_out(&world, auditor, &key).await;
    drop(cast);
    let (ground, _) = world.stop().await;
    // There is no center any more, and no database.
    drop(ground);
    proved(desk, &key, clinic).await;
}

/// 事業者 with its one service, open and found by who may ask for it.
async fn provider(world: &World, cast: &Cast<'_>) -> (u64, u64) {
    let wish = json!({"kind": "admission", "participant_kind": "provider",
        "name": "地域医療連携センター", "area": 13,
        "sites": [{"name": "データセンター", "lines": ["ethernet"]}]});
    let case = cast.apply("yamada", None, wish).await;
    let approved = cast.approve(case).await;
    let number = approved["participant"].as_u64().unwrap();
    let line =
        json!({"site": 0, "kind": "ethernet", "gateway": "gw-east-1", "interface": "renkei"});
    let lines = format!("/v1/participants/{number}/lines");
    cast.step("suzuki", &lines, line).await;
    world.enrol(json!({"participant": number})).await;
    // 自動検査: what only the machine can have found out.
    let facts = json!({"kind": "tls-check-of-service", "target": "renkei.example.jp:443",
        "profile": "guideline-4.3", "failed": []});
    world
        .act_as(
            "system:checker",
            &format!("/v1/cases/{case}/evidence"),
            facts,
        )
        .await;
    cast.test_and_open(case).await;
    let shown = cast
        .get("yamada", &format!("/v1/participants/{number}"))
        .await;
    let prefix = shown["sites"][0]["prefix"].as_str().unwrap();
    let service = json!({"provider": number, "name": "地域医療連携", "class": "interactive",
        "purposes": ["regional-collaboration"],
        "endpoints": [{"protocol": "tcp", "address": prefix.replace("::/64", "::10"), "port": 443}],
        "offer": {"areas": [13], "bandwidth_kbps": 2_000}});
    let registered = cast.step("yamada", "/v1/services", service).await;
    (number, registered["service"].as_u64().unwrap())
}

/// The files alone, without any center: whole, unaltered, witnessed, and telling
/// who did what about the clinic in which order.
async fn proved(desk: Desk, key: &str, clinic: u64) {
    let entries = desk.entries();
    let elsewhere = desk.elsewhere();
    let said = elsewhere.proved(key).await;
    assert_eq!(said["first"], 1);
    assert_eq!(said["last"], entries.len());
    // Every refusal above stands there too.
    assert!(said["refused"].as_u64().unwrap() > 100, "{said}");
    told_in_order(&entries, clinic);

    let act = elsewhere.one_act_proved(key).await;
    assert_eq!(act["actor"], "approver:mori");
    assert_eq!(act["command"]["type"], "approve-case");
    elsewhere.no_forgery_passes(&entries, key).await;
}

fn told_in_order(entries: &[Entry], clinic: u64) {
    let mut told = Vec::new();
    for entry in entries {
        let Outcome::Accepted { events } = &entry.outcome else {
            continue;
        };
        for event in serde_json::from_str::<Vec<Value>>(events).unwrap() {
            let about = |key: &str| event[key] == clinic;
            let kind = event["type"].as_str().unwrap();
            if about("participant") || about("number") || about("by") {
                told.push(format!("{} {kind}", entry.actor));
            }
        }
    }
    let mut rest = told.iter();
    for wanted in [
        "approver:mori participant-admitted",
        "approver:mori membership-begun",
        "operator:suzuki line-added",
        "operator:suzuki participant-opened",
        "officer:takeda agreement-proposed",
        "officer:yamada agreement-accepted",
        "system:center-1 device-renewed",
        "officer:takeda case-received",
        "approver:mori participant-code-changed",
        "officer:takeda case-received",
        "approver:mori participant-suspended",
        "officer:takeda case-received",
        "approver:mori participant-resumed",
        "officer:takeda case-received",
        "approver:mori participant-closed",
    ] {
        assert!(
            rest.any(|it| it == wanted),
            "{wanted} is not told, or not in its order: {told:#?}"
        );
    }
}
