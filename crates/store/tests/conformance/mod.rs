//! What every home of the registry promises. Run on each of them by
//! [`conformance_suite!`].

pub(crate) mod life;
pub(crate) mod search;
pub(crate) mod side;
pub(crate) mod tree;

use crate::support::*;
use iryonet_domain::{AgreementId, DeviceId, ParticipantKind, Role, ServiceId, UnixMillis};
use iryonet_registry::{
    AgreementState, Command, DecideError, Event, Refusal, RevocationReason, SpeaksFor, Standing,
    Subject, Topic, View, apply, decide, enrolment,
};
use iryonet_store::{
    AccountQuery, AgreementQuery, Outcome, ParticipantQuery, Store, StoreError, Transaction, act,
    change, found, look,
};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::sync::Arc;

/// One test for each promise; `$open` makes a new, empty store and whatever
/// must outlive it.
#[macro_export]
macro_rules! conformance_suite {
    ($open:expr, random_histories: $cases:expr) => {
        $crate::conformance_suite!(@ $open,
            an_institution_lives_through_its_whole_life,
            what_is_refused_is_recorded_and_changes_nothing,
            closing_ends_everything_that_was_open,
            a_code_is_good_once_even_for_two_at_the_same_moment,
            a_clock_that_goes_back_makes_no_expired_code_good_again,
            an_act_that_is_given_up_leaves_nothing,
            many_acts_in_one_transaction_see_each_other,
            a_reader_keeps_its_moment_while_others_write,
            listings_come_page_by_page_and_miss_nothing,
            a_history_tells_everything_about_somebody_and_nothing_else,
            a_network_is_founded_once
        );
        $crate::conformance_suite!(@@ side, $open,
            a_side_value_is_kept_replaced_and_deleted_within_the_act,
            a_side_value_is_as_large_as_its_space_takes_and_no_larger,
            an_expired_side_value_is_not_there_and_is_purged_in_bounded_steps,
            side_values_are_listed_by_prefix_page_by_page
        );
        $crate::conformance_suite!(@@ life, $open,
            a_case_goes_its_whole_way_and_is_found_by_all_that_is_asked_about_it,
            of_two_who_decide_at_the_same_moment_one_does,
            what_either_party_sees_is_its_own,
            what_time_brings_is_found_in_the_order_of_its_time,
            a_list_that_names_somebody_no_more_proposes_and_closes_nobody,
            who_must_be_examined_anew_is_found_page_by_page,
            the_daily_recheck_looks_at_everybody_once_and_goes_on_where_it_was
        );
        $crate::conformance_suite!(@@ search, $open,
            a_search_finds_what_is_there_and_nothing_else,
            many_are_admitted_at_once_as_if_one_by_one
        );
        $crate::conformance_suite!(@@ tree, $open,
            the_tree_grows_with_the_ledger_and_proves_every_entry,
            several_centers_build_one_tree_and_sign_one_history,
            a_center_that_lost_the_race_writes_nothing,
            what_was_begun_before_a_crash_is_gone_on_with,
            a_witnesss_cosignature_stays_with_its_checkpoint,
            a_cosignature_that_says_nothing_is_not_kept,
            nothing_is_signed_by_another_key_unless_it_is_named_as_the_one_before,
            a_tree_that_contradicts_the_ledger_is_found_and_nothing_signed
        );

        #[test]
        fn random_acts_give_what_the_plain_statement_gives() {
            $crate::conformance::random_acts_give_what_the_plain_statement_gives(&$open, $cases);
        }
    };
    (@@ $module:ident, $open:expr, $($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                let (store, _kept) = $open();
                $crate::conformance::$module::$name(store);
            }
        )+
    };
    (@ $open:expr, $($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                let (store, _kept) = $open();
                $crate::conformance::$name(store);
            }
        )+
    };
}

type Home = Arc<dyn Store>;

fn kind_of(event: &Event) -> String {
    let written = serde_json::to_value(event).unwrap();
    written["type"].as_str().unwrap().to_owned()
}

fn service(n: u32) -> ServiceId {
    ServiceId::new(n).unwrap()
}

