//! Random histories, as the registry would let them happen.

use super::*;
use iryonet_registry::{AgreementState, Event, MembershipEvent, RecheckEvent, Standing};
use proptest::prelude::*;

/// One act as three random bytes; what it means depends on what there is.
pub(crate) type Act = (u8, u8, u8);

const PARTICIPANTS_MAX: usize = 7;
const SERVICES_MAX: usize = 5;

fn pick<T: Clone>(list: impl IntoIterator<Item = T>, by: u8) -> Option<T> {
    let list: Vec<T> = list.into_iter().collect();
    list.get(usize::from(by) % list.len().max(1)).cloned()
}

/// The events of an act, as the registry would decide it; none where it would
/// refuse. Applied to `plain` at once, so that acts of one entry build on each other.
pub(crate) fn act(plain: &mut Plain, (kind, a, b): Act) -> Vec<Event> {
    let open = |plain: &Plain| -> Vec<ParticipantNumber> {
        (plain.participants.iter())
            .filter(|(_, standing)| **standing != Standing::Closed)
            .map(|(n, _)| *n)
            .collect()
    };
    let mut events = Vec::new();
    match kind % 18 {
        0 if plain.participants.len() < PARTICIPANTS_MAX => {
            // Two blocks, and the edge of a page.
            let n = if a % 2 == 0 { 0x01_00fd } else { 0x02_0000 } + plain.next();
            events.push(Event::ParticipantAdmitted {
                number: number(n),
                kind: ParticipantKind::Provider,
                name: "名".into(),
                code: None,
                area: None,
            });
        }
        1 if plain.gateways.len() < 4 => {
            let n = plain.next();
            events.push(Event::GatewayRegistered {
                gateway: format!("gw-{n}").parse().unwrap(),
                backbone: network().infrastructure(1, u64::from(n)),
                blocks: vec![n as u8],
            });
        }
        2 | 3 => {
            if let (Some(participant), Some(gateway)) = (
                pick(open(plain), a),
                pick(plain.gateways.keys().cloned(), b),
            ) {
                let line = LineId(plain.next());
                events.push(Event::LineAdded {
                    line,
                    kind: LineKind::Ethernet,
                    participant,
                    site: b % 3,
                    circuit: Circuit {
                        gateway,
                        interface: format!("line{line}"),
                    },
                });
            }
        }
        4 => events.extend(pick(plain.lines.values(), a).map(line_removed)),
        5 | 6 => {
            if let Some(participant) = pick(open(plain), a) {
                let n = plain.next();
                events.push(Event::DeviceEnrolled {
                    participant,
                    device: DeviceId(n),
                    fingerprint: Fingerprint([n as u8; 32]),
                    serial: serial(),
                    not_before: UnixMillis(5),
                    not_after: UnixMillis(1000),
                });
            }
        }
        7 => events.extend(pick(plain.devices.values(), a).map(revoked)),
        8 => {
            if let Some(participant) = pick(open(plain), a) {
                events.push(match plain.participants[&participant] {
                    Standing::Quarantined => Event::ParticipantReleased { participant },
                    _ => Event::ParticipantQuarantined {
                        participant,
                        reason: "疑い".into(),
                    },
                });
            }
        }
        9 if b < 60 => {
            if let Some(participant) = pick(open(plain), a) {
                let services: Vec<_> = (plain.services.values())
                    .filter(|s| s.provider == participant)
                    .cloned()
                    .collect();
                for agreement in plain.agreements.values() {
                    let own = agreement.participant == participant;
                    if own || services.iter().any(|s| s.service == agreement.service) {
                        events.push(ended(agreement));
                    }
                }
                for service in services {
                    events.push(Event::ServiceRetired {
                        service: service.service,
                        provider: participant,
                    });
                }
                let mine = |l: &&LineEntry| l.participant == participant;
                events.extend(plain.lines.values().filter(mine).map(line_removed));
                let mine = |d: &&DeviceEntry| d.participant == participant;
                events.extend(plain.devices.values().filter(mine).map(revoked));
                events.push(Event::ParticipantClosed {
                    participant,
                    reason: "閉院".into(),
                });
            }
        }
        10 if plain.services.len() < SERVICES_MAX => {
            if let Some(provider) = pick(open(plain), a) {
                let service = ServiceId::new(plain.next()).unwrap();
                events.push(Event::ServiceRegistered {
                    service,
                    provider,
                    name: format!("サービス{service}"),
                    class: TrafficClass::Interactive,
                    purposes: vec![Purpose::REFERRAL],
                    endpoints: free_endpoints(plain, provider, None, b),
                    eligible: vec![],
                });
            }
        }
        11 => {
            if let Some(service) = pick(plain.services.values(), a) {
                let own = Some(service.service);
                let endpoints = free_endpoints(plain, service.provider, own, b);
                if endpoints != service.endpoints {
                    events.push(Event::ServiceEndpointsChanged {
                        service: service.service,
                        provider: service.provider,
                        endpoints,
                    });
                }
            }
        }
        12 if b < 80 => {
            if let Some(service) = pick(plain.services.values(), a) {
                let about = (plain.agreements.values()).filter(|g| g.service == service.service);
                events.extend(about.map(ended));
                events.push(Event::ServiceRetired {
                    service: service.service,
                    provider: service.provider,
                });
            }
        }
        13 | 14 => {
            // An agreement: proposed, or proposed and accepted, or replaced.
            if let (Some(participant), Some(service)) =
                (pick(open(plain), a), pick(plain.services.values(), b))
                && service.provider != participant
            {
                let present = plain.agreements.get(&(participant, service.service));
                events.extend(present.map(ended));
                let agreement = AgreementId(u64::from(plain.given) + 1);
                let validity = Validity {
                    from: UnixMillis(u64::from(a)),
                    until: UnixMillis(u64::from(a) + 1000),
                };
                events.push(Event::AgreementProposed {
                    agreement,
                    participant,
                    service: service.service,
                    purpose: Purpose::REFERRAL,
                    validity,
                    by: if a % 2 == 0 {
                        participant
                    } else {
                        service.provider
                    },
                    officer: None,
                });
                if b % 3 != 0 {
                    events.push(Event::AgreementAccepted {
                        agreement,
                        participant,
                        service: service.service,
                        validity,
                        by: participant,
                        officer: None,
                        automatic: false,
                    });
                }
                plain.next();
            }
        }
        15 => {
            if let Some(agreement) = pick(plain.agreements.values(), a) {
                events.push(
                    if agreement.state == AgreementState::Proposed && b % 2 == 0 {
                        accepted(agreement)
                    } else {
                        ended(agreement)
                    },
                );
            }
        }
        // Opened, suspended, resumed, held, let go on: whatever comes next.
        16 => {
            if let Some(participant) = pick(open(plain), a) {
                events.push(Event::Membership(membership(participant, b)));
            }
        }
        17 if b % 2 == 0 => {
            events.extend(pick(plain.devices.values(), a).map(|device| {
                Event::Recheck(RecheckEvent::DeviceRanOut {
                    participant: device.participant,
                    device: device.device,
                    fingerprint: device.fingerprint,
                })
            }));
        }
        17 => {
            let accepted = |g: &&registry::Agreement| g.state == AgreementState::Accepted;
            if let Some(agreement) = pick(plain.agreements.values().filter(accepted), a)
                && agreement.validity.until > UnixMillis(u64::from(a) + 10)
            {
                events.push(Event::AgreementEndSet {
                    agreement: agreement.agreement,
                    participant: agreement.participant,
                    service: agreement.service,
                    validity: Validity {
                        until: UnixMillis(u64::from(a) + 10),
                        ..agreement.validity
                    },
                    by: Some(agreement.participant),
                    officer: "officer:sato".parse().unwrap(),
                });
            }
        }
        _ => {}
    }
    for event in &events {
        plain.apply(event);
    }
    events
}

