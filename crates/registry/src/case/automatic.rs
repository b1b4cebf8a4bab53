//! What the registry itself can tell about a case, as facts for the rules.

use super::{Application, Case};
use crate::view::{View, ViewError};
use iryonet_domain::{InstitutionCode, ParticipantKind, UnixMillis};
use iryonet_rules::{EvidenceKind, Facts, Finding};

/// The facts for one kind of automatic evidence; none where the registry
/// cannot know them.
pub(super) fn facts(
    view: &dyn View,
    case: &Case,
    kind: EvidenceKind,
    now: UnixMillis,
) -> Result<Option<Facts>, ViewError> {
    Ok(match kind {
        EvidenceKind::CodeCheckDigit => Some(Facts::CodeCheckDigit {
            participant_kind: participant_kind(view, case)?,
            code: code(view, case)?,
        }),
        EvidenceKind::PublicListPresence => {
            let listed = match code(view, case)? {
                Some(code) => view.applicant(code)?,
                None => None,
            };
            let name = match (case.application.name(), case.participant) {
                (Some(name), _) => name.to_owned(),
                (None, Some(number)) => view
                    .participant(number)?
                    .map(|p| p.name)
                    .unwrap_or_default(),
                (None, None) => String::new(),
            };
            Some(Facts::PublicListPresence {
                name,
                listed: listed.as_ref().map(|listed| listed.name.clone()),
                vanished_at: listed.and_then(|listed| listed.vanished_at),
            })
        }
        EvidenceKind::CertificateValid => {
            // The newest: what the case has just brought, where it brought one.
            let device = match case.participant {
                Some(participant) => view
                    .valid_devices(participant, now)?
                    .into_iter()
                    .max_by_key(|device| device.device),
                None => None,
            };
            Some(Facts::CertificateValid {
                participant: case.participant,
                holder: device.as_ref().map(|device| device.participant),
                fingerprint: device.as_ref().map(|device| device.fingerprint),
                not_after: device.as_ref().map(|device| device.not_after),
                revoked: device.is_some_and(|device| device.revoked.is_some()),
            })
        }
        _ => None,
    })
}

fn code(view: &dyn View, case: &Case) -> Result<Option<InstitutionCode>, ViewError> {
    if let Some(code) = case.application.code() {
        return Ok(Some(code));
    }
    Ok(match case.participant {
        Some(number) => view.participant(number)?.and_then(|known| known.code),
        None => None,
    })
}

pub(super) fn participant_kind(view: &dyn View, case: &Case) -> Result<ParticipantKind, ViewError> {
    if let Application::Admission(wish) = &case.application {
        return Ok(wish.participant_kind);
    }
    let known = match case.participant {
        Some(number) => view.participant(number)?,
        None => None,
    };
    Ok(known.map_or(ParticipantKind::Provider, |known| known.kind))
}

/// Everything that the registry can tell by itself about a case now: for the
/// examiner to look at, before anything is judged.
///
/// # Errors
/// When the store cannot answer.
pub fn findings(view: &dyn View, case: &Case, now: UnixMillis) -> Result<Vec<Finding>, ViewError> {
    let mut findings = Vec::new();
    for kind in [
        EvidenceKind::CodeCheckDigit,
        EvidenceKind::PublicListPresence,
        EvidenceKind::CertificateValid,
    ] {
        if let Some(facts) = facts(view, case, kind, now)? {
            findings.push(facts.judge(now));
        }
    }
    Ok(findings)
}
