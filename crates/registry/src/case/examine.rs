//! 審査: item by item under one version of the rules, each judgement with its
//! evidence; concluded with a recommendation.

use super::automatic::{facts, participant_kind};
use super::command::{ConcludeExamination, Judgements, RecordCaseEvidence, SeenCase};
use super::decide::{in_state, known, seen};
use super::people::may_examine;
use super::refusal::CaseRefusal;
use super::{
    Case, CaseEvent, CaseState, Judged, Judgement, Recommendation, RecordedEvidence, Verdict,
};
use crate::decide::{Decision, reason_text};
use crate::limits::{FINDINGS_PER_CASE, JUDGEMENTS_PER_COMMAND};
use crate::service::ascending;
use crate::view::View;
use crate::{DecideError, Event};
use iryonet_domain::{Actor, CaseKind, LineKind, ParticipantKind, UnixMillis};
use iryonet_rules::rule::Text;
use iryonet_rules::{EvidenceKind, Facts, Profile, Rule, RuleId, RuleSet};

pub(crate) fn begin(view: &dyn View, actor: &Actor, case: SeenCase) -> Decision {
    let case = &seen(view, case, &[CaseState::Accepted])?;
    may_examine(case, actor)?;
    let rules = view.latest_rules()?.ok_or(CaseRefusal::NoRules)?;
    Ok(vec![Event::Case(CaseEvent::ExaminationBegun {
        case: case.case,
        by: actor.clone(),
        rules,
    })])
}

/// Facts from outside: what the center found out about a service or a name.
pub(crate) fn record_evidence(
    view: &dyn View,
    actor: &Actor,
    RecordCaseEvidence { case, facts }: &RecordCaseEvidence,
    now: UnixMillis,
) -> Decision {
    let case = in_state(known(view, *case)?, OPEN)?;
    if !facts.are_from_outside() {
        return Err(CaseRefusal::FactsOfRegistry.into());
    }
    if facts.are_too_many() {
        return Err(CaseRefusal::FactsTooMany.into());
    }
    for words in facts.texts() {
        crate::decide::text("finding", words, 253)?;
    }
    let about = match facts {
        Facts::TlsCheckOfService { target, .. } => crate::decide::text("target", target, 253)?,
        Facts::AddressReverseCheck { name, .. } | Facts::DomainReverseCheck { name, .. } => {
            name.to_string()
        }
        _ => return Err(CaseRefusal::FactsOfRegistry.into()),
    };
    let known = case
        .evidence
        .iter()
        .any(|known| known.kind == facts.kind() && known.about == about);
    if !known && case.evidence.len() >= FINDINGS_PER_CASE {
        return Err(CaseRefusal::TooManyFindings(case.case).into());
    }
    let finding = facts.judge(now);
    Ok(vec![Event::Case(CaseEvent::CaseEvidenceRecorded {
        case: case.case,
        by: actor.clone(),
        evidence: RecordedEvidence {
            kind: finding.kind,
            about,
            passed: finding.passed,
            text: finding.text,
            at: now,
        },
    })])
}

const OPEN: &[CaseState] = &[
    CaseState::Received,
    CaseState::Returned,
    CaseState::Accepted,
    CaseState::InExamination,
    CaseState::Approved,
    CaseState::CodeHandedOut,
    CaseState::Certified,
    CaseState::Tested,
];

pub(crate) fn judge(
    view: &dyn View,
    actor: &Actor,
    wish: &Judgements,
    now: UnixMillis,
) -> Decision {
    let Judgements {
        case,
        version,
        judgements,
    } = wish;
    let seen_case = SeenCase {
        case: *case,
        version: *version,
    };
    let case = &seen(view, seen_case, &[CaseState::InExamination])?;
    may_examine(case, actor)?;
    let rules = rules_of(view, case)?;
    let scope = Scope::of(view, case)?;
    let items: Vec<&Rule> = rules.items(scope.profile()).collect();
    let judged = judged(view, actor, case, &items, judgements, now)?;
    Ok(vec![Event::Case(CaseEvent::ItemsJudged {
        case: case.case,
        by: actor.clone(),
        judged,
    })])
}

