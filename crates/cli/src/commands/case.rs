//! `iryonet case`: the life of a connection, step by step, each by the one whose
//! duty it is.
//!
//! Every step names the version of the case that its person looked at (`--seen`):
//! of two who decide at once, the second is told who was first.

use super::document;
use super::operator::{Center, query, time_of};
use crate::output;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use iryonet_agent::files;
use iryonet_domain::Digest;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Largest file of judgements, in bytes.
const JUDGEMENTS_MAX_BYTES: u64 = 64 << 10;

/// Arguments of `case`.
#[derive(Args)]
pub(crate) struct CaseArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Case,
}

#[derive(Subcommand)]
enum Case {
    /// 申請: hand in an application, with its documents.
    Apply {
        /// Whom it is about; nobody for an admission.
        #[arg(long)]
        participant: Option<u32>,
        #[command(flatten)]
        with: With,
        #[command(subcommand)]
        what: What,
    },
    /// 再提出: send an application in again that was returned, all of it.
    Resubmit {
        /// Case number.
        case: u64,
        /// The version that you looked at.
        #[arg(long)]
        seen: u32,
        #[command(flatten)]
        with: With,
        #[command(subcommand)]
        what: What,
    },
    /// 一覧: list cases by number; an officer sees its own.
    List(Which),
    /// 名簿からの消滅: closings that a newer public list proposes, to be examined
    /// and decided like every case.
    Closings,
    /// 詳細: one case with its items, findings and history, and what you may do next.
    Show {
        /// Case number.
        case: u64,
    },
    /// 取下げ: take an application back, before its approval.
    Withdraw(Seen),
    /// 差戻し: give it back, as something is missing.
    Return {
        #[command(flatten)]
        seen: Seen,
        /// What is missing, in words for the applicant; give several times.
        #[arg(long, required = true)]
        missing: Vec<String>,
    },
    /// 受理: it is complete and may be examined.
    Accept(Seen),
    /// 審査開始: take it into examination.
    Examine(Seen),
    /// 判定: say what was found about items.
    Judge(Judging),
    /// 審査終了: conclude the examination.
    Conclude {
        #[command(flatten)]
        seen: Seen,
        /// approve or reject.
        recommendation: String,
        /// Why; wanted where it is to reject.
        #[arg(long)]
        note: Option<String>,
    },
    /// 再審査: send it back to its examiner.
    SendBack(Why),
    /// 承認: by a second person.
    Approve {
        #[command(flatten)]
        seen: Seen,
        /// Of an admission: the home gateway, from whose blocks the number comes.
        #[arg(long)]
        gateway: Option<String>,
        /// Of an admission: exactly this block.
        #[arg(long, conflicts_with = "gateway")]
        block: Option<u8>,
    },
    /// 不承認: by a second person.
    Reject(Why),
    /// 開通試験: record results of the opening test.
    Test(Judging),
    /// TLS検査: check a service of the case here and now, and record what was found.
    /// It is the machine's word and no person's: at the center's socket, --as
    /// system:NAME.
    CheckTls {
        /// Case number.
        case: u64,
        /// The server, as claims.example:443.
        #[arg(value_name = "HOST:PORT")]
        server: String,
        /// The profile: guideline-4.3 or guideline-6.0.
        #[arg(long, default_value = "guideline-4.3")]
        profile: iryonet_tlscheck::Profile,
    },
    /// 自動検査: have the center look again at services and names of the case.
    Checks {
        /// Case number.
        case: u64,
    },
    /// 開通: open the connection; all items passed.
    Open(Seen),
    /// Carry out an approved case whose day has come. The center does this by itself.
    CarryOut {
        /// Case number.
        case: u64,
    },
    /// 失効: end a case that nobody touched for 90 days. The center does this by
    /// itself.
    Lapse {
        /// Case number.
        case: u64,
    },
}

/// A case as somebody looked at it.
#[derive(Args)]
struct Seen {
    /// Case number.
    case: u64,
    /// The version that you looked at.
    #[arg(long)]
    seen: u32,
}

#[derive(Args)]
struct Why {
    #[command(flatten)]
    seen: Seen,
    /// Why; recorded, and shown to the applicant.
    #[arg(long)]
    reason: String,
}

/// What comes with an application.
#[derive(Args)]
struct With {
    /// 担当者: the name of the officer in charge.
    #[arg(long)]
    officer: Option<String>,
    /// 電話番号 of the officer.
    #[arg(long, requires = "officer")]
    telephone: Option<String>,
    /// Mail address of the officer.
    #[arg(long, requires = "officer")]
    mail: Option<String>,
    /// 書類: a file to be handed in with it; give several times.
    #[arg(long = "document", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// SHA-256 of a document that was handed in already; give several times.
    #[arg(long = "document-sha256", value_name = "SHA256")]
    digests: Vec<Digest>,
}

