//! 権限: who may do what, and who may read what. The one table: [`may`] and
//! [`may_read`] are asked for every act and every question, and
//! `tests/golden/roles.txt` is this file as a person reads it.
//!
//! A new command or resource is not built until it has its row here.
//!
//! Break-glass (the operators' Unix socket) is not a role: there the person at
//! the machine says the role, and what the role may do is the same.
//!
//! It must not know how anybody proved to be who they are (`people`, `center`).

use crate::account::{self, AccountStanding, SpeaksFor};
use crate::case::command::{ResubmitApplication, SeenCase};
use crate::case::people::same_person;
use crate::case::{Case, CaseRefusal};
use crate::view::{View, ViewError};
use crate::{Act, Command, DecideError, Refusal};
use iryonet_domain::{AccountName, Actor, ParticipantNumber, Role};

/// How far a right reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Anybody's.
    Every,
    /// That of the participant for whom the account speaks, and nobody else's.
    Own,
    /// Accounts of officers, and not of the staff.
    Officers,
    /// The own account.
    Oneself,
    /// Applications: the own ones, and those about the participant for whom the
    /// account speaks. Who speaks for nobody yet may apply for admission.
    Applicant,
}

impl Scope {
    /// The word used in the printed table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Every => "all",
            Self::Own => "own",
            Self::Officers => "officers",
            Self::Oneself => "self",
            Self::Applicant => "applicant",
        }
    }
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// 参加者, with sites and lines.
    Participants,
    /// 接続機器 and their certificates.
    Devices,
    /// サービス. Own: the catalogue of what may be asked for, and the own ones.
    Services,
    /// 利用合意. Own: those of which the participant is a side.
    Agreements,
    /// ゲートウェイ.
    Gateways,
    /// "Why can A (not) reach B?"
    Explanations,
    /// "Enforced everywhere?"
    Enforcement,
    /// 台帳.
    Ledger,
    /// How the center is.
    Health,
    /// アカウント.
    Accounts,
    /// 申請. Own: the own ones.
    Cases,
    /// 要件・審査項目: public in character.
    Rules,
    /// 日次再確認.
    Recheck,
    /// 公開名簿: institutions that are known to exist.
    Applicants,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 14] = [
        Self::Participants,
        Self::Devices,
        Self::Services,
        Self::Agreements,
        Self::Gateways,
        Self::Explanations,
        Self::Enforcement,
        Self::Ledger,
        Self::Health,
        Self::Accounts,
        Self::Cases,
        Self::Rules,
        Self::Recheck,
        Self::Applicants,
    ];

    /// The word used in the printed table and in refusals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participants => "participants",
            Self::Devices => "devices",
            Self::Services => "services",
            Self::Agreements => "agreements",
            Self::Gateways => "gateways",
            Self::Explanations => "explanations",
            Self::Enforcement => "enforcement",
            Self::Ledger => "ledger",
            Self::Health => "health",
            Self::Accounts => "accounts",
            Self::Cases => "cases",
            Self::Rules => "rules",
            Self::Recheck => "recheck",
            Self::Applicants => "applicants",
        }
    }
}

type Row = &'static [(Role, Scope)];

