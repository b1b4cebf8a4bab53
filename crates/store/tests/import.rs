//! The import of public lists, on the real one where it is at hand and on
//! lists made here with everything that goes wrong in real life.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{Actor, InstitutionCode, Prefecture, ScoreTable, UnixMillis};
use iryonet_registry::Event;
use iryonet_registry::applicant::{Attribute, ImportCounts};
use iryonet_registry::list::{Encoding, FileError, LineError, Reason};
use iryonet_store::import::{ImportError, ImportOptions, ImportReport, run};
use iryonet_store::{ApplicantQuery, SqliteStore, Store, find, look, show};
use std::io::Write;

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

fn actor() -> Actor {
    "operator:suzuki".parse().unwrap()
}

fn new_store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&directory.path().join("registry.db")).unwrap()
}

fn import(store: &SqliteStore, bytes: &[u8]) -> Result<ImportReport, ImportError> {
    run(
        store,
        bytes,
        &ImportOptions::default(),
        &actor(),
        NOW,
        &mut |_| {},
    )
}

fn code(serial: u16) -> InstitutionCode {
    InstitutionCode::generate(Prefecture::new(1).unwrap(), ScoreTable::Medical, 1, serial)
}

fn nine(code: InstitutionCode) -> String {
    let ten = code.to_string();
    format!("{}{}", &ten[..2], &ten[3..])
}

fn row(serial: u16, name: &str, postal: &str, address: &str) -> String {
    let code = code(serial);
    format!(
        "{},{},{name},{postal},{address}",
        nine(code),
        code.last_seven()
    )
}

/// The published list, from the environment or from where it lies beside the
/// workspace.
fn real_list() -> Option<Vec<u8>> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/medical-institutions-2025-08.zip");
    let path = std::env::var_os("IRYONET_PUBLIC_LIST").map_or(beside, Into::into);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            println!(
                "SKIPPED: the public list is not at {} ({error}); set IRYONET_PUBLIC_LIST to its place",
                path.display()
            );
            None
        }
    }
}

