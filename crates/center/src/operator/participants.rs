//! 参加者: admission, quarantine, closing.

use super::{Done, Page};
use crate::http::actor::{Acting, Reach};
use crate::http::input::{Body, Key, Query};
use crate::http::problem::Problem;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::{GatewayId, InstitutionCode, ParticipantKind, ParticipantNumber, Prefecture};
use iryonet_registry::command::Home;
use iryonet_registry::{Command, Event, Participant, Standing};
use iryonet_store::ParticipantQuery;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Somebody to be admitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewParticipant {
    /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
    #[schema(value_type = String, example = "clinic")]
    kind: ParticipantKind,
    /// Name as the institution writes it, at most 120 characters.
    name: String,
    /// 医療機関コード, ten digits, full-width or not.
    #[serde(default)]
    #[schema(example = "0111234560")]
    code: Option<String>,
    /// Home gateway: the number comes from one of its blocks. Either this or `block`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gateway: Option<GatewayId>,
    /// Exactly this block.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    block: Option<u8>,
}

/// Admitted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParticipantAdmitted {
    sequence: u64,
    /// The number, for ever.
    #[schema(value_type = u32)]
    number: ParticipantNumber,
    /// Its /56.
    prefix: String,
}

/// A participant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParticipantShown {
    #[schema(value_type = u32)]
    number: ParticipantNumber,
    /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
    kind: String,
    name: String,
    /// 医療機関コード.
    code: Option<String>,
    /// admitted, open, suspended, on-hold, quarantined or closed.
    standing: &'static str,
    /// Its /56.
    prefix: String,
    /// Milliseconds since 1970.
    admitted_at: u64,
}

/// Participants by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParticipantList {
    participants: Vec<ParticipantShown>,
}

/// A participant with its sites, lines and devices.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParticipantInFull {
    #[serde(flatten)]
    participant: ParticipantShown,
    membership: MembershipShown,
    sites: Vec<SiteShown>,
    lines: Vec<LineShown>,
    devices: Vec<super::devices::DeviceShown>,
}

/// What is known of a membership beyond its name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembershipShown {
    /// 担当者.
    officer: Option<super::cases::shapes::OfficerShape>,
    /// 都道府県, 1 to 47: as its code says it, or as stated.
    area: Option<u32>,
    /// The version of the rules under which it was examined last.
    examined: Option<u32>,
    /// When its connection was opened, milliseconds since 1970.
    opened_at: Option<u64>,
    /// Codes that it had before its present one, oldest first.
    former_codes: Vec<FormerCodeShown>,
    /// 保留: why the daily re-check holds it back.
    on_hold_for: Vec<&'static str>,
    /// When a re-check that still finds it invalid closes it, milliseconds since 1970.
    closes_at: Option<u64>,
}

/// A code of the past.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormerCodeShown {
    /// None for a time in which it had none.
    code: Option<String>,
    /// Milliseconds since 1970.
    from: u64,
    /// Milliseconds since 1970, not included.
    until: u64,
}

impl MembershipShown {
    fn new(participant: &Participant) -> Self {
        let membership = &participant.membership;
        let hold = membership.hold.as_ref();
        Self {
            officer: membership.officer.clone().map(Into::into),
            area: participant
                .prefecture()
                .map(|area| u32::from(area.number())),
            examined: membership.examined.map(|version| version.0),
            opened_at: membership.opened_at.map(|at| at.0),
            former_codes: membership
                .former_codes
                .iter()
                .map(|former| FormerCodeShown {
                    code: former.code.map(|code| code.to_string()),
                    from: former.from.0,
                    until: former.until.0,
                })
                .collect(),
            on_hold_for: hold
                .iter()
                .flat_map(|hold| &hold.reasons)
                .map(|reason| reason.as_str())
                .collect(),
            closes_at: hold.and_then(|hold| hold.close_at).map(|at| at.0),
        }
    }
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteShown {
    /// Index within the participant.
    #[schema(value_type = u32)]
    site: u8,
    name: String,
    /// Its /64.
    prefix: String,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineShown {
    line: u32,
    /// ethernet, ip-vpn, ipsec or tls.
    kind: &'static str,
    #[schema(value_type = u32)]
    site: u8,
    /// The gateway that ends it.
    #[schema(value_type = String)]
    gateway: GatewayId,
    /// The attachment circuit's interface there.
    interface: String,
}

/// Why something is done to a participant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithReason {
    /// For the record, at most 400 characters.
    pub(crate) reason: String,
}

/// Closing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closing {
    /// For the record, at most 400 characters.
    #[serde(default = "no_reason")]
    reason: String,
}

