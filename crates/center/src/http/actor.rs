//! Who acts, and how far somebody sees. On the people's listener the session
//! says it; at the socket the header `Iryonet-Actor` does, never defaulted. A
//! request of neither is nobody's.

use super::problem::Problem;
use super::serve::OperatorPeer;
use crate::client::{ACTOR_HEADER, percent_decode};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iryonet_domain::{Actor, ParticipantNumber};
use iryonet_registry::permission::is_own;
use iryonet_registry::{Case, SpeaksFor};

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
    /// What is anybody's: of somebody who applies and is no participant yet.
    Applicant,
}

impl Reach {
    /// Is this participant within sight?
    pub(crate) fn sees(self, participant: ParticipantNumber) -> bool {
        match self {
            Self::Every => true,
            Self::Own(own) => own == participant,
            Self::Applicant => false,
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

/// How far somebody sees among cases: an officer the own ones. The people's
/// gate puts for whom it speaks; at the socket it is far.
#[derive(Debug, Clone)]
pub(crate) enum CaseSight {
    /// Every case.
    Every,
    /// What this officer sent in, and what is about whom it speaks for. The rest
    /// is not there.
    Officer {
        officer: Actor,
        speaks_for: Option<SpeaksFor>,
    },
}

impl CaseSight {
    /// Is this case within sight?
    pub(crate) fn sees(&self, case: &Case) -> bool {
        match self {
            Self::Every => true,
            Self::Officer {
                officer,
                speaks_for,
            } => is_own(case, officer, *speaks_for),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CaseSight {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Self>() {
            Some(sight) => Ok(sight.clone()),
            None if parts.extensions.get::<OperatorPeer>().is_some() => Ok(Self::Every),
            None => Err(Problem::no_such_path()),
        }
    }
}

/// Who asks, where it is known: at the socket a question may be nobody's.
#[derive(Debug, Clone)]
pub(crate) struct Asking(pub(crate) Option<Actor>);

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let said = parts.headers.contains_key(ACTOR_HEADER);
        if !said && parts.extensions.get::<OperatorPeer>().is_some() {
            return Ok(Self(None));
        }
        let Acting(actor) = Acting::from_request_parts(parts, state).await?;
        Ok(Self(Some(actor)))
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
