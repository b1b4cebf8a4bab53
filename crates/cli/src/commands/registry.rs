//! `iryonet registry`: the public list of institutions, as applicants known to
//! exist. Being listed makes nobody a member.

use crate::{commands, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use iryonet_domain::{Actor, InstitutionCode, Prefecture, ScoreTable};
use iryonet_store::import::{ImportOptions, Progress};
use iryonet_store::query::{ApplicantQuery, HistoryItem};
use iryonet_store::{Store, find, import};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Largest file that is read, in bytes: a list of the whole country is 10 MB.
const FILE_MAX_BYTES: u64 = 256 << 20;

/// Arguments of `registry`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    registry: commands::Registry,
    /// The answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Read a public list (the zip, or the CSV in UTF-8 or Shift_JIS).
    Import {
        /// The file.
        file: PathBuf,
        /// Whose list it is.
        #[arg(long, value_enum, default_value_t = Table::Medical)]
        table: Table,
        /// Take it even when more than one in twenty of the list are not in it.
        #[arg(long)]
        many_vanished: bool,
        /// Who imports, as operator:suzuki; the login name as operator if not given.
        #[arg(long = "as", env = "IRYONET_AS", value_name = "ROLE:NAME")]
        actor: Option<Actor>,
    },
    /// Find institutions.
    Find {
        /// Part of the name; width and blanks do not matter.
        name: Option<String>,
        /// Digits that the ten-digit code begins with.
        #[arg(long)]
        code: Option<String>,
        /// Prefecture, 1 to 47.
        #[arg(long)]
        prefecture: Option<u8>,
        /// Part of the address, or the beginning of the postal code.
        #[arg(long)]
        area: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// One institution, with its history.
    Show {
        /// 医療機関コード, ten digits.
        code: InstitutionCode,
    },
}

/// 点数表.
#[derive(Clone, Copy, ValueEnum)]
enum Table {
    /// 医科
    Medical,
    /// 歯科
    Dental,
    /// 調剤
    Dispensing,
    /// 訪問看護
    HomeNursing,
}

impl From<Table> for ScoreTable {
    fn from(table: Table) -> Self {
        match table {
            Table::Medical => Self::Medical,
            Table::Dental => Self::Dental,
            Table::Dispensing => Self::Dispensing,
            Table::HomeNursing => Self::HomeNursing,
        }
    }
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        command,
        registry,
        json,
    } = arguments;
    let place = registry.place()?;
    match command {
        Command::Import {
            file,
            table,
            many_vanished,
            actor,
        } => {
            let store = place.open()?;
            let options = ImportOptions {
                many_vanished,
                ..ImportOptions::of(table.into())
            };
            import_list(&*store, &file, &options, actor, json)
        }
        Command::Find {
            name,
            code,
            prefecture,
            area,
            limit,
        } => {
            let store = place.open_read_only()?;
            let query = ApplicantQuery {
                code,
                name,
                prefecture: prefecture.map(Prefecture::new).transpose()?,
                area,
            };
            let found = find::find(&*store, &query, None, limit)?;
            let rows: Vec<Value> = found.iter().map(applicant).collect();
            output::show(&Value::Array(rows), json);
            Ok(if found.is_empty() {
                ExitCode::from(1)
            } else {
                ExitCode::SUCCESS
            })
        }
        Command::Show { code } => {
            let store = place.open_read_only()?;
            let Some(story) = find::show(&*store, code)? else {
                bail!("no list that was imported names {code}");
            };
            let mut shown = applicant(&story.applicant);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert(
                    "participant".to_owned(),
                    json!(story.participant.map(|one| one.number.get())),
                );
                fields.insert(
                    "history".to_owned(),
                    story
                        .history
                        .iter()
                        .map(history)
                        .collect::<anyhow::Result<_>>()?,
                );
            }
            output::show(&shown, json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn applicant(one: &iryonet_registry::Applicant) -> Value {
    json!({"code": one.code, "name": one.name, "postal": one.postal, "address": one.address})
}

fn history(item: &HistoryItem) -> anyhow::Result<Value> {
    use time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::from_unix_timestamp(i64::try_from(item.at.as_secs())?)?;
    let mut shown = json!({
        "entry": item.sequence,
        "at": at.format(&Rfc3339)?,
        "by": item.actor.to_string(),
    });
    if let (Some(fields), Value::Object(event)) =
        (shown.as_object_mut(), serde_json::to_value(&item.event)?)
    {
        // The code is the one that was asked for.
        fields.extend(event.into_iter().filter(|(name, _)| name != "code"));
    }
    Ok(shown)
}

fn import_list(
    store: &dyn Store,
    file: &std::path::Path,
    options: &ImportOptions,
    actor: Option<Actor>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let unreadable = || format!("the list {} cannot be read", file.display());
    let size = std::fs::metadata(file).with_context(unreadable)?.len();
    if size > FILE_MAX_BYTES {
        bail!(
            "the list {} has {size} bytes; at most {FILE_MAX_BYTES} are read",
            file.display()
        );
    }
    let bytes = std::fs::read(file).with_context(unreadable)?;
    let actor = match actor {
        Some(actor) => actor,
        None => person_at_the_keyboard()?,
    };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    let report = import::run(
        store,
        &bytes,
        options,
        &actor,
        commands::now(),
        &mut |progress| {
            let (what, done, total) = match progress {
                Progress::Read { rows } => ("read", rows, rows),
                Progress::Compared { done, total } => ("compared", done, total),
                Progress::Written { done, total } => ("written", done, total),
            };
            bar.set_message(what);
            bar.set_length(total);
            bar.set_position(done);
        },
    )?;
    bar.finish_and_clear();
    if !json {
        for untaken in &report.untaken {
            output::note(&untaken.to_string());
        }
        for (line, code) in &report.other_table {
            output::note(&format!(
                "line {line}: taken as {code}, of another score table than the list; worth a look"
            ));
        }
    }
    let counts = report.counts;
    let lost = counts
        .read
        .saturating_sub(counts.institutions + counts.repeats + counts.refused);
    let untaken: Vec<Value> = report
        .untaken
        .iter()
        .map(|one| json!({"line": one.line, "reason": one.reason.to_string()}))
        .collect();
    let mut shown = json!({
        "rows_read": counts.read,
        "institutions": counts.institutions,
        "repeats": counts.repeats,
        "not_taken": counts.refused,
        "lost": lost,
        "new": counts.new,
        "changed": counts.changed,
        "unchanged": counts.same,
        "vanished": counts.vanished,
        "other_score_table": counts.other_table,
        "encoding": report.encoding.as_str(),
        "sha256": report.file_sha256,
        "ledger_entries": report.entries.map(|(first, last)| format!("{first}-{last}")),
        "seconds": (begun.elapsed().as_secs_f64() * 100.0).round() / 100.0,
    });
    if json && let Some(fields) = shown.as_object_mut() {
        fields.insert("untaken".to_owned(), Value::Array(untaken));
    }
    output::show(&shown, json);
    Ok(ExitCode::SUCCESS)
}

/// Offline work on the database is done by whoever has the file: the login
/// name stands in the ledger.
fn person_at_the_keyboard() -> anyhow::Result<Actor> {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten()
        .context("this user has no login name; say --as role:name")?;
    Ok(Actor::new(iryonet_domain::Role::Operator, &user.name)?)
}
