//! 書類: handed in before the application that names them, kept beside the
//! ledger under their SHA-256, shown to whoever may see the case.
//!
//! What nobody's application names within a week is gone. A document is counted
//! against who handed it in until a case has it, and only that person's
//! application may name it: who knows a digest has not thereby seen a document.
//! All documents together have a limit, and one that no case needs any more is
//! let go (`tasks::documents` says when): its digest and name stay in the ledger.

use crate::http::actor::{Acting, CaseSight};
use crate::http::input::{Keys, Query, read_slow_body};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iryonet_domain::{Actor, CaseId, Digest, UnixMillis};
use iryonet_registry::case::Document;
use iryonet_registry::limits::DOCUMENT_MAX_BYTES;
use iryonet_registry::{Act, permission};
use iryonet_store::{Reader, Space, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How long a document waits for its application, in milliseconds: a week.
const WAITS_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Documents of one person that wait.
const WAITING_MAX: usize = 100;
/// All of them together, in bytes: 200 MiB.
const WAITING_MAX_BYTES: u64 = 200 << 20;
/// How long a document may take to arrive: 20 MiB over 1 Mbit/s.
const ARRIVES_WITHIN: Duration = Duration::from_secs(180);
/// Documents that arrive at the same time; each is held in memory.
pub(crate) const ARRIVING_MAX: usize = 8;
/// How long one waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// What handing in a document is for.
const FOR: [Act; 2] = [Act::ReceiveApplication, Act::ResubmitApplication];

/// What the document is called.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Naming {
    /// Name, as 開設届の写し.pdf; at most 120 characters.
    name: String,
}

/// A document that waits for its application.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentHandedIn {
    /// SHA-256 of its bytes: how an application names it.
    sha256: String,
    /// Its name as it will be recorded.
    name: String,
    /// As it was said, and as it is.
    media_type: String,
    bytes: u64,
    /// From when on it is gone if no application names it, milliseconds since 1970.
    expires_at: u64,
}

/// What is remembered of a document that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    name: String,
    media_type: String,
    bytes: u64,
}

/// Hands in a document: its bytes, and its media type as Content-Type.
#[utoipa::path(post, path = "/v1/documents", tag = "cases",
    request_body(content(
        ("application/pdf"), ("image/jpeg"), ("image/png"), ("text/plain"),
    ), description = "1 byte to 20 MiB"),
    params(
        Naming,
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as officer:sato; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = DocumentHandedIn),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn hand_in(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Query(naming): Query<Naming>,
    request: Request,
) -> Result<Json<DocumentHandedIn>, Problem> {
    may_hand_in(&actor)?;
    let media_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let unread = Document {
        sha256: Digest([0; 32]),
        name: naming.name,
        media_type,
        bytes: 1,
    };
    // What cannot be taken is not waited for.
    let unread = unread.cleaned().map_err(|error| unusable(&error))?;
    let held = || center.documents_held.load(Ordering::Relaxed);
    if held() >= center.config.documents_max_bytes() {
        return Err(all_full(&center));
    }
    let turns = &center.turns.documents;
    let _turn = tokio::time::timeout(TURN_WAIT, turns.acquire())
        .await
        .map_err(|_| Problem::busy())?
        .map_err(|_| Problem::stopping())?;
    let limit = usize::try_from(DOCUMENT_MAX_BYTES).unwrap_or(usize::MAX);
    let bytes = read_slow_body(request, limit, ARRIVES_WITHIN).await?;
    let document = Document {
        sha256: Digest(sha2::Sha256::digest(&bytes).into()),
        bytes: bytes.len() as u64,
        ..unread
    };
    let document = document.cleaned().map_err(|error| unusable(&error))?;
    if !is_what_it_says(&document.media_type, &bytes) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-that-media-type",
            format!(
                "the document is said to be {}, and does not begin as one",
                document.media_type
            ),
            format!(
                "書類は {} とされていますが、内容が一致しません。",
                document.media_type
            ),
        ));
    }
    let room = center.config.documents_max_bytes().saturating_sub(held());
    let expires_at = crate::clock::now().plus_ms(WAITS_MS);
    let handed_in = document.clone();
    let put = center
        .transact(move |transaction: &mut dyn Transaction| {
            put(transaction, &actor, &document, &bytes, expires_at, room)
        })
        .await?;
    match put {
        Put::Known => {}
        Put::New => {
            let bytes = handed_in.bytes;
            center.documents_held.fetch_add(bytes, Ordering::Relaxed);
        }
        Put::NoRoom => return Err(all_full(&center)),
        Put::TooManyWait => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "too-many-documents-waiting",
                format!(
                    "{WAITING_MAX} documents of yours, or {WAITING_MAX_BYTES} bytes, wait for an application; name them in one first"
                ),
                "申請に添付されていない書類が上限に達しています。先に申請に添付してください。",
            ));
        }
    }
    Ok(Json(DocumentHandedIn {
        sha256: handed_in.sha256.to_string(),
        name: handed_in.name,
        media_type: handed_in.media_type,
        bytes: handed_in.bytes,
        expires_at: expires_at.0,
    }))
}

