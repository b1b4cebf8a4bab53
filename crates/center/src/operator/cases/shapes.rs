//! 申請書: what an application asks for, as the API takes and shows it.

use iryonet_domain::{
    CaseKind, InstitutionCode, LineKind, Officer, ParticipantKind, ParticipantNumber, Prefecture,
    Purpose, ServiceId, UnixMillis,
};
use iryonet_registry::case::{
    Admission, Application, Change, LinesWish, Relocation, ServiceWish, SiteWish,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// 担当者: whom to reach, and how. A telephone number or a mail address, or both.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfficerShape {
    /// 氏名.
    #[schema(example = "佐藤 花子")]
    name: String,
    /// 電話番号.
    #[serde(default)]
    #[schema(example = "03-1234-5678")]
    telephone: Option<String>,
    /// Mail address.
    #[serde(default)]
    #[schema(example = "sato@clinic.example.jp")]
    mail: Option<String>,
}

impl From<OfficerShape> for Officer {
    fn from(shape: OfficerShape) -> Self {
        Self {
            name: shape.name,
            telephone: shape.telephone,
            mail: shape.mail,
        }
    }
}

impl From<Officer> for OfficerShape {
    fn from(officer: Officer) -> Self {
        Self {
            name: officer.name,
            telephone: officer.telephone,
            mail: officer.mail,
        }
    }
}

/// A site that is wanted, with its lines.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteShape {
    /// Name, as 本院.
    #[schema(example = "本院")]
    name: String,
    /// By which accesses it is to come in, one at least: ethernet, ip-vpn, ipsec or tls.
    #[schema(value_type = Vec<String>, example = json!(["ethernet"]))]
    lines: Vec<LineKind>,
}

/// Lines that are wanted at a site that is there.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinesShape {
    /// Which site.
    #[schema(value_type = u32, maximum = 255)]
    site: u8,
    /// One at least: ethernet, ip-vpn, ipsec or tls.
    #[schema(value_type = Vec<String>, example = json!(["ipsec"]))]
    lines: Vec<LineKind>,
}

/// A service that is wanted; asked for by an agreement, once open.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceShape {
    /// Which.
    #[schema(value_type = u32)]
    service: ServiceId,
    /// What for.
    #[schema(value_type = String, example = "online-claims")]
    purpose: Purpose,
}

/// What is asked for, by its kind.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ApplicationShape {
    /// 加入: a new participant.
    Admission {
        /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
        #[schema(value_type = String, example = "clinic")]
        participant_kind: ParticipantKind,
        /// Name as it writes itself, at most 120 characters.
        #[schema(example = "さくら診療所")]
        name: String,
        /// 医療機関コード, ten digits, if it has one.
        #[serde(default)]
        #[schema(value_type = Option<String>, example = "1311234565")]
        code: Option<InstitutionCode>,
        /// 都道府県, 1 to 47; as the code says it where left out.
        #[serde(default)]
        #[schema(value_type = Option<u32>, minimum = 1, maximum = 47)]
        area: Option<Prefecture>,
        /// 1 to 64 sites with their lines.
        sites: Vec<SiteShape>,
        /// At most 64 services.
        #[serde(default)]
        services: Vec<ServiceShape>,
    },
    /// 変更: what is left out stays.
    Change {
        /// Another name.
        #[serde(default)]
        name: Option<String>,
        /// Another prefecture, for who has no code.
        #[serde(default)]
        #[schema(value_type = Option<u32>, minimum = 1, maximum = 47)]
        area: Option<Prefecture>,
        /// More sites.
        #[serde(default)]
        sites: Vec<SiteShape>,
        /// More lines at sites that are there.
        #[serde(default)]
        lines: Vec<LinesShape>,
        /// More services.
        #[serde(default)]
        services: Vec<ServiceShape>,
    },
    /// 機器追加: one more device.
    SecondDevice {
        /// What for, and where it stands.
        reason: String,
    },
    /// 移転: a new place, and with it a new code.
    Relocation {
        /// The code at the new place; the present one where it stays.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        code: Option<InstitutionCode>,
        /// 都道府県 of the new place, where the code does not say it.
        #[serde(default)]
        #[schema(value_type = Option<u32>, minimum = 1, maximum = 47)]
        area: Option<Prefecture>,
        /// Sites at the new place, one at least.
        sites: Vec<SiteShape>,
    },
    /// 開設者変更: a new owner; the same participant.
    ChangeOfOwner {
        /// The code under the new owner; the present one where it stays.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        code: Option<InstitutionCode>,
        /// The name under the new owner, where it is another.
        #[serde(default)]
        name: Option<String>,
    },
    /// 休止.
    Suspension {
        /// Why.
        reason: String,
        /// From when on, milliseconds since 1970; with the approval where left out.
        #[serde(default)]
        from: Option<u64>,
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
        /// From when on, milliseconds since 1970; with the approval where left out.
        #[serde(default)]
        from: Option<u64>,
    },
    /// 再監査: examined anew, under the rules of today.
    Audit {
        /// Why.
        reason: String,
    },
    /// 名簿からの消滅による閉鎖: proposed by a newer public list, and by nobody else.
    ClosingByList {
        /// The code that the list named before.
        code: String,
        /// Which list names it no more.
        list: String,
        /// SHA-256 of that list's file.
        file_sha256: String,
    },
}

