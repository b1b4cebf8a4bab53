//! The operators' listener: every act and every question of the people who run
//! the network. One file per resource. It must not know the other listeners.

pub(crate) mod agreements;
pub(crate) mod checkpoints;
pub(crate) mod devices;
pub(crate) mod enforcement;
pub(crate) mod enrolment_codes;
pub(crate) mod explain;
pub(crate) mod gateways;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod lines;
pub(crate) mod openapi;
pub(crate) mod participants;
pub(crate) mod services;
pub(crate) mod sites;

use crate::state::Center;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Most rows of one page of any list.
pub(crate) const PAGE_MAX: u32 = 1_000;

pub(crate) fn page() -> u32 {
    100
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Begin after this number; 0 for the beginning.
    #[serde(default)]
    pub(crate) after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "page")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: u32,
}

impl Page {
    pub(crate) fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX) as usize
    }
}

/// An act is done, recorded and on its way to the gateways.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// The ledger entry, and thereby the revision, of the act.
    pub(crate) sequence: u64,
}

/// All paths of the operators' listener, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(gateways::list, gateways::register))
        .routes(routes!(participants::list, participants::admit))
        .routes(routes!(participants::show))
        .routes(routes!(participants::quarantine))
        .routes(routes!(participants::release))
        .routes(routes!(participants::close))
        .routes(routes!(sites::add))
        .routes(routes!(lines::add))
        .routes(routes!(lines::remove))
        .routes(routes!(enrolment_codes::issue))
        .routes(routes!(devices::list))
        .routes(routes!(devices::revoke))
        .routes(routes!(services::list, services::register))
        .routes(routes!(services::change_endpoints))
        .routes(routes!(services::retire))
        .routes(routes!(agreements::list, agreements::propose))
        .routes(routes!(agreements::accept))
        .routes(routes!(agreements::end))
        .routes(routes!(explain::explain))
        .routes(routes!(enforcement::enforcement))
        .routes(routes!(ledger::entries))
        .routes(routes!(checkpoints::latest))
        .routes(routes!(checkpoints::tile))
        .routes(routes!(checkpoints::proof))
        .routes(routes!(checkpoints::request))
        .routes(routes!(checkpoints::export))
        .routes(routes!(checkpoints::attach))
        .routes(routes!(health::health))
        .routes(routes!(openapi::description))
}
