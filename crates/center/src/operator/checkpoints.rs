//! 台帳の検証: signed checkpoints, tiles and proofs of the ledger, in the C2SP
//! formats. Whoever has them needs neither this center nor its word.

use crate::http::actor::Acting;
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use iryonet_ledger::Signed;
use iryonet_ledger::merkle::tile::TilePath;
use iryonet_store::tree::{self, TreeError, checkpoints};
use iryonet_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Notes and proofs are text, as their formats want it.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// Entries, one JSON document a line.
const LINES: &str = "application/x-ndjson";
/// An export's page ends behind the entry that makes it longer than this.
const EXPORT_PAGE_BYTES: usize = 4 << 20;
/// Entries read at once for an export: one may have some megabytes.
const EXPORT_ENTRIES_AT_ONCE: usize = 64;

/// Which checkpoint.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The last one that a witness has cosigned, instead of the last one.
    #[serde(default)]
    pub(crate) cosigned: bool,
}

/// The last signed checkpoint of the ledger (C2SP tlog-checkpoint), with the
/// cosignatures that it has.
#[utoipa::path(get, path = "/v1/ledger/checkpoint", tag = "ledger", params(Which), responses(
    (status = 200, description = "A signed note", body = String, content_type = "text/plain; charset=utf-8"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn latest(
    State(center): State<Arc<Center>>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let signed = ask(&center, move |reader| {
        checkpoints::signed(reader, which.cosigned)
    })
    .await?;
    Ok(mutable_text(signed.to_string()))
}

/// A tile of the ledger's Merkle tree (C2SP tlog-tiles): hashes, 32 octets
/// each. The path behind `tile/` may have more parts than one, as
/// `0/x001/x234/067`, or `1/000.p/17` for the first 17 hashes.
#[utoipa::path(get, path = "/v1/ledger/tile/{*tile}", tag = "ledger", params(
    ("tile" = String, Path, description = "LEVEL/INDEX or LEVEL/INDEX.p/WIDTH", example = "0/000.p/1"),
), responses(
    (status = 200, description = "Hashes", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn tile(
    State(center): State<Arc<Center>>,
    Key(path): Key<TilePath>,
) -> Result<Response, Problem> {
    let hashes = ask(&center, move |reader| Ok(tree::tile(reader, path.tile)?)).await?;
    let wanted = path.width * 32;
    let hashes = hashes
        .filter(|hashes| hashes.len() >= wanted)
        .ok_or_else(|| Problem::unknown("tile", "タイル", path))?;
    let hashes = hashes.get(..wanted).unwrap_or_default().to_vec();
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream"),
            // What a tile begins with never changes.
            (header::CACHE_CONTROL, "max-age=31536000, immutable"),
        ],
        hashes,
    )
        .into_response())
}

/// Which entry.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfEntry {
    /// Its sequence, from 1.
    entry: u64,
    /// By the last checkpoint that a witness has cosigned.
    #[serde(default)]
    cosigned: bool,
}

/// One entry, proved (C2SP tlog-proof): the entry, its way to the root, and the
/// signed checkpoint. Holds all that `iryonet ledger verify-proof` needs.
#[utoipa::path(get, path = "/v1/ledger/proof", tag = "ledger", params(OfEntry), responses(
    (status = 200, description = "A proof file", body = String, content_type = "text/plain; charset=utf-8"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn proof(
    State(center): State<Arc<Center>>,
    Query(of): Query<OfEntry>,
) -> Result<Response, Problem> {
    let proof = ask(&center, move |reader| {
        checkpoints::prove(reader, of.entry, of.cosigned)
    })
    .await?;
    let text = proof.to_text().map_err(|error| Problem::internal(&error))?;
    Ok(mutable_text(text))
}

/// From which tree.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// Entries of the tree that the witness has cosigned last; 0 for none.
    #[serde(default)]
    old: u64,
}

