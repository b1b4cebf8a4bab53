//! 利用合意: both officers in the record, an end at a date, notice before it, and
//! time that ends it whoever writes that down.

use crate::world::*;
use iryonet_domain::{
    AgreementId, Endpoint, InstitutionKind, NetworkPrefix, ParticipantKind, ParticipantNumber,
    Protocol, Purpose, ServiceId, TrafficClass, UnixMillis, Validity,
};
use iryonet_registry::limits::AGREEMENT_NOTICE_MAX_MS;
use iryonet_registry::{AgreementState, Command, Event, Offer, View};

struct Sides {
    world: World,
    provider: ParticipantNumber,
    clinic: ParticipantNumber,
    service: ServiceId,
}

fn sides() -> Sides {
    let mut world = World::new();
    let provider = world.admit(ParticipantKind::Provider, "共同利用センター");
    let clinic = world.admit(
        ParticipantKind::Institution(InstitutionKind::Clinic),
        "さくら診療所",
    );
    let network: NetworkPrefix = "2001:db8::/32".parse().unwrap();
    world.must(
        SUZUKI,
        &Command::RegisterService {
            provider,
            name: "地域医療連携".into(),
            class: TrafficClass::Interactive,
            purposes: vec![Purpose::REFERRAL],
            endpoints: vec![Endpoint {
                address: network.site(provider, 0).host(0x80),
                protocol: Protocol::Tcp,
                port: 443,
            }],
            eligible: vec![],
            offer: Offer::default(),
        },
    );
    Sides {
        world,
        provider,
        clinic,
        service: ServiceId::new(1).unwrap(),
    }
}

impl Sides {
    fn agree(&mut self, life_ms: u64) -> AgreementId {
        let Self {
            clinic, service, ..
        } = *self;
        let validity = Validity {
            from: self.world.now,
            until: self.world.now.plus_ms(life_ms),
        };
        let propose = Command::ProposeAgreement {
            participant: clinic,
            service,
            purpose: Purpose::REFERRAL,
            validity,
            by: clinic,
        };
        // The machine for either side, under the name of whoever asked.
        self.world.must("system:clinic-portal", &propose);
        let agreement = self.world.tables.last_agreement().unwrap().unwrap();
        let accept = Command::AcceptAgreement {
            agreement,
            by: self.provider,
        };
        self.world.must("system:provider-portal", &accept);
        agreement
    }

    fn state(&self, agreement: AgreementId) -> AgreementState {
        self.world
            .tables
            .agreement(agreement)
            .unwrap()
            .unwrap()
            .state
    }

    fn end(&self, agreement: AgreementId, at: UnixMillis) -> Command {
        Command::EndAgreement {
            agreement,
            by: Some(self.provider),
            at: Some(at),
        }
    }
}

#[test]
fn both_officers_stand_in_the_agreement() {
    let mut sides = sides();
    let agreement = sides.agree(DAY_MS);
    let found = sides.world.tables.agreement(agreement).unwrap().unwrap();
    assert_eq!(
        found.proposing_officer.unwrap().to_string(),
        "system:clinic-portal"
    );
    assert_eq!(
        found.accepting_officer.unwrap().to_string(),
        "system:provider-portal"
    );
    assert!(!found.automatic);
}

#[test]
fn either_side_ends_it_at_a_date_before_its_own_end_and_that_stays() {
    let mut sides = sides();
    let agreement = sides.agree(100 * DAY_MS);
    let now = sides.world.now;
    for at in [now, now.plus_ms(100 * DAY_MS), UnixMillis(1)] {
        let end = sides.end(agreement, at);
        assert_eq!(sides.world.refused(SUZUKI, &end), "end-date");
    }
    let end = sides.end(agreement, now.plus_ms(30 * DAY_MS));
    let events = sides.world.must(SUZUKI, &end);
    assert!(
        matches!(&events[..], [Event::AgreementEndSet { validity, .. }] if validity.until == now.plus_ms(30 * DAY_MS))
    );
    assert_eq!(sides.state(agreement), AgreementState::Accepted);
    // Earlier still is possible, later is not.
    let later = sides.end(agreement, now.plus_ms(60 * DAY_MS));
    assert_eq!(sides.world.refused(SUZUKI, &later), "end-date");
    let earlier = sides.end(agreement, now.plus_ms(10 * DAY_MS));
    sides.world.must(SUZUKI, &earlier);
}

#[test]
fn a_mere_proposal_has_no_end_date() {
    let mut sides = sides();
    let agreement = sides.agree(DAY_MS);
    sides.world.must(
        SUZUKI,
        &Command::EndAgreement {
            agreement,
            by: None,
            at: None,
        },
    );
    let validity = Validity {
        from: sides.world.now,
        until: sides.world.now.plus_ms(10 * DAY_MS),
    };
    sides.world.must(
        CENTER,
        &Command::ProposeAgreement {
            participant: sides.clinic,
            service: sides.service,
            purpose: Purpose::REFERRAL,
            validity,
            by: sides.clinic,
        },
    );
    let proposal = sides.world.tables.last_agreement().unwrap().unwrap();
    let end = sides.end(proposal, sides.world.now.plus_ms(DAY_MS));
    assert_eq!(sides.world.refused(SUZUKI, &end), "end-date-of-proposal");
}

#[test]
fn time_ends_it_and_the_record_says_so_once() {
    let mut sides = sides();
    let agreement = sides.agree(DAY_MS);
    let expire = Command::ExpireAgreement { agreement };
    assert_eq!(sides.world.refused(CENTER, &expire), "not-run-out");
    sides.world.pass(DAY_MS);
    let events = sides.world.must(CENTER, &expire);
    assert!(matches!(
        &events[..],
        [Event::AgreementEnded {
            ran_out: true,
            by: None,
            ..
        }]
    ));
    assert_eq!(sides.world.refused(CENTER, &expire), "agreement-ended");
    // A person's end is no run-out.
    let agreement = sides.agree(DAY_MS);
    let end = Command::EndAgreement {
        agreement,
        by: Some(sides.clinic),
        at: None,
    };
    let events = sides.world.must(CENTER, &end);
    assert!(matches!(
        &events[..],
        [Event::AgreementEnded { ran_out: false, .. }]
    ));
}

#[test]
fn notice_is_given_once_and_not_years_before() {
    let mut sides = sides();
    let agreement = sides.agree(2 * AGREEMENT_NOTICE_MAX_MS);
    let notice = Command::NoticeAgreement { agreement };
    assert_eq!(sides.world.refused(CENTER, &notice), "no-notice");
    sides.world.pass(AGREEMENT_NOTICE_MAX_MS);
    sides.world.must(CENTER, &notice);
    assert_eq!(sides.world.refused(CENTER, &notice), "no-notice");
    let found = sides.world.tables.agreement(agreement).unwrap().unwrap();
    assert_eq!(found.noticed_at, Some(sides.world.now));
}
