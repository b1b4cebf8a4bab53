//! 要件・審査項目: versions of the rules, read by everybody, published by a
//! security officer, and who must be examined anew under the present one.

use super::Done;
use crate::http::actor::{Acting, Reach};
use crate::http::input::{Key, LargeBody, Query};
use crate::http::problem::Problem;
use crate::operator::cases::show::BothLanguages;
use crate::state::Center;
use axum::Json;
use axum::extract::State;
use iryonet_domain::ParticipantNumber;
use iryonet_registry::rules::{PresentRules, RuleText};
use iryonet_registry::{Command, PublishedRules};
use iryonet_rules::{EvidenceKind, Part, RuleVersion};
use iryonet_store::{Reader, Reexamination, StoreError, to_be_reexamined};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A version of the rules in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesShown {
    version: u32,
    /// Since when it holds, milliseconds since 1970.
    published_at: u64,
    /// Does it hold now?
    present: bool,
}

/// Versions of the rules, ascending.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesList {
    rules: Vec<RulesShown>,
}

/// A version of the rules in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesInFull {
    #[serde(flatten)]
    head: RulesShown,
    parts: Vec<PartShown>,
    files: Vec<FileShown>,
}

/// A part of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartShown {
    /// site, provider, examination, opening or audit.
    part: &'static str,
    title: BothLanguages,
    rules: Vec<RuleShown>,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleShown {
    /// Its name, for ever.
    rule: String,
    text: BothLanguages,
    source: BothLanguages,
    /// None: every kind.
    kinds: Vec<String>,
    /// None: whatever the lines are.
    lines: Vec<&'static str>,
    /// In which cases it is looked at.
    cases: Vec<&'static str>,
    mandatory: bool,
    /// The version in which it last became stricter or another.
    since: u32,
    /// What shows that it is met.
    evidence: Vec<&'static str>,
}

/// A file of a version, as it was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileShown {
    name: String,
    sha256: String,
    text: String,
}

/// A version to be published: its five files.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRules {
    #[schema(min_items = 5, max_items = 5)]
    files: Vec<NewFile>,
}

/// A rule file (TOML).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFile {
    /// Its name, as site.toml.
    name: String,
    /// All of it, at most 256 KiB.
    text: String,
}

/// Lists the versions of the rules.
#[utoipa::path(get, path = "/v1/rules", tag = "rules", responses(
    (status = 200, body = RulesList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(center): State<Arc<Center>>,
    _: Reach,
) -> Result<Json<RulesList>, Problem> {
    let all = center.read(|reader| reader.all_rules()).await?;
    let newest = all.last().map(|rules| rules.version);
    Ok(Json(RulesList {
        rules: all.iter().map(|rules| head(rules, newest)).collect(),
    }))
}

fn head(rules: &PublishedRules, newest: Option<RuleVersion>) -> RulesShown {
    RulesShown {
        version: rules.version.0,
        published_at: rules.published_at.0,
        present: Some(rules.version) == newest,
    }
}

/// Shows one version of the rules, rule by rule and file by file.
#[utoipa::path(get, path = "/v1/rules/{version}", tag = "rules",
    params(("version" = u32, Path, description = "Version")),
    responses(
        (status = 200, body = RulesInFull),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(center): State<Arc<Center>>,
    _: Reach,
    Key(version): Key<u32>,
) -> Result<Json<RulesInFull>, Problem> {
    let (found, newest) = center
        .read(move |reader| Ok((reader.rules(RuleVersion(version))?, reader.latest_rules()?)))
        .await?;
    let found = found.ok_or_else(|| Problem::unknown("rules", "要件・審査項目の版", version))?;
    let set = found.read().map_err(|error| Problem::internal(&error))?;
    let parts = Part::ALL
        .into_iter()
        .filter_map(|part| {
            let title = set.title(part)?.clone();
            Some(PartShown {
                part: part.as_str(),
                title: title.into(),
                rules: set
                    .rules()
                    .filter(|rule| rule.part == part)
                    .map(|rule| RuleShown {
                        rule: rule.id.to_string(),
                        text: rule.text.clone().into(),
                        source: rule.source.clone().into(),
                        kinds: rule.kinds.iter().map(|it| it.as_str().to_owned()).collect(),
                        lines: rule.lines.iter().map(|it| it.as_str()).collect(),
                        cases: rule.cases.iter().map(|it| it.as_str()).collect(),
                        mandatory: rule.mandatory,
                        since: rule.since.0,
                        evidence: rule
                            .evidence
                            .iter()
                            .map(|it| EvidenceKind::as_str(*it))
                            .collect(),
                    })
                    .collect(),
            })
        })
        .collect();
    Ok(Json(RulesInFull {
        head: head(&found, newest),
        parts,
        files: found
            .files
            .into_iter()
            .map(|file| FileShown {
                name: file.name,
                sha256: file.sha256.to_string(),
                text: file.text,
            })
            .collect(),
    }))
}

