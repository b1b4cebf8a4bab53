//! The promises of the policy, against a naive model of the tables.

use super::*;
use iryonet_domain::{AgreementId, Circuit, DeviceId, Identity, LineKind, Protocol, TrafficClass};
use iryonet_wire::feed::{
    Change, Delta, DeviceEntry, FORMAT, Grant, ParticipantEntry, ServiceEntry, Snapshot,
};
use proptest::prelude::*;

const T0: UnixMillis = UnixMillis(1_000_000);
const END: UnixMillis = UnixMillis(9_000_000);

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(n).unwrap()
}
fn service(n: u32) -> ServiceId {
    ServiceId::new(n).unwrap()
}
fn gateway() -> GatewayId {
    "gw-a".parse().unwrap()
}
fn network() -> NetworkPrefix {
    "2001:db8::/32".parse().unwrap()
}
fn participant(n: u32, condition: Condition, generation: u32) -> ParticipantEntry {
    ParticipantEntry {
        number: number(n),
        condition,
        generation,
    }
}
fn endpoint(n: u16) -> Endpoint {
    Endpoint {
        address: network().site(number(900), 0).host(u64::from(n) + 1),
        protocol: Protocol::Tcp,
        port: 443,
    }
}
fn service_entry(n: u32, endpoints: &[u16]) -> ServiceEntry {
    ServiceEntry {
        service: service(n),
        provider: number(900),
        class: TrafficClass::Interactive,
        endpoints: endpoints.iter().map(|e| endpoint(*e)).collect(),
    }
}
fn grant(p: u32, s: u32, from: u64, until: u64) -> Grant {
    Grant {
        participant: number(p),
        service: service(s),
        agreement: AgreementId(1),
        from: UnixMillis(from),
        until: UnixMillis(until),
    }
}
fn line(n: u32, interface: &str, p: u32, site: u8) -> LineEntry {
    LineEntry {
        line: LineId(n),
        kind: LineKind::Ethernet,
        circuit: Circuit {
            gateway: gateway(),
            interface: interface.to_owned(),
        },
        participant: number(p),
        site,
    }
}
fn device(p: u32, d: u32, not_after: u64) -> DeviceEntry {
    DeviceEntry {
        participant: number(p),
        device: DeviceId(d),
        fingerprint: print(p, d),
        not_after: UnixMillis(not_after),
    }
}
fn print(p: u32, d: u32) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&p.to_be_bytes());
    bytes[4..8].copy_from_slice(&d.to_be_bytes());
    Fingerprint(bytes)
}
fn who(p: u32, d: u32) -> Identity {
    Identity::Participant {
        number: number(p),
        device: DeviceId(d),
    }
}
fn empty(revision: Revision) -> Snapshot {
    Snapshot {
        format: FORMAT,
        network: network(),
        gateway: gateway(),
        revision,
        issued_at: T0,
        valid_until: END,
        gateways: vec![],
        participants: vec![],
        services: vec![],
        grants: vec![],
        lines: vec![],
        devices: vec![],
    }
}
fn delta(from: Revision, changes: Vec<Change>) -> Delta {
    Delta {
        format: FORMAT,
        gateway: gateway(),
        from_revision: from,
        to_revision: from + 1,
        issued_at: T0,
        valid_until: END,
        changes,
    }
}
/// Participant 7 with line 1 on `c1`, device 1, a grant on service 3.
fn ordinary() -> Snapshot {
    Snapshot {
        participants: vec![participant(7, Condition::Live, 1)],
        services: vec![service_entry(3, &[1])],
        grants: vec![grant(7, 3, 0, 5_000_000)],
        lines: vec![line(1, "c1", 7, 0)],
        devices: vec![device(7, 1, 8_000_000)],
        ..empty(10)
    }
}
fn attached() -> Policy {
    let mut policy = Policy::new(gateway(), network());
    take(&mut policy, ordinary(), T0, 0).unwrap();
    let allowed = policy.authorise("c1", &who(7, 1), print(7, 1), T0).unwrap();
    assert!(policy.bind(allowed, 1, 5, 100, T0).is_empty());
    policy
}
fn unbound(reason: Option<Refusal>) -> Op {
    Op::Unbind {
        line: LineId(1),
        ifindex: 5,
        session: 1,
        reason,
    }
}

