//! Every table has a limit and refuses loudly at it, not before and not after.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    Actor, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, InstitutionKind, LineKind,
    ParticipantKind, ParticipantNumber, Protocol, Purpose, ServiceId, TrafficClass, UnixMillis,
    Validity,
};
use iryonet_registry::limits::*;
use iryonet_registry::{
    Act, CertificateFacts, Command, DecideError, Event, Home, MemoryTables, Refusal, Serial,
    Subject, apply, decide, permission,
};

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

struct World(MemoryTables);

impl World {
    fn new() -> Self {
        let mut world = Self(MemoryTables::default());
        world.must(&Command::FoundNetwork {
            network: "2001:db8::/32".parse().unwrap(),
        });
        world.must(&gateway(1));
        world
    }

    fn act(&mut self, command: &Command) -> Result<Vec<Event>, Refusal> {
        let actor = whose_duty(command);
        match decide(&self.0, &actor, command, NOW) {
            Ok(events) => {
                for event in &events {
                    apply(&mut self.0, event, NOW).unwrap();
                }
                Ok(events)
            }
            Err(DecideError::Refused(refusal)) => Err(refusal),
            Err(DecideError::View(error)) => panic!("{error}"),
        }
    }

    fn must(&mut self, command: &Command) -> Vec<Event> {
        self.act(command)
            .unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"))
    }

    /// `make(n)` is accepted exactly `limit` times, then refused by that name.
    fn exactly(&mut self, limit: usize, code: &str, mut make: impl FnMut(usize) -> Command) {
        for n in 0..limit {
            self.must(&make(n));
        }
        let refusal = self.act(&make(limit)).unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
    }
}

/// Somebody who may do this for anybody.
fn whose_duty(command: &Command) -> Actor {
    let role = permission::whose_duty(Act::from(command)).unwrap();
    Actor::new(role, "suzuki").unwrap()
}

fn gateway_id(n: usize) -> GatewayId {
    format!("gw-{n}").parse().unwrap()
}

fn gateway(n: usize) -> Command {
    Command::RegisterGateway {
        gateway: gateway_id(n),
        backbone: format!("2001:db8::1:{n:x}").parse().unwrap(),
        blocks: u8::try_from(n).map_or_else(|_| Vec::new(), |block| vec![block]),
    }
}

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(0x1_0000 + n).unwrap()
}

fn admit(kind: ParticipantKind) -> Command {
    Command::AdmitParticipant {
        kind,
        name: "さくら".into(),
        code: None,
        home: Home::Gateway(gateway_id(1)),
    }
}

const CLINIC: ParticipantKind = ParticipantKind::Institution(InstitutionKind::Clinic);

fn service(provider: u32, n: usize) -> Command {
    let network: iryonet_domain::NetworkPrefix = "2001:db8::/32".parse().unwrap();
    Command::RegisterService {
        provider: number(provider),
        name: format!("サービス{n}"),
        class: TrafficClass::Bulk,
        purposes: vec![Purpose::REFERRAL],
        endpoints: vec![Endpoint {
            address: network.site(number(provider), 0).host(n as u64 + 1),
            protocol: Protocol::Tcp,
            port: 443,
        }],
        eligible: vec![],
        offer: iryonet_registry::Offer::default(),
    }
}

fn hash(n: usize) -> iryonet_registry::CodeHash {
    format!("{n:064x}").parse().unwrap()
}

fn certificate(n: usize) -> CertificateFacts {
    let mut print = [0; 32];
    print[..8].copy_from_slice(&(n as u64).to_be_bytes());
    CertificateFacts {
        fingerprint: Fingerprint(print),
        serial: Serial::from_octets(&(n as u64 + 1).to_be_bytes()).unwrap(),
        not_before: NOW,
        not_after: NOW.plus_ms(1_000_000),
    }
}

fn code_for(subject: Subject, n: usize) -> Command {
    Command::IssueEnrolmentCode {
        subject,
        code_hash: hash(n),
        expires_at: NOW.plus_ms(CODE_LIFE_MAX_MS),
    }
}

#[test]
fn a_network_has_at_most_one_gateway_for_each_block() {
    let mut world = World::new();
    world.exactly(GATEWAYS_MAX as usize - 1, "too-many-gateways", |n| {
        gateway(n + 2)
    });
}

#[test]
fn a_block_gives_each_of_its_numbers_once_and_then_no_more() {
    let mut world = World::new();
    let events = world.must(&admit(CLINIC));
    assert!(matches!(events[0], Event::ParticipantAdmitted { number: n, .. } if n == number(0)));
    // As if the block were nearly used up.
    let last = Event::ParticipantAdmitted {
        number: number(0xfffe),
        kind: CLINIC,
        name: "さくら".into(),
        code: None,
        area: None,
    };
    apply(&mut world.0, &last, NOW).unwrap();
    world.exactly(1, "no-number-left", |_| admit(CLINIC));
    // Another block of the same gateway would go on; another gateway's is not taken.
    world.must(&gateway(2));
    assert_eq!(
        world.act(&admit(CLINIC)).unwrap_err().code(),
        "no-number-left"
    );
}

