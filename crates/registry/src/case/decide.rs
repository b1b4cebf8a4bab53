//! What every command about a case asks first: is the case there, is it still
//! what its sender saw, and is it in a state in which this is done?

use super::command::SeenCase;
use super::refusal::CaseRefusal;
use super::{Case, CaseState};
use crate::DecideError;
use crate::view::View;
use iryonet_domain::CaseId;

pub(super) const BEFORE_APPROVAL: &[CaseState] = &[
    CaseState::Received,
    CaseState::Returned,
    CaseState::Accepted,
    CaseState::InExamination,
    CaseState::Examined,
];

pub(super) fn known(view: &dyn View, case: CaseId) -> Result<Case, DecideError> {
    Ok(view.case(case)?.ok_or(CaseRefusal::Unknown(case))?)
}

pub(super) fn in_state(case: Case, wanted: &'static [CaseState]) -> Result<Case, CaseRefusal> {
    if wanted.contains(&case.state) {
        Ok(case)
    } else {
        Err(CaseRefusal::State {
            case: case.case,
            state: case.state,
            wanted,
        })
    }
}

/// The case, if it still is what the sender saw. The version is asked before
/// the state: who comes second is told who was first, not only that it is late.
pub(super) fn seen(
    view: &dyn View,
    SeenCase { case, version }: SeenCase,
    wanted: &'static [CaseState],
) -> Result<Case, DecideError> {
    let case = known(view, case)?;
    if case.version != version {
        return Err(CaseRefusal::Changed {
            case: case.case,
            named: version,
            version: case.version,
            state: case.state,
            by: case.touched_by.to_string(),
            at: case.touched_at,
        }
        .into());
    }
    Ok(in_state(case, wanted)?)
}
