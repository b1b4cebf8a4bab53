//! 更新: who holds a certificate that counts gets the next one, in time, as
//! often as an answer may be lost, and never more than the limits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    Actor, DeviceId, Fingerprint, GatewayId, InstitutionKind, ParticipantKind, ParticipantNumber,
    Role, UnixMillis,
};
use iryonet_registry::{
    Act, CertificateFacts, CodeHash, Command, DecideError, Event, Home, MemoryTables, Refusal,
    RevocationReason, Serial, Subject, View, apply, decide,
};

const BEGIN: UnixMillis = UnixMillis(1_756_000_000_000);
const LIFE_MS: u64 = 300 * 86_400_000;

struct World {
    tables: MemoryTables,
    now: UnixMillis,
}

impl World {
    /// A clinic with device 1, and a gateway with its first certificate.
    fn new() -> Self {
        let mut world = Self {
            tables: MemoryTables::default(),
            now: BEGIN,
        };
        world.must(&Command::FoundNetwork {
            network: "2001:db8::/32".parse().unwrap(),
        });
        world.must(&Command::RegisterGateway {
            gateway: gateway(),
            backbone: "2001:db8::1".parse().unwrap(),
            blocks: vec![1],
        });
        world.must(&Command::AdmitParticipant {
            kind: ParticipantKind::Institution(InstitutionKind::Clinic),
            name: "さくら診療所".to_owned(),
            code: None,
            home: Home::Block(1),
        });
        for (n, subject) in [Subject::Participant(clinic()), Subject::Gateway(gateway())]
            .into_iter()
            .enumerate()
        {
            world.must(&Command::IssueEnrolmentCode {
                subject,
                code_hash: hash(n),
                expires_at: BEGIN.plus_ms(1_000),
            });
        }
        world.must(&Command::EnrolDevice {
            code_hash: hash(0),
            device: DeviceId(1),
            certificate: world.certificate(1),
        });
        world.must(&Command::CertifyGateway {
            code_hash: hash(1),
            certificate: world.certificate(2),
        });
        world
    }