pub(crate) fn an_institution_lives_through_its_whole_life(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let of = |what: fn(&dyn View) -> Result<Standing, StoreError>| {
        look(store, |reader| what(reader)).unwrap()
    };
    assert_eq!(store.revision().unwrap(), 10);
    look(store, |reader| {
        let clinic = reader.participant(number(1))?.unwrap();
        assert_eq!(clinic.code, Some(code(1)));
        assert_eq!(clinic.admitted_at, NOW);
        let device = reader.device(number(1), DeviceId(1))?.unwrap();
        assert!(device.is_valid_at(NOW));
        assert!(!device.is_valid_at(device.not_after));
        assert_eq!(
            reader.enrolment_code(&code_hash(1))?.unwrap().spent_at,
            Some(NOW)
        );
        // Blocks are kept ascending, however they were named.
        assert_eq!(reader.gateway(&gateway(2))?.unwrap().blocks, [2, 3]);
        Ok(())
    })
    .unwrap();

    must(store, &propose(), NOW);
    let opens = must(
        store,
        &Command::AcceptAgreement {
            agreement: AgreementId(1),
            by: number(0),
        },
        NOW,
    );
    assert_eq!(
        opens,
        [Event::AgreementAccepted {
            agreement: AgreementId(1),
            participant: number(1),
            service: service(1),
            validity: validity(NOW, 100),
            by: number(0),
            officer: Some(actor_of(&propose())),
            automatic: false,
        }]
    );
    must(
        store,
        &Command::QuarantineParticipant {
            participant: number(1),
            reason: "不審な通信".into(),
        },
        NOW,
    );
    let standing = |view: &dyn View| Ok(view.participant(number(1))?.unwrap().standing);
    assert_eq!(of(standing), Standing::Quarantined);
    must(
        store,
        &Command::ReleaseParticipant {
            participant: number(1),
        },
        NOW,
    );
    assert_eq!(of(standing), Standing::Open);
    must(
        store,
        &Command::EndAgreement {
            agreement: AgreementId(1),
            by: Some(number(1)),
            at: None,
        },
        NOW,
    );
    // Ended: another may be proposed, by the provider's side this time.
    let again = match propose() {
        Command::ProposeAgreement {
            participant,
            service,
            purpose,
            validity,
            ..
        } => Command::ProposeAgreement {
            participant,
            service,
            purpose,
            validity,
            by: number(0),
        },
        other => other,
    };
    must(store, &again, NOW);
    must(
        store,
        &Command::AcceptAgreement {
            agreement: AgreementId(2),
            by: number(1),
        },
        NOW,
    );
    // Run out by time: the next proposal says so first.
    let later = NOW.plus_ms(101 * DAY_MS);
    let events = must(
        store,
        &Command::ProposeAgreement {
            participant: number(1),
            service: service(1),
            purpose: iryonet_domain::Purpose::REFERRAL,
            validity: validity(later, 1),
            by: number(1),
        },
        later,
    );
    assert!(matches!(
        events.as_slice(),
        [
            Event::AgreementEnded {
                agreement: AgreementId(2),
                by: None,
                ..
            },
            Event::AgreementProposed {
                agreement: AgreementId(3),
                ..
            }
        ]
    ));
    must(
        store,
        &Command::RevokeDevice {
            participant: number(1),
            device: DeviceId(1),
            reason: RevocationReason::KeyCompromise,
        },
        later,
    );
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, later);
}

