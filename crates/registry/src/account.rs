//! アカウント: a person, by the name under which its acts are recorded, with
//! the roles that it may act in. Nothing secret is here: how somebody proves to
//! be this person is kept beside the ledger, by those who check it.

use crate::case::CaseRefusal;
use crate::decide::{Decision, reason_text, text};
use crate::limits::{
    ACCOUNTS_PER_PARTICIPANT, ACTIVE_ACCOUNTS_PER_ROLE, LOGIN_CODE_LIFE_MAX_MS, LOGINS_PER_ACCOUNT,
    NAME_MAX_CHARS,
};
use crate::view::{View, ViewError};
use crate::{DecideError, Event, Refusal};
use iryonet_domain::{AccountName, Actor, CaseId, CaseKind, ParticipantNumber, Role, UnixMillis};
use serde::{Deserialize, Serialize};

/// Longest name of an issuer and of a subject there, in characters.
const LOGIN_MAX_CHARS: usize = 255;

/// Whether an account may be used, as far as people decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStanding {
    /// 有効.
    Active,
    /// 停止: by a person, until a person lets it go on.
    Locked,
    /// 廃止: for ever; the name is never given again.
    Retired,
}

impl AccountStanding {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::Active, Self::Locked, Self::Retired];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Retired => "retired",
        }
    }
}

/// For whom an officer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeaksFor {
    /// This participant.
    Participant(ParticipantNumber),
    /// 申請者: this admission, and from its approval on the participant that it
    /// brings.
    Application(CaseId),
    /// 申請予定者: nobody yet; for the admission that it sends in, once it has.
    Applicant,
}

impl SpeaksFor {
    /// The participant, where it is one.
    #[must_use]
    pub fn participant(self) -> Option<ParticipantNumber> {
        match self {
            Self::Participant(number) => Some(number),
            Self::Application(_) | Self::Applicant => None,
        }
    }

    /// The admission, where it is one.
    #[must_use]
    pub fn application(self) -> Option<CaseId> {
        match self {
            Self::Application(case) => Some(case),
            Self::Participant(_) | Self::Applicant => None,
        }
    }
}

impl std::fmt::Display for SpeaksFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Participant(number) => write!(f, "participant:{number}"),
            Self::Application(case) => write!(f, "application:{case}"),
            Self::Applicant => f.write_str("applicant"),
        }
    }
}

/// The text names nobody for whom somebody could speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names nobody for whom somebody could speak; write participant:65536, application:12 or applicant"
)]
pub struct SpeaksForError(pub String);

impl std::str::FromStr for SpeaksFor {
    type Err = SpeaksForError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = match text.split_once(':') {
            Some(("participant", number)) => number.parse().ok().map(Self::Participant),
            Some(("application", case)) => case.parse().ok().map(Self::Application),
            None if text == "applicant" => Some(Self::Applicant),
            _ => None,
        };
        found.ok_or_else(|| SpeaksForError(text.chars().take(60).collect()))
    }
}

/// How somebody is known to an organisation's issuer (OpenID Connect Core,
/// section 2): the two together name one person for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Login {
    /// The issuer, as the center's settings name it.
    pub issuer: String,
    /// `sub` there.
    pub subject: String,
}

/// What somebody showed, or has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A password.
    Password,
    /// A one-time password by time (RFC 6238).
    Totp,
    /// A passkey (W3C Web Authentication).
    Passkey,
    /// Recovery codes, each good once in place of a second factor.
    RecoveryCodes,
}

impl Credential {
    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCodes => "recovery-codes",
        }
    }
}

/// By what somebody logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// Password and one-time password.
    PasswordAndTotp,
    /// Password and a recovery code.
    PasswordAndRecoveryCode,
    /// A passkey.
    Passkey,
    /// An organisation's issuer.
    Issuer,
    /// The one-time code that begins an account's life, or begins it anew.
    LoginCode,
}

impl LoginMethod {
    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordAndTotp => "password-and-totp",
            Self::PasswordAndRecoveryCode => "password-and-recovery-code",
            Self::Passkey => "passkey",
            Self::Issuer => "issuer",
            Self::LoginCode => "login-code",
        }
    }
}

