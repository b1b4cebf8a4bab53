//! What is known about a participant's membership beyond its name: where it
//! is, who answers for it, which codes it had, under which rules it was
//! examined, and what holds it back. And the events of a membership after its
//! beginning.

use crate::event::Topic;
use crate::participant::{Participant, Standing};
use iryonet_domain::{CaseId, InstitutionCode, Officer, ParticipantNumber, Prefecture, UnixMillis};
use iryonet_rules::RuleVersion;
use serde::{Deserialize, Serialize};

/// See the module. Everything is left out where it is as for a participant of
/// the first releases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Membership {
    /// 都道府県, as stated by the participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Prefecture>,
    /// 担当者.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
    /// Codes that it had before its present one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_codes: Vec<FormerCode>,
    /// Since when it has its present code; none: since its admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_since: Option<UnixMillis>,
    /// The rules under which it was examined last; none: by no case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examined: Option<RuleVersion>,
    /// When its connection was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<UnixMillis>,
    /// When a person last found that it exists, though a public list names it
    /// no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_confirmed_at: Option<UnixMillis>,
    /// What holds it back, while it is on hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What it returns to when its quarantine ends.
    #[serde(default = "open", skip_serializing_if = "is_open")]
    pub returns_to: Standing,
}

fn open() -> Standing {
    Standing::Open
}

fn is_open(standing: &Standing) -> bool {
    *standing == Standing::Open
}

/// A code of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerCode {
    /// The code; none for a time in which it had none.
    pub code: Option<InstitutionCode>,
    /// Since when it had it.
    pub from: UnixMillis,
    /// First millisecond at which it had it no more.
    pub until: UnixMillis,
}

/// 保留: why, since when, and when it ends in closing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: UnixMillis,
    /// First millisecond at which a re-check that still finds it invalid
    /// closes it; none where only a person closes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_at: Option<UnixMillis>,
    /// Why, ascending.
    pub reasons: Vec<InvalidReason>,
}

/// Why the re-check finds a participant invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidReason {
    /// The newest public list names its code no more. A person decides about
    /// closing; the re-check does not.
    CodeVanished,
    /// Its code is of another score table than its kind.
    CodeOfOtherKind,
    /// It was not examined in time for rules that became stricter.
    RulesOutOfDate,
}

impl InvalidReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [
        Self::CodeVanished,
        Self::CodeOfOtherKind,
        Self::RulesOutOfDate,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CodeVanished => "code-vanished",
            Self::CodeOfOtherKind => "code-of-other-kind",
            Self::RulesOutOfDate => "rules-out-of-date",
        }
    }

    /// The Japanese name.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::CodeVanished => "公的名簿から消滅",
            Self::CodeOfOtherKind => "コードと種別の不一致",
            Self::RulesOutOfDate => "改定された要件の審査が未了",
        }
    }
}

/// What became of a membership after its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the line above each variant explains its fields"
)]
pub enum MembershipEvent {
    /// It was admitted by a case, just before, and waits for its opening test.
    MembershipBegun {
        participant: ParticipantNumber,
        case: CaseId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        area: Option<Prefecture>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        officer: Option<Officer>,
        examined: RuleVersion,
    },
    /// 開通: its agreements open their paths.
    ParticipantOpened {
        participant: ParticipantNumber,
        case: CaseId,
    },
    /// 休止.
    ParticipantSuspended {
        participant: ParticipantNumber,
        case: CaseId,
        reason: String,
    },
    /// 再開.
    ParticipantResumed {
        participant: ParticipantNumber,
        case: CaseId,
    },
    /// It is named, placed or answered for otherwise; what is left out stays.
    ParticipantChanged {
        participant: ParticipantNumber,
        case: CaseId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        area: Option<Prefecture>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        officer: Option<Officer>,
    },
    /// 移転・開設者変更: another code, the same participant.
    ParticipantCodeChanged {
        participant: ParticipantNumber,
        case: CaseId,
        before: Option<InstitutionCode>,
        after: Option<InstitutionCode>,
    },
    /// It was examined anew.
    ParticipantExamined {
        participant: ParticipantNumber,
        case: CaseId,
        rules: RuleVersion,
    },
    /// A person found that it exists, though the list names it no more.
    PresenceConfirmed {
        participant: ParticipantNumber,
        case: CaseId,
    },
    /// 保留: the re-check found it invalid.
    ParticipantHeld {
        participant: ParticipantNumber,
        hold: Hold,
    },
    /// The re-check found it valid again.
    ParticipantHoldEnded { participant: ParticipantNumber },
}