/// What is asked for.
#[derive(Subcommand)]
enum What {
    /// 加入: a new participant.
    Admission {
        /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
        #[arg(long)]
        kind: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// 医療機関コード, ten digits.
        #[arg(long)]
        code: Option<String>,
        /// 都道府県, 1 to 47, where it has no code.
        #[arg(long)]
        area: Option<u8>,
        /// A site with its lines, as 本院:ethernet,ipsec; give several times.
        #[arg(long = "site", required = true)]
        sites: Vec<String>,
        /// A service with its purpose, as 3:online-claims; give several times.
        #[arg(long = "service")]
        services: Vec<String>,
    },
    /// 変更: of name, officer, sites, lines or services.
    Change {
        /// Another name.
        #[arg(long)]
        name: Option<String>,
        /// Another 都道府県, for who has no code.
        #[arg(long)]
        area: Option<u8>,
        /// One site more, as 分院:ethernet; give several times.
        #[arg(long = "site")]
        sites: Vec<String>,
        /// Lines more at a site that is there, as 0:ipsec,tls; give several times.
        #[arg(long = "lines")]
        lines: Vec<String>,
        /// A service more, as 3:online-claims; give several times.
        #[arg(long = "service")]
        services: Vec<String>,
    },
    /// 機器追加: one more device.
    SecondDevice {
        /// What for, and where it stands.
        #[arg(long)]
        reason: String,
    },
    /// 移転: a new place, and with it a new code.
    Relocation {
        /// 医療機関コード at the new place.
        #[arg(long)]
        code: Option<String>,
        /// 都道府県 of the new place, where the code does not say it.
        #[arg(long)]
        area: Option<u8>,
        /// A site at the new place, as 本院:ethernet; give several times.
        #[arg(long = "site", required = true)]
        sites: Vec<String>,
    },
    /// 開設者変更: a new owner; the same participant.
    ChangeOfOwner {
        /// 医療機関コード under the new owner.
        #[arg(long)]
        code: Option<String>,
        /// The name under the new owner.
        #[arg(long)]
        name: Option<String>,
    },
    /// 休止.
    Suspension {
        /// Why.
        #[arg(long)]
        reason: String,
        /// From when on (RFC 3339); with the approval if not given.
        #[arg(long)]
        from: Option<String>,
    },
    /// 再開.
    Resumption {
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// 脱退.
    Withdrawal {
        /// Why.
        #[arg(long)]
        reason: String,
        /// From when on (RFC 3339); with the approval if not given.
        #[arg(long)]
        from: Option<String>,
    },
    /// 再監査: examined anew, under the rules of today.
    Audit {
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Which cases; all conditions together.
#[derive(Args)]
struct Which {
    /// Only of this kind, as admission.
    #[arg(long)]
    kind: Option<String>,
    /// Only in this state, as examined.
    #[arg(long)]
    state: Option<String>,
    /// Only those with something left to do.
    #[arg(long)]
    open: bool,
    /// Only those about this participant.
    #[arg(long)]
    participant: Option<u32>,
    /// Only those that the account of this name sent in.
    #[arg(long)]
    applicant: Option<String>,
    /// Only those that nobody touched since then (RFC 3339).
    #[arg(long)]
    untouched_since: Option<String>,
    /// Begin after this number.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// What was found: about one item, or about those of a file.
#[derive(Args)]
struct Judging {
    #[command(flatten)]
    seen: Seen,
    /// The rule's name, as examination.exists.
    #[arg(long, required_unless_present = "file")]
    rule: Option<String>,
    /// met, not-met or not-applicable.
    #[arg(long, required_unless_present = "file", conflicts_with = "file")]
    verdict: Option<String>,
    /// By what it is shown, as document; wanted where it is met.
    #[arg(long, conflicts_with = "file")]
    evidence: Option<String>,
    /// In your words; wanted where it is not met or not applicable.
    #[arg(long, conflicts_with = "file")]
    note: Option<String>,
    /// SHA-256 of a document of the case that shows it; give several times.
    #[arg(long = "document-sha256", conflicts_with = "file")]
    documents: Vec<Digest>,
    /// Several at once: a JSON list of {rule, verdict, evidence, note, documents}.
    #[arg(long, conflicts_with = "rule")]
    file: Option<PathBuf>,
}

pub(crate) fn case(arguments: CaseArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    let step = |seen: &Seen, step: &str, more: Value| {
        let mut body = json!({"version": seen.seen});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        center.act(&format!("/v1/cases/{}/{step}", seen.case), body)
    };
    let nothing = || json!({});
    match arguments.command {
        Case::Apply {
            participant,
            with,
            what,
        } => {
            let mut body = with_documents(&center, with, what)?;
            body.insert("participant".to_owned(), json!(participant));
            center.act("/v1/cases", Value::Object(body))
        }
        Case::Resubmit {
            case,
            seen,
            with,
            what,
        } => {
            let body = with_documents(&center, with, what)?;
            step(&Seen { case, seen }, "resubmit", Value::Object(body))
        }
        Case::List(which) => center.get(&list(which)?),
        Case::Closings => center.get("/v1/cases?kind=closing-by-list&open=true&limit=1000"),
        Case::Show { case } => {
            let answer = center.ask("GET", &format!("/v1/cases/{case}"), None)?;
            if center.json() {
                output::show(&answer, true);
            } else {
                show(answer);
            }
            Ok(ExitCode::SUCCESS)
        }
        Case::Withdraw(seen) => step(&seen, "withdraw", nothing()),
        Case::Return { seen, missing } => step(&seen, "return", json!({"missing": missing})),
        Case::Accept(seen) => step(&seen, "accept", nothing()),
        Case::Examine(seen) => step(&seen, "begin", nothing()),
        Case::Judge(judging) => {
            let judgements = judgements(&judging)?;
            step(&judging.seen, "judge", judgements)
        }
        Case::Conclude {
            seen,
            recommendation,
            note,
        } => step(
            &seen,
            "conclude",
            json!({"recommendation": recommendation, "note": note}),
        ),
        Case::SendBack(why) => step(&why.seen, "send-back", json!({"reason": why.reason})),
        Case::Approve {
            seen,
            gateway,
            block,
        } => step(
            &seen,
            "approve",
            json!({"gateway": gateway, "block": block}),
        ),
        Case::Reject(why) => step(&why.seen, "reject", json!({"reason": why.reason})),
        Case::Test(judging) => {
            let judgements = judgements(&judging)?;
            step(&judging.seen, "test", judgements)
        }
        Case::CheckTls {
            case,
            server,
            profile,
        } => {
            center.somebody_acts()?;
            let failed = super::check::failed_rules(&server, profile)?;
            center.act(
                &format!("/v1/cases/{case}/evidence"),
                json!({"kind": "tls-check-of-service", "target": server,
                    "profile": profile.as_str(), "failed": failed}),
            )
        }
        Case::Checks { case } => center.act(&format!("/v1/cases/{case}/checks"), nothing()),
        Case::Open(seen) => step(&seen, "open", nothing()),
        Case::CarryOut { case } => center.act(&format!("/v1/cases/{case}/carry-out"), nothing()),
        Case::Lapse { case } => center.act(&format!("/v1/cases/{case}/lapse"), nothing()),
    }
}

/// An application as the center takes it; its files are handed in first.
fn with_documents(center: &Center, with: With, what: What) -> anyhow::Result<Map<String, Value>> {
    let application = application(what)?;
    let mut documents: Vec<Value> = with.digests.iter().map(|it| json!(it)).collect();
    for file in &with.files {
        let answer = document::put(center, file, None)?;
        documents.push(answer["sha256"].clone());
    }
    let officer = with
        .officer
        .map(|name| json!({"name": name, "telephone": with.telephone, "mail": with.mail}));
    let mut body = Map::new();
    body.insert("application".to_owned(), application);
    body.insert("officer".to_owned(), officer.unwrap_or_default());
    body.insert("documents".to_owned(), Value::Array(documents));
    Ok(body)
}

fn application(what: What) -> anyhow::Result<Value> {
    Ok(match what {
        What::Admission {
            kind,
            name,
            code,
            area,
            sites,
            services,
        } => json!({"kind": "admission", "participant_kind": kind, "name": name, "code": code,
            "area": area, "sites": named(&sites)?, "services": services_of(&services)?}),
        What::Change {
            name,
            area,
            sites,
            lines,
            services,
        } => json!({"kind": "change", "name": name, "area": area, "sites": named(&sites)?,
            "lines": lines.iter().map(|text| at_site(text)).collect::<anyhow::Result<Vec<_>>>()?,
            "services": services_of(&services)?}),
        What::SecondDevice { reason } => json!({"kind": "second-device", "reason": reason}),
        What::Relocation { code, area, sites } => {
            json!({"kind": "relocation", "code": code, "area": area, "sites": named(&sites)?})
        }
        What::ChangeOfOwner { code, name } => {
            json!({"kind": "change-of-owner", "code": code, "name": name})
        }
        What::Suspension { reason, from } => json!({"kind": "suspension", "reason": reason,
            "from": from.as_deref().map(time_of).transpose()?}),
        What::Resumption { reason } => json!({"kind": "resumption", "reason": reason}),
        What::Withdrawal { reason, from } => json!({"kind": "withdrawal", "reason": reason,
            "from": from.as_deref().map(time_of).transpose()?}),
        What::Audit { reason } => json!({"kind": "audit", "reason": reason}),
    })
}

/// 本院:ethernet,ipsec
fn named(sites: &[String]) -> anyhow::Result<Vec<Value>> {
    sites
        .iter()
        .map(|text| {
            let (name, lines) = text.rsplit_once(':').with_context(|| {
                format!("{text:?} is no site with its lines; write it as 本院:ethernet,ipsec")
            })?;
            Ok(json!({"name": name, "lines": lines.split(',').collect::<Vec<_>>()}))
        })
        .collect()
}

/// 0:ipsec,tls
fn at_site(text: &str) -> anyhow::Result<Value> {
    let found = text.split_once(':').and_then(|(site, lines)| {
        let site: u8 = site.parse().ok()?;
        Some(json!({"site": site, "lines": lines.split(',').collect::<Vec<_>>()}))
    });
    found.with_context(|| format!("{text:?} is no site's lines; write them as 0:ipsec,tls"))
}

/// 3:online-claims
fn services_of(services: &[String]) -> anyhow::Result<Vec<Value>> {
    services
        .iter()
        .map(|text| {
            let found = text.split_once(':').and_then(|(service, purpose)| {
                let service: u32 = service.parse().ok()?;
                Some(json!({"service": service, "purpose": purpose}))
            });
            found.with_context(|| {
                format!("{text:?} is no service with its purpose; write it as 3:online-claims")
            })
        })
        .collect()
}

fn list(which: Which) -> anyhow::Result<String> {
    let since = which.untouched_since.as_deref().map(time_of).transpose()?;
    Ok(query(
        "/v1/cases",
        &[
            ("kind", which.kind),
            ("state", which.state),
            ("open", which.open.then(|| "true".to_owned())),
            ("participant", which.participant.map(|it| it.to_string())),
            ("applicant", which.applicant),
            ("untouched_since", since.map(|it| it.to_string())),
            ("after", Some(which.after.to_string())),
            ("limit", Some(which.limit.to_string())),
        ],
    ))
}

fn judgements(judging: &Judging) -> anyhow::Result<Value> {
    let Some(file) = &judging.file else {
        return Ok(
            json!({"judgements": [{"rule": judging.rule, "verdict": judging.verdict,
            "evidence": judging.evidence, "note": judging.note, "documents": judging.documents}]}),
        );
    };
    let Some(octets) = files::read_limited(file, JUDGEMENTS_MAX_BYTES)? else {
        bail!("there is no file {}", file.display());
    };
    let list: Value = serde_json::from_slice(&octets)
        .with_context(|| format!("{} is not a list of judgements in JSON", file.display()))?;
    Ok(json!({"judgements": list}))
}

/// A case for a person: what it is, then item by item, then what may be done.
fn show(mut answer: Value) {
    let mut take = |key: &str| {
        answer
            .as_object_mut()
            .and_then(|fields| fields.remove(key))
            .and_then(|value| match value {
                Value::Array(rows) => Some(rows),
                _ => None,
            })
            .unwrap_or_default()
    };
    let tables: [(&str, &[&str], Vec<Value>); 6] = [
        (
            "審査項目 (items of the examination)",
            &["rule", "mandatory", "verdict", "evidence", "note", "text"],
            take("items"),
        ),
        (
            "開通試験 (items of the opening test)",
            &["rule", "mandatory", "verdict", "evidence", "note", "text"],
            take("opening_items"),
        ),
        (
            "自動検査 (what the center finds now)",
            &["evidence_ja", "passed", "text"],
            take("findings"),
        ),
        (
            "記録された検査 (what the center found and recorded)",
            &["evidence_ja", "about", "passed", "text"],
            take("evidence"),
        ),
        (
            "経過 (who did what)",
            &["sequence", "by", "event"],
            take("history"),
        ),
        (
            "次にできること (what you may do now)",
            &["act", "path"],
            take("next"),
        ),
    ];
    output::show(&answer, false);
    for (title, columns, mut rows) in tables {
        if rows.is_empty() {
            continue;
        }
        for row in &mut rows {
            if let Some(ja) = row.pointer("/text/ja").cloned() {
                row["text"] = ja;
            }
        }
        output::line("");
        output::line(title);
        output::show_columns(columns, &rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_a_person_writes_them() {
        assert_eq!(
            named(&["本院：東:ethernet,ipsec".to_owned()]).unwrap(),
            [json!({"name": "本院：東", "lines": ["ethernet", "ipsec"]})]
        );
        assert!(named(&["本院".to_owned()]).is_err());
        assert_eq!(
            at_site("0:ipsec,tls").unwrap(),
            json!({"site": 0, "lines": ["ipsec", "tls"]})
        );
        assert!(at_site("本院:tls").is_err());
        assert_eq!(
            services_of(&["3:online-claims".to_owned()]).unwrap(),
            [json!({"service": 3, "purpose": "online-claims"})]
        );
        assert!(services_of(&["online-claims".to_owned()]).is_err());
    }
}
