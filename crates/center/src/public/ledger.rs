//! The ledger's checkpoints and tiles for everybody: hashes and signatures, and
//! nothing that says who did what. Not even a guess at an entry can be checked
//! by them: every entry's hash covers that of the one before, and enrolment
//! codes and serial numbers, which nobody guesses, stand between.
//!
//! Outside witnesses and auditors see by them that the ledger only grows.

use crate::http::input::{Key, Query};
use crate::http::problem::Problem;
use crate::operator::checkpoints::{self, Which};
use crate::state::Center;
use axum::extract::State;
use axum::response::Response;
use iryonet_ledger::merkle::tile::TilePath;
use std::sync::Arc;

/// The last signed checkpoint of the ledger (C2SP tlog-checkpoint).
#[utoipa::path(get, path = "/ledger/checkpoint", tag = "public", params(Which), responses(
    (status = 200, description = "A signed note", body = String, content_type = "text/plain; charset=utf-8"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn checkpoint(
    state: State<Arc<Center>>,
    which: Query<Which>,
) -> Result<Response, Problem> {
    checkpoints::latest(state, which).await
}

/// A tile of the ledger's Merkle tree (C2SP tlog-tiles): hashes, 32 octets each.
#[utoipa::path(get, path = "/ledger/tile/{*tile}", tag = "public", params(
    ("tile" = String, Path, description = "LEVEL/INDEX or LEVEL/INDEX.p/WIDTH", example = "0/000.p/1"),
), responses(
    (status = 200, description = "Hashes", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn tile(
    state: State<Arc<Center>>,
    tile: Key<TilePath>,
) -> Result<Response, Problem> {
    checkpoints::tile(state, tile).await
}
