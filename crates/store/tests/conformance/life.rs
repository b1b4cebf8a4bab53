//! The life of a connection: cases, what parties see, what time brings, lists,
//! and the daily re-check.

use super::Home;
use crate::support::*;
use iryonet_domain::{
    AgreementId, CaseId, CaseKind, DeviceId, Digest, Prefecture, ScoreTable, UnixMillis,
};
use iryonet_registry::case::command::{
    ApproveCase, CaseReason, ConcludeExamination, Judgements, ReceiveApplication, SeenCase,
};
use iryonet_registry::case::{
    Admission, Application, CaseState, Document, Judgement, Recommendation, SiteWish, Verdict,
};
use iryonet_registry::recheck::{RecheckLimits, RecheckSlot, SLOTS_PER_DAY};
use iryonet_registry::{
    Case, Command, Event, ListId, ListRow, RecheckEvent, SpeaksFor, Standing, Subject,
};
use iryonet_rules::{EvidenceKind, Profile};
use iryonet_store::{AgreementQuery, CaseQuery, Store, look, to_be_reexamined};

fn case(store: &dyn Store, number: CaseId) -> Case {
    look(store, |reader| Ok(reader.case(number)?.unwrap())).unwrap()
}

fn seen(store: &dyn Store, number: CaseId) -> SeenCase {
    SeenCase {
        case: number,
        version: case(store, number).version,
    }
}

fn apply_for(store: &dyn Store, n: u16) -> CaseId {
    let wish = Command::ReceiveApplication(ReceiveApplication {
        participant: None,
        application: Application::Admission(Admission {
            participant_kind: clinic(),
            name: format!("うめ診療所{n}"),
            code: Some(code(n)),
            area: None,
            sites: vec![SiteWish {
                name: "本院".into(),
                lines: vec![iryonet_domain::LineKind::Ethernet],
            }],
            services: vec![],
        }),
        officer: Some(officer()),
        documents: vec![Document {
            sha256: Digest([1; 32]),
            name: "開設届.pdf".into(),
            media_type: "application/pdf".into(),
            bytes: 1_000,
        }],
    });
    must(store, &wish, NOW);
    look(store, |reader| Ok(reader.last_case()?.unwrap())).unwrap()
}

/// Everything in order, by what a person can bring.
fn all_met(store: &dyn Store, number: CaseId, opening: bool) -> Vec<Judgement> {
    let case = case(store, number);
    let set = look(store, |reader| {
        Ok(reader.rules(case.rules.unwrap())?.unwrap().read()?)
    })
    .unwrap();
    let lines = [iryonet_domain::LineKind::Ethernet];
    let profile = Profile {
        kind: clinic(),
        lines: &lines,
        case: case.kind(),
    };
    let items: Vec<_> = if opening {
        set.opening_items(profile).collect()
    } else {
        set.items(profile).collect()
    };
    items
        .into_iter()
        .map(|rule| {
            let by_hand = rule.evidence.iter().find(|kind| !kind.is_automatic());
            let evidence = *by_hand.unwrap_or(&rule.evidence[0]);
            Judgement {
                rule: rule.id.clone(),
                verdict: Verdict::Met,
                evidence: Some(evidence),
                note: None,
                documents: match evidence {
                    EvidenceKind::Document => case.documents.iter().map(|d| d.sha256).collect(),
                    _ => vec![],
                },
            }
        })
        .collect()
}

fn examined(store: &dyn Store, number: CaseId) {
    must(store, &Command::AcceptApplication(seen(store, number)), NOW);
    must(store, &Command::BeginExamination(seen(store, number)), NOW);
    let SeenCase { case, version } = seen(store, number);
    let judgements = all_met(store, number, false);
    let judge = Command::JudgeItems(Judgements {
        case,
        version,
        judgements,
    });
    must(store, &judge, NOW);
    let SeenCase { case, version } = seen(store, number);
    let conclude = Command::ConcludeExamination(ConcludeExamination {
        case,
        version,
        recommendation: Recommendation::Approve,
        note: None,
    });
    must(store, &conclude, NOW);
}

fn approval(store: &dyn Store, number: CaseId) -> Command {
    let SeenCase { case, version } = seen(store, number);
    Command::ApproveCase(ApproveCase {
        case,
        version,
        home: Some(iryonet_registry::Home::Block(1)),
    })
}

