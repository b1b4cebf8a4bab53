//! サービス: tomorrow's service is data; its roll-out goes from planned over
//! pilot to open, and never back.

use crate::world::*;
use iryonet_domain::{
    Acceptance, InstitutionKind, ParticipantKind, ParticipantNumber, Prefecture, Purpose,
    ServiceId, ServiceStage, Validity,
};
use iryonet_registry::{AgreementState, Command, Event, Offer, View, service};
use iryonet_rules::Catalogue;
use iryonet_rules::shipped::SERVICES;

const PHARMACY: ParticipantKind = ParticipantKind::Institution(InstitutionKind::Pharmacy);

/// A provider with a service out of the shipped file.
fn offered(world: &mut World, id: &str) -> (ParticipantNumber, ServiceId) {
    let provider = world.admit(ParticipantKind::Provider, "共同利用センター");
    let catalogue = Catalogue::read(SERVICES.0, SERVICES.1).unwrap();
    let description = catalogue.service(id).unwrap();
    let network: iryonet_domain::NetworkPrefix = "2001:db8::/32".parse().unwrap();
    let address = network.site(provider, 0).host(0x80);
    let command = service::from_description(description, provider, &[address], None);
    let events = world.must(SUZUKI, &command);
    let Event::ServiceRegistered { service, .. } = &events[0] else {
        panic!("{events:?}")
    };
    (provider, *service)
}

fn propose(
    world: &World,
    service: ServiceId,
    participant: ParticipantNumber,
    purpose: Purpose,
) -> Command {
    Command::ProposeAgreement {
        participant,
        service,
        purpose,
        validity: Validity {
            from: world.now,
            until: world.now.plus_ms(365 * DAY_MS),
        },
        by: participant,
    }
}

fn at_stage(
    world: &World,
    service: ServiceId,
    stage: ServiceStage,
    pilot: &[ParticipantNumber],
) -> Command {
    let offer = world.tables.service(service).unwrap().unwrap().offer;
    Command::ChangeServiceOffer {
        service,
        offer: Offer {
            stage,
            pilot: pilot.to_vec(),
            ..offer
        },
    }
}

#[test]
fn every_service_of_the_file_is_registered_as_it_stands_there() {
    for description in Catalogue::read(SERVICES.0, SERVICES.1).unwrap().services {
        let mut world = World::new();
        let (provider, service) = offered(&mut world, &description.id);
        let registered = world.tables.service(service).unwrap().unwrap();
        assert_eq!(registered.provider, provider);
        assert_eq!(registered.name, description.name.ja);
        assert_eq!(registered.offer.stage, description.stage);
        assert_eq!(registered.offer.acceptance, description.acceptance);
        assert_eq!(registered.offer.bandwidth_kbps, description.bandwidth);
    }
}

#[test]
fn a_planned_service_is_not_asked_for_a_pilot_by_the_listed_an_open_one_by_all() {
    let mut world = World::new();
    let (_, service) = offered(&mut world, "prescription");
    let one = world.admit(PHARMACY, "みどり薬局");
    let other = world.admit(PHARMACY, "あおば薬局");
    let ask = |world: &World, who| propose(world, service, who, Purpose::PRESCRIPTION);
    let command = ask(&world, one);
    assert_eq!(world.refused(CENTER, &command), "service-planned");

    let pilot = at_stage(&world, service, ServiceStage::Pilot, &[one]);
    world.must(SUZUKI, &pilot);
    let command = ask(&world, other);
    assert_eq!(world.refused(CENTER, &command), "not-in-pilot");
    let command = ask(&world, one);
    world.must(CENTER, &command);

    let open = at_stage(&world, service, ServiceStage::Open, &[]);
    world.must(SUZUKI, &open);
    let command = ask(&world, other);
    world.must(CENTER, &command);

    let back = at_stage(&world, service, ServiceStage::Pilot, &[one]);
    assert_eq!(world.refused(SUZUKI, &back), "stage-back");
    // Nor may the list stay behind when the trial is over.
    let listed = at_stage(&world, service, ServiceStage::Open, &[one]);
    assert_eq!(world.refused(SUZUKI, &listed), "pilot-list-without-pilot");
    assert_eq!(world.refused(SUZUKI, &open), "offer-unchanged");
}

