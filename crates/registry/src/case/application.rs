//! 申請書: what a case asks for, by its kind, and its form as recorded.

use super::refusal::CaseRefusal;
use crate::applicant::ListId;
use crate::decide::{reason_text, text};
use crate::limits::{NAME_MAX_CHARS, WISHES_PER_APPLICATION};
use crate::service::ascending;
use crate::view::View;
use crate::{DecideError, Refusal};
use iryonet_domain::{
    CaseKind, Digest, InstitutionCode, LineKind, ParticipantKind, ParticipantNumber, Prefecture,
    Purpose, ServiceId, SiteIndex, UnixMillis,
};
use serde::{Deserialize, Serialize};

/// A site that is wanted, with its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteWish {
    /// Name, as 本院.
    pub name: String,
    /// By which accesses it is to come in; one at least.
    pub lines: Vec<LineKind>,
}

/// Lines that are wanted at a site that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesWish {
    /// Which site.
    pub site: SiteIndex,
    /// By which accesses; one at least.
    pub lines: Vec<LineKind>,
}

/// A service that is wanted. It is asked for by an agreement, once open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceWish {
    /// Which.
    pub service: ServiceId,
    /// What for.
    pub purpose: Purpose,
}

/// 加入.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Of what kind.
    pub participant_kind: ParticipantKind,
    /// Name as it writes itself.
    pub name: String,
    /// 医療機関コード, if it has one.
    pub code: Option<InstitutionCode>,
    /// 都道府県; as the code says it where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Prefecture>,
    /// Sites with their lines; one at least.
    pub sites: Vec<SiteWish>,
    /// Services, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceWish>,
}

/// 変更. What is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another prefecture, for who has no code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Prefecture>,
    /// More sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteWish>,
    /// More lines at sites that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LinesWish>,
    /// More services, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceWish>,
}

impl Change {
    /// Is there something new to be tried?
    #[must_use]
    pub fn adds_access(&self) -> bool {
        !self.sites.is_empty() || !self.lines.is_empty()
    }
}