/// The machinery of the network itself, and nobody else.
const MACHINE: Row = &[(Role::System, Scope::Every)];
const OPERATOR: Row = &[(Role::Operator, Scope::Every)];
/// Cutting off and letting back: at once, by whoever sees it first; the machine
/// does it too, in the daily re-check.
const CUTTING: Row = &[
    (Role::SecurityOfficer, Scope::Every),
    (Role::Operator, Scope::Every),
    (Role::System, Scope::Every),
];
/// Accounts: the staff's by security officers alone.
const ACCOUNTS: Row = &[
    (Role::Approver, Scope::Officers),
    (Role::Operator, Scope::Officers),
    (Role::SecurityOfficer, Scope::Every),
];
const ROLES: Row = &[(Role::SecurityOfficer, Scope::Every)];
/// Everybody with an account, for the own one: the auditor too.
const ONESELF: Row = &[
    (Role::Officer, Scope::Oneself),
    (Role::Examiner, Scope::Oneself),
    (Role::Approver, Scope::Oneself),
    (Role::Operator, Scope::Oneself),
    (Role::SecurityOfficer, Scope::Oneself),
    (Role::Auditor, Scope::Oneself),
];
/// What is written on paper, the operator enters for the applicant.
const APPLICANTS: Row = &[
    (Role::Officer, Scope::Applicant),
    (Role::Operator, Scope::Every),
];
const EXAMINER: Row = &[(Role::Examiner, Scope::Every)];
const APPROVER: Row = &[(Role::Approver, Scope::Every)];
const OPERATOR_AND_MACHINE: Row = &[(Role::Operator, Scope::Every), (Role::System, Scope::Every)];
/// What a person says after the machine has stopped.
const WATCHERS: Row = &[
    (Role::SecurityOfficer, Scope::Every),
    (Role::Operator, Scope::Every),
];
/// Both sides must have said yes for themselves, so the operator cannot say it
/// for either. The machine can where a rule of the provider's says it.
const SIDES: Row = &[(Role::Officer, Scope::Own), (Role::System, Scope::Every)];

/// Who may do this, and how far: the table's row.
#[must_use]
pub const fn row(act: Act) -> Row {
    match act {
        Act::FoundNetwork => MACHINE,
        Act::RegisterGateway => OPERATOR,
        // People admit through cases; this way is for break-glass. Many at once
        // has no path of the API at all, so that no account and no session comes
        // to it: only a program that opens the registry itself, in the network's
        // name, and each of the admitted is named in the act's entry.
        Act::AdmitParticipant | Act::AdmitParticipants => MACHINE,
        Act::AddSite | Act::AddLine | Act::RemoveLine => OPERATOR,
        Act::IssueEnrolmentCode => &[
            (Role::Approver, Scope::Every),
            (Role::Operator, Scope::Every),
        ],
        Act::PresentEnrolmentCode
        | Act::EnrolDevice
        | Act::CertifyGateway
        | Act::RenewDevice
        | Act::RenewGateway => MACHINE,
        Act::RevokeDevice
        | Act::RevokeGatewayCertificate
        | Act::QuarantineParticipant
        | Act::ReleaseParticipant => CUTTING,
        Act::CloseParticipant => OPERATOR_AND_MACHINE,
        // A service opens nothing by itself: the operator may help a provider.
        Act::RegisterService
        | Act::ChangeServiceEndpoints
        | Act::ChangeServiceOffer
        | Act::RetireService => &[(Role::Officer, Scope::Own), (Role::Operator, Scope::Every)],
        Act::ProposeAgreement | Act::AcceptAgreement => SIDES,
        Act::EndAgreement => &[
            (Role::Officer, Scope::Own),
            (Role::Operator, Scope::Every),
            (Role::SecurityOfficer, Scope::Every),
            (Role::System, Scope::Every),
        ],
        Act::CreateAccount
        | Act::BindAccount
        | Act::LockAccount
        | Act::UnlockAccount
        | Act::RetireAccount
        | Act::LinkLogin
        | Act::UnlinkLogin
        | Act::HandOutLoginCode => ACCOUNTS,
        Act::GrantRole | Act::TakeRole => ROLES,
        Act::LogIn | Act::LogOut | Act::SetCredential | Act::RemoveCredential => ONESELF,
        Act::LockOutAccount => MACHINE,
        Act::ListApplicants | Act::RecordImport | Act::ListVanished => OPERATOR_AND_MACHINE,
        // Re-audits are asked for by those who examine, closings by the machine.
        Act::ReceiveApplication => &[
            (Role::Officer, Scope::Applicant),
            (Role::Operator, Scope::Every),
            (Role::Examiner, Scope::Every),
            (Role::SecurityOfficer, Scope::Every),
            (Role::System, Scope::Every),
        ],
        Act::ResubmitApplication | Act::WithdrawApplication => APPLICANTS,
        Act::ReturnApplication
        | Act::AcceptApplication
        | Act::BeginExamination
        | Act::JudgeItems
        | Act::ConcludeExamination => EXAMINER,
        Act::SendBackCase | Act::ApproveCase | Act::RejectCase => APPROVER,
        Act::RecordOpeningTest | Act::OpenConnection => OPERATOR,
        Act::CarryOutCase => OPERATOR_AND_MACHINE,
        // Nobody claims what only the center can have found out.
        Act::RecordCaseEvidence
        | Act::LapseCase
        | Act::RecheckSlot
        | Act::ExpireAgreement
        | Act::NoticeAgreement => MACHINE,
        Act::ConfirmRecheck | Act::DismissRecheck => WATCHERS,
        // The machine publishes the shipped first version, and no other.
        Act::PublishRules => &[
            (Role::SecurityOfficer, Scope::Every),
            (Role::System, Scope::Every),
        ],
    }
}