/// An account as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, for ever.
    pub account: AccountName,
    /// 氏名.
    pub person: String,
    /// In which roles it may act, ascending.
    pub roles: Vec<Role>,
    /// For whom it speaks, if it is an officer's.
    pub speaks_for: Option<SpeaksFor>,
    /// Standing.
    pub standing: AccountStanding,
    /// Until when logging in with a password is refused from places where it
    /// never succeeded, after too many wrong ones.
    pub locked_out_until: Option<UnixMillis>,
    /// How organisations know it, ascending.
    pub logins: Vec<Login>,
    /// Changes with everything after which earlier sessions must be dead.
    pub generation: u64,
    /// When it was created.
    pub created_at: UnixMillis,
}

impl Account {
    /// May it act in this role now?
    #[must_use]
    pub fn may_act_as(&self, role: Role) -> bool {
        self.standing == AccountStanding::Active && self.roles.contains(&role)
    }

    /// Is it an officer's, and nobody's of the staff?
    #[must_use]
    pub fn is_officers(&self) -> bool {
        self.roles == [Role::Officer]
    }
}

/// The account under the actor's name. There may be none: at the machine itself
/// people act under names that they say.
pub(crate) fn of_actor(view: &dyn View, actor: &Actor) -> Result<Option<Account>, DecideError> {
    match actor.name().parse() {
        Ok(name) if actor.role() != Role::System => Ok(view.account(&name)?),
        _ => Ok(None),
    }
}

pub(crate) fn create(
    view: &dyn View,
    account: &AccountName,
    person: &str,
    roles: &[Role],
    speaks_for: Option<SpeaksFor>,
) -> Decision {
    if view.account(account)?.is_some() {
        return Err(Refusal::AccountExists(account.clone()).into());
    }
    let person = text("name of the person", person, NAME_MAX_CHARS)?;
    let mut roles = roles.to_vec();
    roles.sort();
    roles.dedup();
    if roles.is_empty() {
        return Err(Refusal::NoRole.into());
    }
    check_together(&roles)?;
    for role in &roles {
        check_room(view, *role)?;
    }
    match speaks_for {
        Some(whom) => check_binding(view, &roles, whom)?,
        None if roles == [Role::Officer] => return Err(Refusal::OfficerOfNobody.into()),
        None => {}
    }
    Ok(vec![Event::AccountCreated {
        account: account.clone(),
        person,
        roles,
        speaks_for,
    }])
}

pub(crate) fn grant(view: &dyn View, actor: &Actor, account: &AccountName, role: Role) -> Decision {
    let found = another(view, actor, account)?;
    if found.roles.contains(&role) {
        return Err(Refusal::RoleHeld {
            account: account.clone(),
            role,
        }
        .into());
    }
    let mut roles = found.roles;
    roles.push(role);
    roles.sort();
    check_together(&roles)?;
    check_room(view, role)?;
    Ok(vec![Event::AccountRoleGranted {
        account: account.clone(),
        role,
    }])
}

pub(crate) fn take(view: &dyn View, actor: &Actor, account: &AccountName, role: Role) -> Decision {
    let found = another(view, actor, account)?;
    if !found.roles.contains(&role) {
        return Err(Refusal::RoleNotHeld {
            account: account.clone(),
            role,
        }
        .into());
    }
    if role == Role::SecurityOfficer {
        keep_a_security_officer(view, &found)?;
    }
    Ok(vec![Event::AccountRoleTaken {
        account: account.clone(),
        role,
    }])
}

pub(crate) fn bind(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    speaks_for: SpeaksFor,
) -> Decision {
    let found = another(view, actor, account)?;
    if found.speaks_for == Some(speaks_for) {
        return Err(Refusal::BoundAlready(account.clone()).into());
    }
    check_binding(view, &found.roles, speaks_for)?;
    Ok(vec![Event::AccountBound {
        account: account.clone(),
        speaks_for,
    }])
}

pub(crate) fn lock(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    reason: &str,
) -> Decision {
    let found = another(view, actor, account)?;
    if found.standing == AccountStanding::Locked {
        return Err(Refusal::AccountLocked(account.clone()).into());
    }
    keep_a_security_officer(view, &found)?;
    Ok(vec![Event::AccountLocked {
        account: account.clone(),
        reason: reason_text(reason)?,
    }])
}

