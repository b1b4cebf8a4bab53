//! 回線: one access of a site, and the circuit where it ends.

use crate::decide::Decision;
use crate::limits::LINES_PER_SITE;
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::line::check_interface_name;
use iryonet_domain::{Circuit, LineId, LineKind, ParticipantNumber, SiteIndex};
use serde::{Deserialize, Serialize};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Number, for ever.
    pub line: LineId,
    /// By what access.
    pub kind: LineKind,
    /// Whose.
    pub participant: ParticipantNumber,
    /// Of which site.
    pub site: SiteIndex,
    /// Where it ends.
    pub circuit: Circuit,
}

impl Line {
    pub(crate) fn removed(&self) -> Event {
        Event::LineRemoved {
            line: self.line,
            participant: self.participant,
            site: self.site,
            circuit: self.circuit.clone(),
        }
    }
}

pub(crate) fn add(
    view: &dyn View,
    participant: ParticipantNumber,
    site: SiteIndex,
    kind: LineKind,
    circuit: &Circuit,
) -> Decision {
    crate::participant::open(view, participant)?;
    if view.site(participant, site)?.is_none() {
        return Err(Refusal::SiteUnknown { participant, site }.into());
    }
    if kind != LineKind::Ethernet {
        return Err(Refusal::LineKindNotServed(kind).into());
    }
    check_interface_name(&circuit.interface).map_err(Refusal::Interface)?;
    crate::gateway::known(view, &circuit.gateway)?;
    if let Some(other) = view.line_at(circuit)? {
        return Err(Refusal::CircuitTaken {
            circuit: circuit.clone(),
            other,
        }
        .into());
    }
    let lines = view.lines_of(participant)?;
    if lines.iter().filter(|line| line.site == site).count() >= LINES_PER_SITE {
        return Err(Refusal::TooManyLines { participant, site }.into());
    }
    let line = match view.last_line()? {
        None => LineId(1),
        Some(last) => LineId(last.0.checked_add(1).ok_or(Refusal::NoLineNumberLeft)?),
    };
    Ok(vec![Event::LineAdded {
        line,
        kind,
        participant,
        site,
        circuit: circuit.clone(),
    }])
}

pub(crate) fn remove(view: &dyn View, line: LineId) -> Decision {
    let line = view.line(line)?.ok_or(Refusal::LineUnknown(line))?;
    Ok(vec![line.removed()])
}
