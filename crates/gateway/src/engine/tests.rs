//! What goes on while a whole policy is brought into the tables.

use super::*;
use crate::testing::{DAY_MS, Done, Fake, Hands, IFINDEX, number};
use iryonet_domain::{AgreementId, Circuit, DeviceId, LineKind, ServiceId};
use iryonet_wire::feed::{Condition, DeviceEntry, FORMAT, Grant, LineEntry, ParticipantEntry};
use std::sync::atomic::{AtomicBool, Ordering};

const NOW: UnixMillis = UnixMillis(1_000_000);
const PRINT: Fingerprint = Fingerprint([7; 32]);

fn service(n: u32) -> ServiceId {
    ServiceId::new(n).unwrap()
}

/// So many participants, with four paths each; number 7 has line 1.
fn large(revision: u64, participants: u32) -> Snapshot {
    let until = NOW.plus_ms(DAY_MS);
    Snapshot {
        format: FORMAT,
        network: "2001:db8::/32".parse().unwrap(),
        gateway: "gw-a".parse().unwrap(),
        revision,
        issued_at: NOW,
        valid_until: until,
        gateways: vec![],
        participants: (1..=participants)
            .map(|n| ParticipantEntry {
                number: number(n),
                condition: Condition::Live,
                generation: 1,
            })
            .collect(),
        services: vec![],
        grants: (1..=participants)
            .flat_map(|n| (1..=4).map(move |s| (n, s)))
            .map(|(n, s)| Grant {
                participant: number(n),
                service: service(s),
                agreement: AgreementId(1),
                from: UnixMillis(0),
                until,
            })
            .collect(),
        lines: vec![LineEntry {
            line: LineId(1),
            kind: LineKind::Ethernet,
            circuit: Circuit {
                gateway: "gw-a".parse().unwrap(),
                interface: "c1".to_owned(),
            },
            participant: number(7),
            site: 0,
        }],
        devices: vec![DeviceEntry {
            participant: number(7),
            device: DeviceId(1),
            fingerprint: PRINT,
            not_after: until,
        }],
    }
}

fn engine(kernel: &Fake, hands: &Hands) -> Engine {
    Engine::new(
        Policy::new("gw-a".parse().unwrap(), "2001:db8::/32".parse().unwrap()),
        Box::new(kernel.clone()),
        Box::new(hands.clone()),
        UnixMillis(0),
        Terms {
            lease: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            attachments_max: 10,
        },
    )
}

fn attach(engine: &Engine) -> Attached {
    let identity = Identity::Participant {
        number: number(7),
        device: DeviceId(1),
    };
    let hop = "fe80::7".parse().unwrap();
    engine.attach("c1", IFINDEX, hop, &identity, PRINT).unwrap()
}

#[test]
fn leases_are_renewed_while_a_large_policy_is_brought_into_the_tables() {
    let (kernel, hands) = (Fake::default(), Hands::at(NOW));
    let engine = engine(&kernel, &hands);
    engine.apply_snapshot(large(1, 8), 1).unwrap();
    let attached = attach(&engine);
    kernel.done.lock().unwrap().clear();

    // One thread brings the policy in, the other one renews without a break.
    // What counts is in which order the datapath saw what they did.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            engine.apply_snapshot(large(2, 200_000), 2).unwrap();
            over.store(true, Ordering::SeqCst);
        });
        while !over.load(Ordering::SeqCst) {
            assert!(engine.renew(attached.line, attached.session));
            // Nothing is told as enforced before the last path is open.
            if engine.enforced().is_some_and(|told| told.revision == 2) {
                let opened = kernel.count(Done::Opened);
                assert_eq!(opened, 800_000, "told before all was open");
            }
        }
    });
    let done = kernel.done.lock().unwrap();
    let mut opened = done.iter().enumerate().filter(|(_, d)| **d == Done::Opened);
    let (first, last) = (opened.next().unwrap().0, opened.next_back().unwrap().0);
    let between = done[first..last].iter();
    let renewed = between.filter(|d| **d == Done::Renewed).count();
    // 800,000 paths are about 195 slices.
    assert!(renewed > 40, "renewed {renewed} times meanwhile");
    assert_eq!(engine.enforced().map(|told| told.revision), Some(2));
}

#[test]
fn a_policy_that_ends_while_another_is_brought_in_closes_everything() {
    let (kernel, hands) = (Fake::default(), Hands::at(NOW));
    let engine = engine(&kernel, &hands);
    engine.apply_snapshot(large(1, 5_000), 1).unwrap();
    attach(&engine);
    assert_eq!(kernel.held().grants.len(), 20_000);
    hands.pass_ms(DAY_MS);
    // The first slice of what the end asks for, and no more.
    assert_eq!(engine.due(), Duration::from_millis(1));
    assert_eq!(kernel.bound(), None, "lines are cut at once");
    assert_eq!(engine.enforced(), None);
    while engine.due() < Duration::from_secs(1) {}
    assert_eq!(kernel.held().grants.len(), 0);
    assert_eq!(kernel.held().participants.len(), 0);
    assert!(engine.enforced().is_some());
}

#[test]
fn an_operation_that_fails_between_two_slices_has_everything_compared_anew() {
    let (kernel, hands) = (Fake::default(), Hands::at(NOW));
    let engine = engine(&kernel, &hands);
    {
        let mut inner = engine.lock();
        let prepared = Prepared::new(large(1, 5_000), NOW);
        let (ops, _) = inner.policy.replace(prepared, NOW, 1).unwrap();
        inner.perform(ops);
        assert!(inner.compare(), "there is more than one slice");
        kernel.refuses.store(true, Ordering::SeqCst);
        inner.perform(vec![Op::RemoveParticipant(number(1))]);
        kernel.refuses.store(false, Ordering::SeqCst);
        assert!(!inner.compare(), "what was half done is not gone on with");
    }
    assert_eq!(engine.enforced(), None);
    while engine.due() < Duration::from_secs(1) {}
    assert_eq!(engine.enforced().map(|told| told.revision), Some(1));
    assert_eq!(kernel.held().grants.len(), 20_000);
}
