//! What a center does by itself: the daily re-check, once for all centers, and
//! what the calendar brings.

use crate::support::{DEADLINE, Ground, World, now};
use iryonet_domain::{Actor, AgreementId, Endpoint, Protocol, Purpose, TrafficClass, UnixMillis};
use iryonet_domain::{InstitutionKind, ParticipantKind, ParticipantNumber, Validity};
use iryonet_registry::recheck::SLOTS_PER_DAY;
use iryonet_registry::{
    AgreementState, CertificateFacts, CodeHash, Command, Event, Home, Offer, RecheckEvent, Serial,
    Subject,
};
use iryonet_store::{Reader, SqliteStore, Store, act, look};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY_MS: u64 = 86_400_000;
const CLINIC: ParticipantKind = ParticipantKind::Institution(InstitutionKind::Clinic);

fn must(store: &dyn Store, command: &Command, at: UnixMillis) -> Vec<Event> {
    let role = iryonet_registry::permission::whose_duty(iryonet_registry::Act::from(command));
    let actor = Actor::new(role.unwrap(), "suite").unwrap();
    act(store, &actor, command, at).unwrap().events().unwrap()
}

fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(0x1_0000 + n).unwrap()
}

/// A registry as it was some days ago: a provider with a service, and clinics,
/// the first of them with a device whose certificate has run out since.
fn some_days_ago(ground: &Ground, days: u64) -> Arc<dyn Store> {
    made_at(ground, UnixMillis(now().0 - days * DAY_MS))
}

/// The same of any time.
fn made_at(ground: &Ground, then: UnixMillis) -> Arc<dyn Store> {
    std::fs::create_dir_all(&ground.config.data_dir).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&ground.config.database()).unwrap());
    let network = ground.config.network;
    must(&*store, &Command::FoundNetwork { network }, then);
    let gateway = Command::RegisterGateway {
        gateway: "gw-a".parse().unwrap(),
        backbone: "2001:db8::1:1".parse().unwrap(),
        blocks: vec![1],
    };
    must(&*store, &gateway, then);
    for n in 0..40 {
        let command = Command::AdmitParticipant {
            kind: if n == 0 {
                ParticipantKind::Provider
            } else {
                CLINIC
            },
            name: format!("参加者{n}"),
            code: None,
            home: Home::Block(1),
        };
        must(&*store, &command, then);
    }
    must(
        &*store,
        &Command::RegisterService {
            provider: number(0),
            name: "地域医療連携".into(),
            class: TrafficClass::Interactive,
            purposes: vec![Purpose::REFERRAL],
            endpoints: vec![Endpoint {
                address: network.site(number(0), 0).host(0x80),
                protocol: Protocol::Tcp,
                port: 443,
            }],
            eligible: vec![],
            offer: Offer::default(),
        },
        then,
    );
    let code_hash: CodeHash = "cd".repeat(32).parse().unwrap();
    must(
        &*store,
        &Command::IssueEnrolmentCode {
            subject: Subject::Participant(number(1)),
            code_hash: code_hash.clone(),
            expires_at: then.plus_ms(1_000),
        },
        then,
    );
    must(
        &*store,
        &Command::EnrolDevice {
            code_hash,
            device: iryonet_domain::DeviceId(1),
            certificate: CertificateFacts {
                fingerprint: iryonet_domain::Fingerprint([7; 32]),
                serial: Serial::from_octets(&[7]).unwrap(),
                not_before: then,
                not_after: then.plus_ms(DAY_MS),
            },
        },
        then,
    );
    store
}

