//! The SQLite home: the conformance suite, and what only a file can get wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod conformance;
mod support;

use iryonet_store::{SqliteOptions, SqliteStore, Store, StoreError, change, look};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use support::*;

fn open() -> (Arc<dyn Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("registry.db")).unwrap();
    (Arc::new(store), directory)
}

conformance_suite!(open, random_histories: 96);

#[test]
fn the_file_and_its_companions_are_readable_by_their_owner_only() {
    let (store, directory) = open();
    small_world(store.as_ref());
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 2, "the log stands beside the file");
}

#[test]
fn what_was_written_is_there_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    for round in 0..3 {
        let store = SqliteStore::open(&path).unwrap();
        if round == 0 {
            small_world(&store);
        }
        assert_eq!(store.revision().unwrap(), 10 + round);
        must(&store, &admit(clinic(), None), NOW);
        let memory = look(&store, replayed).unwrap();
        assert_same(&store, &memory, NOW);
    }
}

#[test]
fn several_that_open_a_new_file_at_once_lay_it_out_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let threads: Vec<_> = (0..6u16)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || {
                let store = SqliteStore::open(&path).unwrap();
                let _ = iryonet_store::act(
                    &store,
                    &actor(),
                    &iryonet_registry::Command::FoundNetwork { network: network() },
                    NOW.plus_ms(n.into()),
                )
                .unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.revision().unwrap(), 6);
    look(&store, replayed).unwrap();
}

#[test]
fn a_file_of_a_later_release_or_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let later = directory.path().join("later.db");
    drop(SqliteStore::open(&later).unwrap());
    let other = directory.path().join("other.db");
    {
        let connection = rusqlite::Connection::open(&later).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let connection = rusqlite::Connection::open(&other).unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
    }
    assert!(matches!(
        SqliteStore::open(&later),
        Err(StoreError::Newer { found: 99, .. })
    ));
    let error = SqliteStore::open(&other).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let text = directory.path().join("text.db");
    std::fs::write(&text, "これはデータベースではない".repeat(100)).unwrap();
    assert!(matches!(
        SqliteStore::open(&text),
        Err(StoreError::Damaged { .. })
    ));
    let nowhere = SqliteStore::open(&directory.path().join("no/such/registry.db")).unwrap_err();
    assert!(nowhere.to_string().contains("directory"), "{nowhere}");
}

