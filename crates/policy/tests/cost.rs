//! What an act costs is what it touches: the same records are compared and the
//! same changes told, whether a gateway has fifty lines or five thousand.
//! Counted, not timed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a broken fixture may stop a test at once"
)]

mod plain;

use iryonet_domain::*;
use iryonet_policy::Model;
use iryonet_registry::{Event, RevocationReason};
use plain::*;
use std::collections::BTreeMap;

const PROVIDER: u32 = 0x02_0000;
const SERVICE: u32 = 1;
/// Clinics at the gateway beside the large one.
const BESIDE: u32 = 20;

/// `large` with so many clinics, a line each; `beside` with a provider and a few
/// clinics; `far` with nobody.
struct Region {
    model: Model,
    revision: u64,
}

/// What one act came to.
#[derive(Debug, PartialEq)]
struct Cost {
    /// Records compared.
    compared: u64,
    /// Changes told, by gateway.
    told: BTreeMap<String, usize>,
}

fn cost(compared: u64, told: &[(&str, usize)]) -> Cost {
    let told = told
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    Cost {
        compared,
        told: told.collect(),
    }
}

fn clinic(index: u32) -> u32 {
    0x01_0000 + index
}

fn line(participant: u32, gateway: &str) -> Event {
    Event::LineAdded {
        line: LineId(participant),
        kind: LineKind::Ethernet,
        participant: number(participant),
        site: 0,
        circuit: Circuit {
            gateway: gateway.parse().unwrap(),
            interface: format!("ac{participant}"),
        },
    }
}

fn print(participant: u32) -> Fingerprint {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&participant.to_be_bytes());
    Fingerprint(bytes)
}

impl Region {
    fn new(lines: u32) -> Self {
        let mut region = Self {
            model: Model::new(network()),
            revision: 0,
        };
        for (index, name) in ["large", "beside", "far"].into_iter().enumerate() {
            region.act(vec![Event::GatewayRegistered {
                gateway: name.parse().unwrap(),
                backbone: network().infrastructure(1, index as u64 + 1),
                blocks: vec![index as u8 + 1],
            }]);
        }
        let there = (0..lines).map(|index| (clinic(index), "large"));
        let beside = (0..=BESIDE).map(|index| (PROVIDER + index, "beside"));
        for (participant, gateway) in there.chain(beside) {
            region.act(vec![Event::ParticipantAdmitted {
                number: number(participant),
                kind: ParticipantKind::Provider,
                name: "名".into(),
                code: None,
                area: None,
            }]);
            region.act(vec![line(participant, gateway)]);
            region.act(vec![Event::DeviceEnrolled {
                participant: number(participant),
                device: DeviceId(1),
                fingerprint: print(participant),
                serial: serial(),
                not_before: UnixMillis(100),
                not_after: UnixMillis(1_000),
            }]);
        }
        region.act(vec![Event::ServiceRegistered {
            service: ServiceId::new(SERVICE).unwrap(),
            provider: number(PROVIDER),
            name: "紹介状".into(),
            class: TrafficClass::Interactive,
            purposes: vec![Purpose::REFERRAL],
            endpoints: vec![Endpoint {
                address: network().site(number(PROVIDER), 0).host(0x10),
                protocol: Protocol::Tcp,
                port: 443,
            }],
            eligible: vec![],
        }]);
        region
    }

    fn act(&mut self, events: Vec<Event>) -> Cost {
        self.revision += 1;
        let before = self.model.compared();
        let changes = self.model.apply(self.revision, &events);
        assert_eq!(self.model.unfit_events(), 0, "{events:?}");
        let mut told = BTreeMap::new();
        for (gateway, _) in changes {
            *told.entry(gateway.as_str().to_owned()).or_default() += 1;
        }
        Cost {
            compared: self.model.compared() - before,
            told,
        }
    }

    fn agree(&mut self, participant: u32, agreement: u64) -> Cost {
        let agreement = AgreementId(agreement);
        let service = ServiceId::new(SERVICE).unwrap();
        let validity = Validity {
            from: UnixMillis(100),
            until: UnixMillis(900),
        };
        self.act(vec![Event::AgreementProposed {
            agreement,
            participant: number(participant),
            service,
            purpose: Purpose::REFERRAL,
            validity,
            by: number(participant),
            officer: None,
        }]);
        self.act(vec![Event::AgreementAccepted {
            agreement,
            participant: number(participant),
            service,
            validity,
            by: number(PROVIDER),
            officer: None,
            automatic: false,
        }])
    }