fn take(
    policy: &mut Policy,
    snapshot: Snapshot,
    now: UnixMillis,
    salt: u32,
) -> Result<Vec<Op>, ApplyError> {
    let prepared = Prepared::new(snapshot, now);
    policy.replace(prepared, now, salt).map(|(ops, _)| ops)
}

/// The datapath's tables, as the operations leave them.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Shown {
    participants: BTreeMap<ParticipantNumber, (Condition, u32)>,
    grants: BTreeSet<(ParticipantNumber, ServiceId)>,
    endpoints: BTreeMap<Endpoint, ServiceId>,
}

impl Shown {
    fn of(policy: &Policy) -> Self {
        Self {
            participants: policy
                .tables()
                .participants()
                .map(|(n, c, g)| (n, (c, g)))
                .collect(),
            grants: policy.tables().grants().collect(),
            endpoints: policy.tables().endpoints().collect(),
        }
    }

    fn held(&self) -> Held {
        Held {
            participants: self.participants.keys().copied().collect(),
            grants: self.grants.iter().copied().collect(),
            endpoints: self.endpoints.keys().copied().collect(),
        }
    }

    /// As the datapath does it, to which it is as good when there is nothing
    /// to do.
    fn show(&mut self, ops: &[Op]) {
        for op in ops {
            match *op {
                Op::Unbind { .. } => {}
                Op::RemoveGrant {
                    participant,
                    service,
                } => {
                    self.grants.remove(&(participant, service));
                }
                Op::SetGrant {
                    participant,
                    service,
                } => {
                    self.grants.insert((participant, service));
                }
                Op::RemoveEndpoint(endpoint) => {
                    self.endpoints.remove(&endpoint);
                }
                Op::SetEndpoint(endpoint, service) => {
                    self.endpoints.insert(endpoint, service);
                }
                Op::RemoveParticipant(number) => {
                    self.participants.remove(&number);
                }
                Op::SetParticipant {
                    number,
                    condition,
                    generation,
                } => {
                    self.participants.insert(number, (condition, generation));
                }
                Op::Reconcile => panic!("another comparison was asked for"),
            }
        }
    }

    fn apply(&mut self, ops: &[Op], policy: &Policy) {
        let mut opening = false;
        for op in ops {
            match op {
                Op::Unbind { .. } | Op::RemoveGrant { .. } | Op::RemoveEndpoint(_) => {
                    assert!(!opening, "something opens before all is closed: {ops:?}");
                }
                Op::SetGrant { .. } => opening = true,
                _ => {}
            }
            match op {
                Op::Unbind { .. } => {}
                Op::RemoveGrant {
                    participant,
                    service,
                } => assert!(self.grants.remove(&(*participant, *service)), "{op:?}"),
                Op::SetGrant {
                    participant,
                    service,
                } => assert!(self.grants.insert((*participant, *service)), "{op:?}"),
                Op::RemoveEndpoint(endpoint) => {
                    assert!(self.endpoints.remove(endpoint).is_some(), "{op:?}");
                }
                Op::SetEndpoint(endpoint, service) => {
                    self.endpoints.insert(*endpoint, *service);
                }
                Op::RemoveParticipant(number) => {
                    assert!(self.participants.remove(number).is_some(), "{op:?}");
                }
                Op::SetParticipant {
                    number,
                    condition,
                    generation,
                } => {
                    self.participants.insert(*number, (*condition, *generation));
                }
                Op::Reconcile => *self = Self::of(policy),
            }
        }
    }
}

#[test]
fn a_gateway_without_policy_lets_nobody_in() {
    let policy = Policy::new(gateway(), network());
    assert_eq!(
        policy.authorise("c1", &who(7, 1), print(7, 1), T0),
        Err(Refusal::NoPolicy)
    );
    assert_eq!(Shown::of(&policy), Shown::default());
}