const STAFF: Row = &[
    (Role::Examiner, Scope::Every),
    (Role::Approver, Scope::Every),
    (Role::Operator, Scope::Every),
    (Role::SecurityOfficer, Scope::Every),
    (Role::Auditor, Scope::Every),
];
const STAFF_AND_OWN: Row = &[
    (Role::Officer, Scope::Own),
    (Role::Examiner, Scope::Every),
    (Role::Approver, Scope::Every),
    (Role::Operator, Scope::Every),
    (Role::SecurityOfficer, Scope::Every),
    (Role::Auditor, Scope::Every),
];
const EVERYBODY: Row = &[
    (Role::Officer, Scope::Every),
    (Role::Examiner, Scope::Every),
    (Role::Approver, Scope::Every),
    (Role::Operator, Scope::Every),
    (Role::SecurityOfficer, Scope::Every),
    (Role::Auditor, Scope::Every),
];
const WATCH: Row = &[
    (Role::Operator, Scope::Every),
    (Role::SecurityOfficer, Scope::Every),
    (Role::Auditor, Scope::Every),
];

/// Who may read this, and how far.
#[must_use]
pub const fn read_row(resource: Resource) -> Row {
    match resource {
        Resource::Participants
        | Resource::Devices
        | Resource::Services
        | Resource::Agreements
        | Resource::Cases => STAFF_AND_OWN,
        Resource::Rules => EVERYBODY,
        Resource::Gateways | Resource::Applicants => STAFF,
        Resource::Accounts => &[
            (Role::Approver, Scope::Every),
            (Role::Operator, Scope::Every),
            (Role::SecurityOfficer, Scope::Every),
            (Role::Auditor, Scope::Every),
        ],
        Resource::Explanations
        | Resource::Enforcement
        | Resource::Ledger
        | Resource::Health
        | Resource::Recheck => WATCH,
    }
}

/// May this role do this, and how far?
#[must_use]
pub fn may(role: Role, act: Act) -> Option<Scope> {
    find(row(act), role)
}

/// May this role read this, and how far?
#[must_use]
pub fn may_read(role: Role, resource: Resource) -> Option<Scope> {
    find(read_row(resource), role)
}

/// A role whose duty this is towards everybody, for what fills a registry by
/// itself (benches, tests); none when each participant does it for itself only.
#[must_use]
pub fn whose_duty(act: Act) -> Option<Role> {
    row(act)
        .iter()
        .find(|(_, scope)| *scope == Scope::Every)
        .map(|(role, _)| *role)
}

fn find(row: Row, role: Role) -> Option<Scope> {
    row.iter()
        .find(|(known, _)| *known == role)
        .map(|(_, scope)| *scope)
}