fn no_reason() -> String {
    "no reason given".to_owned()
}

/// Nothing needs saying.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Which participants; all conditions together.
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
    /// 都道府県, 1 to 47, as the participant stated it or as its code says it.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 47)]
    prefecture: Option<Prefecture>,
    /// Part of the prefecture's name, or of the address that a public list gives
    /// for the code.
    #[serde(default)]
    area: Option<String>,
    /// Only of this standing, as on-hold.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    standing: Option<Standing>,
    /// Begin after this number; 0 for the beginning.
    #[serde(default, deserialize_with = "super::number")]
    after: u64,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// Lists participants by number.
#[utoipa::path(get, path = "/v1/participants", tag = "participants", params(Which), responses(
    (status = 200, body = ParticipantList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Query(which): Query<Which>,
) -> Result<Json<ParticipantList>, Problem> {
    let page = Page {
        after: which.after,
        limit: which.limit,
    };
    let query = ParticipantQuery {
        code: which.code,
        name: which.name,
        prefecture: which.prefecture,
        area: which.area,
        standing: which.standing,
    };
    let network = center.config.network;
    let after = u32::try_from(page.after)
        .ok()
        .and_then(|number| ParticipantNumber::new(number).ok());
    if after.is_none() && page.after != 0 {
        // Nobody stands after the last number.
        return Ok(Json(ParticipantList {
            participants: Vec::new(),
        }));
    }
    let participants = center
        .read(move |reader| match reach {
            Reach::Every => reader.participants(&query, after, page.rows()),
            // The one that it is; a condition may leave even that out.
            Reach::Own(own) if after.is_some_and(|after| own <= after) => Ok(Vec::new()),
            Reach::Own(own) => {
                let before = own.get().checked_sub(1);
                let before = before.and_then(|number| ParticipantNumber::new(number).ok());
                let mut found = reader.participants(&query, before, 1)?;
                found.retain(|participant| participant.number == own);
                Ok(found)
            }
            Reach::Applicant => Ok(Vec::new()),
        })
        .await?
        .into_iter()
        .map(|participant| shown(participant, network))
        .collect();
    Ok(Json(ParticipantList { participants }))
}

fn shown(participant: Participant, network: iryonet_domain::NetworkPrefix) -> ParticipantShown {
    ParticipantShown {
        number: participant.number,
        kind: participant.kind.as_str().to_owned(),
        name: participant.name,
        code: participant.code.map(|code| code.to_string()),
        standing: participant.standing.as_str(),
        prefix: prefix_56(network.participant(participant.number)),
        admitted_at: participant.admitted_at.0,
    }
}

fn prefix_56(address: Ipv6Addr) -> String {
    format!("{address}/56")
}

