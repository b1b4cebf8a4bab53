//! The words of the history never change: what is in a ledger today is read in
//! twenty years. One event and one command of every sort, as they are written;
//! a line of these files may be added, never altered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_registry::{Command, Event};

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

fn kind(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["type"].as_str().unwrap().to_owned()
}

/// The variants of an enum as its source has them, in its order.
fn variants(source: &str, name: &str) -> Vec<String> {
    let start = source.find(&format!("pub enum {name} {{")).unwrap();
    let body = &source[start..];
    let body = &body[..body.find("\n}").unwrap()];
    body.lines()
        .filter_map(|line| {
            let word = line.strip_prefix("    ")?;
            let word: String = word
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            word.starts_with(|c: char| c.is_ascii_uppercase())
                .then_some(word)
        })
        .map(|word| {
            let mut out = String::new();
            for c in word.chars() {
                if c.is_ascii_uppercase() && !out.is_empty() {
                    out.push('-');
                }
                out.push(c.to_ascii_lowercase());
            }
            out
        })
        .collect()
}

#[test]
fn every_event_reads_and_writes_as_it_always_did() {
    let golden = lines(include_str!("golden/events.jsonl"));
    for line in &golden {
        let event: Event = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(serde_json::to_string(&event).unwrap(), **line);
    }
    let known: Vec<String> = golden.iter().map(|line| kind(line)).collect();
    // Some nouns keep their events beside themselves; each is one variant here.
    let parts = [
        (
            "membership",
            variants(include_str!("../src/membership.rs"), "MembershipEvent"),
        ),
        (
            "case",
            variants(include_str!("../src/case/event.rs"), "CaseEvent"),
        ),
        (
            "recheck",
            variants(include_str!("../src/recheck/mod.rs"), "RecheckEvent"),
        ),
    ];
    let mut wanted = variants(include_str!("../src/event.rs"), "Event");
    let plain = wanted.len() - parts.len();
    for ((name, part), found) in parts.into_iter().zip(wanted.split_off(plain)) {
        assert_eq!(name, found);
        wanted.extend(part);
    }
    assert_eq!(wanted, known);
}

#[test]
fn every_command_reads_and_writes_as_it_always_did() {
    let golden = lines(include_str!("golden/commands.jsonl"));
    for line in &golden {
        let command: Command = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(serde_json::to_string(&command).unwrap(), **line);
    }
    let known: Vec<String> = golden.iter().map(|line| kind(line)).collect();
    assert_eq!(
        variants(include_str!("../src/command.rs"), "Command"),
        known
    );
}

#[test]
fn every_refusal_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Vec::new();
    for (source, of) in [
        (include_str!("../src/refusal.rs"), "Refusal"),
        (include_str!("../src/case/refusal.rs"), "CaseRefusal"),
        (include_str!("../src/recheck/refusal.rs"), "RecheckRefusal"),
    ] {
        let start = source.find("pub fn code(&self)").unwrap();
        let body = &source[start..source.find("pub fn ja(&self)").unwrap()];
        let own: Vec<&str> = body
            .lines()
            .filter_map(|line| line.split_once("=> \""))
            .filter_map(|(_, rest)| rest.split('"').next())
            .collect();
        // Those that only hand on to a noun's own refusals have no name here.
        let handed_on = body.matches("=> refusal.code()").count();
        assert_eq!(own.len() + handed_on, variants(source, of).len(), "{of}");
        names.extend(own);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
