//! The acts and questions of the people who run and use the network: one file
//! per resource, served on the people's listener (in a session) and at the
//! break-glass socket. How to add one is said in [`crate::access`]. It must not
//! know the other listeners.

pub(crate) mod accounts;
pub(crate) mod agreements;
pub(crate) mod applicants;
pub(crate) mod cases;
pub(crate) mod checkpoints;
pub(crate) mod devices;
pub(crate) mod documents;
pub(crate) mod enforcement;
pub(crate) mod enrolment_codes;
pub(crate) mod explain;
pub(crate) mod gateways;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod lines;
pub(crate) mod openapi;
pub(crate) mod participants;
pub(crate) mod recheck;
pub(crate) mod rules;
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

/// A number or a time as the description has it (int64): no thing has a larger
/// one.
///
/// # Errors
/// When it is larger.
pub(crate) fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if i64::try_from(number).is_ok() {
        Ok(number)
    } else {
        Err(serde::de::Error::custom(format!(
            "{number} is larger than any number here (9223372036854775807 まで)"
        )))
    }
}

/// The same where it may be left out.
///
/// # Errors
/// When it is larger.
pub(crate) fn maybe_number<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    number(from).map(Some)
}

/// How many rows somebody wants: as many as there may be, and one at least.
///
/// # Errors
/// When it is another number.
pub(crate) fn limit<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let limit = u32::deserialize(from)?;
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(serde::de::Error::custom(format!(
            "limit is {limit}; a page has 1 to {PAGE_MAX} rows (1〜{PAGE_MAX} を指定してください)"
        )))
    }
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Begin after this number; 0 for the beginning.
    #[serde(default, deserialize_with = "number")]
    pub(crate) after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "page", deserialize_with = "limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: u32,
}

impl Page {
    pub(crate) fn rows(&self) -> usize {
        self.limit as usize
    }
}

/// An act is done, recorded and on its way to the gateways.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// The ledger entry, and thereby the revision, of the act.
    pub(crate) sequence: u64,
}

/// All paths of both, with their description.
pub(crate) fn routes() -> OpenApiRouter<Arc<Center>> {
    OpenApiRouter::default()
        .routes(routes!(gateways::list, gateways::register))
        .routes(routes!(participants::list, participants::admit))
        .routes(routes!(participants::show))
        .routes(routes!(history::of_participant))
        .routes(routes!(applicants::list))
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
        .routes(routes!(services::show))
        .routes(routes!(services::change_endpoints))
        .routes(routes!(services::change_offer))
        .routes(routes!(services::retire))
        .routes(routes!(agreements::list, agreements::propose))
        .routes(routes!(agreements::show))
        .routes(routes!(agreements::accept))
        .routes(routes!(agreements::end))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::grant))
        .routes(routes!(accounts::take))
        .routes(routes!(accounts::bind))
        .routes(routes!(accounts::lock_account))
        .routes(routes!(accounts::unlock))
        .routes(routes!(accounts::retire))
        .routes(routes!(accounts::link))
        .routes(routes!(accounts::unlink))
        .routes(routes!(accounts::login_code))
        .merge(case_routes())
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

/// The life of a connection.
fn case_routes() -> OpenApiRouter<Arc<Center>> {
    use cases::{acts, checks, list, receive, show};
    OpenApiRouter::default()
        .routes(routes!(list::list, receive::receive))
        .routes(routes!(show::show))
        .routes(routes!(receive::resubmit))
        .routes(routes!(acts::withdraw))
        .routes(routes!(acts::give_back))
        .routes(routes!(acts::accept))
        .routes(routes!(acts::begin))
        .routes(routes!(acts::judge))
        .routes(routes!(acts::conclude))
        .routes(routes!(acts::send_back))
        .routes(routes!(acts::approve))
        .routes(routes!(acts::reject))
        .routes(routes!(acts::test))
        .routes(routes!(acts::open))
        .routes(routes!(acts::carry_out))
        .routes(routes!(acts::lapse))
        .routes(routes!(acts::evidence))
        .routes(routes!(checks::ask))
        .routes(routes!(documents::hand_in))
        .routes(routes!(documents::show))
        .routes(routes!(rules::list, rules::publish))
        .routes(routes!(rules::show))
        .routes(routes!(rules::reexaminations))
        .routes(routes!(recheck::show))
        .routes(routes!(recheck::confirm))
        .routes(routes!(recheck::dismiss))
}
