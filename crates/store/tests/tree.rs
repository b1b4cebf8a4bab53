//! What only somebody with the database in his hands can do to the ledger, and
//! how the tree finds it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod support;

use iryonet_ledger::Entry;
use iryonet_store::tree::audit::Audit;
use iryonet_store::tree::{self, TreeError};
use iryonet_store::{SqliteStore, look};
use std::path::Path;
use support::*;

fn audit(store: &SqliteStore) -> Result<u64, TreeError> {
    let mut audit = tree::ask(store, Audit::begin)?;
    while !tree::ask(store, |reader| audit.step(reader))? {}
    Ok(audit.done())
}

/// Writes these entries in place of those that stand there.
fn overwrite(path: &Path, entries: &[Entry]) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("DROP TRIGGER IF EXISTS entry_is_not_changed; DROP TRIGGER IF EXISTS entry_is_not_deleted")
        .unwrap();
    for entry in entries {
        let changed = connection
            .execute(
                "UPDATE entry SET command = ?2, previous = ?3, hash = ?4 WHERE sequence = ?1",
                rusqlite::params![
                    i64::try_from(entry.sequence).unwrap(),
                    entry.command,
                    entry.previous.0,
                    entry.hash.0
                ],
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
}

#[test]
fn an_entry_changed_behind_the_stores_back_is_found_with_or_without_a_new_chain() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let store = SqliteStore::open(&path).unwrap();
    small_world(&store);
    while tree::grow(&store, 100).unwrap() > 0 {}
    let honest = look(&store, |reader| reader.entries(1, 100)).unwrap();
    assert_eq!(audit(&store).unwrap(), honest.len() as u64);

    let mut changed = honest.clone();
    changed[3].command.push(' ');
    overwrite(&path, &changed[3..4]);
    let error = audit(&store).unwrap_err();
    assert!(
        matches!(&error, TreeError::Ledger(fault) if fault.sequence() == 4),
        "{error}"
    );

    // The chain made to fit from there on: the tree still remembers.
    for at in 3..changed.len() {
        changed[at].previous = changed[at - 1].hash;
        changed[at].hash = changed[at].computed_hash();
    }
    overwrite(&path, &changed);
    iryonet_ledger::verify(&look(&store, |reader| reader.entries(1, 100)).unwrap()).unwrap();
    let error = audit(&store).unwrap_err();
    assert!(
        matches!(error, TreeError::Rewritten { sequence: 4 }),
        "{error}"
    );
    // And does not grow over it.
    must(&store, &admit(clinic(), None), NOW);
    assert!(tree::grow(&store, 100).unwrap_err().is_contradiction());

    overwrite(&path, &honest);
    audit(&store).unwrap();
}

#[test]
fn an_entry_that_was_never_right_is_not_taken_into_the_tree() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let store = SqliteStore::open(&path).unwrap();
    small_world(&store);
    let mut entries = look(&store, |reader| reader.entries(1, 100)).unwrap();
    entries[5].command.push(' ');
    overwrite(&path, &entries[5..6]);
    let error = tree::grow(&store, 100).unwrap_err();
    assert!(
        matches!(&error, TreeError::Ledger(fault) if fault.sequence() == 6),
        "{error}"
    );
    assert_eq!(look(&store, tree::size).unwrap(), 0);
}

#[test]
fn an_end_cut_off_the_ledger_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.db");
    let store = SqliteStore::open(&path).unwrap();
    small_world(&store);
    while tree::grow(&store, 100).unwrap() > 0 {}
    overwrite(&path, &[]);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("DELETE FROM entry WHERE sequence = (SELECT max(sequence) FROM entry)")
        .unwrap();
    for error in [
        audit(&store).unwrap_err(),
        tree::grow(&store, 100).unwrap_err(),
    ] {
        assert!(matches!(error, TreeError::Rollback { .. }), "{error}");
    }
}
