//! What a gateway is told, act by act.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a broken fixture may stop a test at once"
)]

mod plain;

use iryonet_domain::*;
use iryonet_policy::Model;
use iryonet_registry::{Event, MembershipEvent, RecheckEvent};
use iryonet_wire::feed::{Change, Condition, Snapshot};
use plain::*;

/// A clinic at `east`, a hospital at `west`, a provider at `center`, and `far`
/// where nobody of them is. Revision by revision.
struct Region {
    model: Model,
    revision: u64,
}

const CLINIC: u32 = 0x01_0000;
const HOSPITAL: u32 = 0x02_0000;
const PROVIDER: u32 = 0x03_0000;
const SERVICE: u32 = 1;

impl Region {
    fn new() -> Self {
        let mut region = Self {
            model: Model::new(network()),
            revision: 0,
        };
        for (index, name) in ["east", "west", "center", "far"].into_iter().enumerate() {
            region.tell(vec![Event::GatewayRegistered {
                gateway: name.parse().unwrap(),
                backbone: network().infrastructure(1, index as u64 + 1),
                blocks: vec![index as u8 + 1],
            }]);
        }
        for (n, gateway) in [(CLINIC, "east"), (HOSPITAL, "west"), (PROVIDER, "center")] {
            region.tell(vec![Event::ParticipantAdmitted {
                number: number(n),
                kind: ParticipantKind::Provider,
                name: "名".into(),
                code: None,
                area: None,
            }]);
            region.tell(vec![line(n, gateway)]);
            region.tell(vec![enrolled(n, 1, 100, 1_000)]);
        }
        region.tell(vec![Event::ServiceRegistered {
            service: ServiceId::new(SERVICE).unwrap(),
            provider: number(PROVIDER),
            name: "紹介状".into(),
            class: TrafficClass::Interactive,
            purposes: vec![Purpose::REFERRAL],
            endpoints: vec![at(443), at(8443)],
            eligible: vec![],
        }]);
        region
    }

    fn tell(&mut self, events: Vec<Event>) -> Vec<(String, Change)> {
        self.revision += 1;
        let told = self.model.apply(self.revision, &events);
        told.into_iter()
            .map(|(gateway, change)| (gateway.to_string(), change))
            .collect()
    }

    fn agree(&mut self, participant: u32, agreement: u64) -> Vec<(String, Change)> {
        self.tell(agreed(participant, agreement))
    }

    fn snapshot(&self, gateway: &str) -> Snapshot {
        let gateway = gateway.parse().unwrap();
        (self.model.snapshot(&gateway, UnixMillis(1), UnixMillis(2))).unwrap()
    }

    /// Generations of clinic and provider, as the provider's gateway sees them.
    fn generations(&self) -> (u32, u32) {
        let snapshot = self.snapshot("center");
        let of = |n| {
            let mut list = snapshot.participants.iter();
            list.find(|p| p.number == number(n)).unwrap().generation
        };
        (of(CLINIC), of(PROVIDER))
    }
}