    fn held(&self, gateway: &str) -> iryonet_wire::feed::Snapshot {
        let gateway = gateway.parse().unwrap();
        self.model
            .snapshot(&gateway, UnixMillis(1), UnixMillis(2))
            .unwrap()
    }
}

#[test]
fn each_gateway_holds_what_concerns_its_own_lines_and_no_more() {
    let mut region = Region::new(5_000);
    let large = region.held("large");
    assert_eq!((large.lines.len(), large.devices.len()), (5_000, 5_000));
    assert_eq!(large.participants.len(), 5_000);
    let beside = region.held("beside");
    assert_eq!(beside.lines.len(), BESIDE as usize + 1);
    assert_eq!(beside.participants.len(), BESIDE as usize + 1);
    let far = region.held("far");
    assert_eq!((far.lines.len(), far.participants.len()), (0, 0));
    for (snapshot, name) in [(&large, "large"), (&beside, "beside")] {
        let own = |line: &iryonet_wire::feed::LineEntry| line.circuit.gateway.as_str() == name;
        assert!(snapshot.lines.iter().all(own));
    }
    // With an agreement each of the two learns of one more participant.
    region.agree(clinic(4_321), 1);
    assert_eq!(region.held("large").participants.len(), 5_001);
    assert_eq!(
        region.held("beside").participants.len(),
        BESIDE as usize + 2
    );
    assert_eq!(region.held("far").participants.len(), 0);
}

#[test]
fn an_act_costs_what_it_touches_at_a_gateway_of_any_size() {
    let costs = |lines: u32| {
        let mut region = Region::new(lines);
        // Others agreed before: their number must not matter either.
        for other in 0..lines - 10 {
            region.agree(clinic(other), u64::from(other) + 100);
        }
        let one = clinic(lines - 1);
        vec![
            ("an agreement", region.agree(one, 1)),
            ("one beside", region.agree(PROVIDER + 3, 2)),
            (
                "its end",
                region.act(vec![Event::AgreementEnded {
                    agreement: AgreementId(2),
                    participant: number(PROVIDER + 3),
                    service: ServiceId::new(SERVICE).unwrap(),
                    by: None,
                    ran_out: false,
                }]),
            ),
            (
                "a quarantine",
                region.act(vec![Event::ParticipantQuarantined {
                    participant: number(one),
                    reason: "疑い".into(),
                }]),
            ),
            (
                "its release",
                region.act(vec![Event::ParticipantReleased {
                    participant: number(one),
                }]),
            ),
            (
                "a revocation",
                region.act(vec![Event::DeviceRevoked {
                    participant: number(one),
                    device: DeviceId(1),
                    fingerprint: print(one),
                    serial: serial(),
                    reason: RevocationReason::KeyCompromise,
                }]),
            ),
            (
                "a line less",
                region.act(vec![Event::LineRemoved {
                    line: LineId(clinic(lines - 2)),
                    participant: number(clinic(lines - 2)),
                    site: 0,
                    circuit: Circuit {
                        gateway: "large".parse().unwrap(),
                        interface: format!("ac{}", clinic(lines - 2)),
                    },
                }]),
            ),
        ]
    };
    let small = costs(50);
    assert_eq!(
        small,
        [
            // Two sides and the grant, told at both gateways: the other side, the grant.
            ("an agreement", cost(3, &[("large", 1), ("beside", 2)])),
            ("one beside", cost(3, &[("beside", 1)])),
            ("its end", cost(3, &[("beside", 2)])),
            ("a quarantine", cost(1, &[("large", 1), ("beside", 1)])),
            ("its release", cost(1, &[("large", 1), ("beside", 1)])),
            ("a revocation", cost(2, &[("large", 2), ("beside", 1)])),
            ("a line less", cost(3, &[("large", 3)])),
        ]
    );
    assert_eq!(costs(5_000), small);
}