#[test]
fn only_the_listed_device_of_the_lines_own_participant_binds_it() {
    let mut snapshot = ordinary();
    snapshot
        .participants
        .push(participant(8, Condition::Live, 1));
    snapshot.devices.push(device(8, 1, 8_000_000));
    snapshot.devices.push(device(7, 2, 1_500_000));
    snapshot.lines.push(line(2, "c1-of-somebody-else", 8, 0));
    let mut policy = Policy::new(gateway(), network());
    take(&mut policy, snapshot, T0, 0).unwrap();
    let ask = |interface: &str, identity: &Identity, fingerprint| {
        policy
            .authorise(interface, identity, fingerprint, UnixMillis(2_000_000))
            .map(|a| a.prefix.to_string())
    };
    assert_eq!(
        ask("c1", &who(7, 1), print(7, 1)),
        Ok("2001:db8:0:700::/64".to_owned())
    );
    assert_eq!(ask("c1", &who(8, 1), print(8, 1)), Err(Refusal::WrongLine));
    assert_eq!(
        ask("c9", &who(7, 1), print(7, 1)),
        Err(Refusal::UnknownLine)
    );
    assert_eq!(
        ask("c1", &who(7, 9), print(7, 9)),
        Err(Refusal::UnknownDevice)
    );
    // Another device's certificate does not stand for this one.
    assert_eq!(
        ask("c1", &who(7, 9), print(7, 1)),
        Err(Refusal::UnknownDevice)
    );
    assert_eq!(ask("c1", &who(7, 2), print(7, 2)), Err(Refusal::Expired));
    assert_eq!(
        ask("c1", &Identity::Gateway(gateway()), print(7, 1)),
        Err(Refusal::UnknownDevice)
    );
    // A name that Linux does not take is no line, whatever the policy says.
    assert_eq!(
        ask("c1-of-somebody-else", &who(8, 1), print(8, 1)),
        Err(Refusal::UnknownLine)
    );
    assert_eq!(
        policy
            .unserved()
            .map(|(l, why)| (l.line, why))
            .collect::<Vec<_>>(),
        [(LineId(2), Unserved::Interface)]
    );
}

#[test]
fn a_revocation_cuts_the_line_before_anything_else_happens() {
    let mut policy = attached();
    let ops = policy
        .apply_delta(
            delta(
                10,
                vec![
                    Change::DeviceGone(print(7, 1)),
                    Change::Participant(participant(7, Condition::NoDevice, 2)),
                ],
            ),
            T0,
        )
        .unwrap();
    assert_eq!(ops.first(), Some(&unbound(Some(Refusal::Revoked))));
    assert_eq!(
        ops.get(1),
        Some(&Op::SetParticipant {
            number: number(7),
            condition: Condition::NoDevice,
            generation: 2
        })
    );
    assert_eq!(policy.bound_lines(), 0);
    assert_eq!(
        policy.authorise("c1", &who(7, 1), print(7, 1), T0),
        Err(Refusal::Revoked)
    );
}

#[test]
fn quarantine_closing_and_the_loss_of_the_line_cut_it_too() {
    for (change, reason) in [
        (
            Change::Participant(participant(7, Condition::Quarantined, 2)),
            Refusal::Quarantined,
        ),
        (
            Change::Participant(participant(7, Condition::Closed, 2)),
            Refusal::Closed,
        ),
        (Change::LineGone(LineId(1)), Refusal::UnknownLine),
        (Change::Line(line(1, "c1", 8, 0)), Refusal::WrongLine),
        (Change::Line(line(0, "c1", 8, 0)), Refusal::UnknownLine),
        (Change::ParticipantGone(number(7)), Refusal::UnknownDevice),
    ] {
        let mut policy = attached();
        let ops = policy
            .apply_delta(delta(10, vec![change.clone()]), T0)
            .unwrap();
        assert_eq!(ops.first(), Some(&unbound(Some(reason))), "{change:?}");
    }
}