#[test]
fn where_the_provider_said_yes_beforehand_the_agreement_is_accepted_in_the_same_act() {
    let mut world = World::new();
    let (provider, service) = offered(&mut world, "online-claims");
    let clinic = world.admit(CLINIC, "さくら診療所");
    let command = propose(&world, service, clinic, Purpose::ONLINE_CLAIMS);
    let events = world.must(CENTER, &command);
    assert!(
        matches!(&events[..], [
            Event::AgreementProposed { officer: Some(officer), .. },
            Event::AgreementAccepted { by, officer: None, automatic: true, .. },
        ] if *by == provider && officer.to_string() == CENTER),
        "{events:?}"
    );
    let agreement = world.tables.agreements().next().unwrap().clone();
    assert_eq!(agreement.state, AgreementState::Accepted);
    assert!(agreement.automatic);

    // A care office is no kind that it was said to; it may not ask at all here.
    let care = world.admit(
        ParticipantKind::Institution(InstitutionKind::CareOffice),
        "ひまわり",
    );
    let command = propose(&world, service, care, Purpose::ONLINE_CLAIMS);
    assert_eq!(world.refused(CENTER, &command), "not-eligible");
}

#[test]
fn what_the_provider_proposes_is_accepted_by_nobody_but_the_participant() {
    let mut world = World::new();
    let (provider, service) = offered(&mut world, "online-claims");
    let clinic = world.admit(CLINIC, "さくら診療所");
    let Command::ProposeAgreement { validity, .. } =
        propose(&world, service, clinic, Purpose::ONLINE_CLAIMS)
    else {
        panic!()
    };
    let events = world.must(
        CENTER,
        &Command::ProposeAgreement {
            participant: clinic,
            service,
            purpose: Purpose::ONLINE_CLAIMS,
            validity,
            by: provider,
        },
    );
    assert_eq!(events.len(), 1, "{events:?}");
}

#[test]
fn automatic_acceptance_names_kinds_that_may_ask() {
    let mut world = World::new();
    let (_, service) = offered(&mut world, "online-claims");
    let offer = world.tables.service(service).unwrap().unwrap().offer;
    let with = |acceptance| Command::ChangeServiceOffer {
        service,
        offer: Offer {
            acceptance,
            ..offer.clone()
        },
    };
    let none = with(Acceptance::Automatic(vec![]));
    assert_eq!(world.refused(SUZUKI, &none), "acceptance-empty");
    let provider = with(Acceptance::Automatic(vec![ParticipantKind::Provider]));
    assert_eq!(world.refused(SUZUKI, &provider), "acceptance-not-eligible");
}

#[test]
fn a_service_for_some_prefectures_is_asked_for_from_there() {
    let mut world = World::with_rules();
    let (_, service) = offered(&mut world, "regional-collaboration");
    let offer = world.tables.service(service).unwrap().unwrap().offer;
    let chiba = Prefecture::new(12).unwrap();
    let tokyo = Prefecture::new(13).unwrap();
    let in_areas = |areas: Vec<Prefecture>| Command::ChangeServiceOffer {
        service,
        offer: Offer {
            areas,
            ..offer.clone()
        },
    };
    world.must(SUZUKI, &in_areas(vec![chiba]));
    // Its code says Tokyo.
    let clinic = world.open_clinic(1);
    let ask = |world: &World, who| propose(world, service, who, Purpose::REGIONAL_COLLABORATION);
    let command = ask(&world, clinic);
    let refusal = world.act(CENTER, &command).unwrap_err();
    assert_eq!(refusal.code(), "not-in-area");
    assert!(
        refusal.ja().contains("千葉県") && refusal.ja().contains("東京都"),
        "{}",
        refusal.ja()
    );
    // Who stated no place is in none.
    let unknown = world.admit(CLINIC, "うめ診療所");
    let command = ask(&world, unknown);
    assert_eq!(world.refused(CENTER, &command), "not-in-area");
    world.must(SUZUKI, &in_areas(vec![tokyo, chiba]));
    let command = ask(&world, clinic);
    world.must(CENTER, &command);
}

#[test]
fn a_name_leads_to_one_service() {
    let mut world = World::new();
    let (_, one) = offered(&mut world, "referral");
    let (_, other) = offered(&mut world, "hpki");
    let named = |world: &World, service: ServiceId| Command::ChangeServiceOffer {
        service,
        offer: Offer {
            dns: Some("referral.example.jp".parse().unwrap()),
            ..world.tables.service(service).unwrap().unwrap().offer
        },
    };
    let command = named(&world, one);
    world.must(SUZUKI, &command);
    let command = named(&world, other);
    assert_eq!(world.refused(SUZUKI, &command), "service-dns-taken");
    world.must(SUZUKI, &Command::RetireService { service: one });
    world.must(SUZUKI, &command);
}
