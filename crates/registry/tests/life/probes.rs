//! 自動検査: for a case the center looks at what its participant has registered,
//! in its own part of the network, and nowhere else.

use crate::world::*;
use iryonet_domain::{Endpoint, NetworkPrefix, ParticipantKind, Protocol, Purpose, TrafficClass};
use iryonet_registry::case::{Application, Probe, probes};
use iryonet_registry::{Command, Event, Offer, Tables, View};
use iryonet_rules::EvidenceKind;

#[test]
fn a_case_makes_the_center_look_at_its_participants_own_services_and_at_nothing_else() {
    let mut world = World::with_rules();
    let provider = world.admit(ParticipantKind::Provider, "共同利用センター");
    let other = world.admit(ParticipantKind::Provider, "別の事業者");
    let network: NetworkPrefix = "2001:db8::/32".parse().unwrap();
    let (own, elsewhere) = (
        network.site(provider, 0).host(0x80),
        network.site(other, 0).host(0x80),
    );
    let at = |address, protocol, port| Endpoint {
        address,
        protocol,
        port,
    };
    for (who, address, name) in [
        (provider, own, "claims.example"),
        (other, elsewhere, "other.example"),
    ] {
        let offer = Offer {
            dns: Some(name.parse().unwrap()),
            ..Offer::default()
        };
        world.must(
            SUZUKI,
            &Command::RegisterService {
                provider: who,
                name: name.to_owned(),
                class: TrafficClass::Interactive,
                purposes: vec![Purpose::ONLINE_CLAIMS],
                endpoints: vec![
                    at(address, Protocol::Tcp, 443),
                    at(address, Protocol::Udp, 53),
                ],
                eligible: Vec::new(),
                offer,
            },
        );
    }
    let case = world.about(
        provider,
        Application::Audit {
            reason: "年次監査".to_owned(),
        },
    );
    let of = |world: &World| probes(&world.tables, &world.case(case)).unwrap();
    // Nobody examines it yet.
    assert!(of(&world).is_empty());
    world.examine(case);
    let found = of(&world);
    assert_eq!(
        found.iter().map(Probe::kind).collect::<Vec<_>>(),
        [
            EvidenceKind::TlsCheckOfService,
            EvidenceKind::AddressReverseCheck,
            EvidenceKind::DomainReverseCheck
        ]
    );
    assert_eq!(
        found.iter().map(Probe::about).collect::<Vec<_>>(),
        ["claims.example:443", "claims.example", "claims.example"]
    );
    let Probe::Tls { endpoints, .. } = &found[0] else {
        panic!("{found:?}")
    };
    assert_eq!(endpoints.len(), 1);
    assert_eq!(*endpoints[0].ip(), own);

    // Whatever else came to stand in the tables: the center's own house, another's,
    // this machine.
    let before = found;
    let mut service = world.tables.services_of(provider).unwrap().remove(0);
    for foreign in ["2001:db8:0:1::5", "::1", "fe80::1", "::ffff:192.0.2.1"] {
        service
            .endpoints
            .push(at(foreign.parse().unwrap(), Protocol::Tcp, 443));
    }
    service.endpoints.push(at(elsewhere, Protocol::Tcp, 443));
    world.tables.put_service(&service).unwrap();
    assert_eq!(of(&world), before);

    let events = world.must(
        SUZUKI,
        &Command::RetireService {
            service: service.service,
        },
    );
    assert!(matches!(events[..], [Event::ServiceRetired { .. }, ..]));
    assert!(of(&world).is_empty());
}