#[allow(
    clippy::too_many_lines,
    reason = "a table of wrongs, one after the other"
)]
pub(crate) fn what_is_refused_is_recorded_and_changes_nothing(store: Home) {
    let store = store.as_ref();
    assert_eq!(
        refused(store, &admit(clinic(), None), NOW),
        "network-not-founded"
    );
    small_world(store);
    must(store, &propose(), NOW);
    let before = look(store, replayed).unwrap();
    let agreement = AgreementId(1);
    let stranger = number(77);
    let register = |provider, endpoints, purposes| Command::RegisterService {
        provider,
        name: "新サービス".into(),
        class: iryonet_domain::TrafficClass::Bulk,
        purposes,
        endpoints,
        eligible: vec![],
        offer: iryonet_registry::Offer::default(),
    };
    use iryonet_domain::{Circuit, LineKind, Purpose, Validity};
    let line = |interface: &str, gateway_number: u8, site, kind| Command::AddLine {
        participant: number(1),
        site,
        kind,
        circuit: Circuit {
            gateway: gateway(gateway_number),
            interface: interface.into(),
        },
    };
    let gateway_of = |n: u8, backbone: &str, blocks: &[u8]| Command::RegisterGateway {
        gateway: gateway(n),
        backbone: backbone.parse().unwrap(),
        blocks: blocks.to_vec(),
    };
    let proposal = |participant, purpose, validity: Validity, by| Command::ProposeAgreement {
        participant,
        service: service(1),
        purpose,
        validity,
        by,
    };
    let wrongs = [
        (
            "network-already-founded",
            Command::FoundNetwork { network: network() },
        ),
        ("gateway-exists", gateway_of(1, "2001:db8::9", &[9])),
        ("backbone-taken", gateway_of(9, "2001:db8::2", &[9])),
        ("backbone-unusable", gateway_of(9, "fe80::1", &[9])),
        ("block-reserved", gateway_of(9, "2001:db8::9", &[0])),
        ("block-taken", gateway_of(9, "2001:db8::9", &[4, 2])),
        ("block-twice", gateway_of(9, "2001:db8::9", &[4, 4])),
        ("code-taken", admit(clinic(), Some(code(1)))),
        (
            "code-of-kind-without",
            admit(ParticipantKind::Provider, Some(code(2))),
        ),
        (
            "code-of-other-table",
            admit(
                ParticipantKind::Institution(iryonet_domain::InstitutionKind::Pharmacy),
                Some(code(2)),
            ),
        ),
        (
            "block-unassigned",
            Command::AdmitParticipant {
                kind: clinic(),
                name: "あ".into(),
                code: None,
                home: iryonet_registry::Home::Block(200),
            },
        ),
        (
            "text-unusable",
            Command::AdmitParticipant {
                kind: clinic(),
                name: "右\u{202e}左".into(),
                code: None,
                home: iryonet_registry::Home::Block(1),
            },
        ),
        (
            "site-exists",
            Command::AddSite {
                participant: number(1),
                site: Some(0),
                name: "別館".into(),
            },
        ),
        (
            "participant-unknown",
            Command::AddSite {
                participant: stranger,
                site: None,
                name: "別館".into(),
            },
        ),
        ("site-unknown", line("line2", 1, 5, LineKind::Ethernet)),
        ("circuit-taken", line("line1", 1, 0, LineKind::Ethernet)),
        ("gateway-unknown", line("line2", 7, 0, LineKind::Ethernet)),
        ("interface-unusable", line("a/b", 1, 0, LineKind::Ethernet)),
        ("line-kind-not-served", line("line2", 1, 0, LineKind::Ipsec)),
        (
            "line-unknown",
            Command::RemoveLine {
                line: iryonet_domain::LineId(9),
            },
        ),
        (
            "enrolment-code-not-new",
            Command::IssueEnrolmentCode {
                subject: Subject::Participant(number(1)),
                code_hash: code_hash(1),
                expires_at: NOW.plus_ms(1),
            },
        ),
        (
            "enrolment-code-life",
            Command::IssueEnrolmentCode {
                subject: Subject::Participant(number(1)),
                code_hash: code_hash(2),
                expires_at: NOW.plus_ms(31 * DAY_MS),
            },
        ),
        (
            "enrolment-code-spent",
            Command::EnrolDevice {
                code_hash: code_hash(1),
                device: DeviceId(2),
                certificate: certificate(2, NOW),
            },
        ),
        (
            "enrolment-code-unknown",
            Command::EnrolDevice {
                code_hash: code_hash(9),
                device: DeviceId(2),
                certificate: certificate(2, NOW),
            },
        ),
        (
            "device-unknown",
            Command::RevokeDevice {
                participant: number(1),
                device: DeviceId(9),
                reason: RevocationReason::Unspecified,
            },
        ),
        (
            "not-quarantined",
            Command::ReleaseParticipant {
                participant: number(1),
            },
        ),
        (
            "not-a-provider",
            register(number(1), vec![endpoint(1, 443)], vec![Purpose::HPKI]),
        ),
        (
            "endpoint-elsewhere",
            register(number(0), vec![endpoint(1, 443)], vec![Purpose::HPKI]),
        ),
        (
            "endpoint-taken",
            register(number(0), vec![endpoint(0, 443)], vec![Purpose::HPKI]),
        ),
        (
            "endpoint-twice",
            register(number(0), vec![endpoint(0, 80); 2], vec![Purpose::HPKI]),
        ),
        (
            "endpoint-unusable",
            register(number(0), vec![endpoint(0, 0)], vec![Purpose::HPKI]),
        ),
        (
            "endpoint-count",
            register(
                number(0),
                (1..=65).map(|port| endpoint(0, port)).collect(),
                vec![Purpose::HPKI],
            ),
        ),
        (
            "no-purpose",
            register(number(0), vec![endpoint(0, 80)], vec![]),
        ),
        (
            "endpoints-unchanged",
            Command::ChangeServiceEndpoints {
                service: service(1),
                endpoints: vec![endpoint(0, 443)],
            },
        ),
        (
            "service-unknown",
            Command::RetireService {
                service: service(9),
            },
        ),
        (
            "agreement-exists",
            proposal(number(1), Purpose::REFERRAL, validity(NOW, 9), number(1)),
        ),
        (
            "own-service",
            proposal(number(0), Purpose::REFERRAL, validity(NOW, 9), number(0)),
        ),
        (
            "purpose-not-served",
            proposal(number(1), Purpose::VIDEO, validity(NOW, 9), number(1)),
        ),
        (
            "validity-empty",
            proposal(number(1), Purpose::REFERRAL, validity(NOW, 0), number(1)),
        ),
        (
            "validity-too-long",
            proposal(
                number(1),
                Purpose::REFERRAL,
                validity(NOW, 4_000),
                number(1),
            ),
        ),
        (
            "validity-over",
            proposal(
                number(1),
                Purpose::REFERRAL,
                validity(UnixMillis(5), 1),
                number(1),
            ),
        ),
        (
            "not-the-other-side",
            Command::AcceptAgreement {
                agreement,
                by: number(1),
            },
        ),
        (
            "not-a-side",
            Command::EndAgreement {
                agreement,
                by: Some(stranger),
                at: None,
            },
        ),
        (
            "agreement-unknown",
            Command::AcceptAgreement {
                agreement: AgreementId(8),
                by: number(1),
            },
        ),
    ];
    let first = store.revision().unwrap();
    for (place, (name, command)) in wrongs.iter().enumerate() {
        assert_eq!(refused(store, command, NOW), *name, "{command:?}");
        let entry = look(store, |reader| reader.entries(first + place as u64 + 1, 1))
            .unwrap()
            .remove(0);
        assert!(
            matches!(&entry.outcome, iryonet_ledger::Outcome::Refused { code, .. } if code == name)
        );
        assert_eq!(
            serde_json::from_str::<Command>(&entry.command).unwrap(),
            *command
        );
        assert_eq!(entry.actor, actor_of(command));
    }
    assert_eq!(look(store, replayed).unwrap(), before);
    assert_same(store, &before, NOW);
    let auditor = act(
        store,
        &"auditor:kansa".parse().unwrap(),
        &admit(clinic(), None),
        NOW,
    )
    .unwrap();
    assert_eq!(auditor.outcome, Outcome::Refused(Refusal::AuditorActs));
}

