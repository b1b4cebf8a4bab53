//! 参加者: admission, quarantine, closing.

use crate::certificate::RevocationReason;
use crate::command::Home;
use crate::decide::{Decision, reason_text, text};
use crate::limits::{CONSEQUENCES_MAX, NAME_MAX_CHARS};
use crate::membership::Membership;
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::{
    GatewayId, InstitutionCode, ParticipantKind, ParticipantNumber, Prefecture, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a participant may use the network, as far as people decided it.
/// (Whether it has a valid device is another question, answered by time.)
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A member.
    #[default]
    Open,
    /// 隔離: cut off for security, everything else kept.
    Quarantined,
    /// 閉鎖: left the network, for ever.
    Closed,
    /// 開通前: admitted, not open yet. Enrols and attaches for the opening
    /// test; no path is open to it.
    Admitted,
    /// 休止: at its own wish. No path is open to it.
    Suspended,
    /// 保留: the daily re-check found it invalid. No path is open to it.
    OnHold,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Quarantined,
        Self::Closed,
        Self::Admitted,
        Self::Suspended,
        Self::OnHold,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Quarantined => "quarantined",
            Self::Closed => "closed",
            Self::Admitted => "admitted",
            Self::Suspended => "suspended",
            Self::OnHold => "on-hold",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Open => "開通",
            Self::Quarantined => "隔離",
            Self::Closed => "閉鎖",
            Self::Admitted => "開通前",
            Self::Suspended => "休止",
            Self::OnHold => "保留",
        }
    }
}

/// A participant as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Number, for ever.
    pub number: ParticipantNumber,
    /// Kind.
    pub kind: ParticipantKind,
    /// Name.
    pub name: String,
    /// 医療機関コード.
    pub code: Option<InstitutionCode>,
    /// Standing.
    pub standing: Standing,
    /// When it was admitted.
    pub admitted_at: UnixMillis,
    /// What else is known about its membership.
    pub membership: Membership,
}

impl Participant {
    /// 都道府県: as it stated, or as its code says.
    #[must_use]
    pub fn prefecture(&self) -> Option<Prefecture> {
        self.membership
            .area
            .or_else(|| self.code.map(InstitutionCode::prefecture))
    }

    /// Its standing without a quarantine: what it returns to on release.
    #[must_use]
    pub fn standing_behind_quarantine(&self) -> Standing {
        match self.standing {
            Standing::Quarantined => self.membership.returns_to,
            standing => standing,
        }
    }
}

pub(crate) fn admit(
    view: &dyn View,
    kind: ParticipantKind,
    name: &str,
    code: Option<InstitutionCode>,
    home: &Home,
) -> Decision {
    crate::network::founded(view)?;
    let name = check_new(view, kind, name, code)?;
    let number = Numbers::default().next(view, home)?;
    Ok(vec![Event::ParticipantAdmitted {
        number,
        kind,
        name,
        code,
        area: None,
    }])
}

/// May there be such a participant? Gives its name as it is recorded.
pub(crate) fn check_new(
    view: &dyn View,
    kind: ParticipantKind,
    name: &str,
    code: Option<InstitutionCode>,
) -> Result<String, crate::DecideError> {
    let name = text("name", name, NAME_MAX_CHARS)?;
    if let Some(code) = code {
        check_code(view, kind, code)?;
    }
    Ok(name)
}

/// A code that fits the kind and that nobody open holds.
pub(crate) fn check_code(
    view: &dyn View,
    kind: ParticipantKind,
    code: InstitutionCode,
) -> Result<(), crate::DecideError> {
    let wanted = match kind {
        ParticipantKind::Institution(kind) => kind.score_table(),
        ParticipantKind::Provider => None,
    };
    match wanted {
        None => return Err(Refusal::CodeOfKindWithout { kind, code }.into()),
        Some(table) if table != code.score_table() => {
            return Err(Refusal::CodeOfOtherTable { kind, code }.into());
        }
        Some(_) => {}
    }
    if let Some(holder) = view.holder_of_code(code)? {
        return Err(Refusal::CodeTaken { code, holder }.into());
    }
    Ok(())
}