/// Only who may apply fills our disks. It is no act of its own and stands in no
/// ledger, so the registry is not asked to refuse it.
pub(crate) fn may_hand_in(actor: &Actor) -> Result<(), Problem> {
    if FOR
        .iter()
        .any(|act| permission::may(actor.role(), *act).is_some())
    {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "role-may-not",
        format!(
            "{} hands in no documents; who applies does",
            actor.role().as_str()
        ),
        format!(
            "{}は書類を提出できません。申請する者が提出します。",
            actor.role().name_ja()
        ),
    ))
}

/// Whoever runs the center has to make room, or to say that there is more.
fn all_full(center: &Center) -> Problem {
    let limit = center.config.documents_max_mib;
    tracing::error!(
        documents_max_mib = limit,
        "no document is taken any more: all together are as many as they may be"
    );
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "documents-full",
        format!("the center keeps {limit} MiB of documents and takes no more now; nothing was kept of this one"),
        format!("センターが保管する書類が上限（{limit} MiB）に達しています。この書類は受け付けられていません。"),
    )
    .retry_after(3_600)
}

fn unusable(error: &iryonet_registry::case::DocumentError) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "document-unusable",
        format!("the document cannot be taken: {error}"),
        format!("書類を受け付けられません: {error}"),
    )
}

/// Does it begin as such a thing begins? Whoever opens it relies on the type.
fn is_what_it_says(media_type: &str, bytes: &[u8]) -> bool {
    match media_type {
        "application/pdf" => bytes.starts_with(b"%PDF-"),
        "image/jpeg" => bytes.starts_with(&[0xff, 0xd8, 0xff]),
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "text/plain" => std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')),
        _ => false,
    }
}

fn content_key(sha256: Digest) -> Vec<u8> {
    let mut key = b"c".to_vec();
    key.extend(sha256.0);
    key
}

/// What is remembered of a document.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// That it waits for an application.
    Waiting,
    /// That an application has named it, within its week.
    Named,
}

/// All of one person.
fn prefix(of: Of, actor: &Actor) -> Vec<u8> {
    let mut key = match of {
        Of::Waiting => b"w".to_vec(),
        Of::Named => b"n".to_vec(),
    };
    key.extend(sha2::Sha256::digest(actor.name().as_bytes()));
    key
}

fn key(of: Of, actor: &Actor, sha256: Digest) -> Vec<u8> {
    let mut key = prefix(of, actor);
    key.extend(sha256.0);
    key
}

/// That a case has a document: all of a case.
fn of_case(case: CaseId) -> Vec<u8> {
    let mut key = b"k".to_vec();
    key.extend(case.0.to_be_bytes());
    key
}

/// The same from the other side: all cases that have a document.
fn in_cases(sha256: Digest) -> Vec<u8> {
    let mut key = b"r".to_vec();
    key.extend(sha256.0);
    key
}

fn read_waiting(value: &[u8]) -> Option<Waiting> {
    serde_json::from_slice(value).ok()
}

/// What became of a document that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Put {
    /// It waits, and was not here before.
    New,
    /// It waits; its bytes were here.
    Known,
    /// Its owner has too many that wait.
    TooManyWait,
    /// It is new, and all documents together would be too many.
    NoRoom,
}

