//! The policy feed of a gateway with five thousand lines, and of those beside
//! it: each gets its own, and a change is as small as what it is about.

use crate::support::{Enrolled, Feed, Ground, World, now};
use iryonet_domain::{Actor, Circuit, InstitutionKind, LineKind, ParticipantKind};
use iryonet_domain::{ParticipantNumber, UnixMillis};
use iryonet_registry::{Act, Command, Home, permission};
use iryonet_store::{SqliteStore, StoreError, Transaction, change};
use iryonet_wire::feed::{Change, Delta, Snapshot};
use serde_json::json;

/// Lines of the large gateway.
const LINES: u32 = 5_000;
/// Most octets of what one agreement tells one gateway, as it is signed and sent.
const DELTA_MAX: usize = 600;

fn record(
    transaction: &mut dyn Transaction,
    command: &Command,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let role = permission::whose_duty(Act::from(command)).unwrap();
    let actor = Actor::new(role, "suite").unwrap();
    let recorded = transaction.record(&actor, command, at)?;
    recorded.events().map(drop).map_err(StoreError::given_up)
}

/// So many clinics of a block, each with a line at that gateway.
fn clinics(transaction: &mut dyn Transaction, gateway: &str, block: u8, count: u32) {
    let at = now();
    for index in 0..count {
        let number = ParticipantNumber::new((u32::from(block) << 16) + index).unwrap();
        let kind = ParticipantKind::Institution(InstitutionKind::Clinic);
        for command in [
            Command::AdmitParticipant {
                kind,
                name: format!("{gateway}の診療所{index}"),
                code: None,
                home: Home::Block(block),
            },
            Command::AddSite {
                participant: number,
                site: None,
                name: "本院".into(),
            },
            Command::AddLine {
                participant: number,
                site: 0,
                kind: LineKind::Ethernet,
                circuit: Circuit {
                    gateway: gateway.parse().unwrap(),
                    interface: format!("ac{index}"),
                },
            },
        ] {
            record(transaction, &command, at).unwrap();
        }
    }
}

/// A world with `gw-large`, `gw-small` and `gw-far`.
async fn country() -> World {
    let ground = Ground::new();
    iryonet_center::init(&ground.config).unwrap();
    let store = SqliteStore::open(&ground.config.database()).unwrap();
    change(&store, |transaction| {
        for (block, gateway, count) in [
            (1, "gw-large", LINES),
            (2, "gw-small", 10),
            (3, "gw-far", 10),
        ] {
            let command = Command::RegisterGateway {
                gateway: gateway.parse().unwrap(),
                backbone: format!("2001:db8:0:1::{block}").parse().unwrap(),
                blocks: vec![block],
            };
            record(transaction, &command, now())?;
            clinics(transaction, gateway, block, count);
        }
        Ok(())
    })
    .unwrap();
    World::on(ground).await
}

/// What a delta says, and how many octets it has on its way.
async fn told(feed: &mut Feed<'_>) -> (Vec<Change>, usize) {
    let answer = feed.ask(0).await;
    if answer.status == hyper::StatusCode::NO_CONTENT {
        return (Vec::new(), 0);
    }
    let Delta { changes, .. } = feed.take(&answer);
    (changes, answer.body.len())
}

/// The participants that changes speak of.
fn about(changes: &[Change]) -> Vec<u32> {
    let mut about: Vec<u32> = changes
        .iter()
        .map(|change| match change {
            Change::Participant(entry) => entry.number.get(),
            Change::Grant(grant) => grant.participant.get(),
            Change::Line(line) => line.participant.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    about.sort_unstable();
    about.dedup();
    about
}

fn only_its_own(snapshot: &Snapshot, block: u32) -> bool {
    let of_block = |number: ParticipantNumber| number.get() >> 16 == block;
    snapshot
        .lines
        .iter()
        .all(|line| line.circuit.gateway == snapshot.gateway && of_block(line.participant))
        && snapshot.participants.iter().all(|it| of_block(it.number))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_five_thousand_lines_gets_its_own_and_an_agreement_is_a_small_delta() {
    let world = country().await;
    let mut gateways: Vec<Enrolled> = Vec::new();
    for name in ["gw-large", "gw-small", "gw-far"] {
        gateways.push(world.enrol(json!({"gateway": name})).await);
    }
    let (mut large, its) = Feed::open(&world, &gateways[0]).await;
    assert_eq!(its.lines.len(), LINES as usize);
    assert!(only_its_own(&its, 1));
    let (mut small, its) = Feed::open(&world, &gateways[1]).await;
    assert_eq!((its.lines.len(), its.participants.len()), (10, 10));
    assert!(only_its_own(&its, 2));
    let (mut far, its) = Feed::open(&world, &gateways[2]).await;
    assert!(its.lines.len() == 10 && only_its_own(&its, 3));

    // A provider at the small gateway offers a service.
    let provider = world.participant("provider", "gw-small", "provider0").await;
    let service = world.service(provider).await;
    for feed in [&mut large, &mut small, &mut far] {
        // The catalogue is everybody's: who knows it can tell "no agreement".
        let (changes, octets) = told(feed).await;
        let services = changes
            .iter()
            .filter(|change| matches!(change, Change::Service(_)));
        assert_eq!(services.count(), 1, "{changes:?}");
        assert!(octets <= DELTA_MAX, "{octets}");
    }

    // One of the five thousand agrees with it.
    let one = (1 << 16) + 4_321;
    world.agreement(one, service, provider).await;
    let provider = u32::try_from(provider).unwrap();
    let one = u32::try_from(one).unwrap();
    let (changes, octets) = told(&mut large).await;
    assert!(
        matches!(
            changes.as_slice(),
            [Change::Participant(other), Change::Grant(grant)]
                if other.number.get() == provider && grant.participant.get() == one
        ) || matches!(changes.as_slice(), [Change::Grant(grant)] if grant.participant.get() == one),
        "{changes:?}"
    );
    assert!(octets <= DELTA_MAX, "{octets}");
    println!("the large gateway's delta: {octets} octets");
    let (changes, octets) = told(&mut small).await;
    assert_eq!(about(&changes), [one], "{changes:?}");
    assert!(octets <= DELTA_MAX, "{octets}");
    // Whom it does not concern hears of a revision at most.
    let (changes, octets) = told(&mut far).await;
    assert_eq!(changes, [], "{octets}");

    // A clinic beside the provider: one gateway.
    let beside = (2 << 16) + 3;
    world.agreement(beside, service, provider.into()).await;
    let (changes, _) = told(&mut small).await;
    assert_eq!(about(&changes), [u32::try_from(beside).unwrap()]);
    for feed in [&mut large, &mut far] {
        let (changes, _) = told(feed).await;
        assert_eq!(changes, []);
    }

    // One line more of five thousand: only there, and only that.
    world
        .act(
            &format!("/v1/participants/{one}/lines"),
            json!({"site": 0, "kind": "ethernet", "gateway": "gw-large", "interface": "second"}),
        )
        .await;
    let (changes, octets) = told(&mut large).await;
    assert_eq!(about(&changes), [one], "{changes:?}");
    assert!(octets <= DELTA_MAX, "{octets}");
    for feed in [&mut small, &mut far] {
        let (changes, _) = told(feed).await;
        assert_eq!(changes, []);
    }
}