#[test]
fn a_change_that_concerns_somebody_else_leaves_the_line_alone() {
    let mut policy = attached();
    let ops = policy
        .apply_delta(
            delta(
                10,
                vec![
                    Change::Participant(participant(8, Condition::Quarantined, 2)),
                    Change::DeviceGone(print(8, 1)),
                    Change::Line(line(2, "c2", 8, 0)),
                ],
            ),
            T0,
        )
        .unwrap();
    assert!(ops.iter().all(|op| !matches!(op, Op::Unbind { .. })));
    assert_eq!(policy.bound_lines(), 1);
}

#[test]
fn the_newer_attachment_wins_and_the_older_session_can_no_longer_touch_the_line() {
    let mut policy = attached();
    let allowed = policy.authorise("c1", &who(7, 1), print(7, 1), T0).unwrap();
    let lost = policy.bind(allowed, 2, 5, 200, T0);
    assert_eq!(lost.iter().map(|b| b.session).collect::<Vec<_>>(), [1]);
    assert!(policy.renew(LineId(1), 1, 900).is_none());
    assert!(policy.leave(LineId(1), 1).is_none());
    assert_eq!(policy.bound_lines(), 1);
    assert!(policy.leave(LineId(1), 2).is_some());
    assert_eq!(policy.bound_lines(), 0);
}

#[test]
fn a_sites_second_line_here_takes_its_prefix_over_from_the_first() {
    let mut policy = attached();
    policy
        .apply_delta(delta(10, vec![Change::Line(line(2, "c2", 7, 0))]), T0)
        .unwrap();
    let allowed = policy.authorise("c2", &who(7, 1), print(7, 1), T0).unwrap();
    let lost = policy.bind(allowed, 2, 6, 200, T0);
    assert_eq!(lost.iter().map(|b| b.ifindex).collect::<Vec<_>>(), [5]);
    assert_eq!(policy.bound_lines(), 1);
}

#[test]
fn a_lease_that_is_not_renewed_ends_the_binding() {
    let mut policy = attached();
    assert_eq!(policy.due(T0, 99), vec![]);
    assert!(policy.renew(LineId(1), 1, 300).is_some());
    assert_eq!(policy.due(T0, 299), vec![]);
    assert_eq!(policy.next_lease_ns(), Some(300));
    assert_eq!(policy.due(T0, 300), vec![unbound(None)]);
    assert_eq!(policy.next_lease_ns(), None);
}

#[test]
fn a_certificate_that_runs_out_cuts_the_line_at_that_moment() {
    let mut policy = attached();
    policy.renew(LineId(1), 1, u64::MAX);
    policy.due(UnixMillis(7_999_999), 0);
    assert_eq!(policy.bound_lines(), 1);
    assert_eq!(
        policy.due(UnixMillis(8_000_000), 0),
        vec![unbound(Some(Refusal::Expired))]
    );
}

#[test]
fn a_grant_ends_by_its_own_time_and_running_flows_are_checked_anew() {
    let mut policy = attached();
    assert_eq!(policy.next_wall(), Some(UnixMillis(5_000_000)));
    assert_eq!(policy.due(UnixMillis(4_999_999), 0), vec![]);
    assert_eq!(
        policy.due(UnixMillis(5_000_000), 0),
        vec![
            Op::RemoveGrant {
                participant: number(7),
                service: service(3)
            },
            Op::SetParticipant {
                number: number(7),
                condition: Condition::Live,
                generation: 2
            },
        ]
    );
    // The center's next generation is another one again, never that same.
    let ops = policy
        .apply_delta(
            delta(
                10,
                vec![Change::Participant(participant(7, Condition::Live, 2))],
            ),
            UnixMillis(5_000_001),
        )
        .unwrap();
    assert_eq!(
        ops,
        vec![Op::SetParticipant {
            number: number(7),
            condition: Condition::Live,
            generation: 3
        }]
    );
}

