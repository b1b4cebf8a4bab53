//! The life of a connection as the description has it: each path once as it goes
//! and once as it is refused.

use crate::openapi::Judge;
use crate::steps::{PDF, admission, all_met, code, officer};
use crate::support::{DEADLINE, World, now, whose_duty};
use serde_json::{Value, json};
use std::time::Instant;

pub(crate) struct Asker<'a> {
    pub(crate) world: &'a World,
    pub(crate) judge: &'a mut Judge,
}

impl Asker<'_> {
    /// One request in the name of whose duty it is, compared with the description.
    async fn ask(&mut self, method: &str, template: &str, path: &str, body: Value) -> Value {
        let bytes = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        self.send(method, template, path, "application/json", bytes)
            .await
    }

    async fn send(
        &mut self,
        method: &str,
        template: &str,
        path: &str,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Value {
        let actor = whose_duty(path).to_string();
        let headers = [
            ("iryonet-actor", actor.as_str()),
            ("content-type", media_type),
        ];
        let (status, headers, answer) =
            crate::acts::raw(self.world, &method.to_uppercase(), path, &headers, bytes).await;
        let content_type = headers
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        self.judge
            .see(template, method, status, &content_type, &answer);
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// An act on a case; its answer.
    async fn step(&mut self, case: u64, step: &str, body: Value) -> Value {
        self.ask(
            "post",
            &format!("/v1/cases/{{case}}/{step}"),
            &format!("/v1/cases/{case}/{step}"),
            body,
        )
        .await
    }

    /// An act on a case that is not there.
    async fn nowhere(&mut self, step: &str, body: Value) {
        let answer = self.step(999, step, body).await;
        assert_eq!(answer["code"], "case-unknown", "{step}");
    }

    async fn show(&mut self, case: u64) -> Value {
        let path = format!("/v1/cases/{case}");
        self.ask("get", "/v1/cases/{case}", &path, Value::Null)
            .await
    }

    async fn apply(&mut self, body: Value) -> u64 {
        let answer = self.ask("post", "/v1/cases", "/v1/cases", body).await;
        answer["case"]
            .as_u64()
            .unwrap_or_else(|| panic!("{answer}"))
    }

    /// Up to its conclusion with a recommendation to approve.
    async fn examine(&mut self, case: u64) {
        for step in ["accept", "begin"] {
            let version = self.show(case).await["version"].clone();
            self.step(case, step, json!({"version": version})).await;
        }
        let shown = self.show(case).await;
        let judged = self.step(case, "judge", all_met(&shown, false)).await;
        assert!(judged["version"].is_u64(), "{judged}");
        let concluded = json!({"version": judged["version"], "recommendation": "approve"});
        let answer = self.step(case, "conclude", concluded).await;
        assert_eq!(answer["state"], "examined", "{answer}");
    }
}

pub(crate) async fn life(world: &World, judge: &mut Judge, provider: u64) {
    let mut it = Asker { world, judge };
    documents_and_admission(&mut it).await;
    other_ends(&mut it).await;
    searches(&mut it, provider).await;
    rules_and_recheck(&mut it).await;
    offers(&mut it, provider).await;
}

async fn documents_and_admission(it: &mut Asker<'_>) {
    let path = "/v1/documents?name=%E9%96%8B%E8%A8%AD%E5%B1%8A.pdf";
    let document = it
        .send("post", "/v1/documents", path, "application/pdf", PDF.into())
        .await;
    it.send("post", "/v1/documents", path, "text/html", PDF.into())
        .await;
    let sha256 = document["sha256"].as_str().unwrap().to_owned();
    let wish = json!({
        "application": admission("説明クリニック", &code(801)),
        "officer": officer("説明 花子"),
        "documents": [sha256],
    });
    let case = it.apply(wish.clone()).await;
    it.ask("post", "/v1/cases", "/v1/cases", wish.clone()).await;
    it.ask("get", "/v1/cases", "/v1/cases?open=true", Value::Null)
        .await;
    it.ask("get", "/v1/cases", "/v1/cases?state=eaten", Value::Null)
        .await;
    it.show(999).await;
    for sha256 in [sha256.clone(), "0".repeat(64)] {
        it.ask(
            "get",
            "/v1/cases/{case}/documents/{sha256}",
            &format!("/v1/cases/{case}/documents/{sha256}"),
            Value::Null,
        )
        .await;
    }
    let missing = json!({"version": 1, "missing": ["平面図"]});
    it.step(case, "return", missing.clone()).await;
    it.nowhere("return", missing).await;
    let mut again = json!({"version": 2});
    for (key, value) in wish.as_object().unwrap() {
        again[key] = value.clone();
    }
    it.step(case, "resubmit", again.clone()).await;
    it.nowhere("resubmit", {
        again["documents"] = json!([]);
        again
    })
    .await;
    it.examine(case).await;
    for step in ["accept", "begin", "open", "approve", "withdraw"] {
        it.nowhere(step, json!({"version": 1})).await;
    }
    for step in ["judge", "test"] {
        it.nowhere(step, json!({"version": 1, "judgements": []}))
            .await;
    }
    let why = json!({"version": 1, "reason": "x"});
    for step in ["reject", "send-back"] {
        it.nowhere(step, why.clone()).await;
    }
    let conclusion = json!({"version": 1, "recommendation": "reject", "note": "x"});
    it.nowhere("conclude", conclusion).await;
    let version = it.show(case).await["version"].clone();
    let back = json!({"version": version, "reason": "連絡先の再確認"});
    let back = it.step(case, "send-back", back).await;
    let conclusion = json!({"version": back["version"], "recommendation": "approve"});
    let examined = it.step(case, "conclude", conclusion).await;
    let approval = json!({"version": examined["version"], "gateway": "gw-a"});
    let approved = it.step(case, "approve", approval).await;
    let number = approved["participant"].as_u64().unwrap();
    let facts = json!({"kind": "tls-check-of-service", "target": "clinic.example.jp:443",
        "profile": "guideline-4.3", "failed": ["tls-1.0-offered"]});
    it.step(case, "evidence", facts.clone()).await;
    it.nowhere("evidence", facts).await;
    it.world.enrol(json!({"participant": number})).await;
    let shown = it.show(case).await;
    let tested = it.step(case, "test", all_met(&shown, true)).await;
    let opened = json!({"version": tested["version"]});
    let opened = it.step(case, "open", opened).await;
    assert_eq!(opened["state"], "done", "{opened}");
    it.show(case).await;

    // A suspension that waits for its day, which comes.
    let suspension = it
        .apply(json!({"participant": number, "application":
            {"kind": "suspension", "reason": "改装", "from": now().plus_ms(400).0}}))
        .await;
    it.examine(suspension).await;
    let version = it.show(suspension).await["version"].clone();
    it.step(suspension, "approve", json!({"version": version}))
        .await;
    let begun = Instant::now();
    loop {
        let answer = it.step(suspension, "carry-out", json!({})).await;
        if answer["state"] == "done" {
            break;
        }
        assert_eq!(answer["code"], "not-its-day", "{answer}");
        assert!(begun.elapsed() < DEADLINE);
    }
}

/// Cases that end otherwise.
async fn other_ends(it: &mut Asker<'_>) {
    let wish = |serial| json!({"application": admission("取下げ医院", &code(serial)), "officer": officer("取下 太郎")});
    let case = it.apply(wish(802)).await;
    it.step(case, "withdraw", json!({"version": 1})).await;
    let path = "/v1/documents?name=x.pdf";
    let document = it
        .send("post", "/v1/documents", path, "application/pdf", PDF.into())
        .await;
    let mut wish = wish(803);
    wish["documents"] = json!([document["sha256"]]);
    let case = it.apply(wish).await;
    it.examine(case).await;
    let version = it.show(case).await["version"].clone();
    let no = json!({"version": version, "reason": "開設を確認できない"});
    let rejected = it.step(case, "reject", no).await;
    assert_eq!(rejected["state"], "rejected");
    // It was touched just now.
    let answer = it.step(case, "lapse", json!({})).await;
    assert_eq!(answer["code"], "case-state", "{answer}");
}

async fn searches(it: &mut Asker<'_>, provider: u64) {
    let template = "/v1/participants/{number}/history";
    for path in [
        format!("/v1/participants/{provider}/history?limit=3"),
        "/v1/participants/9/history".to_owned(),
    ] {
        it.ask("get", template, &path, Value::Null).await;
    }
    for path in ["/v1/applicants?name=x", "/v1/applicants?prefecture=48"] {
        it.ask("get", "/v1/applicants", path, Value::Null).await;
    }
}

async fn rules_and_recheck(it: &mut Asker<'_>) {
    let files: Vec<Value> = iryonet_rules::shipped::VERSION_1
        .iter()
        .map(|(name, text)| {
            json!({"name": name, "text": text.replacen("version = 1", "version = 2", 1)})
        })
        .collect();
    let body = json!({"files": files});
    for _ in 0..2 {
        it.ask("post", "/v1/rules", "/v1/rules", body.clone()).await;
    }
    it.ask("get", "/v1/rules", "/v1/rules", Value::Null).await;
    for version in [2, 9] {
        let path = format!("/v1/rules/{version}");
        it.ask("get", "/v1/rules/{version}", &path, Value::Null)
            .await;
    }
    for path in ["/v1/reexaminations", "/v1/reexaminations?limit=x"] {
        it.ask("get", "/v1/reexaminations", path, Value::Null).await;
    }
    it.ask("get", "/v1/recheck", "/v1/recheck", Value::Null)
        .await;
    let tick = json!({"tick": 1, "reason": "x"});
    it.ask(
        "post",
        "/v1/recheck/confirm",
        "/v1/recheck/confirm",
        json!({"tick": 1}),
    )
    .await;
    it.ask("post", "/v1/recheck/dismiss", "/v1/recheck/dismiss", tick)
        .await;
}

async fn offers(it: &mut Asker<'_>, provider: u64) {
    let shown = it.world.get(&format!("/v1/participants/{provider}")).await;
    let prefix = shown["sites"][0]["prefix"].as_str().unwrap().to_owned();
    let offer = json!({"dns": "referral.example.jp", "bandwidth_kbps": 2_000, "areas": [13],
        "accepts": ["clinic"], "stage": "planned"});
    let body = json!({"provider": provider, "name": "電子紹介状", "class": "interactive",
        "purposes": ["regional-collaboration"], "eligible": ["clinic", "hospital"], "offer": offer,
        "endpoints": [{"protocol": "tcp", "address": prefix.replace("::/64", "::77"), "port": 443}]});
    let answer = it.ask("post", "/v1/services", "/v1/services", body).await;
    let service = answer["service"].as_u64().unwrap();
    for number in [service, 999] {
        let path = format!("/v1/services/{number}");
        let shown = it
            .ask("get", "/v1/services/{service}", &path, Value::Null)
            .await;
        if number == service {
            assert_eq!(shown["offer"]["areas"], json!([13]));
        }
        let mut offer = offer.clone();
        offer["stage"] = "open".into();
        let path = format!("/v1/services/{number}/offer");
        it.ask("post", "/v1/services/{service}/offer", &path, offer)
            .await;
    }
    let agreements = it.world.get("/v1/agreements").await;
    let agreement = agreements["agreements"][0]["agreement"].clone();
    for number in [agreement, 999.into()] {
        let path = format!("/v1/agreements/{number}");
        it.ask("get", "/v1/agreements/{agreement}", &path, Value::Null)
            .await;
    }
}