fn at(port: u16) -> Endpoint {
    endpoint(number(PROVIDER), 0x10, port)
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

fn enrolled(participant: u32, device: u32, not_before: u64, not_after: u64) -> Event {
    Event::DeviceEnrolled {
        participant: number(participant),
        device: DeviceId(device),
        fingerprint: print(participant, device),
        serial: serial(),
        not_before: UnixMillis(not_before),
        not_after: UnixMillis(not_after),
    }
}

fn print(participant: u32, device: u32) -> Fingerprint {
    let mut bytes = [device as u8; 32];
    bytes[..4].copy_from_slice(&participant.to_be_bytes());
    Fingerprint(bytes)
}

fn revocation(participant: u32, device: u32) -> Event {
    Event::DeviceRevoked {
        participant: number(participant),
        device: DeviceId(device),
        fingerprint: print(participant, device),
        serial: serial(),
        reason: iryonet_registry::RevocationReason::KeyCompromise,
    }
}

fn agreed(participant: u32, agreement: u64) -> Vec<Event> {
    let agreement = AgreementId(agreement);
    let participant = number(participant);
    let service = ServiceId::new(SERVICE).unwrap();
    let validity = Validity {
        from: UnixMillis(100),
        until: UnixMillis(900),
    };
    vec![
        Event::AgreementProposed {
            agreement,
            participant,
            service,
            purpose: Purpose::REFERRAL,
            validity,
            by: participant,
            officer: None,
        },
        Event::AgreementAccepted {
            agreement,
            participant,
            service,
            validity,
            by: number(PROVIDER),
            officer: None,
            automatic: false,
        },
    ]
}

fn end(participant: u32, agreement: u64) -> Event {
    Event::AgreementEnded {
        agreement: AgreementId(agreement),
        participant: number(participant),
        service: ServiceId::new(SERVICE).unwrap(),
        by: None,
        ran_out: false,
    }
}

fn names(told: &[(String, Change)]) -> Vec<&str> {
    let mut names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    names
}

#[test]
fn an_agreement_of_a_clinic_reaches_its_gateway_and_the_providers_and_no_other() {
    let mut region = Region::new();
    let told = region.agree(CLINIC, 1);
    assert_eq!(names(&told), ["east", "center"]);
    // Each gets the side it did not know, before the grant that names it.
    let kinds: Vec<_> = told.iter().map(|(_, change)| change).collect();
    assert!(matches!(kinds[0], Change::Participant(p) if p.number == number(PROVIDER)));
    assert!(matches!(kinds[1], Change::Grant(_)));
    assert!(matches!(kinds[2], Change::Participant(p) if p.number == number(CLINIC)));
    assert!(matches!(kinds[3], Change::Grant(_)));
    assert_eq!(kinds.len(), 4);

    // A second clinic's agreement does not tell the first one's gateway anything.
    let told = region.agree(HOSPITAL, 2);
    assert_eq!(names(&told), ["west", "center"]);
}

#[test]
fn a_proposal_opens_nothing_and_no_gateway_hears_of_it() {
    let mut region = Region::new();
    let mut events = agreed(CLINIC, 1);
    let acceptance = events.pop().unwrap();
    assert_eq!(region.tell(events), []);
    assert_eq!(names(&region.tell(vec![acceptance])), ["east", "center"]);
}

#[test]
fn the_end_of_an_agreement_changes_the_participants_generation_and_nobody_elses() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    region.agree(HOSPITAL, 2);
    let (_, provider) = region.generations();
    let told = region.tell(vec![end(CLINIC, 1)]);
    let revision = region.revision as u32;
    assert!(told.iter().any(|(gateway, change)| gateway == "east"
        && matches!(change, Change::GrantGone { participant, .. } if *participant == number(CLINIC))));
    assert!(told.iter().any(|(gateway, change)| gateway == "east"
        && matches!(change, Change::Participant(p) if p.number == number(CLINIC) && p.generation == revision)));
    assert!(told.iter().any(|(gateway, change)| gateway == "center"
        && *change == Change::ParticipantGone(number(CLINIC))));
    let after = region.snapshot("center");
    let kept = after
        .participants
        .iter()
        .find(|p| p.number == number(PROVIDER));
    assert_eq!(kept.unwrap().generation, provider);
}

#[test]
fn an_endpoint_that_goes_changes_the_providers_generation_and_one_that_comes_changes_none() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    let (clinic, provider) = region.generations();
    let change = |endpoints: Vec<Endpoint>| {
        vec![Event::ServiceEndpointsChanged {
            service: ServiceId::new(SERVICE).unwrap(),
            provider: number(PROVIDER),
            endpoints,
        }]
    };
    let told = region.tell(change(vec![at(80), at(443), at(8443)]));
    assert_eq!(names(&told), ["east", "west", "center", "far"]);
    assert_eq!(region.generations(), (clinic, provider));
    let told = region.tell(change(vec![at(80), at(443)]));
    assert_eq!(region.generations(), (clinic, region.revision as u32));
    // At the clinic's gateway the endpoint goes before the generation bites.
    let east: Vec<_> = told
        .iter()
        .filter(|(g, _)| g == "east")
        .map(|(_, c)| c)
        .collect();
    assert!(
        matches!(east[..], [Change::Service(_), Change::Participant(_)]),
        "{east:?}"
    );
    // A gateway that serves neither side hears of the catalogue only.
    let far: Vec<_> = told
        .iter()
        .filter(|(g, _)| g == "far")
        .map(|(_, c)| c)
        .collect();
    assert!(matches!(far[..], [Change::Service(_)]), "{far:?}");
}

