//! 登録: a one-time code and a certificate request turn into a certificate.
//!
//! Order and limits, and why:
//! 1. the rate of the peer's /64, before anything is read;
//! 2. the request is read and its own signature checked whether or not the code
//!    is any good, so that a broken request spends no code and the time that
//!    the answer takes says little about the code (a code has 100 random bits:
//!    there is nothing to learn by timing that could be used);
//! 3. one store transaction: code checked, certificate made and linted,
//!    enrolment recorded, committed; only then does the certificate leave.
//!
//! A refused code is recorded in the ledger, but within a rate of its own:
//! guesses cannot fill the disk. What is beyond that rate is in the log only.

use crate::clock;
use crate::http::input::{parse_json, read_body};
use crate::http::problem::Problem;
use crate::http::serve::PublicPeer;
use crate::state::{Center, lock, refusal_problem};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use iryonet_authority::profile::ServerNames;
use iryonet_authority::{Csr, EnrolmentCode, Issued, Profile};
use iryonet_domain::{Actor, DeviceId, GatewayId, NetworkPrefix, ParticipantNumber, Role};
use iryonet_registry::{
    CertificateFacts, CodeHash, Command, DecideError, EnrolmentGrant, Refusal, Serial, enrolment,
};
use iryonet_store::{Outcome, Recorded, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use utoipa::ToSchema;

/// Largest body of an enrolment, in bytes.
const BODY_MAX_BYTES: usize = 32 << 10;
/// Refused codes of one peer that are recorded at once, and per second after.
pub(crate) const GUESSES_OF_PEER: (u32, u32) = (20, 1);
/// The same for all peers together: at most some 86,400 entries a day, of less
/// than 1 KiB each, whatever anybody does.
pub(crate) const GUESSES_OF_ALL: (u32, u32) = (600, 1);

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
    Extension(PublicPeer(peer)): Extension<PublicPeer>,
    request: Request,
) -> Result<Json<Enrolled>, Problem> {
    let now = clock::now();
    lock(&center.enrol_rates)
        .take(peer.ip(), now.0)
        .map_err(too_many)?;
    let body = read_body(request, BODY_MAX_BYTES).await?;
    let wish: Enrolment = parse_json(&body)?;
    let code = EnrolmentCode::parse(&wish.code).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "enrolment-code-malformed",
            error.to_string(),
            "登録コードの形が正しくありません。21 文字（XXXXX-XXXXX-XXXXX-XXXXX-X）をもう一度確かめてください。",
        )
    })?;
    let csr = crate::state::blocking(move || Csr::parse(wish.csr.as_bytes()))
        .await?
        .map_err(|error| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "request-unacceptable",
                format!("the certificate request cannot be taken: {error}"),
                format!("証明書要求を受け付けられません: {error}"),
            )
        })?;
    let code_hash = CodeHash::try_from(code.hash()).map_err(|error| Problem::internal(&error))?;

    let maker = Arc::clone(&center);
    let tried = center
        .transact(move |transaction| attempt(&maker, transaction, &code_hash, &csr, peer.ip()))
        .await?;
    match tried {
        Tried::Enrolled {
            issued,
            grant,
            recorded,
        } => {
            center.outcome(recorded).await?;
            tracing::info!(identity = %issued.identity, fingerprint = %issued.fingerprint, %peer, "enrolled");
            Ok(Json(answer(&center, *issued, &grant)))
        }
        Tried::Refused { refusal, recorded } => {
            tracing::warn!(code = refusal.code(), %peer, recorded = recorded.is_some(), "an enrolment was refused");
            let problem = forbidden(&refusal);
            Err(match recorded {
                Some(sequence) => problem.recorded(sequence),
                None => problem,
            })
        }
    }
}

enum Tried {
    Enrolled {
        issued: Box<Issued>,
        grant: EnrolmentGrant,
        recorded: Recorded,
    },
    Refused {
        refusal: Refusal,
        recorded: Option<u64>,
    },
}

/// Runs inside the transaction.
fn attempt(
    center: &Center,
    transaction: &mut dyn Transaction,
    code_hash: &CodeHash,
    csr: &Csr,
    peer: IpAddr,
) -> Result<Tried, StoreError> {
    let now = clock::now();
    let actor = acting_for(center)?;
    let grant = match enrolment::check(transaction, code_hash, now) {
        Ok(grant) => grant,
        Err(DecideError::View(error)) => return Err(error.into()),
        Err(DecideError::Refused(refusal)) => {
            let everybody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            let recorded = if lock(&center.guess_rates).take(peer, now.0).is_ok()
                && lock(&center.guess_total).take(everybody, now.0).is_ok()
            {
                let command = Command::PresentEnrolmentCode {
                    code_hash: code_hash.clone(),
                };
                Some(transaction.record(&actor, &command, now)?.sequence)
            } else {
                None
            };
            return Ok(Tried::Refused { refusal, recorded });
        }
    };
    let life_ms = u64::from(center.config.certificate_days) * 86_400_000;
    let issued = iryonet_authority::issue(
        &center.issuing,
        &profile(&grant),
        csr,
        Some(life_ms),
        now,
        &mut rand::rng(),
    )
    .map_err(StoreError::given_up)?;
    let certificate = CertificateFacts {
        fingerprint: issued.fingerprint,
        serial: Serial::from_octets(issued.serial.as_bytes()).map_err(StoreError::given_up)?,
        not_before: issued.not_before,
        not_after: issued.not_after,
    };
    let command = match &grant {
        EnrolmentGrant::Device { device, .. } => Command::EnrolDevice {
            code_hash: code_hash.clone(),
            device: *device,
            certificate,
        },
        EnrolmentGrant::Gateway(_) => Command::CertifyGateway {
            code_hash: code_hash.clone(),
            certificate,
        },
    };
    let recorded = transaction.record(&actor, &command, now)?;
    if let Outcome::Refused(refusal) = &recorded.outcome {
        // The certificate is dropped here; nobody has seen it.
        return Ok(Tried::Refused {
            refusal: refusal.clone(),
            recorded: Some(recorded.sequence),
        });
    }
    Ok(Tried::Enrolled {
        issued: Box::new(issued),
        grant,
        recorded,
    })
}

/// Whoever shows a code acts through the center: the code says for whom.
fn acting_for(center: &Center) -> Result<Actor, StoreError> {
    Actor::new(Role::System, center.config.name.as_str()).map_err(StoreError::given_up)
}

fn profile(grant: &EnrolmentGrant) -> Profile {
    match grant {
        EnrolmentGrant::Device {
            participant,
            device,
            kind,
            name,
            code,
        } => Profile::Institution {
            number: *participant,
            device: *device,
            name: name.clone(),
            kind: *kind,
            code: code.map(|code| code.to_string()),
        },
        EnrolmentGrant::Gateway(gateway) => Profile::Gateway {
            id: gateway.gateway.clone(),
            names: ServerNames {
                dns: Vec::new(),
                addresses: vec![IpAddr::V6(gateway.backbone)],
            },
        },
    }
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

fn too_many(wait_s: u32) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-enrolments",
        format!("too many enrolments come from this address; try again in {wait_s} s"),
        format!("このアドレスからの登録が多すぎます。{wait_s} 秒後に再度実行してください。"),
    )
    .retry_after(wait_s)
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment(code not shown)")
    }
}