/// The last checkpoint with the proof that it adds to an older tree: what a
/// witness is asked to cosign (C2SP tlog-witness, `add-checkpoint`).
#[utoipa::path(get, path = "/v1/ledger/cosign-request", tag = "ledger", params(Since), responses(
    (status = 200, description = "A request for a cosignature", body = String, content_type = "text/plain; charset=utf-8"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn request(
    State(center): State<Arc<Center>>,
    Query(since): Query<Since>,
) -> Result<Response, Problem> {
    let request = ask(&center, move |reader| {
        checkpoints::request(reader, since.old)
    })
    .await?;
    Ok(mutable_text(request.to_string()))
}

/// Entries as they are exported: one JSON document a line, each with all that
/// its hash covers. A page may be shorter than asked for; an empty one is the
/// end.
#[utoipa::path(get, path = "/v1/ledger/export", tag = "ledger", params(super::Page), responses(
    (status = 200, description = "Entries, one a line", body = String, content_type = "application/x-ndjson"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn export(
    State(center): State<Arc<Center>>,
    Query(page): Query<super::Page>,
) -> Result<Response, Problem> {
    let lines = center
        .read(move |reader| export_page(reader, page.after, page.rows()))
        .await?;
    Ok(([(header::CONTENT_TYPE, LINES)], lines).into_response())
}

fn export_page(reader: &dyn Reader, after: u64, rows: usize) -> Result<Vec<u8>, StoreError> {
    let mut lines = Vec::new();
    let mut left = rows;
    let mut after = after;
    while left > 0 && lines.len() < EXPORT_PAGE_BYTES {
        let Some(from) = after.checked_add(1) else {
            break;
        };
        let entries = reader.entries(from, left.min(EXPORT_ENTRIES_AT_ONCE))?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            if lines.len() >= EXPORT_PAGE_BYTES {
                break;
            }
            iryonet_ledger::export::write_line(&mut lines, &entry).map_err(StoreError::given_up)?;
            after = entry.sequence;
            left -= 1;
        }
    }
    Ok(lines)
}

/// A checkpoint with a witness's cosignature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cosigned {
    /// The signed note, as the witness gave it back.
    checkpoint: String,
}

/// The checkpoint as it is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Kept {
    /// Its entries.
    size: u64,
    /// The signed note: the ledger's signature, and each known witness's.
    checkpoint: String,
}

/// Keeps a witness's cosignature with its checkpoint. Of witnesses that this
/// center knows, and of checkpoints of this ledger's past.
#[utoipa::path(post, path = "/v1/ledger/cosignatures", tag = "ledger", request_body = Cosigned, responses(
    (status = 200, body = Kept),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn attach(
    State(center): State<Arc<Center>>,
    Acting(bearer): Acting,
    Body(body): Body<Cosigned>,
) -> Result<Json<Kept>, Problem> {
    let handed_in = Signed::parse(body.checkpoint.as_bytes())
        .map_err(|error| tree_problem(&TreeError::HandedIn(error)))?;
    let Some(signing) = &center.signing else {
        return Err(tree_problem(&TreeError::NoCheckpoint));
    };
    let keys = signing.keys.clone();
    let kept = center
        .transact(move |transaction| {
            tree::passing(checkpoints::attach(transaction, &handed_in, &keys))
        })
        .await?
        .map_err(|error| tree_problem(&error))?;
    tracing::info!(
        %bearer,
        size = kept.checkpoint().size,
        "a cosignature is kept with its checkpoint"
    );
    Ok(Json(Kept {
        size: kept.checkpoint().size,
        checkpoint: kept.to_string(),
    }))
}

pub(crate) fn mutable_text(text: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, TEXT),
            (header::CACHE_CONTROL, "max-age=2"),
        ],
        text,
    )
        .into_response()
}

/// Asks about the tree.
pub(crate) async fn ask<T, F>(center: &Arc<Center>, mut question: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnMut(&dyn Reader) -> Result<T, TreeError> + Send + 'static,
{
    center
        .read(move |reader| tree::passing(question(reader)))
        .await?
        .map_err(|error| tree_problem(&error))
}

/// What the tree's answer is in HTTP.
fn tree_problem(error: &TreeError) -> Problem {
    let text = crate::http::problem::chain(error);
    match error {
        TreeError::NoCheckpoint => Problem::new(
            StatusCode::NOT_FOUND,
            "no-checkpoint",
            "no such checkpoint is kept: none is signed yet, or no witness has cosigned one",
            "署名済みチェックポイントはまだありません（または立会人の副署がまだありません）。",
        ),
        TreeError::Beyond { .. } => Problem::new(
            StatusCode::NOT_FOUND,
            "not-signed-yet",
            text,
            "最新の署名済みチェックポイントの範囲外です。次のチェックポイントを待ってください。",
        ),
        TreeError::Proof(_) => Problem::bad_request(
            "no-such-proof",
            text,
            "指定された範囲の証明は作れません。件数を確認してください。",
        ),
        TreeError::HandedIn(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "checkpoint-not-believed",
            text,
            "この台帳のチェックポイントとして確認できません。鍵と署名を確認してください。",
        ),
        TreeError::NoWitness { .. } => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "witness-unknown",
            text,
            "設定（witnesses）にある立会人の副署がありません。",
        ),
        TreeError::Signed { .. } => {
            tracing::error!(error = text, "a checkpoint contradicts the ledger's tree");
            Problem::new(
                StatusCode::CONFLICT,
                "checkpoint-contradicts",
                text,
                "チェックポイントが台帳と一致しません。台帳が書き換えられた疑いがあります。",
            )
        }
        other => Problem::internal(other),
    }
}