impl MembershipEvent {
    /// Whose membership it is.
    #[must_use]
    pub fn participant(&self) -> ParticipantNumber {
        match self {
            Self::MembershipBegun { participant, .. }
            | Self::ParticipantOpened { participant, .. }
            | Self::ParticipantSuspended { participant, .. }
            | Self::ParticipantResumed { participant, .. }
            | Self::ParticipantChanged { participant, .. }
            | Self::ParticipantCodeChanged { participant, .. }
            | Self::ParticipantExamined { participant, .. }
            | Self::PresenceConfirmed { participant, .. }
            | Self::ParticipantHeld { participant, .. }
            | Self::ParticipantHoldEnded { participant } => *participant,
        }
    }

    /// The standing that it brings about, where it does.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::MembershipBegun { .. } => Some(Standing::Admitted),
            Self::ParticipantOpened { .. }
            | Self::ParticipantResumed { .. }
            | Self::ParticipantHoldEnded { .. } => Some(Standing::Open),
            Self::ParticipantSuspended { .. } => Some(Standing::Suspended),
            Self::ParticipantHeld { .. } => Some(Standing::OnHold),
            Self::ParticipantChanged { .. }
            | Self::ParticipantCodeChanged { .. }
            | Self::ParticipantExamined { .. }
            | Self::PresenceConfirmed { .. } => None,
        }
    }

    pub(crate) fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Participant(self.participant())];
        match self {
            Self::MembershipBegun { case, .. }
            | Self::ParticipantOpened { case, .. }
            | Self::ParticipantSuspended { case, .. }
            | Self::ParticipantResumed { case, .. }
            | Self::ParticipantChanged { case, .. }
            | Self::ParticipantExamined { case, .. }
            | Self::PresenceConfirmed { case, .. } => topics.push(Topic::Case(*case)),
            Self::ParticipantCodeChanged {
                case,
                before,
                after,
                ..
            } => {
                topics.push(Topic::Case(*case));
                topics.extend(
                    [before, after]
                        .into_iter()
                        .flatten()
                        .map(|code| Topic::Applicant(*code)),
                );
            }
            Self::ParticipantHeld { .. } | Self::ParticipantHoldEnded { .. } => {}
        }
        topics
    }

    /// What the participant is after it, recorded at `at`.
    pub(crate) fn change(&self, participant: &mut Participant, at: UnixMillis) {
        if let Some(standing) = self.standing() {
            // A quarantine stays until it is ended; behind it, all goes on.
            if participant.standing == Standing::Quarantined {
                participant.membership.returns_to = standing;
            } else {
                participant.standing = standing;
            }
        }
        let membership = &mut participant.membership;
        match self {
            Self::MembershipBegun {
                area,
                officer,
                examined,
                ..
            } => {
                membership.area = *area;
                membership.officer.clone_from(officer);
                membership.examined = Some(*examined);
            }
            Self::ParticipantOpened { .. } => membership.opened_at = Some(at),
            Self::ParticipantChanged {
                name,
                area,
                officer,
                ..
            } => {
                if let Some(name) = name {
                    participant.name.clone_from(name);
                }
                if area.is_some() {
                    membership.area = *area;
                }
                if officer.is_some() {
                    membership.officer.clone_from(officer);
                }
            }
            Self::ParticipantCodeChanged { before, after, .. } => {
                membership.former_codes.push(FormerCode {
                    code: *before,
                    from: membership.code_since.unwrap_or(participant.admitted_at),
                    until: at,
                });
                membership.code_since = Some(at);
                participant.code = *after;
            }
            Self::ParticipantExamined { rules, .. } => membership.examined = Some(*rules),
            Self::PresenceConfirmed { .. } => membership.presence_confirmed_at = Some(at),
            Self::ParticipantHeld { hold, .. } => membership.hold = Some(hold.clone()),
            Self::ParticipantHoldEnded { .. } => membership.hold = None,
            Self::ParticipantSuspended { .. } | Self::ParticipantResumed { .. } => {}
        }
    }
}
