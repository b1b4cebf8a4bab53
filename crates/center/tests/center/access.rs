//! An endpoint without a test of who may use it fails here: every path of the
//! people's listener, with no session and with each role, answers what the table
//! of roles says.

use crate::people::{Person, send};
use crate::support::{TestClock, World, now};
use hyper::{Method, StatusCode};
use iryonet_center::access::{self, Access};
use iryonet_domain::Role;
use serde_json::{Value, json};

/// What a world holds that examples speak of.
struct Facts {
    clinic: u64,
    other: u64,
    provider: u64,
    service: u64,
    /// Between `other` and `provider`.
    agreement: u64,
    /// A device of `other`.
    fingerprint: String,
}

/// A request that is good in form, so that who may is what decides; where it may,
/// it names what is not there, so that the world stays as it is. **Every path
/// needs one.**
fn example(facts: &Facts, method: &str, path: &str) -> Option<(String, Value)> {
    let Facts {
        clinic,
        other,
        provider,
        service,
        fingerprint,
        ..
    } = facts;
    let at = |path: &str| path.to_owned();
    let reason = || json!({"reason": "test"});
    let nothing = || json!({});
    Some(match (method, path) {
        ("GET", "/v1/me" | "/v1/openapi.json" | "/v1/gateways" | "/v1/participants") => {
            (at(path), Value::Null)
        }
        ("GET", "/v1/services" | "/v1/agreements" | "/v1/accounts") => (at(path), Value::Null),
        ("GET", "/v1/enforcement" | "/v1/ledger" | "/v1/health") => (at(path), Value::Null),
        ("GET", "/v1/ledger/checkpoint" | "/v1/ledger/cosign-request" | "/v1/ledger/export") => {
            (at(path), Value::Null)
        }
        ("GET", "/v1/ledger/tile/{tile}") => (at("/v1/ledger/tile/0/000.p/1"), Value::Null),
        ("GET", "/v1/ledger/proof") => (at("/v1/ledger/proof?entry=1"), Value::Null),
        ("POST", "/v1/ledger/cosignatures") => (at(path), json!({"checkpoint": "x"})),
        ("GET", "/v1/cases" | "/v1/rules" | "/v1/reexaminations" | "/v1/recheck") => {
            (at(path), Value::Null)
        }
        ("GET", "/v1/rules/{version}") => (at("/v1/rules/1"), Value::Null),
        ("GET", "/v1/cases/{case}") => (at("/v1/cases/999"), Value::Null),
        ("GET", "/v1/cases/{case}/documents/{sha256}") => (
            format!("/v1/cases/999/documents/{}", "0".repeat(64)),
            Value::Null,
        ),
        ("GET", "/v1/services/{service}") => (at("/v1/services/999"), Value::Null),
        ("GET", "/v1/agreements/{agreement}") => (at("/v1/agreements/999"), Value::Null),
        ("POST", "/v1/cases") => (
            at(path),
            json!({"application": {"kind": "change-of-owner"}, "participant": 9}),
        ),
        ("POST", "/v1/cases/{case}/resubmit") => (
            path.replace("{case}", "999"),
            json!({"version": 1, "application": {"kind": "audit", "reason": "x"}}),
        ),
        ("POST", "/v1/cases/{case}/return") => (
            path.replace("{case}", "999"),
            json!({"version": 1, "missing": ["x"]}),
        ),
        ("POST", "/v1/cases/{case}/checks") => (at("/v1/cases/999/checks"), nothing()),
        ("POST", "/v1/cases/{case}/judge" | "/v1/cases/{case}/test") => (
            path.replace("{case}", "999"),
            json!({"version": 1, "judgements": []}),
        ),
        ("POST", "/v1/cases/{case}/conclude") => (
            path.replace("{case}", "999"),
            json!({"version": 1, "recommendation": "approve"}),
        ),
        ("POST", "/v1/cases/{case}/reject" | "/v1/cases/{case}/send-back") => (
            path.replace("{case}", "999"),
            json!({"version": 1, "reason": "x"}),
        ),
        ("POST", "/v1/cases/{case}/carry-out" | "/v1/cases/{case}/lapse") => {
            (path.replace("{case}", "999"), nothing())
        }
        ("POST", "/v1/cases/{case}/evidence") => (
            path.replace("{case}", "999"),
            json!({"kind": "tls-check-of-service", "target": "a:1", "profile": "x", "failed": []}),
        ),
        ("POST", path) if path.starts_with("/v1/cases/{case}/") => {
            (path.replace("{case}", "999"), json!({"version": 1}))
        }
        // Sent as JSON, which no document is: who may is asked before that.
        ("POST", "/v1/documents") => (at("/v1/documents?name=x.pdf"), nothing()),
        ("POST", "/v1/rules") => (at(path), json!({"files": []})),
        ("POST", "/v1/recheck/confirm") => (at(path), json!({"tick": 1})),
        ("POST", "/v1/recheck/dismiss") => (at(path), json!({"tick": 1, "reason": "x"})),
        ("POST", "/v1/services/{service}/offer") => (at("/v1/services/999/offer"), nothing()),
        ("GET", "/v1/applicants") => (at("/v1/applicants?limit=1"), Value::Null),
        ("GET", "/v1/participants/{number}/history") => {
            (format!("/v1/participants/{clinic}/history"), Value::Null)
        }
        ("GET", "/v1/participants/{number}") => (format!("/v1/participants/{clinic}"), Value::Null),
        ("GET", "/v1/devices") => (format!("/v1/devices?participant={clinic}"), Value::Null),
        ("GET", "/v1/explain") => (
            format!("/v1/explain?from={other}&to={service}"),
            Value::Null,
        ),
        ("GET", "/v1/accounts/{account}") => (at("/v1/accounts/nobody"), Value::Null),
        // Tested by themselves; here: that they ask for no session, or for any.
        ("POST", "/v1/login" | "/v1/login/code") => (at(path), nothing()),
        ("POST", "/v1/login/issuer" | "/v1/login/issuer/confirm") => (at(path), nothing()),
        ("POST", "/v1/login/passkey/begin" | "/v1/login/passkey") => (at(path), nothing()),
        ("GET", "/v1/page" | "/v1/me/passkeys") => (at(path), Value::Null),
        ("POST", "/v1/me/passkeys" | "/v1/me/passkeys/begin") => {
            (at(path), json!({"surplus": true}))
        }
        // With none, or a wrong one, it is refused as a login is: 401.
        ("POST", "/v1/me/passkeys/{id}/remove") => (
            at("/v1/me/passkeys/AAAA/remove"),
            json!({"password": crate::people::PASSWORD}),
        ),
        ("GET", "/v1/login/issuers") => (at(path), Value::Null),
        ("GET", "/v1/login/issuer/return") => {
            (at("/v1/login/issuer/return?state=b.x&code=x"), Value::Null)
        }
        ("POST", "/v1/logout") => (at(path), json!({"surplus": true})),
        ("POST", "/v1/me/password") => (at(path), nothing()),
        ("POST", "/v1/me/totp" | "/v1/me/recovery-codes") => (at(path), json!({"surplus": true})),
        ("POST", "/v1/me/totp/confirm") => (at(path), json!({"totp": "1"})),
        ("POST", "/v1/accounts") => (
            at(path),
            json!({"account": "newcomer", "person": "x", "roles": ["officer"], "participant": 9}),
        ),
        ("POST", "/v1/accounts/{account}/grant" | "/v1/accounts/{account}/take") => (
            path.replace("{account}", "nobody"),
            json!({"role": "examiner"}),
        ),
        ("POST", "/v1/accounts/{account}/bind") => (
            path.replace("{account}", "nobody"),
            json!({"participant": clinic}),
        ),
        ("POST", "/v1/accounts/{account}/lock" | "/v1/accounts/{account}/retire") => {
            (path.replace("{account}", "nobody"), reason())
        }
        ("POST", "/v1/accounts/{account}/unlock" | "/v1/accounts/{account}/login-code") => {
            (path.replace("{account}", "nobody"), nothing())
        }
        ("POST", "/v1/accounts/{account}/link" | "/v1/accounts/{account}/unlink") => (
            path.replace("{account}", "nobody"),
            json!({"issuer": "https://login.example.jp", "subject": "1"}),
        ),
        ("POST", "/v1/gateways") => (
            at(path),
            json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]}),
        ),
        ("POST", "/v1/participants") => (
            at(path),
            json!({"kind": "clinic", "name": "x", "gateway": "gw-none"}),
        ),
        ("POST", "/v1/participants/{number}/quarantine" | "/v1/participants/{number}/close") => {
            (path.replace("{number}", "9"), reason())
        }
        ("POST", "/v1/participants/{number}/release") => (path.replace("{number}", "9"), nothing()),
        ("POST", "/v1/participants/{number}/sites") => {
            (path.replace("{number}", "9"), json!({"name": "x"}))
        }
        ("POST", "/v1/participants/{number}/lines") => (
            path.replace("{number}", "9"),
            json!({"site": 0, "gateway": "gw-a", "interface": "x"}),
        ),
        ("POST", "/v1/lines/{line}/remove") => (at("/v1/lines/999/remove"), nothing()),
        ("POST", "/v1/enrolment-codes") => (at(path), json!({"subject": {"participant": 9}})),
        ("POST", "/v1/devices/{fingerprint}/revoke") => (
            path.replace("{fingerprint}", fingerprint),
            json!({"reason": "superseded"}),
        ),
        ("POST", "/v1/services") => (
            at(path),
            json!({"provider": clinic, "name": "x", "class": "bulk", "purposes": ["online-claims"],
                "endpoints": [{"protocol": "tcp", "address": "2001:db8::1", "port": 1}]}),
        ),
        ("POST", "/v1/services/{service}/endpoints") => (
            at("/v1/services/999/endpoints"),
            json!({"endpoints": [{"protocol": "tcp", "address": "2001:db8::1", "port": 1}]}),
        ),
        ("POST", "/v1/services/{service}/retire") => (at("/v1/services/999/retire"), nothing()),
        ("POST", "/v1/agreements") => (
            at(path),
            json!({"participant": clinic, "service": 999, "purpose": "online-claims",
                "until": now().plus_ms(60_000).0}),
        ),
        ("POST", "/v1/agreements/{agreement}/accept" | "/v1/agreements/{agreement}/end") => {
            (path.replace("{agreement}", "999"), json!({"by": provider}))
        }
        _ => return None,
    })
}

