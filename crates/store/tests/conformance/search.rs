//! Search, and many at once: what every home promises.

use super::Home;
use crate::support::*;
use iryonet_domain::{InstitutionCode, ParticipantKind, Prefecture, ScoreTable};
use iryonet_registry::{
    AdmissionRow, Applicant, Command, Event, ListId, ListRow, MemoryTables, Standing,
};
use iryonet_store::{
    ApplicantQuery, ParticipantQuery, Reader, Store, StoreError, act, change, look,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const NAMES: [&str; 8] = [
    "医療法人社団さくら会　さくら診療所",
    "さくらクリニック",
    "東京中央クリニック",
    "京都東クリニック",
    "ﾐﾄﾞﾘ薬局 ABC店",
    "みどり薬局ａｂｃ店",
    "津クリニック",
    "ククリ診療所",
];
const ADDRESSES: [&str; 5] = [
    "千代田区霞が関１－２－３",
    "千代田区霞が関1-2-30",
    "京都市東山区１２３",
    "津市羽所町７００",
    "大阪市北区１００",
];

fn institution(prefecture: u8, serial: u16) -> InstitutionCode {
    let prefecture = Prefecture::new(prefecture).unwrap();
    InstitutionCode::generate(prefecture, ScoreTable::Medical, (serial % 7) as u8, serial)
}

fn admission(n: u16, name: &str, code: Option<InstitutionCode>) -> AdmissionRow {
    AdmissionRow {
        kind: clinic(),
        name: name.to_owned(),
        code,
        area: n.is_multiple_of(7).then(|| Prefecture::new(26).unwrap()),
        // Over two blocks, so that numbers are not in the order of admission.
        home: iryonet_registry::Home::Block(1 + (n % 2) as u8 * 2),
        site: "本院".to_owned(),
    }
}

fn listed(rows: Vec<ListRow>) -> Command {
    Command::ListApplicants {
        list: ListId::of(ScoreTable::Medical),
        file_sha256: hex::encode([7; 32]),
        rows,
    }
}

fn key(text: &str) -> String {
    iryonet_domain::text::fold_width(text)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\0')
        .flat_map(char::to_lowercase)
        .collect()
}

fn has(text: &str, part: Option<&String>) -> bool {
    part.is_none_or(|part| key(text).contains(&key(part)))
}

/// The plain statement of what a search of applicants finds.
fn applicant_fits(applicant: &Applicant, query: &ApplicantQuery) -> bool {
    let code = applicant.code.to_string();
    let postal = query.area.as_ref().map(|area| key(area).replace('-', ""));
    query
        .code
        .as_ref()
        .is_none_or(|code_part| code.starts_with(&key(code_part)))
        && query
            .prefecture
            .is_none_or(|it| it == applicant.code.prefecture())
        && has(&applicant.name, query.name.as_ref())
        && (has(&applicant.address, query.area.as_ref())
            || postal.is_some_and(|digits| {
                // A hyphen alone is the beginning of no postal code.
                !digits.is_empty()
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && applicant.postal.starts_with(&digits)
            }))
}

/// A home of an earlier layout that was opened holds and answers what it did,
/// and takes what is new.
pub(crate) fn assert_brought_up_to_date(
    store: &dyn Store,
    memory: &MemoryTables,
    searched: &[String],
    layout: usize,
) {
    assert_same(store, memory, NOW);
    assert_eq!(look(store, replayed).unwrap(), *memory);
    assert_eq!(look(store, answers).unwrap(), searched, "layout {layout}");
    change(store, |transaction| {
        transaction.side_put(iryonet_store::Space::Session, b"a", b"b", None)
    })
    .unwrap();
}

/// What some searches find.
pub(crate) fn answers(reader: &dyn Reader) -> Result<Vec<String>, StoreError> {
    let mut out = Vec::new();
    for part in NAMES.iter().chain(&ADDRESSES).chain(&["東京都", "霞", "7"]) {
        let text = Some((*part).to_owned());
        for (name, area) in [(text.clone(), None), (None, text)] {
            let query = ApplicantQuery {
                name: name.clone(),
                area: area.clone(),
                ..ApplicantQuery::default()
            };
            let found = reader.applicants(&query, None, 999)?;
            out.extend(found.iter().map(|one| one.code.to_string()));
            let query = ParticipantQuery {
                name,
                area,
                ..ParticipantQuery::default()
            };
            let found = reader.participants(&query, None, 999)?;
            out.extend(found.iter().map(|one| one.number.to_string()));
        }
    }
    let query = ParticipantQuery {
        prefecture: Prefecture::new(13).ok(),
        ..ParticipantQuery::default()
    };
    let found = reader.participants(&query, None, 999)?;
    out.extend(found.iter().map(|one| one.number.to_string()));
    assert!(!out.is_empty(), "these answers would prove nothing");
    Ok(out)
}

/// The world that is searched: some hundred, with names that are alike.
pub(crate) fn fill(store: &dyn Store) {
    small_world(store);
    let mut rows = Vec::new();
    let mut institutions = Vec::new();
    for n in 0..240_u16 {
        let code = institution([13, 26, 24, 27][usize::from(n % 4)], n + 50);
        let name = format!("{}{}", NAMES[usize::from(n % 8)], n % 11);
        let address = ADDRESSES[usize::from(n % 5)];
        let postal = format!("{:07}", 1_000_000 + u32::from(n) * 7_919);
        if n % 3 != 0 {
            rows.push(ListRow::new(code, &name, &postal, address).unwrap());
        }
        institutions.push(admission(n, &name, (n % 5 != 0).then_some(code)));
    }
    let (early, late) = rows.split_at(rows.len() / 2);
    must(store, &listed(early.to_vec()), NOW);
    must(
        store,
        &Command::AdmitParticipants {
            rows: institutions.clone(),
        },
        NOW,
    );
    // Listed after they were admitted; and some of the others move.
    must(store, &listed(late.to_vec()), NOW);
    let moved = early
        .iter()
        .step_by(3)
        .map(|row| ListRow::new(row.code, &row.name, &row.postal, "那覇市泉崎１－２－２").unwrap())
        .collect();
    must(store, &listed(moved), NOW);
    for n in [3, 4, 11] {
        must(
            store,
            &Command::QuarantineParticipant {
                participant: number(n),
                reason: "疑い".into(),
            },
            NOW,
        );
    }
    must(
        store,
        &Command::CloseParticipant {
            participant: number(11),
            reason: "閉院".into(),
        },
        NOW,
    );
}

fn part(text: &'static str) -> impl Strategy<Value = String> {
    let chars: Vec<char> = text.chars().collect();
    let long = chars.len();
    (0..long, 1..6_usize)
        .prop_map(move |(at, many)| chars[at..long.min(at + many)].iter().collect::<String>())
}

fn some_name() -> impl Strategy<Value = Option<String>> {
    let real = prop::sample::select(NAMES.to_vec()).prop_flat_map(part);
    prop_oneof![
        2 => Just(None),
        6 => real.prop_map(Some),
        1 => Just(Some("ックリ".to_owned())),
        1 => Just(Some("鶯".to_owned())),
        1 => Just(Some(" 　".to_owned())),
        1 => Just(Some("\0さ".to_owned())),
    ]
}

fn some_area() -> impl Strategy<Value = Option<String>> {
    let real = prop::sample::select(ADDRESSES.to_vec()).prop_flat_map(part);
    prop_oneof![
        3 => Just(None),
        4 => real.prop_map(Some),
        1 => prop::sample::select(vec!["東京", "京都府", "県", "那覇", "1", "10", "100", "1-0", "123-4", "12345678"])
            .prop_map(|text| Some(text.to_owned())),
    ]
}

fn some_code() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        3 => Just(None),
        1 => (0..240_u16, 1..11_usize).prop_map(|(n, long)| {
            let code = institution([13, 26, 24, 27][usize::from(n % 4)], n + 50).to_string();
            Some(code[..long].to_owned())
        }),
    ]
}

