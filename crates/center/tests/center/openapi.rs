//! The committed description is what the code says, and what a real center
//! answers.

use crate::support::{Feed, Ground, World, key_and_csr, now};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn committed() -> String {
    std::fs::read_to_string(path()).unwrap()
}

fn path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

#[test]
fn the_committed_description_is_the_codes() {
    let code = iryonet_center::openapi_json();
    if std::env::var_os("IRYONET_WRITE_OPENAPI").is_some() {
        std::fs::write(path(), &code).unwrap();
    }
    assert!(
        committed() == code,
        "the API changed: look at the difference, then write it with IRYONET_WRITE_OPENAPI=1 cargo test -p iryonet-center committed_description"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_whether_it_wants_a_session() {
    let description: Value = serde_json::from_str(&iryonet_center::openapi_json()).unwrap();
    let mut seen = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(name.to_owned()), "{method} {path}: {name}");
            // Who may ask without a session, the table of paths says.
            let access = iryonet_center::access::of(&method.to_uppercase(), path);
            let open = access.is_none_or(|it| it == iryonet_center::access::Access::Anybody);
            assert_eq!(operation["security"].is_null(), open, "{method} {path}");
        }
    }
}

/// Compares real answers with the description.
pub(crate) struct Judge {
    description: Value,
    seen: BTreeMap<(String, String), BTreeSet<bool>>,
}

impl Judge {
    fn new() -> Self {
        let mut description: Value = serde_json::from_str(&committed()).unwrap();
        // An answer with a field that the description does not know is a drift
        // too. A schema that is a part of others cannot be closed by itself.
        let schemas = description["components"]["schemas"]
            .as_object_mut()
            .unwrap();
        let parts: BTreeSet<String> = schemas
            .values()
            .filter_map(|schema| schema.get("allOf")?.as_array())
            .flatten()
            .filter_map(|part| Some(part.get("$ref")?.as_str()?.rsplit('/').next()?.to_owned()))
            .collect();
        for (name, schema) in schemas {
            let object = schema.as_object_mut().unwrap();
            if object.contains_key("allOf") {
                object.insert("unevaluatedProperties".to_owned(), false.into());
            } else if object.contains_key("properties") && !parts.contains(name) {
                object.entry("additionalProperties").or_insert(false.into());
            }
        }
        Self {
            description,
            seen: BTreeMap::new(),
        }
    }

    pub(crate) fn see(
        &mut self,
        template: &str,
        method: &str,
        status: u16,
        content_type: &str,
        body: &[u8],
    ) {
        let operation = &self.description["paths"][template][method];
        assert!(
            operation.is_object(),
            "{method} {template} is not described"
        );
        let responses = &operation["responses"];
        let described = match &responses[status.to_string()] {
            Value::Null => &responses["default"],
            found => found,
        };
        assert!(
            described.is_object() && !(300..400).contains(&status),
            "{method} {template} answered {status}, which is not described"
        );
        if status < 300 && responses.get(status.to_string()).is_none() {
            panic!("{method} {template} answered {status}, described only as an error");
        }
        self.seen
            .entry((template.to_owned(), method.to_owned()))
            .or_default()
            .insert(status < 300);
        let Some(content) = described.get("content").and_then(Value::as_object) else {
            assert!(
                body.is_empty(),
                "{method} {template}: a body where none is described"
            );
            return;
        };
        let media = content.get(content_type).unwrap_or_else(|| {
            panic!("{method} {template} {status}: {content_type:?} is not described")
        });
        // Several documents, one a line, are none.
        if !content_type.ends_with("/json") && !content_type.ends_with("+json") {
            return;
        }
        let value: Value = serde_json::from_slice(body).unwrap();
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.description["components"],
            "allOf": [media["schema"]],
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|fault| format!("{} at {}", fault, fault.instance_path()))
            .collect();
        assert!(
            faults.is_empty(),
            "{method} {template} {status}: {faults:#?}\n{value:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_described() {
    let clock = crate::support::TestClock::new();
    let mut ground = Ground::new();
    crate::checkpoints::quick(&mut ground.config);
    iryonet_center::init(&ground.config).unwrap();
    let world = World::at_on(ground, &clock).await;
    let mut judge = Judge::new();

    macro_rules! operator {
        ($method:literal, $template:literal, $path:expr, $body:expr) => {{
            let body: Value = $body;
            let bytes = if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            };
            let (status, headers, answer) = crate::acts::raw(
                &world,
                &$method.to_uppercase(),
                &$path,
                &[
                    (
                        "iryonet-actor",
                        &crate::support::whose_duty(&$path).to_string(),
                    ),
                    ("content-type", "application/json"),
                ],
                bytes,
            )
            .await;
            let content_type = headers
                .get("content-type")
                .map_or("", |v| v.to_str().unwrap())
                .to_owned();
            judge.see($template, $method, status, &content_type, &answer);
            serde_json::from_slice::<Value>(&answer).unwrap_or(Value::Null)
        }};
    }

