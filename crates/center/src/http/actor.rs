//! Who acts, and how far somebody sees. On the people's listener the session
//! says it; at the socket the header `Iryonet-Actor` does, never defaulted. A
//! request of neither is nobody's.

use super::problem::Problem;
use super::serve::OperatorPeer;
use crate::client::{ACTOR_HEADER, percent_decode};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iryonet_domain::{Actor, ParticipantNumber};

/// Who acts, as the session says. The people's gate puts it, and nobody else.
#[derive(Debug, Clone)]
pub(crate) struct Who(pub(crate) Actor);

/// How far somebody sees. The people's gate puts it; at the socket it is far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything.
    Every,
    /// What is this participant's. The rest is not there.
    Own(ParticipantNumber),
}

impl Reach {
    /// Is this participant within sight?
    pub(crate) fn sees(self, participant: ParticipantNumber) -> bool {
        match self {
            Self::Every => true,
            Self::Own(own) => own == participant,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reach {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Self>() {
            Some(reach) => Ok(*reach),
            None if parts.extensions.get::<OperatorPeer>().is_some() => Ok(Self::Every),
            None => Err(Problem::no_such_path()),
        }
    }
}

/// The actor of an act. Whether this role may do it is the registry's word, so
/// that a refusal is recorded like every other.
#[derive(Debug, Clone)]
pub(crate) struct Acting(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if let Some(Who(actor)) = parts.extensions.get::<Who>() {
            return Ok(Self(actor.clone()));
        }
        if parts.extensions.get::<OperatorPeer>().is_none() {
            return Err(Problem::no_such_path());
        }
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