/// Lets the command through, or says why its actor may not.
pub(crate) fn check(view: &dyn View, actor: &Actor, command: &Command) -> Result<(), DecideError> {
    let role = actor.role();
    let act = Act::from(command);
    let Some(scope) = may(role, act) else {
        return Err(match role {
            Role::Auditor => Refusal::AuditorActs,
            _ => Refusal::RoleMayNot { role, act },
        }
        .into());
    };
    // A name that is an account's acts as the account may, at the machine
    // itself too; under another name people act there at their own word.
    let account = account::of_actor(view, actor)?;
    if let Some(account) = &account
        && !account.may_act_as(role)
    {
        return Err(match account.standing {
            AccountStanding::Active => Refusal::RoleNotHeld {
                account: account.account.clone(),
                role,
            },
            AccountStanding::Locked => Refusal::AccountLocked(account.account.clone()),
            AccountStanding::Retired => Refusal::AccountRetired(account.account.clone()),
        }
        .into());
    }
    match scope {
        Scope::Every => Ok(()),
        Scope::Own => match account.and_then(|account| account.speaks_for) {
            Some(SpeaksFor::Participant(own)) => own_only(view, own, command),
            Some(SpeaksFor::Application(_) | SpeaksFor::Applicant) | None => {
                Err(Refusal::SpeaksForNobody(actor.name().to_owned()).into())
            }
        },
        Scope::Officers => officers_only(view, role, command),
        Scope::Oneself => oneself_only(actor, command),
        Scope::Applicant => {
            let own = account.and_then(|account| account.speaks_for);
            applicant_only(view, actor, own, command)
        }
    }
}

/// Refuses what is no own application. What belongs to others is refused as if
/// it did not exist.
fn applicant_only(
    view: &dyn View,
    actor: &Actor,
    speaks_for: Option<SpeaksFor>,
    command: &Command,
) -> Result<(), DecideError> {
    let own = speaks_for.and_then(SpeaksFor::participant);
    match command {
        Command::ReceiveApplication(wish) => match (wish.participant, own) {
            (None, _) => Ok(()),
            (Some(about), Some(own)) if about == own => Ok(()),
            (Some(by), Some(own)) => Err(Refusal::SpeaksForAnother { own, by }.into()),
            (Some(_), None) => Err(Refusal::SpeaksForNobody(actor.name().to_owned()).into()),
        },
        Command::ResubmitApplication(ResubmitApplication { case, .. })
        | Command::WithdrawApplication(SeenCase { case, .. }) => {
            let found = view.case(*case)?;
            if found.is_some_and(|found| is_own(&found, actor, speaks_for)) {
                Ok(())
            } else {
                Err(CaseRefusal::Unknown(*case).into())
            }
        }
        other => Err(not_scoped(actor.role(), other)),
    }
}

/// Is this case within the sight of this officer: about the participant or the
/// admission that it speaks for, or sent in by itself?
#[must_use]
pub fn is_own(case: &Case, officer: &Actor, speaks_for: Option<SpeaksFor>) -> bool {
    let spoken_for = match speaks_for {
        Some(SpeaksFor::Participant(own)) => case.participant == Some(own),
        Some(SpeaksFor::Application(own)) => case.case == own,
        Some(SpeaksFor::Applicant) | None => false,
    };
    spoken_for
        || case
            .applicants
            .iter()
            .any(|applicant| same_person(applicant.name(), officer.name()))
}

/// The account that a command is about.
fn account_of(command: &Command) -> Option<&AccountName> {
    match command {
        Command::CreateAccount { account, .. }
        | Command::GrantRole { account, .. }
        | Command::TakeRole { account, .. }
        | Command::BindAccount { account, .. }
        | Command::LockAccount { account, .. }
        | Command::UnlockAccount { account }
        | Command::RetireAccount { account, .. }
        | Command::LinkLogin { account, .. }
        | Command::UnlinkLogin { account, .. }
        | Command::HandOutLoginCode { account, .. }
        | Command::LogIn { account, .. }
        | Command::LogOut { account }
        | Command::SetCredential { account, .. }
        | Command::RemoveCredential { account, .. }
        | Command::LockOutAccount { account, .. } => Some(account),
        _ => None,
    }
}

