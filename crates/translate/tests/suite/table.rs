//! The table in docs/translation.md and the vectors say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::file;

/// The clauses of the table, with their state.
fn table() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "clause, RFC, state, how: {line}");
        let clause = cells[1].trim_matches('`').to_owned();
        let states = ["done", "differs", "elsewhere", "no"];
        assert!(states.contains(&cells[3]), "{clause}: state {}", cells[3]);
        if cells[3] != "done" {
            assert!(
                !cells[4].is_empty() || cells[3] == "elsewhere",
                "{clause}: why?"
            );
        }
        assert!(
            out.insert(clause, cells[3].to_owned()).is_none(),
            "twice: {line}"
        );
    }
    out
}

#[test]
fn every_clause_of_the_vectors_is_in_the_table_and_every_one_that_is_done_has_vectors() {
    let table = table();
    let shown: BTreeSet<String> = file::all()
        .into_iter()
        .map(|(_, vector)| vector.clause)
        .collect();
    for clause in &shown {
        let state = table.get(clause);
        assert!(
            state.is_some_and(|state| state == "done" || state == "differs"),
            "{clause} has vectors, but in the table it is {state:?}"
        );
    }
    for (clause, state) in &table {
        let done = state == "done" || state == "differs";
        assert_eq!(done, shown.contains(clause), "{clause} is {state}");
    }
}
