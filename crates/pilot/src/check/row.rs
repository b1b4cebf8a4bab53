//! One thing that was tried, what should come of it, and what came.

use comfy_table::{Table, presets};
use serde::Serialize;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Who tried.
    pub from: String,
    /// To reach what.
    pub to: String,
    /// Over which line: gateway and interface.
    pub line: String,
    /// What should come of it.
    pub expected: String,
    /// What came.
    pub observed: String,
    /// For a refusal: the reason whose counter went up at the gateway.
    pub reason: Option<String>,
    /// As expected?
    pub ok: bool,
    /// How long it took, or what the row measures, in milliseconds.
    pub time_ms: u64,
}

/// Longest text of a cell in the table, in characters.
const CELL: usize = 60;

impl Row {
    /// The row as one line for a person who waits.
    pub(crate) fn line(&self) -> String {
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!(", counted: {reason}"))
            .unwrap_or_default();
        format!(
            "  {} {} -> {}: {} | {}{reason} ({} ms)",
            if self.ok { "ok " } else { "NOT" },
            self.from,
            self.to,
            self.expected,
            self.observed,
            self.time_ms
        )
    }
}

/// The rows as a table for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "",
        "from",
        "to",
        "expected",
        "observed",
        "reason counted",
        "ms",
    ]);
    for row in rows {
        table.add_row([
            if row.ok { "ok" } else { "NOT" }.to_owned(),
            row.from.clone(),
            row.to.clone(),
            row.expected.clone(),
            row.observed.chars().take(CELL).collect(),
            row.reason
                .as_ref()
                .map(|reason| format!("{reason} ({})", row.line))
                .unwrap_or_default(),
            row.time_ms.to_string(),
        ]);
    }
    let wrong = rows.iter().filter(|row| !row.ok).count();
    format!(
        "{table}\n{} rows, {} as expected, {wrong} not",
        rows.len(),
        rows.len() - wrong
    )
}
