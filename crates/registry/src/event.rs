//! What happened. The events are the network's history for ever: their names
//! and fields are never changed, only added to, and each says all that a
//! reader of the ledger needs without looking elsewhere.

use crate::account::{Credential, Login, LoginMethod, SpeaksFor};
use crate::applicant::{AttributeChange, ImportCounts, ListId};
use crate::case::CaseEvent;
use crate::certificate::{RevocationReason, Serial};
use crate::enrolment::{CodeHash, Subject};
use crate::membership::MembershipEvent;
use crate::offer::Offer;
use crate::recheck::RecheckEvent;
use crate::rules::RuleText;
use iryonet_domain::{
    AccountName, Actor, AgreementId, CaseId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId,
    InstitutionCode, LineId, LineKind, NetworkPrefix, ParticipantKind, ParticipantNumber,
    Prefecture, Purpose, Role, ServiceId, SiteIndex, TrafficClass, UnixMillis, Validity,
};
use iryonet_rules::RuleVersion;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// One thing that became so. When and by whom stands in the ledger entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields repeat those of the command of the same act, where they are explained"
)]
pub enum Event {
    /// The network has its address plan.
    NetworkFounded { network: NetworkPrefix },
    /// A gateway is known, with its blocks, ascending.
    GatewayRegistered {
        gateway: GatewayId,
        backbone: Ipv6Addr,
        blocks: Vec<u8>,
    },
    /// A participant was admitted; it has no device yet.
    ParticipantAdmitted {
        number: ParticipantNumber,
        kind: ParticipantKind,
        name: String,
        code: Option<InstitutionCode>,
        /// 都道府県, where it was stated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        area: Option<Prefecture>,
    },
    /// A participant has one more site.
    SiteAdded {
        participant: ParticipantNumber,
        site: SiteIndex,
        name: String,
    },
    /// A site has one more line.
    LineAdded {
        line: LineId,
        kind: LineKind,
        participant: ParticipantNumber,
        site: SiteIndex,
        circuit: Circuit,
    },
    /// A line is gone; its circuit is free again.
    LineRemoved {
        line: LineId,
        participant: ParticipantNumber,
        site: SiteIndex,
        circuit: Circuit,
    },
    /// An enrolment code waits to be used.
    EnrolmentCodeIssued {
        subject: Subject,
        code_hash: CodeHash,
        expires_at: UnixMillis,
    },
    /// An enrolment code was used, once and for all. `device` is there when
    /// the subject is a participant.
    EnrolmentCodeSpent {
        subject: Subject,
        code_hash: CodeHash,
        device: Option<DeviceId>,
    },
    /// A participant's device has a certificate.
    DeviceEnrolled {
        participant: ParticipantNumber,
        device: DeviceId,
        fingerprint: Fingerprint,
        serial: Serial,
        not_before: UnixMillis,
        not_after: UnixMillis,
    },
    /// A device's certificate no longer counts.
    DeviceRevoked {
        participant: ParticipantNumber,
        device: DeviceId,
        fingerprint: Fingerprint,
        serial: Serial,
        reason: RevocationReason,
    },
    /// A gateway has a certificate.
    GatewayCertified {
        gateway: GatewayId,
        fingerprint: Fingerprint,
        serial: Serial,
        not_before: UnixMillis,
        not_after: UnixMillis,
    },
    /// A gateway's certificate no longer counts.
    GatewayCertificateRevoked {
        gateway: GatewayId,
        fingerprint: Fingerprint,
        serial: Serial,
        reason: RevocationReason,
    },
    /// A participant is cut off.
    ParticipantQuarantined {
        participant: ParticipantNumber,
        reason: String,
    },
    /// A participant is no longer cut off.
    ParticipantReleased { participant: ParticipantNumber },
    /// A participant left the network. Its agreements, services, lines and
    /// devices ended in events of their own, before this one.
    ParticipantClosed {
        participant: ParticipantNumber,
        reason: String,
    },
    /// A service can be asked for. Lists are ascending.
    ServiceRegistered {
        service: ServiceId,
        provider: ParticipantNumber,
        name: String,
        class: TrafficClass,
        purposes: Vec<Purpose>,
        endpoints: Vec<Endpoint>,
        eligible: Vec<ParticipantKind>,
    },
    /// A service is reached otherwise; `endpoints` replaces the earlier ones.
    ServiceEndpointsChanged {
        service: ServiceId,
        provider: ParticipantNumber,
        endpoints: Vec<Endpoint>,
    },
    /// A service ended. Its agreements ended before, in events of their own.
    ServiceRetired {
        service: ServiceId,
        provider: ParticipantNumber,
    },
    /// One side wants an agreement. Opens nothing.
    AgreementProposed {
        agreement: AgreementId,
        participant: ParticipantNumber,
        service: ServiceId,
        purpose: Purpose,
        validity: Validity,
        by: ParticipantNumber,
        /// Who said it for that side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        officer: Option<Actor>,
    },
    /// Both sides have said yes: the path is open while the validity holds.
    AgreementAccepted {
        agreement: AgreementId,
        participant: ParticipantNumber,
        service: ServiceId,
        validity: Validity,
        by: ParticipantNumber,
        /// Who said it for that side; nobody where the service's rule did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        officer: Option<Actor>,
        /// By the service's rule, in the act that proposed it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        automatic: bool,
    },
    /// The agreement, or the mere proposal, is over. `by` is the side that
    /// ended it, or nobody when it followed from another act or from time.
    AgreementEnded {
        agreement: AgreementId,
        participant: ParticipantNumber,
        service: ServiceId,
        by: Option<ParticipantNumber>,
        /// Its validity was over, and this only says so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ran_out: bool,
    },
    /// An institution stands in a public list: it exists, and is not a member.
    ApplicantListed {
        code: InstitutionCode,
        name: String,
        postal: String,
        address: String,
        list: ListId,
    },
    /// A public list says something else about it than before.
    ApplicantChanged {
        code: InstitutionCode,
        changes: Vec<AttributeChange>,
        list: ListId,
    },
    /// An import that changed something came to its end.
    ListImported {
        list: ListId,
        file_sha256: String,
        counts: ImportCounts,
    },
    /// A device was renewed: its successor's certificate stands in the event
    /// before. Both count until the old one ends or is revoked.
    DeviceRenewed {
        participant: ParticipantNumber,
        device: DeviceId,
        fingerprint: Fingerprint,
        successor: DeviceId,
    },
    /// A gateway's certificate was renewed; both count until the old one ends.
    GatewayCertificateRenewed {
        gateway: GatewayId,
        fingerprint: Fingerprint,
        successor: Fingerprint,
    },
    /// A person has an account. Roles are ascending.
    AccountCreated {
        account: AccountName,
        person: String,
        roles: Vec<Role>,
        speaks_for: Option<SpeaksFor>,
    },
    /// An account has one role more.
    AccountRoleGranted { account: AccountName, role: Role },
    /// An account has one role less.
    AccountRoleTaken { account: AccountName, role: Role },
    /// An officer speaks for somebody from now on.
    AccountBound {
        account: AccountName,
        speaks_for: SpeaksFor,
    },
    /// Nobody acts under this name for now.
    AccountLocked {
        account: AccountName,
        reason: String,
    },
    /// Its person acts again, and its passwords are looked at again.
    AccountUnlocked { account: AccountName },
    /// Nobody acts under this name ever again.
    AccountRetired {
        account: AccountName,
        reason: String,
    },
    /// Somebody may log in through an organisation's issuer.
    AccountLinked { account: AccountName, login: Login },
    /// No longer.
    AccountUnlinked { account: AccountName, login: Login },
    /// A code waits with which the person sets its credentials.
    LoginCodeHandedOut {
        account: AccountName,
        expires_at: UnixMillis,
    },
    /// A session began.
    LoggedIn {
        account: AccountName,
        role: Role,
        method: LoginMethod,
    },
    /// A session was ended by its person.
    LoggedOut { account: AccountName },
    /// A credential was set anew.
    CredentialSet {
        account: AccountName,
        credential: Credential,
    },
    /// A credential was taken away.
    CredentialRemoved {
        account: AccountName,
        credential: Credential,
    },
    /// Passwords are refused for a while.
    AccountLockedOut {
        account: AccountName,
        failures: u32,
        from: String,
        until: UnixMillis,
    },
    /// A service is offered otherwise; `offer` replaces the earlier one.
    ServiceOfferChanged {
        service: ServiceId,
        provider: ParticipantNumber,
        offer: Offer,
    },
    /// An accepted agreement will end earlier; `validity` replaces the earlier
    /// one. `by` as where it ends at once.
    AgreementEndSet {
        agreement: AgreementId,
        participant: ParticipantNumber,
        service: ServiceId,
        validity: Validity,
        by: Option<ParticipantNumber>,
        officer: Actor,
    },
    /// Both sides are told that an agreement will run out.
    AgreementNoticed {
        agreement: AgreementId,
        participant: ParticipantNumber,
        service: ServiceId,
        until: UnixMillis,
    },
    /// A version of the rules holds from now on.
    RulesPublished {
        version: RuleVersion,
        files: Vec<RuleText>,
    },
    /// What became of a membership.
    #[serde(untagged)]
    Membership(MembershipEvent),
    /// What became of a case.
    #[serde(untagged)]
    Case(CaseEvent),
    /// What the daily re-check did.
    #[serde(untagged)]
    Recheck(RecheckEvent),
}

