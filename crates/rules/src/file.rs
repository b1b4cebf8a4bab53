//! Reading one rule file. Strict: a key that is not known, a missing
//! translation, a name that stands twice, a source that is not there are
//! refused with their line, so that no rule is lost by a slip of the pen.

use crate::error::{RuleError, RuleProblem, line_of, syntax};
use crate::evidence::EvidenceKind;
use crate::rule::{Part, Rule, RuleId, RuleVersion, Text};
use iryonet_domain::text::clean;
use iryonet_domain::{CaseKind, LineKind, ParticipantKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Largest file, in bytes.
pub const FILE_MAX_BYTES: usize = 256 << 10;
/// Most rules of a file, and most sources.
pub const RULES_PER_FILE: usize = 200;
/// Longest text of a rule or source, in characters.
pub const TEXT_MAX_CHARS: usize = 400;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// The version of the set it belongs to.
    pub version: RuleVersion,
    /// Which part of the set it is.
    pub part: Part,
    /// Its title.
    pub title: Text,
    /// How long a participant may go on that was not examined for a rule of
    /// this file that became another; none means that nobody is examined anew
    /// for its sake.
    pub reexamine_within_days: Option<u16>,
    /// Its rules, in the order of the file.
    pub rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: Spanned<u32>,
    part: Part,
    title_ja: Spanned<String>,
    title_en: Spanned<String>,
    reexamine_within_days: Option<Spanned<u16>>,
    #[serde(default)]
    source: Vec<RawSource>,
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    id: Spanned<String>,
    ja: Spanned<String>,
    en: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    ja: Spanned<String>,
    en: Spanned<String>,
    source: Spanned<String>,
    kinds: Option<Spanned<Vec<ParticipantKind>>>,
    lines: Option<Spanned<Vec<LineKind>>>,
    cases: Spanned<Vec<CaseKind>>,
    mandatory: bool,
    since: Option<Spanned<u32>>,
    evidence: Spanned<Vec<EvidenceKind>>,
}

/// Reads a file. `name` is for errors only.
///
/// # Errors
/// With the line of the first thing that is wrong.
pub fn read(name: &str, text: &str) -> Result<RuleFile, RuleError> {
    let at = |span: std::ops::Range<usize>, problem: RuleProblem| RuleError {
        file: name.to_owned(),
        line: line_of(text, span.start),
        problem,
    };
    if text.len() > FILE_MAX_BYTES {
        let problem = RuleProblem::TooLong {
            have: text.len(),
            limit: FILE_MAX_BYTES,
        };
        return Err(at(0..0, problem));
    }
    let raw: RawFile = toml::from_str(text).map_err(|error| syntax(name, text, &error))?;
    let version = *raw.version.get_ref();
    if version == 0 {
        return Err(at(raw.version.span(), RuleProblem::Version));
    }
    let have = raw.rule.len().max(raw.source.len());
    if have > RULES_PER_FILE {
        let limit = RULES_PER_FILE;
        return Err(at(0..0, RuleProblem::TooMany { have, limit }));
    }
    let words = |what, value: &Spanned<String>| {
        clean(value.get_ref(), TEXT_MAX_CHARS)
            .map_err(|source| at(value.span(), RuleProblem::Text { what, source }))
    };
    let both = |ja: &Spanned<String>, en: &Spanned<String>| {
        Ok(Text {
            ja: words("the Japanese text", ja)?,
            en: words("the English text", en)?,
        })
    };
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut once = |id: &Spanned<String>, prefix: &str| {
        let line = line_of(text, id.span().start);
        match names.insert(format!("{prefix}{}", id.get_ref()), line) {
            None => Ok(()),
            Some(first) => Err(at(
                id.span(),
                RuleProblem::Twice {
                    id: id.get_ref().clone(),
                    first,
                },
            )),
        }
    };
    let mut sources: BTreeMap<&str, Text> = BTreeMap::new();
    for source in &raw.source {
        once(&source.id, "source ")?;
        sources.insert(source.id.get_ref(), both(&source.ja, &source.en)?);
    }
    let mut rules = Vec::with_capacity(raw.rule.len());
    for rule in &raw.rule {
        once(&rule.id, "")?;
        let id: RuleId = rule
            .id
            .get_ref()
            .parse()
            .map_err(|error: crate::rule::RuleIdError| at(rule.id.span(), error.into()))?;
        let source = sources.get(rule.source.get_ref().as_str()).ok_or_else(|| {
            let unknown = RuleProblem::UnknownSource(rule.source.get_ref().clone());
            at(rule.source.span(), unknown)
        })?;
        let since = match &rule.since {
            None => 1,
            Some(since) if (1..=version).contains(since.get_ref()) => *since.get_ref(),
            Some(since) => {
                let since_is = *since.get_ref();
                return Err(at(
                    since.span(),
                    RuleProblem::Since {
                        since: since_is,
                        version,
                    },
                ));
            }
        };
        rules.push(Rule {
            id,
            part: raw.part,
            text: both(&rule.ja, &rule.en)?,
            source: source.clone(),
            kinds: optional("kinds", rule.kinds.as_ref()).map_err(|(s, p)| at(s, p))?,
            lines: optional("lines", rule.lines.as_ref()).map_err(|(s, p)| at(s, p))?,
            cases: ascending("cases", &rule.cases).map_err(|(s, p)| at(s, p))?,
            mandatory: rule.mandatory,
            since: RuleVersion(since),
            evidence: ascending("evidence", &rule.evidence).map_err(|(s, p)| at(s, p))?,
        });
    }
    let reexamine_within_days = match &raw.reexamine_within_days {
        None => None,
        Some(days) if (1..=3_660).contains(days.get_ref()) => Some(*days.get_ref()),
        Some(days) => return Err(at(days.span(), RuleProblem::Days(*days.get_ref()))),
    };
    Ok(RuleFile {
        version: RuleVersion(version),
        part: raw.part,
        title: both(&raw.title_ja, &raw.title_en)?,
        reexamine_within_days,
        rules,
    })
}

type Placed = (std::ops::Range<usize>, RuleProblem);

/// Sorted; each once, one at least.
pub(crate) fn ascending<T: Ord + Clone>(
    what: &'static str,
    list: &Spanned<Vec<T>>,
) -> Result<Vec<T>, Placed> {
    let mut sorted = list.get_ref().clone();
    sorted.sort();
    if sorted.is_empty() {
        return Err((list.span(), RuleProblem::Empty(what)));
    }
    if sorted
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
    {
        return Err((list.span(), RuleProblem::Repeated(what)));
    }
    Ok(sorted)
}

/// The same; nothing where the key is left out.
pub(crate) fn optional<T: Ord + Clone>(
    what: &'static str,
    list: Option<&Spanned<Vec<T>>>,
) -> Result<Vec<T>, Placed> {
    list.map_or_else(|| Ok(Vec::new()), |list| ascending(what, list))
}