pub(crate) fn conclude(view: &dyn View, actor: &Actor, wish: &ConcludeExamination) -> Decision {
    let ConcludeExamination {
        case,
        version,
        recommendation,
        note,
    } = wish;
    let seen_case = SeenCase {
        case: *case,
        version: *version,
    };
    let case = &seen(view, seen_case, &[CaseState::InExamination])?;
    let recommendation = *recommendation;
    may_examine(case, actor)?;
    let note = note.as_deref().map(reason_text).transpose()?;
    match recommendation {
        Recommendation::Reject if note.is_none() => return Err(CaseRefusal::ReasonWanted.into()),
        Recommendation::Reject => {}
        Recommendation::Approve => check_items(view, case)?,
    }
    Ok(vec![Event::Case(CaseEvent::ExaminationConcluded {
        case: case.case,
        by: actor.clone(),
        recommendation,
        note,
    })])
}

/// Everything is judged, and nothing that must be met is not.
pub(super) fn check_items(view: &dyn View, case: &Case) -> Result<(), DecideError> {
    let rules = rules_of(view, case)?;
    let scope = Scope::of(view, case)?;
    let (mut missing, mut unmet) = (Vec::new(), Vec::new());
    for rule in rules.items(scope.profile()) {
        match verdict(case, &rule.id) {
            None => missing.push(rule.id.clone()),
            Some(Verdict::NotMet) if rule.mandatory => unmet.push(rule.id.clone()),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        return Err(CaseRefusal::NotAllJudged {
            case: case.case,
            missing,
        }
        .into());
    }
    if !unmet.is_empty() {
        return Err(CaseRefusal::MandatoryUnmet {
            case: case.case,
            unmet,
        }
        .into());
    }
    Ok(())
}

/// What was found about a rule, if it was judged.
pub(super) fn verdict(case: &Case, rule: &RuleId) -> Option<Verdict> {
    case.judged
        .iter()
        .find(|judged| judged.judgement.rule == *rule)
        .map(|judged| judged.judgement.verdict)
}

/// The rules by which the case is judged.
pub(super) fn rules_of(view: &dyn View, case: &Case) -> Result<RuleSet, DecideError> {
    let version = case.rules.ok_or(CaseRefusal::NoRules)?;
    crate::rules::set(view, version)
}

/// An item of a case, with what was found about it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The rule.
    pub rule: Rule,
    /// What was found; nothing yet where it was not judged.
    pub judged: Option<Judged>,
}

/// The items of a case's examination, or of its opening test, under the rules by
/// which it is judged; before its examination, under those that hold.
///
/// # Errors
/// When the store cannot answer.
pub fn items(view: &dyn View, case: &Case, opening: bool) -> Result<Vec<Item>, DecideError> {
    let Some(version) = case.rules.or(view.latest_rules()?) else {
        return Ok(Vec::new());
    };
    let rules = crate::rules::set(view, version)?;
    let scope = Scope::of(view, case)?;
    let item = |rule: &Rule| Item {
        rule: rule.clone(),
        judged: case
            .judged
            .iter()
            .find(|judged| judged.judgement.rule == rule.id)
            .cloned(),
    };
    Ok(if opening && !case.wants_test() {
        Vec::new()
    } else if opening {
        rules.opening_items(scope.profile()).map(item).collect()
    } else {
        rules.items(scope.profile()).map(item).collect()
    })
}

/// To what the rules are applied.
pub(super) struct Scope {
    kind: ParticipantKind,
    lines: Vec<LineKind>,
    case: CaseKind,
}

impl Scope {
    /// By the lines that are wanted and, where there is a participant, those
    /// in use.
    pub(super) fn of(view: &dyn View, case: &Case) -> Result<Self, DecideError> {
        let mut lines = case.lines_wanted();
        if let Some(number) = case.participant {
            lines.extend(view.lines_of(number)?.into_iter().map(|line| line.kind));
        }
        Ok(Self {
            kind: participant_kind(view, case)?,
            lines: ascending(&lines),
            case: case.kind(),
        })
    }