#[test]
fn a_retired_service_changes_its_providers_generation() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    region.agree(HOSPITAL, 2);
    let service = ServiceId::new(SERVICE).unwrap();
    let provider = number(PROVIDER);
    let told = region.tell(vec![
        end(CLINIC, 1),
        end(HOSPITAL, 2),
        Event::ServiceRetired { service, provider },
    ]);
    let revision = region.revision as u32;
    let center: Vec<_> = told
        .iter()
        .filter(|(g, _)| g == "center")
        .map(|(_, c)| c)
        .collect();
    let gone = center
        .iter()
        .position(|c| **c == Change::ServiceGone(service))
        .unwrap();
    let bites = center.iter().position(|c| matches!(c, Change::Participant(p) if p.number == provider && p.generation == revision)).unwrap();
    assert!(gone < bites);
    assert_eq!(names(&told), ["east", "west", "center", "far"]);
}

#[test]
fn who_ceases_to_be_live_has_its_flows_checked_anew_also_after_it_is_live_again() {
    let participant = number(CLINIC);
    type Acts = (Vec<Event>, Vec<Event>, Condition);
    let case = CaseId(1);
    let held = || {
        Event::Membership(MembershipEvent::ParticipantHeld {
            participant,
            hold: iryonet_registry::membership::Hold {
                since: UnixMillis(1),
                close_at: None,
                reasons: vec![],
            },
        })
    };
    let cases: [Acts; 4] = [
        (
            vec![Event::ParticipantQuarantined {
                participant,
                reason: "疑い".into(),
            }],
            vec![Event::ParticipantReleased { participant }],
            Condition::Quarantined,
        ),
        (
            vec![revocation(CLINIC, 1)],
            vec![enrolled(CLINIC, 2, 200, 2_000)],
            Condition::NoDevice,
        ),
        (
            vec![Event::Membership(MembershipEvent::ParticipantSuspended {
                participant,
                case,
                reason: "改装".into(),
            })],
            vec![Event::Membership(MembershipEvent::ParticipantResumed {
                participant,
                case,
            })],
            Condition::NotOpen,
        ),
        (
            vec![held()],
            vec![Event::Membership(MembershipEvent::ParticipantHoldEnded {
                participant,
            })],
            Condition::NotOpen,
        ),
    ];
    for (cut, back, condition) in cases {
        let mut region = Region::new();
        region.agree(CLINIC, 1);
        let (_, provider) = region.generations();
        let told = region.tell(cut);
        let revision = region.revision as u32;
        for gateway in ["east", "center"] {
            assert!(told.iter().any(|(g, c)| g == gateway
                && matches!(c, Change::Participant(p) if p.number == participant && p.condition == condition && p.generation == revision)));
        }
        assert_eq!(names(&told), ["east", "center"]);
        region.tell(back);
        assert_eq!(region.model.condition(participant), Some(Condition::Live));
        assert_eq!(region.generations(), (revision, provider));
    }
}

#[test]
fn what_only_allows_more_leaves_every_generation_as_it_is() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    let before = region.generations();
    region.agree(HOSPITAL, 2);
    region.tell(vec![enrolled(CLINIC, 2, 200, 2_000)]);
    region.tell(vec![revocation(CLINIC, 1)]);
    region.tell(vec![Event::LineAdded {
        line: LineId(7),
        kind: LineKind::Ethernet,
        participant: number(CLINIC),
        site: 1,
        circuit: Circuit {
            gateway: "far".parse().unwrap(),
            interface: "ac7".into(),
        },
    }]);
    assert_eq!(
        region.generations(),
        before,
        "one of two devices revoked leaves the participant live"
    );
    // The new line's gateway knows all that it needs for it.
    let far = region.snapshot("far");
    assert_eq!(
        (
            far.lines.len(),
            far.grants.len(),
            far.participants.len(),
            far.devices.len()
        ),
        (1, 1, 2, 1)
    );
}

#[test]
fn a_revoked_device_is_told_where_its_participants_lines_end_and_nowhere_else() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    region.tell(vec![enrolled(CLINIC, 2, 200, 2_000)]);
    let told = region.tell(vec![revocation(CLINIC, 1)]);
    assert_eq!(
        told,
        [("east".to_owned(), Change::DeviceGone(print(CLINIC, 1)))]
    );
}

#[test]
fn a_certificate_that_ran_out_goes_when_the_next_one_comes() {
    let mut region = Region::new();
    region.tell(vec![enrolled(CLINIC, 2, 999, 3_000)]);
    assert_eq!(
        region.snapshot("east").devices.len(),
        2,
        "they overlap for roll-over"
    );
    let told = region.tell(vec![enrolled(CLINIC, 3, 2_000, 5_000)]);
    assert!(told.contains(&("east".to_owned(), Change::DeviceGone(print(CLINIC, 1)))));
    assert_eq!(region.snapshot("east").devices.len(), 2);
}