#[test]
fn a_participant_has_256_sites_and_a_site_16_lines() {
    let mut world = World::new();
    world.must(&admit(CLINIC));
    world.exactly(SITES_PER_PARTICIPANT, "no-site-left", |n| {
        Command::AddSite {
            participant: number(0),
            site: None,
            name: format!("拠点{n}"),
        }
    });
    let line = |site: u8| {
        move |n: usize| Command::AddLine {
            participant: number(0),
            site,
            kind: LineKind::Ethernet,
            circuit: Circuit {
                gateway: gateway_id(1),
                interface: format!("l{site}-{n}"),
            },
        }
    };
    world.exactly(LINES_PER_SITE, "too-many-lines", line(0));
    // The limit is the site's, not the participant's.
    world.exactly(LINES_PER_SITE, "too-many-lines", line(255));
}

#[test]
fn eight_codes_wait_and_eight_devices_are_valid_at_the_same_time() {
    let mut world = World::new();
    world.must(&admit(CLINIC));
    let subject = || Subject::Participant(number(0));
    world.exactly(WAITING_CODES_PER_SUBJECT, "too-many-enrolment-codes", |n| {
        code_for(subject(), n)
    });
    let enrol = |n: usize, device: usize| Command::EnrolDevice {
        code_hash: hash(n),
        device: DeviceId(device as u32),
        certificate: certificate(n),
    };
    for n in 0..VALID_DEVICES_PER_PARTICIPANT {
        world.must(&enrol(n, n + 1));
    }
    // The used codes make room for new ones, not for new devices.
    world.must(&code_for(subject(), 100));
    assert_eq!(
        world.act(&enrol(100, 9)).unwrap_err().code(),
        "too-many-devices"
    );
    world.must(&Command::RevokeDevice {
        participant: number(0),
        device: DeviceId(3),
        reason: iryonet_registry::RevocationReason::Superseded,
    });
    // The freed place gets a number of its own, never the revoked one's.
    assert_eq!(
        world.act(&enrol(100, 3)).unwrap_err().code(),
        "other-device"
    );
    world.must(&enrol(100, 9));
}

#[test]
fn a_code_for_a_gateway_makes_no_device_and_the_other_way_round() {
    let mut world = World::new();
    world.must(&admit(CLINIC));
    world.must(&code_for(Subject::Gateway(gateway_id(1)), 1));
    world.must(&code_for(Subject::Participant(number(0)), 2));
    let device = Command::EnrolDevice {
        code_hash: hash(1),
        device: DeviceId(1),
        certificate: certificate(1),
    };
    let certify = |n| Command::CertifyGateway {
        code_hash: hash(n),
        certificate: certificate(n),
    };
    for command in [device, certify(2)] {
        assert_eq!(
            world.act(&command).unwrap_err().code(),
            "enrolment-code-of-other-subject"
        );
    }
    world.must(&certify(1));
    assert_eq!(
        world.act(&certify(1)).unwrap_err().code(),
        "enrolment-code-spent"
    );
    // A certificate once recorded is nobody else's.
    world.must(&code_for(Subject::Gateway(gateway_id(1)), 3));
    let again = Command::CertifyGateway {
        code_hash: hash(3),
        certificate: certificate(1),
    };
    assert_eq!(world.act(&again).unwrap_err().code(), "serial-used");
    let same_print = Command::CertifyGateway {
        code_hash: hash(3),
        certificate: CertificateFacts {
            serial: Serial::from_octets(&[0x77]).unwrap(),
            ..certificate(1)
        },
    };
    assert_eq!(
        world.act(&same_print).unwrap_err().code(),
        "certificate-known"
    );
    let over = Command::CertifyGateway {
        code_hash: hash(3),
        certificate: CertificateFacts {
            not_after: NOW,
            not_before: UnixMillis(1),
            ..certificate(5)
        },
    };
    assert_eq!(world.act(&over).unwrap_err().code(), "certificate-life");
}

#[test]
fn a_provider_runs_256_services_and_a_participant_has_1024_agreements() {
    let mut world = World::new();
    for _ in 0..5 {
        world.must(&admit(ParticipantKind::Provider));
    }
    world.must(&admit(CLINIC));
    for provider in 0..4 {
        world.exactly(SERVICES_PER_PROVIDER, "too-many-services", |n| {
            service(provider, n)
        });
    }
    world.must(&service(4, 0));
    world.exactly(
        OPEN_AGREEMENTS_PER_PARTICIPANT,
        "too-many-agreements",
        |n| Command::ProposeAgreement {
            participant: number(5),
            service: ServiceId::new(n as u32 + 1).unwrap(),
            purpose: Purpose::REFERRAL,
            validity: Validity {
                from: NOW,
                until: NOW.plus_ms(1_000),
            },
            by: number(5),
        },
    );
}

#[test]
fn only_the_kinds_that_a_service_is_for_may_ask_for_it() {
    let mut world = World::new();
    world.must(&admit(ParticipantKind::Provider));
    world.must(&admit(CLINIC));
    let mut command = service(0, 0);
    if let Command::RegisterService { eligible, .. } = &mut command {
        *eligible = vec![ParticipantKind::Institution(InstitutionKind::Pharmacy)];
    }
    world.must(&command);
    let propose = Command::ProposeAgreement {
        participant: number(1),
        service: ServiceId::new(1).unwrap(),
        purpose: Purpose::REFERRAL,
        validity: Validity {
            from: NOW,
            until: NOW.plus_ms(1_000),
        },
        by: number(1),
    };
    let refusal = world.act(&propose).unwrap_err();
    assert_eq!(refusal.code(), "not-eligible");
    assert!(refusal.to_string().contains("pharmacy"), "{refusal}");
    assert!(refusal.ja().contains("診療所"), "{}", refusal.ja());
}
