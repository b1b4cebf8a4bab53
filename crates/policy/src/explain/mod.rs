//! "Why can A (not) reach B?" in one answer.
//!
//! Whether a packet passes is not computed here: the first packet of the
//! conversation is made and put before the verdict that the gateways run, once
//! at the gateway of the asking side and once at the gateway of the other (two
//! locks on every path), with tables filled from the model as a gateway would.
//! What is computed here is what to tell a person: the agreement that opens
//! the path, or all that stands in its way.
//!
//! The answer is about policy: it takes for granted that sites with a line and
//! a valid certificate are attached, and that gateways have the latest feed.
//! What a gateway really holds and refuses is told by its `drops`.

mod finding;
mod probe;
mod target;

pub use finding::Finding;
pub use target::{Target, TargetError};

use crate::model::Model;
use crate::records::{Agreement, NotOpen, Participant, Purposes, Stage};
use iryonet_domain::{
    AgreementId, Endpoint, GatewayId, ParticipantNumber, Purpose, ServiceId, SiteIndex, UnixMillis,
};
use iryonet_verdict::Hook;
use iryonet_wire::feed::Condition;
use serde::{Serialize, Serializer};

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who asks.
    pub from: ParticipantNumber,
    /// For what.
    pub to: Target,
    /// May its packets reach all of it?
    pub reachable: bool,
    /// The service that is asked for or stands at the endpoint.
    pub service: Option<ServiceFacts>,
    /// The open agreement of the two about it, in force or not.
    pub agreement: Option<AgreementFacts>,
    /// What each lock said about the first packet, endpoint by endpoint.
    pub checks: Vec<Check>,
    /// All that stands in the way, what decides first. Empty when reachable.
    pub findings: Vec<Found>,
    /// The answer in a sentence.
    pub english: String,
    /// The answer in a sentence.
    pub japanese: String,
}

/// A service, as far as an explanation names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceFacts {
    /// Number.
    pub service: ServiceId,
    /// Name.
    pub name: String,
    /// Who runs it.
    pub provider: ParticipantNumber,
}

/// An agreement, as far as an explanation names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgreementFacts {
    /// Number.
    pub agreement: AgreementId,
    /// What for.
    pub purpose: Purpose,
    /// First millisecond of its validity.
    pub from: UnixMillis,
    /// First millisecond after it.
    pub until: UnixMillis,
    /// Have both sides said yes?
    pub accepted: bool,
}

/// What one lock said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// To which endpoint the packet went.
    #[serde(serialize_with = "text")]
    pub endpoint: Endpoint,
    /// At which gateway; nobody's when the participant has no line.
    pub gateway: Option<GatewayId>,
    /// `line-in` at the asking side, `line-out` at the other.
    pub hook: &'static str,
    /// `pass`, or the reason as the gateway counts it.
    pub verdict: &'static str,
}

/// A finding with its sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// In a sentence.
    pub english: String,
    /// In a sentence.
    pub japanese: String,
}

impl Model {
    /// Says whether `from` may reach the target at `now`, and why.
    #[must_use]
    pub fn explain(&self, from: ParticipantNumber, to: Target, now: UnixMillis) -> Explanation {
        let endpoints = match to {
            Target::Endpoint(endpoint) => vec![endpoint],
            Target::Service(id) => {
                let service = self.services.get(&id);
                service.map(|s| s.endpoints.clone()).unwrap_or_default()
            }
        };
        let mut checks = Vec::new();
        let mut findings = Vec::new();
        for &endpoint in &endpoints {
            let locks = probe::probe(self, from, endpoint, now);
            let refused = locks.iter().find_map(|lock| lock.verdict.err());
            if let Some(reason) = refused
                && findings.is_empty()
            {
                findings = self.obstacles(from, endpoint, now);
                if findings.is_empty() {
                    findings.push(Finding::Refused {
                        reason: reason.as_str(),
                    });
                }
            }
            checks.extend(locks.into_iter().map(|lock| Check {
                endpoint,
                gateway: lock.gateway,
                hook: lock.hook.as_str(),
                verdict: lock.verdict.err().map_or("pass", |reason| reason.as_str()),
            }));
        }
        if let (Target::Service(service), true) = (to, endpoints.is_empty()) {
            findings.push(Finding::UnknownService { service });
        }
        let service = match to {
            Target::Service(id) => Some(id),
            Target::Endpoint(endpoint) => self.endpoints.get(&endpoint).copied(),
        };
        let agreement = service.and_then(|id| self.agreement(from, id));
        let agreement = agreement.map(|known| agreement_facts(known, &self.purposes));
        let (english, japanese) = finding::sum_up(from, agreement.as_ref(), &findings);
        Explanation {
            from,
            to,
            reachable: findings.is_empty(),
            service: service.and_then(|id| self.service_facts(id)),
            agreement,
            checks,
            findings: findings.into_iter().map(Found::from).collect(),
            english,
            japanese,
        }
    }