/// Ends a lock, and a lock-out by too many wrong passwords.
pub(crate) fn unlock(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    now: UnixMillis,
) -> Decision {
    let found = another(view, actor, account)?;
    let locked_out = found.locked_out_until.is_some_and(|until| now < until);
    if found.standing == AccountStanding::Active && !locked_out {
        return Err(Refusal::AccountNotLocked(account.clone()).into());
    }
    Ok(vec![Event::AccountUnlocked {
        account: account.clone(),
    }])
}

pub(crate) fn retire(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    reason: &str,
) -> Decision {
    let found = another(view, actor, account)?;
    keep_a_security_officer(view, &found)?;
    Ok(vec![Event::AccountRetired {
        account: account.clone(),
        reason: reason_text(reason)?,
    }])
}

pub(crate) fn link(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    login: &Login,
) -> Decision {
    let found = another(view, actor, account)?;
    let login = Login {
        issuer: text("issuer", &login.issuer, LOGIN_MAX_CHARS)?,
        subject: text("subject", &login.subject, LOGIN_MAX_CHARS)?,
    };
    if let Some(other) = view.account_of_login(&login)? {
        return Err(Refusal::LoginTaken { login, other }.into());
    }
    if found.logins.len() >= LOGINS_PER_ACCOUNT {
        return Err(Refusal::TooManyLogins(account.clone()).into());
    }
    Ok(vec![Event::AccountLinked {
        account: account.clone(),
        login,
    }])
}

pub(crate) fn unlink(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    login: &Login,
) -> Decision {
    let found = another(view, actor, account)?;
    if !found.logins.contains(login) {
        return Err(Refusal::LoginUnknown(account.clone()).into());
    }
    Ok(vec![Event::AccountUnlinked {
        account: account.clone(),
        login: login.clone(),
    }])
}

pub(crate) fn hand_out_code(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    expires_at: UnixMillis,
    now: UnixMillis,
) -> Decision {
    let found = another(view, actor, account)?;
    active(&found)?;
    if expires_at <= now || expires_at.since_ms(now) > LOGIN_CODE_LIFE_MAX_MS {
        return Err(Refusal::LoginCodeLife { expires_at }.into());
    }
    Ok(vec![Event::LoginCodeHandedOut {
        account: account.clone(),
        expires_at,
    }])
}

/// That the account exists, may be used and holds the role was seen to where
/// every act's permission is.
pub(crate) fn log_in(
    view: &dyn View,
    actor: &Actor,
    account: &AccountName,
    method: LoginMethod,
) -> Decision {
    active(&known(view, account)?)?;
    Ok(vec![Event::LoggedIn {
        account: account.clone(),
        role: actor.role(),
        method,
    }])
}

pub(crate) fn log_out(view: &dyn View, account: &AccountName) -> Decision {
    known(view, account)?;
    Ok(vec![Event::LoggedOut {
        account: account.clone(),
    }])
}

pub(crate) fn set_credential(
    view: &dyn View,
    account: &AccountName,
    credential: Credential,
) -> Decision {
    active(&known(view, account)?)?;
    Ok(vec![Event::CredentialSet {
        account: account.clone(),
        credential,
    }])
}

pub(crate) fn remove_credential(
    view: &dyn View,
    account: &AccountName,
    credential: Credential,
) -> Decision {
    active(&known(view, account)?)?;
    Ok(vec![Event::CredentialRemoved {
        account: account.clone(),
        credential,
    }])
}

pub(crate) fn lock_out(
    view: &dyn View,
    account: &AccountName,
    failures: u32,
    from: &str,
    until: UnixMillis,
    now: UnixMillis,
) -> Decision {
    known(view, account)?;
    // Never for long: a stranger who guesses must not be able to keep somebody out.
    if until <= now || until.since_ms(now) > crate::limits::LOCK_OUT_MAX_MS {
        return Err(Refusal::LockOutLife { until }.into());
    }
    Ok(vec![Event::AccountLockedOut {
        account: account.clone(),
        failures,
        from: text("address", from, 64)?,
        until,
    }])
}

fn known(view: &dyn View, account: &AccountName) -> Result<Account, DecideError> {
    Ok(view
        .account(account)?
        .ok_or_else(|| Refusal::AccountUnknown(account.clone()))?)
}

fn active(account: &Account) -> Result<(), Refusal> {
    match account.standing {
        AccountStanding::Active => Ok(()),
        AccountStanding::Locked => Err(Refusal::AccountLocked(account.account.clone())),
        AccountStanding::Retired => Err(Refusal::AccountRetired(account.account.clone())),
    }
}

