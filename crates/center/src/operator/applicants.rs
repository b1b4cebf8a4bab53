//! 公開名簿: institutions of the public lists, known to exist and no members by it.

use crate::http::actor::Reach;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{InstitutionCode, ParticipantNumber, Prefecture};
use iryonet_store::ApplicantQuery;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An institution of a public list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicantShown {
    /// 医療機関コード.
    code: String,
    name: String,
    postal: String,
    address: String,
    /// Since when the newest list names it no more, milliseconds since 1970.
    vanished_at: Option<u64>,
    /// The open participant that holds the code.
    participant: Option<u32>,
}

/// Institutions by code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicantList {
    applicants: Vec<ApplicantShown>,
}

/// Which institutions; all conditions together.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Part of the name; width of letters, their case and blanks do not matter.
    #[serde(default)]
    name: Option<String>,
    /// Digits that the code begins with.
    #[serde(default)]
    code: Option<String>,
    /// 都道府県, 1 to 47, as the code says it.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 47)]
    prefecture: Option<Prefecture>,
    /// Part of the address, or the beginning of the postal code.
    #[serde(default)]
    area: Option<String>,
    /// Begin after this code.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    after: Option<InstitutionCode>,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// Lists institutions of the public lists by code.
#[utoipa::path(get, path = "/v1/applicants", tag = "participants", params(Which), responses(
    (status = 200, body = ApplicantList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    _: Reach,
    Query(which): Query<Which>,
) -> Result<Json<ApplicantList>, Problem> {
    let query = ApplicantQuery {
        code: which.code,
        name: which.name,
        prefecture: which.prefecture,
        area: which.area,
    };
    let applicants = center
        .read(move |reader| {
            let found = reader.applicants(&query, which.after, which.limit as usize)?;
            let codes: Vec<InstitutionCode> = found.iter().map(|one| one.code).collect();
            let holders = reader.holders_of(&codes)?;
            Ok(found
                .into_iter()
                .map(|one| ApplicantShown {
                    code: one.code.to_string(),
                    participant: holders.get(&one.code).copied().map(ParticipantNumber::get),
                    name: one.name,
                    postal: one.postal,
                    address: one.address,
                    vanished_at: one.vanished_at.map(|at| at.0),
                })
                .collect())
        })
        .await?;
    Ok(Json(ApplicantList { applicants }))
}