/// Numbers given within one decision. Numbers are not given again after a
/// closing: an address that once meant one institution never means another.
#[derive(Default)]
pub(crate) struct Numbers {
    blocks: BTreeMap<GatewayId, Vec<u8>>,
    /// The next number of a block; at its end one of another block, or none.
    next: BTreeMap<u8, u32>,
}

impl Numbers {
    /// The next number never given before.
    pub(crate) fn next(
        &mut self,
        view: &dyn View,
        home: &Home,
    ) -> Result<ParticipantNumber, crate::DecideError> {
        let blocks = match home {
            Home::Gateway(id) => match self.blocks.get(id) {
                Some(known) => known.clone(),
                None => {
                    let gateway = view.gateway(id)?;
                    let blocks = gateway
                        .ok_or_else(|| Refusal::GatewayUnknown(id.clone()))?
                        .blocks;
                    self.blocks.insert(id.clone(), blocks.clone());
                    blocks
                }
            },
            Home::Block(block) => {
                if !self.next.contains_key(block) && view.gateway_of_block(*block)?.is_none() {
                    return Err(Refusal::BlockUnassigned(*block).into());
                }
                vec![*block]
            }
        };
        for block in blocks {
            let next = match self.next.get(&block) {
                Some(next) => *next,
                None => match view.last_number(block)? {
                    None => u32::from(block) << 16,
                    Some(last) => last.get() + 1,
                },
            };
            self.next.insert(block, next);
            match ParticipantNumber::new(next) {
                Ok(number) if number.block() == block => {
                    self.next.insert(block, next + 1);
                    return Ok(number);
                }
                _ => {}
            }
        }
        Err(Refusal::NoNumberLeft(home.clone()).into())
    }
}

pub(crate) fn quarantine(view: &dyn View, number: ParticipantNumber, reason: &str) -> Decision {
    let reason = reason_text(reason)?;
    match known(view, number)?.standing {
        Standing::Quarantined => Err(Refusal::AlreadyQuarantined(number).into()),
        Standing::Closed => Err(Refusal::ParticipantClosed(number).into()),
        Standing::Open | Standing::Admitted | Standing::Suspended | Standing::OnHold => {
            Ok(vec![Event::ParticipantQuarantined {
                participant: number,
                reason,
            }])
        }
    }
}

pub(crate) fn release(view: &dyn View, number: ParticipantNumber) -> Decision {
    match known(view, number)?.standing {
        Standing::Quarantined => Ok(vec![Event::ParticipantReleased {
            participant: number,
        }]),
        Standing::Closed => Err(Refusal::ParticipantClosed(number).into()),
        Standing::Open | Standing::Admitted | Standing::Suspended | Standing::OnHold => {
            Err(Refusal::NotQuarantined(number).into())
        }
    }
}

pub(crate) fn close(
    view: &dyn View,
    number: ParticipantNumber,
    reason: &str,
    now: UnixMillis,
) -> Decision {
    let reason = reason_text(reason)?;
    open(view, number)?;
    let mut events = Vec::new();
    for agreement in view.open_agreements_of(number, CONSEQUENCES_MAX)? {
        events.push(agreement.ended(None));
    }
    for service in view.services_of(number)? {
        events.extend(crate::service::retire(view, service.service)?);
    }
    for line in view.lines_of(number)? {
        events.push(line.removed());
    }
    for device in view.valid_devices(number, now)? {
        events.push(device.revoked(RevocationReason::CessationOfOperation));
    }
    events.push(Event::ParticipantClosed {
        participant: number,
        reason,
    });
    if events.len() > CONSEQUENCES_MAX {
        return Err(Refusal::TooManyConsequences.into());
    }
    Ok(events)
}

/// The participant, whatever its standing.
pub(crate) fn known(
    view: &dyn View,
    number: ParticipantNumber,
) -> Result<Participant, crate::DecideError> {
    Ok(view
        .participant(number)?
        .ok_or(Refusal::ParticipantUnknown(number))?)
}

/// The participant, unless it is closed.
pub(crate) fn open(
    view: &dyn View,
    number: ParticipantNumber,
) -> Result<Participant, crate::DecideError> {
    let participant = known(view, number)?;
    if participant.standing == Standing::Closed {
        return Err(Refusal::ParticipantClosed(number).into());
    }
    Ok(participant)
}