pub(crate) fn a_case_goes_its_whole_way_and_is_found_by_all_that_is_asked_about_it(store: Home) {
    let store = store.as_ref();
    small_world(store);
    must(store, &publish(), NOW);
    let number = apply_for(store, 7);
    let by = |query: CaseQuery| {
        look(store, |reader| reader.cases(&query, None, 9))
            .unwrap()
            .into_iter()
            .map(|case| case.case)
            .collect::<Vec<_>>()
    };
    let applicant = case(store, number).applicants[0].name().to_owned();
    let queries = |state, participant| {
        [
            CaseQuery {
                kind: Some(CaseKind::Admission),
                ..CaseQuery::default()
            },
            CaseQuery {
                state: Some(state),
                ..CaseQuery::default()
            },
            CaseQuery {
                open: true,
                ..CaseQuery::default()
            },
            CaseQuery {
                applicant: Some(applicant.clone()),
                ..CaseQuery::default()
            },
            CaseQuery {
                participant,
                ..CaseQuery::default()
            },
        ]
    };
    for query in queries(CaseState::Received, None) {
        assert_eq!(by(query), [number]);
    }
    examined(store, number);
    must(store, &approval(store, number), NOW);
    let participant = case(store, number).participant.unwrap();
    must(
        store,
        &Command::IssueEnrolmentCode {
            subject: Subject::Participant(participant),
            code_hash: code_hash(9),
            expires_at: NOW.plus_ms(DAY_MS),
        },
        NOW,
    );
    for query in queries(CaseState::CodeHandedOut, Some(participant)) {
        assert_eq!(by(query), [number]);
    }
    must(
        store,
        &Command::EnrolDevice {
            code_hash: code_hash(9),
            device: DeviceId(1),
            certificate: certificate(9, NOW),
        },
        NOW,
    );
    let SeenCase { case: c, version } = seen(store, number);
    let test = Command::RecordOpeningTest(Judgements {
        case: c,
        version,
        judgements: all_met(store, number, true),
    });
    must(store, &test, NOW);
    must(store, &Command::OpenConnection(seen(store, number)), NOW);
    let standing = look(store, |reader| {
        Ok(reader.participant(participant)?.unwrap().standing)
    })
    .unwrap();
    assert_eq!(standing, Standing::Open);
    assert_eq!(
        by(CaseQuery {
            open: true,
            ..CaseQuery::default()
        }),
        []
    );
    let untouched = |since| {
        by(CaseQuery {
            untouched_since: Some(since),
            ..CaseQuery::default()
        })
    };
    assert_eq!(untouched(NOW), [number]);
    assert_eq!(untouched(UnixMillis(NOW.0 - 1)), []);
    // What an officer may see: their own.
    let visible = |whom, name: &str| {
        by(CaseQuery {
            visible_to: Some((whom, name.to_owned())),
            ..CaseQuery::default()
        })
    };
    let whose = |whom| visible(Some(whom), "somebody");
    assert_eq!(whose(SpeaksFor::Participant(participant)), [number]);
    assert_eq!(whose(SpeaksFor::Application(number)), [number]);
    assert_eq!(whose(SpeaksFor::Application(CaseId(number.0 + 1))), []);
    assert_eq!(whose(SpeaksFor::Applicant), []);
    assert_eq!(visible(None, &applicant), [number]);
    let other = SpeaksFor::Participant(crate::support::number(1));
    assert_eq!(whose(other), []);
    // What nobody can have a number for is not there, and breaks nothing.
    look(store, |reader| {
        assert_eq!(reader.entries(u64::MAX, 9)?, []);
        assert_eq!(reader.case(CaseId(u64::MAX))?, None);
        assert_eq!(reader.agreement(AgreementId(u64::MAX))?, None);
        assert_eq!(
            reader.cases(&CaseQuery::default(), Some(CaseId(u64::MAX)), 9)?,
            []
        );
        Ok(())
    })
    .unwrap();
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
}