/// Puts a document where it waits; a new one has `room` bytes at most.
fn put(
    transaction: &mut dyn Transaction,
    actor: &Actor,
    document: &Document,
    bytes: &[u8],
    expires_at: UnixMillis,
    room: u64,
) -> Result<Put, StoreError> {
    let own = key(Of::Waiting, actor, document.sha256);
    let all = prefix(Of::Waiting, actor);
    let waiting = transaction.side_list(Space::Document, &all, None, WAITING_MAX)?;
    let others = waiting.iter().filter(|(key, _)| *key != own);
    let (count, total) = others.fold((0usize, 0u64), |(count, total), (_, value)| {
        let bytes = read_waiting(&value.value).map_or(0, |waiting| waiting.bytes);
        (count + 1, total.saturating_add(bytes))
    });
    if count >= WAITING_MAX || total.saturating_add(document.bytes) > WAITING_MAX_BYTES {
        return Ok(Put::TooManyWait);
    }
    let content = content_key(document.sha256);
    let present = transaction.side_get(Space::Document, &content)?;
    let put = match present {
        Some(_) => Put::Known,
        None if document.bytes > room => return Ok(Put::NoRoom),
        None => Put::New,
    };
    // What a case has stays for as long as the case needs it, whoever hands it
    // in once more.
    if present.is_none_or(|present| present.expires_at.is_some()) {
        transaction.side_put(Space::Document, &content, bytes, Some(expires_at))?;
    }
    let waiting = serde_json::to_vec(&Waiting {
        name: document.name.clone(),
        media_type: document.media_type.clone(),
        bytes: document.bytes,
    })
    .map_err(StoreError::given_up)?;
    transaction.side_put(Space::Document, &own, &waiting, Some(expires_at))?;
    Ok(put)
}

/// What this person handed in under this digest, if it still waits, or waited
/// a moment ago: an application that is sent again names it again.
pub(crate) fn handed_in(
    reader: &dyn Reader,
    actor: &Actor,
    sha256: Digest,
) -> Result<Option<Document>, StoreError> {
    let mut found = None;
    for of in [Of::Waiting, Of::Named] {
        if found.is_none() {
            found = reader.side_get(Space::Document, &key(of, actor, sha256))?;
        }
    }
    let Some(waiting) = found.and_then(|found| read_waiting(&found.value)) else {
        return Ok(None);
    };
    Ok(Some(Document {
        sha256,
        name: waiting.name,
        media_type: waiting.media_type,
        bytes: waiting.bytes,
    }))
}

/// A case has it: it does not wait any more, and stays for as long as a case
/// needs it.
pub(crate) fn keep(
    transaction: &mut dyn Transaction,
    actor: &Actor,
    case: CaseId,
    sha256: Digest,
) -> Result<(), StoreError> {
    let content = content_key(sha256);
    let found = transaction
        .side_get(Space::Document, &content)?
        .ok_or_else(|| StoreError::given_up(Gone(sha256)))?;
    if found.expires_at.is_some() {
        transaction.side_put(Space::Document, &content, &found.value, None)?;
    }
    let waiting = key(Of::Waiting, actor, sha256);
    if let Some(found) = transaction.side_get(Space::Document, &waiting)? {
        let named = key(Of::Named, actor, sha256);
        transaction.side_put(Space::Document, &named, &found.value, found.expires_at)?;
        transaction.side_delete(Space::Document, &waiting)?;
    }
    let (by_case, by_document) = (of_case(case), in_cases(sha256));
    transaction.side_put(
        Space::Document,
        &[&by_case[..], &sha256.0].concat(),
        b"",
        None,
    )?;
    let case = case.0.to_be_bytes();
    transaction.side_put(
        Space::Document,
        &[&by_document[..], &case].concat(),
        b"",
        None,
    )
}

/// Cases that have documents, ascending, after this one. At most so many rows are
/// looked at; an empty answer is the end.
pub(crate) fn cases_with_documents(
    reader: &dyn Reader,
    after: Option<CaseId>,
    rows: usize,
) -> Result<Vec<CaseId>, StoreError> {
    // Every key of one case is before this.
    let after = after.map(|case| [&of_case(case)[..], &[u8::MAX; 33]].concat());
    let found = reader.side_list(Space::Document, b"k", after.as_deref(), rows)?;
    let mut cases: Vec<CaseId> = found
        .iter()
        .filter_map(|(key, _)| key.get(1..9)?.try_into().ok())
        .map(|octets| CaseId(u64::from_be_bytes(octets)))
        .collect();
    cases.dedup();
    Ok(cases)
}