fn some_prefecture() -> impl Strategy<Value = Option<Prefecture>> {
    prop_oneof![
        3 => Just(None),
        1 => prop::sample::select(vec![13, 26, 24, 1]).prop_map(|n| Some(Prefecture::new(n).unwrap())),
    ]
}

fn all_applicants(reader: &dyn Reader) -> Vec<Applicant> {
    reader
        .applicants(&ApplicantQuery::default(), None, usize::MAX)
        .unwrap()
}

pub(crate) fn a_search_finds_what_is_there_and_nothing_else(store: Home) {
    let store = store.as_ref();
    fill(store);
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: 400,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let query = (
        some_code(),
        some_name(),
        some_prefecture(),
        some_area(),
        prop::option::weighted(0.2, prop::sample::select(Standing::ALL.to_vec())),
        prop::sample::select(vec![1_usize, 7, 500]),
    );
    let hits = std::cell::Cell::new(0);
    runner
        .run(&query, |(code, name, prefecture, area, standing, page)| {
            look(store, |reader| {
                let query = ApplicantQuery {
                    code: code.clone(),
                    name: name.clone(),
                    prefecture,
                    area: area.clone(),
                };
                let applicants = all_applicants(reader);
                let expected: Vec<Applicant> = applicants
                    .iter()
                    .filter(|one| applicant_fits(one, &query))
                    .cloned()
                    .collect();
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let now = reader.applicants(&query, after, page)?;
                    assert!(now.len() <= page);
                    let Some(last) = now.last() else { break };
                    after = Some(last.code);
                    found.extend(now);
                }
                assert_eq!(found, expected, "{query:?}");
                hits.set(hits.get() + found.len());

                let query = ParticipantQuery {
                    code: code.clone(),
                    name: name.clone(),
                    prefecture,
                    area: area.clone(),
                    standing,
                };
                let expected: Vec<_> = reader
                    .participants(&ParticipantQuery::default(), None, usize::MAX)?
                    .into_iter()
                    .filter(|one| {
                        let listed = applicants.iter().find(|it| Some(it.code) == one.code);
                        let prefecture_of = one.prefecture();
                        let area_fits = query.area.as_ref().is_none_or(|area| {
                            key(area).is_empty()
                                || prefecture_of.is_some_and(|it| has(it.name(), Some(area)))
                                || listed.is_some_and(|it| has(&it.address, Some(area)))
                        });
                        let digits = one.code.map(|code| code.to_string()).unwrap_or_default();
                        area_fits
                            && query.code.as_ref().is_none_or(|part| {
                                one.code.is_some() && digits.starts_with(&key(part))
                            })
                            && query.prefecture.is_none_or(|it| Some(it) == prefecture_of)
                            && has(&one.name, query.name.as_ref())
                            && query.standing.is_none_or(|it| it == one.standing)
                    })
                    .collect();
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let now = reader.participants(&query, after, page)?;
                    assert!(now.len() <= page);
                    let Some(last) = now.last() else { break };
                    after = Some(last.number);
                    found.extend(now);
                }
                assert_eq!(found, expected, "{query:?}");
                hits.set(hits.get() + found.len());
                Ok(())
            })
            .unwrap();
            Ok(())
        })
        .unwrap();
    println!("{} found", hits.get());
    assert!(hits.get() > 2_000);
}

