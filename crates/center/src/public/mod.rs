//! The public listener: TLS without a client certificate, for those who have
//! none yet. It must not know operators or the feed.

pub(crate) mod certificates;
pub(crate) mod enrol;
pub(crate) mod ledger;

use crate::state::Center;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All paths of the public listener, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(enrol::enrol))
        .routes(routes!(certificates::ca))
        .routes(routes!(certificates::crl))
        .routes(routes!(ledger::checkpoint))
        .routes(routes!(ledger::tile))
}
