//! 登録: a one-time code and a certificate request turn into a certificate.
//!
//! The rate of the peer's /64 comes before anything is read. The request is
//! read and its own signature checked whether or not the code is any good, so
//! that a broken request spends no code and the time that the answer takes
//! says little about the code (a code has 100 random bits: there is nothing to
//! learn by timing that could be used). The rest is [`crate::issuance`].

use crate::http::input::{parse_json, read_body};
use crate::http::problem::Problem;
use crate::http::serve::PublicPeer;
use crate::issuance::{self, Denied, Right, Taken};
use crate::state::{Center, refusal_problem};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use iryonet_authority::{EnrolmentCode, Issued};
use iryonet_domain::{DeviceId, GatewayId, NetworkPrefix, ParticipantNumber};
use iryonet_registry::{CodeHash, EnrolmentGrant, Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Largest body of an enrolment, in bytes.
const BODY_MAX_BYTES: usize = 32 << 10;

/// A code and a certificate request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolment {
    /// As it was handed out; case, dashes, blanks and full-width forms do not matter.
    #[schema(example = "7QK2M-9XBVT-40DGR-ZH5NC-W")]
    code: String,
    /// PKCS#10, PEM. Only its key is used.
    csr: String,
}

/// Enrolled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enrolled {
    /// The certificate and the issuing CA's, PEM.
    certificate_chain_pem: String,
    /// For a participant's device: whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, nullable = false)]
    participant: Option<ParticipantNumber>,
    /// For a participant's device: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, nullable = false)]
    device: Option<DeviceId>,
    /// For a gateway: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    gateway: Option<GatewayId>,
    /// Public keys that sign the policy, uncompressed points, hexadecimal.
    policy_keys: Vec<String>,
    /// The network's prefix.
    #[schema(value_type = String)]
    network: NetworkPrefix,
}

/// Turns a code and a certificate request into a certificate, once.
#[utoipa::path(post, path = "/v1/enrol", tag = "public", request_body = Enrolment, responses(
    (status = 200, body = Enrolled),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn enrol(
    State(center): State<Arc<Center>>,
    Extension(PublicPeer { address: peer, .. }): Extension<PublicPeer>,
    request: Request,
) -> Result<Json<Enrolled>, Problem> {
    issuance::within_rate(&center, peer.ip())?;
    let body = read_body(request, BODY_MAX_BYTES).await?;
    let wish: Enrolment = parse_json(&body)?;
    let code_hash = code_hash(&wish.code)?;
    let csr = issuance::read_request(wish.csr.into_bytes()).await?;
    match issuance::take(&center, Right::Code(code_hash), csr, peer.ip()).await {
        Ok(Taken { issued, grant }) => {
            tracing::info!(identity = %issued.identity, fingerprint = %issued.fingerprint, %peer, "enrolled");
            Ok(Json(answer(&center, *issued, &grant)))
        }
        Err(Denied::Problem(problem)) => Err(problem),
        Err(Denied::Refused { refusal, recorded }) => {
            tracing::warn!(code = refusal.code(), %peer, recorded = recorded.is_some(), "an enrolment was refused");
            let problem = forbidden(&refusal);
            Err(match recorded {
                Some(sequence) => problem.recorded(sequence),
                None => problem,
            })
        }
    }
}

/// The hash of what was typed.
pub(crate) fn code_hash(typed: &str) -> Result<CodeHash, Problem> {
    let code = EnrolmentCode::parse(typed).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "enrolment-code-malformed",
            error.to_string(),
            "登録コードの形が正しくありません。21 文字（XXXXX-XXXXX-XXXXX-XXXXX-X）をもう一度確かめてください。",
        )
    })?;
    CodeHash::try_from(code.hash()).map_err(|error| Problem::internal(&error))
}

fn answer(center: &Center, issued: Issued, grant: &EnrolmentGrant) -> Enrolled {
    let (participant, device, gateway) = match grant {
        EnrolmentGrant::Device {
            participant,
            device,
            ..
        } => (Some(*participant), Some(*device), None),
        EnrolmentGrant::Gateway(gateway) => (None, None, Some(gateway.gateway.clone())),
    };
    Enrolled {
        certificate_chain_pem: issued.chain_pem,
        participant,
        device,
        gateway,
        policy_keys: vec![hex::encode(center.signer.public_key())],
        network: center.config.network,
    }
}

/// To an applicant every refusal is "not with this code"; which one it is
/// helps the honest, and whoever can tell used codes from unknown ones already
/// holds one.
fn forbidden(refusal: &Refusal) -> Problem {
    refusal_problem(refusal).with_status(StatusCode::FORBIDDEN)
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment(code not shown)")
    }
}