/// Admits an institution or provider; its number is given by the registry.
#[utoipa::path(post, path = "/v1/participants", tag = "participants", request_body = NewParticipant,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said")),
    responses(
        (status = 200, body = ParticipantAdmitted),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn admit(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Body(wish): Body<NewParticipant>,
) -> Result<Json<ParticipantAdmitted>, Problem> {
    let code = match wish.code.as_deref() {
        None => None,
        Some(text) => Some(InstitutionCode::parse(text).map_err(|error| {
            Problem::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "code-malformed",
                format!("{text:?} is no institution code: {error}"),
                format!("医療機関コード {text:?} が正しくありません: {error}"),
            )
        })?),
    };
    let home = match (wish.gateway, wish.block) {
        (Some(gateway), None) => Home::Gateway(gateway),
        (None, Some(block)) => Home::Block(block),
        _ => {
            return Err(Problem::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "home-unclear",
                "a participant is at home at a gateway or in a block: say exactly one of gateway and block",
                "参加者の収容先は gateway か block のどちらか一つを指定してください。",
            ));
        }
    };
    let recorded = center
        .act(
            actor,
            Command::AdmitParticipant {
                kind: wish.kind,
                name: wish.name,
                code,
                home,
            },
        )
        .await?;
    let number = recorded.find("participant-admitted", |event| match event {
        Event::ParticipantAdmitted { number, .. } => Some(*number),
        _ => None,
    })?;
    Ok(Json(ParticipantAdmitted {
        sequence: recorded.sequence,
        number,
        prefix: prefix_56(center.config.network.participant(number)),
    }))
}

/// Shows one participant with its sites, lines and devices.
#[utoipa::path(get, path = "/v1/participants/{number}", tag = "participants",
    params(("number" = u32, Path, description = "Participant number")),
    responses(
        (status = 200, body = ParticipantInFull),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Key(number): Key<ParticipantNumber>,
) -> Result<Json<ParticipantInFull>, Problem> {
    if !reach.sees(number) {
        return Err(Problem::unknown("participant", "参加者", number));
    }
    let network = center.config.network;
    let now = crate::clock::now();
    let found = center
        .read(move |reader| {
            let Some(participant) = reader.participant(number)? else {
                return Ok(None);
            };
            let sites = reader
                .sites_of(number)?
                .into_iter()
                .map(|site| SiteShown {
                    site: site.site,
                    name: site.name,
                    prefix: network.site(number, site.site).to_string(),
                })
                .collect();
            let lines = reader
                .lines_of(number)?
                .into_iter()
                .map(|line| LineShown {
                    line: line.line.0,
                    kind: line.kind.as_str(),
                    site: line.site,
                    gateway: line.circuit.gateway,
                    interface: line.circuit.interface,
                })
                .collect();
            let devices = reader
                .devices(number, None, super::PAGE_MAX as usize)?
                .into_iter()
                .map(|device| super::devices::shown(device, now))
                .collect();
            Ok(Some(ParticipantInFull {
                membership: MembershipShown::new(&participant),
                participant: shown(participant, network),
                sites,
                lines,
                devices,
            }))
        })
        .await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::unknown("participant", "参加者", number))
}

/// 隔離: cuts a participant off at once and keeps everything else.
#[utoipa::path(post, path = "/v1/participants/{number}/quarantine", tag = "participants",
    request_body = WithReason,
    params(
        ("number" = u32, Path, description = "Participant number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn quarantine(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(participant): Key<ParticipantNumber>,
    Body(wish): Body<WithReason>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::QuarantineParticipant {
                participant,
                reason: wish.reason,
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}

/// Ends a quarantine.
#[utoipa::path(post, path = "/v1/participants/{number}/release", tag = "participants",
    request_body = Nothing,
    params(
        ("number" = u32, Path, description = "Participant number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn release(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(participant): Key<ParticipantNumber>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Done>, Problem> {
    center
        .act(actor, Command::ReleaseParticipant { participant })
        .await
        .map(|recorded| Json(recorded.done()))
}

/// 閉鎖: ends a participant's agreements, services, lines and devices, for ever.
#[utoipa::path(post, path = "/v1/participants/{number}/close", tag = "participants",
    request_body = Closing,
    params(
        ("number" = u32, Path, description = "Participant number"),
        ("iryonet-actor" = Option<String>, Header, description = "Who acts, as operator:suzuki; on the socket only, where it must be said"),
    ),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn close(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    Key(participant): Key<ParticipantNumber>,
    Body(wish): Body<Closing>,
) -> Result<Json<Done>, Problem> {
    center
        .act(
            actor,
            Command::CloseParticipant {
                participant,
                reason: wish.reason,
            },
        )
        .await
        .map(|recorded| Json(recorded.done()))
}
