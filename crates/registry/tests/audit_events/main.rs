//! `docs/audit-events.md` is what the registry can record, and nothing else: no
//! command, event or refusal is missing there, and none stands there that the
//! code does not know.
//!
//! The page is made of three sources: the code (names, fields, who may, what
//! follows), the refusals' own texts in both languages, and
//! `docs/audit-events.toml`, where people write what an event means and when it
//! is recorded. This test makes the page anew and compares; it names every text
//! that is missing or left over. `IRYONET_BLESS=1` writes the page.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod code;
mod page;
mod reach;
mod text;

use iryonet_registry::Act;
use std::collections::BTreeSet;
use std::path::PathBuf;
use strum::IntoEnumIterator as _;

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

#[test]
fn the_page_of_audit_events_is_what_the_registry_records() {
    let code = code::read();
    let reach = reach::of(&code);
    let texts = text::read(&docs("audit-events.toml"));
    let faults = text::compare(&code, &texts);
    assert!(
        faults.is_empty(),
        "docs/audit-events.toml has to be corrected:\n\n{}\n\nthen write the page: IRYONET_BLESS=1 cargo nextest run -p iryonet-registry -E 'binary(audit_events)'",
        faults.join("\n")
    );
    let page = page::write(&code, &reach, &texts);
    let path = docs("audit-events.md");
    if std::env::var_os("IRYONET_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (old, new))) = present
        .lines()
        .zip(page.lines())
        .enumerate()
        .find(|(_, (old, new))| old != new)
    {
        panic!(
            "docs/audit-events.md, line {}, is not what the code says:\n- {old}\n+ {new}\nwrite it with IRYONET_BLESS=1 cargo nextest run -p iryonet-registry -E 'binary(audit_events)'",
            line + 1
        );
    }
    assert!(
        present == page,
        "docs/audit-events.md is cut off or goes on too long; write it with IRYONET_BLESS=1 cargo nextest run -p iryonet-registry -E 'binary(audit_events)'"
    );
}

/// The source is read as text; what runs is asked whether that was right.
#[test]
fn what_was_read_from_the_source_is_what_runs() {
    let code = code::read();
    let running: BTreeSet<String> = Act::iter()
        .map(|act| <&'static str>::from(act).to_owned())
        .collect();
    let read: BTreeSet<String> = code.commands.iter().map(|c| c.id.clone()).collect();
    assert_eq!(read, running);

    // The golden file has one example at least of every event.
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.jsonl");
    let golden: BTreeSet<String> = std::fs::read_to_string(golden)
        .unwrap()
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["type"].as_str().unwrap().to_owned()
        })
        .collect();
    let read: BTreeSet<String> = code.events.iter().map(|e| e.id.clone()).collect();
    assert_eq!(read, golden);
}

/// A rule of the trade, held against what was found by reading: if this is
/// wrong, the page would be.
#[test]
fn what_an_act_may_bring_about_is_found_through_the_functions_it_calls() {
    let code = code::read();
    let reach = reach::of(&code);
    let close = &reach.of_command["close-participant"];
    for event in [
        "participant-closed",
        "agreement-ended",
        "service-retired",
        "line-removed",
        "device-revoked",
    ] {
        assert!(close.events.contains(event), "{event}: {:?}", close.events);
    }
    assert!(!close.events.contains("participant-admitted"));
    assert!(close.refusals.contains("participant-closed"));
    let enrol = &reach.of_command["enrol-device"];
    assert!(enrol.refusals.contains("enrolment-code-spent"));
    assert!(enrol.refusals.contains("serial-used"));
    assert!(!enrol.refusals.contains("agreement-unknown"));
    assert!(reach.every_command.contains("auditor-may-not-act"));
    // Whatever can be refused is refused by some act.
    let mut met: BTreeSet<&str> = reach.every_command.iter().map(String::as_str).collect();
    met.extend(
        reach
            .of_command
            .values()
            .flat_map(|r| r.refusals.iter().map(String::as_str)),
    );
    let unmet: Vec<&str> = code
        .refusals
        .iter()
        .map(|r| r.code.as_str())
        .filter(|code| !met.contains(code))
        .collect();
    assert!(
        unmet.is_empty(),
        "no act meets {unmet:?}; does the reading miss a way, or is the refusal unused?"
    );
    let mut caused: BTreeSet<&str> = BTreeSet::new();
    caused.extend(
        reach
            .of_command
            .values()
            .flat_map(|r| r.events.iter().map(String::as_str)),
    );
    let uncaused: Vec<&str> = code
        .events
        .iter()
        .map(|e| e.id.as_str())
        .filter(|id| !caused.contains(id))
        .collect();
    assert!(uncaused.is_empty(), "no act brings about {uncaused:?}");
}
