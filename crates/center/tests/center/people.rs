//! The people's listener: how somebody comes in, what ends it, and what does
//! not get anybody in.

use crate::person::post;
pub(crate) use crate::person::{PASSWORD, Person, send};
use crate::support::{Answer, TestClock, World};
use hyper::{Method, StatusCode, header};
use serde_json::{Value, json};

const COOKIE: &str = "__Host-iryonet";

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(
        &mut world.staff().await,
        Method::GET,
        path,
        headers,
        Value::Null,
    )
    .await
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (status, code),
        "{answer:?}"
    );
    assert!(!answer.json()["detail_ja"].as_str().unwrap().is_empty());
}

/// The last ledger entries, as somebody who watches reads them.
async fn ledger(world: &World) -> Vec<Value> {
    let page = world.get("/v1/ledger?limit=1000").await;
    page["entries"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_begins_with_a_code_and_comes_in_with_password_and_authenticator() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner", "approver"], None).await;
    // Two roles: one session acts in one of them.
    let answer = sato.log_in("bearer").await;
    refused(&answer, 409, "role-unclear");
    let mut wish = sato.wish("bearer");
    wish["role"] = "approver".into();
    let come_in = post(&world, "/v1/login", &[], wish.clone()).await;
    assert_eq!(come_in.status, StatusCode::OK, "{come_in:?}");
    let answer = come_in.json();
    assert_eq!(answer["role"], "approver");
    assert_eq!(answer["person"], "sato 様");
    // The same six digits are good once.
    refused(
        &post(&world, "/v1/login", &[], wish).await,
        401,
        "login-refused",
    );
    // A recovery code is good once, in place of them.
    let wish = json!({"account": "sato", "password": PASSWORD, "role": "examiner",
        "recovery_code": sato.recovery_codes[0], "carrier": "bearer"});
    let answer = post(&world, "/v1/login", &[], wish.clone()).await.json();
    assert_eq!(answer["method"], "password-and-recovery-code");
    refused(
        &post(&world, "/v1/login", &[], wish).await,
        401,
        "login-refused",
    );
    // A role that is not held, once everything else was right, is the record's.
    let mut wish = sato.wish("bearer");
    wish["role"] = "operator".into();
    let answer = post(&world, "/v1/login", &[], wish).await;
    refused(&answer, 403, "role-not-held");
    assert!(answer.json()["sequence"].as_u64().is_some());

    let entries = ledger(&world).await;
    let events: Vec<&str> = entries
        .iter()
        .filter(|entry| entry["actor"].as_str().unwrap().ends_with(":sato"))
        .flat_map(|entry| entry["events"].as_array().unwrap())
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "logged-in",
            "credential-set",
            "credential-set",
            "logged-in",
            "logged-in"
        ]
    );
    // Nothing of what was shown or handed out stands in the record.
    let record = json!(entries).to_string();
    for secret in [PASSWORD, &sato.token, &sato.secret.reveal()] {
        assert!(!record.contains(secret));
    }
    for code in &sato.recovery_codes {
        assert!(!record.contains(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_thing_is_answered_alike() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let mut answers = Vec::new();
    for (account, password, totp) in [
        ("sato", "wrong password here", sato.totp()),
        ("sato", PASSWORD, "000000".to_owned()),
        ("nobody", PASSWORD, sato.totp()),
        ("Not A Name", PASSWORD, sato.totp()),
    ] {
        let answer = post(
            &world,
            "/v1/login",
            &[],
            json!({"account": account, "password": password, "totp": totp}),
        )
        .await;
        refused(&answer, 401, "login-refused");
        assert!(answer.headers.get(header::SET_COOKIE).is_none());
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one answer for all");
    let code = json!({"account": "sato", "code": "00000-00000-00000-00000", "password": PASSWORD});
    refused(
        &post(&world, "/v1/login/code", &[], code).await,
        401,
        "login-refused",
    );
    for body in [
        json!({"account": "sato", "password": PASSWORD}),
        json!({"account": "sato", "password": PASSWORD, "totp": "1", "recovery_code": "2"}),
    ] {
        refused(
            &post(&world, "/v1/login", &[], body).await,
            422,
            "second-factor-unclear",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_began_with_a_code_sets_up_a_second_factor_and_nothing_else() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let suzuki = Person::new(&world, &clock, "suzuki", &["operator"], None).await;
    // Handed out again, as for a lost telephone: what there is stays good until
    // the code is used, and is gone then.
    let code = world
        .act_as(
            "security-officer:console",
            "/v1/accounts/suzuki/login-code",
            json!({"valid_hours": 1}),
        )
        .await["code"]
        .clone();
    assert_eq!(suzuki.get("/v1/me").await.status, StatusCode::OK);
    let weak = json!({"account": "suzuki", "code": code, "password": "short", "carrier": "bearer"});
    refused(
        &post(&world, "/v1/login/code", &[], weak).await,
        422,
        "password-weak",
    );
    let wish = json!({"account": "suzuki", "code": code, "password": "another long passphrase", "carrier": "bearer"});
    let begun = post(&world, "/v1/login/code", &[], wish.clone()).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let bearer = format!("Bearer {}", begun.json()["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    refused(
        &get(&world, "/v1/gateways", &headers).await,
        403,
        "second-factor-wanted",
    );
    refused(
        &post(&world, "/v1/me/password", &headers, json!({})).await,
        403,
        "second-factor-wanted",
    );
    assert_eq!(get(&world, "/v1/me", &headers).await.status, StatusCode::OK);
    // The sessions from before ended, the old password and authenticator too.
    refused(&suzuki.get("/v1/me").await, 401, "session-over");
    refused(&suzuki.log_in("bearer").await, 401, "login-refused");
    refused(
        &post(&world, "/v1/login/code", &[], wish).await,
        401,
        "login-refused",
    );
    // Digits that are others confirm nothing.
    post(&world, "/v1/me/totp", &headers, json!({})).await;
    refused(
        &post(
            &world,
            "/v1/me/totp/confirm",
            &headers,
            json!({"totp": "12345"}),
        )
        .await,
        422,
        "credential-not-taken",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_code_ends_in_time() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    world
        .act_as(
            "security-officer:console",
            "/v1/accounts",
            json!({"account": "sato", "person": "佐藤", "roles": ["examiner"]}),
        )
        .await;
    let code = world
        .act_as(
            "security-officer:console",
            "/v1/accounts/sato/login-code",
            json!({"valid_hours": 1}),
        )
        .await["code"]
        .clone();
    clock.forward(3_700_000);
    let wish = json!({"account": "sato", "code": code, "password": PASSWORD});
    refused(
        &post(&world, "/v1/login/code", &[], wish.clone()).await,
        401,
        "login-refused",
    );
    // Nor does a clock that goes back make it good again.
    clock.back(3_700_000);
    refused(
        &post(&world, "/v1/login/code", &[], wish).await,
        401,
        "login-refused",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_dead_after_logout_lock_and_the_loss_of_its_role() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let mut sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let stolen = sato.token.clone();
    let done = sato.ask(Method::POST, "/v1/logout", json!({})).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    refused(&sato.get("/v1/me").await, 401, "session-over");

    for (end, again) in [
        (("lock", json!({"reason": "休職"})), ("unlock", json!({}))),
        (
            ("take", json!({"role": "examiner"})),
            ("grant", json!({"role": "examiner"})),
        ),
        (
            ("grant", json!({"role": "approver"})),
            ("take", json!({"role": "approver"})),
        ),
    ] {
        let come_in = sato.log_in("bearer").await.json();
        sato.token = come_in["token"].as_str().unwrap().to_owned();
        assert_ne!(sato.token, stolen);
        assert_eq!(sato.get("/v1/participants").await.status, StatusCode::OK);
        world
            .act_as(
                "security-officer:console",
                &format!("/v1/accounts/sato/{}", end.0),
                end.1,
            )
            .await;
        refused(&sato.get("/v1/participants").await, 401, "session-over");
        // What is given back does not bring it back.
        world
            .act_as(
                "security-officer:console",
                &format!("/v1/accounts/sato/{}", again.0),
                again.1,
            )
            .await;
        refused(&sato.get("/v1/participants").await, 401, "session-over");
    }
    world
        .act_as(
            "security-officer:console",
            "/v1/accounts/sato/lock",
            json!({"reason": "休職"}),
        )
        .await;
    // Whoever is locked and shows the right things is told, and it is recorded.
    let answer = sato.log_in("bearer").await;
    refused(&answer, 403, "account-locked");
    assert!(answer.json()["sequence"].as_u64().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_time_and_a_clock_that_goes_back_revives_none() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let mut sato = Person::new(&world, &clock, "sato", &["auditor"], None).await;
    // Used, it lives on; the tokens of both ways are good for their own only.
    for _ in 0..4 {
        clock.forward(14 * 60_000);
        assert_eq!(sato.get("/v1/me").await.status, StatusCode::OK);
    }
    clock.forward(15 * 60_000);
    refused(&sato.get("/v1/me").await, 401, "session-over");
    clock.back(15 * 60_000);
    refused(&sato.get("/v1/me").await, 401, "session-over");
    clock.forward(15 * 60_000);

    let come_in = sato.log_in("bearer").await.json();
    sato.token = come_in["token"].as_str().unwrap().to_owned();
    for _ in 0..42 {
        clock.forward(14 * 60_000);
        assert_eq!(sato.get("/v1/me").await.status, StatusCode::OK);
    }
    // Ten hours are enough, used or not.
    clock.forward(14 * 60_000);
    refused(&sato.get("/v1/me").await, 401, "session-over");

    // It ran out unseen, and then the clock was set back by an hour.
    let come_in = sato.log_in("bearer").await.json();
    sato.token = come_in["token"].as_str().unwrap().to_owned();
    clock.forward(20 * 60_000);
    let other = Person::new(&world, &clock, "kato", &["auditor"], None).await;
    clock.back(60 * 60_000);
    refused(&sato.get("/v1/me").await, 401, "session-over");
    assert_eq!(other.get("/v1/me").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_kept_to_our_page_and_an_act_wants_its_proof() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let suzuki = Person::new(&world, &clock, "suzuki", &["operator"], None).await;
    // Session fixation: what somebody put there before is not taken over.
    let planted = format!("{COOKIE}={}", suzuki.token);
    let wish = suzuki.wish("cookie");
    let come_in = post(&world, "/v1/login", &[("cookie", &planted)], wish).await;
    let set = come_in.headers.get(header::SET_COOKIE).unwrap();
    let set = set.to_str().unwrap().to_owned();
    for wanted in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(wanted), "{set}");
    }
    let cookie = set.split(';').next().unwrap().to_owned();
    assert_ne!(cookie, planted);
    let answer = come_in.json();
    assert_eq!(answer.get("token"), None, "a page cannot read its token");
    let proof = answer["page_proof"].as_str().unwrap().to_owned();

    let token = cookie.split_once('=').unwrap().1;
    let bearer = format!("Bearer {token}");
    // By another way than its own it is none; two at once are none.
    refused(
        &get(&world, "/v1/me", &[("authorization", &bearer)]).await,
        401,
        "session-over",
    );
    refused(
        &get(&world, "/v1/me", &[("cookie", &planted)]).await,
        401,
        "session-over",
    );
    refused(
        &get(
            &world,
            "/v1/me",
            &[("cookie", &cookie), ("authorization", &bearer)],
        )
        .await,
        400,
        "session-unclear",
    );
    let me = get(&world, "/v1/me", &[("cookie", &cookie)]).await;
    assert_eq!(me.json()["page_proof"], proof);
    assert_eq!(me.headers.get(header::CACHE_CONTROL).unwrap(), "no-store");

    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    let act = async |headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        post(&world, "/v1/gateways", &all, gateway.clone()).await
    };
    let proved = ("iryonet-page", proof.as_str());
    for headers in [
        &[][..],
        &[("iryonet-page", "")],
        &[("iryonet-page", token)],
        &[proved, proved],
        &[proved, ("origin", "https://evil.example")],
        &[proved, ("sec-fetch-site", "cross-site")],
        &[proved, ("sec-fetch-site", "same-site")],
    ] {
        refused(&act(headers).await, 403, "page-unproved");
    }
    let done = act(&[
        proved,
        ("origin", "https://center.example:8445"),
        ("sec-fetch-site", "same-origin"),
    ])
    .await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let entries = ledger(&world).await;
    assert_eq!(entries.last().unwrap()["actor"], "operator:suzuki");
    let out = post(
        &world,
        "/v1/logout",
        &[("cookie", &cookie), proved],
        json!({}),
    )
    .await;
    let gone = out.headers.get(header::SET_COOKIE).unwrap();
    assert!(gone.to_str().unwrap().contains("Max-Age=0"));
    refused(
        &get(&world, "/v1/me", &[("cookie", &cookie)]).await,
        401,
        "session-over",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_in_a_header_is_not_taken_here() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let kansa = Person::new(&world, &clock, "kansa", &["auditor"], None).await;
    let recorded = ledger(&world).await.len();
    let gateway = json!({"gateway": "gw-a", "backbone": "2001:db8:0:1::1", "blocks": [1]});
    for headers in [
        &[("iryonet-actor", "operator:suzuki")][..],
        &[
            ("iryonet-actor", "operator:suzuki"),
            ("authorization", &kansa.bearer()),
        ],
    ] {
        refused(
            &post(&world, "/v1/gateways", headers, gateway.clone()).await,
            400,
            "actor-not-taken",
        );
        refused(
            &post(&world, "/v1/login", headers, json!({})).await,
            400,
            "actor-not-taken",
        );
    }
    assert_eq!(ledger(&world).await.len(), recorded);
    // As who they are, they are refused, and that is recorded.
    let answer = kansa.ask(Method::POST, "/v1/gateways", gateway).await;
    refused(&answer, 403, "auditor-may-not-act");
    assert_eq!(
        ledger(&world).await.last().unwrap()["actor"],
        "auditor:kansa"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_held_off_and_the_person_comes_in_all_the_same() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    assert_eq!(sato.log_in("bearer").await.status, StatusCode::OK);
    let guess = json!({"account": "sato", "password": "a guess that is wrong", "totp": "123456"});
    // From one place: a handful is looked at, then none.
    let mut stranger = world.staff_from("127.0.0.66").await;
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..100 {
        let answer = send(&mut stranger, Method::POST, "/v1/login", &[], guess.clone()).await;
        *seen.entry(answer.code()).or_insert(0) += 1;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
        }
    }
    assert_eq!(
        seen,
        [
            ("login-refused".to_owned(), 5),
            ("login-wait".to_owned(), 95)
        ]
        .into()
    );
    // From other places, not at all; and at another account as little.
    for n in 1..=20 {
        let mut other = world.staff_from(&format!("127.0.1.{n}")).await;
        let answer = send(&mut other, Method::POST, "/v1/login", &[], guess.clone()).await;
        refused(&answer, 429, "login-wait");
    }
    // It is in the record, in the network's own name, once.
    let entries = ledger(&world).await;
    let lock_outs: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["command"]["type"] == "lock-out-account")
        .collect();
    assert_eq!(lock_outs.len(), 1, "{lock_outs:#?}");
    assert_eq!(lock_outs[0]["actor"], "system:center-1");
    assert_eq!(lock_outs[0]["command"]["from"], "127.0.0.66");
    // The person, from where they always come in, notices nothing; on another
    // machine they have to wait like everybody, or be let go on.
    let mut wish = json!({"account": "sato", "password": PASSWORD,
        "recovery_code": sato.recovery_codes[0], "carrier": "bearer"});
    let answer = post(&world, "/v1/login", &[], wish.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    wish["recovery_code"] = sato.recovery_codes[1].as_str().into();
    let mut elsewhere = world.staff_from("127.0.0.99").await;
    let again = send(&mut elsewhere, Method::POST, "/v1/login", &[], wish.clone()).await;
    refused(&again, 429, "login-wait");
    world
        .act_as(
            "security-officer:console",
            "/v1/accounts/sato/unlock",
            json!({}),
        )
        .await;
    let answer = send(&mut elsewhere, Method::POST, "/v1/login", &[], wish).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_or_broken_body_at_the_door_is_refused() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    // What announces too much is refused before it is sent.
    let head = "POST /v1/login HTTP/1.1\r\nhost: center\r\ncontent-type: application/json\r\ncontent-length: 70000\r\nconnection: close\r\n\r\n";
    let answer = world.staff_raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("body-too-large"), "{answer}");
    let mut staff = world.staff().await;
    let answer = staff
        .send(Method::POST, "/v1/login", b"{\"account\": ".to_vec())
        .await;
    refused(&answer, 400, "malformed-json");
    let answer = staff
        .send(Method::POST, "/v1/login", b"{\"user\": \"x\"}".to_vec())
        .await;
    refused(&answer, 422, "unacceptable-json");
    refused(&get(&world, "/v1/nothing", &[]).await, 404, "unknown-path");
    refused(
        &get(&world, "/v1/participants", &[]).await,
        401,
        "session-missing",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_password_keeps_a_session_and_the_others_end() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let other = sato.log_in("bearer").await.json();
    let other = format!("Bearer {}", other["token"].as_str().unwrap());
    let new = "春が来た春が来たどこに来た";
    let change = json!({"password": "not the present one", "new_password": new});
    refused(
        &sato.ask(Method::POST, "/v1/me/password", change).await,
        401,
        "login-refused",
    );
    let change = json!({"password": PASSWORD, "new_password": new});
    let done = sato.ask(Method::POST, "/v1/me/password", change).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let bearer = format!("Bearer {}", done.json()["token"].as_str().unwrap());
    assert_eq!(
        get(&world, "/v1/me", &[("authorization", &bearer)])
            .await
            .status,
        StatusCode::OK
    );
    for dead in [&sato.bearer(), &other] {
        refused(
            &get(&world, "/v1/me", &[("authorization", dead)]).await,
            401,
            "session-over",
        );
    }
    // New recovery codes make the earlier ones good for nothing.
    let done = post(
        &world,
        "/v1/me/recovery-codes",
        &[("authorization", &bearer)],
        json!({"password": new}),
    )
    .await
    .json();
    let code = done["recovery_codes"][0].as_str().unwrap();
    for (code, status) in [(sato.recovery_codes[0].as_str(), 401), (code, 200)] {
        let wish = json!({"account": "sato", "password": new, "recovery_code": code});
        let answer = post(&world, "/v1/login", &[], wish).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_eight_sessions_and_the_oldest_gives_way() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let mut tokens = vec![sato.bearer()];
    for _ in 0..8 {
        let answer = sato.log_in("bearer").await.json();
        tokens.push(format!("Bearer {}", answer["token"].as_str().unwrap()));
    }
    for (place, token) in tokens.iter().enumerate() {
        let answer = get(&world, "/v1/me", &[("authorization", token)]).await;
        assert_eq!(answer.status == StatusCode::OK, place > 0, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_credentials_survive_a_restart_and_need_their_key() {
    let clock = TestClock::new();
    let world = World::at(&clock).await;
    let sato = Person::new(&world, &clock, "sato", &["examiner"], None).await;
    let (bearer, secret) = (sato.bearer(), sato.secret.clone());
    let World {
        ground, running, ..
    } = world;
    running.stop().await;
    let world = World::at_on(ground, &clock).await;
    let me = get(&world, "/v1/me", &[("authorization", &bearer)]).await;
    assert_eq!(me.status, StatusCode::OK, "{me:?}");
    clock.forward(30_000);
    let wish = json!({"account": "sato", "password": PASSWORD, "totp": secret.at(clock.now())});
    let answer = post(&world, "/v1/login", &[], wish).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let World {
        ground, running, ..
    } = world;
    running.stop().await;

    // The database alone, as a thief has it, opens nobody's credentials.
    let key = ground.config.people_key();
    std::fs::remove_file(&key).unwrap();
    let world = World::at_on(ground, &clock).await;
    clock.forward(30_000);
    let wish = json!({"account": "sato", "password": PASSWORD, "totp": secret.at(clock.now())});
    let answer = post(&world, "/v1/login", &[], wish).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
