//! Cases as people bring them on their way: what they hand in, and what an
//! examiner says who finds everything in order.

use iryonet_domain::{InstitutionCode, Prefecture, ScoreTable};
use serde_json::{Value, json};

/// A document that opens in every reader.
pub(crate) const PDF: &[u8] =
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// A code of Tokyo with this serial number.
pub(crate) fn code(serial: u16) -> String {
    InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 1, serial)
        .to_string()
}

/// The application of a clinic.
pub(crate) fn admission(name: &str, code: &str) -> Value {
    json!({
        "kind": "admission",
        "participant_kind": "clinic",
        "name": name,
        "code": code,
        "sites": [{"name": "本院", "lines": ["ethernet"]}],
    })
}

pub(crate) fn officer(name: &str) -> Value {
    json!({"name": name, "telephone": "03-1234-5678", "mail": "office@clinic.example.jp"})
}

/// What an examiner says of a case that is in order, as it is shown: each item by
/// evidence that a person brings, or else by what the center found.
pub(crate) fn all_met(shown: &Value, opening: bool) -> Value {
    let document = shown["documents"][0]["sha256"].as_str();
    let key = if opening { "opening_items" } else { "items" };
    let judgements: Vec<Value> = shown[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let accepted: Vec<&str> = item["evidence_accepted"]
                .as_array()
                .unwrap()
                .iter()
                .map(|kind| kind.as_str().unwrap())
                .collect();
            let by_hand = ["document", "test", "self-declaration"]
                .into_iter()
                .filter(|kind| *kind != "document" || document.is_some())
                .find(|kind| accepted.contains(kind));
            let evidence = by_hand.unwrap_or(accepted[0]);
            let documents: Vec<&str> = match evidence {
                "document" => document.into_iter().collect(),
                _ => Vec::new(),
            };
            json!({"rule": item["rule"], "verdict": "met", "evidence": evidence, "documents": documents})
        })
        .collect();
    json!({"version": shown["version"], "judgements": judgements})
}