    fn act(&mut self, command: &Command) -> Result<Vec<Event>, Refusal> {
        // The machine does what follows by itself, and people the rest.
        let role = match Act::from(command) {
            Act::RegisterGateway | Act::IssueEnrolmentCode => Role::Operator,
            _ => Role::System,
        };
        let actor = Actor::new(role, "center-1").unwrap();
        match decide(&self.tables, &actor, command, self.now) {
            Ok(events) => {
                for event in &events {
                    apply(&mut self.tables, event, self.now).unwrap();
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

    fn certificate(&self, n: u8) -> CertificateFacts {
        CertificateFacts {
            fingerprint: Fingerprint([n; 32]),
            serial: Serial::from_octets(&[0x40, n]).unwrap(),
            not_before: self.now,
            not_after: self.now.plus_ms(LIFE_MS),
        }
    }

    /// Device `old`, proved by certificate `shown`, gets `successor` with certificate `new`.
    fn renew(
        &mut self,
        (old, shown): (u32, u8),
        (successor, new): (u32, u8),
    ) -> Result<(), String> {
        let command = Command::RenewDevice {
            participant: clinic(),
            device: DeviceId(old),
            fingerprint: Fingerprint([shown; 32]),
            successor: DeviceId(successor),
            certificate: self.certificate(new),
        };
        self.act(&command)
            .map(|_| ())
            .map_err(|refusal| refusal.code().to_owned())
    }

    fn at_two_thirds(mut self) -> Self {
        self.now = BEGIN.plus_ms(LIFE_MS * 2 / 3);
        self
    }
}

fn clinic() -> ParticipantNumber {
    ParticipantNumber::new(65_536).unwrap()
}

fn gateway() -> GatewayId {
    "gw-east-1".parse().unwrap()
}

fn hash(n: usize) -> CodeHash {
    CodeHash::try_from(format!("{n:064x}")).unwrap()
}

#[test]
fn a_renewed_device_and_its_successor_both_count_until_the_old_one_ends() {
    let mut world = World::new().at_two_thirds();
    world.renew((1, 1), (2, 11)).unwrap();
    let valid = |world: &World, now| world.tables.valid_devices(clinic(), now).unwrap().len();
    assert_eq!(valid(&world, world.now), 2);
    assert_eq!(valid(&world, BEGIN.plus_ms(LIFE_MS)), 1);
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again_with_the_old_certificate() {
    let mut world = World::new().at_two_thirds();
    world.renew((1, 1), (2, 11)).unwrap();
    world.renew((1, 1), (3, 12)).unwrap();
    // A certificate that names another device than the next one is nobody's.
    assert_eq!(world.renew((1, 1), (3, 13)).unwrap_err(), "other-device");
}

#[test]
fn nobody_renews_in_the_first_half_nor_after_the_end() {
    let mut world = World::new();
    world.now = BEGIN.plus_ms(LIFE_MS / 2 - 1);
    assert_eq!(
        world.renew((1, 1), (2, 11)).unwrap_err(),
        "renewal-too-early"
    );
    world.now = BEGIN.plus_ms(LIFE_MS);
    assert_eq!(
        world.renew((1, 1), (2, 11)).unwrap_err(),
        "certificate-ran-out"
    );
    world.now = BEGIN.plus_ms(LIFE_MS / 2);
    world.renew((1, 1), (2, 11)).unwrap();
    // The new one is young.
    assert_eq!(
        world.renew((2, 11), (3, 12)).unwrap_err(),
        "renewal-too-early"
    );
}

#[test]
fn a_certificate_that_is_not_the_devices_or_was_revoked_renews_nothing() {
    let mut world = World::new().at_two_thirds();
    assert_eq!(world.renew((1, 2), (2, 11)).unwrap_err(), "device-unknown");
    assert_eq!(world.renew((7, 1), (2, 11)).unwrap_err(), "device-unknown");
    world.must(&Command::RevokeDevice {
        participant: clinic(),
        device: DeviceId(1),
        reason: RevocationReason::KeyCompromise,
    });
    assert_eq!(
        world.renew((1, 1), (2, 11)).unwrap_err(),
        "certificate-revoked"
    );
}

#[test]
fn a_closed_participant_renews_nothing() {
    let mut world = World::new().at_two_thirds();
    world.must(&Command::CloseParticipant {
        participant: clinic(),
        reason: "閉院".to_owned(),
    });
    assert_eq!(
        world.renew((1, 1), (2, 11)).unwrap_err(),
        "participant-closed"
    );
}

#[test]
fn a_quarantined_participant_renews_nothing_until_it_is_released() {
    let mut world = World::new().at_two_thirds();
    world.must(&Command::QuarantineParticipant {
        participant: clinic(),
        reason: "鍵の漏えいの疑い".to_owned(),
    });
    assert_eq!(
        world.renew((1, 1), (2, 11)).unwrap_err(),
        "participant-quarantined"
    );
    world.must(&Command::ReleaseParticipant {
        participant: clinic(),
    });
    world.renew((1, 1), (2, 11)).unwrap();
}

#[test]
fn whoever_renews_for_ever_gets_sixteen_valid_devices_and_no_more() {
    let mut world = World::new().at_two_thirds();
    for n in 2..=16_u8 {
        world.renew((1, 1), (u32::from(n), 20 + n)).unwrap();
    }
    assert_eq!(
        world.renew((1, 1), (17, 99)).unwrap_err(),
        "too-many-devices-in-change"
    );
}

#[test]
fn a_gateway_renews_its_certificate_under_the_same_rules() {
    let mut world = World::new();
    let renew = |world: &World, shown: u8, new: u8| Command::RenewGateway {
        gateway: gateway(),
        fingerprint: Fingerprint([shown; 32]),
        certificate: world.certificate(new),
    };
    let command = renew(&world, 2, 11);
    assert_eq!(world.act(&command).unwrap_err().code(), "renewal-too-early");
    let mut world = world.at_two_thirds();
    // A device's certificate is no gateway's.
    let command = renew(&world, 1, 11);
    assert_eq!(
        world.act(&command).unwrap_err().code(),
        "gateway-certificate-unknown"
    );
    for n in 2..=16 {
        let command = renew(&world, 2, 20 + n);
        world.must(&command);
    }
    let command = renew(&world, 2, 99);
    assert_eq!(
        world.act(&command).unwrap_err().code(),
        "too-many-certificates-in-change"
    );
}