/// An account that is still in use and not the actor's own: nobody decides
/// about what they themselves may do.
fn another(view: &dyn View, actor: &Actor, account: &AccountName) -> Result<Account, DecideError> {
    if actor.name() == account.as_str() {
        return Err(Refusal::OwnAccount(account.clone()).into());
    }
    let found = known(view, account)?;
    if found.standing == AccountStanding::Retired {
        return Err(Refusal::AccountRetired(account.clone()).into());
    }
    Ok(found)
}

/// Roles that one person may hold together. Examiner and approver may be one
/// person, though never of one case. An auditor has done nothing that it
/// audits; an officer speaks for a side, and the staff for none.
fn check_together(roles: &[Role]) -> Result<(), Refusal> {
    if roles.contains(&Role::System) {
        return Err(Refusal::RoleOfMachines);
    }
    for alone in [Role::Auditor, Role::Officer] {
        if roles.contains(&alone) && roles.len() > 1 {
            return Err(Refusal::RoleAlone(alone));
        }
    }
    Ok(())
}

fn check_room(view: &dyn View, role: Role) -> Result<(), DecideError> {
    // Officers are limited per participant, not in all.
    if role != Role::Officer && view.active_accounts(role)? >= ACTIVE_ACCOUNTS_PER_ROLE {
        return Err(Refusal::TooManyAccounts(role).into());
    }
    Ok(())
}

fn check_binding(view: &dyn View, roles: &[Role], whom: SpeaksFor) -> Result<(), DecideError> {
    if roles != [Role::Officer] {
        return Err(Refusal::StaffSpeaksForNobody.into());
    }
    match whom {
        SpeaksFor::Participant(number) => {
            crate::participant::open(view, number)?;
            if view.accounts_of(whom)?.len() >= ACCOUNTS_PER_PARTICIPANT {
                return Err(Refusal::TooManyOfficers(number).into());
            }
        }
        SpeaksFor::Application(case) => {
            let found = view.case(case)?.ok_or(CaseRefusal::Unknown(case))?;
            // Once it has brought a participant, one speaks for that.
            if found.kind() != CaseKind::Admission || found.participant.is_some() {
                return Err(CaseRefusal::NoAdmissionUnderWay(case).into());
            }
            if view.accounts_of(whom)?.len() >= ACCOUNTS_PER_PARTICIPANT {
                return Err(CaseRefusal::TooManyApplicants(case).into());
            }
        }
        SpeaksFor::Applicant => {}
    }
    Ok(())
}

/// Who was to speak for the admission that it sends in speaks for this one now.
/// Only who has no open one may send in another.
pub(crate) fn applied(
    view: &dyn View,
    actor: &Actor,
    case: CaseId,
) -> Result<Option<Event>, DecideError> {
    let Some(account) = of_actor(view, actor)? else {
        return Ok(None);
    };
    match account.speaks_for {
        None | Some(SpeaksFor::Participant(_)) => return Ok(None),
        Some(SpeaksFor::Applicant) => {}
        Some(SpeaksFor::Application(before)) => {
            if view
                .case(before)?
                .is_some_and(|found| found.state.is_open())
            {
                return Err(CaseRefusal::AppliedAlready(before).into());
            }
        }
    }
    Ok(Some(Event::AccountBound {
        account: account.account,
        speaks_for: SpeaksFor::Application(case),
    }))
}

/// Who spoke for an admission speaks for the participant that it brought.
pub(crate) fn admitted(
    view: &dyn View,
    case: CaseId,
    participant: ParticipantNumber,
) -> Result<Vec<Event>, ViewError> {
    Ok(view
        .accounts_of(SpeaksFor::Application(case))?
        .into_iter()
        .map(|account| Event::AccountBound {
            account: account.account,
            speaks_for: SpeaksFor::Participant(participant),
        })
        .collect())
}

/// Somebody must be left who can grant roles.
fn keep_a_security_officer(view: &dyn View, account: &Account) -> Result<(), DecideError> {
    if account.may_act_as(Role::SecurityOfficer)
        && view.active_accounts(Role::SecurityOfficer)? <= 1
    {
        return Err(Refusal::LastSecurityOfficer(account.account.clone()).into());
    }
    Ok(())
}