pub(crate) fn many_are_admitted_at_once_as_if_one_by_one(store: Home) {
    let store = store.as_ref();
    fill(store);
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
    // Those who are refused leave nothing but the entry.
    let revision = store.revision().unwrap();
    let taken = institution(26, 51);
    let rows = vec![
        admission(1, "新しい診療所", None),
        admission(2, "新しい診療所", Some(taken)),
    ];
    assert_eq!(
        refused(store, &Command::AdmitParticipants { rows }, NOW),
        "admission-row"
    );
    assert_eq!(store.revision().unwrap(), revision + 1);
    assert_same(store, &memory, NOW);
    look(store, |reader| {
        let query = ParticipantQuery {
            name: Some("新しい".into()),
            ..ParticipantQuery::default()
        };
        assert_eq!(reader.participants(&query, None, 9)?, []);
        Ok(())
    })
    .unwrap();
    // Nor does an act that is given up after it.
    let given_up = change(store, |transaction| {
        let rows = (0..40)
            .map(|n| admission(n, "新しい診療所", None))
            .collect();
        let recorded = transaction.record(
            &actor_of(&Command::AdmitParticipants { rows: vec![] }),
            &Command::AdmitParticipants { rows },
            NOW,
        )?;
        assert_eq!(recorded.events().unwrap().len(), 80);
        let query = ParticipantQuery {
            name: Some("新しい".into()),
            ..ParticipantQuery::default()
        };
        assert_eq!(transaction.participants(&query, None, 99)?.len(), 40);
        Err::<(), _>(iryonet_store::StoreError::given_up(std::io::Error::other(
            "the signer is gone",
        )))
    });
    given_up.unwrap_err();
    assert_same(store, &memory, NOW);
    // Their history is as of those admitted alone.
    look(store, |reader| {
        let topic = iryonet_registry::Topic::Participant(number(100));
        let history = reader.history(&topic, None, 9)?;
        assert!(matches!(
            history.as_slice(),
            [first, second] if matches!(first.event, Event::ParticipantAdmitted { .. })
                && matches!(second.event, Event::SiteAdded { site: 0, .. })
        ));
        Ok(())
    })
    .unwrap();
    let provider = act(
        store,
        &"operator:suzuki".parse().unwrap(),
        &Command::AdmitParticipants {
            rows: vec![AdmissionRow {
                kind: ParticipantKind::Provider,
                ..admission(1, "事業者", None)
            }],
        },
        NOW,
    )
    .unwrap();
    assert!(
        provider.events().is_err(),
        "an operator admits nobody in bulk"
    );
}