#[test]
fn a_grant_of_the_future_opens_at_its_time() {
    let mut policy = attached();
    let ops = policy
        .apply_delta(
            delta(10, vec![Change::Grant(grant(7, 4, 2_000_000, 3_000_000))]),
            T0,
        )
        .unwrap();
    assert_eq!(ops, vec![]);
    assert_eq!(
        policy.due(UnixMillis(2_000_000), 0),
        vec![Op::SetGrant {
            participant: number(7),
            service: service(4)
        }]
    );
    assert!(matches!(
        policy.due(UnixMillis(3_000_000), 0).as_slice(),
        [Op::RemoveGrant { .. }, Op::SetParticipant { .. }]
    ));
}

#[test]
fn when_the_policys_validity_ends_everything_closes_and_a_delta_that_extends_it_opens_again() {
    let mut policy = attached();
    policy.renew(LineId(1), 1, u64::MAX);
    let mut early = delta(10, vec![]);
    early.valid_until = UnixMillis(2_000_000);
    policy.apply_delta(early, T0).unwrap();
    assert_eq!(
        policy.due(UnixMillis(2_000_000), 0),
        vec![unbound(Some(Refusal::NoPolicy)), Op::Reconcile]
    );
    assert_eq!(Shown::of(&policy), Shown::default());
    assert!(!policy.in_force());
    // A clock that goes back revives nothing.
    policy.due(T0, 0);
    assert_eq!(
        policy.authorise("c1", &who(7, 1), print(7, 1), T0),
        Err(Refusal::NoPolicy)
    );
    let ops = policy
        .apply_delta(delta(11, vec![]), UnixMillis(2_000_001))
        .unwrap();
    assert_eq!(ops, vec![Op::Reconcile]);
    assert!(policy.in_force());
    assert_eq!(Shown::of(&policy).grants.len(), 1);
}

#[test]
fn what_is_not_for_this_gateway_or_not_the_next_step_is_kept_out_and_changes_nothing() {
    let mut policy = attached();
    let before = Shown::of(&policy);
    let foreign = Snapshot {
        gateway: "gw-b".parse().unwrap(),
        ..empty(99)
    };
    assert!(matches!(
        take(&mut policy, foreign, T0, 1),
        Err(ApplyError::OtherGateway { .. })
    ));
    let other = Snapshot {
        network: "2001:db9::/32".parse().unwrap(),
        ..empty(99)
    };
    assert!(matches!(
        take(&mut policy, other, T0, 1),
        Err(ApplyError::OtherNetwork { .. })
    ));
    let replayed = Snapshot {
        issued_at: UnixMillis(1),
        ..empty(9)
    };
    assert!(matches!(
        take(&mut policy, replayed, T0, 1),
        Err(ApplyError::Older { .. })
    ));
    assert!(matches!(
        policy.apply_delta(delta(12, vec![Change::LineGone(LineId(1))]), T0),
        Err(ApplyError::Gap { found: 12, own: 10 })
    ));
    let back = Delta {
        to_revision: 3,
        ..delta(10, vec![])
    };
    assert!(matches!(
        policy.apply_delta(back, T0),
        Err(ApplyError::Backwards { .. })
    ));
    assert_eq!(Shown::of(&policy), before);
    assert_eq!(policy.revision(), 10);
    assert_eq!(policy.bound_lines(), 1);
}

#[test]
fn a_new_snapshot_makes_every_flow_be_checked_anew_and_remembers_who_was_revoked() {
    let mut policy = attached();
    let before = Shown::of(&policy);
    let next = Snapshot {
        devices: vec![],
        revision: 20,
        ..ordinary()
    };
    let ops = take(&mut policy, next, T0, 77).unwrap();
    assert_eq!(ops, vec![unbound(Some(Refusal::Revoked)), Op::Reconcile]);
    let after = Shown::of(&policy);
    assert_ne!(
        before.participants.get(&number(7)),
        after.participants.get(&number(7))
    );
}