/// A closing is proposed by a list, and not by who sends in an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfListsAlone;

impl TryFrom<ApplicationShape> for Application {
    type Error = OfListsAlone;

    fn try_from(shape: ApplicationShape) -> Result<Self, OfListsAlone> {
        Ok(match shape {
            ApplicationShape::Admission {
                participant_kind,
                name,
                code,
                area,
                sites,
                services,
            } => Self::Admission(Admission {
                participant_kind,
                name,
                code,
                area,
                sites: wishes(sites),
                services: wishes(services),
            }),
            ApplicationShape::Change {
                name,
                area,
                sites,
                lines,
                services,
            } => Self::Change(Change {
                name,
                area,
                sites: wishes(sites),
                lines: wishes(lines),
                services: wishes(services),
            }),
            ApplicationShape::SecondDevice { reason } => Self::SecondDevice { reason },
            ApplicationShape::Relocation { code, area, sites } => Self::Relocation(Relocation {
                code,
                area,
                sites: wishes(sites),
            }),
            ApplicationShape::ChangeOfOwner { code, name } => Self::ChangeOfOwner { code, name },
            ApplicationShape::Suspension { reason, from } => Self::Suspension {
                reason,
                from: from.map(UnixMillis),
            },
            ApplicationShape::Resumption { reason } => Self::Resumption { reason },
            ApplicationShape::Withdrawal { reason, from } => Self::Withdrawal {
                reason,
                from: from.map(UnixMillis),
            },
            ApplicationShape::Audit { reason } => Self::Audit { reason },
            ApplicationShape::ClosingByList { .. } => return Err(OfListsAlone),
        })
    }
}

impl From<Application> for ApplicationShape {
    fn from(application: Application) -> Self {
        match application {
            Application::Admission(wish) => Self::Admission {
                participant_kind: wish.participant_kind,
                name: wish.name,
                code: wish.code,
                area: wish.area,
                sites: wishes(wish.sites),
                services: wishes(wish.services),
            },
            Application::Change(wish) => Self::Change {
                name: wish.name,
                area: wish.area,
                sites: wishes(wish.sites),
                lines: wishes(wish.lines),
                services: wishes(wish.services),
            },
            Application::SecondDevice { reason } => Self::SecondDevice { reason },
            Application::Relocation(wish) => Self::Relocation {
                code: wish.code,
                area: wish.area,
                sites: wishes(wish.sites),
            },
            Application::ChangeOfOwner { code, name } => Self::ChangeOfOwner { code, name },
            Application::Suspension { reason, from } => Self::Suspension {
                reason,
                from: from.map(|from| from.0),
            },
            Application::Resumption { reason } => Self::Resumption { reason },
            Application::Withdrawal { reason, from } => Self::Withdrawal {
                reason,
                from: from.map(|from| from.0),
            },
            Application::Audit { reason } => Self::Audit { reason },
            Application::ClosingByList {
                code,
                list,
                file_sha256,
            } => Self::ClosingByList {
                code: code.to_string(),
                list: list.to_string(),
                file_sha256: file_sha256.to_string(),
            },
        }
    }
}