    let null = || Value::Null;
    // Gateways.
    operator!(
        "post",
        "/v1/gateways",
        "/v1/gateways",
        json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]})
    );
    operator!(
        "post",
        "/v1/gateways",
        "/v1/gateways",
        json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]})
    );
    let gateway = world.enrol(json!({"gateway": "gw-a"})).await;
    operator!("get", "/v1/gateways", "/v1/gateways", null());
    // Participants, sites, lines.
    let code = "0111234560";
    let clinic = operator!("post", "/v1/participants", "/v1/participants",
        json!({"kind": "clinic", "name": "さくら診療所", "code": valid_code(code), "gateway": "gw-a"}))["number"].as_u64().unwrap();
    let provider = operator!(
        "post",
        "/v1/participants",
        "/v1/participants",
        json!({"kind": "provider", "name": "連携センター", "block": 1})
    )["number"]
        .as_u64()
        .unwrap();
    operator!(
        "post",
        "/v1/participants",
        "/v1/participants",
        json!({"kind": "clinic", "name": "x"})
    );
    for number in [clinic, provider] {
        operator!(
            "post",
            "/v1/participants/{number}/sites",
            format!("/v1/participants/{number}/sites"),
            json!({"name": "本院"})
        );
        operator!(
            "post",
            "/v1/participants/{number}/lines",
            format!("/v1/participants/{number}/lines"),
            json!({"site": 0, "kind": "ethernet", "gateway": "gw-a", "interface": format!("l{number}")})
        );
    }
    operator!(
        "post",
        "/v1/participants/{number}/sites",
        "/v1/participants/9/sites",
        json!({"name": "x"})
    );
    operator!(
        "post",
        "/v1/participants/{number}/lines",
        format!("/v1/participants/{clinic}/lines"),
        json!({"site": 7, "gateway": "gw-a", "interface": "l0"})
    );
    let spare = operator!(
        "post",
        "/v1/participants/{number}/lines",
        format!("/v1/participants/{clinic}/lines"),
        json!({"site": 0, "gateway": "gw-a", "interface": "spare"})
    )["line"]
        .as_u64()
        .unwrap();
    operator!(
        "post",
        "/v1/lines/{line}/remove",
        format!("/v1/lines/{spare}/remove"),
        json!({})
    );
    operator!(
        "post",
        "/v1/lines/{line}/remove",
        format!("/v1/lines/{spare}/remove"),
        json!({})
    );
    // Enrolment.
    let enrolment = operator!(
        "post",
        "/v1/enrolment-codes",
        "/v1/enrolment-codes",
        json!({"subject": {"participant": clinic}})
    );
    operator!(
        "post",
        "/v1/enrolment-codes",
        "/v1/enrolment-codes",
        json!({"subject": {"participant": 9}})
    );
    let mut public = world.public().await;
    let (_, csr) = key_and_csr();
    for _ in 0..2 {
        let body = json!({"code": enrolment["code"], "csr": csr}).to_string();
        let answer = public
            .send(Method::POST, "/v1/enrol", body.into_bytes())
            .await;
        judge.see(
            "/v1/enrol",
            "post",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    let issuing = iryonet_authority::IssuingCa::load(&world.ground.config.issuing_dir).unwrap();
    let key_id = hex::encode(issuing.key_id());
    for (template, path) in [
        ("/v1/ca", "/v1/ca".to_owned()),
        ("/v1/crl", "/v1/crl".to_owned()),
        ("/v1/crl/{issuer}/{shard}", format!("/v1/crl/{key_id}/0")),
        ("/v1/crl/{issuer}/{shard}", format!("/v1/crl/{key_id}/7")),
        ("/v1/ocsp/{request}", "/v1/ocsp/MAA=".to_owned()),
        (
            "/.well-known/est/cacerts",
            "/.well-known/est/cacerts".to_owned(),
        ),
    ] {
        let answer = public.get(&path).await;
        judge.see(
            template,
            "get",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    let est_code = operator!(
        "post",
        "/v1/enrolment-codes",
        "/v1/enrolment-codes",
        json!({"subject": {"participant": clinic}})
    );
    let basic = format!("{clinic}:{}", est_code["code"].as_str().unwrap());
    let basic = format!("Basic {}", crate::est::encoded(basic.as_bytes()));
    for (template, headers) in [
        ("/.well-known/est/simpleenroll", vec![]),
        (
            "/.well-known/est/simpleenroll",
            vec![("authorization", basic)],
        ),
        ("/.well-known/est/simplereenroll", vec![]),
    ] {
        let mut headers = headers;
        headers.push(("content-type", "application/pkcs10".to_owned()));
        let answer = public
            .send_with(Method::POST, template, headers, csr.clone().into_bytes())
            .await;
        judge.see(
            template,
            "post",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    for body in [vec![0x30, 0], vec![0; 5_000]] {
        let answer = public.send(Method::POST, "/v1/ocsp", body).await;
        judge.see(
            "/v1/ocsp",
            "post",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    world.enrol(json!({"participant": provider})).await;
    // Questions about them.
    operator!("get", "/v1/participants", "/v1/participants", null());
    operator!(
        "get",
        "/v1/participants",
        "/v1/participants?limit=x",
        null()
    );
    operator!(
        "get",
        "/v1/participants/{number}",
        format!("/v1/participants/{clinic}"),
        null()
    );
    operator!(
        "get",
        "/v1/participants/{number}",
        "/v1/participants/9",
        null()
    );
    operator!("get", "/v1/devices", "/v1/devices?participant=9", null());
    // Services and agreements.
    let address = format!(
        "2001:db8:{:x}:{:x}::10",
        provider >> 8,
        (provider & 0xff) << 8
    );
    let service_body = json!({"provider": provider, "name": "地域連携", "class": "interactive",
        "purposes": ["regional-collaboration"], "eligible": ["clinic"],
        "endpoints": [{"protocol": "tcp", "address": address, "port": 443}]});
    let service =
        operator!("post", "/v1/services", "/v1/services", service_body.clone())["service"]
            .as_u64()
            .unwrap();
    operator!("post", "/v1/services", "/v1/services", service_body);
    operator!(
        "post",
        "/v1/services/{service}/endpoints",
        format!("/v1/services/{service}/endpoints"),
        json!({"endpoints": [{"protocol": "tcp", "address": address, "port": 443}, {"protocol": "echo", "address": address}]})
    );
    operator!(
        "post",
        "/v1/services/{service}/endpoints",
        format!("/v1/services/{service}/endpoints"),
        json!({"endpoints": []})
    );
    operator!("get", "/v1/services", "/v1/services", null());
    operator!("get", "/v1/services", "/v1/services?limit=x", null());
    let proposal = json!({"participant": clinic, "service": service, "purpose": "regional-collaboration",
        "from": now().0, "until": now().plus_ms(60_000).0});
    let agreement =
        operator!("post", "/v1/agreements", "/v1/agreements", proposal.clone())["agreement"]
            .as_u64()
            .unwrap();
    operator!("post", "/v1/agreements", "/v1/agreements", proposal);
    operator!(
        "post",
        "/v1/agreements/{agreement}/accept",
        format!("/v1/agreements/{agreement}/accept"),
        json!({"by": provider})
    );
    operator!(
        "post",
        "/v1/agreements/{agreement}/accept",
        format!("/v1/agreements/{agreement}/accept"),
        json!({"by": provider})
    );
    operator!(
        "get",
        "/v1/agreements",
        format!("/v1/agreements?participant={clinic}"),
        null()
    );
    operator!(
        "get",
        "/v1/agreements",
        "/v1/agreements?participant=0",
        null()
    );
    let yes = operator!(
        "get",
        "/v1/explain",
        format!("/v1/explain?from={clinic}&to={service}"),
        null()
    );
    assert_eq!(yes["reachable"], true, "{yes:#}");
    operator!(
        "get",
        "/v1/explain",
        format!("/v1/explain?from={clinic}&to=tcp%3A%5B{address}%5D%3A80"),
        null()
    );
    operator!(
        "get",
        "/v1/explain",
        format!("/v1/explain?from={clinic}&to=somewhere"),
        null()
    );
    // The feed.
    let (feed, snapshot) = Feed::open(&world, &gateway).await;
    assert_eq!(snapshot.grants.len(), 1);
    let mut device = feed.connection;
    for (template, path) in [
        ("/v1/feed/snapshot", "/v1/feed/snapshot".to_owned()),
        (
            "/v1/feed/deltas",
            format!("/v1/feed/deltas?since={}", snapshot.revision - 1),
        ),
        (
            "/v1/feed/deltas",
            format!("/v1/feed/deltas?since={}", snapshot.revision),
        ),
        ("/v1/feed/deltas", "/v1/feed/deltas?since=999999".to_owned()),
        ("/v1/feed/deltas", "/v1/feed/deltas".to_owned()),
    ] {
        let answer = device.get(&path).await;
        judge.see(
            template,
            "get",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    for revision in [snapshot.revision, 999_999] {
        let body = json!({"revision": revision, "bound_lines": 2}).to_string();
        let answer = device
            .send(Method::POST, "/v1/feed/acknowledgements", body.into_bytes())
            .await;
        judge.see(
            "/v1/feed/acknowledgements",
            "post",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    people(&world, &clock, &mut judge, clinic).await;
    operator!("get", "/v1/enforcement", "/v1/enforcement", null());
    operator!(
        "get",
        "/v1/enforcement",
        "/v1/enforcement?revision=x",
        null()
    );
    // Ends.
    operator!(
        "post",
        "/v1/agreements/{agreement}/end",
        format!("/v1/agreements/{agreement}/end"),
        json!({"by": clinic})
    );
    operator!(
        "post",
        "/v1/agreements/{agreement}/end",
        format!("/v1/agreements/{agreement}/end"),
        json!({})
    );
    operator!(
        "post",
        "/v1/services/{service}/retire",
        format!("/v1/services/{service}/retire"),
        json!({})
    );
    operator!(
        "post",
        "/v1/services/{service}/retire",
        format!("/v1/services/{service}/retire"),
        json!({})
    );
    operator!(
        "post",
        "/v1/participants/{number}/quarantine",
        format!("/v1/participants/{clinic}/quarantine"),
        json!({"reason": "x"})
    );
    operator!(
        "post",
        "/v1/participants/{number}/quarantine",
        format!("/v1/participants/{clinic}/quarantine"),
        json!({"reason": "x"})
    );
    operator!(
        "post",
        "/v1/participants/{number}/release",
        format!("/v1/participants/{clinic}/release"),
        json!({})
    );
    operator!(
        "post",
        "/v1/participants/{number}/release",
        format!("/v1/participants/{clinic}/release"),
        json!({})
    );
    let device = operator!(
        "get",
        "/v1/devices",
        format!("/v1/devices?participant={clinic}"),
        null()
    )["devices"][0]["fingerprint"]
        .clone();
    let print = device.as_str().unwrap();
    operator!(
        "post",
        "/v1/devices/{fingerprint}/revoke",
        format!("/v1/devices/{print}/revoke"),
        json!({"reason": "superseded"})
    );
    operator!(
        "post",
        "/v1/devices/{fingerprint}/revoke",
        format!("/v1/devices/{print}/revoke"),
        json!({"reason": "superseded"})
    );
    operator!(
        "get",
        "/v1/devices",
        format!("/v1/devices?participant={clinic}"),
        null()
    );
    operator!(
        "post",
        "/v1/participants/{number}/close",
        format!("/v1/participants/{clinic}/close"),
        json!({})
    );
    operator!(
        "post",
        "/v1/participants/{number}/close",
        format!("/v1/participants/{clinic}/close"),
        json!({})
    );
    operator!("get", "/v1/ledger", "/v1/ledger?limit=1000", null());
    operator!("get", "/v1/ledger", "/v1/ledger?limit=x", null());
    // What proves the ledger.
    let checkpoint = crate::checkpoints::signed(&world, 1).await;
    let cosignature = checkpoint
        .cosignature(&crate::checkpoints::witness_key(), 1_800_000_000)
        .unwrap();
    let unsigned = checkpoint.to_string();
    for path in ["/v1/ledger/checkpoint", "/ledger/checkpoint"] {
        for query in ["", "?cosigned=true"] {
            if path.starts_with("/v1") {
                operator!(
                    "get",
                    "/v1/ledger/checkpoint",
                    format!("{path}{query}"),
                    null()
                );
            } else {
                let answer = public.get(&format!("{path}{query}")).await;
                judge.see(
                    path,
                    "get",
                    answer.status.as_u16(),
                    answer.content_type(),
                    &answer.body,
                );
            }
        }
    }
    for tile in ["0/000.p/1", "0/000.p/0"] {
        operator!(
            "get",
            "/v1/ledger/tile/{tile}",
            format!("/v1/ledger/tile/{tile}"),
            null()
        );
        let answer = public.get(&format!("/ledger/tile/{tile}")).await;
        judge.see(
            "/ledger/tile/{tile}",
            "get",
            answer.status.as_u16(),
            answer.content_type(),
            &answer.body,
        );
    }
    for query in ["entry=1", "entry=9999999"] {
        operator!(
            "get",
            "/v1/ledger/proof",
            format!("/v1/ledger/proof?{query}"),
            null()
        );
    }
    for query in ["old=1", "old=9999999"] {
        operator!(
            "get",
            "/v1/ledger/cosign-request",
            format!("/v1/ledger/cosign-request?{query}"),
            null()
        );
    }
    for query in ["after=3&limit=5", "limit=x"] {
        operator!(
            "get",
            "/v1/ledger/export",
            format!("/v1/ledger/export?{query}"),
            null()
        );
    }
    for note in [unsigned.clone(), format!("{unsigned}{cosignature}")] {
        operator!(
            "post",
            "/v1/ledger/cosignatures",
            "/v1/ledger/cosignatures",
            json!({"checkpoint": note})
        );
    }
    operator!("get", "/v1/health", "/v1/health", null());
    operator!("get", "/v1/openapi.json", "/v1/openapi.json", null());

    crate::described_life::life(&world, &mut judge, provider).await;

    // Nothing to ask, so nothing to refuse while the center is well. The
    // snapshot's refusals are in the feed's own tests.
    let never_refuse: BTreeSet<&str> = [
        "/v1/ca",
        "/v1/crl",
        "/v1/ocsp/{request}",
        "/.well-known/est/cacerts",
        "/v1/health",
        "/v1/openapi.json",
        "/v1/feed/snapshot",
    ]
    .into();
    for (template, operations) in judge.description["paths"].as_object().unwrap() {
        // Who comes in by an organisation's issuer has tests with a real one, checks
        // have them with real servers, and passkeys with a browser.
        let in_a_browser = template.contains("/passkey") || template == "/v1/page";
        if in_a_browser
            || template.starts_with("/v1/login/issuer")
            || template == "/v1/cases/{case}/checks"
        {
            continue;
        }
        for method in operations.as_object().unwrap_or(&Map::new()).keys() {
            let seen = judge
                .seen
                .get(&(template.clone(), method.clone()))
                .unwrap_or_else(|| panic!("{method} {template} was never called"));
            // That wants a certificate of some age: the tests of EST have them.
            // A case that lies for too long lapses by itself before anybody asks,
            // and a re-check that has stopped has tests of its own.
            let aged = [
                "/.well-known/est/simplereenroll",
                "/v1/cases/{case}/lapse",
                "/v1/recheck/confirm",
                "/v1/recheck/dismiss",
            ]
            .contains(&template.as_str());
            assert!(
                aged || seen.contains(&true),
                "{method} {template} never succeeded"
            );
            let exempt = never_refuse.contains(template.as_str())
                || method == "get"
                    && ["/v1/gateways", "/v1/rules", "/v1/recheck"].contains(&template.as_str());
            assert!(
                exempt || seen.contains(&false),
                "{method} {template} was never refused"
            );
        }
    }
}

/// Accounts, and what is on the people's listener alone.
async fn people(world: &World, clock: &crate::support::TestClock, judge: &mut Judge, clinic: u64) {
    let officer = json!({"account": "tanaka", "person": "田中 花子", "roles": ["officer"], "participant": clinic});
    let examiner = json!({"account": "sato", "person": "佐藤", "roles": ["examiner"]});
    let login = json!({"issuer": "https://login.example.jp", "subject": "42"});
    let (role, why, none) = (
        json!({"role": "approver"}),
        json!({"reason": "x"}),
        json!({}),
    );
    let other = json!({"participant": clinic + 1});
    let mut code = Value::Null;
    // Each once as it goes, and once more, when it is refused.
    for (method, template, name, body) in [
        ("post", "/v1/accounts", "", &officer),
        ("post", "/v1/accounts", "", &examiner),
        ("post", "/v1/accounts", "", &examiner),
        ("get", "/v1/accounts", "", &Value::Null),
        ("get", "/v1/accounts", "?limit=x", &Value::Null),
        ("get", "/v1/accounts/{account}", "tanaka", &Value::Null),
        ("get", "/v1/accounts/{account}", "nobody", &Value::Null),
        ("post", "/v1/accounts/{account}/grant", "sato", &role),
        ("post", "/v1/accounts/{account}/grant", "sato", &role),
        ("post", "/v1/accounts/{account}/take", "sato", &role),
        ("post", "/v1/accounts/{account}/take", "sato", &role),
        ("post", "/v1/accounts/{account}/bind", "tanaka", &other),
        ("post", "/v1/accounts/{account}/bind", "tanaka", &other),
        ("post", "/v1/accounts/{account}/lock", "tanaka", &why),
        ("post", "/v1/accounts/{account}/lock", "tanaka", &why),
        ("post", "/v1/accounts/{account}/unlock", "tanaka", &none),
        ("post", "/v1/accounts/{account}/unlock", "tanaka", &none),
        ("post", "/v1/accounts/{account}/link", "tanaka", &login),
        ("get", "/v1/accounts/{account}", "tanaka", &Value::Null),
        ("post", "/v1/accounts/{account}/link", "tanaka", &login),
        ("post", "/v1/accounts/{account}/unlink", "tanaka", &login),
        ("post", "/v1/accounts/{account}/unlink", "tanaka", &login),
        ("post", "/v1/accounts/{account}/retire", "tanaka", &why),
        ("post", "/v1/accounts/{account}/retire", "tanaka", &why),
        ("post", "/v1/accounts/{account}/login-code", "tanaka", &none),
        ("post", "/v1/accounts/{account}/login-code", "sato", &none),
    ] {
        let path = match name {
            "" | "?limit=x" => format!("{template}{name}"),
            name => template.replace("{account}", name),
        };
        let actor = crate::support::whose_duty(&path).to_string();
        let headers = [
            ("iryonet-actor", actor.as_str()),
            ("content-type", "application/json"),
        ];
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let (status, headers, answer) =
            crate::acts::raw(world, &method.to_uppercase(), &path, &headers, bytes).await;
        let content_type = headers.get("content-type").unwrap().to_str().unwrap();
        judge.see(template, method, status, content_type, &answer);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        if answer["code"].is_string() && status == 200 {
            code = answer["code"].clone();
        }
    }
    let password = crate::people::PASSWORD;
    let mut token = String::new();
    let mut secret = None;
    let mut recovery = Value::Null;
    for (method, template) in [
        ("post", "/v1/login/code"),
        ("get", "/v1/me"),
        ("post", "/v1/me/totp"),
        ("post", "/v1/me/totp/confirm"),
        ("post", "/v1/login"),
        ("post", "/v1/me/recovery-codes"),
        ("post", "/v1/me/password"),
        ("post", "/v1/logout"),
    ] {
        let new = "another long passphrase";
        let body = match template {
            "/v1/login/code" => {
                json!({"account": "sato", "code": code, "password": password, "carrier": "bearer"})
            }
            "/v1/me/totp/confirm" => {
                let secret: &iryonet_people::totp::TotpSecret = secret.as_ref().unwrap();
                json!({"totp": secret.at(clock.now())})
            }
            "/v1/login" => json!({"account": "sato", "password": password,
                "recovery_code": recovery, "carrier": "cookie"}),
            "/v1/me/recovery-codes" => json!({"password": password}),
            "/v1/me/password" => json!({"password": password, "new_password": new}),
            "/v1/me" => Value::Null,
            _ => json!({}),
        };
        // With its session, and then as nobody (or with a thing that is used up).
        for bearer in [token.clone(), String::new()] {
            let headers = [("authorization", bearer.as_str())];
            let headers = if bearer.is_empty() {
                &[][..]
            } else {
                &headers[..]
            };
            let verb = method.to_uppercase().parse().unwrap();
            let answer = crate::people::send(
                &mut world.staff().await,
                verb,
                template,
                headers,
                body.clone(),
            )
            .await;
            judge.see(
                template,
                method,
                answer.status.as_u16(),
                answer.content_type(),
                &answer.body,
            );
            let answer = answer.json();
            if let Some(new) = answer["token"].as_str() {
                token = format!("Bearer {new}");
            }
            if let Some(new) = answer["secret"].as_str() {
                secret = iryonet_people::totp::TotpSecret::parse(new);
            }
            if answer["recovery_codes"].is_array() {
                recovery = answer["recovery_codes"][0].clone();
            }
        }
    }
}

/// The code with these nine leading digits and its true check digit.
pub(crate) fn valid_code(text: &str) -> String {
    (0..10)
        .map(|check| format!("{}{check}", text.get(..9).unwrap()))
        .find(|code| iryonet_domain::InstitutionCode::parse(code).is_ok())
        .unwrap()
}