/// A case needs its documents no more: those that no other case has are gone in
/// a week, for which they wait once more for whoever may have handed them in
/// meanwhile. Tells how many bytes that will give back.
pub(crate) fn let_go(
    transaction: &mut dyn Transaction,
    case: CaseId,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let mut freed = 0;
    loop {
        let some = transaction.side_list(Space::Document, &of_case(case), None, WAITING_MAX)?;
        if some.is_empty() {
            return Ok(freed);
        }
        for (key, _) in some {
            transaction.side_delete(Space::Document, &key)?;
            let Some(sha256) = key.get(9..).and_then(|octets| octets.try_into().ok()) else {
                continue;
            };
            let (sha256, number) = (Digest(sha256), case.0.to_be_bytes());
            let cases = in_cases(sha256);
            let own = [&cases[..], &number].concat();
            transaction.side_delete(Space::Document, &own)?;
            if !transaction
                .side_list(Space::Document, &cases, None, 1)?
                .is_empty()
            {
                continue;
            }
            let content = content_key(sha256);
            if let Some(found) = transaction.side_get(Space::Document, &content)? {
                freed += found.value.len() as u64;
                let gone_at = Some(now.plus_ms(WAITS_MS));
                transaction.side_put(Space::Document, &content, &found.value, gone_at)?;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("document {0} was there a moment ago, and its week ended just now; hand it in again")]
struct Gone(Digest);

pub(crate) fn not_handed_in(sha256: Digest) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "document-not-handed-in",
        format!(
            "you handed in no document {sha256}, or more than a week ago; hand it in first (POST /v1/documents)"
        ),
        format!(
            "書類 {sha256} は提出されていないか、提出から一週間を過ぎています。先に提出してください。"
        ),
    )
}

/// A document of a case, as it was handed in.
#[utoipa::path(get, path = "/v1/cases/{case}/documents/{sha256}", tag = "cases",
    params(
        ("case" = u64, Path, description = "Case number"),
        ("sha256" = String, Path, description = "SHA-256 of its bytes"),
    ),
    responses(
        (status = 200, description = "Its bytes", content(
            ("application/pdf"), ("image/jpeg"), ("image/png"), ("text/plain"),
        )),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    sight: CaseSight,
    Keys(case, sha256): Keys<u64, Digest>,
) -> Result<Response, Problem> {
    let found = center
        .read(move |reader| {
            let Some(case) = reader.case(CaseId(case))? else {
                return Ok(None);
            };
            if !sight.sees(&case) {
                return Ok(None);
            }
            let Some(document) = case.documents.into_iter().find(|it| it.sha256 == sha256) else {
                return Ok(None);
            };
            let bytes = reader.side_get(Space::Document, &content_key(sha256))?;
            // What no case needs any more waits for its end, or for an application.
            let kept = bytes.filter(|found| found.expires_at.is_none());
            Ok(Some((document, kept.map(|found| found.value))))
        })
        .await?;
    let Some((document, bytes)) = found else {
        return Err(Problem::unknown("document", "書類", sha256));
    };
    let bytes = bytes.ok_or_else(|| not_kept(sha256))?;
    if sha2::Sha256::digest(&bytes).as_slice() != sha256.0 {
        return Err(Problem::internal(&Damaged(sha256)));
    }
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let name = crate::client::percent_encode(&document.name).replace(':', "%3A");
    let disposition = format!("attachment; filename*=UTF-8''{name}");
    for (key, value) in [
        (header::CONTENT_TYPE, document.media_type.as_str()),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let value = HeaderValue::from_str(value).map_err(|error| Problem::internal(&error))?;
        headers.insert(key, value);
    }
    Ok(response)
}

/// The case is long over.
fn not_kept(sha256: Digest) -> Problem {
    Problem::new(
        StatusCode::GONE,
        "document-not-kept",
        format!(
            "document {sha256} was let go: the time for which it is kept after the end of its case is over; its name and digest stay on record"
        ),
        format!(
            "書類 {sha256} は保存期間が終了したため破棄されています。名称とダイジェストは記録に残っています。"
        ),
    )
}

#[derive(Debug, thiserror::Error)]
#[error("the bytes kept for document {0} are not those that were handed in")]
struct Damaged(Digest);

#[cfg(test)]
mod tests {
    use super::is_what_it_says;

    #[test]
    fn a_document_is_what_it_says_it_is() {
        for (media_type, bytes) in [
            ("application/pdf", &b"%PDF-1.7\n"[..]),
            ("image/jpeg", &[0xff, 0xd8, 0xff, 0xe0]),
            ("image/png", b"\x89PNG\r\n\x1a\n...."),
            ("text/plain", "開設届".as_bytes()),
        ] {
            assert!(is_what_it_says(media_type, bytes));
            assert!(!is_what_it_says(
                "application/pdf",
                b"<script>alert(1)</script>"
            ));
            assert!(!is_what_it_says("text/html", bytes));
        }
        assert!(!is_what_it_says("text/plain", b"MZ\x00"));
        assert!(!is_what_it_says("text/plain", &[0x83, 0x7b]));
    }
}