    pub(super) fn profile(&self) -> Profile<'_> {
        Profile {
            kind: self.kind,
            lines: &self.lines,
            case: self.case,
        }
    }
}

/// The judgements as they are recorded, each checked against its rule.
pub(super) fn judged(
    view: &dyn View,
    actor: &Actor,
    case: &Case,
    items: &[&Rule],
    judgements: &[Judgement],
    now: UnixMillis,
) -> Result<Vec<Judged>, DecideError> {
    if judgements.is_empty() || judgements.len() > JUDGEMENTS_PER_COMMAND {
        return Err(CaseRefusal::JudgementCount(judgements.len()).into());
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut out = Vec::with_capacity(judgements.len());
    for judgement in judgements {
        let id = &judgement.rule;
        if !seen.insert(id) {
            return Err(CaseRefusal::JudgedTwice(id.clone()).into());
        }
        let rule =
            items
                .iter()
                .find(|rule| rule.id == *id)
                .ok_or_else(|| CaseRefusal::NotAnItem {
                    case: case.case,
                    rule: id.clone(),
                })?;
        out.push(one(view, actor, case, rule, judgement, now)?);
    }
    Ok(out)
}

fn one(
    view: &dyn View,
    actor: &Actor,
    case: &Case,
    rule: &Rule,
    judgement: &Judgement,
    now: UnixMillis,
) -> Result<Judged, DecideError> {
    let id = || rule.id.clone();
    let note = judgement.note.as_deref().map(reason_text).transpose()?;
    if judgement.verdict != Verdict::Met && note.is_none() {
        return Err(CaseRefusal::NoteWanted(id()).into());
    }
    let documents = ascending(&judgement.documents);
    for sha256 in &documents {
        if !case.documents.iter().any(|known| known.sha256 == *sha256) {
            return Err(CaseRefusal::DocumentOfOtherCase {
                rule: id(),
                sha256: *sha256,
            }
            .into());
        }
    }
    let mut found = None;
    match (judgement.verdict, judgement.evidence) {
        (Verdict::Met, None) => return Err(CaseRefusal::EvidenceWanted(id()).into()),
        (_, None) => {}
        (verdict, Some(evidence)) => {
            if !rule.evidence.contains(&evidence) {
                return Err(CaseRefusal::EvidenceNotAccepted {
                    rule: id(),
                    evidence,
                    accepted: rule.evidence.clone(),
                }
                .into());
            }
            if evidence == EvidenceKind::Document && documents.is_empty() {
                return Err(CaseRefusal::DocumentWanted(id()).into());
            }
            if evidence.is_automatic() {
                let (passed, text) = automatic(view, case, evidence, now)?;
                // Nobody claims what the center did not find.
                if verdict == Verdict::Met && !passed {
                    return Err(CaseRefusal::EvidenceDoesNotShow {
                        rule: id(),
                        evidence,
                        found: text.map_or_else(
                            || "nothing was recorded (記録がありません)".to_owned(),
                            |text| text.en,
                        ),
                    }
                    .into());
                }
                found = text;
            }
        }
    }
    Ok(Judged {
        judgement: Judgement {
            rule: id(),
            verdict: judgement.verdict,
            evidence: judgement.evidence,
            note,
            documents,
        },
        found,
        by: actor.clone(),
    })
}

/// What the center found, now or as recorded: all that was looked at passed,
/// and something was.
fn automatic(
    view: &dyn View,
    case: &Case,
    kind: EvidenceKind,
    now: UnixMillis,
) -> Result<(bool, Option<Text>), DecideError> {
    if let Some(facts) = facts(view, case, kind, now)? {
        let finding = facts.judge(now);
        return Ok((finding.passed, Some(finding.text)));
    }
    let recorded: Vec<_> = case.evidence.iter().filter(|it| it.kind == kind).collect();
    let failed = recorded.iter().find(|it| !it.passed);
    Ok(match (failed, recorded.last()) {
        (Some(failed), _) => (false, Some(failed.text.clone())),
        (None, Some(last)) => (true, Some(last.text.clone())),
        (None, None) => (false, None),
    })
}