impl Event {
    /// Whom and what it is about: the keys under which the history of a
    /// participant, gateway, service, agreement or applicant is found.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        match self {
            Self::NetworkFounded { .. }
            | Self::ListImported { .. }
            | Self::RulesPublished { .. } => Vec::new(),
            Self::GatewayRegistered { gateway, .. }
            | Self::GatewayCertified { gateway, .. }
            | Self::GatewayCertificateRevoked { gateway, .. }
            | Self::GatewayCertificateRenewed { gateway, .. } => {
                vec![Topic::Gateway(gateway.clone())]
            }
            Self::ParticipantAdmitted {
                number: participant,
                ..
            }
            | Self::SiteAdded { participant, .. }
            | Self::DeviceEnrolled { participant, .. }
            | Self::DeviceRevoked { participant, .. }
            | Self::DeviceRenewed { participant, .. }
            | Self::ParticipantQuarantined { participant, .. }
            | Self::ParticipantReleased { participant }
            | Self::ParticipantClosed { participant, .. } => {
                vec![Topic::Participant(*participant)]
            }
            Self::LineAdded {
                participant,
                circuit,
                ..
            }
            | Self::LineRemoved {
                participant,
                circuit,
                ..
            } => vec![
                Topic::Participant(*participant),
                Topic::Gateway(circuit.gateway.clone()),
            ],
            Self::EnrolmentCodeIssued { subject, .. }
            | Self::EnrolmentCodeSpent { subject, .. } => vec![match subject {
                Subject::Participant(number) => Topic::Participant(*number),
                Subject::Gateway(gateway) => Topic::Gateway(gateway.clone()),
            }],
            Self::ServiceRegistered {
                service, provider, ..
            }
            | Self::ServiceEndpointsChanged {
                service, provider, ..
            }
            | Self::ServiceOfferChanged {
                service, provider, ..
            }
            | Self::ServiceRetired { service, provider } => {
                vec![Topic::Service(*service), Topic::Participant(*provider)]
            }
            Self::AgreementProposed {
                agreement,
                participant,
                service,
                ..
            }
            | Self::AgreementAccepted {
                agreement,
                participant,
                service,
                ..
            }
            | Self::AgreementEnded {
                agreement,
                participant,
                service,
                ..
            }
            | Self::AgreementEndSet {
                agreement,
                participant,
                service,
                ..
            }
            | Self::AgreementNoticed {
                agreement,
                participant,
                service,
                ..
            } => vec![
                Topic::Agreement(*agreement),
                Topic::Participant(*participant),
                Topic::Service(*service),
            ],
            Self::ApplicantListed { code, .. } | Self::ApplicantChanged { code, .. } => {
                vec![Topic::Applicant(*code)]
            }
            Self::AccountCreated {
                account,
                speaks_for: Some(SpeaksFor::Participant(number)),
                ..
            }
            | Self::AccountBound {
                account,
                speaks_for: SpeaksFor::Participant(number),
            } => vec![Topic::Account(account.clone()), Topic::Participant(*number)],
            Self::AccountCreated {
                account,
                speaks_for: Some(SpeaksFor::Application(case)),
                ..
            }
            | Self::AccountBound {
                account,
                speaks_for: SpeaksFor::Application(case),
            } => vec![Topic::Account(account.clone()), Topic::Case(*case)],
            Self::AccountCreated { account, .. }
            | Self::AccountBound { account, .. }
            | Self::AccountRoleGranted { account, .. }
            | Self::AccountRoleTaken { account, .. }
            | Self::AccountLocked { account, .. }
            | Self::AccountUnlocked { account }
            | Self::AccountRetired { account, .. }
            | Self::AccountLinked { account, .. }
            | Self::AccountUnlinked { account, .. }
            | Self::LoginCodeHandedOut { account, .. }
            | Self::LoggedIn { account, .. }
            | Self::LoggedOut { account }
            | Self::CredentialSet { account, .. }
            | Self::CredentialRemoved { account, .. }
            | Self::AccountLockedOut { account, .. } => vec![Topic::Account(account.clone())],
            Self::Membership(event) => event.topics(),
            Self::Case(event) => event.topics(),
            Self::Recheck(event) => event.topics(),
        }
    }
}

/// A key of the history, written `participant:65536`, `gateway:gw-east-1`,
/// `service:3`, `agreement:12`, `applicant:0111234560`, `account:suzuki`,
/// `case:7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// 参加者.
    Participant(ParticipantNumber),
    /// ゲートウェイ.
    Gateway(GatewayId),
    /// サービス.
    Service(ServiceId),
    /// 利用合意.
    Agreement(AgreementId),
    /// An institution of a public list.
    Applicant(InstitutionCode),
    /// アカウント.
    Account(AccountName),
    /// 申請.
    Case(CaseId),
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Participant(number) => write!(f, "participant:{number}"),
            Self::Gateway(gateway) => write!(f, "gateway:{gateway}"),
            Self::Service(service) => write!(f, "service:{service}"),
            Self::Agreement(agreement) => write!(f, "agreement:{agreement}"),
            Self::Applicant(code) => write!(f, "applicant:{code}"),
            Self::Account(account) => write!(f, "account:{account}"),
            Self::Case(case) => write!(f, "case:{case}"),
        }
    }
}