pub(crate) fn closing_ends_everything_that_was_open(store: Home) {
    let store = store.as_ref();
    small_world(store);
    must(store, &propose(), NOW);
    let close = |n| Command::CloseParticipant {
        participant: number(n),
        reason: "廃止".into(),
    };
    // The provider: its service goes, and the agreement about it.
    let names = |events: &[Event]| -> Vec<String> { events.iter().map(kind_of).collect() };
    let events = must(store, &close(0), NOW);
    assert_eq!(
        names(&events),
        ["agreement-ended", "service-retired", "participant-closed"]
    );
    // The clinic: line and device go; the circuit and the code are free again.
    let events = must(store, &close(1), NOW);
    assert_eq!(
        names(&events),
        ["line-removed", "device-revoked", "participant-closed"]
    );
    assert_eq!(refused(store, &close(1), NOW), "participant-closed");
    let events = must(store, &admit(clinic(), Some(code(1))), NOW);
    assert!(
        matches!(events[0], Event::ParticipantAdmitted { number: n, .. } if n == number(2)),
        "a closed participant's number is never given again: {events:?}"
    );
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
}

pub(crate) fn a_code_is_good_once_even_for_two_at_the_same_moment(store: Home) {
    small_world(store.as_ref());
    must(
        store.as_ref(),
        &Command::IssueEnrolmentCode {
            subject: Subject::Participant(number(1)),
            code_hash: code_hash(5),
            expires_at: NOW.plus_ms(DAY_MS),
        },
        NOW,
    );
    let start = Arc::new(std::sync::Barrier::new(4));
    let tries: Vec<_> = (0..4u8)
        .map(|n| {
            let (store, start) = (Arc::clone(&store), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                change(store.as_ref(), |transaction| {
                    let grant = match enrolment::check(transaction, &code_hash(5), NOW) {
                        Ok(grant) => grant,
                        Err(DecideError::Refused(refusal)) => return Ok(Err(refusal)),
                        Err(DecideError::View(error)) => return Err(error.into()),
                    };
                    let enrolment::EnrolmentGrant::Device { device, .. } = grant else {
                        panic!("a device was meant");
                    };
                    // Here the center signs.
                    let recorded = transaction.record(
                        &actor(),
                        &Command::EnrolDevice {
                            code_hash: code_hash(5),
                            device,
                            certificate: certificate(50 + n, NOW),
                        },
                        NOW,
                    )?;
                    Ok(recorded.events())
                })
                .unwrap()
            })
        })
        .collect();
    let outcomes: Vec<_> = tries.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Ok(_) | Err(Refusal::CodeSpent { .. })))
    );
    let devices = look(store.as_ref(), |r| r.devices(number(1), None, 100)).unwrap();
    assert_eq!(devices.len(), 2);
}