#[test]
fn the_ledger_cannot_be_changed_through_the_database_either() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let store = SqliteStore::open(&path).unwrap();
    small_world(&store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for sql in [
        "UPDATE entry SET command = '{}' WHERE sequence = 3",
        "DELETE FROM entry WHERE sequence = 3",
    ] {
        let error = connection.execute(sql, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    // Who takes the guard away is found by the chain.
    connection
        .execute_batch(
            "DROP TRIGGER entry_is_not_changed; UPDATE entry SET at = at + 1 WHERE sequence = 3",
        )
        .unwrap();
    let entries = look(&store, |reader| reader.entries(1, 100)).unwrap();
    assert_eq!(iryonet_ledger::verify(&entries).unwrap_err().sequence(), 3);
}

/// Writes until it fails, then insists that the failed act left nothing and
/// that what was acknowledged is there; makes room and goes on.
fn fill(store: &SqliteStore, make_room: impl FnOnce()) {
    small_world(store);
    let mut acknowledged = store.revision().unwrap();
    let mut serial = 0u16;
    let name = "長い名前の診療所".repeat(12);
    let error = loop {
        let admitted = change(store, |transaction| {
            for n in 0..20 {
                transaction.record(
                    &actor(),
                    &iryonet_registry::Command::AdmitParticipant {
                        kind: clinic(),
                        name: name.clone(),
                        code: Some(code(serial + n)),
                        home: iryonet_registry::Home::Gateway(gateway(2)),
                    },
                    NOW,
                )?;
            }
            Ok(())
        });
        match admitted {
            Ok(()) => acknowledged += 20,
            Err(error) => break error,
        }
        serial += 20;
        assert!(serial < 9_000, "the disk never filled");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(
        error.to_string().contains("nothing was recorded"),
        "{error}"
    );
    assert!(error.is_temporary());
    assert_eq!(store.revision().unwrap(), acknowledged);
    let memory = look(store, replayed).unwrap();
    assert_same(store, &memory, NOW);
    make_room();
    must(store, &admit(clinic(), None), NOW);
    assert_eq!(store.revision().unwrap(), acknowledged + 1);
    look(store, replayed).unwrap();
}

#[test]
fn an_act_on_a_file_that_may_not_grow_fails_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let store = SqliteStore::open_with(
        &path,
        &SqliteOptions {
            max_pages: Some(150),
            ..SqliteOptions::default()
        },
    )
    .unwrap();
    // No room can be made here: only that nothing is half done.
    small_world(&store);
    let mut acknowledged = store.revision().unwrap();
    let error = loop {
        match change(&store, |transaction| {
            for n in 0..50 {
                let serial = (acknowledged + n) as u16;
                transaction.record(&actor(), &admit(clinic(), Some(code(serial))), NOW)?;
            }
            Ok(())
        }) {
            Ok(()) => acknowledged += 50,
            Err(error) => break error,
        }
        assert!(acknowledged < 9_000, "the file never filled");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    // Nor does a caller get half of it in who passes over the errors.
    let stubborn = store.write(&mut |transaction| {
        for n in 0..200 {
            let _ = transaction.record(&actor(), &admit(clinic(), Some(code(5_000 + n))), NOW);
        }
        Ok(())
    });
    assert!(stubborn.is_err());
    assert_eq!(store.revision().unwrap(), acknowledged);
    let memory = look(&store, replayed).unwrap();
    assert_same(&store, &memory, NOW);
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn an_act_on_a_full_disk_fails_whole_and_succeeds_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"])
        .arg(directory.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no tmpfs could be mounted here; run as root to test a full disk");
        return;
    }
    let _mounted = Mounted(directory.path().to_owned());
    let ballast = directory.path().join("ballast");
    std::fs::write(&ballast, vec![0; 700 << 10]).unwrap();
    let store = SqliteStore::open(&directory.path().join("registry.db")).unwrap();
    fill(&store, || std::fs::remove_file(&ballast).unwrap());
    drop(store);
}

const CHILD: &str = "IRYONET_TEST_CHILD_DATABASE";

/// Not a test of its own: the process that is killed. Says a sequence aloud
/// only when the act was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let store = SqliteStore::open(Path::new(&path)).unwrap();
    loop {
        let sequence = change(&store, |transaction| {
            transaction.record(&actor(), &admit(clinic(), None), NOW)?;
            let last = transaction.record(
                &actor(),
                &iryonet_registry::Command::FoundNetwork { network: network() },
                NOW,
            )?;
            Ok(last.sequence)
        })
        .unwrap();
        println!("acknowledged {sequence}");
    }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_and_no_half_act_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    small_world(&SqliteStore::open(&path).unwrap());
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed after a few acts, at whatever it does at that moment.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let wanted = 1 + seed % 15;
        let pause = std::time::Duration::from_micros(seed % 1_500);
        let mut acknowledged = 0;
        let mut heard = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some((_, sequence)) = line.split_once("acknowledged ") else {
                continue;
            };
            acknowledged = sequence.trim().parse::<u64>().unwrap();
            heard += 1;
            if heard == wanted {
                std::thread::sleep(pause);
                child.kill().unwrap();
                break;
            }
        }
        // What it had said before the end.
        for line in lines.map_while(Result::ok) {
            if let Some((_, sequence)) = line.split_once("acknowledged ")
                && let Ok(sequence) = sequence.trim().parse()
            {
                acknowledged = sequence;
            }
        }
        child.wait().unwrap();
        assert_eq!(heard, wanted, "round {round}: the child ended by itself");
        let store = SqliteStore::open(&path).unwrap();
        let revision = store.revision().unwrap();
        assert!(
            revision >= acknowledged,
            "round {round}: {acknowledged} was acknowledged, {revision} is there"
        );
        assert_eq!(revision % 2, 0, "round {round}: half an act is there");
        let memory = look(&store, replayed).unwrap();
        assert_same(&store, &memory, NOW);
    }
}

/// Each step of the layout, as a release made it.
const STEPS: [&str; 5] = [
    include_str!("../src/sqlite/layout-1.sql"),
    include_str!("../src/sqlite/layout-2.sql"),
    include_str!("../src/sqlite/layout-3.sql"),
    include_str!("../src/sqlite/layout-4.sql"),
    include_str!("../src/sqlite/layout-5.sql"),
];

/// A file of this layout, with all of `new` that it has room for.
fn of_layout(layout: usize, new: &std::path::Path, old: &std::path::Path) {
    let connection = rusqlite::Connection::open(old).unwrap();
    for step in &STEPS[..layout] {
        connection.execute_batch(step).unwrap();
    }
    connection
        .execute("ATTACH ?1 AS new", [new.to_str().unwrap()])
        .unwrap();
    let names = |sql: &str| -> Vec<String> {
        connection
            .prepare(sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table'") {
        // Only the columns that there were.
        let columns = names(&format!(
            "SELECT name FROM pragma_table_info('{table}', 'main')"
        ))
        .join(", ");
        connection
            .execute(
                &format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"),
                [],
            )
            .unwrap();
    }
    connection
        .pragma_update(None, "application_id", 0x4952_594f)
        .unwrap();
    connection
        .pragma_update(None, "user_version", layout as u32)
        .unwrap();
}

#[test]
fn a_file_of_an_earlier_layout_is_brought_up_to_date_with_all_that_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    for layout in 1..STEPS.len() {
        let new = directory.path().join(format!("new-{layout}.db"));
        let store = SqliteStore::open(&new).unwrap();
        if layout < 3 {
            small_world(&store);
        } else {
            conformance::search::fill(&store);
        }
        let memory = look(&store, replayed).unwrap();
        let answers = look(&store, conformance::search::answers).unwrap();
        drop(store);
        let old = directory.path().join(format!("old-{layout}.db"));
        of_layout(layout, &new, &old);
        for _ in 0..2 {
            let store = SqliteStore::open(&old).unwrap();
            conformance::search::assert_brought_up_to_date(&store, &memory, &answers, layout);
        }
    }
}
