//! Somebody with an account, as all tests have them who act at the people's
//! listener.

use crate::support::{Answer, Connection, TestClock, World};
use hyper::{Method, StatusCode};
use iryonet_people::totp::TotpSecret;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "雪の降る町を通り過ぎて行く";

/// Somebody with an account, a password and an authenticator, and a session.
pub(crate) struct Person<'a> {
    pub(crate) world: &'a World,
    pub(crate) clock: &'a TestClock,
    pub(crate) name: String,
    pub(crate) secret: TotpSecret,
    pub(crate) token: String,
    pub(crate) recovery_codes: Vec<String>,
}

impl<'a> Person<'a> {
    /// As an operating body does it: account, login code, password, authenticator.
    pub(crate) async fn new(
        world: &'a World,
        clock: &'a TestClock,
        name: &str,
        roles: &[&str],
        participant: Option<u64>,
    ) -> Self {
        let mut account = json!({"account": name, "person": format!("{name} 様"), "roles": roles});
        if let Some(number) = participant {
            account["participant"] = number.into();
        }
        Self::of(world, clock, account).await
    }

    /// The same with an account of this sort.
    pub(crate) async fn of(world: &'a World, clock: &'a TestClock, account: Value) -> Self {
        let name = &account["account"].as_str().unwrap().to_owned();
        let role = account["roles"][0].clone();
        world
            .act_as("security-officer:console", "/v1/accounts", account)
            .await;
        let code = world
            .act_as(
                "security-officer:console",
                &format!("/v1/accounts/{name}/login-code"),
                json!({}),
            )
            .await["code"]
            .as_str()
            .unwrap()
            .to_owned();
        let begun = post(
            world,
            "/v1/login/code",
            &[],
            json!({"account": name, "code": code, "password": PASSWORD, "role": role, "carrier": "bearer"}),
        )
        .await;
        assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
        let begun = begun.json();
        assert_eq!(begun["enrolling"], true);
        let bearer = format!("Bearer {}", begun["token"].as_str().unwrap());
        let totp = post(
            world,
            "/v1/me/totp",
            &[("authorization", &bearer)],
            json!({}),
        )
        .await
        .json();
        let secret = TotpSecret::parse(totp["secret"].as_str().unwrap()).unwrap();
        let done = post(
            world,
            "/v1/me/totp/confirm",
            &[("authorization", &bearer)],
            json!({"totp": secret.at(clock.now())}),
        )
        .await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        let done = done.json();
        assert_eq!(done["enrolling"], false);
        let codes = done["recovery_codes"].as_array().unwrap();
        Self {
            world,
            clock,
            name: name.to_owned(),
            secret,
            token: done["token"].as_str().unwrap().to_owned(),
            recovery_codes: codes
                .iter()
                .map(|code| code.as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// The same person, come in once more in another of its roles.
    pub(crate) async fn in_role(&self, role: &str) -> Self {
        let mut wish = self.wish("bearer");
        wish["role"] = role.into();
        let answer = post(self.world, "/v1/login", &[], wish).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Self {
            name: self.name.clone(),
            secret: TotpSecret::parse(&self.secret.reveal()).unwrap(),
            token: answer.json()["token"].as_str().unwrap().to_owned(),
            recovery_codes: Vec::new(),
            ..*self
        }
    }

    /// Hands in a document; its answer.
    pub(crate) async fn hand_in(&self, name: &str, media_type: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v1/documents?name={name}");
        let bearer = self.bearer();
        let headers = [("authorization", &*bearer), ("content-type", media_type)];
        self.world
            .staff()
            .await
            .send_with(Method::POST, &path, headers, bytes.to_vec())
            .await
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What its authenticator shows in a while, when no step is used yet.
    pub(crate) fn totp(&self) -> String {
        self.clock.forward(30_000);
        self.secret.at(self.clock.now())
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        send(
            &mut self.world.staff().await,
            method,
            path,
            &[("authorization", &self.bearer())],
            body,
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Value::Null).await
    }

    pub(crate) fn wish(&self, carrier: &str) -> Value {
        json!({"account": self.name, "password": PASSWORD, "totp": self.totp(), "carrier": carrier})
    }

    pub(crate) async fn log_in(&self, carrier: &str) -> Answer {
        post(self.world, "/v1/login", &[], self.wish(carrier)).await
    }
}

pub(crate) async fn send(
    connection: &mut Connection,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Answer {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    connection.send_with(method, path, headers, body).await
}

pub(crate) async fn post(
    world: &World,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Answer {
    send(&mut world.staff().await, Method::POST, path, headers, body).await
}