pub(crate) fn a_clock_that_goes_back_makes_no_expired_code_good_again(store: Home) {
    let store = store.as_ref();
    small_world(store);
    must(
        store,
        &Command::IssueEnrolmentCode {
            subject: Subject::Participant(number(1)),
            code_hash: code_hash(6),
            expires_at: NOW.plus_ms(1_000),
        },
        NOW,
    );
    must(store, &admit(clinic(), None), NOW.plus_ms(2_000));
    let enrol = Command::EnrolDevice {
        code_hash: code_hash(6),
        device: DeviceId(2),
        certificate: certificate(2, NOW),
    };
    let recorded = act(store, &actor(), &enrol, NOW).unwrap();
    assert_eq!(recorded.at, NOW.plus_ms(2_000));
    assert!(matches!(
        recorded.outcome,
        Outcome::Refused(Refusal::CodeExpired { .. })
    ));
    look(store, replayed).unwrap();
}

pub(crate) fn an_act_that_is_given_up_leaves_nothing(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let before = look(store, replayed).unwrap();
    let revision = store.revision().unwrap();
    let given_up: Result<(), StoreError> = change(store, |transaction| {
        transaction.record(&actor(), &admit(clinic(), None), NOW)?;
        assert!(transaction.participant(number(2))?.is_some());
        Err(StoreError::given_up(std::io::Error::other(
            "the signer is gone",
        )))
    });
    let error = given_up.unwrap_err();
    assert!(error.to_string().contains("the signer is gone"));
    assert_eq!(store.revision().unwrap(), revision);
    assert_same(store, &before, NOW);
    // And the next act is as if it had not been.
    must(store, &admit(clinic(), None), NOW);
    assert_eq!(store.revision().unwrap(), revision + 1);
    look(store, replayed).unwrap();
}

pub(crate) fn many_acts_in_one_transaction_see_each_other(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let last = change(store, |transaction| {
        let mut last = None;
        for n in 0..200 {
            let recorded =
                transaction.record(&actor(), &admit(clinic(), Some(code(100 + n))), NOW)?;
            last = Some((recorded.sequence, recorded.events().unwrap()));
        }
        Ok(last.unwrap())
    })
    .unwrap();
    assert_eq!(last.0, store.revision().unwrap());
    assert!(matches!(last.1[0], Event::ParticipantAdmitted { number: n, .. } if n == number(201)));
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
}