#[test]
fn the_public_list_of_august_2025_goes_in_whole_and_a_second_time_changes_nothing() {
    let Some(bytes) = real_list() else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let begun = std::time::Instant::now();
    let first = import(&store, &bytes).unwrap();
    println!("first run: {} ms", begun.elapsed().as_millis());
    for untaken in first.untaken.iter().filter(|it| !it.reason.is_repeat()) {
        println!("{untaken}");
    }
    assert_eq!(
        first.counts,
        ImportCounts {
            read: 97_024,
            institutions: 96_488,
            new: 96_488,
            changed: 0,
            same: 0,
            other_table: 27,
            repeats: 536,
            refused: 0,
            vanished: 0
        }
    );
    // 大阪大学歯学部附属病院 stands in the list of 医科 with its 歯科 code.
    assert!(
        first
            .other_table
            .contains(&(75_229, "2739900021".parse().unwrap()))
    );
    assert_eq!(first.untaken.len(), 536);
    assert!(first.untaken.iter().all(|it| it.reason.is_repeat()));
    assert_eq!(look(&store, |r| r.applicant_count()).unwrap(), 96_488);
    // 97 acts of a thousand rows, and one about the run.
    assert_eq!(first.entries, Some((1, 98)));

    let begun = std::time::Instant::now();
    let second = import(&store, &bytes).unwrap();
    println!("second run: {} ms", begun.elapsed().as_millis());
    assert_eq!(second.entries, None);
    assert_eq!(second.counts.same, 96_488);
    assert_eq!(second.untaken, first.untaken);
    assert_eq!(store.revision().unwrap(), 98);

    // The ledger alone says it all again.
    let mut memory = iryonet_registry::MemoryTables::default();
    let mut verifier = iryonet_ledger::Verifier::new();
    look(&store, |reader| {
        for entry in reader.entries(1, 1_000)? {
            verifier.take(&entry).unwrap();
            let iryonet_ledger::Outcome::Accepted { events } = &entry.outcome else {
                panic!("an import was refused");
            };
            for event in serde_json::from_str::<Vec<Event>>(events).unwrap() {
                iryonet_registry::apply(&mut memory, &event, entry.at).unwrap();
            }
        }
        let begun = std::time::Instant::now();
        let found = reader.applicants(
            &ApplicantQuery {
                name: Some("愛全病院".into()),
                ..ApplicantQuery::default()
            },
            None,
            10,
        )?;
        println!(
            "search by part of a name: {} ms",
            begun.elapsed().as_millis()
        );
        assert_eq!(found.len(), 1);
        for applicant in memory.applicants() {
            assert_eq!(reader.applicant(applicant.code)?.as_ref(), Some(applicant));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(memory.applicants().count(), 96_488);
}

#[test]
fn every_line_that_cannot_be_taken_is_named_with_its_number_and_the_rest_goes_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let good = row(1, "さくら病院", "0600001", "札幌市中央区北１条西２丁目");
    let lines = [
        good.clone(),                                                        // 1 taken
        good.clone(),                                                        // 2 repeat
        row(1, "さくら医院", "0600001", "札幌市中央区北１条西２丁目"),       // 3 repeat, other name
        format!("{},{},あ,0600001,い", "010112488", "0112488"),              // 4 check digit
        row(2, "", "0600001", "札幌市"),                                     // 5 no name
        row(3, "名前", "060-000", "札幌市"),                                 // 6 postal
        format!("{},{},名,0600001,市", nine(code(4)), code(5).last_seven()), // 7 disagree
        "医療機関コード,コード,名称,郵便番号,住所".to_owned(),               // 8 heading
        row(6, "名前", "0600001", "札幌市,余り"),                            // 9 six columns
        row(7, "\"閉じない,0600001,札幌市", "", ""),                         // 10 quote
        row(8, &"長".repeat(121), "0600001", "札幌市"),                      // 11 long name
        row(9, "右\u{202e}左", "0600001", "札幌市"),                         // 12 turns the writing
        row(10, "零\u{0}", "0600001", "札幌市"),                             // 13 NUL
        row(11, &"大".repeat(9_000), "0600001", "札幌市"),                   // 14 huge
        String::new(),                                                       // 15 blank: no row
        row(12, "\"引用, \"\"符\"\" 診療所\"", "060-0001", "\"札幌市\""),    // 16 taken
        // 17 taken: all digits full-width
        format!(
            "{},全角診療所,０６０－０００２,札幌市",
            row(13, "", "", "")
                .split(",,")
                .next()
                .unwrap()
                .chars()
                .map(|c| if c.is_ascii_digit() {
                    char::from_u32(u32::from(c) - 0x30 + 0xff10).unwrap()
                } else {
                    c
                })
                .collect::<String>()
        ),
        "\u{1a}".to_owned(), // 18 end mark of old tools
    ];
    let report = import(&store, lines.join("\r\n").as_bytes()).unwrap();
    let reasons: Vec<(u64, String)> = report
        .untaken
        .iter()
        .map(|untaken| (untaken.line, untaken.reason.to_string()))
        .collect();
    assert_eq!(
        reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        "{reasons:#?}"
    );
    for (place, words) in [
        (0, "line 1 already, in the same words"),
        (1, "line 1 already with another name"),
        (
            2,
            "the check digit is 8; for the other digits of this code it would be 9",
        ),
        (3, "column 3, the name, is empty"),
        (4, "\"060-000\" is not a postal code"),
        (5, "columns 1 and 2 disagree"),
        (6, "character 1 of the code is '医'"),
        (7, "it has 6 columns"),
        (8, "opens in column 3"),
        (9, "121 characters; at most 120"),
        (10, "U+202E"),
        (11, "U+0000"),
        (12, "27036 bytes"),
    ] {
        assert!(
            reasons[place].1.contains(words),
            "{:?}: {words}",
            reasons[place]
        );
    }
    assert_eq!(
        report.counts,
        ImportCounts {
            read: 16,
            institutions: 3,
            new: 3,
            changed: 0,
            same: 0,
            other_table: 0,
            repeats: 2,
            refused: 11,
            vanished: 0
        }
    );
    look(&store, |reader| {
        assert_eq!(reader.applicant(code(1))?.unwrap().name, "さくら病院");
        assert_eq!(
            reader.applicant(code(12))?.unwrap().name,
            "引用, \"符\" 診療所"
        );
        assert_eq!(reader.applicant(code(12))?.unwrap().postal, "0600001");
        assert_eq!(reader.applicant(code(13))?.unwrap().postal, "0600002");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_changed_name_or_address_becomes_history_and_nothing_else_moves() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let before: Vec<String> = (0..2_500)
        .map(|n| row(n, &format!("第{n}診療所"), "0600001", "札幌市中央区"))
        .collect();
    let report = import(&store, before.join("\n").as_bytes()).unwrap();
    assert_eq!(report.entries, Some((1, 4)));
    let mut after = before.clone();
    after[7] = row(7, "第七診療所", "0600001", "札幌市中央区");
    after[2_400] = row(2_400, "第2400診療所", "0600002", "札幌市北区");
    after.push(row(9_000, "新しい診療所", "0600001", "札幌市"));
    let report = import(&store, after.join("\n").as_bytes()).unwrap();
    assert_eq!(
        (report.counts.new, report.counts.changed, report.counts.same),
        (1, 2, 2_498)
    );
    // One act with three rows, one about the run.
    assert_eq!(report.entries, Some((5, 6)));

    let story = show(&store, code(7)).unwrap().unwrap();
    assert_eq!(story.applicant.name, "第七診療所");
    let events: Vec<&Event> = story.history.iter().map(|item| &item.event).collect();
    assert!(matches!(events[0], Event::ApplicantListed { name, .. } if name == "第7診療所"));
    let Event::ApplicantChanged { changes, .. } = events[1] else {
        panic!("{events:?}");
    };
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].attribute, Attribute::Name);
    assert_eq!(changes[0].before, "第7診療所");
    assert_eq!(events.len(), 2);
    let moved = show(&store, code(2_400)).unwrap().unwrap();
    let Event::ApplicantChanged { changes, .. } = &moved.history[1].event else {
        panic!("{moved:?}");
    };
    assert_eq!(
        changes.iter().map(|c| c.attribute).collect::<Vec<_>>(),
        [Attribute::Postal, Attribute::Address]
    );
    assert_eq!(moved.history[1].actor, actor());
    assert_eq!(show(&store, code(9_999)).unwrap(), None);
}

/// A list of these, in words that do not change.
fn edition(serials: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let rows = serials
        .into_iter()
        .map(|n| row(n, &format!("診療所{n}"), "0600001", "札幌市") + "\n");
    rows.collect::<String>().into_bytes()
}

#[test]
fn a_newer_edition_that_names_a_member_no_more_proposes_its_closing_and_closes_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    import(&store, &edition(1..=20)).unwrap();
    let must = |command: &iryonet_registry::Command| {
        iryonet_store::act(&store, &"system:suite".parse().unwrap(), command, NOW)
            .unwrap()
            .events()
            .unwrap()
    };
    must(&iryonet_registry::Command::FoundNetwork {
        network: "2001:db8::/32".parse().unwrap(),
    });
    iryonet_store::act(
        &store,
        &actor(),
        &iryonet_registry::Command::RegisterGateway {
            gateway: "gw-1".parse().unwrap(),
            backbone: "2001:db8::1".parse().unwrap(),
            blocks: vec![1],
        },
        NOW,
    )
    .unwrap()
    .events()
    .unwrap();
    must(&iryonet_registry::Command::AdmitParticipant {
        kind: iryonet_domain::ParticipantKind::Institution(iryonet_domain::InstitutionKind::Clinic),
        name: "診療所2".into(),
        code: Some(code(2)),
        home: iryonet_registry::Home::Block(1),
    });
    // 1 and 2 are gone; 3 stands there with a row that cannot be taken.
    let mut newer = edition(4..=20);
    newer.extend(row(3, "", "0600001", "札幌市").bytes());
    let report = import(&store, &newer).unwrap();
    assert_eq!(
        (
            report.counts.vanished,
            report.counts.refused,
            report.counts.same
        ),
        (2, 1, 17)
    );
    look(&store, |reader| {
        use iryonet_registry::{Case, Standing};
        let cases: Vec<Case> = reader.cases(&iryonet_store::CaseQuery::default(), None, 9)?;
        assert_eq!(cases.len(), 1);
        let member = reader.participant(cases[0].participant.unwrap())?.unwrap();
        assert_eq!(
            (member.code, member.standing),
            (Some(code(2)), Standing::Open)
        );
        assert!(reader.applicant(code(1))?.unwrap().vanished_at.is_some());
        assert!(reader.applicant(code(3))?.unwrap().vanished_at.is_none());
        Ok(())
    })
    .unwrap();
    // The same once more writes nothing; with all of them again, they are back.
    assert_eq!(import(&store, &newer).unwrap().entries, None);
    let back = import(&store, &edition(1..=20)).unwrap();
    assert_eq!((back.counts.changed, back.counts.vanished), (2, 0));
}

#[test]
fn a_part_of_a_list_is_not_taken_for_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    import(&store, &edition(1..=1_000)).unwrap();
    let before = look(&store, |reader| reader.tip()).unwrap();
    let part = edition(1..=800);
    let error = import(&store, &part).unwrap_err();
    assert!(
        matches!(
            error,
            ImportError::ManyVanished {
                vanished: 200,
                known: 1_000
            }
        ),
        "{error}"
    );
    assert_eq!(look(&store, |reader| reader.tip()).unwrap(), before);
    let looked = ImportOptions {
        many_vanished: true,
        ..ImportOptions::default()
    };
    let report = run(&store, &part, &looked, &actor(), NOW, &mut |_| {}).unwrap();
    assert_eq!(report.counts.vanished, 200);
}