fn membership(participant: ParticipantNumber, by: u8) -> MembershipEvent {
    let case = CaseId(1);
    match by % 5 {
        0 => MembershipEvent::MembershipBegun {
            participant,
            case,
            area: None,
            officer: None,
            examined: iryonet_rules::RuleVersion(1),
        },
        1 => MembershipEvent::ParticipantOpened { participant, case },
        2 => MembershipEvent::ParticipantSuspended {
            participant,
            case,
            reason: "改装".into(),
        },
        3 => MembershipEvent::ParticipantHeld {
            participant,
            hold: iryonet_registry::membership::Hold {
                since: UnixMillis(1),
                close_at: None,
                reasons: vec![],
            },
        },
        _ => MembershipEvent::ParticipantResumed { participant, case },
    }
}

/// Two or so of the four endpoints of a provider that no other service has.
fn free_endpoints(
    plain: &Plain,
    provider: ParticipantNumber,
    own: Option<ServiceId>,
    by: u8,
) -> Vec<Endpoint> {
    let mut list: Vec<Endpoint> = (0..4u8)
        .filter(|i| by >> i & 1 == 1)
        .map(|i| endpoint(provider, u64::from(i / 2), 80 + u16::from(i % 2)))
        .filter(|e| {
            (plain.services.values())
                .filter(|s| Some(s.service) != own)
                .all(|s| !s.endpoints.contains(e))
        })
        .collect();
    list.sort();
    list
}

/// A small network to begin with, so that random acts soon meet each other.
fn beginning() -> Vec<Act> {
    let mut acts = vec![(1, 0, 0), (1, 0, 0)];
    for i in 0..4 {
        acts.extend([(0, i, 0), (2, i, i), (5, i, 0)]);
    }
    acts.extend([
        (10, 0, 3),
        (10, 1, 6),
        (13, 2, 1),
        (13, 3, 4),
        (13, 2, 2),
        (13, 1, 1),
    ]);
    acts
}

/// Entries of the ledger; each is one to three acts.
pub(crate) fn entries() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let entry = prop::collection::vec(any::<Act>(), 1..4);
    prop::collection::vec(entry, 1..60)
}

pub(crate) fn history(more: Vec<Vec<Act>>) -> Vec<Vec<Act>> {
    beginning()
        .into_iter()
        .map(|act| vec![act])
        .chain(more)
        .collect()
}