/// Answers that say: not you.
const NOT_YOU: [&str; 3] = ["role-may-not", "role-may-not-read", "auditor-may-not-act"];

/// Every method and path of the people's listener, as the description has them.
fn described() -> Vec<(String, String)> {
    let description: Value = serde_json::from_str(&iryonet_center::openapi_json()).unwrap();
    let mut out = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let tags = operation["tags"].as_array().unwrap();
            // The other two listeners have tests of their own.
            if !tags.contains(&"public".into()) && !tags.contains(&"feed".into()) {
                out.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    out
}

#[test]
fn every_path_has_its_line_in_the_table_and_every_line_its_path() {
    let described = described();
    for (method, path) in &described {
        assert!(
            access::of(method, path).is_some(),
            "{method} {path} has no line in access::ROUTES: say who may use it"
        );
    }
    for route in access::ROUTES {
        let key = (route.method.to_owned(), route.path.to_owned());
        assert!(
            described.contains(&key),
            "access::ROUTES speaks of {} {}, which does not exist",
            route.method,
            route.path
        );
        let same = access::ROUTES
            .iter()
            .filter(|other| (other.method, other.path) == (route.method, route.path))
            .count();
        assert_eq!(
            same, 1,
            "{} {} stands there twice",
            route.method, route.path
        );
    }
}

async fn world(world: &World) -> Facts {
    world.gateway("gw-a", 1).await;
    let clinic = world.participant("clinic", "gw-a", "mine").await;
    let other = world.participant("dental-clinic", "gw-a", "others").await;
    let provider = world.participant("provider", "gw-a", "prov").await;
    let service = world.service(provider).await;
    let agreement = world.agreement(other, service, provider).await;
    let device = world.enrol(json!({"participant": other})).await;
    world.enrol(json!({"participant": clinic})).await;
    Facts {
        clinic,
        other,
        provider,
        service,
        agreement,
        fingerprint: device.fingerprint(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_answered_as_the_table_of_roles_says() {
    let clock = TestClock::new();
    let center = World::at(&clock).await;
    let facts = world(&center).await;
    let mut people = Vec::new();
    for role in Role::ALL {
        if role == Role::System {
            continue;
        }
        let speaks_for = (role == Role::Officer).then_some(facts.clinic);
        let name = format!("person.{}", role.as_str());
        let person = Person::new(&center, &clock, &name, &[role.as_str()], speaks_for).await;
        people.push((role, person));
    }
    for (method, path) in described() {
        let access = access::of(&method, &path).unwrap();
        let (shown, body) = example(&facts, &method, &path).unwrap_or_else(|| {
            panic!("{method} {path} has no example here: nobody has tested who may use it")
        });
        let verb: Method = method.parse().unwrap();
        // Nobody in particular.
        let answer = send(
            &mut center.staff().await,
            verb.clone(),
            &shown,
            &[],
            body.clone(),
        )
        .await;
        if access == Access::Anybody {
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        } else {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "session-missing"),
                "{method} {path}"
            );
        }
        for (role, person) in &people {
            let answer = person.ask(verb.clone(), &shown, body.clone()).await;
            let code = if answer.status.is_success() {
                String::new()
            } else {
                answer.code()
            };
            let what = format!("{method} {path} as {}: {answer:?}", role.as_str());
            if access.of(*role).is_some() {
                assert!(!NOT_YOU.contains(&code.as_str()), "{what}");
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
            } else {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
                assert!(NOT_YOU.contains(&code.as_str()), "{what}");
                // A refused act is an entry of the ledger like every other.
                let recorded = answer.json()["sequence"].is_u64();
                assert_eq!(recorded, matches!(access, Access::Act(_)), "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_sees_its_own_participant_and_others_are_not_there() {
    let clock = TestClock::new();
    let center = World::at(&clock).await;
    let facts = world(&center).await;
    let officer = Person::new(&center, &clock, "tanaka", &["officer"], Some(facts.clinic)).await;
    let provider = Person::new(
        &center,
        &clock,
        "teikyo",
        &["officer"],
        Some(facts.provider),
    )
    .await;
    let get = async |who: &Person<'_>, path: &str| {
        let answer = who.ask(Method::GET, path, Value::Null).await;
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body.to_vec()).unwrap(),
        )
    };
    // Every question that an officer may ask at all, asked about another.
    let Facts { other, .. } = facts;
    for route in access::ROUTES {
        let readable =
            matches!(route.access, Access::Read(_)) && route.access.of(Role::Officer).is_some();
        if !readable {
            continue;
        }
        let about_other = match route.path {
            "/v1/participants/{number}" => format!("/v1/participants/{other}"),
            "/v1/participants/{number}/history" => format!("/v1/participants/{other}/history"),
            "/v1/devices" => format!("/v1/devices?participant={other}"),
            "/v1/agreements" => format!("/v1/agreements?participant={other}"),
            // Cases have a test of their own; rules are public in character.
            path if path.starts_with("/v1/cases") || path.starts_with("/v1/rules") => continue,
            "/v1/services/{service}" => continue,
            "/v1/agreements/{agreement}" => format!("/v1/agreements/{}", facts.agreement),
            "/v1/reexaminations" => route.path.to_owned(),
            "/v1/participants" | "/v1/services" => route.path.to_owned(),
            path => panic!("{path}: say here how an officer would ask it about another"),
        };
        let (status, body) = get(&officer, &about_other).await;
        for theirs in [
            other.to_string().as_str(),
            "others",
            facts.fingerprint.as_str(),
        ] {
            let told = status == 200 && body.contains(theirs);
            assert!(!told, "{about_other} tells {theirs}: {body}");
        }
        if route.path.contains('{') || route.path == "/v1/devices" {
            assert_eq!(status, 404, "{about_other}: {body}");
            // As if it were not there: the same words as for what is not.
            let (key, about_nobody) = if route.path.starts_with("/v1/agreements/") {
                (facts.agreement.to_string(), "/v1/agreements/9".to_owned())
            } else {
                (
                    other.to_string(),
                    about_other.replace(&other.to_string(), "9"),
                )
            };
            let (_, nobody) = get(&officer, &about_nobody).await;
            let said = |body: &str, key: &str| body.replace(&format!(" {key}"), " 9");
            assert_eq!(said(&body, &key), nobody);
        }
    }
    // Its own is there.
    let (status, body) = get(&officer, &format!("/v1/participants/{}", facts.clinic)).await;
    assert!(status == 200 && body.contains("mine"), "{body}");
    let own: Value = serde_json::from_str(&get(&officer, "/v1/participants").await.1).unwrap();
    assert_eq!(own["participants"].as_array().unwrap().len(), 1);
    // The catalogue names what may be asked for, and not how it is reached.
    let services: Value = serde_json::from_str(&get(&officer, "/v1/services").await.1).unwrap();
    assert_eq!(services["services"][0]["service"], facts.service);
    assert_eq!(services["services"][0]["endpoints"], json!([]));
    let services: Value = serde_json::from_str(&get(&provider, "/v1/services").await.1).unwrap();
    assert_eq!(services["services"][0]["endpoints"][0]["port"], 443);
    // The provider is a side of what others have with it.
    let agreements: Value =
        serde_json::from_str(&get(&provider, "/v1/agreements").await.1).unwrap();
    assert_eq!(agreements["agreements"][0]["participant"], other);
    let agreements: Value = serde_json::from_str(&get(&officer, "/v1/agreements").await.1).unwrap();
    assert_eq!(agreements["agreements"], json!([]));

    // Both say yes for themselves, and then the way is told.
    let proposed = officer
        .ask(
            Method::POST,
            "/v1/agreements",
            json!({"participant": facts.clinic, "service": facts.service,
                "purpose": "regional-collaboration", "until": now().plus_ms(60_000).0}),
        )
        .await;
    assert_eq!(proposed.status, StatusCode::OK, "{proposed:?}");
    let agreement = proposed.json()["agreement"].as_u64().unwrap();
    let accept = format!("/v1/agreements/{agreement}/accept");
    let by = json!({"by": facts.provider});
    let refused = officer.ask(Method::POST, &accept, by.clone()).await;
    assert_eq!(refused.code(), "speaks-for-another");
    let accepted = provider.ask(Method::POST, &accept, by).await;
    assert_eq!(accepted.status, StatusCode::OK, "{accepted:?}");
    let services: Value = serde_json::from_str(&get(&officer, "/v1/services").await.1).unwrap();
    assert_eq!(services["services"][0]["endpoints"][0]["port"], 443);
}