/// 移転.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocation {
    /// The code at the new place; the present one where it stays.
    pub code: Option<InstitutionCode>,
    /// 都道府県 of the new place, where the code does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Prefecture>,
    /// Sites at the new place, with their lines; one at least.
    pub sites: Vec<SiteWish>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Application {
    /// 加入.
    Admission(Admission),
    /// 変更.
    Change(Change),
    /// 機器追加.
    SecondDevice {
        /// What for, and where it stands.
        reason: String,
    },
    /// 移転.
    Relocation(Relocation),
    /// 開設者変更.
    ChangeOfOwner {
        /// The code under the new owner; the present one where it stays.
        code: Option<InstitutionCode>,
        /// The name under the new owner, where it is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// 休止.
    Suspension {
        /// Why.
        reason: String,
        /// From when on; with the approval where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<UnixMillis>,
    },
    /// 再開.
    Resumption {
        /// Why.
        reason: String,
    },
    /// 脱退.
    Withdrawal {
        /// Why.
        reason: String,
        /// From when on; with the approval where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<UnixMillis>,
    },
    /// 名簿からの消滅による閉鎖.
    ClosingByList {
        /// Its code, which the list named before.
        code: InstitutionCode,
        /// Which list names it no more.
        list: ListId,
        /// SHA-256 of that list's file.
        file_sha256: Digest,
    },
    /// 再監査.
    Audit {
        /// Why.
        reason: String,
    },
}

impl Application {
    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> CaseKind {
        match self {
            Self::Admission(_) => CaseKind::Admission,
            Self::Change(_) => CaseKind::Change,
            Self::SecondDevice { .. } => CaseKind::SecondDevice,
            Self::Relocation(_) => CaseKind::Relocation,
            Self::ChangeOfOwner { .. } => CaseKind::ChangeOfOwner,
            Self::Suspension { .. } => CaseKind::Suspension,
            Self::Resumption { .. } => CaseKind::Resumption,
            Self::Withdrawal { .. } => CaseKind::Withdrawal,
            Self::ClosingByList { .. } => CaseKind::ClosingByList,
            Self::Audit { .. } => CaseKind::Audit,
        }
    }

    /// The code that it names.
    #[must_use]
    pub fn code(&self) -> Option<InstitutionCode> {
        match self {
            Self::Admission(wish) => wish.code,
            Self::Relocation(wish) => wish.code,
            Self::ChangeOfOwner { code, .. } => *code,
            Self::ClosingByList { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The name that it names.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Admission(wish) => Some(&wish.name),
            Self::Change(Change { name, .. }) | Self::ChangeOfOwner { name, .. } => name.as_deref(),
            _ => None,
        }
    }

    /// Sites that it wants.
    #[must_use]
    pub fn sites(&self) -> &[SiteWish] {
        match self {
            Self::Admission(wish) => &wish.sites,
            Self::Change(change) => &change.sites,
            Self::Relocation(wish) => &wish.sites,
            _ => &[],
        }
    }

    /// Kinds of the lines that it wants, ascending.
    #[must_use]
    pub fn lines_wanted(&self) -> Vec<LineKind> {
        let more: &[LinesWish] = match self {
            Self::Change(change) => &change.lines,
            _ => &[],
        };
        let all: Vec<LineKind> = self
            .sites()
            .iter()
            .flat_map(|site| site.lines.iter().copied())
            .chain(more.iter().flat_map(|wish| wish.lines.iter().copied()))
            .collect();
        ascending(&all)
    }

    /// The application as it is recorded.
    pub(super) fn cleaned(
        &self,
        view: &dyn View,
        participant: Option<ParticipantNumber>,
    ) -> Result<Self, DecideError> {
        Ok(match self {
            Self::Admission(wish) => Self::Admission(admission(view, wish)?),
            Self::Change(wish) => Self::Change(change(view, participant, wish)?),
            Self::SecondDevice { reason } => Self::SecondDevice {
                reason: reason_text(reason)?,
            },
            Self::Relocation(wish) => Self::Relocation(Relocation {
                sites: sites(&wish.sites)?,
                ..wish.clone()
            }),
            Self::ChangeOfOwner { code, name } => Self::ChangeOfOwner {
                code: *code,
                name: name.as_deref().map(name_text).transpose()?,
            },
            Self::Suspension { reason, from } => Self::Suspension {
                reason: reason_text(reason)?,
                from: *from,
            },
            Self::Resumption { reason } => Self::Resumption {
                reason: reason_text(reason)?,
            },
            Self::Withdrawal { reason, from } => Self::Withdrawal {
                reason: reason_text(reason)?,
                from: *from,
            },
            Self::ClosingByList { .. } => self.clone(),
            Self::Audit { reason } => Self::Audit {
                reason: reason_text(reason)?,
            },
        })
    }
}

fn name_text(name: &str) -> Result<String, Refusal> {
    text("name", name, NAME_MAX_CHARS)
}

fn admission(view: &dyn View, wish: &Admission) -> Result<Admission, DecideError> {
    if let Some(code) = wish.code {
        crate::participant::check_code(view, wish.participant_kind, code)?;
        if let Some(area) = wish.area
            && area != code.prefecture()
        {
            return Err(CaseRefusal::AreaOfOtherCode { area, code }.into());
        }
    }
    let services = services(view, &wish.services)?;
    for service in &services {
        // Who it is not for asks in vain; better said now than after weeks.
        let found = crate::service::open(view, service.service)?;
        if !found.eligible.is_empty() && !found.eligible.contains(&wish.participant_kind) {
            return Err(CaseRefusal::WishNotEligible {
                service: service.service,
                kind: wish.participant_kind,
            }
            .into());
        }
    }
    Ok(Admission {
        name: name_text(&wish.name)?,
        sites: sites(&wish.sites)?,
        services,
        ..wish.clone()
    })
}

fn change(
    view: &dyn View,
    participant: Option<ParticipantNumber>,
    wish: &Change,
) -> Result<Change, DecideError> {
    let mut lines = Vec::new();
    if wish.lines.len() > WISHES_PER_APPLICATION {
        return Err(CaseRefusal::TooManyWishes(wish.lines.len()).into());
    }
    for line in &wish.lines {
        if let Some(participant) = participant
            && view.site(participant, line.site)?.is_none()
        {
            return Err(Refusal::SiteUnknown {
                participant,
                site: line.site,
            }
            .into());
        }
        if line.lines.is_empty() {
            return Err(CaseRefusal::SiteWithoutLine.into());
        }
        lines.push(LinesWish {
            site: line.site,
            lines: ascending(&line.lines),
        });
    }
    Ok(Change {
        name: wish.name.as_deref().map(name_text).transpose()?,
        area: wish.area,
        sites: if wish.sites.is_empty() {
            Vec::new()
        } else {
            sites(&wish.sites)?
        },
        lines,
        services: services(view, &wish.services)?,
    })
}

fn sites(wishes: &[SiteWish]) -> Result<Vec<SiteWish>, DecideError> {
    if wishes.is_empty() {
        return Err(CaseRefusal::NoSite.into());
    }
    if wishes.len() > WISHES_PER_APPLICATION {
        return Err(CaseRefusal::TooManyWishes(wishes.len()).into());
    }
    wishes
        .iter()
        .map(|site| {
            if site.lines.is_empty() {
                return Err(CaseRefusal::SiteWithoutLine.into());
            }
            Ok(SiteWish {
                name: text("name of the site", &site.name, NAME_MAX_CHARS)?,
                lines: ascending(&site.lines),
            })
        })
        .collect()
}

fn services(view: &dyn View, wishes: &[ServiceWish]) -> Result<Vec<ServiceWish>, DecideError> {
    if wishes.len() > WISHES_PER_APPLICATION {
        return Err(CaseRefusal::TooManyWishes(wishes.len()).into());
    }
    let wishes = ascending(wishes);
    for wish in &wishes {
        let service = crate::service::open(view, wish.service)?;
        if !service.purposes.contains(&wish.purpose) {
            return Err(Refusal::PurposeNotServed {
                purpose: wish.purpose,
                service: wish.service,
                purposes: service.purposes,
            }
            .into());
        }
    }
    Ok(wishes)
}
