//! Who acts: the header `Iryonet-Actor`, never defaulted.

use super::problem::Problem;
use crate::client::{ACTOR_HEADER, percent_decode};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iryonet_domain::Actor;

/// The actor of an act. Whether this role may do it is the registry's word, so
/// that a refusal is recorded like every other.
#[derive(Debug, Clone)]
pub(crate) struct Acting(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(ACTOR_HEADER).iter();
        let Some(value) = values.next() else {
            return Err(Problem::bad_request(
                "actor-missing",
                "an act needs the header Iryonet-Actor: role:name, as operator:suzuki; it is never assumed",
                "操作にはヘッダー Iryonet-Actor: 役割:氏名（例 operator:suzuki）が必要です。省略はできません。",
            ));
        };
        if values.next().is_some() {
            return Err(bad("the header Iryonet-Actor stands there twice"));
        }
        let text = percent_decode(value.as_bytes())
            .ok_or_else(|| bad("it is not percent-encoded UTF-8"))?;
        let actor: Actor = text.parse().map_err(|error| bad(&format!("{error}")))?;
        Ok(Self(actor))
    }
}

fn bad(why: &str) -> Problem {
    Problem::bad_request(
        "actor-malformed",
        format!("the header Iryonet-Actor names no actor: {why}"),
        format!("ヘッダー Iryonet-Actor が正しくありません: {why}"),
    )
}