#[test]
fn an_empty_delta_sent_again_neither_shortens_nor_prolongs_the_validity() {
    let mut policy = attached();
    let again = Delta {
        to_revision: 10,
        issued_at: UnixMillis(1),
        valid_until: UnixMillis(u64::MAX),
        ..delta(10, vec![])
    };
    policy.apply_delta(again, T0).unwrap();
    assert_eq!((policy.valid_until(), policy.issued_at()), (END, T0));
}

fn any_change() -> impl Strategy<Value = Change> {
    let p = 1u32..5;
    let s = 1u32..4;
    let condition = prop_oneof![
        Just(Condition::Live),
        Just(Condition::Quarantined),
        Just(Condition::NoDevice),
        Just(Condition::NotOpen),
        Just(Condition::Closed)
    ];
    prop_oneof![
        (p.clone(), condition, 0u32..4)
            .prop_map(|(p, c, g)| Change::Participant(participant(p, c, g))),
        p.clone().prop_map(|p| Change::ParticipantGone(number(p))),
        (s.clone(), proptest::collection::btree_set(0u16..4, 0..3)).prop_map(|(s, e)| {
            Change::Service(service_entry(s, &e.into_iter().collect::<Vec<_>>()))
        }),
        s.clone().prop_map(|s| Change::ServiceGone(service(s))),
        (p.clone(), s.clone(), 0u64..40, 0u64..40).prop_map(|(p, s, a, b)| Change::Grant(grant(
            p,
            s,
            T0.0 + a,
            T0.0 + b
        ))),
        (p.clone(), s).prop_map(|(p, s)| Change::GrantGone {
            participant: number(p),
            service: service(s)
        }),
        (1u32..4, 1u32..4, p.clone(), 0u8..2).prop_map(|(l, i, p, site)| Change::Line(line(
            l,
            &format!("c{i}"),
            p,
            site
        ))),
        (1u32..4).prop_map(|l| Change::LineGone(LineId(l))),
        (p.clone(), 1u32..3, 0u64..40).prop_map(|(p, d, end)| Change::Device(device(
            p,
            d,
            T0.0 + end
        ))),
        (p, 1u32..3).prop_map(|(p, d)| Change::DeviceGone(print(p, d))),
    ]
}

/// The policy as plain lists: what the same changes would leave.
#[derive(Default)]
struct Model {
    participants: BTreeMap<ParticipantNumber, ParticipantEntry>,
    services: BTreeMap<ServiceId, ServiceEntry>,
    grants: BTreeMap<(ParticipantNumber, ServiceId), Grant>,
    lines: BTreeMap<LineId, LineEntry>,
    devices: BTreeMap<Fingerprint, DeviceEntry>,
}

impl Model {
    fn change(&mut self, change: &Change) {
        match change.clone() {
            Change::Participant(e) => {
                self.participants.insert(e.number, e);
            }
            Change::ParticipantGone(n) => {
                self.participants.remove(&n);
            }
            Change::Service(e) => {
                self.services.insert(e.service, e);
            }
            Change::ServiceGone(s) => {
                self.services.remove(&s);
            }
            Change::Grant(g) => {
                self.grants.insert((g.participant, g.service), g);
            }
            Change::GrantGone {
                participant,
                service,
            } => {
                self.grants.remove(&(participant, service));
            }
            Change::Line(e) => {
                self.lines.insert(e.line, e);
            }
            Change::LineGone(l) => {
                self.lines.remove(&l);
            }
            Change::Device(e) => {
                self.devices.insert(e.fingerprint, e);
            }
            Change::DeviceGone(f) => {
                self.devices.remove(&f);
            }
            Change::Gateway(_) | Change::GatewayGone(_) => {}
        }
    }

    fn grants_at(&self, now: UnixMillis) -> BTreeSet<(ParticipantNumber, ServiceId)> {
        self.grants
            .values()
            .filter(|g| g.from <= now && now < g.until)
            .map(|g| (g.participant, g.service))
            .collect()
    }

