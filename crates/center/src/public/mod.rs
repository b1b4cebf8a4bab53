//! The public listener, for those who have no certificate yet, and the one
//! without TLS for what is signed itself. It must not know operators or the
//! feed.

pub(crate) mod certificates;
pub(crate) mod enrol;
pub(crate) mod est;
pub(crate) mod ledger;

use crate::state::Center;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All paths of the public listener, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(enrol::enrol))
        .routes(routes!(est::cacerts))
        .routes(routes!(est::simpleenroll))
        .routes(routes!(est::simplereenroll))
        .merge(status_routes())
}

/// What needs no TLS: everything here is signed, and must be had without a
/// certificate whose status is asked for (RFC 5280 section 8).
pub(crate) fn status_routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(certificates::ca))
        .routes(routes!(certificates::crl))
        .routes(routes!(certificates::crl_of))
        .routes(routes!(certificates::ocsp))
        .routes(routes!(certificates::ocsp_in_path))
        .routes(routes!(ledger::checkpoint))
        .routes(routes!(ledger::tile))
}