pub(crate) fn a_reader_keeps_its_moment_while_others_write(store: Home) {
    small_world(store.as_ref());
    look(store.as_ref(), |reader| {
        let before = reader.tip()?;
        let writer = Arc::clone(&store);
        std::thread::spawn(move || must(writer.as_ref(), &admit(clinic(), None), NOW))
            .join()
            .unwrap();
        assert_eq!(reader.tip()?, before);
        assert_eq!(reader.entries(before.sequence + 1, 10)?, []);
        assert!(reader.participant(number(2))?.is_none());
        Ok(())
    })
    .unwrap();
    look(store.as_ref(), |reader| {
        assert!(reader.participant(number(2))?.is_some());
        Ok(())
    })
    .unwrap();
}

pub(crate) fn listings_come_page_by_page_and_miss_nothing(store: Home) {
    let store = store.as_ref();
    small_world(store);
    change(store, |transaction| {
        for n in 0..25 {
            transaction.record(&actor(), &admit(clinic(), Some(code(200 + n))), NOW)?;
        }
        Ok(())
    })
    .unwrap();
    must(store, &propose(), NOW);
    look(store, |reader| {
        let query = ParticipantQuery {
            name: Some("サクラ".into()),
            ..ParticipantQuery::default()
        };
        assert_eq!(reader.participants(&query, None, 100)?, []);
        let query = ParticipantQuery {
            name: Some("さくら 診".into()),
            standing: Some(Standing::Open),
            ..ParticipantQuery::default()
        };
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let page = reader.participants(&query, after, 4)?;
            assert!(page.len() <= 4);
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            seen.extend(page.into_iter().map(|participant| participant.number));
        }
        assert_eq!(seen, (0..27).map(number).collect::<Vec<_>>());
        let by_code = ParticipantQuery {
            code: Some(code(210).to_string()),
            ..ParticipantQuery::default()
        };
        assert_eq!(reader.participants(&by_code, None, 9)?.len(), 1);
        let elsewhere = ParticipantQuery {
            prefecture: Some(iryonet_domain::Prefecture::new(1).unwrap()),
            ..ParticipantQuery::default()
        };
        assert_eq!(reader.participants(&elsewhere, None, 9)?, []);
        let proposed = AgreementQuery {
            service: Some(service(1)),
            participant: Some(number(1)),
            state: Some(AgreementState::Proposed),
            side: None,
        };
        assert_eq!(reader.agreements(&proposed, None, 9)?.len(), 1);
        assert_eq!(reader.agreements(&proposed, Some(AgreementId(1)), 9)?, []);
        Ok(())
    })
    .unwrap();
    for n in 0..5 {
        let officer = n % 2 == 0;
        let command = Command::CreateAccount {
            account: account(n),
            person: "担当".into(),
            roles: if officer {
                vec![Role::Officer]
            } else {
                vec![Role::Examiner, Role::Approver]
            },
            speaks_for: officer.then_some(SpeaksFor::Participant(number(u32::from(n) / 2))),
        };
        must(store, &command, NOW);
    }
    look(store, |reader| {
        let names =
            |query: &AccountQuery, after: Option<u8>, limit| -> Result<Vec<_>, StoreError> {
                let after = after.map(account);
                let page = reader.accounts(query, after.as_ref(), limit)?;
                Ok(page.into_iter().map(|found| found.account).collect())
            };
        let all = AccountQuery::default();
        assert_eq!(names(&all, None, 2)?, [account(0), account(1)]);
        assert_eq!(
            names(&all, Some(1), 9)?,
            [account(2), account(3), account(4)]
        );
        let approvers = AccountQuery {
            role: Some(Role::Approver),
            ..AccountQuery::default()
        };
        assert_eq!(names(&approvers, None, 9)?, [account(1), account(3)]);
        let of_clinic = AccountQuery {
            speaks_for: Some(SpeaksFor::Participant(number(1))),
            ..AccountQuery::default()
        };
        assert_eq!(names(&of_clinic, None, 9)?, [account(2)]);
        Ok(())
    })
    .unwrap();
}