fn rechecks(store: &dyn Store) -> Vec<(String, RecheckEvent)> {
    look(store, |reader: &dyn Reader| {
        let mut found = Vec::new();
        for entry in reader.entries(1, 10_000)? {
            let iryonet_ledger::Outcome::Accepted { events } = &entry.outcome else {
                // Of two centers, the second finds the slot done and asks for nothing.
                assert!(!entry.command.contains("recheck-slot"), "{entry:?}");
                continue;
            };
            for event in serde_json::from_str::<Vec<Event>>(events).unwrap() {
                if let Event::Recheck(event) = event {
                    found.push((entry.actor.to_string(), event));
                }
            }
        }
        Ok(found)
    })
    .unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centers_look_at_everybody_of_the_last_day_once_and_resume_after_a_restart() {
    let mut ground = Ground::new();
    ground.config.daily_recheck = true;
    let store = some_days_ago(&ground, 10);
    // The first slot was done nine days ago; since then no center ran.
    let nine_days_ago = UnixMillis(now().0 - 9 * DAY_MS);
    let tick = iryonet_registry::recheck::Tick::at(nine_days_ago);
    must(
        &*store,
        &Command::RecheckSlot(iryonet_registry::recheck::RecheckSlot {
            tick,
            limits: ground.config.recheck_limits(),
        }),
        nine_days_ago,
    );
    iryonet_center::init(&ground.config).unwrap();
    let before = rechecks(&*store).len();

    let mut second = Ground::new();
    second.config = ground.config.clone();
    let other = second.dir.path();
    second.config.name = "center-2".parse().unwrap();
    second.config.operator_socket = other.join("operator.sock");
    second.config.data_dir = other.join("data");
    std::fs::create_dir_all(&second.config.data_dir).unwrap();
    for file in ["policy.key", "people.key"] {
        std::fs::copy(
            ground.config.data_dir.join(file),
            second.config.data_dir.join(file),
        )
        .unwrap();
    }
    let one = iryonet_center::start_on(ground.config.clone(), Arc::clone(&store))
        .await
        .unwrap();
    let two = iryonet_center::start_on(second.config.clone(), Arc::clone(&store))
        .await
        .unwrap();
    let present = || iryonet_registry::recheck::Tick::at(now());
    let done = || {
        look(&*store, |reader| Ok(reader.recheck_state()?))
            .unwrap()
            .next
            .is_some_and(|next| next > present())
    };
    until("a day's slots are done", done).await;
    let found = rechecks(&*store);
    let mut ticks = Vec::new();
    let (mut looked_at, mut ran_out) = (0, 0);
    for (_, event) in &found[before..] {
        match event {
            RecheckEvent::SlotRechecked { tick, counts, .. } => {
                ticks.push(tick.0);
                looked_at += counts.participants;
            }
            RecheckEvent::DeviceRanOut { .. } => ran_out += 1,
            other => panic!("{other:?}"),
        }
    }
    // One day, not nine; each slot once, one after the other. (A slot more where
    // five minutes ended meanwhile.)
    assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1));
    let day = SLOTS_PER_DAY as usize;
    assert!((day..=day + 1).contains(&ticks.len()), "{}", ticks.len());
    assert!(looked_at >= 40 && ran_out == 1, "{looked_at} {ran_out}");
    one.stop().await;
    two.stop().await;

    // Started again, it goes on where it was: nothing of the day is done twice.
    let again = World::on(ground).await;
    let slots = rechecks(&*store).len();
    assert!(slots <= found.len() + 1, "{slots} after {}", found.len());
    again.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_ran_out_is_recorded_and_one_that_will_is_told_about_once() {
    let ground = Ground::new();
    let store = some_days_ago(&ground, 10);
    let then = UnixMillis(now().0 - 10 * DAY_MS);
    // Of the first three clinics: over for a week, over in twenty days, over in a year.
    for (clinic, days) in [(1, 3), (2, 30), (3, 375)] {
        must(
            &*store,
            &Command::ProposeAgreement {
                participant: number(clinic),
                service: iryonet_domain::ServiceId::new(1).unwrap(),
                purpose: Purpose::REFERRAL,
                validity: Validity {
                    from: then,
                    until: then.plus_ms(days * DAY_MS),
                },
                by: number(clinic),
            },
            then,
        );
        must(
            &*store,
            &Command::AcceptAgreement {
                agreement: AgreementId(u64::from(clinic)),
                by: number(0),
            },
            then,
        );
    }
    iryonet_center::init(&ground.config).unwrap();
    let agreement = |n| {
        look(&*store, |reader| {
            Ok(reader.agreement(AgreementId(n))?.unwrap())
        })
        .unwrap()
    };
    let world = {
        let running = iryonet_center::start_on(ground.config.clone(), Arc::clone(&store))
            .await
            .unwrap();
        World::around(ground, running)
    };
    until("the calendar was looked at", || {
        agreement(1).state == AgreementState::Ended && agreement(2).noticed_at.is_some()
    })
    .await;
    assert_eq!(agreement(2).state, AgreementState::Accepted);
    assert_eq!(agreement(3).noticed_at, None);
    // Both acts are the center's, and each was done once.
    let tip = look(&*store, |reader| reader.tip()).unwrap();
    let last = look(&*store, |reader| reader.entries(tip.sequence - 1, 9)).unwrap();
    assert_eq!(last.len(), 2);
    assert!(
        last.iter()
            .all(|entry| entry.actor.to_string() == "system:center-1"
                && matches!(entry.outcome, iryonet_ledger::Outcome::Accepted { .. }))
    );
    world.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_stops_nothing_and_makes_nothing_good_again() {
    const HOUR_MS: u64 = 3_600_000;
    let mut ground = Ground::new();
    ground.config.daily_recheck = true;
    // Until now the clock was an hour ahead of what it says now.
    let then = now().plus_ms(HOUR_MS);
    let store = made_at(&ground, then);
    let limits = ground.config.recheck_limits();
    let tick = iryonet_registry::recheck::Tick::at(then);
    let slot = iryonet_registry::recheck::RecheckSlot { tick, limits };
    must(&*store, &Command::RecheckSlot(slot), then);
    // A code that ran out at that time, and by this clock did not yet.
    let code = iryonet_authority::EnrolmentCode::draw(&mut rand::rng());
    let issue = Command::IssueEnrolmentCode {
        subject: Subject::Participant(number(2)),
        code_hash: CodeHash::try_from(code.hash()).unwrap(),
        expires_at: then.plus_ms(60_000),
    };
    must(&*store, &issue, then);
    let admit = |name: &str| Command::AdmitParticipant {
        kind: CLINIC,
        name: name.to_owned(),
        code: None,
        home: Home::Block(1),
    };
    let last = then.plus_ms(120_000);
    must(&*store, &admit("時計が戻る前の診療所"), last);
    let before = look(&*store, |reader| reader.tip()).unwrap().sequence;

    iryonet_center::init(&ground.config).unwrap();
    let running = iryonet_center::start_on(ground.config.clone(), Arc::clone(&store))
        .await
        .unwrap();
    let world = World::around(ground, running);
    let (_, csr) = crate::support::key_and_csr();
    let answer = world.try_enrol(&code.reveal(), &csr).await;
    assert_eq!(answer.code(), "enrolment-code-expired", "{answer:?}");

    // Acts go on; none is dated before the one that it follows.
    let clinic =
        serde_json::json!({"kind": "clinic", "name": "時計が戻った後の診療所", "block": 1});
    let path = "/v1/participants";
    let headers = [
        ("iryonet-actor", "system:suite"),
        ("idempotency-key", "after"),
    ];
    let mut told = Vec::new();
    for _ in 0..2 {
        let body = clinic.to_string().into();
        let (status, _, answer) = crate::acts::raw(&world, "POST", path, &headers, body).await;
        assert_eq!(status, 200, "{answer:?}");
        told.push(answer);
    }
    assert_eq!(told[0], told[1], "done once");
    let entries = look(&*store, |reader| reader.entries(before, 1_000)).unwrap();
    assert!(entries.len() >= 3, "the refused code and the clinic");
    assert!(entries.iter().all(|entry| entry.at >= last));
    assert!(entries.windows(2).all(|pair| pair[0].at <= pair[1].at));

    // A gateway enrols by a code of now and is told what holds; the CRL is made.
    // (One that would end before the ledger's time is refused, and says so.)
    let path = "/v1/enrolment-codes";
    let subject = serde_json::json!({"gateway": "gw-a"});
    let short = serde_json::json!({"subject": subject, "valid_hours": 1});
    let refused = world.refused(path, short).await;
    assert_eq!(refused.code(), Some("enrolment-code-life"));
    let long = serde_json::json!({"subject": subject, "valid_hours": 24});
    let code = world.act(path, long).await;
    let (_, csr) = crate::support::key_and_csr();
    let answer = world.try_enrol(code["code"].as_str().unwrap(), &csr).await;
    assert_eq!(answer.status, hyper::StatusCode::OK, "{answer:?}");
    assert_eq!(world.public().await.get("/v1/crl").await.status, 200);

    // No slot of the re-check that was done by the old clock is done once more.
    world.running.stop().await;
    let done: Vec<u64> = rechecks(&*store)
        .iter()
        .filter_map(|(_, event)| match event {
            RecheckEvent::SlotRechecked { tick, .. } => Some(tick.0),
            _ => None,
        })
        .collect();
    assert_eq!(done.first(), Some(&tick.0));
    assert!(
        done.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{done:?}"
    );
}
