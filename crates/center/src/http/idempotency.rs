//! `Idempotency-Key`: an act that is sent again is answered again, and not
//! done again. (The header of the IETF draft httpapi-idempotency-key-header.)
//!
//! What is remembered is the request's digest and the ledger entry that it
//! became; the answer is made anew from that entry's events, so that nothing
//! of an answer is kept twice. It is written in the transaction of the act: an
//! act is never there without its key. Refused acts are not remembered: they
//! changed nothing, and may be allowed by now.
//!
//! It must not know what the acts are about.

use super::input::{json_max_bytes, read_body};
use super::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use iryonet_domain::{Actor, UnixMillis};
use iryonet_registry::Command;
use iryonet_store::{Outcome, Reader, Recorded, Space, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, OpenApi, Required};

/// The header.
const HEADER: &str = "idempotency-key";
/// Longest key, in characters.
const KEY_MAX_CHARS: usize = 128;
/// How long a key is remembered.
const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1_000;

tokio::task_local! {
    static REPEATABLE: Option<Repeatable>;
}

/// A request that may come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeatable {
    key: String,
    /// SHA-256 of method, path, query and body, hexadecimal.
    digest: String,
}

/// What is kept of it.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    digest: String,
    sequence: u64,
}

/// What became of a request to act.
pub(crate) enum Once {
    /// It was decided and recorded now.
    Now(Recorded),
    /// It was done before, as this.
    Earlier(Recorded),
    /// Its key was used for something else.
    OtherRequest,
}

/// Decides and records an act, unless this very request did so before.
pub(crate) fn once(
    repeatable: Option<&Repeatable>,
    transaction: &mut dyn Transaction,
    actor: &Actor,
    command: &Command,
    now: UnixMillis,
) -> Result<Once, StoreError> {
    let Some(repeatable) = repeatable else {
        return transaction.record(actor, command, now).map(Once::Now);
    };
    if let Some(remembered) = repeatable.remembered(&*transaction, actor, now)? {
        return if remembered.digest == repeatable.digest {
            recorded_as(&*transaction, remembered.sequence).map(Once::Earlier)
        } else {
            Ok(Once::OtherRequest)
        };
    }
    let recorded = transaction.record(actor, command, now)?;
    if matches!(recorded.outcome, Outcome::Accepted(_)) {
        repeatable.remember(transaction, actor, recorded.sequence, now)?;
    }
    Ok(Once::Now(recorded))
}

/// An accepted act, as its ledger entry tells it.
fn recorded_as(reader: &dyn Reader, sequence: u64) -> Result<Recorded, StoreError> {
    let lost = |why: String| StoreError::GivenUp(why, None);
    let entry = reader
        .entries(sequence, 1)?
        .into_iter()
        .find(|entry| entry.sequence == sequence)
        .ok_or_else(|| {
            lost(format!(
                "ledger entry {sequence} is remembered but not there"
            ))
        })?;
    let iryonet_ledger::Outcome::Accepted { events } = &entry.outcome else {
        return Err(lost(format!(
            "ledger entry {sequence} is remembered as done but was refused"
        )));
    };
    let events = serde_json::from_str(events).map_err(|error| {
        StoreError::GivenUp(
            format!("the events of ledger entry {sequence} cannot be read"),
            Some(Box::new(error)),
        )
    })?;
    Ok(Recorded {
        sequence,
        at: entry.at,
        outcome: Outcome::Accepted(events),
    })
}

/// Says in the description that every act takes the header.
pub(crate) fn describe(api: &mut OpenApi) {
    let header = ParameterBuilder::new()
        .name(HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name that the caller gives to this one request, as a UUID. The same request under the same name within 24 hours is answered again and not done again; another request under it is refused (idempotency-key-reused)",
        ))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some("^[!-~]{1,128}$"))
                .build(),
        ))
        .build();
    for item in api.paths.paths.values_mut() {
        for act in [
            &mut item.post,
            &mut item.put,
            &mut item.delete,
            &mut item.patch,
        ]
        .into_iter()
        .flatten()
        {
            act.parameters
                .get_or_insert_default()
                .push(header.clone().into());
        }
    }
}