pub(crate) fn of_two_who_decide_at_the_same_moment_one_does(store: Home) {
    let (store, kept) = (store.as_ref(), store.clone());
    small_world(store);
    must(store, &publish(), NOW);
    let number = apply_for(store, 7);
    examined(store, number);
    let SeenCase { case: c, version } = seen(store, number);
    let yes = approval(store, number);
    let no = Command::RejectCase(CaseReason {
        case: c,
        version,
        reason: "要件を満たさない".into(),
    });
    let start = std::sync::Arc::new(std::sync::Barrier::new(2));
    let decide = |command: Command| {
        let (store, start) = (kept.clone(), start.clone());
        std::thread::spawn(move || {
            start.wait();
            let actor = actor_of(&command);
            iryonet_store::act(store.as_ref(), &actor, &command, NOW)
                .unwrap()
                .events()
                .map(|_| ())
        })
    };
    let (yes, no) = (decide(yes), decide(no));
    let outcomes = [yes.join().unwrap(), no.join().unwrap()];
    let refused: Vec<_> = outcomes.iter().filter_map(|it| it.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{outcomes:?}");
    assert_eq!(refused[0].code(), "case-changed");
    // The refused one stands in the ledger too.
    let tip = look(store, |reader| reader.tip()).unwrap();
    let entries = look(store, |reader| reader.entries(tip.sequence - 1, 9)).unwrap();
    let refusals = entries
        .iter()
        .filter(|entry| matches!(entry.outcome, iryonet_ledger::Outcome::Refused { .. }));
    assert_eq!(refusals.count(), 1);
}

pub(crate) fn what_either_party_sees_is_its_own(store: Home) {
    let store = store.as_ref();
    small_world(store);
    must(store, &admit(clinic(), Some(code(2))), NOW);
    must(store, &propose(), NOW);
    let seen_by = |n| {
        let query = AgreementQuery {
            side: Some(number(n)),
            ..AgreementQuery::default()
        };
        look(store, |reader| reader.agreements(&query, None, 9))
            .unwrap()
            .len()
    };
    // The asking side, the provider's, and somebody else.
    assert_eq!((seen_by(1), seen_by(0), seen_by(2)), (1, 1, 0));
}

pub(crate) fn what_time_brings_is_found_in_the_order_of_its_time(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let over = |now| look(store, |reader| reader.agreements_over(now, 9)).unwrap();
    let to_notice = |now: UnixMillis, days: u64| {
        look(store, |reader| {
            reader.agreements_to_notice(now, now.plus_ms(days * DAY_MS), 9)
        })
        .unwrap()
    };
    must(store, &propose(), NOW);
    let agreement = AgreementId(1);
    // Only what both sides have said yes to is told about.
    assert_eq!(to_notice(NOW, 200), []);
    must(
        store,
        &Command::AcceptAgreement {
            agreement,
            by: number(0),
        },
        NOW,
    );
    assert_eq!(to_notice(NOW, 200), [agreement]);
    assert_eq!(to_notice(NOW, 99), []);
    let later = NOW.plus_ms(50 * DAY_MS);
    must(store, &Command::NoticeAgreement { agreement }, later);
    assert_eq!(to_notice(later, 200), []);
    let end = NOW.plus_ms(100 * DAY_MS);
    assert_eq!(over(UnixMillis(end.0 - 1)), []);
    assert_eq!(over(end), [agreement]);
    must(store, &Command::ExpireAgreement { agreement }, end);
    assert_eq!(over(end), []);

    // Cases: untouched ones, and those with a day of their own.
    must(store, &publish(), end);
    let wish = Command::ReceiveApplication(ReceiveApplication {
        participant: Some(number(1)),
        application: Application::Suspension {
            reason: "改装".into(),
            from: Some(end.plus_ms(DAY_MS)),
        },
        officer: None,
        documents: vec![],
    });
    must(store, &wish, end);
    let untouched = |before| look(store, |reader| reader.cases_untouched_since(before, 9)).unwrap();
    assert_eq!(untouched(UnixMillis(end.0 - 1)), []);
    assert_eq!(untouched(end), [CaseId(1)]);
    let due = |now| look(store, |reader| reader.cases_due(now, 9)).unwrap();
    assert_eq!(due(end.plus_ms(DAY_MS)), [], "not approved yet");
}

pub(crate) fn a_list_that_names_somebody_no_more_proposes_and_closes_nobody(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let list = ListId::of(ScoreTable::Medical);
    for n in 1..=3 {
        let listed = Command::ListApplicants {
            list: list.clone(),
            file_sha256: "ab".repeat(32),
            rows: vec![ListRow::new(code(n), "さくら診療所", "1000001", "東京都千代田区").unwrap()],
        };
        must(store, &listed, NOW);
    }
    let in_list = |after| look(store, |reader| reader.codes_in_list(&list, after, 2)).unwrap();
    let mut codes = [code(1), code(2), code(3)];
    codes.sort();
    assert_eq!(in_list(None), codes[..2]);
    assert_eq!(in_list(Some(codes[1])), codes[2..]);
    let vanished = Command::ListVanished {
        list: list.clone(),
        file_sha256: Digest([7; 32]),
        codes: vec![code(1), code(2)],
    };
    must(store, &vanished, NOW);
    assert_eq!(in_list(None), [code(3)]);
    // Of the two, one is a member: it has a case, and is open.
    let cases = look(store, |reader| reader.cases(&CaseQuery::default(), None, 9)).unwrap();
    assert_eq!(cases.len(), 1);
    assert_eq!(
        (cases[0].kind(), cases[0].participant),
        (CaseKind::ClosingByList, Some(number(1)))
    );
    let member = look(store, |reader| Ok(reader.participant(number(1))?.unwrap())).unwrap();
    assert_eq!(member.standing, Standing::Open);
    let subjects = |n| {
        let slot = iryonet_registry::recheck::slot_of(number(n));
        look(store, |reader| Ok(reader.recheck_subjects(slot)?)).unwrap()
    };
    let subject = subjects(1)
        .into_iter()
        .find(|s| s.participant.number == number(1))
        .unwrap();
    assert_eq!(subject.vanished_at, Some(NOW));
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
}

pub(crate) fn who_must_be_examined_anew_is_found_page_by_page(store: Home) {
    let store = store.as_ref();
    small_world(store);
    for n in 10..15 {
        must(store, &admit(clinic(), Some(code(n))), NOW);
    }
    let all = || {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = look(store, |reader| to_be_reexamined(reader, after, 2)).unwrap();
            assert!(page.len() <= 2);
            found.extend(page.into_iter().map(|it| it.participant.number));
            let Some(next) = next else { break };
            after = Some(next);
        }
        found
    };
    assert_eq!(all(), [], "no rules are published");
    must(store, &publish(), NOW);
    // Nobody was examined by a case yet: the provider, and six clinics.
    assert_eq!(all(), (0..7).map(number).collect::<Vec<_>>());
    let case = apply_for(store, 30);
    examined(store, case);
    must(store, &approval(store, case), NOW);
    assert_eq!(all().len(), 7, "who was just examined need not be again");
}