    /// All that stands between a participant and an endpoint, in the order in
    /// which the verdict meets it.
    fn obstacles(
        &self,
        from: ParticipantNumber,
        endpoint: Endpoint,
        now: UnixMillis,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.participants.get(from) {
            None => findings.push(Finding::UnknownParticipant { participant: from }),
            Some(asking) => {
                obstacles_of(from, asking, now, &mut findings);
                if asking.lines.is_empty() {
                    findings.push(Finding::NoLine {
                        participant: from,
                        site: None,
                    });
                }
            }
        }
        let owner = match self.network.owner(endpoint.address) {
            None => {
                findings.push(Finding::OutsideNetwork);
                return findings;
            }
            Some(None) => {
                findings.push(Finding::Infrastructure);
                return findings;
            }
            Some(Some(owner)) => owner,
        };
        let Some(&service) = self.endpoints.get(&endpoint) else {
            let offered: Vec<Endpoint> = self.offered_at(endpoint).map(|(e, _)| e).collect();
            findings.push(if offered.is_empty() {
                Finding::NoSuchService
            } else {
                Finding::WrongPort { offered }
            });
            return findings;
        };
        match self.agreement(from, service) {
            None => findings.push(Finding::NoAgreement {
                service,
                provider: owner,
            }),
            Some(known) => findings.extend(obstacle_of(from, owner, known, now)),
        }
        if let Some(other) = self.participants.get(owner)
            && owner != from
        {
            obstacles_of(owner, other, now, &mut findings);
        }
        let site = site_of(endpoint);
        if self.line_of(owner, Some(site)).is_none() {
            findings.push(Finding::NoLine {
                participant: owner,
                site: Some(site),
            });
        }
        findings
    }

    /// All endpoints at the address of this one, with their services.
    fn offered_at(&self, endpoint: Endpoint) -> impl Iterator<Item = (Endpoint, ServiceId)> + '_ {
        let first = Endpoint {
            protocol: iryonet_domain::Protocol::Tcp,
            port: 0,
            ..endpoint
        };
        (self.endpoints.range(first..))
            .take_while(move |(other, _)| other.address == endpoint.address)
            .map(|(other, service)| (*other, *service))
    }

    /// A participant's line: at this site, or the one of its lowest site.
    fn line_of(
        &self,
        number: ParticipantNumber,
        site: Option<SiteIndex>,
    ) -> Option<(SiteIndex, &GatewayId)> {
        let owner = self.participants.get(number)?;
        (owner.lines.iter())
            .filter_map(|at| self.lines.get(&at.line))
            .filter(|line| site.is_none_or(|site| line.site == site))
            .min_by_key(|line| line.site)
            .and_then(|line| Some((line.site, self.gateway_name(line.gateway)?)))
    }

    fn service_facts(&self, id: ServiceId) -> Option<ServiceFacts> {
        let service = self.services.get(&id)?;
        Some(ServiceFacts {
            service: id,
            name: service.name.to_string(),
            provider: service.provider,
        })
    }
}

fn obstacles_of(
    participant: ParticipantNumber,
    known: &Participant,
    now: UnixMillis,
    findings: &mut Vec<Finding>,
) {
    match known.condition() {
        Condition::Closed => findings.push(Finding::Closed { participant }),
        Condition::Quarantined => findings.push(Finding::Quarantined { participant }),
        Condition::NoDevice | Condition::Live | Condition::NotOpen => {}
    }
    match known.not_open {
        Some(NotOpen::Admitted) => findings.push(Finding::NotOpenYet { participant }),
        Some(NotOpen::Suspended) => findings.push(Finding::Suspended { participant }),
        Some(NotOpen::OnHold) => findings.push(Finding::OnHold { participant }),
        None => {}
    }
    if known.devices.is_empty() {
        findings.push(Finding::NoDevice { participant });
    } else if !has_valid_device(known, now) {
        findings.push(Finding::DevicesRunOut { participant });
    }
}

/// What keeps an agreement from being in force.
fn obstacle_of(
    participant: ParticipantNumber,
    provider: ParticipantNumber,
    known: &Agreement,
    now: UnixMillis,
) -> Option<Finding> {
    let agreement = known.agreement;
    match known.stage {
        Stage::ProposedByParticipant => Some(Finding::NotAccepted {
            agreement,
            waiting_for: provider,
        }),
        Stage::ProposedByProvider => Some(Finding::NotAccepted {
            agreement,
            waiting_for: participant,
        }),
        Stage::Accepted if now < known.from => Some(Finding::NotYetValid {
            agreement,
            from: known.from,
        }),
        Stage::Accepted if now >= known.until => Some(Finding::NoLongerValid {
            agreement,
            until: known.until,
        }),
        Stage::Accepted => None,
    }
}

fn has_valid_device(known: &Participant, now: UnixMillis) -> bool {
    known.devices.iter().any(|device| now < device.not_after)
}

/// Which /64 of its owner the endpoint stands in.
fn site_of(endpoint: Endpoint) -> SiteIndex {
    let [.., site, _, _, _, _, _, _, _, _] = endpoint.address.octets();
    site
}

fn agreement_facts(known: &Agreement, purposes: &Purposes) -> AgreementFacts {
    AgreementFacts {
        agreement: known.agreement,
        purpose: purposes.word_of(known.purpose),
        from: known.from,
        until: known.until,
        accepted: known.stage == Stage::Accepted,
    }
}

/// As people write it.
fn text<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// The hooks that a packet between two participants passes.
const LOCKS: [Hook; 2] = [Hook::LineIn, Hook::LineOut];