/// The request that is being answered, if it may come again.
pub(crate) fn current() -> Option<Repeatable> {
    REPEATABLE.try_with(Clone::clone).ok().flatten()
}

/// Reads the header and hands it down to the act.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    match repeatable(request).await {
        Ok((repeatable, request)) => REPEATABLE.scope(repeatable, next.run(request)).await,
        Err(problem) => problem.into_response(),
    }
}

async fn repeatable(request: Request) -> Result<(Option<Repeatable>, Request), Problem> {
    let key = key_of(request.headers())?;
    let limit = json_max_bytes(request.uri().path());
    let (Some(key), Some(limit), false) = (key, limit, *request.method() == Method::GET) else {
        return Ok((None, request));
    };
    let mut sha = Sha256::new();
    let mut field = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    field(request.method().as_str().as_bytes());
    field(request.uri().path().as_bytes());
    field(request.uri().query().unwrap_or_default().as_bytes());
    let (head, body) = request.into_parts();
    let body = read_body(Request::from_parts(head.clone(), body), limit).await?;
    field(&body);
    let repeatable = Repeatable {
        key,
        digest: hex::encode(sha.finalize()),
    };
    Ok((
        Some(repeatable),
        Request::from_parts(head, Body::from(body)),
    ))
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let fits = |text: &&str| {
        (1..=KEY_MAX_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    match (value.to_str().ok().filter(fits), values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Problem::bad_request(
            "idempotency-key-malformed",
            format!(
                "the header Idempotency-Key stands once and has 1 to {KEY_MAX_CHARS} printable ASCII characters without space, as a UUID has"
            ),
            format!(
                "ヘッダー Idempotency-Key は一つだけ、空白を含まない 1〜{KEY_MAX_CHARS} 文字の ASCII（UUID など）で指定してください。"
            ),
        )),
    }
}

impl Repeatable {
    /// Everybody's keys are their own.
    fn side_key(&self, actor: &Actor) -> Vec<u8> {
        let mut key = actor.to_string().into_bytes();
        key.push(0);
        key.extend_from_slice(self.key.as_bytes());
        key
    }

    /// What is known of an earlier request under this key.
    fn remembered(
        &self,
        reader: &dyn Reader,
        actor: &Actor,
        now: UnixMillis,
    ) -> Result<Option<Remembered>, StoreError> {
        let Some(found) = reader.side_get(Space::Idempotency, &self.side_key(actor))? else {
            return Ok(None);
        };
        if found.expires_at.is_some_and(|at| at <= now) {
            return Ok(None);
        }
        serde_json::from_slice(&found.value)
            .map(Some)
            .map_err(|error| {
                StoreError::GivenUp(
                    "what is remembered of a request cannot be read".to_owned(),
                    Some(Box::new(error)),
                )
            })
    }

    /// It is done now, as this ledger entry.
    fn remember(
        &self,
        transaction: &mut dyn Transaction,
        actor: &Actor,
        sequence: u64,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_vec(&Remembered {
            digest: self.digest.clone(),
            sequence,
        })
        .map_err(|error| {
            StoreError::GivenUp(
                "what is to be remembered of a request cannot be written".to_owned(),
                Some(Box::new(error)),
            )
        })?;
        transaction.side_put(
            Space::Idempotency,
            &self.side_key(actor),
            &value,
            Some(now.plus_ms(REMEMBERED_MS)),
        )
    }
}

/// The key was used for another request.
pub(crate) fn other_request() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "this Idempotency-Key was used for another request within the last 24 hours; a new act needs a new key",
        "この Idempotency-Key は 24 時間以内に別の操作で使われています。新しい操作には新しいキーを指定してください。",
    )
}

/// It was done before, and its answer held a secret that is shown once.
pub(crate) fn shown_before(sequence: u64) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "code-shown-before",
        "this request was done before, and the code was shown in its answer only; if that answer was lost, hand out another code with a new Idempotency-Key",
        "この操作は実行済みで、コードはそのときの応答でのみ表示されます。応答を失った場合は、新しい Idempotency-Key で別のコードを発行してください。",
    )
    .recorded(sequence)
}