pub(crate) fn the_daily_recheck_looks_at_everybody_once_and_goes_on_where_it_was(store: Home) {
    let store = store.as_ref();
    small_world(store);
    for n in 0..40 {
        must(
            store,
            &admit(
                clinic(),
                Some(iryonet_domain::InstitutionCode::generate(
                    Prefecture::new(1).unwrap(),
                    ScoreTable::Medical,
                    9,
                    n,
                )),
            ),
            NOW,
        );
    }
    let mut now = NOW;
    let mut looked_at = 0;
    let mut slots = 0;
    // The clinic's certificate ends within this year.
    let year = NOW.plus_ms(366 * DAY_MS);
    let mut ran_out = 0;
    while slots < SLOTS_PER_DAY {
        let state = look(store, |reader| Ok(reader.recheck_state()?)).unwrap();
        let Some(tick) = state.due(now) else {
            now = now.plus_ms(iryonet_registry::recheck::SLOT_MS).max(year);
            continue;
        };
        let slot = Command::RecheckSlot(RecheckSlot {
            tick,
            limits: RecheckLimits::default(),
        });
        for event in must(store, &slot, now) {
            match event {
                Event::Recheck(RecheckEvent::SlotRechecked { counts, .. }) if now >= year => {
                    looked_at += counts.participants;
                    slots += 1;
                }
                Event::Recheck(RecheckEvent::DeviceRanOut { .. }) => ran_out += 1,
                _ => {}
            }
        }
        assert_eq!(refused(store, &slot, now), "recheck-not-due");
    }
    assert_eq!(looked_at, 42);
    assert_eq!(ran_out, 1);
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, now);
}