fn officers_only(view: &dyn View, role: Role, command: &Command) -> Result<(), DecideError> {
    let Some(name) = account_of(command) else {
        return Err(not_scoped(role, command));
    };
    let of_officer = match command {
        Command::CreateAccount { roles, .. } => roles.as_slice() == [Role::Officer],
        _ => view
            .account(name)?
            .ok_or_else(|| Refusal::AccountUnknown(name.clone()))?
            .is_officers(),
    };
    if of_officer {
        Ok(())
    } else {
        Err(Refusal::StaffAccount {
            role,
            account: name.clone(),
        }
        .into())
    }
}

fn oneself_only(actor: &Actor, command: &Command) -> Result<(), DecideError> {
    match account_of(command) {
        Some(name) if name.as_str() == actor.name() => Ok(()),
        Some(name) => Err(Refusal::NotOneself {
            name: actor.name().to_owned(),
            account: name.clone(),
        }
        .into()),
        None => Err(not_scoped(actor.role(), command)),
    }
}

/// A row gave a scope to a command that has none: closed, not open.
fn not_scoped(role: Role, command: &Command) -> DecideError {
    Refusal::RoleMayNot {
        role,
        act: Act::from(command),
    }
    .into()
}

/// Refuses what is not the own participant's. What belongs to others is refused
/// as if it did not exist: the answer must not tell what there is.
fn own_only(view: &dyn View, own: ParticipantNumber, command: &Command) -> Result<(), DecideError> {
    let speaks = |by: ParticipantNumber| -> Result<(), DecideError> {
        if by == own {
            Ok(())
        } else {
            Err(Refusal::SpeaksForAnother { own, by }.into())
        }
    };
    match command {
        Command::RegisterService { provider, .. } => speaks(*provider),
        Command::ChangeServiceEndpoints { service, .. }
        | Command::ChangeServiceOffer { service, .. }
        | Command::RetireService { service } => match view.service(*service)? {
            Some(found) if found.provider == own => Ok(()),
            _ => Err(Refusal::ServiceUnknown(*service).into()),
        },
        Command::ProposeAgreement { by, .. } => speaks(*by),
        Command::AcceptAgreement { agreement, by } => {
            speaks(*by)?;
            side(view, own, *agreement)
        }
        Command::EndAgreement { agreement, by, .. } => {
            // Nobody's word is the operator's.
            speaks(by.ok_or(Refusal::SideNotNamed { own })?)?;
            side(view, own, *agreement)
        }
        // Whoever gives one of these to the own participant says here what its own is.
        other => Err(not_scoped(Role::Officer, other)),
    }
}

fn side(
    view: &dyn View,
    own: ParticipantNumber,
    agreement: iryonet_domain::AgreementId,
) -> Result<(), DecideError> {
    let found = view.agreement(agreement)?;
    let is_side = match &found {
        None => false,
        Some(found) if found.participant == own => true,
        Some(found) => provider(view, found.service)? == Some(own),
    };
    if is_side {
        Ok(())
    } else {
        Err(Refusal::AgreementUnknown(agreement).into())
    }
}

fn provider(
    view: &dyn View,
    service: iryonet_domain::ServiceId,
) -> Result<Option<ParticipantNumber>, ViewError> {
    Ok(view.service(service)?.map(|service| service.provider))
}

/// The table as a person reads it: one line per act, then one per resource.
#[must_use]
pub fn printed() -> String {
    use std::fmt::Write as _;
    use strum::IntoEnumIterator as _;

    let mut out = String::new();
    // Writing into a String cannot fail.
    let mut line = |name: &str, cells: &dyn Fn(Role) -> &'static str| {
        let mut text = format!("{name:<28}");
        for role in Role::ALL {
            let _ = write!(text, "{:<18}", cells(role));
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line("act", &Role::as_str);
    for act in Act::iter() {
        line(act.into(), &|role| {
            may(role, act).map_or("-", Scope::as_str)
        });
    }
    line("", &|_| "");
    line("read", &Role::as_str);
    for resource in Resource::ALL {
        line(resource.as_str(), &|role| {
            may_read(role, resource).map_or("-", Scope::as_str)
        });
    }
    out
}
