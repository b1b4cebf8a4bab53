//! `iryonet rules`: versions of the requirements and examination items, and who
//! must be examined anew under the present one.

use super::operator::{Center, query};
use crate::output;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iryonet_agent::files;
use iryonet_rules::RuleSet;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest rule file, in bytes.
const FILE_MAX_BYTES: u64 = iryonet_rules::file::FILE_MAX_BYTES as u64;

/// Arguments of `rules`.
#[derive(Args)]
pub(crate) struct RulesArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Rules,
}

#[derive(Subcommand)]
enum Rules {
    /// 公布: publish the five rule files (*.toml) of a folder as a version, later
    /// than all before it. They are checked here first.
    Publish {
        /// The folder, as rules/2.
        directory: PathBuf,
    },
    /// 検査: check the five rule files of a folder, and publish nothing.
    Check {
        /// The folder, as rules/2.
        directory: PathBuf,
    },
    /// List the versions.
    List,
    /// Show one version, rule by rule.
    Show {
        /// The version, as 1.
        #[arg(value_name = "VERSION")]
        number: u32,
    },
    /// 再審査の対象: who must be examined anew under the rules that hold.
    Reexaminations {
        /// Begin after this participant.
        #[arg(long)]
        after: Option<u32>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

pub(crate) fn rules(arguments: RulesArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Rules::Publish { directory } => {
            let (files, _) = read(&directory)?;
            let files: Vec<Value> = files
                .iter()
                .map(|(name, text)| json!({"name": name, "text": text}))
                .collect();
            center.act("/v1/rules", json!({"files": files}))
        }
        Rules::Check { directory } => {
            let (_, set) = read(&directory)?;
            let answer = json!({"version": set.version().0, "rules": set.rules().count()});
            output::show(&answer, center.json());
            Ok(ExitCode::SUCCESS)
        }
        Rules::List => center.get("/v1/rules"),
        Rules::Show { number } => {
            let path = format!("/v1/rules/{number}");
            let answer = center.ask("GET", &path, None)?;
            if center.json() {
                output::show(&answer, true);
            } else {
                show(&answer);
            }
            Ok(ExitCode::SUCCESS)
        }
        Rules::Reexaminations { after, limit } => center.get(&query(
            "/v1/reexaminations",
            &[
                ("after", after.map(|it| it.to_string())),
                ("limit", Some(limit.to_string())),
            ],
        )),
    }
}

/// The rule files of a folder, which are one version.
fn read(directory: &Path) -> anyhow::Result<(Vec<(String, String)>, RuleSet)> {
    let shown = directory.display();
    let unreadable = || format!("the folder {shown} cannot be read");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            names.push(path);
        }
    }
    names.sort();
    let mut found = Vec::new();
    for path in names {
        let octets = files::read_limited(&path, FILE_MAX_BYTES)?.unwrap_or_default();
        let text = String::from_utf8(octets)
            .with_context(|| format!("{} is not UTF-8", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no usable name", path.display()))?;
        found.push((name.to_owned(), text));
    }
    if found.is_empty() {
        bail!("{shown} holds no rule file (*.toml)");
    }
    let set = RuleSet::read(found.iter().map(|(name, text)| (&**name, &**text)))?;
    Ok((found, set))
}

/// A version for a person: part by part, Japanese beside English.
fn show(answer: &Value) {
    let nothing = Vec::new();
    for part in answer["parts"].as_array().unwrap_or(&nothing) {
        output::line(&format!(
            "{}  {} / {}",
            text(&part["part"]),
            text(&part["title"]["ja"]),
            text(&part["title"]["en"])
        ));
        let rows: Vec<Value> = part["rules"]
            .as_array()
            .unwrap_or(&nothing)
            .iter()
            .map(|rule| {
                json!({"rule": rule["rule"], "ja": rule["text"]["ja"], "en": rule["text"]["en"],
                    "mandatory": rule["mandatory"], "evidence": rule["evidence"]})
            })
            .collect();
        output::show_columns(&["rule", "ja", "en", "mandatory", "evidence"], &rows);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