/// 公布: publishes a version of the rules, later than all before it.
#[utoipa::path(post, path = "/v1/rules", tag = "rules", request_body = NewRules,
    params(("iryonet-actor" = Option<String>, Header, description = "Who acts, as security-officer:ito; on the socket only, where it must be said")),
    responses(
        (status = 200, body = Done),
        (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn publish(
    State(center): State<Arc<Center>>,
    Acting(actor): Acting,
    LargeBody(wish): LargeBody<NewRules>,
) -> Result<Json<Done>, Problem> {
    let files = wish
        .files
        .iter()
        .map(|file| RuleText::new(&file.name, &file.text))
        .collect();
    center
        .act(actor, Command::PublishRules { files })
        .await
        .map(|recorded| Json(recorded.done()))
}

/// A participant that must be examined anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReexaminationShown {
    #[schema(value_type = u32)]
    participant: ParticipantNumber,
    name: String,
    /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
    kind: String,
    standing: &'static str,
    /// The version under which it was examined last; none: under none.
    examined: Option<u32>,
    /// The rules that became stricter since.
    rules: Vec<String>,
    /// First millisecond (since 1970) at which it is too late.
    until: u64,
}

/// Who must be examined anew, ascending by number.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReexaminationList {
    reexaminations: Vec<ReexaminationShown>,
    /// Where the next page begins; nothing when this was the last. A page may be
    /// empty and not the last: so many were looked at, and need not be.
    next_after: Option<u32>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Begin after this participant.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    after: Option<ParticipantNumber>,
    /// At most so many rows, 1 to 1000; 100 if not said.
    #[serde(default = "super::page", deserialize_with = "super::limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: u32,
}

/// 再審査の対象: who must be examined anew under the rules that hold.
#[utoipa::path(get, path = "/v1/reexaminations", tag = "rules", params(Which), responses(
    (status = 200, body = ReexaminationList),
    (status = "default", description = "Refused or failed", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn reexaminations(
    State(center): State<Arc<Center>>,
    reach: Reach,
    Query(which): Query<Which>,
) -> Result<Json<ReexaminationList>, Problem> {
    let rows = which.limit as usize;
    let (found, next) = center
        .read(move |reader| match reach {
            Reach::Every => to_be_reexamined(reader, which.after, rows),
            Reach::Own(own) if which.after.is_none_or(|after| after < own) => {
                Ok((of_one(reader, own)?.into_iter().collect(), None))
            }
            Reach::Own(_) | Reach::Applicant => Ok((Vec::new(), None)),
        })
        .await?;
    Ok(Json(ReexaminationList {
        reexaminations: found
            .into_iter()
            .map(|one| ReexaminationShown {
                participant: one.participant.number,
                name: one.participant.name,
                kind: one.participant.kind.as_str().to_owned(),
                standing: one.participant.standing.as_str(),
                examined: one.participant.membership.examined.map(|version| version.0),
                rules: one.wanted.rules.iter().map(ToString::to_string).collect(),
                until: one.wanted.until.0,
            })
            .collect(),
        next_after: next.map(ParticipantNumber::get),
    }))
}

fn of_one(
    reader: &dyn Reader,
    number: ParticipantNumber,
) -> Result<Option<Reexamination>, StoreError> {
    let (Some(rules), Some(participant)) = (PresentRules::of(reader)?, reader.participant(number)?)
    else {
        return Ok(None);
    };
    let lines: Vec<_> = reader
        .lines_of(number)?
        .into_iter()
        .map(|line| line.kind)
        .collect();
    Ok(rules
        .reexamination(&participant, &lines)
        .map(|wanted| Reexamination {
            participant,
            wanted,
        }))
}