pub(crate) fn a_history_tells_everything_about_somebody_and_nothing_else(store: Home) {
    let store = store.as_ref();
    small_world(store);
    must(store, &propose(), NOW);
    must(
        store,
        &Command::CloseParticipant {
            participant: number(1),
            reason: "閉院".into(),
        },
        NOW,
    );
    look(store, |reader| {
        let topic = Topic::Participant(number(1));
        let whole = reader.history(&topic, None, 100)?;
        let mut expected = Vec::new();
        for entry in reader.entries(1, 100)? {
            let iryonet_ledger::Outcome::Accepted { events } = &entry.outcome else {
                continue;
            };
            for (place, event) in serde_json::from_str::<Vec<Event>>(events)
                .unwrap()
                .into_iter()
                .enumerate()
            {
                if event.topics().contains(&topic) {
                    expected.push((entry.sequence, place as u32, event));
                }
            }
        }
        assert_eq!(
            whole
                .iter()
                .map(|item| (item.sequence, item.place, item.event.clone()))
                .collect::<Vec<_>>(),
            expected
        );
        // admitted, site, line, code, code spent, enrolled, proposed, ended,
        // line removed, revoked, closed
        assert_eq!(whole.len(), 11);
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = reader.history(&topic, after, 2)?;
            let Some(last) = page.last() else { break };
            after = Some((last.sequence, last.place));
            paged.extend(page);
        }
        assert_eq!(paged, whole);
        Ok(())
    })
    .unwrap();
}

pub(crate) fn a_network_is_founded_once(store: Home) {
    let store = store.as_ref();
    found(store, network(), &actor(), NOW).unwrap();
    found(store, network(), &actor(), NOW).unwrap();
    assert_eq!(store.revision().unwrap(), 1);
    let other = found(store, "2001:db9::/32".parse().unwrap(), &actor(), NOW).unwrap_err();
    assert!(matches!(other, StoreError::OtherNetwork { .. }));
}

/// The store against the plain statement: the same random acts, the same
/// outcomes, the same tables, by every way to look at them.
pub(crate) fn random_acts_give_what_the_plain_statement_gives<K>(
    open: &dyn Fn() -> (Home, K),
    cases: u32,
) {
    // Always the same acts: a failure here is there again the next time.
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let accepted = std::cell::Cell::new(0u32);
    let kinds = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let refused = std::cell::Cell::new(0u32);
    runner
        .run(&steps(), |steps| {
            let (store, _kept) = open();
            let store = store.as_ref();
            small_world(store);
            must(store, &publish(), NOW);
            let mut memory = look(store, replayed).unwrap();
            let mut now = NOW;
            change(store, |transaction: &mut dyn Transaction| {
                for step in &steps {
                    // Forward, now and then back: the ledger's time stays.
                    now = UnixMillis(now.0 + u64::from(step.1) * 20 - u64::from(step.2) * 10);
                    let command = command(*step, now);
                    let recorded = transaction.record(&actor_of(&command), &command, now)?;
                    let at = recorded.at;
                    match (
                        decide(&memory, &actor_of(&command), &command, at),
                        recorded.outcome,
                    ) {
                        (Ok(events), Outcome::Accepted(written)) => {
                            assert_eq!(events, written);
                            for event in &events {
                                kinds.borrow_mut().insert(kind_of(event));
                                apply(&mut memory, event, at).unwrap();
                            }
                            accepted.set(accepted.get() + 1);
                        }
                        (Err(DecideError::Refused(one)), Outcome::Refused(other)) => {
                            assert_eq!(one, other);
                            refused.set(refused.get() + 1);
                        }
                        (one, other) => panic!("{command:?}: {one:?} but {other:?}"),
                    }
                }
                Ok(())
            })
            .unwrap();
            assert_same(store, &memory, now);
            assert_eq!(look(store, replayed).unwrap(), memory);
            Ok(())
        })
        .unwrap();
    println!(
        "{} acts accepted, {} refused",
        accepted.get(),
        refused.get()
    );
    assert!(accepted.get() > 100 && refused.get() > 100);
    println!(
        "{} kinds of events: {:?}",
        kinds.borrow().len(),
        kinds.borrow()
    );
    assert!(kinds.borrow().len() >= 30, "{:?}", kinds.borrow());
}