#[test]
fn who_was_admitted_and_is_not_open_yet_has_its_device_listed_and_no_path() {
    let mut region = Region::new();
    let participant = number(CLINIC);
    region.agree(CLINIC, 1);
    region.tell(vec![Event::Membership(MembershipEvent::MembershipBegun {
        participant,
        case: CaseId(1),
        area: None,
        officer: None,
        examined: iryonet_rules::RuleVersion(1),
    })]);
    let east = region.snapshot("east");
    assert_eq!(east.devices.len(), 1, "it attaches for the opening test");
    assert_eq!(
        region.model.condition(participant),
        Some(Condition::NotOpen)
    );
    let ask = |region: &Region| {
        let service = iryonet_policy::Target::Service(ServiceId::new(SERVICE).unwrap());
        region.model.explain(participant, service, UnixMillis(500))
    };
    let said = ask(&region);
    assert!(!said.reachable);
    assert!(said.japanese.contains("開通前"), "{}", said.japanese);
    region.tell(vec![Event::Membership(
        MembershipEvent::ParticipantOpened {
            participant,
            case: CaseId(1),
        },
    )]);
    assert!(ask(&region).reachable);
}

#[test]
fn a_quarantine_stays_whatever_becomes_of_the_membership_behind_it() {
    let mut region = Region::new();
    let participant = number(CLINIC);
    region.tell(vec![Event::ParticipantQuarantined {
        participant,
        reason: "疑い".into(),
    }]);
    region.tell(vec![Event::Membership(
        MembershipEvent::ParticipantResumed {
            participant,
            case: CaseId(1),
        },
    )]);
    assert_eq!(
        region.model.condition(participant),
        Some(Condition::Quarantined)
    );
}

#[test]
fn an_end_that_is_set_earlier_is_told_to_both_gateways_and_has_flows_checked_anew() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    let told = region.tell(vec![Event::AgreementEndSet {
        agreement: AgreementId(1),
        participant: number(CLINIC),
        service: ServiceId::new(SERVICE).unwrap(),
        validity: Validity {
            from: UnixMillis(0),
            until: UnixMillis(300),
        },
        by: Some(number(PROVIDER)),
        officer: "officer:sato".parse().unwrap(),
    }]);
    let revision = region.revision as u32;
    for gateway in ["east", "center"] {
        assert!(told.iter().any(|(g, c)| g == gateway
            && matches!(c, Change::Grant(grant) if grant.until == UnixMillis(300))));
    }
    assert_eq!(names(&told), ["east", "center"]);
    assert_eq!(region.generations().0, revision);
}

#[test]
fn a_certificate_that_the_recheck_found_run_out_goes_from_the_gateway() {
    let mut region = Region::new();
    let ran_out = || {
        vec![Event::Recheck(RecheckEvent::DeviceRanOut {
            participant: number(CLINIC),
            device: DeviceId(1),
            fingerprint: print(CLINIC, 1),
        })]
    };
    let told = region.tell(ran_out());
    assert!(told.contains(&("east".to_owned(), Change::DeviceGone(print(CLINIC, 1)))));
    // Where it had gone already, nothing is out of place.
    assert_eq!(region.tell(ran_out()), []);
    assert_eq!(region.model.unfit_events(), 0);
}

#[test]
fn an_entry_that_was_taken_in_already_changes_nothing() {
    let mut region = Region::new();
    region.agree(CLINIC, 1);
    let before = region.snapshot("east");
    let again = region.model.apply(region.revision, &[end(CLINIC, 1)]);
    assert_eq!(again, []);
    assert_eq!(region.snapshot("east"), before);
}

#[test]
fn an_event_that_fits_nothing_opens_nothing_and_is_counted() {
    let mut region = Region::new();
    let acceptance = agreed(CLINIC, 1).pop().unwrap();
    assert_eq!(region.tell(vec![acceptance, line(9, "east")]), []);
    assert_eq!(region.model.unfit_events(), 2);
    assert_eq!(region.snapshot("east").grants, []);
}

#[test]
fn a_gateway_that_was_never_registered_gets_no_snapshot() {
    let region = Region::new();
    let unknown = "unknown".parse().unwrap();
    assert_eq!(
        region
            .model
            .snapshot(&unknown, UnixMillis(1), UnixMillis(2)),
        None
    );
}