fn wishes<A, B: From<A>>(wishes: Vec<A>) -> Vec<B> {
    wishes.into_iter().map(Into::into).collect()
}

impl From<SiteShape> for SiteWish {
    fn from(shape: SiteShape) -> Self {
        Self {
            name: shape.name,
            lines: shape.lines,
        }
    }
}

impl From<SiteWish> for SiteShape {
    fn from(wish: SiteWish) -> Self {
        Self {
            name: wish.name,
            lines: wish.lines,
        }
    }
}

impl From<LinesShape> for LinesWish {
    fn from(shape: LinesShape) -> Self {
        Self {
            site: shape.site,
            lines: shape.lines,
        }
    }
}

impl From<LinesWish> for LinesShape {
    fn from(wish: LinesWish) -> Self {
        Self {
            site: wish.site,
            lines: wish.lines,
        }
    }
}

impl From<ServiceShape> for ServiceWish {
    fn from(shape: ServiceShape) -> Self {
        Self {
            service: shape.service,
            purpose: shape.purpose,
        }
    }
}

impl From<ServiceWish> for ServiceShape {
    fn from(wish: ServiceWish) -> Self {
        Self {
            service: wish.service,
            purpose: wish.purpose,
        }
    }
}

/// A case in a list, and the head of one that is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseShown {
    /// Number, for ever.
    case: u64,
    /// Grows with every act on it; whoever acts names the one that they saw.
    version: u32,
    /// admission, change, second-device, relocation, change-of-owner, suspension,
    /// resumption, withdrawal, closing-by-list or audit.
    #[schema(value_type = String, example = "admission")]
    kind: CaseKind,
    /// The same in Japanese.
    kind_ja: &'static str,
    /// received, returned, accepted, in-examination, examined, approved,
    /// code-handed-out, certified, tested, done, rejected, withdrawn or lapsed.
    state: &'static str,
    /// The same in Japanese.
    state_ja: &'static str,
    /// Whom it is about; of an admission, once it is approved.
    #[schema(value_type = Option<u32>)]
    participant: Option<ParticipantNumber>,
    /// The name that it names.
    name: Option<String>,
    /// The code that it names.
    code: Option<String>,
    /// Who sent it in first.
    applicant: Option<String>,
    /// Who took it into examination.
    examiner: Option<String>,
    /// Milliseconds since 1970.
    received_at: u64,
    /// Who acted on it last.
    touched_by: String,
    /// Milliseconds since 1970.
    touched_at: u64,
    /// When it is carried out, where it waits for its day; milliseconds since 1970.
    due_at: Option<u64>,
}

impl CaseShown {
    pub(super) fn new(
        case: &iryonet_registry::Case,
        who: &dyn Fn(&iryonet_domain::Actor) -> String,
    ) -> Self {
        Self {
            case: case.case.0,
            version: case.version,
            kind: case.kind(),
            kind_ja: case.kind().name_ja(),
            state: case.state.as_str(),
            state_ja: case.state.name_ja(),
            participant: case.participant,
            name: case.application.name().map(str::to_owned),
            code: case.application.code().map(|code| code.to_string()),
            applicant: case.applicants.first().map(who),
            examiner: case.examiner.as_ref().map(who),
            received_at: case.received_at.0,
            touched_by: who(&case.touched_by),
            touched_at: case.touched_at.0,
            due_at: case.due_at().map(|due| due.0),
        }
    }
}