    fn endpoints(&self) -> BTreeMap<Endpoint, ServiceId> {
        let mut out = BTreeMap::new();
        for (service, entry) in self.services.iter().rev() {
            for endpoint in &entry.endpoints {
                out.insert(*endpoint, *service);
            }
        }
        out
    }

    fn may_hold(&self, held: &Authorised, now: UnixMillis) -> bool {
        self.lines.get(&held.line).is_some_and(|l| {
            l.participant == held.participant
                && l.site == held.site
                && !self
                    .lines
                    .values()
                    .any(|o| o.line < l.line && o.circuit == l.circuit)
        }) && self.devices.get(&held.fingerprint).is_some_and(|d| {
            d.participant == held.participant && d.device == held.device && now < d.not_after
        }) && self
            .participants
            .get(&held.participant)
            .is_some_and(|p| matches!(p.condition, Condition::Live | Condition::NotOpen))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Operation by operation, the datapath's tables follow the policy; nobody
    /// stays bound who might not bind; nobody is cut who might.
    #[test]
    fn the_tables_always_show_the_policy(steps in proptest::collection::vec((proptest::collection::vec(any_change(), 0..6), 0u64..8, 1u32..4, 1u32..5, 1u32..3), 1..25)) {
        let mut policy = Policy::new(gateway(), network());
        let mut shown = Shown::default();
        let mut model = Model::default();
        let mut now = T0;
        let ops = take(&mut policy, empty(0), now, 5).unwrap();
        shown.apply(&ops, &policy);
        for (revision, (changes, passed, interface, p, d)) in steps.into_iter().enumerate() {
            // A person tries to attach somewhere.
            if let Ok(allowed) = policy.authorise(&format!("c{interface}"), &who(p, d), print(p, d), now) {
                prop_assert!(model.may_hold(&allowed, now), "{allowed:?}");
                policy.bind(allowed, revision as u64, 5, u64::MAX, now);
            }
            now = now.plus_ms(passed);
            for change in &changes {
                model.change(change);
            }
            let held: Vec<Authorised> = policy.bindings().map(|b| b.authorised.clone()).collect();
            let ops = policy.due(now, 0);
            shown.apply(&ops, &policy);
            let ops = policy.apply_delta(delta(revision as u64, changes.clone()), now).unwrap();
            shown.apply(&ops, &policy);
            prop_assert_eq!(&shown, &Shown::of(&policy));
            prop_assert_eq!(&shown.grants, &model.grants_at(now));
            prop_assert_eq!(&shown.endpoints, &model.endpoints());
            prop_assert_eq!(shown.participants.keys().collect::<Vec<_>>(), model.participants.keys().collect::<Vec<_>>());
            for (number, (condition, _)) in &shown.participants {
                prop_assert_eq!(*condition, model.participants[number].condition);
            }
            for held in held {
                let kept = policy.binding(held.line).is_some_and(|b| b.authorised == held);
                prop_assert_eq!(kept, model.may_hold(&held, now), "{:?}", held);
            }
        }
    }

    /// Time alone: whatever is skipped, the tables are those of the moment, and
    /// a participant whose grant ended has another generation than before.
    #[test]
    fn time_alone_opens_and_closes(grants in proptest::collection::vec((1u32..5, 1u32..4, 0u64..60, 0u64..60), 0..10), jumps in proptest::collection::vec(0u64..30, 1..8)) {
        let mut model = Model::default();
        for p in 1..5 {
            model.change(&Change::Participant(participant(p, Condition::Live, 1)));
        }
        for (p, s, a, b) in grants {
            model.change(&Change::Grant(grant(p, s, T0.0 + a, T0.0 + b)));
        }
        let mut policy = Policy::new(gateway(), network());
        let snapshot = Snapshot {
            participants: model.participants.values().cloned().collect(),
            grants: model.grants.values().copied().collect(),
            ..empty(1)
        };
        let mut shown = Shown::default();
        let ops = take(&mut policy, snapshot, T0, 9).unwrap();
        shown.apply(&ops, &policy);
        let mut now = T0;
        for jump in jumps {
            now = now.plus_ms(jump);
            let before = shown.clone();
            let next = policy.next_wall();
            let ops = policy.due(now, 0);
            if !ops.is_empty() {
                prop_assert!(next.is_some_and(|next| next <= now), "nothing was announced for {now:?}");
            }
            shown.apply(&ops, &policy);
            prop_assert_eq!(&shown.grants, &model.grants_at(now));
            prop_assert_eq!(&shown, &Shown::of(&policy));
            for (number, service) in before.grants.difference(&shown.grants) {
                prop_assert_ne!(before.participants[number], shown.participants[number], "grant on {} ended", service);
            }
        }
    }

    /// Whatever the tables held before, and whatever comes between two slices.
    #[test]
    fn a_comparison_in_slices_leads_to_the_policy_as_it_is_at_its_end(
        before in proptest::collection::vec(any_change(), 0..30),
        snapshot in proptest::collection::vec(any_change(), 0..30),
        slices in proptest::collection::vec((1usize..4, 0u64..8, proptest::collection::vec(any_change(), 0..3)), 0..40),
    ) {
        let snapshot_of = |changes: &[Change], revision| {
            let mut model = Model::default();
            changes.iter().for_each(|change| model.change(change));
            Snapshot {
                participants: model.participants.values().cloned().collect(),
                services: model.services.values().cloned().collect(),
                grants: model.grants.values().copied().collect(),
                lines: model.lines.values().cloned().collect(),
                devices: model.devices.values().cloned().collect(),
                ..empty(revision)
            }
        };
        let mut policy = Policy::new(gateway(), network());
        take(&mut policy, snapshot_of(&before, 1), T0, 3).unwrap();
        let mut shown = Shown::of(&policy);
        let ops = take(&mut policy, snapshot_of(&snapshot, 2), T0, 4).unwrap();
        prop_assert_eq!(ops, vec![Op::Reconcile]);
        let mut comparison = Comparison::new(shown.held());
        let (mut now, mut revision, mut closing) = (T0, 2, true);
        for (entries, passed, changes) in slices {
            let ops = policy.compare_on(&mut comparison, entries);
            prop_assert!(ops.len() <= entries);
            for op in &ops {
                closing &= matches!(op, Op::RemoveGrant { .. } | Op::RemoveEndpoint(_) | Op::RemoveParticipant(_));
                prop_assert!(closing || !matches!(op, Op::RemoveGrant { .. }), "closed after something was opened");
            }
            shown.show(&ops);
            now = now.plus_ms(passed);
            let ops = policy.due(now, 0);
            shown.show(&ops);
            let ops = policy.apply_delta(delta(revision, changes), now).unwrap();
            shown.show(&ops);
            revision += 1;
        }
        while !comparison.is_over() {
            shown.show(&policy.compare_on(&mut comparison, 5));
        }
        prop_assert_eq!(&shown, &Shown::of(&policy));
    }
}

#[test]
fn a_policy_that_has_ended_takes_everything_out_of_the_tables() {
    let mut policy = attached();
    let mut shown = Shown::of(&policy);
    assert_ne!(shown, Shown::default());
    let ops = policy.due(END, 0);
    assert_eq!(ops.last(), Some(&Op::Reconcile));
    let mut comparison = Comparison::new(shown.held());
    while !comparison.is_over() {
        shown.show(&policy.compare_on(&mut comparison, 1));
    }
    assert_eq!(shown, Shown::default());
}

#[test]
fn a_policy_that_ends_between_two_slices_opens_nothing_more() {
    let mut policy = Policy::new(gateway(), network());
    take(&mut policy, ordinary(), T0, 0).unwrap();
    let mut comparison = Comparison::new(Held::default());
    let ops = policy.compare_on(&mut comparison, 1);
    assert!(matches!(ops[..], [Op::SetParticipant { .. }]), "{ops:?}");
    policy.due(END, 0);
    assert_eq!(policy.compare_on(&mut comparison, 10), vec![]);
    assert!(comparison.is_over());
}
