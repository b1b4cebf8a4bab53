//! What a person or a program reads on standard output and standard error. The
//! one place of this project that prints.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this module is where the command line speaks"
)]

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Prints a value: as one JSON document, or as a table for a person.
pub(crate) fn show(value: &Value, json: bool) {
    if json {
        println!("{value}");
        return;
    }
    match value {
        Value::Array(rows) => println!("{}", table(rows)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Array(rows) if rows.iter().all(Value::is_object) && !rows.is_empty() => {
                        println!("{name}:\n{}", table(rows));
                    }
                    _ => println!("{name}: {}", cell(field)),
                }
            }
        }
        other => println!("{}", cell(other)),
    }
}

/// Prints rows for a person, with the columns in this order.
pub(crate) fn show_columns(columns: &[&str], rows: &[Value]) {
    println!("{}", ordered(columns, rows));
}

/// Prints one line of an answer for a person.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints one line for the person, never for the program that reads our output.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Prints an error and each of its causes, outermost first.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("iryonet: {error}");
    let mut before = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Errors that only pass their source on would say it twice.
        if !before.contains(&text) {
            eprintln!("  because: {text}");
        }
        before = text;
    }
}

/// Prints an error of a person's file, with the place in it.
pub(crate) fn report(report: miette::Report) {
    eprintln!("{report:?}");
}

fn table(rows: &[Value]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows {
        if let Value::Object(fields) = row {
            for name in fields.keys() {
                if !columns.contains(&name.as_str()) {
                    columns.push(name);
                }
            }
        }
    }
    if rows.is_empty() {
        return "(none)".to_owned();
    }
    if columns.is_empty() {
        let mut table = blank();
        for row in rows {
            table.add_row([cell(row)]);
        }
        return table.to_string();
    }
    ordered(&columns, rows)
}

fn ordered(columns: &[&str], rows: &[Value]) -> String {
    let mut table = blank();
    table.set_header(columns);
    for row in rows {
        table.add_row(
            columns
                .iter()
                .map(|name| row.get(name).map_or_else(String::new, cell)),
        );
    }
    table.to_string()
}

fn blank() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| format!("{name} {}", cell(field)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}
