//! Random histories of a small network: what the model tells its gateways,
//! against the plain definition of what they must hold.

mod plain;

use iryonet_domain::*;
use iryonet_policy::{FeedLimits, FeedLog, Model, Since};
use iryonet_registry::{AgreementState, Event, Standing};
use plain::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One act as three random bytes; what it means depends on what there is.
type Act = (u8, u8, u8);

const PARTICIPANTS_MAX: usize = 7;
const SERVICES_MAX: usize = 5;

fn pick<T: Clone>(list: impl IntoIterator<Item = T>, by: u8) -> Option<T> {
    let list: Vec<T> = list.into_iter().collect();
    list.get(usize::from(by) % list.len().max(1)).cloned()
}

/// The events of an act, as the registry would decide it; none where it would
/// refuse. Applied to `plain` at once, so that acts of one entry build on each other.
fn act(plain: &mut Plain, (kind, a, b): Act) -> Vec<Event> {
    let open = |plain: &Plain| -> Vec<ParticipantNumber> {
        (plain.participants.iter())
            .filter(|(_, standing)| **standing != Standing::Closed)
            .map(|(n, _)| *n)
            .collect()
    };
    let mut events = Vec::new();
    match kind % 16 {
        0 if plain.participants.len() < PARTICIPANTS_MAX => {
            // Two blocks, and the edge of a page.
            let n = if a % 2 == 0 { 0x01_00fd } else { 0x02_0000 } + plain.next();
            events.push(Event::ParticipantAdmitted {
                number: number(n),
                kind: ParticipantKind::Provider,
                name: "名".into(),
                code: None,
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
                let mine = |l: &&iryonet_wire::feed::LineEntry| l.participant == participant;
                events.extend(plain.lines.values().filter(mine).map(line_removed));
                let mine = |d: &&iryonet_wire::feed::DeviceEntry| d.participant == participant;
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
                    purposes: vec![Purpose::Referral],
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
                    purpose: Purpose::Referral,
                    validity,
                    by: if a % 2 == 0 {
                        participant
                    } else {
                        service.provider
                    },
                });
                if b % 3 != 0 {
                    events.push(Event::AgreementAccepted {
                        agreement,
                        participant,
                        service: service.service,
                        validity,
                        by: participant,
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
        _ => {}
    }
    for event in &events {
        plain.apply(event);
    }
    events
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
fn entries() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let entry = prop::collection::vec(any::<Act>(), 1..4);
    prop::collection::vec(entry, 1..60)
}

fn history(more: Vec<Vec<Act>>) -> Vec<Vec<Act>> {
    beginning()
        .into_iter()
        .map(|act| vec![act])
        .chain(more)
        .collect()
}

fn check_wanted(
    model: &Model,
    plain: &Plain,
    gateway: &GatewayId,
) -> Result<Holder, TestCaseError> {
    let snapshot = model
        .snapshot(gateway, UnixMillis(1), UnixMillis(2))
        .unwrap();
    let held = Wanted {
        gateways: snapshot.gateways.clone(),
        participants: (snapshot.participants.iter())
            .map(|p| (p.number, p.condition))
            .collect(),
        services: snapshot.services.clone(),
        grants: snapshot.grants.clone(),
        lines: snapshot.lines.clone(),
        devices: (snapshot.devices.iter())
            .map(|d| (d.fingerprint, d.clone()))
            .collect(),
    };
    prop_assert_eq!(&held, &plain.wanted(gateway), "gateway {}", gateway);
    let ascending = snapshot.participants.is_sorted_by_key(|p| p.number)
        && snapshot
            .devices
            .is_sorted_by_key(|d| (d.participant, d.fingerprint));
    prop_assert!(ascending, "equal states are equal bytes");
    Ok(Holder::from(snapshot))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A gateway that starts from any snapshot and follows the deltas, however
    /// lazily, holds exactly what concerns it; and at no moment in between does
    /// it let a flow outlive what allowed it.
    #[test]
    fn a_gateway_that_follows_the_feed_holds_what_concerns_it_and_no_flow_outlives_its_right(
        more in entries(),
        pulls in any::<u64>(),
        kept in 3usize..60,
    ) {
        let mut plain = Plain::default();
        let mut model = Model::new(network());
        let limits = FeedLimits { changes_per_gateway: kept, bytes_total: 1 << 20 };
        let mut log = FeedLog::new(0, limits);
        let mut holders: BTreeMap<GatewayId, Holder> = BTreeMap::new();
        let mut revision = 0;
        for (index, entry) in history(more).into_iter().enumerate() {
            revision += 1;
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            log.push(revision, model.apply(revision, &events));
            prop_assert_eq!(model.unfit_events(), 0, "{:?}", events);

            for (place, gateway) in plain.gateways.keys().enumerate() {
                let now = check_wanted(&model, &plain, gateway)?;
                let Some(holder) = holders.get_mut(gateway) else {
                    holders.insert(gateway.clone(), now);
                    continue;
                };
                holder.traffic();
                if pulls.rotate_left(index as u32 + 7 * place as u32) & 3 == 0 {
                    continue;
                }
                match log.since(gateway, holder.revision) {
                    Since::UpToDate => {}
                    Since::TooOld => {
                        holder.take(model.snapshot(gateway, UnixMillis(1), UnixMillis(2)).unwrap());
                    }
                    Since::Changes { to, changes } => {
                        let told = format!("{changes:#?}");
                        for change in changes {
                            let result = holder.apply(change);
                            prop_assert_eq!(result, Ok(()), "{}", told);
                            holder.traffic();
                        }
                        holder.revision = to;
                        let outlived = holder.flow_that_outlived_its_right(&plain);
                        prop_assert_eq!(outlived, None, "{} events {:?} told {}", gateway, events, told);
                    }
                }
                let same = holder.same_as(&now);
                prop_assert!(same.is_ok(), "{} events {:?}: {}", gateway, events, same.unwrap_err());
            }
        }
    }

    /// A center that starts anew from the projections tells the same as one
    /// that lived through the history, generations apart.
    #[test]
    fn a_loaded_model_goes_on_like_the_one_that_followed_the_events(more in entries(), cut in any::<prop::sample::Index>()) {
        use iryonet_wire::feed::Change;
        let history = history(more);
        let cut = cut.index(history.len());
        let mut plain = Plain::default();
        let mut lived = Model::new(network());
        let mut loaded = None;
        for (index, entry) in history.into_iter().enumerate() {
            let revision = index as u64 + 1;
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            let mut told = lived.apply(revision, &events);
            match &mut loaded {
                None if index == cut => loaded = Some(plain.load(revision)),
                None => {}
                Some(loaded) => {
                    let mut other: Vec<_> = loaded.apply(revision, &events);
                    for (_, change) in told.iter_mut().chain(other.iter_mut()) {
                        if let Change::Participant(entry) = change {
                            entry.generation = 0;
                        }
                    }
                    // Gateways were loaded by name; the registry registered them by time.
                    told.sort_by(|a, b| a.0.cmp(&b.0));
                    other.sort_by(|a, b| a.0.cmp(&b.0));
                    prop_assert_eq!(told, other);
                    prop_assert_eq!(lived.counts(), loaded.counts());
                    for n in plain.participants.keys() {
                        let mut concerned = [lived.concerned(*n), loaded.concerned(*n)];
                        concerned.iter_mut().for_each(|list| list.sort());
                        let [a, b] = concerned;
                        prop_assert_eq!(a, b);
                    }
                }
            }
        }
    }
}