#[test]
fn shift_jis_is_recognised_and_says_the_same_as_utf8() {
    let text = [
        row(
            1,
            "医療法人　桜会　㈱表示診療所",
            "0600001",
            "札幌市中央区北１条",
        ),
        row(2, "ﾊﾟｿｺﾝ髙橋医院", "0600001", "札幌市－２"),
    ]
    .join("\r\n");
    let (shift_jis, _, unmappable) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!unmappable);
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plain, coded) = (new_store(&one), new_store(&other));
    let mut with_mark = b"\xef\xbb\xbf".to_vec();
    with_mark.extend(text.as_bytes());
    assert_eq!(import(&plain, &with_mark).unwrap().encoding, Encoding::Utf8);
    let report = import(&coded, &shift_jis).unwrap();
    assert_eq!(report.encoding, Encoding::ShiftJis);
    assert_eq!(report.untaken, []);
    for serial in [1, 2] {
        let of = |store| look(store, |r| Ok(r.applicant(code(serial))?)).unwrap();
        let applicant = of(&plain);
        assert!(applicant.is_some());
        assert_eq!(applicant, of(&coded));
    }
}

#[test]
fn a_file_of_an_unknown_encoding_is_refused_with_what_was_seen() {
    let text: String = (1..40)
        .map(|n| row(n, "さくら病院", "0600001", "札幌市中央区") + "\n")
        .collect();
    let euc = encoding_rs::EUC_JP.encode(&text).0.into_owned();
    let jis = encoding_rs::ISO_2022_JP.encode(&text).0.into_owned();
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let bare: Vec<u8> = row(1, "name", "0600001", "city")
        .repeat(9)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, seen) in [
        (euc, "EUC-JP"),
        (jis, "ISO-2022-JP"),
        (utf16, "FFFE"),
        (bare, "UTF-16"),
        (
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\xff\xff\xff\n".to_vec(),
            "byte 11 is E2 E3 CF D3",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = new_store(&directory);
        let error = import(&store, &bytes).unwrap_err();
        assert!(
            matches!(error, ImportError::File(FileError::Encoding { .. })),
            "{error:?}"
        );
        assert!(error.to_string().contains(seen), "{error}");
        assert_eq!(store.revision().unwrap(), 0);
    }
    let cut = &text.as_bytes()[..text.len() - 3];
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    assert!(matches!(
        import(&store, cut),
        Err(ImportError::File(FileError::CutOff { .. }))
    ));
    assert!(matches!(
        import(&store, b""),
        Err(ImportError::File(FileError::Empty))
    ));
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        out.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        out.write_all(content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn a_zip_with_one_list_is_read_and_any_other_is_refused() {
    let list = row(1, "さくら病院", "0600001", "札幌市中央区");
    let good = zip_of(&[("__MACOSX/._a.csv", b"x"), ("list.csv", list.as_bytes())]);
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    assert_eq!(import(&store, &good).unwrap().counts.new, 1);

    let two = zip_of(&[("a.csv", list.as_bytes()), ("b.csv", list.as_bytes())]);
    let error = import(&store, &two).unwrap_err().to_string();
    assert!(error.contains("2 lists"), "{error}");
    let none = zip_of(&[("book.xlsx", b"x")]);
    let error = import(&store, &none).unwrap_err().to_string();
    assert!(error.contains("book.xlsx"), "{error}");
    for cut in [good.len() - 1, good.len() / 2, 30, 5] {
        assert!(matches!(
            import(&store, &good[..cut]),
            Err(ImportError::File(FileError::Zip { .. }))
        ));
    }
    // A changed byte of the content does not fit its checksum.
    let mut bent = good.clone();
    let place = bent.windows(8).position(|w| w == b"list.csv").unwrap() + 12;
    bent[place] ^= 0xff;
    assert!(matches!(
        import(&store, &bent),
        Err(ImportError::File(FileError::Zip { .. }))
    ));
    assert_eq!(store.revision().unwrap(), 2);
}

#[test]
fn a_zip_that_swells_beyond_every_list_is_refused() {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    out.start_file("list.csv", zip::write::SimpleFileOptions::default())
        .unwrap();
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..(iryonet_registry::list::FILE_MAX_BYTES >> 20) + 1 {
        out.write_all(&zeros).unwrap();
    }
    let bomb = out.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    assert!(matches!(
        import(&store, &bomb),
        Err(ImportError::File(FileError::TooLarge { .. }))
    ));
}

#[test]
fn applicants_are_found_by_code_by_part_of_a_name_and_by_area() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let lines = [
        row(
            1,
            "医療法人　ＡＢＣ会　さくら病院",
            "0600001",
            "札幌市中央区北１条",
        ),
        row(2, "もみじ診療所", "0480001", "小樽市色内１－２"),
        row(3, "さくら 診療所", "0600002", "札幌市北区"),
    ];
    import(&store, lines.join("\n").as_bytes()).unwrap();
    let search = |query: ApplicantQuery| -> Vec<InstitutionCode> {
        find(&store, &query, None, 10)
            .unwrap()
            .into_iter()
            .map(|applicant| applicant.code)
            .collect()
    };
    let name = |text: &str| ApplicantQuery {
        name: Some(text.into()),
        ..ApplicantQuery::default()
    };
    let area = |text: &str| ApplicantQuery {
        area: Some(text.into()),
        ..ApplicantQuery::default()
    };
    assert_eq!(search(name("さくら")), [code(1), code(3)]);
    assert_eq!(search(name("abc会さくら")), [code(1)]);
    assert_eq!(search(name("さくら%")), []);
    assert_eq!(search(area("札幌市")), [code(1), code(3)]);
    assert_eq!(search(area("060-0002")), [code(3)]);
    assert_eq!(search(area("色内1-2")), [code(2)]);
    assert_eq!(
        search(ApplicantQuery {
            code: Some(code(2).to_string()[..9].to_owned()),
            ..ApplicantQuery::default()
        }),
        [code(2)]
    );
    assert_eq!(
        search(ApplicantQuery {
            prefecture: Some(Prefecture::new(13).unwrap()),
            ..ApplicantQuery::default()
        }),
        []
    );
    // Page by page.
    let first = find(&store, &ApplicantQuery::default(), None, 2).unwrap();
    let second = find(&store, &ApplicantQuery::default(), Some(first[1].code), 2).unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
}

#[test]
fn an_import_by_an_auditor_is_refused_and_the_refusal_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let list = row(1, "さくら病院", "0600001", "札幌市");
    let error = run(
        &store,
        list.as_bytes(),
        &ImportOptions::default(),
        &"auditor:kansa".parse().unwrap(),
        NOW,
        &mut |_| {},
    )
    .unwrap_err();
    assert!(matches!(error, ImportError::Refused(_)), "{error:?}");
    assert_eq!(store.revision().unwrap(), 1);
    assert_eq!(look(&store, |r| r.applicant_count()).unwrap(), 0);
}

#[test]
fn no_file_makes_the_reader_panic() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/import");
    let mut names: Vec<_> = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 10, "the corpus is at {}", corpus.display());
    for name in names {
        let bytes = std::fs::read(&name).unwrap();
        if let Ok(list) = iryonet_registry::list::read(&bytes, ScoreTable::Medical) {
            assert_eq!(
                list.read,
                (list.rows.len() + list.untaken.len()) as u64,
                "{}: a line was lost",
                name.display()
            );
        }
    }
}

#[test]
fn a_table_of_another_list_does_not_fit_its_check_digits() {
    let directory = tempfile::tempdir().unwrap();
    let store = new_store(&directory);
    let list = row(1, "さくら歯科", "0600001", "札幌市");
    let report = run(
        &store,
        list.as_bytes(),
        &ImportOptions::of(ScoreTable::Dental),
        &actor(),
        NOW,
        &mut |_| {},
    )
    .unwrap();
    assert!(matches!(
        report.untaken[0].reason,
        Reason::Line(LineError::Code { .. })
    ));
    assert_eq!(report.entries, None);
}
