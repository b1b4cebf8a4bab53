//! What people wrote: `docs/audit-events.toml`.

use crate::code::Code;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A text in both languages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Both {
    pub(crate) ja: String,
    pub(crate) en: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) command: BTreeMap<String, Both>,
    pub(crate) event: BTreeMap<String, Both>,
    pub(crate) field: BTreeMap<String, Both>,
}

pub(crate) fn read(path: &Path) -> Texts {
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is missing, left over or empty, each as a line to write or take out.
pub(crate) fn compare(code: &Code, texts: &Texts) -> Vec<String> {
    let mut faults = Vec::new();
    let ids = |nouns: &[crate::code::Noun]| -> BTreeSet<String> {
        nouns.iter().map(|noun| noun.id.clone()).collect()
    };
    let fields: BTreeSet<String> = code
        .commands
        .iter()
        .chain(&code.events)
        .flat_map(|noun| noun.fields.iter().map(|field| field.name.clone()))
        .collect();
    for (part, wanted, written) in [
        ("command", ids(&code.commands), &texts.command),
        ("event", ids(&code.events), &texts.event),
        ("field", fields, &texts.field),
    ] {
        for id in &wanted {
            match written.get(id) {
                None => faults.push(format!(
                    "add\n[{part}.{id}]\nja = \"{}\"\nen = \"{}\"",
                    match part {
                        "command" => "何をする操作か（一文）",
                        "event" => "何が起きたか、いつ記録されるか（一文）",
                        _ => "この項目が何を表すか",
                    },
                    match part {
                        "command" => "what is asked for, one sentence",
                        "event" => "what happened and when it is recorded, one sentence",
                        _ => "what the field says",
                    }
                )),
                Some(text) => {
                    let japanese = text
                        .ja
                        .chars()
                        .any(|c| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'));
                    if !japanese || text.en.trim().is_empty() || text.en.contains('…') {
                        faults.push(format!(
                            "[{part}.{id}] must say it in Japanese (ja) and English (en)"
                        ));
                    }
                }
            }
        }
        for id in written.keys().filter(|id| !wanted.contains(*id)) {
            faults.push(format!(
                "take out [{part}.{id}]: the registry has no such {part}"
            ));
        }
    }
    faults
}
